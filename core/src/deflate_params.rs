//! What two ends agree on about compression.

/// The parameters of permessage-deflate, RFC 7692
/// [§7.1](https://datatracker.ietf.org/doc/html/rfc7692#section-7.1): what a client offers, what a
/// server wants, and what they agreed on.
///
/// A window of n bits means that a compressed message refers to the 2ⁿ bytes before it: 256 bytes
/// with 8 bits, 32 KiB with 15, which holds where no number is given. With *context takeover* these
/// may be bytes of earlier messages, which both ends have to keep.
///
/// ```
/// use sansws::handshake::{DeflateParams, Extensions};
///
/// let wanted = DeflateParams::new().server_max_window_bits(12).client_max_window_bits(12);
/// let offers = Extensions::parse("permessage-deflate; client_max_window_bits")?;
/// let agreed = wanted.answer(offers).expect("an offer that can be accepted");
/// assert_eq!(
///     agreed.to_response().as_str(),
///     "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
/// );
/// # Ok::<(), sansws::handshake::HandshakeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct DeflateParams {
    /// Whether each message of the server is compressed by itself.
    pub server_no_context_takeover: bool,
    /// Whether each message of the client is compressed by itself.
    pub client_no_context_takeover: bool,
    /// The most that the server's window may have, 8 to 15 bits.
    pub server_max_window_bits: Option<u8>,
    /// The most that the client's window may have, 8 to 15 bits. In an offer 15 says that the
    /// client obeys what the server answers, and is written without a number.
    pub client_max_window_bits: Option<u8>,
}

/// The least window of a compressor: zlib has none with 8 bits.
pub(crate) const LEAST_BITS: u8 = 9;
pub(crate) const MOST_BITS: u8 = 15;

impl DeflateParams {
    /// Creates the parameters that restrict nothing: context takeover, and 15 bits both ways.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: None,
            client_max_window_bits: None,
        }
    }

    /// Sets [`server_no_context_takeover`](Self::server_no_context_takeover).
    #[must_use]
    pub const fn server_no_context_takeover(mut self, set: bool) -> Self {
        self.server_no_context_takeover = set;
        self
    }

    /// Sets [`client_no_context_takeover`](Self::client_no_context_takeover).
    #[must_use]
    pub const fn client_no_context_takeover(mut self, set: bool) -> Self {
        self.client_no_context_takeover = set;
        self
    }

    /// Sets [`server_max_window_bits`](Self::server_max_window_bits), to 9 at least and 15 at most.
    #[must_use]
    pub const fn server_max_window_bits(mut self, bits: u8) -> Self {
        self.server_max_window_bits = Some(in_range(bits));
        self
    }

    /// Sets [`client_max_window_bits`](Self::client_max_window_bits), to 9 at least and 15 at most.
    #[must_use]
    pub const fn client_max_window_bits(mut self, bits: u8) -> Self {
        self.client_max_window_bits = Some(in_range(bits));
        self
    }
}

const fn in_range(bits: u8) -> u8 {
    match bits {
        ..LEAST_BITS => LEAST_BITS,
        MOST_BITS.. => MOST_BITS,
        bits => bits,
    }
}
