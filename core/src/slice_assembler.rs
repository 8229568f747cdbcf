//! Whole messages out of chunks, in a fixed slice.

use core::fmt;

use crate::collector::Collector;
use crate::connection::{Connection, Event};
use crate::error::ProtocolError;
use crate::message::Message;

/// An [`Assembler`](crate::Assembler) over a fixed slice, for programs without a heap.
///
/// It collects messages up to the length of the slice. A longer one that arrives in one
/// [chunk](Connection::receive) is lent on like any other; one that has to be collected fails with
/// [`MessageTooBig`](ProtocolError::MessageTooBig). Which of both depends on how it was read: set
/// [`Config::max_message_len`](crate::Config::max_message_len) to the length of the slice to have
/// each of them refused by its header.
///
/// ```
/// use sansws::{Config, Connection, Message, SliceAssembler};
///
/// let mut room = [0; 64];
/// let mut messages = SliceAssembler::new(&mut room);
/// let mut server = Connection::server(&Config::new().max_message_len(64));
/// let mut bytes = *b"\x01\x81\0\0\0\0a\x89\x80\0\0\0\0\x80\x81\0\0\0\0b"; // "a", a Ping, "b"
/// let mut input = &mut bytes[..];
/// assert_eq!(messages.receive(&mut server, &mut input), Some(Message::Text("ab")));
/// ```
pub struct SliceAssembler<'s> {
    collector: Collector<&'s mut [u8]>,
}

impl<'s> SliceAssembler<'s> {
    /// Creates an assembler that collects into `slice`.
    #[must_use]
    pub const fn new(slice: &'s mut [u8]) -> Self {
        Self { collector: Collector::new(slice) }
    }

    /// Returns the next whole message in `input`, or `None` when it is used up.
    ///
    /// It calls [`Connection::receive`] until a message is whole. If a message cannot be collected
    /// (it is too long; it is compressed), the connection is [failed](Connection::fail).
    #[must_use = "a message is returned once"]
    pub fn receive<'a, 'b: 'a, K>(
        &'a mut self,
        connection: &mut Connection<K>,
        input: &mut &'b mut [u8],
    ) -> Option<Message<'a>> {
        let found = self.collector.receive(connection, input, 0)?;
        self.collector.message_or_fail(found, connection)
    }

    /// Adds what [`Connection::receive`] found. Returns the message if it ends here. Control frames
    /// are passed over.
    ///
    /// # Errors
    ///
    /// [`MessageTooBig`](ProtocolError::MessageTooBig),
    /// [`CompressionUnsupported`](ProtocolError::CompressionUnsupported). The message is lost:
    /// [fail](Connection::fail) the connection with the error.
    pub fn push<'a>(&'a mut self, event: Event<'_, 'a>) -> Result<Option<Message<'a>>, ProtocolError> {
        let found = self.collector.push(event, 0)?;
        self.collector.message(found)
    }

    /// Lends the memory where the next bytes of the current frame belong; `None` if the frame is
    /// not one to collect, or too long. Otherwise as `Assembler::space`.
    pub fn space<K>(&mut self, connection: &Connection<K>) -> Option<&mut [u8]> {
        self.collector.space(connection, 0)
    }

    /// Takes the first `len` bytes of the memory that [`space`](Self::space) lent. Returns the
    /// message if they end it.
    ///
    /// # Panics
    ///
    /// If `len` is larger than what [`space`](Self::space) lent.
    #[must_use = "a message is returned once"]
    pub fn filled<K>(&mut self, connection: &mut Connection<K>, len: usize) -> Option<Message<'_>> {
        let found = self.collector.filled(connection, len)?;
        self.collector.message_or_fail(found, connection)
    }

    /// Drops the message in progress, if there is one.
    pub const fn reset(&mut self) {
        self.collector.reset();
    }
}

impl fmt::Debug for SliceAssembler<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SliceAssembler").field("collected", &self.collector.len()).finish_non_exhaustive()
    }
}
