//! RFC 6455 §10.2: who asks.

use super::*;

/// Rule R-10.2-a. Attack A-20.
#[test]
fn same_origin_is_the_same_host_and_port() {
    // (origin, host, from elsewhere)
    let table = [
        ("http://example.com", "example.com", false),
        ("https://example.com", "example.com", false),
        ("https://EXAMPLE.com", "example.COM", false),
        ("HTTP://example.com:80", "example.com", false),
        ("http://example.com", "example.com:80", false),
        ("https://example.com", "example.com:443", false),
        ("https://example.com:443", "example.com", false),
        ("http://localhost:8080", "localhost:8080", false),
        ("http://[::1]:8080", "[::1]:8080", false),
        ("http://[::1]", "[0:0:0:0:0:0:0:1]", false),
        ("null", "example.com", true),
        ("null", "null", true),
        ("", "example.com", true),
        ("example.com", "example.com", true),
        ("https://example.com", "example.com:80", true),
        ("http://example.com:8080", "example.com", true),
        ("http://example.com", "example.com:8080", true),
        ("https://example.com.evil.net", "example.com", true),
        ("https://evilexample.com", "example.com", true),
        ("https://example.com@evil.net", "example.com", true),
        ("https://evil.net/example.com", "example.com", true),
        ("https://evil.net#example.com", "example.com", true),
        ("https://sub.example.com", "example.com", true),
        ("http://[::1]", "[::2]", true),
        ("http://127.0.0.1", "localhost", true),
        ("file://example.com", "example.com", true),
        ("https://example.com https://evil.net", "example.com", true),
        ("https://example.com", "", true),
    ];
    for (origin, host, elsewhere) in table {
        let input = request_with("Host", &[&format!("Host: {host}"), &format!("Origin: {origin}")]);
        // A server of the origin's own scheme: what is told apart is the rest.
        let secure = origin.to_ascii_lowercase().starts_with("https:");
        parsed(&input, |request| {
            assert_eq!(request.is_cross_origin(secure), elsewhere, "{origin:?} at {host:?}");
        });
    }
}

/// Rule R-10.2-a.
#[test]
fn no_origin_is_no_browser_and_two_are_from_elsewhere() {
    parsed(&request_with("", &[]), |request| {
        assert!(!request.is_cross_origin(false));
        assert_eq!(request.origin(), None);
    });
    let input = request_with("Host", &["Host: a", "Origin: http://a", "Origin: http://a"]);
    parsed(&input, |request| assert!(request.is_cross_origin(false)));
    parsed(b"GET / HTTP/1.1\r\nOrigin: http://a\r\n\r\n", |request| assert!(request.is_cross_origin(false)));
}

/// Rule R-10.2-a. Anyone on the network can change a page that came over `http:`.
#[test]
fn a_page_of_the_other_scheme_is_of_another_origin() {
    let ask = |origin: &str, host: &str, secure: bool| {
        let input = request_with("Host", &[&format!("Host: {host}"), &format!("Origin: {origin}")]);
        parsed(&input, |request| request.is_cross_origin(secure))
    };
    for (origin, host, secure, elsewhere) in [
        ("https://example.com", "example.com", true, false),
        ("http://example.com", "example.com", true, true),
        ("https://example.com", "example.com", false, true),
        ("http://example.com", "example.com", false, false),
        // The same port is not enough.
        ("http://example.com:443", "example.com", true, true),
        ("http://example.com:443", "example.com:443", true, true),
        ("https://example.com:80", "example.com", false, true),
        ("HTTPS://example.com:443", "example.com", true, false),
    ] {
        assert_eq!(ask(origin, host, secure), elsewhere, "{origin} at {host}, secure: {secure}");
    }
}
