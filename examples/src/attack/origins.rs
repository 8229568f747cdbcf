//! Pages of other origins, RFC 6455 §10.2.

use std::time::Duration;

use super::report::{Findings, grouped};
use super::scene::Scene;
use super::swarm::{End, Script, Step};
use super::wire;

const PATHS: [&str; 4] = ["/echo", "/api", "/chat", "/stocks"];

/// All that a demo on loopback must not let in. `PORT` stands for its port.
const FOREIGN: [&str; 36] = [
    "null",
    "NULL",
    "http://evil.test",
    "https://evil.test",
    "http://evil.test:PORT",
    // Look-alikes.
    "http://localhost.evil.test",
    "http://localhost.evil.test:PORT",
    "http://evillocalhost:PORT",
    "http://evil-localhost:PORT",
    "http://127.0.0.1.evil.test",
    "http://127.0.0.1.evil.test:PORT",
    "http://1127.0.0.1:PORT",
    "http://127.0.0.1:PORT.evil.test",
    "http://localhost@evil.test",
    "http://localhost:PORT@evil.test",
    "http://127.0.0.1:PORT@evil.test:PORT",
    "http://evil.test/127.0.0.1:PORT",
    "http://evil.test?127.0.0.1:PORT",
    "http://evil.test#127.0.0.1:PORT",
    "http://127.0.0.1:PORT\\.evil.test",
    "http://127.0.0.1:PORT http://evil.test",
    "http://evil.test http://127.0.0.1:PORT",
    "http://127.0.0.1:PORT, http://evil.test",
    // Addresses that are nearly loopback.
    "http://0.0.0.0:8080",
    "http://128.0.0.1",
    "http://127.1:8080",
    "http://2130706433",
    "http://0x7f.0.0.1",
    "http://[::2]:PORT",
    "http://[::ffff:127.0.0.2]:8080",
    "http://169.254.169.254",
    // Other schemes.
    "file://",
    "ftp://localhost",
    "HTTPS://EVIL.TEST",
    "chrome-extension://localhost",
    "127.0.0.1:PORT",
];

/// What must be let in. On loopback, pages of any port of it are.
const OWN: [&str; 5] = [
    "http://127.0.0.1:PORT",
    "HTTP://127.0.0.1:PORT",
    "http://localhost:PORT",
    "http://LocalHost:5173",
    "http://[::1]:9",
];

pub(super) fn foreign(scene: &Scene) -> Result<Findings, String> {
    let host = scene.host();
    let port = scene.server().port().to_string();
    let foreign = FOREIGN.iter().map(|origin| (Some(origin.replace("PORT", &port)), "403"));
    let own = OWN.iter().map(|origin| (Some(origin.replace("PORT", &port)), "Close 1000"));
    // Not a browser.
    let none = [(None, "Close 1000")];
    let cases: Vec<(&str, Option<String>, &str)> = foreign
        .chain(own)
        .chain(none)
        .flat_map(|(origin, expected)| PATHS.map(|path| (path, origin.clone(), expected)))
        .collect();

    let each = scene.scale.count(10);
    let mut swarm = scene.swarm(scene.connections(200))?;
    let close = wire::shared(wire::close(1000));
    for (path, origin, _) in &cases {
        let line = origin.as_ref().map(|origin| format!("Origin: {origin}\r\n")).unwrap_or_default();
        let bytes = Step::Send(wire::shared(wire::upgrade(path, &host, &line)), 1);
        swarm.add_many(each, &Script::new([bytes, Step::AwaitOpen, Step::Send(close.clone(), 1)]));
    }
    swarm.run(Duration::from_secs(60))?;

    let foreign = grouped((each * PATHS.len() * FOREIGN.len()) as u64);
    let own = grouped((each * PATHS.len() * (OWN.len() + 1)) as u64);
    let mut findings =
        Findings::new(format!("{foreign} requests from foreign pages, {own} from our own or none"));
    let expected = cases.iter().flat_map(|case| std::iter::repeat_n(case, each));
    for ((path, origin, expected), outcome) in expected.zip(swarm.outcomes()) {
        let label = outcome.label();
        let origin = origin.as_deref().unwrap_or("no Origin");
        if label != *expected || outcome.end == End::Open {
            findings.fault(format!("{label} instead of {expected}: {origin} at {path}"));
        }
        if *expected == "403" && !String::from_utf8_lossy(&outcome.heard.body).contains("Origin") {
            findings.fault(format!("the response does not give the reason: {origin} at {path}"));
        }
        findings.did.add(if label == "Close 1000" { "let in".into() } else { label });
    }
    Ok(findings)
}
