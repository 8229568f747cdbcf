//! chat-client and ticker-client as processes, against our servers.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sansws_examples::clients::chat_client::{ChatClient, ChatEvent};
use sansws_mio::{Accept, CloseCode, Context, Handler, Message, Peer, ReliableWebSocket, Request, Response};
use serde_json::{Value, json};
use support::closing::{Closing, REASON};
use support::process::Process;
use support::{DEADLINE, Server};

const CHAT_CLIENT: &str = env!("CARGO_BIN_EXE_chat-client");
const TICKER_CLIENT: &str = env!("CARGO_BIN_EXE_ticker-client");

fn chat() -> Server {
    Server::start(env!("CARGO_BIN_EXE_chat"), &[])
}

fn ticker() -> Server {
    Server::start(env!("CARGO_BIN_EXE_ticker"), &[])
}

fn url(server: &Server, path: &str) -> String {
    format!("ws://{}{path}", server.addr)
}

#[test]
fn people_chat() {
    let server = chat();
    let url = url(&server, "/chat");
    let mut ann = Process::start(CHAT_CLIENT, &["--name", "ann", &url]);
    assert_eq!(ann.line(), "* ann joined the lobby");
    let mut bob = Process::start(CHAT_CLIENT, &["--name", "bob", "--room", "den", &url]);
    assert_eq!(ann.line(), "* bob joined the lobby");
    assert_eq!(bob.line(), "* bob joined the lobby");
    assert_eq!(bob.line(), "* bob joined [den]");
    ann.type_line("Grüße 🦀");
    assert_eq!(ann.line(), "ann: Grüße 🦀");
    assert_eq!(bob.line(), "ann: Grüße 🦀");
    bob.type_line("/rooms");
    assert_eq!(bob.line(), "* rooms: den");
    bob.type_line("/who");
    assert_eq!(bob.line(), "* in [den]: bob");
    ann.type_line("/join den");
    assert_eq!(ann.line(), "* ann joined [den]");
    assert_eq!(bob.line(), "* ann joined [den]");
    ann.type_line("//slash");
    assert_eq!(bob.line(), "[den] ann: /slash");
    bob.type_line("/leave");
    assert_eq!(bob.line(), "* bob left [den]");
    bob.type_line("/quit");
    let finished = bob.wait();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stderr.ends_with("* closed (1000)"), "{finished:?}");
    assert_eq!(ann.line_with("bob left the lobby"), "* bob left the lobby");
    ann.interrupt();
    assert_eq!(ann.wait().code, Some(0));
}

#[test]
fn a_pipe_is_said_to_its_end_before_the_client_leaves() {
    let server = chat();
    let input: String = (0..500).map(|i| format!("line {i}\n")).collect();
    let finished =
        Process::run(CHAT_CLIENT, &["--name", "ann", "--json", &url(&server, "/chat")], input.as_bytes());
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let said: Vec<String> = String::from_utf8(finished.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["type"] == "message")
        .map(|event| event["text"].as_str().unwrap().into())
        .collect();
    assert_eq!(said, (0..500).map(|i| format!("line {i}")).collect::<Vec<_>>());
}

#[test]
fn a_lost_connection_is_made_again_and_what_was_typed_meanwhile_is_said() {
    let mut server = chat();
    let addr = server.addr;
    let mut ann =
        Process::start(CHAT_CLIENT, &["--name", "ann", "--room", "den", "--json", &url(&server, "/chat")]);
    assert_eq!(ann.json(), json!({ "type": "connected", "attempt": 0 }));
    ann.line_with("den");
    server.terminate();
    server.wait();
    let disconnected: Value = serde_json::from_str(&ann.line_with("disconnected")).unwrap();
    assert_eq!(disconnected["code"], 1001);
    ann.line_with("retrying");
    ann.type_line("typed meanwhile");
    let _server = Server::start_at(env!("CARGO_BIN_EXE_chat"), addr);
    ann.line_with("connected");
    let said: Value = serde_json::from_str(&ann.line_with("typed meanwhile")).unwrap();
    assert_eq!(
        said,
        json!({ "type": "message", "username": "ann", "text": "typed meanwhile", "room": "den" })
    );
    assert_eq!(ann.finish().code, Some(0));
}

#[test]
fn a_control_character_of_somebody_elses_is_data_in_a_pipe() {
    let server = chat();
    let url = url(&server, "/chat");
    let ann = Process::start(CHAT_CLIENT, &["--name", "ann", &url]);
    ann.line_with("ann joined");
    let mut eve = server.client("/chat");
    eve.send_json(json!({ "type": "join", "username": "eve" }));
    ann.line_with("eve joined");
    eve.send_json(json!({ "type": "message", "username": "eve", "text": "a\nann: forged" }));
    assert_eq!(ann.line(), "eve: a");
    assert_eq!(ann.line(), "    ann: forged", "a line of a message does not look like another message");
}

