//! WebSocket URIs, RFC 6455 [§3](https://datatracker.ietf.org/doc/html/rfc6455#section-3).

use core::fmt;

use crate::authority::{
    InvalidAuthority, is_reg_name, is_sub_delim, is_unreserved, split_authority, split_host_port,
    split_scheme,
};

/// A `ws:` or `wss:` URI, split into its parts. The parts borrow from the text.
///
/// ```
/// use sansws::Uri;
///
/// let uri = Uri::parse("wss://[2001:db8::1]:9443/chat?room=7")?;
/// assert!(uri.secure());
/// assert_eq!((uri.host(), uri.port()), ("2001:db8::1", 9443)); // what to connect to
/// assert_eq!(uri.authority(), "[2001:db8::1]:9443"); // the value of the Host header
/// assert_eq!(uri.resource_name(), "/chat?room=7"); // for the request line
/// # Ok::<(), sansws::UriError>(())
/// ```
///
/// Host, path and query must be ASCII: an internationalised host name is written in its `xn--` form
/// and everything else percent-encoded, as a URI always is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Uri<'a> {
    secure: bool,
    userinfo: Option<&'a str>,
    host: &'a str,
    port: u16,
    authority: &'a str,
    resource_name: &'a str,
}

impl<'a> Uri<'a> {
    /// Splits a URI into its parts.
    ///
    /// # Errors
    ///
    /// [`UriError`] names the part that §3 does not allow.
    pub fn parse(text: &'a str) -> Result<Self, UriError> {
        // §3 and RFC 3986 §3.1: "ws:" or "wss:"; "schemes are case-insensitive".
        let (scheme, rest) = split_scheme(text).ok_or(UriError::Scheme)?;
        let secure = match scheme {
            _ if scheme.eq_ignore_ascii_case("ws") => false,
            _ if scheme.eq_ignore_ascii_case("wss") => true,
            _ => return Err(UriError::Scheme),
        };
        // §3: "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT
        // be used on these URIs."
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

        // §3: "The port component is OPTIONAL; the default for "ws" is port 80, while the default
        // for "wss" is port 443."
        let default_port = if secure { 443 } else { 80 };
        let (host, port) = split_host_port(authority)?;
        let port = port.unwrap_or(default_port);
        let host_len = if authority.starts_with('[') { host.len() + 2 } else { host.len() };
        let authority = if port == default_port { &authority[..host_len] } else { authority };

        if !is_resource_name(resource) {
            return Err(UriError::Resource);
        }
        // §3, the resource name: "/" if the path is empty, "?" only if the query is not.
        let resource = match resource.split_once('?') {
            Some((path, "")) => path,
            _ => resource,
        };
        let resource_name = if resource.is_empty() { "/" } else { resource };
        Ok(Self { secure, userinfo, host, port, authority, resource_name })
    }

    /// Returns whether the scheme is `wss`, so that the connection uses TLS.
    #[must_use]
    pub const fn secure(&self) -> bool {
        self.secure
    }

    /// The part before `@`, still percent-encoded, such as `user:password`.
    ///
    /// §3 does not define it and it is never sent as it is. A client can use it for an
    /// `Authorization` header.
    #[must_use]
    pub const fn userinfo(&self) -> Option<&'a str> {
        self.userinfo
    }

    /// Returns the host name or address to connect to. An IPv6 address has no brackets.
    #[must_use]
    pub const fn host(&self) -> &'a str {
        self.host
    }

    /// Returns the port to connect to. If the URI has none, 80 for `ws` and 443 for `wss`.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The value of the Host header: the host, in brackets if it is an IPv6 address, and the port
    /// if it is not the default one (§4.1).
    #[must_use]
    pub const fn authority(&self) -> &'a str {
        self.authority
    }

    /// Returns the resource name (§3): path and query, at least `/`.
    ///
    /// One case lacks its first byte, because the resource name `/?query` of `ws://host?query` is
    /// not a part of that text: it is returned as `?query`.
    /// [`Offer`](crate::handshake::client::Offer) adds the `/`. [`path`](Self::path) and
    /// [`query`](Self::query) are always complete.
    #[must_use]
    pub const fn resource_name(&self) -> &'a str {
        self.resource_name
    }

    /// Returns the path, at least `/`, still percent-encoded.
    #[must_use]
    pub fn path(&self) -> &'a str {
        match self.resource_name.split_once('?') {
            Some(("", _)) => "/",
            Some((path, _)) => path,
            None => self.resource_name,
        }
    }

    /// Returns the query, without its `?` and still percent-encoded. `None` if it is missing or
    /// empty.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        self.resource_name.split_once('?').map(|(_, query)| query)
    }
}

