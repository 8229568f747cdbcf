//! What to connect to, and how: everything that is settled before the connection exists.

use std::fmt;
use std::time::Duration;

use sansws::handshake::{Argument, HandshakeError};
use url::Url;

use crate::client::error::SyntaxError;
use crate::client::event::BinaryType;
use crate::settings::slow_consumer::SlowConsumer;
use crate::target::connect::Connect;
use crate::target::connect_error::ConnectError;

/// Something said about the connection to dial.
pub(crate) type Say = Box<dyn FnOnce(Connect<()>) -> Result<Connect<()>, ConnectError> + Send>;

/// What a [`WebSocketBuilder`](crate::WebSocketBuilder) has been told.
pub(crate) struct Options {
    pub(crate) url: String,
    pub(crate) protocols: Vec<String>,
    pub(crate) said: Vec<Say>,
    pub(crate) limits: Limits,
}

/// How an object is to behave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) max_buffered: usize,
    pub(crate) max_events: usize,
    pub(crate) max_event_bytes: usize,
    pub(crate) binary_type: BinaryType,
}

impl Options {
    pub(crate) fn new(url: &str) -> Self {
        let limits = Limits {
            connect_timeout: None,
            max_buffered: 32 << 20,
            max_events: 1024,
            max_event_bytes: 4 << 20,
            binary_type: BinaryType::default(),
        };
        Self { url: url.into(), protocols: Vec::new(), said: Vec::new(), limits }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the URL: it may hold a password.
        f.debug_struct("Options")
            .field("protocols", &self.protocols)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A URL record, and a request for it that can be written. Any number of connections can be made by
/// it.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The URL record, serialised.
    pub(crate) url: String,
    /// The URL's origin, serialised.
    pub(crate) origin: String,
    pub(crate) limits: Limits,
    connect: Connect<()>,
}

impl Plan {
    /// The part of the constructor's steps that can throw.
    pub(crate) fn new(options: Options) -> Result<Self, SyntaxError> {
        let url = parse_url(&options.url)?;
        // "If any of the values in protocols occur more than once or otherwise fail to match the
        // requirements for elements that comprise the value of `Sec-WebSocket-Protocol` fields as
        // defined by The WebSocket protocol, then throw a SyntaxError."
        for (index, protocol) in options.protocols.iter().enumerate() {
            if !is_token(protocol) || options.protocols.iter().take(index).any(|earlier| earlier == protocol)
            {
                return Err(SyntaxError::Protocol);
            }
        }
        // A client that waits with reading until the server reads could wait for ever: the server
        // may do the same.
        let mut connect = Connect::url(url.as_str(), ())
            .map_err(SyntaxError::Connect)?
            .subprotocol_required(true)
            .slow_consumer(SlowConsumer::Drop);
        if options.limits.connect_timeout.is_some() {
            // The one limit for the whole way takes the place of those for its parts.
            connect = connect.connect_timeout(Duration::ZERO).handshake_timeout(Duration::ZERO);
        }
        for protocol in &options.protocols {
            connect = connect.subprotocol(protocol);
        }
        let connect = checked(connect, options.said)?;
        Ok(Self {
            origin: url.origin().ascii_serialization(),
            url: url.into(),
            limits: options.limits,
            connect,
        })
    }

    /// The same with what is said about one attempt.
    pub(crate) fn with(&self, url: Option<&str>, said: Vec<Say>) -> Result<Self, SyntaxError> {
        let mut connect = self.connect.clone();
        let (mut record, mut origin) = (self.url.clone(), self.origin.clone());
        if let Some(url) = url {
            let url = parse_url(url)?;
            let before = std::mem::replace(&mut origin, url.origin().ascii_serialization());
            // Each socket file is an origin of its own, and none has a name.
            let is_same = origin == before && origin != "null";
            connect.retarget(url.as_str(), is_same).map_err(SyntaxError::Connect)?;
            record = url.into();
        }
        let connect = checked(connect, said)?;
        Ok(Self { url: record, origin, limits: self.limits, connect })
    }

