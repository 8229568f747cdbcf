//! The command line of `wsc`.

use std::ffi::OsString;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use lexopt::Arg::{Long, Short, Value};
use lexopt::ValueExt;

use crate::clients::command_line::{Parsed, seconds, set_url};

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Client or server.
    pub mode: Mode,
    /// Further headers of the request.
    pub headers: Vec<(String, String)>,
    /// Subprotocols, the best first.
    pub protocols: Vec<String>,
    /// The `Origin` header.
    pub origin: Option<String>,
    /// Certificates that are trusted beside the usual ones, in PEM.
    pub ca: Option<PathBuf>,
    /// By way of an HTTP proxy.
    pub proxy: Option<String>,
    /// Redirects that are followed.
    pub redirects: u8,
    /// Time for each step on the way to an open connection: to connect, and then the opening handshake; anew for each redirect.
    pub connect_timeout: Duration,
    /// How often a Ping is sent.
    pub ping: Option<Duration>,
    /// Whether to connect again.
    pub reconnect: bool,
    /// What stdin is.
    pub stdin: Stdin,
    /// Files to be sent first.
    pub files: Vec<PathBuf>,
    /// Length of the fragments of a file, in bytes.
    pub chunk: Option<usize>,
    /// Where binary messages go.
    pub output: Option<PathBuf>,
    /// Whether to end after the first message.
    pub one: bool,
    /// How long to listen after the end of stdin.
    pub wait: Wait,
    /// Whether to keep stderr for errors.
    pub quiet: bool,
    /// Whether to show frames and headers, and the reason of a Close.
    pub verbose: bool,
}

/// Which end of the connection this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// A client of this URL.
    Connect(String),
    /// A server.
    Listen {
        /// Where.
        addr: SocketAddr,
        /// Whether messages go back to where they came from.
        echo: bool,
    },
}

/// What becomes of stdin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdin {
    /// Each line is a text message.
    Lines,
    /// All of it is one text message.
    Text,
    /// All of it is one binary message, and messages received are written as they are.
    Binary,
}

/// When to close after the end of stdin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Once the server has read everything and has then been silent for so long.
    Silence(Duration),
    /// Never; the server closes, or Ctrl-C.
    Forever,
}

const DEFAULT_WAIT: Duration = Duration::from_millis(500);

const HELP: &str = "\
Connect to a WebSocket: each line of stdin is sent as a text message, each message received is printed as a line.

Usage: wsc [OPTIONS] URL
       wsc [OPTIONS] --listen ADDR

URL: ws://host[:port]/path, wss://…, ws+unix:/path/to/socket:/path

Connecting:
  -H, --header 'NAME: VALUE'  send a header; repeatable
  -p, --protocol NAME         offer a subprotocol; repeatable, best first
  -o, --origin URL            send an Origin, as a browser does
      --proxy URL             through an HTTP proxy: http://[user:password@]host:port; \"env\" takes HTTP_PROXY,
                              HTTPS_PROXY, ALL_PROXY and NO_PROXY from the environment
      --ca FILE               trust these certificates (PEM) as well, for wss://
      --redirects N           follow up to N redirects (default 0)
      --connect-timeout SECS  give up after this time for each step: connecting, and the opening handshake; anew for
                              each redirect (default 10)
      --reconnect             connect again after anything but a close with 1000, or if there is no connection at first;
                              not after a refusal such as 401 or 404, or a certificate that is not accepted
Sending:
      --send-file FILE        send a file as one binary message (text with --text); repeatable. Stdin is then only
                              read if it is a terminal
      --chunk N               send files in fragments of N bytes; of text, 4 at least
      --text                  send stdin as one text message, line ends and all
      --binary                send stdin as one binary message, and write messages received as they are
      --ping SECS             send a Ping this often; no answer within 20 s ends the connection
Receiving:
      --output FILE           write binary messages to FILE, one after the other, in place of what is in it; without any,
                              it is left as it is
      --one                   close after the first message
      --wait SECS             close when stdin has ended, the server has read it all, and nothing has come for this
                              long (default 0.5; 0 closes at once)
  -k, --keep-open             do not close at the end of stdin
  -q, --quiet                 only errors on stderr
  -v, --verbose               show headers, frames, Pings, times and the reason of a Close on stderr: for developers
Serving:
      --listen ADDR           accept connections on ADDR (HOST:PORT, or PORT on loopback): lines go to all clients, as
                              fast as the slowest takes them
      --echo                  send each message back

  -h, --help                  print this
  -V, --version               print the version

Exit codes: 0 closed with 1000, 1001 or no code, or by this side; 1 wrong usage, no connection, no place for the output;
2 the connection broke or was closed with another code; 3 something was not sent. Ctrl-C closes the connection properly,
a second one ends at once.
";

