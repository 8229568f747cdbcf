//! The plots of the README, and one of the document.

use std::path::PathBuf;

use super::{Output, Report};
use crate::chart::{Bar, Bars, Caption, DARK, Group, LIGHT, Line, Lines, Palette, Panel, Scale};
use crate::results::{Cell, Contender, Results, Who, figure};

/// The plots of the README: name, and what is seen on it for those who do not see it.
pub(super) const PLOTS: [(&str, &str); 3] = [
    ("codec", "CPU time per message of the codecs by payload, as a multiple of a minimum written by hand"),
    ("echo-and-broadcast", "CPU time of servers per echo and per delivery, as a multiple of raw sockets"),
    ("memory", "Resident memory of servers per idle connection"),
];

/// The one of the document.
pub(super) const SCALE: (&str, &str) = (
    "scale",
    "CPU time of servers per message, and their memory per connection, with 10 to 50 000 connections",
);

/// Ratios above this are cut off: what is near 1 has to be seen.
const MOST: f64 = 4.0;

/// What is left out of the bars.
const WAYS: &str = "A peer that was used in two ways has the better one of each row here.";

/// Where one is, below the root of the project.
pub(super) fn path(plot: &str, palette: &str) -> PathBuf {
    format!("benches/plots/{plot}-{palette}.svg").into()
}

/// Each of them, light and dark.
pub(super) fn all(report: &Report) -> Vec<Output> {
    let codec = report.get("codec").map(codec);
    let servers = servers(report.get("echo"), report.get("broadcast"));
    let memory = report.get("memory").map(memory);
    let scale = scale(report);
    let draw = |plot: &str, palette: &Palette| match plot {
        "scale" => scale.as_ref().map(|plot| plot.svg(palette)),
        "codec" => codec.as_ref().map(|plot| plot.svg(palette)),
        "memory" => memory.as_ref().map(|plot| plot.svg(palette)),
        _ => servers.as_ref().map(|plot| plot.svg(palette)),
    };
    let mut outputs = Vec::new();
    for (plot, _) in PLOTS.into_iter().chain([SCALE]) {
        for palette in [LIGHT, DARK] {
            outputs.push(Output { path: path(plot, palette.name), content: draw(plot, &palette) });
        }
    }
    outputs
}

fn codec(results: &Results) -> Lines {
    let tasks = [
        ("receive binary ", "a server receives binary messages"),
        ("receive multi-byte ", "a server receives text, 1 to 4 bytes a character"),
        ("server sends binary ", "a server sends binary messages"),
        ("client sends binary ", "a client sends binary messages, masked"),
    ];
    let panel =
        |(task, name): (&str, &str)| Panel { name: name.into(), unit: None, lines: lines(results, task) };
    let panels = tasks.map(panel).into_iter().filter(|panel| !panel.lines.is_empty()).collect();
    let ticks =
        [(16.0, "16 B"), (125.0, "125 B"), (1024.0, "1 KiB"), (16384.0, "16 KiB"), (1_048_576.0, "1 MiB")];
    Lines {
        caption: Caption {
            title: "Codec in memory: CPU time per message, by payload".into(),
            unit: "multiple of a minimum written by hand (floor = 1 ×) · less is better".into(),
            small_print: small_print(&[results], None),
        },
        ticks: ticks.map(|(size, label)| (size, label.into())).into(),
        panels,
    }
}

/// A line for each contender of the cells whose name is this, and a size.
fn lines(results: &Results, task: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for cell in &results.cells {
        let Some(size) = cell.work.strip_prefix(task).and_then(bytes) else { continue };
        for contender in &cell.contenders {
            let ratio = contender.against(&cell.contenders[0]).median;
            if !(ratio.is_finite() && ratio > 0.0) {
                continue;
            }
            match lines.iter_mut().find(|line| line.name == contender.name) {
                Some(line) => line.points.push((size, ratio)),
                None => lines.push(Line {
                    name: contender.name.clone(),
                    who: contender.who(),
                    points: vec![(size, ratio)],
                }),
            }
        }
    }
    lines
}

