use sansws::{ProtocolError, SendError, State};

use crate::support::*;

mod section_7_1_closing {
    use super::*;

    /// Rules R-5.5.1-c and R-5.5.1-d.
    #[test]
    fn the_server_closes_tcp_first_and_the_client_waits() {
        let (mut a, mut b, mut out) = (server(), client(), Vec::new());
        b.close(1000.into(), "", &mut out).unwrap();
        assert!(b.close_expected() && !b.should_close_transport());
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
        connection.fail(1008.into());
        assert_eq!((connection.close_code().get(), connection.close_reason()), (1006, ""));
    }

    #[test]
    fn messages_can_be_sent_while_it_is_open_and_then_no_more() {
        let (mut a, mut b, mut out) = (server(), client(), Vec::new());
        assert!(a.can_send() && !a.close_expected());
        b.close(1000.into(), "", &mut out).unwrap();
        assert!(!b.can_send() && b.close_expected());
        let reply = Watcher::default().feed(&mut a, &out);
        assert!(!a.can_send() && a.close_expected());
        Watcher::default().feed(&mut b, &reply);
        assert!(!b.can_send() && b.close_expected());
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
        connection.fail(1011.into());
        assert_eq!((connection.state(), connection.failure()), (State::Failed, None));
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
            connection.fail(code.into());
            connection.poll_transmit(&mut out).unwrap();
            assert_eq!(out, unmasked(0x88, b"\x03\xf3"));
        }
        let mut connection = server();
        connection.close(1000.into(), "", &mut Vec::new()).unwrap();
        connection.fail(1011.into());
        assert_eq!(connection.state(), State::Failed);
        assert!(!connection.wants_transmit(), "a Close was sent already");
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
        while let Some(event) = connection.receive(&mut input) {
            drop(event);
        }
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
