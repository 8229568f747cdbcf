//! The command line of the servers.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::Arg::{Long, Short};
use lexopt::ValueExt;
use sansws_mio::OriginPolicy;

use crate::ticker::feed::Feed;
use crate::ticker::market::Market;
use crate::ticker::replay::Replay;

const DEFAULT_PORT: u16 = 8080;

/// Which of the three servers this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Everything.
    Demo,
    /// The chat alone.
    Chat,
    /// The ticker alone.
    Ticker,
}

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where to listen. The first address has to be had; of the others, those that this machine has.
    pub bind: Vec<SocketAddr>,
    /// Which pages may connect.
    pub origin: OriginPolicy,
    /// Where to serve the metrics. Nowhere by default.
    pub metrics: Vec<SocketAddr>,
    /// Whether to log connections.
    pub verbose: bool,
    /// Whether to speak TLS.
    pub tls: Option<Tls>,
    seed: u64,
    replay: Option<PathBuf>,
}

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// From PEM files.
    Files {
        /// The certificate and its chain.
        certificates: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// It is made at the start, for trying out.
    SelfSigned,
}

/// The outcome of reading a command line.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Serve.
    Run(Options),
    /// Print this and be done: help or version.
    Print(String),
    /// Print this to stderr and fail.
    Fail(String),
}

impl Options {
    /// Reads the command line of this process.
    pub fn parse(program: Program) -> Parsed {
        Self::parse_from(program, std::env::args_os().skip(1))
    }

    /// Reads a command line, without the name of the program.
    pub fn parse_from(program: Program, args: impl IntoIterator<Item = OsString>) -> Parsed {
        match try_parse(program, lexopt::Parser::from_args(args)) {
            Ok(parsed) => parsed,
            Err(error) => Parsed::Fail(format!("{error} (--help tells what there is)")),
        }
    }

    /// The feed that was asked for.
    ///
    /// # Errors
    ///
    /// What is wrong with the file to be replayed.
    pub fn feed(&self) -> Result<Feed, String> {
        Ok(match &self.replay {
            Some(path) => Feed::Replay(Replay::open_file(path)?),
            None => Feed::Market(Box::new(Market::new(self.seed))),
        })
    }
}

