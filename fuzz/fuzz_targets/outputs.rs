//! Outputs of several kinds, with so much room, that hold the connection to the contract of [`Output`], for `session`.

use sansws::{MaskingKey, Output, OutputFull, SliceOutput, copy_masked};

/// More than any frame needs here.
const MOST: usize = 1 << 17;

/// How the memory of an output is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// It grows, and masks by the method that [`Output`] provides.
    Vec,
    Slice,
    /// In two pieces, one at its end and one at its start.
    Ring,
}

pub struct Sink {
    memory: Memory,
    room: usize,
    reserved: usize,
    /// Nothing was written yet of what was reserved.
    is_untouched: bool,
    /// How often something was reserved of which nothing was written.
    abandoned: u32,
}

enum Memory {
    Vec(Vec<u8>),
    Slice { bytes: Vec<u8>, len: usize },
    Ring(Ring),
}

struct Ring {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Sink {
    /// `start` is where a ring begins.
    pub fn new(kind: Kind, room: usize, start: usize) -> Self {
        let len = room.clamp(1, MOST);
        let memory = match kind {
            Kind::Vec => Memory::Vec(Vec::new()),
            Kind::Slice => Memory::Slice { bytes: vec![0; room.min(MOST)], len: 0 },
            Kind::Ring => Memory::Ring(Ring { bytes: vec![0; len], start: start % len, len: 0 }),
        };
        Self { memory, room, reserved: 0, is_untouched: true, abandoned: 0 }
    }

    /// What was written, and how often something was reserved for nothing.
    pub fn finish(mut self) -> (Vec<u8>, u32) {
        self.abandon();
        let bytes = match self.memory {
            Memory::Vec(bytes) => bytes,
            Memory::Slice { mut bytes, len } => {
                bytes.truncate(len);
                bytes
            }
            Memory::Ring(Ring { mut bytes, start, len }) => {
                bytes.rotate_left(start);
                bytes.truncate(len);
                bytes
            }
        };
        (bytes, self.abandoned)
    }

    fn abandon(&mut self) {
        if self.reserved > 0 {
            assert!(self.is_untouched, "a frame was not finished");
            self.room += self.reserved;
            self.reserved = 0;
            self.abandoned += 1;
        }
    }

    fn take_reserved(&mut self, len: usize) {
        self.reserved = self.reserved.checked_sub(len).expect("no more than was reserved");
        self.is_untouched = false;
    }
}

impl Output for Sink {
    fn reserve(&mut self, len: usize) -> Result<(), OutputFull> {
        self.abandon();
        if len > self.room {
            return Err(OutputFull);
        }
        self.memory.reserve(len).expect("the memory is as large as the room");
        (self.room, self.reserved, self.is_untouched) = (self.room - len, len, true);
        Ok(())
    }

    fn write_reserved(&mut self, bytes: &[u8]) {
        self.take_reserved(bytes.len());
        self.memory.write_reserved(bytes);
    }

    fn write_masked(&mut self, key: MaskingKey, bytes: &[u8]) -> MaskingKey {
        self.take_reserved(bytes.len());
        let next = self.memory.write_masked(key, bytes);
        let mut expected = key;
        expected.rotate_left(bytes.len() % 4);
        assert_eq!(next, expected, "the key for what follows");
        next
    }

    fn lend_reserved(&mut self, len: usize) -> Option<&mut [u8]> {
        let lent = self.memory.lend_reserved(len)?;
        assert_eq!(lent.len(), len, "as much as was asked for");
        self.reserved = self.reserved.checked_sub(len).expect("no more than was reserved");
        self.is_untouched = false;
        // What is in it before must not matter.
        lent.fill(0xa5);
        Some(lent)
    }
}

impl Output for Memory {
    fn reserve(&mut self, len: usize) -> Result<(), OutputFull> {
        match self {
            Self::Vec(bytes) => Output::reserve(bytes, len),
            Self::Slice { bytes, len: filled } => SliceOutput::new(&mut bytes[*filled..]).reserve(len),
            Self::Ring(ring) => ring.reserve(len),
        }
    }

    fn write_reserved(&mut self, bytes: &[u8]) {
        match self {
            Self::Vec(all) => all.write_reserved(bytes),
            Self::Slice { bytes: all, len } => {
                SliceOutput::new(&mut all[*len..]).write_reserved(bytes);
                *len += bytes.len();
            }
            Self::Ring(ring) => ring.write_reserved(bytes),
        }
    }

    fn write_masked(&mut self, key: MaskingKey, bytes: &[u8]) -> MaskingKey {
        match self {
            Self::Vec(all) => all.write_masked(key, bytes),
            Self::Slice { bytes: all, len } => {
                let key = SliceOutput::new(&mut all[*len..]).write_masked(key, bytes);
                *len += bytes.len();
                key
            }
            Self::Ring(ring) => ring.write_masked(key, bytes),
        }
    }

    fn lend_reserved(&mut self, len: usize) -> Option<&mut [u8]> {
        match self {
            Self::Vec(bytes) => bytes.lend_reserved(len),
            Self::Slice { bytes, len: filled } => {
                let start = *filled;
                *filled += len;
                Some(&mut bytes[start..*filled])
            }
            Self::Ring(ring) => ring.lend_reserved(len),
        }
    }
}

impl Ring {
    fn append(&mut self, len: usize) -> [&mut [u8]; 2] {
        let (capacity, at) = (self.bytes.len(), (self.start + self.len) % self.bytes.len());
        self.len += len;
        let (front, back) = self.bytes.split_at_mut(at);
        let first = len.min(capacity - at);
        [&mut back[..first], &mut front[..len - first]]
    }
}

impl Output for Ring {
    fn reserve(&mut self, len: usize) -> Result<(), OutputFull> {
        if len <= self.bytes.len() - self.len { Ok(()) } else { Err(OutputFull) }
    }

    fn write_reserved(&mut self, mut bytes: &[u8]) {
        for piece in self.append(bytes.len()) {
            let (head, tail) = bytes.split_at(piece.len());
            piece.copy_from_slice(head);
            bytes = tail;
        }
    }

    fn write_masked(&mut self, mut key: MaskingKey, mut bytes: &[u8]) -> MaskingKey {
        for piece in self.append(bytes.len()) {
            let (head, tail) = bytes.split_at(piece.len());
            key = copy_masked(key, head, piece);
            bytes = tail;
        }
        key
    }

    /// Unless it would be in two pieces.
    fn lend_reserved(&mut self, len: usize) -> Option<&mut [u8]> {
        let at = (self.start + self.len) % self.bytes.len();
        let lent = self.bytes.get_mut(at..at + len)?;
        self.len += len;
        Some(lent)
    }
}
