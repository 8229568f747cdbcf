//! Sending on one connection: where output goes, and what happens when there is too much of it.

use std::num::NonZeroU32;

use bytes::Bytes;
use sansws::{
    CloseCode, Connection, FrameHeader, MAX_REASON_LEN, MaskingKey, Message, MessageKind, Output, OutputFull,
    Role, SendError,
};

use crate::conn::ending::{By, Cause};
use crate::conn::gathering::Gathering;
use crate::conn::link::Link;
use crate::conn::peer_id::PeerId;
use crate::conn::shared_frame::SharedFrame;
use crate::conn::wire::Wire;
use crate::settings::slow_consumer::SlowConsumer;

/// Published frames up to this size are copied into the queue; longer ones are shared.
const COPY_UP_TO: usize = 256;

/// Payloads of a server from this size on go to the kernel from where they are.
const WRITE_THROUGH_FROM: usize = 32 << 10;

/// Gathered output of this size is written before more is gathered.
const GATHER_UP_TO: usize = 64 << 10;

/// The end of a queue, with room for so much more.
pub(crate) struct Room<'a> {
    bytes: &'a mut Vec<u8>,
    room: usize,
}

impl<'a> Room<'a> {
    pub(crate) fn new(bytes: &'a mut Vec<u8>, room: usize) -> Self {
        Self { bytes, room }
    }
}

impl Output for Room<'_> {
    #[inline]
    fn reserve(&mut self, len: usize) -> Result<(), OutputFull> {
        if len > self.room {
            return Err(OutputFull);
        }
        self.room -= len;
        Output::reserve(self.bytes, len)
    }

    #[inline]
    fn write_reserved(&mut self, bytes: &[u8]) {
        self.bytes.write_reserved(bytes);
    }

    #[inline]
    fn write_masked(&mut self, key: MaskingKey, bytes: &[u8]) -> MaskingKey {
        self.bytes.write_masked(key, bytes)
    }

    #[inline]
    fn lend_reserved(&mut self, len: usize) -> Option<&mut [u8]> {
        self.bytes.lend_reserved(len)
    }
}

/// There is room, which has been made: no need to count it again.
const CHECKED: usize = usize::MAX;

/// What became of a batch of published messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The kernel has taken all of it, and nothing is left to be done about the connection.
    Written,
    Queued,
    /// It has to be delivered message by message, or not at all.
    NotAsItIs,
}

/// One connection with what it takes to send on it.
pub(crate) struct Sending<'a> {
    pub(crate) id: PeerId,
    pub(crate) conn: &'a mut Connection,
    pub(crate) link: &'a mut Link,
    pub(crate) wire: &'a mut dyn Wire,
    pub(crate) gathering: &'a mut Gathering,
    /// It is this connection's turn: its output is gathered, and written at the end of the turn.
    pub(crate) in_turn: bool,
}

/// Bytes of a connection that the kernel has not taken.
pub(crate) fn buffered(link: &Link, wire: &dyn Wire, gathering: &Gathering, in_turn: bool) -> usize {
    let is_gathering = in_turn && link.out.is_empty();
    link.queued(wire) + if is_gathering { gathering.bytes.len() } else { 0 }
}

