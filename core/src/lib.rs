//! A sans-I/O WebSocket engine: bytes in, events out, every MUST of
//! [RFC 6455](https://datatracker.ietf.org/doc/html/rfc6455).
//!
//! The engine contains no sockets, no threads and no clock, and needs no heap. Put it behind epoll,
//! io_uring, tokio or a serial line; or use the ready-made driver, the crate `sansws-mio`.
//!
//! # In three steps
//!
//! Every connection takes these three steps. [`Connection`] states the contract and has the diagram
//! of its states; the [`guide`] has a program for each task: a server, a client, routing,
//! fragments, vectored writes, keep-alive, closing.
//!
//! 1. **Open** ([§4](https://datatracker.ietf.org/doc/html/rfc6455#section-4)):
//!    [`handshake::server`] turns the bytes of a request into a response and a [`Connection`];
//!    [`handshake::client`] does the other side.
//!
//!    ```
//!    use sansws::{Config, handshake::server};
//!
//!    # fn opened(bytes_so_far: &[u8], out: &mut Vec<u8>) -> Result<(), sansws::handshake::HandshakeError> {
//!    if let Some((connection, used)) = server::accept(bytes_so_far, &Config::default(), out)? {
//!        // Write `out`. The bytes of the input that follow the first `used` are frames.
//!        # let _ = (connection, used);
//!    }
//!    # Ok(())
//!    # }
//!    # opened(b"GET", &mut Vec::new()).unwrap();
//!    ```
//! 2. **Talk** ([§5](https://datatracker.ietf.org/doc/html/rfc6455#section-5),
//!    [§6](https://datatracker.ietf.org/doc/html/rfc6455#section-6)): read into any buffer, call
//!    [`Connection::receive`] (or [`Assembler::receive`]) until it returns `None`, answer with
//!    [`Connection::send`] and the like, pay what the protocol owes with
//!    [`Connection::poll_transmit`], write the output.
//!
//!    ```
//!    use sansws::{Assembler, Connection, SendError};
//!
//!    fn echo(ws: &mut Connection, messages: &mut Assembler, mut input: &mut [u8], out: &mut Vec<u8>) -> Result<(), SendError> {
//!        while let Some(message) = messages.receive(ws, &mut input) {
//!            if ws.can_send() { // not after a `close` of ours, though messages still arrive
//!                ws.send(message, out)?;
//!            }
//!        }
//!        ws.poll_transmit(out) // a Pong, a Close
//!    }
//!    # let mut ws = Connection::server(&sansws::Config::default());
//!    # let mut out = Vec::new();
//!    # echo(&mut ws, &mut Assembler::new(), &mut [0x89, 0x80, 0, 0, 0, 0], &mut out).unwrap();
//!    # assert_eq!(out, [0x8a, 0]);
//!    ```
//! 3. **Close** ([§7](https://datatracker.ietf.org/doc/html/rfc6455#section-7)): either side calls
//!    [`Connection::close`], or a failure does it. When [`Connection::should_close_transport`]
//!    returns `true`, shut the transport down. [`KeepAlive`] holds the deadlines: when to send a
//!    Ping, when to stop waiting.
//!
//! # Layers
//!
//! Each can be used alone.
//!
//! | layer | what | needs |
//! |---|---|---|
//! | 1 codec | [`FrameHeader`], [`apply_mask`], [`Utf8Stream`], [`CloseCode`] | nothing |
//! | 2 connection | [`Connection`]: every MUST of §5 to §7, in place on the caller's buffer; [`Parked`] | nothing |
//! | 3 messages | [`Message`], [`SliceAssembler`] | nothing |
//! | | [`Assembler`], [`OwnedMessage`], [`Prepared`] | feature `alloc` |
//! | opening | [`handshake`], [`Uri`] | nothing |
//! | time | [`KeepAlive`], [`Timeouts`] | a clock of yours |
//!
//! # Where the RFC lives
//!
//! | section | here |
//! |---|---|
//! | [§3](https://datatracker.ietf.org/doc/html/rfc6455#section-3) WebSocket URIs | [`Uri`] |
//! | [§4.1](https://datatracker.ietf.org/doc/html/rfc6455#section-4.1), [§4.2](https://datatracker.ietf.org/doc/html/rfc6455#section-4.2) opening handshake | [`handshake::client`], [`handshake::server`] |
//! | [§5.2](https://datatracker.ietf.org/doc/html/rfc6455#section-5.2) base framing protocol | [`FrameHeader`] |
//! | [§5.3](https://datatracker.ietf.org/doc/html/rfc6455#section-5.3) masking | [`apply_mask`], [`MaskingKeys`] |
//! | [§5.4](https://datatracker.ietf.org/doc/html/rfc6455#section-5.4) fragmentation | [`Event`], [`Assembler`], [`Connection::send_text_fragment`] |
//! | [§5.5](https://datatracker.ietf.org/doc/html/rfc6455#section-5.5) control frames | [`Event`], [`Connection::poll_transmit`] |
//! | [§7](https://datatracker.ietf.org/doc/html/rfc6455#section-7) closing | [`State`], [`Connection::close`] |
//! | [§7.4](https://datatracker.ietf.org/doc/html/rfc6455#section-7.4) status codes | [`CloseCode`] |
//! | [§8.1](https://datatracker.ietf.org/doc/html/rfc6455#section-8.1) UTF-8 | [`Utf8Stream`] |
//! | [§9](https://datatracker.ietf.org/doc/html/rfc6455#section-9) extensions | [`handshake::Extensions`], [`Event::Compressed`] |
//! | [§10.2](https://datatracker.ietf.org/doc/html/rfc6455#section-10.2) origin | [`handshake::server::Request::is_cross_origin`] |
//! | [§10.4](https://datatracker.ietf.org/doc/html/rfc6455#section-10.4) limits | [`Config`], [`handshake::HeadReader`] |
//! | [RFC 8441](https://datatracker.ietf.org/doc/html/rfc8441) over HTTP/2 | [`handshake::server::Request::from_extended_connect`] |
//!
//! # Features
//!
//! - `std` (default; implies `alloc` and `simdutf8`): vector instructions found at run time, and
//!   conversions of errors to `std::io::Error`;
//! - `alloc`: what collects or owns messages, and the handshakes that arrive in pieces;
//! - `bytes`: `BytesMut` as an [`Output`], [`Message::to_bytes`], `From<&Bytes>`;
//! - `chacha`: `ChaChaKeys`, a seeded source of masking-keys;
//! - `simdutf8`: vector instructions for long text.
//!
//! No feature changes what the engine does.
//!
//! # Terms
//!
//! This crate uses the RFC's terms and adds three: a *chunk* is the part of a payload that one
//! input contained; an *event* is what [`Connection::receive`] found; to *transmit* is to send what
//! the protocol owes.

