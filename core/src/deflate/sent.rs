//! The last bytes that were sent.

use alloc::vec::Vec;

use super::pool::DeflatePool;

/// At most 2^`bits` bytes of the messages that were compressed: what the peer's decompressor has in
/// its window.
pub(super) struct Sent {
    bits: u8,
    takeover: bool,
    history: Vec<u8>,
}

impl Sent {
    pub(super) const fn new(bits: u8, takeover: bool) -> Self {
        Self { bits, takeover, history: Vec::new() }
    }

    /// No compressor keeps to a window of 8 bits: then everything is sent as it is.
    pub(super) const fn can_compress(&self) -> bool {
        self.bits >= 9
    }

    pub(super) fn memory(&self) -> usize {
        self.history.capacity()
    }

    /// Compresses a piece of a message behind what was sent before. Nothing changes here until it
    /// is [remembered](Self::remember).
    pub(super) fn compress<'p>(&self, payload: &[u8], pool: &'p mut DeflatePool) -> &'p [u8] {
        pool.compress(&self.history, payload, self.bits)
    }

    /// The piece was sent; the message ended with it, or goes on.
    pub(super) fn remember(&mut self, payload: &[u8], last: bool) {
        if last && !self.takeover {
            self.history = Vec::new();
            return;
        }
        let most = 1_usize << self.bits;
        let payload = &payload[payload.len().saturating_sub(most)..];
        let kept = self.history.len().min(most - payload.len());
        self.history.drain(..self.history.len() - kept);
        if kept + payload.len() > self.history.capacity() {
            let len = (2 * (kept + payload.len())).min(most);
            self.history.reserve_exact(len - kept);
        }
        self.history.extend_from_slice(payload);
    }
}
