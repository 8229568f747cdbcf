//! The driver over sockets that do whatever a kernel and a network may do: writes that take one byte, none, or fail; a peer that ends,
//! resets or says nothing; at any moment, with an application that sends, stops reading, closes. Each turn is bounded, time is virtual.
//! In the end the loop is asked to shut down, and must.
//!
//! Then each connection is looked at, before the peers fall silent and in the end. Who asks for no WebSocket gets a whole HTTP response. Else
//! what reached the wire are whole legal frames, with every message once and in order, those from elsewhere too, and the last Ping answered; what
//! may be missing at which end is in [`Missing`]. What the application heard is what the reference finds in the bytes that were read; it was
//! closed once and heard nothing after that.
//!
//! The input: flags, then steps as `Step` reads them.

#![no_main]

mod app;
mod kernel;
mod reference;

use std::time::Duration;

use app::{App, Command, Offer, Record};
use arbitrary::{Arbitrary, Result, Unstructured};
use kernel::{Act, Kernel, Shared, Socket};
use libfuzzer_sys::fuzz_target;
use reference::{Received, Seen, Written};
use sansws_mio::{CloseCode, Config, Edge, EventLoop, PeerId, Role, Settings};

const SMALL_QUEUE: u8 = 0x01;
const SMALL_MESSAGES: u8 = 0x02;
const ONE_READ: u8 = 0x04;
const RAW_REQUEST: u8 = 0x08;
/// The rest of the flags is for [`App`].
const MAX_STEPS: usize = 60;
/// Turns in which nothing moves, one after the other; and calls of the kernel that lead to nothing, in one turn.
const MAX_IDLE_TURNS: u32 = 8;
const MAX_IDLE_CALLS: u64 = 32;
const SHUTDOWN: Duration = Duration::from_secs(5);
const CLOSING: Duration = Duration::from_secs(5);
const MAX_HEAD_LEN: usize = 1024;
/// All of the time-outs of a connection whose peer is silent.
const LONGEST_SILENCE: Duration = Duration::from_secs(120);

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

fuzz_target!(|bytes: &[u8]| {
    let mut input = Unstructured::new(bytes);
    let Ok(flags) = u8::arbitrary(&mut input) else { return };
    let mut world = World::new(flags);
    for _ in 0..MAX_STEPS {
        let Ok((which, step)) = step(&mut input) else { break };
        world.step(which, step);
        if input.is_empty() || world.is_over {
            break;
        }
    }
    world.finish();
});

#[derive(Debug)]
enum Step {
    Arrive(Vec<u8>),
    Frame(u8, Vec<u8>),
    Room(usize),
    NextWrite(Act),
    InterruptedRead,
    PeerFin,
    Reset,
    Turn,
    Wait(Duration),
    Command(Command),
    SendByHandle,
    PublishByHandle,
    CloseByHandle(u16),
    SpuriousEdge,
    Shutdown(Duration),
}

fn step(input: &mut Unstructured<'_>) -> Result<(usize, Step)> {
    let code = u8::arbitrary(input)?;
    let mut number = || u8::arbitrary(input);
    let step = match code & 0x0f {
        0 => Step::Arrive(payload(input)?),
        1 => Step::Frame(number()?, payload(input)?),
        2 => Step::Room(match number()? {
            255 => usize::MAX,
            room => usize::from(room),
        }),
        3 => Step::NextWrite(match number()? {
            255 => Act::Reset,
            254 => Act::Zero,
            253 => Act::WouldBlock,
            252 => Act::Interrupted,
            251 => Act::Lie,
            len => Act::Take(usize::from(len).max(1)),
        }),
        4 => Step::InterruptedRead,
        5 => Step::PeerFin,
        6 => Step::Reset,
        7 => Step::Turn,
        8 => Step::Wait(Duration::from_millis(u64::from(number()?).pow(2))),
        9 | 15 => Step::Command(Command::new(number()?, number()?)),
        10 => Step::SendByHandle,
        11 => Step::PublishByHandle,
        12 => Step::CloseByHandle(u16::arbitrary(input)?),
        13 => Step::SpuriousEdge,
        _ => Step::Shutdown(Duration::from_millis(u64::from(number()?) * 10)),
    };
    Ok((usize::from(code >> 7), step))
}

