//! Plain HTTP, refusals, origins, and limits on connections.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use sansws_mio::{Handler, OriginPolicy, Server, Settings, Timeouts};
use support::{Called, Client, DEADLINE, TestServer, dial, exchange, request};

fn body(response: &str) -> &str {
    response.split_once("\r\n\r\n").expect("a head").1
}

#[test]
fn pages() {
    let server = TestServer::start();
    let page = exchange(server.addr, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"), "{page}");
    assert!(page.contains("Connection: close\r\n") && page.contains("Content-Length: 12\r\n"));
    assert_eq!(body(&page), "<p>hello</p>");
    let head = exchange(server.addr, b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(head.contains("Content-Length: 12\r\n") && body(&head).is_empty());
    let upgrade = exchange(server.addr, request("/echo", "").replace("GET", "HEAD").as_bytes());
    assert!(upgrade.starts_with("HTTP/1.1 405 ") && body(&upgrade).is_empty(), "{upgrade}");
    let none = exchange(server.addr, b"GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(none.starts_with("HTTP/1.1 404 Not Found\r\n"));
    let old = exchange(server.addr, b"GET / HTTP/1.0\r\n\r\n");
    assert_eq!(body(&old), "<p>hello</p>");
    server.wait_for_connections(0);
}

/// Rule R-4.2.1-c.
#[test]
fn pages_are_for_requests_with_one_host() {
    let server = TestServer::start();
    let status = |request: &str| {
        let answer = exchange(server.addr, request.as_bytes());
        assert!(!request.starts_with("HEAD") || body(&answer).is_empty(), "{answer}");
        answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).map(String::from)
    };
    for first in ["GET / HTTP/1.1", "HEAD / HTTP/1.1", "POST / HTTP/1.1", "GET http://localhost/ HTTP/1.1"] {
        for (host, expected) in [
            ("Host: localhost\r\n", "200"),
            ("", "400"),
            ("Host:\r\n", "400"),
            ("Host: a b\r\n", "400"),
            ("Host: localhost\r\nhost: localhost\r\n", "400"),
        ] {
            assert_eq!(
                status(&format!("{first}\r\n{host}\r\n")).as_deref(),
                Some(expected),
                "{first} {host}"
            );
        }
    }
    // RFC 9112 §3.2: in HTTP/1.0 it may be missing, but not be wrong.
    assert_eq!(status("GET / HTTP/1.0\r\n\r\n").as_deref(), Some("200"));
    assert_eq!(status("GET / HTTP/1.0\r\nHost: a b\r\n\r\n").as_deref(), Some("400"));
    server.wait_for_connections(0);
}

/// Rule R-4.2.1-i.
#[test]
fn pages_are_for_requests_whose_framing_is_plain() {
    let server = TestServer::start();
    for (lines, expected) in [
        ("Content-Length: abc", "400"),
        ("Content-Length: +5", "400"),
        ("Content-Length: -1", "400"),
        ("Content-Length: -0", "400"),
        ("Content-Length:", "400"),
        ("Content-Length: 5, 10", "400"),
        ("Content-Length: 010", "400"),
        ("Content-Length: 0x5", "400"),
        ("Content-Length: 1 1", "400"),
        ("Content-Length: 5_0", "400"),
        ("Content-Length: 5\r\nContent-Length: 5", "400"),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", "400"),
        ("Transfer-Encoding:", "400"),
        ("Transfer-Encoding: chunked, gzip", "400"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "400"),
        ("Transfer-Encoding: chunked;ext=val", "400"),
        ("Transfer-Encoding: gzip", "501"),
        ("Transfer-Encoding: xchunked", "501"),
        ("Transfer-Encoding: identity", "501"),
        ("Content-Length: 0", "200"),
        ("Transfer-Encoding: chunked", "200"),
    ] {
        for method in ["GET", "HEAD", "POST", "FOOBAR"] {
            let request = format!("{method} / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n\r\n");
            let answer = exchange(server.addr, request.as_bytes());
            let expected = if (method, expected) == ("FOOBAR", "200") { "501" } else { expected };
            assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{request}{answer}");
            assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
            assert_eq!(body(&answer).is_empty(), method == "HEAD", "{request}{answer}");
        }
    }
    server.wait_for_connections(0);
}

/// Rule R-4.2.1-h.
#[test]
fn pages_are_for_requests_whose_target_is_one() {
    let server = TestServer::start();
    for (first, expected) in [
        ("GET /path#frag HTTP/1.1", "400"),
        ("GET * HTTP/1.1", "400"),
        ("GET /caf\u{e9} HTTP/1.1", "400"),
        ("GET /a\\b HTTP/1.1", "400"),
        ("GET /?a\"b HTTP/1.1", "400"),
        ("GET /?<x> HTTP/1.1", "400"),
        ("GET /%zz HTTP/1.1", "400"),
        ("GET http:///echo HTTP/1.1", "400"),
        ("GET http://u@h/echo HTTP/1.1", "400"),
        ("GET /a b HTTP/1.1", "400"),
        ("GET / HTTP/1", "400"),
        ("GET / HTTP/01.01", "400"),
        ("GET / http/1.1", "400"),
        ("GET / HTTP/1.2", "200"),
        ("GET /?a[]={b}|c HTTP/1.1", "200"),
        ("GET / HTTP/2.0", "505"),
        ("get / HTTP/1.1", "501"),
    ] {
        let answer = exchange(server.addr, format!("{first}\r\nHost: localhost\r\n\r\n").as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{first}: {answer}");
    }
    server.wait_for_connections(0);
}

/// Rule R-9110-c. RFC 9110 §9.3.2: "the server MUST NOT send content in the response" to HEAD, also where its head is refused.
#[test]
fn the_refusal_of_a_head_request_has_no_content() {
    let timeouts = Timeouts::new().handshake(Duration::from_millis(50));
    let server = TestServer::with(Settings { timeouts, ..Settings::default() });
    for (rest, status) in [
        (format!("Host: h\r\n{}\r\n", "X: y\r\n".repeat(101)), "431"),
        (format!("X: {}\r\n\r\n", "y".repeat(20_000)), "431"),
        ("Host: h\n\r\n".into(), "400"),
        ("Host: h\r\nX : y\r\n\r\n".into(), "400"),
        ("Host: h\r\nUpgrade: websocket\r\n\r\n".into(), "405"),
        // It does not end, and times out.
        ("Host: h\r\n".into(), "408"),
    ] {
        let answer = exchange(server.addr, format!("HEAD / HTTP/1.1\r\n{rest}").as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(body(&answer).is_empty() && answer.contains("\r\nContent-Length: "), "{answer}");
    }
    // In pieces, too.
    let mut stream = dial(server.addr);
    for piece in ["HE", "AD / HTTP/1.1\r\n", "X : y\r\n\r\n"] {
        stream.write_all(piece.as_bytes()).expect("the server reads");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an orderly end");
    assert!(answer.starts_with("HTTP/1.1 400 ") && body(&answer).is_empty(), "{answer}");
    server.wait_for_connections(0);
}

/// Rules R-9110-a and R-9110-b.
#[test]
fn refusals_have_a_date_and_their_headers() {
    let server = TestServer::start();
    for (request, line) in [
        (request("/echo", "").replace("GET", "POST"), "Allow: GET"),
        (request("/echo", "").replace("Version: 13", "Version: 12"), "Sec-WebSocket-Version: 13"),
        (request("/echo", "").replace("Version: 13", "Version: 12"), "Connection: Upgrade, close"),
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n".into(), "Connection: close"),
        ("GET / HTTP/1.1\r\n\r\n".into(), "Connection: close"),
    ] {
        let answer = exchange(server.addr, request.as_bytes());
        assert!(answer.contains(&format!("\r\n{line}\r\n")), "{answer}");
        assert_eq!(answer.matches("\r\nDate: ").count(), 1, "{answer}");
        assert_eq!(answer.matches("\r\nConnection: ").count(), 1, "{answer}");
    }
}

/// Rule R-7.1.1-a.
#[test]
fn a_page_arrives_whole_though_the_request_has_content() {
    let server = TestServer::start();
    let mut stream = dial(server.addr);
    // The content is never read as a request, and the response is not lost by a reset.
    let request = b"POST /big HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n";
    let mut writer = stream.try_clone().expect("a second handle");
    let thread = std::thread::spawn(move || {
        writer.write_all(request).and_then(|()| writer.write_all(&vec![b'y'; 1_000_000]))
    });
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an orderly end");
    thread.join().expect("no panic").expect("the server reads on");
    assert!(answer.len() > 8 << 20, "{} bytes", answer.len());
    assert!(answer.ends_with(b"xxx"));
}

/// Rule R-4.2.1-g.
#[test]
fn handshakes_that_are_wrong_get_their_status() {
    let good = request("/echo", "");
    let cases = [
        (good.replace("GET", "POST"), "405"),
        (good.replace("HTTP/1.1", "HTTP/1.0"), "404"),
        (good.replace("Host: localhost\r\n", ""), "400"),
        (good.replace("Version: 13", "Version: 12"), "426"),
        (good.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), "400"),
        (good.replace("Connection: Upgrade", "Connection: close"), "400"),
        (good.replace("/echo", "/none"), "404"),
        (good.replace("/echo", "/teapot"), "418"),
        (good.replace("/echo", "/mistake"), "500"),
        (good.replace("\r\nHost", "\r\n Host"), "400"),
        (request("/echo", &"X: y\r\n".repeat(100)), "431"),
        (request("/echo", &format!("X: {}\r\n", "y".repeat(20_000))), "431"),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n".into(), "400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), "505"),
    ];
    let server = TestServer::start();
    for (bytes, status) in cases {
        let response = exchange(server.addr, bytes.as_bytes());
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{bytes}\n{response}");
        if status == "426" {
            assert!(response.contains("Sec-WebSocket-Version: 13\r\n"), "{response}");
        }
    }
    assert!(server.calls.try_iter().all(|called| called == Called::Wake), "nothing was opened");
}

/// Rule R-4.2.2-c.
#[test]
fn subprotocol_and_headers() {
    let server = TestServer::start();
    let offer = "Sec-WebSocket-Protocol: other, echo.v1\r\nSec-WebSocket-Protocol: echo.v2\r\n";
    let client = Client::connect_with(server.addr, "/header", offer);
    assert!(client.head.contains("Sec-WebSocket-Protocol: echo.v2\r\n"), "{}", client.head);
    assert!(client.head.contains("X-Test: yes\r\n"));
    let client = Client::connect_with(server.addr, "/echo", "Sec-WebSocket-Protocol: other\r\n");
    assert!(!client.head.contains("Sec-WebSocket-Protocol"), "{}", client.head);
}

/// Rules R-4.2.2-a and R-10.2-a. Attack A-20.
#[test]
fn origins() {
    let port = |server: &TestServer| server.addr.port();
    let status = |server: &TestServer, origin: &str| {
        let head = request("/echo", &format!("Origin: {origin}\r\nConnection: close\r\n"))
            .replace("Host: localhost", &format!("Host: 127.0.0.1:{}", port(server)));
        let mut stream = dial(server.addr);
        stream.write_all(head.as_bytes()).expect("the server reads");
        let mut answer = vec![0; 4096];
        let len = stream.read(&mut answer).expect("a response");
        String::from_utf8_lossy(&answer[..len]).into_owned()
    };
    let is = |answer: &str, code: &str| answer.starts_with(&format!("HTTP/1.1 {code} "));

    // Only this machine can connect: its own pages may.
    let server = TestServer::start();
    for origin in ["http://localhost:5173", "http://[::1]", "http://127.0.0.1:1"] {
        assert!(is(&status(&server, origin), "101"), "{origin}");
    }
    for origin in ["null", "https://example.com", "http://localhost.example.com", "file://"] {
        let answer = status(&server, origin);
        assert!(is(&answer, "403") && body(&answer).contains("OriginPolicy::List"), "{origin}: {answer}");
        // Nothing of the request, and nothing about the server.
        let port = port(&server).to_string();
        assert!(!answer.contains(origin) && !answer.contains("127.0.0.1") && !answer.contains(&port));
    }

    // A page whose name was made to resolve to this machine says so in both headers.
    let rebound = request("/echo", "Origin: http://rebound.test\r\n").replace("localhost", "rebound.test");
    assert!(is(&exchange(server.addr, rebound.as_bytes()), "403"), "DNS rebinding");

    // The network can connect: pages of this very server only.
    let mut public = TestServer::run(Server::bind("0.0.0.0:0").expect("a free port"), 1);
    public.addr.set_ip([127, 0, 0, 1].into());
    assert!(is(&status(&public, &format!("http://{}", public.addr)), "101"));
    assert!(is(&status(&public, "http://localhost:5173"), "403"));

    let settings = |origin| Settings { origin, ..Settings::default() };
    let listed = TestServer::with(settings(OriginPolicy::List(vec!["https://example.com".into()])));
    assert!(is(&status(&listed, "https://example.com"), "101"));
    assert!(is(&status(&listed, "https://example.org"), "403"));
    let any = TestServer::with(settings(OriginPolicy::Any));
    assert!(is(&status(&any, "null"), "101"));
    // Not a browser.
    drop(server.connect("/echo"));
}

#[test]
fn a_server_does_not_start_with_an_origin_that_no_page_has() {
    let origin = OriginPolicy::List(vec!["https://example.com".into(), "example.org".into()]);
    let settings = Settings { origin, ..Settings::default() };
    for workers in [1, 2] {
        let server = Server::bind("127.0.0.1:0").expect("a free port").settings(settings.clone());
        let error = server.run_workers(workers, |_| Nothing).expect_err("a setting without effect");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("Settings::origin: \"example.org\""), "{error}");
    }
    let server = Server::bind("127.0.0.1:0").expect("a free port").settings(settings);
    assert_eq!(server.run(Nothing).expect_err("the same").kind(), ErrorKind::InvalidInput);
}

struct Nothing;

impl Handler for Nothing {
    type Session = ();
}

#[test]
fn over_the_limit_on_connections_the_answer_is_503() {
    let server = TestServer::with(Settings { max_connections: 2, ..Settings::default() });
    let mut first = server.connect("/echo");
    let second = server.connect("/echo");
    for _ in 0..100 {
        let answer = exchange(server.addr, request("/echo", "").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }
    drop(second);
    server.wait_for_connections(1);
    let mut third = server.connect("/echo");
    for client in [&mut first, &mut third] {
        client.send("in");
        client.expect_text("in");
    }
}

#[test]
fn over_the_limit_on_an_address_the_answer_is_429() {
    let server = TestServer::with(Settings { max_connections_per_address: Some(1), ..Settings::default() });
    let first = server.connect("/echo");
    let answer = exchange(server.addr, request("/echo", "").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    // Another address of this machine's.
    #[cfg(target_os = "linux")]
    drop(from_another_address(server.addr));
    drop(first);
    server.wait_for_connections(0);
    drop(server.connect("/echo"));
}

#[cfg(target_os = "linux")]
fn from_another_address(addr: std::net::SocketAddr) -> Client {
    let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    other.bind(&std::net::SocketAddr::from(([127, 0, 0, 2], 0)).into()).expect("loopback is a /8");
    other.connect(&addr.into()).expect("the server listens");
    let mut stream: std::net::TcpStream = other.into();
    stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    stream.write_all(request("/echo", "").as_bytes()).expect("the server reads");
    Client::shake_hands(stream)
}

/// Rule R-4.2.1-g.
#[test]
fn a_request_that_does_not_come_is_answered_with_408() {
    const TIME: Duration = Duration::from_millis(50);
    let timeouts = Timeouts::new().handshake(TIME);
    let server = TestServer::with(Settings { timeouts, ..Settings::default() });
    for bytes in ["", "GET / HTTP/1.1\r\nHost: "] {
        let start = Instant::now();
        let answer = exchange(server.addr, bytes.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
        // Not before its time: the server's clock began after ours.
        assert!(start.elapsed() >= TIME, "after {:?}", start.elapsed());
    }
    server.wait_for_connections(0);
}

/// Rule R-7.1.1-a.
#[test]
fn a_client_that_never_closes_is_dropped() {
    const TIME: Duration = Duration::from_millis(50);
    let timeouts = Timeouts::new().close(TIME);
    let server = TestServer::with(Settings { timeouts, ..Settings::default() });
    // It gets its page and the end of the stream, but sends no FIN itself.
    let start = Instant::now();
    let mut stream = dial(server.addr);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the server reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an orderly end");
    server.wait_for_connections(0);
    assert!(start.elapsed() >= TIME, "after {:?}", start.elapsed());
    drop(stream);
}
