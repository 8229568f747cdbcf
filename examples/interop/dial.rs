//! The dialling half of `sansws-mio` against another WebSocket server: `interop-dial NAME PORT`, started by `examples/interop/run`.
//!
//! What the server has to do is in the path: `/echo` echoes, and selects the subprotocol `echo.v1`; `/fragments` sends a text and a
//! binary message in fragments; `/ping` sends a Ping, and after its Pong a text; `/close/CODE` and `/close/none` close;
//! `/hold/ID` waits to be closed, and `/held/ID` tells in a text how that was.

#![allow(clippy::std_instead_of_core, reason = "a program of an operating system")]

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use sansws_mio::{By, CloseCode, Closed, Connect, EventLoop, Handler, Message, Peer, SendError, Settings};

const CASE_LIMIT: Duration = Duration::from_secs(15);
const MIB: usize = 1 << 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, port] = &arguments[..] else {
        eprintln!("usage: interop-dial NAME PORT");
        return ExitCode::FAILURE;
    };
    let mut code = ExitCode::SUCCESS;
    for case in cases() {
        match run(&case, port) {
            Ok(()) => println!("ok dialled {server}: {}", case.name),
            Err(error) => {
                println!("FAILED dialled {server}: {}: {error}", case.name);
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

/// One connection.
#[derive(Clone)]
struct Case {
    name: String,
    path: String,
    subprotocol: Option<&'static str>,
    send: fn(&mut Peer<'_, ()>) -> Result<(), SendError>,
    expect: Vec<Seen>,
    /// Once all that is expected was seen: with this code. Else the server closes.
    close: Option<u16>,
    closed: Ended,
}

#[derive(Clone, PartialEq, Eq)]
enum Seen {
    Subprotocol(String),
    Text(String),
    Binary(Vec<u8>),
    Pong(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Ended {
    code: u16,
    reason: String,
    by: By,
    cause: Option<String>,
}

fn cases() -> Vec<Case> {
    let text = "one two añ🦀 three";
    let mut cases = vec![
        echo("text", |peer| peer.send_text("hello, añ🦀"), Seen::Text("hello, añ🦀".into())),
        echo("empty text", |peer| peer.send_text(""), Seen::Text(String::new())),
        echo("binary", |peer| peer.send_binary(&pattern(256)), Seen::Binary(pattern(256))),
        echo("1 MiB of text", |peer| peer.send_text(&"ß".repeat(MIB / 2)), Seen::Text("ß".repeat(MIB / 2))),
        echo("1 MiB of binary", |peer| peer.send_binary(&pattern(MIB)), Seen::Binary(pattern(MIB))),
        Case {
            expect: vec![Seen::Pong(b"in between".into()), Seen::Text(text.into())],
            ..echo("fragments of a text, a Ping in between", send_fragments, Seen::Text(text.into()))
        },
        echo(
            "fragments of a binary message",
            |peer| {
                let payload = pattern(70_000);
                peer.send_binary_fragment(&payload[..30_000], false)?;
                peer.send_binary_fragment(&payload[30_000..], true)
            },
            Seen::Binary(pattern(70_000)),
        ),
        echo("a Ping gets its Pong", |peer| peer.ping(&pattern(125)), Seen::Pong(pattern(125))),
        Case {
            subprotocol: Some("echo.v1"),
            ..echo("subprotocol", |_| Ok(()), Seen::Subprotocol("echo.v1".into()))
        },
        Case {
            path: "/fragments".into(),
            expect: vec![Seen::Text(text.into()), Seen::Binary(vec![1, 2, 3])],
            ..echo("fragments from the server", |_| Ok(()), Seen::Text(text.into()))
        },
        Case {
            path: "/ping".into(),
            ..echo("a Ping from the server", |_| Ok(()), Seen::Text("pong: are you there?".into()))
        },
        Case {
            name: "Close without status from the server".into(),
            close: None,
            ..closed_by_server("none", 1005, "")
        },
    ];
    for code in [1000, 1001, 3000, 4999] {
        cases.push(closed_by_server(&code.to_string(), code, &format!("bye {code}")));
        cases.push(Case {
            name: format!("Close {code} to the server comes back"),
            path: format!("/hold/{code}"),
            expect: vec![],
            close: Some(code),
            closed: Ended { code, reason: format!("bye {code}"), by: By::Local, cause: None },
            ..echo("", |_| Ok(()), Seen::Text(String::new()))
        });
        cases.push(Case {
            name: format!("the server saw Close {code}"),
            path: format!("/held/{code}"),
            ..echo("", |_| Ok(()), Seen::Text(format!("{code} bye {code}")))
        });
    }
    cases
}

/// Something is sent, something comes back, and this end closes.
fn echo(name: &str, send: fn(&mut Peer<'_, ()>) -> Result<(), SendError>, expect: Seen) -> Case {
    Case {
        name: name.into(),
        path: "/echo".into(),
        subprotocol: None,
        send,
        expect: vec![expect],
        close: Some(1000),
        closed: Ended { code: 1000, reason: "bye 1000".into(), by: By::Local, cause: None },
    }
}

fn closed_by_server(path: &str, code: u16, reason: &str) -> Case {
    Case {
        name: format!("Close {code} from the server"),
        path: format!("/close/{path}"),
        expect: vec![],
        close: None,
        closed: Ended { code, reason: reason.into(), by: By::Remote, cause: None },
        ..echo("", |_| Ok(()), Seen::Text(String::new()))
    }
}

fn send_fragments(peer: &mut Peer<'_, ()>) -> Result<(), SendError> {
    peer.send_text_fragment("one ", false)?;
    peer.send_text_fragment("two añ🦀", false)?;
    peer.ping(b"in between")?;
    peer.send_text_fragment("", false)?;
    peer.send_text_fragment(" three", true)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + (i >> 8)) as u8).collect()
}

/// Dials, and compares what is seen with what is expected.
fn run(case: &Case, port: &str) -> Result<(), Box<dyn Error>> {
    let address: SocketAddr = format!("127.0.0.1:{port}").parse()?;
    let mut connect = Connect::new(&format!("ws://{address}{}", case.path), address, ())?;
    if let Some(name) = case.subprotocol {
        connect = connect.subprotocol(name);
    }
    let watcher = Watcher { case: case.clone(), seen: vec![], closed: None };
    let mut event_loop = EventLoop::new(watcher, Settings::default())?;
    event_loop.connect(connect);

    let deadline = Instant::now() + CASE_LIMIT;
    while event_loop.handler().closed.is_none() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("not done in time; seen: {:?}", event_loop.handler().seen).into());
        }
        event_loop.turn(Some(left))?;
    }
    let Watcher { seen, closed, .. } = event_loop.handler();
    if *seen != case.expect {
        return Err(format!("{seen:?} instead of {:?}; {closed:?}", case.expect).into());
    }
    if closed.as_ref() != Some(&case.closed) {
        return Err(format!("{closed:?} instead of {:?}", case.closed).into());
    }
    Ok(())
}

/// Keeps what the connection of one case sees.
struct Watcher {
    case: Case,
    seen: Vec<Seen>,
    closed: Option<Ended>,
}

impl Watcher {
    fn see(&mut self, peer: &mut Peer<'_, ()>, seen: Seen) {
        self.seen.push(seen);
        self.close_if_done(peer);
    }

    fn close_if_done(&self, peer: &mut Peer<'_, ()>) {
        if let Some(code) = self.case.close.filter(|_| self.seen.len() == self.case.expect.len()) {
            let _ = peer.close(CloseCode::new(code), &format!("bye {code}"));
        }
    }
}

impl Handler for Watcher {
    type Session = ();

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        if let Some(name) = peer.subprotocol() {
            self.seen.push(Seen::Subprotocol(name.into()));
        }
        // What could not be sent does not come back.
        let _ = (self.case.send)(peer);
        self.close_if_done(peer);
    }

    fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
        let seen = match message {
            Message::Text(text) => Seen::Text(text.into()),
            Message::Binary(payload) => Seen::Binary(payload.into()),
        };
        self.see(peer, seen);
    }

    fn pong(&mut self, peer: &mut Peer<'_, ()>, payload: &[u8]) {
        self.see(peer, Seen::Pong(payload.into()));
    }

    fn close(&mut self, _: &mut Peer<'_, ()>, closed: Closed<'_>) {
        let cause = match closed.cause {
            Some(cause) => Some(cause.to_string()),
            None if !closed.was_clean => Some("not clean".into()),
            None => None,
        };
        self.closed =
            Some(Ended { code: closed.code.get(), reason: closed.reason.into(), by: closed.by, cause });
    }
}

/// Long payloads by their length.
impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subprotocol(name) => write!(f, "subprotocol {name}"),
            Self::Text(text) if text.len() > 80 => write!(f, "text of {} bytes", text.len()),
            Self::Text(text) => write!(f, "text {text:?}"),
            Self::Binary(payload) | Self::Pong(payload) => write!(f, "{} bytes", payload.len()),
        }
    }
}
