//! Whether a connection is alive: a policy without clock or I/O.

use std::time::Duration;

/// What a [`ReliableWebSocket`](crate::ReliableWebSocket) sends so that a connection is not taken for idle, and to find out whether the
/// server is still there.
///
/// With each heartbeat goes a Ping frame, which every server answers (RFC 6455 §5.5.2); its Pong also confirms what was sent before.
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

    /// How long to wait for any sign of life before the connection is given up; `None`: for ever. Default 20 s.
    #[must_use]
    pub fn deadline(mut self, deadline: impl Into<Option<Duration>>) -> Self {
        self.deadline = deadline.into();
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
    /// Until when a sign of life must have come, and what had come before.
    waiting: Option<(Duration, u64)>,
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
        self.waiting.map_or(self.next, |(until, _)| until.min(self.next))
    }

    /// `signs` is a number that grows with every sign of life. Call until it says `None`.
    pub(crate) fn handle_timeout(&mut self, now: Duration, signs: u64) -> Option<Beat> {
        if let Some((until, before)) = self.waiting {
            if signs != before {
                self.waiting = None;
            } else if now >= until {
                self.waiting = None;
                return Some(Beat::Dead);
            }
        }
        if now < self.next {
            return None;
        }
        self.next = now.saturating_add(self.every);
        if let (None, Some(deadline)) = (self.waiting, self.deadline) {
            self.waiting = Some((now.saturating_add(deadline), signs));
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

    #[test]
    fn silence_after_a_heartbeat_is_death_at_the_deadline_and_not_before() {
        let mut pulse = Pulse::new(&Heartbeat::ping(ms(30)).deadline(ms(20)), ms(100));
        assert_eq!(pulse.poll_timeout(), ms(130));
        assert_eq!(pulse.handle_timeout(ms(129), 7), None);
        assert_eq!(pulse.handle_timeout(ms(130), 7), Some(Beat::Send));
        assert_eq!(pulse.poll_timeout(), ms(150));
        assert_eq!(pulse.handle_timeout(ms(149), 7), None);
        assert_eq!(pulse.handle_timeout(ms(150), 7), Some(Beat::Dead));
    }

    #[test]
    fn any_sign_of_life_will_do() {
        let mut pulse = Pulse::new(&Heartbeat::ping(ms(30)).deadline(ms(20)), ms(0));
        assert_eq!(pulse.handle_timeout(ms(30), 0), Some(Beat::Send));
        assert_eq!(pulse.handle_timeout(ms(50), 1), None);
        assert_eq!(pulse.poll_timeout(), ms(60));
    }

    #[test]
    fn a_deadline_longer_than_the_interval_counts_from_the_first_heartbeat() {
        let mut pulse = Pulse::new(&Heartbeat::ping(ms(10)).deadline(ms(25)), ms(0));
        for at in [10, 20, 30] {
            assert_eq!(pulse.handle_timeout(ms(at), 0), Some(Beat::Send));
        }
        assert_eq!(pulse.poll_timeout(), ms(35));
        assert_eq!(pulse.handle_timeout(ms(35), 0), Some(Beat::Dead));
    }

    proptest! {
        /// A server that answers each heartbeat before the deadline is never given up; one that falls silent is, no later than one interval
        /// and one deadline after its last sign of life.
        #[test]
        fn the_living_and_the_dead(every in 1..100_u64, deadline in 1..200_u64, answer in 0..100_u64, silent_from in 0..2000_u64) {
            let answer = answer.min(deadline.saturating_sub(1));
            let heartbeat = Heartbeat::ping(ms(every)).deadline(ms(deadline));
            let mut pulse = Pulse::new(&heartbeat, ms(0));
            let (mut answers, mut signs, mut last_sign) = (std::collections::VecDeque::new(), 0_u64, 0_u64);
            let mut now = 0;
            while now < 4000 {
                let timeout = pulse.poll_timeout().as_millis() as u64;
                now = answers.front().map_or(timeout, |&at: &u64| at.min(timeout)).max(now);
                while answers.front().is_some_and(|&at| at <= now) {
                    answers.pop_front();
                    signs += 1;
                    last_sign = now;
                }
                while let Some(beat) = pulse.handle_timeout(ms(now), signs) {
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
