//! The receiving half of a connection: bytes in, steps out; RFC 6455 §5.2 to §5.6.

use core::mem;

use super::config::Config;
use super::event::{BinaryChunk, CompressedChunk, Incoming, TextChunk};
use crate::close::{CloseCode, CloseFrame};
use crate::error::ProtocolError;
use crate::frame::{FrameHeader, MAX_CONTROL_LEN, Opcode, Rsv, array_at};
use crate::mask::{MaskingKey, SPARE_FLASH, apply_mask, move_masked};
use crate::message::MessageKind;
use crate::utf8::Utf8Stream;

/// From so many octets on it pays to begin at a line of the cache, so that no vector reaches into
/// the next.
const WORTH_ALIGNING: usize = 4096;
const CACHE_LINE: usize = 64;

/// The receiving half: where in a frame and in a message the input is.
#[derive(Clone)]
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
    config: Config,
    /// The longest payload that the short paths take: 125 or, if it is less, a limit.
    max_short_len: u8,
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
#[derive(Clone)]
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
#[derive(Clone)]
struct Control {
    opcode: Opcode,
    len: u8,
    /// How much of it is still to come.
    missing: u8,
    bytes: [u8; MAX_CONTROL_LEN],
}

/// An [`Event`](super::Event) that does not borrow the connection yet.
pub(super) enum Step<'b> {
    Text(TextChunk<'b>),
    Binary(BinaryChunk<'b>),
    Compressed(CompressedChunk<'b>),
    Ping,
    Pong,
    Close,
}

impl Receiver {
    pub(super) const fn new(config: &Config) -> Self {
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
                utf8: Utf8Stream::new(),
            },
            control: Control { opcode: Opcode::Pong, len: 0, missing: 0, bytes: [0; MAX_CONTROL_LEN] },
            config: *config,
            max_short_len: short_limit(config),
        }
    }

    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    /// Whether nothing is left over of the input so far, and no message is in progress.
    pub(super) fn is_between_messages(&self) -> bool {
        self.phase == Phase::BetweenMessages
    }

    /// The payload of the last control frame.
    pub(super) fn control_payload(&self) -> &[u8] {
        self.control.payload()
    }

    /// The octets of a code point of the message that were received and are in no chunk yet.
    pub(super) fn partial_code_point(&self) -> &[u8] {
        self.message.utf8.partial()
    }

    pub(super) fn incoming(&self) -> Option<Incoming> {
        if self.phase != Phase::Data {
            return None;
        }
        let MessageProgress { kind, compressed, first, .. } = self.message;
        Some(Incoming { kind: kind?, compressed, first, last: self.fin, remaining: self.remaining })
    }

    /// Ignores all further input (§7.1.7: "An endpoint MUST NOT continue to attempt to process
    /// data").
    pub(super) fn discard(&mut self) {
        self.phase = Phase::Discard;
    }

    /// The Close frame that was received, if one was, and its contents, if it has any.
    pub(super) fn close_received(&self) -> Option<Option<CloseFrame<'_>>> {
        let control = &self.control;
        if control.opcode != Opcode::Close || control.missing != 0 {
            return None;
        }
        parse_close(control.payload()).ok()
    }

    /// The short path: a whole unfragmented message of at most 125 bytes, nothing of it cut. Most
    /// messages are. Returns its payload, unmasked.
    ///
    /// Everything else, legal or not, is left to [`longer_message`](Self::longer_message) and
    /// [`step`](Self::step).
    #[inline]
    pub(super) fn short_message<'b>(
        &self,
        input: &mut &'b mut [u8],
        is_server: bool,
    ) -> Option<(MessageKind, &'b mut [u8])> {
        let [b0, b1, ..] = **input else { return None };
        let kind = self.kind_of_whole(b0, b1, is_server)?;
        let payload_len = b1 & 0x7f;
        if payload_len > self.max_short_len {
            return None;
        }
        let (key, payload) = take_frame(input, if is_server { 6 } else { 2 }, payload_len.into(), is_server)?;
        if let Some(key) = key {
            apply_mask(key, payload);
        }
        Some((kind, payload))
    }

    /// The same for a message of 126 to 65 535 bytes.
    pub(super) fn longer_message<'b>(
        &self,
        input: &mut &'b mut [u8],
        is_server: bool,
    ) -> Option<(MessageKind, &'b mut [u8])> {
        let [b0, b1, high, low, ..] = **input else { return None };
        let kind = self.kind_of_whole(b0, b1, is_server)?;
        let payload_len = u16::from_be_bytes([high, low]);
        let Config { max_frame_len, max_message_len, .. } = self.config;
        let is_too_long = u64::from(payload_len) > max_frame_len || u64::from(payload_len) > max_message_len;
        // §5.2: "the minimal number of bytes MUST be used to encode the length".
        if b1 & 0x7f != 126 || payload_len < 126 || is_too_long {
            return None;
        }
        let (key, payload) = take_frame(input, if is_server { 8 } else { 4 }, payload_len.into(), is_server)?;
        if let Some(key) = key {
            unmask(key, payload);
        }
        Some((kind, payload))
    }

    /// The type of the message that begins and ends with a frame of these first two bytes.
    #[inline]
    fn kind_of_whole(&self, b0: u8, b1: u8, is_server: bool) -> Option<MessageKind> {
        if self.phase != Phase::BetweenMessages || (b1 & 0x80 != 0) != is_server {
            return None;
        }
        match b0 {
            0x81 => Some(MessageKind::Text),
            0x82 => Some(MessageKind::Binary),
            _ => None,
        }
    }

    /// Takes the next bytes of `input`; `None`: they are used up.
    pub(super) fn step<'b>(
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
                }
                Phase::Data => {
                    // A frame without payload is complete already: it may be a whole message.
                    if input.is_empty() && self.remaining > 0 {
                        return Ok(None);
                    }
                    let payload = self.take_payload(input, is_server);
                    return self.data(payload).map(Some);
                }
                Phase::Control => {
                    if input.is_empty() && self.control.missing > 0 {
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
        // §5.2: a reserved bit "MUST be 0 unless an extension is negotiated that defines meanings
        // for non-zero values".
        let may_be_compressed =
            self.config.compression && matches!(header.opcode, Opcode::Text | Opcode::Binary);
        let compressed = may_be_compressed && header.rsv == Rsv::RSV1;
        if !header.rsv.is_empty() && !compressed {
            return Err(ProtocolError::ReservedBits);
        }
        // §5.1: "The server MUST close the connection upon receiving a frame that is not masked";
        // "A client MUST close a connection if it detects a masked frame."
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
            // §5.4: "The fragments of one message MUST NOT be interleaved between the fragments of
            // another message".
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
        // §10.4: implementations "MUST protect themselves against exceeding" their limits
        // "regarding the frame size or total message size after reassembly from multiple frames".
        if header.payload_len > self.config.max_frame_len {
            return Err(ProtocolError::FrameTooBig);
        }
        message.len = message.len.saturating_add(header.payload_len);
        if message.len > self.config.max_message_len {
            return Err(ProtocolError::MessageTooBig);
        }
        message.fragments = message.fragments.saturating_add(1);
        // The first frame of a message is a fragment too.
        if message.fragments > self.config.max_fragments.max(1) {
            return Err(ProtocolError::TooManyFragments);
        }
        self.fin = header.fin;
        self.remaining = header.payload_len;
        self.phase = Phase::Data;
        Ok(())
    }

    /// The rest of the last frame of a text message, which the caller validates.
    pub(super) fn end_of_text(&mut self, payload: &mut [u8]) {
        self.unmask(payload);
        self.remaining = 0;
        self.message.utf8 = Utf8Stream::new();
        self.message.kind = None;
        self.phase = Phase::BetweenMessages;
    }

    /// Takes what `input` holds of the current frame's payload off it and unmasks it.
    ///
    /// If all of it is there, short fragments that follow are taken too, their payloads moved up
    /// to it: to validate and hand out each by itself costs more than what it carries. Where one
    /// fragment ends and the next begins has no meaning (§5.4).
    fn take_payload<'b>(&mut self, input: &mut &'b mut [u8], is_server: bool) -> &'b mut [u8] {
        let bytes = mem::take(input);
        let mut end = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(bytes.len());
        self.unmask(&mut bytes[..end]);
        self.remaining -= end as u64;
        let mut taken = end;
        if self.remaining == 0 {
            while let Some((header_len, len)) = self.short_fragment(&bytes[taken..], is_server) {
                let payload = taken + header_len..taken + header_len + len;
                taken = payload.end;
                move_masked(self.masking_key, bytes, payload, end);
                end += len;
            }
        }
        let (payload, rest) = bytes.split_at_mut(end);
        *input = rest.split_at_mut(taken - end).1;
        payload
    }

    /// Begins and ends a further fragment of the message in progress, of at most 125 bytes, if all
    /// of it is there. Returns the lengths of its header and its payload. Everything else, legal or
    /// not, is left to [`step`](Self::step).
    fn short_fragment(&mut self, input: &[u8], is_server: bool) -> Option<(usize, usize)> {
        let &[b0, b1, ..] = input else { return None };
        let (is_masked, len) = (b1 & 0x80 != 0, b1 & 0x7f);
        let is_continuation = b0 & 0x7f == Opcode::Continuation as u8;
        if self.fin || !is_continuation || is_masked != is_server || len > self.max_short_len {
            return None;
        }
        let header_len = if is_server { 6 } else { 2 };
        let message = &mut self.message;
        let message_len = message.len.saturating_add(u64::from(len));
        let is_too_much =
            message_len > self.config.max_message_len || message.fragments >= self.config.max_fragments;
        if input.len() < header_len + usize::from(len) || is_too_much {
            return None;
        }
        if is_server {
            self.masking_key = array_at(input, 2)?;
        }
        message.len = message_len;
        message.fragments += 1;
        self.fin = b0 & 0x80 != 0;
        Some((header_len, len.into()))
    }

    /// A piece of the payload of a data frame, perhaps the last, or of several frames; unmasked.
    fn data<'b>(&mut self, payload: &'b mut [u8]) -> Result<Step<'b>, ProtocolError> {
        let remaining = self.remaining;
        let end_of_frame = remaining == 0;
        let message = &mut self.message;
        let first = mem::take(&mut message.first);
        let last = end_of_frame && self.fin;
        let kind = message.kind.expect("a data frame belongs to a message");
        if end_of_frame {
            self.phase = if last { Phase::BetweenMessages } else { Phase::Header };
        }
        if last {
            message.kind = None;
        }

        if message.compressed {
            return Ok(Step::Compressed(CompressedChunk { kind, payload, first, last, remaining }));
        }
        match kind {
            MessageKind::Binary => Ok(Step::Binary(BinaryChunk { payload, first, last, remaining })),
            MessageKind::Text => {
                // §8.1: "When an endpoint is to interpret a byte stream as UTF-8 but finds that the
                // byte stream is not, in fact, a valid UTF-8 stream, that endpoint MUST _Fail the
                // WebSocket Connection_."
                let piece = message.utf8.push(payload).map_err(|_| ProtocolError::InvalidUtf8)?;
                if last {
                    message.utf8.finish().map_err(|_| ProtocolError::InvalidUtf8)?;
                }
                Ok(Step::Text(TextChunk { carried: piece.carried, text: piece.text, first, last, remaining }))
            }
        }
    }

    /// Unmasks what comes next of the current frame's payload.
    fn unmask(&mut self, payload: &mut [u8]) {
        self.masking_key = unmask(self.masking_key, payload);
    }

    /// A piece of the payload of a control frame. `None` if there is more to come.
    fn control<'b>(&mut self, payload: &mut [u8]) -> Result<Option<Step<'b>>, ProtocolError> {
        self.unmask(payload);
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
        &self.bytes[..usize::from(self.len)]
    }

    /// Appends at most `missing` bytes.
    fn push(&mut self, bytes: &[u8]) {
        let start = usize::from(self.len - self.missing);
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        self.missing -= bytes.len() as u8;
    }
}

