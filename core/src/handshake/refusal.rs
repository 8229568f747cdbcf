//! Responses that end the opening handshake without a connection, RFC 6455 §4.2.2.

use core::fmt;

use super::error::{Argument, Fault, Field, HandshakeError};
use super::head::Fields;
use super::syntax::{is_token, split_at_byte};
use super::write::{Pieces, check_headers, write_whole};
use crate::output::{Output, OutputFull};

/// A response that ends the opening handshake without a connection. The transport is closed after
/// it.
///
/// ```
/// use sansws::SliceOutput;
/// use sansws::handshake::server::Reject;
///
/// let mut tx = [0; 256];
/// let mut out = SliceOutput::new(&mut tx);
/// let headers = [("WWW-Authenticate", "Basic realm=\"chat\"")];
/// Reject::new(401).headers(&headers).body(b"log in first").write(&mut out)?;
/// assert_eq!(
///     core::str::from_utf8(out.filled()).unwrap(),
///     "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"chat\"\r\n\
///      Content-Length: 12\r\nConnection: close\r\n\r\nlog in first"
/// );
/// # Ok::<(), sansws::handshake::HandshakeError>(())
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Reject<'a> {
    /// The status, from 200 to 599. 426 comes with the headers that RFC 6455 §4.4 and RFC 9110
    /// §15.5.22 require.
    pub status: u16,
    /// More headers, such as Content-Type or Retry-After. Those of the opening handshake itself,
    /// Connection and Content-Length are not allowed.
    pub headers: &'a [(&'a str, &'a str)],
    /// The content.
    pub body: &'a [u8],
}

impl<'a> Reject<'a> {
    /// Rejects with this status, from 200 to 599, and without content.
    #[must_use]
    pub const fn new(status: u16) -> Self {
        Self { status, headers: &[], body: &[] }
    }

