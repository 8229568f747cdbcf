//! Whether permessage-deflate was agreed on, RFC 7692 §5 and §7.1.

use super::error::Fault;
use super::extensions::{Extension, ExtensionParam, Extensions};

/// Returns whether the extensions that a server chose enable permessage-deflate.
///
/// # Errors
///
/// [`Fault::Invalid`] if the server chose it twice or with invalid parameters,
/// [`Fault::NotOffered`] if the parameters do not answer any offer.
pub(super) fn is_agreed<'b>(
    chosen: Extensions<'_, 'b>,
    mut offered: Extensions<'_, 'b>,
) -> Result<bool, Fault> {
    let mut chosen = chosen.filter(is_deflate);
    let Some(answer) = chosen.next() else { return Ok(false) };
    // RFC 7692 §5: a response has one configuration of an extension, and RSV1 has one meaning.
    if chosen.next().is_some() {
        return Err(Fault::Invalid);
    }
    // RFC 7692 §7.1: "A client MUST _Fail the WebSocket Connection_ if the peer server accepted an
    // extension negotiation offer for this extension with an extension negotiation response that
    // meets any of the following conditions": an unknown parameter, an invalid value, or a
    // parameter twice.
    let answer = Params::parse(&answer, Side::Response).ok_or(Fault::Invalid)?;
    let is_answer = |offer: Extension<'b>| {
        is_deflate(&offer) && Params::parse(&offer, Side::Offer).is_some_and(|offer| answer.answers(&offer))
    };
    if offered.any(is_answer) { Ok(true) } else { Err(Fault::NotOffered) }
}

/// RFC 6455 §9.1 registers names of extensions as tokens and does not say that their case is
/// ignored; no peer writes this one in another case.
fn is_deflate(extension: &Extension<'_>) -> bool {
    extension.name == "permessage-deflate"
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Offer,
    Response,
}

/// The parameters of §7.1, once each.
#[derive(Debug, Clone, Copy, Default)]
struct Params {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// An offer may have it without a value, which is 15 then.
    client_max_window_bits: Option<u8>,
}

impl Params {
    /// `None`: a parameter is unknown, repeated, or has an invalid value.
    fn parse(extension: &Extension<'_>, side: Side) -> Option<Self> {
        let mut params = Self::default();
        for param in extension.params() {
            match param.name {
                "server_no_context_takeover" => set_flag(&mut params.server_no_context_takeover, &param)?,
                "client_no_context_takeover" => set_flag(&mut params.client_no_context_takeover, &param)?,
                "server_max_window_bits" => {
                    set_once(&mut params.server_max_window_bits, window_bits(&param)?)?;
                }
                // §7.1.2.2: in an offer it has no value, or one.
                "client_max_window_bits" if side == Side::Offer && param.value.is_none() => {
                    set_once(&mut params.client_max_window_bits, 15)?;
                }
                "client_max_window_bits" => {
                    set_once(&mut params.client_max_window_bits, window_bits(&param)?)?;
                }
                _ => return None,
            }
        }
        Some(params)
    }

    /// Whether this response accepts that offer.
    fn answers(&self, offer: &Self) -> bool {
        // §7.1.1.1: "A server accepts an extension negotiation offer that includes the
        // "server_no_context_takeover" extension parameter by including the
        // "server_no_context_takeover" extension parameter in the corresponding extension
        // negotiation response".
        let takeover = self.server_no_context_takeover || !offer.server_no_context_takeover;
        // §7.1.2.1: likewise, "with the same or smaller value as the offer".
        let server_bits = match (self.server_max_window_bits, offer.server_max_window_bits) {
            (Some(bits), Some(most)) => bits <= most,
            (None, Some(_)) => false,
            (_, None) => true,
        };
        // §7.1.2.2: "If a received extension negotiation offer doesn't have the
        // "client_max_window_bits" extension parameter, the corresponding extension negotiation
        // response to the offer MUST NOT include the "client_max_window_bits" extension parameter."
        // A value that answers one is "equal to or smaller than the received value".
        let client_bits = match (self.client_max_window_bits, offer.client_max_window_bits) {
            (Some(bits), Some(most)) => bits <= most,
            (Some(_), None) => false,
            (None, _) => true,
        };
        takeover && server_bits && client_bits
    }
}

/// §7.1.1: the parameters about context takeover have "no value".
fn set_flag(flag: &mut bool, param: &ExtensionParam<'_>) -> Option<()> {
    (param.value.is_none() && !core::mem::replace(flag, true)).then_some(())
}

/// §7.1: a parameter must not appear twice.
fn set_once(bits: &mut Option<u8>, value: u8) -> Option<()> {
    bits.replace(value).is_none().then_some(())
}

/// §7.1.2: "a decimal integer value without leading zeroes between 8 to 15, inclusive".
fn window_bits(param: &ExtensionParam<'_>) -> Option<u8> {
    let value = param.value?;
    ["8", "9", "10", "11", "12", "13", "14", "15"]
        .iter()
        .zip(8..)
        .find_map(|(text, bits)| (value == **text).then_some(bits))
}
