//! What a bench found: each cell of its table with every round, kept as JSON and printed as Markdown.
//!
//! A figure of one contender means little on a shared machine; its ratio to another's of the same round means much. So all contenders of
//! a cell are measured in turns, and what is compared is the median of the ratios, with the least and the greatest beside it.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

/// All that one bench found in one run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Results {
    /// The bench, which is its file's name too.
    pub bench: String,
    /// What a figure is, for instance "ns of CPU per message".
    pub unit: String,
    /// How to make it again.
    pub command: String,
    /// Where and with what it was made.
    pub ran: Ran,
    /// The rows of the table.
    pub cells: Vec<Cell>,
}

/// Where and with what figures were made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ran {
    /// The day, as in 2026-11-30.
    pub date: String,
    /// The commit; `-dirty` if files differ from it that are no results.
    pub commit: String,
    /// What `rustc --version` says.
    pub rustc: String,
    /// The processor, as the kernel names it.
    pub processor: String,
}

/// One row: the same work, done by several contenders in turns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cell {
    /// The work, for instance "receive binary 16 KiB".
    pub work: String,
    /// Who did it. The first is the limit that the others are compared with.
    pub contenders: Vec<Contender>,
}

/// What one contender needed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Contender {
    /// Its name, with its version.
    pub name: String,
    /// One figure a round, in the bench's unit.
    pub rounds: Vec<f64>,
}

/// What kind of contender one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Written by hand here, to do less than an engine must.
    Limit,
    /// This project.
    Ours,
    /// Another implementation.
    Peer,
}

/// A median, and the least and the greatest of what it is the median of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The least.
    pub least: f64,
    /// The one in the middle.
    pub median: f64,
    /// The greatest.
    pub greatest: f64,
}

impl Results {
    /// Creates the results of a bench that is about to run here.
    pub fn new(bench: &str, unit: &str, command: &str) -> Self {
        Self {
            bench: bench.into(),
            unit: unit.into(),
            command: command.into(),
            ran: Ran::now(),
            cells: Vec::new(),
        }
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// If there is no such file, or it is not one of these.
    pub fn load(bench: &str) -> Result<Self, Box<dyn std::error::Error>> {
        Self::read(&file(bench))
    }

    /// As [`load`](Self::load), from any file.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn read(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?)
    }

    /// Writes `results/BENCH.json`, beside this package's manifest, and returns its path.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn save(&self) -> std::io::Result<PathBuf> {
        let path = file(&self.bench);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        std::fs::write(&path, serde_json::to_string_pretty(self)? + "\n")?;
        Ok(path)
    }

    /// All cells in one table, in Markdown.
    pub fn markdown(&self) -> String {
        self.heading() + &Self::table(&self.cells)
    }

    /// Where, when and how the figures were made, and what they are: what stands above the tables.
    pub fn heading(&self) -> String {
        let Ran { date, commit, rustc, processor } = &self.ran;
        format!(
            "{date}, {commit}, {rustc}, {processor}: `{}`\n\n{}; × is against the first column, \
             least to greatest of the rounds in brackets.\n\n",
            self.command, self.unit
        )
    }

    /// A table of some cells: a row for each, a column for each contender, in the order in which they first appear.
    pub fn table(cells: &[Cell]) -> String {
        let mut names: Vec<&str> = Vec::new();
        for contender in cells.iter().flat_map(|cell| &cell.contenders) {
            if !names.contains(&&*contender.name) {
                names.push(&contender.name);
            }
        }
        let mut out = String::new();
        let _ = writeln!(out, "| | {} |\n|---|{}", names.join(" | "), "---:|".repeat(names.len()));
        for cell in cells {
            let _ = write!(out, "| {} |", cell.work);
            for name in &names {
                let Some(contender) = cell.contenders.iter().find(|contender| contender.name == *name) else {
                    out.push_str(" |");
                    continue;
                };
                let _ = write!(out, " {}", figure(contender.spread().median));
                if let Some(ratio) = cell
                    .ratio(name)
                    .filter(|ratio| cell.contenders[0].name != *name && ratio.median.is_finite())
                {
                    let _ = write!(out, " ({:.2} ×, {:.2}–{:.2})", ratio.median, ratio.least, ratio.greatest);
                }
                out.push_str(" |");
            }
            out.push('\n');
        }
        out
    }
}

impl Cell {
    /// How many times what the first contender needs this one does, round by round; `None` if there is no such contender.
    pub fn ratio(&self, name: &str) -> Option<Spread> {
        let contender = self.contenders.iter().find(|contender| contender.name == name)?;
        Some(contender.against(self.contenders.first()?))
    }

