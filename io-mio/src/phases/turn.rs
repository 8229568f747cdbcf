//! One connection, while it has its turn.

use std::io;
use std::time::Instant;

use crate::app::handler::Handler;
use crate::app::peer::Peer;
use crate::conn::sending::Sending;
use crate::kernel::transport::Transport;
use crate::state::shared::Shared;
use crate::state::slots::{Phase, Slot};

/// What a phase is lent: its connection, and what it shares with others. No other connection can be
/// reached from here; what concerns one is queued in `shared`.
pub(crate) struct Turn<'a, H: Handler> {
    pub(crate) slot: &'a mut Slot<H::Session>,
    pub(crate) handler: &'a mut H,
    pub(crate) shared: &'a mut Shared<H::Session>,
    /// What is read, is read into this.
    pub(crate) buffer: &'a mut [u8],
    /// The connection is to have another turn soon, event or not.
    pub(crate) again: bool,
    /// Since when the work of this turn is worth a look at the clock.
    pub(crate) busy_since: Option<Instant>,
}

/// What is next for the connection whose turn it was. [`GoOn`](Self::GoOn) is about this turn,
/// [`Turn::again`] about the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Then {
    /// An event, or a deadline.
    Wait,
    /// The same phase or another goes on, at once, as long as the turn lasts.
    GoOn,
    /// The connection is over: its socket can be closed.
    Die,
}

impl<H: Handler> Turn<'_, H> {
    /// Calls the handler about the open connection.
    #[inline]
    pub(crate) fn tell(&mut self, call: impl FnOnce(&mut H, &mut Peer<'_, H::Session>)) {
        let Slot { id, link, edges, phase: Phase::Open(open), .. } = &mut *self.slot else { return };
        let (engine, session) = open.wake(&mut self.shared.engines);
        call(self.handler, &mut Peer::in_turn(*id, &mut engine.conn, link, edges, session, self.shared));
    }

    /// What it takes to send on the open connection.
    #[inline]
    pub(crate) fn sending(&mut self) -> Option<Sending<'_>> {
        let Slot { id, link, edges, phase: Phase::Open(open), .. } = &mut *self.slot else { return None };
        let Shared { gathering, engines, .. } = &mut *self.shared;
        let (engine, _) = open.wake(engines);
        Some(Sending { id: *id, conn: &mut engine.conn, link, wire: edges, gathering, in_turn: true })
    }

    /// Writes what was gathered and what is queued, as far as the kernel takes it.
    #[inline]
    pub(crate) fn flush(&mut self) {
        self.slot.link.flush(&mut self.shared.gathering, &mut self.slot.edges);
    }

    /// Reads one [portion](crate::conn::pace::Portion) into the buffer. `None`: there is nothing to
    /// read for now.
    pub(crate) fn read(&mut self) -> Option<io::Result<usize>> {
        let portion = self.slot.edges.portion.bytes().min(self.buffer.len());
        let buffer = self.buffer.get_mut(..portion)?;
        read(self.slot, self.shared, portion, |transport| transport.read(buffer)).or_else(|| self.or_later())
    }

    /// Nothing was read. If there is more all the same, the connection has another turn.
    pub(crate) fn or_later<T>(&mut self) -> Option<T> {
        let Slot { edges, .. } = &*self.slot;
        self.again |= edges.can_read() && !self.slot.is_paused() && edges.transport.has_more();
        None
    }
}

/// Reads up to `wanted` bytes by `read`, unless nothing is wanted. `None`: there is nothing to read
/// for now.
#[inline]
pub(crate) fn read<S>(
    slot: &mut Slot<S>,
    shared: &Shared<S>,
    wanted: usize,
    read: impl FnMut(&mut Transport) -> io::Result<usize>,
) -> Option<io::Result<usize>> {
    if slot.is_paused() {
        return None;
    }
    let read = slot.edges.read(wanted, read)?;
    if let Ok(len @ 1..) = read {
        slot.link.received(len, shared.now, &shared.counters);
    }
    Some(read)
}
