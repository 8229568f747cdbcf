//! What the event loop of a client thread does for a socket: sends its messages and hands it
//! events.

use std::collections::VecDeque;
use std::sync::Arc;

use sansws::{CloseCode, Expired, Message};

use crate::app::handler::Handler;
use crate::app::peer::Peer;
use crate::client::error::FailureCause;
use crate::client::event::CloseEvent;
use crate::client::socket::{Outgoing, Socket, Stage, Task};
use crate::conn::ending::{Cause, Closed};

/// What the loop keeps about a socket.
pub(crate) struct Session {
    socket: Arc<Socket>,
    /// Messages that the driver has been given, with what [`Peer::written`] says when the kernel
    /// has the last byte.
    in_flight: VecDeque<(u64, Outgoing)>,
    /// The number after that of the last message given to the driver.
    next_id: u64,
    /// The highest such number that went into a Ping.
    asked: Option<u64>,
    /// The program knows that the closing handshake has started.
    closing_told: bool,
}

impl Session {
    pub(crate) fn new(socket: Arc<Socket>) -> Self {
        Self { socket, in_flight: VecDeque::new(), next_id: 0, asked: None, closing_told: false }
    }

    pub(crate) fn socket(&self) -> Arc<Socket> {
        Arc::clone(&self.socket)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Only if the loop ended without telling.
        let unsent = self.in_flight.drain(..).map(|(_, message)| message).collect();
        self.socket.ended(CloseEvent::abnormal(), true, Some(FailureCause::Stopped), unsent);
    }
}

/// Asks the server what it has received: the Pong confirms the messages that went before.
pub(crate) fn ask(peer: &mut Peer<'_, Session>) {
    let next_id = peer.session().next_id;
    // Refused only if it is closing.
    if peer.ping(&next_id.to_be_bytes()).is_ok() {
        peer.session_mut().asked = Some(next_id);
    }
}

/// Gives the driver messages until it has enough, and then the Close frame.
pub(crate) fn pump(peer: &mut Peer<'_, Session>) {
    while peer.is_open() {
        let socket = Arc::clone(&peer.session().socket);
        let mut state = socket.lock();
        // "… earlier sends are flushed first": all of them, and from then on the time for the
        // closing handshake runs.
        if state.closing.is_none() && peer.is_congested() {
            return;
        }
        let Some(message) = state.outgoing.pop_front() else {
            let Some(close) = state.closing.clone() else { return };
            drop(state);
            // Refused only if it is closing already.
            let _ = match &close {
                Some((code, reason)) => peer.close(*code, reason),
                None => peer.close_without_status(),
            };
            return;
        };
        drop(state);
        match peer.send(message.data.as_message()) {
            Ok(()) => {
                let end = peer.written() + peer.buffered_amount() as u64;
                let session = peer.session_mut();
                session.next_id = message.id.map_or(session.next_id, |id| id + 1);
                session.in_flight.push_back((end, message));
            }
            Err(error) => {
                log::error!("{}: a message that should fit does not: {error}", peer.id());
                let mut state = socket.lock();
                state.outgoing.push_front(message);
                state.full = true;
                drop(state);
                return peer.fail(CloseCode::INTERNAL_ERROR);
            }
        }
    }
}

/// Counts the messages that the kernel has, now that it has taken so many bytes.
fn count_written(peer: &mut Peer<'_, Session>, written: u64) {
    let session = peer.session_mut();
    if session.in_flight.front().is_none_or(|&(end, _)| end > written) {
        return;
    }
    let mut state = session.socket.lock();
    while let Some((end, message)) = session.in_flight.pop_front() {
        if end > written {
            session.in_flight.push_front((end, message));
            break;
        }
        state.written(&message);
    }
    drop(state);
    session.socket.wake_waiting();
}

/// The event loop's handler.
pub(crate) struct Driver;

impl Handler for Driver {
    type Session = Session;

    fn open(&mut self, peer: &mut Peer<'_, Session>) {
        let protocol = peer.subprotocol().unwrap_or_default().to_owned();
        let socket = &peer.session().socket;
        let mut state = socket.lock();
        state.stage = Stage::Open;
        state.peer = Some(peer.id());
        drop(state);
        socket.push_task(Task::Opened { protocol });
    }

    fn message(&mut self, peer: &mut Peer<'_, Session>, message: Message<'_>) {
        if peer.session().socket.push_task(Task::Message(message.into())) {
            peer.set_reading(false);
        }
    }

    fn pong(&mut self, peer: &mut Peer<'_, Session>, payload: &[u8]) {
        if let Ok(id) = <[u8; 8]>::try_from(payload).map(u64::from_be_bytes) {
            let session = peer.session();
            // RFC 6455 §5.5.3: "A Pong frame MAY be sent unsolicited." Such a one confirms nothing.
            if session.asked.is_some_and(|asked| id <= asked) {
                let mut state = session.socket.lock();
                state.confirmed = state.confirmed.max(id);
            }
        }
    }

    fn drained(&mut self, peer: &mut Peer<'_, Session>) {
        pump(peer);
    }

    fn written(&mut self, peer: &mut Peer<'_, Session>) {
        count_written(peer, peer.written());
        if !peer.is_open() && !peer.session().closing_told {
            peer.session_mut().closing_told = true;
            peer.session().socket.push_task(Task::Closing);
        }
    }

    fn close(&mut self, peer: &mut Peer<'_, Session>, closed: Closed<'_>) {
        // What the server may have is not unsent.
        count_written(peer, peer.written_at_most());
        let session = peer.session_mut();
        let unsent = session.in_flight.drain(..).map(|(_, message)| message).collect();
        let close = CloseEvent {
            code: closed.code.get(),
            reason: closed.reason.to_owned(),
            was_clean: closed.was_clean,
        };
        // RFC 6455 §7.2.1: "If at any point the underlying transport layer connection is
        // unexpectedly lost, the client MUST Fail the WebSocket Connection." Not so if the server
        // only takes too long to close (§7.1.1).
        let failed = !closed.was_clean && !matches!(closed.cause, Some(Cause::TimedOut(Expired::Close)));
        let cause = closed.cause.map(FailureCause::from).filter(|_| !closed.was_clean);
        session.socket.ended(close, failed, cause, unsent);
    }
}
