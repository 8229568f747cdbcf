//! `ticker-client`: live quotes in a terminal, or in a pipe.

mod options;
mod table;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::command_line::{EXIT_ABNORMAL, EXIT_FAILURE};
use super::connecting::without_password;
use super::line_editor::size;
use super::live_data_client::{LiveDataClient, LiveState, Quote};
use super::signals::on_interrupt;
use super::terminal::printable;
pub use options::Options;
use table::Table;

/// Quotes that have come and are not printed yet; beyond that the connection is not read, and the server conflates.
const MAX_PENDING: usize = 1024;
/// A table is drawn at most this often.
const FRAME: Duration = Duration::from_millis(100);

/// Shows quotes until it is over.
///
/// # Errors
///
/// What kept it from beginning, or no place to print.
pub fn run(options: Options) -> Result<ExitCode, String> {
    let (sender, updates) = sync_channel(MAX_PENDING);
    let from_signal = sender.clone();
    on_interrupt(move || {
        let _ = from_signal.send(Update::Interrupted);
    })
    .map_err(|error| format!("cannot handle signals: {error}"))?;
    let of_state = sender.clone();
    let builder = options.connecting.builder(&options.url)?;
    let client = LiveDataClient::connect_with(builder, move |state| {
        // If it cannot be told, nobody wants to know any more.
        let _ = of_state.send(Update::State(state));
    })
    .map_err(|error| format!("{}: {error}", without_password(&options.url)))?;
    for symbol in &options.symbols {
        let sender: SyncSender<Update> = sender.clone();
        client.subscribe(symbol, move |quote| {
            let _ = sender.send(Update::Quote(quote.clone()));
        });
    }
    let look = match (options.json, io::stdout().is_terminal()) {
        (true, _) => Look::Json,
        (false, true) => Look::Table(Table::new(&options.symbols)),
        (false, false) => Look::Lines,
    };
    let mut ticker = Ticker { client, look, left: options.count, was_connected: false, is_done: false };
    ticker.note(&format!("connecting to {}", without_password(&options.url)));
    ticker.run(&updates).map_err(|error| format!("cannot print: {error}"))
}

enum Update {
    Quote(Quote),
    State(LiveState),
    Interrupted,
}

enum Look {
    Json,
    Lines,
    Table(Table),
}

struct Ticker {
    client: LiveDataClient,
    look: Look,
    /// Quotes to come until it is enough.
    left: Option<u64>,
    was_connected: bool,
    /// Nothing more is to be printed.
    is_done: bool,
}

