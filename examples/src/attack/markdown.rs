//! The result as a file: the table, and how to have it anew.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::command_line::Options;
use super::report::{Line, Usage, mib, millis};
use super::scene::{MOST_EVER, MOST_KEPT};
use super::well_behaved::{MOST_TO_WAIT, Served};
use super::{ATTACKS, Report};

/// The text of the file.
pub(super) fn text(report: &Report, options: &Options, path: &Path) -> String {
    let (commit, command) = (commit().unwrap_or_default(), command(options, path));
    let verdict = if report.is_ok() { "all was borne" } else { "FAILED" };
    let (ever, kept, wait) = (MOST_EVER >> 20, MOST_KEPT >> 20, MOST_TO_WAIT.as_secs());
    let mut text = format!(
        "# Attacks on the running demo\n\n\
         Written{commit} by\n\n```text\n{command}\n```\n\n\
         Result: {verdict}.\n\n\
         Memory is that of the demo in MiB: before the attack, at its peak, after it, and in brackets the bound for the peak. *Resident* is what was touched, \
         *allocated* what was asked for, touched or not (`VmRSS` and `VmData` of Linux). Besides, neither may ever be above {ever} MiB, nor after an attack more \
         than {kept} MiB above what it was when the demo had started. Echoes and newcomers are those of well-behaved clients while the attack ran, with \
         the longest that one had to wait: there must be some, and none may wait for more than {wait} s. After each attack the demo must have no connection \
         more than before, and at the end it must exit with 0.\n\n\
         | attack | what was sent | what the server did | s | resident | allocated | echoes, worst | newcomers, worst | verdict |\n\
         |---|---|---|---:|---|---|---|---|---|\n"
    );
    text.extend(report.lines.iter().map(row));
    for trouble in &report.troubles {
        let _ = writeln!(text, "\nFAILED: {trouble}");
    }
    text += "\n## Bounds\n\nHow many MiB more than before it an attack may cost at its peak, and why.\n\n| attack | MiB | why |\n|---|---:|---|\n";
    for attack in &ATTACKS {
        let _ = writeln!(text, "| {} | {} | {} |", attack.name, attack.allowed_mib, attack.why);
    }
    text
}

fn row(line: &Line) -> String {
    let mut rest = String::new();
    let _ = line.findings.write_rest(&mut rest);
    let cells = [
        line.attack.to_string(),
        line.findings.sent.clone(),
        format!("{}{rest}", line.findings.did),
        format!("{:.1}", line.took.as_secs_f64()),
        memory(line.resident),
        memory(line.allocated),
        served(line.echoes),
        served(line.newcomers),
        line.verdict().to_string(),
    ];
    format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}

fn memory(usage: Usage) -> String {
    let Usage { before, peak, after, bound, .. } = usage;
    format!("{}, {}, {} ({})", mib(before), mib(peak), mib(after), mib(bound))
}

fn served(who: Served) -> String {
    format!("{}, {} ms", who.count, millis(who.worst))
}

/// What somebody else would type. A path of this machine tells them nothing.
fn command(options: &Options, path: &Path) -> String {
    let mut command = String::from("cargo build --release && target/release/attack");
    if options.quick {
        command += " --quick";
    }
    for name in &options.only {
        command += " --only ";
        command += name;
    }
    let path = if path.is_relative() { path } else { path.file_name().map_or(path, Path::new) };
    format!("{command} --report {}", path.display())
}

/// The commit that the report is about, if git knows: that of the folder where this program was started.
fn commit() -> Option<String> {
    let git =
        Command::new("git").args(["describe", "--always", "--dirty"]).stdin(Stdio::null()).output().ok()?;
    let said = String::from_utf8(git.stdout).ok()?;
    git.status.success().then(|| format!(" at commit {}", said.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_no_place_of_this_machine() {
        let options =
            Options { demo: Some("/home/me/demo".into()), only: vec!["resets"], quick: true, report: None };
        let attack = "cargo build --release && target/release/attack --quick --only resets --report";
        for (path, shown) in [("conformance/A.md", "conformance/A.md"), ("/home/me/A.md", "A.md")] {
            assert_eq!(command(&options, Path::new(path)), format!("{attack} {shown}"));
        }
    }
}
