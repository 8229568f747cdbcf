//! How many system calls a server makes, as `strace` counts them.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Result;
use super::process::Process;

/// Whether there is an `strace` which may look at other processes.
pub fn is_available() -> bool {
    let strace =
        Command::new("strace").args(["-c", "true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    strace.is_ok_and(|status| status.success())
}

/// Counts the calls of all threads of a server while `work` runs. This slows it down manyfold, so its time means nothing meanwhile.
///
/// # Errors
///
/// Those of `work`, or if `strace` can't attach.
pub fn count<T>(server: &Process, work: impl FnOnce() -> Result<T>) -> Result<(u64, T)> {
    let out = std::env::temp_dir().join(format!("bench-strace-{}", server.id()));
    let mut strace = Command::new("strace");
    strace.args(["-c", "-f", "-o"]).arg(&out).args(["-p", &server.id().to_string()]);
    let mut strace = Strace(strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    wait_until_traced(server)?;
    let worked = work();
    strace.end()?;
    let text = std::fs::read_to_string(&out);
    let _ = std::fs::remove_file(&out);
    Ok((total(&text?).ok_or("strace counted nothing")?, worked?))
}

struct Strace(Child);

impl Strace {
    fn end(&mut self) -> Result<()> {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::INT)?;
        }
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_until_traced(server: &Process) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.id()))?;
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
        if tracer.is_some_and(|pid| pid.trim() != "0") {
            // Its other threads follow.
            std::thread::sleep(Duration::from_millis(20));
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err("strace can't attach to the server".into())
}

/// The calls in the last line of the table: `100.00    0.004242           3      1234        12 total`.
fn total(table: &str) -> Option<u64> {
    let line = table.lines().rev().find(|line| line.trim_end().ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_in_the_last_line() {
        let table = "% time     seconds  usecs/call     calls    errors syscall\n\
                     ------ ----------- ----------- --------- --------- ------------------\n \
                     60.00    0.000012           1        10           read\n\
                     ------ ----------- ----------- --------- --------- ------------------\n\
                     100.00    0.000020           1        17         2 total\n";
        assert_eq!(total(table), Some(17));
        assert_eq!(total("100.00    0.000020           1        29         total\n"), Some(29));
        assert_eq!(total(""), None);
    }
}