#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::alloc_instead_of_core, clippy::std_instead_of_alloc, clippy::std_instead_of_core)]
#![doc(test(attr(deny(warnings))))]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "alloc")]
mod assembler;
mod authority;
#[cfg(feature = "chacha")]
mod chacha;
mod close;
mod collector;
mod connection;
#[cfg(feature = "deflate")]
#[cfg_attr(docsrs, doc(cfg(feature = "deflate")))]
pub mod deflate;
mod deflate_params;
mod error;
mod frame;
#[cfg(all(feature = "std", doctest))]
#[doc = include_str!("../README.md")]
struct Readme;
#[cfg(all(feature = "std", any(doc, doctest)))]
#[doc = include_str!("guide.md")]
pub mod guide {}
pub mod handshake;
mod keepalive;
mod mask;
mod masking_keys;
mod message;
mod output;
#[cfg(feature = "alloc")]
mod prepared;
mod slice_assembler;
mod uri;
mod utf8;

#[cfg(feature = "alloc")]
pub use assembler::Assembler;
#[cfg(feature = "chacha")]
pub use chacha::ChaChaKeys;
pub use close::{CloseCode, CloseFrame, MAX_REASON_LEN};
pub use connection::{
    BinaryChunk, CompressedChunk, Config, Connection, Event, Incoming, Parked, Role, State, TextChunk,
};
pub use error::{ProtocolError, SendError};
pub use frame::{
    EncodedHeader, FrameHeader, MAX_CONTROL_FRAME_LEN, MAX_CONTROL_LEN, MAX_PAYLOAD_LEN, Opcode, Rsv,
};
pub use keepalive::{Expired, KeepAlive, Timeouts};
pub use mask::{MaskingKey, apply_mask, copy_masked};
pub use masking_keys::{FnKeys, MaskingKeys};
#[cfg(feature = "alloc")]
pub use message::OwnedMessage;
pub use message::{Message, MessageKind};
pub use output::{Output, OutputFull, SliceOutput};
#[cfg(feature = "alloc")]
pub use prepared::Prepared;
pub use slice_assembler::SliceAssembler;
pub use uri::{Uri, UriError};
pub use utf8::{Carried, InvalidUtf8, Utf8Piece, Utf8Stream};
