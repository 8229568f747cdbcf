//! One end of a `session`: a connection, perhaps a clone of it that does the same, and the model that both are compared with.

use std::mem;

use sansws::{
    Assembler, BinaryChunk, Config, Connection, Event, MessageKind, Output, ProtocolError, Role, SendError,
    State, TextChunk,
};

use crate::keys::Keys;
use crate::model::{Frame, Model};
use crate::operation::{Means, Operation};
use crate::outputs::{Kind, Sink};
use crate::reference::{self, Seen, Written};

/// Up to here the reference reads all that arrived after each step. It begins anew each time: of more it would be slow.
const COMPARED_EACH_STEP: usize = 4096;

pub struct End {
    pub connection: Connection<Keys>,
    /// A clone, to which everything happens too.
    twin: Option<Connection<Keys>>,
    model: Model,
    config: Config,
    messages: Assembler,
    compressed: Vec<u8>,
    /// Room in the output for what is sent from now on, and its kind.
    pub room: usize,
    output: (Kind, bool),
    /// Whether chunks are sent back.
    pub echo: bool,
    /// On its way to the other end.
    pub wire: Vec<u8>,
    written: Written,
    written_len: usize,
    /// What was sent: what the other end has to see.
    pub sent: Vec<Seen>,
    /// All that was received.
    arrived: Vec<u8>,
    /// How much of it the reference has read, and the last place in it that was between two messages.
    compared: usize,
    idle_at: usize,
    pub seen: Vec<Seen>,
    in_progress: bool,
    /// Nothing is received any more: `fail` was called, or the transport ended.
    deaf: bool,
}

impl End {
    /// A client, if there are keys.
    pub fn new(config: Config, keys: Option<Keys>) -> Self {
        Self {
            connection: Connection::with_masking_keys(&config, keys.clone()),
            twin: None,
            model: Model::new(config, keys),
            config,
            messages: Assembler::new(),
            compressed: Vec::new(),
            room: usize::MAX,
            output: (Kind::Vec, false),
            echo: false,
            wire: Vec::new(),
            written: Written::default(),
            written_len: 0,
            sent: Vec::new(),
            arrived: Vec::new(),
            compared: 0,
            idle_at: 0,
            seen: Vec::new(),
            in_progress: false,
            deaf: false,
        }
    }

    /// The connection says what the model says.
    pub fn check(&mut self) {
        let arrived = self.arrived.len();
        if arrived > self.compared && (arrived <= COMPARED_EACH_STEP || arrived / 2 >= self.compared) {
            self.assert_like_reference();
            self.compared = arrived;
        }
        if arrived - self.idle_at <= COMPARED_EACH_STEP {
            assert_eq!(self.connection.is_idle(), self.is_idle());
        }
        let (connection, model) = (&self.connection, &self.model);
        assert_eq!(connection.role(), model.role());
        assert_eq!(connection.state(), model.state);
        assert_eq!(connection.can_send(), model.state == State::Open);
        assert_eq!(connection.is_closing(), model.state != State::Open);
        assert_eq!(connection.wants_transmit(), model.owes_anything());
        assert_eq!(connection.failure(), model.failure);
        let close = self.seen.iter().find_map(|seen| match seen {
            Seen::Close(close) => Some(close),
            _ => None,
        });
        // §7.1.5 and §7.1.6.
        let (code, reason) = match close {
            None => (1006, ""),
            Some(None) => (1005, ""),
            Some(Some((code, reason))) => (*code, &**reason),
        };
        assert_eq!((connection.close_code().get(), connection.close_reason()), (code, reason));
        assert_eq!(connection.was_clean(), model.state == State::Closed && close.is_some());
        let is_over = match model.state {
            State::Open | State::CloseSent | State::CloseReceived => false,
            State::Closed => model.eof || connection.role() == Role::Server,
            State::Failed => true,
        };
        assert_eq!(connection.should_close_transport(), is_over && !connection.wants_transmit());
        // A `Vec` that grows doubles, and has room for eight bytes at least.
        let most = self.config.max_message_len.min(self.arrived.len() as u64) as usize;
        assert!(self.messages.capacity() <= (2 * most).max(8), "{} bytes", self.messages.capacity());
        if let Some(twin) = &self.twin {
            assert_eq!((twin.state(), twin.failure()), (connection.state(), connection.failure()));
            assert_eq!(twin.incoming(), connection.incoming());
            assert_eq!(twin.is_idle(), connection.is_idle());
        }
    }

