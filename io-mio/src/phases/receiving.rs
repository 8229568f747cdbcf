//! Frames in, calls of the handler out.

#[cfg(test)]
mod in_place;

use std::io;
use std::time::Instant;

use sansws::{CloseCode, Connection, Event, ProtocolError, State};

use crate::app::handler::{Chunk, Handler};
use crate::app::peer::Peer;
use crate::conn::ending::{By, Cause};
use crate::conn::link::Link;
use crate::conn::pace::Portion;
use crate::conn::sending::Sending;
use crate::phases::settling::{settle, settle_and_go_on};
use crate::phases::turn::{Then, Turn, read};
use crate::state::engines::Engine;
use crate::state::slots::{Phase, Slot};

/// Less of a frame is rather copied out of the buffer than read by itself.
const WORTH_A_PLACE: usize = 4 << 10;

/// The connection is open; `rest` are its first frames. What is sent is gathered.
pub(crate) fn opened<H: Handler>(turn: &mut Turn<'_, H>, rest: &mut [u8]) {
    turn.slot.link.keepalive.opened(turn.shared.now);
    turn.shared.counters.opened.add(1);
    turn.tell(Handler::open);
    feed(turn, 0, rest);
}

/// Reads once, deals with what has come, and writes what follows from that.
pub(crate) fn read_frames<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    let Some(read) = read_in_two(turn) else { return nothing_to_read(turn) };
    // Less is not worth a look at the clock.
    if matches!(&read, Ok(read) if read.len() >= Portion::SMALLEST.bytes()) {
        turn.busy_since.get_or_insert_with(Instant::now);
    }
    match read {
        Ok(read) if read.len() == 0 => input_ended(turn, Cause::Eof),
        Ok(Read { in_place, buffered }) => {
            let buffer = std::mem::take(&mut turn.buffer);
            feed(turn, in_place, &mut buffer[..buffered]);
            turn.buffer = buffer;
        }
        Err(error) => input_ended(turn, Cause::of_transport(error)),
    }
    settle_and_go_on(turn)
}

/// Reads one portion: first where the long message that is arriving is collected, as far as its
/// frame goes, so that nothing of it is copied; what comes behind, into the buffer.
fn read_in_two<H: Handler>(turn: &mut Turn<'_, H>) -> Option<io::Result<Read>> {
    let Turn { slot, shared, buffer, .. } = turn;
    let portion = slot.edges.portion.bytes().min(buffer.len());
    let buffer = &mut buffer[..portion];
    let (mut in_place, mut done) = (0, None);
    let is_wanted = slot.link.closed_by.is_none() && slot.edges.can_read() && !slot.is_paused();
    if let Slot { link, edges, phase: Phase::Open(open), .. } = &mut **slot {
        let streaming = open.streaming;
        if let Some(Engine { conn, assembler, .. }) = open.engine().filter(|_| is_wanted && !streaming) {
            let (now, counters) = (shared.now, &shared.counters);
            // Making space may take memory.
            shared.assembly.grow(assembler, |assembler| {
                let Some(space) = assembler.space(conn).filter(|space| space.len() >= WORTH_A_PLACE) else {
                    return;
                };
                in_place = space.len().min(portion);
                let space = &mut space[..in_place];
                let room = if edges.transport.reads_two() { portion - in_place } else { 0 };
                let rest = &mut buffer[..room];
                let wanted = space.len() + rest.len();
                let read = edges.read(wanted, |transport| transport.read_two(space, rest));
                if let Some(Ok(len @ 1..)) = read {
                    link.received(len, now, counters);
                }
                done = Some(read);
            });
        }
    }
    let done = match done {
        Some(done) => done,
        None => read(slot, shared, portion, |transport| transport.read(buffer)),
    };
    let done = done.or_else(|| turn.or_later())?;
    Some(done.map(|len| Read { in_place: in_place.min(len), buffered: len.saturating_sub(in_place) }))
}

