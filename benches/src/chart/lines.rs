//! Lines over sizes, both axes logarithmic, in panels two beside each other; each line has its name at its end.

use super::{Anchor, Canvas, Caption, MARGIN, Palette, WIDTH};
use crate::results::Who;

/// The plot.
#[derive(Debug, Clone)]
pub struct Lines {
    /// Title, unit, small print.
    pub caption: Caption,
    /// Where the horizontal axis has lines, and what stands there.
    pub ticks: Vec<(f64, String)>,
    /// From left to right, from top to bottom.
    pub panels: Vec<Panel>,
}

/// Lines that are compared with each other.
#[derive(Debug, Clone)]
pub struct Panel {
    /// What was done.
    pub name: String,
    /// What the vertical axis counts: multiples of a limit, the same in all panels, or a unit.
    pub unit: Option<&'static str>,
    /// All of them.
    pub lines: Vec<Line>,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Line {
    /// Whose it is.
    pub name: String,
    /// What kind of contender that is.
    pub who: Who,
    /// Ratios, or figures in the panel's unit, by size, from left to right.
    pub points: Vec<(f64, f64)>,
}

const PANEL: (f64, f64) = (WIDTH / 2.0, 280.0);
/// What a panel has around its lines: left for the axis, right for the names.
const LEFT: f64 = 50.0;
const RIGHT: f64 = 160.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 30.0;
const LABEL: f64 = 12.5;

impl Lines {
    /// Draws it.
    pub fn svg(&self, palette: &Palette) -> String {
        let mut canvas = Canvas::new(palette, &self.caption);
        let top = canvas.height;
        for (i, panel) in self.panels.iter().enumerate() {
            let at = ((i % 2) as f64 * PANEL.0, top + (i / 2) as f64 * PANEL.1);
            self.panel(&mut canvas, panel, at);
        }
        canvas.height += self.panels.len().div_ceil(2) as f64 * PANEL.1;
        canvas.finish(&self.caption.small_print)
    }

    fn panel(&self, canvas: &mut Canvas<'_>, panel: &Panel, (left, top): (f64, f64)) {
        let palette = canvas.palette;
        canvas.text_of(left + MARGIN, top + 16.0, Anchor::Start, (13.0, palette.text, true), &panel.name);
        let (x_from, x_to) = ends(self.ticks.iter().map(|tick| tick.0));
        let (y_from, y_to) = match panel.unit {
            Some(_) => powers(values(&panel.lines)),
            None => self.ratios(),
        };
        let (plot_left, plot_right) = (left + LEFT, left + PANEL.0 - RIGHT);
        let (plot_top, plot_bottom) = (top + TOP, top + PANEL.1 - BOTTOM);
        let x =
            |value: f64| plot_left + (plot_right - plot_left) * (value / x_from).ln() / (x_to / x_from).ln();
        let y = |value: f64| {
            plot_bottom - (plot_bottom - plot_top) * (value / y_from).ln() / (y_to / y_from).ln()
        };

        for (value, label) in &self.ticks {
            // The last one would be below the names.
            let anchor = if *value == x_to { Anchor::End } else { Anchor::Middle };
            canvas.line(&[(x(*value), plot_top), (x(*value), plot_bottom)], 1.0, palette.grid, "");
            canvas.text(x(*value), plot_bottom + 15.0, anchor, 11.0, palette.small_print, label);
        }
        // Not more lines than have room.
        let step = if (y_to / y_from).log2() > 10.0 { 4.0 } else { 2.0 };
        let mut value = y_from;
        while value <= y_to {
            let is_limit = panel.unit.is_none() && value == 1.0;
            let colour = if is_limit { palette.limit } else { palette.grid };
            canvas.line(&[(plot_left, y(value)), (plot_right, y(value))], 1.0, colour, "");
            let label = match panel.unit {
                Some(unit) => short(value, unit),
                None if value < 1.0 => format!("1/{} ×", 1.0 / value),
                None => format!("{value} ×"),
            };
            canvas.text(plot_left - 5.0, y(value) + 4.0, Anchor::End, 11.0, palette.small_print, &label);
            value *= step;
        }
        let mut labels = Vec::new();
        // Ours last, above the others.
        let (ours, others): (Vec<&Line>, Vec<&Line>) =
            panel.lines.iter().partition(|line| line.who == Who::Ours);
        for (is_ours, lines) in [(false, others), (true, ours)] {
            for (i, line) in lines.into_iter().enumerate() {
                let points: Vec<(f64, f64)> =
                    line.points.iter().map(|&(size, ratio)| (x(size), y(ratio))).collect();
                let Some(&end) = points.last() else { continue };
                let (colour, width, dash) = match line.who {
                    Who::Ours => (palette.ours, 2.5, ["", "6 3", "2 3"][i % 3]),
                    Who::Limit => (palette.limit, 1.2, "3 3"),
                    Who::Peer => (palette.hues[hue(&line.name) % palette.hues.len()], 1.2, ""),
                };
                canvas.line(&points, width, colour, dash);
                labels.push((end, colour, is_ours, &*line.name));
            }
        }
        labels.sort_by(|a, b| a.0.1.total_cmp(&b.0.1));
        let wanted: Vec<f64> = labels.iter().map(|label| label.0.1).collect();
        for ((end, colour, is_ours, name), y) in labels.into_iter().zip(apart(&wanted, plot_top, plot_bottom))
        {
            canvas.line(&[end, (plot_right + 10.0, y)], 0.7, colour, "");
            canvas.text_of(plot_right + 13.0, y + 4.0, Anchor::Start, (11.0, colour, is_ours), name);
        }
    }

