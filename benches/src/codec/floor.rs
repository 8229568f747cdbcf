//! The least that the work takes, written by hand for well-formed streams: it checks nothing that an engine must, except UTF-8.

use std::hint::black_box;

use super::wire::Wire;
use super::{Contender, Receive, Send, Tally, Work};
use crate::{KEY, Payload, frame_len};

/// The contender that the others are compared with.
pub(super) struct Floor;

impl Contender for Floor {
    fn name(&self) -> &'static str {
        "floor"
    }

    fn receives(&self, job: &Receive) -> Option<Box<dyn Work>> {
        let buffer = vec![0; job.read + 14 + frame_len(job.longest, true)];
        Some(Box::new(Receiver {
            wire: Wire::of(job),
            count: job.count,
            read: job.read,
            current: buffer.clone(),
            other: buffer,
            start: 0,
            end: 0,
            unmasked: 0,
            collected: vec![0; job.longest],
            collected_len: 0,
        }))
    }

    fn server_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        let wire = Wire::to(job, false);
        Some(Box::new(ServerSender { job: job.clone(), wire }))
    }

    fn client_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        let len = job.count * frame_len(job.payload.len(), true);
        Some(Box::new(ClientSender { job: job.clone(), out: vec![0; len], wire: Wire::to(job, true) }))
    }
}

/// Frames are unmasked where they were read. What is missing of one that was cut is read behind its beginning, and what follows it into the
/// other buffer, in one read: nothing is moved.
struct Receiver {
    wire: Wire,
    count: usize,
    read: usize,
    current: Vec<u8>,
    other: Vec<u8>,
    /// What of the current buffer is not handed out yet.
    start: usize,
    end: usize,
    /// How much of the payload that was cut is unmasked.
    unmasked: usize,
    /// The message whose fragments are arriving.
    collected: Vec<u8>,
    collected_len: usize,
}

impl Work for Receiver {
    fn run(&mut self) -> Tally {
        let mut tally = Tally::default();
        while tally.messages < self.count {
            let in_other = self.read();
            self.hand_out(&mut tally);
            if in_other > 0 {
                std::mem::swap(&mut self.current, &mut self.other);
                (self.start, self.end) = (0, in_other);
                self.hand_out(&mut tally);
            }
        }
        tally
    }
}

impl Receiver {
    /// Reads once. Returns how many bytes of it are in the other buffer.
    fn read(&mut self) -> usize {
        if let Some(header) = Header::of(&self.current[self.start..self.end]) {
            let missing = self.start + header.frame_len() - self.end;
            let rest = &mut self.current[self.end..][..missing];
            let read = self.wire.read_into(rest, &mut self.other[..self.read]);
            let in_place = read.min(missing);
            self.end += in_place;
            return read - in_place;
        }
        // Nothing, or some bytes of a header.
        self.current.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        self.end += self.wire.read_into(&mut self.current[self.end..][..self.read], &mut []);
        0
    }

    /// Hands out the messages that are whole.
    fn hand_out(&mut self, tally: &mut Tally) {
        let mut rest = &mut self.current[self.start..self.end];
        while let Some(header) = Header::of(rest) {
            if rest.len() < header.frame_len() {
                let payload = &mut rest[header.len..];
                unmask(header.key_at(self.unmasked), &mut payload[self.unmasked..]);
                self.unmasked = payload.len();
                break;
            }
            let (frame, behind) = std::mem::take(&mut rest).split_at_mut(header.frame_len());
            rest = behind;
            let unmasked = std::mem::take(&mut self.unmasked);
            let payload = &mut frame[header.len..];
            if matches!(header.first, 0x81 | 0x82) {
                unmask(header.key_at(unmasked), &mut payload[unmasked..]);
                if header.first == 0x81 {
                    assert!(is_text(payload));
                }
                tally.message(black_box(&*payload).len());
            } else {
                let place = &mut self.collected[self.collected_len..][..payload.len()];
                let (done, masked) = payload.split_at(unmasked);
                let (first, second) = place.split_at_mut(unmasked);
                first.copy_from_slice(done);
                copy_masked(header.key_at(unmasked), masked, second);
                self.collected_len += payload.len();
                if header.first & 0x80 != 0 {
                    let message = &self.collected[..std::mem::take(&mut self.collected_len)];
                    assert!(is_text(message));
                    tally.message(black_box(message).len());
                }
            }
        }
        self.start = self.end - rest.len();
    }
}

/// A header that a client sends.
#[derive(Clone, Copy)]
struct Header {
    /// FIN and opcode.
    first: u8,
    len: usize,
    payload_len: usize,
    key: [u8; 4],
}

