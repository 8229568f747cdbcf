//! A client's request as a server reads it, RFC 6455 §4.2.1, RFC 9112 §3 and RFC 8441 §4.

use super::error::{Fault, Field, HandshakeError};
use super::extensions::Extensions;
use super::framing::{check_framing, has_content};
use super::head::{HeadReader, HeaderStorage, Headers, minor_version, split_start_line};
use super::key::is_key;
use super::subprotocol::are_subprotocols;
use super::syntax::is_token;
use crate::authority::{same_host, split_authority, split_host_port, split_scheme};
use crate::uri::is_resource_name;

/// The head of a request, borrowed from the bytes that arrived or from an HTTP library.
#[derive(Debug, Clone, Copy)]
pub struct Request<'h, 'b> {
    version: Version<'b>,
    method: &'b str,
    target: &'b str,
    headers: Headers<'h, 'b>,
}

#[derive(Debug, Clone, Copy)]
enum Version<'b> {
    /// HTTP/1, with its minor version.
    Http1(u8),
    /// RFC 8441, over HTTP/2 or HTTP/3.
    ExtendedConnect { protocol: &'b str, authority: &'b str },
}

impl<'h, 'b> Request<'h, 'b> {
    /// Reads the head of any HTTP/1 request, for a WebSocket or for a page.
    ///
    /// Returns the request and the length of its head including the empty line, or `None` if the
    /// head is incomplete. The length of the head is not limited here, and each call starts from
    /// the beginning: while bytes are still arriving, ask a [`HeadReader`] first.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::MalformedHead`], [`HandshakeError::HttpVersion`] for HTTP/2 and others,
    /// and [`HandshakeError::TooManyHeaders`] if there are more than `N`.
    pub fn parse<const N: usize>(
        input: &'b [u8],
        storage: &'h mut HeaderStorage<'b, N>,
    ) -> Result<Option<(Self, usize)>, HandshakeError> {
        let Some(used) = HeadReader::new(usize::MAX).find_end(input)? else { return Ok(None) };
        Ok(Some((Self::parse_head(&input[..used], storage)?, used)))
    }

    /// Reads a whole head, as a [`HeadReader`] found it.
    pub(super) fn parse_head<const N: usize>(
        head: &'b [u8],
        storage: &'h mut HeaderStorage<'b, N>,
    ) -> Result<Self, HandshakeError> {
        let (line, lines) = split_start_line(head).ok_or(HandshakeError::MalformedHead)?;
        // RFC 9112 §3: `request-line = method SP request-target SP HTTP-version`. "Recipients of an
        // invalid request-line SHOULD respond with either a 400 (Bad Request) error".
        let mut words = line.split(|&b| b == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(HandshakeError::MalformedHead);
        };
        let minor_version = minor_version(version)?;
        let text = |word| core::str::from_utf8(word).map_err(|_| HandshakeError::MalformedHead);
        let headers = storage.parse(lines)?;
        Self::new(Version::Http1(minor_version), text(method)?, text(target)?, headers)
    }

    /// Takes the head of an HTTP/1 request that an HTTP library parsed.
    ///
    /// `target` is the request target as it was sent. `minor_version` is 1 for HTTP/1.1. What
    /// belongs to a request is checked as for one that [`parse`](Self::parse) reads.
    ///
    /// ```
    /// use sansws::handshake::{HeaderStorage, server};
    ///
    /// let headers: [(&str, &[u8]); 5] = [
    ///     ("host", b"example.com"),
    ///     ("upgrade", b"websocket"),
    ///     ("connection", b"Upgrade"),
    ///     ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ///     ("sec-websocket-version", b"13"),
    /// ];
    /// let mut storage = HeaderStorage::new();
    /// let request = server::Request::from_parts("GET", "/chat", 1, headers, &mut storage)?;
    /// let upgrade = request.upgrade()?;
    /// let mut response = Vec::new(); // or the headers of the library's response
    /// let connection = upgrade.accept_parts(
    ///     &server::Accept::new(),
    ///     &sansws::Config::default(),
    ///     |name, value| response.push((name.to_string(), value.to_string())),
    /// )?;
    /// assert_eq!((upgrade.status(), response.len()), (101, 3));
    /// # let _ = connection;
    /// # Ok::<(), sansws::handshake::HandshakeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`HandshakeError::MalformedHead`] if these cannot be parts of a head, and
    /// [`HandshakeError::TooManyHeaders`] if there are more than `N` headers.
    pub fn from_parts<const N: usize>(
        method: &'b str,
        target: &'b str,
        minor_version: u8,
        headers: impl IntoIterator<Item = (&'b str, &'b [u8])>,
        storage: &'h mut HeaderStorage<'b, N>,
    ) -> Result<Self, HandshakeError> {
        Self::new(Version::Http1(minor_version), method, target, storage.store(headers)?)
    }

