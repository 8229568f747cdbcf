//! Frames in, calls of the handler out.

#[cfg(test)]
mod in_place;

use std::io;
use std::time::{Duration, Instant};

use sansws::{Assembler, CloseCode, Connection, Event, ProtocolError, State};

use crate::app::handler::{Chunk, Handler};
use crate::app::peer::Peer;
use crate::conn::ending::{By, Cause};
use crate::conn::link::Link;
use crate::conn::pace::{Flood, Portion};
use crate::conn::peer_id::PeerId;
use crate::conn::sending::Sending;
use crate::event_loop::driver::Driver;
use crate::state::deliver::run_deferred;
use crate::state::shared::{NOBODY, Shared};
use crate::state::slots::{Open, Phase, Slot};

/// What one connection's input may take in a turn, before the others have theirs. It cannot be interrupted in the middle of what was read; a
/// connection that goes over it is read in smaller portions from then on.
const SLICE: Duration = Duration::from_millis(1);

/// The largest buffer for messages that came in pieces that a loop keeps.
const KEPT_ASSEMBLY: usize = 4 << 20;

/// Less of a frame is rather copied out of the buffer than read by itself.
const WORTH_A_PLACE: usize = 4 << 10;

/// From this size on it matters who has it.
const MUCH_ASSEMBLY: usize = 64 << 10;

impl<H: Handler> Driver<H> {
    /// Reads a bounded number of times, and for a bounded time, so that neither a fast sender nor one whose messages are much work keeps the
    /// others waiting.
    pub(crate) fn read_frames(&mut self, index: u32) {
        let mut began = None;
        for _ in 0..self.shared.settings.reads_per_turn {
            let Some(read) = self.read_in_two(index) else { return self.nothing_to_read(index) };
            // Less is not worth a look at the clock.
            if matches!(&read, Ok(read) if read.len() >= Portion::SMALLEST.bytes()) {
                began.get_or_insert_with(Instant::now);
            }
            match read {
                Ok(read) if read.len() == 0 => self.input_ended(index, Cause::Eof),
                Ok(Read { in_place, buffered }) => {
                    let mut buffer = std::mem::take(&mut self.buffer);
                    self.feed(index, in_place, &mut buffer[..buffered]);
                    self.buffer = buffer;
                }
                Err(error) => self.input_ended(index, Cause::of_transport(error)),
            }
            self.settle(index);
            // What it has published is part of the work that its messages are. Its own output comes first.
            let turn_of = std::mem::replace(&mut self.shared.turn_of, NOBODY);
            run_deferred(&mut self.slots, &mut self.shared);
            self.shared.turn_of = turn_of;
            let Some(slot) = self.slots.get_mut(index) else { return };
            if !matches!(slot.phase, Phase::Open(_)) {
                return;
            }
            if let Some(began) = began {
                let took = began.elapsed();
                if took > SLICE {
                    slot.link.portion.shrink(took.as_micros() / SLICE.as_micros());
                    break;
                }
                if took < SLICE / 4 {
                    slot.link.portion.double(self.buffer.len());
                }
            }
        }
        if self.slots.get(index).is_some_and(|slot| slot.link.readable) {
            self.serve_again(index);
        }
    }

    /// Reads one portion: first where the long message that is arriving is collected, as far as its frame goes, so that nothing of it is
    /// copied; what comes behind, into the buffer.
    fn read_in_two(&mut self, index: u32) -> Option<io::Result<Read>> {
        let slot = self.slots.get_mut(index)?;
        let (link, now) = (&mut slot.link, self.shared.now);
        let portion = link.portion.bytes().min(self.buffer.len());
        let buffer = &mut self.buffer[..portion];
        let (mut in_place, mut read) = (0, None);
        if let Phase::Open(open) = &mut slot.phase {
            if !open.streaming && link.closed_by.is_none() && link.can_read() {
                // Making space may take memory.
                self.shared.incomplete -= open.assembler.capacity();
                if let Some(space) =
                    open.assembler.space(&open.conn).filter(|space| space.len() >= WORTH_A_PLACE)
                {
                    in_place = space.len().min(portion);
                    let space = &mut space[..in_place];
                    let room = if link.transport.reads_two() { portion - in_place } else { 0 };
                    let rest = &mut buffer[..room];
                    let wanted = space.len() + rest.len();
                    read = Some(link.read(wanted, now, |transport| transport.read_two(space, rest)));
                }
                self.shared.incomplete += open.assembler.capacity();
            }
        }
        let read = match read {
            Some(read) => read,
            None => link.read(portion, now, |transport| transport.read(buffer)),
        };
        let read = self.or_later(index, read)?;
        Some(read.map(|len| Read { in_place: in_place.min(len), buffered: len.saturating_sub(in_place) }))
    }

