//! Dialled connections, RFC 6455 §4.1: from the URL to the open connection, without a socket.
//!
//! A connection goes through these stages, forward only; a redirection begins anew.
//!
//! ```text
//! Resolving ─▶ Waiting ─▶ Connecting ─▶ Tunnelling ─▶ Securing ─▶ Responding ─▶ open
//! the name     its turn   the race      the proxy     TLS         the opening handshake
//! └────────── connect deadline ───────────────────┘   └────── handshake deadline ─────┘
//! ```
//!
//! After a response that refuses it is Refused instead of open, while the content of the response
//! is read; the deadline stays.
//!
//! Each step returns what the machine [needs](Needs) to go on.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sansws::{Connection, Expired};

use crate::conn::ending::{By, Cause};
use crate::conn::head::Head;
use crate::conn::peer_addr::PeerAddr;
use crate::conn::peer_id::PeerId;
use crate::dial::answers::{Verdict, check_response};
use crate::dial::eyeballs::{Eyeballs, interleave};
use crate::dial::race::Race;
use crate::dial::refusal::Refusal;
use crate::dial::resolve::Interest;
use crate::dial::serializer::{Places, Remote, Serializer};
use crate::dial::tunnel::{Tunnel, write_connect};
use crate::random;
use crate::settings::Settings;
use crate::settings::resolver::Resolved;
use crate::target::connect::Connect;
use crate::target::proxy::{ProxyError, ProxyServer};
use crate::target::url::{Place, Target};

/// Interim responses before the one that counts.
const MAX_INTERIM: u32 = 16;

/// A connection on its way, over sockets `T`.
pub(crate) struct Dialling<S, T> {
    connect: Connect<S>,
    nonce: [u8; 16],
    stage: Stage<T>,
    /// When the stage, or the part of the way that it belongs to, is to be over.
    deadline: Option<Duration>,
    /// What is left of the time to connect, while it only waits.
    time_left: Option<Duration>,
    /// In the answer to its name, while it waits for that.
    interest: Option<Interest>,
    /// Its places among the opening handshakes that go on, one at a time for each server.
    places: Places,
}

enum Stage<T> {
    /// For the addresses of the server, or of the proxy.
    Resolving,
    /// For other connections to the same server, through a proxy: without one, each attempt of the
    /// race has a turn of its own.
    Waiting(Vec<SocketAddr>),
    /// For one of the addresses, or for other connections to them.
    Connecting(Race<T>),
    /// For the proxy.
    Tunnelling(Tunnel),
    /// For the end of the TLS handshake.
    Securing,
    /// For the response.
    Responding { head: Head, interim: u32 },
    /// For the content of the response, which is no 101. However this ends, the server has refused.
    Refused(Refusal),
}

/// What the next step waits for.
pub(crate) enum Needs {
    /// Time, or other connections.
    Nothing,
    /// The addresses of this name: [`Dialling::awaits`], [`Dialling::resolved`].
    Name { host: String, port: u16 },
    /// Sockets: [`Dialling::race`].
    Race,
    /// TLS with the server, see [`Dialling::connect`]: [`Dialling::secured`].
    Tls,
    /// The stream leads to the server from here on: [`Dialling::reached`].
    Reached,
    /// What was appended to `out` is to be written; then bytes of the peer's:
    /// [`Dialling::received`].
    Bytes,
    /// To begin anew with a new socket: [`Dialling::find_address`].
    Anew,
    /// Nothing more: there will be no connection.
    Failed(By, Cause),
}

/// What bytes of the peer's lead to.
#[expect(clippy::large_enum_variant, reason = "handed over once, at once")]
pub(crate) enum Answer<'b> {
    /// The connection is open. `rest` are its first frames.
    Open { conn: Connection, subprotocol: Option<Box<str>>, rest: &'b mut [u8] },
    /// It is not, yet.
    Needs(Needs),
}

