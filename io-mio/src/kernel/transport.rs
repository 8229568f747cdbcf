//! The byte stream under a connection.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;

use mio::event::Source;
use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

#[cfg(feature = "__tls")]
use crate::tls::TlsStream;

/// A non-blocking stream.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    #[cfg(feature = "__tls")]
    Tls(Box<TlsStream>),
    #[cfg(any(test, feature = "__scripted"))]
    Scripted(Box<dyn crate::kernel::script::Script>),
    /// There is no socket: not yet, or no longer.
    None,
}

impl Transport {
    /// Registered for everything, edge-triggered.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Tcp(stream) => stream.register(registry, token, interest),
            #[cfg(unix)]
            Self::Unix(stream) => stream.register(registry, token, interest),
            #[cfg(feature = "__tls")]
            Self::Tls(stream) => stream.socket_mut().register(registry, token),
            #[cfg(any(test, feature = "__scripted"))]
            Self::Scripted(_) => Ok(()),
            Self::None => Ok(()),
        }
    }

    /// Has the state of the socket told anew, as events with this token.
    pub(crate) fn reregister(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Tcp(stream) => stream.reregister(registry, token, interest),
            #[cfg(unix)]
            Self::Unix(stream) => stream.reregister(registry, token, interest),
            #[cfg(feature = "__tls")]
            Self::Tls(stream) => stream.socket_mut().reregister(registry, token),
            #[cfg(any(test, feature = "__scripted"))]
            Self::Scripted(_) => Ok(()),
            Self::None => Ok(()),
        }
    }

    #[inline]
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buffer),
            #[cfg(feature = "__tls")]
            Self::Tls(stream) => stream.read(buffer),
            #[cfg(any(test, feature = "__scripted"))]
            Self::Scripted(script) => script.read(buffer),
            Self::None => Ok(0),
        }
    }

    /// Whether [`read_two`](Self::read_two) fills the second slice too.
    #[inline]
    pub(crate) fn reads_two(&self) -> bool {
        match self {
            Self::Tcp(_) => true,
            #[cfg(unix)]
            Self::Unix(_) => true,
            _ => false,
        }
    }

    /// Reads into the first slice, and what does not fit there into the second.
    pub(crate) fn read_two(&mut self, first: &mut [u8], second: &mut [u8]) -> io::Result<usize> {
        let mut slices = [IoSliceMut::new(first), IoSliceMut::new(second)];
        match self {
            Self::Tcp(stream) => stream.read_vectored(&mut slices),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read_vectored(&mut slices),
            _ => self.read(first),
        }
    }

    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write(bytes),
            #[cfg(feature = "__tls")]
            Self::Tls(stream) => stream.write_vectored(&[IoSlice::new(bytes)]),
            #[cfg(any(test, feature = "__scripted"))]
            Self::Scripted(script) => script.write_vectored(&[IoSlice::new(bytes)]),
            Self::None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    pub(crate) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write_vectored(slices),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write_vectored(slices),
            #[cfg(feature = "__tls")]
            Self::Tls(stream) => stream.write_vectored(slices),
            #[cfg(any(test, feature = "__scripted"))]
            Self::Scripted(script) => script.write_vectored(slices),
            Self::None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Writes what the transport itself has to say: TLS records.
    #[inline]
    #[cfg_attr(not(feature = "__tls"), expect(clippy::needless_pass_by_ref_mut, reason = "TLS needs it"))]
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self {
            #[cfg(feature = "__tls")]
            Self::Tls(stream) => stream.write_records(),
            _ => Ok(()),
        }
    }

    /// Whether bytes that were taken have yet to be handed to the kernel.
    #[inline]
    pub(crate) fn wants_write(&self) -> bool {
        match self {
            #[cfg(feature = "__tls")]
            Self::Tls(stream) => stream.wants_write(),
            _ => false,
        }
    }

    /// Bytes that `write` took and that may not have been handed to the kernel.
    #[inline]
    pub(crate) fn unsent(&self) -> usize {
        match self {
            #[cfg(feature = "__tls")]
            Self::Tls(stream) => stream.unsent(),
            _ => 0,
        }
    }

    /// Whether there is more to be read although the last read was short, or found nothing.
    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        match self {
            #[cfg(feature = "__tls")]
            Self::Tls(stream) => stream.has_more(),
            _ => false,
        }
    }

    /// Whether reading has made it possible to write; told once.
    #[inline]
    #[cfg_attr(not(feature = "__tls"), expect(clippy::needless_pass_by_ref_mut, reason = "TLS needs it"))]
    pub(crate) fn take_unblocked(&mut self) -> bool {
        match self {
            #[cfg(feature = "__tls")]
            Self::Tls(stream) => stream.take_unblocked(),
            _ => false,
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

    /// Whether it speaks TLS.
    pub(crate) fn is_secure(&self) -> bool {
        match self {
            #[cfg(feature = "__tls")]
            Self::Tls(_) => true,
            _ => false,
        }
    }

    /// Whether a TLS handshake is going on.
    pub(crate) fn is_handshaking(&self) -> bool {
        match self {
            #[cfg(feature = "__tls")]
            Self::Tls(stream) => stream.is_handshaking(),
            _ => false,
        }
    }

    /// Goes on with the TLS handshake, if one is going on. `Ok(false)`: it waits for the peer.
    #[cfg_attr(not(feature = "__tls"), expect(clippy::needless_pass_by_ref_mut, reason = "TLS needs it"))]
    pub(crate) fn handshake(&mut self) -> io::Result<bool> {
        match self {
            #[cfg(feature = "__tls")]
            Self::Tls(stream) => stream.handshake(),
            _ => Ok(true),
        }
    }

    /// Sends FIN: nothing more will be written. `WouldBlock`: to be called again once the kernel takes bytes.
    pub(crate) fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(feature = "__tls")]
            Self::Tls(stream) => stream.shutdown_write(),
            #[cfg(any(test, feature = "__scripted"))]
            Self::Scripted(script) => script.shutdown_write(),
            Self::None => Ok(()),
        }
    }

    /// How a non-blocking connect is going: `Ok(true)` connected, `Ok(false)` not yet.
    pub(crate) fn connected(&self) -> io::Result<bool> {
        let (pending, peer) = match self {
            Self::Tcp(stream) => (stream.take_error()?, stream.peer_addr().map(drop)),
            #[cfg(unix)]
            Self::Unix(stream) => (stream.take_error()?, stream.peer_addr().map(drop)),
            #[cfg(feature = "__tls")]
            Self::Tls(stream) => return stream.socket().connected(),
            #[cfg(any(test, feature = "__scripted"))]
            Self::Scripted(_) => return Ok(true),
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
        match self {
            Self::Tcp(stream) => {
                // Without it replies are late, not wrong.
                if let Err(error) = stream.set_nodelay(true) {
                    log::debug!("TCP_NODELAY: {error}");
                }
            }
            #[cfg(feature = "__tls")]
            Self::Tls(stream) => stream.socket().set_nodelay(),
            _ => {}
        }
    }
}