    /// Takes bytes of the peer's: `in_place` of them where the assembler lent space, the rest in `input`. All output that follows is gathered.
    pub(crate) fn feed(&mut self, index: u32, in_place: usize, mut input: &mut [u8]) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Open(Open { conn, assembler, session, streaming }) = &mut slot.phase else { return };
        let (id, link) = (slot.id, &mut slot.link);
        let (handler, shared) = (&mut self.handler, &mut self.shared);
        link.flood.more(in_place + input.len(), shared.settings.receive_buffer);
        // Counted anew when this is done.
        shared.incomplete -= assembler.capacity();
        if let Some(unused) = assembler.lend(std::mem::take(&mut shared.assembly)) {
            shared.assembly = unused;
        }
        if let Some(message) = assembler.filled(conn, in_place) {
            handler.message(&mut Peer::new(id, conn, link, session, shared), message);
        } else if let Some(error) = conn.failure().filter(|_| in_place > 0) {
            failed(conn, link, error);
        }
        while let Some(event) = conn.receive(&mut input) {
            match event {
                // After `close` the application hears nothing but the end.
                Event::Text(_) | Event::Binary(_) if link.closed_by.is_some() => {}
                Event::Text(chunk) if *streaming => {
                    handler.chunk(&mut Peer::new(id, conn, link, session, shared), Chunk::Text(chunk));
                }
                Event::Text(chunk) => match assembler.text(chunk) {
                    Ok(Some(message)) => {
                        handler.message(&mut Peer::new(id, conn, link, session, shared), message);
                    }
                    Ok(None) => {}
                    Err(error) => failed(conn, link, error),
                },
                Event::Binary(chunk) if *streaming => {
                    handler.chunk(&mut Peer::new(id, conn, link, session, shared), Chunk::Binary(chunk));
                }
                Event::Binary(chunk) => match assembler.binary(chunk) {
                    Ok(Some(message)) => {
                        handler.message(&mut Peer::new(id, conn, link, session, shared), message);
                    }
                    Ok(None) => {}
                    Err(error) => failed(conn, link, error),
                },
                Event::Ping(payload) => {
                    link.flood.control_frame();
                    if link.closed_by.is_none() {
                        let (copy, len) = copied(payload);
                        handler.ping(&mut Peer::new(id, conn, link, session, shared), &copy[..len]);
                    }
                    // Each Ping gets its Pong as long as they can be written; else the last one does (§5.5.3).
                    if link.out.is_empty() {
                        Sending { id, conn, link, shared }.pay_debts();
                    }
                }
                Event::Pong(payload) => {
                    link.flood.control_frame();
                    if link.closed_by.is_none() {
                        let (copy, len) = copied(payload);
                        handler.pong(&mut Peer::new(id, conn, link, session, shared), &copy[..len]);
                    }
                }
                Event::Close(_) => link.blame(By::Remote, None),
                Event::Failed(error) => failed(conn, link, error),
                // No extension is negotiated that could bring anything else.
                _ => {
                    link.blame(By::Local, None);
                    conn.fail(CloseCode::INTERNAL_ERROR);
                }
            }
            if link.flood.control_frames() > shared.settings.max_control_frames {
                log::debug!("{}: too many control frames", link.remote);
                link.blame(By::Local, Some(Cause::TooManyControlFrames));
                conn.fail(CloseCode::POLICY_VIOLATION);
                break;
            }
        }
        if !link.readable {
            // All that has come has been read.
            link.flood = Flood::default();
        }
        let Phase::Open(open) = &mut slot.phase else { return };
        if let Some(other) = put_away(open, shared, id) {
            self.shrink_assembly(other);
        }
        if self.shared.incomplete > self.shared.settings.max_incomplete_bytes {
            self.fail_largest_message();
        }
    }

    /// The messages in progress take too much. To fail whoever has the largest takes nothing from all others, however little they have.
    fn fail_largest_message(&mut self) {
        let size = |slot: &Slot<H::Session>| match &slot.phase {
            Phase::Open(open) => open.assembler.capacity(),
            _ => 0,
        };
        let indices = self.slots.indices().into_iter();
        let largest = indices.max_by_key(|index| self.slots.get(*index).map_or(0, size));
        let Some(slot) = largest.and_then(|index| self.slots.get_mut(index)) else { return };
        let (id, link) = (slot.id, &mut slot.link);
        let Phase::Open(open) = &mut slot.phase else { return };
        log::debug!("{}: too many bytes of messages in progress", link.remote);
        self.shared.incomplete -= open.assembler.capacity();
        open.assembler = Assembler::new();
        Sending { id, conn: &mut open.conn, link, shared: &mut self.shared }
            .fail(CloseCode::TRY_AGAIN_LATER, Cause::TooManyIncompleteBytes);
    }

    /// Of the connections that wait for the rest of a message one has as much of a buffer as it was lent. The others have what they need.
    fn shrink_assembly(&mut self, id: PeerId) {
        if let Some(Slot { phase: Phase::Open(open), .. }) = self.slots.get_peer(id) {
            self.shared.incomplete -= open.assembler.capacity();
            open.assembler.shrink();
            self.shared.incomplete += open.assembler.capacity();
        }
    }

    /// The peer's FIN, or a broken transport.
    fn input_ended(&mut self, index: u32, cause: Cause) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Open(open) = &mut slot.phase else { return };
        let link = &mut slot.link;
        link.eof = true;
        if !matches!(cause, Cause::Eof) {
            log::debug!("{}: read: {cause}", link.remote);
            link.broken = true;
            link.congested = false;
        }
        // After the peer's Close its end is as it should be.
        let is_unasked = matches!(open.conn.state(), State::Open | State::CloseSent);
        link.blame(By::Remote, is_unasked.then_some(cause));
        open.conn.receive_eof();
    }

    /// If writing failed and reading does not tell why, the connection has ended all the same.
    fn nothing_to_read(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        if slot.link.broken {
            let cause = slot.link.rare().cause.take().unwrap_or(Cause::Eof);
            self.input_ended(index, cause);
            self.settle(index);
        }
    }
}

