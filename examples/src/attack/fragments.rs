//! Messages in more fragments than anybody needs.

use std::time::Duration;

use super::report::Findings;
use super::scene::Scene;
use super::swarm::{Script, Step};
use super::wire::{self, CONTINUATION, FIRST_TEXT, LAST};

const FRAGMENTS: usize = 1_000_000;
const CONNECTIONS: usize = 8;

/// Fragments that are sent with one write.
const AT_ONCE: usize = 1_000;

/// Below the server's default of 131 072 (`Config::max_fragments`), so that the message is a legal one.
const LEGAL: usize = 100_000;

/// A million continuations, empty ones and such of a byte; and a message of many small fragments that is to come back.
pub(super) fn without_number(scene: &Scene) -> Result<Findings, String> {
    let each = scene.scale.connections(CONNECTIONS);
    let mut swarm = scene.swarm(3 * each)?;
    let request = Step::Send(wire::shared(wire::upgrade("/echo", &scene.host(), "")), 1);
    let first = Step::Send(wire::shared(wire::frame(FIRST_TEXT, b"")), 1);
    let many = |payload: &[u8], count: usize| {
        let bytes = wire::shared(wire::frame(CONTINUATION, payload).repeat(AT_ONCE));
        Step::Send(bytes, (count / AT_ONCE) as u64)
    };
    for payload in [&b""[..], b"a"] {
        let steps = [request.clone(), Step::AwaitOpen, first.clone(), many(payload, FRAGMENTS)];
        swarm.add_many(each, &Script::new(steps));
    }
    let legal = [
        request,
        Step::AwaitOpen,
        first,
        many(b"a", LEGAL),
        Step::Send(wire::shared(wire::frame(LAST, b"")), 1),
        Step::AwaitMessages(1),
        Step::Send(wire::shared(wire::close(1000)), 1),
    ];
    swarm.add_many(each, &Script::new(legal));
    swarm.run(Duration::from_secs(60))?;

    let mut findings = Findings::new(format!(
        "up to 1 000 000 fragments on {} connections, empty or of a byte; 100 000 on {each}, which is legal",
        2 * each
    ));
    for (i, outcome) in swarm.outcomes().iter().enumerate() {
        let label = outcome.label();
        if i < 2 * each {
            findings.expect(label, outcome.heard.close == Some(Some(1008)), "Close 1008");
        } else {
            let is_echoed = (outcome.heard.messages, outcome.heard.message_bytes) == (1, LEGAL as u64);
            let label = if is_echoed { format!("echo and {label}") } else { label };
            findings.expect(label.clone(), label == "echo and Close 1000", "echo and Close 1000");
        }
    }
    Ok(findings)
}
