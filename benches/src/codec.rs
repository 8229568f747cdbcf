//! The work of a codec in memory, without sockets: each contender does the same, cell by cell.
//!
//! A [`Wire`](wire::Wire) stands for the kernel. It copies what is read into the reader's memory, at most so many bytes a read, and it
//! copies what is written, once. So a contender that encodes into a buffer and writes that pays two copies, one that hands header and
//! payload to a vectored write pays one, as with a socket. System calls cost nothing here: a contender that reads a long message alone, in
//! place of 64 KiB at once, has its bytes in the nearest cache and pays nothing for the calls.

pub mod grid;
pub mod limits;
pub mod place;
pub mod wire;

mod floor;
mod ours;
#[cfg(feature = "peers")]
mod peers;

use std::sync::Arc;

use place::Place;
use wire::Written;

use crate::Payload;

/// Who takes part in the table.
pub trait Contender {
    /// Its name, and its version if that is not ours.
    fn name(&self) -> &'static str;

    /// Prepares a server that receives whole messages; `None` if it cannot.
    fn receives(&self, job: &Receive) -> Option<Box<dyn Work>> {
        let _ = job;
        None
    }

    /// Prepares a server that sends; `None` if it cannot.
    fn server_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        let _ = job;
        None
    }

    /// Prepares a client that sends, masked; `None` if it cannot.
    fn client_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        let _ = job;
        None
    }
}

/// One cell's work, prepared: what it needs is allocated.
pub trait Work {
    /// Does it once and returns what it counted.
    fn run(&mut self) -> Tally;
}

/// What to receive.
#[derive(Debug, Clone)]
pub struct Receive {
    /// Whole frames from a client, over and over.
    pub stream: Arc<Place>,
    /// How many messages one run receives: those of the stream.
    pub count: usize,
    /// How many bytes one read returns at most.
    pub read: usize,
    /// Which [`Place`] the stream is in.
    pub round: usize,
    /// The length of the longest message.
    pub longest: usize,
    /// Whether the messages are text in fragments.
    pub fragmented: bool,
    /// Whether the messages are text.
    pub text: bool,
}

/// What to send.
#[derive(Debug, Clone)]
pub struct Send {
    /// The payload of each message.
    pub payload: Payload,
    /// How many messages one run sends.
    pub count: usize,
    /// What was written, once the work is dropped.
    pub written: Written,
    /// Which [`Place`] is written to.
    pub round: usize,
}

/// What a run counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages.
    pub messages: usize,
    /// The bytes of their payloads.
    pub bytes: usize,
}

impl Tally {
    /// Counts a message of so many bytes.
    #[inline]
    pub fn message(&mut self, len: usize) {
        self.messages += 1;
        self.bytes += len;
    }
}

/// All who take part. The first is the floor, which the others are compared with.
pub fn contenders() -> Vec<Box<dyn Contender>> {
    let mut all: Vec<Box<dyn Contender>> =
        vec![Box::new(floor::Floor::<false>), Box::new(floor::Floor::<true>)];
    all.extend(ours::all());
    #[cfg(feature = "peers")]
    all.extend(peers::all());
    all
}
