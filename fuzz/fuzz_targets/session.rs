//! A client and a server that are told to do anything, over a wire on which anything can happen. After each step each of them is compared
//! with a model: its state, its debts, its memory, what it wrote and with which masking-keys; and what it received with what the reference
//! finds in the same bytes, which is read again from its start: after each step up to 4 KiB of it, beyond that whenever it has doubled, and
//! at the end. They are parked, cloned, and write to outputs of several kinds.
//!
//! The input: flags, three bytes of limits, then operations as `Operation` reads them.

#![no_main]

mod end;
mod keys;
mod model;
mod operation;
mod outputs;
mod reference;

use std::cell::Cell;
use std::rc::Rc;

use arbitrary::{Arbitrary, Result, Unstructured};
use end::End;
use keys::Keys;
use libfuzzer_sys::fuzz_target;
use operation::Operation;
use reference::Seen;
use sansws::{Config, ProtocolError, State};

const COMPRESSION: u8 = 0x01;
const LIMITS_OF: [u8; 2] = [0x02, 0x04]; // of the client, of the server
const MAX_OPERATIONS: usize = 100;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Unstructured::new(bytes);
    let Ok(mut session) = Session::arbitrary(&mut input) else { return };
    for _ in 0..MAX_OPERATIONS {
        let Ok((by, operation)) = <(bool, Operation)>::arbitrary(&mut input) else { break };
        session.operate(usize::from(by), operation);
        session.ends.iter_mut().for_each(End::check);
        if input.is_empty() {
            break;
        }
    }
    session.finish();
});

struct Session {
    /// The client, the server.
    ends: [End; 2],
    /// By which the client's source of keys refuses.
    refusals: Rc<Cell<u8>>,
    /// Neither wire was tampered with, and nobody gave up.
    peaceful: bool,
}

impl<'a> Arbitrary<'a> for Session {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let (flags, limits) = (u8::arbitrary(input)?, <[u8; 3]>::arbitrary(input)?);
        let config = |end: usize| {
            let mut config = Config::new().compression(flags & COMPRESSION != 0);
            if flags & LIMITS_OF[end] != 0 {
                config.max_frame_len = u64::from(limits[0]);
                config.max_message_len = u64::from(limits[1]) * 2;
                config.max_fragments = u32::from(limits[2]);
            }
            config
        };
        let refusals = Rc::new(Cell::new(0));
        let keys = Keys::new(u32::from_be_bytes([flags, limits[0], limits[1], limits[2]]), refusals.clone());
        let ends = [End::new(config(0), Some(keys)), End::new(config(1), None)];
        Ok(Self { ends, refusals, peaceful: true })
    }
}

impl Session {
    fn operate(&mut self, by: usize, operation: Operation) {
        let [client, server] = &mut self.ends;
        let (end, other) = if by == 0 { (client, server) } else { (server, client) };
        match operation {
            Operation::Deliver(len) => {
                let len = len.min(end.wire.len());
                let bytes: Vec<u8> = end.wire.drain(..len).collect();
                other.receive(bytes);
            }
            Operation::Eof => {
                self.peaceful = false;
                end.receive_eof();
            }
            Operation::Fail(error) => {
                self.peaceful = false;
                end.fail(error);
            }
            Operation::Corrupt(at, bits) => {
                if let Some(octet) = end.wire.get_mut(at) {
                    *octet ^= bits;
                    self.peaceful = false;
                }
            }
            Operation::Insert(at, bytes) => {
                let at = at.min(end.wire.len());
                end.wire.splice(at..at, bytes);
                self.peaceful = false;
            }
            Operation::Room(room) => end.room = room,
            Operation::Transmit => end.transmit(),
            Operation::Park => end.park(),
            Operation::Clone => end.clone_connection(),
            Operation::Refuse(pattern) => self.refusals.set(pattern),
            Operation::Output(kind, is_dyn) => end.change_output(kind, is_dyn),
            Operation::Echo => end.echo = !end.echo,
            sending => end.send(sending),
        }
        if self.peaceful {
            for (from, to) in [(0, 1), (1, 0)] {
                self.assert_like_sent(from, to, false);
            }
        }
    }

    /// Everything arrives that is still to arrive; then both ends have seen what the other one sent.
    fn finish(mut self) {
        self.refusals.set(0);
        self.ends.iter_mut().for_each(|end| end.echo = false);
        for _ in 0..8 {
            for by in [0, 1] {
                self.ends[by].room = usize::MAX;
                self.operate(by, Operation::Transmit);
                self.operate(by, Operation::Deliver(usize::MAX));
                self.ends.iter_mut().for_each(End::check);
            }
        }
        for end in &self.ends {
            assert!(end.wire.is_empty() && !end.connection.wants_transmit(), "the two talk for ever");
            end.assert_like_reference();
        }
        if !self.peaceful {
            return;
        }
        for (from, to) in [(0, 1), (1, 0)] {
            self.assert_like_sent(from, to, true);
        }
        let states = self.ends.each_ref().map(|end| end.connection.state());
        let failed = states.contains(&State::Failed);
        assert!(failed || states == [State::Open; 2] || states == [State::Closed; 2], "{states:?}");
        assert!(failed || states[0] == State::Open || self.ends.iter().all(|end| end.connection.was_clean()));
    }

    /// Nobody tampered: what is seen is what was sent, from the first on; and all of it if everything has arrived.
    fn assert_like_sent(&self, from: usize, to: usize, all: bool) {
        let (sent, mut seen) = (&self.ends[from].sent[..], &self.ends[to].seen[..]);
        let ended = seen.last().is_some_and(Seen::is_last);
        if let [before @ .., Seen::Failed(error)] = seen {
            let limit = matches!(
                error,
                ProtocolError::FrameTooBig | ProtocolError::MessageTooBig | ProtocolError::TooManyFragments
            );
            assert!(limit, "{error} in what was sent by the rules");
            seen = before;
        }
        assert!(sent.starts_with(seen), "sent {sent:?}, seen {seen:?}");
        assert!(!all || ended || seen.len() == sent.len(), "sent {sent:?}, seen only {seen:?}");
    }
}