impl Sending<'_> {
    fn is_gathering(&self) -> bool {
        self.in_turn && self.link.out.is_empty()
    }

    /// Whether there is something to [`flush`](Self::flush).
    #[inline]
    pub(crate) fn has_output(&self) -> bool {
        !self.gathering.bytes.is_empty() || !self.link.is_flushed(self.wire)
    }

    /// Writes what was gathered and what is queued.
    pub(crate) fn flush(&mut self) {
        self.link.flush(self.gathering, self.wire);
    }

    /// Has the loop write this connection's queue before it waits.
    pub(crate) fn mark_dirty(&mut self) {
        if !std::mem::replace(&mut self.link.dirty, true) {
            self.gathering.dirty.push(self.id.index);
        }
    }

    /// Bytes that the kernel has not taken.
    fn buffered(&self) -> usize {
        buffered(self.link, self.wire, self.gathering, self.in_turn)
    }

    /// Whether `len` more bytes may be queued. What the kernel takes at once makes room; if that is
    /// not enough, `drained` tells when there may be some.
    #[inline]
    fn make_room(&mut self, len: usize) -> bool {
        len <= self.room() || self.write_to_make_room(len)
    }

    #[cold]
    fn write_to_make_room(&mut self, len: usize) -> bool {
        if self.is_gathering() {
            self.flush();
        } else {
            self.link.flush_queue(self.wire, &self.gathering.counters);
            if !self.in_turn {
                // It may have drained, of which no event would tell.
                self.mark_dirty();
            }
        }
        let fits = len <= self.room();
        if !fits && self.link.waiting(self.wire) > 0 && !self.link.broken {
            // There will not be more room before some of it is taken.
            self.link.rare().refused_at = Some(self.link.surely_written(self.wire));
            self.link.congested = true;
        }
        fits
    }

    fn room(&self) -> usize {
        self.gathering.max_buffered.saturating_sub(self.buffered())
    }

    /// Has the connection append frames where its output goes just now.
    #[inline]
    pub(crate) fn append<E>(
        &mut self,
        frames: impl FnOnce(&mut Connection, &mut Room<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let room = self.room();
        self.append_within(room, frames)
    }

    /// The same, with at most `room` bytes.
    #[inline]
    fn append_within<E>(
        &mut self,
        room: usize,
        frames: impl FnOnce(&mut Connection, &mut Room<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.is_gathering() {
            frames(self.conn, &mut Room::new(&mut self.gathering.bytes, room))?;
            if self.gathering.bytes.len() >= GATHER_UP_TO {
                self.flush();
                self.check_congestion();
            }
        } else {
            frames(self.conn, &mut Room::new(self.link.out.tail(), room))?;
            self.appended_to_queue();
        }
        Ok(())
    }

    fn appended_to_queue(&mut self) {
        if !self.in_turn {
            self.mark_dirty();
        }
        self.check_congestion();
    }

    /// Pays with a Pong and a Close that must get out, whatever else is queued: for one of each there
    /// is room beyond the limit.
    pub(crate) fn pay_debts(&mut self) {
        // With a Pong the queue must not grow for ever; a Close comes once.
        if self.link.out.len() <= self.gathering.low_water {
            self.pay_now();
        }
    }

    fn pay_now(&mut self) {
        if self.conn.wants_transmit() {
            let (conn, sink) = self.conn_and_sink();
            // A growing buffer only refuses when there is no memory; the debt then stays.
            let _ = conn.poll_transmit(sink);
        }
    }

    /// The connection, and where its output goes just now, without a limit.
    fn conn_and_sink(&mut self) -> (&mut Connection, &mut Vec<u8>) {
        let sink = if self.is_gathering() { &mut self.gathering.bytes } else { self.link.out.tail() };
        (self.conn, sink)
    }

    /// Has the connection start the closing handshake; the limit on queued bytes does not count.
    fn start_closing(
        &mut self,
        cause: Option<Cause>,
        close: impl FnOnce(&mut Connection, &mut Vec<u8>) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        // §5.5.2: a Ping is answered "unless it already received a Close frame". A Pong that waits
        // for the queue to shorten goes first: if the peer's stream ends after our Close, it would
        // not be sent any more.
        if self.conn.can_send() {
            self.pay_now();
        }
        let (conn, sink) = self.conn_and_sink();
        let closed = close(conn, sink);
        if closed.is_ok() {
            self.link.blame(By::Local, cause);
        }
        // There may be a Pong in the queue even if it was refused.
        if !self.is_gathering() {
            self.mark_dirty();
        }
        closed
    }

    /// Starts the closing handshake; the limit on queued bytes does not count.
    pub(crate) fn close(
        &mut self,
        code: CloseCode,
        reason: &str,
        cause: Option<Cause>,
    ) -> Result<(), SendError> {
        // What is refused must not queue a Pong either: whoever repeats it would fill the queue.
        if !code.may_be_sent() {
            return Err(SendError::InvalidCloseCode);
        }
        if reason.len() > MAX_REASON_LEN {
            return Err(SendError::ReasonTooLong);
        }
        self.start_closing(cause, |conn, sink| conn.close(code, reason, sink))
    }

    /// Starts the closing handshake with a Close frame that says nothing; the limit on queued bytes
    /// does not count.
    pub(crate) fn close_without_status(&mut self) -> Result<(), SendError> {
        self.start_closing(None, |conn, sink| conn.close_without_status(sink))
    }

    /// Fails the connection, RFC 6455 §7.1.7.
    pub(crate) fn fail(&mut self, code: CloseCode, cause: Cause) {
        self.link.blame(By::Local, Some(cause));
        self.conn.fail(code);
        if !self.in_turn {
            self.mark_dirty();
        }
    }

    /// Sends a message whose payload is worth not copying.
    pub(crate) fn send(&mut self, message: Message<'_>) -> Result<(), SendError> {
        let payload = message.as_bytes();
        if self.conn.can_send() && !self.make_room(payload.len().saturating_add(FrameHeader::MAX_LEN)) {
            return Err(SendError::OutputFull);
        }
        if payload.len() >= WRITE_THROUGH_FROM && self.conn.role() == Role::Server {
            return self.send_large(message.kind(), payload);
        }
        match message {
            Message::Text(text) => self.append_within(CHECKED, |conn, out| conn.send_text(text, out))?,
            Message::Binary(payload) => {
                self.append_within(CHECKED, |conn, out| conn.send_binary(payload, out))?;
            }
        }
        self.gathering.messages_sent += 1;
        Ok(())
    }

    fn send_large(&mut self, kind: MessageKind, payload: &[u8]) -> Result<(), SendError> {
        let header = self.conn.frame_header(kind, payload.len() as u64)?;
        if self.is_gathering() {
            self.gathering.bytes.extend_from_slice(header.as_bytes());
            self.link.write_through(self.gathering, payload, self.wire);
            self.check_congestion();
        } else {
            self.link.out.push_copy(header.as_bytes());
            self.link.out.push_copy(payload);
            self.appended_to_queue();
        }
        self.gathering.messages_sent += 1;
        Ok(())
    }

    /// Sends a fragment.
    pub(crate) fn send_fragment(&mut self, fragment: Message<'_>, last: bool) -> Result<(), SendError> {
        let len = fragment.as_bytes().len().saturating_add(FrameHeader::MAX_LEN);
        if self.conn.can_send() && !self.make_room(len) {
            return Err(SendError::OutputFull);
        }
        match fragment {
            Message::Text(text) => self.append(|conn, out| conn.send_text_fragment(text, last, out))?,
            Message::Binary(payload) => {
                self.append(|conn, out| conn.send_binary_fragment(payload, last, out))?;
            }
        }
        if last {
            self.gathering.messages_sent += 1;
            self.release_held();
        }
        Ok(())
    }

    /// Delivers `count` messages that were published one after the other; `bytes` are all of their
    /// frames. With `at_once` they are written if nothing waits before them.
    pub(crate) fn deliver_all(&mut self, count: usize, bytes: &Bytes, at_once: bool) -> Delivered {
        // The last is asked for its checks only: a server's headers are in the frames already.
        let as_it_is = self.conn.role() == Role::Server
            && !self.link.congested
            && bytes.len() <= self.room()
            && self.conn.frame_header(MessageKind::Binary, 0).is_ok();
        if !as_it_is {
            return Delivered::NotAsItIs;
        }
        self.gathering.messages_sent += count as u64;
        if at_once && self.link.is_flushed(self.wire) && !self.link.dirty && !self.conn.wants_transmit() {
            self.link.write_shared(bytes, self.wire, &self.gathering.counters);
            if self.link.is_flushed(self.wire) && !self.link.broken {
                return Delivered::Written;
            }
        } else if bytes.len() > COPY_UP_TO {
            self.link.out.push(bytes.clone());
        } else {
            self.link.out.push_copy(bytes);
        }
        self.appended_to_queue();
        Delivered::Queued
    }

    /// Delivers a published message. `Err` says why it passed the peer by, which has been dealt
    /// with.
    pub(crate) fn deliver(&mut self, frame: &SharedFrame) -> Result<(), SendError> {
        if !self.conn.can_send() {
            return Err(SendError::NotOpen);
        }
        if self.link.slow_consumer == SlowConsumer::Drop && self.link.congested {
            self.drop_message();
            return Err(SendError::OutputFull);
        }
        let result = self.enqueue(frame);
        if result == Err(SendError::OutputFull) {
            match self.link.slow_consumer {
                SlowConsumer::Drop => self.drop_message(),
                SlowConsumer::Pause | SlowConsumer::Close(_) => self.give_up_on_slow_consumer(),
            }
        }
        result
    }

    /// A published message passes the peer by.
    fn drop_message(&mut self) {
        self.link.rare().dropped += 1;
        self.gathering.counters.messages_dropped.add(1);
    }

    /// Queues a shared frame behind what there is.
    pub(crate) fn enqueue(&mut self, frame: &SharedFrame) -> Result<(), SendError> {
        if !self.make_room(frame.max_len()) {
            return Err(SendError::OutputFull);
        }
        match self.put(frame) {
            Err(SendError::MessageInProgress) => {
                // The other half is for the rest of the message: nothing but its end makes room.
                let most = self.gathering.max_buffered / 2;
                let rare = self.link.rare();
                if rare.held_len + frame.max_len() > most {
                    return Err(SendError::OutputFull);
                }
                rare.held_len += frame.max_len();
                rare.held.push_back(frame.clone());
                if !self.in_turn {
                    // Its turn counts what waits.
                    self.mark_dirty();
                }
                Ok(())
            }
            other => other,
        }
    }

    fn put(&mut self, frame: &SharedFrame) -> Result<(), SendError> {
        let shareable =
            self.conn.role() == Role::Server && frame.bytes().len() > COPY_UP_TO && !self.is_gathering();
        if !shareable {
            self.append(|conn, out| conn.send_prepared(frame.prepared(), out))?;
            self.gathering.messages_sent += 1;
            return Ok(());
        }
        // Asked for its checks only: a server's header is in the frame already.
        self.conn.frame_header(frame.prepared().kind(), frame.prepared().payload().len() as u64)?;
        self.link.out.push(frame.bytes().clone());
        self.gathering.messages_sent += 1;
        self.appended_to_queue();
        Ok(())
    }

    /// Sends what was published during a fragmented message that has now ended.
    fn release_held(&mut self) {
        while let Some(rare) = self.link.rare.as_mut() {
            let Some(frame) = rare.held.pop_front() else { return };
            rare.held_len -= frame.max_len();
            match self.put(&frame) {
                Err(SendError::MessageInProgress) => {
                    let rare = self.link.rare();
                    rare.held_len += frame.max_len();
                    rare.held.push_front(frame);
                    return;
                }
                Err(SendError::OutputFull) => self.drop_message(),
                Ok(()) | Err(_) => {}
            }
        }
    }

    /// Called when the queue may have grown past the high-water mark.
    pub(crate) fn check_congestion(&mut self) {
        let Gathering { max_buffered, high_water, low_water, .. } = *self.gathering;
        let own = |bytes: NonZeroU32| (bytes.get() as usize).clamp(low_water, max_buffered / 2);
        let high_water = self.link.high_water().map_or(high_water, own);
        if self.link.congested || self.link.out.len() <= high_water || self.link.broken {
            return;
        }
        // Only what the kernel refuses tells of a slow reader: it may not have been asked in this
        // turn.
        self.link.flush_queue(self.wire, &self.gathering.counters);
        if self.link.out.len() <= high_water || self.link.broken {
            return;
        }
        self.link.congested = true;
        if matches!(self.link.slow_consumer, SlowConsumer::Close(_)) {
            self.give_up_on_slow_consumer();
        }
    }

    fn give_up_on_slow_consumer(&mut self) {
        let code = match self.link.slow_consumer {
            SlowConsumer::Close(code) if code.may_be_sent() => code,
            _ => CloseCode::TRY_AGAIN_LATER,
        };
        log::debug!("{}: reads too slowly, {} bytes queued", self.link.remote(), self.link.queued(self.wire));
        // Refused only if it is closing already.
        if self.close(code, "reads too slowly", Some(Cause::SlowConsumer)).is_ok() {
            self.gathering.counters.slow_consumers.add(1);
        }
    }
}
