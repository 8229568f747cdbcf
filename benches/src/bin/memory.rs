//! What an idle connection costs a server in resident memory, and how much of that is still resident when all have left.

use std::time::{Duration, Instant};

use sansws_benches::loopback::Result;
use sansws_benches::loopback::contenders::{self, Contender};
use sansws_benches::loopback::load::{Enough, Load};
use sansws_benches::loopback::options::Options;
use sansws_benches::loopback::process::{Process, raise_descriptors};
use sansws_benches::loopback::rounds::Tables;
use sansws_benches::loopback::shape::Shape;

const ABOUT: &str = "\
Resident bytes of a server per connection that is idle after an echo of 125 bytes, beyond what it had after its first few connections
had come and gone; and resident bytes beyond that when all connections have left. Kernel memory of the sockets is not in it.";

/// Connections that a server has had before its memory is looked at: what it needs once, it has then.
const BEFORE: usize = 64;

fn main() -> Result<()> {
    let Some(options) = Options::read(ABOUT)? else { return Ok(()) };
    let connections = if options.quick { 1000 } else { 10_000 }.min(raise_descriptors().saturating_sub(100));
    let contenders: Vec<Contender> = options.contenders(contenders::echo());
    // A thread for each connection is another trade.
    let contenders: Vec<Contender> =
        contenders.into_iter().filter(|contender| !contender.has_threads()).collect();
    let tables = [
        ("memory", "resident bytes per idle connection"),
        ("memory-left", "resident bytes more than before, after all have left"),
    ];
    let mut tables = Tables::new(&options, "memory", tables);
    tables.row(&format!("{connections} connections"), &contenders, |contender| {
        memory(contender, connections)
    })?;
    tables.finish()
}

fn memory(contender: &Contender, connections: usize) -> Result<[f64; 2]> {
    let server = Process::start(contender)?;
    let target = contender.target(server.address);
    let open = |connections| -> Result<Load> {
        let mut load = Load::open(&target, Shape::new(connections, 1, 125))?;
        load.run(Enough::Batches(1))?;
        Ok(load)
    };
    let few = open(BEFORE)?;
    let descriptors = server.descriptors()? - BEFORE;
    drop(few);
    wait_until_left(&server, descriptors)?;
    let before = server.resident()? as f64;
    let load = open(connections)?;
    let per_connection = (server.resident()? as f64 - before) / connections as f64;
    drop(load);
    wait_until_left(&server, descriptors)?;
    Ok([per_connection, server.resident()? as f64 - before])
}

/// Until the server has closed all of its sockets, and had some time more.
fn wait_until_left(server: &Process, descriptors: usize) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.descriptors()? > descriptors {
        if Instant::now() > deadline {
            return Err("the server keeps sockets of connections that have left".into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(100));
    Ok(())
}
