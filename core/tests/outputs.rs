//! Sinks of every kind: a frame comes out the same, whole or not at all, in one piece or in several.

mod support;

use proptest::prelude::*;
use sansws::{
    BinaryChunk, Carried, Config, Connection, MAX_PAYLOAD_LEN, MaskingKey, MessageKind, Opcode, Output,
    OutputFull, SendError, SliceOutput, TextChunk, copy_masked,
};
use support::*;

/// Takes bytes and masks none itself.
#[derive(Default)]
struct Plain(Vec<u8>);

impl Output for Plain {
    fn reserve(&mut self, _: usize) -> Result<(), OutputFull> {
        Ok(())
    }

    fn write_reserved(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// An echo of chunks sends each as a fragment (§5.4).
#[test]
fn binary_chunks_become_fragments() {
    let (mut connection, mut out) = (server(), Vec::new());
    for (payload, first, last) in [(&mut b"ab"[..].to_vec(), true, false), (&mut b"c".to_vec(), false, true)]
    {
        let chunk = BinaryChunk { payload, first, last, remaining: 0 };
        connection.send_binary_chunk(&chunk, &mut out).unwrap();
    }
    assert_eq!(out, b"\x02\x02ab\x80\x01c");
}

/// §5.2: "If 127, the following 8 bytes interpreted as a 64-bit unsigned integer (the most
/// significant bit MUST be 0) are the payload length."
#[test]
fn the_longest_header_has_63_bits_of_length() {
    let header = server().frame_header(MessageKind::Binary, MAX_PAYLOAD_LEN).unwrap();
    assert_eq!(header.as_bytes(), b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff");
    assert_eq!(server().frame_header(MessageKind::Binary, MAX_PAYLOAD_LEN + 1), Err(SendError::TooLong));
}

/// A short frame may be lent as a whole, in one of some constant lengths, if there is so much room
/// behind it: at every length, and whatever room is left.
#[test]
fn a_frame_of_every_short_length_is_the_same_in_every_output() {
    let payload: Vec<u8> = (0..=255).chain(0..=255).collect();
    let lens = if cfg!(miri) { 120..130 } else { 0..300 };
    for connection in [server, client] {
        for len in lens.clone() {
            let payload = &payload[..len];
            let mut plain = Plain::default();
            connection().send_binary(payload, &mut plain).unwrap();
            let expected = plain.0;
            assert_eq!(parse(&expected), [(Opcode::Binary, true, payload.to_vec())]);
            for spare in [0, 1, 31, 32, 135, 136, 255, 256, 1000] {
                let mut out = Vec::with_capacity(3 + expected.len() + spare);
                out.extend_from_slice(b"abc");
                connection().send_binary(payload, &mut out).unwrap();
                assert_eq!((&out[..3], &out[3..]), (&b"abc"[..], &expected[..]), "{len} and {spare}");
                #[cfg(feature = "bytes")]
                {
                    let mut out = bytes::BytesMut::with_capacity(expected.len() + spare);
                    connection().send_binary(payload, &mut out).unwrap();
                    assert_eq!(out, expected, "{len} and {spare}");
                }
            }
            let mut bytes = vec![0; expected.len()];
            let mut slice = SliceOutput::new(&mut bytes);
            connection().send_binary(payload, &mut slice).unwrap();
            assert_eq!(slice.filled(), expected);
        }
    }
}

/// What is lent is what was asked for, or nothing is appended.
#[test]
fn an_output_lends_as_much_as_was_reserved_or_nothing() {
    for (len, capacity) in
        [(0, 0), (1, 300), (32, 300), (33, 300), (136, 300), (137, 300), (256, 300), (257, 300)]
    {
        let mut out = Vec::with_capacity(capacity);
        let lent = Output::lend_reserved(&mut &mut out, len).map(|place| place.len());
        assert_eq!(lent, (capacity >= 256 && len <= 256).then_some(len), "{len}");
        assert_eq!(out.len(), lent.unwrap_or(0));
    }
    let mut bytes = [0; 4];
    let mut slice = SliceOutput::new(&mut bytes);
    slice.lend_reserved(3).unwrap().copy_from_slice(b"abc");
    assert_eq!(slice.filled(), b"abc");
    assert_eq!(Plain::default().lend_reserved(1), None);
}

#[test]
fn a_borrowed_output_returns_the_key_for_what_follows() {
    let (mut out, key) = (Vec::new(), [1, 2, 3, 4]);
    let rotated = Output::write_masked(&mut &mut out, key, &[0; 5]);
    assert_eq!((out, rotated), (vec![1, 2, 3, 4, 1], [2, 3, 4, 1]));
}

/// A ring of memory, as that of a network chip.
struct Ring {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Ring {
    fn free(&mut self, len: usize) -> (&mut [u8], &mut [u8]) {
        let at = (self.start + self.len) % self.bytes.len();
        self.len += len;
        let first = len.min(self.bytes.len() - at);
        let (head, tail) = self.bytes.split_at_mut(at);
        (&mut tail[..first], &mut head[..len - first])
    }

    fn filled(&self) -> Vec<u8> {
        self.bytes.iter().cycle().skip(self.start).take(self.len).copied().collect()
    }
}

impl Output for Ring {
    fn reserve(&mut self, len: usize) -> Result<(), OutputFull> {
        if len <= self.bytes.len() - self.len { Ok(()) } else { Err(OutputFull) }
    }

    fn write_reserved(&mut self, bytes: &[u8]) {
        let (first, second) = self.free(bytes.len());
        let (head, tail) = bytes.split_at(first.len());
        first.copy_from_slice(head);
        second.copy_from_slice(tail);
    }

    fn write_masked(&mut self, key: MaskingKey, bytes: &[u8]) -> MaskingKey {
        let (first, second) = self.free(bytes.len());
        let (head, tail) = bytes.split_at(first.len());
        copy_masked(copy_masked(key, head, first), tail, second)
    }
}

/// Text and binary messages, whole, in fragments, as chunks that are sent on, and control frames.
fn send_all(connection: &mut Connection, payload: &[u8], out: &mut dyn Output) -> Result<(), SendError> {
    let text = "é".repeat(payload.len() / 2);
    connection.send_binary(payload, out)?;
    connection.send(&text, out)?;
    connection.send_binary_fragment(payload, false, out)?;
    connection.send_ping(&payload[..payload.len().min(125)], out)?;
    connection.send_binary_fragment(payload, true, out)?;
    let carried = Carried::new('🦀').unwrap();
    connection
        .send_text_chunk(&TextChunk { carried, text: &text, first: true, last: false, remaining: 0 }, out)?;
    connection
        .send_text_chunk(&TextChunk { carried, text: "", first: false, last: true, remaining: 0 }, out)?;
    let mut copy = payload.to_vec();
    connection
        .send_binary_chunk(&BinaryChunk { payload: &mut copy, first: true, last: true, remaining: 0 }, out)?;
    connection.close(1000.into(), "reason", out)
}

proptest! {
    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn a_frame_is_the_same_in_every_output(
        payload in prop::collection::vec(any::<u8>(), 0..1500), start in 0..20_000_usize,
    ) {
        for connection in [server, client] {
            let mut expected = Vec::new();
            send_all(&mut connection(), &payload, &mut expected).unwrap();
            let mut plain = Plain::default();
            send_all(&mut connection(), &payload, &mut plain).unwrap();
            prop_assert_eq!(&plain.0, &expected);
            let mut ring = Ring { bytes: vec![0; 20_000], start, len: 0 };
            send_all(&mut connection(), &payload, &mut ring).unwrap();
            prop_assert_eq!(ring.filled(), &expected[..]);
            let mut bytes = vec![0; expected.len()];
            let mut slice = SliceOutput::new(&mut bytes);
            send_all(&mut connection(), &payload, &mut slice).unwrap();
            prop_assert_eq!(slice.filled(), &expected);
            // The octets are those that were sent, and one byte less of room is one frame less.
            let frames = parse(&expected);
            prop_assert_eq!(&frames[0].2, &payload);
            prop_assert_eq!(&frames[5].2[..4], "🦀".as_bytes());
            let mut bytes = vec![0; expected.len() - 1];
            let mut slice = SliceOutput::new(&mut bytes);
            prop_assert_eq!(send_all(&mut connection(), &payload, &mut slice), Err(SendError::OutputFull));
            prop_assert_eq!(parse(slice.filled()).len(), frames.len() - 1);
        }
    }

    /// The header that is asked for and the payload that the caller writes are the frame that would have been sent.
    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn headers_for_vectored_writes_are_those_of_the_frames(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..5),
        long in 0..70_000_usize,
    ) {
        let config = Config::new().compression(true);
        for role in [Connection::server(&config), Connection::client(&config, || KEY)] {
            for compressed in [false, true] {
                let (mut sent, mut asked) = (Vec::new(), Vec::new());
                let (mut sender, mut asker) = (role.clone(), role.clone());
                let long = vec![7; long];
                for (i, payload) in payloads.iter().chain([&long]).enumerate() {
                    let last = i == payloads.len();
                    let header = if compressed {
                        sender.send_compressed_fragment(MessageKind::Binary, payload, last, &mut sent).unwrap();
                        asker.compressed_fragment_header(MessageKind::Binary, payload.len() as u64, last)
                    } else {
                        sender.send_binary_fragment(payload, last, &mut sent).unwrap();
                        asker.fragment_header(MessageKind::Binary, payload.len() as u64, last)
                    }
                    .unwrap();
                    asked.extend_from_slice(header.as_bytes());
                    match header.masking_key() {
                        Some(key) => drop(Output::write_masked(&mut asked, key, payload)),
                        None => asked.extend_from_slice(payload),
                    }
                }
                prop_assert_eq!(&asked, &sent);
                prop_assert!(asker.frame_header(MessageKind::Text, 1).is_ok(), "the message has ended");
            }
        }
    }
}

/// What was received is sent on, the code point that was cut included: the headline example echoed `x` and `y` for `xäy`.
#[test]
fn chunks_that_are_sent_on_lose_nothing() {
    let bytes = masked(0x81, "xäy".as_bytes());
    let (mut connection, mut out) = (server(), Vec::new());
    let (head, tail) = bytes.split_at(8);
    for piece in [head, tail] {
        let mut piece = piece.to_vec();
        let mut input = &mut piece[..];
        while let Some(event) = connection.receive(&mut input) {
            let sansws::Event::Text(chunk) = event else { panic!("{event:?}") };
            connection.send_text_chunk(&chunk, &mut out).unwrap();
        }
    }
    let mut watcher = Watcher::default();
    watcher.feed(&mut client(), &out);
    assert_eq!(watcher.seen, [text("xäy")]);
}
