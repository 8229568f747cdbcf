//! The chat alone.

use std::process::ExitCode;

use sansws_examples::options::{Options, Program};
use sansws_examples::serve::serve;
use sansws_examples::site::Site;

fn main() -> ExitCode {
    Options::parse(Program::Chat).run(|options| serve(options, Site::chat))
}
