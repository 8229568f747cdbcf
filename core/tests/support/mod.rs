//! What the protocol tests share: frames written by hand, and events that own what they show.

#![allow(dead_code, unreachable_pub, reason = "shared by test binaries, each of which uses a part")]

use sansws::{
    Assembler, Config, Connection, Event, FrameHeader, MaskingKey, Message, Opcode, ProtocolError, Rsv,
};

pub const KEY: MaskingKey = [0x37, 0xfa, 0x21, 0x3d];

/// An event that owns its payload; messages whole, whatever chunks they came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Failed(ProtocolError),
}

pub fn text(text: &str) -> Seen {
    Seen::Text(text.into())
}

pub fn binary(payload: &[u8]) -> Seen {
    Seen::Binary(payload.into())
}

pub fn close(code: u16, reason: &str) -> Seen {
    Seen::Close(Some((code, reason.into())))
}

/// Collects the events of one connection.
#[derive(Default)]
pub struct Watcher {
    messages: Assembler,
    pub seen: Vec<Seen>,
}

impl Watcher {
    /// Feeds `bytes` as one read and drains it. Returns what the connection then transmitted.
    pub fn feed(&mut self, connection: &mut Connection, bytes: &[u8]) -> Vec<u8> {
        let mut buffer = bytes.to_vec();
        let mut input = &mut buffer[..];
        let mut out = Vec::new();
        while let Some(event) = connection.receive(&mut input) {
            self.take(event);
            connection.poll_transmit(&mut out).unwrap();
        }
        assert!(input.is_empty(), "None means that the input is used up");
        connection.poll_transmit(&mut out).unwrap();
        out
    }

    pub fn take(&mut self, event: Event<'_, '_>) {
        assert!(
            !matches!(self.seen.last(), Some(Seen::Close(_) | Seen::Failed(_))),
            "an event after the last: {event:?}"
        );
        let seen = match event {
            Event::Text(chunk) => match self.messages.text(chunk).unwrap() {
                Some(Message::Text(text)) => Seen::Text(text.into()),
                _ => return,
            },
            Event::Binary(chunk) => match self.messages.binary(chunk).unwrap() {
                Some(Message::Binary(payload)) => Seen::Binary(payload.into()),
                _ => return,
            },
            Event::Ping(payload) => Seen::Ping(payload.into()),
            Event::Pong(payload) => Seen::Pong(payload.into()),
            Event::Close(frame) => Seen::Close(frame.map(|frame| (frame.code.get(), frame.reason.into()))),
            Event::Failed(error) => Seen::Failed(error),
            // What is in it is for an extension to say.
            Event::Compressed(_) => return,
            other => panic!("unexpected {other:?}"),
        };
        self.seen.push(seen);
    }
}

/// One frame, bit by bit: `first` is FIN, RSV1–3 and the opcode.
pub fn frame(first: u8, key: Option<MaskingKey>, payload: &[u8]) -> Vec<u8> {
    let mask_bit = if key.is_some() { 0x80 } else { 0 };
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(mask_bit | len as u8),
        len @ 126..=0xffff => {
            frame.push(mask_bit | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(mask_bit | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    if let Some(key) = key {
        frame.extend(key);
        frame.extend(payload.iter().enumerate().map(|(i, octet)| octet ^ key[i % 4]));
    } else {
        frame.extend(payload);
    }
    frame
}

/// A frame as a client sends it.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, Some(KEY), payload)
}

/// A frame as a server sends it.
pub fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, None, payload)
}

pub fn server() -> Connection {
    Connection::server(&Config::default())
}

pub fn client() -> Connection {
    Connection::client(&Config::default(), || KEY)
}

/// What a server sees in `bytes`, and what it transmits, the same for every way of cutting them that is tried:
/// whole, byte by byte, in two at every place (of a short stream), in pieces of 2, 3, 7 and 64.
pub fn server_sees(bytes: &[u8]) -> (Vec<Seen>, Vec<u8>) {
    sees(server, bytes)
}

/// The same for a client.
pub fn client_sees(bytes: &[u8]) -> (Vec<Seen>, Vec<u8>) {
    sees(client, bytes)
}

pub fn sees(connection: impl Fn() -> Connection, bytes: &[u8]) -> (Vec<Seen>, Vec<u8>) {
    let run = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let (mut connection, mut watcher, mut out) = (connection(), Watcher::default(), Vec::new());
        for piece in pieces {
            out.extend(watcher.feed(&mut connection, piece));
        }
        (watcher.seen, out)
    };
    let whole = run(&mut [bytes].into_iter());
    // A few under Miri, which is a thousand times slower.
    let (lens, step) = if cfg!(miri) { (vec![bytes.len() / 10 + 1], 23) } else { (vec![1, 2, 3, 7, 64], 1) };
    for len in lens {
        assert_eq!(run(&mut bytes.chunks(len)), whole, "in pieces of {len}");
    }
    if bytes.len() <= 200 {
        for cut in (0..=bytes.len()).step_by(step) {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(run(&mut [head, tail].into_iter()), whole, "cut at {cut}");
        }
    }
    whole
}

/// The frames in `bytes`, unmasked.
pub fn parse(mut bytes: &[u8]) -> Vec<(Opcode, bool, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some((header, len)) = FrameHeader::decode(bytes).unwrap() {
        assert_eq!(header.rsv, Rsv::NONE);
        let end = len + header.payload_len as usize;
        let mut payload = bytes[len..end].to_vec();
        if let Some(key) = header.masking_key {
            sansws::apply_mask(key, &mut payload);
        }
        frames.push((header.opcode, header.fin, payload));
        bytes = &bytes[end..];
    }
    assert!(bytes.is_empty(), "a frame is whole in the output or not there");
    frames
}

/// Asserts that a server fails the connection over `bytes` with `error`, and says so in a Close frame, whatever follows.
pub fn assert_server_fails(bytes: &[u8], error: ProtocolError) {
    assert_fails(server, bytes, error);
}

/// The same for a client.
pub fn assert_client_fails(bytes: &[u8], error: ProtocolError) {
    assert_fails(client, bytes, error);
}

pub fn assert_fails(connection: impl Fn() -> Connection, bytes: &[u8], error: ProtocolError) {
    // §7.4.1, in numbers.
    let code: u16 = match error {
        ProtocolError::InvalidUtf8 | ProtocolError::InvalidCloseReason => 1007,
        ProtocolError::FrameTooBig | ProtocolError::MessageTooBig => 1009,
        ProtocolError::TooManyFragments => 1008,
        _ => 1002,
    };
    // §7.1.7: what comes after the failure is not processed, legal or not.
    let mut stream = bytes.to_vec();
    for first in [0x81, 0x89] {
        stream.extend(masked(first, b"after"));
        stream.extend(unmasked(first, b"after"));
    }
    let (seen, out) = sees(connection, &stream);
    assert_eq!(seen.last(), Some(&Seen::Failed(error)), "{seen:?}");
    let (opcode, _, payload) = parse(&out).pop().expect("a Close frame");
    assert_eq!(opcode, Opcode::Close);
    assert_eq!(payload, code.to_be_bytes());
}
