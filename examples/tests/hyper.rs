//! The programs on hyper, which have parsed headers only: against each other, against this workspace's own client and server, and against
//! bytes.

mod support;

#[path = "../embed/hyper_client.rs"]
#[allow(dead_code, reason = "its `main`")]
mod hyper_client;
#[path = "../embed/hyper_server.rs"]
#[allow(dead_code, reason = "its `main`")]
mod hyper_server;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use axum::Router;
use hyper_client::dial;
use hyper_server::{answer, serve};
use sansws::handshake::{Fault, Field, HandshakeError, server};
use sansws::{
    Assembler, CloseCode, Config, Connection, Event, MaskingKey, MaskingKeys, Message, OwnedMessage,
    ProtocolError, Uri,
};
use sansws_mio::{Accept, Closed, Connect, EventLoop, Handler, Peer, Request, Response, Settings};
use support::DEADLINE;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const NONCE: &[u8; 16] = b"the sample nonce";
const MIB: usize = 1 << 20;

fn keys() -> MaskingKey {
    [1, 2, 3, 4]
}

#[test]
fn a_client_on_hyper_and_a_server_on_hyper() {
    converse_with(hyper_on_a_thread());
}

#[test]
fn a_client_on_hyper_and_a_handler_of_axum() {
    converse_with(on_a_thread(async |listener| {
        let handler = async |request: axum::extract::Request| answer(request);
        axum::serve(listener, Router::new().fallback(handler)).await.unwrap();
    }));
}

#[test]
fn a_client_on_hyper_and_our_server() {
    struct Echo;

    impl Handler for Echo {
        type Session = ();

        fn upgrade(&mut self, _: &Request<'_>, _: &mut Accept) -> Result<(), Response> {
            Ok(())
        }

        fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
            peer.send(message).unwrap();
        }
    }

    let server = sansws_mio::Server::bind("127.0.0.1:0").unwrap();
    let (addr, handle) = (server.local_addr().unwrap(), server.handle());
    let server = thread::spawn(|| server.run(Echo));
    converse_with(addr);
    handle.shutdown(DEADLINE);
    server.join().unwrap().unwrap();
}

#[test]
fn our_client_and_a_server_on_hyper() {
    /// Sends one message at a time, and closes once all came back.
    struct Ours {
        sent: Vec<OwnedMessage>,
        received: Vec<OwnedMessage>,
        pongs: Vec<Vec<u8>>,
        closed: Option<(u16, String, bool)>,
    }

    impl Ours {
        fn step(&self, peer: &mut Peer<'_, ()>) {
            match self.sent.get(self.received.len()) {
                Some(message) => peer.send(message).unwrap(),
                None => peer.close(CloseCode::new(3001), "enough").unwrap(),
            }
        }
    }

    impl Handler for Ours {
        type Session = ();

        fn open(&mut self, peer: &mut Peer<'_, ()>) {
            peer.ping(b"are you there?").unwrap();
            self.step(peer);
        }

        fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
            self.received.push(message.into_owned());
            self.step(peer);
        }

        fn pong(&mut self, _: &mut Peer<'_, ()>, payload: &[u8]) {
            self.pongs.push(payload.into());
        }

        fn close(&mut self, peer: &mut Peer<'_, ()>, closed: Closed<'_>) {
            assert!(closed.cause.is_none(), "{closed:?}");
            self.closed = Some((closed.code.get(), closed.reason.into(), closed.was_clean));
            peer.shutdown(DEADLINE);
        }
    }

    let addr = hyper_on_a_thread();
    let ours = Ours { sent: messages(), received: Vec::new(), pongs: Vec::new(), closed: None };
    let mut event_loop = EventLoop::new(ours, Settings::default()).unwrap();
    event_loop.connect(Connect::new(&format!("ws://{addr}/"), addr, ()).unwrap());
    event_loop.run().unwrap();
    let Ours { sent, received, pongs, closed } = event_loop.handler();
    assert!(sent == received);
    assert_eq!(*pongs, [b"are you there?"]);
    assert_eq!(*closed, Some((3001, "enough".into(), true)));
}

