use sansws::{CloseCode, Event, Opcode, ProtocolError, SendError, State};

use crate::support::*;

mod section_7_1_closing {
    use super::*;

    /// A code that may not be sent becomes 1011.
    #[test]
    fn what_the_application_fails_with_is_the_code_that_is_sent() {
        for (code, sent) in [(1008, 1008), (4000, 4000), (1005, 1011), (1006, 1011), (0, 1011)] {
            let (mut connection, mut out) = (server(), Vec::new());
            connection.fail(CloseCode::new(code));
            connection.poll_transmit(&mut out).unwrap();
            assert_eq!(out, unmasked(0x88, &u16::to_be_bytes(sent)), "{code}");
            let error = ProtocolError::Application(CloseCode::new(code));
            assert_eq!(error.close_code(), CloseCode::new(sent));
        }
    }

    /// Rules R-5.5.1-c and R-5.5.1-d.
    #[test]
    fn the_server_closes_tcp_first_and_the_client_waits() {
        let (mut a, mut b, mut out) = (server(), client(), Vec::new());
        b.close(1000.into(), "", &mut out).unwrap();
        assert!(b.is_closing() && !b.should_close_transport());
        let reply = Watcher::default().feed(&mut a, &out);
        assert!(a.should_close_transport());
        Watcher::default().feed(&mut b, &reply);
        assert_eq!(b.state(), State::Closed);
        assert!(!b.should_close_transport(), "a client SHOULD wait for the server");
        b.receive_eof();
        assert!(b.should_close_transport() && b.was_clean());
    }

    /// Rule R-7.1.5-c.
    #[test]
    fn a_ping_that_looks_like_the_payload_of_a_close_is_none() {
        let mut connection = server();
        Watcher::default().feed(&mut connection, &masked(0x89, b"\x03\xe8bye"));
        connection.fail(CloseCode::new(1008));
        assert_eq!((connection.close_code().get(), connection.close_reason()), (1006, ""));
    }

    #[test]
    fn messages_can_be_sent_while_it_is_open_and_then_no_more() {
        let (mut a, mut b, mut out) = (server(), client(), Vec::new());
        assert!(a.can_send() && !a.is_closing());
        b.close(1000.into(), "", &mut out).unwrap();
        assert!(!b.can_send() && b.is_closing());
        let reply = Watcher::default().feed(&mut a, &out);
        assert!(!a.can_send() && a.is_closing());
        Watcher::default().feed(&mut b, &reply);
        assert!(!b.can_send() && b.is_closing());
    }

    #[test]
    fn the_transport_stays_until_the_owed_close_is_out() {
        let (mut connection, mut buffer) = (server(), masked(0x88, b""));
        assert!(connection.receive(&mut &mut buffer[..]).is_some());
        assert_eq!(connection.state(), State::CloseReceived);
        assert!(!connection.was_clean(), "not before our own Close is out");
        connection.receive_eof(); // the peer shut down its sending half only
        assert!(connection.wants_transmit() && !connection.should_close_transport());
        connection.poll_transmit(&mut Vec::new()).unwrap();
        assert!(connection.should_close_transport() && connection.was_clean());
    }

    /// Rules R-7.1.5-b and R-7.1.5-c.
    #[test]
    fn the_close_code_is_1006_without_a_close_frame_and_1005_without_a_code() {
        let mut connection = server();
        Watcher::default().feed(&mut connection, b"");
        let mut ping = masked(0x89, b"p");
        assert!(connection.receive(&mut &mut ping[..]).is_some());
        connection.receive_eof();
        assert!(!connection.wants_transmit(), "nobody is there to get the Pong");
        assert!(Watcher::default().feed(&mut connection, &masked(0x88, b"\x03\xe8")).is_empty());
        assert_eq!((connection.close_code().get(), connection.was_clean()), (1006, false));
        assert!(connection.should_close_transport());

        let mut connection = server();
        Watcher::default().feed(&mut connection, &masked(0x88, b""));
        assert_eq!((connection.close_code().get(), connection.was_clean()), (1005, true));
    }

