//! What a connection that breaks leaves of the messages it was given: the kernel is played, so that
//! it is known what it took.

#[cfg(feature = "__tls")]
mod secure;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sansws::Message;

use crate::client::event::Event;
use crate::client::plan::{Options, Plan};
use crate::client::socket::{Sink, Socket};
use crate::client::thread::inbox::Thread;
use crate::client::thread::session::{Driver, Session, ask};
use crate::client::thread::worker::Worker;
use crate::conn::peer_id::PeerId;
use crate::event_loop::EventLoop;
use crate::event_loop::scripted::Edge;
use crate::kernel::script::Script;
use crate::kernel::transport::Transport;
use crate::settings::Settings;

/// A kernel that takes so many bytes.
#[derive(Debug, Clone, Default)]
struct Wire(Arc<Mutex<Kernel>>);

#[derive(Debug, Default)]
struct Kernel {
    room: usize,
    /// When there is no room the connection is broken, not busy.
    breaks: bool,
    taken: Vec<u8>,
    /// What the server sent.
    arrived: VecDeque<u8>,
}

impl Wire {
    fn kernel(&self) -> MutexGuard<'_, Kernel> {
        self.0.lock().expect("no panic while it is locked")
    }
}

impl Script for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut kernel = self.kernel();
        if !kernel.arrived.is_empty() {
            return kernel.arrived.read(buffer);
        }
        if kernel.breaks && kernel.room == 0 { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut kernel = self.kernel();
        let given = slices.iter().map(|slice| &**slice).collect::<Vec<_>>().concat();
        let len = given.len().min(kernel.room);
        if len == 0 {
            return Err(if kernel.breaks { ErrorKind::BrokenPipe } else { ErrorKind::WouldBlock }.into());
        }
        kernel.room -= len;
        kernel.taken.extend_from_slice(&given[..len]);
        Ok(len)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A client thread between two turns, with one socket that is open.
struct Client {
    worker: Worker,
    socket: Arc<Socket>,
    peer: PeerId,
}

impl Client {
    fn over(transport: Transport) -> Self {
        // As `Clients::start` has it.
        let settings = Settings { max_buffered: usize::MAX / 2, ..Settings::default() };
        let event_loop = EventLoop::new(Driver, settings).expect("a loop");
        let thread = Thread::new(event_loop.handle());
        let mut worker = Worker::new(event_loop);
        let plan = Arc::new(Plan::new(Options::new("ws://h")).expect("a URL"));
        let socket = Socket::new(plan, thread, Sink::Polling);
        let session = Session::new(Arc::clone(&socket));
        let peer = worker.event_loop.dialled_over(transport, session);
        assert_eq!(socket.try_take(), Some(Event::Open));
        Self { worker, socket, peer }
    }

    fn send(&mut self, count: usize, payload: &[u8]) {
        for _ in 0..count {
            self.socket.send(Message::Binary(payload)).expect("open");
        }
        self.worker.attend(&self.socket);
        self.turn(false);
    }

    fn turn(&mut self, writable: bool) {
        let edge = Edge { peer: self.peer, readable: false, writable, ended: false };
        self.worker.event_loop.scripted_turn(Duration::from_millis(1), &[edge]);
    }

    fn wait_for_the_end(&mut self) {
        for _ in 0..10 {
            self.turn(false);
        }
        assert!(self.socket.lock().is_over());
    }

    /// Messages that are said to be unsent, and bytes to be buffered.
    fn left(&self) -> (usize, u64) {
        let state = self.socket.lock();
        (state.outgoing.len(), state.buffered)
    }
}

/// The kernel takes what waits, more follows in the same turn, and there the connection breaks:
/// what the driver took after that is unsent.
#[test]
fn what_is_sent_on_a_broken_connection_is_unsent() {
    // Of this size each message is written as it is sent.
    const LEN: usize = 100 << 10;
    const FRAME: usize = 14 + LEN;
    let wire = Wire::default();
    let mut client = Client::over(Transport::scripted(Box::new(wire.clone())));
    client.send(10, &[7; LEN]);
    assert_eq!(client.left().0, 7, "the driver has three");
    (wire.kernel().room, wire.kernel().breaks) = (3 * FRAME, true);
    client.turn(true);
    client.wait_for_the_end();
    assert_eq!(wire.kernel().taken.len(), 3 * FRAME);
    assert_eq!(client.left(), (7, 7 * LEN as u64));
}

/// Whatever number a Pong has: what no Ping has asked about is not confirmed.
#[test]
fn only_what_was_asked_about_is_confirmed() {
    let wire = Wire::default();
    wire.kernel().room = usize::MAX;
    let mut client = Client::over(Transport::scripted(Box::new(wire.clone())));
    let send = |client: &mut Client, id| {
        assert!(client.socket.send_numbered(Message::Text("x").into(), id));
        client.worker.attend(&client.socket);
        client.turn(false);
    };
    let pong = |client: &mut Client, id: u8| {
        wire.kernel().arrived.extend([0x8a, 8, 0, 0, 0, 0, 0, 0, 0, id]);
        let edge = Edge { peer: client.peer, readable: true, writable: false, ended: false };
        client.worker.event_loop.scripted_turn(Duration::from_millis(1), &[edge]);
        client.socket.lock().confirmed
    };
    send(&mut client, 0);
    send(&mut client, 1);
    assert_eq!(pong(&mut client, 2), 0, "nothing was asked");
    client.worker.with_peer(Some(client.peer), ask).expect("open");
    send(&mut client, 2);
    assert_eq!(pong(&mut client, 3), 0, "more than was asked");
    assert_eq!(pong(&mut client, 2), 2);
}
