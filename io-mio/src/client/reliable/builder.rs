//! What a program may say about a connection that is kept alive.

use std::time::Duration;

use crate::client::error::SyntaxError;
use crate::client::reliable::ReliableWebSocket;
use crate::client::reliable::heartbeat::Heartbeat;
use crate::client::reliable::keeper::{Keeper, KeeperOptions};
use crate::client::reliable::reconnect::Backoff;
use crate::client::websocket::WebSocket;
use crate::client::websocket::builder::WebSocketBuilder;

/// A [`ReliableWebSocket`] to be made.
///
/// ```no_run
/// use std::time::Duration;
/// use sansws_mio::{Heartbeat, ReliableWebSocket};
///
/// let socket = ReliableWebSocket::builder("ws://localhost:8080/api")
///     .first_delay(Duration::from_secs(5))
///     .max_retries(None)
///     .heartbeat(Some(Heartbeat::ping(Duration::from_secs(15))))
///     .offline_queue(1000, 1 << 20)
///     .websocket(|socket| socket.header("Authorization", "Bearer abc"))
///     .open()?;
/// # let _ = socket;
/// # Ok::<(), sansws_mio::SyntaxError>(())
/// ```
#[must_use]
#[derive(Debug)]
pub struct ReliableBuilder {
    websocket: WebSocketBuilder,
    options: KeeperOptions,
    backoff: Backoff,
}

impl ReliableBuilder {
    pub(crate) fn new(websocket: WebSocketBuilder) -> Self {
        let options = KeeperOptions { heartbeat: Some(Heartbeat::default()), queue: None };
        Self { websocket, options, backoff: Backoff::default() }
    }

    /// The first retry comes after a delay chosen at random from nothing to this; default 1 s.
    ///
    /// RFC 6455 §7.2.3 wants it random, so that a server that comes back is not overrun by all of its clients at once, and calls up to 5 s
    /// reasonable.
    pub fn first_delay(mut self, max: Duration) -> Self {
        self.backoff.first_delay = max;
        self
    }

    /// Retry number `n`, from the second on, comes after `interval · factorⁿ⁻¹`; default 1 s, so 2 s, 4 s, 8 s.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.backoff.interval = interval;
        self
    }

    /// See [`interval`](Self::interval); at least 1, default 2.
    pub fn factor(mut self, factor: f64) -> Self {
        self.backoff.factor = factor;
        self
    }

    /// No delay is longer than this; default 30 s.
    pub fn max_delay(mut self, max: Duration) -> Self {
        self.backoff.max_delay = max;
        self
    }

    /// Each delay from the second on is made shorter by a random share of up to this, 0 to 1; default 0.2.
    pub fn jitter(mut self, share: f64) -> Self {
        self.backoff.jitter = share;
        self
    }

    /// How many retries in a row may fail; `None`: any number. Default 5. A connection that opens sets the count back.
    pub fn max_retries(mut self, max: impl Into<Option<u32>>) -> Self {
        self.backoff.max_retries = max.into();
        self
    }

    /// Status codes of the server's Close frame after which there is no retry; default only 1000. 1005 stands for a Close frame
    /// without a code, 1006 for a connection that broke or could not be made.
    pub fn final_codes(mut self, codes: &[u16]) -> Self {
        self.backoff.final_codes = codes.into();
        self
    }

    /// What is sent now and then; `None`: nothing. Default: the text `ping` every 30 s.
    pub fn heartbeat(mut self, heartbeat: impl Into<Option<Heartbeat>>) -> Self {
        self.options.heartbeat = heartbeat.into();
        self
    }

    /// Keeps messages that are sent while there is no connection, and those that a broken connection has left unwritten, for the next one:
    /// at most so many, and so many bytes (64 for each message included). Default: none.
    ///
    /// Messages that may have been received are not sent again: the server would have them twice.
    pub fn offline_queue(mut self, messages: usize, bytes: usize) -> Self {
        self.options.queue = Some((messages, bytes));
        self
    }

    /// Says more about each of the connections.
    pub fn websocket(mut self, say: impl FnOnce(WebSocketBuilder) -> WebSocketBuilder) -> Self {
        self.websocket = say(self.websocket);
        self
    }

    /// Makes it and starts to connect.
    ///
    /// # Errors
    ///
    /// [`SyntaxError`].
    pub fn open(self) -> Result<ReliableWebSocket, SyntaxError> {
        let (plan, clients) = self.websocket.into_parts()?;
        Ok(ReliableWebSocket::of(Keeper::start(plan, clients.thread(), self.options, self.backoff)))
    }
}

impl ReliableWebSocket {
    /// With everything as the default has it.
    ///
    /// # Errors
    ///
    /// [`SyntaxError`], as [`WebSocket::new`].
    pub fn new(url: &str, protocols: &[&str]) -> Result<Self, SyntaxError> {
        WebSocket::builder(url).protocols(protocols).reliable().open()
    }

    /// One with more to say about.
    pub fn builder(url: &str) -> ReliableBuilder {
        WebSocket::builder(url).reliable()
    }
}

impl WebSocketBuilder {
    /// Makes it a connection that is kept alive. Callbacks bound so far are not taken along.
    pub fn reliable(self) -> ReliableBuilder {
        ReliableBuilder::new(self)
    }
}