    /// Rules R-7.1.5-c and R-7.1.6-a.
    #[test]
    fn a_close_that_was_cut_by_the_end_of_the_transport_was_not_received() {
        let mut connection = server();
        let close = masked(0x88, b"\x03\xe8bye");
        for cut in 0..close.len() {
            Watcher::default().feed(&mut connection, &close[..cut]);
            connection.receive_eof();
            assert_eq!(
                (connection.close_code().get(), connection.close_reason()),
                (1006, ""),
                "cut at {cut}"
            );
            connection = server();
        }
    }

    /// Rule R-7.1.7-b.
    #[test]
    fn a_layer_above_can_fail_the_connection() {
        let (mut connection, mut out) = (server(), Vec::new());
        connection.fail(CloseCode::new(1011));
        assert_eq!(connection.state(), State::Failed);
        assert_eq!(connection.failure(), Some(ProtocolError::Application(CloseCode::INTERNAL_ERROR)));
        assert!(!connection.should_close_transport(), "a Close is owed");
        connection.poll_transmit(&mut out).unwrap();
        assert_eq!(connection.state(), State::Failed);
        assert_eq!(out, unmasked(0x88, b"\x03\xf3"));
        assert!(connection.should_close_transport());
        assert!(Watcher::default().feed(&mut connection, &masked(0x81, b"x")).is_empty());
    }

    /// Rule R-7.4-a.
    #[test]
    fn a_failure_for_a_code_that_must_not_be_sent_says_1011() {
        for code in [1005, 1006, 1015, 0] {
            let (mut connection, mut out) = (server(), Vec::new());
            connection.fail(CloseCode::new(code));
            connection.poll_transmit(&mut out).unwrap();
            assert_eq!(out, unmasked(0x88, b"\x03\xf3"));
        }
        let mut connection = server();
        connection.close(1000.into(), "", &mut Vec::new()).unwrap();
        connection.fail(CloseCode::new(1011));
        assert_eq!(connection.state(), State::Failed);
        assert!(!connection.wants_transmit(), "a Close was sent already");
    }

    /// One last event: whoever passes events on reports one end, whatever a layer above thinks of it.
    #[test]
    fn a_failure_from_above_is_the_last_event_or_none() {
        let failed = |code| Some(Event::Failed(ProtocolError::Application(CloseCode::new(code))));
        let mut connection = server();
        assert_eq!(connection.fail(CloseCode::new(1008)), failed(1008));
        assert_eq!(connection.fail(CloseCode::new(1011)), None);
        assert_eq!(connection.failure(), Some(ProtocolError::Application(CloseCode::new(1008))));
        // After the peer's Close, its own failure, the end of the transport: there was a last event.
        for bytes in [masked(0x88, b""), masked(0x83, b"")] {
            let mut connection = server();
            Watcher::default().feed(&mut connection, &bytes);
            let before = connection.failure();
            assert_eq!(connection.fail(ProtocolError::InvalidDeflate), None);
            assert_eq!(connection.failure(), before);
        }
        let mut connection = server();
        connection.receive_eof();
        assert_eq!(connection.fail(ProtocolError::InvalidDeflate), None);
        // After our own Close it is one, and nothing is left to say.
        let mut connection = server();
        connection.close(1000.into(), "", &mut Vec::new()).unwrap();
        let error = ProtocolError::InvalidDeflate;
        assert_eq!(connection.fail(error), Some(Event::Failed(error)));
        assert!(!connection.wants_transmit() && connection.should_close_transport());
    }

    #[test]
    fn errors_of_extensions_name_their_document() {
        assert_eq!(ProtocolError::InvalidDeflate.document(), "RFC 7692");
        assert_eq!(ProtocolError::InvalidDeflate.close_code(), CloseCode::INVALID_PAYLOAD);
        assert!(ProtocolError::InvalidDeflate.to_string().ends_with("(RFC 7692 §7.2.2)"));
        assert_eq!(ProtocolError::MaskMissing.document(), "RFC 6455");
    }

