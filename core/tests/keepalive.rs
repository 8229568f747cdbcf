//! Deadlines in virtual time: RFC 6455 §5.5.2 (Ping), §7.1.1 (closing handshake).

use core::mem::size_of;
use core::time::Duration;

use proptest::prelude::*;
use sansws::{Expired, KeepAlive, Timeouts};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn timeouts() -> Timeouts {
    all(s(10), Some(s(30)), s(60), s(20), None, s(5))
}

fn all(
    handshake: Duration,
    ping_interval: Option<Duration>,
    write: Duration,
    pong: Duration,
    idle: Option<Duration>,
    close: Duration,
) -> Timeouts {
    let timeouts = Timeouts::new().handshake(handshake).ping_interval(ping_interval).write(write);
    timeouts.pong(pong).idle(idle).close(close)
}

fn open_at(now: Duration) -> KeepAlive {
    let mut alive = KeepAlive::new(now);
    alive.opened(now);
    alive
}

#[test]
fn it_is_small() {
    assert!(size_of::<KeepAlive>() <= 24, "{}", size_of::<KeepAlive>());
}

#[test]
fn defaults() {
    assert_eq!(Timeouts::default(), timeouts());
}

/// Attack A-02.
#[test]
fn the_opening_handshake_has_one_deadline_however_many_bytes_trickle_in() {
    let t = timeouts();
    let mut alive = KeepAlive::new(s(100));
    for at in 100..110 {
        alive.received(s(at));
        assert_eq!(alive.poll_timeout(&t), Some(s(110)));
        assert_eq!(alive.handle_timeout(s(at), &t), None);
    }
    assert_eq!(alive.handle_timeout(s(110), &t), Some(Expired::Handshake));
    assert_eq!(alive.handle_timeout(s(999), &t), None);
    assert_eq!(alive.poll_timeout(&t), None);
    alive.opened(s(111));
    assert_eq!(alive.poll_timeout(&t), None);
}

#[test]
fn a_ping_is_due_after_silence_and_any_byte_ends_silence() {
    let t = timeouts();
    let mut alive = open_at(s(0));
    alive.received(s(29));
    assert_eq!(alive.handle_timeout(s(30), &t), None);
    assert_eq!(alive.poll_timeout(&t), Some(s(59)));
    assert_eq!(alive.handle_timeout(s(59), &t), Some(Expired::PingDue));
    assert_eq!(alive.handle_timeout(s(59), &t), None);
}

#[test]
fn the_deadline_for_the_pong_counts_from_write_completion() {
    let t = timeouts();
    let mut alive = open_at(s(0));
    assert_eq!(alive.handle_timeout(s(30), &t), Some(Expired::PingDue));
    // Behind data in the queue, for very long.
    for at in (31..500).step_by(59) {
        alive.written(s(at));
        assert_eq!(alive.poll_timeout(&t), Some(s(at + 60)));
    }
    alive.ping_written(s(500));
    assert_eq!(alive.poll_timeout(&t), Some(s(520)));
    assert_eq!(alive.handle_timeout(s(519), &t), None);
    assert_eq!(alive.handle_timeout(s(520), &t), Some(Expired::Pong));
    assert_eq!(alive.poll_timeout(&t), None);
}

/// A peer whose receive window stays closed: nothing that it sends ends the wait.
#[test]
fn a_ping_that_cannot_be_written_has_a_deadline_too() {
    let t = timeouts();
    let mut alive = open_at(s(0));
    assert_eq!(alive.handle_timeout(s(30), &t), Some(Expired::PingDue));
    assert_eq!(alive.poll_timeout(&t), Some(s(90)));
    alive.received(s(80));
    assert_eq!(alive.handle_timeout(s(89), &t), None);
    assert_eq!(alive.handle_timeout(s(90), &t), Some(Expired::Write));
    assert_eq!(alive.poll_timeout(&t), None);
    alive.closing(s(90));
    assert_eq!(alive.poll_timeout(&t), Some(s(95)));
    // Bytes that the transport takes while no Ping waits change nothing.
    let mut alive = open_at(s(0));
    alive.written(s(10));
    assert_eq!(alive.poll_timeout(&t), Some(s(30)));
}

#[test]
fn any_byte_answers_a_ping() {
    let t = timeouts();
    let mut alive = open_at(s(0));
    assert_eq!(alive.handle_timeout(s(30), &t), Some(Expired::PingDue));
    alive.ping_written(s(30));
    alive.received(s(49));
    assert_eq!(alive.handle_timeout(s(50), &t), None);
    assert_eq!(alive.poll_timeout(&t), Some(s(79)));
}

