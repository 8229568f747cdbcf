//! One event loop from inside: its connections, and what a turn does with them.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::context::Context;
use crate::app::handler::Handler;
use crate::app::peer::Peer;
use crate::app::response::Response;
use crate::conn::head::Head;
use crate::conn::link::Link;
use crate::conn::peer_addr::PeerAddr;
use crate::conn::peer_id::PeerId;
use crate::dial::dialling::Dialling;
use crate::event_loop::accepting::Accepting;
use crate::hub::Hub;
use crate::hub::command::Command;
use crate::hub::inbox::Received;
use crate::kernel::edges::{Edges, Readiness};
use crate::kernel::listener::{Bound, Security};
use crate::kernel::poller::Registry;
use crate::kernel::transport::Transport;
use crate::phases;
use crate::phases::turn::{Then, Turn};
use crate::settings::Settings;
use crate::state::deliver::{run, run_deferred, take_back};
use crate::state::shared::{Shared, give_back};
use crate::state::slots::{Announced, Phase, Slot, Slots};
use crate::state::timers::{NOT_ARMED, Tick, tick_at};
use crate::state::warnings::Warning;
use crate::target::connect::Connect;

/// When the commands of other threads have concerned so many connections, sockets have their turn
/// again.
pub(crate) const DELIVERIES_PER_TURN: usize = 4096;

/// What one connection's input may take in a turn, before the others have theirs. It cannot be
/// interrupted in the middle of what was read; a connection that goes over it is read in smaller
/// portions from then on.
const SLICE: Duration = Duration::from_millis(1);

pub(crate) struct Driver<H: Handler> {
    pub(crate) handler: H,
    pub(crate) slots: Slots<H::Session>,
    pub(crate) shared: Shared<H::Session>,
    /// All connections are read into this.
    buffer: Box<[u8]>,
    accepting: Accepting,
    /// Dialled connections whose wait for another one has ended.
    start_next: VecDeque<PeerId>,
    /// The inbox has something, which has not been taken out.
    woken: bool,
    pub(crate) received: Received,
    /// Slots that are to be served again without an event.
    ready: VecDeque<u32>,
    /// Slots to be freed at the end of the turn.
    dead: Vec<u32>,
    epoch: Instant,
    started: bool,
    /// What input takes is measured, see [`SLICE`].
    pub(crate) is_timed: bool,
    /// How many sockets are ready that had no turn yet.
    sockets_left: usize,
}

/// When what a connection publishes is written, if no other connection waits for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Publishing {
    /// At once.
    AtOnce,
    /// At the end of the loop's turn: there may be many more of its kind, such as deadlines.
    Later,
}

impl<H: Handler> Driver<H> {
    pub(crate) fn new(
        handler: H,
        settings: Settings,
        hub: Arc<Hub>,
        worker: u16,
        registry: Registry,
    ) -> io::Result<Self> {
        let settings = settings.sensible();
        Ok(Self {
            handler,
            slots: Slots::new(worker),
            buffer: vec![0; settings.receive_buffer].into_boxed_slice(),
            shared: Shared::new(settings, hub, worker, registry).map_err(io::Error::other)?,
            accepting: Accepting::default(),
            start_next: VecDeque::new(),
            woken: false,
            received: Received::default(),
            ready: VecDeque::new(),
            dead: Vec::new(),
            epoch: Instant::now(),
            started: false,
            is_timed: true,
            sockets_left: 0,
        })
    }

    /// Whether there is something to do already.
    pub(crate) fn is_busy(&self) -> bool {
        !self.started
            || !self.ready.is_empty()
            || self.woken
            || !self.received.commands.is_empty()
            || !self.shared.gathering.dirty.is_empty()
            || !self.shared.dials.is_empty()
            || !self.shared.deferred.is_empty()
            || !self.start_next.is_empty()
            || self.accepting.is_ready()
    }

    /// How long the loop may sleep, at this time since it began.
    pub(crate) fn max_wait(&self, now: Duration) -> Option<Duration> {
        if self.is_busy() {
            return Some(Duration::ZERO);
        }
        let next = self.next_tick().into_iter().chain(self.accepting.paused_until()).min()?;
        // A millisecond is rounded up, so that the loop does not spin through the rest of it.
        Some(Duration::from_millis(next).saturating_sub(now).min(Duration::from_secs(3600)))
    }

