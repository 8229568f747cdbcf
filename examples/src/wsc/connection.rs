//! `wsc` as a client: one connection at a time, and the next one with `--reconnect`.

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sansws_mio::{
    Backoff, By, Cause, Chunk, CloseCode, Closed, Config, Connect, Context, EventLoop, FailureCause, Handle,
    Handler, Next, Peer, PeerId, Reconnect, SendError, Settings, Timeouts,
};

use super::dial;
use super::display::{Display, Way, kind_name};
use super::input::{Input, Item};
use super::options::{Options, Wait};
use crate::clients::command_line::{EXIT_ABNORMAL, EXIT_FAILURE, EXIT_UNSENT};
use crate::clients::connecting::without_password;
use crate::clients::signals::on_interrupt;

/// How long the server may take to end its TCP connection after the closing handshake.
const LINGER: Duration = Duration::from_secs(1);
/// How long the Pong that follows everything that was sent may take, counted from when all was written.
const FENCE_LIMIT: Duration = Duration::from_secs(10);
/// With more than this waiting for the kernel, no more of the input is taken.
const HIGH_WATER: usize = 256 << 10;
/// The longest frame that is sent: a whole file.
const MAX_BUFFERED: usize = 300 << 20;
/// Lines that were not sent are shown up to here, and then counted.
const SHOWN: usize = 5;

/// Connects and goes on until it is over.
///
/// # Errors
///
/// What kept it from beginning.
pub fn run(options: Options, url: &str) -> Result<ExitCode, String> {
    let connect = dial::connect(&options, url)?;
    let input = Input::open(&options)?;
    let display = Display::open(&options)?;
    let settings = settings(&options);
    let client = Client::new(options, url, connect, input, display);
    let mut event_loop = EventLoop::new(client, settings).map_err(|error| error.to_string())?;
    let handle = event_loop.handle();
    event_loop.handler_mut().handle = Some(handle.clone());
    let interrupted = on_interrupt(move || handle.wake()).map_err(|error| error.to_string())?;
    event_loop.handler_mut().interrupted = interrupted;
    let connect = event_loop.handler().connect.clone();
    event_loop.connect(connect);
    while event_loop.turn(None).map_err(|error| error.to_string())? {
        event_loop.handler_mut().display.flush();
    }
    Ok(event_loop.handler_mut().finish())
}

/// Limits for a tool that holds no message in memory.
pub(super) fn settings(options: &Options) -> Settings {
    Settings {
        message: Config::new().max_frame_len(u64::MAX).max_message_len(u64::MAX).max_fragments(u32::MAX),
        timeouts: Timeouts::new().handshake(options.connect_timeout).ping_interval(options.ping),
        max_buffered: MAX_BUFFERED,
        high_water: HIGH_WATER,
        ..Settings::default()
    }
}

struct Client {
    options: Options,
    url: String,
    connect: Connect<()>,
    handle: Option<Handle>,
    interrupted: Arc<AtomicBool>,
    input: Input,
    display: Display,
    phase: Phase,
    /// When this connection was dialled.
    dialled: Instant,
    /// Whether, and when, to connect again.
    reconnect: Reconnect,
    /// What times of `reconnect` are counted from.
    epoch: Instant,
    sending: Sending,
    last_heard: Instant,
    result: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    Open(PeerId),
    /// Our Close is on its way.
    Closing,
    Retrying(Instant),
    Over,
}

#[derive(Default)]
struct Sending {
    /// Messages that were sent.
    messages: u64,
    /// How many of them the server had read when it sent its last Pong, or were told to be in doubt since.
    confirmed: u64,
    /// A message was begun and not ended.
    in_message: bool,
    /// The connection broke in the middle of a message, whose remaining fragments are of no use.
    skips_message: bool,
    message_len: usize,
    /// Whole messages that the kernel does not have yet, and what [`Peer::written`] will be once it has.
    unwritten: VecDeque<(u64, Item)>,
    /// Things that cannot be sent at all.
    unsendable: u64,
    fence: Fence,
}

impl Sending {
    fn forget_written(&mut self, written: u64) {
        while self.unwritten.front().is_some_and(|(end, _)| *end <= written) {
            self.unwritten.pop_front();
        }
    }
}

/// A Ping behind everything that was sent: with its Pong the server has read it all.
#[derive(Default, Clone, Copy)]
enum Fence {
    /// The input has not ended.
    #[default]
    Down,
    Sent(Instant),
    Passed,
}

impl Handler for Client {
    type Session = ();

