//! Layer 3: messages collected, buffers that are lent, requests that arrive in pieces.

mod support;

use sansws::handshake::HandshakeError;
use sansws::handshake::server::{self, Acceptor};
use sansws::{
    Assembler, BinaryChunk, Carried, Config, Message, MessageKind, Output, OutputFull, Prepared, SendError,
    SliceOutput, TextChunk,
};
use support::*;

fn collect(assembler: &mut Assembler, len: usize) {
    let (mut head, mut tail) = (vec![1; len], [2]);
    assert_eq!(
        assembler.binary(BinaryChunk { payload: &mut head, first: true, last: false, remaining: 0 }),
        Ok(None)
    );
    let message =
        assembler.binary(BinaryChunk { payload: &mut tail, first: false, last: true, remaining: 0 }).unwrap();
    assert_eq!(message.map(|message| message.as_bytes().len()), Some(len + 1));
}

#[test]
fn an_assembler_owns_memory_only_after_a_message_in_pieces() {
    let mut assembler = Assembler::new();
    assert_eq!((assembler.capacity(), assembler.release()), (0, None));
    let whole = TextChunk { carried: Carried::NONE, text: "whole", first: true, last: true, remaining: 0 };
    assert_eq!(assembler.text(whole).unwrap(), Some(Message::Text("whole")));
    assert_eq!(assembler.capacity(), 0);
    let mut stream = [masked(0x82, &[1; 100]), masked(0x81, &[b'a'; 100])].concat();
    let (mut connection, mut input) = (server(), &mut stream[..]);
    assert_eq!(assembler.receive(&mut connection, &mut input), Some(Message::Binary(&[1; 100])));
    assert_eq!(assembler.receive(&mut connection, &mut input).map(Message::kind), Some(MessageKind::Text));
    assert_eq!(assembler.capacity(), 0, "lent on, not collected");
    collect(&mut assembler, 1000);
    let buffer = assembler.release().expect("a buffer");
    assert!(buffer.capacity() > 1000);
    assert_eq!(assembler.capacity(), 0);
}

#[test]
fn a_buffer_is_lent_to_one_that_has_none_and_is_not_taken_amid_a_message() {
    let mut assembler = Assembler::new();
    assert_eq!(assembler.lend(Vec::from([9; 100])), None);
    assert_eq!(assembler.capacity(), 100);
    assert_eq!(assembler.lend(vec![7]), Some(vec![7]), "it has one");
    let piece = |text, first, last| TextChunk { carried: Carried::NONE, text, first, last, remaining: 0 };
    assert_eq!(assembler.text(piece("a", true, false)).unwrap(), None);
    assert_eq!(assembler.release(), None);
    assert_eq!(assembler.text(piece("b", false, true)).unwrap(), Some(Message::Text("ab")));
    assert_eq!(assembler.release().map(|buffer| buffer.capacity()), Some(100));
    // Not even where the message has no bytes yet.
    assert_eq!(assembler.text(piece("", true, false)).unwrap(), None);
    assert_eq!(assembler.lend(vec![7]), Some(vec![7]));
}

#[test]
fn a_buffer_that_is_much_too_large_shrinks_and_keeps_its_message() {
    for (lent, len, expected) in
        [(10_000, 100, 200), (10_000, 2_499, 4_998), (10_000, 2_500, 10_000), (100, 0, 0)]
    {
        let mut assembler = Assembler::new();
        assert_eq!(assembler.lend(Vec::with_capacity(lent)), None);
        let mut payload = vec![1; len];
        assert_eq!(
            assembler.binary(BinaryChunk { payload: &mut payload, first: true, last: false, remaining: 0 }),
            Ok(None)
        );
        assembler.shrink();
        assert_eq!(assembler.capacity(), expected, "{len} bytes in {lent}");
        let mut last = [2];
        let end = assembler
            .binary(BinaryChunk { payload: &mut last, first: false, last: true, remaining: 0 })
            .unwrap();
        assert_eq!(end, Some(Message::Binary(&[&vec![1; len][..], &[2]].concat())));

        let mut assembler = Assembler::new();
        assert_eq!(assembler.lend(Vec::with_capacity(lent)), None);
        let text = "a".repeat(len);
        assert_eq!(
            assembler.text(TextChunk {
                carried: Carried::NONE,
                text: &text,
                first: true,
                last: false,
                remaining: 0
            }),
            Ok(None)
        );
        assembler.shrink();
        assert_eq!(assembler.capacity(), expected, "{len} bytes of text in {lent}");
        let end = assembler
            .text(TextChunk { carried: Carried::NONE, text: "b", first: false, last: true, remaining: 0 })
            .unwrap();
        assert_eq!(end, Some(Message::Text(&(text + "b"))));
    }
}