    /// The next deadline, of a connection, of the application or of a shutdown.
    pub(crate) fn next_tick(&self) -> Option<Tick> {
        self.shared.timers.next().into_iter().chain(self.shared.shutdown_at.map(tick_at)).min()
    }

    pub(crate) fn read_clock(&mut self) {
        self.shared.now = self.elapsed();
    }

    /// The time since the loop began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// A turn has ended, at this time since the loop began.
    pub(crate) fn turn_ended(&self, now: Duration) {
        self.shared.counters.turn_took(now.saturating_sub(self.shared.now));
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
                slot.ready = false;
                self.serve(index, Publishing::AtOnce);
            }
        }
        self.run_commands();
        self.run_timers();
        self.flush_dirty();
        take_back(&mut self.slots, &mut self.shared);
        for _ in 0..self.start_next.len() {
            let Some(id) = self.start_next.pop_front() else { break };
            // Its place was given back if it is gone.
            self.turn_of(id, phases::dialling::take_places);
        }
        // A handler that dials again when dialling failed at once must not keep the loop in this
        // turn.
        for _ in 0..self.shared.dials.len() {
            let Some(connect) = self.shared.dials.pop_front() else { break };
            self.dial(connect);
        }
        run_deferred(&mut self.slots, &mut self.shared, None);
        for index in self.dead.drain(..) {
            self.slots.remove(index);
        }
        self.shared.gathering.shrink();
        give_back(&mut self.shared.deferred);
        give_back(&mut self.shared.dials);
        give_back(&mut self.received.commands);
        self.shared.counters.turns.add(1);
        self.shared.publish_counts();
        let slots = &self.slots;
        self.shared.timers.compact(slots.len(), |index| slots.get(index).map(|slot| slot.armed));
        self.shutdown_goes_on()
    }

    // --- one connection

    /// Sets how many sockets are served in this turn.
    pub(crate) fn sockets_ready(&mut self, count: usize) {
        self.sockets_left = count;
    }

    /// A connection whose socket became ready.
    pub(crate) fn socket_ready(&mut self, index: u32, readiness: Readiness) {
        self.sockets_left = self.sockets_left.saturating_sub(1);
        let Some(slot) = self.slots.get_mut(index) else { return };
        slot.edges.ready(readiness);
        self.serve(index, Publishing::AtOnce);
    }

    /// Gives a connection its turn: a bounded number of reads, and a bounded time, so that neither
    /// a fast sender nor one whose messages are much work keeps the others waiting.
    fn serve(&mut self, index: u32, publishing: Publishing) {
        let mut busy_since = None;
        self.shared.undivided = Duration::ZERO;
        for reads in 0..self.shared.settings.reads_per_turn {
            let go_on = |turn: &mut Turn<'_, H>| match reads {
                0 => phases::begin(turn),
                _ => phases::go_on(turn),
            };
            let then = self.step(index, &mut busy_since, publishing, go_on);
            if busy_since.is_none() {
                self.shared.undivided = Duration::ZERO;
            }
            // Also of a read that has drained the socket: the next one may bring as much work.
            let took = busy_since.filter(|_| self.is_timed).map(|since| since.elapsed());
            let undivided = self.shared.undivided;
            if let (Some(took), Some(slot)) = (took, self.slots.get_mut(index)) {
                let took = took.saturating_sub(undivided);
                if took > SLICE {
                    slot.edges.portion.shrink(took.as_micros() / SLICE.as_micros());
                } else if took < SLICE / 4 {
                    slot.edges.portion.double(self.buffer.len());
                }
            }
            if then != Some(Then::GoOn) {
                return self.arm(index);
            }
            if took.is_some_and(|took| took > SLICE) {
                break;
            }
        }
        if self.slots.get(index).is_some_and(|slot| slot.edges.readable) {
            self.serve_again(index);
        }
        self.arm(index);
    }

    /// Has one thing happen to a connection. If there is more to do at once, that is for the next
    /// turn.
    fn turn(&mut self, index: u32, phase: impl FnOnce(&mut Turn<'_, H>) -> Then) {
        if self.step(index, &mut None, Publishing::Later, phase) == Some(Then::GoOn) {
            self.serve_again(index);
        }
        self.arm(index);
    }

    /// The same for this very connection, if it is there.
    pub(crate) fn turn_of(&mut self, id: PeerId, phase: impl FnOnce(&mut Turn<'_, H>) -> Then) {
        if self.slots.get_peer(id).is_some() {
            self.turn(id.index, phase);
        }
    }

    /// Lends a connection to a phase, and carries out what follows from that for others: in this
    /// order, its own output, what it published, and what it asks of the loop.
    fn step(
        &mut self,
        index: u32,
        busy_since: &mut Option<Instant>,
        publishing: Publishing,
        phase: impl FnOnce(&mut Turn<'_, H>) -> Then,
    ) -> Option<Then> {
        let slot = self.slots.get_mut(index)?;
        let (handler, shared) = (&mut self.handler, &mut self.shared);
        let buffer = &mut self.buffer[..];
        let mut turn = Turn { slot, handler, shared, buffer, again: false, busy_since: *busy_since };
        let then = phase(&mut turn);
        let again = turn.again;
        *busy_since = turn.busy_since;
        if then == Then::Die {
            self.die(index);
        } else if again {
            self.serve_again(index);
        }
        // What it has published is part of the work that its messages are. Its own output came
        // first.
        let at_once = publishing == Publishing::AtOnce && then != Then::GoOn && self.is_last();
        let handler = &mut self.handler;
        let mut written = |slot: &mut Slot<H::Session>, shared: &mut Shared<H::Session>| {
            let Slot { id, link, edges, phase: Phase::Open(open), .. } = slot else { return };
            let (engine, session) = open.wake(&mut shared.engines);
            let peer = Peer::in_turn(*id, &mut engine.conn, link, edges, session, shared);
            handler.written(&mut peer.out_of_turn());
        };
        run_deferred(&mut self.slots, &mut self.shared, at_once.then_some(&mut written));
        let Shared { assembly, gathering, settings, .. } = &mut self.shared;
        assembly.balance(&mut self.slots, gathering, settings.max_incomplete_bytes);
        if !self.shared.given_up.is_empty() {
            self.grant_places();
        }
        Some(then)
    }

    /// Whether no other connection waits for this turn of the loop, as far as is known: what that
    /// publishes would be written with what this one does.
    fn is_last(&self) -> bool {
        self.sockets_left == 0 && self.ready.is_empty() && self.received.commands.is_empty()
    }

    /// Has a connection served in the next turn, event or not.
    fn serve_again(&mut self, index: u32) {
        if let Some(slot) = self.slots.get_mut(index) {
            if !std::mem::replace(&mut slot.ready, true) {
                self.ready.push_back(index);
            }
        }
    }

    /// A connection's turn is over: it rests if it can, and the loop looks at it when its next
    /// deadline comes.
    fn arm(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        slot.rest(&mut self.shared.engines);
        slot.count(&self.shared.counters);
        let deadline = match &slot.phase {
            Phase::Dead => None,
            Phase::Dialling(dialling) => dialling.poll_timeout(),
            Phase::Lingering => {
                let end = slot.link.keepalive.poll_timeout(&self.shared.settings.timeouts);
                slot.link.fin_at().into_iter().chain(end).min()
            }
            _ => slot.link.keepalive.poll_timeout(&self.shared.settings.timeouts),
        };
        if let Some(deadline) = deadline {
            self.shared.timers.arm(index, &mut slot.armed, tick_at(deadline));
        }
    }

    pub(crate) fn insert(&mut self, link: Link, edges: Edges, phase: Phase<H::Session>) -> PeerId {
        self.shared.count_connection();
        self.slots.insert(link, edges, phase)
    }

    /// Closes the socket, if it is not closed. The slot is freed at the end of the turn.
    fn die(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        if !matches!(slot.phase, Phase::Dead) {
            slot.phase = Phase::Dead;
            slot.edges.transport = Transport::None;
            slot.link.out.clear();
            slot.armed = NOT_ARMED;
            slot.place = None;
            slot.count(&self.shared.counters);
            self.shared.uncount_connection();
            self.dead.push(index);
        }
    }

    /// Ends a connection at once, whatever it is doing.
    pub(crate) fn abort(&mut self, id: PeerId) {
        self.turn_of(id, phases::abort);
    }

    // --- new connections

    pub(crate) fn listen(&mut self, bound: Bound, security: Security) -> io::Result<()> {
        self.shared.is_public |= !bound.is_local();
        self.accepting.listen(bound, security, &self.shared.registry)
    }

    pub(crate) fn listener_ready(&mut self, listener: usize) {
        self.accepting.ready(listener);
    }

    fn accept_more(&mut self) {
        if !self.accepting.begin(self.shared.now) {
            return;
        }
        while let Some((socket, remote, security)) = self.accepting.next(self.shared.now) {
            if self.shared.settings.announces(remote.ip(), remote != PeerAddr::Unknown) {
                let announced = Box::new(Announced { header: Vec::new(), security });
                self.admit(Transport::Plain(socket), remote, Phase::Announced(announced));
                continue;
            }
            match security.secure(socket) {
                Ok(transport) => drop(self.accepted(transport, remote)),
                Err(error) => log::error!("{remote}: {error}"),
            }
        }
    }

    /// A connection whose request comes first.
    pub(crate) fn accepted(&mut self, transport: Transport, remote: PeerAddr) -> Option<PeerId> {
        let head = Box::new(Head::new(self.shared.settings.max_head_len));
        self.admit(transport, remote, Phase::Opening(head))
    }

    fn admit(
        &mut self,
        transport: Transport,
        remote: PeerAddr,
        mut phase: Phase<H::Session>,
    ) -> Option<PeerId> {
        self.shared.counters.accepted.add(1);
        let max = self.shared.settings.max_connections;
        let mut link = Link::new(remote, self.shared.now);
        let mut place = self.shared.entrance.admit(max);
        let mut refusal = None;
        // A proxy says later whose connection it is.
        if !self.shared.settings.trusts(remote.ip(), remote != PeerAddr::Unknown)
            && !self.shared.count_address(place.as_mut(), remote)
        {
            place = None;
            refusal = Some(Response::too_many_from_address());
        } else if place.is_none() {
            let level = self.shared.warnings.level(Warning::Connections, self.shared.now);
            log::log!(level, "{remote}: more connections than Settings::max_connections, {max}");
            refusal = Some(Response::text(503, "too many connections\n").header("Retry-After", "10"));
        }
        if let Some(response) = refusal {
            let counters = &self.shared.counters;
            // HTTP on a port of TLS would only be taken for a broken server.
            let is_tls = matches!(&phase, Phase::Announced(announced) if announced.security.is_tls());
            let Some(told) = self.shared.entrance.refuse().filter(|_| !is_tls) else {
                counters.dropped_connections.add(1);
                return None;
            };
            place = Some(told);
            counters.answered(response.status());
            // Without having read the request, as it may never come.
            let (head, body) = response.encode(false);
            link.out.push(head.into());
            link.out.push(body);
            link.keepalive.closing(self.shared.now);
            phase = Phase::Lingering;
        }
        let id = self.insert(link, Edges::new(transport), phase);
        let slot = self.slots.get_peer(id)?;
        slot.place = place;
        if let Some(socket) = slot.edges.transport.socket_mut() {
            socket.set_nodelay();
            if let Err(error) = self.shared.registry.watch(socket, id.index) {
                log::warn!("{remote}: cannot be watched: {error}");
                self.die(id.index);
                return None;
            }
        }
        self.arm(id.index);
        Some(id)
    }

    /// Starts to dial. A failure is told to the handler.
    pub(crate) fn dial(&mut self, connect: Connect<H::Session>) -> PeerId {
        let mut link = Link::new(PeerAddr::Unknown, self.shared.now);
        link.slow_consumer = connect.slow_consumer;
        self.shared.counters.dialled.add(1);
        let dialling = Phase::Dialling(Box::new(Dialling::new(connect)));
        let id = self.insert(link, Edges::new(Transport::None), dialling);
        self.turn_of(id, phases::dialling::start);
        id
    }

    /// The opening handshakes with some servers are over: the next ones may begin.
    fn grant_places(&mut self) {
        for remote in std::mem::take(&mut self.shared.given_up) {
            while let Some(id) = self.shared.serializer.leave(&remote) {
                if let Some(Slot { phase: Phase::Dialling(dialling), .. }) = self.slots.get_peer(id) {
                    dialling.granted(&remote);
                    self.start_next.push_back(id);
                    break;
                }
            }
        }
    }

    // --- time

    fn run_timers(&mut self) {
        // Not rounded up: a deadline is due when it has passed.
        let now = Tick::try_from(self.shared.now.as_millis()).unwrap_or(Tick::MAX);
        loop {
            let slots = &self.slots;
            let due = self.shared.timers.pop_due(now, |index| slots.get(index).map(|slot| slot.armed));
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
        slot.armed = NOT_ARMED;
        let id = slot.id;
        if phases::reads_before_deadline(slot, &self.shared) {
            self.serve(index, Publishing::Later);
        }
        self.turn_of(id, phases::deadline);
    }

    // --- other threads

    /// The loop's waker was used.
    pub(crate) fn woken(&mut self) {
        self.woken = true;
    }

    fn run_commands(&mut self) {
        // While there are commands left of the last time, the inbox waits: its limit is the
        // senders'.
        if self.woken && self.received.commands.is_empty() {
            self.woken = false;
            self.shared.inbox.take(&mut self.received);
        }
        if !self.received.resolved.is_empty() {
            for (id, resolved) in std::mem::take(&mut self.received.resolved) {
                self.turn_of(id, |turn| phases::dialling::resolved(turn, resolved));
            }
        }
        let mut deliveries = 0;
        while deliveries < DELIVERIES_PER_TURN {
            let Some(command) = self.received.commands.pop_front() else { break };
            deliveries += match command {
                Command::Decide { peer, decision } => {
                    self.turn_of(peer, |turn| phases::opening::decided(turn, decision));
                    1
                }
                command => run(&mut self.slots, &mut self.shared, command),
            };
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
        run_deferred(&mut self.slots, &mut self.shared, None);
    }

    /// Writes what was queued for connections outside of their turn: one write for each, however
    /// many messages.
    fn flush_dirty(&mut self) {
        let mut dirty = std::mem::take(&mut self.shared.gathering.dirty);
        for index in dirty.drain(..) {
            let Some(slot) = self.slots.get_mut(index) else { continue };
            slot.link.dirty = false;
            let resumed = slot.edges.readable && !slot.is_paused();
            self.turn(index, phases::settling::settle);
            if resumed {
                self.serve_again(index);
            }
        }
        // Those that became dirty meanwhile are flushed in the next turn.
        if self.shared.gathering.dirty.is_empty() {
            self.shared.gathering.dirty = dirty;
        }
    }

    // --- the end

    /// Closes every connection with 1001, and stops accepting.
    pub(crate) fn shut_down(&mut self, deadline: Duration) {
        let at = self.shared.now.saturating_add(deadline);
        self.shared.shutdown_at = Some(self.shared.shutdown_at.map_or(at, |earlier| earlier.min(at)));
        self.accepting.stop();
        for index in self.slots.indices() {
            self.turn(index, phases::shut_down);
        }
    }

    /// Whether the loop goes on. A shutdown ends when all connections have closed, or its time is
    /// up.
    fn shutdown_goes_on(&mut self) -> bool {
        let Some(at) = self.shared.shutdown_at else { return true };
        if self.shared.now >= at {
            for index in self.slots.indices() {
                self.turn(index, phases::end);
                self.slots.remove(index);
            }
        }
        self.slots.len() > 0
    }
}

impl<H: Handler> Drop for Driver<H> {
    fn drop(&mut self) {
        self.shared.inbox.stop();
        for index in self.slots.indices() {
            self.die(index);
        }
        self.shared.publish_counts();
    }
}
