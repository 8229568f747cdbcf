//! The client's side for a response that arrives in pieces.

use alloc::string::String;
use alloc::vec::Vec;
use core::{fmt, mem};

use super::error::HandshakeError;
use super::head::{DEFAULT_MAX_HEAD_LEN, HeadReader, HeaderStorage};
use super::offer::Offer;
use super::response::Response;
use crate::connection::{Config, Connection};
use crate::mask::MaskingKey;
use crate::masking_keys::MaskingKeys;
use crate::output::Output;

/// Interim responses (1xx) that are passed over.
const MAX_INTERIM: u8 = 8;

/// Writes a request and reads the response, which may arrive in pieces.
///
/// It limits the length of heads, passes over interim responses such as 103 Early Hints, and leaves
/// the bytes after the response in the input.
///
/// ```
/// use sansws::Config;
/// use sansws::handshake::HeaderStorage;
/// use sansws::handshake::client::{Connector, Offer};
///
/// # fn random_nonce() -> [u8; 16] { *b"the sample nonce" }
/// # fn random_masking_key() -> sansws::MaskingKey { [1, 2, 3, 4] }
/// let offer = Offer::new("server.example.com", "/chat").subprotocols(&["chat"]);
/// let mut out = Vec::new();
/// let mut connector =
///     Connector::new(&offer, &random_nonce(), &Config::default(), random_masking_key, &mut out)?;
/// // Send `out`, then read.
///
/// let mut bytes = *b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
///     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n\x81\x02hi";
/// let mut input = &mut bytes[..];
/// let connection = connector.receive(&mut input)?.expect("the whole response"); // `None`: read on
/// assert_eq!(input, b"\x81\x02hi"); // frames, for the connection
/// let mut storage = HeaderStorage::new();
/// assert_eq!(connector.response(&mut storage).unwrap().subprotocol(), Some("chat"));
/// # let _ = connection;
/// # Ok::<(), sansws::handshake::HandshakeError>(())
/// ```
#[derive(Clone)]
pub struct Connector<K = fn() -> MaskingKey> {
    nonce: [u8; 16],
    subprotocols: Vec<String>,
    extensions: Option<String>,
    config: Config,
    masking_keys: Option<K>,
    head: Vec<u8>,
    reader: HeadReader,
    max_head_len: usize,
    interim: u8,
    /// Whether `head` is that of the final response.
    is_final: bool,
    failure: Option<HandshakeError>,
}

impl Connector {
    /// Writes the request for `offer` to `out`, all of it or nothing.
    ///
    /// `nonce` must be fresh and random for every handshake, and the keys of `masking_keys` must be
    /// unpredictable: use a cryptographically secure generator for both. `config` is that of the
    /// connection. Nothing of the offer is borrowed.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Argument`] if something in the offer cannot be written,
    /// [`HandshakeError::OutputFull`].
    pub fn new(
        offer: &Offer<'_>,
        nonce: &[u8; 16],
        config: &Config,
        masking_keys: fn() -> MaskingKey,
        out: &mut (impl Output + ?Sized),
    ) -> Result<Self, HandshakeError> {
        Self::with_masking_keys(offer, nonce, config, masking_keys, out)
    }
}

impl<K: MaskingKeys> Connector<K> {
    /// As [`new`](Connector::new), with any source of masking-keys.
    ///
    /// # Errors
    ///
    /// As [`new`](Connector::new).
    pub fn with_masking_keys(
        offer: &Offer<'_>,
        nonce: &[u8; 16],
        config: &Config,
        masking_keys: K,
        out: &mut (impl Output + ?Sized),
    ) -> Result<Self, HandshakeError> {
        offer.write(nonce, out)?;
        Ok(Self {
            nonce: *nonce,
            subprotocols: offer.subprotocols.iter().map(|name| String::from(*name)).collect(),
            extensions: offer.extensions.map(String::from),
            config: *config,
            masking_keys: Some(masking_keys),
            head: Vec::new(),
            reader: HeadReader::new(DEFAULT_MAX_HEAD_LEN),
            max_head_len: DEFAULT_MAX_HEAD_LEN,
            interim: 0,
            is_final: false,
            failure: None,
        })
    }

