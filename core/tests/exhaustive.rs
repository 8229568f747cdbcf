//! Proof by exhaustion: every header, every string of up to four octets, every place of a mask.
//!
//! `cargo test` runs what takes a second without optimisation. `proofs/exhaustive` runs all of it,
//! in release.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{iter, thread};

use sansws::{
    FrameHeader, MAX_PAYLOAD_LEN, MaskingKey, Opcode, ProtocolError, Rsv, Utf8Piece, Utf8Stream, apply_mask,
};

/// Calls `work` for every first octet, on all cores, and adds up how many cases it reports.
fn for_every_first_octet(work: impl Fn(u8) -> u64 + Sync) -> u64 {
    let next = AtomicUsize::new(0);
    let some = || {
        let octets = iter::from_fn(|| u8::try_from(next.fetch_add(1, Ordering::Relaxed)).ok());
        octets.map(&work).sum::<u64>()
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let cases = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(some)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no failure")).sum()
    });
    // proofs/exhaustive reads this line.
    println!("cases: {cases}");
    cases
}

// --- headers, §5.2

/// What §5.2 and §5.5 make of the octets of a whole header, and how many octets show it.
type Reading = (Result<FrameHeader, ProtocolError>, usize);

/// Reads a header as the figure in §5.2 draws it. Knows nothing of cut headers: `octets` holds all
/// of it.
fn read(octets: &[u8; 14]) -> Reading {
    let rsv = [(0x40, Rsv::RSV1), (0x20, Rsv::RSV2), (0x10, Rsv::RSV3)]
        .into_iter()
        .filter(|(bit, _)| octets[0] & bit != 0)
        .fold(Rsv::NONE, |all, (_, rsv)| all | rsv);
    let opcode = match octets[0] % 16 {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        // "%x3-7 are reserved for further non-control frames", "%xB-F are reserved for further
        // control frames".
        3..=7 | 11..=15 => return (Err(ProtocolError::ReservedOpcode), 1),
        16.. => unreachable!(),
    };
    let (fin, control) = (octets[0] >= 0x80, octets[0] % 16 >= 8);
    let (masked, short_len) = (octets[1] >= 0x80, octets[1] % 0x80);
    // §5.5: "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be
    // fragmented."
    if control && !fin {
        return (Err(ProtocolError::ControlFragmented), 1);
    }
    if control && short_len > 125 {
        return (Err(ProtocolError::ControlTooLong), 2);
    }
    // "If 126, the following 2 bytes interpreted as a 16-bit unsigned integer are the payload
    // length. If 127, the following 8 bytes interpreted as a 64-bit unsigned integer (the most
    // significant bit MUST be 0)".
    let field = match short_len {
        126 => &octets[2..4],
        127 => &octets[2..10],
        _ => &octets[1..1],
    };
    let mut len = 2 + field.len();
    let mut payload_len = if field.is_empty() { u64::from(short_len) } else { 0 };
    for octet in field {
        payload_len = payload_len * 256 + u64::from(*octet);
    }
    // "in all cases, the minimal number of bytes MUST be used to encode the length".
    let minimal = match payload_len {
        0..126 => 0,
        126..65536 => 2,
        65536.. => 8,
    };
    if field.len() != minimal {
        return (Err(ProtocolError::LengthNotMinimal), len);
    }
    if field.len() == 8 && field[0] >= 0x80 {
        return (Err(ProtocolError::LengthTooLarge), len);
    }
    let masking_key = masked.then(|| [octets[len], octets[len + 1], octets[len + 2], octets[len + 3]]);
    if masked {
        len += 4;
    }
    (Ok(FrameHeader { fin, rsv, opcode, masking_key, payload_len }), len)
}

