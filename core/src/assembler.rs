//! Whole messages out of chunks, on the heap.

use alloc::{string::String, vec::Vec};
use core::fmt;

use crate::collector::{Collector, Found};
#[cfg(feature = "deflate")]
use crate::connection::CompressedChunk;
use crate::connection::{BinaryChunk, Connection, Event, TextChunk};
#[cfg(feature = "deflate")]
use crate::deflate::{Compression, DeflatePool, InflatedChunk};
use crate::error::ProtocolError;
use crate::message::Message;
use crate::message::{MessageKind, OwnedMessage};

/// Makes messages out of the chunks of one connection.
///
/// A message that arrived in one [chunk](Connection::receive) is lent on without a copy. Another is
/// collected in a buffer that is kept for the next;
/// [`Config::max_message_len`](crate::Config::max_message_len) limits its length (the buffer may be
/// twice as long). An assembler that never had to collect owns no memory, and
/// [`release`](Self::release) takes the memory of one that did.
///
/// ```
/// use sansws::{Assembler, BinaryChunk, Message};
///
/// let mut messages = Assembler::new();
/// let (mut head, mut tail) = ([1], [2]);
/// let head = BinaryChunk { payload: &mut head, first: true, last: false, remaining: 1 };
/// assert_eq!(messages.binary(head)?, None);
/// let tail = BinaryChunk { payload: &mut tail, first: false, last: true, remaining: 0 };
/// assert_eq!(messages.binary(tail)?, Some(Message::Binary(&[1, 2])));
/// # Ok::<(), sansws::ProtocolError>(())
/// ```
///
/// # Reading long messages into place
///
/// [`space`](Self::space) lends the memory where the rest of the current frame belongs. What the
/// transport reads into it is not copied again:
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use std::io::{IoSliceMut, Read};
/// use sansws::{Assembler, Config, Connection};
///
/// # let long = [&[0x82, 0xfe, 0x27, 0x10, 0, 0, 0, 0][..], &[7; 10_000]].concat();
/// # let mut transport = &long[..];
/// let (mut ws, mut messages) = (Connection::server(&Config::default()), Assembler::new());
/// let (mut buffer, mut lengths) = ([0; 4096], Vec::new());
/// loop {
///     // One call of the system fills the message first, then the buffer.
///     let (in_place, n) = match messages.space(&ws) {
///         Some(space) => {
///             let len = space.len();
///             (len, transport.read_vectored(&mut [IoSliceMut::new(space), IoSliceMut::new(&mut buffer)])?)
///         }
///         None => (0, transport.read(&mut buffer)?),
///     };
///     if n == 0 {
///         break;
///     }
///     if let Some(message) = messages.filled(&mut ws, n.min(in_place)) {
///         lengths.push(message.as_bytes().len());
///     }
///     let mut input = &mut buffer[..n.saturating_sub(in_place)];
///     while let Some(message) = messages.receive(&mut ws, &mut input) {
///         lengths.push(message.as_bytes().len());
///     }
///     // … and `poll_transmit`, write, `should_close_transport`.
/// }
/// assert_eq!(lengths, [10_000]);
/// # Ok(()) }
/// ```
pub struct Assembler {
    collector: Collector<Vec<u8>>,
    /// At most [`MAX_RESERVE`].
    max_reserve: u32,
}

/// A length to which another can be added on a machine with 32-bit addresses: 1 GiB.
const MAX_RESERVE: usize = 1 << 30;

