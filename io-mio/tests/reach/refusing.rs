//! Addresses where nobody listens.

use std::net::{SocketAddr, TcpListener};

/// A loopback address where nobody listens, nor will: it is taken.
pub(crate) fn refusing(address: &str) -> SocketAddr {
    let address: SocketAddr = address.parse().expect("an address");
    if address.is_ipv6() && !has_ipv6() {
        // Connecting fails there in another way.
        return SocketAddr::new(address.ip(), 9);
    }
    let socket = bound(address);
    let address = socket.local_addr().expect("bound").as_socket().expect("an IP address");
    // Until the end of the process.
    std::mem::forget(socket);
    address
}

pub(crate) fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

pub(crate) fn bound(address: SocketAddr) -> socket2::Socket {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&address.into()).expect("a loopback address");
    socket
}
