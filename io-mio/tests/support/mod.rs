//! A server on a thread, and a client that blocks. Every wait has a deadline.
#![allow(dead_code, missing_docs, unreachable_pub)]
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sansws::handshake::{HeaderStorage, client};
use sansws::{CloseCode, Config, Connection, Event};
use sansws_mio::{
    Accept, By, Cause, Chunk, Closed, Context, Handle, Handler, Message, Peer, PeerId, Request, Response,
    Server, Settings, SlowConsumer,
};

/// Longer than anything takes on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Time for clients that do not answer when a test ends.
const END: Duration = Duration::from_millis(300);

/// What the handler of most tests was called for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Called {
    Open(PeerId),
    Text(String),
    Binary(usize),
    Chunk { len: usize, first: bool, last: bool },
    Pong(Vec<u8>),
    Drained,
    Flooded { sent: usize, refused: usize },
    Close { code: u16, reason: String, was_clean: bool, by: By, cause: Option<String> },
    Wake,
}

/// A server whose paths do what the tests need, and which tells everything it is called for.
pub struct Everything {
    pub told: Sender<Called>,
    pub worker: usize,
}

impl Handler for Everything {
    type Session = &'static str;

    fn upgrade(&mut self, request: &Request<'_>, accept: &mut Accept) -> Result<&'static str, Response> {
        accept.choose_subprotocol(request, &["echo.v2", "echo.v1"]);
        match request.path() {
            "/echo" => Ok("echo"),
            "/quiet" => Ok("quiet"),
            "/commands" => Ok("commands"),
            "/stream" => {
                accept.streaming(true);
                Ok("stream")
            }
            "/drop" => {
                accept.slow_consumer(SlowConsumer::Drop);
                Ok("commands")
            }
            "/close-slow" => {
                accept.slow_consumer(SlowConsumer::Close(CloseCode::TRY_AGAIN_LATER));
                Ok("commands")
            }
            "/header" => {
                accept.header("X-Test", "yes");
                Ok("echo")
            }
            "/mistake" => {
                accept.subprotocol("never.offered");
                Ok("echo")
            }
            "/teapot" => Err(Response::text(418, "short and stout")),
            _ => Err(Response::not_found()),
        }
    }

    fn request(&mut self, request: &Request<'_>) -> Response {
        match request.path() {
            "/" => Response::html("<p>hello</p>"),
            "/big" => Response::new(200).body("text/plain", vec![b'x'; 8 << 20]),
            _ => Response::not_found(),
        }
    }

    fn open(&mut self, peer: &mut Peer<'_, Self::Session>) {
        let _ = self.told.send(Called::Open(peer.id()));
    }

    fn message(&mut self, peer: &mut Peer<'_, Self::Session>, message: Message<'_>) {
        match (*peer.session(), message) {
            ("echo", message) => {
                let _ = peer.send(message);
            }
            ("commands", Message::Text(text)) => command(peer, text, &self.told),
            (_, Message::Text(text)) => {
                let _ = self.told.send(Called::Text(text.into()));
            }
            (_, Message::Binary(payload)) => {
                let _ = self.told.send(Called::Binary(payload.len()));
            }
        }
    }

    fn chunk(&mut self, peer: &mut Peer<'_, Self::Session>, chunk: Chunk<'_>) {
        // Echoed as fragments of the same sizes.
        match chunk {
            Chunk::Text(chunk) => {
                let text: String = chunk.chars().collect();
                let _ = peer.send_text_fragment(&text, chunk.last);
            }
            Chunk::Binary(chunk) => {
                let called = Called::Chunk { len: chunk.payload.len(), first: chunk.first, last: chunk.last };
                let _ = self.told.send(called);
                let _ = peer.send_binary_fragment(chunk.payload, chunk.last);
            }
        }
    }

    fn pong(&mut self, _: &mut Peer<'_, Self::Session>, payload: &[u8]) {
        let _ = self.told.send(Called::Pong(payload.into()));
    }

    fn drained(&mut self, _: &mut Peer<'_, Self::Session>) {
        let _ = self.told.send(Called::Drained);
    }

    fn close(&mut self, peer: &mut Peer<'_, Self::Session>, closed: Closed<'_>) {
        assert!(peer.send("too late").is_err());
        let _ = self.told.send(called_close(&closed));
    }

    fn wake(&mut self, _: &mut Context<'_, Self::Session>) {
        let _ = self.told.send(Called::Wake);
    }
}

pub fn called_close(closed: &Closed<'_>) -> Called {
    Called::Close {
        code: closed.code.get(),
        reason: closed.reason.into(),
        was_clean: closed.was_clean,
        by: closed.by,
        cause: closed.cause.map(Cause::to_string),
    }
}

/// `verb argument rest`
fn command(peer: &mut Peer<'_, &'static str>, text: &str, told: &Sender<Called>) {
    let mut words = text.splitn(3, ' ');
    let (verb, first, rest) =
        (words.next().unwrap_or(""), words.next().unwrap_or(""), words.next().unwrap_or(""));
    match verb {
        "subscribe" => {
            let answer = format!("{:?}", peer.subscribe(first));
            let _ = peer.send(&*answer);
        }
        "unsubscribe" => {
            let answer = peer.unsubscribe(first).to_string();
            let _ = peer.send(&*answer);
        }
        "publish" => {
            let _ = peer.publish(first, rest);
        }
        "others" => {
            let _ = peer.publish_to_others(first, rest);
        }
        // Published and sent in one call: the order has to hold.
        "mixed" => {
            for i in 0..100 {
                let _ = peer.publish(first, &*format!("published {i}"));
                let _ = peer.send(&*format!("sent {i}"));
            }
        }
        // Published while a fragmented message is being sent: it has to wait.
        "fragments" => {
            let _ = peer.send_text_fragment("one ", false);
            let _ = peer.publish(first, "published");
            let refused = peer.send("refused");
            assert_eq!(refused, Err(sansws::SendError::MessageInProgress));
            let _ = peer.send_text_fragment("two", true);
            let _ = peer.send("after");
        }
        // So many messages of so many bytes.
        "flood" => {
            let (count, len) = (first.parse().unwrap_or(0), rest.parse().unwrap_or(0));
            let (mut sent, mut refused) = (0, 0);
            for i in 0..count {
                match peer.send(&*vec![i as u8; len]) {
                    Ok(()) => sent += 1,
                    Err(sansws::SendError::OutputFull) => refused += 1,
                    Err(_) => {}
                }
            }
            let _ = told.send(Called::Flooded { sent, refused });
        }
        "dropped" => {
            let answer = peer.take_dropped().to_string();
            let _ = peer.send(&*answer);
        }
        "ping" => {
            let _ = peer.ping(first.as_bytes());
        }
        "close" => {
            let code = first.parse().unwrap_or(1000_u16);
            if peer.close(code.into(), rest).is_ok() {
                assert!(peer.send("after close").is_err());
                assert!(peer.close(code.into(), rest).is_err());
            }
        }
        "shutdown" => peer.shutdown(Duration::from_secs(1)),
        _ => {
            let _ = peer.send(text);
        }
    }
}

pub struct TestServer {
    pub addr: SocketAddr,
    pub handle: Handle,
    pub calls: Receiver<Called>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl TestServer {
    pub fn start() -> Self {
        Self::with(Settings::default())
    }

    pub fn with(settings: Settings) -> Self {
        Self::workers(1, settings)
    }

    pub fn workers(workers: usize, settings: Settings) -> Self {
        let server = Server::bind("127.0.0.1:0").expect("a free port").settings(settings);
        Self::run(server, workers)
    }

    pub fn run(server: Server, workers: usize) -> Self {
        let (told, calls) = channel();
        let addr = server.local_addr().expect("a TCP address");
        let handle = server.handle();
        let thread = std::thread::spawn(move || {
            server.run_workers(workers, |worker| Everything { told: told.clone(), worker })
        });
        Self { addr, handle, calls, thread: Some(thread) }
    }

    pub fn connect(&self, path: &str) -> Client {
        Client::connect(self.addr, path)
    }

    /// Waits until the handler has been called for this, whatever else it is called for meanwhile. Returns the others.
    pub fn wait_for(&self, awaited: impl Fn(&Called) -> bool) -> (Called, Vec<Called>) {
        let until = Instant::now() + DEADLINE;
        let mut others = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.calls.recv_timeout(left) {
                Ok(called) if awaited(&called) => return (called, others),
                Ok(called) => others.push(called),
                Err(_) => panic!("the handler was not called; it was for {others:?}"),
            }
        }
    }

