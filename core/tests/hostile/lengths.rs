//! Declared lengths: near the powers of two where an addition, a conversion or a sign bit gives way.

use sansws::{Assembler, Config, Connection, Event, ProtocolError, State};

use crate::support::*;

/// Lengths at which 32-bit, 63-bit and 64-bit arithmetic goes wrong.
const LENGTHS: [u64; 12] = [
    (1 << 31) - 1,
    1 << 31,
    (1 << 31) + 1,
    (1 << 32) - 1,
    1 << 32,
    (1 << 32) + 1,
    1 << 62,
    (1 << 63) - 1,
    1 << 63,
    (1 << 63) + 1,
    u64::MAX - 1,
    u64::MAX,
];

/// The header of a frame in the long form, without its payload.
fn header(first: u8, len: u64, mask: bool) -> Vec<u8> {
    let mut header = vec![first, if mask { 0xff } else { 0x7f }];
    header.extend(len.to_be_bytes());
    if mask {
        header.extend([0; 4]);
    }
    header
}

fn unlimited() -> Config {
    Config::new().max_frame_len(u64::MAX).max_message_len(u64::MAX).max_fragments(u32::MAX)
}

/// What opens a message before the length in question comes: nothing, or a fragment of some bytes.
fn begun(mask: bool) -> Vec<(u8, Vec<u8>)> {
    let fragment = |len: usize| frame(0x02, mask.then_some(KEY), &vec![7; len]);
    let mut all = vec![(0x82, Vec::new()), (0x02, Vec::new())];
    for len in [0, 1, 125, 126, 1000] {
        all.extend([(0x80, fragment(len)), (0x00, fragment(len))]);
    }
    all
}

/// Rule R-10.4-b. Attacks.
#[test]
fn a_length_over_the_limit_is_refused_by_its_header() {
    for (mask, connection) in [(true, server as fn() -> Connection), (false, client)] {
        for (first, before) in begun(mask) {
            for len in LENGTHS {
                let error =
                    if len >> 63 == 1 { ProtocolError::LengthTooLarge } else { ProtocolError::FrameTooBig };
                assert_fails(connection, &[before.clone(), header(first, len, mask)].concat(), error);
            }
        }
    }
}

/// Attack A-07.
#[test]
fn with_limits_at_their_maximum_no_length_overflows() {
    for mask in [true, false] {
        for (first, before) in begun(mask) {
            for len in LENGTHS {
                let mut connection = if mask {
                    Connection::server(&unlimited())
                } else {
                    Connection::client(&unlimited(), || KEY)
                };
                let mut messages = Assembler::new();
                let mut bytes = [before.clone(), header(first, len, mask), vec![9; 10]].concat();
                let mut input = &mut bytes[..];
                let (mut failed, mut received) = (None, 0);
                while let Some(event) = connection.receive(&mut input) {
                    match event {
                        Event::Binary(chunk) => {
                            received += chunk.payload.len();
                            assert!(!chunk.last, "{len} bytes are not here");
                            assert_eq!(messages.binary(chunk), Ok(None));
                        }
                        Event::Failed(error) => failed = Some(error),
                        other => panic!("{other:?}"),
                    }
                }
                if len >> 63 == 1 {
                    // §5.2: "the most significant bit MUST be 0".
                    assert_eq!(failed, Some(ProtocolError::LengthTooLarge), "{len}");
                } else {
                    assert_eq!((failed, connection.state()), (None, State::Open), "{len}");
                    assert!(received >= 10, "the payload is handed on as it comes");
                }
                // Memory follows what came, not what was declared.
                assert!(messages.capacity() <= 4096, "{} bytes for {len}", messages.capacity());
            }
        }
    }
}

/// Attack A-07.
#[test]
fn the_sum_of_what_came_and_what_is_declared_is_held_against_the_limit() {
    for already in [1, 125, 126, 1000] {
        for limit in [(1 << 31) - 1, 1 << 32, (1 << 63) - 1] {
            let connection = || Connection::server(&unlimited().max_message_len(limit));
            let with =
                |declared: u64| [masked(0x02, &vec![7; already]), header(0x80, declared, true)].concat();
            assert_fails(connection, &with(limit), ProtocolError::MessageTooBig);
            assert_fails(connection, &with(limit - already as u64 + 1), ProtocolError::MessageTooBig);
            let mut fits = connection();
            let mut watcher = Watcher::default();
            watcher.feed(&mut fits, &with(limit - already as u64));
            assert_eq!((watcher.seen.len(), fits.state()), (0, State::Open), "{limit}");
        }
    }
}

/// Attacks.
#[test]
fn a_frame_that_is_only_announced_costs_nothing() {
    // Many connections, each with a header that promises as much as the limits allow.
    let config = unlimited();
    for len in [16 << 20, 1 << 32, (1 << 63) - 1] {
        let (mut connection, mut messages) = (Connection::server(&config), Assembler::new());
        for byte in header(0x82, len, true) {
            assert_eq!(messages.receive(&mut connection, &mut &mut [byte][..]), None);
            assert_eq!(messages.capacity(), 0);
        }
    }
}
