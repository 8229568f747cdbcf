//! Peers that send a byte a second.

use std::time::Duration;

use super::report::{Findings, grouped};
use super::scene::Scene;
use super::swarm::{End, Outcome, Script, Step};
use super::wire::{self, TEXT};

const CONNECTIONS: usize = 2_000;
const PAUSE: Duration = Duration::from_secs(1);

/// The server's default, `Timeouts::handshake`.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// Requests that will never be whole in time.
pub(super) fn handshake(scene: &Scene) -> Result<Findings, String> {
    let count = scene.connections(CONNECTIONS);
    let mut swarm = scene.swarm(count)?;
    let request = wire::shared(wire::upgrade("/echo", &scene.host(), ""));
    swarm.add_many(count, &Script::new([Step::Trickle(request, PAUSE)]));
    swarm.run(4 * HANDSHAKE_DEADLINE)?;

    let mut findings = Findings::new(format!("{} requests, a byte a second", grouped(count as u64)));
    let outcomes = swarm.outcomes();
    for outcome in &outcomes {
        let is_ended = matches!(outcome.end, End::Eof | End::Reset);
        findings.expect(outcome.label(), is_ended && outcome.heard.status == Some(408), "408 and the end");
        if is_ended && outcome.lasted < HANDSHAKE_DEADLINE / 2 {
            findings.fault(format!("given up after {:.1} s already", outcome.lasted.as_secs_f64()));
        }
    }
    let lasted = outcomes.iter().map(|outcome| outcome.lasted.as_secs_f64());
    let (first, last) = (lasted.clone().fold(f64::MAX, f64::min), lasted.fold(0.0, f64::max));
    findings.remark = format!("after {first:.1} to {last:.1} s");
    Ok(findings)
}

/// Messages that take 11 s: slow, but whole in the end.
pub(super) fn frames(scene: &Scene) -> Result<Findings, String> {
    let count = scene.connections(CONNECTIONS);
    let mut swarm = scene.swarm(count)?;
    let steps = [
        Step::Send(wire::shared(wire::upgrade("/echo", &scene.host(), "")), 1),
        Step::AwaitOpen,
        Step::Trickle(wire::shared(wire::frame(TEXT, b"slow!")), PAUSE),
        Step::AwaitMessages(1),
        Step::Send(wire::shared(wire::close(1000)), 1),
    ];
    swarm.add_many(count, &Script::new(steps));
    swarm.run(Duration::from_secs(60))?;

    let what = format!("{} messages, a byte a second, then Close 1000", grouped(count as u64));
    let mut findings = Findings::new(what);
    for outcome in &swarm.outcomes() {
        findings.expect(label(outcome), label(outcome) == "echo and Close 1000", "echo and Close 1000");
    }
    Ok(findings)
}

fn label(outcome: &Outcome) -> String {
    match outcome.heard.messages {
        0 => outcome.label(),
        1 => format!("echo and {}", outcome.label()),
        more => format!("{more} messages and {}", outcome.label()),
    }
}
