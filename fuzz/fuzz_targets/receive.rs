//! A stream of any bytes, cut anywhere, received by either end: the cuts change nothing, what is seen is what the reference sees, the last
//! event is the last, what is transmitted is legal, and memory stays within the limits. The same messages, and the same failure, come from
//! chunks, from an `Assembler`, from one that is read into place, and from a `SliceAssembler`.
//!
//! The input: a byte of flags, the number of cuts, the cuts (one byte each, lengths of pieces, over and over), the stream.

#![no_main]

mod layout;
mod reference;
mod watcher;
mod ways;

use arbitrary::{Arbitrary, Result, Unstructured};
use layout::Layout;
use libfuzzer_sys::fuzz_target;
use reference::Seen;
use sansws::{
    Assembler, Config, Connection, Event, FrameHeader, MAX_CONTROL_LEN, Opcode, ProtocolError, Role,
    SliceAssembler, State,
};
use watcher::Watcher;
use ways::{Lent, Messages, Owned, Slice, Way};

const CLIENT: u8 = 0x01;
const TINY_LIMITS: u8 = 0x02;
const COMPRESSION: u8 = 0x04;
/// Many bytes follow those of the input, which may have announced them.
const LONG: u8 = 0x80;
const LONG_LEN: usize = 150_000;
/// Byte by byte, longer streams would take too long.
const BYTE_BY_BYTE: usize = 10_000;

fuzz_target!(|bytes: &[u8]| {
    let Ok(case) = Case::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    let (whole, _) = case.run(&[]);
    let (cut, most_collected) = case.run(&case.cuts);
    assert_eq!(cut, whole, "cut into pieces of {:?}", case.cuts);
    if case.stream.len() <= BYTE_BY_BYTE {
        assert_eq!(case.run(&[1]).0, whole, "byte by byte");
    }
    assert_eq!(whole.seen, reference::receive(&case.stream, case.role, &case.config).seen, "the reference");
    case.assert_same_by_all_ways(&whole, most_collected);
    case.assert_answers(&whole);
    case.assert_debts_do_not_grow();
});

struct Case {
    role: Role,
    config: Config,
    cuts: Vec<usize>,
    stream: Vec<u8>,
    layout: Layout,
}

impl<'a> Arbitrary<'a> for Case {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let flags = u8::arbitrary(input)?;
        let mut config = Config::new().compression(flags & COMPRESSION != 0);
        if flags & TINY_LIMITS != 0 {
            config = config.max_frame_len(20).max_message_len(30).max_fragments(3);
        }
        let cut_count = usize::from(u8::arbitrary(input)?).min(16).min(input.len());
        let mut cuts: Vec<_> = input.bytes(cut_count)?.iter().map(|&len| usize::from(len.max(1))).collect();
        let role = if flags & CLIENT != 0 { Role::Client } else { Role::Server };
        let mut stream = input.bytes(input.len())?.to_vec();
        if flags & LONG != 0 {
            stream.resize(stream.len() + LONG_LEN, b'a');
            // Reads of a few bytes would take too long.
            cuts.iter_mut().for_each(|len| *len = *len * 97 + 1000);
        }
        let layout = Layout::new(&stream);
        Ok(Case { role, config, cuts, stream, layout })
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
    failure: Option<ProtocolError>,
    compressed_after: Option<usize>,
}

impl Case {
    fn connection(&self) -> Connection {
        match self.role {
            Role::Server => Connection::server(&self.config),
            Role::Client => Connection::client(&self.config, || [0x37, 0xfa, 0x21, 0x3d]),
        }
    }

