//! `wsc --listen`: a server to try clients with.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sansws_mio::{
    Accept, Chunk, Closed, Context, EventLoop, Handle, Handler, Peer, PeerAddr, Request, Response, SendError,
};

use super::connection::{payload_text, settings};
use super::display::{Display, Way};
use super::input::{Input, Item};
use super::options::{Options, Wait};
use crate::clients::signals::on_interrupt;

/// How long clients have to take what is queued for them, and to answer the Close.
const DRAIN: Duration = Duration::from_millis(1500);

/// Serves until Ctrl-C.
///
/// # Errors
///
/// What kept it from beginning, such as an address in use.
pub fn run(options: Options, addr: SocketAddr, echo: bool) -> Result<ExitCode, String> {
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
        clients: 0,
        ended: false,
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
    let display = &mut event_loop.handler_mut().display;
    display.flush();
    match display.failure() {
        Some(failure) => Err(failure.into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

struct Server {
    options: Options,
    echo: bool,
    input: Input,
    display: Display,
    handle: Option<Handle>,
    interrupted: Arc<AtomicBool>,
    clients: usize,
    ended: bool,
}

impl Handler for Server {
    type Session = ();

    fn upgrade(&mut self, request: &Request<'_>, accept: &mut Accept) -> Result<(), Response> {
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
        Ok(())
    }

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        self.clients += 1;
        self.display.note(format_args!("{} connected", name(peer.remote_addr())));
        if let Some(handle) = self.handle.clone() {
            // Only now is there somebody to hear it.
            self.input.start(move || handle.wake());
            peer.wake_after(Duration::ZERO);
        }
    }

    fn chunk(&mut self, peer: &mut Peer<'_, ()>, chunk: Chunk<'_>) {
        if self.echo {
            if let Err(error) = echo(peer, &chunk) {
                self.display.error(format_args!("{}: not echoed: {error}", name(peer.remote_addr())));
            }
        }
        let is_whole = self.display.received(&chunk);
        if self.display.failure().is_some() || (is_whole && self.options.one) {
            peer.shutdown(DRAIN);
        }
    }

    fn ping(&mut self, peer: &mut Peer<'_, ()>, payload: &[u8]) {
        let from = name(peer.remote_addr());
        self.display
            .detail(Way::In, format_args!("{from}: Ping {}; a Pong goes back", payload_text(payload)));
    }

    fn pong(&mut self, peer: &mut Peer<'_, ()>, payload: &[u8]) {
        self.display
            .detail(Way::In, format_args!("{}: Pong {}", name(peer.remote_addr()), payload_text(payload)));
    }

    fn close(&mut self, peer: &mut Peer<'_, ()>, closed: Closed<'_>) {
        self.clients -= 1;
        let cause = closed.cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
        let (code, reason) = (closed.code.get(), self.display.reason(closed.reason));
        self.display.note(format_args!("{} closed: {code}{reason}{cause}", name(peer.remote_addr())));
    }

    fn wake(&mut self, cx: &mut Context<'_, ()>) {
        if self.interrupted.load(Ordering::Relaxed) {
            return cx.shutdown(DRAIN);
        }
        // What is typed while nobody is there waits for the next client.
        while self.clients > 0 && !self.ended {
            let Some(item) = self.input.take() else { return };
            match item {
                Item::Unsendable(why) => self.display.error(format_args!("not sent: {why}")),
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
    fn send_to_all(&mut self, cx: &mut Context<'_, ()>, item: &Item) {
        let display = &mut self.display;
        cx.for_each_peer(|peer| {
            if let Err(error) = item.send(peer) {
                display.error(format_args!("{}: not sent: {error}", name(peer.remote_addr())));
            }
        });
    }
}

/// Fragment by fragment, as it comes.
fn echo(peer: &mut Peer<'_, ()>, chunk: &Chunk<'_>) -> Result<(), SendError> {
    match chunk {
        Chunk::Text(chunk) => {
            let mut buffer = [0; 4];
            if let Some(carried) = chunk.carried {
                peer.send_text_fragment(carried.encode_utf8(&mut buffer), false)?;
            }
            peer.send_text_fragment(chunk.text, chunk.last)
        }
        Chunk::Binary(chunk) => peer.send_binary_fragment(chunk.payload, chunk.last),
    }
}

fn name(addr: PeerAddr) -> String {
    addr.to_string()
}
