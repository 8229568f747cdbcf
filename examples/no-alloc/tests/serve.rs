//! The heapless echo on a stream that is a script.

use sansws::handshake::{HeaderStorage, client};
use sansws::{Config, Connection, Event, MaskingKey};
use sansws_example_no_alloc::{Stream, serve};

const KEY: MaskingKey = [9, 8, 7, 6];

/// Hands out what a client wrote, in pieces, and keeps what comes back.
struct Script {
    input: Vec<u8>,
    piece: usize,
    output: Vec<u8>,
}

impl Stream for Script {
    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let len = self.piece.min(buffer.len()).min(self.input.len());
        buffer[..len].copy_from_slice(&self.input[..len]);
        self.input.drain(..len);
        len
    }

    fn write(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }
}

/// Runs a conversation; returns the messages that came back and the last close code.
fn converse(piece: usize, say: impl Fn(&mut Connection, &mut Vec<u8>)) -> (Vec<Vec<u8>>, u16) {
    let (request, nonce) = (client::Offer::new("localhost", "/"), [1; 16]);
    let mut input = Vec::new();
    request.write(&nonce, &mut input).unwrap();
    say(&mut Connection::client(&Config::default(), || KEY), &mut input);
    let mut script = Script { input, piece, output: Vec::new() };
    serve(&mut script);

    let mut storage = HeaderStorage::new();
    let (response, used) = client::Response::parse(&script.output, &mut storage).unwrap().unwrap();
    let mut ws = response.accept(&request, &nonce, &Config::default(), || KEY).unwrap();
    let mut frames = script.output[used..].to_vec();
    let mut rest = &mut frames[..];
    let (mut messages, mut message) = (Vec::new(), Vec::new());
    while let Some(event) = ws.receive(&mut rest) {
        match event {
            Event::Binary(chunk) => {
                message.extend_from_slice(chunk.payload);
                if chunk.last {
                    messages.push(std::mem::take(&mut message));
                }
            }
            Event::Close(_) => break,
            other => panic!("unexpected {other:?}"),
        }
    }
    (messages, ws.close_code().get())
}

#[test]
fn binary_messages_of_any_length_come_back() {
    for piece in [1, 7, 100, 1024] {
        let long: Vec<u8> = (0..5000_u32).map(|i| i as u8).collect();
        let (messages, code) = converse(piece, |ws, out| {
            ws.send_binary(b"short", out).unwrap();
            for _ in 0..300 {
                ws.send_binary(b"", out).unwrap();
            }
            ws.send_binary(&long, out).unwrap();
            ws.close(1000.into(), "", out).unwrap();
        });
        assert_eq!((messages.len(), code), (302, 1000), "in pieces of {piece}");
        assert_eq!((&messages[0][..], &messages[301]), (&b"short"[..], &long));
    }
}

#[test]
fn text_is_not_supported() {
    let (messages, code) = converse(50, |ws, out| ws.send_text("hello", out).unwrap());
    assert_eq!((messages.len(), code), (0, 1003));
}
