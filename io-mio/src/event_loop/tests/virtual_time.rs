//! What depends on time and on what the kernel takes, with both played: nothing here waits for
//! anything.

use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sansws::{CloseCode, Message};

use crate::app::accept::Accept;
use crate::app::handler::Handler;
use crate::app::peer::Peer;
use crate::app::request::Request;
use crate::app::response::Response;
use crate::conn::ending::Closed;
use crate::conn::pace::Portion;
use crate::conn::peer_id::PeerId;
use crate::event_loop::EventLoop;
use crate::event_loop::scripted::Edge;
use crate::kernel::script::Script;
use crate::settings::Settings;
use crate::state::slots::{Phase, Slot};

/// One socket of the kernel's: what the peer sent and was not read, and how much more the kernel
/// takes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Socket(Arc<Mutex<Buffers>>);

#[derive(Debug, Default)]
pub(crate) struct Buffers {
    pub(crate) arrived: Vec<u8>,
    pub(crate) room: usize,
    pub(crate) written: Vec<u8>,
    /// How many writes took something.
    pub(crate) writes: usize,
    /// Writing fails, as without memory in the kernel: no event tells of it.
    pub(crate) is_broken: bool,
    /// The same from the write on that there is no room for.
    pub(crate) breaks_when_full: bool,
    /// The peer's stream has ended behind what arrived.
    pub(crate) ended: bool,
    pub(crate) fin: bool,
}

impl Socket {
    pub(crate) fn with_room(room: usize) -> Self {
        let socket = Self::default();
        socket.buffers().room = room;
        socket
    }

    pub(crate) fn buffers(&self) -> MutexGuard<'_, Buffers> {
        self.0.lock().expect("no panic while it is locked")
    }
}

