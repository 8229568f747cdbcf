//! Who is measured.

use std::net::SocketAddr;

use super::opening::Target;
use super::shape::Framing;

/// A server to be measured.
#[derive(Debug, Clone)]
pub struct Contender {
    /// Its name in the tables, with its version.
    pub name: String,
    /// How it is started.
    pub program: Program,
    /// What its command line has behind its name.
    pub args: Vec<String>,
    /// The cores that it may use.
    pub cores: usize,
    /// What it is given beside its command line.
    pub environment: Vec<(String, String)>,
    /// What it is sent.
    pub framing: Framing,
}

/// What is started.
#[derive(Debug, Clone)]
pub enum Program {
    /// One of [`servers`](super::servers).
    Own(&'static str),
    /// A command that prints the address where it listens.
    External(String),
}

impl Contender {
    /// One of ours, by the name of its server.
    pub fn own(name: impl Into<String>, server: &'static str) -> Self {
        Self::new(name.into(), Program::Own(server))
    }

    /// Any command that starts a server and prints its address.
    pub fn external(name: impl Into<String>, command: impl Into<String>) -> Self {
        Self::new(name.into(), Program::External(command.into()))
    }

    fn new(name: String, program: Program) -> Self {
        Self {
            name,
            program,
            args: Vec::new(),
            cores: 1,
            environment: Vec::new(),
            framing: Framing::WebSocket,
        }
    }

    /// Sends it bytes without frames of a client.
    #[must_use]
    pub fn raw(mut self) -> Self {
        self.framing = Framing::Raw;
        self
    }

    /// Runs so many threads.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.args.extend(["--workers".to_owned(), workers.to_string()]);
        self.cores = workers;
        self
    }

    /// Has it find these in its environment.
    #[must_use]
    pub fn with_environment(mut self, environment: Vec<(String, String)>) -> Self {
        self.environment = environment;
        self
    }

    /// Whether it starts a thread for each connection.
    pub fn has_threads(&self) -> bool {
        matches!(self.program, Program::Own("tungstenite-example"))
    }

    /// Where a client of it connects to.
    pub fn target(&self, address: SocketAddr) -> Target {
        Target { address, framing: self.framing, path: "/", tls: None }
    }
}

/// All that echo: the limit first, which the others are compared with.
pub fn echo() -> Vec<Contender> {
    let mut all = vec![
        Contender::own("raw mio", "raw").raw(),
        Contender::own("minimal framing", "minimal"),
        Contender::own("sansws-mio", "sansws"),
    ];
    if cfg!(feature = "peers") {
        let own = |crate_name, how, server| Contender::own(format!("{}{how}", versioned(crate_name)), server);
        all.extend([
            own("tungstenite", ", one flush", "tungstenite"),
            own("tungstenite", ", its example", "tungstenite-example"),
            own("fastwebsockets", ", one flush", "fastwebsockets"),
            own("fastwebsockets", ", its example", "fastwebsockets-example"),
            own("tokio-websockets", ", one flush", "tokio-websockets"),
            own("tokio-websockets", ", its example", "tokio-websockets-example"),
            own("sockudo-ws", ", one flush", "sockudo-ws"),
            own("sockudo-ws", ", its example", "sockudo-ws-example"),
        ]);
    }
    all
}

/// A crate's name with the version that is built in, as `Cargo.lock` has it.
pub fn versioned(name: &str) -> String {
    let lock = include_str!("../../Cargo.lock");
    let package = format!("name = \"{name}\"\nversion = \"");
    let version = lock.split_once(&package).and_then(|(_, rest)| rest.split('"').next());
    format!("{name} {}", version.unwrap_or_default()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_lock_file() {
        assert!(versioned("mio").starts_with("mio 1."));
        assert_eq!(versioned("none-such"), "none-such");
    }
}
