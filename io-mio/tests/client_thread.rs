//! The client thread, and what may hold it up or end it: the sockets on it do not feel it.
#![allow(missing_docs, clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod scripted;

use std::sync::mpsc::channel;
use std::time::Duration;

use sansws_mio::{Clients, Data, Event, EventKind, Heartbeat, ReliableEvent, ReliableWebSocket, Settings};
use scripted::{DEADLINE, Got, serve};

/// The client thread is held up, by a callback, until the heartbeat's deadline has passed. What the server said meanwhile lies with the kernel; also
/// if nothing was read because too many events waited, which are taken meanwhile.
#[test]
fn a_thread_that_is_late_takes_no_living_server_for_dead() {
    std::thread::scope(|scope| {
        scope.spawn(|| assert_outlives_a_late_thread(0));
        scope.spawn(|| assert_outlives_a_late_thread(6));
    });
}

/// With so many messages that the program is slow to take.
fn assert_outlives_a_late_thread(messages: u8) {
    const LIMIT: Duration = Duration::from_secs(2);
    let clients = Clients::start(Settings::default()).expect("a thread");
    let ((go, wait), (tell, told)) = (channel::<()>(), channel());
    let script = serve(move |peer| {
        peer.open();
        for n in 0..messages {
            peer.binary(&[n]);
        }
        // A Ping that was sent when these had been read: they are no sign of life after it.
        let mut has_heard = false;
        loop {
            match peer.next() {
                Got::Text(_) => has_heard = true,
                Got::Ping(_) if has_heard => break,
                Got::Ping(_) => {}
                got => panic!("{got:?}"),
            }
        }
        tell.send(()).expect("the test waits");
        wait.recv_timeout(DEADLINE).expect("the test goes on");
        peer.pay();
        tell.send(()).expect("the test waits");
        wait.recv_timeout(DEADLINE).expect("the test goes on");
        peer.close(1000, "");
        while !matches!(peer.next(), Got::Close(_) | Got::Eof) {}
        peer.fin();
    });
    let (open, may_open) = channel::<()>();
    let other = serve(move |peer| {
        may_open.recv_timeout(DEADLINE).expect("the test goes on");
        peer.open().fin();
    });
    let ((block, blocked), (release, released)) = (channel(), channel::<()>());
    let blocker = clients
        .websocket(&other.url("/"))
        .bind(EventKind::Open, move |_, _| {
            block.send(()).expect("the test waits");
            released.recv_timeout(DEADLINE).expect("the test goes on");
        })
        .open()
        .expect("a good URL");
    let socket = ReliableWebSocket::builder(&script.url("/"))
        .heartbeat(Heartbeat::ping(Duration::from_millis(20)).deadline(LIMIT))
        .websocket(|socket| socket.on(&clients).max_events(2, 1 << 20))
        .open()
        .expect("a good URL");
    let next = || socket.next_event(Some(DEADLINE)).expect("an event in time");
    let take = |range: std::ops::Range<u8>| {
        for n in range {
            assert_eq!(next(), ReliableEvent::Message(Data::Binary(vec![n].into())));
        }
    };
    assert!(matches!(next(), ReliableEvent::Opened { .. }));
    // Then two wait here and three in the connection, which is not read.
    take(0..messages.min(1));
    socket.send("heard").expect("connected");
    told.recv_timeout(DEADLINE).expect("a Ping was sent");
    open.send(()).expect("the script waits");
    blocked.recv_timeout(DEADLINE).expect("it opens");
    go.send(()).expect("the script waits");
    told.recv_timeout(DEADLINE).expect("the Pong was sent");
    take(1..messages.min(3));
    std::thread::sleep(LIMIT);
    release.send(()).expect("the callback waits");
    take(3..messages);
    go.send(()).expect("the script waits");
    let ReliableEvent::Disconnected(how) = next() else { panic!("disconnected") };
    assert_eq!((how.close.code, how.cause), (1000, None), "{messages} messages");
    script.end();
    other.end();
    drop(blocker);
    clients.shutdown(DEADLINE);
}

/// What a callback owns is dropped on the client thread, which has other sockets.
#[test]
fn a_callback_that_panics_as_it_is_dropped_ends_nothing_else() {
    let clients = Clients::start(Settings::default()).expect("a thread");
    let echo = || {
        serve(|peer| {
            peer.open();
            peer.next();
            peer.close_answer();
        })
    };
    let bystanders = echo();
    let bystander = clients.websocket(&bystanders.url("/")).open().expect("a good URL");
    let script = echo();
    let (bomb, (tell, told)) = (Bomb, channel());
    let socket = ReliableWebSocket::builder(&script.url("/"))
        .websocket(|socket| socket.on(&clients))
        .open()
        .expect("a good URL");
    socket.bind(move |socket, event| {
        let _owned = &bomb;
        match event {
            ReliableEvent::Opened { .. } => socket.close(),
            event if event.is_last() => tell.send(()).expect("the test waits"),
            _ => {}
        }
    });
    told.recv_timeout(DEADLINE).expect("the last event");
    script.end();
    assert!(matches!(bystander.next_event(Some(DEADLINE)), Some(Event::Open)));
    bystander.close();
    let Some(Event::Close(close)) = bystander.next_event(Some(DEADLINE)) else { panic!("closed") };
    assert!(close.was_clean, "{close:?}");
    bystanders.end();
    clients.shutdown(DEADLINE);
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("on purpose, as it is dropped");
    }
}

/// A connection that ended while nobody takes events still has its heartbeat, which must not keep the thread from others.
#[test]
fn a_program_that_takes_no_events_does_not_hold_the_thread() {
    let script = serve(|peer| {
        peer.open();
        for _ in 0..3000 {
            peer.text("unheard");
        }
    });
    let clients = Clients::start(Settings::default()).expect("a thread");
    let lazy = ReliableWebSocket::builder(&script.url("/"))
        .websocket(|websocket| websocket.on(&clients))
        .heartbeat(Heartbeat::ping(Duration::from_millis(1)))
        .open()
        .expect("a good URL");
    script.end();
    for _ in 0..20 {
        let other = serve(|peer| {
            peer.open();
            peer.next();
            peer.close_answer();
        });
        let socket = clients.websocket(&other.url("/")).open().expect("a good URL");
        assert!(matches!(socket.next_event(Some(DEADLINE)), Some(Event::Open)));
        socket.close();
        other.end();
    }
    drop(lazy);
    clients.shutdown(DEADLINE);
}
