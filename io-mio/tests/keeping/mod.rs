//! A connection that keeps itself alive, as tests look at it.

use std::time::Duration;

use sansws_mio::{Disconnected, ReliableBuilder, ReliableEvent, ReliableWebSocket};

use super::scripted::DEADLINE;

/// Quick, so that a test is.
pub(crate) fn quick(url: &str) -> ReliableBuilder {
    ReliableWebSocket::builder(url)
        .first_delay(Duration::from_millis(2))
        .interval(Duration::from_millis(1))
        .max_delay(Duration::from_millis(4))
        .heartbeat(None)
}

pub(crate) fn next(socket: &ReliableWebSocket) -> ReliableEvent {
    socket.next_event(Some(DEADLINE)).expect("an event in time")
}

pub(crate) fn disconnected(socket: &ReliableWebSocket) -> Disconnected {
    match next(socket) {
        ReliableEvent::Disconnected(how) => how,
        event => panic!("{event:?}"),
    }
}
