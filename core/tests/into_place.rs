//! Long messages that are read straight into the memory where they are collected.

mod support;

use core::mem::size_of;

use proptest::prelude::*;
use sansws::{
    Assembler, BinaryChunk, Config, Connection, Message, MessageKind, OwnedMessage, ProtocolError,
    SliceAssembler,
};
use support::*;

/// What a driver does that reads into place where it can: `len` bytes at a time at the most. The messages come owned.
fn receive_into_place(
    connection: &mut Connection,
    messages: &mut Assembler,
    mut stream: &[u8],
    buffer: usize,
    in_place: impl Fn(usize) -> usize,
) -> Vec<OwnedMessage> {
    let mut received = Vec::new();
    while !stream.is_empty() {
        if let Some(space) = messages.space(connection) {
            assert!(!space.is_empty());
            let len = in_place(space.len()).min(space.len()).min(stream.len());
            space[..len].copy_from_slice(&stream[..len]);
            stream = &stream[len..];
            if let Some(message) = messages.filled(connection, len) {
                received.push(message.into_owned());
            }
            if len > 0 {
                continue;
            }
        }
        let (read, rest) = stream.split_at(buffer.min(stream.len()));
        stream = rest;
        let mut read = read.to_vec();
        let mut input = &mut read[..];
        while let Some(message) = messages.receive(connection, &mut input) {
            received.push(message.into_owned());
        }
    }
    received
}

fn message() -> impl Strategy<Value = OwnedMessage> {
    prop_oneof![
        "[aé€🦀]{0,400}".prop_map(OwnedMessage::Text),
        prop::collection::vec(any::<u8>(), 0..900).prop_map(OwnedMessage::Binary),
    ]
}

/// The message in fragments of these lengths, the last of which takes the rest, with Pings between them.
fn fragments(message: &OwnedMessage, lens: &[usize]) -> Vec<u8> {
    let message = message.as_message();
    let (mut stream, mut rest) = (Vec::new(), message.as_bytes());
    let mut first = if message.kind() == MessageKind::Text { 0x01 } else { 0x02 };
    for &len in lens {
        let (piece, tail) = rest.split_at(len.min(rest.len()));
        stream.extend([masked(first, piece), masked(0x89, b"between")].concat());
        (rest, first) = (tail, 0x00);
    }
    stream.extend(masked(first | 0x80, rest));
    stream
}

proptest! {
    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn the_messages_are_the_same_whichever_bytes_were_read_where(
        sent in prop::collection::vec((message(), prop::collection::vec(0..300_usize, 0..4)), 0..6),
        buffer in 1..200_usize,
        lens in prop::collection::vec(0..200_usize, 1..20),
        max_reserve in prop::sample::select(vec![0, 10, 1 << 20]),
    ) {
        let stream: Vec<u8> = sent.iter().flat_map(|(message, lens)| fragments(message, lens)).collect();
        let turn = std::cell::Cell::new(0);
        let in_place = |_| {
            turn.set(turn.get() + 1);
            lens[turn.get() % lens.len()]
        };
        let (mut connection, mut messages) = (server(), Assembler::with_max_reserve(max_reserve));
        let received = receive_into_place(&mut connection, &mut messages, &stream, buffer, in_place);
        let sent: Vec<_> = sent.into_iter().map(|(message, _)| message).collect();
        prop_assert_eq!(received, sent);
        prop_assert_eq!(connection.failure(), None);
    }

    /// Rule R-8.1-a.
    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn text_that_is_not_utf8_fails_at_the_same_byte(
        text in "[aé€🦀]{0,40}", at in 0..200_usize, octet in 0x80..=0xff_u8, buffer in 1..20_usize,
    ) {
        let mut payload = text.into_bytes();
        payload.insert(at.min(payload.len()), octet);
        let stream = masked(0x81, &payload);
        let fails_at = |read_into_place: bool| {
            let (mut connection, mut messages) = (server(), Assembler::new());
            for (i, byte) in stream.iter().enumerate() {
                match messages.space(&connection) {
                    Some(space) if read_into_place => {
                        space[0] = *byte;
                        assert!(messages.filled(&mut connection, 1).is_none_or(|_| i + 1 == stream.len()));
                    }
                    _ => drop(messages.receive(&mut connection, &mut &mut [*byte][..])),
                }
                if connection.failure().is_some() {
                    return Some((i, connection.failure()));
                }
            }
            None
        };
        prop_assert_eq!(fails_at(true), fails_at(false));
        let mut connection = server();
        receive_into_place(&mut connection, &mut Assembler::new(), &stream, buffer, |len| len);
        prop_assert_eq!(connection.failure(), fails_at(false).and_then(|(_, error)| error));
    }
}

