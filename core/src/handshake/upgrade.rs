//! A request that may become a connection, and the response that makes it one, RFC 6455 §4.2.2.

use core::fmt;

use super::deflate;
use super::error::{Argument, Field, HandshakeError};
use super::extensions::Extensions;
use super::head::Fields;
use super::key::accept_value;
use super::request::Request;
use super::syntax::trim;
use super::write::{check_headers, check_value, write_whole};
use crate::connection::{Config, Connection};
use crate::output::{Output, OutputFull};

/// A request that passed every check of §4.2.1 and waits for its response.
#[derive(Debug, Clone, Copy)]
pub struct Upgrade<'h, 'b> {
    request: Request<'h, 'b>,
    /// `None` for an extended CONNECT.
    accept: Option<[u8; 28]>,
}

impl<'h, 'b> Request<'h, 'b> {
    /// Checks the request as §4.2.1 requires; an extended CONNECT as RFC 8441 §5 does. The
    /// application judges resource name and Origin, before or after.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong. [`refuse`](super::server::refuse) writes the response for it.
    pub fn upgrade(&self) -> Result<Upgrade<'h, 'b>, HandshakeError> {
        Ok(Upgrade { request: *self, accept: self.check()?.map(accept_value) })
    }
}

impl<'h, 'b> Upgrade<'h, 'b> {
    /// Returns the request.
    #[must_use]
    pub const fn request(&self) -> &Request<'h, 'b> {
        &self.request
    }

    /// Returns the status of the response that establishes the connection: 101, or 200 for an
    /// extended CONNECT.
    #[must_use]
    pub const fn status(&self) -> u16 {
        if self.accept.is_some() { 101 } else { 200 }
    }

    /// Writes the HTTP/1.1 response that establishes the connection (§4.2.2, 101 Switching
    /// Protocols), all of it or nothing.
    ///
    /// The bytes after the head of the request are frames: pass them to
    /// [`Connection::receive`](crate::Connection::receive) first.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Argument`] if `accept` is not a possible answer to this request, or if the
    /// request is an extended CONNECT. [`HandshakeError::OutputFull`].
    pub fn accept(
        &self,
        accept: &Accept<'_>,
        config: &Config,
        out: &mut (impl Output + ?Sized),
    ) -> Result<Connection, HandshakeError> {
        if self.accept.is_none() {
            return Err(Argument::ExtendedConnect.into());
        }
        let config = self.check(accept, config)?;
        self.write(accept, out)?;
        Ok(Connection::server(&config))
    }

    /// As [`accept`](Self::accept) with [`Accept::new`], of which nothing has to be checked. A
    /// heapless program that calls nothing else has no code for the rest.
    pub(super) fn accept_plain(
        &self,
        config: &Config,
        out: &mut (impl Output + ?Sized),
    ) -> Result<Connection, HandshakeError> {
        self.write(&Accept::new(), out)?;
        Ok(Connection::server(&Config { compression: false, ..*config }))
    }

    fn write(&self, accept: &Accept<'_>, out: &mut (impl Output + ?Sized)) -> Result<(), OutputFull> {
        write_whole(out, &|w| {
            w.text("HTTP/1.1 101 Switching Protocols\r\n");
            self.headers(accept, &mut |name, value| w.header(name, value));
            w.text("\r\n");
        })
    }

    /// Hands over the headers of the response that establishes the connection, for an HTTP library
    /// that writes it with [`status`](Self::status).
    ///
    /// `header` is called with name and value of each header. Names have their usual case in
    /// HTTP/1.1; HTTP/2 and HTTP/3 require lower case.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Argument`] if `accept` is not a possible answer to this request. `header`
    /// was not called then.
    pub fn accept_parts(
        &self,
        accept: &Accept<'_>,
        config: &Config,
        mut header: impl FnMut(&str, &str),
    ) -> Result<Connection, HandshakeError> {
        let config = self.check(accept, config)?;
        self.headers(accept, &mut |name, value| {
            // All values are text: those of `accept` and base64.
            header(name, core::str::from_utf8(value).expect("values are text"));
        });
        Ok(Connection::server(&config))
    }

