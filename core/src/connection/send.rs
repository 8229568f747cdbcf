//! Frames out: RFC 6455 §5.3, §6.1, and the debts of §5.5.

use super::{Connection, MessageKind, State};
use crate::close::{CloseCode, MAX_REASON_LEN};
use crate::error::SendError;
use crate::frame::{EncodedHeader, FrameHeader, MAX_CONTROL_LEN, Opcode, Rsv};
use crate::mask::apply_mask;
use crate::masking_keys::MaskingKeys;
use crate::output::{Output, OutputFull};

/// A client masks a long payload in blocks of this size, each while it is still in the processor's first cache.
const MASK_BLOCK: usize = 16 << 10;

impl<K: MaskingKeys> Connection<K> {
    /// Sends a text message in one frame.
    ///
    /// # Errors
    ///
    /// [`NotOpen`](SendError::NotOpen), [`MessageInProgress`](SendError::MessageInProgress), [`OutputFull`](SendError::OutputFull); nothing changed.
    #[inline]
    pub fn send_text(&mut self, text: &str, out: &mut impl Output) -> Result<(), SendError> {
        self.write_message(MessageKind::Text, text.as_bytes(), out)
    }

    /// Sends a binary message in one frame.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    #[inline]
    pub fn send_binary(&mut self, payload: &[u8], out: &mut impl Output) -> Result<(), SendError> {
        self.write_message(MessageKind::Binary, payload, out)
    }

