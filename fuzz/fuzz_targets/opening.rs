//! A request of any fields: what our client writes our server accepts, and sees the same fields; the client accepts the response. A second
//! reading of §4 finds nothing wrong with either.
//!
//! The input: what is chosen (one byte), the nonce, and fields that end with 0x1f: the URI, then `o…` Origin, `s…` subprotocol,
//! `e…` extensions, `h…=…` header.

#![no_main]

mod head;

use head::Head;
use libfuzzer_sys::fuzz_target;
use sansws::handshake::{HeaderStorage, accept_value, client, server};
use sansws::{Config, Uri};

fuzz_target!(|bytes: &[u8]| {
    let Some(fields) = Fields::parse(bytes) else { return };
    let Ok(uri) = Uri::parse(fields.uri) else { return };
    let asked = client::Request {
        origin: fields.origin,
        subprotocols: &fields.subprotocols,
        extensions: fields.extensions,
        headers: &fields.headers,
        ..client::Request::to(&uri)
    };
    let mut out = Vec::new();
    if asked.write(&fields.nonce, &mut out).is_err() {
        assert!(out.is_empty(), "all or nothing");
        return;
    }

    let head = Head::new(&out);
    assert!(head.request().allows_acceptance(), "{:?}", head.request());
    let mut storage = HeaderStorage::new();
    let (request, used) =
        server::parse(&out, &mut storage).expect("a proper request").expect("a whole request");
    assert_eq!(used, out.len());
    assert!(asked.resource.trim_start_matches('/').starts_with(request.path().trim_start_matches('/')));
    assert_eq!(request.host(), Some(asked.authority));
    assert_eq!(request.origin(), asked.origin.map(|origin| origin.trim_matches([' ', '\t'])));
    assert_eq!(request.subprotocols().collect::<Vec<_>>(), fields.subprotocols);

    let upgrade = request.upgrade().expect("a request of ours is right");
    let extensions = fields.extensions.filter(|_| fields.chosen & 0x80 != 0);
    let subprotocol = fields.subprotocols.get(usize::from(fields.chosen & 0x7f)).copied();
    let accept = server::Accept { subprotocol, extensions, headers: &[] };
    let mut response = Vec::new();
    upgrade.accept(&accept, &Config::default(), &mut response).expect("what was offered can be accepted");

    let key = head.all("Sec-WebSocket-Key")[0];
    let offered = head.elements("Sec-WebSocket-Extensions");
    let offered = offered.iter().filter_map(|one| str::from_utf8(one).ok()?.split(';').next());
    let offered: Vec<&str> = offered.map(|name| name.trim_matches([' ', '\t'])).collect();
    let verdict = Head::new(&response).response(&accept_value(key), &fields.subprotocols, &offered);
    assert!(verdict.allows_acceptance(), "{verdict:?}");

    let mut storage = HeaderStorage::new();
    let (response, _) = client::parse_response(&response, &mut storage).expect("proper").expect("whole");
    response
        .accept(&asked, &fields.nonce, &Config::default(), || [0; 4])
        .expect("what was accepted is accepted");
    assert_eq!(response.subprotocol(), subprotocol);
});

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
