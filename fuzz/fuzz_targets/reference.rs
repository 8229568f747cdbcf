//! RFC 6455 §5 to §8 a second time, as simply as it can be said, for the other targets to compare with: slow, on whole byte strings,
//! and without a line of `sansws` but its settings and errors.
#![allow(dead_code, reason = "each target takes what it needs")]

use sansws::{Config, Message, MessageKind, ProtocolError, Role};

/// What an endpoint has to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Compressed(MessageKind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Failed(ProtocolError),
}

impl Seen {
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Close(_) | Self::Failed(_))
    }

    pub fn is_message(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Binary(_) | Self::Compressed(..))
    }
}

impl From<Message<'_>> for Seen {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.to_owned()),
            Message::Binary(payload) => Self::Binary(payload.to_vec()),
        }
    }
}

/// What is in bytes that an endpoint received, up to a Close or a failure.
#[derive(Debug, Default)]
pub struct Received {
    pub seen: Vec<Seen>,
    /// Bytes up to the end of the last whole frame.
    pub whole: usize,
    message: Option<InProgress>,
}

#[derive(Debug)]
struct InProgress {
    kind: MessageKind,
    compressed: bool,
    fragments: u32,
    /// By the headers.
    len: u64,
    payload: Vec<u8>,
}

/// The header of a frame as far as §5.2 and §5.5 alone can tell.
#[derive(Debug)]
pub struct Header {
    pub fin: bool,
    /// The three bits where they are in the first byte.
    pub rsv: u8,
    pub opcode: u8,
    pub key: Option<[u8; 4]>,
    pub payload_len: u64,
    /// Of the header itself.
    pub len: usize,
}

/// What an endpoint of this role sees in `bytes`.
pub fn receive(bytes: &[u8], role: Role, config: &Config) -> Received {
    let mut received = Received::default();
    if let Err(error) = received.all(bytes, role, config) {
        received.seen.push(Seen::Failed(error));
    }
    received
}

impl Received {
    /// Whether bytes of this length end with a frame that ends a message, or belongs to none.
    pub fn is_between_messages(&self, len: usize) -> bool {
        self.whole == len && self.message.is_none()
    }

    fn all(&mut self, bytes: &[u8], role: Role, config: &Config) -> Result<(), ProtocolError> {
        while let Some(header) = header(&bytes[self.whole..])? {
            self.check(&header, role, config)?;
            let payload = &bytes[self.whole + header.len..];
            let is_whole = payload.len() as u64 >= header.payload_len;
            let mut payload = payload[..payload.len().min(header.payload_len as usize)].to_vec();
            for (octet, key) in payload.iter_mut().zip(header.key.unwrap_or_default().iter().cycle()) {
                *octet ^= key;
            }
            let len = header.len + payload.len();
            self.payload(&header, payload, is_whole)?;
            if !is_whole {
                return Ok(());
            }
            self.whole += len;
            if matches!(self.seen.last(), Some(Seen::Close(_))) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What depends on the connection, in the order in which it is to be reported.
    fn check(&mut self, header: &Header, role: Role, config: &Config) -> Result<(), ProtocolError> {
        let begins = matches!(header.opcode, 1 | 2);
        let compressed = config.compression && begins && header.rsv == 0x40;
        if header.rsv != 0 && !compressed {
            return Err(ProtocolError::ReservedBits);
        }
        match (role, header.key) {
            (Role::Server, None) => return Err(ProtocolError::MaskMissing),
            (Role::Client, Some(_)) => return Err(ProtocolError::MaskUnexpected),
            _ => {}
        }
        if header.opcode >= 8 {
            return Ok(());
        }
        match &self.message {
            None if !begins => return Err(ProtocolError::ContinuationUnexpected),
            Some(_) if begins => return Err(ProtocolError::ContinuationExpected),
            _ => {}
        }
        let kind = if header.opcode == 1 { MessageKind::Text } else { MessageKind::Binary };
        let message = self.message.get_or_insert(InProgress {
            kind,
            compressed,
            fragments: 0,
            len: 0,
            payload: Vec::new(),
        });
        message.fragments += 1;
        message.len = message.len.saturating_add(header.payload_len);
        if header.payload_len > config.max_frame_len {
            Err(ProtocolError::FrameTooBig)
        } else if message.len > config.max_message_len {
            Err(ProtocolError::MessageTooBig)
        } else if message.fragments > config.max_fragments.max(1) {
            Err(ProtocolError::TooManyFragments)
        } else {
            Ok(())
        }
    }

    /// The payload of one frame, or the part of it that is there.
    fn payload(&mut self, header: &Header, payload: Vec<u8>, is_whole: bool) -> Result<(), ProtocolError> {
        if header.opcode >= 8 {
            if is_whole {
                self.seen.push(match header.opcode {
                    8 => Seen::Close(close(&payload)?),
                    9 => Seen::Ping(payload),
                    _ => Seen::Pong(payload),
                });
            }
            return Ok(());
        }
        let Some(message) = &mut self.message else { unreachable!("checked") };
        message.payload.extend(payload);
        let is_last = is_whole && header.fin;
        if message.kind == MessageKind::Text && !message.compressed {
            // Text that cannot become UTF-8 any more is refused at once.
            match std::str::from_utf8(&message.payload) {
                Err(error) if is_last || error.error_len().is_some() => {
                    return Err(ProtocolError::InvalidUtf8);
                }
                _ => {}
            }
        }
        if !is_last {
            return Ok(());
        }
        let Some(message) = self.message.take() else { unreachable!("checked") };
        self.seen.push(match message.kind {
            kind if message.compressed => Seen::Compressed(kind, message.payload),
            MessageKind::Text => Seen::Text(String::from_utf8(message.payload).expect("checked")),
            MessageKind::Binary => Seen::Binary(message.payload),
        });
        Ok(())
    }
}

/// The header at the start of `bytes`, once it is whole or wrong.
pub fn header(bytes: &[u8]) -> Result<Option<Header>, ProtocolError> {
    let Some(&b0) = bytes.first() else { return Ok(None) };
    let (fin, rsv, opcode) = (b0 & 0x80 != 0, b0 & 0x70, b0 & 0x0f);
    if !matches!(opcode, 0..=2 | 8..=10) {
        return Err(ProtocolError::ReservedOpcode);
    }
    if opcode >= 8 && !fin {
        return Err(ProtocolError::ControlFragmented);
    }
    let Some(&b1) = bytes.get(1) else { return Ok(None) };
    let width = match b1 & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    if opcode >= 8 && width > 0 {
        return Err(ProtocolError::ControlTooLong);
    }
    let Some(field) = bytes.get(2..2 + width) else { return Ok(None) };
    let mut payload_len = u64::from(b1 & 0x7f);
    if width > 0 {
        payload_len = field.iter().fold(0, |len, octet| len << 8 | u64::from(*octet));
    }
    if (width == 2 && payload_len < 126) || (width == 8 && payload_len < 65536) {
        return Err(ProtocolError::LengthNotMinimal);
    }
    if payload_len >= 1 << 63 {
        return Err(ProtocolError::LengthTooLarge);
    }
    let (key, len) = if b1 & 0x80 == 0 {
        (None, 2 + width)
    } else {
        let Some(key) = bytes.get(2 + width..6 + width) else { return Ok(None) };
        (Some([key[0], key[1], key[2], key[3]]), 6 + width)
    };
    Ok(Some(Header { fin, rsv, opcode, key, payload_len, len }))
}

/// Where the head of an HTTP message ends. Empty lines before it belong to it (RFC 9112 §2.2).
pub fn head_len(bytes: &[u8]) -> Option<usize> {
    let blank = bytes.chunks(2).take_while(|line| line == b"\r\n").count() * 2;
    let head = &bytes[blank..];
    head.windows(4).position(|end| end == b"\r\n\r\n").map(|at| blank + at + 4)
}

/// How long the header of the first frame is, and its payload by what the header says, whether or not it is legal.
pub fn extent(bytes: &[u8]) -> Option<(usize, u64)> {
    let b1 = *bytes.get(1)?;
    let width = match b1 & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let field = bytes.get(2..2 + width)?;
    let long = field.iter().fold(0, |len, octet| len << 8 | u64::from(*octet));
    let header_len = 2 + width + if b1 & 0x80 == 0 { 0 } else { 4 };
    Some((header_len, if width == 0 { u64::from(b1 & 0x7f) } else { long }))
}

fn close(payload: &[u8]) -> Result<Option<(u16, String)>, ProtocolError> {
    match payload {
        [] => Ok(None),
        [_] => Err(ProtocolError::InvalidCloseLength),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            // §7.4, and the registry of today.
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(ProtocolError::InvalidCloseCode);
            }
            let reason = String::from_utf8(reason.to_vec()).map_err(|_| ProtocolError::InvalidCloseReason)?;
            Ok(Some((code, reason)))
        }
    }
}

