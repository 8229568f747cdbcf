//! What holds for all bytes, all cuts and all capacities.

mod support;

use proptest::prelude::*;
use sansws::{
    Assembler, Config, Connection, EncodedHeader, Event, FrameHeader, MessageKind, Opcode, Output,
    OutputFull, Prepared, Role, Rsv, SendError, SliceOutput, Utf8Stream, apply_mask,
};
use support::*;

/// A stream of frames from a peer that writes them so, mostly legal: whole and fragmented messages, control frames, some damage.
fn stream(frame: fn(u8, &[u8]) -> Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![".{0,40}", "[a-z]{100,300}", "[é-🦀]{0,60}"].prop_map(String::into_bytes);
    let payload = prop_oneof![text.clone(), prop::collection::vec(any::<u8>(), 0..300)];
    let control = (prop_oneof![Just(0x89_u8), Just(0x8a)], prop::collection::vec(any::<u8>(), 0..=125))
        .prop_map(move |(first, payload)| frame(first, &payload));
    let whole_text = text.clone().prop_map(move |payload| frame(0x81, &payload));
    let binary = payload.prop_map(move |payload| frame(0x82, &payload));
    let fragmented = (text, prop::collection::vec(any::<prop::sample::Index>(), 0..4), control.clone())
        .prop_map(move |(payload, cuts, control)| {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
            cuts.sort_unstable();
            let mut stream = Vec::new();
            let mut start = 0;
            for (i, cut) in cuts.into_iter().enumerate() {
                stream.extend(frame(
                    if start == 0 && stream.is_empty() { 0x01 } else { 0x00 },
                    &payload[start..cut],
                ));
                // Fragments with nothing between them may become one chunk.
                if i % 2 == 1 {
                    stream.extend(&control);
                }
                start = cut;
            }
            stream.extend(frame(if stream.is_empty() { 0x81 } else { 0x80 }, &payload[start..]));
            stream
        });
    let close = (1000..1020_u16, ".{0,20}")
        .prop_map(move |(code, reason)| frame(0x88, &[&code.to_be_bytes()[..], reason.as_bytes()].concat()));
    let noise = prop::collection::vec(any::<u8>(), 0..40);
    let item =
        prop_oneof![4 => whole_text, 4 => binary, 4 => fragmented, 4 => control, 1 => close, 1 => noise];
    prop::collection::vec(item, 0..8).prop_map(|items| items.concat())
}

/// Payloads around the borders of the three forms of the length, of a mask block, and anywhere between.
fn long_payload() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![0..300_usize, 16_380..16_390_usize, 65_530..65_540_usize, 0..70_000_usize];
    (len, any::<u8>()).prop_map(|(len, seed)| (0..len).map(|i| (i as u8).wrapping_mul(31) ^ seed).collect())
}

fn run(connection: &mut Connection, bytes: &[u8], mut cuts: impl FnMut() -> usize) -> (Vec<Seen>, Vec<u8>) {
    let (mut watcher, mut out, mut rest) = (Watcher::default(), Vec::new(), bytes);
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(cuts().clamp(1, rest.len()));
        out.extend(watcher.feed(connection, piece));
        rest = tail;
    }
    (watcher.seen, out)
}

/// An output that takes one frame of any length and counts how often it was asked.
#[derive(Default)]
struct Counting {
    bytes: Vec<u8>,
    reserved: usize,
}

impl Output for Counting {
    fn reserve(&mut self, len: usize) -> Result<(), OutputFull> {
        self.reserved += len;
        Ok(())
    }

