//! Bytes that the attackers send, most of which no client of ours would, and what they make of the answers.

use std::sync::Arc;

use sansws::{FrameHeader, Opcode};

/// FIN and the opcode of a text frame; likewise below.
pub(super) const TEXT: u8 = 0x81;
pub(super) const BINARY: u8 = 0x82;
pub(super) const CLOSE: u8 = 0x88;
pub(super) const PING: u8 = 0x89;
pub(super) const PONG: u8 = 0x8a;
/// The first fragment of a text message.
pub(super) const FIRST_TEXT: u8 = 0x01;
/// A fragment that is neither the first nor the last.
pub(super) const CONTINUATION: u8 = 0x00;
/// The last fragment.
pub(super) const LAST: u8 = 0x80;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The longest payload of a server's frame that is looked at.
const MOST_PAYLOAD: u64 = 32 << 20;

/// What is kept of a body, or of an endless head.
const MOST_KEPT: usize = 256 << 10;

/// A request for a WebSocket, as it should be, with more header lines, each with its CRLF.
pub(super) fn upgrade(path: &str, host: &str, more: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
    .into_bytes()
}

/// A masked frame whose first byte is as given, legal or not.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = match payload.len() {
        len @ ..126 => vec![first, 0x80 | len as u8],
        len if len <= 0xffff => [&[first, 0xfe][..], &(len as u16).to_be_bytes()].concat(),
        len => return declared(first, len as u64, payload),
    };
    mask_into(&mut bytes, payload);
    bytes
}

/// A frame that says in 64 bits how long its payload is, true or not, with the beginning of the payload.
pub(super) fn declared(first: u8, len: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = [&[first, 0xff][..], &len.to_be_bytes()].concat();
    mask_into(&mut bytes, payload);
    bytes
}

/// A Close frame with a status code.
pub(super) fn close(code: u16) -> Vec<u8> {
    frame(CLOSE, &code.to_be_bytes())
}

fn mask_into(bytes: &mut Vec<u8>, payload: &[u8]) {
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// Shared by all connections that send it.
pub(super) fn shared(bytes: impl AsRef<[u8]>) -> Arc<[u8]> {
    bytes.as_ref().into()
}

/// What a server said on one connection.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Head of the response, with its empty line, as soon as it is whole.
    pub(super) head: Vec<u8>,
    pub(super) status: Option<u16>,
    /// What followed a head that is not a 101.
    pub(super) body: Vec<u8>,
    /// Whole text and binary frames.
    pub(super) messages: u64,
    /// Payload of all of them, in bytes.
    pub(super) message_bytes: u64,
    pub(super) pings: u64,
    pub(super) pongs: u64,
    /// Payload of the latest one.
    pub(super) last_pong: Vec<u8>,
    /// A Close frame, and its status code if it has one.
    pub(super) close: Option<Option<u16>>,
    /// Something that no server may send.
    pub(super) nonsense: Option<String>,
    pending: Vec<u8>,
}

impl Heard {
    pub(super) fn is_open(&self) -> bool {
        self.status == Some(101) && self.close.is_none()
    }

    /// How many status lines there are after the first response's.
    pub(super) fn more_responses(&self) -> usize {
        let is_status_line =
            |at: &[u8]| at.starts_with(b"HTTP/1.1 ") && at[9..].iter().all(u8::is_ascii_digit);
        self.body.windows(12).filter(|window| is_status_line(window)).count()
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        if self.status.is_some_and(|status| status != 101) {
            let room = MOST_KEPT.saturating_sub(self.body.len());
            self.body.extend(bytes.iter().take(room));
            return;
        }
        self.pending.extend_from_slice(bytes);
        if self.status.is_none() {
            self.take_head();
        }
        if self.status == Some(101) {
            self.take_frames();
        }
    }