    fn head(&mut self, (): &mut (), by: By, head: &[u8]) {
        let after = self.dialled.elapsed();
        let (way, what) = match by {
            By::Local => (Way::Out, "connected, request sent"),
            By::Remote => (Way::In, "response"),
        };
        self.display.detail(Way::Note, format_args!("{what} after {}", millis(after)));
        self.display.head(way, head);
    }

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        self.phase = Phase::Open(peer.id());
        self.reconnect.opened(self.epoch.elapsed());
        self.last_heard = Instant::now();
        let subprotocol = peer.subprotocol().map(|name| format!(" (subprotocol {name})")).unwrap_or_default();
        self.display.note(format_args!("connected to {}{subprotocol}", self.url));
        let after = millis(self.dialled.elapsed());
        self.display.detail(Way::Note, format_args!("open after {after}, peer {}", peer.remote_addr()));
        if self.interrupted.load(Ordering::Relaxed) {
            return self.close_connection(peer);
        }
        if let Some(handle) = self.handle.clone() {
            self.input.start(move || handle.wake());
        }
        self.send(peer);
        if !matches!(self.sending.fence, Fence::Down) {
            // The input ended during an earlier connection; what was left of it has just been sent.
            self.raise_fence(peer);
        }
    }

    fn chunk(&mut self, peer: &mut Peer<'_, ()>, chunk: Chunk<'_>) {
        self.last_heard = Instant::now();
        self.reconnect.received();
        let is_whole = self.display.received(&chunk);
        if is_whole && self.options.one {
            self.close_connection(peer);
        }
        self.check_display(peer);
    }

    fn ping(&mut self, _: &mut Peer<'_, ()>, payload: &[u8]) {
        self.display.detail(Way::In, format_args!("Ping {}; a Pong goes back", payload_text(payload)));
    }

    fn pong(&mut self, peer: &mut Peer<'_, ()>, payload: &[u8]) {
        let sent = payload.try_into().map(u64::from_be_bytes);
        match (sent, self.sending.fence) {
            (Ok(messages), Fence::Sent(at)) if messages == self.sending.messages => {
                self.sending.confirmed = messages;
                self.sending.fence = Fence::Passed;
                let after = millis(at.elapsed());
                self.display.detail(Way::In, format_args!("Pong after {after}: the server has read it all"));
                self.last_heard = Instant::now();
                self.close_if_silent(peer);
            }
            _ if payload.is_empty() => self.display.detail(Way::In, "Pong: the server is there"),
            _ => self.display.detail(Way::In, format_args!("Pong {}", payload_text(payload))),
        }
    }

    fn drained(&mut self, peer: &mut Peer<'_, ()>) {
        self.send(peer);
    }

    fn written(&mut self, peer: &mut Peer<'_, ()>) {
        self.sending.forget_written(peer.written());
    }

    fn close(&mut self, peer: &mut Peer<'_, ()>, closed: Closed<'_>) {
        self.take_back_unwritten(peer.written_at_most());
        let was_open = matches!(self.phase, Phase::Open(_) | Phase::Closing);
        let is_asked_for = self.phase == Phase::Closing || self.interrupted.load(Ordering::Relaxed);
        if was_open {
            self.tell_closed(&closed, is_asked_for);
        } else if let (Some(cause), false) = (closed.cause, self.phase == Phase::Over) {
            if let Cause::Refused { content, .. } = cause {
                self.display.content(content);
            }
            self.display.error(format_args!("cannot connect to {}: {cause}", self.url));
        }
        if self.options.reconnect && !is_asked_for {
            let cause = closed.cause.map(FailureCause::from);
            match self.reconnect.ended(self.epoch.elapsed(), closed.code.get(), cause.as_ref()) {
                Next::Retry { delay, .. } => return self.retry_later(peer, delay),
                Next::GiveUp { .. } => self.display.error("another attempt would fail in the same way"),
                _ => {}
            }
        }
        self.phase = Phase::Over;
        let is_normal = closed.was_clean
            && matches!(
                closed.code,
                CloseCode::NORMAL | CloseCode::GOING_AWAY | CloseCode::NO_STATUS_RECEIVED
            );
        self.result = match (was_open, is_normal || (is_asked_for && closed.was_clean)) {
            (_, true) => 0,
            (true, false) => EXIT_ABNORMAL,
            (false, false) => EXIT_FAILURE,
        };
        peer.shutdown(LINGER);
    }

    fn wake(&mut self, cx: &mut Context<'_, ()>) {
        let interrupted = self.interrupted.load(Ordering::Relaxed);
        match self.phase {
            Phase::Open(id) => {
                let Some(mut peer) = cx.peer(id) else { return };
                if interrupted {
                    return self.close_connection(&mut peer);
                }
                self.send(&mut peer);
                self.close_if_silent(&mut peer);
            }
            Phase::Connecting | Phase::Retrying(_) if interrupted => {
                self.phase = Phase::Over;
                self.result = EXIT_FAILURE;
                self.display.error("interrupted while there was no connection");
                cx.shutdown(Duration::ZERO);
            }
            Phase::Retrying(at) if Instant::now() >= at => {
                self.phase = Phase::Connecting;
                self.dialled = Instant::now();
                cx.connect(self.connect.clone());
            }
            Phase::Connecting | Phase::Closing | Phase::Retrying(_) | Phase::Over => {}
        }
    }
}

