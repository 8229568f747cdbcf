//! RFC 7692 §7.1: what a server answers to offers of permessage-deflate, and what a client takes
//! for an answer to its own.

use sansws::Config;
use sansws::handshake::client::{Offer, Response};
use sansws::handshake::{DeflateParams, Extensions, Fault, Field, HandshakeError, HeaderStorage};

/// What the client says to this list of extensions, having offered that one.
fn judge(offered: &str, chosen: &str) -> Result<(), HandshakeError> {
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
         Sec-WebSocket-Extensions: {chosen}\r\n\r\n"
    );
    let mut storage = HeaderStorage::new();
    let (response, _) = Response::parse(head.as_bytes(), &mut storage)?.expect("a whole head");
    let offer = Offer::new("h", "/").extensions(Some(offered));
    response.accept(&offer, b"the sample nonce", &Config::default(), || [0; 4]).map(|_| ())
}

/// Rule R-7692-a. Attack A-14. RFC 7692 §7.1.
#[test]
fn permessage_deflate_answers_the_offer() {
    let invalid = Err(HandshakeError::Response(Field::Extensions, Fault::Invalid));
    let not_offered = Err(HandshakeError::Response(Field::Extensions, Fault::NotOffered));
    for (offered, chosen, result) in [
        ("permessage-deflate", "permessage-deflate", Ok(())),
        ("permessage-deflate", "permessage-deflate; server_no_context_takeover", Ok(())),
        ("permessage-deflate", "permessage-deflate; client_no_context_takeover", Ok(())),
        ("permessage-deflate", "permessage-deflate; server_max_window_bits=8", Ok(())),
        ("permessage-deflate", "permessage-deflate; server_max_window_bits=\"15\"", Ok(())),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate", Ok(())),
        (
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=8",
            Ok(()),
        ),
        (
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=10",
            Ok(()),
        ),
        // It accepts the second offer.
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", "permessage-deflate", Ok(())),
        ("permessage-deflate", "permessage-deflate, permessage-deflate", invalid),
        ("permessage-deflate", "permessage-deflate, permessage-deflate; bogus=1", invalid),
        ("permessage-deflate", "permessage-deflate; bogus=1", invalid),
        ("permessage-deflate", "permessage-deflate; server_no_context_takeover=1", invalid),
        ("permessage-deflate", "permessage-deflate; client_no_context_takeover=true", invalid),
        (
            "permessage-deflate",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            invalid,
        ),
        (
            "permessage-deflate",
            "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
            invalid,
        ),
        ("permessage-deflate", "permessage-deflate; server_max_window_bits", invalid),
        ("permessage-deflate", "permessage-deflate; server_max_window_bits=7", invalid),
        ("permessage-deflate", "permessage-deflate; server_max_window_bits=16", invalid),
        ("permessage-deflate", "permessage-deflate; server_max_window_bits=08", invalid),
        ("permessage-deflate", "permessage-deflate; server_max_window_bits=ten", invalid),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits", invalid),
        (
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=7",
            invalid,
        ),
        ("permessage-deflate", "permessage-deflate; client_max_window_bits=10", not_offered),
        (
            "permessage-deflate; client_max_window_bits=9",
            "permessage-deflate; client_max_window_bits=10",
            not_offered,
        ),
        (
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=11",
            not_offered,
        ),
        ("permessage-deflate; server_max_window_bits=10", "permessage-deflate", not_offered),
        ("permessage-deflate; server_no_context_takeover", "permessage-deflate", not_offered),
        // Names of extensions are compared as they are.
        ("permessage-deflate", "Permessage-Deflate", not_offered),
    ] {
        assert_eq!(judge(offered, chosen), result, "{offered}: {chosen}");
    }
}

fn wanted() -> DeflateParams {
    DeflateParams::new().server_max_window_bits(12).client_max_window_bits(12)
}

