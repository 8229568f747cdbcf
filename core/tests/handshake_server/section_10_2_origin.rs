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
        parsed(&input, |request| assert_eq!(request.is_cross_origin(), elsewhere, "{origin:?} at {host:?}"));
    }
}

/// Rule R-10.2-a.
#[test]
fn no_origin_is_no_browser_and_two_are_from_elsewhere() {
    parsed(&request_with("", &[]), |request| {
        assert!(!request.is_cross_origin());
        assert_eq!(request.origin(), None);
    });
    let input = request_with("Host", &["Host: a", "Origin: http://a", "Origin: http://a"]);
    parsed(&input, |request| assert!(request.is_cross_origin()));
    parsed(b"GET / HTTP/1.1\r\nOrigin: http://a\r\n\r\n", |request| assert!(request.is_cross_origin()));
}
