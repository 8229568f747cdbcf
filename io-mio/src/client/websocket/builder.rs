//! What a program may say about a connection before it is made.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::client::error::SyntaxError;
use crate::client::event::{BinaryType, Event, EventKind};
use crate::client::plan::{Options, Plan};
use crate::client::socket::{Sink, Socket};
use crate::client::thread::clients::Clients;
use crate::client::websocket::{Callback, Callbacks, WebSocket};
use crate::target::connect::Connect;
use crate::target::connect_error::ConnectError;
use crate::target::proxy::Proxy;
#[cfg(feature = "__tls")]
use crate::tls::TlsClient;

/// A [`WebSocket`] to be made.
///
/// ```no_run
/// use std::time::Duration;
/// use sansws_mio::{EventKind, WebSocket};
///
/// let socket = WebSocket::builder("ws://localhost:8080/chat")
///     .protocols(&["chat.v1"])
///     .header("Authorization", "Bearer abc")
///     .connect_timeout(Duration::from_secs(3))
///     .bind(EventKind::Message, |_, event| println!("{event:?}"))
///     .open()?;
/// # let _ = socket;
/// # Ok::<(), sansws_mio::SyntaxError>(())
/// ```
#[must_use]
pub struct WebSocketBuilder {
    options: Options,
    clients: Option<Clients>,
    callbacks: Vec<(EventKind, Callback)>,
}

impl WebSocketBuilder {
    pub(crate) fn new(url: &str) -> Self {
        Self { options: Options::new(url), clients: None, callbacks: Vec::new() }
    }

    /// Subprotocols to offer, the one liked best first.
    pub fn protocols(mut self, protocols: &[&str]) -> Self {
        self.options.protocols = protocols.iter().map(|&name| name.into()).collect();
        self
    }

    /// Adds a header to the request, such as `Authorization` or `Cookie`. Those of the opening
    /// handshake itself are refused.
    pub fn header(self, name: &str, value: &str) -> Self {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.say(move |connect| Ok(connect.header(&name, &value)))
    }

    /// Adds a cookie to the request, see [`Connect::cookie`].
    pub fn cookie(self, name: &str, value: &str) -> Self {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.say(move |connect| connect.cookie(&name, &value))
    }

    /// Sends a user name and password, see [`Connect::basic_auth`]. Those in the URL are sent
    /// without this.
    pub fn basic_auth(self, user: &str, password: &str) -> Self {
        let (user, password) = (user.to_owned(), password.to_owned());
        self.say(move |connect| connect.basic_auth(&user, &password))
    }

    /// Sets the `Origin` header, which only browsers send by themselves.
    pub fn origin(self, origin: &str) -> Self {
        let origin = origin.to_owned();
        self.say(move |connect| Ok(connect.origin(&origin)))
    }

    /// Goes through a proxy, see [`Connect::proxy`].
    pub fn proxy(self, proxy: Proxy) -> Self {
        self.say(move |connect| Ok(connect.proxy(proxy)))
    }

    /// Follows so many redirections, see [`Connect::redirects`]. Default 0, as in a browser.
    pub fn redirects(self, max: u32) -> Self {
        self.say(move |connect| Ok(connect.redirects(max)))
    }

    /// Whether to connect although another connection of the same client thread to the same IP
    /// address and port is still being set up. Default `false`: one server that accepts connections
    /// and does not answer keeps all other objects with its address waiting. See
    /// [`Connect::concurrent`], for why.
    pub fn concurrent(self, on: bool) -> Self {
        self.say(move |connect| Ok(connect.concurrent(on)))
    }

    /// Whom to trust if the URL is `wss:`, see [`Connect::tls`].
    #[cfg(feature = "__tls")]
    pub fn tls(self, tls: &TlsClient) -> Self {
        let tls = tls.clone();
        self.say(move |connect| Ok(connect.tls(&tls)))
    }

    fn say(
        mut self,
        say: impl FnOnce(Connect<()>) -> Result<Connect<()>, ConnectError> + Send + 'static,
    ) -> Self {
        self.options.said.push(Box::new(say));
        self
    }

