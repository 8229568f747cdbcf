//! The server's side of the opening handshake, RFC 6455
//! [§4.2](https://datatracker.ietf.org/doc/html/rfc6455#section-4.2).

use core::fmt;

#[cfg(feature = "alloc")]
pub use super::acceptor::Acceptor;
use super::error::{Argument, Fault, Field, HandshakeError};
use super::extensions::Extensions;
use super::head::{DEFAULT_MAX_HEAD_LEN, Fields, HeadReader, HeaderStorage, Headers};
use super::write::{Pieces, are_subprotocols, check_headers, check_value, write_whole};
use super::{MAX_SUBPROTOCOLS, accept_value, is_key, is_token, trim};
use crate::connection::{Config, Connection};
use crate::output::{Output, OutputFull};
use crate::uri::{same_host, split_authority, split_host_port};

/// The opening handshake in one call: a request in, the response and a connection out.
///
/// `input` is all bytes that arrived so far; `None` means that the head is not whole yet: keep them, read
/// more, call again. With the connection comes the length of the head: the bytes behind it are frames, to be
/// given to [`Connection::receive`] first.
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
/// Every resource name and every Origin is welcome, no subprotocol and no extension is chosen. A server that
/// browsers can reach and that trusts cookies or its network must look at the Origin (§10.2) and goes the
/// long way: [`parse`], [`Request::upgrade`], [`Upgrade::accept`]. Heads have at most
/// [`DEFAULT_MAX_HEAD_LEN`] bytes and 64 headers. Each call looks at `input` from its start; a server that
/// fears input byte by byte asks a [`HeadReader`] before.
///
/// # Errors
///
/// Those of [`HeadReader::find_end`], [`parse`] and [`Request::upgrade`]. The response that refuses the
/// request was then already written to `out`, if there was room for it: send it and close the transport.
///
/// [`HandshakeError::OutputFull`] if there is no room for the response that accepts it. Nothing was written
/// then: call again with the same `input` and more room, about 130 bytes.
pub fn accept(
    input: &[u8],
    config: &Config,
    out: &mut (impl Output + ?Sized),
) -> Result<Option<(Connection, usize)>, HandshakeError> {
    let result = accept_or_err(input, config, out);
    match &result {
        // The request is right, and can still be accepted.
        Ok(_) | Err(HandshakeError::OutputFull) => {}
        Err(error) => {
            // Without room for it the transport is closed without a response.
            let _ = refuse(error, out);
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
    let Some((request, _)) = parse(input.get(..used).unwrap_or(input), &mut storage)? else {
        return Ok(None);
    };
    let connection = request.upgrade()?.accept(&Accept::default(), config, out)?;
    Ok(Some((connection, used)))
}

/// Reads the head of any HTTP/1 request: one that asks for a WebSocket, or one that wants a page.
///
/// Returns the request and the length of its head, empty line included; `None` if the head is not whole. The
/// length of the head is not limited here and each call begins anew: ask a [`HeadReader`] first, as long as
/// bytes are still arriving.
///
/// # Errors
///
/// [`HandshakeError::MalformedHead`], [`HandshakeError::HttpVersion`] for HTTP/2 and such, and
/// [`HandshakeError::TooManyHeaders`] if there are more than `N`.
pub fn parse<'h, 'b, const N: usize>(
    input: &'b [u8],
    storage: &'h mut HeaderStorage<'b, N>,
) -> Result<Option<(Request<'h, 'b>, usize)>, HandshakeError> {
    let Some(used) = HeadReader::new(usize::MAX).find_end(input)? else { return Ok(None) };
    let mut head = httparse::Request::new(storage.slots());
    let status = head.parse(input.get(..used).unwrap_or(input)).map_err(HandshakeError::from_httparse)?;
    let (httparse::Status::Complete(len), Some(method), Some(target), Some(version)) =
        (status, head.method, head.path, head.version)
    else {
        return Err(HandshakeError::MalformedHead);
    };
    // Two views of where the head ends must not differ: the rest are frames.
    if len != used {
        return Err(HandshakeError::MalformedHead);
    }
    let headers = Headers::new(head.headers);
    Ok(Some((Request { method, target, version, headers }, used)))
}

/// The head of a request, borrowed from the bytes that arrived.
#[derive(Debug, Clone, Copy)]
pub struct Request<'h, 'b> {
    method: &'b str,
    target: &'b str,
    version: u8,
    headers: Headers<'h, 'b>,
}

impl<'h, 'b> Request<'h, 'b> {
    /// The method, such as `GET`.
    pub const fn method(&self) -> &'b str {
        self.method
    }

    /// The target as the request line has it: a path and query, or an absolute URI, or `*`.
    pub const fn target(&self) -> &'b str {
        self.target
    }

    /// The minor HTTP version: 1 for HTTP/1.1, 0 for HTTP/1.0.
    pub const fn version(&self) -> u8 {
        self.version
    }

    /// The path of the resource name, without query, at least `/`, still percent-encoded.
    pub fn path(&self) -> &'b str {
        match self.resource().split('?').next() {
            None | Some("") => "/",
            Some(path) => path,
        }
    }

    /// The query of the resource name, without its `?` and still percent-encoded.
    pub fn query(&self) -> Option<&'b str> {
        self.resource().split_once('?').map(|(_, query)| query)
    }

    /// The server's authority as the client knows it, `host[:port]`: that of an absolute target, else the
    /// Host header.
    pub fn host(&self) -> Option<&'b str> {
        // RFC 7230 §5.4: with a target in absolute-form the server "MUST ignore the received Host header
        // field".
        self.absolute_target().map(|(authority, _)| authority).or_else(|| self.header("Host"))
    }

    /// The origin of the page whose script asks, such as `https://example.com`; browsers always tell it.
    pub fn origin(&self) -> Option<&'b str> {
        self.header("Origin")
    }

    /// Whether a page from elsewhere asks: there is an Origin, and its host and port are not those of
    /// [`host`](Self::host).
    ///
    /// A browser sends the user's cookies along whichever page asks, so a server that trusts them must refuse
    /// foreign pages (§10.2), with [`HandshakeError::OriginNotAllowed`]. A port that is not named is the
    /// default one of the origin's scheme, so this is right behind a proxy that speaks TLS, too. `null` and
    /// what is no HTTP origin are from elsewhere.
    pub fn is_cross_origin(&self) -> bool {
        if self.headers.get("Origin").is_none() {
            return false;
        }
        let same = || {
            let origin = core::str::from_utf8(self.headers.only("Origin").ok()?).ok()?;
            let (scheme, authority) = origin.split_once("://")?;
            let default_port = match scheme {
                _ if scheme.eq_ignore_ascii_case("http") => 80,
                _ if scheme.eq_ignore_ascii_case("https") => 443,
                _ => return None,
            };
            let (origin_host, origin_port) = split_host_port(authority).ok()?;
            let (host, port) = split_host_port(self.host()?).ok()?;
            let same_port = origin_port.unwrap_or(default_port) == port.unwrap_or(default_port);
            Some(same_port && same_host(origin_host, host))
        };
        same() != Some(true)
    }

    /// The first value of the header with this name that is UTF-8; [`headers`](Self::headers) has them all.
    pub fn header(&self, name: &str) -> Option<&'b str> {
        self.headers.text(name)
    }

    /// All headers.
    pub const fn headers(&self) -> Headers<'h, 'b> {
        self.headers
    }

    /// The subprotocols that the client would speak, the one it likes best first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &'b str> + Clone + use<'h, 'b> {
        self.headers
            .elements("Sec-WebSocket-Protocol")
            .filter(|name| is_token(name))
            .filter_map(|name| core::str::from_utf8(name).ok())
    }

    /// The extensions that the client would use.
    pub fn extensions(&self) -> Extensions<'h, 'b> {
        Extensions::in_head(&self.headers)
    }

    /// Whether content follows the head, or might: Transfer-Encoding, or a Content-Length that is not plainly
    /// zero.
    pub fn has_content(&self) -> bool {
        self.headers.get("Transfer-Encoding").is_some()
            || !matches!(self.headers.content_length(), Ok(0) | Err(Fault::Missing))
    }

    /// Whether the request asks for a WebSocket: it is HTTP/1.1, and its Upgrade header contains `websocket`.
    ///
    /// A server that has pages too answers other requests with them, after [`check_host`](Self::check_host),
    /// and gives these to [`upgrade`](Self::upgrade).
    pub fn is_upgrade(&self) -> bool {
        // RFC 9110 §7.8: "A server MUST ignore an Upgrade header field that is received in an HTTP/1.0
        // request."
        self.version >= 1 && self.headers.contains_token("Upgrade", "websocket")
    }

    /// Checks the Host header of any request, be it for a WebSocket or for a page: RFC 9112
    /// [§3.2](https://datatracker.ietf.org/doc/html/rfc9112#section-3.2).
    ///
    /// A server that has pages too asks this first; [`upgrade`](Self::upgrade) does so by itself. In an
    /// HTTP/1.0 request there may be no Host.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Request`] with [`Field::Host`], status 400: there is none, or more than one, or it is
    /// not `host[:port]`. An empty one is refused too, as no HTTP URI has an empty host (§3.3).
    pub fn check_host(&self) -> Result<(), HandshakeError> {
        // "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that
        // lacks a Host header field and to any request message that contains more than one Host header field
        // line or a Host header field with an invalid field value."
        let fault = match self.headers.only(Field::Host.name()) {
            Ok(host) if core::str::from_utf8(host).is_ok_and(|host| split_host_port(host).is_ok()) => {
                return Ok(());
            }
            Ok(_) => Fault::Invalid,
            Err(Fault::Missing) if self.version < 1 => return Ok(()),
            Err(fault) => fault,
        };
        Err(HandshakeError::Request(Field::Host, fault))
    }

    /// Checks the request as §4.2.1 wants it. Resource name and Origin are the application's to judge, before
    /// or after.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong. [`refuse`] writes the response for it.
    pub fn upgrade(&self) -> Result<Upgrade<'h, 'b>, HandshakeError> {
        // §4.2.1 (2): "A |Host| header field containing the server's authority." Before the rest, as HTTP
        // wants it of every request.
        self.check_host()?;
        // (1) "An HTTP/1.1 or higher GET request, including a "Request-URI" that should be
        // interpreted as a /resource name/ (or an absolute HTTP/HTTPS URI containing the /resource name/)."
        if self.method != "GET" {
            return Err(HandshakeError::Method);
        }
        // None that is higher gets here: the parser refuses all but 1.0 and 1.1.
        if self.version < 1 {
            return Err(HandshakeError::HttpVersion);
        }
        self.check_target()?;
        // What follows the head would be taken for frames.
        if self.has_content() {
            return Err(HandshakeError::Content);
        }
        // (3) "An |Upgrade| header field containing the value "websocket", treated as an ASCII
        // case-insensitive value."
        self.check_token(Field::Upgrade, "websocket")?;
        // (4) "A |Connection| header field that includes the token "Upgrade", treated as an ASCII
        // case-insensitive value."
        self.check_token(Field::Connection, "Upgrade")?;
        // (6) "A |Sec-WebSocket-Version| header field, with a value of 13." Before the key, as other versions
        // may have another.
        match self.headers.only(Field::Version.name()) {
            Ok(b"13") => {}
            Ok(_) => return Err(HandshakeError::Request(Field::Version, Fault::Invalid)),
            Err(fault) => return Err(HandshakeError::Request(Field::Version, fault)),
        }
        // (5) "A |Sec-WebSocket-Key| header field with a base64-encoded value that, when decoded, is 16 bytes
        // in length." §11.3.1: it "MUST NOT appear more than once".
        let key = self
            .headers
            .only(Field::Key.name())
            .map_err(|fault| HandshakeError::Request(Field::Key, fault))?;
        if !is_key(key) {
            return Err(HandshakeError::Request(Field::Key, Fault::Invalid));
        }
        // (7) "Optionally, an |Origin| header field." §8.1 holds "both during the opening handshake and
        // during subsequent data exchange": text that is not UTF-8 fails.
        match self.headers.only(Field::Origin.name()) {
            Ok(origin) if core::str::from_utf8(origin).is_ok() => {}
            Err(Fault::Missing) => {}
            Ok(_) => return Err(HandshakeError::Request(Field::Origin, Fault::Invalid)),
            Err(fault) => return Err(HandshakeError::Request(Field::Origin, fault)),
        }
        self.check_subprotocols().map_err(|fault| HandshakeError::Request(Field::Subprotocol, fault))?;
        if self.headers.get(Field::Extensions.name()).is_some() {
            self.extensions().check().map_err(|fault| HandshakeError::Request(Field::Extensions, fault))?;
        }
        Ok(Upgrade { request: *self, accept: accept_value(key) })
    }

    fn check_target(&self) -> Result<(), HandshakeError> {
        // §3: fragment identifiers "MUST NOT be used".
        let has_fragment = self.target.contains('#');
        let authority_is_valid = match self.absolute_target() {
            Some((authority, _)) => split_host_port(authority).is_ok(),
            None => self.target.starts_with('/'),
        };
        if has_fragment || !authority_is_valid { Err(HandshakeError::Target) } else { Ok(()) }
    }

    fn check_token(&self, field: Field, token: &str) -> Result<(), HandshakeError> {
        if self.headers.contains_token(field.name(), token) {
            return Ok(());
        }
        let fault = if self.headers.get(field.name()).is_some() { Fault::Invalid } else { Fault::Missing };
        Err(HandshakeError::Request(field, fault))
    }

    fn check_subprotocols(&self) -> Result<(), Fault> {
        if self.headers.get(Field::Subprotocol.name()).is_none() {
            return Ok(());
        }
        let mut names = [""; MAX_SUBPROTOCOLS];
        let mut count = 0;
        for element in self.headers.elements(Field::Subprotocol.name()) {
            let slot = names.get_mut(count).ok_or(Fault::Invalid)?;
            *slot = core::str::from_utf8(element).map_err(|_| Fault::Invalid)?;
            count += 1;
        }
        let names = names.get(..count).unwrap_or_default();
        // The ABNF has one name at least.
        if names.is_empty() || !are_subprotocols(names) { Err(Fault::Invalid) } else { Ok(()) }
    }

    /// Path and query; of an absolute target without path, either may be all there is.
    fn resource(&self) -> &'b str {
        self.absolute_target().map_or(self.target, |(_, resource)| resource)
    }

    /// Authority and the rest of a target in absolute-form, which a server MUST accept (RFC 7230 §5.3.2).
    fn absolute_target(&self) -> Option<(&'b str, &'b str)> {
        let (scheme, rest) = self.target.split_once("://")?;
        let known = ["http", "https", "ws", "wss"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        known.then(|| split_authority(rest))
    }
}

