//! Accepting connections, within limits.

use std::io::{self, ErrorKind};
use std::time::Duration;

use mio::Token;

use crate::app::handler::Handler;
use crate::app::response::Response;
use crate::conn::head::Head;
use crate::conn::link::Link;
use crate::conn::peer_addr::PeerAddr;
use crate::event_loop::driver::Driver;
use crate::kernel::listener::{Bound, Listener, Security};
use crate::kernel::transport::Transport;
use crate::settings::Settings;
use crate::settings::origin::Reach;
use crate::settings::trusted_proxies::{ProxyHeader, TrustedProxies};
use crate::state::slots::{Announced, Phase};
use crate::state::timers::{Tick, tick_at};
use crate::state::warnings::{Warning, Warnings};

/// Connections accepted before others have their turn.
const ACCEPTS_PER_TURN: usize = 64;

/// After an error of `accept`, such as too many open files, the next try waits this long: the queue of the kernel stays as it is.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections over the limit that are being told so; more are dropped without a word.
const MAX_REFUSALS: usize = 64;

/// Tokens of listeners come after all slots, and before that of the waker.
const FIRST_LISTENER: usize = WAKER.0 - MAX_LISTENERS;

/// Far more than anybody listens on. Where addresses have 32 bits, no more slots than the other tokens fit into memory.
const MAX_LISTENERS: usize = 1 << 16;

/// The listening sockets of a loop.
#[derive(Default)]
pub(crate) struct Accepting {
    listeners: Vec<Listening>,
    paused_until: Option<Tick>,
    /// Programs on other machines can connect.
    public: bool,
    /// Connections that are being told that the server is full.
    pub(crate) refusals: usize,
    pub(crate) warnings: Warnings,
}

struct Listening {
    listener: Listener,
    security: Security,
    /// The kernel may have a connection for us.
    ready: bool,
}

