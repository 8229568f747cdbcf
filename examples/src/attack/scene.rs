//! A server with its well-behaved clients, and how an attack on it is measured.

use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::demo::Demo;
use super::report::{Findings, Line, grouped};
use super::swarm::Swarm;
use super::well_behaved::WellBehaved;

/// How long after an attack the server may still have connections of it. The longest deadline of its own is that of a closing handshake,
/// 5 s.
const MOST_TO_SETTLE: Duration = Duration::from_secs(30);

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

    /// So many connections at a time.
    pub(super) fn connections(&self, count: usize) -> usize {
        self.count(count).min(self.most_open)
    }

    /// To be said where fewer connections are opened than there should be.
    pub(super) fn remark(&self, count: usize) -> String {
        if self.count(count) <= self.most_open {
            return String::new();
        }
        let wanted = grouped(self.count(count) as u64);
        format!("not {wanted} connections because of the limit of open files (ulimit -n)")
    }
}

/// The server, the clients who must not notice, and what was there before the first attack.
pub(super) struct Scene {
    demo: Demo,
    clients: WellBehaved,
    /// Of the server when nobody but the well-behaved clients is connected.
    base_sockets: usize,
    pub(super) scale: Scale,
}

/// An attack that is being measured.
pub(super) struct Measuring {
    attack: &'static str,
    allowed: u64,
    began: Instant,
    before: u64,
}

impl Scene {
    pub(super) fn start(program: &Path, scale: Scale) -> Result<Self, String> {
        let demo = Demo::start(program)?;
        let clients = WellBehaved::start(demo.addr)?;
        let base_sockets = demo.sockets()?;
        Ok(Self { demo, clients, base_sockets, scale })
    }

    pub(super) fn server(&self) -> SocketAddr {
        self.demo.addr
    }

    /// What stands in `Host`.
    pub(super) fn host(&self) -> String {
        self.demo.addr.to_string()
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

    /// `allowed`: how much more memory than before it the server may use during the attack, in bytes.
    pub(super) fn begin(&mut self, attack: &'static str, allowed: u64) -> Result<Measuring, String> {
        let before = self.demo.resident()?;
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
        let seen = self.clients.end();
        if let Some(trouble) = seen.trouble {
            findings.fault(format!("a well-behaved client was not served: {trouble}"));
        }
        match self.await_attackers(0, MOST_TO_SETTLE) {
            Ok(true) => {}
            Ok(false) => findings.fault(format!(
                "{} connections more than before, {} s after the attack",
                self.attackers().unwrap_or(0),
                MOST_TO_SETTLE.as_secs()
            )),
            Err(error) => findings.fault(error),
        }
        let peak = self.demo.peak_memory();
        let after = self.demo.resident().unwrap_or(0);
        if peak > measuring.before + measuring.allowed {
            findings.fault("more memory than allowed");
        }
        if let Err(error) = self.demo.check() {
            findings.fault(error);
        }
        let Measuring { attack, allowed, before, .. } = measuring;
        Line {
            attack,
            took,
            before,
            peak,
            after,
            allowed,
            worst_echo: seen.worst_echo,
            worst_newcomer: seen.worst_newcomer,
            findings,
        }
    }

    /// Ends the clients, whose connections have to be closed cleanly, and then the server, which has to exit with 0.
    pub(super) fn stop(self) -> Result<(), String> {
        self.clients.stop();
        self.demo.stop()
    }
}
