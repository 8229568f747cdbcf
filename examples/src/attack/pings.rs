//! Control frames without number.

use std::time::Duration;

use super::report::{Findings, grouped};
use super::scene::Scene;
use super::swarm::{Script, Step};
use super::wire::{self, PING, PONG};

const FRAMES: usize = 1_000_000;

/// Pings and unasked Pongs by peers that read nothing until they have sent all of them, or cannot.
///
/// Of frames with 125 bytes one read of the server holds fewer than it takes at a time, so that it goes through all of them; of empty ones it
/// holds far more.
pub(super) fn unread(scene: &Scene) -> Result<Findings, String> {
    let count = scene.scale.count(FRAMES);
    let mut swarm = scene.swarm(4)?;
    let request = Step::Send(wire::shared(wire::upgrade("/echo", &scene.host(), "")), 1);
    let mut expected = Vec::new();
    for (opcode, len, at_once, code) in
        [(PING, 125, 1_000, 1000), (PING, 0, 10_000, 1008), (PONG, 125, 1_000, 1000), (PONG, 0, 10_000, 1008)]
    {
        let frames = wire::frame(opcode, &vec![b'p'; len]).repeat(at_once);
        let steps = [
            request.clone(),
            Step::AwaitOpen,
            Step::StopReading,
            Step::Send(wire::shared(frames), (count / at_once) as u64),
            Step::Send(wire::shared(wire::close(1000)), 1),
            Step::Read,
        ];
        swarm.add(Script::new(steps).small_window());
        expected.push(format!("Close {code}"));
    }
    // The server stops reading from whoever does not read the Pongs that it has asked for; then some do not get to the end.
    swarm.run(Duration::from_secs(3))?;
    let stuck = expected.len() - swarm.through();
    swarm.read_all();
    swarm.run(Duration::from_secs(60))?;

    let count = grouped(count as u64);
    let mut findings =
        Findings::new(format!("{count} Pings of 125 bytes, {count} empty ones, as many Pongs, nothing read"));
    findings.remark = format!("{stuck} of 4 connections kept from sending");
    let mut pongs = 0;
    for (outcome, expected) in swarm.outcomes().iter().zip(expected) {
        findings.expect(outcome.label(), outcome.label() == expected, &expected);
        pongs += outcome.heard.pongs;
    }
    findings.did.add_many("Pong", pongs);
    Ok(findings)
}