#[test]
fn a_frame_in_the_same_packet_as_the_request() {
    let mut tcp = TcpStream::connect(hyper_on_a_thread()).unwrap();
    let (mut ws, mut out) = (Connection::client(&Config::default(), keys), Vec::new());
    ws.send("early", &mut out).unwrap();
    ws.close(CloseCode::NORMAL, "and out", &mut out).unwrap();
    tcp.write_all(&[request("GET", "13").as_bytes(), &out].concat()).unwrap();
    let (head, frames) = read_to_end(tcp);
    assert!(head.starts_with("http/1.1 101 switching protocols\r\n"), "{head}");
    assert!(head.contains("\r\nupgrade: websocket\r\n"), "{head}");
    assert!(head.contains("\r\nconnection: upgrade\r\n"), "{head}");
    assert!(head.contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{head}");
    assert_eq!(frames, b"\x81\x05early\x88\x09\x03\xe8and out");
}

#[test]
fn a_frame_in_the_same_packet_as_the_response() {
    let addr = answering(|request| {
        let mut out = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".to_vec();
        let (mut ws, _) = server::accept(request, &Config::default(), &mut out).unwrap().unwrap();
        ws.send("early", &mut out).unwrap();
        out
    });
    block_on(async {
        let (ws, io) =
            dial(&Uri::parse(&format!("ws://{addr}/")).unwrap(), *NONCE, keys as fn() -> MaskingKey)
                .await
                .unwrap();
        let mut peer = Client::new(ws, io);
        assert_eq!(peer.next().await, Some(Seen::Message(text("early"))));
    });
}

/// §5.1: "The server MUST close the connection upon receiving a frame that is not masked."
#[test]
fn an_unmasked_frame_is_answered_with_1002() {
    let mut tcp = TcpStream::connect(hyper_on_a_thread()).unwrap();
    tcp.write_all(&[request("GET", "13").as_bytes(), b"\x81\x02hi"].concat()).unwrap();
    let (_, frames) = read_to_end(tcp);
    let mut ws = Connection::client(&Config::default(), keys);
    let mut input = &mut frames.clone()[..];
    let Some(Event::Close(Some(close))) = ws.receive(&mut input) else { panic!("{frames:?}") };
    assert_eq!(close.code, CloseCode::PROTOCOL_ERROR);
    assert!(input.is_empty());
}

/// §5.1: "A client MUST close a connection if it detects a masked frame."
#[test]
fn a_masked_frame_fails_the_client() {
    let addr = answering(|request| {
        let mut out = Vec::new();
        server::accept(request, &Config::default(), &mut out).unwrap().unwrap();
        Connection::client(&Config::default(), keys).send("masked", &mut out).unwrap();
        out
    });
    block_on(async {
        let (ws, io) =
            dial(&Uri::parse(&format!("ws://{addr}/")).unwrap(), *NONCE, keys as fn() -> MaskingKey)
                .await
                .unwrap();
        assert_eq!(Client::new(ws, io).next().await, Some(Seen::Failed(ProtocolError::MaskUnexpected)));
    });
}

/// §4.2.2 and §4.4; RFC 9110 §15.5.6 and §15.5.22.
#[test]
fn a_request_that_asks_for_no_websocket_is_refused() {
    let addr = hyper_on_a_thread();
    let refused = |request: String| {
        let mut tcp = TcpStream::connect(addr).unwrap();
        // What is refused leaves HTTP/1.1 as it was: the connection would stay.
        let request = request.replace("\r\nConnection: ", "\r\nConnection: close, ");
        tcp.write_all(request.as_bytes()).unwrap();
        read_to_end(tcp)
    };
    let upgrade_required = |request: String| {
        let (head, content) = refused(request);
        assert!(head.starts_with("http/1.1 426 upgrade required\r\n"), "{head}");
        assert!(head.contains("\r\nsec-websocket-version: 13\r\n"), "{head}");
        assert!(head.contains("\r\nupgrade: websocket\r\n"), "{head}");
        assert!(head.contains("\r\nconnection: upgrade, close\r\n"), "{head}");
        assert!(!content.is_empty());
    };
    upgrade_required(request("GET", "12"));
    upgrade_required("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: TE\r\n\r\n".into());

    let (head, content) = refused(request("POST", "13"));
    assert!(head.starts_with("http/1.1 405 method not allowed\r\n"), "{head}");
    assert!(head.contains("\r\nallow: get\r\n"), "{head}");
    assert!(!content.is_empty());

    // RFC 9110 §9.3.2: to HEAD "the server MUST NOT send content in the response".
    let (head, content) = refused(request("HEAD", "13"));
    assert!(head.starts_with("http/1.1 405 ") && content.is_empty(), "{head}");

    for (wrong, status) in [
        (request("GET", "13").replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), "400"),
        (request("GET", "13").replace("HTTP/1.1", "HTTP/1.0"), "505"),
        (request("GET", "13").replace("Host: localhost\r\n", ""), "400"),
        (request("GET", "13").replace("Host: ", "Content-Length: 2\r\nHost: ") + "hi", "400"),
    ] {
        let (head, _) = refused(wrong.clone());
        assert_eq!(head.split(' ').nth(1), Some(status), "{wrong}");
    }
}

