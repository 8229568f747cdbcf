//! The demo as a process: its pages, its small endpoints, its command line.

mod support;

use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output};
use std::time::Instant;

use support::{Client, Heard, Server, http};

const DEMO: &str = env!("CARGO_BIN_EXE_demo");

fn demo() -> Server {
    Server::start(DEMO, &[])
}

fn run(args: &[&str]) -> Output {
    Command::new(DEMO).args(args).output().unwrap()
}

/// One clear line on stderr, exit code 1.
fn assert_fails(args: &[&str], part: &str) {
    let output = run(args);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
    assert!(stderr.contains(part), "{args:?}: {stderr}");
    assert!(output.stdout.is_empty());
}

#[test]
fn pages_and_their_assets_are_served() {
    let server = demo();
    for (path, part) in [
        ("/", "text/html"),
        ("/chat", "text/html"),
        ("/stocks", "text/html"),
        ("/assets/chat.js", "text/javascript"),
        ("/assets/style.css", "text/css"),
        ("/assets/favicon.svg", "image/svg+xml"),
    ] {
        let response = server.http(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert!(response.starts_with("HTTP/1.1 200 "), "{path}: {response}");
        assert!(response.contains(part), "{path}");
    }
    let page = server.http("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(page.contains("Content-Security-Policy: default-src 'self'"));
}

#[test]
fn every_asset_that_a_page_names_is_there() {
    let server = demo();
    for path in ["/", "/chat", "/stocks"] {
        let page = server.http(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let mut named = 0;
        for asset in page.split('"').filter(|part| part.starts_with("/assets/")) {
            let response = server.http(&format!("GET {asset} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            assert!(response.starts_with("HTTP/1.1 200 "), "{asset}: {response}");
            named += 1;
        }
        assert!(named > 0, "{path}");
    }
}

#[test]
fn plain_requests_are_answered_with_the_right_status() {
    let server = demo();
    for (request, status) in [
        ("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        ("GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        ("GET /assets/../Cargo.toml HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 405),
        ("GET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n", 426),
        ("nonsense\r\n\r\n", 400),
    ] {
        let response = server.http(request);
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {response}");
    }
}

#[test]
fn api_answers_ping_and_echoes_the_rest() {
    let mut client = demo().client_kept("/api");
    client.1.send("ping");
    assert_eq!(client.1.hear(), Heard::Text("pong".into()));
    client.1.send("anything else");
    assert_eq!(client.1.hear(), Heard::Text("anything else".into()));
    client.1.write(|ws, out| ws.send_binary(b"ping", out).unwrap());
    assert_eq!(client.1.hear(), Heard::Binary(b"ping".into()));
}

#[test]
fn echo_takes_messages_up_to_16_mib_inclusive() {
    let server = demo();
    let mut client = server.client("/echo");
    let payload: Vec<u8> = (0..16 << 20).map(|i: u32| (i >> 3) as u8).collect();
    client.write(|ws, out| ws.send_binary(&payload, out).unwrap());
    assert!(client.hear() == Heard::Binary(payload), "16 MiB come back");
    client.write(|ws, out| {
        // One byte more is refused by its header; the payload need not be sent.
        let header = ws.frame_header(sansws::MessageKind::Binary, (16 << 20) + 1).unwrap();
        out.extend_from_slice(header.as_bytes());
    });
    assert_eq!(client.hear(), Heard::Close(1009));
}

#[test]
fn echo_selects_its_subprotocol_and_no_other() {
    let server = demo();
    let offer = |names: &[&str]| Client::connect(server.addr, "/echo", names).subprotocol;
    assert_eq!(offer(&["echo.v2", "echo.v1"]).as_deref(), Some("echo.v1"));
    assert_eq!(offer(&["chat.v1"]), None);
}

#[test]
fn pages_of_other_origins_are_refused_unless_they_are_allowed() {
    let upgrade = |server: &Server, origin: &str| {
        let response = server.http(&format!(
            "GET /echo HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: {origin}\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\
             \x03", // a reserved opcode: the server fails the connection and it ends
            server.addr
        ));
        response.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    let server = demo();
    assert_eq!(upgrade(&server, "https://evil.example"), 403);
    assert_eq!(upgrade(&server, "null"), 403);
    assert_eq!(upgrade(&server, "http://localhost:5173"), 101, "the user's own page on another port");
    let server = Server::start(DEMO, &["--allow-origin", "https://good.example"]);
    assert_eq!(upgrade(&server, "https://good.example"), 101);
    assert_eq!(upgrade(&server, "https://evil.example"), 403);
    let server = Server::start(DEMO, &["--allow-origin", "https://*.good.example"]);
    assert_eq!(upgrade(&server, "https://a.good.example"), 101);
    assert_eq!(upgrade(&server, "https://evil-good.example"), 403);
    assert_eq!(upgrade(&Server::start(DEMO, &["--allow-origin", "*"]), "https://evil.example"), 101);
}

#[test]
fn a_log_that_nobody_reads_ends_nothing() {
    let mut server = Server::start_unheard(DEMO, &["-v"]);
    server.client("/echo").close(1000);
    let mut client = server.client("/api");
    client.send("ping");
    assert_eq!(client.hear(), Heard::Text("pong".into()));
    server.terminate();
    assert_eq!(client.hear(), Heard::Close(1001));
    assert!(server.wait().success());

    // SIGHUP says what came of it, and the same thread waits for SIGTERM.
    let mut server = Server::start_unheard(DEMO, &["-v", "--tls-self-signed"]);
    server.signal("-HUP");
    server.terminate();
    assert!(server.wait().success());
}

#[test]
fn metrics_are_served_at_a_port_of_their_own_if_asked_for() {
    let get = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert!(demo().http(get).starts_with("HTTP/1.1 404 "));

    let mut server = Server::start(DEMO, &["--metrics", "127.0.0.1:0"]);
    assert!(server.http(get).starts_with("HTTP/1.1 404 "), "not where everybody can connect");
    let printed = server.printed.iter().find_map(|line| line.strip_prefix("metrics on http://localhost:"));
    let port = printed.and_then(|rest| rest.strip_suffix("/metrics")).expect("said").parse().expect("a port");
    let ask = |request: &str| http(SocketAddr::from(([127, 0, 0, 1], port)), request);
    let mut client = server.client("/echo");
    client.send("hello");
    assert_eq!(client.hear(), Heard::Text("hello".into()));
    // The answer is there before the turn that sent it is over.
    let start = Instant::now();
    let response = loop {
        let response = ask(get);
        if response.contains("\nsansws_messages_sent_total 1\n") {
            break response;
        }
        assert!(start.elapsed() < support::DEADLINE, "{response}");
    };
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert!(
        response.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{response}"
    );
    for line in [
        "# TYPE sansws_connections gauge",
        "sansws_connections{phase=\"open\"} 1",
        "sansws_messages_received_total 1",
        "sansws_http_refusals_total{status=\"404\"} 1",
    ] {
        assert!(response.lines().any(|other| other == line), "{line}: {response}");
    }
    assert!(
        ask("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").starts_with("HTTP/1.1 405 ")
    );
    assert!(ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 404 "));
    server.terminate();
    assert_eq!(client.hear(), Heard::Close(1001));
    assert!(server.wait().success());
}

#[test]
fn help_and_version_go_to_stdout() {
    let help = run(&["--help"]);
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--bind ADDR"));
    let version = run(&["--version"]);
    assert!(version.status.success() && String::from_utf8_lossy(&version.stdout).starts_with("demo "));
}

#[test]
fn mistakes_on_the_command_line_are_one_line_and_exit_code_1() {
    assert_fails(&["--frobnicate"], "--frobnicate");
    assert_fails(&["--bind", "nonsense"], "--bind nonsense");
    assert_fails(&["--replay", "/no/such/file.csv"], "/no/such/file.csv");
    assert_fails(&["--tls-cert", "/no/such.pem", "--tls-key", "/no/such.key"], "/no/such.pem");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    assert_fails(&["--bind", &addr], &format!("cannot listen on {addr}: the port is in use"));
    let metrics = ["--bind", "127.0.0.1:0", "--metrics", &addr];
    assert_fails(&metrics, &format!("cannot listen on {addr}: the port is in use (--metrics takes another)"));
}

impl Server {
    /// A client together with its server, which ends with it.
    fn client_kept(self, path: &str) -> (Self, Client) {
        let client = self.client(path);
        (self, client)
    }
}
