//! A WebSocket engine that does no I/O: bytes in, events out; [RFC 6455](https://datatracker.ietf.org/doc/html/rfc6455) to the letter.
//!
//! It knows nothing of sockets, threads, clocks or, if need be, the heap. Put it behind epoll, io_uring, tokio or a serial line; or take
//! the driver that is made already, the crate `sansws-mio`.
//!
//! # In three steps
//!
//! An embedder goes through these once for each connection. [`Connection`] states the rules of the call, with the diagram of its states.
//!
//! 1. **Open** ([§4](https://datatracker.ietf.org/doc/html/rfc6455#section-4)): [`handshake::server`] turns the bytes of a request into a response and a
//!    [`Connection`]; [`handshake::client`] does the other side. The short way for a server is one call:
//!
//!    ```
//!    use sansws::{Config, handshake::server};
//!
//!    # fn opened(bytes_so_far: &[u8], out: &mut Vec<u8>) -> Result<(), sansws::handshake::HandshakeError> {
//!    if let Some((connection, used)) = server::accept(bytes_so_far, &Config::default(), out)? {
//!        // Write `out`. What comes behind `used` in the input are frames already.
//!        # let _ = (connection, used);
//!    }
//!    # Ok(())
//!    # }
//!    # opened(b"GET", &mut Vec::new()).unwrap();
//!    ```
//! 2. **Talk** ([§5](https://datatracker.ietf.org/doc/html/rfc6455#section-5), [§6](https://datatracker.ietf.org/doc/html/rfc6455#section-6)): read into any buffer, call [`Connection::receive`] until it says `None` (who stops
//!    before that loses the rest of the input, perhaps the peer's Close), answer with [`Connection::send_text`] and the like, pay the protocol's debts with [`Connection::poll_transmit`], write the output.
//!
//!    ```
//!    use sansws::{Assembler, Connection, SendError};
//!
//!    fn echo(ws: &mut Connection, messages: &mut Assembler, mut input: &mut [u8], out: &mut Vec<u8>) -> Result<(), SendError> {
//!        while let Some(event) = ws.receive(&mut input) {
//!            if let Some(message) = messages.push(event) {
//!                if ws.can_send() { // not after a `close` of ours, though messages still come
//!                    ws.send(message, out)?;
//!                }
//!            }
//!        }
//!        ws.poll_transmit(out)?; // a Pong, a Close
//!        Ok(())
//!    }
//!    # let mut ws = Connection::server(&sansws::Config::default());
//!    # let mut out = Vec::new();
//!    # echo(&mut ws, &mut Assembler::new(), &mut [0x89, 0x80, 0, 0, 0, 0], &mut out).unwrap();
//!    # assert_eq!(out, [0x8a, 0]);
//!    ```
//! 3. **Close** ([§7](https://datatracker.ietf.org/doc/html/rfc6455#section-7)): either side calls [`Connection::close`], or a failure does it for you. When
//!    [`Connection::should_close_transport`] says so, shut the transport down. [`KeepAlive`] tells when to ping and when to stop waiting.
//!
//! # Layers
//!
//! Each is usable alone.
//!
//! | layer | what | needs |
//! |---|---|---|
//! | 1 codec | [`FrameHeader`], [`apply_mask`], [`Utf8Stream`], [`CloseCode`] | nothing |
//! | 2 connection | [`Connection`]: every MUST of §5 to §7, in place on the caller's buffer | nothing |
//! | 3 messages | [`Assembler`], [`Message`], [`Prepared`] | feature `alloc` |
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
//! | [§5.3](https://datatracker.ietf.org/doc/html/rfc6455#section-5.3) masking | [`apply_mask`] |
//! | [§5.4](https://datatracker.ietf.org/doc/html/rfc6455#section-5.4) fragmentation | [`Event`], [`Assembler`], [`Connection::send_text_fragment`] |
//! | [§5.5](https://datatracker.ietf.org/doc/html/rfc6455#section-5.5) control frames | [`Event`], [`Connection::poll_transmit`] |
//! | [§7](https://datatracker.ietf.org/doc/html/rfc6455#section-7) closing | [`State`], [`Connection::close`] |
//! | [§7.4](https://datatracker.ietf.org/doc/html/rfc6455#section-7.4) status codes | [`CloseCode`] |
//! | [§8.1](https://datatracker.ietf.org/doc/html/rfc6455#section-8.1) UTF-8 | [`Utf8Stream`] |
//! | [§9](https://datatracker.ietf.org/doc/html/rfc6455#section-9) extensions | [`handshake::Extensions`], [`Event::Compressed`] |
//! | [§10.2](https://datatracker.ietf.org/doc/html/rfc6455#section-10.2) origin | [`handshake::server::Request::is_cross_origin`] |
//! | [§10.4](https://datatracker.ietf.org/doc/html/rfc6455#section-10.4) limits | [`Config`], [`handshake::HeadReader`] |
//!
//! # Features
//!
//! `std` (default; implies `alloc` and `simdutf8`) uses vector instructions found at run time, and converts errors to `std::io::Error`; `alloc` adds
//! layer 3; `bytes` makes `BytesMut` an [`Output`] and adds `Message::to_bytes`. No feature changes what the engine does.
//!
//! # Words
//!
//! Those of the RFC, and three of ours: a *chunk* is the part of a payload that one input held; an *event* is what
//! [`Connection::receive`] found; to *transmit* is to send what the protocol owes.

#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::alloc_instead_of_core, clippy::std_instead_of_alloc, clippy::std_instead_of_core)]
#![doc(test(attr(deny(warnings))))]

#[cfg(feature = "alloc")]
extern crate alloc;

mod authority;
mod close;
mod connection;
mod error;
mod frame;
pub mod handshake;
mod keepalive;
mod mask;
mod masking_keys;
#[cfg(feature = "alloc")]
mod message;
mod output;
mod uri;
mod utf8;

pub use close::{CloseCode, CloseFrame, MAX_REASON_LEN};
pub use connection::{
    BinaryChunk, CompressedChunk, Config, Connection, Event, MessageKind, Role, State, TextChunk,
};
pub use error::{ProtocolError, SendError};
pub use frame::{
    EncodedHeader, FrameHeader, MAX_CONTROL_FRAME_LEN, MAX_CONTROL_LEN, MAX_PAYLOAD_LEN, MaskingKey, Opcode,
    Rsv,
};
pub use keepalive::{Expired, KeepAlive, Timeouts};
pub use mask::apply_mask;
pub use masking_keys::MaskingKeys;
#[cfg(feature = "alloc")]
pub use message::{Assembler, Message, Prepared};
pub use output::{Output, OutputFull, SliceOutput};
pub use uri::{Uri, UriError};
pub use utf8::{InvalidUtf8, Utf8Piece, Utf8Stream};
