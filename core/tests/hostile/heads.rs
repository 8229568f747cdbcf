//! Heads that are long, that never end, or that take long to read.

use core::hint::black_box;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
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

/// The head with this header as its only one of that name: in place of the good one, where there is one.
fn replace(head: Vec<u8>, name: &str, value: &str) -> Vec<u8> {
    let head = String::from_utf8(head).unwrap();
    let (first, rest) = head.split_once("\r\n").unwrap();
    let is_other = |line: &&str| line.split_once(':').is_none_or(|(other, _)| other != name);
    let others: String = rest.split_inclusive("\r\n").filter(is_other).collect();
    format!("{first}\r\n{name}: {value}\r\n{others}").into_bytes()
}

/// Attack A-01.
#[test]
#[cfg_attr(miri, ignore = "so many reads take minutes")]
fn a_head_of_64_kib_in_reads_of_one_byte_is_looked_at_once() {
    let head = long_head(64 << 10);
    let mut seen = head.clone();
    let mut reader = HeadReader::new(1 << 20);
    for end in 1..=head.len() {
        // What was looked at becomes LFs, all but the last byte, which may be the CR of a line: whoever looks at them again finds ends of
        // lines, and wrong ones.
        if let Some(at) = end.checked_sub(3) {
            seen[at] = b'\n';
        }
        let found = reader.find_end(&seen[..end]);
        assert_eq!((found, reader.scanned()), (Ok((end == head.len()).then_some(end)), end));
    }
    in_linear_time("a reader", 16 << 10, long_head, |head| {
        let mut reader = HeadReader::new(1 << 20);
        (1..=head.len()).filter_map(|end| reader.find_end(&head[..end]).unwrap()).count()
    });
    in_linear_time("an acceptor", DEFAULT_MAX_HEAD_LEN - 100, long_head, |head| {
        let (mut acceptor, mut out) = (Acceptor::default(), Vec::new());
        // No upgrade, and so no connection.
        head.iter()
            .filter(|&&byte| acceptor.receive(&mut &mut [byte][..], &Config::default(), &mut out).is_err())
            .count()
    });
}

/// A head with a line of so many bytes, and no other.
fn long_head(len: usize) -> Vec<u8> {
    [&b"GET / HTTP/1.1\r\nX: "[..], &vec![b'a'; len], b"\r\n\r\n"].concat()
}

/// Asserts that of eight times as much `f` does not take much more than eight times as long; were all of it looked at again from each place,
/// it would be 64 times. `make` makes what it reads, of up to `len` bytes.
fn in_linear_time<I, T>(what: &str, len: usize, make: impl Fn(usize) -> I, f: impl Fn(&I) -> T) {
    /// Between 8 and 64.
    const FACTOR: u32 = 24;
    /// Shorter times say nothing: in this one nobody looks at 32 KiB from each of their places.
    const FLOOR: Duration = Duration::from_micros(10);
    /// How long it is tried again: whoever has to share the machine's caches is slower now and then, but not always.
    const PATIENCE: Duration = Duration::from_secs(10);
    // What this thread has worked: others that want the processor too do not count.
    let worked = || {
        let since = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(since.tv_sec.unsigned_abs(), since.tv_nsec as u32)
    };
    let time = |input: &I| {
        let start = worked();
        black_box(f(black_box(input)));
        worked() - start
    };
    let (short, long) = (make(len / 8), make(len));
    let mut best = (Duration::MAX, Duration::MAX);
    let (start, mut rounds) = (Instant::now(), 0);
    while rounds < 5 || start.elapsed() < PATIENCE {
        rounds += 1;
        best = (best.0.min(time(&short)), best.1.min(time(&long)));
        if rounds >= 3 && best.1 <= best.0.max(FLOOR) * FACTOR {
            return;
        }
    }
    panic!("{what}: {:?} for {} bytes, {:?} for {len}, at best of {rounds}", best.0, len / 8, best.1);
}

/// Attacks.
#[test]
#[cfg_attr(miri, ignore = "so many reads take minutes")]
fn a_head_of_64_kib_in_reads_of_one_byte_ends_at_the_limit() {
    let head = long_head(64 << 10);
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
        assert_eq!(server::Request::parse(&input, &mut storage).unwrap_err(), HandshakeError::TooManyHeaders);
        // The same for a client.
        let input = response(&more);
        let mut storage = HeaderStorage::new();
        assert_eq!(
            client::Response::parse(&input, &mut storage).unwrap_err(),
            HandshakeError::TooManyHeaders
        );
    }
}