    /// Takes an extended CONNECT request of HTTP/2 or HTTP/3
    /// ([RFC 8441](https://datatracker.ietf.org/doc/html/rfc8441),
    /// [RFC 9220](https://datatracker.ietf.org/doc/html/rfc9220)).
    ///
    /// `protocol`, `authority` and `path` are the pseudo-headers `:protocol`, `:authority` and
    /// `:path`; `headers` are the others. The application treats the request like one of HTTP/1.1:
    /// [`path`](Self::path), [`subprotocols`](Self::subprotocols) and [`upgrade`](Self::upgrade)
    /// work the same. [`Upgrade::accept_parts`](super::server::Upgrade::accept_parts) returns the
    /// headers of the response, whose status is 200. Refuse with 400 where an error's
    /// [status](HandshakeError::status) is 426: that one needs Upgrade.
    ///
    /// # Errors
    ///
    /// As [`from_parts`](Self::from_parts).
    pub fn from_extended_connect<const N: usize>(
        protocol: &'b str,
        authority: &'b str,
        path: &'b str,
        headers: impl IntoIterator<Item = (&'b str, &'b [u8])>,
        storage: &'h mut HeaderStorage<'b, N>,
    ) -> Result<Self, HandshakeError> {
        let version = Version::ExtendedConnect { protocol, authority };
        Self::new(version, "CONNECT", path, storage.store(headers)?)
    }

    fn new(
        version: Version<'b>,
        method: &'b str,
        target: &'b str,
        headers: Headers<'h, 'b>,
    ) -> Result<Self, HandshakeError> {
        let has_blank = |b: u8| b.is_ascii_control() || b == b' ';
        if !is_token(method.as_bytes()) || target.is_empty() || target.bytes().any(has_blank) {
            return Err(HandshakeError::MalformedHead);
        }
        Ok(Self { version, method, target, headers })
    }

