//! A server with its well-behaved clients, and how an attack on it is measured.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::demo::{Demo, Memory};
use super::report::{Findings, Line, Usage, grouped};
use super::swarm::Swarm;
use super::well_behaved::{MOST_TO_WAIT, Seen, Served, WellBehaved};

/// How long after an attack the server may still have connections of it. The longest deadline of its own is that of a closing handshake,
/// 5 s.
const MOST_TO_SETTLE: Duration = Duration::from_secs(30);

/// The most memory that the server may have at any time of its life, resident or allocated, whatever it had before an attack.
pub(super) const MOST_EVER: u64 = 64 << 20;

/// How much more of both than at its start it may keep after an attack. It keeps a few buffers, and its allocator pieces between what is in use.
pub(super) const MOST_KEPT: u64 = 32 << 20;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// A tenth of it.
    pub(super) quick: bool,
    /// Most connections at a time, because of the limit of open files.
    pub(super) most_open: usize,
}

impl Scale {
    /// So many of something that can be done one after the other.
    pub(super) fn count(&self, count: usize) -> usize {
        if self.quick { count.div_ceil(10) } else { count }
    }
}

/// The server, the clients who must not notice, and what was there before the first attack.
pub(super) struct Scene {
    demo: Demo,
    clients: WellBehaved,
    /// Of the server when nobody but the well-behaved clients is connected.
    base_sockets: usize,
    base_memory: Memory,
    pub(super) scale: Scale,
    /// How many connections an attack wanted and could not have.
    too_many: Cell<Option<usize>>,
}

/// An attack that is being measured.
pub(super) struct Measuring {
    attack: &'static str,
    allowed: u64,
    began: Instant,
    before: Memory,
}

impl Scene {
    pub(super) fn start(program: &Path, scale: Scale) -> Result<Self, String> {
        let demo = Demo::start(program)?;
        let clients = WellBehaved::start(demo.addr)?;
        let base_sockets = demo.sockets()?;
        let base_memory = demo.memory()?;
        Ok(Self { demo, clients, base_sockets, base_memory, scale, too_many: Cell::new(None) })
    }

    pub(super) fn server(&self) -> SocketAddr {
        self.demo.addr
    }

    /// What stands in `Host`.
    pub(super) fn host(&self) -> String {
        self.demo.addr.to_string()
    }

    /// So many connections at a time, or as many as the limit of open files allows, which will be told.
    pub(super) fn connections(&self, count: usize) -> usize {
        let (wanted, most) = (self.scale.count(count), self.scale.most_open);
        if wanted > most {
            self.too_many.set(self.too_many.get().max(Some(wanted)));
        }
        wanted.min(most)
    }

    /// The server's memory, which counts for the peak: at a moment when it should be high.
    pub(super) fn memory(&self) -> Result<Memory, String> {
        self.demo.memory()
    }

