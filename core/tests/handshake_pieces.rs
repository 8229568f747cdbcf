//! Heads that arrive in pieces: `Connector` and the `Acceptor` that judges.

use sansws::handshake::client::{Connector, Offer};
use sansws::handshake::server::{Accept, Acceptor, Reject};
use sansws::handshake::{Argument, DEFAULT_MAX_HEAD_LEN, Fault, Field, HandshakeError, HeaderStorage};
use sansws::{Config, Event, MaskingKey, Role, SliceOutput};

const NONCE: [u8; 16] = *b"the sample nonce";

const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

const INTERIM: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n";

const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: v1, v2\r\n\r\n";

fn masking_keys() -> MaskingKey {
    [1, 2, 3, 4]
}

fn connector() -> Connector {
    let name = String::from("chat");
    // Nothing of the offer is borrowed.
    let names = [&*name, "superchat"];
    let offer = Offer::new("server.example.com", "/chat").subprotocols(&names).extensions(Some("x-trace"));
    let mut out = Vec::new();
    let keys = masking_keys as fn() -> MaskingKey;
    let connector = Connector::new(&offer, &NONCE, &Config::default(), keys, &mut out).unwrap();
    let mut written = Vec::new();
    offer.write(&NONCE, &mut written).unwrap();
    assert_eq!(out, written);
    connector
}

mod section_4_1_a_client {
    use super::*;

    /// Rules R-4.1-g and R-4.1-m.
    #[test]
    fn a_response_may_be_cut_anywhere_and_frames_may_follow_it() {
        let bytes = [INTERIM, RESPONSE, b"\x81\x02hi"].concat();
        let head_len = INTERIM.len() + RESPONSE.len();
        for cut in 0..=bytes.len() {
            let mut connector = connector();
            let (mut head, mut tail) = (bytes[..cut].to_vec(), bytes[cut..].to_vec());
            let mut input = &mut head[..];
            let first = connector.receive(&mut input).unwrap();
            assert_eq!(first.is_some(), cut >= head_len, "{cut}");
            let mut frames = input.to_vec();
            assert!(first.is_some() || frames.is_empty(), "None means that the input was taken");
            let mut input = &mut tail[..];
            let second = connector.receive(&mut input).unwrap();
            frames.extend_from_slice(input);
            assert_eq!(second.is_some(), cut < head_len, "{cut}");
            let mut connection = first.or(second).unwrap();
            assert_eq!((connection.role(), &frames[..]), (Role::Client, &b"\x81\x02hi"[..]));
            let event = connection.receive(&mut &mut frames[..]);
            assert!(matches!(event, Some(Event::Text(chunk)) if chunk.text == "hi"), "{cut}");

            let mut storage = HeaderStorage::new();
            let response = connector.response(&mut storage).unwrap();
            assert_eq!((response.status(), response.subprotocol()), (101, Some("chat")));
            // It has no more connections to give.
            let mut more = *b"HTTP/1.1 101 x\r\n\r\n";
            let mut input = &mut more[..];
            assert!(connector.receive(&mut input).unwrap().is_none());
            assert_eq!(input.len(), 18);
        }
    }

    /// Rule R-4.1-g.
    #[test]
    fn byte_by_byte() {
        let mut connector = connector();
        let bytes = [INTERIM, INTERIM, b"\r\n", RESPONSE].concat();
        for (at, byte) in bytes.iter().enumerate() {
            let mut storage = HeaderStorage::new();
            assert!(connector.response(&mut storage).is_none());
            let connection = connector.receive(&mut &mut [*byte][..]).unwrap();
            assert_eq!(connection.is_some(), at + 1 == bytes.len());
        }
    }

