use sansws::{Config, Connection, ProtocolError};

use crate::support::*;

mod section_10_4_implementation_specific_limits {
    use super::*;

    fn limited() -> Connection {
        Connection::server(&Config::new().max_frame_len(200).max_message_len(300).max_fragments(4))
    }

    /// A header without its payload.
    fn header(first: u8, len: u64) -> Vec<u8> {
        let mut header = vec![first, 0x80 | 127];
        header.extend(len.to_be_bytes());
        header.extend(KEY);
        header
    }

    /// Rule R-10.4-a.
    #[test]
    fn the_defaults_are_finite() {
        let config = Config::default();
        assert!(
            config.max_frame_len < u64::MAX
                && config.max_message_len < u64::MAX
                && config.max_fragments < u32::MAX
        );
    }

    /// Rule R-10.4-a. Attack A-08.
    #[test]
    fn a_frame_over_the_limit_is_refused_by_its_header() {
        assert_eq!(sees(limited, &masked(0x82, &[0; 200])).0, [binary(&[0; 200])]);
        assert_fails(limited, &masked(0x82, &[0; 201])[..8], ProtocolError::FrameTooBig);
        let big = (1 << 24) + 1;
        for len in
            [big, 1 << 31, (1 << 31) - 1, (1 << 32) - 1, 1 << 32, (1 << 32) + 1, 1 << 62, (1 << 63) - 1]
        {
            assert_server_fails(&header(0x82, len), ProtocolError::FrameTooBig);
        }
    }

    /// Rule R-10.4-a. Attack A-16.
    #[test]
    fn a_message_over_the_limit_is_refused_by_the_header_of_the_fragment_that_is_too_much() {
        let exact = [masked(0x02, &[0; 200]), masked(0x80, &[0; 100])].concat();
        assert_eq!(sees(limited, &exact).0, [binary(&[0; 300])]);
        let over = [masked(0x02, &[0; 200]), masked(0x80, &[0; 101])[..6].to_vec()].concat();
        assert_fails(limited, &over, ProtocolError::MessageTooBig);
        // Nor does the sum of the lengths wrap.
        let unlimited =
            || Connection::server(&Config::new().max_frame_len(u64::MAX).max_message_len((1 << 63) - 1));
        let wraps = [masked(0x02, b"x"), header(0x80, (1 << 63) - 1)].concat();
        assert_fails(unlimited, &wraps, ProtocolError::MessageTooBig);
    }

    /// Rule R-10.4-a.
    #[test]
    fn a_small_message_over_the_limit_is_refused_too() {
        let tiny = || Connection::server(&Config::new().max_message_len(3));
        assert_eq!(sees(tiny, &masked(0x82, b"abc")).0, [binary(b"abc")]);
        assert_fails(tiny, &masked(0x82, b"abcd"), ProtocolError::MessageTooBig);
        let tiny = || Connection::server(&Config::new().max_frame_len(3));
        assert_fails(tiny, &masked(0x81, b"abcd"), ProtocolError::FrameTooBig);
    }

    /// Each limit by itself, where the length has two bytes.
    #[test]
    fn a_message_that_arrives_at_once_is_refused_at_the_same_length() {
        let cases = [
            (Config::new().max_frame_len(200).max_message_len(100_000), ProtocolError::FrameTooBig),
            (Config::new().max_frame_len(100_000).max_message_len(200), ProtocolError::MessageTooBig),
        ];
        for (config, error) in cases {
            let limited = || Connection::server(&config);
            assert_eq!(sees(limited, &masked(0x82, &[7; 200])).0, [binary(&[7; 200])]);
            assert_fails(limited, &masked(0x82, &[7; 201]), error);
            assert_fails(limited, &masked(0x81, &[b'a'; 300]), error);
        }
    }

    /// Rule R-10.4-a.
    #[test]
    fn they_are_those_of_one_message_not_of_a_connection() {
        let message =
            [masked(0x02, &[1; 150]), masked(0x00, &[2; 150]), masked(0x00, b""), masked(0x80, b"")].concat();
        assert_eq!(sees(limited, &message.repeat(3)).0.len(), 3);
        let one = || Connection::server(&Config::new().max_fragments(0));
        assert_eq!(sees(one, &masked(0x81, b"hi")).0, [text("hi")]);
        assert_fails(
            one,
            &[masked(0x01, b"h"), masked(0x80, b"i")].concat(),
            ProtocolError::TooManyFragments,
        );
    }

    /// Attack A-09.
    #[test]
    fn empty_fragments_count() {
        let four = [masked(0x02, b""), masked(0x00, b""), masked(0x00, b""), masked(0x80, b"")].concat();
        assert_eq!(sees(limited, &four).0, [binary(b"")]);
        let five = [masked(0x02, b""), masked(0x00, b"").repeat(4)].concat();
        assert_fails(limited, &five, ProtocolError::TooManyFragments);
    }
}
