//! What the fuzz target `driver` found: a test for each finding.

use std::time::Duration;

use crate::event_loop::tests::virtual_time::{Socket, event_loop, ms, readable};
use crate::settings::Settings;

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