/// Checks one header: its reading, that of every cut of it, and that what it decodes to is encoded
/// as it came.
fn check_header(first: u8, second: u8, field: &[u8]) {
    // The octets behind a header must not matter, and a key takes the place of some of them.
    let mut octets = [0xe1, 0xd2, 0xc3, 0xb4, 0xa5, 0x96, 0x87, 0x78, 0x69, 0x5a, 0x4b, 0x3c, 0x2d, 0x1e];
    octets[0] = first;
    octets[1] = second;
    octets[2..2 + field.len()].copy_from_slice(field);
    let (reading, shown_by) = read(&octets);
    for cut in 0..=octets.len() {
        let expected = match reading {
            _ if cut < shown_by => Ok(None),
            Ok(header) => Ok(Some((header, shown_by))),
            Err(error) => Err(error),
        };
        assert_eq!(FrameHeader::decode(&octets[..cut]), expected, "{:x?}", &octets[..cut]);
    }
    if let Ok(header) = reading {
        let encoded = header.encode().expect("what is decoded can be encoded");
        assert_eq!(encoded.as_bytes(), &octets[..shown_by], "{header:?}");
        assert_eq!(encoded.masking_key(), header.masking_key);
    }
}

/// Checks every two-byte head, with each of `short` if it announces a 16-bit length and with each
/// length at a border of 64 bits if it announces such a one.
fn check_heads(short: RangeInclusive<u16>) -> u64 {
    for_every_first_octet(|first| {
        let mut cases = 0;
        for second in 0..=255 {
            match second % 0x80 {
                126 => {
                    for len in short.clone() {
                        check_header(first, second, &len.to_be_bytes());
                        cases += 1;
                    }
                }
                127 => {
                    for len in borders() {
                        check_header(first, second, &len.to_be_bytes());
                        cases += 1;
                    }
                }
                _ => {
                    check_header(first, second, &[]);
                    cases += 1;
                }
            }
        }
        cases
    })
}

/// Each power of two, one less and one more; the same around what seven bits hold; no bit set and
/// all of them.
fn borders() -> impl Iterator<Item = u64> {
    let around = |n: u64| [n.wrapping_sub(1), n, n.wrapping_add(1)];
    (0..u64::BITS).flat_map(move |bit| around(1 << bit)).chain(around(125)).chain([0, u64::MAX])
}

/// §5.2, every head of two bytes, with lengths on both sides of the 16-bit form's lower limit.
#[test]
#[cfg_attr(miri, ignore = "so many take hours")]
fn every_head_of_two_bytes_is_read_as_section_5_2_draws_it() {
    check_heads(120..=130);
}

/// §5.2, every head of two bytes, with every length of 16 bits.
#[test]
#[ignore = "33.7 million headers take a minute without optimisation: proofs/exhaustive"]
fn every_header_is_read_as_section_5_2_draws_it() {
    let long = borders().count() as u64;
    assert_eq!(check_heads(0..=u16::MAX), 256 * 2 * (126 + 65536 + long));
}

/// Writes every header with a length of up to `short` or at a border, and reads it back.
fn check_written(short: u64) -> u64 {
    const OPCODES: [Opcode; 6] =
        [Opcode::Continuation, Opcode::Text, Opcode::Binary, Opcode::Close, Opcode::Ping, Opcode::Pong];
    for_every_first_octet(|first| {
        let Some(opcode) = OPCODES.into_iter().find(|opcode| *opcode as u8 == first % 16) else { return 0 };
        let rsv = [(0x40, Rsv::RSV1), (0x20, Rsv::RSV2), (0x10, Rsv::RSV3)]
            .into_iter()
            .fold(Rsv::NONE, |all, (bit, rsv)| if first & bit == 0 { all } else { all | rsv });
        let (fin, mut cases) = (first >= 0x80, 0);
        for payload_len in (0..=short).chain(borders()) {
            for masking_key in [None, Some([7, 5, 3, 1])] {
                let header = FrameHeader { fin, rsv, opcode, masking_key, payload_len };
                let expected = match opcode {
                    // §5.5: "All control frames MUST have a payload length of 125 bytes or less and
                    // MUST NOT be fragmented."
                    Opcode::Close | Opcode::Ping | Opcode::Pong if !fin => {
                        Err(ProtocolError::ControlFragmented)
                    }
                    Opcode::Close | Opcode::Ping | Opcode::Pong if payload_len > 125 => {
                        Err(ProtocolError::ControlTooLong)
                    }
                    // §5.2: "(the most significant bit MUST be 0)".
                    _ if payload_len > MAX_PAYLOAD_LEN => Err(ProtocolError::LengthTooLarge),
                    _ => Ok(header),
                };
                let written = header.encode();
                assert_eq!(written.map(|_| header), expected, "{header:?}");
                if let Ok(written) = written {
                    let octets = written.as_bytes();
                    assert_eq!(octets[0], first);
                    assert_eq!(FrameHeader::decode(octets), Ok(Some((header, octets.len()))));
                }
                cases += 1;
            }
        }
        cases
    })
}

