//! What a loop does when there is nothing to do: it sleeps.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use sansws_mio::{By, Context, EventLoop, Handler, Settings};
use support::{Called, Client, DEADLINE, Everything, dial, request};

fn start(settings: Settings) -> (EventLoop<Everything>, SocketAddr, Receiver<Called>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let (told, calls) = channel();
    let mut event_loop = EventLoop::new(Everything { told, worker: 0 }, settings).expect("an event queue");
    event_loop.listen(listener).expect("registered");
    (event_loop, addr, calls)
}

fn run_for<H: Handler>(event_loop: &mut EventLoop<H>, time: Duration) -> usize {
    let until = Instant::now() + time;
    let mut turns = 0;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return turns;
        }
        event_loop.turn(Some(left)).expect("it goes on");
        turns += 1;
    }
}

fn connect(event_loop: &mut EventLoop<Everything>, addr: SocketAddr, path: &str) -> Client {
    let mut stream = dial(addr);
    stream.write_all(request(path, "").as_bytes()).expect("the kernel takes it");
    stream.set_nonblocking(true).expect("an option");
    let start = Instant::now();
    while stream.peek(&mut [0]).is_err() {
        assert!(start.elapsed() < DEADLINE, "no response");
        event_loop.turn(Some(Duration::from_millis(10))).expect("it goes on");
    }
    stream.set_nonblocking(false).expect("an option");
    Client::shake_hands(stream)
}

/// Attack A-13.
#[test]
fn a_loop_sleeps_whatever_state_its_connections_are_in() {
    let settings = Settings { max_buffered: 64 << 20, ..Settings::default() };
    let (mut event_loop, addr, _calls) = start(settings);
    let mut keep: Vec<Client> = Vec::new();
    let mut raw: Vec<TcpStream> = Vec::new();

    // Nothing was asked; half a request; a page that nobody reads, with and without a FIN of the client's.
    for bytes in
        [&b""[..], b"GET / HT", b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]
    {
        for half_close in [false, true] {
            let mut stream = dial(addr);
            stream.write_all(bytes).expect("the kernel takes it");
            if half_close {
                stream.shutdown(std::net::Shutdown::Write).expect("open");
            }
            raw.push(stream);
        }
    }
    // Idle, congested, congested and half-closed, closing without an answer, closing and congested.
    for commands in
        [&[][..], &["flood 200 100000"], &["close 1000 bye"], &["flood 200 100000", "close 1000 bye"], &["x"]]
    {
        for half_close in [false, true] {
            let mut client = connect(&mut event_loop, addr, "/commands");
            client.polite = false;
            for command in commands {
                client.send(*command);
            }
            if half_close {
                client.half_close();
            }
            keep.push(client);
        }
    }
    run_for(&mut event_loop, Duration::from_millis(200));
    // Some of them read a part of what is there for them.
    for stream in &mut raw {
        let _ = stream.set_read_timeout(Some(Duration::from_millis(1)));
        let mut part = vec![0; 3 << 20];
        let _ = stream.read(&mut part);
        run_for(&mut event_loop, Duration::from_millis(10));
        let _ = stream.read(&mut part);
    }
    // On a busy machine there may be something to do for a while; a loop that spins never has a quiet half second.
    let start = Instant::now();
    loop {
        let turns = run_for(&mut event_loop, Duration::from_millis(500));
        if turns < 20 {
            break;
        }
        assert!(start.elapsed() < DEADLINE, "{turns} turns in half a second with nothing to do");
    }
    drop(keep);
    drop(raw);
    let start = Instant::now();
    while event_loop.handle().connections() > 0 {
        assert!(start.elapsed() < DEADLINE, "{} connections", event_loop.handle().connections());
        run_for(&mut event_loop, Duration::from_millis(20));
    }
}

