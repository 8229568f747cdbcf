//! `sansws`, as its docs recommend it.

use std::hint::black_box;
use std::io::{IoSlice, Write};

use sansws::{Assembler, ChaChaKeys, Config, Connection, Event, MaskingKeys, Message};

use super::place::Place;
use super::wire::Wire;
use super::{Contender, Receive, Send, Tally, Work};
use crate::{KEY, Payload};

/// The ways to use it that have a column each.
pub(super) fn all() -> [Box<dyn Contender>; 3] {
    [Box::new(Buffered), Box::new(Vectored), Box::new(Seeded)]
}

/// Messages are encoded into a `Vec` that is written when it is long enough or the batch is in it.
struct Buffered;

impl Contender for Buffered {
    fn name(&self) -> &'static str {
        "sansws"
    }

    fn receives(&self, job: &Receive) -> Option<Box<dyn Work>> {
        Some(Box::new(Receiver {
            wire: Wire::of(job),
            count: job.count,
            connection: Connection::server(&Config::default()),
            messages: Assembler::with_max_reserve(1 << 20),
            buffer: Place::of_round(job.read, job.round + 1),
        }))
    }

    fn server_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        Some(Sender::boxed(Connection::server(&Config::default()), job, false))
    }

    /// With the same key for each frame: what a generator costs is the embedder's.
    fn client_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        let client = Connection::client(&Config::default(), || KEY);
        Some(Sender::boxed(client, job, true))
    }
}

/// Headers alone are encoded; the payload is written from where it is.
struct Vectored;

impl Contender for Vectored {
    fn name(&self) -> &'static str {
        "sansws, vectored"
    }

    fn server_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        Some(Box::new(VectoredSender {
            connection: Connection::server(&Config::default()),
            job: job.clone(),
            wire: Wire::to(job, false),
        }))
    }
}

/// A client with the generator of masking-keys that comes with the engine.
struct Seeded;

impl Contender for Seeded {
    fn name(&self) -> &'static str {
        "sansws, ChaCha keys"
    }

    fn client_sends(&self, job: &Send) -> Option<Box<dyn Work>> {
        let client = Connection::with_masking_keys(&Config::default(), Some(ChaChaKeys::new([7; 32])));
        Some(Sender::boxed(client, job, true))
    }
}

struct Receiver {
    wire: Wire,
    count: usize,
    connection: Connection,
    messages: Assembler,
    /// Elsewhere in a page in each round, as what is copied from it is on Zen 4 slow if it goes to the same place of another page.
    buffer: Place,
}

impl Work for Receiver {
    /// Reads as the docs of [`Assembler`] do: into the message first, if one is arriving, then into the buffer.
    fn run(&mut self) -> Tally {
        let mut tally = Tally::default();
        let mut message = |message: Message<'_>| tally.message(black_box(message).as_bytes().len());
        let mut left = self.count;
        while left > 0 {
            let (in_place, read) = match self.messages.space(&self.connection) {
                Some(space) => (space.len(), self.wire.read_into(space, &mut self.buffer)),
                None => (0, self.wire.read_into(&mut self.buffer, &mut [])),
            };
            if let Some(whole) = self.messages.filled(&mut self.connection, read.min(in_place)) {
                message(whole);
                left -= 1;
            }
            let mut input = &mut self.buffer[..read.saturating_sub(in_place)];
            while let Some(event) = self.connection.receive(&mut input) {
                let received = match event {
                    Event::Text(chunk) => self.messages.text(chunk),
                    Event::Binary(chunk) => self.messages.binary(chunk),
                    other => panic!("unexpected {other:?}"),
                };
                if let Some(whole) = received.expect("memory") {
                    message(whole);
                    left -= 1;
                }
            }
        }
        tally
    }
}

struct Sender<K> {
    connection: Connection<K>,
    job: Send,
    out: Vec<u8>,
    wire: Wire,
}

impl<K: MaskingKeys + 'static> Sender<K> {
    fn boxed(connection: Connection<K>, job: &Send, is_client: bool) -> Box<dyn Work> {
        Box::new(Self { connection, job: job.clone(), out: Vec::new(), wire: Wire::to(job, is_client) })
    }
}

impl<K: MaskingKeys> Work for Sender<K> {
    fn run(&mut self) -> Tally {
        let mut tally = Tally::default();
        for _ in 0..self.job.count {
            let sent = match black_box(&self.job.payload) {
                Payload::Binary(payload) => self.connection.send_binary(payload, &mut self.out),
                Payload::Text(text) => self.connection.send_text(text, &mut self.out),
            };
            sent.expect("an open connection");
            tally.message(self.job.payload.len());
            self.wire.put_if_long(&mut self.out);
        }
        self.wire.put(&self.out);
        self.out.clear();
        tally
    }
}

struct VectoredSender {
    connection: Connection,
    job: Send,
    wire: Wire,
}

impl Work for VectoredSender {
    fn run(&mut self) -> Tally {
        let mut tally = Tally::default();
        for _ in 0..self.job.count {
            let message = black_box(&self.job.payload).as_message();
            let payload = message.as_bytes();
            let header = self
                .connection
                .frame_header(message.kind(), payload.len() as u64)
                .expect("an open connection");
            let written = self.wire.write_vectored(&[IoSlice::new(header.as_bytes()), IoSlice::new(payload)]);
            tally.message(written.expect("memory") - header.as_bytes().len());
        }
        tally
    }
}
