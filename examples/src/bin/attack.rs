//! Attacks a demo, which it starts itself, and says how the demo bore it.

use std::process::ExitCode;

fn main() -> ExitCode {
    sansws_examples::attack::run()
}
