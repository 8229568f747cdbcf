//! The cells of the table, and each contender prepared for one.

use std::fmt;
use std::sync::Arc;

use super::place::Place;
use super::wire::Written;
use super::{Contender, Receive, Send, Tally, Work, contenders, limits};
use crate::{
    Payload, SIZES, ascii, binary, client_fragments, client_frame, frame_len, multi_byte, server_frame,
};

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// The work.
    pub task: Task,
    /// What the payload is.
    pub kind: Kind,
    /// The length of the payload.
    pub size: usize,
}

/// What is done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// A server receives it, with reads of at most so many bytes.
    Receive {
        /// How many.
        read: usize,
    },
    /// A server sends it.
    ServerSend,
    /// A client sends it.
    ClientSend,
    /// One pass over it, which bounds the others.
    Limit,
}

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No text.
    Binary,
    /// Text in one byte a character.
    Ascii,
    /// Text in two to four bytes a character.
    MultiByte,
    /// Such text in fragments of [`FRAGMENT`] bytes, of which two in five end inside a code point.
    Fragments,
}

/// A contender, or a limit, that is ready to do a cell's work.
pub struct Entry {
    /// Whose column it is.
    pub name: &'static str,
    /// The work. It was done once and checked.
    pub work: Box<dyn Work>,
    /// How many messages a run has.
    pub messages: usize,
}

/// The reads of the main table: what a driver has a buffer for.
pub const READ: usize = 64 << 10;

/// All reads that are measured.
pub const READS: [usize; 3] = [8 << 10, 16 << 10, READ];

/// The length of a fragment.
pub const FRAGMENT: usize = 64;

/// How many bytes a run receives at the least: some reads of the longest kind, so that messages are cut at their ends as they are with
/// sockets.
const RECEIVED: usize = 4 * READ;

/// How many bytes a run sends at the least, so that its fixed costs vanish.
const SENT: usize = 32 << 10;

impl Cell {
    /// The whole grid, for each of these lengths of a read.
    pub fn all(reads: &[usize]) -> Vec<Self> {
        let receive = reads.iter().map(|&read| Task::Receive { read });
        let tasks = receive.chain([Task::ServerSend, Task::ClientSend, Task::Limit]);
        let mut cells = Vec::new();
        for task in tasks {
            for kind in [Kind::Binary, Kind::Ascii, Kind::MultiByte] {
                cells.extend(SIZES.map(|size| Self { task, kind, size }));
            }
            if matches!(task, Task::Receive { .. }) {
                cells.push(Self { task, kind: Kind::Fragments, size: 16 << 10 });
            }
        }
        cells
    }

    /// Prepares all who can do this, the base of comparison first, each after it did it once and did it right. In each `round` the wires
    /// have their bytes at another place of a page.
    ///
    /// # Panics
    ///
    /// If one did it wrong.
    pub fn prepare(&self, round: usize) -> Vec<Entry> {
        let payload = self.payload();
        match self.task {
            Task::Receive { read } => {
                let job = self.receive(&payload, read, round);
                let ready = |who: &dyn Contender| Some((who.receives(&job)?, job.count));
                self.entries(ready)
            }
            Task::ServerSend => {
                let job =
                    Send { count: SENT.div_ceil(payload.len()), payload, written: Written::default(), round };
                self.entries(|who| Some((checked_sender(who, &job, false)?, job.count)))
            }
            Task::ClientSend => {
                let job =
                    Send { count: SENT.div_ceil(payload.len()), payload, written: Written::default(), round };
                self.entries(|who| Some((checked_sender(who, &job, true)?, job.count)))
            }
            Task::Limit => {
                let count = SENT.div_ceil(payload.len());
                let entry = |(name, work)| Entry { name, work, messages: count };
                limits::all(&payload, count).into_iter().map(entry).collect()
            }
        }
    }

