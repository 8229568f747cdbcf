//! Between two messages a connection has no engine, and nobody can see that.

use sansws::{CloseCode, Message, Role};

use crate::app::accept::Accept;
use crate::app::context::Context;
use crate::app::handler::Handler;
use crate::app::peer::Peer;
use crate::app::request::Request;
use crate::app::response::Response;
use crate::conn::ending::Closed;
use crate::conn::peer_id::PeerId;
use crate::event_loop::EventLoop;
use crate::event_loop::scripted::Edge;
use crate::event_loop::tests::virtual_time::{Socket, ms, readable};
use crate::settings::Settings;
use crate::state::slots::{Phase, Slot};

/// Echoes. A connection's path is the longest message that it takes, in bytes.
#[derive(Default)]
struct Echo {
    seen: Vec<Role>,
    closed: Vec<u16>,
}

impl Handler for Echo {
    type Session = ();

    fn upgrade(&mut self, request: &Request<'_>, accept: &mut Accept) -> Result<(), Response> {
        if let Ok(len) = request.path().trim_start_matches('/').parse() {
            accept.max_message_len(len);
        }
        Ok(())
    }

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        peer.subscribe("all").expect("there is room");
    }

    fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
        peer.send(message).expect("there is room");
    }

    fn close(&mut self, _: &mut Peer<'_, ()>, closed: Closed<'_>) {
        self.closed.push(closed.code.into());
    }

    fn wake(&mut self, context: &mut Context<'_, ()>) {
        self.seen.clear();
        context.for_each_peer(|peer| self.seen.push(peer.role()));
    }
}

fn event_loop() -> EventLoop<Echo> {
    EventLoop::new(Echo::default(), Settings::default()).expect("a loop")
}

