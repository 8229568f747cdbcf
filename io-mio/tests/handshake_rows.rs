//! The opening handshake over a real socket, row by row: whatever a client sends, a status line comes back, nothing eats it, the
//! connection ends, and the server goes on serving. The rows are those of `conformance/RULES.md`.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use sansws_mio::{Server, Settings, Timeouts};
use support::{Called, Client, Got, TestServer, dial, request};

/// How a request is written.
#[derive(Debug, Clone, Copy)]
enum Way {
    Whole,
    /// One byte in each write.
    Bytes,
    /// Whole, and the end of the client's stream right behind it.
    Fin,
}

const WAYS: [Way; 3] = [Way::Whole, Way::Bytes, Way::Fin];

fn write(stream: &mut TcpStream, bytes: &[u8], way: Way) {
    match way {
        Way::Whole | Way::Fin => stream.write_all(bytes).expect("the server reads"),
        // The server may have answered long before the last one. It takes them all the same.
        Way::Bytes => {
            for byte in bytes.chunks(1) {
                stream.write_all(byte).expect("the server reads on");
            }
        }
    }
    if matches!(way, Way::Fin) {
        stream.shutdown(Shutdown::Write).expect("open");
    }
}

/// The answer, to the orderly end of the server's stream: a reset would be an error here.
fn refusal(mut stream: TcpStream, what: &str) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap_or_else(|error| panic!("{what}: {error}"));
    let answer = String::from_utf8(answer).expect("UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{what}: {answer:?}"));
    let len = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    // One answer, and all of it.
    assert_eq!(len.and_then(|len| len.parse().ok()), Some(body.len()), "{what}: {answer}");
    answer
}

/// A row: its name, the request, the status that comes back, and a header line that must be there.
struct Row {
    name: &'static str,
    bytes: Vec<u8>,
    status: u16,
    line: &'static str,
}

/// The request with one line of it replaced by others.
fn with(line: &str, others: &str) -> String {
    let good = request("/echo", "");
    assert!(good.contains(line), "{line}");
    good.replace(&format!("{line}\r\n"), others)
}

fn row(name: &'static str, bytes: impl Into<Vec<u8>>, status: u16) -> Row {
    Row { name, bytes: bytes.into(), status, line: "" }
}

