//! RFC 6455 §4.2, the server's side of the opening handshake.

mod properties;
mod section_10_2_origin;
mod section_10_4_the_head_and_its_limits;
mod section_4_2_1_reading_the_clients_opening_handshake;
mod section_4_2_2_sending_the_servers_opening_handshake;
mod section_4_4_version;
mod section_9_1_extensions;

use sansws::handshake::server::{self, Accept, Reject};
use sansws::handshake::{
    Argument, Fault, Field, HandshakeError, HeadReader, HeaderStorage, MAX_SUBPROTOCOLS,
};
use sansws::{Config, Event, ProtocolError, Role, SliceOutput, State};

/// The request of §1.3, line by line, without the parts that are optional.
const LINES: [&str; 6] = [
    "GET /chat HTTP/1.1",
    "Host: server.example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

/// The request with the line of this name replaced by others (by none: removed), or with lines
/// added.
fn request_with(name: &str, lines: &[&str]) -> Vec<u8> {
    let kept = LINES.iter().filter(|line| name.is_empty() || !line.starts_with(name));
    let mut head: Vec<&str> = kept.copied().collect();
    let at = LINES.iter().position(|line| !name.is_empty() && line.starts_with(name)).unwrap_or(head.len());
    head.splice(at..at, lines.iter().copied());
    (head.join("\r\n") + "\r\n\r\n").into_bytes()
}

/// The short way, and what it wrote.
fn accept(input: &[u8]) -> (Result<Option<usize>, HandshakeError>, String) {
    let mut tx = [0; 1024];
    let mut out = SliceOutput::new(&mut tx);
    let result = server::accept(input, &Config::default(), &mut out);
    let result = result.map(|done| done.map(|(_, used)| used));
    (result, String::from_utf8(out.filled().to_vec()).unwrap())
}

#[track_caller]
fn assert_accepted(input: &[u8]) -> String {
    let (result, response) = accept(input);
    assert_eq!(result, Ok(Some(input.len())), "{}", input.escape_ascii());
    assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
    response
}

#[track_caller]
fn assert_refused(input: &[u8], error: HandshakeError, status: u16) -> String {
    let (result, response) = accept(input);
    assert_eq!(result, Err(error), "{}", input.escape_ascii());
    assert_eq!(error.status(), status);
    assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{response}");
    assert!(head.contains("\r\nConnection: "), "{response}");
    assert_eq!(body, format!("{error}\n"));
    response
}

/// `long_way(input, |request| ...)`: parses a head that must be whole and well formed.
fn parsed<R>(input: &[u8], f: impl FnOnce(server::Request<'_, '_>) -> R) -> R {
    let mut storage = HeaderStorage::new();
    let (request, used) = server::Request::parse(input, &mut storage).unwrap().unwrap();
    assert_eq!(used, input.len());
    f(request)
}
