//! A client and a server that are told to do anything, over a wire on which anything can happen. After each step each of them is compared
//! with a model: its state, its debts, its memory, what it wrote; and what it received with what the reference finds in the same bytes, which
//! is read again from its start: after each step up to 4 KiB of it, beyond that whenever it has doubled, and at the end.
//!
//! The input: flags, three bytes of limits, then operations as `Operation` reads them.

#![no_main]

mod reference;
mod room;

use std::cell::Cell;

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use reference::{Seen, Written};
use room::Room;
use sansws::{
    Assembler, CloseCode, Config, Connection, Event, MAX_CONTROL_LEN, MAX_REASON_LEN, Message, MessageKind,
    Output, OutputFull, Prepared, ProtocolError, Role, SendError, State,
};

const COMPRESSION: u8 = 0x01;
const LIMITS_OF: [u8; 2] = [0x02, 0x04]; // of the client, of the server
const MAX_OPERATIONS: usize = 100;
/// Up to here the reference reads all that arrived after each step. It begins anew each time: of more it would be slow.
const COMPARED_EACH_STEP: usize = 4096;

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
    /// Neither wire was tampered with, and nobody gave up.
    peaceful: bool,
}

struct End {
    connection: Connection,
    config: Config,
    messages: Assembler,
    compressed: Vec<u8>,
    /// Room in the output for what is sent from now on.
    room: usize,
    /// On its way to the other end.
    wire: Vec<u8>,
    written: Written,
    /// What was sent: what the other end has to see.
    sent: Vec<Seen>,
    sending: Option<(MessageKind, bool, Vec<u8>)>,
    /// All that was received.
    arrived: Vec<u8>,
    /// How much of it the reference has read.
    compared: usize,
    seen: Vec<Seen>,
    in_progress: bool,
    /// Nothing is received any more: `fail` was called, or the transport ended.
    deaf: bool,
    /// The model.
    state: State,
    pong: Option<Vec<u8>>,
    close: Option<Option<u16>>,
    eof: bool,
}

#[derive(Debug)]
enum Operation {
    Message(Means, MessageKind, Vec<u8>),
    Fragment {
        kind: MessageKind,
        compressed: bool,
        last: bool,
        payload: Vec<u8>,
    },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, Vec<u8>),
    CloseWithoutStatus,
    Fail(u16),
    /// So many bytes of what this end wrote arrive.
    Deliver(usize),
    Transmit,
    Room(usize),
    Eof,
    /// A byte of what this end wrote changes on its way.
    Corrupt(usize, u8),
    /// Bytes come from nowhere.
    Insert(usize, Vec<u8>),
}

/// The ways to send a message.
#[derive(Debug)]
enum Means {
    Whole,
    Prepared,
    Header,
}

/// What may move a connection from one state to another.
enum Cause {
    Closing,
    Failing,
    CloseArrived,
    CloseTransmitted,
    Eof,
}

/// Every change of state that there is.
fn next_state(state: State, cause: Cause) -> State {
    match (state, cause) {
        (State::Open, Cause::Closing) => State::CloseSent,
        (State::Open | State::CloseSent, Cause::Failing) => State::Failed,
        (State::Open, Cause::CloseArrived) => State::CloseReceived,
        (State::CloseSent, Cause::CloseArrived) => State::Closed,
        (State::CloseReceived, Cause::CloseTransmitted) => State::Closed,
        (State::Open | State::CloseSent, Cause::Eof) => State::Closed,
        (state, _) => state,
    }
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
        let client = End::new(Connection::client(&config(0), masking_key), config(0));
        let server = End::new(Connection::server(&config(1)), config(1));
        Ok(Self { ends: [client, server], peaceful: true })
    }
}