/// Takes bytes of the peer's: `in_place` of them where the assembler lent space, the rest in
/// `input`. All output that follows is gathered.
fn feed<H: Handler>(turn: &mut Turn<'_, H>, in_place: usize, mut input: &mut [u8]) {
    let Turn { slot, handler, shared, .. } = turn;
    let Slot { id, link, edges, phase: Phase::Open(open), .. } = &mut **slot else { return };
    let (id, streaming) = (*id, open.streaming);
    let mut flood = std::mem::take(&mut open.flood);
    flood.more(in_place + input.len(), shared.settings.receive_buffer);
    let (engine, session) = open.wake(&mut shared.engines);
    let Engine { conn, assembler, .. } = engine;
    let mut messages = 0;
    shared.assembly.lend(assembler);
    if let Some(message) = assembler.filled(conn, in_place) {
        messages += 1;
        handler.message(&mut Peer::in_turn(id, conn, link, edges, session, shared), message);
    } else if let Some(error) = conn.failure().filter(|_| in_place > 0) {
        failed(conn, link, error);
    }
    while let Some(event) = conn.receive(&mut input) {
        match event {
            // After `close` the application hears nothing but the end.
            Event::Text(_) | Event::Binary(_) if link.closed_by.is_some() => {}
            Event::Text(chunk) if streaming => {
                messages += u64::from(chunk.last);
                handler.chunk(&mut Peer::in_turn(id, conn, link, edges, session, shared), Chunk::Text(chunk));
            }
            Event::Text(chunk) => match assembler.text(chunk) {
                Ok(Some(message)) => {
                    messages += 1;
                    handler.message(&mut Peer::in_turn(id, conn, link, edges, session, shared), message);
                }
                Ok(None) => {}
                Err(error) => failed(conn, link, error),
            },
            Event::Binary(chunk) if streaming => {
                messages += u64::from(chunk.last);
                handler
                    .chunk(&mut Peer::in_turn(id, conn, link, edges, session, shared), Chunk::Binary(chunk));
            }
            Event::Binary(chunk) => match assembler.binary(chunk) {
                Ok(Some(message)) => {
                    messages += 1;
                    handler.message(&mut Peer::in_turn(id, conn, link, edges, session, shared), message);
                }
                Ok(None) => {}
                Err(error) => failed(conn, link, error),
            },
            Event::Ping(payload) => {
                flood.control_frame();
                if link.closed_by.is_none() {
                    let (copy, len) = copied(payload);
                    handler.ping(&mut Peer::in_turn(id, conn, link, edges, session, shared), &copy[..len]);
                }
                // Each Ping gets its Pong as long as they can be written; else the last one does
                // (§5.5.3).
                if link.out.is_empty() {
                    let gathering = &mut shared.gathering;
                    Sending { id, conn, link, wire: edges, gathering, in_turn: true }.pay_debts();
                }
            }
            Event::Pong(payload) => {
                flood.control_frame();
                if link.closed_by.is_none() {
                    let (copy, len) = copied(payload);
                    handler.pong(&mut Peer::in_turn(id, conn, link, edges, session, shared), &copy[..len]);
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
        if flood.control_frames() > shared.settings.max_control_frames {
            log::debug!("{}: too many control frames", link.remote());
            link.blame(By::Local, Some(Cause::TooManyControlFrames));
            conn.fail(CloseCode::POLICY_VIOLATION);
            break;
        }
    }
    shared.messages_received += messages;
    shared.assembly.put_away(engine, id, shared.settings.max_incomplete_bytes);
    // Unless all that has come has been read.
    if edges.readable {
        open.flood = flood;
    }
}

/// The peer's FIN, or a broken transport.
fn input_ended<H: Handler>(turn: &mut Turn<'_, H>, cause: Cause) {
    let Slot { link, edges, phase: Phase::Open(open), .. } = &mut *turn.slot else { return };
    edges.eof = true;
    if !matches!(cause, Cause::Eof) {
        log::debug!("{}: read: {cause}", link.remote());
        link.broken = true;
        link.congested = false;
    }
    // After the peer's Close its end is as it should be.
    let (Engine { conn, .. }, _) = open.wake(&mut turn.shared.engines);
    let is_unasked = matches!(conn.state(), State::Open | State::CloseSent);
    link.blame(By::Remote, is_unasked.then_some(cause));
    conn.receive_eof();
}

/// If writing failed and reading does not tell why, the connection has ended all the same.
fn nothing_to_read<H: Handler>(turn: &mut Turn<'_, H>) -> Then {
    if !turn.slot.link.broken {
        return Then::Wait;
    }
    let cause = turn.slot.link.rare().cause.take().unwrap_or(Cause::Eof);
    input_ended(turn, cause);
    settle(turn)
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

/// The connection has failed, or fails with this error of a layer above.
fn failed(conn: &mut Connection, link: &mut Link, error: ProtocolError) {
    log::debug!("{}: {error}", link.remote());
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