/// How many bytes were read, and where they are.
struct Read {
    /// Where the assembler lent space.
    in_place: usize,
    /// At the beginning of the buffer.
    buffered: usize,
}

impl Read {
    pub(crate) fn len(&self) -> usize {
        self.in_place + self.buffered
    }
}

/// After a turn the buffer for messages in pieces goes back to the loop, unless this connection's message is not whole. In this case it is
/// counted, and who had kept a large one until now is returned.
#[inline]
fn put_away<S>(open: &mut Open<S>, shared: &mut Shared<S>, id: PeerId) -> Option<PeerId> {
    if open.conn.state() == State::Failed {
        open.assembler.reset();
    }
    if let Some(buffer) = open.assembler.release() {
        if buffer.capacity() <= KEPT_ASSEMBLY {
            shared.assembly = buffer;
        }
        return None;
    }
    if shared.incomplete + open.assembler.capacity() > shared.settings.max_incomplete_bytes {
        open.assembler.shrink();
    }
    shared.incomplete += open.assembler.capacity();
    if open.assembler.capacity() <= MUCH_ASSEMBLY {
        return None;
    }
    shared.collecting.replace(id).filter(|other| *other != id)
}

/// The connection has failed, or fails with this error of a layer above.
fn failed(conn: &mut Connection, link: &mut Link, error: ProtocolError) {
    log::debug!("{}: {error}", link.remote);
    link.blame(By::Local, Some(Cause::Protocol(error)));
    conn.fail(error);
}

/// The payload of a control frame borrows the connection, which the handler gets.
fn copied(payload: &[u8]) -> ([u8; sansws::MAX_CONTROL_LEN], usize) {
    let mut copy = [0; sansws::MAX_CONTROL_LEN];
    let len = payload.len().min(copy.len());
    copy[..len].copy_from_slice(&payload[..len]);
    (copy, len)
}
