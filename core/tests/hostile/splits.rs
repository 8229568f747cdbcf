//! The same bytes, cut wherever TCP may cut them.

use sansws::{Connection, ProtocolError};

use crate::support::*;

/// Streams that end well and streams that do not, as a client sends them.
fn corpus() -> Vec<Vec<u8>> {
    let euro = "€".as_bytes();
    vec![
        [masked(0x81, b"Hello"), masked(0x89, b"p"), masked(0x82, &[0xff; 3])].concat(),
        [masked(0x01, &euro[..1]), masked(0x89, b""), masked(0x00, b""), masked(0x80, &euro[1..])].concat(),
        [masked(0x01, "κόσ".as_bytes()), masked(0x8a, b"!"), masked(0x80, "με🦀".as_bytes())].concat(),
        [masked(0x82, &[1; 126]), masked(0x88, b"\x03\xe8bye"), masked(0x81, b"late")].concat(),
        [masked(0x88, b""), masked(0x88, b"")].concat(),
        [masked(0x01, b"a"), masked(0x01, b"b")].concat(),
        [masked(0x81, b"ok"), masked(0x81, b"\xed\xa0\x80"), masked(0x81, b"late")].concat(),
        [masked(0x01, b"\xf0\x9f\xa6"), masked(0x80, b"x")].concat(),
        [masked(0x89, &[7; 125]), unmasked(0x81, b"no"), masked(0x81, b"late")].concat(),
        [masked(0x81, b""), vec![0x82, 0xfe, 0, 125, 1, 2, 3, 4]].concat(),
        [masked(0x02, b""), vec![0x80, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]].concat(),
        [masked(0x88, b"\x03\xed"), masked(0x81, b"late")].concat(),
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
    for stream in corpus() {
        let whole = run(&mut server(), [&stream[..]]);
        assert_eq!(run(&mut server(), stream.chunks(1)), whole, "{stream:x?} byte by byte");
        for first in 0..=stream.len() {
            let (head, rest) = stream.split_at(first);
            assert_eq!(run(&mut server(), [head, rest]), whole, "{stream:x?} at {first}");
            if stream.len() > 100 {
                continue;
            }
            for second in 0..=rest.len() {
                let (middle, tail) = rest.split_at(second);
                assert_eq!(
                    run(&mut server(), [head, middle, tail]),
                    whole,
                    "{stream:x?} at {first} and {second} further"
                );
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
