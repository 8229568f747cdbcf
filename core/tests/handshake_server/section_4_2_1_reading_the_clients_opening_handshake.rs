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
    for method in ["POST", "OPTIONS", "PUT", "DELETE", "TRACE", "PATCH"] {
        let line = format!("{method} /chat HTTP/1.1");
        let response = assert_refused(&request_with("GET", &[&line]), HandshakeError::Method, 405);
        assert!(response.contains("\r\nAllow: GET\r\n"), "{response}");
    }
    // RFC 9110 §9.1: "unrecognized or not implemented": 501. Methods are case-sensitive.
    for method in ["FOOBAR", "get", "Get", "GETT", "PROPFIND", "!"] {
        let line = format!("{method} /chat HTTP/1.1");
        let input = request_with("GET", &[&line]);
        assert_refused(&input, HandshakeError::MethodUnknown, 501);
        parsed(&input, |request| {
            assert_eq!(request.check_head(), Err(HandshakeError::MethodUnknown));
        });
    }
    let tunnel = request_with("GET", &["CONNECT server.example.com:80 HTTP/1.1"]);
    assert_refused(&tunnel, HandshakeError::Method, 405);
}

/// Rule R-9110-c. RFC 9110 §9.3.2: "the server MUST NOT send content in the response" to HEAD.
#[test]
fn the_refusal_of_a_head_request_has_no_content() {
    for (line, error) in [
        ("Host: server.example.com", HandshakeError::Method),
        ("Host: a b", request(Field::Host, Fault::Invalid)),
        ("Host : a", HandshakeError::MalformedHead),
        ("Content-Length: x", request(Field::ContentLength, Fault::Invalid)),
    ] {
        let (result, response) = accept(format!("HEAD /chat HTTP/1.1\r\n{line}\r\n\r\n").as_bytes());
        if line.starts_with("Content") {
            assert_eq!(result, Err(request(Field::Host, Fault::Missing)));
        } else {
            assert_eq!(result, Err(error));
        }
        assert!(response.ends_with("\r\n\r\n"), "{response}");
        assert_eq!(response.matches("\r\n\r\n").count(), 1);
        // The length is that of the response to GET.
        assert!(!response.contains("Content-Length: 0\r\n"), "{response}");
    }
    for input in [
        b"HEAD / HTTP/1.1\r\nHost: a\n\r\n".to_vec(),
        format!("HEAD / HTTP/1.1\r\nX: {}", "y".repeat(9000)).into_bytes(),
        format!("HEAD /{} HTTP/1.1\r\n", "y".repeat(9000)).into_bytes(),
        format!("\r\nHEAD / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(65)).into_bytes(),
    ] {
        let (result, response) = accept(&input);
        assert!(result.is_err() && response.ends_with("\r\n\r\n"), "{response}");
    }
    // HEAD of another word is none.
    let (_, response) = accept(b"HEADS / HTTP/1.1\r\n\r\n");
    assert!(response.ends_with("\n") && !response.ends_with("\r\n"), "{response}");
}

/// Rule R-4.2.1-b.
#[test]
fn the_version_is_http_1_1_or_a_later_1() {
    let with = |version: &str| request_with("GET", &[&format!("GET /chat {version}")]);
    // §4.2.1: "An HTTP/1.1 or higher GET request". RFC 9110 §2.5: a recipient of a higher minor
    // version "SHOULD process the message as if it was in the highest minor version within that
    // major version to which it is conformant".
    for version in ["HTTP/1.1", "HTTP/1.2", "HTTP/1.9"] {
        assert_accepted(&with(version));
    }
    for version in ["HTTP/1.0", "HTTP/2.0", "HTTP/2", "HTTP/0.9", "HTTP/3.1"] {
        assert_refused(&with(version), HandshakeError::HttpVersion, 505);
    }
    // RFC 9112 §2.3: `HTTP-name "/" DIGIT "." DIGIT`, and the name is case-sensitive.
    for version in [
        "HTTP/1",
        "HTTP/0",
        "HTTP/22",
        "HTTP/01.01",
        "HTTP/1.10",
        "HTTP/1.",
        "http/1.1",
        "FTP/1.1",
        "HTTP 1.1",
    ] {
        assert_refused(&with(version), HandshakeError::MalformedHead, 400);
    }
    // RFC 9110 §7.8: "A server MUST ignore an Upgrade header field that is received in an HTTP/1.0
    // request."
    parsed(&with("HTTP/1.0"), |request| assert!(!request.is_upgrade()));
    parsed(&with("HTTP/1.2"), |request| {
        assert!(request.is_upgrade());
        assert_eq!(request.minor_version(), Some(2));
    });
    parsed(&request_with("", &[]), |request| assert!(request.is_upgrade()));
    // What an HTTP/2 client sends first.
    assert_refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HandshakeError::HttpVersion, 505);
}

