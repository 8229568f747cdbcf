//! What all connections of a loop share.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::conn::link::Link;
use crate::conn::peer_id::PeerId;
use crate::conn::shared_frame::SharedFrame;
use crate::hub::Hub;
use crate::hub::command::{Command, CommandError};
use crate::hub::inbox::{Inbox, publish_on};
use crate::settings::Settings;
use crate::state::timers::{Timers, tick_at};
use crate::state::topics::Topics;
use crate::target::connect::Connect;

/// No connection is having its turn.
pub(crate) const NOBODY: u32 = u32::MAX;

/// Loop-wide state that callbacks reach through a [`Peer`](crate::Peer) or a [`Context`](crate::Context).
pub(crate) struct Shared<S> {
    pub(crate) settings: Settings,
    /// Since the loop began; read once a turn.
    pub(crate) now: Duration,
    pub(crate) worker: u16,
    /// The connection whose turn it is: its output is gathered in `gathered` and written at once.
    pub(crate) turn_of: u32,
    pub(crate) gathered: Vec<u8>,
    pub(crate) topics: Topics,
    pub(crate) timers: Timers,
    /// What callbacks asked for that concerns other connections, carried out in order once they have returned.
    pub(crate) deferred: VecDeque<Command>,
    pub(crate) dials: VecDeque<Connect<S>>,
    /// A buffer that connections take turns with, to collect messages that came in pieces.
    pub(crate) assembly: Vec<u8>,
    /// Who was the last to keep a large one, because its message was not whole.
    pub(crate) collecting: Option<PeerId>,
    /// What all connections have collected of messages that are not whole, see `Settings::max_incomplete_bytes`.
    pub(crate) incomplete: usize,
    /// Memory for the receivers of one message.
    pub(crate) receivers: Vec<u32>,
    /// Slots with output queued outside of their own turn.
    pub(crate) dirty: Vec<u32>,
    pub(crate) hub: Arc<Hub>,
    /// The other loops of the server.
    pub(crate) others: Vec<Arc<Inbox>>,
}

/// Memory of an empty queue that is kept between turns, in bytes.
const KEPT_QUEUE: usize = 256 << 10;

/// Gives the memory of a queue back that was long once and is empty now.
pub(crate) fn give_back<T>(queue: &mut VecDeque<T>) {
    if queue.is_empty() && queue.capacity() * size_of::<T>() > KEPT_QUEUE {
        *queue = VecDeque::new();
    }
}

impl<S> Shared<S> {
    pub(crate) fn wake_after(&mut self, delay: Duration) {
        self.timers.add_wake(tick_at(self.now.saturating_add(delay)));
    }

    pub(crate) fn dial(&mut self, connect: Connect<S>) {
        self.dials.push_back(connect);
    }

    /// Whether a published message would reach nobody.
    pub(crate) fn nobody_wants(&self, topic: &str) -> bool {
        self.others.is_empty() && self.topics.count(topic) == 0
    }

    pub(crate) fn publish_elsewhere(&self, topic: &str, frame: &SharedFrame) -> Result<(), CommandError> {
        match publish_on(&self.others, topic, frame) {
            // During a shutdown some loops end earlier. Nobody is left there who could want it.
            Err(CommandError::Stopped) => Ok(()),
            published => published,
        }
    }

    /// Sends something to a peer that may be on another loop.
    pub(crate) fn command(&mut self, peer: PeerId, command: Command) -> Result<(), CommandError> {
        if peer.worker == self.worker {
            self.deferred.push_back(command);
            Ok(())
        } else {
            self.hub.inbox(peer.worker)?.push(command)
        }
    }

    /// Has the loop flush this connection before it waits.
    pub(crate) fn mark_dirty(&mut self, id: PeerId, link: &mut Link) {
        if !link.dirty {
            link.dirty = true;
            self.dirty.push(id.index);
        }
    }
}