impl Parsed {
    /// Runs a program with the options. Help goes to stdout; an error is one line on stderr and exit code 1.
    pub fn run(self, program: impl FnOnce(&Options) -> Result<(), String>) -> ExitCode {
        let result = match self {
            Self::Run(options) => program(&options),
            Self::Print(text) => {
                let _ = io::stdout().write_all(text.as_bytes());
                Ok(())
            }
            Self::Fail(error) => Err(error),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(io::stderr(), "error: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

impl Program {
    const fn name(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Chat => "chat",
            Self::Ticker => "ticker",
        }
    }

    const fn has_ticker(self) -> bool {
        matches!(self, Self::Demo | Self::Ticker)
    }

    fn help(self) -> String {
        let about = match self {
            Self::Demo => "A WebSocket chat and a live stock ticker, in the browser.",
            Self::Chat => "A WebSocket chat, in the browser.",
            Self::Ticker => "A live stock ticker over WebSocket, in the browser.",
        };
        let mut help = format!(
            "{about}\n\nUsage: {} [OPTIONS]\n\nOptions:\n  \
             --bind ADDR          listen on ADDR (HOST:PORT, or PORT on loopback) instead of port {DEFAULT_PORT} on\n                       \
             127.0.0.1 and [::1]; repeatable\n  \
             --allow-origin URL   let pages of this origin connect too, such as https://example.com or\n                       \
             https://*.example.com; repeatable, * for all\n  \
             --tls-cert FILE.pem  serve https: and wss: with this certificate and its chain; SIGHUP reads it again\n  \
             --tls-key FILE.pem   the private key of the certificate\n  \
             --tls-self-signed    the same with a certificate made at the start, for trying out\n",
            self.name()
        );
        if self.has_ticker() {
            help += "  --seed N             the simulated market does the same for the same N (default 0)\n  \
                 --replay FILE.csv    quotes from a file of lines seconds,symbol,price,volume\n";
        }
        help += "  --metrics ADDR       serve metrics for Prometheus at http://ADDR/metrics (HOST:PORT, or PORT on\n                       \
             loopback), without TLS and password; off by default\n  \
             -v, --verbose        log connections to stderr\n  -h, --help           print this\n  \
             -V, --version        print the version\n";
        help
    }
}

fn try_parse(program: Program, mut parser: lexopt::Parser) -> Result<Parsed, lexopt::Error> {
    let mut bind = Vec::new();
    let mut origins = Vec::new();
    let mut metrics = Vec::new();
    let (mut verbose, mut seed, mut replay) = (false, 0, None);
    let (mut certificates, mut key, mut self_signed) = (None, None, false);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("bind") => bind.extend(addresses("--bind", &parser.value()?.string()?)?),
            Long("metrics") => metrics.extend(addresses("--metrics", &parser.value()?.string()?)?),
            Long("allow-origin") => origins.push(parser.value()?.string()?),
            Long("tls-cert") => certificates = Some(parser.value()?.into()),
            Long("tls-key") => key = Some(parser.value()?.into()),
            Long("tls-self-signed") => self_signed = true,
            Long("seed") if program.has_ticker() => seed = parser.value()?.parse()?,
            Long("replay") if program.has_ticker() => replay = Some(parser.value()?.into()),
            Short('v') | Long("verbose") => verbose = true,
            Short('h') | Long("help") => return Ok(Parsed::Print(program.help())),
            Short('V') | Long("version") => {
                return Ok(Parsed::Print(format!("{} {}\n", program.name(), env!("CARGO_PKG_VERSION"))));
            }
            other => return Err(other.unexpected()),
        }
    }
    if bind.is_empty() {
        bind = loopback(DEFAULT_PORT).into();
    }
    let origin = if origins.iter().any(|origin| origin == "*") {
        OriginPolicy::Any
    } else if origins.is_empty() {
        OriginPolicy::SameOrigin
    } else {
        OriginPolicy::List(origins)
    };
    origin.check().map_err(|error| format!("--allow-origin: {error}"))?;
    let tls = tls(certificates, key, self_signed)?;
    Ok(Parsed::Run(Options { bind, origin, metrics, verbose, tls, seed, replay }))
}

fn tls(
    certificates: Option<PathBuf>,
    key: Option<PathBuf>,
    self_signed: bool,
) -> Result<Option<Tls>, &'static str> {
    match (certificates, key, self_signed) {
        (None, None, false) => Ok(None),
        (None, None, true) => Ok(Some(Tls::SelfSigned)),
        (Some(certificates), Some(key), false) => Ok(Some(Tls::Files { certificates, key })),
        (_, _, true) => {
            Err("--tls-self-signed makes its own certificate: no --tls-cert and --tls-key with it")
        }
        (Some(_), None, false) => Err("--tls-cert needs --tls-key"),
        (None, Some(_), false) => Err("--tls-key needs --tls-cert"),
    }
}

fn addresses(option: &str, text: &str) -> Result<Vec<SocketAddr>, String> {
    if let Ok(port) = text.trim_start_matches(':').parse() {
        return Ok(loopback(port).into());
    }
    let found = text
        .to_socket_addrs()
        .map_err(|error| format!("{option} {text}: {error} (HOST:PORT or PORT is expected)"))?;
    Ok(found.collect())
}

