//! What a program may say about a connection that is kept alive.

use std::fmt;
use std::time::Duration;

use crate::client::error::SyntaxError;
use crate::client::reliable::ReliableWebSocket;
use crate::client::reliable::attempt::{Attempt, Provider};
use crate::client::reliable::backoff::Backoff;
use crate::client::reliable::heartbeat::Heartbeat;
use crate::client::reliable::keeper::{Keeper, KeeperOptions};
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
pub struct ReliableBuilder {
    websocket: WebSocketBuilder,
    options: KeeperOptions,
    backoff: Backoff,
    provider: Option<Provider>,
}

impl ReliableBuilder {
    pub(crate) fn new(websocket: WebSocketBuilder) -> Self {
        let prepare_timeout = Some(Duration::from_secs(30));
        let options = KeeperOptions { heartbeat: Some(Heartbeat::default()), queue: None, prepare_timeout };
        Self { websocket, options, backoff: Backoff::default(), provider: None }
    }

    /// The whole policy of when to connect again, in place of what was set before.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// See [`Backoff::first_delay`]; default 1 s.
    pub fn first_delay(mut self, max: Duration) -> Self {
        self.backoff = self.backoff.first_delay(max);
        self
    }

    /// See [`Backoff::interval`]; default 1 s.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.backoff = self.backoff.interval(interval);
        self
    }

    /// See [`Backoff::factor`]; default 2.
    pub fn factor(mut self, factor: f64) -> Self {
        self.backoff = self.backoff.factor(factor);
        self
    }

    /// See [`Backoff::max_delay`]; default 30 s.
    pub fn max_delay(mut self, max: Duration) -> Self {
        self.backoff = self.backoff.max_delay(max);
        self
    }

    /// See [`Backoff::jitter`]; default 0.2.
    pub fn jitter(mut self, share: f64) -> Self {
        self.backoff = self.backoff.jitter(share);
        self
    }

    /// How many retries in a row may fail; `None`: any number. Default 5. A connection that ends
    /// before it is [proven](Self::proven_after) has failed. See [`Backoff::max_retries`].
    pub fn max_retries(mut self, max: impl Into<Option<u32>>) -> Self {
        self.backoff = self.backoff.max_retries(max);
        self
    }

    /// How long a connection has to be open, if no message is received on it, before retries are
    /// reset; default 10 s. See [`Backoff::proven_after`].
    pub fn proven_after(mut self, time: Duration) -> Self {
        self.backoff = self.backoff.proven_after(time);
        self
    }

    /// The longest `Retry-After` that is obeyed; default 5 minutes. See
    /// [`Backoff::max_retry_after`].
    pub fn max_retry_after(mut self, max: Duration) -> Self {
        self.backoff = self.backoff.max_retry_after(max);
        self
    }

    /// Status codes of the server's Close frame after which there is no retry; default only 1000.
    /// See [`Backoff::final_codes`].
    pub fn final_codes(mut self, codes: &[u16]) -> Self {
        self.backoff = self.backoff.final_codes(codes);
        self
    }

    /// HTTP status codes after which there is no retry; default most of 4xx. See
    /// [`Backoff::final_statuses`].
    pub fn final_statuses(mut self, statuses: &[u16]) -> Self {
        self.backoff = self.backoff.final_statuses(statuses);
        self
    }

    /// Has `provider` called before each attempt, the first one included: for a fresh URL, header
    /// or token.
    ///
    /// It is called on the client thread and must not block. It can answer at once, or hand the
    /// [`Attempt`] to whoever can: to another thread, for example, that asks for a token first.
    /// An attempt that is dropped, or not started in [time](Self::prepare_timeout), has failed.
    /// If the provider panics, the object is closed.
    ///
    /// ```no_run
    /// use sansws_mio::ReliableWebSocket;
    ///
    /// # fn fresh_token() -> Option<String> { None }
    /// let socket = ReliableWebSocket::builder("ws://localhost:8080/api")
    ///     .prepare(|attempt| {
    ///         std::thread::spawn(move || match fresh_token() {
    ///             Some(token) => {
    ///                 let attempt = attempt.header("Authorization", &format!("Bearer {token}"));
    ///                 attempt.start().expect("a token that can be written");
    ///             }
    ///             None => attempt.give_up("signed out"),
    ///         });
    ///     })
    ///     .open()?;
    /// # let _ = socket;
    /// # Ok::<(), sansws_mio::SyntaxError>(())
    /// ```
    pub fn prepare(mut self, provider: impl FnMut(Attempt) + Send + 'static) -> Self {
        self.provider = Some(Box::new(provider));
        self
    }

    /// How long [preparing](Self::prepare) an attempt may take; default 30 s. `None` and
    /// [`Duration::ZERO`]: for ever.
    pub fn prepare_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.prepare_timeout = timeout.into().filter(|timeout| !timeout.is_zero());
        self
    }

    /// What is sent now and then; `None`: nothing. Default: the text `ping` every 30 s.
    pub fn heartbeat(mut self, heartbeat: impl Into<Option<Heartbeat>>) -> Self {
        self.options.heartbeat = heartbeat.into();
        self
    }

    /// Keeps messages that are sent while there is no connection, and those that a broken
    /// connection has left unwritten, for the next one: at most so many, and so many bytes (64 for
    /// each message included). Default: none.
    ///
    /// Messages that may have been received are not sent again: the server would have them twice.
    pub fn offline_queue(mut self, messages: usize, bytes: usize) -> Self {
        self.options.queue = Some((messages, bytes));
        self
    }

    /// Says more about each of the connections: headers, a proxy,
    /// [`concurrent`](WebSocketBuilder::concurrent) and so on.
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
        let Self { websocket, options, mut backoff, provider } = self;
        if provider.is_some() {
            backoff.renews();
        }
        let (plan, clients) = websocket.into_parts()?;
        Ok(ReliableWebSocket::of(Keeper::start(plan, clients.thread(), options, backoff, provider)))
    }
}

impl fmt::Debug for ReliableBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReliableBuilder")
            .field("websocket", &self.websocket)
            .field("options", &self.options)
            .field("backoff", &self.backoff)
            .finish_non_exhaustive()
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
