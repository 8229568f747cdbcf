//! Whole messages out of chunks, and messages prepared once for many receivers.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use crate::connection::{BinaryChunk, Connection, Event, MessageKind, Role, TextChunk};
use crate::error::SendError;
use crate::frame::{FrameHeader, Rsv};
use crate::masking_keys::MaskingKeys;
use crate::output::Output;

/// A whole message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// What the message is.
    pub fn kind(self) -> MessageKind {
        match self {
            Self::Text(_) => MessageKind::Text,
            Self::Binary(_) => MessageKind::Binary,
        }
    }

    /// Its payload: the octets of a binary message, the UTF-8 of a text message.
    pub fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(payload) => payload,
        }
    }

    /// A copy of the payload that can be shared.
    #[cfg(feature = "bytes")]
    pub fn to_bytes(self) -> bytes::Bytes {
        bytes::Bytes::copy_from_slice(self.as_bytes())
    }
}

impl<'a> From<&'a str> for Message<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Message<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a Vec<u8>> for Message<'a> {
    fn from(payload: &'a Vec<u8>) -> Self {
        Self::Binary(payload)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Message<'a> {
    fn from(payload: &'a [u8; N]) -> Self {
        Self::Binary(payload)
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(payload: &'a [u8]) -> Self {
        Self::Binary(payload)
    }
}

impl<K: MaskingKeys> Connection<K> {
    /// Sends a message in one frame: a [`Message`], text (`&str`, `&String`) or octets (`&[u8]`, `&Vec<u8>`, `&[u8; N]`).
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    #[inline]
    pub fn send<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
        out: &mut impl Output,
    ) -> Result<(), SendError> {
        let message = message.into();
        self.write_message(message.kind(), message.as_bytes(), out)
    }

    /// Sends a message that was encoded once for many receivers.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    pub fn send_prepared(&mut self, prepared: &Prepared, out: &mut impl Output) -> Result<(), SendError> {
        if self.role() == Role::Client {
            return self.write_message(prepared.kind(), prepared.payload(), out);
        }
        self.check_new_message()?;
        out.reserve(prepared.frame().len())?;
        out.write_reserved(prepared.frame());
        Ok(())
    }
}

/// Makes messages out of the chunks of one connection.
///
/// A message that came in one piece is lent on without a copy. Only one that was cut is collected, in a buffer that is kept for the
/// next; how long a message can be is limited by [`Config::max_message_len`](crate::Config::max_message_len) (the buffer may be twice that). An assembler that never had to collect
/// owns no memory, and one that did gives it up with [`release`](Self::release).
///
/// ```
/// use sansws::{Assembler, BinaryChunk, Message};
///
/// let mut messages = Assembler::new();
/// let (mut head, mut tail) = ([1], [2]);
/// assert_eq!(messages.binary(BinaryChunk { payload: &mut head, first: true, last: false }), None);
/// let message = messages.binary(BinaryChunk { payload: &mut tail, first: false, last: true });
/// assert_eq!(message, Some(Message::Binary(&[1, 2])));
/// ```
#[derive(Debug, Default)]
pub struct Assembler {
    collected: Collected,
    in_progress: bool,
}

#[derive(Debug)]
enum Collected {
    Text(String),
    Binary(Vec<u8>),
}

impl Assembler {
    /// An assembler that has collected nothing and owns no memory.
    pub const fn new() -> Self {
        Self { collected: Collected::Binary(Vec::new()), in_progress: false }
    }

