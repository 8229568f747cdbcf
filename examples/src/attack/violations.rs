//! Frames that break the protocol in every way that fits into a table.

use std::time::Duration;

use super::report::{Findings, grouped};
use super::scene::Scene;
use super::swarm::{Script, Step};
use super::wire::{self, BINARY, CLOSE, CONTINUATION, FIRST_TEXT, LAST, PING, TEXT};

/// Texts that are not UTF-8 (RFC 3629).
const NOT_UTF8: [&[u8]; 12] = [
    b"\xff",
    b"\x80",
    b"caf\xc3",
    b"\xc0\xaf",
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xf0\x9f\xa6",
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
];

/// Each with the status code that it has to be refused with.
fn cases() -> Vec<(Vec<u8>, u16)> {
    let mut cases = Vec::new();
    for text in NOT_UTF8 {
        cases.push((wire::frame(TEXT, text), 1007));
        // Over a border of fragments, at each place.
        for cut in 0..=text.len() {
            let (a, b) = text.split_at(cut);
            let ping = wire::frame(PING, b"between");
            cases.push(([wire::frame(FIRST_TEXT, a), ping, wire::frame(LAST, b)].concat(), 1007));
        }
        if text.len() <= 20 {
            cases.push((wire::frame(CLOSE, &[b"\x03\xe8", text].concat()), 1007));
        }
    }
    for opcode in 0..16_u8 {
        // §5.2: reserved bits "MUST be 0 unless an extension is negotiated", RSV1 of compressed text among them.
        for rsv in 1..8_u8 {
            cases.push((wire::frame(0x80 | rsv << 4 | opcode, b"\x03\xe8"), 1002));
        }
        // §5.2: "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_."
        if matches!(opcode, 3..=7 | 11..) {
            cases.push((wire::frame(0x80 | opcode, b""), 1002));
        }
        // §5.5: control frames "MUST have a payload length of 125 bytes or less and MUST NOT be fragmented".
        if matches!(opcode, 8..=10) {
            cases.push((wire::frame(opcode, b""), 1002));
            cases.push((wire::frame(0x80 | opcode, &[b'a'; 126]), 1002));
            cases.push((wire::frame(0x80 | opcode, &[b'a'; 70_000]), 1002));
        }
        // §5.1: "a server MUST close the connection upon receiving a frame that is not masked".
        if matches!(opcode, 1..=2 | 8..=10) {
            cases.push((vec![0x80 | opcode, 2, 3, 0xe8], 1002));
        }
    }
    // §5.4: nothing to continue; a new message before the last one has ended.
    cases.push((wire::frame(CONTINUATION, b"a"), 1002));
    cases.push((wire::frame(LAST, b"a"), 1002));
    for second in [TEXT, BINARY, FIRST_TEXT] {
        cases.push(([wire::frame(FIRST_TEXT, b"a"), wire::frame(second, b"b")].concat(), 1002));
    }
    // §5.2: the shortest form of a length.
    cases.push((vec![BINARY, 0xfe, 0, 125, 1, 2, 3, 4], 1002));
    cases.push((wire::declared(BINARY, 65_535, b""), 1002));
    cases
}

/// Each at once, and a byte at a time.
pub(super) fn all(scene: &Scene) -> Result<Findings, String> {
    let cases = cases();
    let each = scene.scale.count(10);
    let mut swarm = scene.swarm(scene.connections(200))?;
    let request = wire::shared(wire::upgrade("/echo", &scene.host(), ""));
    for (bytes, _) in &cases {
        let bytes = wire::shared(bytes);
        for send in [Step::Send(bytes.clone(), 1), Step::ByteByByte(bytes)] {
            let steps = [Step::Send(request.clone(), 1), Step::AwaitOpen, send];
            swarm.add_many(each, &Script::new(steps));
        }
    }
    swarm.run(Duration::from_secs(60))?;

    let count = grouped((2 * each * cases.len()) as u64);
    let what = "RSV, opcodes, masks, lengths, fragments, UTF-8";
    let mut findings = Findings::new(format!("{count} wrong frames of {} kinds: {what}", cases.len()));
    let expected = cases.iter().flat_map(|case| std::iter::repeat_n(case, 2 * each));
    for ((bytes, code), outcome) in expected.zip(swarm.outcomes()) {
        let (label, wanted) = (outcome.label(), format!("Close {code}"));
        if label != wanted {
            let shown = bytes.get(..40).unwrap_or(bytes).escape_ascii();
            findings.fault(format!("{label} instead of {wanted}: {shown}"));
        }
        findings.did.add(label);
    }
    Ok(findings)
}