/// What the machine is lent for a step.
pub(crate) struct Around<'a> {
    pub(crate) id: PeerId,
    pub(crate) now: Duration,
    pub(crate) settings: &'a Settings,
    pub(crate) serializer: &'a mut Serializer,
    /// Servers whose opening handshakes are over: others may have theirs (§4.1).
    pub(crate) given_up: &'a mut Vec<Remote>,
}

/// What waits for bytes of the peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    /// Not for an event of a socket.
    NotForBytes,
    /// For a socket to be connected.
    ForSocket,
    /// For the TLS handshake.
    ForTls,
    ForBytes,
}

impl<S, T> Dialling<S, T> {
    pub(crate) fn new(connect: Connect<S>) -> Self {
        Self {
            connect,
            nonce: random::nonce(),
            stage: Stage::Resolving,
            deadline: None,
            time_left: None,
            interest: None,
            places: Places::default(),
        }
    }

    pub(crate) fn connect(&self) -> &Connect<S> {
        &self.connect
    }

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

    pub(crate) fn waits(&self) -> Waits {
        match self.stage {
            Stage::Resolving | Stage::Waiting(_) => Waits::NotForBytes,
            Stage::Connecting(_) => Waits::ForSocket,
            Stage::Securing => Waits::ForTls,
            Stage::Tunnelling(_) | Stage::Responding { .. } | Stage::Refused(_) => Waits::ForBytes,
        }
    }

    /// Where the connection leads if that needs no name: for the application's eyes.
    pub(crate) fn known_address(&self) -> Option<PeerAddr> {
        match &self.connect.target.place {
            Place::Tcp(address) => Some(PeerAddr::Tcp(*address)),
            #[cfg(unix)]
            Place::Unix(_) => Some(PeerAddr::Unix),
            Place::Host => None,
        }
    }

    /// Finds out where to connect to.
    pub(crate) fn find_address(&mut self, around: &mut Around<'_>) -> Needs {
        let timeout = self.connect.connect_timeout.unwrap_or(around.settings.timeouts.handshake);
        self.deadline = deadline(around.now, timeout);
        self.stage = Stage::Resolving;
        let target = &self.connect.target;
        let (host, port) = match (&target.place, self.proxy()) {
            (Place::Tcp(address), _) => {
                let address = *address;
                return self.wait_for_turn(vec![address], around);
            }
            #[cfg(unix)]
            (Place::Unix(_), _) => return self.start_connecting(),
            (Place::Host, Some(proxy)) => (&proxy.host, proxy.port),
            (Place::Host, None) => (&target.host, target.port),
        };
        match host.parse::<IpAddr>() {
            Ok(ip) => self.wait_for_turn(vec![SocketAddr::new(ip, port)], around),
            Err(_) => Needs::Name { host: host.clone(), port },
        }
    }

    /// The name is being resolved, as long as this lives.
    pub(crate) fn awaits(&mut self, interest: Interest) {
        self.interest = Some(interest);
    }

    /// The name has its answer.
    pub(crate) fn resolved(&mut self, resolved: Resolved, around: &mut Around<'_>) -> Needs {
        if !matches!(self.stage, Stage::Resolving) {
            return Needs::Nothing;
        }
        self.interest = None;
        match resolved {
            Ok(addresses) => self.wait_for_turn(interleave(&addresses), around),
            Err(error) => Needs::Failed(By::Remote, self.not_resolved(error)),
        }
    }

    /// §4.1: one opening handshake per server at a time.
    fn wait_for_turn(&mut self, addresses: Vec<SocketAddr>, around: &mut Around<'_>) -> Needs {
        self.stage = Stage::Waiting(addresses);
        self.take_places(around)
    }

    /// A place that was waited for has come; [`take_places`](Self::take_places) goes on with it.
    pub(crate) fn granted(&mut self, remote: &Remote) {
        self.places.granted(remote);
    }

