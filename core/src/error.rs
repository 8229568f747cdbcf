//! What can go wrong on an open connection.

use core::fmt;

use crate::close::CloseCode;
use crate::output::OutputFull;

/// Why a connection failed (RFC 6455 §7.1.7): the peer broke the protocol or exceeded a limit of
/// this endpoint, or a layer above gave up.
///
/// A [`CloseCode`] converts into [`Application`](Self::Application).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A reserved bit is set that no negotiated extension gives a meaning to here.
    ReservedBits,
    /// The opcode is 3–7 or 11–15.
    ReservedOpcode,
    /// A client sent a frame that is not masked.
    MaskMissing,
    /// A server sent a frame that is masked.
    MaskUnexpected,
    /// The payload length is not in its shortest form.
    LengthNotMinimal,
    /// The payload length has its most significant bit set.
    LengthTooLarge,
    /// A control frame is fragmented.
    ControlFragmented,
    /// A control frame has more than 125 bytes of payload.
    ControlTooLong,
    /// A continuation frame without a message to continue.
    ContinuationUnexpected,
    /// A new message before the last one ended.
    ContinuationExpected,
    /// A text message is not UTF-8.
    InvalidUtf8,
    /// A Close frame with a payload of one byte.
    InvalidCloseLength,
    /// A Close frame with a status code that must not be on the wire.
    InvalidCloseCode,
    /// A Close frame whose reason is not UTF-8.
    InvalidCloseReason,
    /// A frame longer than [`Config::max_frame_len`](crate::Config::max_frame_len).
    FrameTooBig,
    /// A message longer than [`Config::max_message_len`](crate::Config::max_message_len).
    MessageTooBig,
    /// A message in more fragments than [`Config::max_fragments`](crate::Config::max_fragments).
    TooManyFragments,
    /// A compressed message that cannot be inflated (RFC 7692 §7.2.2).
    InvalidDeflate,
    /// A compressed message where nothing inflates it, such as in an
    /// [`Assembler`](crate::Assembler).
    CompressionUnsupported,
    /// There is no memory for the message.
    OutOfMemory,
    /// A layer above failed the connection with this status code.
    Application(CloseCode),
}

impl From<CloseCode> for ProtocolError {
    fn from(code: CloseCode) -> Self {
        Self::Application(code)
    }
}

impl ProtocolError {
    /// Returns the status code of the Close frame for this error (§7.4.1).
    ///
    /// The code of [`Application`](Self::Application) becomes 1011 if it [may not be
    /// sent](CloseCode::may_be_sent).
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Application(code) if code.may_be_sent() => code,
            Self::Application(_) | Self::CompressionUnsupported | Self::OutOfMemory => {
                CloseCode::INTERNAL_ERROR
            }
            Self::InvalidUtf8 | Self::InvalidCloseReason | Self::InvalidDeflate => CloseCode::INVALID_PAYLOAD,
            Self::FrameTooBig | Self::MessageTooBig => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyFragments => CloseCode::POLICY_VIOLATION,
            Self::ReservedBits
            | Self::ReservedOpcode
            | Self::MaskMissing
            | Self::MaskUnexpected
            | Self::LengthNotMinimal
            | Self::LengthTooLarge
            | Self::ControlFragmented
            | Self::ControlTooLong
            | Self::ContinuationUnexpected
            | Self::ContinuationExpected
            | Self::InvalidCloseLength
            | Self::InvalidCloseCode => CloseCode::PROTOCOL_ERROR,
        }
    }

    /// Returns the document that was broken: `"RFC 6455"` or `"RFC 7692"`.
    #[must_use]
    pub const fn document(self) -> &'static str {
        match self {
            Self::InvalidDeflate | Self::CompressionUnsupported => "RFC 7692",
            _ => "RFC 6455",
        }
    }

    /// Returns the section of [`document`](Self::document) that was broken, such as `"5.2"`.
    #[must_use]
    pub const fn section(self) -> &'static str {
        match self {
            Self::MaskMissing | Self::MaskUnexpected => "5.1",
            Self::ReservedBits | Self::ReservedOpcode | Self::LengthNotMinimal | Self::LengthTooLarge => {
                "5.2"
            }
            Self::ContinuationUnexpected | Self::ContinuationExpected => "5.4",
            Self::ControlFragmented | Self::ControlTooLong => "5.5",
            Self::InvalidCloseLength | Self::InvalidCloseReason => "5.5.1",
            Self::InvalidCloseCode => "7.4",
            Self::InvalidUtf8 => "8.1",
            Self::FrameTooBig | Self::MessageTooBig | Self::TooManyFragments | Self::OutOfMemory => "10.4",
            Self::InvalidDeflate => "7.2.2",
            Self::CompressionUnsupported => "6.2",
            Self::Application(_) => "7.1.7",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::ReservedBits => "a reserved bit is set",
            Self::ReservedOpcode => "reserved opcode",
            Self::MaskMissing => "a frame from the client is not masked",
            Self::MaskUnexpected => "a frame from the server is masked",
            Self::LengthNotMinimal => "the payload length is not in its shortest form",
            Self::LengthTooLarge => "the payload length has its most significant bit set",
            Self::ControlFragmented => "fragmented control frame",
            Self::ControlTooLong => "control frame with more than 125 bytes",
            Self::ContinuationUnexpected => "continuation frame without a message to continue",
            Self::ContinuationExpected => "a new message before the last one ended",
            Self::InvalidUtf8 => "text that is not UTF-8",
            Self::InvalidCloseLength => "Close frame with one byte of payload",
            Self::InvalidCloseCode => "status code that must not be sent",
            Self::InvalidCloseReason => "close reason that is not UTF-8",
            Self::FrameTooBig => "frame over the limit",
            Self::MessageTooBig => "message over the limit",
            Self::TooManyFragments => "too many fragments in one message",
            Self::InvalidDeflate => "compressed message that cannot be inflated",
            Self::CompressionUnsupported => "compressed message that nothing inflates",
            Self::OutOfMemory => "no memory for the message",
            Self::Application(_) => "failed by the application",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.description())?;
        if let Self::Application(code) = self {
            write!(f, " with {code}")?;
        }
        write!(f, " ({} §{})", self.document(), self.section())
    }
}

