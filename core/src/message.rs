//! Whole messages, RFC 6455 [§5.6](https://datatracker.ietf.org/doc/html/rfc6455#section-5.6).

#[cfg(feature = "alloc")]
use alloc::{string::String, vec::Vec};

use crate::frame::Opcode;

/// The type of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// UTF-8 text.
    Text,
    /// Octets whose meaning is up to the application.
    Binary,
}

impl MessageKind {
    #[inline]
    pub(crate) const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// A whole message, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// Returns the type of the message.
    #[must_use]
    #[inline]
    pub const fn kind(self) -> MessageKind {
        match self {
            Self::Text(_) => MessageKind::Text,
            Self::Binary(_) => MessageKind::Binary,
        }
    }

    /// Returns the payload: the octets of a binary message, the UTF-8 of a text message.
    #[must_use]
    #[inline]
    pub const fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(payload) => payload,
        }
    }

    /// Copies the message into memory of its own.
    ///
    /// [`Assembler::receive_owned`](crate::Assembler::receive_owned) and the like move a message
    /// that was collected instead.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn into_owned(self) -> OwnedMessage {
        match self {
            Self::Text(text) => OwnedMessage::Text(text.into()),
            Self::Binary(payload) => OwnedMessage::Binary(payload.into()),
        }
    }

    /// Copies the payload into a buffer that can be shared.
    #[cfg(feature = "bytes")]
    #[must_use]
    pub fn to_bytes(self) -> bytes::Bytes {
        bytes::Bytes::copy_from_slice(self.as_bytes())
    }
}

impl<'a> From<&'a str> for Message<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(payload: &'a [u8]) -> Self {
        Self::Binary(payload)
    }
}

impl<'a> From<&'a mut [u8]> for Message<'a> {
    fn from(payload: &'a mut [u8]) -> Self {
        Self::Binary(payload)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Message<'a> {
    fn from(payload: &'a [u8; N]) -> Self {
        Self::Binary(payload)
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a String> for Message<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a Vec<u8>> for Message<'a> {
    fn from(payload: &'a Vec<u8>) -> Self {
        Self::Binary(payload)
    }
}

#[cfg(feature = "bytes")]
impl<'a> From<&'a bytes::Bytes> for Message<'a> {
    fn from(payload: &'a bytes::Bytes) -> Self {
        Self::Binary(payload)
    }
}

/// A whole message that owns its payload.
#[cfg(feature = "alloc")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OwnedMessage {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
}

#[cfg(feature = "alloc")]
impl OwnedMessage {
    /// Borrows the message.
    #[must_use]
    pub fn as_message(&self) -> Message<'_> {
        match self {
            Self::Text(text) => Message::Text(text),
            Self::Binary(payload) => Message::Binary(payload),
        }
    }

    /// Returns the type of the message.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        match self {
            Self::Text(_) => MessageKind::Text,
            Self::Binary(_) => MessageKind::Binary,
        }
    }

    /// Returns the payload, as [`Message::as_bytes`].
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.as_message().as_bytes()
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a OwnedMessage> for Message<'a> {
    fn from(message: &'a OwnedMessage) -> Self {
        message.as_message()
    }
}

#[cfg(feature = "bytes")]
impl From<OwnedMessage> for bytes::Bytes {
    fn from(message: OwnedMessage) -> Self {
        match message {
            OwnedMessage::Text(text) => text.into(),
            OwnedMessage::Binary(payload) => payload.into(),
        }
    }
}

#[cfg(feature = "alloc")]
impl From<String> for OwnedMessage {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

#[cfg(feature = "alloc")]
impl From<Vec<u8>> for OwnedMessage {
    fn from(payload: Vec<u8>) -> Self {
        Self::Binary(payload)
    }
}
