//! The words that HTTP headers are made of, RFC 9110 §5.6.

/// RFC 9110 §5.6.2 `token`: header names, methods, subprotocols and the names of extensions.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| is_token_byte(b))
}

pub(super) const fn is_token_byte(b: u8) -> bool {
    matches!(
        b,
        b'!' | b'#'
            | b'$'
            | b'%'
            | b'&'
            | b'\''
            | b'*'
            | b'+'
            | b'-'
            | b'.'
            | b'^'
            | b'_'
            | b'`'
            | b'|'
            | b'~'
    ) || b.is_ascii_alphanumeric()
}

/// Whether a header value has no control characters except tabs (RFC 9110 §5.5). CR and LF would
/// begin another header.
pub(super) fn is_field_value(value: &[u8]) -> bool {
    value.iter().all(|&b| b == b'\t' || !b.is_ascii_control())
}

/// Splits at the first separator. Returns what precedes it, and what follows it if it is there.
pub(super) fn split_at_byte(bytes: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match bytes.iter().position(|&b| b == separator) {
        Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
        None => (bytes, None),
    }
}

/// Removes the blanks around a value.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
