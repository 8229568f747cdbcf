//! The deadlines of one connection, as a value without a clock.

use core::time::Duration;

/// The time limits of a connection. `None` and [`Duration::ZERO`] disable a limit.
///
/// ```
/// use core::time::Duration;
///
/// let timeouts = sansws::Timeouts::new().ping_interval(None).idle(Some(Duration::from_secs(90)));
/// assert_eq!(timeouts.close, Duration::from_secs(5));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For the whole opening handshake, from [`KeepAlive::new`] to [`KeepAlive::opened`], however
    /// slowly bytes arrive. Default 10 s.
    pub handshake: Duration,
    /// Silence of the peer after which a Ping is due (RFC 6455 §5.5.2). Default 30 s.
    pub ping_interval: Option<Duration>,
    /// How long the transport may take nothing while a Ping is due and not written. Only
    /// [`ping_interval`](Self::ping_interval) makes a Ping due. Default 60 s.
    pub write: Duration,
    /// From the moment a Ping was written until any byte arrives. Default 20 s.
    pub pong: Duration,
    /// Silence of the peer after which it is given up, whatever was sent to it. A Pong ends the
    /// silence too, so use this limit where [`ping_interval`](Self::ping_interval) is off. Default
    /// `None`.
    pub idle: Option<Duration>,
    /// For the closing handshake (§7.1.1), from the first [`KeepAlive::closing`] to the end of the
    /// transport. Default 5 s.
    pub close: Duration,
}

impl Timeouts {
    /// Returns the defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            ping_interval: Some(Duration::from_secs(30)),
            write: Duration::from_secs(60),
            pong: Duration::from_secs(20),
            idle: None,
            close: Duration::from_secs(5),
        }
    }

    /// Sets [`handshake`](Self::handshake).
    #[must_use]
    pub const fn handshake(mut self, limit: Duration) -> Self {
        self.handshake = limit;
        self
    }

    /// Sets [`ping_interval`](Self::ping_interval).
    #[must_use]
    pub const fn ping_interval(mut self, silence: Option<Duration>) -> Self {
        self.ping_interval = silence;
        self
    }

    /// Sets [`write`](Self::write).
    #[must_use]
    pub const fn write(mut self, limit: Duration) -> Self {
        self.write = limit;
        self
    }

    /// Sets [`pong`](Self::pong).
    #[must_use]
    pub const fn pong(mut self, limit: Duration) -> Self {
        self.pong = limit;
        self
    }

    /// Sets [`idle`](Self::idle).
    #[must_use]
    pub const fn idle(mut self, silence: Option<Duration>) -> Self {
        self.idle = silence;
        self
    }

    /// Sets [`close`](Self::close).
    #[must_use]
    pub const fn close(mut self, limit: Duration) -> Self {
        self.close = limit;
        self
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::new()
    }
}

/// A deadline that has passed. All but [`PingDue`](Self::PingDue) mean that the peer is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Expired {
    /// The opening handshake took too long: close the transport (a server may answer 408 first).
    Handshake,
    /// Send a Ping, and call [`KeepAlive::ping_written`] when the transport has taken all of it.
    PingDue,
    /// A Ping is due, and the transport took no byte for [`Timeouts::write`]: the peer does not
    /// read. Close the transport; there is no room for a Close frame.
    Write,
    /// No byte arrived in time after a Ping: the peer is gone. Fail the connection (RFC 6455
    /// §7.1.7).
    Pong,
    /// No byte arrived for too long. Close or fail the connection.
    Idle,
    /// The closing handshake took too long: close the transport.
    Close,
}

