//! Limits and time-outs.

pub(crate) mod network;
pub(crate) mod origin;
pub(crate) mod resolver;
pub(crate) mod slow_consumer;
pub(crate) mod topic_limits;
pub(crate) mod trusted_proxies;

use std::io;
use std::net::IpAddr;

use sansws::{Config, Timeouts};

use crate::settings::origin::OriginPolicy;
use crate::settings::resolver::Resolver;
use crate::settings::topic_limits::TopicLimits;
use crate::settings::trusted_proxies::{ProxyHeader, TrustedProxies};

/// Everything that can be set about an event loop, with defaults that suit a public server.
///
/// ```
/// use sansws_mio::{OriginPolicy, Settings};
///
/// let settings = Settings {
///     origin: OriginPolicy::List(vec!["https://example.com".into()]),
///     max_connections: 10_000,
///     ..Settings::default()
/// };
/// assert_eq!(settings.high_water, 256 << 10);
/// ```
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which pages may connect (RFC 6455 §10.2). Default: those of the same origin.
    pub origin: OriginPolicy,
    /// Limits on frames, messages and fragments received (§10.4). Default 16 MiB for a frame and a
    /// message.
    ///
    /// [`Config::compression`] has no effect: no extension is negotiated.
    pub message: Config,
    /// Opening handshake (default 10 s), Ping interval (30 s), Pong (20 s), silence (unlimited),
    /// closing handshake (5 s).
    ///
    /// While output is queued no Ping is sent; that the kernel takes some of it counts as life. The
    /// time for the closing handshake begins anew whenever some of the output is taken.
    pub timeouts: Timeouts,
    /// Longest head of an HTTP request or response, in bytes; more is answered with 431. Default 16
    /// KiB.
    pub max_head_len: usize,
    /// Most header lines in a head, at most [`Settings::MOST_HEADERS`]; more is answered with 431.
    /// Default 100.
    pub max_headers: usize,
    /// Most bytes that are read of the content of a dialled server's response that is not a 101,
    /// for [`Cause::Refused`](crate::Cause::Refused); the rest is cut off. 0: none, and the dial
    /// fails at once. Default 4 KiB.
    pub max_refusal_content: usize,
    /// Most control frames in [`receive_buffer`](Self::receive_buffer) bytes of a peer that sends
    /// faster than it is read, at most [`Settings::MOST_CONTROL_FRAMES`]; more closes with 1008.
    /// Default 1024.
    pub max_control_frames: u32,
    /// Most connections accepted at a time, over all workers; one more is answered with 503.
    /// Default 65 536.
    ///
    /// The operating system's limit on open files is usually lower; at that one the server stops
    /// accepting for a moment.
    pub max_connections: usize,
    /// Most connections at a time from one IPv4 address or IPv6 /64, over all workers; one more is
    /// answered with 429.
    ///
    /// Default `None`: behind a proxy every client has the same address, unless you
    /// [trust the proxy](Self::trusted_proxies). Set it on servers that face the network.
    pub max_connections_per_address: Option<usize>,
    /// Reverse proxies that are trusted to pass on the client's address. Default `None`.
    ///
    /// A connection from such a proxy counts towards
    /// [`max_connections_per_address`](Self::max_connections_per_address) as soon as the client's
    /// address is known. If the proxy does not pass it on, the connection counts towards the
    /// proxy's address.
    pub trusted_proxies: Option<TrustedProxies>,
    /// Most bytes queued for one connection; a message that does not fit is not queued at all.
    /// Default 32 MiB.
    ///
    /// A single message longer than this can never be sent. Half of it at most is for what is
    /// published while the application is in the middle of a fragmented message.
    pub max_buffered: usize,
    /// With more bytes queued than this a connection is congested, see
    /// [`SlowConsumer`](crate::SlowConsumer). Default 256 KiB.
    pub high_water: usize,
    /// With no more bytes queued than this it no longer is, and
    /// [`Handler::drained`](crate::Handler::drained) is called. Default 64 KiB.
    pub low_water: usize,
    /// Size of the one buffer of each loop that all connections are read into, in bytes, at least
    /// 1024. Default 128 KiB.
    ///
    /// Of a connection whose messages take the application long, only a part of so much is read at
    /// a time, down to 512 bytes.
    pub receive_buffer: usize,
    /// Most reads from one connection before others have their turn, at least 1. Default 4.
    pub reads_per_turn: usize,
    /// What connections may subscribe to.
    pub topics: TopicLimits,
    /// Most commands of [`Handle`](crate::Handle)s that wait for one loop. Default 65 536.
    pub max_commands: usize,
    /// Most bytes of messages and topics that wait with those commands, and as many again while the
    /// loop carries out what it has taken. A command that is longer waits alone. Default 64 MiB.
    pub max_command_bytes: usize,
    /// Most bytes of memory for the messages in progress of all connections of a loop; beyond it,
    /// the connections with the largest ones are closed with 1013 until an eighth is free. Default
    /// 1 GiB.
    ///
    /// A message is in progress when it has begun to arrive and a read ended before it did. A path
    /// whose messages are handed out in pieces ([`Accept::streaming`](crate::Accept::streaming))
    /// has none.
    ///
    /// When a connection ends, this memory goes back to the allocator of the program, which may
    /// keep it. glibc does: each large block that is freed raises the size from which on blocks are
    /// mapped, and returned, one by one, up to 32 MiB; smaller ones come from a heap that bursts of
    /// unfinished messages fragment. After 20 bursts of 60 connections with 0.1 to 3 MB each, a
    /// server that had started with 4 MB had 57 MB with nobody connected, and 8 to 9 MB if that
    /// size was fixed at 128 KiB. This library does not change the allocator. A server can: by the
    /// environment variable `MALLOC_MMAP_THRESHOLD_=131072`, by `mallopt(M_MMAP_THRESHOLD, 128 <<
    /// 10)` before it starts threads, or by another `#[global_allocator]`. The price is page
    /// faults: an echo of 8 MiB took 10 ms of CPU time instead of 3, one of 1 MiB as long as
    /// before.
    pub max_incomplete_bytes: usize,
    /// How the host names of dialled URLs, and of proxies, become addresses. Default: as the
    /// operating system does it.
    pub resolver: Resolver,
}