/// What ends a text is validated with all of it: also where it completes a code point, or does not.
#[test]
fn the_end_of_a_text_that_is_no_utf8_fails_the_connection() {
    let ends: [(&[u8], bool); 5] =
        [(b"\xa4b", true), (b"\xa4\xff", false), (b"xb", false), (b"\xa4\xc3", false), (b"\xa4\x80", false)];
    for (end, is_valid) in ends {
        let stream = masked(0x81, &[&b"a\xc3"[..], end].concat());
        for owned in [false, true] {
            let (mut connection, mut messages) = (server(), Assembler::new());
            let (head, tail) = stream.split_at(6 + 2);
            assert_eq!(messages.receive(&mut connection, &mut &mut head.to_vec()[..]), None);
            messages.space(&connection).unwrap()[..2].copy_from_slice(tail);
            let message = if owned {
                messages.filled_owned(&mut connection, 2)
            } else {
                messages.filled(&mut connection, 2).map(Message::into_owned)
            };
            assert_eq!(message, is_valid.then(|| OwnedMessage::Text("aäb".into())), "{end:x?}");
            assert_eq!(connection.failure(), (!is_valid).then_some(ProtocolError::InvalidUtf8));
            assert!(
                messages.capacity() > 0 || (owned && is_valid),
                "the buffer is kept unless it is the message"
            );
            // The next message begins anew.
            if is_valid {
                let mut next = [masked(0x01, "ö".as_bytes()), masked(0x80, b"")].concat();
                let next = messages.receive(&mut connection, &mut &mut next[..]).map(Message::into_owned);
                assert_eq!(next, Some(OwnedMessage::Text("ö".into())));
            }
        }
    }
}

/// Every payload byte that is read into place stays where it was read.
#[test]
fn what_was_read_into_place_is_not_copied_again() {
    // Longer than 65 535 bytes; in Miri a MiB takes most of an hour.
    let long = if cfg!(miri) { 66_000 } else { 1 << 20 };
    for (len, max_reserve) in [(16 << 10, 64 << 10), (long, 1 << 20)] {
        let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let mut stream = masked(0x82, &payload);
        let (mut connection, mut messages) = (server(), Assembler::with_max_reserve(max_reserve));
        let (head, mut rest) = stream.split_at_mut(1000);
        assert_eq!(messages.receive(&mut connection, &mut &mut *head), None);
        let mut places = Vec::new();
        loop {
            let space = messages.space(&connection).expect("a frame is arriving");
            places.push(space.as_ptr() as usize);
            let len = space.len().min(rest.len()).min(50_000);
            space[..len].copy_from_slice(&rest[..len]);
            rest = &mut rest[len..];
            if let Some(message) = messages.filled(&mut connection, len) {
                assert_eq!(message.as_bytes(), payload);
                let start = message.as_bytes().as_ptr() as usize;
                // What came with the header was copied, once.
                let header_len = if payload.len() > 65_535 { 14 } else { 8 };
                assert_eq!(places[0], start + 1000 - header_len);
                assert!(places.windows(2).all(|pair| pair[0] < pair[1]));
                assert!(places.iter().all(|place| (start..start + payload.len()).contains(place)));
                break;
            }
        }
    }
}