    /// Returns the method, such as `GET`. It is `CONNECT` for an extended CONNECT.
    #[must_use]
    pub const fn method(&self) -> &'b str {
        self.method
    }

    /// Returns the target of the request line: a path and query, an absolute URI, or `*`. It is
    /// `:path` for an extended CONNECT.
    #[must_use]
    pub const fn target(&self) -> &'b str {
        self.target
    }

    /// Returns the minor HTTP version: 1 for HTTP/1.1, 0 for HTTP/1.0, `None` for an extended
    /// CONNECT.
    #[must_use]
    pub const fn minor_version(&self) -> Option<u8> {
        match self.version {
            Version::Http1(minor) => Some(minor),
            Version::ExtendedConnect { .. } => None,
        }
    }

    /// Returns the path of the resource name without its query: at least `/`, still
    /// percent-encoded.
    #[must_use]
    pub fn path(&self) -> &'b str {
        let resource_name = self.resource_name();
        match resource_name.split_once('?').map_or(resource_name, |(path, _)| path) {
            "" => "/",
            path => path,
        }
    }

    /// Returns the query of the resource name, without its `?` and still percent-encoded. `None` if
    /// it is missing or empty.
    #[must_use]
    pub fn query(&self) -> Option<&'b str> {
        // §3: the resource name has a "?" only "if the query component is non-empty".
        self.resource_name().split_once('?').map(|(_, query)| query).filter(|query| !query.is_empty())
    }

    /// Returns the server's authority as the client knows it, `host[:port]`: that of an absolute
    /// target or `:authority`, otherwise the Host header.
    #[must_use]
    pub fn host(&self) -> Option<&'b str> {
        if let Version::ExtendedConnect { authority, .. } = self.version {
            return Some(authority);
        }
        // RFC 9112 §3.2.2: with a target in absolute-form the server "MUST ignore the received Host
        // header field".
        let authority = self.absolute_target().map(|(authority, _)| authority);
        authority.or_else(|| self.header(Field::Host.name()))
    }

    /// Returns the origin of the page whose script sent the request, such as `https://example.com`.
    /// Browsers always send it.
    #[must_use]
    pub fn origin(&self) -> Option<&'b str> {
        self.header(Field::Origin.name())
    }

    /// Returns whether a page of another origin sent the request: there is an Origin header, and
    /// its scheme, host or port is not this server's.
    ///
    /// `secure` tells the scheme of this server: pass `true` if clients reach it by `wss:`, also if
    /// a proxy in front of it ends TLS. Then a page that came over `http:`, which anyone on the
    /// network can change, is of another origin. Host and port are those of [`host`](Self::host).
    ///
    /// A browser sends the user's cookies whichever page asks, so a server that trusts cookies must
    /// refuse pages of other origins (§10.2), with [`HandshakeError::OriginNotAllowed`]. `null` and
    /// whatever is not an HTTP origin are other origins.
    #[must_use]
    pub fn is_cross_origin(&self, secure: bool) -> bool {
        if self.headers.get(Field::Origin.name()).is_none() {
            return false;
        }
        let (own_scheme, default_port) = if secure { ("https", 443) } else { ("http", 80) };
        let is_same = || {
            let origin = core::str::from_utf8(self.headers.only(Field::Origin.name()).ok()?).ok()?;
            let (scheme, authority) = split_scheme(origin)?;
            let (origin_host, origin_port) = split_host_port(authority).ok()?;
            let (host, port) = split_host_port(self.host()?).ok()?;
            let same_port = origin_port.unwrap_or(default_port) == port.unwrap_or(default_port);
            Some(scheme.eq_ignore_ascii_case(own_scheme) && same_port && same_host(origin_host, host))
        };
        is_same() != Some(true)
    }

    /// Returns the first value of the header with this name that is UTF-8.
    /// [`headers`](Self::headers) has all values.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'b str> {
        self.headers.text(name)
    }

    /// Returns all headers.
    #[must_use]
    pub const fn headers(&self) -> Headers<'h, 'b> {
        self.headers
    }

    /// Returns the subprotocols that the client offers, in order of its preference. A
    /// Sec-WebSocket-Protocol without a value offers none.
    pub fn subprotocols(&self) -> impl Iterator<Item = &'b str> + Clone + use<'h, 'b> {
        self.headers
            .elements(Field::Subprotocol.name())
            .filter(|name| is_token(name))
            .filter_map(|name| core::str::from_utf8(name).ok())
    }

    /// Returns the subprotocol of `supported` that the client prefers, or `None` if it offers none
    /// of them. Names are compared case-sensitively.
    #[must_use]
    pub fn select_subprotocol<'s>(&self, supported: &[&'s str]) -> Option<&'s str> {
        self.subprotocols().find_map(|offered| supported.iter().copied().find(|name| *name == offered))
    }

    /// Returns the extensions that the client offers.
    #[must_use]
    pub fn extensions(&self) -> Extensions<'h, 'b> {
        Extensions::in_head(&self.headers)
    }

    /// Returns whether content follows the head, or might: Transfer-Encoding, or a Content-Length
    /// that is not plainly zero.
    #[must_use]
    pub fn has_content(&self) -> bool {
        has_content(&self.headers)
    }

    /// Returns whether the request asks for a WebSocket: it is HTTP/1.1 and its Upgrade header
    /// contains `websocket`, or it is an extended CONNECT for `websocket`.
    ///
    /// A server that also has pages calls [`check_head`](Self::check_head), gives these requests to
    /// [`upgrade`](Self::upgrade) and answers the others with pages.
    #[must_use]
    pub fn is_upgrade(&self) -> bool {
        match self.version {
            // RFC 9110 §7.8: "A server MUST ignore an Upgrade header field that is received in an
            // HTTP/1.0 request."
            Version::Http1(0) => false,
            Version::Http1(_) => self.headers.contains_token(Field::Upgrade.name(), "websocket"),
            Version::ExtendedConnect { protocol, .. } => protocol.eq_ignore_ascii_case("websocket"),
        }
    }

    /// Checks what HTTP requires of every request, for a WebSocket or for a page: Host,
    /// Content-Length and Transfer-Encoding, the target, and last the method.
    ///
    /// A server that also has pages calls this first. [`upgrade`](Self::upgrade) calls it itself.
    ///
    /// # Errors
    ///
    /// - [`HandshakeError::Request`], status 400: Host is missing, repeated or not `host[:port]`;
    ///   or Content-Length or Transfer-Encoding do not tell where the content ends. An HTTP/1.0
    ///   request may lack Host.
    /// - [`HandshakeError::TransferCoding`], status 501.
    /// - [`HandshakeError::Target`], status 400.
    /// - [`HandshakeError::MethodUnknown`], status 501.
    pub fn check_head(&self) -> Result<(), HandshakeError> {
        self.check_host()?;
        match self.version {
            Version::Http1(minor) => check_framing(&self.headers, minor)?,
            // RFC 9113 §8.2.2: "An endpoint MUST NOT generate an HTTP/2 message containing
            // connection-specific header fields". RFC 9110 §9.3.6: CONNECT has no content.
            Version::ExtendedConnect { .. } => {
                for field in
                    [Field::Connection, Field::Upgrade, Field::TransferEncoding, Field::ContentLength]
                {
                    if self.headers.get(field.name()).is_some() {
                        return Err(HandshakeError::Request(field, Fault::Unexpected));
                    }
                }
            }
        }
        if !self.is_target() {
            return Err(HandshakeError::Target);
        }
        // RFC 9110 §9.1: "An origin server that receives a request method that is unrecognized or
        // not implemented SHOULD respond with the 501 (Not Implemented) status code." Methods have
        // a case.
        const METHODS: [&str; 9] =
            ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
        if METHODS.contains(&self.method) { Ok(()) } else { Err(HandshakeError::MethodUnknown) }
    }

    /// Checks the request as §4.2.1 requires. Returns the key; an extended CONNECT has none.
    pub(super) fn check(&self) -> Result<Option<&'b [u8]>, HandshakeError> {
        // §4.2.1 (2): "A |Host| header field containing the server's authority." Before the rest,
        // as HTTP requires it of every request.
        self.check_head()?;
        let key = match self.version {
            Version::Http1(minor) => Some(self.check_http1(minor)?),
            // RFC 8441 §5: "Implementations using this extended CONNECT to bootstrap WebSockets do
            // not do the processing of the Sec-WebSocket-Key and Sec-WebSocket-Accept header
            // fields".
            Version::ExtendedConnect { .. } if !self.is_upgrade() => {
                return Err(HandshakeError::Request(Field::Protocol, Fault::Invalid));
            }
            Version::ExtendedConnect { .. } => {
                self.check_version()?;
                None
            }
        };
        // (7) "Optionally, an |Origin| header field." §8.1 holds "both during the opening handshake
        // and during subsequent data exchange": text that is not UTF-8 fails.
        match self.headers.only(Field::Origin.name()) {
            Ok(origin) if core::str::from_utf8(origin).is_ok() => {}
            Err(Fault::Missing) => {}
            Ok(_) => return Err(HandshakeError::Request(Field::Origin, Fault::Invalid)),
            Err(fault) => return Err(HandshakeError::Request(Field::Origin, fault)),
        }
        // (8) "Optionally, a |Sec-WebSocket-Protocol| header field, with a list of values indicating
        // which protocols the client would like to speak". RFC 9110 §5.6.1.2: "A recipient MUST parse
        // and ignore a reasonable number of empty list elements". A list of nothing else, which some
        // clients send, indicates no protocol, like no header.
        if !are_subprotocols(self.headers.elements(Field::Subprotocol.name())) {
            return Err(HandshakeError::Request(Field::Subprotocol, Fault::Invalid));
        }
        if self.headers.get(Field::Extensions.name()).is_some() {
            self.extensions().check().map_err(|fault| HandshakeError::Request(Field::Extensions, fault))?;
        }
        Ok(key)
    }

    /// Checks what a request has in HTTP/1.1 only. Returns the key.
    fn check_http1(&self, minor_version: u8) -> Result<&'b [u8], HandshakeError> {
        // (1) "An HTTP/1.1 or higher GET request, including a "Request-URI" that should be
        // interpreted as a /resource name/ (or an absolute HTTP/HTTPS URI containing the /resource
        // name/)."
        if self.method != "GET" {
            return Err(HandshakeError::Method);
        }
        if minor_version == 0 {
            return Err(HandshakeError::HttpVersion);
        }
        // The bytes after the head would be taken for frames.
        if self.has_content() {
            return Err(HandshakeError::Content);
        }
        // (3) "An |Upgrade| header field containing the value "websocket", treated as an ASCII
        // case-insensitive value."
        self.check_token(Field::Upgrade, "websocket")?;
        // (4) "A |Connection| header field that includes the token "Upgrade", treated as an ASCII
        // case-insensitive value."
        self.check_token(Field::Connection, "Upgrade")?;
        // (6), before the key, which may have another form in another version.
        self.check_version()?;
        // (5) "A |Sec-WebSocket-Key| header field with a base64-encoded value that, when decoded,
        // is 16 bytes in length." §11.3.1: it "MUST NOT appear more than once".
        match self.headers.only(Field::Key.name()) {
            Ok(key) if is_key(key) => Ok(key),
            Ok(_) => Err(HandshakeError::Request(Field::Key, Fault::Invalid)),
            Err(fault) => Err(HandshakeError::Request(Field::Key, fault)),
        }
    }

    fn check_token(&self, field: Field, token: &str) -> Result<(), HandshakeError> {
        self.headers.check_token(field, token).map_err(|fault| HandshakeError::Request(field, fault))
    }

    /// (6) "A |Sec-WebSocket-Version| header field, with a value of 13."
    fn check_version(&self) -> Result<(), HandshakeError> {
        match self.headers.only(Field::Version.name()) {
            Ok(b"13") => Ok(()),
            Ok(_) => Err(HandshakeError::Request(Field::Version, Fault::Invalid)),
            Err(fault) => Err(HandshakeError::Request(Field::Version, fault)),
        }
    }

    fn check_host(&self) -> Result<(), HandshakeError> {
        let is_valid =
            |host: &[u8]| core::str::from_utf8(host).is_ok_and(|host| split_host_port(host).is_ok());
        let fault = match (self.version, self.headers.only(Field::Host.name())) {
            // RFC 8441 §4: `:authority` names the host.
            (Version::ExtendedConnect { authority, .. }, _) if is_valid(authority.as_bytes()) => {
                return Ok(());
            }
            (Version::ExtendedConnect { .. }, _) => Fault::Invalid,
            // RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any
            // HTTP/1.1 request message that lacks a Host header field and to any request message
            // that contains more than one Host header field line or a Host header field with an
            // invalid field value." An empty one is invalid too, as no HTTP URI has an empty host
            // (§3.3).
            (_, Ok(host)) if is_valid(host) => return Ok(()),
            (_, Ok(_)) => Fault::Invalid,
            (Version::Http1(0), Err(Fault::Missing)) => return Ok(()),
            (_, Err(fault)) => fault,
        };
        Err(HandshakeError::Request(Field::Host, fault))
    }

    /// RFC 9112 §3.2: whether the target has one of the four forms, the one that fits the method.
    fn is_target(&self) -> bool {
        match self.absolute_target() {
            // §3.2.3: authority-form "is only used for CONNECT requests", and no other form is.
            _ if self.method == "CONNECT" && matches!(self.version, Version::Http1(_)) => {
                split_host_port(self.target).is_ok_and(|(_, port)| port.is_some())
            }
            _ if self.target.starts_with('/') => is_resource_name(self.target),
            // RFC 9113 §8.3.1: `:path` "includes the path and query parts of the target URI".
            _ if matches!(self.version, Version::ExtendedConnect { .. }) => false,
            // An empty host is invalid and user information an error (RFC 9110 §4.2.1 and §4.2.4).
            Some((authority, rest)) => split_host_port(authority).is_ok() && is_resource_name(rest),
            // §3.2.4: asterisk-form "is only used for a server-wide OPTIONS request".
            None => self.target == "*" && self.method == "OPTIONS",
        }
    }

    /// Path and query. In an absolute target, both may be empty.
    fn resource_name(&self) -> &'b str {
        self.absolute_target().map_or(self.target, |(_, resource_name)| resource_name)
    }

    /// The authority and the rest of a target in absolute-form, which a server MUST accept (RFC
    /// 9112 §3.2.2).
    fn absolute_target(&self) -> Option<(&'b str, &'b str)> {
        let (scheme, rest) = split_scheme(self.target)?;
        let known = ["http", "https", "ws", "wss"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        known.then(|| split_authority(rest))
    }
}
