//! The race between the addresses of a server: sockets for what [`Eyeballs`] decides.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::conn::peer_addr::PeerAddr;
use crate::dial::eyeballs::Eyeballs;
use crate::dial::serializer::Remote;

/// Sockets `T` on their way to the same server. An event of one has all looked at, and they are
/// few.
pub(crate) struct Race<T> {
    eyeballs: Eyeballs,
    runners: Vec<(PeerAddr, T)>,
    last_error: Option<io::Error>,
}

impl<T> Race<T> {
    pub(crate) fn new(eyeballs: Eyeballs) -> Self {
        Self { eyeballs, runners: Vec::new(), last_error: None }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        self.eyeballs.poll_timeout()
    }

    /// Whether no attempt is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.runners.is_empty()
    }

    /// Adds an attempt that is nobody's decision: there is one way only.
    pub(crate) fn start(&mut self, remote: PeerAddr, socket: T) {
        self.runners.push((remote, socket));
    }

    /// Sees how the sockets are doing and starts those whose time has come, if they may.
    /// `Ok(None)`: still racing. An error: all have failed; it is the one that came last.
    pub(crate) fn go_on(
        &mut self,
        now: Duration,
        mut may_start: impl FnMut(&SocketAddr) -> bool,
        mut connect: impl FnMut(SocketAddr) -> io::Result<T>,
        connected: impl Fn(&T) -> io::Result<bool>,
    ) -> io::Result<Option<(PeerAddr, T)>> {
        loop {
            if let Some(winner) = self.winner(&connected) {
                return Ok(Some(winner));
            }
            let Some(address) = self.eyeballs.next(now, &mut may_start) else { break };
            match connect(address) {
                Ok(socket) => self.start(PeerAddr::Tcp(address), socket),
                Err(error) => self.lost(error),
            }
        }
        if self.runners.is_empty() && self.eyeballs.is_lost() {
            let none = || io::Error::new(io::ErrorKind::NotFound, "no address to connect to");
            return Err(self.last_error.take().unwrap_or_else(none));
        }
        Ok(None)
    }

    /// Takes out who has connected; drops those who cannot.
    fn winner(&mut self, connected: impl Fn(&T) -> io::Result<bool>) -> Option<(PeerAddr, T)> {
        let mut at = 0;
        while let Some((remote, socket)) = self.runners.get(at) {
            match connected(socket) {
                Ok(true) => return Some(self.runners.swap_remove(at)),
                Ok(false) => at += 1,
                Err(error) => {
                    log::debug!("{remote}: {error}");
                    self.runners.remove(at);
                    self.lost(error);
                }
            }
        }
        None
    }

    /// Whether an attempt to connect to this server is under way.
    pub(crate) fn is_at(&self, remote: &Remote) -> bool {
        self.runners
            .iter()
            .any(|(peer, _)| matches!(peer, PeerAddr::Tcp(address) if Remote::address(address) == *remote))
    }

    fn lost(&mut self, error: io::Error) {
        self.eyeballs.failed();
        self.last_error = Some(error);
    }
}
