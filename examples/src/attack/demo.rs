//! The server under attack: a child process, and what the operating system says about it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How often memory is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(20);

/// How long the process may take to end once it is told to.
const MOST_TO_EXIT: Duration = Duration::from_secs(10);

/// A running `demo`, ended when this is dropped.
pub(super) struct Demo {
    process: Child,
    pub(super) addr: SocketAddr,
    // Closed, the process could not print any more.
    _stdout: BufReader<ChildStdout>,
    sampler: Option<Sampler>,
}

struct Sampler {
    peak: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Demo {
    /// Starts the program on a port of its own.
    pub(super) fn start(program: &Path) -> Result<Self, String> {
        let name = program.display();
        let mut process = Command::new(program)
            .args(["--bind", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| {
                format!("{name}: {error} (build it first: cargo build --release; or name it: --demo PATH)")
            })?;
        let stdout = process.stdout.take();
        let mut demo = match stdout {
            Some(stdout) => Self {
                process,
                addr: ([127, 0, 0, 1], 0).into(),
                _stdout: BufReader::new(stdout),
                sampler: None,
            },
            None => return Err(format!("{name}: no stdout")),
        };
        let mut line = String::new();
        demo._stdout.read_line(&mut line).map_err(|error| format!("{name}: {error}"))?;
        demo.addr = line
            .split_once("://")
            .and_then(|(_, authority)| authority.trim_end().trim_end_matches('/').rsplit_once(':'))
            .and_then(|(_, port)| Some(([127, 0, 0, 1], port.parse().ok()?).into()))
            .ok_or_else(|| format!("{name} does not say where it listens but: {line:?}"))?;
        Ok(demo)
    }

    /// Resident memory in bytes.
    pub(super) fn resident(&self) -> Result<u64, String> {
        memory(self.process.id(), "VmRSS:").ok_or_else(|| self.gone())
    }

    /// The sockets that the process has open.
    pub(super) fn sockets(&self) -> Result<usize, String> {
        let dir = format!("/proc/{}/fd", self.process.id());
        let files = fs::read_dir(dir).map_err(|_| self.gone())?;
        let is_socket = |entry: &fs::DirEntry| {
            fs::read_link(entry.path()).is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
        };
        Ok(files.flatten().filter(is_socket).count())
    }

    /// Starts to watch memory.
    pub(super) fn watch_memory(&mut self) {
        self.peak_memory();
        let pid = self.process.id();
        // Forgets the highest value so far (proc(5)). Where that is not allowed, there are the samples.
        let is_forgotten = fs::write(format!("/proc/{pid}/clear_refs"), "5").is_ok();
        let (peak, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, stopped) = (peak.clone(), stop.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                seen.fetch_max(memory(pid, "VmRSS:").unwrap_or(0), Ordering::Relaxed);
                if is_forgotten {
                    seen.fetch_max(memory(pid, "VmHWM:").unwrap_or(0), Ordering::Relaxed);
                }
                thread::sleep(SAMPLE_EVERY);
            }
        });
        self.sampler = Some(Sampler { peak, stop, thread });
    }

    /// The most memory since [`watch_memory`](Self::watch_memory), in bytes.
    pub(super) fn peak_memory(&mut self) -> u64 {
        let Some(sampler) = self.sampler.take() else { return 0 };
        sampler.stop.store(true, Ordering::Relaxed);
        let _ = sampler.thread.join();
        sampler.peak.load(Ordering::Relaxed)
    }

    /// Whether the process still runs; if not, how it ended.
    pub(super) fn check(&mut self) -> Result<(), String> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!("the server has ended: {status}")),
            Err(error) => Err(format!("the server cannot be watched: {error}")),
        }
    }

    /// Asks the process to end, as a service manager does. It has to exit with 0.
    pub(super) fn stop(mut self) -> Result<(), String> {
        self.check()?;
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).ok_or("no process id")?;
        kill_process(pid, Signal::TERM).map_err(|error| format!("cannot send SIGTERM: {error}"))?;
        match self.exit_status() {
            None => Err(format!("the server still runs {} s after SIGTERM", MOST_TO_EXIT.as_secs())),
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("after SIGTERM the server ended with {status}")),
        }
    }

    fn exit_status(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + MOST_TO_EXIT;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        None
    }

    fn gone(&self) -> String {
        format!("nothing is known of process {} any more", self.process.id())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.peak_memory();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A line of `/proc/PID/status`, in bytes.
fn memory(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
