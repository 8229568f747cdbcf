//! What a WebSocket object tells, in the words of the WHATWG standard.

use bytes::Bytes;
use sansws::{Message, MessageKind};

/// What a queued message or event takes besides its payload, so that empty ones are limited too.
pub(crate) const OVERHEAD: usize = 64;

/// The state of a [`WebSocket`](crate::WebSocket); the numbers are the standard's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum ReadyState {
    /// The connection is being set up.
    Connecting = 0,
    /// Messages can be sent.
    Open = 1,
    /// The closing handshake is going on, or `close` was called.
    Closing = 2,
    /// The connection is closed, or could not be set up.
    Closed = 3,
}

/// What a browser hands binary messages out as. In Rust they are [`Bytes`] either way: the value is
/// kept, and means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum BinaryType {
    /// `"blob"`, the standard's default.
    #[default]
    Blob,
    /// `"arraybuffer"`.
    ArrayBuffer,
}

/// What happened to a [`WebSocket`](crate::WebSocket).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The connection is open. At most once, first.
    Open,
    /// A message arrived.
    Message(Data),
    /// The connection failed; [`Close`](Self::Close) follows.
    ///
    /// The event says nothing more, as in a browser;
    /// [`WebSocket::failure_cause`](crate::WebSocket::failure_cause) does.
    Error,
    /// The connection is closed, or could not be set up. Exactly once, last.
    Close(CloseEvent),
}

impl Event {
    /// Which of the four it is.
    pub fn kind(&self) -> EventKind {
        match self {
            Self::Open => EventKind::Open,
            Self::Message(_) => EventKind::Message,
            Self::Error => EventKind::Error,
            Self::Close(_) => EventKind::Close,
        }
    }
}

/// The kinds of [`Event`], to [bind](crate::WebSocket::bind) a callback to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// [`Event::Open`].
    Open,
    /// [`Event::Message`].
    Message,
    /// [`Event::Error`].
    Error,
    /// [`Event::Close`].
    Close,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseEvent {
    /// The status code that the server sent; 1005 if its Close frame had none; 1006 if there was
    /// none, whatever the reason (RFC 6455 §7.1.5).
    pub code: u16,
    /// The reason that the server sent, or nothing.
    pub reason: String,
    /// Whether both Close frames were exchanged (§7.1.4).
    pub was_clean: bool,
}

impl CloseEvent {
    pub(crate) fn abnormal() -> Self {
        Self { code: 1006, reason: String::new(), was_clean: false }
    }
}

/// A message, owned. Cheap to clone if binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Text.
    Text(String),
    /// Octets.
    Binary(Bytes),
}

impl Data {
    /// The text, if it is a text message.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The payload of either kind.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(payload) => payload,
        }
    }

    /// The message borrowed, as it can be sent.
    pub fn as_message(&self) -> Message<'_> {
        match self {
            Self::Text(text) => Message::Text(text),
            Self::Binary(payload) => Message::Binary(payload),
        }
    }

    /// Text or binary.
    pub fn kind(&self) -> MessageKind {
        self.as_message().kind()
    }

    /// Bytes of payload.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether there is no payload.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Message<'_>> for Data {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.to_owned()),
            Message::Binary(payload) => Self::Binary(Bytes::copy_from_slice(payload)),
        }
    }
}

impl<'a> From<&'a Data> for Message<'a> {
    fn from(data: &'a Data) -> Self {
        data.as_message()
    }
}
