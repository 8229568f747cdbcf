//! RFC 6455 §4.1, the client's side of the opening handshake.

use proptest::prelude::*;
use sansws::handshake::client::{self, Offer};
use sansws::handshake::{
    Argument, Fault, Field, HandshakeError, HeaderStorage, MAX_SUBPROTOCOLS, accept_value, server,
};
use sansws::{Config, Event, MaskingKey, ProtocolError, Role, SliceOutput, State, Uri};

const NONCE: [u8; 16] = *b"the sample nonce";

const LINES: [&str; 4] = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
];

fn masking_keys() -> MaskingKey {
    [1, 2, 3, 4]
}

fn plain() -> Offer<'static> {
    Offer::new("server.example.com", "/chat")
}

fn written(request: &Offer<'_>) -> Result<String, HandshakeError> {
    let mut tx = [0; 4096];
    let mut out = SliceOutput::new(&mut tx);
    let result = request.write(&NONCE, &mut out);
    if result.is_err() {
        assert!(out.is_empty(), "nothing is written");
    }
    result.map(|()| String::from_utf8(out.filled().to_vec()).unwrap())
}

/// The response with the line of this name replaced by others, or with lines added.
fn response_with(name: &str, lines: &[&str]) -> Vec<u8> {
    let kept = LINES.iter().filter(|line| name.is_empty() || !line.starts_with(name));
    let mut head: Vec<&str> = kept.copied().collect();
    let at = LINES.iter().position(|line| !name.is_empty() && line.starts_with(name)).unwrap_or(head.len());
    head.splice(at..at, lines.iter().copied());
    (head.join("\r\n") + "\r\n\r\n").into_bytes()
}

fn judged(request: &Offer<'_>, input: &[u8]) -> Result<(), HandshakeError> {
    let mut storage = HeaderStorage::new();
    let (response, used) = client::Response::parse(input, &mut storage)?.expect("a whole head");
    assert_eq!(used, input.len());
    response.accept(request, &NONCE, &Config::default(), masking_keys).map(|connection| {
        assert_eq!((connection.role(), connection.state()), (Role::Client, State::Open));
    })
}

const fn response(field: Field, fault: Fault) -> HandshakeError {
    HandshakeError::Response(field, fault)
}

mod section_4_1_the_request {
    use super::*;

