//! Bytes that the kernel has not taken yet.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};

use bytes::{Buf, Bytes};

/// The most pieces that one `writev` is given.
const MAX_SLICES: usize = 64;

/// Small writes are gathered in pieces of up to this size.
const TAIL_SIZE: usize = 16 * 1024;

/// A queue of pieces, some shared with other connections. Empty it is one word, without heap.
///
/// What was written is cut off the front, so a write of any length can be resumed.
#[derive(Default)]
pub(crate) struct OutQueue {
    queue: Option<Box<Queue>>,
}

#[derive(Default)]
struct Queue {
    pieces: VecDeque<Bytes>,
    /// Bytes in `pieces`.
    pieces_len: usize,
    /// Copied bytes that come after all of `pieces` and may still grow.
    tail: Vec<u8>,
}

/// How a write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Nothing is left.
    All,
    /// The kernel takes no more for now.
    Blocked,
}

impl OutQueue {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is empty, at a glance: one with heap may be too.
    #[inline]
    pub(crate) fn has_no_heap(&self) -> bool {
        self.queue.is_none()
    }

    /// Bytes in the queue.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.pieces_len + queue.tail.len())
    }

    /// Appends a piece without copying it.
    pub(crate) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            let queue = self.queue.get_or_insert_default();
            queue.seal_tail();
            queue.pieces_len += piece.len();
            queue.pieces.push_back(piece);
        }
    }

    /// Appends a copy.
    pub(crate) fn push_copy(&mut self, bytes: &[u8]) {
        if bytes.len() >= TAIL_SIZE {
            self.push(Bytes::copy_from_slice(bytes));
        } else if !bytes.is_empty() {
            self.tail().extend_from_slice(bytes);
        }
    }

    /// The end of the queue, to be appended to.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        let queue = self.queue.get_or_insert_default();
        if queue.tail.len() >= TAIL_SIZE {
            queue.seal_tail();
        }
        &mut queue.tail
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.queue = None;
    }

    /// Writes until the queue is empty or the kernel takes no more. `write` is one vectored write.
    ///
    /// # Errors
    ///
    /// Those of `write` but `WouldBlock` and `Interrupted`; `WriteZero` if it takes nothing.
    pub(crate) fn flush(
        &mut self,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Flushed> {
        if let Some(queue) = &mut self.queue {
            while queue.pieces_len + queue.tail.len() > 0 {
                match queue.write_some(&mut write) {
                    Ok(0) => return Err(ErrorKind::WriteZero.into()),
                    Ok(written) => queue.advance(written),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Flushed::Blocked),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.queue = None;
        Ok(Flushed::All)
    }
}

impl Queue {
    fn write_some(&self, write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut filled = 0;
        let mut offered = 0;
        let pieces = self.pieces.iter().map(|piece| &piece[..]).chain([&self.tail[..]]);
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            *slice = IoSlice::new(piece);
            filled += 1;
            offered += piece.len();
        }
        // A transport that claims more than it was given must not take the queue out of step.
        write(slices.get(..filled).unwrap_or_default()).map(|written| written.min(offered))
    }

    fn advance(&mut self, mut written: usize) {
        if written >= self.pieces_len + self.tail.len() {
            return *self = Self::default();
        }
        if written > self.pieces_len {
            self.seal_tail();
        }
        self.pieces_len -= written;
        while let Some(front) = self.pieces.front_mut() {
            if written < front.len() {
                front.advance(written);
                return;
            }
            written -= front.len();
            self.pieces.pop_front();
        }
    }

    fn seal_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces_len += self.tail.len();
            self.pieces.push_back(Bytes::from(std::mem::take(&mut self.tail)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a scripted transport does with one write.
    #[derive(Debug, Clone, Copy)]
    enum Act {
        Take(usize),
        Lie,
        WouldBlock,
        Interrupted,
        Zero,
        Reset,
    }

    /// What the test does with the queue.
    #[derive(Debug, Clone)]
    enum Step {
        Push(Vec<u8>),
        Copy(Vec<u8>),
        Tail(Vec<u8>),
        Flush(Vec<Act>),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let bytes = || prop_oneof![30 => prop::collection::vec(any::<u8>(), 0..50), 1 => prop::collection::vec(any::<u8>(), TAIL_SIZE..TAIL_SIZE + 5)];
        let act = prop_oneof![
            4 => (1..40_usize).prop_map(Act::Take),
            1 => Just(Act::Take(1)),
            1 => Just(Act::Take(usize::MAX)),
            1 => Just(Act::Lie),
            1 => Just(Act::WouldBlock),
            1 => Just(Act::Interrupted),
            1 => Just(Act::Zero),
            1 => Just(Act::Reset),
        ];
        let step = prop_oneof![
            bytes().prop_map(Step::Push),
            bytes().prop_map(Step::Copy),
            bytes().prop_map(Step::Tail),
            prop::collection::vec(act, 0..12).prop_map(Step::Flush),
        ];
        prop::collection::vec(step, 0..40)
    }

    proptest! {
        /// Whatever the transport does, the bytes come out once each and in order, and every flush
        /// ends. Attacks.
        #[test]
        fn bytes_come_out_once_and_in_order(steps in steps()) {
            let mut queue = OutQueue::default();
            let mut expected = Vec::new();
            let mut written = Vec::new();
            for step in steps {
                match step {
                    Step::Push(bytes) => {
                        expected.extend_from_slice(&bytes);
                        queue.push(Bytes::from(bytes));
                    }
                    Step::Copy(bytes) => {
                        expected.extend_from_slice(&bytes);
                        queue.push_copy(&bytes);
                    }
                    Step::Tail(bytes) => {
                        expected.extend_from_slice(&bytes);
                        queue.tail().extend_from_slice(&bytes);
                    }
                    Step::Flush(acts) => {
                        let mut acts = acts.into_iter();
                        let mut refused = false;
                        let flushed = queue.flush(|slices| {
                            assert!(!slices.is_empty() && slices.len() <= MAX_SLICES);
                            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
                            match acts.next().unwrap_or(Act::WouldBlock) {
                                Act::Take(n) => {
                                    let n = n.min(all.len());
                                    written.extend_from_slice(&all[..n]);
                                    Ok(n)
                                }
                                Act::Lie => {
                                    written.extend_from_slice(&all);
                                    Ok(all.len() + 7)
                                }
                                Act::WouldBlock => { refused = true; Err(ErrorKind::WouldBlock.into()) }
                                Act::Interrupted => Err(ErrorKind::Interrupted.into()),
                                Act::Zero => { refused = true; Ok(0) }
                                Act::Reset => { refused = true; Err(ErrorKind::ConnectionReset.into()) }
                            }
                        });
                        match flushed {
                            Ok(Flushed::All) => {
                                prop_assert!(!refused && queue.is_empty());
                                prop_assert!(queue.queue.is_none(), "heap without bytes");
                            }
                            Ok(Flushed::Blocked) | Err(_) => prop_assert!(refused && !queue.is_empty()),
                        }
                    }
                }
                prop_assert_eq!(queue.len(), expected.len() - written.len());
                prop_assert_eq!(&expected[..written.len()], &written[..]);
            }
            prop_assert_eq!(
                queue.flush(|slices| {
                    written.extend_from_slice(&slices[0]);
                    Ok(slices[0].len())
                }).expect("every write succeeds"),
                Flushed::All
            );
            prop_assert_eq!(expected, written);
        }
    }
}
