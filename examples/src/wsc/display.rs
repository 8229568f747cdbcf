//! What `wsc` prints: messages on stdout, everything about them on stderr.

use std::fmt::Display as Fmt;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::time::Instant;

use sansws_mio::{Chunk, MessageKind};

use super::options::{Options, Stdin};
use super::output::Output;
use crate::clients::terminal::printable;

/// Bytes of a binary message that are shown in its place.
const PREVIEW: usize = 24;

/// Of the content of a response that refuses the connection, so many bytes and lines are shown.
const SHOWN_BYTES: usize = 1024;
const SHOWN_LINES: usize = 20;

/// Which way something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the server.
    Out,
    /// From the server.
    In,
    /// About the connection.
    Note,
}

/// Where everything is printed.
pub struct Display {
    stdout: BufWriter<Stdout>,
    is_terminal: bool,
    is_raw: bool,
    file: Option<Output>,
    quiet: bool,
    verbose: bool,
    start: Instant,
    preview: Vec<u8>,
    /// Bytes of the message that is coming in.
    len: u64,
    /// Why nothing can be printed any more.
    failure: Option<String>,
}

impl Display {
    /// Nothing is written to the file for binary messages before there is one.
    ///
    /// # Errors
    ///
    /// It cannot be written, or is to be sent.
    pub fn open(options: &Options) -> Result<Self, String> {
        let file = options.output.as_ref().map(|path| Output::open(path, options)).transpose()?;
        Ok(Self {
            stdout: BufWriter::new(io::stdout()),
            is_terminal: io::stdout().is_terminal(),
            is_raw: options.stdin == Stdin::Binary,
            file,
            quiet: options.quiet,
            verbose: options.verbose,
            start: Instant::now(),
            preview: Vec::new(),
            len: 0,
            failure: None,
        })
    }

    /// Whether details are wanted.
    pub fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Something the user should know, unless it is to be quiet.
    pub fn note(&mut self, text: impl Fmt) {
        if !self.quiet {
            self.on_stderr(Way::Note, &text.to_string());
        }
    }

    /// Something that went wrong.
    pub fn error(&mut self, text: impl Fmt) {
        self.on_stderr(Way::Note, &text.to_string());
    }

    /// A detail, with `--verbose`.
    pub fn detail(&mut self, way: Way, text: impl Fmt) {
        if self.verbose {
            self.on_stderr(way, &text.to_string());
        }
    }

    /// The reason of a Close, to be shown behind its code; nothing without `--verbose`.
    ///
    /// RFC 6455 §5.5.1: "clients MUST NOT show it to end users." Whoever asks for frames is a developer.
    pub fn reason(&self, reason: &str) -> String {
        if self.verbose && !reason.is_empty() { format!(" {reason:?}") } else { String::new() }
    }

    /// A head of the opening handshake, with `--verbose`.
    pub fn head(&mut self, way: Way, head: &[u8]) {
        if self.verbose {
            for line in String::from_utf8_lossy(head).trim_end().lines() {
                self.on_stderr(way, line);
            }
        }
    }

    /// The content of a response that refuses the connection, with `--verbose`. It may be anything.
    pub fn content(&mut self, content: &[u8]) {
        if !self.verbose || content.is_empty() {
            return;
        }
        let (text, is_cut) = excerpt(content);
        for line in text.lines() {
            self.on_stderr(Way::In, line);
        }
        let more = if is_cut { ", of which this is the beginning" } else { "" };
        self.on_stderr(Way::Note, &format!("content of {} bytes{more}", content.len()));
    }

    fn on_stderr(&mut self, way: Way, text: &str) {
        // What was received before is to be seen before.
        self.flush();
        let text = printable(text);
        let mark = match way {
            Way::Out => '>',
            Way::In => '<',
            Way::Note => '*',
        };
        // There is nowhere to say that stderr is gone.
        let _ = if self.verbose {
            writeln!(io::stderr(), "{:9.4} {mark} {text}", self.start.elapsed().as_secs_f64())
        } else {
            writeln!(io::stderr(), "{text}")
        };
    }

