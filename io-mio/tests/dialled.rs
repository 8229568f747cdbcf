//! Dialled connections, on the loop that accepts them and against other servers.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

#[path = "reach/refusing.rs"]
#[allow(dead_code)]
mod refusing;
mod support;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use refusing::refusing;
use sansws::handshake::accept_value;
use sansws_mio::{
    Accept, Closed, Connect, ConnectError, EventLoop, Handler, Message, Peer, Request, Response, Role,
    Settings, Timeouts,
};
use support::{Called, DEADLINE, called_close};

/// Both ends of each connection. Sessions name them.
#[derive(Default)]
struct BothEnds {
    /// What happened to whom, in order.
    log: Vec<(String, Called)>,
    /// How often each path was asked for.
    asked: HashMap<String, usize>,
}

impl BothEnds {
    fn note(&mut self, name: &str, called: Called) {
        self.log.push((name.into(), called));
    }

    fn has(&self, name: &str, called: impl Fn(&Called) -> bool) -> bool {
        self.log.iter().any(|(who, what)| who == name && called(what))
    }

    fn closed(&self, name: &str) -> Option<&Called> {
        self.log
            .iter()
            .find(|(who, what)| who == name && matches!(what, Called::Close { .. }))
            .map(|(_, what)| what)
    }
}

impl Handler for BothEnds {
    type Session = String;

    fn upgrade(&mut self, request: &Request<'_>, accept: &mut Accept) -> Result<String, Response> {
        *self.asked.entry(request.path().into()).or_default() += 1;
        accept.choose_subprotocol(request, &["echo.v1"]);
        match request.path() {
            "/refuse" => Err(Response::forbidden("go away")),
            _ => Ok("accepted".into()),
        }
    }

    fn open(&mut self, peer: &mut Peer<'_, String>) {
        let name = peer.session().clone();
        self.note(&name, Called::Open(peer.id()));
        if peer.role() == Role::Client {
            let _ = peer.send("hello");
            let _ = peer.send(&*vec![5; 200_000]);
        }
    }

    fn message(&mut self, peer: &mut Peer<'_, String>, message: Message<'_>) {
        let name = peer.session().clone();
        match peer.role() {
            Role::Server => {
                let _ = peer.send(message);
            }
            Role::Client => match message {
                Message::Text(text) => self.note(&name, Called::Text(text.into())),
                Message::Binary(payload) => {
                    self.note(&name, Called::Binary(payload.len()));
                    let _ = peer.close(1000.into(), "done");
                }
            },
        }
    }

    fn close(&mut self, peer: &mut Peer<'_, String>, closed: Closed<'_>) {
        let name = peer.session().clone();
        self.note(&name, called_close(&closed));
    }
}

struct Test {
    event_loop: EventLoop<BothEnds>,
    addr: SocketAddr,
}

impl Test {
    fn new(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let mut event_loop = EventLoop::new(BothEnds::default(), settings).expect("an event queue");
        event_loop.listen(listener).expect("registered");
        Self { event_loop, addr }
    }

    fn start() -> Self {
        Self::new(Settings::default())
    }

    fn dial(&self, path: &str, name: &str) -> Connect<String> {
        Connect::new(&format!("ws://{}{path}", self.addr), self.addr, name.into()).expect("a URL")
    }

    fn turn_until(&mut self, done: impl Fn(&BothEnds) -> bool) {
        let start = Instant::now();
        while !done(self.event_loop.handler()) {
            assert!(start.elapsed() < DEADLINE, "{:?}", self.event_loop.handler().log);
            self.event_loop.turn(Some(Duration::from_millis(50))).expect("it goes on");
        }
    }
}

