//! The opening handshake over heads that an HTTP library parsed: HTTP/1.1 by parts, and the
//! extended CONNECT of RFC 8441.

use sansws::handshake::client::{Offer, Response};
use sansws::handshake::server::{self, Accept, Request};
use sansws::handshake::{Argument, Fault, Field, HandshakeError, HeaderStorage, is_key, key_value};
use sansws::{Config, MaskingKey, Role, SliceOutput, State};

const NONCE: [u8; 16] = *b"the sample nonce";

const HEADERS: [(&str, &[u8]); 5] = [
    ("host", b"server.example.com"),
    ("upgrade", b"websocket"),
    ("connection", b"Upgrade"),
    ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-version", b"13"),
];

fn masking_keys() -> MaskingKey {
    [1, 2, 3, 4]
}

/// Headers with one of them replaced by others.
fn with<'b>(
    headers: &[(&'b str, &'b [u8])],
    name: &str,
    others: &[(&'b str, &'b [u8])],
) -> Vec<(&'b str, &'b [u8])> {
    let kept = headers.iter().filter(|header| header.0 != name);
    kept.chain(others).copied().collect()
}

fn http1(method: &str, target: &str, minor: u8, headers: &[(&str, &[u8])]) -> Result<u16, HandshakeError> {
    let mut storage = HeaderStorage::new();
    let request = Request::from_parts(method, target, minor, headers.iter().copied(), &mut storage)?;
    Ok(request.upgrade()?.status())
}

/// What `from_parts` takes is judged as what `parse` reads.
#[test]
fn parts_are_checked_as_bytes_are() {
    use HandshakeError::Request;
    assert_eq!(http1("GET", "/chat", 1, &HEADERS), Ok(101));
    assert_eq!(http1("GET", "/chat", 2, &HEADERS), Ok(101));
    for (method, target, minor, error) in [
        ("POST", "/chat", 1, HandshakeError::Method),
        ("FOO", "/chat", 1, HandshakeError::MethodUnknown),
        ("G T", "/chat", 1, HandshakeError::MalformedHead),
        ("", "/chat", 1, HandshakeError::MalformedHead),
        ("GET", "", 1, HandshakeError::MalformedHead),
        ("GET", "/a b", 1, HandshakeError::MalformedHead),
        ("GET", "/a\r\n", 1, HandshakeError::MalformedHead),
        ("GET", "/\u{e4}", 1, HandshakeError::Target),
        ("GET", "*", 1, HandshakeError::Target),
        ("GET", "/chat", 0, HandshakeError::HttpVersion),
    ] {
        assert_eq!(http1(method, target, minor, &HEADERS), Err(error), "{method} {target}");
    }
    for (name, others, error) in [
        ("host", &[][..], Request(Field::Host, Fault::Missing)),
        ("upgrade", &[], Request(Field::Upgrade, Fault::Missing)),
        ("connection", &[("Connection", &b"close"[..])], Request(Field::Connection, Fault::Invalid)),
        ("sec-websocket-key", &[("Sec-WebSocket-Key", b"x")], Request(Field::Key, Fault::Invalid)),
        ("sec-websocket-version", &[], Request(Field::Version, Fault::Missing)),
        ("", &[("content-length", b"1")], HandshakeError::Content),
        ("", &[("transfer-encoding", b"gzip")], HandshakeError::TransferCoding),
        ("", &[("a b", b"c")], HandshakeError::MalformedHead),
        ("", &[("", b"c")], HandshakeError::MalformedHead),
        ("", &[("a", b"b\r\nc: d")], HandshakeError::MalformedHead),
        ("", &[("a", b"\0")], HandshakeError::MalformedHead),
    ] {
        assert_eq!(http1("GET", "/", 1, &with(&HEADERS, name, others)), Err(error), "{name}: {others:?}");
    }
    // Blanks around values are not a part of them.
    let blanks = with(&HEADERS, "sec-websocket-version", &[("sec-websocket-version", b" \t13 ")]);
    assert_eq!(http1("GET", "/", 1, &blanks), Ok(101));
}

#[test]
fn there_is_room_for_as_many_headers_as_the_storage_has() {
    let mut storage = HeaderStorage::<5>::default();
    assert!(Request::from_parts("GET", "/", 1, HEADERS, &mut storage).is_ok());
    let mut storage = HeaderStorage::<4>::default();
    let error = HandshakeError::TooManyHeaders;
    assert_eq!(Request::from_parts("GET", "/", 1, HEADERS, &mut storage).unwrap_err(), error);
    let mut storage = HeaderStorage::<4>::default();
    assert_eq!(
        Request::from_extended_connect("websocket", "h", "/", HEADERS, &mut storage).unwrap_err(),
        error
    );
    let mut storage = HeaderStorage::<4>::default();
    assert_eq!(Response::from_parts(101, 1, HEADERS, &mut storage).unwrap_err(), error);
}