    pub fn assert_like_reference(&self) {
        let reference = reference::receive(&self.arrived, self.connection.role(), &self.config);
        assert_eq!(self.seen, reference.seen);
    }

    /// Between two messages in both directions, with nothing left over and nothing owed.
    fn is_idle(&mut self) -> bool {
        if self.model.state != State::Open {
            return false;
        }
        let bytes = &self.arrived[self.idle_at..];
        let reference = reference::receive(bytes, self.connection.role(), &self.config);
        if !reference.is_between_messages(bytes.len()) {
            return false;
        }
        self.idle_at = self.arrived.len();
        self.model.may_be_idle()
    }

    /// To the small form and back, if the connection is idle, and only then.
    pub fn park(&mut self) {
        let is_idle = self.is_idle();
        let park = |connection: Connection<Keys>| match connection.park() {
            Ok(parked) => {
                assert!(is_idle, "parked, and not idle");
                let connection = parked.clone().unpark();
                assert_eq!(parked.role(), connection.role());
                connection
            }
            Err(connection) => {
                assert!(!is_idle, "idle, and not parked");
                connection
            }
        };
        let placeholder = Connection::with_masking_keys(&self.config, None);
        self.connection = park(mem::replace(&mut self.connection, placeholder));
        self.twin = self.twin.take().map(park);
    }

    /// From now on a clone does the same; one that does already takes the place of the first.
    pub fn clone_connection(&mut self) {
        match self.twin.take() {
            Some(twin) => self.connection = twin,
            None => self.twin = Some(self.connection.clone()),
        }
    }

    pub fn change_output(&mut self, kind: Kind, is_dyn: bool) {
        self.output = (kind, is_dyn);
    }

    pub fn receive_eof(&mut self) {
        self.connection.receive_eof();
        if let Some(twin) = &mut self.twin {
            twin.receive_eof();
        }
        self.deaf = true;
        self.model.end();
    }

    pub fn fail(&mut self, error: ProtocolError) {
        let expected = self.model.fail(error).then_some(Event::Failed(error));
        assert_eq!(self.connection.fail(error), expected);
        if let Some(twin) = &mut self.twin {
            assert_eq!(twin.fail(error), expected);
        }
        self.deaf = true;
    }

    pub fn receive(&mut self, mut bytes: Vec<u8>) {
        if !self.deaf {
            self.arrived.extend_from_slice(&bytes);
        }
        let mut bytes_of_twin = bytes.clone();
        let (mut input, mut input_of_twin) = (&mut bytes[..], &mut bytes_of_twin[..]);
        loop {
            let event = self.connection.receive(&mut input);
            if let Some(twin) = &mut self.twin {
                assert_eq!(twin.receive(&mut input_of_twin), event, "the clone");
                assert_eq!(input_of_twin, input, "the clone");
            }
            let Some(event) = event else { break };
            assert!(!self.deaf, "{event:?} after the end");
            assert!(!self.seen.last().is_some_and(Seen::is_last), "{event:?} after {:?}", self.seen.last());
            let seen = match event {
                Event::Text(chunk) => self.text(chunk),
                Event::Binary(chunk) => self.binary(chunk),
                Event::Compressed(chunk) => {
                    self.order(chunk.first, chunk.last);
                    self.compressed.extend_from_slice(chunk.payload);
                    chunk.last.then(|| Seen::Compressed(chunk.kind, mem::take(&mut self.compressed)))
                }
                Event::Ping(payload) => Some(Seen::Ping(payload.to_vec())),
                Event::Pong(payload) => Some(Seen::Pong(payload.to_vec())),
                Event::Close(close) => {
                    Some(Seen::Close(close.map(|close| (close.code.get(), close.reason.to_owned()))))
                }
                Event::Failed(error) => Some(Seen::Failed(error)),
                other => panic!("what is {other:?}?"),
            };
            if let Some(seen) = &seen {
                self.model.saw(seen);
            }
            self.seen.extend(seen);
        }
        assert!(input.is_empty(), "None means that the input is used up");
    }

    fn text(&mut self, chunk: TextChunk<'_>) -> Option<Seen> {
        self.order(chunk.first, chunk.last);
        if self.echo {
            let payload = chunk.parts().concat().into_bytes();
            let operation = echo(MessageKind::Text, chunk.last, payload);
            self.send_by(operation, |connection, _, mut out, is_dyn| match is_dyn {
                true => connection.send_text_chunk(&chunk, &mut (out as &mut dyn Output)),
                false => connection.send_text_chunk(&chunk, &mut out),
            });
        }
        self.messages.text(chunk).expect("there is memory").map(Seen::from)
    }

