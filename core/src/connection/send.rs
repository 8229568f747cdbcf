//! Frames out: RFC 6455 §5.3, §6.1, and the debts of §5.5.

use super::sender::{Fragments, OwedClose};
use super::{BinaryChunk, Connection, State, TextChunk};
use crate::close::{CloseCode, MAX_REASON_LEN};
use crate::error::SendError;
use crate::frame::{EncodedHeader, FrameHeader, MAX_CONTROL_LEN, MAX_PAYLOAD_LEN, Opcode, Rsv};
use crate::mask::{MaskingKey, SPARE_FLASH, copy_masked};
use crate::masking_keys::MaskingKeys;
use crate::message::{Message, MessageKind};
use crate::output::{Output, SHORT_FRAME};

impl<K: MaskingKeys> Connection<K> {
    /// Sends a message in one frame: a [`Message`], text (`&str`, `&String`) or octets (`&[u8]`,
    /// `&Vec<u8>`, `&[u8; N]`, `&Bytes`).
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    #[inline]
    pub fn send<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        let message = message.into();
        self.write_message(message.kind(), message.as_bytes(), out)
    }

    /// Sends a text message in one frame.
    ///
    /// # Errors
    ///
    /// [`NotOpen`](SendError::NotOpen), [`MessageInProgress`](SendError::MessageInProgress),
    /// [`OutputFull`](SendError::OutputFull); nothing changed.
    #[inline]
    pub fn send_text(&mut self, text: &str, out: &mut (impl Output + ?Sized)) -> Result<(), SendError> {
        self.write_message(MessageKind::Text, text.as_bytes(), out)
    }

    /// Sends a binary message in one frame.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    #[inline]
    pub fn send_binary(&mut self, payload: &[u8], out: &mut (impl Output + ?Sized)) -> Result<(), SendError> {
        self.write_message(MessageKind::Binary, payload, out)
    }

    /// Sends a fragment of a text message: the first begins the message, `last` ends it (§5.4).
    ///
    /// Until then no other message can be sent; control frames can.
    ///
    /// # Errors
    ///
    /// [`MessageInProgress`](SendError::MessageInProgress) if a message of another kind is being
    /// sent; else as [`send_text`](Self::send_text).
    pub fn send_text_fragment(
        &mut self,
        text: &str,
        last: bool,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        self.write_fragment(
            Fragments { kind: MessageKind::Text, compressed: false },
            [text.as_bytes(), &[]],
            last,
            out,
        )
    }

    /// Sends a fragment of a binary message: the first begins the message, `last` ends it (§5.4).
    ///
    /// # Errors
    ///
    /// As [`send_text_fragment`](Self::send_text_fragment).
    pub fn send_binary_fragment(
        &mut self,
        payload: &[u8],
        last: bool,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        self.write_fragment(
            Fragments { kind: MessageKind::Binary, compressed: false },
            [payload, &[]],
            last,
            out,
        )
    }

    /// Sends a chunk that was received on, as a fragment of its own: an echo or a relay without
    /// buffers.
    ///
    /// # Errors
    ///
    /// As [`send_text_fragment`](Self::send_text_fragment).
    pub fn send_text_chunk(
        &mut self,
        chunk: &TextChunk<'_>,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        let parts = chunk.parts().map(str::as_bytes);
        self.write_fragment(Fragments { kind: MessageKind::Text, compressed: false }, parts, chunk.last, out)
    }

    /// Sends a chunk that was received on, as a fragment of its own.
    ///
    /// # Errors
    ///
    /// As [`send_text_fragment`](Self::send_text_fragment).
    pub fn send_binary_chunk(
        &mut self,
        chunk: &BinaryChunk<'_>,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        self.send_binary_fragment(chunk.payload, chunk.last, out)
    }

    /// Sends a fragment of a message that an extension compressed: RSV1 is set on the first one
    /// (RFC 7692 §6.1).
    ///
    /// # Errors
    ///
    /// [`NoExtension`](SendError::NoExtension) without
    /// [`Config::compression`](crate::Config::compression); else as
    /// [`send_text_fragment`](Self::send_text_fragment).
    pub fn send_compressed_fragment(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        last: bool,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        self.check_compression()?;
        self.write_fragment(Fragments { kind, compressed: true }, [payload, &[]], last, out)
    }

    /// Returns the header of a whole message whose payload the caller writes itself, right behind
    /// it: a vectored write without a copy.
    ///
    /// Header and payload must reach the peer with nothing between them: no Ping, no Close, nothing
    /// that is owed. The connection cannot see to that; the caller has to. A client has to mask the
    /// payload with [`EncodedHeader::masking_key`]; a server's header has none. A text payload has
    /// to be UTF-8.
    ///
    /// # Errors
    ///
    /// [`NotOpen`](SendError::NotOpen), [`MessageInProgress`](SendError::MessageInProgress),
    /// [`NoMaskingKey`](SendError::NoMaskingKey), [`TooLong`](SendError::TooLong) for a length
    /// beyond 2⁶³ − 1.
    #[inline]
    pub fn frame_header(&mut self, kind: MessageKind, payload_len: u64) -> Result<EncodedHeader, SendError> {
        self.check_new_message()?;
        self.header(true, Rsv::NONE, kind.opcode(), payload_len)
    }

    /// Returns the header of a fragment whose payload the caller writes itself; otherwise as
    /// [`frame_header`](Self::frame_header).
    ///
    /// The first fragment begins the message, `last` ends it, as with
    /// [`send_text_fragment`](Self::send_text_fragment). The boundaries of fragments of a text may
    /// be anywhere in it.
    ///
    /// # Errors
    ///
    /// As [`frame_header`](Self::frame_header).
    pub fn fragment_header(
        &mut self,
        kind: MessageKind,
        payload_len: u64,
        last: bool,
    ) -> Result<EncodedHeader, SendError> {
        self.next_fragment_header(Fragments { kind, compressed: false }, payload_len, last)
    }

    /// Returns the header of a fragment of a compressed message (RFC 7692 §6.1) whose payload the
    /// caller writes itself; otherwise as [`fragment_header`](Self::fragment_header).
    ///
    /// # Errors
    ///
    /// [`NoExtension`](SendError::NoExtension) without
    /// [`Config::compression`](crate::Config::compression); else as
    /// [`frame_header`](Self::frame_header).
    pub fn compressed_fragment_header(
        &mut self,
        kind: MessageKind,
        payload_len: u64,
        last: bool,
    ) -> Result<EncodedHeader, SendError> {
        self.check_compression()?;
        self.next_fragment_header(Fragments { kind, compressed: true }, payload_len, last)
    }

    /// Sends a Ping with up to 125 bytes of payload (§5.5.2). The peer's Pong comes back with the
    /// same payload.
    ///
    /// # Errors
    ///
    /// [`ControlTooLong`](SendError::ControlTooLong), [`NotOpen`](SendError::NotOpen),
    /// [`OutputFull`](SendError::OutputFull); nothing changed.
    pub fn send_ping(&mut self, payload: &[u8], out: &mut (impl Output + ?Sized)) -> Result<(), SendError> {
        self.send_control(Opcode::Ping, payload, out)
    }

    /// Sends an unsolicited Pong: "a unidirectional heartbeat" (§5.5.3). Pings are
    /// answered without it.
    ///
    /// # Errors
    ///
    /// As [`send_ping`](Self::send_ping).
    pub fn send_pong(&mut self, payload: &[u8], out: &mut (impl Output + ?Sized)) -> Result<(), SendError> {
        self.send_control(Opcode::Pong, payload, out)
    }

    /// Starts the closing handshake (§7.1.2), or answers the peer's Close with a code and reason of
    /// your choice.
    ///
    /// Messages of the peer may still arrive until its own Close does. Its Close is answered by
    /// [`poll_transmit`](Self::poll_transmit) with the same code and reason, unless `close` is
    /// called before.
    ///
    /// `reason` is for a log: at most [`MAX_REASON_LEN`] bytes. A fragmented message that is being
    /// sent is left unfinished.
    ///
    /// # Errors
    ///
    /// [`InvalidCloseCode`](SendError::InvalidCloseCode),
    /// [`ReasonTooLong`](SendError::ReasonTooLong), [`NotOpen`](SendError::NotOpen) if a Close was
    /// sent already, [`NoMaskingKey`](SendError::NoMaskingKey),
    /// [`OutputFull`](SendError::OutputFull); nothing changed.
    pub fn close(
        &mut self,
        code: CloseCode,
        reason: &str,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        if !code.may_be_sent() {
            return Err(SendError::InvalidCloseCode);
        }
        if reason.len() > MAX_REASON_LEN {
            return Err(SendError::ReasonTooLong);
        }
        let mut payload = [0; MAX_CONTROL_LEN];
        let len = 2 + reason.len();
        payload[..2].copy_from_slice(&code.get().to_be_bytes());
        payload[2..len].copy_from_slice(reason.as_bytes());
        self.start_closing(&payload[..len], out)
    }

    /// Like [`close`](Self::close), with a Close frame that carries no status code: the peer sees
    /// 1005.
    ///
    /// # Errors
    ///
    /// [`NotOpen`](SendError::NotOpen), [`OutputFull`](SendError::OutputFull); nothing changed.
    pub fn close_without_status(&mut self, out: &mut (impl Output + ?Sized)) -> Result<(), SendError> {
        self.start_closing(&[], out)
    }

    /// Appends what is owed to the peer: the Pong for the last Ping, and the Close that answers the
    /// peer's or reports a failure.
    ///
    /// The answer to a Close has its code and reason. To answer otherwise, call
    /// [`close`](Self::close) before. To finish a fragmented message first, which §5.5.1 allows,
    /// send the rest of its fragments before.
    ///
    /// An output needs room for two frames of
    /// [`MAX_CONTROL_FRAME_LEN`](crate::MAX_CONTROL_FRAME_LEN) bytes at some point.
    ///
    /// # Errors
    ///
    /// [`OutputFull`](SendError::OutputFull) if there is no room,
    /// [`NoMaskingKey`](SendError::NoMaskingKey): what was not written is still owed. (A Pong that
    /// does not fit before a Close is dropped.)
    #[inline]
    pub fn poll_transmit(&mut self, out: &mut (impl Output + ?Sized)) -> Result<(), SendError> {
        if self.sender.owes_anything() { self.pay_debts(out) } else { Ok(()) }
    }

    fn pay_debts(&mut self, out: &mut (impl Output + ?Sized)) -> Result<(), SendError> {
        if let Some(pong) = self.sender.owed_pong() {
            // §5.5.3: a Pong "must have identical 'Application data' as found in the message body
            // of the Ping frame".
            let frame = FrameStart { fin: true, rsv: Rsv::NONE, opcode: Opcode::Pong };
            let written = write_frame(&mut self.masking_keys, frame, [pong, &[]], out);
            // A Pong that does not fit must not keep a Close from going out: it gives way. No Ping
            // can follow.
            if self.sender.owed_close.is_none() {
                written?;
            }
            self.sender.pong_paid();
        }
        if let Some(close) = self.sender.owed_close {
            let code;
            // §5.5.1: "When sending a Close frame in response, the endpoint typically echos the
            // status code it received."
            let payload = match close {
                OwedClose::Answer => self.receiver.control_payload(),
                OwedClose::Failure(failure) => {
                    code = failure.get().to_be_bytes();
                    &code
                }
            };
            let frame = FrameStart { fin: true, rsv: Rsv::NONE, opcode: Opcode::Close };
            write_frame(&mut self.masking_keys, frame, [payload, &[]], out)?;
            self.close_written();
        }
        Ok(())
    }

    /// A whole message in one frame. The payload of a text has to be UTF-8.
    #[inline]
    pub(crate) fn write_message(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        self.check_new_message()?;
        let frame = FrameStart { fin: true, rsv: Rsv::NONE, opcode: kind.opcode() };
        write_frame(&mut self.masking_keys, frame, [payload, &[]], out)
    }

    /// Whether a message may begin here.
    #[inline]
    pub(crate) fn check_new_message(&self) -> Result<(), SendError> {
        if self.state != State::Open {
            return Err(SendError::NotOpen);
        }
        if self.sender.message.is_some() {
            return Err(SendError::MessageInProgress);
        }
        Ok(())
    }

    fn check_compression(&self) -> Result<(), SendError> {
        if self.may_compress() { Ok(()) } else { Err(SendError::NoExtension) }
    }

    pub(crate) const fn may_compress(&self) -> bool {
        self.receiver.config().compression
    }

    /// How the next fragment of a message begins, if one may be sent.
    fn next_fragment(&self, fragments: Fragments, last: bool) -> Result<FrameStart, SendError> {
        let may_begin = self.state == State::Open;
        // §5.5.1: "An endpoint MAY delay sending a Close frame until its current message is sent".
        // "The application MUST NOT send any more data frames after sending a Close frame."
        let may_go_on = may_begin || (self.state == State::CloseReceived && self.sender.owed_close.is_some());
        match self.sender.message {
            None if may_begin => {
                let rsv = if fragments.compressed { Rsv::RSV1 } else { Rsv::NONE };
                Ok(FrameStart { fin: last, rsv, opcode: fragments.kind.opcode() })
            }
            Some(in_progress) if may_go_on && in_progress == fragments => {
                Ok(FrameStart { fin: last, rsv: Rsv::NONE, opcode: Opcode::Continuation })
            }
            Some(_) if may_go_on => Err(SendError::MessageInProgress),
            _ => Err(SendError::NotOpen),
        }
    }

    fn write_fragment(
        &mut self,
        fragments: Fragments,
        payload: [&[u8]; 2],
        last: bool,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        let frame = self.next_fragment(fragments, last)?;
        write_frame(&mut self.masking_keys, frame, payload, out)?;
        self.sender.message = (!last).then_some(fragments);
        Ok(())
    }

    fn next_fragment_header(
        &mut self,
        fragments: Fragments,
        payload_len: u64,
        last: bool,
    ) -> Result<EncodedHeader, SendError> {
        let FrameStart { fin, rsv, opcode } = self.next_fragment(fragments, last)?;
        let header = self.header(fin, rsv, opcode, payload_len)?;
        self.sender.message = (!last).then_some(fragments);
        Ok(header)
    }

    #[inline]
    fn header(
        &mut self,
        fin: bool,
        rsv: Rsv,
        opcode: Opcode,
        payload_len: u64,
    ) -> Result<EncodedHeader, SendError> {
        if payload_len > MAX_PAYLOAD_LEN {
            return Err(SendError::TooLong);
        }
        let masking_key = next_key(&mut self.masking_keys)?;
        Ok(FrameHeader { fin, rsv, opcode, masking_key, payload_len }.encode_unchecked())
    }

    fn start_closing(&mut self, payload: &[u8], out: &mut (impl Output + ?Sized)) -> Result<(), SendError> {
        let is_answer = self.state == State::CloseReceived && self.sender.owed_close.is_some();
        if self.state != State::Open && !is_answer {
            return Err(SendError::NotOpen);
        }
        let frame = FrameStart { fin: true, rsv: Rsv::NONE, opcode: Opcode::Close };
        write_frame(&mut self.masking_keys, frame, [payload, &[]], out)?;
        self.close_written();
        Ok(())
    }

    /// Our Close is out, and no other frame follows it but, before the peer's Close, Pongs.
    fn close_written(&mut self) {
        match self.state {
            State::Open => self.state = State::CloseSent,
            State::CloseReceived => {
                self.state = State::Closed;
                self.sender.forget_debts();
            }
            State::CloseSent | State::Closed | State::Failed => self.sender.forget_debts(),
        }
    }

    fn send_control(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        if self.state != State::Open {
            return Err(SendError::NotOpen);
        }
        if payload.len() > MAX_CONTROL_LEN {
            return Err(SendError::ControlTooLong);
        }
        let frame = FrameStart { fin: true, rsv: Rsv::NONE, opcode };
        write_frame(&mut self.masking_keys, frame, [payload, &[]], out)
    }
}

