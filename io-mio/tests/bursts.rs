//! More at once than fits: who reads is not taken for slow, who is refused hears when there is room, and nothing waits for ever.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod support;

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sansws_mio::{
    Accept, Closed, Connect, EventLoop, Handle, Handler, Message, Peer, PeerId, Request, Response, Server,
    Settings,
};
use support::{Client, DEADLINE, Everything, Got, TestServer};

/// A connection that a slow reader would lose, subscribed to "news".
fn subscriber(addr: SocketAddr) -> Client {
    let mut client = Client::connect(addr, "/close-slow");
    client.send("subscribe news");
    client.expect_text("Ok(())");
    client
}

/// Reads until "end". Returns how many messages came before, and what else came.
fn read_to_end(mut client: Client) -> (usize, Option<Got>) {
    for count in 0.. {
        match client.next() {
            Got::Text(text) if text == "end" => return (count, None),
            Got::Text(_) => {}
            other => return (count, Some(other)),
        }
    }
    (usize::MAX, None)
}

#[test]
fn a_burst_of_one_peer_does_not_close_those_who_read() {
    let server = TestServer::start();
    let addr = server.connect("/echo").stream.peer_addr().expect("an address");
    let fast = subscriber(addr);
    let reader = std::thread::spawn(move || read_to_end(fast));
    let mut publisher = server.connect("/commands");
    let text = "x".repeat(1000);
    let mut bytes = Vec::new();
    // More than the high-water mark, and no more than the kernel takes, however slowly the others read.
    for _ in 0..1000 {
        bytes.extend(publisher.encode(&*format!("others news {text}")));
    }
    bytes.extend(publisher.encode("others news end"));
    publisher.raw(&bytes);
    assert_eq!(reader.join().expect("no panic"), (1000, None));
}

#[test]
fn a_burst_of_a_handle_does_not_close_those_who_read() {
    let (told, _calls) = channel();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let mut event_loop = EventLoop::new(Everything { told, worker: 0 }, Settings::default()).expect("a loop");
    event_loop.listen(listener).expect("listening");
    let handle = event_loop.handle();
    let thread = std::thread::spawn(move || event_loop.run());
    let client = subscriber(addr);
    let publisher = handle.clone();
    let publishing = std::thread::spawn(move || {
        let text = "x".repeat(200);
        for _ in 0..4000 {
            publisher.publish("news", &*text).expect("room");
        }
        publisher.publish("news", "end").expect("room");
    });
    assert_eq!(read_to_end(client), (4000, None));
    publishing.join().expect("no panic");
    handle.shutdown(Duration::ZERO);
    thread.join().expect("no panic").expect("no error");
}

#[test]
fn commands_that_come_while_a_batch_is_unfinished_are_heard() {
    let (told, _calls) = channel();
    let mut event_loop = EventLoop::new(Everything { told, worker: 0 }, Settings::default()).expect("a loop");
    let handle = event_loop.handle();
    event_loop.turn(Some(Duration::ZERO)).expect("a turn");
    for _ in 0..5000 {
        handle.publish("nobody", "x").expect("room");
    }
    event_loop.turn(Some(Duration::ZERO)).expect("a turn");
    handle.publish("nobody", "x").expect("room");
    event_loop.turn(Some(Duration::ZERO)).expect("a turn");
    handle.shutdown(Duration::ZERO);
    let start = Instant::now();
    while event_loop.turn(Some(Duration::from_millis(50))).expect("a turn") {
        assert!(start.elapsed() < DEADLINE, "the shutdown is never heard");
    }
}

/// Begins a message in fragments, and ends it when it may.
struct Fragmenting {
    told: Sender<&'static str>,
}

impl Fragmenting {
    fn go_on(peer: &mut Peer<'_, ()>) {
        if !peer.is_congested() {
            peer.send_text_fragment(" end", true).expect("room");
        }
    }
}

impl Handler for Fragmenting {
    type Session = ();

    fn upgrade(&mut self, _: &Request<'_>, _: &mut Accept) -> Result<(), Response> {
        Ok(())
    }

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        peer.subscribe("news").expect("room");
    }

    fn message(&mut self, peer: &mut Peer<'_, ()>, message: Message<'_>) {
        match message {
            Message::Text("begin") => peer.send_text_fragment("part", false).expect("room"),
            Message::Text("publish") => {
                peer.publish_to_others("news", &*"y".repeat(300 << 10)).expect("room");
            }
            _ => return Self::go_on(peer),
        }
        let _ = self.told.send("done");
    }

    fn drained(&mut self, peer: &mut Peer<'_, ()>) {
        Self::go_on(peer);
    }
}

