//! tungstenite.

use std::io::{self, ErrorKind};
use std::net::TcpListener;

use mio::net::TcpStream;
use slab::Slab;
use tungstenite::handshake::server::{NoCallback, ServerHandshake};
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::{Error, WebSocket};

use super::super::reactor::Service;

/// On mio, with one flush for all messages of one readiness.
pub(crate) struct OneFlush;

pub(crate) enum Connection {
    Opening(Box<MidHandshake<ServerHandshake<TcpStream, NoCallback>>>),
    Open(Box<WebSocket<TcpStream>>),
    /// Between the two.
    Neither,
}

/// A thread for each connection, and a flush for each message.
pub(crate) fn example(listener: &TcpListener) -> io::Result<()> {
    for socket in listener.incoming() {
        let socket = socket?;
        std::thread::spawn(move || -> Result<(), Error> {
            socket.set_nodelay(true)?;
            let mut websocket =
                tungstenite::accept(socket).map_err(|_| ErrorKind::InvalidData).map_err(io::Error::from)?;
            loop {
                let message = websocket.read()?;
                if message.is_binary() || message.is_text() {
                    websocket.send(message)?;
                }
            }
        });
    }
    Ok(())
}

impl Service for OneFlush {
    type Connection = Connection;

    fn accepted(&mut self, socket: TcpStream) -> io::Result<Connection> {
        Connection::opening(tungstenite::accept(socket))
    }

    fn ready(&mut self, key: usize, connections: &mut Slab<Connection>) -> io::Result<()> {
        let connection = &mut connections[key];
        if let Connection::Opening(_) = connection {
            let Connection::Opening(opening) = std::mem::replace(connection, Connection::Neither) else {
                return Ok(());
            };
            *connection = Connection::opening(opening.handshake())?;
        }
        let Connection::Open(websocket) = connection else { return Ok(()) };
        loop {
            match websocket.read() {
                // What the kernel does not take is kept.
                Ok(message) if message.is_binary() || message.is_text() => {
                    unless_blocked(websocket.write(message))?;
                }
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        unless_blocked(websocket.flush())
    }
}

impl Connection {
    fn opening(
        result: Result<WebSocket<TcpStream>, HandshakeError<ServerHandshake<TcpStream, NoCallback>>>,
    ) -> io::Result<Self> {
        match result {
            Ok(websocket) => Ok(Self::Open(Box::new(websocket))),
            Err(HandshakeError::Interrupted(opening)) => Ok(Self::Opening(Box::new(opening))),
            Err(HandshakeError::Failure(error)) => Err(io::Error::other(error)),
        }
    }
}

fn unless_blocked(result: Result<(), Error>) -> io::Result<()> {
    match result {
        Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        result => result.map_err(io::Error::other),
    }
}