    fn take_head(&mut self) {
        let Some(end) = self.pending.windows(4).position(|window| window == b"\r\n\r\n") else {
            if self.pending.len() > MOST_KEPT {
                self.nonsense = Some("a head without end".into());
                self.pending.clear();
            }
            return;
        };
        let rest = self.pending.split_off(end + 4);
        self.head = std::mem::replace(&mut self.pending, rest);
        let status = self.head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status = status.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        if status.is_none() {
            self.nonsense = Some("a head without a status line".into());
        }
        self.status = Some(status.unwrap_or(0));
        if status != Some(101) {
            self.body = std::mem::take(&mut self.pending);
        }
    }

    fn take_frames(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        let mut used = 0;
        loop {
            let rest = pending.get(used..).unwrap_or_default();
            let (header, header_len) = match FrameHeader::decode(rest) {
                Ok(Some(decoded)) => decoded,
                Ok(None) => break,
                Err(error) => {
                    self.nonsense = Some(format!("a frame that is wrong: {error}"));
                    used = pending.len();
                    break;
                }
            };
            if header.payload_len > MOST_PAYLOAD {
                self.nonsense = Some(format!("a frame of {} bytes", header.payload_len));
                used = pending.len();
                break;
            }
            let end = header_len + header.payload_len as usize;
            let Some(payload) = rest.get(header_len..end) else { break };
            self.take_frame(header.opcode, payload);
            used += end;
        }
        pending.drain(..used);
        self.pending = pending;
    }

    fn take_frame(&mut self, opcode: Opcode, payload: &[u8]) {
        // §5.5.1: "The application MUST NOT send any more data frames after sending a Close frame."
        if self.close.is_some() {
            self.nonsense = Some("a frame after the Close frame".into());
        }
        match opcode {
            Opcode::Ping => self.pings += 1,
            Opcode::Pong => {
                self.pongs += 1;
                self.last_pong.clear();
                self.last_pong.extend_from_slice(payload);
            }
            Opcode::Close => {
                let code = payload.get(..2).map(|code| u16::from_be_bytes([code[0], code[1]]));
                self.close = Some(code);
            }
            _ => {
                self.messages += 1;
                self.message_bytes += payload.len() as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_heard_does_not_depend_on_how_it_is_cut() {
        let mut bytes = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".to_vec();
        bytes.extend_from_slice(&[0x81, 2, b'h', b'i', 0x8a, 1, b'?', 0x82, 126, 0, 200]);
        bytes.extend_from_slice(&[0; 200]);
        bytes.extend_from_slice(&[0x88, 2, 3, 0xf1]);
        for step in [1, 2, 3, 64, bytes.len()] {
            let mut heard = Heard::default();
            for piece in bytes.chunks(step) {
                heard.add(piece);
            }
            assert_eq!((heard.status, heard.messages, heard.message_bytes), (Some(101), 2, 202));
            assert_eq!((heard.pongs, heard.close, &heard.nonsense), (1, Some(Some(1009)), &None));
            assert_eq!(heard.last_pong, b"?");
        }
    }

    #[test]
    fn what_no_server_may_send_is_noticed() {
        for bytes in [
            &b"HTTP/1.1 101 x\r\n\r\n\x88\x00\x81\x00"[..],
            b"HTTP/1.1 101 x\r\n\r\n\x83\x00",
            b"what\r\n\r\n",
        ] {
            let mut heard = Heard::default();
            heard.add(bytes);
            assert!(heard.nonsense.is_some(), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn frames_are_masked() {
        let bytes = frame(TEXT, b"abc");
        let (header, len) = FrameHeader::decode(&bytes).unwrap().unwrap();
        let mut payload = bytes[len..].to_vec();
        sansws::apply_mask(header.masking_key.unwrap(), &mut payload);
        assert_eq!((header.payload_len, &payload[..]), (3, &b"abc"[..]));
        assert_eq!(frame(BINARY, &[0; 300])[..4], [BINARY, 0xfe, 1, 44]);
        assert_eq!(declared(BINARY, 1 << 62, b"")[..10], [BINARY, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0]);
    }
}
