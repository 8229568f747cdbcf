//! The chat in a terminal.

use std::process::ExitCode;

use sansws_examples::clients::chat_terminal::{Options, run};

fn main() -> ExitCode {
    Options::parse().run(run)
}
