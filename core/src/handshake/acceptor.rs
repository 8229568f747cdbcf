//! The server's short way for requests that arrive in pieces.

use alloc::vec::Vec;
use core::{fmt, mem};

use super::error::HandshakeError;
use super::head::{DEFAULT_MAX_HEAD_LEN, HeadReader};
use super::server::{accept, refuse};
use crate::connection::{Config, Connection};
use crate::output::Output;

/// [`server::accept`](super::server::accept) for a transport that may cut the request anywhere: it keeps what came so far.
///
/// ```
/// use sansws::Config;
/// use sansws::handshake::server::Acceptor;
///
/// let mut bytes = *b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\x81\x80\x00";
/// let (head, tail) = bytes.split_at_mut(40);
/// let (mut acceptor, mut out) = (Acceptor::default(), Vec::new());
///
/// let mut input = head;
/// assert!(acceptor.receive(&mut input, &Config::default(), &mut out)?.is_none());
/// let mut input = tail;
/// let connection = acceptor.receive(&mut input, &Config::default(), &mut out)?;
/// assert!(connection.is_some() && out.starts_with(b"HTTP/1.1 101 "));
/// assert_eq!(input, b"\x81\x80\x00"); // the beginning of a frame, for the connection
/// # Ok::<(), sansws::handshake::HandshakeError>(())
/// ```
#[derive(Clone)]
pub struct Acceptor {
    head: Vec<u8>,
    reader: HeadReader,
    /// What refused the request; the refusal is written once.
    refused: Option<HandshakeError>,
}

impl Acceptor {
    /// Takes the bytes of a request off `input`. Returns the connection once the request is whole; what `input` still holds then are
    /// frames. `None`: `input` is used up, read on.
    ///
    /// Requests are treated as [`server::accept`](super::server::accept) treats them; a head has at most [`DEFAULT_MAX_HEAD_LEN`] bytes.
    ///
    /// # Errors
    ///
    /// Those of [`server::accept`](super::server::accept). The refusal is in `out`: send it and close the transport. Later calls say the same
    /// and write nothing. Only [`HandshakeError::OutputFull`] does not last: the request is kept, `input` is what came behind it, and
    /// the next call, with this `input` and more room, accepts.
    pub fn receive(
        &mut self,
        input: &mut &mut [u8],
        config: &Config,
        out: &mut (impl Output + ?Sized),
    ) -> Result<Option<Connection>, HandshakeError> {
        if let Some(error) = self.refused {
            *input = &mut [];
            return Err(error);
        }
        let before = self.head.len();
        // More than the longest head is not kept: the reader refuses what does not end within it.
        let len = input.len().min(DEFAULT_MAX_HEAD_LEN.saturating_sub(before));
        self.head.extend_from_slice(input.get(..len).unwrap_or_default());
        let end = match self.reader.find_end(&self.head) {
            Ok(Some(end)) => end,
            Ok(None) => {
                *input = &mut [];
                return Ok(None);
            }
            Err(error) => {
                // Without room for the refusal the transport is closed without one.
                let _ = refuse(&error, out);
                self.give_up(error);
                return Err(error);
            }
        };
        // What came behind the head stays with the caller.
        self.head.truncate(end);
        *input = mem::take(input).get_mut(end.saturating_sub(before)..).unwrap_or_default();
        match accept(&self.head, config, out) {
            Ok(accepted) => {
                // Ready for the next connection.
                *self = Self::default();
                Ok(accepted.map(|(connection, _)| connection))
            }
            Err(HandshakeError::OutputFull) => Err(HandshakeError::OutputFull),
            Err(error) => {
                self.give_up(error);
                Err(error)
            }
        }
    }

    /// Keeps why, and nothing of the request.
    fn give_up(&mut self, error: HandshakeError) {
        self.refused = Some(error);
        self.head = Vec::new();
    }
}

/// What is printed ends up in logs, and a request may have credentials.
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
        Self { head: Vec::new(), reader: HeadReader::new(DEFAULT_MAX_HEAD_LEN), refused: None }
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
