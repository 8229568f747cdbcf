//! A response of any bytes: nothing panics, it may arrive in any pieces, and it is accepted if and only if a second reading of §4.1 finds
//! nothing wrong with it.

#![no_main]

mod head;

use head::Head;
use libfuzzer_sys::fuzz_target;
use sansws::handshake::{HeadReader, HeaderStorage, client};
use sansws::{Config, Role};

fuzz_target!(|bytes: &[u8]| {
    let whole = HeadReader::new(8 * 1024).find_end(bytes);
    let mut reader = HeadReader::new(8 * 1024);
    let in_pieces =
        (0..=bytes.len()).map(|len| reader.find_end(&bytes[..len])).find(|found| *found != Ok(None));
    assert_eq!(in_pieces.unwrap_or(Ok(None)), whole, "byte by byte");

    let mut storage = HeaderStorage::new();
    let parsed = client::parse_response(bytes, &mut storage);
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
    let request = client::Request {
        subprotocols: &["chat", "superchat"],
        extensions: Some("permessage-deflate; client_max_window_bits"),
        ..client::Request::new("localhost", "/")
    };
    let connection = response.accept(&request, nonce, &Config::default(), || [0; 4]);
    assert_eq!(connection.is_ok(), verdict.allows_acceptance(), "{:?}, {verdict:?}", connection.err());
    if let Ok(connection) = connection {
        assert_eq!(connection.role(), Role::Client);
        assert!(response.subprotocol().is_none_or(|chosen| request.subprotocols.contains(&chosen)));
        assert!(response.extensions().all(|extension| extension.name == "permessage-deflate"));
    }
});
