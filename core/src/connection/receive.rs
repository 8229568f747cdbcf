//! Bytes in, events out: RFC 6455 §5.4 to §5.5, §6.2, §7.1.

use core::mem;

use super::{BinaryChunk, CompressedChunk, Config, Connection, Event, MessageKind, State, TextChunk};
use crate::close::{CloseCode, CloseFrame};
use crate::error::ProtocolError;
use crate::frame::{FrameHeader, MAX_CONTROL_LEN, MaskingKey, Opcode, Rsv};
use crate::mask::apply_mask;
use crate::masking_keys::MaskingKeys;
use crate::utf8::{self, Utf8Stream};

impl<K: MaskingKeys> Connection<K> {
    /// Takes bytes that came from the peer, and says what the next of them mean.
    ///
    /// `input` is advanced past the bytes that were understood. Payloads are unmasked in place and lent back as chunks of the same
    /// buffer. Call it until it returns `None`: then `input` is used up, whatever its size was, and the buffer is the caller's again.
    /// What a cut leaves over (part of a header, of a code point, of a control frame) stays in the connection.
    ///
    /// After a Close or a failure the rest of the input is discarded ([§7.1.7](https://datatracker.ietf.org/doc/html/rfc6455#section-7.1.7)) and there are no more events.
    ///
    /// An empty input is harmless and means nothing; the end of the transport is [`receive_eof`](Self::receive_eof).
    #[inline]
    pub fn receive<'c, 'b>(&'c mut self, input: &mut &'b mut [u8]) -> Option<Event<'c, 'b>> {
        if let Some(event) = self.receive_small(input) {
            return Some(event);
        }
        self.receive_any(input)
    }

    /// Says that the transport ended: no more bytes will come.
    ///
    /// An open connection is closed now, and not cleanly. If the peer's Close came before, the answer to it is still owed: the peer may
    /// have shut down only its sending half.
    pub fn receive_eof(&mut self) {
        self.eof = true;
        self.receiver.discard();
        match self.state {
            State::Open | State::CloseSent => {
                self.state = State::Closed;
                self.sender.forget_debts();
            }
            State::CloseReceived | State::Closed | State::Failed => {}
        }
    }

    /// The short path: a whole unfragmented message of at most 125 bytes, nothing of it cut. Most messages are.
    ///
    /// Whatever else there is, legal or not, is left to [`receive_any`](Self::receive_any).
    #[inline]
    fn receive_small<'b>(&mut self, input: &mut &'b mut [u8]) -> Option<Event<'static, 'b>> {
        if self.receiver.phase != Phase::BetweenMessages {
            return None;
        }
        let [b0, b1, ..] = **input else { return None };
        let payload_len = usize::from(b1 & 0x7f);
        let is_masked = b1 & 0x80 != 0;
        let kind = match b0 {
            0x81 => MessageKind::Text,
            0x82 => MessageKind::Binary,
            _ => return None,
        };
        let header_len = if is_masked { 6 } else { 2 };
        if payload_len > MAX_CONTROL_LEN
            || payload_len as u64 > self.receiver.max_small_len
            || is_masked == self.masking_keys.is_some()
            || input.len() < header_len + payload_len
        {
            return None;
        }
        let (frame, rest) = mem::take(input).split_at_mut(header_len + payload_len);
        *input = rest;
        let (header, payload) = frame.split_at_mut(header_len);
        if let [_, _, k0, k1, k2, k3] = *header {
            apply_mask([k0, k1, k2, k3], payload);
        }
        Some(match kind {
            MessageKind::Binary => Event::Binary(BinaryChunk { payload, first: true, last: true }),
            MessageKind::Text => match utf8::validate(payload) {
                Ok(text) => Event::Text(TextChunk { carried: None, text, first: true, last: true }),
                Err(_) => self.failed(ProtocolError::InvalidUtf8, input),
            },
        })
    }

    #[cold]
    fn failed(&mut self, error: ProtocolError, input: &mut &mut [u8]) -> Event<'static, 'static> {
        *input = &mut [];
        self.failure = Some(error);
        self.fail(error.close_code());
        Event::Failed(error)
    }

    fn receive_any<'c, 'b>(&'c mut self, input: &mut &'b mut [u8]) -> Option<Event<'c, 'b>> {
        // The step borrows nothing of the connection, so that the loop in it may; control events get their borrow here.
        let step = match self.receiver.step(input, self.masking_keys.is_none()) {
            Ok(step) => step?,
            Err(error) => return Some(self.failed(error, input)),
        };
        Some(match step {
            Step::Text(chunk) => Event::Text(chunk),
            Step::Binary(chunk) => Event::Binary(chunk),
            Step::Compressed(chunk) => Event::Compressed(chunk),
            Step::Ping => {
                // §5.5.2: "an endpoint MUST send a Pong frame in response, unless it already received a Close frame".
                let payload = self.receiver.control.payload();
                self.sender.owe_pong(payload);
                Event::Ping(payload)
            }
            Step::Pong => Event::Pong(self.receiver.control.payload()),
            Step::Close => {
                *input = &mut [];
                let close = self.receiver.close_received().flatten();
                // §5.5.1: "If an endpoint receives a Close frame and did not previously send a Close frame, the endpoint MUST
                // send a Close frame in response", which "typically echos the status code it received".
                if self.state == State::Open {
                    self.sender.owe_close(close.map(|frame| frame.code));
                    self.state = State::CloseReceived;
                } else {
                    // §5.5.1: with both Close frames through "the server MUST close the underlying TCP connection immediately": no
                    // Pong that did not fit before keeps it open.
                    self.sender.forget_debts();
                    self.state = State::Closed;
                }
                Event::Close(close)
            }
        })
    }
}

