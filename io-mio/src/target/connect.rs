//! What is said about a connection before it is dialled.

use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;
use std::time::Duration;

use sansws::handshake::{HandshakeError, client};

use crate::settings::slow_consumer::SlowConsumer;
use crate::target::connect_error::ConnectError;
use crate::target::credentials::{Secret, basic};
use crate::target::proxy::Proxy;
use crate::target::url::{Place, Target};
#[cfg(feature = "__tls")]
use crate::tls::TlsClient;

/// A connection to dial: [`EventLoop::connect`](crate::EventLoop::connect),
/// [`Peer::connect`](crate::Peer::connect), [`Context::connect`](crate::Context::connect).
///
/// The session goes to the [`Handler`](crate::Handler), which is called about the connection as
/// about an accepted one. If dialling fails, only [`Handler::close`](crate::Handler::close) is
/// called, with the cause.
///
/// ```
/// use std::time::Duration;
/// use sansws_mio::{Connect, Proxy};
///
/// let connect = Connect::url("ws://me:password@example.com/chat", "the session")?
///     .proxy(Proxy::new("http://proxy.example.com:3128")?)
///     .header("User-Agent", "chat/1.0")
///     .cookie("theme", "dark")?
///     .subprotocol("chat")
///     .redirects(3)
///     .connect_timeout(Duration::from_secs(5));
/// # let _ = connect;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Connect<S> {
    pub(crate) target: Target,
    pub(crate) proxy: Option<Proxy>,
    /// Redirections that may still be followed, and whether one was.
    pub(crate) redirects: u32,
    pub(crate) redirected: bool,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) handshake_timeout: Option<Duration>,
    pub(crate) cookies: Secret,
    pub(crate) origin: Option<String>,
    pub(crate) subprotocols: Vec<String>,
    pub(crate) subprotocol_required: bool,
    pub(crate) headers: Vec<(String, Secret)>,
    pub(crate) streaming: bool,
    pub(crate) slow_consumer: SlowConsumer,
    pub(crate) concurrent: bool,
    #[cfg(feature = "__tls")]
    pub(crate) tls: Option<TlsClient>,
    pub(crate) session: S,
}

impl<S> Connect<S> {
    /// A connection to the server that the URL names.
    ///
    /// - `ws://host[:port]/path?query`. The name is resolved with
    ///   [`Settings::resolver`](crate::Settings::resolver), off the loop; its IPv6 and IPv4
    ///   addresses race in the manner of RFC 8305. A user name and password in the URL are sent as
    ///   Basic credentials.
    /// - `wss://…`, the same through TLS (feature `tls`): the certificate has to be for the host
    ///   that the URL names.
    /// - `ws+unix:/path/to/socket:/path?query`: a Unix-domain socket. `%3A` is a colon in the path
    ///   to the socket.
    ///
    /// # Errors
    ///
    /// [`ConnectError`]: the URL is none of these, or is `wss:` and TLS is not available.
    pub fn url(url: &str, session: S) -> Result<Self, ConnectError> {
        Target::of_url(url).map(|target| Self::to(target, session))
    }

    /// A connection over TCP to an address that is known. `url` says what the server is asked for.
    /// A proxy is not used.
    ///
    /// # Errors
    ///
    /// As [`url`](Self::url).
    pub fn new(url: &str, address: SocketAddr, session: S) -> Result<Self, ConnectError> {
        Target::at(url, Place::Tcp(address)).map(|target| Self::to(target, session))
    }

    /// A connection over a Unix-domain socket. `url` gives the `Host` header and the resource. A
    /// proxy is not used.
    ///
    /// # Errors
    ///
    /// As [`url`](Self::url).
    #[cfg(unix)]
    pub fn unix(url: &str, path: impl AsRef<Path>, session: S) -> Result<Self, ConnectError> {
        Target::at(url, Place::Unix(path.as_ref().to_owned())).map(|target| Self::to(target, session))
    }

