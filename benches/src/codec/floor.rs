//! The least that the work takes, written by hand for well-formed streams: it checks nothing that an engine must, except UTF-8.

use std::hint::black_box;

use super::wire::{WORTH_A_WRITE, Wire};
use super::{Contender, Receive, Send, Tally, Work};
use crate::{KEY, Payload, frame_len};

pub(super) mod mask;

/// The contender that the others are compared with, with the vectors that every processor of this kind has; or, if it is `WIDE`, with AVX2.
pub(super) struct Floor<const WIDE: bool>;

impl<const WIDE: bool> Contender for Floor<WIDE> {
    fn name(&self) -> &'static str {
        if WIDE { "floor, AVX2" } else { "floor" }
    }

    fn receives(&self, job: &Receive) -> Option<Box<dyn Work>> {
        let buffer = vec![0; job.read + 14 + frame_len(job.longest, true)];
        Some(Box::new(Receiver::<WIDE> {
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
        // Nothing is masked.
        (!WIDE).then(|| Box::new(ServerSender { job: job.clone(), wire: Wire::to(job, false) }) as _)
    }

    fn client_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        let out = vec![0; WORTH_A_WRITE + frame_len(job.payload.len(), true)];
        Some(Box::new(ClientSender::<WIDE> { job: job.clone(), out, wire: Wire::to(job, true) }))
    }
}

/// Frames are unmasked where they were read. What is missing of one that was cut is read behind its beginning, and what follows it into the
/// other buffer, in one read: nothing is moved.
struct Receiver<const WIDE: bool> {
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

impl<const WIDE: bool> Work for Receiver<WIDE> {
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

impl<const WIDE: bool> Receiver<WIDE> {
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
                unmask::<WIDE>(header.key_at(self.unmasked), &mut payload[self.unmasked..]);
                self.unmasked = payload.len();
                break;
            }
            let (frame, behind) = std::mem::take(&mut rest).split_at_mut(header.frame_len());
            rest = behind;
            let unmasked = std::mem::take(&mut self.unmasked);
            let payload = &mut frame[header.len..];
            if matches!(header.first, 0x81 | 0x82) {
                unmask::<WIDE>(header.key_at(unmasked), &mut payload[unmasked..]);
                if header.first == 0x81 {
                    assert!(is_text(payload));
                }
                tally.message(black_box(&*payload).len());
            } else {
                let place = &mut self.collected[self.collected_len..][..payload.len()];
                let (done, masked) = payload.split_at(unmasked);
                let (first, second) = place.split_at_mut(unmasked);
                first.copy_from_slice(done);
                copy_masked::<WIDE>(header.key_at(unmasked), masked, second);
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
        mask::rotated(self.key, offset)
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

/// Payloads are copied and masked in one pass, into a buffer that is written when it is long enough or the batch is in it.
struct ClientSender<const WIDE: bool> {
    job: Send,
    out: Vec<u8>,
    wire: Wire,
}

impl<const WIDE: bool> Work for ClientSender<WIDE> {
    fn run(&mut self) -> Tally {
        let mut tally = Tally::default();
        let mut at = 0;
        for _ in 0..self.job.count {
            let payload = black_box(&self.job.payload);
            let first = first_octet(payload);
            let payload = payload.as_bytes();
            let frame_len = frame_len(payload.len(), true);
            let (header, place) = self.out[at..][..frame_len].split_at_mut(frame_len - payload.len());
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
            let key_at = header.len() - 4;
            header[key_at..].copy_from_slice(&key);
            copy_masked::<WIDE>(key, payload, place);
            tally.message(payload.len());
            at += frame_len;
            if at >= WORTH_A_WRITE {
                self.wire.put(&self.out[..at]);
                at = 0;
            }
        }
        self.wire.put(&self.out[..at]);
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

#[inline]
fn unmask<const WIDE: bool>(key: [u8; 4], payload: &mut [u8]) {
    if WIDE { mask::wide::unmask(key, payload) } else { mask::unmask(key, payload) }
}

#[inline]
fn copy_masked<const WIDE: bool>(key: [u8; 4], from: &[u8], to: &mut [u8]) {
    if WIDE { mask::wide::copy_masked(key, from, to) } else { mask::copy_masked(key, from, to) }
}

/// ASCII is found in words first if the text is short; simdutf8 has its own way for the rest.
#[inline]
fn is_text(octets: &[u8]) -> bool {
    if octets.len() < 128 {
        let (words, tail) = octets.as_chunks::<8>();
        let words = words.iter().fold(0, |all, word| all | u64::from_ne_bytes(*word));
        let all = tail.iter().fold(words, |all, octet| all | u64::from(*octet));
        if all & 0x8080_8080_8080_8080 == 0 {
            return true;
        }
    }
    simdutf8::basic::from_utf8(octets).is_ok()
}