    /// The time from now until the connection is open, whatever it is spent with. Without, each of
    /// its parts is limited by [`Settings::timeouts`](crate::Settings::timeouts);
    /// [`Duration::ZERO`] is as without.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.options.limits.connect_timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
        self
    }

    /// Most bytes that may wait to be written, 64 for each message included; default 32 MiB. A
    /// message beyond that fails the connection.
    pub fn max_buffered(mut self, bytes: usize) -> Self {
        self.options.limits.max_buffered = bytes;
        self
    }

    /// How many events may wait to be taken, and how many bytes of them (64 for each event
    /// included), before nothing more is read; default 1024 and 4 MiB. What was read already comes
    /// on top, at most one [`receive_buffer`](crate::Settings::receive_buffer) and one message.
    ///
    /// A [`ReliableWebSocket`](crate::ReliableWebSocket) has two such queues, one behind the other:
    /// its own, where messages that are given back count too, and that of its connection. Each has
    /// this limit, so both together twice as much; and an event that gives messages back comes
    /// whole, with up to [`max_buffered`](Self::max_buffered) of them, or what was in the offline
    /// queue.
    pub fn max_events(mut self, count: usize, bytes: usize) -> Self {
        self.options.limits.max_events = count.max(1);
        self.options.limits.max_event_bytes = bytes.max(1);
        self
    }

    /// See [`BinaryType`].
    pub fn binary_type(mut self, binary_type: BinaryType) -> Self {
        self.options.limits.binary_type = binary_type;
        self
    }

    /// Sets what is called with events of this kind. With any callback the socket
    /// [listens](WebSocket::listen) from the beginning.
    pub fn bind(mut self, kind: EventKind, callback: impl FnMut(&WebSocket, Event) + Send + 'static) -> Self {
        self.callbacks.push((kind, Box::new(callback)));
        self
    }

    /// The client thread to run on, instead of the shared one.
    pub fn on(mut self, clients: &Clients) -> Self {
        self.clients = Some(clients.clone());
        self
    }

    /// Makes the object and starts to connect.
    ///
    /// # Errors
    ///
    /// [`SyntaxError`].
    pub fn open(self) -> Result<WebSocket, SyntaxError> {
        let callbacks = Arc::new(Callbacks::default());
        let listens = !self.callbacks.is_empty();
        for (kind, callback) in self.callbacks {
            callbacks.bind(kind, callback);
        }
        let plan = Arc::new(Plan::new(self.options)?);
        let clients = self.clients.unwrap_or_else(Clients::shared);
        let socket = Socket::new(plan, clients.thread(), Sink::Polling);
        let websocket = WebSocket::of(Arc::clone(&socket), callbacks);
        if listens {
            websocket.listen();
        }
        socket.notice();
        Ok(websocket)
    }

    /// For a [`ReliableWebSocket`](crate::ReliableWebSocket).
    pub(crate) fn into_parts(self) -> Result<(Arc<Plan>, Clients), SyntaxError> {
        let plan = Arc::new(Plan::new(self.options)?);
        Ok((plan, self.clients.unwrap_or_else(Clients::shared)))
    }
}

impl WebSocket {
    /// The standard's `new WebSocket(url, protocols)`. `http:` and `https:` mean `ws:` and `wss:`;
    /// `protocols` are offered to the server, the first is liked best, and with any the server must
    /// choose one.
    ///
    /// # Errors
    ///
    /// [`SyntaxError`]. Everything that goes wrong later is told by [`Event::Error`] and
    /// [`Event::Close`].
    pub fn new(url: &str, protocols: &[&str]) -> Result<Self, SyntaxError> {
        Self::builder(url).protocols(protocols).open()
    }

    /// A socket with more to say about than a browser lets a page.
    pub fn builder(url: &str) -> WebSocketBuilder {
        WebSocketBuilder::new(url)
    }
}

impl Clients {
    /// A socket on this thread.
    pub fn websocket(&self, url: &str) -> WebSocketBuilder {
        WebSocketBuilder::new(url).on(self)
    }
}

impl fmt::Debug for WebSocketBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}
