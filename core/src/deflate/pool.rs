//! What does the work, for all connections of a thread.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use miniz_oxide::inflate::core::DecompressorOxide;
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

/// RFC 7692 §7.2.1: the octets that end what a compressor has flushed. They are removed from the
/// end of a message; §7.2.2: its reader puts them back.
pub(super) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Compressors and decompressors, for any number of connections: one for each thread is enough.
///
/// A compressor takes hundreds of KiB and is made when it is first needed: one for each size of
/// window that connections have agreed on, seven at most.
pub struct DeflatePool {
    level: i32,
    /// By the bits of their windows, from 9 on.
    compressors: [Option<Deflate>; 7],
    decompressors: Vec<Box<DecompressorOxide>>,
    compressed: Vec<u8>,
}

/// Decompressors that are kept. More are in use only if messages arrive in pieces on so many
/// connections.
const KEPT: usize = 16;

/// Memory for compressed messages that is kept, in bytes.
const KEPT_OUTPUT: usize = 64 << 10;

impl DeflatePool {
    /// Creates a pool that compresses at level 4.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_level(4)
    }

    /// Creates a pool that compresses at a level from 1, the fastest, to 9, the smallest.
    #[must_use]
    pub const fn with_level(level: u8) -> Self {
        let level = if level == 0 {
            1
        } else if level > 9 {
            9
        } else {
            level as i32
        };
        Self { level, compressors: [const { None }; 7], decompressors: Vec::new(), compressed: Vec::new() }
    }

    /// Compresses a piece behind `history`, in blocks that end with four octets of an empty one.
    pub(super) fn compress(&mut self, history: &[u8], payload: &[u8], bits: u8) -> &[u8] {
        let level = self.level;
        let compressor = self.compressors[usize::from(bits) - 9].get_or_insert_with(|| {
            // A negative number of bits: without the header and checksum of zlib.
            Deflate::new_with_config(DeflateConfig {
                level,
                window_bits: -i32::from(bits),
                ..Default::default()
            })
        });
        compressor.reset();
        if !history.is_empty() {
            compressor.set_dictionary(history).expect("a compressor that was just reset");
        }
        let out = &mut self.compressed;
        out.clear();
        out.shrink_to(KEPT_OUTPUT);
        let mut rest = payload;
        loop {
            let start = out.len();
            out.resize(start + (rest.len() / 2).max(1024), 0);
            let before = (compressor.total_in(), compressor.total_out());
            compressor
                .compress(rest, &mut out[start..], DeflateFlush::SyncFlush)
                .expect("a compressor fails only where it is misused");
            rest = &rest[(compressor.total_in() - before.0) as usize..];
            let written = (compressor.total_out() - before.1) as usize;
            let is_full = start + written == out.len();
            out.truncate(start + written);
            // With room left over, all of it is flushed. If the end of the flush just fitted,
            // another empty block follows.
            if rest.is_empty() && !is_full {
                return out;
            }
        }
    }

    pub(super) fn take_decompressor(&mut self) -> Box<DecompressorOxide> {
        let mut decompressor = self.decompressors.pop().unwrap_or_default();
        decompressor.init();
        decompressor
    }

    pub(super) fn give_back(&mut self, decompressor: Box<DecompressorOxide>) {
        if self.decompressors.len() < KEPT {
            self.decompressors.push(decompressor);
        }
    }
}

impl Default for DeflatePool {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DeflatePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeflatePool").field("level", &self.level).finish_non_exhaustive()
    }
}
