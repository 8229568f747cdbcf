//! The same bytes to this engine, to the reference, and to two other engines, as server and as client: they see the same, up to
//! differences that are listed here with the reason.
//!
//! The limits are equal: 16 MiB, or 130 bytes for a frame and for a message, which is more than a control frame can have.
//!
//! | what | `sansws` | the other | why |
//! |---|---|---|---|
//! | both: a wrong frame that the bytes do not hold whole | is refused by its header, text by its first wrong byte | may still wait for the rest | §7.1.7 sets no moment; nothing of it was handed out |
//! | both: bytes after a Close | ignored | ignored, or an error | §5.5.1: they mean nothing; the comparison ends with the Close |
//! | both: the most fragments of a message | a limit | no limit | ours is out of reach here |
//! | both: a limit on frames below 126 | is for data frames | is for control frames too | §5.5 limits those; the limits here are above |
//! | tungstenite: a length that is not minimal | is refused | is accepted | §5.2: "the minimal number of bytes MUST be used" |
//! | tungstenite: a Close with a code that must not be sent | 1002 | a Close with 1002, or 1007 if the reason is not UTF-8 | the same on the wire; §7.4 sets no order between two faults |
//! | tungstenite: a Close with 1014 | is a Close | a Close with 1002 | registered with IANA after the RFC |
//! | tungstenite: a frame over the limit with another fault | 1002 | 1009 | two faults, no order between them |
//! | tokio-websockets: a header that the bytes do not hold whole, a Close of one byte | waits for the rest, unless opcode or length are wrong | may be refused by the bytes that are there | §7.1.7 again |
//! | tokio-websockets: a length of 2⁶³ or more | 1002 | 1009 | §5.2: "the most significant bit MUST be 0"; too big for either |
//! | tokio-websockets: text over the limit that is not UTF-8 | 1009 | 1007 | two faults, no order between them |
//! | tokio-websockets: text that ends within a code point, in an empty last fragment | 1007 | is accepted | §8.1; the comparison ends there |
//!
//! The input is that of `receive`: flags, the number of cuts, the cuts, the stream.

#![no_main]

mod reference;

use std::io::{self, ErrorKind, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use arbitrary::{Arbitrary, Result, Unstructured};
use futures_core::Stream as _;
use libfuzzer_sys::fuzz_target;
use reference::Seen;
use sansws::{Assembler, Config, Connection, Event, ProtocolError, Role};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_websockets as tokio_ws;

const CLIENT: u8 = 0x01;
const TINY_LIMITS: u8 = 0x02;
const LIMITS: [usize; 2] = [16 << 20, 130];

fuzz_target!(|bytes: &[u8]| {
    let Ok(case) = Case::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    let ours = case.sansws();
    let reference = reference::receive(case.stream, case.role, &case.config());
    assert_eq!(ours, reference.seen, "sansws, and the reference");
    let last = Last::find(&case, &reference);
    case.compare("tungstenite", &ours, case.tungstenite(), last.in_tungstenite(ours.last()));
    case.compare("tokio-websockets", &ours, case.tokio_websockets(), last.in_tokio_websockets(ours.last()));
});

struct Case<'a> {
    role: Role,
    limit: usize,
    cuts: Vec<u8>,
    stream: &'a [u8],
}

impl<'a> Arbitrary<'a> for Case<'a> {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let flags = u8::arbitrary(input)?;
        let cut_count = usize::from(u8::arbitrary(input)?).min(16).min(input.len());
        let cuts = input.bytes(cut_count)?.iter().map(|&len| len.max(1)).collect();
        Ok(Case {
            role: if flags & CLIENT != 0 { Role::Client } else { Role::Server },
            limit: LIMITS[usize::from(flags & TINY_LIMITS != 0)],
            cuts,
            stream: input.bytes(input.len())?,
        })
    }
}

/// How it ended with another engine.
#[derive(Debug, Clone, PartialEq)]
enum End {
    /// It waits for more.
    Waiting,
    Close(Option<(u16, String)>),
    /// With the code that fits what it says, as not all of them send one by themselves.
    Failed(u16),
}

/// What the list of differences allows.
#[derive(Debug)]
enum Allowed {
    /// The end has to be one of these.
    Ends(Vec<End>),
    /// It goes on where `sansws` failed.
    GoesOn,
}

/// The frame at which `sansws` stopped: it refused it, or waits for the rest of it. There is none if the bytes end with a frame.
struct Last {
    is_whole: bool,
    has_whole_header: bool,
    is_close_of_one_byte: bool,
    is_minimal: bool,
    exceeds_limit: bool,
    is_empty: bool,
}

