//! A WebSocket client for the command line.

use std::process::ExitCode;

use sansws_examples::wsc;

fn main() -> ExitCode {
    wsc::options::Options::parse().run(wsc::run)
}
