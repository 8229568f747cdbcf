use std::cell::Cell;

use sansws::{Config, Connection, FnKeys, MaskingKey, MaskingKeys, SendError, SliceOutput, State};

use crate::support::*;

mod section_5_3_client_to_server_masking {
    use super::*;

    /// Predictable, as no real source may be.
    #[derive(Clone)]
    struct Counter(u32);

    impl MaskingKeys for Counter {
        fn next_key(&mut self) -> Option<MaskingKey> {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some(self.0.to_be_bytes())
        }
    }

    fn seeded(seed: u32) -> Connection<Counter> {
        Connection::with_masking_keys(&Config::default(), Some(Counter(seed)))
    }

    #[test]
    fn a_source_may_be_borrowed() {
        let mut keys = Counter(7);
        let (mut connection, mut out) =
            (Connection::with_masking_keys(&Config::default(), Some(&mut keys)), Vec::new());
        connection.send_binary(b"abc", &mut out).unwrap();
        let key = Counter(7).next_key();
        assert_eq!(out, frame(0x82, key, b"abc"));
        assert_ne!(keys.next_key(), key, "it has been drawn from");
    }

    #[test]
    fn the_bytes_of_one_connection_do_not_depend_on_what_another_sends() {
        let alone = |seed| {
            let (mut connection, mut out) = (seeded(seed), Vec::new());
            for i in 0..10 {
                connection.send_binary(&[i; 20], &mut out).unwrap();
            }
            out
        };
        let (mut a, mut b) = (seeded(1), seeded(2));
        let (mut to_a, mut to_b) = (Vec::new(), Vec::new());
        for i in 0..10 {
            for _ in 0..i {
                b.send_ping(b"between", &mut Vec::new()).unwrap();
            }
            a.send_binary(&[i; 20], &mut to_a).unwrap();
        }
        let mut b = seeded(2);
        for i in 0..10 {
            b.send_binary(&[i; 20], &mut to_b).unwrap();
        }
        assert_eq!((to_a, to_b), (alone(1), alone(2)));
        assert_ne!(alone(1), alone(2));
    }

    #[test]
    fn a_copy_of_a_connection_sends_what_the_original_would() {
        let mut connection = seeded(7);
        connection.send_text_fragment("a", false, &mut Vec::new()).unwrap();
        let mut copy = connection.clone();
        let (mut out, mut copied) = (Vec::new(), Vec::new());
        connection.send_text_fragment("b", true, &mut out).unwrap();
        copy.send_text_fragment("b", true, &mut copied).unwrap();
        assert_eq!(out, copied);
    }

    #[test]
    fn a_key_is_drawn_for_a_frame_that_is_written_and_for_no_other() {
        let drawn = Cell::new(0);
        let keys = FnKeys(|| {
            drawn.set(drawn.get() + 1);
            KEY
        });
        let mut connection = Connection::with_masking_keys(&Config::default(), Some(keys));
        let mut bytes = [0; 20];
        let mut out = SliceOutput::new(&mut bytes);
        assert_eq!(connection.send_text(&"a".repeat(30), &mut out), Err(SendError::OutputFull));
        assert_eq!(connection.send_ping(&[0; 126], &mut out), Err(SendError::ControlTooLong));
        connection.send_text_fragment("a", false, &mut out).unwrap();
        assert_eq!(connection.send_text("a", &mut out), Err(SendError::MessageInProgress));
        assert!(connection.frame_header(sansws::MessageKind::Text, 1).is_err());
        assert!(connection.fragment_header(sansws::MessageKind::Text, u64::MAX, true).is_err());
        assert_eq!(drawn.get(), 1);
        connection.close(1000.into(), "", &mut out).unwrap();
        assert_eq!(connection.send_text("a", &mut out), Err(SendError::NotOpen));
        assert_eq!(drawn.get(), 2);
    }

    /// Works once it is ready.
    struct Hardware(Option<MaskingKey>);

    impl MaskingKeys for Hardware {
        fn next_key(&mut self) -> Option<MaskingKey> {
            self.0.take()
        }
    }

    #[test]
    fn without_a_key_nothing_is_sent_and_nothing_changes() {
        let mut connection = Connection::with_masking_keys(&Config::default(), Some(Hardware(None)));
        let mut out = Vec::new();
        assert_eq!(connection.send_text("a", &mut out), Err(SendError::NoMaskingKey));
        assert_eq!(connection.send_text_fragment("a", false, &mut out), Err(SendError::NoMaskingKey));
        assert!(connection.frame_header(sansws::MessageKind::Text, 1).is_err());
        assert_eq!(connection.close(1000.into(), "", &mut out), Err(SendError::NoMaskingKey));
        assert_eq!((connection.state(), out.len()), (State::Open, 0));
        // What is owed stays owed, until there is one.
        let mut close = unmasked(0x88, b"\x03\xe8bye");
        assert!(connection.receive(&mut &mut close[..]).is_some());
        assert_eq!(connection.poll_transmit(&mut out), Err(SendError::NoMaskingKey));
        assert!(out.is_empty() && connection.wants_transmit());

        let mut connection = Connection::with_masking_keys(&Config::default(), Some(Hardware(Some(KEY))));
        connection.send_text("a", &mut out).unwrap();
        assert_eq!(out, masked(0x81, b"a"));
        assert_eq!(connection.send_text("a", &mut out), Err(SendError::NoMaskingKey));
    }

    /// A table holds connections of one type, whatever opened them.
    #[test]
    fn the_source_of_a_connection_can_be_changed() {
        type Any = Connection<Box<dyn MaskingKeys>>;
        let mut sending = client();
        sending.send_text_fragment("a", false, &mut Vec::new()).unwrap();
        let table: [Any; 2] = [
            sending.map_masking_keys(|keys| Box::new(keys) as _),
            server().map_masking_keys(|_| unreachable!("a server has none")),
        ];
        for (mut connection, expected) in table.into_iter().zip([masked(0x80, b"b"), unmasked(0x82, b"b")]) {
            let mut out = Vec::new();
            match connection.role() {
                sansws::Role::Client => connection.send_text_fragment("b", true, &mut out).unwrap(),
                sansws::Role::Server => connection.send_binary(b"b", &mut out).unwrap(),
            }
            assert_eq!(out, expected);
            assert_eq!(connection.config(), &Config::default());
        }
    }

    #[cfg(feature = "chacha")]
    #[test]
    fn the_seed_decides_the_keys_of_the_ready_made_source() {
        let keys = |seed: u8| {
            let mut source = sansws::ChaChaKeys::new([seed; 32]);
            core::array::from_fn::<_, 1000, _>(|_| source.next_key().unwrap())
        };
        assert_eq!(keys(1), keys(1));
        assert_ne!(keys(1), keys(2));
        let distinct: std::collections::BTreeSet<_> = keys(1).into_iter().collect();
        assert!(distinct.len() > 998, "fresh for each frame");
    }
}
