//! Horizontal bars in groups, each with a whisker from the least to the greatest.

use super::{Anchor, Canvas, Caption, MARGIN, Palette, WIDTH};
use crate::results::{Spread, Who};

/// The plot.
#[derive(Debug, Clone)]
pub struct Bars {
    /// Title, unit, small print.
    pub caption: Caption,
    /// What the length of a bar stands for.
    pub scale: Scale,
    /// From top to bottom.
    pub groups: Vec<Group>,
}

/// What a length stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// Ratios from zero on, with a line at one. A bar longer than `most` is cut off there.
    Ratio {
        /// The end of the axis.
        most: f64,
    },
    /// Powers of ten. As a bar would need a zero, there are dots.
    Log,
}

/// Bars that are compared with each other.
#[derive(Debug, Clone)]
pub struct Group {
    /// What was done.
    pub name: String,
    /// From top to bottom.
    pub bars: Vec<Bar>,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Bar {
    /// Whose it is.
    pub name: String,
    /// What kind of contender that is.
    pub who: Who,
    /// Its length, and that of its whisker.
    pub spread: Spread,
    /// What stands behind it.
    pub value: String,
}

const LEFT: f64 = 260.0;
const RIGHT: f64 = WIDTH - 90.0;
const ROW: f64 = 17.0;
const BAR: f64 = 11.0;

impl Bars {
    /// Draws it.
    pub fn svg(&self, palette: &Palette) -> String {
        let mut canvas = Canvas::new(palette, &self.caption);
        let (ticks, end) = self.ticks();
        let (first, last) = (ticks.first().map_or(1.0, |tick| tick.0), end);
        let x = |value: f64| match self.scale {
            Scale::Ratio { .. } => LEFT + (RIGHT - LEFT) * (value / last).clamp(0.0, 1.0),
            Scale::Log => {
                let share = (value.max(first) / first).ln() / (last / first).ln();
                LEFT + (RIGHT - LEFT) * share.clamp(0.0, 1.0)
            }
        };
        let mut y = canvas.height + 14.0;
        for (value, label) in &ticks {
            canvas.text(x(*value), y, Anchor::Middle, 11.0, palette.small_print, label);
        }
        y += 4.0;
        for group in &self.groups {
            if !group.name.is_empty() {
                y += 24.0;
                canvas.text_of(MARGIN, y - 6.0, Anchor::Start, (12.5, palette.text, true), &group.name);
            }
            let bottom = y + group.bars.len() as f64 * ROW;
            for (value, _) in &ticks {
                let is_limit = *value == 1.0 && self.scale != Scale::Log;
                let colour = if is_limit { palette.limit } else { palette.grid };
                canvas.line(&[(x(*value), y), (x(*value), bottom)], 1.0, colour, "");
            }
            for bar in &group.bars {
                self.bar(&mut canvas, bar, y + (ROW - BAR) / 2.0, &x);
                y += ROW;
            }
        }
        canvas.height = y + 6.0;
        canvas.finish(&self.caption.small_print)
    }

    fn bar(&self, canvas: &mut Canvas<'_>, bar: &Bar, y: f64, x: &impl Fn(f64) -> f64) {
        let palette = canvas.palette;
        let (colour, text) = match bar.who {
            Who::Ours => (palette.ours, palette.ours),
            Who::Limit => (palette.grid, palette.limit),
            Who::Peer => (palette.peer, palette.text),
        };
        let (middle, baseline, end) = (y + BAR / 2.0, y + BAR - 1.5, x(bar.spread.median));
        let is_ours = bar.who == Who::Ours;
        canvas.text_of(LEFT - 8.0, baseline, Anchor::End, (12.0, text, is_ours), &bar.name);
        let (least, greatest) = (x(bar.spread.least), x(bar.spread.greatest));
        match self.scale {
            Scale::Ratio { most } => {
                canvas.rectangle((LEFT, y), (end - LEFT, BAR), colour);
                if bar.spread.median <= most {
                    whisker(canvas, least, greatest, middle);
                } else {
                    // Two gaps: it goes on.
                    for gap in [14.0, 8.0] {
                        canvas.line(
                            &[(end - gap - 3.0, y + BAR + 1.0), (end - gap + 3.0, y - 1.0)],
                            2.0,
                            palette.page,
                            "",
                        );
                    }
                }
            }
            Scale::Log => {
                canvas.line(&[(LEFT, middle), (end, middle)], 1.5, colour, "");
                canvas.dot((end, middle), 4.5, if bar.who == Who::Limit { palette.limit } else { colour });
                whisker(canvas, least, greatest, middle);
            }
        }
        let behind = end.max(greatest) + 8.0;
        canvas.text_of(behind, baseline, Anchor::Start, (12.0, text, is_ours), &bar.value);
    }

    /// Where the axis has its lines, and where it ends.
    fn ticks(&self) -> (Vec<(f64, String)>, f64) {
        let bars = || self.groups.iter().flat_map(|group| &group.bars);
        match self.scale {
            Scale::Ratio { most } => {
                let longest = bars().map(|bar| bar.spread.greatest.max(1.0)).fold(1.0, f64::max);
                let end = (longest * 2.0).ceil() / 2.0;
                let end = end.min(most);
                let ticks = (0..).map(|i| f64::from(i) / 2.0).take_while(|value| *value <= end);
                (ticks.map(|value| (value, format!("{value} ×"))).collect(), end)
            }
            Scale::Log => {
                let values =
                    || bars().flat_map(|bar| [bar.spread.least, bar.spread.greatest]).filter(|v| *v > 0.0);
                let least = values().fold(f64::MAX, f64::min).clamp(1.0, 1e12).log10().floor() as i32;
                let most = values().fold(1.0, f64::max).log10().ceil() as i32;
                let most = most.max(least + 1);
                let ticks = (least..=most).map(|power| 10_f64.powi(power));
                (
                    ticks
                        .map(|value| {
                            (value, crate::results::figure(value).replace(".00", "").replace(".0", ""))
                        })
                        .collect(),
                    10_f64.powi(most),
                )
            }
        }
    }
}

fn whisker(canvas: &mut Canvas<'_>, least: f64, greatest: f64, y: f64) {
    if greatest - least < 1.0 {
        return;
    }
    let colour = canvas.palette.text;
    canvas.line(&[(least, y), (greatest, y)], 1.0, colour, "");
    for end in [least, greatest] {
        canvas.line(&[(end, y - 3.0), (end, y + 3.0)], 1.0, colour, "");
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DARK, LIGHT, tests::check};
    use super::*;

    #[test]
    fn bars_are_drawn_as_svg() {
        let spread = |median: f64| Spread { least: median * 0.9, median, greatest: median * 1.3 };
        let bar = |name: &str, who, median| Bar {
            name: name.into(),
            who,
            spread: spread(median),
            value: format!("{median} <"),
        };
        let group = |name: &str| Group {
            name: name.into(),
            bars: vec![
                bar("floor", Who::Limit, 1.0),
                bar("sansws", Who::Ours, 0.8),
                bar("a & b", Who::Peer, 40.0),
                bar("none", Who::Peer, 0.0),
            ],
        };
        for scale in [Scale::Log, Scale::Ratio { most: 3.0 }] {
            let plot = Bars {
                caption: Caption {
                    title: "T".into(),
                    unit: "less is better".into(),
                    small_print: vec!["today".into()],
                },
                scale,
                groups: vec![group("one"), group("")],
            };
            for palette in [LIGHT, DARK] {
                check(
                    &plot.svg(&palette),
                    &["T", "less is better", "today", "one", "floor", "sansws", "a & b", "40 <"],
                );
            }
        }
    }
}