const fn short_limit(config: &Config) -> u8 {
    let Config { max_frame_len, max_message_len, .. } = *config;
    let limit = if max_frame_len < max_message_len { max_frame_len } else { max_message_len };
    if limit < MAX_CONTROL_LEN as u64 { limit as u8 } else { MAX_CONTROL_LEN as u8 }
}

/// Takes a frame off the input, if all of it is there. Returns its masking-key, if it has one, and
/// its payload.
#[inline]
fn take_frame<'b>(
    input: &mut &'b mut [u8],
    header_len: usize,
    payload_len: usize,
    is_masked: bool,
) -> Option<(Option<MaskingKey>, &'b mut [u8])> {
    if input.len() < header_len + payload_len {
        return None;
    }
    let (frame, rest) = mem::take(input).split_at_mut(header_len + payload_len);
    *input = rest;
    let (header, payload) = frame.split_at_mut(header_len);
    let key = if is_masked { header.last_chunk().copied() } else { None };
    Some((key, payload))
}

/// Not inlined: each copy of the loop costs flash, and a call is cheap beside a long payload.
#[inline(never)]
fn unmask(key: MaskingKey, payload: &mut [u8]) -> MaskingKey {
    // The zero key is that of every frame from a server, and changes nothing.
    if key == [0; 4] {
        return key;
    }
    if !SPARE_FLASH && payload.len() >= WORTH_ALIGNING {
        let to_line = payload.as_ptr().align_offset(CACHE_LINE).min(payload.len());
        let (head, lines) = payload.split_at_mut(to_line);
        return apply_mask(apply_mask(key, head), lines);
    }
    apply_mask(key, payload)
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

    /// What the two short paths make of the input of a server.
    fn short_or_longer<'b>(
        receiver: &Receiver,
        input: &mut &'b mut [u8],
    ) -> Option<(MessageKind, &'b mut [u8])> {
        receiver.short_message(input, true).or_else(|| receiver.longer_message(input, true))
    }

    /// A frame of `len` bytes of payload, of which the last `missing` bytes did not arrive, and
    /// `behind` bytes that did.
    fn takes(
        receiver: &Receiver,
        first: u8,
        is_masked: bool,
        len: usize,
        missing: usize,
        behind: usize,
    ) -> bool {
        let mut bytes = [0; 1 << 17];
        let opcode = if first & 0xf == 1 { Opcode::Text } else { Opcode::Binary };
        let key = is_masked.then_some([0; 4]);
        let header =
            FrameHeader { fin: true, rsv: Rsv::NONE, opcode, masking_key: key, payload_len: len as u64 };
        let header = header.encode().unwrap();
        let header = header.as_bytes();
        bytes[..header.len()].copy_from_slice(header);
        bytes[0] = first;
        let whole = header.len() + len;
        let arrived = whole - missing + behind;
        let mut input = &mut bytes[..arrived];
        let taken = short_or_longer(receiver, &mut input).is_some_and(|(kind, payload)| {
            assert_eq!((kind.opcode(), payload.len()), (opcode, len));
            true
        });
        assert_eq!(input.len(), if taken { arrived - whole } else { arrived });
        taken
    }

    /// Whatever it does not take goes the long way to the same end: only asking it shows that it is
    /// there.
    #[test]
    fn the_short_paths_take_whole_messages_of_at_most_65535_bytes_and_leave_the_rest() {
        let receiver = Receiver::new(&Config::default());
        let lens: &[usize] = if cfg!(miri) { &[5, 126] } else { &[0, 1, 5, 125, 126, 65_535] };
        for first in 0..=0xff {
            let is_whole_message = matches!(first, 0x81 | 0x82);
            for &len in lens {
                assert_eq!(takes(&receiver, first, true, len, 0, 0), is_whole_message, "{first:x} {len}");
                assert_eq!(takes(&receiver, first, true, len, 0, 3), is_whole_message);
                assert!(!takes(&receiver, first, true, len, 1, 0), "a byte is missing");
                assert!(!takes(&receiver, first, false, len, 0, 0), "§5.1");
            }
        }
        assert!(!takes(&receiver, 0x82, true, 65_536, 0, 0), "the longest form of the length");
        // No byte is no beginning of a header; a length in two bytes may be cut, or not minimal
        // (§5.2).
        for bytes in [&mut [][..], &mut [0x82], &mut [0x82, 0xfe, 1], &mut [0x82, 0xfe, 0, 125, 0, 0, 0, 0]] {
            let mut long = [0; 200];
            long[..bytes.len()].copy_from_slice(bytes);
            let mut input = if bytes.len() == 8 { &mut long[..] } else { bytes };
            assert!(short_or_longer(&receiver, &mut input).is_none());
        }
    }

    #[test]
    fn the_short_paths_obey_the_limits_and_the_message_in_progress() {
        for (max_frame_len, max_message_len) in [(3, 100), (100, 3)] {
            let config = Config::new().max_frame_len(max_frame_len).max_message_len(max_message_len);
            let receiver = Receiver::new(&config);
            assert!(takes(&receiver, 0x82, true, 3, 0, 0));
            assert!(!takes(&receiver, 0x82, true, 4, 0, 0));
        }
        let mut receiver = Receiver::new(&Config::default());
        assert!(receiver.step(&mut &mut [0x02, 0x80, 0, 0, 0, 0][..], true).is_ok());
        assert!(!takes(&receiver, 0x82, true, 3, 0, 0), "§5.4");
    }
}
