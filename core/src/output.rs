//! The caller's sink for outgoing bytes.

use core::fmt;

#[cfg(feature = "alloc")]
use crate::mask::apply_mask;
use crate::mask::{MaskingKey, copy_masked};

/// A sink for frames: a growing buffer, a fixed slice, a ring.
///
/// A frame is written as one [`reserve`](Self::reserve) for all of it, then either one
/// [`lend_reserved`](Self::lend_reserved) that succeeds, or some calls of
/// [`write_reserved`](Self::write_reserved) and [`write_masked`](Self::write_masked) that use
/// exactly what was reserved. If `reserve` fails, nothing is written: the output contains a frame
/// whole or not at all. A reservation may be left unused, where a masking-key cannot be had; the
/// next one replaces it.
///
/// `Vec<u8>`, [`SliceOutput`] and (with the feature `bytes`) `BytesMut` are outputs. The trait is
/// dyn-compatible.
///
/// An output over a ring buffer, whose free space may be in two pieces:
///
/// ```
/// use sansws::{MaskingKey, Output, OutputFull, copy_masked};
///
/// struct Ring { bytes: [u8; 1024], start: usize, len: usize }
///
/// impl Ring {
///     /// The free space: up to the end of the array, then from its start.
///     fn free(&mut self, len: usize) -> (&mut [u8], &mut [u8]) {
///         let at = (self.start + self.len) % self.bytes.len();
///         self.len += len;
///         let first = len.min(self.bytes.len() - at);
///         let (head, tail) = self.bytes.split_at_mut(at);
///         (&mut tail[..first], &mut head[..len - first])
///     }
/// }
///
/// impl Output for Ring {
///     fn reserve(&mut self, len: usize) -> Result<(), OutputFull> {
///         if len <= self.bytes.len() - self.len { Ok(()) } else { Err(OutputFull) }
///     }
///
///     fn write_reserved(&mut self, bytes: &[u8]) {
///         let (first, second) = self.free(bytes.len());
///         let (head, tail) = bytes.split_at(first.len());
///         first.copy_from_slice(head);
///         second.copy_from_slice(tail);
///     }
///
///     fn write_masked(&mut self, key: MaskingKey, bytes: &[u8]) -> MaskingKey {
///         let (first, second) = self.free(bytes.len());
///         let (head, tail) = bytes.split_at(first.len());
///         let key = copy_masked(key, head, first);
///         copy_masked(key, tail, second)
///     }
/// }
///
/// let mut ring = Ring { bytes: [0; 1024], start: 1020, len: 0 };
/// let mut server = sansws::Connection::server(&sansws::Config::default());
/// server.send_text("Hello", &mut ring)?;
/// assert_eq!((&ring.bytes[1020..], &ring.bytes[..3]), (&b"\x81\x05He"[..], &b"llo"[..]));
/// # Ok::<(), sansws::SendError>(())
/// ```
pub trait Output {
    /// Makes sure that `len` more bytes fit.
    ///
    /// # Errors
    ///
    /// [`OutputFull`] if they do not fit. The output is unchanged.
    fn reserve(&mut self, len: usize) -> Result<(), OutputFull>;

    /// Appends bytes that [`reserve`](Self::reserve) made room for.
    fn write_reserved(&mut self, bytes: &[u8]);

    /// Appends bytes that [`reserve`](Self::reserve) made room for, masked with `key` (RFC 6455
    /// §5.3).
    ///
    /// Returns the key as the bytes that follow need it, as [`apply_mask`](crate::apply_mask) does.
    ///
    /// The provided method masks into a small block on the stack. An output that can lend its
    /// memory saves that copy with [`copy_masked`].
    fn write_masked(&mut self, key: MaskingKey, bytes: &[u8]) -> MaskingKey {
        write_in_blocks(self, key, bytes)
    }

    /// Appends `len` bytes that [`reserve`](Self::reserve) made room for, and returns them to be
    /// overwritten: exactly `len`, in one piece.
    ///
    /// `None`, and nothing is appended, if the output cannot; the provided method always returns
    /// that. On 64-bit targets a client's frame of at most 256 bytes is written this way, where the
    /// output can: it is masked on its way into the output, in one pass.
    fn lend_reserved(&mut self, len: usize) -> Option<&mut [u8]> {
        let _ = len;
        None
    }
}

/// How many bytes are masked at once on their way into an output that can only append, so few that
/// they can stay in registers. A multiple of the key's length.
const BLOCK: usize = 128;

/// The longest frame, in bytes, that an output is asked to lend as a whole.
pub(crate) const SHORT_FRAME: usize = 256;

/// Up to this length, in bytes, it costs less to append the payload and mask it there.
#[cfg(feature = "alloc")]
const MASK_IN_PLACE: usize = 255;

fn write_in_blocks<O: Output + ?Sized>(out: &mut O, key: MaskingKey, bytes: &[u8]) -> MaskingKey {
    let rest = masked_blocks(key, bytes, |block| out.write_reserved(block));
    if rest.is_empty() {
        return key;
    }
    let mut block = [0; BLOCK];
    let place = &mut block[..rest.len()];
    let key = copy_masked(key, rest, place);
    out.write_reserved(place);
    key
}

/// Masks all whole blocks of `bytes`. Returns the rest, for which the key is the same.
#[inline]
fn masked_blocks(key: MaskingKey, bytes: &[u8], mut append: impl FnMut(&[u8; BLOCK])) -> &[u8] {
    let mut pattern = [0; BLOCK];
    pattern.chunks_exact_mut(4).for_each(|part| part.copy_from_slice(&key));
    let mut blocks = bytes.chunks_exact(BLOCK);
    for block in &mut blocks {
        let mut masked = pattern;
        masked.iter_mut().zip(block).for_each(|(octet, plain)| *octet ^= plain);
        append(&masked);
    }
    blocks.remainder()
}

