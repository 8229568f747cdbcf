//! Plots as SVG, for light and for dark pages.

mod bars;
mod lines;

use std::fmt::Write;

pub use bars::{Bar, Bars, Group, Scale};
pub use lines::{Line, Lines, Panel};

/// The colours of a plot. Its background is transparent.
#[derive(Debug)]
pub struct Palette {
    /// What its files are named for.
    pub name: &'static str,
    /// The background of the page, which the others are chosen for.
    pub page: &'static str,
    text: &'static str,
    small_print: &'static str,
    grid: &'static str,
    ours: &'static str,
    limit: &'static str,
    peer: &'static str,
    /// For peers whose lines cross.
    hues: [&'static str; 9],
}

/// What stands around a plot.
#[derive(Debug, Clone, Default)]
pub struct Caption {
    /// What it shows.
    pub title: String,
    /// The unit, and which way is better.
    pub unit: String,
    /// Date, machine, command: a paragraph each.
    pub small_print: Vec<String>,
}

/// For light pages.
pub const LIGHT: Palette = Palette {
    name: "light",
    page: "#ffffff",
    text: "#1f2328",
    small_print: "#59636e",
    grid: "#d1d9e0",
    ours: "#bc4c00",
    limit: "#59636e",
    peer: "#818b98",
    hues: ["#0550ae", "#116329", "#8250df", "#0e7490", "#a0357a", "#b3003c", "#4d5b00", "#3b4fd8", "#6b3a2e"],
};

/// For dark pages.
pub const DARK: Palette = Palette {
    name: "dark",
    page: "#0d1117",
    text: "#f0f6fc",
    small_print: "#9198a1",
    grid: "#3d444d",
    ours: "#ff9640",
    limit: "#9198a1",
    peer: "#7d8590",
    hues: ["#79c0ff", "#7ee787", "#d2a8ff", "#39c5cf", "#f49ac2", "#ff8fa3", "#c9d96b", "#a3b3ff", "#d8a898"],
};

const WIDTH: f64 = 840.0;
const MARGIN: f64 = 16.0;

/// Which side of `x` a text is on.
#[derive(Debug, Clone, Copy)]
enum Anchor {
    Start,
    Middle,
    End,
}

/// A plot that is being drawn, from top to bottom.
struct Canvas<'a> {
    palette: &'a Palette,
    body: String,
    title: String,
    height: f64,
}

impl<'a> Canvas<'a> {
    /// Begins with title and unit; what follows has room from [`height`](Self::height) on.
    fn new(palette: &'a Palette, caption: &Caption) -> Self {
        let mut canvas = Self { palette, body: String::new(), title: caption.title.clone(), height: 56.0 };
        canvas.text_of(MARGIN, 24.0, Anchor::Start, (17.0, palette.text, true), &caption.title);
        canvas.text(MARGIN, 44.0, Anchor::Start, 13.0, palette.text, &caption.unit);
        canvas
    }

    fn text(&mut self, x: f64, y: f64, anchor: Anchor, size: f64, colour: &str, text: &str) {
        self.text_of(x, y, anchor, (size, colour, false), text);
    }

    fn text_of(
        &mut self,
        x: f64,
        y: f64,
        anchor: Anchor,
        (size, colour, bold): (f64, &str, bool),
        text: &str,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let weight = if bold { r#" font-weight="600""# } else { "" };
        let text = escaped(text);
        let _ = writeln!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" font-size="{size}" fill="{colour}"{weight}>{text}</text>"#
        );
    }

    /// `dash` as in `stroke-dasharray`; empty for none.
    fn line(&mut self, points: &[(f64, f64)], width: f64, colour: &str, dash: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let dash = if dash.is_empty() { String::new() } else { format!(r#" stroke-dasharray="{dash}""#) };
        let _ = writeln!(
            self.body,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"{dash}/>"#,
            points.join(" ")
        );
    }

    fn rectangle(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), colour: &str) {
        let _ = writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"/>"#
        );
    }

    fn dot(&mut self, (x, y): (f64, f64), radius: f64, colour: &str) {
        let _ = writeln!(self.body, r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" fill="{colour}"/>"#);
    }

    /// Ends it with the small print.
    fn finish(mut self, small_print: &[String]) -> String {
        self.height += 8.0;
        for line in small_print.iter().flat_map(|paragraph| wrapped(paragraph, 140)) {
            self.height += 14.0;
            let (y, colour) = (self.height, self.palette.small_print);
            self.text(MARGIN, y, Anchor::Start, 11.0, colour, &line);
        }
        self.height += MARGIN;
        let (height, title, body) = (self.height, escaped(&self.title), self.body);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
             role=\"img\" font-family=\"system-ui, sans-serif\">\n<title>{title}</title>\n{body}</svg>\n"
        )
    }
}

/// Text as XML has it, without characters that XML has not.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            character if character.is_control() => out.push(' '),
            character => out.push(character),
        }
    }
    out
}

/// Lines of so many characters at most, unless a word is longer.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every plot here is checked by this.
    pub(super) fn check(svg: &str, texts: &[&str]) {
        let document = roxmltree::Document::parse(svg).expect("XML");
        let root = document.root_element();
        assert_eq!((root.tag_name().name(), root.attribute("role")), ("svg", Some("img")));
        let number = |name: &str| root.attribute(name).and_then(|value| value.parse::<f64>().ok());
        let (width, height) = (number("width").expect("a width"), number("height").expect("a height"));
        assert_eq!(root.attribute("viewBox"), Some(&*format!("0 0 {width} {height}")));
        assert!(!svg.contains("NaN") && !svg.contains("inf\"") && !svg.contains("inf,"), "{svg}");
        let all: Vec<&str> = document.descendants().filter_map(|node| node.text()).collect();
        for text in texts {
            assert!(all.iter().any(|found| found.contains(text)), "{text} is not in {all:?}");
        }
        for node in document.descendants() {
            for (name, most) in [("x", width), ("cx", width), ("y", height), ("cy", height)] {
                let Some(value) = node.attribute(name) else { continue };
                let value: f64 = value.parse().expect("a number");
                assert!((0.0..=most).contains(&value), "{name}={value} is outside: {node:?}");
            }
        }
    }

    #[test]
    fn what_xml_would_take_for_its_own_is_escaped() {
        let caption =
            Caption { title: "<&\"\u{1}".into(), unit: "1 < 2".into(), small_print: vec!["a > b".into()] };
        let svg = Canvas::new(&LIGHT, &caption).finish(&caption.small_print);
        check(&svg, &["<&\" ", "1 < 2", "a > b"]);
    }

    #[test]
    fn long_lines_are_broken() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
    }

    /// By WCAG 2: 4.5 for text, 3 for what is drawn.
    #[test]
    fn colours_are_told_from_the_page() {
        for palette in [LIGHT, DARK] {
            let texts = [palette.text, palette.small_print, palette.ours, palette.limit];
            for colour in texts.iter().chain(&palette.hues) {
                assert!(contrast(colour, palette.page) >= 4.5, "{} {colour}", palette.name);
            }
            assert!(contrast(palette.peer, palette.page) >= 3.0, "{}", palette.name);
        }
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).expect("hex")) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }
}
