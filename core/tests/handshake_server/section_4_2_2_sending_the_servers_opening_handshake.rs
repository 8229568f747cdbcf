//! RFC 6455 §4.2.2: what a server answers.

use super::*;

fn long_way(input: &[u8], accept: &Accept<'_>) -> (Result<(), HandshakeError>, String) {
    let mut tx = [0; 1024];
    let mut out = SliceOutput::new(&mut tx);
    let result = parsed(input, |request| {
        request.upgrade().and_then(|upgrade| upgrade.accept(accept, &Config::default(), &mut out).map(|_| ()))
    });
    (result, String::from_utf8(out.filled().to_vec()).unwrap())
}

fn offer() -> Vec<u8> {
    request_with("", &["Sec-WebSocket-Protocol: chat, superchat", "Sec-WebSocket-Extensions: foo; a=1, bar"])
}

#[test]
fn subprotocol_extensions_and_headers_in_the_response() {
    let accept = Accept::new()
        .subprotocol(Some("superchat"))
        .extensions(Some(" bar; b=\"2\", foo "))
        .headers(&[("Set-Cookie", "id=1"), ("X-Text", "\u{e4} \t x")]);
    let (result, response) = long_way(&offer(), &accept);
    assert_eq!(result, Ok(()));
    assert_eq!(
        response,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
         Sec-WebSocket-Protocol: superchat\r\nSec-WebSocket-Extensions: bar; b=\"2\", foo\r\n\
         Set-Cookie: id=1\r\nX-Text: \u{e4} \t x\r\n\r\n"
    );
}

/// Rule R-4.2.2-c. Attack A-05.
#[test]
fn what_the_client_did_not_offer_cannot_be_chosen() {
    for subprotocol in ["", "Chat", "chat, superchat", "other", "chat\r\nX: y"] {
        let accept = Accept::new().subprotocol(Some(subprotocol));
        let error = HandshakeError::Argument(Argument::Subprotocol);
        assert_eq!(long_way(&offer(), &accept), (Err(error), String::new()), "{subprotocol:?}");
    }
    for extensions in ["", "baz", "foo, baz", "foo;;", "foo; a=\"b", "a=b"] {
        let accept = Accept::new().extensions(Some(extensions));
        let error = HandshakeError::Argument(Argument::Extensions);
        assert_eq!(long_way(&offer(), &accept), (Err(error), String::new()), "{extensions:?}");
    }
    let accept = Accept::new().subprotocol(Some("chat"));
    assert_eq!(
        long_way(&request_with("", &[]), &accept).0,
        Err(HandshakeError::Argument(Argument::Subprotocol))
    );
}

/// Attack A-05.
#[test]
fn headers_cannot_make_another_head() {
    use Argument::{HeaderName, HeaderValue, ReservedHeader};
    for (header, argument) in bad_headers() {
        let headers = [("X-Fine", "yes"), header];
        let error = HandshakeError::Argument(argument);
        let accept = Accept::new().headers(&headers);
        assert_eq!(long_way(&offer(), &accept), (Err(error), String::new()), "{header:?}");
        let mut tx = [0; 1024];
        let mut out = SliceOutput::new(&mut tx);
        let reject = Reject::new(403).headers(&headers).body(b"");
        assert_eq!(reject.write(&mut out), Err(error), "{header:?}");
        assert!(out.is_empty());
        assert!(matches!(argument, HeaderName | HeaderValue | ReservedHeader));
        assert_eq!(error.status(), 500);
    }
}

fn bad_headers() -> Vec<((&'static str, &'static str), Argument)> {
    let mut list = Vec::new();
    for name in ["", "a b", "a:", "a\r\nb", "a\0", "\u{e4}", " a", "(a)"] {
        list.push(((name, "x"), Argument::HeaderName));
    }
    for value in ["a\r\nb: c", "a\nb", "a\rb", "\0", "a\u{1}", "a\u{7f}", "\r\n"] {
        list.push((("X-Header", value), Argument::HeaderValue));
    }
    for name in [
        "Upgrade",
        "connection",
        "HOST",
        "Origin",
        "Content-Length",
        "Transfer-encoding",
        "Sec-WebSocket-Accept",
        "sec-websocket-protocol",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Version",
        "SEC-WEBSOCKET-",
        "Sec-WebSocket-Anything",
    ] {
        list.push(((name, "x"), Argument::ReservedHeader));
    }
    list
}

#[test]
fn all_of_the_response_or_nothing() {
    let accept = Accept::new().subprotocol(Some("chat")).extensions(Some("foo")).headers(&[("X", "y")]);
    let whole = long_way(&offer(), &accept).1.len();
    for room in (0..whole).step_by(if cfg!(miri) { 29 } else { 1 }) {
        let mut tx = [0; 1024];
        let mut out = SliceOutput::new(&mut tx[..room]);
        let result = parsed(&offer(), |request| {
            request.upgrade().unwrap().accept(&accept, &Config::default(), &mut out).map(|_| ())
        });
        assert_eq!(result, Err(HandshakeError::OutputFull));
        assert!(out.is_empty());
    }
}

