//! Where masking-keys come from, RFC 6455
//! [§5.3](https://datatracker.ietf.org/doc/html/rfc6455#section-5.3).

use core::fmt;

use crate::mask::MaskingKey;

/// A source of masking-keys: one for each frame that a client sends.
///
/// RFC 6455 §5.3: "The masking key needs to be unpredictable", derived "from a strong source of
/// entropy". Use a cryptographically secure generator.
///
/// A plain `fn` is a source, a closure within [`FnKeys`], and what you implement the trait for,
/// such as a hardware generator that can fail.
pub trait MaskingKeys {
    /// Returns the next key, or `None` if the source cannot provide one.
    ///
    /// After `None` nothing is sent, and the call that wanted to send fails with
    /// [`SendError::NoMaskingKey`](crate::SendError::NoMaskingKey). The same call can be repeated
    /// later.
    fn next_key(&mut self) -> Option<MaskingKey>;
}

impl MaskingKeys for fn() -> MaskingKey {
    #[inline]
    fn next_key(&mut self) -> Option<MaskingKey> {
        Some(self())
    }
}

impl<K: MaskingKeys + ?Sized> MaskingKeys for &mut K {
    #[inline]
    fn next_key(&mut self) -> Option<MaskingKey> {
        (**self).next_key()
    }
}

#[cfg(feature = "alloc")]
impl<K: MaskingKeys + ?Sized> MaskingKeys for alloc::boxed::Box<K> {
    #[inline]
    fn next_key(&mut self) -> Option<MaskingKey> {
        (**self).next_key()
    }
}

/// A closure as a source of masking-keys.
///
/// ```
/// use sansws::{FnKeys, MaskingKeys};
///
/// let mut last = 0_u32;
/// let mut keys = FnKeys(move || { last += 1; last.to_be_bytes() });
/// assert_eq!(keys.next_key(), Some([0, 0, 0, 1])); // predictable: not for real connections
/// ```
#[derive(Clone, Copy)]
pub struct FnKeys<F>(pub F);

impl<F: FnMut() -> MaskingKey> MaskingKeys for FnKeys<F> {
    #[inline]
    fn next_key(&mut self) -> Option<MaskingKey> {
        Some((self.0)())
    }
}

impl<F> fmt::Debug for FnKeys<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnKeys").finish_non_exhaustive()
    }
}
