//! Everything about a connection that is not its protocol state or the application's.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::num::NonZeroU32;
use std::time::Duration;

use sansws::KeepAlive;

use crate::conn::ending::{By, Cause};
use crate::conn::out_queue::{Flushed, OutQueue};
use crate::conn::pace::{Flood, Portion};
use crate::conn::peer_addr::PeerAddr;
use crate::conn::shared_frame::SharedFrame;
use crate::kernel::transport::Transport;
use crate::settings::slow_consumer::SlowConsumer;
use crate::state::timers::{NOT_ARMED, Tick};

/// Whether the next event of a socket may come after a read that was not refused: events are edges of epoll or kqueue here. Elsewhere mio
/// waits for a call that would have to.
const SHORT_READ_DRAINS: bool = cfg!(any(
    target_os = "android",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "ios",
    target_os = "linux",
    target_os = "macos",
    target_os = "netbsd",
    target_os = "openbsd",
));

/// Everything about a connection that is not its protocol state or the application's.
pub(crate) struct Link {
    pub(crate) transport: Transport,
    pub(crate) out: OutQueue,
    /// Bytes that the kernel has taken.
    pub(crate) written: u64,
    /// Bytes that were read.
    pub(crate) received: u64,
    pub(crate) keepalive: KeepAlive,
    /// When the timers have the loop look at this slot.
    pub(crate) armed: Tick,
    pub(crate) remote: PeerAddr,
    pub(crate) subprotocol: Option<Box<str>>,
    pub(crate) rare: Option<Box<Rare>>,
    pub(crate) slow_consumer: SlowConsumer,
    /// Its own, if it is not that of the settings.
    pub(crate) high_water: Option<NonZeroU32>,
    /// Who began to close.
    pub(crate) closed_by: Option<By>,
    /// The kernel may have bytes for us.
    pub(crate) readable: bool,
    /// The kernel may take bytes.
    pub(crate) writable: bool,
    /// An event said that the peer sent FIN: a short read does not mean that there is nothing more to read.
    pub(crate) read_closed: bool,
    /// The end of the peer's stream was read.
    pub(crate) eof: bool,
    /// FIN was sent.
    pub(crate) fin_sent: bool,
    /// A write failed. Output is discarded; what arrived before is still read, it may hold the peer's Close.
    pub(crate) broken: bool,
    /// More than the high-water mark waits, see [`SlowConsumer`].
    pub(crate) congested: bool,
    /// The application wants nothing read for now.
    pub(crate) paused: bool,
    /// Something was queued outside of the connection's own turn: flush at the end of the turn.
    pub(crate) dirty: bool,
    /// On the list of those that are served again without waiting for an event.
    pub(crate) ready: bool,
    /// The kernel took nothing more, and now does again: the peer has acknowledged something.
    pub(crate) progress: bool,
    /// Counted in the limits on accepted connections, with its address or without.
    pub(crate) counted: bool,
    pub(crate) address_counted: bool,
    /// It is being told that the server is full.
    pub(crate) refused: bool,
    /// The most that is read at a time.
    pub(crate) portion: Portion,
    pub(crate) flood: Flood,
}

/// What few connections ever have.
#[derive(Default)]
pub(crate) struct Rare {
    pub(crate) cause: Option<Cause>,
    /// Published while the application is in the middle of a fragmented message, which nothing may interrupt (§5.4).
    pub(crate) held: VecDeque<SharedFrame>,
    pub(crate) held_len: usize,
    /// Published messages that passed it by.
    pub(crate) dropped: u64,
    /// What `written` is when the kernel has all that was queued when the connection began to close.
    pub(crate) closing_end: Option<u64>,
    /// What was [surely written](Link::surely_written) when a message was refused for lack of room.
    pub(crate) refused_at: Option<u64>,
    /// Bytes that were sent and that the kernel never takes, since the connection is broken.
    discarded: usize,
}

impl Link {
    pub(crate) fn new(transport: Transport, remote: PeerAddr, now: Duration) -> Self {
        Self {
            transport,
            out: OutQueue::default(),
            written: 0,
            received: 0,
            keepalive: KeepAlive::new(now),
            armed: NOT_ARMED,
            remote,
            subprotocol: None,
            rare: None,
            slow_consumer: SlowConsumer::default(),
            high_water: None,
            closed_by: None,
            readable: false,
            writable: false,
            read_closed: false,
            eof: false,
            fin_sent: false,
            broken: false,
            congested: false,
            paused: false,
            dirty: false,
            ready: false,
            progress: false,
            counted: false,
            address_counted: false,
            refused: false,
            portion: Portion::FIRST,
            flood: Flood::default(),
        }
    }

    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
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

    /// Bytes that wait in the queue, or behind a fragmented message, or in vain. The marks are for the queue alone: what is behind the message
    /// waits for the application, not for the peer.
    pub(crate) fn queued(&self) -> usize {
        let rare = self.rare.as_ref().map_or(0, |rare| rare.held_len + rare.discarded);
        self.out.len() + self.transport.unsent() + rare
    }

    /// Bytes that the kernel is still to take.
    pub(crate) fn waiting(&self) -> usize {
        self.out.len() + self.transport.unsent()
    }

