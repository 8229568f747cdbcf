//! Sec-WebSocket-Key and Sec-WebSocket-Accept, RFC 6455 §4.1 and §4.2.2.

use super::sha1::sha1;

/// Returns the value of Sec-WebSocket-Accept for a value of Sec-WebSocket-Key (§4.2.2, step 5.4).
///
/// ```
/// let accept = sansws::handshake::accept_value(b"dGhlIHNhbXBsZSBub25jZQ==");
/// assert_eq!(&accept, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[must_use]
pub fn accept_value(key: &[u8]) -> [u8; 28] {
    // §4.2.2: "concatenating this value with the string "258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
    // taking the SHA-1 hash of this concatenated value to obtain a 20-byte value and
    // base64-encoding this 20-byte hash."
    encode_base64(&sha1(key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
}

/// Returns the value of Sec-WebSocket-Key for a nonce (§4.1, step 7).
///
/// ```
/// let key = sansws::handshake::key_value(b"the sample nonce");
/// assert_eq!(&key, b"dGhlIHNhbXBsZSBub25jZQ==");
/// ```
#[must_use]
pub fn key_value(nonce: &[u8; 16]) -> [u8; 24] {
    encode_base64(nonce)
}

/// Returns whether a value of Sec-WebSocket-Key decodes to 16 bytes, as §4.2.1 requires.
///
/// ```
/// use sansws::handshake::is_key;
///
/// assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
/// assert!(!is_key(b"c2hvcnQ="));
/// ```
#[must_use]
pub fn is_key(key: &[u8]) -> bool {
    // 22 digits have 4 bits more than 16 bytes. They are not checked: in the example of §4.1,
    // "AQIDBAUGBwgJCgsMDQ4PEC==", they are not zero.
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(|b| BASE64.contains(b))
}

/// RFC 4648 §4.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Encodes bytes in groups of three, as four digits each, with padding. `N` is the length of the
/// result.
///
/// A general encoder, and the decoder that comes with it, would cost a heapless program its flash.
fn encode_base64<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut text = [b'='; N];
    for (group, digits) in bytes.chunks(3).zip(text.chunks_mut(4)) {
        let bits = group.iter().fold(0, |bits, &b| bits << 8 | u32::from(b)) << (8 * (3 - group.len()));
        // A group of n bytes has n + 1 digits; the others stay padding.
        for (i, digit) in digits.iter_mut().take(group.len() + 1).enumerate() {
            *digit = BASE64[(bits >> (18 - 6 * i) & 63) as usize];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

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
