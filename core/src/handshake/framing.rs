//! Where the content of a request ends, RFC 9112 §6. A server that reads a length differently from
//! the proxy before it takes content for a request.

use super::error::{Fault, Field, HandshakeError};
use super::head::Headers;
use super::syntax::is_token;

/// Checks Content-Length and Transfer-Encoding of an HTTP/1 request.
pub(super) fn check_framing(headers: &Headers<'_, '_>, minor_version: u8) -> Result<(), HandshakeError> {
    let has_coding = headers.get(Field::TransferEncoding.name()).is_some();
    match headers.only(Field::ContentLength.name()) {
        Err(Fault::Missing) => {}
        // §6.3: "If a message is received without Transfer-Encoding and with an invalid
        // Content-Length header field, then the message framing is invalid". Equal values are not
        // merged.
        Err(fault) => return Err(HandshakeError::Request(Field::ContentLength, fault)),
        // §6.1: "A server MAY reject a request that contains both Content-Length and
        // Transfer-Encoding".
        Ok(_) if has_coding => {
            return Err(HandshakeError::Request(Field::ContentLength, Fault::Unexpected));
        }
        // "010" is `1*DIGIT` and means 10. It is refused because some readers take it for an octal
        // 8.
        Ok(length) => {
            if (length.len() > 1 && length.starts_with(b"0")) || headers.content_length().is_err() {
                return Err(HandshakeError::Request(Field::ContentLength, Fault::Invalid));
            }
        }
    }
    if has_coding { check_transfer_encoding(headers, minor_version) } else { Ok(()) }
}

fn check_transfer_encoding(headers: &Headers<'_, '_>, minor_version: u8) -> Result<(), HandshakeError> {
    let invalid = |fault| Err(HandshakeError::Request(Field::TransferEncoding, fault));
    // §6.1: "A server or client that receives an HTTP/1.0 message containing a Transfer-Encoding
    // header field MUST treat the message as if the framing is faulty".
    if minor_version == 0 {
        return invalid(Fault::Unexpected);
    }
    let mut codings = headers.elements(Field::TransferEncoding.name()).peekable();
    if codings.peek().is_none() {
        return invalid(Fault::Invalid);
    }
    let mut is_known = true;
    while let Some(coding) = codings.next() {
        let name = coding.split(|&b| b == b';').next().unwrap_or(coding).trim_ascii();
        if !is_token(name) {
            return invalid(Fault::Invalid);
        }
        if !name.eq_ignore_ascii_case(b"chunked") {
            is_known = false;
        } else if name.len() != coding.len() || codings.peek().is_some() {
            // §7.1: "The chunked coding does not define any parameters. Their presence SHOULD be
            // treated as an error." §6.3: if chunked "is not the final encoding, the message body
            // length cannot be determined reliably; the server MUST respond with the 400 (Bad
            // Request) status code".
            return invalid(Fault::Invalid);
        }
    }
    // §6.1: "A server that receives a request message with a transfer coding it does not understand
    // SHOULD respond with 501 (Not Implemented)."
    if is_known { Ok(()) } else { Err(HandshakeError::TransferCoding) }
}

/// Whether content follows the head, or might.
pub(super) fn has_content(headers: &Headers<'_, '_>) -> bool {
    headers.get(Field::TransferEncoding.name()).is_some()
        || !matches!(headers.content_length(), Ok(0) | Err(Fault::Missing))
}
