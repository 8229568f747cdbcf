use sansws::ProtocolError;

use crate::support::*;

mod section_8_1_handling_of_errors_in_utf8 {
    use super::*;

    /// Rules R-8.1-e and R-8.1-g.
    #[test]
    fn valid_text_arrives_however_it_is_cut_and_fragmented() {
        for valid in [
            "",
            "a",
            "κόσμε",
            "𐍈🦀",
            "\u{0}\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}",
            "\u{d7ff}\u{e000}",
        ] {
            assert_eq!(server_sees(&masked(0x81, valid.as_bytes())).0, [text(valid)]);
            for cut in 0..=valid.len() {
                let (head, tail) = valid.as_bytes().split_at(cut);
                let stream = [masked(0x01, head), masked(0x80, tail)].concat();
                assert_eq!(server_sees(&stream).0, [text(valid)], "cut at {cut}");
            }
        }
    }

    /// Rules R-8.1-a, R-8.1-d and R-8.1-g.
    #[test]
    fn invalid_text_fails_the_connection() {
        let invalid: [&[u8]; 16] = [
            b"\x80",
            b"\xbf\xbf",
            b"\xc0\xaf",
            b"\xc1\xbf",
            b"\xe0\x80\xaf",
            b"\xe0\x9f\xbf",
            b"\xf0\x80\x80\xaf",
            b"\xf0\x8f\xbf\xbf",
            b"\xed\xa0\x80",
            b"\xed\xbf\xbf",
            b"\xf4\x90\x80\x80",
            b"\xf5\x80\x80\x80",
            b"\xff",
            b"\xc3a",
            b"\xe2\x82a",
            b"\xf0\x9f\xa6a",
        ];
        for bytes in invalid {
            for around in [&b""[..], b"plain ", &[b'x'; 200]] {
                let payload = [around, bytes, around].concat();
                assert_server_fails(&masked(0x81, &payload), ProtocolError::InvalidUtf8);
                for cut in (0..=payload.len()).step_by(if cfg!(miri) { payload.len() / 2 + 1 } else { 1 }) {
                    let (head, tail) = payload.split_at(cut);
                    let stream = [masked(0x01, head), masked(0x80, tail)].concat();
                    let (seen, _) = {
                        let mut watcher = Watcher::default();
                        let out = watcher.feed(&mut server(), &stream);
                        (watcher.seen, out)
                    };
                    assert_eq!(seen, [Seen::Failed(ProtocolError::InvalidUtf8)], "{payload:x?} cut at {cut}");
                }
            }
        }
    }

    /// Rule R-8.1-f.
    #[test]
    fn a_code_point_that_is_not_finished_fails_the_message_at_its_end() {
        for bytes in [&b"\xc3"[..], b"\xe2\x82", b"ok \xf0\x9f\xa6"] {
            assert_server_fails(&masked(0x81, bytes), ProtocolError::InvalidUtf8);
            assert_server_fails(
                &[masked(0x01, bytes), masked(0x80, b"")].concat(),
                ProtocolError::InvalidUtf8,
            );
        }
    }

    /// Rule R-8.1-c.
    #[test]
    fn the_connection_fails_at_the_first_octet_that_cannot_be_mended() {
        // The message goes on for a megabyte; the failure comes with its fifth octet.
        let rest = if cfg!(miri) { 1 << 10 } else { 1 << 20 };
        let mut connection = server();
        let mut frame = masked(0x81, &[&b"abcd\xed\xa0"[..], &vec![b'x'; rest]].concat());
        frame.truncate(14 + 6);
        let mut watcher = Watcher::default();
        watcher.feed(&mut connection, &frame);
        assert_eq!(watcher.seen, [Seen::Failed(ProtocolError::InvalidUtf8)]);
    }

    #[test]
    fn binary_is_not_validated() {
        assert_eq!(server_sees(&masked(0x82, b"\xff\xfe")).0, [binary(b"\xff\xfe")]);
    }
}
