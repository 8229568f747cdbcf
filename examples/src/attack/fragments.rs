//! Messages in more fragments than anybody needs.

use std::time::Duration;

use super::report::{Findings, grouped};
use super::scene::Scene;
use super::swarm::{Outcome, Script, Step};
use super::wire::{self, CONTINUATION, FIRST_TEXT, LAST};

const FRAGMENTS: usize = 1_000_000;
const CONNECTIONS: usize = 8;

/// Fragments that are sent with one write.
const AT_ONCE: usize = 1_000;

/// Below the server's default of 131 072 (`Config::max_fragments`), so that the message is a legal one.
const LEGAL: usize = 100_000;

/// A million continuations, empty ones and such of a byte, by peers that go on with them whatever they are told meanwhile; and a message of
/// many small fragments that is to come back.
pub(super) fn without_number(scene: &Scene) -> Result<Findings, String> {
    let each = scene.connections(CONNECTIONS);
    let mut swarm = scene.swarm(3 * each)?;
    let (request, first) = (wire::upgrade("/echo", &scene.host(), ""), wire::frame(FIRST_TEXT, b""));
    let before = (request.len() + first.len()) as u64;
    let request = Step::Send(wire::shared(request), 1);
    let first = Step::Send(wire::shared(first), 1);
    let many = |payload: &[u8], count: usize| {
        let bytes = wire::shared(wire::frame(CONTINUATION, payload).repeat(AT_ONCE));
        Step::Send(bytes, (count / AT_ONCE) as u64)
    };
    for payload in [&b""[..], b"a"] {
        let begin = [request.clone(), Step::AwaitOpen, Step::StopReading, first.clone()];
        let steps = [&begin[..], &[many(payload, FRAGMENTS), Step::Read]].concat();
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

    let outcomes = swarm.outcomes();
    let sent = |outcomes: &[Outcome], payload: &[u8]| -> u64 {
        let len = wire::frame(CONTINUATION, payload).len() as u64;
        outcomes.iter().map(|outcome| outcome.sent.saturating_sub(before) / len).sum()
    };
    let (endless, _) = outcomes.split_at(2 * each);
    let (empty, of_a_byte) = endless.split_at(each);
    let (empty, of_a_byte) = (sent(empty, b""), sent(of_a_byte, b"a"));
    let mut findings = Findings::new(format!(
        "{} empty fragments on {each} connections, {} of a byte on {each}; messages of {} on {each}, which is legal",
        grouped(empty),
        grouped(of_a_byte),
        grouped(LEGAL as u64),
    ));
    for (sent, what) in [(empty, "empty"), (of_a_byte, "of a byte")] {
        if sent < FRAGMENTS as u64 {
            findings.fault(format!("only {} fragments {what} could be sent", grouped(sent)));
        }
    }
    for (i, outcome) in outcomes.iter().enumerate() {
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
