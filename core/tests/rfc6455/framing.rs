use sansws::{
    Config, Connection, Event, FrameHeader, MAX_CONTROL_FRAME_LEN, MAX_PAYLOAD_LEN, Opcode, Prepared,
    ProtocolError, Rsv, SendError,
};

use crate::support::*;

mod section_5_1_overview {
    use super::*;

    /// Rule R-5.1-a.
    #[test]
    fn a_server_closes_upon_a_frame_that_is_not_masked() {
        for first in [0x81, 0x82, 0x88, 0x89, 0x8a] {
            assert_server_fails(&unmasked(first, b""), ProtocolError::MaskMissing);
            assert_server_fails(&unmasked(first, b"\x03\xe8"), ProtocolError::MaskMissing);
        }
    }

    /// Rule R-5.1-b.
    #[test]
    fn a_client_closes_if_it_detects_a_masked_frame() {
        for first in [0x81, 0x82, 0x88, 0x89, 0x8a] {
            assert_client_fails(&masked(first, b""), ProtocolError::MaskUnexpected);
            assert_client_fails(&masked(first, b"\x03\xe8"), ProtocolError::MaskUnexpected);
        }
    }

    /// Rule R-5.1-c.
    #[test]
    fn a_server_does_not_mask_and_a_client_masks_every_frame() {
        fn send_all(mut connection: Connection) -> Vec<u8> {
            let mut out = Vec::new();
            connection.send_text("text", &mut out).unwrap();
            connection.send_binary(b"binary", &mut out).unwrap();
            connection.send_text_fragment("a", false, &mut out).unwrap();
            connection.send_ping(b"ping", &mut out).unwrap();
            connection.send_text_fragment("b", true, &mut out).unwrap();
            connection.send_pong(b"pong", &mut out).unwrap();
            connection.close(1000.into(), "bye", &mut out).unwrap();
            out
        }
        let seen = [
            text("text"),
            binary(b"binary"),
            Seen::Ping(b"ping".into()),
            text("ab"),
            Seen::Pong(b"pong".into()),
            close(1000, "bye"),
        ];
        // The other role accepts all of it, which is what the two tests above make a proof.
        assert_eq!(client_sees(&send_all(server())).0, seen);
        assert_eq!(server_sees(&send_all(client())).0, seen);
    }
}

mod section_5_2_base_framing_protocol {
    use super::*;

    /// Rules R-5.2-a and R-5.2-b. Attack A-11.
    #[test]
    fn reserved_bits_and_opcodes_fail_the_connection() {
        for rsv in 0..8_u8 {
            for opcode in 0..16_u8 {
                let frame = masked(0x80 | (rsv << 4) | opcode, b"");
                let error = match opcode {
                    3..=7 | 11..=15 => ProtocolError::ReservedOpcode,
                    _ if rsv != 0 => ProtocolError::ReservedBits,
                    0 => ProtocolError::ContinuationUnexpected,
                    _ => {
                        assert_eq!(server_sees(&frame).0.len(), 1, "opcode {opcode}");
                        continue;
                    }
                };
                assert_server_fails(&frame, error);
            }
        }
    }

    /// Rule R-5.2-c.
    #[test]
    fn the_minimal_number_of_bytes_must_be_used_to_encode_the_length() {
        for len in [0_u16, 1, 125] {
            let mut frame = vec![0x82, 0x80 | 126];
            frame.extend(len.to_be_bytes());
            frame.extend(KEY);
            assert_server_fails(&frame, ProtocolError::LengthNotMinimal);
        }
        for len in [0_u64, 125, 126, 0xffff] {
            let mut frame = vec![0x82, 0x80 | 127];
            frame.extend(len.to_be_bytes());
            frame.extend(KEY);
            assert_server_fails(&frame, ProtocolError::LengthNotMinimal);
        }
    }

    #[test]
    fn a_frame_after_a_header_that_was_cut_is_read_as_itself() {
        // The second byte of the first header could begin a frame of its own.
        let stream = [masked(0x82, b"\x00\x01"), masked(0x82, b"next")].concat();
        assert_eq!(server_sees(&stream).0, [binary(b"\x00\x01"), binary(b"next")]);
        let tricky = [&[0x82, 0x82, 0x80, 1, 2, 3, 4, 5][..], &masked(0x82, b"next")].concat();
        assert_eq!(server_sees(&tricky).0, [binary(&[4 ^ 0x80, 5 ^ 1]), binary(b"next")]);
    }