#[test]
fn what_a_failed_connection_had_begun_can_be_forgotten() {
    let mut assembler = Assembler::new();
    let mut payload = [1; 100];
    assert_eq!(
        assembler.binary(BinaryChunk { payload: &mut payload, first: true, last: false, remaining: 0 }),
        Ok(None)
    );
    assert_eq!(assembler.release(), None);
    assembler.reset();
    assert!(assembler.release().is_some());
}

#[test]
fn text_and_binary_messages_take_turns() {
    // The Pings keep the fragments from being one chunk.
    let in_two = |first, a, b| [masked(first, a), masked(0x89, b""), masked(0x80, b)].concat();
    let mut stream = [in_two(0x01, b"te", b"xt"), in_two(0x02, b"\xff", b"\xfe")].concat();
    let (mut server, mut assembler) = (server(), Assembler::new());
    let mut input = &mut stream[..];
    assert_eq!(assembler.receive(&mut server, &mut input), Some(Message::Text("text")));
    assert_eq!(assembler.receive(&mut server, &mut input), Some(Message::Binary(b"\xff\xfe")));
    assert_eq!(assembler.receive(&mut server, &mut input), None);
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Rule R-4.2.2-d.
#[test]
fn a_request_may_be_cut_anywhere_and_frames_may_follow_it() {
    let bytes = [REQUEST, &masked(0x81, b"hi")].concat();
    for cut in (0..=bytes.len()).step_by(if cfg!(miri) { 29 } else { 1 }) {
        let (mut acceptor, mut out, mut rest, mut opened) =
            (Acceptor::default(), Vec::new(), Vec::new(), None);
        let mut bytes = bytes.clone();
        let (head, tail) = bytes.split_at_mut(cut);
        for mut input in [head, tail] {
            if opened.is_none() {
                opened = acceptor.receive(&mut input, &Config::default(), &mut out).unwrap();
            }
            rest.extend_from_slice(input);
        }
        let mut watcher = Watcher::default();
        watcher.feed(&mut opened.expect("a connection"), &rest);
        assert_eq!(watcher.seen, [text("hi")], "cut at {cut}");
        // It has no other connection to give, and leaves alone what is for the one it gave.
        let (mut again, len) = (REQUEST.to_vec(), out.len());
        let mut input = &mut again[..];
        assert!(acceptor.receive(&mut input, &Config::default(), &mut out).unwrap().is_none());
        assert_eq!((input.len(), out.len()), (REQUEST.len(), len));
    }
}

#[test]
fn a_request_is_refused_once() {
    let (mut acceptor, mut out) = (Acceptor::default(), Vec::new());
    let mut bytes = b"POST / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    assert!(acceptor.receive(&mut &mut bytes[..], &Config::default(), &mut out).is_err());
    assert!(out.starts_with(b"HTTP/1.1 405 "));
    let len = out.len();
    assert!(acceptor.receive(&mut &mut bytes[..], &Config::default(), &mut out).is_err());
    assert_eq!(out.len(), len);
}

/// Attack A-02.
#[test]
fn a_head_without_an_end_is_refused_and_not_kept() {
    let (mut acceptor, mut out) = (Acceptor::default(), Vec::new());
    let mut line = [b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'x'; 100_000]].concat();
    assert!(acceptor.receive(&mut &mut line[..], &Config::default(), &mut out).is_err());
    assert!(out.starts_with(b"HTTP/1.1 431 "));
    assert_eq!(format!("{acceptor:?}"), "Acceptor { head_len: 0, refused: Some(HeadTooLong), .. }");
}

