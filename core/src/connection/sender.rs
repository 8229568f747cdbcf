//! The sending half of a connection: the message in progress, and what is owed.

use crate::close::CloseCode;
use crate::frame::MAX_CONTROL_LEN;
use crate::message::MessageKind;

#[derive(Clone)]
pub(super) struct Sender {
    /// The fragmented message that is being sent.
    pub(super) message: Option<Fragments>,
    pub(super) owed_close: Option<OwedClose>,
    owes_pong: bool,
    pong_len: u8,
    pong: [u8; MAX_CONTROL_LEN],
}

/// What all fragments of a message have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Fragments {
    pub(super) kind: MessageKind,
    pub(super) compressed: bool,
}

/// The contents of a Close that is owed.
#[derive(Clone, Copy)]
pub(super) enum OwedClose {
    /// Code and reason of the peer's Close.
    Answer,
    /// Why the connection failed.
    Failure(CloseCode),
}

impl Sender {
    pub(super) const fn new() -> Self {
        Self { message: None, owed_close: None, owes_pong: false, pong_len: 0, pong: [0; MAX_CONTROL_LEN] }
    }

    #[inline]
    pub(super) const fn owes_anything(&self) -> bool {
        self.owes_pong || self.owed_close.is_some()
    }

    /// The payload of the Pong that is owed.
    pub(super) fn owed_pong(&self) -> Option<&[u8]> {
        self.owes_pong.then(|| &self.pong[..usize::from(self.pong_len)])
    }

    /// Owes a Pong for this Ping, and for no earlier one.
    ///
    /// §5.5.3: "If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in response
    /// to previous Ping frame(s), the endpoint MAY elect to send a Pong frame for only the most
    /// recently processed Ping frame."
    pub(super) fn owe_pong(&mut self, payload: &[u8]) {
        self.pong[..payload.len()].copy_from_slice(payload);
        self.pong_len = payload.len() as u8;
        self.owes_pong = true;
    }

    pub(super) const fn pong_paid(&mut self) {
        self.owes_pong = false;
    }

    pub(super) const fn owe_close_answer(&mut self) {
        self.owed_close = Some(OwedClose::Answer);
    }

    pub(super) const fn owe_close(&mut self, code: CloseCode) {
        self.owed_close = Some(OwedClose::Failure(code));
    }

    pub(super) const fn forget_debts(&mut self) {
        self.owes_pong = false;
        self.owed_close = None;
    }
}
