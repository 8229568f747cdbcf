//! What cannot be inflated, and what must not be.

use super::*;
use sansws::{CompressedChunk, MessageKind};

/// A mebibyte at most.
fn limited() -> Config {
    config().max_message_len(1 << 20)
}

/// The payload of a compressed message.
fn deflated(contents: &[u8]) -> Vec<u8> {
    let mut server = End::server(&DeflateParams::new());
    let wire = server.send(Message::Binary(contents));
    let header_len = if wire[1] == 126 { 4 } else { 2 };
    wire[header_len..].to_vec()
}
/// Attack A-25.
#[test]
fn what_is_no_deflate_fails_with_1007_once() {
    for (payload, why) in [
        (&[][..], "no block at all"),
        (&[0x06], "a block of the reserved type"),
        (&[0xf2, 0x48, 0xcd], "cut in the middle"),
        (&[0x00, 0x05, 0x00, 0xfa], "cut in the length of a stored block"),
        (&[0x00, 0x05, 0x00, 0xfb, 0xff, 1, 2, 3, 4, 5], "a length that is not its complement"),
        (&[0x00, 0x09, 0x00, 0xf6, 0xff, 1, 2, 3, 4, 5], "the tail as contents of a stored block"),
        (&[0xf2, 0x00, 0x11, 0x00, 0x00], "a distance to before the beginning"),
        (&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00, 0xff, 0xff, 0x06], "garbage behind a block"),
        (&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x06], "garbage behind a final block"),
    ] {
        assert_eq!(received(payload), Err(ProtocolError::InvalidDeflate), "{why}");
    }
    let mut server = End::server(&DeflateParams::new());
    let frames = [text_frame(&[6]), text_frame(&[6]), frame(0x81, b"more")].concat();
    assert_eq!(server.receive(&frames), []);
    let mut out = Vec::new();
    server.connection.poll_transmit(&mut out).unwrap();
    assert_eq!(out, [0x88, 2, 0x03, 0xef], "1007, §7.4.1 of RFC 6455");
}

/// Rule R-7692-f. RFC 6455 §8.1, after inflating: it fails as early as its bytes allow.
#[test]
fn a_text_that_is_not_utf_8_fails_where_it_is_not() {
    let stored = |bytes: &[u8], last: bool| {
        let len = bytes.len() as u16;
        let mut block = vec![0];
        block.extend(len.to_le_bytes());
        block.extend((!len).to_le_bytes());
        block.extend(bytes);
        if last {
            block.push(0);
        }
        block
    };
    let mut server = End::server(&DeflateParams::new());
    let first = frame(0x41, &stored(b"abc\xff", false));
    assert_eq!(server.receive(&first), []);
    assert_eq!(server.connection.failure(), Some(ProtocolError::InvalidUtf8), "before the end");
    // A code point may be cut anywhere, and must be whole in the end.
    let mut server = End::server(&DeflateParams::new());
    let frames = [frame(0x41, &stored(b"\xf0\x9f", false)), frame(0x80, &stored(b"\xa6\x80", true))].concat();
    assert_eq!(server.receive(&frames), [text("🦀")]);
    assert_eq!(received(&stored(b"\xf0\x9f", true)), Err(ProtocolError::InvalidUtf8));
    // Octets of any kind are a binary message.
    let mut server = End::server(&DeflateParams::new());
    assert_eq!(server.receive(&frame(0xc2, &stored(b"\xff", true))), [OwnedMessage::Binary(vec![0xff])]);
}

/// Attack A-24. Attack A-25. 200 MiB in 200 KiB. It stops within the limit and one window.
#[test]
#[cfg_attr(miri, ignore = "so many bytes take hours")]
fn a_bomb_stops_at_the_limit() {
    let bomb = {
        // Each piece refers to the one before, which is the same.
        let mut piece = deflated(&vec![b'a'; 1 << 20]);
        piece.extend([0, 0, 0xff, 0xff]);
        frame(0xc2, &piece.repeat(200))
    };
    assert!((100 << 10..300 << 10).contains(&bomb.len()), "{}", bomb.len());
    let bomb_and_garbage = [&bomb[..], &text_frame(&[6])].concat();
    for config in [limited(), limited().max_message_len(0), limited().max_message_len(1)] {
        let mut server = End::new(Role::Server, &DeflateParams::new(), &config);
        assert_eq!(server.receive(&bomb_and_garbage), []);
        assert_eq!(server.connection.failure(), Some(ProtocolError::MessageTooBig));
        assert!(server.messages.capacity() <= 2 * (config.max_message_len as usize + (32 << 10)));
        let mut out = Vec::new();
        server.connection.poll_transmit(&mut out).unwrap();
        assert_eq!(out, [0x88, 2, 0x03, 0xf1], "1009");
    }
}

