//! A WebSocket echo for a device that has a byte stream and a few kilobytes of memory: no heap, no operating system, no
//! standard library.

#![no_std]
#![forbid(unsafe_code)]

use sansws::handshake::server;
use sansws::{CloseCode, Config, Event, SliceOutput};

/// A byte stream: a serial line, a socket of a network chip.
pub trait Stream {
    /// Waits for bytes and returns how many it put into `buffer`: 0 at the end of the stream, or if there is no room.
    fn read(&mut self, buffer: &mut [u8]) -> usize;
    /// Sends all of `bytes`.
    fn write(&mut self, bytes: &[u8]);
}

/// Serves one connection: a binary message of any length goes back piece by piece, each as a fragment; text is not supported.
pub fn serve(stream: &mut impl Stream) {
    let (mut rx, mut tx, mut len) = ([0; 1024], [0; 1160], 0); // what came in and a header, a Pong, a Close
    let mut out = SliceOutput::new(&mut tx);
    let (mut ws, used) = loop {
        let n @ 1.. = stream.read(&mut rx[len..]) else { return };
        len += n;
        match server::accept(&rx[..len], &Config::default(), &mut out) {
            Ok(Some(opened)) => break opened,
            Ok(None) => {}
            Err(_) => return stream.write(out.filled()), // the refusal
        }
    };
    stream.write(out.filled());
    let mut input = &mut rx[used..len]; // frames may have come with the request
    loop {
        out.clear();
        while let Some(event) = ws.receive(&mut input) {
            match event {
                Event::Binary(chunk) => drop(ws.send_binary_fragment(chunk.payload, chunk.last, &mut out)),
                Event::Text(_) => drop(ws.fail(CloseCode::UNSUPPORTED_DATA)),
                _ => {}
            }
        }
        let _ = ws.poll_transmit(&mut out); // a Pong, a Close: always room for both
        stream.write(out.filled());
        let false = ws.should_close_transport() else { return };
        let n @ 1.. = stream.read(&mut rx) else { return };
        input = &mut rx[..n];
    }
}