#[test]
fn what_was_not_said_is_told() {
    let finished = Process::run(
        CHAT_CLIENT,
        &["--name", "ann", "--retries", "0", "ws://127.0.0.1:1/chat"],
        b"never said\n",
    );
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("given up"), "{finished:?}");
    let server = chat();
    let finished =
        Process::run(CHAT_CLIENT, &["--name", "ann", &url(&server, "/chat")], b"said\n\xff\nsaid too\n");
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.stderr.contains("not sent: a line of 1 bytes is not UTF-8"), "{finished:?}");
    assert!(String::from_utf8(finished.stdout).unwrap().contains("ann: said too"));
}

#[test]
fn the_second_signal_ends_a_program_that_cannot_print() {
    let mut client = Command::new(CHAT_CLIENT)
        .args(["--json", "--name", "ann", "ws://127.0.0.1:1/chat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Each line is answered with an error on stdout, of which only the first byte is read: then it can be interrupted, and will stall.
    let mut stdin = client.stdin.take().unwrap();
    let (sender, written) = std::sync::mpsc::channel();
    let typing = std::thread::spawn(move || {
        while stdin.write_all(b"/?\n").and_then(|()| sender.send(()).map_err(std::io::Error::other)).is_ok() {
        }
    });
    let mut stdout = client.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    let start = Instant::now();
    // Nobody reads the input any more: everything is full.
    while written.recv_timeout(Duration::from_millis(500)).is_ok() {
        assert!(start.elapsed() < DEADLINE);
    }
    // Two signals of a kind could become one.
    for signal in ["-INT", "-TERM"] {
        assert!(Command::new("kill").args([signal, &client.id().to_string()]).status().unwrap().success());
    }
    let start = Instant::now();
    let mut status = client.try_wait().unwrap();
    while status.is_none() && start.elapsed() < DEADLINE {
        std::thread::sleep(Duration::from_millis(5));
        status = client.try_wait().unwrap();
    }
    let _ = client.kill();
    let _ = client.wait();
    typing.join().unwrap();
    assert_eq!(status.expect("it ends").code(), None, "by a signal");
}

/// Rule R-5.5.1-g.
#[test]
fn the_reason_of_a_close_is_not_shown_but_words_of_ours() {
    for (program, name) in [(CHAT_CLIENT, &["--name", "ann"][..]), (TICKER_CLIENT, &[])] {
        for (code, is_over, shown) in [
            (1000, true, "* closed (1000)"),
            (1001, false, "* not connected (1001: the server is going away)"),
            (1008, false, "* not connected (1008: against the rules of the server)"),
            (4321, false, "* not connected (4321: a decision of the server)"),
        ] {
            let server = Closing::with(code);
            let url = format!("ws://{}/", server.addr);
            let client = Process::start(program, &[name, &[&*url]].concat());
            let mut seen = client.stderr_line_with(&format!("({code}"));
            assert_eq!(seen, shown);
            if !is_over {
                client.interrupt();
            }
            let finished = client.wait();
            seen += &finished.stderr;
            seen += &String::from_utf8(finished.stdout).unwrap();
            assert!(!seen.contains(REASON), "{seen}");
            // For a program that reads it, it is there, and apart.
            let client = Process::start(program, &[name, &["--json", &*url]].concat());
            let event: Value = serde_json::from_str(&client.line_with(&format!("\"code\":{code}"))).unwrap();
            assert!(event["reason"].as_str().unwrap().starts_with(REASON), "{event}");
            assert!(!event["why"].as_str().unwrap().contains(REASON), "{event}");
        }
    }
}

/// Rule R-5.5.1-g.
#[test]
fn no_page_has_to_do_with_the_reason_of_a_close() {
    let pages = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("pages");
    let mut scripts = 0;
    for file in std::fs::read_dir(pages).unwrap() {
        let path = file.unwrap().path();
        let script = std::fs::read_to_string(&path).unwrap();
        scripts += usize::from(script.contains("onclose"));
        assert!(!script.contains("reason"), "{}", path.display());
    }
    assert!(scripts > 0, "the pages are somewhere else");
}

#[test]
fn passwords_are_not_printed() {
    for args in [
        &["--name", "ann", "--retries", "0", "ws://ann:secret@127.0.0.1:1/"][..],
        &["--name", "ann", "ws://ann:secret@a b/"],
        &["--name", "ann", "http://ann:secret@h/"],
    ] {
        for (program, args) in [(CHAT_CLIENT, args), (TICKER_CLIENT, &args[2..])] {
            let finished = Process::run(program, args, b"");
            assert_eq!(finished.code, Some(1), "{finished:?}");
            assert!(finished.stderr.contains("://ann@"), "{finished:?}");
            assert!(!finished.stderr.contains("secret"), "{finished:?}");
        }
    }
}

#[test]
fn quotes_are_printed_as_lines_in_a_pipe() {
    let server = ticker();
    let args = ["--symbols", "aapl,TSLA", "--count", "20", &url(&server, "/stocks")];
    let finished = Process::run(TICKER_CLIENT, &args, b"");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let stdout = String::from_utf8(finished.stdout).unwrap();
    assert_eq!(stdout.lines().count(), 20, "{stdout}");
    for line in stdout.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [symbol, price, change, volume] = fields[..] else { panic!("{line}") };
        assert!(["AAPL", "TSLA"].contains(&symbol), "{line}");
        assert!(price.parse::<f64>().unwrap() > 0.0, "{line}");
        assert!(change.starts_with(['+', '-']), "{line}");
        assert!(volume.chars().all(|c| c.is_ascii_digit() || c == ','), "{line}");
    }
    assert!(!stdout.contains('\x1b'));
}

#[test]
fn quotes_go_on_after_the_server_was_started_anew() {
    let mut server = ticker();
    let addr = server.addr;
    let client =
        Process::start(TICKER_CLIENT, &["--json", "--symbols", "AAPL,NIX", &url(&server, "/stocks")]);
    client.line_with("connected");
    assert_eq!(client.line_with("unknown symbol"), r#"{"message":"unknown symbol NIX","type":"error"}"#);
    client.line_with("\"quote\"");
    server.terminate();
    server.wait();
    client.line_with("disconnected");
    client.line_with("retrying");
    let _server = Server::start_at(env!("CARGO_BIN_EXE_ticker"), addr);
    client.line_with("\"connected\"");
    client.line_with("\"quote\"");
    client.interrupt();
    let finished = client.wait();
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

#[test]
fn mistakes_are_one_line_and_exit_code_1() {
    for (program, args, part) in [
        (CHAT_CLIENT, &["--name", "ann"][..], "a URL is missing"),
        (CHAT_CLIENT, &["ws://127.0.0.1:1/"], "--name is missing"),
        (CHAT_CLIENT, &["--name", "ann", "ws://a b/"], "ws://a b/"),
        (TICKER_CLIENT, &["--count", "x", "ws://a"], "--count x"),
    ] {
        let finished = Process::run(program, args, b"");
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.starts_with("error: ") && finished.stderr.contains(part), "{finished:?}");
        assert!(finished.stderr.lines().count() == 1 && finished.stdout.is_empty(), "{finished:?}");
    }
    for (program, usage) in [(CHAT_CLIENT, "Usage: chat-client "), (TICKER_CLIENT, "Usage: ticker-client ")] {
        let help = Process::run(program, &["--help"], b"");
        assert!(help.code == Some(0) && help.stderr.is_empty(), "{help:?}");
        let help = String::from_utf8(help.stdout).unwrap();
        assert!(help.contains(usage) && help.contains("Exit codes"), "{help}");
    }
}

#[test]
fn giving_up_is_told_with_the_number_of_retries() {
    for (program, name) in [(CHAT_CLIENT, &["--name", "ann"][..]), (TICKER_CLIENT, &[])] {
        for (retries, told) in [("0", "given up without a retry"), ("1", "given up after 1 retry")] {
            let finished =
                Process::run(program, &[name, &["--retries", retries, "ws://127.0.0.1:1/"]].concat(), b"");
            assert_eq!(finished.code, Some(1), "{finished:?}");
            assert!(finished.stderr.ends_with(&format!("* closed (1006: {told})")), "{finished:?}");
            let failed = finished.stderr.matches("not connected (1006").count();
            assert_eq!(failed.to_string(), (retries.parse::<u32>().unwrap() + 1).to_string(), "{finished:?}");
        }
    }
}

/// Serves each connection like this, for as long as the test runs. Returns the URL.
fn serve(each: impl Fn(&mut TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            each(&mut stream.unwrap());
        }
    });
    format!("ws://{addr}/")
}

