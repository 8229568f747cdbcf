//! The WebSocket object.

pub(crate) mod builder;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use sansws::{CloseCode, MAX_REASON_LEN, Message};

use crate::client::error::{CloseError, FailureCause, InvalidStateError};
use crate::client::event::{BinaryType, Data, Event, EventKind, ReadyState};
use crate::client::panics::panics;
use crate::client::socket::{Listens, Socket};

/// The browser's `WebSocket` object, for native programs: the same members, the same rules, the
/// same order of events (WHATWG WebSockets standard).
///
/// ```no_run
/// use sansws_mio::{Event, WebSocket};
///
/// let socket = WebSocket::new("ws://localhost:8080/echo", &[])?;
/// for event in socket.events() {
///     match event {
///         Event::Open => socket.send("hello")?,
///         Event::Message(data) => {
///             println!("{data:?}");
///             socket.close();
///         }
///         Event::Close(close) => println!("closed with {}", close.code),
///         _ => {}
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Where it runs
///
/// On a client thread: by default one that the whole process shares
/// ([`Clients::shared`](crate::Clients::shared)), started with the first socket. One thread carries
/// thousands. The methods can be called from any thread and, but for those that say so, never wait.
///
/// # Events, and when things change
///
/// In a browser things happen to a page between its turns. Here they happen when an event is
/// *taken*: until the program has taken [`Event::Open`], [`ready_state`](Self::ready_state) says
/// `Connecting`, though the connection may be open already. There are three ways to take events;
/// choose one:
///
/// - **polling**: [`next_event`](Self::next_event), [`try_next_event`](Self::try_next_event),
///   [`events`](Self::events);
/// - **callbacks on this thread**: [`bind`](Self::bind) them, then [`run`](Self::run);
/// - **callbacks on the client thread**: [`bind`](Self::bind) them, then [`listen`](Self::listen);
///   or bind them with the [builder](Self::builder). They must not block.
///
/// Events that are not taken wait, up to a [limit](crate::WebSocketBuilder::max_events); beyond it
/// nothing more is read from the connection.
///
/// # Nothing is lost in silence
///
/// Each message given to [`send`](Self::send) is written before the Close frame of a
/// [`close`](Self::close), or counts in [`buffered_amount`](Self::buffered_amount) for ever;
/// [`take_unsent`](Self::take_unsent) gives those back that were not written when the connection
/// ended.
///
/// Dropping the object closes the connection as [`close`](Self::close) does, and forgets its
/// callbacks.
pub struct WebSocket {
    socket: Arc<Socket>,
    callbacks: Arc<Callbacks>,
    /// A callback gets a second handle, whose end means nothing.
    is_owner: bool,
}

impl WebSocket {
    pub(crate) fn of(socket: Arc<Socket>, callbacks: Arc<Callbacks>) -> Self {
        Self { socket, callbacks, is_owner: true }
    }

    /// Whether URLs of this scheme can be connected to, `ws` or `http` for example. Upper and lower
    /// case are the same.
    pub fn supported(scheme: &str) -> bool {
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        is("ws")
            || is("http")
            || (cfg!(feature = "__tls") && (is("wss") || is("https")))
            || (cfg!(unix) && is("ws+unix"))
    }

    /// The URL, as parsed and written out again: `ws://localhost:8080/` for
    /// `http://LOCALHOST:8080`.
    pub fn url(&self) -> &str {
        &self.socket.plan.url
    }

    /// The origin of the URL, which is that of its messages: `ws://localhost:8080`.
    pub fn origin(&self) -> &str {
        &self.socket.plan.origin
    }

    /// The state, as far as events have been taken. `close` makes it
    /// [`Closing`](ReadyState::Closing) at once.
    pub fn ready_state(&self) -> ReadyState {
        self.socket.lock().ready_state
    }

    /// The subprotocol that the server chose; empty if there is none, and until the socket is open.
    pub fn protocol(&self) -> String {
        self.socket.lock().protocol.clone()
    }

