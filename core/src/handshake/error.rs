//! Why an opening handshake failed.

use core::fmt;

use super::number::Decimal;
use crate::output::OutputFull;

/// Why an opening handshake failed: the peer's fault, or an argument that cannot be written.
///
/// A server answers with [`server::refuse`](super::server::refuse), or with
/// [`status`](Self::status) and [`response_headers`](Self::response_headers) if an HTTP library
/// writes the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The head is longer than the [`HeadReader`](super::HeadReader) allows.
    HeadTooLong,
    /// The first line alone is longer than the [`HeadReader`](super::HeadReader) allows: in a
    /// request, its target.
    StartLineTooLong,
    /// The head has more headers than the [`HeaderStorage`](super::HeaderStorage) holds.
    TooManyHeaders,
    /// The head is not HTTP/1: a malformed first line, a line without CR, a folded header, a
    /// control character, a target that is not UTF-8.
    MalformedHead,
    /// The major HTTP version is not 1, or HTTP/1.0 is used for a WebSocket.
    HttpVersion,
    /// The method is not GET.
    Method,
    /// The method is not one that HTTP defines (RFC 9110 §9.3, RFC 5789).
    MethodUnknown,
    /// The target of the request is not a path with query, an absolute HTTP or WebSocket URI, or
    /// `*` with OPTIONS; or it has a fragment or characters that must be percent-encoded.
    Target,
    /// The request has content, whose bytes would be taken for frames.
    Content,
    /// Transfer-Encoding names a coding other than `chunked`.
    TransferCoding,
    /// A header of the request is wrong.
    Request(Field, Fault),
    /// The application does not allow this Origin (§4.2.2, §10.2): 403. This crate never returns
    /// it.
    OriginNotAllowed,
    /// The application has no such resource (§4.2.2): 404. This crate never returns it.
    ResourceNotFound,
    /// The application rejected the request with this status; see
    /// [`Acceptor::receive_with`](super::server::Acceptor::receive_with).
    Rejected(u16),
    /// The response has this status instead of 101; the [`Response`](super::client::Response) has
    /// the rest.
    Status(u16),
    /// More interim responses (1xx) than a client reads.
    TooManyInterim,
    /// A header of the response is wrong.
    Response(Field, Fault),
    /// An argument cannot be written; nothing was.
    Argument(Argument),
    /// The output has no room for the whole head; nothing was written.
    OutputFull,
}

/// A header of the opening handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// `Host`; in an extended CONNECT, `:authority`
    Host,
    /// `Upgrade`
    Upgrade,
    /// `Connection`
    Connection,
    /// `Content-Length`
    ContentLength,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `:protocol`, of an extended CONNECT (RFC 8441)
    Protocol,
    /// `Origin`
    Origin,
    /// `Sec-WebSocket-Key`
    Key,
    /// `Sec-WebSocket-Version`
    Version,
    /// `Sec-WebSocket-Accept`
    Accept,
    /// `Sec-WebSocket-Protocol`
    Subprotocol,
    /// `Sec-WebSocket-Extensions`
    Extensions,
}

impl Field {
    /// Returns the name of the header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Host => "Host",
            Self::Upgrade => "Upgrade",
            Self::Connection => "Connection",
            Self::ContentLength => "Content-Length",
            Self::TransferEncoding => "Transfer-Encoding",
            Self::Protocol => ":protocol",
            Self::Origin => "Origin",
            Self::Key => "Sec-WebSocket-Key",
            Self::Version => "Sec-WebSocket-Version",
            Self::Accept => "Sec-WebSocket-Accept",
            Self::Subprotocol => "Sec-WebSocket-Protocol",
            Self::Extensions => "Sec-WebSocket-Extensions",
        }
    }
}

/// What is wrong with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The header is missing.
    Missing,
    /// The header appears more than once.
    Repeated,
    /// The value is invalid.
    Invalid,
    /// The header is not allowed in this message.
    Unexpected,
    /// The server chose something that the client did not offer.
    NotOffered,
}