/// Where the bytes that an endpoint wrote stand between frames: they are checked as they come, by what every peer accepts.
#[derive(Debug, Default)]
pub struct Written {
    in_message: bool,
    closed: bool,
    /// The masking-keys of all frames.
    pub keys: Vec<[u8; 4]>,
}

impl Written {
    /// The frames in `bytes`: whole ones, each one legal after all those before.
    pub fn frames(&mut self, bytes: &[u8], by: Role, compression: bool) -> Vec<(u8, bool, Vec<u8>)> {
        let (frames, rest) = self.frames_and_rest(bytes, by, compression);
        assert_eq!(rest, 0, "a frame is cut");
        frames
    }

    /// The same of what a transport took, with the number of bytes of a frame that is cut at the end.
    pub fn frames_and_rest(
        &mut self,
        mut bytes: &[u8],
        by: Role,
        compression: bool,
    ) -> (Vec<(u8, bool, Vec<u8>)>, usize) {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            let Some(header) = header(bytes).expect("a legal header") else { break };
            assert_eq!(header.key.is_some(), by == Role::Client, "§5.1: who masks");
            assert!(
                header.rsv == 0 || (compression && header.rsv == 0x40 && matches!(header.opcode, 1 | 2)),
                "§5.2"
            );
            let end = header.len + usize::try_from(header.payload_len).expect("it is in memory");
            let Some(payload) = bytes.get(header.len..end) else { break };
            let mut payload = payload.to_vec();
            for (octet, key) in payload.iter_mut().zip(header.key.unwrap_or_default().iter().cycle()) {
                *octet ^= key;
            }
            match header.opcode {
                0 => assert!(self.in_message, "§5.4: nothing to continue"),
                1 | 2 => assert!(!self.in_message, "§5.4: interleaved messages"),
                8 => {
                    close(&payload).expect("§7.4: a Close that may be sent");
                }
                _ => {}
            }
            // §5.5.1: no data after Close, and no second one; a Pong is owed up to the peer's Close.
            assert!(!self.closed || header.opcode == 10, "opcode {} after Close", header.opcode);
            self.closed |= header.opcode == 8;
            if header.opcode < 8 {
                self.in_message = !header.fin;
            }
            self.keys.extend(header.key);
            frames.push((header.opcode, header.fin, payload));
            bytes = &bytes[end..];
        }
        (frames, bytes.len())
    }
}
