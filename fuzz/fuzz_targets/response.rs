//! A response of any bytes: nothing panics, it may arrive in any pieces, and it is accepted only if it is what §4.1 wants.

#![no_main]

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
    let Ok(Some((response, used))) = client::parse_response(bytes, &mut storage) else { return };
    assert_eq!(HeadReader::new(usize::MAX).find_end(bytes), Ok(Some(used)));
    assert!((100..=999).contains(&response.status()) || response.status() < 100);
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
    if let Ok(connection) = response.accept(&request, nonce, &Config::default(), || [0; 4]) {
        assert_eq!(connection.role(), Role::Client);
        assert_eq!(response.status(), 101);
        let headers = response.headers();
        assert!(
            headers.contains_token("Upgrade", "websocket") && headers.contains_token("Connection", "upgrade")
        );
        assert_eq!(headers.get("Sec-WebSocket-Accept"), Some(&b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="[..]));
        assert!(response.subprotocol().is_none_or(|chosen| request.subprotocols.contains(&chosen)));
        assert!(response.extensions().all(|extension| extension.name == "permessage-deflate"));
    }
});
