//! Whatever arrives.

use proptest::prelude::*;

use super::*;

/// Bytes that come near a request.
fn near_request() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        4 => proptest::sample::select(&LINES[1..]).prop_map(|line| line.as_bytes().to_vec()),
        1 => "(Upgrade|Connection|Host|Origin|Content-Length|Sec-WebSocket-(Key|Version|Protocol|Extensions)): ?[ -~]{0,12}"
            .prop_map(String::into_bytes),
        1 => "Sec-WebSocket-(Protocol|Extensions):[a-c;,=\"\\\\ ]{0,16}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..12),
    ];
    let first = prop_oneof![
        8 => Just(LINES[0].as_bytes().to_vec()),
        1 => "[A-Z]{0,4} [ -~]{0,12} HTTP/1\\.[01]".prop_map(String::into_bytes),
    ];
    (first, proptest::collection::vec(line, 0..9), any::<bool>()).prop_map(|(first, lines, whole)| {
        let mut head = first;
        for line in lines {
            head.extend_from_slice(b"\r\n");
            head.extend_from_slice(&line);
        }
        head.extend_from_slice(if whole { b"\r\n\r\n" } else { b"\r\n" });
        head
    })
}

fn look_at_everything(input: &[u8]) {
    let (result, response) = accept(input);
    match result {
        Ok(None) => assert!(response.is_empty()),
        Ok(Some(used)) => {
            assert!(used <= input.len() && input[..used].ends_with(b"\r\n\r\n"));
            assert!(response.starts_with("HTTP/1.1 101 "));
        }
        Err(error) => {
            assert!((400..=599).contains(&error.status()));
            assert!(response.starts_with(&format!("HTTP/1.1 {} ", error.status())));
            assert!(response.ends_with(&format!("{error}\n")));
        }
    }
    let mut storage = HeaderStorage::<8>::default();
    if let Ok(Some((request, _))) = server::Request::parse(input, &mut storage) {
        let _ = (request.is_upgrade(), request.has_content(), request.is_cross_origin(false), request.host());
        assert!(!request.path().contains('?'));
        let _ = (request.query(), format!("{request:?}"));
        if let Ok(upgrade) = request.upgrade() {
            for subprotocol in request.subprotocols() {
                let mut tx = [0; 1024];
                let accept = Accept::new().subprotocol(Some(subprotocol));
                upgrade.accept(&accept, &Config::default(), &mut SliceOutput::new(&mut tx)).unwrap();
            }
            assert!(request.extensions().map(|e| 1 + e.params().count()).sum::<usize>() < 64);
        }
    }
}

proptest! {
    /// Rule R-4.2.1-g. Attack A-03.
    #[test]
    fn any_bytes_end_in_a_connection_or_a_refusal_or_want_more(
        input in prop_oneof![proptest::collection::vec(any::<u8>(), 0..200), near_request()],
    ) {
        look_at_everything(&input);
    }

    /// Attack A-01.
    #[test]
    fn any_cuts_find_the_same_end(
        input in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..60),
            proptest::collection::vec(proptest::sample::select(b"\r\nG \0".as_slice()), 0..40),
            near_request(),
        ],
        max in 0_usize..300,
        step in 1_usize..20,
    ) {
        let whole = HeadReader::new(max).find_end(&input);
        let mut reader = HeadReader::new(max);
        let mut pieces = Ok(None);
        for end in (0..input.len()).step_by(step).chain([input.len()]) {
            pieces = reader.find_end(&input[..end]);
            if pieces != Ok(None) {
                break;
            }
        }
        prop_assert_eq!(pieces, whole);
        prop_assert!(reader.scanned() <= input.len().min(max));
    }

    /// Rule R-9.1-a.
    #[test]
    #[cfg_attr(miri, ignore = "its regular expressions take minutes")]
    fn an_offer_comes_back_as_it_was_written(
        list in proptest::collection::vec(
            ("[a-z][a-z0-9.-]{0,8}", proptest::collection::vec(
                ("[a-z_]{1,8}", proptest::option::of(("[a-z0-9]{1,6}", any::<bool>()))), 0..4)),
            1..5),
        blank in "[ \t]{0,2}",
        split in any::<bool>(),
    ) {
        let written: Vec<String> = list.iter().map(|(name, params)| {
            let mut text = name.clone();
            for (name, value) in params {
                text += &format!("{blank};{blank}{name}");
                match value {
                    Some((value, true)) => text += &format!("{blank}={blank}\"{value}\""),
                    Some((value, false)) => text += &format!("{blank}={blank}{value}"),
                    None => {}
                }
            }
            text
        }).collect();
        let between = if split { "\r\nSec-WebSocket-Extensions:".to_owned() } else { format!("{blank},{blank}") };
        let line = format!("Sec-WebSocket-Extensions: {}", written.join(&between));
        let input = request_with("", &[&line]);
        assert_accepted(&input);
        parsed(&input, |request| {
            let read: Vec<_> = request.extensions().map(|extension| {
                let params = extension.params().map(|p| (p.name.to_owned(), p.value.map(|v| v.to_string())));
                (extension.name.to_owned(), params.collect::<Vec<_>>())
            }).collect();
            let expected: Vec<_> = list.iter().map(|(name, params)| {
                let params = params.iter().map(|(name, value)| (name.clone(), value.clone().map(|(value, _)| value)));
                (name.clone(), params.collect::<Vec<_>>())
            }).collect();
            assert_eq!(read, expected);
        });
    }
}