impl Header {
    #[inline]
    fn of(bytes: &[u8]) -> Option<Self> {
        let [first, second, ..] = *bytes else { return None };
        let (len, payload_len) = match second & 0x7f {
            126 => (8, u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?).into()),
            127 => (14, u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?) as usize),
            len => (6, len.into()),
        };
        let key = *bytes.get(..len)?.last_chunk()?;
        Some(Self { first, len, payload_len, key })
    }

    #[inline]
    fn frame_len(self) -> usize {
        self.len + self.payload_len
    }

    /// The key for what follows so many bytes of payload.
    #[inline]
    fn key_at(self, offset: usize) -> [u8; 4] {
        u32::from_be_bytes(self.key).rotate_left(8 * (offset as u32 % 4)).to_be_bytes()
    }
}

/// Header and payload go to the wire as they are.
struct ServerSender {
    job: Send,
    wire: Wire,
}

impl Work for ServerSender {
    fn run(&mut self) -> Tally {
        let mut tally = Tally::default();
        for _ in 0..self.job.count {
            let payload = black_box(&self.job.payload);
            let first = first_octet(payload);
            let payload = payload.as_bytes();
            match payload.len() {
                len @ 0..126 => self.wire.put(&[first, len as u8]),
                len @ 126..65_536 => self.wire.put(&[first, 126, (len >> 8) as u8, len as u8]),
                len => {
                    let mut header = [first, 127, 0, 0, 0, 0, 0, 0, 0, 0];
                    header[2..].copy_from_slice(&(len as u64).to_be_bytes());
                    self.wire.put(&header);
                }
            }
            self.wire.put(payload);
            tally.message(payload.len());
        }
        tally
    }
}

/// Payloads are copied and masked in one pass, into a buffer that is written when the batch is in it.
struct ClientSender {
    job: Send,
    out: Vec<u8>,
    wire: Wire,
}

impl Work for ClientSender {
    fn run(&mut self) -> Tally {
        let mut tally = Tally::default();
        let mut out = &mut self.out[..];
        for _ in 0..self.job.count {
            let payload = black_box(&self.job.payload);
            let first = first_octet(payload);
            let payload = payload.as_bytes();
            let header_len = frame_len(payload.len(), true) - payload.len();
            let (header, rest) = out.split_at_mut(header_len);
            let (place, rest) = rest.split_at_mut(payload.len());
            out = rest;
            header[0] = first;
            match payload.len() {
                len @ 0..126 => header[1] = 0x80 | len as u8,
                len @ 126..65_536 => header[1..4].copy_from_slice(&[0xfe, (len >> 8) as u8, len as u8]),
                len => {
                    header[1] = 0xff;
                    header[2..10].copy_from_slice(&(len as u64).to_be_bytes());
                }
            }
            let key = black_box(KEY);
            header[header_len - 4..].copy_from_slice(&key);
            copy_masked(key, payload, place);
            tally.message(payload.len());
        }
        self.wire.put(&self.out);
        tally
    }
}

#[inline]
fn first_octet(payload: &Payload) -> u8 {
    match payload {
        Payload::Text(_) => 0x81,
        Payload::Binary(_) => 0x82,
    }
}

/// In words, which the compiler makes vectors of.
#[inline]
fn unmask(key: [u8; 4], payload: &mut [u8]) {
    let half = u32::from_ne_bytes(key);
    let word = u64::from(half) << 32 | u64::from(half);
    let (words, tail) = payload.as_chunks_mut::<8>();
    for octets in words {
        *octets = (u64::from_ne_bytes(*octets) ^ word).to_ne_bytes();
    }
    let (halves, tail) = tail.as_chunks_mut::<4>();
    for octets in halves {
        *octets = (u32::from_ne_bytes(*octets) ^ half).to_ne_bytes();
    }
    for (octet, key) in tail.iter_mut().zip(key) {
        *octet ^= key;
    }
}

/// The same from one place to another of the same length.
#[inline]
fn copy_masked(key: [u8; 4], from: &[u8], to: &mut [u8]) {
    let half = u32::from_ne_bytes(key);
    let word = u64::from(half) << 32 | u64::from(half);
    let (words, tail) = to.as_chunks_mut::<8>();
    let (from_words, from_tail) = from.as_chunks::<8>();
    for (octets, from) in words.iter_mut().zip(from_words) {
        *octets = (u64::from_ne_bytes(*from) ^ word).to_ne_bytes();
    }
    let (halves, tail) = tail.as_chunks_mut::<4>();
    let (from_halves, from_tail) = from_tail.as_chunks::<4>();
    for (octets, from) in halves.iter_mut().zip(from_halves) {
        *octets = (u32::from_ne_bytes(*from) ^ half).to_ne_bytes();
    }
    for ((octet, from), key) in tail.iter_mut().zip(from_tail).zip(key) {
        *octet = from ^ key;
    }
}

/// Below 64 bytes simdutf8 goes byte by byte: short text is padded with zeros, which are ASCII.
#[inline]
fn is_text(octets: &[u8]) -> bool {
    if octets.len() < 64 {
        let mut padded = [0; 64];
        padded[..octets.len()].copy_from_slice(octets);
        simdutf8::basic::from_utf8(&padded).is_ok()
    } else {
        simdutf8::basic::from_utf8(octets).is_ok()
    }
}
