//! The servers that are measured. Each has a name for the command line: `bench-server NAME` starts it alone.

use std::io;
use std::net::{SocketAddr, TcpListener};

mod bare_broadcast;
mod minimal;
#[cfg(feature = "peers")]
mod peers;
mod raw;
mod raw_tls;
mod reactor;
mod sansws;

pub use sansws::Echo;

/// The first argument of a process that is to be a server.
pub const SERVE: &str = "serve";

/// Where the one who publishes connects to a server of the broadcast; receivers are on [`SUBSCRIBE`].
pub const PUBLISH: &str = "/publish";

/// Where receivers connect to.
pub const SUBSCRIBE: &str = "/subscribe";

/// What the hand-written servers read at a time, as much as sansws-mio does.
const BUFFER: usize = 128 << 10;

/// How a server begins.
pub struct Start {
    /// The port to listen on, 0 for any.
    pub port: u16,
    /// Is told the address.
    pub announce: Box<dyn FnOnce(SocketAddr) + Send>,
}

/// Serves, until the process ends.
///
/// # Errors
///
/// If there is no such server, or it can't go on.
pub fn run(name: &str, workers: usize, start: Start) -> io::Result<()> {
    match name {
        "raw" => reactor::serve(bind(start)?, raw::Raw::new()),
        "minimal" => reactor::serve(bind(start)?, minimal::Minimal::new()),
        "sansws" => sansws::echo(start, workers),
        "bare-broadcast" => reactor::serve(bind(start)?, bare_broadcast::Bare::new()),
        "sansws-broadcast" => sansws::broadcast(start),
        "raw-tls" => reactor::serve(bind(start)?, raw_tls::RawTls::new()?),
        "sansws-tls" => sansws::echo_tls(start),
        #[cfg(feature = "peers")]
        _ => peers::run(name, start),
        #[cfg(not(feature = "peers"))]
        _ => Err(io::Error::other(format!("no server is named {name}; others need the feature `peers`"))),
    }
}

/// Does what a command line asks for: `NAME [--port PORT] [--workers N]`.
///
/// # Errors
///
/// If it is wrong, or as [`run`].
pub fn from_command_line(mut args: lexopt::Parser) -> super::Result<()> {
    use lexopt::prelude::*;

    let (mut name, mut port, mut workers) = (None, 0, 1);
    while let Some(arg) = args.next()? {
        match arg {
            Long("port") => port = args.value()?.parse()?,
            Long("workers") => workers = args.value()?.parse()?,
            Value(value) if name.is_none() => name = Some(value.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let name = name.ok_or("which server? for example raw, minimal, sansws")?;
    super::process::raise_descriptors();
    let scheme = if name.ends_with("-tls") { "wss" } else { "ws" };
    let announce = Box::new(move |address| println!("{scheme}://{address}"));
    Ok(run(&name, workers, Start { port, announce })?)
}

fn bind(start: Start) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(("127.0.0.1", start.port))?;
    (start.announce)(listener.local_addr()?);
    Ok(listener)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::opening::Target;
    use super::super::shape::Framing;
    use super::*;

    /// A server on a thread of its own, which goes on until the tests end.
    pub(crate) fn target(server: &'static str) -> Target {
        let (announce, address) = std::sync::mpsc::channel();
        let announce = Box::new(move |address| announce.send(address).expect("it is awaited"));
        std::thread::spawn(move || run(server, 1, Start { port: 0, announce }));
        let address = address.recv().expect("it listens");
        let framing = if server.starts_with("raw") { Framing::Raw } else { Framing::WebSocket };
        Target { address, framing, path: "/", tls: None }
    }
}
