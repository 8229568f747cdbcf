//! What the kernel's edge-triggered events say of a transport.

use std::io::{self, ErrorKind, IoSlice};

use crate::conn::pace::Portion;
use crate::conn::wire::Wire;
use crate::kernel::transport::Transport;

/// Whether the next event of a socket may come after a read that was not refused: events are edges
/// of epoll or kqueue here. Elsewhere mio waits for a call that would have to.
const SHORT_READ_DRAINS: bool = cfg!(any(
    target_os = "android",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "ios",
    target_os = "linux",
    target_os = "macos",
    target_os = "netbsd",
    target_os = "openbsd",
));

/// What an event says of a socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer sent FIN, or the socket is broken.
    pub(crate) ended: bool,
    /// The socket is broken, such as by a reset.
    pub(crate) broken: bool,
}

/// What events said of the end of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ended {
    NotYet,
    /// The peer sent FIN: a short read does not mean that there is nothing more to read.
    Fin,
    /// The socket is broken.
    Broken,
}

/// A transport, and what is known of it since the last event: it is not asked in vain.
pub(crate) struct Edges {
    pub(crate) transport: Transport,
    /// The kernel may have bytes for us.
    pub(crate) readable: bool,
    /// The kernel may take bytes.
    pub(crate) writable: bool,
    /// What events said of the end of the peer's stream.
    ended: Ended,
    /// The end of the peer's stream was read.
    pub(crate) eof: bool,
    /// The kernel took nothing more, and now does again: the peer has acknowledged something.
    pub(crate) progress: bool,
    /// FIN was sent.
    pub(crate) fin_sent: bool,
    /// The application wants nothing read for now.
    pub(crate) paused: bool,
    /// The most that is read at a time.
    pub(crate) portion: Portion,
}

impl Edges {
    /// Nothing is known yet.
    pub(crate) fn new(transport: Transport) -> Self {
        Self {
            transport,
            readable: false,
            writable: false,
            ended: Ended::NotYet,
            eof: false,
            progress: false,
            fin_sent: false,
            paused: false,
            portion: Portion::FIRST,
        }
    }

    /// Over a socket that has just been connected: it takes bytes.
    pub(crate) fn connected(transport: Transport) -> Self {
        Self { writable: true, ..Self::new(transport) }
    }

    /// An event has come.
    pub(crate) fn ready(&mut self, readiness: Readiness) {
        // After the peer's FIN every event says so again.
        self.readable |= (readiness.readable || readiness.ended) && !self.eof;
        let ended = match readiness {
            Readiness { broken: true, .. } => Ended::Broken,
            Readiness { ended: true, .. } => Ended::Fin,
            _ => Ended::NotYet,
        };
        self.ended = self.ended.max(ended);
        if readiness.writable {
            // It took nothing more before: the peer has acknowledged something.
            self.progress |= !self.writable;
            self.writable = true;
        }
    }

    /// Whether an event said that the socket is broken.
    pub(crate) fn is_broken(&self) -> bool {
        self.ended == Ended::Broken
    }

    /// Whether a read may bring something.
    pub(crate) fn can_read(&self) -> bool {
        self.readable && !self.eof
    }

    /// Reads up to `wanted` bytes by `read`. `None`: there is nothing to read for now.
    pub(crate) fn read(
        &mut self,
        wanted: usize,
        mut read: impl FnMut(&mut Transport) -> io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        while self.can_read() {
            let read = read(&mut self.transport);
            if self.transport.take_unblocked() {
                self.writable = true;
            }
            match read {
                Ok(0) => {
                    self.eof = true;
                    self.readable = false;
                    return Some(Ok(0));
                }
                Ok(len) => {
                    // A short read has drained the socket, and what comes later is a new event.
                    // Only a FIN whose event has been seen already would be missed.
                    let short = SHORT_READ_DRAINS && len < wanted;
                    if short && self.ended == Ended::NotYet && !self.transport.has_more() {
                        self.readable = false;
                    }
                    return Some(Ok(len));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.transport.has_more() {
                        return None;
                    }
                    self.readable = false;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.readable = false;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    fn written<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        match &result {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // The next read tells the end, after what the peer sent before it.
            Err(_) => self.readable = true,
        }
        result
    }
}

impl Wire for Edges {
    #[inline]
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.writable {
            return Err(ErrorKind::WouldBlock.into());
        }
        let written = match self.transport.write_vectored(slices) {
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            other => other,
        };
        self.written(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.writable {
            return Err(ErrorKind::WouldBlock.into());
        }
        let flushed = self.transport.flush();
        self.written(flushed)
    }

    #[inline]
    fn unsent(&self) -> usize {
        self.transport.unsent()
    }

    #[inline]
    fn wants_write(&self) -> bool {
        self.transport.wants_write()
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        let shut = self.transport.shutdown_write();
        // A socket that is gone already is no reason to read.
        if shut.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
            self.writable = false;
        }
        shut
    }
}
