//! What a keeper does on the client thread: dials when it is time, and sends heartbeats.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, Weak};
use std::time::Duration;

use sansws::CloseCode;

use crate::client::error::FailureCause;
use crate::client::event::CloseEvent;
use crate::client::panics::panics;
use crate::client::plan::Plan;
use crate::client::reliable::attempt::{Attempt, NotPrepared, Prepares};
use crate::client::reliable::heartbeat::{Beat, Pulse};
use crate::client::reliable::keeper::{Keeper, State};
use crate::client::socket::{Sink, Socket};
use crate::client::thread::inbox::Thread;
use crate::client::thread::session::ask;
use crate::client::thread::worker::{Job, Worker};

/// A hundred years.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl Job for Keeper {
    fn attend(self: Arc<Self>, worker: &mut Worker) {
        self.noticed.store(false, Ordering::Release);
        loop {
            self.take_socket_events(false);
            self.close_or_retry();
            self.heartbeat(worker);
            // An attempt may have been prepared at once.
            if !self.call_back() && self.lock().prepared.is_none() {
                break;
            }
        }
        self.set_timer(worker);
        let mut state = self.lock();
        if state.over {
            let provider = state.provider.take();
            drop(state);
            self.discard(provider);
        }
    }

    fn timer_fired(&self, at: Duration) -> bool {
        let mut state = self.lock();
        let is_current = state.timer_at == Some(at);
        if is_current {
            state.timer_at = None;
        }
        is_current
    }

    fn waits_for_timer(&self, at: Duration) -> bool {
        self.lock().timer_at == Some(at)
    }

    fn stop(self: Arc<Self>) {
        self.noticed.store(false, Ordering::Release);
        self.end();
    }
}

impl Keeper {
    /// What `close` asks for, and the next attempt if it is due.
    fn close_or_retry(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.over {
            return;
        }
        if state.closing {
            state.retry_at = None;
            match &state.socket {
                Some(socket) => {
                    // Its events have to be taken, or it waits for room.
                    socket.close(Some((CloseCode::NORMAL, "Client closing".into())));
                }
                None => self.finish(&mut state, CloseEvent::abnormal()),
            }
            return;
        }
        if state.preparing.is_some_and(|(_, until)| until <= self.now()) {
            state.preparing = None;
            self.not_begun(&mut state, FailureCause::NotPrepared("it took too long".into()), false);
            return;
        }
        let plan = state.prepared.take();
        if plan.is_some() || state.retry_at.is_some_and(|at| at <= self.now()) {
            if plan.is_none() && state.provider.is_some() {
                return self.prepare(state);
            }
            state.retry_at = None;
            let plan = plan.unwrap_or_else(|| Arc::clone(&self.plan));
            let listener: Weak<Self> = Arc::downgrade(self);
            let thread: Arc<Thread> = Arc::clone(&self.thread);
            let socket = Socket::new(plan, thread, Sink::Listener(listener));
            state.socket = Some(Arc::clone(&socket));
            drop(state);
            socket.notice();
        }
    }

    /// Has the program prepare the attempt that is due.
    fn prepare(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        // If it fails there are two more events.
        if self.waits_for_room(&state) {
            return;
        }
        let Some(mut provider) = state.provider.take() else { return };
        state.retry_at = None;
        state.attempts += 1;
        let until = self.now().saturating_add(self.options.prepare_timeout.unwrap_or(FAR));
        state.preparing = Some((state.attempts, until));
        let asker: Weak<Self> = Arc::downgrade(self);
        let (retry, cause) = (state.reconnect.attempt(), state.cause.clone());
        let attempt = Attempt::new(state.attempts, Arc::clone(&self.plan), retry, cause, asker);
        // It may answer at once, which takes the lock.
        drop(state);
        let has_panicked = panics(|| provider(attempt));
        let mut state = self.lock();
        if has_panicked {
            log::error!("{}: what prepares an attempt panicked", self.plan.origin);
            state.closing = true;
        } else if !state.dropped && !state.over {
            state.provider = Some(provider);
            return;
        }
        drop(state);
        self.discard(provider);
    }

    fn heartbeat(&self, worker: &mut Worker) {
        let mut state = self.lock();
        let State { pulse: Some(pulse), socket: Some(socket), .. } = &mut *state else { return };
        let now = self.now();
        if pulse.poll_timeout() > now {
            return;
        }
        let connection = socket.lock();
        let (peer, paused) = (connection.peer, connection.paused);
        drop(connection);
        let socket = Arc::clone(socket);
        let text = self.options.heartbeat.as_ref().and_then(|heartbeat| heartbeat.text.as_deref());
        let mut is_dead = false;
        // If nothing is read, nothing can be heard.
        if paused {
            pulse.not_listening();
        }
        let turns = worker.turns();
        let reached = worker.with_peer(peer, |peer| {
            // While output waits, that the kernel takes some of it says that the server lives; a
            // Ping behind it would say nothing.
            let waits = peer.buffered_amount() > 0;
            let signs = if waits { peer.received().wrapping_add(peer.written()) } else { peer.received() };
            while let Some(beat) = pulse.handle_timeout(now, signs, turns) {
                match beat {
                    Beat::Dead => is_dead = true,
                    Beat::Send if waits => {}
                    Beat::Send => {
                        // Refused only if it is closing.
                        let _ = text.map(|text| peer.send_text(text));
                        ask(peer);
                    }
                }
            }
        });
        if reached.is_none() {
            // The connection is over; its last event waits until there is room for it.
            state.pulse = None;
        }
        drop(state);
        if is_dead {
            socket.lock().cause.get_or_insert(FailureCause::HeartbeatMissed);
            if let Some(peer) = peer {
                worker.event_loop.abort(peer);
            }
        }
    }

    fn set_timer(self: &Arc<Self>, worker: &mut Worker) {
        let mut state = self.lock();
        let pulse = state.pulse.as_ref().map(Pulse::poll_timeout);
        let prepared_by = state.preparing.map(|(_, until)| until);
        // If it waits for room, whoever takes an event has it looked at.
        let retry_at = state.retry_at.map(|at| if self.waits_for_room(&state) { FAR } else { at });
        let Some(due) = [retry_at, pulse, prepared_by].into_iter().flatten().min() else { return };
        if state.timer_at.is_none_or(|at| due < at) {
            // A moment that cannot be told does not come either; but by the timer this is found
            // when the thread ends.
            let Some(at) = self.epoch.checked_add(due).or_else(|| self.epoch.checked_add(FAR)) else {
                return;
            };
            state.timer_at = Some(due);
            let job: Weak<Self> = Arc::downgrade(self);
            worker.set_timer(at, job, due);
        }
    }
}

impl Prepares for Keeper {
    fn prepared(self: Arc<Self>, number: u64, answer: Result<Plan, NotPrepared>) {
        let mut state = self.lock();
        // It took too long, or the program has closed.
        if state.over || state.preparing.is_none_or(|(awaited, _)| awaited != number) {
            return;
        }
        state.preparing = None;
        match answer {
            Ok(plan) => state.prepared = Some(Arc::new(plan)),
            Err(NotPrepared { cause, is_final }) => self.not_begun(&mut state, cause, is_final),
        }
        drop(state);
        self.notice();
    }
}
