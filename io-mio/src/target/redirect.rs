//! Redirections of the opening handshake. RFC 6455 §4.1: "the client MAY … follow redirects"; here
//! it does so only if it was asked to.

use std::fmt;

use crate::target::connect_error::ConnectError;
use crate::target::url::{Place, Target};

/// Why a redirection was not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedirectError {
    /// More than [`Connect::redirects`](crate::Connect::redirects) allows; perhaps they go in a
    /// circle.
    TooMany,
    /// There is no `Location` header, or more than one, or it is not a URL.
    Location,
    /// The URL's scheme is none of `ws`, `wss`, `http` and `https`.
    Scheme,
    /// From TLS to no TLS.
    Downgrade,
    /// The URL has a user name or password of its own.
    Credentials,
    /// To another origin, while the connection was given the [address](crate::Connect::new) or
    /// [socket](crate::Connect::unix) to go to.
    Elsewhere,
    /// To `wss:`, which needs TLS, which is not available.
    TlsUnavailable,
}

impl fmt::Display for RedirectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "too many redirections",
            Self::Location => "a redirection without a usable Location",
            Self::Scheme => "a redirection to something that is not a WebSocket",
            Self::Downgrade => "a redirection away from TLS",
            Self::Credentials => "a redirection with a user name or password",
            Self::Elsewhere => "a redirection away from the address that was given",
            Self::TlsUnavailable => "a redirection to wss:, which needs TLS, which is not available",
        })
    }
}

impl std::error::Error for RedirectError {}

/// Whether a status is one that [`redirected`] is for.
pub(crate) fn is_redirection(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Where the values of a response's Location headers lead from here. The credentials of the URL
/// come along within the origin only.
pub(crate) fn redirected<'v>(
    from: &Target,
    locations: impl IntoIterator<Item = &'v [u8]>,
) -> Result<Target, RedirectError> {
    let mut locations = locations.into_iter();
    let (Some(location), None) = (locations.next(), locations.next()) else {
        return Err(RedirectError::Location);
    };
    let location = std::str::from_utf8(location).map_err(|_| RedirectError::Location)?;
    let url = resolve(from, location)?;
    let mut to = Target::at(&url, Place::Host).map_err(|error| match error {
        ConnectError::TlsUnavailable => RedirectError::TlsUnavailable,
        _ => RedirectError::Location,
    })?;
    if from.secure && !to.secure {
        return Err(RedirectError::Downgrade);
    }
    if from.same_origin(&to) {
        to.place = from.place.clone();
        to.authorization.clone_from(&from.authorization);
    } else if !matches!(from.place, Place::Host) {
        return Err(RedirectError::Elsewhere);
    }
    Ok(to)
}

/// RFC 3986 §5.2.2, to a `ws:` or `wss:` URL.
fn resolve(from: &Target, location: &str) -> Result<String, RedirectError> {
    // What a fragment of an HTTP URL names is not for the server.
    let location = location.split_once('#').map_or(location, |(location, _)| location);
    let own_scheme = if from.secure { "wss" } else { "ws" };
    let (scheme, rest) = match split_scheme(location) {
        Some((scheme, rest)) => {
            let scheme = match &*scheme.to_ascii_lowercase() {
                "ws" | "http" => "ws",
                "wss" | "https" => "wss",
                _ => return Err(RedirectError::Scheme),
            };
            if !rest.starts_with("//") {
                return Err(RedirectError::Location);
            }
            (scheme, rest)
        }
        None => (own_scheme, location),
    };
    let (authority, reference) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len())),
        None => (&*from.authority, rest),
    };
    if authority.contains('@') {
        return Err(RedirectError::Credentials);
    }
    let (path, query) = match reference.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (reference, None),
    };
    let (base_path, base_query) = match from.resource.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (&*from.resource, None),
    };
    let has_own_authority = rest.starts_with("//");
    let (path, query) = if path.starts_with('/') || has_own_authority {
        (without_dot_segments(path), query)
    } else if path.is_empty() {
        (without_dot_segments(base_path), query.or(base_query))
    } else {
        // §5.2.3: everything after the last slash of the base is replaced.
        let kept = base_path.rfind('/').and_then(|slash| base_path.get(..=slash)).unwrap_or("/");
        (without_dot_segments(&format!("{kept}{path}")), query)
    };
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok(format!("{scheme}://{authority}{path}{query}"))
}

/// The scheme of an absolute URL, and what follows its colon.
fn split_scheme(location: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = location.split_once(':')?;
    // A colon after a slash or question mark is part of a path or a query.
    (!scheme.contains(['/', '?'])).then_some((scheme, rest))
}

