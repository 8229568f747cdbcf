//! The command line of `attack`.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::Arg::{Long, Short};
use lexopt::ValueExt;

use super::ATTACKS;
use crate::clients::command_line::Parsed;

const HELP: &str = "\
Attacks a demo, which it starts itself on a port of its own, and says how the demo bore it.

Usage: attack [OPTIONS]

While each attack runs, well-behaved clients have to be served, none after more than 5 s, and the memory of the demo, what
it has touched and what it has allocated, has to stay under a bound: that of the attack, and 64 MiB whatever happens. After
it, the demo must have no connection more than before, and no more memory than 32 MiB above what it started with. One line
for each attack. Linux only, loopback only.

Options:
  --demo PATH   the program to attack (default: demo, beside this one)
  --only NAME   this attack alone; repeatable
  --list        print the attacks, and how much memory is allowed to each
  --quick       a tenth of everything, below a minute
  --report FILE write the result as Markdown, too; that of a full run is conformance/ATTACKS.md
  -h, --help    print this
  -V, --version print the version

Exit code: 0 if the demo bore everything, 1 if not.
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// Beside this program, if it is not said.
    pub(super) demo: Option<PathBuf>,
    /// All, if it is empty.
    pub(super) only: Vec<&'static str>,
    pub(super) quick: bool,
    /// The file to write.
    pub(super) report: Option<PathBuf>,
}

pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Parsed<Options> {
    Parsed::new("attack", try_parse(lexopt::Parser::from_args(args)))
}

fn try_parse(mut parser: lexopt::Parser) -> Result<Parsed<Options>, lexopt::Error> {
    let mut options = Options { demo: None, only: Vec::new(), quick: false, report: None };
    while let Some(arg) = parser.next()? {
        match arg {
            Long("demo") => options.demo = Some(parser.value()?.into()),
            Long("only") => options.only.push(named(&parser.value()?.string()?)?),
            Long("quick") => options.quick = true,
            Long("report") => options.report = Some(parser.value()?.into()),
            Long("list") => return Ok(Parsed::Print(list())),
            Short('h') | Long("help") => return Ok(Parsed::Print(HELP.into())),
            Short('V') | Long("version") => {
                return Ok(Parsed::Print(format!("attack {}\n", env!("CARGO_PKG_VERSION"))));
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Parsed::Run(options))
}

fn named(name: &str) -> Result<&'static str, String> {
    let attack = ATTACKS.iter().find(|attack| attack.name == name);
    attack
        .map(|attack| attack.name)
        .ok_or_else(|| format!("--only {name}: there is no such attack (--list tells what there is)"))
}

fn list() -> String {
    let line = |attack: &super::Attack| format!("{:<16} {}\n", attack.name, attack.about) + &memory(attack);
    ATTACKS.iter().map(line).collect()
}

fn memory(attack: &super::Attack) -> String {
    format!("{:<16} {} MiB allowed: {}\n", "", attack.allowed_mib, attack.why)
}

#[cfg(test)]
mod tests {
    use super::super::scene::{MOST_EVER, MOST_KEPT};
    use super::super::well_behaved::MOST_TO_WAIT;
    use super::*;

    fn parse(args: &[&str]) -> Parsed<Options> {
        super::parse(args.iter().map(OsString::from))
    }

    #[test]
    fn options() {
        let none = Options { demo: None, only: Vec::new(), quick: false, report: None };
        assert_eq!(parse(&[]), Parsed::Run(none));
        let some = Options {
            demo: Some("d".into()),
            only: vec!["close-codes", "slow-frames"],
            quick: true,
            report: Some("r".into()),
        };
        let args = ["--demo", "d", "--only", "close-codes", "--quick", "--only=slow-frames", "--report", "r"];
        assert_eq!(parse(&args), Parsed::Run(some));
    }

    #[test]
    fn the_bounds_in_the_help_are_those_that_hold() {
        let Parsed::Print(help) = parse(&["--help"]) else { panic!() };
        for bound in [
            format!("none after more than {} s,", MOST_TO_WAIT.as_secs()),
            format!("and {} MiB whatever happens", MOST_EVER >> 20),
            format!("than {} MiB above what it started with", MOST_KEPT >> 20),
        ] {
            assert!(help.contains(&bound), "{bound}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (args, expected) in [
            (&["--only", "nonsense"][..], "--only nonsense"),
            (&["--only"], "--only"),
            (&["--nonsense"], "--nonsense"),
            (&["localhost:80"], "localhost:80"),
        ] {
            let Parsed::Fail(error) = parse(args) else { panic!("{args:?}") };
            assert!(error.contains(expected) && error.contains("--"), "{error}");
        }
    }

    #[test]
    fn the_list_names_every_attack_once() {
        let Parsed::Print(list) = parse(&["--list"]) else { panic!() };
        for attack in &ATTACKS {
            assert_eq!(list.lines().filter(|line| line.split(' ').next() == Some(attack.name)).count(), 1);
            assert!(attack.name.len() <= 16, "{}", attack.name);
        }
    }
}
