//! Reaching event loops from other threads.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sansws::{CloseCode, Message};

use crate::conn::peer_id::PeerId;
use crate::conn::shared_frame::SharedFrame;
use crate::hub::Hub;
use crate::hub::command::{Command, CommandError};
use crate::hub::inbox::publish_on;
use crate::metrics::Metrics;

/// Reaches a server or an event loop from any thread, and from inside its own callbacks.
///
/// Commands are carried out in the order in which they were given, as soon as the loop comes round
/// to them.
#[derive(Clone)]
pub struct Handle {
    hub: Arc<Hub>,
}

impl Handle {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }

    /// Sends a message to all subscribers of a topic, on all workers.
    ///
    /// # Errors
    ///
    /// [`CommandError::Full`] or [`CommandError::Stopped`] if a worker could not be told; the
    /// others were.
    pub fn publish<'m>(&self, topic: &str, message: impl Into<Message<'m>>) -> Result<(), CommandError> {
        let frame = SharedFrame::new(message.into());
        publish_on(&self.hub.inboxes(), topic, &frame)
    }

    /// Sends a message to one peer, if it is there by then. What happens if it reads too slowly is
    /// up to its [`SlowConsumer`](crate::SlowConsumer).
    ///
    /// # Errors
    ///
    /// [`CommandError::Full`], [`CommandError::Stopped`].
    pub fn send<'m>(&self, peer: PeerId, message: impl Into<Message<'m>>) -> Result<(), CommandError> {
        let frame = SharedFrame::new(message.into());
        self.hub.inbox(peer.worker)?.push(Command::Send { peer, frame })
    }

    /// Starts the closing handshake with one peer, if it is there by then.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub fn close(&self, peer: PeerId, code: CloseCode, reason: &str) -> Result<(), CommandError> {
        let command = Command::close(peer, code, reason)?;
        self.hub.inbox(peer.worker)?.push(command)
    }

    /// Has [`Handler::upgrade`](crate::Handler::upgrade) called again for a connection whose
    /// upgrade was put [off](crate::Accept::later), with this [decision](crate::Accept::decision),
    /// if it is still there by then.
    ///
    /// # Errors
    ///
    /// [`CommandError::Full`], [`CommandError::Stopped`].
    pub fn decide(&self, peer: PeerId, decision: impl Any + Send) -> Result<(), CommandError> {
        let decision = Box::new(decision);
        self.hub.inbox(peer.worker)?.push(Command::Decide { peer, decision })
    }

    /// Has [`Handler::wake`](crate::Handler::wake) called, on each worker. Several wakes may become
    /// one call.
    pub fn wake(&self) {
        for inbox in self.hub.inboxes() {
            inbox.wake();
        }
    }

    /// Ends the server: it stops accepting, sends Close 1001 to every peer, and stops once all have
    /// answered, after `deadline` at the latest. Then `run` returns.
    ///
    /// Given before `run`, it ends that at once.
    pub fn shutdown(&self, deadline: Duration) {
        self.hub.shutdown(deadline);
    }

    /// Connections that were accepted or dialled and still have a socket, on all workers; those in
    /// a handshake count.
    pub fn connections(&self) -> usize {
        self.hub.connections.load(Ordering::Relaxed)
    }

    /// What all loops hold now, and what they have done since they were made. Waits for none of
    /// them.
    pub fn metrics(&self) -> Metrics {
        self.hub.metrics()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("connections", &self.connections()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::inbox::{InboxLimits, Received};
    use crate::settings::Settings;

    fn at_most(commands: usize) -> InboxLimits {
        InboxLimits { commands, ..InboxLimits::of(&Settings::default()) }
    }

    #[test]
    fn bytes_are_bounded() {
        let hub = Hub::new(InboxLimits { commands: usize::MAX, bytes: 1000 });
        let handle = Handle::new(Arc::clone(&hub));
        // "t", two bytes of header, and the payload.
        assert_eq!(handle.publish("t", &[0; 2000][..]), Ok(()), "alone");
        assert_eq!(handle.publish("t", ""), Err(CommandError::Full));
        let mut received = Received::default();
        hub.inboxes()[0].take(&mut received);
        for _ in 0..10 {
            assert_eq!(handle.publish("t", &[0; 97][..]), Ok(()));
        }
        assert_eq!(handle.publish("t", ""), Err(CommandError::Full));
    }

    #[test]
    fn commands_are_bounded() {
        let hub = Hub::new(at_most(2));
        let handle = Handle::new(Arc::clone(&hub));
        assert_eq!(handle.publish("t", "1"), Ok(()));
        assert_eq!(handle.publish("t", "2"), Ok(()));
        assert_eq!(handle.publish("t", "3"), Err(CommandError::Full));
        let mut received = Received::default();
        hub.inboxes()[0].take(&mut received);
        assert_eq!(received.commands.len(), 2);
        assert_eq!(handle.publish("t", "4"), Ok(()));
        hub.inboxes()[0].stop();
        assert_eq!(handle.publish("t", "5"), Err(CommandError::Stopped));
    }

    #[test]
    fn a_shutdown_before_the_start_reaches_every_loop() {
        let hub = Hub::new(at_most(1));
        Handle::new(Arc::clone(&hub)).shutdown(Duration::from_secs(1));
        hub.set_loops(3, at_most(1));
        for inbox in hub.inboxes() {
            let mut received = Received::default();
            inbox.take(&mut received);
            assert_eq!(received.shutdown, Some(Duration::from_secs(1)));
        }
    }
}