    /// The extensions in use: none, as none is negotiated.
    pub fn extensions(&self) -> String {
        String::new()
    }

    /// Bytes of payload that were given to `send` and that the kernel has not taken; frame headers
    /// do not count. Never set back: what could not be sent stays in it.
    pub fn buffered_amount(&self) -> u64 {
        self.socket.lock().buffered
    }

    /// See [`BinaryType`].
    pub fn binary_type(&self) -> BinaryType {
        self.socket.lock().binary_type
    }

    /// See [`BinaryType`].
    pub fn set_binary_type(&self, binary_type: BinaryType) {
        self.socket.lock().binary_type = binary_type;
    }

    /// Sends a message: `&str` as text, `&[u8]` as binary.
    ///
    /// On a socket that is closing or closed nothing is sent; the payload counts in
    /// [`buffered_amount`](Self::buffered_amount) all the same. If more waits than
    /// [`max_buffered`](crate::WebSocketBuilder::max_buffered) the connection fails.
    ///
    /// # Errors
    ///
    /// [`InvalidStateError`] while [`Connecting`](ReadyState::Connecting).
    pub fn send<'m>(&self, data: impl Into<Message<'m>>) -> Result<(), InvalidStateError> {
        self.socket.send(data.into())
    }

    /// The standard's `close()`: what was sent before is written, then a Close frame that says
    /// nothing (the server sees 1005). While connecting, the connection fails instead. On a socket
    /// that is closing or closed nothing happens.
    pub fn close(&self) {
        self.socket.close(None);
    }

    /// The standard's `close(code, reason)`. The reason is for a log.
    ///
    /// # Errors
    ///
    /// [`CloseError::InvalidAccess`] unless the code is 1000 or in 3000–4999;
    /// [`CloseError::Syntax`] if the reason is longer than 123 bytes. Whatever the state is.
    pub fn close_with(&self, code: u16, reason: &str) -> Result<(), CloseError> {
        // "If code is present, but is neither an integer equal to 1000 nor an integer in the range
        // 3000 to 4999, inclusive, throw an InvalidAccessError."
        if code != 1000 && !(3000..=4999).contains(&code) {
            return Err(CloseError::InvalidAccess);
        }
        // "If reasonBytes is longer than 123 bytes, then throw a SyntaxError."
        if reason.len() > MAX_REASON_LEN {
            return Err(CloseError::Syntax);
        }
        self.socket.close(Some((CloseCode::from(code), reason.to_owned())));
        Ok(())
    }

    /// Takes the next event; waits for it, at most so long. `None`: time is up, or [`Event::Close`]
    /// was taken before.
    pub fn next_event(&self, timeout: Option<Duration>) -> Option<Event> {
        self.socket.take(timeout)
    }

    /// Takes the next event, if there is one.
    pub fn try_next_event(&self) -> Option<Event> {
        self.socket.try_take()
    }

    /// Takes event after event, and waits for each. Ends after [`Event::Close`].
    pub fn events(&self) -> impl Iterator<Item = Event> + '_ {
        std::iter::from_fn(|| self.next_event(None))
    }

    /// Sets what is called with events of this kind; in place of what was set before.
    ///
    /// Nothing is called before [`listen`](Self::listen) or [`run`](Self::run), so that nothing is
    /// missed however many callbacks are bound. From then on an event without a callback changes
    /// the state and is gone, as in a browser.
    pub fn bind(&self, kind: EventKind, callback: impl FnMut(&Self, Event) + Send + 'static) {
        self.callbacks.bind(kind, Box::new(callback));
    }

    /// Has the client thread take the events, from now on, and call the callbacks. They must not
    /// block: all sockets of that thread wait. If one panics, the connection fails and the other
    /// sockets live on.
    pub fn listen(&self) {
        let callbacks: Weak<Callbacks> = Arc::downgrade(&self.callbacks);
        self.socket.listen(callbacks);
    }

    /// Takes event after event on this thread and calls the callbacks, until the socket is closed.
    pub fn run(&self) {
        for event in self.events() {
            self.callbacks.call(self, event);
        }
    }

    /// What went wrong, which a browser does not tell a page. `None` as long as nothing has, and
    /// after a clean close.
    pub fn failure_cause(&self) -> Option<FailureCause> {
        self.socket.lock().cause.clone()
    }

    /// Waits until no more than so many bytes are [buffered](Self::buffered_amount), at most so
    /// long. `false`: time is up, or the connection has ended with more. Senders of much call it
    /// now and then.
    pub fn wait_buffered(&self, at_most: u64, timeout: Option<Duration>) -> bool {
        let mut is_low = false;
        self.socket.wait(timeout, |state| {
            is_low = state.buffered <= at_most;
            is_low || state.is_over()
        }) && is_low
    }

    /// Once the connection has ended: the messages that were given to `send` while the socket was
    /// open and of which the kernel did not take every byte. The server has none of them. (Over TLS
    /// what was encrypted last, at most 64 KiB, is not among them: it may have arrived.) Empty
    /// before, and the second time. (What is sent after the message that was too much for
    /// [`max_buffered`](crate::WebSocketBuilder::max_buffered) only counts in
    /// [`buffered_amount`](Self::buffered_amount), as after a close.)
    pub fn take_unsent(&self) -> Vec<Data> {
        let mut state = self.socket.lock();
        if state.is_over() {
            state.outgoing.drain(..).map(|message| message.data).collect()
        } else {
            Vec::new()
        }
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        if self.is_owner {
            // The standard, on garbage collection: "start the WebSocket closing handshake, with no
            // status code for the Close message".
            drop(self.callbacks.take());
            self.socket.lock().forget_events();
            self.socket.close(None);
            self.socket.notice();
        }
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("origin", &self.origin())
            .field("ready_state", &self.ready_state())
            .finish_non_exhaustive()
    }
}