fn answer(wanted: DeflateParams, offers: &str) -> Option<String> {
    Some(wanted.answer(Extensions::parse(offers).unwrap())?.to_response().to_string())
}

/// Rule R-7692-b. Attack A-27. §7.1: the first offer that can be accepted is answered; what is
/// malformed in it declines it.
#[test]
fn a_server_answers_the_first_offer_that_it_can_accept() {
    for (offers, expected) in [
        ("permessage-deflate", Some("; server_max_window_bits=12")),
        // Chromium.
        (
            "permessage-deflate; client_max_window_bits",
            Some("; server_max_window_bits=12; client_max_window_bits=12"),
        ),
        (
            "permessage-deflate; client_max_window_bits=15",
            Some("; server_max_window_bits=12; client_max_window_bits=12"),
        ),
        (
            "permessage-deflate; client_max_window_bits=10",
            Some("; server_max_window_bits=12; client_max_window_bits=10"),
        ),
        (
            "permessage-deflate; client_max_window_bits=8",
            Some("; server_max_window_bits=12; client_max_window_bits=8"),
        ),
        ("permessage-deflate; server_max_window_bits=15", Some("; server_max_window_bits=12")),
        ("permessage-deflate; server_max_window_bits=9", Some("; server_max_window_bits=9")),
        ("permessage-deflate; server_max_window_bits=\"1\\0\"", Some("; server_max_window_bits=10")),
        (
            "permessage-deflate; server_no_context_takeover",
            Some("; server_no_context_takeover; server_max_window_bits=12"),
        ),
        (
            "permessage-deflate; client_no_context_takeover",
            Some("; client_no_context_takeover; server_max_window_bits=12"),
        ),
        // No compressor has 8 bits; the client may have another offer.
        ("permessage-deflate; server_max_window_bits=8", None),
        (
            "permessage-deflate; server_max_window_bits=8, permessage-deflate",
            Some("; server_max_window_bits=12"),
        ),
        // Unknown, invalid, twice.
        ("permessage-deflate; bogus", None),
        (
            "permessage-deflate; bogus, permessage-deflate; server_max_window_bits=11",
            Some("; server_max_window_bits=11"),
        ),
        ("permessage-deflate; server_max_window_bits", None),
        ("permessage-deflate; server_max_window_bits=7", None),
        ("permessage-deflate; server_max_window_bits=16", None),
        ("permessage-deflate; server_max_window_bits=09", None),
        ("permessage-deflate; client_max_window_bits=0", None),
        ("permessage-deflate; client_max_window_bits=\"\\ \"", None),
        ("permessage-deflate; client_max_window_bits; client_max_window_bits=9", None),
        ("permessage-deflate; server_no_context_takeover=1", None),
        ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", None),
        ("x-trace", None),
        ("x-webkit-deflate-frame, permessage-deflate", Some("; server_max_window_bits=12")),
    ] {
        if Extensions::parse(offers).is_err() {
            assert_eq!(expected, None, "{offers}");
            continue;
        }
        let expected = expected.map(|params| format!("permessage-deflate{params}"));
        assert_eq!(answer(wanted(), offers), expected, "{offers}");
    }
}

/// §7.1.1.2. Some browsers agree to give up their context and do it wrong; they do not offer
/// `client_max_window_bits`.
#[test]
fn the_context_of_a_client_is_asked_for_only_if_it_offers_to_heed_its_window() {
    let wanted = DeflateParams::new().client_no_context_takeover(true);
    assert_eq!(answer(wanted, "permessage-deflate").unwrap(), "permessage-deflate");
    assert_eq!(
        answer(wanted, "permessage-deflate; client_max_window_bits").unwrap(),
        "permessage-deflate; client_no_context_takeover"
    );
}

