//! Masking, RFC 6455 [§5.3](https://datatracker.ietf.org/doc/html/rfc6455#section-5.3).

use crate::frame::MaskingKey;

/// Masks or unmasks `payload` in place: octet `i` is combined by XOR with octet `i mod 4` of the key.
///
/// Returns the key as the octets that come after `payload` need it, so a payload can be masked piece by piece:
///
/// ```
/// use sansws::apply_mask;
///
/// let key = [0x37, 0xfa, 0x21, 0x3d];
/// let mut payload = *b"Hello";
/// let (head, tail) = payload.split_at_mut(2);
/// let rotated = apply_mask(key, head);
/// apply_mask(rotated, tail);
/// assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]); // the masked "Hello" of §5.7
/// ```
#[inline]
pub fn apply_mask(key: MaskingKey, payload: &mut [u8]) -> MaskingKey {
    // Words of eight bytes in a plain loop: the compiler turns it into the widest vectors the target has.
    let word = u64::from(u32::from_ne_bytes(key));
    let word = (word << 32) | word;
    let mut words = payload.chunks_exact_mut(8);
    for chunk in &mut words {
        let mut octets = [0; 8];
        octets.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(octets) ^ word).to_ne_bytes());
    }
    let tail = words.into_remainder();
    for (octet, key_octet) in tail.iter_mut().zip(key.iter().cycle()) {
        *octet ^= key_octet;
    }
    let mut rotated = key;
    rotated.rotate_left(tail.len() % 4);
    rotated
}