/// Rule R-4.2.1-h.
#[test]
fn the_request_line_has_three_words() {
    for line in [
        "GET /a b HTTP/1.1",
        "GET  /chat HTTP/1.1",
        "GET /chat  HTTP/1.1",
        "GET /chat HTTP/1.1 ",
        "GET\t/chat\tHTTP/1.1",
        "GET /ch\tat HTTP/1.1",
        "GET /chat",
        "GET /ch\u{7f}at HTTP/1.1",
        "GET",
        "G@T /chat HTTP/1.1",
    ] {
        assert_refused(&request_with("GET", &[line]), HandshakeError::MalformedHead, 400);
    }
}

/// Rule R-4.2.1-h.
#[test]
fn the_target_is_a_resource_name_or_an_absolute_uri() {
    for target in [
        "/",
        "//",
        "/a?b",
        "/?",
        "http://h/p",
        "HTTPS://h:1",
        "ws://[::1]/p?q",
        "wss://h?q",
        "/-._~!$&'()*+,;=:@/%c3%A4",
        "/?-._~!$&'()*+,;=:@/?%00",
        // Browsers send these as they are: the URL Standard's percent-encode sets lack them.
        "/a[1]|b",
        "/?filter[name]=x|{y}^`\\",
    ] {
        let line = format!("GET {target} HTTP/1.1");
        assert_accepted(&request_with("GET", &[&line]));
    }
    for target in [
        "*",
        "chat",
        "h:80",
        "/a#f",
        "/?a#f",
        "http:///p",
        "http://u@h/",
        "http://h/\"",
        "ftp://h/",
        "http://h:x/",
        "?q",
        "#",
        "/caf\u{e9}",
        "/?caf\u{e9}",
        "/\u{202e}",
        "/a\\b",
        "/\"",
        "/<a>",
        "/{a}",
        "/a^b",
        "/`",
        "/?a\"b",
        "/?<x>",
        "/%",
        "/%4",
        "/%zz",
        "/%4g",
        "/?%",
        "/%%41",
    ] {
        let line = format!("GET {target} HTTP/1.1");
        let input = request_with("GET", &[&line]);
        assert_refused(&input, HandshakeError::Target, 400);
        // For a page, too.
        parsed(&input, |request| assert_eq!(request.check_head(), Err(HandshakeError::Target)));
    }
    for (first, result) in [
        ("OPTIONS * HTTP/1.1", Ok(())),
        ("OPTIONS /a HTTP/1.1", Ok(())),
        ("HEAD * HTTP/1.1", Err(HandshakeError::Target)),
        ("CONNECT h:80 HTTP/1.1", Ok(())),
        ("CONNECT [::1]:80 HTTP/1.1", Ok(())),
        ("CONNECT h HTTP/1.1", Err(HandshakeError::Target)),
        ("CONNECT u@h:80 HTTP/1.1", Err(HandshakeError::Target)),
        // RFC 9112 §3.2.3: "a client MUST send only the host and port of the tunnel destination".
        ("CONNECT /x HTTP/1.1", Err(HandshakeError::Target)),
        ("CONNECT http://a/x HTTP/1.1", Err(HandshakeError::Target)),
        ("POST h:80 HTTP/1.1", Err(HandshakeError::Target)),
    ] {
        let input = format!("{first}\r\nHost: h\r\n\r\n");
        parsed(input.as_bytes(), |request| assert_eq!(request.check_head(), result, "{first}"));
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
        parsed(head.as_bytes(), |request| request.check_head())
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
    for line in ["Content-Length: 1", "Content-Length: 18446744073709551615", "Transfer-Encoding: chunked"] {
        assert_refused(&request_with("", &[line]), HandshakeError::Content, 400);
    }
    assert_accepted(&request_with("", &["Content-Length: 0"]));
}

/// Rule R-4.2.1-i. RFC 9112 §6: where the content ends must not be open to interpretation.
#[test]
fn the_framing_of_content_is_plain() {
    let length = |fault| request(Field::ContentLength, fault);
    let coding = |fault| request(Field::TransferEncoding, fault);
    let table: [(&[&str], HandshakeError, u16); 33] = [
        (&["Content-Length: abc"], length(Fault::Invalid), 400),
        (&["Content-Length: +5"], length(Fault::Invalid), 400),
        (&["Content-Length: -1"], length(Fault::Invalid), 400),
        (&["Content-Length: -0"], length(Fault::Invalid), 400),
        (&["Content-Length: +0"], length(Fault::Invalid), 400),
        (&["Content-Length:"], length(Fault::Invalid), 400),
        (&["Content-Length: 5, 10"], length(Fault::Invalid), 400),
        (&["Content-Length: 5, 5"], length(Fault::Invalid), 400),
        (&["Content-Length: 010"], length(Fault::Invalid), 400),
        (&["Content-Length: 00"], length(Fault::Invalid), 400),
        (&["Content-Length: 0x5"], length(Fault::Invalid), 400),
        (&["Content-Length: 1 1"], length(Fault::Invalid), 400),
        (&["Content-Length: 5_0"], length(Fault::Invalid), 400),
        (&["Content-Length: 1.0"], length(Fault::Invalid), 400),
        (&["Content-Length: 18446744073709551616"], length(Fault::Invalid), 400),
        (&["Content-Length: 99999999999999999999999"], length(Fault::Invalid), 400),
        (&["Content-Length: 5", "Content-Length: 5"], length(Fault::Repeated), 400),
        (&["Content-Length: 0", "content-length: 5"], length(Fault::Repeated), 400),
        (&["Content-Length: 5", "Transfer-Encoding: chunked"], length(Fault::Unexpected), 400),
        (&["Transfer-Encoding: chunked", "Content-Length: 0"], length(Fault::Unexpected), 400),
        (&["Transfer-Encoding:"], coding(Fault::Invalid), 400),
        (&["Transfer-Encoding: ,"], coding(Fault::Invalid), 400),
        (&["Transfer-Encoding: chunked, gzip"], coding(Fault::Invalid), 400),
        (&["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], coding(Fault::Invalid), 400),
        (&["Transfer-Encoding: chunked;ext=val"], coding(Fault::Invalid), 400),
        (&["Transfer-Encoding: chunked ;a"], coding(Fault::Invalid), 400),
        (&["Transfer-Encoding: chun ked"], coding(Fault::Invalid), 400),
        (&["Transfer-Encoding: \"chunked\""], coding(Fault::Invalid), 400),
        (&["Transfer-Encoding: gzip"], HandshakeError::TransferCoding, 501),
        (&["Transfer-Encoding: xchunked"], HandshakeError::TransferCoding, 501),
        (&["Transfer-Encoding: identity"], HandshakeError::TransferCoding, 501),
        (&["Transfer-Encoding: gzip, chunked"], HandshakeError::TransferCoding, 501),
        (&["Transfer-Encoding: gzip;q=1", "Transfer-Encoding: chunked"], HandshakeError::TransferCoding, 501),
    ];
    for (lines, error, status) in table {
        assert_refused(&request_with("", lines), error, status);
        // For a page, too, and before the method is looked at.
        for method in ["GET", "HEAD", "POST", "FOOBAR"] {
            let input = format!("{method} / HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", lines.join("\r\n"));
            parsed(input.as_bytes(), |request| assert_eq!(request.check_head(), Err(error), "{input}"));
        }
    }
    for lines in ["", "Content-Length: 0\r\n", "Content-Length: 10\r\n", "Transfer-Encoding: ,Chunked\r\n"] {
        let input = format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        parsed(input.as_bytes(), |request| assert_eq!(request.check_head(), Ok(()), "{input}"));
    }
    // §6.1: an HTTP/1.0 message with Transfer-Encoding has faulty framing.
    parsed(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", |request| {
        assert_eq!(request.check_head(), Err(coding(Fault::Unexpected)));
    });
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
        &["Sec-WebSocket-Protocol: a b"][..],
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

/// RFC 9110 §5.6.1.2: "A recipient MUST parse and ignore a reasonable number of empty list elements".
#[test]
fn a_list_without_a_subprotocol_offers_none() {
    for lines in [
        &["Sec-WebSocket-Protocol:"][..],
        &["Sec-WebSocket-Protocol: \t "],
        &["Sec-WebSocket-Protocol: , ,"],
        &["Sec-WebSocket-Protocol:", "Sec-WebSocket-Protocol: ,"],
    ] {
        let input = request_with("", lines);
        assert_accepted(&input);
        parsed(&input, |request| assert_eq!(request.subprotocols().count(), 0, "{lines:?}"));
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
