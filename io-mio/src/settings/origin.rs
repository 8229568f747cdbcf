//! Which pages may connect, RFC 6455 §10.2: without this check any page in the user's browser can
//! use the user's cookies here (cross-site WebSocket hijacking).

use std::fmt;
use std::net::IpAddr;

/// Which values of the `Origin` header are let in. A request without one is not from a browser and
/// is let in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OriginPolicy {
    /// Pages of the host and port that the request itself names in `Host`. If the server speaks TLS
    /// itself, these are pages that came by `https:`. A server without TLS cannot tell whether a
    /// proxy before it has TLS: it also lets in pages that came by `http:`, which anyone on their
    /// network can change. Have the proxy redirect `http:` to `https:`.
    ///
    /// While the server listens on loopback addresses and Unix-domain sockets only, pages of any
    /// port of `localhost`, `127.0.0.0/8` and `[::1]` too; but on its loopback addresses no page of
    /// another host name, whatever `Host` says: any name can be made to resolve to 127.0.0.1 (DNS
    /// rebinding). Behind a proxy on the same machine, [list](Self::List) the public origin, or let
    /// the proxy use a Unix-domain socket.
    #[default]
    SameOrigin,
    /// As [`SameOrigin`](Self::SameOrigin), and pages of these origins, such as
    /// `https://example.com`, `http://localhost:5173` or `https://*.example.com`.
    ///
    /// `*` stands for exactly one label, the first one: `https://*.example.com` matches
    /// `https://www.example.com`, but neither `https://example.com` nor `https://a.b.example.com`.
    /// It must be followed by at least two labels, or by `localhost`. Scheme and port must match;
    /// without a port, the port is the scheme's default.
    ///
    /// An event loop or server fails to start if an entry cannot match any page, see
    /// [`check`](Self::check).
    List(Vec<String>),
    /// Pages from everywhere. Only for services that take nothing from cookies or from the network
    /// they are in.
    Any,
}

/// Who can connect to where a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Programs on other machines too.
    Public,
    /// Programs on this machine, and so pages in its browsers.
    Loopback,
    /// Programs on this machine, but not browsers.
    UnixSocket,
}

/// An entry of [`OriginPolicy::List`] that cannot match the origin of any page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidOrigin {
    origin: String,
    reason: &'static str,
}

impl fmt::Display for InvalidOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot be an allowed origin: {}", self.origin, self.reason)
    }
}

impl std::error::Error for InvalidOrigin {}

impl OriginPolicy {
    /// Checks the entries of a [list](Self::List). Every event loop calls this when it is created.
    ///
    /// ```
    /// use sansws_mio::OriginPolicy;
    ///
    /// let policy = |origin: &str| OriginPolicy::List(vec![origin.into()]);
    /// assert!(policy("https://*.example.com").check().is_ok());
    /// assert!(policy("example.com").check().is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the first entry that is not `scheme://host` or `scheme://host:port`, or that
    /// browsers never send, such as `wss://example.com` or `https://example.com/chat`.
    pub fn check(&self) -> Result<(), InvalidOrigin> {
        let Self::List(allowed) = self else { return Ok(()) };
        for origin in allowed {
            Pattern::parse(origin).map_err(|reason| InvalidOrigin { origin: origin.clone(), reason })?;
        }
        Ok(())
    }

    /// For the log: what can be done about a page that was refused.
    pub(crate) fn hint(reach: Reach) -> &'static str {
        match reach {
            Reach::Loopback => {
                "the server listens on loopback addresses: behind a proxy on this machine, add the public \
                 origin to OriginPolicy::List, or let the proxy use a Unix-domain socket"
            }
            Reach::Public | Reach::UnixSocket => {
                "to let it in, add it to OriginPolicy::List; the server's own pages are let in if a proxy \
                 in between passes on Host as it is"
            }
        }
    }

    /// Whether a page of `origin` may connect. `host` is the request's `Host`, `secure` whether it
    /// came over TLS.
    pub(crate) fn allows(&self, origin: &str, host: Option<&str>, reach: Reach, secure: bool) -> bool {
        if *self == Self::Any {
            return true;
        }
        // "null" (a sandboxed frame, a file) is nobody's origin: it does not parse.
        let Some(origin) = Origin::parse(origin) else { return false };
        if host
            .and_then(|host| Origin::parse_authority(origin.scheme, host))
            .is_some_and(|own| own.same_place(&origin))
            && (reach != Reach::Loopback || origin.is_of_this_machine())
            && (!secure || origin.scheme.eq_ignore_ascii_case("https"))
        {
            return true;
        }
        if reach != Reach::Public && origin.is_loopback() {
            return true;
        }
        match self {
            Self::List(allowed) => allowed
                .iter()
                .any(|allowed| Pattern::parse(allowed).is_ok_and(|allowed| allowed.covers(&origin))),
            Self::SameOrigin | Self::Any => false,
        }
    }
}