/// The output has no room for the whole frame. Nothing was written and nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputFull;

impl fmt::Display for OutputFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the output has no room for the whole frame")
    }
}

impl core::error::Error for OutputFull {}

#[cfg(feature = "std")]
impl From<OutputFull> for std::io::Error {
    fn from(error: OutputFull) -> Self {
        Self::new(std::io::ErrorKind::StorageFull, error)
    }
}

/// A fixed slice as an [`Output`], for programs without a heap.
///
/// Writing more than was reserved panics.
///
/// ```
/// use sansws::{Config, Connection, SliceOutput};
///
/// let mut tx = [0; 16];
/// let mut out = SliceOutput::new(&mut tx);
/// Connection::server(&Config::default()).send_text("hi", &mut out)?;
/// assert_eq!(out.filled(), b"\x81\x02hi");
/// # Ok::<(), sansws::SendError>(())
/// ```
#[derive(Debug)]
pub struct SliceOutput<'a> {
    slice: &'a mut [u8],
    len: usize,
}

impl<'a> SliceOutput<'a> {
    /// Creates an empty output over `slice`.
    #[must_use]
    pub const fn new(slice: &'a mut [u8]) -> Self {
        Self { slice, len: 0 }
    }

    /// Returns the bytes written so far.
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        &self.slice[..self.len]
    }

    /// Removes the bytes written so far.
    pub const fn clear(&mut self) {
        self.len = 0;
    }

    /// Removes the first `len` bytes, which have been sent, and moves the rest to the front.
    pub fn consume(&mut self, len: usize) {
        let len = len.min(self.len);
        self.slice.copy_within(len..self.len, 0);
        self.len -= len;
    }

    /// Returns how many more bytes fit.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.slice.len() - self.len
    }

    /// Returns whether nothing is written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The next `len` bytes of the slice, which were reserved.
    fn extend(&mut self, len: usize) -> &mut [u8] {
        let start = self.len;
        self.len += len;
        &mut self.slice[start..self.len]
    }
}

impl Output for SliceOutput<'_> {
    fn reserve(&mut self, len: usize) -> Result<(), OutputFull> {
        if len <= self.remaining() { Ok(()) } else { Err(OutputFull) }
    }

    fn write_reserved(&mut self, bytes: &[u8]) {
        self.extend(bytes.len()).copy_from_slice(bytes);
    }

    fn write_masked(&mut self, key: MaskingKey, bytes: &[u8]) -> MaskingKey {
        copy_masked(key, bytes, self.extend(bytes.len()))
    }

    fn lend_reserved(&mut self, len: usize) -> Option<&mut [u8]> {
        Some(self.extend(len))
    }
}

impl<O: Output + ?Sized> Output for &mut O {
    #[inline]
    fn reserve(&mut self, len: usize) -> Result<(), OutputFull> {
        (**self).reserve(len)
    }

    #[inline]
    fn write_reserved(&mut self, bytes: &[u8]) {
        (**self).write_reserved(bytes);
    }

    #[inline]
    fn write_masked(&mut self, key: MaskingKey, bytes: &[u8]) -> MaskingKey {
        (**self).write_masked(key, bytes)
    }

    #[inline]
    fn lend_reserved(&mut self, len: usize) -> Option<&mut [u8]> {
        (**self).lend_reserved(len)
    }
}

/// Methods that `Vec<u8>` and `BytesMut` have in common.
#[cfg(feature = "alloc")]
macro_rules! append {
    () => {
        #[inline]
        fn write_reserved(&mut self, bytes: &[u8]) {
            self.extend_from_slice(bytes);
        }

        #[inline]
        fn write_masked(&mut self, key: MaskingKey, bytes: &[u8]) -> MaskingKey {
            let mut rest = bytes;
            if rest.len() > MASK_IN_PLACE {
                rest = masked_blocks(key, rest, |block| self.extend_from_slice(block));
            }
            let start = self.len();
            self.extend_from_slice(rest);
            apply_mask(key, &mut self[start..])
        }

        // Zeros of a constant length take some stores, those of any other length a call.
        #[inline]
        fn lend_reserved(&mut self, len: usize) -> Option<&mut [u8]> {
            let start = self.len();
            match len {
                _ if self.capacity() - start < SHORT_FRAME => return None,
                0..=32 => self.extend_from_slice(&[0; 32]),
                33..=136 => self.extend_from_slice(&[0; 136]),
                137..=SHORT_FRAME => self.extend_from_slice(&[0; SHORT_FRAME]),
                _ => return None,
            }
            self.truncate(start + len);
            Some(&mut self[start..])
        }
    };
}

#[cfg(feature = "alloc")]
impl Output for alloc::vec::Vec<u8> {
    #[inline]
    fn reserve(&mut self, len: usize) -> Result<(), OutputFull> {
        Self::try_reserve(self, len).map_err(|_| OutputFull)
    }

    append!();
}

#[cfg(feature = "bytes")]
impl Output for bytes::BytesMut {
    #[inline]
    fn reserve(&mut self, len: usize) -> Result<(), OutputFull> {
        // `BytesMut` has no `try_reserve`: a length that no allocation can have would be a panic.
        match self.len().checked_add(len) {
            Some(needed) if isize::try_from(needed).is_ok() => Self::reserve(self, len),
            _ => return Err(OutputFull),
        }
        Ok(())
    }

    append!();
}
