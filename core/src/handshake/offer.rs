//! What a client asks for, RFC 6455 §4.1 and RFC 8441 §5.

use core::fmt;

use super::error::{Argument, Field, HandshakeError};
use super::extensions::Extensions;
use super::head::Fields;
use super::key::key_value;
use super::subprotocol::are_subprotocols;
use super::write::{check_headers, check_value, write_whole};
use crate::authority::split_host_port;
use crate::output::Output;
use crate::uri::{Uri, is_resource_name};

/// What a client asks for: the request that it writes.
///
/// Two obligations of §4.1 are the caller's: nonce and masking-keys come from a strong source of
/// randomness, and there is at most one connection in its opening handshake per address.
///
/// ```
/// use sansws::{SliceOutput, Uri};
/// use sansws::handshake::client::Offer;
///
/// let uri = Uri::parse("ws://server.example.com/chat")?;
/// let offer = Offer::to(&uri).subprotocols(&["chat"]).headers(&[("Cookie", "id=1")]);
/// let mut tx = [0; 512];
/// let mut out = SliceOutput::new(&mut tx);
/// offer.write(b"the sample nonce", &mut out)?;
/// assert!(out.filled().starts_with(b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Offer<'a> {
    /// The value of the Host header: `host[:port]`, an IPv6 address in brackets, the port only if
    /// it is not the default one. [`Uri::authority`] returns it.
    pub authority: &'a str,
    /// The resource name: path and query. [`Uri::resource_name`] returns it.
    pub resource_name: &'a str,
    /// The origin of the page whose script asks, for clients that are browsers.
    pub origin: Option<&'a str>,
    /// The subprotocols that the client speaks, in order of preference: unique tokens, at most
    /// [`MAX_SUBPROTOCOLS`](super::MAX_SUBPROTOCOLS).
    pub subprotocols: &'a [&'a str],
    /// The extensions that the client offers, as the value of Sec-WebSocket-Extensions.
    pub extensions: Option<&'a str>,
    /// More headers, such as Authorization or Cookie. Those of the opening handshake itself are not
    /// allowed.
    pub headers: &'a [(&'a str, &'a str)],
}

impl<'a> Offer<'a> {
    /// Asks for a resource of a host, without subprotocols, extensions or more headers.
    #[must_use]
    pub const fn new(authority: &'a str, resource_name: &'a str) -> Self {
        Self { authority, resource_name, origin: None, subprotocols: &[], extensions: None, headers: &[] }
    }

    /// Asks for what a URI names. Its user information is not sent.
    #[must_use]
    pub const fn to(uri: &Uri<'a>) -> Self {
        Self::new(uri.authority(), uri.resource_name())
    }

    /// Sets the origin.
    #[must_use]
    pub const fn origin(mut self, origin: Option<&'a str>) -> Self {
        self.origin = origin;
        self
    }

