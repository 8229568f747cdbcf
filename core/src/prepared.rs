//! Messages that are encoded once for many receivers.

use alloc::vec::Vec;

use crate::connection::{Connection, Role};
use crate::error::SendError;
use crate::frame::{FrameHeader, Rsv};
use crate::masking_keys::MaskingKeys;
use crate::message::{Message, MessageKind};
use crate::output::Output;

/// A message encoded as a server sends it, for many receivers.
///
/// A server copies the frame as it is ([`Connection::send_prepared`]) or shares it between vectored
/// writes ([`frame`](Self::frame)). A client masks it for each connection.
///
/// ```
/// use sansws::{Config, Connection, Prepared};
///
/// let price = Prepared::text("42.17");
/// let (mut a, mut b) = (Connection::server(&Config::default()), Connection::server(&Config::default()));
/// let (mut to_a, mut to_b) = (Vec::new(), Vec::new());
/// a.send_prepared(&price, &mut to_a)?;
/// b.send_prepared(&price, &mut to_b)?;
/// assert_eq!(to_a, b"\x81\x0542.17");
/// assert_eq!(to_a, to_b);
/// # Ok::<(), sansws::SendError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    frame: Vec<u8>,
    kind: MessageKind,
    header_len: u8,
}

impl Prepared {
    /// Prepares a text message.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::new(Message::Text(text))
    }

    /// Prepares a binary message.
    #[must_use]
    pub fn binary(payload: &[u8]) -> Self {
        Self::new(Message::Binary(payload))
    }

    /// Prepares a message.
    #[must_use]
    pub fn new<'m>(message: impl Into<Message<'m>>) -> Self {
        let message = message.into();
        let payload = message.as_bytes();
        let header = FrameHeader {
            fin: true,
            rsv: Rsv::NONE,
            opcode: message.kind().opcode(),
            masking_key: None,
            payload_len: payload.len() as u64,
        }
        .encode_unchecked();
        let header = header.as_bytes();
        let mut frame = Vec::with_capacity(header.len() + payload.len());
        frame.extend_from_slice(header);
        frame.extend_from_slice(payload);
        Self { frame, kind: message.kind(), header_len: header.len() as u8 }
    }

    /// Returns the frame as a server sends it: header and payload.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// Returns the frame as a server sends it, to be shared.
    #[must_use]
    pub fn into_frame(self) -> Vec<u8> {
        self.frame
    }

    /// Returns the type of the message.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Returns the payload alone.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.frame[usize::from(self.header_len)..]
    }
}

impl<K: MaskingKeys> Connection<K> {
    /// Sends a message that was encoded once for many receivers.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    pub fn send_prepared(
        &mut self,
        prepared: &Prepared,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        if self.role() == Role::Client {
            return self.write_message(prepared.kind(), prepared.payload(), out);
        }
        self.check_new_message()?;
        out.reserve(prepared.frame().len())?;
        out.write_reserved(prepared.frame());
        Ok(())
    }
}