    /// Rule R-4.1-o.
    #[test]
    fn there_are_8_interim_responses_at_most() {
        for (count, result) in [(0, Ok(true)), (8, Ok(true)), (9, Err(HandshakeError::TooManyInterim))] {
            let mut bytes = [INTERIM.repeat(count), RESPONSE.to_vec()].concat();
            let mut connector = connector();
            let received = connector.receive(&mut &mut bytes[..]);
            assert_eq!(received.map(|connection| connection.is_some()), result, "{count}");
        }
        assert_eq!(HandshakeError::TooManyInterim.status(), 502);
    }

    /// Rule R-4.1-o. Attack A-02.
    #[test]
    fn a_head_without_an_end_is_refused_at_the_limit() {
        for limit in [None, Some(100)] {
            let mut connector = connector();
            let limit = match limit {
                Some(limit) => {
                    connector = connector.max_head_len(limit);
                    limit
                }
                None => DEFAULT_MAX_HEAD_LEN,
            };
            // The limit is that of each head.
            assert!(connector.receive(&mut &mut INTERIM.to_vec()[..]).unwrap().is_none());
            assert!(connector.receive(&mut &mut b"HTTP/1.1 101 x\r\nX: ".to_vec()[..]).unwrap().is_none());
            let mut refused_at = None;
            for at in 20..=limit + 10 {
                let result = connector.receive(&mut &mut [b'y'][..]);
                if result.is_err() {
                    assert_eq!(result.err(), Some(HandshakeError::HeadTooLong));
                    refused_at = refused_at.or(Some(at));
                }
            }
            assert_eq!(refused_at, Some(limit));
        }
        let mut connector = connector();
        let mut endless = [b"HTTP/1.1 101 x\r\nX: ".to_vec(), vec![b'y'; 8 << 20]].concat();
        assert_eq!(connector.receive(&mut &mut endless[..]).err(), Some(HandshakeError::HeadTooLong));
        assert!(format!("{connector:?}").contains("head_len: 0"), "nothing of it is kept");
    }

    /// Rule R-4.1-g.
    #[test]
    fn a_refusal_is_kept_and_its_content_left() {
        let mut connector = connector();
        let mut bytes = *b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\nlog in";
        let mut input = &mut bytes[..];
        for _ in 0..3 {
            assert_eq!(connector.receive(&mut input).err(), Some(HandshakeError::Status(401)));
            assert_eq!(input, b"log in");
        }
        let mut storage = HeaderStorage::new();
        let response = connector.response(&mut storage).unwrap();
        assert_eq!((response.status(), response.header("www-authenticate")), (401, Some("Basic")));
    }

    #[test]
    fn errors_are_repeated() {
        let other = |from: &str, to: &str| String::from_utf8_lossy(RESPONSE).replace(from, to).into_bytes();
        for (mut bytes, error) in [
            (b"\x15\x03\x01".to_vec(), HandshakeError::MalformedHead),
            (b"HTTP/1.1 101 x\n".to_vec(), HandshakeError::MalformedHead),
            (b"HTTP/2.0 101 x\r\n\r\n".to_vec(), HandshakeError::HttpVersion),
            (
                [b"HTTP/1.1 101 x\r\n".to_vec(), b"X: y\r\n".repeat(65), b"\r\n".to_vec()].concat(),
                HandshakeError::TooManyHeaders,
            ),
            (other("s3pP", "S3pP"), HandshakeError::Response(Field::Accept, Fault::Invalid)),
            (
                other("Protocol: chat", "Protocol: other"),
                HandshakeError::Response(Field::Subprotocol, Fault::NotOffered),
            ),
            (
                other("Protocol: chat", "Extensions: x-other"),
                HandshakeError::Response(Field::Extensions, Fault::NotOffered),
            ),
        ] {
            let mut connector = connector();
            assert_eq!(connector.receive(&mut &mut bytes[..]).err(), Some(error));
            assert_eq!(connector.receive(&mut &mut RESPONSE.to_vec()[..]).err(), Some(error));
        }
        let mut connector = connector();
        let mut bytes = other("Protocol: chat", "Extensions: x-trace");
        assert!(connector.receive(&mut &mut bytes[..]).unwrap().is_some(), "it was offered");
    }