    pub fn wait_for_close(&self) -> Called {
        self.wait_for(|called| matches!(called, Called::Close { .. })).0
    }

    pub fn wait_for_open(&self) -> PeerId {
        match self.wait_for(|called| matches!(called, Called::Open(_))).0 {
            Called::Open(id) => id,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the server has this many sockets.
    pub fn wait_for_connections(&self, count: usize) {
        let until = Instant::now() + DEADLINE;
        while self.handle.connections() != count {
            assert!(Instant::now() < until, "{} connections, not {count}", self.handle.connections());
            std::thread::yield_now();
        }
    }

    /// Shuts down and waits for the end of `run`.
    pub fn stop(mut self) -> Vec<Called> {
        self.handle.shutdown(END);
        self.join();
        self.calls.try_iter().collect()
    }

    pub fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic").expect("no error");
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if self.thread.is_some() && !std::thread::panicking() {
            self.handle.shutdown(END);
            self.join();
            assert_eq!(self.handle.connections(), 0);
        }
    }
}

/// What a client received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Eof,
}

impl Got {
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }
}

/// How many files this process may have open at a time.
pub fn open_files() -> usize {
    let output = std::process::Command::new("sh").args(["-c", "ulimit -n"]).output().expect("a shell");
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(usize::MAX)
}

/// The client half of core over a blocking socket.
pub struct Client {
    pub stream: TcpStream,
    pub conn: Connection,
    /// Of the response.
    pub head: String,
    received: std::collections::VecDeque<Got>,
    text: String,
    binary: Vec<u8>,
    /// Answers Pings and Closes by itself.
    pub polite: bool,
}

