//! What a server needs with few connections and with many: CPU time per message, memory, and what it costs to accept.

use std::time::Instant;

use sansws_benches::loopback::Result;
use sansws_benches::loopback::contenders::Contender;
use sansws_benches::loopback::load::{Enough, Load};
use sansws_benches::loopback::options::Options;
use sansws_benches::loopback::process::{Process, raise_descriptors};
use sansws_benches::loopback::rounds::Tables;
use sansws_benches::loopback::shape::Shape;

const ABOUT: &str = "\
CPU time of a server per message with 10 to 50 000 connections, each with one message of 125 bytes in flight; its resident memory per
connection; CPU time to accept one, with its opening handshake (the first column has none); and connections opened in a second. With two
workers on two cores, client and server share one: their rates mean little then.";

/// Files that a server or a client has open beside its connections, and then some.
const SPARE: usize = 100;

fn main() -> Result<()> {
    let Some(options) = Options::read(ABOUT)? else { return Ok(()) };
    let contenders = options.contenders(vec![
        Contender::own("raw mio", "raw").raw(),
        Contender::own("sansws-mio", "sansws"),
        Contender::own("sansws-mio, 2 workers", "sansws").workers(2),
    ]);
    let mut tables = Tables::new(
        &options,
        "scale",
        [
            ("scale", "ns of server CPU per message"),
            ("scale-memory", "resident bytes per connection, all that the server has"),
            ("scale-accept", "µs of server CPU per connection accepted"),
            ("scale-accept-rate", "connections accepted per second"),
        ],
    );
    let most = raise_descriptors().saturating_sub(SPARE);
    let all: &[usize] = if options.quick { &[10, 1000] } else { &[10, 100, 1000, 10_000, 50_000] };
    for &connections in all {
        if connections > most {
            eprintln!(
                "{connections} connections need more open files than this process may have ({most}): see ulimit -Hn"
            );
            continue;
        }
        let work = format!("{connections} connections");
        tables.row(&work, &contenders, |contender| scale(contender, connections, &options))?;
    }
    tables.finish()
}

fn scale(contender: &Contender, connections: usize, options: &Options) -> Result<[f64; 4]> {
    let server = Process::start(contender)?;
    let target = contender.target(server.address);
    let shape = Shape::new(connections, 1, 125);
    let resident = server.resident()?;
    let (cpu, start) = (server.cpu()?, Instant::now());
    let mut load = Load::open(&target, shape)?;
    let opened = start.elapsed().as_secs_f64();
    // The first message too: a server without a handshake has not accepted all of them before.
    load.run(Enough::Batches(1))?;
    let accepting = server.cpu()? - cpu;
    let grown = server.resident()?.saturating_sub(resident);

    load.run(Enough::Batches(1))?;
    let cpu = server.cpu()?;
    let messages = load.run(Enough::Time(options.time()))?;
    Ok([
        (server.cpu()? - cpu).as_nanos() as f64 / messages as f64,
        grown as f64 / connections as f64,
        accepting.as_nanos() as f64 / 1000.0 / connections as f64,
        connections as f64 / opened,
    ])
}
