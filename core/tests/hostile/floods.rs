//! Very many very small things: each costs the peer a few bytes, and must cost us no more than that.

use sansws::{Assembler, Config, Connection, Event, ProtocolError, SliceOutput, State};

use crate::support::*;

/// Less under Miri, where it would take hours.
const MILLION: usize = if cfg!(miri) { 1000 } else { 1_000_000 };

/// Feeds `count` times the same frame, in reads of a thousand, to whom `f` watches over.
fn flood(connection: &mut Connection, frame: &[u8], count: usize, mut f: impl FnMut(&mut Connection)) {
    for _ in 0..count / 1000 {
        let mut bytes = frame.repeat(1000);
        let mut input = &mut bytes[..];
        while connection.receive(&mut input).is_some() {
            f(connection);
        }
    }
}

/// Attack A-09.
#[test]
#[cfg_attr(miri, ignore = "the limit is reached after half an hour")]
fn a_million_empty_continuations_are_a_policy_violation() {
    let (mut connection, mut watcher) = (server(), Watcher::default());
    let mut out = watcher.feed(&mut connection, &masked(0x02, b""));
    let empty = masked(0x00, b"").repeat(1000);
    for _ in 0..1000 {
        out.extend(watcher.feed(&mut connection, &empty));
    }
    assert_eq!(watcher.seen, [Seen::Failed(ProtocolError::TooManyFragments)]);
    assert_eq!(out, unmasked(0x88, &1008_u16.to_be_bytes()));
}

/// Attack A-09.
#[test]
fn without_a_limit_a_million_empty_continuations_leave_no_memory_behind() {
    let config = Config::new().max_fragments(u32::MAX);
    let (mut connection, mut messages) = (Connection::server(&config), Assembler::new());
    let mut bytes = [masked(0x02, b""), masked(0x00, b"").repeat(MILLION), masked(0x80, b"end")].concat();
    let mut input = &mut bytes[..];
    let message = messages.receive(&mut connection, &mut input);
    assert_eq!(message.map(|message| message.as_bytes().to_vec()), Some(b"end".to_vec()));
    assert!(messages.capacity() <= 64, "{} bytes", messages.capacity());
}

/// Attack A-09.
#[test]
fn fragments_of_one_byte_cost_what_they_bring() {
    let config = Config::new().max_fragments(u32::MAX);
    for (first, next) in [(0x01, 0x00), (0x02, 0x00)] {
        let (mut connection, mut messages) = (Connection::server(&config), Assembler::new());
        let mut bytes = [masked(first, b"a"), masked(next, b"a").repeat(MILLION)].concat();
        assert_eq!(messages.receive(&mut connection, &mut &mut bytes[..]), None);
        assert!(messages.capacity() <= 2 * (MILLION + 1) + 64, "{} bytes", messages.capacity());
    }
}

/// Attack A-10.
#[test]
fn a_million_pings_while_nothing_can_be_written_are_one_pong() {
    // It has nothing to free, and so owns nothing on the heap: whatever comes, it is as large as at the beginning.
    assert!(!core::mem::needs_drop::<Connection>());
    let mut connection = server();
    let mut nothing = [0; 0];
    flood(&mut connection, &masked(0x89, b"early"), MILLION, |connection| {
        assert!(connection.poll_transmit(&mut SliceOutput::new(&mut nothing)).is_err());
    });
    let mut last = masked(0x89, b"last");
    assert_eq!(connection.receive(&mut &mut last[..]), Some(Event::Ping(b"last")));
    let mut out = Vec::new();
    connection.poll_transmit(&mut out).unwrap();
    assert_eq!(out, unmasked(0x8a, b"last"));
    assert!(!connection.wants_transmit());
}

/// Attack A-10.
#[test]
fn a_million_pongs_are_nothing() {
    let mut connection = server();
    flood(&mut connection, &masked(0x8a, b"!"), MILLION, |connection| {
        assert!(!connection.wants_transmit());
    });
    assert_eq!(connection.state(), State::Open);
}

/// Attack A-10.
#[test]
fn pings_amid_a_message_that_never_ends_do_not_spoil_it() {
    let mut connection = server();
    let mut watcher = Watcher::default();
    watcher.feed(&mut connection, &masked(0x01, b"be"));
    flood(&mut connection, &masked(0x89, b"?"), MILLION.min(10_000), |_| {});
    let pong = watcher.feed(&mut connection, &masked(0x80, b"gin"));
    assert_eq!((watcher.seen, pong), (vec![text("begin")], unmasked(0x8a, b"?")));
}

/// Rule R-5.5.2-b. Attack A-10.
#[test]
fn pings_behind_a_close_are_not_even_looked_at() {
    for last in [masked(0x88, b"\x03\xe8"), masked(0x83, b"")] {
        let mut connection = server();
        let mut events = 0;
        flood(
            &mut connection,
            &[last, masked(0x89, b"late").repeat(9)].concat(),
            MILLION.min(10_000),
            |_| events += 1,
        );
        assert_eq!(events, 1);
        let mut out = Vec::new();
        connection.poll_transmit(&mut out).unwrap();
        assert_eq!(parse(&out).len(), 1, "the Close and no Pong");
    }
}