impl Ticker {
    fn run(&mut self, updates: &Receiver<Update>) -> io::Result<ExitCode> {
        let mut drawn = Instant::now();
        let mut is_stale = true;
        loop {
            let wait = if is_stale { FRAME.saturating_sub(drawn.elapsed()) } else { Duration::MAX };
            match updates.recv_timeout(wait) {
                Ok(update) => {
                    if let Some(code) = self.take(update)? {
                        self.draw()?;
                        return Ok(ExitCode::from(code));
                    }
                    is_stale = true;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(ExitCode::from(EXIT_ABNORMAL)),
            }
            if is_stale && drawn.elapsed() >= FRAME {
                self.draw()?;
                drawn = Instant::now();
                is_stale = false;
            }
        }
    }

    /// Returns the exit code once it is over.
    fn take(&mut self, update: Update) -> io::Result<Option<u8>> {
        match update {
            Update::Quote(quote) if !self.is_done => self.quote(&quote)?,
            Update::Quote(_) => {}
            Update::Interrupted => self.end(),
            Update::State(state) => {
                self.state(&state)?;
                match state {
                    LiveState::Connected { .. } => self.was_connected = true,
                    LiveState::Over { code, was_clean, .. } => {
                        let is_normal = was_clean && matches!(code, 1000 | 1001 | 1005);
                        return Ok(Some(match (self.was_connected, is_normal) {
                            (false, _) => EXIT_FAILURE,
                            (true, false) => EXIT_ABNORMAL,
                            (true, true) => 0,
                        }));
                    }
                    _ => {}
                }
            }
        }
        Ok(None)
    }

    fn quote(&mut self, quote: &Quote) -> io::Result<()> {
        match &mut self.look {
            Look::Json => {
                let Quote { symbol, price, change, volume } = quote;
                json_line(&json!({
                    "type": "quote", "symbol": symbol, "price": price, "change": change, "volume": volume,
                }))?;
            }
            Look::Lines => {
                let Quote { symbol, price, change, volume } = quote;
                line(format!("{symbol} {price:.2} {change:+.2} {}", table::grouped(*volume)))?;
            }
            Look::Table(table) => table.quote(quote),
        }
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.end();
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        self.is_done = true;
        self.client.disconnect();
    }

    fn state(&mut self, state: &LiveState) -> io::Result<()> {
        if let Look::Json = self.look {
            return json_line(&as_json(state));
        }
        if matches!(state, LiveState::Disconnected { code: 1000, .. }) {
            // `Over` follows.
            return Ok(());
        }
        let after = |why: &str| if why.is_empty() { String::new() } else { format!(": {why}") };
        let text = match state {
            LiveState::Connected { attempt: 0 } => "connected".into(),
            LiveState::Connected { attempt } => format!("connected again, at attempt {attempt}"),
            LiveState::Disconnected { code, why, .. } => format!("not connected ({code}{})", after(why)),
            LiveState::Retrying { attempt, delay } => {
                format!("not connected: attempt {attempt} in {:.1} s", delay.as_secs_f64())
            }
            LiveState::Refused(why) => return self.notice(&format!("refused: {why}")),
            LiveState::Unknown(text) => return self.notice(&format!("not understood: {text}")),
            LiveState::Over { code, why, .. } => format!("closed ({code}{})", after(why)),
        };
        self.note(&text);
        Ok(())
    }

    fn notice(&mut self, text: &str) -> io::Result<()> {
        match &mut self.look {
            Look::Table(table) => table.notice(&printable(text).replace(['\n', '\t'], " ")),
            Look::Json | Look::Lines => self.note(text),
        }
        Ok(())
    }

    fn note(&mut self, text: &str) {
        match &mut self.look {
            Look::Json => {}
            Look::Table(table) => table.state(&printable(text).replace(['\n', '\t'], " ")),
            // There is nowhere to say that stderr is gone.
            Look::Lines => drop(writeln!(io::stderr(), "* {}", printable(text))),
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        let Look::Table(table) = &mut self.look else { return Ok(()) };
        let mut out = io::stdout();
        out.write_all(table.draw(size()).as_bytes())?;
        out.flush()
    }
}

/// In a terminal it may differ from what the server said: JSON does not escape everything that a terminal obeys.
fn json_line(value: &Value) -> io::Result<()> {
    let text = value.to_string();
    line(if io::stdout().is_terminal() { printable(&text) } else { text.into() })
}

fn line(text: impl std::fmt::Display) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{text}")?;
    out.flush()
}

fn as_json(state: &LiveState) -> Value {
    match state {
        LiveState::Connected { attempt } => json!({ "type": "connected", "attempt": attempt }),
        LiveState::Disconnected { code, why, reason } => {
            json!({ "type": "disconnected", "code": code, "why": why, "reason": reason })
        }
        LiveState::Retrying { attempt, delay } => {
            json!({ "type": "retrying", "attempt": attempt, "delay_ms": delay.as_millis() as u64 })
        }
        LiveState::Refused(message) => json!({ "type": "error", "message": message }),
        LiveState::Unknown(text) => json!({ "type": "unknown", "text": text }),
        LiveState::Over { code, was_clean, why, reason } => {
            json!({ "type": "closed", "code": code, "was_clean": was_clean, "why": why, "reason": reason })
        }
    }
}
