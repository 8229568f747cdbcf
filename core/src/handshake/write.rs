//! Writing heads: all of one or nothing, and nothing that means something else.

use core::fmt;

use super::error::Argument;
use super::{MAX_SUBPROTOCOLS, is_token};
use crate::output::{Output, OutputFull};

/// Writes what `pieces` hands over, or nothing: it runs once to measure, once to write.
pub(super) fn write_whole(
    out: &mut (impl Output + ?Sized),
    pieces: impl Fn(&mut Pieces<'_>),
) -> Result<(), OutputFull> {
    let mut len = 0_usize;
    pieces(&mut Pieces::new(&mut |piece| len = len.saturating_add(piece.len())));
    out.reserve(len)?;
    let mut write = |piece: &[u8]| {
        out.write_reserved(piece);
    };
    pieces(&mut Pieces::new(&mut write));
    Ok(())
}

/// Takes a head piece by piece.
pub(super) struct Pieces<'a> {
    sink: &'a mut dyn FnMut(&[u8]),
}

impl<'a> Pieces<'a> {
    pub(super) fn new(sink: &'a mut dyn FnMut(&[u8])) -> Self {
        Self { sink }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        (self.sink)(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(super) fn display(&mut self, args: fmt::Arguments<'_>) {
        // This writer never fails, and neither does what is displayed.
        let _ = fmt::Write::write_fmt(self, args);
    }

    pub(super) fn header(&mut self, name: &str, value: &[u8]) {
        self.text(name);
        self.text(": ");
        self.bytes(value);
        self.text("\r\n");
    }

    pub(super) fn headers(&mut self, headers: &[(&str, &str)]) {
        for (name, value) in headers {
            self.header(name, value.as_bytes());
        }
    }
}

impl fmt::Write for Pieces<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text(text);
        Ok(())
    }
}

/// Whether the headers that a caller gives may stand in a head of the opening handshake.
pub(super) fn check_headers(headers: &[(&str, &str)]) -> Result<(), Argument> {
    headers.iter().try_for_each(|(name, value)| {
        if !is_token(name.as_bytes()) {
            return Err(Argument::HeaderName);
        }
        if is_reserved(name) {
            return Err(Argument::ReservedHeader);
        }
        check_value(value)
    })
}

/// RFC 7230 §3.2 `field-value`: no control characters but the tabulator. CR and LF would begin another
/// header.
pub(super) fn check_value(value: &str) -> Result<(), Argument> {
    if value.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
        Err(Argument::HeaderValue)
    } else {
        Ok(())
    }
}

/// §4.1: "The elements that comprise this value MUST be non-empty strings with characters in the range U+0021
/// to U+007E not including separator characters as defined in [RFC2616] and MUST all be unique strings."
pub(super) fn are_subprotocols(names: &[&str]) -> bool {
    names.len() <= MAX_SUBPROTOCOLS
        && names
            .iter()
            .enumerate()
            .all(|(i, name)| is_token(name.as_bytes()) && !names.iter().take(i).any(|other| other == name))
}

/// Headers that the opening handshake writes itself, or that would change where the head's message ends.
fn is_reserved(name: &str) -> bool {
    const NAMES: [&str; 6] =
        ["Host", "Upgrade", "Connection", "Origin", "Content-Length", "Transfer-Encoding"];
    const PREFIX: &[u8] = b"Sec-WebSocket-";
    NAMES.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
        || name.as_bytes().get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}