impl<'a> Arbitrary<'a> for Operation {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let code = u8::arbitrary(input)?;
        let kind = if code & 0x80 == 0 { MessageKind::Text } else { MessageKind::Binary };
        let last = code & 0x40 != 0;
        Ok(match code & 0x0f {
            0 => Self::Message(Means::Whole, kind, payload(kind, input)?),
            1 => Self::Message(Means::Prepared, kind, payload(kind, input)?),
            2 => Self::Message(Means::Header, kind, payload(kind, input)?),
            3 => Self::Fragment { kind, compressed: false, last, payload: payload(kind, input)? },
            4 => Self::Fragment { kind, compressed: true, last, payload: payload(kind, input)? },
            5 => Self::Ping(payload(MessageKind::Binary, input)?),
            6 => Self::Pong(payload(MessageKind::Binary, input)?),
            7 => Self::Close(u16::arbitrary(input)?, payload(MessageKind::Text, input)?),
            8 => Self::CloseWithoutStatus,
            9 => Self::Fail(u16::arbitrary(input)?),
            10 => Self::Deliver(count(input)?),
            11 => Self::Transmit,
            12 => Self::Room(count(input)?),
            13 => Self::Eof,
            14 => Self::Corrupt(count(input)?, u8::arbitrary(input)?),
            _ => Self::Insert(count(input)?, payload(MessageKind::Binary, input)?),
        })
    }
}

/// Few, or all.
fn count(input: &mut Unstructured<'_>) -> Result<usize> {
    Ok(match u8::arbitrary(input)? {
        255 => usize::MAX,
        count => usize::from(count),
    })
}

/// The bytes of the input, or many of the same.
fn payload(kind: MessageKind, input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let payload = match u8::arbitrary(input)? {
        255 => vec![b'a'; 65_536],
        254 => vec![b'a'; 65_535],
        253 => vec![b'a'; 16_385],
        252 => vec![b'a'; 126],
        len => input.bytes(usize::from(len).min(input.len()))?.to_vec(),
    };
    Ok(match kind {
        MessageKind::Text => String::from_utf8_lossy(&payload).into_owned().into_bytes(),
        MessageKind::Binary => payload,
    })
}

