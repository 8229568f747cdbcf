//! Connections that end with a RST at the worst moment.

use std::time::Duration;

use super::report::{Findings, grouped};
use super::scene::Scene;
use super::swarm::{End, Script, Step};
use super::wire::{self, BINARY, FIRST_TEXT, TEXT};

const CONNECTIONS: usize = 20_000;
const AT_ONCE: usize = 256;

/// Before the request, amid it, after it; before and after the response; amid a frame, a message, an answer, the closing handshake. (A RST
/// leaves no TIME_WAIT behind, so there are ports enough.)
pub(super) fn everywhere(scene: &Scene) -> Result<Findings, String> {
    let request = wire::upgrade("/echo", &scene.host(), "");
    let join = br#"{"type":"join","username":"gone at once"}"#;
    let page = format!("GET /assets/chat.js HTTP/1.1\r\nHost: {}\r\n\r\n", scene.host());
    let send = |bytes: &[u8]| Step::Send(wire::shared(bytes), 1);
    let open = |path| [send(&wire::upgrade(path, &scene.host(), "")), Step::AwaitOpen];
    let after_open = |path, steps: &[Step]| [&open(path)[..], steps, &[Step::Reset]].concat();
    let frame = wire::frame(BINARY, &[7; 1000]);
    let scripts = [
        vec![Step::Reset],
        vec![send(&request[..request.len() / 2]), Step::Reset],
        vec![send(&request), Step::Reset],
        vec![send(page.as_bytes()), Step::Reset],
        after_open("/echo", &[]),
        after_open("/echo", &[send(&frame[..5])]),
        after_open("/echo", &[send(&frame[..500])]),
        after_open("/echo", &[send(&wire::frame(FIRST_TEXT, b"begun"))]),
        after_open("/echo", &[Step::StopReading, Step::Send(wire::shared(frame.repeat(64)), 1)]),
        after_open("/echo", &[send(&wire::close(1000))]),
        after_open("/chat", &[send(&wire::frame(TEXT, join))]),
        after_open("/stocks", &[send(&wire::frame(TEXT, br#"{"action":"subscribe","symbols":["AAPL"]}"#))]),
    ];
    let each = scene.scale.count(CONNECTIONS) / scripts.len() + 1;
    let mut swarm = scene.swarm(scene.connections(10 * AT_ONCE).min(AT_ONCE))?;
    let scripts = scripts.map(Script::new);
    for _ in 0..each {
        for script in &scripts {
            swarm.add(script.clone());
        }
    }
    swarm.run(Duration::from_secs(120))?;

    let count = grouped((each * scripts.len()) as u64);
    let mut findings = Findings::new(format!("{count} connections, reset at {} moments", scripts.len()));
    for outcome in swarm.outcomes() {
        let label = outcome.label();
        findings.expect(label, outcome.end == End::ByScript, "a connection that lasts until we reset it");
    }
    Ok(findings)
}
