//! A server that does what a test's script says, connection by connection. It blocks, and every wait has a deadline.
#![allow(dead_code, missing_docs, unreachable_pub)]
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use sansws::handshake::{HeaderStorage, server};
use sansws::{Assembler, CloseCode, Config, Connection, Event, Message};

/// Longer than anything takes on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A script on a thread. Wait for its end, or its assertions are not seen.
pub struct Script {
    pub addr: SocketAddr,
    join: JoinHandle<()>,
}

impl Script {
    pub fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.addr)
    }

    pub fn end(self) {
        self.join.join().expect("the script ends well");
    }
}

/// Serves one connection.
pub fn serve(script: impl FnOnce(&mut Peer) + Send + 'static) -> Script {
    serve_listener(move |listener| script(&mut Peer::accept(listener)))
}

pub fn serve_listener(script: impl FnOnce(&TcpListener) + Send + 'static) -> Script {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    Script { addr, join: std::thread::spawn(move || script(&listener)) }
}

/// What the client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Eof,
}

/// The server's end of a connection.
pub struct Peer {
    pub stream: TcpStream,
    conn: Connection,
    messages: Assembler,
    got: VecDeque<Got>,
}

impl Peer {
    pub fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().expect("a client");
        Self::of(stream)
    }

    pub fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
        stream.set_nodelay(true).expect("no delay");
        let conn = Connection::server(&Config::default());
        Self { stream, conn, messages: Assembler::new(), got: VecDeque::new() }
    }

    /// The head of the request.
    pub fn request(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            assert_eq!(self.stream.read(&mut byte).expect("a request"), 1, "a whole request");
            head.extend_from_slice(&byte);
        }
        String::from_utf8(head).expect("text")
    }

    /// A correct response to `request`.
    pub fn response(request: &str, subprotocol: Option<&str>) -> Vec<u8> {
        let mut storage = HeaderStorage::<64>::default();
        let (request, _) =
            server::Request::parse(request.as_bytes(), &mut storage).expect("legal").expect("whole");
        let mut out = Vec::new();
        let accept = server::Accept::new().subprotocol(subprotocol);
        request
            .upgrade()
            .expect("an upgrade")
            .accept(&accept, &Config::default(), &mut out)
            .expect("accepted");
        out
    }

    /// The opening handshake.
    pub fn open(&mut self) -> &mut Self {
        let request = self.request();
        self.write(&Self::response(&request, None))
    }

    pub fn write(&mut self, bytes: &[u8]) -> &mut Self {
        self.stream.write_all(bytes).expect("the client reads");
        self
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        let mut out = Vec::new();
        self.conn.send_text(text, &mut out).expect("open");
        self.write(&out)
    }

    pub fn binary(&mut self, payload: &[u8]) -> &mut Self {
        let mut out = Vec::new();
        self.conn.send_binary(payload, &mut out).expect("open");
        self.write(&out)
    }

    /// A message that is legal still: the client's Close has come, the server's has not gone.
    pub fn text_after_close(&mut self, text: &str) -> &mut Self {
        let mut out = Vec::new();
        Connection::server(&Config::default()).send_text(text, &mut out).expect("open");
        self.write(&out)
    }

    pub fn close(&mut self, code: u16, reason: &str) -> &mut Self {
        let mut out = Vec::new();
        self.conn.close(CloseCode::from(code), reason, &mut out).expect("open");
        self.write(&out)
    }

    /// What comes next. Nothing is answered.
    pub fn next(&mut self) -> Got {
        loop {
            if let Some(got) = self.got.pop_front() {
                return got;
            }
            let mut buffer = vec![0; 64 << 10];
            let Ok(len @ 1..) = self.stream.read(&mut buffer) else { return Got::Eof };
            let mut input = &mut buffer[..len];
            while let Some(event) = self.conn.receive(&mut input) {
                let got = match event {
                    Event::Ping(payload) => Got::Ping(payload.into()),
                    Event::Pong(payload) => Got::Pong(payload.into()),
                    Event::Close(None) => Got::Close(None),
                    Event::Close(Some(frame)) => Got::Close(Some((frame.code.get(), frame.reason.into()))),
                    Event::Failed(error) => panic!("the client broke the protocol: {error}"),
                    event => match self.messages.push(event).expect("memory") {
                        Some(Message::Text(text)) => Got::Text(text.into()),
                        Some(Message::Binary(payload)) => Got::Binary(payload.into()),
                        None => continue,
                    },
                };
                self.got.push_back(got);
            }
        }
    }

    /// Writes what the protocol owes: a Pong, a Close.
    pub fn pay(&mut self) -> &mut Self {
        let mut out = Vec::new();
        self.conn.poll_transmit(&mut out).expect("memory");
        self.write(&out)
    }

    /// Ends the TCP stream, and reads to the end of the client's.
    pub fn fin(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        while self.next() != Got::Eof {}
    }

    /// Answers the client's Close and ends the connection as a server should.
    pub fn close_answer(&mut self) {
        self.pay().fin();
    }
}
