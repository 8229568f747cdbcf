//! What can be wrong with a call, and with a connection.

use std::time::Duration;
use std::{fmt, io};

use sansws::handshake::{Argument, HandshakeError};
use sansws::{Expired, ProtocolError};

use crate::conn::ending::Cause;
use crate::target::connect_error::ConnectError;
use crate::target::proxy::ProxyError;
use crate::target::redirect::RedirectError;

/// What `new WebSocket(url, protocols)` refuses: the standard's `SyntaxError`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyntaxError {
    /// Not an absolute URL.
    Url(url::ParseError),
    /// The scheme is not one of `ws`, `wss`, `http`, `https` and, on Unix, `ws+unix`.
    Scheme,
    /// The URL has a fragment (`#…`, an empty one too). RFC 6455 §3 has none, and it is not cut off
    /// in silence.
    Fragment,
    /// A subprotocol is not a token, or is there twice.
    Protocol,
    /// Not of the standard: something that the program added to the request cannot be written.
    Request(Argument),
    /// Not of the standard: the connection cannot be dialled as it was said.
    Connect(ConnectError),
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => write!(f, "not a URL: {error}"),
            Self::Scheme => f.write_str("the URL's scheme is none of ws, wss, http and https"),
            Self::Fragment => f.write_str("the URL has a fragment"),
            Self::Protocol => f.write_str("a subprotocol is not a token, or is there twice"),
            Self::Request(argument) => HandshakeError::Argument(*argument).fmt(f),
            Self::Connect(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SyntaxError {}

/// `send` before the connection is open: the standard's `InvalidStateError`. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidStateError;

impl fmt::Display for InvalidStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is not open yet")
    }
}

impl std::error::Error for InvalidStateError {}

/// What `close(code, reason)` refuses. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseError {
    /// The standard's `InvalidAccessError`: the code is neither 1000 nor in 3000–4999.
    InvalidAccess,
    /// The standard's `SyntaxError`: the reason is longer than 123 bytes of UTF-8.
    Syntax,
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidAccess => "the status code is neither 1000 nor in 3000–4999",
            Self::Syntax => "the close reason is longer than 123 bytes",
        })
    }
}

impl std::error::Error for CloseError {}

/// Why a connection failed or could not be set up.
///
/// A page may not know (it could explore the user's network); a native program may.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureCause {
    /// The name has no address, or had none in time.
    Resolve(String),
    /// The server was not reached in time.
    ConnectTimedOut,
    /// There is no way through the proxy.
    Proxy(String),
    /// The proxy answered with this HTTP status. 407: it wants credentials, or others.
    ProxyRefused(u16),
    /// The server redirected to where the client does not go.
    Redirect(RedirectError),
    /// The server's certificate was not accepted, or the server did not accept the client's.
    Certificate(String),
    /// TLS failed in another way.
    Tls(String),
    /// The transport broke, or could not be set up: refused, unreachable, reset.
    Io(io::ErrorKind, String),
    /// The server answered with this HTTP status instead of 101.
    Refused {
        /// The status code.
        status: u16,
        /// The beginning of the response's content, or all of it; see [`Cause::Refused`].
        content: Box<[u8]>,
        /// When the server wants to be asked again, from the response on; see [`Cause::Refused`].
        retry_after: Option<Duration>,
    },
    /// The server's response is not a correct opening handshake, or lacks a subprotocol that was
    /// asked for.
    Handshake(HandshakeError),
    /// The server broke the protocol or exceeded a limit.
    Protocol(ProtocolError),
    /// A time-out: of the opening handshake, for a sign of life, or of the closing handshake.
    TimedOut(Expired),
    /// The server's stream ended without a Close frame.
    Eof,
    /// `send` was given more than may be buffered.
    BufferFull,
    /// `close` was called, or the object dropped, before the connection was open.
    ClosedByProgram,
    /// A callback panicked.
    CallbackPanicked,
    /// [`ReliableBuilder::prepare`](crate::ReliableBuilder::prepare): the attempt was not prepared,
    /// for this reason.
    NotPrepared(String),
    /// No sign of life after a [`Heartbeat`](crate::Heartbeat).
    HeartbeatMissed,
    /// The client thread has ended.
    Stopped,
    /// The client thread could not be started, see [`Clients::shared`](crate::Clients::shared).
    NoClientThread(String),
    /// Something else, in words.
    Other(String),
}

