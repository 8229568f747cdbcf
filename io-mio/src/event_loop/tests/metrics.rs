//! Each number of `Metrics`, with the kernel and the clock played.

mod endings;

use std::sync::Arc;
use std::time::Duration;

use sansws::{CloseCode, Message};

use crate::app::accept::Accept;
use crate::app::handler::{Chunk, Handler};
use crate::app::peer::Peer;
use crate::app::request::Request;
use crate::app::response::Response;
use crate::conn::peer_id::PeerId;
use crate::event_loop::EventLoop;
use crate::event_loop::scripted::Edge;
use crate::event_loop::tests::virtual_time::{Socket, ms, readable, writable};
use crate::hub::Hub;
use crate::hub::handle::Handle;
use crate::hub::inbox::InboxLimits;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::settings::slow_consumer::SlowConsumer;

/// Echoes on `/`; hands out pieces on `/pieces`; never decides on `/later`; refuses with 404 on
/// `/nothing` and with 418 elsewhere. A plain request gets a page.
struct App;

impl Handler for App {
    type Session = ();

    fn upgrade(&mut self, request: &Request<'_>, accept: &mut Accept) -> Result<(), Response> {
        match request.path() {
            "/" => {}
            "/drop" => {
                accept.slow_consumer(SlowConsumer::Drop);
            }
            "/close" => {
                accept.slow_consumer(SlowConsumer::Close(CloseCode::TRY_AGAIN_LATER));
            }
            "/pieces" => {
                accept.streaming(true);
            }
            "/later" => return Err(accept.later()),
            "/nothing" => return Err(Response::not_found()),
            _ => return Err(Response::new(418)),
        }
        Ok(())
    }

    fn request(&mut self, _: &Request<'_>) -> Response {
        Response::html("page")
    }

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        peer.subscribe("topic").expect("open");
    }

    fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
        peer.send(message).expect("there is room");
    }

    fn chunk(&mut self, _: &mut Peer<'_, ()>, _: Chunk<'_>) {}
}

/// A loop whose gauges are counted anew after every turn.
struct Loop(EventLoop<App>);

impl Loop {
    fn new(settings: Settings) -> Self {
        Self(EventLoop::new(App, settings).expect("an event queue"))
    }

    fn metrics(&self) -> Metrics {
        self.0.handle().metrics()
    }

    /// Turns until the loop would sleep.
    fn turn(&mut self, now: u64, edges: &[Edge]) {
        self.0.scripted_turn(ms(now), edges);
        for _ in 0..10_000 {
            if !self.0.is_busy() {
                assert!(self.0.gauges_are_right(), "{:?}", self.metrics());
                return;
            }
            self.0.scripted_turn(ms(now), &[]);
        }
        panic!("busy for ever");
    }

    fn accept(&mut self, socket: &Socket) -> PeerId {
        self.0.accept_scripted(Box::new(socket.clone())).expect("there is room")
    }

    fn receive(&mut self, now: u64, peer: PeerId, socket: &Socket, bytes: &[u8]) {
        socket.buffers().arrived.extend_from_slice(bytes);
        self.turn(now, &[readable(peer), writable(peer)]);
    }

    /// A connection that was accepted and has asked for this path.
    fn ask(&mut self, path: &str, socket: &Socket) -> PeerId {
        let peer = self.accept(socket);
        self.receive(0, peer, socket, &request(path));
        peer
    }

    /// An open connection, and its socket with so much room after the opening handshake.
    fn open(&mut self, path: &str, room: usize) -> (PeerId, Socket) {
        let socket = Socket::with_room(1000);
        let peer = self.ask(path, &socket);
        socket.buffers().room = room;
        (peer, socket)
    }

    fn publish(&mut self, len: usize) {
        self.0.context().publish("topic", &vec![7; len][..]).expect("there is one loop");
    }

    /// Nothing is left of any connection.
    fn assert_gone(&self, how: &str) {
        assert_eq!(self.metrics().gauges(), [0; 5], "{how}");
        assert_eq!(self.0.handle().connections(), 0, "{how}");
    }
}

fn request(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .into()
}

/// A client's frame, masked with zeroes.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).expect("a short one");
    [&[first, 0x80 | len, 0, 0, 0, 0][..], payload].concat()
}

fn ended(peer: PeerId) -> Edge {
    Edge { peer, readable: true, writable: true, ended: true }
}

const LATER: u64 = 1_000_000;

