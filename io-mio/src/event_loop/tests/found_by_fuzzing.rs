//! What the fuzz target `driver` found: a test for each finding.

use std::time::Duration;

use sansws::{CloseCode, SendError};

use crate::app::accept::Accept;
use crate::app::context::Context;
use crate::app::handler::Handler;
use crate::app::request::Request;
use crate::app::response::Response;
use crate::conn::peer_id::PeerId;
use crate::event_loop::EventLoop;
use crate::event_loop::tests::virtual_time::{Socket, Watcher, event_loop, ms, readable, writable};
use crate::settings::Settings;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// §7.1.4: a connection was closed cleanly when both Close frames were exchanged. Here half of ours
/// was still to be written when the time was up: that of the closing handshake, or that of the
/// shutdown.
#[test]
fn a_close_that_could_not_be_written_is_not_clean() {
    const CLOSE: &[u8] = &[0x88, 2, 0x03, 0xe8];
    for (room, clean) in [(0, 0), (2, 0), (100, 1)] {
        for shutdown in [false, true] {
            let mut event_loop = event_loop(Settings::default());
            let socket = Socket::with_room(room);
            let peer = event_loop.dialled_scripted(Box::new(socket.clone()), ());
            socket.buffers().arrived.extend_from_slice(CLOSE);
            event_loop.scripted_turn(ms(100), &[readable(peer)]);
            assert!(event_loop.handler().closed.is_empty(), "the server ends the stream (§7.1.1)");
            if shutdown {
                event_loop.shut_down_scripted(Duration::ZERO);
            }
            event_loop.scripted_turn(ms(60_000), &[]);
            let closed = &event_loop.handler().closed;
            assert_eq!(
                (closed.as_slice(), event_loop.handler().clean),
                (&[(peer, 1000)][..], clean),
                "room {room}"
            );
        }
    }
}

/// A server's connection with so much in its queue that the Pong for a Ping waits.
fn with_a_waiting_pong<H: Handler>(event_loop: &mut EventLoop<H>) -> (Socket, PeerId) {
    const PING: &[u8] = &[0x89, 0x81, 0, 0, 0, 0, b'i'];
    let socket = Socket::with_room(1000);
    let peer = event_loop.accept_scripted(Box::new(socket.clone())).expect("there is room");
    socket.buffers().arrived.extend_from_slice(REQUEST);
    event_loop.scripted_turn(ms(10), &[readable(peer), writable(peer)]);
    socket.buffers().written.clear();
    socket.buffers().room = 0;
    event_loop.handle().send(peer, &"x".repeat(200)).expect("there is room in the handle");
    event_loop.scripted_turn(ms(20), &[]);
    socket.buffers().arrived.extend_from_slice(PING);
    event_loop.scripted_turn(ms(30), &[readable(peer)]);
    (socket, peer)
}

fn short_queue() -> Settings {
    Settings { max_buffered: 4096, high_water: 4000, low_water: 100, ..Settings::default() }
}

/// §5.5.2: a Ping is answered "unless it already received a Close frame". Here the Pong waited for
/// the queue to shorten when the connection was closed: by the application, or since a message did
/// not fit any more. After the end of the peer's stream nobody sent it.
#[test]
fn a_pong_that_waits_is_sent_before_our_close() {
    type Close = fn(&mut EventLoop<Watcher>, PeerId);
    let closings: [(&str, Close); 3] = [
        ("by the application", |event_loop, peer| {
            event_loop.handle().close(peer, CloseCode::NORMAL, "enough").expect("a code that may be sent");
        }),
        ("a message too many", |event_loop, peer| {
            event_loop.handle().send(peer, &"x".repeat(4000)).expect("there is room in the handle");
        }),
        ("at the shutdown", |event_loop, _| event_loop.shut_down_scripted(Duration::from_secs(5))),
    ];
    for (how, close) in closings {
        let mut event_loop = event_loop(short_queue());
        let (socket, peer) = with_a_waiting_pong(&mut event_loop);
        close(&mut event_loop, peer);
        event_loop.scripted_turn(ms(40), &[]);
        socket.buffers().ended = true;
        event_loop.scripted_turn(ms(50), &[readable(peer)]);
        socket.buffers().room = 10_000;
        event_loop.scripted_turn(ms(60), &[writable(peer)]);
        let written = socket.buffers().written.clone();
        let behind = &written[4 + 200..];
        assert!(behind.starts_with(&[0x8a, 1, b'i', 0x88]), "{how}: {behind:?}");
    }
}

/// A Close that is refused queues nothing, not even the Pong that waits, and the gauges stay right.
#[test]
fn a_close_that_is_refused_changes_nothing() {
    /// Closes when it is woken, with a code that must not be sent (§7.4.1), or a reason too long.
    struct ClosesWrongly(Option<PeerId>);

    impl Handler for ClosesWrongly {
        type Session = ();

        fn upgrade(&mut self, _: &Request<'_>, _: &mut Accept) -> Result<(), Response> {
            Ok(())
        }

        fn wake(&mut self, cx: &mut Context<'_, ()>) {
            let Some(mut peer) = self.0.and_then(|peer| cx.peer(peer)) else { return };
            let queued = peer.buffered_amount();
            assert_eq!(peer.close(CloseCode::from(1006), ""), Err(SendError::InvalidCloseCode));
            assert_eq!(peer.close(CloseCode::NORMAL, &"x".repeat(124)), Err(SendError::ReasonTooLong));
            assert_eq!(peer.buffered_amount(), queued);
        }
    }

    let mut event_loop = EventLoop::new(ClosesWrongly(None), short_queue()).expect("an event queue");
    let (socket, peer) = with_a_waiting_pong(&mut event_loop);
    event_loop.handler_mut().0 = Some(peer);
    event_loop.handle().wake();
    event_loop.scripted_turn(ms(40), &[]);
    assert!(event_loop.gauges_are_right());
    socket.buffers().room = 10_000;
    event_loop.scripted_turn(ms(50), &[writable(peer)]);
    assert!(socket.buffers().written.ends_with(&[0x8a, 1, b'i']));
    assert!(event_loop.gauges_are_right());
}
