//! Proxies that connections are tunnelled through with HTTP CONNECT, RFC 9110 §9.3.6.

mod bypass;

use std::{fmt, io};

use sansws::Uri;
use sansws::handshake::HandshakeError;

use crate::target::credentials::{Secret, basic, basic_of_userinfo};
use bypass::Bypass;

/// An HTTP proxy for dialled connections: [`Connect::proxy`](crate::Connect::proxy).
///
/// The proxy is asked for a tunnel (CONNECT), be the URL `ws:` or `wss:`, and resolves the server's
/// name itself. The connection to the proxy is TCP without TLS: credentials for it can be read by
/// those between.
///
/// ```
/// use sansws_mio::Proxy;
///
/// let proxy = Proxy::new("http://me:password@proxy.example.com:3128")?.no_proxy("localhost, 10.0.0.0/8, .example.com");
/// # let _ = proxy;
/// # Ok::<(), sansws_mio::ProxyUrlError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Proxy {
    plain: Option<ProxyServer>,
    secure: Option<ProxyServer>,
    bypass: Bypass,
}

impl Proxy {
    /// One proxy for all connections. `url` is `http://[user:password@]host[:port]`; without
    /// `http://` it is taken for that, without a port the port is 80. User name and password are
    /// percent-encoded.
    ///
    /// # Errors
    ///
    /// [`ProxyUrlError`].
    pub fn new(url: &str) -> Result<Self, ProxyUrlError> {
        let server = ProxyServer::parse(url)?;
        Ok(Self { plain: Some(server.clone()), secure: Some(server), bypass: Bypass::default() })
    }

    /// The proxies that the environment names, if it does; else connections go straight to the
    /// server.
    ///
    /// For `wss:` the first of `https_proxy` and `all_proxy` that is set, for `ws:` the first of
    /// `https_proxy`, `http_proxy` and `all_proxy` (RFC 6455 §4.1: "prefer the proxy configured for
    /// HTTPS connections over the proxy configured for HTTP connections"). Each in lower case or,
    /// if that is not set, in upper case; empty is not set. `HTTP_PROXY` in upper case is ignored
    /// in a CGI program (`REQUEST_METHOD` is set), where a client can set it. `no_proxy` has the
    /// exceptions: see [`no_proxy`](Self::no_proxy).
    ///
    /// # Errors
    ///
    /// [`ProxyUrlError`]: a variable that is needed is not the URL of an HTTP proxy, such as one of a SOCKS proxy.
    pub fn from_env() -> Result<Self, ProxyUrlError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ProxyUrlError> {
        let is_cgi = variable("REQUEST_METHOD").is_some();
        let get = |name: &str| {
            let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
            set(name).or_else(|| {
                if is_cgi && name == "http_proxy" { None } else { set(&name.to_ascii_uppercase()) }
            })
        };
        let first = |names: &[&str]| {
            names.iter().find_map(|name| get(name)).map(|url| ProxyServer::parse(url.trim())).transpose()
        };
        Ok(Self {
            plain: first(&["https_proxy", "http_proxy", "all_proxy"])?,
            secure: first(&["https_proxy", "all_proxy"])?,
            bypass: Bypass::parse(&get("no_proxy").unwrap_or_default()),
        })
    }

    /// Credentials for the proxy (RFC 7617), sent with every request for a tunnel. They are not
    /// percent-encoded here.
    ///
    /// # Errors
    ///
    /// [`ProxyUrlError::Credentials`]: a colon in the user name, or a control character.
    pub fn basic_auth(mut self, user: &str, password: &str) -> Result<Self, ProxyUrlError> {
        let secret = basic(user.as_bytes(), password.as_bytes()).ok_or(ProxyUrlError::Credentials)?;
        for server in [&mut self.plain, &mut self.secure].into_iter().flatten() {
            server.authorization = Some(secret.clone());
        }
        Ok(self)
    }

