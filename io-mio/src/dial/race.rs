//! The race between the addresses of a server: sockets for what [`Eyeballs`] decides.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;
use mio::{Registry, Token};

use crate::app::handler::Handler;
use crate::conn::ending::By;
use crate::conn::peer_addr::PeerAddr;
use crate::dial::dialling::Stage;
use crate::dial::eyeballs::Eyeballs;
use crate::dial::serializer::Remote;
use crate::event_loop::driver::Driver;
use crate::kernel::transport::Transport;
use crate::state::slots::Phase;
use crate::target::url::Place;

/// Sockets on their way to the same server. All have the token of the one connection they race for: an event of one has all looked at,
/// and they are few.
pub(crate) struct Race {
    eyeballs: Eyeballs,
    runners: Vec<(PeerAddr, Transport)>,
    last_error: Option<io::Error>,
}

impl Race {
    pub(crate) fn new(eyeballs: Eyeballs) -> Self {
        Self { eyeballs, runners: Vec::new(), last_error: None }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        self.eyeballs.poll_timeout()
    }

    /// Sees how the sockets are doing and starts those whose time has come, if they may. `Ok(None)`: still racing. An error: all have
    /// failed; it is the one that came last.
    fn go_on(
        &mut self,
        now: Duration,
        mut may_start: impl FnMut(&SocketAddr) -> bool,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Option<(PeerAddr, Transport)>> {
        loop {
            if let Some(winner) = self.winner() {
                return Ok(Some(winner));
            }
            let Some(address) = self.eyeballs.next(now, &mut may_start) else { break };
            match connect_tcp(address, registry, token) {
                Ok(transport) => self.runners.push((PeerAddr::Tcp(address), transport)),
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
    fn winner(&mut self) -> Option<(PeerAddr, Transport)> {
        let mut at = 0;
        while let Some((remote, transport)) = self.runners.get(at) {
            match transport.connected() {
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
    fn is_at(&self, remote: &Remote) -> bool {
        self.runners
            .iter()
            .any(|(peer, _)| matches!(peer, PeerAddr::Tcp(address) if Remote::address(address) == *remote))
    }

    fn lost(&mut self, error: io::Error) {
        self.eyeballs.failed();
        self.last_error = Some(error);
    }
}

impl<H: Handler> Driver<H> {
    /// Goes on with the race, to its end if it has come.
    pub(crate) fn race(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Dialling(dialling) = &mut slot.phase else { return };
        // §4.1: one connection at a time to an address. Through a proxy it is the server's name that has its turn, before the race.
        let needs_places = !dialling.connect.concurrent && dialling.proxy().is_none();
        let Stage::Connecting(race) = &mut dialling.stage else { return };
        let (now, token) = (self.shared.now, Token(index as usize));
        let (places, serializer, id) = (&mut dialling.places, &mut self.serializer, slot.id);
        let may_start =
            |address: &SocketAddr| !needs_places || places.enter(serializer, Remote::address(address), id);
        let result = match &dialling.connect.target.place {
            #[cfg(unix)]
            Place::Unix(path) if race.runners.is_empty() => connect_unix(path, &self.registry, token)
                .and_then(|transport| {
                    race.runners.push((PeerAddr::Unix, transport));
                    race.go_on(now, may_start, &self.registry, token)
                }),
            _ => race.go_on(now, may_start, &self.registry, token),
        };
        match result {
            Ok(None) => {
                let waits = race.runners.is_empty();
                // An attempt that failed keeps its address from nobody.
                let given_up = if needs_places {
                    dialling.places.give_up(|remote| !race.is_at(remote))
                } else {
                    Vec::new()
                };
                dialling.suspend_deadline(waits, now);
                self.give_up_remotes(given_up);
                self.arm(index);
            }
            Ok(Some((remote, mut transport))) => {
                // What the loop was told was about any of the sockets; now it is told again, about this one.
                if let Err(error) = transport.reregister(&self.registry, token) {
                    let cause = dialling.broken(error);
                    return self.dial_failed(index, By::Remote, cause);
                }
                dialling.suspend_deadline(false, now);
                let link = &mut slot.link;
                transport.set_nodelay();
                link.remote = remote;
                link.transport = transport;
                (link.readable, link.read_closed, link.writable) = (false, false, true);
                // A name can claim the address of any server: only that which was reached is kept from others meanwhile.
                dialling.places.stop_waiting(&mut self.serializer);
                let others = match remote {
                    PeerAddr::Tcp(address) if needs_places => {
                        let reached = Remote::address(&address);
                        dialling.places.give_up(|other| *other != reached)
                    }
                    _ => Vec::new(),
                };
                self.give_up_remotes(others);
                self.connected(index);
            }
            Err(error) => {
                let cause = dialling.broken(error);
                self.dial_failed(index, By::Remote, cause);
            }
        }
    }
}

fn connect_tcp(address: SocketAddr, registry: &Registry, token: Token) -> io::Result<Transport> {
    let mut transport = Transport::Tcp(TcpStream::connect(address)?);
    transport.register(registry, token)?;
    Ok(transport)
}

#[cfg(unix)]
fn connect_unix(path: &std::path::Path, registry: &Registry, token: Token) -> io::Result<Transport> {
    let mut transport = Transport::Unix(UnixStream::connect(path)?);
    transport.register(registry, token)?;
    Ok(transport)
}
