//! The members of the object: attributes, `send`, `close`.

use super::*;

#[test]
fn attributes_before_during_and_after() {
    let script = serve(|peer| {
        let request = peer.request();
        assert!(request.contains("\r\nSec-WebSocket-Protocol: chat.v2, chat.v1\r\n"), "{request}");
        assert!(request.starts_with("GET /a%20b?c HTTP/1.1\r\n"), "{request}");
        peer.write(&Peer::response(&request, Some("chat.v1")));
        peer.next();
        peer.close_answer();
    });
    let url = format!("HTTP://{}/a b?c", script.addr);
    let socket = WebSocket::new(&url, &["chat.v2", "chat.v1"]).expect("a good URL");
    assert_eq!(socket.url(), script.url("/a%20b?c"));
    assert_eq!(socket.origin(), script.url(""));
    assert_eq!((socket.protocol(), socket.extensions()), (String::new(), String::new()));
    assert_eq!((socket.ready_state() as u16, socket.buffered_amount()), (0, 0));
    assert_eq!(socket.binary_type(), BinaryType::Blob);
    socket.set_binary_type(BinaryType::ArrayBuffer);
    assert_eq!(socket.binary_type(), BinaryType::ArrayBuffer);

    assert_eq!(next(&socket), E::Open);
    assert_eq!(socket.ready_state() as u16, 1);
    assert_eq!((socket.protocol(), socket.extensions()), ("chat.v1".into(), String::new()));
    socket.close();
    assert_eq!(socket.ready_state() as u16, 2);
    assert_eq!(rest(&socket), [close(1005, "", true)]);
    assert_eq!(socket.ready_state() as u16, 3);
    assert_eq!(socket.protocol(), "chat.v1", "it stays");
    script.end();
}

/// States change in tasks, and a task is run when its event is taken.
#[test]
fn nothing_changes_before_the_event_is_taken() {
    let script = serve(|peer| {
        peer.open().close(1000, "");
        peer.next();
        peer.fin();
    });
    let socket = new(&script.url("/"));
    script.end();
    // The connection is over, and the object has not heard of it.
    assert_eq!(socket.ready_state(), ReadyState::Connecting);
    assert_eq!(socket.send("too early"), Err(InvalidStateError));
    assert_eq!(next(&socket), E::Open);
    assert_eq!(socket.ready_state(), ReadyState::Open);
    assert_eq!(rest(&socket), [close(1000, "", true)]);
}

/// Rule R-4.1-e.
#[test]
fn send_while_connecting_is_an_invalid_state() {
    let script = serve(|peer| {
        peer.request();
        peer.fin();
    });
    let socket = new(&script.url("/"));
    assert_eq!(socket.send("too early"), Err(InvalidStateError));
    assert_eq!(socket.buffered_amount(), 0);
    assert_eq!(rest(&socket), failed());
    script.end();
}

/// Rule R-4.1-m.
#[test]
fn messages_go_both_ways() {
    let script = serve(|peer| {
        // Frames right behind the response count.
        let request = peer.request();
        let mut bytes = Peer::response(&request, None);
        bytes.extend_from_slice(b"\x81\x03one\x02\x01\x00\x80\x01\xff");
        peer.write(&bytes);
        assert_eq!(peer.next(), Got::Text("zwei \u{1f980}".into()));
        assert_eq!(peer.next(), Got::Binary(vec![0, 255]));
        assert_eq!(peer.next(), Got::Text(String::new()));
        assert_eq!(peer.next(), Got::Binary(vec![7; 300_000]));
        assert_eq!(peer.next(), Got::Close(None));
        peer.close_answer();
    });
    let socket = open(&script.url("/"));
    assert_eq!(next(&socket), E::Text("one".into()));
    assert_eq!(next(&socket), E::Binary(vec![0, 255]));
    socket.send("zwei \u{1f980}").expect("open");
    socket.send(&[0_u8, 255][..]).expect("open");
    socket.send("").expect("open");
    socket.send(&vec![7_u8; 300_000][..]).expect("open");
    socket.close();
    assert_eq!(rest(&socket), [close(1005, "", true)]);
    assert_eq!(socket.buffered_amount(), 0, "everything was written");
    assert!(socket.take_unsent().is_empty());
    script.end();
}

/// "If the WebSocket connection is established and the closing handshake has not yet started: start … any messages already queued … are sent
/// first."
#[test]
fn what_was_sent_before_goes_before_the_close_frame() {
    const COUNT: usize = 2000;
    let script = serve(|peer| {
        peer.open();
        for n in 0..COUNT {
            assert_eq!(peer.next(), Got::Binary(vec![n as u8; 10_000]));
        }
        assert_eq!(peer.next(), Got::Close(Some((1000, String::new()))));
        peer.close_answer();
    });
    let socket = open(&script.url("/"));
    for n in 0..COUNT {
        socket.send(&vec![n as u8; 10_000][..]).expect("open");
    }
    socket.close_with(1000, "").expect("legal");
    assert_eq!(socket.send("never"), Ok(()));
    assert_eq!(rest(&socket), [close(1000, "", true)]);
    assert_eq!(socket.buffered_amount(), 5);
    script.end();
}

