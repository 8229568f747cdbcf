//! RFC 6455 §3, WebSocket URIs.

use proptest::prelude::*;
use sansws::handshake::HeaderStorage;
use sansws::handshake::server::Request;
use sansws::{Uri, UriError};

/// Rules R-3-b and R-3-c.
#[test]
fn parts_of_a_uri() {
    // (uri, secure, host, port, authority, resource, path, query)
    let table = [
        ("ws://h", false, "h", 80, "h", "/", "/", None),
        ("ws://h/", false, "h", 80, "h", "/", "/", None),
        ("WSS://h", true, "h", 443, "h", "/", "/", None),
        ("wSs://Example.COM/Chat", true, "Example.COM", 443, "Example.COM", "/Chat", "/Chat", None),
        ("ws://h:80/p", false, "h", 80, "h", "/p", "/p", None),
        ("ws://h:0080/p", false, "h", 80, "h", "/p", "/p", None),
        ("ws://h:/p", false, "h", 80, "h", "/p", "/p", None),
        ("ws://h:443/p", false, "h", 443, "h:443", "/p", "/p", None),
        ("wss://h:443/p", true, "h", 443, "h", "/p", "/p", None),
        ("wss://h:80", true, "h", 80, "h:80", "/", "/", None),
        ("ws://[::1]:9001/", false, "::1", 9001, "[::1]:9001", "/", "/", None),
        ("ws://[::1]:80/", false, "::1", 80, "[::1]", "/", "/", None),
        ("wss://[2001:db8::7]", true, "2001:db8::7", 443, "[2001:db8::7]", "/", "/", None),
        (
            "ws://127.0.0.1:8080/a/b?c=d",
            false,
            "127.0.0.1",
            8080,
            "127.0.0.1:8080",
            "/a/b?c=d",
            "/a/b",
            Some("c=d"),
        ),
        ("ws://h/p?", false, "h", 80, "h", "/p", "/p", None),
        ("ws://h?", false, "h", 80, "h", "/", "/", None),
        ("ws://h?q=1", false, "h", 80, "h", "?q=1", "/", Some("q=1")),
        ("ws://h/p??", false, "h", 80, "h", "/p??", "/p", Some("?")),
        ("ws://h/p?a=/b?c", false, "h", 80, "h", "/p?a=/b?c", "/p", Some("a=/b?c")),
        ("ws://h/%23/@:", false, "h", 80, "h", "/%23/@:", "/%23/@:", None),
        // RFC 3986 §3.3 does not have these, the URL Standard does, and so browsers send them.
        (
            "ws://h/a[1]|?b[]={c}^`\\",
            false,
            "h",
            80,
            "h",
            "/a[1]|?b[]={c}^`\\",
            "/a[1]|",
            Some("b[]={c}^`\\"),
        ),
    ];
    for (text, secure, host, port, authority, resource, path, query) in table {
        let uri = Uri::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(uri.secure(), secure, "{text}");
        assert_eq!((uri.host(), uri.port(), uri.authority()), (host, port, authority), "{text}");
        assert_eq!((uri.resource_name(), uri.path(), uri.query()), (resource, path, query), "{text}");
        assert_eq!(uri.userinfo(), None, "{text}");
    }
}

#[test]
fn user_information_is_apart_from_the_authority() {
    let uri = Uri::parse("ws://me:p%40ss@h:81/").unwrap();
    assert_eq!((uri.userinfo(), uri.host(), uri.authority()), (Some("me:p%40ss"), "h", "h:81"));
    assert_eq!(Uri::parse("ws://@h/").unwrap().userinfo(), Some(""));
    assert_eq!(Uri::parse("ws://h/@").unwrap().userinfo(), None);
}

/// Rule R-3-a. Attack A-05.
#[test]
fn refused() {
    use UriError::{Fragment, Host, Port, Resource, Scheme, UserInfo};
    let table = [
        ("", Scheme),
        ("ws", Scheme),
        ("ws:h", Scheme),
        ("ws:/h", Scheme),
        ("http://h", Scheme),
        ("wsss://h", Scheme),
        (" ws://h", Scheme),
        ("//h", Scheme),
        ("ws://h/p#f", Fragment),
        ("ws://h#", Fragment),
        ("ws://h/p?q#", Fragment),
        ("ws://", Host),
        ("ws:///p", Host),
        ("ws://:80/", Host),
        ("ws://?q", Host),
        ("ws://a b/", Host),
        ("ws://a\r\nX: y/", Host),
        ("ws://ä/", Host),
        ("ws://a%41/", Host),
        ("ws://good\\evil/", Host),
        ("ws://[::1/", Host),
        ("ws://[::1]x/", Host),
        ("ws://[::1%25eth0]/", Host),
        ("ws://[127.0.0.1]/", Host),
        ("ws://::1/", Host),
        ("ws://u@/", Host),
        ("ws://good\\@evil/", UserInfo),
        ("ws://a@b@c/", UserInfo),
        ("ws://a\n@c/", UserInfo),
        ("ws://h:65536/", Port),
        ("ws://h:x/", Port),
        ("ws://h:+8/", Port),
        ("ws://h:-8/", Port),
        ("ws://h:8:9/", Port),
        ("ws://h:99999999999999999999/", Port),
        ("ws://h/a b", Resource),
        ("ws://h/ä", Resource),
        ("ws://h/?ä", Resource),
        ("ws://h/a\r\nX: y", Resource),
        ("ws://h/a\0", Resource),
        ("ws://h/\u{7f}", Resource),
        ("ws://h/\"", Resource),
        ("ws://h/<", Resource),
        ("ws://h/a\\b", Resource),
        ("ws://h/{a}", Resource),
        ("ws://h/^", Resource),
        ("ws://h/`", Resource),
        ("ws://h/?\"", Resource),
        ("ws://h/?<x>", Resource),
        ("ws://h/\u{202e}", Resource),
        ("ws://h/%", Resource),
        ("ws://h/%4", Resource),
        ("ws://h/%zz", Resource),
        ("ws://h/?%%41", Resource),
        ("ws://[v1.a]/", Host),
        ("ws://[::1.2.3.04]/", Host),
        ("ws://[1:2:3:4:5:6:7:8:9]/", Host),
    ];
    for (text, error) in table {
        assert_eq!(Uri::parse(text), Err(error), "{text:?}");
        assert_eq!(error.section(), "3");
    }
}

