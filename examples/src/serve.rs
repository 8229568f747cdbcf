//! From options to a running server, until Ctrl-C or SIGTERM.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use sansws_mio::{Handle, Server, Settings, TopicLimits};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::memory;
use crate::metrics::MetricsSite;
use crate::options::Options;
use crate::site::Site;
use crate::tls::Certificate;

/// How long clients have, after Close 1001, to take what is queued for them and to answer.
const DRAIN: Duration = Duration::from_millis(1500);

/// Serves until a signal comes: then every client gets Close 1001 and what is queued for it.
///
/// # Errors
///
/// One line that says what failed, such as an address in use.
pub fn serve(options: &Options, site: impl FnOnce() -> Site) -> Result<(), String> {
    memory::return_large_blocks();
    // Warnings are for the operator: a limit was reached, a page was refused that a setting would let in.
    log_to_stderr(if options.verbose { log::LevelFilter::Debug } else { log::LevelFilter::Warn });
    let server = bind(&options.bind, "--bind")?;
    let mut server = server.settings(Settings { origin: options.origin.clone(), ..settings() });
    let metrics = metrics(&options.metrics, server.handle())?;
    let tls = options.tls.as_ref().map(|tls| Certificate::new(tls, &server.local_addrs())).transpose()?;
    let mut scheme = "http";
    if let Some(tls) = &tls {
        scheme = "https";
        server = server.tls(&tls.server);
        if let Some(fingerprint) = &tls.fingerprint {
            say(io::stdout(), &format!("self-signed certificate, SHA-256 {fingerprint}"));
        }
    }
    heed_signals(server.handle(), tls).map_err(|error| format!("cannot handle signals: {error}"))?;
    for addr in server.local_addrs() {
        say(io::stdout(), &format!("listening on {scheme}://{}/", host(addr)));
    }
    let served = server.run(site()).map_err(|error| error.to_string());
    if let Some(metrics) = metrics {
        metrics.shutdown(Duration::ZERO);
    }
    served
}

/// Serves metrics here, if anywhere, on a thread of its own.
fn metrics(bind_to: &[SocketAddr], of: Handle) -> Result<Option<Handle>, String> {
    if bind_to.is_empty() {
        return Ok(None);
    }
    let server =
        bind(bind_to, "--metrics")?.settings(Settings { max_connections: 64, ..Settings::default() });
    let handle = server.handle();
    for addr in server.local_addrs() {
        say(io::stdout(), &format!("metrics on http://{}/metrics", host(addr)));
    }
    let run = move || {
        if let Err(error) = server.run(MetricsSite::new(of)) {
            say(io::stderr(), &format!("error: metrics are not served any more: {error}"));
        }
    };
    thread::Builder::new()
        .name("metrics".into())
        .spawn(run)
        .map_err(|error| format!("cannot serve metrics: {error}"))?;
    Ok(Some(handle))
}

/// `option` is the one that has these addresses.
fn bind(addresses: &[SocketAddr], option: &str) -> Result<Server, String> {
    let mut server: Option<Server> = None;
    for (i, &addr) in addresses.iter().enumerate() {
        let bound = match server.take() {
            None => Server::bind(addr),
            Some(server) => {
                // Not every machine has IPv6: of several addresses it is enough to have the first.
                if i > 0 && is_missing(addr) {
                    say(io::stderr(), &format!("warning: this machine has no {}", addr.ip()));
                    Ok(server)
                } else {
                    server.also_bind(addr)
                }
            }
        };
        server = Some(bound.map_err(|error| format!("cannot listen on {addr}: {}", reason(&error, option)))?);
    }
    server.ok_or_else(|| "no address to listen on".into())
}

fn settings() -> Settings {
    let defaults = Settings::default();
    Settings {
        high_water: 64 << 10,
        low_water: 16 << 10,
        // A room's name has up to 64 characters of up to four bytes.
        topics: TopicLimits { max_name_len: 512, ..defaults.topics },
        ..defaults
    }
}

fn is_missing(addr: SocketAddr) -> bool {
    let unbound = TcpListener::bind(SocketAddr::new(addr.ip(), 0));
    addr.is_ipv6() && unbound.is_err_and(|error| error.kind() != io::ErrorKind::PermissionDenied)
}

fn reason(error: &io::Error, option: &str) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!("the port is in use ({option} takes another)"),
        io::ErrorKind::AddrNotAvailable => "this machine does not have the address".into(),
        io::ErrorKind::PermissionDenied => format!("the port needs privileges ({option} takes another)"),
        _ => error.to_string(),
    }
}

fn host(addr: SocketAddr) -> String {
    // Of all of 127.0.0.0/8, localhost is this one.
    if addr.ip() == Ipv4Addr::LOCALHOST { format!("localhost:{}", addr.port()) } else { addr.to_string() }
}

/// Without TLS, SIGHUP does what it always does.
fn heed_signals(handle: Handle, tls: Option<Certificate>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    if tls.is_some() {
        signals.add_signal(SIGHUP)?;
    }
    thread::Builder::new().name("signals".into()).spawn(move || {
        let mut stopping = false;
        for signal in signals.forever() {
            if let (SIGHUP, Some(tls)) = (signal, &tls) {
                let outcome = match tls.server.reload() {
                    Ok(()) => "the certificate was read again".into(),
                    Err(error) => format!("error: the certificate stays as it was: {error}"),
                };
                say(io::stderr(), &outcome);
                continue;
            }
            if stopping {
                // Whoever asks twice does not want to wait.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
            stopping = true;
            handle.shutdown(DRAIN);
        }
    })?;
    Ok(())
}

fn log_to_stderr(level: log::LevelFilter) {
    struct Stderr;

    impl log::Log for Stderr {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &log::Record<'_>) {
            say(io::stderr(), &format!("{:5} {}", record.level(), record.args()));
        }

        fn flush(&self) {}
    }

    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(level);
    }
}

/// One line. That nobody reads it any more is no reason to end, as it is for `println!`.
fn say(mut to: impl Write, line: &str) {
    let _ = writeln!(to, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_one_address() {
        for (addr, expected) in
            [("127.0.0.1:80", "localhost:80"), ("127.0.0.2:80", "127.0.0.2:80"), ("[::1]:80", "[::1]:80")]
        {
            assert_eq!(host(addr.parse().unwrap()), expected);
        }
    }
}
