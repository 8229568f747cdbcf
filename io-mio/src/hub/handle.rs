//! Reaching event loops from other threads.

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

/// Reaches a server or an event loop from any thread, and from inside its own callbacks.
///
/// Commands are carried out in the order in which they were given, as soon as the loop comes round to them.
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
    /// [`CommandError::Full`] or [`CommandError::Stopped`] if a worker could not be told; the others were.
    pub fn publish<'m>(&self, topic: &str, message: impl Into<Message<'m>>) -> Result<(), CommandError> {
        let frame = SharedFrame::new(message.into());
        publish_on(&self.hub.inboxes(), topic, &frame)
    }

    /// Sends a message to one peer, if it is there by then. What happens if it reads too slowly is up to its
    /// [`SlowConsumer`](crate::SlowConsumer).
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

    /// Has [`Handler::wake`](crate::Handler::wake) called, on each worker. Several wakes may become one call.
    pub fn wake(&self) {
        for inbox in self.hub.inboxes() {
            inbox.wake();
        }
    }

    /// Ends the server: it stops accepting, sends Close 1001 to every peer, and stops once all have answered, after `deadline` at the
    /// latest. Then `run` returns.
    ///
    /// Given before `run`, it ends that at once.
    pub fn shutdown(&self, deadline: Duration) {
        self.hub.shutdown(deadline);
    }

    /// Connections that were accepted or dialled and still have a socket, on all workers; those in a handshake count.
    pub fn connections(&self) -> usize {
        self.hub.connections.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("connections", &self.connections()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

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

    #[test]
    fn addresses_are_counted_by_ipv4_address_and_ipv6_prefix() {
        let hub = Hub::new(at_most(1));
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert!(hub.enter_address(ip("192.0.2.1"), 1));
        assert!(!hub.enter_address(ip("::ffff:192.0.2.1"), 1));
        assert!(hub.enter_address(ip("192.0.2.2"), 1));
        assert!(hub.enter_address(ip("2001:db8::1"), 1));
        assert!(!hub.enter_address(ip("2001:db8::2"), 1));
        assert!(hub.enter_address(ip("2001:db8:0:1::1"), 1));
        hub.leave_address(ip("192.0.2.1"));
        assert!(hub.enter_address(ip("192.0.2.1"), 1));
        assert!(!hub.enter_address(ip("192.0.2.3"), 0), "leaves nothing behind");
        for address in ["192.0.2.1", "192.0.2.2", "2001:db8::9", "2001:db8:0:1::1"] {
            hub.leave_address(ip(address));
        }
        assert!(hub.by_address.lock().expect("not poisoned").is_empty());
    }
}
