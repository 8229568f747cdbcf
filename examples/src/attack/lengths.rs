//! Frames that declare more than anybody would send.

use std::time::Duration;

use super::client::Client;
use super::report::{Findings, grouped};
use super::scene::Scene;
use super::swarm::{Outcome, Script, Step};
use super::wire::{self, BINARY, CONTINUATION, FIRST_TEXT, LAST, TEXT};

const CONNECTIONS_EACH: usize = 10;

/// Connections that declare as much as is allowed, together 3 GiB, and of which no more comes.
const HELD: usize = 200;

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

/// Lengths that are refused, and lengths that are not and cost nothing as long as the payload does not come.
pub(super) fn declared(scene: &Scene) -> Result<Findings, String> {
    let mut findings = refused(scene)?;
    let (held, outcomes) = held(scene)?;
    findings.sent += &format!("; {} that declare {} and fall silent", grouped(held as u64), grouped(LIMIT));
    for outcome in outcomes {
        let (is_kept, label) = (outcome.is_kept(), outcome.label());
        findings.expect(if is_kept { "kept open".into() } else { label }, is_kept, "a connection that stays");
    }
    Ok(findings)
}

/// All of them, alone and amid a message; the header is refused, whatever comes of the payload.
fn refused(scene: &Scene) -> Result<Findings, String> {
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
    let mut swarm = scene.swarm(scene.connections(200))?;
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

/// As much as is allowed, in one frame or with what came before, and of the payload nothing or a little. Returns how many there were.
fn held(scene: &Scene) -> Result<(usize, Vec<Outcome>), String> {
    let first = wire::frame(FIRST_TEXT, b"begun");
    let some = [b'a'; 1000];
    let cases = [
        wire::declared(BINARY, LIMIT, b""),
        wire::declared(BINARY, LIMIT, &some),
        wire::declared(TEXT, LIMIT, &some),
        [&first[..], &wire::declared(LAST, LIMIT - 5, &some)].concat(),
    ];
    let each = scene.connections(HELD) / cases.len();
    let count = each * cases.len();
    let mut swarm = scene.swarm(count)?;
    let request = wire::shared(wire::upgrade("/echo", &scene.host(), ""));
    for bytes in cases {
        let bytes = Step::Send(wire::shared(bytes), 1);
        swarm.add_many(each, &Script::new([Step::Send(request.clone(), 1), Step::AwaitOpen, bytes]));
    }
    if !swarm.run_until(Duration::from_secs(30), |swarm| swarm.through() == count)? {
        return Err("not all could declare their lengths".into());
    }
    // Who comes after them is served after them.
    let mut witness = Client::connect(scene.server(), "/echo")?;
    witness.echo("all read")?;
    scene.memory()?;
    witness.close()?;
    // What the server may have said to them against expectation.
    swarm.run(Duration::from_millis(100))?;
    Ok((count, swarm.outcomes()))
}