#[test]
fn there_is_space_within_data_frames_of_a_message_that_is_collected_and_nowhere_else() {
    let (mut connection, mut messages) = (server(), Assembler::new());
    let feed = |connection: &mut Connection, messages: &mut Assembler, bytes: &[u8]| {
        assert_eq!(messages.receive(connection, &mut &mut bytes.to_vec()[..]), None);
    };
    assert!(messages.space(&connection).is_none(), "between messages");
    assert_eq!(connection.incoming(), None);
    let frame = masked(0x02, b"abcd");
    feed(&mut connection, &mut messages, &frame[..3]);
    assert!(messages.space(&connection).is_none(), "within a header");
    feed(&mut connection, &mut messages, &frame[3..6]);
    assert_eq!(messages.space(&connection).map(|space| space.len()), Some(4), "all of the payload");
    let incoming = connection.incoming().unwrap();
    assert_eq!((incoming.first, incoming.last, incoming.remaining), (true, false, 4));
    feed(&mut connection, &mut messages, &frame[6..9]);
    assert_eq!(messages.space(&connection).map(|space| space.len()), Some(1));
    feed(&mut connection, &mut messages, &frame[9..]);
    assert!(messages.space(&connection).is_none(), "between frames");
    feed(&mut connection, &mut messages, &masked(0x89, b"ping")[..8]);
    assert!(messages.space(&connection).is_none(), "within a control frame");

    // A message that went elsewhere, piece by piece.
    let (mut connection, mut messages) = (server(), Assembler::new());
    assert!(connection.receive(&mut &mut masked(0x82, b"abcd")[..8]).is_some());
    assert!(messages.space(&connection).is_none());
    // A compressed one.
    let mut connection = Connection::server(&Config::new().compression(true));
    assert!(connection.receive(&mut &mut masked(0xc2, b"abcd")[..6]).is_none());
    assert!(connection.incoming().unwrap().compressed);
    assert!(messages.space(&connection).is_none());
}

