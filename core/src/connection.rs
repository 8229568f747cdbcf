//! One open connection: every MUST of RFC 6455 §5 to §7, without I/O, clock or heap.

mod config;
mod event;
mod parked;
mod receive;
mod receiver;
mod send;
mod sender;

use core::fmt;

pub use config::Config;
pub use event::{BinaryChunk, CompressedChunk, Event, Incoming, TextChunk};
pub use parked::Parked;

use crate::close::CloseCode;
use crate::error::ProtocolError;
use crate::mask::MaskingKey;
use receiver::Receiver;
use sender::Sender;

/// An open WebSocket connection, as the opening handshake leaves it.
///
/// # How to call it
///
/// There are four kinds of methods:
///
/// - **input**: [`receive`](Self::receive) takes bytes from the transport; call it until it returns
///   `None`. [`receive_eof`](Self::receive_eof) reports the end of the transport;
/// - **sending**: `send_…`, `…_header` and [`close`](Self::close) append frames to the caller's
///   [`Output`](crate::Output) at once, or change nothing;
/// - **debts**: [`poll_transmit`](Self::poll_transmit) appends what the protocol owes the peer: one
///   Pong, one Close;
/// - **questions**: [`state`](Self::state),
///   [`should_close_transport`](Self::should_close_transport) and the rest change nothing.
///
/// A driver repeats these steps:
///
/// 1. Read some bytes, into any buffer of any size. At the end of the transport call `receive_eof`,
///    and read no more.
/// 2. `while let Some(event) = receive(&mut input)`: handle the event and send the answers, if
///    [`can_send`](Self::can_send). You may leave the loop and enter it again later with the same
///    `input`. Bytes that you drop from `input` are lost, including the peer's Close.
/// 3. Call `poll_transmit`. Called inside the loop of step 2 it answers every Ping; after the loop
///    it answers the last one (§5.5.3 allows that).
/// 4. Write the output, whole and in order.
/// 5. If `should_close_transport`, shut the transport down. If a read or a write fails, the
///    connection is over, whatever it reports: call `receive_eof` and close.
///
/// An output that cannot grow fails with [`OutputFull`](crate::OutputFull), and what was received
/// is not received again. So have room for the answer before you call `receive`, or stop and keep
/// `input` until there is room. An echo needs, at most:
///
/// - for one chunk, in one frame: 17 bytes more than `input` has before the call, 14 for the header
///   and 3 for the part of a code point that came before;
/// - for all chunks in an `input` of up to 64 KiB, each in a frame: a server `input.len() + 13`, as
///   the first header may have come before; a client `3 * input.len() + 7`, as a frame of two bytes
///   is answered with one of six;
/// - for messages out of an [`Assembler`](crate::Assembler): for the first that ends in the input
///   [`max_message_len`](crate::Config::max_message_len)` + 14`, of which the last byte may be all
///   that is new; for the rest as for chunks;
/// - for a Pong and a Close that are owed: a server 127 + 127, a client 131 + 131.
///
/// Frames are appended whole, so nothing can come between the bytes of one. Only after
/// [`frame_header`](Self::frame_header) and its like this is up to the caller: the payload has to
/// follow before anything else is written.
///
/// An echo that sends each chunk on as a fragment:
///
/// ```
/// use sansws::{Config, Connection, Event};
///
/// let mut server = Connection::server(&Config::default());
/// let mut out = Vec::new();
///
/// let mut bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]; // §5.7: a masked "Hello"
/// let mut input = &mut bytes[..];
/// while let Some(event) = server.receive(&mut input) {
///     if let Event::Text(chunk) = event {
///         if server.can_send() { // not after a `close` of ours, though messages still arrive
///             server.send_text_chunk(&chunk, &mut out)?; // `chunk` borrows `bytes`, not `server`
///         }
///     }
/// }
/// server.poll_transmit(&mut out)?;
/// assert_eq!(out, b"\x81\x05Hello");
/// # Ok::<(), sansws::SendError>(())
/// ```
///
/// # States
///
/// ```text
///                    close()                          Close received
///          ┌──────────────────────► CloseSent ─────────────────────────┐
///          │                            │ bad frame, fail()            ▼
///   Open ──┼─ bad frame, fail() ──► Failed                         Closed
///          │                                                           ▲
///          └──────────────────────► CloseReceived ─────────────────────┘
///               Close received              poll_transmit() or close(): our Close
///
///   receive_eof(): Open and CloseSent become Closed, not cleanly (1006); CloseReceived still owes its Close.
/// ```
///
/// # Memory
///
/// A connection is a value of about 370 bytes that owns no heap: two control payloads of up to 125
/// bytes, one received, one owed as a Pong, account for most of it. A server with many idle
/// connections keeps them as [`Parked`]: 32 bytes.
///
/// A clone of a client draws the same masking-keys as the original if its source is cloned: use one
/// of the two only.
#[derive(Clone)]
pub struct Connection<K = fn() -> MaskingKey> {
    /// The source of masking-keys; a server has none.
    masking_keys: Option<K>,
    state: State,
    eof: bool,
    failure: Option<ProtocolError>,
    receiver: Receiver,
    sender: Sender,
}

