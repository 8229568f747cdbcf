//! One event loop with a server and clients on it, and scripted servers on threads.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::refusing::bound;
use sansws_mio::{
    Accept, Cause, Closed, Connect, EventLoop, Handler, Message, Peer, Request, Resolver, Response, Settings,
};

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What happened to one dialled connection.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Fate {
    pub(crate) opened: bool,
    /// The echo of what was sent.
    pub(crate) echo: String,
    /// The cause of its end, as a log has it; empty without one.
    pub(crate) cause: Option<String>,
}

/// A request that arrived at the server.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
}

/// The handler: an echo server that redirects some paths, and clients that say a word and close.
#[derive(Default)]
pub(crate) struct Both {
    pub(crate) redirections: HashMap<String, (u16, String)>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) fates: HashMap<u32, Fate>,
}

impl Handler for Both {
    /// The number of a dialled connection.
    type Session = Option<u32>;

    fn upgrade(&mut self, request: &Request<'_>, _: &mut Accept) -> Result<Option<u32>, Response> {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = request.headers().iter().map(|(name, value)| (name.to_ascii_lowercase(), text(value)));
        self.seen.push(Seen { path: request.path().into(), headers: headers.collect() });
        match self.redirections.get(request.path()) {
            Some((status, location)) => Err(Response::new(*status).header("Location", location.clone())),
            None => Ok(None),
        }
    }

    fn open(&mut self, peer: &mut Peer<'_, Option<u32>>) {
        if let Some(number) = *peer.session() {
            self.fates.entry(number).or_default().opened = true;
            peer.send("a word").expect("it is open");
        }
    }

    fn message(&mut self, peer: &mut Peer<'_, Option<u32>>, message: Message<'_>) {
        match *peer.session() {
            None => peer.send(message).expect("it is open"),
            Some(number) => {
                if let Message::Text(text) = message {
                    self.fates.entry(number).or_default().echo = text.into();
                }
                peer.close(sansws_mio::CloseCode::NORMAL, "").expect("it is open");
            }
        }
    }

    fn close(&mut self, peer: &mut Peer<'_, Option<u32>>, closed: Closed<'_>) {
        if let Some(number) = *peer.session() {
            let cause = closed.cause.map(Cause::to_string).unwrap_or_default();
            self.fates.entry(number).or_default().cause = Some(cause);
        }
    }
}

/// A loop with an echo server.
pub(crate) struct World {
    pub(crate) event_loop: EventLoop<Both>,
    /// Where the server is.
    pub(crate) server: SocketAddr,
    next: u32,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    /// Every name leads to these addresses.
    pub(crate) fn resolving(resolve: impl Fn(&str, u16) -> Vec<SocketAddr> + Send + Sync + 'static) -> Self {
        let resolver = Resolver::new(move |host, port| Ok(resolve(host, port)));
        Self::with(Settings { resolver, ..Settings::default() })
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let mut event_loop = EventLoop::new(Both::default(), settings).expect("a loop");
        let server = listen("127.0.0.1:0");
        let address = server.local_addr().expect("bound");
        event_loop.listen(server).expect("a listener");
        Self { event_loop, server: address, next: 0 }
    }

    /// A further address of the same server.
    pub(crate) fn listen(&mut self) -> SocketAddr {
        let listener = listen("127.0.0.1:0");
        let address = listener.local_addr().expect("bound");
        self.event_loop.listen(listener).expect("a listener");
        address
    }

    /// A connection to the server by a URL with this authority and path.
    pub(crate) fn start(
        &mut self,
        url: &str,
        set: impl FnOnce(Connect<Option<u32>>) -> Connect<Option<u32>>,
    ) -> u32 {
        let number = self.next;
        self.next += 1;
        let connect = Connect::url(url, Some(number)).expect("a URL");
        self.event_loop.connect(set(connect));
        number
    }

    /// Runs the loop until this connection has ended.
    pub(crate) fn wait(&mut self, number: u32) -> Fate {
        self.run_until(|both| both.fates.get(&number).is_some_and(|fate| fate.cause.is_some()));
        self.event_loop.handler().fates[&number].clone()
    }