#[test]
fn buffered_amount_counts_payload_and_is_never_set_back() {
    let (go, wait) = channel::<()>();
    let script = serve(move |peer| {
        peer.open();
        wait.recv_timeout(DEADLINE).expect("the test goes on");
        let mut len = 0;
        while len < (20 << 20) {
            let Got::Binary(payload) = peer.next() else { panic!("not what was sent") };
            len += payload.len();
        }
        assert_eq!(peer.next(), Got::Close(None));
        peer.close_answer();
    });
    let socket = open(&script.url("/"));
    // More than the kernel takes while the server does not read.
    for _ in 0..20 {
        socket.send(&vec![0_u8; 1 << 20][..]).expect("open");
    }
    assert!(!socket.wait_buffered(0, Some(Duration::from_millis(100))), "the kernel cannot have all");
    let waiting = socket.buffered_amount();
    assert!(waiting > 0 && waiting % (1 << 20) == 0, "whole messages are counted: {waiting}");
    go.send(()).expect("the script waits");
    assert!(socket.wait_buffered(0, Some(DEADLINE)), "{} left", socket.buffered_amount());
    socket.close();
    // In CLOSING and CLOSED it grows, and nothing is sent. Text counts in bytes of UTF-8.
    socket.send("\u{e4}\u{20ac}\u{1f980}").expect("not connecting");
    assert_eq!(socket.buffered_amount(), 9);
    assert_eq!(rest(&socket), [close(1005, "", true)]);
    socket.send(&[0_u8; 3][..]).expect("not connecting");
    assert_eq!(socket.buffered_amount(), 12);
    assert!(socket.take_unsent().is_empty(), "after close() nothing was accepted for sending");
    script.end();
}

/// "flag the WebSocket as full and then close the WebSocket connection", and later "if … flagged as full, fire an event named error".
#[test]
fn more_than_can_be_buffered_fails_the_connection() {
    let timeouts = Timeouts::new().close(Duration::from_millis(100));
    let clients = Clients::start(Settings { timeouts, ..Settings::default() }).expect("a thread");
    let (go, wait) = channel::<()>();
    let script = serve(move |peer| {
        // It reads nothing until the client has gone.
        peer.open();
        wait.recv_timeout(DEADLINE).expect("the test goes on");
    });
    let socket = clients.websocket(&script.url("/")).max_buffered(32 << 20).open().expect("a good URL");
    assert_eq!(next(&socket), E::Open);
    let message = vec![1_u8; 1 << 20];
    for _ in 0..100 {
        assert_eq!(socket.send(&message[..]), Ok(()), "as the standard has it");
    }
    assert_eq!(rest(&socket), failed());
    assert_eq!(socket.failure_cause(), Some(FailureCause::BufferFull));
    let unsent = socket.take_unsent();
    assert!(!unsent.is_empty() && unsent.len() <= 33, "{}", unsent.len());
    assert!(unsent.iter().all(|data| data.as_bytes() == message));
    // Those that were never accepted for sending count too.
    assert!(socket.buffered_amount() >= (100 - 32 - 16) << 20, "{}", socket.buffered_amount());
    go.send(()).expect("the script waits");
    script.end();
    clients.shutdown(DEADLINE);
}

#[test]
fn close_checks_its_arguments_whatever_the_state() {
    let script = serve(|peer| {
        peer.open();
        peer.next();
        peer.close_answer();
    });
    let socket = new(&script.url("/"));
    let check = |socket: &WebSocket| {
        for code in 0..=u16::MAX {
            if code != 1000 && !(3000..=4999).contains(&code) {
                assert_eq!(socket.close_with(code, ""), Err(CloseError::InvalidAccess), "{code}");
            }
        }
        // 123 bytes are the most, and bytes are what counts.
        assert_eq!(socket.close_with(1000, &"\u{e4}".repeat(62)), Err(CloseError::Syntax));
        assert_eq!(
            socket.close_with(999, &"x".repeat(124)),
            Err(CloseError::InvalidAccess),
            "the code is first"
        );
    };
    check(&socket);
    assert_eq!(socket.ready_state(), ReadyState::Connecting, "nothing changed");
    assert_eq!(next(&socket), E::Open);
    check(&socket);
    assert_eq!(socket.ready_state(), ReadyState::Open, "nothing changed");
    assert_eq!(socket.close_with(4999, &"x".repeat(123)), Ok(()));
    check(&socket);
    assert_eq!(socket.close_with(3000, "again"), Ok(()), "does nothing");
    assert_eq!(rest(&socket), [close(4999, &"x".repeat(123), true)]);
    check(&socket);
    socket.close();
    assert_eq!(socket.ready_state(), ReadyState::Closed);
    script.end();
}