/// The deadlines of one connection: opening handshake, Ping, Pong, silence, closing handshake.
///
/// A driver reports what happened, sleeps until [`poll_timeout`](Self::poll_timeout), and then
/// calls [`handle_timeout`](Self::handle_timeout). Read what has arrived *before* you handle
/// timeouts: after a pause of the whole program the peer's bytes may be waiting in the socket.
///
/// Any inbound byte is a sign of life, not only a Pong: a peer that is busy sending a long message
/// is alive though its Pong waits behind the data. For the same reason the deadline for the Pong
/// counts from the moment the Ping was written, not from when it was queued. While one Ping is on
/// its way, no second one is due.
///
/// A Ping that waits because the transport takes nothing has a deadline too, [`Timeouts::write`].
/// Call [`written`](Self::written) whenever the transport takes bytes. A Ping that the kernel has
/// taken may still wait behind other bytes there: choose [`Timeouts::pong`] longer than a slow peer
/// needs for the kernel's buffer, or limit that buffer. While the output is full, do not read: a
/// peer that sends and does not read is silent from then on, and the deadlines find it.
///
/// Time is an argument: a [`Duration`] since any moment that the caller chooses, such as the start
/// of the program. It should not run backwards; if it does, deadlines come later, and nothing else
/// happens. After 584 years it stands still. The settings are an argument too, so that ten thousand
/// connections share one [`Timeouts`].
///
/// ```
/// use core::time::Duration;
/// use sansws::{Expired, KeepAlive, Timeouts};
///
/// let timeouts = Timeouts::default();
/// let at = Duration::from_secs;
/// let mut alive = KeepAlive::new(at(0)); // accepted, in the opening handshake
/// alive.opened(at(1));
/// assert_eq!(alive.poll_timeout(&timeouts), Some(at(31))); // silence until then, and a Ping is due
/// assert_eq!(alive.handle_timeout(at(31), &timeouts), Some(Expired::PingDue));
/// alive.ping_written(at(32)); // the transport took its last byte
/// assert_eq!(alive.poll_timeout(&timeouts), Some(at(52))); // the deadline for its Pong
/// alive.received(at(33)); // the Pong, or any other byte
/// assert_eq!(alive.poll_timeout(&timeouts), Some(at(63)));
/// ```
#[derive(Debug, Clone)]
pub struct KeepAlive {
    phase: Phase,
}

/// A moment, in nanoseconds: half as large as a [`Duration`], and enough for 584 years.
type Nanos = u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening {
        since: Nanos,
    },
    Open {
        heard: Nanos,
        ping: Ping,
    },
    /// Given up, but the driver may still want a closing handshake.
    Expired {
        at: Nanos,
    },
    Closing {
        since: Nanos,
    },
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ping {
    None,
    /// Is due, and is not written yet; or the transport took other bytes since.
    Due {
        at: Nanos,
    },
    Written {
        at: Nanos,
    },
}

impl KeepAlive {
    /// Starts with a connection whose opening handshake begins `now`.
    #[must_use]
    pub const fn new(now: Duration) -> Self {
        Self { phase: Phase::Opening { since: nanos(now) } }
    }

    /// Reports that the opening handshake is done. Later calls change nothing.
    pub fn opened(&mut self, now: Duration) {
        if let Phase::Opening { .. } = self.phase {
            self.phase = Phase::Open { heard: self.no_earlier(now), ping: Ping::None };
        }
    }

    /// Reports that bytes arrived from the peer, whatever they are. They extend neither the opening
    /// nor the closing handshake.
    #[inline]
    pub fn received(&mut self, now: Duration) {
        let now = self.no_earlier(now);
        if let Phase::Open { heard, ping } = &mut self.phase {
            *heard = now;
            // One that is not written yet is still on its way.
            if let Ping::Written { .. } = ping {
                *ping = Ping::None;
            }
        }
    }

    /// Reports that the transport took the last byte of a Ping, due or the application's own: the
    /// deadline for its Pong counts from now, unless that of an earlier Ping is running.
    pub fn ping_written(&mut self, now: Duration) {
        let now = self.no_earlier(now);
        if let Phase::Open { ping, .. } = &mut self.phase {
            if !matches!(ping, Ping::Written { .. }) {
                *ping = Ping::Written { at: now };
            }
        }
    }

    /// Reports that the transport took bytes: if a Ping is due and waits behind them, its deadline
    /// for being written counts from now.
    #[inline]
    pub fn written(&mut self, now: Duration) {
        let now = self.no_earlier(now);
        if let Phase::Open { ping: Ping::Due { at }, .. } = &mut self.phase {
            *at = now;
        }
    }

