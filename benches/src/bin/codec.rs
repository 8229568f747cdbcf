//! The codec table: every cell of the grid, all contenders in turns, in ns per message.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml --features peers --bin codec` measures with reads of 64 KiB;
//! `--reads 8` with others, `--only "receive binary"` the cells whose name has this in it, `--rounds 5` in so many rounds,
//! `--quick` in three short ones. The table goes to stdout, the figures of a whole run that was not quick to `benches/results/codec.json`,
//! those with other reads to `codec-reads-8.json`.

use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sansws_benches::codec::grid::{Cell, Entry, READ, Task};
use sansws_benches::results::{self, Contender, Results};

/// How long a contender is measured in one round.
const ROUND: Duration = Duration::from_millis(20);
const QUICK_ROUND: Duration = Duration::from_millis(2);

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse()?;
    let cells: Vec<Cell> = Cell::all(&options.reads).into_iter().filter(|cell| options.wants(cell)).collect();
    let mut results = Results::new(&options.name(), "ns of CPU per message", &options.command);
    for (i, cell) in cells.iter().enumerate() {
        eprint!("\r\x1b[K{} of {}: {cell}", i + 1, cells.len());
        std::io::stderr().flush()?;
        let measured = measure(cell, &options);
        results.cells.push(results::Cell { work: cell.to_string(), contenders: measured });
    }
    eprintln!("\r\x1b[K{} cells", cells.len());
    warn_of_the_impossible(&cells, &results);
    print!("{}", results.heading());
    let mut shown = 0;
    for table in cells.chunk_by(|a, b| a.task == b.task) {
        println!("{}", Results::table(&results.cells[shown..][..table.len()]));
        shown += table.len();
    }
    if options.whole {
        eprintln!("{}", results.save()?.display());
    }
    Ok(())
}

struct Options {
    rounds: usize,
    round: Duration,
    reads: Vec<usize>,
    only: String,
    /// The whole grid, with the care that figures to be kept have.
    whole: bool,
    command: String,
}

impl Options {
    fn parse() -> Result<Self, Box<dyn Error>> {
        use lexopt::prelude::{Long, ValueExt};
        let mut command = "cargo run --release --manifest-path benches/Cargo.toml".to_owned();
        if cfg!(feature = "peers") {
            command += " --features peers";
        }
        command += " --bin codec";
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        if !arguments.is_empty() {
            command += " --";
        }
        for argument in arguments {
            command +=
                &if argument.contains(' ') { format!(" \"{argument}\"") } else { format!(" {argument}") };
        }
        let mut options =
            Self { rounds: 7, round: ROUND, reads: Vec::new(), only: String::new(), whole: true, command };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("rounds") => options.rounds = parser.value()?.parse::<usize>()?.max(1),
                Long("quick") => (options.rounds, options.round, options.whole) = (3, QUICK_ROUND, false),
                Long("only") => (options.only, options.whole) = (parser.value()?.string()?, false),
                Long("reads") => options.reads.push(parser.value()?.parse::<usize>()? << 10),
                other => return Err(other.unexpected().into()),
            }
        }
        if options.reads.is_empty() {
            options.reads.push(READ);
        }
        Ok(options)
    }

    /// Figures with other reads than the main table's are kept beside it.
    fn name(&self) -> String {
        let kib = |read: &usize| format!("-reads-{}", read >> 10);
        "codec".to_owned() + &self.reads.iter().filter(|read| **read != READ).map(kib).collect::<String>()
    }

    fn wants(&self, cell: &Cell) -> bool {
        cell.to_string().contains(&self.only)
    }
}

/// All contenders in turns, round by round, so that what disturbs the machine disturbs all.
fn measure(cell: &Cell, options: &Options) -> Vec<Contender> {
    let mut measured: Vec<Contender> = Vec::new();
    for round in 0..options.rounds {
        // What contenders allocate lies elsewhere in each round, too.
        let shift = black_box(vec![0_u8; 1 + round * 17 * 64]);
        let mut entries = cell.prepare(round);
        if measured.is_empty() {
            let contender = |entry: &Entry| Contender { name: entry.name.to_owned(), rounds: Vec::new() };
            measured.extend(entries.iter().map(contender));
            // The processor wakes up.
            warm_up(&mut entries[0], options.round);
        }
        // Another begins each time: who does so has it harder.
        for turn in 0..entries.len() {
            let i = (turn + round) % entries.len();
            let (entry, contender) = (&mut entries[i], &mut measured[i]);
            // What another left in the caches gives way first; and it shows how many runs the time has room for.
            let runs = warm_up(entry, options.round / 4) * 4;
            let begun = cpu_time();
            for _ in 0..runs {
                black_box(black_box(&mut *entry.work).run());
            }
            let needed = cpu_time() - begun;
            contender.rounds.push(needed.as_secs_f64() * 1e9 / (runs * entry.messages) as f64);
        }
        drop(shift);
    }
    measured
}

/// Runs for so long, once at the least, and returns how often.
fn warm_up(entry: &mut Entry, least: Duration) -> usize {
    let begun = cpu_time();
    let mut runs = 0;
    while runs == 0 || cpu_time() - begun < least {
        black_box(black_box(&mut *entry.work).run());
        runs += 1;
    }
    runs
}

/// The time of a processor that this thread has had: others on the machine do not count.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// Warns of figures below the copy that each message takes: something was not done.
fn warn_of_the_impossible(cells: &[Cell], results: &Results) {
    let least = |of: usize, name: &str| {
        let contender = results.cells[of].contenders.iter().find(|contender| contender.name == name);
        contender.map(|contender| contender.spread().least)
    };
    for (i, cell) in cells.iter().enumerate().filter(|(_, cell)| cell.task != Task::Limit) {
        let limit = cells.iter().position(|limit| {
            limit.task == Task::Limit && limit.kind == cell.kind && limit.size == cell.size
        });
        let Some(copy) = limit.and_then(|limit| least(limit, "memcpy")) else { continue };
        for contender in &results.cells[i].contenders {
            let median = contender.spread().median;
            if median < 0.8 * copy {
                eprintln!(
                    "not plausible: {} needs {median:.1} ns for {cell}, a copy alone {copy:.1}",
                    contender.name
                );
            }
        }
    }
}