/// The receiving half: where in a frame and in a message the input is.
pub(super) struct Receiver {
    phase: Phase,
    /// Bytes of a header that was cut.
    spill: [u8; FrameHeader::MAX_LEN],
    spill_len: u8,
    /// Of the data frame whose payload is arriving.
    fin: bool,
    masking_key: MaskingKey,
    remaining: u64,
    message: MessageProgress,
    control: Control,
    max_frame_len: u64,
    max_message_len: u64,
    /// The smaller of the two above.
    max_small_len: u64,
    max_fragments: u32,
    compression: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A header comes next, none of it is spilled, and no message is in progress.
    BetweenMessages,
    /// A header comes next.
    Header,
    /// The payload of a data frame.
    Data,
    /// The payload of a control frame.
    Control,
    /// The peer's Close or a failure was the last event.
    Discard,
}

/// The message whose fragments are arriving.
struct MessageProgress {
    kind: Option<MessageKind>,
    compressed: bool,
    /// Whether no chunk of it was handed out yet.
    first: bool,
    fragments: u32,
    len: u64,
    utf8: Utf8Stream,
}

/// The payload of the control frame that is arriving, or arrived last.
struct Control {
    opcode: Opcode,
    len: u8,
    /// How much of it is still to come.
    missing: u8,
    bytes: [u8; MAX_CONTROL_LEN],
}

