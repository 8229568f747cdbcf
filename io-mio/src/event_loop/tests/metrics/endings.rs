//! However a connection ends, nothing of it is left in the gauges, and time-outs and failures are
//! counted.

use std::io::{self, ErrorKind, IoSlice};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use sansws::CloseCode;

use super::{LATER, Loop, ended, frame};
use crate::event_loop::tests::virtual_time::{Socket, ms, readable, writable};
use crate::kernel::script::Script;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::settings::resolver::Resolver;
use crate::target::connect::Connect;
use crate::target::proxy::Proxy;

/// A socket that was reset.
#[derive(Debug)]
struct Reset;

impl Script for Reset {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::ConnectionReset.into())
    }

    fn write_vectored(&mut self, _: &[IoSlice<'_>]) -> io::Result<usize> {
        Err(ErrorKind::ConnectionReset.into())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Err(ErrorKind::NotConnected.into())
    }
}

#[test]
fn time_outs_are_counted_by_kind() {
    let settings = || {
        let mut settings = Settings::default();
        settings.timeouts.idle = Some(Duration::from_secs(40));
        settings
    };
    let counts = |metrics: &Metrics| {
        [metrics.timeouts_request, metrics.timeouts_pong, metrics.timeouts_idle, metrics.timeouts_closing]
    };
    // No request: 408 after 10 s, and 5 s for the end of the stream.
    let mut event_loop = Loop::new(settings());
    let socket = Socket::with_room(1000);
    let peer = event_loop.accept(&socket);
    event_loop.turn(0, &[writable(peer)]);
    event_loop.turn(9_999, &[]);
    assert_eq!((counts(&event_loop.metrics()), event_loop.metrics().connections_opening), ([0; 4], 1));
    event_loop.turn(10_001, &[]);
    assert_eq!(counts(&event_loop.metrics()), [1, 0, 0, 0]);
    assert_eq!((event_loop.metrics().refusals.with(408), event_loop.metrics().connections_closing), (1, 1));
    event_loop.turn(20_000, &[]);
    assert_eq!(counts(&event_loop.metrics()), [1, 0, 0, 1]);
    event_loop.assert_gone("no request");

    // No decision: 503 after 10 s.
    let mut event_loop = Loop::new(settings());
    event_loop.ask("/later", &Socket::with_room(1000));
    event_loop.turn(9_999, &[]);
    assert_eq!(event_loop.metrics().gauges(), [1, 0, 0, 0, 0]);
    event_loop.turn(10_001, &[]);
    let metrics = event_loop.metrics();
    assert_eq!((metrics.timeouts_decision, metrics.refusals.with(503), counts(&metrics)), (1, 1, [0; 4]));
    event_loop.turn(20_000, &[]);
    event_loop.assert_gone("no decision");

    // Silence: a Ping after 30 s, nothing by 50 s; 1011, and no Close by 55 s.
    let mut without_idle = settings();
    without_idle.timeouts.idle = None;
    let mut event_loop = Loop::new(without_idle);
    event_loop.open("/", 1000);
    for seconds in 1..50 {
        event_loop.turn(seconds * 1000, &[]);
    }
    assert_eq!(counts(&event_loop.metrics()), [0; 4]);
    event_loop.turn(50_001, &[]);
    assert_eq!(counts(&event_loop.metrics()), [0, 1, 0, 0]);
    assert_eq!(event_loop.metrics().connections_closing, 1);
    event_loop.turn(56_000, &[]);
    assert_eq!(counts(&event_loop.metrics()), [0, 1, 0, 1]);
    event_loop.assert_gone("no Pong");

    // Silence for 40 s: 1001; no Close by 45 s.
    let mut event_loop = Loop::new(settings());
    event_loop.open("/", 1000);
    event_loop.turn(30_001, &[]);
    event_loop.turn(40_001, &[]);
    assert_eq!(counts(&event_loop.metrics()), [0, 0, 1, 0]);
    event_loop.turn(46_000, &[]);
    assert_eq!(counts(&event_loop.metrics()), [0, 0, 1, 1]);
    event_loop.assert_gone("idle");
}

