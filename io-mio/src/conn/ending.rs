//! How a connection ended, and why.

use std::time::Duration;
use std::{fmt, io};

use sansws::handshake::HandshakeError;
use sansws::{CloseCode, Expired, ProtocolError};

use crate::target::proxy::ProxyError;
use crate::target::redirect::RedirectError;

/// How a connection ended.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Closed<'a> {
    /// The status code that the peer sent; 1005 if its Close frame had none, 1006 if there was no
    /// Close frame (RFC 6455 §7.1.5).
    pub code: CloseCode,
    /// The reason that the peer sent. For a log: it must not be shown to end users (§5.5.1).
    pub reason: &'a str,
    /// Whether both Close frames were exchanged (§7.1.4).
    pub was_clean: bool,
    /// Who began.
    pub by: By,
    /// What went wrong, if something did.
    pub cause: Option<&'a Cause>,
}

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    /// This one: the application closed, a limit or a time-out was exceeded, the peer's bytes were
    /// wrong.
    Local,
    /// The other: a Close frame, a refusal, or the end of its stream came unasked.
    Remote,
}

/// Why a connection ended otherwise than by a closing handshake.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The peer's stream ended without a Close frame.
    Eof,
    /// The transport broke, or (dialling) could not be set up.
    Io(io::Error),
    /// TLS failed: the server's certificate was not accepted, the handshake went wrong, or a record
    /// was forged.
    #[cfg(feature = "__tls")]
    Tls(rustls::Error),
    /// The stream ended without TLS's close_notify and without a Close frame: somebody on the way
    /// may have cut it off.
    #[cfg(feature = "__tls")]
    TlsTruncated,
    /// The peer broke the protocol or exceeded the limits of
    /// [`Settings::message`](crate::Settings::message).
    Protocol(ProtocolError),
    /// A time-out.
    TimedOut(Expired),
    /// More was queued than [`SlowConsumer`](crate::SlowConsumer) allows.
    SlowConsumer,
    /// More control frames than
    /// [`Settings::max_control_frames`](crate::Settings::max_control_frames) came at once.
    TooManyControlFrames,
    /// The messages in progress of all connections took more than
    /// [`Settings::max_incomplete_bytes`](crate::Settings::max_incomplete_bytes), and this one's
    /// was the largest.
    TooManyIncompleteBytes,
    /// The loop shut down.
    Shutdown,
    /// The application gave the connection up: [`Peer::fail`](crate::Peer::fail),
    /// [`EventLoop::abort`](crate::EventLoop::abort).
    Aborted,
    /// Dialling: the server's name was not resolved. The kind of the error is `TimedOut` if there
    /// was no answer within [`Connect::connect_timeout`](crate::Connect::connect_timeout).
    Resolve(io::Error),
    /// Dialling: the server, or the proxy, whose address is known, was not reached in time; see
    /// [`Connect::connect_timeout`](crate::Connect::connect_timeout).
    ConnectTimedOut,
    /// Dialling: there is no way through the proxy.
    Proxy(ProxyError),
    /// Dialling: the server redirected to where the client does not go.
    Redirect(RedirectError),
    /// Dialling: the server's response is not a correct handshake.
    Handshake(HandshakeError),
    /// Dialling: the server answered with this status instead of 101.
    ///
    /// A response whose content did not arrive whole, because the stream ended or broke, or the
    /// [deadline](crate::Connect::handshake_timeout) passed, or the application gave up, is this
    /// cause too.
    Refused {
        /// The HTTP status code.
        status: u16,
        /// What the server said about it, often text or HTML: as much of the response's content as
        /// came in time, at most
        /// [`Settings::max_refusal_content`](crate::Settings::max_refusal_content) bytes. The
        /// chunked coding is undone, any other is not.
        ///
        /// These are the server's bytes, whatever they are: not to be written to a terminal, a log
        /// or a page as they are.
        content: Box<[u8]>,
        /// When the server wants to be asked again: what its `Retry-After` (RFC 9110 §10.2.3) says,
        /// in seconds or as a date, counted from when the response came. `None`: there is none, or
        /// it is neither.
        retry_after: Option<Duration>,
    },
}

impl Cause {
    /// What an error of reading or writing means.
    pub(crate) fn of_transport(error: io::Error) -> Self {
        #[cfg(feature = "__tls")]
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Self::Tls(tls.clone());
        }
        #[cfg(feature = "__tls")]
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::TlsTruncated;
        }
        Self::Io(error)
    }

    /// Whether it tells how the transport ended.
    pub(crate) fn is_of_transport(&self) -> bool {
        #[cfg(feature = "__tls")]
        if matches!(self, Self::Tls(_) | Self::TlsTruncated) {
            return true;
        }
        matches!(self, Self::Io(_) | Self::Eof)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eof => f.write_str("the peer ended the stream without a Close frame"),
            Self::Io(error) => error.fmt(f),
            #[cfg(feature = "__tls")]
            Self::Tls(error) => write!(f, "TLS: {}", on_one_line(&error.to_string())),
            #[cfg(feature = "__tls")]
            Self::TlsTruncated => f.write_str("the peer ended the stream without TLS close_notify"),
            Self::Protocol(error) => error.fmt(f),
            Self::TimedOut(Expired::Handshake) => f.write_str("no opening handshake in time"),
            Self::TimedOut(Expired::Pong) => f.write_str("no sign of life in time"),
            Self::TimedOut(Expired::Idle) => f.write_str("silent for too long"),
            Self::TimedOut(_) => f.write_str("the connection did not close in time"),
            Self::SlowConsumer => f.write_str("the peer reads too slowly"),
            Self::TooManyControlFrames => f.write_str("too many control frames"),
            Self::TooManyIncompleteBytes => f.write_str("too many bytes of messages in progress"),
            Self::Shutdown => f.write_str("shutting down"),
            Self::Aborted => f.write_str("given up"),
            Self::Resolve(error) => write!(f, "the server's name was not resolved: {error}"),
            Self::ConnectTimedOut => f.write_str("the server was not reached in time"),
            Self::Proxy(error) => error.fmt(f),
            Self::Redirect(error) => error.fmt(f),
            Self::Handshake(error) => error.fmt(f),
            Self::Refused { status, .. } => write!(f, "the server refused with HTTP status {status}"),
        }
    }
}

/// An error of TLS may quote names from a certificate, which the peer chose: no line of a log ends
/// in them, and no terminal obeys them.
#[cfg(feature = "__tls")]
fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(all(test, feature = "__tls"))]
mod tests {
    use super::*;

    #[test]
    fn names_in_certificates_write_no_lines_of_logs() {
        let quoted = "not valid for \"é\r\n[ERROR] forged\u{1b}[31m\u{85}\"";
        assert_eq!(on_one_line(quoted), "not valid for \"é\\r\\n[ERROR] forged\\u{1b}[31m\\u{85}\"");
    }
}