    /// Bytes that the kernel surely has taken: over TLS it may have some of those that wait as records.
    pub(crate) fn surely_written(&self) -> u64 {
        self.written.saturating_sub(self.transport.unsent() as u64)
    }

    /// Whether a congested connection no longer is. If a message was refused, something must have been taken since: with the same room it
    /// would be refused again.
    pub(crate) fn has_drained(&self, low_water: usize) -> bool {
        let refused_at = self.rare.as_ref().and_then(|rare| rare.refused_at);
        self.congested
            && (self.waiting() == 0
                || (self.waiting() <= low_water && refused_at.is_none_or(|at| self.surely_written() > at)))
    }

    /// Whether the kernel has taken everything but what waits behind a fragmented message.
    pub(crate) fn is_flushed(&self) -> bool {
        self.broken || (self.out.is_empty() && !self.transport.wants_write())
    }

    /// Reads up to `wanted` bytes by `read`. `None`: there is nothing to read for now.
    pub(crate) fn read(
        &mut self,
        wanted: usize,
        now: Duration,
        mut read: impl FnMut(&mut Transport) -> io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        while self.can_read() {
            let read = read(&mut self.transport);
            if self.transport.take_unblocked() {
                self.writable = true;
            }
            match read {
                Ok(0) => {
                    self.eof = true;
                    self.readable = false;
                    return Some(Ok(0));
                }
                Ok(len) => {
                    // A short read has drained the socket, and what comes later is a new event. Only a FIN whose event has been seen
                    // already would be missed.
                    let short = SHORT_READ_DRAINS && len < wanted;
                    if short && !self.read_closed && !self.transport.has_more() {
                        self.readable = false;
                    }
                    self.received += len as u64;
                    self.keepalive.received(now);
                    return Some(Ok(len));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.transport.has_more() {
                        return None;
                    }
                    self.readable = false;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.readable = false;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// Whether a read may bring something, and is wanted.
    pub(crate) fn can_read(&self) -> bool {
        self.readable && !self.eof && !self.is_paused()
    }

    /// Whether reading is to wait: the peer would only ask for more.
    pub(crate) fn is_paused(&self) -> bool {
        let congested = self.congested && self.slow_consumer == SlowConsumer::Pause;
        (congested || self.paused) && self.closed_by.is_none()
    }

    /// Writes `gathered`, the output of this connection's turn, then what is queued. What the kernel does not take is queued.
    /// `gathered` is empty afterwards.
    pub(crate) fn flush(&mut self, gathered: &mut Vec<u8>) {
        let start =
            self.write_at_once(gathered.len(), |transport, start| transport.write(&gathered[start..]));
        self.queue(&gathered[start..]);
        gathered.clear();
        self.flush_queue();
    }

    /// Writes what is queued, as far as the kernel takes it.
    pub(crate) fn flush_queue(&mut self) {
        if self.broken {
            return self.discard_queue();
        }
        if self.writable && !self.out.is_empty() {
            let before = self.out.len();
            let flushed = self.out.flush(|slices| self.transport.write_vectored(slices));
            self.written += (before - self.out.len()) as u64;
            match flushed {
                Ok(Flushed::All) => {}
                Ok(Flushed::Blocked) => self.writable = false,
                Err(error) => self.write_failed(error),
            }
        }
        if self.writable && !self.broken && self.transport.wants_write() {
            match self.transport.flush() {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) => self.write_failed(error),
            }
        }
    }

    /// Writes `gathered` and then a payload that is not copied as long as the kernel takes it.
    pub(crate) fn write_through(&mut self, gathered: &mut Vec<u8>, payload: &[u8]) {
        let head = |start| gathered.get(start..).unwrap_or_default();
        let tail = |start: usize| payload.get(start.saturating_sub(gathered.len())..).unwrap_or_default();
        let start = self.write_at_once(gathered.len() + payload.len(), |transport, start| {
            transport.write_vectored(&[IoSlice::new(head(start)), IoSlice::new(tail(start))])
        });
        self.queue(head(start));
        self.queue(tail(start));
        gathered.clear();
    }

    /// Writes `total` bytes that need not be queued as long as nothing is. `write` is told how many went before; returns how many went.
    #[inline]
    fn write_at_once(
        &mut self,
        total: usize,
        mut write: impl FnMut(&mut Transport, usize) -> io::Result<usize>,
    ) -> usize {
        let mut start = 0;
        while start < total && self.writable && !self.broken && self.out.is_empty() {
            match write(&mut self.transport, start) {
                Ok(0) => self.write_failed(ErrorKind::WriteZero.into()),
                // A transport that claims more than it was given must not take us past the end.
                Ok(written) => {
                    let end = start.saturating_add(written).min(total);
                    self.written += (end - start) as u64;
                    start = end;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
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

    /// What can never be written is not kept. It counts as buffered all the same, so that nobody takes it for written.
    fn discard_queue(&mut self) {
        if !self.out.is_empty() {
            self.rare().discarded += self.out.len();
            self.out.clear();
        }
    }

    fn write_failed(&mut self, error: io::Error) {
        log::debug!("{}: write: {error}", self.remote);
        self.broken = true;
        self.discard_queue();
        // The next read tells the end, after what the peer sent before it.
        self.readable = true;
        self.congested = false;
        self.rare().cause.get_or_insert(Cause::of_transport(error));
    }
}
