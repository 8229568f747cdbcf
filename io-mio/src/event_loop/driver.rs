//! One event loop from inside: its connections, and what a turn does with them.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::Registry;
use sansws::{CloseCode, Expired};

use crate::app::context::Context;
use crate::app::handler::Handler;
use crate::app::peer::Peer;
use crate::conn::ending::{By, Cause};
use crate::conn::link::Link;
use crate::conn::peer_id::PeerId;
use crate::conn::sending::Sending;
use crate::dial::serializer::Serializer;
use crate::event_loop::accepting::Accepting;
use crate::hub::Hub;
use crate::hub::inbox::{Inbox, Received};
use crate::settings::Settings;
use crate::state::deliver::{run, run_deferred};
use crate::state::shared::{NOBODY, Shared, give_back};
use crate::state::slots::{Phase, Slot, Slots};
use crate::state::timers::{NOT_ARMED, Tick, Timers, tick_at};
use crate::state::topics::Topics;
use crate::target::connect::Connect;

/// When the commands of other threads have concerned so many connections, sockets have their turn again.
pub(crate) const DELIVERIES_PER_TURN: usize = 4096;

/// Memory for gathered output that is kept between turns.
const KEPT_GATHERED: usize = 256 << 10;

pub(crate) struct Driver<H: Handler> {
    pub(crate) handler: H,
    pub(crate) slots: Slots<H::Session>,
    pub(crate) shared: Shared<H::Session>,
    /// All connections are read into this.
    pub(crate) buffer: Box<[u8]>,
    pub(crate) registry: Registry,
    pub(crate) accepting: Accepting,
    pub(crate) serializer: Serializer,
    /// Dialled connections whose wait for another one has ended.
    pub(crate) start_next: VecDeque<PeerId>,
    pub(crate) shutdown_at: Option<Duration>,
    pub(crate) inbox: Arc<Inbox>,
    /// The inbox has something, which has not been taken out.
    woken: bool,
    pub(crate) received: Received,
    /// Slots that are to be served again without an event.
    ready: VecDeque<u32>,
    /// Slots to be freed at the end of the turn.
    dead: Vec<u32>,
    epoch: Instant,
    started: bool,
}

/// What an event says of a socket.
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer sent FIN, or the socket is broken.
    pub(crate) ended: bool,
}

impl<H: Handler> Driver<H> {
    pub(crate) fn new(
        handler: H,
        mut settings: Settings,
        hub: Arc<Hub>,
        worker: u16,
        registry: Registry,
    ) -> io::Result<Self> {
        // No extension is negotiated, so none may be used.
        settings.message.compression = false;
        settings.max_headers = settings.max_headers.min(Settings::MOST_HEADERS);
        settings.max_control_frames = settings.max_control_frames.min(Settings::MOST_CONTROL_FRAMES);
        // A queue must be congested before it is full: who is refused has to hear when there is room.
        settings.high_water = settings.high_water.min(settings.max_buffered / 2);
        settings.low_water = settings.low_water.min(settings.high_water);
        settings.reads_per_turn = settings.reads_per_turn.max(1);
        let buffer = vec![0; settings.receive_buffer.max(1024)].into_boxed_slice();
        let inbox = hub.inbox(worker).map_err(io::Error::other)?;
        let mut others = hub.inboxes();
        others.retain(|other| !Arc::ptr_eq(other, &inbox));
        Ok(Self {
            handler,
            slots: Slots::new(worker),
            shared: Shared {
                settings,
                now: Duration::ZERO,
                worker,
                turn_of: NOBODY,
                gathered: Vec::new(),
                topics: Topics::default(),
                timers: Timers::default(),
                deferred: VecDeque::new(),
                dials: VecDeque::new(),
                assembly: Vec::new(),
                collecting: None,
                incomplete: 0,
                receivers: Vec::new(),
                dirty: Vec::new(),
                hub,
                others,
            },
            buffer,
            registry,
            accepting: Accepting::default(),
            serializer: Serializer::default(),
            start_next: VecDeque::new(),
            shutdown_at: None,
            inbox,
            woken: false,
            received: Received::default(),
            ready: VecDeque::new(),
            dead: Vec::new(),
            epoch: Instant::now(),
            started: false,
        })
    }

