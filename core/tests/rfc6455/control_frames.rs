use sansws::{CloseCode, Connection, MessageKind, Prepared, ProtocolError, SendError, SliceOutput, State};

use crate::support::*;

mod section_5_5_control_frames {
    use super::*;

    /// Rule R-5.5-a.
    #[test]
    fn must_have_a_payload_of_125_bytes_or_less() {
        for first in [0x88, 0x89, 0x8a] {
            assert_server_fails(&masked(first, &[b'x'; 126]), ProtocolError::ControlTooLong);
        }
        assert_eq!(server_sees(&masked(0x89, &[b'x'; 125])).0, [Seen::Ping(vec![b'x'; 125])]);
        let (mut connection, mut out) = (server(), Vec::new());
        assert_eq!(connection.send_ping(&[0; 126], &mut out), Err(SendError::ControlTooLong));
        assert_eq!(connection.send_pong(&[0; 126], &mut out), Err(SendError::ControlTooLong));
        assert!(out.is_empty());
    }

    /// Rule R-5.5-b.
    #[test]
    fn must_not_be_fragmented() {
        for first in [0x08, 0x09, 0x0a] {
            assert_server_fails(&masked(first, b""), ProtocolError::ControlFragmented);
        }
    }
}

mod section_5_5_1_close {
    use super::*;

    /// Rules R-5.5.1-b and R-7.1.5-a. Attack A-15.
    #[test]
    fn is_answered_once_with_its_status_code_and_reason() {
        let (seen, out) = server_sees(&[masked(0x88, b"\x03\xe9bye"), masked(0x88, b"\x03\xe8")].concat());
        assert_eq!(seen, [close(1001, "bye")]);
        assert_eq!(out, unmasked(0x88, b"\x03\xe9bye"));
    }

    /// Rule R-5.5.1-e. Attack A-15.
    #[test]
    fn without_a_payload_is_answered_without_one() {
        let (seen, out) = server_sees(&masked(0x88, b""));
        assert_eq!(seen, [Seen::Close(None)]);
        assert_eq!(out, unmasked(0x88, b""));
    }

    /// Rule R-5.5.1-b.
    #[test]
    fn after_our_own_is_not_answered_again_and_neither_is_a_failure() {
        for (frame, state) in [(masked(0x88, b"\x03\xe8"), State::Closed), (masked(0x83, b""), State::Failed)]
        {
            let (mut connection, mut watcher) = (server(), Watcher::default());
            connection.close(1000.into(), "", &mut Vec::new()).unwrap();
            assert!(watcher.feed(&mut connection, &frame).is_empty());
            assert_eq!(connection.state(), state);
            assert!(connection.should_close_transport());
        }
    }

    /// Rules R-5.5.1-c and R-5.5.2-b.
    #[test]
    fn after_our_own_leaves_no_pong_to_wait_for() {
        let ends = [(server as fn() -> Connection, true), (client, false)];
        for (connection, is_masked) in ends {
            let frame = if is_masked { masked } else { unmasked };
            for last in [frame(0x88, b"\x03\xe8"), frame(0x83, b""), Vec::new()] {
                let mut connection = connection();
                connection.close(1000.into(), "", &mut Vec::new()).unwrap();
                let mut bytes = [frame(0x89, &[7; 125]), last.clone()].concat();
                let mut input = &mut bytes[..];
                while connection.receive(&mut input).is_some() {}
                if last.is_empty() {
                    assert!(connection.wants_transmit(), "the peer's Close has not come");
                    connection.fail(CloseCode::new(1011));
                }
                assert!(!connection.wants_transmit());
                let waits = connection.state() == State::Closed && !is_masked;
                assert_eq!(connection.should_close_transport(), !waits, "a client waits for the server");
                let mut out = Vec::new();
                connection.poll_transmit(&mut out).unwrap();
                assert!(out.is_empty());
            }
        }
    }

    #[test]
    fn does_not_wait_for_a_pong_that_does_not_fit() {
        for last in [masked(0x88, b"\x03\xe8"), unmasked(0x81, b"x")] {
            let mut connection = server();
            let mut bytes = [masked(0x89, &[7; 125]), last].concat();
            let mut input = &mut bytes[..];
            while connection.receive(&mut input).is_some() {}
            let mut tx = [0; 64];
            let mut out = SliceOutput::new(&mut tx);
            connection.poll_transmit(&mut out).unwrap();
            assert_eq!(out.filled()[0], 0x88);
            assert!(connection.should_close_transport());
        }
    }

    /// Rule R-5.5.1-e.
    #[test]
    fn with_one_byte_of_payload_fails_the_connection() {
        assert_server_fails(&masked(0x88, b"\x03"), ProtocolError::InvalidCloseLength);
    }

    /// Rule R-5.5.1-f.
    #[test]
    fn has_a_reason_in_utf8() {
        assert_eq!(server_sees(&masked(0x88, b"\x03\xe8\xc3\xa9")).0, [close(1000, "é")]);
        for reason in [&b"\x03\xe8\xff"[..], b"\x03\xe8\xed\xa0\x80", b"\x03\xe8\xc3"] {
            assert_server_fails(&masked(0x88, reason), ProtocolError::InvalidCloseReason);
        }
    }