impl Assembler {
    /// Creates an assembler that owns no memory.
    ///
    /// The buffer grows with what has arrived: to at most twice as much, or 4 KiB more where
    /// [`space`](Self::space) is used. A peer that announces a long frame and does not send it
    /// costs no more than that.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_max_reserve(0)
    }

    /// Creates an assembler that reserves up to `max_reserve` bytes (at most 1 GiB) for what a
    /// frame has announced and not sent yet.
    ///
    /// A buffer with room for the whole frame does not move while it is filled, so that no byte is
    /// copied again. In return a peer needs no more than the header of a frame to have that much
    /// memory reserved, and zeroed once it is lent by [`space`](Self::space).
    #[must_use]
    pub const fn with_max_reserve(max_reserve: usize) -> Self {
        let max_reserve = if max_reserve > MAX_RESERVE { MAX_RESERVE } else { max_reserve };
        Self { collector: Collector::new(Vec::new()), max_reserve: max_reserve as u32 }
    }

    /// Returns the next whole message in `input`, or `None` when it is used up. For programs that
    /// need neither chunks nor control frames.
    ///
    /// It calls [`Connection::receive`] until a message is whole. The connection deals with control
    /// frames: call [`poll_transmit`](Connection::poll_transmit) afterwards;
    /// [`state`](Connection::state) and [`failure`](Connection::failure) report a Close and a
    /// failure. If a message cannot be collected (there is no memory; it is compressed), the
    /// connection is [failed](Connection::fail).
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
    #[must_use = "a message is returned once"]
    pub fn receive<'a, 'b: 'a, K>(
        &'a mut self,
        connection: &mut Connection<K>,
        input: &mut &'b mut [u8],
    ) -> Option<Message<'a>> {
        let found = self.collector.receive(connection, input, self.max_reserve as usize)?;
        self.collector.message_or_fail(found, connection)
    }

    /// As [`receive`](Self::receive), for a message that is to be kept: one that was collected is
    /// moved, not copied.
    #[must_use = "a message is returned once"]
    pub fn receive_owned<K>(
        &mut self,
        connection: &mut Connection<K>,
        input: &mut &mut [u8],
    ) -> Option<OwnedMessage> {
        let found = self.collector.receive(connection, input, self.max_reserve as usize)?;
        self.own_or_fail(found, connection)
    }

    /// Adds what [`Connection::receive`] found. Returns the message if it ends here.
    ///
    /// Control frames are passed over: a program that needs them matches on the event itself.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`](ProtocolError::OutOfMemory);
    /// [`CompressionUnsupported`](ProtocolError::CompressionUnsupported) for a compressed chunk,
    /// which has to be inflated first. The message is lost: [fail](Connection::fail) the connection
    /// with the error.
    #[inline]
    pub fn push<'a>(&'a mut self, event: Event<'_, 'a>) -> Result<Option<Message<'a>>, ProtocolError> {
        match event {
            Event::Text(chunk) => self.text(chunk),
            Event::Binary(chunk) => self.binary(chunk),
            event => {
                let found = self.collector.push(event, self.max_reserve as usize)?;
                self.collector.message(found)
            }
        }
    }

    /// Adds a compressed chunk. Returns the message if the chunk ends it.
    ///
    /// A message that arrived in one chunk and fits into the rest of the window is lent from there.
    ///
    /// # Errors
    ///
    /// As [`Inflating::next_chunk`](crate::deflate::Inflating::next_chunk). The message is lost, and
    /// nothing more can be inflated: [fail](Connection::fail) the connection with the error.
    #[cfg(feature = "deflate")]
    pub fn compressed<'a>(
        &'a mut self,
        chunk: CompressedChunk<'_>,
        compression: &'a mut Compression,
        pool: &mut DeflatePool,
    ) -> Result<Option<Message<'a>>, ProtocolError> {
        let kind = chunk.kind;
        let mut inflating = compression.inflate(&chunk, pool);
        let mut found = None;
        while let Some(produced) = inflating.advance()? {
            if produced.first && produced.last && inflating.keeps_window() {
                return compression.received.chunk(kind, produced).map(InflatedChunk::whole);
            }
            found = self.collector.inflated(&inflating.chunk(produced)?, self.max_reserve as usize)?;
        }
        self.collector.message(found)
    }

    /// As [`push`](Self::push), for a message that is to be kept: one that was collected is moved,
    /// not copied.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn push_owned(&mut self, event: Event<'_, '_>) -> Result<Option<OwnedMessage>, ProtocolError> {
        let found = self.collector.push(event, self.max_reserve as usize)?;
        found.map(|found| self.own(found)).transpose()
    }

    /// Adds a chunk of a text message. Returns the message if the chunk ends it.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    #[inline]
    pub fn text<'a>(&'a mut self, chunk: TextChunk<'a>) -> Result<Option<Message<'a>>, ProtocolError> {
        if let Some(text) = chunk.whole() {
            return Ok(Some(Message::Text(text)));
        }
        let found = self.collector.text(chunk, self.max_reserve as usize)?;
        self.collector.message(found)
    }

    /// Adds a chunk of a binary message. Returns the message if the chunk ends it.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    #[inline]
    pub fn binary<'a>(&'a mut self, chunk: BinaryChunk<'a>) -> Result<Option<Message<'a>>, ProtocolError> {
        match chunk.into_whole() {
            Ok(payload) => Ok(Some(Message::Binary(payload))),
            Err(chunk) => {
                let found = self.collector.binary(chunk, self.max_reserve as usize)?;
                self.collector.message(found)
            }
        }
    }

    /// Lends the memory where the next bytes of the current frame belong, so that the transport can
    /// read them there; `None` if `connection` is not within a data frame of a message that is
    /// collected here (or there is no memory: the usual way then reports that).
    ///
    /// The memory is as long as the rest of the frame or shorter, and not empty. Its contents are
    /// unspecified. Report how much was read with [`filled`](Self::filled) before anything else
    /// happens to the connection or the assembler; if nothing was read, there is nothing to report.
    /// See [above](Self#reading-long-messages-into-place) for an example.
    pub fn space<K>(&mut self, connection: &Connection<K>) -> Option<&mut [u8]> {
        self.collector.space(connection, self.max_reserve as usize)
    }

    /// Takes the first `len` bytes of the memory that [`space`](Self::space) lent: they are
    /// unmasked and validated where they are. Returns the message if they end it.
    ///
    /// If they fail the connection, the result is `None`, and [`failure`](Connection::failure) has
    /// the error.
    ///
    /// # Panics
    ///
    /// If `len` is larger than what [`space`](Self::space) lent.
    #[must_use = "a message is returned once"]
    pub fn filled<K>(&mut self, connection: &mut Connection<K>, len: usize) -> Option<Message<'_>> {
        let found = self.collector.filled(connection, len)?;
        self.collector.message_or_fail(found, connection)
    }

    /// As [`filled`](Self::filled), for a message that is to be kept: it is moved, not copied.
    ///
    /// # Panics
    ///
    /// As [`filled`](Self::filled).
    #[must_use = "a message is returned once"]
    pub fn filled_owned<K>(&mut self, connection: &mut Connection<K>, len: usize) -> Option<OwnedMessage> {
        let found = self.collector.filled(connection, len)?;
        self.own_or_fail(found, connection)
    }

    /// Returns how many bytes of memory the assembler owns.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.collector.buffer.capacity()
    }

    /// Drops the message in progress, if there is one: its connection has ended. The buffer can be
    /// [released](Self::release) then.
    pub const fn reset(&mut self) {
        self.collector.reset();
    }

    /// Takes the buffer, unless a message is in progress: `None` then, or if there is no buffer. Its
    /// contents are unspecified. A failure may leave a message in progress:
    /// [`reset`](Self::reset).
    ///
    /// A driver of many connections lets them take turns with one buffer: [`lend`](Self::lend) it
    /// before a read, `release` it after.
    #[must_use]
    pub fn release(&mut self) -> Option<Vec<u8>> {
        if self.collector.is_in_progress() || self.capacity() == 0 {
            return None;
        }
        self.collector.reset();
        Some(core::mem::take(&mut self.collector.buffer))
    }

    /// Returns memory to the allocator, if the message in progress fills less than a quarter of the
    /// buffer.
    ///
    /// For a driver that [lent](Self::lend) a large one and has found that the rest of the message
    /// takes its time.
    pub fn shrink(&mut self) {
        let room = 2 * self.collector.len();
        if room < self.capacity() / 2 {
            self.collector.buffer.truncate(room);
            self.collector.buffer.shrink_to(room);
        }
    }

    /// Gives the assembler a buffer to collect into, whatever its contents. Returns it if the
    /// assembler has one.
    pub fn lend(&mut self, buffer: Vec<u8>) -> Option<Vec<u8>> {
        if self.collector.is_in_progress() || self.capacity() > 0 {
            return Some(buffer);
        }
        self.collector.reset();
        self.collector.buffer = buffer;
        None
    }

    fn own(&mut self, found: Found<'_>) -> Result<OwnedMessage, ProtocolError> {
        match found {
            Found::InInput(message) => Ok(message.into_owned()),
            Found::Collected => self.take_collected(),
        }
    }

    fn own_or_fail<K>(&mut self, found: Found<'_>, connection: &mut Connection<K>) -> Option<OwnedMessage> {
        match self.own(found) {
            Ok(message) => Some(message),
            Err(error) => {
                connection.fail(error);
                None
            }
        }
    }

    /// Moves the collected message out, and the buffer with it.
    fn take_collected(&mut self) -> Result<OwnedMessage, ProtocolError> {
        let mut payload = core::mem::take(&mut self.collector.buffer);
        payload.truncate(self.collector.len());
        self.collector.reset();
        match self.collector.kind() {
            MessageKind::Text => match String::from_utf8(payload) {
                Ok(text) => Ok(OwnedMessage::Text(text)),
                Err(error) => {
                    self.collector.buffer = error.into_bytes();
                    Err(ProtocolError::InvalidUtf8)
                }
            },
            MessageKind::Binary => Ok(OwnedMessage::Binary(payload)),
        }
    }
}

impl Default for Assembler {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Assembler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembler").field("collected", &self.collector.len()).finish_non_exhaustive()
    }
}
