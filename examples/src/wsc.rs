//! `wsc`, a WebSocket client for the command line: what is typed goes out, what comes in is printed.

pub mod connection;
mod dial;
pub mod display;
pub mod input;
pub mod listen;
pub mod options;
mod output;

use std::process::ExitCode;

use options::{Mode, Options};

/// Runs the program.
///
/// # Errors
///
/// What kept it from beginning: a file that cannot be read, an address in use.
pub fn run(options: Options) -> Result<ExitCode, String> {
    match options.mode.clone() {
        Mode::Connect(url) => connection::run(options, &url),
        Mode::Listen { addr, echo } => listen::run(options, addr, echo),
    }
}
