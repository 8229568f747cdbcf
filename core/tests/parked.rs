//! The small form of a connection: it is small, and nothing can tell that a connection was in it.

mod support;

use core::mem::size_of;

use proptest::prelude::*;
use sansws::{Config, Connection, Parked, Role};
use support::*;

#[test]
fn it_is_small() {
    assert!(size_of::<Parked>() <= 32, "{}", size_of::<Parked>());
    assert!(size_of::<Connection>() <= 368, "{}", size_of::<Connection>());
}

#[test]
fn it_keeps_role_limits_and_extension() {
    let config = Config::new().max_message_len(3).compression(true);
    for (connection, role) in
        [(Connection::server(&config), Role::Server), (Connection::client(&config, || KEY), Role::Client)]
    {
        let parked = connection.park().expect("idle");
        assert_eq!(parked.role(), role);
        let mut connection = parked.unpark();
        assert_eq!(connection.role(), role);
        let frame = if role == Role::Server { masked } else { unmasked };
        let mut out = connection.clone();
        let failed = Watcher::default().feed(&mut out, &frame(0x81, b"four"));
        assert_eq!(parse(&failed)[0].2, 1009_u16.to_be_bytes(), "the limit");
        let compressed = Watcher::default().feed(&mut connection, &frame(0xc1, b"abc"));
        assert!(compressed.is_empty(), "RSV1 is allowed");
    }
}

#[test]
fn whoever_is_not_idle_is_not_parked() {
    let fed = |bytes: &[u8]| {
        let (mut connection, mut buffer) = (server(), bytes.to_vec());
        let mut input = &mut buffer[..];
        while connection.receive(&mut input).is_some() {}
        connection
    };
    assert!(fed(&masked(0x81, b"whole")).park().is_ok());
    for (what, connection) in [
        ("part of a header", fed(&[0x81])),
        ("part of a payload", fed(&masked(0x81, b"text")[..8])),
        ("part of a message", fed(&masked(0x01, b"text"))),
        ("part of a control frame", fed(&masked(0x89, b"ping")[..8])),
        ("a Pong that is owed", fed(&masked(0x89, b"ping"))),
        ("a Close that is owed", fed(&masked(0x88, b""))),
        ("a failure", fed(&unmasked(0x81, b""))),
    ] {
        assert!(!connection.is_idle(), "{what}");
        assert!(connection.park().is_err(), "{what}");
    }
    let mut sending = server();
    sending.send_text_fragment("a", false, &mut Vec::new()).unwrap();
    assert!(sending.park().is_err());
    let mut ended = server();
    ended.receive_eof();
    assert!(ended.park().is_err());
}

proptest! {
    /// At every cut of a stream.
    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn nothing_tells_that_a_connection_was_parked(
        frames in prop::collection::vec(
            (prop::sample::select(vec![0x81, 0x82, 0x01, 0x80, 0x89, 0x8a]), prop::collection::vec(0..0x80_u8, 0..300)),
            0..10,
        ),
        cut in 1..400_usize,
    ) {
        let stream: Vec<u8> = frames
            .iter()
            .flat_map(|(first, payload)| masked(*first, &payload[..payload.len().min(125)]))
            .collect();
        let (mut plain, mut seen) = (server(), Watcher::default());
        let (mut table, mut seen_parked, mut parked) = (Some(server().park()), Watcher::default(), 0);
        for read in stream.chunks(cut) {
            let out = seen.feed(&mut plain, read);
            let mut connection = match table.take().unwrap() {
                Ok(idle) => {
                    parked += 1;
                    idle.unpark()
                }
                Err(busy) => busy,
            };
            prop_assert_eq!(seen_parked.feed(&mut connection, read), out);
            table = Some(connection.park());
        }
        prop_assert!(stream.is_empty() || parked > 0);
        prop_assert_eq!(seen.seen, seen_parked.seen);
    }
}