    /// Sends a fragment of a text message: the first begins the message, `last` ends it (§5.4).
    ///
    /// Until then no other message can be sent; control frames can.
    ///
    /// # Errors
    ///
    /// [`MessageInProgress`](SendError::MessageInProgress) if a message of another kind is being sent; else as [`send_text`](Self::send_text).
    pub fn send_text_fragment(
        &mut self,
        text: &str,
        last: bool,
        out: &mut impl Output,
    ) -> Result<(), SendError> {
        self.write_fragment(
            Fragments { kind: MessageKind::Text, compressed: false },
            text.as_bytes(),
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
        out: &mut impl Output,
    ) -> Result<(), SendError> {
        self.write_fragment(Fragments { kind: MessageKind::Binary, compressed: false }, payload, last, out)
    }

    /// Sends a fragment of a message that an extension compressed: RSV1 is set on the first one (RFC 7692 §6.1).
    ///
    /// # Errors
    ///
    /// [`NoExtension`](SendError::NoExtension) without [`Config::compression`](crate::Config::compression); else as
    /// [`send_text_fragment`](Self::send_text_fragment).
    pub fn send_compressed_fragment(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        last: bool,
        out: &mut impl Output,
    ) -> Result<(), SendError> {
        if !self.receiver.compression() {
            return Err(SendError::NoExtension);
        }
        self.write_fragment(Fragments { kind, compressed: true }, payload, last, out)
    }

    /// The header of a whole message whose payload the caller writes itself, right behind it: a vectored write without a copy.
    ///
    /// Header and payload must reach the peer with nothing between them, no Ping, no Close, nothing owed; that is the caller's duty from
    /// here on, which the connection cannot see. A client has to mask
    /// the payload with [`EncodedHeader::masking_key`]; a server's has none. A text payload has to be UTF-8.
    ///
    /// # Errors
    ///
    /// [`NotOpen`](SendError::NotOpen), [`MessageInProgress`](SendError::MessageInProgress), [`TooLong`](SendError::TooLong) for a length beyond 2⁶³ − 1.
    pub fn frame_header(&mut self, kind: MessageKind, payload_len: u64) -> Result<EncodedHeader, SendError> {
        self.check_new_message()?;
        let masking_key = match &mut self.masking_keys {
            Some(keys) => Some(keys.next_key().ok_or(SendError::NoMaskingKey)?),
            None => None,
        };
        FrameHeader { fin: true, rsv: Rsv::NONE, opcode: kind.opcode(), masking_key, payload_len }
            .encode()
            .map_err(|_| SendError::TooLong)
    }

    /// Sends a Ping with up to 125 bytes of payload (§5.5.2). The peer's Pong comes back with the same payload.
    ///
    /// # Errors
    ///
    /// [`ControlTooLong`](SendError::ControlTooLong), [`NotOpen`](SendError::NotOpen), [`OutputFull`](SendError::OutputFull); nothing changed.
    pub fn send_ping(&mut self, payload: &[u8], out: &mut impl Output) -> Result<(), SendError> {
        self.send_control(Opcode::Ping, payload, out)
    }

    /// Sends a Pong that nobody asked for: "a unidirectional heartbeat" (§5.5.3). Pings are answered without it.
    ///
    /// # Errors
    ///
    /// As [`send_ping`](Self::send_ping).
    pub fn send_pong(&mut self, payload: &[u8], out: &mut impl Output) -> Result<(), SendError> {
        self.send_control(Opcode::Pong, payload, out)
    }

    /// Starts the closing handshake (§7.1.2). Messages of the peer may still arrive until its own Close does.
    ///
    /// `reason` is for a log: at most [`MAX_REASON_LEN`] bytes. A fragmented message that is being sent is left unfinished.
    ///
    /// # Errors
    ///
    /// [`InvalidCloseCode`](SendError::InvalidCloseCode), [`ReasonTooLong`](SendError::ReasonTooLong), [`NotOpen`](SendError::NotOpen) if a Close was sent or
    /// received already, [`OutputFull`](SendError::OutputFull); nothing changed.
    pub fn close(&mut self, code: CloseCode, reason: &str, out: &mut impl Output) -> Result<(), SendError> {
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

    /// Starts the closing handshake with a Close frame that says nothing; the peer sees 1005.
    ///
    /// # Errors
    ///
    /// [`NotOpen`](SendError::NotOpen), [`OutputFull`](SendError::OutputFull); nothing changed.
    pub fn close_without_status(&mut self, out: &mut impl Output) -> Result<(), SendError> {
        self.start_closing(&[], out)
    }

    /// Whether a Pong or a Close is owed.
    #[inline]
    pub fn wants_transmit(&self) -> bool {
        self.sender.owes_pong || self.sender.owes_close
    }

    /// Appends what is owed to the peer: the Pong for the last Ping, and the Close that answers the peer's or tells of a failure.
    ///
    /// An output has to have room for [`MAX_CONTROL_FRAME_LEN`](crate::MAX_CONTROL_FRAME_LEN) bytes some time.
    ///
    /// # Errors
    ///
    /// [`OutputFull`] if there is no room: what did not fit is still owed. (A Pong that does not fit before a Close is dropped.)
    #[inline]
    pub fn poll_transmit(&mut self, out: &mut impl Output) -> Result<(), OutputFull> {
        if self.wants_transmit() { self.pay_debts(out) } else { Ok(()) }
    }

    fn pay_debts(&mut self, out: &mut impl Output) -> Result<(), OutputFull> {
        if self.sender.owes_pong {
            // §5.5.3: a Pong "must have identical 'Application data' as found in the message body of the Ping frame".
            let pong = self.sender.pong;
            let pong = pong.get(..usize::from(self.sender.pong_len)).unwrap_or_default();
            let written = self.write_control(Opcode::Pong, pong, out);
            // A Pong that does not fit must not keep a Close from going out: it gives way. No Ping can follow.
            if !self.sender.owes_close {
                written?;
            }
            self.sender.owes_pong = false;
        }
        if self.sender.owes_close {
            let code = self.sender.close_code.map(|code| code.get().to_be_bytes());
            self.write_control(Opcode::Close, code.as_ref().map_or(&[], |code| code), out)?;
            self.sender.owes_close = false;
            if self.state == State::CloseReceived {
                self.state = State::Closed;
            }
        }
        Ok(())
    }

    /// A whole message in one frame. The payload of a text has to be UTF-8.
    #[inline]
    pub(crate) fn write_message(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        out: &mut impl Output,
    ) -> Result<(), SendError> {
        self.check_new_message()?;
        self.write_frame(true, Rsv::NONE, kind.opcode(), payload, out)
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

    fn write_fragment(
        &mut self,
        fragments: Fragments,
        payload: &[u8],
        last: bool,
        out: &mut impl Output,
    ) -> Result<(), SendError> {
        // §5.5.1: "The application MUST NOT send any more data frames after sending a Close frame."
        if self.state != State::Open {
            return Err(SendError::NotOpen);
        }
        let (opcode, rsv) = match self.sender.message {
            None => (fragments.kind.opcode(), if fragments.compressed { Rsv::RSV1 } else { Rsv::NONE }),
            Some(in_progress) if in_progress == fragments => (Opcode::Continuation, Rsv::NONE),
            Some(_) => return Err(SendError::MessageInProgress),
        };
        self.write_frame(last, rsv, opcode, payload, out)?;
        self.sender.message = if last { None } else { Some(fragments) };
        Ok(())
    }

    fn start_closing(&mut self, payload: &[u8], out: &mut impl Output) -> Result<(), SendError> {
        self.send_control(Opcode::Close, payload, out)?;
        self.state = State::CloseSent;
        Ok(())
    }

    fn send_control(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        out: &mut impl Output,
    ) -> Result<(), SendError> {
        if self.state != State::Open {
            return Err(SendError::NotOpen);
        }
        if payload.len() > MAX_CONTROL_LEN {
            return Err(SendError::ControlTooLong);
        }
        Ok(self.write_control(opcode, payload, out)?)
    }

    fn write_control(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        out: &mut impl Output,
    ) -> Result<(), OutputFull> {
        self.write_frame(true, Rsv::NONE, opcode, payload, out).map_err(|_| OutputFull)
    }

    /// Appends a frame, whole or not at all.
    #[inline]
    fn write_frame(
        &mut self,
        fin: bool,
        rsv: Rsv,
        opcode: Opcode,
        payload: &[u8],
        out: &mut impl Output,
    ) -> Result<(), SendError> {
        // §5.3: "The masking key is a 32-bit value chosen at random by the client", "fresh" for each frame.
        let masking_key = match &mut self.masking_keys {
            Some(keys) => Some(keys.next_key().ok_or(SendError::NoMaskingKey)?),
            None => None,
        };
        let header = FrameHeader { fin, rsv, opcode, masking_key, payload_len: payload.len() as u64 }
            .encode_unchecked();
        let header = header.as_bytes();
        out.reserve(header.len() + payload.len())?;
        out.write_reserved(header);
        match masking_key {
            None => {
                out.write_reserved(payload);
            }
            Some(key) => {
                // A block's length is a multiple of the key's, so each block begins with its first octet.
                for block in payload.chunks(MASK_BLOCK) {
                    apply_mask(key, out.write_reserved(block));
                }
            }
        }
        Ok(())
    }
}

/// The sending half: the message in progress, and what is owed.
pub(super) struct Sender {
    /// The fragmented message that is being sent.
    message: Option<Fragments>,
    owes_pong: bool,
    owes_close: bool,
    /// Of the Close that is owed.
    close_code: Option<CloseCode>,
    pong_len: u8,
    pong: [u8; MAX_CONTROL_LEN],
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Fragments {
    kind: MessageKind,
    compressed: bool,
}

impl Default for Sender {
    fn default() -> Self {
        Self {
            message: None,
            owes_pong: false,
            owes_close: false,
            close_code: None,
            pong_len: 0,
            pong: [0; MAX_CONTROL_LEN],
        }
    }
}

impl Sender {
    /// Owes a Pong for this Ping, and for no earlier one.
    ///
    /// §5.5.3: "If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in response to previous Ping frame(s), the
    /// endpoint MAY elect to send a Pong frame for only the most recently processed Ping frame."
    pub(super) fn owe_pong(&mut self, payload: &[u8]) {
        if let Some(place) = self.pong.get_mut(..payload.len()) {
            place.copy_from_slice(payload);
            self.pong_len = payload.len() as u8;
            self.owes_pong = true;
        }
    }

    pub(super) fn owe_close(&mut self, code: Option<CloseCode>) {
        self.close_code = code;
        self.owes_close = true;
    }

    pub(super) fn forget_debts(&mut self) {
        self.owes_pong = false;
        self.owes_close = false;
    }
}
