use crate::frame::Opcode;

/// Which end of the connection this is (RFC 6455 §1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Dialled, and masks every frame it sends.
    Client,
    /// Accepted, and masks none.
    Server,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// UTF-8.
    Text,
    /// Octets that mean whatever the application says.
    Binary,
}

impl MessageKind {
    pub(crate) const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// Limits on what the peer may send, RFC 6455 [§10.4](https://datatracker.ietf.org/doc/html/rfc6455#section-10.4), and
/// what an extension may use.
///
/// The limits are checked against the header of a frame, before any of its payload. The connection itself buffers no
/// payload: they protect whoever collects messages. To stream messages of any length, set them to their maximum.
///
/// ```
/// let config = sansws::Config { max_message_len: 64 * 1024, ..Default::default() };
/// assert_eq!(config.max_frame_len, 16 << 20);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Longest payload of one data frame, in bytes. Default 16 MiB.
    pub max_frame_len: u64,
    /// Longest payload of one message, over all its fragments, in bytes (on the wire, if it is compressed). Default 16 MiB.
    pub max_message_len: u64,
    /// Most fragments in one message, empty ones too; 0 means 1. Default 131 072: 8 MiB in fragments of 64 bytes.
    pub max_fragments: u32,
    /// Whether an extension gives RSV1 on the first frame of a message the meaning "compressed" (RFC 7692 §6).
    /// Such messages come as [`Event::Compressed`](crate::Event::Compressed). The opening handshake takes it back if no extension was
    /// agreed on; whoever makes a [`Connection`](crate::Connection) without it has to know. Default `false`.
    pub compression: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_frame_len: 16 << 20,
            max_message_len: 16 << 20,
            max_fragments: 128 << 10,
            compression: false,
        }
    }
}