/// §5.2 and §5.5: what `encode` refuses is what `decode` refuses, and what it writes is read back.
#[test]
#[cfg_attr(miri, ignore = "so many take hours")]
fn every_header_that_is_written_is_read_back() {
    check_written(130);
}

/// The same, with every length of 16 bits.
#[test]
#[ignore = "12.6 million headers take half a minute without optimisation: proofs/exhaustive"]
fn every_header_of_every_length_that_is_written_is_read_back() {
    check_written(0xffff);
}

// --- UTF-8, §8.1

/// What is known of a string that is being pushed octet by octet.
#[derive(Clone)]
struct Pushed<const N: usize> {
    octets: [u8; N],
    len: usize,
    stream: Utf8Stream,
    /// How many octets the pieces so far returned as text.
    text_len: usize,
}

impl<const N: usize> Pushed<N> {
    /// Pushes one more octet, and compares with std, which sees all of them at once. Returns
    /// whether both go on.
    fn push(&mut self, octet: u8) -> bool {
        self.octets[self.len] = octet;
        self.len += 1;
        let octets = &self.octets[..self.len];
        let (valid_up_to, bad) = match std::str::from_utf8(octets) {
            Ok(text) => (text.len(), false),
            // `error_len` is `None` if more octets can make it valid.
            Err(error) => (error.valid_up_to(), error.error_len().is_some()),
        };
        let last = [octet];
        let Ok(piece) = self.stream.push(&last) else {
            assert!(bad, "{octets:x?} is refused too early");
            return false;
        };
        assert!(!bad, "{octets:x?} is not refused");
        assert!(is_text(&piece, &octets[self.text_len..valid_up_to]), "{octets:x?}: {piece:?}");
        self.text_len = valid_up_to;
        true
    }

    /// How many strings of `N` octets begin with these.
    fn longer(&self) -> u64 {
        256_u64.pow((N - self.len) as u32)
    }

    /// Compares what may be asked of a string at its end: whether it is whole, and what it is in
    /// one piece.
    fn check_end(&self) {
        let octets = &self.octets[..self.len];
        let whole = self.text_len == self.len;
        assert_eq!(self.stream.clone().finish().is_ok(), whole, "{octets:x?}");
        let mut stream = Utf8Stream::default();
        let piece = stream.push(octets).expect("what is taken octet by octet is taken whole");
        assert!(is_text(&piece, &octets[..self.text_len]), "{octets:x?}: {piece:?}");
        assert_eq!(stream.finish().is_ok(), whole, "{octets:x?} in one piece");
    }
}

/// Whether a piece, the code point that earlier pieces began included, is this text.
fn is_text(piece: &Utf8Piece<'_>, expected: &[u8]) -> bool {
    expected.strip_prefix(piece.carried.as_str().as_bytes()) == Some(piece.text.as_bytes())
}