#[test]
fn both_ends_on_one_loop() {
    let mut test = Test::start();
    let connect = test.dial("/echo?x=y", "dialled").subprotocol("echo.v1").header("X-Test", "1");
    test.event_loop.connect(connect);
    test.turn_until(|ends| ends.closed("dialled").is_some() && ends.closed("accepted").is_some());
    let ends = test.event_loop.handler();
    assert!(ends.has("dialled", |called| *called == Called::Text("hello".into())));
    assert!(ends.has("dialled", |called| *called == Called::Binary(200_000)));
    for name in ["dialled", "accepted"] {
        assert!(matches!(
            ends.closed(name),
            Some(Called::Close { code: 1000, was_clean: true, cause: None, .. })
        ));
    }
    let count = test.event_loop.handle();
    test.turn_until(|_| count.connections() == 0);
}

#[cfg(unix)]
#[test]
fn over_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("sansws-test-{}", std::process::id()));
    let server = sansws_mio::Server::bind_unix(&path).expect("a free path");
    assert!(sansws_mio::Server::bind_unix(&path).is_err(), "in use");
    let handle = server.handle();
    let thread = std::thread::spawn(move || server.run(BothEnds::default()));
    let mut event_loop = EventLoop::new(BothEnds::default(), Settings::default()).expect("an event queue");
    event_loop.connect(Connect::unix("ws://localhost/echo", &path, "dialled".to_string()).expect("a URL"));
    let start = Instant::now();
    while event_loop.handler().closed("dialled").is_none() {
        assert!(start.elapsed() < DEADLINE);
        event_loop.turn(Some(Duration::from_millis(50))).expect("it goes on");
    }
    assert!(event_loop.handler().has("dialled", |called| *called == Called::Binary(200_000)));
    handle.shutdown(Duration::from_secs(1));
    thread.join().expect("no panic").expect("no error");
    // The file of a server that is gone does not keep the next one from starting.
    drop(sansws_mio::Server::bind_unix(&path).expect("free again"));
    let _ = std::fs::remove_file(&path);
}

#[test]
fn failures_are_told_with_their_cause() {
    let mut test = Test::start();
    let refused = test.dial("/refuse", "refused");
    test.event_loop.connect(refused);
    let connect =
        Connect::new("ws://localhost/", refusing("127.0.0.1:0"), "nobody".to_string()).expect("a URL");
    test.event_loop.connect(connect);
    // A header that cannot be sent.
    let wrong = test.dial("/echo", "wrong").header("X\r\nY", "z").concurrent(true);
    test.event_loop.connect(wrong);
    test.turn_until(|ends| ["refused", "nobody", "wrong"].iter().all(|name| ends.closed(name).is_some()));
    for (name, told) in [("refused", "403"), ("nobody", "refused"), ("wrong", "name of a header")] {
        match test.event_loop.handler().closed(name) {
            Some(Called::Close { code: 1006, was_clean: false, cause: Some(cause), .. }) => {
                assert!(cause.contains(told), "{name}: {cause}");
            }
            other => panic!("{name}: {other:?}"),
        }
        assert!(!test.event_loop.handler().has(name, |called| matches!(called, Called::Open(_))));
    }
}

/// A server of which the test says what it answers, byte for byte.
fn scripted(answer: impl FnOnce(&str) -> Vec<u8> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("a request");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("ASCII");
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
        stream.set_nodelay(true).expect("an option");
        for piece in answer(key).chunks(11) {
            if stream.write_all(piece).is_err() {
                return; // The client has read enough.
            }
        }
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    });
    addr
}

fn switching(key: &str) -> String {
    let accept = accept_value(key.as_bytes());
    let accept = std::str::from_utf8(&accept).expect("ASCII");
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n"
    )
}