/// A request that passed every check of §4.2.1 and waits for its response.
#[derive(Debug, Clone, Copy)]
pub struct Upgrade<'h, 'b> {
    request: Request<'h, 'b>,
    accept: [u8; 28],
}

impl<'h, 'b> Upgrade<'h, 'b> {
    /// The request.
    pub const fn request(&self) -> &Request<'h, 'b> {
        &self.request
    }

    /// Writes the response that establishes the connection (§4.2.2, 101 Switching Protocols), all of it or
    /// nothing.
    ///
    /// The bytes behind the head of the request are frames: give them to [`Connection::receive`] first.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Argument`] if `accept` is not a possible answer to this request,
    /// [`HandshakeError::OutputFull`].
    pub fn accept(
        &self,
        accept: &Accept<'_>,
        config: &Config,
        out: &mut (impl Output + ?Sized),
    ) -> Result<Connection, HandshakeError> {
        check_headers(accept.headers)?;
        // §4.2.2: "The value chosen MUST be derived from the client's handshake"; none is told by leaving the
        // header out.
        if accept
            .subprotocol
            .is_some_and(|chosen| !self.request.subprotocols().any(|offered| offered == chosen))
        {
            return Err(Argument::Subprotocol.into());
        }
        if let Some(chosen) = accept.extensions {
            check_value(chosen)?;
            Extensions::in_value(chosen).check().map_err(|_| Argument::Extensions)?;
            // §9: "A server MUST NOT respond with any extension not requested by the client."
            let offered = |name| self.request.extensions().any(|extension| extension.name == name);
            if !Extensions::in_value(chosen).all(|extension| offered(extension.name)) {
                return Err(Argument::Extensions.into());
            }
        }
        write_whole(out, |w| {
            w.text("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
            w.header(Field::Accept.name(), &self.accept);
            if let Some(subprotocol) = accept.subprotocol {
                w.header(Field::Subprotocol.name(), subprotocol.as_bytes());
            }
            if let Some(extensions) = accept.extensions {
                w.header(Field::Extensions.name(), trim(extensions.as_bytes()));
            }
            w.headers(accept.headers);
            w.text("\r\n");
        })?;
        // §5.2: RSV1 "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values".
        let compression = config.compression && accept.extensions.is_some();
        Ok(Connection::server(&Config { compression, ..*config }))
    }
}

/// What a server answers to a request that it accepts; the default is nothing special.
#[derive(Clone, Copy, Default)]
pub struct Accept<'a> {
    /// The subprotocol to speak: one of [`Request::subprotocols`].
    pub subprotocol: Option<&'a str>,
    /// The extensions to use, as the value of Sec-WebSocket-Extensions, each one offered by the client.
    pub extensions: Option<&'a str>,
    /// More headers, such as Set-Cookie. Those of the opening handshake itself are not allowed.
    pub headers: &'a [(&'a str, &'a str)],
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

/// A response that ends the opening handshake without a connection, and the transport with it.
///
/// ```
/// use sansws::SliceOutput;
/// use sansws::handshake::server::Reject;
///
/// let mut tx = [0; 256];
/// let mut out = SliceOutput::new(&mut tx);
/// let headers = [("WWW-Authenticate", "Basic realm=\"chat\"")];
/// Reject { status: 401, headers: &headers, body: b"who are you?" }.write(&mut out)?;
/// assert_eq!(
///     core::str::from_utf8(out.filled()).unwrap(),
///     "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"chat\"\r\n\
///      Content-Length: 12\r\nConnection: close\r\n\r\nwho are you?"
/// );
/// # Ok::<(), sansws::handshake::HandshakeError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Reject<'a> {
    /// The status, from 200 to 599. 426 comes with the headers that RFC 6455 §4.4 and RFC 7231 §6.5.15 want.
    pub status: u16,
    /// More headers, such as Content-Type. Those of the opening handshake itself, Connection and
    /// Content-Length are not allowed.
    pub headers: &'a [(&'a str, &'a str)],
    /// The content.
    pub body: &'a [u8],
}

