//! What the loop keeps about one connection.

use sansws::Connection;
use slab::Slab;

use crate::conn::head::Head;
use crate::conn::link::Link;
use crate::conn::pace::Flood;
use crate::conn::peer_id::PeerId;
use crate::dial::dialling::Dialling;
use crate::hub::admission::Place;
use crate::kernel::edges::Edges;
use crate::kernel::listener::Security;
use crate::kernel::socket::Socket;
use crate::kernel::transport::Transport;
use crate::metrics::{Counters, Standing};
use crate::state::engines::{Engine, Engines, Kind};
use crate::state::timers::{NOT_ARMED, Tick};

/// One connection, in parts: a message borrows the assembler while a [`Peer`](crate::Peer) borrows
/// everything else. Most are idle, and there are many: what few need is in a box, or with the loop.
pub(crate) struct Slot<S> {
    pub(crate) id: PeerId,
    pub(crate) link: Link,
    pub(crate) edges: Edges,
    pub(crate) phase: Phase<S>,
    /// What it takes of what is limited over all connections.
    pub(crate) place: Option<Place>,
    /// When the timers have the loop look at it.
    pub(crate) armed: Tick,
    /// It is on the list of those that are served again without waiting for an event.
    pub(crate) ready: bool,
    /// What it is counted as in the loop's gauges.
    counted_as: Standing,
    /// How many bytes it is counted with: at most 4 GiB, as there are many slots.
    counted_queued: u32,
}

impl<S> Slot<S> {
    /// Whether nothing is to be read for now. A connection that is closing is read in any case.
    #[inline]
    pub(crate) fn is_paused(&self) -> bool {
        (self.link.holds_back() || self.edges.paused) && self.link.closed_by.is_none()
    }

    /// Has an open connection rest, if it can.
    #[inline]
    pub(crate) fn rest(&mut self, engines: &mut Engines) {
        if let Phase::Open(open) = &mut self.phase {
            open.rest(engines);
        }
    }

    /// Brings the loop's gauges up to date with what this connection is and holds.
    #[inline]
    pub(crate) fn count(&mut self, counters: &Counters) {
        let is_as_most_are = self.counted_as == Standing::Open
            && self.link.closed_by.is_none()
            && self.counted_queued == 0
            && self.link.holds_nothing()
            && matches!(self.edges.transport, Transport::Plain(_));
        if !is_as_most_are {
            self.count_anew(counters);
        }
    }

    #[cold]
    fn count_anew(&mut self, counters: &Counters) {
        let (standing, queued) = self.counts();
        counters.moved(std::mem::replace(&mut self.counted_as, standing), standing);
        counters.queued_bytes.sub(std::mem::replace(&mut self.counted_queued, queued).into());
        counters.queued_bytes.add(queued.into());
    }

    /// What it is to be counted as, and with how many bytes.
    fn counts(&self) -> (Standing, u32) {
        let standing = match &self.phase {
            Phase::Announced(_) | Phase::Opening(_) | Phase::Deciding(_) => Standing::Opening,
            Phase::Dialling(_) => Standing::Dialling,
            Phase::Open(_) if self.link.closed_by.is_none() => Standing::Open,
            Phase::Open(_) | Phase::Lingering => Standing::Closing,
            Phase::Dead => return (Standing::Gone, 0),
        };
        (standing, u32::try_from(self.link.held(&self.edges)).unwrap_or(u32::MAX))
    }
}

/// The memory of so many slots is kept.
const KEPT_SLOTS: usize = 256;

/// The slots of a loop, by index.
pub(crate) struct Slots<S> {
    slab: Slab<Slot<S>>,
    worker: u16,
    next_generation: u32,
    /// Since memory was last given back.
    removed: usize,
}

impl<S> Slots<S> {
    pub(crate) fn new(worker: u16) -> Self {
        Self { slab: Slab::new(), worker, next_generation: 0, removed: 0 }
    }

