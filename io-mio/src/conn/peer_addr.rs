//! Where the peer is.

use std::net::SocketAddr;

/// Where the peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerAddr {
    /// A TCP peer.
    Tcp(SocketAddr),
    /// The other end of a Unix-domain socket: a process on this machine.
    Unix,
    /// Not known: the connection was not set up.
    Unknown,
}

impl PeerAddr {
    /// The IP address, if the peer has one.
    pub fn ip(&self) -> Option<std::net::IpAddr> {
        match self {
            Self::Tcp(addr) => Some(addr.ip()),
            Self::Unix | Self::Unknown => None,
        }
    }
}

impl std::fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix => f.write_str("unix"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}
