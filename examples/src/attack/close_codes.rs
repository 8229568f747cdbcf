//! Every status code that a Close frame can have, and more.

use std::time::Duration;

use super::report::Findings;
use super::scene::Scene;
use super::swarm::{Script, Step};
use super::wire::{self, CLOSE};

const CONNECTIONS_AT_ONCE: usize = 256;

/// The codes that an endpoint may send: §7.4 and the registry it founds.
fn is_legal(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// 0 to 5000, some beyond; no code, half a code, and reasons that are not UTF-8 or too long for a control frame.
pub(super) fn all(scene: &Scene) -> Result<Findings, String> {
    let step = if scene.scale.quick { 10 } else { 1 };
    // The quick run has all those at the borders.
    let borders = [998..=1020, 1999..=2001, 2998..=3001, 3999..=4001, 4998..=5000];
    let is_tried = |code: u16| code % step == 0 || borders.iter().any(|border| border.contains(&code));
    let codes = (0..=5000).filter(|&code| is_tried(code)).chain([0x7fff, 0x8000, 0xffff]);
    let mut cases: Vec<(Vec<u8>, String)> = codes
        .map(|code| {
            // §7.4.2: codes in the range 0-999 are not used, 1000-2999 are for the protocol, 3000-4999 for others.
            let answer = if is_legal(code) { code } else { 1002 };
            (wire::close(code), format!("Close {answer}"))
        })
        .collect();
    // §5.5.1: "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer".
    cases.push((wire::frame(CLOSE, b""), "Close without code".into()));
    cases.push((wire::frame(CLOSE, &[3]), "Close 1002".into()));
    cases.push((wire::frame(CLOSE, b"\x03\xe8caf\xc3\xa9"), "Close 1000".into()));
    cases.push((wire::frame(CLOSE, b"\x03\xe8caf\xc3"), "Close 1007".into()));
    cases.push((wire::frame(CLOSE, &[[3, 0xe8].as_slice(), &[b'r'; 123]].concat()), "Close 1000".into()));
    cases.push((wire::frame(CLOSE, &[[3, 0xe8].as_slice(), &[b'r'; 124]].concat()), "Close 1002".into()));

    let mut swarm = scene.swarm(scene.connections(CONNECTIONS_AT_ONCE))?;
    let request = wire::shared(wire::upgrade("/echo", &scene.host(), ""));
    for (bytes, _) in &cases {
        let steps = [Step::Send(request.clone(), 1), Step::AwaitOpen, Step::Send(wire::shared(bytes), 1)];
        swarm.add(Script::new(steps));
    }
    swarm.run(Duration::from_secs(60))?;

    let mut findings = Findings::new(if step > 1 {
        "Close with each tenth code from 0 to 5000 and those at the borders, without code, with half of one"
    } else {
        "Close with each code from 0 to 5000, without code, with half of one"
    });
    for ((_, expected), outcome) in cases.iter().zip(swarm.outcomes()) {
        let label = outcome.label();
        if label != *expected {
            findings.fault(format!("{label} instead of {expected}"));
        }
        // §7.4.1: 1005, 1006 and 1015 "MUST NOT be set as a status code in a Close control frame by an endpoint".
        if let Some(Some(code @ (1004..=1006 | 1015))) = outcome.heard.close {
            findings.fault(format!("{code} on the wire"));
        }
        findings.did.add(if label == "Close 1002" || label != *expected { label } else { "the same".into() });
    }
    Ok(findings)
}