    /// Rule R-4.1-c.
    #[test]
    fn the_request_of_section_1_3() {
        let request = plain().origin(Some("http://example.com")).subprotocols(&["chat", "superchat"]);
        assert_eq!(
            written(&request).unwrap(),
            "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n\
             Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
    }

    /// Rule R-4.1-c.
    #[test]
    fn extensions_and_more_headers() {
        let request = plain()
            .extensions(Some(" foo; a=\"1\", bar "))
            .headers(&[("Authorization", "Basic eDp5"), ("User-Agent", "tests")]);
        assert_eq!(
            written(&request).unwrap(),
            "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Extensions: foo; a=\"1\", bar\r\n\
             Authorization: Basic eDp5\r\nUser-Agent: tests\r\n\r\n"
        );
    }

    /// Rules R-3-c and R-4.1-b.
    #[test]
    fn host_and_resource_name_of_a_uri() {
        let table = [
            ("ws://h", "GET / HTTP/1.1\r\nHost: h\r\n"),
            ("ws://h:80/p", "GET /p HTTP/1.1\r\nHost: h\r\n"),
            ("wss://h:443/p?", "GET /p HTTP/1.1\r\nHost: h\r\n"),
            ("wss://u:p@h:80/p?q", "GET /p?q HTTP/1.1\r\nHost: h:80\r\n"),
            ("ws://[::1]:9001/?q", "GET /?q HTTP/1.1\r\nHost: [::1]:9001\r\n"),
            ("wss://[::1]?q", "GET /?q HTTP/1.1\r\nHost: [::1]\r\n"),
        ];
        for (uri, start) in table {
            let text = written(&Offer::to(&Uri::parse(uri).unwrap())).unwrap();
            assert!(text.starts_with(start), "{uri}: {text}");
        }
        assert!(written(&Offer::new("h", "")).unwrap().starts_with("GET / HTTP/1.1\r\n"));
    }

    /// Rule R-4.1-d.
    #[test]
    fn another_nonce_is_another_key() {
        let key = |nonce: [u8; 16]| {
            let mut tx = [0; 512];
            let mut out = SliceOutput::new(&mut tx);
            plain().write(&nonce, &mut out).unwrap();
            let text = String::from_utf8(out.filled().to_vec()).unwrap();
            text.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ").map(str::to_owned)).unwrap()
        };
        assert_eq!(key([0; 16]), "AAAAAAAAAAAAAAAAAAAAAA==");
        assert_eq!(key([0xff; 16]), "/////////////////////w==");
    }

    /// Attack A-05.
    #[test]
    fn what_would_make_another_head_is_refused() {
        let refused = |request: Offer<'_>, argument| {
            assert_eq!(written(&request), Err(HandshakeError::Argument(argument)), "{request:?}");
        };
        for authority in ["", "a b", "h\r\nX: y", "u@h", "h/p", "h:x", "::1", "ä", "h\0"] {
            refused(Offer::new(authority, "/chat"), Argument::Authority);
        }
        for resource in [
            "chat",
            "/%",
            "/%4",
            "/%zz",
            "/a?%+1",
            "/\"",
            "/<a>",
            "/a\\b",
            "/{a}",
            "/?<x>",
            "/a b",
            "/a\r\nX: y",
            "/a HTTP/1.1\r\n\r\n",
            "/\0",
            "/#f",
            "/ä",
            "#",
            " /",
            "*",
        ] {
            refused(Offer::new("server.example.com", resource), Argument::Resource);
        }
        for value in ["a\r\nX: y", "\n", "\r", "\0", "\u{7f}"] {
            refused(plain().origin(Some(value)), Argument::HeaderValue);
            refused(plain().extensions(Some(value)), Argument::HeaderValue);
            refused(plain().headers(&[("X", value)]), Argument::HeaderValue);
        }
        for name in ["", "a b", "a:b", "a\r\nb", "ä", "a\0"] {
            refused(plain().headers(&[("X", "y"), (name, "x")]), Argument::HeaderName);
        }
        for name in [
            "Host",
            "upgrade",
            "CONNECTION",
            "Origin",
            "content-length",
            "Transfer-Encoding",
            "Sec-WebSocket-Key",
            "sec-websocket-version",
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Extensions",
        ] {
            refused(plain().headers(&[(name, "x")]), Argument::ReservedHeader);
        }
        for extensions in ["", " ", "a;;b", "a b", "a=b", "a; b=\"c", "ä"] {
            refused(plain().extensions(Some(extensions)), Argument::Extensions);
        }
    }

