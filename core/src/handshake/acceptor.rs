//! The server's side for a request that arrives in pieces.

use alloc::vec::Vec;
use core::{fmt, mem};

use super::error::HandshakeError;
use super::head::{DEFAULT_MAX_HEAD_LEN, HeadReader, HeaderStorage};
use super::refusal::{Reject, method_of, refuse};
use super::request::Request;
use super::upgrade::Accept;
use crate::connection::{Config, Connection};
use crate::output::Output;

/// Accepts a request that may arrive in pieces, and lets the application judge it.
///
/// ```
/// use sansws::Config;
/// use sansws::handshake::server::{Accept, Acceptor, Reject};
///
/// let mut bytes = *b"GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
///     Sec-WebSocket-Protocol: v1, v2\r\n\r\n\x81\x80\x00";
/// let (head, tail) = bytes.split_at_mut(40);
/// let (config, mut out) = (Config::default(), Vec::new());
/// let mut acceptor = Acceptor::new();
///
/// let mut input = head;
/// assert!(acceptor.receive(&mut input, &config, &mut out)?.is_none()); // read on
/// let mut input = tail;
/// let connection = acceptor.receive_with(&mut input, &config, &mut out, |request| {
///     if request.is_cross_origin(false) {
///         Err(Reject::new(403))
///     } else if request.path() == "/chat" {
///         Ok(Accept::new().subprotocol(request.select_subprotocol(&["v2", "v1"])))
///     } else {
///         Err(Reject::new(404).body(b"only /chat\n"))
///     }
/// })?;
/// assert!(connection.is_some() && out.starts_with(b"HTTP/1.1 101 "));
/// assert_eq!(input, b"\x81\x80\x00"); // the beginning of a frame, for the connection
/// # Ok::<(), sansws::handshake::HandshakeError>(())
/// ```
#[derive(Clone)]
pub struct Acceptor {
    head: Vec<u8>,
    reader: HeadReader,
    max_head_len: usize,
    /// Why the request was refused. The refusal is written once.
    refused: Option<HandshakeError>,
    /// The connection was returned.
    is_done: bool,
}

