//! A socket as the operating system might treat it, for `driver`.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sansws_mio::Script;

/// What happens to the next write.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Act {
    /// So many bytes are taken, if there are so many and there is room.
    Take(usize),
    /// All bytes are taken, and more are said to be.
    Lie,
    /// `Ok(0)`, from now on.
    Zero,
    WouldBlock,
    Interrupted,
    Reset,
}

#[derive(Debug, Default)]
pub struct Kernel {
    /// What the peer sent and nobody has read.
    pub inbound: Vec<u8>,
    /// What was read.
    pub read: Vec<u8>,
    pub peer_fin: bool,
    /// The driver has read the end of the peer's stream.
    pub eof_read: bool,
    pub interrupted_reads: u32,
    pub acts: VecDeque<Act>,
    /// How many bytes it still takes.
    pub room: usize,
    /// What it took, and when it last took something.
    pub wire: Vec<u8>,
    pub taken_at: Duration,
    /// The time of the test.
    pub now: Duration,
    pub reset: bool,
    reset_told: bool,
    pub fin: bool,
    zero: bool,
    /// Nothing more can be written, for good.
    pub broken: bool,
    /// The last write did not take all.
    pub blocked: bool,
    pub closed: bool,
    pub closed_at: Duration,
    /// Calls that led to nothing, and others.
    pub idle_calls: u64,
    pub progress: u64,
    pub readable_edge: bool,
    pub writable_edge: bool,
}

/// The driver's end and the test's.
#[derive(Debug, Clone)]
pub struct Shared(pub Arc<Mutex<Kernel>>);

impl Shared {
    pub fn new() -> Self {
        let kernel = Kernel { room: usize::MAX, writable_edge: true, ..Kernel::default() };
        Self(Arc::new(Mutex::new(kernel)))
    }

    pub fn lock(&self) -> MutexGuard<'_, Kernel> {
        self.0.lock().expect("no panic elsewhere")
    }
}

impl Kernel {
    pub fn arrive(&mut self, bytes: &[u8]) {
        if !self.peer_fin && !self.reset {
            self.inbound.extend(bytes);
            self.readable_edge |= !bytes.is_empty();
        }
    }

    pub fn make_room(&mut self, room: usize) {
        self.room = if self.room == usize::MAX { room } else { self.room.saturating_add(room) };
        self.writable_edge |= self.blocked && self.room > 0;
    }

    pub fn peer_fin(&mut self) {
        self.peer_fin = true;
        self.readable_edge = true;
    }

    pub fn reset(&mut self) {
        (self.reset, self.broken) = (true, true);
        (self.readable_edge, self.writable_edge) = (true, true);
    }

    fn idle(&mut self, kind: ErrorKind) -> io::Error {
        self.count_idle();
        kind.into()
    }

    fn count_idle(&mut self) {
        self.idle_calls += 1;
        assert!(self.idle_calls < self.progress + 10_000, "the kernel is called in vain for ever");
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(!buffer.is_empty(), "a read into nothing");
        if self.interrupted_reads > 0 {
            self.interrupted_reads -= 1;
            self.progress += 1;
            return Err(self.idle(ErrorKind::Interrupted));
        }
        // A short read means that there is no more, as with every edge-triggered socket.
        let len = buffer.len().min(self.inbound.len());
        if len > 0 {
            buffer[..len].copy_from_slice(&self.inbound[..len]);
            self.read.extend(self.inbound.drain(..len));
            self.progress += 1;
            return Ok(len);
        }
        if self.reset && !self.reset_told {
            self.reset_told = true;
            self.progress += 1;
            return Err(ErrorKind::ConnectionReset.into());
        }
        if self.reset || self.peer_fin {
            self.eof_read = true;
            self.count_idle();
            return Ok(0);
        }
        Err(self.idle(ErrorKind::WouldBlock))
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        assert!(total > 0, "a write of nothing");
        assert!(!self.fin, "a write after FIN");
        let act = self.acts.pop_front();
        if act.is_some() {
            self.progress += 1;
        }
        if self.reset || act == Some(Act::Reset) {
            self.reset();
            return Err(self.idle(ErrorKind::BrokenPipe));
        }
        let most = match act {
            Some(Act::Take(len)) => len,
            Some(Act::Interrupted) => return Err(self.idle(ErrorKind::Interrupted)),
            Some(Act::Zero) => {
                (self.zero, self.broken) = (true, true);
                0
            }
            Some(Act::WouldBlock) => 0,
            Some(Act::Lie | Act::Reset) | None => usize::MAX,
        };
        if self.zero {
            self.count_idle();
            return Ok(0);
        }
        let len = most.min(self.room).min(total);
        if len == 0 {
            self.blocked = true;
            // There is room: the event comes by itself.
            self.writable_edge |= self.room > 0;
            return Err(self.idle(ErrorKind::WouldBlock));
        }
        self.blocked = false;
        self.taken_at = self.now;
        self.progress += 1;
        self.room -= if self.room == usize::MAX { 0 } else { len };
        let mut rest = len;
        for slice in slices {
            let taken = rest.min(slice.len());
            self.wire.extend_from_slice(&slice[..taken]);
            rest -= taken;
        }
        Ok(if act == Some(Act::Lie) && len == total { len + 7 } else { len })
    }
}

/// What the driver holds: when it lets go of it, the socket is closed.
#[derive(Debug)]
pub struct Socket(pub Shared);

impl Script for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.lock().read(buffer)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.lock().write(slices)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        let mut kernel = self.0.lock();
        assert!(!kernel.fin, "FIN twice");
        kernel.fin = true;
        kernel.progress += 1;
        if kernel.reset { Err(ErrorKind::NotConnected.into()) } else { Ok(()) }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Ok(mut kernel) = self.0.0.lock() {
            (kernel.closed, kernel.closed_at) = (true, kernel.now);
            kernel.progress += 1;
        }
    }
}