/// An entry of a list.
enum Pattern<'a> {
    Exactly(Origin<'a>),
    /// Any one label, then this.
    Below(Origin<'a>),
}

impl<'a> Pattern<'a> {
    fn parse(entry: &'a str) -> Result<Self, &'static str> {
        match entry {
            "*" => return Err("use OriginPolicy::Any to let in pages from everywhere"),
            "null" => return Err("it is nobody's: every sandboxed frame and every file has it"),
            _ => {}
        }
        let entry = entry.trim_end_matches('/');
        let Some((scheme, authority)) = entry.split_once("://") else {
            return Err("expected scheme://host or scheme://host:port, such as https://example.com");
        };
        // RFC 3986 §3.1: scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
        let of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.bytes().all(of_scheme) {
            return Err("the scheme is malformed");
        }
        if scheme.eq_ignore_ascii_case("ws") || scheme.eq_ignore_ascii_case("wss") {
            return Err("the scheme is that of the page, http or https");
        }
        let (authority, is_below) =
            authority.strip_prefix("*.").map_or((authority, false), |rest| (rest, true));
        if authority.contains('*') {
            return Err("* can only stand for the first label of the host, as in https://*.example.com");
        }
        let Some(origin) = Origin::parse_authority(scheme, authority) else {
            return Err("expected scheme://host or scheme://host:port and nothing else; a host with other \
                        letters than those of ASCII is written as xn--...");
        };
        if !is_below {
            return Ok(Self::Exactly(origin));
        }
        let Host::Name(name) = origin.host else { return Err("* cannot stand for a part of an IP address") };
        let mut labels = name.rsplit('.');
        let last = labels.next().unwrap_or_default();
        if name.split('.').any(str::is_empty) {
            return Err("a label of the host is empty");
        }
        // URL Standard, "ends in a number checker": such a host is an IPv4 address.
        if last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("* cannot stand for a part of an IP address");
        }
        if labels.next().is_none() && !last.eq_ignore_ascii_case("localhost") {
            return Err("* would stand for everybody's domains: two labels have to follow it");
        }
        Ok(Self::Below(origin))
    }

    fn covers(&self, origin: &Origin<'_>) -> bool {
        let (allowed, place) = match self {
            Self::Exactly(allowed) => (allowed, *origin),
            Self::Below(allowed) => {
                let Host::Name(name) = origin.host else { return false };
                let Some((label, rest)) = name.split_once('.') else { return false };
                if label.is_empty() {
                    return false;
                }
                (allowed, Origin { host: Host::Name(rest), ..*origin })
            }
        };
        allowed.scheme.eq_ignore_ascii_case(origin.scheme) && allowed.same_place(&place)
    }
}

/// `scheme://host:port`, RFC 6454 §6.2.
#[derive(Debug, Clone, Copy)]
struct Origin<'a> {
    scheme: &'a str,
    host: Host<'a>,
    port: u16,
}

#[derive(Debug, Clone, Copy)]
enum Host<'a> {
    Name(&'a str),
    Ip(IpAddr),
}

