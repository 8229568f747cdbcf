//! The limits of a connection, and what an extension may use.

/// Limits on what the peer may send, RFC 6455
/// [§10.4](https://datatracker.ietf.org/doc/html/rfc6455#section-10.4), and what an extension may
/// use.
///
/// The limits are checked when the header of a frame arrives, before its payload. The connection
/// itself buffers no payload: the limits protect the code that collects messages. To stream
/// messages of any length, set them to their maximum.
///
/// ```
/// let config = sansws::Config::new().max_message_len(64 * 1024);
/// assert_eq!(config.max_frame_len, 16 << 20);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Longest payload of one data frame, in bytes. Default 16 MiB.
    pub max_frame_len: u64,
    /// Longest payload of one message, over all its fragments, in bytes (of a compressed one on the
    /// wire, and by `deflate::Compression` inflated). Default 16 MiB.
    pub max_message_len: u64,
    /// Most fragments in one message, empty ones included; 0 means 1. Default 131 072: 8 MiB in
    /// fragments of 64 bytes.
    pub max_fragments: u32,
    /// Whether an extension gives RSV1 on the first frame of a message the meaning "compressed"
    /// (RFC 7692 §6). Such messages arrive as [`Event::Compressed`](crate::Event::Compressed). The
    /// opening handshake resets it unless permessage-deflate was agreed on. Default `false`.
    pub compression: bool,
}

impl Config {
    /// Returns the defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            max_frame_len: 16 << 20,
            max_message_len: 16 << 20,
            max_fragments: 128 << 10,
            compression: false,
        }
    }

    /// Sets [`max_frame_len`](Self::max_frame_len).
    #[must_use]
    pub const fn max_frame_len(mut self, bytes: u64) -> Self {
        self.max_frame_len = bytes;
        self
    }

    /// Sets [`max_message_len`](Self::max_message_len).
    #[must_use]
    pub const fn max_message_len(mut self, bytes: u64) -> Self {
        self.max_message_len = bytes;
        self
    }

    /// Sets [`max_fragments`](Self::max_fragments).
    #[must_use]
    pub const fn max_fragments(mut self, count: u32) -> Self {
        self.max_fragments = count;
        self
    }

    /// Sets [`compression`](Self::compression).
    #[must_use]
    pub const fn compression(mut self, allowed: bool) -> Self {
        self.compression = allowed;
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
