//! Line ends and other control characters where they do not belong: no header may come of them.

use std::time::Duration;

use super::report::{Findings, grouped};
use super::scene::Scene;
use super::swarm::{End, Script, Step};
use super::wire;

/// What the attacker wants to see as a header, or anywhere, in the response.
const MARK: &str = "X-Injected";

/// What is to come of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// A status of 4xx.
    Refused,
    /// 501, the answer to a method that nobody has registered (RFC 9110 §9.1).
    NotImplemented,
    /// Any status: the request is a legal one, or looks like one.
    Answered,
}
use Expect::{Answered, NotImplemented, Refused};

/// In the path, in the names and the values of headers, between lines.
pub(super) fn line_ends(scene: &Scene) -> Result<Findings, String> {
    let host = scene.host();
    let mut cases: Vec<(Vec<u8>, Expect)> = Vec::new();
    let mark = format!("{MARK}: 1");
    for evil in [
        "\r", "\n", "\0", "\r\n", "\n\r", "\x0b", "\x0c", "\x7f", "\x1b", "\u{85}", "\u{2028}", "%0d%0a",
        "%00",
    ] {
        // CR LF really ends a line, %-encoding is only text, and bytes from 0x80 on are legal in values.
        let legal_in_values = evil == "\r\n" || evil.starts_with('%') || !evil.is_ascii();
        let in_value = if legal_in_values { Answered } else { Refused };
        for name in
            ["X-A", "User-Agent", "Cookie", "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol", "Origin"]
        {
            cases.push((wire::upgrade("/echo", &host, &format!("{name}: a{evil}{mark}\r\n")), in_value));
            cases.push((wire::upgrade("/echo", &host, &format!("{name}: {evil}{mark}\r\n")), in_value));
        }
        // Nor is % anything but a letter in a name.
        let in_name = if evil.starts_with('%') { Answered } else { Refused };
        cases.push((wire::upgrade("/echo", &host, &format!("X-A{evil}{mark}\r\n")), in_name));
        let in_host = if evil == "\r\n" { Answered } else { Refused };
        cases.push((wire::upgrade("/echo", &format!("{host}{evil}{mark}"), ""), in_host));
        for path in ["/echo", "/", "/nothing", "/assets/nothing"] {
            let in_path = in_value;
            let target = format!("{path}?{evil}{mark}").replace(' ', "");
            cases.push((wire::upgrade(&target, &host, ""), in_path));
            let page = format!("GET {path}{evil}{} HTTP/1.1\r\nHost: {host}\r\n\r\n", mark.replace(' ', ""));
            cases.push((page.into_bytes(), in_path));
        }
    }
    for lines in [
        // A folded header, RFC 9112 §5.2.
        "X-A: a\r\n X-Injected: 1\r\n",
        "X-A: a\r\n\tX-Injected: 1\r\n",
        "Sec-WebSocket-Protocol: echo.v1\r\n , X-Injected\r\n",
        " X-A: a\r\n",
        // No token before the colon, RFC 9112 §5.1.
        "X A: a\r\n",
        "X-A : a\r\n",
        ": a\r\n",
        "X-A\r\n",
        "X-(A): a\r\n",
        "X-\u{e4}: a\r\n",
        // Lines that end in LF alone.
        "X-A: a\nX-Injected: 1\r\n",
        "X-A: a\r\r\n",
        "X-A: a\r\n\nX-Injected: 1\r\n",
        // Two of what there may be only one.
        "Host: X-Injected\r\n",
        "Origin: http://127.0.0.1\r\nOrigin: http://x-injected.test\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    ] {
        cases.push((wire::upgrade("/echo", &host, lines), Refused));
    }
    let whole = String::from_utf8(wire::upgrade("/echo", &host, &format!("{mark}\r\n"))).unwrap_or_default();
    cases.push((whole.replace("\r\n", "\n").into_bytes(), Refused));
    cases.push((whole.replace("\r\n", "\r").into_bytes(), Refused));
    cases.push((whole.replace("GET /echo", "GET  /echo").into_bytes(), Refused));
    cases.push((whole.replace("GET /echo", "GET /echo#X-Injected").into_bytes(), Refused));
    cases.push((whole.replace("GET", "X-Injected").into_bytes(), NotImplemented));
    cases.push((whole.replace("GET", "GET\r\nX-Injected: 1\r\n").into_bytes(), Refused));

    let each = scene.scale.count(10);
    let mut swarm = scene.swarm(scene.connections(200))?;
    let close = wire::shared(wire::close(1000));
    for (bytes, _) in &cases {
        let bytes = Step::Send(wire::shared(bytes), 1);
        swarm.add_many(each, &Script::new([bytes, Step::AwaitOpen, Step::Send(close.clone(), 1)]));
    }
    swarm.run(Duration::from_secs(60))?;

    let count = grouped((each * cases.len()) as u64);
    let mut findings =
        Findings::new(format!("{count} requests of {} kinds with CR, LF, NUL and others", cases.len()));
    let expected = cases.iter().flat_map(|case| std::iter::repeat_n(case, each));
    for ((bytes, expected), outcome) in expected.zip(swarm.outcomes()) {
        let heard = &outcome.heard;
        let what = || bytes.escape_ascii().to_string();
        let is_expected = heard.status.is_some_and(|status| match expected {
            Refused => (400..500).contains(&status),
            NotImplemented => status == 501,
            Answered => true,
        });
        if !is_expected || outcome.end == End::Open || heard.nonsense.is_some() {
            findings.fault(format!("{} instead of {expected:?}: {}", outcome.label(), what()));
        }
        let has_mark = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes).to_ascii_lowercase().contains(&MARK.to_ascii_lowercase())
        };
        if has_mark(&heard.head) || has_mark(&heard.body) {
            findings.fault(format!("reflected: {}", what()));
        }
        findings.did.add(outcome.label());
    }
    Ok(findings)
}