/// The end of a connection (RFC 6455 §1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Dials, and masks every frame it sends.
    Client,
    /// Accepts, and masks none.
    Server,
}

/// The state of a [`Connection`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Messages go both ways.
    Open,
    /// This endpoint sent Close first and waits for the peer's. Messages may still arrive.
    CloseSent,
    /// The peer sent Close first and this endpoint owes its own.
    CloseReceived,
    /// Both Close frames have been exchanged, or the transport ended.
    Closed,
    /// The peer broke the protocol, or a layer above gave up. Nothing more is received.
    Failed,
}

impl Connection {
    /// Creates the server's end of a connection whose opening handshake is done.
    #[must_use]
    pub const fn server(config: &Config) -> Self {
        Self::with_masking_keys(config, None)
    }

    /// Creates the client's end of a connection whose opening handshake is done.
    ///
    /// `masking_keys` is called once for each frame that is sent; see
    /// [`MaskingKeys`](crate::MaskingKeys). [`with_masking_keys`](Self::with_masking_keys) accepts
    /// sources that have state.
    #[must_use]
    pub const fn client(config: &Config, masking_keys: fn() -> MaskingKey) -> Self {
        Self::with_masking_keys(config, Some(masking_keys))
    }
}

impl<K> Connection<K> {
    /// Creates either end of a connection whose opening handshake is done: a client with a source
    /// of `masking_keys`, a server without one.
    ///
    /// ```
    /// use sansws::{Config, Connection, FnKeys};
    ///
    /// let mut counter = 0_u32; // for the example; a real source is unpredictable
    /// let keys = FnKeys(move || { counter += 1; counter.to_be_bytes() });
    /// let mut client = Connection::with_masking_keys(&Config::default(), Some(keys));
    /// let mut out = Vec::new();
    /// client.send_binary(&[0xff; 4], &mut out)?;
    /// assert_eq!(out, [0x82, 0x84, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe]);
    /// # Ok::<(), sansws::SendError>(())
    /// ```
    #[must_use]
    pub const fn with_masking_keys(config: &Config, masking_keys: Option<K>) -> Self {
        Self {
            masking_keys,
            state: State::Open,
            eof: false,
            failure: None,
            receiver: Receiver::new(config),
            sender: Sender::new(),
        }
    }

    /// Changes the source of masking-keys. A server has none, and `change` is not called.
    ///
    /// With it a table can hold connections of one type, whatever opened them:
    ///
    /// ```
    /// use sansws::{Config, Connection, MaskingKeys};
    ///
    /// type Any = Connection<Box<dyn MaskingKeys + Send>>;
    /// # fn random_key() -> [u8; 4] { [1, 2, 3, 4] }
    /// let client: Any =
    ///     Connection::client(&Config::default(), random_key).map_masking_keys(|keys| Box::new(keys) as _);
    /// let server: Any = Connection::server(&Config::default()).map_masking_keys(|keys| Box::new(keys) as _);
    /// # let _ = (client, server);
    /// ```
    #[must_use]
    pub fn map_masking_keys<L>(self, change: impl FnOnce(K) -> L) -> Connection<L> {
        let Self { masking_keys, state, eof, failure, receiver, sender } = self;
        Connection { masking_keys: masking_keys.map(change), state, eof, failure, receiver, sender }
    }

    /// Returns the limits, and whether permessage-deflate was agreed on.
    #[must_use]
    pub const fn config(&self) -> &Config {
        self.receiver.config()
    }

