//! Requests that are too long, have too much in them, or take long to understand.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::client::{Client, PATIENCE};
use super::report::{Findings, grouped};
use super::scene::Scene;
use super::swarm::{End, Script, Step, Swarm};
use super::wire::{self, Heard};

const LEN: usize = 64 << 10;
const CONNECTIONS: usize = 16;

/// Connections of which the server reads each byte alone, up to its limit.
const SINGLY: usize = 4;

/// So that a slow machine does not take longer with a head than the server's deadline for the opening handshake, 10 s.
const MOST_TIME: Duration = Duration::from_secs(5);

/// The server's defaults, `Settings::max_head_len` and `Settings::max_headers`.
const MAX_LEN: usize = 16 << 10;
const MAX_HEADERS: usize = 100;

/// Heads of 64 KiB, a byte a read, a byte a write, and all at once by a peer that only reads afterwards. The status line has to come through.
pub(super) fn byte_by_byte(scene: &Scene) -> Result<Findings, String> {
    let each = scene.connections(CONNECTIONS);
    let mut swarm = scene.swarm(2 * each)?;
    let mut head = wire::upgrade("/echo", &scene.host(), "X-Long: ");
    // Without its end: the blank line and the line before it.
    head.truncate(head.len() - 2);
    head.resize(LEN, b'a');
    let head = wire::shared(head);
    swarm.add_many(each, &Script::new([Step::ByteByByte(head.clone())]));
    swarm.add_many(each, &Script::new([Step::StopReading, Step::Send(head.clone(), 1), Step::Read]));
    let in_time = swarm.run_until(MOST_TIME, Swarm::is_over)?;
    let written = swarm.sent().take(each).sum();
    if !in_time {
        swarm.go_on([Step::Send(wire::shared([b'a'; LEN]), 1), Step::Read]);
        swarm.run(Duration::from_secs(60))?;
    }
    let (alone, all_alone, statuses) = singly(scene, &head)?;

    let mut findings = Findings::new(format!(
        "{each} heads in {} writes of a byte, {each} of 64 KiB at once, {} of which it reads {} bytes one by one",
        grouped(written),
        statuses.len(),
        grouped(alone as u64)
    ));
    for (is_whole, what) in [(in_time, "writes of a byte"), (all_alone, "bytes read one by one")] {
        if !is_whole {
            findings.remark(format!("{what}: after {} s the rest came at once", MOST_TIME.as_secs()));
        }
    }
    for status in statuses {
        let label = status.map_or("no status line".into(), |status| status.to_string());
        findings.expect(label, status == Some(431), "431");
    }
    for outcome in swarm.outcomes() {
        let is_refused = outcome.heard.status == Some(431) && outcome.end != End::Open;
        findings.expect(outcome.label(), is_refused, "431");
    }
    Ok(findings)
}

/// Has the server read each byte alone: an echo between two of them comes back when it has read the first. Behind its limit the rest comes at
/// once, and also when time is up. Returns how many bytes of each were read alone, whether that was all of them, and the answers.
fn singly(scene: &Scene, head: &[u8]) -> Result<(usize, bool, Vec<Option<u16>>), String> {
    // The quick run is content with a tenth.
    let most = scene.scale.count(MAX_LEN + 1);
    let mut witness = Client::connect(scene.server(), "/echo")?;
    let broken = |error: std::io::Error| format!("a head byte by byte: {error}");
    let mut sockets = Vec::new();
    for _ in 0..SINGLY {
        let socket = TcpStream::connect(scene.server()).map_err(broken)?;
        socket.set_nodelay(true).map_err(broken)?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(broken)?;
        sockets.push(socket);
    }
    let (began, mut alone) = (Instant::now(), 0);
    for byte in head.iter().take(most) {
        if began.elapsed() > MOST_TIME {
            break;
        }
        alone += 1;
        for socket in &mut sockets {
            socket.write_all(std::slice::from_ref(byte)).map_err(broken)?;
        }
        witness.echo("read")?;
    }
    witness.close()?;
    let mut statuses = Vec::new();
    for mut socket in sockets {
        let (mut heard, mut answer) = (Heard::default(), Vec::new());
        socket.write_all(head.get(alone..).unwrap_or_default()).map_err(broken)?;
        socket.read_to_end(&mut answer).map_err(broken)?;
        heard.add(&answer);
        statuses.push(heard.status);
    }
    Ok((alone, alone == most, statuses))
}

