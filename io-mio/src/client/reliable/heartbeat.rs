//! Whether a connection is alive: a policy without clock or I/O.

use std::time::Duration;

use crate::client::thread::worker::Turns;

/// What a [`ReliableWebSocket`](crate::ReliableWebSocket) sends so that a connection is not taken
/// for idle, and to find out whether the server is still there.
///
/// With each heartbeat goes a Ping frame, which every server answers (RFC 6455 §5.5.2); its Pong
/// also confirms what was sent before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    pub(crate) text: Option<String>,
    pub(crate) every: Duration,
    pub(crate) deadline: Option<Duration>,
}

impl Heartbeat {
    /// A text message, for servers and proxies that count nothing else.
    pub fn text(text: &str, every: Duration) -> Self {
        Self { text: Some(text.into()), ..Self::ping(every) }
    }

    /// Ping frames alone.
    pub fn ping(every: Duration) -> Self {
        Self {
            text: None,
            every: every.max(Duration::from_millis(1)),
            deadline: Some(Duration::from_secs(20)),
        }
    }

    /// How long to wait for any sign of life before the connection is given up; `None` and
    /// [`Duration::ZERO`]: for ever. Default 20 s.
    #[must_use]
    pub fn deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.deadline = deadline.into().filter(|deadline| !deadline.is_zero());
        self
    }
}

impl Default for Heartbeat {
    /// The text `ping` every 30 s.
    fn default() -> Self {
        Self::text("ping", Duration::from_secs(30))
    }
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Send a heartbeat.
    Send,
    /// Nothing was heard: the connection is dead.
    Dead,
}

/// The heartbeat of one connection. Time is since any moment, the same one in all calls.
#[derive(Debug)]
pub(crate) struct Pulse {
    every: Duration,
    deadline: Option<Duration>,
    next: Duration,
    waiting: Option<Waiting>,
}

/// A heartbeat was sent.
#[derive(Debug)]
struct Waiting {
    /// When a sign of life must have come.
    until: Duration,
    /// What had come before.
    signs: u64,
    /// It has not; but perhaps it lies with the kernel, which is asked before this turn of the
    /// loop.
    last_turn: Option<u64>,
}