/// Attacks.
#[test]
fn a_frame_that_is_only_announced_costs_no_more_than_a_page() {
    let config = Config::new().max_frame_len(u64::MAX).max_message_len(u64::MAX);
    let (mut connection, mut messages) = (Connection::server(&config), Assembler::new());
    let mut header = [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    assert_eq!(messages.receive(&mut connection, &mut &mut header[..]), None);
    let space = messages.space(&connection).unwrap().len();
    assert!(space <= 4096 && messages.capacity() <= 4096, "{space}");
}

/// Memory follows what has arrived, and a buffer that is kept has room at once.
#[test]
fn space_doubles_with_what_has_arrived_and_is_kept() {
    let (mut connection, mut messages) = (server(), Assembler::new());
    let mut frame = masked(0x82, &[7; 60_000]);
    for kept in [false, true] {
        let mut rest = &mut frame.clone()[..];
        let (mut read, mut spaces) = (8, Vec::new());
        assert_eq!(messages.receive(&mut connection, &mut &mut rest[..read]), None);
        while let Some(space) = messages.space(&connection) {
            let len = space.len();
            spaces.push(len);
            space.copy_from_slice(&rest[read..read + len]);
            read += len;
            if messages.filled(&mut connection, len).is_none() {
                assert!(messages.capacity() <= 4 * read.max(4096), "{} bytes", messages.capacity());
            }
        }
        if kept {
            assert_eq!(spaces, [60_000], "what was there already");
        } else {
            assert_eq!(spaces, [4096, 4096, 8192, 16_384, 27_232]);
        }
        rest = &mut frame;
        assert_eq!(read, rest.len());
    }
}

/// Also where the buffer has room for a part of it.
#[test]
fn a_reserve_makes_space_for_the_whole_frame() {
    let (mut connection, mut messages) = (server(), Assembler::with_max_reserve(1 << 20));
    assert_eq!(messages.lend(Vec::with_capacity(4096)), None);
    let mut header = [0x82, 0xff, 0, 0, 0, 0, 0, 1, 0x86, 0xa0, 0, 0, 0, 0];
    assert_eq!(messages.receive(&mut connection, &mut &mut header[..]), None);
    assert_eq!(messages.space(&connection).unwrap().len(), 100_000);
}

/// A buffer that has room is filled before it grows.
#[test]
fn space_is_the_room_that_is_there() {
    let (mut connection, mut messages) = (server(), Assembler::new());
    assert_eq!(messages.lend(Vec::with_capacity(1000)), None);
    let mut frame = masked(0x82, &[7; 60_000]);
    assert_eq!(messages.receive(&mut connection, &mut &mut frame[..8]), None);
    assert_eq!(messages.space(&connection).unwrap().len(), 1000);
}

/// A full buffer does not double for the rest of a code point.
#[test]
fn without_a_reserve_space_takes_what_the_frame_needs() {
    let (mut connection, mut messages) = (server(), Assembler::new());
    let mut frame = masked(0x81, "aaaaaaaaaa€".as_bytes());
    let (head, rest) = frame.split_at_mut(6 + 11);
    assert_eq!(messages.receive(&mut connection, &mut &mut *head), None);
    let space = messages.space(&connection).unwrap();
    space.copy_from_slice(rest);
    assert!(messages.capacity() < 20, "{} bytes", messages.capacity());
    assert_eq!(messages.filled(&mut connection, 2), Some(Message::Text("aaaaaaaaaa€")));
}

/// A byte at a time, as of a peer that drips: the buffer grows now and then, not each time.
#[test]
fn a_frame_that_arrives_in_many_chunks_moves_the_buffer_a_few_times() {
    for max_reserve in [0, 10, 1 << 20] {
        let mut messages = Assembler::with_max_reserve(max_reserve);
        let mut growths = 0;
        let count = if cfg!(miri) { 1_000 } else { 10_000 };
        for n in 0..count {
            let before = messages.capacity();
            let chunk = BinaryChunk { payload: &mut [7], first: n == 0, last: false, remaining: count - n };
            assert_eq!(messages.binary(chunk), Ok(None));
            growths += u32::from(messages.capacity() != before);
        }
        assert!(growths <= 20, "{growths} growths");
    }
}

/// More than 1 GiB counts as 1 GiB, also where the low bits of the number say something else.
#[test]
fn a_reserve_beyond_the_most_is_the_most() {
    let far_beyond = usize::try_from(1_u64 << 32).unwrap_or(usize::MAX);
    let mut messages = Assembler::with_max_reserve(far_beyond);
    let chunk = BinaryChunk { payload: &mut [7], first: true, last: false, remaining: 100_000 };
    assert_eq!(messages.binary(chunk), Ok(None));
    assert!(messages.capacity() > 100_000, "{} bytes", messages.capacity());
}

/// The bound that is documented at `Assembler::new`, for a peer that drips.
#[test]
fn the_buffer_is_at_most_twice_what_has_arrived_or_4_kib_more() {
    let (mut connection, mut messages) = (server(), Assembler::new());
    let mut header = [0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0];
    assert_eq!(messages.receive(&mut connection, &mut &mut header[..]), None);
    for arrived in 0..if cfg!(miri) { 5_000 } else { 20_000 } {
        assert!(messages.space(&connection).is_some_and(|space| !space.is_empty()));
        let most = (2 * arrived).max(arrived + 4096);
        assert!(messages.capacity() <= most, "{} bytes for {arrived}", messages.capacity());
        assert_eq!(messages.filled(&mut connection, 1), None);
    }
}

#[test]
#[should_panic(expected = "more bytes than there was space")]
fn more_than_there_was_space_cannot_have_been_read() {
    let (mut connection, mut messages) = (server(), Assembler::new());
    assert_eq!(messages.receive(&mut connection, &mut &mut masked(0x82, b"abcd")[..7]), None);
    let len = messages.space(&connection).unwrap().len();
    let _ = messages.filled(&mut connection, len + 1);
}

/// What another connection's message was lent.
#[test]
#[should_panic(expected = "more bytes than there was space")]
fn space_is_that_of_one_message() {
    let (mut one, mut other, mut messages) = (server(), server(), Assembler::new());
    assert_eq!(messages.receive(&mut one, &mut &mut masked(0x81, b"abcd")[..7]), None);
    assert_eq!(messages.space(&one).unwrap().len(), 3);
    assert!(other.receive(&mut &mut masked(0x82, b"abcd")[..7]).is_some());
    let _ = messages.filled(&mut other, 1);
}

/// Whatever ended the connection between the two calls, what arrived after it is discarded (§7.1.7).
#[test]
fn what_was_read_for_a_connection_that_has_ended_is_discarded() {
    let fail = |ws: &mut Connection| assert!(ws.fail(ProtocolError::OutOfMemory).is_some());
    for end in [fail, Connection::receive_eof] {
        let (mut connection, mut messages) = (server(), Assembler::new());
        assert_eq!(messages.receive(&mut connection, &mut &mut masked(0x82, b"abcd")[..7]), None);
        let len = messages.space(&connection).unwrap().len();
        end(&mut connection);
        assert_eq!(messages.filled(&mut connection, len), None);
        assert!(messages.space(&connection).is_none());
    }
}

#[test]
fn a_message_that_is_kept_is_moved_out() {
    let (mut connection, mut messages) = (server(), Assembler::new());
    // The Pings keep the fragments from being one chunk.
    let ping = masked(0x89, b"");
    let mut bytes =
        [masked(0x81, b"whole"), masked(0x01, b"in "), ping.clone(), masked(0x80, b"pieces")].concat();
    let mut input = &mut bytes[..];
    let whole = messages.receive_owned(&mut connection, &mut input);
    assert_eq!(whole, Some(OwnedMessage::Text("whole".into())));
    assert_eq!(messages.lend(Vec::with_capacity(100)), None);
    let pieces = messages.receive_owned(&mut connection, &mut input);
    assert_eq!(pieces, Some(OwnedMessage::Text("in pieces".into())));
    assert_eq!(messages.capacity(), 0, "its buffer went with it");

    let mut bytes = [masked(0x02, b"\xff"), ping, masked(0x80, b"\xfe"), masked(0x81, b"whole")].concat();
    let mut input = &mut bytes[..];
    let mut owned = Vec::new();
    while let Some(event) = connection.receive(&mut input) {
        owned.extend(messages.push_owned(event).unwrap());
    }
    assert_eq!(owned, [OwnedMessage::Binary(vec![0xff, 0xfe]), OwnedMessage::Text("whole".into())]);
    let frame = masked(0x82, b"abcd");
    assert_eq!(messages.receive(&mut connection, &mut &mut frame[..6].to_vec()[..]), None);
    messages.space(&connection).unwrap().copy_from_slice(&frame[6..]);
    assert_eq!(messages.filled_owned(&mut connection, 4), Some(OwnedMessage::Binary(b"abcd".to_vec())));
}

#[test]
fn chunks_of_a_message_that_was_dropped_are_passed_over() {
    fn binary(payload: &mut [u8], first: bool, last: bool) -> BinaryChunk<'_> {
        BinaryChunk { payload, first, last, remaining: 0 }
    }
    let text = |first, last| sansws::TextChunk {
        carried: sansws::Carried::NONE,
        text: "t",
        first,
        last,
        remaining: 0,
    };
    let mut messages = Assembler::new();
    assert_eq!(messages.binary(binary(&mut [1], true, false)), Ok(None));
    assert_eq!(messages.text(text(false, true)), Ok(None), "of another kind");
    assert_eq!(messages.binary(binary(&mut [2], false, true)), Ok(Some(Message::Binary(&[1, 2]))));
    assert_eq!(messages.binary(binary(&mut [3], false, true)), Ok(None), "of none that has begun");

    let mut room = [0; 8];
    let mut messages = SliceAssembler::new(&mut room);
    let push = |messages: &mut SliceAssembler<'_>, first, last| {
        let mut payload = [7];
        let event = sansws::Event::Binary(binary(&mut payload, first, last));
        messages.push(event).unwrap().map(Message::into_owned)
    };
    assert_eq!(push(&mut messages, true, false), None);
    assert_eq!(push(&mut messages, false, true), Some(OwnedMessage::Binary(vec![7, 7])));
    assert_eq!(push(&mut messages, true, false), None);
    messages.reset();
    assert_eq!(push(&mut messages, false, true), None, "its beginning was dropped");
}

