//! The loop, as the application holds it when no connection is concerned.

use std::fmt;
use std::time::Duration;

use sansws::{CloseCode, Message, SendError};

use crate::app::peer::Peer;
use crate::conn::peer_id::PeerId;
use crate::conn::shared_frame::SharedFrame;
use crate::hub::command::CommandError;
use crate::metrics::Metrics;
use crate::state::deliver::{publish_here, run_deferred, take_back};
use crate::state::shared::Shared;
use crate::state::slots::{Phase, Slot, Slots};
use crate::target::connect::Connect;

/// The event loop during [`Handler::wake`](crate::Handler::wake): all of its connections can be
/// reached.
pub struct Context<'a, S> {
    slots: &'a mut Slots<S>,
    shared: &'a mut Shared<S>,
}

impl<'a, S> Context<'a, S> {
    pub(crate) fn new(slots: &'a mut Slots<S>, shared: &'a mut Shared<S>) -> Self {
        Self { slots, shared }
    }

    /// The peer with this name, if it belongs to this loop and has not been closed.
    pub fn peer(&mut self, id: PeerId) -> Option<Peer<'_, S>> {
        take_back(self.slots, self.shared);
        run_deferred(self.slots, self.shared, None);
        let Slot { link, edges, phase: Phase::Open(open), .. } = self.slots.get_peer(id)? else {
            return None;
        };
        self.shared.lent = Some(id.index);
        let (engine, session) = open.wake(&mut self.shared.engines);
        Some(Peer::in_turn(id, &mut engine.conn, link, edges, session, self.shared).out_of_turn())
    }

    /// Calls `f` for each connection of this loop that has been opened and not closed.
    pub fn for_each_peer(&mut self, mut f: impl FnMut(&mut Peer<'_, S>)) {
        for index in self.slots.indices() {
            if let Some(mut peer) = self.slots.get(index).map(|slot| slot.id).and_then(|id| self.peer(id)) {
                f(&mut peer);
            }
        }
    }

    /// Sends a message to one peer of this loop.
    ///
    /// # Errors
    ///
    /// As [`Peer::send`]; [`SendError::NotOpen`] if it is gone.
    pub fn send<'m>(&mut self, peer: PeerId, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.peer(peer).ok_or(SendError::NotOpen)?.send(message)
    }

    /// Starts the closing handshake with one peer of this loop.
    ///
    /// # Errors
    ///
    /// As [`Peer::close`]; [`SendError::NotOpen`] if it is gone.
    pub fn close(&mut self, peer: PeerId, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.peer(peer).ok_or(SendError::NotOpen)?.close(code, reason)
    }

    /// Sends a message to all subscribers of a topic, on all workers. It is encoded once.
    ///
    /// With several workers, each has a handler and so a [`wake`](crate::Handler::wake) of its own;
    /// [`publish_here`](Self::publish_here) does not reach the others.
    ///
    /// # Errors
    ///
    /// [`CommandError::Full`] if another worker has too much waiting: its subscribers do not get
    /// the message.
    pub fn publish<'m>(&mut self, topic: &str, message: impl Into<Message<'m>>) -> Result<(), CommandError> {
        if self.shared.nobody_wants(topic) {
            return Ok(());
        }
        let frame = SharedFrame::new(message.into());
        run_deferred(self.slots, self.shared, None);
        publish_here(self.slots, self.shared, topic, &frame, None);
        self.shared.publish_elsewhere(topic, &frame)
    }

    /// Sends a message to those subscribers of a topic that belong to this loop.
    pub fn publish_here<'m>(&mut self, topic: &str, message: impl Into<Message<'m>>) {
        let frame = SharedFrame::new(message.into());
        run_deferred(self.slots, self.shared, None);
        publish_here(self.slots, self.shared, topic, &frame, None);
    }

    /// How many peers of this loop are subscribed to a topic.
    pub fn subscribers(&self, topic: &str) -> usize {
        self.shared.topics.count(topic)
    }

    /// What this loop holds now, and what it has done since it was made.
    ///
    /// [`Handle::metrics`](crate::Handle::metrics) returns the sum over all loops of the server.
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics()
    }

    /// Dials a connection on this loop.
    pub fn connect(&mut self, connect: Connect<S>) {
        self.shared.dial(connect);
    }

    /// Has [`Handler::wake`](crate::Handler::wake) called after this time. At most 1 024 different
    /// moments are kept apart.
    pub fn wake_after(&mut self, delay: Duration) {
        self.shared.wake_after(delay);
    }

    /// Ends the server, as [`Handle::shutdown`](crate::Handle::shutdown) does.
    pub fn shutdown(&mut self, deadline: Duration) {
        self.shared.hub.shutdown(deadline);
    }
}

impl<S> fmt::Debug for Context<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("slots", &self.slots.len()).finish_non_exhaustive()
    }
}