fn rows() -> Vec<Row> {
    const START: &str = "GET /echo HTTP/1.1";
    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    const VERSION: &str = "Sec-WebSocket-Version: 13";
    let version = |value: &str| with(VERSION, &format!("Sec-WebSocket-Version: {value}\r\n"));
    let more = |lines: &str| request("/echo", lines);
    let mut rows = vec![
        // §4.2.1: the request line.
        row("method POST", with(START, "POST /echo HTTP/1.1\r\n"), 405),
        // RFC 9110 §9.1: methods have a case, and one that is unknown gets a 501.
        row("method get", with(START, "get /echo HTTP/1.1\r\n"), 501),
        row("method FOOBAR", with(START, "FOOBAR /echo HTTP/1.1\r\n"), 501),
        // It asks for a page then, RFC 9110 §7.8: Upgrade means nothing in HTTP/1.0.
        row("HTTP/1.0", with(START, "GET /echo HTTP/1.0\r\n"), 404),
        row("HTTP/1.0 where there is a page", with(START, "GET / HTTP/1.0\r\n"), 200),
        // RFC 9110 §2.5: it is treated as 1.1.
        row("HTTP/1.2", with(START, "GET /echo HTTP/1.2\r\n"), 101),
        row("HTTP/1", with(START, "GET /echo HTTP/1\r\n"), 400),
        row("HTTP/01.01", with(START, "GET /echo HTTP/01.01\r\n"), 400),
        row("http/1.1", with(START, "GET /echo http/1.1\r\n"), 400),
        row("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        row("HTTP/0.9", "GET /echo\r\n\r\n", 400),
        row("target *", with(START, "GET * HTTP/1.1\r\n"), 400),
        row("target with a blank", with(START, "GET /echo x HTTP/1.1\r\n"), 400),
        row("target with a backslash", with(START, "GET /e\\cho HTTP/1.1\r\n"), 400),
        row("target not in ASCII", with(START, "GET /echo?\u{e9} HTTP/1.1\r\n"), 400),
        row("target with a quote", with(START, "GET /echo?a\"b HTTP/1.1\r\n"), 400),
        row("target with angle brackets", with(START, "GET /echo?<x> HTTP/1.1\r\n"), 400),
        row("target with half a percent-encoding", with(START, "GET /echo?%4 HTTP/1.1\r\n"), 400),
        row("target with what browsers send", with(START, "GET /echo?a[0]={x|y} HTTP/1.1\r\n"), 101),
        row("absolute target without a host", with(START, "GET http:///echo HTTP/1.1\r\n"), 400),
        row("absolute target with a user", with(START, "GET http://u@h/echo HTTP/1.1\r\n"), 400),
        row("target with a fragment", with(START, "GET /echo#f HTTP/1.1\r\n"), 400),
        row("target without a slash", with(START, "GET echo HTTP/1.1\r\n"), 400),
        row("absolute target", with(START, "GET http://localhost/echo HTTP/1.1\r\n"), 101),
        row("unknown resource", with(START, "GET /nothing HTTP/1.1\r\n"), 404),
        row("refused by the application", with(START, "GET /teapot HTTP/1.1\r\n"), 418),
        row("a mistake of the application", with(START, "GET /mistake HTTP/1.1\r\n"), 500),
        // Host.
        row("no Host", with("Host: localhost", ""), 400),
        row("two Hosts", with("Host: localhost", "Host: a\r\nHost: a\r\n"), 400),
        row("empty Host", with("Host: localhost", "Host:\r\n"), 400),
        row("Host with a blank", with("Host: localhost", "Host: a b\r\n"), 400),
        row("Host with a path", with("Host: localhost", "Host: a/b\r\n"), 400),
        row("Host with a user", with("Host: localhost", "Host: u@h\r\n"), 400),
        row("Host with a wrong port", with("Host: localhost", "Host: h:x\r\n"), 400),
        row("Host with a large port", with("Host: localhost", "Host: h:65536\r\n"), 400),
        row("Host with half a bracket", with("Host: localhost", "Host: [::1\r\n"), 400),
        row("Host with a bare IPv6", with("Host: localhost", "Host: ::1\r\n"), 400),
        row("Host not in ASCII", with("Host: localhost", "Host: \u{e4}\r\n"), 400),
        row(
            "no Host, and no GET either",
            with(START, "POST /echo HTTP/1.1\r\n").replace("Host: localhost\r\n", ""),
            400,
        ),
        // Upgrade and Connection. Without the first it is a request for a page, of which there is none here.
        row("no Upgrade", with("Upgrade: websocket", ""), 404),
        row("another Upgrade", with("Upgrade: websocket", "Upgrade: h2c\r\n"), 404),
        row("a list in Upgrade", with("Upgrade: websocket", "Upgrade: foo, websocket\r\n"), 101),
        row("Upgrade in capitals", with("Upgrade: websocket", "UPGRADE:WebSocket\r\n"), 101),
        row("no Connection", with("Connection: Upgrade", ""), 400),
        row("another Connection", with("Connection: Upgrade", "Connection: keep-alive\r\n"), 400),
        row("a Connection like it", with("Connection: Upgrade", "Connection: Upgraded\r\n"), 400),
        row("a list in Connection", with("Connection: Upgrade", "Connection: keep-alive, UPGRADE\r\n"), 101),
        row(
            "two Connection lines",
            with("Connection: Upgrade", "Connection: keep-alive\r\nconnection: upgrade\r\n"),
            101,
        ),
        // Sec-WebSocket-Key.
        row("no key", with(KEY, ""), 400),
        row("empty key", with(KEY, "Sec-WebSocket-Key:\r\n"), 400),
        row("key of 15 bytes", with(KEY, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA\r\n"), 400),
        row("key of 17 bytes", with(KEY, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA=\r\n"), 400),
        row("key without padding", with(KEY, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA\r\n"), 400),
        row("key that is no base64", with(KEY, "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!==\r\n"), 400),
        row("two keys", more(&format!("{KEY}\r\n")), 400),
        // Subprotocols: those of the request are tokens, all different.
        row("subprotocol", more("Sec-WebSocket-Protocol: other, echo.v1\r\n"), 101),
        row(
            "two lines of subprotocols",
            more("Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Protocol: y\r\n"),
            101,
        ),
        row("empty subprotocols", more("Sec-WebSocket-Protocol:\r\n"), 101),
        row("subprotocol twice", more("Sec-WebSocket-Protocol: a, a\r\n"), 400),
        row("subprotocol that is no token", more("Sec-WebSocket-Protocol: a b\r\n"), 400),
        row("subprotocol with a separator", more("Sec-WebSocket-Protocol: a/b\r\n"), 400),
        // Extensions (§9.1).
        row("extensions", more("Sec-WebSocket-Extensions: a; b=\"c\", d\r\n"), 101),
        row(
            "two lines of extensions",
            more("Sec-WebSocket-Extensions: a\r\nSec-WebSocket-Extensions: b;c\r\n"),
            101,
        ),
        row("empty extensions", more("Sec-WebSocket-Extensions:\r\n"), 400),
        row("extension without a parameter", more("Sec-WebSocket-Extensions: a;;b\r\n"), 400),
        row("extension with half a string", more("Sec-WebSocket-Extensions: a; b=\"c\r\n"), 400),
        row("extension with an empty value", more("Sec-WebSocket-Extensions: a; b=\r\n"), 400),
        row("extension that is no token", more("Sec-WebSocket-Extensions: \"a\"\r\n"), 400),
        row("window bits of all kinds", more(WINDOW_BITS), 101),
        // Origin (§10.2); this server listens on loopback.
        row("foreign Origin", more("Origin: https://example.com\r\n"), 403),
        row("Origin null", more("Origin: null\r\n"), 403),
        row("empty Origin", more("Origin:\r\n"), 403),
        row("Origin with our name in it", more("Origin: http://localhost.example.com\r\n"), 403),
        row("Origin that ends like ours", more("Origin: http://evillocalhost\r\n"), 403),
        row("Origin with our name as its user", more("Origin: http://localhost@example.com\r\n"), 403),
        row("Origin of a neighbour", more("Origin: http://[::2]\r\n"), 403),
        row("two Origins", more("Origin: http://localhost\r\nOrigin: http://localhost\r\n"), 400),
        row("Origin not in UTF-8", [more("Origin: x").as_bytes(), b"\xff\r\n\r\n"].concat(), 400),
        row("our Origin", more("Origin: http://localhost\r\n"), 101),
        row("our Origin in capitals", more("Origin: HTTP://LOCALHOST:8080\r\n"), 101),
        row("our Origin by IPv6", more("Origin: http://[::1]:8080\r\n"), 101),
        // What would be taken for frames.
        row("content", more("Content-Length: 4\r\n") + "\u{1}\u{2}\u{3}\u{4}", 400),
        row("content of unknown length", more("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400),
        row("content length that is no number", more("Content-Length: +0\r\n"), 400),
        row("an unknown transfer coding", more("Transfer-Encoding: xchunked\r\n"), 501),
        // Limits (§10.4).
        row("101 headers", with("Host: localhost", &format!("Host: h\r\n{}", "X: y\r\n".repeat(96))), 431),
        row("2000 headers", more(&"X: y\r\n".repeat(2000)), 431),
        row("one long header", more(&format!("X: {}\r\n", "y".repeat(20_000))), 431),
        // RFC 9112 §3.
        row("a long target", with(START, &format!("GET /{} HTTP/1.1\r\n", "y".repeat(20_000))), 414),
        row("a long line without an end", vec![b'A'; 20_000], 414),
        row("empty lines without an end", "\r\n".repeat(10_000), 431),
        // No HTTP at all, or not quite.
        row("a TLS ClientHello", *b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x9a\xbc", 400),
        row("binary", *b"\xff\x00\xfe\x01", 400),
        row("NUL", *b"\0", 400),
        row("a frame", *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 400),
        row("LF alone", request("/echo", "").replace("\r\n", "\n"), 400),
        row("one LF alone", with("Host: localhost", "Host: localhost\n"), 400),
        row("CR alone", with("Host: localhost", "Host: local\rhost\r\n"), 400),
        row("NUL in a value", with("Host: localhost", "Host: local\0host\r\n"), 400),
        row("a folded line", with("Host: localhost", "Host:\r\n localhost\r\n"), 400),
        row("a blank before the colon", with("Host: localhost", "Host : localhost\r\n"), 400),
        row("a line without a colon", with("Host: localhost", "Host\r\n"), 400),
        row("a header without a name", with("Host: localhost", "Host: localhost\r\n: x\r\n"), 400),
        row("an empty line before it", format!("\r\n{}", request("/echo", "")), 101),
        row(
            "bytes that are nobody's business",
            [more("X: ").trim_end().as_bytes(), b"\xe4\r\n\r\n"].concat(),
            101,
        ),
    ];
    // §4.4: the version, and what is told of ours.
    for (name, bytes) in [
        ("version 12", version("12")),
        ("no version", with(VERSION, "")),
        ("empty version", version("")),
        ("version 13, 8", version("13, 8")),
        ("version 013", version("013")),
        ("two versions", more("Sec-WebSocket-Version: 8\r\n")),
    ] {
        rows.push(Row { name, bytes: bytes.into(), status: 426, line: "Sec-WebSocket-Version: 13" });
    }
    rows
}

/// Offers of permessage-deflate, none of which is taken up. Well-formed as a list, so none is an error either.
const WINDOW_BITS: &str = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=0, \
    permessage-deflate; server_max_window_bits=7, permessage-deflate; server_max_window_bits=16, \
    permessage-deflate; server_max_window_bits=08, permessage-deflate; client_max_window_bits=abc\r\n";

/// Rules R-4.2.1-a, R-4.2.1-b, R-4.2.1-c, R-4.2.1-d, R-4.2.1-e, R-4.2.1-f, R-4.2.1-g, R-4.2.2-a, R-4.2.2-b, R-4.4-a, R-8.1-b, R-9.1-a,
/// R-9.1-b, R-9.1-c and R-10.2-a. Attacks.
#[test]
fn a_status_line_always_comes_back() {
    let server = TestServer::start();
    let mut witness = server.connect("/echo");
    for way in WAYS {
        for Row { name, bytes, status, line } in rows() {
            let what = format!("{name} ({way:?})");
            let mut stream = dial(server.addr);
            write(&mut stream, &bytes, way);
            if status == 101 {
                let mut client = Client::shake_hands(stream);
                // §4.2.2: no extension and no subprotocol but what was offered and chosen.
                assert!(!client.head.contains("Sec-WebSocket-Extensions"), "{what}: {}", client.head);
                if !matches!(way, Way::Fin) {
                    client.send(name);
                    client.expect_text(name);
                    client.close(1000, "");
                    assert_eq!(client.rest(), [Got::Close(Some((1000, String::new())))], "{what}");
                }
            } else {
                let answer = refusal(stream, &what);
                assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer}");
                assert!(answer.contains("\r\nConnection: "), "{what}: {answer}");
                assert!(line.is_empty() || answer.contains(&format!("\r\n{line}\r\n")), "{what}: {answer}");
            }
            witness.send(name);
            witness.expect_text(name);
        }
    }
    drop(witness);
    server.wait_for_connections(0);
    // Whoever was refused, the application never heard of as a connection; each that it did hear of has ended.
    let calls = server.stop();
    let accepted = WAYS.len() * rows().iter().filter(|row| row.status == 101).count() + 1;
    let opened = calls.iter().filter(|called| matches!(called, Called::Open(_))).count();
    let closed = calls.iter().filter(|called| matches!(called, Called::Close { .. })).count();
    assert_eq!((opened, closed), (accepted, accepted));
}

/// Rule R-4.2.2-c.
#[test]
fn a_subprotocol_comes_from_the_offer_or_not_at_all() {
    let server = TestServer::start();
    for (offer, chosen) in [
        ("Sec-WebSocket-Protocol: other, echo.v1, echo.v2\r\n", "Sec-WebSocket-Protocol: echo.v2\r\n"),
        ("Sec-WebSocket-Protocol: echo.v1\r\n", "Sec-WebSocket-Protocol: echo.v1\r\n"),
        // Never a header without a value.
        ("Sec-WebSocket-Protocol: other\r\n", ""),
        ("Sec-WebSocket-Protocol:\r\n", ""),
        ("Sec-WebSocket-Protocol: ,\r\n", ""),
        ("", ""),
    ] {
        let client = Client::connect_with(server.addr, "/echo", offer);
        let found: String = client
            .head
            .split_inclusive("\r\n")
            .filter(|line| line.to_ascii_lowercase().starts_with("sec-websocket-protocol"))
            .collect();
        assert_eq!(found, chosen, "{offer}");
    }
}

/// Rule R-10.2-a. Attack A-20.
#[test]
fn pages_of_the_same_host_and_port_may_connect_to_a_public_server() {
    let mut server = TestServer::run(Server::bind("0.0.0.0:0").expect("a free port"), 1);
    server.addr.set_ip([127, 0, 0, 1].into());
    for (origin, host, status) in [
        ("http://example.com", "example.com", 101),
        ("https://EXAMPLE.com", "example.COM", 101),
        ("https://example.com", "example.com:443", 101),
        ("http://example.com:8080", "example.com:8080", 101),
        ("http://[2001:db8::1]", "[2001:DB8:0::1]", 101),
        ("http://example.com:8080", "example.com", 403),
        ("http://example.com", "example.com:8080", 403),
        ("http://[2001:db8::1]", "[2001:db8::2]", 403),
        ("null", "null", 403),
        ("http://localhost", "example.com", 403),
        ("http://example.com.evil.test", "example.com", 403),
        ("http://evilexample.com", "example.com", 403),
        ("http://sub.example.com", "example.com", 403),
        ("http://example.com@evil.test", "example.com", 403),
        ("http://evil.test/example.com", "example.com", 403),
    ] {
        let what = format!("{origin} at {host}");
        let head = request("/echo", &format!("Origin: {origin}\r\n"))
            .replace("Host: localhost", &format!("Host: {host}"));
        let mut stream = dial(server.addr);
        write(&mut stream, head.as_bytes(), Way::Fin);
        if status == 101 {
            drop(Client::shake_hands(stream));
        } else {
            let answer = refusal(stream, &what);
            assert!(answer.starts_with("HTTP/1.1 403 "), "{what}: {answer}");
        }
    }
}

/// Rule R-4.2.1-g. Attack A-02.
#[test]
fn a_request_that_does_not_end_in_time_is_answered_too() {
    const TIME: Duration = Duration::from_millis(200);
    let timeouts = Timeouts::new().handshake(TIME);
    let server = TestServer::with(Settings { timeouts, ..Settings::default() });
    let good = request("/echo", "");
    for bytes in ["", "GET", "\r\n\r\n", "A-METHOD-WITHOUT-AN-END", &good[..good.len() - 1]] {
        let start = Instant::now();
        let mut stream = dial(server.addr);
        write(&mut stream, bytes.as_bytes(), Way::Whole);
        let answer = refusal(stream, bytes);
        assert!(answer.starts_with("HTTP/1.1 408 "), "{bytes:?}: {answer}");
        // Not before its time: the server's clock began after ours.
        assert!(start.elapsed() >= TIME, "{bytes:?}: after {:?}", start.elapsed());
    }
    // A byte now and then buys no time, and costs none.
    let (start, mut stream) = (Instant::now(), dial(server.addr));
    let mut reader = stream.try_clone().expect("a second handle");
    let answer = std::thread::spawn(move || {
        let mut answer = Vec::new();
        reader.read_to_end(&mut answer).map(|_| (answer, Instant::now()))
    });
    while !answer.is_finished() && start.elapsed() < support::DEADLINE {
        stream.write_all(b"x").expect("the server reads on");
        std::thread::sleep(TIME / 10);
    }
    let (answer, end) = answer.join().expect("no panic").expect("an orderly end");
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    assert!((TIME..TIME * 20).contains(&(end - start)), "{:?}", end - start);
    drop(stream);
    server.wait_for_connections(0);
}

/// Rule R-4.2.2-d. Attack A-19.
#[test]
fn what_follows_a_request_at_once_is_frames_or_nothing() {
    let server = TestServer::start();
    // Frames right behind it, in the same write.
    let mut stream = dial(server.addr);
    let mut bytes = request("/echo", "").into_bytes();
    bytes.extend(b"\x81\x82\0\0\0\0hi\x88\x80\0\0\0\0");
    write(&mut stream, &bytes, Way::Whole);
    assert_eq!(Client::shake_hands(stream).rest(), [Got::text("hi"), Got::Close(None)]);
    // Requests without end behind one: only the first is answered, the others are thrown away as they come.
    for path in ["/", "/nothing"] {
        let page = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").repeat(100_000);
        let mut stream = dial(server.addr);
        write(&mut stream, page.as_bytes(), Way::Fin);
        refusal(stream, path);
    }
    server.wait_for_connections(0);
}

/// Rule R-4.2.1-g.
#[test]
fn a_request_that_is_cut_by_the_end_of_the_stream_is_answered_too() {
    let server = TestServer::start();
    let good = request("/echo", "");
    for cut in 0..good.len() {
        let mut stream = dial(server.addr);
        write(&mut stream, &good.as_bytes()[..cut], Way::Fin);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an orderly end");
        // Who has sent none of it yet waits for no answer.
        let expected = if cut == 0 { "" } else { "HTTP/1.1 400 Bad Request\r\n" };
        assert!(
            answer.starts_with(expected) && answer.is_empty() == expected.is_empty(),
            "{cut}: {answer:?}"
        );
    }
    server.wait_for_connections(0);
}
