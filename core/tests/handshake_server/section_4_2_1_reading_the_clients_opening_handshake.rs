//! RFC 6455 §4.2.1: what a server reads.

use super::*;

const fn request(field: Field, fault: Fault) -> HandshakeError {
    HandshakeError::Request(field, fault)
}

#[test]
fn the_example_of_section_1_3_gets_the_response_of_section_1_3() {
    let response = assert_accepted(&request_with("", &[]));
    assert_eq!(
        response,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
}

#[test]
fn the_connection_is_open_and_a_servers() {
    let mut tx = [0; 256];
    let done = server::accept(&request_with("", &[]), &Config::default(), &mut SliceOutput::new(&mut tx));
    let (connection, _) = done.unwrap().unwrap();
    assert_eq!((connection.role(), connection.state()), (Role::Server, State::Open));
}

/// Rule R-4.2.2-d.
#[test]
fn bytes_behind_the_head_are_frames() {
    let mut input = request_with("", &[]);
    let used = input.len();
    input.extend_from_slice(b"\x81\x80\r\n\r\n");
    assert_eq!(accept(&input).0, Ok(Some(used)));
}

/// Rule R-4.2.1-a.
#[test]
fn the_method_is_get() {
    for method in ["POST", "HEAD", "get", "OPTIONS", "CONNECT"] {
        let line = format!("{method} /chat HTTP/1.1");
        let response = assert_refused(&request_with("GET", &[&line]), HandshakeError::Method, 405);
        assert!(response.contains("\r\nAllow: GET\r\n"), "{response}");
    }
}

/// Rule R-4.2.1-b.
#[test]
fn the_version_is_http_1_1() {
    for version in ["HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "http/1.1", "FTP/1.1"] {
        let line = format!("GET /chat {version}");
        assert_refused(&request_with("GET", &[&line]), HandshakeError::HttpVersion, 505);
    }
    // RFC 9110 §7.8: "A server MUST ignore an Upgrade header field that is received in an HTTP/1.0 request."
    let old = request_with("GET", &["GET /chat HTTP/1.0"]);
    parsed(&old, |request| assert!(!request.is_upgrade()));
    parsed(&request_with("", &[]), |request| assert!(request.is_upgrade()));
    // What an HTTP/2 client says first.
    assert_refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HandshakeError::HttpVersion, 505);
}

#[test]
fn the_target_is_a_resource_name_or_an_absolute_uri() {
    for target in ["/", "//", "/a?b", "/?", "http://h/p", "HTTPS://h:1", "ws://[::1]/p?q", "wss://h?q"] {
        let line = format!("GET {target} HTTP/1.1");
        assert_accepted(&request_with("GET", &[&line]));
    }
    for target in
        ["*", "chat", "h:80", "/a#f", "http:///p", "http://u@h/", "ftp://h/", "http://h:x/", "?q", "#"]
    {
        let line = format!("GET {target} HTTP/1.1");
        assert_refused(&request_with("GET", &[&line]), HandshakeError::Target, 400);
    }
}

/// Rule R-4.2.1-c. Attack A-03.
#[test]
fn there_is_one_host() {
    for host in ["h", "h:80", "h:", "127.0.0.1:1", "[::1]", "[::1]:65535", "  h\t", "xn--bcher-kva.example"] {
        assert_accepted(&request_with("Host", &[&format!("Host: {host}")]));
    }
    for host in ["", ":80", "a b", "a/b", "u@h", "h:x", "h:65536", "[::1", "::1", "http://h", "h\\"] {
        let error = request(Field::Host, Fault::Invalid);
        assert_refused(&request_with("Host", &[&format!("Host: {host}")]), error, 400);
    }
    assert_refused(&request_with("Host", &[]), request(Field::Host, Fault::Missing), 400);
    assert_refused(
        &request_with("Host", &["Host: a", "host: a"]),
        request(Field::Host, Fault::Repeated),
        400,
    );
}

