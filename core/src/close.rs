//! Status codes of the closing handshake, RFC 6455
//! [§7.4](https://datatracker.ietf.org/doc/html/rfc6455#section-7.4).

use core::fmt;

/// The longest reason that fits into a Close frame, in bytes of UTF-8: 125 less the two of the code
/// (§5.5.1).
pub const MAX_REASON_LEN: usize = 123;

/// A status code: why a connection was closed.
///
/// Any `u16` can be held; only some [may be sent](Self::may_be_sent).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection has been fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server goes down, or the browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a type of message that this endpoint cannot accept.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: a Close frame without a code was received. Never on the wire.
    pub const NO_STATUS_RECEIVED: Self = Self(1005);
    /// 1006: the connection ended without a Close frame. Never on the wire.
    pub const ABNORMAL_CLOSURE: Self = Self(1006);
    /// 1007: the data of a message did not match its type, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: the message violates the endpoint's policy.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: the message is too big.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the server did not agree on an extension that the client needs.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: the server encountered an unexpected condition.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts (IANA registry).
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the service is overloaded; try again later (IANA registry).
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got an invalid response from the server behind it (IANA registry).
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: the TLS handshake failed. Never on the wire.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// Creates the code with this number, whatever its meaning.
    #[must_use]
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Returns whether a Close frame may carry this code: 1000–1003, 1007–1014 and 3000–4999.
    ///
    /// 1004 is reserved; 1005, 1006 and 1015 "MUST NOT be set as a status code in a Close control
    /// frame" (§7.4.1); the rest below 3000 is for future versions of the protocol (§7.4.2).
    #[must_use]
    pub const fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The payload of a Close frame, if it has one (§5.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    /// The status code.
    pub code: CloseCode,
    /// For a log, not for a person to read: "MUST NOT show it to end users" (§5.5.1). At most
    /// [`MAX_REASON_LEN`] bytes.
    pub reason: &'a str,
}
