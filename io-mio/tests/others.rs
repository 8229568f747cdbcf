//! Reaching other connections from inside a call.
#![allow(clippy::std_instead_of_alloc, clippy::std_instead_of_core)]

mod support;

use sansws_mio::{
    Accept, Closed, CommandError, Context, Handle, Handler, Message, Peer, PeerId, Request, Response,
    SendError, Server, Settings,
};
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;
use support::{Client, Got};

/// A room in which everybody is told who comes and goes.
#[derive(Default)]
struct Room {
    members: Vec<PeerId>,
}

impl Handler for Room {
    type Session = String;

    fn upgrade(&mut self, request: &Request<'_>, _: &mut Accept) -> Result<String, Response> {
        Ok(request.path().trim_start_matches('/').into())
    }

    fn open(&mut self, peer: &mut Peer<'_, String>) {
        self.members.push(peer.id());
        peer.subscribe("room").expect("open");
        let text = format!("{} comes", peer.session());
        peer.publish("room", &*text).expect("one worker");
    }

    fn message(&mut self, peer: &mut Peer<'_, String>, message: Message<'_>) {
        let Message::Text(text) = message else { return };
        let first = self.members.first().copied().expect("a member");
        match text {
            // All of it in one call; whoever gets it gets it in this order.
            "order" => {
                for i in 0..10 {
                    peer.publish("room", &*format!("to all {i}")).expect("one worker");
                    peer.send_to(first, &*format!("to the first {i}")).expect("one worker");
                    peer.publish_to_others("room", &*format!("to others {i}")).expect("one worker");
                }
            }
            "myself" => {
                let own = peer.id();
                peer.send_to(own, "through the back door").expect("one worker");
            }
            "kick" => {
                peer.close_peer(first, 4000.into(), "kicked").expect("one worker");
                assert_eq!(peer.close_peer(first, 999.into(), ""), Err(CommandError::InvalidCloseCode));
                peer.send_to(first, "too late").expect("one worker");
            }
            "rename" => *peer.session_mut() = "renamed".into(),
            _ => {}
        }
    }

    fn close(&mut self, peer: &mut Peer<'_, String>, _: Closed<'_>) {
        assert!(!peer.is_subscribed("room"), "the dead are not told");
        assert!(peer.subscribe("room").is_err());
        let text = format!("{} leaves", peer.session());
        peer.publish("room", &*text).expect("one worker");
        self.members.retain(|member| *member != peer.id());
    }

    fn wake(&mut self, cx: &mut Context<'_, String>) {
        let Some(first) = self.members.first().copied() else { return };
        assert_eq!(cx.subscribers("room"), self.members.len());
        cx.publish("room", "published").expect("one worker");
        cx.send(first, "sent").expect("open");
        let mut seen = Vec::new();
        cx.for_each_peer(|peer| {
            seen.push(peer.id());
            let text = format!("{} was seen", peer.session());
            peer.publish("room", &*text).expect("one worker");
            peer.send("you were seen").expect("open");
        });
        seen.sort();
        let mut members = self.members.clone();
        members.sort();
        assert_eq!(seen, members);
        cx.close(first, 4001.into(), "woken").expect("open");
        assert_eq!(cx.send(first, "too late"), Err(SendError::NotOpen));
        assert_eq!(cx.close(first, 4001.into(), "again"), Err(SendError::NotOpen));
    }
}

struct Running {
    addr: SocketAddr,
    handle: Handle,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Running {
    fn start() -> Self {
        let server = Server::bind("127.0.0.1:0").expect("a free port").settings(Settings::default());
        let (addr, handle) = (server.local_addr().expect("TCP"), server.handle());
        Self { addr, handle, thread: Some(std::thread::spawn(move || server.run(Room::default()))) }
    }

    /// Whoever comes is told first of themselves.
    fn join(&self, name: &str) -> Client {
        let mut client = Client::connect(self.addr, &format!("/{name}"));
        client.expect_text(&format!("{name} comes"));
        client
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.shutdown(Duration::from_millis(300));
        let ended = self.thread.take().expect("running").join();
        if !std::thread::panicking() {
            ended.expect("no panic").expect("no error");
        }
    }
}

#[test]
fn comings_and_goings_are_told_to_those_who_are_there() {
    let room = Running::start();
    let mut ann = room.join("ann");
    let mut bob = room.join("bob");
    ann.expect_text("bob comes");
    let cat = room.join("cat");
    for client in [&mut ann, &mut bob] {
        client.expect_text("cat comes");
    }
    cat.reset();
    for client in [&mut ann, &mut bob] {
        client.expect_text("cat leaves");
    }
    bob.send("rename");
    bob.close(1000, "");
    ann.expect_text("renamed leaves");
    assert_eq!(bob.rest(), [Got::Close(Some((1000, String::new())))]);
}

#[test]
fn the_order_is_kept_for_each_receiver() {
    let room = Running::start();
    let mut ann = room.join("ann");
    let mut bob = room.join("bob");
    ann.expect_text("bob comes");
    bob.send("order");
    for i in 0..10 {
        ann.expect_text(&format!("to all {i}"));
        ann.expect_text(&format!("to the first {i}"));
        ann.expect_text(&format!("to others {i}"));
        bob.expect_text(&format!("to all {i}"));
    }
    ann.send("order");
    for i in 0..10 {
        bob.expect_text(&format!("to all {i}"));
        bob.expect_text(&format!("to others {i}"));
    }
    bob.send("myself");
    bob.expect_text("through the back door");
}

#[test]
fn one_may_close_another() {
    let room = Running::start();
    let mut ann = room.join("ann");
    let mut bob = room.join("bob");
    ann.expect_text("bob comes");
    bob.send("kick");
    assert_eq!(ann.rest(), [Got::Close(Some((4000, "kicked".into())))]);
    bob.expect_text("ann leaves");
}

#[test]
fn a_wake_reaches_all_of_them() {
    let room = Running::start();
    let mut ann = room.join("ann");
    let mut bob = room.join("bob");
    ann.expect_text("bob comes");
    room.handle.wake();
    let texts = |client: &mut Client, count: usize| -> Vec<String> {
        (0..count)
            .map(|_| match client.next() {
                Got::Text(text) => text,
                other => panic!("{other:?}"),
            })
            .collect()
    };
    let to_ann = texts(&mut ann, 5);
    assert_eq!(to_ann[..2], ["published", "sent"]);
    assert_eq!(to_ann[2..], ["ann was seen", "you were seen", "bob was seen"]);
    assert_eq!(ann.rest(), [Got::Close(Some((4001, "woken".into())))]);
    let to_bob = texts(&mut bob, 5);
    assert_eq!(to_bob, ["published", "ann was seen", "bob was seen", "you were seen", "ann leaves"]);
}
