//! SHA-1 (RFC 3174) and base64 (RFC 4648) in little flash, for programs without the standard
//! library.
//!
//! The crates `sha1` and `base64`, which serve everybody else, unroll their loops and bring tables
//! and decoders: four kilobytes of a microcontroller's flash. The tests compare both. Nothing
//! secret depends on the hash (RFC 6455 §10.8).

/// Returns the hash of the two pieces, one after the other.
pub(super) fn sha1(first: &[u8], second: &[u8]) -> [u8; 20] {
    // §6.1: the initial values.
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut block = [0; 64];
    let mut used = 0;
    for &byte in first.iter().chain(second) {
        block[used] = byte;
        used += 1;
        if used == block.len() {
            compress(&mut state, &block);
            (block, used) = ([0; 64], 0);
        }
    }
    // §4: a bit of one, zeros, and the length in bits as the last 64 bits of a block.
    block[used] = 0x80;
    if used >= 56 {
        compress(&mut state, &block);
        block = [0; 64];
    }
    let bits = (first.len() as u64 + second.len() as u64) * 8;
    block[56..].copy_from_slice(&bits.to_be_bytes());
    compress(&mut state, &block);

    let mut hash = [0; 20];
    for (bytes, word) in hash.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    hash
}

/// §6.2, the method that keeps 16 words instead of 80.
fn compress(state: &mut [u32; 5], block: &[u8; 64]) {
    let mut words = [0; 16];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, &byte| word << 8 | u32::from(byte));
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for t in 0..80 {
        let s = t % 16;
        if t >= 16 {
            let mixed = words[(s + 13) % 16] ^ words[(s + 8) % 16] ^ words[(s + 2) % 16] ^ words[s];
            words[s] = mixed.rotate_left(1);
        }
        // §5: functions and constants.
        let (f, k) = match t / 20 {
            0 => ((b & c) | (!b & d), 0x5a82_7999),
            1 => (b ^ c ^ d, 0x6ed9_eba1),
            2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6_u32),
        };
        let next = a.rotate_left(5).wrapping_add(f).wrapping_add(e).wrapping_add(words[s]).wrapping_add(k);
        (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
    }
    for (word, more) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(more);
    }
}

/// RFC 4648 §4.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Encodes bytes in groups of three, as four digits each, with padding. `N` is the length of the
/// result.
pub(super) fn encode_base64<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut text = [0; N];
    for (group, digits) in bytes.chunks(3).zip(text.chunks_mut(4)) {
        let bits = group.iter().fold(0, |bits, &b| bits << 8 | u32::from(b)) << (8 * (3 - group.len()));
        for (i, digit) in digits.iter_mut().enumerate() {
            // A group of n bytes has n + 1 digits; the others are padding.
            *digit = if i <= group.len() { BASE64[(bits >> (18 - 6 * i) & 63) as usize] } else { b'=' };
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use ::sha1::{Digest, Sha1};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// RFC 3174 §7.3.
    #[test]
    fn test_vectors_of_the_rfc() {
        assert_eq!(sha1(b"abc", b"")[..4], [0xa9, 0x99, 0x3e, 0x36]);
        let long = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(sha1(b"", long)[..4], [0x84, 0x98, 0x3e, 0x44]);
    }

    /// Every length of two blocks and more, in every split.
    #[test]
    fn as_the_crates_have_it() {
        let bytes: [u8; 200] = core::array::from_fn(|i| (i as u8).wrapping_mul(151) ^ 0x5a);
        for len in 0..=bytes.len() {
            let expected = Sha1::digest(&bytes[..len]);
            let step = if cfg!(miri) { 67 } else { 1 };
            for split in (0..=len).step_by(step) {
                assert_eq!(sha1(&bytes[..split], &bytes[split..len])[..], expected[..], "{split} of {len}");
            }
        }
        for seed in 0..=255_u8 {
            let nonce: [u8; 16] = core::array::from_fn(|i| (i as u8).wrapping_mul(seed).wrapping_add(seed));
            let mut expected = [0; 24];
            assert_eq!(STANDARD.encode_slice(nonce, &mut expected), Ok(24));
            assert_eq!(encode_base64(&nonce), expected);
        }
    }

    /// RFC 4648 §10.
    #[test]
    fn test_vectors_of_base64() {
        assert_eq!(&encode_base64::<0>(b""), b"");
        assert_eq!(&encode_base64::<4>(b"f"), b"Zg==");
        assert_eq!(&encode_base64::<4>(b"fo"), b"Zm8=");
        assert_eq!(&encode_base64::<4>(b"foo"), b"Zm9v");
        assert_eq!(&encode_base64::<8>(b"foob"), b"Zm9vYg==");
        assert_eq!(&encode_base64::<8>(b"fooba"), b"Zm9vYmE=");
        assert_eq!(&encode_base64::<8>(b"foobar"), b"Zm9vYmFy");
        assert_eq!(&encode_base64::<4>(&[0xff, 0xff, 0xfe]), b"///+");
    }
}