/// Rule R-7.4-a.
#[test]
fn every_legal_code_reaches_the_server() {
    for code in [1000, 3000, 3999, 4000, 4999] {
        let script = serve(move |peer| {
            peer.open();
            assert_eq!(peer.next(), Got::Close(Some((code, "r".into()))), "close_with({code}, …)");
            peer.close_answer();
        });
        let socket = open(&script.url("/"));
        socket.close_with(code, "r").unwrap_or_else(|error| panic!("{code} is legal: {error}"));
        assert_eq!(rest(&socket), [close(code, "r", true)]);
        script.end();
    }
}

/// "If ready state is not OPEN (1), then return": a message that comes after `close` is not heard of.
#[test]
fn messages_after_close_are_dropped() {
    let script = serve(|peer| {
        peer.open().text("one").text("two");
        assert_eq!(peer.next(), Got::Close(None));
        peer.text_after_close("three");
        peer.close_answer();
    });
    let socket = open(&script.url("/"));
    assert_eq!(next(&socket), E::Text("one".into()));
    socket.close();
    assert_eq!(rest(&socket), [close(1005, "", true)]);
    script.end();
}

#[test]
fn pings_are_answered_and_not_told() {
    let script = serve(|peer| {
        peer.open().write(b"\x89\x02hi\x8a\x02ho").text("x");
        assert_eq!(peer.next(), Got::Pong(b"hi".to_vec()));
        peer.close(1000, "");
        peer.next();
        peer.fin();
    });
    let socket = open(&script.url("/"));
    assert_eq!(next(&socket), E::Text("x".into()));
    assert_eq!(rest(&socket), [close(1000, "", true)]);
    script.end();
}

#[test]
fn dropping_the_object_closes_without_a_code_after_what_was_sent() {
    let script = serve(|peer| {
        peer.open();
        assert_eq!(peer.next(), Got::Text("last".into()));
        assert_eq!(peer.next(), Got::Close(None));
        peer.close_answer();
    });
    let socket = open(&script.url("/"));
    socket.send("last").expect("open");
    drop(socket);
    script.end();
}

/// A page that goes away: 1001.
#[test]
fn shutting_down_says_going_away() {
    let clients = Clients::start(Settings::default()).expect("a thread");
    let script = serve(|peer| {
        peer.open();
        assert_eq!(peer.next(), Got::Text("last".into()));
        assert_eq!(peer.next(), Got::Close(Some((1001, String::new()))));
        peer.close_answer();
    });
    let socket = clients.websocket(&script.url("/")).open().expect("a good URL");
    assert_eq!(next(&socket), E::Open);
    socket.send("last").expect("open");
    assert!(socket.wait_buffered(0, Some(DEADLINE)));
    clients.shutdown(DEADLINE);
    script.end();
    assert_eq!(rest(&socket), [close(1001, "", true)]);
    // Nothing can be started on it any more, and that is told.
    let late = clients.websocket("ws://127.0.0.1:9/").open().expect("a good URL");
    assert_eq!(rest(&late), failed());
    assert_eq!(late.failure_cause(), Some(FailureCause::Stopped));
    clients.shutdown(DEADLINE);
}

#[test]
fn supported_schemes() {
    for scheme in ["ws", "WS", "http"] {
        assert!(WebSocket::supported(scheme), "{scheme}");
    }
    assert_eq!(WebSocket::supported("wss"), cfg!(feature = "__tls"));
    assert_eq!(WebSocket::supported("ws+unix"), cfg!(unix));
    for scheme in ["", "ftp", "ws:", "wsx"] {
        assert!(!WebSocket::supported(scheme), "{scheme}");
    }
}

#[cfg(unix)]
#[test]
fn a_unix_socket() {
    use sansws_mio::{Accept, Handler, Message, Peer, Request, Response, Server};

    struct Echo;

    impl Handler for Echo {
        type Session = ();

        fn upgrade(&mut self, request: &Request<'_>, _: &mut Accept) -> Result<(), Response> {
            if request.path() == "/echo" { Ok(()) } else { Err(Response::not_found()) }
        }

        fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
            let _ = peer.send(message);
        }
    }

    let path = std::env::temp_dir().join(format!("sansws-websocket-{}.sock", std::process::id()));
    let server = Server::bind_unix(&path).expect("a socket");
    let handle = server.handle();
    let thread = std::thread::spawn(move || server.run(Echo).expect("it runs"));
    let socket = open(&format!("ws+unix:{}:/echo", path.display()));
    socket.send("hello").expect("open");
    assert_eq!(next(&socket), E::Text("hello".into()));
    socket.close();
    assert_eq!(rest(&socket), [close(1005, "", true)]);
    handle.shutdown(Duration::ZERO);
    thread.join().expect("the server ends");
    let _ = std::fs::remove_file(&path);
}
