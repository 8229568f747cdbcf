//! Everything that a kernel may do when it is written to, for each way in which a connection
//! writes.

use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use crate::app::handler::Handler;
use crate::app::peer::Peer;
use crate::conn::ending::Closed;
use crate::conn::gathering::Gathering;
use crate::conn::link::Link;
use crate::conn::peer_addr::PeerAddr;
use crate::event_loop::EventLoop;
use crate::event_loop::scripted::Edge;
use crate::kernel::edges::Edges;
use crate::kernel::script::Script;
use crate::kernel::transport::Transport;
use crate::settings::Settings;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    Take(usize),
    /// Takes all, and says that it was more.
    Lie(usize),
    WouldBlock,
    Interrupted,
    Zero,
    Fail,
}

#[derive(Debug, Clone)]
enum Write {
    /// Gathered output of a turn.
    Gathered(Vec<u8>),
    /// The same with a payload that is not copied.
    Through(Vec<u8>, Vec<u8>),
    /// What waits in the queue.
    Queued(Vec<u8>),
}

#[derive(Debug, Default)]
struct Kernel {
    acts: Vec<Act>,
    wire: Vec<u8>,
    calls_after_the_end: usize,
    has_ended: bool,
}

#[derive(Debug, Clone, Default)]
struct Socket(Arc<Mutex<Kernel>>);

impl Script for Socket {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        let kernel = self.0.lock().expect("no panic while it is locked");
        if kernel.has_ended { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut kernel = self.0.lock().expect("no panic while it is locked");
        let given = slices.iter().map(|slice| &**slice).collect::<Vec<_>>().concat();
        kernel.calls_after_the_end += usize::from(kernel.has_ended);
        let (len, told) = match kernel.acts.pop().unwrap_or(Act::Take(usize::MAX)) {
            Act::Take(len) => (len.min(given.len()), len.min(given.len())),
            Act::Lie(more) => (given.len(), given.len().saturating_add(more)),
            Act::WouldBlock => return Err(ErrorKind::WouldBlock.into()),
            Act::Interrupted => return Err(ErrorKind::Interrupted.into()),
            Act::Zero => (0, 0),
            Act::Fail => {
                kernel.has_ended = true;
                return Err(ErrorKind::BrokenPipe.into());
            }
        };
        kernel.has_ended |= told == 0;
        kernel.wire.extend_from_slice(&given[..len]);
        Ok(told)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (1..40_usize).prop_map(Act::Take),
        2 => prop_oneof![Just(1), Just(7), Just(usize::MAX)].prop_map(Act::Lie),
        3 => Just(Act::WouldBlock),
        2 => Just(Act::Interrupted),
    ];
    prop::collection::vec(act, 0..30)
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..100);
    let write = prop_oneof![
        bytes().prop_map(Write::Gathered),
        (bytes(), bytes()).prop_map(|(head, payload)| Write::Through(head, payload)),
        bytes().prop_map(Write::Queued),
    ];
    prop::collection::vec(write, 0..12)
}

/// Writes, with the kernel ready again before each. Returns all bytes that should have gone out.
fn carry_out(link: &mut Link, edges: &mut Edges, gathering: &mut Gathering, writes: &[Write]) -> Vec<u8> {
    let mut all = Vec::new();
    for write in writes {
        edges.writable = true;
        match write {
            Write::Gathered(bytes) => {
                all.extend_from_slice(bytes);
                gathering.bytes.clone_from(bytes);
                link.flush(gathering, edges);
            }
            Write::Through(head, payload) => {
                all.extend_from_slice(&[&head[..], payload].concat());
                gathering.bytes.clone_from(head);
                link.write_through(gathering, payload, edges);
            }
            Write::Queued(bytes) => {
                all.extend_from_slice(bytes);
                link.out.push(bytes.clone().into());
            }
        }
    }
    all
}

fn link(acts: Vec<Act>) -> (Link, Edges, Socket) {
    let socket = Socket(Arc::new(Mutex::new(Kernel { acts, ..Kernel::default() })));
    let transport = Transport::scripted(Box::new(socket.clone()));
    (Link::new(PeerAddr::Unknown, Duration::ZERO), Edges::new(transport), socket)
}

