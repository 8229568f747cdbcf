//! A server's response as a client reads it, RFC 6455 §4.1 and RFC 8441 §5.

use super::deflate;
use super::error::{Fault, Field, HandshakeError};
use super::extensions::Extensions;
use super::head::{HeadReader, HeaderStorage, Headers, minor_version, split_start_line};
use super::key::{accept_value, key_value};
use super::offer::Offer;
use super::syntax::{is_field_value, trim};
use crate::connection::{Config, Connection};
use crate::mask::MaskingKey;
use crate::masking_keys::MaskingKeys;

/// The head of a response, borrowed from the bytes that arrived or from an HTTP library.
#[derive(Debug, Clone, Copy)]
pub struct Response<'h, 'b> {
    /// `None`: the answer to an extended CONNECT.
    minor_version: Option<u8>,
    status: u16,
    reason: &'b str,
    headers: Headers<'h, 'b>,
}

impl<'h, 'b> Response<'h, 'b> {
    /// Reads the head of an HTTP/1 response.
    ///
    /// Returns the response and the length of its head including the empty line, or `None` if the
    /// head is incomplete. Check [`is_interim`](Self::is_interim) first: an interim response
    /// precedes the one that counts. After [`accept`](Self::accept) succeeds, the bytes that follow
    /// the head are frames; after any other final response they are its content.
    ///
    /// The length of the head is not limited here, and each call starts from the beginning: while
    /// bytes are still arriving, ask a [`HeadReader`] first. [`Connector`](super::client) does all
    /// of this.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::MalformedHead`], [`HandshakeError::HttpVersion`] for HTTP/2 and others,
    /// and [`HandshakeError::TooManyHeaders`] if there are more than `N`.
    pub fn parse<const N: usize>(
        input: &'b [u8],
        storage: &'h mut HeaderStorage<'b, N>,
    ) -> Result<Option<(Self, usize)>, HandshakeError> {
        let Some(used) = HeadReader::new(usize::MAX).find_end(input)? else { return Ok(None) };
        let (line, lines) = split_start_line(&input[..used]).ok_or(HandshakeError::MalformedHead)?;
        // RFC 9112 §4: `status-line = HTTP-version SP status-code SP [ reason-phrase ]`. Some
        // servers leave out the second blank together with the phrase.
        let mut words = line.splitn(3, |&b| b == b' ');
        let (Some(version), Some(status)) = (words.next(), words.next()) else {
            return Err(HandshakeError::MalformedHead);
        };
        let minor_version = minor_version(version)?;
        let status = match status {
            &[a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
                [a, b, c].iter().fold(0, |status, &digit| status * 10 + u16::from(digit - b'0'))
            }
            _ => return Err(HandshakeError::MalformedHead),
        };
        let reason = words.next().unwrap_or(b"");
        if !is_field_value(reason) {
            return Err(HandshakeError::MalformedHead);
        }
        // RFC 9112 §4: "A client SHOULD ignore the reason-phrase content".
        let reason = core::str::from_utf8(reason).unwrap_or("");
        let headers = storage.parse(lines)?;
        Ok(Some((Self { minor_version: Some(minor_version), status, reason, headers }, used)))
    }

    /// Takes the head of an HTTP/1 response that an HTTP library parsed. `minor_version` is 1 for
    /// HTTP/1.1.
    ///
    /// # Errors
    ///
    /// [`HandshakeError::MalformedHead`] if these cannot be headers, and
    /// [`HandshakeError::TooManyHeaders`] if there are more than `N`.
    pub fn from_parts<const N: usize>(
        status: u16,
        minor_version: u8,
        headers: impl IntoIterator<Item = (&'b str, &'b [u8])>,
        storage: &'h mut HeaderStorage<'b, N>,
    ) -> Result<Self, HandshakeError> {
        let headers = storage.store(headers)?;
        Ok(Self { minor_version: Some(minor_version), status, reason: "", headers })
    }

