//! The event loop as an application drives it.

pub(crate) mod accepting;
pub(crate) mod driver;
#[cfg(any(test, feature = "__scripted"))]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::app::context::Context;
use crate::app::handler::Handler;
use crate::conn::peer_id::PeerId;
use crate::event_loop::driver::Driver;
use crate::hub::Hub;
use crate::hub::handle::Handle;
use crate::hub::inbox::InboxLimits;
use crate::kernel::listener::{Bound, Security};
use crate::kernel::poller::{Poller, Ready};
use crate::random;
use crate::settings::Settings;
use crate::target::connect::Connect;

/// One event loop and all of its connections, on one thread.
///
/// Servers are more easily made with a [`Server`](crate::Server). An event loop of one's own is for
/// programs that dial, and for those that have something else to do between [turns](Self::turn).
///
/// ```no_run
/// use std::time::Duration;
/// use sansws_mio::{Connect, EventLoop, Handler, Message, Peer, Settings};
///
/// struct Client;
///
/// impl Handler for Client {
///     type Session = ();
///
///     fn open(&mut self, peer: &mut Peer<'_, ()>) {
///         let _ = peer.send("hello");
///     }
///
///     fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
///         println!("{message:?}");
///         peer.shutdown(Duration::from_secs(1));
///     }
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let mut event_loop = EventLoop::new(Client, Settings::default())?;
///     event_loop.connect(Connect::new("ws://localhost:8080/echo", "127.0.0.1:8080".parse()?, ())?);
///     Ok(event_loop.run()?)
/// }
/// ```
pub struct EventLoop<H: Handler> {
    poller: Poller,
    driver: Driver<H>,
    hub: Arc<Hub>,
}

impl<H: Handler> EventLoop<H> {
    /// A loop without connections.
    ///
    /// # Errors
    ///
    /// Those of the operating system: no event queue, no random numbers. `InvalidInput`: a setting
    /// that cannot have an effect, by its name, such as an origin that no page has.
    pub fn new(handler: H, settings: Settings) -> io::Result<Self> {
        let hub = Hub::new(InboxLimits::of(&settings));
        Self::on_hub(handler, settings, hub, 0)
    }

    pub(crate) fn on_hub(handler: H, settings: Settings, hub: Arc<Hub>, worker: u16) -> io::Result<Self> {
        settings.check()?;
        random::seed()?;
        let poller = Poller::new()?;
        hub.inbox(worker).map_err(io::Error::other)?.set_waker(poller.waker()?);
        let driver = Driver::new(handler, settings, Arc::clone(&hub), worker, poller.registry()?)?;
        Ok(Self { poller, driver, hub })
    }

    /// Reaches this loop from other threads.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.hub))
    }

    /// Accepts connections from a listener.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn listen(&mut self, listener: std::net::TcpListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        self.driver.listen(Bound::Tcp(listener), Security::None)
    }

    /// Accepts connections that speak TLS from a listener.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    #[cfg(feature = "__tls")]
    pub fn listen_tls(&mut self, listener: std::net::TcpListener, tls: &crate::TlsServer) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        self.driver.listen(Bound::Tcp(listener), Security::Tls(tls.clone()))
    }

    pub(crate) fn listen_on(&mut self, bound: Bound, security: Security) -> io::Result<()> {
        self.driver.listen(bound, security)
    }

    /// Dials a connection. If that fails, [`Handler::close`] is called, perhaps at once.
    pub fn connect(&mut self, connect: Connect<H::Session>) -> PeerId {
        self.driver.read_clock();
        self.driver.dial(connect)
    }

    /// Ends a connection at once, without a closing handshake; also one that is being dialled.
    /// [`Handler::close`] is called before this returns, unless it was called already.
    pub fn abort(&mut self, peer: PeerId) {
        self.driver.read_clock();
        self.driver.abort(peer);
    }

    /// The loop's connections, between [turns](Self::turn). What is sent goes out in the next turn.
    pub fn context(&mut self) -> Context<'_, H::Session> {
        self.driver.read_clock();
        Context::new(&mut self.driver.slots, &mut self.driver.shared)
    }

    /// Runs until a [shutdown](Handle::shutdown) is done.
    ///
    /// # Errors
    ///
    /// Those of the operating system's event queue; not those of single connections.
    pub fn run(&mut self) -> io::Result<()> {
        let mut now = self.driver.elapsed();
        while let Some(ended) = self.turn_from(now, None)? {
            now = ended;
        }
        Ok(())
    }

    /// Waits for something to happen, at most `max_wait`, and deals with it. Returns `false` once a
    /// shutdown is done.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn turn(&mut self, max_wait: Option<Duration>) -> io::Result<bool> {
        let now = self.driver.elapsed();
        Ok(self.turn_from(now, max_wait)?.is_some())
    }

    /// A turn that begins at `now` with a wait. Returns when it ended; `None` once a shutdown is
    /// done.
    fn turn_from(&mut self, now: Duration, max_wait: Option<Duration>) -> io::Result<Option<Duration>> {
        let wait = match (self.driver.max_wait(now), max_wait) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.poller.wait(wait)?;
        self.driver.read_clock();
        let is_socket = |ready: &Ready| matches!(ready, Ready::Socket(..));
        self.driver.sockets_ready(self.poller.ready().filter(is_socket).count());
        for ready in self.poller.ready() {
            match ready {
                Ready::Woken => self.driver.woken(),
                Ready::Listener(listener) => self.driver.listener_ready(listener),
                Ready::Socket(index, readiness) => self.driver.socket_ready(index, readiness),
            }
        }
        let goes_on = self.driver.rest_of_turn();
        let ended = self.driver.elapsed();
        self.driver.turn_ended(ended);
        Ok(goes_on.then_some(ended))
    }

    /// The handler.
    pub fn handler(&self) -> &H {
        &self.driver.handler
    }

    /// The handler.
    pub fn handler_mut(&mut self) -> &mut H {
        &mut self.driver.handler
    }
}

impl<H: Handler> fmt::Debug for EventLoop<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop").field("connections", &self.driver.slots.len()).finish_non_exhaustive()
    }
}
