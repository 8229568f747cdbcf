//! What the loop keeps about one connection.

#[cfg(test)]
mod writing;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use sansws::handshake::{HandshakeError, HeadReader, server};
use sansws::{Assembler, Connection, KeepAlive};
use slab::Slab;

use crate::accept::SlowConsumer;
use crate::dial::Dialling;
use crate::frame::SharedFrame;
use crate::handler::{By, Cause};
use crate::outqueue::{Flushed, OutQueue};
use crate::peer::PeerId;
use crate::timers::{NOT_ARMED, Tick};
use crate::transport::{PeerAddr, Transport};

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

/// Two parts, so that a message can borrow the assembler while a [`Peer`](crate::Peer) borrows everything else.
pub(crate) struct Slot<S> {
    pub(crate) id: PeerId,
    pub(crate) link: Link,
    pub(crate) phase: Phase<S>,
}

/// The slots of a loop, by index.
pub(crate) struct Slots<S> {
    slab: Slab<Slot<S>>,
    worker: u16,
    next_generation: u32,
}

impl<S> Slots<S> {
    pub(crate) fn new(worker: u16) -> Self {
        Self { slab: Slab::new(), worker, next_generation: 0 }
    }

    /// Takes a slot for a connection.
    pub(crate) fn insert(&mut self, link: Link, phase: Phase<S>) -> PeerId {
        let entry = self.slab.vacant_entry();
        // Memory ends long before four billion slots.
        let id = PeerId { generation: self.next_generation, index: entry.key() as u32, worker: self.worker };
        self.next_generation = self.next_generation.wrapping_add(1);
        entry.insert(Slot { id, link, phase });
        id
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<&Slot<S>> {
        self.slab.get(index as usize)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut Slot<S>> {
        self.slab.get_mut(index as usize)
    }

    /// The slot of this very connection.
    pub(crate) fn get_peer(&mut self, id: PeerId) -> Option<&mut Slot<S>> {
        self.get_mut(id.index).filter(|slot| slot.id == id)
    }

    pub(crate) fn remove(&mut self, index: u32) {
        self.slab.try_remove(index as usize);
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn indices(&self) -> Vec<u32> {
        self.slab.iter().map(|(_, slot)| slot.id.index).collect()
    }
}

/// The life of a connection, from top to bottom.
#[expect(clippy::large_enum_variant, reason = "nearly all slots are open ones")]
pub(crate) enum Phase<S> {
    /// Accepted; the head of the request is arriving.
    Opening(Box<Head>),
    /// Being dialled.
    Dialling(Box<Dialling<S>>),
    /// Open, or in the closing handshake.
    Open(Open<S>),
    /// The application is done with it. What is queued is written, then FIN, then the peer's bytes are discarded up to its own FIN
    /// (RFC 6455 §7.1.1): to close a socket with bytes unread would reset the connection, and the peer could lose what it was sent last.
    Lingering,
    /// The socket is closed. The slot is freed at the end of the turn, so that an event later in the turn cannot mean another
    /// connection.
    Dead,
}

pub(crate) struct Open<S> {
    pub(crate) conn: Connection,
    pub(crate) assembler: Assembler,
    pub(crate) session: S,
    /// Messages are handed out in pieces.
    pub(crate) streaming: bool,
}

/// A whole head, and the bytes after it.
pub(crate) type HeadAndRest<'b> = (&'b mut [u8], &'b mut [u8]);

/// A head of which a part has arrived. The part is empty, without heap, until a read brings less than a whole head.
pub(crate) struct Head {
    bytes: Vec<u8>,
    reader: HeadReader,
}

impl Head {
    pub(crate) fn new(max_len: usize) -> Self {
        Self { bytes: Vec::new(), reader: HeadReader::new(max_len) }
    }

    /// Whether it is that of a HEAD request, as far as it has come.
    pub(crate) fn is_head(&self) -> bool {
        server::method_of(&self.bytes) == "HEAD"
    }

    /// Adds what was read. Once the head is whole, returns it and what follows it: parts of `input`, if that has all of it, else of
    /// `collected`.
    pub(crate) fn add<'b>(
        &mut self,
        input: &'b mut [u8],
        collected: &'b mut Vec<u8>,
    ) -> Result<Option<HeadAndRest<'b>>, HandshakeError> {
        if self.bytes.is_empty() {
            return self.begin(input);
        }
        self.bytes.extend_from_slice(input);
        match self.reader.find_end(&self.bytes)? {
            None => Ok(None),
            Some(end) => {
                *collected = std::mem::take(&mut self.bytes);
                Ok(collected.split_at_mut_checked(end))
            }
        }
    }

    /// Adds what was read first.
    pub(crate) fn begin<'b>(
        &mut self,
        input: &'b mut [u8],
    ) -> Result<Option<HeadAndRest<'b>>, HandshakeError> {
        let end = self.reader.find_end(input);
        if let Ok(Some(end)) = end {
            return Ok(input.split_at_mut_checked(end));
        }
        // Also of a head that is refused: its method matters.
        self.bytes.extend_from_slice(input);
        end.map(|_| None)
    }
}

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
    pub(crate) topics: Vec<Arc<str>>,
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

/// What is read at a time of a connection: the less, the more work its messages are. A power of two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portion(u8);

impl Portion {
    pub(crate) const SMALLEST: Self = Self(9);
    /// Until it is known how long its messages take the application.
    const FIRST: Self = Self(14);

    pub(crate) const fn bytes(self) -> usize {
        1 << self.0
    }

    /// It took so many times as long as it should.
    pub(crate) fn shrink(&mut self, times: u128) {
        let halvings = 1 + times.checked_ilog2().unwrap_or(0) as u8;
        self.0 = self.0.saturating_sub(halvings).max(Self::SMALLEST.0);
    }

    pub(crate) fn double(&mut self, most: usize) {
        if self.bytes() < most {
            self.0 += 1;
        }
    }
}

/// Control frames of a peer since all that had come was read, or for a [`receive_buffer`](crate::Settings::receive_buffer) of bytes.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    control_frames: u16,
    kib: u16,
}

impl Flood {
    pub(crate) fn more(&mut self, len: usize, receive_buffer: usize) {
        let kib = u16::try_from(len.div_ceil(1024)).unwrap_or(u16::MAX);
        self.kib = self.kib.saturating_add(kib);
        // It counts up to 64 MiB.
        if usize::from(self.kib) << 10 > receive_buffer.min(32 << 20) {
            *self = Self { control_frames: 0, kib };
        }
    }

    pub(crate) fn control_frame(&mut self) {
        self.control_frames = self.control_frames.saturating_add(1);
    }

    pub(crate) fn control_frames(&self) -> u32 {
        self.control_frames.into()
    }
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
            topics: Vec::new(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_small() {
        // Without heap of its own. The timers add 16 bytes; mio has some for itself in debug builds.
        assert!(size_of::<Slot<()>>() <= 624, "{} bytes", size_of::<Slot<()>>());
    }
}
