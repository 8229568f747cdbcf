//! The program that attacks the demo. CI runs all of its attacks on the release build; here is what its command line promises.

use std::process::{Command, Output};

fn attack(args: &[&str]) -> (String, String, Option<i32>) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_attack")).args(args).output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (text(stdout), text(stderr), status.code())
}

#[test]
#[cfg(target_os = "linux")]
fn one_attack_after_another_has_its_line() {
    let demo = env!("CARGO_BIN_EXE_demo");
    let (out, err, code) = attack(&[
        "--quick",
        "--demo",
        demo,
        "--only",
        "close-codes",
        "--only",
        "half-open",
        "--only",
        "resets",
    ]);
    assert_eq!((code, &*err), (Some(0), ""), "{out}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 4, "{out}");
    assert!(lines[0].starts_with("attack ") && lines[0].contains(" verdict "), "{out}");
    assert!(lines[1].starts_with("close-codes ") && lines[1].contains(" ok "), "{out}");
    assert!(lines[1].contains(": 319 x Close 1002, 220 x the same"), "{out}");
    assert!(lines[2].starts_with("resets ") && lines[2].contains(" 2 004 x reset by us"), "{out}");
    assert!(lines[3].starts_with("half-open ") && lines[3].contains(" skipped "), "{out}");
}

#[test]
#[cfg(target_os = "linux")]
fn what_cannot_be_attacked_is_one_clear_line() {
    for (args, expected) in [
        (&["--only", "nonsense"][..], "--list"),
        (&["--demo", "/nothing/demo"], "/nothing/demo: "),
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
    for option in ["--demo", "--only", "--list", "--quick"] {
        assert!(help.contains(option), "{option}");
    }
    let (list, _, code) = attack(&["--list"]);
    assert_eq!((code, list.matches(" MiB allowed: ").count()), (Some(0), 17));
}
