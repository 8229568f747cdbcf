//! How long to wait before a connection is made again, and what ends it.

use std::time::Duration;

use sansws::handshake::HandshakeError;

use crate::client::error::FailureCause;

/// When a connection is made again: how long to wait, how often to try, and what ends it.
///
/// [`ReliableWebSocket`](crate::ReliableWebSocket) follows this policy. Programs that dial with an
/// [`EventLoop`](crate::EventLoop) can follow it too: [`Reconnect`](crate::Reconnect) is where it
/// stands.
///
/// # What is not retried
///
/// Some failures do not go away by waiting; after these there is no retry:
///
/// - a Close frame with a [final code](Self::final_codes);
/// - a refusal with a [final status](Self::final_statuses), by the server or the proxy, unless it
///   has `Retry-After`;
/// - a certificate that is [not accepted](Self::final_certificates), the server's or the client's;
/// - a redirection that the client does not follow
///   ([`FailureCause::Redirect`]), and a request that cannot be written.
///
/// Everything else may get better: a name that is not resolved, a connection that is refused or
/// breaks, a time-out, status 408, 425, 429 and 5xx, a response that is not WebSocket's (a proxy
/// may answer while the server behind it restarts).
#[derive(Debug, Clone, PartialEq)]
pub struct Backoff {
    pub(crate) first_delay: Duration,
    pub(crate) interval: Duration,
    pub(crate) factor: f64,
    pub(crate) max_delay: Duration,
    pub(crate) jitter: f64,
    pub(crate) max_retries: Option<u32>,
    pub(crate) proven_after: Duration,
    pub(crate) max_retry_after: Duration,
    pub(crate) final_codes: Vec<u16>,
    pub(crate) final_statuses: Vec<u16>,
    pub(crate) final_certificates: bool,
    /// The next attempt may have other credentials.
    pub(crate) renews: bool,
}

/// The client errors of RFC 9110 §15.5 but for 408 (Request Timeout), 421 (Misdirected Request:
/// another connection may do), 425 (Too Early) and 429 (Too Many Requests), which ask for a
/// repetition; permanent redirections; and those server errors that speak of the request.
const FINAL_STATUSES: [u16; 28] = [
    301, 308, 400, 401, 402, 403, 404, 405, 406, 407, 409, 410, 411, 412, 413, 414, 415, 416, 417, 422, 423,
    424, 426, 428, 431, 451, 501, 505,
];

/// With other credentials these may become others.
const OF_CREDENTIALS: [u16; 3] = [401, 403, 407];

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first_delay: Duration::from_secs(1),
            interval: Duration::from_secs(1),
            factor: 2.0,
            max_delay: Duration::from_secs(30),
            jitter: 0.2,
            max_retries: Some(5),
            proven_after: Duration::from_secs(10),
            max_retry_after: Duration::from_secs(300),
            final_codes: vec![1000],
            final_statuses: FINAL_STATUSES.into(),
            final_certificates: true,
            renews: false,
        }
    }
}

impl Backoff {
    /// The default policy.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first retry comes after a delay chosen at random from nothing to this; default 1 s.
    ///
    /// RFC 6455 §7.2.3 wants it random, so that a server that comes back is not overrun by all of
    /// its clients at once, and calls up to 5 s reasonable.
    #[must_use]
    pub fn first_delay(mut self, max: Duration) -> Self {
        self.first_delay = max;
        self
    }

    /// Retry number `n`, from the second on, comes after `interval · factorⁿ⁻¹`; default 1 s, so
    /// 2 s, 4 s, 8 s.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// See [`interval`](Self::interval); at least 1, default 2.
    #[must_use]
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// No delay is longer than this, unless the server [asks for more](Self::max_retry_after);
    /// default 30 s.
    #[must_use]
    pub fn max_delay(mut self, max: Duration) -> Self {
        self.max_delay = max;
        self
    }

