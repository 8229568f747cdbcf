//! UTF-8 that arrives in pieces, RFC 6455 [§8.1](https://datatracker.ietf.org/doc/html/rfc6455#section-8.1).

use core::fmt;

/// Validates UTF-8 piece by piece, wherever the pieces are cut, and fails at the first octet that no later one can mend.
///
/// The stream keeps at most the three octets of a code point that was cut. After an error it is of no use.
///
/// ```
/// use sansws::Utf8Stream;
///
/// let mut stream = Utf8Stream::default();
/// let crab = "a🦀".as_bytes(); // 1 + 4 octets
/// let head = stream.push(&crab[..3])?;
/// assert_eq!((head.carried, head.text), (None, "a"));
/// let tail = stream.push(&crab[3..])?;
/// assert_eq!((tail.carried, tail.text), (Some('🦀'), ""));
/// stream.finish()?;
/// # Ok::<(), sansws::InvalidUtf8>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Utf8Stream {
    partial: [u8; 3],
    len: u8,
}

/// What one piece of a [`Utf8Stream`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Utf8Piece<'b> {
    /// The code point that earlier pieces began and this one ended; it comes before `text`.
    pub carried: Option<char>,
    /// The whole code points of this piece.
    pub text: &'b str,
}

/// The octets are not UTF-8, whatever may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid UTF-8 (RFC 6455 §8.1)")
    }
}

impl core::error::Error for InvalidUtf8 {}

impl Utf8Stream {
    /// Validates the next piece of the stream and keeps the beginning of a code point that is cut at its end.
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] as soon as an octet is seen that cannot be part of UTF-8: overlong forms, surrogates, anything above
    /// U+10FFFF, stray or missing continuation octets.
    #[inline]
    pub fn push<'b>(&mut self, piece: &'b [u8]) -> Result<Utf8Piece<'b>, InvalidUtf8> {
        let (carried, rest) = if self.len == 0 { (None, piece) } else { self.complete(piece)? };
        let (whole, cut) = rest.split_at(rest.len() - cut_len(rest));
        let text = validate(whole)?;
        if !cut.is_empty() {
            self.keep(cut)?;
        }
        Ok(Utf8Piece { carried, text })
    }

    /// Says that the stream ends here, and makes it ready for another.
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] if a code point was left unfinished.
    #[inline]
    pub fn finish(&mut self) -> Result<(), InvalidUtf8> {
        if core::mem::take(&mut self.len) == 0 { Ok(()) } else { Err(InvalidUtf8) }
    }

    /// Completes the code point that was cut, as far as `piece` reaches. Returns it and what is left of `piece`.
    #[cold]
    fn complete<'b>(&mut self, piece: &'b [u8]) -> Result<(Option<char>, &'b [u8]), InvalidUtf8> {
        let mut octets = [0; 4];
        let mut len = usize::from(self.len);
        octets[..3].copy_from_slice(&self.partial);
        for (i, &octet) in piece.iter().enumerate() {
            // Never out of bounds: four octets are a code point or an error.
            octets[len & 3] = octet;
            len += 1;
            match core::str::from_utf8(octets.get(..len).unwrap_or_default()) {
                Ok(text) => {
                    self.len = 0;
                    return Ok((text.chars().next(), piece.get(i + 1..).unwrap_or_default()));
                }
                Err(error) if error.error_len().is_some() => return Err(InvalidUtf8),
                Err(_) => {}
            }
        }
        self.keep(octets.get(..len).unwrap_or_default())?;
        Ok((None, &[]))
    }

    /// Keeps the first one to three octets of a code point, if more octets can make it one.
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

/// Below this length the vector validator falls back to single octets; the standard library's is faster there.
#[cfg(feature = "simdutf8")]
const VECTOR_MIN: usize = 64;

/// The octets as text, if they are UTF-8.
#[inline]
pub(crate) fn validate(bytes: &[u8]) -> Result<&str, InvalidUtf8> {
    #[cfg(feature = "simdutf8")]
    if bytes.len() >= VECTOR_MIN {
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
