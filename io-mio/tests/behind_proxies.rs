//! Behind proxies: whose address counts, by `X-Forwarded-For`, `Forwarded` and the PROXY protocol.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sansws_mio::{
    Accept, Handle, Handler, OriginPolicy, Peer, ProxyHeader, Request, Response, Server, Settings, Timeouts,
    TrustedProxies,
};
use support::{DEADLINE, dial, exchange, request};

/// Tells whom it takes the client for: in the page, and in a header of the 101 and a message.
struct Mirror;

impl Handler for Mirror {
    type Session = ();

    fn request(&mut self, request: &Request<'_>) -> Response {
        Response::text(200, format!("<{}>", request.remote_addr()))
    }

    fn upgrade(&mut self, request: &Request<'_>, accept: &mut Accept) -> Result<(), Response> {
        accept.header("X-Client", &request.remote_addr().to_string());
        Ok(())
    }

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        let address = peer.remote_addr().to_string();
        peer.send(&*address).expect("it is open");
    }
}

struct Running {
    addr: SocketAddr,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(proxies: &str, header: ProxyHeader, settings: Settings) -> Self {
        Self::run(Server::bind("127.0.0.1:0").expect("a free port"), proxies, header, settings)
    }

    fn run(server: Server, proxies: &str, header: ProxyHeader, settings: Settings) -> Self {
        let proxies = TrustedProxies::new(proxies, header).expect("addresses");
        let server = server.settings(Settings { trusted_proxies: Some(proxies), ..settings });
        let addr = server.local_addr().unwrap_or(SocketAddr::from(([0; 4], 0)));
        let handle = server.handle();
        let thread = std::thread::spawn(move || server.run(Mirror).expect("an event queue"));
        Self { addr, handle, thread: Some(thread) }
    }

    /// Whom the server takes the client for that sends this.
    fn seen(&self, bytes: &str) -> String {
        let answer = exchange(self.addr, bytes.as_bytes());
        let body = answer.rsplit_once("\r\n\r\n").map_or("", |(_, body)| body);
        body.trim_start_matches('<').trim_end_matches('>').to_owned()
    }

    fn wait_for_connections(&self, count: usize) {
        let until = Instant::now() + DEADLINE;
        while self.handle.connections() != count {
            assert!(Instant::now() < until, "{} connections", self.handle.connections());
            std::thread::yield_now();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.shutdown(Duration::ZERO);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic");
        }
    }
}

fn page(more: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: localhost\r\n{more}\r\n")
}

/// Sends this and reads a head; the connection stays.
fn head(addr: SocketAddr, bytes: &str) -> (TcpStream, String) {
    let mut stream = dial(addr);
    stream.write_all(bytes.as_bytes()).expect("the server reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    (stream, String::from_utf8(head).expect("text"))
}

/// Rule R-7239-a.
#[test]
fn headers_of_trusted_proxies_tell_the_client() {
    let server = Running::start("127.0.0.1", ProxyHeader::XForwardedFor, Settings::default());
    assert_eq!(server.seen(&page("X-Forwarded-For: 203.0.113.9, 192.0.2.1\r\n")), "192.0.2.1:0");
    let lines =
        "X-Forwarded-For: 203.0.113.9\r\nx-forwarded-for: 192.0.2.1\r\nForwarded: for=203.0.113.8\r\n";
    assert_eq!(server.seen(&page(lines)), "192.0.2.1:0");
    assert!(server.seen(&page("Forwarded: for=203.0.113.8\r\n")).starts_with("127.0.0.1:"));
    let (_stream, head) = head(server.addr, &request("/", "X-Forwarded-For: [2001:db8::9]:77\r\n"));
    assert!(head.contains("X-Client: [2001:db8::9]:77\r\n"), "{head}");

    let server = Running::start("::1 127.0.0.0/8", ProxyHeader::Forwarded, Settings::default());
    assert_eq!(server.seen(&page("Forwarded: for=203.0.113.8, for=\"192.0.2.1:5\"\r\n")), "192.0.2.1:5");
    assert!(server.seen(&page("X-Forwarded-For: 203.0.113.9\r\n")).starts_with("127.0.0.1:"));

    // What anybody else says is not believed.
    for header in [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded, ProxyHeader::ProxyProtocol] {
        let server = Running::start("10.0.0.1 unix", header, Settings::default());
        let claims = "X-Forwarded-For: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\n";
        assert!(server.seen(&page(claims)).starts_with("127.0.0.1:"));
        let announced = exchange(
            server.addr,
            format!("PROXY TCP4 203.0.113.9 198.51.100.1 1 2\r\n{}", page("")).as_bytes(),
        );
        assert!(announced.starts_with("HTTP/1.1 400 "), "{announced}");
    }
}

/// Each client has its limit, and not all of them one together; what a client claims does not help.
#[test]
fn the_limit_on_addresses_counts_clients() {
    let settings = || Settings { max_connections_per_address: Some(2), ..Settings::default() };
    let by_header = |client: &str| request("/", &format!("X-Forwarded-For: 203.0.113.9, {client}\r\n"));
    let by_protocol = |client: &str| format!("PROXY TCP4 {client} 198.51.100.1 1 2\r\n{}", request("/", ""));
    type Asks<'a> = &'a dyn Fn(&str) -> String;
    let ways: [(ProxyHeader, Asks<'_>); 2] =
        [(ProxyHeader::XForwardedFor, &by_header), (ProxyHeader::ProxyProtocol, &by_protocol)];
    for (header, ask) in ways {
        let server = Running::start("127.0.0.1", header, settings());
        let mut open = Vec::new();
        for client in ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"] {
            let (stream, head) = head(server.addr, &ask(client));
            assert!(head.starts_with("HTTP/1.1 101 "), "{header:?} {client}: {head}");
            open.push(stream);
        }
        let refused = exchange(server.addr, ask("192.0.2.1").as_bytes());
        assert!(refused.starts_with("HTTP/1.1 429 "), "{header:?}: {refused}");
        // It comes back when a connection ends, and with the refused ones too.
        open.remove(0);
        server.wait_for_connections(3);
        let (stream, again) = head(server.addr, &ask("192.0.2.1"));
        assert!(again.starts_with("HTTP/1.1 101 "), "{header:?}: {again}");
        open.push(stream);
        drop(open);
        server.wait_for_connections(0);
    }
    // Those who are no proxies count as before, from when they connect.
    let server = Running::start("10.0.0.1", ProxyHeader::XForwardedFor, settings());
    let open: Vec<_> =
        (0..2).map(|_| head(server.addr, &request("/", "X-Forwarded-For: 192.0.2.1\r\n"))).collect();
    let refused = exchange(server.addr, page("X-Forwarded-For: 192.0.2.2\r\n").as_bytes());
    assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    drop(open);
}

#[test]
fn the_proxy_protocol_comes_before_the_request() {
    let server = Running::start("127.0.0.1", ProxyHeader::ProxyProtocol, Settings::default());
    let line = "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n";
    assert_eq!(
        server.seen(&format!("{line}{}", page("X-Forwarded-For: 203.0.113.9\r\n"))),
        "192.0.2.1:56324"
    );
    // The proxy's own connections, to see whether the server lives.
    assert!(server.seen(&format!("PROXY UNKNOWN\r\n{}", page(""))).starts_with("127.0.0.1:"));
    let mut version_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24".to_vec();
    version_2.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9].repeat(2));
    version_2.extend([0, 77, 1, 187]);
    version_2.extend(page("").bytes());
    let answer = exchange(server.addr, &version_2);
    assert!(answer.ends_with("<[2001:db8::9]:77>"), "{answer}");

    // Byte by byte, and a WebSocket.
    let mut stream = dial(server.addr);
    stream.set_nodelay(true).expect("TCP");
    for byte in format!("{line}{}", request("/", "")).bytes() {
        stream.write_all(&[byte]).expect("the server reads");
    }
    let mut answer = vec![0; 4096];
    let len = stream.read(&mut answer).expect("a response");
    let answer = String::from_utf8_lossy(&answer[..len]);
    assert!(answer.contains("X-Client: 192.0.2.1:56324\r\n"), "{answer}");
}