    /// Sets the subprotocols, in order of preference.
    #[must_use]
    pub const fn subprotocols(mut self, names: &'a [&'a str]) -> Self {
        self.subprotocols = names;
        self
    }

    /// Sets the extensions, as the value of Sec-WebSocket-Extensions.
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

    /// Writes the HTTP/1.1 request, all of it or nothing.
    ///
    /// `nonce` must be fresh and random for every handshake: "a nonce consisting of a randomly
    /// selected 16-byte value". Keep it for [`Response::accept`](super::client::Response::accept).
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Argument`] if something in the offer cannot be written,
    /// [`HandshakeError::OutputFull`].
    pub fn write(&self, nonce: &[u8; 16], out: &mut (impl Output + ?Sized)) -> Result<(), HandshakeError> {
        self.check()?;
        let key = key_value(nonce);
        Ok(write_whole(out, &|w| {
            w.text("GET ");
            // §3: the resource name begins with "/" even if the path is empty.
            if !self.resource_name.starts_with('/') {
                w.text("/");
            }
            w.text(self.resource_name);
            w.text(" HTTP/1.1\r\n");
            self.http1_headers(&key, &mut |name, values| {
                w.text(name);
                w.text(": ");
                for (i, value) in values.iter().enumerate() {
                    w.text(if i == 0 { "" } else { ", " });
                    w.text(value);
                }
                w.text("\r\n");
            });
            w.text("\r\n");
        })?)
    }

    /// Hands over the headers of the HTTP/1.1 request, for an HTTP library that writes it.
    ///
    /// `header` is called with name and value of each header, one call for each subprotocol. The
    /// method is GET; the target is [`resource_name`](Self::resource_name), with a `/` before it if
    /// it does not begin with one. `nonce` is as for [`write`](Self::write). Read the answer with
    /// [`Response::from_parts`](super::client::Response::from_parts).
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Argument`] if something in the offer cannot be written. `header` was not
    /// called then.
    pub fn to_parts(
        &self,
        nonce: &[u8; 16],
        mut header: impl FnMut(&str, &str),
    ) -> Result<(), HandshakeError> {
        self.check()?;
        self.http1_headers(&key_value(nonce), &mut one_by_one(&mut header));
        Ok(())
    }

    /// Hands over the headers of an extended CONNECT request (RFC 8441), for an HTTP/2 or HTTP/3
    /// library that writes it.
    ///
    /// The pseudo-headers are the library's: `:method` is `CONNECT`, `:protocol` is `websocket`,
    /// `:scheme` is `https` for `wss:` and `http` for `ws:`, `:authority` is
    /// [`authority`](Self::authority), and `:path` is [`resource_name`](Self::resource_name), with
    /// a `/` before it if it does not begin with one. Names of headers must be converted to lower
    /// case. Read the answer with
    /// [`Response::from_extended_connect`](super::client::Response::from_extended_connect).
    ///
    /// # Errors
    ///
    /// As [`to_parts`](Self::to_parts).
    pub fn to_extended_connect(&self, mut header: impl FnMut(&str, &str)) -> Result<(), HandshakeError> {
        self.check()?;
        self.common_headers(&mut one_by_one(&mut header));
        Ok(())
    }

    /// The headers in the order of §1.3. The values of one header are a list.
    fn http1_headers(&self, key: &[u8; 24], header: &mut dyn FnMut(&str, &[&str])) {
        header(Field::Host.name(), &[self.authority]);
        header(Field::Upgrade.name(), &["websocket"]);
        header(Field::Connection.name(), &["Upgrade"]);
        header(Field::Key.name(), &[core::str::from_utf8(key).expect("base64 is text")]);
        self.common_headers(header);
    }

    /// Those of HTTP/2 too.
    fn common_headers(&self, header: &mut dyn FnMut(&str, &[&str])) {
        if let Some(origin) = self.origin {
            header(Field::Origin.name(), &[origin]);
        }
        if !self.subprotocols.is_empty() {
            header(Field::Subprotocol.name(), self.subprotocols);
        }
        header(Field::Version.name(), &["13"]);
        if let Some(extensions) = self.extensions {
            header(Field::Extensions.name(), &[extensions.trim_matches([' ', '\t'])]);
        }
        for (name, value) in self.headers {
            header(name, &[value]);
        }
    }

    fn check(&self) -> Result<(), Argument> {
        if split_host_port(self.authority).is_err() {
            return Err(Argument::Authority);
        }
        let begins_well = self.resource_name.is_empty() || self.resource_name.starts_with(['/', '?']);
        if !begins_well || !is_resource_name(self.resource_name) {
            return Err(Argument::Resource);
        }
        if let Some(origin) = self.origin {
            check_value(origin)?;
        }
        if !are_subprotocols(self.subprotocols.iter().map(|name| name.as_bytes())) {
            return Err(Argument::Subprotocol);
        }
        if let Some(extensions) = self.extensions {
            check_value(extensions)?;
            Extensions::in_value(extensions).check().map_err(|_| Argument::Extensions)?;
        }
        check_headers(self.headers)
    }
}

fn one_by_one(header: &mut impl FnMut(&str, &str)) -> impl FnMut(&str, &[&str]) {
    |name, values| values.iter().for_each(|value| header(name, value))
}

impl fmt::Debug for Offer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authority, resource_name, origin, subprotocols, extensions, headers } = self;
        f.debug_struct("Offer")
            .field("authority", authority)
            .field("resource_name", resource_name)
            .field("origin", origin)
            .field("subprotocols", subprotocols)
            .field("extensions", extensions)
            .field("headers", &Fields(headers))
            .finish()
    }
}
