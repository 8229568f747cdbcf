//! wsc as a process, against our servers and against itself.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use sansws::CloseCode;
use support::closing::{Closing, REASON};
use support::process::{Finished, Process};
use support::{Client, DEADLINE, Heard, Server};

const WSC: &str = env!("CARGO_BIN_EXE_wsc");

fn demo() -> Server {
    Server::start(env!("CARGO_BIN_EXE_demo"), &[])
}

fn url(server: &Server, path: &str) -> String {
    format!("ws://{}{path}", server.addr)
}

fn run(args: &[&str], stdin: &[u8]) -> Finished {
    Process::run(WSC, args, stdin)
}

/// A file of this test alone.
fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + (i >> 8)) as u8).collect()
}

#[test]
fn lines_go_out_and_messages_come_in() {
    let server = demo();
    let finished = run(&[&url(&server, "/echo")], "one\n\nadiós 🦀\nlast without end".as_bytes());
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(String::from_utf8(finished.stdout).unwrap(), "one\n\nadiós 🦀\nlast without end\n");
    assert!(finished.stderr.starts_with("connected to ws://"), "{}", finished.stderr);
    assert!(finished.stderr.ends_with("closed"), "{}", finished.stderr);
    let quiet = run(&["-q", "--one", &url(&server, "/api")], b"ping\n");
    assert_eq!((quiet.code, &quiet.stdout[..], &*quiet.stderr), (Some(0), &b"pong\n"[..], ""));
}

#[test]
fn a_hundred_thousand_lines_come_back_in_order() {
    let server = demo();
    let input: String = (0..100_000).map(|i| format!("{i}\n")).collect();
    let finished = run(&["-q", &url(&server, "/echo")], input.as_bytes());
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stdout == input.as_bytes(), "{} bytes", finished.stdout.len());
}

#[test]
fn files_of_10_mib_go_out_and_come_back() {
    let server = demo();
    let url = url(&server, "/echo");
    let payload = pattern(10 << 20);
    let sent = file("wsc-sent", &payload);
    let received = file("wsc-received", b"");
    let (sent, received) = (sent.to_str().unwrap(), received.to_str().unwrap());
    let finished = run(&["--send-file", sent, "--output", received, "--one", &url], b"not read");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(fs::read(received).unwrap() == payload && finished.stdout.is_empty());
    let chunks = run(&["--send-file", sent, "--chunk", "100000", "--binary", "--one", &url], b"");
    assert_eq!(chunks.code, Some(0), "{}", chunks.stderr);
    assert!(chunks.stdout == payload);
    let stdin = run(&["--binary", "-q", &url], &payload);
    assert_eq!((stdin.code, &*stdin.stderr), (Some(0), ""));
    assert!(stdin.stdout == payload);
}

#[test]
fn a_binary_message_is_a_note_unless_its_bytes_are_wanted() {
    let server = demo();
    let path = file("wsc-short", &[0, 1, 0xff]);
    let path = path.to_str().unwrap();
    let finished = run(&["--send-file", path, "--one", &url(&server, "/echo")], b"");
    assert_eq!(String::from_utf8(finished.stdout).unwrap(), "<binary 3 bytes: 00 01 ff>\n");
    let text = file("wsc-text", "a\nñ\n".as_bytes());
    let finished =
        run(&["--text", "--send-file", text.to_str().unwrap(), "--one", &url(&server, "/echo")], b"");
    assert_eq!(String::from_utf8(finished.stdout).unwrap(), "a\nñ\n\n", "one text message");
    let finished = run(&["--text", "--one", &url(&server, "/echo")], "{\n \"ñ\": 1\n}".as_bytes());
    assert_eq!(String::from_utf8(finished.stdout).unwrap(), "{\n \"ñ\": 1\n}\n");
}

#[test]
fn verbose_shows_heads_frames_and_times() {
    let server = demo();
    let finished = run(&["-v", "-p", "echo.v1", "-H", "X-Debug: 7", &url(&server, "/echo")], b"hello\n");
    for part in [
        "> GET /echo HTTP/1.1",
        "> X-Debug: 7",
        "< HTTP/1.1 101 Switching Protocols",
        "(subprotocol echo.v1)",
        "> text of 5 bytes",
        "< text of 5 bytes",
        "< Pong after ",
        "> Close 1000",
        "< Close 1000",
    ] {
        assert!(finished.stderr.contains(part), "{part}: {}", finished.stderr);
    }
    assert_eq!(finished.stdout, b"hello\n");
}

