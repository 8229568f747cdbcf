//! Many connections, opened quickly.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use socket2::{Domain, Protocol, Socket, Type};

use super::Result;
use super::shape::Framing;
use super::wire::Wire;

/// The key of the one opening handshake that all clients here use.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// What a server answers to it (RFC 6455 §1.3).
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Connections that are being opened at the same time, fewer than any server's backlog.
const AT_A_TIME: usize = 64;

/// Connections from one of the addresses 127.0.0.1, 127.0.0.2, …: fewer than an address has ports.
const PER_ADDRESS: usize = 20_000;

const PATIENCE: Duration = Duration::from_secs(10);

/// Where to connect to, and how.
#[derive(Clone)]
pub struct Target {
    /// The server's address.
    pub address: SocketAddr,
    /// Whether it speaks WebSocket.
    pub framing: Framing,
    /// The path of the handshake.
    pub path: &'static str,
    /// If it speaks TLS.
    pub tls: Option<Arc<ClientConfig>>,
}

/// Opens connections, those numbered from `first` on, with their opening handshakes done. A server without frames has to return one byte
/// instead, so that it has accepted them too.
///
/// # Errors
///
/// If one can't be opened, or a handshake is not answered with the right 101 within ten seconds.
pub fn open(target: &Target, first: usize, count: usize) -> Result<Vec<Wire>> {
    let request = match target.framing {
        Framing::Raw => String::from("?"),
        Framing::WebSocket => request(target),
    };
    let mut opened = Vec::with_capacity(count);
    while opened.len() < count {
        let from = first + opened.len();
        let mut some = Vec::with_capacity(AT_A_TIME);
        for i in 0..AT_A_TIME.min(count - opened.len()) {
            let socket = connect(target.address, from + i)
                .map_err(|error| format!("connection {}: {error}", from + i))?;
            let mut wire = Wire::opened(socket, target.tls.as_ref())?;
            if wire.write(request.as_bytes())? < request.len() {
                return Err("the kernel takes no request".into());
            }
            some.push(wire);
        }
        for wire in &mut some {
            read_response(wire, target.framing)?;
        }
        opened.append(&mut some);
    }
    Ok(opened)
}

fn request(target: &Target) -> String {
    format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n\
         Sec-WebSocket-Version: 13\r\n\r\n",
        target.path, target.address
    )
}

fn connect(address: SocketAddr, number: usize) -> std::io::Result<std::net::TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if number >= PER_ADDRESS && address.ip().is_loopback() {
        let own = Ipv4Addr::new(127, 0, 0, u8::try_from(number / PER_ADDRESS + 1).unwrap_or(u8::MAX));
        socket.bind(&SocketAddr::from((own, 0)).into())?;
    }
    socket.set_tcp_nodelay(true)?;
    socket.connect_timeout(&address.into(), PATIENCE)?;
    Ok(socket.into())
}

fn read_response(wire: &mut Wire, framing: Framing) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let (mut head, mut len) = ([0; 2048], 0);
    let is_whole = |head: &[u8]| match framing {
        Framing::Raw => head == b"?",
        Framing::WebSocket => head.ends_with(b"\r\n\r\n"),
    };
    while !is_whole(&head[..len]) {
        match wire.read(&mut head[len..]) {
            Ok(0) => return Err("the server hung up during the handshake".into()),
            Ok(n) => len += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < deadline => {
                std::thread::yield_now();
            }
            Err(error) => return Err(format!("no answer to the handshake: {error}").into()),
        }
    }
    let head = String::from_utf8_lossy(&head[..len]);
    let is_right = framing == Framing::Raw || head.starts_with("HTTP/1.1 101") && head.contains(ACCEPT);
    if !is_right {
        return Err(format!("not the answer to this handshake: {head}").into());
    }
    Ok(())
}

/// The prepared answer to that handshake, for servers that have none of their own.
pub fn response() -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    )
}