    fn write_reserved(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

/// Text messages in fragments of a few bytes, cut within code points, and some empty ones.
fn tiny_fragments(frame: fn(u8, &[u8]) -> Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let code_points = prop::sample::select(vec!["a", "é", "€", "🦀"]);
    let message = (prop::collection::vec(code_points, 0..20), prop::collection::vec(0..5_usize, 1..9))
        .prop_filter("one of them takes something", |(_, lens)| lens.iter().any(|&len| len > 0))
        .prop_map(move |(code_points, lens)| {
            let text = code_points.concat().into_bytes();
            let (mut stream, mut rest, mut first) = (Vec::new(), &text[..], 0x01);
            for len in lens.into_iter().cycle() {
                let (piece, tail) = rest.split_at(len.min(rest.len()));
                rest = tail;
                stream.extend(frame(if rest.is_empty() { first | 0x80 } else { first }, piece));
                if rest.is_empty() {
                    break;
                }
                first = 0x00;
            }
            stream
        });
    prop::collection::vec(message, 0..6).prop_map(|messages| messages.concat())
}

/// Sends back every chunk of one read in a frame of its own, and pays the debts after each event or in the end. Returns how many bytes that
/// are; there is room for no more than the documentation of `Connection` tells.
fn echo(connection: &mut Connection, read: &[u8], pay_at_once: bool) -> usize {
    let (echo, debts) = match connection.role() {
        Role::Server => (read.len() + 13, 127 + 127),
        Role::Client => (3 * read.len() + 7, 131 + 131),
    };
    let (mut bytes, mut tx) = (read.to_vec(), vec![0; echo + debts]);
    let (mut input, mut out) = (&mut bytes[..], SliceOutput::new(&mut tx));
    loop {
        let (arrived, room) = (input.len(), out.remaining());
        let Some(event) = connection.receive(&mut input) else { break };
        match event {
            Event::Text(chunk) => {
                let mut text = String::new();
                chunk.append_to(&mut text);
                connection.send_text_fragment(&text, chunk.last, &mut out).unwrap();
                assert!(room - out.remaining() <= arrived + 17);
            }
            Event::Binary(chunk) => {
                connection.send_binary_fragment(chunk.payload, chunk.last, &mut out).unwrap();
                assert!(room - out.remaining() <= arrived + 17);
            }
            _ if pay_at_once => connection.poll_transmit(&mut out).unwrap(),
            _ => {}
        }
    }
    connection.poll_transmit(&mut out).unwrap();
    assert!(!connection.wants_transmit());
    out.filled().len()
}

proptest! {
    #[test]
    #[cfg_attr(miri, ignore = "its regular expressions take minutes")]
    fn an_echo_needs_no_more_room_than_is_told(
        from_client in prop_oneof![stream(masked), tiny_fragments(masked)],
        from_server in prop_oneof![stream(unmasked), tiny_fragments(unmasked)],
        cuts in prop::collection::vec(1..40_usize, 1..20),
        pay_at_once in any::<bool>(),
    ) {
        for (mut connection, stream) in [(server(), from_client), (client(), from_server)] {
            let (mut rest, mut cuts) = (&stream[..], cuts.iter().copied().cycle());
            while !rest.is_empty() {
                let (read, tail) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
                echo(&mut connection, read, pay_at_once);
                rest = tail;
            }
        }
    }

    /// Rule R-5.4-d.
    #[test]
    #[cfg_attr(miri, ignore = "its regular expressions take minutes")]
    fn any_cut_of_a_stream_gives_the_same_events(
        from_client in prop_oneof![stream(masked), tiny_fragments(masked)],
        from_server in prop_oneof![stream(unmasked), tiny_fragments(unmasked)],
        cuts in prop::collection::vec(1..40_usize, 1..20),
    ) {
        for (end, stream) in [(server as fn() -> Connection, from_client), (client, from_server)] {
            let whole = run(&mut end(), &stream, || usize::MAX);
            let mut cycle = cuts.iter().copied().cycle();
            let cut = run(&mut end(), &stream, || cycle.next().unwrap_or(1));
            prop_assert_eq!(&cut, &whole);
            prop_assert_eq!(run(&mut end(), &stream, || 1), whole);
        }
    }

    #[test]
    fn any_bytes_end_in_events_and_whole_frames(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for connection in [server, client] {
            let (seen, out) = run(&mut connection(), &bytes, || usize::MAX);
            parse(&out);
            prop_assert!(seen.len() <= bytes.len());
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "its regular expressions take minutes")]
    fn what_one_end_sends_the_other_receives(
        messages in prop::collection::vec(prop_oneof![
            ".{0,200}".prop_map(Seen::Text),
            long_payload().prop_map(Seen::Binary),
            prop::collection::vec(any::<u8>(), 0..=125).prop_map(Seen::Ping),
        ], 0..6),
        cut in 1..5000_usize,
    ) {
        for (mut from, to) in [(client(), server as fn() -> Connection), (server(), client)] {
            let mut out = Counting::default();
            for message in &messages {
                match message {
                    Seen::Text(text) => from.send_text(text, &mut out).unwrap(),
                    Seen::Binary(payload) => from.send_binary(payload, &mut out).unwrap(),
                    Seen::Ping(payload) => from.send_ping(payload, &mut out).unwrap(),
                    other => unreachable!("{other:?}"),
                }
            }
            prop_assert_eq!(out.reserved, out.bytes.len(), "a frame uses what it reserved");
            let (seen, _) = run(&mut to(), &out.bytes, || cut);
            prop_assert_eq!(&seen, &messages);
        }
    }

    /// Rule R-5.3-b.
    #[test]
    fn a_frame_is_written_whole_or_not_at_all(payload in prop::collection::vec(any::<u8>(), 0..300), capacity in 0..320_usize) {
        for mut connection in [server(), client()] {
            let mut expected = Vec::new();
            connection.send_binary(&payload, &mut expected).unwrap();
            let mut buffer = vec![0; capacity];
            let mut out = SliceOutput::new(&mut buffer);
            let result = connection.send_binary_fragment(&payload, false, &mut out);
            if capacity < expected.len() {
                prop_assert_eq!(result, Err(SendError::OutputFull));
                prop_assert!(out.is_empty());
                // The state is unchanged: no message is in progress.
                connection.send_text("next", &mut Vec::new()).unwrap();
            } else {
                prop_assert_eq!(result, Ok(()));
                prop_assert_eq!(out.filled().len(), expected.len());
                prop_assert_eq!(connection.send_text("next", &mut Vec::new()), Err(SendError::MessageInProgress));
            }
        }
    }

    /// Rule R-5.5.2-b. Attack A-13.
    #[test]
    fn debts_are_owed_until_they_fit(payload in prop::collection::vec(any::<u8>(), 0..=125), capacity in 0..140_usize) {
        let mut connection = server();
        let mut bytes = [masked(0x89, &payload), masked(0x88, b"\x03\xe8")].concat();
        let mut input = &mut bytes[..];
        while connection.receive(&mut input).is_some() {}
        let mut buffer = vec![0; capacity];
        let mut out = SliceOutput::new(&mut buffer);
        let fits = connection.poll_transmit(&mut out).is_ok();
        // A Pong that does not fit gives way to the Close.
        let pong_fits = capacity >= 2 + payload.len();
        prop_assert_eq!(fits, if pong_fits { capacity >= 2 + payload.len() + 4 } else { capacity >= 4 });
        prop_assert_eq!(connection.wants_transmit(), !fits);
        let mut all = out.filled().to_vec();
        connection.poll_transmit(&mut all).unwrap();
        let pong = if pong_fits { unmasked(0x8a, &payload) } else { Vec::new() };
        prop_assert_eq!(all, [pong, unmasked(0x88, b"\x03\xe8")].concat());
    }

    #[test]
    fn a_mask_at_any_offset_equals_the_naive_one(
        key in any::<[u8; 4]>(),
        payload in prop::collection::vec(any::<u8>(), 0..200),
        start in 0..9_usize,
        cuts in prop::collection::vec(0..40_usize, 0..8),
    ) {
        // `start` moves the payload off its alignment.
        let mut buffer = vec![0; start];
        buffer.extend(&payload);
        let mut rest = &mut buffer[start..];
        let mut rotated = key;
        for cut in cuts {
            let (piece, tail) = rest.split_at_mut(cut.min(rest.len()));
            rotated = apply_mask(rotated, piece);
            rest = tail;
        }
        apply_mask(rotated, rest);
        let naive: Vec<u8> = payload.iter().enumerate().map(|(i, octet)| octet ^ key[i % 4]).collect();
        prop_assert_eq!(&buffer[start..], &naive[..]);
    }

    /// Rule R-5.2-e.
    #[test]
    fn decoding_undoes_encoding(
        fin in any::<bool>(),
        rsv in 0..8_u8,
        opcode in prop::sample::select(vec![Opcode::Continuation, Opcode::Text, Opcode::Binary, Opcode::Close, Opcode::Ping, Opcode::Pong]),
        masking_key in any::<Option<[u8; 4]>>(),
        payload_len in prop_oneof![0..200_u64, 65_000..66_000_u64, any::<u64>()],
    ) {
        let rsv = [Rsv::RSV1, Rsv::RSV2, Rsv::RSV3].into_iter().enumerate()
            .filter(|(i, _)| rsv & (1 << i) != 0).fold(Rsv::NONE, |all, (_, bit)| all | bit);
        let header = FrameHeader { fin, rsv, opcode, masking_key, payload_len };
        if let Ok(encoded) = header.encode() {
            let bytes = encoded.as_bytes();
            prop_assert_eq!(FrameHeader::decode(bytes), Ok(Some((header, bytes.len()))));
            for cut in 0..bytes.len() {
                prop_assert_eq!(FrameHeader::decode(&bytes[..cut]), Ok(None));
            }
        } else {
            prop_assert!(payload_len >> 63 == 1 || opcode.is_control() && (!fin || payload_len > 125));
        }
    }

    #[test]
    fn encoding_undoes_decoding(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        if let Ok(Some((header, len))) = FrameHeader::decode(&bytes) {
            let encoded = header.encode();
            prop_assert_eq!(encoded.as_ref().map(EncodedHeader::as_bytes), Ok(&bytes[..len]));
        }
    }

    /// Rule R-8.1-c.
    #[test]
    #[cfg_attr(miri, ignore = "its regular expressions take minutes")]
    fn utf8_in_pieces_is_what_it_is_in_one(
        bytes in prop_oneof![".{0,60}".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..60)],
        cuts in prop::collection::vec(0..9_usize, 0..20),
    ) {
        let mut stream = Utf8Stream::default();
        let mut collected = String::new();
        let mut rest = &bytes[..];
        let mut valid = true;
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let (piece, tail) = rest.split_at(cut.min(rest.len()));
            rest = tail;
            match stream.push(piece) {
                Ok(piece) => {
                    collected.push_str(piece.carried.as_str());
                    collected.push_str(piece.text);
                }
                Err(_) => {
                    // Not because of what may follow.
                    let seen = bytes.len() - rest.len();
                    let error = core::str::from_utf8(&bytes[..seen]).expect_err("what was seen is not UTF-8");
                    prop_assert!(error.error_len().is_some());
                    valid = false;
                    break;
                }
            }
            // It fails at the first octet that cannot be mended, and no sooner.
            let seen = bytes.len() - rest.len();
            let mendable = core::str::from_utf8(&bytes[..seen]).map_or_else(|error| error.error_len().is_none(), |_| true);
            prop_assert!(mendable);
        }
        valid = valid && stream.finish().is_ok();
        prop_assert_eq!(valid.then_some(collected.as_str()), core::str::from_utf8(&bytes).ok());
    }

