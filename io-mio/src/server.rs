//! A server: listeners, and one event loop or several.

use std::net::{SocketAddr, ToSocketAddrs};
#[cfg(unix)]
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io, thread};

use crate::app::handler::Handler;
use crate::event_loop::EventLoop;
use crate::hub::Hub;
use crate::hub::handle::Handle;
use crate::hub::inbox::InboxLimits;
use crate::kernel::listener::{Bound, Security};
use crate::settings::Settings;
#[cfg(feature = "__tls")]
use crate::tls::TlsServer;

/// A WebSocket server, which answers plain HTTP as well.
///
/// ```no_run
/// use sansws_mio::{Accept, Handler, Message, Peer, Request, Response, Server};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     type Session = ();
///
///     fn upgrade(&mut self, _: &Request<'_>, _: &mut Accept) -> Result<(), Response> {
///         Ok(())
///     }
///
///     fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
///         let _ = peer.send(message);
///     }
/// }
///
/// fn main() -> std::io::Result<()> {
///     Server::bind("127.0.0.1:8080")?.run(Echo)
/// }
/// ```
pub struct Server {
    bound: Vec<Bound>,
    settings: Settings,
    security: Security,
    hub: Arc<Hub>,
}

impl Server {
    /// Listens on the first of the addresses that can be bound.
    ///
    /// # Errors
    ///
    /// Those of the operating system, with the address: it is in use, or not one of this machine.
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self::new(Bound::tcp(address)?))
    }

    /// Listens on a Unix-domain socket. A socket file on which nobody listens any more is replaced.
    ///
    /// # Errors
    ///
    /// Those of the operating system, with the path.
    #[cfg(unix)]
    pub fn bind_unix(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::new(Bound::unix(path.as_ref())?))
    }

    pub(crate) fn new(bound: Bound) -> Self {
        let settings = Settings::default();
        let hub = Hub::new(InboxLimits::of(&settings));
        Self { bound: vec![bound], settings, security: Security::None, hub }
    }

    /// Listens on a further address.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn also_bind(mut self, address: impl ToSocketAddrs) -> io::Result<Self> {
        self.bound.push(Bound::tcp(address)?);
        Ok(self)
    }

    /// Listens on a Unix-domain socket as well.
    ///
    /// # Errors
    ///
    /// As [`bind_unix`](Self::bind_unix).
    #[cfg(unix)]
    pub fn also_bind_unix(mut self, path: impl AsRef<Path>) -> io::Result<Self> {
        self.bound.push(Bound::unix(path.as_ref())?);
        Ok(self)
    }

    /// Replaces the settings.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Speaks TLS on all TCP ports: `https:` and `wss:`. Unix-domain sockets stay plain.
    ///
    /// Keep a clone of `tls` to [reload](TlsServer::reload) certificates while the server runs.
    #[cfg(feature = "__tls")]
    #[must_use]
    pub fn tls(mut self, tls: &TlsServer) -> Self {
        self.security = Security::Tls(tls.clone());
        self
    }

    /// Reaches the server from other threads, or from its own handler.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.hub))
    }

    /// The first TCP address listened on, with the port that was chosen for port 0.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.bound.iter().find_map(Bound::local_addr)
    }

    /// All TCP addresses listened on.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.bound.iter().filter_map(Bound::local_addr).collect()
    }

    /// Runs one event loop on this thread until a [shutdown](Handle::shutdown) is done.
    ///
    /// # Errors
    ///
    /// Those of the operating system's event queue, and of [`EventLoop::new`]; not those of single
    /// connections.
    pub fn run<H: Handler>(self, handler: H) -> io::Result<()> {
        self.hub.set_loops(1, InboxLimits::of(&self.settings));
        let mut event_loop = EventLoop::on_hub(handler, self.settings.clone(), Arc::clone(&self.hub), 0)?;
        for bound in self.bound {
            let security = bound.security(&self.security);
            event_loop.listen_on(bound, security)?;
        }
        event_loop.run()
    }

    /// Runs `workers` event loops, one of them on this thread, until a [shutdown](Handle::shutdown)
    /// is done. At least one, at most 65 535.
    ///
    /// `handler` is called once on each thread, with the number of the loop, and makes a handler of
    /// its own for it. The kernel spreads the connections (`SO_REUSEPORT`). What is published
    /// reaches the subscribers of all loops.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), of whichever loop was first; the others are shut down.
    ///
    /// # Panics
    ///
    /// If a handler panics on another thread, with its panic, after the other loops were shut down.
    pub fn run_workers<H: Handler>(
        self,
        workers: usize,
        handler: impl Fn(usize) -> H + Send + Sync,
    ) -> io::Result<()> {
        let workers = workers.clamp(1, usize::from(u16::MAX));
        self.hub.set_loops(workers, InboxLimits::of(&self.settings));
        let mut listeners = Vec::new();
        for _ in 1..workers {
            let bound: io::Result<Vec<Bound>> = self.bound.iter().map(Bound::for_another_loop).collect();
            listeners.push(bound?);
        }
        let Self { bound, settings, security, hub } = self;
        listeners.push(bound);

        let run = |worker: usize, bound: Vec<Bound>| {
            // If this loop ends by an error or a panic, the others must not go on without it.
            let mut guard = ShutdownOnDrop(Some(Arc::clone(&hub)));
            let worker_id = u16::try_from(worker).unwrap_or(u16::MAX);
            let mut event_loop =
                EventLoop::on_hub(handler(worker), settings.clone(), Arc::clone(&hub), worker_id)?;
            for bound in bound {
                let security = bound.security(&security);
                event_loop.listen_on(bound, security)?;
            }
            event_loop.run()?;
            // It was shut down, and the others have the same deadline.
            guard.0 = None;
            Ok(())
        };
        thread::scope(|scope| {
            let mut listeners = listeners.into_iter().enumerate();
            let own = listeners.next();
            let run = &run;
            let mut threads = Vec::new();
            for (worker, bound) in listeners {
                let name = format!("sansws-{worker}");
                let thread =
                    thread::Builder::new().name(name).spawn_scoped(scope, move || run(worker, bound));
                if thread.is_err() {
                    hub.shutdown(FAILED_SHUTDOWN);
                }
                threads.push(thread);
            }
            let mut result = own.map_or(Ok(()), |(worker, bound)| run(worker, bound));
            for thread in threads {
                let ended = thread.and_then(|thread| match thread.join() {
                    Ok(ended) => ended,
                    Err(panic) => std::panic::resume_unwind(panic),
                });
                result = result.and(ended);
            }
            result
        })
    }
}

/// Time for the other loops when one has failed.
const FAILED_SHUTDOWN: Duration = Duration::from_secs(2);

struct ShutdownOnDrop(Option<Arc<Hub>>);

impl Drop for ShutdownOnDrop {
    fn drop(&mut self) {
        if let Some(hub) = &self.0 {
            hub.shutdown(FAILED_SHUTDOWN);
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("bound", &self.bound).finish_non_exhaustive()
    }
}
