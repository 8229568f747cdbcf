//! An application that does what it is told, by its peers' messages or from outside, for `driver`. It keeps account of what it was promised.

use std::time::Duration;

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
    /// Messages from elsewhere; so many of them were carried out when the connection was open and not in the middle of a message.
    pub offers: Vec<Offer>,
    pub carried_out: usize,
    /// Messages from elsewhere that passed it by, as the driver counts them, and whether any may.
    pub dropped: u64,
    pub may_drop: bool,
    is_open: bool,
    is_subscribed: bool,
    /// When it was open no more.
    pub closing_at: Option<Duration>,
    fragments: Option<String>,
    /// This end began to close, or may have.
    pub closes: bool,
    /// It said so itself: the application hears nothing but the end.
    said_close: bool,
    pub paused: bool,
    pub end: Option<End>,
}

/// A message from elsewhere for a connection: sent to it by a handle, or published.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    pub number: Number,
    /// The connection was open, and subscribed if need be: if it still is when the loop comes round to it, it gets the message.
    pub is_due: bool,
}

/// Where a message is from (`h`: a handle, `0` and `1`: the connections), and a number that no other has.
pub type Number = (char, u32);

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

    /// A message for one connection, or published for all.
    pub fn offer(&mut self, source: char, to: Option<usize>) -> String {
        self.next_number += 1;
        let number = (source, self.next_number);
        for (which, record) in self.records.iter_mut().enumerate() {
            if to.is_none_or(|to| to == which) {
                let is_due = record.is_open && (to.is_some() || record.is_subscribed);
                record.offers.push(Offer { number, is_due });
            }
        }
        format!("#{source}{}", self.next_number)
    }

    /// All that was asked for has been carried out.
    pub fn turn_ended(&mut self, now: Duration) {
        for record in &mut self.records {
            // What is published during a fragmented message waits for its end (`Peer::send_text_fragment`), and is lost if the connection
            // closes before that.
            if record.is_open && record.fragments.is_none() {
                record.carried_out = record.offers.len();
            }
            if record.opened > 0 && !record.is_open {
                record.closing_at.get_or_insert(now);
            }
        }
    }

    fn obey(&mut self, peer: &mut Peer<'_, usize>, command: Command) {
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
                record.is_subscribed |= peer.subscribe(TOPIC).is_ok();
            }
            11 => {
                let text = self.offer(if *peer.session() == 0 { '0' } else { '1' }, None);
                peer.publish(TOPIC, &text).expect("there is no other worker");
            }
            _ => {}
        }
        self.look_at(peer);
    }

    fn look_at(&mut self, peer: &Peer<'_, usize>) {
        self.most_buffered = self.most_buffered.max(peer.buffered_amount());
        let record = &mut self.records[*peer.session()];
        assert_eq!(record.closed, 0, "called after the end");
        assert_eq!(record.opened, 1, "called before the start");
        record.is_open = peer.is_open();
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

/// Of a message that was [offered](App::offer).
pub fn number(message: &Seen) -> Option<Number> {
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
        self.records[0].may_drop = self.flags & (DROP | CLOSE) == DROP;
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
        self.records[*peer.session()].dropped += peer.take_dropped();
        self.look_at(peer);
    }

    fn close(&mut self, peer: &mut Peer<'_, usize>, closed: Closed<'_>) {
        let record = &mut self.records[*peer.session()];
        record.closed += 1;
        record.is_open = false;
        record.dropped += peer.take_dropped();
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