fn loopback(port: u16) -> [SocketAddr; 2] {
    [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].map(|ip| SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(program: Program, args: &[&str]) -> Parsed {
        Options::parse_from(program, args.iter().map(OsString::from))
    }

    fn options(args: &[&str]) -> Options {
        match parse(Program::Demo, args) {
            Parsed::Run(options) => options,
            other => panic!("{args:?}: {other:?}"),
        }
    }

    #[test]
    fn the_default_is_port_8080_on_both_loopback_addresses() {
        let options = options(&[]);
        assert_eq!(options.bind, ["127.0.0.1:8080".parse().unwrap(), "[::1]:8080".parse().unwrap()]);
        assert_eq!(options.origin, OriginPolicy::SameOrigin);
    }

    #[test]
    fn addresses_are_hosts_with_ports_or_ports_alone() {
        assert_eq!(options(&["--bind", "0.0.0.0:9000"]).bind, ["0.0.0.0:9000".parse().unwrap()]);
        assert_eq!(options(&["--bind=9000"]).bind, loopback(9000));
        assert_eq!(options(&["--bind", ":9000"]).bind, loopback(9000));
        assert_eq!(options(&["--bind", "[::1]:1", "--bind", "127.0.0.1:2"]).bind.len(), 2);
    }

    #[test]
    fn metrics_are_served_only_where_they_are_asked_for() {
        assert_eq!(options(&[]).metrics, []);
        assert_eq!(options(&["--metrics", "9100"]).metrics, loopback(9100));
        assert_eq!(options(&["--metrics", "10.0.0.1:9100"]).metrics, ["10.0.0.1:9100".parse().unwrap()]);
    }

    #[test]
    fn origins_widen_the_policy() {
        let list =
            options(&["--allow-origin", "https://a.example", "--allow-origin", "http://b.example:81/"])
                .origin;
        assert_eq!(list, OriginPolicy::List(vec!["https://a.example".into(), "http://b.example:81/".into()]));
        assert_eq!(options(&["--allow-origin", "*"]).origin, OriginPolicy::Any);
    }

    #[test]
    fn tls_has_a_certificate_and_a_key_or_makes_both() {
        assert_eq!(options(&[]).tls, None);
        assert_eq!(options(&["--tls-self-signed"]).tls, Some(Tls::SelfSigned));
        let files = Tls::Files { certificates: "a.pem".into(), key: "b.pem".into() };
        assert_eq!(options(&["--tls-key", "b.pem", "--tls-cert=a.pem"]).tls, Some(files));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (args, expected) in [
            (&["--nonsense"][..], "--nonsense"),
            (&["extra"], "extra"),
            (&["--bind"], "--bind"),
            (&["--bind", "nowhere"], "--bind nowhere"),
            (&["--bind", "127.0.0.1:99999"], "--bind 127.0.0.1:99999"),
            (&["--metrics"], "--metrics"),
            (&["--metrics", "nowhere"], "--metrics nowhere"),
            (&["--allow-origin", "example.com"], "scheme://host"),
            (&["--allow-origin", "https://a/b"], "scheme://host"),
            (&["--allow-origin", "https://*.com"], "--allow-origin: \"https://*.com\""),
            (&["--seed", "x"], "\"x\""),
            (&["--tls-cert", "a.pem"], "--tls-key"),
            (&["--tls-key", "a.pem"], "--tls-cert"),
            (&["--tls-self-signed", "--tls-key", "a.pem"], "--tls-self-signed"),
        ] {
            let Parsed::Fail(error) = parse(Program::Demo, args) else { panic!("{args:?}") };
            assert!(error.contains(expected), "{args:?}: {error}");
            assert!(!error.contains('\n'));
        }
        assert!(matches!(parse(Program::Chat, &["--seed", "1"]), Parsed::Fail(_)));
    }

    #[test]
    fn help_names_every_option_and_no_other() {
        let Parsed::Print(help) = parse(Program::Demo, &["--help"]) else { panic!() };
        for option in [
            "--bind",
            "--allow-origin",
            "--metrics",
            "--seed",
            "--replay",
            "--verbose",
            "--help",
            "--version",
        ] {
            assert!(help.contains(option), "{option}");
        }
        for option in ["--tls-cert", "--tls-key", "--tls-self-signed"] {
            assert!(help.contains(option), "{option}");
        }
        let Parsed::Print(help) = parse(Program::Chat, &["-h"]) else { panic!() };
        assert!(!help.contains("--seed"));
    }
}