    fn to(target: Target, session: S) -> Self {
        Self {
            target,
            proxy: None,
            redirects: 0,
            redirected: false,
            connect_timeout: None,
            handshake_timeout: None,
            cookies: Secret(String::new()),
            origin: None,
            subprotocols: Vec::new(),
            subprotocol_required: false,
            headers: Vec::new(),
            streaming: false,
            slow_consumer: SlowConsumer::default(),
            concurrent: false,
            #[cfg(feature = "__tls")]
            tls: None,
            session,
        }
    }

    /// Whom to trust if the URL is `wss:`, or leads to one that is. Default: [`TlsClient::new`].
    #[cfg(feature = "__tls")]
    #[must_use]
    pub fn tls(mut self, tls: &TlsClient) -> Self {
        self.tls = Some(tls.clone());
        self
    }

    /// Goes through a proxy, unless that one has an exception for the server.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// How many redirections (301, 302, 303, 307, 308) are followed. Default 0: a redirection is a
    /// refusal.
    ///
    /// When one leads to another origin (scheme, host, port), everything that may be a secret stays
    /// behind: the URL's user name and password, [`basic_auth`](Self::basic_auth), cookies, all
    /// headers added with [`header`](Self::header), and the certificate that a `TlsClient` may have
    /// of its own. From `wss:` to `ws:` none is followed; neither is one to another origin if this
    /// connection was given an [address](Self::new) or a [socket](Self::unix).
    #[must_use]
    pub fn redirects(mut self, max: u32) -> Self {
        self.redirects = max;
        self
    }

