//! How much is in flight at a time, and its bytes.

use std::fmt;

use sansws::{Config, Connection, Message};

use crate::{binary, client_frame};

/// Connections × messages in flight on each × bytes of payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Connections that work at the same time.
    pub connections: usize,
    /// Messages that a connection sends with one write. The next ones follow when all of them have come back, so each server has
    /// batches of the same size to deal with, however it answers them.
    pub in_flight: usize,
    /// Bytes of payload.
    pub size: usize,
}

/// What a connection sends at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// For a server that looks at no frames and returns the bytes it reads: the answers that a WebSocket server would give. It reads four
    /// bytes less per message, as those have no masking-key, and writes as many.
    Raw,
    /// Masked frames, as a client has to send them.
    WebSocket,
}

/// The bytes of one batch.
#[derive(Debug, Clone)]
pub struct Batch {
    /// What is sent.
    pub request: Vec<u8>,
    /// What has to come back.
    pub reply: Vec<u8>,
    /// Messages in it.
    pub messages: usize,
}

impl Shape {
    /// Creates a shape.
    pub const fn new(connections: usize, in_flight: usize, size: usize) -> Self {
        Self { connections, in_flight, size }
    }

    /// The bytes that a connection sends at a time, and those it gets.
    pub fn batch(&self, framing: Framing) -> Batch {
        let payload = binary(self.size);
        let reply = server_frame(&payload).repeat(self.in_flight);
        let request = match framing {
            Framing::Raw => reply.clone(),
            Framing::WebSocket => client_frame(Message::Binary(&payload)).repeat(self.in_flight),
        };
        Batch { request, reply, messages: self.in_flight }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {} × {}", self.connections, self.in_flight, Bytes(self.size))
    }
}

/// A size as people write it.
#[derive(Debug, Clone, Copy)]
pub struct Bytes(pub usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n >= 1 << 20 && n % (1 << 20) == 0 => write!(f, "{} MiB", n >> 20),
            n if n >= 1 << 10 && n % (1 << 10) == 0 => write!(f, "{} KiB", n >> 10),
            n => write!(f, "{n} B"),
        }
    }
}

/// A binary message as a server sends it.
pub fn server_frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let sent = Connection::server(&Config::default()).send_binary(payload, &mut frame);
    debug_assert!(sent.is_ok());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_server_writes_as_many_bytes_as_one_with_frames() {
        for (size, header) in [(16, 2), (125, 2), (16 << 10, 4), (1 << 20, 10)] {
            let shape = Shape::new(1, 3, size);
            let (raw, framed) = (shape.batch(Framing::Raw), shape.batch(Framing::WebSocket));
            assert_eq!(raw.request, raw.reply);
            assert_eq!(raw.reply, framed.reply);
            assert_eq!(framed.reply.len(), 3 * (header + size));
            assert_eq!(framed.request.len(), 3 * (header + 4 + size));
        }
    }

    #[test]
    fn shapes_are_shown_as_the_tables_name_them() {
        assert_eq!(Shape::new(8, 4, 16 << 10).to_string(), "8 × 4 × 16 KiB");
        assert_eq!(Shape::new(64, 1, 125).to_string(), "64 × 1 × 125 B");
        assert_eq!(Shape::new(2, 2, 1 << 20).to_string(), "2 × 2 × 1 MiB");
    }
}
