//! The head of an HTTP message: where it ends, and looking up its headers.

use core::fmt;
use core::slice;

use super::error::{Fault, Field, HandshakeError};
use super::syntax::{is_field_value, is_token, is_token_byte, split_at_byte, trim};

/// The longest head, in bytes, that is read unless another limit is set: 8 KiB.
pub const DEFAULT_MAX_HEAD_LEN: usize = 8 * 1024;

/// Finds the end of a head in bytes that arrive piece by piece. It reads each byte once.
///
/// ```
/// use sansws::handshake::HeadReader;
///
/// let mut reader = HeadReader::new(8 * 1024);
/// assert_eq!(reader.find_end(b"GET / HTTP/1.1\r\nHost: a\r\n")?, None); // keep them and read on
/// assert_eq!(reader.find_end(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest")?, Some(27));
/// # Ok::<(), sansws::handshake::HandshakeError>(())
/// ```
#[derive(Debug, Clone)]
pub struct HeadReader {
    max_len: usize,
    /// How far the input was looked at; the end of the head once it is found.
    scanned: usize,
    line_start: usize,
    /// A line that is not empty was seen.
    started: bool,
    found: bool,
}

impl HeadReader {
    /// Creates a reader for one head of at most `max_len` bytes.
    #[must_use]
    pub const fn new(max_len: usize) -> Self {
        Self { max_len, scanned: 0, line_start: 0, started: false, found: false }
    }

    /// Looks for the end of the head in `input`, which holds *all* bytes that arrived so far.
    ///
    /// Returns the length of the head including its empty line; every later call returns the same.
    /// Returns `None` if more bytes are needed. Empty lines before the head are skipped and count
    /// (RFC 9112 §2.2).
    ///
    /// # Errors
    ///
    /// Every later call returns the same error.
    ///
    /// - [`HandshakeError::HeadTooLong`] if the head cannot end within `max_len`, or
    ///   [`HandshakeError::StartLineTooLong`] if its first line cannot.
    /// - [`HandshakeError::MalformedHead`] for a line that ends without CR, and for bytes that do
    ///   not begin like HTTP, such as a TLS ClientHello.
    pub fn find_end(&mut self, input: &[u8]) -> Result<Option<usize>, HandshakeError> {
        if self.found {
            return Ok(Some(self.scanned));
        }
        let limit = input.len().min(self.max_len);
        // `None` and an empty slice: no byte is new.
        while let Some(unseen @ [_, ..]) = input.get(self.scanned..limit) {
            if !self.started && self.scanned == self.line_start {
                // A method and "HTTP/1.1" both begin with a token character.
                if unseen.first().is_some_and(|&b| b != b'\r' && !is_token_byte(b)) {
                    return Err(HandshakeError::MalformedHead);
                }
            }
            let Some(lf) = unseen.iter().position(|&b| b == b'\n').map(|at| self.scanned + at) else {
                self.scanned = limit;
                break;
            };
            // RFC 9112 §2.2: "a recipient MAY recognize a single LF as a line terminator". We do
            // not: where one endpoint sees a line's end and a proxy before it does not, requests
            // are smuggled.
            let Some((b'\r', line)) = input.get(self.line_start..lf).and_then(|line| line.split_last())
            else {
                // The line was not passed: the next call finds the same.
                return Err(HandshakeError::MalformedHead);
            };
            self.scanned = lf + 1;
            self.line_start = self.scanned;
            if !line.is_empty() {
                self.started = true;
            } else if self.started {
                self.found = true;
                return Ok(Some(self.scanned));
            }
        }
        if input.len() < self.max_len {
            Ok(None)
        } else if !self.started && self.scanned > self.line_start {
            // RFC 9112 §3: "A server that receives a request-target longer than any URI it wishes
            // to parse MUST respond with a 414 (URI Too Long) status code".
            Err(HandshakeError::StartLineTooLong)
        } else {
            Err(HandshakeError::HeadTooLong)
        }
    }

    /// Returns how many bytes of the input were read.
    #[must_use]
    pub const fn scanned(&self) -> usize {
        self.scanned
    }
}

