//! RFC 6455 §10.4, and HTTP: the head and its limits.

use super::*;

#[test]
fn a_head_in_pieces_is_the_whole_head() {
    let input = request_with("", &["X: y"]);
    let mut reader = HeadReader::new(1024);
    for end in 0..input.len() {
        assert_eq!(reader.find_end(&input[..end]), Ok(None));
        assert_eq!(reader.scanned(), end);
        assert_eq!(accept(&input[..end]), (Ok(None), String::new()));
    }
    assert_eq!(reader.find_end(&input), Ok(Some(input.len())));
    assert_eq!(reader.find_end(b""), Ok(Some(input.len())), "the same in every later call");
}

/// Attack A-01.
#[test]
#[cfg_attr(miri, ignore = "what it shows is time")]
fn a_head_byte_by_byte_takes_linear_time() {
    // 1 MiB, one byte more in each call: were the bytes looked at again, that would be 10^12 looks.
    let mut input = b"GET / HTTP/1.1\r\nX: ".to_vec();
    input.resize(1 << 20, b'a');
    input.extend_from_slice(b"\r\n\r\n");
    let mut reader = HeadReader::new(usize::MAX);
    for end in 0..input.len() {
        assert_eq!(reader.find_end(&input[..end]), Ok(None));
    }
    assert_eq!(reader.find_end(&input), Ok(Some(input.len())));
}

#[test]
fn the_limit_is_the_last_length_that_passes() {
    let input = request_with("", &[]);
    assert_eq!(HeadReader::new(input.len()).find_end(&input), Ok(Some(input.len())));
    assert_eq!(HeadReader::new(input.len() - 1).find_end(&input), Err(HandshakeError::HeadTooLong));
    // As soon as it is certain, not when more arrives.
    let mut reader = HeadReader::new(10);
    assert_eq!(reader.find_end(b"GET / HTT"), Ok(None));
    assert_eq!(reader.find_end(b"GET / HTTP"), Err(HandshakeError::StartLineTooLong));
    assert_eq!(reader.find_end(b"GET / HTTP/1.1\r\n\r\n"), Err(HandshakeError::StartLineTooLong));
    let mut reader = HeadReader::new(17);
    assert_eq!(reader.find_end(b"GET / HTTP/1.1\r\n"), Ok(None));
    assert_eq!(reader.find_end(b"GET / HTTP/1.1\r\nA"), Err(HandshakeError::HeadTooLong));
    assert_eq!(reader.find_end(b"GET / HTTP/1.1\r\nA: b\r\n\r\n"), Err(HandshakeError::HeadTooLong));
    // Frames behind the head do not count.
    let mut long = request_with("", &[]);
    let used = long.len();
    long.extend_from_slice(&vec![0; 1 << 20]);
    assert_eq!(HeadReader::new(used).find_end(&long), Ok(Some(used)));
}

/// Attack A-02.
#[test]
fn a_head_over_8_kib_is_refused() {
    let input = request_with("", &[&format!("X: {}", "a".repeat(8 * 1024))]);
    assert_refused(&input, HandshakeError::HeadTooLong, 431);
    // RFC 9112 §3: "A server that receives a request-target longer than any URI it wishes to parse
    // MUST respond with a 414 (URI Too Long) status code".
    let input = request_with("GET", &[&format!("GET /{} HTTP/1.1", "a".repeat(8 * 1024))]);
    assert_refused(&input, HandshakeError::StartLineTooLong, 414);
    assert_refused(&vec![b'a'; 8 * 1024], HandshakeError::StartLineTooLong, 414);
    assert_eq!(accept(&vec![b'a'; 8 * 1024 - 1]).0, Ok(None));
    assert_refused(&b"\r\n".repeat(4 * 1024), HandshakeError::HeadTooLong, 431);
}

/// Attack A-02.
#[test]
fn more_than_64_headers_are_refused() {
    let with = |extra: usize| request_with("", &vec!["X: y"; extra]);
    assert_accepted(&with(64 - 5));
    assert_refused(&with(64 - 4), HandshakeError::TooManyHeaders, 431);
    let mut storage = HeaderStorage::new();
    assert_eq!(
        server::Request::parse(&with(2000), &mut storage).unwrap_err(),
        HandshakeError::TooManyHeaders
    );
    let mut storage = HeaderStorage::<4>::default();
    assert_eq!(server::Request::parse(&with(0), &mut storage).unwrap_err(), HandshakeError::TooManyHeaders);
    let mut storage = HeaderStorage::<5>::default();
    assert!(server::Request::parse(&with(0), &mut storage).unwrap().is_some());
}

/// Attack A-03.
#[test]
fn malformed_heads() {
    let broken: [&[u8]; 20] = [
        b"\0",
        b" GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", // a TLS ClientHello
        b"GET / HTTP/1.1\n\n",
        b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        b"\n",
        b"GET /\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1 \r\n\r\n",
        b"G\xc3\xa4T / HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", // folded
        b"GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost\r\n\r\n",
        b"GET / HTTP/1.1\r\n: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
        b"GET / HTTP/1.1\r\r\n\r\n",
    ];
    for input in broken {
        assert_refused(input, HandshakeError::MalformedHead, 400);
    }
}

#[test]
fn a_head_that_is_wrong_stays_wrong() {
    for head in [
        &b"GET / HTTP/1.1\nA: b\r\n\r\n"[..],
        b"\nGET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\n\r\n\r\n",
        b"\r\n GET / HTTP/1.1\r\n\r\n",
    ] {
        for step in [1, head.len()] {
            let mut reader = HeadReader::new(1024);
            let mut found = Ok(None);
            for end in (step..=head.len()).step_by(step) {
                let before = found;
                found = reader.find_end(&head[..end]);
                assert!(before == Ok(None) || before == found, "{}", head.escape_ascii());
            }
            for _ in 0..3 {
                assert_eq!(found, Err(HandshakeError::MalformedHead));
                found = reader.find_end(head);
            }
        }
    }
}

#[test]
fn empty_lines_before_the_request_are_skipped() {
    let mut input = b"\r\n\r\n".to_vec();
    input.extend_from_slice(&request_with("", &[]));
    assert_accepted(&input);
    assert_eq!(accept(b"\r\n\r\n\r\n").0, Ok(None));
}

#[test]
fn an_input_that_shrinks_is_no_panic() {
    let mut reader = HeadReader::new(100);
    assert_eq!(reader.find_end(b"GET / HTTP/1.1\r\nHo"), Ok(None));
    assert_eq!(reader.find_end(b"GET"), Ok(None));
    assert_eq!(reader.find_end(b""), Ok(None));
}
