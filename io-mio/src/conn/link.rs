//! One connection's bytes: what it was sent, what it owes, what is known of its peer.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use sansws::KeepAlive;

use crate::conn::ending::{By, Cause};
use crate::conn::gathering::Gathering;
use crate::conn::out_queue::{Flushed, OutQueue};
use crate::conn::peer_addr::{PackedAddr, PeerAddr};
use crate::conn::shared_frame::SharedFrame;
use crate::conn::wire::Wire;
use crate::metrics::Counters;
use crate::settings::slow_consumer::SlowConsumer;

/// Everything about a connection that is neither its protocol state, nor its socket, nor the
/// application's.
pub(crate) struct Link {
    pub(crate) out: OutQueue,
    /// Bytes that the kernel has taken.
    pub(crate) written: u64,
    /// Bytes that were read.
    pub(crate) received: u64,
    pub(crate) keepalive: KeepAlive,
    remote: PackedAddr,
    /// Boxed twice: one word where most have none.
    subprotocol: Option<Box<Box<str>>>,
    pub(crate) rare: Option<Box<Rare>>,
    pub(crate) slow_consumer: SlowConsumer,
    /// Who began to close.
    pub(crate) closed_by: Option<By>,
    /// A write failed. Output is discarded; what arrived before is still read, it may hold the
    /// peer's Close.
    pub(crate) broken: bool,
    /// More than the high-water mark waits, see [`SlowConsumer`].
    pub(crate) congested: bool,
    /// Something was queued outside of the connection's own turn: flush at the end of the turn.
    pub(crate) dirty: bool,
}

/// What few connections ever have.
#[derive(Default)]
pub(crate) struct Rare {
    /// The connection's own, if it is not that of the settings.
    high_water: Option<NonZeroU32>,
    pub(crate) cause: Option<Cause>,
    /// Published while the application is in the middle of a fragmented message, which nothing may
    /// interrupt (§5.4).
    pub(crate) held: VecDeque<SharedFrame>,
    pub(crate) held_len: usize,
    /// Published messages that passed it by.
    pub(crate) dropped: u64,
    /// What `written` is when the kernel has all that was queued when the connection began to
    /// close.
    pub(crate) closing_end: Option<u64>,
    /// What was [surely written](Link::surely_written) when a message was refused for lack of room.
    pub(crate) refused_at: Option<u64>,
    /// FIN waits until then for the peer to hear why the connection failed.
    pub(crate) fin_at: Option<Duration>,
    /// Bytes that were sent and that the kernel never takes, since the connection is broken.
    discarded: usize,
}

impl Link {
    pub(crate) fn new(remote: PeerAddr, now: Duration) -> Self {
        Self {
            out: OutQueue::default(),
            written: 0,
            received: 0,
            keepalive: KeepAlive::new(now),
            remote: remote.into(),
            subprotocol: None,
            rare: None,
            slow_consumer: SlowConsumer::default(),
            closed_by: None,
            broken: false,
            congested: false,
            dirty: false,
        }
    }

    /// Where the peer is.
    pub(crate) fn remote(&self) -> PeerAddr {
        self.remote.unpack()
    }

    pub(crate) fn set_remote(&mut self, remote: PeerAddr) {
        self.remote = remote.into();
    }