#[test]
fn what_waiting_does_not_change_is_not_tried_again() {
    let url = serve(|stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    });
    for (program, name) in [(CHAT_CLIENT, &["--name", "ann"][..]), (TICKER_CLIENT, &[])] {
        let finished = Process::run(program, &[name, &[&url]].concat(), b"");
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert_eq!(finished.stderr.matches("not connected (1006").count(), 1, "{finished:?}");
        assert!(finished.stderr.contains("given up: another attempt would fail"), "{finished:?}");
    }
    let finished = Process::run(env!("CARGO_BIN_EXE_wsc"), &["--reconnect", &url], b"");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(finished.stderr.matches("cannot connect").count(), 1, "{finished:?}");
}

#[test]
fn a_server_that_closes_at_once_uses_up_the_retries() {
    struct Strict;

    impl Handler for Strict {
        type Session = ();

        fn upgrade(&mut self, _: &Request<'_>, _: &mut Accept) -> Result<(), Response> {
            Ok(())
        }

        fn open(&mut self, peer: &mut Peer<'_, ()>) {
            peer.close(CloseCode::POLICY_VIOLATION, "bad token").unwrap();
        }

        fn message(&mut self, _: &mut Peer<'_, ()>, _: Message<'_>) {}
    }

    let server = sansws_mio::Server::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    std::thread::spawn(move || server.run(Strict));
    for (program, name) in [(CHAT_CLIENT, &["--name", "ann"][..]), (TICKER_CLIENT, &[])] {
        // Its input goes on.
        let finished = Process::start(program, &[name, &["--retries", "1", &url]].concat()).wait();
        assert!(finished.stderr.contains("given up after 1 retry"), "{finished:?}");
        assert_eq!(finished.stderr.matches("not connected (1008").count(), 2, "{finished:?}");
    }
}

