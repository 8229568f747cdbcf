//! Frames that declare more than anybody would send.

use std::time::Duration;

use super::report::{Findings, grouped};
use super::scene::Scene;
use super::swarm::{Script, Step};
use super::wire::{self, BINARY, CONTINUATION, FIRST_TEXT, LAST, TEXT};

const CONNECTIONS_EACH: usize = 10;

/// The server's default, `Config::max_frame_len`.
const LIMIT: u64 = 16 << 20;

/// Lengths, and the status code of RFC 6455 §7.4.1 that each has to be refused with.
const LENGTHS: [(u64, u16); 12] = [
    (LIMIT + 1, 1009),
    ((1 << 31) - 1, 1009),
    (1 << 31, 1009),
    ((1 << 31) + 1, 1009),
    ((1 << 32) - 1, 1009),
    (1 << 32, 1009),
    ((1 << 32) + 1, 1009),
    (1 << 62, 1009),
    ((1 << 63) - 1, 1009),
    // §5.2: "the most significant bit MUST be 0".
    (1 << 63, 1002),
    ((1 << 63) + 1, 1002),
    (u64::MAX, 1002),
];

/// All of them, alone and amid a message; the header is refused, whatever comes of the payload.
pub(super) fn declared(scene: &Scene) -> Result<Findings, String> {
    let mut cases: Vec<(Vec<u8>, u16)> = Vec::new();
    let some = [b'a'; 1000];
    let first = wire::frame(FIRST_TEXT, b"begun");
    for (len, code) in LENGTHS {
        for payload in [&some[..], b""] {
            for opcode in [TEXT, BINARY] {
                cases.push((wire::declared(opcode, len, payload), code));
            }
            for opcode in [CONTINUATION, LAST] {
                cases.push(([&first[..], &wire::declared(opcode, len, payload)].concat(), code));
            }
        }
    }
    // Together with what is there already, over the limit by a byte.
    cases.push(([&first[..], &wire::declared(LAST, LIMIT - 4, b"")].concat(), 1009));
    // §5.2: "the minimal number of bytes MUST be used to encode the length".
    cases.push((wire::declared(BINARY, 5, b"short"), 1002));

    let each = scene.scale.count(CONNECTIONS_EACH);
    let mut swarm = scene.swarm(scene.scale.connections(200))?;
    let request = wire::shared(wire::upgrade("/echo", &scene.host(), ""));
    let mut expected = Vec::new();
    for (bytes, code) in cases {
        let bytes = wire::shared(bytes);
        let steps = [Step::Send(request.clone(), 1), Step::AwaitOpen, Step::Send(bytes, 1)];
        swarm.add_many(each, &Script::new(steps));
        expected.extend(std::iter::repeat_n(code, each));
    }
    swarm.run(Duration::from_secs(60))?;

    let count = grouped(expected.len() as u64);
    let mut findings =
        Findings::new(format!("{count} frames that declare {} to 2^64-1 bytes", grouped(LIMIT + 1)));
    for (outcome, code) in swarm.outcomes().iter().zip(expected) {
        let wanted = format!("Close {code}");
        findings.expect(outcome.label(), outcome.label() == wanted, &wanted);
    }
    Ok(findings)
}