    /// Rule R-4.1-f. Attack A-05.
    #[test]
    fn subprotocols_are_unique_tokens() {
        for subprotocols in [
            &[""][..],
            &["a", "a"],
            &["a", "b", "a"],
            &["a b"],
            &["a,b"],
            &["a/b"],
            &["\"a\""],
            &["a\r\n"],
            &["ä"],
            &["a\t"],
        ] {
            let request = plain().subprotocols(subprotocols);
            assert_eq!(
                written(&request),
                Err(HandshakeError::Argument(Argument::Subprotocol)),
                "{subprotocols:?}"
            );
        }
        let names: Vec<String> = (0..=MAX_SUBPROTOCOLS).map(|i| format!("p{i}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let offer = |count| written(&plain().subprotocols(&names[..count])).map(|_| ());
        assert_eq!(offer(MAX_SUBPROTOCOLS), Ok(()));
        assert_eq!(offer(MAX_SUBPROTOCOLS + 1), Err(HandshakeError::Argument(Argument::Subprotocol)));
    }

    #[test]
    fn all_of_the_request_or_nothing() {
        let request = plain().subprotocols(&["a", "b"]).headers(&[("X", "y")]);
        let whole = written(&request).unwrap().len();
        for room in (0..whole).step_by(if cfg!(miri) { 29 } else { 1 }).chain([whole]) {
            let mut tx = [0; 1024];
            let mut out = SliceOutput::new(&mut tx[..room]);
            let result = request.write(&NONCE, &mut out);
            if room < whole {
                assert_eq!(result, Err(HandshakeError::OutputFull));
                assert!(out.is_empty());
            } else {
                assert_eq!(result, Ok(()));
                assert_eq!(out.filled().len(), whole);
            }
        }
    }
}

mod section_4_1_the_response {
    use super::*;

    #[test]
    fn the_response_of_section_1_3() {
        assert_eq!(judged(&plain(), &response_with("", &[])), Ok(()));
        // Any other reason phrase, or none.
        assert_eq!(judged(&plain(), &response_with("HTTP", &["HTTP/1.1 101 "])), Ok(()));
        assert_eq!(judged(&plain(), &response_with("HTTP", &["HTTP/1.1 101"])), Ok(()));
        assert_eq!(judged(&plain(), &response_with("HTTP", &["HTTP/1.1 101 Web Socket"])), Ok(()));
    }

    /// Rule R-4.1-g.
    #[test]
    fn any_status_but_101_is_told_and_the_rest_is_its_content() {
        let input =
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 7\r\n\r\nwho are";
        let mut storage = HeaderStorage::new();
        let (response, used) = client::Response::parse(input, &mut storage).unwrap().unwrap();
        assert_eq!((response.status(), response.reason()), (401, "Unauthorized"));
        assert_eq!(response.header("www-authenticate"), Some("Basic"));
        assert_eq!(response.content_length(), Some(7));
        assert_eq!(&input[used..], b"who are");
        assert!(!response.is_interim());
        for status in [100, 103, 200, 204, 301, 302, 400, 401, 403, 426, 500, 999] {
            // Even if all the rest is right.
            let input = response_with("HTTP", &[&format!("HTTP/1.1 {status} Whatever")]);
            assert_eq!(judged(&plain(), &input), Err(HandshakeError::Status(status)));
        }
    }

    /// Rule R-4.1-g.
    #[test]
    fn an_interim_response_comes_before_the_response() {
        let mut input = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".to_vec();
        input.extend_from_slice(&response_with("", &[]));
        let mut storage = HeaderStorage::new();
        let (response, used) = client::Response::parse(&input, &mut storage).unwrap().unwrap();
        assert!(response.is_interim());
        assert_eq!(judged(&plain(), &input[used..]), Ok(()));
        let mut storage = HeaderStorage::new();
        let input = response_with("", &[]);
        let (response, _) = client::Response::parse(&input, &mut storage).unwrap().unwrap();
        assert!(!response.is_interim());
        for (status, expected) in [(100, true), (102, true), (199, true), (200, false), (204, false)] {
            let input = format!("HTTP/1.1 {status} x\r\n\r\n");
            let mut storage = HeaderStorage::new();
            let (response, _) = client::Response::parse(input.as_bytes(), &mut storage).unwrap().unwrap();
            assert_eq!(response.is_interim(), expected, "{status}");
            assert_eq!(response.headers().len(), 0);
        }
    }

    /// Rule R-4.1-m.
    #[test]
    fn frames_behind_the_head_are_kept() {
        let mut input = response_with("", &[]);
        let head_len = input.len();
        input.extend_from_slice(b"\x81\x02hi");
        let mut storage = HeaderStorage::new();
        let (_, used) = client::Response::parse(&input, &mut storage).unwrap().unwrap();
        assert_eq!(used, head_len);
    }

    #[test]
    fn http_1_0_knows_no_101() {
        let input = response_with("HTTP", &["HTTP/1.0 101 Switching Protocols"]);
        assert_eq!(judged(&plain(), &input), Err(HandshakeError::HttpVersion));
    }

    /// Rule R-4.1-h.
    #[test]
    fn upgrade_equals_websocket() {
        for line in ["Upgrade: WebSocket", "UPGRADE:WEBSOCKET", "upgrade: \twebsocket "] {
            assert_eq!(judged(&plain(), &response_with("Upgrade", &[line])), Ok(()), "{line}");
        }
        for line in ["Upgrade:", "Upgrade: h2c", "Upgrade: foo, websocket", "Upgrade: websocket,"] {
            let error = response(Field::Upgrade, Fault::Invalid);
            assert_eq!(judged(&plain(), &response_with("Upgrade", &[line])), Err(error), "{line}");
        }
        let missing = response_with("Upgrade", &[]);
        assert_eq!(judged(&plain(), &missing), Err(response(Field::Upgrade, Fault::Missing)));
        let twice = response_with("", &[LINES[1]]);
        assert_eq!(judged(&plain(), &twice), Err(response(Field::Upgrade, Fault::Repeated)));
    }

    /// Rule R-4.1-i.
    #[test]
    fn connection_contains_upgrade() {
        for lines in [
            &["Connection: upgrade"][..],
            &["Connection: keep-alive, UPGRADE"],
            &["Connection: keep-alive", "connection: ,Upgrade"],
        ] {
            assert_eq!(judged(&plain(), &response_with("Connection", lines)), Ok(()), "{lines:?}");
        }
        for line in ["Connection:", "Connection: close", "Connection: Upgraded", "Connection: not Upgrade"] {
            let error = response(Field::Connection, Fault::Invalid);
            assert_eq!(judged(&plain(), &response_with("Connection", &[line])), Err(error), "{line}");
        }
        let missing = response_with("Connection", &[]);
        assert_eq!(judged(&plain(), &missing), Err(response(Field::Connection, Fault::Missing)));
    }

    /// Rule R-4.1-j.
    #[test]
    fn accept_is_exact_but_for_blanks_around_it() {
        let with = |value: &str| {
            let line = format!("Sec-WebSocket-Accept: {value}");
            judged(&plain(), &response_with("Sec-WebSocket-Accept", &[&line]))
        };
        assert_eq!(with(" \t s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \t"), Ok(()));
        for value in [
            "",
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo",
            "S3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo= s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            "s3pPLMBiTxaQ 9kYGzzhZRbK+xOo=",
            "\"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\"",
            "dGhlIHNhbXBsZSBub25jZQ==", // the key itself
        ] {
            assert_eq!(with(value), Err(response(Field::Accept, Fault::Invalid)), "{value}");
        }
        let missing = response_with("Sec-WebSocket-Accept", &[]);
        assert_eq!(judged(&plain(), &missing), Err(response(Field::Accept, Fault::Missing)));
        let twice = response_with("", &[LINES[3]]);
        assert_eq!(judged(&plain(), &twice), Err(response(Field::Accept, Fault::Repeated)));
        // The answer to another nonce.
        let other = String::from_utf8(accept_value(b"AAAAAAAAAAAAAAAAAAAAAA==").to_vec()).unwrap();
        assert_eq!(with(&other), Err(response(Field::Accept, Fault::Invalid)));
    }

    /// Rules R-4.1-k, R-9.1-b and R-9.1-c. Attack A-14.
    #[test]
    fn no_extension_that_was_not_requested() {
        let offer = plain().extensions(Some("foo; a, bar"));
        let with = |request: &Offer<'_>, lines: &[&str]| {
            let lines: Vec<String> =
                lines.iter().map(|line| format!("Sec-WebSocket-Extensions: {line}")).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            judged(request, &response_with("", &lines))
        };
        for lines in [&[][..], &["foo"], &["bar; x=1"], &["bar, foo; a=\"b\""]] {
            assert_eq!(with(&offer, lines), Ok(()), "{lines:?}");
        }
        // §11.3.2: in a response it "MUST NOT appear more than once".
        for lines in [&["foo", "bar"][..], &["foo", "baz"], &["foo; a=\"", "\""]] {
            assert_eq!(with(&offer, lines), Err(response(Field::Extensions, Fault::Repeated)), "{lines:?}");
        }
        for lines in [&["baz"][..], &["foo, baz"], &["FOO"], &["a"]] {
            assert_eq!(with(&offer, lines), Err(response(Field::Extensions, Fault::NotOffered)), "{lines:?}");
        }
        assert_eq!(with(&plain(), &["foo"]), Err(response(Field::Extensions, Fault::NotOffered)));
        for lines in [&[""][..], &["foo;;a"], &["foo; a=\"b c\""], &["foo, bar bar"], &["foo; a=\""]] {
            assert_eq!(with(&offer, lines), Err(response(Field::Extensions, Fault::Invalid)), "{lines:?}");
        }
        let mut storage = HeaderStorage::new();
        let input = response_with("", &["Sec-WebSocket-Extensions: bar, foo; a=1"]);
        let (response, _) = client::Response::parse(&input, &mut storage).unwrap().unwrap();
        assert!(response.extensions().map(|extension| extension.name).eq(["bar", "foo"]));
    }

    /// Rule R-4.1-l.
    #[test]
    fn no_subprotocol_that_was_not_requested() {
        let offer = plain().subprotocols(&["chat", "superchat"]);
        let with = |request: &Offer<'_>, lines: &[&str]| judged(request, &response_with("", lines));
        assert_eq!(with(&offer, &[]), Ok(()));
        assert_eq!(with(&offer, &["Sec-WebSocket-Protocol: chat"]), Ok(()));
        assert_eq!(with(&offer, &["sec-websocket-protocol: \t superchat "]), Ok(()));
        let error = Err(response(Field::Subprotocol, Fault::NotOffered));
        // Without a value it indicates the use of none.
        for request in [&offer, &plain()] {
            for line in ["Sec-WebSocket-Protocol:", "sec-websocket-protocol: \t "] {
                assert_eq!(with(request, &[line]), Ok(()), "{line}");
                let input = response_with("", &[line]);
                let mut storage = HeaderStorage::<16>::default();
                let (response, _) = client::Response::parse(&input, &mut storage).unwrap().unwrap();
                assert_eq!(response.subprotocol(), None, "{line}");
            }
        }
        for value in [",", "\"\"", "Chat", "other", "chat, superchat", "chat,", "chat chat", "\"chat\""] {
            assert_eq!(with(&offer, &[&format!("Sec-WebSocket-Protocol: {value}")]), error, "{value}");
        }
        assert_eq!(with(&plain(), &["Sec-WebSocket-Protocol: chat"]), error);
        let two = ["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: superchat"];
        assert_eq!(with(&offer, &two), Err(response(Field::Subprotocol, Fault::Repeated)));
        let two = ["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol:"];
        assert_eq!(with(&offer, &two), Err(response(Field::Subprotocol, Fault::Repeated)));
    }

    /// Rule R-9112-a.
    #[test]
    fn malformed_heads() {
        let parse = |input: &[u8]| {
            let mut storage = HeaderStorage::<4>::default();
            client::Response::parse(input, &mut storage).map(|done| done.map(|(_, used)| used))
        };
        assert_eq!(parse(b""), Ok(None));
        assert_eq!(parse(b"HTTP/1.1 101 Switching Protocols\r\n"), Ok(None));
        for input in [
            &b"\x15\x03\x01\x00\x02\x02\x28"[..], // a TLS alert
            b"HTTP/1.1 101 x\n\n",
            b"HTTP/1.1 1 x\r\n\r\n",
            b"HTTP/1.1 10x x\r\n\r\n",
            b"HTTP/1.1 101x\r\n\r\n",
            b"HTTP/1.1  101 x\r\n\r\n",
            b"HTTP/1.1\r\n\r\n",
            b"HTTP/1 101 x\r\n\r\n",
            b"HTTP/01.1 101 x\r\n\r\n",
            b"http/1.1 101 x\r\n\r\n",
            b"HTTP/1.1 101 x\0\r\n\r\n",
            b"HTTP/1.1 101 x\r\nA : b\r\n\r\n",
            b"HTTP/1.1 101 x\r\nA: b\r\n c\r\n\r\n",
            b"HTTP/1.1 101 x\r\nA: b\0\r\n\r\n",
            b"HTTP/1.1 101 x\r\n: b\r\n\r\n",
        ] {
            assert_eq!(parse(input), Err(HandshakeError::MalformedHead), "{}", input.escape_ascii());
        }
        assert_eq!(parse(b"HTTP/2.0 101\r\n\r\n"), Err(HandshakeError::HttpVersion));
        assert_eq!(parse(b"HTTP/2 101\r\n\r\n"), Err(HandshakeError::HttpVersion));
        assert_eq!(
            parse(b"HTTP/1.1 101 x\r\na: b\r\na: b\r\na: b\r\na: b\r\na: b\r\n\r\n"),
            Err(HandshakeError::TooManyHeaders)
        );
    }

    #[test]
    fn errors_name_what_is_wrong_and_where_it_says_so() {
        let error = response(Field::Accept, Fault::Invalid);
        assert_eq!(error.to_string(), "the response's Sec-WebSocket-Accept is invalid (RFC 6455 §4.1)");
        let error = HandshakeError::Status(403);
        assert_eq!(error.to_string(), "the status of the response is 403, not 101 (RFC 6455 §4.1)");
        assert_eq!(error.status(), 502);
    }
}

fn token() -> impl Strategy<Value = String> {
    "[!#-'*+.0-9A-Z^-z|~-]{1,10}"
}

proptest! {
    /// Attack A-03.
    #[test]
    #[cfg_attr(miri, ignore = "its regular expressions take minutes")]
    fn any_bytes_end_in_a_connection_or_an_error_or_want_more(
        input in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            (proptest::sample::subsequence(LINES.to_vec(), 0..=4), "[ -~]{0,20}", "[ -~]{0,20}").prop_map(
                |(lines, name, value)| format!("{}\r\n{name}:{value}\r\n\r\n", lines.join("\r\n")).into_bytes()),
            "HTTP/1.[01] [0-9]{3} [ -~]{0,9}(\r\n(Connection|Upgrade|Sec-WebSocket-(Accept|Protocol|Extensions)):[ -~]{0,9}){0,5}\r\n\r\n"
                .prop_map(String::into_bytes),
        ],
    ) {
        let mut storage = HeaderStorage::<8>::default();
        if let Ok(Some((response, used))) = client::Response::parse(&input, &mut storage) {
            prop_assert!(input[..used].ends_with(b"\r\n\r\n"));
            let _ = (response.content_length(), response.subprotocol(), format!("{response:?}"));
            let _ = response.extensions().map(|e| e.params().count()).sum::<usize>();
            let _ = response.accept(&plain(), &NONCE, &Config::default(), masking_keys);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "its regular expressions take minutes")]
    fn a_server_reads_what_a_client_writes_and_the_other_way_round(
        nonce: [u8; 16],
        host in "[a-z0-9.-]{1,12}(:[0-9]{1,4})?",
        resource in "([/?](%[0-9a-fA-F]{2}|[!$&-;=?-Z_a-z~]){0,12})?",
        subprotocols in proptest::collection::hash_set(token(), 0..5),
        value in "[ -~\t\u{e4}]{0,12}",
        extension in proptest::option::of(token()),
    ) {
        let subprotocols: Vec<&str> = subprotocols.iter().map(String::as_str).collect();
        let headers = [("X-Value", value.as_str())];
        let request = Offer::new(&host, &resource).origin(None).subprotocols(&subprotocols).extensions(extension.as_deref()).headers(&headers);
        let (mut to_server, mut to_client) = ([0; 1024], [0; 1024]);
        let mut out = SliceOutput::new(&mut to_server);
        request.write(&nonce, &mut out).unwrap();

        let mut storage = HeaderStorage::new();
        let (read, used) = server::Request::parse(out.filled(), &mut storage).unwrap().unwrap();
        prop_assert_eq!(used, out.filled().len());
        prop_assert_eq!(read.host(), Some(host.as_str()));
        prop_assert!(read.target().ends_with(&resource));
        prop_assert!(read.subprotocols().eq(subprotocols.iter().copied()));
        prop_assert_eq!(read.header("x-value"), Some(value.trim_matches([' ', '\t'])));
        prop_assert!(read.extensions().map(|e| e.name).eq(extension.as_deref()));
        let chosen = read.subprotocols().last();
        let accept = server::Accept::new().subprotocol(chosen).extensions(extension.as_deref()).headers(&headers);
        let mut out = SliceOutput::new(&mut to_client);
        let upgrade = read.upgrade();
        prop_assert!(upgrade.is_ok(), "{:?}", upgrade);
        upgrade.unwrap().accept(&accept, &Config::default(), &mut out).unwrap();

        let mut storage = HeaderStorage::new();
        let (response, used) = client::Response::parse(out.filled(), &mut storage).unwrap().unwrap();
        prop_assert_eq!(used, out.filled().len());
        prop_assert_eq!(response.subprotocol(), chosen);
        let connection = response.accept(&request, &nonce, &Config::default(), masking_keys);
        prop_assert!(connection.is_ok(), "{:?}", connection.err());
        // The answer to one nonce is none to another.
        let mut other = nonce;
        other[15] ^= 1;
        let refused = response.accept(&request, &other, &Config::default(), masking_keys);
        prop_assert_eq!(refused.err(), Some(self::response(Field::Accept, Fault::Invalid)));
    }
}

