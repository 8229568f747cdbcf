//! The client's side of the opening handshake, RFC 6455
//! [§4.1](https://datatracker.ietf.org/doc/html/rfc6455#section-4.1).

use core::fmt;

use super::error::{Argument, Fault, Field, HandshakeError};
use super::extensions::Extensions;
use super::head::{Fields, HeadReader, HeaderStorage, Headers};
use super::write::{are_subprotocols, check_headers, check_value, write_whole};
use super::{accept_value, encode_key, trim};
use crate::connection::{Config, Connection};
use crate::mask::MaskingKey;
use crate::masking_keys::MaskingKeys;
use crate::output::Output;
use crate::uri::{Uri, is_resource, split_host_port};

/// What a client asks for.
///
/// Two obligations of §4.1 are the caller's: a nonce and masking keys from a strong source of randomness, and
/// no second connection in its opening handshake to the same address at a time.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The value of the Host header: `host[:port]`, an IPv6 address in brackets, the port only if it is not
    /// the default one. [`Uri::authority`] has it.
    pub authority: &'a str,
    /// The resource name: path and query. [`Uri::resource`] has it.
    pub resource: &'a str,
    /// The origin of the page whose script asks; for clients that are browsers.
    pub origin: Option<&'a str>,
    /// The subprotocols that the client would speak, the one it likes best first; tokens, no two the same, at
    /// most [`MAX_SUBPROTOCOLS`](super::MAX_SUBPROTOCOLS).
    pub subprotocols: &'a [&'a str],
    /// The extensions that the client would use, as the value of Sec-WebSocket-Extensions.
    pub extensions: Option<&'a str>,
    /// More headers, such as Authorization or Cookie. Those of the opening handshake itself are not allowed.
    pub headers: &'a [(&'a str, &'a str)],
}

impl<'a> Request<'a> {
    /// A plain request for a resource of a host.
    pub const fn new(authority: &'a str, resource: &'a str) -> Self {
        Self { authority, resource, origin: None, subprotocols: &[], extensions: None, headers: &[] }
    }

    /// A plain request for what a URI names. Its user information is not sent.
    pub const fn to(uri: &Uri<'a>) -> Self {
        Self::new(uri.authority(), uri.resource())
    }

