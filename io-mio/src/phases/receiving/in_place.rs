//! Long messages are read where they are collected.

use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sansws::{Config, Connection, Message};

use crate::app::handler::Handler;
use crate::app::peer::Peer;
use crate::conn::ending::Closed;
use crate::event_loop::EventLoop;
use crate::event_loop::scripted::Edge;
use crate::kernel::script::Script;
use crate::settings::Settings;

/// Bytes that arrive, and where they were read to.
#[derive(Debug, Default)]
struct Arriving {
    bytes: Vec<u8>,
    places: Vec<(usize, usize)>,
}

#[derive(Debug, Clone, Default)]
struct Socket(Arc<Mutex<Arriving>>);

impl Script for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut arriving = self.0.lock().expect("no panic while it is locked");
        let len = buffer.len().min(arriving.bytes.len());
        if len == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        for (place, byte) in buffer.iter_mut().zip(arriving.bytes.drain(..len)) {
            *place = byte;
        }
        arriving.places.push((buffer.as_ptr() as usize, len));
        Ok(len)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where messages were when they were handed out, and what they were.
#[derive(Default)]
struct Receiver {
    places: Vec<(usize, usize)>,
    messages: Vec<Vec<u8>>,
    closed: Option<u16>,
}

impl Handler for Receiver {
    type Session = ();

    fn message(&mut self, _: &mut Peer<'_, ()>, message: Message<'_>) {
        let bytes = message.as_bytes();
        self.places.push((bytes.as_ptr() as usize, bytes.len()));
        self.messages.push(bytes.to_vec());
    }

    fn close(&mut self, _: &mut Peer<'_, ()>, closed: Closed<'_>) {
        self.closed = Some(closed.code.get());
    }
}

fn server_frames(payloads: &[Vec<u8>]) -> Vec<u8> {
    let (mut server, mut bytes) = (Connection::server(&Config::default()), Vec::new());
    for payload in payloads {
        server.send_binary(payload, &mut bytes).expect("memory");
    }
    bytes
}

/// Turns until nothing more can be read, in portions however small.
fn run(event_loop: &mut EventLoop<Receiver>, socket: &Socket, peer: crate::PeerId) {
    for _ in 0..10_000 {
        event_loop
            .scripted_turn(Duration::ZERO, &[Edge { peer, readable: true, writable: true, ended: false }]);
        if socket.0.lock().unwrap().bytes.is_empty() && !event_loop.is_busy() {
            return;
        }
    }
    panic!("it is never read to its end");
}

#[test]
fn a_long_message_stays_where_it_was_read() {
    let payloads: Vec<Vec<u8>> = (0..3).map(|n| vec![n; 300_000]).collect();
    let socket = Socket::default();
    socket.0.lock().unwrap().bytes = server_frames(&payloads);
    let mut event_loop = EventLoop::new(Receiver::default(), Settings::default()).expect("a loop");
    let peer = event_loop.dialled_scripted(Box::new(socket.clone()), ());
    run(&mut event_loop, &socket, peer);
    let receiver = event_loop.handler();
    assert_eq!(receiver.messages, payloads);
    // The last one finds the buffer of those before: but for what came with its header nothing of
    // it was copied.
    let (start, len) = receiver.places[2];
    let arriving = socket.0.lock().unwrap();
    // The reads that brought its bytes, in portions that depend on how fast the machine is.
    let (mut left, mut read) = (len, 0);
    for (place, got) in arriving.places.iter().rev() {
        let own = left.min(*got);
        left -= own;
        read += if (start..start + len).contains(place) { own } else { 0 };
    }
    assert!(read >= len - (64 << 10), "{read} of {len} bytes");
}

#[test]
fn what_is_not_utf8_fails_the_connection_where_it_was_read() {
    let mut bytes = vec![0x81, 126, 0xff, 0xff];
    bytes.extend([b'a'; 40_000]);
    bytes.push(0xff);
    bytes.extend([b'a'; 25_534]);
    let socket = Socket::default();
    socket.0.lock().unwrap().bytes = bytes;
    let mut event_loop = EventLoop::new(Receiver::default(), Settings::default()).expect("a loop");
    let peer = event_loop.dialled_scripted(Box::new(socket.clone()), ());
    run(&mut event_loop, &socket, peer);
    assert_eq!((event_loop.handler().closed, event_loop.handler().messages.len()), (Some(1006), 0));
}
