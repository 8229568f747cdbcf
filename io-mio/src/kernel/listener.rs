//! Listening sockets.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
#[cfg(unix)]
use std::path::{Path, PathBuf};

use mio::event::Source;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Type};

use crate::conn::peer_addr::PeerAddr;
use crate::kernel::socket::Socket;
use crate::kernel::transport::Transport;
#[cfg(feature = "__tls")]
use crate::tls::TlsServer;
#[cfg(feature = "__tls")]
use crate::tls::TlsStream;

const BACKLOG: i32 = 1024;

/// A listening socket, bound but not yet on a loop.
#[derive(Debug)]
pub(crate) enum Bound {
    Tcp(std::net::TcpListener),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener, PathBuf),
}

impl Bound {
    /// Listens on the first of the addresses that can be bound.
    pub(crate) fn tcp(addresses: impl ToSocketAddrs) -> io::Result<Self> {
        let mut last = None;
        for address in addresses.to_socket_addrs()? {
            let explain = |error: io::Error| {
                io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
            };
            match bind_exclusively(address) {
                Ok(listener) => return Ok(Self::Tcp(listener)),
                Err(error) => last = Some(explain(error)),
            }
        }
        Err(last.unwrap_or_else(|| io::Error::new(ErrorKind::InvalidInput, "no address to listen on")))
    }

    /// Listens on a path. A socket file that nobody listens on any more is replaced.
    #[cfg(unix)]
    pub(crate) fn unix(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::FileTypeExt;
        use std::os::unix::net::{UnixListener, UnixStream};

        let explain = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot listen on {}: {error}", path.display()))
        };
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                let is_socket =
                    std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
                let is_dead = UnixStream::connect(path)
                    .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
                if !(is_socket && is_dead) {
                    return Err(explain(error));
                }
                std::fs::remove_file(path).and_then(|()| UnixListener::bind(path))
            }
            other => other,
        };
        let listener = listener.map_err(explain)?;
        listener.set_nonblocking(true)?;
        Ok(Self::Unix(listener, path.to_owned()))
    }

    /// A second listener for another loop: TCP on the same port by `SO_REUSEPORT`, so that the
    /// kernel spreads the connections; a Unix-domain socket is shared.
    pub(crate) fn for_another_loop(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(listener) => Ok(Self::Tcp(bind_shared(listener.local_addr()?)?)),
            #[cfg(unix)]
            Self::Unix(listener, path) => Ok(Self::Unix(listener.try_clone()?, path.clone())),
        }
    }

    /// What the server's setting means for this socket: programs of this machine that use a
    /// Unix-domain socket need no TLS.
    pub(crate) fn security(&self, of_server: &Security) -> Security {
        match self {
            Self::Tcp(_) => of_server.clone(),
            #[cfg(unix)]
            Self::Unix(..) => Security::None,
        }
    }

    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Self::Unix(..) => None,
        }
    }

    /// Whether only programs on this machine can connect.
    pub(crate) fn is_local(&self) -> bool {
        self.local_addr().is_none_or(|addr| addr.ip().to_canonical().is_loopback())
    }
}

/// Fails if anybody listens there, then binds so that further loops of this server can.
fn bind_exclusively(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    // `SO_REUSEPORT` would let two servers of one user share a port by accident; without it the
    // kernel says that the port is in use. Port 0 needs no such test: the kernel picks a free one.
    if address.port() != 0 {
        let probe = new_socket(address)?;
        probe.bind(&address.into())?;
        probe.listen(1)?;
    }
    bind_shared(address)
}

fn bind_shared(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = new_socket(address)?;
    #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin"))))]
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn new_socket(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows this option would allow a port to be stolen.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // So that the IPv4 address of the same port can be listened on as well.
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// What accepted connections speak below HTTP.
#[derive(Debug, Clone, Default)]
pub(crate) enum Security {
    #[default]
    None,
    #[cfg(feature = "__tls")]
    Tls(TlsServer),
}

impl Security {
    pub(crate) fn is_tls(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// The transport over an accepted socket. Its handshake is still to come.
    pub(crate) fn secure(&self, socket: Socket) -> io::Result<Transport> {
        match self {
            Self::None => Ok(Transport::Plain(socket)),
            #[cfg(feature = "__tls")]
            Self::Tls(tls) => TlsStream::server(tls.config(), socket)
                .map(|stream| Transport::Tls(Box::new(stream)))
                .map_err(io::Error::other),
        }
    }
}

/// A listening socket on a loop.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(mio::net::TcpListener),
    #[cfg(unix)]
    Unix(mio::net::UnixListener),
}

impl Listener {
    pub(crate) fn new(bound: Bound) -> Self {
        match bound {
            Bound::Tcp(listener) => Self::Tcp(mio::net::TcpListener::from_std(listener)),
            #[cfg(unix)]
            Bound::Unix(listener, _) => Self::Unix(mio::net::UnixListener::from_std(listener)),
        }
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.register(registry, token, Interest::READABLE),
            #[cfg(unix)]
            Self::Unix(listener) => listener.register(registry, token, Interest::READABLE),
        }
    }

    pub(crate) fn accept(&self) -> io::Result<(Socket, PeerAddr)> {
        match self {
            Self::Tcp(listener) => {
                listener.accept().map(|(stream, addr)| (Socket::Tcp(stream), PeerAddr::Tcp(addr)))
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                listener.accept().map(|(stream, _)| (Socket::Unix(stream), PeerAddr::Unix))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_an_error_that_names_it() {
        let first = Bound::tcp("127.0.0.1:0").expect("a free port");
        let addr = first.local_addr().expect("TCP");
        let error = Bound::tcp(addr).expect_err("the port is taken");
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&addr.to_string()), "{error}");
        let second = first.for_another_loop().expect("loops of one server share a port");
        assert_eq!(second.local_addr(), Some(addr));
    }

    #[test]
    fn local_means_loopback_or_unix() {
        assert!(Bound::tcp("127.0.0.1:0").expect("a free port").is_local());
        assert!(!Bound::tcp("0.0.0.0:0").expect("a free port").is_local());
    }
}