#[test]
fn no_second_ping_is_due_while_one_is_on_its_way() {
    let t = timeouts();
    let mut alive = open_at(s(0));
    assert_eq!(alive.handle_timeout(s(30), &t), Some(Expired::PingDue));
    // Not written yet: a byte that arrives is no answer to it.
    alive.received(s(31));
    assert_eq!(alive.handle_timeout(s(89), &t), None);
    alive.ping_written(s(89));
    assert_eq!(alive.poll_timeout(&t), Some(s(109)));
    // The application pings as well: the peer gets no more time by it.
    alive.ping_written(s(108));
    assert_eq!(alive.handle_timeout(s(109), &t), Some(Expired::Pong));
}

#[test]
fn the_applications_own_ping_has_a_deadline_too() {
    let t = timeouts();
    let mut alive = open_at(s(0));
    alive.ping_written(s(3));
    assert_eq!(alive.poll_timeout(&t), Some(s(23)));
    alive.received(s(4));
    assert_eq!(alive.poll_timeout(&t), Some(s(34)));
}

#[test]
fn idle_runs_whether_or_not_a_ping_is_on_its_way() {
    let t = timeouts().idle(Some(s(40)));
    let mut alive = open_at(s(0));
    assert_eq!(alive.handle_timeout(s(30), &t), Some(Expired::PingDue));
    assert_eq!(alive.poll_timeout(&t), Some(s(40)));
    alive.ping_written(s(31));
    assert_eq!(alive.poll_timeout(&t), Some(s(40)));
    assert_eq!(alive.handle_timeout(s(40), &t), Some(Expired::Idle));
    assert_eq!(alive.handle_timeout(s(400), &t), None);
}

#[test]
fn the_most_serious_comes_first() {
    let t = timeouts().idle(Some(s(40)));
    let mut alive = open_at(s(0));
    assert_eq!(alive.handle_timeout(s(1000), &t), Some(Expired::Idle));
    let mut alive = open_at(s(0));
    alive.ping_written(s(1));
    assert_eq!(alive.handle_timeout(s(1000), &t), Some(Expired::Pong));
}

#[test]
fn the_closing_deadline_starts_once_and_is_not_moved() {
    let t = timeouts();
    let mut alive = open_at(s(0));
    alive.ping_written(s(1));
    alive.closing(s(2));
    for at in 2..7 {
        alive.closing(s(at));
        alive.received(s(at));
        alive.ping_written(s(at));
        assert_eq!(alive.poll_timeout(&t), Some(s(7)));
        assert_eq!(alive.handle_timeout(s(at), &t), None);
    }
    assert_eq!(alive.handle_timeout(s(7), &t), Some(Expired::Close));
    alive.closing(s(8));
    assert_eq!(alive.poll_timeout(&t), None);
    assert_eq!(alive.handle_timeout(s(1000), &t), None);
}

#[test]
fn a_peer_given_up_may_still_get_a_closing_handshake() {
    let t = timeouts().idle(Some(s(40)));
    let mut alive = open_at(s(0));
    assert_eq!(alive.handle_timeout(s(40), &t), Some(Expired::Idle));
    alive.closing(s(40));
    assert_eq!(alive.handle_timeout(s(45), &t), Some(Expired::Close));
}

#[test]
fn none_zero_and_what_cannot_be_represented_are_off() {
    let zero = Duration::ZERO;
    // A second would be left of it in 64 bits of nanoseconds.
    let beyond = Duration::from_nanos(u64::MAX) + s(1);
    let off = [
        all(zero, None, zero, zero, None, zero),
        all(zero, Some(zero), zero, zero, Some(zero), zero),
        all(
            Duration::MAX,
            Some(Duration::MAX),
            Duration::MAX,
            Duration::MAX,
            Some(Duration::MAX),
            Duration::MAX,
        ),
        all(beyond, Some(beyond), beyond, beyond, Some(beyond), beyond),
    ];
    for t in off {
        let mut alive = KeepAlive::new(s(1));
        assert_eq!(alive.poll_timeout(&t), None);
        alive.opened(s(1));
        assert_eq!(alive.poll_timeout(&t), None);
        alive.ping_written(s(1));
        assert_eq!(alive.poll_timeout(&t), None);
        alive.closing(s(1));
        assert_eq!(alive.poll_timeout(&t), None);
        assert_eq!(alive.handle_timeout(Duration::MAX, &t), None);
    }
}

