//! The listening sockets of a loop.

use std::io::{self, ErrorKind};
use std::time::Duration;

use crate::conn::peer_addr::PeerAddr;
use crate::kernel::listener::{Bound, Listener, Security};
use crate::kernel::poller::Registry;
use crate::kernel::socket::Socket;
use crate::state::timers::{Tick, tick_at};

/// Connections accepted before others have their turn.
const ACCEPTS_PER_TURN: usize = 64;

/// After an error of `accept`, such as too many open files, the next try waits this long: the queue
/// of the kernel stays as it is.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Default)]
pub(crate) struct Accepting {
    listeners: Vec<Listening>,
    paused_until: Option<Tick>,
}

struct Listening {
    listener: Listener,
    security: Security,
    /// The kernel may have a connection for us.
    ready: bool,
    /// Connections that were accepted in this turn.
    accepted: usize,
}

impl Accepting {
    pub(crate) fn listen(&mut self, bound: Bound, security: Security, registry: &Registry) -> io::Result<()> {
        let mut listener = Listener::new(bound);
        registry.listen(&mut listener, self.listeners.len())?;
        // What waits in the queue already comes with the first event.
        self.listeners.push(Listening { listener, security, ready: false, accepted: 0 });
        Ok(())
    }

    /// An event has come for this listener.
    pub(crate) fn ready(&mut self, listener: usize) {
        if let Some(listening) = self.listeners.get_mut(listener) {
            listening.ready = true;
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.paused_until.is_none() && self.listeners.iter().any(|listening| listening.ready)
    }

    pub(crate) fn paused_until(&self) -> Option<Tick> {
        self.paused_until
    }

    pub(crate) fn stop(&mut self) {
        self.listeners = Vec::new();
        self.paused_until = None;
    }

    /// A new turn: each listener may have connections accepted again. Returns whether there may be
    /// any.
    pub(crate) fn begin(&mut self, now: Duration) -> bool {
        if self.paused_until.is_some_and(|until| until > tick_at(now)) {
            return false;
        }
        self.paused_until = None;
        self.listeners.iter_mut().for_each(|listening| listening.accepted = 0);
        self.listeners.iter().any(|listening| listening.ready)
    }

    /// The next connection that may be accepted in this turn, and what it speaks below HTTP.
    pub(crate) fn next(&mut self, now: Duration) -> Option<(Socket, PeerAddr, Security)> {
        if self.paused_until.is_some() {
            return None;
        }
        for listening in &mut self.listeners {
            while listening.ready && listening.accepted < ACCEPTS_PER_TURN {
                listening.accepted += 1;
                let error = match listening.listener.accept() {
                    Ok((socket, remote)) => return Some((socket, remote, listening.security.clone())),
                    Err(error) => error,
                };
                match error.kind() {
                    ErrorKind::WouldBlock => listening.ready = false,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset => {}
                    _ => {
                        // Usually too many open files: no event comes when there is room again.
                        log::warn!("cannot accept connections for now: {error}");
                        self.paused_until = Some(tick_at(now + PAUSE));
                        return None;
                    }
                }
            }
        }
        None
    }
}
