//! What stands for a socket and its kernel.

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use super::place::Place;
use super::{Receive, Send};
use crate::frame_len;

/// A transport in memory: reads come from a stream that starts over at its end; writes go to a place that does the same.
#[derive(Debug)]
pub struct Wire {
    stream: Arc<Place>,
    /// At most so many bytes a read.
    read: usize,
    read_at: usize,
    place: Place,
    written: usize,
    leave: Written,
}

/// From so many bytes on it does not pay to wait for more before they are written.
pub const WORTH_A_WRITE: usize = 16 << 10;

/// Where a wire leaves what was written to it in its last run, once it is dropped.
#[derive(Debug, Clone, Default)]
pub struct Written(Arc<Mutex<Vec<u8>>>);

impl Wire {
    /// Creates one to read from. No read reaches beyond the stream's end.
    pub fn of(job: &Receive) -> Self {
        Self::new(job.stream.clone(), job.read, Place::new(0, 0), Written::default())
    }

    /// Creates one to write to.
    pub fn to(job: &Send, is_client: bool) -> Self {
        let run = job.count * frame_len(job.payload.len(), is_client);
        Self::new(Arc::new(Place::new(0, 0)), 0, Place::of_round(run, job.round), job.written.clone())
    }

    fn new(stream: Arc<Place>, read: usize, place: Place, leave: Written) -> Self {
        Self { stream, read, read_at: 0, place, written: 0, leave }
    }

    /// Writes what is in `out` and empties it, if it is enough to be worth a system call.
    #[inline]
    pub fn put_if_long(&mut self, out: &mut Vec<u8>) {
        if out.len() >= WORTH_A_WRITE {
            self.put(out);
            out.clear();
        }
    }

    /// Fills `first`, then `second`, in one read. Returns how many bytes it wrote into both.
    #[inline]
    pub fn read_into(&mut self, first: &mut [u8], second: &mut [u8]) -> usize {
        let bytes = self.next(first.len() + second.len());
        let (head, tail) = bytes.split_at(first.len().min(bytes.len()));
        first[..head.len()].copy_from_slice(head);
        second[..tail.len()].copy_from_slice(tail);
        bytes.len()
    }

    /// Lends what the next read returns, of at most `room` bytes, to be copied.
    #[inline]
    pub fn next(&mut self, room: usize) -> &[u8] {
        if self.read_at == self.stream.len() {
            self.read_at = 0;
        }
        let rest = &self.stream[self.read_at..];
        let len = room.min(self.read).min(rest.len());
        self.read_at += len;
        &rest[..len]
    }

    /// Copies `bytes` behind what was written before; to the beginning, if a run ended there.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.written == self.place.len() {
            self.written = 0;
        }
        let end = self.written + bytes.len();
        self.place[self.written..end].copy_from_slice(bytes);
        self.written = end;
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let written = self.place[..self.written].to_vec();
        *self.leave.0.lock().unwrap_or_else(PoisonError::into_inner) = written;
    }
}

impl Written {
    /// Takes it.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Read for Wire {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        Ok(self.read_into(buffer, &mut []))
    }

    #[inline]
    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> std::io::Result<usize> {
        Ok(match buffers {
            [] => 0,
            [only] => self.read_into(only, &mut []),
            [first, second, ..] => self.read_into(first, second),
        })
    }
}

impl Write for Wire {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.put(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> std::io::Result<usize> {
        let mut len = 0;
        for buffer in buffers {
            self.put(buffer);
            len += buffer.len();
        }
        Ok(len)
    }

    #[inline]
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_fills_both_places_and_ends_with_the_stream() {
        let mut stream = Place::new(5, 0);
        stream.copy_from_slice(&[1, 2, 3, 4, 5]);
        let mut wire = Wire::new(Arc::new(stream), 4, Place::new(0, 0), Written::default());
        let (mut first, mut second) = ([0; 1], [0; 8]);
        assert_eq!(wire.read_into(&mut first, &mut second), 4);
        assert_eq!((first[0], &second[..3]), (1, &[2, 3, 4][..]));
        assert_eq!(wire.read_into(&mut first, &mut second), 1);
        assert_eq!(wire.read_into(&mut second, &mut []), 4);
        assert_eq!(second[..4], [1, 2, 3, 4]);
    }

    #[test]
    fn each_run_writes_to_the_same_place() {
        let written = Written::default();
        let mut wire = Wire::new(Arc::new(Place::new(0, 0)), 0, Place::new(3, 0), written.clone());
        for byte in 1..=6 {
            wire.put(&[byte]);
        }
        drop(wire);
        assert_eq!(written.take(), [4, 5, 6]);
    }
}