pub(crate) type Callback = Box<dyn FnMut(&WebSocket, Event) + Send>;

/// One callback for each kind of event.
#[derive(Default)]
pub(crate) struct Callbacks {
    places: Mutex<[Option<Callback>; 4]>,
}

impl Callbacks {
    fn lock(&self) -> MutexGuard<'_, [Option<Callback>; 4]> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bind(&self, kind: EventKind, callback: Callback) {
        let before = self.lock()[kind as usize].replace(callback);
        // It may own anything: not under the lock.
        drop(before);
    }

    /// They may own anything: to be dropped without the lock.
    fn take(&self) -> [Option<Callback>; 4] {
        std::mem::take(&mut *self.lock())
    }

    /// Without the lock, so that a callback can bind.
    fn call(&self, websocket: &WebSocket, event: Event) {
        let place = event.kind() as usize;
        let Some(mut callback) = self.lock()[place].take() else { return };
        callback(websocket, event);
        let mut places = self.lock();
        if places[place].is_none() {
            places[place] = Some(callback);
            return;
        }
        // It was replaced meanwhile. It may own anything: not under the lock.
        drop(places);
        drop(callback);
    }
}

impl Listens for Callbacks {
    fn tell(self: Arc<Self>, socket: &Arc<Socket>) {
        while let Some(event) = socket.try_take() {
            let is_last = event.kind() == EventKind::Close;
            let websocket =
                WebSocket { socket: Arc::clone(socket), callbacks: Arc::clone(&self), is_owner: false };
            if panics(|| self.call(&websocket, event)) {
                log::error!("{}: a callback panicked", socket.plan.origin);
                socket.give_up(FailureCause::CallbackPanicked);
            }
            drop(websocket);
            if is_last {
                // They may hold anything, this object for example.
                for callback in self.take() {
                    discard(socket, callback);
                }
            }
        }
        // Perhaps the last of them: the object was dropped while one was being called.
        discard(socket, self);
    }
}

/// Drops callbacks, with what they own of the program's.
fn discard<T>(socket: &Socket, callbacks: T) {
    if panics(|| drop(callbacks)) {
        log::error!("{}: a callback panicked as it was dropped", socket.plan.origin);
    }
}