#[test]
fn messages_and_bytes_are_counted_both_ways() {
    let mut event_loop = Loop::new(Settings::default());
    let (peer, socket) = event_loop.open("/", 100_000);
    let metrics = event_loop.metrics();
    assert_eq!(metrics.gauges(), [0, 0, 1, 0, 0]);
    assert_eq!((metrics.accepted, metrics.opened, metrics.dialled), (1, 1, 0));
    assert_eq!((metrics.messages_received, metrics.messages_sent), (0, 0));
    assert_eq!(metrics.bytes_received, request("/").len() as u64);
    assert_eq!(metrics.bytes_sent, socket.buffers().written.len() as u64);

    // Two whole ones, and one in two fragments with a Ping between them.
    let input =
        [frame(0x82, b"one"), frame(0x81, b"two"), frame(0x01, b"thr"), frame(0x89, b""), frame(0x80, b"ee")]
            .concat();
    event_loop.receive(1, peer, &socket, &input);
    let metrics = event_loop.metrics();
    assert_eq!((metrics.messages_received, metrics.messages_sent), (3, 3));
    assert_eq!(metrics.bytes_received, (request("/").len() + input.len()) as u64);
    assert_eq!(metrics.bytes_sent, socket.buffers().written.len() as u64);

    // Between turns the loop's own numbers are newer.
    let mut context = event_loop.0.context();
    context.send(peer, "four").expect("there is room");
    assert_eq!(context.metrics().messages_sent, 4);
    // Fragments are one message, large ones count like small ones, and so do published ones.
    let mut peer = context.peer(peer).expect("open");
    peer.send_text_fragment("fi", false).expect("there is room");
    peer.send_text_fragment("ve", true).expect("there is room");
    peer.send(&[6; 40_000][..]).expect("there is room");
    event_loop.publish(7);
    event_loop.publish(700);
    event_loop.turn(2, &[]);
    assert_eq!(event_loop.metrics().messages_sent, 8);
    assert_eq!(event_loop.metrics().bytes_sent, socket.buffers().written.len() as u64);
}

#[test]
fn a_message_in_pieces_counts_once() {
    let mut event_loop = Loop::new(Settings::default());
    let (peer, socket) = event_loop.open("/pieces", 1000);
    for (first, before) in [(0x01, 0), (0x02, 2)] {
        event_loop.receive(1, peer, &socket, &[frame(first, b"a"), frame(0x00, b"b")].concat());
        assert_eq!(event_loop.metrics().messages_received, before);
        event_loop.receive(2, peer, &socket, &[frame(0x80, b"c"), frame(0x80 | first, b"d")].concat());
        assert_eq!(event_loop.metrics().messages_received, before + 2);
    }
}

#[test]
fn a_long_message_counts_once_and_all_of_its_bytes_do() {
    let mut event_loop = Loop::new(Settings::default());
    let (peer, socket) = event_loop.open("/", 1_000_000);
    let before = event_loop.metrics().bytes_received;
    let header = [&[0x82, 0xff, 0, 0, 0, 0][..], &300_000u32.to_be_bytes(), &[0; 4]].concat();
    event_loop.receive(1, peer, &socket, &[header, vec![1; 300_000]].concat());
    let metrics = event_loop.metrics();
    assert_eq!((metrics.messages_received, metrics.messages_sent), (1, 1));
    assert_eq!(metrics.bytes_received - before, 14 + 300_000);
    assert_eq!(metrics.bytes_sent, socket.buffers().written.len() as u64);
}

#[test]
fn refusals_are_counted_by_status() {
    let mut event_loop = Loop::new(Settings::default());
    let foreign = String::from_utf8(request("/")).expect("ASCII");
    let foreign = foreign.replace("Host: a", "Host: a\r\nOrigin: https://b").into_bytes();
    let requests = [
        b"nonsense\r\n\r\n".to_vec(),
        foreign,
        request("/nothing"),
        request("/teapot"),
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
    ];
    for (n, request) in requests.iter().enumerate() {
        let socket = Socket::with_room(1000);
        let peer = event_loop.accept(&socket);
        event_loop.turn(0, &[]);
        assert_eq!(event_loop.metrics().gauges(), [1, 0, 0, n as u64, 0]);
        event_loop.receive(0, peer, &socket, request);
        assert_eq!(event_loop.metrics().gauges(), [0, 0, 0, n as u64 + 1, 0]);
    }
    let metrics = event_loop.metrics();
    assert_eq!([400, 403, 404].map(|status| metrics.refusals.with(status)), [1, 1, 1]);
    assert_eq!((metrics.refusals.others(), metrics.refusals.total()), (1, 4), "418");
    assert_eq!((metrics.responses, metrics.accepted, metrics.opened), (1, 5, 0));
    event_loop.turn(LATER, &[]);
    event_loop.assert_gone("refused");
    assert_eq!(event_loop.metrics().timeouts_closing, 5);
}

