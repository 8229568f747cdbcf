//! What a socket does, by a script: for this project's own tests and fuzzing.

use std::fmt;
use std::io::{self, IoSlice};

/// What a socket does, by a script.
#[allow(missing_docs, reason = "as of a non-blocking socket")]
pub trait Script: fmt::Debug + Send {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
    fn shutdown_write(&mut self) -> io::Result<()>;
}