fn payload(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    Ok(match u8::arbitrary(input)? {
        255 => vec![0x0c; 1000],
        len => input.bytes(usize::from(len).min(input.len()))?.to_vec(),
    })
}

struct World {
    event_loop: EventLoop<App>,
    now: Duration,
    /// One that was accepted, one that was dialled.
    ends: [End; 2],
    config: Config,
    max_buffered: usize,
    shutdown_at: Option<Duration>,
    is_over: bool,
}

struct End {
    role: Role,
    peer: PeerId,
    kernel: Shared,
    /// Bytes of the request.
    head_len: usize,
}

impl World {
    fn new(flags: u8) -> Self {
        let mut settings = Settings { receive_buffer: 1024, max_control_frames: 16, ..Settings::default() };
        settings.message.max_message_len = if flags & SMALL_MESSAGES != 0 { 600 } else { 100_000 };
        settings.message.max_fragments = 5;
        (settings.timeouts.close, settings.max_head_len) = (CLOSING, MAX_HEAD_LEN);
        settings.reads_per_turn = if flags & ONE_READ != 0 { 1 } else { 4 };
        if flags & SMALL_QUEUE != 0 {
            (settings.max_buffered, settings.high_water, settings.low_water) = (4096, 1024, 200);
        } else {
            (settings.max_buffered, settings.high_water, settings.low_water) = (200_000, 50_000, 10_000);
        }
        let (config, max_buffered) = (settings.message, settings.max_buffered);
        let mut event_loop = EventLoop::new(App::new(flags), settings).expect("an event queue");
        let [accepted, dialled] = [Shared::new(), Shared::new()];
        let head_len = if flags & RAW_REQUEST == 0 { REQUEST.len() } else { 0 };
        accepted.lock().arrive(&REQUEST[..head_len]);
        let server = event_loop.accept_scripted(Box::new(Socket(accepted.clone()))).expect("there is room");
        let client = event_loop.dialled_scripted(Box::new(Socket(dialled.clone())), 1);
        let ends = [
            End { role: Role::Server, peer: server, kernel: accepted, head_len },
            End { role: Role::Client, peer: client, kernel: dialled, head_len: 0 },
        ];
        event_loop.handler_mut().peers = Some([server, client]);
        let mut world = Self {
            event_loop,
            now: Duration::ZERO,
            ends,
            config,
            max_buffered,
            shutdown_at: None,
            is_over: false,
        };
        world.turn();
        world
    }

    fn step(&mut self, which: usize, step: Step) {
        let end = &self.ends[which];
        let mut kernel = end.kernel.lock();
        match step {
            Step::Arrive(bytes) => kernel.arrive(&bytes),
            Step::Frame(b0, payload) => {
                let bytes = frame(b0, &payload, end.role);
                kernel.arrive(&bytes);
            }
            Step::Room(room) => kernel.make_room(room),
            Step::NextWrite(act) => kernel.acts.push_back(act),
            Step::InterruptedRead => kernel.interrupted_reads += 1,
            Step::PeerFin => kernel.peer_fin(),
            Step::Reset => kernel.reset(),
            Step::SpuriousEdge => (kernel.readable_edge, kernel.writable_edge) = (true, true),
            Step::Turn => {
                drop(kernel);
                self.turn();
            }
            Step::Wait(time) => {
                drop(kernel);
                self.now += time;
                self.turn();
            }
            Step::Command(command) => {
                drop(kernel);
                self.event_loop.handler_mut().commands.push((which, command));
                self.event_loop.handle().wake();
                self.turn();
            }
            Step::SendByHandle => {
                drop(kernel);
                let text = self.event_loop.handler_mut().offer('h', Some(which));
                self.event_loop.handle().send(end.peer, &text).expect("there is room");
            }
            Step::PublishByHandle => {
                drop(kernel);
                let text = self.event_loop.handler_mut().offer('h', None);
                self.event_loop.handle().publish(app::TOPIC, &text).expect("there is room");
            }
            Step::CloseByHandle(code) => {
                drop(kernel);
                // Refused if it may not be sent.
                let _ = self.event_loop.handle().close(end.peer, CloseCode::from(code), "by handle");
                self.event_loop.handler_mut().records[which].closes = true;
            }
            Step::Shutdown(deadline) => {
                drop(kernel);
                self.shut_down(deadline);
                self.turn();
            }
        }
    }