    /// Receives the stream in pieces of these lengths, over and over, or in one. With how much of a message had to be collected.
    fn run(&self, cuts: &[usize]) -> (Outcome, usize) {
        let (mut connection, mut watcher, mut transmitted) =
            (self.connection(), Watcher::new(&self.config, &self.layout), Vec::new());
        let mut lens = cuts.iter().copied().cycle();
        let mut rest = &self.stream[..];
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at(lens.next().unwrap_or(rest.len()).min(rest.len()));
            rest = tail;
            let mut piece = piece.to_vec();
            let mut input = &mut piece[..];
            let used_up = |input: &[u8], rest: &[u8]| self.stream.len() - rest.len() - input.len();
            while let Some(event) = connection.receive(&mut input) {
                watcher.take(event, used_up(input, rest));
                watcher.look_at(&connection, used_up(input, rest));
                connection.poll_transmit(&mut transmitted).expect("a Vec has room");
            }
            assert!(input.is_empty(), "None means that the input is used up");
            watcher.look_at(&connection, used_up(input, rest));
            assert!(!connection.wants_transmit(), "a debt without an event");
        }
        self.assert_bounded(&watcher);
        let (state, failure) = (connection.state(), connection.failure());
        assert_eq!(failure, watcher.seen.last().and_then(failure_in));
        let (close_code, close_reason) =
            (connection.close_code().get(), connection.close_reason().to_owned());
        connection.receive_eof();
        assert_eq!(connection.receive(&mut &mut [0x8a, 0x00][..]), None, "an event after the end of input");
        assert!(connection.should_close_transport(), "{connection:?} goes on without input and debts");
        let outcome = Outcome {
            seen: watcher.seen,
            transmitted,
            state,
            close_code,
            close_reason,
            after_eof: connection.state(),
            failure,
            compressed_after: watcher.compressed_after,
        };
        (outcome, watcher.most_collected)
    }

    /// Messages are within the limits, and so is the memory that they took.
    fn assert_bounded(&self, watcher: &Watcher<'_>) {
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

    /// The messages do not depend on who collects them, nor on where they are read to; nor does the failure.
    fn assert_same_by_all_ways(&self, whole: &Outcome, most_collected: usize) {
        // Where a compressed message cannot be inflated, it fails the connection.
        let compressed = whole.compressed_after.map(|len| &whole.seen[..len]);
        let expected = Messages {
            messages: compressed
                .unwrap_or(&whole.seen)
                .iter()
                .filter(|seen| seen.is_message())
                .cloned()
                .collect(),
            failure: compressed.map_or(whole.failure, |_| Some(ProtocolError::CompressionUnsupported)),
            state: if compressed.is_some() { State::Failed } else { whole.state },
            close_code: if compressed.is_some() { 1006 } else { whole.close_code },
        };
        for max_reserve in [0, 1 << 20] {
            let lent = || Lent {
                assembler: Assembler::with_max_reserve(max_reserve),
                max_reserve,
                max_message_len: self.config.max_message_len,
            };
            assert_eq!(self.messages(lent(), &self.cuts, true), expected, "into place, {max_reserve}");
            assert_eq!(self.messages(lent(), &self.cuts, false), expected, "by an assembler, {max_reserve}");
        }
        assert_eq!(self.messages(Owned(Assembler::new()), &self.cuts, true), expected, "owned, into place");
        assert_eq!(self.messages(Owned(Assembler::new()), &[], false), expected, "owned, in one piece");

        // A slice that is no longer than it has to be.
        for (len, into_place) in [(self.stream.len(), true), (most_collected, true), (most_collected, false)]
        {
            let mut slice = vec![0; len];
            let way = Slice(SliceAssembler::new(&mut slice));
            assert_eq!(self.messages(way, &self.cuts, into_place), expected, "in {len} bytes, {into_place}");
        }
        let mut slice = vec![0; self.cuts.iter().sum::<usize>() % 40];
        let way = Slice(SliceAssembler::new(&mut slice));
        let short = self.messages(way, &self.cuts, true);
        if short.failure == Some(ProtocolError::MessageTooBig) && expected.failure != short.failure {
            assert!(expected.messages.starts_with(&short.messages), "{short:?}, not {expected:?}");
        } else {
            assert_eq!(short, expected, "in a short slice");
        }
    }

    fn messages(&self, mut way: impl Way, cuts: &[usize], into_place: bool) -> Messages {
        ways::messages(&mut way, &mut self.connection(), &self.stream, cuts, into_place)
    }

    /// What was transmitted is a Pong for every Ping and then a Close if there was one to answer or to send, and the other end takes it.
    fn assert_answers(&self, outcome: &Outcome) {
        let mut expected = Vec::new();
        for seen in &outcome.seen {
            match seen {
                Seen::Ping(payload) => expected.push((Opcode::Pong, payload.clone())),
                Seen::Close(None) => expected.push((Opcode::Close, vec![])),
                // §5.5.1: the answer has the code that was received, and the reason.
                Seen::Close(Some((code, reason))) => {
                    expected.push((Opcode::Close, [&code.to_be_bytes()[..], reason.as_bytes()].concat()));
                }
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

fn failure_in(seen: &Seen) -> Option<ProtocolError> {
    if let Seen::Failed(error) = seen { Some(*error) } else { None }
}
