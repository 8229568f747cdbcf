//! Messages that come in pieces: the buffer that connections take turns with, and what all have
//! collected.

use sansws::{Assembler, CloseCode, State};

use crate::conn::ending::Cause;
use crate::conn::gathering::Gathering;
use crate::conn::peer_id::PeerId;
use crate::conn::sending::Sending;
use crate::state::engines::Engine;
use crate::state::slots::{Phase, Slot, Slots};

/// The largest buffer that a loop keeps.
const KEPT: usize = 4 << 20;

/// From this size on it matters who has it.
const MUCH: usize = 64 << 10;

/// What the loop's connections share to collect messages.
#[derive(Default)]
pub(crate) struct Assembly {
    /// For the connection whose turn it is.
    pub(crate) buffer: Vec<u8>,
    /// What all connections have collected of messages that are not whole, see
    /// `Settings::max_incomplete_bytes`.
    pub(crate) incomplete: usize,
    /// The connection that was the last to keep a large buffer, because its message was not whole.
    collecting: Option<PeerId>,
    /// One that kept a large buffer before: it has as much as it was lent.
    lends_too_much: Option<PeerId>,
}

impl Assembly {
    /// Before a connection's bytes are looked at: lends the buffer to it. What it has is counted
    /// anew by [`put_away`](Self::put_away).
    pub(crate) fn lend(&mut self, assembler: &mut Assembler) {
        self.incomplete -= assembler.capacity();
        if let Some(unused) = assembler.lend(std::mem::take(&mut self.buffer)) {
            self.buffer = unused;
        }
    }

    /// After that: takes the buffer back, unless the connection's message is not whole.
    #[inline]
    pub(crate) fn put_away(&mut self, engine: &mut Engine, id: PeerId, most: usize) {
        let Engine { conn, assembler, .. } = engine;
        if conn.state() == State::Failed {
            assembler.reset();
        }
        if let Some(buffer) = assembler.release() {
            if buffer.capacity() <= KEPT {
                self.buffer = buffer;
            }
            return;
        }
        if self.incomplete + assembler.capacity() > most {
            assembler.shrink();
        }
        self.incomplete += assembler.capacity();
        if assembler.capacity() > MUCH {
            self.lends_too_much = self.collecting.replace(id).filter(|other| *other != id);
        }
    }

    /// Runs what grows an assembler by itself, and counts it.
    pub(crate) fn grow<T>(&mut self, assembler: &mut Assembler, grow: impl FnOnce(&mut Assembler) -> T) -> T {
        self.incomplete -= assembler.capacity();
        let result = grow(assembler);
        self.incomplete += assembler.capacity();
        result
    }

    /// A connection has ended.
    pub(crate) fn forget(&mut self, assembler: &Assembler) {
        self.incomplete -= assembler.capacity();
    }

    /// Between turns: sees to it that no two connections hold a large buffer that they do not fill,
    /// and that all together stay below `most`.
    #[inline]
    pub(crate) fn balance<S>(&mut self, slots: &mut Slots<S>, gathering: &mut Gathering, most: usize) {
        if let Some(id) = self.lends_too_much.take() {
            if let Some(Slot { phase: Phase::Open(open), .. }) = slots.get_peer(id) {
                if let Some(engine) = open.engine() {
                    self.grow(&mut engine.assembler, Assembler::shrink);
                }
            }
        }
        if self.incomplete > most {
            self.fail_largest(slots, gathering, most);
        }
    }

    /// The messages in progress take too much. To fail whoever has the largest takes nothing from
    /// all others, however little they have. An eighth is freed at once: to look for the largest
    /// takes a look at every slot.
    fn fail_largest<S>(&mut self, slots: &mut Slots<S>, gathering: &mut Gathering, most: usize) {
        let size = |index: u32| match slots.get(index).map(|slot| &slot.phase) {
            Some(Phase::Open(open)) => open.collected(),
            _ => 0,
        };
        let mut largest: Vec<_> = slots.indices().into_iter().map(|index| (size(index), index)).collect();
        largest.sort_unstable_by(|a, b| b.cmp(a));
        for (_, index) in largest {
            if self.incomplete <= most - most / 8 {
                return;
            }
            let Some(slot) = slots.get_mut(index) else { continue };
            let Slot { id, link, edges, phase: Phase::Open(open), .. } = slot else { continue };
            let Some(Engine { conn, assembler, .. }) = open.engine() else { continue };
            log::debug!("{}: too many bytes of messages in progress", link.remote());
            self.forget(assembler);
            *assembler = Assembler::new();
            Sending { id: *id, conn, link, wire: edges, gathering, in_turn: false }
                .fail(CloseCode::TRY_AGAIN_LATER, Cause::TooManyIncompleteBytes);
        }
    }
}