/// Storage for the headers of one head: `N` of them, 64 by default, 32 bytes each on a 64-bit
/// machine.
///
/// `HeaderStorage::new()` has room for 64, `HeaderStorage::<16>::default()` for 16. A head with
/// more is refused with [`HandshakeError::TooManyHeaders`], status 431.
pub struct HeaderStorage<'b, const N: usize = 64> {
    headers: [httparse::Header<'b>; N],
}

impl HeaderStorage<'_> {
    /// Creates storage for 64 headers.
    #[must_use]
    pub const fn new() -> Self {
        Self { headers: [httparse::EMPTY_HEADER; 64] }
    }
}

impl<const N: usize> Default for HeaderStorage<'_, N> {
    fn default() -> Self {
        Self { headers: [httparse::EMPTY_HEADER; N] }
    }
}

impl<'b, const N: usize> HeaderStorage<'b, N> {
    /// Reads the header lines after the first line of a head, up to its empty line.
    pub(super) fn parse<'h>(&'h mut self, lines: &'b [u8]) -> Result<Headers<'h, 'b>, HandshakeError> {
        match httparse::parse_headers(lines, &mut self.headers) {
            // Two readers must agree on where the head ends: the rest are frames.
            Ok(httparse::Status::Complete((len, list))) if len == lines.len() => Ok(Headers { list }),
            Err(httparse::Error::TooManyHeaders) => Err(HandshakeError::TooManyHeaders),
            _ => Err(HandshakeError::MalformedHead),
        }
    }

    /// Stores headers that an HTTP library parsed.
    pub(super) fn store<'h>(
        &'h mut self,
        headers: impl IntoIterator<Item = (&'b str, &'b [u8])>,
    ) -> Result<Headers<'h, 'b>, HandshakeError> {
        let mut len = 0;
        for (name, value) in headers {
            let slot = self.headers.get_mut(len).ok_or(HandshakeError::TooManyHeaders)?;
            if !is_token(name.as_bytes()) || !is_field_value(value) {
                return Err(HandshakeError::MalformedHead);
            }
            *slot = httparse::Header { name, value: trim(value) };
            len += 1;
        }
        Ok(Headers { list: &self.headers[..len] })
    }
}

/// Splits a whole head, as a [`HeadReader`] found it, into its first line and its header lines.
/// Empty lines before it are skipped.
pub(super) fn split_start_line(head: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = head;
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let (line, after) = (&rest[..end], &rest[end + 2..]);
        if !line.is_empty() {
            return Some((line, after));
        }
        rest = after;
    }
}

/// The minor version of `HTTP/1.x`.
pub(super) fn minor_version(version: &[u8]) -> Result<u8, HandshakeError> {
    // RFC 9112 §2.3: `HTTP-version = HTTP-name "/" DIGIT "." DIGIT`, in this case.
    match version.strip_prefix(b"HTTP/") {
        Some(&[b'1', b'.', minor @ b'0'..=b'9']) => Ok(minor - b'0'),
        Some(&[b'0'..=b'9', b'.', b'0'..=b'9']) => Err(HandshakeError::HttpVersion),
        // RFC 9110 §2.5: "When a major version of HTTP does not define any minor versions, the
        // minor version "0" is implied."
        Some(&[b'2'..=b'9']) => Err(HandshakeError::HttpVersion),
        _ => Err(HandshakeError::MalformedHead),
    }
}

impl<const N: usize> fmt::Debug for HeaderStorage<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeaderStorage").field("capacity", &N).finish_non_exhaustive()
    }
}

/// The headers of one head, in their order. Names are matched case-insensitively.
///
/// Values are bytes, as in HTTP, without the blanks around them.
#[derive(Clone, Copy)]
pub struct Headers<'h, 'b> {
    list: &'h [httparse::Header<'b>],
}

impl<'h, 'b> Headers<'h, 'b> {
    /// Returns the number of header lines.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns whether there are no headers.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns names and values, line by line.
    pub fn iter(&self) -> impl Iterator<Item = (&'b str, &'b [u8])> + Clone + use<'h, 'b> {
        self.list.iter().map(|header| (header.name, header.value))
    }

