//! A TLS connection over a non-blocking socket.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::{ClientConnection, Connection, ServerConfig, ServerConnection};

/// Ciphertext read beyond the length of the caller's buffer before others have their turn: one
/// record and what frames it.
const READ_AHEAD: usize = 20 << 10;

/// rustls keeps this much room for ciphertext in an idle connection.
const IDLE_ROOM: usize = 4096;

/// Plaintext in and out, records on the socket.
///
/// What rustls decrypts is handed out as far as the caller's buffer takes it; what it encrypts is
/// written at once. At most 64 KiB of records that the kernel has refused stay here, and no more
/// plaintext is taken until they are written.
pub(crate) struct TlsStream<T> {
    conn: Connection,
    socket: T,
    /// Plaintext taken since all records were last written.
    unsent: usize,
    /// There is more to be read although the last read did not fill the buffer.
    more: bool,
    /// The handshake has ended: what `write` refused it now takes.
    unblocked: bool,
    /// To be told once the plaintext before it has been read.
    error: Option<io::Error>,
    /// The error has been told. The socket's bytes mean nothing any more.
    failed: bool,
    /// Records could not be written: to be told by the next write.
    write_error: Option<io::Error>,
}

impl<T: Read + Write> TlsStream<T> {
    pub(crate) fn server(config: Arc<ServerConfig>, socket: T) -> Result<Self, rustls::Error> {
        Ok(Self::new(ServerConnection::new(config)?.into(), socket))
    }

    pub(crate) fn client(conn: ClientConnection, socket: T) -> Self {
        Self::new(conn.into(), socket)
    }

    fn new(conn: Connection, socket: T) -> Self {
        Self {
            conn,
            socket,
            unsent: 0,
            more: false,
            unblocked: false,
            error: None,
            failed: false,
            write_error: None,
        }
    }

    pub(crate) fn socket_mut(&mut self) -> &mut T {
        &mut self.socket
    }

    /// Goes on with the handshake. `Ok(false)`: it waits for the peer.
    pub(crate) fn handshake(&mut self) -> io::Result<bool> {
        match self.write_records() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        while self.conn.is_handshaking() {
            match self.receive() {
                Ok(Received { len: 0, .. }) => return Err(truncated()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
            if let Some(error) = self.error.take() {
                self.failed = true;
                return Err(error);
            }
        }
        Ok(true)
    }

    /// Fills the buffer unless the socket has no more for now, so that a short read means a drained
    /// socket, as for a plain one. The exceptions are [marked](Self::has_more). `Ok(0)` is the
    /// peer's close_notify; an end without one is an error.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.more = false;
        if self.failed {
            return self.socket.read(buffer);
        }
        let mut filled = 0;
        let mut received = 0;
        let mut drained = false;
        loop {
            let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) else {
                return Ok(filled);
            };
            let end = match self.conn.reader().read(rest) {
                Ok(0) => Some(Ok(0)),
                Ok(len) => {
                    filled += len;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.error.take().map(Err),
                Err(_) => Some(Err(truncated())),
            };
            if let Some(end) = end {
                if filled > 0 {
                    self.error = end.err();
                    self.more = true;
                    return Ok(filled);
                }
                self.failed = end.is_err();
                return end;
            }
            if drained && filled > 0 {
                break;
            }
            // Records may carry no plaintext at all.
            if received > buffer.len().saturating_add(READ_AHEAD) {
                self.more = true;
                break;
            }
            match self.receive() {
                Ok(Received { len, was_short }) => {
                    received += len;
                    drained = was_short;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => self.error = Some(error),
            }
        }
        if received > IDLE_ROOM {
            self.shrink();
        }
        if filled > 0 { Ok(filled) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    /// Whether there is more to be read although the last read was short or found nothing.
    pub(crate) fn has_more(&self) -> bool {
        self.more
    }

    /// Whether writing has become possible for another reason than that the kernel takes bytes;
    /// told once.
    pub(crate) fn take_unblocked(&mut self) -> bool {
        std::mem::take(&mut self.unblocked)
    }

    /// Takes plaintext, if all records before it have been written.
    pub(crate) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.failed {
            return Err(ErrorKind::BrokenPipe.into());
        }
        self.write_records()?;
        if self.conn.is_handshaking() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let taken = self.conn.writer().write_vectored(slices)?;
        self.unsent = taken;
        // If that fails, some of the records may have been written: the plaintext has been taken.
        self.try_write_records();
        Ok(taken)
    }

    /// Whether records wait for the kernel.
    pub(crate) fn wants_write(&self) -> bool {
        self.conn.wants_write()
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.conn.is_handshaking()
    }

    /// Most bytes of plaintext in the records that wait.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent
    }

    /// Writes the records that wait.
    pub(crate) fn write_records(&mut self) -> io::Result<()> {
        if let Some(error) = self.write_error.take() {
            return Err(error);
        }
        while self.conn.wants_write() {
            match self.conn.write_tls(&mut Socket::new(&mut self.socket)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.unsent = 0;
        Ok(())
    }

    /// Sends close_notify, so that the peer can tell the end from a broken connection. FIN may
    /// follow.
    pub(crate) fn close_notify(&mut self) -> io::Result<()> {
        self.conn.send_close_notify();
        self.write_records()
    }

    /// Reads once from the socket, and writes what rustls has to say to that.
    fn receive(&mut self) -> io::Result<Received> {
        let mut socket = Socket::new(&mut self.socket);
        let len = match self.conn.read_tls(&mut socket) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                return Ok(Received { len: 1, was_short: false });
            }
            other => other?,
        };
        let was_short = socket.was_short;
        let was_handshaking = self.conn.is_handshaking();
        if let Err(error) = self.conn.process_new_packets() {
            self.error = Some(io::Error::new(ErrorKind::InvalidData, error));
        }
        self.unblocked |= was_handshaking && !self.conn.is_handshaking();
        // An alert, a part of the handshake, new keys.
        self.try_write_records();
        Ok(Received { len, was_short })
    }

    /// Writes the records that wait. If that fails, the next write tells.
    fn try_write_records(&mut self) {
        match self.write_records() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => self.write_error = Some(error),
            _ => {}
        }
    }

    /// Has rustls give back memory that only a large record needed: it does so before it reads.
    fn shrink(&mut self) {
        let _ = self.conn.read_tls(&mut Nothing);
    }
}

impl<T: fmt::Debug> fmt::Debug for TlsStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("socket", &self.socket).finish_non_exhaustive()
    }
}

fn truncated() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "the peer ended the stream without TLS close_notify")
}

struct Received {
    /// Bytes; 0 is the end of the stream.
    len: usize,
    /// The socket had less than was asked for.
    was_short: bool,
}

/// The socket as rustls wants it.
struct Socket<'a, T> {
    socket: &'a mut T,
    was_short: bool,
}

impl<'a, T> Socket<'a, T> {
    fn new(socket: &'a mut T) -> Self {
        Self { socket, was_short: false }
    }
}

impl<T: Read> Read for Socket<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.socket.read(buffer)?;
        self.was_short = len < buffer.len();
        Ok(len)
    }
}

impl<T: Write> Write for Socket<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket that has nothing to be read.
struct Nothing;

impl Read for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}
