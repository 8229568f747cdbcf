//! `wsc --listen`: a server to try clients with.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sansws_mio::{
    Accept, Chunk, CloseCode, Closed, Context, EventLoop, Handle, Handler, Peer, PeerAddr, Request, Response,
    SendError,
};

use super::connection::{payload_text, settings};
use super::display::{Display, Way};
use super::input::{Input, Item};
use super::options::{Options, Wait};
use crate::clients::command_line::EXIT_UNSENT;
use crate::clients::signals::on_interrupt;
use crate::memory;

/// How long clients have to take what is queued for them, and to answer the Close.
const DRAIN: Duration = Duration::from_millis(1500);

/// Serves until Ctrl-C.
///
/// # Errors
///
/// What kept it from beginning, such as an address in use.
pub fn run(options: Options, addr: SocketAddr, echo: bool) -> Result<ExitCode, String> {
    memory::return_large_blocks();
    let fail = |error: std::io::Error| format!("cannot listen on {addr}: {error}");
    let listener = TcpListener::bind(addr).map_err(fail)?;
    let addr = listener.local_addr().map_err(fail)?;
    let input = Input::open(&options)?;
    let mut display = Display::open(&options)?;
    display.error(format_args!("listening on ws://{addr}/"));
    let settings = settings(&options);
    let server = Server {
        options,
        echo,
        input,
        display,
        handle: None,
        interrupted: Arc::default(),
        in_message: false,
        ended: false,
        failures: 0,
    };
    let mut event_loop = EventLoop::new(server, settings).map_err(|error| error.to_string())?;
    event_loop.listen(listener).map_err(fail)?;
    let handle = event_loop.handle();
    event_loop.handler_mut().handle = Some(handle.clone());
    event_loop.handler_mut().interrupted =
        on_interrupt(move || handle.wake()).map_err(|error| error.to_string())?;
    while event_loop.turn(None).map_err(|error| error.to_string())? {
        event_loop.handler_mut().display.flush();
    }
    event_loop.handler_mut().finish()
}

struct Server {
    options: Options,
    echo: bool,
    input: Input,
    display: Display,
    handle: Option<Handle>,
    interrupted: Arc<AtomicBool>,
    /// A message of the input was begun and has not ended.
    in_message: bool,
    ended: bool,
    /// What was not sent, or not everywhere.
    failures: u64,
}

/// What a client has to do with messages of the input and with those that go back to it.
#[derive(Default)]
struct Session {
    /// It has the message of the input from its beginning; who comes in the middle gets the next one.
    takes_part: bool,
    echo: Echo,
    /// What [`Peer::written`] will be when all that was sent is.
    sent: u64,
}

/// What becomes of the message that is coming in.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Echo {
    /// There is none, or nothing of it went back.
    #[default]
    None,
    Going,
    /// It could not go back whole, so that the rest does not either.
    Refused,
}

impl Handler for Server {
    type Session = Session;

    fn upgrade(&mut self, request: &Request<'_>, accept: &mut Accept) -> Result<Session, Response> {
        let from = request.remote_addr();
        self.display.detail(Way::In, format_args!("{from} {} {}", request.method(), request.target()));
        for (name, value) in request.headers().iter() {
            let line = format!("{name}: {}", String::from_utf8_lossy(value));
            self.display.detail(Way::In, line);
        }
        let ours: Vec<&str> = self.options.protocols.iter().map(String::as_str).collect();
        accept.choose_subprotocol(request, &ours).streaming(true);
        for (name, value) in &self.options.headers {
            accept.header(name, value);
        }
        Ok(Session::default())
    }

    fn open(&mut self, peer: &mut Peer<'_, Session>) {
        self.display.note(format_args!("{} connected", name(peer.remote_addr())));
        if let Some(handle) = self.handle.clone() {
            // Only now is there somebody to hear it.
            self.input.start(move || handle.wake());
            peer.wake_after(Duration::ZERO);
        }
    }

    fn chunk(&mut self, peer: &mut Peer<'_, Session>, chunk: Chunk<'_>) {
        if self.echo {
            self.echo(peer, &chunk);
        }
        let is_whole = self.display.received(&chunk);
        if self.display.failure().is_some() || (is_whole && self.options.one) {
            peer.shutdown(DRAIN);
        }
    }

    fn ping(&mut self, peer: &mut Peer<'_, Session>, payload: &[u8]) {
        let from = name(peer.remote_addr());
        self.display
            .detail(Way::In, format_args!("{from}: Ping {}; a Pong goes back", payload_text(payload)));
    }

    fn pong(&mut self, peer: &mut Peer<'_, Session>, payload: &[u8]) {
        self.display
            .detail(Way::In, format_args!("{}: Pong {}", name(peer.remote_addr()), payload_text(payload)));
    }

