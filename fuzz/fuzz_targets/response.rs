//! A response of any bytes: nothing panics, it may arrive in any pieces, and it is accepted if and only if a second reading of §4.1 finds
//! nothing wrong with it.

#![no_main]

mod head;

use head::Head;
use libfuzzer_sys::fuzz_target;
use sansws::handshake::{DEFAULT_MAX_HEAD_LEN, HandshakeError, HeadReader, HeaderStorage, client};
use sansws::{Config, Role};

fuzz_target!(|bytes: &[u8]| {
    let whole = HeadReader::new(8 * 1024).find_end(bytes);
    let mut reader = HeadReader::new(8 * 1024);
    let in_pieces =
        (0..=bytes.len()).map(|len| reader.find_end(&bytes[..len])).find(|found| *found != Ok(None));
    assert_eq!(in_pieces.unwrap_or(Ok(None)), whole, "byte by byte");

    let mut storage = HeaderStorage::new();
    let parsed = client::Response::parse(bytes, &mut storage);
    let Ok(Some(end)) = HeadReader::new(usize::MAX).find_end(bytes) else {
        assert!(!matches!(parsed, Ok(Some(_))), "the head does not end");
        return;
    };
    let head = Head::new(&bytes[..end]);
    let verdict =
        head.response(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", &["chat", "superchat"], &["permessage-deflate"]);
    let Ok(Some((response, used))) = parsed else {
        assert!(!verdict.allows_acceptance(), "{parsed:?}");
        return;
    };
    assert_eq!(used, end);
    // Three digits, whatever they mean.
    assert_eq!(format!("{:03}", response.status()).as_bytes(), head.part(1));
    let _ = (response.reason(), response.is_interim(), response.content_length(), format!("{response:?}"));
    for extension in response.extensions() {
        let _ = extension
            .params()
            .filter_map(|param| param.value)
            .map(|value| value.chars().count())
            .sum::<usize>();
    }

    let nonce = b"the sample nonce";
    let request = client::Offer::new("localhost", "/")
        .subprotocols(&["chat", "superchat"])
        .extensions(Some("permessage-deflate; client_max_window_bits"));
    assert_connector_agrees(
        &request,
        bytes,
        end,
        (&response, response.accept(&request, nonce, &Config::default(), || [0; 4]).err()),
    );
    let connection = response.accept(&request, nonce, &Config::default(), || [0; 4]);
    assert_eq!(connection.is_ok(), verdict.allows_acceptance(), "{:?}, {verdict:?}", connection.err());
    if let Ok(connection) = connection {
        assert_eq!(connection.role(), Role::Client);
        assert!(response.subprotocol().is_none_or(|chosen| request.subprotocols.contains(&chosen)));
        assert!(response.extensions().all(|extension| extension.name == "permessage-deflate"));
    }
});

/// A `Connector` that gets the bytes in pieces comes to the same, and leaves what follows the head.
fn assert_connector_agrees(
    offer: &client::Offer<'_>,
    bytes: &[u8],
    end: usize,
    (response, error): (&client::Response<'_, '_>, Option<HandshakeError>),
) {
    if response.is_interim() || end > DEFAULT_MAX_HEAD_LEN {
        return;
    }
    let keys = (|| [0; 4]) as fn() -> [u8; 4];
    for size in [1, 7, bytes.len()] {
        let mut out = Vec::new();
        let mut connector = client::Connector::with_masking_keys(
            offer,
            b"the sample nonce",
            &Config::default(),
            keys,
            &mut out,
        )
        .expect("it can be written");
        let mut taken = 0;
        for piece in bytes.to_vec().chunks_mut(size) {
            let mut input = &mut piece[..];
            let (len, result) = (input.len(), connector.receive(&mut input));
            taken += len - input.len();
            if let Ok(None) = result {
                assert!(input.is_empty() && taken < end);
                continue;
            }
            assert_eq!((result.err(), taken), (error, end));
            let mut storage = HeaderStorage::new();
            let kept = connector.response(&mut storage).expect("the final response");
            assert_eq!((kept.status(), kept.headers().len()), (response.status(), response.headers().len()));
            break;
        }
        assert_eq!(taken, end);
    }
}
