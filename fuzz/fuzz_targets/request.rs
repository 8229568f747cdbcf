//! A request of any bytes: nothing panics, it may arrive in any pieces, it is accepted only if a second reading of §4.2.1 finds nothing
//! wrong with it, and always if that finds it plainly right. A refusal is a whole response whose status is that of something that is wrong;
//! the response to what is accepted is one that our client takes.
//!
//! The input: the length of the first piece (one byte), the request and what follows it.

#![no_main]

mod head;

use head::Head;
use libfuzzer_sys::fuzz_target;
use sansws::handshake::server::{self, Acceptor, Request};
use sansws::handshake::{DEFAULT_MAX_HEAD_LEN, HandshakeError, HeadReader, HeaderStorage, client};
use sansws::{Config, Role};

fuzz_target!(|bytes: &[u8]| {
    let Some((&cut, bytes)) = bytes.split_first() else { return };
    let mut out = Vec::new();
    let accepted =
        server::accept(bytes, &Config::default(), &mut out).map(|accepted| accepted.map(|(_, used)| used));
    assert_pieces_agree(bytes, usize::from(cut), (accepted, &out));
    assert_judged_right(bytes, accepted, &out);

    let mut storage = HeaderStorage::new();
    let Ok(Some((request, used))) = server::Request::parse(bytes, &mut storage) else { return };
    assert_eq!(HeadReader::new(usize::MAX).find_end(bytes), Ok(Some(used)));
    let head = Head::new(&bytes[..used]);
    look_at(&request, &head);
    let upgrade = request.upgrade();
    // An HTTP library that has read the same hands over the same.
    let minor_version = request.minor_version().expect("it is HTTP/1");
    let headers = request.headers();
    let mut storage = HeaderStorage::<64>::default();
    let parts = (request.method(), request.target(), minor_version, headers.iter());
    let by_parts =
        Request::from_parts(parts.0, parts.1, parts.2, parts.3, &mut storage).expect("it was parsed");
    assert_eq!(by_parts.upgrade().map(|_| ()), upgrade.map(|_| ()));
    assert_eq!(by_parts.check_head(), request.check_head());
    if used <= DEFAULT_MAX_HEAD_LEN {
        assert_eq!(accepted, upgrade.map(|_| Some(used)), "in one call, or one by one");
    }
    if let Ok(upgrade) = upgrade {
        assert!(head.request().allows_acceptance());
        let accept = server::Accept::new().subprotocol(request.subprotocols().next());
        let mut out = Vec::new();
        let connection =
            upgrade.accept(&accept, &Config::default(), &mut out).expect("an offered subprotocol");
        assert_eq!(connection.role(), Role::Server);
        assert_client_accepts(&request, accept.subprotocol, &out);
    }
});

/// What is plainly right is accepted and what is wrong is refused, with the status of something that is wrong.
fn assert_judged_right(bytes: &[u8], accepted: Result<Option<usize>, HandshakeError>, out: &[u8]) {
    let end = HeadReader::new(DEFAULT_MAX_HEAD_LEN).find_end(bytes).unwrap_or(None);
    let verdict = end.map(|end| Head::new(&bytes[..end]).request());
    match (accepted, verdict) {
        (Ok(None), None) => assert!(out.is_empty()),
        (Ok(Some(used)), Some(verdict)) => {
            assert_eq!(end, Some(used));
            assert!(verdict.allows_acceptance(), "accepted: {verdict:?}");
            assert!(out.starts_with(b"HTTP/1.1 101 ") && out.ends_with(b"\r\n\r\n"));
        }
        (Err(error), Some(verdict)) => {
            let status = assert_refusal(bytes, out);
            assert!(verdict.allows_refusal(status), "{error}: {status}, {verdict:?}");
        }
        // It is too long, or no HTTP by its first bytes.
        (Err(_), None) => assert!(matches!(assert_refusal(bytes, out), 400 | 414 | 431)),
        (accepted, verdict) => panic!("{accepted:?}, {verdict:?}"),
    }
}

/// A whole response that refuses the request, with what belongs to its status, which it returns.
fn assert_refusal(request: &[u8], out: &[u8]) -> u16 {
    let (head, content) = str::from_utf8(out)
        .ok()
        .and_then(|text| text.split_once("\r\n\r\n"))
        .unwrap_or_else(|| panic!("no whole response: {}", out.escape_ascii()));
    let has = |line: &str| head.split("\r\n").skip(1).any(|header| header == line);
    // RFC 9110 §9.3.2.
    let mut line = request;
    while let Some(rest) = line.strip_prefix(b"\r\n") {
        line = rest;
    }
    let is_head = line.starts_with(b"HEAD ");
    assert!(has(&format!("Content-Length: {}", content.len())) || is_head, "{head}");
    assert_eq!(content.is_empty(), is_head);
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    match status {
        // §4.2.2: the version that it understands. RFC 7231 §6.5.15: the protocol to change to.
        Some(426) => assert!(
            has("Sec-WebSocket-Version: 13")
                && has("Upgrade: websocket")
                && has("Connection: Upgrade, close"),
            "{head}"
        ),
        // RFC 7231 §6.5.5.
        Some(405) => assert!(has("Allow: GET") && has("Connection: close"), "{head}"),
        Some(400..600) => assert!(has("Connection: close"), "{head}"),
        _ => panic!("no refusal: {head}"),
    }
    status.expect("it is one of those")
}