impl<K> Connection<K> {
    /// Returns whether a Pong or a Close is owed.
    #[must_use]
    #[inline]
    pub const fn wants_transmit(&self) -> bool {
        self.sender.owes_anything()
    }
}

/// What the first byte of a frame states.
#[derive(Clone, Copy)]
struct FrameStart {
    fin: bool,
    rsv: Rsv,
    opcode: Opcode,
}

impl FrameStart {
    #[inline]
    fn header(self, masking_key: Option<MaskingKey>, payload_len: usize) -> EncodedHeader {
        let Self { fin, rsv, opcode } = self;
        FrameHeader { fin, rsv, opcode, masking_key, payload_len: payload_len as u64 }.encode_unchecked()
    }
}

/// Appends a frame, whole or not at all. Its payload may be in two pieces.
#[inline]
fn write_frame<K: MaskingKeys>(
    masking_keys: &mut Option<K>,
    frame: FrameStart,
    payload: [&[u8]; 2],
    out: &mut (impl Output + ?Sized),
) -> Result<(), SendError> {
    if let Some(keys) = masking_keys {
        return write_masked_frame(keys, frame, payload, out);
    }
    let [first, second] = payload;
    let payload_len = first.len() + second.len();
    out.reserve(FrameHeader::encoded_len(payload_len as u64, false) + payload_len)?;
    in_constant_lengths(&frame.header(None, payload_len), |header| out.write_reserved(header));
    out.write_reserved(first);
    if !second.is_empty() {
        out.write_reserved(second);
    }
    Ok(())
}

