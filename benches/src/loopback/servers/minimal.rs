//! An echo with as little framing as there can be: masked binary frames in, the same unmasked out. It checks nothing that a client of
//! this bench does right, answers any request for an upgrade with the prepared response, and has no control frames.

use std::io::{self, ErrorKind, Read};

use mio::net::TcpStream;
use slab::Slab;

use super::super::opening;
use super::super::wire::retry;
use super::BUFFER;
use super::raw::Unwritten;
use super::reactor::{self, Connection, Service};

/// One buffer to read into, one to gather the answers to what one read brought.
pub(crate) struct Minimal {
    input: Vec<u8>,
    output: Vec<u8>,
}

/// What a connection has while it is amid something.
#[derive(Default)]
pub(crate) struct State {
    is_open: bool,
    /// The beginning of a frame.
    partial: Option<Box<Partial>>,
    unwritten: Unwritten,
}

/// Boxed, so that it is one word while there is none.
struct Partial {
    bytes: Vec<u8>,
}

/// The head of a frame that a client sent.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    /// Its own bytes, with the masking-key.
    head_len: usize,
    payload_len: usize,
    key: [u8; 4],
}

/// What whole frames come to.
pub(crate) struct Frames {
    /// Bytes of them.
    pub(crate) consumed: usize,
    /// Bytes of the same frames unmasked.
    pub(crate) written: usize,
}

impl Frames {
    /// Unmasks as many frames as are whole. They get shorter by their masking-keys, so `output` has room if it is as long as `input`.
    pub(crate) fn answer(input: &[u8], output: &mut [u8]) -> Self {
        let (mut at, mut out) = (0, 0);
        while let Some(head) = Head::parse(&input[at..]) {
            let end = at + head.head_len + head.payload_len;
            let Some(payload) = input.get(at + head.head_len..end) else { break };
            out += put_head(input[at], head.payload_len, &mut output[out..]);
            unmask(head.key, payload, &mut output[out..out + payload.len()]);
            out += payload.len();
            at = end;
        }
        Self { consumed: at, written: out }
    }
}

impl Minimal {
    pub(crate) fn new() -> Self {
        Self { input: vec![0; BUFFER], output: vec![0; BUFFER] }
    }

    /// What one read brought, behind what was there; `len` bytes in all.
    fn answer(&mut self, len: usize, socket: &mut TcpStream, state: &mut State) -> io::Result<()> {
        let Frames { consumed: at, written: out } = Frames::answer(&self.input[..len], &mut self.output);
        let written = reactor::write(socket, &self.output[..out])?;
        state.unwritten.keep(&self.output[written..out]);
        if at < len {
            let whole = Head::parse(&self.input[at..len]).map_or(0, |head| head.head_len + head.payload_len);
            let mut bytes = Vec::with_capacity(whole.max(len - at));
            bytes.extend(&self.input[at..len]);
            state.partial = Some(Box::new(Partial { bytes }));
        }
        Ok(())
    }
}

impl Service for Minimal {
    type Connection = Connection<State>;

    fn accepted(&mut self, socket: TcpStream) -> io::Result<Connection<State>> {
        Ok(Connection { socket, state: State::default() })
    }

