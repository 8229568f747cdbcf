//! Sec-WebSocket-Extensions, RFC 6455 §9.1:
//!
//! ```text
//! extension-list  = 1#extension
//! extension       = extension-token *( ";" extension-param )
//! extension-param = token [ "=" (token | quoted-string) ]
//! ```
//!
//! Blanks may stand between any two of these words (RFC 2616 §2.1, which the RFC's ABNF builds on),
//! and so may empty elements between commas, which count for nothing; empty parameters may not.

use core::fmt;
use core::hash::{Hash, Hasher};

use super::error::{Argument, Fault, Field, HandshakeError};
use super::head::{Headers, Values};
use super::syntax::is_token_byte;

/// The extensions that a head names, over all its Sec-WebSocket-Extensions lines, in their order.
///
/// The iterator ends at the first extension that is malformed.
/// [`server::Request::upgrade`](super::server::Request::upgrade),
/// [`client::Response::accept`](super::client::Response::accept) and [`parse`](Self::parse) refuse
/// such a list, so after them the list is complete.
#[derive(Clone)]
pub struct Extensions<'h, 'b> {
    lines: Values<'h, 'b, 'static>,
    /// What is left of the line at hand.
    line: &'b [u8],
}

impl<'b> Extensions<'b, 'b> {
    /// Reads the value of one Sec-WebSocket-Extensions header.
    ///
    /// ```
    /// use sansws::handshake::Extensions;
    ///
    /// let mut list = Extensions::parse("permessage-deflate; server_max_window_bits=10, x-trace")?;
    /// assert!(list.next().is_some_and(|extension| extension.name == "permessage-deflate"));
    /// assert_eq!(list.count(), 1);
    /// assert!(Extensions::parse("a;;b").is_err());
    /// # Ok::<(), sansws::handshake::HandshakeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`HandshakeError::Argument`] with [`Argument::Extensions`] if it is not a list with at least
    /// one extension, as §9.1 defines it.
    pub fn parse(value: &'b str) -> Result<Self, HandshakeError> {
        let extensions = Extensions::in_value(value);
        match extensions.clone().check() {
            Ok(()) => Ok(extensions),
            Err(_) => Err(Argument::Extensions.into()),
        }
    }
}

impl<'h, 'b> Extensions<'h, 'b> {
    pub(super) fn in_head(headers: &Headers<'h, 'b>) -> Self {
        Self { lines: headers.all(Field::Extensions.name()), line: &[] }
    }

    pub(super) fn in_value(value: &'b str) -> Self {
        Self { lines: Values::empty(""), line: value.as_bytes() }
    }

    /// Whether all of it is as §9.1 has it, with one extension at least.
    ///
    /// "If a value is received by either the client or the server during negotiation that does not
    /// conform to the ABNF below, the recipient of such malformed data MUST immediately _Fail the
    /// WebSocket Connection_."
    pub(super) fn check(mut self) -> Result<(), Fault> {
        if self.try_next()?.is_none() {
            return Err(Fault::Invalid);
        }
        while self.try_next()?.is_some() {}
        Ok(())
    }

    fn try_next(&mut self) -> Result<Option<Extension<'b>>, Fault> {
        loop {
            // An extension cannot go on in the next line: the comma between two lines would end it.
            if let Some(extension) = take_extension(&mut self.line).ok_or(Fault::Invalid)? {
                return Ok(Some(extension));
            }
            let Some(line) = self.lines.next() else { return Ok(None) };
            self.line = line;
        }
    }
}

impl<'b> Iterator for Extensions<'_, 'b> {
    type Item = Extension<'b>;

    fn next(&mut self) -> Option<Extension<'b>> {
        let next = self.try_next();
        if next.is_err() {
            *self = Self::in_value("");
        }
        next.ok().flatten()
    }
}

impl fmt::Debug for Extensions<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// One extension of a list: its name and parameters.
#[derive(Debug, Clone, Copy)]
pub struct Extension<'b> {
    /// The name, such as `permessage-deflate`.
    pub name: &'b str,
    /// `*( ";" extension-param )`, checked.
    params: &'b str,
}

impl<'b> Extension<'b> {
    /// Returns the parameters, in their order.
    pub fn params(&self) -> impl Iterator<Item = ExtensionParam<'b>> + Clone + use<'b> {
        let mut rest = self.params.as_bytes();
        core::iter::from_fn(move || {
            take_blanks(&mut rest);
            take(&mut rest, b';')?;
            take_param(&mut rest)
        })
    }
}

/// Extensions are equal if their names and parameters are, in this order.
impl PartialEq for Extension<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.params().eq(other.params())
    }
}

impl Eq for Extension<'_> {}

/// One parameter of an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExtensionParam<'b> {
    /// The name, such as `client_max_window_bits`.
    pub name: &'b str,
    /// The value after `=`.
    pub value: Option<ParamValue<'b>>,
}

