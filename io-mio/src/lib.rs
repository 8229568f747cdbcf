//! WebSocket servers and clients on mio.

#![forbid(unsafe_code)]
#![doc(test(attr(deny(warnings))))]
// This crate is all about sockets and threads: it needs std, and says so everywhere.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod accept;
mod accepting;
mod client;
mod closing;
mod connect;
mod context;
mod credentials;
mod deliver;
mod dial;
mod driver;
mod event_loop;
mod eyeballs;
mod frame;
mod handle;
mod handler;
mod listener;
mod opening;
mod origin;
mod outqueue;
mod peer;
mod proxy;
mod random;
mod receiving;
mod redirect;
mod request;
mod resolve;
mod response;
mod serializer;
mod server;
mod settings;
mod shared;
mod slot;
mod target;
mod timers;
#[cfg(feature = "__tls")]
mod tls;
mod topics;
mod transport;

pub use accept::{Accept, SlowConsumer};
pub use client::{
    BinaryType, Clients, CloseError, CloseEvent, Data, Disconnected, Event, EventKind, FailureCause,
    Heartbeat, InvalidStateError, MessageId, ReadyState, ReliableBuilder, ReliableEvent, ReliableWebSocket,
    SendRefused, SyntaxError, Unsent, WebSocket, WebSocketBuilder,
};
pub use connect::{Connect, ConnectError};
pub use context::Context;
pub use event_loop::EventLoop;
pub use handle::{CommandError, Handle};
pub use handler::{By, Cause, Chunk, Closed, Handler};
pub use origin::OriginPolicy;
pub use peer::{Peer, PeerId};
pub use proxy::{Proxy, ProxyError, ProxyUrlError};
pub use redirect::RedirectError;
pub use request::Request;
pub use resolve::Resolver;
pub use response::Response;
pub use server::Server;
pub use settings::Settings;
#[cfg(feature = "__tls")]
pub use tls::{TlsClient, TlsClientBuilder, TlsConfigError, TlsServer, TlsServerBuilder};
pub use topics::{TopicError, TopicLimits};
pub use transport::PeerAddr;

#[cfg(feature = "__tls")]
pub use rustls;
pub use sansws;
pub use sansws::handshake::HandshakeError;
pub use sansws::{
    BinaryChunk, CloseCode, Config, Expired, Message, MessageKind, ProtocolError, Role, SendError, TextChunk,
    Timeouts,
};
