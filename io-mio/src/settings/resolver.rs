//! How host names become addresses.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::{fmt, io};

/// How host names become addresses: [`Settings::resolver`](crate::Settings::resolver).
///
/// A resolver may block. It is called on threads that all event loops of the process share. They
/// start with the first name and end after some seconds without one. Up to eight calls run at a
/// time. A call that takes longer than 250 ms, or whose name no connection waits for any more, does
/// not count towards the eight, up to 64 calls in all: names that are never answered do not delay
/// others.
///
/// At most 1024 different names wait; one more cannot be resolved. A name for which no connection
/// waits any more is skipped. Connections that ask for the same name at the same time share one
/// call.
///
/// ```
/// use std::net::SocketAddr;
/// use sansws_mio::{Resolver, Settings};
///
/// // Everything is on this machine.
/// let resolver = Resolver::new(|_host, port| Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]));
/// let settings = Settings { resolver, ..Settings::default() };
/// # let _ = settings;
/// ```
#[derive(Clone)]
pub struct Resolver {
    pub(crate) resolve: Arc<Resolve>,
}

type Resolve = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

impl Resolver {
    /// A resolver of one's own. It gets a host name, which is never an IP address, and a port; it
    /// returns the addresses, the most preferred one first, with the port. Eight of them at most
    /// are tried.
    pub fn new(resolve: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Self {
        Self { resolve: Arc::new(resolve) }
    }

    /// The operating system's: [`ToSocketAddrs`].
    pub fn system() -> Self {
        Self::new(|host, port| Ok((host, port).to_socket_addrs()?.collect()))
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

/// What became of a name.
pub(crate) type Resolved = Result<Arc<[SocketAddr]>, io::Error>;
