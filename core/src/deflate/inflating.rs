//! Messages out of compressed chunks.

use alloc::boxed::Box;
use core::{fmt, mem};

use miniz_oxide::inflate::core::DecompressorOxide;

use super::pool::{DeflatePool, TAIL};
use super::window::{Stop, Window};
use crate::connection::{CompressedChunk, TextChunk};
use crate::error::ProtocolError;
use crate::message::{Message, MessageKind};
use crate::utf8::Utf8Stream;

/// What a connection has had inflated, from its beginning on.
struct Work {
    chunks: u64,
    /// On the wire, and inflated.
    bytes: u64,
    blocks: u64,
}

impl Work {
    /// Whether there were more blocks than such contents need. To begin a block takes long, and one
    /// that contains nothing has 10 bits: no limit on lengths holds that.
    ///
    /// A message has two blocks at the least, and one for some dozen bytes is more than any
    /// compressor makes; the first thousand are free.
    const fn is_too_much(&self) -> bool {
        self.blocks > 1024 + 4 * self.chunks + self.bytes / 16
    }
}

/// The receiving half of a connection's compression.
pub(crate) struct Received {
    window: Window,
    takeover: bool,
    max_message_len: u64,
    /// Of the message that is arriving.
    decompressor: Option<Box<DecompressorOxide>>,
    /// Bytes of it so far, inflated.
    len: u64,
    work: Work,
    /// Whether nothing of it was returned yet.
    first: bool,
    /// Whether the input so far ends with a final block.
    is_final: bool,
    utf8: Utf8Stream,
}

impl Received {
    pub(super) const fn new(bits: u8, takeover: bool, max_message_len: u64) -> Self {
        Self {
            window: Window::new(bits),
            takeover,
            max_message_len,
            decompressor: None,
            len: 0,
            work: Work { chunks: 0, bytes: 0, blocks: 0 },
            first: true,
            is_final: false,
            utf8: Utf8Stream::new(),
        }
    }

    fn begin(&mut self, pool: &mut DeflatePool) {
        let left_over = self.decompressor.replace(pool.take_decompressor());
        left_over.into_iter().for_each(|decompressor| pool.give_back(decompressor));
        (self.len, self.first, self.is_final) = (0, true, false);
        self.utf8 = Utf8Stream::new();
        if !self.takeover {
            self.window.restart();
        }
    }

    /// Without a decompressor nothing more of the message is inflated.
    fn fail(&mut self, error: ProtocolError) -> ProtocolError {
        self.decompressor = None;
        error
    }

    /// What is in the window, validated if it is text.
    pub(crate) fn chunk(
        &mut self,
        kind: MessageKind,
        produced: Produced,
    ) -> Result<InflatedChunk<'_>, ProtocolError> {
        let Produced { start, end, first, last } = produced;
        let payload = self.window.get(start..end);
        if kind == MessageKind::Binary {
            return Ok(InflatedChunk::Binary { payload, first, last });
        }
        // RFC 6455 §8.1, of what was inflated.
        let piece = self.utf8.push(payload);
        let is_cut = last && piece.is_ok() && self.utf8.finish().is_err();
        let Some(piece) = piece.ok().filter(|_| !is_cut) else {
            self.decompressor = None;
            return Err(ProtocolError::InvalidUtf8);
        };
        Ok(InflatedChunk::Text(TextChunk {
            carried: piece.carried,
            text: piece.text,
            first,
            last,
            remaining: 0,
        }))
    }

    pub(super) fn memory(&self) -> usize {
        let decompressor = if self.decompressor.is_some() { size_of::<DecompressorOxide>() } else { 0 };
        self.window.memory() + decompressor
    }
}

/// A compressed chunk that is being inflated:
/// [`Compression::inflate`](super::Compression::inflate).
pub struct Inflating<'a> {
    received: &'a mut Received,
    pool: &'a mut DeflatePool,
    kind: MessageKind,
    input: &'a [u8],
    /// Whether the message ends with this chunk.
    last: bool,
    /// What of the tail is to come, if it ends.
    tail: &'a [u8],
    /// Whether all of the input is inflated.
    is_drained: bool,
    is_over: bool,
}

/// A piece of a message that was inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InflatedChunk<'a> {
    /// Of a text message.
    Text(TextChunk<'a>),
    /// Of a binary message.
    Binary {
        /// The octets. May be empty.
        payload: &'a [u8],
        /// Whether the message begins here.
        first: bool,
        /// Whether the message ends here.
        last: bool,
    },
}

impl<'a> InflatedChunk<'a> {
    /// Returns the message, if this chunk is all of it.
    #[must_use]
    pub fn whole(self) -> Option<Message<'a>> {
        match self {
            Self::Text(chunk) => chunk.whole().map(Message::Text),
            Self::Binary { payload, first: true, last: true } => Some(Message::Binary(payload)),
            Self::Binary { .. } => None,
        }
    }
}

/// Where a piece is in the window.
#[derive(Clone, Copy)]
pub(crate) struct Produced {
    start: usize,
    end: usize,
    pub(crate) first: bool,
    pub(crate) last: bool,
}

