//! Sec-WebSocket-Key and Sec-WebSocket-Accept, RFC 6455 §4.1 and §4.2.2.

#[cfg(not(feature = "std"))]
use super::compact::{encode_base64, sha1};

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
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(|&b| is_base64(b))
}

/// RFC 4648 §4, without padding.
const fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')
}

#[cfg(feature = "std")]
fn sha1(first: &[u8], second: &[u8]) -> [u8; 20] {
    use sha1::{Digest, Sha1};

    Sha1::new().chain_update(first).chain_update(second).finalize().into()
}

/// Encodes bytes, with padding. `N` is the length of the result.
#[cfg(feature = "std")]
fn encode_base64<const N: usize>(bytes: &[u8]) -> [u8; N] {
    use base64::Engine;

    let mut text = [0; N];
    let len = base64::engine::general_purpose::STANDARD.encode_slice(bytes, &mut text);
    assert_eq!(len, Ok(N), "four digits for each three bytes");
    text
}
