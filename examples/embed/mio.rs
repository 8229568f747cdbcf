//! An echo server on mio with the engine alone: one thread, one receive buffer, any number of connections.
//!
//! What it leaves to a real driver such as `sansws-mio`: turns (a peer that never stops sending is served until it does), time-outs,
//! and what to do when files run out.

use std::collections::HashMap;
use std::io::{Error, ErrorKind, Read, Result, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use sansws::handshake::server::Acceptor;
use sansws::{Assembler, Config, Connection};

/// A socket, its opening handshake, then its connection, its messages, and what the kernel has not taken yet.
type Peer = (TcpStream, Acceptor, Option<Connection>, Assembler, Vec<u8>);

fn main() -> Result<()> {
    let addr = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let mut listener = TcpListener::bind(addr.parse().map_err(Error::other)?)?;
    let (mut poll, mut events, mut buffer) = (Poll::new()?, Events::with_capacity(1024), vec![0; 64 << 10]);
    let (mut peers, mut tokens) = (HashMap::<Token, Peer>::new(), (1..).map(Token));
    poll.registry().register(&mut listener, Token(0), Interest::READABLE)?;
    loop {
        let _ = poll.poll(&mut events, None); // interrupted: there are no events
        for token in events.iter().map(|event| event.token()) {
            if token == Token(0) {
                while let (Ok((mut tcp, _)), Some(new)) = (listener.accept(), tokens.next()) {
                    poll.registry().register(&mut tcp, new, Interest::READABLE | Interest::WRITABLE)?;
                    peers.insert(new, (tcp, Acceptor::default(), None, Assembler::new(), Vec::new()));
                }
            }
            let Some(peer) = peers.get_mut(&token) else { continue };
            if !ready(peer, &mut buffer).is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
                peers.remove(&token).map(|mut peer| peer.0.write(&peer.4)); // the last of it may be a refusal
            }
        }
    }
}

/// Writes and reads until the socket would block; anything else is the end of the connection.
fn ready((tcp, acceptor, ws, messages, out): &mut Peer, buffer: &mut [u8]) -> Result<()> {
    loop {
        out.drain(..tcp.write(out)?); // while the kernel takes nothing, nothing is read
        let done = out.is_empty() && ws.as_ref().is_some_and(Connection::should_close_transport);
        let n @ 1.. = (if done { 0 } else { tcp.read(buffer)? }) else { return Ok(()) };
        let mut input = &mut buffer[..n];
        if ws.is_none() {
            *ws = acceptor.receive(&mut input, &Config::default(), out)?;
        }
        let Some(ws) = ws else { continue };
        while let Some(message) = messages.receive(ws, &mut input) {
            ws.send(message, out)?;
        }
        ws.poll_transmit(out)?;
    }
}
