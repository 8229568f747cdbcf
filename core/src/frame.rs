//! Frame headers, RFC 6455 [§5.2](https://datatracker.ietf.org/doc/html/rfc6455#section-5.2).

use core::fmt;
use core::ops::BitOr;

use crate::error::ProtocolError;
use crate::mask::MaskingKey;

/// The largest payload length that a header can state: 2⁶³ − 1 ("the most significant bit MUST be
/// 0", §5.2).
pub const MAX_PAYLOAD_LEN: u64 = u64::MAX >> 1;

/// The largest payload of a control frame, in bytes (§5.5).
pub const MAX_CONTROL_LEN: usize = 125;

/// The longest control frame, in bytes: header, masking-key and payload. A server's is four bytes
/// shorter.
pub const MAX_CONTROL_FRAME_LEN: usize = 2 + 4 + MAX_CONTROL_LEN;

/// The header of one frame, RFC 6455
/// [§5.2](https://datatracker.ietf.org/doc/html/rfc6455#section-5.2).
///
/// [`decode`](Self::decode) reads one from bytes, [`encode`](Self::encode) writes one. Both reject
/// what the RFC forbids, so that each accepts what the other returns.
///
/// ```
/// use sansws::{FrameHeader, Opcode};
///
/// // The masked "Hello" of §5.7, without its payload.
/// let bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d];
/// let (header, len) = FrameHeader::decode(&bytes)?.expect("a whole header");
/// assert_eq!(len, 6);
/// assert_eq!(header.opcode, Opcode::Text);
/// assert_eq!(header.payload_len, 5);
/// assert_eq!(header.encode()?.as_bytes(), bytes);
/// # Ok::<(), sansws::ProtocolError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether this is the final fragment of a message.
    pub fin: bool,
    /// The reserved bits; all zero unless an extension was negotiated.
    pub rsv: Rsv,
    /// The type of the frame.
    pub opcode: Opcode,
    /// The key the payload is masked with: present exactly in frames from a client.
    pub masking_key: Option<MaskingKey>,
    /// Length of the payload in bytes, at most [`MAX_PAYLOAD_LEN`]; at most 125 in a control frame.
    pub payload_len: u64,
}

impl FrameHeader {
    /// The length of the longest header, in bytes: two, eight of extended payload length, four of
    /// masking-key.
    pub const MAX_LEN: usize = 14;

    /// Reads the header at the start of `bytes`, which may contain more than the header, or less.
    ///
    /// Returns the header and its length in bytes (2 to 14), or `None` if more bytes are needed. A
    /// reserved opcode and a wrong control frame are refused by their first or second byte, a wrong
    /// length once all of it is there.
    ///
    /// # Errors
    ///
    /// The errors of §5.2 and §5.5 that a header shows by itself: a reserved opcode, a fragmented
    /// or overlong control frame, a payload length that is not minimal or has its top bit set.
    /// Reserved bits and the presence of a mask depend on the connection, which checks them.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let (Some(&b0), b1) = (bytes.first(), bytes.get(1)) else {
            return Ok(None);
        };
        let opcode = Opcode::from_bits(b0 & 0x0f).ok_or(ProtocolError::ReservedOpcode)?;
        let fin = b0 & 0x80 != 0;
        // §5.5: "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be
        // fragmented."
        if opcode.is_control() && !fin {
            return Err(ProtocolError::ControlFragmented);
        }
        let Some(&b1) = b1 else { return Ok(None) };
        let short_len = b1 & 0x7f;
        if opcode.is_control() && usize::from(short_len) > MAX_CONTROL_LEN {
            return Err(ProtocolError::ControlTooLong);
        }

        let (payload_len, len_end) = match short_len {
            126 => {
                let Some(field) = array_at::<2>(bytes, 2) else {
                    return Ok(None);
                };
                (u64::from(u16::from_be_bytes(field)), 4)
            }
            127 => {
                let Some(field) = array_at::<8>(bytes, 2) else {
                    return Ok(None);
                };
                (u64::from_be_bytes(field), 10)
            }
            short => (u64::from(short), 2),
        };
        // §5.2: "the minimal number of bytes MUST be used to encode the length".
        if (short_len == 126 && payload_len < 126) || (short_len == 127 && payload_len <= 0xffff) {
            return Err(ProtocolError::LengthNotMinimal);
        }
        // §5.2: "(the most significant bit MUST be 0)".
        if payload_len > MAX_PAYLOAD_LEN {
            return Err(ProtocolError::LengthTooLarge);
        }

        let (masking_key, len) = if b1 & 0x80 != 0 {
            let Some(key) = array_at::<4>(bytes, len_end) else {
                return Ok(None);
            };
            (Some(key), len_end + 4)
        } else {
            (None, len_end)
        };
        Ok(Some((Self { fin, rsv: Rsv::from_first_byte(b0), opcode, masking_key, payload_len }, len)))
    }

    /// Writes the header, in the one form that §5.2 allows.
    ///
    /// # Errors
    ///
    /// The same as [`decode`](Self::decode) would give for the bytes: a control frame that is
    /// fragmented or longer than 125 bytes, a payload longer than [`MAX_PAYLOAD_LEN`].
    pub fn encode(&self) -> Result<EncodedHeader, ProtocolError> {
        if self.opcode.is_control() {
            if !self.fin {
                return Err(ProtocolError::ControlFragmented);
            }
            if self.payload_len > MAX_CONTROL_LEN as u64 {
                return Err(ProtocolError::ControlTooLong);
            }
        }
        if self.payload_len > MAX_PAYLOAD_LEN {
            return Err(ProtocolError::LengthTooLarge);
        }
        Ok(self.encode_unchecked())
    }

    /// The length in bytes of the header of a frame with so long a payload.
    #[inline]
    pub(crate) const fn encoded_len(payload_len: u64, is_masked: bool) -> usize {
        let len = match payload_len {
            0..=125 => 2,
            126..=0xffff => 4,
            _ => 10,
        };
        if is_masked { len + 4 } else { len }
    }

    /// The first byte of a header: FIN, RSV1 to RSV3 and the opcode.
    #[inline]
    pub(crate) const fn first_byte(fin: bool, rsv: Rsv, opcode: Opcode) -> u8 {
        (if fin { 0x80 } else { 0 }) | rsv.0 | opcode as u8
    }

    /// [`encode`](Self::encode) for a header that is known to be legal.
    #[inline]
    pub(crate) fn encode_unchecked(&self) -> EncodedHeader {
        // Composed as a number, first byte lowest, and stored as a whole: to copy what was stored
        // byte by byte costs more than all else here.
        let (len, length) = match self.payload_len {
            0..=125 => (2, u128::from(self.payload_len)),
            126..=0xffff => (4, 126 | u128::from((self.payload_len as u16).swap_bytes()) << 8),
            _ => (10, 127 | u128::from(self.payload_len.swap_bytes()) << 8),
        };
        let mut header = u128::from(Self::first_byte(self.fin, self.rsv, self.opcode)) | length << 8;
        let mut header_len = len;
        if let Some(key) = self.masking_key {
            header |= 0x80 << 8 | u128::from(u32::from_le_bytes(key)) << (8 * len);
            header_len += 4;
        }
        EncodedHeader { bytes: header.to_le_bytes(), len: header_len, masking_key: self.masking_key }
    }
}