    fn shut_down(&mut self, deadline: Duration) {
        let at = self.now + deadline;
        self.shutdown_at = Some(self.shutdown_at.map_or(at, |earlier| earlier.min(at)));
        self.event_loop.shut_down_scripted(deadline);
        self.event_loop.handler_mut().records.iter_mut().for_each(|record| record.closes = true);
    }

    /// One turn with the events that are due. It calls the kernel in vain a few times at most.
    fn turn(&mut self) {
        if self.is_over {
            return;
        }
        let mut edges = Vec::new();
        let mut before = Vec::new();
        for end in &self.ends {
            let mut kernel = end.kernel.lock();
            kernel.now = self.now;
            let (readable, writable) = (kernel.readable_edge, kernel.writable_edge);
            (kernel.readable_edge, kernel.writable_edge) = (false, false);
            if (readable || writable) && !kernel.closed {
                let ended = kernel.peer_fin || kernel.reset;
                edges.push(Edge { peer: end.peer, readable, writable, ended });
            }
            before.push((kernel.idle_calls, kernel.progress));
        }
        self.is_over = !self.event_loop.scripted_turn(self.now, &edges);
        self.event_loop.handler_mut().turn_ended(self.now);
        for (end, (idle_calls, progress)) in self.ends.iter().zip(before) {
            let kernel = end.kernel.lock();
            let (idle_calls, progress) = (kernel.idle_calls - idle_calls, kernel.progress - progress);
            assert!(idle_calls <= MAX_IDLE_CALLS + 2 * progress, "{idle_calls} calls in vain in one turn");
        }
        let memory = self.event_loop.scratch_memory();
        let most = (256 << 10) + 2 * self.max_buffered + 4 * self.config.max_message_len as usize;
        assert!(memory <= most, "{memory} bytes");
        let app = self.event_loop.handler();
        assert!(app.most_buffered <= self.max_buffered + 1024, "{} bytes queued", app.most_buffered);
    }

    /// Turns until the loop would sleep. It does not go round for nothing.
    fn quiesce(&mut self) {
        let mut idle_turns = 0;
        loop {
            let progress = self.progress();
            self.turn();
            let pending = self.ends.iter().any(|end| {
                let kernel = end.kernel.lock();
                (kernel.readable_edge || kernel.writable_edge) && !kernel.closed
            });
            if self.is_over || (!self.event_loop.is_busy() && !pending) {
                let metrics = self.event_loop.handle().metrics();
                assert!(self.event_loop.gauges_are_right(), "{metrics:?}");
                return;
            }
            idle_turns = if self.progress() == progress { idle_turns + 1 } else { 0 };
            assert!(idle_turns <= MAX_IDLE_TURNS, "the loop goes round for nothing");
        }
    }

    fn progress(&self) -> u64 {
        self.ends.iter().map(|end| end.kernel.lock().progress).sum()
    }

    fn finish(mut self) {
        self.quiesce();
        for end in &self.ends {
            let mut kernel = end.kernel.lock();
            kernel.acts.clear();
            kernel.make_room(usize::MAX);
        }
        self.quiesce();
        self.check();
        // Now the peers are silent.
        let until = self.now + LONGEST_SILENCE;
        while let Some(deadline) = self.event_loop.next_deadline().filter(|at| *at <= until && !self.is_over)
        {
            assert!(deadline + Duration::from_millis(1) >= self.now, "a deadline that has passed");
            self.now = deadline.max(self.now + Duration::from_millis(1));
            self.quiesce();
        }
        let paused = self.event_loop.handler().records.iter().any(|record| record.paused);
        let left = self.event_loop.handle().connections();
        assert!(left == 0 || paused, "{left} connections with a silent peer");
        if !self.is_over {
            self.shut_down(SHUTDOWN);
            self.quiesce();
            self.now += SHUTDOWN;
            self.turn();
        }
        assert!(self.is_over, "the deadline of the shutdown has passed");
        for (end, record) in self.ends.iter().zip(&self.event_loop.handler().records) {
            assert!(end.kernel.lock().closed, "the socket is still open");
            assert_eq!(record.opened, record.closed, "opened, closed");
        }
        let metrics = self.event_loop.handle().metrics();
        assert!(metrics.connections_open == 0 && metrics.queued_bytes == 0, "{metrics:?}");
        self.check();
    }

