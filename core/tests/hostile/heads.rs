//! Heads that are long, that never end, or that take long to read.

use std::time::{Duration, Instant};

use sansws::handshake::server::{self, Acceptor};
use sansws::handshake::{
    DEFAULT_MAX_HEAD_LEN, HandshakeError, HeadReader, HeaderStorage, accept_value, client,
};
use sansws::{Config, Uri};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn request(more: &str) -> Vec<u8> {
    format!(
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n\
         Sec-WebSocket-Version: 13\r\n{more}\r\n"
    )
    .into_bytes()
}

fn response(more: &str) -> Vec<u8> {
    let accept = String::from_utf8(accept_value(KEY.as_bytes()).to_vec()).unwrap();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
    .into_bytes()
}

/// Attack A-01.
#[test]
#[cfg_attr(miri, ignore = "so many reads take minutes")]
fn a_head_of_64_kib_in_reads_of_one_byte_is_looked_at_once() {
    let head = [&b"GET / HTTP/1.1\r\nX: "[..], &[b'a'; 64 << 10], b"\r\n\r\n"].concat();
    let mut reader = HeadReader::new(1 << 20);
    let mut looks = 0;
    for end in 1..=head.len() {
        let before = reader.scanned();
        let found = reader.find_end(&head[..end]).unwrap();
        // It never goes back, so what it looked at in one call is how far it came in it.
        looks += reader.scanned() - before;
        assert_eq!(reader.scanned(), end);
        assert_eq!(found, (end == head.len()).then_some(end));
    }
    assert_eq!(looks, head.len());
}

/// Attacks.
#[test]
#[cfg_attr(miri, ignore = "so many reads take minutes")]
fn a_head_of_64_kib_in_reads_of_one_byte_ends_at_the_limit() {
    let head = [&b"GET / HTTP/1.1\r\nX: "[..], &[b'a'; 64 << 10], b"\r\n\r\n"].concat();
    let (mut acceptor, mut out) = (Acceptor::default(), Vec::new());
    let mut refused_at = None;
    for (at, &byte) in head.iter().enumerate() {
        let result = acceptor.receive(&mut &mut [byte][..], &Config::default(), &mut out);
        if refused_at.is_none() && result.is_err() {
            refused_at = Some(at + 1);
        }
        assert_eq!(result.err(), refused_at.map(|_| HandshakeError::HeadTooLong), "{at}");
    }
    assert_eq!(refused_at, Some(DEFAULT_MAX_HEAD_LEN));
    assert!(out.starts_with(b"HTTP/1.1 431 "));
    assert_eq!(out.windows(9).filter(|nine| nine == b"HTTP/1.1 ").count(), 1, "one answer");
}

/// Attack A-02.
#[test]
fn two_thousand_headers_are_refused_with_431() {
    for more in ["X: y\r\n".repeat(2000), "X:\r\n".repeat(2000), "X-Y: z\r\n".repeat(65)] {
        let mut out = Vec::new();
        assert!(server::accept(&request(&more), &Config::default(), &mut out).is_err());
        assert!(out.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&out));
        // However long a head may be: the headers have a limit of their own.
        let input = request(&more);
        let mut storage = HeaderStorage::new();
        assert_eq!(server::parse(&input, &mut storage).unwrap_err(), HandshakeError::TooManyHeaders);
        // The same for a client.
        let input = response(&more);
        let mut storage = HeaderStorage::new();
        assert_eq!(client::parse_response(&input, &mut storage).unwrap_err(), HandshakeError::TooManyHeaders);
    }
}

/// So much that is hard to read: were it looked at again from each place, that would be 10^9 looks, and several times.
const LEN: usize = 32 << 10;

/// Far more than a hundred readings of so much take, far less than so many looks do without optimisation.
const TIME: Duration = Duration::from_secs(10);

fn in_time<T>(what: &str, f: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = f();
    assert!(start.elapsed() < TIME, "{what}: {:?}", start.elapsed());
    result
}

fn hard_values() -> [String; 12] {
    [
        format!("a; b=\"{}", "\\c".repeat(LEN / 2)),
        format!("a; b=\"{}\"", "\\c".repeat(LEN / 2)),
        format!("b{}x", " ".repeat(LEN)),
        format!("b{}", "\t ;".repeat(LEN / 3)),
        ",".repeat(LEN),
        " ,".repeat(LEN / 2),
        "a,".repeat(LEN / 2),
        "a;a".repeat(LEN / 3),
        "\"".repeat(LEN),
        "=\"".repeat(LEN / 2),
        "1".repeat(LEN),
        format!("http://{}", "a.".repeat(LEN / 2)),
    ]
}

/// Attack A-04.
#[test]
#[cfg_attr(miri, ignore = "what it shows is time")]
fn no_header_of_a_request_takes_more_than_linear_time() {
    for value in hard_values() {
        for name in [
            "Sec-WebSocket-Extensions",
            "Sec-WebSocket-Protocol",
            "Connection",
            "Upgrade",
            "Host",
            "Origin",
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Version",
            "Content-Length",
        ] {
            let input = request(&format!("{name}: {value}\r\n"));
            let mut storage = HeaderStorage::new();
            in_time(name, || {
                let (request, _) = server::parse(&input, &mut storage).unwrap().unwrap();
                let _ = (request.upgrade().is_ok(), request.is_cross_origin(), request.has_content());
                let _ = request.subprotocols().count();
                let _ = request.extensions().map(|e| e.params().count()).max();
            });
        }
        // And as the target.
        let input = format!("GET /{} HTTP/1.1\r\n\r\n", value.replace([' ', '\t'], "+"));
        let mut storage = HeaderStorage::new();
        in_time("target", || {
            if let Ok(Some((request, _))) = server::parse(input.as_bytes(), &mut storage) {
                let _ = (request.path().len(), request.query(), request.upgrade().is_ok());
            }
        });
    }
}

/// Attacks.
#[test]
#[cfg_attr(miri, ignore = "what it shows is time")]
fn no_header_of_a_response_takes_more_than_linear_time() {
    let offer = client::Request {
        subprotocols: &["a", "b"],
        extensions: Some("a; b=c, b"),
        ..client::Request::new("h", "/")
    };
    for value in hard_values() {
        for name in [
            "Sec-WebSocket-Extensions",
            "Sec-WebSocket-Protocol",
            "Connection",
            "Upgrade",
            "Sec-WebSocket-Accept",
            "Content-Length",
        ] {
            let input = response(&format!("{name}: {value}\r\n"));
            let mut storage = HeaderStorage::new();
            in_time(name, || {
                let (response, _) = client::parse_response(&input, &mut storage).unwrap().unwrap();
                let _ = response.accept(&offer, b"the sample nonce", &Config::default(), || [0; 4]).is_ok();
                let _ = (response.content_length(), response.subprotocol());
                let _ = response.extensions().map(|e| e.params().count()).max();
            });
        }
    }
}

/// Attack A-04.
#[test]
#[cfg_attr(miri, ignore = "what it shows is time")]
fn no_uri_takes_more_than_linear_time() {
    for hard in ["@", ":", "[", "]", "?", "/", "%", "a@", ":0", "[::", "."] {
        for uri in [
            format!("ws://{}", hard.repeat(LEN / hard.len())),
            format!("ws://h/{}", hard.repeat(LEN / hard.len())),
            format!("ws://h:{}", hard.repeat(LEN / hard.len())),
            hard.repeat(LEN / hard.len()),
        ] {
            let _ = in_time(hard, || Uri::parse(&uri).is_ok());
        }
    }
}