impl Accepting {
    /// Who could have connected in the way in which this peer did.
    pub(crate) fn reach(&self, is_unix: bool) -> Reach {
        match (self.public, is_unix) {
            (true, _) => Reach::Public,
            (false, true) => Reach::UnixSocket,
            (false, false) => Reach::Loopback,
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
}

/// Whether this is the address of a proxy that is believed.
fn is_trusted(settings: &Settings, remote: PeerAddr) -> bool {
    let proxies = settings.trusted_proxies.as_ref().filter(|_| remote != PeerAddr::Unknown);
    proxies.is_some_and(|proxies| proxies.trusts(remote.ip()))
}

/// Whether it tells who the client is before anything else.
fn announces(settings: &Settings, remote: PeerAddr) -> bool {
    let by = settings.trusted_proxies.as_ref().map(TrustedProxies::header);
    by == Some(ProxyHeader::ProxyProtocol) && is_trusted(settings, remote)
}

/// The token of the loop's waker.
pub(crate) const WAKER: Token = Token(usize::MAX);

/// The listener that a token belongs to.
pub(crate) fn listener_of(token: Token) -> Option<usize> {
    token.0.checked_sub(FIRST_LISTENER)
}

impl<H: Handler> Driver<H> {
    pub(crate) fn listen(&mut self, bound: Bound, security: Security) -> io::Result<()> {
        self.accepting.public |= !bound.is_local();
        if self.accepting.listeners.len() >= MAX_LISTENERS {
            return Err(io::Error::new(ErrorKind::InvalidInput, "too many listeners"));
        }
        let mut listener = Listener::new(bound);
        let token = Token(FIRST_LISTENER + self.accepting.listeners.len());
        listener.register(&self.registry, token)?;
        // What waits in the queue already comes with the first event.
        self.accepting.listeners.push(Listening { listener, security, ready: false });
        Ok(())
    }

    pub(crate) fn listener_ready(&mut self, listener: usize) {
        if let Some(listening) = self.accepting.listeners.get_mut(listener) {
            listening.ready = true;
        }
    }

    pub(crate) fn accept_more(&mut self) {
        if self.accepting.paused_until.is_some_and(|until| until > tick_at(self.shared.now)) {
            return;
        }
        self.accepting.paused_until = None;
        for listener in 0..self.accepting.listeners.len() {
            for _ in 0..ACCEPTS_PER_TURN {
                let Some(listening) = self.accepting.listeners.get_mut(listener) else { break };
                if !listening.ready {
                    break;
                }
                match listening.listener.accept() {
                    Ok((socket, remote)) if announces(&self.shared.settings, remote) => {
                        let security = listening.security.clone();
                        let announced = Box::new(Announced { header: Vec::new(), security });
                        self.admit(socket, remote, Phase::Announced(announced));
                    }
                    Ok((socket, remote)) => match listening.security.secure(socket) {
                        Ok(transport) => self.accepted(transport, remote),
                        Err(error) => log::error!("{remote}: {error}"),
                    },
                    Err(error) => match error.kind() {
                        ErrorKind::WouldBlock => listening.ready = false,
                        ErrorKind::Interrupted
                        | ErrorKind::ConnectionAborted
                        | ErrorKind::ConnectionReset => {}
                        _ => {
                            // Usually too many open files: no event comes when there is room again.
                            log::warn!("cannot accept connections for now: {error}");
                            self.accepting.paused_until = Some(tick_at(self.shared.now + PAUSE));
                            return;
                        }
                    },
                }
            }
        }
    }

    pub(crate) fn accepted(&mut self, transport: Transport, remote: PeerAddr) {
        let head = Box::new(Head::new(self.shared.settings.max_head_len));
        self.admit(transport, remote, Phase::Opening(head));
    }

    fn admit(&mut self, transport: Transport, remote: PeerAddr, phase: Phase<H::Session>) {
        let settings = &self.shared.settings;
        let hub = &self.shared.hub;
        let mut link = Link::new(transport, remote, self.shared.now);
        link.counted = hub.enter(settings.max_connections);
        let max_per_address = settings.max_connections_per_address;
        // A proxy tells later whose connection it is.
        let max_per_address = max_per_address.filter(|_| !is_trusted(settings, remote));
        if let (true, Some(max), Some(ip)) = (link.counted, max_per_address, remote.ip()) {
            link.address_counted = hub.enter_address(ip, max);
            if !link.address_counted {
                let level = self.accepting.warnings.level(Warning::Address, self.shared.now);
                log::log!(
                    level,
                    "{remote}: more connections than Settings::max_connections_per_address, {max}"
                );
                return self.refuse(link, Response::too_many_from_address());
            }
        }
        if !link.counted {
            let level = self.accepting.warnings.level(Warning::Connections, self.shared.now);
            log::log!(
                level,
                "{remote}: more connections than Settings::max_connections, {}",
                settings.max_connections
            );
            return self
                .refuse(link, Response::text(503, "too many connections\n").header("Retry-After", "10"));
        }
        link.transport.set_nodelay();
        self.enroll(link, phase);
    }

    /// Answers without having read the request, as it may never come; only a few at a time.
    fn refuse(&mut self, mut link: Link, response: Response) {
        let has_room = self.accepting.refusals < MAX_REFUSALS;
        if std::mem::take(&mut link.counted) {
            self.shared.hub.leave();
        }
        if has_room {
            let (head, body) = response.encode(false);
            link.out.push(head.into());
            link.out.push(body);
            link.keepalive.closing(self.shared.now);
            link.refused = true;
            self.accepting.refusals += 1;
            self.enroll(link, Phase::Lingering);
        }
    }

    fn enroll(&mut self, link: Link, phase: Phase<H::Session>) {
        let id = self.insert(link, phase);
        let Some(slot) = self.slots.get_mut(id.index) else { return };
        if let Err(error) = slot.link.transport.register(&self.registry, Token(id.index as usize)) {
            log::warn!("{}: cannot be watched: {error}", slot.link.remote);
            return self.die(id.index);
        }
        self.arm(id.index);
    }
}
