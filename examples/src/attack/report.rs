//! What is printed: counts by outcome, and a line for each attack.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::well_behaved::Served;

/// How often what happened.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally(BTreeMap<String, u64>);

impl Tally {
    pub(super) fn add(&mut self, what: impl Into<String>) {
        self.add_many(what, 1);
    }

    pub(super) fn add_many(&mut self, what: impl Into<String>, times: u64) {
        if times > 0 {
            *self.0.entry(what.into()).or_default() += times;
        }
    }
}

impl<S: Into<String>> FromIterator<S> for Tally {
    fn from_iter<I: IntoIterator<Item = S>>(outcomes: I) -> Self {
        let mut tally = Self::default();
        for outcome in outcomes {
            tally.add(outcome);
        }
        tally
    }
}

impl fmt::Display for Tally {
    /// The most frequent first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts: Vec<_> = self.0.iter().collect();
        counts.sort_by_key(|&(_, count)| std::cmp::Reverse(*count));
        if counts.is_empty() {
            return f.write_str("nothing");
        }
        for (i, (what, count)) in counts.into_iter().enumerate() {
            write!(f, "{}{} x {what}", if i > 0 { ", " } else { "" }, grouped(*count))?;
        }
        Ok(())
    }
}

/// What an attack did and what came of it.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) sent: String,
    pub(super) did: Tally,
    /// More about it.
    pub(super) remark: String,
    /// What the server should have done otherwise; the attack has failed to be harmless if there is any.
    pub(super) faults: Vec<String>,
}

impl Findings {
    pub(super) fn new(sent: impl Into<String>) -> Self {
        Self { sent: sent.into(), ..Self::default() }
    }

    /// Counts an outcome, which is a fault unless it is as expected.
    pub(super) fn expect(&mut self, outcome: String, is_expected: bool, expected: &str) {
        if !is_expected {
            self.fault(format!("{outcome} instead of {expected}"));
        }
        self.did.add(outcome);
    }

    /// More about it.
    pub(super) fn remark(&mut self, remark: impl AsRef<str>) {
        if !self.remark.is_empty() {
            self.remark += "; ";
        }
        self.remark += remark.as_ref();
    }

    /// What is not a count: remarks and faults.
    pub(super) fn write_rest(&self, f: &mut impl fmt::Write) -> fmt::Result {
        if !self.remark.is_empty() {
            write!(f, "; {}", self.remark)?;
        }
        for (i, fault) in self.faults.iter().enumerate() {
            write!(f, "{}{fault}", if i == 0 { " -- FAILED: " } else { "; " })?;
        }
        Ok(())
    }

    /// A few are told, the others only counted in [`did`](Self::did).
    pub(super) fn fault(&mut self, fault: impl Into<String>) {
        let fault = fault.into();
        if self.faults.len() < 5 && !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }
}

/// Memory of one kind around an attack, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    pub(super) before: u64,
    pub(super) peak: u64,
    pub(super) after: u64,
    /// The most that is allowed during the attack, and after it.
    pub(super) bound: u64,
    pub(super) bound_after: u64,
}

/// A line of the table.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) attack: &'static str,
    pub(super) took: Duration,
    pub(super) resident: Usage,
    pub(super) allocated: Usage,
    /// The well-behaved clients.
    pub(super) echoes: Served,
    pub(super) newcomers: Served,
    pub(super) findings: Findings,
}

impl Line {
    pub(super) const HEADING: &str = "attack           seconds  MiB resident: before   peak  after  allowed  \
                                      MiB allocated: before   peak  after  allowed  echoes    worst  \
                                      newcomers    worst  verdict  what was sent: what the server did";

    pub(super) fn is_ok(&self) -> bool {
        self.findings.faults.is_empty()
    }

    pub(super) fn verdict(&self) -> &'static str {
        if self.is_ok() { "ok" } else { "FAILED" }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = |usage: Usage, width| {
            let [before, peak, after, bound] = [usage.before, usage.peak, usage.after, usage.bound].map(mib);
            format!("{before:>width$} {peak:>6} {after:>6} {bound:>8}")
        };
        let served = |who: Served, width| format!("{:>width$} {:>5} ms", who.count, millis(who.worst));
        let Findings { sent, did, .. } = &self.findings;
        write!(
            f,
            "{:<16} {:>7.1}  {}  {}  {}  {}  {:<7}  {sent}: {did}",
            self.attack,
            self.took.as_secs_f64(),
            memory(self.resident, 20),
            memory(self.allocated, 21),
            served(self.echoes, 6),
            served(self.newcomers, 9),
            self.verdict(),
        )?;
        self.findings.write_rest(f)
    }
}

pub(super) fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

pub(super) fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    if millis < 10.0 { format!("{millis:.1}") } else { format!("{millis:.0}") }
}

/// 1000000 as 1 000 000.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_readable_and_the_most_frequent_comes_first() {
        let mut tally = Tally::default();
        assert_eq!(tally.to_string(), "nothing");
        tally.add("EOF");
        tally.add_many("408", 1999);
        assert_eq!(tally.to_string(), "1 999 x 408, 1 x EOF");
        let numbers = [(0, "0"), (999, "999"), (1000, "1 000"), (1_000_000, "1 000 000"), (12_345, "12 345")];
        assert_eq!(numbers.map(|(number, _)| grouped(number)), numbers.map(|(_, text)| text));
    }

    #[test]
    fn columns_stand_below_their_headings() {
        let usage = |before, peak, after, bound| Usage { before, peak, after, bound, bound_after: bound };
        let served = |count, micros| Served { count, worst: Duration::from_micros(micros) };
        let line = Line {
            attack: "a",
            took: Duration::from_secs(12),
            resident: usage(5 << 20, 107 << 20, 6 << 20, 13 << 20),
            allocated: usage(3 << 20, 207 << 20, 4 << 20, 11 << 20),
            echoes: served(23456, 1234),
            newcomers: served(765, 123_000),
            findings: Findings::new("this"),
        };
        let line = line.to_string();
        let values = ["5.0", "107.0", "6.0", "13.0", "3.0", "207.0", "4.0", "11.0", "23456", "1.2 ms", "765"];
        let headings = [
            "resident: before",
            "peak",
            "after",
            "allowed",
            "allocated: before",
            "peak",
            "after",
            "allowed",
            "echoes",
            "worst",
            "newcomers",
        ];
        let mut end = 0;
        for (heading, value) in headings.into_iter().zip(values) {
            end += Line::HEADING[end..].find(heading).unwrap() + heading.len();
            assert!(line[..end].ends_with(&format!(" {value}")), "{value}\n{}\n{line}", Line::HEADING);
        }
        let verdict = Line::HEADING.find("verdict").unwrap();
        assert!(line[verdict..].starts_with("ok"), "{line}");
    }

    #[test]
    fn what_is_not_expected_is_a_fault() {
        let mut findings = Findings::new("x");
        findings.expect("Close 1009".into(), true, "Close 1009");
        assert!(findings.faults.is_empty());
        findings.expect("reset".into(), false, "Close 1009");
        assert_eq!(findings.faults, ["reset instead of Close 1009"]);
        assert_eq!(findings.did.to_string(), "1 x Close 1009, 1 x reset");
    }
}