    /// How long it may take until the server is reached: resolving its name, connecting, and the
    /// proxy's answer. [`Duration::ZERO`]: not limited. Default:
    /// [`Timeouts::handshake`](crate::Timeouts::handshake). The wait for another connection, see
    /// [`concurrent`](Self::concurrent), does not count. Each redirection has this time anew.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// How long TLS and the opening handshake may take after that, the content of a
    /// [refusal](crate::Cause::Refused) included.
    /// [`Duration::ZERO`]: not limited. Default: [`Timeouts::handshake`](crate::Timeouts::handshake).
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = Some(timeout);
        self
    }

    /// Sends a user name and password, as those in a URL are sent (RFC 7617). They are not
    /// percent-encoded here.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Credentials`]: a colon in the user name, or a control character.
    pub fn basic_auth(mut self, user: &str, password: &str) -> Result<Self, ConnectError> {
        let secret = basic(user.as_bytes(), password.as_bytes()).ok_or(ConnectError::Credentials)?;
        self.target.authorization = Some(secret);
        Ok(self)
    }

    /// Adds a cookie to the one `Cookie` header (RFC 6265 §4.2.1).
    ///
    /// # Errors
    ///
    /// [`ConnectError::Cookie`]: the name is not a token, or the value has blanks, quotation marks, commas, semicolons, backslashes, control
    /// characters or something else than ASCII. (A value may stand in quotation marks.)
    pub fn cookie(mut self, name: &str, value: &str) -> Result<Self, ConnectError> {
        if !is_token(name) || !is_cookie_value(value) {
            return Err(ConnectError::Cookie);
        }
        let Secret(cookies) = &mut self.cookies;
        if !cookies.is_empty() {
            cookies.push_str("; ");
        }
        cookies.extend([name, "=", value]);
        Ok(self)
    }

    /// Whether the request can be written as it is; else dialling will fail.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Argument`]: a header, a subprotocol or the origin is not what it can be.
    pub fn check(&self) -> Result<(), HandshakeError> {
        self.with_request(|request| request.write(&[0; 16], &mut Vec::new()))
    }

    pub(crate) fn with_request<T>(&self, use_it: impl FnOnce(&client::Offer<'_>) -> T) -> T {
        let subprotocols: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
        let (cookies, mut headers): (Vec<_>, Vec<_>) = self
            .headers
            .iter()
            .map(|(name, value)| (&**name, &*value.0))
            .partition(|(name, _)| name.eq_ignore_ascii_case("Cookie"));
        let has = |wanted: &str| self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        if let Some(Secret(authorization)) = &self.target.authorization {
            // One that was written out is meant so.
            if !has("Authorization") {
                headers.push(("Authorization", authorization));
            }
        }
        // RFC 6265 §5.4: "the user agent MUST NOT attach more than one Cookie header field."
        let cookies = cookies.iter().map(|(_, value)| *value).chain([&*self.cookies.0]);
        let cookies = cookies.filter(|value| !value.is_empty()).collect::<Vec<_>>().join("; ");
        if !cookies.is_empty() {
            headers.push(("Cookie", &cookies));
        }
        use_it(
            &client::Offer::new(&self.target.authority, &self.target.resource)
                .origin(self.origin.as_deref())
                .subprotocols(&subprotocols)
                .headers(&headers),
        )
    }

    /// Another URL. Credentials that were set stay only if it has none and its origin is the same.
    pub(crate) fn retarget(&mut self, url: &str, is_same_origin: bool) -> Result<(), ConnectError> {
        let mut target = Target::of_url(url)?;
        if is_same_origin && target.authorization.is_none() {
            target.authorization = self.target.authorization.take();
        }
        self.target = target;
        Ok(())
    }

    /// Sets a header, in place of those of this name.
    pub(crate) fn set_header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(before, _)| !before.eq_ignore_ascii_case(name));
        self.header(name, value)
    }

    /// The same connection with another session.
    pub(crate) fn with_session<T>(self, session: T) -> Connect<T> {
        Connect {
            target: self.target,
            proxy: self.proxy,
            redirects: self.redirects,
            redirected: self.redirected,
            connect_timeout: self.connect_timeout,
            handshake_timeout: self.handshake_timeout,
            cookies: self.cookies,
            origin: self.origin,
            subprotocols: self.subprotocols,
            subprotocol_required: self.subprotocol_required,
            headers: self.headers,
            streaming: self.streaming,
            slow_consumer: self.slow_consumer,
            concurrent: self.concurrent,
            #[cfg(feature = "__tls")]
            tls: self.tls,
            session,
        }
    }

    /// Leaves behind what was meant for one origin only, but for what its URL has.
    pub(crate) fn drop_secrets(&mut self) {
        self.headers.clear();
        self.cookies.0.clear();
        #[cfg(feature = "__tls")]
        {
            self.tls = self.tls.as_ref().map(TlsClient::without_identity);
        }
    }

    /// Adds a header to the request. What cannot be a header, such as a value with CR or LF, makes
    /// dialling fail; see [`check`](Self::check).
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), Secret(value.into())));
        self
    }

    /// Offers a subprotocol; the one offered first is liked best (§4.1).
    #[must_use]
    pub fn subprotocol(mut self, name: &str) -> Self {
        self.subprotocols.push(name.into());
        self
    }

    /// Whether a server that selects none of the offered subprotocols is refused. Default `false`,
    /// as RFC 6455 has it; browsers refuse.
    #[must_use]
    pub fn subprotocol_required(mut self, on: bool) -> Self {
        self.subprotocol_required = on;
        self
    }

    /// Sets the `Origin` header, as a browser would.
    #[must_use]
    pub fn origin(mut self, origin: &str) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Whether messages are handed out in pieces as they arrive, to
    /// [`Handler::chunk`](crate::Handler::chunk). Default `false`.
    #[must_use]
    pub fn streaming(mut self, on: bool) -> Self {
        self.streaming = on;
        self
    }

    /// What to do when the server reads more slowly than it is sent to.
    #[must_use]
    pub fn slow_consumer(mut self, policy: SlowConsumer) -> Self {
        self.slow_consumer = policy;
        self
    }

    /// Whether to dial although another connection to the same IP address and port is still being
    /// set up. Default `false`.
    ///
    /// §4.1: "There MUST be no more than one connection in a CONNECTING state" to one address. Load
    /// generators and servers that dial others may want it otherwise.
    #[must_use]
    pub fn concurrent(mut self, on: bool) -> Self {
        self.concurrent = on;
        self
    }
}