#[inline]
fn write_masked_frame<K: MaskingKeys>(
    masking_keys: &mut K,
    frame: FrameStart,
    payload: [&[u8]; 2],
    out: &mut (impl Output + ?Sized),
) -> Result<(), SendError> {
    let [first, second] = payload;
    let payload_len = first.len() + second.len();
    let frame_len = FrameHeader::encoded_len(payload_len as u64, true) + payload_len;
    out.reserve(frame_len)?;
    // A key is drawn only for a frame that is written.
    let key = masking_keys.next_key().ok_or(SendError::NoMaskingKey)?;
    if frame_len <= SHORT_FRAME && !SPARE_FLASH {
        if let Some(place) = out.lend_reserved(frame_len) {
            let header = frame.header(Some(key), payload_len);
            in_constant_lengths(&header, |bytes| place[..bytes.len()].copy_from_slice(bytes));
            let place = &mut place[frame_len - payload_len..];
            let (place, behind) = place.split_at_mut(first.len());
            copy_masked(copy_masked(key, first, place), second, behind);
            return Ok(());
        }
    }
    in_constant_lengths(&frame.header(Some(key), payload_len), |header| out.write_reserved(header));
    let key = out.write_masked(key, first);
    if !second.is_empty() {
        out.write_masked(key, second);
    }
    Ok(())
}

/// Gives `put` the header. A constant length saves it a call, half the cost of a short message, and
/// all but the longest headers have one of four.
#[inline(always)]
fn in_constant_lengths(header: &EncodedHeader, mut put: impl FnMut(&[u8])) {
    let bytes = header.as_bytes();
    match bytes.len() {
        2 => put(&bytes[..2]),
        4 => put(&bytes[..4]),
        6 => put(&bytes[..6]),
        8 => put(&bytes[..8]),
        _ => put(bytes),
    }
}

/// The key of the next frame, if the frames are masked.
///
/// §5.3: "The masking key is a 32-bit value chosen at random by the client", "fresh" for each
/// frame.
#[inline]
fn next_key<K: MaskingKeys>(masking_keys: &mut Option<K>) -> Result<Option<MaskingKey>, SendError> {
    match masking_keys {
        Some(keys) => keys.next_key().map(Some).ok_or(SendError::NoMaskingKey),
        None => Ok(None),
    }
}
