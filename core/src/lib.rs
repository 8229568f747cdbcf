//! A sans-IO WebSocket engine (RFC 6455).

#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::alloc_instead_of_core, clippy::std_instead_of_alloc, clippy::std_instead_of_core)]
#![doc(test(attr(deny(warnings))))]

#[cfg(feature = "alloc")]
extern crate alloc;

mod close;
mod connection;
mod error;
mod frame;
pub mod handshake;
mod keepalive;
mod mask;
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
pub use frame::{EncodedHeader, FrameHeader, MAX_CONTROL_LEN, MAX_PAYLOAD_LEN, MaskingKey, Opcode, Rsv};
pub use keepalive::{Expired, KeepAlive, Timeouts};
pub use mask::apply_mask;
#[cfg(feature = "alloc")]
pub use message::{Assembler, Message, Prepared};
pub use output::{Output, OutputFull, SliceOutput};
pub use uri::{Uri, UriError};
pub use utf8::{InvalidUtf8, Utf8Piece, Utf8Stream};
