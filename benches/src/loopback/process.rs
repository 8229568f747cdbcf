//! A server as a process of its own, and what the kernel counts about it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::Result;
use super::contenders::{Contender, Program};
use super::servers::SERVE;

/// A running server, ended when this is dropped.
pub struct Process {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Process {
    /// Starts it on the first of the cores that this process may use, as many as it wants, and waits until it names its address. This
    /// process goes on on the last one.
    ///
    /// # Errors
    ///
    /// If it can't be started, or names no address within ten seconds.
    pub fn start(contender: &Contender) -> Result<Self> {
        let mut command = match &contender.program {
            Program::Own(server) => {
                // This very program, so that it is there and of the same build.
                let mut command = Command::new(std::env::current_exe()?);
                command.args([SERVE, server]).args(&contender.args);
                command
            }
            Program::External(line) => {
                let mut words = line.split_whitespace();
                let mut command = Command::new(words.next().ok_or("an external server has no command")?);
                command.args(words);
                command
            }
        };
        command.envs(contender.environment.iter().map(|(name, value)| (name, value)));
        let cpus = Cores::here()?;
        // The child inherits them, with all threads that it will have.
        cpus.pin_server(contender.cores)?;
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        cpus.pin_client()?;
        let mut child = spawned.map_err(|error| format!("{}: {error}", contender.name))?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let (found, address) = mpsc::channel();
        std::thread::spawn(move || {
            // To its end, lest the server fills the pipe and waits.
            for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
                if let Some(address) = address_in(&line) {
                    let _ = found.send(address);
                }
            }
        });
        match address.recv_timeout(Duration::from_secs(10)) {
            Ok(address) => Ok(Self { child, address }),
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(format!("{}: the server named no address like ws://127.0.0.1:8080", contender.name)
                    .into())
            }
        }
    }

    /// Its process-id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The CPU time that all of its threads have had.
    ///
    /// # Errors
    ///
    /// If it is gone, or the kernel doesn't count.
    pub fn cpu(&self) -> Result<Duration> {
        let mut total = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.id()))? {
            // One may have ended meanwhile.
            let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
            total += schedstat(&text).ok_or("/proc/…/schedstat is not as expected")?;
        }
        Ok(Duration::from_nanos(total))
    }

    /// Bytes of memory that are resident.
    ///
    /// # Errors
    ///
    /// If it is gone.
    pub fn resident(&self) -> Result<u64> {
        let proc = format!("/proc/{}", self.id());
        // `status` lags by some pages for each thread.
        let text = fs::read_to_string(format!("{proc}/smaps_rollup"));
        let found = text.ok().and_then(|text| kib(&text, "Rss:"));
        let found = found.or_else(|| kib(&fs::read_to_string(format!("{proc}/status")).ok()?, "VmRSS:"));
        Ok(found.ok_or("the server's resident memory can't be read")? * 1024)
    }

    /// Files that it has open, sockets among them.
    ///
    /// # Errors
    ///
    /// If it is gone.
    pub fn descriptors(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.id()))?.count())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Raises the number of files that this process may open, and so the servers that it starts, and returns it.
pub fn raise_descriptors() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let current = getrlimit(Resource::Nofile).current;
    current.map_or(usize::MAX, |current| usize::try_from(current).unwrap_or(usize::MAX))
}

/// The cores that this process may use. They are asked for once: afterwards it has pinned itself to one of them.
struct Cores(Vec<usize>);

impl Cores {
    fn here() -> Result<Self> {
        static ALL: std::sync::OnceLock<Vec<usize>> = std::sync::OnceLock::new();
        if let Some(all) = ALL.get() {
            return Ok(Self(all.clone()));
        }
        let set = sched_getaffinity(None)?;
        let all = (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect();
        Ok(Self(ALL.get_or_init(|| all).clone()))
    }

    fn pin_server(&self, cores: usize) -> Result<()> {
        pin(&self.0[..cores.clamp(1, self.0.len())])
    }

    /// To the last, which is the server's too if that has all of them.
    fn pin_client(&self) -> Result<()> {
        pin(&self.0[self.0.len() - 1..])
    }
}

fn pin(cores: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for &core in cores {
        set.set(core);
    }
    Ok(sched_setaffinity(None, &set)?)
}

/// The time on a core, in nanoseconds: the first of three numbers.
fn schedstat(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The address in a line such as `listening on ws://127.0.0.1:8080/`.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("://")?;
    let authority = rest.split(['/', ' ', '\t', '\r']).next()?;
    authority.replace("localhost", "127.0.0.1").replace("0.0.0.0", "127.0.0.1").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        assert_eq!(schedstat("123456789 4242 17\n"), Some(123_456_789));
        assert_eq!(schedstat(""), None);
        assert_eq!(schedstat("many 1 2"), None);
        let rollup =
            "00400000-7ffe ---p 00000000 00:00 0  [rollup]\nRss:                1536 kB\nPss:  12 kB\n";
        assert_eq!(kib(rollup, "Rss:"), Some(1536));
        assert_eq!(kib("Name:\tx\nVmRSS:\t    2048 kB\n", "VmRSS:"), Some(2048));
        assert_eq!(kib(rollup, "VmRSS:"), None);
    }

    #[test]
    fn an_address_is_found_in_a_line() {
        let expected = Some(SocketAddr::from(([127, 0, 0, 1], 8080)));
        for line in ["ws://127.0.0.1:8080", "listening on ws://localhost:8080/ now", "wss://0.0.0.0:8080\r"] {
            assert_eq!(address_in(line), expected, "{line}");
        }
        for line in ["", "127.0.0.1:8080", "see https://example.com/"] {
            assert_eq!(address_in(line), None, "{line}");
        }
    }

    #[test]
    fn this_process_has_had_time_and_files() {
        let text = fs::read_to_string("/proc/self/schedstat").expect("Linux");
        assert!(schedstat(&text).is_some());
        assert!(raise_descriptors() > 0);
    }
}
