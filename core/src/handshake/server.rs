//! The server's side of the opening handshake, RFC 6455
//! [§4.2](https://datatracker.ietf.org/doc/html/rfc6455#section-4.2).

#[cfg(feature = "alloc")]
pub use super::acceptor::Acceptor;
use super::error::HandshakeError;
use super::head::{DEFAULT_MAX_HEAD_LEN, HeadReader, HeaderStorage};
pub use super::refusal::{Reject, method_of, reason_phrase, refuse};
pub use super::request::Request;
pub use super::upgrade::{Accept, Upgrade};
use crate::connection::{Config, Connection};
use crate::output::Output;

/// Performs the opening handshake in one call: reads a request, writes the response, returns the
/// connection.
///
/// `input` holds all bytes that arrived so far. `None` means that the head is incomplete: keep the
/// bytes, read more, call again. The connection comes with the length of the head: the bytes after
/// it are frames, which [`Connection::receive`] takes first.
///
/// ```
/// use sansws::handshake::server;
/// use sansws::{Config, SliceOutput};
///
/// let input = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
/// let mut tx = [0; 256];
/// let mut out = SliceOutput::new(&mut tx);
/// let (connection, used) = server::accept(input, &Config::default(), &mut out)?.expect("a whole head");
/// assert_eq!(used, input.len());
/// assert!(out.filled().starts_with(b"HTTP/1.1 101 "));
/// # let _ = connection;
/// # Ok::<(), sansws::handshake::HandshakeError>(())
/// ```
///
/// It accepts every resource name and every Origin and chooses no subprotocol and no extension. A
/// server that browsers can reach and that trusts cookies or its network must check the Origin
/// (§10.2): use [`Acceptor::receive_with`] or, without a heap, [`Request::parse`],
/// [`Request::upgrade`] and [`Upgrade::accept`].
///
/// A head has at most [`DEFAULT_MAX_HEAD_LEN`] bytes and 64 headers. Each call reads `input` from
/// the start. If a client may send byte by byte, ask a [`HeadReader`] first.
///
/// # Errors
///
/// Those of [`HeadReader::find_end`], [`Request::parse`] and [`Request::upgrade`]. The response
/// that refuses the request is in `out` if there was room for it: send it and close the transport.
///
/// [`HandshakeError::OutputFull`] if there is no room for the response that accepts the request.
/// Then nothing was written: call again with the same `input` and more room, about 130 bytes.
pub fn accept(
    input: &[u8],
    config: &Config,
    out: &mut (impl Output + ?Sized),
) -> Result<Option<(Connection, usize)>, HandshakeError> {
    let result = accept_or_err(input, config, out);
    match &result {
        // The request is valid, and can still be accepted.
        Ok(_) | Err(HandshakeError::OutputFull) => {}
        Err(error) => {
            // Without room for it the transport is closed without a response.
            let _ = refuse(error, method_of(input), out);
        }
    }
    result
}

fn accept_or_err(
    input: &[u8],
    config: &Config,
    out: &mut (impl Output + ?Sized),
) -> Result<Option<(Connection, usize)>, HandshakeError> {
    let Some(used) = HeadReader::new(DEFAULT_MAX_HEAD_LEN).find_end(input)? else { return Ok(None) };
    let mut storage = HeaderStorage::new();
    let request = Request::parse_head(&input[..used], &mut storage)?;
    let connection = request.upgrade()?.accept_plain(config, out)?;
    Ok(Some((connection, used)))
}
