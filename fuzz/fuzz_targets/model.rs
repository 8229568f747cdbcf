//! What a connection has to do in a `session`: its state, its debts, the message that it sends, and the keys that it draws.

use sansws::{
    Config, MAX_CONTROL_LEN, MAX_REASON_LEN, MaskingKey, MaskingKeys, MessageKind, ProtocolError, Role,
    SendError, State,
};

use crate::keys::Keys;
use crate::operation::{Means, Operation};
use crate::reference::Seen;

pub struct Model {
    config: Config,
    /// The same source as that of the connection, if it masks.
    keys: Option<Keys>,
    /// What was drawn from it and not compared yet.
    pub drawn: Vec<MaskingKey>,
    /// How often it refused a frame that there was room for.
    pub refused: u32,
    pub state: State,
    pub failure: Option<ProtocolError>,
    pub eof: bool,
    pub pong: Option<Vec<u8>>,
    pub close: Option<Option<(u16, String)>>,
    /// The message that is being sent.
    pub sending: Option<(MessageKind, bool, Vec<u8>)>,
}

/// What may move a connection from one state to another.
enum Cause {
    CloseSent,
    Failing,
    CloseArrived,
    Eof,
}

/// Every change of state that there is.
fn next_state(state: State, cause: Cause) -> State {
    match (state, cause) {
        (State::Open, Cause::CloseSent) => State::CloseSent,
        (State::CloseReceived, Cause::CloseSent) => State::Closed,
        (State::Open | State::CloseSent, Cause::Failing) => State::Failed,
        (State::Open, Cause::CloseArrived) => State::CloseReceived,
        (State::CloseSent, Cause::CloseArrived) => State::Closed,
        (State::Open | State::CloseSent, Cause::Eof) => State::Closed,
        (state, _) => state,
    }
}

/// Opcode, FIN, payload.
pub type Frame = (u8, bool, Vec<u8>);

impl Model {
    pub fn new(config: Config, keys: Option<Keys>) -> Self {
        Self {
            config,
            keys,
            drawn: Vec::new(),
            refused: 0,
            state: State::Open,
            failure: None,
            eof: false,
            pong: None,
            close: None,
            sending: None,
        }
    }

    pub fn role(&self) -> Role {
        if self.keys.is_some() { Role::Client } else { Role::Server }
    }

    pub fn owes_anything(&self) -> bool {
        self.pong.is_some() || self.close.is_some()
    }

    /// Whether nothing but what was received speaks against being idle.
    pub fn may_be_idle(&self) -> bool {
        self.state == State::Open && self.sending.is_none() && !self.owes_anything()
    }

    /// The transport ended.
    pub fn end(&mut self) {
        self.eof = true;
        if matches!(self.state, State::Open | State::CloseSent) {
            (self.pong, self.close) = (None, None);
        }
        self.go(Cause::Eof);
    }

    /// By the bytes that arrived, or from above. Whether that was reported: there is one last event.
    pub fn fail(&mut self, error: ProtocolError) -> bool {
        if !matches!(self.state, State::Open | State::CloseSent) {
            return false;
        }
        if self.state == State::Open {
            self.close = Some(Some((code_of(error), String::new())));
        }
        self.failure = Some(error);
        self.forget_pong();
        self.go(Cause::Failing);
        true
    }

    pub fn saw(&mut self, seen: &Seen) {
        match seen {
            Seen::Ping(payload) => self.pong = Some(payload.clone()),
            Seen::Close(close) => {
                // §5.5.1: the answer has the code that was received, and the reason.
                if self.state == State::Open {
                    self.close = Some(close.clone());
                }
                self.forget_pong();
                self.go(Cause::CloseArrived);
            }
            Seen::Failed(error) => assert!(self.fail(*error), "{error} after the end"),
            _ => {}
        }
    }

    /// The debts, as far as there is room and the source has keys: at most one Pong and one Close.
    pub fn transmit(&mut self, mut room: usize) -> (Result<(), SendError>, Vec<Frame>, Vec<Seen>) {
        let (mut result, mut frames, mut sent) = (Ok(()), Vec::new(), Vec::new());
        if let Some(pong) = self.pong.take() {
            match self.write(pong.len(), room) {
                Ok(()) => {
                    room -= self.frame_len(pong.len());
                    sent.push(Seen::Pong(pong.clone()));
                    frames.push((10, true, pong));
                }
                // It gives way to a Close.
                Err(_) if self.close.is_some() => {}
                Err(error) => {
                    self.pong = Some(pong);
                    result = Err(error);
                }
            }
        }
        if let Some(close) = self.close.take() {
            let payload = close
                .as_ref()
                .map_or(vec![], |(code, reason)| [&code.to_be_bytes()[..], reason.as_bytes()].concat());
            match self.write(payload.len(), room) {
                Ok(()) => {
                    frames.push((8, true, payload));
                    sent.push(Seen::Close(close));
                    // After a failure it stays one.
                    if self.state == State::CloseReceived {
                        self.go(Cause::CloseSent);
                    }
                }
                Err(error) => {
                    self.close = Some(close);
                    result = Err(error);
                }
            }
        }
        (result, frames, sent)
    }

