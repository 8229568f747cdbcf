//! Bytes in, events out: RFC 6455 §5.4 to §5.5, §6.2, §7.1.

use super::receiver::Step;
use super::{BinaryChunk, Connection, Event, Incoming, State, TextChunk};
use crate::error::ProtocolError;
use crate::message::MessageKind;
use crate::utf8::{self, Carried};

impl<K> Connection<K> {
    /// Takes bytes that came from the peer and returns what the next of them mean.
    ///
    /// `input` is advanced past the bytes that were understood. Call `receive` until it returns
    /// `None`: then `input` is used up, whatever its size was, and the buffer is yours again. What a
    /// cut leaves over (part of a header, of a code point, of a control frame) stays in the
    /// connection.
    ///
    /// Payloads are unmasked in place and lent as chunks of the same buffer. Fragments of up to 125
    /// bytes that are whole in `input` are moved up to the chunk before them and returned with it
    /// (§5.4: where a message is cut has no meaning). So the rest of
    /// `input` may begin further on than where the chunk ends; and if one of the fragments is not
    /// UTF-8, the connection fails without a chunk.
    ///
    /// Keep `input` in a variable: `receive(&mut &mut buffer[..n])` in a loop would receive the
    /// same bytes again in each turn.
    ///
    /// You may stop early and call it again later with what `input` still holds: that is
    /// back-pressure. The bytes behind are untouched; those before are unspecified, but for the
    /// chunk. A buffer that can be split without a copy, such as `BytesMut`, yields payloads without
    /// a copy: see the
    /// [guide](crate::guide#stopping-and-resuming-receive).
    ///
    /// After a Close or a failure the rest of the input is discarded
    /// ([§7.1.7](https://datatracker.ietf.org/doc/html/rfc6455#section-7.1.7)) and there are no
    /// more events.
    ///
    /// An empty input changes nothing; the end of the transport is
    /// [`receive_eof`](Self::receive_eof).
    #[must_use = "an event is reported once"]
    // Left to itself, the compiler inlines it where it is called once, not where it is called
    // twice: 5.5 ns or 9 ns for a message of 16 bytes.
    #[inline(always)]
    pub fn receive<'c, 'b>(&'c mut self, input: &mut &'b mut [u8]) -> Option<Event<'c, 'b>> {
        if let Some((kind, payload)) = self.receiver.short_message(input, self.masking_keys.is_none()) {
            return self.whole(kind, payload, input);
        }
        self.receive_any(input)
    }

    #[inline]
    fn whole<'b>(
        &mut self,
        kind: MessageKind,
        payload: &'b mut [u8],
        input: &mut &'b mut [u8],
    ) -> Option<Event<'static, 'b>> {
        let (first, last, remaining) = (true, true, 0);
        match kind {
            MessageKind::Binary => Some(Event::Binary(BinaryChunk { payload, first, last, remaining })),
            MessageKind::Text => match utf8::validate(payload) {
                Ok(text) => {
                    let carried = Carried::NONE;
                    Some(Event::Text(TextChunk { carried, text, first, last, remaining }))
                }
                Err(_) => self.failed(ProtocolError::InvalidUtf8, input),
            },
        }
    }

    #[cold]
    fn failed(&mut self, error: ProtocolError, input: &mut &mut [u8]) -> Option<Event<'static, 'static>> {
        *input = &mut [];
        self.fail(error)
    }

    // Inlined, it would keep the short path from being so.
    #[inline(never)]
    pub(crate) fn receive_any<'c, 'b>(&'c mut self, input: &mut &'b mut [u8]) -> Option<Event<'c, 'b>> {
        if let Some((kind, payload)) = self.receiver.longer_message(input, self.masking_keys.is_none()) {
            return self.whole(kind, payload, input);
        }
        // The step borrows nothing of the connection, so that the loop in it may; control events
        // get their borrow here.
        let step = match self.receiver.step(input, self.masking_keys.is_none()) {
            Ok(step) => step?,
            Err(error) => return self.failed(error, input),
        };
        Some(match step {
            Step::Text(chunk) => Event::Text(chunk),
            Step::Binary(chunk) => Event::Binary(chunk),
            Step::Compressed(chunk) => Event::Compressed(chunk),
            Step::Ping => {
                // §5.5.2: "an endpoint MUST send a Pong frame in response, unless it already
                // received a Close frame".
                let payload = self.receiver.control_payload();
                self.sender.owe_pong(payload);
                Event::Ping(payload)
            }
            Step::Pong => Event::Pong(self.receiver.control_payload()),
            Step::Close => {
                *input = &mut [];
                // §5.5.1: "If an endpoint receives a Close frame and did not previously send a
                // Close frame, the endpoint MUST send a Close frame in response."
                if self.state == State::Open {
                    self.sender.owe_close_answer();
                    self.state = State::CloseReceived;
                } else {
                    // §5.5.1: with both Close frames through "the server MUST close the underlying
                    // TCP connection immediately": no Pong that did not fit before keeps it open.
                    self.sender.forget_debts();
                    self.state = State::Closed;
                }
                Event::Close(self.receiver.close_received().flatten())
            }
        })
    }

    /// Takes the last bytes of a text message for a caller that validates all of it.
    pub(crate) fn receive_end_of_text(&mut self, payload: &mut [u8]) {
        self.receiver.end_of_text(payload);
    }

    /// Returns the data frame whose payload is arriving, and how much of it is still to come;
    /// `None` between frames and within a control frame.
    ///
    /// With it the rest of a long frame can be read from the transport straight into the memory
    /// where the message is collected: read at most [`Incoming::remaining`] bytes there, and give
    /// exactly these to [`receive`](Self::receive). It unmasks and validates them where they are
    /// and returns them as one chunk. The limits of [`Config`](crate::Config) were checked when the
    /// header arrived, so you need not check them before you make room.
    /// [`Assembler::space`](crate::Assembler::space) does the rest.
    #[must_use]
    #[inline]
    pub fn incoming(&self) -> Option<Incoming> {
        self.receiver.incoming()
    }

    /// The octets of a code point that were received and are in no chunk yet.
    #[inline]
    pub(crate) fn partial_code_point(&self) -> &[u8] {
        self.receiver.partial_code_point()
    }

    /// Reports the end of the transport: no more bytes will come.
    ///
    /// An open connection is closed now, and not cleanly. If the peer's Close came before, the
    /// answer to it is still owed: the peer may have shut down only its sending half.
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
}