    /// Goes on with the places there are, of the connection or of an attempt of its race.
    pub(crate) fn take_places(&mut self, around: &mut Around<'_>) -> Needs {
        match self.stage {
            Stage::Waiting(_) => {}
            Stage::Connecting(_) => return Needs::Race,
            _ => return Needs::Nothing,
        }
        let target = &self.connect.target;
        let remote = Remote::name(&target.host, target.port);
        let waits = !self.connect.concurrent
            && self.proxy().is_some()
            && !self.places.enter(around.serializer, remote, around.id);
        self.suspend_deadline(waits, around.now);
        if waits { Needs::Nothing } else { self.start_connecting() }
    }

    fn start_connecting(&mut self) -> Needs {
        let addresses = match std::mem::replace(&mut self.stage, Stage::Resolving) {
            Stage::Waiting(addresses) => addresses,
            _ => Vec::new(),
        };
        self.stage = Stage::Connecting(Race::new(Eyeballs::new(&addresses)));
        Needs::Race
    }

    /// Goes on with the race, to its end if it has come: then returns the socket that won, which
    /// [`connected`](Self::connected) tells of.
    pub(crate) fn race(
        &mut self,
        around: &mut Around<'_>,
        connect: impl FnMut(SocketAddr) -> io::Result<T>,
        #[cfg(unix)] connect_unix: impl FnOnce(&std::path::Path) -> io::Result<T>,
        connected: impl Fn(&T) -> io::Result<bool>,
    ) -> Result<Option<(PeerAddr, T)>, Cause> {
        // §4.1: one connection at a time to an address. Through a proxy it is the server's name
        // that has its turn, before the race.
        let needs_places = !self.connect.concurrent && self.proxy().is_none();
        let Stage::Connecting(race) = &mut self.stage else { return Ok(None) };
        let now = around.now;
        let (places, serializer, id) = (&mut self.places, &mut *around.serializer, around.id);
        let may_start =
            |address: &SocketAddr| !needs_places || places.enter(serializer, Remote::address(address), id);
        let result = match &self.connect.target.place {
            #[cfg(unix)]
            Place::Unix(path) if race.is_empty() => connect_unix(path).and_then(|socket| {
                race.start(PeerAddr::Unix, socket);
                race.go_on(now, may_start, connect, connected)
            }),
            _ => race.go_on(now, may_start, connect, connected),
        };
        match result {
            Ok(None) => {
                let waits = race.is_empty();
                // An attempt that failed keeps its address from nobody.
                if needs_places {
                    around.given_up.extend(self.places.give_up(|remote| !race.is_at(remote)));
                }
                self.suspend_deadline(waits, now);
                Ok(None)
            }
            Ok(Some((remote, socket))) => {
                self.suspend_deadline(false, now);
                // A name can claim the address of any server: only that which was reached is kept
                // from others meanwhile.
                self.places.stop_waiting(around.serializer);
                if let (PeerAddr::Tcp(address), true) = (remote, needs_places) {
                    let reached = Remote::address(&address);
                    around.given_up.extend(self.places.give_up(|other| *other != reached));
                }
                Ok(Some((remote, socket)))
            }
            Err(error) => Err(self.broken(error)),
        }
    }

    /// There is a byte stream, to the server or to the proxy.
    pub(crate) fn connected(&mut self, out: &mut Vec<u8>, around: &Around<'_>) -> Needs {
        let Some(proxy) = self.proxy() else { return Needs::Reached };
        let target = &self.connect.target;
        if let Err(error) = write_connect(proxy, &target.host, target.port, out) {
            out.clear();
            return Needs::Failed(By::Local, Cause::Proxy(error));
        }
        let settings = around.settings;
        self.stage = Stage::Tunnelling(Tunnel::new(settings.max_head_len, settings.max_headers));
        Needs::Bytes
    }

