//! What other threads reach the client thread with.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use crate::client::error::FailureCause;
use crate::client::panics::panics;
use crate::client::socket::{Attends, Socket};
use crate::client::thread::worker::Item;
use crate::hub::Hub;
use crate::hub::handle::Handle;
use crate::hub::inbox::InboxLimits;
use crate::settings::Settings;

/// The client thread, as other threads know it.
pub(crate) struct Thread {
    pub(crate) handle: Handle,
    inbox: Mutex<Inbox>,
    /// Told of its end.
    over: Condvar,
    id: OnceLock<ThreadId>,
    /// It could not be started.
    failure: Option<FailureCause>,
    /// There is not even a thread to call back on.
    #[cfg(test)]
    no_threads: std::sync::atomic::AtomicBool,
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
    /// If the thread could not be started: somebody ends the items.
    is_ending: bool,
    /// Who does.
    ends_on: Option<ThreadId>,
}

/// Items that were taken to be looked at. Those that were not go back.
pub(crate) struct Batch<'a> {
    items: VecDeque<Item>,
    thread: &'a Thread,
}

impl Iterator for Batch<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        self.items.pop_front()
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if !self.items.is_empty() {
            // Only after a panic: the end of the thread finds them.
            let mut inbox = self.thread.lock();
            self.items.append(&mut inbox.items);
            inbox.items = std::mem::take(&mut self.items);
        }
    }
}

impl Thread {
    pub(crate) fn new(handle: Handle) -> Arc<Self> {
        Arc::new(Self::with(handle, Inbox::default(), None))
    }

    fn with(handle: Handle, inbox: Inbox, failure: Option<FailureCause>) -> Self {
        Self {
            handle,
            inbox: Mutex::new(inbox),
            over: Condvar::new(),
            id: OnceLock::new(),
            failure,
            #[cfg(test)]
            no_threads: false.into(),
        }
    }

    /// One that could not be started. What is given to it ends at once, and callbacks are called
    /// all the same.
    pub(crate) fn failed(error: &io::Error) -> Arc<Self> {
        let inbox = Inbox { stopping: true, ended: true, ..Inbox::default() };
        let limits = InboxLimits::of(&Settings::default());
        let failure = FailureCause::NoClientThread(error.to_string());
        Arc::new(Self::with(Handle::new(Hub::new(limits)), inbox, Some(failure)))
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails if the thread has ended, or is about to. Each socket and each job is in the inbox at
    /// most once, so it is bounded by their number.
    pub(crate) fn push(self: &Arc<Self>, item: Item) -> Result<(), FailureCause> {
        let mut inbox = self.lock();
        if inbox.stopped {
            return Err(FailureCause::Stopped);
        }
        inbox.items.push_back(item);
        if let Some(failure) = &self.failure {
            if !std::mem::replace(&mut inbox.is_ending, true) {
                drop(inbox);
                self.end_items(failure);
            }
            return Ok(());
        }
        let was_empty = inbox.items.len() == 1;
        drop(inbox);
        if was_empty {
            self.handle.wake();
        }
        Ok(())
    }

    /// Ends what was pushed and calls back. A thread for this alone needs no open file; if there is
    /// none either, it is done here: whoever waits for a callback must not wait for ever.
    fn end_items(self: &Arc<Self>, failure: &FailureCause) {
        let (thread, failure) = (Arc::clone(self), failure.clone());
        let end = move || {
            thread.lock().ends_on = Some(std::thread::current().id());
            loop {
                let mut inbox = thread.lock();
                let Some(item) = inbox.items.pop_front() else {
                    (inbox.is_ending, inbox.ends_on) = (false, None);
                    return;
                };
                drop(inbox);
                if panics(|| item.end(failure.clone())) {
                    log::error!("a client object panicked as it ended");
                }
            }
        };
        if self.builder().spawn(end.clone()).is_err() {
            end();
        }
    }

    fn builder(&self) -> std::thread::Builder {
        let builder = std::thread::Builder::new().name("websocket-failures".into());
        #[cfg(test)]
        if self.no_threads.load(std::sync::atomic::Ordering::Relaxed) {
            // No machine has so much memory.
            return builder.stack_size(usize::MAX / 4);
        }
        builder
    }

    #[cfg(test)]
    pub(crate) fn set_threads(&self, are_there: bool) {
        self.no_threads.store(!are_there, std::sync::atomic::Ordering::Relaxed);
    }

    /// Why the thread is not there, if it could not be started.
    pub(crate) fn failure(&self) -> Option<&FailureCause> {
        self.failure.as_ref()
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

    /// The caller is the thread.
    pub(crate) fn started(&self) {
        let _ = self.id.set(std::thread::current().id());
    }

    /// Whether the caller runs on it, or in its place: in a callback.
    pub(crate) fn is_current(&self) -> bool {
        let current = Some(std::thread::current().id());
        self.id.get().copied() == current || self.lock().ends_on == current
    }

    /// Waits until the last callback has returned, at most so long. Whether it has.
    pub(crate) fn wait_for_end(&self, at_most: Duration) -> bool {
        let inbox = self.lock();
        let waited = self.over.wait_timeout_while(inbox, at_most, |inbox| !inbox.ended);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended
    }

    pub(crate) fn take_shutdown(&self) -> Option<Duration> {
        self.lock().shutdown.take()
    }

    pub(crate) fn take(&self) -> Batch<'_> {
        Batch { items: std::mem::take(&mut self.lock().items), thread: self }
    }

    /// Nothing more is looked at: ends what is still there, and calls back.
    pub(crate) fn stop(&self) {
        let mut inbox = self.lock();
        // What a callback makes from here on ends at once and calls nobody back: a program that
        // connects again would go on for ever.
        (inbox.stopping, inbox.stopped) = (true, true);
        let items = std::mem::take(&mut inbox.items);
        drop(inbox);
        for item in items {
            item.end(FailureCause::Stopped);
        }
    }

    /// The last callback has returned: tells who waits for it.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.over.notify_all();
    }
}

impl Attends for Thread {
    fn attend_to(self: Arc<Self>, socket: &Arc<Socket>) -> Result<(), FailureCause> {
        self.push(Item::Socket(Arc::clone(socket)))
    }
}
