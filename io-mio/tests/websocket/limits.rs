//! What must not grow, and what must not stop.

use super::*;

/// Events that nobody takes stop the server, not fill the memory; taken, they all arrive.
#[test]
fn a_program_that_does_not_listen_stops_the_server() {
    use std::io::Write;
    const LEN: usize = 64 << 10;
    const COUNT: usize = 1024;
    let (tell, told) = channel();
    let script = serve(move |peer| {
        peer.open();
        let mut frame = vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0];
        frame.resize(10 + LEN, 7);
        let all: Vec<u8> = frame.repeat(COUNT);
        peer.stream.set_write_timeout(Some(Duration::from_millis(200))).expect("a time-out");
        let mut written = 0;
        while let Ok(len @ 1..) = peer.stream.write(&all[written..]) {
            written += len;
        }
        tell.send(written).expect("the test waits");
        peer.stream.set_write_timeout(Some(DEADLINE)).expect("a time-out");
        peer.write(&all[written..]).close(1000, "");
        peer.next();
        peer.fin();
    });
    let socket = WebSocket::builder(&script.url("/")).max_events(1000, 1 << 20).open().expect("a good URL");
    let written = told.recv_timeout(DEADLINE).expect("the server was stopped");
    assert!(written < COUNT * LEN / 2, "{written} bytes went to nobody");
    assert_eq!(next(&socket), E::Open);
    for _ in 0..COUNT {
        assert_eq!(next(&socket), E::Binary(vec![7; LEN]));
    }
    assert_eq!(rest(&socket), [close(1000, "", true)]);
    script.end();
}

/// A client that sends without reading, to a server that answers everything: neither waits for the other.
#[test]
fn sending_much_to_an_echo_does_not_stop_both() {
    const LEN: usize = 1 << 20;
    const COUNT: usize = 24;
    let script = serve(|peer| {
        peer.open();
        loop {
            match peer.next() {
                Got::Binary(payload) => peer.binary(&payload),
                Got::Close(_) => return peer.close_answer(),
                got => panic!("{got:?}"),
            };
        }
    });
    let socket = WebSocket::builder(&script.url("/")).max_events(1000, 64 << 20).open().expect("a good URL");
    assert_eq!(next(&socket), E::Open);
    for n in 0..COUNT {
        socket.send(&vec![n as u8; LEN][..]).expect("open");
    }
    assert!(socket.wait_buffered(0, Some(DEADLINE)));
    for n in 0..COUNT {
        assert_eq!(next(&socket), E::Binary(vec![n as u8; LEN]));
    }
    socket.close();
    assert_eq!(rest(&socket), [close(1005, "", true)]);
    script.end();
}

/// One thread carries many.
#[test]
fn hundreds_on_one_thread() {
    const COUNT: usize = 200;
    let clients = Clients::start(Settings::default()).expect("a thread");
    let script = serve_listener(|listener| {
        for _ in 0..COUNT {
            let mut peer = Peer::accept(listener);
            std::thread::spawn(move || {
                peer.open();
                let Got::Text(text) = peer.next() else { panic!("no text") };
                peer.text(&text);
                peer.next();
                peer.close_answer();
            });
        }
    });
    let (tell, told) = channel();
    let sockets: Vec<_> = (0..COUNT)
        .map(|n| {
            let tell = tell.clone();
            clients
                .websocket(&script.url("/"))
                .bind(EventKind::Open, move |socket, _| socket.send(&*n.to_string()).expect("open"))
                .bind(EventKind::Message, |socket, _| socket.close())
                .bind(EventKind::Close, move |_, event| tell.send(short(event)).expect("the test waits"))
                .open()
                .expect("a good URL")
        })
        .collect();
    for _ in 0..COUNT {
        assert_eq!(told.recv_timeout(DEADLINE), Ok(E::Close(1005, String::new(), true)));
    }
    script.end();
    drop(sockets);
    clients.shutdown(DEADLINE);
    assert_eq!(clients.connections(), 0);
}

#[test]
fn a_shutdown_lets_everything_be_written_that_was_sent_before() {
    // More than the sockets of both sides take.
    const COUNT: usize = 20_000;
    let text = |i: usize| format!("{i} {}", "x".repeat(1000));
    let (go, wait) = channel::<()>();
    let script = serve(move |peer| {
        peer.open();
        wait.recv_timeout(DEADLINE).expect("the test goes on");
        for i in 0..COUNT {
            assert_eq!(peer.next(), Got::Text(text(i)));
        }
        assert_eq!(peer.next(), Got::Close(Some((1001, String::new()))));
        peer.close_answer();
    });
    let clients = Clients::start(Settings::default()).expect("a thread");
    let socket = clients.websocket(&script.url("/")).open().expect("a good URL");
    assert_eq!(next(&socket), E::Open);
    for i in 0..COUNT {
        socket.send(&*text(i)).expect("open");
    }
    std::thread::scope(|scope| {
        scope.spawn(|| clients.shutdown(DEADLINE));
        // Once it is under way no other socket is opened. Only then does the server read.
        let start = Instant::now();
        loop {
            let late = clients.websocket("ws://127.0.0.1:9/").open().expect("a good URL");
            while !matches!(next(&late), E::Close(..)) {}
            if late.failure_cause() == Some(FailureCause::Stopped) {
                break;
            }
            assert!(start.elapsed() < DEADLINE, "the shutdown does not begin");
        }
        go.send(()).expect("the script waits");
    });
    script.end();
    assert!(socket.take_unsent().is_empty());
}

#[test]
fn the_message_that_was_too_much_is_given_back() {
    let script = serve(|peer| {
        peer.open();
        while !matches!(peer.next(), Got::Close(_) | Got::Eof) {}
    });
    let socket = WebSocket::builder(&script.url("/")).max_buffered(1000).open().expect("a good URL");
    assert_eq!(next(&socket), E::Open);
    socket.send(&vec![7; 2000]).expect("open");
    assert!(matches!(rest(&socket).last(), Some((E::Close(1006, _, false), _))));
    assert_eq!(socket.failure_cause(), Some(FailureCause::BufferFull));
    assert_eq!(socket.take_unsent().iter().map(|data| data.as_bytes().len()).sum::<usize>(), 2000);
    script.end();
}
