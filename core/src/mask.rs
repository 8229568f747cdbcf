//! Masking, RFC 6455 [§5.3](https://datatracker.ietf.org/doc/html/rfc6455#section-5.3).

use core::ops::Range;

/// A masking-key, RFC 6455 §5.3: four octets, fresh and unpredictable for every frame that a client
/// sends.
pub type MaskingKey = [u8; 4];

/// Masks or unmasks `payload` in place: octet `i` is combined by XOR with octet `i mod 4` of the
/// key.
///
/// Returns the key rotated for the octets that follow `payload`, so that a payload can be masked
/// piece by piece:
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
    // Words of eight bytes in a plain loop: the compiler turns it into the widest vectors the
    // target has.
    let word = word_of(key);
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
    rotated(key, payload.len())
}

/// Masks `source` into `target`, in one pass. Otherwise as [`apply_mask`].
///
/// ```
/// let mut masked = [0; 5];
/// sansws::copy_masked([0x37, 0xfa, 0x21, 0x3d], b"Hello", &mut masked);
/// assert_eq!(masked, [0x7f, 0x9f, 0x4d, 0x51, 0x58]); // §5.7
/// ```
///
/// # Panics
///
/// If the slices do not have the same length.
#[inline]
pub fn copy_masked(key: MaskingKey, source: &[u8], target: &mut [u8]) -> MaskingKey {
    assert_eq!(source.len(), target.len(), "source and target have different lengths");
    let word = word_of(key);
    let mut from = source.chunks_exact(8);
    let mut to = target.chunks_exact_mut(8);
    for (to, from) in (&mut to).zip(&mut from) {
        let mut octets = [0; 8];
        octets.copy_from_slice(from);
        to.copy_from_slice(&(u64::from_ne_bytes(octets) ^ word).to_ne_bytes());
    }
    let (mut to, mut from) = (to.into_remainder(), from.remainder());
    if to.len() >= 4 {
        let (half, rest) = to.split_at_mut(4);
        let (from_half, from_rest) = from.split_at(4);
        let mut octets = [0; 4];
        octets.copy_from_slice(from_half);
        half.copy_from_slice(&(u32::from_ne_bytes(octets) ^ word as u32).to_ne_bytes());
        (to, from) = (rest, from_rest);
    }
    for ((to, from), key_octet) in to.iter_mut().zip(from).zip(key) {
        *to = from ^ key_octet;
    }
    rotated(key, source.len())
}

/// Whether to prefer small code to fast code, as for a microcontroller.
pub(crate) const SPARE_FLASH: bool = cfg!(not(target_pointer_width = "64"));

/// Moves `payload` of `bytes` down to `to`, and unmasks it there.
#[inline]
pub(crate) fn move_masked(key: MaskingKey, bytes: &mut [u8], payload: Range<usize>, to: usize) {
    let len = payload.len();
    if SPARE_FLASH {
        // `memmove` takes 1.6 KB.
        for i in 0..len {
            bytes[to + i] = bytes[payload.start + i] ^ key[i % 4];
        }
    } else {
        bytes.copy_within(payload, to);
        apply_mask(key, &mut bytes[to..to + len]);
    }
}

/// The key twice.
#[inline]
const fn word_of(key: MaskingKey) -> u64 {
    let word = u32::from_ne_bytes(key) as u64;
    (word << 32) | word
}

#[inline]
fn rotated(key: MaskingKey, len: usize) -> MaskingKey {
    // As a word: to rotate the array takes two kilobytes of flash on a microcontroller.
    u32::from_be_bytes(key).rotate_left(8 * (len as u32 % 4)).to_be_bytes()
}