/// Attack A-13.
#[test]
fn a_close_that_came_before_a_reset_is_heard_though_writing_fails() {
    // Small reads, so that the Close is still unread when the first echo cannot be written.
    let (mut event_loop, addr, calls) = start(Settings { receive_buffer: 1024, ..Settings::default() });
    let mut client = connect(&mut event_loop, addr, "/echo");
    let mut bytes = client.encode("of some length, and one of many").repeat(100);
    client.conn.close(4000.into(), "gone", &mut bytes).expect("open");
    client.raw(&bytes);
    client.reset();
    let start = Instant::now();
    let close = loop {
        event_loop.turn(Some(Duration::from_millis(50))).expect("it goes on");
        if let Some(close) = calls.try_iter().find(|called| matches!(called, Called::Close { .. })) {
            break close;
        }
        assert!(start.elapsed() < DEADLINE, "never closed");
    };
    match close {
        Called::Close { code, reason, by: By::Remote, .. } => {
            assert_eq!((code, &*reason), (4000, "gone"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(event_loop.handle().connections(), 0);
}

#[test]
fn commands_of_other_threads_leave_the_sockets_their_turn() {
    const SUBSCRIBERS: usize = 16;
    const PUBLISHED: usize = 1000;
    let (mut event_loop, addr, _calls) = start(Settings::default());
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..SUBSCRIBERS {
        let mut client = connect(&mut event_loop, addr, "/commands");
        client.send("subscribe news");
        let start = Instant::now();
        while client.try_next(Duration::from_millis(5)).is_err() {
            assert!(start.elapsed() < DEADLINE, "not subscribed");
            event_loop.turn(Some(Duration::ZERO)).expect("it goes on");
        }
        clients.push(client);
    }
    for i in 0..PUBLISHED {
        event_loop.handle().publish("news", &*i.to_string()).expect("there is room");
    }
    let mut expected = (0..PUBLISHED).map(|i| i.to_string()).peekable();
    while expected.peek().is_some() {
        event_loop.turn(Some(Duration::ZERO)).expect("it goes on");
        for text in expected.by_ref().take(4096 / SUBSCRIBERS) {
            clients[0].expect_text(&text);
        }
        assert!(clients[0].try_next(Duration::from_millis(1)).is_err(), "more in one turn");
    }
}

const CHILD: &str = "SANSWS_TEST_FEW_FILES";

/// Open files are counted for the whole process, so this test runs the next one in a process of its own.
#[test]
fn open_files_that_run_out_do_not_make_it_spin() {
    let exe = std::env::current_exe().expect("a path");
    let output = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!("ulimit -n 64; exec '{}' --exact in_a_process_with_few_files", exe.display()))
        .env(CHILD, "1")
        .output()
        .expect("a shell");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}");
}

#[test]
fn in_a_process_with_few_files() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let (mut event_loop, addr, _calls) = start(Settings::default());
    // The kernel connects them; the loop has no file left to accept one with.
    let mut clients: Vec<TcpStream> = Vec::new();
    while let Ok(client) = TcpStream::connect(addr) {
        clients.push(client);
    }
    let count = clients.len();
    assert!((10..64).contains(&count), "{count} clients");
    let turns = run_for(&mut event_loop, Duration::from_millis(500));
    assert!(turns < 20, "{turns} turns");
    assert_eq!(event_loop.handle().connections(), 0);
    // With half of the files free again it goes on by itself, though no event says so.
    clients.truncate(count / 2);
    let start = Instant::now();
    while event_loop.handle().connections() < count / 2 {
        assert!(start.elapsed() < DEADLINE, "{} connections", event_loop.handle().connections());
        event_loop.turn(Some(Duration::from_millis(50))).expect("it goes on");
    }
}

/// Calls itself every so often.
struct Ticking {
    ticks: usize,
    per_tick: Duration,
}

impl Handler for Ticking {
    type Session = ();

    fn wake(&mut self, cx: &mut Context<'_, ()>) {
        self.ticks += 1;
        cx.wake_after(self.per_tick);
    }
}

#[test]
fn wake_after_comes_in_time_and_not_more_often() {
    let per_tick = Duration::from_millis(20);
    let mut event_loop =
        EventLoop::new(Ticking { ticks: 0, per_tick }, Settings::default()).expect("an event queue");
    let start = Instant::now();
    while event_loop.handler().ticks < 11 {
        event_loop.turn(None).expect("it goes on");
    }
    assert!(start.elapsed() >= per_tick * 10);
    let turns = run_for(&mut event_loop, per_tick * 10);
    assert!(turns <= 40, "{turns} turns");
}