    /// Checks that `accept` answers the request. Returns the configuration with what was agreed on.
    fn check(&self, accept: &Accept<'_>, config: &Config) -> Result<Config, HandshakeError> {
        check_headers(accept.headers)?;
        // §4.2.2: "The value chosen MUST be derived from the client's handshake"; without one the
        // header is left out.
        if accept
            .subprotocol
            .is_some_and(|chosen| !self.request.subprotocols().any(|offered| offered == chosen))
        {
            return Err(Argument::Subprotocol.into());
        }
        let mut compression = false;
        if let Some(chosen) = accept.extensions {
            check_value(chosen)?;
            let mut chosen = Extensions::parse(chosen)?;
            compression = deflate::is_agreed(chosen.clone(), self.request.extensions())
                .map_err(|_| Argument::Extensions)?;
            // §9: "A server MUST NOT respond with any extension not requested by the client."
            let offered = |name| self.request.extensions().any(|extension| extension.name == name);
            if !chosen.all(|extension| offered(extension.name)) {
                return Err(Argument::Extensions.into());
            }
        }
        // §5.2: RSV1 "MUST be 0 unless an extension is negotiated that defines meanings for
        // non-zero values".
        Ok(Config { compression: config.compression && compression, ..*config })
    }

    fn headers(&self, accept: &Accept<'_>, header: &mut dyn FnMut(&str, &[u8])) {
        if let Some(key) = &self.accept {
            header(Field::Upgrade.name(), b"websocket");
            header(Field::Connection.name(), b"Upgrade");
            header(Field::Accept.name(), key);
        }
        if let Some(subprotocol) = accept.subprotocol {
            header(Field::Subprotocol.name(), subprotocol.as_bytes());
        }
        if let Some(extensions) = accept.extensions {
            header(Field::Extensions.name(), trim(extensions.as_bytes()));
        }
        for (name, value) in accept.headers {
            header(name, value.as_bytes());
        }
    }
}

/// How a server accepts a request. By default it chooses no subprotocol and no extension.
///
/// ```
/// use sansws::handshake::server::Accept;
///
/// let accept = Accept::new().subprotocol(Some("chat")).headers(&[("Set-Cookie", "id=1")]);
/// assert_eq!(accept.subprotocol, Some("chat"));
/// ```
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub struct Accept<'a> {
    /// The subprotocol: one of [`Request::subprotocols`].
    pub subprotocol: Option<&'a str>,
    /// The extensions, as the value of Sec-WebSocket-Extensions, each one offered by the client.
    pub extensions: Option<&'a str>,
    /// More headers, such as Set-Cookie. Those of the opening handshake itself are not allowed.
    pub headers: &'a [(&'a str, &'a str)],
}

impl<'a> Accept<'a> {
    /// Accepts without a subprotocol, extensions or more headers.
    #[must_use]
    pub const fn new() -> Self {
        Self { subprotocol: None, extensions: None, headers: &[] }
    }

    /// Sets the subprotocol, such as what [`Request::select_subprotocol`] returns.
    #[must_use]
    pub const fn subprotocol(mut self, name: Option<&'a str>) -> Self {
        self.subprotocol = name;
        self
    }

    /// Sets the extensions.
    #[must_use]
    pub const fn extensions(mut self, value: Option<&'a str>) -> Self {
        self.extensions = value;
        self
    }

    /// Sets more headers.
    #[must_use]
    pub const fn headers(mut self, headers: &'a [(&'a str, &'a str)]) -> Self {
        self.headers = headers;
        self
    }
}

impl fmt::Debug for Accept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subprotocol, extensions, headers } = self;
        f.debug_struct("Accept")
            .field("subprotocol", subprotocol)
            .field("extensions", extensions)
            .field("headers", &Fields(headers))
            .finish()
    }
}
