//! What the tests share: a server process on a free port, and a blocking client.

#![allow(dead_code, unreachable_pub, reason = "shared by test binaries, each of which uses a part")]

pub mod closing;
pub mod process;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use sansws::handshake::{HeaderStorage, client};
use sansws::{Assembler, CloseCode, Config, Connection, Event, Message};
use serde_json::Value;

/// Nothing here takes this long unless it is broken.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A program that serves, ended when it is dropped.
pub struct Server {
    process: Child,
    pub addr: SocketAddr,
    /// What it printed before it said where it listens.
    pub printed: Vec<String>,
}

impl Server {
    /// Starts one of our programs, which says where it listens.
    pub fn start(program: &str, args: &[&str]) -> Self {
        Self::bound_to("127.0.0.1:0", program, args)
    }

    /// Starts one where another was before.
    pub fn start_at(program: &str, addr: SocketAddr) -> Self {
        Self::bound_to(&addr.to_string(), program, &[])
    }

    /// Starts one whose stderr nobody reads any more as soon as it listens, and its stdout neither.
    pub fn start_unheard(program: &str, args: &[&str]) -> Self {
        let mut command = Command::new(program);
        let mut server =
            Self::spawn(command.args(["--bind", "127.0.0.1:0"]).args(args).stderr(Stdio::piped()));
        drop(server.process.stderr.take());
        server
    }

    fn bound_to(addr: &str, program: &str, args: &[&str]) -> Self {
        Self::spawn(Command::new(program).args(["--bind", addr]).args(args))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut printed = Vec::new();
        let line = loop {
            let line = lines.next().expect("it listens");
            if line.starts_with("listening on ") {
                break line;
            }
            printed.push(line);
        };
        let port = line.trim_end_matches('/').rsplit(':').next().unwrap().parse().expect("a port");
        Self { process, addr: SocketAddr::from(([127, 0, 0, 1], port)), printed }
    }

    /// Starts a program that takes its address as its argument and says nothing.
    pub fn start_silent(program: &str) -> Self {
        let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new(program)
            .arg(addr.to_string())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        let server = Self { process, addr, printed: Vec::new() };
        let start = Instant::now();
        while TcpStream::connect(addr).is_err() {
            assert!(start.elapsed() < DEADLINE, "{program} does not listen");
            std::thread::yield_now();
        }
        server
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    pub fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < DEADLINE, "the program does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn client(&self, path: &str) -> Client {
        Client::connect(self.addr, path, &[])
    }

    /// The whole response to a plain HTTP request.
    pub fn http(&self, head: &str) -> String {
        http(self.addr, head)
    }
}

/// The whole response to a plain HTTP request to this address.
pub fn http(addr: SocketAddr, head: &str) -> String {
    let mut tcp = TcpStream::connect(addr).unwrap();
    tcp.set_read_timeout(Some(DEADLINE)).unwrap();
    tcp.write_all(head.as_bytes()).unwrap();
    let mut response = Vec::new();
    tcp.read_to_end(&mut response).unwrap();
    String::from_utf8_lossy(&response).into_owned()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A blocking client.
pub struct Client {
    tcp: TcpStream,
    ws: Connection,
    messages: Assembler,
    /// Bytes that were read and not yet understood.
    rest: Vec<u8>,
    pub subprotocol: Option<String>,
}

/// What a client heard.
#[derive(Debug, PartialEq)]
pub enum Heard {
    Text(String),
    Binary(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16),
    Eof,
}

impl Client {
    pub fn connect(addr: SocketAddr, path: &str, subprotocols: &[&str]) -> Self {
        let mut tcp = TcpStream::connect(addr).unwrap();
        tcp.set_read_timeout(Some(DEADLINE)).unwrap();
        let authority = addr.to_string();
        let request = client::Offer::new(&authority, path).subprotocols(subprotocols);
        let (nonce, mut out, mut input) = ([5; 16], Vec::new(), Vec::new());
        request.write(&nonce, &mut out).unwrap();
        tcp.write_all(&out).unwrap();
        loop {
            let mut byte = [0; 4096];
            let n = tcp.read(&mut byte).unwrap();
            assert!(n > 0, "the server hung up in the handshake");
            input.extend_from_slice(&byte[..n]);
            let mut storage = HeaderStorage::new();
            if let Some((response, used)) = client::Response::parse(&input, &mut storage).unwrap() {
                let ws = response.accept(&request, &nonce, &Config::default(), || [1, 2, 3, 4]);
                let ws = ws.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&input)));
                let subprotocol = response.subprotocol().map(String::from);
                let rest = input[used..].to_vec();
                return Self { tcp, ws, messages: Assembler::new(), rest, subprotocol };
            }
        }
    }

    pub fn send(&mut self, message: &str) {
        self.write(|ws, out| ws.send_text(message, out).unwrap());
    }

    pub fn write(&mut self, send: impl FnOnce(&mut Connection, &mut Vec<u8>)) {
        let mut out = Vec::new();
        send(&mut self.ws, &mut out);
        self.tcp.write_all(&out).unwrap();
    }

    pub fn send_json(&mut self, value: Value) {
        self.send(&value.to_string());
    }

    /// The next thing that comes; Pings are answered.
    pub fn hear(&mut self) -> Heard {
        loop {
            let mut bytes = std::mem::take(&mut self.rest);
            let mut input = &mut bytes[..];
            let mut heard = None;
            while heard.is_none() {
                let Some(event) = self.ws.receive(&mut input) else { break };
                heard = match event {
                    Event::Pong(payload) => Some(Heard::Pong(payload.to_vec())),
                    Event::Close(frame) => Some(Heard::Close(frame.map_or(1005, |frame| frame.code.get()))),
                    Event::Failed(error) => panic!("{error}"),
                    event => self.messages.push(event).expect("memory").map(|message| match message {
                        Message::Text(text) => Heard::Text(text.into()),
                        Message::Binary(payload) => Heard::Binary(payload.into()),
                    }),
                };
            }
            self.rest = input.to_vec();
            let mut out = Vec::new();
            self.ws.poll_transmit(&mut out).unwrap();
            let _ = self.tcp.write_all(&out);
            if let Some(heard) = heard {
                return heard;
            }
            let mut buffer = vec![0; 64 << 10];
            match self.tcp.read(&mut buffer) {
                Ok(0) => return Heard::Eof,
                Ok(n) => self.rest.extend_from_slice(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Heard::Eof,
                Err(error) => panic!("nothing heard: {error}"),
            }
        }
    }

    pub fn hear_json(&mut self) -> Value {
        match self.hear() {
            Heard::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("not JSON: {other:?}"),
        }
    }

    /// The next message has to be this one.
    pub fn expect(&mut self, expected: Value) {
        assert_eq!(self.hear_json(), expected);
    }

    /// The next message has to be an error that says this.
    pub fn expect_error(&mut self, part: &str) {
        let heard = self.hear_json();
        assert_eq!(heard["type"], "error", "{heard}");
        assert!(heard["message"].as_str().unwrap().contains(part), "{heard} does not say {part:?}");
    }

    /// Ends the connection with a RST.
    pub fn reset(self) {
        socket2::SockRef::from(&self.tcp).set_linger(Some(Duration::ZERO)).unwrap();
    }

    pub fn close(&mut self, code: u16) {
        self.write(|ws, out| ws.close(CloseCode::new(code), "", out).unwrap());
        while !matches!(self.hear(), Heard::Close(_) | Heard::Eof) {}
    }
}