    /// Returns which end this is.
    #[must_use]
    #[inline]
    pub const fn role(&self) -> Role {
        if self.masking_keys.is_some() { Role::Client } else { Role::Server }
    }

    /// Returns the state of the connection.
    #[must_use]
    #[inline]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Returns why the connection failed: the error of [`Event::Failed`].
    #[must_use]
    pub const fn failure(&self) -> Option<ProtocolError> {
        self.failure
    }

    /// Returns whether the connection is open, so that messages can be sent.
    ///
    /// While a message is being sent in fragments, another one fails with
    /// [`MessageInProgress`](crate::SendError::MessageInProgress) all the same.
    #[must_use]
    #[inline]
    pub fn can_send(&self) -> bool {
        self.state == State::Open
    }

    /// Returns whether the connection is not open any more, so that its end is to be expected
    /// within a time limit ([`KeepAlive::closing`](crate::KeepAlive::closing)).
    #[must_use]
    #[inline]
    pub fn is_closing(&self) -> bool {
        self.state != State::Open
    }

    /// Returns whether it is this endpoint's turn to close the transport, with nothing left to
    /// transmit.
    ///
    /// §5.5.1: once both Close frames are exchanged, "the server MUST close the underlying TCP
    /// connection immediately; the client SHOULD wait for the server". After a failure or the end
    /// of input either closes.
    ///
    /// To close TCP, shut down the sending half, then read to the end (within a time limit), then
    /// close. Bytes that arrive at a closed socket make the system reset the connection, and the
    /// peer may lose what it was sent last.
    #[must_use]
    pub fn should_close_transport(&self) -> bool {
        !self.wants_transmit()
            && match self.state {
                State::Open | State::CloseSent | State::CloseReceived => false,
                State::Closed => self.eof || self.role() == Role::Server,
                State::Failed => true,
            }
    }

    /// Returns the status code of the closed connection (§7.1.5): that of the Close frame received;
    /// 1005 if it had none; 1006 if none was received (so far).
    #[must_use]
    pub fn close_code(&self) -> CloseCode {
        match self.receiver.close_received() {
            None => CloseCode::ABNORMAL_CLOSURE,
            Some(None) => CloseCode::NO_STATUS_RECEIVED,
            Some(Some(frame)) => frame.code,
        }
    }

    /// Returns the reason in the Close frame received (§7.1.6); empty if there was none.
    #[must_use]
    pub fn close_reason(&self) -> &str {
        self.receiver.close_received().flatten().map_or("", |frame| frame.reason)
    }

    /// Returns whether both Close frames have been exchanged (§7.1.4: "closed cleanly").
    #[must_use]
    pub fn was_clean(&self) -> bool {
        self.state == State::Closed && self.receiver.close_received().is_some()
    }

    /// Fails the connection for a layer above (§7.1.7): an extension whose data are broken, a
    /// message beyond the application's limits.
    ///
    /// `error` is a [`ProtocolError`] or a [`CloseCode`]. A Close with its code is owed from now
    /// on, and nothing more is received. If a Close was sent already, only the latter holds.
    ///
    /// Returns the event that reports the failure, or `None` if there was a last event before: a
    /// failure or the peer's Close. So a layer that passes the events on reports exactly one end.
    ///
    /// ```
    /// use sansws::{CloseCode, Config, Connection, Event, ProtocolError};
    ///
    /// let mut ws = Connection::server(&Config::default());
    /// let error = ProtocolError::Application(CloseCode::POLICY_VIOLATION);
    /// assert_eq!(ws.fail(CloseCode::POLICY_VIOLATION), Some(Event::Failed(error)));
    /// assert_eq!(ws.fail(CloseCode::INTERNAL_ERROR), None);
    /// assert_eq!(ws.failure(), Some(error));
    /// ```
    pub fn fail(&mut self, error: impl Into<ProtocolError>) -> Option<Event<'static, 'static>> {
        let error = error.into();
        match self.state {
            State::Open => self.sender.owe_close(error.close_code()),
            // Our Close is out: there is nothing left to say, and the Pong that is owed is no
            // reason to stay.
            State::CloseSent => self.sender.forget_debts(),
            State::CloseReceived | State::Closed | State::Failed => return None,
        }
        self.state = State::Failed;
        self.failure = Some(error);
        self.receiver.discard();
        Some(Event::Failed(error))
    }
}

impl<K> fmt::Debug for Connection<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("role", &self.role())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