/// Which argument cannot be written: it would change the meaning of the head, or the peer would
/// have to refuse the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Argument {
    /// The name of a header is not a token.
    HeaderName,
    /// The value of a header has a control character, such as CR, LF or NUL.
    HeaderValue,
    /// The header is one that the opening handshake writes itself.
    ReservedHeader,
    /// The authority is not `host[:port]`.
    Authority,
    /// The resource name does not begin with `/` or `?`, has a fragment, or has characters that
    /// must be percent-encoded.
    Resource,
    /// A subprotocol is not a token, is repeated, or is one of more than
    /// [`MAX_SUBPROTOCOLS`](super::MAX_SUBPROTOCOLS); or a server chose one that was not offered.
    Subprotocol,
    /// The extensions are not a list as §9.1 defines it; or a server chose one that was not
    /// offered, or parameters that do not answer the offer.
    Extensions,
    /// The status is not 200–599, or it is one without content (204, 205, 304) and there is
    /// content.
    Status,
    /// The request is an extended CONNECT (RFC 8441): there is no HTTP/1.1 response to write.
    ExtendedConnect,
}

impl HandshakeError {
    /// Returns the status of the HTTP response that refuses the request.
    ///
    /// An error of the server itself is a 500. An error in a response is a 502, for a server that
    /// relays it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::MalformedHead | Self::Target | Self::Content => 400,
            Self::OriginNotAllowed => 403,
            Self::ResourceNotFound => 404,
            Self::Method => 405,
            Self::StartLineTooLong => 414,
            // §4.2.2: "an appropriate HTTP error code (such as 426 Upgrade Required)". RFC 9110
            // §15.5.22: also for a request without Upgrade.
            Self::Request(Field::Upgrade, Fault::Missing | Fault::Invalid)
            | Self::Request(Field::Version, _) => 426,
            // RFC 9220 §3: "If a server receives an extended CONNECT request with a ":protocol"
            // pseudo-header field value that is unknown or is not supported, the server SHOULD
            // respond to the request with a 501 (Not Implemented) status code".
            Self::MethodUnknown | Self::TransferCoding | Self::Request(Field::Protocol, _) => 501,
            Self::Request(..) => 400,
            Self::HeadTooLong | Self::TooManyHeaders => 431,
            Self::Argument(_) | Self::OutputFull => 500,
            Self::Status(_) | Self::TooManyInterim | Self::Response(..) => 502,
            Self::HttpVersion => 505,
            Self::Rejected(status) => status,
        }
    }

    /// Returns the headers that the response with [`status`](Self::status) has because of the
    /// status: `Allow` with 405; `Sec-WebSocket-Version`, `Upgrade` and `Connection` with 426.
    /// HTTP/2 and HTTP/3 have no Upgrade: there, answer with 400 instead of 426.
    #[must_use]
    pub const fn response_headers(self) -> &'static [(&'static str, &'static str)] {
        match self.status() {
            // RFC 9110 §15.5.6: "The origin server MUST generate an Allow header field in a 405
            // response".
            405 => &[("Allow", "GET")],
            // RFC 6455 §4.2.2: "... and a |Sec-WebSocket-Version| header field indicating the
            // version(s) the server is capable of understanding." RFC 9110 §15.5.22: "The server
            // MUST send an Upgrade header field in a 426 response".
            // §7.8: "A sender of Upgrade MUST also send an "Upgrade" connection option".
            426 => {
                &[("Sec-WebSocket-Version", "13"), ("Upgrade", "websocket"), ("Connection", "Upgrade, close")]
            }
            _ => &[],
        }
    }

    /// Returns the number of the RFC that [`section`](Self::section) belongs to, such as 6455.
    #[must_use]
    pub const fn rfc(self) -> u16 {
        self.source().0
    }

    /// Returns the section that was violated, such as `"4.2.1"`, of the document
    /// [`rfc`](Self::rfc).
    #[must_use]
    pub const fn section(self) -> &'static str {
        self.source().1
    }

    #[inline(never)]
    const fn source(self) -> (u16, &'static str) {
        match self {
            Self::StartLineTooLong => (9112, "3"),
            Self::MethodUnknown => (9110, "9.1"),
            Self::TransferCoding => (9112, "6.1"),
            Self::Request(Field::ContentLength | Field::TransferEncoding, _) => (9112, "6.3"),
            Self::Request(Field::Protocol, _) | Self::Argument(Argument::ExtendedConnect) => (8441, "5"),
            Self::Request(_, Fault::Unexpected) => (9113, "8.2.2"),
            Self::TooManyInterim => (9110, "15.2"),
            Self::HeadTooLong | Self::TooManyHeaders => (6455, "10.4"),
            Self::Request(Field::Version, _) => (6455, "4.4"),
            Self::Request(Field::Extensions, _)
            | Self::Response(Field::Extensions, Fault::Invalid)
            | Self::Argument(Argument::Extensions) => (6455, "9.1"),
            Self::OriginNotAllowed => (6455, "10.2"),
            Self::ResourceNotFound | Self::Rejected(_) => (6455, "4.2.2"),
            Self::Target => (6455, "3"),
            Self::Method | Self::Content | Self::Request(..) => (6455, "4.2.1"),
            Self::Status(_) | Self::Response(..) | Self::HttpVersion => (6455, "4.1"),
            Self::MalformedHead | Self::Argument(_) | Self::OutputFull => (6455, "4"),
        }
    }

    /// Hands the words over piece by piece, so that a refusal can be written without `core::fmt`.
    #[inline(never)]
    pub(super) fn describe(self, piece: &mut dyn FnMut(&[u8])) {
        let text = match self {
            Self::HeadTooLong => "the head is too long",
            Self::StartLineTooLong => "the first line is too long",
            Self::TooManyHeaders => "too many headers",
            Self::MalformedHead => "the head is not HTTP/1.1",
            Self::HttpVersion => "the HTTP version is not 1.1",
            Self::Method => "the method is not GET",
            Self::MethodUnknown => "the method is unknown",
            Self::Target => "the request target is not a resource name",
            Self::Content => "the request has content",
            Self::TransferCoding => "the transfer coding is not chunked",
            Self::Request(..) => "the request's ",
            Self::OriginNotAllowed => "this Origin is not allowed",
            Self::ResourceNotFound => "there is no such resource",
            Self::Rejected(_) => "the application rejected the request with status ",
            Self::Status(_) => "the status of the response is ",
            Self::TooManyInterim => "too many interim responses",
            Self::Response(..) => "the response's ",
            Self::Argument(argument) => return piece(argument.description().as_bytes()),
            Self::OutputFull => return piece(b"the output has no room for the whole frame"),
        };
        piece(text.as_bytes());
        match self {
            Self::Request(field, fault) | Self::Response(field, fault) => {
                piece(field.name().as_bytes());
                piece(b" ");
                piece(fault.description().as_bytes());
            }
            Self::Rejected(status) => piece(Decimal::new(status.into()).as_bytes()),
            Self::Status(status) => {
                piece(Decimal::new(status.into()).as_bytes());
                piece(b", not 101");
            }
            _ => {}
        }
        piece(b" (RFC ");
        let (rfc, section) = self.source();
        piece(Decimal::new(rfc.into()).as_bytes());
        piece(" §".as_bytes());
        piece(section.as_bytes());
        piece(b")");
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut result = Ok(());
        self.describe(&mut |piece| {
            // Each piece is whole text.
            if let (Ok(()), Ok(text)) = (result, core::str::from_utf8(piece)) {
                result = f.write_str(text);
            }
        });
        result
    }
}

