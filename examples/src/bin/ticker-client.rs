//! Live quotes in a terminal.

use std::process::ExitCode;

use sansws_examples::clients::ticker_terminal::{Options, run};

fn main() -> ExitCode {
    Options::parse().run(run)
}
