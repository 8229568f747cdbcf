//! Dialled connections, RFC 6455 §4.1: from the URL to the open connection.
//!
//! A connection goes through these stages, forward only; a redirection begins anew.
//!
//! ```text
//! Resolving ─▶ Waiting ─▶ Connecting ─▶ Tunnelling ─▶ Securing ─▶ Responding ─▶ open
//! the name     its turn   the race      the proxy     TLS         the opening handshake
//! └────────── connect deadline ───────────────────┘   └────── handshake deadline ─────┘
//! ```
//!
//! After a response that refuses it is Refused instead of open, while the content of the response is read; the deadline stays.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sansws::{Assembler, Connection, Expired};

use crate::app::handler::Handler;
use crate::app::peer::Peer;
use crate::conn::ending::{By, Cause, Closed};
use crate::conn::head::Head;
use crate::conn::link::Link;
use crate::conn::peer_addr::PeerAddr;
use crate::conn::peer_id::PeerId;
use crate::dial::eyeballs::Eyeballs;
use crate::dial::race::Race;
use crate::dial::refusal::Refusal;
use crate::dial::resolve;
use crate::dial::resolve::Interest;
use crate::dial::serializer::{Places, Remote};
use crate::dial::tunnel::Tunnel;
use crate::event_loop::driver::Driver;
use crate::kernel::transport::Transport;
use crate::random;
use crate::settings::resolver::Resolved;
use crate::state::slots::{Open, Phase, Slot};
use crate::target::connect::Connect;
use crate::target::proxy::{ProxyError, ProxyServer};
use crate::target::url::Place;

/// A connection on its way.
pub(crate) struct Dialling<S> {
    pub(crate) connect: Connect<S>,
    pub(crate) nonce: [u8; 16],
    pub(crate) stage: Stage,
    /// When the stage, or the part of the way that it belongs to, is to be over.
    pub(crate) deadline: Option<Duration>,
    /// What is left of the time to connect, while it only waits.
    time_left: Option<Duration>,
    /// In the answer to its name, while it waits for that.
    interest: Option<Interest>,
    /// Its places among the opening handshakes that go on, one at a time for each server.
    pub(crate) places: Places,
}

pub(crate) enum Stage {
    /// For the addresses of the server, or of the proxy.
    Resolving,
    /// For other connections to the same server, through a proxy: without one, each attempt of the race has a turn of its own.
    Waiting(Vec<SocketAddr>),
    /// For one of the addresses, or for other connections to them.
    Connecting(Race),
    /// For the proxy.
    Tunnelling(Tunnel),
    /// For the end of the TLS handshake.
    Securing,
    /// For the response.
    Responding { head: Head, interim: u32 },
    /// For the content of the response, which is no 101. However this ends, the server has refused.
    Refused(Refusal),
}

impl<S> Dialling<S> {
    /// When to look at this connection again.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        let attempt = match &self.stage {
            Stage::Connecting(race) => race.poll_timeout(),
            _ => None,
        };
        match (self.deadline, attempt) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// The wait for others takes as long as they do: it does not count.
    pub(crate) fn suspend_deadline(&mut self, waits: bool, now: Duration) {
        if waits {
            if let Some(at) = self.deadline.take() {
                self.time_left = Some(at.saturating_sub(now));
            }
        } else if let Some(left) = self.time_left.take() {
            self.deadline = Some(now.saturating_add(left));
        }
    }

    /// The proxy that is in between.
    pub(crate) fn proxy(&self) -> Option<&ProxyServer> {
        let target = &self.connect.target;
        match target.place {
            Place::Host => self.connect.proxy.as_ref()?.server_for(target.secure, &target.host, target.port),
            _ => None,
        }
    }

    /// What it means that the name of the server, or of the proxy, has no addresses.
    fn not_resolved(&self, error: io::Error) -> Cause {
        if self.proxy().is_some() { Cause::Proxy(ProxyError::Resolve(error)) } else { Cause::Resolve(error) }
    }

    /// What a broken connection means at this stage.
    pub(crate) fn broken(&self, error: io::Error) -> Cause {
        match self.stage {
            Stage::Connecting(_) | Stage::Tunnelling(_) if self.proxy().is_some() => {
                Cause::Proxy(ProxyError::Io(error))
            }
            _ => Cause::of_transport(error),
        }
    }
}