/// A new one for each frame.
fn masking_key() -> [u8; 4] {
    thread_local!(static KEY: Cell<u32> = const { Cell::new(0x37fa_213d) });
    KEY.set(KEY.get().wrapping_mul(0x9e37_79b1).rotate_left(7));
    KEY.get().to_be_bytes()
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
                end.connection.receive_eof();
                end.deaf = true;
                end.eof = true;
                if matches!(end.state, State::Open | State::CloseSent) {
                    (end.pong, end.close) = (None, None);
                }
                end.go(Cause::Eof);
            }
            Operation::Fail(code) => {
                self.peaceful = false;
                end.connection.fail(CloseCode::new(code));
                end.deaf = true;
                if end.state == State::Open {
                    end.close = Some(Some(if may_be_sent(code) { code } else { 1011 }));
                }
                end.forget_pong();
                end.go(Cause::Failing);
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

impl End {
    fn new(connection: Connection, config: Config) -> Self {
        Self {
            connection,
            config,
            messages: Assembler::new(),
            compressed: Vec::new(),
            room: usize::MAX,
            wire: Vec::new(),
            written: Written::default(),
            sent: Vec::new(),
            sending: None,
            arrived: Vec::new(),
            compared: 0,
            seen: Vec::new(),
            in_progress: false,
            deaf: false,
            state: State::Open,
            pong: None,
            close: None,
            eof: false,
        }
    }

    /// §5.5.1: our Close is out and theirs, or a failure, came: a Pong that was owed is owed no more.
    fn forget_pong(&mut self) {
        if self.state == State::CloseSent {
            self.pong = None;
        }
    }

    fn go(&mut self, cause: Cause) {
        self.state = next_state(self.state, cause);
    }

    /// The connection says what the model says.
    fn check(&mut self) {
        let arrived = self.arrived.len();
        if arrived > self.compared && (arrived <= COMPARED_EACH_STEP || arrived / 2 >= self.compared) {
            self.assert_like_reference();
            self.compared = arrived;
        }
        let connection = &self.connection;
        assert_eq!(connection.state(), self.state);
        assert_eq!(connection.can_send(), self.state == State::Open);
        assert_eq!(connection.close_expected(), self.state != State::Open);
        assert_eq!(connection.wants_transmit(), self.pong.is_some() || self.close.is_some());
        let close = self.seen.iter().find_map(|seen| match seen {
            Seen::Close(close) => Some(close),
            _ => None,
        });
        // §7.1.5 and §7.1.6.
        let (code, reason) = match close {
            None => (1006, ""),
            Some(None) => (1005, ""),
            Some(Some((code, reason))) => (*code, &**reason),
        };
        assert_eq!((connection.close_code().get(), connection.close_reason()), (code, reason));
        assert_eq!(connection.was_clean(), self.state == State::Closed && close.is_some());
        let is_over = match self.state {
            State::Open | State::CloseSent | State::CloseReceived => false,
            State::Closed => self.eof || connection.role() == Role::Server,
            State::Failed => true,
        };
        assert_eq!(connection.should_close_transport(), is_over && !connection.wants_transmit());
        let failure = match self.seen.last() {
            Some(Seen::Failed(error)) => Some(*error),
            _ => None,
        };
        assert_eq!(connection.failure(), failure);
        // A `Vec` that grows doubles, and has room for eight bytes at least.
        let most = self.config.max_message_len.min(self.arrived.len() as u64) as usize;
        assert!(self.messages.capacity() <= (2 * most).max(8), "{} bytes", self.messages.capacity());
    }

    fn assert_like_reference(&self) {
        let reference = reference::receive(&self.arrived, self.connection.role(), &self.config);
        assert_eq!(self.seen, reference.seen);
    }

    fn receive(&mut self, mut bytes: Vec<u8>) {
        if !self.deaf {
            self.arrived.extend_from_slice(&bytes);
        }
        let mut input = &mut bytes[..];
        while let Some(event) = self.connection.receive(&mut input) {
            assert!(!self.deaf, "{event:?} after the end");
            assert!(!self.seen.last().is_some_and(Seen::is_last), "{event:?} after {:?}", self.seen.last());
            let (seen, chunk) = match event {
                Event::Text(chunk) => {
                    (self.messages.text(chunk).map(Seen::from), Some((chunk.first, chunk.last)))
                }
                Event::Binary(chunk) => {
                    let ends = (chunk.first, chunk.last);
                    (self.messages.binary(chunk).map(Seen::from), Some(ends))
                }
                Event::Compressed(chunk) => {
                    self.compressed.extend_from_slice(chunk.payload);
                    let seen = chunk
                        .last
                        .then(|| Seen::Compressed(chunk.kind, std::mem::take(&mut self.compressed)));
                    (seen, Some((chunk.first, chunk.last)))
                }
                Event::Ping(payload) => (Some(Seen::Ping(payload.to_vec())), None),
                Event::Pong(payload) => (Some(Seen::Pong(payload.to_vec())), None),
                Event::Close(close) => {
                    let close = close.map(|close| (close.code.get(), close.reason.to_owned()));
                    (Some(Seen::Close(close)), None)
                }
                Event::Failed(error) => (Some(Seen::Failed(error)), None),
                other => panic!("what is {other:?}?"),
            };
            if let Some((first, last)) = chunk {
                assert_eq!(first, !self.in_progress, "the first chunk, and only that, begins a message");
                self.in_progress = !last;
            }
            match &seen {
                Some(Seen::Ping(payload)) => self.pong = Some(payload.clone()),
                Some(Seen::Close(close)) => {
                    if self.state == State::Open {
                        self.close = Some(close.as_ref().map(|(code, _)| *code));
                    }
                    self.forget_pong();
                    self.go(Cause::CloseArrived);
                }
                Some(Seen::Failed(error)) => {
                    if self.state == State::Open {
                        self.close = Some(Some(code_of(*error)));
                    }
                    self.forget_pong();
                    self.go(Cause::Failing);
                }
                _ => {}
            }
            self.seen.extend(seen);
        }
        assert!(input.is_empty(), "None means that the input is used up");
    }

    /// The debts, as far as there is room: at most one Pong and one Close.
    fn transmit(&mut self) {
        let (mut out, mut room) = (Vec::new(), self.room);
        let result = self.connection.poll_transmit(&mut Room::new(&mut out, room));
        let (mut expected, mut full) = (Vec::new(), false);
        if let Some(pong) = self.pong.take() {
            let len = self.frame_len(pong.len());
            if len <= room {
                room -= len;
                self.sent.push(Seen::Pong(pong.clone()));
                expected.push((10, true, pong));
            } else if self.close.is_none() {
                self.pong = Some(pong);
                full = true;
            }
        }
        if let Some(close) = self.close.take() {
            let payload = close.map_or(vec![], |code| code.to_be_bytes().to_vec());
            if self.frame_len(payload.len()) <= room {
                self.sent.push(Seen::Close(close.map(|code| (code, String::new()))));
                expected.push((8, true, payload));
                self.go(Cause::CloseTransmitted);
            } else {
                self.close = Some(close);
                full = true;
            }
        }
        assert_eq!(result, if full { Err(OutputFull) } else { Ok(()) });
        assert_eq!(self.put(out), expected);
    }

    fn send(&mut self, operation: Operation) {
        let expected = self.result_of(&operation);
        let (connection, mut out) = (&mut self.connection, Vec::new());
        let mut room = Room::new(&mut out, self.room);
        let result = match &operation {
            Operation::Message(means, kind, payload) => {
                let message = match kind {
                    MessageKind::Text => Message::Text(str::from_utf8(payload).expect("made so")),
                    MessageKind::Binary => Message::Binary(payload),
                };
                match (means, message) {
                    (Means::Prepared, message) => {
                        connection.send_prepared(&Prepared::new(message), &mut room)
                    }
                    (Means::Header, _) => send_by_header(connection, *kind, payload, &mut room),
                    (Means::Whole, Message::Text(text)) => connection.send_text(text, &mut room),
                    (Means::Whole, Message::Binary(payload)) => connection.send_binary(payload, &mut room),
                }
            }
            Operation::Fragment { kind, compressed: true, last, payload } => {
                connection.send_compressed_fragment(*kind, payload, *last, &mut room)
            }
            Operation::Fragment { kind: MessageKind::Text, last, payload, .. } => {
                connection.send_text_fragment(str::from_utf8(payload).expect("made so"), *last, &mut room)
            }
            Operation::Fragment { last, payload, .. } => {
                connection.send_binary_fragment(payload, *last, &mut room)
            }
            Operation::Ping(payload) => connection.send_ping(payload, &mut room),
            Operation::Pong(payload) => connection.send_pong(payload, &mut room),
            Operation::Close(code, reason) => {
                let reason = str::from_utf8(reason).expect("made so");
                connection.close(CloseCode::new(*code), reason, &mut room)
            }
            _ => connection.close_without_status(&mut room),
        };
        drop(room);
        assert_eq!(result, expected, "{operation:?}");
        let frames = self.put(out);
        if result.is_err() {
            assert_eq!(frames, [], "an error writes nothing");
            return;
        }
        assert_eq!(frames.len(), 1);
        let (_, _, written) = &frames[0];
        match operation {
            Operation::Message(_, kind, payload) => {
                assert_eq!(*written, payload);
                self.sent.push(whole(kind, false, payload));
            }
            Operation::Fragment { kind, compressed, last, payload } => {
                assert_eq!(*written, payload);
                let (.., message) = self.sending.get_or_insert((kind, compressed, Vec::new()));
                message.extend(payload);
                if last {
                    self.sent.extend(
                        self.sending
                            .take()
                            .map(|(kind, compressed, payload)| whole(kind, compressed, payload)),
                    );
                }
            }
            Operation::Ping(payload) => self.sent.push(Seen::Ping(payload)),
            Operation::Pong(payload) => self.sent.push(Seen::Pong(payload)),
            Operation::Close(code, reason) => {
                let reason = String::from_utf8(reason).expect("made so");
                self.sent.push(Seen::Close(Some((code, reason))));
                self.go(Cause::Closing);
            }
            _ => {
                self.sent.push(Seen::Close(None));
                self.go(Cause::Closing);
            }
        }
    }

    /// Whether it may be sent here and now.
    fn result_of(&self, operation: &Operation) -> std::result::Result<(), SendError> {
        let open = if self.state == State::Open { Ok(()) } else { Err(SendError::NotOpen) };
        let ensure = |condition, error| if condition { Ok(()) } else { Err(error) };
        let len = match operation {
            Operation::Message(_, _, payload) => {
                open?;
                ensure(self.sending.is_none(), SendError::MessageInProgress)?;
                payload.len()
            }
            Operation::Fragment { kind, compressed, payload, .. } => {
                ensure(!compressed || self.config.compression, SendError::NoExtension)?;
                open?;
                let fits = self
                    .sending
                    .as_ref()
                    .is_none_or(|sending| (sending.0, sending.1) == (*kind, *compressed));
                ensure(fits, SendError::MessageInProgress)?;
                payload.len()
            }
            Operation::Ping(payload) | Operation::Pong(payload) => {
                open?;
                ensure(payload.len() <= MAX_CONTROL_LEN, SendError::ControlTooLong)?;
                payload.len()
            }
            Operation::Close(code, reason) => {
                ensure(may_be_sent(*code), SendError::InvalidCloseCode)?;
                ensure(reason.len() <= MAX_REASON_LEN, SendError::ReasonTooLong)?;
                open?;
                2 + reason.len()
            }
            _ => {
                open?;
                0
            }
        };
        ensure(self.frame_len(len) <= self.room, SendError::OutputFull)
    }

    fn frame_len(&self, payload_len: usize) -> usize {
        let header_len = match payload_len {
            0..126 => 2,
            126..65_536 => 4,
            _ => 10,
        };
        header_len + payload_len + if self.connection.role() == Role::Client { 4 } else { 0 }
    }

    /// Puts on the wire what was written, and checks it.
    fn put(&mut self, out: Vec<u8>) -> Vec<(u8, bool, Vec<u8>)> {
        let frames = self.written.frames(&out, self.connection.role(), self.config.compression);
        self.wire.extend(out);
        frames
    }
}

/// As a driver does that writes header and payload with one system call.
fn send_by_header(
    connection: &mut Connection,
    kind: MessageKind,
    payload: &[u8],
    room: &mut Room<'_>,
) -> std::result::Result<(), SendError> {
    let header = connection.frame_header(kind, payload.len() as u64)?;
    room.reserve(header.as_bytes().len() + payload.len())?;
    room.write_reserved(header.as_bytes());
    let payload = room.write_reserved(payload);
    if let Some(key) = header.masking_key() {
        sansws::apply_mask(key, payload);
    }
    Ok(())
}

fn whole(kind: MessageKind, compressed: bool, payload: Vec<u8>) -> Seen {
    match kind {
        kind if compressed => Seen::Compressed(kind, payload),
        MessageKind::Text => Seen::Text(String::from_utf8(payload).expect("made of texts")),
        MessageKind::Binary => Seen::Binary(payload),
    }
}

/// §7.4.1: with what code a failure is told.
fn code_of(error: ProtocolError) -> u16 {
    match error {
        ProtocolError::InvalidUtf8 | ProtocolError::InvalidCloseReason => 1007,
        ProtocolError::FrameTooBig | ProtocolError::MessageTooBig => 1009,
        ProtocolError::TooManyFragments => 1008,
        _ => 1002,
    }
}

fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
