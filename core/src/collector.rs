//! What the two assemblers have in common: a message in progress, in growing or fixed memory.

use crate::connection::{BinaryChunk, Connection, Event, TextChunk};
#[cfg(feature = "deflate")]
use crate::deflate::InflatedChunk;
use crate::error::ProtocolError;
use crate::message::{Message, MessageKind};
use crate::utf8;

/// How many bytes there is always space for, in bytes. Beyond it memory follows what has arrived.
const LEAST_SPACE: usize = 4 << 10;

/// The memory in which a message is collected.
pub(crate) trait Buffer {
    /// All bytes that have a value.
    fn bytes(&self) -> &[u8];
    fn bytes_mut(&mut self) -> &mut [u8];
    /// Returns how many bytes there is room for.
    fn room(&self) -> usize;
    /// Makes room for `more` bytes behind `len`, without touching it. Best effort.
    fn reserve(&mut self, len: usize, more: usize);
    /// Gives values to `more` bytes behind `len`. Needs no more room than that.
    fn extend(&mut self, len: usize, more: usize) -> Result<(), ProtocolError>;
    /// Writes `bytes` behind `len`.
    fn append(&mut self, len: usize, bytes: &[u8]) -> Result<(), ProtocolError>;
}

/// A message in progress, or the last one.
pub(crate) struct Collector<B> {
    pub(crate) buffer: B,
    /// How many bytes of the message there are; of a text, whole code points.
    len: usize,
    kind: MessageKind,
    progress: Progress,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// There is no message, or it is whole.
    None,
    /// Its end is still to come.
    Partial,
}

/// Where a message is that has become whole.
pub(crate) enum Found<'b> {
    /// In the input, in one piece.
    InInput(Message<'b>),
    /// In the buffer.
    Collected,
}

