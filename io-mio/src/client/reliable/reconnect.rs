//! When to dial again: a policy without clock or I/O.
//!
//! RFC 6455 §7.2.3: "The first reconnect attempt SHOULD be delayed by a random amount of time. …
//! Should the first reconnect attempt fail, subsequent reconnect attempts SHOULD be delayed by
//! increasingly longer amounts of time, using a method such as truncated binary exponential
//! backoff."

use std::time::Duration;

use crate::client::error::FailureCause;
use crate::client::reliable::backoff::Backoff;
use crate::random;

/// What follows the end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next {
    /// Nothing: the status code of the Close frame was a [final one](Backoff::final_codes).
    Final,
    /// Nothing more is tried.
    GiveUp {
        /// How many retries in a row have failed.
        attempts: u32,
        /// Whether this is because another attempt would fail [in the same way](Backoff), and not
        /// because there were [enough](Backoff::max_retries).
        is_final: bool,
    },
    /// A retry.
    Retry {
        /// Which one in a row, from 1 on.
        attempt: u32,
        /// The time to wait before it.
        delay: Duration,
    },
}

/// The state of a [`Backoff`] for one connection that is to be kept alive.
///
/// `now` is the time since any moment, the same one in all calls.
///
/// ```
/// use std::time::Duration;
/// use sansws_mio::{Backoff, Next, Reconnect};
///
/// let mut reconnect = Reconnect::new(Backoff::new().max_retries(3));
/// let mut now = Duration::ZERO;
/// // The server accepts each connection and closes it at once with 1013.
/// for n in 1..=3 {
///     reconnect.opened(now);
///     let Next::Retry { attempt, delay } = reconnect.ended(now, 1013, None) else { panic!() };
///     assert_eq!(attempt, n);
///     now += delay;
/// }
/// reconnect.opened(now);
/// assert_eq!(reconnect.ended(now, 1013, None), Next::GiveUp { attempts: 3, is_final: false });
/// ```
#[derive(Debug, Clone)]
pub struct Reconnect {
    backoff: Backoff,
    /// Retries since a connection was last proven.
    attempt: u32,
    /// When the connection opened that is not proven yet.
    opened_at: Option<Duration>,
}

impl Reconnect {
    /// Nothing has been tried yet.
    pub fn new(backoff: Backoff) -> Self {
        Self { backoff, attempt: 0, opened_at: None }
    }

    /// Retries since a connection was last proven.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// A connection is open. Returns how many retries it took since one was last proven.
    pub fn opened(&mut self, now: Duration) -> u32 {
        self.opened_at = Some(now);
        self.attempt
    }

    /// A message was received, which proves the connection.
    pub fn received(&mut self) {
        self.attempt = 0;
    }

    /// A connection, or the attempt at one, has ended: with the status code of a close event, and
    /// for this reason if it failed ([`FailureCause`] is made from a [`Cause`](crate::Cause)).
    pub fn ended(&mut self, now: Duration, code: u16, cause: Option<&FailureCause>) -> Next {
        self.ended_with(now, code, cause, random::fraction())
    }

