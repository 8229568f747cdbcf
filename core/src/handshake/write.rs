//! Writing heads: a whole head or nothing, and nothing that changes its meaning.

use super::error::{Argument, Field};
use super::number::Decimal;
use super::syntax::{is_field_value, is_token};
use crate::output::{Output, OutputFull};

/// Writes what `pieces` hands over, or nothing. It runs twice: once to measure, once to write.
pub(super) fn write_whole(
    out: &mut (impl Output + ?Sized),
    pieces: &dyn Fn(&mut Pieces<'_>),
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
    fn new(sink: &'a mut dyn FnMut(&[u8])) -> Self {
        Self { sink }
    }

    #[inline(never)]
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        (self.sink)(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(super) fn number(&mut self, number: usize) {
        self.bytes(Decimal::new(number).as_bytes());
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

/// Checks that the caller's headers may stand in a head of the opening handshake.
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

pub(super) fn check_value(value: &str) -> Result<(), Argument> {
    if is_field_value(value.as_bytes()) { Ok(()) } else { Err(Argument::HeaderValue) }
}

/// Headers that the opening handshake writes itself, or that would change where the message ends.
fn is_reserved(name: &str) -> bool {
    const FIELDS: [Field; 6] = [
        Field::Host,
        Field::Upgrade,
        Field::Connection,
        Field::Origin,
        Field::ContentLength,
        Field::TransferEncoding,
    ];
    const PREFIX: &[u8] = b"Sec-WebSocket-";
    FIELDS.iter().any(|reserved| name.eq_ignore_ascii_case(reserved.name()))
        || name.as_bytes().get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}
