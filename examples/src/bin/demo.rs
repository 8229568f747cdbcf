//! Everything on one port: the chat, the ticker, `/api` and `/echo`.

use std::process::ExitCode;

use sansws_examples::options::{Options, Program};
use sansws_examples::serve::serve;
use sansws_examples::site::Site;
use sansws_examples::ticker::Ticker;

fn main() -> ExitCode {
    Options::parse(Program::Demo).run(|options| {
        let feed = options.feed()?;
        serve(options, move || Site::demo(Ticker::new(feed)))
    })
}