impl<'a> Inflating<'a> {
    pub(super) fn new(
        received: &'a mut Received,
        chunk: &'a CompressedChunk<'_>,
        pool: &'a mut DeflatePool,
    ) -> Self {
        if chunk.first {
            received.begin(pool);
        }
        received.work.chunks += 1;
        received.work.bytes += chunk.payload.len() as u64;
        let tail = if chunk.last { &TAIL[..] } else { &[] };
        Self {
            received,
            pool,
            kind: chunk.kind,
            input: chunk.payload,
            last: chunk.last,
            tail,
            is_drained: false,
            is_over: false,
        }
    }

    /// Returns the next piece of the message, or `None` when the chunk is used up.
    ///
    /// The last piece of a message has `last` set, even if it is empty. A short message comes in
    /// one piece, if it arrived in one chunk. Without context takeover the `None` after it gives
    /// memory back.
    ///
    /// # Errors
    ///
    /// [`InvalidDeflate`](ProtocolError::InvalidDeflate), also where thousands of blocks contain
    /// next to nothing,
    /// [`MessageTooBig`](ProtocolError::MessageTooBig) once it is longer than allowed,
    /// [`InvalidUtf8`](ProtocolError::InvalidUtf8) at the first byte that makes a text invalid,
    /// [`OutOfMemory`](ProtocolError::OutOfMemory). [Fail](crate::Connection::fail) the connection
    /// with it. After an error there is no further piece.
    pub fn next_chunk(&mut self) -> Result<Option<InflatedChunk<'_>>, ProtocolError> {
        match self.advance()? {
            Some(produced) => self.chunk(produced).map(Some),
            None => Ok(None),
        }
    }

    /// Whether later messages may refer to what is in the window.
    pub(crate) const fn keeps_window(&self) -> bool {
        self.received.takeover
    }

    /// Inflates the next piece into the window.
    pub(crate) fn advance(&mut self) -> Result<Option<Produced>, ProtocolError> {
        if self.is_over {
            if self.received.decompressor.is_none() && !self.received.takeover {
                self.received.window.clear();
            }
            return Ok(None);
        }
        self.inflate().map_err(|error| self.received.fail(error))
    }

    fn inflate(&mut self) -> Result<Option<Produced>, ProtocolError> {
        let received = &mut *self.received;
        if received.decompressor.is_none() {
            // The rest of a message that failed.
            self.is_over = true;
            return Ok(None);
        }
        let mut start = received.window.at();
        loop {
            if !received.window.has_room()? {
                if received.window.at() > start {
                    return Ok(Some(self.produced(start, false)));
                }
                received.window.wrap();
                start = 0;
            }
            // One byte more than is allowed shows that there are more.
            let allowed = received.max_message_len.saturating_sub(received.len).saturating_add(1);
            let allowed = usize::try_from(allowed).unwrap_or(usize::MAX);
            // What the input stands for is all there before the tail begins.
            let is_tail = self.is_drained;
            let input = if is_tail { &mut self.tail } else { &mut self.input };
            if !input.is_empty() {
                received.is_final = false;
            }
            let at = received.window.at();
            let Some(decompressor) = received.decompressor.as_mut() else { return Ok(None) };
            let (stop, taken) = received.window.inflate(decompressor, input, allowed)?;
            *input = &input[taken..];
            let inflated = (received.window.at() - at) as u64;
            received.len += inflated;
            received.work.bytes += inflated;
            if received.len > received.max_message_len {
                return Err(ProtocolError::MessageTooBig);
            }
            if matches!(stop, Stop::BlockEnd | Stop::FinalBlock) {
                received.work.blocks += 1;
                if received.work.is_too_much() {
                    return Err(ProtocolError::InvalidDeflate);
                }
            }
            if stop == Stop::FinalBlock && !is_tail {
                // §7.2.3.4: blocks may follow a final one.
                received.decompressor.as_mut().into_iter().for_each(|decompressor| decompressor.init());
                received.is_final = true;
            }
            let is_used_up = self.input.is_empty() && stop != Stop::OutputEnd;
            self.is_drained |= is_used_up;
            if is_used_up && !self.last {
                self.is_over = true;
                let is_something = received.window.at() > start;
                return Ok(is_something.then(|| self.produced(start, false)));
            }
            // The block that the tail ends is missing where the last one is final: some senders add
            // no other, as the example in §7.2.3.4 does.
            if is_used_up && (received.is_final || is_tail) {
                // The tail ends an empty block, which began before it.
                let is_block_end = matches!(stop, Stop::BlockEnd | Stop::FinalBlock);
                let is_end = is_block_end && self.tail.is_empty() && received.window.at() == at;
                if !received.is_final && !is_end {
                    return Err(ProtocolError::InvalidDeflate);
                }
                self.is_over = true;
                received
                    .decompressor
                    .take()
                    .into_iter()
                    .for_each(|decompressor| self.pool.give_back(decompressor));
                return Ok(Some(self.produced(start, true)));
            }
        }
    }

    fn produced(&mut self, start: usize, last: bool) -> Produced {
        let first = mem::take(&mut self.received.first);
        Produced { start, end: self.received.window.at(), first, last }
    }

    pub(crate) fn chunk(&mut self, produced: Produced) -> Result<InflatedChunk<'_>, ProtocolError> {
        self.received.chunk(self.kind, produced)
    }
}

impl fmt::Debug for Inflating<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflating")
            .field("kind", &self.kind)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}
