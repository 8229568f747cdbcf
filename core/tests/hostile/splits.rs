//! The same bytes, cut wherever TCP may cut them.

use sansws::{Connection, ProtocolError};

use crate::support::*;

type End = fn() -> Connection;

/// How one end writes a frame.
type Write = fn(u8, &[u8]) -> Vec<u8>;

/// Streams that end well and streams that do not, as a peer sends them that writes frames so; the other kind of peer writes them as `wrong`.
fn corpus(peer: Write, wrong: Write) -> Vec<Vec<u8>> {
    let mask_bit = peer(0x81, b"")[1];
    let euro = "€".as_bytes();
    vec![
        [peer(0x81, b"Hello"), peer(0x89, b"p"), peer(0x82, &[0xff; 3])].concat(),
        [peer(0x01, &euro[..1]), peer(0x89, b""), peer(0x00, b""), peer(0x80, &euro[1..])].concat(),
        [peer(0x01, "κόσ".as_bytes()), peer(0x8a, b"!"), peer(0x80, "με🦀".as_bytes())].concat(),
        [peer(0x82, &[1; 126]), peer(0x88, b"\x03\xe8bye"), peer(0x81, b"late")].concat(),
        [peer(0x88, b""), peer(0x88, b"")].concat(),
        [peer(0x01, b"a"), peer(0x01, b"b")].concat(),
        [peer(0x81, b"ok"), peer(0x81, b"\xed\xa0\x80"), peer(0x81, b"late")].concat(),
        [peer(0x01, b"\xf0\x9f\xa6"), peer(0x80, b"x")].concat(),
        [peer(0x89, &[7; 125]), wrong(0x81, b"no"), peer(0x81, b"late")].concat(),
        [peer(0x81, b""), vec![0x82, mask_bit | 126, 0, 125, 1, 2, 3, 4]].concat(),
        [peer(0x02, b""), vec![0x80, mask_bit | 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]].concat(),
        [peer(0x88, b"\x03\xed"), peer(0x81, b"late")].concat(),
    ]
}

/// Events and output, whatever came when: of Pings that wait together only the last is answered, so each piece is answered by itself.
fn run<'a>(connection: &mut Connection, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Seen>, Vec<u8>) {
    let (mut watcher, mut out) = (Watcher::default(), Vec::new());
    for piece in pieces {
        out.extend(watcher.feed(connection, piece));
    }
    (watcher.seen, out)
}

/// Rules R-5.4-d and R-7.1.7-a.
#[test]
#[cfg_attr(miri, ignore = "so many take hours")]
fn in_two_and_in_three_at_every_place_and_byte_by_byte() {
    let roles: [(End, Write, Write); 2] = [(server, masked, unmasked), (client, unmasked, masked)];
    for (end, peer, wrong) in roles {
        for stream in corpus(peer, wrong) {
            let role = end().role();
            let whole = run(&mut end(), [&stream[..]]);
            assert!(!whole.0.is_empty(), "{role:?}: {stream:x?} shows nothing");
            assert_eq!(run(&mut end(), stream.chunks(1)), whole, "{role:?}: {stream:x?} byte by byte");
            for first in 0..=stream.len() {
                let (head, rest) = stream.split_at(first);
                assert_eq!(run(&mut end(), [head, rest]), whole, "{role:?}: {stream:x?} at {first}");
                if stream.len() > 100 {
                    continue;
                }
                for second in 0..=rest.len() {
                    let (middle, tail) = rest.split_at(second);
                    assert_eq!(
                        run(&mut end(), [head, middle, tail]),
                        whole,
                        "{role:?}: {stream:x?} at {first} and {second} further"
                    );
                }
            }
        }
    }
}

/// Where a text stops being the beginning of any UTF-8, by the standard library's judgement.
fn first_bad_byte(bytes: &[u8]) -> Option<usize> {
    (1..=bytes.len())
        .find(|&len| core::str::from_utf8(&bytes[..len]).is_err_and(|error| error.error_len().is_some()))
}

/// Every sequence of one to four bytes out of those at which the tables of UTF-8 have their borders.
fn sequences() -> Vec<Vec<u8>> {
    const LEADS: [u8; 17] = [
        0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf4, 0xf5,
    ];
    const FOLLOW: [u8; 9] = [b'x', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0];
    let mut all: Vec<Vec<u8>> = LEADS.into_iter().map(|lead| vec![lead]).collect();
    let mut longest = all.clone();
    for _ in 0..3 {
        longest = longest
            .iter()
            .flat_map(|bytes| FOLLOW.into_iter().map(|next| [bytes.as_slice(), &[next]].concat()))
            .collect();
        all.extend(longest.iter().cloned());
    }
    all.extend([0xfe, 0xff].map(|byte| vec![byte]));
    all
}

/// Rules R-8.1-a, R-8.1-c, R-8.1-d, R-8.1-e, R-8.1-f and R-8.1-g.
#[test]
#[cfg_attr(miri, ignore = "so many take hours")]
fn utf8_at_its_borders_fails_at_the_first_bad_byte_and_nowhere_else() {
    for bytes in sequences() {
        let bad = first_bad_byte(&bytes);
        let text_then = |rest: &[u8]| [masked(0x01, &bytes), rest.to_vec()].concat();
        // Byte by byte in one fragment: the connection fails with the very byte.
        let stream = text_then(&masked(0x80, b""));
        let (mut connection, mut watcher) = (server(), Watcher::default());
        let mut failed_at = None;
        for (at, byte) in stream.iter().enumerate() {
            watcher.feed(&mut connection, &[*byte]);
            if failed_at.is_none() && !watcher.seen.is_empty() {
                failed_at = Some(at + 1);
            }
        }
        let expected = match (bad, core::str::from_utf8(&bytes)) {
            (Some(bad), _) => (Some(6 + bad), Seen::Failed(ProtocolError::InvalidUtf8)),
            // §8.1 and §5.6: not finished at the end of the message.
            (None, Err(_)) => (Some(stream.len()), Seen::Failed(ProtocolError::InvalidUtf8)),
            (None, Ok(good)) => (Some(stream.len()), text(good)),
        };
        assert_eq!((failed_at, &watcher.seen[0]), (expected.0, &expected.1), "{bytes:x?}");
        // In two fragments, cut at every place, in one read: the same verdict.
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            let stream = [masked(0x01, head), masked(0x80, tail)].concat();
            assert_eq!(run(&mut server(), [&stream[..]]).0[0], expected.1, "{bytes:x?} cut at {cut}");
        }
        // As a whole message: the short path.
        assert_eq!(run(&mut server(), [&masked(0x81, &bytes)[..]]).0[0], expected.1, "{bytes:x?} whole");
    }
}
