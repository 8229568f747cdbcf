//! The end of a connection in every order of things: whatever is called or arrives, nothing happens after the end.

use sansws::{CloseCode, Connection, MessageKind, Opcode, Prepared, Role, SendError, State};

use crate::support::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    // What arrives.
    Text,
    Ping,
    Close,
    CloseCut,
    BadFrame,
    Eof,
    // What the program does.
    SendText,
    SendFragment,
    SendPrepared,
    SendPing,
    DoClose,
    Fail,
    Transmit,
}

const STEPS: [Step; 13] = [
    Step::Text,
    Step::Ping,
    Step::Close,
    Step::CloseCut,
    Step::BadFrame,
    Step::Eof,
    Step::SendText,
    Step::SendFragment,
    Step::SendPrepared,
    Step::SendPing,
    Step::DoClose,
    Step::Fail,
    Step::Transmit,
];

/// A connection, all that came out of it, and what it said about its end.
struct Walk {
    connection: Connection,
    events: usize,
    was_last: bool,
    out: Vec<u8>,
    in_message: bool,
    path: Vec<Step>,
}

impl Walk {
    fn new(role: Role) -> Self {
        let connection = if role == Role::Server { server() } else { client() };
        Self { connection, events: 0, was_last: false, out: Vec::new(), in_message: false, path: Vec::new() }
    }

    fn arrives(&mut self, first: u8, payload: &[u8]) {
        let key = (self.connection.role() == Role::Server).then_some(KEY);
        let mut bytes = frame(first, key, payload);
        if first == 0 {
            bytes = vec![0x88]; // a Close that is cut
        }
        let mut input = &mut bytes[..];
        while let Some(event) = self.connection.receive(&mut input) {
            assert!(!self.was_last, "an event after the last: {event:?}");
            self.was_last = matches!(event, sansws::Event::Close(_) | sansws::Event::Failed(_));
            self.events += 1;
        }
    }

    fn step(&mut self, step: Step) {
        self.path.push(step);
        let before = self.connection.state();
        let could_send = self.connection.can_send();
        let (len, was_in_message) = (self.out.len(), self.in_message);
        let (connection, out) = (&mut self.connection, &mut self.out);
        let sent = match step {
            Step::Text => return self.arrived(before, 0x81, b"t"),
            Step::Ping => return self.arrived(before, 0x89, b"p"),
            Step::Close => return self.arrived(before, 0x88, b"\x03\xe8"),
            Step::CloseCut => return self.arrived(before, 0x00, b""),
            Step::BadFrame => return self.arrived(before, 0x83, b""),
            Step::Eof => {
                connection.receive_eof();
                return self.check(before);
            }
            Step::Fail => {
                connection.fail(CloseCode::new(1011));
                return self.check(before);
            }
            Step::Transmit => {
                connection.poll_transmit(out).unwrap();
                return self.check(before);
            }
            Step::SendText => connection.send_text("s", out),
            // The first begins a message, the next one ends it.
            Step::SendFragment => {
                let sent = connection.send_binary_fragment(b"f", self.in_message, out);
                self.in_message ^= sent.is_ok();
                sent
            }
            Step::SendPrepared => connection.send_prepared(&Prepared::text("p"), out),
            Step::SendPing => connection.send_ping(b"", out),
            Step::DoClose => connection.close(4000.into(), "", out),
        };
        let is_message = matches!(step, Step::SendText | Step::SendPrepared);
        if could_send && is_message && self.in_message {
            assert_eq!(sent, Err(SendError::MessageInProgress), "{:?}", self.path);
            assert_eq!(self.out.len(), len, "{:?}", self.path);
            return self.check(before);
        }
        // §5.5.1: until the peer's Close is answered, the answer can be chosen and the current message ended.
        let may_send = could_send
            || before == State::CloseReceived
                && (step == Step::DoClose || step == Step::SendFragment && was_in_message);
        assert_eq!(sent.is_ok(), may_send, "{:?}", self.path);
        if !may_send {
            assert_eq!(sent, Err(SendError::NotOpen));
            assert_eq!(self.connection.frame_header(MessageKind::Text, 1), Err(SendError::NotOpen));
            assert_eq!(self.out.len(), len, "{:?}", self.path);
        }
        self.check(before);
    }

    fn arrived(&mut self, before: State, first: u8, payload: &[u8]) {
        self.arrives(first, payload);
        self.check(before);
    }

    /// What holds after every step.
    fn check(&self, before: State) {
        use State::{CloseReceived, CloseSent, Closed, Failed, Open};
        let (connection, path) = (&self.connection, &self.path);
        let after = connection.state();
        // The diagram at `Connection`.
        let legal = match before {
            Open => true,
            CloseSent => matches!(after, CloseSent | Closed | Failed),
            CloseReceived => matches!(after, CloseReceived | Closed),
            Closed => after == Closed,
            Failed => after == Failed,
        };
        assert!(legal, "{before:?} became {after:?}: {path:?}");
        assert_eq!(connection.can_send(), after == Open, "{path:?}");
        let frames = parse(&self.out);
        let closes: Vec<usize> = (0..frames.len()).filter(|&i| frames[i].0 == Opcode::Close).collect();
        // §5.5.1: one Close, and no data behind it.
        assert!(closes.len() <= 1, "{path:?}");
        if let Some(&at) = closes.first() {
            assert!(frames[at + 1..].iter().all(|frame| frame.0 == Opcode::Pong), "{path:?}");
        }
        // §7.1.4: clean is when both Close frames are through.
        assert!(!connection.was_clean() || (after == Closed && closes.len() == 1), "{path:?}");
        // §5.5.1: our Close was out before, and theirs or a failure came: nothing is left to say, not even a Pong.
        let is_through = before == CloseSent && after != CloseSent;
        assert!(!(is_through && connection.wants_transmit()), "{path:?}");
        // An end is an end: nothing is owed any more.
        assert!(!(connection.should_close_transport() && connection.wants_transmit()), "{path:?}");
    }
}

fn walk_all(role: Role, depth: usize) -> usize {
    let mut walked = 0;
    let mut path = vec![0; depth];
    loop {
        let mut walk = Walk::new(role);
        let mut ended = false;
        for &step in &path {
            walk.step(STEPS[step]);
            let ends = walk.connection.should_close_transport();
            assert!(ends || !ended, "it is the end no more: {:?}", walk.path);
            ended = ends;
        }
        // Whatever happened before: the end of the transport is the end, as soon as what is owed is out.
        walk.step(Step::Eof);
        walk.step(Step::Transmit);
        assert!(walk.connection.should_close_transport(), "{:?}", walk.path);
        walked += 1;
        // The next path.
        let Some(at) = path.iter().rposition(|&step| step + 1 < STEPS.len()) else { return walked };
        path[at] += 1;
        path[at + 1..].fill(0);
    }
}

/// Rules R-5.5.1-a, R-5.5.1-b, R-5.5.1-h, R-6.1-a and R-7.1.7-a. Attack A-18.
#[test]
#[cfg_attr(miri, ignore = "so many take hours")]
fn every_order_of_four_things() {
    for role in [Role::Server, Role::Client] {
        assert_eq!(walk_all(role, 4), STEPS.len().pow(4));
    }
}