/// Rules R-4.1-g and R-4.1-m.
#[test]
fn responses_are_checked() {
    let dial = |answer: fn(&str) -> Vec<u8>| {
        // The scripted server never closes first.
        let timeouts = Timeouts::new().close(Duration::from_millis(200));
        let mut test = Test::new(Settings { timeouts, ..Settings::default() });
        let connect =
            Connect::new("ws://localhost/", scripted(answer), "dialled".to_string()).expect("a URL");
        test.event_loop.connect(connect);
        test.turn_until(|ends| ends.closed("dialled").is_some());
        test.event_loop.handler().log.clone()
    };
    // Interim responses first, then frames glued to the head: a text and a Close.
    let log = dial(|key| {
        let mut bytes =
            b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n".to_vec();
        bytes.extend(format!("{}\r\n", switching(key)).into_bytes());
        bytes.extend(b"\x81\x02hi\x88\x02\x0f\xa0");
        bytes
    });
    assert!(matches!(&log[0].1, Called::Open(_)), "{log:?}");
    assert_eq!(log[1].1, Called::Text("hi".into()));
    assert!(matches!(log[2].1, Called::Close { code: 4000, was_clean: true, .. }));

    let cause = |answer| match dial(answer).as_slice() {
        [(_, Called::Close { code: 1006, was_clean: false, cause: Some(cause), .. })] => cause.clone(),
        other => panic!("{other:?}"),
    };
    assert!(
        cause(|_| switching("wrong").into_bytes().into_iter().chain(*b"\r\n").collect()).contains("Accept")
    );
    assert!(
        cause(|key| format!("{}Sec-WebSocket-Protocol: x\r\n\r\n", switching(key)).into())
            .contains("not offered")
    );
    assert!(cause(|_| b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".to_vec()).contains("503"));
    assert!(cause(|_| b"SSH-2.0-OpenSSH\r\n\r\n".to_vec()).contains("HTTP"));
    assert!(cause(|_| format!("HTTP/1.1 101 x\r\nX: {}", "y".repeat(20_000)).into()).contains("too long"));
    assert!(cause(|_| "HTTP/1.1 100 x\r\n\r\n".repeat(17).into()).contains("too many"));
}

#[test]
fn a_server_that_does_not_answer() {
    let timeouts = Timeouts::new().handshake(Duration::from_millis(50));
    let mut test = Test::new(Settings { timeouts, ..Settings::default() });
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = silent.local_addr().expect("bound");
    test.event_loop.connect(Connect::new("ws://localhost/", addr, "dialled".to_string()).expect("a URL"));
    test.turn_until(|ends| ends.closed("dialled").is_some());
    match test.event_loop.handler().closed("dialled") {
        Some(Called::Close { cause: Some(cause), .. }) => assert_eq!(cause, "no opening handshake in time"),
        other => panic!("{other:?}"),
    }
}

/// Rule R-5.5.1-d.
#[test]
fn a_client_waits_for_the_server_to_close() {
    // §7.1.1: the server, after its Close, keeps TCP open; the client waits for its FIN, but not for ever.
    let timeouts = Timeouts::new().close(Duration::from_millis(100));
    let mut test = Test::new(Settings { timeouts, ..Settings::default() });
    let addr = scripted(|key| {
        let mut bytes = format!("{}\r\n", switching(key)).into_bytes();
        bytes.extend(b"\x88\x02\x03\xe8");
        bytes
    });
    // Before the Close can have come.
    let start = Instant::now();
    test.event_loop.connect(Connect::new("ws://localhost/", addr, "dialled".to_string()).expect("a URL"));
    test.turn_until(|ends| ends.has("dialled", |called| matches!(called, Called::Open(_))));
    test.turn_until(|ends| ends.closed("dialled").is_some());
    assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
    assert!(matches!(
        test.event_loop.handler().closed("dialled"),
        Some(Called::Close { code: 1000, was_clean: true, .. })
    ));
}

/// Rule R-4.1-a.
#[test]
fn one_opening_handshake_at_a_time_for_one_address() {
    // A server that accepts by hand: nothing moves unless the test moves it.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    listener.set_nonblocking(true).expect("an option");
    let mut test = Test::start();
    let dial = |name: &str| Connect::new("ws://localhost/", addr, name.to_string()).expect("a URL");
    for name in ["first", "second", "third"] {
        test.event_loop.connect(dial(name));
    }
    let accept = |test: &mut Test| {
        let start = Instant::now();
        loop {
            match listener.accept() {
                Ok((stream, _)) => return stream,
                Err(_) => assert!(start.elapsed() < DEADLINE, "nobody connects"),
            }
            test.event_loop.turn(Some(Duration::from_millis(10))).expect("it goes on");
        }
    };
    let nobody = |test: &mut Test| {
        let until = Instant::now() + Duration::from_millis(50);
        while Instant::now() < until {
            test.event_loop.turn(Some(Duration::from_millis(10))).expect("it goes on");
            assert!(listener.accept().is_err(), "two at a time");
        }
    };
    let mut first = accept(&mut test);
    nobody(&mut test);
    // One that is not to wait does not.
    test.event_loop.connect(dial("pushing").concurrent(true));
    let pushing = accept(&mut test);
    nobody(&mut test);

    // The first one opens: the second begins.
    first.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    first.set_nonblocking(false).expect("an option");
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        test.event_loop.turn(Some(Duration::from_millis(10))).expect("it goes on");
        let len = first.read(&mut chunk).expect("a request");
        head.extend_from_slice(&chunk[..len]);
    }
    let head = String::from_utf8(head).expect("ASCII");
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
    first.write_all(format!("{}\r\n", switching(key)).as_bytes()).expect("the client reads");
    let second = accept(&mut test);
    assert!(test.event_loop.handler().has("first", |called| matches!(called, Called::Open(_))));
    nobody(&mut test);

    // The second one fails: the third begins.
    drop(second);
    let third = accept(&mut test);
    assert!(test.event_loop.handler().closed("second").is_some());
    drop((third, pushing));
    test.turn_until(|ends| ends.closed("third").is_some() && ends.closed("pushing").is_some());
}

#[test]
fn a_shutdown_ends_those_that_are_being_dialled() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = silent.local_addr().expect("bound");
    let mut test = Test::start();
    for name in ["connecting", "waiting"] {
        test.event_loop.connect(Connect::new("ws://localhost/", addr, name.to_string()).expect("a URL"));
    }
    test.event_loop.handle().shutdown(Duration::from_secs(1));
    test.event_loop.run().expect("it ends");
    for name in ["connecting", "waiting"] {
        match test.event_loop.handler().closed(name) {
            Some(Called::Close { cause: Some(cause), .. }) => assert_eq!(cause, "shutting down"),
            other => panic!("{other:?}"),
        }
    }
}

