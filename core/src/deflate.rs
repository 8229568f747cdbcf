//! Compressed messages, RFC 7692 [§7.2](https://datatracker.ietf.org/doc/html/rfc7692#section-7.2).
//!
//! Both ends agree on permessage-deflate in the opening handshake
//! ([`DeflateParams`]). After it each connection has a
//! [`Compression`], which keeps only the last bytes sent and received, and only with context
//! takeover: with windows of 12 bits, 4 KiB in each direction. Compressors and decompressors are in
//! a [`DeflatePool`], one for all connections of a thread.
//!
//! ```
//! use sansws::deflate::{Compression, DeflatePool};
//! use sansws::handshake::DeflateParams;
//! use sansws::{Assembler, Config, Connection, Event, Message, Role};
//!
//! let agreed = DeflateParams::new().server_max_window_bits(12).client_max_window_bits(12);
//! let config = Config::new().compression(true);
//! let mut pool = DeflatePool::new();
//!
//! let mut client = Connection::client(&config, || [1, 2, 3, 4]);
//! let mut compression = Compression::new(Role::Client, &agreed, &config);
//! let mut wire = Vec::new();
//! let text = "compressible, ".repeat(100);
//! compression.send(&mut client, Message::Text(&text), &mut pool, &mut wire)?;
//! assert!(wire.len() < 60);
//!
//! let mut server = Connection::server(&config);
//! let mut compression = Compression::new(Role::Server, &agreed, &config);
//! let mut messages = Assembler::new();
//! let mut input = &mut wire[..];
//! while let Some(event) = server.receive(&mut input) {
//!     let message = match event {
//!         Event::Compressed(chunk) => messages.compressed(chunk, &mut compression, &mut pool),
//!         event => messages.push(event),
//!     };
//!     match message {
//!         Ok(Some(message)) => assert_eq!(message, Message::Text(&text)),
//!         Ok(None) => {}
//!         Err(error) => { server.fail(error); }
//!     }
//! }
//! # assert_eq!(server.failure(), None);
//! # Ok::<(), sansws::SendError>(())
//! ```

mod inflating;
mod pool;
mod sent;
mod window;

use crate::connection::{CompressedChunk, Config, Connection, Role};
use crate::deflate_params::DeflateParams;
use crate::error::SendError;
use crate::masking_keys::MaskingKeys;
use crate::message::Message;
use crate::output::Output;

pub(crate) use self::inflating::Received;
pub use self::inflating::{InflatedChunk, Inflating};
pub use self::pool::DeflatePool;
use self::pool::TAIL;
use self::sent::Sent;

/// Shorter messages, in bytes, are sent as they are: little can be saved.
pub const DEFAULT_THRESHOLD: usize = 64;

/// The state of one connection's compression.
///
/// It owns no memory before the first message, and without context takeover none between messages.
pub struct Compression {
    sent: Sent,
    pub(crate) received: Received,
    threshold: usize,
}

impl Compression {
    /// Creates the state of a connection whose opening handshake agreed on these parameters.
    ///
    /// [`max_message_len`](Config::max_message_len) limits the inflated length, too: a message
    /// fails at the first byte beyond it. The parameters have to be those that both ends know, see
    /// [`DeflateParams::answer`] and [`DeflateParams::agreed`].
    #[must_use]
    pub const fn new(role: Role, agreed: &DeflateParams, config: &Config) -> Self {
        let server = (agreed.server_max_window_bits, agreed.server_no_context_takeover);
        let client = (agreed.client_max_window_bits, agreed.client_no_context_takeover);
        let (sends, receives) = match role {
            Role::Server => (server, client),
            Role::Client => (client, server),
        };
        Self {
            sent: Sent::new(bits(sends.0), !sends.1),
            received: Received::new(bits(receives.0), !receives.1, config.max_message_len),
            threshold: DEFAULT_THRESHOLD,
        }
    }

    /// Sets the length in bytes below which messages are sent as they are;
    /// [`DEFAULT_THRESHOLD`] at first.
    #[must_use]
    pub const fn threshold(mut self, len: usize) -> Self {
        self.threshold = len;
        self
    }

    /// Sends a message in one frame: compressed, if that makes it shorter.
    ///
    /// A message that should not be compressed, such as one with a secret beside what an attacker
    /// chose, is sent by [`Connection::send`]: both may be used on one connection.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`]; nothing changed, and the next message can be compressed as before.
    /// An output without room costs the work all the same.
    pub fn send<K: MaskingKeys>(
        &mut self,
        connection: &mut Connection<K>,
        message: Message<'_>,
        pool: &mut DeflatePool,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        let payload = message.as_bytes();
        connection.check_new_message()?;
        if payload.len() < self.threshold || !self.sent.can_compress() || !connection.may_compress() {
            return connection.send(message, out);
        }
        let compressed = self.sent.compress(payload, pool);
        let compressed = &compressed[..compressed.len() - TAIL.len()];
        if compressed.len() >= payload.len() {
            return connection.send(message, out);
        }
        connection.send_compressed_fragment(message.kind(), compressed, true, out)?;
        self.sent.remember(payload, true);
        Ok(())
    }

    /// Sends a fragment of a compressed message: the first begins the message, `last` ends it.
    ///
    /// All fragments of the message have to be sent by this; whether it is compressed cannot change
    /// within it. Text has to be cut between characters.
    ///
    /// # Errors
    ///
    /// As [`Connection::send_compressed_fragment`]; nothing changed.
    /// [`NoExtension`](SendError::NoExtension) too if the window that was agreed on has 8 bits,
    /// which no compressor has.
    pub fn send_fragment<K: MaskingKeys>(
        &mut self,
        connection: &mut Connection<K>,
        fragment: Message<'_>,
        last: bool,
        pool: &mut DeflatePool,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        if !self.sent.can_compress() {
            return Err(SendError::NoExtension);
        }
        let payload = fragment.as_bytes();
        let compressed = self.sent.compress(payload, pool);
        let end = if last { compressed.len() - TAIL.len() } else { compressed.len() };
        connection.send_compressed_fragment(fragment.kind(), &compressed[..end], last, out)?;
        self.sent.remember(payload, last);
        Ok(())
    }

    /// Inflates a chunk that [`Connection::receive`] returned, piece by piece.
    ///
    /// All chunks of a connection have to be inflated, in their order, each to its end or first
    /// error; an error ends the connection. [`Assembler::compressed`](crate::Assembler::compressed)
    /// makes messages of them.
    pub fn inflate<'a>(
        &'a mut self,
        chunk: &'a CompressedChunk<'_>,
        pool: &'a mut DeflatePool,
    ) -> Inflating<'a> {
        Inflating::new(&mut self.received, chunk, pool)
    }

    /// Returns how many bytes of memory it owns just now: at most the two windows, and 11 KiB while
    /// a message is arriving.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.sent.memory() + self.received.memory()
    }
}

impl core::fmt::Debug for Compression {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Compression").field("memory", &self.memory()).finish_non_exhaustive()
    }
}

const fn bits(agreed: Option<u8>) -> u8 {
    match agreed {
        Some(..=8) => 8,
        Some(bits @ 9..=15) => bits,
        Some(16..) | None => 15,
    }
}