/// Sends messages of these sizes as soon as it can.
#[derive(Default)]
struct Sender {
    sizes: Vec<usize>,
    /// What `written` and `buffered_amount` added up to behind each message.
    sums: Vec<u64>,
    /// What they were when the connection was closed.
    at_the_end: Option<(u64, usize)>,
}

impl Handler for Sender {
    type Session = ();

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        for &size in &self.sizes {
            peer.send(&*vec![7; size]).expect("there is room");
            self.sums.push(peer.written() + peer.buffered_amount() as u64);
        }
    }

    fn close(&mut self, peer: &mut Peer<'_, ()>, _: Closed<'_>) {
        self.at_the_end = Some((peer.written(), peer.buffered_amount()));
    }
}

/// A client's frame with so much payload.
fn frame_len(payload: usize) -> u64 {
    let header = match payload {
        0..126 => 6,
        126..0x1_0000 => 8,
        _ => 14,
    };
    header + payload as u64
}

proptest! {
    /// As [`Peer::written`] has it, wherever the connection breaks.
    #[test]
    fn what_became_of_each_message_can_be_told(
        takes in prop::collection::vec(prop_oneof![3 => (1..100_000_usize).prop_map(Act::Take), 1 => Just(Act::WouldBlock)], 0..8),
        sizes in prop::collection::vec(prop_oneof![0..200_usize, 60_000..140_000_usize], 1..10),
    ) {
        let socket = Socket(Arc::new(Mutex::new(Kernel { acts: [vec![Act::Fail], takes].concat(), ..Kernel::default() })));
        let mut event_loop = EventLoop::new(Sender { sizes: sizes.clone(), ..Sender::default() }, Settings::default()).expect("a loop");
        let peer = event_loop.dialled_scripted(Box::new(socket.clone()), ());
        for _ in 0..20 {
            event_loop.scripted_turn(Duration::ZERO, &[Edge { peer, readable: false, writable: true, ended: false }]);
        }
        let Some((written, buffered)) = event_loop.handler().at_the_end else { return Ok(()) };
        let arrived = socket.0.lock().unwrap().wire.len() as u64;
        let mut sent = 0;
        for (&size, &sum) in sizes.iter().zip(&event_loop.handler().sums) {
            sent += frame_len(size);
            prop_assert_eq!(written >= sum, arrived >= sent, "{} of {} bytes arrived", arrived, sent);
        }
        prop_assert_eq!((written, buffered as u64), (arrived, sent - arrived));
    }

    #[test]
    fn bytes_are_written_once_and_in_order(acts in acts(), writes in writes()) {
        let patience = acts.len() + 1;
        let (mut link, mut edges, socket) = link(acts);
        let mut gathering = Gathering::new(&Settings::default(), Arc::default());
        let all = carry_out(&mut link, &mut edges, &mut gathering, &writes);
        prop_assert_eq!(socket.0.lock().unwrap().wire.len() + link.queued(&edges), all.len());
        for _ in 0..patience {
            edges.writable = true;
            link.flush_queue(&mut edges, &gathering.counters);
        }
        prop_assert!(link.is_flushed(&edges) && !link.broken);
        prop_assert_eq!(link.written, all.len() as u64);
        prop_assert_eq!(gathering.counters.bytes_sent.get(), link.written);
        prop_assert_eq!(&socket.0.lock().unwrap().wire, &all);
    }

    #[test]
    fn after_a_write_of_nothing_or_a_failure_nothing_more_is_written(
        before in acts(), last in prop_oneof![Just(Act::Zero), Just(Act::Fail)], writes in writes(),
    ) {
        let patience = before.len() + 1;
        let (mut link, mut edges, socket) = link([vec![last], before].concat());
        let mut gathering = Gathering::new(&Settings::default(), Arc::default());
        let all = carry_out(&mut link, &mut edges, &mut gathering, &writes);
        for _ in 0..patience {
            edges.writable = true;
            link.flush_queue(&mut edges, &gathering.counters);
        }
        let kernel = socket.0.lock().unwrap();
        prop_assert!(all.starts_with(&kernel.wire));
        prop_assert_eq!(link.broken, kernel.has_ended);
        prop_assert_eq!(kernel.calls_after_the_end, 0);
        prop_assert_eq!(link.written + link.queued(&edges) as u64, all.len() as u64, "it still counts");
        if link.broken {
            prop_assert!(link.out.is_empty(), "what can never be written is not kept");
            prop_assert!(edges.readable, "the next read tells the end");
        }
    }
}