/// §4.1: what the client makes of the response.
#[test]
fn a_response_that_opens_no_websocket_is_an_error() {
    let fails = |change: fn(String) -> String| {
        let addr = answering(move |request| {
            let mut out = Vec::new();
            server::accept(request, &Config::default(), &mut out).unwrap().unwrap();
            change(String::from_utf8(out).unwrap()).into_bytes()
        });
        let uri = format!("ws://{addr}/");
        let result = block_on(async {
            dial(&Uri::parse(&uri).unwrap(), *NONCE, keys as fn() -> MaskingKey).await.map(drop)
        });
        *result.unwrap_err().downcast::<HandshakeError>().unwrap()
    };
    assert_eq!(
        fails(|_| "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".into()),
        HandshakeError::Status(401)
    );
    assert_eq!(
        fails(|response| response.replace("s3p", "S3P")),
        HandshakeError::Response(Field::Accept, Fault::Invalid)
    );
    assert_eq!(
        fails(|response| response.replace("Upgrade: websocket\r\n", "Upgrade: h2c\r\n")),
        HandshakeError::Response(Field::Upgrade, Fault::Invalid)
    );
    assert_eq!(
        fails(|response| response.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n")),
        HandshakeError::Response(Field::Subprotocol, Fault::NotOffered)
    );
}

// --- what the tests share

/// Everything that an echo has to carry, with the client on hyper.
fn converse_with(addr: SocketAddr) {
    block_on(async {
        let uri = format!("ws://{addr}/");
        let (ws, io) = dial(&Uri::parse(&uri).unwrap(), *NONCE, keys as fn() -> MaskingKey).await.unwrap();
        let mut client = Client::new(ws, io);
        for message in messages() {
            client.write(|ws, out| ws.send(&message, out).unwrap()).await;
            assert!(client.next().await == Some(Seen::Message(message)));
        }
        // Control frames between fragments, and a code point that is cut.
        client
            .write(|ws, out| {
                ws.send_text_fragment("gr", false, out).unwrap();
                ws.send_ping(b"between", out).unwrap();
                ws.send_text_fragment("", false, out).unwrap();
                ws.send_text_fragment("üße", true, out).unwrap();
                ws.send_binary_fragment(&[7; 70_000], false, out).unwrap();
                ws.send_binary_fragment(&[8; 70_000], true, out).unwrap();
            })
            .await;
        assert_eq!(client.next().await, Some(Seen::Message(text("grüße"))));
        let both = [[7; 70_000], [8; 70_000]].concat();
        assert!(client.next().await == Some(Seen::Message(OwnedMessage::Binary(both))));
        assert_eq!(client.pongs, [b"between"]);
        // Many messages in one write.
        client.write(|ws, out| (0..200).for_each(|i| ws.send(&i.to_string(), out).unwrap())).await;
        for i in 0..200 {
            assert_eq!(client.next().await, Some(Seen::Message(text(&i.to_string()))));
        }
        client.write(|ws, out| ws.close(CloseCode::new(3000), "that is all", out).unwrap()).await;
        assert_eq!(client.next().await, Some(Seen::Close(3000, "that is all".into())));
        assert_eq!(client.next().await, None, "the server closes TCP first");
        assert!(client.ws.was_clean());
    });
}

/// Of every kind of length (§5.2), text and binary.
fn messages() -> Vec<OwnedMessage> {
    let lens = [0, 1, 125, 126, 127, 65_535, 65_536, MIB];
    let binary = lens.map(|len| OwnedMessage::Binary((0..len).map(|i| (i % 251) as u8).collect()));
    let texts =
        lens.map(|len| OwnedMessage::Text(if len % 2 == 0 { "ß".repeat(len / 2) } else { "x".repeat(len) }));
    binary.into_iter().chain(texts).collect()
}

fn text(text: &str) -> OwnedMessage {
    OwnedMessage::Text(text.into())
}

/// A client whose opening handshake is done.
struct Client<K, T> {
    ws: Connection<K>,
    io: T,
    messages: Assembler,
    pongs: Vec<Vec<u8>>,
    /// Bytes that were read and not yet received.
    rest: Vec<u8>,
}

#[derive(Debug, PartialEq)]
enum Seen {
    Message(OwnedMessage),
    Close(u16, String),
    Failed(ProtocolError),
}

impl<K: MaskingKeys, T: AsyncRead + AsyncWrite + Unpin> Client<K, T> {
    fn new(ws: Connection<K>, io: T) -> Self {
        Self { ws, io, messages: Assembler::new(), pongs: Vec::new(), rest: Vec::new() }
    }

    async fn write(&mut self, send: impl FnOnce(&mut Connection<K>, &mut Vec<u8>)) {
        let mut out = Vec::new();
        send(&mut self.ws, &mut out);
        self.io.write_all(&out).await.unwrap();
    }

    /// The next message or the Close, or `None` once the server has closed.
    async fn next(&mut self) -> Option<Seen> {
        loop {
            let mut input = &mut self.rest[..];
            let mut seen = None;
            while seen.is_none() {
                let Some(event) = self.ws.receive(&mut input) else { break };
                seen = match event {
                    Event::Pong(payload) => {
                        self.pongs.push(payload.into());
                        None
                    }
                    Event::Close(Some(close)) => Some(Seen::Close(close.code.get(), close.reason.into())),
                    Event::Failed(error) => Some(Seen::Failed(error)),
                    event => {
                        self.messages.push(event).unwrap().map(|message| Seen::Message(message.into_owned()))
                    }
                };
            }
            self.rest = input.to_vec();
            if seen.is_some() {
                return seen;
            }
            let mut buffer = [0; 16 << 10];
            let n = self.io.read(&mut buffer).await.unwrap();
            if n == 0 {
                return None;
            }
            self.rest.extend_from_slice(&buffer[..n]);
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, future).await }).expect("it takes too long")
}

fn hyper_on_a_thread() -> SocketAddr {
    on_a_thread(async |listener| serve(listener).await.unwrap())
}

/// A server with a runtime of its own, until the test ends.
fn on_a_thread<F: Future<Output = ()>>(
    serve: impl FnOnce(tokio::net::TcpListener) -> F + Send + 'static,
) -> SocketAddr {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            send.send(listener.local_addr().unwrap()).unwrap();
            serve(listener).await;
        });
    });
    receive.recv().unwrap()
}

/// A server that reads one request and writes these bytes at once.
fn answering(response: impl FnOnce(&[u8]) -> Vec<u8> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            tcp.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        tcp.write_all(&response(&head)).unwrap();
        let _ = tcp.read(&mut byte); // until the client closes
    });
    addr
}

fn request(method: &str, version: &str) -> String {
    format!(
        "{method} /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: {version}\r\n\r\n"
    )
}

/// All that the server sends: the head in lower case, and what follows it.
fn read_to_end(mut tcp: TcpStream) -> (String, Vec<u8>) {
    tcp.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut bytes = Vec::new();
    tcp.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let rest = bytes.split_off(end);
    (String::from_utf8(bytes).unwrap().to_lowercase(), rest)
}
