//! A plain socket.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
#[cfg(unix)]
use std::path::Path;

use mio::event::Source;
use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

#[cfg(any(test, feature = "__scripted"))]
use crate::kernel::script::Script;

/// A non-blocking stream of the kernel's.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    #[cfg(any(test, feature = "__scripted"))]
    Scripted(Box<dyn Script>),
}

impl Socket {
    /// Begins to connect.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        TcpStream::connect(address).map(Self::Tcp)
    }

    /// Begins to connect to a Unix-domain socket.
    #[cfg(unix)]
    pub(crate) fn connect_unix(path: &Path) -> io::Result<Self> {
        UnixStream::connect(path).map(Self::Unix)
    }

    /// How a non-blocking connect is going: `Ok(true)` connected, `Ok(false)` not yet.
    pub(crate) fn connected(&self) -> io::Result<bool> {
        let (pending, peer) = match self {
            Self::Tcp(stream) => (stream.take_error()?, stream.peer_addr().map(drop)),
            #[cfg(unix)]
            Self::Unix(stream) => (stream.take_error()?, stream.peer_addr().map(drop)),
            #[cfg(any(test, feature = "__scripted"))]
            Self::Scripted(_) => return Ok(true),
        };
        match (pending, peer) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(true),
            (None, Err(error)) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            (None, Err(error)) => Err(error),
        }
    }

    /// Whether it is a Unix-domain socket.
    pub(crate) fn is_unix(&self) -> bool {
        match self {
            #[cfg(unix)]
            Self::Unix(_) => true,
            _ => false,
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

    /// Whether [`read_two`](Self::read_two) fills the second slice too.
    pub(crate) fn reads_two(&self) -> bool {
        match self {
            Self::Tcp(_) => true,
            #[cfg(unix)]
            Self::Unix(_) => true,
            #[cfg(any(test, feature = "__scripted"))]
            Self::Scripted(_) => false,
        }
    }

    /// Reads into the first slice, and what does not fit there into the second.
    pub(crate) fn read_two(&mut self, first: &mut [u8], second: &mut [u8]) -> io::Result<usize> {
        let mut slices = [IoSliceMut::new(first), IoSliceMut::new(second)];
        match self {
            Self::Tcp(stream) => stream.read_vectored(&mut slices),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read_vectored(&mut slices),
            #[cfg(any(test, feature = "__scripted"))]
            Self::Scripted(script) => script.read(first),
        }
    }

    /// Sends FIN.
    pub(crate) fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(any(test, feature = "__scripted"))]
            Self::Scripted(script) => script.shutdown_write(),
        }
    }

    /// What mio registers; a script has nobody to tell.
    fn source(&mut self) -> Option<&mut dyn Source> {
        match self {
            Self::Tcp(stream) => Some(stream),
            #[cfg(unix)]
            Self::Unix(stream) => Some(stream),
            #[cfg(any(test, feature = "__scripted"))]
            Self::Scripted(_) => None,
        }
    }

    /// Registers the socket for everything, edge-triggered.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.source().map_or(Ok(()), |source| source.register(registry, token, interest))
    }

    /// Has the state of the socket reported anew, as events with this token.
    pub(crate) fn reregister(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.source().map_or(Ok(()), |source| source.reregister(registry, token, interest))
    }
}

impl Read for Socket {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buffer),
            #[cfg(any(test, feature = "__scripted"))]
            Self::Scripted(script) => script.read(buffer),
        }
    }
}

impl Write for Socket {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write(bytes),
            #[cfg(any(test, feature = "__scripted"))]
            Self::Scripted(script) => script.write_vectored(&[IoSlice::new(bytes)]),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write_vectored(slices),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write_vectored(slices),
            #[cfg(any(test, feature = "__scripted"))]
            Self::Scripted(script) => script.write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A socket's read fills the rest of the frame, then the buffer.
    #[test]
    fn a_socket_reads_into_two_places_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let mut near = std::net::TcpStream::connect(listener.local_addr().unwrap()).expect("loopback");
        let (far, _) = listener.accept().expect("a connection");
        near.write_all(b"placebuffer").expect("it fits");
        let mut socket = Socket::Tcp(TcpStream::from_std(far));
        assert!(socket.reads_two());
        let (mut first, mut second, mut read) = ([0; 5], [0; 20], 0);
        while read < 11 {
            // Blocking, as it was not told otherwise: what was written arrives.
            assert_eq!(read, 0, "in one call");
            read = socket.read_two(&mut first, &mut second).expect("bytes");
        }
        assert_eq!((&first, &second[..6]), (b"place", &b"buffer"[..]));
    }

    #[test]
    fn small_writes_go_out_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let socket = Socket::connect(listener.local_addr().expect("bound")).expect("it listens");
        socket.set_nodelay();
        let Socket::Tcp(stream) = socket else { panic!("not TCP") };
        assert!(stream.nodelay().expect("a socket"));
    }
}
