//! A connection that is kept alive.

pub(crate) mod attempt;
pub(crate) mod backoff;
pub(crate) mod builder;
pub(crate) mod event;
pub(crate) mod heartbeat;
mod keeper;
pub(crate) mod reconnect;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sansws::Message;

use crate::client::reliable::event::{MessageId, ReliableEvent, SendRefused};
use crate::client::reliable::keeper::Keeper;

/// A WebSocket that connects again when its connection ends, and tells what became of each message.
///
/// ```no_run
/// use sansws_mio::{ReliableEvent, ReliableWebSocket};
///
/// let socket = ReliableWebSocket::new("ws://localhost:8080/api", &[])?;
/// for event in socket.events() {
///     match event {
///         ReliableEvent::Opened { .. } => {
///             socket.send("hello")?;
///         }
///         ReliableEvent::Message(data) => println!("{data:?}"),
///         ReliableEvent::Disconnected(how) => {
///             println!("not sent: {:?}; perhaps received: {:?}", how.unsent, how.uncertain);
///         }
///         ReliableEvent::Retrying { delay, .. } => println!("again in {delay:?}"),
///         _ => {}
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It sends the text `ping` every 30 s; a connection that gives no sign of life after a
/// [heartbeat](crate::Heartbeat) counts as broken. It runs on a client thread, as a
/// [`WebSocket`](crate::WebSocket) does.
///
/// # When it connects again
///
/// After any end but Close 1000 and those that do not get better by waiting; see
/// [`Backoff`](crate::Backoff), which has all the rules and settings. The delays grow up to 30 s,
/// and after five failed retries in a row it gives up; the [builder](crate::ReliableBuilder) can
/// have it otherwise.
///
/// - The number of retries is reset once a connection is
///   [proven](crate::ReliableBuilder::proven_after): a message was received on it, or it was open
///   for 10 s.
/// - 401, 403, 404 and other refusals that say that the request is wrong, certificates that are
///   not accepted, and redirections that are not followed are final: it gives up at once.
/// - 408, 429 and 5xx are retried; `Retry-After` is obeyed, up to 5 minutes.
/// - [`prepare`](crate::ReliableBuilder::prepare) gives each attempt a fresh URL, header or token.
/// - [`WebSocketBuilder::concurrent`](crate::WebSocketBuilder::concurrent) lets it connect although
///   another object's opening handshake with the same server is still going on.
///
/// # What becomes of a message
///
/// [`send`](Self::send) accepts it and gives it a number, or refuses it: with no connection and no
/// [offline queue](crate::ReliableBuilder::offline_queue) nothing is accepted. When a connection
/// ends, [`Disconnected`](crate::Disconnected) says which of those accepted were never handed to
/// the kernel, and which were written to the connection and may have arrived or not.
///
/// Events that are not taken wait, up to [the limit](crate::WebSocketBuilder::max_events); beyond
/// it nothing more is read, and no new connection is made. Dropping the object closes it.
pub struct ReliableWebSocket {
    keeper: Arc<Keeper>,
    /// A callback gets a second handle, whose end means nothing.
    is_owner: bool,
}

impl ReliableWebSocket {
    pub(crate) fn of(keeper: Arc<Keeper>) -> Self {
        Self { keeper, is_owner: true }
    }

    /// For a callback.
    fn lent(keeper: &Arc<Keeper>) -> Self {
        Self { keeper: Arc::clone(keeper), is_owner: false }
    }

    /// The URL, as [`WebSocket::url`](crate::WebSocket::url) has it.
    pub fn url(&self) -> &str {
        &self.keeper.plan.url
    }

    /// Whether there is an open connection: the last of [`Opened`](ReliableEvent::Opened) and
    /// [`Disconnected`](ReliableEvent::Disconnected) that happened, taken or not, was the former.
    pub fn is_connected(&self) -> bool {
        self.keeper.is_connected()
    }

    /// The subprotocol of the connection; empty if there is none.
    pub fn protocol(&self) -> String {
        self.keeper.protocol()
    }

    /// Bytes of payload that wait: in the offline queue, and for the kernel.
    pub fn buffered_amount(&self) -> u64 {
        self.keeper.buffered_amount()
    }

    /// Sends a message: `&str` as text, `&[u8]` as binary. Returns its number.
    ///
    /// # Errors
    ///
    /// [`SendRefused`]: it will not be sent, and has no number.
    pub fn send<'m>(&self, data: impl Into<Message<'m>>) -> Result<MessageId, SendRefused> {
        self.keeper.send(data.into().into())
    }

    /// Closes the connection with 1000 "Client closing", after what was sent is written, and
    /// connects no more.
    pub fn close(&self) {
        self.keeper.close();
    }

    /// Takes the next event; waits for it, at most so long. `None`: time is up, or the last event
    /// was taken before.
    pub fn next_event(&self, timeout: Option<Duration>) -> Option<ReliableEvent> {
        self.keeper.take(timeout)
    }

    /// Takes the next event, if there is one.
    pub fn try_next_event(&self) -> Option<ReliableEvent> {
        self.next_event(Some(Duration::ZERO))
    }

    /// Takes event after event, and waits for each. Ends after the last one,
    /// [`GaveUp`](ReliableEvent::GaveUp) or [`Closed`](ReliableEvent::Closed).
    pub fn events(&self) -> impl Iterator<Item = ReliableEvent> + '_ {
        std::iter::from_fn(|| self.next_event(None))
    }

    /// Has the client thread take the events, those that wait already first, and call this. It must
    /// not block: all sockets of that thread wait. If it panics, it is not called again and the
    /// connection is closed. Once the client thread has ended nobody calls it; events can still be
    /// [taken](Self::next_event).
    pub fn bind(&self, mut callback: impl FnMut(&Self, ReliableEvent) + Send + 'static) {
        self.keeper.bind(Box::new(move |keeper, event| callback(&Self::lent(keeper), event)));
    }
}

impl Drop for ReliableWebSocket {
    fn drop(&mut self) {
        if self.is_owner {
            self.keeper.forget();
        }
    }
}

impl fmt::Debug for ReliableWebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReliableWebSocket")
            .field("origin", &self.keeper.plan.origin)
            .field("is_connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}