/// Dials again from `close`, as a client that reconnects does.
struct Reconnecting {
    addr: SocketAddr,
    failures: usize,
}

impl Handler for Reconnecting {
    type Session = ();

    fn close(&mut self, peer: &mut Peer<'_, ()>, _: Closed<'_>) {
        self.failures += 1;
        if self.failures < 50 {
            peer.connect(Connect::new("ws://localhost/", self.addr, ()).expect("a URL"));
        } else {
            peer.shutdown(Duration::from_secs(1));
        }
    }
}

#[test]
fn dialling_again_from_close() {
    let addr = refusing("127.0.0.1:0");
    let handler = Reconnecting { addr, failures: 0 };
    let mut event_loop = EventLoop::new(handler, Settings::default()).expect("an event queue");
    event_loop.connect(Connect::new("ws://localhost/", addr, ()).expect("a URL"));
    let start = Instant::now();
    while event_loop.turn(Some(Duration::from_millis(50))).expect("it goes on") {
        assert!(start.elapsed() < DEADLINE, "{} failures", event_loop.handler().failures);
    }
    assert_eq!(event_loop.handler().failures, 50);
}

/// Rule R-3-a.
#[test]
fn urls() {
    let addr = SocketAddr::from(([127, 0, 0, 1], 1));
    assert!(matches!(Connect::new("http://a/", addr, ()), Err(ConnectError::Url(_))));
    assert!(matches!(Connect::new("ws://a/#f", addr, ()), Err(ConnectError::Url(_))));
    // Whether a `wss:` URL can be dialled is told before dialling.
    let wss = Connect::new("wss://a/", addr, ());
    if cfg!(feature = "__tls") {
        assert!(wss.is_ok());
    } else {
        assert!(matches!(wss, Err(ConnectError::TlsUnavailable)));
    }
}