/// An [`Event`] that does not borrow the connection yet.
enum Step<'b> {
    Text(TextChunk<'b>),
    Binary(BinaryChunk<'b>),
    Compressed(CompressedChunk<'b>),
    Ping,
    Pong,
    Close,
}

impl Receiver {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            phase: Phase::BetweenMessages,
            spill: [0; FrameHeader::MAX_LEN],
            spill_len: 0,
            fin: false,
            masking_key: [0; 4],
            remaining: 0,
            message: MessageProgress {
                kind: None,
                compressed: false,
                first: true,
                fragments: 0,
                len: 0,
                utf8: Utf8Stream::default(),
            },
            control: Control { opcode: Opcode::Pong, len: 0, missing: 0, bytes: [0; MAX_CONTROL_LEN] },
            max_frame_len: config.max_frame_len,
            max_message_len: config.max_message_len,
            max_small_len: config.max_frame_len.min(config.max_message_len),
            // The first frame of a message is a fragment too.
            max_fragments: config.max_fragments.max(1),
            compression: config.compression,
        }
    }

    pub(super) fn compression(&self) -> bool {
        self.compression
    }

    /// From now on the input means nothing (§7.1.7: "An endpoint MUST NOT continue to attempt to process data").
    pub(super) fn discard(&mut self) {
        self.phase = Phase::Discard;
    }

    /// The Close frame that was received, if one was, and what it says, if it says anything.
    pub(super) fn close_received(&self) -> Option<Option<CloseFrame<'_>>> {
        let control = &self.control;
        if control.opcode != Opcode::Close || control.missing != 0 {
            return None;
        }
        parse_close(control.payload()).ok()
    }

    fn step<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        is_server: bool,
    ) -> Result<Option<Step<'b>>, ProtocolError> {
        loop {
            match self.phase {
                Phase::BetweenMessages | Phase::Header => {
                    let Some(header) = self.take_header(input)? else {
                        return Ok(None);
                    };
                    self.begin_frame(&header, is_server)?;
                    // A frame without payload is complete already: it may be a whole message.
                    if header.payload_len == 0 {
                        return self.end_of_empty_frame().map(Some);
                    }
                }
                Phase::Data => {
                    if input.is_empty() {
                        return Ok(None);
                    }
                    let len = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(input.len());
                    let (payload, rest) = mem::take(input).split_at_mut(len);
                    *input = rest;
                    return self.data(payload).map(Some);
                }
                Phase::Control => {
                    if input.is_empty() {
                        return Ok(None);
                    }
                    let len = usize::from(self.control.missing).min(input.len());
                    let (payload, rest) = mem::take(input).split_at_mut(len);
                    *input = rest;
                    if let Some(step) = self.control(payload)? {
                        return Ok(Some(step));
                    }
                }
                Phase::Discard => {
                    *input = &mut [];
                    return Ok(None);
                }
            }
        }
    }

    /// Takes a header off the input, together with what earlier inputs held of it.
    fn take_header(&mut self, input: &mut &mut [u8]) -> Result<Option<FrameHeader>, ProtocolError> {
        if self.spill_len == 0 {
            if let Some((header, len)) = FrameHeader::decode(input)? {
                advance(input, len);
                return Ok(Some(header));
            }
        }
        let spilled = usize::from(self.spill_len);
        let room = &mut self.spill[spilled..];
        let len = room.len().min(input.len());
        room[..len].copy_from_slice(&input[..len]);
        match FrameHeader::decode(&self.spill[..spilled + len])? {
            Some((header, header_len)) => {
                advance(input, header_len - spilled);
                self.spill_len = 0;
                Ok(Some(header))
            }
            None => {
                // A whole header fits into the spill: all of the input is in it.
                advance(input, len);
                self.spill_len = (spilled + len) as u8;
                if len > 0 {
                    self.phase = Phase::Header;
                }
                Ok(None)
            }
        }
    }

    /// Checks a header against the state of the connection.
    fn begin_frame(&mut self, header: &FrameHeader, is_server: bool) -> Result<(), ProtocolError> {
        // §5.2: a reserved bit "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values".
        let may_be_compressed = self.compression && matches!(header.opcode, Opcode::Text | Opcode::Binary);
        let compressed = may_be_compressed && header.rsv == Rsv::RSV1;
        if !header.rsv.is_empty() && !compressed {
            return Err(ProtocolError::ReservedBits);
        }
        // §5.1: "The server MUST close the connection upon receiving a frame that is not masked"; "A client MUST close
        // a connection if it detects a masked frame."
        self.masking_key = match (header.masking_key, is_server) {
            (Some(key), true) => key,
            (None, false) => [0; 4],
            (None, true) => return Err(ProtocolError::MaskMissing),
            (Some(_), false) => return Err(ProtocolError::MaskUnexpected),
        };

        if header.opcode.is_control() {
            let len = header.payload_len as u8;
            self.control = Control { opcode: header.opcode, len, missing: len, bytes: self.control.bytes };
            self.phase = Phase::Control;
            return Ok(());
        }

        let message = &mut self.message;
        match (header.opcode, message.kind) {
            (Opcode::Continuation, None) => return Err(ProtocolError::ContinuationUnexpected),
            (Opcode::Continuation, Some(_)) => {}
            // §5.4: "The fragments of one message MUST NOT be interleaved between the fragments of another message".
            (_, Some(_)) => return Err(ProtocolError::ContinuationExpected),
            (opcode, None) => {
                message.kind =
                    Some(if opcode == Opcode::Text { MessageKind::Text } else { MessageKind::Binary });
                message.compressed = compressed;
                message.first = true;
                message.fragments = 0;
                message.len = 0;
            }
        }
        // §10.4: implementations "MUST protect themselves against exceeding" their limits "regarding the frame size or
        // total message size after reassembly from multiple frames".
        if header.payload_len > self.max_frame_len {
            return Err(ProtocolError::FrameTooBig);
        }
        message.len = message.len.saturating_add(header.payload_len);
        if message.len > self.max_message_len {
            return Err(ProtocolError::MessageTooBig);
        }
        message.fragments = message.fragments.saturating_add(1);
        if message.fragments > self.max_fragments {
            return Err(ProtocolError::TooManyFragments);
        }
        self.fin = header.fin;
        self.remaining = header.payload_len;
        self.phase = Phase::Data;
        Ok(())
    }

    fn end_of_empty_frame<'b>(&mut self) -> Result<Step<'b>, ProtocolError> {
        if self.phase == Phase::Control { self.end_of_control() } else { self.data(&mut []) }
    }

    /// A piece of the payload of a data frame, perhaps the last.
    fn data<'b>(&mut self, payload: &'b mut [u8]) -> Result<Step<'b>, ProtocolError> {
        self.masking_key = apply_mask(self.masking_key, payload);
        self.remaining -= payload.len() as u64;
        let end_of_frame = self.remaining == 0;
        let message = &mut self.message;
        let first = mem::take(&mut message.first);
        let last = end_of_frame && self.fin;
        let kind = message.kind.unwrap_or(MessageKind::Binary);
        if end_of_frame {
            self.phase = if last { Phase::BetweenMessages } else { Phase::Header };
        }
        if last {
            message.kind = None;
        }

        if message.compressed {
            return Ok(Step::Compressed(CompressedChunk { kind, payload, first, last }));
        }
        match kind {
            MessageKind::Binary => Ok(Step::Binary(BinaryChunk { payload, first, last })),
            MessageKind::Text => {
                // §8.1: "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is not, in
                // fact, a valid UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_."
                let piece = message.utf8.push(payload).map_err(|_| ProtocolError::InvalidUtf8)?;
                if last {
                    message.utf8.finish().map_err(|_| ProtocolError::InvalidUtf8)?;
                }
                Ok(Step::Text(TextChunk { carried: piece.carried, text: piece.text, first, last }))
            }
        }
    }

    /// A piece of the payload of a control frame. `None` if there is more to come.
    fn control<'b>(&mut self, payload: &mut [u8]) -> Result<Option<Step<'b>>, ProtocolError> {
        self.masking_key = apply_mask(self.masking_key, payload);
        self.control.push(payload);
        if self.control.missing > 0 {
            return Ok(None);
        }
        self.end_of_control().map(Some)
    }

    fn end_of_control<'b>(&mut self) -> Result<Step<'b>, ProtocolError> {
        // §5.4: "Control frames MAY be injected in the middle of a fragmented message."
        self.phase = if self.message.kind.is_some() { Phase::Header } else { Phase::BetweenMessages };
        match self.control.opcode {
            Opcode::Ping => Ok(Step::Ping),
            Opcode::Close => {
                parse_close(self.control.payload())?;
                self.phase = Phase::Discard;
                Ok(Step::Close)
            }
            _ => Ok(Step::Pong),
        }
    }
}

