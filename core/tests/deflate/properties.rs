//! Any messages, any parameters, any cuts.

use super::*;
use proptest::prelude::*;

fn params() -> impl Strategy<Value = DeflateParams> {
    (any::<bool>(), any::<bool>(), prop::option::of(9..=15_u8), prop::option::of(9..=15_u8)).prop_map(
        |(server, client, server_bits, client_bits)| {
            let mut params =
                DeflateParams::new().server_no_context_takeover(server).client_no_context_takeover(client);
            params.server_max_window_bits = server_bits;
            params.client_max_window_bits = client_bits;
            params
        },
    )
}

/// How a message is sent.
#[derive(Debug, Clone, Copy)]
enum Way {
    Compressed,
    InFragments,
    AsItIs,
}

/// Of few words, or of anything.
fn message() -> impl Strategy<Value = OwnedMessage> {
    let words =
        prop::collection::vec(prop::sample::select(&["lorem", "ipsum ", "ü", "🦀", " 12", "x"][..]), 0..400);
    prop_oneof![
        words.prop_map(|words| OwnedMessage::Text(words.concat())),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(OwnedMessage::Binary),
        (any::<u8>(), 0..20_000_usize).prop_map(|(octet, len)| OwnedMessage::Binary(vec![octet; len])),
    ]
}

proptest! {
    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn what_is_sent_comes_back(
        params in params(),
        is_server in any::<bool>(),
        messages in prop::collection::vec(
            (message(), prop::sample::select(&[Way::Compressed, Way::InFragments, Way::AsItIs][..])), 0..8),
        cuts in prop::collection::vec(1..3000_usize, 1..20),
    ) {
        let (mut sender, mut receiver) = (End::client(&params), End::server(&params));
        if is_server {
            std::mem::swap(&mut sender, &mut receiver);
        }
        let mut wire = Vec::new();
        for (message, way) in &messages {
            let (connection, pool) = (&mut sender.connection, &mut sender.pool);
            let message = message.as_message();
            match way {
                Way::Compressed => sender.compression.send(connection, message, pool, &mut wire).unwrap(),
                Way::AsItIs => connection.send(message, &mut wire).unwrap(),
                Way::InFragments => {
                    let bytes = message.as_bytes();
                    let mut cut = bytes.len() / 3;
                    if let Message::Text(text) = message {
                        while !text.is_char_boundary(cut) { cut += 1; }
                    }
                    let part = |range: std::ops::Range<usize>| match message {
                        Message::Text(text) => Message::Text(&text[range]),
                        Message::Binary(payload) => Message::Binary(&payload[range]),
                    };
                    let parts = [part(0..cut), part(cut..bytes.len())];
                    sender.compression.send_fragment(connection, parts[0], false, pool, &mut wire).unwrap();
                    sender.compression.send_fragment(connection, parts[1], true, pool, &mut wire).unwrap();
                }
            }
        }
        let mut received = Vec::new();
        let (mut rest, mut cuts) = (&wire[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            received.extend(receiver.receive(piece));
            rest = behind;
        }
        prop_assert_eq!(receiver.connection.failure(), None);
        let sent: Vec<_> = messages.into_iter().map(|(message, _)| message).collect();
        prop_assert_eq!(received, sent);
    }

    /// Whatever arrives: messages, or one failure.
    #[test]
    #[cfg_attr(miri, ignore = "takes minutes")]
    fn any_octets_end_in_a_message_or_one_failure(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..5),
        params in params(),
    ) {
        let mut server = End::server(&params);
        for payload in payloads {
            server.receive(&frame(0xc2, &payload));
        }
        let memory = server.compression.memory();
        prop_assert!(memory <= (32 << 10) + 14_000, "{}", memory);
    }
}
