//! The last bytes that were received.

use alloc::vec::Vec;
use core::ops::Range;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress_with_limit, inflate_flags};

use crate::error::ProtocolError;

/// A ring of at most 2^`bits` bytes, in memory that grows with what arrives. The decompressor
/// writes into it: what refers further back than the window that was agreed on, or than there is
/// anything, is an error.
pub(super) struct Window {
    bytes: Vec<u8>,
    /// Where the next byte goes.
    at: usize,
    /// Whether all bytes are those of messages.
    is_full: bool,
    bits: u8,
}

/// What the first memory is enough for.
const LEAST: usize = 512;

/// Why it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The input is used up.
    InputEnd,
    /// A block has ended.
    BlockEnd,
    /// A block ended that says that it is the last one.
    FinalBlock,
    /// The end of the ring, or `most`, is reached.
    OutputEnd,
}

impl Window {
    pub(super) const fn new(bits: u8) -> Self {
        Self { bytes: Vec::new(), at: 0, is_full: false, bits }
    }

    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// Gives its memory back. What comes refers to nothing before it.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.bits);
    }

    /// Keeps its memory. What comes refers to nothing before it.
    pub(super) const fn restart(&mut self) {
        self.at = 0;
        self.is_full = false;
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn get(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// Whether more fits without overwriting what was written since the beginning of the ring.
    /// Grows if it may.
    pub(super) fn has_room(&mut self) -> Result<bool, ProtocolError> {
        let most = 1 << self.bits;
        if self.at < self.bytes.len() {
            return Ok(true);
        }
        if self.is_full || self.bytes.len() == most {
            return Ok(false);
        }
        let len = (2 * self.bytes.len()).max(LEAST).min(most);
        self.bytes.try_reserve_exact(len - self.bytes.len()).map_err(|_| ProtocolError::OutOfMemory)?;
        self.bytes.resize(len, 0);
        Ok(true)
    }

    /// Goes back to the beginning of the ring.
    pub(super) const fn wrap(&mut self) {
        self.at = 0;
        self.is_full = true;
    }

    /// Inflates into the ring, at most to its end, and at most so many bytes. Returns why it
    /// stopped, and how much of the input was taken.
    pub(super) fn inflate(
        &mut self,
        inflater: &mut DecompressorOxide,
        input: &[u8],
        most: usize,
    ) -> Result<(Stop, usize), ProtocolError> {
        let mut flags =
            inflate_flags::TINFL_FLAG_HAS_MORE_INPUT | inflate_flags::TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY;
        if !self.is_full {
            flags |= inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        }
        let (status, taken, written) =
            decompress_with_limit(inflater, input, &mut self.bytes, self.at, most, flags);
        self.at += written;
        let stop = match status {
            TINFLStatus::BlockBoundary => Stop::BlockEnd,
            TINFLStatus::Done => Stop::FinalBlock,
            TINFLStatus::NeedsMoreInput => Stop::InputEnd,
            TINFLStatus::HasMoreOutput => Stop::OutputEnd,
            _ => return Err(ProtocolError::InvalidDeflate),
        };
        Ok((stop, taken))
    }
}