impl Control {
    fn payload(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Appends at most `missing` bytes.
    fn push(&mut self, bytes: &[u8]) {
        let start = usize::from(self.len - self.missing);
        if let Some(place) = self.bytes.get_mut(start..start + bytes.len()) {
            place.copy_from_slice(bytes);
            self.missing -= bytes.len() as u8;
        }
    }
}

/// The payload of a Close frame, §5.5.1: nothing, or "a 2-byte unsigned integer" and a reason.
fn parse_close(payload: &[u8]) -> Result<Option<CloseFrame<'_>>, ProtocolError> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(None) } else { Err(ProtocolError::InvalidCloseLength) };
    };
    let code = CloseCode::new(u16::from_be_bytes(*code));
    if !code.may_be_sent() {
        return Err(ProtocolError::InvalidCloseCode);
    }
    let reason = core::str::from_utf8(reason).map_err(|_| ProtocolError::InvalidCloseReason)?;
    Ok(Some(CloseFrame { code, reason }))
}

fn advance(input: &mut &mut [u8], len: usize) {
    *input = mem::take(input).split_at_mut(len).1;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks the short path for a frame of `len` bytes of payload, of which `missing` bytes did not arrive, or (less than 0) with bytes behind it.
    fn takes(connection: &mut Connection, first: u8, is_masked: bool, len: u8, missing: isize) -> bool {
        let mut bytes = [0; 140];
        bytes[0] = first;
        bytes[1] = if is_masked { 0x80 | len } else { len };
        let whole = (if is_masked { 6 } else { 2 }) + usize::from(len);
        let arrived = whole.checked_add_signed(-missing).unwrap();
        let mut input = &mut bytes[..arrived];
        let taken = match connection.receive_small(&mut input) {
            Some(Event::Text(chunk)) => chunk.first && chunk.last && chunk.text.len() == usize::from(len),
            Some(Event::Binary(chunk)) => {
                chunk.first && chunk.last && chunk.payload.len() == usize::from(len)
            }
            _ => false,
        };
        assert_eq!(input.len(), if taken { arrived - whole } else { arrived });
        taken
    }

    /// Whatever it does not take goes the long way to the same end: only asking it shows that it is there.
    #[test]
    fn the_short_path_takes_whole_messages_of_at_most_125_bytes_and_leaves_the_rest() {
        let server = || (Connection::server(&Config::default()), true);
        let client = || (Connection::client(&Config::default(), || [0; 4]), false);
        for (mut connection, is_masked) in [server(), client()] {
            for first in 0..=0xff {
                let is_whole_message = matches!(first, 0x81 | 0x82);
                for len in [0, 1, 5, 125] {
                    assert_eq!(takes(&mut connection, first, is_masked, len, 0), is_whole_message);
                    assert_eq!(takes(&mut connection, first, is_masked, len, -3), is_whole_message);
                    assert!(!takes(&mut connection, first, is_masked, len, 1), "a byte is missing");
                    assert!(!takes(&mut connection, first, !is_masked, len, 0), "§5.1");
                }
                for len in [126, 127] {
                    assert!(!takes(&mut connection, first, is_masked, len, 0), "a longer form of the length");
                }
            }
            // No byte is no beginning of a header.
            assert!(connection.receive(&mut &mut [][..]).is_none());
            assert!(takes(&mut connection, 0x82, is_masked, 5, 0));
        }
    }

    #[test]
    fn the_short_path_knows_the_limits_and_the_message_in_progress() {
        for (max_frame_len, max_message_len) in [(3, 100), (100, 3)] {
            let config = Config { max_frame_len, max_message_len, ..Config::default() };
            let mut connection = Connection::server(&config);
            assert!(takes(&mut connection, 0x82, true, 3, 0));
            assert!(!takes(&mut connection, 0x82, true, 4, 0));
        }
        let mut connection = Connection::server(&Config::default());
        assert!(connection.receive(&mut &mut [0x02, 0x80, 0, 0, 0, 0][..]).is_some());
        assert!(!takes(&mut connection, 0x82, true, 3, 0), "§5.4");
    }
}
