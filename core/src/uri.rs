//! WebSocket URIs, RFC 6455 [§3](https://datatracker.ietf.org/doc/html/rfc6455#section-3).

use core::fmt;
use core::net::Ipv6Addr;

/// A `ws:` or `wss:` URI, taken apart where it stands.
///
/// ```
/// use sansws::Uri;
///
/// let uri = Uri::parse("wss://[2001:db8::1]:9443/chat?room=7")?;
/// assert!(uri.secure());
/// assert_eq!((uri.host(), uri.port()), ("2001:db8::1", 9443)); // what to connect to
/// assert_eq!(uri.authority(), "[2001:db8::1]:9443"); // what the Host header says
/// assert_eq!(uri.resource(), "/chat?room=7"); // what the request line says
/// # Ok::<(), sansws::UriError>(())
/// ```
///
/// Host, path and query must be ASCII: an internationalised host name is written in its `xn--` form and
/// everything else percent-encoded, as a URI always is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Uri<'a> {
    secure: bool,
    userinfo: Option<&'a str>,
    host: &'a str,
    port: u16,
    authority: &'a str,
    resource: &'a str,
}

impl<'a> Uri<'a> {
    /// Takes a URI apart.
    ///
    /// # Errors
    ///
    /// [`UriError`] names the part that is not as §3 wants it.
    pub fn parse(text: &'a str) -> Result<Self, UriError> {
        // §3 and RFC 3986 §3.1: "ws:" or "wss:"; "schemes are case-insensitive".
        let (scheme, rest) = text.split_once("://").ok_or(UriError::Scheme)?;
        let secure = match scheme {
            _ if scheme.eq_ignore_ascii_case("ws") => false,
            _ if scheme.eq_ignore_ascii_case("wss") => true,
            _ => return Err(UriError::Scheme),
        };
        // §3: "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used on
        // these URIs."
        if rest.contains('#') {
            return Err(UriError::Fragment);
        }
        let (authority, resource) = split_authority(rest);

        let (userinfo, authority) = match authority.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(userinfo), authority),
            None => (None, authority),
        };
        if userinfo.is_some_and(|text| !text.bytes().all(is_userinfo)) {
            return Err(UriError::UserInfo);
        }

        // §3: "The port component is OPTIONAL; the default for "ws" is port 80, while the default for "wss"
        // is port 443."
        let default_port = if secure { 443 } else { 80 };
        let (host, port) = split_host_port(authority)?;
        let port = port.unwrap_or(default_port);
        let host_len = if authority.starts_with('[') { host.len() + 2 } else { host.len() };
        let authority =
            if port == default_port { authority.get(..host_len).unwrap_or(authority) } else { authority };

        if !is_resource(resource) {
            return Err(UriError::Resource);
        }
        // §3, the resource name: "/" if the path is empty, "?" only if the query is not.
        let resource = match resource.split_once('?') {
            Some((path, "")) => path,
            _ => resource,
        };
        let resource = if resource.is_empty() { "/" } else { resource };
        Ok(Self { secure, userinfo, host, port, authority, resource })
    }

    /// Whether the scheme is `wss`: the connection goes through TLS.
    pub const fn secure(&self) -> bool {
        self.secure
    }

    /// What stands before `@`, still percent-encoded, such as `user:password`. §3 knows no such thing; it is
    /// never sent by itself, but a client may make an `Authorization` header of it.
    pub const fn userinfo(&self) -> Option<&'a str> {
        self.userinfo
    }

    /// The host name or address to connect to; an IPv6 address comes without its brackets.
    pub const fn host(&self) -> &'a str {
        self.host
    }

    /// The port to connect to: the one named, else 80 for `ws` and 443 for `wss`.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What the Host header says: the host, in brackets if it is an IPv6 address, and the port if it is not
    /// the default one (§4.1).
    pub const fn authority(&self) -> &'a str {
        self.authority
    }

    /// The resource name: path and query, at least `/`.
    ///
    /// As it is borrowed from the URI, one case is a byte short: that of `ws://host?query`, whose resource
    /// name `/?query` stands nowhere in it. It comes as `?query`, and
    /// [`client::Request::write`](crate::handshake::client::Request::write) writes the missing `/`.
    /// [`path`](Self::path) and [`query`](Self::query) are not concerned.
    pub const fn resource(&self) -> &'a str {
        self.resource
    }

    /// The path, at least `/`, still percent-encoded.
    pub fn path(&self) -> &'a str {
        match self.resource.split_once('?') {
            Some(("", _)) => "/",
            Some((path, _)) => path,
            None => self.resource,
        }
    }

    /// The query, without its `?` and still percent-encoded; `None` if there is none or if it is empty.
    pub fn query(&self) -> Option<&'a str> {
        self.resource.split_once('?').map(|(_, query)| query)
    }
}

