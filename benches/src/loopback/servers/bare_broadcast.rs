//! The limit of a broadcast: what the publisher sent in one turn goes to each receiver with one bare write.

use std::io::{self, ErrorKind};

use mio::net::TcpStream;
use slab::Slab;

use super::super::opening;
use super::PUBLISH;
use super::minimal::Frames;
use super::raw::Unwritten;
use super::reactor::{self, Connection, Service};

/// More than the publisher has in flight at a time.
const BUFFER: usize = 1 << 20;

pub(crate) struct Bare {
    input: Vec<u8>,
    /// Bytes of `input` that belong to a frame which is not whole yet.
    kept: usize,
    output: Vec<u8>,
}

/// What a connection is.
#[derive(Default)]
pub(crate) enum State {
    /// It has not asked for anything.
    #[default]
    New,
    Publisher,
    Receiver(Unwritten),
}

impl Bare {
    pub(crate) fn new() -> Self {
        Self { input: vec![0; BUFFER], kept: 0, output: vec![0; BUFFER] }
    }

    fn publish(&mut self, key: usize, connections: &mut Slab<Connection<State>>) -> io::Result<()> {
        let socket = &mut connections[key].socket;
        let mut len = self.kept;
        while let Some(n) = reactor::read(socket, &mut self.input[len..])? {
            len += n;
        }
        let Frames { consumed, written } = Frames::answer(&self.input[..len], &mut self.output);
        self.input.copy_within(consumed..len, 0);
        self.kept = len - consumed;
        let bytes = &self.output[..written];
        if bytes.is_empty() {
            return Ok(());
        }
        for (_, Connection { socket, state }) in connections {
            let State::Receiver(unwritten) = state else { continue };
            // A receiver that is slow has its queue; one that is gone is noticed when its own event comes.
            let taken =
                if unwritten.is_empty() { reactor::write(socket, bytes).unwrap_or(bytes.len()) } else { 0 };
            unwritten.keep(&bytes[taken..]);
        }
        Ok(())
    }
}

impl Service for Bare {
    type Connection = Connection<State>;

    fn accepted(&mut self, socket: TcpStream) -> io::Result<Connection<State>> {
        Ok(Connection { socket, state: State::New })
    }

    fn ready(&mut self, key: usize, connections: &mut Slab<Connection<State>>) -> io::Result<()> {
        let Connection { socket, state } = &mut connections[key];
        match state {
            State::New => {
                let mut head = [0; 2048];
                let Some(n) = reactor::read(socket, &mut head)? else { return Ok(()) };
                if !head[..n].ends_with(b"\r\n\r\n") {
                    return Err(ErrorKind::InvalidData.into());
                }
                let is_publisher = head[..n].windows(PUBLISH.len()).any(|bytes| bytes == PUBLISH.as_bytes());
                *state = if is_publisher { State::Publisher } else { State::Receiver(Unwritten::default()) };
                reactor::write(socket, opening::response().as_bytes())?;
                Ok(())
            }
            State::Publisher => self.publish(key, connections),
            State::Receiver(unwritten) => {
                if unwritten.write(socket)? {
                    // Receivers send nothing: this is their end.
                    reactor::read(socket, &mut [0; 64])?;
                }
                Ok(())
            }
        }
    }
}
