//! Both ends of connections, each on an event loop, and what lies between them.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sansws_mio::{
    Accept, CloseCode, Closed, Connect, EventLoop, Handle, Handler, Message, Peer, Request, Response, Server,
    Settings, TlsClient, TlsServer,
};

use crate::certificates::{Authority, Issued};

/// Nothing here takes longer, even on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// How a connection ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) opened: bool,
    pub(crate) heard: Vec<Vec<u8>>,
    pub(crate) code: u16,
    pub(crate) was_clean: bool,
    /// As `Debug` has it.
    pub(crate) cause: String,
    /// Bytes that the kernel had not taken by then.
    pub(crate) unwritten: usize,
}

/// An echo server on a thread of its own. `/burst` sends 4 MiB and closes, each before anything was received.
pub(crate) struct EchoServer {
    pub(crate) addr: SocketAddr,
    pub(crate) ends: mpsc::Receiver<Ended>,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

struct Echo(mpsc::Sender<Ended>);

/// What `/burst` sends.
pub(crate) const BURST: usize = 4 << 20;

impl Handler for Echo {
    type Session = bool;

    fn upgrade(&mut self, request: &Request<'_>, _: &mut Accept) -> Result<bool, Response> {
        Ok(request.path() == "/burst")
    }

    fn request(&mut self, _: &Request<'_>) -> Response {
        Response::text(200, "hello over TLS\n")
    }

    fn open(&mut self, peer: &mut Peer<'_, bool>) {
        if *peer.session() {
            peer.send(&*vec![7; BURST]).unwrap();
            peer.close(CloseCode::NORMAL, "that was all").unwrap();
        }
    }

    fn message(&mut self, peer: &mut Peer<'_, bool>, message: Message<'_>) {
        peer.send(message).unwrap();
    }

    fn close(&mut self, peer: &mut Peer<'_, bool>, closed: Closed<'_>) {
        let _ = self.0.send(ended(true, Vec::new(), peer.buffered_amount(), closed));
    }
}

impl EchoServer {
    pub(crate) fn start(tls: &TlsServer) -> Self {
        Self::with(tls, Settings::default())
    }

    pub(crate) fn with(tls: &TlsServer, settings: Settings) -> Self {
        let server = Server::bind("127.0.0.1:0").unwrap().settings(settings).tls(tls);
        Self::run(server)
    }

    /// With kernel buffers so small that one record does not fit.
    pub(crate) fn cramped(tls: &TlsServer) -> Self {
        let listener = cramped_listener();
        let addr = listener.local_addr().unwrap();
        let (sender, ends) = mpsc::channel();
        let mut event_loop = EventLoop::new(Echo(sender), Settings::default()).unwrap();
        event_loop.listen_tls(listener, tls).unwrap();
        let handle = event_loop.handle();
        let thread = thread::spawn(move || event_loop.run().unwrap());
        Self { addr, ends, handle, thread: Some(thread) }
    }

    pub(crate) fn run(server: Server) -> Self {
        let (addr, handle) = (server.local_addr().unwrap(), server.handle());
        let (sender, ends) = mpsc::channel();
        let thread = thread::spawn(move || server.run(Echo(sender)).unwrap());
        Self { addr, ends, handle, thread: Some(thread) }
    }

    /// The next end of a connection.
    pub(crate) fn end(&self) -> Ended {
        self.ends.recv_timeout(LIMIT).expect("a connection ends")
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        self.handle.shutdown(Duration::ZERO);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))), "the server panicked");
    }
}

pub(crate) fn tls_server(issued: &Issued) -> TlsServer {
    TlsServer::builder().certificate_pem(&*issued.chain, &*issued.key).build().unwrap()
}

/// Trusts this authority and no other.
pub(crate) fn trusting(authority: &Authority) -> TlsClient {
    TlsClient::builder().no_default_roots().ca_pem(&*authority.pem).build().unwrap()
}

/// Sends messages, closes once so many have come back.
#[derive(Default)]
struct Probe {
    send: Vec<Vec<u8>>,
    close_after: usize,
    opened: bool,
    heard: Vec<Vec<u8>>,
    ended: Option<Ended>,
}

impl Probe {
    fn send_more(&mut self, peer: &mut Peer<'_, ()>) {
        while peer.buffered_amount() < 128 << 10 {
            let Some(message) = self.send.pop() else { break };
            peer.send(&*message).unwrap();
        }
    }
}