    /// Takes a slot for a connection.
    pub(crate) fn insert(&mut self, link: Link, edges: Edges, phase: Phase<S>) -> PeerId {
        let entry = self.slab.vacant_entry();
        // Memory ends long before four billion slots.
        let id = PeerId { generation: self.next_generation, index: entry.key() as u32, worker: self.worker };
        self.next_generation = self.next_generation.wrapping_add(1);
        entry.insert(Slot {
            id,
            link,
            edges,
            phase,
            place: None,
            armed: NOT_ARMED,
            ready: false,
            counted_as: Standing::Gone,
            counted_queued: 0,
        });
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
        self.removed += usize::from(self.slab.try_remove(index as usize).is_some());
        let room = self.slab.capacity();
        // What this costs is paid for by the removals. Slots do not move: only what is behind the
        // last one is given back.
        let is_worth_it = self.slab.is_empty() || self.removed > room / 8;
        if is_worth_it && room > 4 * self.slab.len() + KEPT_SLOTS {
            self.removed = 0;
            self.slab.shrink_to_fit();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.slab.capacity()
    }

    /// Counts anew what the gauges have, apart from connections that are to be flushed still.
    #[cfg(any(test, feature = "__scripted"))]
    pub(crate) fn gauges_are_right(&self, gauges: &crate::Metrics) -> bool {
        let afresh = Counters::default();
        for (_, slot) in &self.slab {
            let (standing, queued) = slot.counts();
            afresh.moved(Standing::Gone, standing);
            afresh.queued_bytes.add(queued.into());
        }
        let afresh = crate::Metrics::sum([&afresh]);
        afresh.gauges() == gauges.gauges()
    }

    pub(crate) fn indices(&self) -> Vec<u32> {
        self.slab.iter().map(|(_, slot)| slot.id.index).collect()
    }
}

/// The life of a connection, from top to bottom.
pub(crate) enum Phase<S> {
    /// Accepted from a proxy that tells who the client is before anything else.
    Announced(Box<Announced>),
    /// Accepted; the head of the request is arriving.
    Opening(Box<Head>),
    /// Accepted; the application has put off the decision about this request.
    Deciding(Box<Deciding>),
    /// Being dialled.
    Dialling(Box<Dialling<S, Socket>>),
    /// Open, or in the closing handshake.
    Open(Open<S>),
    /// The application is done with it. What is queued is written, then FIN, then the peer's bytes
    /// are discarded up to its own FIN (RFC 6455 §7.1.1): to close a socket with bytes unread would
    /// reset the connection, and the peer could lose what it was sent last.
    Lingering,
    /// The socket is closed. The slot is freed at the end of the turn, so that an event later in
    /// the turn cannot mean another connection.
    Dead,
}

/// A connection of a client whom a proxy announces.
pub(crate) struct Announced {
    /// What has come of the PROXY protocol's header.
    pub(crate) header: Vec<u8>,
    /// What comes behind it.
    pub(crate) security: Security,
}

/// A request that waits for a decision.
pub(crate) struct Deciding {
    /// What has arrived: the head, and what follows it.
    pub(crate) bytes: Vec<u8>,
    pub(crate) head_len: usize,
}

/// An open connection, or one in the closing handshake. It rests between two messages: then it has
/// no engine.
pub(crate) struct Open<S> {
    engine: Option<Box<Engine>>,
    kind: Kind,
    /// Messages are handed out in pieces.
    pub(crate) streaming: bool,
    pub(crate) flood: Flood,
    pub(crate) session: S,
}

impl<S> Open<S> {
    pub(crate) fn new(conn: Connection, session: S, streaming: bool, engines: &mut Engines) -> Self {
        let engine = engines.run(conn);
        Self { kind: engine.kind(), engine: Some(engine), streaming, flood: Flood::default(), session }
    }

    /// Its engine, if it does not rest.
    #[inline]
    pub(crate) fn engine(&mut self) -> Option<&mut Engine> {
        self.engine.as_deref_mut()
    }

    /// Whether messages can be sent.
    pub(crate) fn can_send(&self) -> bool {
        self.engine.as_ref().is_none_or(|engine| engine.conn.can_send())
    }

    /// Bytes of memory for a message that is not whole.
    pub(crate) fn collected(&self) -> usize {
        self.engine.as_ref().map_or(0, |engine| engine.assembler.capacity())
    }

    /// Its engine, and what the application keeps about it.
    #[inline]
    pub(crate) fn wake(&mut self, engines: &mut Engines) -> (&mut Engine, &mut S) {
        let kind = self.kind;
        (self.engine.get_or_insert_with(|| engines.wake(kind)), &mut self.session)
    }

    /// Has it rest, if nothing is in progress and nothing is owed.
    #[inline]
    pub(crate) fn rest(&mut self, engines: &mut Engines) {
        if let Some(engine) = self.engine.take_if(|engine| engine.can_rest()) {
            engines.put_back(engine);
        }
    }

    /// Its engine and what the application keeps about it, at its end.
    pub(crate) fn into_parts(self, engines: &mut Engines) -> (Box<Engine>, S) {
        (self.engine.unwrap_or_else(|| engines.wake(self.kind)), self.session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_small() {
        // Without heap of its own; the timers add 12 bytes. A socket is larger in debug builds of mio,
        // and one that is played is too. Otherwise it is 16 bytes with what is known of it, or 24
        // where there may be TLS.
        let without_socket = size_of::<Slot<()>>() - size_of::<Edges>();
        assert!(without_socket <= 152, "{without_socket} bytes");
    }
}