    /// All that could move has moved.
    fn check(&self) {
        for (end, record) in self.ends.iter().zip(&self.event_loop.handler().records) {
            end.check(record, &self.config, self.shutdown_at);
        }
    }
}

/// What may be missing on the wire.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum Missing {
    Nothing,
    /// A Pong or a Close, or a part of it: what the peer asks for when the connection is closing already buys no time.
    ControlFrames,
    Anything,
}

impl End {
    fn check(&self, record: &Record, config: &Config, shutdown_at: Option<Duration>) {
        let kernel = self.kernel.lock();
        let missing = self.missing(&kernel, record, shutdown_at);
        let Some(wire) = self.frames(&kernel, record, missing) else { return };
        let (frames, cut) = Written::default().frames_and_rest(wire, self.role, false);
        assert!(cut == 0 || missing > Missing::Nothing, "{cut} bytes of a frame");
        let (messages, pongs, close) = sort(frames);
        let has_close = close.is_some();
        // A Close comes after all that was sent before it (`Peer::fail`, §5.5.1), so what is not there when it is will never be.
        check_messages(record, messages, has_close || missing < Missing::Anything);
        assert!(record.dropped == 0 || record.may_drop || kernel.broken, "{} dropped", record.dropped);

        let read = kernel.read.get(self.head_len..).unwrap_or_default();
        let start = match (self.role, self.head_len) {
            (Role::Server, 0) => reference::head_len(read).unwrap_or(read.len()),
            _ => 0,
        };
        let reference = reference::receive(&read[start..], self.role, config);
        // When the peer's stream has ended without a Close, nothing is owed any more (`Connection::receive_eof`), nor when its Close, or a
        // failure, comes after ours: then the transport is closed at once (§5.5.1).
        let gave_up = record.end.as_ref().is_some_and(|end| end.gave_up);
        let is_last = gave_up || reference.seen.last().is_some_and(Seen::is_last);
        let is_forgotten = if is_last { record.closes } else { kernel.eof_read };
        check_pongs(record, &pongs, &reference, missing == Missing::Nothing && !is_forgotten);
        if let (Some(payload), Some(Seen::Close(peers)), false) =
            (&close, reference.seen.last(), record.closes || gave_up)
        {
            // §5.5.1: the answer has the code that was received, and the reason.
            let answer = peers
                .as_ref()
                .map_or(vec![], |(code, reason)| [&code.to_be_bytes()[..], reason.as_bytes()].concat());
            assert_eq!(*payload, answer, "the answer to {peers:?}");
        }
        let heard: Vec<_> = reference.seen.iter().filter(|seen| !seen.is_last()).cloned().collect();
        assert!(heard.starts_with(&record.seen), "arrived {heard:?}, heard {:?}", record.seen);
        let Some(closed) = &record.end else {
            // A slow reader is closed, too.
            let may_be_deaf = record.closes || has_close || kernel.broken;
            assert!(
                may_be_deaf || heard.len() == record.seen.len(),
                "arrived {heard:?}, heard {:?}",
                record.seen
            );
            // A client waits for the server to end the stream (§7.1.1).
            let is_over = match reference.seen.last() {
                Some(Seen::Close(_)) => self.role == Role::Server,
                Some(Seen::Failed(_)) => true,
                _ => false,
            };
            assert!(record.closes || kernel.broken || !is_over, "not closed");
            return;
        };
        assert!(
            record.closes || closed.gave_up || heard.len() == record.seen.len(),
            "heard {:?}",
            record.seen
        );
        // §7.1.4 and §7.1.5.
        let code = match reference.seen.last() {
            Some(Seen::Close(Some((code, _)))) => *code,
            Some(Seen::Close(None)) => 1005,
            _ => 1006,
        };
        assert!(
            closed.code == code || (closed.code == 1006 && (record.closes || closed.gave_up)),
            "{closed:?}, {code}"
        );
        assert!(!closed.was_clean || code != 1006, "clean without the peer's Close");
        assert!(!closed.was_clean || has_close || kernel.broken, "clean without our Close");
    }