/// Rule R-7692-b. All wishes against all offers: the client accepts each answer, and each keeps to
/// both.
#[test]
fn every_answer_is_one_that_the_client_accepts() {
    let bits = |range: std::ops::RangeInclusive<u8>| std::iter::once(None).chain(range.map(Some));
    let all = |least: u8| {
        let flags = [(false, false), (false, true), (true, false), (true, true)];
        flags.into_iter().flat_map(move |(server, client)| {
            bits(least..=15).flat_map(move |server_bits| {
                bits(least..=15).map(move |client_bits| {
                    let mut params = DeflateParams::new()
                        .server_no_context_takeover(server)
                        .client_no_context_takeover(client);
                    params.server_max_window_bits = server_bits;
                    params.client_max_window_bits = client_bits;
                    params
                })
            })
        })
    };
    // In Miri a part of them.
    let step = if cfg!(miri) { 997 } else { 1 };
    for (wanted, offer) in all(9).flat_map(|wanted| all(8).map(move |offer| (wanted, offer))).step_by(step) {
        let offered = offer.to_offer();
        let answer = wanted.answer(Extensions::parse(offered.as_str()).unwrap());
        assert_eq!(answer.is_none(), offer.server_max_window_bits == Some(8), "{offer:?}");
        let Some(answer) = answer else { continue };
        assert!(answer.server_max_window_bits.unwrap_or(15) <= wanted.server_max_window_bits.unwrap_or(15));
        assert!(answer.server_no_context_takeover || !wanted.server_no_context_takeover);
        let chosen = answer.to_response();
        let agreed = offer.agreed(Extensions::parse(chosen.as_str()).unwrap()).unwrap();
        assert_eq!(agreed.client_max_window_bits.unwrap_or(15), answer.client_max_window_bits.unwrap_or(15));
        let same_bits = DeflateParams::new().client_max_window_bits(15).client_max_window_bits;
        let without_bits = |mut params: DeflateParams| {
            params.client_max_window_bits = same_bits;
            params
        };
        assert_eq!(without_bits(agreed), without_bits(answer));
        assert_eq!(judge(offered.as_str(), chosen.as_str()), Ok(()), "{offered}: {chosen}");
    }
}

#[test]
fn limits_are_kept_in_their_range() {
    let params = DeflateParams::new().server_max_window_bits(0).client_max_window_bits(99);
    assert_eq!((params.server_max_window_bits, params.client_max_window_bits), (Some(9), Some(15)));
    assert_eq!(
        params.to_offer().as_str(),
        "permessage-deflate; server_max_window_bits=9; client_max_window_bits"
    );
    let longest = DeflateParams::new()
        .server_no_context_takeover(true)
        .client_no_context_takeover(true)
        .server_max_window_bits(15)
        .client_max_window_bits(15);
    assert_eq!(longest.to_response().as_str().len(), 128);
    assert_eq!(longest.agreed(Extensions::parse("x-trace").unwrap()), None);
    // Fields that are set by hand stay in the range of the RFC where they are written.
    let mut wrong = DeflateParams::new();
    (wrong.server_max_window_bits, wrong.client_max_window_bits) = (Some(64), Some(0));
    let written = "permessage-deflate; server_max_window_bits=15; client_max_window_bits=8";
    assert_eq!(wrong.to_response().as_str(), written);
}

/// Rule R-7692-b. §7.1.1.2, §7.1.2.2: what a client has promised in its offer it keeps to, whatever
/// the response says.
#[test]
fn a_client_keeps_what_it_has_offered() {
    let agreed = |offer: DeflateParams, response| offer.agreed(Extensions::parse(response).unwrap()).unwrap();
    let no_takeover = agreed(DeflateParams::new().client_no_context_takeover(true), "permessage-deflate");
    assert!(no_takeover.client_no_context_takeover);
    let offer = DeflateParams::new().client_max_window_bits(10);
    assert_eq!(agreed(offer, "permessage-deflate").client_max_window_bits, Some(10));
    let smaller = agreed(offer, "permessage-deflate; client_max_window_bits=9");
    assert_eq!(smaller.client_max_window_bits, Some(9));
}