impl Client {
    fn new(options: Options, url: &str, connect: Connect<()>, input: Input, display: Display) -> Self {
        let now = Instant::now();
        Self {
            options,
            url: without_password(url),
            connect,
            handle: None,
            interrupted: Arc::default(),
            input,
            display,
            phase: Phase::Connecting,
            dialled: now,
            reconnect: Reconnect::new(Backoff::new().max_retries(None)),
            epoch: now,
            sending: Sending::default(),
            last_heard: now,
            result: EXIT_FAILURE,
        }
    }

    /// Sends what there is, as long as the kernel takes it.
    fn send(&mut self, peer: &mut Peer<'_, ()>) {
        while matches!(self.phase, Phase::Open(_)) && !peer.is_congested() {
            let Some(item) = self.input.take() else { return };
            match &item {
                Item::Unsendable(why) => {
                    self.sending.unsendable += 1;
                    self.display.error(format_args!("not sent: {why}"));
                    continue;
                }
                Item::End => {
                    self.input_ended(peer);
                    continue;
                }
                _ => {}
            }
            if self.sending.skips_message {
                self.sending.skips_message = !item.is_last();
                continue;
            }
            match item.send(peer) {
                Ok(()) => self.item_sent(peer, item),
                // The last word of this connection comes in `close`.
                Err(SendError::NotOpen) => return self.input.give_back(item),
                Err(error) => {
                    self.sending.unsendable += 1;
                    self.display.error(format_args!("not sent: {} bytes: {error}", item.payload_len()));
                }
            }
        }
    }

    fn item_sent(&mut self, peer: &Peer<'_, ()>, item: Item) {
        let sending = &mut self.sending;
        sending.in_message = !item.is_last();
        sending.message_len += item.payload_len();
        if item.is_last() {
            sending.messages += 1;
            let len = std::mem::take(&mut sending.message_len);
            self.display.detail(Way::Out, format_args!("{} of {len} bytes", kind_name(item.kind())));
        }
        if matches!(item, Item::Text(_) | Item::Binary(_)) {
            sending.unwritten.push_back((peer.written() + peer.buffered_amount() as u64, item));
        }
    }

    /// The connection is over. What the kernel never had whole, the server cannot have: it is still to be sent.
    fn take_back_unwritten(&mut self, written: u64) {
        self.sending.forget_written(written);
        while let Some((_, item)) = self.sending.unwritten.pop_back() {
            self.sending.messages -= 1;
            self.input.give_back(item);
        }
    }

    fn input_ended(&mut self, peer: &mut Peer<'_, ()>) {
        match self.options.wait {
            Wait::Forever => {}
            Wait::Silence(Duration::ZERO) => self.close_connection(peer),
            Wait::Silence(_) => self.raise_fence(peer),
        }
    }

    fn raise_fence(&mut self, peer: &mut Peer<'_, ()>) {
        // Refused only if the connection is closing.
        if peer.ping(&self.sending.messages.to_be_bytes()).is_ok() {
            let now = Instant::now();
            self.sending.fence = Fence::Sent(now);
            self.last_heard = now;
            self.display.detail(Way::Out, "Ping, behind everything that was sent");
            peer.wake_after(FENCE_LIMIT);
        }
    }

    /// Closes when the server has read everything and has said nothing for a while.
    fn close_if_silent(&mut self, peer: &mut Peer<'_, ()>) {
        let Wait::Silence(wait) = self.options.wait else { return };
        let silence = match self.sending.fence {
            Fence::Down => return,
            Fence::Passed => wait,
            Fence::Sent(_) => wait.max(FENCE_LIMIT),
        };
        if peer.buffered_amount() > 0 {
            // The kernel takes it slowly: that is no silence of the server's.
            self.last_heard = Instant::now();
        }
        let silent_for = self.last_heard.elapsed();
        if silent_for >= silence {
            self.close_connection(peer);
        } else {
            // A little more: timers may be early by their granularity.
            peer.wake_after(silence.saturating_sub(silent_for) + Duration::from_millis(5));
        }
    }

