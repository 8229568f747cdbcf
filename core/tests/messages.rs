//! Layer 3: messages collected, buffers that are lent, requests that arrive in pieces.

mod support;

use sansws::handshake::server::Acceptor;
use sansws::{Assembler, BinaryChunk, Config, Message, TextChunk};
use support::*;

fn collect(assembler: &mut Assembler, len: usize) {
    let (mut head, mut tail) = (vec![1; len], [2]);
    assert_eq!(assembler.binary(BinaryChunk { payload: &mut head, first: true, last: false }), None);
    let message = assembler.binary(BinaryChunk { payload: &mut tail, first: false, last: true });
    assert_eq!(message.map(|message| message.as_bytes().len()), Some(len + 1));
}

#[test]
fn an_assembler_owns_memory_only_after_a_message_in_pieces() {
    let mut assembler = Assembler::new();
    assert_eq!((assembler.capacity(), assembler.release()), (0, None));
    let whole = TextChunk { carried: None, text: "whole", first: true, last: true };
    assert_eq!(assembler.text(whole), Some(Message::Text("whole")));
    assert_eq!(assembler.capacity(), 0);
    collect(&mut assembler, 1000);
    let buffer = assembler.release().expect("a buffer");
    assert!(buffer.is_empty() && buffer.capacity() > 1000);
    assert_eq!(assembler.capacity(), 0);
}

#[test]
fn a_buffer_is_lent_to_one_that_has_none_and_is_not_taken_amid_a_message() {
    let mut assembler = Assembler::new();
    assert_eq!(assembler.lend(Vec::from([9; 100])), None);
    assert_eq!(assembler.capacity(), 100);
    assert_eq!(assembler.lend(vec![7]), Some(vec![7]), "it has one");
    let piece = |text, first, last| TextChunk { carried: None, text, first, last };
    assert_eq!(assembler.text(piece("a", true, false)), None);
    assert_eq!(assembler.release(), None);
    assert_eq!(assembler.text(piece("b", false, true)), Some(Message::Text("ab")));
    assert_eq!(assembler.release().map(|buffer| buffer.capacity()), Some(100));
}

#[test]
fn what_a_failed_connection_had_begun_can_be_forgotten() {
    let mut assembler = Assembler::new();
    let mut payload = [1; 100];
    assert_eq!(assembler.binary(BinaryChunk { payload: &mut payload, first: true, last: false }), None);
    assert_eq!(assembler.release(), None);
    assembler.reset();
    assert!(assembler.release().is_some());
}

#[test]
fn text_and_binary_messages_take_turns() {
    let mut stream =
        [masked(0x01, b"te"), masked(0x80, b"xt"), masked(0x02, b"\xff"), masked(0x80, b"\xfe")].concat();
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
    for cut in 0..=bytes.len() {
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
        // Ready for another request.
        let mut again = REQUEST.to_vec();
        assert!(acceptor.receive(&mut &mut again[..], &Config::default(), &mut out).unwrap().is_some());
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
}