    /// Whether it may be sent here and now. If so, its key is drawn.
    pub fn result_of(&mut self, operation: &Operation, room: usize) -> Result<(), SendError> {
        let is_open = self.state == State::Open;
        let open = if is_open { Ok(()) } else { Err(SendError::NotOpen) };
        let ensure = |condition, error| if condition { Ok(()) } else { Err(error) };
        let answers = self.state == State::CloseReceived && self.close.is_some();
        let len = match operation {
            Operation::Message(means, _, payload) => {
                open?;
                ensure(self.sending.is_none(), SendError::MessageInProgress)?;
                ensure(*means != Means::HeaderTooLong, SendError::TooLong)?;
                payload.len()
            }
            Operation::Fragment { means, kind, compressed, payload, .. } => {
                ensure(!compressed || self.config.compression, SendError::NoExtension)?;
                // §5.5.1: the current message may be ended before the answer to a Close.
                let in_progress = self.sending.as_ref().map(|(kind, compressed, _)| (*kind, *compressed));
                ensure(is_open || (answers && in_progress.is_some()), SendError::NotOpen)?;
                let fits = in_progress.is_none_or(|message| message == (*kind, *compressed));
                ensure(fits, SendError::MessageInProgress)?;
                ensure(*means != Means::HeaderTooLong, SendError::TooLong)?;
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
                ensure(is_open || answers, SendError::NotOpen)?;
                2 + reason.len()
            }
            _ => {
                ensure(is_open || answers, SendError::NotOpen)?;
                0
            }
        };
        self.write(len, room)
    }

    /// It was sent. What the other end has to see of it.
    pub fn sent(&mut self, operation: Operation) -> Option<Seen> {
        match operation {
            Operation::Message(_, kind, payload) => Some(whole(kind, false, payload)),
            Operation::Fragment { kind, compressed, last, payload, .. } => {
                let (.., message) = self.sending.get_or_insert((kind, compressed, Vec::new()));
                message.extend(payload);
                let message = if last { self.sending.take() } else { None };
                message.map(|(kind, compressed, payload)| whole(kind, compressed, payload))
            }
            Operation::Ping(payload) => Some(Seen::Ping(payload)),
            Operation::Pong(payload) => Some(Seen::Pong(payload)),
            Operation::Close(code, reason) => {
                self.close_sent();
                Some(Seen::Close(Some((code, String::from_utf8(reason).expect("made so")))))
            }
            _ => {
                self.close_sent();
                Some(Seen::Close(None))
            }
        }
    }

    /// The Close of the application's choice. As an answer it ends all debts.
    fn close_sent(&mut self) {
        if self.state == State::CloseReceived {
            (self.pong, self.close) = (None, None);
        }
        self.go(Cause::CloseSent);
    }

    pub fn frame_len(&self, payload_len: usize) -> usize {
        let header_len = match payload_len {
            0..126 => 2,
            126..65_536 => 4,
            _ => 10,
        };
        header_len + payload_len + if self.keys.is_some() { 4 } else { 0 }
    }

    /// A frame that is due. §5.3: it has a key of its own; none is drawn for one that there is no room for.
    fn write(&mut self, payload_len: usize, room: usize) -> Result<(), SendError> {
        if self.frame_len(payload_len) > room {
            return Err(SendError::OutputFull);
        }
        let Some(keys) = &mut self.keys else { return Ok(()) };
        match keys.next_key() {
            Some(key) => {
                self.drawn.push(key);
                Ok(())
            }
            None => {
                self.refused += 1;
                Err(SendError::NoMaskingKey)
            }
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
        ProtocolError::InvalidUtf8 | ProtocolError::InvalidCloseReason | ProtocolError::InvalidDeflate => {
            1007
        }
        ProtocolError::FrameTooBig | ProtocolError::MessageTooBig => 1009,
        ProtocolError::TooManyFragments => 1008,
        ProtocolError::CompressionUnsupported | ProtocolError::OutOfMemory => 1011,
        ProtocolError::Application(code) if may_be_sent(code.get()) => code.get(),
        ProtocolError::Application(_) => 1011,
        _ => 1002,
    }
}

fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
