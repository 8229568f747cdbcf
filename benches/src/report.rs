//! What is made of the committed results: a document with all tables, plots, and the figures in the project's README.

mod plots;
mod readme;

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::results::{Results, Who};

/// A table of the document.
#[derive(Debug, Clone, Copy)]
struct Section {
    /// Its results' name.
    name: &'static str,
    /// The program that makes them.
    bench: &'static str,
    title: &'static str,
    about: &'static str,
}

const SECTIONS: &[Section] = &[
    Section {
        name: "codec",
        bench: "codec",
        title: "Codec",
        about: "CPU time per message in memory, with reads of 64 KiB: a server receives, a server sends, a client sends; then single passes \
                over the payload. The floor is a minimum written by hand that checks nothing but UTF-8.",
    },
    Section {
        name: "codec-reads-8",
        bench: "codec -- --reads 8",
        title: "Codec, reads of 8 KiB",
        about: "The same with reads of 8 KiB.",
    },
    Section {
        name: "codec-reads-16",
        bench: "codec -- --reads 16",
        title: "Codec, reads of 16 KiB",
        about: "The same with reads of 16 KiB.",
    },
    Section {
        name: "echo",
        bench: "echo",
        title: "Echo",
        about: "CPU time of a server per message that it echoes over loopback, beside one that returns bytes without looking at them. \
                Rows: connections × messages in flight × payload.",
    },
    Section {
        name: "echo-syscalls",
        bench: "echo",
        title: "Echo, system calls",
        about: "System calls of the server per message, in the same rows, counted once.",
    },
    Section {
        name: "broadcast",
        bench: "broadcast",
        title: "Broadcast",
        about: "CPU time of a server per delivery of what one connection publishes to all others, beside one bare write per receiver. Rows: \
                receivers × publishes in flight × payload.",
    },
    Section {
        name: "memory",
        bench: "memory",
        title: "Memory of an idle connection",
        about: "Resident bytes of a server per connection that is idle after one echo of 125 bytes, without the kernel's memory.",
    },
    Section {
        name: "memory-left",
        bench: "memory",
        title: "Memory that stays",
        about: "Resident bytes of a server that has lost all of these connections, beyond what it had before them.",
    },
    Section {
        name: "scale",
        bench: "scale",
        title: "Scale: CPU",
        about: "CPU time of a server per message with few connections and with many, each with one message of 125 bytes in flight.",
    },
    Section {
        name: "scale-memory",
        bench: "scale",
        title: "Scale: memory",
        about: "Resident bytes per connection, with all that the server allocated for any number of them.",
    },
    Section {
        name: "scale-accept",
        bench: "scale",
        title: "Scale: accepting",
        about: "CPU time to accept a connection, with its opening handshake; the first column has no handshake.",
    },
    Section {
        name: "scale-accept-rate",
        bench: "scale",
        title: "Scale: connections per second",
        about: "Connections opened in a second, with client and server on two cores: here more is better.",
    },
    Section {
        name: "latency-p50",
        bench: "latency",
        title: "Latency: median",
        about: "Time from when a message should have been sent until its echo is back, at a fixed rate over 64 connections.",
    },
    Section {
        name: "latency-p99",
        bench: "latency",
        title: "Latency: 99th percentile",
        about: "The same, for all but one message in 100.",
    },
    Section {
        name: "latency-p99.9",
        bench: "latency",
        title: "Latency: 99.9th percentile",
        about: "The same, for all but one message in 1000.",
    },
    Section {
        name: "tls",
        bench: "tls",
        title: "TLS",
        about: "CPU time of a server per message that it echoes through TLS 1.3, beside rustls alone. Rows as those of the echo.",
    },
];

/// All results that there are.
#[derive(Debug, Clone)]
pub struct Report {
    sections: Vec<(Section, Option<Results>)>,
}

