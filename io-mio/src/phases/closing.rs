//! The end of a connection.

use std::io::ErrorKind;
use std::time::Duration;

use sansws::{CloseCode, Connection, ProtocolError, State};

use crate::app::handler::Handler;
use crate::app::peer::Peer;
use crate::conn::ending::{By, Cause, Closed};
use crate::conn::wire::Wire;
use crate::phases::turn::{Then, Turn};
use crate::state::engines::Engine;
use crate::state::slots::{Phase, Slot};

/// How long FIN waits behind the Close of a connection that failed, unless the peer ends first.
///
/// A peer that is in the middle of a long message hears of the failure late, and a proxy in between
/// that gets FIN together with the Close may tear both connections down before it has handed the
/// Close on: the peer would see 1006 instead of the code. What arrives meanwhile is discarded, the
/// peer's Close included, as §7.1.7 has it.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Sees whether an open connection is closing, and whether it has closed.
pub(crate) fn settle_closing<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    let now = turn.shared.now;
    let Slot { link, edges, phase: Phase::Open(open), .. } = &mut *turn.slot else { return Then::Wait };
    let progress = std::mem::take(&mut edges.progress);
    let Some(engine) = open.engine().filter(|engine| engine.conn.is_closing()) else {
        if progress {
            // The peer acknowledges what it is sent. Its bytes may have to wait, see
            // `SlowConsumer::Pause`.
            link.keepalive.received(now);
        }
        return Then::Wait;
    };
    if let Some(rare) = &mut link.rare {
        rare.held.clear();
        rare.held_len = 0;
    }
    // With TLS, what is written still has to be sent.
    let taken = link.surely_written(edges);
    let end = link.written + link.out.len() as u64;
    // What was queued when closing began has all the time that the peer needs to read it. Pongs for
    // what it asks afterwards buy none.
    let has_more = taken < *link.rare().closing_end.get_or_insert(end);
    if progress && has_more {
        link.restart_closing(now);
    }
    link.keepalive.closing(now);
    // Reading may have been paused; the peer's Close is still to be read.
    turn.again |= edges.readable;
    if engine.conn.should_close_transport() && link.is_flushed(edges) {
        finish(turn);
        return linger(turn);
    }
    Then::Wait
}

/// Tells the application that the connection is closed; what is left is the transport.
pub(crate) fn finish<H: Handler>(turn: &mut Turn<'_, H>) {
    let Turn { slot, handler, shared, .. } = turn;
    if !matches!(slot.phase, Phase::Open(_)) {
        return;
    }
    let Phase::Open(open) = std::mem::replace(&mut slot.phase, Phase::Lingering) else { return };
    let (mut engine, mut session) = open.into_parts(&mut shared.engines);
    let Engine { conn, assembler, .. } = &mut *engine;
    shared.assembly.forget(assembler);
    let Slot { id, link, edges, .. } = &mut **slot;
    shared.topics.unsubscribe_all(id.index);
    link.congested = false;
    // §7.1.4: "closed cleanly" is after both Close frames were exchanged, and ours may still wait
    // to be written. That the transport broke before it was takes nothing away: the peer has said
    // goodbye.
    let was_clean = conn.was_clean() && link.is_flushed(edges);
    let cause = link.rare.as_mut().and_then(|rare| rare.cause.take());
    // A transport that broke after both Close frames took nothing away.
    let cause = cause.filter(|cause| !(was_clean && cause.is_of_transport()));
    let code = conn.close_code();
    let reason = conn.close_reason().to_owned();
    let by = *link.closed_by.get_or_insert(By::Local);
    // §7.1.7: an endpoint that fails the connection sends a Close frame "and then" closes.
    if conn.state() == State::Failed && !edges.eof && !link.broken && !has_closed(conn) {
        link.rare().fin_at = Some(shared.now.saturating_add(LAST_WORDS));
    }
    let closed = Closed { code, reason: &reason, was_clean, by, cause: cause.as_ref() };
    handler.close(&mut Peer::in_turn(*id, conn, link, edges, &mut session, shared), closed);
}

/// Whether the peer has said its last word, if in a wrong way: it waits for the end.
fn has_closed(conn: &Connection) -> bool {
    use ProtocolError::{InvalidCloseCode, InvalidCloseLength, InvalidCloseReason};
    matches!(conn.failure(), Some(InvalidCloseCode | InvalidCloseLength | InvalidCloseReason))
}

/// Writes what is left, sends FIN, and discards what the peer sends up to its own FIN.
///
/// RFC 6455 §7.1.1: "an application SHOULD … do so by calling `shutdown(SHUT_WR)` …, receive data
/// until obtaining a return value of 0 indicating that the peer has also performed an orderly
/// shutdown, and finally call close()".
pub(crate) fn linger<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    if !matches!(turn.slot.phase, Phase::Lingering) {
        return Then::Wait;
    }
    turn.flush();
    let Slot { link, edges, .. } = &mut *turn.slot;
    // Bytes of a TLS handshake that is under way still are no sign that the peer reads.
    if std::mem::take(&mut edges.progress) && !edges.transport.is_handshaking() {
        link.restart_closing(turn.shared.now);
    }
    send_fin(turn);
    if turn.slot.link.broken {
        return Then::Die;
    }
    for _ in 0..turn.shared.settings.reads_per_turn {
        match turn.read() {
            None => break,
            Some(Ok(_)) => {}
            Some(Err(_)) => return Then::Die,
        }
    }
    if !turn.slot.edges.fin_sent {
        // What could not be written during the TLS handshake may be written after it.
        turn.flush();
        send_fin(turn);
    }
    let Slot { link, edges, .. } = &*turn.slot;
    if link.broken || (edges.eof && edges.fin_sent) {
        return Then::Die;
    }
    turn.again |= edges.readable;
    Then::Wait
}

/// Sends FIN once everything is written.
fn send_fin<H: Handler>(turn: &mut Turn<'_, H>) {
    let Slot { link, edges, .. } = &mut *turn.slot;
    if edges.fin_sent || !link.is_flushed(edges) {
        return;
    }
    if !edges.eof && link.fin_at().is_some_and(|at| turn.shared.now < at) {
        return;
    }
    match edges.shutdown_write() {
        Ok(()) => edges.fin_sent = true,
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(_) => {
            edges.fin_sent = true;
            link.broken = true;
        }
    }
}

/// Ends an open connection at once, for this reason.
pub(crate) fn cut<H: Handler>(turn: &mut Turn<'_, H>, cause: Cause) -> Then {
    if let Slot { link, phase: Phase::Open(open), .. } = &mut *turn.slot {
        link.blame(By::Local, Some(cause));
        open.wake(&mut turn.shared.engines).0.conn.receive_eof();
        finish(turn);
    }
    Then::Die
}

/// Starts the closing handshake of an open connection, for this reason.
pub(crate) fn close<H: Handler>(turn: &mut Turn<'_, H>, code: CloseCode, reason: &str, cause: Cause) {
    if let Some(mut sending) = turn.sending() {
        // Refused only if it is closing already.
        let _ = sending.close(code, reason, Some(cause));
    }
}
