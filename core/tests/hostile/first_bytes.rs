//! Every beginning of a frame that there is, against the rules written down once more in another way.

use sansws::{Connection, ProtocolError};

use crate::support::*;

/// What §5.1, §5.2, §5.4 and §5.5 say about the first two bytes of the first frame of a connection. If they are fine, so is the rest.
fn verdict(b0: u8, b1: u8, is_server: bool) -> Vec<ProtocolError> {
    let (fin, rsv, opcode, mask, len) = (b0 >> 7, b0 >> 4 & 7, b0 & 15, b1 >> 7, b1 & 127);
    let mut errors = Vec::new();
    let mut if_so = |condition, error| {
        if condition {
            errors.push(error);
        }
    };
    if_so(rsv != 0, ProtocolError::ReservedBits);
    if_so(matches!(opcode, 3..=7 | 11..=15), ProtocolError::ReservedOpcode);
    if_so(opcode == 0, ProtocolError::ContinuationUnexpected);
    if_so(matches!(opcode, 8..=10) && fin == 0, ProtocolError::ControlFragmented);
    if_so(matches!(opcode, 8..=10) && len > 125, ProtocolError::ControlTooLong);
    if_so(opcode == 8 && len == 1, ProtocolError::InvalidCloseLength);
    if_so(is_server && mask == 0, ProtocolError::MaskMissing);
    if_so(!is_server && mask == 1, ProtocolError::MaskUnexpected);
    errors
}

/// Rules R-5.1-a, R-5.1-b, R-5.2-a, R-5.2-b, R-5.5-a and R-5.5-b.
#[test]
#[cfg_attr(miri, ignore = "so many take hours")]
fn all_65536_of_them() {
    for (is_server, connection) in [(true, server as fn() -> Connection), (false, client)] {
        for b0 in 0..=255_u8 {
            for b1 in 0..=255_u8 {
                let mut bytes = vec![b0, b1];
                let len = match b1 & 127 {
                    126 => {
                        bytes.extend(126_u16.to_be_bytes());
                        126
                    }
                    127 => {
                        bytes.extend(0x10000_u64.to_be_bytes());
                        0x10000
                    }
                    short => usize::from(short),
                };
                if b1 & 128 != 0 {
                    bytes.extend([0; 4]);
                }
                // ASCII, behind status code 1000 in what may be a Close frame.
                let start: &[u8] = if b0 & 15 == 8 { &[0x03, 0xe8] } else { b"" };
                bytes.extend(start.iter().copied().chain(std::iter::repeat(b'x')).take(len));
                let mut watcher = Watcher::default();
                let out = watcher.feed(&mut connection(), &bytes);
                let errors = verdict(b0, b1, is_server);
                match watcher.seen.as_slice() {
                    [Seen::Failed(error)] => {
                        assert!(errors.contains(error), "{b0:#x} {b1:#x}: {error:?}, not {errors:?}");
                        assert_eq!(parse(&out).len(), 1, "a Close frame tells of it");
                    }
                    [] => assert!(errors.is_empty() && b0 & 0x88 == 0, "{b0:#x} {b1:#x}: {errors:?}"),
                    [_] => assert!(errors.is_empty(), "{b0:#x} {b1:#x}: {errors:?}"),
                    more => panic!("{more:?}"),
                }
            }
        }
    }
}
