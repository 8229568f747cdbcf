//! An echo server on blocking sockets with the engine alone: a thread for each connection.

use std::io::{Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use sansws::handshake::server;
use sansws::{Assembler, Config};

fn main() -> Result<()> {
    let addr = std::env::args().nth(1);
    for tcp in TcpListener::bind(addr.as_deref().unwrap_or("127.0.0.1:8080"))?.incoming() {
        match tcp {
            Ok(tcp) => drop(thread::Builder::new().spawn(|| echo(tcp))), // without a thread: hang up
            Err(_) => thread::sleep(Duration::from_millis(100)),         // too many files are open, perhaps
        }
    }
    Ok(())
}

fn echo(mut tcp: TcpStream) -> Result<()> {
    let (mut buffer, mut out, mut messages, mut len) = ([0; 16 << 10], Vec::new(), Assembler::new(), 0);
    let (mut ws, used) = loop {
        let n @ 1.. = tcp.read(&mut buffer[len..])? else { return Ok(()) };
        len += n;
        match server::accept(&buffer[..len], &Config::default(), &mut out) {
            Ok(Some(opened)) => break opened,
            Ok(None) => {}
            Err(_) => return tcp.write_all(&out), // the refusal
        }
    };
    let mut input = &mut buffer[used..len]; // frames may have come with the request
    loop {
        while let Some(message) = messages.receive(&mut ws, &mut input) {
            ws.send(message, &mut out)?;
        }
        ws.poll_transmit(&mut out)?; // a Pong, a Close
        tcp.write_all(&out)?;
        out.clear();
        if ws.should_close_transport() {
            return Ok(());
        }
        let n @ 1.. = tcp.read(&mut buffer)? else { return Ok(()) };
        input = &mut buffer[..n];
    }
}