impl Settings {
    /// The most header lines that can be allowed.
    pub const MOST_HEADERS: usize = 128;

    /// The most control frames that can be allowed.
    pub const MOST_CONTROL_FRAMES: u32 = u16::MAX as u32 - 1;
}

impl Settings {
    /// Whether all of them can have an effect.
    ///
    /// # Errors
    ///
    /// `InvalidInput`, with the name of the setting.
    pub(crate) fn check(&self) -> io::Result<()> {
        let invalid = |setting: &str, error: &dyn std::error::Error| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("Settings::{setting}: {error}"))
        };
        self.origin.check().map_err(|error| invalid("origin", &error))
    }

    /// Whether this is the address of a proxy that is believed; `is_known`: it may be, without one.
    pub(crate) fn trusts(&self, ip: Option<IpAddr>, is_known: bool) -> bool {
        is_known && self.trusted_proxies.as_ref().is_some_and(|proxies| proxies.trusts(ip))
    }

    /// Whether it says who the client is before anything else.
    pub(crate) fn announces(&self, ip: Option<IpAddr>, is_known: bool) -> bool {
        let by = self.trusted_proxies.as_ref().map(TrustedProxies::header);
        by == Some(ProxyHeader::ProxyProtocol) && self.trusts(ip, is_known)
    }

    /// Values that an event loop can work with, in place of those it cannot.
    pub(crate) fn sensible(mut self) -> Self {
        // No extension is negotiated, so none may be used.
        self.message.compression = false;
        self.max_headers = self.max_headers.min(Self::MOST_HEADERS);
        self.max_control_frames = self.max_control_frames.min(Self::MOST_CONTROL_FRAMES);
        // A queue must be congested before it is full: whoever is refused has to hear when there is
        // room.
        self.high_water = self.high_water.min(self.max_buffered / 2);
        self.low_water = self.low_water.min(self.high_water);
        self.reads_per_turn = self.reads_per_turn.max(1);
        self.receive_buffer = self.receive_buffer.max(1024);
        self
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            origin: OriginPolicy::SameOrigin,
            message: Config::default(),
            timeouts: Timeouts::default(),
            max_head_len: 16 << 10,
            max_headers: 100,
            max_refusal_content: 4 << 10,
            max_control_frames: 1024,
            max_connections: 65_536,
            max_connections_per_address: None,
            trusted_proxies: None,
            max_buffered: 32 << 20,
            high_water: 256 << 10,
            low_water: 64 << 10,
            receive_buffer: 128 << 10,
            reads_per_turn: 4,
            topics: TopicLimits::default(),
            max_commands: 65_536,
            max_command_bytes: 64 << 20,
            max_incomplete_bytes: 1 << 30,
            resolver: Resolver::default(),
        }
    }
}
