//! An application that does what it is told, by its peers' messages or from outside, for `driver`.

use sansws_mio::{
    Accept, Cause, Chunk, CloseCode, Closed, Context, Handler, Message, Peer, PeerId, Request, Response,
    SlowConsumer,
};

use crate::reference::Seen;

const STREAMING: u8 = 0x10;
const DROP: u8 = 0x20;
const CLOSE: u8 = 0x40;

pub const TOPIC: &str = "t";

/// One byte that says what, one that says how much.
#[derive(Debug, Clone, Copy)]
pub struct Command(u8, u8);

impl Command {
    pub fn new(what: u8, how_much: u8) -> Self {
        Self(what % 13, how_much)
    }
}

/// What became of one connection.
#[derive(Debug, Default)]
pub struct Record {
    pub opened: u32,
    pub closed: u32,
    pub seen: Vec<Seen>,
    partial: Vec<u8>,
    /// Messages that were taken to be sent.
    pub sent: Vec<Seen>,
    fragments: Option<String>,
    /// This end began to close, or may have.
    pub closes: bool,
    /// It said so itself: the application hears nothing but the end.
    said_close: bool,
    pub paused: bool,
    pub end: Option<End>,
}

#[derive(Debug)]
pub struct End {
    pub code: u16,
    pub was_clean: bool,
    /// The loop gave the connection up: reading stopped before all was heard.
    pub gave_up: bool,
}

pub struct App {
    flags: u8,
    pub records: [Record; 2],
    /// Once they are known.
    pub peers: Option<[PeerId; 2]>,
    /// To be carried out when woken, for a connection each.
    pub commands: Vec<(usize, Command)>,
    next_number: u32,
    pub most_buffered: usize,
}

impl App {
    pub fn new(flags: u8) -> Self {
        Self {
            flags,
            records: Default::default(),
            peers: None,
            commands: Vec::new(),
            next_number: 0,
            most_buffered: 0,
        }
    }

    /// A message that can be told from all others, and that tells where it is from: `h` a handle, `0` and `1` the connections.
    pub fn numbered(&mut self, source: char) -> String {
        self.next_number += 1;
        format!("#{source}{}", self.next_number)
    }

    fn obey(&mut self, peer: &mut Peer<'_, usize>, command: Command) {
        let published = self.numbered(if *peer.session() == 0 { '0' } else { '1' });
        let record = &mut self.records[*peer.session()];
        let Command(what, how_much) = command;
        match what {
            0..=2 => {
                let (count, len) = [(1, 10), (how_much % 16, 200), (how_much % 4, 33_000)][usize::from(what)];
                for _ in 0..count {
                    let payload = vec![how_much; len];
                    if peer.send(&payload).is_ok() {
                        record.sent.push(Seen::Binary(payload));
                    }
                }
            }
            3 | 4 => {
                let text = "x".repeat(usize::from(how_much));
                let last = what == 4;
                if peer.send_text_fragment(&text, last).is_ok() {
                    let message = record.fragments.get_or_insert_default();
                    message.push_str(&text);
                    if last {
                        record.sent.extend(record.fragments.take().map(Seen::Text));
                    }
                }
            }
            5 => {
                let _ = peer.ping(&vec![how_much; usize::from(how_much)]);
            }
            6 => {
                record.said_close |=
                    peer.close(CloseCode::from(1000 + u16::from(how_much) * 16), "done").is_ok();
                record.closes = true;
            }
            7 => {
                record.said_close |= peer.close_without_status().is_ok();
                record.closes = true;
            }
            8 => {
                peer.fail(CloseCode::from(1000 + u16::from(how_much)));
                (record.said_close, record.closes) = (true, true);
            }
            9 => {
                peer.set_reading(how_much % 2 == 1);
                record.paused = how_much % 2 == 0;
            }
            10 => {
                let _ = peer.subscribe(TOPIC);
            }
            11 => {
                let _ = peer.publish(TOPIC, &published);
            }
            _ => {}
        }
        self.look_at(peer);
    }