impl core::error::Error for HandshakeError {}

#[cfg(feature = "std")]
impl From<HandshakeError> for std::io::Error {
    fn from(error: HandshakeError) -> Self {
        use std::io::ErrorKind;
        let kind = match error {
            HandshakeError::OutputFull => ErrorKind::StorageFull,
            HandshakeError::Argument(_) => ErrorKind::InvalidInput,
            _ => ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

impl Fault {
    const fn description(self) -> &'static str {
        match self {
            Self::Missing => "is missing",
            Self::Repeated => "appears more than once",
            Self::Invalid => "is invalid",
            Self::Unexpected => "is not allowed",
            Self::NotOffered => "was not offered",
        }
    }
}

impl Argument {
    const fn description(self) -> &'static str {
        match self {
            Self::HeaderName => "the name of a header to send is not a token",
            Self::HeaderValue => "the value of a header to send has a control character",
            Self::ReservedHeader => "a header to send is one that the opening handshake writes itself",
            Self::Authority => "the authority to send is not host[:port]",
            Self::Resource => "the resource name to send is not a path and query",
            Self::Subprotocol => "a subprotocol to send is not a token, not unique or not offered",
            Self::Extensions => "the extensions to send are malformed or not offered",
            Self::Status => "the status to send does not fit the response",
            Self::ExtendedConnect => "an extended CONNECT has no HTTP/1.1 response to write",
        }
    }
}

impl From<OutputFull> for HandshakeError {
    fn from(_: OutputFull) -> Self {
        Self::OutputFull
    }
}

impl From<Argument> for HandshakeError {
    fn from(argument: Argument) -> Self {
        Self::Argument(argument)
    }
}
