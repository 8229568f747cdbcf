//! What waits for one loop.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use crate::conn::peer_id::PeerId;
use crate::conn::shared_frame::SharedFrame;
use crate::hub::command::{Command, CommandError};
use crate::settings::Settings;
use crate::settings::resolver::Resolved;

/// Tells each of `inboxes`, and then what went wrong with one of them.
pub(crate) fn publish_on(
    inboxes: &[Arc<Inbox>],
    topic: &str,
    frame: &SharedFrame,
) -> Result<(), CommandError> {
    let mut result = Ok(());
    if inboxes.is_empty() {
        return result;
    }
    let topic: Arc<str> = topic.into();
    for inbox in inboxes {
        let command = Command::Publish { topic: Arc::clone(&topic), frame: frame.clone(), except: None };
        // Who has ended misses nothing; who is full does.
        match inbox.push(command) {
            Err(error) if result.is_ok() || error == CommandError::Full => result = Err(error),
            _ => {}
        }
    }
    result
}

/// How much may wait for one loop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InboxLimits {
    pub(crate) commands: usize,
    pub(crate) bytes: usize,
}

impl InboxLimits {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self { commands: settings.max_commands, bytes: settings.max_command_bytes }
    }
}

/// What waits for one loop.
pub(crate) struct Inbox {
    state: Mutex<InboxState>,
}

struct InboxState {
    commands: VecDeque<Command>,
    /// Of the commands together.
    bytes: usize,
    limits: InboxLimits,
    /// Answers for connections of this loop, one for each that asked: a full inbox does not keep
    /// them out.
    resolved: Vec<(PeerId, Resolved)>,
    wake: bool,
    shutdown: Option<Duration>,
    /// The loop has been woken and has not looked yet.
    notified: bool,
    waker: Option<Waker>,
    stopped: bool,
}

/// What a loop takes out of its inbox.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) commands: VecDeque<Command>,
    pub(crate) resolved: Vec<(PeerId, Resolved)>,
    pub(crate) wake: bool,
    pub(crate) shutdown: Option<Duration>,
}

impl Inbox {
    pub(crate) fn new(limits: InboxLimits) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(InboxState {
                commands: VecDeque::new(),
                resolved: Vec::new(),
                bytes: 0,
                limits,
                wake: false,
                shutdown: None,
                notified: false,
                waker: None,
                stopped: false,
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, InboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn asked_to_shut_down(&self) -> Option<Duration> {
        self.lock().shutdown
    }

    /// Before its loop runs.
    pub(crate) fn start_anew(&self, limits: InboxLimits, shutdown: Option<Duration>) {
        let mut state = self.lock();
        state.limits = limits;
        state.shutdown = shutdown;
    }

    pub(crate) fn push(&self, command: Command) -> Result<(), CommandError> {
        let mut state = self.lock();
        if state.stopped {
            return Err(CommandError::Stopped);
        }
        let bytes = state.bytes.saturating_add(command.len());
        // One that is longer than all of the limit goes alone.
        let is_too_much = bytes > state.limits.bytes && !state.commands.is_empty();
        if is_too_much || state.commands.len() >= state.limits.commands {
            return Err(CommandError::Full);
        }
        state.bytes = bytes;
        state.commands.push_back(command);
        notify(state);
        Ok(())
    }

    /// The answer to a name that this loop asked for.
    pub(crate) fn resolved(&self, peer: PeerId, resolved: Resolved) {
        let mut state = self.lock();
        if !state.stopped {
            state.resolved.push((peer, resolved));
            notify(state);
        }
    }

    pub(crate) fn wake(&self) {
        let mut state = self.lock();
        state.wake = true;
        notify(state);
    }

    pub(crate) fn shutdown(&self, deadline: Duration) {
        let mut state = self.lock();
        state.shutdown = Some(state.shutdown.map_or(deadline, |earlier| earlier.min(deadline)));
        notify(state);
    }

    /// The loop is there: what was left in the inbox before wakes it at once.
    pub(crate) fn set_waker(&self, waker: Waker) {
        let mut state = self.lock();
        state.waker = Some(waker);
        state.notified = false;
        if !state.commands.is_empty() || state.wake || state.shutdown.is_some() {
            notify(state);
        }
    }

    /// Empties the inbox. `commands` is an empty queue whose memory can be used.
    pub(crate) fn take(&self, received: &mut Received) {
        let mut state = self.lock();
        std::mem::swap(&mut state.commands, &mut received.commands);
        state.bytes = 0;
        if !state.resolved.is_empty() {
            received.resolved.extend(std::mem::take(&mut state.resolved));
        }
        received.wake |= std::mem::take(&mut state.wake);
        received.shutdown = received.shutdown.into_iter().chain(state.shutdown.take()).min();
        state.notified = false;
    }

    /// No command is taken any more.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        state.commands = VecDeque::new();
        state.resolved = Vec::new();
        state.waker = None;
    }
}

/// Wakes the loop, once until it looks.
fn notify(mut state: MutexGuard<'_, InboxState>) {
    if state.notified {
        return;
    }
    let Some(waker) = state.waker.clone() else { return };
    state.notified = true;
    drop(state);
    waker.wake();
}