/// Pushes every string of `N` octets, octet by octet, and returns how many there are.
///
/// The tree of strings is walked: the octets that strings have in common are pushed once for all of
/// them. With `Look::Enough` two kinds of strings are counted without a look at them:
///
/// - Those that begin with octets that `Utf8Stream` has refused, as std did. `Utf8Stream` was given
///   only these, so it refuses all of the strings, at this octet. So does std, whose `error_len`
///   means that "an unexpected byte was encountered", whatever follows it.
/// - Those that begin with an ASCII octet. The stream behind it equals a new one, so what is true
///   of all strings that are an octet shorter is true of these. The shorter ones have their turn
///   first.
///
/// With `Look::AtEach` nothing is left to such an argument.
fn check_strings<const N: usize>(look: Look) -> u64 {
    for_every_first_octet(|first| {
        let mut pushed = Pushed { octets: [0; N], len: 0, stream: Utf8Stream::default(), text_len: 0 };
        if !pushed.push(first) {
            return check_refused(&pushed, look);
        }
        if first.is_ascii() && look == Look::Enough {
            assert_eq!(pushed.stream, Utf8Stream::default());
            return pushed.longer();
        }
        check_longer(&pushed, look)
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Look {
    Enough,
    AtEach,
}

/// Every string that begins with `start`, which is not refused.
fn check_longer<const N: usize>(start: &Pushed<N>, look: Look) -> u64 {
    if start.len == N {
        start.check_end();
        return 1;
    }
    let mut cases = 0;
    for octet in 0..=255 {
        let mut pushed = start.clone();
        cases += if pushed.push(octet) { check_longer(&pushed, look) } else { check_refused(&pushed, look) };
    }
    cases
}

/// Every string that begins with `start`, which is refused: it is refused in one piece as well, and
/// by std.
fn check_refused<const N: usize>(start: &Pushed<N>, look: Look) -> u64 {
    if look == Look::AtEach {
        let mut octets = start.octets;
        for tail in 0..start.longer() {
            octets[start.len..].copy_from_slice(&tail.to_be_bytes()[8 - (N - start.len)..]);
            assert!(std::str::from_utf8(&octets).is_err(), "{octets:x?} was refused too early");
            assert!(Utf8Stream::default().push(&octets).is_err(), "{octets:x?} is not refused in one piece");
        }
    }
    start.longer()
}

/// §8.1: "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is
/// not, in fact, a valid UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_": every
/// string of up to three octets, at the first octet behind which nothing can make it valid.
#[test]
#[cfg_attr(miri, ignore = "so many take hours")]
fn every_string_of_three_octets_fails_where_std_says() {
    assert_eq!(check_strings::<1>(Look::Enough), 1 << 8);
    assert_eq!(check_strings::<2>(Look::Enough), 1 << 16);
    assert_eq!(check_strings::<3>(Look::Enough), 1 << 24);
}

/// Every string of four octets, by the same argument.
#[test]
#[ignore = "takes minutes without optimisation: proofs/exhaustive"]
fn every_string_of_four_octets_fails_where_std_says() {
    assert_eq!(check_strings::<4>(Look::Enough), 1 << 32);
}

/// Every string of four octets, each looked at.
#[test]
#[ignore = "4.3 billion strings take a minute and more: proofs/exhaustive"]
fn every_string_of_four_octets_fails_where_std_says_each_looked_at() {
    assert_eq!(check_strings::<4>(Look::AtEach), 1 << 32);
}

// --- masks, §5.3

/// §5.3: "Octet i of the transformed data ("transformed-octet-i") is the XOR of octet i of the
/// original data ("original-octet-i") with octet at index i modulo 4 of the masking key": every
/// length up to four of the widest vectors and four octets more, at every place of a key, at every
/// alignment to a cache line.
///
/// No branch depends on what the octets are, so one key and one payload stand for all of them: no
/// two octets of the key are equal, and each octet of the payload that is left out, masked twice or
/// masked wrongly shows.
#[test]
#[cfg_attr(miri, ignore = "so many take hours")]
fn every_length_at_every_place_is_masked_octet_by_octet() {
    const KEY: MaskingKey = [0x37, 0xfa, 0x21, 0x3d];
    const MAX_LEN: usize = 260;
    const ALIGNMENTS: usize = 64;
    #[repr(align(64))]
    struct Aligned([u8; ALIGNMENTS + MAX_LEN + 1]);

    let mut cases = 0;
    for len in 0..=MAX_LEN {
        for rotation in 0..4 {
            let mut key = KEY;
            key.rotate_left(rotation);
            let mut next = KEY;
            next.rotate_left((rotation + len) % 4);
            for start in 0..ALIGNMENTS {
                let mut buffer = Aligned(std::array::from_fn(|i| i as u8));
                let mut expected = buffer.0;
                for i in 0..len {
                    expected[start + i] ^= KEY[(rotation + i) % 4];
                }
                let returned = apply_mask(key, &mut buffer.0[start..start + len]);
                assert_eq!(buffer.0, expected, "{len} octets from {start}, rotated by {rotation}");
                assert_eq!(returned, next, "after {len} octets, rotated by {rotation}");
                cases += 1;
            }
        }
    }
    println!("cases: {cases}");
}