/// A file that the results make, or that there must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Where, below the root of the project.
    pub path: PathBuf,
    /// What has to be in it; `None` if there are no results for it.
    pub content: Option<String>,
}

impl Report {
    /// Reads the results of the project in `root`.
    ///
    /// # Errors
    ///
    /// If there is a file that is none, or has a contender without rounds.
    pub fn read(root: &Path) -> Result<Self, Box<dyn Error>> {
        let mut sections = Vec::new();
        for section in SECTIONS {
            let path = root.join("benches/results").join(format!("{}.json", section.name));
            let results = if path.exists() { Some(Results::read(&path)?) } else { None };
            let mut cells = results.iter().flat_map(|results| &results.cells);
            if cells.any(|cell| cell.contenders.iter().any(|contender| contender.rounds.is_empty())) {
                return Err(format!("{}: a contender without rounds", path.display()).into());
            }
            sections.push((*section, results));
        }
        Ok(Self { sections })
    }

    /// All files, with the figures in this README.
    ///
    /// # Errors
    ///
    /// If the README has no place for them.
    pub fn outputs(&self, readme: &str) -> Result<Vec<Output>, Box<dyn Error>> {
        let mut outputs = plots::all(self);
        let has = |plot: &str| {
            outputs.iter().any(|output| output.content.is_some() && output.path == plots::path(plot, "light"))
        };
        let readme = readme::with_figures(readme, self, has)?;
        outputs.push(Output { path: "README.md".into(), content: Some(readme) });
        outputs.push(Output { path: "benches/RESULTS.md".into(), content: Some(self.document()) });
        Ok(outputs)
    }

    /// The results with this name.
    fn get(&self, name: &str) -> Option<&Results> {
        self.sections.iter().find(|(section, _)| section.name == name)?.1.as_ref()
    }

    /// All tables.
    fn document(&self) -> String {
        let mut out = String::from(
            "# Figures of the benches\n\nWritten by `cargo run --release --manifest-path benches/Cargo.toml --bin report` from `benches/results`. \
             Figures of different tables were not\nmade in the same minute: compare within a row. Less is better unless the table says \
             otherwise.\n[Where we are behind the limit, and why](SHORT.md).\n",
        );
        let peers = self.peers();
        if !peers.is_empty() {
            let _ = write!(out, "\nPeers: {}.\n", peers.join(", "));
        }
        for (section, results) in &self.sections {
            let Some(results) = results else { continue };
            let _ = write!(out, "\n## {}\n\n{}\n", section.title, section.about);
            let (plot, about) = plots::SCALE;
            if section.name == plot {
                out.push_str(&picture("plots", plot, about));
            }
            let _ = write!(out, "\n{}", results.heading());
            let tables: Vec<String> =
                results.cells.chunk_by(|a, b| task(&a.work) == task(&b.work)).map(Results::table).collect();
            out.push_str(&tables.join("\n"));
        }
        let missing =
            || self.sections.iter().filter(|(_, results)| results.is_none()).map(|(section, _)| section);
        if missing().next().is_some() {
            out.push_str("\n## Not measured yet\n\n");
        }
        let mut benches: Vec<&str> = missing().map(|section| section.bench).collect();
        benches.dedup();
        for bench in benches {
            let titles = missing().filter(|section| section.bench == bench).map(|section| section.title);
            let _ = writeln!(out, "- {}: `{}`", titles.collect::<Vec<_>>().join("; "), command(bench));
        }
        out
    }