impl core::error::Error for ProtocolError {}

/// Why nothing was sent. The connection's state and the output are unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is closing, closed or failed (§5.5.1: no data after a Close frame).
    NotOpen,
    /// The output has no room for the whole frame.
    OutputFull,
    /// Another message is being sent in fragments: "fragments of one message MUST NOT be
    /// interleaved" with another's (§5.4).
    MessageInProgress,
    /// The payload of a control frame is longer than 125 bytes (§5.5).
    ControlTooLong,
    /// The reason is longer than [`MAX_REASON_LEN`](crate::MAX_REASON_LEN) bytes (§5.5.1).
    ReasonTooLong,
    /// The status code [may not be sent](CloseCode::may_be_sent) (§7.4).
    InvalidCloseCode,
    /// The payload is longer than 2⁶³ − 1 bytes (§5.2).
    TooLong,
    /// A compressed message without an extension that allows RSV1 (§5.2).
    NoExtension,
    /// The source of masking-keys has none at the moment (§5.3); see
    /// [`MaskingKeys`](crate::MaskingKeys).
    NoMaskingKey,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOpen => "the connection is not open",
            Self::OutputFull => "the output has no room for the whole frame",
            Self::MessageInProgress => "another message is being sent in fragments",
            Self::ControlTooLong => "the payload of a control frame is longer than 125 bytes",
            Self::ReasonTooLong => "the close reason is longer than 123 bytes",
            Self::InvalidCloseCode => "the status code must not be sent",
            Self::TooLong => "the payload is longer than a frame can hold (2⁶³ − 1 bytes)",
            Self::NoExtension => "no extension allows a compressed message",
            Self::NoMaskingKey => "the source of masking-keys provided none",
        })
    }
}

impl core::error::Error for SendError {}

impl From<OutputFull> for SendError {
    fn from(_: OutputFull) -> Self {
        Self::OutputFull
    }
}

#[cfg(feature = "std")]
impl From<ProtocolError> for std::io::Error {
    fn from(error: ProtocolError) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

#[cfg(feature = "std")]
impl From<SendError> for std::io::Error {
    fn from(error: SendError) -> Self {
        use std::io::ErrorKind;
        let kind = match error {
            SendError::NotOpen => ErrorKind::NotConnected,
            SendError::OutputFull => ErrorKind::StorageFull,
            SendError::NoMaskingKey => ErrorKind::Other,
            _ => ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}