impl Last {
    fn find(case: &Case<'_>, reference: &reference::Received) -> Self {
        let rest = &case.stream[reference.whole..];
        let frame = reference::extent(rest);
        let holds = |len: u64| rest.len() as u64 >= len;
        Self {
            is_whole: rest.is_empty()
                || frame.is_some_and(|(header, payload)| holds(payload.saturating_add(header as u64))),
            has_whole_header: rest.is_empty() || frame.is_some_and(|(header, _)| holds(header as u64)),
            is_close_of_one_byte: matches!(rest, [0x88, 0x01 | 0x81, ..]),
            is_minimal: frame.is_none_or(|(header, payload)| match header {
                2 | 6 => true,
                4 | 8 => payload > 125,
                _ => payload > 65_535,
            }),
            exceeds_limit: frame.is_some_and(|(_, payload)| payload > case.limit as u64),
            is_empty: frame.is_some_and(|(_, payload)| payload == 0),
        }
    }

    fn in_tungstenite(&self, ours: Option<&Seen>) -> Allowed {
        match ours {
            Some(Seen::Failed(_)) if !self.is_minimal => Allowed::GoesOn,
            Some(Seen::Failed(ProtocolError::InvalidCloseCode)) => {
                Allowed::Ends(vec![End::Close(protocol_violation()), End::Failed(1007)])
            }
            Some(Seen::Close(Some((1014, _)))) => Allowed::Ends(vec![End::Close(protocol_violation())]),
            Some(Seen::Failed(error)) if self.exceeds_limit => {
                self.refused(&[error.close_code().get(), 1009])
            }
            ours => self.like(ours),
        }
    }

    fn in_tokio_websockets(&self, ours: Option<&Seen>) -> Allowed {
        match ours {
            Some(Seen::Failed(ProtocolError::InvalidUtf8)) if self.is_empty => Allowed::GoesOn,
            Some(Seen::Failed(ProtocolError::MessageTooBig)) => self.refused(&[1009, 1007]),
            Some(Seen::Failed(ProtocolError::LengthTooLarge)) => self.refused(&[1002, 1009]),
            Some(Seen::Failed(_) | Seen::Close(_)) => self.like(ours),
            _ if !self.has_whole_header => self.refused(&[1002, 1009]),
            _ if self.is_close_of_one_byte => self.refused(&[1002]),
            ours => self.like(ours),
        }
    }

    /// No difference but in when a frame is refused.
    fn like(&self, ours: Option<&Seen>) -> Allowed {
        match ours {
            Some(Seen::Close(close)) => Allowed::Ends(vec![End::Close(close.clone())]),
            Some(Seen::Failed(error)) => self.refused(&[error.close_code().get()]),
            _ => Allowed::Ends(vec![End::Waiting]),
        }
    }

    /// With one of these codes; or not yet, if it is not whole.
    fn refused(&self, codes: &[u16]) -> Allowed {
        let waiting = (!self.is_whole).then_some(End::Waiting);
        Allowed::Ends(codes.iter().map(|&code| End::Failed(code)).chain(waiting).collect())
    }
}

fn protocol_violation() -> Option<(u16, String)> {
    Some((1002, "Protocol violation".to_owned()))
}

impl<'a> Case<'a> {
    fn config(&self) -> Config {
        let limit = self.limit as u64;
        Config::new().max_frame_len(limit).max_message_len(limit).max_fragments(u32::MAX)
    }

    fn compare(&self, engine: &str, ours: &[Seen], (theirs, end): (Vec<Seen>, End), allowed: Allowed) {
        let before = match ours {
            [before @ .., last] if last.is_last() => before,
            all => all,
        };
        match &allowed {
            Allowed::Ends(ends) => {
                assert_eq!(theirs, before, "{engine}");
                assert!(ends.contains(&end), "{engine} ended with {end:?}; sansws: {ours:?}, {allowed:?}");
            }
            Allowed::GoesOn => {
                assert!(theirs.starts_with(before), "{engine}: {theirs:?}; sansws: {before:?}")
            }
        }
    }

    fn sansws(&self) -> Vec<Seen> {
        let mut connection = match self.role {
            Role::Server => Connection::server(&self.config()),
            Role::Client => Connection::client(&self.config(), || [0x37, 0xfa, 0x21, 0x3d]),
        };
        let (mut messages, mut seen) = (Assembler::new(), Vec::new());
        let mut wire = self.wire();
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = wire.read(&mut buffer) {
            let mut input = &mut buffer[..len];
            while let Some(event) = connection.receive(&mut input) {
                seen.extend(match event {
                    Event::Ping(payload) => Some(Seen::Ping(payload.to_vec())),
                    Event::Pong(payload) => Some(Seen::Pong(payload.to_vec())),
                    Event::Close(close) => {
                        Some(Seen::Close(close.map(|close| (close.code.get(), close.reason.to_owned()))))
                    }
                    Event::Failed(error) => Some(Seen::Failed(error)),
                    chunk => messages.push(chunk).expect("it is not compressed").map(Seen::from),
                });
            }
        }
        seen
    }

