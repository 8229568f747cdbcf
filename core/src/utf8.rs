//! UTF-8 that arrives in pieces, RFC 6455
//! [§8.1](https://datatracker.ietf.org/doc/html/rfc6455#section-8.1).

use core::fmt;

/// Validates UTF-8 piece by piece, wherever the pieces are cut, and fails at the first octet that
/// makes the text invalid.
///
/// The stream keeps at most three octets: the beginning of a code point that was cut. Do not use it
/// after an error.
///
/// ```
/// use sansws::Utf8Stream;
///
/// let mut stream = Utf8Stream::default();
/// let crab = "a🦀".as_bytes(); // 1 + 4 octets
/// let head = stream.push(&crab[..3])?;
/// assert_eq!((head.carried.as_str(), head.text), ("", "a"));
/// let tail = stream.push(&crab[3..])?;
/// assert_eq!((tail.carried.as_str(), tail.text), ("🦀", ""));
/// stream.finish()?;
/// # Ok::<(), sansws::InvalidUtf8>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Utf8Stream {
    partial: [u8; 3],
    len: u8,
}

/// What [`Utf8Stream::push`] found in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Utf8Piece<'b> {
    /// The code point that earlier pieces began and this one ended. It precedes `text`.
    pub carried: Carried,
    /// The whole code points of this piece.
    pub text: &'b str,
}

/// A code point that was cut between two pieces of a text, or nothing.
///
/// Pieces of a text lend whole code points. The one that a cut went through is in neither of the
/// two pieces: it is carried over to the second one in this value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Carried {
    /// Of two octets at least, then zeros; all zeros if there is none.
    octets: [u8; 4],
}

impl Carried {
    /// Nothing: no code point was cut.
    pub const NONE: Self = Self { octets: [0; 4] };

    /// Creates the value for a code point; `None` for an ASCII character, which has one octet and
    /// cannot be cut.
    #[must_use]
    pub const fn new(c: char) -> Option<Self> {
        let mut octets = [0; 4];
        c.encode_utf8(&mut octets);
        if c.is_ascii() { None } else { Some(Self { octets }) }
    }

    /// Returns the code point as text; empty if there is none.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        match core::str::from_utf8(self.octets.split_at(self.len()).0) {
            Ok(text) => text,
            Err(_) => unreachable!(),
        }
    }

    /// Returns the code point.
    #[must_use]
    pub fn to_char(self) -> Option<char> {
        self.as_str().chars().next()
    }

    /// Returns the length of the code point in octets: 0 if there is none, else 2 to 4.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.octets[0] {
            0 => 0,
            first => code_point_len(first),
        }
    }

    /// Returns whether there is no code point.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.octets[0] == 0
    }
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_char().fmt(f)
    }
}

/// The octets are not UTF-8, whatever follows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid UTF-8 (RFC 6455 §8.1)")
    }
}

impl core::error::Error for InvalidUtf8 {}

#[cfg(feature = "std")]
impl From<InvalidUtf8> for std::io::Error {
    fn from(error: InvalidUtf8) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

impl Utf8Stream {
    /// Creates the validator of one text.
    #[must_use]
    pub const fn new() -> Self {
        Self { partial: [0; 3], len: 0 }
    }