    /// Each delay from the second on is made shorter by a random share of up to this, 0 to 1;
    /// default 0.2.
    #[must_use]
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = share;
        self
    }

    /// How many retries in a row may fail; `None`: any number. Default 5.
    ///
    /// A connection that opens and ends before it is [proven](Self::proven_after) has failed.
    #[must_use]
    pub fn max_retries(mut self, max: impl Into<Option<u32>>) -> Self {
        self.max_retries = max.into();
        self
    }

    /// A connection is proven once a message has been received on it or it has been open for this
    /// long; default 10 s. Only then are the number of retries and the delay reset.
    ///
    /// A server that accepts connections and closes them at once (it is overloaded, or checks a
    /// token behind the handshake) is retried with the same growing delays as one that refuses
    /// connections. A connection on which the server first sends such an error as a message counts as
    /// proven: if the server closes with a code of its own, list that code in
    /// [`final_codes`](Self::final_codes).
    /// [`Duration::ZERO`]: every connection that opens is proven.
    #[must_use]
    pub fn proven_after(mut self, time: Duration) -> Self {
        self.proven_after = time;
        self
    }

    /// If the server refuses with `Retry-After` (RFC 9110 §10.2.3), in seconds or as a date, the
    /// next attempt does not come before that, but no more than this later; default 5 minutes.
    /// [`Duration::ZERO`]: the header does not count.
    #[must_use]
    pub fn max_retry_after(mut self, max: Duration) -> Self {
        self.max_retry_after = max;
        self
    }

    /// Status codes of the server's Close frame after which there is no retry; default only 1000.
    /// 1005 stands for a Close frame without a code, 1006 for a connection that broke or could not
    /// be made.
    #[must_use]
    pub fn final_codes(mut self, codes: &[u16]) -> Self {
        self.final_codes = codes.into();
        self
    }

    /// HTTP status codes of a refusal after which there is no retry, whether the server or the
    /// proxy refuses.
    ///
    /// Default: 301, 308, 501, 505, and the 4xx codes of RFC 9110 §15.5 and its extensions except
    /// 408, 421, 425 and 429. They mean that the request itself is wrong, and the next one is the
    /// same. A refusal with `Retry-After` is not final. With
    /// [`ReliableBuilder::prepare`](crate::ReliableBuilder::prepare), 401, 403 and 407 are not
    /// either, since the next request may have other credentials.
    #[must_use]
    pub fn final_statuses(mut self, statuses: &[u16]) -> Self {
        self.final_statuses = statuses.into();
        self
    }

    /// Whether there is no retry after [`FailureCause::Certificate`]; default `true`. A person has
    /// to do something about it.
    #[must_use]
    pub fn final_certificates(mut self, on: bool) -> Self {
        self.final_certificates = on;
        self
    }

    /// Each attempt may have other credentials.
    pub(crate) fn renews(&mut self) {
        self.renews = true;
    }

    /// Whether another attempt would end in the same way.
    pub(crate) fn is_final(&self, cause: &FailureCause) -> bool {
        let is_final = |status: &u16| {
            self.final_statuses.contains(status) && !(self.renews && OF_CREDENTIALS.contains(status))
        };
        match cause {
            FailureCause::Refused { status, retry_after, .. } => retry_after.is_none() && is_final(status),
            FailureCause::ProxyRefused(status) => is_final(status),
            FailureCause::Certificate(_) => self.final_certificates,
            FailureCause::Redirect(_) | FailureCause::Handshake(HandshakeError::Argument(_)) => true,
            _ => false,
        }
    }

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

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn backoff() -> impl Strategy<Value = Backoff> {
        (0..10_000_u64, 0..10_000_u64, 0.5..5.0_f64, 0..60_000_u64, 0.0..=1.0_f64, prop::option::of(0..8_u32))
            .prop_map(|(first, interval, factor, max, jitter, max_retries)| Backoff {
                first_delay: Duration::from_millis(first),
                interval: Duration::from_millis(interval),
                factor,
                max_delay: Duration::from_millis(max),
                jitter,
                max_retries,
                final_codes: vec![1000, 4000],
                ..Backoff::default()
            })
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

    /// The first delay is spread evenly over its range, the others over theirs: a thousand draws,
    /// ten buckets.
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
