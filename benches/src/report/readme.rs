//! The figures in the project's README, between two comments.

use std::error::Error;
use std::fmt::Write;

use super::plots::PLOTS;
use super::{Report, command, picture};
use crate::results::{Cell, Who, figure};

const BEGIN: &str = "<!-- figures -->\n";
const END: &str = "<!-- end of figures -->";

/// Peers this near are level with us: the machine does not tell more.
const LEVEL: f64 = 0.02;

/// What is shown of each table: its name, what its rows begin with here, the unit, and the rows.
const ROWS: [(&str, &str, &str, &[&str]); 4] = [
    (
        "codec",
        "",
        "ns",
        &[
            "receive binary 125 B",
            "receive binary 16 KiB",
            "receive multi-byte 1 KiB",
            "receive multi-byte in fragments of 64 B, 16 KiB",
            "server sends binary 125 B",
            "server sends binary 16 KiB",
            "client sends binary 1 KiB",
        ],
    ),
    ("echo", "echo ", "ns", &["64 × 1 × 125 B", "64 × 16 × 125 B", "8 × 4 × 16 KiB", "2 × 2 × 1 MiB"]),
    (
        "broadcast",
        "broadcast ",
        "ns",
        &["1000 × 1 × 125 B", "1000 × 16 × 125 B", "10000 × 1 × 125 B", "1000 × 1 × 16 KiB"],
    ),
    ("memory", "idle, ", "bytes", &["10000 connections"]),
];

/// This README with the figures of now.
pub(super) fn with_figures(
    readme: &str,
    report: &Report,
    has_plot: impl Fn(&str) -> bool,
) -> Result<String, Box<dyn Error>> {
    let missing = format!("README.md has no lines {} and {END}", BEGIN.trim_end());
    let (before, rest) = readme.split_once(BEGIN).ok_or(&*missing)?;
    let (_, after) = rest.split_once(END).ok_or(&*missing)?;
    Ok(format!("{before}{BEGIN}{}{END}{after}", figures(report, has_plot)))
}

fn figures(report: &Report, has_plot: impl Fn(&str) -> bool) -> String {
    let (rows, missing) = (rows(report), missing(report));
    if rows.is_empty() {
        return format!(
            "Nothing has been measured for this table yet. Run each of {} like this, then `report`:\n`{}`\n",
            missing.join(", "),
            command("codec")
        );
    }
    let mut out = format!(
        "| CPU time per message, or memory | limit | sansws | best peer | ahead |\n|---|---:|---:|---:|---|\n{rows}\n\
         × is against the limit: a minimum written by hand, raw sockets, bare writes. Medians of rounds in turns; echo: connections × messages in \
         flight × payload;\nbroadcast: receivers × publishes in flight × payload. The better of ours and of each peer's ways counts; within \
         {:.0} % is level. [All tables](benches/RESULTS.md),\nwith versions, machine, commands and spread.\n",
        LEVEL * 100.0
    );
    if !missing.is_empty() {
        let _ = writeln!(out, "Not measured yet: {}.", missing.join(", "));
    }
    for (plot, about) in PLOTS {
        if has_plot(plot) {
            out.push_str(&picture("benches/plots", plot, about));
        }
    }
    out
}

fn rows(report: &Report) -> String {
    let mut out = String::new();
    for (name, prefix, unit, works) in ROWS {
        let Some(results) = report.get(name) else { continue };
        for work in works {
            if let Some(cell) = results.cells.iter().find(|cell| cell.work == *work) {
                out.push_str(&row(&format!("{prefix}{work}"), unit, cell).unwrap_or_default());
            }
        }
    }
    out
}

fn row(title: &str, unit: &str, cell: &Cell) -> Option<String> {
    let (limit, ours) = (cell.contenders.first()?, cell.best(Who::Ours)?);
    let figure = |figures: f64| figure(figures);
    let ours_cell = format!("{} ({:.2} ×)", figure(ours.spread().median), ours.against(limit).median);
    let (peer, verdict) = match cell.best(Who::Peer) {
        None => ("–".to_owned(), "–"),
        Some(peer) => {
            let ratio = ours.against(peer).median;
            let verdict = if ratio < 1.0 - LEVEL {
                "yes"
            } else if ratio <= 1.0 + LEVEL {
                "level"
            } else {
                "**no**"
            };
            let (median, ratio) = (figure(peer.spread().median), peer.against(limit).median);
            (format!("{median} ({ratio:.2} ×), {}", peer.name), verdict)
        }
    };
    let limit = format!("{} {unit}", figure(limit.spread().median));
    Some(format!("| {title} | {limit} | {ours_cell} | {peer} | {verdict} |\n"))
}

fn missing(report: &Report) -> Vec<&'static str> {
    ROWS.iter().map(|row| row.0).filter(|name| report.get(name).is_none()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{README, report, results};
    use super::*;

    #[test]
    fn figures_stand_between_the_comments() {
        let echo = [
            ("raw mio", 10.0),
            ("minimal framing", 9.0),
            ("sansws-mio", 11.0),
            ("peer 1", 13.0),
            ("peer 2", 12.0),
        ];
        let report = report(vec![results("echo", &["64 × 1 × 125 B"], &echo)]);
        let readme = with_figures(README, &report, |plot| plot == "memory").expect("a README");
        let row = "| echo 64 × 1 × 125 B | 10.0 ns | 11.0 (1.10 ×) | 12.0 (1.20 ×), peer 2 | yes |\n";
        assert!(readme.contains(row), "{readme}");
        assert!(
            readme.starts_with("before\n<!-- figures -->\n| ")
                && readme.ends_with("<!-- end of figures -->\nafter\n"),
            "{readme}"
        );
        assert!(
            !readme.contains("old") && readme.contains("Not measured yet: codec, broadcast, memory."),
            "{readme}"
        );
        assert!(readme.contains("memory-dark.svg") && !readme.contains("codec-dark.svg"), "{readme}");
        assert_eq!(with_figures(&readme, &report, |plot| plot == "memory").expect("a README"), readme);
    }

    #[test]
    fn verdicts() {
        for (figure, verdict) in [(9.0, "yes"), (9.9, "level"), (10.1, "level"), (10.5, "**no**")] {
            let results =
                results("echo", &["w"], &[("raw mio", 5.0), ("sansws-mio", figure), ("peer 1", 10.0)]);
            let row = row("w", "ns", &results.cells[0]).expect("a row");
            assert!(row.ends_with(&format!("| {verdict} |\n")), "{row}");
        }
        let alone = results("echo", &["w"], &[("raw mio", 5.0), ("sansws-mio", 6.0)]);
        assert_eq!(
            row("w", "ns", &alone.cells[0]).expect("a row"),
            "| w | 5.00 ns | 6.00 (1.20 ×) | – | – |\n"
        );
    }

    #[test]
    fn a_sentence_stands_for_no_figures() {
        let readme = with_figures(README, &report(Vec::new()), |_| false).expect("a README");
        assert!(readme.contains("\nNothing has been measured ") && !readme.contains("|---"), "{readme}");
        assert!(with_figures("no comments", &report(Vec::new()), |_| false).is_err());
    }
}