#[test]
fn who_is_one_too_many_is_counted() {
    let mut event_loop = Loop::new(Settings { max_connections: 0, ..Settings::default() });
    let sockets: Vec<Socket> = (0..70).map(|_| Socket::with_room(1000)).collect();
    let admitted = sockets.iter().filter_map(|socket| event_loop.0.accept_scripted(Box::new(socket.clone())));
    let peers: Vec<PeerId> = admitted.collect();
    event_loop.turn(0, &[]);
    let metrics = event_loop.metrics();
    assert_eq!((metrics.accepted, metrics.refusals.with(503), metrics.dropped_connections), (70, 64, 6));
    assert_eq!(metrics.connections_closing, 64);
    assert!(metrics.queued_bytes > 64 * 100, "nothing is written before an event");
    // The peers take the answer, and end their streams.
    let edges: Vec<Edge> = peers.iter().map(|&peer| writable(peer)).collect();
    event_loop.turn(1, &edges);
    assert_eq!(event_loop.metrics().gauges(), [0, 0, 0, 64, 0]);
    for socket in &sockets {
        socket.buffers().ended = true;
    }
    let edges: Vec<Edge> = peers.iter().map(|&peer| ended(peer)).collect();
    event_loop.turn(2, &edges);
    event_loop.assert_gone("one too many");
}

#[test]
fn queued_bytes_are_those_that_the_kernel_did_not_take() {
    let mut event_loop = Loop::new(Settings::default());
    let (peer, socket) = event_loop.open("/", 100);
    event_loop.0.context().send(peer, &[1; 1000][..]).expect("there is room");
    event_loop.turn(1, &[]);
    assert_eq!(event_loop.metrics().queued_bytes, 4 + 1000 - 100);
    // Behind a fragmented message a published one waits.
    event_loop.0.context().peer(peer).expect("open").send_text_fragment("a", false).expect("there is room");
    event_loop.turn(2, &[]);
    event_loop.publish(300);
    event_loop.turn(2, &[]);
    let held = 4 + 300 + 4;
    assert_eq!(event_loop.metrics().queued_bytes, 904 + 3 + held);
    socket.buffers().room = 10_000;
    event_loop.turn(3, &[writable(peer)]);
    assert_eq!(event_loop.metrics().queued_bytes, held);
    event_loop.0.context().peer(peer).expect("open").send_text_fragment("b", true).expect("there is room");
    event_loop.turn(4, &[]);
    assert_eq!(event_loop.metrics().gauges(), [0, 0, 1, 0, 0]);
    assert_eq!(event_loop.metrics().bytes_sent, socket.buffers().written.len() as u64);
}

#[test]
fn published_messages_that_pass_a_slow_reader_by_are_counted() {
    let mut event_loop = Loop::new(Settings::default());
    let (slow, socket) = event_loop.open("/drop", 0);
    let _quick = event_loop.open("/drop", 10_000_000);
    for n in 1..=10 {
        event_loop.publish(100_000);
        event_loop.turn(n, &[]);
    }
    let metrics = event_loop.metrics();
    // Three are more than the high-water mark.
    assert_eq!((metrics.messages_sent, metrics.messages_dropped), (10 + 3, 7));
    let mut context = event_loop.0.context();
    assert_eq!(context.peer(slow).expect("open").take_dropped(), 7);
    assert_eq!(event_loop.metrics().messages_dropped, 7, "whoever asks");
    socket.buffers().room = 10_000_000;
    event_loop.turn(11, &[writable(slow)]);
    assert_eq!(event_loop.metrics().gauges(), [0, 0, 2, 0, 0]);
}

