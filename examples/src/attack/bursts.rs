//! Large messages that begin, in many bursts, and never end.

use std::iter;
use std::ops::Range;
use std::time::Duration;

use super::report::{Findings, grouped, mib};
use super::scene::Scene;
use super::swarm::{Script, Step};
use super::wire::{self, BINARY, CONTINUATION, FIRST_TEXT, PING};

const ROUNDS: usize = 150;
const CONNECTIONS: usize = 20;

/// How much more resident memory than before the first burst the server may have after the last: a buffer
/// of 4 MiB that each loop may keep, and what its allocator keeps between what is in use.
const MOST_LEFT: u64 = 6 << 20;

/// How many bytes of its message a connection sends.
const LENGTHS: Range<usize> = 100_000..3_000_000;

/// Into how many pieces they are cut.
const PIECES: usize = 8;

/// The length of the frames that are not whole, below the server's default of 16 MiB
/// (`Config::max_frame_len`).
const DECLARED: u64 = 15 << 20;

/// The longest that a round may take, and then its connections to be gone.
const MOST_PER_ROUND: Duration = Duration::from_secs(10);

/// Connections that send a part of a large message and go, round after round. No two have the same
/// length, so that what one leaves seldom fits the next.
pub(super) fn unfinished(scene: &Scene) -> Result<Findings, String> {
    let rounds = scene.scale.count(ROUNDS);
    let mut dice = Dice(1);
    let before = scene.memory()?.resident;
    let mut findings = Findings::new(format!(
        "{} rounds of {CONNECTIONS} connections that send {} to {} bytes of a message and go",
        grouped(rounds as u64),
        grouped(LENGTHS.start as u64),
        grouped(LENGTHS.end as u64),
    ));
    for round in 1..=rounds {
        let mut swarm = scene.swarm(CONNECTIONS)?;
        for i in 0..CONNECTIONS {
            let payload = vec![b'a'; dice.length()];
            swarm.add(if i % 2 == 0 { in_frames(scene, &payload) } else { in_one_frame(scene, &payload) });
        }
        if !swarm.run_until(MOST_PER_ROUND, |swarm| swarm.through() == CONNECTIONS)? {
            return Err(format!("round {round}: not all could send what they should"));
        }
        scene.memory()?;
        for outcome in swarm.outcomes() {
            let (is_kept, label) = (outcome.is_kept(), outcome.label());
            let label = if is_kept { "kept open".into() } else { label };
            findings.expect(label, is_kept, "a connection that stays");
        }
        // One may be that of a newcomer.
        if !scene.await_attackers(1, MOST_PER_ROUND)? {
            return Err(format!("round {round}: the server has connections whose peers are gone"));
        }
    }
    let after = scene.await_resident(before + MOST_LEFT, MOST_PER_ROUND)?;
    let (left, most) = (mib(after.saturating_sub(before)), mib(MOST_LEFT));
    findings.remark(format!("{left} MiB resident were left, of {most} allowed"));
    if after > before + MOST_LEFT {
        findings.fault("more memory resident was left than allowed");
    }
    Ok(findings)
}

/// Whole frames of a message that goes on. Before each but the first, the server has answered that it has
/// those before, so the buffers of all connections grow by turns.
fn in_frames(scene: &Scene, payload: &[u8]) -> Script {
    let pieces = pieces(payload).zip(0..).flat_map(|(piece, i)| {
        let first = if i == 0 { FIRST_TEXT } else { CONTINUATION };
        let ask = wire::frame(PING, &[i]);
        [send(&wire::frame(first, piece)), send(&ask), Step::AwaitPong(wire::shared([i]))]
    });
    Script::new(open(scene).into_iter().chain(pieces).collect::<Vec<_>>())
}

/// A part of one frame.
fn in_one_frame(scene: &Scene, payload: &[u8]) -> Script {
    let header = send(&wire::declared(BINARY, DECLARED, b""));
    let pieces = pieces(payload).flat_map(|piece| [send(piece), Step::Yield]);
    Script::new(open(scene).into_iter().chain(iter::once(header)).chain(pieces).collect::<Vec<_>>())
}

fn open(scene: &Scene) -> [Step; 2] {
    [send(&wire::upgrade("/echo", &scene.host(), "")), Step::AwaitOpen]
}

fn pieces(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    payload.chunks(payload.len().div_ceil(PIECES))
}

fn send(bytes: &[u8]) -> Step {
    Step::Send(wire::shared(bytes), 1)
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    /// One of [`LENGTHS`], small ones as often as large ones.
    fn length(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        let fraction = (self.0 >> 32) as f64 / f64::from(u32::MAX);
        let ratio = LENGTHS.end as f64 / LENGTHS.start as f64;
        (LENGTHS.start as f64 * ratio.powf(fraction)) as usize
    }
}