/// Attack A-24. As long as allowed, and one byte more.
#[test]
fn the_limit_is_exact() {
    for len in [100, 511, 512, 513, 40_000] {
        let payload = vec![7; len];
        for (max_message_len, result) in
            [(len as u64, None), (len as u64 + 1, None), (len as u64 - 1, Some(ProtocolError::MessageTooBig))]
        {
            let mut client = End::client(&DeflateParams::new());
            let mut wire = Vec::new();
            let (pool, connection) = (&mut client.pool, &mut client.connection);
            client
                .compression
                .send_fragment(connection, Message::Binary(&payload), true, pool, &mut wire)
                .unwrap();
            let config = config().max_message_len(max_message_len);
            // Longer on the wire than what is in it: the frame is refused.
            if wire.len() as u64 > max_message_len {
                continue;
            }
            let mut server = End::new(Role::Server, &DeflateParams::new(), &config);
            let messages = server.receive(&wire);
            assert_eq!(server.connection.failure(), result, "{len} of {max_message_len}");
            assert_eq!(messages.len(), usize::from(result.is_none()));
        }
    }
}

/// Attack A-26. Blocks that contain nothing: 10 bits each, and to begin one takes long.
#[test]
fn thousands_of_empty_blocks_fail() {
    // BFINAL 0, BTYPE 01, seven zeros: four of them in five octets.
    let four = [0b0000_0010, 0b0000_1000, 0b0010_0000, 0b1000_0000, 0];
    let blocks = |count: usize| [four.repeat(count / 4), vec![0]].concat();
    assert_eq!(received(&blocks(1000)), Ok(vec![text("")]));
    assert_eq!(received(&blocks(2000)), Err(ProtocolError::InvalidDeflate));
    // However many messages they are in.
    let mut server = End::server(&DeflateParams::new());
    let many = text_frame(&blocks(100)).repeat(100);
    assert!(server.receive(&many).len() < 50);
    assert_eq!(server.connection.failure(), Some(ProtocolError::InvalidDeflate));
    // Short messages have two blocks each.
    let (mut client, mut server) = (End::client(&DeflateParams::new()), End::server(&DeflateParams::new()));
    for _ in 0..3000 {
        let (pool, connection, mut wire) = (&mut client.pool, &mut client.connection, Vec::new());
        client.compression.send_fragment(connection, Message::Text("ping"), true, pool, &mut wire).unwrap();
        assert_eq!(server.receive(&wire), [text("ping")]);
    }
}

/// Attack A-25. Each piece after the first error, of whatever kind, is passed over.
#[test]
fn nothing_is_inflated_after_an_error() {
    let deflated = {
        let mut client = End::client(&DeflateParams::new());
        let (mut out, pool, connection) = (Vec::new(), &mut client.pool, &mut client.connection);
        let payload = vec![0xff; 5000];
        client
            .compression
            .send_fragment(connection, Message::Binary(&payload), true, pool, &mut out)
            .unwrap();
        let start = if out[1] & 0x7f == 126 { 8 } else { 6 };
        let key = [out[start - 4], out[start - 3], out[start - 2], out[start - 1]];
        let mut payload = out.split_off(start);
        apply_mask(key, &mut payload);
        payload
    };
    // Not text; too long; no DEFLATE.
    for (config, kind, octets, error) in [
        (config(), MessageKind::Text, &deflated[..], ProtocolError::InvalidUtf8),
        (config().max_message_len(100), MessageKind::Binary, &deflated, ProtocolError::MessageTooBig),
        (config(), MessageKind::Binary, &[6], ProtocolError::InvalidDeflate),
    ] {
        let agreed = DeflateParams::new().client_max_window_bits(9);
        let mut compression = Compression::new(Role::Server, &agreed, &config);
        let mut pool = DeflatePool::new();
        let mut first = octets.to_vec();
        let chunk = CompressedChunk { kind, payload: &mut first, first: true, last: false, remaining: 0 };
        let mut inflating = compression.inflate(&chunk, &mut pool);
        assert_eq!(inflating.next_chunk(), Err(error));
        assert_eq!(inflating.next_chunk(), Ok(None));
        let mut second = octets.to_vec();
        let chunk = CompressedChunk { kind, payload: &mut second, first: false, last: true, remaining: 0 };
        assert_eq!(compression.inflate(&chunk, &mut pool).next_chunk(), Ok(None));
        assert!(compression.memory() <= 512);
    }
}
