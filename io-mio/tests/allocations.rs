//! Once connections are open and buffers have grown, messages need no memory. What is published
//! needs some for each publication and, as long as the kernel takes it, none for each receiver.
//!
//! Loop and clients share a thread: between two turns of the loop the clients read and write, so
//! what happens does not depend on time.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use sansws_mio::{Accept, EventLoop, Handler, Message, Peer, Request, Response, Settings};

const DEADLINE: Duration = Duration::from_secs(20);

/// Echoes; publishes texts that begin with a `!`.
struct Echo;

impl Handler for Echo {
    type Session = ();

    fn upgrade(&mut self, _: &Request<'_>, _: &mut Accept) -> Result<(), Response> {
        Ok(())
    }

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        peer.subscribe("all").expect("there is room");
    }

    fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
        match message {
            Message::Text(text) if text.starts_with('!') => {
                peer.publish_to_others("all", message).expect("there is one loop");
            }
            message => peer.send(message).expect("there is room"),
        }
    }
}

struct Scene {
    event_loop: EventLoop<Echo>,
    clients: Vec<TcpStream>,
    /// Allocations of the loop.
    allocations: u64,
}

impl Scene {
    fn new(clients: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut event_loop = EventLoop::new(Echo, Settings::default()).expect("a loop");
        event_loop.listen(listener).expect("a listener");
        let mut scene = Self { event_loop, clients: Vec::new(), allocations: 0 };
        for index in 0..clients {
            let client = TcpStream::connect(address).expect("a connection");
            client.set_nonblocking(true).expect("a socket");
            client.set_nodelay(true).expect("a socket");
            scene.clients.push(client);
            scene.say(
                index,
                b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            );
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                scene.hear(index, &mut byte);
                head.push(byte[0]);
            }
        }
        scene
    }

    /// Nothing but the socket's own buffer takes it.
    fn say(&mut self, client: usize, bytes: &[u8]) {
        assert_eq!(self.clients[client].write(bytes).expect("there is room"), bytes.len());
    }

    /// Has the loop take its turns until so many bytes have come.
    fn hear(&mut self, client: usize, mut bytes: &mut [u8]) {
        let deadline = Instant::now() + DEADLINE;
        while !bytes.is_empty() {
            match self.clients[client].read(bytes) {
                Ok(0) => panic!("the connection has ended"),
                Ok(len) => bytes = &mut bytes[len..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    assert!(Instant::now() < deadline, "{} bytes are missing", bytes.len());
                    let counted = allocation_counter::measure(|| {
                        let goes_on = self.event_loop.turn(Some(Duration::from_millis(10)));
                        assert!(goes_on.expect("a turn"));
                    });
                    self.allocations += counted.count_total;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// How often the loop asks for memory while the last of some rounds is said and heard.
    fn measure(&mut self, mut round: impl FnMut(&mut Self)) -> u64 {
        for _ in 0..20 {
            round(self);
        }
        self.allocations = 0;
        for _ in 0..50 {
            round(self);
        }
        self.allocations
    }
}

/// A client's frame with the masking-key 0, and a server's.
fn frames(first: u8, payload: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let frame = |mask: u8| {
        let mut frame = match payload.len() {
            len @ ..126 => vec![first, mask | len as u8],
            len @ ..65_536 => vec![first, mask | 126, (len >> 8) as u8, len as u8],
            len => [&[first, mask | 127][..], &(len as u64).to_be_bytes()].concat(),
        };
        frame.extend_from_slice(if mask == 0 { &[] } else { &[0; 4] });
        frame.extend_from_slice(payload);
        frame
    };
    (frame(0x80), frame(0))
}

fn check_echo(what: &str, said: &[u8], heard: &[u8]) {
    let mut scene = Scene::new(1);
    let mut buffer = vec![0; heard.len()];
    // How much is read at a time depends on how long the loop takes, so a message may come in pieces
    // later than the first time: the buffer for these grows now.
    for cut in [10, said.len() / 2].map(|cut| cut.min(said.len())) {
        scene.say(0, &said[..cut]);
        assert!(scene.event_loop.turn(Some(Duration::from_millis(10))).expect("a turn"));
        scene.say(0, &said[cut..]);
        scene.hear(0, &mut buffer);
        assert_eq!(buffer, heard, "{what}");
    }
    let allocations = scene.measure(|scene| {
        scene.say(0, said);
        scene.hear(0, &mut buffer);
        assert_eq!(buffer, heard, "{what}");
    });
    assert_eq!(allocations, 0, "{what}");
}

#[test]
fn an_echo_needs_no_memory() {
    for len in [0, 16, 125, 126, 1024, 16 << 10, 60_000] {
        let (said, heard) = frames(0x82, &vec![7; len]);
        check_echo(&format!("binary, {len} bytes"), &said, &heard);
        let text = "aé€😀".repeat(len / 10);
        let (said, heard) = frames(0x81, text.as_bytes());
        check_echo(&format!("text, {} bytes", text.len()), &said, &heard);
    }
    let (said, heard) = frames(0x82, &[7; 125]);
    check_echo("16 in flight", &said.repeat(16), &heard.repeat(16));
}

#[test]
fn fragments_and_control_frames_need_no_memory() {
    let text = "aé€😀".repeat(100);
    let (beginning, rest) = text.as_bytes().split_at(502);
    let ping = frames(0x89, b"ping").0;
    let said = [frames(0x01, beginning).0, ping.clone(), frames(0x00, b"").0, frames(0x80, rest).0].concat();
    let heard = [frames(0x8a, b"ping").1, frames(0x81, text.as_bytes()).1].concat();
    check_echo("fragments around a Ping", &said, &heard);
    check_echo("Pings", &ping, &frames(0x8a, b"ping").1);
}

/// Four for each publication: the frame, who shares it (twice), and the topic's name. To join several
/// takes at most two more for all of them.
#[test]
fn a_publication_needs_memory_once_for_all_receivers() {
    for (len, count) in [(16, 1), (300, 1), (16, 8)] {
        let payload = [&b"!"[..], &vec![b'a'; len - 1]].concat();
        let (said, heard) = frames(0x81, &payload);
        let (said, heard) = (said.repeat(count), heard.repeat(count));
        let mut buffer = vec![0; heard.len()];
        let per_publication: Vec<f64> = [2, 9]
            .into_iter()
            .map(|clients| {
                let mut scene = Scene::new(clients);
                let allocations = scene.measure(|scene| {
                    scene.say(0, &said);
                    for client in 1..clients {
                        scene.hear(client, &mut buffer);
                        assert_eq!(buffer, heard);
                    }
                });
                allocations as f64 / (50 * count) as f64
            })
            .collect();
        assert_eq!(per_publication[0], per_publication[1], "{len} bytes, {count} in flight");
        let joined = if count > 1 { 2.0 / count as f64 } else { 0.0 };
        assert!(per_publication[0] <= 4.0 + joined, "{per_publication:?}");
    }
}