    /// Waits until the server has no more resident memory than `most`, in bytes. Returns what it has then,
    /// or after `within`.
    pub(super) fn await_resident(&self, most: u64, within: Duration) -> Result<u64, String> {
        let deadline = Instant::now() + within;
        loop {
            let resident = self.memory()?.resident;
            if resident <= most || Instant::now() >= deadline {
                return Ok(resident);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub(super) fn swarm(&self, at_once: usize) -> Result<Swarm, String> {
        Swarm::new(self.server(), at_once)
    }

    /// How many connections the server has that are not those of the well-behaved clients; a newcomer may be among them.
    pub(super) fn attackers(&self) -> Result<usize, String> {
        Ok(self.demo.sockets()?.saturating_sub(self.base_sockets))
    }

    /// Waits until the server has no more than so many connections of attackers. Returns whether that has come about.
    pub(super) fn await_attackers(&self, count: usize, within: Duration) -> Result<bool, String> {
        let deadline = Instant::now() + within;
        while self.attackers()? > count {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(true)
    }

    /// Carries out an attack; again, if it was so short that no well-behaved client has come to anything meanwhile.
    pub(super) fn run(
        &mut self,
        attack: &'static str,
        allowed: u64,
        run: fn(&Self) -> Result<Findings, String>,
    ) -> Result<Line, String> {
        let measuring = self.begin(attack, allowed)?;
        let mut findings = run(self);
        while findings.as_ref().is_ok_and(|findings| findings.faults.is_empty())
            && !self.clients.seen().some_of_both()
            && measuring.began.elapsed() < MOST_TO_WAIT
        {
            findings = run(self);
        }
        Ok(self.end(measuring, findings))
    }

    /// `allowed`: how much more memory than before it the server may use during the attack, in bytes.
    pub(super) fn begin(&mut self, attack: &'static str, allowed: u64) -> Result<Measuring, String> {
        let before = self.demo.memory()?;
        self.demo.watch_memory();
        self.clients.begin();
        Ok(Measuring { attack, allowed, began: Instant::now(), before })
    }

    /// What came of the attack, and whether all is as it was before.
    pub(super) fn end(&mut self, measuring: Measuring, findings: Result<Findings, String>) -> Line {
        let took = measuring.began.elapsed();
        let mut findings = findings.unwrap_or_else(|error| {
            let mut findings = Findings::new("not all that should have been");
            findings.fault(error);
            findings
        });
        let during = self.clients.seen();
        let seen = self.clients.end();
        judge_clients(&mut findings, &during, &seen);
        match self.await_attackers(0, MOST_TO_SETTLE) {
            Ok(true) => {}
            Ok(false) => findings.fault(format!(
                "{} connections more than before, {} s after the attack",
                self.attackers().unwrap_or(0),
                MOST_TO_SETTLE.as_secs()
            )),
            Err(error) => findings.fault(error),
        }
        if let Some(wanted) = self.too_many.take() {
            let wanted = grouped(wanted as u64);
            let most = grouped(self.scale.most_open as u64);
            let what = format!("{most} connections at a time, not {wanted}: too few open files (ulimit -n)");
            if self.scale.quick {
                findings.remark(what);
            } else {
                findings.fault(what);
            }
        }
        let Measuring { attack, allowed, before, .. } = measuring;
        let after = self.demo.memory().unwrap_or_default();
        let peak = self.demo.peak_memory();
        let of = |which: fn(&Memory) -> u64| Usage {
            before: which(&before),
            peak: which(&peak),
            after: which(&after),
            bound: (which(&before) + allowed).min(MOST_EVER),
            bound_after: which(&self.base_memory) + MOST_KEPT,
        };
        let (resident, allocated) = (of(|memory| memory.resident), of(|memory| memory.allocated));
        for (usage, what) in [(resident, "resident"), (allocated, "allocated")] {
            if usage.peak > usage.bound {
                findings.fault(format!("more memory {what} than allowed"));
            }
            if usage.after > usage.bound_after {
                findings.fault(format!("more memory {what} afterwards than allowed"));
            }
        }
        if let Err(error) = self.demo.check() {
            findings.fault(error);
        }
        let echoes = Served { count: during.echoes.count, ..seen.echoes };
        let newcomers = Served { count: during.newcomers.count, ..seen.newcomers };
        Line { attack, took, resident, allocated, echoes, newcomers, findings }
    }

    /// Ends the clients, whose connections have to be closed cleanly, and then the server, which has to exit with 0.
    pub(super) fn stop(self) -> Result<(), String> {
        self.clients.stop();
        self.demo.stop()
    }
}

/// `during`: what they saw while the attack ran; `seen`: with those who were still waiting at its end.
fn judge_clients(findings: &mut Findings, during: &Seen, seen: &Seen) {
    if let Some(trouble) = &seen.trouble {
        findings.fault(format!("a well-behaved client was not served: {trouble}"));
    }
    for (count, worst, what) in [
        (during.echoes.count, seen.echoes.worst, "echo"),
        (during.newcomers.count, seen.newcomers.worst, "newcomer"),
    ] {
        if count == 0 {
            findings.fault(format!("no {what} was served while the attack ran"));
        }
        if worst > MOST_TO_WAIT {
            let (worst, most) = (worst.as_secs_f64(), MOST_TO_WAIT.as_secs());
            findings.fault(format!("{what}: served after {worst:.1} s, which is more than {most} s"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_behaved_clients_have_to_be_served_during_the_attack_and_in_time() {
        let served = |count, millis| Served { count, worst: Duration::from_millis(millis) };
        let seen = |echoes, newcomers| Seen { echoes, newcomers, trouble: None };
        let after = seen(served(9, 4999), served(9, 5000));
        for (during, after, faults) in [
            (seen(served(1, 1), served(1, 1)), &after, &[][..]),
            (seen(served(0, 0), served(1, 1)), &after, &["no echo was served while the attack ran"]),
            (seen(served(1, 1), served(0, 0)), &after, &["no newcomer was served while the attack ran"]),
            (
                seen(served(1, 1), served(1, 1)),
                &seen(served(9, 5001), served(9, 1)),
                &["echo: served after 5.0 s, which is more than 5 s"],
            ),
        ] {
            let mut findings = Findings::new("this");
            judge_clients(&mut findings, &during, after);
            assert_eq!(findings.faults, faults);
        }
    }
}
