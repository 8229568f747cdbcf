//! The program that attacks the demo. CI runs `attack --quick` on the release build, a tenth of every attack; here is what the command line
//! promises.

use std::process::{Command, Output};

const DEMO: &str = env!("CARGO_BIN_EXE_demo");

fn attack(args: &[&str]) -> (String, String, Option<i32>) {
    run(Command::new(env!("CARGO_BIN_EXE_attack")).args(args))
}

fn run(command: &mut Command) -> (String, String, Option<i32>) {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (text(stdout), text(stderr), status.code())
}

#[test]
#[cfg(target_os = "linux")]
fn one_attack_after_another_has_its_line() {
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/one-attack-after-another.md");
    let mut args = vec!["--quick", "--demo", DEMO, "--report", file];
    args.extend(["--only", "close-codes", "--only", "resets"]);
    let (out, err, code) = attack(&args);
    assert_eq!((code, &*err), (Some(0), ""), "{out}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert!(lines[0].starts_with("attack ") && lines[0].contains(" verdict "), "{out}");
    assert!(lines[1].starts_with("close-codes ") && lines[1].contains(" ok "), "{out}");
    assert!(lines[1].contains(": 319 x Close 1002, 220 x the same"), "{out}");
    assert!(lines[2].starts_with("resets ") && lines[2].contains(" 2 004 x reset by us"), "{out}");

    let report = std::fs::read_to_string(file).expect("the report");
    let rows: Vec<&str> = report.lines().filter(|line| line.ends_with("| ok |")).collect();
    assert_eq!(rows.len(), 2, "{report}");
    assert!(rows[0].starts_with("| close-codes | ") && rows[0].contains("319 x Close 1002"), "{report}");
    assert!(
        report.contains("attack --quick --only close-codes --only resets --report one-attack"),
        "{report}"
    );
    assert!(!report.contains(env!("CARGO_TARGET_TMPDIR")), "{report}");
}

/// Without `memory::return_large_blocks` more is left than the attack allows.
#[test]
#[cfg(target_os = "linux")]
fn large_messages_that_never_end_leave_nothing_behind() {
    let (out, err, code) = attack(&["--quick", "--demo", DEMO, "--only", "unfinished-burst"]);
    assert_eq!((code, &*err), (Some(0), ""), "{out}");
    let line = out.lines().last().unwrap_or_default();
    assert!(line.starts_with("unfinished-burst ") && line.contains(" 300 x kept open; "), "{out}");
    assert!(line.ends_with(" MiB resident were left, of 6.0 allowed"), "{out}");
}

#[test]
#[cfg(target_os = "linux")]
fn fewer_connections_than_there_should_be_are_a_fault_unless_it_is_the_quick_run() {
    let limited = |limit: u32, args: &[&str]| {
        let command = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        let attack = ["-c", &command, env!("CARGO_BIN_EXE_attack"), "--demo", DEMO, "--only", "crowded-head"];
        run(Command::new("sh").args(attack).args(args))
    };
    let (out, _, code) = limited(300, &[]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("FAILED: 44 connections at a time, not 200: too few open files"), "{out}");
    let (out, _, code) = limited(270, &["--quick"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains(" ok ") && out.contains("; 14 connections at a time, not 20:"), "{out}");
}

#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_attacked_is_one_clear_line() {
    for (args, expected) in [
        (&["--only", "nonsense"][..], "--list"),
        (&["--demo", "/nothing/demo"], "/nothing/demo: "),
        (&["--report", "/nothing/report.md"], "/nothing/report.md: "),
        (&["--demo", "/bin/true"], "/bin/true does not say where it listens"),
    ] {
        let (out, err, code) = attack(args);
        assert_eq!(code, Some(1), "{out}{err}");
        assert!(err.starts_with("error: ") && err.contains(expected) && err.lines().count() == 1, "{err}");
    }
}

#[test]
fn help_and_list() {
    let (help, _, code) = attack(&["--help"]);
    assert_eq!(code, Some(0));
    for option in ["--demo", "--only", "--list", "--quick", "--report", "conformance/ATTACKS.md"] {
        assert!(help.contains(option), "{option}");
    }
    let (list, _, code) = attack(&["--list"]);
    assert_eq!((code, list.matches(" MiB allowed: ").count()), (Some(0), 18));
}
