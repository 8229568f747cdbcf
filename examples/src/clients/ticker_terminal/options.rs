//! The command line of `ticker-client`.

use std::ffi::OsString;

use lexopt::Arg::{Long, Short, Value};
use lexopt::ValueExt;

use crate::clients::command_line::{Parsed, set_url};
use crate::clients::connecting::Connecting;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    pub(super) url: String,
    pub(super) symbols: Vec<String>,
    pub(super) json: bool,
    pub(super) count: Option<u64>,
    pub(super) connecting: Connecting,
}

const DEFAULT_SYMBOLS: &str = "AAPL,GOOGL,MSFT,TSLA,AMZN";

const HELP: &str = "\
Live quotes: a table in a terminal, a line for each quote in a pipe.

Usage: ticker-client [OPTIONS] URL

URL: such as ws://localhost:8080/stocks

      --symbols A,B  which ones (default AAPL,GOOGL,MSFT,TSLA,AMZN)
      --json         print each quote, and what happens to the connection, as one line of JSON
      --count N      end after N quotes
      --retries N    give up after N consecutive failures (default: never; a refusal such as 401 or 404, or a
                     certificate that is not accepted, is always the end)
      --ca FILE      trust these certificates (PEM) as well, for wss://
      --proxy URL    through an HTTP proxy; env takes it from the environment
  -h, --help         print this
  -V, --version      print the version

Ctrl-C closes the connection. Any end of it but that, and a close by the server with 1000, is followed by a new one.

Exit codes: 0 closed by this side, or by the server with 1000; 1 wrong usage, never connected; 2 the connection was lost
and not made again.
";

impl Options {
    /// Reads the command line of this process.
    pub fn parse() -> Parsed<Self> {
        Self::parse_from(std::env::args_os().skip(1))
    }

    fn parse_from(args: impl IntoIterator<Item = OsString>) -> Parsed<Self> {
        Parsed::new("ticker-client", try_parse(lexopt::Parser::from_args(args)))
    }
}

fn try_parse(mut parser: lexopt::Parser) -> Result<Parsed<Options>, lexopt::Error> {
    let (mut url, mut list, mut json, mut count) = (None, DEFAULT_SYMBOLS.into(), false, None);
    let mut connecting = Connecting::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Value(value) => set_url(&mut url, value.string()?)?,
            Long("symbols") => list = parser.value()?.string()?,
            Long("json") => json = true,
            Long("count") => count = Some(self::count(&parser.value()?.string()?)?),
            Long("retries") => connecting.retries = Some(parser.value()?.parse()?),
            Long("ca") => connecting.ca = Some(parser.value()?.into()),
            Long("proxy") => connecting.proxy = Some(parser.value()?.string()?),
            Short('h') | Long("help") => return Ok(Parsed::Print(HELP.into())),
            Short('V') | Long("version") => {
                return Ok(Parsed::Print(format!("ticker-client {}\n", env!("CARGO_PKG_VERSION"))));
            }
            other => return Err(other.unexpected()),
        }
    }
    let url = url.ok_or("a URL is missing, such as ws://localhost:8080/stocks")?;
    Ok(Parsed::Run(Options { url, symbols: symbols(&list)?, json, count, connecting }))
}

fn count(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(count @ 1..) => Ok(count),
        _ => Err(format!("--count {text}: a number from 1 on is expected")),
    }
}

/// Each once, in the order in which they were named.
fn symbols(list: &str) -> Result<Vec<String>, String> {
    let mut symbols: Vec<String> = Vec::new();
    for symbol in list.split(',').map(|symbol| symbol.trim().to_uppercase()) {
        if symbol.is_empty() {
            return Err(format!("--symbols {list}: a list such as AAPL,TSLA is expected"));
        }
        if !symbols.contains(&symbol) {
            symbols.push(symbol);
        }
    }
    Ok(symbols)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Parsed<Options> {
        Options::parse_from(args.iter().map(OsString::from))
    }

    #[test]
    fn symbols_are_a_list() {
        let Parsed::Run(options) = parse(&["ws://a", "--symbols", "tsla, AAPL,TSLA", "--count", "3"]) else {
            panic!()
        };
        assert_eq!((options.symbols, options.count), (vec!["TSLA".into(), "AAPL".into()], Some(3)));
    }

    #[test]
    fn what_is_wrong_is_said_in_a_line() {
        for (args, expected) in [
            (&[][..], "a URL is missing"),
            (&["ws://a", "--symbols", "A,,B"], "--symbols A,,B"),
            (&["ws://a", "--count", "0"], "from 1 on"),
            (&["ws://a", "--count", "-1"], "from 1 on"),
            (&["ftp://a"], "ws://"),
        ] {
            let Parsed::Fail(error) = parse(args) else { panic!("{args:?}") };
            assert!(error.contains(expected) && !error.contains('\n'), "{args:?}: {error}");
        }
    }
}
