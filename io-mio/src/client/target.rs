//! What to connect to, and how: everything that is settled before the connection exists.

use std::net::ToSocketAddrs;
use std::time::Duration;

use sansws::Uri;
use sansws::handshake::client::Request;
use sansws::handshake::{Argument, HandshakeError};
use url::Url;

use crate::accept::SlowConsumer;
use crate::client::error::{FailureCause, SyntaxError};
use crate::client::event::BinaryType;
use crate::connect::{Connect, ConnectError};

/// The options of a [`WebSocketBuilder`](crate::WebSocketBuilder), and then of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) url: String,
    pub(crate) protocols: Vec<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) origin_header: Option<String>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) max_buffered: usize,
    pub(crate) max_events: usize,
    pub(crate) max_event_bytes: usize,
    pub(crate) binary_type: BinaryType,
}

impl Options {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.into(),
            protocols: Vec::new(),
            headers: Vec::new(),
            origin_header: None,
            connect_timeout: None,
            max_buffered: 32 << 20,
            max_events: 1024,
            max_event_bytes: 4 << 20,
            binary_type: BinaryType::default(),
        }
    }
}

/// Checked options: a URL record and a request that can be written.
#[derive(Debug)]
pub(crate) struct Target {
    /// The URL record, serialised.
    pub(crate) url: String,
    /// The URL's origin, serialised.
    pub(crate) origin: String,
    pub(crate) options: Options,
}

impl Target {
    /// The part of the constructor's steps that can throw.
    pub(crate) fn new(options: Options) -> Result<Self, SyntaxError> {
        let url = parse_url(&options.url)?;
        // "If any of the values in protocols occur more than once or otherwise fail to match the requirements for elements that
        // comprise the value of `Sec-WebSocket-Protocol` fields as defined by The WebSocket protocol, then throw a SyntaxError."
        for (index, protocol) in options.protocols.iter().enumerate() {
            if !is_token(protocol) || options.protocols.iter().take(index).any(|earlier| earlier == protocol)
            {
                return Err(SyntaxError::Protocol);
            }
        }
        let target = Self { origin: url.origin().ascii_serialization(), url: url.into(), options };
        target.check_request()?;
        Ok(target)
    }

    /// Whether the request can be written, so that what is wrong with it is said now.
    fn check_request(&self) -> Result<(), SyntaxError> {
        let (authority, resource) = if is_unix(&self.url) {
            ("localhost", "/")
        } else {
            let uri = Uri::parse(&self.url).map_err(|_| SyntaxError::Host)?;
            (uri.authority(), uri.resource())
        };
        let protocols: Vec<&str> = self.options.protocols.iter().map(String::as_str).collect();
        let headers: Vec<(&str, &str)> =
            self.options.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let request = Request {
            origin: self.options.origin_header.as_deref(),
            subprotocols: &protocols,
            headers: &headers,
            ..Request::new(authority, resource)
        };
        match request.write(&[0; 16], &mut Vec::new()) {
            Err(HandshakeError::Argument(Argument::Subprotocol)) => Err(SyntaxError::Protocol),
            Err(HandshakeError::Argument(argument)) => Err(SyntaxError::Request(argument)),
            _ => Ok(()),
        }
    }

    /// What the driver is to dial. The session is made last, when nothing can go wrong any more.
    pub(crate) fn connect<S>(&self, session: impl FnOnce() -> S) -> Result<Connect<S>, FailureCause> {
        let other = |error: &dyn std::fmt::Display| FailureCause::Other(error.to_string());
        let uri = Uri::parse(&self.url).map_err(|error| other(&error))?;
        if uri.secure() {
            return Err(other(&ConnectError::TlsUnavailable));
        }
        let connect = Connect::new(&self.url, self.address()?, session());
        let mut connect = connect.map_err(|error| other(&error))?;
        for protocol in &self.options.protocols {
            connect = connect.subprotocol(protocol);
        }
        for (name, value) in &self.options.headers {
            connect = connect.header(name, value);
        }
        if let Some(origin) = &self.options.origin_header {
            connect = connect.origin(origin);
        }
        // A client that waits with reading until the server reads could wait for ever: the server may do the same.
        Ok(connect.subprotocol_required(true).slow_consumer(SlowConsumer::Drop))
    }

    fn address(&self) -> Result<std::net::SocketAddr, FailureCause> {
        let uri = Uri::parse(&self.url).map_err(|error| FailureCause::Other(error.to_string()))?;
        let addresses = (uri.host(), uri.port()).to_socket_addrs();
        let mut addresses = addresses.map_err(|error| FailureCause::Resolve(error.to_string()))?;
        addresses.next().ok_or_else(|| FailureCause::Resolve("no address".into()))
    }
}

