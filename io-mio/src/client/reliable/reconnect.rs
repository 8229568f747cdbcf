//! When to dial again: a policy without clock, randomness or I/O.
//!
//! RFC 6455 §7.2.3: "The first reconnect attempt SHOULD be delayed by a random amount of time. … Should the first reconnect attempt fail,
//! subsequent reconnect attempts SHOULD be delayed by increasingly longer amounts of time, using a method such as truncated binary
//! exponential backoff."

use std::time::Duration;

/// How long to wait, how often to try, and what ends it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Backoff {
    /// The first retry comes after anything from nothing to this.
    pub(crate) first_delay: Duration,
    /// The n-th retry, from the second on, comes after `interval · factorⁿ⁻¹`,
    pub(crate) interval: Duration,
    pub(crate) factor: f64,
    /// or after this, if that is less,
    pub(crate) max_delay: Duration,
    /// less a random part of up to this share of it, 0 to 1.
    pub(crate) jitter: f64,
    /// Retries in a row; `None`: for ever.
    pub(crate) max_retries: Option<u32>,
    /// Status codes after which there is no retry.
    pub(crate) final_codes: Vec<u16>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first_delay: Duration::from_secs(1),
            interval: Duration::from_secs(1),
            factor: 2.0,
            max_delay: Duration::from_secs(30),
            jitter: 0.2,
            max_retries: Some(5),
            final_codes: vec![1000],
        }
    }
}

impl Backoff {
    /// The delay before retry number `attempt`, from 1 on. `random` is uniform in 0..1.
    pub(crate) fn delay(&self, attempt: u32, random: f64) -> Duration {
        let random = random.clamp(0.0, 1.0);
        if attempt <= 1 {
            let seconds = self.first_delay.as_secs_f64() * random;
            return Duration::try_from_secs_f64(seconds).unwrap_or(self.first_delay).min(self.max_delay);
        }
        if self.interval.is_zero() {
            // However large the factor has become, infinite for example.
            return Duration::ZERO;
        }
        // `max` and `min` give the other operand for a NaN.
        let factor = self.factor.max(1.0);
        let power = factor.powi(i32::try_from(attempt - 1).unwrap_or(i32::MAX));
        let seconds = (self.interval.as_secs_f64() * power).min(self.max_delay.as_secs_f64());
        let jitter = self.jitter.clamp(0.0, 1.0);
        let share = if jitter.is_nan() { 1.0 } else { 1.0 - jitter * random };
        Duration::try_from_secs_f64(seconds * share).unwrap_or(self.max_delay).min(self.max_delay)
    }
}

/// What follows the end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: the status code was a final one.
    Final,
    /// Nothing: this many retries in a row have failed.
    GiveUp { attempts: u32 },
    /// A retry.
    Retry { attempt: u32, delay: Duration },
}

/// Where the policy is.
#[derive(Debug)]
pub(crate) struct Reconnect {
    backoff: Backoff,
    /// Retries since a connection was last open.
    attempt: u32,
}

impl Reconnect {
    pub(crate) fn new(backoff: Backoff) -> Self {
        Self { backoff, attempt: 0 }
    }

    /// A connection is open. Returns how many retries it took; the count begins anew.
    pub(crate) fn opened(&mut self) -> u32 {
        std::mem::take(&mut self.attempt)
    }

