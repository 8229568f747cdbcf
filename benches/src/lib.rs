//! Payloads and frames that the benches share, and what they write down.

use sansws::{Config, Connection, MaskingKey, Message};

pub mod loopback;
pub mod results;

/// The masking-key of all frames here: what it is does not change the cost.
pub const KEY: MaskingKey = [0x37, 0xfa, 0x21, 0x3d];

/// Payload lengths that the tables of the README name, in bytes.
pub const SIZES: [usize; 5] = [16, 125, 1 << 10, 16 << 10, 1 << 20];

/// `len` bytes that are no text.
pub fn binary(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i as u8).wrapping_mul(167) | 0x80).collect()
}

/// `len` bytes of ASCII.
pub fn ascii(len: usize) -> String {
    "The quick brown fox jumps over the lazy dog. ".chars().cycle().take(len).collect()
}

/// About `len` bytes of text in two, three and four bytes a character.
pub fn multi_byte(len: usize) -> String {
    let mut text = String::new();
    for character in "κόσμε 日本語 🦀 žluťoučký ".chars().cycle() {
        if text.len() + character.len_utf8() > len {
            break;
        }
        text.push(character);
    }
    text
}

/// One message as a client sends it.
pub fn client_frame(message: Message<'_>) -> Vec<u8> {
    let mut frame = Vec::new();
    let mut client = Connection::client(&Config::default(), || KEY);
    let sent = match message {
        Message::Text(text) => client.send_text(text, &mut frame),
        Message::Binary(payload) => client.send_binary(payload, &mut frame),
    };
    debug_assert!(sent.is_ok());
    frame
}

/// One text message as a client sends it in fragments of `len` bytes, cut wherever that falls.
pub fn client_fragments(text: &str, len: usize) -> Vec<u8> {
    let mut stream = Vec::new();
    let last = text.len().div_ceil(len) - 1;
    for (i, fragment) in text.as_bytes().chunks(len).enumerate() {
        let fin = if i == last { 0x80 } else { 0 };
        let opcode = if i == 0 { 0x1 } else { 0x0 };
        let mut payload = fragment.to_vec();
        sansws::apply_mask(KEY, &mut payload);
        stream.extend([fin | opcode, 0x80 | payload.len() as u8]);
        stream.extend(KEY);
        stream.extend(payload);
    }
    stream
}