    fn look_at(&mut self, peer: &Peer<'_, usize>) {
        self.most_buffered = self.most_buffered.max(peer.buffered_amount());
        assert_eq!(self.records[*peer.session()].closed, 0, "called after the end");
        assert_eq!(self.records[*peer.session()].opened, 1, "called before the start");
    }

    fn hear(&mut self, peer: &mut Peer<'_, usize>, seen: Seen) {
        self.look_at(peer);
        assert!(!self.records[*peer.session()].said_close, "heard {seen:?} after close");
        let first = match &seen {
            Seen::Text(text) => text.as_bytes().first().copied(),
            Seen::Binary(payload) => payload.first().copied(),
            _ => None,
        };
        let len = match &seen {
            Seen::Text(text) => text.len(),
            Seen::Binary(payload) => payload.len(),
            _ => 0,
        };
        self.records[*peer.session()].seen.push(seen);
        if let Some(what) = first {
            self.obey(peer, Command::new(what, len as u8));
        }
    }
}

/// Source and number of a [numbered](App::numbered) message.
pub fn number(message: &Seen) -> Option<(char, u32)> {
    let Seen::Text(text) = message else { return None };
    let mut text = text.strip_prefix('#')?.chars();
    Some((text.next()?, text.as_str().parse().ok()?))
}

impl Handler for App {
    type Session = usize;

    fn upgrade(&mut self, _: &Request<'_>, accept: &mut Accept) -> Result<usize, Response> {
        accept.streaming(self.flags & STREAMING != 0);
        accept.slow_consumer(match self.flags & (DROP | CLOSE) {
            0 => SlowConsumer::Pause,
            DROP => SlowConsumer::Drop,
            _ => SlowConsumer::Close(CloseCode::TRY_AGAIN_LATER),
        });
        Ok(0)
    }

    fn open(&mut self, peer: &mut Peer<'_, usize>) {
        self.records[*peer.session()].opened += 1;
        self.look_at(peer);
    }

    fn message(&mut self, peer: &mut Peer<'_, usize>, message: Message<'_>) {
        self.hear(peer, message.into());
    }

    fn chunk(&mut self, peer: &mut Peer<'_, usize>, chunk: Chunk<'_>) {
        self.look_at(peer);
        let record = &mut self.records[*peer.session()];
        match chunk {
            Chunk::Text(chunk) => {
                record.partial.extend(chunk.chars().collect::<String>().bytes());
                if chunk.last {
                    let text = String::from_utf8(std::mem::take(&mut record.partial)).expect("UTF-8");
                    self.hear(peer, Seen::Text(text));
                }
            }
            Chunk::Binary(chunk) => {
                record.partial.extend_from_slice(chunk.payload);
                if chunk.last {
                    let payload = std::mem::take(&mut record.partial);
                    self.hear(peer, Seen::Binary(payload));
                }
            }
        }
    }

    fn ping(&mut self, peer: &mut Peer<'_, usize>, payload: &[u8]) {
        self.hear(peer, Seen::Ping(payload.to_vec()));
    }

    fn pong(&mut self, peer: &mut Peer<'_, usize>, payload: &[u8]) {
        self.hear(peer, Seen::Pong(payload.to_vec()));
    }

    fn drained(&mut self, peer: &mut Peer<'_, usize>) {
        self.look_at(peer);
        assert!(!peer.is_congested(), "drained, and congested");
    }

    fn written(&mut self, peer: &mut Peer<'_, usize>) {
        self.look_at(peer);
    }

    fn close(&mut self, peer: &mut Peer<'_, usize>, closed: Closed<'_>) {
        let record = &mut self.records[*peer.session()];
        record.closed += 1;
        let gave_up = !matches!(closed.cause, None | Some(Cause::Eof | Cause::Io(_) | Cause::Protocol(_)));
        record.end = Some(End { code: closed.code.get(), was_clean: closed.was_clean, gave_up });
        assert!(peer.send("after the end").is_err(), "sent after the end");
    }

    fn wake(&mut self, cx: &mut Context<'_, usize>) {
        let Some(peers) = self.peers else { return };
        for (which, command) in std::mem::take(&mut self.commands) {
            if let Some(mut peer) = cx.peer(peers[which]) {
                self.obey(&mut peer, command);
            }
        }
    }
}
