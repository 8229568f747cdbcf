//! Why a [`Connect`](crate::Connect) could not be made.

use sansws::UriError;

/// Why a [`Connect`](crate::Connect) could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// Not a WebSocket URL.
    Url(UriError),
    /// A `wss:` URL: this crate was built without the feature `tls`.
    TlsUnavailable,
    /// The user name or password has a malformed `%`, or something that Basic credentials cannot
    /// carry: a colon in the user name, a control character.
    Credentials,
    /// A `ws+unix:` URL without a path to a socket, or with one that cannot be.
    SocketPath,
    /// The name or value of a cookie has a character that it cannot have.
    Cookie,
}

impl std::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::TlsUnavailable => f.write_str("wss: needs TLS, which is not available"),
            Self::Credentials => {
                f.write_str("the user name or password has a character that cannot be sent, or a malformed %")
            }
            Self::SocketPath => f.write_str("the URL does not name a Unix-domain socket"),
            Self::Cookie => f.write_str("the cookie has a character that cannot be sent"),
        }
    }
}

impl std::error::Error for ConnectError {}
