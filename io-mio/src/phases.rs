//! What a connection does now: one function for each phase of its life, and for each thing that
//! happens to it.

pub(crate) mod announcing;
pub(crate) mod closing;
pub(crate) mod dialling;
pub(crate) mod opening;
pub(crate) mod receiving;
pub(crate) mod settling;
pub(crate) mod turn;

use sansws::{CloseCode, Expired};

use crate::app::handler::Handler;
use crate::conn::ending::{By, Cause};
use crate::phases::turn::{Then, Turn};
use crate::state::shared::Shared;
use crate::state::slots::{Phase, Slot};

/// A connection's turn begins: its socket is ready, or was not read to the end.
pub(crate) fn begin<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    let Slot { link, edges, .. } = &*turn.slot;
    // Over TLS reading writes too, so what made it congested may be gone already.
    if !link.is_flushed(edges) || link.congested {
        match settling::settle(turn) {
            Then::Wait => {}
            then => return then,
        }
    }
    go_on(turn)
}

/// Its turn goes on.
pub(crate) fn go_on<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    match turn.slot.phase {
        Phase::Announced(_) => announcing::read_announcement(turn),
        Phase::Opening(_) => opening::read_request(turn),
        // Its bytes stay in the kernel. Nobody waits for the answer if the client has reset.
        Phase::Deciding(_) if turn.slot.edges.is_broken() => Then::Die,
        Phase::Deciding(_) => Then::Wait,
        Phase::Dialling(_) => dialling::go_on(turn),
        Phase::Open(_) => receiving::read_frames(turn),
        Phase::Lingering => closing::linger(turn),
        Phase::Dead => Then::Wait,
    }
}

/// A deadline may have come: whether what has arrived is to be read first. It counts, even if the
/// loop was too busy to read it.
pub(crate) fn reads_before_deadline<S>(slot: &mut Slot<S>, shared: &Shared<S>) -> bool {
    let Slot { link, edges, phase: Phase::Open(_), .. } = slot else { return false };
    if link.keepalive.poll_timeout(&shared.settings.timeouts).is_none_or(|due| due > shared.now) {
        return false;
    }
    edges.readable = true;
    if edges.paused && link.closed_by.is_none() {
        // Whether the peer lives is not known, as nobody looks.
        link.keepalive.received(shared.now);
    }
    true
}

/// The moment has come at which a deadline of this connection was, or still is.
pub(crate) fn deadline<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    if matches!(turn.slot.phase, Phase::Dialling(_)) {
        return dialling::timed_out(turn);
    }
    let shared = &*turn.shared;
    if matches!(turn.slot.phase, Phase::Lingering)
        && turn.slot.link.fin_at().is_some_and(|at| at <= shared.now)
    {
        turn.slot.link.rare().fin_at = None;
        return closing::linger(turn);
    }
    match turn.slot.link.keepalive.handle_timeout(shared.now, &shared.settings.timeouts) {
        Some(expired) => timed_out(turn, expired),
        None => Then::Wait,
    }
}

fn timed_out<H: Handler>(turn: &mut Turn<'_, H>, expired: Expired) -> Then {
    let cause = Cause::TimedOut(expired);
    let Turn { slot, shared, .. } = turn;
    let Slot { link, phase, .. } = &mut **slot;
    let counters = &shared.counters;
    match (phase, expired) {
        (Phase::Opening(_), _) => {
            counters.timeouts_request.add(1);
            opening::timed_out(turn)
        }
        (Phase::Deciding(_), _) => {
            counters.timeouts_decision.add(1);
            opening::timed_out(turn)
        }
        (Phase::Open(_), Expired::PingDue) => {
            ping(turn);
            Then::Wait
        }
        (Phase::Open(_), Expired::Idle) => {
            counters.timeouts_idle.add(1);
            closing::close(turn, CloseCode::GOING_AWAY, "silent for too long", cause);
            settling::settle(turn)
        }
        (Phase::Open(_), Expired::Close) => {
            log::debug!("{}: the closing handshake took too long", link.remote());
            counters.timeouts_closing.add(1);
            closing::cut(turn, cause)
        }
        (Phase::Open(open), _) => {
            counters.timeouts_pong.add(1);
            // §7.1.7: fail the connection.
            link.blame(By::Local, Some(cause));
            open.wake(&mut shared.engines).0.conn.fail(CloseCode::INTERNAL_ERROR);
            settling::settle(turn)
        }
        (Phase::Announced(_), _) => {
            counters.timeouts_request.add(1);
            Then::Die
        }
        (Phase::Lingering, _) => {
            counters.timeouts_closing.add(1);
            Then::Die
        }
        // The deadlines of one that is dialled are its own.
        (Phase::Dialling(_) | Phase::Dead, _) => Then::Wait,
    }
}

fn ping<H: Handler>(turn: &mut Turn<'_, H>) {
    let now = turn.shared.now;
    let Some(mut sending) = turn.sending() else { return };
    // A Ping behind a full queue would say nothing. There the kernel says whether the peer lives:
    // it takes more, or not.
    if sending.link.is_flushed(sending.wire) {
        // Refused only when the connection is closing, which has a deadline of its own.
        let _ = sending.append(|conn, out| conn.send_ping(&[], out));
    }
    sending.flush();
    sending.link.keepalive.ping_written(now);
    settling::see_broken(turn);
}

/// Ends a connection at once, whatever it is doing.
pub(crate) fn abort<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    match turn.slot.phase {
        Phase::Dialling(_) => dialling::fail(turn, By::Local, Cause::Aborted),
        Phase::Open(_) => closing::cut(turn, Cause::Aborted),
        Phase::Announced(_) | Phase::Opening(_) | Phase::Deciding(_) | Phase::Lingering => Then::Die,
        Phase::Dead => Then::Wait,
    }
}

/// The loop shuts down: an open connection is closed with 1001.
pub(crate) fn shut_down<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    match turn.slot.phase {
        Phase::Announced(_) => Then::Die,
        Phase::Opening(_) | Phase::Deciding(_) => opening::shut_down(turn),
        Phase::Dialling(_) => dialling::fail(turn, By::Local, Cause::Shutdown),
        Phase::Open(_) => {
            closing::close(turn, CloseCode::GOING_AWAY, "", Cause::Shutdown);
            settling::settle(turn)
        }
        Phase::Lingering | Phase::Dead => Then::Wait,
    }
}

/// The time for a shutdown is over.
pub(crate) fn end<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    match turn.slot.phase {
        Phase::Dialling(_) => dialling::fail(turn, By::Local, Cause::Shutdown),
        _ => closing::cut(turn, Cause::Shutdown),
    }
}
