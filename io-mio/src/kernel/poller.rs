//! The event queue of the kernel.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use mio::{Events, Poll, Token};

use crate::kernel::edges::Readiness;
use crate::kernel::listener::Listener;
use crate::kernel::socket::Socket;

/// Events taken from the kernel at a time.
const EVENTS: usize = 1024;

/// The token of the loop's waker.
const WAKER: Token = Token(usize::MAX);

/// Tokens of listeners come after all slots, and before that of the waker.
const FIRST_LISTENER: usize = WAKER.0 - MAX_LISTENERS;

/// Far more than anybody listens on. Where addresses have 32 bits, no more slots than the other
/// tokens fit into memory.
const MAX_LISTENERS: usize = 1 << 16;

/// Waits for sockets.
pub(crate) struct Poller {
    poll: Poll,
    events: Events,
}

/// What has become ready.
pub(crate) enum Ready {
    /// The waker was used.
    Woken,
    /// The listener with this number.
    Listener(usize),
    /// The socket of this slot.
    Socket(u32, Readiness),
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { poll: Poll::new()?, events: Events::with_capacity(EVENTS) })
    }

    /// Where sockets are registered.
    pub(crate) fn registry(&self) -> io::Result<Registry> {
        self.poll.registry().try_clone().map(Registry)
    }

    /// Ends a wait, from any thread. One waker for each poller.
    pub(crate) fn waker(&self) -> io::Result<Waker> {
        mio::Waker::new(self.poll.registry(), WAKER).map(|waker| Arc::new(LoopWaker(waker)).into())
    }

    /// Waits for events, at most this long.
    pub(crate) fn wait(&mut self, most: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, most) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            Err(_) => self.events.clear(),
            Ok(()) => {}
        }
        Ok(())
    }

    /// What the last wait has found.
    pub(crate) fn ready(&self) -> impl Iterator<Item = Ready> {
        self.events.iter().map(|event| {
            let token = event.token();
            if token == WAKER {
                return Ready::Woken;
            }
            if let Some(listener) = token.0.checked_sub(FIRST_LISTENER) {
                return Ready::Listener(listener);
            }
            let readiness = Readiness {
                readable: event.is_readable(),
                writable: event.is_writable() || event.is_write_closed() || event.is_error(),
                ended: event.is_error() || event.is_read_closed(),
                broken: event.is_error(),
            };
            Ready::Socket(token.0 as u32, readiness)
        })
    }
}

/// Has the kernel watch sockets.
pub(crate) struct Registry(mio::Registry);

impl Registry {
    /// Events of this socket are those of a slot from now on.
    pub(crate) fn watch(&self, socket: &mut Socket, index: u32) -> io::Result<()> {
        socket.register(&self.0, Token(index as usize))
    }

    /// Has the state of the socket reported anew.
    pub(crate) fn watch_anew(&self, socket: &mut Socket, index: u32) -> io::Result<()> {
        socket.reregister(&self.0, Token(index as usize))
    }

    /// Events of this listener are those of the number.
    pub(crate) fn listen(&self, listener: &mut Listener, number: usize) -> io::Result<()> {
        if number >= MAX_LISTENERS {
            return Err(io::Error::new(ErrorKind::InvalidInput, "too many listeners"));
        }
        listener.register(&self.0, Token(FIRST_LISTENER + number))
    }
}

struct LoopWaker(mio::Waker);

impl Wake for LoopWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Err(error) = self.0.wake() {
            log::error!("cannot wake the event loop: {error}");
        }
    }
}
