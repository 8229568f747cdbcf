//! Connections that are reset, at every byte of what either end sends: the application hears of the end exactly once, nothing is left,
//! and the loop does a bounded amount of work about it.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use sansws::handshake::accept_value;
use sansws::{Config, Connection};
use sansws_mio::{Closed, Connect, EventLoop, Handler, Message, Peer, Settings};
use support::{Called, DEADLINE, Everything, dial, masking_key, request};

/// Turns of the loop about one connection that comes, does a little and is reset. A loop that spins makes millions.
const MOST_TURNS: usize = 40;

fn start() -> (EventLoop<Everything>, SocketAddr, Receiver<Called>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    // Accepted sockets have this as well. It is next to nothing, so that writes are partial ones.
    socket2::SockRef::from(&listener).set_send_buffer_size(1).expect("an option");
    let addr = listener.local_addr().expect("bound");
    let (told, calls) = channel();
    let handler = Everything { told, worker: 0 };
    let mut event_loop = EventLoop::new(handler, Settings::default()).expect("an event queue");
    event_loop.listen(listener).expect("registered");
    (event_loop, addr, calls)
}

/// The next thing that the socket does is a reset: to whom it belongs reads an error, not an end.
fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("an option");
}

/// All that a client sends in a short life.
fn session(path: &str) -> Vec<u8> {
    let mut bytes = request(path, "").into_bytes();
    let mut client = Connection::client(&Config::default(), masking_key);
    client.send_text("text", &mut bytes).expect("open");
    client.send_binary(&[7; 130], &mut bytes).expect("open");
    client.send_text_fragment("in ", false, &mut bytes).expect("open");
    client.send_ping(b"ping", &mut bytes).expect("open");
    client.send_text_fragment("two", true, &mut bytes).expect("open");
    client.close(1000.into(), "bye", &mut bytes).expect("open");
    bytes
}

/// What is asserted after each: opened once or never, closed as often, and the end is the end.
fn assert_one_end(calls: &Receiver<Called>, what: &str) -> bool {
    let calls: Vec<Called> = calls.try_iter().filter(|called| *called != Called::Wake).collect();
    let opened = calls.iter().filter(|called| matches!(called, Called::Open(_))).count();
    let closed = calls.iter().filter(|called| matches!(called, Called::Close { .. })).count();
    assert!(opened <= 1 && closed == opened, "{what}: {calls:?}");
    assert!(opened == 0 || matches!(calls.last(), Some(Called::Close { .. })), "{what}: {calls:?}");
    opened == 1
}

/// Rule R-7.1.5-c. Attacks.
#[test]
fn at_every_byte_that_a_client_sends() {
    let (mut event_loop, addr, calls) = start();
    let handle = event_loop.handle();
    for path in ["/echo", "/stream", "/nothing"] {
        let bytes = session(path);
        let mut opened = 0;
        for cut in 0..=bytes.len() {
            // The server has read all of it before the reset comes, or none of it.
            for reads in [true, false] {
                let what = format!("{path}, {cut} bytes, read: {reads}");
                let mut stream = dial(addr);
                stream.write_all(&bytes[..cut]).expect("the kernel takes it");
                let mut turns = 0;
                let since = Instant::now();
                let mut turn = |event_loop: &mut EventLoop<Everything>| {
                    event_loop.turn(Some(Duration::from_millis(5))).expect("it goes on");
                    turns += 1;
                    // A turn that waits in vain is none of its work.
                    let most = MOST_TURNS + since.elapsed().as_millis() as usize / 5;
                    assert!(turns <= most, "{what}: {turns} turns");
                    assert!(since.elapsed() < DEADLINE, "{what}");
                };
                if reads {
                    while handle.connections() == 0 {
                        turn(&mut event_loop);
                    }
                    event_loop.turn(Some(Duration::ZERO)).expect("it goes on");
                }
                reset(stream);
                turn(&mut event_loop);
                while handle.connections() > 0 {
                    turn(&mut event_loop);
                }
                opened += usize::from(assert_one_end(&calls, &what));
            }
        }
        let frames = bytes.len() - request(path, "").len();
        assert!(path == "/nothing" || opened > frames, "{path}: {opened}");
    }
}

/// Notes how often it is called for what.
#[derive(Default)]
struct Counting {
    opened: usize,
    messages: usize,
    closed: usize,
}

