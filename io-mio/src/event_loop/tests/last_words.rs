//! The Close of a connection that failed reaches the peer before FIN does.

use crate::conn::peer_id::PeerId;
use crate::event_loop::EventLoop;
use crate::event_loop::tests::virtual_time::{Socket, Watcher, event_loop, ms, readable, writable};
use crate::settings::Settings;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// The beginning of a message that is too long, masked with zeros.
const TOO_LONG: [u8; 14] = [0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A server's connection that has failed with 1009 at 10 ms.
fn failed() -> (EventLoop<Watcher>, Socket, PeerId) {
    let mut event_loop = event_loop(Settings::default());
    let socket = Socket::with_room(10_000);
    let peer = event_loop.accept_scripted(Box::new(socket.clone())).expect("there is room");
    socket.buffers().arrived = [REQUEST, &TOO_LONG].concat();
    event_loop.scripted_turn(ms(10), &[readable(peer), writable(peer)]);
    assert!(
        socket.buffers().written.windows(2).any(|code| code == [0x03, 0xf1]),
        "the Close is written at once"
    );
    assert_eq!(event_loop.handler().closed.len(), 1, "the application hears at once, too");
    (event_loop, socket, peer)
}

fn arrive(event_loop: &mut EventLoop<Watcher>, socket: &Socket, peer: PeerId, at: u64, bytes: &[u8]) -> bool {
    socket.buffers().arrived.extend_from_slice(bytes);
    event_loop.scripted_turn(ms(at), &[readable(peer)]);
    assert!(socket.buffers().arrived.is_empty(), "it is read and discarded");
    socket.buffers().fin
}

/// RFC 6455 §7.1.7: no data is processed any more, "including a responding Close frame".
#[test]
fn fin_waits_a_moment_and_what_arrives_is_discarded() {
    let (mut event_loop, socket, peer) = failed();
    assert_eq!(event_loop.next_deadline(), Some(ms(260)));
    assert!(!arrive(&mut event_loop, &socket, peer, 10, &[]));
    assert!(!arrive(&mut event_loop, &socket, peer, 200, &[7; 5000]), "the rest of the long message");
    assert!(!arrive(&mut event_loop, &socket, peer, 259, &[0x88, 0x82, 1, 2, 3, 4, 0x02, 0xf3]));
    assert!(arrive(&mut event_loop, &socket, peer, 260, &[]));
    // What comes after that is still discarded, until the peer ends or its time is up.
    assert!(arrive(&mut event_loop, &socket, peer, 2000, &[7; 500]));
    assert_eq!(event_loop.handle().connections(), 1);
    event_loop.scripted_turn(ms(5010), &[]);
    assert_eq!(event_loop.handle().connections(), 0);
}

#[test]
fn fin_does_not_wait_for_a_peer_that_has_closed_in_a_wrong_way() {
    let mut event_loop = event_loop(Settings::default());
    let socket = Socket::with_room(10_000);
    let peer = event_loop.accept_scripted(Box::new(socket.clone())).expect("there is room");
    // A status code that must not be sent, §7.4.1.
    let close = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed];
    socket.buffers().arrived = [REQUEST, &close].concat();
    event_loop.scripted_turn(ms(10), &[readable(peer), writable(peer)]);
    assert!(socket.buffers().fin);
}

#[test]
fn fin_does_not_wait_where_nothing_has_failed() {
    let mut event_loop = event_loop(Settings::default());
    let socket = Socket::with_room(10_000);
    let peer = event_loop.accept_scripted(Box::new(socket.clone())).expect("there is room");
    let close = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];
    socket.buffers().arrived = [REQUEST, &close].concat();
    event_loop.scripted_turn(ms(10), &[readable(peer), writable(peer)]);
    assert!(socket.buffers().fin);
}