/// What has cost other servers a crash or quadratic time.
pub(super) fn crowded(scene: &Scene) -> Result<Findings, String> {
    let host = scene.host();
    let request = |more: String| wire::upgrade("/echo", &host, &more);
    // Host, Upgrade, Connection, Sec-WebSocket-Key and Sec-WebSocket-Version are there already.
    let headers = |count: usize| (5..count).map(|i| format!("X-{i}: 1\r\n")).collect::<String>();
    let fill = |piece: &str, len: usize| piece.repeat(len / piece.len());
    let page = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let near_limit = MAX_LEN - 1024;
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        // CVE-2024-37890.
        ("2 000 headers", request(headers(2000)), "431"),
        ("a header too many", request(headers(MAX_HEADERS + 1)), "431"),
        ("as many headers as allowed", request(headers(MAX_HEADERS)), "Close 1000"),
        // CVE-2020-7662: a quoted string that does not end.
        (
            "backslashes in an extension",
            request(format!("Sec-WebSocket-Extensions: a; b=\"{}\r\n", fill("\\c", near_limit))),
            "400",
        ),
        (
            "backslashes in an extension that ends",
            request(format!("Sec-WebSocket-Extensions: a; b=\"{}\"\r\n", fill("\\c", near_limit))),
            "Close 1000",
        ),
        // ws before 3.3.1, and CVE-2021-32640: blanks.
        (
            "blanks in an extension",
            request(format!("Sec-WebSocket-Extensions: b{}c\r\n", fill(" ", near_limit))),
            "400",
        ),
        (
            "blanks in a subprotocol",
            request(format!("Sec-WebSocket-Protocol: b{}c\r\n", fill(" ", near_limit))),
            "400",
        ),
        (
            "extensions without number",
            request(format!("Sec-WebSocket-Extensions: {}a\r\n", fill("a;b=c,", near_limit))),
            "Close 1000",
        ),
        (
            "subprotocols without number",
            request(format!("Sec-WebSocket-Protocol: {}a\r\n", fill("a,", near_limit))),
            "400",
        ),
        (
            "Connection of many tokens",
            request(format!("Connection: {}close\r\n", fill("a,", near_limit))),
            "Close 1000",
        ),
        // CVE-2026-100658: the others are not answered, nor do they wait for anything.
        ("200 requests for a page at once", page.repeat(200).into_bytes(), "200"),
        // What follows a request for a WebSocket are frames: "GE" is a frame with RSV1, not masked.
        ("two requests for a WebSocket at once", request(String::new()).repeat(2), "Close 1002"),
        ("a request and a page at once", [request(String::new()), page.into_bytes()].concat(), "Close 1002"),
        ("a request with content", request("Content-Length: 5\r\n".into()), "400"),
        ("a request in chunks", request("Transfer-Encoding: chunked\r\n".into()), "400"),
        ("only empty lines", b"\r\n".repeat(2 * MAX_LEN), "4xx"),
        ("no line at all", vec![b'a'; 2 * MAX_LEN], "4xx"),
        ("NUL bytes", vec![0; 2 * MAX_LEN], "4xx"),
        (
            "a TLS handshake",
            [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], &[7; 600], b"\r\n\r\n"].concat(),
            "4xx",
        ),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(), "505"),
    ];

    let each = scene.scale.count(10);
    let mut swarm = scene.swarm(scene.connections(200))?;
    let close = wire::shared(wire::close(1000));
    for (_, bytes, _) in &cases {
        let bytes = Step::Send(wire::shared(bytes), 1);
        swarm.add_many(each, &Script::new([bytes, Step::AwaitOpen, Step::Send(close.clone(), 1)]));
    }
    swarm.run(Duration::from_secs(60))?;

    let count = grouped((each * cases.len()) as u64);
    let mut findings = Findings::new(format!("{count} requests of {} kinds", cases.len()));
    let expected = cases.iter().flat_map(|(what, _, expected)| std::iter::repeat_n((what, expected), each));
    for ((what, expected), outcome) in expected.zip(swarm.outcomes()) {
        let label = outcome.label();
        let is_4xx = outcome.heard.status.is_some_and(|status| (400..500).contains(&status));
        if !(label == **expected || *expected == "4xx" && is_4xx && outcome.end != End::Open) {
            findings.fault(format!("{what}: {label} instead of {expected}"));
        }
        if outcome.heard.more_responses() > 0 {
            findings
                .fault(format!("{what}: more than one response, though the first says Connection: close"));
        }
        findings.did.add(label);
    }
    Ok(findings)
}
