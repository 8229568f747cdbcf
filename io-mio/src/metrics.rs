//! What an operator wants to see of a loop: counters and gauges.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number of a loop. Only the loop's thread changes it, so no change has to be a locked one; any
/// thread reads it.
#[derive(Debug, Default)]
pub(crate) struct Number(AtomicU64);

impl Number {
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.get().wrapping_add(more), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn sub(&self, less: u64) {
        self.0.store(self.get().wrapping_sub(less), Ordering::Relaxed);
    }
}

/// The same fields twice: as the loop changes them, and as the application gets them.
macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// What the event loops of a server hold now, and what they have done since they were made.
        ///
        /// [`Handle::metrics`](crate::Handle::metrics) returns the sum over all loops,
        /// [`Context::metrics`](crate::Context::metrics) the numbers of one. Reading them waits for
        /// no loop.
        ///
        /// They are those of the end of a loop's last turn; some are newer. As the loops go on
        /// meanwhile, numbers that belong together can differ a little. Counters begin with 0 when
        /// a loop is made, and never fall.
        ///
        /// Bytes are those of WebSocket frames and HTTP heads and contents, inside of TLS.
        ///
        /// ```
        /// # use sansws_mio::{EventLoop, Handler, Settings};
        /// # struct Echo;
        /// # impl Handler for Echo { type Session = (); }
        /// # fn main() -> std::io::Result<()> {
        /// let event_loop = EventLoop::new(Echo, Settings::default())?;
        /// let metrics = event_loop.handle().metrics();
        /// println!("{} open, {} bytes queued", metrics.connections_open, metrics.queued_bytes);
        /// # assert_eq!((metrics.connections_open, metrics.queued_bytes), (0, 0));
        /// # Ok(())
        /// # }
        /// ```
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Metrics {
            $($(#[doc = $doc])+ pub $name: u64,)+
            /// Counter: requests that were refused, by HTTP status.
            pub refusals: Refusals,
            /// Counter: time that the turns took, without the waits between them. With several
            /// loops it grows by up to that many seconds a second.
            pub turn_time: Duration,
            /// The longest time that a turn took. Meanwhile all other connections of its loop had
            /// to wait. It never falls; of several loops it is the longest.
            pub longest_turn: Duration,
        }

        /// The numbers of one loop.
        // Loops on different threads write here: no two of them into one cache line.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub(crate) struct Counters {
            $(pub(crate) $name: Number,)+
            /// In the order of [`Refusals::STATUSES`], then all others.
            refusals: [Number; PLACES],
            turn_nanos: Number,
            longest_turn_nanos: Number,
        }

        impl Counters {
            fn add_to(&self, sum: &mut Metrics) {
                $(sum.$name += self.$name.get();)+
                for (sum, number) in sum.refusals.0.iter_mut().zip(&self.refusals) {
                    *sum += number.get();
                }
                sum.turn_time += Duration::from_nanos(self.turn_nanos.get());
                let longest = Duration::from_nanos(self.longest_turn_nanos.get());
                sum.longest_turn = sum.longest_turn.max(longest);
            }
        }
    };
}

metrics! {
    /// Gauge: accepted connections whose request has not been answered yet. A TLS handshake is part
    /// of it.
    connections_opening,
    /// Gauge: connections that are being dialled, including those that wait for a name or for their
    /// turn.
    connections_dialling,
    /// Gauge: open connections, accepted or dialled, on which no Close frame was sent or received.
    connections_open,
    /// Gauge: connections that end but have a socket still: in the closing handshake, or until what
    /// was written has been taken by the peer, an HTTP response for one.
    connections_closing,
    /// Gauge: bytes that were sent and that the kernel has not taken yet, of all connections. What
    /// TLS holds back counts too.
    queued_bytes,
    /// Counter: connections that were accepted, including those that are one too many.
    accepted,
    /// Counter: accepted connections that were closed without an answer: one too many, while 64
    /// others were being told so. They are in `accepted` too.
    dropped_connections,
    /// Counter: connections that the application dialled.
    dialled,
    /// Counter: dialled connections that failed before they were open, for whatever cause.
    dials_failed,
    /// Counter: connections that have been open, accepted or dialled.
    opened,
    /// Counter: requests that were answered with an HTTP status below 400, such as pages.
    responses,
    /// Counter: messages that were received whole and passed to the handler.
    messages_received,
    /// Counter: messages that were sent, written or queued. A published one counts for each
    /// receiver.
    messages_sent,
    /// Counter: bytes that were read.
    bytes_received,
    /// Counter: bytes that the kernel, or TLS, has taken.
    bytes_sent,
    /// Counter: published messages that passed a slow receiver by, see
    /// [`SlowConsumer::Drop`](crate::SlowConsumer::Drop). Counts for each receiver.
    messages_dropped,
    /// Counter: open connections that were closed because the peer read too slowly.
    slow_consumers,
    /// Counter: accepted connections that sent no request in time.
    timeouts_request,
    /// Counter: requests about which the application did not decide in time.
    timeouts_decision,
    /// Counter: dialled connections whose name, the server's or the proxy's, was not resolved in
    /// time.
    timeouts_resolve,
    /// Counter: dialled connections that did not reach the server in time, though the name was
    /// resolved.
    timeouts_connect,
    /// Counter: dialled connections whose opening handshake, or whose TLS handshake, took too long.
    timeouts_handshake,
    /// Counter: open connections that gave no sign of life after a Ping.
    timeouts_pong,
    /// Counter: open connections that were silent for longer than
    /// [`Timeouts::idle`](crate::Timeouts) allows.
    timeouts_idle,
    /// Counter: connections that did not close in time: no Close frame came, or no end of the
    /// stream. One that timed out before, for silence for one, can be here too.
    timeouts_closing,
    /// Counter: turns of the loop.
    turns,
}