    /// Returns the value of the first line with this name.
    #[inline(never)]
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'b [u8]> {
        self.all(name).next()
    }

    /// Returns the values of all lines with this name.
    pub fn all<'n>(&self, name: &'n str) -> Values<'h, 'b, 'n> {
        Values { lines: self.list.iter(), name }
    }

    /// Returns the elements of a comma-separated list over all lines with this name (RFC 9110
    /// §5.6.1), without blanks around them and without empty ones. Quoted strings are not parsed.
    pub fn elements<'n>(&self, name: &'n str) -> impl Iterator<Item = &'b [u8]> + Clone + use<'h, 'b, 'n> {
        Elements { lines: self.all(name), line: &[] }
    }

    /// Returns whether the comma-separated list over all lines with this name contains `token`,
    /// compared case-insensitively.
    #[must_use]
    pub fn contains_token(&self, name: &str, token: &str) -> bool {
        self.elements(name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The value of the one line with this name.
    #[inline(never)]
    pub(super) fn only(&self, name: &str) -> Result<&'b [u8], Fault> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            (Some(_), Some(_)) => Err(Fault::Repeated),
            (None, _) => Err(Fault::Missing),
        }
    }

    /// The first value with this name that is UTF-8.
    pub(super) fn text(&self, name: &str) -> Option<&'b str> {
        self.all(name).find_map(|value| core::str::from_utf8(value).ok())
    }

    /// Checks that a list over all lines with the field's name contains `token`.
    #[inline(never)]
    pub(super) fn check_token(&self, field: Field, token: &str) -> Result<(), Fault> {
        if self.contains_token(field.name(), token) {
            Ok(())
        } else if self.get(field.name()).is_some() {
            Err(Fault::Invalid)
        } else {
            Err(Fault::Missing)
        }
    }

    /// The value of Content-Length.
    pub(super) fn content_length(&self) -> Result<u64, Fault> {
        let value = self.only(Field::ContentLength.name())?;
        // RFC 9110 §8.6: `1*DIGIT`.
        let append = |length: u64, digit: &u8| {
            let digit = if digit.is_ascii_digit() { digit - b'0' } else { return None };
            length.checked_mul(10)?.checked_add(digit.into())
        };
        let length = if value.is_empty() { None } else { value.iter().try_fold(0, append) };
        length.ok_or(Fault::Invalid)
    }
}

impl fmt::Debug for Headers<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for header in self.list {
            let value = if is_secret(header.name) { b"..." } else { header.value };
            map.entry(&header.name, &Escaped(value));
        }
        map.finish()
    }
}

/// Headers to be written, in [`Debug`](fmt::Debug).
pub(super) struct Fields<'a>(pub(super) &'a [(&'a str, &'a str)]);

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |&(name, value)| (name, if is_secret(name) { "..." } else { value });
        f.debug_map().entries(self.0.iter().map(shown)).finish()
    }
}

/// Credentials do not belong in logs.
fn is_secret(name: &str) -> bool {
    ["authorization", "proxy-authorization", "cookie", "set-cookie"]
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
}

struct Escaped<'a>(&'a [u8]);

impl fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// The values of all lines with one name; see [`Headers::all`].
#[derive(Clone)]
pub struct Values<'h, 'b, 'n> {
    lines: slice::Iter<'h, httparse::Header<'b>>,
    name: &'n str,
}

impl<'n> Values<'_, '_, 'n> {
    pub(super) fn empty(name: &'n str) -> Self {
        Self { lines: [].iter(), name }
    }
}

impl<'b> Iterator for Values<'_, 'b, '_> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        self.lines.find(|line| line.name.eq_ignore_ascii_case(self.name)).map(|line| line.value)
    }
}

/// The elements of a comma-separated list; see [`Headers::elements`].
#[derive(Clone)]
struct Elements<'h, 'b, 'n> {
    lines: Values<'h, 'b, 'n>,
    /// The rest of the line that is read.
    line: &'b [u8],
}

impl<'b> Iterator for Elements<'_, 'b, '_> {
    type Item = &'b [u8];

    #[inline(never)]
    fn next(&mut self) -> Option<&'b [u8]> {
        loop {
            if self.line.is_empty() {
                self.line = self.lines.next()?;
            }
            let (element, rest) = split_at_byte(self.line, b',');
            let element = trim(element);
            self.line = rest.unwrap_or(&[]);
            if !element.is_empty() {
                return Some(element);
            }
        }
    }
}

impl fmt::Debug for Values<'_, '_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone().map(Escaped)).finish()
    }
}