/// Steps 2 to 5 of "obtain a URL record", without a base URL: there is no page.
fn parse_url(text: &str) -> Result<Url, SyntaxError> {
    let mut url = Url::parse(text).map_err(SyntaxError::Url)?;
    // "If urlRecord's scheme is `http`, then set urlRecord's scheme to `ws`. Otherwise, if urlRecord's scheme is `https`, set
    // urlRecord's scheme to `wss`. If urlRecord's scheme is not `ws` or `wss`, then throw a SyntaxError."
    let renamed = match url.scheme() {
        "http" => url.set_scheme("ws"),
        "https" => url.set_scheme("wss"),
        "ws" | "wss" => Ok(()),
        #[cfg(unix)]
        "ws+unix" => Ok(()),
        _ => Err(()),
    };
    renamed.map_err(|()| SyntaxError::Scheme)?;
    // "If urlRecord's fragment is non-null, then throw a SyntaxError."
    if url.fragment().is_some() {
        return Err(SyntaxError::Fragment);
    }
    Ok(url)
}

fn is_unix(url: &str) -> bool {
    url.starts_with("ws+unix:")
}

/// RFC 2616 §2.2: one or more characters that are neither controls nor separators.
fn is_token(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
    !text.is_empty() && text.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<String, SyntaxError> {
        Target::new(Options::new(text)).map(|target| target.url)
    }

    #[test]
    fn urls_as_the_constructor_takes_them() {
        for (given, record) in [
            ("ws://h", "ws://h/"),
            ("WS://EXAMPLE.com:80/a b?c d", "ws://example.com/a%20b?c%20d"),
            ("http://h/x", "ws://h/x"),
            ("https://h:443/x", "wss://h/x"),
            ("https://h:80/x", "wss://h:80/x"),
            ("wss://[2001:DB8::1]:9443/?q", "wss://[2001:db8::1]:9443/?q"),
            (" ws://h/ ", "ws://h/"),
            ("ws:\\\\h\\p", "ws://h/p"),
            ("ws://0x7f.1/", "ws://127.0.0.1/"),
            ("ws://b\u{fc}cher.example/\u{fc}", "ws://xn--bcher-kva.example/%C3%BC"),
            ("ws://u:p@h/", "ws://u:p@h/"),
            ("ws:h", "ws://h/"),
        ] {
            assert_eq!(url(given).as_deref(), Ok(record), "{given:?}");
        }
    }

    #[test]
    fn urls_that_are_syntax_errors() {
        for given in ["", "/chat", "h", "//h/", "ws://", "ws://h:99999/", "ws://a b/", "wss://[::1"] {
            assert!(matches!(url(given), Err(SyntaxError::Url(_))), "{given:?}: {:?}", url(given));
        }
        for given in ["ftp://h/", "file:///x", "about:blank", "wsx://h/", "mailto:a@b"] {
            assert_eq!(url(given), Err(SyntaxError::Scheme), "{given:?}");
        }
        for given in ["ws://h/#f", "ws://h/#", "http://h/p?q#f"] {
            assert_eq!(url(given), Err(SyntaxError::Fragment), "{given:?}");
        }
    }

    #[test]
    fn subprotocols_are_tokens_and_unique() {
        let with = |protocols: &[&str]| {
            let protocols = protocols.iter().map(|&name| name.into()).collect();
            Target::new(Options { protocols, ..Options::new("ws://h") }).map(drop)
        };
        assert_eq!(with(&[]), Ok(()));
        assert_eq!(with(&["chat.v1", "chat.v2", "CHAT.v1", "a!#$%&'*+-.^_`|~1"]), Ok(()));
        for wrong in
            [&[""][..], &["a", "a"], &["a b"], &["a,b"], &["a/b"], &["\u{fc}"], &["a", "b", "a"], &["a\n"]]
        {
            assert_eq!(with(wrong), Err(SyntaxError::Protocol), "{wrong:?}");
        }
    }

    #[test]
    fn headers_that_would_make_another_request_are_refused_at_once() {
        let options = || Options::new("ws://h");
        let headers = vec![("X".to_owned(), "a\r\nY: b".to_owned())];
        assert!(matches!(Target::new(Options { headers, ..options() }), Err(SyntaxError::Request(_))));
        let headers = vec![("Upgrade".to_owned(), "h2c".to_owned())];
        assert!(matches!(Target::new(Options { headers, ..options() }), Err(SyntaxError::Request(_))));
        let origin_header = Some("http://a\n".to_owned());
        assert!(matches!(Target::new(Options { origin_header, ..options() }), Err(SyntaxError::Request(_))));
    }

    #[test]
    fn the_origin_is_that_of_the_url() {
        let target = Target::new(Options::new("http://u@Example.com:8080/chat?x")).expect("a URL");
        assert_eq!(target.origin, "ws://example.com:8080");
    }
}