impl Pulse {
    /// A connection that opens `now`.
    pub(crate) fn new(heartbeat: &Heartbeat, now: Duration) -> Self {
        Self {
            every: heartbeat.every,
            deadline: heartbeat.deadline,
            next: now.saturating_add(heartbeat.every),
            waiting: None,
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub(crate) fn poll_timeout(&self) -> Duration {
        self.waiting.as_ref().map_or(self.next, |waiting| waiting.until.min(self.next))
    }

    /// Nobody listens for a sign of life just now.
    pub(crate) fn not_listening(&mut self) {
        self.waiting = None;
    }

    /// `signs` is a number that grows with every sign of life. Call until it says `None`.
    pub(crate) fn handle_timeout(&mut self, now: Duration, signs: u64, turns: Turns) -> Option<Beat> {
        if let Some(waiting) = &mut self.waiting {
            if signs != waiting.signs {
                self.waiting = None;
            } else if now >= waiting.until {
                // The loop may have been late, and a living server's answer have come in time.
                let last = *waiting.last_turn.get_or_insert(turns.made.saturating_add(turns.to_read));
                if turns.made >= last {
                    self.waiting = None;
                    return Some(Beat::Dead);
                }
            }
        }
        if now < self.next {
            return None;
        }
        self.next = now.saturating_add(self.every);
        if let (None, Some(deadline)) = (&self.waiting, self.deadline) {
            self.waiting = Some(Waiting { until: now.saturating_add(deadline), signs, last_turn: None });
        }
        Some(Beat::Send)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_default_is_the_document_s() {
        assert_eq!(Heartbeat::default(), Heartbeat::text("ping", ms(30_000)));
    }

    /// In a loop that has read everything there is.
    const READ: Turns = Turns { made: 0, to_read: 0 };

    #[test]
    fn silence_after_a_heartbeat_is_death_at_the_deadline_and_not_before() {
        let mut pulse = Pulse::new(&Heartbeat::ping(ms(30)).deadline(ms(20)), ms(100));
        assert_eq!(pulse.poll_timeout(), ms(130));
        assert_eq!(pulse.handle_timeout(ms(129), 7, READ), None);
        assert_eq!(pulse.handle_timeout(ms(130), 7, READ), Some(Beat::Send));
        assert_eq!(pulse.poll_timeout(), ms(150));
        assert_eq!(pulse.handle_timeout(ms(149), 7, READ), None);
        assert_eq!(pulse.handle_timeout(ms(150), 7, READ), Some(Beat::Dead));
    }

    #[test]
    fn any_sign_of_life_will_do() {
        let mut pulse = Pulse::new(&Heartbeat::ping(ms(30)).deadline(ms(20)), ms(0));
        assert_eq!(pulse.handle_timeout(ms(30), 0, READ), Some(Beat::Send));
        assert_eq!(pulse.handle_timeout(ms(50), 1, READ), None);
        assert_eq!(pulse.poll_timeout(), ms(60));
    }

    #[test]
    fn a_deadline_longer_than_the_interval_counts_from_the_first_heartbeat() {
        let mut pulse = Pulse::new(&Heartbeat::ping(ms(10)).deadline(ms(25)), ms(0));
        for at in [10, 20, 30] {
            assert_eq!(pulse.handle_timeout(ms(at), 0, READ), Some(Beat::Send));
        }
        assert_eq!(pulse.poll_timeout(), ms(35));
        assert_eq!(pulse.handle_timeout(ms(35), 0, READ), Some(Beat::Dead));
    }

    #[test]
    fn what_has_arrived_is_read_before_the_verdict() {
        let late = |made| Turns { made, to_read: 3 };
        for signs in [0, 1] {
            let mut pulse = Pulse::new(&Heartbeat::ping(ms(30)).deadline(ms(20)), ms(0));
            assert_eq!(pulse.handle_timeout(ms(30), 0, late(5)), Some(Beat::Send));
            // The thread was held up for long.
            for made in [6, 6, 7, 8] {
                assert_eq!(pulse.handle_timeout(ms(55), 0, late(made)), None);
                assert_eq!(pulse.poll_timeout(), ms(50), "in the next turn");
            }
            let verdict = pulse.handle_timeout(ms(55), signs, late(9));
            assert_eq!(verdict, (signs == 0).then_some(Beat::Dead));
        }
    }

    #[test]
    fn no_deadline_and_none_are_the_same() {
        let heartbeat = Heartbeat::ping(ms(10)).deadline(Duration::ZERO);
        assert_eq!(heartbeat, Heartbeat::ping(ms(10)).deadline(None));
        let mut pulse = Pulse::new(&heartbeat, ms(0));
        for at in 1..100 {
            assert_eq!(pulse.handle_timeout(ms(10 * at), 0, READ), Some(Beat::Send));
            assert_eq!(pulse.handle_timeout(ms(10 * at), 0, READ), None);
        }
    }

    proptest! {
        /// A server that answers each heartbeat before the deadline is never given up; one that
        /// falls silent is, no later than one interval and one deadline after its last sign of
        /// life.
        #[test]
        fn the_living_and_the_dead(every in 1..100_u64, deadline in 1..200_u64, answer in 0..100_u64, silent_from in 0..2000_u64, to_read in 0..4_u64) {
            let answer = answer.min(deadline.saturating_sub(1));
            let heartbeat = Heartbeat::ping(ms(every)).deadline(ms(deadline));
            let mut pulse = Pulse::new(&heartbeat, ms(0));
            let (mut answers, mut signs, mut last_sign) = (std::collections::VecDeque::new(), 0_u64, 0_u64);
            let (mut now, mut made) = (0, 0);
            while now < 4000 {
                made += 1;
                let timeout = pulse.poll_timeout().as_millis() as u64;
                now = answers.front().map_or(timeout, |&at: &u64| at.min(timeout)).max(now);
                while answers.front().is_some_and(|&at| at <= now) {
                    answers.pop_front();
                    signs += 1;
                    last_sign = now;
                }
                while let Some(beat) = pulse.handle_timeout(ms(now), signs, Turns { made, to_read }) {
                    match beat {
                        Beat::Send if now < silent_from => answers.push_back(now + answer),
                        Beat::Send => {}
                        Beat::Dead => {
                            prop_assert!(now >= silent_from, "killed at {now}, silent from {silent_from}");
                            prop_assert!(now <= last_sign.max(silent_from) + 2 * every + deadline);
                            return Ok(());
                        }
                    }
                }
            }
            prop_assert!(false, "never found dead");
        }
    }
}