#[test]
fn time_that_runs_backwards_only_delays() {
    let t = timeouts();
    let mut alive = open_at(s(100));
    alive.received(s(50));
    assert_eq!(alive.handle_timeout(s(60), &t), None);
    assert_eq!(alive.poll_timeout(&t), Some(s(130)));

    let mut alive = KeepAlive::new(s(100));
    alive.opened(s(10));
    assert_eq!(alive.poll_timeout(&t), Some(s(130)));
    // A Ping is due, and the clock is set back before it is written, and again before it is answered.
    assert_eq!(alive.handle_timeout(s(131), &t), Some(Expired::PingDue));
    alive.ping_written(s(20));
    assert_eq!(alive.poll_timeout(&t), Some(s(151)));
    alive.received(s(30));
    assert_eq!(alive.poll_timeout(&t), Some(s(161)));
    alive.ping_written(s(40));
    assert_eq!(alive.poll_timeout(&t), Some(s(151)));

    // Before each way to the closing handshake.
    for mut alive in [KeepAlive::new(s(100)), open_at(s(100))] {
        alive.closing(s(10));
        assert_eq!(alive.handle_timeout(s(101), &t), None);
        assert_eq!(alive.poll_timeout(&t), Some(s(105)));
    }
    let mut alive = open_at(s(100));
    alive.ping_written(s(110));
    alive.closing(s(10));
    assert_eq!(alive.poll_timeout(&t), Some(s(115)));
    let mut alive = KeepAlive::new(s(100));
    assert_eq!(alive.handle_timeout(s(111), &t), Some(Expired::Handshake));
    alive.closing(s(10));
    assert_eq!(alive.poll_timeout(&t), Some(s(116)));
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Opened,
    Received,
    PingWritten,
    Written,
    Closing,
    Wait(Duration),
    /// The clock is set back.
    Back(Duration),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Opened),
        4 => Just(Step::Received),
        4 => Just(Step::PingWritten),
        2 => Just(Step::Written),
        1 => Just(Step::Closing),
        8 => duration().prop_map(Step::Wait),
        2 => duration().prop_map(Step::Back),
    ]
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0_u64..100_000_000_000).prop_map(Duration::from_nanos)
    ]
}

fn any_timeouts() -> impl Strategy<Value = Timeouts> {
    let optional = || proptest::option::of(duration());
    (duration(), optional(), duration(), duration(), optional(), duration()).prop_map(
        |(handshake, ping, write, pong, idle, close)| all(handshake, ping, write, pong, idle, close),
    )
}

proptest! {
    #[test]
    #[cfg_attr(miri, ignore = "a case takes a minute")]
    fn a_timeout_that_is_polled_is_handled_and_never_twice(
        t in any_timeouts(), steps in proptest::collection::vec(step(), 0..50),
    ) {
        let mut now = s(1_000);
        let mut alive = KeepAlive::new(now);
        // One to whom everything happens no earlier than what happened to the first before.
        let (mut twin, mut last) = (alive.clone(), now);
        for step in steps {
            let before = format!("{alive:?}");
            for (alive, now) in [(&mut alive, now), (&mut twin, now.max(last))] {
                match step {
                    Step::Opened => alive.opened(now),
                    Step::Received => alive.received(now),
                    Step::PingWritten => alive.ping_written(now),
                    Step::Written => alive.written(now),
                    Step::Closing => alive.closing(now),
                    Step::Wait(_) | Step::Back(_) => {}
                }
            }
            if format!("{alive:?}") != before {
                last = last.max(now);
            }
            prop_assert_eq!(format!("{:?}", alive), format!("{:?}", twin));
            match step {
                Step::Wait(time) => now = now.saturating_add(time),
                Step::Back(time) => now = now.saturating_sub(time),
                _ => {}
            }
            // Every deadline there is, one after the other, on a copy: progress each time, and soon an end.
            let mut ahead = alive.clone();
            for round in 0.. {
                prop_assert!(round < 4, "no end: {ahead:?}");
                let Some(at) = ahead.poll_timeout(&t) else { break };
                if at > Duration::ZERO {
                    prop_assert_eq!(ahead.handle_timeout(at - Duration::from_nanos(1), &t), None);
                }
                prop_assert!(ahead.handle_timeout(at, &t).is_some(), "refused at {:?}: {:?}", at, ahead);
            }
            // And at this moment.
            let expired = alive.handle_timeout(now, &t);
            prop_assert_eq!(twin.handle_timeout(now, &t), expired);
            if expired.is_some() {
                last = last.max(now);
                prop_assert_eq!(alive.handle_timeout(now, &t), None);
            }
        }
    }
}
