//! The client thread: an event loop, and the sockets on it.

#[cfg(test)]
mod accounting;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use sansws::{CloseCode, Expired, Message};

use crate::client::error::FailureCause;
use crate::client::event::CloseEvent;
use crate::client::keeper::Keeper;
use crate::client::socket::{Outgoing, Sink, Socket, Stage, Task};
use crate::client::websocket;
use crate::event_loop::EventLoop;
use crate::handle::{Handle, Hub, InboxLimits};
use crate::handler::{Cause, Closed, Handler};
use crate::peer::{Peer, PeerId};
use crate::settings::Settings;

/// What other threads reach the client thread with.
pub(crate) struct Thread {
    pub(crate) handle: Handle,
    inbox: Mutex<Inbox>,
}

#[derive(Default)]
struct Inbox {
    items: VecDeque<Item>,
    stopping: bool,
    /// Nothing more is looked at.
    stopped: bool,
    /// The last callback has returned.
    ended: bool,
    /// How long a shutdown that was asked for may take.
    shutdown: Option<Duration>,
}

/// What the client thread is to look at.
pub(crate) enum Item {
    Socket(Arc<Socket>),
    Keeper(Arc<Keeper>),
}

impl Thread {
    pub(crate) fn new(handle: Handle) -> Arc<Self> {
        Arc::new(Self { handle, inbox: Mutex::default() })
    }

    /// One that could not be started.
    pub(crate) fn stopped() -> Arc<Self> {
        let inbox = Inbox { stopping: true, stopped: true, ended: true, ..Inbox::default() };
        let limits = InboxLimits::of(&Settings::default());
        Arc::new(Self { handle: Handle::new(Hub::new(limits)), inbox: Mutex::new(inbox) })
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `false`: the thread has ended, or is about to. Each socket is in the inbox at most once, so it is bounded by their number.
    pub(crate) fn push(&self, item: Item) -> bool {
        let mut inbox = self.lock();
        if inbox.stopped {
            return false;
        }
        inbox.items.push_back(item);
        let was_empty = inbox.items.len() == 1;
        drop(inbox);
        if was_empty {
            self.handle.wake();
        }
        true
    }

    /// Whether it shuts down: what ends is not begun again.
    pub(crate) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    pub(crate) fn shutdown(&self, deadline: Duration) {
        let mut inbox = self.lock();
        inbox.stopping = true;
        inbox.shutdown = Some(inbox.shutdown.map_or(deadline, |before| before.min(deadline)));
        drop(inbox);
        self.handle.wake();
    }

    fn take_shutdown(&self) -> Option<Duration> {
        self.lock().shutdown.take()
    }

    fn take(&self) -> VecDeque<Item> {
        std::mem::take(&mut self.lock().items)
    }
}

/// Runs the loop until it is shut down.
pub(crate) fn run(event_loop: EventLoop<Driver>, thread: &Arc<Thread>) {
    // However this ends, nobody may wait for ever. Dropped after the worker.
    let _end = End(Arc::clone(thread));
    let mut worker = Worker { event_loop, timers: BinaryHeap::new() };
    loop {
        let now = Instant::now();
        let wait = worker.timers.peek().map(|Reverse(timer)| timer.at.saturating_duration_since(now));
        match worker.event_loop.turn(wait) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return log::error!("the client thread ends: {error}"),
        }
        for item in thread.take() {
            worker.look_at(item);
        }
        if let Some(deadline) = thread.take_shutdown() {
            worker.close_all();
            thread.handle.shutdown(deadline);
        }
        worker.run_timers();
    }
}

/// The end of the thread: tells everybody who is still there.
struct End(Arc<Thread>);

impl Drop for End {
    fn drop(&mut self) {
        let mut inbox = self.0.lock();
        // What a callback makes from here on ends at once and calls nobody back: a program that connects again would go on for ever.
        (inbox.stopping, inbox.stopped) = (true, true);
        let items = std::mem::take(&mut inbox.items);
        drop(inbox);
        for item in items {
            match item {
                Item::Socket(socket) => {
                    socket.noticed();
                    socket.ended(CloseEvent::abnormal(), true, Some(FailureCause::Stopped), Vec::new());
                    dispatch(&socket);
                }
                Item::Keeper(keeper) => keeper.stop(),
            }
        }
        self.0.lock().ended = true;
    }
}

/// When to look at what.
pub(crate) struct Timer {
    at: Instant,
    due: Due,
}

pub(crate) enum Due {
    /// The time to connect is up.
    Connect(Weak<Socket>),
    /// With the moment for which it was set, in the keeper's time.
    Keeper(Weak<Keeper>, Duration),
}

impl Due {
    fn keeper(self) -> Option<Arc<Keeper>> {
        match self {
            Self::Keeper(keeper, _) => keeper.upgrade(),
            Self::Connect(_) => None,
        }
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

/// What belongs to the client thread alone.
pub(crate) struct Worker {
    pub(crate) event_loop: EventLoop<Driver>,
    timers: BinaryHeap<Reverse<Timer>>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        for keeper in self.timers.drain().filter_map(|Reverse(timer)| timer.due.keeper()) {
            keeper.stop();
        }
    }
}

impl Worker {
    fn look_at(&mut self, item: Item) {
        match item {
            Item::Socket(socket) => {
                socket.noticed();
                self.attend(&socket);
                dispatch(&socket);
            }
            Item::Keeper(keeper) => keeper.attend(self),
        }
    }

