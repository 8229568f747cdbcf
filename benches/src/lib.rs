//! Payloads and frames that the benches share, and what they write down.

use sansws::{Config, Connection, MaskingKey, Message};

pub mod chart;
pub mod codec;
pub mod loopback;
pub mod report;
pub mod results;

/// The masking-key of all frames here: what it is does not change the cost.
pub const KEY: MaskingKey = [0x37, 0xfa, 0x21, 0x3d];

/// The lengths of payloads that are measured, in bytes: 125 is the last with a length of seven bits, 126 the first with sixteen.
pub const SIZES: [usize; 7] = [16, 125, 126, 1 << 10, 16 << 10, 256 << 10, 1 << 20];

/// What a message consists of, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Text.
    Text(String),
    /// Anything else.
    Binary(Vec<u8>),
}

impl Payload {
    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(payload) => payload,
        }
    }

    /// The message that they are.
    pub fn as_message(&self) -> Message<'_> {
        match self {
            Self::Text(text) => Message::Text(text),
            Self::Binary(payload) => Message::Binary(payload),
        }
    }

    /// How many there are.
    #[allow(clippy::len_without_is_empty, reason = "none here is empty")]
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether they are text.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }
}

/// `len` bytes that are no text.
pub fn binary(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i as u8).wrapping_mul(167) | 0x80).collect()
}

/// `len` bytes of ASCII.
pub fn ascii(len: usize) -> String {
    "The quick brown fox jumps over the lazy dog. ".chars().cycle().take(len).collect()
}

/// `len` bytes of text, most of it in two, three and four bytes a character.
pub fn multi_byte(len: usize) -> String {
    let mut text = String::new();
    for character in "κόσμε 日本語 🦀 žluťoučký ".chars().cycle() {
        if text.len() + character.len_utf8() > len {
            break;
        }
        text.push(character);
    }
    while text.len() < len {
        text.push('.');
    }
    text
}

/// The length of a frame with so long a payload.
pub fn frame_len(payload_len: usize, masked: bool) -> usize {
    let header_len = match payload_len {
        0..126 => 2,
        126..65_536 => 4,
        _ => 10,
    };
    header_len + if masked { 4 } else { 0 } + payload_len
}

/// One message as a client sends it.
pub fn client_frame(message: Message<'_>) -> Vec<u8> {
    frame(Connection::client(&Config::default(), || KEY), message)
}

/// One message as a server sends it.
pub fn server_frame(message: Message<'_>) -> Vec<u8> {
    frame(Connection::server(&Config::default()), message)
}

fn frame(mut from: Connection, message: Message<'_>) -> Vec<u8> {
    let mut frame = Vec::new();
    let sent = from.send(message, &mut frame);
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