/// RFC 3986 §5.2.4, for a path that begins with a slash.
fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments = path.strip_prefix('/').unwrap_or(path);
    for segment in segments.split('/') {
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    // "/a/." is the directory "/a/".
    if matches!(segments.rsplit('/').next(), Some("." | "..")) {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn follow(from: &str, location: &str) -> Result<String, RedirectError> {
        let from = Target::of_url(from).expect("a URL");
        redirected(&from, [location.as_bytes()]).map(|to| {
            let scheme = if to.secure { "wss" } else { "ws" };
            format!("{scheme}://{}{}", to.authority, to.resource)
        })
    }

    #[test]
    fn references_are_resolved() {
        // Those of RFC 3986 §5.4 that lead to a WebSocket.
        let table = [
            ("g", "ws://a/b/c/g"),
            ("./g", "ws://a/b/c/g"),
            ("g/", "ws://a/b/c/g/"),
            ("/g", "ws://a/g"),
            ("//g", "ws://g/"),
            ("?y", "ws://a/b/c/d;p?y"),
            ("g?y", "ws://a/b/c/g?y"),
            ("#s", "ws://a/b/c/d;p?q"),
            ("g#s", "ws://a/b/c/g"),
            (";x", "ws://a/b/c/;x"),
            ("", "ws://a/b/c/d;p?q"),
            (".", "ws://a/b/c/"),
            ("..", "ws://a/b/"),
            ("../g", "ws://a/b/g"),
            ("../..", "ws://a/"),
            ("../../g", "ws://a/g"),
            ("../../../../g", "ws://a/g"),
            ("/../g", "ws://a/g"),
            ("g.", "ws://a/b/c/g."),
            ("..g", "ws://a/b/c/..g"),
            ("./g/.", "ws://a/b/c/g/"),
            ("g;x=1/../y", "ws://a/b/c/y"),
            ("g?y/../x", "ws://a/b/c/g?y/../x"),
            // And the ways of an HTTP server.
            ("http://a:80/x", "ws://a/x"),
            ("HTTP://b:81/x?y#z", "ws://b:81/x?y"),
            ("ws://b", "ws://b/"),
            ("http://[::1]:81", "ws://[::1]:81/"),
            ("/x:y", "ws://a/x:y"),
        ];
        for (location, expected) in table {
            assert_eq!(follow("ws://a/b/c/d;p?q", location).as_deref(), Ok(expected), "{location}");
        }
    }

    /// Attack A-05.
    #[test]
    fn what_is_not_followed() {
        let table = [
            ("ftp://a/", RedirectError::Scheme),
            ("mailto:me", RedirectError::Scheme),
            ("javascript:alert(1)", RedirectError::Scheme),
            ("http:x", RedirectError::Location),
            ("http://", RedirectError::Location),
            ("http://me:pw@a/", RedirectError::Credentials),
            ("//me@a/", RedirectError::Credentials),
            ("http://a b/", RedirectError::Location),
            ("/a b", RedirectError::Location),
            ("/ä", RedirectError::Location),
            ("http://a:99999/", RedirectError::Location),
        ];
        for (location, error) in table {
            assert_eq!(follow("ws://a/", location), Err(error), "{location}");
        }
        let from = Target::of_url("ws://a/").expect("a URL");
        assert_eq!(redirected(&from, []).err(), Some(RedirectError::Location));
        assert_eq!(redirected(&from, [&b"/x"[..], b"/x"]).err(), Some(RedirectError::Location));
        assert_eq!(redirected(&from, [&b"/\xff"[..]]).err(), Some(RedirectError::Location));
    }

    #[test]
    fn tls_is_not_left() {
        let mut from = Target::of_url("ws://a:443/").expect("a URL");
        from.secure = true;
        assert_eq!(redirected(&from, [&b"http://a:443/"[..]]).err(), Some(RedirectError::Downgrade));
        assert_eq!(redirected(&from, [&b"ws://b/"[..]]).err(), Some(RedirectError::Downgrade));
    }

    #[cfg(not(feature = "__tls"))]
    #[test]
    fn tls_is_not_entered_without_tls() {
        assert_eq!(follow("ws://a/", "wss://a/"), Err(RedirectError::TlsUnavailable));
        assert_eq!(follow("ws://a/", "https://a/"), Err(RedirectError::TlsUnavailable));
    }

    #[cfg(feature = "__tls")]
    #[test]
    fn tls_is_another_origin() {
        assert_eq!(follow("ws://a/", "https://a/b").as_deref(), Ok("wss://a/b"));
        let from = Target::of_url("ws://me:pw@a:443/x").expect("a URL");
        let to = redirected(&from, [&b"wss://a/y"[..]]);
        assert!(to.is_ok_and(|to| to.secure && to.authorization.is_none()));
    }

    proptest! {
        /// Whatever the server says, the result is a URL that can be asked for; and nothing panics.
        #[test]
        fn any_location_is_a_url_or_an_error(location in prop_oneof!["[ -~]{0,40}", "[./?#:@a%]{0,20}", "\\PC{0,20}"]) {
            let from = Target::of_url("ws://me:pw@a.test:81/b/c?d").expect("a URL");
            if let Ok(to) = redirected(&from, [location.as_bytes()]) {
                let request = sansws::handshake::client::Offer::new(&to.authority, &to.resource);
                prop_assert!(request.write(&[0; 16], &mut Vec::new()).is_ok(), "{:?}", to);
                prop_assert_eq!(to.authorization.is_some(), to.same_origin(&from));
                let segments = to.resource.split('?').next().unwrap_or_default().split('/');
                prop_assert!(segments.clone().all(|segment| segment != "." && segment != ".."), "{:?}", to);
            }
        }
    }

    #[test]
    fn credentials_stay_within_the_origin() {
        let from = Target::of_url("ws://me:pw@a/x").expect("a URL");
        let keeps =
            |location: &str| redirected(&from, [location.as_bytes()]).map(|to| to.authorization.is_some());
        assert_eq!(keeps("/y"), Ok(true));
        assert_eq!(keeps("http://A:80/y"), Ok(true));
        assert_eq!(keeps("http://a:81/y"), Ok(false));
        assert_eq!(keeps("//b/y"), Ok(false));
    }

    #[test]
    fn a_given_address_is_not_left() {
        let place = Place::Tcp("127.0.0.1:9".parse().expect("an address"));
        let from = Target::at("ws://a/x", place).expect("a URL");
        assert!(redirected(&from, [&b"/y"[..]]).is_ok_and(|to| matches!(to.place, Place::Tcp(_))));
        assert_eq!(redirected(&from, [&b"//b/y"[..]]).err(), Some(RedirectError::Elsewhere));
    }
}