    /// Rule R-5.5.1-b.
    #[test]
    fn the_answer_to_a_close_can_be_chosen() {
        let close = masked(0x88, b"\x03\xe8Client closing");
        for (answer, expected) in
            [(Some((4001, "moved")), unmasked(0x88, b"\x0f\xa1moved")), (None, unmasked(0x88, b""))]
        {
            let (mut connection, mut out, mut buffer) = (server(), Vec::new(), close.clone());
            assert!(connection.receive(&mut &mut buffer[..]).is_some());
            match answer {
                Some((code, reason)) => connection.close(code.into(), reason, &mut out).unwrap(),
                None => connection.close_without_status(&mut out).unwrap(),
            }
            assert_eq!(connection.state(), State::Closed);
            assert!(connection.was_clean() && connection.should_close_transport());
            assert_eq!(connection.close_reason(), "Client closing", "that of the Close received");
            // §5.5.1: one answer.
            connection.poll_transmit(&mut out).unwrap();
            assert_eq!(connection.close(1000.into(), "", &mut out), Err(SendError::NotOpen));
            assert_eq!(out, expected);
        }
    }

    /// §5.5.1: "An endpoint MAY delay sending a Close frame until its current message is sent".
    #[test]
    fn the_current_message_can_be_ended_before_the_close_is_answered() {
        let (mut connection, mut out) = (server(), Vec::new());
        connection.send_text_fragment("be", false, &mut out).unwrap();
        let mut close = masked(0x88, b"\x03\xe8");
        assert!(connection.receive(&mut &mut close[..]).is_some());
        assert_eq!(connection.send_text("another", &mut out), Err(SendError::NotOpen));
        assert_eq!(connection.send_binary_fragment(b"", true, &mut out), Err(SendError::MessageInProgress));
        connection.send_text_fragment("gun", false, &mut out).unwrap();
        connection.send_text_fragment("", true, &mut out).unwrap();
        assert_eq!(connection.send_text_fragment("more", true, &mut out), Err(SendError::NotOpen));
        connection.poll_transmit(&mut out).unwrap();
        assert!(connection.was_clean());
        let opcodes: Vec<_> = parse(&out).into_iter().map(|(opcode, fin, _)| (opcode, fin)).collect();
        let text = [(Opcode::Text, false), (Opcode::Continuation, false), (Opcode::Continuation, true)];
        assert_eq!(opcodes, [&text[..], &[(Opcode::Close, true)]].concat());

        // "The application MUST NOT send any more data frames after sending a Close frame."
        let (mut connection, mut out) = (server(), Vec::new());
        connection.send_text_fragment("a", false, &mut out).unwrap();
        Watcher::default().feed(&mut connection, &masked(0x88, b"\x03\xe8"));
        assert_eq!(connection.send_text_fragment("b", true, &mut out), Err(SendError::NotOpen));
    }

    #[test]
    fn what_failed_can_be_asked_for() {
        let mut connection = server();
        Watcher::default().feed(&mut connection, &unmasked(0x81, b"x"));
        assert_eq!(connection.failure(), Some(ProtocolError::MaskMissing));
        assert_eq!(connection.failure().map(ProtocolError::section), Some("5.1"));
    }

    /// Rule R-7.1.7-b.
    #[test]
    fn a_pong_that_is_owed_comes_before_the_close_of_a_failure() {
        let mut connection = server();
        let mut buffer = [masked(0x89, b"p"), unmasked(0x81, b"")].concat();
        let mut input = &mut buffer[..];
        while connection.receive(&mut input).is_some() {}
        let mut out = Vec::new();
        connection.poll_transmit(&mut out).unwrap();
        assert_eq!(out, [unmasked(0x8a, b"p"), unmasked(0x88, b"\x03\xea")].concat());
    }
}

mod section_7_4_status_codes {
    use super::*;

    /// Rule R-7.4-a.
    #[test]
    fn every_code_from_0_to_5000() {
        for code in (0..=5000_u16).step_by(if cfg!(miri) { 499 } else { 1 }) {
            let legal = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            let frame = masked(0x88, &code.to_be_bytes());
            let (mut connection, mut out) = (server(), Vec::new());
            if legal {
                assert_eq!(
                    Watcher::default().feed(&mut server(), &frame),
                    unmasked(0x88, &code.to_be_bytes())
                );
                connection.close(code.into(), "", &mut out).unwrap();
                assert_eq!(out, unmasked(0x88, &code.to_be_bytes()));
            } else {
                assert_server_fails(&frame, ProtocolError::InvalidCloseCode);
                assert_eq!(connection.close(code.into(), "", &mut out), Err(SendError::InvalidCloseCode));
                assert_eq!((connection.state(), out.len()), (State::Open, 0));
            }
        }
    }
}
