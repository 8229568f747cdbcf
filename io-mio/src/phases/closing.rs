//! The end of connections, and of the loop.

use std::io::ErrorKind;
use std::time::Duration;

use sansws::CloseCode;

use crate::app::handler::Handler;
use crate::app::peer::Peer;
use crate::conn::ending::{By, Cause, Closed};
use crate::conn::link::Link;
use crate::conn::peer_id::PeerId;
use crate::conn::sending::Sending;
use crate::event_loop::driver::Driver;
use crate::state::slots::{Open, Phase};

impl<H: Handler> Driver<H> {
    /// Sees whether an open connection is closing, and whether it has closed.
    pub(crate) fn settle_closing(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Open(open) = &mut slot.phase else { return };
        let link = &mut slot.link;
        let progress = std::mem::take(&mut link.progress);
        if !open.conn.is_closing() {
            if progress {
                // The peer acknowledges what it is sent. Its bytes may have to wait, see `SlowConsumer::Pause`.
                link.keepalive.received(self.shared.now);
            }
            return;
        }
        if let Some(rare) = &mut link.rare {
            rare.held.clear();
            rare.held_len = 0;
        }
        // With TLS, what is written still has to be sent.
        let taken = link.surely_written();
        let end = link.written + link.out.len() as u64;
        // What was queued when closing began has all the time that the peer needs to read it. Pongs for what it asks afterwards buy none.
        let has_more = taken < *link.rare().closing_end.get_or_insert(end);
        if progress && has_more {
            link.restart_closing(self.shared.now);
        }
        link.keepalive.closing(self.shared.now);
        if link.readable {
            // Reading may have been paused; the peer's Close is still to be read.
            self.serve_again(index);
        }
        self.close_transport_if_due(index);
    }

    fn close_transport_if_due(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Open(open) = &mut slot.phase else { return };
        if open.conn.should_close_transport() && slot.link.is_flushed() {
            self.finish(index);
            self.linger(index);
        }
    }

    /// Tells the application that the connection is closed; what is left is the transport.
    pub(crate) fn finish(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        if !matches!(slot.phase, Phase::Open(_)) {
            return;
        }
        let Phase::Open(open) = std::mem::replace(&mut slot.phase, Phase::Lingering) else { return };
        let Open { mut conn, assembler, mut session, .. } = open;
        self.shared.incomplete -= assembler.capacity();
        let link = &mut slot.link;
        self.shared.topics.unsubscribe_all(index);
        link.congested = false;
        // §7.1.4: "closed cleanly" is after both Close frames were exchanged, and ours may still wait to be written. That the transport broke
        // before it was takes nothing away: the peer has said goodbye.
        let was_clean = conn.was_clean() && link.is_flushed();
        let cause = link.rare.as_mut().and_then(|rare| rare.cause.take());
        // A transport that broke after both Close frames took nothing away.
        let cause = cause.filter(|cause| !(was_clean && cause.is_of_transport()));
        let code = conn.close_code();
        let reason = conn.close_reason().to_owned();
        let by = *link.closed_by.get_or_insert(By::Local);
        let closed = Closed { code, reason: &reason, was_clean, by, cause: cause.as_ref() };
        self.handler.close(&mut Peer::new(slot.id, &mut conn, link, &mut session, &mut self.shared), closed);
    }

    /// Writes what is left, sends FIN, and discards what the peer sends up to its own FIN.
    ///
    /// RFC 6455 §7.1.1: "an application SHOULD … do so by calling `shutdown(SHUT_WR)` …, receive data until obtaining a return value of 0
    /// indicating that the peer has also performed an orderly shutdown, and finally call close()".
    pub(crate) fn linger(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        if !matches!(slot.phase, Phase::Lingering) {
            return;
        }
        let link = &mut slot.link;
        link.flush(&mut self.shared.gathered);
        // Bytes of a TLS handshake that is under way still are no sign that the peer reads.
        if std::mem::take(&mut link.progress) && !link.transport.is_handshaking() {
            link.restart_closing(self.shared.now);
        }
        send_fin(link);
        if link.broken {
            return self.die(index);
        }
        for _ in 0..self.shared.settings.reads_per_turn {
            match self.read(index) {
                None => break,
                Some(Ok(_)) => {}
                Some(Err(_)) => return self.die(index),
            }
        }
        let Some(slot) = self.slots.get_mut(index) else { return };
        if !slot.link.fin_sent {
            // What could not be written during the TLS handshake may be written after it.
            slot.link.flush(&mut self.shared.gathered);
            send_fin(&mut slot.link);
        }
        if slot.link.broken || (slot.link.eof && slot.link.fin_sent) {
            return self.die(index);
        }
        if slot.link.readable {
            self.serve_again(index);
        }
        self.arm(index);
    }

    /// Ends a connection at once, whatever it is doing.
    pub(crate) fn abort(&mut self, id: PeerId) {
        let Some(slot) = self.slots.get_peer(id) else { return };
        match &mut slot.phase {
            Phase::Dialling(_) => self.dial_failed(id.index, By::Local, Cause::Aborted),
            Phase::Open(open) => {
                slot.link.blame(By::Local, Some(Cause::Aborted));
                open.conn.receive_eof();
                self.finish(id.index);
                self.die(id.index);
            }
            Phase::Announced(_) | Phase::Opening(_) | Phase::Lingering => self.die(id.index),
            Phase::Dead => {}
        }
    }

    /// Closes every connection with 1001, and stops accepting.
    pub(crate) fn shut_down(&mut self, deadline: Duration) {
        let at = self.shared.now.saturating_add(deadline);
        self.shutdown_at = Some(self.shutdown_at.map_or(at, |earlier| earlier.min(at)));
        self.accepting.stop();
        for index in self.slots.indices() {
            let Some(slot) = self.slots.get_mut(index) else { continue };
            let (id, link) = (slot.id, &mut slot.link);
            match &mut slot.phase {
                Phase::Announced(_) => self.die(index),
                Phase::Opening(_) => self.shut_down_opening(index),
                Phase::Dialling(_) => self.dial_failed(index, By::Local, Cause::Shutdown),
                Phase::Open(open) => {
                    let mut sending = Sending { id, conn: &mut open.conn, link, shared: &mut self.shared };
                    // Refused only if it is closing already.
                    let _ = sending.close(CloseCode::GOING_AWAY, "", Some(Cause::Shutdown));
                }
                Phase::Lingering | Phase::Dead => {}
            }
        }
    }

    /// Whether the loop goes on. A shutdown ends when all connections have closed, or its time is up.
    pub(crate) fn shutdown_goes_on(&mut self) -> bool {
        let Some(at) = self.shutdown_at else { return true };
        if self.shared.now >= at {
            for index in self.slots.indices() {
                let Some(slot) = self.slots.get_mut(index) else { continue };
                if let Phase::Open(open) = &mut slot.phase {
                    slot.link.blame(By::Local, Some(Cause::Shutdown));
                    open.conn.receive_eof();
                }
                self.finish(index);
                self.die(index);
                self.slots.remove(index);
            }
        }
        self.slots.len() > 0
    }
}

/// Sends FIN once everything is written.
fn send_fin(link: &mut Link) {
    if link.fin_sent || !link.is_flushed() {
        return;
    }
    match link.transport.shutdown_write() {
        Ok(()) => link.fin_sent = true,
        Err(error) if error.kind() == ErrorKind::WouldBlock => link.writable = false,
        Err(_) => {
            link.fin_sent = true;
            link.broken = true;
        }
    }
}
