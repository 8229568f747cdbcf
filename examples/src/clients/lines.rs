//! Lines of stdin, or of anything else, within limits.

use std::io::{self, BufRead, Read};

/// Longest line, in bytes.
pub const MAX_LINE: u64 = 16 << 20;

/// A line, or why it is none.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Without its end.
    Text(String),
    /// Not UTF-8, and so no text message.
    NotUtf8 {
        /// Bytes of the line.
        len: usize,
    },
    /// Longer than [`MAX_LINE`]; the rest of it is not read.
    TooLong,
}

/// Reads up to the next line end, which is "\n" or "\r\n", or up to the end. `None` at the end.
///
/// # Errors
///
/// Those of reading.
pub fn next_line(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    input.take(MAX_LINE + 2).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.len() as u64 > MAX_LINE {
        return Ok(Some(Line::TooLong));
    }
    Ok(Some(match String::from_utf8(bytes) {
        Ok(text) => Line::Text(text),
        Err(error) => Line::NotUtf8 { len: error.as_bytes().len() },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(mut input: &[u8]) -> Vec<Line> {
        std::iter::from_fn(|| next_line(&mut input).unwrap()).collect()
    }

    #[test]
    fn lines_lose_their_ends_and_nothing_else() {
        let text = |text: &str| Line::Text(text.into());
        assert_eq!(lines(b"a\nb \r\n\n\rc"), [text("a"), text("b "), text(""), text("\rc")]);
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"a\n\xff\xfe\nb\n"), [text("a"), Line::NotUtf8 { len: 2 }, text("b")]);
    }

    #[test]
    fn a_line_of_the_longest_length_is_read_and_a_longer_one_is_not() {
        let mut longest = vec![b'x'; MAX_LINE as usize];
        assert!(matches!(&lines(&longest)[..], [Line::Text(text)] if text.len() as u64 == MAX_LINE));
        longest.extend_from_slice(b"x\n");
        assert_eq!(lines(&longest)[0], Line::TooLong);
    }
}
