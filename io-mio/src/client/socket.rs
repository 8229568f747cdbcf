//! What the program's threads and the client thread share about one WebSocket object: the
//! standard's state, without I/O.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use sansws::{CloseCode, Message};

use crate::client::error::{FailureCause, InvalidStateError};
use crate::client::event::{BinaryType, CloseEvent, Data, Event, OVERHEAD, ReadyState};
use crate::client::plan::Plan;
use crate::conn::peer_id::PeerId;

/// Does for a socket what the program has asked for: the client thread.
pub(crate) trait Attends: Send + Sync {
    /// Has it look at the socket. Fails, with the reason, if nobody will look.
    fn attend_to(self: Arc<Self>, socket: &Arc<Socket>) -> Result<(), FailureCause>;
}

/// Takes a socket's events on the client thread.
pub(crate) trait Listens: Send + Sync {
    /// Called when there may be events to take.
    fn tell(self: Arc<Self>, socket: &Arc<Socket>);
}

/// One WebSocket object.
pub(crate) struct Socket {
    pub(crate) plan: Arc<Plan>,
    thread: Arc<dyn Attends>,
    state: Mutex<State>,
    changed: Condvar,
    /// The client thread has been asked to look.
    noticed: AtomicBool,
}

/// A message on its way out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) data: Data,
    /// Its number, if it is a [`ReliableWebSocket`](crate::ReliableWebSocket)'s.
    pub(crate) id: Option<u64>,
}

/// What the standard queues as a task.
#[derive(Debug)]
pub(crate) enum Task {
    /// The connection is established.
    Opened {
        protocol: String,
    },
    Message(Data),
    /// The closing handshake is started.
    Closing,
    /// The connection is closed.
    Closed {
        close: CloseEvent,
        failed: bool,
    },
}

/// Where the connection really is, which the program learns task by task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    New,
    Dialling,
    Open,
    Over,
}

/// Who is told of events.
#[derive(Debug)]
pub(crate) enum Sink {
    /// Whoever asks.
    Polling,
    /// This, on the client thread.
    Listener(Weak<dyn Listens>),
    /// Nobody any more: the object was dropped.
    Nobody,
}

/// What is to be in the Close frame; `None`: nothing.
pub(crate) type CloseWith = Option<(CloseCode, String)>;

pub(crate) struct State {
    pub(crate) ready_state: ReadyState,
    pub(crate) protocol: String,
    pub(crate) binary_type: BinaryType,
    /// Bytes of payload given to `send` and not, or never, taken by the kernel.
    pub(crate) buffered: u64,
    /// Messages that the driver has not been given.
    pub(crate) outgoing: VecDeque<Outgoing>,
    /// What they and those in the driver's queue count for the limit.
    pub(crate) outgoing_cost: usize,
    /// `close` was called.
    pub(crate) closing: Option<CloseWith>,
    /// The standard's flag: more was sent than may be buffered.
    pub(crate) full: bool,
    pub(crate) cause: Option<FailureCause>,
    tasks: VecDeque<Task>,
    task_cost: usize,
    /// The second event of the task that was run last.
    close_follows: Option<CloseEvent>,
    /// The close event was taken.
    pub(crate) done: bool,
    /// Nothing is read from the connection, since too many events wait.
    pub(crate) paused: bool,
    pub(crate) sink: Sink,
    pub(crate) stage: Stage,
    pub(crate) peer: Option<PeerId>,
    /// Messages with lower numbers have been received by the server: it answered a Ping that came
    /// after them.
    pub(crate) confirmed: u64,
}

