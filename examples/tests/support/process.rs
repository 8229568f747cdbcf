//! A program with its pipes, and a deadline on everything.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, spawn};
use std::time::Instant;

use serde_json::Value;

use super::DEADLINE;

/// A program that was started, ended when it is dropped.
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
    readers: Vec<JoinHandle<()>>,
}

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    /// What was not taken by [`Process::line`].
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Process {
    pub fn start(program: &str, args: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdin = child.stdin.take();
        let (stdout, out) = lines(child.stdout.take().unwrap());
        let (stderr, err) = lines(child.stderr.take().unwrap());
        Self { child, stdin, stdout, stderr, readers: vec![out, err] }
    }

    /// Runs a program to its end with this stdin.
    pub fn run(program: &str, args: &[&str], stdin: &[u8]) -> Finished {
        let mut process = Self::start(program, args);
        process.type_bytes(stdin);
        process.finish()
    }

    pub fn type_line(&mut self, line: &str) {
        self.type_bytes(format!("{line}\n").as_bytes());
    }

    /// Writes to stdin; that the program no longer reads it is no failure here.
    pub fn type_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        let _ = stdin.write_all(bytes).and_then(|()| stdin.flush());
    }

    /// Stdin, to be written to elsewhere.
    pub fn take_stdin(&mut self) -> ChildStdin {
        self.stdin.take().expect("stdin is open")
    }

    /// The next line of stdout, without its end.
    pub fn line(&self) -> String {
        text(self.stdout.recv_timeout(DEADLINE).expect("a line on stdout"))
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.line()).expect("JSON")
    }

    /// Lines of stdout up to one that contains this, which is returned.
    pub fn line_with(&self, part: &str) -> String {
        line_with(&self.stdout, part)
    }

    /// Lines of stderr up to one that contains this, which is returned.
    pub fn stderr_line_with(&self, part: &str) -> String {
        line_with(&self.stderr, part)
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal("-INT");
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Closes stdin and waits for the end.
    pub fn finish(mut self) -> Finished {
        self.stdin = None;
        self.wait()
    }

    /// Waits for the end with stdin open.
    pub fn wait(mut self) -> Finished {
        let start = Instant::now();
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(start.elapsed() < DEADLINE, "the program does not end");
            std::thread::sleep(std::time::Duration::from_millis(2));
        };
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let stdout = self.stdout.try_iter().flatten().collect();
        let stderr = text(self.stderr.try_iter().flatten().collect());
        Finished { code, stdout, stderr }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(pipe: impl Read + Send + 'static) -> (Receiver<Vec<u8>>, JoinHandle<()>) {
    let (sender, receiver) = channel();
    let reader = spawn(move || {
        let mut pipe = BufReader::new(pipe);
        loop {
            let mut line = Vec::new();
            match pipe.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => drop(sender.send(line)),
            }
        }
    });
    (receiver, reader)
}

fn line_with(lines: &Receiver<Vec<u8>>, part: &str) -> String {
    let start = Instant::now();
    loop {
        let left = DEADLINE.saturating_sub(start.elapsed());
        let line = text(lines.recv_timeout(left).unwrap_or_else(|_| panic!("no line with {part:?}")));
        if line.contains(part) {
            return line;
        }
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("UTF-8").trim_end_matches('\n').into()
}
