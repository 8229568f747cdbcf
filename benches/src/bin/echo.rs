//! What an echo costs a server: CPU time and system calls per message, beside a server that returns bytes without looking at them.

use sansws_benches::loopback::contenders::{self, Contender};
use sansws_benches::loopback::load::{Enough, Load};
use sansws_benches::loopback::options::Options;
use sansws_benches::loopback::process::Process;
use sansws_benches::loopback::rounds::Tables;
use sansws_benches::loopback::shape::Shape;
use sansws_benches::loopback::{Result, syscalls};

const ABOUT: &str = "\
CPU time of a server per message that it echoes, and its system calls. Rows: connections × messages in flight × payload.
Messages in flight leave with one write; the next ones follow when all of them are back.";

const SHAPES: [Shape; 5] = [
    Shape::new(1, 1, 16),
    Shape::new(64, 1, 125),
    Shape::new(64, 16, 125),
    Shape::new(8, 4, 16 << 10),
    Shape::new(2, 2, 1 << 20),
];

fn main() -> Result<()> {
    let Some(options) = Options::read(ABOUT)? else { return Ok(()) };
    let contenders = options.contenders(contenders::echo());
    let mut tables = Tables::new(&options, "echo", [("echo", "ns of server CPU per message")]);
    for shape in SHAPES {
        tables.row(&shape.to_string(), &contenders, |contender| cpu(contender, shape, &options))?;
    }
    tables.finish()?;

    if !syscalls::is_available() {
        eprintln!("system calls are not counted: there is no strace, or it may not look at other processes");
        return Ok(());
    }
    let mut tables = Tables::new(&options, "echo", [("echo-syscalls", "system calls per message")]).once();
    for shape in SHAPES {
        tables.row(&shape.to_string(), &contenders, |contender| calls(contender, shape, &options))?;
    }
    tables.finish()
}

/// Nanoseconds per message.
fn cpu(contender: &Contender, shape: Shape, options: &Options) -> Result<[f64; 1]> {
    let server = Process::start(contender)?;
    let mut load = Load::open(&contender.target(server.address), shape)?;
    load.run(Enough::Time(options.time() / 5))?;
    let before = server.cpu()?;
    let messages = load.run(Enough::Time(options.time()))?;
    Ok([(server.cpu()? - before).as_nanos() as f64 / messages as f64])
}

fn calls(contender: &Contender, shape: Shape, options: &Options) -> Result<[f64; 1]> {
    let server = Process::start(contender)?;
    let mut load = Load::open(&contender.target(server.address), shape)?;
    load.run(Enough::Batches(2))?;
    let (messages, bytes) = if options.quick { (100, 8 << 20) } else { (5000, 256 << 20) };
    let at_a_time = shape.connections * shape.in_flight;
    let batches = (messages / at_a_time).min(bytes / (at_a_time * shape.size)).max(2) as u64;
    let (calls, messages) = syscalls::count(&server, || load.run(Enough::Batches(batches)))?;
    Ok([calls as f64 / messages as f64])
}