#[test]
fn a_request_waits_for_room_to_accept_it() {
    let bytes = [REQUEST, &masked(0x81, b"hi")].concat();
    for cut in [1, REQUEST.len() - 1, REQUEST.len(), bytes.len()] {
        let (mut acceptor, mut bytes) = (Acceptor::default(), bytes.clone());
        let (head, tail) = bytes.split_at_mut(cut);
        let (mut small, mut large) = ([0; 100], [0; 200]);
        let (mut small, mut large) = (SliceOutput::new(&mut small), SliceOutput::new(&mut large));
        // Without the last byte of the request nothing has to be written.
        let mut input = head;
        let mut result = acceptor.receive(&mut input, &Config::default(), &mut small);
        let mut rest = input.to_vec();
        if matches!(result, Ok(None)) {
            let mut input = tail;
            result = acceptor.receive(&mut input, &Config::default(), &mut small);
            rest = input.to_vec();
        } else {
            rest.extend_from_slice(tail);
        }
        assert_eq!(result.err(), Some(HandshakeError::OutputFull), "cut at {cut}");
        let again = acceptor.receive(&mut &mut rest[..], &Config::default(), &mut small);
        assert_eq!(again.err(), Some(HandshakeError::OutputFull), "cut at {cut}");
        assert!(small.is_empty());
        let mut input = &mut rest[..];
        let mut connection =
            acceptor.receive(&mut input, &Config::default(), &mut large).unwrap().expect("a connection");
        assert!(large.filled().starts_with(b"HTTP/1.1 101 "));
        let mut watcher = Watcher::default();
        watcher.feed(&mut connection, input);
        assert_eq!(watcher.seen, [text("hi")], "cut at {cut}");
    }
    // The short way is asked again, too.
    let mut small = [0; 128];
    let mut small = SliceOutput::new(&mut small);
    let result = server::accept(REQUEST, &Config::default(), &mut small);
    assert_eq!(result.err(), Some(HandshakeError::OutputFull));
    assert!(small.is_empty());
    assert!(server::accept(REQUEST, &Config::default(), &mut Vec::new()).unwrap().is_some());
}

#[test]
fn a_message_is_made_of_text_or_octets_and_sent() {
    let string = String::from("abc");
    let (array, vec) = (*b"\xff\xfe", vec![0xff, 0xfe]);
    let (is_text, is_binary) = (unmasked(0x81, b"abc"), unmasked(0x82, b"\xff\xfe"));
    let sent = |message: Message<'_>| {
        let mut out = Vec::new();
        server().send(message, &mut out).unwrap();
        out
    };
    for message in [Message::from("abc"), Message::from(&string)] {
        assert_eq!((message, message.as_bytes()), (Message::Text("abc"), &b"abc"[..]));
        assert_eq!(sent(message), is_text);
    }
    for message in [Message::from(&array), Message::from(&vec), Message::from(&vec[..])] {
        assert_eq!((message, message.as_bytes()), (Message::Binary(b"\xff\xfe"), &b"\xff\xfe"[..]));
        assert_eq!(sent(message), is_binary);
    }
}

#[test]
fn a_message_that_is_kept_has_the_bytes_of_what_was_lent() {
    for message in [Message::Text("aä"), Message::Binary(b"\xff\xfe")] {
        let owned = message.into_owned();
        assert_eq!((owned.as_message(), owned.as_bytes()), (message, message.as_bytes()));
        #[cfg(feature = "bytes")]
        assert_eq!(bytes::Bytes::from(owned), message.as_bytes());
    }
}

#[test]
fn what_is_empty_says_so() {
    let carried = Carried::new('ä').unwrap();
    assert!(Carried::NONE.is_empty() && !carried.is_empty());
    let chunk = |carried, text| TextChunk { carried, text, first: true, last: true, remaining: 0 };
    assert!(chunk(Carried::NONE, "").is_empty());
    assert!(!chunk(Carried::NONE, "a").is_empty() && !chunk(carried, "").is_empty());
}

#[test]
fn a_prepared_message_gives_up_its_frame() {
    assert_eq!(Prepared::text("abc").into_frame(), unmasked(0x81, b"abc"));
    assert_eq!(Prepared::binary(&[7; 200]).into_frame(), unmasked(0x82, &[7; 200]));
}