    /// Validates the next piece of the text and keeps the beginning of a code point that is cut at
    /// its end.
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] as soon as an octet cannot be part of UTF-8: overlong forms, surrogates,
    /// anything above U+10FFFF, stray or missing continuation octets.
    #[inline]
    pub fn push<'b>(&mut self, piece: &'b [u8]) -> Result<Utf8Piece<'b>, InvalidUtf8> {
        let (carried, rest) = if self.len == 0 { (Carried::NONE, piece) } else { self.complete(piece)? };
        let (whole, cut) = rest.split_at(rest.len() - cut_len(rest));
        let text = validate(whole)?;
        if !cut.is_empty() {
            self.keep(cut)?;
        }
        Ok(Utf8Piece { carried, text })
    }

    /// Ends the text and makes the validator ready for another.
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] if the last code point is not complete.
    #[inline]
    pub fn finish(&mut self) -> Result<(), InvalidUtf8> {
        if core::mem::take(&mut self.len) == 0 { Ok(()) } else { Err(InvalidUtf8) }
    }

    /// Returns the octets of a code point that is not complete: up to 3.
    #[must_use]
    #[inline]
    pub fn partial(&self) -> &[u8] {
        &self.partial[..usize::from(self.len)]
    }

    /// Completes the code point that was cut, as far as `piece` reaches. Returns it and what is
    /// left of `piece`.
    fn complete<'b>(&mut self, piece: &'b [u8]) -> Result<(Carried, &'b [u8]), InvalidUtf8> {
        let kept = usize::from(self.len);
        let mut octets = [0; 4];
        octets[..3].copy_from_slice(&self.partial);
        // What is kept begins a code point of two, three or four octets.
        let needed = code_point_len(octets[0]);
        let (taken, rest) = piece.split_at(piece.len().min(needed - kept));
        let len = kept + taken.len();
        octets[kept..len].copy_from_slice(taken);
        if len < needed {
            self.keep(&octets[..len])?;
            return Ok((Carried::NONE, rest));
        }
        core::str::from_utf8(&octets[..len]).map_err(|_| InvalidUtf8)?;
        self.len = 0;
        octets[len..].fill(0);
        Ok((Carried { octets }, rest))
    }

    /// Keeps the first one to three octets of a code point, if more octets can complete it.
    fn keep(&mut self, cut: &[u8]) -> Result<(), InvalidUtf8> {
        match core::str::from_utf8(cut) {
            Err(error) if error.error_len().is_none() => {
                self.partial[..cut.len()].copy_from_slice(cut);
                self.len = cut.len() as u8;
                Ok(())
            }
            _ => Err(InvalidUtf8),
        }
    }
}

/// The length of the code point that begins with this octet and can be cut.
const fn code_point_len(first: u8) -> usize {
    match first {
        0x00..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
    }
}

/// How many octets at the end of `bytes` (0 to 3) look like the beginning of a longer code point.
#[inline]
fn cut_len(bytes: &[u8]) -> usize {
    for (i, &octet) in bytes.iter().rev().take(3).enumerate() {
        let needed = match octet {
            0x00..=0x7f => return 0,
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
        };
        return if needed > i + 1 { i + 1 } else { 0 };
    }
    0
}

/// Below this length the vector validator falls back to single octets; the standard library's is
/// faster there.
#[cfg(feature = "simdutf8")]
const VECTOR_MIN: usize = 64;

/// ASCII shorter than this, in bytes, is validated faster by the standard library: the vector
/// validator takes longer to begin.
#[cfg(feature = "simdutf8")]
const ASCII_MAX: usize = 256;

/// Whether the octets are few, and ASCII. Words from the first octet on are what masking has just
/// written: the processor need not wait for the cache.
#[cfg(feature = "simdutf8")]
#[inline]
fn is_short_ascii(bytes: &[u8]) -> bool {
    if bytes.len() >= ASCII_MAX {
        return false;
    }
    let mut words = bytes.chunks_exact(8);
    let mut all = 0;
    for word in &mut words {
        let mut octets = [0; 8];
        octets.copy_from_slice(word);
        all |= u64::from_ne_bytes(octets);
    }
    let tail = words.remainder().iter().fold(0, |all, octet| all | octet);
    all & 0x8080_8080_8080_8080 == 0 && tail < 0x80
}

/// Returns the octets as text, if they are UTF-8.
#[inline]
pub(crate) fn validate(bytes: &[u8]) -> Result<&str, InvalidUtf8> {
    #[cfg(feature = "simdutf8")]
    if bytes.len() >= VECTOR_MIN && !is_short_ascii(bytes) {
        return simdutf8::basic::from_utf8(bytes).map_err(|_| InvalidUtf8);
    }
    core::str::from_utf8(bytes).map_err(|_| InvalidUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_len_sees_only_unfinished_code_points() {
        for (bytes, expected) in [
            (&b""[..], 0),
            (b"abc", 0),
            (b"\xc3", 1),
            (b"\xc3\xa4", 0),
            (b"\xe2\x82", 2),
            (b"\xe2\x82\xac", 0),
            (b"a\xf0\x9f\xa6", 3),
            (b"\xf0\x9f\xa6\x80", 0),
            (b"\x80\x80\x80\x80", 0),
        ] {
            assert_eq!(cut_len(bytes), expected, "{bytes:x?}");
        }
    }
}
