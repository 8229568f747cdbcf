//! What the client thread does in a turn: dials, sends and closes for sockets, and looks after
//! jobs.

use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use sansws::{CloseCode, Expired};

use crate::app::peer::Peer;
use crate::client::error::FailureCause;
use crate::client::event::CloseEvent;
use crate::client::socket::{Socket, Stage};
use crate::client::thread::session::{Driver, Session, pump};
use crate::client::thread::timers::Timers;
use crate::conn::peer_id::PeerId;
use crate::event_loop::EventLoop;

/// What the client thread looks after besides sockets, and what waits on its timers.
pub(crate) trait Job: Send + Sync {
    /// Does whatever is to be done now.
    fn attend(self: Arc<Self>, worker: &mut Worker);

    /// The timer for this moment has fired. `false`: another one was set since, which will.
    fn timer_fired(&self, at: Duration) -> bool;

    /// Whether the timer for this moment is the one that is to fire.
    fn waits_for_timer(&self, at: Duration) -> bool;

    /// The client thread ends, or has, or was never there.
    fn stop(self: Arc<Self>);
}

/// What the client thread is to look at.
pub(crate) enum Item {
    Socket(Arc<Socket>),
    Job(Arc<dyn Job>),
}

impl Item {
    /// There is nobody to look at it any more: ends it for this reason, and calls back.
    pub(crate) fn end(self, cause: FailureCause) {
        match self {
            Self::Socket(socket) => {
                socket.noticed();
                socket.ended(CloseEvent::abnormal(), true, Some(cause), Vec::new());
                socket.dispatch();
            }
            Self::Job(job) => job.stop(),
        }
    }
}

/// A timer may be further away than the operating system can count.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// What a timer is for.
enum Due {
    /// The time to connect is up.
    Connect(Weak<Socket>),
    /// With the moment for which it was set, in the job's time.
    Job(Weak<dyn Job>, Duration),
}

impl Due {
    fn is_needed(&self) -> bool {
        match self {
            Self::Connect(socket) => socket.upgrade().is_some_and(|socket| socket.lock().is_connecting()),
            Self::Job(job, at) => job.upgrade().is_some_and(|job| job.waits_for_timer(*at)),
        }
    }
}

/// Turns of the loop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turns {
    /// How many there were.
    pub(crate) made: u64,
    /// After so many more everything is read that has arrived by now.
    pub(crate) to_read: u64,
}

/// What belongs to the client thread alone.
pub(crate) struct Worker {
    pub(crate) event_loop: EventLoop<Driver>,
    timers: Timers<Due>,
    /// How many the loop has made.
    turns: u64,
}

impl Drop for Worker {
    fn drop(&mut self) {
        for due in self.timers.drain() {
            if let Due::Job(job, _) = due {
                job.upgrade().inspect(|job| Arc::clone(job).stop());
            }
        }
    }
}

impl Worker {
    pub(crate) fn new(event_loop: EventLoop<Driver>) -> Self {
        Self { event_loop, timers: Timers::new(), turns: 0 }
    }

    /// One turn of the loop, which waits for something to happen, at most until the next timer
    /// fires. `false` once a shutdown is done.
    pub(crate) fn turn(&mut self) -> io::Result<bool> {
        let now = Instant::now();
        let wait = self.timers.next().map(|at| at.saturating_duration_since(now).min(LONGEST_WAIT));
        let goes_on = self.event_loop.turn(wait)?;
        self.turns += u64::from(goes_on);
        Ok(goes_on)
    }

    pub(crate) fn look_at(&mut self, item: Item) {
        match item {
            Item::Socket(socket) => {
                socket.noticed();
                self.attend(&socket);
                socket.dispatch();
            }
            Item::Job(job) => job.attend(self),
        }
    }

    pub(crate) fn run_timers(&mut self) {
        // Those that are set meanwhile have their turn later, even if they are due: the loop must
        // not be kept from its sockets.
        for due in self.timers.take_due(Instant::now()) {
            match due {
                Due::Connect(socket) => {
                    let Some(socket) = socket.upgrade() else { continue };
                    let late = socket.lock().is_connecting();
                    if late {
                        socket.give_up(FailureCause::TimedOut(Expired::Handshake));
                    }
                }
                Due::Job(job, at) => {
                    if let Some(job) = job.upgrade().filter(|job| job.timer_fired(at)) {
                        job.attend(self);
                    }
                }
            }
        }
        self.timers.compact(Due::is_needed);
    }

    /// Sets a timer for a job; `due` is the same moment in the job's time.
    pub(crate) fn set_timer(&mut self, at: Instant, job: Weak<dyn Job>, due: Duration) {
        self.timers.set(at, Due::Job(job, due));
    }

    /// Does for the connection what the program has asked for.
    pub(crate) fn attend(&mut self, socket: &Arc<Socket>) {
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
    pub(crate) fn close_all(&mut self) {
        self.event_loop.context().for_each_peer(|peer| {
            let socket = peer.session().socket();
            socket.lock().closing.get_or_insert_with(|| Some((CloseCode::GOING_AWAY, String::new())));
            pump(peer);
        });
    }

    fn dial(&mut self, socket: &Arc<Socket>) {
        if let Some(at) = socket.plan.limits.connect_timeout.and_then(|d| Instant::now().checked_add(d)) {
            self.timers.set(at, Due::Connect(Arc::downgrade(socket)));
        }
        // If that fails at once, the handler has been told, and the socket is over.
        let connect = socket.plan.connect(Session::new(Arc::clone(socket)));
        let peer = self.event_loop.connect(connect);
        socket.lock().peer = Some(peer);
    }

    /// What was made, and what it takes to read what has arrived: one turn for so many sockets, and
    /// three more for one whose reading goes on, which the loop learns in the first of them and
    /// does behind the next.
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
