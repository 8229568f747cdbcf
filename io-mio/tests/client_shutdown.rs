//! The end of a client thread, with sockets on it.
#![allow(missing_docs, clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod scripted;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sansws_mio::{
    Clients, Data, Event, EventKind, FailureCause, Heartbeat, ReliableEvent, ReliableWebSocket, Settings,
    WebSocket,
};
use scripted::{DEADLINE, Got, serve};

/// Nobody listens there.
const NOWHERE: &str = "ws://127.0.0.1:9/";

/// Where a program keeps its connection.
type Place<S> = Arc<Mutex<Option<S>>>;

/// Its callback, which does the same, has to wait until it is kept.
fn keep<S>(place: &Place<S>, make: impl FnOnce() -> S) {
    let mut kept = place.lock().expect("no panic while it is locked");
    let before = kept.replace(make());
    drop(kept);
    drop(before);
}

/// What pages do: `socket.onclose = connect`. Tells of each socket.
fn connect(clients: Option<&Clients>, place: &Place<WebSocket>, made: &Sender<()>) {
    // The test may be over.
    let _ = made.send(());
    let (own, kept, tell) = (clients.cloned(), Arc::clone(place), made.clone());
    let mut builder = WebSocket::builder(NOWHERE);
    if let Some(clients) = clients {
        builder = builder.on(clients);
    }
    let builder = builder.bind(EventKind::Close, move |_, _| connect(own.as_ref(), &kept, &tell));
    keep(place, || builder.open().expect("a good URL"));
}

/// The same with a connection that is kept alive, as far as that goes.
fn connect_reliably(clients: &Clients, place: &Place<ReliableWebSocket>, made: &Sender<()>) {
    let _ = made.send(());
    let (own, kept, tell) = (clients.clone(), Arc::clone(place), made.clone());
    let builder = ReliableWebSocket::builder(NOWHERE).max_retries(0).websocket(|socket| socket.on(clients));
    keep(place, || {
        let socket = builder.open().expect("a good URL");
        socket.bind(move |_, event| {
            if event.is_last() {
                connect_reliably(&own, &kept, &tell);
            }
        });
        socket
    });
}

/// Once some sockets were made; and then there are no more.
fn assert_shuts_down(clients: Clients, made: &Receiver<()>) {
    for _ in 0..5 {
        made.recv_timeout(DEADLINE).expect("the program connects again");
    }
    let (tell, told) = channel();
    std::thread::spawn(move || {
        clients.shutdown(Duration::from_millis(100));
        tell.send(()).expect("the test waits");
    });
    told.recv_timeout(DEADLINE).expect("the shutdown ends");
    made.try_iter().for_each(drop);
}

#[test]
fn a_program_that_connects_again_can_shut_down() {
    let clients = Clients::start(Settings::default()).expect("a thread");
    let (place, (tell, made)) = (Place::default(), channel());
    connect(Some(&clients), &place, &tell);
    assert_shuts_down(clients, &made);
    assert_eq!(made.try_iter().count(), 0);
    let last = place.lock().expect("no panic while it is locked").take().expect("the last socket");
    assert_eq!(last.failure_cause(), Some(FailureCause::Stopped));
    assert!(matches!(last.try_next_event(), Some(Event::Error)), "nobody was there to call back");
}

#[test]
fn a_program_that_keeps_alive_what_gave_up_can_shut_down() {
    let clients = Clients::start(Settings::default()).expect("a thread");
    let (place, (tell, made)) = (Place::default(), channel());
    connect_reliably(&clients, &place, &tell);
    assert_shuts_down(clients, &made);
    assert_eq!(made.try_iter().count(), 0);
    let last = place.lock().expect("no panic while it is locked").take().expect("the last socket");
    assert!(matches!(last.try_next_event(), Some(ReliableEvent::Closed { .. })));
}

/// The only test here that uses it. It is started anew after a shutdown, but not by those who are told of that one.
#[test]
fn the_shared_thread_shuts_down_and_is_started_again() {
    let (place, (tell, made)) = (Place::default(), channel());
    connect(None, &place, &tell);
    assert_shuts_down(Clients::shared(), &made);
    // As many turns would do for the program to connect again.
    for _ in 0..20 {
        let later = WebSocket::new(NOWHERE, &[]).expect("a good URL");
        assert!(matches!(later.next_event(Some(DEADLINE)), Some(Event::Error)));
        assert!(matches!(later.failure_cause(), Some(FailureCause::Io(..))), "{:?}", later.failure_cause());
    }
    assert_eq!(made.try_iter().count(), 0);
    Clients::shared().shutdown(DEADLINE);
}

/// Whoever else has asked for it before: a callback, which does not wait, or another thread, which does.
#[test]
fn each_shutdown_waits_for_the_end() {
    for in_callback in [true, false] {
        let (answer, may_answer) = channel::<()>();
        let script = serve(move |peer| {
            peer.open();
            assert_eq!(peer.next(), Got::Close(Some((1001, String::new()))));
            may_answer.recv_timeout(DEADLINE).expect("the test goes on");
            // Time enough for those to return who do not wait.
            std::thread::sleep(Duration::from_millis(50));
            peer.close_answer();
        });
        let clients = Clients::start(Settings::default()).expect("a thread");
        let ((called, calls), (close, closed)) = (channel(), channel());
        let own = clients.clone();
        let socket = clients
            .websocket(&script.url("/"))
            .bind(EventKind::Open, move |_, _| {
                if in_callback {
                    own.shutdown(DEADLINE);
                }
                called.send(()).expect("the test waits");
            })
            .bind(EventKind::Close, move |_, _| close.send(()).expect("the test waits"))
            .open()
            .expect("a good URL");
        calls.recv_timeout(DEADLINE).expect("it opens");
        answer.send(()).expect("the script waits");
        let shutdown = || {
            clients.shutdown(DEADLINE);
            clients.connections()
        };
        std::thread::scope(|scope| {
            for thread in [scope.spawn(shutdown), scope.spawn(shutdown)] {
                assert_eq!(thread.join().expect("no panic"), 0, "{in_callback}: it came back before the end");
            }
        });
        assert_eq!(closed.try_iter().count(), 1);
        drop(socket);
        script.end();
    }
}

