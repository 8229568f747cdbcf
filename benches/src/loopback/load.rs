//! A client of many connections on one thread, which sends batch after batch and looks at every byte that comes back.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::Result;
use super::opening::{self, Target};
use super::shape::{Batch, Shape};
use super::wire::Wire;

/// Longer than this no batch may take, beyond the time that was asked for.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Large enough for the answers to most batches in one read.
const BUFFER: usize = 256 << 10;

/// Connections to a server, and what they send.
pub struct Load {
    poll: Poll,
    connections: Vec<Connection>,
    batch: Batch,
    buffer: Vec<u8>,
}

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub enum Enough {
    /// No new batch begins after so much time.
    Time(Duration),
    /// So many batches on each connection.
    Batches(u64),
}

struct Connection {
    wire: Wire,
    sent: usize,
    received: usize,
    batches: u64,
}

impl Load {
    /// Opens the connections.
    ///
    /// # Errors
    ///
    /// As [`opening::open`].
    pub fn open(target: &Target, shape: Shape) -> Result<Self> {
        let mut load = Self {
            poll: Poll::new()?,
            connections: Vec::new(),
            batch: shape.batch(target.framing),
            buffer: vec![0; BUFFER],
        };
        load.open_more(target, shape.connections)?;
        Ok(load)
    }

    /// Opens so many more.
    ///
    /// # Errors
    ///
    /// As [`opening::open`].
    pub fn open_more(&mut self, target: &Target, count: usize) -> Result<()> {
        for mut wire in opening::open(target, self.connections.len(), count)? {
            let token = Token(self.connections.len());
            self.poll.registry().register(wire.socket(), token, Interest::READABLE | Interest::WRITABLE)?;
            self.connections.push(Connection { wire, sent: 0, received: 0, batches: 0 });
        }
        Ok(())
    }

    /// Sends batches on all connections, each with its next one when the one before is back, and returns how many messages came back.
    ///
    /// # Errors
    ///
    /// If other bytes come back than should, a connection ends, or the server takes too long.
    pub fn run(&mut self, enough: Enough) -> Result<u64> {
        let start = Instant::now();
        let (stop, batches) = match enough {
            Enough::Time(time) => (start + time, u64::MAX),
            Enough::Batches(batches) => (start + PATIENCE, batches),
        };
        let mut messages = 0;
        let mut working = self.connections.len();
        for connection in &mut self.connections {
            (connection.sent, connection.received, connection.batches) = (0, 0, 0);
            connection.write(&self.batch)?;
        }
        let mut events = Events::with_capacity(1024);
        while working > 0 {
            match self.poll.poll(&mut events, Some(Duration::from_secs(1))) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                polled => polled?,
            }
            if Instant::now() > stop + PATIENCE {
                return Err(format!("{working} connections still wait for their answers").into());
            }
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                connection.write(&self.batch)?;
                while connection.is_working(&self.batch) && connection.read(&self.batch, &mut self.buffer)? {}
                if connection.batches < batches && connection.take_answered(&self.batch) {
                    messages += self.batch.messages as u64;
                    if connection.batches < batches && Instant::now() < stop {
                        connection.write(&self.batch)?;
                    } else {
                        // Nothing is sent or expected before the next run.
                        (connection.sent, connection.received) =
                            (self.batch.request.len(), self.batch.reply.len());
                        connection.batches = batches;
                        working -= 1;
                    }
                }
            }
        }
        Ok(messages)
    }
}

impl Connection {
    fn is_working(&self, batch: &Batch) -> bool {
        self.received < batch.reply.len()
    }

    /// Whether a batch is back, after which the next one is due.
    fn take_answered(&mut self, batch: &Batch) -> bool {
        let answered = self.received == batch.reply.len();
        if answered {
            (self.sent, self.received) = (0, 0);
            self.batches += 1;
        }
        answered
    }

    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        self.wire.flush()?;
        while self.sent < batch.request.len() {
            match self.wire.write(&batch.request[self.sent..]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                written => self.sent += written?,
            }
        }
        Ok(())
    }

    /// Returns whether there may be more to read.
    fn read(&mut self, batch: &Batch, buffer: &mut [u8]) -> Result<bool> {
        let n = match self.wire.read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Ok(0) => return Err("the server hung up".into()),
            read => read?,
        };
        check(&batch.reply, self.received, &buffer[..n])?;
        self.received += n;
        Ok(n == buffer.len() || self.wire.short_read_may_have_more())
    }
}

/// Whether these bytes are what has to come at this place.
pub fn check(expected: &[u8], at: usize, bytes: &[u8]) -> Result<()> {
    if expected.get(at..at + bytes.len()) == Some(bytes) {
        Ok(())
    } else {
        Err(format!("not what was sent came back, at byte {at}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::servers::tests::target;
    use super::*;

    #[test]
    fn bytes_are_checked_where_they_stand() {
        assert!(check(b"abcdef", 2, b"cd").is_ok());
        assert!(check(b"abcdef", 4, b"ef").is_ok());
        assert!(check(b"abcdef", 4, b"efg").is_err());
        assert!(check(b"abcdef", 0, b"b").is_err());
    }

    #[test]
    fn all_messages_come_back_from_each_server() {
        let peers: &[&str] = if cfg!(feature = "peers") {
            &[
                "tungstenite",
                "tungstenite-example",
                "fastwebsockets",
                "fastwebsockets-example",
                "tokio-websockets",
                "tokio-websockets-example",
                "sockudo-ws",
                "sockudo-ws-example",
            ]
        } else {
            &[]
        };
        for &server in ["raw", "minimal", "sansws"].iter().chain(peers) {
            let target = target(server);
            for shape in [
                Shape::new(1, 1, 16),
                Shape::new(5, 16, 125),
                Shape::new(3, 4, 16 << 10),
                Shape::new(2, 2, 1 << 20),
            ] {
                let mut load = Load::open(&target, shape).expect(server);
                for batches in [1, 3] {
                    let messages = load.run(Enough::Batches(batches)).expect(server);
                    assert_eq!(
                        messages,
                        batches * (shape.connections * shape.in_flight) as u64,
                        "{server} {shape}"
                    );
                }
                let messages = load.run(Enough::Time(Duration::from_millis(20))).expect(server);
                assert_eq!(messages % shape.in_flight as u64, 0, "{server} {shape}");
            }
        }
    }
}