    /// The next whole message in `input`; `None`: it is used up. For programs that do not care about chunks and control frames.
    ///
    /// It calls [`Connection::receive`] until a message is whole. Control frames are dealt with by the connection (call
    /// [`poll_transmit`](Connection::poll_transmit) afterwards); [`state`](Connection::state) and [`failure`](Connection::failure) tell of
    /// a Close and of a failure. Compressed chunks are passed over.
    ///
    /// ```
    /// use sansws::{Assembler, Config, Connection, Message};
    ///
    /// let (mut server, mut messages) = (Connection::server(&Config::default()), Assembler::new());
    /// let mut bytes = *b"\x01\x81\0\0\0\0a\x89\x80\0\0\0\0\x80\x81\0\0\0\0b"; // "a", a Ping, "b"
    /// let mut input = &mut bytes[..];
    /// assert_eq!(messages.receive(&mut server, &mut input), Some(Message::Text("ab")));
    /// assert_eq!(messages.receive(&mut server, &mut input), None);
    /// assert!(server.wants_transmit()); // the Pong
    /// ```
    pub fn receive<'a, 'b: 'a>(
        &'a mut self,
        connection: &mut Connection<impl MaskingKeys>,
        input: &mut &'b mut [u8],
    ) -> Option<Message<'a>> {
        loop {
            match connection.receive(input)? {
                Event::Text(chunk) => match chunk.whole() {
                    Some(text) => return Some(Message::Text(text)),
                    None if self.collect_text(chunk) => return Some(self.collected()),
                    None => {}
                },
                Event::Binary(chunk) if chunk.first && chunk.last => {
                    return Some(Message::Binary(chunk.payload));
                }
                Event::Binary(chunk) if self.collect_binary(&chunk) => return Some(self.collected()),
                _ => {}
            }
        }
    }

    /// Adds what [`Connection::receive`] found. Returns the message if it ends here.
    ///
    /// Control frames and compressed chunks are passed over: a program that wants them matches on the event itself.
    #[inline]
    pub fn push<'a>(&'a mut self, event: Event<'_, 'a>) -> Option<Message<'a>> {
        match event {
            Event::Text(chunk) => self.text(chunk),
            Event::Binary(chunk) => self.binary(chunk),
            _ => None,
        }
    }

    /// Adds a chunk of a text message. Returns the message if the chunk ends it.
    #[inline]
    pub fn text<'a>(&'a mut self, chunk: TextChunk<'a>) -> Option<Message<'a>> {
        match chunk.whole() {
            Some(text) => Some(Message::Text(text)),
            None => self.collect_text(chunk).then(|| self.collected()),
        }
    }

    /// Adds a chunk of a binary message. Returns the message if the chunk ends it.
    #[inline]
    pub fn binary<'a>(&'a mut self, chunk: BinaryChunk<'a>) -> Option<Message<'a>> {
        match chunk.into_whole() {
            Ok(payload) => Some(Message::Binary(payload)),
            Err(chunk) => self.collect_binary(&chunk).then(|| self.collected()),
        }
    }

    /// How many bytes of memory the assembler owns.
    pub fn capacity(&self) -> usize {
        match &self.collected {
            Collected::Text(text) => text.capacity(),
            Collected::Binary(payload) => payload.capacity(),
        }
    }

    /// Forgets the message in progress, if one is: its connection has ended. The buffer can be [released](Self::release) then.
    pub fn reset(&mut self) {
        self.in_progress = false;
    }

    /// Gives up the buffer, empty, unless a message is in progress: `None` then, or if there is no buffer.
    ///
    /// A driver of many connections lets them take turns with one buffer: [`lend`](Self::lend) it before a read, `release` it after.
    pub fn release(&mut self) -> Option<Vec<u8>> {
        if self.in_progress || self.capacity() == 0 {
            return None;
        }
        Some(self.take_buffer())
    }

    /// Gives back memory, if the message in progress fills less than a quarter of the buffer.
    ///
    /// For a driver that [lent](Self::lend) a large one, and now knows that the rest of the message takes its time.
    pub fn shrink(&mut self) {
        let room = match &self.collected {
            Collected::Text(text) => 2 * text.len(),
            Collected::Binary(payload) => 2 * payload.len(),
        };
        if room < self.capacity() / 2 {
            match &mut self.collected {
                Collected::Text(text) => text.shrink_to(room),
                Collected::Binary(payload) => payload.shrink_to(room),
            }
        }
    }

    /// Gives the assembler a buffer to collect into. Returns it if the assembler has one.
    pub fn lend(&mut self, mut buffer: Vec<u8>) -> Option<Vec<u8>> {
        if self.in_progress || self.capacity() > 0 {
            return Some(buffer);
        }
        buffer.clear();
        self.collected = Collected::Binary(buffer);
        None
    }

    /// Adds a chunk that is not a whole message. Returns whether it ends one.
    fn collect_text(&mut self, chunk: TextChunk<'_>) -> bool {
        if chunk.first {
            // An empty buffer is UTF-8.
            self.collected = Collected::Text(String::from_utf8(self.take_buffer()).unwrap_or_default());
        }
        if let Collected::Text(text) = &mut self.collected {
            chunk.append_to(text);
        }
        self.in_progress = !chunk.last;
        chunk.last
    }

    /// Adds a chunk that is not a whole message. Returns whether it ends one.
    fn collect_binary(&mut self, chunk: &BinaryChunk<'_>) -> bool {
        if chunk.first {
            self.collected = Collected::Binary(self.take_buffer());
        }
        if let Collected::Binary(payload) = &mut self.collected {
            payload.extend_from_slice(chunk.payload);
        }
        self.in_progress = !chunk.last;
        chunk.last
    }

    fn collected(&self) -> Message<'_> {
        match &self.collected {
            Collected::Text(text) => Message::Text(text),
            Collected::Binary(payload) => Message::Binary(payload),
        }
    }

    /// The buffer of the last message, empty.
    fn take_buffer(&mut self) -> Vec<u8> {
        let mut buffer = match mem::take(&mut self.collected) {
            Collected::Text(text) => text.into_bytes(),
            Collected::Binary(payload) => payload,
        };
        buffer.clear();
        buffer
    }
}

impl Default for Collected {
    fn default() -> Self {
        Self::Binary(Vec::new())
    }
}

/// A message encoded once as a server sends it, to be sent to many: [`Connection::send_prepared`](crate::Connection::send_prepared).
///
/// A client masks it anew for each connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    frame: Vec<u8>,
    kind: MessageKind,
    header_len: u8,
}

impl Prepared {
    /// Prepares a text message.
    pub fn text(text: &str) -> Self {
        Self::new(Message::Text(text))
    }

    /// Prepares a binary message.
    pub fn binary(payload: &[u8]) -> Self {
        Self::new(Message::Binary(payload))
    }

    /// Prepares a message.
    pub fn new(message: Message<'_>) -> Self {
        let payload = message.as_bytes();
        let header = FrameHeader {
            fin: true,
            rsv: Rsv::NONE,
            opcode: message.kind().opcode(),
            masking_key: None,
            payload_len: payload.len() as u64,
        }
        .encode_unchecked();
        let header = header.as_bytes();
        let mut frame = Vec::with_capacity(header.len() + payload.len());
        frame.extend_from_slice(header);
        frame.extend_from_slice(payload);
        Self { frame, kind: message.kind(), header_len: header.len() as u8 }
    }

    /// The frame as a server sends it: header and payload.
    pub fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// The frame as a server sends it, to be shared.
    pub fn into_frame(self) -> Vec<u8> {
        self.frame
    }

    /// What the message is.
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// The payload alone.
    pub fn payload(&self) -> &[u8] {
        self.frame.get(usize::from(self.header_len)..).unwrap_or_default()
    }
}