impl Socket {
    pub(crate) fn new(plan: Arc<Plan>, thread: Arc<dyn Attends>, sink: Sink) -> Arc<Self> {
        let state = State {
            ready_state: ReadyState::Connecting,
            protocol: String::new(),
            binary_type: plan.limits.binary_type,
            buffered: 0,
            outgoing: VecDeque::new(),
            outgoing_cost: 0,
            closing: None,
            full: false,
            cause: None,
            tasks: VecDeque::new(),
            task_cost: 0,
            close_follows: None,
            done: false,
            paused: false,
            sink,
            stage: Stage::New,
            peer: None,
            confirmed: 0,
        };
        Arc::new(Self {
            plan,
            thread,
            state: Mutex::new(state),
            changed: Condvar::new(),
            noticed: AtomicBool::new(false),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the client thread look at the socket.
    pub(crate) fn notice(self: &Arc<Self>) {
        if self.noticed.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Err(cause) = Arc::clone(&self.thread).attend_to(self) {
            self.ended(CloseEvent::abnormal(), true, Some(cause), Vec::new());
        }
    }

    /// The client thread looks.
    pub(crate) fn noticed(&self) {
        self.noticed.store(false, Ordering::Release);
    }

    /// On the client thread: has the listener take the events, if there is one.
    pub(crate) fn dispatch(self: &Arc<Self>) {
        let listener = match &self.lock().sink {
            Sink::Listener(listener) => listener.upgrade(),
            Sink::Polling | Sink::Nobody => None,
        };
        if let Some(listener) = listener {
            listener.tell(self);
        }
    }

    /// Has this called from now on, if nobody was before.
    pub(crate) fn listen(self: &Arc<Self>, listener: Weak<dyn Listens>) {
        let mut state = self.lock();
        if matches!(state.sink, Sink::Polling) {
            state.sink = Sink::Listener(listener);
            drop(state);
            self.wake_waiting();
            self.notice();
        }
    }

    /// The standard's `send(data)`.
    pub(crate) fn send(self: &Arc<Self>, message: Message<'_>) -> Result<(), InvalidStateError> {
        let mut state = self.lock();
        // "If this's ready state is CONNECTING, then throw an InvalidStateError."
        if state.ready_state == ReadyState::Connecting {
            return Err(InvalidStateError);
        }
        // "… must increase the bufferedAmount attribute by the length …", whatever the state.
        state.buffered += message.as_bytes().len() as u64;
        if state.ready_state != ReadyState::Open || state.full {
            return Ok(());
        }
        if state.cost_with(message) > self.plan.limits.max_buffered {
            // "If the data cannot be sent, e.g. because it would need to be buffered but the buffer
            // is full, the user agent must flag the WebSocket as full and then close the WebSocket
            // connection." It is kept, one message beyond the limit, to be given back.
            state.full = true;
        }
        state.push_outgoing(Outgoing { data: message.into(), id: None });
        drop(state);
        self.notice();
        Ok(())
    }

    /// For a [`ReliableWebSocket`](crate::ReliableWebSocket): `false` if there is no room.
    pub(crate) fn send_numbered(self: &Arc<Self>, data: Data, id: u64) -> bool {
        let mut state = self.lock();
        if state.cost_with(data.as_message()) > self.plan.limits.max_buffered {
            return false;
        }
        state.buffered += data.len() as u64;
        state.push_outgoing(Outgoing { data, id: Some(id) });
        drop(state);
        self.notice();
        true
    }

    /// For a [`ReliableWebSocket`](crate::ReliableWebSocket): a message that was accepted before,
    /// so that the limit does not count.
    pub(crate) fn send_queued(self: &Arc<Self>, data: Data, id: u64) {
        let mut state = self.lock();
        state.buffered += data.len() as u64;
        state.push_outgoing(Outgoing { data, id: Some(id) });
        drop(state);
        self.notice();
    }

    /// The standard's "close the WebSocket", with arguments that have been checked.
    pub(crate) fn close(self: &Arc<Self>, with: CloseWith) {
        let mut state = self.lock();
        // "If this's ready state is CLOSING (2) or CLOSED (3): Do nothing."
        if matches!(state.ready_state, ReadyState::Closing | ReadyState::Closed) {
            return;
        }
        // Otherwise the connection is failed, if it is not established, or the closing handshake
        // started; "and set this's ready state to CLOSING (2)", at once in either case.
        state.closing = Some(with);
        state.ready_state = ReadyState::Closing;
        drop(state);
        self.notice();
    }

    /// Fails the connection for a reason of this side's.
    pub(crate) fn give_up(self: &Arc<Self>, cause: FailureCause) {
        let mut state = self.lock();
        state.cause.get_or_insert(cause);
        state.full = true;
        drop(state);
        self.notice();
    }

    /// Adds a task. Whether too many wait.
    pub(crate) fn push_task(self: &Arc<Self>, task: Task) -> bool {
        let mut state = self.lock();
        if matches!(state.sink, Sink::Nobody) {
            return false;
        }
        state.task_cost += task.cost();
        state.tasks.push_back(task);
        let limits = &self.plan.limits;
        let too_many = state.tasks.len() >= limits.max_events || state.task_cost >= limits.max_event_bytes;
        state.paused |= too_many;
        let wants_thread = !matches!(state.sink, Sink::Polling);
        drop(state);
        if wants_thread {
            self.notice();
        }
        self.changed.notify_all();
        too_many
    }

    /// The connection is over. `unsent` are messages that the driver had and the kernel did not get
    /// whole.
    pub(crate) fn ended(
        self: &Arc<Self>,
        close: CloseEvent,
        failed: bool,
        cause: Option<FailureCause>,
        unsent: Vec<Outgoing>,
    ) {
        let mut state = self.lock();
        if std::mem::replace(&mut state.stage, Stage::Over) == Stage::Over {
            return;
        }
        match cause {
            // If the time to connect was up while the content was read, then it is not what the
            // connection failed for.
            Some(FailureCause::Refused { .. }) => state.cause = cause,
            Some(cause) => {
                state.cause.get_or_insert(cause);
            }
            None => {}
        }
        for message in unsent.into_iter().rev() {
            state.outgoing.push_front(message);
        }
        // "… or if the WebSocket connection was closed after being flagged as full"
        let failed = failed || state.full;
        drop(state);
        self.push_task(Task::Closed { close, failed });
    }

    /// Tells those who wait that something else than the tasks has changed.
    pub(crate) fn wake_waiting(&self) {
        self.changed.notify_all();
    }

    /// Runs tasks until one of them fires an event.
    pub(crate) fn try_take(self: &Arc<Self>) -> Option<Event> {
        let mut state = self.lock();
        let (event, resumes) = self.take_from(&mut state);
        drop(state);
        if resumes {
            self.notice();
        }
        event
    }

    /// As [`try_take`](Self::try_take), but waits. `None`: time is up, or there will be no event
    /// any more.
    pub(crate) fn take(self: &Arc<Self>, timeout: Option<Duration>) -> Option<Event> {
        let (mut event, mut resumes) = (None, false);
        self.wait(timeout, |state| {
            let (taken, low) = self.take_from(state);
            event = taken;
            resumes |= low;
            event.is_some() || state.done
        });
        if resumes {
            self.notice();
        }
        event
    }

    /// Waits until `is_there`. `false`: time is up.
    pub(crate) fn wait(
        &self,
        timeout: Option<Duration>,
        mut is_there: impl FnMut(&mut State) -> bool,
    ) -> bool {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut state = self.lock();
        while !is_there(&mut state) {
            state = match deadline {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }

    /// An event, and whether reading goes on now.
    fn take_from(&self, state: &mut State) -> (Option<Event>, bool) {
        let event = state.run_tasks();
        let limits = &self.plan.limits;
        let few = state.tasks.len() <= limits.max_events / 2 && state.task_cost <= limits.max_event_bytes / 2;
        let resumes = state.paused && few && state.stage == Stage::Open;
        state.paused &= !resumes;
        (event, resumes)
    }
}

impl State {
    fn cost_with(&self, message: Message<'_>) -> usize {
        self.outgoing_cost.saturating_add(message.as_bytes().len() + OVERHEAD)
    }

    fn push_outgoing(&mut self, message: Outgoing) {
        self.outgoing_cost = self.cost_with(message.data.as_message());
        self.outgoing.push_back(message);
    }

    /// The kernel has this message.
    pub(crate) fn written(&mut self, message: &Outgoing) {
        let len = message.data.len();
        self.buffered = self.buffered.saturating_sub(len as u64);
        self.outgoing_cost = self.outgoing_cost.saturating_sub(len + OVERHEAD);
    }

    pub(crate) fn is_connecting(&self) -> bool {
        matches!(self.stage, Stage::New | Stage::Dialling)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Forgets what nobody will ask for.
    pub(crate) fn forget_events(&mut self) {
        self.sink = Sink::Nobody;
        self.paused = false;
        self.tasks = VecDeque::new();
        self.task_cost = 0;
        self.close_follows = None;
    }

    fn run_tasks(&mut self) -> Option<Event> {
        if let Some(close) = self.close_follows.take() {
            self.done = true;
            return Some(Event::Close(close));
        }
        while let Some(task) = self.tasks.pop_front() {
            self.task_cost -= task.cost();
            match task {
                // "Change the ready state to OPEN (1). Change the extensions attribute's value …
                // Change the protocol attribute's value … Fire an event named open". After a
                // `close` it stays CLOSING, as in the browsers.
                Task::Opened { protocol } => {
                    self.protocol = protocol;
                    if self.ready_state == ReadyState::Connecting {
                        self.ready_state = ReadyState::Open;
                        return Some(Event::Open);
                    }
                }
                // "If ready state is not OPEN (1), then return."
                Task::Message(data) => {
                    if self.ready_state == ReadyState::Open {
                        return Some(Event::Message(data));
                    }
                }
                Task::Closing => self.ready_state = self.ready_state.max(ReadyState::Closing),
                // "Change the ready state to CLOSED (3). If the user agent was required to fail the
                // WebSocket connection, or if the WebSocket connection was closed after being
                // flagged as full, fire an event named error …. Fire an event named close".
                Task::Closed { close, failed } => {
                    self.ready_state = ReadyState::Closed;
                    if failed {
                        self.close_follows = Some(close);
                        return Some(Event::Error);
                    }
                    self.done = true;
                    return Some(Event::Close(close));
                }
            }
        }
        None
    }
}

impl Task {
    fn cost(&self) -> usize {
        match self {
            Self::Message(data) => data.len() + OVERHEAD,
            _ => OVERHEAD,
        }
    }
}