    /// Sets more headers, such as Content-Type or Retry-After.
    #[must_use]
    pub const fn headers(mut self, headers: &'a [(&'a str, &'a str)]) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the content.
    #[must_use]
    pub const fn body(mut self, body: &'a [u8]) -> Self {
        self.body = body;
        self
    }

    /// Writes the response, all of it or nothing. Send it and close the transport.
    ///
    /// It answers a GET. The response to HEAD must not have content; it is the one without
    /// [`body`](Self::body).
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Argument`] if it would not be a valid response,
    /// [`HandshakeError::OutputFull`].
    pub fn write(&self, out: &mut (impl Output + ?Sized)) -> Result<(), HandshakeError> {
        check_headers(self.headers)?;
        // RFC 9110 §8.6: no Content-Length in a 204. 205 and 304 have no content either.
        let has_no_content = matches!(self.status, 204 | 205 | 304);
        if !(200..=599).contains(&self.status) || (has_no_content && !self.body.is_empty()) {
            return Err(Argument::Status.into());
        }
        let content_len = (!has_no_content || self.status == 205).then_some(self.body.len());
        const UPGRADE_REQUIRED: HandshakeError = HandshakeError::Request(Field::Upgrade, Fault::Missing);
        let more = if self.status == 426 { UPGRADE_REQUIRED.response_headers() } else { &[] };
        Ok(write_whole(out, &|w| {
            start_response(w, self.status);
            w.headers(self.headers);
            end_response(w, self.status, content_len, more);
            w.bytes(self.body);
        })?)
    }
}

impl fmt::Debug for Reject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, headers, body } = self;
        f.debug_struct("Reject")
            .field("status", status)
            .field("headers", &Fields(headers))
            .field("body", &format_args!("\"{}\"", body.escape_ascii()))
            .finish()
    }
}

/// Writes the response that refuses a request because of this error, all of it or nothing. Send it
/// and close the transport.
///
/// `method` is that of the request: [`Request::method`](super::server::Request::method), or what
/// [`method_of`] finds in a request that could not be parsed. The response to HEAD has no content.
///
/// The response has the error's [status](HandshakeError::status), the
/// [headers](HandshakeError::response_headers) that belong to it, and the error in words as its
/// content.
///
/// # Errors
///
/// [`OutputFull`] if the output has no room for it.
pub fn refuse(
    error: &HandshakeError,
    method: &str,
    out: &mut (impl Output + ?Sized),
) -> Result<(), OutputFull> {
    let status = error.status();
    let mut content_len = 1;
    error.describe(&mut |piece| content_len += piece.len());
    write_whole(out, &|w| {
        start_response(w, status);
        w.text("Content-Type: text/plain; charset=utf-8\r\n");
        end_response(w, status, Some(content_len), error.response_headers());
        // RFC 9110 §9.3.2: to HEAD "the server MUST NOT send content in the response".
        if method != "HEAD" {
            error.describe(&mut |piece| w.bytes(piece));
            w.text("\n");
        }
    })
}

/// Returns the method of an HTTP/1 request from its first bytes, which need not be a whole or valid
/// head; empty if it is not there. [`refuse`] takes it.
///
/// ```
/// use sansws::handshake::server::method_of;
///
/// assert_eq!(method_of(b"HEAD /page HTTP/1.1\nbroken"), "HEAD");
/// assert_eq!(method_of(b"HEA"), "");
/// ```
#[must_use]
pub fn method_of(mut input: &[u8]) -> &str {
    // RFC 9112 §2.2: "a server that is expecting to receive and parse a request-line SHOULD ignore at
    // least one empty line (CRLF) received prior to the request-line."
    while let [b'\r', b'\n', rest @ ..] = input {
        input = rest;
    }
    // What is no token is not a method, but the rest of a line that has failed and what came with it.
    match split_at_byte(input, b' ') {
        (method, Some(_)) if is_token(method) => core::str::from_utf8(method).unwrap_or(""),
        _ => "",
    }
}

fn start_response(w: &mut Pieces<'_>, status: u16) {
    w.text("HTTP/1.1 ");
    w.number(status.into());
    w.text(" ");
    w.text(reason_phrase(status));
    w.text("\r\n");
}

/// `headers` are those that the status requires.
fn end_response(w: &mut Pieces<'_>, status: u16, content_len: Option<usize>, headers: &[(&str, &str)]) {
    if let Some(len) = content_len {
        w.text("Content-Length: ");
        w.number(len);
        w.text("\r\n");
    }
    w.headers(headers);
    // With 426, `Connection` is among them.
    w.text(if status == 426 { "\r\n" } else { "Connection: close\r\n\r\n" });
}

/// Returns the reason phrase of a status code (RFC 9110 §15), or an empty text if it is not a
/// common one.
#[must_use]
pub const fn reason_phrase(status: u16) -> &'static str {
    let mut rest = PHRASES;
    while let [(code, phrase), after @ ..] = rest {
        if *code == status {
            return phrase;
        }
        rest = after;
    }
    ""
}

/// A table, because a `match` takes more flash.
const PHRASES: &[(u16, &str)] = &[
    (200, "OK"),
    (201, "Created"),
    (202, "Accepted"),
    (204, "No Content"),
    (301, "Moved Permanently"),
    (302, "Found"),
    (303, "See Other"),
    (304, "Not Modified"),
    (307, "Temporary Redirect"),
    (308, "Permanent Redirect"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (408, "Request Timeout"),
    (409, "Conflict"),
    (410, "Gone"),
    (413, "Content Too Large"),
    (414, "URI Too Long"),
    (415, "Unsupported Media Type"),
    (426, "Upgrade Required"),
    (429, "Too Many Requests"),
    (431, "Request Header Fields Too Large"),
    (500, "Internal Server Error"),
    (501, "Not Implemented"),
    (502, "Bad Gateway"),
    (503, "Service Unavailable"),
    (504, "Gateway Timeout"),
    (505, "HTTP Version Not Supported"),
];
