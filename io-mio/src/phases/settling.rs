//! After input or before output: what the connection owes its peer is written.

use crate::app::handler::Handler;
use crate::conn::sending::Sending;
use crate::phases::closing::settle_closing;
use crate::phases::turn::{Then, Turn};
use crate::state::slots::{Phase, Slot};

/// Pays what the connection owes the peer, writes, and sees what follows from that.
pub(crate) fn settle<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    let low_water = turn.shared.gathering.low_water;
    let Some(mut sending) = turn.sending() else {
        turn.flush();
        return Then::Wait;
    };
    // Twice, for debts that had to wait until the queue was written.
    for _ in 0..2 {
        sending.pay_debts();
        sending.flush();
        if !sending.conn.wants_transmit() {
            break;
        }
    }
    sending.check_congestion();
    if sending.link.congested && sending.link.has_drained(low_water, sending.wire) {
        drained(turn);
    }
    tell_written(turn);
    see_broken(turn);
    settle_closing(turn)
}

/// Settles, and has the turn go on if the connection is open after that and may have more to read.
pub(crate) fn settle_and_go_on<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    match settle(turn) {
        Then::Wait => {
            let Slot { link, edges, phase, .. } = &*turn.slot;
            let has_more = edges.can_read() || link.broken;
            if has_more && matches!(phase, Phase::Open(_)) { Then::GoOn } else { Then::Wait }
        }
        then => then,
    }
}

/// The queue of a congested connection has fallen to the low-water mark.
fn drained<H: Handler>(turn: &mut Turn<'_, H>) {
    turn.slot.link.congested = false;
    if matches!(&turn.slot.phase, Phase::Open(open) if open.can_send()) {
        turn.tell(Handler::drained);
        if let Some(mut sending) = turn.sending() {
            // It may have failed the connection.
            pay_and_flush(&mut sending);
            sending.check_congestion();
        }
    }
    // Reading may have been paused, and no event tells what came meanwhile.
    turn.again |= turn.slot.edges.readable;
}

#[inline]
fn tell_written<H: Handler>(turn: &mut Turn<'_, H>) {
    turn.tell(Handler::written);
    if let Some(mut sending) = turn.sending() {
        // Whatever was sent just now, or is owed since.
        pay_and_flush(&mut sending);
    }
}

#[inline]
fn pay_and_flush(sending: &mut Sending<'_>) {
    if sending.conn.wants_transmit() || sending.has_output() {
        sending.pay_debts();
        sending.flush();
    }
}

/// No event tells of every write that failed.
pub(crate) fn see_broken<H: Handler>(turn: &mut Turn<'_, H>) {
    let Slot { link, edges, .. } = &*turn.slot;
    turn.again |= link.broken && !edges.eof;
}