pub fn masking_key() -> [u8; 4] {
    [0x12, 0x34, 0x56, 0x78]
}

pub fn request(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

pub fn dial(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("the server listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    stream.set_write_timeout(Some(DEADLINE)).expect("a time-out");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// Sends bytes and returns all that comes back until the server closes.
pub fn exchange(addr: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = dial(addr);
    stream.write_all(bytes).expect("the server reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an orderly end");
    String::from_utf8_lossy(&answer).into_owned()
}

impl Client {
    pub fn connect(addr: SocketAddr, path: &str) -> Self {
        Self::connect_with(addr, path, "")
    }

    pub fn connect_with(addr: SocketAddr, path: &str, more_headers: &str) -> Self {
        let mut stream = dial(addr);
        stream.write_all(request(path, more_headers).as_bytes()).expect("the server reads");
        Self::shake_hands(stream)
    }

    /// Reads the response to a request that was sent.
    pub fn shake_hands(mut stream: TcpStream) -> Self {
        let mut input = Vec::new();
        let mut chunk = [0; 4096];
        let head_len = loop {
            let len = stream.read(&mut chunk).expect("a response");
            assert!(len > 0, "no response but {:?}", String::from_utf8_lossy(&input));
            input.extend_from_slice(&chunk[..len]);
            if let Some(end) = input.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = String::from_utf8(input[..head_len].to_vec()).expect("ASCII");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let mut storage = HeaderStorage::new();
        let (response, _) =
            client::Response::parse(&input[..head_len], &mut storage).expect("HTTP").expect("all");
        assert_eq!(response.header("Sec-WebSocket-Accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        let config = Config::new().max_frame_len(1 << 30).max_message_len(1 << 30);
        let mut client = Self {
            stream,
            conn: Connection::client(&config, masking_key),
            head,
            received: Default::default(),
            text: String::new(),
            binary: Vec::new(),
            polite: true,
        };
        client.take_in(&mut input[head_len..]);
        client
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads");
    }

    /// The bytes of a message, to be cut as one likes.
    pub fn encode<'m>(&mut self, message: impl Into<Message<'m>>) -> Vec<u8> {
        let mut out = Vec::new();
        match message.into() {
            Message::Text(text) => self.conn.send_text(text, &mut out),
            Message::Binary(payload) => self.conn.send_binary(payload, &mut out),
        }
        .expect("open");
        out
    }

    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) {
        let bytes = self.encode(message);
        self.raw(&bytes);
    }

    pub fn ping(&mut self, payload: &[u8]) {
        let mut out = Vec::new();
        self.conn.send_ping(payload, &mut out).expect("open");
        self.raw(&out);
    }

    pub fn close(&mut self, code: u16, reason: &str) {
        let mut out = Vec::new();
        self.conn.close(code.into(), reason, &mut out).expect("open");
        self.raw(&out);
    }

    /// The next message, control frame or end. Panics if none comes in time.
    pub fn next(&mut self) -> Got {
        self.try_next(DEADLINE).expect("something arrives in time")
    }

    pub fn try_next(&mut self, wait: Duration) -> io::Result<Got> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            if let Some(got) = self.received.pop_front() {
                return Ok(got);
            }
            self.stream.set_read_timeout(Some(wait))?;
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    self.conn.receive_eof();
                    return Ok(Got::Eof);
                }
                Ok(len) => self.take_in(&mut buffer[..len]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Everything up to the end of the stream.
    pub fn rest(&mut self) -> Vec<Got> {
        let mut all = Vec::new();
        loop {
            match self.next() {
                Got::Eof => return all,
                got => all.push(got),
            }
        }
    }

    pub fn expect_text(&mut self, text: &str) {
        assert_eq!(self.next(), Got::text(text));
    }

    pub fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).expect("open");
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("an option");
    }

    fn take_in(&mut self, mut input: &mut [u8]) {
        while let Some(event) = self.conn.receive(&mut input) {
            match event {
                Event::Text(chunk) => {
                    chunk.append_to(&mut self.text);
                    if chunk.last {
                        self.received.push_back(Got::Text(std::mem::take(&mut self.text)));
                    }
                }
                Event::Binary(chunk) => {
                    self.binary.extend_from_slice(chunk.payload);
                    if chunk.last {
                        self.received.push_back(Got::Binary(std::mem::take(&mut self.binary)));
                    }
                }
                Event::Ping(payload) => self.received.push_back(Got::Ping(payload.into())),
                Event::Pong(payload) => self.received.push_back(Got::Pong(payload.into())),
                Event::Close(frame) => {
                    let frame = frame.map(|frame| (frame.code.get(), frame.reason.into()));
                    self.received.push_back(Got::Close(frame));
                }
                other => panic!("{other:?}"),
            }
        }
        if self.polite && self.conn.wants_transmit() {
            let mut out = Vec::new();
            self.conn.poll_transmit(&mut out).expect("memory");
            // The server may be gone already.
            let _ = self.stream.write_all(&out);
        }
    }
}
