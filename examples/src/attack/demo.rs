//! The server under attack: a child process, and what the operating system says about it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How often memory is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(20);

/// How long the process may take to end once it is told to.
const MOST_TO_EXIT: Duration = Duration::from_secs(10);

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memory {
    /// What it has touched.
    pub(super) resident: u64,
    /// What it has asked for, touched or not (`VmData`).
    pub(super) allocated: u64,
}

impl Memory {
    /// As `/proc/PID/status` has it.
    fn of(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        Some(Self { resident: field(&status, "VmRSS:")?, allocated: field(&status, "VmData:")? })
    }

    fn max(self, other: Self) -> Self {
        Self { resident: self.resident.max(other.resident), allocated: self.allocated.max(other.allocated) }
    }
}

/// A running `demo`, ended when this is dropped.
pub(super) struct Demo {
    process: Child,
    pub(super) addr: SocketAddr,
    // Closed, the process could not print any more.
    _stdout: BufReader<ChildStdout>,
    sampler: Option<Sampler>,
}

struct Sampler {
    peak: Arc<Peak>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Peak(Mutex<Memory>);

impl Peak {
    fn raise(&self, memory: Memory) {
        let mut peak = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *peak = peak.max(memory);
    }

    fn get(&self) -> Memory {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    /// What it has now.
    pub(super) fn memory(&self) -> Result<Memory, String> {
        let memory = Memory::of(self.process.id()).ok_or_else(|| self.gone())?;
        if let Some(sampler) = &self.sampler {
            sampler.peak.raise(memory);
        }
        Ok(memory)
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
        // Forgets the highest resident value so far (proc(5)). Where that is not allowed, there are the samples.
        let is_forgotten = fs::write(format!("/proc/{pid}/clear_refs"), "5").is_ok();
        let (peak, stop) = (Arc::new(Peak::default()), Arc::new(AtomicBool::new(false)));
        let (seen, stopped) = (peak.clone(), stop.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                seen.raise(Memory::of(pid).unwrap_or_default());
                if is_forgotten {
                    let resident = highest_resident(pid).unwrap_or(0);
                    seen.raise(Memory { resident, allocated: 0 });
                }
                thread::sleep(SAMPLE_EVERY);
            }
        });
        self.sampler = Some(Sampler { peak, stop, thread });
    }

    /// The most since [`watch_memory`](Self::watch_memory), which ends here. What was allocated for a shorter time than between two samples,
    /// or two calls of [`memory`](Self::memory), is not in it.
    pub(super) fn peak_memory(&mut self) -> Memory {
        let Some(sampler) = self.sampler.take() else { return Memory::default() };
        sampler.stop.store(true, Ordering::Relaxed);
        let _ = sampler.thread.join();
        sampler.peak.get()
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

fn highest_resident(pid: u32) -> Option<u64> {
    field(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmHWM:")
}

/// A line of `/proc/PID/status`, in bytes.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
