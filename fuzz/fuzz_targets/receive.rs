//! A stream of any bytes, cut anywhere, received by either end: the cuts change nothing, what is seen is what the reference sees, the last
//! event is the last, what is transmitted is legal, and memory stays within the limits.
//!
//! The input: a byte of flags, the number of cuts, the cuts (one byte each, lengths of pieces, over and over), the stream.

#![no_main]

mod reference;

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use reference::Seen;
use sansws::{
    Assembler, Config, Connection, Event, FrameHeader, MAX_CONTROL_LEN, Message, Opcode, Role, State,
};

const CLIENT: u8 = 0x01;
const TINY_LIMITS: u8 = 0x02;
const COMPRESSION: u8 = 0x04;

fuzz_target!(|bytes: &[u8]| {
    let Ok(case) = Case::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    let whole = case.run(&[]);
    assert_eq!(case.run(&case.cuts), whole, "cut into pieces of {:?}", case.cuts);
    assert_eq!(case.run(&[1]), whole, "byte by byte");
    assert_eq!(whole.seen, reference::receive(case.stream, case.role, &case.config).seen, "the reference");
    case.assert_answers(&whole);
    case.assert_debts_do_not_grow();
});

struct Case<'a> {
    role: Role,
    config: Config,
    cuts: Vec<u8>,
    stream: &'a [u8],
}

impl<'a> Arbitrary<'a> for Case<'a> {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let flags = u8::arbitrary(input)?;
        let mut config = Config::new().compression(flags & COMPRESSION != 0);
        if flags & TINY_LIMITS != 0 {
            config = config.max_frame_len(20).max_message_len(30).max_fragments(3);
        }
        let cut_count = usize::from(u8::arbitrary(input)?).min(16).min(input.len());
        let cuts = input.bytes(cut_count)?.iter().map(|&len| len.max(1)).collect();
        let role = if flags & CLIENT != 0 { Role::Client } else { Role::Server };
        Ok(Case { role, config, cuts, stream: input.bytes(input.len())? })
    }
}

/// What is left of a connection.
#[derive(Debug, PartialEq)]
struct Outcome {
    seen: Vec<Seen>,
    transmitted: Vec<u8>,
    state: State,
    close_code: u16,
    close_reason: String,
    after_eof: State,
}