/// A header as it goes on the wire: 2 to 14 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodedHeader {
    bytes: [u8; 16],
    len: u8,
    masking_key: Option<MaskingKey>,
}

impl EncodedHeader {
    /// Returns the bytes of the header.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Returns the key with which the payload has to be masked (by
    /// [`apply_mask`](crate::apply_mask)) before it follows, if any.
    #[must_use]
    pub const fn masking_key(&self) -> Option<MaskingKey> {
        self.masking_key
    }
}

impl AsRef<[u8]> for EncodedHeader {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// The type of a frame, RFC 6455 §5.2 and §11.8. The other ten values are reserved and rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of the message that an earlier frame began.
    Continuation = 0x0,
    /// The first or only fragment of a text message (UTF-8).
    Text = 0x1,
    /// The first or only fragment of a binary message.
    Binary = 0x2,
    /// Begins or answers the closing handshake.
    Close = 0x8,
    /// Requests a Pong with the same payload.
    Ping = 0x9,
    /// Answers a Ping, or is sent unsolicited as a heartbeat.
    Pong = 0xa,
}

impl Opcode {
    /// Returns the opcode with this value, 0 to 15; `None` if it is reserved.
    #[must_use]
    #[inline]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xa => Some(Self::Pong),
            _ => None,
        }
    }

    /// Returns whether this is a control opcode: its top bit is set (§5.5).
    #[must_use]
    #[inline]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// The three reserved bits of a frame, RFC 6455 §5.2: zero, unless an extension gives them a
/// meaning.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rsv(u8);

impl Rsv {
    /// No bit set.
    pub const NONE: Self = Self(0);
    /// The bit by which permessage-deflate marks a compressed message (RFC 7692 §6).
    pub const RSV1: Self = Self(0x40);
    /// The second reserved bit.
    pub const RSV2: Self = Self(0x20);
    /// The third reserved bit.
    pub const RSV3: Self = Self(0x10);

    #[inline]
    pub(crate) const fn from_first_byte(byte: u8) -> Self {
        Self(byte & 0x70)
    }

    /// Returns whether every bit of `other` is set here too.
    #[must_use]
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns whether no bit is set.
    #[must_use]
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Rsv {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Rsv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bit = |rsv| u8::from(self.contains(rsv));
        write!(f, "Rsv({}{}{})", bit(Self::RSV1), bit(Self::RSV2), bit(Self::RSV3))
    }
}

pub(crate) fn array_at<const N: usize>(bytes: &[u8], start: usize) -> Option<[u8; N]> {
    bytes.get(start..)?.first_chunk::<N>().copied()
}
