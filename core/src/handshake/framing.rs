//! Where the content of a request ends, RFC 9112 §6. A server that reads a length differently from
//! the proxy before it takes content for a request.

use super::error::{Fault, Field, HandshakeError};
use super::head::Headers;
use super::syntax::{is_token, split_at_byte, trim};

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
    let (mut is_empty, mut has_other, mut has_chunked) = (true, false, false);
    for coding in headers.elements(Field::TransferEncoding.name()) {
        let (name, parameters) = split_at_byte(coding, b';');
        let is_chunked = trim(name).eq_ignore_ascii_case(b"chunked");
        // §6.3: if chunked "is not the final encoding, the message body length cannot be determined
        // reliably; the server MUST respond with the 400 (Bad Request) status code". §7.1: "The
        // chunked coding does not define any parameters. Their presence SHOULD be treated as an
        // error."
        if !is_token(trim(name)) || has_chunked || (is_chunked && parameters.is_some()) {
            return invalid(Fault::Invalid);
        }
        is_empty = false;
        has_other |= !is_chunked;
        has_chunked |= is_chunked;
    }
    if is_empty {
        invalid(Fault::Invalid)
    } else if has_other {
        // §6.1: "A server that receives a request message with a transfer coding it does not
        // understand SHOULD respond with 501 (Not Implemented)."
        Err(HandshakeError::TransferCoding)
    } else {
        Ok(())
    }
}

/// Whether content follows the head, or might.
pub(super) fn has_content(headers: &Headers<'_, '_>) -> bool {
    headers.get(Field::TransferEncoding.name()).is_some()
        || !matches!(headers.content_length(), Ok(0) | Err(Fault::Missing))
}