#[test]
fn verbose_shows_what_a_server_says_when_it_refuses() {
    let server = demo();
    let finished = run(&["-v", &url(&server, "/nowhere")], b"");
    assert!(finished.stderr.contains("< not found\n"), "{finished:?}");
    assert!(finished.stderr.contains("HTTP status 404"), "{finished:?}");

    // Whatever it says: no terminal obeys it, and it ends.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hostile = format!("ws://{}/", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let mut bytes = b"HTTP/1.1 401 No\r\n\r\n\x1b[2J\xff\r\x9b1m one\n".to_vec();
            while stream.write_all(&bytes).is_ok() {
                bytes = b"\nforged\n".repeat(100);
            }
        }
    });
    let finished = run(&["-v", &hostile], b"");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.chars().all(|c| c == '\n' || !c.is_control()), "{finished:?}");
    assert!(finished.stderr.contains("< \u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}1m one\n"), "{finished:?}");
    assert!(
        finished.stderr.contains("* content of 4096 bytes, of which this is the beginning\n"),
        "{finished:?}"
    );
    assert!(finished.stderr.lines().count() < 50, "{finished:?}");
    // Without it there is one line.
    let finished = run(&[&hostile], b"");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    thread.join().unwrap();
}

#[test]
fn pings_are_sent_and_their_pongs_shown() {
    let server = demo();
    let wsc = Process::start(WSC, &["-v", "--ping", "0.05", &url(&server, "/echo")]);
    wsc.stderr_line_with("Pong: the server is there");
    wsc.stderr_line_with("Pong: the server is there");
    wsc.interrupt();
    let finished = wsc.wait();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stderr.contains("> Close 1000"), "Ctrl-C closes properly: {finished:?}");
}

#[test]
fn no_connection_is_exit_code_1_and_said() {
    let server = demo();
    let nowhere = url(&server, "/nowhere");
    let other_origin = url(&server, "/echo");
    for (args, part) in [
        (&["ws://127.0.0.1:1/"][..], "refused"),
        (&[&*nowhere], "HTTP status 404"),
        (&["-o", "https://evil.example", &*other_origin], "HTTP status 403"),
        (&["-H", "Bad Name: x", &*other_origin], "header"),
        (&["--send-file", "/no/such/file", &*other_origin], "/no/such/file"),
        (&["--output", "/no/such/dir/file", &*other_origin], "/no/such/dir/file"),
        (&["--ca", "/no/such/file", &*other_origin], "/no/such/file"),
        (&["--proxy", "socks5://h", &*other_origin], "--proxy socks5://h"),
        (&["ws://a#b"], "ws://a#b"),
        (&[], "a URL is missing"),
    ] {
        let finished = run(args, b"");
        assert_eq!(finished.code, Some(1), "{args:?}: {finished:?}");
        assert!(finished.stderr.to_lowercase().contains(&part.to_lowercase()), "{args:?}: {finished:?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    }
}

#[test]
fn what_was_not_sent_is_told() {
    let server = demo();
    let finished = run(&[&url(&server, "/echo")], b"one\n\xff\xfe\ntwo\n");
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert_eq!(finished.stdout, b"one\ntwo\n");
    assert!(finished.stderr.contains("not sent: line 2 (2 bytes): it is not UTF-8"), "{finished:?}");
    // A message that breaks off must not look whole to the server.
    let finished = run(&["--text", &url(&server, "/echo")], &[&vec![b'x'; 100_000][..], b"\xff"].concat());
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.stdout.is_empty(), "nothing was echoed");
}

#[test]
fn what_a_server_never_read_is_told() {
    let server = demo();
    let mut wsc = Process::start(WSC, &["-k", &url(&server, "/echo")]);
    wsc.type_line("hello");
    assert_eq!(wsc.line(), "hello");
    server.signal("-STOP");
    // Far more than sockets hold. It is typed on a thread of its own: in the end nobody reads it.
    let mut stdin = wsc.take_stdin();
    let typed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&typed);
    let typing = std::thread::spawn(move || {
        let line = "x".repeat(100_000);
        while counter.load(Relaxed) < 1000 {
            if writeln!(stdin, "{} {line}", counter.load(Relaxed)).is_err() {
                return;
            }
            counter.fetch_add(1, Relaxed);
        }
    });
    wait_until_still(&typed);
    drop(server); // SIGKILL
    let finished = wsc.wait();
    typing.join().unwrap();
    assert!(typed.load(Relaxed) < 1000, "a socket took it all");
    assert_eq!(finished.code, Some(2), "{finished:?}");
    for part in [" messages not sent", "the input was not read to its end"] {
        assert!(finished.stderr.contains(part), "{part}: {}", finished.stderr);
    }
    // "hello" is among those in doubt: the server was not asked whether it had read it. What follows them was not sent, without a gap.
    let line_with = |part| finished.stderr.lines().find_map(|line: &str| line.split_once(part));
    let (in_doubt, _) = line_with(" messages sent last may not have arrived").unwrap();
    let (_, first_unsent) = line_with("not sent: \"").unwrap();
    let first_unsent: usize = first_unsent.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(first_unsent, in_doubt.parse::<usize>().unwrap() - 1, "{}", finished.stderr);
}

