//! Where a connection writes.

use std::io::{self, IoSlice};

/// The bytes' way out of a connection, lent for a turn.
///
/// A driver of another kernel interface implements this: `unsent` is what has not completed.
pub(crate) trait Wire {
    /// Takes some of these bytes, at least one. `WouldBlock`: none for now.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Hands on what was taken, as far as it can be.
    fn flush(&mut self) -> io::Result<()>;

    /// The most bytes that were taken and have not been handed to the kernel.
    fn unsent(&self) -> usize;

    /// Whether there is something to [`flush`](Self::flush).
    fn wants_write(&self) -> bool;

    /// Nothing more will be written. `WouldBlock`: to be called again later.
    fn shutdown_write(&mut self) -> io::Result<()>;
}