#[test]
fn a_connection_without_its_header_is_dropped() {
    let timeouts = Timeouts::new().handshake(Duration::from_millis(200));
    let settings = Settings { timeouts, ..Settings::default() };
    let server = Running::start("127.0.0.1", ProxyHeader::ProxyProtocol, settings);
    let sent: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PROXY TCP4 192.0.2.1\r\n\r\n\r\n\r\n\r\n\r\n\r\n",
        b"PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\nGET / HTTP/1.1\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\x00\x0c\x00\x00",
        // These have their time, and no more.
        b"PROXY TCP4 192.0",
        b"",
    ];
    for bytes in sent {
        let mut stream = dial(server.addr);
        stream.write_all(bytes).expect("the server is there");
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{bytes:?}"),
        }
        assert!(answer.is_empty(), "{bytes:?}: {answer:?}");
    }
    // A client that ends before it has asked for anything gets no answer either.
    let mut stream = dial(server.addr);
    stream.write_all(b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\n").expect("the server reads");
    stream.shutdown(std::net::Shutdown::Write).expect("it is open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an end");
    assert_eq!(answer, "");
    // One that is ended meanwhile, and a shutdown.
    drop(dial(server.addr));
    server.wait_for_connections(0);
    let mut waiting = dial(server.addr);
    server.wait_for_connections(1);
    server.handle.shutdown(DEADLINE);
    let mut answer = Vec::new();
    assert!(waiting.read_to_end(&mut answer).is_err() || answer.is_empty());
}

/// What is told of the client changes nothing about who can reach the server.
#[test]
#[cfg(unix)]
fn a_proxy_on_a_unix_domain_socket_tells_the_client_too() {
    use std::os::unix::net::UnixStream;
    let path = std::env::temp_dir().join(format!("sansws-proxies-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    for (header, before, more) in [
        (ProxyHeader::XForwardedFor, "", "X-Forwarded-For: 192.0.2.1\r\n"),
        (ProxyHeader::ProxyProtocol, "PROXY TCP4 192.0.2.1 198.51.100.1 0 2\r\n", ""),
    ] {
        let server = Server::bind_unix(&path).expect("a free path");
        let settings = Settings { origin: OriginPolicy::SameOrigin, ..Settings::default() };
        let server = Running::run(server, "unix", header, settings);
        let mut stream = UnixStream::connect(&path).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a limit");
        // Its own page under the proxy's name: nobody can have that resolve to the socket.
        let more = format!("Origin: https://shop.example\r\n{more}");
        let asked = request("/", &more).replace("localhost", "shop.example");
        stream.write_all(format!("{before}{asked}").as_bytes()).expect("the server reads");
        let mut answer = vec![0; 4096];
        let len = stream.read(&mut answer).expect("a response");
        let answer = String::from_utf8_lossy(&answer[..len]);
        assert!(
            answer.starts_with("HTTP/1.1 101 ") && answer.contains("X-Client: 192.0.2.1:0\r\n"),
            "{answer}"
        );
        drop(server);
        let _ = std::fs::remove_file(&path);
    }
}
