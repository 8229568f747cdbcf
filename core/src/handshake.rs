//! The opening handshake, RFC 6455 [§4](https://datatracker.ietf.org/doc/html/rfc6455#section-4), as
//! functions over bytes.
//!
//! There is no connection in a "connecting" state that could be misused: [`server::Upgrade::accept`] and
//! [`client::Response::accept`] *end* in a [`Connection`](crate::Connection).
//!
//! # Server
//!
//! The short way is [`server::accept`]. The long way shows the request to the application in between:
//!
//! ```
//! use sansws::handshake::{HeadReader, HeaderStorage, HandshakeError, server};
//! use sansws::{Config, SliceOutput};
//!
//! let input = b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//!     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
//!     Origin: https://example.com\r\nSec-WebSocket-Protocol: chat, superchat\r\n\r\n";
//! let mut tx = [0; 512];
//! let mut out = SliceOutput::new(&mut tx);
//!
//! let mut reader = HeadReader::new(8 * 1024); // one per connection; asked again whenever bytes arrived
//! let used = reader.find_end(input)?.expect("the whole head is there");
//! let mut storage = HeaderStorage::new();
//! let (request, _) = server::parse(&input[..used], &mut storage)?.expect("a whole head");
//!
//! if request.is_cross_origin() {
//!     server::refuse(&HandshakeError::OriginNotAllowed, &mut out).unwrap();
//! } else if request.path() == "/chat" {
//!     let subprotocol = request.subprotocols().find(|name| *name == "superchat");
//!     let accept = server::Accept { subprotocol, ..Default::default() };
//!     let connection = request.upgrade()?.accept(&accept, &Config::default(), &mut out)?;
//!     // Write `out.filled()`; what follows `used` in the input are frames for `connection`.
//!     # assert!(out.filled().ends_with(b"Sec-WebSocket-Protocol: superchat\r\n\r\n"));
//!     # let _ = connection;
//! }
//! # Ok::<(), HandshakeError>(())
//! ```
//!
//! # Client
//!
//! ```
//! use sansws::handshake::{HeaderStorage, client};
//! use sansws::{Config, SliceOutput, Uri};
//!
//! let uri = Uri::parse("ws://server.example.com/chat")?;
//! let request = client::Request { subprotocols: &["chat"], ..client::Request::to(&uri) };
//! let nonce = *b"the sample nonce"; // 16 bytes from a CSPRNG, fresh for every handshake
//! let mut tx = [0; 512];
//! let mut out = SliceOutput::new(&mut tx);
//! request.write(&nonce, &mut out)?;
//! // Write `out.filled()` and read until `parse_response` has a whole head.
//!
//! let input = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//!     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n\x81\x02hi";
//! let mut storage = HeaderStorage::new();
//! let (response, used) = client::parse_response(input, &mut storage)?.expect("a whole head");
//! # fn random_masking_key() -> [u8; 4] { [1, 2, 3, 4] }
//! let connection = response.accept(&request, &nonce, &Config::default(), random_masking_key)?;
//! assert_eq!(response.subprotocol(), Some("chat"));
//! assert_eq!(&input[used..], b"\x81\x02hi"); // frames already, for `connection`
//! # let _ = connection;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "alloc")]
mod acceptor;
pub mod client;
mod error;
mod extensions;
mod head;
pub mod server;
mod write;

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use sha1::{Digest, Sha1};

pub use self::error::{Argument, Fault, Field, HandshakeError};
pub use self::extensions::{Extension, ExtensionParam, Extensions, ParamValue};
pub use self::head::{DEFAULT_MAX_HEAD_LEN, HeadReader, HeaderStorage, Headers, Values};

/// The most subprotocols that one request may offer.
pub const MAX_SUBPROTOCOLS: usize = 64;

/// The value of Sec-WebSocket-Accept for a value of Sec-WebSocket-Key (§4.2.2, step 5.4), for servers that
/// leave the rest of the opening handshake to an HTTP framework.
///
/// ```
/// let accept = sansws::handshake::accept_value(b"dGhlIHNhbXBsZSBub25jZQ==");
/// assert_eq!(&accept, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
pub fn accept_value(key: &[u8]) -> [u8; 28] {
    // §4.2.2: "concatenating this value with the string "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", taking the
    // SHA-1 hash of this concatenated value to obtain a 20-byte value and base64-encoding this 20-byte hash."
    let hash = Sha1::new().chain_update(key).chain_update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    let mut accept = [0; 28];
    // 20 bytes are 28 characters: it always fits.
    let _ = STANDARD.encode_slice(hash, &mut accept);
    accept
}

/// The value of Sec-WebSocket-Key for a nonce.
fn encode_key(nonce: &[u8; 16]) -> [u8; 24] {
    let mut key = [0; 24];
    // 16 bytes are 24 characters: it always fits.
    let _ = STANDARD.encode_slice(nonce, &mut key);
    key
}

/// Whether a value of Sec-WebSocket-Key decodes to 16 bytes.
fn is_key(key: &[u8]) -> bool {
    // The example in §4.1, "AQIDBAUGBwgJCgsMDQ4PEC==", has bits left over after its sixteenth byte that are
    // not zero.
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    LENIENT.decode_slice(key, &mut [0; 18]).is_ok_and(|len| len == 16)
}

/// RFC 7230 §3.2.6 `token`: what header names, subprotocols and the names of extensions are.
fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| is_token_byte(b))
}

const fn is_token_byte(b: u8) -> bool {
    matches!(
        b,
        b'!' | b'#'
            | b'$'
            | b'%'
            | b'&'
            | b'\''
            | b'*'
            | b'+'
            | b'-'
            | b'.'
            | b'^'
            | b'_'
            | b'`'
            | b'|'
            | b'~'
    ) || b.is_ascii_alphanumeric()
}

/// Without the blanks around it.
fn trim(bytes: &[u8]) -> &[u8] {
    let Some(start) = bytes.iter().position(|b| !matches!(b, b' ' | b'\t')) else { return &[] };
    let end = bytes.iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(0, |last| last + 1);
    bytes.get(start..end).unwrap_or_default()
}