impl Handler for Counting {
    type Session = ();

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        assert_eq!(self.closed, 0);
        self.opened += 1;
        let _ = peer.send("hello");
    }

    fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
        assert_eq!(self.closed, 0);
        self.messages += 1;
        let _ = peer.send(message);
    }

    fn close(&mut self, peer: &mut Peer<'_, ()>, _: Closed<'_>) {
        self.closed += 1;
        assert!(peer.send("too late").is_err());
    }
}

/// The request that a dialling client sent, read to its end.
fn read_request(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a request");
        head.extend(byte);
    }
    String::from_utf8(head).expect("ASCII")
}

/// All that a server sends in a short life.
fn answer(request: &str) -> Vec<u8> {
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
    let accept = accept_value(key.as_bytes());
    let mut bytes =
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: "
            .to_vec();
    bytes.extend_from_slice(&accept);
    bytes.extend_from_slice(b"\r\n\r\n\x81\x02hi\x02\x01\x00\x89\x01p\x80\x01\xff\x88\x02\x03\xe8");
    bytes
}

/// Rule R-7.1.5-c. Attacks.
#[test]
fn at_every_byte_that_a_server_sends() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let mut cut = 0;
    loop {
        let mut event_loop =
            EventLoop::new(Counting::default(), Settings::default()).expect("an event queue");
        event_loop.connect(Connect::new("ws://localhost/", addr, ()).expect("a URL"));
        let since = Instant::now();
        let mut turns = 0;
        let mut turn = |event_loop: &mut EventLoop<Counting>| {
            event_loop.turn(Some(Duration::from_millis(5))).expect("it goes on");
            turns += 1;
            assert!(turns <= MOST_TURNS + since.elapsed().as_millis() as usize / 5, "{cut}: {turns} turns");
            assert!(since.elapsed() < DEADLINE, "{cut}");
        };
        let (mut stream, _) = listener.accept().expect("a client");
        // What the client writes once it is connected.
        turn(&mut event_loop);
        turn(&mut event_loop);
        let bytes = answer(&read_request(&mut stream));
        stream.write_all(&bytes[..cut]).expect("the kernel takes it");
        // Every other time the client has read that before.
        if cut % 2 == 0 {
            turn(&mut event_loop);
        }
        reset(stream);
        while event_loop.handler().closed == 0 {
            turn(&mut event_loop);
        }
        // Whatever comes later, it is not a second end.
        event_loop.turn(Some(Duration::ZERO)).expect("it goes on");
        let counts = event_loop.handler();
        let head = bytes.len() - b"\x81\x02hi\x02\x01\x00\x89\x01p\x80\x01\xff\x88\x02\x03\xe8".len();
        assert_eq!(counts.closed, 1, "{cut}");
        assert_eq!(counts.opened, usize::from(cut >= head), "{cut}");
        assert!(counts.messages <= 2, "{cut}");
        if cut == bytes.len() {
            return;
        }
        cut += 1;
    }
}

/// Rule R-7.1.1-a. Attack A-13.
#[test]
fn a_reader_of_one_byte_at_a_time_gets_everything() {
    // The server's writes are partial ones, wherever the kernel stops them.
    let (mut event_loop, addr, calls) = start();
    let thread = std::thread::spawn(move || {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(1).expect("an option");
        socket.connect(&addr.into()).expect("the server listens");
        let mut stream: TcpStream = socket.into();
        stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
        let mut bytes = request("/commands", "").into_bytes();
        let mut client = Connection::client(&Config::default(), masking_key);
        client.send_text("flood 300 1000", &mut bytes).expect("open");
        client.send_text("close 1000 bye", &mut bytes).expect("open");
        stream.write_all(&bytes).expect("the server reads");
        let mut received = Vec::new();
        let mut byte = [0];
        while stream.read(&mut byte).expect("an orderly end") == 1 {
            received.extend(byte);
            if received.ends_with(b"\x88\x05\x03\xe8bye") {
                stream.write_all(b"\x88\x80\0\0\0\0").expect("the server reads");
            }
        }
        received
    });
    let handle = event_loop.handle();
    let since = Instant::now();
    while !thread.is_finished() || handle.connections() > 0 {
        assert!(since.elapsed() < DEADLINE);
        event_loop.turn(Some(Duration::from_millis(5))).expect("it goes on");
    }
    let received = thread.join().expect("no panic");
    let head = received.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let frames = 300 * (4 + 1000) + 7;
    assert_eq!(received.len() - head, frames);
    assert!(assert_one_end(&calls, "one byte at a time"));
}
