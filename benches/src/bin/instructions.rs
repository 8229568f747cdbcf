//! One cell of the table of instruction counts, a number of times: `instructions CELL TIMES`, or `instructions` for the names of all cells.
//!
//! The script `benches/instructions` runs it in callgrind.

use std::error::Error;
use std::hint::black_box;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sansws::{Assembler, Config, Connection, Message};
use sansws_benches::loopback::servers::Echo;
use sansws_benches::{KEY, ascii, binary, client_fragments, client_frame, multi_byte};
use sansws_mio::{Edge, EventLoop, Script, Settings};

const SIZES: [usize; 5] = [16, 125, 126, 1 << 10, 16 << 10];

/// Messages of one turn of the event loop, and their length.
const TURNS: [(usize, usize); 3] = [(1, 125), (16, 125), (4, 16 << 10)];

fn main() -> Result<(), Box<dyn Error>> {
    let mut cells = cells();
    let mut args = std::env::args().skip(1);
    let Some(name) = args.next() else {
        cells.iter().for_each(|(name, _)| println!("{name}"));
        return Ok(());
    };
    let times: usize = args.next().ok_or("how many times?")?.parse()?;
    let (_, make) = cells.iter_mut().find(|(found, _)| *found == name).ok_or("no such cell")?;
    let mut work = make();
    (0..times).for_each(|_| work());
    Ok(())
}

type Work = Box<dyn FnMut()>;

/// The name of each cell, and what makes ready for it.
fn cells() -> Vec<(String, Box<dyn FnMut() -> Work>)> {
    let mut cells: Vec<(String, Box<dyn FnMut() -> Work>)> = Vec::new();
    for size in SIZES {
        cells.push((
            format!("receive/binary/{size}"),
            Box::new(move || receive(client_frame(Message::Binary(&binary(size))))),
        ));
        cells.push((
            format!("receive/ascii/{size}"),
            Box::new(move || receive(client_frame(Message::Text(&ascii(size))))),
        ));
        cells.push((
            format!("receive/multi-byte/{size}"),
            Box::new(move || receive(client_frame(Message::Text(&multi_byte(size))))),
        ));
        cells.push((
            format!("send/server/{size}"),
            Box::new(move || send(Connection::server(&Config::default()), size)),
        ));
        cells.push((
            format!("send/client/{size}"),
            Box::new(move || send(Connection::client(&Config::default(), || KEY), size)),
        ));
    }
    cells.push((
        "receive/fragments-of-64/16384".into(),
        Box::new(|| receive(client_fragments(&multi_byte(16 << 10), 64))),
    ));
    for (messages, len) in TURNS {
        cells.push((format!("turn/{messages}x{len}"), Box::new(move || turn(messages, len))));
    }
    cells.sort_by(|a, b| a.0.cmp(&b.0));
    cells
}

/// A server takes one message that came whole in one read.
fn receive(stream: Vec<u8>) -> Work {
    let (mut server, mut messages) = (Connection::server(&Config::default()), Assembler::new());
    let mut buffer = stream.clone();
    Box::new(move || {
        buffer.copy_from_slice(black_box(&stream));
        let mut input = &mut buffer[..];
        while let Some(message) = messages.receive(&mut server, &mut input) {
            black_box(message);
        }
    })
}

/// A message is written to a buffer that has room.
fn send(mut connection: Connection, size: usize) -> Work {
    let (payload, mut out) = (binary(size), Vec::with_capacity(2 * size + 64));
    Box::new(move || {
        out.clear();
        connection.send_binary(black_box(&payload), &mut out).expect("an open connection");
        black_box(&out);
    })
}

/// The driver reads messages and echoes them, without a kernel.
fn turn(messages: usize, len: usize) -> Work {
    let mut events = EventLoop::new(Echo, Settings::default()).expect("an event loop");
    events.untimed();
    let wire = Wire::default();
    let peer = events.accept_scripted(Box::new(wire.clone())).expect("a place");
    let edge = Edge { peer, readable: true, writable: true, ended: false };
    let request = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    wire.play(request.as_bytes());
    for _ in 0..3 {
        events.scripted_turn(Duration::ZERO, &[edge]);
    }
    let stream = client_frame(Message::Binary(&binary(len))).repeat(messages);
    let mut elapsed = Duration::ZERO;
    Box::new(move || {
        let before = wire.written();
        wire.play(&stream);
        elapsed += Duration::from_micros(1);
        while wire.written() < before + messages * len {
            events.scripted_turn(elapsed, &[edge]);
        }
    })
}

/// The peer's end.
#[derive(Debug, Clone, Default)]
struct Wire(Arc<Mutex<Bytes>>);

#[derive(Debug, Default)]
struct Bytes {
    arrived: Vec<u8>,
    /// How many of these.
    read: usize,
    written: usize,
}

impl Wire {
    fn with<T>(&self, act: impl FnOnce(&mut Bytes) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn play(&self, bytes: &[u8]) {
        self.with(|wire| {
            wire.arrived.clear();
            wire.read = 0;
            wire.arrived.extend(bytes);
        });
    }

    fn written(&self) -> usize {
        self.with(|wire| wire.written)
    }
}

impl Script for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.with(|wire| {
            let bytes = &wire.arrived[wire.read..];
            let len = bytes.len().min(buffer.len());
            if len == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            buffer[..len].copy_from_slice(&bytes[..len]);
            wire.read += len;
            Ok(len)
        })
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = slices.iter().map(|slice| slice.len()).sum();
        self.with(|wire| wire.written += len);
        Ok(len)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}