#[test]
fn other_requests_are_the_applications() {
    let input = b"POST /form?a=b HTTP/1.0\r\nContent-Length: 5\r\n\r\n";
    parsed(input, |request| {
        assert!(!request.is_upgrade() && request.has_content());
        assert_eq!((request.method(), request.minor_version()), ("POST", Some(0)));
        assert_eq!((request.target(), request.path(), request.query()), ("/form?a=b", "/form", Some("a=b")));
        assert_eq!((request.host(), request.origin()), (None, None));
    });
    parsed(&request_with("", &[]), |request| {
        assert!(request.is_upgrade() && !request.has_content());
        assert_eq!((request.method(), request.minor_version(), request.headers().len()), ("GET", Some(1), 5));
    });
    parsed(&request_with("", &["Origin: http://o", "X: y"]), |request| {
        assert_eq!((request.origin(), request.header("x")), (Some("http://o"), Some("y")));
    });
    parsed(b"OPTIONS * HTTP/1.1\r\n\r\n", |request| {
        assert_eq!(request.path(), "*");
        assert!(request.headers().is_empty());
    });
}

#[test]
fn an_absolute_target_names_host_and_path() {
    let table = [
        ("http://h:81/p?q", "h:81", "/p", Some("q")),
        ("wss://h", "h", "/", None),
        ("https://h?q", "h", "/", Some("q")),
        // As in a URI, an empty query is none (§3).
        ("http://h/p?", "h", "/p", None),
        ("http://h?", "h", "/", None),
        ("/p?", "other", "/p", None),
        ("/?", "other", "/", None),
        ("/??", "other", "/", Some("?")),
        ("/p?u=http://x/", "other", "/p", Some("u=http://x/")),
    ];
    for (target, host, path, query) in table {
        let input = format!("GET {target} HTTP/1.1\r\nHost: other\r\n\r\n");
        parsed(input.as_bytes(), |request| {
            assert_eq!(
                (request.host(), request.path(), request.query()),
                (Some(host), path, query),
                "{target}"
            );
        });
    }
}