impl<H: Handler> Driver<H> {
    /// Starts to dial. A failure is told to the handler.
    pub(crate) fn dial(&mut self, connect: Connect<H::Session>) -> PeerId {
        let mut link = Link::new(Transport::None, PeerAddr::Unknown, self.shared.now);
        link.slow_consumer = connect.slow_consumer;
        let dialling = Dialling {
            connect,
            nonce: random::nonce(),
            stage: Stage::Resolving,
            deadline: None,
            time_left: None,
            interest: None,
            places: Places::default(),
        };
        let id = self.insert(link, Phase::Dialling(Box::new(dialling)));
        if self.shutdown_at.is_some() {
            self.dial_failed(id.index, By::Local, Cause::Shutdown);
        } else {
            self.find_address(id.index);
        }
        id
    }

    /// Finds out where to connect to.
    pub(crate) fn find_address(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let id = slot.id;
        let Phase::Dialling(dialling) = &mut slot.phase else { return };
        let timeout = dialling.connect.connect_timeout.unwrap_or(self.shared.settings.timeouts.handshake);
        dialling.deadline = deadline(self.shared.now, timeout);
        dialling.stage = Stage::Resolving;
        let target = &dialling.connect.target;
        let (host, port) = match (&target.place, dialling.proxy()) {
            (Place::Tcp(address), _) => {
                let address = *address;
                slot.link.remote = PeerAddr::Tcp(address);
                return self.wait_for_turn(index, vec![address]);
            }
            #[cfg(unix)]
            (Place::Unix(_), _) => {
                slot.link.remote = PeerAddr::Unix;
                return self.start_connecting(index);
            }
            (Place::Host, Some(proxy)) => (&proxy.host, proxy.port),
            (Place::Host, None) => (&target.host, target.port),
        };
        if let Ok(ip) = host.parse::<IpAddr>() {
            return self.wait_for_turn(index, vec![SocketAddr::new(ip, port)]);
        }
        let inbox = Arc::clone(&self.inbox);
        let answer = move |resolved| inbox.resolved(id, resolved);
        dialling.interest = resolve::resolve(&self.shared.settings.resolver, host, port, answer);
        if dialling.interest.is_some() {
            return self.arm(index);
        }
        self.resolved(id, Err(io::Error::other("too many names wait to be resolved")));
    }

    /// A name has its answer.
    pub(crate) fn resolved(&mut self, id: PeerId, resolved: Resolved) {
        let Some(Slot { phase: Phase::Dialling(dialling), .. }) = self.slots.get_peer(id) else { return };
        if !matches!(dialling.stage, Stage::Resolving) {
            return;
        }
        dialling.interest = None;
        match resolved {
            Ok(addresses) => self.wait_for_turn(id.index, crate::dial::eyeballs::interleave(&addresses)),
            Err(error) => {
                let cause = dialling.not_resolved(error);
                self.dial_failed(id.index, By::Remote, cause);
            }
        }
    }

