//! The caller's sink for outgoing bytes.

use core::fmt;

/// Where frames go: a growing buffer or a fixed slice.
///
/// A frame is written as one [`reserve`](Self::reserve) for all of it, then one or more [`write_reserved`](Self::write_reserved)s that together use
/// no more than what was reserved. If `reserve` refuses, nothing was written: a frame is whole in the output or not there.
pub trait Output {
    /// Makes sure that `len` more bytes fit.
    ///
    /// # Errors
    ///
    /// [`OutputFull`] if they do not; the output is unchanged.
    fn reserve(&mut self, len: usize) -> Result<(), OutputFull>;

    /// Appends bytes that [`reserve`](Self::reserve) made room for, and lends exactly these back, in one piece, so that they can be masked
    /// where they are.
    fn write_reserved(&mut self, bytes: &[u8]) -> &mut [u8];
}

/// The output has no room for the whole frame; nothing was written and nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputFull;

impl fmt::Display for OutputFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the output has no room for the whole frame")
    }
}

impl core::error::Error for OutputFull {}

/// A fixed slice as an [`Output`], for programs without a heap.
///
/// ```
/// use sansws::{Config, Connection, SliceOutput};
///
/// let mut tx = [0; 16];
/// let mut out = SliceOutput::new(&mut tx);
/// Connection::server(&Config::default()).send_text("hi", &mut out).unwrap();
/// assert_eq!(out.filled(), b"\x81\x02hi");
/// ```
#[derive(Debug)]
pub struct SliceOutput<'a> {
    slice: &'a mut [u8],
    len: usize,
}

impl<'a> SliceOutput<'a> {
    /// An empty output over `slice`.
    pub fn new(slice: &'a mut [u8]) -> Self {
        Self { slice, len: 0 }
    }

    /// The bytes written so far.
    pub fn filled(&self) -> &[u8] {
        self.slice.get(..self.len).unwrap_or_default()
    }

    /// Forgets the bytes written so far.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Forgets the first `len` bytes, which have been sent, and moves the rest to the front.
    pub fn consume(&mut self, len: usize) {
        let len = len.min(self.len);
        self.slice.copy_within(len..self.len, 0);
        self.len -= len;
    }

    /// How many more bytes fit.
    pub fn remaining(&self) -> usize {
        self.slice.len() - self.len
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Output for SliceOutput<'_> {
    fn reserve(&mut self, len: usize) -> Result<(), OutputFull> {
        if len <= self.remaining() { Ok(()) } else { Err(OutputFull) }
    }

    fn write_reserved(&mut self, bytes: &[u8]) -> &mut [u8] {
        // Never shorter than `bytes` after the `reserve` that the trait asks for.
        let len = bytes.len().min(self.remaining());
        let start = self.len;
        self.len += len;
        let place = &mut self.slice[start..start + len];
        place.copy_from_slice(&bytes[..len]);
        place
    }
}

impl<O: Output + ?Sized> Output for &mut O {
    fn reserve(&mut self, len: usize) -> Result<(), OutputFull> {
        (**self).reserve(len)
    }

    fn write_reserved(&mut self, bytes: &[u8]) -> &mut [u8] {
        (**self).write_reserved(bytes)
    }
}

#[cfg(feature = "alloc")]
impl Output for alloc::vec::Vec<u8> {
    #[inline]
    fn reserve(&mut self, len: usize) -> Result<(), OutputFull> {
        Self::try_reserve(self, len).map_err(|_| OutputFull)
    }

    #[inline]
    fn write_reserved(&mut self, bytes: &[u8]) -> &mut [u8] {
        let start = self.len();
        self.extend_from_slice(bytes);
        &mut self[start..]
    }
}

#[cfg(feature = "bytes")]
impl Output for bytes::BytesMut {
    #[inline]
    fn reserve(&mut self, len: usize) -> Result<(), OutputFull> {
        // There is no `try_reserve`: more than any allocation can have would be a panic.
        match self.len().checked_add(len) {
            Some(needed) if isize::try_from(needed).is_ok() => Self::reserve(self, len),
            _ => return Err(OutputFull),
        }
        Ok(())
    }

    #[inline]
    fn write_reserved(&mut self, bytes: &[u8]) -> &mut [u8] {
        let start = self.len();
        self.extend_from_slice(bytes);
        &mut self[start..]
    }
}
