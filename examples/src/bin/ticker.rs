//! The ticker alone.

use std::process::ExitCode;

use sansws_examples::options::{Options, Program};
use sansws_examples::serve::serve;
use sansws_examples::site::Site;
use sansws_examples::ticker::Ticker;

fn main() -> ExitCode {
    Options::parse(Program::Ticker).run(|options| {
        let feed = options.feed()?;
        serve(options, move || Site::ticker(Ticker::new(feed)))
    })
}
