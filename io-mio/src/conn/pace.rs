//! How much is read of a connection at a time, and how many control frames.

/// What is read at a time of a connection: the less, the more work its messages are. A power of
/// two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portion(u8);

impl Portion {
    pub(crate) const SMALLEST: Self = Self(9);
    /// Until it is known how long its messages take the application.
    pub(crate) const FIRST: Self = Self(14);

    pub(crate) const fn bytes(self) -> usize {
        1 << self.0
    }

    /// It took so many times as long as it should.
    pub(crate) fn shrink(&mut self, times: u128) {
        let halvings = 1 + times.checked_ilog2().unwrap_or(0) as u8;
        self.0 = self.0.saturating_sub(halvings).max(Self::SMALLEST.0);
    }

    pub(crate) fn double(&mut self, most: usize) {
        if self.bytes() < most {
            self.0 += 1;
        }
    }
}

/// Control frames of a peer since all that had come was read, or for a
/// [`receive_buffer`](crate::Settings::receive_buffer) of bytes.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    control_frames: u16,
    kib: u16,
}

impl Flood {
    pub(crate) fn more(&mut self, len: usize, receive_buffer: usize) {
        let kib = u16::try_from(len.div_ceil(1024)).unwrap_or(u16::MAX);
        self.kib = self.kib.saturating_add(kib);
        // It counts up to 64 MiB.
        if usize::from(self.kib) << 10 > receive_buffer.min(32 << 20) {
            *self = Self { control_frames: 0, kib };
        }
    }

    pub(crate) fn control_frame(&mut self) {
        self.control_frames = self.control_frames.saturating_add(1);
    }

    pub(crate) fn control_frames(&self) -> u32 {
        self.control_frames.into()
    }
}