#[test]
fn without_open_files_it_is_told_that_there_is_no_client_thread() {
    // Standard streams and what handles signals: then there are none left for the event queue.
    let command = format!("ulimit -n 6; exec {TICKER_CLIENT} --retries 1 ws://127.0.0.1:1/");
    let finished = Process::run("sh", &["-c", &command], b"");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("client thread could not be started"), "{finished:?}");
}

#[test]
fn what_others_say_does_not_keep_a_pipe_waiting() {
    /// Confirms nothing, and has somebody talk.
    struct Talkative;

    impl Handler for Talkative {
        type Session = ();

        fn upgrade(&mut self, _: &Request<'_>, _: &mut Accept) -> Result<(), Response> {
            Ok(())
        }

        fn open(&mut self, peer: &mut Peer<'_, ()>) {
            peer.wake_after(Duration::ZERO);
        }

        fn message(&mut self, _: &mut Peer<'_, ()>, _: Message<'_>) {}

        fn wake(&mut self, cx: &mut Context<'_, ()>) {
            cx.for_each_peer(|peer| {
                let _ = peer.send(r#"{"type":"message","username":"bob","text":"and so on"}"#);
            });
            cx.wake_after(Duration::from_secs(1));
        }
    }

    let server = sansws_mio::Server::bind("127.0.0.1:0").unwrap();
    let (url, handle) = (format!("ws://{}/", server.local_addrs()[0]), server.handle());
    let thread = std::thread::spawn(move || server.run(Talkative).unwrap());
    let finished = Process::run(CHAT_CLIENT, &["--name", "ann", &url], b"hello\n");
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.stderr.contains("perhaps not heard by anyone: hello"), "{finished:?}");
    handle.shutdown(Duration::ZERO);
    thread.join().unwrap();
}

#[test]
fn what_finds_the_queue_full_is_said_later() {
    let server = chat();
    let builder =
        ReliableWebSocket::builder(&url(&server, "/chat")).websocket(|socket| socket.max_buffered(30_000));
    let ann = ChatClient::connect_with(builder, "ann").unwrap();
    let start = Instant::now();
    let next = || {
        let left = DEADLINE.saturating_sub(start.elapsed());
        ann.next_event(Some(left)).expect("something happens")
    };
    while !matches!(next(), ChatEvent::Joined { .. }) {}
    let text = |i: usize| format!("{i} {}", "x".repeat(10_000));
    for i in 0..100 {
        ann.send_message(&text(i)).unwrap();
    }
    ann.join_room("den").unwrap();
    ann.send_message_to(Some("den"), "the last one").unwrap();
    let mut heard = 0;
    loop {
        match next() {
            ChatEvent::Message { text: said, room: None, .. } => {
                assert!(said == text(heard), "message {heard}");
                heard += 1;
            }
            ChatEvent::Message { text, room: Some(room), .. } => {
                assert_eq!((&*text, &*room), ("the last one", "den"));
                break;
            }
            ChatEvent::Refused(why) => panic!("{why}"),
            _ => {}
        }
    }
    assert_eq!((heard, ann.pending()), (100, 0));
}