#[test]
fn what_cannot_be_collected_is_said_and_fails_whoever_lets_it_receive() {
    let compressed = || Connection::server(&Config::new().compression(true));
    let mut messages = Assembler::new();
    let (mut connection, mut bytes) = (compressed(), masked(0xc1, b"abc"));
    let event = connection.receive(&mut &mut bytes[..]).unwrap();
    assert_eq!(messages.push(event), Err(ProtocolError::CompressionUnsupported));
    let (mut connection, mut bytes) = (compressed(), masked(0xc1, b"abc"));
    assert_eq!(messages.receive(&mut connection, &mut &mut bytes[..]), None);
    assert_eq!(connection.failure(), Some(ProtocolError::CompressionUnsupported));
    // `None`: the input is used up, whatever followed the failure (§7.1.7).
    let mut bytes = [masked(0xc1, b"abc"), masked(0x81, b"after")].concat();
    let (mut failing, mut input) = (compressed(), &mut bytes[..]);
    assert_eq!(messages.receive(&mut failing, &mut input), None);
    assert!(input.is_empty());
    let mut out = Vec::new();
    connection.poll_transmit(&mut out).unwrap();
    assert_eq!(out, unmasked(0x88, b"\x03\xf3"));
}

#[test]
fn a_fixed_slice_holds_messages_up_to_its_length() {
    // The Ping keeps the fragments from being one chunk.
    let in_two =
        |len: usize| [masked(0x02, &[7; 3]), masked(0x89, b""), masked(0x80, &vec![7; len - 3])].concat();
    for (len, fits) in [(3, true), (16, true), (17, false)] {
        let mut room = [0; 16];
        let (mut connection, mut messages) = (server(), SliceAssembler::new(&mut room));
        let mut bytes = in_two(len);
        let message = messages.receive(&mut connection, &mut &mut bytes[..]);
        assert_eq!(message, fits.then_some(Message::Binary(&vec![7; len])));
        assert_eq!(connection.failure(), (!fits).then_some(ProtocolError::MessageTooBig));
    }
    // Read into place, with a code point that is cut.
    let mut room = [0; 16];
    let (mut connection, mut messages) = (server(), SliceAssembler::new(&mut room));
    let mut head = masked(0x01, "xä".as_bytes()[..2].into());
    assert_eq!(messages.receive(&mut connection, &mut &mut head[..]), None);
    let frame = masked(0x80, &[&"xä".as_bytes()[2..], "€".as_bytes()].concat());
    assert_eq!(messages.receive(&mut connection, &mut &mut frame[..6].to_vec()[..]), None);
    for byte in &frame[6..9] {
        messages.space(&connection).unwrap()[0] = *byte;
        assert_eq!(messages.filled(&mut connection, 1), None);
    }
    messages.space(&connection).unwrap()[0] = frame[9];
    assert_eq!(messages.filled(&mut connection, 1), Some(Message::Text("xä€")));
    assert!(size_of::<SliceAssembler<'_>>() <= 40);
}