    /// What the driver is to dial.
    pub(crate) fn connect<S>(&self, session: S) -> Connect<S> {
        self.connect.clone().with_session(session)
    }
}

/// With what is said about it, if that can be written.
fn checked(mut connect: Connect<()>, said: Vec<Say>) -> Result<Connect<()>, SyntaxError> {
    for say in said {
        connect = say(connect).map_err(SyntaxError::Connect)?;
    }
    match connect.check() {
        Err(HandshakeError::Argument(Argument::Subprotocol)) => Err(SyntaxError::Protocol),
        Err(HandshakeError::Argument(argument)) => Err(SyntaxError::Request(argument)),
        _ => Ok(connect),
    }
}

/// Steps 2 to 5 of "obtain a URL record", without a base URL: there is no page.
fn parse_url(text: &str) -> Result<Url, SyntaxError> {
    let mut url = Url::parse(text).map_err(SyntaxError::Url)?;
    // "If urlRecord's scheme is `http`, then set urlRecord's scheme to `ws`. Otherwise, if
    // urlRecord's scheme is `https`, set urlRecord's scheme to `wss`. If urlRecord's scheme is not
    // `ws` or `wss`, then throw a SyntaxError."
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

/// RFC 2616 §2.2: one or more characters that are neither controls nor separators.
fn is_token(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
    !text.is_empty() && text.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<String, SyntaxError> {
        Plan::new(Options::new(text)).map(|plan| plan.url)
    }

    #[test]
    fn urls_as_the_constructor_takes_them() {
        for (given, record) in [
            ("ws://h", "ws://h/"),
            ("WS://EXAMPLE.com:80/a b?c d", "ws://example.com/a%20b?c%20d"),
            ("http://h/x", "ws://h/x"),
            ("ws://[2001:DB8::1]:9443/?q", "ws://[2001:db8::1]:9443/?q"),
            (" ws://h/ ", "ws://h/"),
            ("ws:\\\\h\\p", "ws://h/p"),
            ("ws://0x7f.1/", "ws://127.0.0.1/"),
            ("ws://b\u{fc}cher.example/\u{fc}", "ws://xn--bcher-kva.example/%C3%BC"),
            ("ws://u:p@h/", "ws://u:p@h/"),
            ("ws:h", "ws://h/"),
            // What the standard leaves alone, the request has as it is.
            ("ws://h/a[1]|b?c[]={d}|^`\\", "ws://h/a[1]|b?c[]={d}|^`\\"),
            ("ws://h/?\"<x>", "ws://h/?%22%3Cx%3E"),
        ] {
            assert_eq!(url(given).as_deref(), Ok(record), "{given:?}");
        }
    }

    #[cfg(feature = "__tls")]
    #[test]
    fn https_means_wss() {
        assert_eq!(url("https://h:443/x").as_deref(), Ok("wss://h/x"));
        assert_eq!(url("https://h:80/x").as_deref(), Ok("wss://h:80/x"));
        assert_eq!(url("WSS://H:443").as_deref(), Ok("wss://h/"));
    }

    #[cfg(not(feature = "__tls"))]
    #[test]
    fn without_tls_that_is_said_at_once() {
        for given in ["wss://h", "https://h"] {
            assert_eq!(url(given), Err(SyntaxError::Connect(ConnectError::TlsUnavailable)));
        }
    }

    /// Rule R-3-a.
    #[test]
    fn urls_that_are_syntax_errors() {
        for given in ["", "/chat", "h", "//h/", "ws://", "ws://h:99999/", "ws://a b/", "wss://[::1"] {
            assert!(matches!(url(given), Err(SyntaxError::Url(_))), "{given:?}: {:?}", url(given));
        }
        for given in ["ftp://h/", "file:///x", "about:blank", "wsx://h/", "mailto:a@b"] {
            assert_eq!(url(given), Err(SyntaxError::Scheme), "{given:?}");
        }
        // The standard takes these, RFC 3986 §2.1 does not: half a percent-encoding.
        for given in ["ws://h/100%", "ws://h/%zz", "ws://h/?%4"] {
            let error = ConnectError::Url(sansws::UriError::Resource);
            assert_eq!(url(given), Err(SyntaxError::Connect(error)), "{given:?}");
        }
        for given in ["ws://h/#f", "ws://h/#", "http://h/p?q#f"] {
            assert_eq!(url(given), Err(SyntaxError::Fragment), "{given:?}");
        }
    }

    /// Rule R-4.1-f.
    #[test]
    fn subprotocols_are_tokens_and_unique() {
        let with = |protocols: &[&str]| {
            let protocols = protocols.iter().map(|&name| name.into()).collect();
            Plan::new(Options { protocols, ..Options::new("ws://h") }).map(drop)
        };
        assert_eq!(with(&[]), Ok(()));
        assert_eq!(with(&["chat.v1", "chat.v2", "CHAT.v1", "a!#$%&'*+-.^_`|~1"]), Ok(()));
        for wrong in
            [&[""][..], &["a", "a"], &["a b"], &["a,b"], &["a/b"], &["\u{fc}"], &["a", "b", "a"], &["a\n"]]
        {
            assert_eq!(with(wrong), Err(SyntaxError::Protocol), "{wrong:?}");
        }
    }

    /// Attack A-05.
    #[test]
    fn a_request_that_would_be_another_one_is_refused_at_once() {
        let said = |say: Say| Plan::new(Options { said: vec![say], ..Options::new("ws://h") }).map(drop);
        let header = |name: &'static str, value: &'static str| {
            said(Box::new(move |connect| Ok(connect.header(name, value))))
        };
        assert!(matches!(header("X", "a\r\nY: b"), Err(SyntaxError::Request(_))));
        assert!(matches!(header("Upgrade", "h2c"), Err(SyntaxError::Request(_))));
        assert_eq!(header("X", "a"), Ok(()));
        let origin = said(Box::new(|connect| Ok(connect.origin("http://a\n"))));
        assert!(matches!(origin, Err(SyntaxError::Request(_))));
        let cookie = said(Box::new(|connect| connect.cookie("a;b", "c")));
        assert_eq!(cookie, Err(SyntaxError::Connect(ConnectError::Cookie)));
    }

    #[test]
    fn the_origin_is_that_of_the_url() {
        let plan = Plan::new(Options::new("http://u@Example.com:8080/chat?x")).expect("a URL");
        assert_eq!(plan.origin, "ws://example.com:8080");
    }

    /// What goes out for an attempt by `plan`.
    fn request(plan: &Plan) -> String {
        let mut out = Vec::new();
        plan.connect.with_request(|request| request.write(&[0; 16], &mut out)).expect("can be written");
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn another_url_gets_the_credentials_of_its_own_origin_only() {
        let plan = Plan::new(Options::new("ws://me:secret@example.com/")).expect("a URL");
        let with = |url: &str| request(&plan.with(Some(url), Vec::new()).expect("a URL"));
        let is_sent = |url: &str| with(url).contains("Authorization: Basic bWU6c2VjcmV0\r\n");
        assert!(is_sent("ws://example.com/?token=1") && is_sent("http://EXAMPLE.com:80/"));
        for other in ["ws://example.org/", "ws://example.com:81/", "ws://www.example.com/"] {
            assert!(!is_sent(other), "{other}");
        }
        assert!(with("ws://you:own@example.com/").contains("Basic eW91Om93bg=="));
        // The plan itself is as it was.
        assert!(request(&plan).starts_with("GET / HTTP/1.1\r\n") && request(&plan).contains("bWU6c2VjcmV0"));
    }

    #[cfg(unix)]
    #[test]
    fn two_socket_files_are_two_origins() {
        let plan = Plan::new(Options::new("ws+unix:/a.sock:/")).expect("a URL");
        let say: Say = Box::new(|connect| connect.basic_auth("me", "secret"));
        let plan = plan.with(None, vec![say]).expect("credentials");
        assert!(request(&plan).contains("Authorization"));
        let other = plan.with(Some("ws+unix:/b.sock:/"), Vec::new()).expect("a URL");
        assert!(!request(&other).contains("Authorization"));
    }
}