    fn tungstenite(&self) -> (Vec<Seen>, End) {
        use tungstenite::{Error, Message, protocol};
        let role = match self.role {
            Role::Server => protocol::Role::Server,
            Role::Client => protocol::Role::Client,
        };
        let config = protocol::WebSocketConfig::default()
            .read_buffer_size(4096)
            .write_buffer_size(0)
            .max_frame_size(Some(self.limit))
            .max_message_size(Some(self.limit));
        let mut socket = protocol::WebSocket::from_raw_socket(self.wire(), role, Some(config));
        let mut seen = Vec::new();
        let end = loop {
            seen.push(match socket.read() {
                Ok(Message::Text(text)) => Seen::Text(text.as_str().to_owned()),
                Ok(Message::Binary(payload)) => Seen::Binary(payload.to_vec()),
                Ok(Message::Ping(payload)) => Seen::Ping(payload.to_vec()),
                Ok(Message::Pong(payload)) => Seen::Pong(payload.to_vec()),
                Ok(Message::Close(close)) => {
                    break End::Close(
                        close.map(|close| (close.code.into(), close.reason.as_str().to_owned())),
                    );
                }
                Ok(Message::Frame(_)) => unreachable!("never read"),
                Err(Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)) => {
                    break End::Waiting;
                }
                Err(Error::Protocol(_)) => break End::Failed(1002),
                Err(Error::Utf8(_)) => break End::Failed(1007),
                Err(Error::Capacity(_)) => break End::Failed(1009),
                Err(error) => panic!("tungstenite: {error}"),
            });
        };
        (seen, end)
    }

    fn tokio_websockets(&self) -> (Vec<Seen>, End) {
        use tokio_ws::{Error, proto::ProtocolError};
        let limits = tokio_ws::Limits::default().max_payload_len(Some(self.limit));
        let mut stream = match self.role {
            Role::Server => tokio_ws::ServerBuilder::new().limits(limits).serve(self.wire()),
            Role::Client => tokio_ws::ClientBuilder::new().limits(limits).take_over(self.wire()),
        };
        let (mut seen, mut context) = (Vec::new(), Context::from_waker(Waker::noop()));
        let end = loop {
            let Poll::Ready(next) = Pin::new(&mut stream).poll_next(&mut context) else {
                panic!("the wire never makes one wait")
            };
            seen.push(match next {
                // Its payload is not always what it says it is, see the table.
                Some(Ok(message)) if message.is_text() => {
                    match String::from_utf8(message.as_payload().to_vec()) {
                        Ok(text) => Seen::Text(text),
                        Err(error) => Seen::Binary(error.into_bytes()),
                    }
                }
                Some(Ok(message)) if message.is_binary() => Seen::Binary(message.as_payload().to_vec()),
                Some(Ok(message)) if message.is_ping() => Seen::Ping(message.as_payload().to_vec()),
                Some(Ok(message)) if message.is_pong() => Seen::Pong(message.as_payload().to_vec()),
                Some(Ok(message)) => {
                    let close = message.as_close().filter(|_| !message.as_payload().is_empty());
                    break End::Close(close.map(|(code, reason)| (code.into(), reason.to_owned())));
                }
                None | Some(Err(Error::Io(_))) => break End::Waiting,
                Some(Err(Error::Protocol(ProtocolError::InvalidUtf8))) => break End::Failed(1007),
                Some(Err(Error::Protocol(_))) => break End::Failed(1002),
                Some(Err(Error::PayloadTooLong { .. })) => break End::Failed(1009),
                Some(Err(error)) => panic!("tokio-websockets: {error}"),
            });
        };
        (seen, end)
    }

    fn wire(&self) -> Wire<'a> {
        let cuts = if self.cuts.is_empty() { vec![255] } else { self.cuts.clone() };
        Wire { rest: self.stream, cuts, next: 0 }
    }
}

/// The stream in pieces of these lengths, over and over; what is written is forgotten.
struct Wire<'a> {
    rest: &'a [u8],
    cuts: Vec<u8>,
    next: usize,
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = usize::from(self.cuts[self.next % self.cuts.len()]).min(buffer.len()).min(self.rest.len());
        self.next += 1;
        let (piece, rest) = self.rest.split_at(len);
        buffer[..len].copy_from_slice(piece);
        self.rest = rest;
        Ok(len)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() { Err(ErrorKind::InvalidInput.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Wire<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let len = self.get_mut().read(buffer.initialize_unfilled())?;
        buffer.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.get_mut().write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