/// Statuses with a number of their own, and one for all others.
const PLACES: usize = Refusals::STATUSES.len() + 1;

/// How many requests a server has refused, by HTTP status: every response from 400 on, the
/// handler's own and those to plain HTTP requests included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals([u64; PLACES]);

impl Refusals {
    /// The statuses that are counted one by one: those that the driver answers with, and those that
    /// applications often do.
    pub const STATUSES: [u16; 18] =
        [400, 401, 403, 404, 405, 408, 410, 413, 414, 421, 426, 429, 431, 500, 501, 502, 503, 505];

    /// How many there were of one of the [`STATUSES`](Self::STATUSES); 0 for any other status.
    pub fn with(&self, status: u16) -> u64 {
        match place_of(status) {
            place if place < Self::STATUSES.len() => self.0.get(place).copied().unwrap_or(0),
            _ => 0,
        }
    }

    /// How many there were with a status that is not counted by itself.
    pub fn others(&self) -> u64 {
        self.0.last().copied().unwrap_or(0)
    }

    /// How many there were.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each of the [`STATUSES`](Self::STATUSES) in ascending order with its number, also if that is
    /// 0; then `None` with the number of all others.
    pub fn iter(&self) -> impl Iterator<Item = (Option<u16>, u64)> {
        Self::STATUSES.into_iter().map(Some).chain([None]).zip(self.0)
    }
}

/// Where the number of this status is.
fn place_of(status: u16) -> usize {
    Refusals::STATUSES.binary_search(&status).unwrap_or(PLACES - 1)
}

/// What a connection counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Standing {
    /// It has no socket and waits for none.
    #[default]
    Gone,
    Opening,
    Dialling,
    Open,
    Closing,
}

impl Metrics {
    /// The numbers of these loops together.
    pub(crate) fn sum<'a>(loops: impl IntoIterator<Item = &'a Counters>) -> Self {
        let mut sum = Self::default();
        loops.into_iter().for_each(|counters| counters.add_to(&mut sum));
        sum
    }

    /// Opening, dialling, open and closing connections, and queued bytes.
    #[cfg(any(test, feature = "__scripted"))]
    pub(crate) fn gauges(&self) -> [u64; 5] {
        let Self { connections_opening, connections_dialling, connections_open, .. } = *self;
        [
            connections_opening,
            connections_dialling,
            connections_open,
            self.connections_closing,
            self.queued_bytes,
        ]
    }
}

impl Counters {
    /// A connection has become something else.
    pub(crate) fn moved(&self, from: Standing, to: Standing) {
        if let Some(gauge) = self.gauge(from) {
            gauge.sub(1);
        }
        if let Some(gauge) = self.gauge(to) {
            gauge.add(1);
        }
    }

    fn gauge(&self, standing: Standing) -> Option<&Number> {
        match standing {
            Standing::Gone => None,
            Standing::Opening => Some(&self.connections_opening),
            Standing::Dialling => Some(&self.connections_dialling),
            Standing::Open => Some(&self.connections_open),
            Standing::Closing => Some(&self.connections_closing),
        }
    }

    /// A request is answered with this status.
    pub(crate) fn answered(&self, status: u16) {
        let number = match status {
            400.. => self.refusals.get(place_of(status)),
            _ => Some(&self.responses),
        };
        number.into_iter().for_each(|number| number.add(1));
    }

    /// A turn has taken so long.
    pub(crate) fn turn_took(&self, time: Duration) {
        // Enough for 584 years.
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.turn_nanos.add(nanos);
        if nanos > self.longest_turn_nanos.get() {
            self.longest_turn_nanos.add(nanos - self.longest_turn_nanos.get());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_can_be_searched_and_others_count_together() {
        assert!(Refusals::STATUSES.is_sorted());
        let counters = Counters::default();
        for status in 400..600 {
            counters.answered(status);
        }
        let refusals = Metrics::sum([&counters]).refusals;
        assert!(Refusals::STATUSES.iter().all(|&status| refusals.with(status) == 1));
        assert_eq!((refusals.with(418), refusals.others(), refusals.total()), (0, 200 - 18, 200));
        assert_eq!(refusals.iter().last(), Some((None, 200 - 18)));
        assert_eq!(refusals.iter().next(), Some((Some(400), 1)));
    }
}
