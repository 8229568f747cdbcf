//! A request of any bytes: nothing panics, it may arrive in any pieces, and our client takes the response to one that is accepted.
//!
//! The input: the length of the first piece (one byte), the request and what follows it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sansws::handshake::server::{self, Acceptor, Request};
use sansws::handshake::{HeadReader, HeaderStorage, client};
use sansws::{Config, Role};

fuzz_target!(|bytes: &[u8]| {
    let Some((&cut, bytes)) = bytes.split_first() else { return };
    assert_pieces_agree(bytes, usize::from(cut));

    let mut storage = HeaderStorage::new();
    let Ok(Some((request, used))) = server::parse(bytes, &mut storage) else { return };
    assert_eq!(HeadReader::new(usize::MAX).find_end(bytes), Ok(Some(used)));
    look_at(&request);
    if let Ok(upgrade) = request.upgrade() {
        assert!(request.is_upgrade() && !request.has_content());
        let accept = server::Accept { subprotocol: request.subprotocols().next(), ..Default::default() };
        let mut out = Vec::new();
        let connection =
            upgrade.accept(&accept, &Config::default(), &mut out).expect("an offered subprotocol");
        assert_eq!(connection.role(), Role::Server);
        assert_client_accepts(&request, accept.subprotocol, &out);
    }
});

/// Every question has an answer.
fn look_at(request: &Request<'_, '_>) {
    assert!(request.version() <= 1);
    assert!(!request.path().is_empty() && !request.path().contains('?'));
    let _ = (request.method(), request.target(), request.query(), request.host(), request.origin());
    let _ = (request.is_cross_origin(), request.has_content(), request.is_upgrade());
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
    let mut storage = HeaderStorage::new();
    let (response, used) = client::parse_response(response, &mut storage)
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
    let offered: Vec<&str> = request.subprotocols().collect();
    let asked = client::Request { subprotocols: &offered, ..client::Request::new("localhost", "/") };
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
fn assert_pieces_agree(bytes: &[u8], cut: usize) {
    for max_len in [64, 8 * 1024] {
        let whole = HeadReader::new(max_len).find_end(bytes);
        let mut reader = HeadReader::new(max_len);
        let in_pieces =
            (0..=bytes.len()).map(|len| reader.find_end(&bytes[..len])).find(|found| *found != Ok(None));
        assert_eq!(in_pieces.unwrap_or(Ok(None)), whole, "byte by byte, at most {max_len}");
        assert_head_ends(bytes, max_len, whole.unwrap_or(None));
    }

    let config = Config::default();
    let mut out = Vec::new();
    let whole = server::accept(bytes, &config, &mut out).map(|accepted| accepted.map(|(_, used)| used));
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
        assert_eq!((in_pieces, &out_in_pieces), (whole, &out));
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
