//! In which order things happen, however a connection ends.

use super::*;

#[test]
fn refused_port() {
    let socket = new(&format!("ws://{}/", refusing("127.0.0.1:0")));
    assert_eq!(rest(&socket), failed());
    let Some(FailureCause::Io(kind, _)) = socket.failure_cause() else {
        panic!("{:?}", socket.failure_cause())
    };
    assert_eq!(kind, std::io::ErrorKind::ConnectionRefused);
    assert_eq!(socket.next_event(None), None, "nothing follows the close event, and nobody waits for it");
}

/// Rule R-4.1-g.
#[test]
fn not_found() {
    let script = serve(|peer| {
        peer.request();
        peer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\nhello\n").fin();
    });
    let socket = new(&script.url("/"));
    assert_eq!(rest(&socket), failed());
    assert_eq!(
        socket.failure_cause(),
        Some(FailureCause::Refused { status: 404, content: b"hello\n"[..].into(), retry_after: None })
    );
    script.end();
}

/// Rule R-4.1-g.
#[test]
fn a_redirection_is_not_followed() {
    let script = serve(|peer| {
        peer.request();
        peer.write(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n").fin();
    });
    let socket = new(&script.url("/"));
    assert_eq!(rest(&socket), failed());
    assert_eq!(
        socket.failure_cause(),
        Some(FailureCause::Refused { status: 302, content: Box::default(), retry_after: None })
    );
    script.end();
}

/// Rule R-4.1-j.
#[test]
fn wrong_accept_key() {
    let script = serve(|peer| {
        peer.request();
        peer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        )
        .fin();
    });
    let socket = new(&script.url("/"));
    assert_eq!(rest(&socket), failed());
    assert!(matches!(socket.failure_cause(), Some(FailureCause::Handshake(_))));
    script.end();
}

/// "If protocols is not the empty list and extracting header list values given `Sec-WebSocket-Protocol` … results in null, failure, or the
/// empty byte sequence, then fail the WebSocket connection." The RFC alone would let it pass.
#[test]
fn missing_subprotocol() {
    let script = serve(|peer| {
        peer.open().fin();
    });
    let socket = WebSocket::new(&script.url("/"), &["chat.v1"]).expect("a good URL");
    assert_eq!(rest(&socket), failed());
    assert!(matches!(socket.failure_cause(), Some(FailureCause::Handshake(_))));
    assert_eq!(socket.protocol(), "");
    script.end();
}

/// Rule R-4.1-l.
#[test]
fn a_subprotocol_that_was_not_offered() {
    let script = serve(|peer| {
        let request = peer.request();
        let mut response = String::from_utf8(Peer::response(&request, None)).expect("text");
        response.truncate(response.len() - 2);
        peer.write(response.as_bytes()).write(b"Sec-WebSocket-Protocol: other\r\n\r\n").fin();
    });
    let socket = WebSocket::new(&script.url("/"), &["chat.v1"]).expect("a good URL");
    assert_eq!(rest(&socket), failed());
    script.end();
}

/// Rule R-7.1.5-c.
#[test]
fn abrupt_drop() {
    let script = serve(|peer| peer.open().fin());
    let socket = new(&script.url("/"));
    assert_eq!(rest(&socket), opened_then_failed());
    assert_eq!(socket.failure_cause(), Some(FailureCause::Eof));
    script.end();
}

/// Rule R-5.1-b. Attack A-11.
#[test]
fn a_broken_frame() {
    for (frame, what) in [
        (&b"\x83\x00"[..], "a reserved opcode"),
        (b"\xc1\x01a", "RSV1 without an extension"),
        (b"\x81\x80\0\0\0\0", "a masked frame"),
        (b"\x81\x01\xff", "text that is not UTF-8"),
        (b"\x88\x01\x03", "a Close frame of one byte"),
        (b"\x88\x02\x03\xed", "code 1005 on the wire"),
    ] {
        let script = serve(|peer| {
            peer.open().write(frame);
            while peer.next() != Got::Eof {}
        });
        let socket = new(&script.url("/"));
        assert_eq!(rest(&socket), opened_then_failed(), "{what}");
        assert!(matches!(socket.failure_cause(), Some(FailureCause::Protocol(_))), "{what}");
        script.end();
    }
}

#[test]
fn clean_close_by_the_server() {
    let script = serve(|peer| {
        peer.open().text("last words").close(4321, "bye \u{1f980}");
        assert_eq!(peer.next(), Got::Close(Some((4321, "bye \u{1f980}".into()))));
        peer.fin();
    });
    let socket = new(&script.url("/"));
    assert_eq!(
        rest(&socket),
        [
            (E::Open, ReadyState::Open),
            (E::Text("last words".into()), ReadyState::Open),
            close(4321, "bye \u{1f980}", true),
        ]
    );
    assert_eq!(socket.failure_cause(), None);
    script.end();
}

#[test]
fn clean_close_by_the_server_without_a_code() {
    let script = serve(|peer| {
        peer.open().write(b"\x88\x00");
        assert_eq!(peer.next(), Got::Close(None));
        peer.fin();
    });
    let socket = new(&script.url("/"));
    assert_eq!(rest(&socket), [(E::Open, ReadyState::Open), close(1005, "", true)]);
    script.end();
}

/// "When the closing handshake is started: … change the ready state to CLOSING (2)", before the connection is closed.
#[test]
fn the_server_s_close_makes_it_closing_first() {
    let (go, wait) = channel::<()>();
    let script = serve(move |peer| {
        peer.open().close(1001, "");
        assert_eq!(peer.next(), Got::Close(Some((1001, String::new()))));
        wait.recv_timeout(DEADLINE).expect("the client has seen it");
        peer.fin();
    });
    let socket = open(&script.url("/"));
    let until = Instant::now() + DEADLINE;
    while socket.ready_state() == ReadyState::Open && Instant::now() < until {
        assert_eq!(socket.next_event(Some(Duration::from_millis(1))), None, "no event tells of it");
    }
    assert_eq!(socket.ready_state(), ReadyState::Closing);
    go.send(()).expect("the script waits");
    assert_eq!(rest(&socket), [close(1001, "", true)]);
    script.end();
}

