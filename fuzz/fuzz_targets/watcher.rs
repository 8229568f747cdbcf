//! Puts the chunks of a stream together, and looks at each of them, for `receive`.

use sansws::{
    Assembler, BinaryChunk, CompressedChunk, Config, Connection, Event, Incoming, MessageKind, ProtocolError,
    TextChunk,
};

use crate::layout::Layout;
use crate::reference::Seen;

pub struct Watcher<'a> {
    config: &'a Config,
    layout: &'a Layout,
    pub messages: Assembler,
    compressed: Vec<u8>,
    /// Kind, and whether it is compressed, of the message of which there was a chunk.
    message: Option<(MessageKind, bool)>,
    /// Bytes of it that were received, and the text that they became.
    received: usize,
    text: String,
    /// The most bytes of a message in several chunks.
    pub most_collected: usize,
    /// How much of the stream was used up before, and now.
    before: usize,
    at: usize,
    pub seen: Vec<Seen>,
    /// How much had been seen when there was the first compressed chunk.
    pub compressed_after: Option<usize>,
}

impl<'a> Watcher<'a> {
    pub fn new(config: &'a Config, layout: &'a Layout) -> Self {
        Self {
            config,
            layout,
            messages: Assembler::new(),
            compressed: Vec::new(),
            message: None,
            received: 0,
            text: String::new(),
            most_collected: 0,
            before: 0,
            at: 0,
            seen: Vec::new(),
            compressed_after: None,
        }
    }

    /// `at` bytes of the stream are used up.
    pub fn take(&mut self, event: Event<'_, '_>, at: usize) {
        assert!(!self.is_over(), "after the last: {event:?}");
        (self.before, self.at) = (self.at, at);
        let seen = match event {
            Event::Text(chunk) => self.text(chunk),
            Event::Binary(chunk) => self.binary(chunk),
            Event::Compressed(chunk) => self.compressed(chunk),
            Event::Ping(payload) => Some(Seen::Ping(payload.to_vec())),
            Event::Pong(payload) => Some(Seen::Pong(payload.to_vec())),
            Event::Close(frame) => {
                Some(Seen::Close(frame.map(|frame| (frame.code.get(), frame.reason.to_owned()))))
            }
            Event::Failed(error) => Some(Seen::Failed(error)),
            other => panic!("what is {other:?}?"),
        };
        self.seen.extend(seen);
    }

    fn is_over(&self) -> bool {
        self.seen.last().is_some_and(Seen::is_last)
    }

    fn text(&mut self, chunk: TextChunk<'_>) -> Option<Seen> {
        self.chunk(chunk.first, chunk.last, chunk.remaining, (MessageKind::Text, false), None);
        if chunk.first {
            assert!(chunk.carried.is_empty(), "carried over from no chunk");
            self.text.clear();
        }
        let [carried, text] = chunk.parts();
        assert_eq!((carried, text), (chunk.carried.as_str(), chunk.text));
        assert_eq!(carried.chars().next(), chunk.carried.to_char());
        assert!(
            matches!(carried.len(), 0 | 2..=4) && carried.chars().count() <= 1,
            "{carried:?} was not cut"
        );
        assert_eq!(
            (chunk.len(), chunk.is_empty()),
            (carried.len() + text.len(), carried.len() + text.len() == 0)
        );
        assert_eq!(chunk.whole(), (chunk.first && chunk.last).then_some(text));
        let start = self.text.len();
        chunk.append_to(&mut self.text);
        assert_eq!(chunk.chars().collect::<String>(), self.text[start..]);
        // All but a code point that is not complete.
        let withheld = self.received.checked_sub(self.text.len()).expect("no more text than arrived");
        assert!(withheld <= 3 && (withheld == 0 || !chunk.last), "{withheld} bytes are withheld");
        if chunk.whole().is_none() {
            self.most_collected = self.most_collected.max(self.text.len());
        }
        let message = self.messages.text(chunk).expect("there is memory")?;
        assert_eq!(message.as_bytes(), self.text.as_bytes());
        Some(message.into())
    }

    fn binary(&mut self, chunk: BinaryChunk<'_>) -> Option<Seen> {
        let message = (MessageKind::Binary, false);
        self.chunk(chunk.first, chunk.last, chunk.remaining, message, Some(chunk.payload.len()));
        if !(chunk.first && chunk.last) {
            self.most_collected = self.most_collected.max(self.received);
        }
        self.messages.binary(chunk).expect("there is memory").map(Seen::from)
    }

    fn compressed(&mut self, chunk: CompressedChunk<'_>) -> Option<Seen> {
        self.compressed_after.get_or_insert(self.seen.len());
        let message = (chunk.kind, true);
        self.chunk(chunk.first, chunk.last, chunk.remaining, message, Some(chunk.payload.len()));
        self.compressed.extend_from_slice(chunk.payload);
        let same = CompressedChunk { payload: &mut chunk.payload.to_vec(), ..chunk };
        let mut assembler = Assembler::new();
        let result = assembler.push(Event::Compressed(same));
        assert_eq!(result, Err(ProtocolError::CompressionUnsupported));
        chunk.last.then(|| Seen::Compressed(chunk.kind, std::mem::take(&mut self.compressed)))
    }

    /// What is true of chunks of any kind.
    fn chunk(
        &mut self,
        first: bool,
        last: bool,
        remaining: u64,
        message: (MessageKind, bool),
        len: Option<usize>,
    ) {
        assert_eq!(first, self.message.is_none(), "the first chunk, and only that, begins a message");
        assert!(self.message.is_none_or(|before| before == message), "{message:?} amid another message");
        let frame = self.layout.frame_at(self.at).expect("a frame");
        assert!(frame.is_data());
        assert_eq!(remaining, frame.remaining(self.at), "what is to come of the frame");
        assert_eq!(last, frame.fin && remaining == 0, "the last chunk, and only that, ends a message");
        // Short fragments that arrive together are one chunk.
        let arrived = self.layout.payload_between(self.before, self.at);
        assert!(len.is_none_or(|len| len == arrived), "{len:?} bytes of {arrived}");
        self.received = if first { arrived } else { self.received + arrived };
        self.message = (!last).then_some(message);
    }

    /// `at` bytes of the stream are used up, whether there was an event or not.
    pub fn look_at(&mut self, connection: &Connection, at: usize) {
        self.at = at;
        let frame = self
            .layout
            .frame_at(at)
            .filter(|frame| !self.is_over() && frame.is_data() && frame.remaining(at) > 0);
        let expected = frame.map(|frame| {
            let begun = frame.begins(self.config).or(self.message).expect("a message");
            (begun.0, begun.1, self.message.is_none(), frame.fin, frame.remaining(at))
        });
        let incoming = connection.incoming().map(|incoming| {
            let Incoming { kind, compressed, first, last, remaining, .. } = incoming;
            (kind, compressed, first, last, remaining)
        });
        assert_eq!(incoming, expected, "the frame that is arriving");
    }
}
