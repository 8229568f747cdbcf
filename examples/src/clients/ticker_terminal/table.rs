//! The table of `ticker-client`, drawn over itself.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::clients::live_data_client::Quote;
use crate::clients::terminal::printable;

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";
const REST_OF_LINE: &str = "\x1b[K";

/// A row for each symbol, and a line about the connection.
pub(super) struct Table {
    symbols: Vec<String>,
    quotes: BTreeMap<String, Quote>,
    state: String,
    /// What the server refused last.
    notice: String,
    /// Lines on the terminal.
    drawn: usize,
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

    /// What draws it over itself.
    pub(super) fn draw(&mut self) -> String {
        let mut out = String::new();
        if self.drawn > 0 {
            let _ = write!(out, "\x1b[{}A\r", self.drawn);
        }
        let _ =
            writeln!(out, "{:<8} {:>12} {:>10} {:>16}{REST_OF_LINE}", "Symbol", "Price", "Change", "Volume");
        for symbol in &self.symbols {
            let name = printable(symbol);
            let _ = match self.quotes.get(symbol) {
                None => writeln!(out, "{name:<8} {:>12} {:>10} {:>16}{REST_OF_LINE}", "-", "-", "-"),
                Some(Quote { price, change, volume, .. }) => {
                    let colour = if *change < 0.0 { RED } else { GREEN };
                    let volume = grouped(*volume);
                    writeln!(
                        out,
                        "{name:<8} {price:>12.2} {colour}{change:>+10.2}{PLAIN} {volume:>16}{REST_OF_LINE}"
                    )
                }
            };
        }
        let _ = writeln!(out, "{}, {} quotes{}{REST_OF_LINE}", self.state, self.received, self.notice);
        self.drawn = self.symbols.len() + 2;
        out
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
        let first = table.draw();
        assert_eq!(first.lines().count(), 4);
        assert!(!first.contains("\x1b[4A"));
        table.quote(&Quote { symbol: "TSLA".into(), price: 250.5, change: -1.25, volume: 1_234_567 });
        let second = table.draw();
        assert!(second.starts_with("\x1b[4A\r"));
        assert!(second.contains("\x1b[31m     -1.25") && second.contains("1,234,567"), "{second:?}");
    }
}
