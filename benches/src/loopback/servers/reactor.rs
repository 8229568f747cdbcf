//! As little of an event loop as servers on mio need.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::super::wire::retry;

/// The listener's token: connections have those of their places in the slab.
const LISTENER: Token = Token(usize::MAX);

/// What a server does.
pub(crate) trait Service {
    /// A socket with what is remembered of it.
    type Connection;

    /// A connection was accepted.
    fn accepted(&mut self, socket: TcpStream) -> io::Result<Self::Connection>;

    /// The socket became readable or writable, or both: read until there is no more. An error ends the connection.
    fn ready(&mut self, key: usize, connections: &mut Slab<Self::Connection>) -> io::Result<()>;
}

/// What most services remember.
pub(crate) struct Connection<S> {
    pub(crate) socket: TcpStream,
    pub(crate) state: S,
}

/// Serves until the process ends.
pub(crate) fn serve(listener: std::net::TcpListener, mut service: impl Service) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(listener);
    let (mut poll, mut events, mut connections) = (Poll::new()?, Events::with_capacity(1024), Slab::new());
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    loop {
        retry(|| poll.poll(&mut events, None))?;
        for event in &events {
            if event.token() != LISTENER {
                let key = event.token().0;
                if connections.contains(key) && service.ready(key, &mut connections).is_err() {
                    connections.remove(key);
                }
                continue;
            }
            while let Ok((mut socket, _)) = listener.accept() {
                socket.set_nodelay(true)?;
                let entry = connections.vacant_entry();
                poll.registry().register(
                    &mut socket,
                    Token(entry.key()),
                    Interest::READABLE | Interest::WRITABLE,
                )?;
                entry.insert(service.accepted(socket)?);
            }
        }
    }
}

/// Reads once; `None` if there is nothing.
pub(crate) fn read(socket: &mut impl Read, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match retry(|| socket.read(buffer)) {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(n) => Ok(Some(n)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes as much as the kernel takes, and returns how much that is.
pub(crate) fn write(socket: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match retry(|| socket.write(&bytes[written..])) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            result => written += result?,
        }
    }
    Ok(written)
}
