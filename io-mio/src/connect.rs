//! What is said about a connection before it is dialled.

use std::net::SocketAddr;
#[cfg(unix)]
use std::path::{Path, PathBuf};

use sansws::{Uri, UriError};

use crate::accept::SlowConsumer;

/// A connection to dial: [`EventLoop::connect`](crate::EventLoop::connect), [`Peer::connect`](crate::Peer::connect),
/// [`Context::connect`](crate::Context::connect).
///
/// The session goes to the [`Handler`](crate::Handler), which is called about the connection as about an accepted one. If dialling fails,
/// only [`Handler::close`](crate::Handler::close) is called, with the cause.
///
/// Names are not resolved here: the URL says what the server is to be asked for, the address says where it is.
#[derive(Debug, Clone)]
pub struct Connect<S> {
    pub(crate) address: Address,
    pub(crate) authority: String,
    pub(crate) resource: String,
    pub(crate) origin: Option<String>,
    pub(crate) subprotocols: Vec<String>,
    pub(crate) subprotocol_required: bool,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) streaming: bool,
    pub(crate) slow_consumer: SlowConsumer,
    pub(crate) concurrent: bool,
    pub(crate) session: S,
}

/// Where a server is.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix(PathBuf),
}

impl<S> Connect<S> {
    /// A connection over TCP. `url` is a `ws:` one.
    ///
    /// # Errors
    ///
    /// [`ConnectError`]: the URL is not one of RFC 6455 §3, or is `wss:`, which needs TLS.
    pub fn new(url: &str, address: SocketAddr, session: S) -> Result<Self, ConnectError> {
        Self::to(url, Address::Tcp(address), session)
    }

    /// A connection over a Unix-domain socket. `url` is a `ws:` one and gives the `Host` header and the resource.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    #[cfg(unix)]
    pub fn unix(url: &str, path: impl AsRef<Path>, session: S) -> Result<Self, ConnectError> {
        Self::to(url, Address::Unix(path.as_ref().to_owned()), session)
    }

    fn to(url: &str, address: Address, session: S) -> Result<Self, ConnectError> {
        let uri = Uri::parse(url).map_err(ConnectError::Url)?;
        if uri.secure() {
            return Err(ConnectError::TlsUnavailable);
        }
        Ok(Self {
            address,
            authority: uri.authority().to_string(),
            resource: uri.resource().to_string(),
            origin: None,
            subprotocols: Vec::new(),
            subprotocol_required: false,
            headers: Vec::new(),
            streaming: false,
            slow_consumer: SlowConsumer::default(),
            concurrent: false,
            session,
        })
    }

    /// Adds a header to the request.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Offers a subprotocol; the one offered first is liked best (§4.1).
    #[must_use]
    pub fn subprotocol(mut self, name: &str) -> Self {
        self.subprotocols.push(name.into());
        self
    }

    /// Whether a server that selects none of the offered subprotocols is refused. Default `false`, as RFC 6455 has it; browsers refuse.
    #[must_use]
    pub fn subprotocol_required(mut self, on: bool) -> Self {
        self.subprotocol_required = on;
        self
    }

    /// Sets the `Origin` header, as a browser would.
    #[must_use]
    pub fn origin(mut self, origin: &str) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Whether messages are handed out in pieces as they arrive, to [`Handler::chunk`](crate::Handler::chunk). Default `false`.
    #[must_use]
    pub fn streaming(mut self, on: bool) -> Self {
        self.streaming = on;
        self
    }

    /// What to do when the server reads more slowly than it is sent to.
    #[must_use]
    pub fn slow_consumer(mut self, policy: SlowConsumer) -> Self {
        self.slow_consumer = policy;
        self
    }

    /// Whether to dial although another connection to the same IP address and port is still being set up. Default `false`.
    ///
    /// §4.1: "There MUST be no more than one connection in a CONNECTING state" to one address. Load generators and servers that dial
    /// others may want it otherwise.
    #[must_use]
    pub fn concurrent(mut self, on: bool) -> Self {
        self.concurrent = on;
        self
    }
}

/// Why a [`Connect`] could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// Not a WebSocket URL.
    Url(UriError),
    /// A `wss:` URL: TLS is not available.
    TlsUnavailable,
}

impl std::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::TlsUnavailable => f.write_str("wss: needs TLS, which is not available"),
        }
    }
}

impl std::error::Error for ConnectError {}