impl Handler for Probe {
    type Session = ();

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        self.opened = true;
        self.send_more(peer);
    }

    fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
        self.heard.push(message.as_bytes().to_vec());
        self.send_more(peer);
        if self.heard.len() == self.close_after {
            let _ = peer.close(CloseCode::NORMAL, "");
        }
    }

    fn close(&mut self, peer: &mut Peer<'_, ()>, closed: Closed<'_>) {
        let heard = std::mem::take(&mut self.heard);
        self.ended = Some(ended(self.opened, heard, peer.buffered_amount(), closed));
    }
}

fn ended(opened: bool, heard: Vec<Vec<u8>>, unwritten: usize, closed: Closed<'_>) -> Ended {
    Ended {
        opened,
        heard,
        code: closed.code.get(),
        was_clean: closed.was_clean,
        cause: format!("{:?}", closed.cause),
        unwritten,
    }
}

/// Dials, sends the messages, waits for as many, closes.
pub(crate) fn exchange(url: &str, addr: SocketAddr, tls: &TlsClient, messages: &[Vec<u8>]) -> Ended {
    exchange_with(Settings::default(), url, addr, tls, messages)
}

pub(crate) fn exchange_with(
    settings: Settings,
    url: &str,
    addr: SocketAddr,
    tls: &TlsClient,
    messages: &[Vec<u8>],
) -> Ended {
    dial(settings, Connect::new(url, addr, ()).unwrap().tls(tls), messages)
}

pub(crate) fn dial(settings: Settings, connect: Connect<()>, messages: &[Vec<u8>]) -> Ended {
    let send = messages.iter().rev().cloned().collect();
    let probe = Probe { send, close_after: messages.len(), ..Probe::default() };
    let mut event_loop = EventLoop::new(probe, settings).unwrap();
    event_loop.connect(connect);
    let deadline = Instant::now() + LIMIT;
    loop {
        event_loop.turn(Some(Duration::from_millis(100))).unwrap();
        if let Some(ended) = event_loop.handler_mut().ended.take() {
            return ended;
        }
        assert!(Instant::now() < deadline, "{} messages came", event_loop.handler().heard.len());
    }
}

/// Carries bytes to `addr` and back, in pieces of these sizes, through kernel buffers as small as they come.
pub(crate) fn trickle(addr: SocketAddr, sizes: &'static [usize]) -> SocketAddr {
    let listener = cramped_listener();
    let own = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let server = cramped_stream(addr, SMALL_BUFFER);
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let other = thread::spawn(move || copy_in_pieces(back.0, back.1, sizes));
        copy_in_pieces(client, server, sizes);
        other.join().unwrap();
    });
    own
}

/// A connection with a kernel buffer of this size for what arrives.
pub(crate) fn cramped_stream(addr: SocketAddr, receive_buffer: usize) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(receive_buffer).unwrap();
    socket.set_send_buffer_size(SMALL_BUFFER).unwrap();
    socket.connect(&addr.into()).unwrap();
    socket.into()
}

pub(crate) fn cramped_listener() -> TcpListener {
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    // Accepted sockets inherit it.
    shrink(&listener);
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(16).unwrap();
    listener.into()
}

/// Far less than the messages; but with the least that the kernel has, TCP itself stalls now and then: the sender waits for its persist
/// timer after each kilobyte.
const SMALL_BUFFER: usize = 16 << 10;

fn shrink(socket: &socket2::Socket) {
    socket.set_recv_buffer_size(SMALL_BUFFER).unwrap();
    socket.set_send_buffer_size(SMALL_BUFFER).unwrap();
}

fn copy_in_pieces(mut from: TcpStream, mut to: TcpStream, sizes: &[usize]) {
    let mut buffer = [0; 4096];
    for &size in sizes.iter().cycle() {
        let end = size.min(buffer.len());
        match from.read(&mut buffer[..end]) {
            Ok(0) | Err(_) => break,
            Ok(len) => {
                if to.write_all(&buffer[..len]).is_err() {
                    break;
                }
            }
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// What a peer that is no WebSocket endpoint gets back, up to the end of the stream; a reset is an end, too.
pub(crate) fn answer_to(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    // The server may have closed before all is written.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    read_to_end(&mut stream)
}

pub(crate) fn read_to_end(stream: &mut impl Read) -> Vec<u8> {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
        _ => answer,
    }
}
