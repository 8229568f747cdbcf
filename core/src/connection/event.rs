use crate::close::CloseFrame;
use crate::connection::MessageKind;
use crate::error::ProtocolError;

/// What [`Connection::receive`](crate::Connection::receive) found in the input.
///
/// Data borrows the caller's input (`'b`), so the connection is free to send while a chunk is held. Control payloads
/// borrow the connection (`'c`): to send one back as data, copy it first (it has at most 125 bytes).
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an event is delivered once"]
#[non_exhaustive]
pub enum Event<'c, 'b> {
    /// A piece of a text message.
    Text(TextChunk<'b>),
    /// A piece of a binary message.
    Binary(BinaryChunk<'b>),
    /// A piece of a message that an extension has to inflate; only with [`Config::compression`](crate::Config::compression).
    Compressed(CompressedChunk<'b>),
    /// A Ping. Its Pong is owed already and goes out with the next `poll_transmit`.
    Ping(&'c [u8]),
    /// A Pong, asked for or not (§5.5.3).
    Pong(&'c [u8]),
    /// The peer's Close, the last event; `None` if it carries no status code. Unless a Close was sent before, the answer is owed already.
    Close(Option<CloseFrame<'c>>),
    /// The peer broke the protocol, the last event. Unless a Close was sent before, one with [`ProtocolError::close_code`] is owed already.
    Failed(ProtocolError),
}

/// A piece of a text message, as much of it as one input held. Code points are whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextChunk<'b> {
    /// The code point that was cut between this chunk and the one before; it comes before `text`.
    pub carried: Option<char>,
    /// The text. May be empty.
    pub text: &'b str,
    /// Whether the message begins here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
}

impl<'b> TextChunk<'b> {
    /// The message, if this chunk is all of it.
    #[inline]
    pub fn whole(&self) -> Option<&'b str> {
        (self.first && self.last).then_some(self.text)
    }

    /// The characters of this chunk, the carried one first.
    pub fn chars(&self) -> impl Iterator<Item = char> + use<'b> {
        self.carried.into_iter().chain(self.text.chars())
    }

    /// Appends the chunk, the carried code point first.
    #[cfg(feature = "alloc")]
    pub fn append_to(&self, message: &mut alloc::string::String) {
        message.extend(self.carried);
        message.push_str(self.text);
    }
}

/// A piece of a binary message, as much of it as one input held.
#[derive(Debug, PartialEq, Eq)]
pub struct BinaryChunk<'b> {
    /// The octets, unmasked, in the caller's own buffer. May be empty.
    pub payload: &'b mut [u8],
    /// Whether the message begins here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
}

impl<'b> BinaryChunk<'b> {
    /// The message, if this chunk is all of it.
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
    /// What the message is once it is inflated.
    pub kind: MessageKind,
    /// The octets, unmasked, in the caller's own buffer. May be empty.
    pub payload: &'b mut [u8],
    /// Whether the message begins here.
    pub first: bool,
    /// Whether the message ends here.
    pub last: bool,
}