impl<'a> Origin<'a> {
    fn parse(origin: &'a str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        if scheme.is_empty() {
            return None;
        }
        Self::parse_authority(scheme, authority)
    }

    /// The port defaults to that of `scheme`. The scheme of `Host` is not known behind a proxy that
    /// ends TLS, so it is taken from the origin: `https://example.com` and `Host: example.com` are
    /// the same place.
    fn parse_authority(scheme: &'a str, authority: &'a str) -> Option<Self> {
        let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
            let (host, rest) = rest.split_once(']')?;
            let ip: std::net::Ipv6Addr = host.parse().ok()?;
            (Host::Ip(IpAddr::V6(ip)), if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        } else {
            let (host, port) = match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            };
            // One dot at the end names the same host.
            let host = host.strip_suffix('.').unwrap_or(host);
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            if host.is_empty() || !host.bytes().all(legal) {
                return None;
            }
            (host.parse().map_or(Host::Name(host), |ip: std::net::Ipv4Addr| Host::Ip(IpAddr::V4(ip))), port)
        };
        let port = match port {
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().ok()?,
            Some(_) => return None,
            None if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("ws") => 80,
            None if scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss") => 443,
            // Another scheme, such as a browser extension's, has no port; nor can it be this
            // server's.
            None => 0,
        };
        Some(Self { scheme, host, port })
    }

    fn same_place(&self, other: &Self) -> bool {
        let same_host = match (self.host, other.host) {
            (Host::Name(a), Host::Name(b)) => a.eq_ignore_ascii_case(b),
            (Host::Ip(a), Host::Ip(b)) => a == b,
            _ => false,
        };
        same_host && self.port == other.port
    }

    /// Nobody else can have this host resolve to this machine. RFC 6761 §6.3: names ending in
    /// `.localhost` are loopback as well.
    fn is_of_this_machine(&self) -> bool {
        match self.host {
            Host::Ip(_) => true,
            Host::Name(name) => {
                let last = name.rsplit_once('.').map_or(name, |(_, last)| last);
                last.eq_ignore_ascii_case("localhost")
            }
        }
    }

    fn is_loopback(&self) -> bool {
        let web = self.scheme.eq_ignore_ascii_case("http") || self.scheme.eq_ignore_ascii_case("https");
        web && match self.host {
            Host::Name(name) => name.eq_ignore_ascii_case("localhost"),
            Host::Ip(ip) => ip.is_loopback(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rule R-10.2-a. Anyone on the network can change a page that came by `http:`.
    #[test]
    fn a_server_with_tls_does_not_take_a_page_without_it_for_its_own() {
        let allows =
            |origin, host, secure| OriginPolicy::SameOrigin.allows(origin, Some(host), Reach::Public, secure);
        for secure in [false, true] {
            assert!(allows("https://example.com", "example.com", secure));
            assert!(allows("https://example.com:8443", "example.com:8443", secure));
        }
        for (origin, host) in [
            ("http://example.com", "example.com"),
            ("http://example.com:8443", "example.com:8443"),
            ("HTTP://example.com:443", "example.com:443"),
        ] {
            assert!(allows(origin, host, false) && !allows(origin, host, true), "{origin}");
        }
        let listed = OriginPolicy::List(vec!["http://example.com".into()]);
        assert!(listed.allows("http://example.com", Some("example.com"), Reach::Public, true));
    }

    #[test]
    fn same_origin() {
        let allowed = [
            ("http://example.com", "example.com"),
            ("http://EXAMPLE.com", "example.COM"),
            ("http://example.com:80", "example.com"),
            ("http://example.com", "example.com:80"),
            ("https://example.com", "example.com"),
            ("https://example.com", "example.com:443"),
            ("http://example.com:8080", "example.com:8080"),
            ("http://example.com.", "example.com"),
            ("http://192.0.2.1:9", "192.0.2.1:9"),
            ("http://[2001:db8::1]:9", "[2001:db8::1]:9"),
            ("http://[2001:DB8:0::1]", "[2001:db8::1]"),
            ("http://localhost:8080", "localhost:8080"),
        ];
        for (origin, host) in allowed {
            assert!(
                OriginPolicy::SameOrigin.allows(origin, Some(host), Reach::Public, false),
                "{origin} at {host}"
            );
        }
        let refused = [
            ("null", "example.com"),
            ("", "example.com"),
            ("example.com", "example.com"),
            ("://example.com", "example.com"),
            ("http://", "example.com"),
            ("http://example.com:8080", "example.com"),
            ("http://example.com", "example.com:8080"),
            ("https://example.com", "example.com:80"),
            ("http://example.com", "example.com:443"),
            // Look-alikes.
            ("http://example.com.evil.test", "example.com"),
            ("http://evilexample.com", "example.com"),
            ("http://example.com@evil.test", "example.com"),
            ("http://evil.test/example.com", "example.com"),
            ("http://evil.test?example.com", "example.com"),
            ("http://evil.test#example.com", "example.com"),
            ("http://example.com\\.evil.test", "example.com"),
            ("http://example.com/", "example.com"),
            ("http://sub.example.com", "example.com"),
            ("http://example.com:80:80", "example.com"),
            ("http://example.com:", "example.com"),
            ("http://example.com:+80", "example.com"),
            ("http://example.com:65616", "example.com"),
            ("http://example.com http://evil.test", "example.com"),
            ("http://192.0.2.1.evil.test", "192.0.2.1"),
            ("http://[2001:db8::1]evil", "[2001:db8::1]"),
            ("http://[2001:db8::1", "[2001:db8::1]"),
            ("http://2001:db8::1", "[2001:db8::1]"),
            ("http://localhost:8081", "localhost:8080"),
            ("http://127.0.0.1:8080", "localhost:8080"),
        ];
        for (origin, host) in refused {
            assert!(
                !OriginPolicy::SameOrigin.allows(origin, Some(host), Reach::Public, false),
                "{origin} at {host}"
            );
        }
        assert!(!OriginPolicy::SameOrigin.allows("http://example.com", None, Reach::Public, false));
    }

    #[test]
    fn loopback_pages_while_only_this_machine_can_connect() {
        for origin in [
            "http://localhost:5173",
            "http://LOCALHOST",
            "https://localhost:1",
            "http://127.0.0.1:1",
            "http://127.9.8.7",
            "http://[::1]:9",
        ] {
            assert!(
                OriginPolicy::SameOrigin.allows(origin, Some("localhost:8080"), Reach::Loopback, false),
                "{origin}"
            );
            assert!(
                !OriginPolicy::SameOrigin.allows(origin, Some("localhost:8080"), Reach::Public, false),
                "{origin}"
            );
        }
        for origin in [
            "null",
            "file://",
            "ftp://localhost",
            "chrome-extension://localhost",
            "http://localhost.evil.test",
            "http://evillocalhost",
            "http://localhost@evil.test",
            "http://128.0.0.1",
            "http://127.0.0.1.evil.test",
            "http://127.1",
            "http://[::2]",
            "http://[::ffff:192.0.2.1]",
            "http://0.0.0.0",
        ] {
            assert!(
                !OriginPolicy::SameOrigin.allows(origin, Some("localhost:8080"), Reach::Loopback, false),
                "{origin}"
            );
        }
    }

    #[test]
    fn a_name_that_was_made_to_resolve_to_loopback_is_not_the_same_origin() {
        let same = |host: &str, reach| {
            OriginPolicy::SameOrigin.allows(&format!("http://{host}"), Some(host), reach, false)
        };
        for host in
            ["rebound.test:8080", "localhost.rebound.test:8080", "evillocalhost:8080", "localhost.test"]
        {
            assert!(!same(host, Reach::Loopback), "{host}");
            // There it is the name under which a proxy serves it.
            assert!(same(host, Reach::UnixSocket) && same(host, Reach::Public), "{host}");
        }
        for host in ["localhost:8080", "app.localhost:8080", "127.0.0.1:8080", "[::1]:8080", "192.0.2.1"] {
            assert!(same(host, Reach::Loopback), "{host}");
        }
        let listed = OriginPolicy::List(vec!["https://example.com".into()]);
        assert!(listed.allows("https://example.com", Some("example.com"), Reach::Loopback, false));
        assert!(!listed.allows("https://rebound.test", Some("rebound.test"), Reach::Loopback, false));
    }

    #[test]
    fn a_list_adds_to_same_origin() {
        let policy = OriginPolicy::List(vec![
            "https://Shop.example".into(),
            "http://localhost:5173/".into(),
            "nonsense".into(),
        ]);
        for origin in
            ["https://shop.example", "https://shop.example:443", "http://localhost:5173", "http://own.test"]
        {
            assert!(policy.allows(origin, Some("own.test"), Reach::Public, false), "{origin}");
        }
        for origin in
            ["http://shop.example", "https://shop.example:444", "https://a.shop.example", "nonsense", "null"]
        {
            assert!(!policy.allows(origin, Some("own.test"), Reach::Public, false), "{origin}");
        }
    }

    /// Attack A-20: look-alikes.
    #[test]
    fn a_wildcard_is_one_label() {
        let allows = |entry: &str, origin: &str| {
            let policy = OriginPolicy::List(vec![entry.into()]);
            assert_eq!(policy.check(), Ok(()), "{entry}");
            policy.allows(origin, Some("own.test"), Reach::Public, false)
        };
        for (entry, origin) in [
            ("https://*.example.com", "https://www.example.com"),
            ("https://*.example.com", "https://WWW.Example.COM:443"),
            ("HTTPS://*.EXAMPLE.com:443/", "https://a-b.example.com"),
            ("https://*.example.com", "https://www.example.com."),
            ("https://*.example.com.", "https://www.example.com"),
            ("https://*.b.example.com", "https://a.b.example.com"),
            ("http://*.localhost:5173", "http://app.localhost:5173"),
            ("https://*.xn--bcher-kva.example", "https://www.xn--bcher-kva.example"),
        ] {
            assert!(allows(entry, origin), "{entry}: {origin}");
        }
        for origin in [
            "https://example.com",
            "https://evil-example.com",
            "https://evilexample.com",
            "https://a.b.example.com",
            "https://.example.com",
            "https://a..example.com",
            "https://www.example.com..",
            "https://*.example.com",
            "https://www.example.com.evil.test",
            "https://www.example.comevil.test",
            "https://www.example.org",
            "https://www.example.com:444",
            "http://www.example.com",
            "http://www.example.com:443",
            "https://www.example.com@evil.test",
            "https://evil.test/.example.com",
            "https://evil.test?.example.com",
            "https://evil.test#.example.com",
            "https://evil.test\\.example.com",
            "https://evil.test%2f.example.com",
            "https://w\u{ff0e}example.com",
            "https://192.0.2.1",
            "https://[2001:db8::1]",
            "null",
            "",
        ] {
            assert!(!allows("https://*.example.com", origin), "{origin}");
        }
        assert!(!allows("https://*.example.com:8443", "https://www.example.com"));
        // `1.2.3.4` is an address, and no name below `2.3.4`.
        assert!(OriginPolicy::List(vec!["https://*.2.3.4".into()]).check().is_err());
    }

    #[test]
    fn an_entry_that_no_page_can_have_is_an_error_that_names_it() {
        for entry in [
            "https://example.com",
            "https://example.com/",
            "http://localhost:5173",
            "http://[::1]:9",
            "https://a_b.example:1",
            "chrome-extension://abcdefghijklmnop",
        ] {
            assert_eq!(OriginPolicy::List(vec![entry.into()]).check(), Ok(()), "{entry}");
        }
        for entry in [
            "",
            "*",
            "null",
            "example.com",
            "//example.com",
            "://example.com",
            "1https://example.com",
            "ht tps://example.com",
            "wss://example.com",
            "https://",
            "https://example.com/chat",
            "https://example.com?",
            "https://me@example.com",
            "https://example.com:",
            "https://example.com:65536",
            "https://example.com ",
            " https://example.com",
            "https://example.com,https://example.org",
            "https://b\u{fc}cher.example",
            "https://[::1",
            "https://*",
            "https://*.",
            "https://*.com",
            "https://*.com:8443",
            "https://**.example.com",
            "https://*.*.example.com",
            "https://www.*.example.com",
            "https://w*.example.com",
            "https://*example.com",
            "https://*..example.com",
            "https://*.example..com",
            "https://*.192.0.2.1",
            "https://*.0.2.1",
            "https://*.[::1]",
            "*://example.com",
        ] {
            let list = OriginPolicy::List(vec!["https://good.example".into(), entry.into()]);
            let error = list.check().expect_err(entry).to_string();
            assert!(error.contains(&format!("{entry:?}")), "{error}");
            let origins =
                ["https://www.example.com", "https://example.com", "null", "", "https://x.com", entry];
            for origin in origins {
                assert!(!list.allows(origin, None, Reach::Public, false), "{entry}: {origin}");
            }
        }
        assert_eq!(OriginPolicy::SameOrigin.check(), Ok(()));
    }

    #[test]
    fn any_is_any() {
        for origin in ["null", "http://evil.test", ""] {
            assert!(OriginPolicy::Any.allows(origin, None, Reach::Public, false));
        }
    }
}