impl Options {
    /// Reads the command line of this process.
    pub fn parse() -> Parsed<Self> {
        Self::parse_from(std::env::args_os().skip(1))
    }

    /// Reads a command line, without the name of the program.
    pub fn parse_from(args: impl IntoIterator<Item = OsString>) -> Parsed<Self> {
        Parsed::new("wsc", try_parse(lexopt::Parser::from_args(args)))
    }

    fn new(mode: Mode) -> Self {
        Self {
            mode,
            headers: Vec::new(),
            protocols: Vec::new(),
            origin: None,
            ca: None,
            proxy: None,
            redirects: 0,
            connect_timeout: Duration::from_secs(10),
            ping: None,
            reconnect: false,
            stdin: Stdin::Lines,
            files: Vec::new(),
            chunk: None,
            output: None,
            one: false,
            wait: Wait::Silence(DEFAULT_WAIT),
            quiet: false,
            verbose: false,
        }
    }
}

fn try_parse(mut parser: lexopt::Parser) -> Result<Parsed<Options>, lexopt::Error> {
    let mut options = Options::new(Mode::Connect(String::new()));
    let (mut url, mut listen, mut echo, mut wait) = (None, None, false, None);
    let mut of_clients = None;
    while let Some(arg) = parser.next()? {
        of_clients = of_clients.or_else(|| of_client(&arg));
        match arg {
            Value(value) => set_url(&mut url, value.string()?)?,
            Short('H') | Long("header") => options.headers.push(header(&parser.value()?.string()?)?),
            Short('p') | Long("protocol") => options.protocols.push(parser.value()?.string()?),
            Short('o') | Long("origin") => options.origin = Some(parser.value()?.string()?),
            Long("proxy") => options.proxy = Some(parser.value()?.string()?),
            Long("ca") => options.ca = Some(parser.value()?.into()),
            Long("redirects") => options.redirects = parser.value()?.parse()?,
            Long("connect-timeout") => {
                options.connect_timeout = positive("--connect-timeout", &parser.value()?.string()?)?;
            }
            Long("reconnect") => options.reconnect = true,
            Long("send-file") => options.files.push(parser.value()?.into()),
            Long("chunk") => options.chunk = Some(chunk(&parser.value()?.string()?)?),
            Long("text") => options.stdin = Stdin::Text,
            Long("binary") => options.stdin = Stdin::Binary,
            Long("ping") => options.ping = Some(positive("--ping", &parser.value()?.string()?)?),
            Long("output") => options.output = Some(parser.value()?.into()),
            Long("one") => options.one = true,
            Long("wait") => wait = Some(Wait::Silence(seconds("--wait", &parser.value()?.string()?)?)),
            Short('k') | Long("keep-open") => wait = Some(Wait::Forever),
            Short('q') | Long("quiet") => options.quiet = true,
            Short('v') | Long("verbose") => options.verbose = true,
            Long("listen") => listen = Some(address(&parser.value()?.string()?)?),
            Long("echo") => echo = true,
            Short('h') | Long("help") => return Ok(Parsed::Print(HELP.into())),
            Short('V') | Long("version") => {
                return Ok(Parsed::Print(format!("wsc {}\n", env!("CARGO_PKG_VERSION"))));
            }
            other => return Err(other.unexpected()),
        }
    }
    // Whoever waits for one message, or serves, does not want to be cut short by the end of stdin.
    options.wait = wait.unwrap_or(if options.one || listen.is_some() { Wait::Forever } else { options.wait });
    options.mode = match (url, listen) {
        (Some(url), None) => Mode::Connect(url),
        (None, Some(addr)) => Mode::Listen { addr, echo },
        (Some(_), Some(_)) => return Err("a URL or --listen is expected, not both".into()),
        (None, None) => return Err("a URL is missing, such as ws://localhost:8080/echo".into()),
    };
    if echo && matches!(options.mode, Mode::Connect(_)) {
        return Err("--echo needs --listen".into());
    }
    if let (Some(option), Mode::Listen { .. }) = (of_clients, &options.mode) {
        return Err(format!("{option} is for clients, not for --listen").into());
    }
    Ok(Parsed::Run(options))
}

/// The option, if it says how a server is reached.
fn of_client(arg: &lexopt::Arg<'_>) -> Option<&'static str> {
    Some(match arg {
        Short('o') | Long("origin") => "--origin",
        Long("proxy") => "--proxy",
        Long("ca") => "--ca",
        Long("redirects") => "--redirects",
        Long("connect-timeout") => "--connect-timeout",
        Long("reconnect") => "--reconnect",
        _ => return None,
    })
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.trim().into())),
        _ => Err(format!("--header {text}: 'NAME: VALUE' is expected")),
    }
}

