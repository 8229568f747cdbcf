//! Where the peer is.

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

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

/// The same in 24 bytes instead of 32.
pub(crate) enum PackedAddr {
    Unknown,
    Unix,
    V4(SocketAddrV4),
    V6(Ipv6Addr, u16),
    /// With a scope, as link-local ones have, or a flow.
    Scoped(Box<SocketAddrV6>),
}

impl PackedAddr {
    pub(crate) fn unpack(&self) -> PeerAddr {
        match self {
            Self::Unknown => PeerAddr::Unknown,
            Self::Unix => PeerAddr::Unix,
            Self::V4(addr) => PeerAddr::Tcp(SocketAddr::V4(*addr)),
            Self::V6(ip, port) => PeerAddr::Tcp(SocketAddr::V6(SocketAddrV6::new(*ip, *port, 0, 0))),
            Self::Scoped(addr) => PeerAddr::Tcp(SocketAddr::V6(**addr)),
        }
    }
}

impl From<PeerAddr> for PackedAddr {
    fn from(addr: PeerAddr) -> Self {
        match addr {
            PeerAddr::Unknown => Self::Unknown,
            PeerAddr::Unix => Self::Unix,
            PeerAddr::Tcp(SocketAddr::V4(addr)) => Self::V4(addr),
            PeerAddr::Tcp(SocketAddr::V6(addr)) if addr.scope_id() == 0 && addr.flowinfo() == 0 => {
                Self::V6(*addr.ip(), addr.port())
            }
            PeerAddr::Tcp(SocketAddr::V6(addr)) => Self::Scoped(Box::new(addr)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_address_comes_back() {
        let tcp = ["192.0.2.1:80", "[2001:db8::1]:443", "[fe80::1%3]:1"];
        let mut addrs: Vec<_> = tcp.iter().map(|addr| PeerAddr::Tcp(addr.parse().unwrap())).collect();
        let flow = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 65535, 7, 0);
        addrs.extend([PeerAddr::Unix, PeerAddr::Unknown, PeerAddr::Tcp(flow.into())]);
        for addr in addrs {
            assert_eq!(PackedAddr::from(addr).unpack(), addr);
        }
        assert!(size_of::<PackedAddr>() <= 24);
    }
}