#[test]
fn clean_close_by_the_client() {
    let script = serve(|peer| {
        peer.open();
        assert_eq!(peer.next(), Got::Close(Some((3001, "done".into()))));
        peer.close_answer();
    });
    let socket = open(&script.url("/"));
    assert_eq!(socket.close_with(3001, "done"), Ok(()));
    assert_eq!(socket.ready_state(), ReadyState::Closing);
    assert_eq!(rest(&socket), [close(3001, "done", true)]);
    script.end();
}

/// The code of the server's own Close frame counts, whoever began (RFC 6455 §7.1.5).
/// Rules R-5.5.1-h, R-7.1.5-a and R-7.1.6-a.
#[test]
fn simultaneous_close() {
    let script = serve(|peer| {
        // Each is on its way before the other has been read: the client's has arrived, and the server does not look.
        peer.open();
        assert!(peer.stream.peek(&mut [0]).is_ok_and(|len| len == 1), "the client's Close");
        peer.close(4001, "server");
        assert_eq!(peer.next(), Got::Close(Some((4000, "client".into()))));
        peer.fin();
    });
    let socket = open(&script.url("/"));
    socket.close_with(4000, "client").expect("legal");
    assert_eq!(rest(&socket), [close(4001, "server", true)]);
    script.end();
}

#[test]
fn a_server_that_does_not_answer_the_close() {
    let timeouts = Timeouts::new().close(Duration::from_millis(50));
    let clients = Clients::start(Settings { timeouts, ..Settings::default() }).expect("a thread");
    let script = serve(|peer| {
        peer.open();
        while peer.next() != Got::Eof {}
    });
    let socket = clients.websocket(&script.url("/")).open().expect("a good URL");
    assert_eq!(next(&socket), E::Open);
    socket.close();
    // It did not fail, so there is no error event; but it was not clean either.
    assert_eq!(rest(&socket), [close(1006, "", false)]);
    script.end();
    clients.shutdown(DEADLINE);
}

/// The time for the closing handshake runs from `close` on, though what was sent before cannot be written.
#[test]
fn a_server_that_does_not_read_cannot_hold_the_close_up() {
    let timeouts = Timeouts::new().close(Duration::from_millis(100));
    let clients = Clients::start(Settings { timeouts, ..Settings::default() }).expect("a thread");
    let (go, wait) = channel::<()>();
    let script = serve(move |peer| {
        peer.open();
        wait.recv_timeout(DEADLINE).expect("the client gives up");
    });
    let socket = clients.websocket(&script.url("/")).open().expect("a good URL");
    assert_eq!(next(&socket), E::Open);
    for _ in 0..24 {
        socket.send(&vec![0_u8; 1 << 20][..]).expect("open");
    }
    socket.close();
    assert_eq!(rest(&socket), [close(1006, "", false)]);
    let unsent: usize = socket.take_unsent().iter().map(Data::len).sum();
    assert!(unsent > 0);
    assert_eq!(socket.buffered_amount(), unsent as u64);
    go.send(()).expect("the script waits");
    script.end();
    clients.shutdown(DEADLINE);
}

#[test]
fn close_while_connecting_fails_the_connection() {
    // The kernel connects, and nobody answers.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let socket = new(&format!("ws://{}/", listener.local_addr().expect("an address")));
    socket.close();
    assert_eq!(socket.ready_state(), ReadyState::Closing, "at once");
    assert_eq!(rest(&socket), failed());
    assert_eq!(socket.failure_cause(), Some(FailureCause::ClosedByProgram));
}

#[test]
fn no_answer_in_time() {
    let script = serve(|peer| {
        peer.request();
        assert_eq!(peer.next(), Got::Eof, "given up");
    });
    let socket = WebSocket::builder(&script.url("/"))
        .connect_timeout(Duration::from_millis(100))
        .open()
        .expect("a good URL");
    assert_eq!(rest(&socket), failed());
    assert!(
        matches!(socket.failure_cause(), Some(FailureCause::TimedOut(_))),
        "{:?}",
        socket.failure_cause()
    );
    script.end();
}

#[test]
fn a_name_without_an_address() {
    let resolver = Resolver::new(|host, _| Err(std::io::Error::other(format!("nobody is called {host}"))));
    let clients = Clients::start(Settings { resolver, ..Settings::default() }).expect("a thread");
    let socket = clients.websocket("ws://no-such-host.invalid/").open().expect("a good URL");
    assert_eq!(rest(&socket), failed());
    let Some(FailureCause::Resolve(why)) = socket.failure_cause() else {
        panic!("{:?}", socket.failure_cause())
    };
    assert!(why.contains("nobody is called no-such-host.invalid"), "{why}");
    clients.shutdown(DEADLINE);
}

#[test]
fn no_time_to_connect_is_no_limit() {
    let script = serve(|peer| {
        let request = peer.request();
        // More than no time.
        std::thread::sleep(Duration::from_millis(20));
        peer.write(&Peer::response(&request, None)).close(1000, "");
        assert_eq!(peer.next(), Got::Close(Some((1000, String::new()))));
        peer.fin();
    });
    let builder = WebSocket::builder(&script.url("/")).connect_timeout(Duration::ZERO);
    let socket = builder.open().expect("a good URL");
    assert_eq!(rest(&socket), [(E::Open, ReadyState::Open), close(1000, "", true)]);
    script.end();
}
