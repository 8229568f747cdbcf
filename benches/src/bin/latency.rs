//! How long an echo takes when messages come at a fixed rate, whether or not the server keeps up.

use std::time::Duration;

use sansws_benches::loopback::Result;
use sansws_benches::loopback::contenders::{self, Contender};
use sansws_benches::loopback::options::Options;
use sansws_benches::loopback::paced::{Paced, Schedule};
use sansws_benches::loopback::process::Process;
use sansws_benches::loopback::rounds::Tables;
use sansws_benches::loopback::shape::Shape;

const ABOUT: &str = "\
Time from when a message should have been sent until its echo is back: 64 connections in turns, 125 bytes, a fixed rate. One table for
each of the median, the 99th and the 99.9th percentile. On a machine with other work these figures are the scheduler's.";

const SHAPE: Shape = Shape::new(64, 1, 125);

fn main() -> Result<()> {
    let Some(options) = Options::read(ABOUT)? else { return Ok(()) };
    let contenders = options.contenders(contenders::echo());
    let tables = [
        ("latency-p50", "µs, half of all messages"),
        ("latency-p99", "µs, 99 % of all messages"),
        ("latency-p99.9", "µs, 99.9 % of all messages"),
    ];
    let mut tables = Tables::new(&options, "latency", tables);
    for rate in [1_000, 10_000, 40_000] {
        let work = format!("{rate} messages a second");
        tables.row(&work, &contenders, |contender| latency(contender, rate, &options))?;
    }
    tables.finish()
}

/// Microseconds at the three percentiles.
fn latency(contender: &Contender, rate: u32, options: &Options) -> Result<[f64; 3]> {
    let server = Process::start(contender)?;
    let mut paced = Paced::open(&contender.target(server.address), SHAPE)?;
    let (warm_up, time) = if options.quick { (20, 100) } else { (200, 2000) };
    paced.run(Schedule::new(rate), Duration::from_millis(warm_up))?;
    let latencies = paced.run(Schedule::new(rate), Duration::from_millis(time))?;
    Ok([50.0, 99.0, 99.9].map(|percentile| latencies.value_at_percentile(percentile) as f64 / 1000.0))
}