    #[test]
    fn what_cannot_be_written_makes_no_connector() {
        let new = |offer: Offer<'_>, room: usize| {
            let mut tx = [0; 1024];
            let mut out = SliceOutput::new(&mut tx[..room]);
            let keys = masking_keys as fn() -> MaskingKey;
            Connector::new(&offer, &NONCE, &Config::default(), keys, &mut out).err()
        };
        assert_eq!(new(Offer::new("h", "/"), 100), Some(HandshakeError::OutputFull));
        let argument = HandshakeError::Argument(Argument::Authority);
        assert_eq!(new(Offer::new("u@h", "/"), 1024), Some(argument));
    }
}

mod section_4_2_a_server {
    use super::*;

    fn judge<'j>(
        bytes: &[u8],
        judge: impl FnOnce(&sansws::handshake::server::Request<'_, '_>) -> Result<Accept<'j>, Reject<'j>>,
    ) -> (Option<HandshakeError>, String) {
        let (mut acceptor, mut out) = (Acceptor::new(), Vec::new());
        let mut bytes = bytes.to_vec();
        let result = acceptor.receive_with(&mut &mut bytes[..], &Config::default(), &mut out, judge);
        (result.err(), String::from_utf8(out).unwrap())
    }

    /// Rules R-4.2.2-a, R-4.2.2-b and R-4.2.2-c.
    #[test]
    fn an_acceptor_asks_the_application() {
        let ours = [String::from("v2"), String::from("v3")];
        let (error, response) = judge(REQUEST, |request| {
            assert_eq!((request.path(), request.host()), ("/chat", Some("server.example.com")));
            // What is returned may be borrowed from the surroundings.
            let names: Vec<&str> = ours.iter().map(String::as_str).collect();
            Ok(Accept::new().subprotocol(request.select_subprotocol(&names)))
        });
        assert_eq!(error, None);
        assert!(response.starts_with("HTTP/1.1 101 ") && response.contains("Protocol: v2\r\n"), "{response}");

        let headers = [("Retry-After", "10")];
        let (error, response) = judge(REQUEST, |_| Err(Reject::new(503).headers(&headers).body(b"later\n")));
        assert_eq!(error, Some(HandshakeError::Rejected(503)));
        assert_eq!(
            response,
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\nContent-Length: 6\r\n\
             Connection: close\r\n\r\nlater\n"
        );
        assert_eq!(HandshakeError::Rejected(503).status(), 503);
    }

    #[test]
    fn only_a_valid_request_is_judged() {
        for (bytes, status) in [
            (REQUEST.replace(b"GET", b"PUT"), "405"),
            (REQUEST.replace(b"Version: 13", b"Version: 12"), "426"),
            (REQUEST.replace(b"/chat", b"/ch%t"), "400"),
        ] {
            let (error, response) = judge(&bytes, |request| panic!("{request:?}"));
            assert!(error.is_some() && response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
        }
    }

    trait Replace {
        fn replace(&self, from: &[u8], to: &[u8]) -> Vec<u8>;
    }

    impl Replace for [u8] {
        fn replace(&self, from: &[u8], to: &[u8]) -> Vec<u8> {
            let at = self.windows(from.len()).position(|bytes| bytes == from).unwrap();
            [&self[..at], to, &self[at + from.len()..]].concat()
        }
    }

    #[test]
    fn a_mistake_of_the_application_is_a_500() {
        for (accept, argument) in [
            (Accept::new().subprotocol(Some("v9")), Argument::Subprotocol),
            (Accept::new().headers(&[("Host", "x")]), Argument::ReservedHeader),
        ] {
            let (error, response) = judge(REQUEST, |_| Ok(accept));
            assert_eq!(error, Some(HandshakeError::Argument(argument)));
            assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
        }
        for (status, body) in [(101, &b""[..]), (600, b""), (204, b"x")] {
            let (error, response) = judge(REQUEST, |_| Err(Reject::new(status).body(body)));
            assert_eq!(error, Some(HandshakeError::Argument(Argument::Status)));
            assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
        }
    }

    #[test]
    fn a_rejection_is_written_once_and_remembered() {
        let (mut acceptor, mut out) = (Acceptor::new(), Vec::new());
        for _ in 0..3 {
            let mut bytes = REQUEST.to_vec();
            let result = acceptor
                .receive_with(&mut &mut bytes[..], &Config::default(), &mut out, |_| Err(Reject::new(401)));
            assert_eq!(result.err(), Some(HandshakeError::Rejected(401)));
        }
        assert_eq!(out.windows(9).filter(|nine| nine == b"HTTP/1.1 ").count(), 1);
    }

    #[test]
    fn without_room_the_judge_is_asked_again() {
        let mut acceptor = Acceptor::new();
        let mut bytes = [REQUEST, b"\x81"].concat();
        let mut input = &mut bytes[..];
        let (mut tx, mut asked) = ([0; 1024], 0);
        for (room, error) in [
            (10, HandshakeError::OutputFull),
            (20, HandshakeError::OutputFull),
            (1024, HandshakeError::Rejected(403)),
        ] {
            let mut out = SliceOutput::new(&mut tx[..room]);
            let result = acceptor.receive_with(&mut input, &Config::default(), &mut out, |_| {
                asked += 1;
                Err(Reject::new(403))
            });
            assert_eq!(result.err(), Some(error));
            assert_eq!((input.len(), out.is_empty()), (1, room < 1024));
        }
        assert_eq!(asked, 3);
    }

    /// Attack A-02.
    #[test]
    fn the_limit_on_the_head_can_be_set() {
        let receive = |acceptor: &mut Acceptor, bytes: &[u8]| {
            let mut out = Vec::new();
            let received = acceptor.receive(&mut &mut bytes.to_vec()[..], &Config::default(), &mut out);
            assert!(out.is_empty() || out.starts_with(b"HTTP/1.1 "));
            received.map(|connection| connection.is_some())
        };
        let too_long = Err(HandshakeError::HeadTooLong);
        assert_eq!(receive(&mut Acceptor::new().max_head_len(REQUEST.len() - 1), REQUEST), too_long);
        let start_line = Err(HandshakeError::StartLineTooLong);
        assert_eq!(receive(&mut Acceptor::new().max_head_len(10), REQUEST), start_line);
        assert_eq!(receive(&mut Acceptor::new().max_head_len(REQUEST.len()), REQUEST), Ok(true));
    }

    /// Frames that are given to it by mistake are neither read as a request nor answered with a 400.
    #[test]
    fn an_acceptor_has_one_connection_to_give() {
        let (mut acceptor, mut out) = (Acceptor::new(), Vec::new());
        let mut bytes = [REQUEST, b"\x81\x80"].concat();
        let mut input = &mut bytes[..];
        assert!(acceptor.receive(&mut input, &Config::default(), &mut out).unwrap().is_some());
        let len = out.len();
        for _ in 0..2 {
            assert!(acceptor.receive(&mut input, &Config::default(), &mut out).unwrap().is_none());
            assert_eq!((&*input, out.len()), (&b"\x81\x80"[..], len));
        }
    }

    /// RFC 9110 §9.3.2.
    #[test]
    fn a_head_request_is_refused_without_content() {
        let (mut acceptor, mut out) = (Acceptor::new(), Vec::new());
        for byte in b"HEAD / HTTP/1.1\r\nHost : a\r\n\r\n" {
            let _ = acceptor.receive(&mut &mut [*byte][..], &Config::default(), &mut out);
        }
        assert!(out.starts_with(b"HTTP/1.1 400 ") && out.ends_with(b"\r\n\r\n"));
    }
}