    /// There is a byte stream to the server.
    pub(crate) fn reached(
        &mut self,
        out: &mut Vec<u8>,
        around: &Around<'_>,
        head: impl FnOnce(&mut S, By, &[u8]),
    ) -> Needs {
        let timeout = self.connect.handshake_timeout.unwrap_or(around.settings.timeouts.handshake);
        self.deadline = deadline(around.now, timeout);
        // RFC 6455 §4.1 (5): "If /secure/ is true, the client MUST perform a TLS handshake over the
        // connection after opening the connection and before sending the handshake data".
        if self.connect.target.secure {
            self.stage = Stage::Securing;
            return Needs::Tls;
        }
        self.secured(out, around, head)
    }

    /// The stream is as secure as it is to be: the request goes out.
    pub(crate) fn secured(
        &mut self,
        out: &mut Vec<u8>,
        around: &Around<'_>,
        head: impl FnOnce(&mut S, By, &[u8]),
    ) -> Needs {
        let nonce = self.nonce;
        if let Err(error) = self.connect.with_request(|request| request.write(&nonce, out)) {
            out.clear();
            return Needs::Failed(By::Local, Cause::Handshake(error));
        }
        head(&mut self.connect.session, By::Local, out);
        self.stage = Stage::Responding { head: Head::new(around.settings.max_head_len), interim: 0 };
        Needs::Bytes
    }