impl fmt::Debug for Reject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, headers, body } = self;
        f.debug_struct("Reject")
            .field("status", status)
            .field("headers", &Fields(headers))
            .field("body", &format_args!("\"{}\"", body.escape_ascii()))
            .finish()
    }
}

impl Reject<'_> {
    /// Writes the response, all of it or nothing. Send it and close the transport.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Argument`] if it would not be a proper response, [`HandshakeError::OutputFull`].
    pub fn write(&self, out: &mut (impl Output + ?Sized)) -> Result<(), HandshakeError> {
        check_headers(self.headers)?;
        // RFC 7230 §3.3.2: no Content-Length in a 204; and what has no content cannot have any.
        let has_no_content = matches!(self.status, 204 | 205 | 304);
        if !(200..=599).contains(&self.status) || (has_no_content && !self.body.is_empty()) {
            return Err(Argument::Status.into());
        }
        let content_len = (!has_no_content || self.status == 205).then_some(self.body.len());
        Ok(write_whole(out, |w| {
            start_response(w, self.status);
            w.headers(self.headers);
            end_response(w, self.status, content_len);
            w.bytes(self.body);
        })?)
    }
}

/// Writes the response that refuses a request for this error, all of it or nothing. Send it and close the
/// transport.
///
/// It has the error's [status](HandshakeError::status), what RFC 6455 and HTTP want with it
/// (`Sec-WebSocket-Version: 13` and `Upgrade: websocket` with 426, `Allow: GET` with 405), and the error in
/// words as its content.
///
/// # Errors
///
/// [`OutputFull`] if the output has no room for it.
pub fn refuse(error: &HandshakeError, out: &mut (impl Output + ?Sized)) -> Result<(), OutputFull> {
    let mut content_len = 0;
    let body = |w: &mut Pieces<'_>| w.display(format_args!("{error}\n"));
    body(&mut Pieces::new(&mut |piece: &[u8]| content_len += piece.len()));
    write_whole(out, |w| {
        start_response(w, error.status());
        if *error == HandshakeError::Method {
            // RFC 7231 §6.5.5: "The origin server MUST generate an Allow header field in a 405 response".
            w.text("Allow: GET\r\n");
        }
        w.text("Content-Type: text/plain; charset=utf-8\r\n");
        end_response(w, error.status(), Some(content_len));
        body(w);
    })
}

fn start_response(w: &mut Pieces<'_>, status: u16) {
    w.display(format_args!("HTTP/1.1 {status} {}\r\n", reason_phrase(status)));
}

fn end_response(w: &mut Pieces<'_>, status: u16, content_len: Option<usize>) {
    if let Some(len) = content_len {
        w.display(format_args!("Content-Length: {len}\r\n"));
    }
    if status == 426 {
        // RFC 6455 §4.2.2: "... and a |Sec-WebSocket-Version| header field indicating the version(s) the
        // server is capable of understanding." RFC 7231 §6.5.15: "The server MUST send an Upgrade header
        // field in a 426 response".
        w.text("Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n");
    } else {
        w.text("Connection: close\r\n\r\n");
    }
}

/// The words that go with a status code (RFC 9110 §15); empty for one that is not common.
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
