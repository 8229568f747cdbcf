//! One open connection: every MUST of RFC 6455 §5 to §7, without I/O, clock or heap.

mod config;
mod event;
mod receive;
mod send;

use core::fmt;

pub use config::{Config, MessageKind, Role};
pub use event::{BinaryChunk, CompressedChunk, Event, TextChunk};

use crate::close::CloseCode;
use crate::error::ProtocolError;
use crate::frame::MaskingKey;
use crate::masking_keys::MaskingKeys;
use receive::Receiver;
use send::Sender;

/// An open WebSocket connection, as the opening handshake leaves it.
///
/// # How it is called
///
/// There are four kinds of methods:
///
/// - **input**: [`receive`](Self::receive) takes bytes from the transport and is called until it returns `None`;
///   [`receive_eof`](Self::receive_eof) says that no more will come;
/// - **sending**: `send_…`, [`close`](Self::close) and [`frame_header`](Self::frame_header) append frames to the caller's
///   [`Output`](crate::Output) at once, or change nothing;
/// - **debts**: [`poll_transmit`](Self::poll_transmit) appends what the protocol owes the peer: one Pong, one Close;
/// - **questions**: [`state`](Self::state), [`should_close_transport`](Self::should_close_transport) and the rest change nothing.
///
/// A driver does this, over and over:
///
/// 1. read some bytes, into any buffer of any size; at the end of the transport call `receive_eof`;
/// 2. `while let Some(event) = receive(&mut input)`: handle the event, send what there is to send if [`can_send`](Self::can_send). The
///    loop must not be left before `None`: what is left of the input would be lost, the peer's Close with it;
/// 3. `poll_transmit`; inside the loop of step 2 every Ping gets its Pong, after it the last one does (§5.5.3 allows that);
/// 4. write the output, whole and in order;
/// 5. if `should_close_transport`, shut the transport down. If a read or a write fails, the connection is over whatever it says: call
///    `receive_eof` and close.
///
/// An output that cannot grow says [`OutputFull`](crate::OutputFull), and what was received is not received again. So before `receive` is called, have room
/// for what the answer may be, or stop calling it and keep `input` until there is: that is back-pressure. An echo needs, at most:
///
/// - of one chunk, in one frame: 17 bytes more than `input` has before the call, 14 for the header and 3 for the part of a code point
///   that came before;
/// - of all chunks in an `input` of up to 64 KiB, each in a frame: a server `input.len() + 13`, as the first header may have come before;
///   a client `3 * input.len() + 7`, as a frame of two bytes is answered with one of six;
/// - of messages out of an [`Assembler`](crate::Assembler): for the first that ends in the input
///   [`max_message_len`](crate::Config::max_message_len)` + 14`, of which the last byte may be all that is new; for the rest as chunks;
/// - and a Pong and a Close that are owed: a server 127 + 4, a client 131 + 8.
///
/// Frames are appended whole, so nothing can come between the bytes of one. Only after [`frame_header`](Self::frame_header) is that the
/// caller's duty: the payload has to follow before anything else is written.
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
///         if server.can_send() { // not after a `close` of ours, though messages still come
///             server.send_text(chunk.text, &mut out)?; // `chunk` borrows `bytes`, not `server`
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
///          │                            │ bad frame                    ▼
///   Open ──┼─ bad frame, fail() ──► Failed                         Closed
///          │                                                           ▲
///          └──────────────────────► CloseReceived ─────────────────────┘
///               Close received                   poll_transmit(): our Close
///
///   receive_eof(): Open and CloseSent become Closed, not cleanly (1006); CloseReceived still owes its Close.
/// ```
pub struct Connection<K = fn() -> MaskingKey> {
    /// The source of masking-keys; a server has none.
    masking_keys: Option<K>,
    state: State,
    eof: bool,
    failure: Option<ProtocolError>,
    receiver: Receiver,
    sender: Sender,
}