impl From<&Cause> for FailureCause {
    fn from(cause: &Cause) -> Self {
        match cause {
            Cause::Eof => Self::Eof,
            Cause::Io(error) => Self::Io(error.kind(), error.to_string()),
            Cause::Protocol(error) => Self::Protocol(*error),
            Cause::TimedOut(expired) => Self::TimedOut(*expired),
            Cause::Shutdown => Self::Stopped,
            Cause::Aborted => Self::ClosedByProgram,
            Cause::Handshake(error) => Self::Handshake(*error),
            Cause::Resolve(error) => Self::Resolve(error.to_string()),
            Cause::ConnectTimedOut => Self::ConnectTimedOut,
            Cause::Proxy(ProxyError::Refused { status }) => Self::ProxyRefused(*status),
            Cause::Proxy(error) => Self::Proxy(error.to_string()),
            Cause::Redirect(error) => Self::Redirect(*error),
            #[cfg(feature = "__tls")]
            Cause::Tls(error) if is_of_certificate(error) => Self::Certificate(cause.to_string()),
            #[cfg(feature = "__tls")]
            Cause::Tls(_) | Cause::TlsTruncated => Self::Tls(cause.to_string()),
            Cause::Refused { status, content, retry_after } => {
                Self::Refused { status: *status, content: content.clone(), retry_after: *retry_after }
            }
            other => Self::Other(other.to_string()),
        }
    }
}

/// Whether somebody has to replace a certificate, or trust it, before TLS succeeds.
#[cfg(feature = "__tls")]
fn is_of_certificate(error: &rustls::Error) -> bool {
    use rustls::AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => true,
        // RFC 8446 §6.2: what the server says to the client's certificate, or to the lack of one.
        rustls::Error::AlertReceived(alert) => matches!(
            alert,
            Alert::NoCertificate
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied
                | Alert::CertificateRequired
        ),
        _ => false,
    }
}

impl fmt::Display for FailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(text)
            | Self::Io(_, text)
            | Self::Proxy(text)
            | Self::Certificate(text)
            | Self::Tls(text)
            | Self::Other(text) => f.write_str(text),
            Self::ConnectTimedOut => Cause::ConnectTimedOut.fmt(f),
            Self::ProxyRefused(status) => ProxyError::Refused { status: *status }.fmt(f),
            Self::Redirect(error) => error.fmt(f),
            Self::Refused { status, .. } => {
                Cause::Refused { status: *status, content: Box::default(), retry_after: None }.fmt(f)
            }
            Self::Handshake(error) => error.fmt(f),
            Self::Protocol(error) => error.fmt(f),
            Self::TimedOut(expired) => Cause::TimedOut(*expired).fmt(f),
            Self::Eof => f.write_str("the server ended the stream without a Close frame"),
            Self::BufferFull => f.write_str("more was sent than may be buffered"),
            Self::ClosedByProgram => f.write_str("given up by the program"),
            Self::CallbackPanicked => f.write_str("a callback panicked"),
            Self::NotPrepared(text) => write!(f, "the attempt was not prepared: {text}"),
            Self::HeartbeatMissed => f.write_str("no sign of life after a heartbeat"),
            Self::Stopped => f.write_str("the client thread has ended"),
            Self::NoClientThread(text) => write!(f, "the client thread could not be started: {text}"),
        }
    }
}

#[cfg(all(test, feature = "__tls"))]
mod tests {
    use rustls::{AlertDescription, CertificateError, Error};

    use super::*;

    #[test]
    fn certificates_are_told_from_other_failures_of_tls() {
        for (error, is_of_certificate) in [
            (Error::InvalidCertificate(CertificateError::Expired), true),
            (Error::InvalidCertificate(CertificateError::UnknownIssuer), true),
            // The server does not accept ours, or wants one.
            (Error::AlertReceived(AlertDescription::UnknownCA), true),
            (Error::AlertReceived(AlertDescription::CertificateRequired), true),
            (Error::AlertReceived(AlertDescription::InternalError), false),
            (Error::AlertReceived(AlertDescription::HandshakeFailure), false),
            (Error::DecryptError, false),
        ] {
            let cause = FailureCause::from(&Cause::Tls(error));
            assert_eq!(matches!(cause, FailureCause::Certificate(_)), is_of_certificate, "{cause:?}");
        }
        assert!(matches!(FailureCause::from(&Cause::TlsTruncated), FailureCause::Tls(_)));
    }
}