    pub(crate) fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_ref().map(|name| &***name)
    }

    pub(crate) fn set_subprotocol(&mut self, name: Option<Box<str>>) {
        self.subprotocol = name.map(Box::new);
    }

    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(crate) fn high_water(&self) -> Option<NonZeroU32> {
        self.rare.as_ref().and_then(|rare| rare.high_water)
    }

    pub(crate) fn set_high_water(&mut self, bytes: Option<NonZeroU32>) {
        if bytes.is_some() {
            self.rare().high_water = bytes;
        }
    }

    /// When [`fin_at`](Rare::fin_at) is, if FIN waits.
    pub(crate) fn fin_at(&self) -> Option<Duration> {
        self.rare.as_ref().and_then(|rare| rare.fin_at)
    }

    /// Says who began to close, and why. What was said first stands.
    pub(crate) fn blame(&mut self, by: By, cause: Option<Cause>) {
        self.closed_by.get_or_insert(by);
        if let Some(cause) = cause {
            self.rare().cause.get_or_insert(cause);
        }
    }

    /// Starts the deadline for the end of the connection, or starts it anew.
    pub(crate) fn restart_closing(&mut self, now: Duration) {
        self.keepalive = KeepAlive::new(now);
        self.keepalive.closing(now);
    }

    /// Bytes that wait in the queue, or behind a fragmented message, or in vain. The marks are for
    /// the queue alone: what is behind the message waits for the application, not for the peer.
    pub(crate) fn queued(&self, wire: &dyn Wire) -> usize {
        let rare = self.rare.as_ref().map_or(0, |rare| rare.held_len + rare.discarded);
        self.waiting(wire) + rare
    }

    /// Bytes that are kept for the kernel, or behind a fragmented message.
    pub(crate) fn held(&self, wire: &dyn Wire) -> usize {
        self.waiting(wire) + self.rare.as_ref().map_or(0, |rare| rare.held_len)
    }

    /// Whether none are kept, at a glance; what is with the wire left aside.
    #[inline]
    pub(crate) fn holds_nothing(&self) -> bool {
        self.out.has_no_heap() && self.rare.is_none()
    }

    /// Bytes that the kernel is still to take.
    pub(crate) fn waiting(&self, wire: &dyn Wire) -> usize {
        self.out.len() + wire.unsent()
    }

    /// Bytes that the kernel surely has taken: over TLS it may have some of those that wait as
    /// records.
    pub(crate) fn surely_written(&self, wire: &dyn Wire) -> u64 {
        self.written.saturating_sub(wire.unsent() as u64)
    }

    /// Whether a congested connection no longer is. If a message was refused, something must have
    /// been taken since: with the same room it would be refused again.
    pub(crate) fn has_drained(&self, low_water: usize, wire: &dyn Wire) -> bool {
        let refused_at = self.rare.as_ref().and_then(|rare| rare.refused_at);
        let waiting = || self.waiting(wire);
        waiting() == 0
            || (waiting() <= low_water && refused_at.is_none_or(|at| self.surely_written(wire) > at))
    }

    /// Whether the kernel has taken everything but what waits behind a fragmented message.
    pub(crate) fn is_flushed(&self, wire: &dyn Wire) -> bool {
        self.broken || (self.out.is_empty() && !wire.wants_write())
    }

    /// Bytes of the peer's have come. Whatever they are, they are a sign of life.
    pub(crate) fn received(&mut self, len: usize, now: Duration, counters: &Counters) {
        self.received += len as u64;
        counters.bytes_received.add(len as u64);
        self.keepalive.received(now);
    }

    /// Whether reading is to wait for the queue: the peer would only ask for more.
    pub(crate) fn holds_back(&self) -> bool {
        self.congested && self.slow_consumer == SlowConsumer::Pause
    }

    /// Writes what was gathered, the output of this connection's turn, then what is queued. What
    /// the kernel does not take is queued. Nothing is gathered afterwards.
    pub(crate) fn flush(&mut self, gathering: &mut Gathering, wire: &mut dyn Wire) {
        let Gathering { bytes: gathered, counters, .. } = gathering;
        if !gathered.is_empty() {
            let start = self.write_at_once(gathered, &[], wire, counters);
            self.queue(&gathered[start..]);
            gathered.clear();
        }
        self.flush_queue(wire, counters);
    }

    /// Writes what is queued, as far as the kernel takes it.
    pub(crate) fn flush_queue(&mut self, wire: &mut dyn Wire, counters: &Counters) {
        if self.broken {
            return self.discard_queue();
        }
        if !self.out.is_empty() {
            let before = self.out.len();
            let flushed = self.out.flush(|slices| wire.write_vectored(slices));
            let written = (before - self.out.len()) as u64;
            self.written += written;
            counters.bytes_sent.add(written);
            match flushed {
                Ok(Flushed::All) => {}
                Ok(Flushed::Blocked) => return,
                Err(error) => return self.write_failed(error),
            }
        }
        if wire.wants_write() {
            match wire.flush() {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => self.write_failed(error),
            }
        }
    }

    /// Writes what was gathered and then a payload that is not copied as long as the kernel takes
    /// it.
    pub(crate) fn write_through(&mut self, gathering: &mut Gathering, payload: &[u8], wire: &mut dyn Wire) {
        let Gathering { bytes: gathered, counters, .. } = gathering;
        let start = self.write_at_once(gathered, payload, wire, counters);
        self.queue(gathered.get(start..).unwrap_or_default());
        self.queue(payload.get(start.saturating_sub(gathered.len())..).unwrap_or_default());
        gathered.clear();
    }

    /// Writes bytes that others are sent too. What the kernel does not take is queued.
    pub(crate) fn write_shared(&mut self, bytes: &Bytes, wire: &mut dyn Wire, counters: &Counters) {
        let start = self.write_at_once(bytes, &[], wire, counters);
        if self.broken {
            self.queue(&bytes[start..]);
        } else {
            self.out.push(bytes.slice(start..));
        }
    }

    /// Writes bytes that need not be queued as long as nothing is. Returns how many went.
    #[inline]
    fn write_at_once(&mut self, head: &[u8], tail: &[u8], wire: &mut dyn Wire, counters: &Counters) -> usize {
        let (mut start, total) = (0, head.len() + tail.len());
        while start < total && !self.broken && self.out.is_empty() {
            let rest = tail.get(start.saturating_sub(head.len())..).unwrap_or_default();
            let written = match head.get(start..).unwrap_or_default() {
                head if tail.is_empty() => wire.write_vectored(&[IoSlice::new(head)]),
                head => wire.write_vectored(&[IoSlice::new(head), IoSlice::new(rest)]),
            };
            match written {
                // A transport that claims more than it was given must not take us past the end.
                Ok(written) => {
                    let end = start.saturating_add(written).min(total);
                    self.written += (end - start) as u64;
                    counters.bytes_sent.add((end - start) as u64);
                    start = end;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.write_failed(error),
            }
        }
        start
    }

    fn queue(&mut self, bytes: &[u8]) {
        if self.broken && !bytes.is_empty() {
            self.rare().discarded += bytes.len();
        } else {
            self.out.push_copy(bytes);
        }
    }

    /// What can never be written is not kept. It counts as buffered all the same, so that nobody
    /// takes it for written.
    fn discard_queue(&mut self) {
        if !self.out.is_empty() {
            self.rare().discarded += self.out.len();
            self.out.clear();
        }
    }

    fn write_failed(&mut self, error: io::Error) {
        log::debug!("{}: write: {error}", self.remote());
        self.broken = true;
        self.discard_queue();
        self.congested = false;
        self.rare().cause.get_or_insert(Cause::of_transport(error));
    }
}
