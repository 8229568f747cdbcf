//! What [`Connection::receive`](crate::Connection::receive) finds.

use crate::close::CloseFrame;
use crate::error::ProtocolError;
use crate::message::MessageKind;
use crate::utf8::Carried;

/// What [`Connection::receive`](crate::Connection::receive) found in the input.
///
/// Data borrows the caller's input (`'b`), so the connection can send while a chunk is held.
/// Control payloads borrow the connection (`'c`): to send one back as data, copy it first (at most
/// 125 bytes).
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'c, 'b> {
    /// A piece of a text message.
    Text(TextChunk<'b>),
    /// A piece of a binary message.
    Binary(BinaryChunk<'b>),
    /// A piece of a message that an extension has to inflate; only with
    /// [`Config::compression`](crate::Config::compression).
    Compressed(CompressedChunk<'b>),
    /// A Ping. Its Pong is owed already and goes out with the next `poll_transmit`.
    Ping(&'c [u8]),
    /// A Pong, solicited or not (§5.5.3).
    Pong(&'c [u8]),
    /// The peer's Close, the last event; `None` if it carries no status code. Unless a Close was
    /// sent before, the answer is owed already.
    Close(Option<CloseFrame<'c>>),
    /// The connection failed, the last event. Unless a Close was sent before, one with
    /// [`ProtocolError::close_code`] is owed already.
    Failed(ProtocolError),
}

/// A piece of a text message: the part of it that one input contained. Code points are whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextChunk<'b> {
    /// The code point that was cut between this chunk and the one before. It precedes `text`.
    pub carried: Carried,
    /// The text. May be empty.
    pub text: &'b str,
    /// Whether the message begins here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
    /// How many bytes of the frame's payload are still to come, so that a buffer can be sized once.
    pub remaining: u64,
}

impl<'b> TextChunk<'b> {
    /// Returns the message, if this chunk is all of it.
    #[must_use]
    #[inline]
    pub const fn whole(&self) -> Option<&'b str> {
        if self.first && self.last { Some(self.text) } else { None }
    }

    /// Returns the text of this chunk in its two parts, the carried code point first.
    #[must_use]
    #[inline]
    pub const fn parts(&self) -> [&str; 2] {
        [self.carried.as_str(), self.text]
    }

    /// Returns the length of the chunk in bytes, the carried code point included.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.carried.len() + self.text.len()
    }

    /// Returns whether the chunk contains no text.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the characters of this chunk, the carried one first.
    pub fn chars(&self) -> impl Iterator<Item = char> + use<'b> {
        self.carried.to_char().into_iter().chain(self.text.chars())
    }

    /// Appends the chunk to `message`.
    #[cfg(feature = "alloc")]
    pub fn append_to(&self, message: &mut alloc::string::String) {
        message.push_str(self.carried.as_str());
        message.push_str(self.text);
    }
}

/// A piece of a binary message: the part of it that one input contained.
#[derive(Debug, PartialEq, Eq)]
pub struct BinaryChunk<'b> {
    /// The octets, unmasked, in the caller's own buffer. May be empty.
    pub payload: &'b mut [u8],
    /// Whether the message begins here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
    /// How many bytes of the frame's payload are still to come, so that a buffer can be sized once.
    pub remaining: u64,
}

impl<'b> BinaryChunk<'b> {
    /// Returns the message, if this chunk is all of it.
    ///
    /// # Errors
    ///
    /// The chunk itself, if it is a part of a message.
    #[inline]
    pub fn into_whole(self) -> Result<&'b mut [u8], Self> {
        if self.first && self.last { Ok(self.payload) } else { Err(self) }
    }
}

/// A piece of a message whose first frame had RSV1 set: neither inflated nor validated.
#[derive(Debug, PartialEq, Eq)]
pub struct CompressedChunk<'b> {
    /// The type of the message once it is inflated.
    pub kind: MessageKind,
    /// The octets, unmasked, in the caller's own buffer. May be empty.
    pub payload: &'b mut [u8],
    /// Whether the message begins here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
    /// How many bytes of the frame's payload are still to come, so that a buffer can be sized once.
    pub remaining: u64,
}

/// The data frame whose payload is arriving; see
/// [`Connection::incoming`](crate::Connection::incoming).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Incoming {
    /// The type of the message.
    pub kind: MessageKind,
    /// Whether an extension has to inflate the message.
    pub compressed: bool,
    /// Whether no chunk of the message was returned yet.
    pub first: bool,
    /// Whether the message ends with this frame.
    pub last: bool,
    /// How many bytes of the frame's payload are still to come; at least 1.
    pub remaining: u64,
}