    /// Sets the longest head of a response in bytes; the default is [`DEFAULT_MAX_HEAD_LEN`]. Call
    /// it before the first byte is received.
    #[must_use]
    pub fn max_head_len(mut self, max_len: usize) -> Self {
        self.max_head_len = max_len;
        self.reader = HeadReader::new(max_len);
        self
    }

    /// Takes the bytes of the response off `input`. Returns the connection once the response is
    /// complete and accepts the offer; the bytes left in `input` are frames then. Returns `None` if
    /// it needs more: all of `input` was taken.
    ///
    /// After it returned the connection, it leaves `input` alone and returns `None`.
    ///
    /// # Errors
    ///
    /// - [`HandshakeError::Status`] if the status is not 101: [`response`](Self::response) has the
    ///   head, and `input` holds what came of its content.
    /// - [`HandshakeError::HeadTooLong`], [`HandshakeError::StartLineTooLong`],
    ///   [`HandshakeError::TooManyHeaders`] (more than 64), or [`HandshakeError::TooManyInterim`]
    ///   (more than 8 interim responses).
    /// - Those of [`Response::parse`] and [`Response::accept`].
    ///
    /// Close the transport. Later calls return the same error and leave `input` alone.
    pub fn receive(&mut self, input: &mut &mut [u8]) -> Result<Option<Connection<K>>, HandshakeError> {
        if let Some(error) = self.failure {
            return Err(error);
        }
        let result = self.read(input);
        if let Err(error) = result {
            self.failure = Some(error);
            self.masking_keys = None;
            if !self.is_final {
                self.head = Vec::new();
            }
        }
        result
    }

    fn read(&mut self, input: &mut &mut [u8]) -> Result<Option<Connection<K>>, HandshakeError> {
        loop {
            if self.is_final {
                return Ok(None);
            }
            let before = self.head.len();
            // No more than the longest head is kept: the reader refuses a head that does not end
            // within it.
            let len = input.len().min(self.max_head_len.saturating_sub(before));
            self.head.extend_from_slice(&input[..len]);
            let Some(end) = self.reader.find_end(&self.head)? else {
                *input = &mut [];
                return Ok(None);
            };
            // What came after the head stays with the caller.
            self.head.truncate(end);
            *input = &mut mem::take(input)[end.saturating_sub(before)..];

            let mut storage = HeaderStorage::new();
            let (response, _) =
                Response::parse(&self.head, &mut storage)?.ok_or(HandshakeError::MalformedHead)?;
            if !response.is_interim() {
                self.is_final = true;
                let subprotocols: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
                let offer =
                    Offer::new("", "").subprotocols(&subprotocols).extensions(self.extensions.as_deref());
                let config = response.check(&offer, &self.nonce, &self.config)?;
                return Ok(self
                    .masking_keys
                    .take()
                    .map(|keys| Connection::with_masking_keys(&config, Some(keys))));
            }
            // RFC 9110 §15.2: "A client MUST be able to parse one or more 1xx responses received
            // prior to a final response, even if the client does not expect one."
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(HandshakeError::TooManyInterim);
            }
            self.head.clear();
            self.reader = HeadReader::new(self.max_head_len);
        }
    }
}

impl<K> Connector<K> {
    /// Returns the final response, once its head is complete: which subprotocol was chosen, or why
    /// the server refused.
    ///
    /// `None` before that, and if the head is not a valid one.
    #[must_use]
    pub fn response<'h, 'b, const N: usize>(
        &'b self,
        storage: &'h mut HeaderStorage<'b, N>,
    ) -> Option<Response<'h, 'b>> {
        if !self.is_final {
            return None;
        }
        Response::parse(&self.head, storage).ok().flatten().map(|(response, _)| response)
    }
}

/// Debug output ends up in logs: nothing of the request is in it, which may have credentials.
impl<K> fmt::Debug for Connector<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("head_len", &self.head.len())
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}