    /// Whether there is something to do already.
    pub(crate) fn is_busy(&self) -> bool {
        !self.started
            || !self.ready.is_empty()
            || self.woken
            || !self.received.commands.is_empty()
            || !self.shared.dirty.is_empty()
            || !self.shared.dials.is_empty()
            || !self.shared.deferred.is_empty()
            || !self.start_next.is_empty()
            || self.accepting.is_ready()
    }

    /// How long the loop may sleep.
    pub(crate) fn max_wait(&self) -> Option<Duration> {
        if self.is_busy() {
            return Some(Duration::ZERO);
        }
        let shutdown = self.shutdown_at.map(tick_at);
        let next = [self.shared.timers.next(), shutdown, self.accepting.paused_until()]
            .into_iter()
            .flatten()
            .min()?;
        let now = self.epoch.elapsed();
        // A millisecond is rounded up, so that the loop does not spin through the rest of it.
        Some(Duration::from_millis(next).saturating_sub(now).min(Duration::from_secs(3600)))
    }

    /// Dials, and carries out what the handler asked for if that failed at once.
    pub(crate) fn dial_between_turns(&mut self, connect: Connect<H::Session>) -> PeerId {
        let id = self.dial(connect);
        run_deferred(&mut self.slots, &mut self.shared);
        id
    }

    pub(crate) fn read_clock(&mut self) {
        self.shared.now = self.epoch.elapsed();
    }

    /// The part of a turn that follows the events. `false`: the loop has shut down.
    pub(crate) fn rest_of_turn(&mut self) -> bool {
        if !self.started {
            self.started = true;
            self.wake();
        }
        self.accept_more();
        for _ in 0..self.ready.len() {
            let Some(index) = self.ready.pop_front() else { break };
            if let Some(slot) = self.slots.get_mut(index) {
                slot.link.ready = false;
                self.serve(index);
            }
        }
        self.run_commands();
        self.run_timers();
        self.flush_dirty();
        for _ in 0..self.start_next.len() {
            let Some(id) = self.start_next.pop_front() else { break };
            // Its place was given back if it is gone.
            if self.slots.get_peer(id).is_some() {
                self.take_places(id.index);
            }
        }
        // A handler that dials again when dialling failed at once must not keep the loop in this turn.
        for _ in 0..self.shared.dials.len() {
            let Some(connect) = self.shared.dials.pop_front() else { break };
            self.dial(connect);
        }
        run_deferred(&mut self.slots, &mut self.shared);
        for index in self.dead.drain(..) {
            self.slots.remove(index);
        }
        if self.shared.gathered.capacity() > KEPT_GATHERED {
            self.shared.gathered = Vec::new();
        }
        give_back(&mut self.shared.deferred);
        give_back(&mut self.shared.dials);
        give_back(&mut self.received.commands);
        let slots = &self.slots;
        self.shared.timers.compact(slots.len(), |index| slots.get(index).map(|slot| slot.link.armed));
        self.shutdown_goes_on()
    }

    /// A connection whose socket became ready.
    pub(crate) fn socket_event(&mut self, index: u32, event: &mio::event::Event) {
        let readiness = Readiness {
            readable: event.is_readable(),
            writable: event.is_writable() || event.is_write_closed() || event.is_error(),
            ended: event.is_error() || event.is_read_closed(),
        };
        self.socket_ready(index, readiness);
    }