impl<B> Collector<B> {
    pub(crate) const fn new(buffer: B) -> Self {
        Self { buffer, len: 0, kind: MessageKind::Binary, progress: Progress::None }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    #[cfg(feature = "alloc")]
    pub(crate) fn is_in_progress(&self) -> bool {
        self.progress == Progress::Partial
    }

    pub(crate) const fn reset(&mut self) {
        self.len = 0;
        self.progress = Progress::None;
    }

    #[cfg(feature = "alloc")]
    pub(crate) const fn kind(&self) -> MessageKind {
        self.kind
    }

    fn begin(&mut self, kind: MessageKind) {
        self.len = 0;
        self.kind = kind;
        self.progress = Progress::Partial;
    }
}

impl<B: Buffer> Collector<B> {
    pub(crate) fn receive<'b, K>(
        &mut self,
        connection: &mut Connection<K>,
        input: &mut &'b mut [u8],
        max_reserve: usize,
    ) -> Option<Found<'b>> {
        loop {
            match self.push(connection.receive(input)?, max_reserve) {
                Ok(None) => {}
                Ok(found) => return found,
                Err(error) => {
                    *input = &mut [];
                    connection.fail(error);
                    return None;
                }
            }
        }
    }

    pub(crate) fn push<'b>(
        &mut self,
        event: Event<'_, 'b>,
        max_reserve: usize,
    ) -> Result<Option<Found<'b>>, ProtocolError> {
        match event {
            Event::Text(chunk) => self.text(chunk, max_reserve),
            Event::Binary(chunk) => self.binary(chunk, max_reserve),
            Event::Compressed(_) => Err(ProtocolError::CompressionUnsupported),
            _ => Ok(None),
        }
    }

    pub(crate) fn text<'b>(
        &mut self,
        chunk: TextChunk<'b>,
        max_reserve: usize,
    ) -> Result<Option<Found<'b>>, ProtocolError> {
        if let Some(text) = chunk.whole() {
            return Ok(Some(Found::InInput(Message::Text(text))));
        }
        let piece = Piece {
            kind: MessageKind::Text,
            parts: chunk.parts().map(str::as_bytes),
            first: chunk.first,
            last: chunk.last,
            remaining: chunk.remaining,
        };
        self.collect(piece, max_reserve)
    }

    pub(crate) fn binary<'b>(
        &mut self,
        chunk: BinaryChunk<'b>,
        max_reserve: usize,
    ) -> Result<Option<Found<'b>>, ProtocolError> {
        let (first, last, remaining) = (chunk.first, chunk.last, chunk.remaining);
        match chunk.into_whole() {
            Ok(payload) => Ok(Some(Found::InInput(Message::Binary(payload)))),
            Err(chunk) => {
                let parts = [&*chunk.payload, &[]];
                let piece = Piece { kind: MessageKind::Binary, parts, first, last, remaining };
                self.collect(piece, max_reserve)
            }
        }
    }

    /// Adds what was inflated, even a whole message: the window is overwritten.
    #[cfg(feature = "deflate")]
    pub(crate) fn inflated<'b>(
        &mut self,
        chunk: &InflatedChunk<'_>,
        max_reserve: usize,
    ) -> Result<Option<Found<'b>>, ProtocolError> {
        let (kind, parts, first, last) = match chunk {
            InflatedChunk::Text(chunk) => {
                (MessageKind::Text, chunk.parts().map(str::as_bytes), chunk.first, chunk.last)
            }
            InflatedChunk::Binary { payload, first, last } => {
                (MessageKind::Binary, [*payload, &[]], *first, *last)
            }
        };
        self.collect(Piece { kind, parts, first, last, remaining: 0 }, max_reserve)
    }

    fn collect<'b>(
        &mut self,
        piece: Piece<'_>,
        max_reserve: usize,
    ) -> Result<Option<Found<'b>>, ProtocolError> {
        let Piece { kind, parts, first, last, remaining } = piece;
        if first {
            self.begin(kind);
        } else if self.progress != Progress::Partial || self.kind != kind {
            // The rest of a message that was dropped.
            return Ok(None);
        }
        if remaining > 0 && max_reserve > 0 {
            let to_come = usize::try_from(remaining).unwrap_or(usize::MAX).min(max_reserve);
            self.buffer.reserve(self.len, parts[0].len() + parts[1].len() + to_come);
        }
        for part in parts {
            if let Err(error) = self.buffer.append(self.len, part) {
                self.reset();
                return Err(error);
            }
            self.len += part.len();
        }
        Ok(self.ended(last))
    }

    fn ended<'b>(&mut self, last: bool) -> Option<Found<'b>> {
        if last {
            self.progress = Progress::None;
        }
        last.then_some(Found::Collected)
    }

    pub(crate) fn space<K>(&mut self, connection: &Connection<K>, max_reserve: usize) -> Option<&mut [u8]> {
        let incoming = connection.incoming()?;
        if incoming.compressed {
            return None;
        }
        if incoming.first {
            self.begin(incoming.kind);
        } else if self.progress != Progress::Partial || self.kind != incoming.kind {
            return None;
        }
        // The beginning of a code point that was cut stands before the bytes that complete it.
        let partial = connection.partial_code_point();
        let start = self.len + partial.len();
        let remaining = usize::try_from(incoming.remaining).unwrap_or(usize::MAX);
        if max_reserve > 0 {
            self.buffer.reserve(self.len, partial.len() + remaining.min(max_reserve));
        }
        // What has a value already, or room that is there, or as much again as has arrived.
        let ready = self.buffer.bytes().len().saturating_sub(start);
        let more = self.len.max(max_reserve).max(LEAST_SPACE);
        let within = ready.max(self.buffer.room().saturating_sub(start).min(more));
        let lent = remaining.min(if within > 0 { within } else { more });
        self.buffer.extend(self.len, partial.len() + lent).ok()?;
        let bytes = &mut self.buffer.bytes_mut()[self.len..start + lent];
        let (place, space) = bytes.split_at_mut(partial.len());
        place.copy_from_slice(partial);
        Some(space)
    }

    pub(crate) fn filled<'b, K>(&mut self, connection: &mut Connection<K>, len: usize) -> Option<Found<'b>> {
        if len == 0 {
            return None;
        }
        // If the connection has ended since, what arrived after that is discarded, as by `receive`.
        let incoming = connection.incoming()?;
        let is_collected = self.progress == Progress::Partial && self.kind == incoming.kind;
        let is_lent = len as u64 <= incoming.remaining && is_collected && !incoming.compressed;
        assert!(is_lent, "more bytes than there was space");
        let start = self.len + connection.partial_code_point().len();
        let mut input = &mut self.buffer.bytes_mut()[start..start + len];
        // `message` validates the whole text: the end of it need not be validated here.
        if incoming.kind == MessageKind::Text && incoming.last && len as u64 == incoming.remaining {
            connection.receive_end_of_text(input);
            self.len = start + len;
            return self.ended(true);
        }
        let (added, last) = match connection.receive_any(&mut input) {
            Some(Event::Binary(chunk)) => (chunk.payload.len(), chunk.last),
            // A code point that is still not complete is counted once it is.
            Some(Event::Text(chunk)) => (chunk.len(), chunk.last),
            // The connection failed.
            _ => return None,
        };
        self.len += added;
        self.ended(last)
    }

    pub(crate) fn message<'a>(
        &'a self,
        found: Option<Found<'a>>,
    ) -> Result<Option<Message<'a>>, ProtocolError> {
        let collected = match found {
            None => return Ok(None),
            Some(Found::InInput(message)) => return Ok(Some(message)),
            Some(Found::Collected) => &self.buffer.bytes()[..self.len],
        };
        Ok(Some(match self.kind {
            MessageKind::Binary => Message::Binary(collected),
            // Validated piece by piece on arrival, except the end of a text read into place. Text
            // without validating the whole would need `unsafe`.
            MessageKind::Text => {
                Message::Text(utf8::validate(collected).map_err(|_| ProtocolError::InvalidUtf8)?)
            }
        }))
    }

    pub(crate) fn message_or_fail<'a, K>(
        &'a self,
        found: Found<'a>,
        connection: &mut Connection<K>,
    ) -> Option<Message<'a>> {
        self.message(Some(found)).unwrap_or_else(|error| {
            connection.fail(error);
            None
        })
    }
}