    fn binary(&mut self, chunk: BinaryChunk<'_>) -> Option<Seen> {
        self.order(chunk.first, chunk.last);
        if self.echo {
            let operation = echo(MessageKind::Binary, chunk.last, chunk.payload.to_vec());
            self.send_by(operation, |connection, _, out, _| connection.send_binary_chunk(&chunk, out));
        }
        self.messages.binary(chunk).expect("there is memory").map(Seen::from)
    }

    fn order(&mut self, first: bool, last: bool) {
        assert_eq!(first, !self.in_progress, "the first chunk, and only that, begins a message");
        self.in_progress = !last;
    }

    /// The debts, as far as there is room.
    pub fn transmit(&mut self) {
        let (expected, frames, sent) = self.model.transmit(self.room);
        let (result, written) = self.write(|connection, out, is_dyn| match is_dyn {
            true => connection.poll_transmit(out as &mut dyn Output),
            false => connection.poll_transmit(out),
        });
        assert_eq!(result, expected);
        assert_eq!(written, frames);
        self.sent.extend(sent);
    }

    pub fn send(&mut self, operation: Operation) {
        self.send_by(operation, |connection, operation, out, is_dyn| match is_dyn {
            true => operation.send(connection, &mut (out as &mut dyn Output)),
            false => operation.send(connection, out),
        });
    }

    fn send_by(
        &mut self,
        operation: Operation,
        send: impl Fn(&mut Connection<Keys>, &Operation, &mut Sink, bool) -> Result<(), SendError>,
    ) {
        if operation.is_written_by_hand() && !self.has_room_for(&operation) {
            return;
        }
        let expected = self.model.result_of(&operation, self.room);
        if operation.is_written_by_hand() && expected == Err(SendError::NoMaskingKey) {
            // The key was drawn before there was an output.
            self.model.refused -= 1;
        }
        let (result, frames) =
            self.write(|connection, out, is_dyn| send(connection, &operation, out, is_dyn));
        assert_eq!(result, expected, "{operation:?}");
        if result.is_err() {
            assert_eq!(frames, [], "an error writes nothing");
            return;
        }
        let payload = match &operation {
            Operation::Message(_, _, payload)
            | Operation::Fragment { payload, .. }
            | Operation::Ping(payload)
            | Operation::Pong(payload) => payload.clone(),
            Operation::Close(code, reason) => [&code.to_be_bytes()[..], reason].concat(),
            _ => Vec::new(),
        };
        let [(_, _, written)] = &frames[..] else { panic!("not one frame: {frames:?}") };
        assert_eq!(*written, payload);
        self.sent.extend(self.model.sent(operation));
    }

    fn has_room_for(&self, operation: &Operation) -> bool {
        match operation {
            Operation::Message(_, _, payload) | Operation::Fragment { payload, .. } => {
                self.model.frame_len(payload.len()) <= self.room
            }
            _ => true,
        }
    }

    /// Writes to an output, and what was written on the wire. Checks the frames, their keys, and that the clone writes the same.
    fn write(
        &mut self,
        write: impl Fn(&mut Connection<Keys>, &mut Sink, bool) -> Result<(), SendError>,
    ) -> (Result<(), SendError>, Vec<Frame>) {
        let (kind, is_dyn) = self.output;
        let sink = || Sink::new(kind, self.room, self.written_len);
        let mut out = sink();
        let result = write(&mut self.connection, &mut out, is_dyn);
        let (bytes, abandoned) = out.finish();
        assert_eq!(abandoned, mem::take(&mut self.model.refused), "room was reserved for nothing");
        if let Some(twin) = &mut self.twin {
            let mut out = sink();
            assert_eq!(write(twin, &mut out, is_dyn), result, "the clone");
            assert_eq!(out.finish(), (bytes.clone(), abandoned), "the clone");
        }
        let frames = self.written.frames(&bytes, self.connection.role(), self.config.compression);
        assert_eq!(mem::take(&mut self.written.keys), mem::take(&mut self.model.drawn), "§5.3: the keys");
        self.written_len += bytes.len();
        self.wire.extend(bytes);
        (result, frames)
    }
}

fn echo(kind: MessageKind, last: bool, payload: Vec<u8>) -> Operation {
    Operation::Fragment { means: Means::Direct, kind, compressed: false, last, payload }
}
