//! Which address of a server is tried when, in the manner of RFC 8305 ("happy eyeballs"). Without
//! sockets and without a clock.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// RFC 8305 §5: "One recommended value for a default delay is 250 milliseconds."
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Addresses of one server that are tried; a name with more has the rest ignored.
pub(crate) const MAX_ADDRESSES: usize = 8;

/// The race between the addresses of one server.
///
/// Ask [`next`](Self::next) for attempts to start until it has none, then again at
/// [`poll_timeout`](Self::poll_timeout), after each [`failed`](Self::failed), and when an attempt
/// that had to wait may start. The first attempt that connects wins, and the caller abandons the
/// others.
#[derive(Debug)]
pub(crate) struct Eyeballs {
    untried: VecDeque<SocketAddr>,
    /// Attempts whose time came, and which may not start yet.
    waiting: Vec<SocketAddr>,
    /// Attempts that have neither connected nor failed; those that wait are among them.
    running: usize,
    /// When the next attempt starts, however the running ones go. `None`: now.
    next_at: Option<Duration>,
}

impl Eyeballs {
    /// A race between these addresses, in this order; see [`interleave`].
    pub(crate) fn new(addresses: &[SocketAddr]) -> Self {
        let untried = addresses.iter().copied().take(MAX_ADDRESSES).collect();
        Self { untried, waiting: Vec::new(), running: 0, next_at: None }
    }

    /// The next attempt to be started now. One that `may_start` forbids waits, and delays the next
    /// one no longer than one that is silent.
    pub(crate) fn next(
        &mut self,
        now: Duration,
        mut may_start: impl FnMut(&SocketAddr) -> bool,
    ) -> Option<SocketAddr> {
        if let Some(at) = self.waiting.iter().position(&mut may_start) {
            return Some(self.waiting.remove(at));
        }
        // §5: "starting connection attempts … one at a time … with a delay in between".
        if self.next_at.is_some_and(|at| at > now) {
            return None;
        }
        let address = self.untried.pop_front()?;
        self.running += 1;
        self.next_at = Some(now.saturating_add(ATTEMPT_DELAY));
        if !may_start(&address) {
            self.waiting.push(address);
            return None;
        }
        Some(address)
    }

    /// An attempt has failed. §5: "If the connection attempt fails … the next connection attempt"
    /// need not wait.
    pub(crate) fn failed(&mut self) {
        self.running = self.running.saturating_sub(1);
        self.next_at = None;
    }

    /// When to ask for the next attempt.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        if self.untried.is_empty() { None } else { self.next_at }
    }

    /// Nothing is left to try: all attempts have failed.
    pub(crate) fn is_lost(&self) -> bool {
        self.running == 0 && self.untried.is_empty()
    }
}