/// As a socket does, and as its documentation says.
#[test]
fn nobody_is_called_back_on_another_thread() {
    let clients = Clients::start(Settings::default()).expect("a thread");
    let socket = ReliableWebSocket::builder(NOWHERE)
        .first_delay(Duration::MAX)
        .max_delay(Duration::MAX)
        .websocket(|socket| socket.on(&clients))
        .open()
        .expect("a good URL");
    let next = || socket.next_event(Some(DEADLINE)).expect("an event in time");
    while !matches!(next(), ReliableEvent::Retrying { .. }) {}
    clients.shutdown(DEADLINE);
    let (tell, told) = channel();
    socket.bind(move |_, event| tell.send(event).expect("the test waits"));
    assert_eq!(told.try_iter().count(), 0, "called back within `bind`");
    let last = socket.events().last();
    assert!(matches!(last, Some(ReliableEvent::Closed { .. })), "{last:?}");
}

/// With a delay for which there is no clock.
#[test]
fn who_waits_for_ever_is_told_of_the_shutdown() {
    let clients = Clients::start(Settings::default()).expect("a thread");
    let socket = ReliableWebSocket::builder(NOWHERE)
        .first_delay(Duration::ZERO)
        .interval(Duration::MAX)
        .max_delay(Duration::MAX)
        .jitter(0.0)
        .websocket(|socket| socket.on(&clients))
        .open()
        .expect("a good URL");
    let next = || socket.next_event(Some(DEADLINE)).expect("an event in time");
    while !matches!(next(), ReliableEvent::Retrying { delay: Duration::MAX, .. }) {}
    clients.shutdown(DEADLINE);
    assert!(matches!(next(), ReliableEvent::Closed { .. }));
}

/// Also if the program takes its events only then. With a heartbeat a timer leads the thread to it, without one nothing does.
#[test]
fn what_was_received_before_a_shutdown_is_told() {
    const COUNT: u8 = 100;
    for heartbeat in [None, Some(Heartbeat::ping(DEADLINE))] {
        let script = serve(|peer| {
            let messages: Vec<u8> = (0..COUNT).flat_map(|n| [0x82, 1, n]).collect();
            // At once, so that the client has read it when it finds that it is too much.
            peer.open().write(&[&messages[..], b"\x88\x02\x0f\xa1"].concat());
            assert_eq!(peer.next(), Got::Close(Some((4001, String::new()))));
            peer.fin();
        });
        let clients = Clients::start(Settings::default()).expect("a thread");
        let socket = ReliableWebSocket::builder(&script.url("/"))
            .heartbeat(heartbeat)
            .final_codes(&[4001])
            .websocket(|socket| socket.on(&clients).max_events(10, 1 << 20))
            .open()
            .expect("a good URL");
        // The connection has been closed.
        script.end();
        clients.shutdown(DEADLINE);
        let mut events = socket.events();
        assert!(matches!(events.next(), Some(ReliableEvent::Opened { .. })));
        for n in 0..COUNT {
            assert_eq!(events.next(), Some(ReliableEvent::Message(Data::Binary(vec![n].into()))));
        }
        assert!(matches!(events.next(), Some(ReliableEvent::Disconnected(how)) if how.close.code == 4001));
        assert!(
            matches!(events.next(), Some(ReliableEvent::Closed { close, .. }) if close.code == 4001 && close.was_clean)
        );
        assert_eq!(events.next(), None);
    }
}

#[test]
fn the_end_of_its_thread_is_the_end_of_what_is_kept_alive() {
    let clients = Clients::start(Settings::default()).expect("a thread");
    let waiting = ReliableWebSocket::builder(NOWHERE)
        .first_delay(Duration::from_secs(3600))
        .max_delay(Duration::from_secs(3600))
        .websocket(|socket| socket.on(&clients));
    let waiting = waiting.offline_queue(10, 10_000).open().expect("a good URL");
    waiting.send("never").expect("queued");
    let script = serve(|peer| {
        peer.open();
        assert_eq!(peer.next(), Got::Close(Some((1001, String::new()))));
        peer.close_answer();
    });
    let connected = ReliableWebSocket::builder(&script.url("/"))
        .websocket(|socket| socket.on(&clients))
        .open()
        .expect("a good URL");
    let next = |socket: &ReliableWebSocket| socket.next_event(Some(DEADLINE)).expect("an event in time");
    assert!(matches!(next(&connected), ReliableEvent::Opened { .. }));
    assert!(matches!(next(&waiting), ReliableEvent::Disconnected(_)));
    assert!(matches!(next(&waiting), ReliableEvent::Retrying { .. }));
    clients.shutdown(DEADLINE);
    script.end();
    assert!(matches!(next(&connected), ReliableEvent::Disconnected(how) if how.close.code == 1001));
    assert!(matches!(next(&connected), ReliableEvent::Closed { .. }));
    let ReliableEvent::Closed { unsent, .. } = next(&waiting) else { panic!("closed") };
    assert_eq!(unsent.len(), 1);
}