/// Until something was counted, and then nothing more is.
fn wait_until_still(count: &AtomicUsize) {
    let start = Instant::now();
    let mut seen = (0, Instant::now());
    while seen.0 == 0 || seen.1.elapsed() < Duration::from_millis(500) {
        assert!(start.elapsed() < DEADLINE);
        let now = count.load(Relaxed);
        if now != seen.0 {
            seen = (now, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_server_that_goes_away_is_reported_with_its_code() {
    let server = demo();
    let mut wsc = Process::start(WSC, &[&url(&server, "/echo")]);
    wsc.type_line("hello");
    assert_eq!(wsc.line(), "hello");
    server.terminate();
    let finished = wsc.wait();
    assert_eq!(finished.code, Some(0), "1001 is a proper end: {finished:?}");
    assert!(finished.stderr.contains("closed by the server: 1001"), "{finished:?}");

    let server = demo();
    let mut wsc = Process::start(WSC, &[&url(&server, "/echo")]);
    wsc.type_line("hello");
    assert_eq!(wsc.line(), "hello");
    drop(server); // SIGKILL
    let finished = wsc.wait();
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("connection lost (1006)"), "{finished:?}");
    assert!(finished.stderr.contains("1 message sent last may not have arrived"), "{finished:?}");
}

/// Rule R-5.5.1-g.
#[test]
fn the_reason_of_a_close_is_for_those_who_ask_for_details() {
    for code in [1001, 4321] {
        let server = Closing::with(code);
        let url = format!("ws://{}/", server.addr);
        let finished = run(&["-k", &url], b"");
        assert!(finished.stderr.ends_with(&format!("\nclosed by the server: {code}")), "{finished:?}");
        assert!(!finished.stderr.contains(REASON), "{finished:?}");
        let finished = run(&["-v", "-k", &url], b"");
        // A line, whatever is in it.
        let line = format!("closed by the server: {code} \"{REASON}\\n* {REASON}\\u{{1b}}[2J\"");
        assert!(finished.stderr.ends_with(&line), "{finished:?}");
    }
}

/// Rule R-5.5.1-g.
#[test]
fn a_server_shows_the_reason_of_a_close_to_those_who_ask_for_details() {
    for (args, expected) in [
        (&["--listen", "127.0.0.1:0"][..], "closed: 4321".to_owned()),
        (&["--listen", "127.0.0.1:0", "-v"], format!("closed: 4321 \"{REASON}\"")),
    ] {
        let server = Process::start(WSC, args);
        let listening = server.stderr_line_with("listening on ws://");
        let addr = listening.rsplit("//").next().unwrap().trim_end_matches('/').parse().unwrap();
        let mut client = Client::connect(addr, "/", &[]);
        client.write(|ws, out| ws.close(CloseCode::new(4321), REASON, out).unwrap());
        let line = server.stderr_line_with("closed: ");
        assert!(line.ends_with(&expected), "{line}");
    }
}

#[test]
fn messages_in_doubt_are_told_once() {
    let mut server = demo();
    let addr = server.addr;
    let mut wsc = Process::start(WSC, &["-k", "--reconnect", &url(&server, "/echo")]);
    for line in ["one", "two"] {
        wsc.type_line(line);
        assert_eq!(wsc.line(), line);
        drop(server); // SIGKILL
        assert!(wsc.stderr_line_with("may not have arrived").contains("1 message sent"), "{line}");
        server = Server::start_at(env!("CARGO_BIN_EXE_demo"), addr);
    }
    wsc.interrupt();
    wsc.wait();
}

#[test]
fn with_reconnect_it_waits_for_the_server_and_sends_what_was_typed() {
    let mut server = demo();
    let addr = server.addr;
    let mut wsc = Process::start(WSC, &["--reconnect", &url(&server, "/echo")]);
    wsc.type_line("before");
    assert_eq!(wsc.line(), "before");
    server.terminate();
    server.wait();
    wsc.stderr_line_with("connecting again in");
    wsc.type_line("meanwhile");
    let _server = Server::start_at(env!("CARGO_BIN_EXE_demo"), addr);
    assert_eq!(wsc.line(), "meanwhile");
    assert_eq!(wsc.finish().code, Some(0));
}

#[test]
fn ctrl_c_ends_the_wait_for_a_server() {
    let wsc = Process::start(WSC, &["--reconnect", "ws://127.0.0.1:1/"]);
    wsc.stderr_line_with("cannot connect");
    wsc.stderr_line_with("connecting again in");
    wsc.interrupt();
    let finished = wsc.wait();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("interrupted"), "{finished:?}");
}

#[test]
fn it_serves() {
    let mut server =
        Process::start(WSC, &["--listen", "127.0.0.1:0", "-p", "echo.v1", "-v", "--ping", "0.05"]);
    let listening = server.stderr_line_with("listening on ws://");
    let url = listening.split(' ').next_back().unwrap();
    let mut wsc = Process::start(WSC, &["-v", "-p", "echo.v1", url]);
    wsc.stderr_line_with("(subprotocol echo.v1)");
    wsc.stderr_line_with("< Ping without payload; a Pong goes back");
    server.stderr_line_with("Pong");
    server.type_line("from the server");
    assert_eq!(wsc.line(), "from the server");
    wsc.type_line("from the client");
    assert_eq!(server.line(), "from the client");
    server.interrupt();
    let finished = server.wait();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let finished = wsc.wait();
    assert!(finished.stderr.contains("1001"), "{finished:?}");
}

#[test]
fn it_serves_an_echo() {
    let server = Process::start(WSC, &["--listen", "0", "--echo"]);
    let listening = server.stderr_line_with("listening on ws://");
    let url = listening.split(' ').next_back().unwrap();
    let payload = pattern(3 << 20);
    let finished = run(&["--binary", "-q", url], &payload);
    assert!(finished.code == Some(0) && finished.stdout == payload, "{}", finished.stderr);
    server.stderr_line_with("closed: 1000");
}

/// A wsc that listens, and its URL.
fn listening(args: &[&str]) -> (Process, String) {
    let server = Process::start(WSC, &[&["--listen", "127.0.0.1:0"][..], args].concat());
    let line = server.stderr_line_with("listening on ws://");
    let url = line.split(' ').next_back().unwrap().into();
    (server, url)
}

/// A client that stays, once the server knows of it.
fn member(server: &Process, url: &str) -> Process {
    let client = Process::start(WSC, &["-k", url]);
    server.stderr_line_with(" connected");
    client
}

#[test]
fn a_server_reads_no_faster_than_its_slowest_client() {
    let (mut server, url) = listening(&["--binary"]);
    let fast = Process::start(WSC, &["-q", "--binary", "--one", &url]);
    let slow = Process::start(WSC, &["--binary", "--one", &url]);
    server.stderr_line_with(" connected");
    server.stderr_line_with(" connected");
    slow.stderr_line_with("connected to");
    slow.signal("-STOP");
    // Far more than sockets hold.
    let payload = Arc::new(pattern(24 << 20));
    let (mut stdin, typed) = (server.take_stdin(), Arc::new(AtomicUsize::new(0)));
    let (counter, input) = (Arc::clone(&typed), Arc::clone(&payload));
    let typing = std::thread::spawn(move || {
        for piece in input.chunks(32 << 10) {
            stdin.write_all(piece).unwrap();
            counter.fetch_add(piece.len(), Relaxed);
        }
    });
    wait_until_still(&typed);
    assert!(typed.load(Relaxed) < payload.len(), "all of it was read");
    slow.signal("-CONT");
    typing.join().unwrap();
    for client in [fast, slow] {
        let finished = client.wait();
        assert!(finished.code == Some(0) && finished.stdout == *payload, "{}", finished.stderr);
    }
    server.interrupt();
    assert_eq!(server.wait().code, Some(0));
}

#[test]
fn who_comes_in_the_middle_of_a_message_gets_the_next_one() {
    let pipes = ["wsc-pipe-1", "wsc-pipe-2"].map(|name| Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
    for pipe in &pipes {
        let _ = fs::remove_file(pipe);
        assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
    }
    let [first, second] = pipes.each_ref().map(|pipe| pipe.to_str().unwrap());
    let args = ["--listen", "127.0.0.1:0", "--wait", "0", "--text", "--chunk", "8"];
    let args = [&args[..], &["--send-file", first, "--send-file", second]].concat();
    let server = Process::start(WSC, &args);
    // Each waits until the server opens it too.
    let [mut first, mut second] =
        [first, second].map(|pipe| fs::OpenOptions::new().write(true).open(pipe).unwrap());
    let url = server.stderr_line_with("listening on ws://").split(' ').next_back().unwrap().to_owned();
    let early = member(&server, &url);
    first.write_all(b"begin\n12").unwrap();
    assert_eq!(early.line(), "begin");
    let late = member(&server, &url);
    first.write_all(b"the rest of it").unwrap();
    drop(first);
    second.write_all(b"and the second message").unwrap();
    drop(second);
    assert_eq!(server.wait().code, Some(0));
    assert_eq!(String::from_utf8(early.wait().stdout).unwrap(), "12the rest of it\nand the second message\n");
    assert_eq!(String::from_utf8(late.wait().stdout).unwrap(), "and the second message\n");
}

#[test]
fn what_a_server_did_not_send_is_its_exit_code() {
    let (mut server, url) = listening(&["--wait", "0"]);
    let client = member(&server, &url);
    server.type_bytes(b"one\n\xff\ntwo\n");
    let finished = server.finish();
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert_eq!(client.wait().stdout, b"one\ntwo\n");

    let (mut server, url) = listening(&["--text"]);
    let client = member(&server, &url);
    server.type_bytes(&[b"begin\n", &[b'x'; 100_000][..]].concat());
    assert_eq!(client.line(), "begin");
    server.interrupt();
    let finished = server.wait();
    assert_eq!(finished.code, Some(3), "the message has no end: {finished:?}");
    assert!(finished.stderr.contains("not sent: the rest of a message that was begun"), "{finished:?}");
}

#[test]
fn what_is_typed_and_what_is_echoed_are_not_mixed() {
    let (mut server, url) = listening(&["--echo", "--text", "--wait", "0"]);
    let mut client = member(&server, &url);
    server.type_bytes(&[b"begin\n", &[b'x'; 100_000][..]].concat());
    assert_eq!(client.line(), "begin");
    client.type_line("hello");
    server.stderr_line_with("not echoed");
    server.type_bytes(b"end");
    assert_eq!(server.finish().code, Some(3));
    let seen = String::from_utf8(client.wait().stdout).unwrap();
    assert!(seen.len() == 100_004 && seen.ends_with("xend\n"), "{} bytes", seen.len());

    let (mut server, url) = listening(&["--echo"]);
    let mut client = Client::connect(url.split('/').nth(2).unwrap().parse().unwrap(), "/", &[]);
    client.write(|ws, out| ws.send_text_fragment("begin ", false, out).unwrap());
    server.type_line("typed");
    server.stderr_line_with("not sent");
    client.write(|ws, out| ws.send_text_fragment("end", true, out).unwrap());
    assert_eq!(client.hear(), Heard::Text("begin end".into()));
    server.type_line("typed again");
    assert_eq!(client.hear(), Heard::Text("typed again".into()));
}

#[test]
fn the_file_for_the_output_is_not_touched_before_there_is_any() {
    let server = demo();
    let url = url(&server, "/echo");
    let photo = file("wsc-photo", b"photo");
    let photo = photo.to_str().unwrap();
    let link = format!("{photo}-link");
    let _ = fs::remove_file(&link);
    fs::hard_link(photo, &link).unwrap();
    for output in [photo, &link] {
        let finished = run(&["--send-file", photo, "--output", output, "--one", &url], b"");
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains(output) && finished.stderr.lines().count() == 1, "{finished:?}");
        let stdin = fs::File::open(photo).unwrap();
        let status =
            Command::new(WSC).args(["-q", "--binary", "--output", output, &url]).stdin(stdin).status();
        assert_eq!(status.unwrap().code(), Some(1));
        assert_eq!(fs::read(photo).unwrap(), b"photo");
    }
    // No connection, or no binary message.
    let none = format!("{photo}-none");
    let _ = fs::remove_file(&none);
    for output in [photo, &none] {
        assert_eq!(run(&["--output", output, "ws://127.0.0.1:1/"], b"").code, Some(1));
        assert_eq!(run(&["--output", output, &url], b"text\n").code, Some(0));
    }
    assert_eq!(fs::read(photo).unwrap(), b"photo");
    assert!(!Path::new(&none).exists());
    // An empty message is one too.
    let (short, empty) = (file("wsc-output-short", b"new"), file("wsc-output-empty", b""));
    for (sent, expected) in [(short, "new"), (empty, "")] {
        for output in [photo, &none] {
            let finished =
                run(&["--send-file", sent.to_str().unwrap(), "--output", output, "--one", &url], b"");
            assert_eq!(finished.code, Some(0), "{finished:?}");
            assert_eq!(fs::read(output).unwrap(), expected.as_bytes());
        }
    }
    assert_eq!(run(&["--send-file", "/dev/null", "--output", "/dev/null", "--one", &url], b"").code, Some(0));
}