    /// Rule R-5.2-b.
    #[test]
    fn what_the_first_two_bytes_tell_is_refused_by_them() {
        for (bytes, error) in [
            (&[0x83][..], ProtocolError::ReservedOpcode),
            (&[0x09], ProtocolError::ControlFragmented),
            (&[0x89, 0xfe], ProtocolError::ControlTooLong),
        ] {
            assert_eq!(FrameHeader::decode(bytes), Err(error));
        }
    }

    /// Rule R-5.2-d. Attack A-07.
    #[test]
    fn the_most_significant_bit_of_the_length_must_be_0() {
        for len in [1 << 63, u64::MAX, (1 << 63) | 5] {
            let mut frame = vec![0x82, 0x80 | 127];
            frame.extend(u64::to_be_bytes(len));
            frame.extend(KEY);
            assert_server_fails(&frame, ProtocolError::LengthTooLarge);
        }
    }

    /// Rule R-5.2-e.
    #[test]
    fn every_length_at_the_borders_of_the_three_forms_arrives() {
        for len in [0, 1, 125, 126, 127, 128, 0xfffe, 0xffff, 0x10000, 0x10001] {
            // Minutes each under Miri.
            if cfg!(miri) && len > 128 {
                continue;
            }
            let payload: Vec<u8> = (0..len).map(|i: u32| i as u8).collect();
            assert_eq!(server_sees(&masked(0x82, &payload)).0, [binary(&payload)], "{len}");
            let mut out = Vec::new();
            server().send_binary(&payload, &mut out).unwrap();
            assert_eq!(out, unmasked(0x82, &payload), "{len}");
            out.clear();
            client().send_binary(&payload, &mut out).unwrap();
            assert_eq!(out, masked(0x82, &payload), "{len}");
        }
    }