    /// `random` is uniform in 0..1.
    fn ended_with(&mut self, now: Duration, code: u16, cause: Option<&FailureCause>, random: f64) -> Next {
        let Self { backoff, attempt, opened_at } = self;
        if opened_at.take().is_some_and(|at| now.saturating_sub(at) >= backoff.proven_after) {
            *attempt = 0;
        }
        if backoff.final_codes.contains(&code) {
            return Next::Final;
        }
        let is_final = cause.is_some_and(|cause| backoff.is_final(cause));
        if is_final || backoff.max_retries.is_some_and(|max| *attempt >= max) {
            return Next::GiveUp { attempts: *attempt, is_final };
        }
        *attempt = attempt.saturating_add(1);
        let mut delay = backoff.delay(*attempt, random);
        if let Some(FailureCause::Refused { retry_after: Some(after), .. }) = cause {
            let after = (*after).min(backoff.max_retry_after);
            if !after.is_zero() {
                // RFC 9110 §10.2.3: "how long the user agent ought to wait before making a
                // follow-up request". A random part on top: others were told the same.
                delay = delay.max(after.saturating_add(backoff.delay(1, random)));
            }
        }
        Next::Retry { attempt: *attempt, delay }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sansws::handshake::{Argument, HandshakeError};

    use super::*;
    use crate::client::reliable::backoff::tests::backoff;
    use crate::target::redirect::RedirectError;

    /// The simulated end of a connection: what the policy is told.
    #[derive(Debug, Clone, Copy)]
    enum Fate {
        /// It never opened.
        Refused,
        /// It opened, was open for so many seconds, and ended with this code.
        Opened(u64, u16),
        /// The same, and a message was received.
        Heard(u16),
    }

    fn fates() -> impl Strategy<Value = Vec<(Fate, f64)>> {
        let fate = prop_oneof![
            4 => Just(Fate::Refused),
            4 => (0..20_u64, prop::sample::select(vec![1001, 1006, 1008, 1013]))
                .prop_map(|(seconds, code)| Fate::Opened(seconds, code)),
            2 => Just(Fate::Heard(1006)),
            1 => Just(Fate::Opened(1, 1000)),
            1 => Just(Fate::Heard(4000)),
        ];
        prop::collection::vec((fate, 0.0..1.0_f64), 0..40)
    }

    proptest! {
        /// In virtual time: whatever happens to the connections, the attempts are counted, limited,
        /// reset and ended as said.
        /// Rule R-7.2.3-a.
        #[test]
        fn a_life_of_connections(backoff in backoff(), fates in fates()) {
            let mut policy = Reconnect::new(backoff.clone());
            let (mut now, mut in_a_row, mut started) = (Duration::ZERO, 0_u32, Vec::new());
            for (fate, random) in fates {
                started.push(now);
                let code = match fate {
                    Fate::Refused => 1006,
                    Fate::Opened(seconds, code) => {
                        prop_assert_eq!(policy.opened(now), in_a_row);
                        now += Duration::from_secs(seconds);
                        in_a_row = if seconds >= 10 { 0 } else { in_a_row };
                        code
                    }
                    Fate::Heard(code) => {
                        prop_assert_eq!(policy.opened(now), in_a_row);
                        policy.received();
                        in_a_row = 0;
                        code
                    }
                };
                match policy.ended_with(now, code, None, random) {
                    Next::Final => {
                        prop_assert!(code == 1000 || code == 4000);
                        return Ok(());
                    }
                    Next::GiveUp { attempts, is_final } => {
                        prop_assert!(!is_final);
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

    fn refused(status: u16, retry_after: Option<u64>) -> FailureCause {
        let retry_after = retry_after.map(Duration::from_secs);
        FailureCause::Refused { status, content: Box::default(), retry_after }
    }

    /// What the policy says to one failed attempt.
    fn next(backoff: &Backoff, cause: &FailureCause) -> Next {
        Reconnect::new(backoff.clone()).ended_with(Duration::ZERO, 1006, Some(cause), 0.5)
    }

    const GIVEN_UP: Next = Next::GiveUp { attempts: 0, is_final: true };

    #[test]
    fn a_server_that_accepts_and_closes_at_once_is_backed_off_from() {
        let backoff = Backoff { jitter: 0.0, max_retries: Some(5), ..Backoff::default() };
        let (mut policy, mut now, mut delays) = (Reconnect::new(backoff), Duration::ZERO, Vec::new());
        let next = loop {
            policy.opened(now);
            // Just not long enough.
            now += Duration::from_millis(9999);
            match policy.ended_with(now, 1013, None, 1.0) {
                Next::Retry { delay, .. } => delays.push(delay.as_secs()),
                next => break next,
            }
            now += Duration::from_secs(*delays.last().expect("one"));
        };
        assert_eq!((delays, next), (vec![1, 2, 4, 8, 16], Next::GiveUp { attempts: 5, is_final: false }));
    }

    #[test]
    fn time_before_the_connection_opened_proves_nothing() {
        let mut policy = Reconnect::new(Backoff::default());
        policy.ended_with(Duration::ZERO, 1006, None, 0.5);
        assert_eq!(policy.opened(Duration::from_secs(100)), 1);
        policy.ended_with(Duration::from_secs(101), 1006, None, 0.5);
        // An attempt that never opens, long after.
        policy.ended_with(Duration::from_secs(1000), 1006, None, 0.5);
        assert_eq!(policy.attempt(), 3);
        policy.opened(Duration::from_secs(1000));
        policy.ended_with(Duration::from_secs(1010), 1006, None, 0.5);
        assert_eq!(policy.attempt(), 1);
    }

    #[test]
    fn what_waiting_does_not_change_is_not_retried() {
        let backoff = Backoff::default();
        let argument = HandshakeError::Argument(Argument::Subprotocol);
        for cause in [
            FailureCause::Certificate("x".into()),
            FailureCause::Redirect(RedirectError::Downgrade),
            FailureCause::Handshake(argument),
            FailureCause::ProxyRefused(407),
        ] {
            assert_eq!(next(&backoff, &cause), GIVEN_UP, "{cause}");
        }
        for cause in [
            FailureCause::Resolve("x".into()),
            FailureCause::ConnectTimedOut,
            FailureCause::Tls("x".into()),
            FailureCause::Proxy("x".into()),
            FailureCause::ProxyRefused(503),
            FailureCause::Eof,
            FailureCause::Handshake(HandshakeError::MalformedHead),
        ] {
            assert!(matches!(next(&backoff, &cause), Next::Retry { .. }), "{cause}");
        }
        let retries = Backoff::new().final_certificates(false).final_statuses(&[503]);
        assert_eq!(next(&retries, &refused(503, None)), GIVEN_UP);
        for cause in [FailureCause::Certificate("x".into()), refused(404, None)] {
            assert!(matches!(next(&retries, &cause), Next::Retry { .. }), "{cause}");
        }
    }

    #[test]
    fn statuses_that_are_final() {
        let mut backoff = Backoff::default();
        for status in 100..600 {
            let again = match status {
                301 | 308 | 501 | 505 => false,
                408 | 421 | 425 | 429 => true,
                400..=417 | 422..=424 | 426 | 428 | 431 | 451 => false,
                _ => true,
            };
            let is_retried = matches!(next(&backoff, &refused(status, None)), Next::Retry { .. });
            assert_eq!(is_retried, again, "{status}");
            assert!(matches!(next(&backoff, &refused(status, Some(1))), Next::Retry { .. }), "{status}");
        }
        backoff.renews();
        for (status, is_final) in [(401, false), (403, false), (407, false), (404, true), (400, true)] {
            assert_eq!(next(&backoff, &refused(status, None)) == GIVEN_UP, is_final, "{status}");
        }
    }

    #[test]
    fn the_server_may_ask_for_a_longer_delay_up_to_a_limit() {
        let backoff = Backoff { jitter: 0.0, ..Backoff::default() };
        let delay = |backoff: &Backoff, after| match next(backoff, &refused(503, Some(after))) {
            Next::Retry { delay, .. } => delay.as_millis(),
            next => panic!("{next:?}"),
        };
        // Half of the first delay on top.
        assert_eq!(delay(&backoff, 0), 500);
        assert_eq!(delay(&backoff, 30), 30_500);
        assert_eq!(delay(&backoff, u64::MAX), 300_500);
        assert_eq!(delay(&backoff.clone().max_retry_after(Duration::ZERO), 30), 500);
        assert_eq!(delay(&backoff.max_retry_after(Duration::from_secs(7)), 30), 7_500);
    }
}
