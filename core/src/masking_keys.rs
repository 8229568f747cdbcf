//! Where masking-keys come from, RFC 6455
//! [§5.3](https://datatracker.ietf.org/doc/html/rfc6455#section-5.3).

use crate::mask::MaskingKey;

/// A source of masking-keys: one for each frame that a client sends.
///
/// RFC 6455 §5.3: "The masking key needs to be unpredictable", derived "from a strong source of
/// entropy". Use a cryptographically secure generator.
///
/// Every `FnMut() -> MaskingKey` is a source. Implement the trait for a generator that can fail,
/// such as a hardware generator that is not ready.
pub trait MaskingKeys {
    /// Returns the next key, or `None` if the source cannot provide one.
    ///
    /// After `None` nothing is sent and the call that wanted to send fails with
    /// [`SendError::NoMaskingKey`](crate::SendError::NoMaskingKey). The same call can be repeated
    /// later.
    fn next_key(&mut self) -> Option<MaskingKey>;
}

impl<F: FnMut() -> MaskingKey> MaskingKeys for F {
    #[inline]
    fn next_key(&mut self) -> Option<MaskingKey> {
        Some(self())
    }
}