    /// A connection, or the attempt at one, has ended. `random` is uniform in 0..1.
    pub(crate) fn ended(&mut self, code: u16, random: f64) -> Next {
        if self.backoff.final_codes.contains(&code) {
            return Next::Final;
        }
        if self.backoff.max_retries.is_some_and(|max| self.attempt >= max) {
            return Next::GiveUp { attempts: self.attempt };
        }
        self.attempt = self.attempt.saturating_add(1);
        Next::Retry { attempt: self.attempt, delay: self.backoff.delay(self.attempt, random) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn backoff() -> impl Strategy<Value = Backoff> {
        (0..10_000_u64, 0..10_000_u64, 0.5..5.0_f64, 0..60_000_u64, 0.0..=1.0_f64, prop::option::of(0..8_u32))
            .prop_map(|(first, interval, factor, max, jitter, max_retries)| Backoff {
                first_delay: Duration::from_millis(first),
                interval: Duration::from_millis(interval),
                factor,
                max_delay: Duration::from_millis(max),
                jitter,
                max_retries,
                final_codes: vec![1000, 4000],
            })
    }

    /// The simulated end of a connection: what the policy is told.
    #[derive(Debug, Clone, Copy)]
    enum Fate {
        /// It never opened.
        Refused,
        /// It opened, and ended with this code.
        Opened(u16),
    }

    fn fates() -> impl Strategy<Value = Vec<(Fate, f64)>> {
        let fate = prop_oneof![
            4 => Just(Fate::Refused),
            2 => Just(Fate::Opened(1006)),
            1 => Just(Fate::Opened(1001)),
            1 => Just(Fate::Opened(1000)),
            1 => Just(Fate::Opened(4000)),
        ];
        prop::collection::vec((fate, 0.0..1.0_f64), 0..40)
    }

    proptest! {
        /// Every delay lies where it is said to lie.
        /// Rule R-7.2.3-a.
        #[test]
        fn delays_are_in_their_range(backoff in backoff(), attempt in 1..200_u32, random in 0.0..1.0_f64) {
            let delay = backoff.delay(attempt, random);
            if attempt == 1 {
                prop_assert!(delay <= backoff.first_delay);
            } else {
                let full = (backoff.interval.as_secs_f64() * backoff.factor.max(1.0).powi(attempt as i32 - 1))
                    .min(backoff.max_delay.as_secs_f64());
                prop_assert!(delay.as_secs_f64() <= full + 1e-6);
                prop_assert!(delay.as_secs_f64() >= full * (1.0 - backoff.jitter) - 1e-6);
                prop_assert!(delay <= backoff.max_delay);
                // Increasingly longer: the largest of one attempt is not above that of the next.
                prop_assert!(backoff.delay(attempt, 0.0) <= backoff.delay(attempt + 1, 0.0));
            }
        }

        /// In virtual time: whatever happens to the connections, the attempts are counted, limited, reset and ended as said.
        /// Rule R-7.2.3-a.
        #[test]
        fn a_life_of_connections(backoff in backoff(), fates in fates()) {
            let mut policy = Reconnect::new(backoff.clone());
            let (mut now, mut in_a_row, mut started) = (Duration::ZERO, 0_u32, Vec::new());
            for (fate, random) in fates {
                started.push(now);
                let code = match fate {
                    Fate::Refused => 1006,
                    Fate::Opened(code) => {
                        prop_assert_eq!(policy.opened(), in_a_row);
                        in_a_row = 0;
                        code
                    }
                };
                match policy.ended(code, random) {
                    Next::Final => {
                        prop_assert!(code == 1000 || code == 4000);
                        return Ok(());
                    }
                    Next::GiveUp { attempts } => {
                        prop_assert_eq!(Some(attempts), backoff.max_retries);
                        prop_assert_eq!(attempts, in_a_row);
                        return Ok(());
                    }
                    Next::Retry { attempt, delay } => {
                        prop_assert!(code != 1000 && code != 4000);
                        in_a_row += 1;
                        prop_assert_eq!(attempt, in_a_row);
                        prop_assert!(backoff.max_retries.is_none_or(|max| attempt <= max));
                        prop_assert_eq!(delay, backoff.delay(attempt, random));
                        now += delay;
                    }
                }
            }
        }
    }

    /// The document's program: 1000, 2000, 4000 … ms, five attempts.
    /// Rule R-7.2.3-a.
    #[test]
    fn without_randomness_the_delays_double_up_to_the_cap() {
        let backoff = Backoff { jitter: 0.0, ..Backoff::default() };
        let delays: Vec<u64> =
            (1..=8).map(|attempt| backoff.delay(attempt, 1.0).as_millis() as u64).collect();
        assert_eq!(delays, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    }

    /// The first delay is spread evenly over its range, the others over theirs: a thousand draws, ten buckets.
    /// Rule R-7.2.3-a.
    #[test]
    fn delays_are_spread_evenly() {
        let backoff = Backoff { first_delay: Duration::from_secs(5), jitter: 0.5, ..Backoff::default() };
        for (attempt, low, high) in [(1, 0.0, 5.0), (3, 2.0, 4.0)] {
            let mut buckets = [0_u32; 10];
            for step in 0..1000_u32 {
                let seconds = backoff.delay(attempt, (f64::from(step) + 0.5) / 1000.0).as_secs_f64();
                let bucket = ((seconds - low) / (high - low) * 10.0) as usize;
                buckets[bucket.min(9)] += 1;
            }
            assert!(buckets.iter().all(|&count| (99..=101).contains(&count)), "{attempt}: {buckets:?}");
        }
    }

    #[test]
    fn nonsense_is_bounded() {
        let backoff = Backoff {
            factor: f64::NAN,
            jitter: f64::NAN,
            interval: Duration::MAX,
            max_delay: Duration::MAX,
            ..Backoff::default()
        };
        assert_eq!(backoff.delay(9, f64::NAN), Duration::MAX);
        let backoff = Backoff { first_delay: Duration::MAX, ..backoff };
        assert_eq!(backoff.delay(1, f64::NAN), Duration::MAX);
        assert_eq!(backoff.delay(1, 1.0), Duration::MAX);
        let backoff = Backoff { interval: Duration::ZERO, ..Backoff::default() };
        assert_eq!(backoff.delay(1025, 0.5), Duration::ZERO, "2 to the power of 1024 is infinite");
        let backoff = Backoff { factor: f64::INFINITY, jitter: 7.0, ..Backoff::default() };
        assert_eq!(backoff.delay(u32::MAX, 1.0), Duration::ZERO);
        assert_eq!(backoff.delay(u32::MAX, 0.0), Duration::from_secs(30));
    }
}