    /// What broke, or ran out of time, excuses. What only the peer's Close or FIN ended does not: the queue is written all the same.
    fn missing(&self, kernel: &Kernel, record: &Record, shutdown_at: Option<Duration>) -> Missing {
        if kernel.broken {
            return Missing::Anything;
        }
        // §7.1.1: the socket is closed after FIN, and that comes after all that is to be written.
        if !kernel.closed || kernel.fin {
            return Missing::Nothing;
        }
        // Or when the time is up: that of `Handle::shutdown`, or that of the closing handshake.
        let shutdown_is_over = shutdown_at.is_some_and(|at| kernel.closed_at >= at);
        let closing_at = record.closing_at.unwrap_or(kernel.taken_at);
        let said_nothing = self.role == Role::Server && kernel.read.is_empty();
        assert!(
            shutdown_is_over || kernel.closed_at >= closing_at + CLOSING || said_nothing,
            "closed without FIN"
        );
        if !kernel.blocked {
            return Missing::Nothing;
        }
        // `Settings::timeouts`: "The time for the closing handshake begins anew whenever some of the output is taken."
        if shutdown_is_over || kernel.closed_at >= kernel.taken_at + CLOSING {
            Missing::Anything
        } else {
            Missing::ControlFrames
        }
    }

    /// What was written after the 101, if that was.
    fn frames<'k>(&self, kernel: &'k Kernel, record: &Record, missing: Missing) -> Option<&'k [u8]> {
        if self.role == Role::Client {
            return Some(&kernel.wire);
        }
        let end = reference::head_len(&kernel.wire);
        if kernel.wire.starts_with(b"HTTP/1.1 101 ") {
            assert_eq!(record.opened, 1, "101, and not opened");
            assert!(end.is_some() || missing == Missing::Anything, "a part of the response");
            return Some(&kernel.wire[end?..]);
        }
        assert!(record.opened == 0 || missing == Missing::Anything, "no response");
        check_refusal(kernel, end, missing);
        None
    }
}

/// §4.2.1: who does not send a correct handshake gets "an HTTP response with an appropriate error code".
fn check_refusal(kernel: &Kernel, end: Option<usize>, missing: Missing) {
    let (wire, read) = (&kernel.wire[..], &kernel.read[..]);
    const START: &[u8] = b"HTTP/1.1 ";
    assert!(wire.starts_with(&START[..START.len().min(wire.len())]), "not a status line");
    if missing > Missing::Nothing {
        return;
    }
    if wire.is_empty() {
        let bare_lf =
            read.first() == Some(&b'\n') || read.windows(2).any(|end| end[0] != b'\r' && end[1] == b'\n');
        let is_head = reference::head_len(read).is_some() || read.len() >= MAX_HEAD_LEN;
        let is_over = is_head || bare_lf || kernel.eof_read || kernel.closed;
        assert!(read.is_empty() || !is_over, "no response to {:?}", String::from_utf8_lossy(read));
        return;
    }
    let (head, content) = wire.split_at(end.expect("a whole head"));
    let head = std::str::from_utf8(head).expect("a head in ASCII");
    let (status, _) = head[START.len()..].split_once(' ').expect("a status");
    // The application answers plain requests with 404.
    assert!(matches!(status.parse(), Ok(400..600)), "{head}");
    let len = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let is_empty = content.is_empty() && read.trim_ascii_start().starts_with(b"HEAD ");
    assert!(is_empty || len == Some(content.len().to_string().as_str()), "{} bytes: {head}", content.len());
    assert!(kernel.fin, "the response does not end");
}

