//! What leaves: within the window that was agreed on, and in step with what the peer has.

use super::distances::read;
use super::*;
use sansws::{SendError, SliceOutput};

/// Text with repetitions at all distances, the same in every run.
fn varied(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    let mut out: Vec<u8> = Vec::new();
    while out.len() < len {
        let from = (next() as usize * 3) % out.len().max(1);
        if next() % 3 == 0 || out.len() < 10 {
            out.extend((0..next() % 20).map(|i| (i * 7 % 26) as u8 + b'a'));
        } else {
            let to = (from + 4 + next() as usize % 60).min(out.len());
            out.extend_from_within(from..to);
        }
    }
    out.truncate(len);
    out
}

/// Rule R-7692-e. §7.1.2.1: the server "doesn't use an LZ77 sliding window size larger than" what
/// it has answered.
#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn no_distance_is_greater_than_the_window() {
    for bits in 9..=15 {
        for takeover in [true, false] {
            let agreed =
                DeflateParams::new().server_max_window_bits(bits).server_no_context_takeover(!takeover);
            let (mut server, mut client) = (End::server(&agreed), End::client(&agreed));
            let mut sent = Vec::new();
            let mut most = 0;
            for len in [100, 5000, 40_000, 1, 3000] {
                let payload = varied(len);
                let mut wire = Vec::new();
                let (pool, connection) = (&mut server.pool, &mut server.connection);
                let message = Message::Binary(&payload);
                server.compression.send_fragment(connection, message, true, pool, &mut wire).unwrap();
                let header = match wire[1] {
                    126 => 4,
                    127 => 10,
                    _ => 2,
                };
                let history = if takeover { &sent[..] } else { &[] };
                let (contents, greatest) = read(history, &[&wire[header..], &[0, 0, 0xff, 0xff]].concat());
                assert_eq!(contents, payload, "{bits} bits");
                assert!(greatest <= 1 << bits, "{greatest} with {bits} bits");
                most = greatest.max(most);
                sent.extend(&payload);
                assert_eq!(client.receive(&wire), [OwnedMessage::Binary(payload)]);
            }
            assert!(most > (1 << bits) / 3, "{most}: the window of {bits} bits is used");
        }
    }
}

/// Rule R-7692-e. A window that was agreed on is enforced: what refers further back fails.
#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn a_distance_greater_than_the_window_fails() {
    // With 9 bits zlib refers 250 bytes back at most, so a window of 8 is enough for it.
    for bits in 8..=14 {
        let mut agreed = DeflateParams::new();
        agreed.client_max_window_bits = Some(bits);
        // The client heeds the smaller window, or does not.
        for (used, fails) in [(bits.max(9), false), (15, true)] {
            let mut client = End::client(&DeflateParams::new().client_max_window_bits(used));
            let mut server = End::server(&agreed);
            let payload = varied(40_000);
            let messages = server.receive(&client.send(Message::Binary(&payload)));
            assert_eq!(messages.is_empty(), fails, "{used} for {bits}");
            let failure = fails.then_some(ProtocolError::InvalidDeflate);
            assert_eq!(server.connection.failure(), failure);
        }
    }
}

/// No compressor keeps to 8 bits: messages are sent as they are.
#[test]
fn with_a_window_of_8_bits_nothing_is_compressed() {
    let mut agreed = DeflateParams::new();
    agreed.client_max_window_bits = Some(8);
    let mut client = End::client(&agreed);
    let wire = client.send(Message::Text(&"a".repeat(1000)));
    assert_eq!(wire[0], 0x81);
    let (pool, connection) = (&mut client.pool, &mut client.connection);
    let refused =
        client.compression.send_fragment(connection, Message::Text("a"), true, pool, &mut Vec::new());
    assert_eq!(refused, Err(SendError::NoExtension));
}