/// Rule R-5.2-a. Attack A-11.
#[test]
fn rsv1_has_no_meaning_without_an_extension_that_was_agreed_on() {
    let config = Config::new().compression(true);
    let offer = plain().extensions(Some("x-trace, permessage-deflate"));
    for (line, agreed) in [
        ("X: y", false),
        ("Sec-WebSocket-Extensions: permessage-deflate", true),
        ("Sec-WebSocket-Extensions: x-trace, permessage-deflate", true),
        // Another extension gives RSV1 no meaning.
        ("Sec-WebSocket-Extensions: x-trace", false),
    ] {
        let input = response_with("", &[line]);
        let mut storage = HeaderStorage::new();
        let (response, _) = client::Response::parse(&input, &mut storage).unwrap().unwrap();
        let mut connection = response.accept(&offer, &NONCE, &config, || [0; 4]).unwrap();
        let mut frame = [0xc1, 0x00];
        let event = connection.receive(&mut &mut frame[..]);
        if agreed {
            assert!(matches!(event, Some(Event::Compressed(_))), "{event:?}");
        } else {
            assert_eq!(event, Some(Event::Failed(ProtocolError::ReservedBits)), "{line}");
        }
    }
}

/// RFC 9110 §2.5: a higher minor version is treated as the highest that one knows.
#[test]
fn a_response_may_have_a_higher_minor_version() {
    assert_eq!(judged(&plain(), &response_with("HTTP", &["HTTP/1.2 101 Switching Protocols"])), Ok(()));
}
