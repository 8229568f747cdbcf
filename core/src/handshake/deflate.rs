//! The negotiation of permessage-deflate, RFC 7692
//! [§5](https://datatracker.ietf.org/doc/html/rfc7692#section-5) and
//! [§7.1](https://datatracker.ietf.org/doc/html/rfc7692#section-7.1).

use core::fmt;

use super::error::Fault;
use super::extensions::{Extension, ExtensionParam, Extensions};
use crate::deflate_params::{DeflateParams, LEAST_BITS, MOST_BITS};

const NAME: &str = "permessage-deflate";

impl DeflateParams {
    /// Returns what a server that wants this answers to the first of the offers that it can accept;
    /// `None` if there is none.
    ///
    /// An offer with an unknown parameter, an invalid value, or a parameter twice is declined
    /// (§7.1), and one that asks the server for a window of 8 bits, which no compressor here has.
    /// `client_no_context_takeover` is requested only if the offer includes
    /// `client_max_window_bits` or it: some browsers without it agree, but keep their context.
    #[must_use]
    pub fn answer(&self, offers: Extensions<'_, '_>) -> Option<Self> {
        offers.filter(is_deflate).find_map(|offer| self.answer_to(&Self::parse(&offer, Side::Offer)?))
    }

    fn answer_to(&self, offer: &Self) -> Option<Self> {
        // §7.1.2.1: a server "accepts an extension negotiation offer" with the parameter "by
        // including" it "with the same or smaller value as the offer"; it may include it unasked.
        let server_max_window_bits = least(self.server_max_window_bits, offer.server_max_window_bits);
        if server_max_window_bits.is_some_and(|bits| bits < LEAST_BITS) {
            return None;
        }
        // §7.1.2.2: if the offer "doesn't have the "client_max_window_bits" extension parameter",
        // the response "MUST NOT include" it.
        let client_max_window_bits = offer
            .client_max_window_bits
            .and_then(|most| least(self.client_max_window_bits, Some(most)))
            .filter(|bits| *bits < MOST_BITS);
        // §7.1.1.2: in an offer it is "a hint"; a server may include it in any case.
        let client_no_context_takeover = offer.client_no_context_takeover
            || (self.client_no_context_takeover && offer.client_max_window_bits.is_some());
        Some(Self {
            server_no_context_takeover: self.server_no_context_takeover || offer.server_no_context_takeover,
            client_no_context_takeover,
            server_max_window_bits,
            client_max_window_bits,
        })
    }

    /// Returns what a client and a server have agreed on, from what the client has offered and the
    /// extensions of a response that [`client::Response::accept`](super::client::Response::accept)
    /// has accepted; `None` if the server chose no permessage-deflate.
    ///
    /// What the client has promised in its offer it keeps to, also where the response does not say
    /// it: a smaller window (§7.1.2.2), and no context takeover (§7.1.1.2).
    #[must_use]
    pub fn agreed(&self, extensions: Extensions<'_, '_>) -> Option<Self> {
        let mut chosen = extensions.filter(is_deflate);
        let chosen = Self::parse(&chosen.next()?, Side::Response)?;
        Some(Self {
            client_no_context_takeover: chosen.client_no_context_takeover || self.client_no_context_takeover,
            client_max_window_bits: least(chosen.client_max_window_bits, self.client_max_window_bits),
            ..chosen
        })
    }

    /// Returns an offer of this, as an element of Sec-WebSocket-Extensions.
    #[must_use]
    pub fn to_offer(&self) -> DeflateHeader {
        self.written(Side::Offer)
    }

    /// Returns a response with this, as an element of Sec-WebSocket-Extensions.
    #[must_use]
    pub fn to_response(&self) -> DeflateHeader {
        self.written(Side::Response)
    }

    fn written(&self, side: Side) -> DeflateHeader {
        let mut header = DeflateHeader::new();
        if self.server_no_context_takeover {
            header.param("server_no_context_takeover", None);
        }
        if self.client_no_context_takeover {
            header.param("client_no_context_takeover", None);
        }
        if let Some(bits) = self.server_max_window_bits.map(|bits| bits.clamp(8, MOST_BITS)) {
            header.param("server_max_window_bits", Some(bits));
        }
        match self.client_max_window_bits.map(|bits| bits.clamp(8, MOST_BITS)) {
            // §7.1.2.2: without a value "the client has no preference about the limit".
            Some(MOST_BITS) if side == Side::Offer => header.param("client_max_window_bits", None),
            Some(bits) => header.param("client_max_window_bits", Some(bits)),
            None => {}
        }
        header
    }

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
                    set_once(&mut params.client_max_window_bits, MOST_BITS)?;
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

/// An element of Sec-WebSocket-Extensions that names permessage-deflate, with its parameters.
#[derive(Clone, Copy)]
pub struct DeflateHeader {
    bytes: [u8; Self::MAX_LEN],
    len: usize,
}

impl DeflateHeader {
    /// With all four parameters.
    const MAX_LEN: usize = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                            server_max_window_bits=15; client_max_window_bits=15"
        .len();

    fn new() -> Self {
        let mut header = Self { bytes: [0; Self::MAX_LEN], len: 0 };
        header.push(NAME);
        header
    }

    fn param(&mut self, name: &str, bits: Option<u8>) {
        self.push("; ");
        self.push(name);
        if let Some(bits) = bits {
            self.push("=");
            if bits > 9 {
                self.push("1");
            }
            self.bytes[self.len] = b'0' + bits % 10;
            self.len += 1;
        }
    }

    fn push(&mut self, text: &str) {
        let end = self.len + text.len();
        self.bytes[self.len..end].copy_from_slice(text.as_bytes());
        self.len = end;
    }

    /// Returns it as text of at most 128 bytes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.len]).expect("only ASCII was pushed")
    }
}

impl AsRef<str> for DeflateHeader {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for DeflateHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for DeflateHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

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
    let answer = DeflateParams::parse(&answer, Side::Response).ok_or(Fault::Invalid)?;
    let is_answer = |offer: Extension<'b>| {
        is_deflate(&offer)
            && DeflateParams::parse(&offer, Side::Offer).is_some_and(|offer| answer.answers(&offer))
    };
    if offered.any(is_answer) { Ok(true) } else { Err(Fault::NotOffered) }
}

/// RFC 6455 §9.1 registers names of extensions as tokens and does not say that their case is
/// ignored; no peer writes this one in another case.
fn is_deflate(extension: &Extension<'_>) -> bool {
    extension.name == NAME
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Offer,
    Response,
}

/// The smaller of two limits, each of which may not be there.
fn least(a: Option<u8>, b: Option<u8>) -> Option<u8> {
    a.into_iter().chain(b).min()
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