#[test]
fn whole_messages_are_lent_on_and_pieces_are_collected_whichever_way_they_come() {
    let stream = [
        masked(0x81, b"whole"),
        masked(0x01, b"in "),
        masked(0x89, b"ping"),
        masked(0x80, b"pieces"),
        masked(0x82, b"\xff"),
        masked(0x02, b"\xfe"),
        masked(0x8a, b""),
        masked(0x80, b"\xfd"),
    ]
    .concat();
    let expected = [
        Message::Text("whole"),
        Message::Text("in pieces"),
        Message::Binary(b"\xff"),
        Message::Binary(b"\xfe\xfd"),
    ];

    let (mut connection, mut assembler, mut bytes) = (server(), Assembler::new(), stream.clone());
    let (mut input, mut count) = (&mut bytes[..], 0);
    while let Some(event) = connection.receive(&mut input) {
        if let Some(message) = assembler.push(event).unwrap() {
            assert_eq!(message, expected[count]);
            count += 1;
        }
    }
    assert_eq!(count, expected.len());

    let (mut connection, mut assembler, mut bytes) = (server(), Assembler::new(), stream);
    let mut input = &mut bytes[..];
    for message in expected {
        assert_eq!(assembler.receive(&mut connection, &mut input), Some(message));
    }
    assert_eq!(assembler.receive(&mut connection, &mut input), None);
}

#[test]
fn a_code_point_that_was_cut_comes_before_the_text_behind_it() {
    let chunk = TextChunk {
        carried: Carried::new('🦀').unwrap(),
        text: "bc",
        first: false,
        last: true,
        remaining: 0,
    };
    assert_eq!((chunk.parts(), chunk.len(), chunk.is_empty()), (["🦀", "bc"], 6, false));
    for (c, len) in [('é', 2), ('€', 3), ('🦀', 4)] {
        let carried = Carried::new(c).unwrap();
        assert_eq!((carried.to_char(), carried.len(), carried.is_empty()), (Some(c), len, false));
        assert_eq!(format!("{carried:?}"), format!("Some({c:?})"));
    }
    assert_eq!((Carried::NONE.as_str(), Carried::NONE.len(), Carried::new('a')), ("", 0, None));
    assert_eq!(chunk.chars().collect::<String>(), "🦀bc");
    let mut message = String::from("a");
    chunk.append_to(&mut message);
    assert_eq!(message, "a🦀bc");
}

#[test]
fn a_whole_chunk_begins_and_ends_its_message() {
    for (first, last) in [(false, false), (false, true), (true, false), (true, true)] {
        let chunk = TextChunk { carried: Carried::NONE, text: "a", first, last, remaining: 0 };
        assert_eq!(chunk.whole(), (first && last).then_some("a"));
        let chunk = BinaryChunk { payload: &mut [1], first, last, remaining: 0 };
        assert_eq!(chunk.into_whole().is_ok(), first && last);
    }
}

#[test]
fn a_borrowed_output_is_the_output() {
    fn send(mut out: impl Output) {
        server().send_text("hi", &mut out).unwrap();
    }
    let (mut grows, mut bytes) = (Vec::new(), [0; 3]);
    send(&mut grows);
    assert_eq!(grows, unmasked(0x81, b"hi"));
    let mut full = SliceOutput::new(&mut bytes);
    assert_eq!(server().send_text("hi", &mut &mut full), Err(SendError::OutputFull));
    assert!(full.is_empty());
}

#[test]
fn what_was_reserved_fits_and_what_no_memory_holds_is_refused() {
    let mut out = Vec::from(*b"already");
    assert_eq!(Output::reserve(&mut out, 1000), Ok(()));
    assert!(out.capacity() >= 7 + 1000);
    assert_eq!(Output::reserve(&mut out, usize::MAX), Err(OutputFull));
    assert_eq!(out, b"already");
    let mut bytes = [0; 4];
    let mut out = SliceOutput::new(&mut bytes);
    assert!(out.is_empty());
    server().send_text("hi", &mut out).unwrap();
    assert!(!out.is_empty());
}

#[cfg(feature = "bytes")]
#[test]
fn a_shared_buffer_is_an_output_too() {
    let mut out = bytes::BytesMut::new();
    Output::reserve(&mut out, 1000).unwrap();
    assert!(out.capacity() >= 1000);
    // More than an allocation can have is no panic.
    for len in [usize::MAX, isize::MAX as usize + 1] {
        assert_eq!(Output::reserve(&mut out, len), Err(OutputFull));
    }
    out.extend_from_slice(b"!");
    for len in [usize::MAX, isize::MAX as usize] {
        assert_eq!(Output::reserve(&mut out, len), Err(OutputFull));
    }
    let mut out = bytes::BytesMut::new();
    client().send_text("hi", &mut out).unwrap();
    client().send_binary(&[7; 17_000], &mut out).unwrap();
    assert_eq!(out, [masked(0x81, b"hi"), masked(0x82, &[7; 17_000])].concat());
    assert_eq!(Message::Text("hi").to_bytes(), b"hi"[..]);
}
