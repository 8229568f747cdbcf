//! The ways to receive messages that do without chunks, for `receive`.

use sansws::{Assembler, Connection, OwnedMessage, ProtocolError, SliceAssembler, State};

use crate::reference::Seen;

/// What is left of a connection that was read in one of the ways.
#[derive(Debug, PartialEq)]
pub struct Messages {
    pub messages: Vec<Seen>,
    pub failure: Option<ProtocolError>,
    pub state: State,
    pub close_code: u16,
}

pub trait Way {
    fn receive(&mut self, connection: &mut Connection, input: &mut &mut [u8]) -> Option<Seen>;
    fn space(&mut self, connection: &Connection) -> Option<&mut [u8]>;
    fn filled(&mut self, connection: &mut Connection, len: usize) -> Option<Seen>;
    /// After each read. So many bytes of the stream were used up.
    fn check(&mut self, at: usize);
}

/// By an [`Assembler`] that lends messages.
pub struct Lent {
    pub assembler: Assembler,
    pub max_reserve: usize,
    pub max_message_len: u64,
}

/// By one that gives them away, and returns memory in between.
pub struct Owned(pub Assembler);

/// By one that has only so much.
pub struct Slice<'s>(pub SliceAssembler<'s>);

impl Way for Lent {
    fn receive(&mut self, connection: &mut Connection, input: &mut &mut [u8]) -> Option<Seen> {
        self.assembler.receive(connection, input).map(Seen::from)
    }

    fn space(&mut self, connection: &Connection) -> Option<&mut [u8]> {
        let space = self.assembler.space(connection);
        let expected = connection.incoming().is_some_and(|incoming| !incoming.compressed);
        assert_eq!(space.is_some(), expected, "there is space for each frame that is collected");
        space
    }

    fn filled(&mut self, connection: &mut Connection, len: usize) -> Option<Seen> {
        self.assembler.filled(connection, len).map(Seen::from)
    }

    fn check(&mut self, at: usize) {
        let arrived = self.max_message_len.min(at as u64) as usize;
        // As documented, but a `Vec` has room for eight bytes at least.
        let most = (2 * (arrived + self.max_reserve)).max(arrived + 4096) + 8;
        let capacity = self.assembler.capacity();
        assert!(capacity <= most, "{capacity} bytes for {arrived}");
    }
}

impl Way for Owned {
    fn receive(&mut self, connection: &mut Connection, input: &mut &mut [u8]) -> Option<Seen> {
        self.0.receive_owned(connection, input).map(owned)
    }

    fn space(&mut self, connection: &Connection) -> Option<&mut [u8]> {
        self.0.space(connection)
    }

    fn filled(&mut self, connection: &mut Connection, len: usize) -> Option<Seen> {
        let message = self.0.filled_owned(connection, len).map(owned);
        assert!(message.is_none() || self.0.capacity() == 0, "its buffer went with it");
        message
    }

    fn check(&mut self, _: usize) {
        self.0.shrink();
        if self.0.release().is_some() {
            assert_eq!(self.0.capacity(), 0);
        }
        // A buffer with contents, unless there is one already.
        let has_buffer = self.0.capacity() > 0;
        let returned = self.0.lend(vec![0xff; 300]);
        assert!(returned.is_none() || has_buffer || self.0.release().is_none(), "a buffer is wanted");
    }
}

impl Way for Slice<'_> {
    fn receive(&mut self, connection: &mut Connection, input: &mut &mut [u8]) -> Option<Seen> {
        self.0.receive(connection, input).map(Seen::from)
    }

    fn space(&mut self, connection: &Connection) -> Option<&mut [u8]> {
        self.0.space(connection)
    }

    fn filled(&mut self, connection: &mut Connection, len: usize) -> Option<Seen> {
        self.0.filled(connection, len).map(Seen::from)
    }

    fn check(&mut self, _: usize) {}
}

/// Receives the stream in reads of these lengths, over and over, or in one; each fills the message first, if it is to, then a buffer.
pub fn messages(
    way: &mut impl Way,
    connection: &mut Connection,
    stream: &[u8],
    cuts: &[usize],
    into_place: bool,
) -> Messages {
    let mut messages = Vec::new();
    let mut lens = cuts.iter().copied().cycle();
    let mut rest = stream;
    while !rest.is_empty() {
        let (read, tail) = rest.split_at(lens.next().unwrap_or(rest.len()).min(rest.len()));
        rest = tail;
        let mut placed = 0;
        if into_place {
            let to_come = connection.incoming().map(|incoming| incoming.remaining);
            if let Some(space) = way.space(connection) {
                assert!(
                    !space.is_empty() && to_come.is_some_and(|len| space.len() as u64 <= len),
                    "{to_come:?}"
                );
                // Sometimes all of it goes to the buffer, as if there had been no space.
                placed = if read.len() % 8 == 7 { 0 } else { space.len().min(read.len()) };
                space[..placed].copy_from_slice(&read[..placed]);
            }
            messages.extend(way.filled(connection, placed));
        }
        let mut buffer = read[placed..].to_vec();
        let mut input = &mut buffer[..];
        while let Some(message) = way.receive(connection, &mut input) {
            messages.push(message);
        }
        assert!(input.is_empty(), "None means that the input is used up");
        connection.poll_transmit(&mut Vec::new()).expect("a Vec has room");
        way.check(stream.len() - rest.len());
    }
    Messages {
        messages,
        failure: connection.failure(),
        state: connection.state(),
        close_code: connection.close_code().get(),
    }
}

fn owned(message: OwnedMessage) -> Seen {
    message.as_message().into()
}
