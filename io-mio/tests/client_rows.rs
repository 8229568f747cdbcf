//! What a client owes a server, and what a hostile server may try on a client, over a real socket: `conformance/RULES.md`.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod scripted;

use std::collections::HashSet;
use std::io::{ErrorKind, Read};
use std::sync::mpsc::channel;
use std::time::Duration;

use sansws::FrameHeader;
use sansws::handshake::{Fault, Field, HandshakeError};
use sansws_mio::{CloseEvent, Data, Event, FailureCause, ReliableEvent, ReliableWebSocket, WebSocket};
use scripted::{DEADLINE, Got, Peer, serve, serve_listener};

fn key_of(request: &str) -> String {
    request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key").to_owned()
}

fn rest(socket: &WebSocket) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = socket.next_event(Some(DEADLINE)) {
        let is_last = matches!(event, Event::Close(_));
        events.push(event);
        if is_last {
            return events;
        }
    }
    panic!("no close event: {events:?}");
}

/// Rule R-4.1-d.
#[test]
fn every_handshake_has_a_key_of_its_own() {
    const COUNT: usize = 50;
    let (tell, keys) = channel();
    let script = serve_listener(move |listener| {
        for _ in 0..COUNT {
            let mut peer = Peer::accept(listener);
            let request = peer.request();
            tell.send(key_of(&request)).expect("somebody listens");
            peer.write(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n").fin();
        }
    });
    for _ in 0..COUNT {
        rest(&WebSocket::new(&script.url("/"), &[]).expect("a good URL"));
    }
    script.end();
    let keys: HashSet<String> = keys.iter().collect();
    assert_eq!(keys.len(), COUNT, "a key came twice: {keys:?}");
    // 16 bytes each, in base64.
    assert!(keys.iter().all(|key| key.len() == 24 && key.ends_with("==")), "{keys:?}");
}

/// Rules R-3-c, R-4.1-b and R-4.1-c.
#[test]
fn the_request_is_that_of_section_1_3_and_nothing_else() {
    // What is said of the connection, and which lines that adds: behind the key, and at the end.
    let offer = "Origin: http://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n";
    let headers = "X-More: y\r\nAuthorization: Basic dTpw\r\nCookie: a=b; c=d\r\n";
    for (path, resource, is_plain) in [
        ("", "/", true),
        ("/", "/", true),
        ("/chat", "/chat", true),
        ("/chat", "/chat", false),
        ("/chat?", "/chat", true),
        ("?", "/", true),
        ("?q", "/?q", true),
        ("/chat?a=b&c=%20?", "/chat?a=b&c=%20?", true),
        ("/a%20b//c;d", "/a%20b//c;d", true),
    ] {
        let (tell, told) = channel();
        let script = serve(move |peer| {
            tell.send(peer.request()).expect("somebody listens");
            peer.write(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n").fin();
        });
        let mut builder = WebSocket::builder(&script.url(path));
        if !is_plain {
            builder = builder
                .origin("http://example.com")
                .protocols(&["chat", "superchat"])
                .basic_auth("u", "p")
                .cookie("a", "b")
                .cookie("c", "d")
                .header("X-More", "y");
        }
        rest(&builder.open().expect("a good URL"));
        let request = told.recv().expect("a request");
        let (more, last) = if is_plain { ("", "") } else { (offer, headers) };
        let expected = format!(
            "GET {resource} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {}\r\n{more}Sec-WebSocket-Version: 13\r\n{last}\r\n",
            script.addr,
            key_of(&request)
        );
        assert_eq!(request, expected, "{path}");
        script.end();
    }
}

/// Rules R-4.1-h and R-4.1-i.
#[test]
fn upgrade_and_connection_of_the_response_are_checked() {
    use Fault::{Invalid, Missing, Repeated};
    let both = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    let upgrade = |line: &str| both.replace("Upgrade: websocket\r\n", line);
    let connection = |line: &str| both.replace("Connection: Upgrade\r\n", line);
    for (lines, wrong) in [
        // §4.1 (2)
        (upgrade(""), Some((Field::Upgrade, Missing))),
        (upgrade("Upgrade:\r\n"), Some((Field::Upgrade, Invalid))),
        (upgrade("Upgrade: h2c\r\n"), Some((Field::Upgrade, Invalid))),
        (upgrade("Upgrade: websockets\r\n"), Some((Field::Upgrade, Invalid))),
        (upgrade("Upgrade: \"websocket\"\r\n"), Some((Field::Upgrade, Invalid))),
        (upgrade("Upgrade: websocket, h2c\r\n"), Some((Field::Upgrade, Invalid))),
        (upgrade("Upgrade: h2c\r\nUpgrade: websocket\r\n"), Some((Field::Upgrade, Repeated))),
        (upgrade("Upgrade: WebSocket\r\n"), None),
        (upgrade("UPGRADE:\t WEBSOCKET \r\n"), None),
        // §4.1 (3)
        (connection(""), Some((Field::Connection, Missing))),
        (connection("Connection:\r\n"), Some((Field::Connection, Invalid))),
        (connection("Connection: close\r\n"), Some((Field::Connection, Invalid))),
        (connection("Connection: Upgraded\r\n"), Some((Field::Connection, Invalid))),
        (connection("Connection: keep-alive Upgrade\r\n"), Some((Field::Connection, Invalid))),
        (connection("Connection: keep-alive\r\nConnection: close\r\n"), Some((Field::Connection, Invalid))),
        (connection("Connection: keep-alive, Upgrade\r\n"), None),
        (connection("connection:upgrade\r\n"), None),
        (connection("Connection: keep-alive\r\nCONNECTION: , UPGRADE\r\n"), None),
        (format!("X: y\r\n{both}"), None),
    ] {
        for piece_len in [usize::MAX, 1] {
            let what = format!("{lines:?} in pieces of {piece_len}");
            let (lines, is_good) = (lines.clone(), wrong.is_none());
            let script = serve(move |peer| {
                let right = Peer::response(&peer.request(), None);
                let right = String::from_utf8(right).expect("text");
                assert!(right.contains(both), "{right}");
                let response = [right.replace(both, &lines).as_bytes(), b"\x81\x02hi"].concat();
                for piece in response.chunks(piece_len) {
                    // A client that refuses does not wait for what follows the head.
                    if std::io::Write::write_all(&mut peer.stream, piece).is_err() {
                        assert!(!is_good, "{lines:?}");
                    }
                }
                if is_good {
                    peer.close(1000, "");
                    assert_eq!(peer.next(), Got::Close(Some((1000, String::new()))));
                }
                // Not even a Close goes to a server that is refused: §7.1.7 has one only if the connection was established.
                let _ = peer.stream.shutdown(std::net::Shutdown::Write);
                assert_eq!(peer.next(), Got::Eof, "{lines:?}");
            });
            let socket = WebSocket::new(&script.url("/"), &[]).expect("a good URL");
            let events = rest(&socket);
            if let Some((field, fault)) = wrong {
                assert!(matches!(events.as_slice(), [Event::Error, Event::Close(_)]), "{what}: {events:?}");
                let cause = FailureCause::Handshake(HandshakeError::Response(field, fault));
                assert_eq!(socket.failure_cause(), Some(cause), "{what}");
            } else {
                let [Event::Open, Event::Message(Data::Text(text)), Event::Close(close)] = events.as_slice()
                else {
                    panic!("{what}: {events:?}")
                };
                assert_eq!(text, "hi", "{what}");
                assert!(matches!(close, CloseEvent { code: 1000, was_clean: true, .. }), "{what}: {close:?}");
            }
            script.end();
        }
    }
}

/// Rule R-4.1-e.
#[test]
fn nothing_is_sent_before_the_response_has_come() {
    let script = serve(|peer| {
        let request = peer.request();
        // All but the last byte of the response is not the response.
        let response = Peer::response(&request, None);
        let (last, most) = response.split_last().expect("a response");
        for part in [&b""[..], most] {
            peer.write(part);
            peer.stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
            let early = peer.stream.read(&mut [0; 100]).map_err(|error| error.kind());
            assert!(matches!(early, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{early:?}");
        }
        peer.stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
        peer.write(&[*last]);
        for text in ["one", "two"] {
            assert_eq!(peer.next(), Got::Text(text.into()));
        }
        peer.next();
        peer.close_answer();
    });
    // An object that keeps what is sent while it is connecting.
    let socket = ReliableWebSocket::builder(&script.url("/"))
        .heartbeat(None)
        .offline_queue(10, 1000)
        .open()
        .expect("a good URL");
    socket.send("one").expect("room in the queue");
    socket.send("two").expect("room in the queue");
    loop {
        match socket.next_event(Some(DEADLINE)).expect("an event") {
            ReliableEvent::Opened { .. } => break,
            event => assert!(!matches!(event, ReliableEvent::Closed { .. }), "{event:?}"),
        }
    }
    socket.close();
    script.end();
}

/// Rules R-5.1-c and R-5.3-a. Attack A-12.
#[test]
fn every_frame_is_masked_with_a_key_of_its_own() {
    const COUNT: usize = 4096;
    let (tell, keys) = channel();
    let script = serve(move |peer| {
        peer.open();
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        let mut seen = 0;
        while seen < COUNT {
            let len = peer.stream.read(&mut buffer).expect("frames");
            bytes.extend_from_slice(&buffer[..len]);
            let mut rest = &bytes[..];
            while let Ok(Some((header, len))) = FrameHeader::decode(rest) {
                let end = len + header.payload_len as usize;
                if rest.len() < end {
                    break;
                }
                tell.send(header.masking_key.expect("a client masks")).expect("somebody listens");
                seen += 1;
                rest = &rest[end..];
            }
            let used = bytes.len() - rest.len();
            bytes.drain(..used);
        }
    });
    let socket = WebSocket::new(&script.url("/"), &[]).expect("a good URL");
    assert_eq!(socket.next_event(Some(DEADLINE)), Some(Event::Open));
    for i in 0..COUNT {
        // Long ones take another path than short ones.
        socket.send(&vec![i as u8; i % 3 * 1000][..]).expect("open");
    }
    script.end();
    let keys: Vec<[u8; 4]> = keys.iter().collect();
    assert_eq!(keys.len(), COUNT);
    // 4096 draws of 32 bits: by chance two are the same now and then, four pairs are not.
    let different: HashSet<&[u8; 4]> = keys.iter().collect();
    assert!(different.len() > COUNT - 4, "{} different keys", different.len());
    // Each bit is set half the time, and it changes half the time from one key to the next: nine standard deviations either way.
    let number = |key: &[u8; 4]| u32::from_be_bytes(*key);
    for bit in 0..32 {
        let set = keys.iter().filter(|key| number(key) >> bit & 1 == 1).count();
        let changed =
            keys.windows(2).filter(|two| (number(&two[0]) ^ number(&two[1])) >> bit & 1 == 1).count();
        for count in [set, changed] {
            assert!((1760..=2336).contains(&count), "bit {bit}: {count} of {COUNT}");
        }
    }
}

/// Rules R-4.1-k and R-5.2-a. Attack A-14.
#[test]
fn an_extension_that_was_not_offered_is_refused_whatever_its_parameters() {
    for bits in ["", "=", "=0", "=7", "=8", "=15", "=16", "=08", "=abc", "=\"15\"", "=99999999999999999999"] {
        for name in ["server_max_window_bits", "client_max_window_bits"] {
            let line = format!("Sec-WebSocket-Extensions: permessage-deflate; {name}{bits}\r\n\r\n");
            let script = serve(move |peer| {
                let request = peer.request();
                let mut response = Peer::response(&request, None);
                response.truncate(response.len() - 2);
                response.extend_from_slice(line.as_bytes());
                // A compressed message right behind it.
                response.extend_from_slice(b"\xc1\x01\x00");
                peer.write(&response).fin();
            });
            let socket = WebSocket::new(&script.url("/"), &[]).expect("a good URL");
            let events = rest(&socket);
            assert!(matches!(events.as_slice(), [Event::Error, Event::Close(_)]), "{bits}: {events:?}");
            let cause = socket.failure_cause();
            assert!(matches!(cause, Some(FailureCause::Handshake(_))), "{bits}: {cause:?}");
            script.end();
        }
    }
}

/// Rule R-10.4-b. Attacks.
#[test]
fn a_client_has_limits_too() {
    for len in [(16 << 20) + 1, 1 << 31, 1 << 32, 1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX] {
        for fragment in [&b""[..], b"\x02\x01x"] {
            let code = if len >> 63 == 1 { 1002 } else { 1009 };
            let script = serve(move |peer| {
                peer.open().write(fragment);
                peer.write(if fragment.is_empty() { b"\x82\x7f" } else { b"\x80\x7f" });
                peer.write(&len.to_be_bytes());
                assert_eq!(peer.next(), Got::Close(Some((code, String::new()))), "{len}");
                peer.fin();
            });
            let socket = WebSocket::new(&script.url("/"), &[]).expect("a good URL");
            let events = rest(&socket);
            assert!(matches!(events.as_slice(), [Event::Open, Event::Error, Event::Close(_)]), "{events:?}");
            assert!(matches!(socket.failure_cause(), Some(FailureCause::Protocol(_))));
            script.end();
        }
    }
}

/// Attacks.
#[test]
fn a_server_that_floods_a_client_is_left() {
    for (before, again) in [(&b""[..], &b"\x89\x00"[..]), (b"\x02\x00", b"\x00\x00")] {
        let script = serve(move |peer| {
            peer.open().write(before);
            let mut writer = peer.stream.try_clone().expect("a second handle");
            let thread = std::thread::spawn(move || {
                use std::io::Write;
                // It may be gone before the last one.
                let _ = writer.write_all(&again.repeat(1_000_000));
            });
            loop {
                match peer.next() {
                    Got::Pong(_) => {}
                    got => break assert_eq!(got, Got::Close(Some((1008, String::new())))),
                }
            }
            thread.join().expect("no panic");
            peer.fin();
        });
        let socket = WebSocket::new(&script.url("/"), &[]).expect("a good URL");
        let events = rest(&socket);
        assert!(matches!(events.as_slice(), [Event::Open, Event::Error, Event::Close(_)]), "{events:?}");
        script.end();
    }
}

/// Attacks.
#[test]
fn a_response_without_an_end_is_given_up() {
    for (name, response) in [
        ("one long line", format!("HTTP/1.1 101 {}", "x".repeat(1 << 20))),
        ("one long header", format!("HTTP/1.1 101 x\r\nX: {}", "x".repeat(1 << 20))),
        ("many headers", format!("HTTP/1.1 101 x\r\n{}\r\n", "X: y\r\n".repeat(2000))),
        ("few bytes in many headers", format!("HTTP/1.1 101 x\r\n{}\r\n", "X:\r\n".repeat(129))),
        ("interim responses", "HTTP/1.1 100 x\r\n\r\n".repeat(10_000)),
        ("empty lines", "\r\n".repeat(1 << 19)),
        ("no HTTP", "\0".repeat(100)),
    ] {
        let script = serve(move |peer| {
            use std::io::Write;
            peer.request();
            // The client does not wait for the end of it.
            let _ = peer.stream.write_all(response.as_bytes());
            let mut rest = Vec::new();
            let _ = peer.stream.read_to_end(&mut rest);
            assert!(rest.is_empty(), "{name}: nothing is sent to such a server");
        });
        let socket = WebSocket::new(&script.url("/"), &[]).expect("a good URL");
        let events = rest(&socket);
        assert!(matches!(events.as_slice(), [Event::Error, Event::Close(_)]), "{name}: {events:?}");
        assert!(matches!(socket.failure_cause(), Some(FailureCause::Handshake(_))), "{name}");
        script.end();
    }
}

/// RFC 6455 §5.5.3: "A Pong frame MAY be sent unsolicited."
#[test]
fn a_pong_that_nobody_asked_for_confirms_nothing() {
    let script = serve(|peer| {
        peer.open();
        assert_eq!(peer.next(), Got::Text("a".into()));
        peer.write(b"\x8a\x08\0\0\0\0\0\0\0\x01").text("ponged").fin();
    });
    let socket = ReliableWebSocket::new(&script.url("/"), &[]).expect("a good URL");
    let next = || socket.next_event(Some(DEADLINE)).expect("an event in time");
    assert!(matches!(next(), ReliableEvent::Opened { .. }));
    socket.send("a").expect("connected");
    assert_eq!(next(), ReliableEvent::Message(Data::Text("ponged".into())));
    let ReliableEvent::Disconnected(how) = next() else { panic!("disconnected") };
    assert_eq!((how.uncertain, how.unsent), (0..1, Vec::new()));
    script.end();
}