fn scale(report: &Report) -> Option<Lines> {
    let panels = [
        ("scale", "CPU time per message of 125 B", "ns"),
        ("scale-memory", "resident memory per connection, without the kernel's", "B"),
    ];
    let all: Vec<&Results> = panels.iter().filter_map(|(name, ..)| report.get(name)).collect();
    let panel = |(name, title, unit): (&str, &str, &'static str)| {
        Some(Panel { name: title.into(), unit: Some(unit), lines: figures(report.get(name)?) })
    };
    let counts = all.iter().flat_map(|results| &results.cells).filter_map(|cell| connections(&cell.work));
    let most = counts.fold(10.0, f64::max);
    // Two that are near each other would overlap.
    let between = [10.0, 100.0, 1000.0, 10_000.0].into_iter().filter(|count| count * 5.1 < most);
    let ticks = between.chain([most]).map(|count| (count, whole(count))).collect();
    (!all.is_empty()).then(|| Lines {
        caption: Caption {
            title: format!("From 10 to {} connections", whole(most)),
            unit: "by number of connections, each with one message in flight · both axes logarithmic · less is better".into(),
            small_print: small_print(&all, None),
        },
        ticks,
        panels: panels.into_iter().filter_map(panel).collect(),
    })
}

/// A count: 10, 10 000.
fn whole(count: f64) -> String {
    if count < 1000.0 { count.to_string() } else { figure(count) }
}

/// The number in "100 connections".
fn connections(work: &str) -> Option<f64> {
    work.strip_suffix(" connections")?.parse().ok()
}

/// A line for each contender over the numbers of connections.
fn figures(results: &Results) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for cell in &results.cells {
        let Some(count) = connections(&cell.work) else { continue };
        for contender in &cell.contenders {
            let point = (count, contender.spread().median);
            match lines.iter_mut().find(|line| line.name == contender.name) {
                Some(line) => line.points.push(point),
                None => {
                    let (name, who) = (contender.name.clone(), contender.who());
                    lines.push(Line { name, who, points: vec![point] });
                }
            }
        }
    }
    lines
}

/// The size in "16 KiB".
fn bytes(size: &str) -> Option<f64> {
    let (number, unit) = size.split_once(' ')?;
    let unit = match unit {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * unit)
}

fn servers(echo: Option<&Results>, broadcast: Option<&Results>) -> Option<Bars> {
    let echoes = ["64 × 1 × 125 B", "64 × 16 × 125 B", "8 × 4 × 16 KiB", "2 × 2 × 1 MiB"];
    let broadcasts = ["1000 × 1 × 125 B", "1000 × 16 × 125 B", "10000 × 1 × 125 B", "1000 × 1 × 16 KiB"];
    let mut groups = groups(echo, "Echo", "connections", &echoes);
    groups.extend(self::groups(broadcast, "Broadcast", "receivers", &broadcasts));
    let all: Vec<&Results> = echo.into_iter().chain(broadcast).collect();
    (!groups.is_empty()).then(|| Bars {
        caption: Caption {
            title: "Servers over loopback: CPU time per message".into(),
            unit: "multiple of sockets alone, in the same round · whiskers: least to greatest round · less is better".into(),
            small_print: small_print(&all, Some(WAYS)),
        },
        scale: Scale::Ratio { most: MOST },
        groups,
    })
}

fn groups(results: Option<&Results>, title: &str, whom: &str, works: &[&str]) -> Vec<Group> {
    let find = |work: &&str| results?.cells.iter().find(|cell| cell.work == *work);
    let group = |cell: &Cell| Group {
        name: format!("{title}: {} ({} = 1 ×)", in_words(&cell.work, whom), cell.contenders[0].name),
        bars: better_ways(cell)
            .into_iter()
            .skip(1)
            .filter_map(|contender| ratio_bar(cell, contender))
            .collect(),
    };
    works.iter().filter_map(find).map(group).filter(|group| !group.bars.is_empty()).collect()
}

/// "64 × 16 × 125 B" with what its numbers are.
fn in_words(work: &str, whom: &str) -> String {
    match *work.split(" × ").collect::<Vec<_>>() {
        [count, in_flight, size] => format!("{count} {whom} × {in_flight} in flight × {size}"),
        _ => work.to_owned(),
    }
}

/// Of a peer that was used in several ways, the better one; what is behind the comma is the way.
fn better_ways(cell: &Cell) -> Vec<&Contender> {
    let key = |contender: &Contender| contender.name.split(',').next().unwrap_or_default().to_owned();
    let median = |contender: &Contender| contender.against(&cell.contenders[0]).median;
    let is_best = |contender: &&Contender| {
        let mut same = cell.contenders.iter().filter(|other| key(other) == key(contender));
        contender.who() != Who::Peer || same.all(|other| median(contender) <= median(other))
    };
    cell.contenders.iter().filter(is_best).collect()
}

