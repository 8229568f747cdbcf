//! A request of any fields: what our client writes our server accepts, and sees the same fields; the client accepts the response. A second
//! reading of §4 finds nothing wrong with either.
//!
//! The input: what is chosen (one byte), the nonce, and fields that end with 0x1f: the URI, then `o…` Origin, `s…` subprotocol,
//! `e…` extensions, `h…=…` header.

#![no_main]

mod head;

use head::Head;
use libfuzzer_sys::fuzz_target;
use sansws::handshake::{Argument, HandshakeError, HeaderStorage, accept_value, client, server};
use sansws::{Config, Uri};

fuzz_target!(|bytes: &[u8]| {
    let Some(fields) = Fields::parse(bytes) else { return };
    let Ok(uri) = Uri::parse(fields.uri) else { return };
    let asked = client::Offer::to(&uri)
        .origin(fields.origin)
        .subprotocols(&fields.subprotocols)
        .extensions(fields.extensions)
        .headers(&fields.headers);
    let mut out = Vec::new();
    if asked.write(&fields.nonce, &mut out).is_err() {
        assert!(out.is_empty(), "all or nothing");
        return;
    }

    let head = Head::new(&out);
    assert!(head.request().allows_acceptance(), "{:?}", head.request());
    let mut storage = HeaderStorage::new();
    let (request, used) =
        server::Request::parse(&out, &mut storage).expect("a proper request").expect("a whole request");
    assert_eq!(used, out.len());
    assert!(asked.resource_name.trim_start_matches('/').starts_with(request.path().trim_start_matches('/')));
    assert_eq!(request.host(), Some(asked.authority));
    assert_eq!(request.origin(), asked.origin.map(|origin| origin.trim_matches([' ', '\t'])));
    assert_eq!(request.subprotocols().collect::<Vec<_>>(), fields.subprotocols);

    let upgrade = request.upgrade().expect("a request of ours is right");
    let extensions = fields.extensions.filter(|_| fields.chosen & 0x80 != 0);
    let subprotocol = fields.subprotocols.get(usize::from(fields.chosen & 0x7f)).copied();
    let accept = server::Accept::new().subprotocol(subprotocol).extensions(extensions).headers(&[]);
    let mut response = Vec::new();
    if let Err(error) = upgrade.accept(&accept, &Config::default(), &mut response) {
        // RFC 7692 §7.1: an offer of permessage-deflate is not always an answer to itself.
        assert_eq!(error, HandshakeError::Argument(Argument::Extensions));
        assert!(extensions.is_some_and(|offer| offer.contains("permessage-deflate")) && response.is_empty());
        return;
    }

    let key = head.all("Sec-WebSocket-Key")[0];
    let offered = head.elements("Sec-WebSocket-Extensions");
    let offered = offered.iter().filter_map(|one| str::from_utf8(one).ok()?.split(';').next());
    let offered: Vec<&str> = offered.map(|name| name.trim_matches([' ', '\t'])).collect();
    let verdict = Head::new(&response).response(&accept_value(key), &fields.subprotocols, &offered);
    assert!(verdict.allows_acceptance(), "{verdict:?}");

    assert_parts_agree(&asked, &accept, &fields.nonce);
    let mut storage = HeaderStorage::new();
    let (response, _) = client::Response::parse(&response, &mut storage).expect("proper").expect("whole");
    response
        .accept(&asked, &fields.nonce, &Config::default(), || [0; 4])
        .expect("what was accepted is accepted");
    assert_eq!(response.subprotocol(), subprotocol);
});

/// Without a byte of HTTP/1.1 both come to the same, and so do both over HTTP/2 (RFC 8441).
fn assert_parts_agree(asked: &client::Offer<'_>, accept: &server::Accept<'_>, nonce: &[u8; 16]) {
    let target =
        if asked.resource_name.starts_with('/') { "" } else { "/" }.to_string() + asked.resource_name;
    for extended in [false, true] {
        let (mut headers, mut answered): (Vec<(String, String)>, Vec<(String, String)>) = Default::default();
        let header = |name: &str, value: &str| headers.push((name.into(), value.into()));
        let given = if extended { asked.to_extended_connect(header) } else { asked.to_parts(nonce, header) };
        given.expect("it could be written");
        let list = headers.iter().map(|(name, value)| (&**name, value.as_bytes()));
        let mut storage = HeaderStorage::<128>::default();
        let request = if extended {
            server::Request::from_extended_connect("websocket", asked.authority, &target, list, &mut storage)
        } else {
            server::Request::from_parts("GET", &target, 1, list, &mut storage)
        };
        let request = request.expect("a proper request");
        assert_eq!(request.host(), Some(asked.authority));
        let upgrade = request.upgrade().expect("a request of ours is right");
        upgrade
            .accept_parts(accept, &Config::default(), |name, value| {
                answered.push((name.into(), value.into()))
            })
            .expect("it could be accepted in bytes");
        let list = answered.iter().map(|(name, value)| (&**name, value.as_bytes()));
        let mut storage = HeaderStorage::new();
        let response = if extended {
            client::Response::from_extended_connect(upgrade.status(), list, &mut storage)
        } else {
            client::Response::from_parts(upgrade.status(), 1, list, &mut storage)
        };
        let response = response.expect("a proper response");
        assert_eq!(response.subprotocol(), accept.subprotocol);
        response.accept(asked, nonce, &Config::default(), || [0; 4]).expect("what was accepted is accepted");
    }
}

struct Fields<'a> {
    chosen: u8,
    nonce: [u8; 16],
    uri: &'a str,
    origin: Option<&'a str>,
    subprotocols: Vec<&'a str>,
    extensions: Option<&'a str>,
    headers: Vec<(&'a str, &'a str)>,
}

impl<'a> Fields<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&chosen, rest) = bytes.split_first()?;
        let (&nonce, rest) = rest.split_first_chunk()?;
        let mut fields = std::str::from_utf8(rest).ok()?.split('\x1f');
        let uri = fields.next()?;
        let (subprotocols, headers) = (Vec::new(), Vec::new());
        let mut parsed = Fields { chosen, nonce, uri, origin: None, subprotocols, extensions: None, headers };
        for field in fields {
            match field.split_at_checked(1)? {
                ("o", origin) => parsed.origin = Some(origin),
                ("s", name) => parsed.subprotocols.push(name),
                ("e", extensions) => parsed.extensions = Some(extensions),
                // A server need not take more than 64 headers.
                ("h", header) if parsed.headers.len() < 40 => parsed.headers.push(header.split_once('=')?),
                _ => return None,
            }
        }
        Some(parsed)
    }
}
