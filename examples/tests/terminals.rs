//! chat-client and ticker-client in a terminal.

#![cfg(target_os = "linux")]

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use sansws_mio::{Accept, Handler, Message, Peer, Request, Response};
use support::closing::Closing;
use support::{DEADLINE, Server};

const CHAT_CLIENT: &str = env!("CARGO_BIN_EXE_chat-client");
const TICKER_CLIENT: &str = env!("CARGO_BIN_EXE_ticker-client");

/// A program in a terminal of its own.
struct Terminal {
    child: Child,
    /// The end of whoever sits there.
    user: File,
    /// The end of the program.
    program: OwnedFd,
    output: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    fn start(program: &str, args: &[&str], (columns, rows): (u16, u16)) -> Self {
        let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        let end = ioctl_tiocgptpeer(&user, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        tcsetwinsize(&end, Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let stdio = || Stdio::from(end.try_clone().unwrap());
        let child =
            Command::new(program).args(args).stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap();
        let user = File::from(user);
        let (sender, output) = channel();
        let mut reader = user.try_clone().unwrap();
        // Ends with an error when no program has the terminal any more.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(len @ 1..) = reader.read(&mut buffer) {
                let _ = sender.send(buffer[..len].to_vec());
            }
        });
        Self { child, user, program: end, output, seen: String::new() }
    }

    fn keys(&mut self, keys: &str) {
        self.user.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until everything that was printed contains this.
    fn wait_for(&mut self, part: &str) {
        self.wait_for_times(part, 1);
    }

    fn wait_for_times(&mut self, part: &str, times: usize) {
        let start = Instant::now();
        while self.seen.matches(part).count() < times {
            let left = DEADLINE.saturating_sub(start.elapsed());
            let Ok(bytes) = self.output.recv_timeout(left) else { panic!("no {part:?}: {:?}", self.seen) };
            self.seen += &String::from_utf8_lossy(&bytes);
        }
    }

    /// Whether it echoes what is typed, and whether it hands over lines.
    fn modes(&self) -> (bool, bool) {
        let modes = tcgetattr(&self.program).unwrap().local_modes;
        (modes.contains(LocalModes::ECHO), modes.contains(LocalModes::ICANON))
    }

    fn interrupt(&self) {
        assert!(
            Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap().success()
        );
    }

    /// Waits for the end of the program, and returns its exit code.
    fn wait(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                while let Ok(bytes) = self.output.try_recv() {
                    self.seen += &String::from_utf8_lossy(&bytes);
                }
                return status.code();
            }
            assert!(start.elapsed() < DEADLINE, "the program does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_terminal_is_left_as_it_was() {
    let server = Server::start(env!("CARGO_BIN_EXE_chat"), &[]);
    let url = format!("ws://{}/chat", server.addr);
    for how in ["/quit\r", "\x04", "a signal"] {
        let mut ann = Terminal::start(CHAT_CLIENT, &["--name", "ann", &url], (80, 24));
        ann.wait_for("* ann joined the lobby");
        assert_eq!(ann.modes(), (false, false), "each key is handed over");
        if how == "a signal" {
            ann.interrupt();
        } else {
            ann.keys(how);
        }
        assert_eq!(ann.wait(), Some(0), "{how:?}: {}", ann.seen);
        assert_eq!(ann.modes(), (true, true), "{how:?}");
    }
    let server = Closing::with(1000);
    let mut ann =
        Terminal::start(CHAT_CLIENT, &["--name", "ann", &format!("ws://{}/", server.addr)], (80, 24));
    assert_eq!(ann.wait(), Some(0), "{}", ann.seen);
    assert_eq!(ann.modes(), (true, true), "ended by the server");
}

/// Says one thing to whoever comes.
struct Saying(&'static str);

impl Handler for Saying {
    type Session = ();

    fn upgrade(&mut self, _: &Request<'_>, _: &mut Accept) -> Result<(), Response> {
        Ok(())
    }

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        peer.send(self.0).unwrap();
    }

    fn message(&mut self, _: &mut Peer<'_, ()>, _: Message<'_>) {}
}

#[test]
fn no_terminal_obeys_a_server() {
    let server = sansws_mio::Server::bind("127.0.0.1:0").unwrap();
    let (url, handle) = (format!("ws://{}/", server.local_addrs()[0]), server.handle());
    let said = "{\"type\":\"error\",\"message\":\"\u{9b}2J\u{7f}\u{202e}forged\"}";
    let thread = std::thread::spawn(move || server.run(Saying(said)).unwrap());
    let expected = "\u{fffd}2J\u{fffd}\u{fffd}forged";
    for args in [&["--json"][..], &[]] {
        for (program, name) in [(CHAT_CLIENT, &["--name", "ann"][..]), (TICKER_CLIENT, &[])] {
            let mut client = Terminal::start(program, &[name, args, &[&*url]].concat(), (100, 24));
            client.wait_for("forged");
            assert!(client.seen.contains(expected), "{program} {args:?}: {:?}", client.seen);
            client.interrupt();
            assert_eq!(client.wait(), Some(0), "{}", client.seen);
        }
    }
    handle.shutdown(Duration::ZERO);
    thread.join().unwrap();
}

#[test]
fn a_table_does_not_outgrow_the_terminal() {
    let server = Server::start(env!("CARGO_BIN_EXE_ticker"), &[]);
    let url = format!("ws://{}/stocks", server.addr);
    // The server does not know most of them, and says so at length.
    let symbols: Vec<String> = (0..30).map(|i| format!("NO-SUCH-SYMBOL-{i}")).collect();
    let symbols = format!("AAPL,{}", symbols.join(","));
    let mut client = Terminal::start(TICKER_CLIENT, &["--symbols", &symbols, &url], (30, 10));
    // Some frames, each over the one before.
    client.wait_for_times("\x1b[9A", 3);
    client.interrupt();
    assert_eq!(client.wait(), Some(0), "{}", client.seen);
    assert!(client.seen.contains("and 25 more"), "{}", client.seen);
    let mut lines_up = 0;
    let shown: String = client
        .seen
        .split("\x1b[")
        .enumerate()
        .map(|(i, part)| {
            let end = part.find(|c: char| c.is_ascii_alphabetic()).filter(|_| i > 0);
            if let Some((end, lines)) = end.and_then(|end| Some((end, part[..end].parse::<usize>().ok()?))) {
                lines_up = lines_up.max(if part[end..].starts_with('A') { lines } else { 0 });
            }
            end.map_or(part, |end| &part[end + 1..])
        })
        .collect();
    assert_eq!(lines_up, 9, "the cursor has a line of its own");
    for line in shown.lines() {
        assert!(line.trim_matches('\r').chars().count() < 30, "{line:?}");
    }
}
