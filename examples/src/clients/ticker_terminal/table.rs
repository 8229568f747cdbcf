//! The table of `ticker-client`, drawn over itself.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::clients::line_editor::cut;
use crate::clients::live_data_client::Quote;
use crate::clients::terminal::printable;

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";
const REST_OF_LINE: &str = "\x1b[K";
const CLEAR_SCREEN: &str = "\x1b[H\x1b[2J";

/// A row for each symbol, and a line about the connection.
pub(super) struct Table {
    symbols: Vec<String>,
    quotes: BTreeMap<String, Quote>,
    state: String,
    /// What the server refused last.
    notice: String,
    /// Lines on the terminal, and how large it was.
    drawn: usize,
    size: (usize, usize),
    received: u64,
}

impl Table {
    pub(super) fn new(symbols: &[String]) -> Self {
        let symbols = symbols.to_vec();
        Self {
            symbols,
            quotes: BTreeMap::new(),
            state: String::new(),
            notice: String::new(),
            drawn: 0,
            size: (0, 0),
            received: 0,
        }
    }

    pub(super) fn quote(&mut self, quote: &Quote) {
        self.received += 1;
        self.quotes.insert(quote.symbol.clone(), quote.clone());
    }

    pub(super) fn state(&mut self, text: &str) {
        self.state = text.into();
    }

    /// Something that is not about the connection.
    pub(super) fn notice(&mut self, text: &str) {
        self.notice = format!("; {text}");
    }

    /// What draws it over itself, in a terminal of so many columns and rows: longer lines would be wrapped, and with more of them the
    /// terminal would scroll.
    pub(super) fn draw(&mut self, size: (usize, usize)) -> String {
        // What is beside the last column, and below the last line, the cursor needs.
        let (columns, rows) = (size.0.saturating_sub(1), size.1.saturating_sub(1).max(1));
        let lines = self.lines(rows);
        let mut out = String::new();
        if self.drawn > 0 && self.size != size {
            // The terminal has moved what was there.
            out += CLEAR_SCREEN;
        } else if self.drawn > 0 {
            let _ = write!(out, "\x1b[{}A\r", self.drawn);
        }
        for line in &lines {
            let _ = writeln!(out, "{}{REST_OF_LINE}", cut(line, columns));
        }
        (self.drawn, self.size) = (lines.len(), size);
        out
    }

    /// At most `rows`.
    fn lines(&self, rows: usize) -> Vec<String> {
        let status = format!("{}, {} quotes{}", self.state, self.received, self.notice);
        let room = rows.saturating_sub(2);
        let is_cut = self.symbols.len() > room;
        let shown = if is_cut { room.saturating_sub(1) } else { self.symbols.len() };
        let mut lines = vec![format!("{:<8} {:>12} {:>10} {:>16}", "Symbol", "Price", "Change", "Volume")];
        lines.extend(self.symbols.iter().take(shown).map(|symbol| self.row(symbol)));
        if is_cut {
            lines.push(format!("and {} more", self.symbols.len() - shown));
        }
        lines.push(status);
        // In a few rows the end is what matters.
        lines.split_off(lines.len().saturating_sub(rows))
    }

    fn row(&self, symbol: &str) -> String {
        let name = printable(symbol).replace(['\n', '\t'], " ");
        match self.quotes.get(symbol) {
            None => format!("{name:<8} {:>12} {:>10} {:>16}", "-", "-", "-"),
            Some(Quote { price, change, volume, .. }) => {
                let colour = if *change < 0.0 { RED } else { GREEN };
                let volume = grouped(*volume);
                format!("{name:<8} {price:>12.2} {colour}{change:>+10.2}{PLAIN} {volume:>16}")
            }
        }
    }
}

/// 1,234,567
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567"), (123_456, "123,456")]
        {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_table_is_drawn_over_itself() {
        let mut table = Table::new(&["AAPL".into(), "TSLA".into()]);
        table.state("connected");
        let first = table.draw((80, 24));
        assert_eq!(first.lines().count(), 4);
        assert!(!first.contains("\x1b[4A"));
        table.quote(&Quote { symbol: "TSLA".into(), price: 250.5, change: -1.25, volume: 1_234_567 });
        let second = table.draw((80, 24));
        assert!(second.starts_with("\x1b[4A\r"));
        assert!(second.contains("\x1b[31m     -1.25") && second.contains("1,234,567"), "{second:?}");
    }

    #[test]
    fn a_table_fits_in_the_terminal() {
        let symbols: Vec<String> = (0..30).map(|i| format!("SYMBOL-{i}\n")).collect();
        for rows in 1..40 {
            for columns in [2, 20, 80] {
                let mut table = Table::new(&symbols);
                table.notice(&"long ".repeat(100));
                let drawn = table.draw((columns, rows));
                assert_eq!(drawn.lines().count(), (rows - 1).clamp(1, 32), "{drawn:?}");
                for line in drawn.lines() {
                    assert!(line.trim_end_matches(REST_OF_LINE).chars().count() < columns, "{line:?}");
                }
            }
        }
        let mut table = Table::new(&symbols);
        table.state("connected");
        assert!(table.draw((80, 10)).contains("\nand 24 more\x1b[K\nconnected, 0 quotes"));
        assert!(table.draw((80, 10)).starts_with("\x1b[9A\r"), "over itself");
        assert!(table.draw((80, 9)).starts_with(CLEAR_SCREEN), "another size");
    }
}
