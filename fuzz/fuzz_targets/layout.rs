//! Where the frames of a stream are, by the reference, and what a connection has to say of them, for `receive`.

use sansws::{Config, MessageKind};

use crate::reference;

pub struct Layout {
    frames: Vec<Frame>,
}

/// One whose header is whole and legal by itself.
pub struct Frame {
    pub fin: bool,
    opcode: u8,
    rsv: u8,
    pub payload_start: usize,
    /// It may be behind the end of the stream.
    end: u64,
}

impl Layout {
    pub fn new(stream: &[u8]) -> Self {
        let (mut frames, mut start) = (Vec::new(), 0);
        while let Some(Ok(Some(header))) = stream.get(start..).map(reference::header) {
            let payload_start = start + header.len;
            let end = payload_start as u64 + header.payload_len;
            let (fin, rsv, opcode) = (header.fin, header.rsv, header.opcode);
            frames.push(Frame { fin, opcode, rsv, payload_start, end });
            start = usize::try_from(end).expect("64 bits");
        }
        Self { frames }
    }

    /// How many bytes of the payloads of data frames are between these two places of the stream.
    pub fn payload_between(&self, start: usize, end: usize) -> usize {
        let data = self.frames.iter().filter(|frame| frame.is_data());
        data.map(|frame| {
            frame.remaining(start.max(frame.payload_start)).saturating_sub(frame.remaining(end)) as usize
        })
        .sum()
    }

    /// The frame whose payload the first `at` bytes of the stream end with, be it empty or still to come.
    pub fn frame_at(&self, at: usize) -> Option<&Frame> {
        let count = self.frames.partition_point(|frame| frame.payload_start <= at);
        self.frames[..count].last()
    }
}

impl Frame {
    /// How much of the payload comes after the first `at` bytes of the stream.
    pub fn remaining(&self, at: usize) -> u64 {
        self.end.saturating_sub(at as u64)
    }

    pub fn is_data(&self) -> bool {
        self.opcode < 8
    }

    /// Kind, and whether it is compressed, of the message that begins here.
    pub fn begins(&self, config: &Config) -> Option<(MessageKind, bool)> {
        let compressed = config.compression && self.rsv == 0x40;
        match self.opcode {
            1 => Some((MessageKind::Text, compressed)),
            2 => Some((MessageKind::Binary, compressed)),
            _ => None,
        }
    }
}