fn positive(option: &str, value: &str) -> Result<Duration, String> {
    match seconds(option, value)? {
        Duration::ZERO => Err(format!("{option} {value}: more than 0 seconds are expected")),
        duration => Ok(duration),
    }
}

/// The largest fragment that is worth having: more than it is never read of a file at once.
const MAX_CHUNK: usize = 16 << 20;

fn chunk(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(len @ 1..=MAX_CHUNK) => Ok(len),
        _ => Err(format!("--chunk {text}: 1 to {MAX_CHUNK} bytes are expected")),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.trim_start_matches(':').parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let wrong = |why: String| format!("--listen {text}: {why} (HOST:PORT or PORT is expected)");
    let mut found = text.to_socket_addrs().map_err(|error| wrong(error.to_string()))?;
    found.next().ok_or_else(|| wrong("no address".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Parsed<Options> {
        Options::parse_from(args.iter().map(OsString::from))
    }

    fn options(args: &[&str]) -> Options {
        match parse(args) {
            Parsed::Run(options) => options,
            other => panic!("{args:?}: {other:?}"),
        }
    }

    #[test]
    fn a_url_is_enough() {
        assert_eq!(options(&["ws://a/b"]), Options::new(Mode::Connect("ws://a/b".into())));
    }

    #[test]
    fn options_are_read_wherever_they_stand() {
        let options = options(&[
            "-H",
            "X-A: 1",
            "ws://a",
            "--header=Cookie:b=c",
            "-p",
            "x",
            "--protocol",
            "y",
            "--ping",
            "0.5",
            "-v",
            "--send-file",
            "f",
            "--chunk",
            "1000",
            "--one",
        ]);
        assert_eq!(options.headers, [("X-A".into(), "1".into()), ("Cookie".into(), "b=c".into())]);
        assert_eq!(options.protocols, ["x", "y"]);
        assert_eq!(options.ping, Some(Duration::from_millis(500)));
        assert_eq!((options.chunk, options.verbose, options.one), (Some(1000), true, true));
        assert_eq!(options.wait, Wait::Forever, "--one waits for its message");
        assert_eq!(options.files, [PathBuf::from("f")]);
    }

    #[test]
    fn a_server_listens_on_loopback_unless_told_otherwise() {
        let mode = |addr: &str| options(&["--listen", addr]).mode;
        assert_eq!(mode("9000"), Mode::Listen { addr: "127.0.0.1:9000".parse().unwrap(), echo: false });
        assert_eq!(mode("0.0.0.0:1"), Mode::Listen { addr: "0.0.0.0:1".parse().unwrap(), echo: false });
    }

    #[test]
    fn what_is_wrong_is_said_in_a_line() {
        for (args, expected) in [
            (&[][..], "a URL is missing"),
            (&["--frobnicate"], "--frobnicate"),
            (&["ws://a", "ws://b"], "one URL"),
            (&["a"], "ws://localhost"),
            (&["a\nb"], "ws://localhost"),
            (&["ws://a", "-H", "nonsense"], "'NAME: VALUE'"),
            (&["ws://a", "--ping", "0"], "more than 0"),
            (&["ws://a", "--chunk", "0"], "--chunk 0"),
            (&["ws://a", "--echo"], "--listen"),
            (&["ws://a", "--listen", "1"], "not both"),
            (&["--listen", "1", "--reconnect"], "--reconnect is for clients"),
            (&["-o", "http://a", "--listen", "1"], "--origin is for clients"),
            (&["--listen", "1", "--proxy", "env"], "--proxy is for clients"),
            (&["--listen", "1", "--ca", "f"], "--ca is for clients"),
            (&["--listen", "1", "--redirects", "0"], "--redirects is for clients"),
            (&["--listen", "1", "--connect-timeout", "1"], "--connect-timeout is for clients"),
            (&["--listen", "nowhere"], "--listen nowhere"),
            (&["ws://a", "--redirects", "many"], "many"),
        ] {
            let Parsed::Fail(error) = parse(args) else { panic!("{args:?}") };
            assert!(error.contains(expected), "{args:?}: {error}");
            assert!(!error.contains('\n'));
        }
    }

    #[test]
    fn help_has_every_option() {
        let Parsed::Print(help) = parse(&["--help"]) else { panic!() };
        let source = include_str!("options.rs");
        let parsed: Vec<&str> =
            source.split("Long(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(parsed.len() > 20);
        for option in parsed {
            assert!(help.contains(&format!("--{option}")), "{option}");
        }
    }
}