impl fmt::Debug for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secure, userinfo, host, port, authority, resource_name } = self;
        f.debug_struct("Uri")
            .field("secure", secure)
            // A password has no place in logs.
            .field("userinfo", &userinfo.map(|_| "..."))
            .field("host", host)
            .field("port", port)
            .field("authority", authority)
            .field("resource_name", resource_name)
            .finish()
    }
}

/// The part of a WebSocket URI that RFC 6455 §3 does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UriError {
    /// The scheme is neither `ws://` nor `wss://`.
    Scheme,
    /// The URI has a fragment (`#…`), which "MUST NOT be used".
    Fragment,
    /// The part before `@` has characters that are not allowed there.
    UserInfo,
    /// The host is missing, has characters that are not allowed in a host, or is in brackets and is
    /// not an IPv6 address.
    Host,
    /// The port is not a number from 0 to 65535.
    Port,
    /// Path or query have characters that must be percent-encoded (blanks, control characters, `"`,
    /// `<`, `>`, all that is not ASCII), or an incomplete percent-encoding.
    Resource,
}

impl UriError {
    /// The section of RFC 6455 that the URI violates: `"3"`.
    #[must_use]
    pub const fn section(self) -> &'static str {
        "3"
    }
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the URI does not begin with ws:// or wss://",
            Self::Fragment => "a WebSocket URI has no fragment (#)",
            Self::UserInfo => "the user information in the URI has characters that are not allowed there",
            Self::Host => "the host in the URI is missing or invalid",
            Self::Port => "the port in the URI is not a number from 0 to 65535",
            Self::Resource => "path or query of the URI are not percent-encoded as they must be",
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

/// Whether a request line may have this as its path and query.
///
/// These are the characters of RFC 3986 §3.3 and §3.4, with percent-encoding complete, and no
/// others but those that browsers send as they are: the URL Standard leaves `[`, `]` and `|` alone
/// in a path, and `\`, `^`, `` ` ``, `{` and `}` too in a query, so `?filter[name]=x` is common.
/// That excludes blanks, control characters, `"`, `<`, `>`, a fragment, and all that is not ASCII.
pub(crate) fn is_resource_name(text: &str) -> bool {
    let mut in_query = false;
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        let is_valid = match b {
            // RFC 3986 §2.1: `pct-encoded = "%" HEXDIG HEXDIG`.
            b'%' => bytes.by_ref().take(2).filter(u8::is_ascii_hexdigit).count() == 2,
            b'?' => {
                in_query = true;
                true
            }
            b'/' | b':' | b'@' | b'[' | b']' | b'|' => true,
            b'\\' | b'^' | b'`' | b'{' | b'}' => in_query,
            _ => is_unreserved(b) || is_sub_delim(b),
        };
        if !is_valid {
            return false;
        }
    }
    true
}

impl From<InvalidAuthority> for UriError {
    fn from(invalid: InvalidAuthority) -> Self {
        match invalid {
            InvalidAuthority::Host => Self::Host,
            InvalidAuthority::Port => Self::Port,
        }
    }
}

/// RFC 3986 §3.2.1 `userinfo`.
const fn is_userinfo(b: u8) -> bool {
    is_reg_name(b) || matches!(b, b':' | b'%')
}