    /// A piece of a message. Returns whether it was the last one.
    pub fn received(&mut self, chunk: &Chunk<'_>) -> bool {
        let (first, last, kind) = match chunk {
            Chunk::Text(chunk) => (chunk.first, chunk.last, MessageKind::Text),
            Chunk::Binary(chunk) => (chunk.first, chunk.last, MessageKind::Binary),
        };
        if first {
            self.len = 0;
            self.preview.clear();
        }
        let printed = match chunk {
            Chunk::Text(chunk) => {
                self.len += chunk.len() as u64;
                self.text(chunk.carried.as_str(), chunk.text, first, last)
            }
            Chunk::Binary(chunk) => {
                self.len += chunk.payload.len() as u64;
                self.binary(chunk.payload, last)
            }
        };
        if let Err(error) = printed {
            self.failed(&error);
        }
        if last {
            let len = self.len;
            self.detail(Way::In, format_args!("{} of {len} bytes", kind_name(kind)));
        }
        last
    }

    fn text(&mut self, carried: &str, text: &str, first: bool, last: bool) -> io::Result<()> {
        if self.is_terminal {
            if first {
                self.stdout.write_all(b"< ")?;
            }
            self.stdout.write_all(printable(carried).as_bytes())?;
            self.stdout.write_all(printable(text).as_bytes())?;
        } else {
            self.stdout.write_all(carried.as_bytes())?;
            self.stdout.write_all(text.as_bytes())?;
        }
        if last && !self.is_raw { self.stdout.write_all(b"\n") } else { Ok(()) }
    }

    fn binary(&mut self, payload: &[u8], last: bool) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            return file.write(payload);
        }
        if self.is_raw {
            return self.stdout.write_all(payload);
        }
        let room = PREVIEW.saturating_sub(self.preview.len()).min(payload.len());
        self.preview.extend_from_slice(&payload[..room]);
        if !last {
            return Ok(());
        }
        let mark = if self.is_terminal { "< " } else { "" };
        write!(self.stdout, "{mark}<binary {} bytes{}", self.len, if self.len > 0 { ":" } else { "" })?;
        for byte in &self.preview {
            write!(self.stdout, " {byte:02x}")?;
        }
        writeln!(self.stdout, "{}>", if self.len > PREVIEW as u64 { " …" } else { "" })
    }

    /// Has everything printed that is still held back.
    pub fn flush(&mut self) {
        let file = self.file.as_mut().map_or(Ok(()), Output::flush);
        if let Err(error) = self.stdout.flush().and(file) {
            self.failed(&error);
        }
    }

    fn failed(&mut self, error: &io::Error) {
        self.failure.get_or_insert_with(|| format!("cannot write what was received: {error}"));
    }

    /// Why messages can no longer be written.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }
}

/// As it is said to people.
pub fn kind_name(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Text => "text",
        MessageKind::Binary => "binary",
    }
}

/// The beginning of what may be text, and whether there is more.
fn excerpt(content: &[u8]) -> (String, bool) {
    let shown = content.get(..SHOWN_BYTES).unwrap_or(content);
    let text = String::from_utf8_lossy(shown);
    let lines: Vec<&str> = text.lines().take(SHOWN_LINES).collect();
    let is_cut = shown.len() < content.len() || text.lines().count() > lines.len();
    (lines.join("\n"), is_cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_contents_are_cut() {
        assert_eq!(excerpt(b""), (String::new(), false));
        assert_eq!(excerpt(b"one\r\ntwo\n"), ("one\ntwo".into(), false));
        assert_eq!(excerpt(&[b'x'; SHOWN_BYTES]), ("x".repeat(SHOWN_BYTES), false));
        assert_eq!(excerpt(&[b'x'; SHOWN_BYTES + 1]), ("x".repeat(SHOWN_BYTES), true));
        assert_eq!(excerpt(&[b'\n'; SHOWN_LINES]), ("\n".repeat(SHOWN_LINES - 1), false));
        assert_eq!(excerpt(&[b'\n'; SHOWN_LINES + 1]), ("\n".repeat(SHOWN_LINES - 1), true));
        assert_eq!(excerpt(b"\xff\0"), ("\u{fffd}\0".into(), false), "`on_stderr` escapes");
    }
}