    /// Rules R-5.2-d and R-5.5-a, when a header is written.
    #[test]
    fn a_header_is_written_up_to_the_last_length_that_may_be() {
        let header = |fin, opcode, payload_len| FrameHeader {
            fin,
            rsv: Rsv::NONE,
            opcode,
            masking_key: None,
            payload_len,
        };
        for opcode in [Opcode::Close, Opcode::Ping, Opcode::Pong] {
            assert_eq!(header(true, opcode, 125).encode().unwrap().as_ref(), [0x80 | opcode as u8, 125]);
            assert_eq!(header(true, opcode, 126).encode(), Err(ProtocolError::ControlTooLong));
            assert_eq!(header(false, opcode, 0).encode(), Err(ProtocolError::ControlFragmented));
        }
        let longest = header(true, Opcode::Binary, MAX_PAYLOAD_LEN).encode().unwrap();
        assert_eq!(longest.as_bytes(), [0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        for len in [MAX_PAYLOAD_LEN + 1, u64::MAX] {
            assert_eq!(header(true, Opcode::Binary, len).encode(), Err(ProtocolError::LengthTooLarge));
        }
    }

    #[test]
    fn reserved_bits_are_a_set() {
        let all = [Rsv::RSV1, Rsv::RSV2, Rsv::RSV3];
        for a in all {
            assert!(a.contains(a) && a.contains(Rsv::NONE) && !Rsv::NONE.contains(a));
            for b in all {
                assert_eq!(a.contains(b), a == b);
                assert!((a | b).contains(a) && (a | b).contains(b));
                assert_eq!(a.contains(a | b), a == b);
            }
        }
        assert_eq!(Rsv::RSV1 | Rsv::RSV1, Rsv::RSV1);
        assert_eq!(FrameHeader::decode(&[0xe2, 0]).unwrap().unwrap().0.rsv, Rsv::RSV1 | Rsv::RSV2);
    }

    #[test]
    fn the_longest_control_frame_is_as_long_as_its_constant_says() {
        let mut out = Vec::new();
        client().send_ping(&[7; 125], &mut out).unwrap();
        assert_eq!(out.len(), MAX_CONTROL_FRAME_LEN);
    }
}

mod section_5_4_fragmentation {
    use super::*;

    /// Rule R-5.4-b.
    #[test]
    fn control_frames_may_be_injected_in_the_middle_of_a_fragmented_message() {
        let stream = [
            masked(0x01, b"Hel"),
            masked(0x89, b"ping"),
            masked(0x00, b""),
            masked(0x8a, b""),
            masked(0x80, b"lo"),
        ];
        let (seen, out) = server_sees(&stream.concat());
        assert_eq!(seen, [Seen::Ping(b"ping".into()), Seen::Pong(vec![]), text("Hello")]);
        assert_eq!(out, unmasked(0x8a, b"ping"));
    }

    /// Frames with a key each, of these first octets and lengths of payload; and the payloads in one.
    fn frames(is_masked: bool, frames: &[(u8, usize)]) -> (Vec<u8>, Vec<u8>) {
        let (mut stream, mut payloads) = (Vec::new(), Vec::new());
        for (i, &(first, len)) in frames.iter().enumerate() {
            let payload: Vec<u8> = (0..len).map(|at| (at + 7 * i) as u8).collect();
            let key = is_masked.then(|| [i as u8, 1, 0x80 + i as u8, 0xff]);
            stream.extend(frame(first, key, &payload));
            payloads.extend(payload);
        }
        (stream, payloads)
    }

    /// "the fragments of a message have no semantic meaning to the receiver" but in their order.
    #[test]
    fn short_fragments_that_arrive_together_are_one_chunk() {
        let firsts = [0x02, 0x00, 0x00, 0x00, 0x80];
        for lens in [[3, 0, 125, 16, 17], [300, 1, 15, 31, 125]] {
            let together: Vec<_> = firsts.into_iter().zip(lens).collect();
            for is_masked in [true, false] {
                let mut connection = if is_masked { server() } else { client() };
                let (mut stream, payload) = frames(is_masked, &together);
                let after = frames(is_masked, &[(0x81, 1)]).0;
                stream.extend(&after);
                let mut input = &mut stream[..];
                let Some(Event::Binary(chunk)) = connection.receive(&mut input) else { panic!("a chunk") };
                assert_eq!(chunk.payload, payload, "{lens:?}");
                assert_eq!((chunk.first, chunk.last, chunk.remaining), (true, true, 0));
                assert_eq!(input, after, "what follows is untouched");
            }
        }
    }

    /// They are validated together: what is right before what is wrong is not handed out.
    #[test]
    fn fragments_of_which_one_is_no_utf8_are_no_chunk() {
        let mut stream = [masked(0x01, b"fine"), masked(0x00, b"\xff"), masked(0x80, b"")].concat();
        let (mut connection, mut input) = (server(), &mut stream[..]);
        assert_eq!(connection.receive(&mut input), Some(Event::Failed(ProtocolError::InvalidUtf8)));
        assert!(input.is_empty());
    }

    #[test]
    fn empty_fragments_are_joined_too() {
        let mut stream =
            [masked(0x01, b""), masked(0x00, b""), masked(0x00, b"a"), masked(0x80, b"b")].concat();
        let (mut connection, mut input) = (server(), &mut stream[..]);
        let event = connection.receive(&mut input);
        assert!(matches!(event, Some(Event::Text(chunk)) if chunk.whole() == Some("ab")), "{event:?}");
    }

    /// What ends a chunk before its message: the end of the input, and every frame that is not a
    /// short, legal, whole fragment.
    #[test]
    fn a_chunk_ends_before_what_is_no_short_fragment() {
        let long = (0x00, 126);
        let whole = [(0x02, 5), (0x00, 6)];
        for (next, is_masked, arrived) in [
            ((0x89, 0), true, usize::MAX),
            ((0x88, 0), true, usize::MAX),
            ((0x02, 1), true, usize::MAX),
            ((0x40, 1), true, usize::MAX),
            ((0x03, 1), true, usize::MAX),
            ((0x80, 1), false, usize::MAX),
            (long, true, usize::MAX),
            ((0x80, 5), true, 0),
            ((0x80, 5), true, 1),
            ((0x80, 5), true, 5),
            ((0x80, 5), true, 10),
        ] {
            let (mut stream, payload) = frames(true, &whole);
            let mut after = frames(is_masked, &[next]).0;
            after.truncate(arrived);
            stream.extend(&after);
            let (mut connection, mut input) = (server(), &mut stream[..]);
            let Some(Event::Binary(chunk)) = connection.receive(&mut input) else { panic!("a chunk") };
            assert_eq!((&*chunk.payload, chunk.first, chunk.last), (&payload[..], true, false), "{next:?}");
            assert_eq!(input, after);
        }
    }

    /// Each limit holds for fragments that arrive together, and what is within it is handed out first.
    #[test]
    fn a_chunk_ends_before_the_fragment_that_is_too_much() {
        let cases = [
            (Config::new().max_message_len(10), ProtocolError::MessageTooBig),
            (Config::new().max_frame_len(5), ProtocolError::FrameTooBig),
            (Config::new().max_fragments(2), ProtocolError::TooManyFragments),
        ];
        for (config, error) in cases {
            let (mut stream, payload) = frames(true, &[(0x02, 5), (0x00, 5), (0x80, 6)]);
            let (mut connection, mut input) = (Connection::server(&config), &mut stream[..]);
            let event = connection.receive(&mut input);
            assert!(matches!(event, Some(Event::Binary(chunk)) if chunk.payload == &payload[..10]));
            assert_eq!(connection.receive(&mut input), Some(Event::Failed(error)));
        }
    }

    /// Rule R-5.4-a.
    #[test]
    fn fragments_of_one_message_must_not_be_interleaved_between_those_of_another() {
        for second in [0x01, 0x02, 0x81, 0x82] {
            let stream = [masked(0x01, b"a"), masked(second, b"b")].concat();
            assert_server_fails(&stream, ProtocolError::ContinuationExpected);
        }
    }

    /// Rule R-5.4-b.
    #[test]
    fn a_control_frame_between_fragments_does_not_end_the_message() {
        let stream = [masked(0x01, b"a"), masked(0x89, b""), masked(0x81, b"b")].concat();
        assert_server_fails(&stream, ProtocolError::ContinuationExpected);
    }

    /// Rule R-5.4-a.
    #[test]
    fn a_continuation_needs_a_message_to_continue() {
        assert_server_fails(&masked(0x80, b"x"), ProtocolError::ContinuationUnexpected);
        let ended = [masked(0x01, b"a"), masked(0x80, b"b"), masked(0x80, b"c")].concat();
        assert_server_fails(&ended, ProtocolError::ContinuationUnexpected);
    }

    /// Rule R-5.4-c.
    #[test]
    fn fragments_of_zero_length_are_legal() {
        let stream = [masked(0x02, b""), masked(0x00, b""), masked(0x00, b"x"), masked(0x80, b"")].concat();
        assert_eq!(server_sees(&stream).0, [binary(b"x")]);
        assert_eq!(server_sees(&[masked(0x01, b""), masked(0x80, b"")].concat()).0, [text("")]);
        assert_eq!(server_sees(&masked(0x81, b"")).0, [text("")]);
    }

    /// Rule R-5.4-a.
    #[test]
    fn sending_does_not_interleave_either() {
        let (mut connection, mut out) = (server(), Vec::new());
        connection.send_text_fragment("a", false, &mut out).unwrap();
        let before = out.clone();
        assert_eq!(connection.send_text("b", &mut out), Err(SendError::MessageInProgress));
        assert_eq!(connection.send_binary(b"b", &mut out), Err(SendError::MessageInProgress));
        assert_eq!(connection.send_binary_fragment(b"b", true, &mut out), Err(SendError::MessageInProgress));
        assert_eq!(connection.frame_header(sansws::MessageKind::Text, 1), Err(SendError::MessageInProgress));
        assert_eq!(
            connection.send_prepared(&Prepared::text("b"), &mut out),
            Err(SendError::MessageInProgress)
        );
        assert_eq!(out, before);
        connection.send_text_fragment("c", true, &mut out).unwrap();
        connection.send_text("d", &mut out).unwrap();
        assert_eq!(client_sees(&out).0, [text("ac"), text("d")]);
    }
}