    /// Powers of two around all ratios.
    fn ratios(&self) -> (f64, f64) {
        let panels = self.panels.iter().filter(|panel| panel.unit.is_none());
        let values = panels.flat_map(|panel| values(&panel.lines));
        powers(values.chain([1.0, 2.0]))
    }
}

fn values(lines: &[Line]) -> impl Iterator<Item = f64> {
    lines.iter().flat_map(|line| &line.points).map(|point| point.1)
}

/// Powers of two around all values.
fn powers(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, greatest) = ends(values);
    (2_f64.powf(least.log2().floor()), 2_f64.powf(greatest.log2().ceil()))
}

/// A figure in few characters: 512 B, 4 KiB, 8.2 µs.
fn short(value: f64, unit: &str) -> String {
    match unit {
        "B" if value >= 1_048_576.0 => format!("{} MiB", value / 1_048_576.0),
        "B" if value >= 1024.0 => format!("{} KiB", value / 1024.0),
        "ns" if value >= 1000.0 => format!("{:.1} µs", value / 1000.0),
        _ => format!("{value} {unit}"),
    }
}

/// The same for a name in each panel.
fn hue(name: &str) -> usize {
    const ORDER: [&str; 9] = [
        "tungstenite",
        "fastwebsockets",
        "tokio-websockets",
        "yawc",
        "sockudo-ws",
        "wtx",
        "ws-tool",
        "embedded-websocket",
        "web-socket",
    ];
    ORDER.iter().position(|peer| name.starts_with(peer)).unwrap_or(ORDER.len())
}

/// The least and the greatest; something that has a logarithm if there are none.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, greatest) = values
        .filter(|value| *value > 0.0)
        .fold((f64::MAX, 0.0), |(a, b), value| (value.min(a), value.max(b)));
    if least < greatest { (least, greatest) } else { (1.0, 2.0) }
}

/// Moves sorted places of labels as far apart as they need, and back up if that went beyond the bottom.
fn apart(wanted: &[f64], top: f64, bottom: f64) -> Vec<f64> {
    let mut places: Vec<f64> = Vec::new();
    for &place in wanted {
        let least = places.last().map_or(top, |last| last + LABEL);
        places.push(place.max(least));
    }
    let mut most = bottom;
    for place in places.iter_mut().rev() {
        *place = place.min(most);
        most = *place - LABEL;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::super::{DARK, LIGHT, tests::check};
    use super::*;

    #[test]
    fn labels_do_not_overlap() {
        assert_eq!(apart(&[0.0, 1.0, 50.0], 0.0, 60.0), [0.0, 12.5, 50.0]);
        assert_eq!(apart(&[58.0, 59.0, 60.0], 0.0, 60.0), [35.0, 47.5, 60.0]);
    }

    #[test]
    fn lines_are_drawn_as_svg() {
        let line = |name: &str, who, ratio: f64| Line {
            name: name.into(),
            who,
            points: vec![(16.0, ratio), (1024.0, ratio * 2.0)],
        };
        let panel = |name: &str| Panel {
            name: name.into(),
            unit: None,
            lines: vec![
                line("floor", Who::Limit, 1.0),
                line("sansws", Who::Ours, 0.7),
                line("a & b", Who::Peer, 9.0),
            ],
        };
        let plot = |panels| Lines {
            caption: Caption {
                title: "T".into(),
                unit: "less is better".into(),
                small_print: vec!["today".into()],
            },
            ticks: vec![(16.0, "16 B".into()), (1024.0, "1 KiB".into())],
            panels,
        };
        for palette in [LIGHT, DARK] {
            let svg = plot(vec![panel("one"), panel("two"), panel("three")]).svg(&palette);
            check(
                &svg,
                &["T", "today", "one", "three", "floor", "sansws", "a & b", "1 KiB", "16 ×", "1/2 ×"],
            );
            let bytes = Panel {
                unit: Some("B"),
                lines: vec![line("sansws", Who::Ours, 200.0), line("raw", Who::Limit, 600_000.0)],
                ..panel("bytes")
            };
            check(&plot(vec![bytes]).svg(&palette), &["128 B", "2 KiB", "2 MiB"]);
            check(
                &plot(vec![Panel { name: "empty".into(), unit: None, lines: Vec::new() }]).svg(&palette),
                &["empty"],
            );
        }
    }
}
