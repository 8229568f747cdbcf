//! The limit: bytes in, the same bytes out.

use std::io;

use mio::net::TcpStream;
use slab::Slab;

use super::BUFFER;
use super::reactor::{self, Connection, Service};

/// Returns what it reads, one write for each read.
pub(crate) struct Raw {
    buffer: Vec<u8>,
}

/// What the kernel has not taken, and how much of it it has taken since; nothing more is read meanwhile.
#[derive(Default)]
pub(crate) struct Unwritten(Option<Box<(Vec<u8>, usize)>>);

impl Raw {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; BUFFER] }
    }
}

impl Service for Raw {
    type Connection = Connection<Unwritten>;

    fn accepted(&mut self, socket: TcpStream) -> io::Result<Connection<Unwritten>> {
        Ok(Connection { socket, state: Unwritten::default() })
    }

    fn ready(&mut self, key: usize, connections: &mut Slab<Connection<Unwritten>>) -> io::Result<()> {
        let Connection { socket, state } = &mut connections[key];
        if !state.write(socket)? {
            return Ok(());
        }
        while let Some(n) = reactor::read(socket, &mut self.buffer)? {
            let bytes = &self.buffer[..n];
            let written = reactor::write(socket, bytes)?;
            state.keep(&bytes[written..]);
            if written < n || n < self.buffer.len() {
                break;
            }
        }
        Ok(())
    }
}

impl Unwritten {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Keeps what is left to be written, behind what is there.
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            _ if bytes.is_empty() => {}
            Some(left) => left.0.extend(bytes),
            None => self.0 = Some(Box::new((bytes.to_vec(), 0))),
        }
    }

    /// Keeps a whole vector, of which this much is written.
    pub(crate) fn keep_from(&mut self, bytes: Vec<u8>, written: usize) {
        if written < bytes.len() {
            self.0 = Some(Box::new((bytes, written)));
        }
    }

    /// Returns whether nothing is left.
    pub(crate) fn write(&mut self, socket: &mut TcpStream) -> io::Result<bool> {
        let Some(left) = &mut self.0 else { return Ok(true) };
        left.1 += reactor::write(socket, &left.0[left.1..])?;
        let is_done = left.1 == left.0.len();
        if is_done {
            self.0 = None;
        }
        Ok(is_done)
    }
}