    /// The one of a kind that needs least, as a multiple of what the first contender does.
    pub fn best(&self, who: Who) -> Option<&Contender> {
        let base = self.contenders.first()?;
        let of_kind = self.contenders.iter().filter(|contender| contender.who() == who);
        of_kind.min_by(|a, b| a.against(base).median.total_cmp(&b.against(base).median))
    }
}

impl Contender {
    /// Its figures.
    pub fn spread(&self) -> Spread {
        Spread::of(self.rounds.iter().copied())
    }

    /// How many times what another needs it does, round by round.
    ///
    /// # Panics
    ///
    /// If one of them has no round.
    pub fn against(&self, other: &Self) -> Spread {
        Spread::of(self.rounds.iter().zip(&other.rounds).map(|(figure, other)| figure / other))
    }

    /// What kind it is.
    pub fn who(&self) -> Who {
        Who::of(&self.name)
    }
}

impl Who {
    /// By its name in the tables.
    pub fn of(name: &str) -> Self {
        const LIMITS: [&str; 11] = [
            "floor",
            "floor, AVX2",
            "raw mio",
            "minimal framing",
            "bare write",
            "rustls on mio",
            "memcpy",
            "XOR in place",
            "XOR, AVX2",
            "simdutf8",
            "std's from_utf8",
        ];
        if LIMITS.contains(&name) {
            Self::Limit
        } else if name.starts_with("sansws") {
            Self::Ours
        } else {
            Self::Peer
        }
    }
}

impl Spread {
    /// # Panics
    ///
    /// If there is no figure.
    pub fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        let (Some(&least), Some(&greatest)) = (sorted.first(), sorted.last()) else {
            panic!("no round was run")
        };
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Self { least, median, greatest }
    }
}

impl Ran {
    fn now() -> Self {
        let said = |program: &str, args: &[&str]| {
            let output = Command::new(program).args(args).output();
            output
                .ok()
                .and_then(|output| String::from_utf8(output.stdout).ok())
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        // What other benches have just written does not count.
        let but_results = ["diff", "--name-only", "HEAD", "--", ":/", ":(top,exclude)benches/results"];
        let is_dirty = !said("git", &but_results).is_empty();
        let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        Self {
            date: said("date", &["-u", "+%Y-%m-%d"]),
            commit: said("git", &["rev-parse", "--short", "HEAD"]) + if is_dirty { "-dirty" } else { "" },
            rustc: said("rustc", &["--version"]),
            processor: processor.trim_start_matches(['\t', ' ', ':']).to_owned(),
        }
    }
}

/// Three digits that count, as people write them.
pub fn figure(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => {
            let digits = format!("{value:.0}");
            let mut out = String::new();
            for (i, digit) in digits.chars().enumerate() {
                if i > 0 && (digits.len() - i) % 3 == 0 {
                    out.push(' ');
                }
                out.push(digit);
            }
            out
        }
    }
}

fn file(bench: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("results").join(format!("{bench}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_own_ratios() {
        let contender = |name: &str, rounds: &[f64]| Contender { name: name.into(), rounds: rounds.into() };
        let cell = Cell {
            work: "w".into(),
            contenders: vec![contender("a", &[1.0, 2.0, 4.0]), contender("b", &[2.0, 2.0, 12.0])],
        };
        assert_eq!(cell.ratio("b"), Some(Spread { least: 1.0, median: 2.0, greatest: 3.0 }));
        assert_eq!(cell.ratio("c"), None);
    }

    #[test]
    fn who_is_who() {
        let echo = crate::loopback::contenders::echo();
        let codec = crate::codec::contenders();
        let names = echo.iter().map(|contender| &*contender.name).chain(codec.iter().map(|who| who.name()));
        let peers = names.filter(|name| Who::of(name) == Who::Peer);
        // Each peer, and no other, has a version behind its name.
        let has_version =
            |name: &str| name.split(' ').nth(1).is_some_and(|word| word.starts_with(char::is_numeric));
        let (with, without): (Vec<&str>, Vec<&str>) = peers.partition(|name| has_version(name));
        assert_eq!((with.is_empty(), without), (!cfg!(feature = "peers"), Vec::new()));
        assert_eq!((Who::of("sansws, vectored"), Who::of("sansws-mio, 2 workers")), (Who::Ours, Who::Ours));
        assert_eq!((Who::of("bare write"), Who::of("rustls on mio")), (Who::Limit, Who::Limit));
    }

    #[test]
    fn figures_have_three_digits_that_count() {
        for (value, expected) in
            [(1.234, "1.23"), (12.34, "12.3"), (1234.5, "1 234"), (1_234_567.0, "1 234 567")]
        {
            assert_eq!(figure(value), expected);
        }
    }
}