/// Which addresses to try, of those that a resolver has sorted, the most preferred one first. RFC
/// 8305 §4: "the client SHOULD … interleave address families", beginning with that of the most
/// preferred address.
pub(crate) fn interleave(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else { return Vec::new() };
    let (mut preferred, mut other) = (Vec::new(), Vec::new());
    for address in addresses {
        let family = if address.is_ipv6() == first.is_ipv6() { &mut preferred } else { &mut other };
        // The same address twice would be the same failure twice. (A resolver's answer is bounded,
        // and so is this.)
        if family.len() < MAX_ADDRESSES && !family.contains(address) {
            family.push(*address);
        }
    }
    let longest = preferred.len().max(other.len());
    (0..longest)
        .flat_map(|i| [preferred.get(i), other.get(i)])
        .flatten()
        .copied()
        .take(MAX_ADDRESSES)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v4(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 80))
    }

    fn v6(last: u16) -> SocketAddr {
        SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 80))
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    impl Eyeballs {
        /// The next one, of which none has to wait.
        fn go(&mut self, now: Duration) -> Option<SocketAddr> {
            self.next(now, |_| true)
        }
    }

    #[test]
    fn families_take_turns_beginning_with_the_preferred_one() {
        assert_eq!(interleave(&[v6(1), v6(2), v6(3), v4(1), v4(2)]), [v6(1), v4(1), v6(2), v4(2), v6(3)]);
        assert_eq!(interleave(&[v4(1), v4(2), v6(1)]), [v4(1), v6(1), v4(2)]);
        assert_eq!(interleave(&[v4(1), v4(1), v4(2)]), [v4(1), v4(2)]);
        assert_eq!(interleave(&[]), []);
    }

    #[test]
    fn few_addresses_are_tried_and_both_families_are_among_them() {
        let many: Vec<_> = (0..200).map(v6).chain((0..200).map(v4)).collect();
        let tried = interleave(&many);
        assert_eq!(tried.len(), MAX_ADDRESSES);
        assert_eq!(tried.iter().filter(|address| address.is_ipv4()).count(), MAX_ADDRESSES / 2);
    }

    #[test]
    fn a_silent_address_has_a_quarter_of_a_second() {
        let mut race = Eyeballs::new(&[v6(1), v4(1)]);
        assert_eq!(race.go(ms(1000)), Some(v6(1)));
        assert_eq!(race.go(ms(1000)), None);
        assert_eq!(race.poll_timeout(), Some(ms(1250)));
        assert_eq!(race.go(ms(1249)), None);
        assert_eq!(race.go(ms(1250)), Some(v4(1)));
        assert_eq!(race.poll_timeout(), None, "nothing is left to start");
        assert!(!race.is_lost(), "two are on their way");
    }

    #[test]
    fn after_a_failure_the_next_one_starts_at_once() {
        let mut race = Eyeballs::new(&[v6(1), v4(1), v6(2)]);
        assert_eq!(race.go(ms(0)), Some(v6(1)));
        race.failed();
        assert_eq!(race.go(ms(3)), Some(v4(1)));
        assert_eq!(race.poll_timeout(), Some(ms(253)));
        race.failed();
        assert_eq!(race.go(ms(4)), Some(v6(2)));
        assert!(!race.is_lost());
        race.failed();
        assert!(race.is_lost());
        assert_eq!(race.go(ms(5)), None);
    }

    #[test]
    fn one_that_has_to_wait_delays_the_next_as_one_that_is_silent() {
        let mut race = Eyeballs::new(&[v6(1), v4(1), v4(2)]);
        assert_eq!(race.next(ms(0), |_| false), None);
        assert_eq!(race.poll_timeout(), Some(ms(250)));
        assert_eq!(race.next(ms(249), |address| *address != v6(1)), None);
        assert_eq!(race.next(ms(250), |address| *address != v6(1)), Some(v4(1)));
        race.failed();
        assert_eq!(race.next(ms(260), |_| false), None);
        assert!(!race.is_lost(), "two wait");
        // Those that waited start when they may, in their order.
        assert_eq!(race.go(ms(261)), Some(v6(1)));
        assert_eq!(race.go(ms(261)), Some(v4(2)));
        assert_eq!(race.go(ms(261)), None);
        race.failed();
        race.failed();
        assert!(race.is_lost());
    }

    #[test]
    fn without_addresses_it_is_lost() {
        assert!(Eyeballs::new(&[]).is_lost());
    }

    proptest! {
        /// Whatever fails when: each address is tried once, attempts are 250 ms apart unless one
        /// failed, and the end is seen.
        #[test]
        fn every_address_has_its_turn(
            addresses in prop::collection::vec(prop_oneof![(0..6_u8).prop_map(v4), (0..6_u16).prop_map(v6)], 0..20),
            steps in prop::collection::vec(prop::option::of(1..400_u64), 0..60),
        ) {
            let expected = interleave(&addresses);
            let mut race = Eyeballs::new(&expected);
            let mut now = ms(0);
            let mut started = Vec::new();
            let mut running = 0;
            let mut not_before = ms(0);
            for step in steps {
                while let Some(address) = race.go(now) {
                    prop_assert!(now >= not_before);
                    not_before = now + ATTEMPT_DELAY;
                    started.push(address);
                    running += 1;
                }
                prop_assert_eq!(race.is_lost(), running == 0 && started.len() == expected.len());
                match step {
                    Some(passed) => now += ms(passed),
                    None if running > 0 => {
                        race.failed();
                        running -= 1;
                        not_before = ms(0);
                    }
                    None => {}
                }
                // Never asleep while something is left to start.
                prop_assert!(started.len() == expected.len() || race.next_at.is_none() || race.poll_timeout().is_some());
            }
            prop_assert!(expected.iter().copied().take(started.len()).eq(started.iter().copied()));
        }
    }
}