impl Script for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut socket = self.buffers();
        let len = socket.arrived.len().min(buffer.len());
        if len == 0 {
            return if socket.ended { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        buffer[..len].copy_from_slice(&socket.arrived[..len]);
        socket.arrived.drain(..len);
        Ok(len)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut socket = self.buffers();
        if socket.is_broken {
            return Err(ErrorKind::OutOfMemory.into());
        }
        let before = socket.written.len();
        for slice in slices {
            let len = slice.len().min(socket.room);
            socket.room -= len;
            socket.written.extend_from_slice(&slice[..len]);
        }
        match socket.written.len() - before {
            0 if socket.breaks_when_full => {
                socket.is_broken = true;
                Err(ErrorKind::OutOfMemory.into())
            }
            0 => Err(ErrorKind::WouldBlock.into()),
            len => {
                socket.writes += 1;
                Ok(len)
            }
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.buffers().fin = true;
        Ok(())
    }
}

#[derive(Default)]
pub(crate) struct Watcher {
    messages: usize,
    pub(crate) closed: Vec<(PeerId, u16)>,
    pub(crate) clean: usize,
}

impl Handler for Watcher {
    type Session = ();

    fn upgrade(&mut self, _: &Request<'_>, _: &mut Accept) -> Result<(), Response> {
        Ok(())
    }

    fn message(&mut self, _: &mut Peer<'_, ()>, _: Message<'_>) {
        self.messages += 1;
    }

    fn close(&mut self, peer: &mut Peer<'_, ()>, closed: Closed<'_>) {
        self.closed.push((peer.id(), closed.code.get()));
        self.clean += usize::from(closed.was_clean);
    }
}

pub(crate) fn event_loop(settings: Settings) -> EventLoop<Watcher> {
    EventLoop::new(Watcher::default(), settings).expect("an event queue")
}

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(crate) fn readable(peer: PeerId) -> Edge {
    Edge { peer, readable: true, writable: false, ended: false }
}

pub(crate) fn writable(peer: PeerId) -> Edge {
    Edge { peer, readable: false, writable: true, ended: false }
}

/// A Ping to a client, with as much payload as fits.
fn ping() -> Vec<u8> {
    [&[0x89, 125][..], &[b'x'; 125]].concat()
}

/// When the connection was closed: every 100 ms the peer sends `input`, and reads so many bytes.
fn closed_after(
    event_loop: &mut EventLoop<Watcher>,
    socket: &Socket,
    peer: PeerId,
    input: &[u8],
    reads: usize,
) -> u64 {
    for tenths in 1..1000 {
        socket.buffers().arrived.extend_from_slice(input);
        socket.buffers().room += reads;
        let edges = if reads > 0 { vec![readable(peer), writable(peer)] } else { vec![readable(peer)] };
        event_loop.scripted_turn(ms(100 * tenths), &edges);
        while event_loop.is_busy() {
            event_loop.scripted_turn(ms(100 * tenths), &[]);
        }
        if !event_loop.handler().closed.is_empty() {
            return 100 * tenths;
        }
    }
    panic!("not closed in 100 s");
}

#[test]
fn pings_do_not_put_off_the_deadline_of_the_closing_handshake() {
    let mut event_loop = event_loop(Settings::default());
    let socket = Socket::with_room(1000);
    let peer = event_loop.dialled_scripted(Box::new(socket.clone()), ());
    event_loop.context().peer(peer).expect("open").close(CloseCode::NORMAL, "").expect("sent");
    // Far more Pongs than are read: the queue never empties, and now and then the kernel takes some
    // of it.
    let pings = ping().repeat(100);
    let closed = closed_after(&mut event_loop, &socket, peer, &pings, 5000);
    assert!((5000..=5100).contains(&closed), "{closed} ms");
}

#[test]
fn what_was_queued_before_a_close_has_the_time_it_takes_to_read_it() {
    let mut event_loop = event_loop(Settings::default());
    let socket = Socket::default();
    let peer = event_loop.dialled_scripted(Box::new(socket.clone()), ());
    let mut context = event_loop.context();
    let mut peer_now = context.peer(peer).expect("open");
    peer_now.send(&[7; 100_000][..]).expect("queued");
    peer_now.close(CloseCode::NORMAL, "").expect("queued");
    // Twenty seconds for the message; five more for the Close that never comes.
    let closed = closed_after(&mut event_loop, &socket, peer, &[], 500);
    assert!((25_000..=25_300).contains(&closed), "{closed} ms");
    assert!(socket.buffers().written.len() > 100_000);
}

#[test]
fn a_peer_that_reads_slowly_is_alive_and_one_that_reads_nothing_is_not() {
    for (reads, limits) in [(500, None), (0, Some(55_000..=55_100))] {
        let mut event_loop = event_loop(Settings::default());
        let socket = Socket::default();
        let peer = event_loop.dialled_scripted(Box::new(socket.clone()), ());
        event_loop.context().peer(peer).expect("open").send(&[7; 400_000][..]).expect("queued");
        match limits {
            // The Ping that is due after 30 s waits behind the message, and nothing else is heard:
            // 80 s of silence but for what it reads.
            None => {
                for tenths in 1..790 {
                    socket.buffers().room += reads;
                    event_loop.scripted_turn(ms(100 * tenths), &[writable(peer)]);
                }
                assert_eq!(event_loop.handler().closed, []);
            }
            // 30 s until the Ping is due, 20 s for any sign of life, 5 s for the Close with 1011
            // that is not read either.
            Some(limits) => {
                let closed = closed_after(&mut event_loop, &socket, peer, &[], 0);
                assert!(limits.contains(&closed), "{closed} ms");
            }
        }
    }
}

#[test]
fn what_has_arrived_counts_though_the_loop_was_too_busy_to_look() {
    let mut settings = Settings::default();
    settings.timeouts.ping_interval = None;
    settings.timeouts.idle = Some(ms(1000));
    let mut event_loop = event_loop(settings);
    let socket = Socket::with_room(1000);
    let peer = event_loop.dialled_scripted(Box::new(socket.clone()), ());
    event_loop.scripted_turn(ms(1), &[readable(peer)]);
    socket.buffers().arrived.extend_from_slice(&[0x82, 0]);
    event_loop.scripted_turn(ms(1500), &[]);
    assert_eq!((event_loop.handler().messages, socket.buffers().written.len()), (1, 0), "no Close");
    let closed = closed_after(&mut event_loop, &socket, peer, &[], 0);
    assert!(closed >= 2500, "{closed} ms");
}

#[test]
fn a_peer_that_is_not_read_from_is_not_taken_for_dead() {
    let mut event_loop = event_loop(Settings::default());
    let socket = Socket::with_room(100_000);
    let peer = event_loop.dialled_scripted(Box::new(socket.clone()), ());
    event_loop.context().peer(peer).expect("open").set_reading(false);
    for seconds in 1..200 {
        event_loop.scripted_turn(ms(1000 * seconds), &[]);
    }
    assert_eq!(event_loop.handler().closed, []);
}

#[test]
fn one_connection_at_most_keeps_a_buffer_that_is_much_larger_than_its_message() {
    const CONNECTIONS: usize = 6;
    let mut event_loop = event_loop(Settings::default());
    let big = Socket::with_room(1000);
    let big_peer = event_loop.dialled_scripted(Box::new(big.clone()), ());
    let mut others = Vec::new();
    for message in 1..=CONNECTIONS {
        // It comes in pieces, as it is longer than the receive buffer; the loop keeps the memory.
        big.buffers()
            .arrived
            .extend_from_slice(&[&[0x82, 127, 0, 0, 0, 0, 0, 0x3f, 0, 0][..], &[1; 0x3f_0000]].concat());
        event_loop.scripted_turn(ms(message as u64), &[readable(big_peer)]);
        while event_loop.is_busy() {
            event_loop.scripted_turn(ms(message as u64), &[]);
        }
        assert_eq!(event_loop.handler().messages, message);
        // Two bytes of a message of a hundred.
        let socket = Socket::with_room(1000);
        let peer = event_loop.dialled_scripted(Box::new(socket.clone()), ());
        socket.buffers().arrived.extend_from_slice(&[0x82, 100, 1, 2]);
        event_loop.scripted_turn(ms(message as u64), &[readable(peer)]);
        others.push(peer);
    }
    let mut held = Vec::new();
    for peer in &others {
        if let Some(Slot { phase: Phase::Open(open), .. }) = event_loop.driver.slots.get_peer(*peer) {
            held.push(open.collected());
        }
    }
    assert_eq!(held.len(), CONNECTIONS);
    let much = held.iter().filter(|capacity| **capacity > 1000).count();
    assert!(much <= 1, "{held:?}");
}

#[test]
fn messages_in_progress_have_a_limit_in_total() {
    const LIMIT: usize = 320_000;
    let mut event_loop = event_loop(Settings { max_incomplete_bytes: LIMIT, ..Settings::default() });
    let mut now = 0;
    // So much of a message of 60 001 bytes comes and is kept, in a buffer that is at most twice as
    // large.
    let mut begin = |event_loop: &mut EventLoop<Watcher>, len: usize| {
        let socket = Socket::with_room(1000);
        let peer = event_loop.dialled_scripted(Box::new(socket.clone()), ());
        socket.buffers().arrived.extend_from_slice(&[&[0x82, 126, 0xea, 0x61][..], &vec![1; len]].concat());
        now += 1;
        event_loop.scripted_turn(ms(now), &[readable(peer)]);
        while event_loop.is_busy() {
            event_loop.scripted_turn(ms(now), &[]);
        }
        (peer, socket)
    };
    let (_, largest) = begin(&mut event_loop, 60_000);
    let mut begun = Vec::new();
    while largest.buffers().written.is_empty() {
        begun.push(begin(&mut event_loop, 20_000));
        assert!(event_loop.driver.shared.assembly.incomplete <= LIMIT);
    }
    assert!((5..=14).contains(&begun.len()), "{}", begun.len());
    assert_eq!(unmasked(&largest.buffers().written), [0x88, 2, 0x03, 0xf5], "1013");
    assert!(begun.iter().all(|(_, socket)| socket.buffers().written.is_empty()));
    let incomplete = event_loop.driver.shared.assembly.incomplete;
    assert!(incomplete <= LIMIT - LIMIT / 8, "who is next does not make the loop look at all again");

    // The end of a message makes room, and so does the end of a connection.
    begun[0].1.buffers().arrived.extend([1; 40_001]);
    event_loop.scripted_turn(ms(100), &[readable(begun[0].0)]);
    assert_eq!(event_loop.handler().messages, 1);
    event_loop.abort(begun[1].0);
    assert!(event_loop.driver.shared.assembly.incomplete <= incomplete - 40_000);
    for seconds in 1..100 {
        event_loop.scripted_turn(ms(1000 * seconds), &[]);
    }
    assert_eq!(event_loop.handler().closed.len(), 1 + begun.len());
    assert_eq!(event_loop.driver.shared.assembly.incomplete, 0);
}

/// The one frame that a client wrote: its header without the mask bit, and its payload.
fn unmasked(frame: &[u8]) -> Vec<u8> {
    let (header, key, payload) = (&frame[..2], &frame[2..6], &frame[6..]);
    let payload = payload.iter().zip(key.iter().cycle()).map(|(octet, key)| octet ^ key);
    [header[0], header[1] & 0x7f].into_iter().chain(payload).collect()
}

#[test]
fn what_is_sent_to_another_peer_between_turns_waits_for_no_event() {
    let mut event_loop = event_loop(Settings::default());
    let sockets = [Socket::with_room(1000), Socket::with_room(1000)];
    let peers = sockets.clone().map(|socket| event_loop.dialled_scripted(Box::new(socket), ()));
    event_loop.scripted_turn(ms(1), &[]);
    assert!(!event_loop.is_busy());
    event_loop.context().peer(peers[0]).expect("open").send_to(peers[1], "hello").expect("this loop's");
    assert!(event_loop.is_busy());
    while event_loop.is_busy() {
        event_loop.scripted_turn(ms(2), &[]);
    }
    assert!(!sockets[1].buffers().written.is_empty());
}

#[test]
fn only_so_many_are_told_that_the_server_is_full() {
    let mut event_loop = event_loop(Settings { max_connections: 0, ..Settings::default() });
    let sockets: Vec<Socket> = (0..200).map(|_| Socket::with_room(1000)).collect();
    for socket in &sockets {
        event_loop.accept_scripted(Box::new(socket.clone()));
    }
    event_loop.scripted_turn(ms(1), &[]);
    assert_eq!(event_loop.handle().connections(), 64);
    // They have their answer, and are gone after the deadline of the closing handshake though they
    // never end their streams.
    event_loop.scripted_turn(ms(6000), &[]);
    assert_eq!(event_loop.handle().connections(), 0);
}

#[test]
fn control_frames_are_counted_over_reads_however_small() {
    let settings = || Settings { max_control_frames: 5000, ..Settings::default() };
    let empty_ping = [0x89, 0];
    let mut flooded = event_loop(settings());
    let socket = Socket::with_room(1_000_000);
    let peer = flooded.dialled_scripted(Box::new(socket.clone()), ());
    // The first read takes 512 bytes, the next one twice as much at most.
    if let Some(slot) = flooded.driver.slots.get_peer(peer) {
        slot.edges.portion = Portion::SMALLEST;
    }
    socket.buffers().arrived = empty_ping.repeat(3 * 2048);
    flooded.scripted_turn(ms(1), &[readable(peer)]);
    while flooded.is_busy() {
        flooded.scripted_turn(ms(1), &[]);
    }
    // §7.4.1: "1008 indicates that an endpoint is terminating the connection because it has
    // received a message that violates its policy."
    assert!(ends_with_close(&socket), "no Close");

    // However many are allowed, more than can be counted are not.
    let settings_of_many =
        Settings { max_control_frames: u32::MAX, receive_buffer: 1 << 20, ..Settings::default() };
    let mut flooded = event_loop(settings_of_many);
    let socket = Socket::with_room(1_000_000);
    let peer = flooded.dialled_scripted(Box::new(socket.clone()), ());
    socket.buffers().arrived = empty_ping.repeat(70_000);
    flooded.scripted_turn(ms(1), &[readable(peer)]);
    while flooded.is_busy() {
        flooded.scripted_turn(ms(1), &[]);
    }
    assert!(ends_with_close(&socket), "no Close");

    // More, each of them read before the next comes, are no flood.
    let mut patient = event_loop(settings());
    let socket = Socket::with_room(1_000_000);
    let peer = patient.dialled_scripted(Box::new(socket.clone()), ());
    for i in 0..10_000 {
        socket.buffers().arrived.extend_from_slice(&empty_ping);
        patient.scripted_turn(ms(i / 100), &[readable(peer)]);
    }
    assert_eq!(socket.buffers().written.len(), 10_000 * 6);
}

/// Whether the last thing written is a client's Close with a code.
fn ends_with_close(socket: &Socket) -> bool {
    socket.buffers().written.rchunks(8).next().is_some_and(|close| close.starts_with(&[0x88, 0x82]))
}
