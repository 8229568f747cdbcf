//! The byte stream under a connection.

use std::io::{self, IoSlice, Read, Write};

use crate::kernel::socket::Socket;
#[cfg(feature = "__tls")]
use crate::tls::stream::TlsStream;

/// A non-blocking stream, plain or through TLS.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain(Socket),
    #[cfg(feature = "__tls")]
    Tls(Box<TlsStream<Socket>>),
    /// There is no socket: not yet, or no longer.
    None,
}

impl Transport {
    /// Over a script instead of a socket.
    #[cfg(any(test, feature = "__scripted"))]
    pub(crate) fn scripted(script: Box<dyn crate::kernel::script::Script>) -> Self {
        Self::Plain(Socket::Scripted(script))
    }

    /// The socket, if there is one.
    pub(crate) fn socket_mut(&mut self) -> Option<&mut Socket> {
        match self {
            Self::Plain(socket) => Some(socket),
            #[cfg(feature = "__tls")]
            Self::Tls(stream) => Some(stream.socket_mut()),
            Self::None => None,
        }
    }

    #[inline]
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            #[cfg(feature = "__tls")]
            Self::Tls(stream) => stream.read(buffer),
            Self::None => Ok(0),
        }
    }

    /// Whether [`read_two`](Self::read_two) fills the second slice too.
    #[inline]
    pub(crate) fn reads_two(&self) -> bool {
        matches!(self, Self::Plain(socket) if socket.reads_two())
    }

    /// Reads into the first slice, and what does not fit there into the second.
    pub(crate) fn read_two(&mut self, first: &mut [u8], second: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read_two(first, second),
            _ => self.read(first),
        }
    }

    #[inline]
    pub(crate) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match (self, slices) {
            // The usual case, for which the kernel has a simpler call.
            (Self::Plain(socket), [bytes]) => socket.write(bytes),
            (Self::Plain(socket), _) => socket.write_vectored(slices),
            #[cfg(feature = "__tls")]
            (Self::Tls(stream), _) => stream.write_vectored(slices),
            (Self::None, _) => Err(io::ErrorKind::NotConnected.into()),
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
            Self::Plain(socket) => socket.is_unix(),
            #[cfg(feature = "__tls")]
            Self::Tls(_) => false,
            Self::None => false,
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

    /// Sends FIN: nothing more will be written. `WouldBlock`: to be called again once the kernel
    /// takes bytes.
    pub(crate) fn shutdown_write(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.shutdown_write(),
            #[cfg(feature = "__tls")]
            Self::Tls(stream) => {
                stream.close_notify()?;
                stream.socket_mut().shutdown_write()
            }
            Self::None => Ok(()),
        }
    }
}
