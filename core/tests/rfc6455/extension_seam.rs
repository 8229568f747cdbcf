use sansws::{Config, Connection, ProtocolError, SendError};

use crate::support::*;

mod rfc7692_section_6_rsv1_as_the_seam_for_compression {
    use super::*;
    use sansws::{Event, MessageKind};

    fn negotiated() -> Connection {
        Connection::server(&Config::new().compression(true))
    }

    /// Attack A-11.
    #[test]
    fn marks_the_first_frame_of_a_data_message_only() {
        for first in [0xc0, 0xc8, 0xc9, 0xca] {
            assert_fails(negotiated, &masked(first, b""), ProtocolError::ReservedBits);
        }
        assert_fails(
            negotiated,
            &[masked(0x41, b""), masked(0xc0, b"")].concat(),
            ProtocolError::ReservedBits,
        );
        for first in [0xe1, 0xd1, 0xa1, 0x91] {
            assert_fails(negotiated, &masked(first, b""), ProtocolError::ReservedBits);
        }
    }

    #[test]
    fn a_compressed_message_is_neither_validated_nor_mixed_up_with_a_plain_one() {
        let plain = (vec![b'p'; 200], true, true);
        let pieces = [(b"\xff".to_vec(), true, false), (b"\xfe".to_vec(), false, true), plain.clone()];
        let joined = [(b"\xff\xfe".to_vec(), true, true), plain];
        for (between, expected) in [(masked(0x8a, b""), &pieces[..]), (Vec::new(), &joined)] {
            let mut connection = negotiated();
            let mut stream =
                [masked(0x41, b"\xff"), between, masked(0x80, b"\xfe"), masked(0x81, &[b'p'; 200])].concat();
            let mut input = &mut stream[..];
            let mut seen = Vec::new();
            while let Some(event) = connection.receive(&mut input) {
                seen.push(match event {
                    Event::Compressed(chunk) => {
                        assert_eq!(chunk.kind, MessageKind::Text);
                        (chunk.payload.to_vec(), chunk.first, chunk.last)
                    }
                    Event::Text(chunk) => (chunk.text.into(), chunk.first, chunk.last),
                    Event::Pong(_) => continue,
                    other => panic!("unexpected {other:?}"),
                });
            }
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn is_sent_on_the_first_fragment_and_only_if_negotiated() {
        let mut out = Vec::new();
        assert_eq!(
            server().send_compressed_fragment(MessageKind::Text, b"x", true, &mut out),
            Err(SendError::NoExtension)
        );
        let mut connection = negotiated();
        connection.send_compressed_fragment(MessageKind::Text, b"x", false, &mut out).unwrap();
        assert_eq!(connection.send_text_fragment("y", true, &mut out), Err(SendError::MessageInProgress));
        connection.send_compressed_fragment(MessageKind::Text, b"y", true, &mut out).unwrap();
        assert_eq!(out, [unmasked(0x41, b"x"), unmasked(0x80, b"y")].concat());
    }
}
