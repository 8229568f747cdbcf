//! What keeps a connection alive: the state that the program and the client thread share.

mod attending;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::client::error::FailureCause;
use crate::client::event::{CloseEvent, Data, Event, OVERHEAD};
use crate::client::panics::panics;
use crate::client::plan::Plan;
use crate::client::reliable::attempt::Provider;
use crate::client::reliable::backoff::Backoff;
use crate::client::reliable::event::{Disconnected, MessageId, ReliableEvent, SendRefused, Unsent};
use crate::client::reliable::heartbeat::{Heartbeat, Pulse};
use crate::client::reliable::reconnect::{Next, Reconnect};
use crate::client::socket::{Listens, Socket};
use crate::client::thread::inbox::Thread;
use crate::client::thread::worker::{Item, Job};

pub(crate) type Callback = Box<dyn FnMut(&Arc<Keeper>, ReliableEvent) + Send>;

#[derive(Debug, Clone)]
pub(crate) struct KeeperOptions {
    pub(crate) heartbeat: Option<Heartbeat>,
    /// Messages and bytes.
    pub(crate) queue: Option<(usize, usize)>,
    /// How long an attempt may be prepared.
    pub(crate) prepare_timeout: Option<Duration>,
}

/// What the program's threads and the client thread share.
pub(crate) struct Keeper {
    pub(crate) plan: Arc<Plan>,
    thread: Arc<Thread>,
    options: KeeperOptions,
    epoch: Instant,
    state: Mutex<State>,
    changed: Condvar,
    noticed: AtomicBool,
}

struct State {
    reconnect: Reconnect,
    /// The connection, or the attempt at one.
    socket: Option<Arc<Socket>>,
    connected: bool,
    pulse: Option<Pulse>,
    /// When the next attempt is due. Times are since `epoch`.
    retry_at: Option<Duration>,
    /// Prepares each attempt, if the program wants to.
    provider: Option<Provider>,
    /// The number of the attempt that is being prepared, and until when it may be.
    preparing: Option<(u64, Duration)>,
    attempts: u64,
    /// By which the next attempt is to be made, now that it is prepared.
    prepared: Option<Arc<Plan>>,
    /// What the last connection, or attempt, failed for.
    cause: Option<FailureCause>,
    /// When the timer fires that is set already.
    timer_at: Option<Duration>,
    next_id: u64,
    /// The number of the first message of this connection.
    first_id: u64,
    queue: VecDeque<Unsent>,
    queue_cost: usize,
    events: VecDeque<ReliableEvent>,
    event_bytes: usize,
    callback: Option<Callback>,
    /// `close` was called.
    closing: bool,
    /// The last event is queued.
    over: bool,
    /// The last event was taken.
    done: bool,
    dropped: bool,
}