    fn close(&mut self, peer: &mut Peer<'_, Session>, closed: Closed<'_>) {
        // The input may have waited for this one.
        peer.wake_after(Duration::ZERO);
        let cause = closed.cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
        let (code, reason) = (closed.code.get(), self.display.reason(closed.reason));
        self.display.note(format_args!("{} closed: {code}{reason}{cause}", name(peer.remote_addr())));
        if peer.written_at_most() < peer.session().sent {
            self.failed(format_args!("{}: not all that was sent has arrived", name(peer.remote_addr())));
        }
    }

    fn drained(&mut self, peer: &mut Peer<'_, Session>) {
        peer.wake_after(Duration::ZERO);
    }

    fn wake(&mut self, cx: &mut Context<'_, Session>) {
        if self.interrupted.load(Ordering::Relaxed) {
            return cx.shutdown(DRAIN);
        }
        // What is typed while nobody is there waits for the next client.
        while !self.ended && is_wanted(cx) {
            let Some(item) = self.input.take() else { return };
            match item {
                Item::Unsendable(why) => self.failed(format_args!("not sent: {why}")),
                Item::End => {
                    self.ended = true;
                    if self.options.wait != Wait::Forever {
                        cx.shutdown(DRAIN);
                    }
                }
                item => self.send_to_all(cx, &item),
            }
        }
    }
}

impl Server {
    fn send_to_all(&mut self, cx: &mut Context<'_, Session>, item: &Item) {
        let is_first = !std::mem::replace(&mut self.in_message, !item.is_last());
        cx.for_each_peer(|peer| {
            // Who is leaving misses nothing.
            if !peer.is_open() || !(is_first || peer.session().takes_part) {
                return;
            }
            let is_echoing = peer.session().echo == Echo::Going;
            let result = if is_echoing { Err(SendError::MessageInProgress) } else { item.send(peer) };
            peer.session_mut().takes_part = result.is_ok() && !item.is_last();
            match result {
                Ok(()) => sent(peer),
                Err(error) => {
                    self.failed(format_args!("{}: not sent: {error}", name(peer.remote_addr())));
                    if !is_first {
                        // Without this fragment it must not look whole. Refused only if it is closing.
                        let _ = peer.close(CloseCode::INTERNAL_ERROR, "");
                    }
                }
            }
        });
    }

    /// Sends back, fragment by fragment, as it comes.
    fn echo(&mut self, peer: &mut Peer<'_, Session>, chunk: &Chunk<'_>) {
        let (first, last) = match chunk {
            Chunk::Text(chunk) => (chunk.first, chunk.last),
            Chunk::Binary(chunk) => (chunk.first, chunk.last),
        };
        if !first && peer.session().echo == Echo::Refused {
            return;
        }
        // RFC 6455 §5.4: "The fragments of one message MUST NOT be interleaved between the fragments of another message"
        let is_busy = peer.session().takes_part;
        let result = if is_busy { Err(SendError::MessageInProgress) } else { echo(peer, chunk) };
        peer.session_mut().echo = match result {
            Ok(()) if last => Echo::None,
            Ok(()) => Echo::Going,
            Err(_) => Echo::Refused,
        };
        match result {
            Ok(()) => sent(peer),
            Err(error) => {
                self.failed(format_args!("{}: not echoed: {error}", name(peer.remote_addr())));
                if !is_busy {
                    // Something of it may have gone back already.
                    let _ = peer.close(CloseCode::INTERNAL_ERROR, "");
                }
            }
        }
    }

    fn failed(&mut self, what: impl std::fmt::Display) {
        self.failures += 1;
        self.display.error(what);
    }

    /// The last words, and the exit code.
    fn finish(&mut self) -> Result<ExitCode, String> {
        let (rest, _) = self.input.rest();
        if self.in_message && !self.ended {
            self.failed("not sent: the rest of a message that was begun");
        } else if !rest.is_empty() {
            self.failed("not sent: the rest of the input");
        }
        self.display.flush();
        match self.display.failure() {
            Some(failure) => Err(failure.into()),
            None if self.failures > 0 => Ok(ExitCode::from(EXIT_UNSENT)),
            None => Ok(ExitCode::SUCCESS),
        }
    }
}

/// Whether somebody is there to hear more of the input, and nobody takes it more slowly than it comes.
fn is_wanted(cx: &mut Context<'_, Session>) -> bool {
    let (mut open, mut congested) = (false, false);
    cx.for_each_peer(|peer| {
        open |= peer.is_open();
        congested |= peer.is_open() && peer.is_congested();
    });
    open && !congested
}

fn sent(peer: &mut Peer<'_, Session>) {
    peer.session_mut().sent = peer.written() + peer.buffered_amount() as u64;
}

fn echo(peer: &mut Peer<'_, Session>, chunk: &Chunk<'_>) -> Result<(), SendError> {
    match chunk {
        Chunk::Text(chunk) => {
            if !chunk.carried.is_empty() {
                peer.send_text_fragment(chunk.carried.as_str(), false)?;
            }
            peer.send_text_fragment(chunk.text, chunk.last)
        }
        Chunk::Binary(chunk) => peer.send_binary_fragment(chunk.payload, chunk.last),
    }
}

fn name(addr: PeerAddr) -> String {
    addr.to_string()
}