/// Every question has an answer, and the plain ones that which stands in the head.
fn look_at(request: &Request<'_, '_>, head: &Head<'_>) {
    assert_eq!((request.method().as_bytes(), request.target().as_bytes()), (head.part(0), head.part(1)));
    let minor_version = request.minor_version().expect("it is HTTP/1");
    assert_eq!(head.part(2), format!("HTTP/1.{minor_version}").as_bytes());
    // RFC 9110 §7.8: it is to be ignored in HTTP/1.0.
    assert_eq!(request.is_upgrade(), head.part(2) != b"HTTP/1.0" && head.has("Upgrade", "websocket"));
    assert_eq!(request.has_content(), head.has_content());
    assert!(!request.path().is_empty() && !request.path().contains('?'));
    let _ = (request.query(), request.host(), request.origin(), request.is_cross_origin(true));
    assert!(request.subprotocols().all(|name| !name.is_empty()));
    for extension in request.extensions() {
        for param in extension.params() {
            let value = param.value.map(|value| (value.chars().count(), value.as_str()));
            assert!(!matches!(value, Some((count, Some(text))) if text.chars().count() != count));
        }
    }
    assert_eq!(request.headers().iter().count(), request.headers().len());
    let _ = format!("{request:?}");
}

/// The response to an accepted request is one that the client who sent it accepts.
fn assert_client_accepts(request: &Request<'_, '_>, subprotocol: Option<&str>, response: &[u8]) {
    let key = request.headers().get("Sec-WebSocket-Key").expect("it was checked");
    let offered: Vec<&str> = request.subprotocols().collect();
    let verdict = Head::new(response).response(&sansws::handshake::accept_value(key), &offered, &[]);
    assert!(verdict.allows_acceptance(), "{verdict:?}");
    let mut storage = HeaderStorage::new();
    let (response, used) = client::Response::parse(response, &mut storage)
        .expect("a proper response")
        .filter(|(_, used)| *used == response.len())
        .expect("a whole response");
    assert!(used > 0);
    assert_eq!(
        response.header("Sec-WebSocket-Accept").map(str::as_bytes),
        Some(&sansws::handshake::accept_value(key)[..])
    );
    assert_eq!(response.subprotocol(), subprotocol);
    // A key that no encoder would write has no nonce.
    let Some(nonce) = nonce_of(key) else { return };
    let asked = client::Offer::new("localhost", "/").subprotocols(&offered);
    let connection = response.accept(&asked, &nonce, &Config::default(), || [0; 4]);
    assert_eq!(connection.map(|connection| connection.role()), Ok(Role::Client));
}

/// The nonce whose canonical encoding this is.
fn nonce_of(key: &[u8]) -> Option<[u8; 16]> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = key.strip_suffix(b"==")?;
    let mut bits = 0_u128;
    for (i, digit) in digits.iter().enumerate() {
        let value = ALPHABET.iter().position(|known| known == digit)? as u128;
        // 21 digits of 6 bits, and 2 of the bits of the last.
        bits = if i < 21 { bits << 6 | value } else { bits << 2 | value >> 4 };
        if i == 21 && value & 0xf != 0 {
            return None;
        }
    }
    (digits.len() == 22).then(|| bits.to_be_bytes())
}

/// Byte by byte, in two pieces or whole: the head ends in the same place or is wrong in the same way, and gets the same response.
fn assert_pieces_agree(bytes: &[u8], cut: usize, whole: (Result<Option<usize>, HandshakeError>, &Vec<u8>)) {
    for max_len in [64, 8 * 1024] {
        let found = HeadReader::new(max_len).find_end(bytes);
        let mut reader = HeadReader::new(max_len);
        let in_pieces =
            (0..=bytes.len()).map(|len| reader.find_end(&bytes[..len])).find(|found| *found != Ok(None));
        assert_eq!(in_pieces.unwrap_or(Ok(None)), found, "byte by byte, at most {max_len}");
        assert_head_ends(bytes, max_len, found.unwrap_or(None));
    }

    let config = Config::default();
    for cuts in [vec![cut.min(bytes.len())], (1..bytes.len()).collect()] {
        let mut acceptor = Acceptor::default();
        let (mut out_in_pieces, mut in_pieces, mut start) = (Vec::new(), Ok(None), 0);
        for end in cuts.into_iter().chain([bytes.len()]) {
            let mut piece = bytes[start..end].to_vec();
            let mut input = &mut piece[..];
            start = end;
            in_pieces = acceptor
                .receive(&mut input, &config, &mut out_in_pieces)
                .map(|accepted| accepted.map(|_| end - input.len()));
            if in_pieces != Ok(None) {
                break;
            }
            assert!(input.is_empty(), "None means that the input is used up");
        }
        assert_eq!((in_pieces, &out_in_pieces), whole);
    }
}

/// The head ends with the first empty line that is not its first, if every line ends with CRLF.
fn assert_head_ends(bytes: &[u8], max_len: usize, found: Option<usize>) {
    let start = bytes.chunks(2).take_while(|line| line == b"\r\n").count() * 2;
    let end = bytes[start..].windows(4).position(|four| four == b"\r\n\r\n").map(|at| start + at + 4);
    let has_bare_lf = |len: usize| (0..len).any(|at| bytes[at] == b'\n' && !bytes[..at].ends_with(b"\r"));
    match (found, end) {
        (Some(found), end) => assert!(end == Some(found) && found <= max_len && !has_bare_lf(found)),
        (None, Some(end)) => {
            let begins_well = bytes[start].is_ascii_alphabetic();
            assert!(!begins_well || end > max_len || has_bare_lf(end), "the head ends at {end}");
        }
        (None, None) => {}
    }
}
