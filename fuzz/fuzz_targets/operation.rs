//! What the ends of a `session` can be told to do, and how they are told.

use arbitrary::{Arbitrary, Result, Unstructured};
use sansws::{
    CloseCode, Connection, MAX_PAYLOAD_LEN, Message, MessageKind, Output, OwnedMessage, Prepared,
    ProtocolError, SendError,
};

use crate::keys::Keys;
use crate::outputs::Kind;

#[derive(Debug)]
pub enum Operation {
    Message(Means, MessageKind, Vec<u8>),
    Fragment {
        means: Means,
        kind: MessageKind,
        compressed: bool,
        last: bool,
        payload: Vec<u8>,
    },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, Vec<u8>),
    CloseWithoutStatus,
    Fail(ProtocolError),
    /// So many bytes of what this end wrote arrive.
    Deliver(usize),
    Transmit,
    Room(usize),
    Eof,
    /// A byte of what this end wrote changes on its way.
    Corrupt(usize, u8),
    /// Bytes come from nowhere.
    Insert(usize, Vec<u8>),
    Park,
    /// From now on a clone does the same. The next time it takes the place of the first.
    Clone,
    /// The source of masking-keys refuses by this pattern.
    Refuse(u8),
    /// What is sent goes to such an output from now on, perhaps behind a `dyn`.
    Output(Kind, bool),
    /// From now on, or from now on no more, chunks that arrive are sent back.
    Echo,
}

/// The ways to send a message or a fragment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Means {
    /// By the method for its kind.
    Direct,
    /// As a [`Message`] that was an [`OwnedMessage`].
    Owned,
    Prepared,
    /// By a header, and the payload is written by hand.
    Header,
    /// By a header for more than a frame can have.
    HeaderTooLong,
}

const ERRORS: [ProtocolError; 5] = [
    ProtocolError::InvalidDeflate,
    ProtocolError::CompressionUnsupported,
    ProtocolError::OutOfMemory,
    ProtocolError::MessageTooBig,
    ProtocolError::TooManyFragments,
];