impl fmt::Debug for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secure, userinfo, host, port, authority, resource } = self;
        f.debug_struct("Uri")
            .field("secure", secure)
            // A password has no place in logs.
            .field("userinfo", &userinfo.map(|_| "..."))
            .field("host", host)
            .field("port", port)
            .field("authority", authority)
            .field("resource", resource)
            .finish()
    }
}

/// The part of a WebSocket URI that is not as RFC 6455 §3 wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UriError {
    /// The scheme is neither `ws://` nor `wss://`.
    Scheme,
    /// There is a fragment (`#…`), which "MUST NOT be used".
    Fragment,
    /// What stands before `@` has characters that a URI cannot have there.
    UserInfo,
    /// The host is missing, has characters that no host has, or is not an IPv6 address though in brackets.
    Host,
    /// The port is not a number from 0 to 65535.
    Port,
    /// Path or query have characters that must be percent-encoded: blanks, control characters, all that is
    /// not ASCII.
    Resource,
}

impl UriError {
    /// The section of RFC 6455 that was broken: `"3"`.
    pub const fn section(self) -> &'static str {
        "3"
    }
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the URI does not begin with ws:// or wss://",
            Self::Fragment => "a WebSocket URI has no fragment (#)",
            Self::UserInfo => "the user information in the URI has characters that it cannot have",
            Self::Host => "the host in the URI is missing or invalid",
            Self::Port => "the port in the URI is not a number from 0 to 65535",
            Self::Resource => "path or query of the URI have characters that must be percent-encoded",
        })
    }
}

impl core::error::Error for UriError {}

#[cfg(feature = "std")]
impl From<UriError> for std::io::Error {
    fn from(error: UriError) -> Self {
        Self::new(std::io::ErrorKind::InvalidInput, error)
    }
}

/// Splits what follows `scheme://` into the authority and the rest, which is empty or begins with `/` or `?`.
pub(crate) fn split_authority(text: &str) -> (&str, &str) {
    let end = text.find(['/', '?']).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Splits `host[:port]`, as it stands in a URI and in a Host header. An IPv6 address loses its brackets; an
/// empty port is none.
pub(crate) fn split_host_port(text: &str) -> Result<(&str, Option<u16>), UriError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(UriError::Host)?;
            if host.parse::<Ipv6Addr>().is_err() {
                return Err(UriError::Host);
            }
            match rest.strip_prefix(':') {
                Some(port) => (host, port),
                None if rest.is_empty() => (host, ""),
                None => return Err(UriError::Host),
            }
        }
        None => {
            let (host, port) = text.split_once(':').unwrap_or((text, ""));
            if host.is_empty() || !host.bytes().all(is_host) {
                return Err(UriError::Host);
            }
            (host, port)
        }
    };
    if !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(UriError::Port);
    }
    let port = if port.is_empty() { None } else { Some(port.parse().map_err(|_| UriError::Port)?) };
    Ok((host, port))
}

/// Whether two hosts, without brackets, are the same: names whatever their case, IPv6 addresses whatever
/// their spelling.
pub(crate) fn same_host(a: &str, b: &str) -> bool {
    match (a.parse::<Ipv6Addr>(), b.parse::<Ipv6Addr>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a.eq_ignore_ascii_case(b),
    }
}

/// Whether a request line may have this as its path and query: printable ASCII without blanks and without a
/// fragment.
pub(crate) fn is_resource(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
}

/// RFC 3986 §3.2.2 `reg-name`, but for percent-encoding, which no resolver undoes.
const fn is_host(b: u8) -> bool {
    matches!(
        b,
        b'-' | b'.'
            | b'_'
            | b'~'
            | b'!'
            | b'$'
            | b'&'
            | b'\''
            | b'('
            | b')'
            | b'*'
            | b'+'
            | b','
            | b';'
            | b'='
    ) || b.is_ascii_alphanumeric()
}

/// RFC 3986 §3.2.1 `userinfo`.
const fn is_userinfo(b: u8) -> bool {
    is_host(b) || matches!(b, b':' | b'%')
}
