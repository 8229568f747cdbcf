//! WebSocket servers and clients on [mio](https://docs.rs/mio): the driver of the [`sansws`]
//! engine.
//!
//! An application implements [`Handler`] and gives it to a [`Server`]:
//!
//! ```no_run
//! use sansws_mio::{Accept, Handler, Message, Peer, Request, Response, Server};
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     type Session = ();
//!
//!     fn upgrade(&mut self, _: &Request<'_>, _: &mut Accept) -> Result<(), Response> {
//!         Ok(())
//!     }
//!
//!     fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
//!         let _ = peer.send(message);
//!     }
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     Server::bind("127.0.0.1:8080")?.run(Echo)
//! }
//! ```
//!
//! # How it works
//!
//! One [`EventLoop`] per thread owns all of its connections, and one of everything that they can
//! share: the buffer that they are read into, the buffer in which all replies to one read are
//! gathered to be written with one system call, the timers, the topics. A message that came in one
//! piece is handed out from where it was read. A connection owns an output queue only while the
//! kernel refuses bytes, and a buffer for a message only while that comes in pieces; an idle one
//! owns none.
//!
//! There is no locking and no waiting inside a loop: every call of the [`Handler`] gets what it may
//! act on as an argument. That is a [`Peer`], one connection with the application's own state of
//! it, or a [`Context`] with all of them. Other threads reach the loop through a [`Handle`].
//!
//! # What to know
//!
//! - **Topics.** [`Peer::subscribe`] and [`Peer::publish`] send one message to many. It is encoded
//!   once and shared by all receivers, on all [workers](Server::run_workers). What is published in
//!   a call goes out when the call returns; for each receiver the order is kept.
//! - **Slow readers.** What the kernel does not take is queued, up to [`Settings::max_buffered`];
//!   beyond that a message is refused, never dropped in silence. Past [`Settings::high_water`] a
//!   connection is congested, and [`SlowConsumer`] says what that means; back at
//!   [`Settings::low_water`] comes [`Handler::drained`].
//! - **The end.** [`Handler::close`] is the one last call about every connection, however it ended.
//!   [`Handle::shutdown`] ends the server with 1001 for everybody, and lets what was queued be
//!   delivered first.
//! - **Limits.** Everything that a peer could make grow has a limit with a default; they are all in
//!   [`Settings`].
//! - **Memory.** What connections had is freed when they end; whether the process gets smaller is
//!   up to its allocator. glibc keeps much after bursts of large messages unless it is told
//!   otherwise: see [`Settings::max_incomplete_bytes`].
//! - **Browsers.** Only pages of the same origin may connect, unless [`OriginPolicy`] says
//!   otherwise.
//! - **Proxies.** Behind one, all clients have its address, unless [`Settings::trusted_proxies`]
//!   has it tell theirs.
//! - **Clients.** [`EventLoop::connect`] and [`Peer::connect`] dial. The connection lives on the
//!   same loop, with the same handler.
//! - **Logs.** What goes wrong with single connections is told to the `log` crate at the level
//!   `debug`, what an operator should see at `warn`.

#![forbid(unsafe_code)]
#![doc(test(attr(deny(warnings), allow(dead_code))))]
// This crate is all about sockets and threads: it needs std, and says so everywhere.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod app;
mod client;
mod conn;
mod dial;
mod event_loop;
mod hub;
mod kernel;
mod metrics;
mod phases;
mod random;
mod server;
mod settings;
mod state;
mod target;
#[cfg(feature = "__tls")]
mod tls;

pub use app::accept::Accept;
pub use app::context::Context;
pub use app::handler::{Chunk, Handler};
pub use app::peer::Peer;
pub use app::request::Request;
pub use app::response::Response;
pub use client::{
    Attempt, Backoff, BinaryType, Clients, CloseError, CloseEvent, Data, Disconnected, Event, EventKind,
    FailureCause, Heartbeat, InvalidStateError, MessageId, Next, ReadyState, Reconnect, ReliableBuilder,
    ReliableEvent, ReliableWebSocket, SendRefused, SyntaxError, Unsent, WebSocket, WebSocketBuilder,
};
pub use conn::ending::{By, Cause, Closed};
pub use conn::peer_addr::PeerAddr;
pub use conn::peer_id::PeerId;
pub use event_loop::EventLoop;
pub use hub::command::CommandError;
pub use hub::handle::Handle;
pub use metrics::{Metrics, Refusals};
pub use server::Server;
pub use settings::Settings;
pub use settings::origin::{InvalidOrigin, OriginPolicy};
pub use settings::resolver::Resolver;
pub use settings::slow_consumer::SlowConsumer;
pub use settings::topic_limits::TopicLimits;
pub use settings::trusted_proxies::{InvalidProxies, ProxyHeader, TrustedProxies};
pub use state::topics::TopicError;
pub use target::connect::Connect;
pub use target::connect_error::ConnectError;
pub use target::proxy::{Proxy, ProxyError, ProxyUrlError};
pub use target::redirect::RedirectError;
#[cfg(feature = "__tls")]
pub use tls::{TlsClient, TlsClientBuilder, TlsConfigError, TlsServer, TlsServerBuilder};

#[cfg(feature = "__scripted")]
#[doc(hidden)]
pub use event_loop::scripted::Edge;
#[cfg(feature = "__scripted")]
#[doc(hidden)]
pub use kernel::script::Script;
#[cfg(feature = "__tls")]
pub use rustls;
pub use sansws::handshake::HandshakeError;
pub use sansws::{
    self, BinaryChunk, CloseCode, Config, Expired, Message, MessageKind, ProtocolError, Role, SendError,
    TextChunk, Timeouts,
};

// What the README shows compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
