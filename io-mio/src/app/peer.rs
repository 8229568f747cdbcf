//! The other end of a connection, as the application holds it during a call.

use std::fmt;
use std::time::Duration;

use sansws::{CloseCode, Connection, Message, Role, SendError};

use crate::conn::ending::Cause;
use crate::conn::link::Link;
use crate::conn::peer_addr::PeerAddr;
use crate::conn::peer_id::PeerId;
use crate::conn::sending::{Sending, buffered};
use crate::conn::shared_frame::SharedFrame;
use crate::hub::command::{Command, CommandError};
use crate::kernel::edges::Edges;
use crate::state::shared::Shared;
use crate::state::topics::TopicError;
use crate::target::connect::Connect;

/// One connection, during a call of the [`Handler`](crate::Handler).
///
/// What is sent on it goes out when the read that led to the call has been dealt with: all replies
/// in one write. What is published, or sent to others, goes out after that. For each receiver the
/// order is kept.
pub struct Peer<'a, S> {
    id: PeerId,
    conn: &'a mut Connection,
    link: &'a mut Link,
    edges: &'a mut Edges,
    session: &'a mut S,
    shared: &'a mut Shared<S>,
    in_turn: bool,
}

impl<'a, S> Peer<'a, S> {
    /// The connection whose turn it is.
    #[inline]
    pub(crate) fn in_turn(
        id: PeerId,
        conn: &'a mut Connection,
        link: &'a mut Link,
        edges: &'a mut Edges,
        session: &'a mut S,
        shared: &'a mut Shared<S>,
    ) -> Self {
        Self { id, conn, link, edges, session, shared, in_turn: true }
    }

    /// Another one: what is sent is queued, and written before the loop waits.
    pub(crate) fn out_of_turn(mut self) -> Self {
        self.in_turn = false;
        self
    }