/// RFC 7230 §3.2.6 `token`.
fn is_token(text: &str) -> bool {
    let special = b"!#$%&'*+-.^_`|~";
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || special.contains(&byte))
}

/// RFC 6265 §4.1.1 `cookie-value`.
fn is_cookie_value(value: &str) -> bool {
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let legal = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
    quoted.unwrap_or(value).bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(connect: &Connect<()>) -> String {
        let mut out = Vec::new();
        connect.with_request(|request| request.write(&[0; 16], &mut out)).expect("can be written");
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn credentials_and_cookies_are_headers() {
        let connect = Connect::url("ws://me:pw@example.com/", ()).expect("a URL");
        let connect =
            connect.cookie("a", "1").and_then(|connect| connect.cookie("b", "\"2\"")).expect("cookies");
        let request = request(&connect);
        assert!(request.contains("\r\nAuthorization: Basic bWU6cHc=\r\n"), "{request}");
        assert!(request.contains("\r\nCookie: a=1; b=\"2\"\r\n"), "{request}");
        assert!(request.contains("\r\nHost: example.com\r\n"), "{request}");
        assert!(!request.contains("me:pw"), "{request}");
    }

    #[test]
    fn there_is_one_cookie_header() {
        let connect = Connect::url("ws://example.com/", ()).expect("a URL").header("cookie", "a=1; b=2");
        let connect = connect.header("X-A", "1").cookie("c", "3").expect("a cookie");
        let request = request(&connect);
        assert!(request.contains("\r\nX-A: 1\r\nCookie: a=1; b=2; c=3\r\n"), "{request}");
        assert_eq!(request.to_lowercase().matches("\r\ncookie:").count(), 1, "{request}");
    }

    #[test]
    fn a_header_written_out_is_meant_so() {
        let connect =
            Connect::url("ws://me:pw@example.com/", ()).expect("a URL").header("authorization", "Bearer x");
        let request = request(&connect);
        assert!(request.contains("authorization: Bearer x") && !request.contains("Basic"), "{request}");
    }

    /// Attack A-05.
    #[test]
    fn nothing_that_would_begin_another_header_is_sent() {
        let connect = || Connect::url("ws://example.com/", ()).expect("a URL");
        for (name, value) in [
            ("a", "b\r\nX: y"),
            ("a", "b;c"),
            ("a", "b c"),
            ("a=", "b"),
            ("", "b"),
            ("a", "\"b"),
            ("a", "ä"),
            ("a", "\""),
        ] {
            assert_eq!(connect().cookie(name, value).err(), Some(ConnectError::Cookie), "{name}={value}");
        }
        assert_eq!(connect().basic_auth("a:b", "c").err(), Some(ConnectError::Credentials));
        assert_eq!(connect().basic_auth("a", "c\n").err(), Some(ConnectError::Credentials));
        assert!(connect().header("X", "y\r\nZ: z").check().is_err());
        assert!(connect().header("X\r\n", "y").check().is_err());
        assert!(connect().origin("http://a\r\nb").check().is_err());
        assert!(connect().subprotocol("a\r\nb").check().is_err());
        assert!(connect().header("X", "y").check().is_ok());
        assert!(Connect::url("ws://example.com/\r\nX: y", ()).is_err());
        assert!(Connect::url("ws://exa\r\nmple.com/", ()).is_err());
    }

    #[test]
    fn a_log_shows_no_secrets() {
        let connect = Connect::url("ws://me:pw@example.com/", ())
            .expect("a URL")
            .cookie("id", "42x")
            .expect("a cookie");
        let shown = format!("{:?}", connect.header("Authorization", "Bearer q7"));
        assert!(!shown.contains("bWU6") && !shown.contains("42x") && !shown.contains("q7"), "{shown}");
    }
}
