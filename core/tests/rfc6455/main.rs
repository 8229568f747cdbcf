//! The rules of RFC 6455 §5 to §8 for an open connection, a module for each section.

#[path = "../support/mod.rs"]
mod support;

mod closing;
mod control_frames;
mod extension_seam;
mod framing;
mod limits;
mod masking_keys;
mod text;

use sansws::Opcode;
use support::*;

/// Rule R-5.2-e.
#[test]
fn the_examples_of_section_5_7_are_read_as_the_rfc_says() {
    let hello = [text("Hello")];
    assert_eq!(client_sees(&[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]).0, hello);
    assert_eq!(server_sees(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]).0, hello);
    assert_eq!(client_sees(&[0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f]).0, hello);
    let ping = [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    let pong = [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(client_sees(&ping), (vec![Seen::Ping(b"Hello".into())], pong.to_vec()));
    let (seen, out) = client_sees(&[&[0x82, 0x7e, 0x01, 0x00][..], &[7; 256]].concat());
    assert_eq!((seen, out.len()), (vec![binary(&[7; 256])], 0));
    let (seen, _) = client_sees(&[&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0][..], &[7; 65536]].concat());
    assert_eq!(seen, [binary(&[7; 65536])]);
    assert_eq!(parse(&pong), [(Opcode::Pong, true, b"Hello".to_vec())]);
}

#[test]
fn an_error_names_its_section() {
    use sansws::ProtocolError::*;
    let sections = [
        ("5.1", &[MaskMissing, MaskUnexpected][..]),
        ("5.2", &[ReservedBits, ReservedOpcode, LengthNotMinimal, LengthTooLarge]),
        ("5.4", &[ContinuationUnexpected, ContinuationExpected]),
        ("5.5", &[ControlFragmented, ControlTooLong]),
        ("5.5.1", &[InvalidCloseLength, InvalidCloseReason]),
        ("7.4", &[InvalidCloseCode]),
        ("8.1", &[InvalidUtf8]),
        ("10.4", &[FrameTooBig, MessageTooBig, TooManyFragments]),
    ];
    for (section, errors) in sections {
        for error in errors {
            assert_eq!(error.section(), section, "{error:?}");
            assert!(error.to_string().ends_with(&format!("(RFC 6455 §{section})")));
        }
    }
}
