//! RFC 6455 §4.4: a version that is not ours.

use super::*;

/// Rule R-4.4-a.
#[test]
fn another_version_is_told_ours() {
    for lines in [
        &["Sec-WebSocket-Version: 12"][..],
        &["Sec-WebSocket-Version: 8"],
        &["Sec-WebSocket-Version: 013"],
        &["Sec-WebSocket-Version: 13.0"],
        &["Sec-WebSocket-Version:"],
        &["Sec-WebSocket-Version: 13, 8"],
        &["Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"],
        &["Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13"],
        &[],
    ] {
        let fault = match lines.len() {
            0 => Fault::Missing,
            1 => Fault::Invalid,
            _ => Fault::Repeated,
        };
        let error = HandshakeError::Request(Field::Version, fault);
        let response = assert_refused(&request_with("Sec-WebSocket-Version", lines), error, 426);
        assert!(response.contains("\r\nSec-WebSocket-Version: 13\r\n"), "{response}");
        assert_eq!(error.section(), "4.4");
    }
}

/// Rule R-4.4-a.
#[test]
fn the_version_is_looked_at_before_the_key() {
    // A client of another version may have a key of another form.
    let input = request_with("Sec-WebSocket", &["Sec-WebSocket-Version: 14"]);
    let error = HandshakeError::Request(Field::Version, Fault::Invalid);
    assert_refused(&input, error, 426);
}