#[test]
fn http1_both_ways_without_bytes() {
    let offer = Offer::new("server.example.com:81", "/chat?a=b")
        .origin(Some("http://example.com"))
        .subprotocols(&["v1", "v2"])
        .extensions(Some(" x-trace; a=1 "))
        .headers(&[("Cookie", "id=1")]);
    let mut asked: Vec<(String, String)> = Vec::new();
    offer.to_parts(&NONCE, |name, value| asked.push((name.into(), value.into()))).unwrap();
    // The same headers as in bytes.
    let mut bytes = [0; 1024];
    let mut out = SliceOutput::new(&mut bytes);
    offer.write(&NONCE, &mut out).unwrap();
    let mut storage = HeaderStorage::new();
    let (by_bytes, _) = Request::parse(out.filled(), &mut storage).unwrap().unwrap();
    for (name, _) in by_bytes.headers().iter() {
        let values: Vec<&str> = asked.iter().filter(|line| line.0 == name).map(|line| &*line.1).collect();
        assert_eq!(by_bytes.header(name), Some(&*values.join(", ")), "{name}");
    }
    assert_eq!(by_bytes.headers().len() + 1, asked.len(), "each subprotocol has a line");

    let headers = asked.iter().map(|(name, value)| (&**name, value.as_bytes()));
    let mut storage = HeaderStorage::new();
    let request = Request::from_parts("GET", offer.resource_name, 1, headers, &mut storage).unwrap();
    assert!(request.is_upgrade() && !request.has_content());
    assert_eq!((request.path(), request.query()), ("/chat", Some("a=b")));
    assert_eq!((request.host(), request.origin()), (Some(offer.authority), offer.origin));
    assert_eq!(request.select_subprotocol(&["v3", "v2", "v1"]), Some("v1"));
    assert_eq!(request.select_subprotocol(&["V1"]), None);
    assert_eq!(request.select_subprotocol(&[]), None);

    let upgrade = request.upgrade().unwrap();
    let accept =
        Accept::new().subprotocol(Some("v2")).extensions(Some("x-trace")).headers(&[("X", "\u{e4}")]);
    let mut answered: Vec<(String, String)> = Vec::new();
    let server = upgrade
        .accept_parts(&accept, &Config::default(), |name, value| answered.push((name.into(), value.into())))
        .unwrap();
    assert_eq!((server.role(), server.state(), upgrade.status()), (Role::Server, State::Open, 101));
    let expected = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("Sec-WebSocket-Protocol", "v2"),
        ("Sec-WebSocket-Extensions", "x-trace"),
        ("X", "\u{e4}"),
    ];
    assert!(answered.iter().map(|(name, value)| (&**name, &**value)).eq(expected), "{answered:?}");

    let headers = || answered.iter().map(|(name, value)| (&**name, value.as_bytes()));
    let mut storage = HeaderStorage::new();
    let response = Response::from_parts(101, 1, headers(), &mut storage).unwrap();
    assert_eq!((response.subprotocol(), response.reason()), (Some("v2"), ""));
    let client = response.accept(&offer, &NONCE, &Config::default(), masking_keys).unwrap();
    assert_eq!(client.role(), Role::Client);
    // Each check of §4.1 holds.
    let judge = |status, minor, skipped: &str| {
        let mut storage = HeaderStorage::new();
        let headers = headers().filter(|header| header.0 != skipped);
        let response = Response::from_parts(status, minor, headers, &mut storage).unwrap();
        response.accept(&offer, &NONCE, &Config::default(), masking_keys).err()
    };
    assert_eq!(judge(200, 1, ""), Some(HandshakeError::Status(200)));
    assert_eq!(judge(101, 0, ""), Some(HandshakeError::HttpVersion));
    for (name, field) in [
        ("Upgrade", Field::Upgrade),
        ("Connection", Field::Connection),
        ("Sec-WebSocket-Accept", Field::Accept),
    ] {
        assert_eq!(judge(101, 1, name), Some(HandshakeError::Response(field, Fault::Missing)));
    }
}