fn run<H: Handler + Send + 'static>(handler: H, settings: Settings) -> (SocketAddr, Handle, JoinHandle<()>) {
    let server = Server::bind("127.0.0.1:0").expect("a free port").settings(settings);
    let (addr, handle) = (server.local_addr().expect("an address"), server.handle());
    (addr, handle, std::thread::spawn(move || server.run(handler).expect("no error")))
}

fn wait(done: &Receiver<&'static str>) {
    done.recv_timeout(DEADLINE).expect("it happens");
}

#[test]
fn what_waits_for_a_sender_of_fragments_does_not_keep_it_waiting() {
    let (told, done) = channel();
    let (addr, handle, thread) = run(Fragmenting { told }, Settings::default());
    let (mut a, mut b) = (Client::connect(addr, "/"), Client::connect(addr, "/"));
    a.send("begin");
    wait(&done);
    b.send("publish");
    wait(&done);
    a.send("go on");
    a.expect_text("part end");
    handle.shutdown(Duration::ZERO);
    thread.join().expect("no panic");
}

/// Sends until it is refused, and says so when there is room again.
struct Insisting {
    refused: Sender<&'static str>,
    waiting: bool,
}

impl Handler for Insisting {
    type Session = ();

    fn upgrade(&mut self, _: &Request<'_>, _: &mut Accept) -> Result<(), Response> {
        Ok(())
    }

    fn message(&mut self, peer: &mut Peer<'_, ()>, _: Message<'_>) {
        while peer.send(&[7; 1000]).is_ok() {}
        self.waiting = true;
        let _ = self.refused.send("refused");
    }

    fn drained(&mut self, peer: &mut Peer<'_, ()>) {
        if std::mem::take(&mut self.waiting) {
            peer.send("drained").expect("room");
        }
    }
}

#[test]
fn a_refused_send_is_followed_by_drained_whatever_the_limits() {
    for max_buffered in [200 << 10, 32 << 20] {
        let (refused, told) = channel();
        let settings = Settings { max_buffered, ..Settings::default() };
        let (addr, handle, thread) = run(Insisting { refused, waiting: false }, settings);
        let mut client = Client::connect(addr, "/");
        client.send("go");
        wait(&told);
        while client.next() != Got::text("drained") {}
        handle.shutdown(Duration::ZERO);
        thread.join().expect("no panic");
    }
}

/// Tells the first connection when dialling has failed.
#[derive(Default)]
struct Telling {
    first: Option<PeerId>,
}

impl Handler for Telling {
    type Session = ();

    fn upgrade(&mut self, _: &Request<'_>, _: &mut Accept) -> Result<(), Response> {
        Ok(())
    }

    fn open(&mut self, peer: &mut Peer<'_, ()>) {
        self.first = Some(peer.id());
    }

    fn close(&mut self, peer: &mut Peer<'_, ()>, _: Closed<'_>) {
        if let Some(first) = self.first.filter(|first| *first != peer.id()) {
            peer.send_to(first, "dialling failed").expect("room");
        }
    }
}

#[cfg(unix)]
#[test]
fn what_is_sent_because_dialling_failed_at_once_goes_out_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let mut event_loop = EventLoop::new(Telling::default(), Settings::default()).expect("a loop");
    event_loop.listen(listener).expect("listening");
    let client = std::thread::spawn(move || Client::connect(addr, "/").next());
    while event_loop.handler().first.is_none() {
        event_loop.turn(Some(Duration::from_millis(10))).expect("a turn");
    }
    // Nothing else is about to happen in this loop.
    while event_loop.turn(Some(Duration::ZERO)).expect("a turn") && event_loop.handler().first.is_none() {}
    event_loop.connect(Connect::unix("ws://x/", "/nonexistent", ()).expect("a URL"));
    // Were what the handler sent forgotten, this turn would take until a Ping is due, and the Ping came first.
    event_loop.turn(Some(Duration::from_secs(3600))).expect("a turn");
    assert_eq!(client.join().expect("no panic"), Got::text("dialling failed"));
}