    /// The servers that are reached without the proxy: a list of rules with commas or blanks
    /// between them, instead of the former one.
    ///
    /// - `*`: all;
    /// - `example.com`: this host and those below it; `.example.com` and `*.example.com`: only
    ///   those below it;
    /// - `192.0.2.1`, `2001:db8::1`, `10.0.0.0/8`, `2001:db8::/32`: hosts that the URL names by
    ///   such an address (a name is not resolved);
    /// - each but `*` and the blocks with a port, `example.com:8080`, `[2001:db8::1]:8080`: only
    ///   that one.
    ///
    /// What is none of these fits no server.
    #[must_use]
    pub fn no_proxy(mut self, rules: &str) -> Self {
        self.bypass = Bypass::parse(rules);
        self
    }

    /// The proxy for this server, if there is one.
    pub(crate) fn server_for(&self, secure: bool, host: &str, port: u16) -> Option<&ProxyServer> {
        let server = if secure { &self.secure } else { &self.plain };
        server.as_ref().filter(|_| !self.bypass.covers(host, port))
    }
}

/// Where a proxy is, and the credentials for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProxyServer {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The value of the `Proxy-Authorization` header.
    pub(crate) authorization: Option<Secret>,
}

impl ProxyServer {
    fn parse(url: &str) -> Result<Self, ProxyUrlError> {
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(ProxyUrlError::Scheme),
            None => url,
        };
        // The authority of an HTTP URL is that of a WebSocket URL, default port included.
        let url = format!("ws://{rest}");
        let uri = Uri::parse(&url).map_err(|error| match error {
            sansws::UriError::UserInfo => ProxyUrlError::Credentials,
            _ => ProxyUrlError::Address,
        })?;
        if uri.resource_name() != "/" {
            return Err(ProxyUrlError::Address);
        }
        let authorization = match uri.userinfo() {
            None | Some("") => None,
            Some(userinfo) => Some(basic_of_userinfo(userinfo).ok_or(ProxyUrlError::Credentials)?),
        };
        Ok(Self { host: uri.host().into(), port: uri.port(), authorization })
    }
}

/// Why a [`Proxy`] could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyUrlError {
    /// The scheme is not `http`: a SOCKS proxy, or one that is reached through TLS.
    Scheme,
    /// Not a host with an optional port, or with more behind it.
    Address,
    /// The user name or password has a malformed `%`, or something that Basic credentials cannot
    /// carry: a colon in the user name, a control character.
    Credentials,
}

impl fmt::Display for ProxyUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "only http:// proxies are supported",
            Self::Address => "the proxy's URL is not http://host[:port]",
            Self::Credentials => {
                "the user name or password for the proxy has a character that cannot be sent, or a malformed %"
            }
        })
    }
}

impl std::error::Error for ProxyUrlError {}

/// Why there is no tunnel through a proxy.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProxyError {
    /// The proxy's name was not resolved.
    Resolve(io::Error),
    /// There is no connection to the proxy, or it broke.
    Io(io::Error),
    /// The proxy closed the connection without an answer.
    Eof,
    /// The proxy answered with this status instead of 2xx. 407: it wants credentials, or others.
    Refused {
        /// The HTTP status code.
        status: u16,
    },
    /// The proxy's answer is not HTTP, or too long.
    Response(HandshakeError),
    /// The server is named by something that cannot be asked of a proxy.
    Request,
    /// Bytes came through the tunnel before anything was sent into it: they cannot be the server's
    /// answer.
    EarlyBytes,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(error) => write!(f, "the proxy's name was not resolved: {error}"),
            Self::Io(error) => write!(f, "the connection to the proxy: {error}"),
            Self::Eof => f.write_str("the proxy closed the connection without an answer"),
            Self::Refused { status: 407 } => {
                f.write_str("the proxy wants credentials, or others (HTTP status 407)")
            }
            Self::Refused { status } => write!(f, "the proxy refused with HTTP status {status}"),
            Self::Response(error) => write!(f, "the proxy's answer: {error}"),
            Self::Request => f.write_str("a proxy cannot be asked for this server"),
            Self::EarlyBytes => f.write_str("the proxy sent something before the server could"),
        }
    }
}

