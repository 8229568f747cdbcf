//! The limit with TLS: rustls alone, bytes in, the same bytes out.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::{ServerConfig, ServerConnection};
use slab::Slab;

use super::super::tls;
use super::super::wire::retry;
use super::BUFFER;
use super::reactor::{Connection, Service};

/// Returns what it decrypts.
pub(crate) struct RawTls {
    config: Arc<ServerConfig>,
    buffer: Vec<u8>,
}

pub(crate) struct State {
    session: ServerConnection,
    /// What rustls has no room for.
    unwritten: Vec<u8>,
}

impl RawTls {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { config: tls::server_config()?, buffer: vec![0; BUFFER] })
    }
}

impl Service for RawTls {
    type Connection = Connection<State>;

    fn accepted(&mut self, socket: TcpStream) -> io::Result<Connection<State>> {
        let session = ServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)?;
        Ok(Connection { socket, state: State { session, unwritten: Vec::new() } })
    }

    fn ready(&mut self, key: usize, connections: &mut Slab<Connection<State>>) -> io::Result<()> {
        let Connection { socket, state } = &mut connections[key];
        loop {
            if !state.flush(socket)? {
                return Ok(());
            }
            // All that is there, so that the answers leave together.
            let mut has_more = true;
            while has_more && state.session.wants_read() {
                match retry(|| state.session.read_tls(socket)) {
                    Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => has_more = false,
                    read => drop(read?),
                }
                state.session.process_new_packets().map_err(io::Error::other)?;
            }
            let mut has_plaintext = false;
            while let Ok(n) = state.session.reader().read(&mut self.buffer) {
                if n == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                has_plaintext = true;
                let taken = state.session.writer().write(&self.buffer[..n])?;
                state.unwritten.extend(&self.buffer[taken..n]);
            }
            if !has_more && !has_plaintext {
                state.flush(socket)?;
                return Ok(());
            }
        }
    }
}

impl State {
    /// Returns whether all is written.
    fn flush(&mut self, socket: &mut TcpStream) -> io::Result<bool> {
        loop {
            while self.session.wants_write() {
                match retry(|| self.session.write_tls(socket)) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                    written => drop(written?),
                }
            }
            if self.unwritten.is_empty() {
                return Ok(true);
            }
            let taken = self.session.writer().write(&self.unwritten)?;
            self.unwritten.drain(..taken);
        }
    }
}