    /// Takes the response to an extended CONNECT request of HTTP/2 or HTTP/3
    /// ([RFC 8441](https://datatracker.ietf.org/doc/html/rfc8441)).
    ///
    /// [`accept`](Self::accept) then takes every status 2xx, and neither Upgrade nor Connection nor
    /// Sec-WebSocket-Accept is required.
    ///
    /// # Errors
    ///
    /// As [`from_parts`](Self::from_parts).
    pub fn from_extended_connect<const N: usize>(
        status: u16,
        headers: impl IntoIterator<Item = (&'b str, &'b [u8])>,
        storage: &'h mut HeaderStorage<'b, N>,
    ) -> Result<Self, HandshakeError> {
        Ok(Self { minor_version: None, status, reason: "", headers: storage.store(headers)? })
    }

    /// Returns the status: 101, or what the server answers instead.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Returns the reason phrase after the status. It may be empty.
    #[must_use]
    pub const fn reason(&self) -> &'b str {
        self.reason
    }

    /// Returns whether the final response is still to come: the status is 1xx but not 101, such as
    /// 103 Early Hints. Call [`parse`](Self::parse) again with the bytes after this head.
    #[must_use]
    pub const fn is_interim(&self) -> bool {
        self.status >= 100 && self.status < 200 && self.status != 101
    }

    /// Returns the first value of the header with this name that is UTF-8.
    /// [`headers`](Self::headers) has all values.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'b str> {
        self.headers.text(name)
    }

    /// Returns all headers.
    #[must_use]
    pub const fn headers(&self) -> Headers<'h, 'b> {
        self.headers
    }

    /// Returns how many bytes of content follow the head of a response that is not a 101. `None` if
    /// Content-Length is missing, repeated or malformed.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.headers.content_length().ok()
    }

    /// Returns the subprotocol that the server chose. A Sec-WebSocket-Protocol without a value
    /// chooses none.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&'b str> {
        self.header(Field::Subprotocol.name()).filter(|name| !name.is_empty())
    }

    /// Returns the extensions that the server chose.
    #[must_use]
    pub fn extensions(&self) -> Extensions<'h, 'b> {
        Extensions::in_head(&self.headers)
    }

    /// Checks the response as §4.1 requires, and ends the opening handshake.
    ///
    /// `offer` and `nonce` are those of the request; the answer to an extended CONNECT does not
    /// depend on the nonce. `masking_keys` is called for every frame that is sent. Its keys must be
    /// unpredictable (§5.3): use a cryptographically secure generator. A server may choose no
    /// subprotocol: see [`subprotocol`](Self::subprotocol).
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Status`] if it is not a 101, otherwise [`HandshakeError::Response`] with
    /// the header that is wrong. Close the transport.
    pub fn accept(
        &self,
        offer: &Offer<'_>,
        nonce: &[u8; 16],
        config: &Config,
        masking_keys: fn() -> MaskingKey,
    ) -> Result<Connection, HandshakeError> {
        self.accept_with_masking_keys(offer, nonce, config, masking_keys)
    }

    /// As [`accept`](Self::accept), with any source of masking-keys.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn accept_with_masking_keys<K: MaskingKeys>(
        &self,
        offer: &Offer<'_>,
        nonce: &[u8; 16],
        config: &Config,
        masking_keys: K,
    ) -> Result<Connection<K>, HandshakeError> {
        let config = self.check(offer, nonce, config)?;
        Ok(Connection::with_masking_keys(&config, Some(masking_keys)))
    }

    /// Returns the configuration with what was agreed on.
    pub(super) fn check(
        &self,
        offer: &Offer<'_>,
        nonce: &[u8; 16],
        config: &Config,
    ) -> Result<Config, HandshakeError> {
        match self.minor_version {
            Some(minor_version) => self.check_http1(minor_version, nonce)?,
            // RFC 8441 §5: "the 2xx (Successful) status code" takes the place of 101.
            None if !(200..=299).contains(&self.status) => return Err(HandshakeError::Status(self.status)),
            None => {}
        }
        let compression = self
            .check_extensions(offer)
            .map_err(|fault| HandshakeError::Response(Field::Extensions, fault))?;
        self.check_subprotocol(offer).map_err(|fault| HandshakeError::Response(Field::Subprotocol, fault))?;
        // §5.2: RSV1 "MUST be 0 unless an extension is negotiated that defines meanings for
        // non-zero values".
        Ok(Config { compression: config.compression && compression, ..*config })
    }

    /// Checks what a response has in HTTP/1.1 only.
    fn check_http1(&self, minor_version: u8, nonce: &[u8; 16]) -> Result<(), HandshakeError> {
        // §4.1 (1): "If the status code received from the server is not 101, the client handles the
        // response per HTTP procedures."
        if self.status != 101 {
            return Err(HandshakeError::Status(self.status));
        }
        // An HTTP/1.0 server has no 101.
        if minor_version == 0 {
            return Err(HandshakeError::HttpVersion);
        }
        // (2) "If the response lacks an |Upgrade| header field or the |Upgrade| header field
        // contains a value that is not an ASCII case-insensitive match for the value "websocket",
        // the client MUST _Fail the WebSocket Connection_."
        if !self.only(Field::Upgrade)?.eq_ignore_ascii_case(b"websocket") {
            return Err(HandshakeError::Response(Field::Upgrade, Fault::Invalid));
        }
        // (3) "... or the |Connection| header field doesn't contain a token that is an ASCII
        // case-insensitive match for the value "Upgrade" ..."
        self.headers
            .check_token(Field::Connection, "Upgrade")
            .map_err(|fault| HandshakeError::Response(Field::Connection, fault))?;
        // (4) Sec-WebSocket-Accept, "ignoring any leading and trailing whitespace". §11.3.3: it
        // "MUST NOT appear more than once".
        if trim(self.only(Field::Accept)?) != accept_value(&key_value(nonce)) {
            return Err(HandshakeError::Response(Field::Accept, Fault::Invalid));
        }
        Ok(())
    }

    fn only(&self, field: Field) -> Result<&'b [u8], HandshakeError> {
        self.headers.only(field.name()).map_err(|fault| HandshakeError::Response(field, fault))
    }

    /// (5) "... this header field indicates the use of an extension that was not present in the
    /// client's handshake ..." Returns whether compression was agreed on.
    fn check_extensions(&self, offer: &Offer<'_>) -> Result<bool, Fault> {
        // §11.3.2: in a response it "MUST NOT appear more than once".
        match self.headers.only(Field::Extensions.name()) {
            Ok(_) => {}
            Err(Fault::Missing) => return Ok(false),
            Err(fault) => return Err(fault),
        }
        self.extensions().check()?;
        let offered = Extensions::in_value(offer.extensions.unwrap_or(""));
        let is_offered = |name| offered.clone().any(|offer| offer.name == name);
        if !self.extensions().all(|extension| is_offered(extension.name)) {
            return Err(Fault::NotOffered);
        }
        deflate::is_agreed(self.extensions(), offered)
    }

    /// (6) "... this header field indicates the use of a subprotocol that was not present in the
    /// client's handshake ..." A header without a value, which some servers send although they must
    /// not (§4.2.2), indicates the use of none.
    fn check_subprotocol(&self, offer: &Offer<'_>) -> Result<(), Fault> {
        // §11.3.4: in a response it "MUST NOT appear more than once".
        match self.headers.only(Field::Subprotocol.name()) {
            Ok([]) => Ok(()),
            Ok(chosen) if offer.subprotocols.iter().any(|offered| offered.as_bytes() == chosen) => Ok(()),
            Ok(_) => Err(Fault::NotOffered),
            Err(Fault::Missing) => Ok(()),
            Err(fault) => Err(fault),
        }
    }
}
