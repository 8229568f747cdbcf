//! The output of the connection whose turn it is, and the limits of every queue.

use crate::settings::Settings;

/// Memory for gathered output that is kept between turns.
const KEPT: usize = 256 << 10;

/// What all connections of a loop share to send.
pub(crate) struct Gathering {
    /// The output of this connection's turn: all of it is written at once.
    pub(crate) bytes: Vec<u8>,
    /// Slots with output queued outside of their own turn.
    pub(crate) dirty: Vec<u32>,
    pub(crate) max_buffered: usize,
    pub(crate) high_water: usize,
    pub(crate) low_water: usize,
}

impl Gathering {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            bytes: Vec::new(),
            dirty: Vec::new(),
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