/// Rule R-4.2.1-c.
#[test]
fn there_is_one_host_in_every_request() {
    let check = |first: &str, lines: &str| {
        let head = format!("{first}\r\n{lines}\r\n");
        parsed(head.as_bytes(), |request| request.check_host())
    };
    for first in ["GET / HTTP/1.1", "POST /form HTTP/1.1", "OPTIONS * HTTP/1.1", "GET http://a/ HTTP/1.1"] {
        assert_eq!(check(first, "Host: a:80\r\n"), Ok(()));
        assert_eq!(check(first, ""), Err(request(Field::Host, Fault::Missing)));
        assert_eq!(check(first, "Host: a\r\nHost: a\r\n"), Err(request(Field::Host, Fault::Repeated)));
        for host in ["", "a b", "a/b", "[::1", "\u{e4}"] {
            let lines = format!("Host: {host}\r\n");
            assert_eq!(check(first, &lines), Err(request(Field::Host, Fault::Invalid)), "{host}");
        }
    }
    // RFC 9112 §3.2: only an HTTP/1.1 request has to have one.
    let old = "GET / HTTP/1.0";
    assert_eq!(check(old, ""), Ok(()));
    assert_eq!(check(old, "Host: a\r\nHost: a\r\n"), Err(request(Field::Host, Fault::Repeated)));
    assert_eq!(check(old, "Host: a b\r\n"), Err(request(Field::Host, Fault::Invalid)));
    // It comes before what a WebSocket wants.
    assert_refused(b"POST / HTTP/1.1\r\n\r\n", request(Field::Host, Fault::Missing), 400);
    assert_refused(b"GET / HTTP/1.0\r\n\r\n", HandshakeError::HttpVersion, 505);
}

/// Rule R-4.2.1-d.
#[test]
fn upgrade_contains_websocket() {
    for lines in [
        &["upgrade: WebSocket"][..],
        &["UPGRADE:WEBSOCKET"],
        &["Upgrade: foo, websocket"],
        &["Upgrade: websocket ,h2c"],
        &["Upgrade: foo", "Upgrade: \tbar,,websocket"],
    ] {
        assert_accepted(&request_with("Upgrade", lines));
    }
    for lines in [&["Upgrade: h2c"][..], &["Upgrade:"], &["Upgrade: websocket2"], &["Upgrade: web, socket"]] {
        let response =
            assert_refused(&request_with("Upgrade", lines), request(Field::Upgrade, Fault::Invalid), 426);
        assert!(response.contains("\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n"), "{response}");
    }
    assert_refused(&request_with("Upgrade", &[]), request(Field::Upgrade, Fault::Missing), 426);
}

/// Rule R-4.2.1-e.
#[test]
fn connection_contains_upgrade() {
    for lines in [
        &["Connection: upgrade"][..],
        &["Connection: keep-alive, Upgrade"],
        &["Connection: UPGRADE,keep-alive"],
        &["Connection: keep-alive", "Connection: Upgrade"],
    ] {
        assert_accepted(&request_with("Connection", lines));
    }
    for lines in [&["Connection: keep-alive"][..], &["Connection:"], &["Connection: Upgrade2"]] {
        assert_refused(&request_with("Connection", lines), request(Field::Connection, Fault::Invalid), 400);
    }
    assert_refused(&request_with("Connection", &[]), request(Field::Connection, Fault::Missing), 400);
}

/// Rule R-4.2.1-f.
#[test]
fn the_key_decodes_to_16_bytes() {
    for key in [
        "dGhlIHNhbXBsZSBub25jZQ==",
        "  AAAAAAAAAAAAAAAAAAAAAA==\t",
        // The example of §4.1, whose last bits are not zero.
        "AQIDBAUGBwgJCgsMDQ4PEC==",
    ] {
        assert_accepted(&request_with("Sec-WebSocket-Key", &[&format!("Sec-WebSocket-Key: {key}")]));
    }
    for key in [
        "",
        "AAAAAAAAAAAAAAAAAAAA",     // 15 bytes
        "AAAAAAAAAAAAAAAAAAAAAAA=", // 17 bytes
        "AAAAAAAAAAAAAAAAAAAAAAAA", // 18 bytes
        "AAAAAAAAAAAAAAAAAAAAAA",   // no padding
        "AAAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAAAAAAAAAAAAA_==", // another alphabet
        "AAAAAAAAAAA AAAAAAAAAA==",
        "================ ========",
        "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
    ] {
        let input = request_with("Sec-WebSocket-Key", &[&format!("Sec-WebSocket-Key: {key}")]);
        assert_refused(&input, request(Field::Key, Fault::Invalid), 400);
    }
    let long = format!("Sec-WebSocket-Key: {}", "A".repeat(4096));
    assert_refused(&request_with("Sec-WebSocket-Key", &[&long]), request(Field::Key, Fault::Invalid), 400);
    assert_refused(&request_with("Sec-WebSocket-Key", &[]), request(Field::Key, Fault::Missing), 400);
    let twice = request_with("", &[LINES[4]]);
    assert_refused(&twice, request(Field::Key, Fault::Repeated), 400);
}