    /// Other implementations in any of the tables, with their versions.
    fn peers(&self) -> Vec<&str> {
        let results = self.sections.iter().filter_map(|(_, results)| results.as_ref());
        let cells = results.flat_map(|results| &results.cells);
        let peers = cells.flat_map(|cell| &cell.contenders).filter(|contender| contender.who() == Who::Peer);
        // Without the way in which it was used.
        let mut names: Vec<&str> = peers.filter_map(|contender| contender.name.split(',').next()).collect();
        names.sort_unstable();
        names.dedup();
        // "a 1.2" is "a 1.2.3" too.
        let all = names.clone();
        names.retain(|name| {
            !all.iter().any(|other| other.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
        });
        names
    }
}

/// What begins a table of its own: rows that begin with the same word have the same contenders.
fn task(work: &str) -> &str {
    let word = work.split(' ').next().unwrap_or_default();
    if word.starts_with(char::is_alphabetic) { word } else { "" }
}

/// A plot for light and for dark pages, in Markdown.
fn picture(folder: &str, plot: &str, about: &str) -> String {
    format!(
        "\n<picture>\n  <source media=\"(prefers-color-scheme: dark)\" srcset=\"{folder}/{plot}-dark.svg\">\n  \
         <source media=\"(prefers-color-scheme: light)\" srcset=\"{folder}/{plot}-light.svg\">\n  \
         <img alt=\"{about}\" src=\"{folder}/{plot}-light.svg\">\n</picture>\n"
    )
}

/// How a bench is run.
fn command(bench: &str) -> String {
    format!("cargo run --release --manifest-path benches/Cargo.toml --features peers --bin {bench}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Cell, Contender, Ran};

    pub(super) const README: &str = "before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n";

    /// Three rounds of each, in this many units.
    pub(super) fn results(name: &str, works: &[&str], figures: &[(&str, f64)]) -> Results {
        let rounds = |figure: f64| vec![figure, figure * 1.1, figure * 0.9];
        let contender =
            |(name, figure): &(&str, f64)| Contender { name: (*name).into(), rounds: rounds(*figure) };
        let cell =
            |work: &&str| Cell { work: (*work).into(), contenders: figures.iter().map(contender).collect() };
        let ran = Ran {
            date: "2026-01-02".into(),
            commit: "abcdef0".into(),
            rustc: "rustc 1.95.0".into(),
            processor: "A & B".into(),
        };
        let cells = works.iter().map(cell).collect();
        Results { bench: name.into(), unit: "ns".into(), command: format!("cargo {name}"), ran, cells }
    }

    pub(super) fn report(all: Vec<Results>) -> Report {
        let find = |section: &Section| all.iter().find(|results| results.bench == section.name).cloned();
        Report { sections: SECTIONS.iter().map(|section| (*section, find(section))).collect() }
    }

    #[test]
    fn the_document_has_all_that_was_measured_and_names_the_rest() {
        let figures = [("floor", 10.0), ("sansws", 11.0), ("peer 1.2", 12.0)];
        let codec = results("codec", &["receive binary 16 B", "limit binary 16 B"], &figures);
        let echo = results(
            "echo",
            &["64 × 1 × 125 B"],
            &[("raw mio", 1.0), ("sansws-mio", 1.0), ("peer 1.2.3, its example", 2.0)],
        );
        let document = report(vec![codec, echo]).document();
        assert!(document.contains("\nPeers: peer 1.2.3.\n"), "{document}");
        assert!(document.contains("\n## Codec\n") && document.contains("\n## Echo\n"), "{document}");
        assert_eq!(document.matches("| | floor | sansws | peer 1.2 |").count(), 2, "{document}");
        assert!(document.contains("2026-01-02, abcdef0, rustc 1.95.0, A & B: `cargo echo`"), "{document}");
        assert!(document.contains("\n- TLS: `cargo run"), "{document}");
        assert!(!document.contains("- Codec:"), "{document}");
    }

    #[test]
    fn without_results_nothing_is_drawn() {
        let outputs = report(Vec::new()).outputs(README).expect("a README");
        let written: Vec<&str> = outputs
            .iter()
            .filter(|output| output.content.is_some())
            .filter_map(|output| output.path.to_str())
            .collect();
        assert_eq!(written, ["README.md", "benches/RESULTS.md"]);
        assert_eq!(outputs.len(), 10);
    }
}