impl<'a> Arbitrary<'a> for Operation {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let code = u8::arbitrary(input)?;
        let kind = if code & 0x80 == 0 { MessageKind::Text } else { MessageKind::Binary };
        let last = code & 0x40 != 0;
        let mut fragment = |means, compressed| {
            payload(kind, input).map(|payload| Self::Fragment { means, kind, compressed, last, payload })
        };
        // The later ones have both bits of 0x30, so that the rest is read as ever.
        Ok(match code & 0x3f {
            0x30 => Self::Park,
            0x31 => Self::Clone,
            0x32 => Self::Refuse(u8::arbitrary(input)?),
            0x33 => {
                let choice = u8::arbitrary(input)?;
                Self::Output([Kind::Vec, Kind::Slice, Kind::Ring][usize::from(choice % 3)], choice >= 128)
            }
            0x34 => fragment(Means::Header, false)?,
            0x35 => fragment(Means::Header, true)?,
            0x36 => fragment(Means::HeaderTooLong, last)?,
            0x37 => Self::Message(Means::HeaderTooLong, kind, Vec::new()),
            0x38 => Self::Message(Means::Owned, kind, payload(kind, input)?),
            0x39 => Self::Echo,
            0x3a => Self::Fail(ERRORS[usize::from(u8::arbitrary(input)?) % ERRORS.len()]),
            code => match code & 0x0f {
                0 => Self::Message(Means::Direct, kind, payload(kind, input)?),
                1 => Self::Message(Means::Prepared, kind, payload(kind, input)?),
                2 => Self::Message(Means::Header, kind, payload(kind, input)?),
                3 => fragment(Means::Direct, false)?,
                4 => fragment(Means::Direct, true)?,
                5 => Self::Ping(payload(MessageKind::Binary, input)?),
                6 => Self::Pong(payload(MessageKind::Binary, input)?),
                7 => Self::Close(u16::arbitrary(input)?, payload(MessageKind::Text, input)?),
                8 => Self::CloseWithoutStatus,
                9 => Self::Fail(CloseCode::new(u16::arbitrary(input)?).into()),
                10 => Self::Deliver(count(input)?),
                11 => Self::Transmit,
                12 => Self::Room(count(input)?),
                13 => Self::Eof,
                14 => Self::Corrupt(count(input)?, u8::arbitrary(input)?),
                _ => Self::Insert(count(input)?, payload(MessageKind::Binary, input)?),
            },
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

impl Operation {
    /// Whether the caller has to see to the room for the frame.
    pub fn is_written_by_hand(&self) -> bool {
        matches!(self, Self::Message(Means::Header, ..) | Self::Fragment { means: Means::Header, .. })
    }

    /// Tells a connection to send.
    pub fn send(
        &self,
        connection: &mut Connection<Keys>,
        out: &mut (impl Output + ?Sized),
    ) -> std::result::Result<(), SendError> {
        match self {
            Self::Message(means, kind, payload) => send_message(connection, *means, *kind, payload, out),
            Self::Fragment { means: Means::Header, kind, compressed: false, last, payload } => {
                let header = connection.fragment_header(*kind, payload.len() as u64, *last)?;
                write_by_hand(header, payload, out)
            }
            Self::Fragment { means: Means::Header, kind, last, payload, .. } => {
                let header = connection.compressed_fragment_header(*kind, payload.len() as u64, *last)?;
                write_by_hand(header, payload, out)
            }
            Self::Fragment { means: Means::HeaderTooLong, kind, compressed: false, last, .. } => {
                connection.fragment_header(*kind, MAX_PAYLOAD_LEN + 1, *last).map(|_| ())
            }
            Self::Fragment { means: Means::HeaderTooLong, kind, last, .. } => {
                connection.compressed_fragment_header(*kind, MAX_PAYLOAD_LEN + 1, *last).map(|_| ())
            }
            Self::Fragment { kind, compressed: true, last, payload, .. } => {
                connection.send_compressed_fragment(*kind, payload, *last, out)
            }
            Self::Fragment { kind: MessageKind::Text, last, payload, .. } => {
                connection.send_text_fragment(text(payload), *last, out)
            }
            Self::Fragment { last, payload, .. } => connection.send_binary_fragment(payload, *last, out),
            Self::Ping(payload) => connection.send_ping(payload, out),
            Self::Pong(payload) => connection.send_pong(payload, out),
            Self::Close(code, reason) => connection.close(CloseCode::new(*code), text(reason), out),
            Self::CloseWithoutStatus => connection.close_without_status(out),
            other => unreachable!("{other:?} sends nothing"),
        }
    }
}

fn send_message(
    connection: &mut Connection<Keys>,
    means: Means,
    kind: MessageKind,
    payload: &[u8],
    out: &mut (impl Output + ?Sized),
) -> std::result::Result<(), SendError> {
    let message = match kind {
        MessageKind::Text => Message::Text(text(payload)),
        MessageKind::Binary => Message::Binary(payload),
    };
    match (means, message) {
        (Means::Direct, Message::Text(text)) => connection.send_text(text, out),
        (Means::Direct, Message::Binary(payload)) => connection.send_binary(payload, out),
        (Means::Owned, message) => {
            let owned: OwnedMessage = message.into_owned();
            connection.send(&owned, out)
        }
        (Means::Prepared, message) => connection.send_prepared(&Prepared::new(message), out),
        (Means::Header, _) => {
            let header = connection.frame_header(kind, payload.len() as u64)?;
            write_by_hand(header, payload, out)
        }
        (Means::HeaderTooLong, _) => connection.frame_header(kind, MAX_PAYLOAD_LEN + 1).map(|_| ()),
    }
}

/// As a driver does that writes header and payload with one system call.
fn write_by_hand(
    header: sansws::EncodedHeader,
    payload: &[u8],
    out: &mut (impl Output + ?Sized),
) -> std::result::Result<(), SendError> {
    out.reserve(header.as_bytes().len() + payload.len())?;
    out.write_reserved(header.as_bytes());
    let mut payload = payload.to_vec();
    if let Some(key) = header.masking_key() {
        sansws::apply_mask(key, &mut payload);
    }
    out.write_reserved(&payload);
    Ok(())
}

fn text(payload: &[u8]) -> &str {
    str::from_utf8(payload).expect("made so")
}