/// `all`: nothing may be missing that was sent or offered while the connection was open.
fn check_messages(record: &Record, messages: Vec<Seen>, all: bool) {
    let (numbered, messages): (Vec<_>, Vec<_>) =
        messages.into_iter().partition(|message| app::number(message).is_some());
    assert!(record.sent.starts_with(&messages), "sent {:?}, written {messages:?}", record.sent);
    assert!(!all || record.sent.len() == messages.len(), "sent {:?}, written {messages:?}", record.sent);

    let numbers: Vec<_> = numbered.iter().filter_map(app::number).collect();
    let is_there = |offer: &Offer| numbers.contains(&offer.number);
    assert_eq!(record.offers.iter().filter(|offer| is_there(offer)).count(), numbers.len(), "{numbers:?}");
    let mut missing = 0;
    for source in ['h', '0', '1'] {
        // What one source sends stays in order; between them there is none.
        let written = numbers.iter().filter(|number| number.0 == source);
        assert!(written.is_sorted_by(|a, b| a < b), "from elsewhere: {numbers:?}");
        let offers = record.offers.iter().enumerate().filter(|(_, offer)| offer.number.0 == source);
        // There is no gap before what was written.
        let last = offers.clone().rfind(|(_, offer)| is_there(offer)).map_or(0, |(index, _)| index);
        let end = if all { last.max(record.carried_out) } else { last };
        missing += offers.filter(|(index, offer)| *index < end && offer.is_due && !is_there(offer)).count();
    }
    // `SlowConsumer::Drop`: `Peer::take_dropped` counts them.
    assert!(missing as u64 <= record.dropped, "{missing} missing of {:?} in {numbers:?}", record.offers);
}

/// §5.5.2: "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response"; of several, the last one's is enough (§5.5.3).
fn check_pongs(record: &Record, pongs: &[Vec<u8>], reference: &Received, all: bool) {
    fn payload(seen: &Seen) -> Option<&Vec<u8>> {
        if let Seen::Ping(payload) = seen { Some(payload) } else { None }
    }
    let pings: Vec<_> = reference.seen.iter().filter_map(payload).collect();
    let mut rest = pings.iter();
    for pong in pongs {
        assert!(rest.any(|ping| *ping == pong), "a Pong without its Ping");
    }
    // Once the connection is given up, the rest of what was read is not looked at (`Connection::fail`). What was heard before is answered.
    let gave_up = record.end.as_ref().is_some_and(|end| end.gave_up);
    let to_answer = if gave_up { record.seen.iter().filter_map(payload).count() } else { pings.len() };
    if all && to_answer > 0 {
        let last = pongs.last().expect("a Pong for the last Ping");
        assert!(pings[to_answer - 1..].contains(&last), "{last:?} for the last of {pings:?}");
    }
}

/// Messages, the payloads of the Pongs, that of the Close.
fn sort(frames: Vec<(u8, bool, Vec<u8>)>) -> (Vec<Seen>, Vec<Vec<u8>>, Option<Vec<u8>>) {
    let (mut messages, mut pongs, mut close) = (Vec::new(), Vec::new(), None);
    let (mut is_text, mut message) = (false, Vec::new());
    for (opcode, fin, payload) in frames {
        match opcode {
            8 => close = Some(payload),
            9 => {}
            10 => pongs.push(payload),
            _ => {
                is_text = opcode == 1 || (opcode == 0 && is_text);
                message.extend(payload);
                if fin {
                    let payload = std::mem::take(&mut message);
                    messages.push(if is_text {
                        Seen::Text(String::from_utf8(payload).expect("UTF-8"))
                    } else {
                        Seen::Binary(payload)
                    });
                }
            }
        }
    }
    (messages, pongs, close)
}

/// A frame to an endpoint of this role.
fn frame(b0: u8, payload: &[u8], to: Role) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mask = if to == Role::Server { 0x80 } else { 0 };
    let mut bytes = vec![b0];
    match payload.len() {
        len @ 0..126 => bytes.push(mask | len as u8),
        len => {
            bytes.push(mask | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
    }
    if to == Role::Server {
        bytes.extend(KEY);
        bytes.extend(payload.iter().zip(KEY.iter().cycle()).map(|(octet, key)| octet ^ key));
    } else {
        bytes.extend(payload);
    }
    bytes
}