    pub(crate) fn run_until(&mut self, done: impl Fn(&Both) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self.event_loop.handler()) {
            assert!(Instant::now() < deadline, "nothing came of it: {:?}", self.event_loop.handler().fates);
            self.event_loop.turn(Some(Duration::from_millis(50))).expect("a turn");
        }
    }

    pub(crate) fn reach_with(
        &mut self,
        url: &str,
        set: impl FnOnce(Connect<Option<u32>>) -> Connect<Option<u32>>,
    ) -> Fate {
        let number = self.start(url, set);
        self.wait(number)
    }

    pub(crate) fn reach(&mut self, url: &str) -> Fate {
        self.reach_with(url, |connect| connect)
    }

    /// The paths that were asked for, in order.
    pub(crate) fn paths(&self) -> Vec<&str> {
        self.event_loop.handler().seen.iter().map(|seen| &*seen.path).collect()
    }

    pub(crate) fn redirect(&mut self, path: &str, status: u16, location: impl Into<String>) {
        self.event_loop.handler_mut().redirections.insert(path.into(), (status, location.into()));
    }
}

impl Fate {
    /// It opened, had its echo, and closed cleanly.
    #[track_caller]
    pub(crate) fn assert_good(&self) {
        let good = Self { opened: true, echo: "a word".into(), cause: Some(String::new()) };
        assert_eq!(*self, good);
    }

    /// It did not open, because of something whose description has this in it.
    #[track_caller]
    pub(crate) fn assert_failed(&self, why: &str) {
        assert!(!self.opened, "{self:?}");
        let cause = self.cause.as_deref().unwrap_or_default();
        assert!(cause.contains(why), "{cause:?} instead of {why:?}");
    }
}

pub(crate) fn listen(address: &str) -> TcpListener {
    TcpListener::bind(address).expect("a loopback address")
}

/// A loopback address that answers no SYN: its queue is full, and Linux drops what does not fit.
pub(crate) struct Blackhole {
    pub(crate) address: SocketAddr,
    socket: socket2::Socket,
    /// What its queue is full of.
    _filler: TcpStream,
}

impl Blackhole {
    pub(crate) fn new(address: &str) -> Self {
        let address: SocketAddr = address.parse().expect("an address");
        let socket = bound(address);
        socket.listen(0).expect("a listener");
        let address = socket.local_addr().expect("bound").as_socket().expect("an IP address");
        let filler = TcpStream::connect(address).expect("the one that fits");
        let silent = TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_err();
        assert!(silent, "this system does not drop what does not fit the queue");
        Self { address, socket, _filler: filler }
    }

    /// Makes room in the queue: the next one who knocks is let in.
    pub(crate) fn open(self) -> TcpListener {
        let listener = TcpListener::from(self.socket);
        listener.accept().expect("the filler");
        listener
    }
}

/// A server on a thread: one connection after another, each as the script has it. Ends with the script.
pub(crate) fn scripted<T: Send + 'static>(
    script: impl FnOnce(&TcpListener) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = listen("127.0.0.1:0");
    let address = listener.local_addr().expect("bound");
    (address, thread::spawn(move || script(&listener)))
}

/// The next connection, with time-outs.
pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream.set_write_timeout(Some(PATIENCE)).expect("a time-out");
    stream
}

/// Reads up to the end of an HTTP head.
pub(crate) fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&head)),
        }
    }
    String::from_utf8(head).expect("ASCII")
}

/// Passes bytes both ways until both have ended.
pub(crate) fn relay(a: TcpStream, b: TcpStream) {
    let copy = |mut from: TcpStream, mut to: TcpStream| {
        thread::spawn(move || {
            // Either end may go away first.
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        })
    };
    let again = |stream: &TcpStream| stream.try_clone().expect("a second handle");
    let there = copy(again(&a), again(&b));
    let back = copy(b, a);
    there.join().expect("no panic");
    back.join().expect("no panic");
}

/// Writes, although the client may be gone already.
pub(crate) fn say(stream: &mut TcpStream, text: &str) {
    let _ = stream.write_all(text.as_bytes());
}