#[test]
fn what_would_get_longer_or_is_short_is_sent_as_it_is() {
    let agreed = DeflateParams::new();
    let mut client = End::client(&agreed);
    let noise: Vec<u8> = (0..200_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut server = End::server(&agreed);
    for (payload, b0) in [(&noise[..], 0x82), (b"short", 0x82), (&[7; 100], 0xc2), (&noise, 0x82)] {
        client.compression =
            std::mem::replace(&mut client.compression, Compression::new(Role::Client, &agreed, &config()))
                .threshold(if payload == b"short" { 6 } else { 0 });
        let wire = client.send(Message::Binary(payload));
        assert_eq!(wire[0], b0, "{} bytes", payload.len());
        assert_eq!(server.receive(&wire), [OwnedMessage::Binary(payload.to_vec())]);
    }
}

/// Rule R-7692-d. A frame that was refused changes nothing: what comes after it can be inflated.
#[test]
fn a_refused_frame_leaves_both_ends_in_step() {
    let agreed = DeflateParams::new();
    let (mut client, mut server) = (End::client(&agreed), End::server(&agreed));
    let first = "the first message, which all others refer to";
    assert_eq!(server.receive(&client.send(Message::Text(first))), [text(first)]);
    let mut small = [0; 8];
    let (pool, connection) = (&mut client.pool, &mut client.connection);
    let second = "the second message, which all others could refer to";
    let refused =
        client.compression.send(connection, Message::Text(second), pool, &mut SliceOutput::new(&mut small));
    assert_eq!(refused, Err(SendError::OutputFull));
    let refused = client.compression.send_fragment(
        connection,
        Message::Text(second),
        false,
        pool,
        &mut SliceOutput::new(&mut small),
    );
    assert_eq!(refused, Err(SendError::OutputFull));
    for message in [second, first, second] {
        assert_eq!(server.receive(&client.send(Message::Text(message))), [text(message)]);
    }
    // While a message is being sent in fragments, another one is refused.
    let mut wire = Vec::new();
    let (pool, connection) = (&mut client.pool, &mut client.connection);
    client.compression.send_fragment(connection, Message::Text(first), false, pool, &mut wire).unwrap();
    let refused = client.compression.send(connection, Message::Text(second), pool, &mut wire);
    assert_eq!(refused, Err(SendError::MessageInProgress));
    client.compression.send_fragment(connection, Message::Text(second), true, pool, &mut wire).unwrap();
    assert_eq!(server.receive(&wire), [text(&[first, second].concat())]);
    assert_eq!(server.receive(&client.send(Message::Text(second))), [text(second)]);
}

/// Whatever a message leaves of the ring that the peer inflates into. (Where it was filled just
/// when the input ended, the rest of a match was taken for a part of what the tail contains.)
#[test]
fn messages_of_all_lengths_around_that_of_the_window() {
    for bits in [9, 10] {
        let agreed = DeflateParams::new().client_max_window_bits(bits);
        for len in (1..4).flat_map(|times| (times << bits) - 3..=(times << bits) + 3) {
            let (mut client, mut server) = (End::client(&agreed), End::server(&agreed));
            for payload in [vec![0; len], varied(len), vec![7; 5]] {
                let mut wire = Vec::new();
                let (first, second) = payload.split_at(len.min(payload.len()) / 3);
                for (part, last) in [(first, false), (second, true)] {
                    let (pool, connection) = (&mut client.pool, &mut client.connection);
                    let part = Message::Binary(part);
                    client.compression.send_fragment(connection, part, last, pool, &mut wire).unwrap();
                }
                assert_eq!(server.receive(&wire), [OwnedMessage::Binary(payload)], "{len} with {bits} bits");
            }
        }
    }
}

/// Attack A-27. Fields set by hand are kept in the range of the RFC, and a connection without the
/// extension sends what it is given.
#[test]
fn wrong_parameters_and_a_connection_without_the_extension_do_no_harm() {
    for bits in [0, 16, 64, 255] {
        let mut agreed = DeflateParams::new();
        (agreed.server_max_window_bits, agreed.client_max_window_bits) = (Some(bits), Some(bits));
        let (mut client, mut server) = (End::client(&agreed), End::server(&agreed));
        let payload = vec![7; 1000];
        assert_eq!(server.receive(&client.send(Message::Binary(&payload))), [OwnedMessage::Binary(payload)]);
    }
    let mut client = End::new(Role::Client, &DeflateParams::new(), &Config::new());
    assert_eq!(client.send(Message::Binary(&[7; 1000]))[0], 0x82);
}
