//! Peers that ask for much and read nothing, or slowly.

use std::sync::mpsc::{self, Sender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use sansws::Message;
use serde_json::{Value, json};

use super::client::Client;
use super::report::{Findings, grouped};
use super::scene::Scene;
use super::swarm::{End, Script, Step, Swarm};
use super::wire::{self, BINARY, TEXT};

const ROOM: &str = "crowded";

/// Members of the chat room that read nothing, and such that read two thirds of what is said.
const SILENT_MEMBERS: usize = 200;
const SLOW_MEMBERS: usize = 20;

/// What the one who talks says, and how often at most.
const TEXT_LEN: usize = 60_000;
const READ_OF_IT: usize = 40_000;
const MOST_MESSAGES: usize = 3_000;

const SUBSCRIBERS: usize = 10;
const SUBSCRIPTIONS: usize = 200_000;
const SYMBOLS: usize = 5;

/// A room full of members that read nothing, or slowly, while one talks. All are dropped, with 1013 if they can still be told; the one who
/// talks misses nothing.
pub(super) fn chat(scene: &Scene) -> Result<Findings, String> {
    let silent = scene.connections(SILENT_MEMBERS);
    let slow = scene.connections(SLOW_MEMBERS);
    let mut talker = Talker::join(scene)?;
    let mut swarm = scene.swarm(silent + slow)?;
    let member = |how: Step| {
        let request = wire::upgrade("/chat", &scene.host(), "");
        let join = json!({"type": "join", "username": "member", "room": ROOM}).to_string();
        let join = wire::frame(TEXT, join.as_bytes());
        let steps =
            [Step::Send(wire::shared(request), 1), Step::AwaitOpen, Step::Send(wire::shared(join), 1), how];
        Script::new(steps).small_window()
    };
    swarm.add_many(silent, &member(Step::StopReading));
    swarm.add_many(slow, &member(Step::ReadAsAllowed));

    // They read while the other talks, two thirds of each message.
    let (said_one, heard_one) = mpsc::channel();
    let (said, mut swarm) = thread::scope(|scope| {
        let members = scope.spawn(move || -> Result<Swarm, String> {
            loop {
                swarm.turn(Duration::from_millis(1))?;
                match heard_one.try_recv() {
                    Ok(()) => swarm.allow(READ_OF_IT),
                    Err(TryRecvError::Empty) => {}
                    Err(TryRecvError::Disconnected) => return Ok(swarm),
                }
            }
        });
        let said = talker.talk(scene, silent + slow, said_one);
        let members = members.join().unwrap_or_else(|_| Err("the members' thread panicked".into()));
        said.and_then(|said| Ok((said, members?)))
    })?;

    let mut findings = Findings::new(format!(
        "{silent} members that read nothing and {slow} that read slowly, {} messages of 60 kB to them",
        grouped(said as u64)
    ));
    findings.remark = format!("who talked got back all {}", grouped(said as u64));
    talker.0.close()?;
    // They still have their ends of the connections; the server must not.
    let are_dropped = scene.await_attackers(0, Duration::from_secs(30))?;
    if !are_dropped {
        findings.fault(format!("{} members are still there", scene.attackers()?));
    }
    // What the kernel had taken of it before is there. For those that read nothing this may be MiBs for a window of 2 KiB, of which the server
    // knows nothing any more.
    swarm.read_all();
    swarm.run_until(Duration::from_secs(30), |swarm| swarm.have_ended(silent))?;
    for (i, outcome) in swarm.outcomes().iter().enumerate() {
        let label = outcome.label();
        if i >= silent {
            findings.expect(label.clone(), label == "Close 1013", "Close 1013");
        } else {
            // A Close that waits behind what they do not read is lost with it.
            findings.did.add(if are_dropped { "dropped".into() } else { label });
        }
    }
    Ok(findings)
}

/// The one who talks.
struct Talker(Client);

impl Talker {
    fn join(scene: &Scene) -> Result<Self, String> {
        let mut client = Client::connect(scene.server(), "/chat")?;
        let join = json!({"type": "join", "username": "talker", "room": ROOM}).to_string();
        client.send(Message::Text(&join))?;
        let mut talker = Self(client);
        talker.hear("join", "talker")?;
        Ok(talker)
    }

    /// Talks until all the others are gone, which have to come first. Everything said has to come back. Returns how much was said.
    fn talk(&mut self, scene: &Scene, members: usize, said_one: Sender<()>) -> Result<usize, String> {
        for _ in 0..members {
            self.hear("join", "member")?;
        }
        let text = "x".repeat(TEXT_LEN);
        let message =
            json!({"type": "message", "username": "talker", "text": text, "room": ROOM}).to_string();
        let deadline = Instant::now() + Duration::from_secs(60);
        for said in 0..MOST_MESSAGES {
            // The talker is one, and a newcomer may be there.
            if scene.attackers()? <= 2 {
                return Ok(said);
            }
            if Instant::now() >= deadline {
                break;
            }
            self.0.send(Message::Text(&message))?;
            self.hear("message", "talker")?;
            // Whoever hears it has ended only if it failed, which is told in another way.
            let _ = said_one.send(());
            thread::sleep(Duration::from_millis(5));
        }
        Err(format!("{} of {members} members are still in the room, unread", scene.attackers()?))
    }

    /// The next message of this kind by this one; others that leave are passed over, and the lobby, into which the room brings everyone.
    fn hear(&mut self, kind: &str, username: &str) -> Result<(), String> {
        loop {
            let heard = self.0.receive(|message| match message {
                Message::Text(text) => serde_json::from_str::<Value>(text).ok(),
                Message::Binary(_) => None,
            })?;
            let heard = heard.ok_or("the server closed the talker's connection")?.ok_or("not JSON")?;
            if heard["type"] == kind && heard["username"] == username && heard["room"] == ROOM {
                return Ok(());
            }
            if heard["type"] != "leave" && heard["room"] == ROOM {
                return Err(format!("the talker waits for a {kind} and hears a {}", heard["type"]));
            }
        }
    }
}

/// Subscribers that ask again and again for all quotes and read none. They miss quotes, and the latest come when they read again.
pub(super) fn ticker(scene: &Scene) -> Result<Findings, String> {
    let count = scene.connections(SUBSCRIBERS);
    // Fewer would all be taken by the kernel.
    let times = SUBSCRIPTIONS;
    let mut swarm = scene.swarm(count)?;
    let request = wire::upgrade("/stocks", &scene.host(), "");
    let symbols = ["AAPL", "GOOGL", "MSFT", "TSLA", "AMZN"];
    let subscribe = json!({"action": "subscribe", "symbols": symbols}).to_string();
    let subscribe = wire::frame(TEXT, subscribe.as_bytes());
    let steps = [
        Step::Send(wire::shared(request), 1),
        Step::AwaitOpen,
        Step::StopReading,
        Step::Send(wire::shared(subscribe.repeat(50)), (times / 50) as u64),
    ];
    swarm.add_many(count, &Script::new(steps).small_window());
    let have_asked = swarm.run_until(Duration::from_secs(60), |swarm| swarm.through() == count)?;

    let asked = (count * times) as u64;
    let mut findings =
        Findings::new(format!("{count} subscribers, {} subscriptions, nothing read", grouped(asked)));
    if !have_asked {
        findings.fault("the server has stopped reading the subscriptions");
    }
    // Now they read: what was waiting, the latest quotes, and then the answer to the Close.
    swarm.go_on([Step::Read, Step::Send(wire::shared(wire::close(1000)), 1)]);
    swarm.run(Duration::from_secs(30))?;
    let mut quotes = 0;
    for outcome in swarm.outcomes() {
        findings.expect(outcome.label(), outcome.heard.close == Some(Some(1000)), "Close 1000");
        if outcome.heard.messages < SYMBOLS as u64 {
            findings.fault(format!("{} quotes only", outcome.heard.messages));
        }
        quotes += outcome.heard.messages;
    }
    findings.remark = format!("{} of {} quotes sent", grouped(quotes), grouped(asked * SYMBOLS as u64));
    if quotes >= asked * SYMBOLS as u64 {
        findings.fault("nothing was left out");
    }
    Ok(findings)
}

/// Clients that have much echoed and read it only after a while. The server stops reading; nothing is lost.
pub(super) fn echo(scene: &Scene) -> Result<Findings, String> {
    const CLIENTS: usize = 100;
    const MESSAGES: u64 = 4_096;
    const LEN: u64 = 4_096;
    let count = scene.connections(CLIENTS);
    let mut swarm = scene.swarm(count)?;
    let steps = [
        Step::Send(wire::shared(wire::upgrade("/echo", &scene.host(), "")), 1),
        Step::AwaitOpen,
        Step::StopReading,
        Step::Send(wire::shared(wire::frame(BINARY, &[7; LEN as usize])), MESSAGES),
        Step::Send(wire::shared(wire::close(1000)), 1),
        Step::Read,
    ];
    swarm.add_many(count, &Script::new(steps).small_window());
    swarm.run(Duration::from_secs(3))?;
    let stuck = count - swarm.through();
    swarm.read_all();
    swarm.run(Duration::from_secs(60))?;

    let sent = format!("{count} clients, 4 096 messages of 4 KiB each, read after 3 s only");
    let mut findings = Findings::new(sent);
    findings.remark = format!("{stuck} were kept from sending");
    if stuck == 0 && !scene.scale.quick {
        findings.fault("the server read on, though nothing was read");
    }
    for outcome in swarm.outcomes() {
        let heard = &outcome.heard;
        let label = format!("{} echoes, {}", grouped(heard.messages), outcome.label());
        let is_whole = (heard.messages, heard.message_bytes) == (MESSAGES, MESSAGES * LEN);
        findings.expect(label, is_whole && heard.close == Some(Some(1000)), "all echoes and Close 1000");
    }
    Ok(findings)
}

/// Browsers that ask for a page again and again without reading one. The server answers once, and does not wait for ever.
pub(super) fn pages(scene: &Scene) -> Result<Findings, String> {
    const CLIENTS: usize = 500;
    let count = scene.connections(CLIENTS);
    let mut swarm = scene.swarm(count)?;
    let request = format!("GET /assets/chat.js HTTP/1.1\r\nHost: {}\r\n\r\n", scene.host());
    let requests = wire::shared(request.repeat(100));
    let steps = [Step::StopReading, Step::Send(requests, 10)];
    swarm.add_many(count, &Script::new(steps).small_window());
    swarm.run(Duration::from_secs(2))?;

    let asked = swarm.sent().map(|sent| sent / request.len() as u64).sum();
    let sent = format!("{} requests for pages on {count} connections, nothing read", grouped(asked));
    let mut findings = Findings::new(sent);
    if !scene.await_attackers(0, Duration::from_secs(30))? {
        findings.fault(format!("{} connections are still there", scene.attackers()?));
    }
    // What the kernel had taken before the server gave up is there.
    swarm.go_on([Step::Read]);
    swarm.run(Duration::from_secs(10))?;
    for outcome in swarm.outcomes() {
        let is_ended = outcome.end != End::Open;
        let is_answered =
            matches!(outcome.heard.status, Some(200) | None) && outcome.heard.more_responses() == 0;
        findings.expect(outcome.label(), is_ended && is_answered, "one 200, and the end");
    }
    Ok(findings)
}