    /// Rule R-5.5.1-a.
    #[test]
    fn forbids_further_data_frames() {
        let (mut connection, mut out) = (server(), Vec::new());
        connection.close(1000.into(), "", &mut out).unwrap();
        let sent = out.clone();
        assert_eq!(connection.send_text("x", &mut out), Err(SendError::NotOpen));
        assert_eq!(connection.send_binary_fragment(b"x", true, &mut out), Err(SendError::NotOpen));
        assert_eq!(connection.send_ping(b"", &mut out), Err(SendError::NotOpen));
        assert_eq!(connection.send_prepared(&Prepared::text("x"), &mut out), Err(SendError::NotOpen));
        assert_eq!(connection.frame_header(MessageKind::Text, 1), Err(SendError::NotOpen));
        assert_eq!(connection.close(1000.into(), "", &mut out), Err(SendError::NotOpen));
        assert_eq!(connection.close_without_status(&mut out), Err(SendError::NotOpen));
        assert_eq!(out, sent);
    }

    /// Rule R-6.1-a.
    #[test]
    fn cuts_short_a_message_that_is_being_sent() {
        let (mut connection, mut out) = (server(), Vec::new());
        connection.send_text_fragment("a", false, &mut out).unwrap();
        let mut watcher = Watcher::default();
        let reply = watcher.feed(&mut connection, &masked(0x88, b"\x03\xe8"));
        assert_eq!(reply, unmasked(0x88, b"\x03\xe8"));
        assert_eq!(connection.send_text_fragment("b", true, &mut out), Err(SendError::NotOpen));
    }

    /// Rule R-5.5.2-b.
    #[test]
    fn messages_still_arrive_until_the_peer_closes_too() {
        let (mut connection, mut out) = (server(), Vec::new());
        connection.close(1000.into(), "", &mut out).unwrap();
        let mut watcher = Watcher::default();
        let stream = [masked(0x81, b"late"), masked(0x89, b"p"), masked(0x88, b"\x03\xe8")].concat();
        // §5.5.2: a Ping is answered "unless it already received a Close frame".
        assert_eq!(watcher.feed(&mut connection, &stream), unmasked(0x8a, b"p"));
        assert_eq!(watcher.seen, [text("late"), Seen::Ping(b"p".into()), close(1000, "")]);
        assert_eq!(connection.state(), State::Closed);
    }

    /// Rule R-5.5.1-h.
    #[test]
    fn by_both_at_once_is_clean_and_sends_no_second_close() {
        let (mut a, mut b) = (server(), client());
        let (mut from_a, mut from_b) = (Vec::new(), Vec::new());
        a.close(3000.into(), "a", &mut from_a).unwrap();
        b.close(4999.into(), "b", &mut from_b).unwrap();
        assert!(Watcher::default().feed(&mut a, &from_b).is_empty());
        assert!(Watcher::default().feed(&mut b, &from_a).is_empty());
        assert_eq!((a.close_code().get(), a.close_reason(), a.was_clean()), (4999, "b", true));
        assert_eq!((b.close_code().get(), b.close_reason(), b.was_clean()), (3000, "a", true));
    }

    /// Attack A-15.
    #[test]
    fn a_reason_has_at_most_123_bytes() {
        let (mut connection, mut out) = (server(), Vec::new());
        assert_eq!(connection.close(1000.into(), &"é".repeat(62), &mut out), Err(SendError::ReasonTooLong));
        assert_eq!((connection.state(), out.len()), (State::Open, 0));
        connection.close(1000.into(), &"x".repeat(123), &mut out).unwrap();
        assert_eq!(client_sees(&out).0, [close(1000, &"x".repeat(123))]);
    }
}

mod section_5_5_2_ping_and_5_5_3_pong {
    use super::*;

    /// Rule R-5.5.2-a.
    #[test]
    fn a_pong_has_the_payload_of_its_ping() {
        for payload in [&b""[..], b"x", &[0xff; 125]] {
            let (seen, out) = server_sees(&masked(0x89, payload));
            assert_eq!(seen, [Seen::Ping(payload.into())]);
            assert_eq!(out, unmasked(0x8a, payload));
        }
    }

    /// Rule R-5.5.2-c.
    #[test]
    fn the_most_recent_ping_is_answered_if_several_are_pending() {
        let mut connection = server();
        let mut buffer = [masked(0x89, b"first"), masked(0x89, b"second"), masked(0x8a, b"noise")].concat();
        let mut input = &mut buffer[..];
        while connection.receive(&mut input).is_some() {}
        let mut out = Vec::new();
        connection.poll_transmit(&mut out).unwrap();
        assert_eq!(out, unmasked(0x8a, b"second"));
        assert!(!connection.wants_transmit());
    }

    /// Rule R-5.5.3-a.
    #[test]
    fn an_unsolicited_pong_is_not_answered() {
        let (seen, out) = server_sees(&masked(0x8a, b"alive"));
        assert_eq!(seen, [Seen::Pong(b"alive".into())]);
        assert!(out.is_empty());
    }
}
