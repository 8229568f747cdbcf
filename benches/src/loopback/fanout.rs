//! The client of a broadcast: one connection publishes, many receive, and every byte is looked at.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::Result;
use super::load::{Enough, PATIENCE, check};
use super::opening::{self, Target};
use super::servers::{PUBLISH, SUBSCRIBE};
use super::shape::{Batch, Framing, Shape};
use super::wire::Wire;

const PUBLISHER: Token = Token(usize::MAX);

/// A publisher and its receivers.
pub struct Fanout {
    poll: Poll,
    publisher: Wire,
    receivers: Vec<Receiver>,
    batch: Batch,
    buffer: Vec<u8>,
}

struct Receiver {
    wire: Wire,
    received: usize,
}

impl Fanout {
    /// Opens `shape.connections` receivers and the publisher.
    ///
    /// # Errors
    ///
    /// As [`opening::open`].
    pub fn open(target: &Target, shape: Shape) -> Result<Self> {
        let poll = Poll::new()?;
        let mut receivers = Vec::with_capacity(shape.connections);
        for mut wire in opening::open(&Target { path: SUBSCRIBE, ..target.clone() }, 0, shape.connections)? {
            poll.registry().register(wire.socket(), Token(receivers.len()), Interest::READABLE)?;
            receivers.push(Receiver { wire, received: 0 });
        }
        let publisher =
            opening::open(&Target { path: PUBLISH, ..target.clone() }, shape.connections, 1)?.pop();
        let mut publisher = publisher.ok_or("no publisher")?;
        poll.registry().register(publisher.socket(), PUBLISHER, Interest::WRITABLE)?;
        Ok(Self {
            poll,
            publisher,
            receivers,
            batch: shape.batch(Framing::WebSocket),
            buffer: vec![0; 256 << 10],
        })
    }

    /// Publishes batches, each when all receivers have the one before, and returns how many deliveries there were.
    ///
    /// # Errors
    ///
    /// If a receiver gets other bytes than were published, a connection ends, or the server takes too long.
    pub fn run(&mut self, enough: Enough) -> Result<u64> {
        let start = Instant::now();
        let (stop, batches) = match enough {
            Enough::Time(time) => (start + time, u64::MAX),
            Enough::Batches(batches) => (start + PATIENCE, batches),
        };
        let mut done = 0;
        while done < batches && (done == 0 || Instant::now() < stop) {
            self.publish(stop + PATIENCE)?;
            done += 1;
        }
        Ok(done * (self.receivers.len() * self.batch.messages) as u64)
    }

    /// Publishes one batch, and reads until everybody has it.
    fn publish(&mut self, deadline: Instant) -> Result<()> {
        let (mut sent, mut waiting) = (0, self.receivers.len());
        let mut events = Events::with_capacity(4096);
        self.write(&mut sent)?;
        while waiting > 0 {
            match self.poll.poll(&mut events, Some(Duration::from_secs(1))) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                polled => polled?,
            }
            if Instant::now() > deadline {
                return Err(format!("{waiting} receivers have not got all that was published").into());
            }
            for event in &events {
                if event.token() == PUBLISHER {
                    self.write(&mut sent)?;
                    continue;
                }
                let receiver = &mut self.receivers[event.token().0];
                while receiver.read(&self.batch.reply, &mut self.buffer)? {}
                if receiver.received == self.batch.reply.len() {
                    receiver.received = 0;
                    waiting -= 1;
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, sent: &mut usize) -> Result<()> {
        while *sent < self.batch.request.len() {
            match self.publisher.write(&self.batch.request[*sent..]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                written => *sent += written?,
            }
        }
        Ok(())
    }
}

impl Receiver {
    /// Returns whether there may be more to read of this batch.
    fn read(&mut self, expected: &[u8], buffer: &mut [u8]) -> Result<bool> {
        let n = match self.wire.read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Ok(0) => return Err("the server hung up on a receiver".into()),
            read => read?,
        };
        check(expected, self.received, &buffer[..n])?;
        self.received += n;
        Ok(n == buffer.len() && self.received < expected.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::servers::tests::target;
    use super::*;

    #[test]
    fn everybody_gets_what_is_published() {
        for server in ["bare-broadcast", "sansws-broadcast"] {
            for shape in [Shape::new(1, 1, 125), Shape::new(70, 16, 125), Shape::new(5, 16, 16 << 10)] {
                let mut fanout = Fanout::open(&target(server), shape).expect(server);
                let deliveries = fanout.run(Enough::Batches(3)).expect(server);
                assert_eq!(deliveries, 3 * (shape.connections * shape.in_flight) as u64, "{server} {shape}");
            }
        }
    }
}