    #[test]
    #[cfg_attr(miri, ignore = "its regular expressions take minutes")]
    fn a_prepared_message_is_what_send_would_have_sent(text in ".{0,200}", payload in long_payload()) {
        for mut connection in [server(), client()] {
            let (mut sent, mut prepared, mut by_header) = (Vec::new(), Vec::new(), Vec::new());
            connection.send_text(&text, &mut sent).unwrap();
            connection.send_binary(&payload, &mut sent).unwrap();
            connection.send_prepared(&Prepared::text(&text), &mut prepared).unwrap();
            connection.send_prepared(&Prepared::binary(&payload), &mut prepared).unwrap();
            prop_assert_eq!(&prepared, &sent);
            for (kind, payload) in [(MessageKind::Text, text.as_bytes()), (MessageKind::Binary, &payload)] {
                let header = connection.frame_header(kind, payload.len() as u64).unwrap();
                by_header.extend(header.as_bytes());
                let start = by_header.len();
                by_header.extend(payload);
                if let Some(key) = header.masking_key() {
                    apply_mask(key, &mut by_header[start..]);
                }
            }
            prop_assert_eq!(&by_header, &sent);
        }
    }
}

/// The room that is told is needed: what comes before a read, the read, and how much longer its echo is.
#[test]
fn the_worst_that_an_echo_needs() {
    let crab = "🦀".as_bytes();
    let long_text = [&crab[3..], &[b'a'; 65_532]].concat();
    let header = |frame: Vec<u8>, missing: usize| frame[..frame.len() - missing].to_vec();
    let whole_text = [crab, &[b'a'; 65_532]].concat();
    for (mut connection, before, read, more) in [
        // Each frame of two bytes gets one of six.
        (client(), vec![], unmasked(0x82, b"").repeat(512), 2 * 1024),
        // The header came before.
        (server(), header(masked(0x82, &[0; 1024]), 1024), vec![0; 1024], 4),
        (client(), header(unmasked(0x82, &[0; 1024]), 1024), vec![0; 1024], 8),
        // So did most of a code point; the rest is masked with the last octet of the key.
        (server(), header(masked(0x81, crab), 1), vec![crab[3] ^ KEY[3]], 5),
        (client(), header(unmasked(0x81, crab), 1), crab[3..].to_vec(), 2 + 7),
        (client(), header(unmasked(0x81, &whole_text), 65_533), long_text, 10 + 4 + 3),
        // A Ping, and the Close behind it.
        (server(), header(masked(0x89, &[0; 125]), 1), vec![KEY[0]], 126),
        (
            client(),
            header(unmasked(0x89, &[0; 125]), 1),
            [&b"\0"[..], &unmasked(0x88, b"\x03\xe8")].concat(),
            130 + 4,
        ),
    ] {
        echo(&mut connection, &before, false);
        assert_eq!(echo(&mut connection, &read, false), read.len() + more);
    }
    // The same text for a server, which is sent it masked.
    let (mut connection, bytes) = (server(), masked(0x81, &whole_text));
    let (before, read) = bytes.split_at(bytes.len() - 65_533);
    echo(&mut connection, before, false);
    assert_eq!(echo(&mut connection, read, false), read.len() + 13);
    // A message that the last byte ends.
    let config = Config::new().max_message_len(70_000);
    let mut connection = Connection::client(&config, || KEY);
    let (mut messages, mut bytes, mut out) = (Assembler::new(), unmasked(0x82, &[0; 70_000]), vec![]);
    let (before, mut last) = bytes.split_at_mut(10 + 69_999);
    assert_eq!(messages.receive(&mut connection, &mut &mut before[..]), None);
    let message = messages.receive(&mut connection, &mut last).unwrap();
    connection.send(message, &mut out).unwrap();
    assert_eq!(out.len(), 70_000 + 14);
}

#[test]
fn an_open_connection_is_small() {
    assert!(size_of::<Connection>() <= 400, "{} bytes", size_of::<Connection>());
}