#[test]
fn nothing_is_left_however_a_connection_ends() {
    // In the midst of sending, and of a fragmented message.
    let setup = |room| {
        let mut event_loop = Loop::new(Settings::default());
        let (peer, socket) = event_loop.open("/", room);
        event_loop.0.context().send(peer, &[1; 1000][..]).expect("there is room");
        event_loop.0.context().peer(peer).expect("open").send_text_fragment("a", false).expect("room");
        event_loop.publish(300);
        event_loop.turn(1, &[]);
        assert!(event_loop.metrics().queued_bytes > 300);
        (event_loop, peer, socket)
    };
    let (mut event_loop, peer, socket) = setup(10_000);
    socket.buffers().arrived = frame(0x88, &[3, 232]);
    event_loop.turn(2, &[readable(peer), writable(peer)]);
    assert_eq!(event_loop.metrics().gauges(), [0, 0, 0, 1, 0]);
    socket.buffers().ended = true;
    event_loop.turn(3, &[ended(peer)]);
    event_loop.assert_gone("closed by the peer");

    let (mut event_loop, peer, _) = setup(100);
    event_loop.0.context().close(peer, CloseCode::NORMAL, "").expect("open");
    event_loop.turn(2, &[]);
    let metrics = event_loop.metrics();
    assert!(metrics.connections_closing == 1 && metrics.queued_bytes > 500, "{metrics:?}");
    event_loop.turn(LATER, &[]);
    event_loop.assert_gone("closed by the application");

    let (mut event_loop, peer, _) = setup(100);
    event_loop.0.abort(peer);
    event_loop.turn(2, &[]);
    event_loop.assert_gone("aborted");

    let (mut event_loop, peer, socket) = setup(100);
    socket.buffers().is_broken = true;
    event_loop.turn(2, &[writable(peer)]);
    socket.buffers().ended = true;
    event_loop.turn(3, &[ended(peer)]);
    event_loop.turn(LATER, &[]);
    event_loop.assert_gone("a write failed");

    let (mut event_loop, peer, socket) = setup(100);
    socket.buffers().ended = true;
    event_loop.turn(3, &[ended(peer)]);
    event_loop.turn(LATER, &[]);
    event_loop.assert_gone("the end of the stream");

    let (mut event_loop, peer, socket) = setup(100);
    event_loop.receive(2, peer, &socket, &[0x8f; 10]);
    event_loop.turn(LATER, &[]);
    event_loop.assert_gone("a broken frame");

    let (mut event_loop, ..) = setup(100);
    event_loop.0.shut_down_scripted(ms(1000));
    event_loop.turn(2, &[]);
    assert_eq!(event_loop.metrics().connections_closing, 1);
    event_loop.turn(2000, &[]);
    event_loop.assert_gone("a shutdown");

    let (event_loop, ..) = setup(100);
    let handle = event_loop.0.handle();
    let sent = handle.metrics().messages_sent;
    drop(event_loop);
    assert_eq!((handle.metrics().gauges(), handle.metrics().messages_sent), ([0; 5], sent));

    let mut event_loop = Loop::new(Settings::default());
    let peer = event_loop.0.accept_scripted(Box::new(Reset)).expect("there is room");
    event_loop.turn(1, &[readable(peer)]);
    event_loop.assert_gone("reset before the request");
    let peer = event_loop.0.dialled_scripted(Box::new(Reset), ());
    event_loop.turn(1, &[readable(peer)]);
    event_loop.turn(LATER, &[]);
    event_loop.assert_gone("reset");
    assert_eq!(event_loop.metrics().opened, 1);
}

