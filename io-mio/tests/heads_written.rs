//! Whatever a program puts into a head, here or there: it is refused, or what goes out is the head that was meant.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use sansws_mio::{
    Accept, Event, Handler, Message, Peer, Request, Response, Server, WebSocket, WebSocketBuilder,
};

const DEADLINE: Duration = Duration::from_secs(20);

/// What makes another line of one, or another string.
const BAD: [&str; 7] = [
    "a\r\nInjected: 1",
    "a\nInjected: 1",
    "a\rInjected: 1",
    "a\r\n\r\nInjected: 1",
    "a\0Injected: 1",
    "a\u{1}",
    "a\u{7f}",
];

/// Lines that end with CR LF, and no control characters but these.
#[track_caller]
fn assert_clean(head: &[u8], what: &str) {
    let text = head.escape_ascii();
    let end = head.windows(4).position(|four| four == b"\r\n\r\n");
    assert_eq!(end.map(|at| at + 4), Some(head.len()), "{what}: {text}");
    for line in String::from_utf8_lossy(head).split("\r\n") {
        assert!(!line.starts_with("Injected"), "{what}: {text}");
        assert!(!line.contains(|c: char| c.is_ascii_control() && c != '\t'), "{what}: {text}");
    }
}

/// A server that refuses everybody, and tells what it was asked: up to the time when the client waits for the answer.
fn refusing() -> (SocketAddr, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let (tell, heads) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a client");
            stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
            let mut head = vec![0; 8192];
            let len = stream.read(&mut head).expect("a request");
            head.truncate(len);
            let _ = tell.send(head);
            let _ = stream.write_all(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
        }
    });
    (addr, heads)
}

type Say = fn(WebSocketBuilder, &str) -> WebSocketBuilder;

/// Attack A-05.
#[test]
fn by_a_client() {
    let (addr, heads) = refusing();
    let says: [(&str, Say); 8] = [
        ("name of a header", |socket, bad| socket.header(bad, "x")),
        ("value of a header", |socket, bad| socket.header("X", bad)),
        ("name of a cookie", |socket, bad| socket.cookie(bad, "x")),
        ("value of a cookie", |socket, bad| socket.cookie("x", bad)),
        ("user", |socket, bad| socket.basic_auth(bad, "x")),
        ("password", |socket, bad| socket.basic_auth("x", bad)),
        ("origin", |socket, bad| socket.origin(&format!("http://{bad}"))),
        ("subprotocol", |socket, bad| socket.protocols(&["x", bad])),
    ];
    for bad in BAD {
        for (what, say) in says {
            let socket = say(WebSocket::builder(&format!("ws://{addr}/")), bad).open();
            assert!(socket.is_err(), "{what}: {bad:?}");
        }
        // A URL is another matter: the standard has tabs and line ends taken out, and other things encoded.
        for url in [
            format!("ws://{addr}/{bad}"),
            format!("ws://{addr}/?{bad}"),
            format!("ws://{bad}:x@{addr}/"),
            format!("ws://x:{bad}@{addr}/"),
        ] {
            let Ok(socket) = WebSocket::new(&url, &[]) else { continue };
            assert!(matches!(socket.next_event(Some(DEADLINE)), Some(Event::Error)), "{url:?}");
            // Some are refused before anything is sent.
            if let Ok(head) = heads.recv_timeout(Duration::from_millis(100)) {
                assert_clean(&head, &url);
            }
        }
        assert!(WebSocket::new(&format!("ws://x{bad}/"), &[]).is_err(), "host: {bad:?}");
    }
    assert!(heads.try_recv().is_err(), "nothing else was asked");
}

/// A server that puts into its answers what it should not, place by place.
struct Careless;

/// The places, as paths: `/accept/header-name/0` is the first of `BAD`.
const PLACES: [&str; 8] = [
    "/accept/header-name",
    "/accept/header-value",
    "/accept/subprotocol",
    "/refuse/header-name",
    "/refuse/header-value",
    "/refuse/location",
    "/refuse/content-type",
    "/refuse/text",
];

impl Handler for Careless {
    type Session = ();

    fn upgrade(&mut self, request: &Request<'_>, accept: &mut Accept) -> Result<(), Response> {
        let (place, bad) = request.path().rsplit_once('/').expect("a path of these");
        let bad = BAD[bad.parse::<usize>().expect("a number")];
        match place {
            "/accept/header-name" => accept.header(bad, "x"),
            "/accept/header-value" => accept.header("X", bad),
            "/accept/subprotocol" => accept.subprotocol(bad),
            "/refuse/header-name" => return Err(Response::new(403).header(bad, "x")),
            "/refuse/header-value" => return Err(Response::new(403).header("X", bad)),
            "/refuse/location" => return Err(Response::redirect(bad)),
            "/refuse/content-type" => return Err(Response::new(403).body(bad, &b"no"[..])),
            _ => return Err(Response::text(403, bad)),
        };
        Ok(())
    }

    fn message(&mut self, _: &mut Peer<'_, ()>, _: Message<'_>) {}
}

/// Attack A-05.
#[test]
fn by_a_server() {
    let server = Server::bind("127.0.0.1:0").expect("a free port");
    let (addr, handle) = (server.local_addr().expect("TCP"), server.handle());
    let thread = std::thread::spawn(move || server.run(Careless));
    for place in PLACES {
        for (number, bad) in BAD.iter().enumerate() {
            let what = format!("{place}: {bad:?}");
            let mut stream = TcpStream::connect(addr).expect("the server listens");
            stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
            let request = format!(
                "GET {place}/{number} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Protocol: x\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).expect("the server reads");
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).expect("an orderly end");
            let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
            assert_clean(&answer[..end], &what);
            // What cannot be accepted as it was said is not accepted.
            let status = match place {
                _ if place.starts_with("/accept") => "500",
                "/refuse/location" => "302",
                _ => "403",
            };
            assert!(answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{what}");
            // The content may be anything, and all of it is content.
            let content = if place == "/refuse/text" { bad.as_bytes() } else { &answer[end..] };
            assert_eq!(&answer[end..], content, "{what}");
            let len = format!("\r\nContent-Length: {}\r\n", content.len());
            assert!(String::from_utf8_lossy(&answer[..end]).contains(&len), "{what}");
        }
    }
    handle.shutdown(Duration::from_secs(1));
    thread.join().expect("no panic").expect("no error");
}