#[test]
fn what_cannot_be_written_is_not_handed_over() {
    let never = |name: &str, value: &str| panic!("{name}: {value}");
    let offer = Offer::new("h", "/").headers(&[("X", "a\r\nb")]);
    let error = HandshakeError::Argument(Argument::HeaderValue);
    assert_eq!(offer.to_parts(&NONCE, never), Err(error));
    assert_eq!(offer.to_extended_connect(never), Err(error));
    let mut storage = HeaderStorage::new();
    let request = Request::from_parts("GET", "/", 1, HEADERS, &mut storage).unwrap();
    let upgrade = request.upgrade().unwrap();
    for (accept, argument) in [
        (Accept::new().headers(&[("X", "a\r\nb")]), Argument::HeaderValue),
        (Accept::new().subprotocol(Some("v1")), Argument::Subprotocol),
        (Accept::new().extensions(Some("a")), Argument::Extensions),
    ] {
        let result = upgrade.accept_parts(&accept, &Config::default(), never);
        assert_eq!(result.err(), Some(HandshakeError::Argument(argument)), "{accept:?}");
    }
}

/// Rule R-8441-a. RFC 8441 §5.1, its example: request and response.
#[test]
fn an_extended_connect_both_ways() {
    let offer = Offer::new("server.example.com", "/chat")
        .subprotocols(&["chat", "superchat"])
        .extensions(Some("permessage-deflate"))
        .origin(Some("https://server.example.com"));
    let mut asked: Vec<(String, String)> = Vec::new();
    offer.to_extended_connect(|name, value| asked.push((name.to_lowercase(), value.into()))).unwrap();
    let names: Vec<&str> = asked.iter().map(|header| &*header.0).collect();
    // "HTTP/2 ... does not use" Key, Upgrade, Connection and Host.
    assert_eq!(
        names,
        [
            "origin",
            "sec-websocket-protocol",
            "sec-websocket-protocol",
            "sec-websocket-version",
            "sec-websocket-extensions"
        ]
    );
    let headers = asked.iter().map(|(name, value)| (&**name, value.as_bytes()));
    let mut storage = HeaderStorage::new();
    let request =
        Request::from_extended_connect("websocket", "server.example.com", "/chat?q", headers, &mut storage)
            .unwrap();
    assert!(request.is_upgrade());
    assert_eq!((request.method(), request.minor_version()), ("CONNECT", None));
    assert_eq!((request.path(), request.query()), ("/chat", Some("q")));
    assert_eq!(request.host(), Some("server.example.com"));
    assert!(!request.is_cross_origin(true) && request.is_cross_origin(false));
    assert_eq!(request.select_subprotocol(&["superchat"]), Some("superchat"));

    let upgrade = request.upgrade().unwrap();
    assert_eq!(upgrade.status(), 200);
    let accept = Accept::new().subprotocol(Some("chat")).extensions(Some("permessage-deflate"));
    let mut answered: Vec<(String, String)> = Vec::new();
    let server = upgrade
        .accept_parts(&accept, &Config::default(), |name, value| answered.push((name.into(), value.into())))
        .unwrap();
    assert_eq!(server.role(), Role::Server);
    let expected = [("Sec-WebSocket-Protocol", "chat"), ("Sec-WebSocket-Extensions", "permessage-deflate")];
    assert!(answered.iter().map(|(name, value)| (&**name, &**value)).eq(expected), "{answered:?}");
    // There is no HTTP/1.1 response.
    let mut tx = [0; 512];
    let mut out = SliceOutput::new(&mut tx);
    let result = upgrade.accept(&accept, &Config::default(), &mut out);
    assert_eq!(result.err(), Some(HandshakeError::Argument(Argument::ExtendedConnect)));
    assert!(out.is_empty());

    let judge = |status| {
        let headers = answered.iter().map(|(name, value)| (&**name, value.as_bytes()));
        let mut storage = HeaderStorage::new();
        let response = Response::from_extended_connect(status, headers, &mut storage).unwrap();
        response.accept(&offer, &[0; 16], &Config::default(), masking_keys).map(|client| client.role())
    };
    for status in [200, 204, 299] {
        assert_eq!(judge(status), Ok(Role::Client));
    }
    for status in [100, 101, 199, 300, 403, 501] {
        assert_eq!(judge(status), Err(HandshakeError::Status(status)));
    }
    // What was not offered is refused, as in HTTP/1.1.
    let mut storage = HeaderStorage::new();
    let headers = [("sec-websocket-protocol", &b"other"[..])];
    let response = Response::from_extended_connect(200, headers, &mut storage).unwrap();
    assert_eq!(
        response.accept(&offer, &[0; 16], &Config::default(), masking_keys).err(),
        Some(HandshakeError::Response(Field::Subprotocol, Fault::NotOffered))
    );
}

