//! Client threads.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io};

use crate::client::thread::inbox::Thread;
use crate::client::thread::run;
use crate::client::thread::session::Driver;
use crate::event_loop::EventLoop;
use crate::settings::Settings;

/// A thread that carries WebSocket objects, any number of them. Cheap to clone; all clones mean the
/// same thread.
///
/// Most programs need none of their own: [`WebSocket::new`](crate::WebSocket::new) uses
/// [`Clients::shared`].
///
/// ```no_run
/// use std::time::Duration;
/// use sansws_mio::{Clients, Config, Settings};
///
/// let message = Config::new().max_message_len(1 << 30).max_frame_len(1 << 30);
/// let clients = Clients::start(Settings { message, ..Settings::default() })?;
/// let socket = clients.websocket("ws://localhost:8080/files").open()?;
/// # let _ = socket;
/// clients.shutdown(Duration::from_secs(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Clients {
    inner: Arc<Inner>,
}

struct Inner {
    thread: Arc<Thread>,
    join: Mutex<Option<JoinHandle<()>>>,
}

/// A callback that does not return, when everything has been cut off, is not waited for longer.
const GRACE: Duration = Duration::from_secs(5);

/// The thread that the whole process shares.
static SHARED: Mutex<Option<Clients>> = Mutex::new(None);

impl Clients {
    /// The thread that all of the process share, with default [`Settings`]; started when it is
    /// first asked for, and again after a [`shutdown`](Self::shutdown). It does not keep the
    /// process from ending.
    ///
    /// If the operating system gives no thread or no event queue (no open file is left, for
    /// example), every object on it fails with
    /// [`FailureCause::NoClientThread`](crate::FailureCause::NoClientThread). Its callbacks are
    /// called with that all the same: on a thread for this alone or, if there is none to be had, in
    /// the call that makes the object or binds them.
    pub fn shared() -> Self {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        match &*shared {
            Some(clients) if !clients.inner.thread.has_ended() => clients.clone(),
            before => {
                let clients = Self::start(Settings::default()).unwrap_or_else(|error| {
                    log::error!("cannot start the client thread: {error}");
                    // One such is enough.
                    let failed = before.as_ref().filter(|clients| clients.inner.thread.failure().is_some());
                    failed.cloned().unwrap_or_else(|| Self::failed(&error))
                });
                shared.insert(clients).clone()
            }
        }
    }

    pub(crate) fn failed(error: &io::Error) -> Self {
        Self { inner: Arc::new(Inner { thread: Thread::failed(error), join: Mutex::new(None) }) }
    }

    /// Starts a thread with settings of its own: limits on what servers may send, time-outs. It
    /// runs until [`shutdown`](Self::shutdown).
    ///
    /// [`Settings::max_buffered`] has no effect: each socket has [its own
    /// limit](crate::WebSocketBuilder::max_buffered).
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let event_loop = EventLoop::new(Driver, Settings { max_buffered: usize::MAX / 2, ..settings })?;
        let thread = Thread::new(event_loop.handle());
        let its_thread = Arc::clone(&thread);
        let join = std::thread::Builder::new()
            .name("websocket-clients".into())
            .spawn(move || run(event_loop, &its_thread))?;
        Ok(Self { inner: Arc::new(Inner { thread, join: Mutex::new(Some(join)) }) })
    }

    /// Ends the thread as the end of a page does: every connection is closed with 1001, what was
    /// sent before is written first. Waits until that is done, at most about `deadline`;
    /// connections that are left then are cut off. (Callbacks that do not return have 5 s more.)
    /// Sockets made later fail at once, and nobody is there to call their callbacks; those that
    /// wait for their events get them.
    ///
    /// Each call waits, also if another one came first; of their deadlines the earliest counts. In
    /// a callback it does not wait.
    pub fn shutdown(&self, deadline: Duration) {
        let thread = &self.inner.thread;
        thread.shutdown(deadline);
        if thread.is_current() {
            return;
        }
        if !thread.wait_for_end(deadline.saturating_add(GRACE)) {
            return log::error!("the client thread does not end: a callback has not returned");
        }
        let join = self.inner.join.lock().unwrap_or_else(PoisonError::into_inner).take();
        if join.is_some_and(|join| join.join().is_err()) {
            log::error!("the client thread panicked");
        }
    }

    /// Connections with a socket, those being set up included.
    pub fn connections(&self) -> usize {
        self.inner.thread.handle.connections()
    }

    pub(crate) fn thread(&self) -> Arc<Thread> {
        Arc::clone(&self.inner.thread)
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("connections", &self.connections()).finish_non_exhaustive()
    }
}
