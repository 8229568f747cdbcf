//! What is printed: counts by outcome, and a line for each attack.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

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

    /// A few are told, the others only counted in [`did`](Self::did).
    pub(super) fn fault(&mut self, fault: impl Into<String>) {
        let fault = fault.into();
        if self.faults.len() < 5 && !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }
}

/// A line of the table.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) attack: &'static str,
    pub(super) took: Duration,
    /// Resident memory in bytes: before, the most, after, and how much more than before is allowed.
    pub(super) before: u64,
    pub(super) peak: u64,
    pub(super) after: u64,
    pub(super) allowed: u64,
    pub(super) worst_echo: Duration,
    pub(super) worst_newcomer: Duration,
    pub(super) findings: Findings,
}

impl Line {
    pub(super) const HEADING: &str = "attack           seconds  MiB before   peak  after  allowed   \
                                      worst echo  newcomer  verdict  what was sent: what the server did";

    /// Of an attack that was not carried out.
    pub(super) fn skipped(attack: &str, why: &str) -> String {
        format!(
            "{attack:<16} {:>7}  {:>10} {:>6} {:>6} {:>8} {:>12} {:>9}  skipped  {why}",
            "-", "-", "-", "-", "-", "-", "-"
        )
    }

    pub(super) fn is_ok(&self) -> bool {
        self.findings.faults.is_empty()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Findings { sent, did, remark, faults } = &self.findings;
        write!(
            f,
            "{:<16} {:>7.1}  {:>10} {:>6} {:>6} {:>8} {:>9} ms {:>6} ms  {:<7}  {sent}: {did}",
            self.attack,
            self.took.as_secs_f64(),
            mib(self.before),
            mib(self.peak),
            mib(self.after),
            mib(self.before + self.allowed),
            millis(self.worst_echo),
            millis(self.worst_newcomer),
            if self.is_ok() { "ok" } else { "FAILED" },
        )?;
        if !remark.is_empty() {
            write!(f, "; {remark}")?;
        }
        for (i, fault) in faults.iter().enumerate() {
            write!(f, "{}{fault}", if i == 0 { " -- FAILED: " } else { "; " })?;
        }
        Ok(())
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

fn millis(time: Duration) -> String {
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
        let line = Line {
            attack: "a",
            took: Duration::from_secs(12),
            before: 5 << 20,
            peak: 107 << 20,
            after: 6 << 20,
            allowed: 8 << 20,
            worst_echo: Duration::from_micros(1234),
            worst_newcomer: Duration::from_millis(123),
            findings: Findings::new("this"),
        };
        let line = line.to_string();
        let skipped = Line::skipped("a", "why");
        for (heading, value) in [("before", "5.0"), ("peak", "107.0"), ("after", "6.0"), ("allowed", "13.0")]
        {
            let end = Line::HEADING.find(heading).unwrap() + heading.len();
            assert!(line[..end].ends_with(value), "{value}\n{}\n{line}", Line::HEADING);
            assert!(skipped[..end].ends_with(" -"), "{heading}\n{}\n{skipped}", Line::HEADING);
        }
        let verdict = Line::HEADING.find("verdict").unwrap();
        assert!(line[verdict..].starts_with("ok"), "{line}");
        assert!(skipped[verdict..].starts_with("skipped"), "{skipped}");
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
