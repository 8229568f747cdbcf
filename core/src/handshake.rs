//! The opening handshake, RFC 6455 [§4](https://datatracker.ietf.org/doc/html/rfc6455#section-4),
//! as functions over bytes or over headers that an HTTP library parsed.
//!
//! No connection exists before the handshake ends: [`server::Upgrade::accept`] and
//! [`client::Response::accept`] return the [`Connection`](crate::Connection).
//!
//! # Server
//!
//! With a heap, [`server::Acceptor`] reads a request from any pieces and lets you judge it. Without
//! one, [`server::accept`] accepts every valid request in one call, and these steps show the
//! request to the application first:
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
//! let mut reader = HeadReader::new(8 * 1024); // one per connection; ask it whenever bytes arrive
//! let used = reader.find_end(input)?.expect("the whole head is there");
//! let mut storage = HeaderStorage::new();
//! let (request, _) = server::Request::parse(&input[..used], &mut storage)?.expect("a whole head");
//!
//! // This server is reached by `wss:`.
//! if request.is_cross_origin(true) {
//!     server::refuse(&HandshakeError::OriginNotAllowed, request.method(), &mut out).unwrap();
//! } else if request.path() == "/chat" {
//!     let subprotocol = request.select_subprotocol(&["superchat"]);
//!     let accept = server::Accept::new().subprotocol(subprotocol);
//!     let connection = request.upgrade()?.accept(&accept, &Config::default(), &mut out)?;
//!     // Send `out.filled()`. The bytes after `used` in the input are frames for `connection`.
//!     # assert!(out.filled().ends_with(b"Sec-WebSocket-Protocol: superchat\r\n\r\n"));
//!     # let _ = connection;
//! }
//! # Ok::<(), HandshakeError>(())
//! ```
//!
//! # Client
//!
//! With a heap, [`client::Connector`] writes the request and reads the response from any pieces.
//! Without one:
//!
//! ```
//! use sansws::handshake::client::{Offer, Response};
//! use sansws::handshake::HeaderStorage;
//! use sansws::{Config, SliceOutput, Uri};
//!
//! let uri = Uri::parse("ws://server.example.com/chat")?;
//! let offer = Offer::to(&uri).subprotocols(&["chat"]);
//! let nonce = *b"the sample nonce"; // 16 random bytes, fresh for every handshake
//! let mut tx = [0; 512];
//! let mut out = SliceOutput::new(&mut tx);
//! offer.write(&nonce, &mut out)?;
//! // Send `out.filled()`, then read until `Response::parse` has a whole head.
//!
//! let input = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//!     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n\x81\x02hi";
//! let mut storage = HeaderStorage::new();
//! let (response, used) = Response::parse(input, &mut storage)?.expect("a whole head");
//! assert!(!response.is_interim()); // after an interim response, parse what follows it
//! # fn random_masking_key() -> [u8; 4] { [1, 2, 3, 4] }
//! let connection = response.accept(&offer, &nonce, &Config::default(), random_masking_key)?;
//! assert_eq!(response.subprotocol(), Some("chat"));
//! assert_eq!(&input[used..], b"\x81\x02hi"); // frames already, for `connection`
//! # let _ = connection;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # With an HTTP library
//!
//! A library that has parsed the head hands over its parts: [`server::Request::from_parts`] and
//! [`client::Response::from_parts`] for HTTP/1.1, [`server::Request::from_extended_connect`] and
//! [`client::Response::from_extended_connect`] for HTTP/2 and HTTP/3 (RFC 8441). What it writes
//! comes from [`server::Upgrade::accept_parts`], [`client::Offer::to_parts`] and
//! [`client::Offer::to_extended_connect`]. The bytes of the upgraded connection, or of the stream,
//! are those of the WebSocket.
//!
//! ```
//! use sansws::handshake::client::{Offer, Response};
//! use sansws::handshake::{HeaderStorage, server};
//! use sansws::Config;
//!
//! let offer = Offer::new("server.example.com", "/chat").subprotocols(&["chat"]);
//! let mut asked = Vec::new();
//! offer.to_extended_connect(|name, value| asked.push((name.to_lowercase(), value.to_string())))?;
//!
//! // The server's library has the pseudo-headers `:protocol`, `:authority` and `:path`.
//! let headers = asked.iter().map(|(name, value)| (&**name, value.as_bytes()));
//! let mut storage = HeaderStorage::new();
//! let request = server::Request::from_extended_connect(
//!     "websocket", "server.example.com", "/chat", headers, &mut storage)?;
//! let upgrade = request.upgrade()?;
//! let accept = server::Accept::new().subprotocol(request.select_subprotocol(&["chat"]));
//! let mut answered = Vec::new();
//! let server = upgrade.accept_parts(&accept, &Config::default(), |name, value| {
//!     answered.push((name.to_lowercase(), value.to_string()));
//! })?;
//! assert_eq!(upgrade.status(), 200);
//!
//! let headers = answered.iter().map(|(name, value)| (&**name, value.as_bytes()));
//! let mut storage = HeaderStorage::new();
//! let response = Response::from_extended_connect(200, headers, &mut storage)?;
//! # fn random_masking_key() -> [u8; 4] { [1, 2, 3, 4] }
//! let client = response.accept(&offer, &[0; 16], &Config::default(), random_masking_key)?;
//! assert_eq!(response.subprotocol(), Some("chat"));
//! # let _ = (server, client);
//! # Ok::<(), sansws::handshake::HandshakeError>(())
//! ```

#[cfg(feature = "alloc")]
mod acceptor;
pub mod client;
#[cfg(any(test, not(feature = "std")))]
mod compact;
#[cfg(feature = "alloc")]
mod connector;
mod deflate;
mod error;
mod extensions;
mod framing;
mod head;
mod key;
mod number;
mod offer;
mod refusal;
mod request;
mod response;
pub mod server;

mod subprotocol;
mod syntax;
mod upgrade;
mod write;

pub use self::deflate::DeflateHeader;
pub use self::error::{Argument, Fault, Field, HandshakeError};
pub use self::extensions::{Extension, ExtensionParam, Extensions, ParamValue};
pub use self::head::{DEFAULT_MAX_HEAD_LEN, HeadReader, HeaderStorage, Headers, Values};
pub use self::key::{accept_value, is_key, key_value};
pub use self::subprotocol::MAX_SUBPROTOCOLS;
pub use crate::deflate_params::DeflateParams;