#[test]
fn reject_with_status_headers_and_content() {
    let written = |status, headers: &[(&str, &str)], body: &[u8]| {
        let mut tx = [0; 512];
        let mut out = SliceOutput::new(&mut tx);
        let result = Reject::new(status).headers(headers).body(body).write(&mut out);
        result.map(|()| String::from_utf8(out.filled().to_vec()).unwrap())
    };
    assert_eq!(
        written(403, &[("Content-Type", "text/plain")], b"no").unwrap(),
        "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
    );
    assert_eq!(
        written(302, &[("Location", "/else")], b"").unwrap(),
        "HTTP/1.1 302 Found\r\nLocation: /else\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(
        written(426, &[], b"").unwrap(),
        "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nSec-WebSocket-Version: 13\r\n\
         Upgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n"
    );
    assert_eq!(
        written(599, &[], b"").unwrap(),
        "HTTP/1.1 599 \r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(written(204, &[], b"").unwrap(), "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    for (status, body) in
        [(0, &b""[..]), (100, b""), (101, b""), (199, b""), (600, b""), (204, b"x"), (304, b"x")]
    {
        assert_eq!(written(status, &[], body), Err(HandshakeError::Argument(Argument::Status)), "{status}");
    }
}

/// Rules R-4.2.2-a and R-4.2.2-b.
#[test]
fn origin_and_resource_have_their_refusals() {
    for (error, line) in [
        (HandshakeError::OriginNotAllowed, "HTTP/1.1 403 Forbidden\r\n"),
        (HandshakeError::ResourceNotFound, "HTTP/1.1 404 Not Found\r\n"),
    ] {
        let mut tx = [0; 512];
        let mut out = SliceOutput::new(&mut tx);
        server::refuse(&error, "GET", &mut out).unwrap();
        assert!(out.filled().starts_with(line.as_bytes()));
    }
}

/// Rule R-4.2.1-g.
#[test]
fn a_refusal_is_whole_or_not_there() {
    let input = request_with("Host", &[]);
    for room in (0..400).step_by(if cfg!(miri) { 53 } else { 1 }) {
        let mut tx = [0; 400];
        let mut out = SliceOutput::new(&mut tx[..room]);
        let error = server::accept(&input, &Config::default(), &mut out).unwrap_err();
        assert_eq!(error, HandshakeError::Request(Field::Host, Fault::Missing));
        assert!(out.is_empty() || out.filled().ends_with(format!("{error}\n").as_bytes()));
    }
}

/// Rule R-7692-a. RFC 7692 §7.1: the answer fits the offer.
#[test]
fn permessage_deflate_answers_its_offer() {
    let answer = |offered: &str, chosen: &str| {
        let input = request_with("", &[&format!("Sec-WebSocket-Extensions: {offered}")]);
        long_way(&input, &Accept::new().extensions(Some(chosen))).0
    };
    assert_eq!(answer("permessage-deflate", "permessage-deflate"), Ok(()));
    let all = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
               server_max_window_bits=10; client_max_window_bits=\"9\"";
    assert_eq!(answer("permessage-deflate; client_max_window_bits", all), Ok(()));
    for (offered, chosen) in [
        ("permessage-deflate", "permessage-deflate, permessage-deflate"),
        ("permessage-deflate", "permessage-deflate; bogus=1"),
        ("permessage-deflate", "permessage-deflate; client_max_window_bits=9"),
        ("permessage-deflate; server_max_window_bits=9", "permessage-deflate"),
    ] {
        let error = HandshakeError::Argument(Argument::Extensions);
        assert_eq!(answer(offered, chosen), Err(error), "{offered}: {chosen}");
    }
}

/// Rule R-5.2-a. RFC 7692 §6: RSV1 means "compressed" only where an extension was agreed on.
#[test]
fn rsv1_has_no_meaning_without_an_extension_that_was_agreed_on() {
    let config = Config::new().compression(true);
    for (extensions, compression, expected) in [
        (None, true, false),
        (Some("permessage-deflate"), true, true),
        (Some("foo, permessage-deflate"), true, true),
        (Some("permessage-deflate"), false, false),
        // Another extension gives RSV1 no meaning (§5.2).
        (Some("foo"), true, false),
    ] {
        let offer = request_with("", &["Sec-WebSocket-Extensions: foo, permessage-deflate"]);
        parsed(&offer, |request| {
            let accept = Accept::new().extensions(extensions);
            let config = config.compression(compression);
            let (mut tx, mut frame) = ([0; 1024], [0xc1, 0x81, 0, 0, 0, 0, 0xff]);
            let mut out = SliceOutput::new(&mut tx);
            let mut connection = request.upgrade().unwrap().accept(&accept, &config, &mut out).unwrap();
            let event = connection.receive(&mut &mut frame[..]);
            assert_eq!(matches!(event, Some(Event::Compressed(_))), expected, "{extensions:?}");
            assert_eq!(connection.state() == State::Open, expected);
        });
    }
    // The short way agrees on none.
    let (mut tx, mut frame) = ([0; 1024], [0xc1, 0x81, 0, 0, 0, 0, 0xff]);
    let offer = request_with("", &["Sec-WebSocket-Extensions: permessage-deflate"]);
    let accepted = server::accept(&offer, &config, &mut SliceOutput::new(&mut tx));
    let (mut connection, _) = accepted.unwrap().unwrap();
    let failed = Event::Failed(ProtocolError::ReservedBits);
    assert_eq!(connection.receive(&mut &mut frame[..]), Some(failed));
}

#[test]
fn an_upgrade_still_has_its_request() {
    parsed(&offer(), |request| {
        let upgrade = request.upgrade().unwrap();
        assert_eq!(upgrade.request().target(), "/chat");
        let lines: Vec<_> = upgrade.request().headers().iter().collect();
        assert_eq!(lines.len(), upgrade.request().headers().len());
        assert_eq!(lines[0], ("Host", &b"server.example.com"[..]));
        assert!(!upgrade.request().headers().is_empty());
    });
    parsed(b"GET / HTTP/1.1\r\n\r\n", |request| {
        assert_eq!((request.headers().is_empty(), request.headers().len()), (true, 0));
    });
}

#[test]
fn common_statuses_have_the_words_of_rfc_9110() {
    for (status, words) in [
        (200, "OK"),
        (201, "Created"),
        (202, "Accepted"),
        (204, "No Content"),
        (301, "Moved Permanently"),
        (302, "Found"),
        (303, "See Other"),
        (304, "Not Modified"),
        (307, "Temporary Redirect"),
        (308, "Permanent Redirect"),
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (406, "Not Acceptable"),
        (408, "Request Timeout"),
        (409, "Conflict"),
        (410, "Gone"),
        (413, "Content Too Large"),
        (414, "URI Too Long"),
        (415, "Unsupported Media Type"),
        (426, "Upgrade Required"),
        (429, "Too Many Requests"),
        (431, "Request Header Fields Too Large"),
        (500, "Internal Server Error"),
        (501, "Not Implemented"),
        (502, "Bad Gateway"),
        (503, "Service Unavailable"),
        (504, "Gateway Timeout"),
        (505, "HTTP Version Not Supported"),
        (299, ""),
    ] {
        assert_eq!(server::reason_phrase(status), words, "{status}");
    }
}