    fn check_display(&mut self, peer: &mut Peer<'_, ()>) {
        if self.display.failure().is_some() {
            self.close_connection(peer);
        }
    }

    fn close_connection(&mut self, peer: &mut Peer<'_, ()>) {
        if peer.close(CloseCode::NORMAL, "").is_ok() {
            self.phase = Phase::Closing;
            self.display.detail(Way::Out, "Close 1000");
        }
    }

    fn tell_closed(&mut self, closed: &Closed<'_>, is_asked_for: bool) {
        let reason = self.display.reason(closed.reason);
        let code = closed.code.get();
        match (closed.was_clean, is_asked_for, closed.cause) {
            (true, true, _) => {
                self.display.detail(Way::In, format_args!("Close {code}{reason}"));
                self.display.note("closed");
            }
            (true, false, None) if closed.code == CloseCode::NO_STATUS_RECEIVED => {
                self.display.note("closed by the server, without a code");
            }
            (true, false, None) => {
                self.display.note(format_args!("closed by the server: {code}{reason}"));
            }
            (_, _, Some(cause @ (Cause::Eof | Cause::Io(_)))) => {
                self.display.error(format_args!("connection lost ({code}): {cause}"));
            }
            (_, _, Some(cause)) => {
                self.display.error(format_args!("connection failed ({code}): {cause}"));
            }
            (false, _, None) => self.display.error(format_args!("connection lost ({code}{reason})")),
        }
        if !closed.was_clean {
            self.tell_uncertain();
        }
    }

    /// Messages that were written to a connection that then broke; each is told once.
    fn tell_uncertain(&mut self) {
        let sending = &mut self.sending;
        let uncertain = sending.messages - sending.confirmed;
        sending.confirmed = sending.messages;
        if uncertain > 0 {
            let messages = plural(uncertain, "message");
            self.display.error(format_args!("{messages} sent last may not have arrived"));
        }
    }

    fn retry_later(&mut self, peer: &mut Peer<'_, ()>, delay: Duration) {
        let sending = &mut self.sending;
        if std::mem::take(&mut sending.in_message) {
            sending.skips_message = true;
            sending.message_len = 0;
            sending.unsendable += 1;
            self.display.error("not sent: a message that was begun when the connection ended");
        }
        self.phase = Phase::Retrying(Instant::now() + delay);
        self.display.note(format_args!("connecting again in {:.1} s", delay.as_secs_f64()));
        peer.wake_after(delay + Duration::from_millis(5));
    }

    /// The last words, and the exit code.
    fn finish(&mut self) -> ExitCode {
        let unsent = self.sending.unsendable + self.tell_unsent();
        self.display.flush();
        if let Some(failure) = self.display.failure().map(String::from) {
            self.display.error(failure);
            return ExitCode::from(EXIT_FAILURE);
        }
        ExitCode::from(if self.result == 0 && unsent > 0 { EXIT_UNSENT } else { self.result })
    }

    /// What was read and not sent.
    fn tell_unsent(&mut self) -> u64 {
        let (rest, is_all) = self.input.rest();
        let mut unsent = u64::from(self.sending.in_message);
        if self.sending.in_message {
            self.display.error("not sent: the rest of a message that was begun");
        }
        let mut shown = 0;
        for item in rest {
            match item {
                Item::Text(text) if shown < SHOWN => {
                    shown += 1;
                    let start: String = text.chars().take(60).collect();
                    let more = if start.len() < text.len() { "…" } else { "" };
                    self.display.error(format_args!("not sent: {start:?}{more}"));
                }
                Item::Unsendable(why) => self.display.error(format_args!("not sent: {why}")),
                _ => {}
            }
            unsent += 1;
        }
        if unsent > shown as u64 {
            self.display.error(format_args!("{} not sent", plural(unsent, "message")));
        }
        if unsent > 0 && !is_all {
            self.display.error("the input was not read to its end");
        }
        unsent
    }
}

pub(super) fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

pub(super) fn payload_text(payload: &[u8]) -> String {
    match std::str::from_utf8(payload) {
        Ok("") => "without payload".into(),
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("of {} bytes", payload.len()),
    }
}

fn plural(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
