//! §7.2.3: the examples, and blocks of every type.

use super::*;

const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

/// Rule R-7692-c. §7.2.3.1: "Suppose that an endpoint sends a text message "Hello"."
#[test]
fn section_7_2_3_1_a_message_compressed_using_one_compressed_deflate_block() {
    assert_eq!(received(HELLO), Ok(vec![text("Hello")]));
    // "... the compressed message may be fragmented": RSV1 is set on the first frame only.
    let mut server = End::server(&DeflateParams::new());
    let frames = [frame(0x41, &HELLO[..3]), frame(0x80, &HELLO[3..])].concat();
    assert_eq!(server.receive(&frames), [text("Hello")]);
    // And cut anywhere.
    for cut in 0..=frames.len() {
        let mut server = End::server(&DeflateParams::new());
        let mut messages = server.receive(&frames[..cut]);
        messages.extend(server.receive(&frames[cut..]));
        assert_eq!(messages, [text("Hello")], "{cut}");
    }
}

/// Rule R-7692-c. §7.2.3.2: "Sharing LZ77 Sliding Window".
#[test]
fn section_7_2_3_2_sharing_the_window() {
    let mut server = End::server(&DeflateParams::new());
    let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let frames = [text_frame(HELLO), text_frame(HELLO), text_frame(&second)].concat();
    assert_eq!(server.receive(&frames), [text("Hello"), text("Hello"), text("Hello")]);
    // "... if the "client_no_context_takeover" is used", there is nothing to refer to.
    let mut server = End::server(&DeflateParams::new().client_no_context_takeover(true));
    assert_eq!(server.receive(&frames), [text("Hello"), text("Hello")]);
    assert_eq!(server.connection.failure(), Some(ProtocolError::InvalidDeflate));
}

/// Rule R-7692-c. §7.2.3.3: "Using a DEFLATE Block with No Compression".
#[test]
fn section_7_2_3_3_a_block_with_no_compression() {
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    assert_eq!(received(&stored), Ok(vec![text("Hello")]));
}

/// Rule R-7692-c. §7.2.3.4: "Using a DEFLATE Block with "BFINAL" Set to 1", which an empty block
/// follows. Some end without it; others go on.
#[test]
fn section_7_2_3_4_a_final_block() {
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(received(&[&last[..], &[0]].concat()), Ok(vec![text("Hello")]));
    assert_eq!(received(&last), Ok(vec![text("Hello")]));
    assert_eq!(received(&[&last[..], HELLO].concat()), Ok(vec![text("HelloHello")]));
    assert_eq!(received(&[&last[..], &last].concat()), Ok(vec![text("HelloHello")]));
    // The window goes on behind it.
    let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let mut server = End::server(&DeflateParams::new());
    assert_eq!(server.receive(&text_frame(&[&last[..], &[0]].concat())), [text("Hello")]);
    assert_eq!(server.receive(&text_frame(&second)), [text("Hello")]);
}

/// Rule R-7692-c. §7.2.3.5: "Two DEFLATE Blocks in One Message".
#[test]
fn section_7_2_3_5_two_blocks_in_one_message() {
    let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(received(&two), Ok(vec![text("Hello")]));
}

/// Rule R-7692-c. §7.2.3.6: "Generating an Empty Fragment": one octet, 0x00.
#[test]
fn section_7_2_3_6_an_empty_message() {
    assert_eq!(received(&[0]), Ok(vec![text("")]));
    // §7.2.1 does not say whether the empty block is a final one.
    assert_eq!(received(&[1]), Ok(vec![text("")]));
    let mut server = End::server(&DeflateParams::new());
    let frames = [frame(0x41, &[]), frame(0x00, HELLO), frame(0x80, &[])].concat();
    // The octets that end a flush belong to the end of the message, not to that of a frame.
    assert_eq!(server.receive(&frames), [text("Hello")]);
}

/// A dynamic block, as a compressor makes it of a longer text, in fragments of one byte.
#[test]
fn a_dynamic_block_in_pieces() {
    let long: String = (0..2000).map(|i| format!("{} ", i * i % 977)).collect();
    let mut client = End::client(&DeflateParams::new());
    let wire = client.send(Message::Text(&long));
    let mut server = End::server(&DeflateParams::new());
    let mut messages = Vec::new();
    for byte in &wire {
        messages.extend(server.receive(&[*byte]));
    }
    assert_eq!(messages, [text(&long)]);
    assert!(wire.len() < long.len() / 2);
}

/// Rule R-7692-d. §6: "an endpoint MAY send a message uncompressed"; what was shared is shared
/// still.
#[test]
fn uncompressed_messages_and_control_frames_leave_the_window_alone() {
    let mut server = End::server(&DeflateParams::new());
    let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let frames = [
        text_frame(HELLO),
        frame(0x81, b"plain, and long enough to move a window"),
        frame(0x89, b"ping"),
        frame(0x41, &second[..2]),
        frame(0x89, b"between"),
        frame(0x80, &second[2..]),
    ];
    let plain = text("plain, and long enough to move a window");
    assert_eq!(server.receive(&frames.concat()), [text("Hello"), plain, text("Hello")]);
}