fn accept(event_loop: &mut EventLoop<Echo>, path: &str) -> (PeerId, Socket) {
    let socket = Socket::with_room(usize::MAX);
    socket.buffers().arrived = format!(
        "GET /{path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes();
    let peer = event_loop.accept_scripted(Box::new(socket.clone())).expect("a place");
    turn(event_loop, &[Edge { writable: true, ..readable(peer) }]);
    socket.buffers().written.clear();
    (peer, socket)
}

fn turn(event_loop: &mut EventLoop<Echo>, edges: &[Edge]) {
    event_loop.scripted_turn(ms(1), edges);
    while event_loop.is_busy() {
        event_loop.scripted_turn(ms(1), &[]);
    }
}

/// What comes from the connection, and what it is sent in return.
fn say(event_loop: &mut EventLoop<Echo>, (peer, socket): &(PeerId, Socket), bytes: &[u8]) -> Vec<u8> {
    socket.buffers().arrived = bytes.to_vec();
    turn(event_loop, &[readable(*peer)]);
    std::mem::take(&mut socket.buffers().written)
}

fn rests(event_loop: &mut EventLoop<Echo>, peer: PeerId) -> bool {
    let Some(Slot { phase: Phase::Open(open), .. }) = event_loop.driver.slots.get_peer(peer) else {
        panic!("{peer} is not open");
    };
    open.engine().is_none()
}

/// It does not while §5.4 or §5.5 has something in progress.
#[test]
fn a_connection_rests_between_two_messages() {
    let mut event_loop = event_loop();
    let server = accept(&mut event_loop, "");
    assert!(rests(&mut event_loop, server.0), "just opened");
    let masked = |frame: &[u8]| [&[frame[0], 0x80 | frame[1], 0, 0, 0, 0], &frame[2..]].concat();
    // What comes, what is answered, and whether the connection rests then.
    let steps: &[(Vec<u8>, &[u8], bool)] = &[
        (masked(b"\x81\x01a"), b"\x81\x01a", true),
        (masked(b"\x89\x01p"), b"\x8a\x01p", true),
        (masked(b"\x01\x01a"), b"", false),
        (masked(b"\x89\x01q"), b"\x8a\x01q", false),
        (masked(b"\x80\x01b"), b"\x81\x02ab", true),
        (masked(b"\x81\x02cd")[..1].to_vec(), b"", false),
        (masked(b"\x81\x02cd")[1..7].to_vec(), b"", false),
        (masked(b"\x81\x02cd")[7..].to_vec(), b"\x81\x02cd", true),
    ];
    for (step, (bytes, answer, rests_then)) in steps.iter().enumerate() {
        assert_eq!(say(&mut event_loop, &server, bytes), *answer, "step {step}");
        assert_eq!(rests(&mut event_loop, server.0), *rests_then, "step {step}");
    }
    assert_eq!(say(&mut event_loop, &server, b"\x88\x82\0\0\0\0\x03\xe8"), b"\x88\x02\x03\xe8");
    assert_eq!(event_loop.handler().closed, [1000]);
}

/// §5.1: "a client MUST mask all frames that it sends to the server", also when it has rested.
#[test]
fn a_dialled_connection_masks_when_it_has_rested() {
    let mut event_loop = event_loop();
    let socket = Socket::with_room(usize::MAX);
    let client = (event_loop.dialled_scripted(Box::new(socket.clone()), ()), socket);
    for _ in 0..2 {
        assert!(rests(&mut event_loop, client.0));
        let mut sent = say(&mut event_loop, &client, b"\x81\x02ab");
        assert_eq!((sent.len(), &sent[..2]), (8, &b"\x81\x82"[..]));
        let key: [u8; 4] = sent[2..6].try_into().expect("four bytes");
        sansws::apply_mask(key, &mut sent[6..]);
        assert_eq!(&sent[6..], b"ab");
    }
    // §5.1: "A client MUST close a connection if it detects a masked frame."
    say(&mut event_loop, &client, b"\x81\x81\0\0\0\0a");
    assert_eq!(event_loop.handler().closed, [1006]);
}

#[test]
fn a_connection_that_has_rested_has_its_own_limits() {
    let mut event_loop = event_loop();
    let connections = ["", "1", "2", "1"].map(|path| accept(&mut event_loop, path));
    for (connection, answer) in connections.iter().zip([&b"\x82\x02ab"[..], b"", b"\x82\x02ab", b""]) {
        assert!(rests(&mut event_loop, connection.0));
        let answered = say(&mut event_loop, connection, b"\x82\x82\0\0\0\0ab");
        // 1009 where two bytes are too many.
        assert!(answered == answer || (answer.is_empty() && answered[2..4] == [0x03, 0xf1]), "{answered:x?}");
    }
}

/// Beyond that they do not rest, and go on like the others.
#[test]
fn so_many_different_limits_are_kept_apart() {
    let mut event_loop = event_loop();
    let connections: Vec<_> = (1..=300).map(|len: u32| accept(&mut event_loop, &len.to_string())).collect();
    let resting = connections.iter().filter(|(peer, _)| rests(&mut event_loop, *peer)).count();
    assert_eq!(resting, 255);
    for (len, connection) in (1..).zip(&connections) {
        let payload = vec![7; len];
        let mut frame = vec![0x82, 0xfe, (len >> 8) as u8, len as u8, 0, 0, 0, 0];
        if len < 126 {
            frame.splice(1..4, [0x80 | len as u8]);
        }
        frame.extend_from_slice(&payload);
        assert!(say(&mut event_loop, connection, &frame).ends_with(&payload), "{len} bytes");
        assert_eq!(rests(&mut event_loop, connection.0), len <= 255, "{len} bytes");
    }
}

/// To be looked at, or sent something by others, wakes a connection for that moment only.
#[test]
fn connections_rest_again_when_others_are_done_with_them() {
    let mut event_loop = event_loop();
    let mut connections: Vec<_> = (0..3).map(|_| accept(&mut event_loop, "")).collect();
    let socket = Socket::with_room(usize::MAX);
    connections.push((event_loop.dialled_scripted(Box::new(socket.clone()), ()), socket));
    let handle = event_loop.handle();
    let all_rest = |event_loop: &mut EventLoop<Echo>| {
        turn(event_loop, &[]);
        connections.iter().all(|(peer, _)| rests(event_loop, *peer))
    };

    handle.wake();
    assert!(all_rest(&mut event_loop));
    assert_eq!(event_loop.handler().seen, [Role::Server, Role::Server, Role::Server, Role::Client]);

    handle.publish("all", "hello").expect("there is room");
    assert!(all_rest(&mut event_loop));
    handle.send(connections[0].0, "you").expect("there is room");
    assert!(all_rest(&mut event_loop));
    for (index, (_, socket)) in connections.iter().enumerate() {
        let written = std::mem::take(&mut socket.buffers().written);
        let expected: &[u8] = if index == 0 { b"\x81\x05hello\x81\x03you" } else { b"\x81\x05hello" };
        match index {
            3 => assert_eq!((written.len(), &written[..2]), (11, &b"\x81\x85"[..])),
            _ => assert_eq!(written, expected),
        }
    }

    handle.close(connections[1].0, CloseCode::GOING_AWAY, "").expect("there is room");
    turn(&mut event_loop, &[]);
    assert!(!rests(&mut event_loop, connections[1].0), "it waits for the peer's Close");
    assert_eq!(connections[1].1.buffers().written, b"\x88\x02\x03\xe9");
}