impl Case<'_> {
    fn connection(&self) -> Connection {
        match self.role {
            Role::Server => Connection::server(&self.config),
            Role::Client => Connection::client(&self.config, || [0x37, 0xfa, 0x21, 0x3d]),
        }
    }

    /// Receives the stream in pieces of these lengths, over and over, or in one.
    fn run(&self, cuts: &[u8]) -> Outcome {
        let (mut connection, mut watcher, mut transmitted) =
            (self.connection(), Watcher::default(), Vec::new());
        let mut lens = cuts.iter().map(|&len| usize::from(len)).cycle();
        let mut rest = self.stream;
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at(lens.next().unwrap_or(rest.len()).min(rest.len()));
            rest = tail;
            let mut piece = piece.to_vec();
            let mut input = &mut piece[..];
            while let Some(event) = connection.receive(&mut input) {
                watcher.take(event);
                connection.poll_transmit(&mut transmitted).expect("a Vec has room");
            }
            assert!(input.is_empty(), "None means that the input is used up");
            assert!(!connection.wants_transmit(), "a debt without an event");
        }
        self.assert_bounded(&watcher);
        let state = connection.state();
        let (close_code, close_reason) =
            (connection.close_code().get(), connection.close_reason().to_owned());
        connection.receive_eof();
        assert_eq!(connection.receive(&mut &mut [0x8a, 0x00][..]), None, "an event after the end of input");
        assert!(connection.should_close_transport(), "{connection:?} goes on without input and debts");
        Outcome {
            seen: watcher.seen,
            transmitted,
            state,
            close_code,
            close_reason,
            after_eof: connection.state(),
        }
    }

    /// Messages are within the limits, and so is the memory that they took.
    fn assert_bounded(&self, watcher: &Watcher) {
        let len = self.config.max_message_len.min(self.stream.len() as u64) as usize;
        // A `Vec` that grows doubles, and has room for eight bytes at least.
        assert!(watcher.messages.capacity() <= (2 * len).max(8), "{} bytes", watcher.messages.capacity());
        for seen in &watcher.seen {
            let message_len = match seen {
                Seen::Text(text) => text.len(),
                Seen::Binary(payload) | Seen::Compressed(_, payload) => payload.len(),
                Seen::Ping(_) | Seen::Pong(_) | Seen::Close(_) | Seen::Failed(_) => continue,
            };
            assert!(message_len <= len, "a message of {message_len} bytes");
        }
    }

    /// What was transmitted is a Pong for every Ping and then a Close if there was one to answer or to send, and the other end takes it.
    fn assert_answers(&self, outcome: &Outcome) {
        let mut expected = Vec::new();
        for seen in &outcome.seen {
            match seen {
                Seen::Ping(payload) => expected.push((Opcode::Pong, payload.clone())),
                Seen::Close(None) => expected.push((Opcode::Close, vec![])),
                Seen::Close(Some((code, _))) => expected.push((Opcode::Close, code.to_be_bytes().to_vec())),
                Seen::Failed(error) => {
                    expected.push((Opcode::Close, error.close_code().get().to_be_bytes().to_vec()));
                }
                Seen::Text(_) | Seen::Binary(_) | Seen::Compressed(..) | Seen::Pong(_) => {}
            }
        }
        assert_eq!(self.frames(&outcome.transmitted), expected);

        let mut peer = match self.role {
            Role::Server => Connection::client(&Config::default(), || [0; 4]),
            Role::Client => Connection::server(&Config::default()),
        };
        let mut bytes = outcome.transmitted.clone();
        let mut input = &mut bytes[..];
        while let Some(event) = peer.receive(&mut input) {
            assert!(!matches!(event, Event::Failed(_)), "the other end: {event:?}");
        }
    }

    /// The frames in what this end transmitted.
    fn frames(&self, mut bytes: &[u8]) -> Vec<(Opcode, Vec<u8>)> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            let (header, len) = FrameHeader::decode(bytes).expect("a legal header").expect("a whole header");
            assert!(header.fin && header.rsv.is_empty());
            assert_eq!(header.masking_key.is_some(), self.role == Role::Client, "who masks");
            let (frame, rest) = bytes.split_at(len + header.payload_len as usize);
            let mut payload = frame[len..].to_vec();
            if let Some(key) = header.masking_key {
                sansws::apply_mask(key, &mut payload);
            }
            if header.opcode == Opcode::Close && !payload.is_empty() {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                // §7.4: what may be on the wire, by the registry of today.
                assert!(matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999), "Close {code}");
            }
            frames.push((header.opcode, payload));
            bytes = rest;
        }
        frames
    }

    /// Whatever arrived, one Pong and one Close at most are owed to a peer that does not read.
    fn assert_debts_do_not_grow(&self) {
        let mut connection = self.connection();
        let mut stream = self.stream.to_vec();
        let mut input = &mut stream[..];
        while connection.receive(&mut input).is_some() {}
        let mut transmitted = Vec::new();
        connection.poll_transmit(&mut transmitted).expect("a Vec has room");
        let frames = self.frames(&transmitted);
        assert!(matches!(
            frames.iter().map(|(opcode, _)| opcode).collect::<Vec<_>>()[..],
            [] | [Opcode::Pong] | [Opcode::Close] | [Opcode::Pong, Opcode::Close]
        ));
        assert!(transmitted.len() <= 2 * (6 + MAX_CONTROL_LEN));
    }
}

/// Puts chunks together.
#[derive(Default)]
struct Watcher {
    messages: Assembler,
    compressed: Vec<u8>,
    in_progress: bool,
    seen: Vec<Seen>,
}

impl Watcher {
    fn take(&mut self, event: Event<'_, '_>) {
        assert!(
            !matches!(self.seen.last(), Some(Seen::Close(_) | Seen::Failed(_))),
            "after the last: {event:?}"
        );
        let seen = match event {
            Event::Text(chunk) => {
                self.order(chunk.first, chunk.last);
                self.messages.text(chunk).map(|message| match message {
                    Message::Text(text) => Seen::Text(text.to_owned()),
                    Message::Binary(_) => panic!("a text message became binary"),
                })
            }
            Event::Binary(chunk) => {
                self.order(chunk.first, chunk.last);
                self.messages.binary(chunk).map(|message| match message {
                    Message::Binary(payload) => Seen::Binary(payload.to_vec()),
                    Message::Text(_) => panic!("a binary message became text"),
                })
            }
            Event::Compressed(chunk) => {
                self.order(chunk.first, chunk.last);
                self.compressed.extend_from_slice(chunk.payload);
                chunk.last.then(|| Seen::Compressed(chunk.kind, std::mem::take(&mut self.compressed)))
            }
            Event::Ping(payload) => Some(Seen::Ping(payload.to_vec())),
            Event::Pong(payload) => Some(Seen::Pong(payload.to_vec())),
            Event::Close(frame) => {
                Some(Seen::Close(frame.map(|frame| (frame.code.get(), frame.reason.to_owned()))))
            }
            Event::Failed(error) => Some(Seen::Failed(error)),
            other => panic!("what is {other:?}?"),
        };
        self.seen.extend(seen);
    }

    fn order(&mut self, first: bool, last: bool) {
        assert_eq!(first, !self.in_progress, "the first chunk, and only that, begins a message");
        self.in_progress = !last;
    }
}