/// Where a [`Connection`] is in its life.
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
    /// The server's end of a connection whose opening handshake is done.
    pub fn server(config: &Config) -> Self {
        Self::new(config, None)
    }

    /// The client's end of a connection whose opening handshake is done.
    ///
    /// `masking_keys` is called once for each frame that is sent; see [`MaskingKeys`]. [`new`](Self::new) takes other
    /// sources than functions.
    pub fn client(config: &Config, masking_keys: fn() -> MaskingKey) -> Self {
        Self::new(config, Some(masking_keys))
    }
}

impl<K: MaskingKeys> Connection<K> {
    /// Either end of a connection whose opening handshake is done: a client with a source of `masking_keys`, a server
    /// without one.
    pub fn new(config: &Config, masking_keys: Option<K>) -> Self {
        Self {
            masking_keys,
            state: State::Open,
            eof: false,
            failure: None,
            receiver: Receiver::new(config),
            sender: Sender::default(),
        }
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        if self.masking_keys.is_some() { Role::Client } else { Role::Server }
    }

    /// Where the connection is in its life.
    pub fn state(&self) -> State {
        self.state
    }

    /// What the peer did wrong, if it did: the error of [`Event::Failed`].
    pub fn failure(&self) -> Option<ProtocolError> {
        self.failure
    }

    /// Whether messages can be sent.
    pub fn can_send(&self) -> bool {
        self.state == State::Open
    }

    /// Whether the connection is on its way to its end, so that a time-out for the rest of the way should run: it is not open any more.
    pub fn close_expected(&self) -> bool {
        self.state != State::Open
    }

    /// Whether it is this endpoint's turn to close the transport, with nothing left to transmit.
    ///
    /// §5.5.1: once both Close frames are exchanged, "the server MUST close the underlying TCP connection immediately; the client SHOULD
    /// wait for the server". After a failure or the end of input either closes. To close TCP, shut down the sending half, then read to its end (or a time-out), then close: bytes that arrive
    /// at a closed socket make the system reset the connection, and the peer may lose what it was sent last.
    pub fn should_close_transport(&self) -> bool {
        !self.wants_transmit()
            && match self.state {
                State::Open | State::CloseSent | State::CloseReceived => false,
                State::Closed => self.eof || self.role() == Role::Server,
                State::Failed => true,
            }
    }

    /// The status code of the closed connection (§7.1.5): that of the Close frame received; 1005 if it had none; 1006 if
    /// none was received (so far).
    pub fn close_code(&self) -> CloseCode {
        match self.receiver.close_received() {
            None => CloseCode::ABNORMAL_CLOSURE,
            Some(None) => CloseCode::NO_STATUS_RECEIVED,
            Some(Some(frame)) => frame.code,
        }
    }

    /// The reason in the Close frame received (§7.1.6); empty if there was none.
    pub fn close_reason(&self) -> &str {
        self.receiver.close_received().flatten().map_or("", |frame| frame.reason)
    }

    /// Whether both Close frames have been exchanged (§7.1.4: "closed cleanly").
    pub fn was_clean(&self) -> bool {
        self.state == State::Closed && self.receiver.close_received().is_some()
    }

    /// Fails the connection for a layer above (§7.1.7): an extension whose data are broken, a message beyond the application's limits.
    ///
    /// A Close with `code` is owed from now on, and nothing more is received. On a connection that is closing already only the latter
    /// holds. A code that [may not be sent](CloseCode::may_be_sent) becomes 1011.
    pub fn fail(&mut self, code: CloseCode) {
        let code = if code.may_be_sent() { code } else { CloseCode::INTERNAL_ERROR };
        match self.state {
            State::Open => {
                self.sender.owe_close(Some(code));
                self.state = State::Failed;
                self.receiver.discard();
            }
            State::CloseSent => {
                // Our Close is out: there is nothing left to say, and the Pong that is owed is no reason to stay.
                self.sender.forget_debts();
                self.state = State::Failed;
                self.receiver.discard();
            }
            State::CloseReceived | State::Closed | State::Failed => {}
        }
    }
}

impl<K: MaskingKeys> fmt::Debug for Connection<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("role", &self.role())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
