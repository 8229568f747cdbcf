//! Why an opening handshake came to nothing.

use core::fmt;

use crate::output::OutputFull;

/// Why an opening handshake came to nothing: the peer's fault, or what the caller wanted to write.
///
/// A server answers with [`server::refuse`](super::server::refuse), which knows the response for each of
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The head is longer than the [`HeadReader`](super::HeadReader) allows.
    HeadTooLong,
    /// The head has more headers than the [`HeaderStorage`](super::HeaderStorage) holds.
    TooManyHeaders,
    /// The head is not HTTP/1: a broken line, a line without CR, a folded header, a control character, a
    /// target that is not UTF-8.
    MalformedHead,
    /// HTTP, but not HTTP/1.1.
    HttpVersion,
    /// The method is not GET.
    Method,
    /// The target of the request is neither a path nor an absolute HTTP or WebSocket URI, or it has a
    /// fragment.
    Target,
    /// The request has content (Content-Length, Transfer-Encoding), whose bytes would be taken for frames.
    Content,
    /// A header of the request is not as it must be.
    Request(Field, Fault),
    /// The application does not want this Origin (§4.2.2, §10.2): 403. Nothing in this crate says so by
    /// itself.
    OriginNotAllowed,
    /// The application has no such resource (§4.2.2): 404. Nothing in this crate says so by itself.
    ResourceNotFound,
    /// The status of the response is this one, not 101; the [`Response`](super::client::Response) tells the
    /// rest.
    Status(u16),
    /// A header of the response is not as it must be.
    Response(Field, Fault),
    /// What the caller gave to be written cannot be written; nothing was.
    Argument(Argument),
    /// The output has no room for the whole head; nothing was written.
    OutputFull,
}

/// A header of the opening handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// `Host`
    Host,
    /// `Upgrade`
    Upgrade,
    /// `Connection`
    Connection,
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
    /// The name as it stands in a head.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Host => "Host",
            Self::Upgrade => "Upgrade",
            Self::Connection => "Connection",
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
    /// It is not there.
    Missing,
    /// It is there more than once.
    Repeated,
    /// Its value is not what it must be.
    Invalid,
    /// The server chose what the client did not offer.
    NotOffered,
}

/// What the caller gave to be written and cannot be: it would make a head that means something else, or a
/// handshake that the peer must refuse.
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
    /// The resource name does not begin with `/` or `?`, or has a blank, a control character, a fragment or
    /// non-ASCII characters.
    Resource,
    /// A subprotocol that is not a token, or repeated, or one of more than
    /// [`MAX_SUBPROTOCOLS`](super::MAX_SUBPROTOCOLS); or, of a server, one that the client did not offer.
    Subprotocol,
    /// Extensions that are no list as §9.1 has it; or, of a server, one that the client did not offer.
    Extensions,
    /// A status that is not 200–599, or one that has no content (204, 205, 304) with content.
    Status,
}

impl HandshakeError {
    /// The status of the HTTP response that refuses the request.
    ///
    /// The server's own mistakes are a 500; what a client finds in a response would be a 502 of a server that
    /// relays it.
    pub const fn status(self) -> u16 {
        match self {
            Self::MalformedHead | Self::Target | Self::Content => 400,
            Self::OriginNotAllowed => 403,
            Self::ResourceNotFound => 404,
            Self::Method => 405,
            // §4.2.2: "an appropriate HTTP error code (such as 426 Upgrade Required)". RFC 7231 §6.5.15: also
            // for no Upgrade at all.
            Self::Request(Field::Upgrade | Field::Version, _) => 426,
            Self::Request(..) => 400,
            Self::HeadTooLong | Self::TooManyHeaders => 431,
            Self::Argument(_) | Self::OutputFull => 500,
            Self::Status(_) | Self::Response(..) => 502,
            Self::HttpVersion => 505,
        }
    }

    /// The section of RFC 6455 that was broken, such as `"4.2.1"`.
    pub const fn section(self) -> &'static str {
        match self {
            Self::HeadTooLong | Self::TooManyHeaders => "10.4",
            Self::Request(Field::Version, _) => "4.4",
            Self::Request(Field::Extensions, _)
            | Self::Response(Field::Extensions, Fault::Invalid)
            | Self::Argument(Argument::Extensions) => "9.1",
            Self::OriginNotAllowed => "10.2",
            Self::ResourceNotFound => "4.2.2",
            Self::Target => "3",
            Self::Method | Self::Content | Self::Request(..) => "4.2.1",
            Self::Status(_) | Self::Response(..) | Self::HttpVersion => "4.1",
            Self::MalformedHead | Self::Argument(_) | Self::OutputFull => "4",
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeadTooLong => f.write_str("the head is too long")?,
            Self::TooManyHeaders => f.write_str("too many headers")?,
            Self::MalformedHead => f.write_str("the head is not HTTP/1.1")?,
            Self::HttpVersion => f.write_str("the HTTP version is not 1.1")?,
            Self::Method => f.write_str("the method is not GET")?,
            Self::Target => f.write_str("the request target is not a resource name")?,
            Self::Content => f.write_str("the request has content")?,
            Self::Request(field, fault) => {
                write!(f, "the request's {} {}", field.name(), fault.description())?;
            }
            Self::OriginNotAllowed => f.write_str("this Origin is not allowed")?,
            Self::ResourceNotFound => f.write_str("there is no such resource")?,
            Self::Status(status) => write!(f, "the status of the response is {status}, not 101")?,
            Self::Response(field, fault) => {
                write!(f, "the response's {} {}", field.name(), fault.description())?;
            }
            Self::Argument(argument) => return f.write_str(argument.description()),
            Self::OutputFull => return OutputFull.fmt(f),
        }
        write!(f, " (RFC 6455 §{})", self.section())
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
            Self::Repeated => "is there more than once",
            Self::Invalid => "is not what it must be",
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

impl HandshakeError {
    pub(super) const fn from_httparse(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooManyHeaders,
            httparse::Error::Version => Self::HttpVersion,
            _ => Self::MalformedHead,
        }
    }
}