    /// Writes the request, all of it or nothing.
    ///
    /// `nonce` must be fresh and random for every handshake: "a nonce consisting of a randomly selected
    /// 16-byte value". Keep it for [`Response::accept`].
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Argument`] if something in it cannot be written, [`HandshakeError::OutputFull`].
    pub fn write(&self, nonce: &[u8; 16], out: &mut (impl Output + ?Sized)) -> Result<(), HandshakeError> {
        self.check()?;
        let key = encode_key(nonce);
        Ok(write_whole(out, |w| {
            w.text("GET ");
            // §3: the resource name begins with "/" even if the path is empty.
            if !self.resource.starts_with('/') {
                w.text("/");
            }
            w.text(self.resource);
            w.text(" HTTP/1.1\r\n");
            w.header(Field::Host.name(), self.authority.as_bytes());
            w.text("Upgrade: websocket\r\nConnection: Upgrade\r\n");
            w.header(Field::Key.name(), &key);
            if let Some(origin) = self.origin {
                w.header(Field::Origin.name(), origin.as_bytes());
            }
            if let Some((first, others)) = self.subprotocols.split_first() {
                w.text(Field::Subprotocol.name());
                w.text(": ");
                w.text(first);
                for name in others {
                    w.text(", ");
                    w.text(name);
                }
                w.text("\r\n");
            }
            w.text("Sec-WebSocket-Version: 13\r\n");
            if let Some(extensions) = self.extensions {
                w.header(Field::Extensions.name(), trim(extensions.as_bytes()));
            }
            w.headers(self.headers);
            w.text("\r\n");
        })?)
    }

    fn check(&self) -> Result<(), Argument> {
        if split_host_port(self.authority).is_err() {
            return Err(Argument::Authority);
        }
        if !(self.resource.is_empty() || self.resource.starts_with(['/', '?'])) || !is_resource(self.resource)
        {
            return Err(Argument::Resource);
        }
        if let Some(origin) = self.origin {
            check_value(origin)?;
        }
        if !are_subprotocols(self.subprotocols) {
            return Err(Argument::Subprotocol);
        }
        if let Some(extensions) = self.extensions {
            check_value(extensions)?;
            Extensions::in_value(extensions).check().map_err(|_| Argument::Extensions)?;
        }
        check_headers(self.headers)
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authority, resource, origin, subprotocols, extensions, headers } = self;
        f.debug_struct("Request")
            .field("authority", authority)
            .field("resource", resource)
            .field("origin", origin)
            .field("subprotocols", subprotocols)
            .field("extensions", extensions)
            .field("headers", &Fields(headers))
            .finish()
    }
}

/// Reads the head of a response.
///
/// Returns the response and the length of its head, empty line included; `None` if the head is not whole.
/// After a 101 that [`accept`](Response::accept) likes the bytes behind the head are frames; after any other
/// they are the response's content. The length of the head is not limited here and each call begins anew: ask
/// a [`HeadReader`] first, as long as bytes are still arriving.
///
/// # Errors
///
/// [`HandshakeError::MalformedHead`], [`HandshakeError::HttpVersion`] for HTTP/2 and such, and
/// [`HandshakeError::TooManyHeaders`] if there are more than `N`.
pub fn parse_response<'h, 'b, const N: usize>(
    input: &'b [u8],
    storage: &'h mut HeaderStorage<'b, N>,
) -> Result<Option<(Response<'h, 'b>, usize)>, HandshakeError> {
    let Some(used) = HeadReader::new(usize::MAX).find_end(input)? else { return Ok(None) };
    let mut head = httparse::Response::new(storage.slots());
    let parsed = head.parse(input.get(..used).unwrap_or(input)).map_err(HandshakeError::from_httparse)?;
    let (httparse::Status::Complete(len), Some(status), Some(version)) = (parsed, head.code, head.version)
    else {
        return Err(HandshakeError::MalformedHead);
    };
    // Two views of where the head ends must not differ: the rest are frames.
    if len != used {
        return Err(HandshakeError::MalformedHead);
    }
    let reason = head.reason.unwrap_or_default();
    let headers = Headers::new(head.headers);
    Ok(Some((Response { status, reason, version, headers }, used)))
}

/// The head of a response, borrowed from the bytes that arrived.
#[derive(Debug, Clone, Copy)]
pub struct Response<'h, 'b> {
    status: u16,
    reason: &'b str,
    version: u8,
    headers: Headers<'h, 'b>,
}

impl<'h, 'b> Response<'h, 'b> {
    /// The status: 101, or what the server answers instead.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase behind the status; may be empty.
    pub const fn reason(&self) -> &'b str {
        self.reason
    }

    /// Whether the response to the request is still to come: the status is 1xx but not 101, such as 103 Early
    /// Hints. Call [`parse_response`] again with the bytes behind this head.
    pub const fn is_interim(&self) -> bool {
        self.status >= 100 && self.status < 200 && self.status != 101
    }

    /// The first value of the header with this name that is UTF-8; [`headers`](Self::headers) has them all.
    pub fn header(&self, name: &str) -> Option<&'b str> {
        self.headers.text(name)
    }

    /// All headers.
    pub const fn headers(&self) -> Headers<'h, 'b> {
        self.headers
    }

    /// How much content follows the head of a response that is not a 101, in bytes; `None` if Content-Length
    /// is missing, repeated or malformed.
    pub fn content_length(&self) -> Option<u64> {
        self.headers.content_length().ok()
    }

    /// The subprotocol that the server chose.
    pub fn subprotocol(&self) -> Option<&'b str> {
        self.header(Field::Subprotocol.name())
    }

    /// The extensions that the server chose.
    pub fn extensions(&self) -> Extensions<'h, 'b> {
        Extensions::in_head(&self.headers)
    }

    /// Checks the response as §4.1 wants it, and ends the opening handshake.
    ///
    /// `request` and `nonce` are those of [`Request::write`]. `masking_keys` is called for every frame that
    /// is sent; its keys must be unpredictable (§5.3), so from a CSPRNG. A server that chose no subprotocol
    /// is accepted: see [`subprotocol`](Self::subprotocol).
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Status`] if it is not a 101, else [`HandshakeError::Response`] names the header that
    /// is wrong. Close the transport.
    pub fn accept(
        &self,
        request: &Request<'_>,
        nonce: &[u8; 16],
        config: &Config,
        masking_keys: fn() -> MaskingKey,
    ) -> Result<Connection, HandshakeError> {
        self.accept_with(request, nonce, config, masking_keys)
    }

    /// As [`accept`](Self::accept), with any source of masking-keys.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn accept_with<K: MaskingKeys>(
        &self,
        request: &Request<'_>,
        nonce: &[u8; 16],
        config: &Config,
        masking_keys: K,
    ) -> Result<Connection<K>, HandshakeError> {
        // §4.1 (1): "If the status code received from the server is not 101, the client handles the response
        // per HTTP procedures."
        if self.status != 101 {
            return Err(HandshakeError::Status(self.status));
        }
        // An HTTP/1.0 server knows no 101.
        if self.version < 1 {
            return Err(HandshakeError::HttpVersion);
        }
        // (2) "If the response lacks an |Upgrade| header field or the |Upgrade| header field contains a value
        // that is not an ASCII case-insensitive match for the value "websocket", the client MUST _Fail the
        // WebSocket Connection_."
        if !self.only(Field::Upgrade)?.eq_ignore_ascii_case(b"websocket") {
            return Err(HandshakeError::Response(Field::Upgrade, Fault::Invalid));
        }
        // (3) "... or the |Connection| header field doesn't contain a token that is an ASCII case-insensitive
        // match for the value "Upgrade" ..."
        if !self.headers.contains_token(Field::Connection.name(), "Upgrade") {
            let fault = if self.headers.get(Field::Connection.name()).is_some() {
                Fault::Invalid
            } else {
                Fault::Missing
            };
            return Err(HandshakeError::Response(Field::Connection, fault));
        }
        // (4) Sec-WebSocket-Accept, "ignoring any leading and trailing whitespace". §11.3.3: it "MUST NOT
        // appear more than once".
        if trim(self.only(Field::Accept)?) != accept_value(&encode_key(nonce)) {
            return Err(HandshakeError::Response(Field::Accept, Fault::Invalid));
        }
        self.check_extensions(request).map_err(|fault| HandshakeError::Response(Field::Extensions, fault))?;
        self.check_subprotocol(request)
            .map_err(|fault| HandshakeError::Response(Field::Subprotocol, fault))?;
        // §5.2: RSV1 "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values".
        let compression = config.compression && self.headers.get(Field::Extensions.name()).is_some();
        Ok(Connection::with_masking_keys(&Config { compression, ..*config }, Some(masking_keys)))
    }

    fn only(&self, field: Field) -> Result<&'b [u8], HandshakeError> {
        self.headers.only(field.name()).map_err(|fault| HandshakeError::Response(field, fault))
    }

    /// (5) "... this header field indicates the use of an extension that was not present in the client's
    /// handshake ..."
    fn check_extensions(&self, request: &Request<'_>) -> Result<(), Fault> {
        // §11.3.2: in a response it "MUST NOT appear more than once".
        match self.headers.only(Field::Extensions.name()) {
            Ok(_) => {}
            Err(Fault::Missing) => return Ok(()),
            Err(fault) => return Err(fault),
        }
        self.extensions().check()?;
        let offered = |name| {
            Extensions::in_value(request.extensions.unwrap_or_default()).any(|offer| offer.name == name)
        };
        if self.extensions().all(|extension| offered(extension.name)) {
            Ok(())
        } else {
            Err(Fault::NotOffered)
        }
    }

    /// (6) "... this header field indicates the use of a subprotocol that was not present in the client's
    /// handshake ..."
    fn check_subprotocol(&self, request: &Request<'_>) -> Result<(), Fault> {
        // §11.3.4: in a response it "MUST NOT appear more than once".
        match self.headers.only(Field::Subprotocol.name()) {
            Ok(chosen) if request.subprotocols.iter().any(|offered| offered.as_bytes() == chosen) => Ok(()),
            Ok(_) => Err(Fault::NotOffered),
            Err(Fault::Missing) => Ok(()),
            Err(fault) => Err(fault),
        }
    }
}