    fn entries(&self, ready: impl Fn(&dyn Contender) -> Option<(Box<dyn Work>, usize)>) -> Vec<Entry> {
        let mut entries = Vec::new();
        for who in contenders() {
            let Some((mut work, messages)) = ready(&*who) else { continue };
            let expected = Tally { messages, bytes: messages * self.size };
            // Twice: what a run leaves behind must not disturb the next.
            for _ in 0..2 {
                assert_eq!(work.run(), expected, "{}: {self}", who.name());
            }
            entries.push(Entry { name: who.name(), work, messages });
        }
        entries
    }

    fn payload(&self) -> Payload {
        match self.kind {
            Kind::Binary => Payload::Binary(binary(self.size)),
            Kind::Ascii => Payload::Text(ascii(self.size)),
            Kind::MultiByte | Kind::Fragments => Payload::Text(multi_byte(self.size)),
        }
    }

    fn receive(&self, payload: &Payload, read: usize, round: usize) -> Receive {
        let message = match payload {
            Payload::Text(text) if self.kind == Kind::Fragments => client_fragments(text, FRAGMENT),
            payload => client_frame(payload.as_message()),
        };
        // Two at the least, so that one read has the end of one and the beginning of the other; not of the longest, for the caches' sake.
        let least = if message.len() > RECEIVED * 2 { 1 } else { 2 };
        let count = RECEIVED.div_ceil(message.len()).max(least);
        let stream = message.repeat(count);
        let mut place = Place::of_round(stream.len(), round);
        place.copy_from_slice(&stream);
        Receive {
            stream: Arc::new(place),
            count,
            read,
            round,
            longest: payload.len(),
            fragmented: self.kind == Kind::Fragments,
            text: payload.is_text(),
        }
    }
}

/// As in "receive binary 16 KiB".
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Binary => "binary",
            Kind::Ascii => "ASCII",
            Kind::MultiByte => "multi-byte",
            Kind::Fragments => "multi-byte in fragments of 64 B,",
        };
        write!(f, "{} {kind} {}", self.task, Bytes(self.size))?;
        match self.task {
            Task::Receive { read } if read != READ => write!(f, ", reads of {}", Bytes(read)),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Receive { .. } => "receive",
            Self::ServerSend => "server sends",
            Self::ClientSend => "client sends",
            Self::Limit => "limit",
        })
    }
}

/// A length as people write it.
struct Bytes(usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            len if len % (1 << 20) == 0 => write!(f, "{} MiB", len >> 20),
            len if len % (1 << 10) == 0 => write!(f, "{} KiB", len >> 10),
            len => write!(f, "{len} B"),
        }
    }
}

/// Prepares a sender, after another of the same kind sent one message as we do, apart from the key.
fn checked_sender(who: &dyn Contender, job: &Send, is_client: bool) -> Option<Box<dyn Work>> {
    let prepare = |job: &Send| if is_client { who.client_sends(job) } else { who.server_sends(job) };
    let mut one = prepare(&Send { count: 1, ..job.clone() })?;
    one.run();
    drop(one);
    let mut sent = job.written.take();
    let message = job.payload.as_message();
    let expected = if is_client {
        // Masked with our key in place of theirs.
        let header_len = frame_len(job.payload.len(), true) - job.payload.len();
        let (header, payload) = sent.split_at_mut(header_len);
        let theirs = header.last_chunk_mut().expect("a key");
        sansws::apply_mask(std::mem::replace(theirs, crate::KEY), payload);
        sansws::apply_mask(crate::KEY, payload);
        client_frame(message)
    } else {
        server_frame(message)
    };
    assert!(sent == expected, "{} sends other bytes", who.name());
    let mut batch = prepare(job)?;
    batch.run();
    drop(batch);
    assert_eq!(job.written.take().len(), job.count * expected.len());
    prepare(job)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_fragments_end_inside_a_code_point() {
        let text = multi_byte(16 << 10);
        let cuts = (FRAGMENT..text.len()).step_by(FRAGMENT);
        let inside = cuts.clone().filter(|&cut| !text.is_char_boundary(cut)).count();
        assert!(inside * 3 > cuts.count(), "{inside}");
    }

    #[test]
    fn each_cell_is_named_once() {
        let cells = Cell::all(&READS);
        let mut names: Vec<String> = cells.iter().map(Cell::to_string).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), cells.len());
    }
}