/// So much that is hard to read: were it looked at again from each place, that would be 10^9 looks.
const LEN: usize = 32 << 10;

/// Values of about so many bytes that are hard to read.
const HARD: [fn(usize) -> String; 12] = [
    |len| format!("a; b=\"{}", "\\c".repeat(len / 2)),
    |len| format!("a; b=\"{}\"", "\\c".repeat(len / 2)),
    |len| format!("b{}x", " ".repeat(len)),
    |len| format!("b{}", "\t ;".repeat(len / 3)),
    |len| ",".repeat(len),
    |len| " ,".repeat(len / 2),
    |len| "a,".repeat(len / 2),
    |len| "a;a".repeat(len / 3),
    |len| "\"".repeat(len),
    |len| "=\"".repeat(len / 2),
    |len| "1".repeat(len),
    |len| format!("http://{}", "a.".repeat(len / 2)),
];

/// Attack A-04.
#[test]
#[cfg_attr(miri, ignore = "what it shows is time")]
fn no_header_of_a_request_takes_more_than_linear_time() {
    for hard in HARD {
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
            let what = format!("{name}: {}", hard(20));
            in_linear_time(
                &what,
                LEN,
                |len| replace(request(""), name, &hard(len)),
                |input| {
                    let mut storage = HeaderStorage::new();
                    let (request, _) = server::Request::parse(input, &mut storage).unwrap().unwrap();
                    // Twice, and nobody would look at its value.
                    assert_eq!(request.headers().all(name).count(), 1);
                    let _ =
                        (request.upgrade().is_ok(), request.is_cross_origin(false), request.has_content());
                    let _ = request.subprotocols().count();
                    request.extensions().map(|e| e.params().count()).max()
                },
            );
        }
        // Host and Origin are compared.
        for other in HARD {
            let hard_pair = |len: usize| {
                let head = replace(request(""), "Host", &hard(len / 2));
                replace(head, "Origin", &format!("http://{}", other(len / 2)))
            };
            in_linear_time(&format!("Host: {}, Origin: {}", hard(20), other(20)), LEN, hard_pair, |input| {
                let mut storage = HeaderStorage::new();
                let (request, _) = server::Request::parse(input, &mut storage).unwrap().unwrap();
                (request.is_cross_origin(false), request.check_head().is_ok())
            });
        }
        // And as the target.
        let target =
            |len| format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", hard(len).replace([' ', '\t'], "+"));
        in_linear_time(&target(20), LEN, target, |input| {
            let mut storage = HeaderStorage::new();
            let parsed = server::Request::parse(input.as_bytes(), &mut storage);
            parsed.map(|all| {
                all.map(|(request, _)| {
                    (request.path().len(), request.query().is_some(), request.upgrade().is_ok())
                })
            })
        });
    }
}

/// Attacks.
#[test]
#[cfg_attr(miri, ignore = "what it shows is time")]
fn no_header_of_a_response_takes_more_than_linear_time() {
    let offer = client::Offer::new("h", "/").subprotocols(&["a", "b"]).extensions(Some("a; b=c, b"));
    for hard in HARD {
        for name in [
            "Sec-WebSocket-Extensions",
            "Sec-WebSocket-Protocol",
            "Connection",
            "Upgrade",
            "Sec-WebSocket-Accept",
            "Content-Length",
        ] {
            let what = format!("{name}: {}", hard(20));
            in_linear_time(
                &what,
                LEN,
                |len| replace(response(""), name, &hard(len)),
                |input| {
                    let mut storage = HeaderStorage::new();
                    let (response, _) = client::Response::parse(input, &mut storage).unwrap().unwrap();
                    assert_eq!(response.headers().all(name).count(), 1);
                    let _ =
                        response.accept(&offer, b"the sample nonce", &Config::default(), || [0; 4]).is_ok();
                    let _ = (response.content_length(), response.subprotocol());
                    response.extensions().map(|e| e.params().count()).max()
                },
            );
        }
    }
}

/// Attack A-04.
#[test]
#[cfg_attr(miri, ignore = "what it shows is time")]
fn no_uri_takes_more_than_linear_time() {
    for hard in ["@", ":", "[", "]", "?", "/", "%", "a@", ":0", "[::", "."] {
        for before in ["ws://", "ws://h/", "ws://h:", ""] {
            let uri = |len| format!("{before}{}", hard.repeat(len / hard.len()));
            in_linear_time(&uri(20), LEN, uri, |uri| Uri::parse(uri).is_ok());
        }
    }
}
