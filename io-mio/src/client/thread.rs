//! The client thread: an event loop, and the sockets on it.

#[cfg(test)]
mod accounting;
mod timers;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use sansws::{CloseCode, Expired, Message};

use crate::app::handler::Handler;
use crate::app::peer::Peer;
use crate::client::error::FailureCause;
use crate::client::event::CloseEvent;
use crate::client::heartbeat::Turns;
use crate::client::keeper::Keeper;
use crate::client::socket::{Outgoing, Sink, Socket, Stage, Task};
pub(crate) use crate::client::thread::timers::Due;
use crate::client::thread::timers::Timers;
use crate::client::websocket;
use crate::conn::ending::{Cause, Closed};
use crate::conn::peer_id::PeerId;
use crate::event_loop::EventLoop;
use crate::hub::Hub;
use crate::hub::handle::Handle;
use crate::hub::inbox::InboxLimits;
use crate::settings::Settings;

/// What other threads reach the client thread with.
pub(crate) struct Thread {
    pub(crate) handle: Handle,
    inbox: Mutex<Inbox>,
    /// Told of its end.
    over: Condvar,
    id: OnceLock<ThreadId>,
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
    pub(super) fn new(handle: Handle) -> Arc<Self> {
        Arc::new(Self::with(handle, Inbox::default()))
    }

    fn with(handle: Handle, inbox: Inbox) -> Self {
        Self { handle, inbox: Mutex::new(inbox), over: Condvar::new(), id: OnceLock::new() }
    }

    /// One that could not be started.
    pub(crate) fn stopped() -> Arc<Self> {
        let inbox = Inbox { stopping: true, stopped: true, ended: true, ..Inbox::default() };
        let limits = InboxLimits::of(&Settings::default());
        Arc::new(Self::with(Handle::new(Hub::new(limits)), inbox))
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

    /// Whether the caller runs on it: in a callback.
    pub(crate) fn is_current(&self) -> bool {
        self.id.get() == Some(&std::thread::current().id())
    }

    /// Waits until the last callback has returned, at most so long. Whether it has.
    pub(crate) fn wait_for_end(&self, at_most: Duration) -> bool {
        let inbox = self.lock();
        let waited = self.over.wait_timeout_while(inbox, at_most, |inbox| !inbox.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }

    fn take_shutdown(&self) -> Option<Duration> {
        self.lock().shutdown.take()
    }

    fn take(&self) -> VecDeque<Item> {
        std::mem::take(&mut self.lock().items)
    }
}

/// A timer may be further away than the operating system can count.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Runs the loop until it is shut down.
pub(crate) fn run(event_loop: EventLoop<Driver>, thread: &Arc<Thread>) {
    // No callback has been called yet.
    let _ = thread.id.set(std::thread::current().id());
    // However this ends, nobody may wait for ever. Dropped after the worker, the first one last.
    let _over = Over(Arc::clone(thread));
    let _end = End(Arc::clone(thread));
    let mut worker = Worker::new(event_loop);
    loop {
        let now = Instant::now();
        let wait = worker.timers.next().map(|at| at.saturating_duration_since(now).min(LONGEST_WAIT));
        match worker.event_loop.turn(wait) {
            Ok(true) => worker.turns += 1,
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
                    if let Some(keeper) = keeper_of(&socket) {
                        keeper.stop();
                    }
                }
                Item::Keeper(keeper) => keeper.stop(),
            }
        }
    }
}

/// Behind all that: tells who waits for it.
struct Over(Arc<Thread>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.over.notify_all();
    }
}

/// What belongs to the client thread alone.
pub(crate) struct Worker {
    pub(crate) event_loop: EventLoop<Driver>,
    timers: Timers,
    /// How many the loop has made.
    turns: u64,
}

impl Drop for Worker {
    fn drop(&mut self) {
        for keeper in self.timers.drain_keepers() {
            keeper.stop();
        }
    }
}

impl Worker {
    fn new(event_loop: EventLoop<Driver>) -> Self {
        Self { event_loop, timers: Timers::default(), turns: 0 }
    }

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
        // Those that are set meanwhile have their turn later, even if they are due: the loop must not be kept from its sockets.
        for due in self.timers.take_due(Instant::now()) {
            match due {
                Due::Connect(socket) => {
                    let Some(socket) = socket.upgrade() else { continue };
                    let late = socket.lock().is_connecting();
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
        self.timers.compact();
    }

    pub(crate) fn set_timer(&mut self, at: Instant, due: Due) {
        self.timers.set(at, due);
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

    /// What was made, and what it takes to read what has arrived: one turn for so many sockets, and three more for one whose reading goes
    /// on, which the loop learns in the first of them and does behind the next.
    pub(crate) fn turns(&self) -> Turns {
        const SOCKETS: usize = 1024;
        let to_read = 4 + self.event_loop.handle().connections() / SOCKETS;
        Turns { made: self.turns, to_read: to_read as u64 }
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

/// Does this, which is the program's: whatever it is, the thread lives on. Returns whether it panicked.
pub(crate) fn panics(call: impl FnOnce()) -> bool {
    let Err(payload) = catch_unwind(AssertUnwindSafe(call)) else { return false };
    // It is the program's too.
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(another);
    }
    true
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
        Sink::Keeper(_) => {
            drop(state);
            if let Some(keeper) = keeper_of(socket) {
                keeper.notice();
            }
        }
    }
}

fn keeper_of(socket: &Socket) -> Option<Arc<Keeper>> {
    match &socket.lock().sink {
        Sink::Keeper(keeper) => keeper.upgrade(),
        _ => None,
    }
}

/// What the loop keeps about a socket.
pub(crate) struct Session {
    socket: Arc<Socket>,
    /// Messages that the driver has been given, with what [`Peer::written`] says when the kernel has the last byte.
    in_flight: VecDeque<(u64, Outgoing)>,
    /// The number after that of the last message given to the driver.
    next_id: u64,
    /// The highest such number that went into a Ping.
    asked: Option<u64>,
    /// The program knows that the closing handshake has started.
    closing_told: bool,
}

impl Session {
    fn new(socket: Arc<Socket>) -> Self {
        Self { socket, in_flight: VecDeque::new(), next_id: 0, asked: None, closing_told: false }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Only if the loop ended without telling.
        let unsent = self.in_flight.drain(..).map(|(_, message)| message).collect();
        self.socket.ended(CloseEvent::abnormal(), true, Some(FailureCause::Stopped), unsent);
    }
}

/// Asks the server what it has received: the Pong confirms the messages that went before.
pub(crate) fn ask(peer: &mut Peer<'_, Session>) {
    let next_id = peer.session().next_id;
    // Refused only if it is closing.
    if peer.ping(&next_id.to_be_bytes()).is_ok() {
        peer.session_mut().asked = Some(next_id);
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
            // RFC 6455 §5.5.3: "A Pong frame MAY be sent unsolicited." Such a one confirms nothing.
            if session.asked.is_some_and(|asked| id <= asked) {
                let mut state = session.socket.lock();
                state.confirmed = state.confirmed.max(id);
            }
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