impl Acceptor {
    /// Creates an acceptor for one request of at most [`DEFAULT_MAX_HEAD_LEN`] bytes.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            head: Vec::new(),
            reader: HeadReader::new(DEFAULT_MAX_HEAD_LEN),
            max_head_len: DEFAULT_MAX_HEAD_LEN,
            refused: None,
            is_done: false,
        }
    }

    /// Sets the longest head in bytes. Call it before the first byte is received.
    #[must_use]
    pub const fn max_head_len(mut self, max_len: usize) -> Self {
        self.max_head_len = max_len;
        self.reader = HeadReader::new(max_len);
        self
    }

    /// Takes the bytes of a request off `input`, and accepts every valid request for a WebSocket.
    ///
    /// As [`receive_with`](Self::receive_with) with a `judge` that returns [`Accept::new`].
    ///
    /// # Errors
    ///
    /// As [`receive_with`](Self::receive_with).
    pub fn receive(
        &mut self,
        input: &mut &mut [u8],
        config: &Config,
        out: &mut (impl Output + ?Sized),
    ) -> Result<Option<Connection>, HandshakeError> {
        self.receive_with(input, config, out, |_| Ok(Accept::new()))
    }

    /// Takes the bytes of a request off `input`. Returns the connection once the request is
    /// complete and `judge` accepts it; the bytes left in `input` are frames then. Returns `None`
    /// if it needs more: all of `input` was taken.
    ///
    /// After it returned the connection, it leaves `input` alone and returns `None`.
    ///
    /// `judge` is called with a request that passed the checks of
    /// [`Request::upgrade`](super::server::Request::upgrade). It returns how to accept the request,
    /// or the response that rejects it: any status, with headers such as Retry-After and with
    /// content.
    ///
    /// # Errors
    ///
    /// Those of [`Request::parse`](super::server::Request::parse) and
    /// [`Request::upgrade`](super::server::Request::upgrade); [`HandshakeError::Rejected`] if
    /// `judge` rejected the request; [`HandshakeError::Argument`] if what it returned cannot be
    /// written. The refusal is in `out`: send it and close the transport. Later calls return the
    /// same error and write nothing.
    ///
    /// [`HandshakeError::OutputFull`] is the exception: the acceptor keeps the request, `input`
    /// holds what came after it, and the next call, with this `input` and more room, asks `judge`
    /// again.
    pub fn receive_with<'j>(
        &mut self,
        input: &mut &mut [u8],
        config: &Config,
        out: &mut (impl Output + ?Sized),
        judge: impl FnOnce(&Request<'_, '_>) -> Result<Accept<'j>, Reject<'j>>,
    ) -> Result<Option<Connection>, HandshakeError> {
        if let Some(error) = self.refused {
            *input = &mut [];
            return Err(error);
        }
        if self.is_done {
            return Ok(None);
        }
        let before = self.head.len();
        // No more than the longest head is kept: the reader refuses a head that does not end within
        // it.
        let len = input.len().min(self.max_head_len.saturating_sub(before));
        self.head.extend_from_slice(&input[..len]);
        let end = match self.reader.find_end(&self.head) {
            Ok(Some(end)) => end,
            Ok(None) => {
                *input = &mut [];
                return Ok(None);
            }
            Err(error) => return Err(self.refuse(error, out)),
        };
        // What came after the head stays with the caller.
        self.head.truncate(end);
        *input = &mut mem::take(input)[end.saturating_sub(before)..];
        match answer(&self.head, config, out, judge) {
            Ok(connection) => {
                (self.head, self.is_done) = (Vec::new(), true);
                Ok(Some(connection))
            }
            Err(HandshakeError::OutputFull) => Err(HandshakeError::OutputFull),
            // Its response is written.
            Err(error @ HandshakeError::Rejected(_)) => Err(self.give_up(error)),
            Err(error) => Err(self.refuse(error, out)),
        }
    }

    fn refuse(&mut self, error: HandshakeError, out: &mut (impl Output + ?Sized)) -> HandshakeError {
        // Without room for the refusal the transport is closed without one.
        let _ = refuse(&error, method_of(&self.head), out);
        self.give_up(error)
    }

    /// Keeps the error and nothing of the request.
    fn give_up(&mut self, error: HandshakeError) -> HandshakeError {
        self.refused = Some(error);
        self.head = Vec::new();
        error
    }
}

fn answer<'j>(
    head: &[u8],
    config: &Config,
    out: &mut (impl Output + ?Sized),
    judge: impl FnOnce(&Request<'_, '_>) -> Result<Accept<'j>, Reject<'j>>,
) -> Result<Connection, HandshakeError> {
    let mut storage = HeaderStorage::new();
    let request = Request::parse_head(head, &mut storage)?;
    let upgrade = request.upgrade()?;
    match judge(&request) {
        Ok(accept) => upgrade.accept(&accept, config, out),
        Err(reject) => {
            reject.write(out)?;
            Err(HandshakeError::Rejected(reject.status))
        }
    }
}

/// Debug output ends up in logs, and a request may have credentials.
impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("head_len", &self.head.len())
            .field("refused", &self.refused)
            .finish_non_exhaustive()
    }
}

impl Default for Acceptor {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn nothing_is_kept_of_a_request_that_is_refused() {
        for last in [vec![b'x'; 100_000], b"\n".to_vec(), b"\r\n\r\n".to_vec()] {
            let (mut acceptor, mut out) = (Acceptor::default(), Vec::new());
            let mut line = [b'x'; DEFAULT_MAX_HEAD_LEN - 10];
            assert!(acceptor.receive(&mut &mut line[..], &Config::default(), &mut out).unwrap().is_none());
            assert_eq!(acceptor.head.len(), line.len());
            assert!(acceptor.receive(&mut &mut last.clone()[..], &Config::default(), &mut out).is_err());
            assert_eq!(acceptor.head.capacity(), 0);
        }
    }
}