/// The value of a parameter: a token, after quoted pairs (`\x`) are unescaped.
///
/// Compare it to a `&str`, or use its [`chars`](Self::chars); [`as_str`](Self::as_str) is enough
/// where no quoted pair is expected. Two values are equal if their characters are: `10` equals
/// `"1\0"`.
#[derive(Clone, Copy)]
pub struct ParamValue<'b> {
    /// Token characters and, in what was quoted, backslashes, each before a token character.
    raw: &'b str,
}

impl<'b> ParamValue<'b> {
    /// Returns its characters, all ASCII.
    pub fn chars(&self) -> impl Iterator<Item = char> + Clone + use<'b> {
        // A backslash is no token character, so it is never what a quoted pair stands for.
        self.raw.chars().filter(|&c| c != '\\')
    }

    /// Returns the value as it stands in the head, or `None` if it has quoted pairs.
    #[must_use]
    pub fn as_str(&self) -> Option<&'b str> {
        (!self.raw.contains('\\')).then_some(self.raw)
    }
}

impl PartialEq for ParamValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.chars().eq(other.chars())
    }
}

impl Eq for ParamValue<'_> {}

impl Hash for ParamValue<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.chars().for_each(|c| c.hash(state));
        // The end, so that two values in a row are not one.
        state.write_u8(0xff);
    }
}

impl PartialEq<str> for ParamValue<'_> {
    fn eq(&self, other: &str) -> bool {
        self.chars().eq(other.chars())
    }
}

impl PartialEq<&str> for ParamValue<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

impl fmt::Display for ParamValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chars().try_for_each(|c| fmt::Write::write_char(f, c))
    }
}

impl fmt::Debug for ParamValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Takes an extension off the front of a list; `Some(None)` at its end, `None` if it is malformed.
fn take_extension<'b>(list: &mut &'b [u8]) -> Option<Option<Extension<'b>>> {
    loop {
        take_blanks(list);
        if take(list, b',').is_none() {
            break;
        }
    }
    if list.is_empty() {
        return Some(None);
    }
    let name = take_token(list)?;
    let params = *list;
    take_blanks(list);
    while take(list, b';').is_some() {
        take_param(list)?;
        take_blanks(list);
    }
    if !list.is_empty() && !list.starts_with(b",") {
        return None;
    }
    // Tokens and what may stand between them are ASCII.
    let params = core::str::from_utf8(&params[..params.len() - list.len()]).ok()?;
    Some(Some(Extension { name, params }))
}

fn take_param<'b>(list: &mut &'b [u8]) -> Option<ExtensionParam<'b>> {
    take_blanks(list);
    let name = take_token(list)?;
    let after_name = *list;
    take_blanks(list);
    if take(list, b'=').is_none() {
        *list = after_name;
        return Some(ExtensionParam { name, value: None });
    }
    take_blanks(list);
    let raw = if take(list, b'"').is_some() { take_quoted(list)? } else { take_token(list)? };
    Some(ExtensionParam { name, value: Some(ParamValue { raw }) })
}

/// What is left of a quoted-string whose opening quote is taken, and that quote's partner.
fn take_quoted<'b>(list: &mut &'b [u8]) -> Option<&'b str> {
    // What stands between must be a token, so a quote in it is wrong even if it is escaped: the
    // first one ends it either way.
    let raw = take_while(list, |b| b != b'"');
    take(list, b'"')?;
    // §9.1: "When using the quoted-string syntax variant, the value after quoted-string unescaping
    // MUST conform to the 'token' ABNF." So no escaped backslash, no escaped quote.
    let mut bytes = raw.iter();
    while let Some(b) = bytes.next() {
        let b = if *b == b'\\' { bytes.next()? } else { b };
        if !is_token_byte(*b) {
            return None;
        }
    }
    if raw.is_empty() { None } else { core::str::from_utf8(raw).ok() }
}

fn take_token<'b>(list: &mut &'b [u8]) -> Option<&'b str> {
    let token = take_while(list, is_token_byte);
    if token.is_empty() { None } else { core::str::from_utf8(token).ok() }
}

fn take_while<'b>(list: &mut &'b [u8], is_taken: impl Fn(u8) -> bool) -> &'b [u8] {
    let len = list.iter().position(|&b| !is_taken(b)).unwrap_or(list.len());
    let (taken, rest) = list.split_at(len);
    *list = rest;
    taken
}

#[inline(never)]
fn take_blanks(list: &mut &[u8]) {
    while take(list, b' ').or_else(|| take(list, b'\t')).is_some() {}
}

/// Takes an ASCII character.
fn take(list: &mut &[u8], c: u8) -> Option<()> {
    let (first, rest) = list.split_first()?;
    if *first != c {
        return None;
    }
    *list = rest;
    Some(())
}