    fn run_timers(&mut self) {
        let now = Instant::now();
        let mut due = Vec::new();
        while let Some(Reverse(timer)) = self.timers.pop() {
            if timer.at > now {
                self.timers.push(Reverse(timer));
                break;
            }
            due.push(timer.due);
        }
        // Those that are set meanwhile have their turn later, even if they are due: the loop must not be kept from its sockets.
        for due in due {
            match due {
                Due::Connect(socket) => {
                    let Some(socket) = socket.upgrade() else { continue };
                    let state = socket.lock();
                    let late = matches!(state.stage, Stage::New | Stage::Dialling);
                    drop(state);
                    if late {
                        socket.give_up(FailureCause::TimedOut(Expired::Handshake));
                    }
                }
                Due::Keeper(keeper, at) => {
                    if let Some(keeper) = keeper.upgrade().filter(|keeper| keeper.timer_fired(at)) {
                        keeper.attend(self);
                    }
                }
            }
        }
    }

    pub(crate) fn set_timer(&mut self, at: Instant, due: Due) {
        self.timers.push(Reverse(Timer { at, due }));
    }

    /// Does for the connection what the program has asked for.
    fn attend(&mut self, socket: &Arc<Socket>) {
        let mut state = socket.lock();
        let gives_up = state.full || state.closing.is_some();
        match state.stage {
            Stage::New if !gives_up => {
                state.stage = Stage::Dialling;
                drop(state);
                self.dial(socket);
            }
            // "If the WebSocket connection is not yet established: Fail the WebSocket connection".
            Stage::New => {
                drop(state);
                socket.ended(CloseEvent::abnormal(), true, Some(FailureCause::ClosedByProgram), Vec::new());
            }
            Stage::Dialling if gives_up => {
                let peer = state.peer;
                drop(state);
                if let Some(peer) = peer {
                    self.event_loop.abort(peer);
                }
            }
            Stage::Open => {
                let (peer, full, paused) = (state.peer, state.full, state.paused);
                if full && state.cause.is_none() {
                    state.cause = Some(FailureCause::BufferFull);
                }
                drop(state);
                let mut context = self.event_loop.context();
                let Some(mut peer) = peer.and_then(|peer| context.peer(peer)) else { return };
                if full {
                    peer.fail(CloseCode::INTERNAL_ERROR);
                } else {
                    peer.set_reading(!paused);
                    pump(&mut peer);
                }
            }
            Stage::Dialling | Stage::Over => {}
        }
    }

    /// Gives the driver all that was sent, and a Close behind it.
    fn close_all(&mut self) {
        self.event_loop.context().for_each_peer(|peer| {
            let socket = Arc::clone(&peer.session().socket);
            socket.lock().closing.get_or_insert_with(|| Some((CloseCode::GOING_AWAY, String::new())));
            pump(peer);
        });
    }

    fn dial(&mut self, socket: &Arc<Socket>) {
        if let Some(at) = socket.plan.limits.connect_timeout.and_then(|d| Instant::now().checked_add(d)) {
            self.set_timer(at, Due::Connect(Arc::downgrade(socket)));
        }
        // If that fails at once, the handler has been told, and the socket is over.
        let connect = socket.plan.connect(Session::new(Arc::clone(socket)));
        let peer = self.event_loop.connect(connect);
        socket.lock().peer = Some(peer);
    }

    /// A connection, for as long as it is open.
    pub(crate) fn with_peer<T>(
        &mut self,
        peer: Option<PeerId>,
        f: impl FnOnce(&mut Peer<'_, Session>) -> T,
    ) -> Option<T> {
        let mut context = self.event_loop.context();
        peer.and_then(|peer| context.peer(peer)).map(|mut peer| f(&mut peer))
    }
}

/// Calls back, if that is wanted.
fn dispatch(socket: &Arc<Socket>) {
    let state = socket.lock();
    match &state.sink {
        Sink::Polling | Sink::Nobody => {}
        Sink::Callbacks => {
            drop(state);
            websocket::run_callbacks(socket);
        }
        Sink::Keeper(keeper) => {
            let keeper = keeper.upgrade();
            drop(state);
            if let Some(keeper) = keeper {
                keeper.notice();
            }
        }
    }
}

/// What the loop keeps about a socket.
pub(crate) struct Session {
    socket: Arc<Socket>,
    /// Messages that the driver has been given, with what [`Peer::written`] says when the kernel has the last byte.
    in_flight: VecDeque<(u64, Outgoing)>,
    /// The number after that of the last message given to the driver.
    pub(crate) next_id: u64,
    /// The program knows that the closing handshake has started.
    closing_told: bool,
}

impl Session {
    fn new(socket: Arc<Socket>) -> Self {
        Self { socket, in_flight: VecDeque::new(), next_id: 0, closing_told: false }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Only if the loop ended without telling.
        let unsent = self.in_flight.drain(..).map(|(_, message)| message).collect();
        self.socket.ended(CloseEvent::abnormal(), true, Some(FailureCause::Stopped), unsent);
    }
}

/// Gives the driver messages until it has enough, and then the Close frame.
fn pump(peer: &mut Peer<'_, Session>) {
    while peer.is_open() {
        let socket = Arc::clone(&peer.session().socket);
        let mut state = socket.lock();
        // "… earlier sends are flushed first": all of them, and from then on the time for the closing handshake runs.
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
            let mut state = session.socket.lock();
            // A Pong that nobody asked for cannot confirm what was not sent.
            state.confirmed = state.confirmed.max(id.min(session.next_id));
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
        // RFC 6455 §7.2.1: "If at any point the underlying transport layer connection is unexpectedly lost, the client MUST Fail the
        // WebSocket Connection." Not so if the server only takes too long to close (§7.1.1).
        let failed = !closed.was_clean && !matches!(closed.cause, Some(Cause::TimedOut(Expired::Close)));
        let cause = closed.cause.map(FailureCause::from).filter(|_| !closed.was_clean);
        session.socket.ended(close, failed, cause, unsent);
    }
}
