//! Half-open peers: they say nothing more, do not answer Pings, and never close.

use std::time::{Duration, Instant};

use super::report::{Findings, grouped};
use super::scene::Scene;
use super::swarm::{End, Script, Step, Swarm};
use super::wire::{self, BINARY, FIRST_TEXT, TEXT};

const CONNECTIONS_EACH: usize = 30;

/// When the server must have dropped them. Its defaults (`Timeouts`): 30 s of silence before it asks with a Ping, 20 s for the Pong, 5 s for the
/// closing handshake.
const DEADLINE: Duration = Duration::from_secs(90);

/// So many of the kinds in [`begin`] read what comes, without an answer; the others leave it unread.
const READING_KINDS: usize = 4;
const KINDS: usize = 6;

/// Opens them: idle, amid a header, amid a frame, amid a message; and such as do not read what they have asked for.
pub(super) fn begin(scene: &Scene) -> Result<Swarm, String> {
    let send = |bytes: &[u8]| Step::Send(wire::shared(bytes), 1);
    let open = |path| [send(&wire::upgrade(path, &scene.host(), "")), Step::AwaitOpen];
    let frame = wire::frame(BINARY, &[7; 1000]);
    let subscribe =
        wire::frame(TEXT, br#"{"action":"subscribe","symbols":["AAPL","GOOGL","MSFT","TSLA","AMZN"]}"#);
    let kinds: [(&str, Vec<Step>); KINDS] = [
        ("/echo", vec![]),
        ("/echo", vec![send(&frame[..5])]),
        ("/echo", vec![send(&frame[..500])]),
        ("/chat", vec![send(&wire::frame(FIRST_TEXT, b"{"))]),
        ("/echo", vec![Step::StopReading, Step::Send(wire::shared(frame.repeat(64)), 256)]),
        ("/stocks", vec![Step::StopReading, Step::Send(wire::shared(subscribe.repeat(64)), 64)]),
    ];
    let each = scene.connections(CONNECTIONS_EACH);
    let kinds = &kinds[..tried(scene)];
    let mut swarm = scene.swarm(kinds.len() * each)?;
    for (path, steps) in kinds {
        let script = Script::new([&open(path)[..], steps, &[Step::FallSilent]].concat());
        swarm.add_many(each, &if *path == "/stocks" { script.small_window() } else { script });
    }
    let heard_by_all =
        |swarm: &Swarm| swarm.heard().filter(|heard| heard.is_open()).count() == kinds.len() * each;
    if !swarm.run_until(Duration::from_secs(10), heard_by_all)? {
        return Err("not all connections were let in".into());
    }
    // Those that do not read go on until they cannot write any more.
    swarm.run(Duration::from_secs(2))?;
    Ok(swarm)
}

/// How many kinds there are. Those that do not read take longer than the quick run may.
fn tried(scene: &Scene) -> usize {
    if scene.scale.quick { READING_KINDS } else { KINDS }
}

/// Waits until the server has dropped them, and looks what it has said to them.
pub(super) fn end(scene: &Scene, mut swarm: Swarm, began: Instant) -> Result<Findings, String> {
    if scene.scale.quick {
        // They hear at once that it is over, which spares waiting for them in the closing handshake.
        swarm.run(DEADLINE.saturating_sub(began.elapsed()))?;
    }
    let are_dropped = scene.await_attackers(0, DEADLINE.saturating_sub(began.elapsed()))?;
    swarm.go_on([Step::Read]);
    swarm.run(Duration::from_secs(10))?;
    let outcomes = swarm.outcomes();
    let mut findings = Findings::new(format!(
        "{} connections that fall silent, idle or amid something, for {} s",
        grouped(outcomes.len() as u64),
        began.elapsed().as_secs()
    ));
    if !are_dropped {
        findings.fault(format!("not dropped within {} s", DEADLINE.as_secs()));
    }
    let unread_from = outcomes.len() / tried(scene) * READING_KINDS;
    for (i, outcome) in outcomes.iter().enumerate() {
        let label = format!("{} Ping, {}", outcome.heard.pings, outcome.label());
        if i < unread_from {
            findings.expect(
                label,
                outcome.heard.pings == 1 && outcome.heard.close == Some(Some(1011)),
                "a Ping and Close 1011",
            );
        } else {
            // The server cannot tell them anything; a Close that is in the queue is lost with it.
            let is_ended = outcome.end != End::Open;
            findings.expect(
                if is_ended { "dropped with answers unread".into() } else { label },
                is_ended,
                "the end",
            );
        }
    }
    Ok(findings)
}
