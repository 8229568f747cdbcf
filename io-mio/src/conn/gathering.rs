//! The output of the connection whose turn it is, and the limits of every queue.

use std::sync::Arc;

use crate::metrics::Counters;
use crate::settings::Settings;

/// Memory for gathered output that is kept between turns.
const KEPT: usize = 256 << 10;

/// What all connections of a loop share to send.
pub(crate) struct Gathering {
    /// The output of this connection's turn: all of it is written at once.
    pub(crate) bytes: Vec<u8>,
    /// Slots with output queued outside of their own turn.
    pub(crate) dirty: Vec<u32>,
    /// Messages that were sent since this was published last.
    pub(crate) messages_sent: u64,
    /// What was sent is counted here.
    pub(crate) counters: Arc<Counters>,
    pub(crate) max_buffered: usize,
    pub(crate) high_water: usize,
    pub(crate) low_water: usize,
}

impl Gathering {
    pub(crate) fn new(settings: &Settings, counters: Arc<Counters>) -> Self {
        Self {
            bytes: Vec::new(),
            dirty: Vec::new(),
            messages_sent: 0,
            counters,
            max_buffered: settings.max_buffered,
            high_water: settings.high_water,
            low_water: settings.low_water,
        }
    }

    /// Gives back what only a large turn needed.
    pub(crate) fn shrink(&mut self) {
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
    }
}
