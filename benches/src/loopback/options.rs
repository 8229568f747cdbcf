//! The command-line options of the benches over loopback.

use std::time::Duration;

use super::Result;
use super::contenders::Contender;
use super::servers::{self, SERVE};

const HELP: &str = "\
Options:
  --quick                  once and briefly, to see that it works; nothing is saved
  --rounds N               rounds, in each of which all contenders take their turns (default 7)
  --only TEXT              only contenders whose names contain TEXT, beside the first; may be repeated; nothing is saved
  --external NAME=COMMAND  a further server, which prints its address like ws://127.0.0.1:8080; may be repeated
  --help                   this";

/// The command line of a bench.
#[derive(Debug, Clone)]
pub struct Options {
    /// To see that it works.
    pub quick: bool,
    /// How often all contenders are measured.
    pub rounds: usize,
    arguments: Vec<String>,
    only: Vec<String>,
    external: Vec<Contender>,
}

impl Options {
    /// Reads the command line of a bench; `None` if nothing is left to do, for this was the process of a server.
    ///
    /// # Errors
    ///
    /// If an argument is wrong, or the server fails.
    pub fn read(about: &str) -> Result<Option<Self>> {
        let mut args = std::env::args_os();
        if args.nth(1).is_some_and(|arg| arg == SERVE) {
            // It must not outlive the bench, however that ends.
            let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
            servers::from_command_line(lexopt::Parser::from_args(args))?;
            return Ok(None);
        }
        super::process::raise_descriptors();
        Self::parse(std::env::args().skip(1).collect(), about)
    }

    fn parse(arguments: Vec<String>, about: &str) -> Result<Option<Self>> {
        use lexopt::prelude::*;

        let mut args = lexopt::Parser::from_args(&arguments);
        let (only, external) = (Vec::new(), Vec::new());
        let mut options = Self { quick: false, rounds: 7, arguments: arguments.clone(), only, external };
        while let Some(arg) = args.next()? {
            match arg {
                Long("quick") => (options.quick, options.rounds) = (true, 1),
                Long("rounds") => options.rounds = args.value()?.parse::<usize>()?.max(1),
                Long("only") => options.only.push(args.value()?.string()?),
                Long("external") => {
                    let value = args.value()?.string()?;
                    let (name, command) = value.split_once('=').ok_or("--external needs NAME=COMMAND")?;
                    options.external.push(Contender::external(name, command));
                }
                Long("help") => {
                    println!("{about}\n\n{HELP}");
                    return Ok(None);
                }
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(Some(options))
    }

    /// Those of them that are wanted, and the external ones. The first always is: the others are compared with it.
    pub fn contenders(&self, mut all: Vec<Contender>) -> Vec<Contender> {
        all.extend(self.external.iter().cloned());
        let mut is_first = true;
        all.retain(|contender| {
            std::mem::take(&mut is_first)
                || self.only.is_empty()
                || self.only.iter().any(|text| contender.name.contains(&**text))
        });
        all
    }

    /// The time that a contender works in a round.
    pub fn time(&self) -> Duration {
        Duration::from_millis(if self.quick { 40 } else { 500 })
    }

    /// Whether the figures are those of all contenders, measured as they should be.
    pub fn is_complete(&self) -> bool {
        !self.quick && self.only.is_empty()
    }

    /// The command that does what this one does.
    pub fn command(&self, bench: &str) -> String {
        let peers = if cfg!(feature = "peers") { " --features peers" } else { "" };
        let mut command =
            format!("cargo run --release --manifest-path benches/Cargo.toml{peers} --bin {bench}");
        for (i, argument) in self.arguments.iter().enumerate() {
            command.push_str(if i == 0 { " -- " } else { " " });
            let quote = if argument.contains(' ') { "'" } else { "" };
            command.extend([quote, argument, quote]);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(args: &[&str]) -> Options {
        Options::parse(args.iter().map(|&arg| arg.to_owned()).collect(), "")
            .expect("right")
            .expect("not help")
    }

    #[test]
    fn the_first_contender_always_stays() {
        let all =
            || vec![Contender::own("raw", "raw"), Contender::own("a 1", "a"), Contender::own("b 2", "b")];
        let names = |options: &Options| -> Vec<String> {
            options.contenders(all()).into_iter().map(|contender| contender.name).collect()
        };
        assert_eq!(names(&options(&[])), ["raw", "a 1", "b 2"]);
        assert_eq!(names(&options(&["--only", "b"])), ["raw", "b 2"]);
        assert_eq!(names(&options(&["--external", "uWS=./uws --port=0", "--only", "uWS"])), ["raw", "uWS"]);
    }

    #[test]
    fn the_command_is_the_one_that_was_given() {
        assert!(options(&["--quick"]).command("echo").ends_with("--bin echo -- --quick"));
        assert!(options(&["--rounds", "3"]).command("echo").ends_with("--bin echo -- --rounds 3"));
        assert!(options(&["--external", "a=b --c"]).command("echo").ends_with("--external 'a=b --c'"));
        assert!(options(&[]).command("echo").ends_with("--bin echo"));
    }
}