    /// Bytes of the proxy's or the server's have come; none at the end of the stream. `collected`
    /// is empty, room for a head that came in pieces. `head` is called with each head of the
    /// server's.
    pub(crate) fn received<'b>(
        &mut self,
        input: &'b mut [u8],
        collected: &'b mut Vec<u8>,
        around: &mut Around<'_>,
        head: impl FnMut(&mut S, By, &[u8]),
    ) -> Answer<'b> {
        Answer::Needs(match &mut self.stage {
            Stage::Tunnelling(_) if input.is_empty() => {
                Needs::Failed(By::Remote, Cause::Proxy(ProxyError::Eof))
            }
            Stage::Tunnelling(tunnel) => match tunnel.received(input) {
                Ok(true) => Needs::Reached,
                Ok(false) => Needs::Nothing,
                Err(error) => Needs::Failed(By::Remote, Cause::Proxy(error)),
            },
            _ if input.is_empty() => Needs::Failed(By::Remote, Cause::Eof),
            Stage::Refused(refusal) => after(refusal, input),
            _ => match self.response_arrived(input, collected, around, head) {
                Ok(answer) => return answer,
                Err(cause) => Needs::Failed(By::Remote, cause),
            },
        })
    }

    fn response_arrived<'b>(
        &mut self,
        input: &'b mut [u8],
        collected: &'b mut Vec<u8>,
        around: &mut Around<'_>,
        mut tell: impl FnMut(&mut S, By, &[u8]),
    ) -> Result<Answer<'b>, Cause> {
        let Stage::Responding { head, interim } = &mut self.stage else {
            return Ok(Answer::Needs(Needs::Nothing));
        };
        let parts = head.add(input, collected).map_err(Cause::Handshake)?;
        let Some((mut head_bytes, mut rest)) = parts else { return Ok(Answer::Needs(Needs::Nothing)) };
        // §4.1 (1) has other statuses handled "per HTTP procedures": 1xx responses come before the
        // one that counts.
        loop {
            tell(&mut self.connect.session, By::Remote, head_bytes);
            match check_response(&self.connect, &self.nonce, head_bytes, around.settings)? {
                Verdict::Accepted(conn, subprotocol) => {
                    return Ok(Answer::Open { conn, subprotocol, rest });
                }
                Verdict::Redirected(target) => {
                    self.redirect(target, around);
                    return Ok(Answer::Needs(Needs::Anew));
                }
                Verdict::Refused(mut refusal) => {
                    let needs = after(&mut refusal, rest);
                    self.stage = Stage::Refused(refusal);
                    // The opening handshake has failed: others may have theirs (§4.1).
                    self.give_up_places(around);
                    return Ok(Answer::Needs(needs));
                }
                Verdict::Interim => {}
            }
            *interim += 1;
            if *interim > MAX_INTERIM {
                return Err(Cause::Handshake(sansws::handshake::HandshakeError::TooManyInterim));
            }
            let mut next = Head::new(around.settings.max_head_len);
            let Some(parts) = next.begin(rest).map_err(Cause::Handshake)? else {
                *head = next;
                return Ok(Answer::Needs(Needs::Nothing));
            };
            (head_bytes, rest) = parts;
        }
    }

    /// Begins anew, with another server or another resource.
    fn redirect(&mut self, target: Target, around: &mut Around<'_>) {
        log::debug!("{}: redirected to {}", self.connect.target.authority, target.authority);
        let connect = &mut self.connect;
        connect.redirects = connect.redirects.saturating_sub(1);
        connect.redirected = true;
        if !connect.target.same_origin(&target) {
            connect.drop_secrets();
        }
        connect.target = target;
        // §4.1: the nonce "MUST be selected randomly for each connection".
        self.nonce = random::nonce();
        self.stage = Stage::Resolving;
        self.give_up_places(around);
    }

    /// A moment has come that [`poll_timeout`](Self::poll_timeout) named.
    pub(crate) fn timed_out(&self, now: Duration) -> Needs {
        let is_late = self.deadline.is_some_and(|at| at <= now);
        match self.stage {
            Stage::Securing | Stage::Responding { .. } | Stage::Refused(_) if is_late => {
                Needs::Failed(By::Local, Cause::TimedOut(Expired::Handshake))
            }
            Stage::Resolving if is_late => {
                let error = io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
                Needs::Failed(By::Local, self.not_resolved(error))
            }
            _ if is_late => Needs::Failed(By::Local, Cause::ConnectTimedOut),
            Stage::Connecting(_) => Needs::Race,
            _ => Needs::Nothing,
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

    /// The opening handshake with these servers is over: the next ones may begin.
    fn give_up_places(&mut self, around: &mut Around<'_>) {
        let mut places = std::mem::take(&mut self.places);
        places.stop_waiting(around.serializer);
        around.given_up.extend(places.into_held());
    }

    /// The connection is open.
    pub(crate) fn into_opened(mut self, around: &mut Around<'_>) -> Connect<S> {
        self.give_up_places(around);
        self.connect
    }

    /// There will be no connection. Returns the session, and what to say about it.
    pub(crate) fn into_failed(mut self, by: By, cause: Cause, around: &mut Around<'_>) -> (S, By, Cause) {
        self.give_up_places(around);
        let (by, cause) = match self.stage {
            // Whatever kept the rest of its content away: the server has refused.
            Stage::Refused(refusal) => (By::Remote, refusal.into_cause()),
            _ => (by, cause),
        };
        log::debug!("{}: dialling failed: {cause}", self.connect.target.authority);
        (self.connect.session, by, cause)
    }

    /// The wait for others takes as long as they do: it does not count.
    fn suspend_deadline(&mut self, waits: bool, now: Duration) {
        if waits {
            if let Some(at) = self.deadline.take() {
                self.time_left = Some(at.saturating_sub(now));
            }
        } else if let Some(left) = self.time_left.take() {
            self.deadline = Some(now.saturating_add(left));
        }
    }

    /// The proxy that is in between.
    fn proxy(&self) -> Option<&ProxyServer> {
        let target = &self.connect.target;
        match target.place {
            Place::Host => self.connect.proxy.as_ref()?.server_for(target.secure, &target.host, target.port),
            _ => None,
        }
    }
}

/// More of a refusal's content has come. What the dial failed for is known already.
fn after(refusal: &mut Refusal, input: &[u8]) -> Needs {
    if refusal.add(input) { Needs::Failed(By::Remote, Cause::Eof) } else { Needs::Nothing }
}

/// [`Duration::ZERO`] is no limit, as in [`Timeouts`](crate::Timeouts).
fn deadline(now: Duration, timeout: Duration) -> Option<Duration> {
    (!timeout.is_zero()).then(|| now.saturating_add(timeout))
}
