//! Lists of subprotocols, RFC 6455 §4.1 and §11.3.4.

use super::syntax::is_token;

/// The most subprotocols that one request may offer.
pub const MAX_SUBPROTOCOLS: usize = 64;

/// §4.1: "The elements that comprise this value MUST be non-empty strings with characters in the
/// range U+0021 to U+007E not including separator characters as defined in [RFC2616] and MUST all
/// be unique strings."
pub(super) fn are_subprotocols<'b>(names: impl Iterator<Item = &'b [u8]>) -> bool {
    let mut seen: [&[u8]; MAX_SUBPROTOCOLS] = [&[]; MAX_SUBPROTOCOLS];
    for (count, name) in names.enumerate() {
        if count == MAX_SUBPROTOCOLS || !is_token(name) || seen[..count].contains(&name) {
            return false;
        }
        seen[count] = name;
    }
    true
}
