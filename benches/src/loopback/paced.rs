//! A client that sends at a fixed rate, whether or not the server keeps up, and takes each message's time from when it should have been
//! sent: a server that stalls makes all messages late that fall due meanwhile (no coordinated omission).

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};

use super::Result;
use super::load::{PATIENCE, check};
use super::opening::{self, Target};
use super::shape::{Batch, Shape};
use super::wire::Wire;

/// Connections, in turns.
pub struct Paced {
    poll: Poll,
    connections: Vec<Connection>,
    batch: Batch,
    buffer: Vec<u8>,
}

struct Connection {
    wire: Wire,
    /// When each message that is not back yet should have been sent, in time since the start.
    due: VecDeque<Duration>,
    /// Bytes that the kernel has not taken.
    unsent: Vec<u8>,
    /// Bytes of the next answer that are here.
    received: usize,
}

/// When the messages of a rate are due.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    rate: u32,
}

impl Schedule {
    /// So many messages in a second.
    pub fn new(rate: u32) -> Self {
        Self { rate: rate.max(1) }
    }

    /// When the message with this number is due, in time since the start.
    pub fn due(self, number: u64) -> Duration {
        // In whole seconds and the rest, so that no error adds up.
        let rate = u64::from(self.rate);
        Duration::from_secs(number / rate) + Duration::from_nanos(number % rate * 1_000_000_000 / rate)
    }

    /// Messages that are due within this time.
    pub fn count(self, time: Duration) -> u64 {
        (time.as_nanos() * u128::from(self.rate)).div_ceil(1_000_000_000).try_into().unwrap_or(u64::MAX)
    }
}

impl Paced {
    /// Opens the connections; `shape.in_flight` has no meaning here and must be 1.
    ///
    /// # Errors
    ///
    /// As [`opening::open`].
    pub fn open(target: &Target, shape: Shape) -> Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::new();
        for mut wire in opening::open(target, 0, shape.connections)? {
            poll.registry().register(
                wire.socket(),
                Token(connections.len()),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            connections.push(Connection { wire, due: VecDeque::new(), unsent: Vec::new(), received: 0 });
        }
        Ok(Self { poll, connections, batch: shape.batch(target.framing), buffer: vec![0; 64 << 10] })
    }

    /// Sends for so long, and returns the latencies in nanoseconds once all answers are here.
    ///
    /// # Errors
    ///
    /// If other bytes come back than should, a connection ends, or the server takes too long.
    pub fn run(&mut self, schedule: Schedule, time: Duration) -> Result<Histogram<u64>> {
        let mut latencies = Histogram::new_with_bounds(1, 60_000_000_000, 3)?;
        let (total, start) = (schedule.count(time), Instant::now());
        let mut events = Events::with_capacity(1024);
        let (mut sent, mut received) = (0, 0);
        while received < total {
            let mut now = start.elapsed();
            while sent < total && schedule.due(sent) <= now {
                let number = usize::try_from(sent)? % self.connections.len();
                self.connections[number].send(schedule.due(sent), &self.batch.request)?;
                sent += 1;
                now = start.elapsed();
            }
            if now > time + PATIENCE {
                return Err(format!("{} messages were not answered in time", total - received).into());
            }
            // It spins: to sleep until the next message is due would make it late.
            match self.poll.poll(&mut events, Some(Duration::ZERO)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                polled => polled?,
            }
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                connection.flush()?;
                received += connection.read(&self.batch.reply, &mut self.buffer, start, &mut latencies)?;
            }
        }
        Ok(latencies)
    }
}

impl Connection {
    fn send(&mut self, due: Duration, request: &[u8]) -> Result<()> {
        self.due.push_back(due);
        self.unsent.extend(request);
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        self.wire.flush()?;
        while !self.unsent.is_empty() {
            match self.wire.write(&self.unsent) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                written => drop(self.unsent.drain(..written?)),
            }
        }
        Ok(())
    }

    /// Returns how many answers are here now.
    fn read(
        &mut self,
        reply: &[u8],
        buffer: &mut [u8],
        start: Instant,
        latencies: &mut Histogram<u64>,
    ) -> Result<u64> {
        let mut answers = 0;
        loop {
            let n = match self.wire.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(answers),
                Ok(0) => return Err("the server hung up".into()),
                read => read?,
            };
            let now = start.elapsed();
            let mut bytes = &buffer[..n];
            while !bytes.is_empty() {
                let (some, rest) = bytes.split_at(bytes.len().min(reply.len() - self.received));
                check(reply, self.received, some)?;
                self.received += some.len();
                bytes = rest;
                if self.received == reply.len() {
                    let due = self.due.pop_front().ok_or("more answers than messages")?;
                    latencies.saturating_record(u64::try_from((now - due).as_nanos())?);
                    (self.received, answers) = (0, answers + 1);
                }
            }
            if n < buffer.len() && !self.wire.short_read_may_have_more() {
                return Ok(answers);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::servers::tests::target;
    use super::*;

    #[test]
    fn messages_are_due_evenly() {
        let schedule = Schedule::new(3);
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(1), Duration::from_nanos(333_333_333));
        assert_eq!(schedule.due(3_000_000_000), Duration::from_secs(1_000_000_000));
        assert_eq!(schedule.count(Duration::from_secs(2)), 6);
        assert_eq!(schedule.count(Duration::from_millis(334)), 2);
        assert_eq!(schedule.count(Duration::ZERO), 0);
    }

    #[test]
    fn every_message_has_its_latency() {
        let mut paced = Paced::open(&target("sansws"), Shape::new(3, 1, 125)).expect("a server");
        let latencies = paced.run(Schedule::new(2000), Duration::from_millis(50)).expect("answers");
        assert_eq!(latencies.len(), 100);
        assert!(latencies.min() > 0);
    }
}