impl Keeper {
    pub(crate) fn start(
        plan: Arc<Plan>,
        thread: Arc<Thread>,
        options: KeeperOptions,
        backoff: Backoff,
        provider: Option<Provider>,
    ) -> Arc<Self> {
        let state = State {
            reconnect: Reconnect::new(backoff),
            socket: None,
            connected: false,
            pulse: None,
            retry_at: Some(Duration::ZERO),
            provider,
            preparing: None,
            attempts: 0,
            prepared: None,
            cause: None,
            timer_at: None,
            next_id: 0,
            first_id: 0,
            queue: VecDeque::new(),
            queue_cost: 0,
            events: VecDeque::new(),
            event_bytes: 0,
            callback: None,
            closing: false,
            over: false,
            done: false,
            dropped: false,
        };
        let keeper = Arc::new(Self {
            plan,
            thread,
            options,
            epoch: Instant::now(),
            state: Mutex::new(state),
            changed: Condvar::new(),
            noticed: AtomicBool::new(false),
        });
        keeper.notice();
        keeper
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the client thread look.
    pub(crate) fn notice(self: &Arc<Self>) {
        if !self.noticed.swap(true, Ordering::AcqRel) {
            let job: Arc<dyn Job> = Arc::<Self>::clone(self);
            if self.thread.push(Item::Job(job)).is_err() {
                self.end();
            }
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.lock().connected
    }

    pub(crate) fn protocol(&self) -> String {
        let state = self.lock();
        state.socket.as_ref().map(|socket| socket.lock().protocol.clone()).unwrap_or_default()
    }

    pub(crate) fn buffered_amount(&self) -> u64 {
        let state = self.lock();
        let queued: usize = state.queue.iter().map(|message| message.data.len()).sum();
        queued as u64 + state.socket.as_ref().map_or(0, |socket| socket.lock().buffered)
    }

    pub(crate) fn close(self: &Arc<Self>) {
        self.lock().closing = true;
        self.notice();
    }

    pub(crate) fn bind(self: &Arc<Self>, callback: Callback) {
        let before = self.lock().callback.replace(callback);
        // It may own anything: not under the lock.
        drop(before);
        self.notice();
    }

    /// Nobody listens any more.
    pub(crate) fn forget(self: &Arc<Self>) {
        let mut state = self.lock();
        state.dropped = true;
        state.events = VecDeque::new();
        state.event_bytes = 0;
        let (callback, provider) = (state.callback.take(), state.provider.take());
        drop(state);
        drop((callback, provider));
        self.close();
    }

    pub(crate) fn send(self: &Arc<Self>, data: Data) -> Result<MessageId, SendRefused> {
        let mut state = self.lock();
        if state.over || state.closing {
            return Err(SendRefused::Closed);
        }
        let id = state.next_id;
        match &state.socket {
            Some(socket) if state.connected => {
                if !socket.send_numbered(data, id) {
                    return Err(SendRefused::QueueFull);
                }
            }
            _ => {
                let Some((messages, bytes)) = self.options.queue else {
                    return Err(SendRefused::NotConnected);
                };
                let cost = state.queue_cost.saturating_add(data.len() + OVERHEAD);
                if state.queue.len() >= messages || cost > bytes {
                    return Err(SendRefused::QueueFull);
                }
                state.queue_cost = cost;
                state.queue.push_back(Unsent { id: MessageId(id), data });
            }
        }
        state.next_id += 1;
        Ok(MessageId(id))
    }

    pub(crate) fn take(self: &Arc<Self>, timeout: Option<Duration>) -> Option<ReliableEvent> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut state = self.lock();
        loop {
            if let Some(event) = state.events.pop_front() {
                let was_full = self.is_full(&state);
                state.event_bytes -= event.len() + OVERHEAD;
                state.done |= event.is_last();
                // It waits for room.
                if was_full || state.events.len() == self.plan.limits.max_events / 2 {
                    drop(state);
                    self.notice();
                }
                return Some(event);
            }
            if state.done {
                return None;
            }
            state = match deadline {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn is_full(&self, state: &State) -> bool {
        state.events.len() >= self.plan.limits.max_events
            || state.event_bytes >= self.plan.limits.max_event_bytes
    }

    /// Whether there is no room for the events of an attempt.
    fn waits_for_room(&self, state: &State) -> bool {
        self.is_full(state) && !state.dropped
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// As far as there is room for them, or all.
    fn take_socket_events(self: &Arc<Self>, all: bool) {
        loop {
            let mut state = self.lock();
            // Those of a dropped one are taken all the same, so that its connection can close.
            if self.waits_for_room(&state) && !all {
                return;
            }
            let Some(socket) = state.socket.clone() else { return };
            match socket.try_take() {
                None => return,
                Some(Event::Open) => self.opened(&mut state, &socket),
                Some(Event::Message(data)) => {
                    state.reconnect.received();
                    self.report(&mut state, ReliableEvent::Message(data));
                }
                // The close event follows.
                Some(Event::Error) => {}
                Some(Event::Close(close)) => self.ended(&mut state, &socket, close),
            }
        }
    }

    fn opened(&self, state: &mut State, socket: &Arc<Socket>) {
        let attempt = state.reconnect.opened(self.now());
        state.connected = true;
        state.pulse = self.options.heartbeat.as_ref().map(|heartbeat| Pulse::new(heartbeat, self.now()));
        state.first_id = state.queue.front().map_or(state.next_id, |message| message.id.0);
        while let Some(message) = state.queue.pop_front() {
            state.queue_cost -= message.data.len() + OVERHEAD;
            socket.send_queued(message.data, message.id.0);
        }
        self.report(state, ReliableEvent::Opened { attempt });
    }

    fn ended(&self, state: &mut State, socket: &Arc<Socket>, close: CloseEvent) {
        let was_open = std::mem::take(&mut state.connected);
        state.socket = None;
        state.pulse = None;
        let mut ended = socket.lock();
        let cause = ended.cause.clone();
        let confirmed = ended.confirmed;
        let unsent: Vec<Unsent> = ended
            .outgoing
            .drain(..)
            .filter_map(|message| message.id.map(|id| Unsent { id: MessageId(id), data: message.data }))
            .collect();
        drop(ended);
        let written = unsent.first().map_or(state.next_id, |message| message.id.0);
        let uncertain =
            if was_open { state.first_id.max(confirmed).min(written)..written } else { written..written };
        let unsent = if self.options.queue.is_some() {
            // Nothing was queued while there was a connection; these go first. They were accepted,
            // so the limits do not count.
            for message in unsent.into_iter().rev() {
                state.queue_cost += message.data.len() + OVERHEAD;
                state.queue.push_front(message);
            }
            Vec::new()
        } else {
            unsent
        };
        let queued = state.queued();
        let how = Disconnected { close, cause, was_open, is_final: false, uncertain, unsent, queued };
        self.go_on(state, how, false);
    }

    /// An attempt that was not even begun has failed.
    fn not_begun(&self, state: &mut State, cause: FailureCause, is_final: bool) {
        let how = Disconnected { queued: state.queued(), ..Disconnected::never_open(cause) };
        self.go_on(state, how, is_final);
    }

    /// Reports the end of a connection or of an attempt at one, and decides what follows.
    fn go_on(&self, state: &mut State, mut how: Disconnected, is_final: bool) {
        let close = how.close.clone();
        state.cause.clone_from(&how.cause);
        let next = if state.closing || self.thread.is_stopping() {
            Next::Final
        } else if is_final {
            Next::GiveUp { attempts: state.reconnect.attempt(), is_final }
        } else {
            state.reconnect.ended(self.now(), close.code, how.cause.as_ref())
        };
        how.is_final = matches!(next, Next::GiveUp { is_final: true, .. });
        self.report(state, ReliableEvent::Disconnected(how));
        match next {
            Next::Final => self.finish(state, close),
            Next::GiveUp { attempts, .. } => {
                let unsent = state.take_queue();
                self.report_last(state, ReliableEvent::GaveUp { attempts, unsent });
            }
            Next::Retry { attempt, delay } => {
                state.retry_at = Some(self.now().saturating_add(delay));
                self.report(state, ReliableEvent::Retrying { attempt, delay });
            }
        }
    }

    fn finish(&self, state: &mut State, close: CloseEvent) {
        let unsent = state.take_queue();
        self.report_last(state, ReliableEvent::Closed { close, unsent });
    }

    fn report_last(&self, state: &mut State, event: ReliableEvent) {
        if !state.over {
            state.over = true;
            (state.retry_at, state.pulse) = (None, None);
            (state.preparing, state.prepared) = (None, None);
            self.report(state, event);
        }
    }

    fn report(&self, state: &mut State, event: ReliableEvent) {
        if !state.dropped {
            state.event_bytes += event.len() + OVERHEAD;
            state.events.push_back(event);
            self.changed.notify_all();
        }
    }

    /// Drops what is the program's, without the lock.
    fn discard<T>(&self, callback: T) {
        if panics(|| drop(callback)) {
            log::error!("{}: a callback panicked as it was dropped", self.plan.origin);
        }
    }

    /// Whether something may have changed by it.
    fn call_back(self: &Arc<Self>) -> bool {
        let mut called = false;
        loop {
            let mut state = self.lock();
            let State { callback: callback @ Some(_), events, .. } = &mut *state else { return called };
            let Some(event) = events.pop_front() else { return called };
            let Some(mut callback) = callback.take() else { return called };
            state.event_bytes -= event.len() + OVERHEAD;
            state.done |= event.is_last();
            let is_last = state.done;
            drop(state);
            called = true;
            let has_panicked = panics(|| callback(self, event));
            let mut state = self.lock();
            if has_panicked {
                log::error!("{}: a callback panicked", self.plan.origin);
                state.closing = true;
            } else if !is_last && !state.dropped && state.callback.is_none() {
                state.callback = Some(callback);
                continue;
            }
            drop(state);
            self.discard(callback);
        }
    }

    /// The client thread ends, or has, or was never there.
    fn end(self: &Arc<Self>) {
        // What has arrived is told; nobody looks again when there is room.
        self.take_socket_events(true);
        let mut state = self.lock();
        if !state.over {
            if let Some(socket) = state.socket.clone() {
                self.ended(&mut state, &socket, CloseEvent::abnormal());
            } else if let Some(failure) = self.thread.failure() {
                self.not_begun(&mut state, failure.clone(), false);
            }
            self.finish(&mut state, CloseEvent::abnormal());
        }
        let provider = state.provider.take();
        drop(state);
        self.discard(provider);
        // A program that closes or binds does not expect that on the thread where it does.
        if self.thread.is_current() {
            self.call_back();
        }
    }
}

impl Listens for Keeper {
    fn tell(self: Arc<Self>, _: &Arc<Socket>) {
        self.notice();
    }
}

impl State {
    fn take_queue(&mut self) -> Vec<Unsent> {
        self.queue_cost = 0;
        std::mem::take(&mut self.queue).into()
    }

    fn queued(&self) -> Range<u64> {
        let first = self.queue.front().map_or(self.next_id, |message| message.id.0);
        first..self.next_id
    }
}