/// Rule R-8441-a.
#[test]
fn an_extended_connect_is_checked() {
    const GOOD: [(&str, &[u8]); 1] = [("sec-websocket-version", b"13")];
    let judge = |protocol: &str, authority: &str, path: &str, headers: &[(&str, &[u8])]| {
        let mut storage = HeaderStorage::new();
        Request::from_extended_connect(protocol, authority, path, headers.iter().copied(), &mut storage)?
            .upgrade()
            .map(|upgrade| upgrade.status())
    };
    let error = |field, fault| Err(HandshakeError::Request(field, fault));
    assert_eq!(judge("websocket", "h:1", "/", &GOOD), Ok(200));
    assert_eq!(judge("WebSocket", "[::1]", "/p?q", &GOOD), Ok(200));
    // The key of HTTP/1.1 is ignored, whatever it is.
    assert_eq!(judge("websocket", "h", "/", &with(&GOOD, "", &[("sec-websocket-key", b"x")])), Ok(200));
    assert_eq!(judge("connect-udp", "h", "/", &GOOD), error(Field::Protocol, Fault::Invalid));
    assert_eq!(HandshakeError::Request(Field::Protocol, Fault::Invalid).status(), 501);
    for authority in ["", "u@h", "a b", "h:x", "[::1"] {
        assert_eq!(
            judge("websocket", authority, "/", &GOOD),
            error(Field::Host, Fault::Invalid),
            "{authority}"
        );
    }
    for path in ["*", "chat", "/a#b", "/%", "h:80", "http://evil.example/x", "ws://h?x"] {
        assert_eq!(judge("websocket", "h", path, &GOOD), Err(HandshakeError::Target), "{path}");
    }
    assert_eq!(judge("websocket", "h", "", &GOOD), Err(HandshakeError::MalformedHead));
    assert_eq!(judge("websocket", "h", "/", &[]), error(Field::Version, Fault::Missing));
    for (name, field) in [
        ("connection", Field::Connection),
        ("upgrade", Field::Upgrade),
        ("transfer-encoding", Field::TransferEncoding),
        ("content-length", Field::ContentLength),
    ] {
        // RFC 9113 §8.2.2: "connection-specific header fields" make the request malformed.
        let headers = with(&GOOD, "", &[(name, b"0")]);
        assert_eq!(judge("websocket", "h", "/", &headers), error(field, Fault::Unexpected));
        assert_eq!(HandshakeError::Request(field, Fault::Unexpected).status(), 400);
    }
    for (name, value, field) in [
        ("sec-websocket-protocol", &b"a,a"[..], Field::Subprotocol),
        ("sec-websocket-extensions", b"a;;b", Field::Extensions),
        ("origin", b"\xff", Field::Origin),
    ] {
        let headers = with(&GOOD, "", &[(name, value)]);
        assert_eq!(judge("websocket", "h", "/", &headers), error(field, Fault::Invalid));
    }
}

#[test]
fn keys_of_nonces() {
    assert_eq!(&key_value(&NONCE), b"dGhlIHNhbXBsZSBub25jZQ==");
    for nonce in [[0; 16], [0xff; 16], [0x5a; 16]] {
        assert!(is_key(&key_value(&nonce)));
    }
}

/// What an HTTP library needs to write a refusal.
#[test]
fn a_refusal_has_a_status_and_headers() {
    let version = HandshakeError::Request(Field::Version, Fault::Invalid);
    for (error, status, headers) in [
        (HandshakeError::Method, 405, &[("Allow", "GET")][..]),
        (
            version,
            426,
            &[("Sec-WebSocket-Version", "13"), ("Upgrade", "websocket"), ("Connection", "Upgrade, close")],
        ),
        (HandshakeError::OriginNotAllowed, 403, &[]),
    ] {
        assert_eq!((error.status(), error.response_headers()), (status, headers));
    }
    assert_eq!(server::method_of(b"\r\nHEAD / HTTP"), "HEAD");
    assert_eq!(server::method_of(b"\xff / HTTP"), "");
    assert_eq!(server::method_of(b""), "");
    // The same however much has arrived behind the byte that makes the head invalid.
    for broken in [&b"\n\r\nHEAD / HTTP/1.1\r\n"[..], b"X\nHEAD / HTTP/1.1\r\n", b"\rX\nHEAD /"] {
        for len in 0..=broken.len() {
            assert_eq!(server::method_of(&broken[..len]), "", "{}", broken[..len].escape_ascii());
        }
    }
}