    pub(crate) fn socket_ready(&mut self, index: u32, readiness: Readiness) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let link = &mut slot.link;
        // After the peer's FIN every event says so again.
        link.readable |= (readiness.readable || readiness.ended) && !link.eof;
        link.read_closed |= readiness.ended;
        if readiness.writable {
            // It took nothing more before: the peer has acknowledged something.
            link.progress |= !link.writable;
            link.writable = true;
        }
        self.serve(index);
    }

    /// Gives a connection its turn.
    pub(crate) fn serve(&mut self, index: u32) {
        let Some(slot) = self.slots.get(index) else { return };
        self.shared.turn_of = index;
        // Over TLS reading writes too, so what made it congested may be gone already.
        if !slot.link.is_flushed() || slot.link.congested {
            self.settle(index);
        }
        match self.slots.get(index).map(|slot| &slot.phase) {
            Some(Phase::Announced(_)) => self.read_announcement(index),
            Some(Phase::Opening(_)) => self.read_request(index),
            Some(Phase::Dialling(_)) => self.dialling_ready(index),
            Some(Phase::Open(_)) => self.read_frames(index),
            Some(Phase::Lingering) => self.linger(index),
            Some(Phase::Dead) | None => {}
        }
        self.shared.turn_of = NOBODY;
        run_deferred(&mut self.slots, &mut self.shared);
    }

    /// Reads one [portion](crate::conn::pace::Portion) into the buffer. `None`: there is nothing to read for now.
    pub(crate) fn read(&mut self, index: u32) -> Option<io::Result<usize>> {
        debug_assert!(!self.buffer.is_empty(), "read while what was read before is being dealt with");
        let link = &mut self.slots.get_mut(index)?.link;
        let portion = link.portion.bytes().min(self.buffer.len());
        let buffer = self.buffer.get_mut(..portion)?;
        let read = link.read(portion, self.shared.now, |transport| transport.read(buffer));
        self.or_later(index, read)
    }

    /// What was read. If nothing was though there is more, the connection is served again.
    pub(crate) fn or_later<T>(&mut self, index: u32, read: Option<T>) -> Option<T> {
        let is_later = |link: &Link| link.can_read() && link.transport.has_more();
        if read.is_none() && self.slots.get(index).is_some_and(|slot| is_later(&slot.link)) {
            self.serve_again(index);
        }
        read
    }

    /// After input or before output: pays what the connection owes the peer, writes, and sees what follows from that.
    pub(crate) fn settle(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let (id, link) = (slot.id, &mut slot.link);
        let Phase::Open(open) = &mut slot.phase else {
            link.flush(&mut self.shared.gathered);
            return self.arm(index);
        };
        // Twice, for debts that had to wait until the queue was written.
        for _ in 0..2 {
            let mut sending = Sending { id, conn: &mut open.conn, link, shared: &mut self.shared };
            sending.pay_debts();
            link.flush(&mut self.shared.gathered);
            if !open.conn.wants_transmit() {
                break;
            }
        }
        Sending { id, conn: &mut open.conn, link, shared: &mut self.shared }.check_congestion();

        let mut resumes = false;
        if link.has_drained(self.shared.settings.low_water) {
            link.congested = false;
            if open.conn.can_send() {
                let mut peer = Peer::new(id, &mut open.conn, link, &mut open.session, &mut self.shared);
                self.handler.drained(&mut peer);
                // It may have failed the connection.
                Sending { id, conn: &mut open.conn, link, shared: &mut self.shared }.pay_debts();
                link.flush(&mut self.shared.gathered);
                Sending { id, conn: &mut open.conn, link, shared: &mut self.shared }.check_congestion();
            }
            resumes = link.readable;
        }
        self.tell_written(index);
        // Reading may have been paused, and no event tells what came meanwhile.
        if resumes {
            self.serve_again(index);
        }
        self.see_broken(index);
        self.settle_closing(index);
        self.arm(index);
    }

    #[inline]
    fn tell_written(&mut self, index: u32) {
        let Some(Slot { id, link, phase: Phase::Open(open) }) = self.slots.get_mut(index) else { return };
        let mut peer = Peer::new(*id, &mut open.conn, link, &mut open.session, &mut self.shared);
        self.handler.written(&mut peer);
        // Whatever was sent just now, or is owed since.
        Sending { id: *id, conn: &mut open.conn, link, shared: &mut self.shared }.pay_debts();
        link.flush(&mut self.shared.gathered);
    }

    /// No event tells of every write that failed.
    fn see_broken(&mut self, index: u32) {
        if self.slots.get(index).is_some_and(|slot| slot.link.broken && !slot.link.eof) {
            self.serve_again(index);
        }
    }

    /// Has a connection served in the next turn, event or not.
    pub(crate) fn serve_again(&mut self, index: u32) {
        if let Some(slot) = self.slots.get_mut(index) {
            if !slot.link.ready {
                slot.link.ready = true;
                self.ready.push_back(index);
            }
        }
    }

    /// Sees to it that the loop looks at the connection when its next deadline comes.
    pub(crate) fn arm(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let deadline = match &slot.phase {
            Phase::Dialling(dialling) => dialling.poll_timeout(),
            _ => slot.link.keepalive.poll_timeout(&self.shared.settings.timeouts),
        };
        if let Some(deadline) = deadline {
            self.shared.timers.arm(index, &mut slot.link.armed, tick_at(deadline));
        }
    }

    fn run_timers(&mut self) {
        let now = self.now_tick();
        loop {
            let slots = &self.slots;
            let due = self.shared.timers.pop_due(now, |index| slots.get(index).map(|slot| slot.link.armed));
            let Some(index) = due else { break };
            self.look_at(index);
        }
        if self.shared.timers.take_due_wakes(now) {
            self.wake();
        }
    }

    /// The moment has come at which a deadline of this connection was, or still is.
    fn look_at(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        slot.link.armed = NOT_ARMED;
        if matches!(slot.phase, Phase::Dialling(_)) {
            self.dialling_timeout(index);
            return self.arm(index);
        }
        let is_due = |link: &Link, shared: &Shared<_>| {
            link.keepalive.poll_timeout(&shared.settings.timeouts).is_some_and(|due| due <= shared.now)
        };
        // What has arrived counts, even if this loop was too busy to read it.
        if matches!(slot.phase, Phase::Open(_)) && is_due(&slot.link, &self.shared) {
            slot.link.readable = true;
            if slot.link.paused && slot.link.closed_by.is_none() {
                // Whether the peer lives is not known, as nobody looks.
                slot.link.keepalive.received(self.shared.now);
            }
            self.serve(index);
        }
        let Some(slot) = self.slots.get_mut(index) else { return };
        if let Some(expired) =
            slot.link.keepalive.handle_timeout(self.shared.now, &self.shared.settings.timeouts)
        {
            self.shared.turn_of = index;
            self.expired(index, expired);
            self.shared.turn_of = NOBODY;
            run_deferred(&mut self.slots, &mut self.shared);
        }
        self.arm(index);
    }

    fn expired(&mut self, index: u32, expired: Expired) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let (id, link) = (slot.id, &mut slot.link);
        match (&mut slot.phase, expired) {
            (Phase::Opening(_), _) => self.request_timed_out(index),
            // Its deadlines are its own.
            (Phase::Dialling(_), _) => {}
            (Phase::Open(open), Expired::PingDue) => {
                let mut sending = Sending { id, conn: &mut open.conn, link, shared: &mut self.shared };
                // A Ping behind a full queue would say nothing. There the kernel says whether the peer lives: it takes more, or not.
                if sending.link.is_flushed() {
                    // Refused only when the connection is closing, which has a deadline of its own.
                    let _ = sending.append(|conn, out| conn.send_ping(&[], out));
                }
                link.flush(&mut self.shared.gathered);
                link.keepalive.ping_written(self.shared.now);
                self.see_broken(index);
            }
            (Phase::Open(open), Expired::Idle) => {
                let mut sending = Sending { id, conn: &mut open.conn, link, shared: &mut self.shared };
                let cause = Some(Cause::TimedOut(expired));
                let _ = sending.close(CloseCode::GOING_AWAY, "silent for too long", cause);
                self.settle(index);
            }
            (Phase::Open(open), Expired::Close) => {
                log::debug!("{}: the closing handshake took too long", link.remote);
                open.conn.receive_eof();
                link.blame(By::Local, Some(Cause::TimedOut(expired)));
                self.finish(index);
                self.die(index);
            }
            (Phase::Open(open), _) => {
                // §7.1.7: fail the connection.
                link.blame(By::Local, Some(Cause::TimedOut(expired)));
                open.conn.fail(CloseCode::INTERNAL_ERROR);
                self.settle(index);
            }
            (Phase::Announced(_) | Phase::Lingering, _) => self.die(index),
            (Phase::Dead, _) => {}
        }
    }

    /// The loop's waker was used.
    pub(crate) fn woken(&mut self) {
        self.woken = true;
    }

    fn run_commands(&mut self) {
        // While there are commands left of the last time, the inbox waits: its limit is the senders'.
        if self.woken && self.received.commands.is_empty() {
            self.woken = false;
            self.inbox.take(&mut self.received);
        }
        for (id, resolved) in std::mem::take(&mut self.received.resolved) {
            self.resolved(id, resolved);
        }
        let mut deliveries = 0;
        while deliveries < DELIVERIES_PER_TURN {
            let Some(command) = self.received.commands.pop_front() else { break };
            deliveries += run(&mut self.slots, &mut self.shared, command);
        }
        if !self.received.commands.is_empty() {
            // What was asked for later comes later.
            return;
        }
        if std::mem::take(&mut self.received.wake) {
            self.wake();
        }
        if let Some(deadline) = self.received.shutdown.take() {
            self.shut_down(deadline);
        }
    }

    fn wake(&mut self) {
        self.handler.wake(&mut Context::new(&mut self.slots, &mut self.shared));
        run_deferred(&mut self.slots, &mut self.shared);
    }

    /// Writes what was queued for connections outside of their turn: one write for each, however many messages.
    fn flush_dirty(&mut self) {
        let mut dirty = std::mem::take(&mut self.shared.dirty);
        for index in dirty.drain(..) {
            let Some(slot) = self.slots.get_mut(index) else { continue };
            slot.link.dirty = false;
            let resumed = slot.link.readable && !slot.link.is_paused();
            self.shared.turn_of = index;
            self.settle(index);
            self.shared.turn_of = NOBODY;
            run_deferred(&mut self.slots, &mut self.shared);
            if resumed {
                self.serve_again(index);
            }
        }
        // Those that became dirty meanwhile are flushed in the next turn.
        if self.shared.dirty.is_empty() {
            self.shared.dirty = dirty;
        }
    }

    pub(crate) fn insert(&mut self, link: Link, phase: Phase<H::Session>) -> PeerId {
        self.shared.hub.connections.fetch_add(1, Ordering::Relaxed);
        self.slots.insert(link, phase)
    }

    /// Closes the socket, if it is not closed. The slot is freed at the end of the turn.
    pub(crate) fn die(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        if !matches!(slot.phase, Phase::Dead) {
            slot.phase = Phase::Dead;
            release(&mut slot.link, &self.shared.hub);
            self.accepting.refusals -= usize::from(slot.link.refused);
            self.dead.push(index);
        }
    }

    fn now_tick(&self) -> Tick {
        // Not rounded up: a deadline is due when it has passed.
        Tick::try_from(self.shared.now.as_millis()).unwrap_or(Tick::MAX)
    }
}

/// Gives back what a connection held of what all loops share.
fn release(link: &mut Link, hub: &Hub) {
    link.transport = crate::kernel::transport::Transport::None;
    link.out.clear();
    link.armed = NOT_ARMED;
    hub.connections.fetch_sub(1, Ordering::Relaxed);
    if std::mem::take(&mut link.counted) {
        hub.leave();
    }
    if std::mem::take(&mut link.address_counted) {
        if let Some(ip) = link.remote.ip() {
            hub.leave_address(ip);
        }
    }
}

impl<H: Handler> Drop for Driver<H> {
    fn drop(&mut self) {
        self.inbox.stop();
        for index in self.slots.indices() {
            self.die(index);
        }
    }
}
