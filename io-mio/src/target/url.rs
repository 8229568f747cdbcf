//! What a URL says: where a server is, and what it is asked for.

use std::net::{Ipv6Addr, SocketAddr};
#[cfg(unix)]
use std::path::PathBuf;

use sansws::Uri;

use crate::target::connect_error::ConnectError;
use crate::target::credentials::{Secret, basic_of_userinfo, percent_decode};

/// Where a URL leads.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) place: Place,
    /// Through TLS.
    pub(crate) secure: bool,
    /// A name or an IP address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The value of the `Host` header.
    pub(crate) authority: String,
    pub(crate) resource: String,
    /// The value of an `Authorization` header, from the URL's user information.
    pub(crate) authorization: Option<Secret>,
}

/// How the server is found.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// By the host that the URL names.
    Host,
    /// There, whatever the URL says.
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix(PathBuf),
}

impl Target {
    /// What a `ws:`, `wss:` or `ws+unix:` URL says.
    pub(crate) fn of_url(url: &str) -> Result<Self, ConnectError> {
        #[cfg(unix)]
        if let Some((scheme, rest)) = url.split_once(':') {
            if scheme.eq_ignore_ascii_case("ws+unix") {
                return Self::of_unix_url(rest);
            }
        }
        Self::at(url, Place::Host)
    }

    /// What a `ws:` or `wss:` URL says, for a server that is somewhere else.
    pub(crate) fn at(url: &str, place: Place) -> Result<Self, ConnectError> {
        let uri = Uri::parse(url).map_err(ConnectError::Url)?;
        if uri.secure() && !cfg!(feature = "__tls") {
            return Err(ConnectError::TlsUnavailable);
        }
        let authorization = match uri.userinfo() {
            None | Some("") => None,
            Some(userinfo) => Some(basic_of_userinfo(userinfo).ok_or(ConnectError::Credentials)?),
        };
        Ok(Self {
            place,
            secure: uri.secure(),
            host: uri.host().into(),
            port: uri.port(),
            authority: uri.authority().into(),
            resource: uri.resource_name().into(),
            authorization,
        })
    }

    /// `ws+unix:/path/to/socket:/resource`, as Node's `ws` has it. `rest` is what follows the
    /// scheme.
    #[cfg(unix)]
    fn of_unix_url(rest: &str) -> Result<Self, ConnectError> {
        use std::ffi::OsString;
        use std::os::unix::ffi::OsStringExt;

        // `ws+unix:///path` is the same with an empty authority.
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, resource) = rest.split_once(':').unwrap_or((rest, "/"));
        // A colon in the path is written %3A.
        let path = percent_decode(path).ok_or(ConnectError::SocketPath)?;
        if path.is_empty() || path.contains(&0) {
            return Err(ConnectError::SocketPath);
        }
        if !resource.starts_with(['/', '?']) {
            return Err(ConnectError::Url(sansws::UriError::Resource));
        }
        let place = Place::Unix(PathBuf::from(OsString::from_vec(path)));
        // HTTP has it that there is a host; there is none to name.
        Self::at(&format!("ws://localhost{resource}"), place)
    }

    /// Whether both are of one origin, RFC 6454 §4: the same scheme, host and port.
    pub(crate) fn same_origin(&self, other: &Self) -> bool {
        self.secure == other.secure && self.port == other.port && same_host(&self.host, &other.host)
    }
}

/// Whether two hosts, without brackets, are the same: names whatever their case, IPv6 addresses
/// whatever their spelling.
pub(crate) fn same_host(a: &str, b: &str) -> bool {
    match (a.parse::<Ipv6Addr>(), b.parse::<Ipv6Addr>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a.eq_ignore_ascii_case(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sansws::UriError;

    #[test]
    fn user_information_becomes_a_header_and_nothing_else() {
        let target = Target::of_url("ws://me:pass%20word@example.com:8080/a?b").expect("a URL");
        assert_eq!(
            (&*target.host, target.port, &*target.authority),
            ("example.com", 8080, "example.com:8080")
        );
        assert_eq!(target.resource, "/a?b");
        assert_eq!(target.authorization.as_ref().map(|secret| &*secret.0), Some("Basic bWU6cGFzcyB3b3Jk"));
        assert!(!format!("{target:?}").contains("bWU6"), "a log shows no password");
        assert_eq!(Target::of_url("ws://a%0d:b@example.com/").err(), Some(ConnectError::Credentials));
    }

    #[cfg(unix)]
    #[test]
    fn unix_urls() {
        let parse = |url: &str| {
            Target::of_url(url).map(|target| match target.place {
                Place::Unix(path) => (path.to_string_lossy().into_owned(), target.authority, target.resource),
                other => panic!("not a Unix-domain socket: {other:?}"),
            })
        };
        let table = [
            ("ws+unix:/run/app.sock:/chat?room=1", "/run/app.sock", "/chat?room=1"),
            ("ws+unix:/run/app.sock", "/run/app.sock", "/"),
            ("WS+UNIX:/run/app.sock:/", "/run/app.sock", "/"),
            ("ws+unix:///run/app.sock:/chat", "/run/app.sock", "/chat"),
            ("ws+unix:./app.sock:/a:b", "./app.sock", "/a:b"),
            ("ws+unix:/run/a%3ab%20c.sock:/", "/run/a:b c.sock", "/"),
        ];
        for (url, path, resource) in table {
            assert_eq!(parse(url), Ok((path.into(), "localhost".into(), resource.into())), "{url}");
        }
        let refused = [
            ("ws+unix:", ConnectError::SocketPath),
            ("ws+unix::/chat", ConnectError::SocketPath),
            ("ws+unix:/a%00b:/chat", ConnectError::SocketPath),
            ("ws+unix:/a%0:/chat", ConnectError::SocketPath),
            ("ws+unix:/a:chat", ConnectError::Url(UriError::Resource)),
            ("ws+unix:/a:/chat#x", ConnectError::Url(UriError::Fragment)),
            ("ws+unix:/a:/chat\r\nX: y", ConnectError::Url(UriError::Resource)),
            ("wss+unix:/a:/chat", ConnectError::Url(UriError::Scheme)),
        ];
        for (url, error) in refused {
            assert_eq!(parse(url), Err(error), "{url}");
        }
    }

    #[test]
    fn origins() {
        let same = |a: &str, b: &str| {
            Target::of_url(a).expect("a URL").same_origin(&Target::of_url(b).expect("a URL"))
        };
        assert!(same("ws://example.com/a", "ws://EXAMPLE.com:80/b"));
        assert!(same("ws://[::1]/", "ws://[0:0::1]/"));
        assert!(!same("ws://example.com/", "ws://example.com:8080/"));
        assert!(!same("ws://example.com/", "ws://www.example.com/"));
        assert!(!same("ws://example.com/", "ws://example.com.evil.test/"));
    }
}