/// Whether hosts are compared by value.
fn is_same_origin(a: &str, b: &str) -> bool {
    let head = format!("GET / HTTP/1.1\r\nHost: [{a}]\r\nOrigin: http://[{b}]\r\n\r\n");
    let mut storage = HeaderStorage::new();
    let (request, _) = Request::parse(head.as_bytes(), &mut storage).unwrap().unwrap();
    !request.is_cross_origin(false)
}

proptest! {
    /// RFC 3986 §3.2.2. What is read by hand is what `core::net` reads.
    #[test]
    #[cfg_attr(miri, ignore = "its regular expressions take minutes")]
    fn an_ipv6_address_is_what_the_standard_library_takes_for_one(
        text in prop_oneof![
            any::<u128>().prop_map(|bits| core::net::Ipv6Addr::from(bits).to_string()),
            // Long runs of zeros and IPv4 tails.
            (any::<[bool; 8]>(), any::<[u16; 8]>()).prop_map(|(keep, groups)| {
                let kept: [u16; 8] = core::array::from_fn(|i| if keep[i] { groups[i] } else { 0 });
                core::net::Ipv6Addr::from(kept).to_string()
            }),
            "(::)?([0-9a-fA-F]{1,4}:){0,7}(::)?([0-9a-fA-F]{1,4}|:|::)?",
            "([0-9a-f]{0,2}:{1,2}){0,8}([0-9]{1,3}\\.){0,4}[0-9]{0,3}",
            "[0-9a-f:.]{0,20}",
        ],
        other in any::<u128>(),
    ) {
        let expected = text.parse::<core::net::Ipv6Addr>();
        let uri = format!("ws://[{text}]/");
        prop_assert_eq!(Uri::parse(&uri).is_ok(), expected.is_ok(), "{}", text);
        // Two spellings are one address, another address is another.
        if let Ok(address) = expected {
            let [a, b, c, d, e, f, g, h] = address.segments();
            let long = format!("{a:X}:{b:04x}:{c:x}:{d:03X}:{e:x}:{f:x}:{g:x}:{h:x}");
            prop_assert!(is_same_origin(&text, &long), "{} {}", text, long);
            let other = core::net::Ipv6Addr::from(other);
            prop_assert_eq!(is_same_origin(&text, &other.to_string()), other == address);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "its regular expressions take minutes")]
    fn any_text_is_taken_apart_or_refused(text in "((?i)wss?://)?.*") {
        if let Ok(uri) = Uri::parse(&text) {
            prop_assert!(!uri.host().is_empty());
            prop_assert!(uri.authority().contains(uri.host()));
            prop_assert!(uri.path().starts_with('/'));
            prop_assert!(!uri.resource_name().contains(['#', ' ', '\r', '\n', '\0']));
        }
    }

    /// Rule R-3-b.
    #[test]
    #[cfg_attr(miri, ignore = "its regular expressions take minutes")]
    fn parts_come_back(
        secure: bool, host in "[a-z0-9.-]{1,20}", port: Option<u16>,
        path in "(/(%[0-9A-Fa-f]{2}|[!$&-;=@-Z_a-z|~\\[\\]]){0,10})?",
        query in proptest::option::of("(%[0-9A-Fa-f]{2}|[!$&-;=?-~]){1,10}"),
    ) {
        let scheme = if secure { "wss" } else { "ws" };
        let port_text = port.map(|port| format!(":{port}")).unwrap_or_default();
        let query_text = query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let text = format!("{scheme}://{host}{port_text}{path}{query_text}");
        let uri = Uri::parse(&text).unwrap();
        prop_assert_eq!(uri.host(), host);
        prop_assert_eq!(uri.port(), port.unwrap_or(if secure { 443 } else { 80 }));
        prop_assert_eq!(uri.path(), if path.is_empty() { "/" } else { &path });
        prop_assert_eq!(uri.query(), query.as_deref());
        // The authority leads back to the same place.
        let again = format!("{scheme}://{}{}", uri.authority(), uri.resource_name());
        let again = Uri::parse(&again).unwrap();
        prop_assert_eq!((again.host(), again.port(), again.resource_name()), (uri.host(), uri.port(), uri.resource_name()));
    }
}