/// A chunk that is not a whole message.
struct Piece<'a> {
    kind: MessageKind,
    parts: [&'a [u8]; 2],
    first: bool,
    last: bool,
    remaining: u64,
}

#[cfg(feature = "alloc")]
impl Buffer for alloc::vec::Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self
    }

    fn room(&self) -> usize {
        self.capacity()
    }

    fn reserve(&mut self, len: usize, more: usize) {
        if len + more > self.capacity() {
            self.truncate(len);
            // `append` and `extend` report the failure.
            let _ = self.try_reserve(more);
        }
    }

    fn extend(&mut self, len: usize, more: usize) -> Result<(), ProtocolError> {
        let needed = len.checked_add(more).ok_or(ProtocolError::OutOfMemory)?;
        if needed > self.capacity() {
            self.truncate(len);
            self.try_reserve_exact(more).map_err(|_| ProtocolError::OutOfMemory)?;
        }
        if needed > self.len() {
            self.resize(needed, 0);
        }
        Ok(())
    }

    fn append(&mut self, len: usize, bytes: &[u8]) -> Result<(), ProtocolError> {
        // Bytes that have a value already keep it for the next message that is read into place.
        if let Some(place) = self.get_mut(len..).and_then(|rest| rest.get_mut(..bytes.len())) {
            place.copy_from_slice(bytes);
            return Ok(());
        }
        self.truncate(len);
        self.try_reserve(bytes.len()).map_err(|_| ProtocolError::OutOfMemory)?;
        self.extend_from_slice(bytes);
        Ok(())
    }
}

impl Buffer for &mut [u8] {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self
    }

    fn room(&self) -> usize {
        self.len()
    }

    fn reserve(&mut self, _: usize, _: usize) {}

    fn extend(&mut self, len: usize, more: usize) -> Result<(), ProtocolError> {
        if more <= self.len() - len { Ok(()) } else { Err(ProtocolError::MessageTooBig) }
    }

    fn append(&mut self, len: usize, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.extend(len, bytes.len())?;
        self[len..len + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}