fn ratio_bar(cell: &Cell, contender: &Contender) -> Option<Bar> {
    let spread = contender.against(&cell.contenders[0]);
    let is_finite = spread.least.is_finite() && spread.greatest.is_finite();
    is_finite.then(|| Bar {
        name: contender.name.clone(),
        who: contender.who(),
        spread,
        value: format!("{:.2} ×", spread.median),
    })
}

fn memory(results: &Results) -> Bars {
    let group = |cell: &Cell| Group {
        name: cell.work.clone(),
        bars: better_ways(cell)
            .into_iter()
            .map(|contender| Bar {
                name: contender.name.clone(),
                who: contender.who(),
                spread: contender.spread(),
                value: figure(contender.spread().median),
            })
            .collect(),
    };
    Bars {
        caption: Caption {
            title: "Memory of one idle connection".into(),
            unit: "resident bytes of the server, logarithmic, without the kernel's · less is better".into(),
            small_print: small_print(&[results], Some(WAYS)),
        },
        scale: Scale::Log,
        groups: results.cells.iter().map(group).collect(),
    }
}

/// Where and how it was made.
fn small_print(all: &[&Results], note: Option<&str>) -> Vec<String> {
    let line = |results: &&Results| {
        let ran = &results.ran;
        [format!("{}, {}, {}, {}", ran.date, ran.processor, ran.rustc, ran.commit), results.command.clone()]
    };
    let mut lines: Vec<String> = note.map(str::to_owned).into_iter().collect();
    for line in all.iter().flat_map(line) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::tests::{report, results};
    use super::*;

    #[test]
    fn plots_have_everybody() {
        let codec = [("floor", 10.0), ("sansws", 11.0), ("tungstenite 0.30", 30.0)];
        let echo = [
            ("raw mio", 10.0),
            ("sansws-mio", 11.0),
            ("peer 1, one flush", 13.0),
            ("peer 1, its example", 90.0),
        ];
        let report = report(vec![
            results(
                "codec",
                &["receive binary 16 B", "receive binary 1 MiB", "receive binary 16 B, reads of 8 KiB"],
                &codec,
            ),
            results("echo", &["64 × 1 × 125 B"], &echo),
            results("broadcast", &["1000 × 1 × 125 B"], &[("bare write", 10.0), ("sansws-mio", 0.0)]),
            results("memory", &["10000 connections"], &echo),
            results("scale", &["10 connections", "50000 connections"], &echo[..2]),
        ]);
        let all = all(&report);
        assert_eq!(all.len(), 8);
        for (output, names) in all.iter().zip([
            ["floor", "sansws", "tungstenite 0.30", "16 B"],
            ["floor", "sansws", "tungstenite 0.30", "1 MiB"],
            ["sansws-mio", "peer 1, one flush", "1.10 ×", "A & B"],
            [
                "sansws-mio",
                "peer 1, one flush",
                "1.30 ×",
                "Broadcast: 1000 receivers × 1 in flight × 125 B (bare write = 1 ×)",
            ],
            ["raw mio", "sansws-mio", "peer 1, one flush", "10000 connections"],
            ["raw mio", "sansws-mio", "peer 1, one flush", "abcdef0"],
            ["raw mio", "sansws-mio", "CPU time per message", "50"],
            ["raw mio", "sansws-mio", "16 ns", "abcdef0"],
        ]) {
            let svg = output.content.as_deref().expect("a plot");
            let document = roxmltree::Document::parse(svg).expect("XML");
            let texts: Vec<&str> = document.descendants().filter_map(|node| node.text()).collect();
            for name in names {
                assert!(texts.iter().any(|text| text.contains(name)), "{name}: {texts:?}");
            }
            assert!(!svg.contains("NaN") && !svg.contains("its example"), "{svg}");
        }
    }

    #[test]
    fn sizes_are_read() {
        assert_eq!(["16 B", "2 KiB", "1 MiB"].map(bytes), [Some(16.0), Some(2048.0), Some(1_048_576.0)]);
        assert_eq!(bytes("16 KiB, reads of 8 KiB"), None);
    }
}