    /// §4.1: one opening handshake per server at a time.
    fn wait_for_turn(&mut self, index: u32, addresses: Vec<SocketAddr>) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Dialling(dialling) = &mut slot.phase else { return };
        dialling.stage = Stage::Waiting(addresses);
        self.take_places(index);
    }

    /// A place has come that was waited for: by the connection, or by an attempt of its race.
    pub(crate) fn take_places(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Dialling(dialling) = &mut slot.phase else { return };
        match dialling.stage {
            Stage::Waiting(_) => {}
            Stage::Connecting(_) => return self.race(index),
            _ => return,
        }
        let target = &dialling.connect.target;
        let waits = !dialling.connect.concurrent
            && dialling.proxy().is_some()
            && !dialling.places.enter(&mut self.serializer, Remote::name(&target.host, target.port), slot.id);
        dialling.suspend_deadline(waits, self.shared.now);
        if !waits {
            self.start_connecting(index);
        }
    }

    fn start_connecting(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Dialling(dialling) = &mut slot.phase else { return };
        let race = match std::mem::replace(&mut dialling.stage, Stage::Resolving) {
            Stage::Waiting(addresses) => Race::new(Eyeballs::new(&addresses)),
            _ => Race::new(Eyeballs::new(&[])),
        };
        dialling.stage = Stage::Connecting(race);
        self.race(index);
    }

    /// Something happened to a connection that is being dialled.
    pub(crate) fn dialling_ready(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Dialling(dialling) = &mut slot.phase else { return };
        match dialling.stage {
            Stage::Resolving | Stage::Waiting(_) => {}
            Stage::Connecting(_) => self.race(index),
            Stage::Securing => self.go_on_securing(index),
            Stage::Tunnelling(_) | Stage::Responding { .. } | Stage::Refused(_) => self.read_answer(index),
        }
    }

    /// A moment has come that [`Dialling::poll_timeout`] named.
    pub(crate) fn dialling_timeout(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Dialling(dialling) = &mut slot.phase else { return };
        let is_late = dialling.deadline.is_some_and(|at| at <= self.shared.now);
        match dialling.stage {
            Stage::Securing | Stage::Responding { .. } | Stage::Refused(_) if is_late => {
                self.dial_failed(index, By::Local, Cause::TimedOut(Expired::Handshake));
            }
            Stage::Resolving if is_late => {
                let cause =
                    dialling.not_resolved(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"));
                self.dial_failed(index, By::Local, cause);
            }
            _ if is_late => self.dial_failed(index, By::Local, Cause::ConnectTimedOut),
            Stage::Connecting(_) => self.race(index),
            _ => {}
        }
    }

    /// The connection is open; `rest` are its first frames.
    pub(crate) fn dialled(
        &mut self,
        index: u32,
        conn: Connection,
        subprotocol: Option<Box<str>>,
        rest: &mut [u8],
    ) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Phase::Dialling(dialling) = std::mem::replace(&mut slot.phase, Phase::Lingering) else { return };
        let Connect { session, streaming, .. } = dialling.connect;
        slot.link.subprotocol = subprotocol;
        slot.phase = Phase::Open(Open { conn, assembler: Assembler::new(), session, streaming });
        self.opened(index, rest);
        self.give_up_places(dialling.places);
    }

    /// Tells the application that there will be no connection.
    pub(crate) fn dial_failed(&mut self, index: u32, by: By, cause: Cause) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        if !matches!(slot.phase, Phase::Dialling(_)) {
            return;
        }
        let Phase::Dialling(dialling) = std::mem::replace(&mut slot.phase, Phase::Lingering) else { return };
        let target = &dialling.connect.target;
        let (by, cause) = match dialling.stage {
            // Whatever kept the rest of its content away: the server has refused.
            Stage::Refused(refusal) => (By::Remote, refusal.into_cause()),
            _ => (by, cause),
        };
        log::debug!("{} ({}): dialling failed: {cause}", target.authority, slot.link.remote);
        // Nothing can be sent: a connection that has ended says so.
        let mut conn = Connection::client(&self.shared.settings.message, random::masking_key);
        conn.receive_eof();
        let mut session = dialling.connect.session;
        let closed =
            Closed { code: conn.close_code(), reason: "", was_clean: false, by, cause: Some(&cause) };
        let mut peer = Peer::new(slot.id, &mut conn, &mut slot.link, &mut session, &mut self.shared);
        self.handler.close(&mut peer, closed);
        self.die(index);
        self.give_up_places(dialling.places);
    }

    /// The opening handshake with these servers is over: the next ones may begin.
    pub(crate) fn give_up_places(&mut self, mut places: Places) {
        places.stop_waiting(&mut self.serializer);
        self.give_up_remotes(places.into_held());
    }

    pub(crate) fn give_up_remotes(&mut self, remotes: Vec<Remote>) {
        for remote in remotes {
            while let Some(id) = self.serializer.leave(&remote) {
                if let Some(Slot { phase: Phase::Dialling(dialling), .. }) = self.slots.get_peer(id) {
                    dialling.places.granted(&remote);
                    self.start_next.push_back(id);
                    break;
                }
            }
        }
    }
}

/// [`Duration::ZERO`] is no limit, as in [`Timeouts`](crate::Timeouts).
pub(crate) fn deadline(now: Duration, timeout: Duration) -> Option<Duration> {
    (!timeout.is_zero()).then(|| now.saturating_add(timeout))
}
