//! A client and a server in memory, cut at arbitrary places both ways, driven until neither has anything to say.

mod support;

use proptest::prelude::*;
use sansws::{CloseCode, Connection, SendError, State};
use support::*;

/// More than any of these conversations needs; reaching it means that the two talk for ever.
const MAX_STEPS: usize = 10_000;

struct Pair {
    ends: [End; 2],
    cut: usize,
}

struct End {
    connection: Connection,
    watcher: Watcher,
    /// Bytes on their way to the other end.
    wire: Vec<u8>,
    /// What the other end should have seen, in order.
    sent: Vec<Seen>,
    /// The message that is being sent in fragments.
    fragments: String,
}

#[derive(Debug, Clone)]
enum Operation {
    Text(String),
    Fragment(String, bool),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Close(u16),
    CloseWithoutStatus,
    Deliver(usize),
}

impl Pair {
    fn new(cut: usize) -> Self {
        let end = |connection| End {
            connection,
            watcher: Watcher::default(),
            wire: Vec::new(),
            sent: Vec::new(),
            fragments: String::new(),
        };
        Self { ends: [end(client()), end(server())], cut }
    }

    fn apply(&mut self, from: usize, operation: Operation) {
        let end = &mut self.ends[from];
        let (connection, wire) = (&mut end.connection, &mut end.wire);
        let (state, len) = (connection.state(), wire.len());
        let result = match &operation {
            Operation::Text(text) => connection.send_text(text, wire),
            Operation::Fragment(text, last) => connection.send_text_fragment(text, *last, wire),
            Operation::Binary(payload) => connection.send_binary(payload, wire),
            Operation::Ping(payload) => connection.send_ping(payload, wire),
            Operation::Close(code) => connection.close(CloseCode::new(*code), "reason", wire),
            Operation::CloseWithoutStatus => connection.close_without_status(wire),
            Operation::Deliver(len) => {
                self.deliver(from, *len);
                return;
            }
        };
        match result {
            Ok(()) => match operation {
                Operation::Text(text) => end.sent.push(Seen::Text(text)),
                Operation::Binary(payload) => end.sent.push(Seen::Binary(payload)),
                Operation::Ping(payload) => end.sent.push(Seen::Ping(payload)),
                Operation::Close(code) => end.sent.push(close(code, "reason")),
                Operation::CloseWithoutStatus => end.sent.push(Seen::Close(None)),
                Operation::Fragment(text, last) => {
                    end.fragments.push_str(&text);
                    if last {
                        end.sent.push(Seen::Text(std::mem::take(&mut end.fragments)));
                    }
                }
                Operation::Deliver(_) => {}
            },
            Err(error) => {
                assert_eq!((connection.state(), wire.len()), (state, len), "an error changes nothing");
                match error {
                    SendError::NotOpen => assert_ne!(state, State::Open),
                    SendError::MessageInProgress => assert_eq!(state, State::Open),
                    SendError::InvalidCloseCode => {}
                    other => panic!("unexpected {other}"),
                }
            }
        }
    }

    /// Moves up to `len` bytes from one end to the other.
    fn deliver(&mut self, from: usize, len: usize) {
        let len = len.min(self.ends[from].wire.len());
        let bytes: Vec<u8> = self.ends[from].wire.drain(..len).collect();
        let to = &mut self.ends[1 - from];
        let reply = to.watcher.feed(&mut to.connection, &bytes);
        to.wire.extend(reply);
    }

    /// Delivers what is on the wire, in pieces, until nothing is. The server closes TCP when it is due; then the client sees the end.
    fn drive_bounded(&mut self) {
        for _ in 0..MAX_STEPS {
            for from in [0, 1] {
                self.deliver(from, self.cut);
            }
            if self.ends.iter().all(|end| end.wire.is_empty()) {
                if self.ends[1].connection.should_close_transport() {
                    self.ends[0].connection.receive_eof();
                }
                return;
            }
        }
        panic!("not idle after {MAX_STEPS} steps");
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => ".{0,60}".prop_map(Operation::Text),
        4 => (".{0,60}", any::<bool>()).prop_map(|(text, last)| Operation::Fragment(text, last)),
        4 => prop::collection::vec(any::<u8>(), 0..400).prop_map(Operation::Binary),
        2 => prop::collection::vec(any::<u8>(), 0..=125).prop_map(Operation::Ping),
        1 => (990..1020_u16).prop_map(Operation::Close),
        1 => Just(Operation::CloseWithoutStatus),
        6 => (1..300_usize).prop_map(Operation::Deliver),
    ]
}

proptest! {
    /// Rule R-5.5.1-h.
    #[test]
    #[cfg_attr(miri, ignore = "its regular expressions take minutes")]
    fn two_ends_agree_whatever_they_do(
        operations in prop::collection::vec((0..2_usize, operation()), 0..40),
        cut in 1..200_usize,
    ) {
        let mut pair = Pair::new(cut);
        for (from, operation) in operations {
            pair.apply(from, operation);
        }
        pair.drive_bounded();
        let [a, b] = &pair.ends;
        for (from, to) in [(a, b), (b, a)] {
            // All that was sent arrives in order, except what came after the receiver was done: it had closed first and got its answer.
            let seen: Vec<&Seen> = to.watcher.seen.iter().filter(|seen| !matches!(seen, Seen::Pong(_))).collect();
            // In order, and up to where the receiver was done.
            let mut sent = from.sent.iter();
            for seen in &seen {
                let next = sent.next();
                // A Close that was not the first one is the answer to it.
                if !(next.is_none() && matches!(seen, Seen::Close(_))) {
                    prop_assert_eq!(next, Some(*seen));
                }
            }
            prop_assert!(sent.next().is_none() || to.connection.state() == State::Closed, "something was lost");
            prop_assert!(!seen.iter().any(|seen| matches!(seen, Seen::Failed(_))), "neither breaks the protocol: {seen:?}");
        }
        if a.connection.state() != State::Open || b.connection.state() != State::Open {
            prop_assert_eq!((a.connection.state(), b.connection.state()), (State::Closed, State::Closed));
            prop_assert!(a.connection.was_clean() && b.connection.was_clean());
        }
    }
}