    #[inline]
    fn sending(&mut self) -> Sending<'_> {
        Sending {
            id: self.id,
            conn: self.conn,
            link: self.link,
            wire: self.edges,
            gathering: &mut self.shared.gathering,
            in_turn: self.in_turn,
        }
    }

    /// The name of the connection, with which it can be reached from elsewhere.
    pub fn id(&self) -> PeerId {
        self.id
    }

    /// The application's own state of the connection.
    pub fn session(&self) -> &S {
        self.session
    }

    /// The application's own state of the connection.
    pub fn session_mut(&mut self) -> &mut S {
        self.session
    }

    /// Where the peer is; as [`Request::remote_addr`](crate::Request::remote_addr).
    pub fn remote_addr(&self) -> PeerAddr {
        self.link.remote()
    }

    /// The subprotocol in use.
    pub fn subprotocol(&self) -> Option<&str> {
        self.link.subprotocol()
    }

    /// Whether the connection was accepted ([`Role::Server`]) or dialled ([`Role::Client`]).
    pub fn role(&self) -> Role {
        self.conn.role()
    }

    /// Whether messages can be sent: no Close frame was sent or received.
    pub fn is_open(&self) -> bool {
        self.conn.can_send()
    }

    /// Sends a message: `&str` as text, `&[u8]` as binary.
    ///
    /// # Errors
    ///
    /// [`SendError::OutputFull`] if more than [`max_buffered`](crate::Settings::max_buffered) bytes
    /// would wait, else [`SendError::NotOpen`] or [`SendError::MessageInProgress`]. Nothing was
    /// sent then. After `OutputFull` comes [`Handler::drained`](crate::Handler::drained), unless
    /// nothing waits: then the message alone is too long. (Or
    /// [`Handler::close`](crate::Handler::close), if the connection is broken.)
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.sending().send(message.into())
    }

    /// Sends a text message.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    #[inline]
    pub fn send_text(&mut self, text: &str) -> Result<(), SendError> {
        self.sending().send(Message::Text(text))
    }

    /// Sends a binary message.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    #[inline]
    pub fn send_binary(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.sending().send(Message::Binary(payload))
    }

    /// Sends a fragment of a text message: the first begins the message, `last` ends it (RFC 6455
    /// §5.4).
    ///
    /// Until then no other message can be sent; published ones wait.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_text_fragment(&mut self, text: &str, last: bool) -> Result<(), SendError> {
        self.sending().send_fragment(Message::Text(text), last)
    }

    /// Sends a fragment of a binary message: the first begins the message, `last` ends it (RFC 6455
    /// §5.4).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_binary_fragment(&mut self, payload: &[u8], last: bool) -> Result<(), SendError> {
        self.sending().send_fragment(Message::Binary(payload), last)
    }

    /// Sends a Ping with up to 125 bytes; [`Handler::pong`](crate::Handler::pong) is called
    /// with the answer. The driver sends its own to find dead connections.
    ///
    /// # Errors
    ///
    /// [`SendError::ControlTooLong`], or as [`send`](Self::send).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.sending().append(|conn, out| conn.send_ping(payload, out))
    }

    /// Starts the closing handshake. No message comes from this peer any more;
    /// [`Handler::close`](crate::Handler::close) is called when it has answered, or has not in
    /// time.
    ///
    /// The reason is for a log, at most 123 bytes.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidCloseCode`], [`SendError::ReasonTooLong`], [`SendError::NotOpen`].
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        self.sending().close(code, reason, None)
    }

    /// Starts the closing handshake with a Close frame that says nothing; the peer sees 1005. Else
    /// as [`close`](Self::close).
    ///
    /// # Errors
    ///
    /// [`SendError::NotOpen`].
    pub fn close_without_status(&mut self) -> Result<(), SendError> {
        self.sending().close_without_status()
    }

    /// Fails the connection (RFC 6455 §7.1.7): what is queued and a Close frame with this code go
    /// out, nothing more is received, and [`Handler::close`](crate::Handler::close) gets
    /// [`Cause::Aborted`](crate::Cause::Aborted).
    ///
    /// A code that must not be sent becomes 1011. A connection that is closing already goes on
    /// closing.
    pub fn fail(&mut self, code: CloseCode) {
        self.sending().fail(code, Cause::Aborted);
    }

    /// Whether messages are read from this peer, from now on; default `true`. Without, its bytes
    /// stay in the kernel, which in the end stops the peer from sending. Messages that were read
    /// already are still delivered, at most one [`receive_buffer`](crate::Settings::receive_buffer)
    /// full.
    ///
    /// While nothing is read, silence is not taken for death. A connection that is closing is read
    /// in any case.
    pub fn set_reading(&mut self, on: bool) {
        self.edges.paused = !on;
        if on && self.edges.readable {
            self.sending().mark_dirty();
        }
    }

    /// Bytes of frames that the kernel has taken since the connection was opened, control frames
    /// and, on a dialled connection, the request included.
    ///
    /// With [`buffered_amount`](Self::buffered_amount) it shows what became of a message: if the two
    /// added up to `n` after it was sent, the kernel has all of it once this is at least `n`. Over TLS
    /// this rises when all waiting records are written, at most 64 KiB of them.
    pub fn written(&self) -> u64 {
        self.link.surely_written(self.edges)
    }

    /// As [`written`](Self::written), but at most: over TLS what was sent last is in records, and
    /// of those that wait the kernel may have some.
    ///
    /// When a connection has ended, only what lies beyond this has surely not arrived.
    pub fn written_at_most(&self) -> u64 {
        self.link.written
    }

    /// Bytes that were read since the connection was opened, the opening handshake included.
    /// Whatever they are, they are a sign of life.
    pub fn received(&self) -> u64 {
        self.link.received
    }

    /// Bytes that were sent and that the kernel has not taken yet, or never will: what is sent when
    /// the connection is broken counts too.
    pub fn buffered_amount(&self) -> usize {
        buffered(self.link, self.edges, &self.shared.gathering, self.in_turn)
    }

    /// Whether more than [`high_water`](crate::Settings::high_water) bytes wait, so that
    /// [`Handler::drained`](crate::Handler::drained) will be called. A sender of much sends until
    /// then, and goes on in `drained`.
    pub fn is_congested(&self) -> bool {
        self.link.congested
    }

    /// How many published messages [`SlowConsumer::Drop`](crate::SlowConsumer::Drop) had pass the
    /// peer by since this was last asked.
    pub fn take_dropped(&mut self) -> u64 {
        self.link.rare.as_mut().map_or(0, |rare| std::mem::take(&mut rare.dropped))
    }

    /// Has the peer get what is published under this name, from now on.
    ///
    /// # Errors
    ///
    /// [`TopicError`].
    pub fn subscribe(&mut self, topic: &str) -> Result<(), TopicError> {
        if !self.is_open() {
            return Err(TopicError::NotOpen);
        }
        let Shared { topics, settings, .. } = &mut *self.shared;
        topics.subscribe(topic, self.id.index, &settings.topics)
    }

    /// Ends a subscription; whether there was one.
    pub fn unsubscribe(&mut self, topic: &str) -> bool {
        self.shared.topics.unsubscribe(topic, self.id.index)
    }

    /// Whether the peer is subscribed.
    pub fn is_subscribed(&self, topic: &str) -> bool {
        self.shared.topics.is_subscribed(topic, self.id.index)
    }

    /// The topics the peer is subscribed to, in no particular order.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.shared.topics.of(self.id.index)
    }

    /// Sends a message to all subscribers of a topic, on all workers; to this peer too, if it is
    /// one. It is encoded once.
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
        // The peer itself at once, so that what it is sent directly afterwards comes after it.
        if self.is_subscribed(topic) {
            // Whatever is wrong has been dealt with: nothing that the publisher could do.
            let _ = self.sending().deliver(&frame);
        }
        self.publish_frame(topic, frame)
    }

    /// Like [`publish`](Self::publish), but this peer does not get the message.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_to_others<'m>(
        &mut self,
        topic: &str,
        message: impl Into<Message<'m>>,
    ) -> Result<(), CommandError> {
        if self.shared.nobody_wants(topic) {
            return Ok(());
        }
        self.publish_frame(topic, SharedFrame::new(message.into()))
    }

    fn publish_frame(&mut self, topic: &str, frame: SharedFrame) -> Result<(), CommandError> {
        let result = self.shared.publish_elsewhere(topic, &frame);
        let except = Some(self.id);
        self.shared.deferred.push_back(Command::Publish { topic: topic.into(), frame, except });
        result
    }

    /// Sends a message to another peer, if it is there. What happens if it reads too slowly is up
    /// to its [`SlowConsumer`](crate::SlowConsumer).
    ///
    /// # Errors
    ///
    /// [`CommandError::Full`] or [`CommandError::Stopped`], if the peer belongs to another worker.
    pub fn send_to<'m>(&mut self, peer: PeerId, message: impl Into<Message<'m>>) -> Result<(), CommandError> {
        let frame = SharedFrame::new(message.into());
        if peer == self.id() {
            // At once, as in `publish`.
            let _ = self.sending().deliver(&frame);
            return Ok(());
        }
        self.shared.command(peer, Command::Send { peer, frame })
    }

    /// Starts the closing handshake with another peer, if it is there.
    ///
    /// # Errors
    ///
    /// [`CommandError`].
    pub fn close_peer(&mut self, peer: PeerId, code: CloseCode, reason: &str) -> Result<(), CommandError> {
        let command = Command::close(peer, code, reason)?;
        if peer == self.id() {
            // If it is closing already, there is nothing to do.
            let _ = self.close(code, reason);
            return Ok(());
        }
        self.shared.command(peer, command)
    }

    /// Dials a connection on the same loop.
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

impl<S> fmt::Debug for Peer<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("id", &self.id()).field("conn", &self.conn).finish_non_exhaustive()
    }
}