#[test]
fn content_would_be_taken_for_frames() {
    for line in [
        "Content-Length: 1",
        "Content-Length: x",
        "Content-Length:",
        "Content-Length: -0",
        "Content-Length: +0",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity",
    ] {
        assert_refused(&request_with("", &[line]), HandshakeError::Content, 400);
    }
    let twice = request_with("", &["Content-Length: 0", "Content-Length: 5"]);
    assert_refused(&twice, HandshakeError::Content, 400);
    assert_accepted(&request_with("", &["Content-Length: 0"]));
}

/// Rule R-8.1-b.
#[test]
fn there_is_one_origin_at_most_and_it_is_text() {
    assert_accepted(&request_with("", &["Origin: null"]));
    let twice = request_with("", &["Origin: http://a", "Origin: http://b"]);
    assert_refused(&twice, request(Field::Origin, Fault::Repeated), 400);
    let mut input = request_with("", &["Origin: x"]);
    let at = input.len() - 5;
    input[at] = 0xff;
    assert_refused(&input, request(Field::Origin, Fault::Invalid), 400);
}

#[test]
fn subprotocols_are_unique_tokens() {
    for lines in [
        &["Sec-WebSocket-Protocol: chat"][..],
        &["Sec-WebSocket-Protocol: chat, superchat", "sec-websocket-protocol: chat.v2"],
        &["Sec-WebSocket-Protocol: ,chat,, \t,superchat,"],
        &["Sec-WebSocket-Protocol: chat,CHAT"],
    ] {
        assert_accepted(&request_with("", lines));
    }
    for lines in [
        &["Sec-WebSocket-Protocol:"][..],
        &["Sec-WebSocket-Protocol: , ,"],
        &["Sec-WebSocket-Protocol: a b"],
        &["Sec-WebSocket-Protocol: a/b"],
        &["Sec-WebSocket-Protocol: \"a\""],
        &["Sec-WebSocket-Protocol: a;b"],
        &["Sec-WebSocket-Protocol: \u{e4}"],
        &["Sec-WebSocket-Protocol: a,b,a"],
        &["Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: a"],
    ] {
        assert_refused(&request_with("", lines), request(Field::Subprotocol, Fault::Invalid), 400);
    }
}

#[test]
fn subprotocols_have_a_limit() {
    let offer = |count: usize| {
        let names: Vec<String> = (0..count).map(|i| format!("p{i}")).collect();
        request_with("", &[&format!("Sec-WebSocket-Protocol: {}", names.join(","))])
    };
    assert_accepted(&offer(MAX_SUBPROTOCOLS));
    assert_refused(&offer(MAX_SUBPROTOCOLS + 1), request(Field::Subprotocol, Fault::Invalid), 400);
}

#[test]
fn subprotocols_come_in_their_order() {
    let input = request_with("", &["Sec-WebSocket-Protocol: b,, a", "X: y", "SEC-WEBSOCKET-PROTOCOL:c"]);
    parsed(&input, |request| assert!(request.subprotocols().eq(["b", "a", "c"])));
}

#[test]
fn values_that_matter_to_nobody_may_be_any_bytes() {
    let mut input = request_with("", &["X-Name: ?"]);
    let at = input.len() - 5;
    input[at] = 0xe4;
    assert_accepted(&input);
    parsed(&input, |request| {
        assert_eq!(request.header("x-name"), None);
        assert_eq!(request.headers().get("x-name"), Some(&b"\xe4"[..]));
    });
}