#[test]
fn dials_and_their_failures_are_counted() {
    let connect = |address: SocketAddr| Connect::new("ws://a/", address, ()).expect("a URL");
    let listen = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        (listener, address)
    };
    let (_listener, address) = listen();
    let mut event_loop = Loop::new(Settings::default());
    let dial = |event_loop: &mut Loop, address| {
        let peer = event_loop.0.connect(connect(address));
        event_loop.turn(0, &[]);
        assert_eq!(event_loop.metrics().gauges(), [0, 1, 0, 0, 0]);
        peer
    };

    let peer = dial(&mut event_loop, address);
    event_loop.0.abort(peer);
    event_loop.turn(0, &[]);
    event_loop.assert_gone("aborted");
    let metrics = event_loop.metrics();
    assert_eq!((metrics.dialled, metrics.dials_failed, metrics.timeouts_connect), (1, 1, 0));

    // The name is not resolved before the test ends.
    let (ends, waits) = channel::<()>();
    let waits = Mutex::new(waits);
    let resolver = Resolver::new(move |_, _| {
        let _ = waits.lock().expect("no panic while it is locked").recv();
        Err(ErrorKind::NotFound.into())
    });
    let mut nameless = Loop::new(Settings { resolver, ..Settings::default() });
    nameless.0.connect(Connect::url("ws://a/", ()).expect("a URL"));
    nameless.turn(9_000, &[]);
    assert_eq!(nameless.metrics().gauges(), [0, 1, 0, 0, 0]);
    nameless.turn(11_000, &[]);
    nameless.assert_gone("not connected");
    let metrics = nameless.metrics();
    assert_eq!((metrics.dials_failed, metrics.timeouts_resolve, metrics.timeouts_connect), (1, 1, 0));
    drop(ends);

    // A resolver that gives up is no time-out.
    let resolver = Resolver::new(|_, _| Err(ErrorKind::TimedOut.into()));
    let mut nameless = Loop::new(Settings { resolver, ..Settings::default() });
    nameless.0.connect(Connect::url("ws://a/", ()).expect("a URL"));
    while nameless.metrics().dials_failed == 0 {
        nameless.0.turn(Some(Duration::from_secs(10))).expect("a turn");
    }
    assert_eq!(nameless.metrics().timeouts_resolve, 0);

    // The proxy does not answer.
    let mut behind = Loop::new(Settings::default());
    let proxy = Proxy::new(&format!("http://{address}")).expect("a URL");
    behind.0.connect(Connect::url("ws://a/", ()).expect("a URL").proxy(proxy));
    behind.turn(9_000, &[]);
    assert_eq!(behind.metrics().gauges(), [0, 1, 0, 0, 0]);
    behind.turn(11_000, &[]);
    behind.assert_gone("not connected");
    let metrics = behind.metrics();
    assert_eq!((metrics.dials_failed, metrics.timeouts_resolve, metrics.timeouts_connect), (1, 0, 1));

    // No response comes.
    let (listener, address) = listen();
    let mut event_loop = Loop::new(Settings::default());
    let peer = dial(&mut event_loop, address);
    let _accepted = listener.accept().expect("it is connected");
    event_loop.turn(1000, &[writable(peer)]);
    assert!(event_loop.metrics().bytes_sent > 100, "the request");
    event_loop.turn(12_000, &[]);
    event_loop.assert_gone("no response");
    let metrics = event_loop.metrics();
    assert_eq!((metrics.dialled, metrics.dials_failed, metrics.timeouts_handshake), (1, 1, 1));
    assert_eq!((metrics.opened, metrics.timeouts_connect), (0, 0));

    // Nobody listens.
    drop(listener);
    let mut event_loop = Loop::new(Settings::default());
    let peer = event_loop.0.connect(connect(address));
    event_loop.turn(LATER, &[ended(peer)]);
    event_loop.assert_gone("nobody listens");
    assert_eq!(event_loop.metrics().dials_failed, 1);

    // A shutdown has begun.
    let mut event_loop = Loop::new(Settings::default());
    event_loop.0.shut_down_scripted(ms(1000));
    event_loop.0.connect(connect(address));
    event_loop.turn(1, &[]);
    event_loop.assert_gone("shutting down");
    assert_eq!((event_loop.metrics().dialled, event_loop.metrics().dials_failed), (1, 1));
}
