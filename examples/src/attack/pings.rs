//! Control frames without number.

use std::time::Duration;

use super::report::{Findings, grouped};
use super::scene::Scene;
use super::swarm::{Script, Step};
use super::wire::{self, PING, PONG};

/// How many there are of each kind; so many Pings are to be taken while the server cannot write.
const FRAMES: usize = 1_000_000;

/// For so many Pings more the kernel may take Pongs, a few MiB of them, before the server cannot write.
const MOST_PONGS: usize = 500_000;

/// Pings and unasked Pongs by peers that read nothing until they have sent all of them, or cannot.
///
/// Of frames with 125 bytes one read of the server holds fewer than it takes at a time, so that it goes through all of them; of empty ones it
/// holds far more. It answers each Ping as long as it can write. When it cannot, it owes one Pong, for the last Ping (§5.5.3): each Ping that has
/// no Pong in the end was taken while it could not write.
///
/// The ticker reads on however much is queued. An echo stops when its queue is full (64 KiB): the Pongs for one read may fill it, if the kernel
/// takes no more just then.
pub(super) fn unread(scene: &Scene) -> Result<Findings, String> {
    let count = scene.scale.count(FRAMES);
    let pings = count + MOST_PONGS;
    let last = [b'!'; 125];
    let read_last =
        [Step::Send(wire::shared(wire::frame(PING, &last)), 1), Step::Read, Step::AwaitPong(last.into())];
    let close = Step::Send(wire::shared(wire::close(1000)), 1);
    let script = |path, opcode, len, at_once: usize, count: usize, then: &[Step]| {
        let request = Step::Send(wire::shared(wire::upgrade(path, &scene.host(), "")), 1);
        let frames = wire::shared(wire::frame(opcode, &vec![b'p'; len]).repeat(at_once));
        let flood = Step::Send(frames, (count / at_once) as u64);
        let begin = [request, Step::AwaitOpen, Step::StopReading, flood];
        Script::new([&begin, then, std::slice::from_ref(&close)].concat()).small_window()
    };
    let mut swarm = scene.swarm(4)?;
    swarm.add(script("/stocks", PING, 125, 1_000, pings, &read_last));
    swarm.add(script("/echo", PING, 0, 10_000, count, &[Step::Read]));
    swarm.add(script("/echo", PONG, 125, 1_000, count, &[Step::Read]));
    swarm.add(script("/echo", PONG, 0, 10_000, count, &[Step::Read]));
    swarm.run(Duration::from_secs(60))?;

    let mut echo = scene.swarm(1)?;
    echo.add(script("/echo", PING, 125, 1_000, pings, &read_last));
    echo.run(Duration::from_secs(3))?;
    let has_stopped = echo.through() == 0;
    echo.read_all();
    echo.run(Duration::from_secs(60))?;

    let outcomes: Vec<_> = swarm.outcomes().into_iter().chain(echo.outcomes()).collect();
    let kinds = [
        ("Pings of 125 bytes to the ticker", "/stocks", 125, pings + 1, "Close 1000"),
        ("empty ones to an echo", "/echo", 0, count, "Close 1008"),
        ("Pongs of 125 bytes", "/echo", 125, count, "Close 1000"),
        ("empty ones", "/echo", 0, count, "Close 1008"),
        ("Pings of 125 bytes to an echo", "/echo", 125, pings + 1, "Close 1000"),
    ];
    let (mut findings, mut sent) = (Findings::default(), Vec::new());
    for ((what, path, len, most, expected), outcome) in kinds.into_iter().zip(&outcomes) {
        let before = wire::upgrade(path, &scene.host(), "").len();
        let frame = wire::frame(PING, &last[..len]).len();
        // What the kernel took, of those that are refused not all. Behind the last one comes a Close.
        let frames = (outcome.sent.saturating_sub(before as u64) / frame as u64).min(most as u64);
        sent.push(format!("{} {what}", grouped(frames)));
        findings.expect(outcome.label(), outcome.label() == expected, expected);
        findings.did.add_many("Pong", outcome.heard.pongs);
        if expected == "Close 1000" && outcome.heard.pongs > 0 && outcome.heard.last_pong != last {
            findings.fault("the last Ping has no Pong");
        }
    }
    findings.sent = format!("{}; nothing read", sent.join(", "));
    let pongs = outcomes.first().map_or(0, |outcome| outcome.heard.pongs);
    let unanswered = (pings as u64 + 1).saturating_sub(pongs);
    findings.remark(format!(
        "the ticker took {} Pings while it could not write, the echo {}",
        grouped(unanswered),
        if has_stopped { "read no more until its Pongs were read" } else { "took all, too" },
    ));
    if unanswered < count as u64 {
        findings.fault(format!("the ticker sent {} Pongs", grouped(pongs)));
    }
    Ok(findings)
}