    fn ready(&mut self, key: usize, connections: &mut Slab<Connection<State>>) -> io::Result<()> {
        let Connection { socket, state } = &mut connections[key];
        while state.unwritten.write(socket)? {
            let mut kept = 0;
            if let Some(mut partial) = state.partial.take() {
                let whole = Head::parse(&partial.bytes).map_or(0, |head| head.head_len + head.payload_len);
                if whole > self.input.len() {
                    // Straight to where it belongs.
                    let missing = (whole - partial.bytes.len()) as u64;
                    match retry(|| (&mut *socket).take(missing).read_to_end(&mut partial.bytes)) {
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                        read => drop(read?),
                    }
                    if partial.bytes.len() < whole {
                        state.partial = Some(partial);
                        return Ok(());
                    }
                    answer_large(partial.bytes, socket, state)?;
                    continue;
                }
                kept = partial.bytes.len();
                self.input[..kept].copy_from_slice(&partial.bytes);
            }
            let Some(n) = reactor::read(socket, &mut self.input[kept..])? else {
                if kept > 0 {
                    state.partial = Some(Box::new(Partial { bytes: self.input[..kept].to_vec() }));
                }
                return Ok(());
            };
            let (len, is_full) = (kept + n, kept + n == self.input.len());
            if state.is_open {
                self.answer(len, socket, state)?;
            } else {
                // The request comes in one piece.
                if !self.input[..len].ends_with(b"\r\n\r\n") {
                    return Err(ErrorKind::InvalidData.into());
                }
                reactor::write(socket, opening::response().as_bytes())?;
                state.is_open = true;
            }
            if !is_full {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Unmasks a frame in its place, and writes it from there.
fn answer_large(mut frame: Vec<u8>, socket: &mut TcpStream, state: &mut State) -> io::Result<()> {
    let Some(head) = Head::parse(&frame) else { return Err(ErrorKind::InvalidData.into()) };
    let mut put = [0; 10];
    let put_len = put_head(frame[0], head.payload_len, &mut put);
    let start = head.head_len - put_len;
    frame[start..head.head_len].copy_from_slice(&put[..put_len]);
    unmask_in_place(head.key, &mut frame[head.head_len..]);
    let written = start + reactor::write(socket, &frame[start..])?;
    state.unwritten.keep_from(frame, written);
    Ok(())
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (payload_len, at) = match bytes.get(1)? & 0x7f {
            126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
            127 => (usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?, 10),
            len => (usize::from(len), 2),
        };
        Some(Self { head_len: at + 4, payload_len, key: bytes.get(at..at + 4)?.try_into().ok()? })
    }
}

/// Writes the head of an unmasked frame, and returns its length.
fn put_head(first: u8, payload_len: usize, out: &mut [u8]) -> usize {
    out[0] = first;
    if payload_len < 126 {
        out[1] = payload_len as u8;
        2
    } else if let Ok(len) = u16::try_from(payload_len) {
        out[1] = 126;
        out[2..4].copy_from_slice(&len.to_be_bytes());
        4
    } else {
        out[1] = 127;
        out[2..10].copy_from_slice(&(payload_len as u64).to_be_bytes());
        10
    }
}

/// Copies and unmasks in one pass.
fn unmask(key: [u8; 4], from: &[u8], to: &mut [u8]) {
    let wide = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let (mut from, mut to) = (from.chunks_exact(8), to.chunks_exact_mut(8));
    for (from, to) in from.by_ref().zip(to.by_ref()) {
        let word = u64::from_ne_bytes(from.try_into().unwrap_or_default());
        to.copy_from_slice(&(word ^ wide).to_ne_bytes());
    }
    for (i, (from, to)) in from.remainder().iter().zip(to.into_remainder()).enumerate() {
        *to = from ^ key[i % 4];
    }
}

fn unmask_in_place(key: [u8; 4], payload: &mut [u8]) {
    let wide = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in chunks.by_ref() {
        let word = u64::from_ne_bytes((&*chunk).try_into().unwrap_or_default());
        chunk.copy_from_slice(&(word ^ wide).to_ne_bytes());
    }
    for (i, byte) in chunks.into_remainder().iter_mut().enumerate() {
        *byte ^= key[i % 4];
    }
}

#[cfg(test)]
mod tests {
    use sansws::Message;

    use super::super::super::shape::server_frame;
    use super::*;
    use crate::{KEY, binary, client_frame};

    #[test]
    fn a_frame_is_unmasked_as_the_engine_does_it() {
        for len in [0, 1, 7, 8, 125, 126, 65_535, 65_536] {
            let payload = binary(len);
            let frame = client_frame(Message::Binary(&payload));
            let head = Head::parse(&frame).expect("a whole head");
            assert_eq!((head.payload_len, head.key), (len, KEY));
            assert_eq!(Head::parse(&frame[..head.head_len - 1]), None);
            let mut out = vec![0; 10 + len];
            let at = put_head(frame[0], len, &mut out);
            unmask(head.key, &frame[head.head_len..], &mut out[at..at + len]);
            assert_eq!(out[..at + len], server_frame(&payload));
            let mut in_place = frame[head.head_len..].to_vec();
            unmask_in_place(head.key, &mut in_place);
            assert_eq!(in_place, payload);
        }
    }
}
