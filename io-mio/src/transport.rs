//! The byte stream under a connection.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::event::Source;
use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

/// A non-blocking stream. TLS becomes one more variant.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    /// There is no socket: not yet, or no longer.
    None,
}

impl Transport {
    /// Registered once, for everything, edge-triggered; never registered again.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Tcp(stream) => stream.register(registry, token, interest),
            #[cfg(unix)]
            Self::Unix(stream) => stream.register(registry, token, interest),
            Self::None => Ok(()),
        }
    }

    #[inline]
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buffer),
            Self::None => Ok(0),
        }
    }

    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write(bytes),
            Self::None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(crate) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write_vectored(slices),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write_vectored(slices),
            Self::None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Sends FIN: nothing more will be written.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
            Self::None => Ok(()),
        }
    }

    /// How a non-blocking connect is going: `Ok(true)` connected, `Ok(false)` not yet.
    pub(crate) fn connected(&self) -> io::Result<bool> {
        let (pending, peer) = match self {
            Self::Tcp(stream) => (stream.take_error()?, stream.peer_addr().map(drop)),
            #[cfg(unix)]
            Self::Unix(stream) => (stream.take_error()?, stream.peer_addr().map(drop)),
            Self::None => return Err(io::ErrorKind::NotConnected.into()),
        };
        match (pending, peer) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(true),
            (None, Err(error)) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            (None, Err(error)) => Err(error),
        }
    }

    /// Small frames go out at once.
    pub(crate) fn set_nodelay(&self) {
        if let Self::Tcp(stream) = self {
            // Without it replies are late, not wrong.
            if let Err(error) = stream.set_nodelay(true) {
                log::debug!("TCP_NODELAY: {error}");
            }
        }
    }
}

/// Where the peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerAddr {
    /// A TCP peer.
    Tcp(SocketAddr),
    /// The other end of a Unix-domain socket: a process on this machine.
    Unix,
}

impl PeerAddr {
    /// The IP address, if the peer has one.
    pub fn ip(&self) -> Option<std::net::IpAddr> {
        match self {
            Self::Tcp(addr) => Some(addr.ip()),
            Self::Unix => None,
        }
    }
}

impl std::fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}