    /// Reports that the connection is closing
    /// ([`Connection::is_closing`](crate::Connection::is_closing)): the first call starts the
    /// closing deadline, later ones change nothing.
    pub fn closing(&mut self, now: Duration) {
        if !matches!(self.phase, Phase::Closing { .. } | Phase::Over) {
            self.phase = Phase::Closing { since: self.no_earlier(now) };
        }
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout), on the same clock as every
    /// `now`; `None` if no deadline is running.
    ///
    /// It may change with every call of another method. A driver may also let an earlier timer run
    /// and ask again when it fires: [`handle_timeout`](Self::handle_timeout) returns `None` to a
    /// call that comes early.
    #[must_use]
    pub fn poll_timeout(&self, timeouts: &Timeouts) -> Option<Duration> {
        self.deadlines(timeouts).into_iter().flatten().map(|deadline| Duration::from_nanos(deadline.at)).min()
    }

    /// Returns what is due `now`, once; the most serious deadline if several have passed.
    ///
    /// After [`Expired::Handshake`], [`Expired::Write`], [`Expired::Pong`] or [`Expired::Idle`] no
    /// deadline is left until [`closing`](Self::closing) sets one; after [`Expired::Close`] none is
    /// left for good.
    #[must_use = "a deadline is reported once"]
    pub fn handle_timeout(&mut self, now: Duration, timeouts: &Timeouts) -> Option<Expired> {
        let mut deadlines = self.deadlines(timeouts).into_iter().flatten();
        let expired = deadlines.find(|deadline| deadline.at <= nanos(now))?.expired;
        let at = self.no_earlier(now);
        match (&mut self.phase, expired) {
            (Phase::Open { ping, .. }, Expired::PingDue) => *ping = Ping::Due { at },
            (phase, Expired::Close) => *phase = Phase::Over,
            (phase, _) => *phase = Phase::Expired { at },
        }
        Some(expired)
    }

    /// `now`, or the moment of the last thing that happened, if the clock was set back since.
    fn no_earlier(&self, now: Duration) -> Nanos {
        let now = nanos(now);
        let last = match self.phase {
            Phase::Opening { since } | Phase::Closing { since } => since,
            Phase::Open { heard, ping: Ping::None } => heard,
            Phase::Open { heard, ping: Ping::Due { at } | Ping::Written { at } } => heard.max(at),
            Phase::Expired { at } => at,
            Phase::Over => return now,
        };
        now.max(last)
    }

    /// The deadlines that are running, the more serious one first.
    fn deadlines(&self, timeouts: &Timeouts) -> [Option<Deadline>; 2] {
        let Timeouts { handshake, ping_interval, write, pong, idle, close } = *timeouts;
        match self.phase {
            Phase::Opening { since } => [deadline(since, Some(handshake), Expired::Handshake), None],
            Phase::Open { heard, ping } => {
                let idle = deadline(heard, idle, Expired::Idle);
                match ping {
                    Ping::None => [idle, deadline(heard, ping_interval, Expired::PingDue)],
                    Ping::Due { at } => [deadline(at, Some(write), Expired::Write), idle],
                    Ping::Written { at } => [deadline(at, Some(pong), Expired::Pong), idle],
                }
            }
            Phase::Closing { since } => [deadline(since, Some(close), Expired::Close), None],
            Phase::Expired { .. } | Phase::Over => [None, None],
        }
    }
}

struct Deadline {
    at: Nanos,
    expired: Expired,
}

/// None if it is off, or so far away that it has no representation.
fn deadline(start: Nanos, wait: Option<Duration>, expired: Expired) -> Option<Deadline> {
    let at = start.checked_add(nanos(wait.filter(|wait| !wait.is_zero())?))?;
    Some(Deadline { at, expired })
}

/// Later moments than there are become the last one, and no wait reaches beyond that.
const fn nanos(time: Duration) -> Nanos {
    let nanos = time.as_nanos();
    if nanos > Nanos::MAX as u128 { Nanos::MAX } else { nanos as Nanos }
}