impl std::error::Error for ProxyError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let parse = |url: &str| {
            ProxyServer::parse(url)
                .map(|server| (server.host, server.port, server.authorization.map(|secret| secret.0)))
        };
        let table = [
            ("http://p:3128", "p", 3128, None),
            ("http://p", "p", 80, None),
            ("HTTP://p/", "p", 80, None),
            ("p:3128", "p", 3128, None),
            ("192.0.2.1:8080", "192.0.2.1", 8080, None),
            ("[2001:db8::1]:8080", "2001:db8::1", 8080, None),
            ("http://me:p%40ss@p:1", "p", 1, Some("Basic bWU6cEBzcw==")),
            ("http://me@p:1", "p", 1, Some("Basic bWU6")),
        ];
        for (url, host, port, authorization) in table {
            assert_eq!(parse(url), Ok((host.into(), port, authorization.map(Into::into))), "{url}");
        }
        let refused = [
            ("socks5://p:1080", ProxyUrlError::Scheme),
            ("https://p", ProxyUrlError::Scheme),
            ("", ProxyUrlError::Address),
            ("http://", ProxyUrlError::Address),
            ("http://p:x", ProxyUrlError::Address),
            ("http://p:99999", ProxyUrlError::Address),
            ("http://p/path", ProxyUrlError::Address),
            ("http://p\r\nX: y", ProxyUrlError::Address),
            ("http://a%0d%0a:b@p", ProxyUrlError::Credentials),
            ("http://a:%4@p", ProxyUrlError::Credentials),
            ("http://a b@p", ProxyUrlError::Credentials),
        ];
        for (url, error) in refused {
            assert_eq!(parse(url), Err(error), "{url}");
        }
    }

    /// The hosts of the proxies for `ws:` and for `wss:` in this environment.
    fn chosen(
        variables: &[(&str, &str)],
        host: &str,
    ) -> Result<(Option<String>, Option<String>), ProxyUrlError> {
        let get = |wanted: &str| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned())
        };
        let proxy = Proxy::from_variables(get)?;
        let of =
            |secure: bool, port: u16| proxy.server_for(secure, host, port).map(|server| server.host.clone());
        Ok((of(false, 80), of(true, 443)))
    }

    #[test]
    fn environments() {
        type Row<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>, Option<&'a str>);
        let table: &[Row<'_>] = &[
            (&[], None, None),
            (&[("HTTP_PROXY", "h")], Some("h"), None),
            (&[("http_proxy", "h")], Some("h"), None),
            (&[("HTTPS_PROXY", "s")], Some("s"), Some("s")),
            (&[("https_proxy", "s"), ("HTTP_PROXY", "h")], Some("s"), Some("s")),
            (&[("ALL_PROXY", "a")], Some("a"), Some("a")),
            (&[("all_proxy", "a"), ("http_proxy", "h")], Some("h"), Some("a")),
            (&[("http_proxy", "lower"), ("HTTP_PROXY", "upper")], Some("lower"), None),
            (&[("http_proxy", ""), ("HTTP_PROXY", "upper")], Some("upper"), None),
            (&[("http_proxy", " http://h:1 ")], Some("h"), None),
            (&[("HTTP_PROXY", "evil"), ("REQUEST_METHOD", "GET")], None, None),
            (&[("http_proxy", "h"), ("REQUEST_METHOD", "GET")], Some("h"), None),
            (&[("http_proxy", "h"), ("NO_PROXY", "example.com")], None, None),
            (&[("http_proxy", "h"), ("no_proxy", "other.test"), ("NO_PROXY", "*")], Some("h"), None),
            (&[("all_proxy", "a"), ("no_proxy", "www.example.com:443")], Some("a"), None),
            (&[("https_proxy", "s"), ("http_proxy", "s"), ("ALL_PROXY", "socks5://x")], Some("s"), Some("s")),
        ];
        for (variables, plain, secure) in table {
            let expected = (plain.map(str::to_owned), secure.map(str::to_owned));
            assert_eq!(chosen(variables, "www.example.com"), Ok(expected), "{variables:?}");
        }
        assert_eq!(chosen(&[("ALL_PROXY", "socks5://x")], "a"), Err(ProxyUrlError::Scheme));
    }

    #[test]
    fn credentials_are_not_shown() {
        let proxy = Proxy::new("http://me:hidden@p").and_then(|proxy| proxy.basic_auth("me", "hidden"));
        let shown = format!("{proxy:?}");
        assert!(!shown.contains("hidden") && !shown.contains("bWU6"), "{shown}");
    }
}