#[test]
fn a_message_without_room_takes_what_was_queued_along() {
    let settings = Settings { max_buffered: 100_000, high_water: 1000, low_water: 10, ..Settings::default() };
    let mut event_loop = Loop::new(settings);
    let (slow, socket) = event_loop.open("/drop", 0);
    event_loop.publish(900);
    event_loop.turn(1, &[writable(slow)]);
    assert_eq!(event_loop.metrics().queued_bytes, 904);
    // An event is on its way: the loop has not seen yet that there is room.
    socket.buffers().room = 10_000;
    if let Some(slot) = event_loop.0.driver.slots.get_peer(slow) {
        slot.edges.writable = true;
    }
    event_loop.publish(200_000);
    event_loop.turn(2, &[]);
    let metrics = event_loop.metrics();
    assert_eq!((metrics.queued_bytes, metrics.messages_dropped), (0, 1));
}

#[test]
fn slow_consumers_are_counted_once() {
    let mut event_loop = Loop::new(Settings::default());
    let (_, _socket) = event_loop.open("/close", 0);
    for n in 1..=10 {
        event_loop.publish(100_000);
        event_loop.turn(n, &[]);
    }
    let metrics = event_loop.metrics();
    assert_eq!((metrics.slow_consumers, metrics.messages_dropped, metrics.messages_sent), (1, 0, 3));
    assert_eq!((metrics.connections_open, metrics.connections_closing), (0, 1));
    assert!(metrics.queued_bytes > 300_000);
    event_loop.turn(LATER, &[]);
    event_loop.assert_gone("slow");
}

#[test]
fn turns_are_counted_and_timed() {
    let mut event_loop = Loop::new(Settings::default());
    for n in 1..=5 {
        event_loop.0.scripted_turn(ms(n * 10), &[]);
    }
    for took in [3, 1] {
        event_loop.0.driver.turn_ended(ms(50 + took));
    }
    let metrics = event_loop.metrics();
    assert_eq!((metrics.turns, metrics.turn_time, metrics.longest_turn), (5, ms(4), ms(3)));

    // The loop takes the time by itself.
    struct Busy;

    impl Handler for Busy {
        type Session = ();

        fn wake(&mut self, _: &mut crate::Context<'_, ()>) {
            std::thread::sleep(ms(5));
        }
    }

    let mut event_loop = EventLoop::new(Busy, Settings::default()).expect("an event queue");
    event_loop.turn(Some(Duration::ZERO)).expect("a turn");
    let metrics = event_loop.handle().metrics();
    assert!(metrics.turns == 1 && metrics.longest_turn >= ms(5), "{metrics:?}");
    assert_eq!(metrics.turn_time, metrics.longest_turn);
    // A turn with nothing to do, after 20 ms of waiting for it: the wait does not count.
    event_loop.turn(Some(ms(20))).expect("a turn");
    let later = event_loop.handle().metrics();
    assert_eq!(later.turns, 2);
    assert!(later.turn_time - metrics.turn_time <= later.longest_turn);
}

#[test]
fn the_handle_adds_up_all_loops() {
    let limits = InboxLimits::of(&Settings::default());
    let hub = Hub::new(limits);
    hub.set_loops(2, limits);
    let new = |worker| {
        let event_loop = EventLoop::on_hub(App, Settings::default(), Arc::clone(&hub), worker);
        Loop(event_loop.expect("an event queue"))
    };
    let mut loops = [new(0), new(1)];
    for (n, event_loop) in loops.iter_mut().enumerate() {
        for _ in 0..=n {
            let (peer, socket) = event_loop.open("/", 100);
            event_loop.receive(1, peer, &socket, &frame(0x82, &[1; 120]));
        }
        event_loop.ask("/nothing", &Socket::with_room(1000));
        event_loop.0.driver.turn_ended(ms(10 + n as u64));
    }
    let each = loops.each_mut().map(|event_loop| event_loop.0.context().metrics());
    let sum = Handle::new(hub).metrics();
    assert_eq!((each[0].connections_open, each[1].connections_open, sum.connections_open), (1, 2, 3));
    assert_eq!((each[0].queued_bytes, each[1].queued_bytes, sum.queued_bytes), (22, 44, 66));
    assert_eq!((sum.accepted, sum.messages_received, sum.messages_sent), (5, 3, 3));
    assert_eq!((sum.refusals.with(404), sum.refusals.total()), (2, 2));
    assert_eq!(sum.bytes_received, each[0].bytes_received + each[1].bytes_received);
    assert_eq!(sum.turns, each[0].turns + each[1].turns);
    assert_eq!(sum.turn_time, each[0].turn_time + each[1].turn_time);
    assert_eq!(sum.longest_turn, each[1].longest_turn);
    let [first, second] = loops;
    drop(first);
    assert_eq!(second.metrics().connections_open, 2, "of the loop that is left");
    drop(second);
}
