//! The command line of `chat-client`.

use std::ffi::OsString;

use lexopt::Arg::{Long, Short, Value};
use lexopt::ValueExt;

use crate::clients::command_line::{Parsed, set_url};
use crate::clients::connecting::Connecting;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    pub(super) url: String,
    pub(super) name: String,
    pub(super) room: Option<String>,
    pub(super) json: bool,
    pub(super) connecting: Connecting,
}

const HELP: &str = "\
A chat in the terminal. Lines that are typed are said; everything said is printed.

Usage: chat-client --name NAME [OPTIONS] URL

URL: such as ws://localhost:8080/chat

      --name NAME   who you are
      --room ROOM   enter this room and speak there, rather than in the lobby
      --json        print each event as one line of JSON
      --retries N   give up after N consecutive failures (default: never; a refusal such as 401 or 404, or a certificate
                    that is not accepted, is always the end)
      --ca FILE     trust these certificates (PEM) as well, for wss://
      --proxy URL   through an HTTP proxy; env takes it from the environment
  -h, --help        print this
  -V, --version     print the version

Typed: /join ROOM, /leave [ROOM], /room [ROOM] to speak elsewhere, /who [ROOM], /rooms, /quit; // for a message that
begins with /. The end of stdin leaves once everything has been said, or nothing more of it has been for 5 s; Ctrl-C
leaves. Any end of the connection but a close by the server with 1000 is followed by a new one.

Exit codes: 0 left, or closed by the server with 1000; 1 wrong usage, never connected; 2 the connection was lost and not
made again; 3 something was not sent.
";

impl Options {
    /// Reads the command line of this process.
    pub fn parse() -> Parsed<Self> {
        Self::parse_from(std::env::args_os().skip(1))
    }

    fn parse_from(args: impl IntoIterator<Item = OsString>) -> Parsed<Self> {
        Parsed::new("chat-client", try_parse(lexopt::Parser::from_args(args)))
    }
}

fn try_parse(mut parser: lexopt::Parser) -> Result<Parsed<Options>, lexopt::Error> {
    let (mut url, mut name, mut room, mut json) = (None, None, None, false);
    let mut connecting = Connecting::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Value(value) => set_url(&mut url, value.string()?)?,
            Long("name") => name = Some(not_empty("--name", parser.value()?.string()?)?),
            Long("room") => room = Some(not_empty("--room", parser.value()?.string()?)?),
            Long("json") => json = true,
            Long("retries") => connecting.retries = Some(parser.value()?.parse()?),
            Long("ca") => connecting.ca = Some(parser.value()?.into()),
            Long("proxy") => connecting.proxy = Some(parser.value()?.string()?),
            Short('h') | Long("help") => return Ok(Parsed::Print(HELP.into())),
            Short('V') | Long("version") => {
                return Ok(Parsed::Print(format!("chat-client {}\n", env!("CARGO_PKG_VERSION"))));
            }
            other => return Err(other.unexpected()),
        }
    }
    let url = url.ok_or("a URL is missing, such as ws://localhost:8080/chat")?;
    let name = name.ok_or("--name is missing")?;
    Ok(Parsed::Run(Options { url, name, room, json, connecting }))
}

fn not_empty(option: &str, value: String) -> Result<String, String> {
    if value.trim().is_empty() { Err(format!("{option} is empty")) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Parsed<Options> {
        Options::parse_from(args.iter().map(OsString::from))
    }

    #[test]
    fn a_name_and_a_url_are_enough() {
        let expected = Options {
            url: "ws://a".into(),
            name: "ann".into(),
            room: None,
            json: false,
            connecting: Connecting::default(),
        };
        assert_eq!(parse(&["--name", "ann", "ws://a"]), Parsed::Run(expected));
    }

    #[test]
    fn what_is_wrong_is_said_in_a_line() {
        for (args, expected) in [
            (&["ws://a"][..], "--name is missing"),
            (&["--name", "ann"], "a URL is missing"),
            (&["--name", " ", "ws://a"], "--name is empty"),
            (&["--name", "ann", "http://a"], "ws://"),
            (&["--nonsense"], "--nonsense"),
            (&["--retries", "x"], "\"x\""),
        ] {
            let Parsed::Fail(error) = parse(args) else { panic!("{args:?}") };
            assert!(error.contains(expected) && !error.contains('\n'), "{args:?}: {error}");
        }
    }
}
