"""What the commands of this folder share: tools that are installed once, and the sections of RESULTS.md."""

import argparse
import datetime
import pathlib
import re
import shlex
import subprocess
import sys
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "RESULTS.md"

HEAD = """\
# What machines prove

Written by `proofs/exhaustive`, `proofs/flash`, `proofs/miri`, `proofs/mutants`, `proofs/mutants-driver` and `proofs/coverage`, each its own section. The verdicts on mutants add up over runs of `proofs/mutants --iterate`.
"""
SECTIONS = ["Exhaustive", "Flash", "Miri", "Mutants", "Mutants-driver", "Coverage"]
MUTANTS_VERSION = "27.1.0"


def arguments(name, doc, *options):
    parser = argparse.ArgumentParser(prog=f"proofs/{name}", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag, help, *number in options:
        if number:
            parser.add_argument(flag, type=number[0], default=number[1], help=help)
        else:
            parser.add_argument(flag, action="store_true", help=help)
    return parser.parse_args()


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def run(command, **how):
    print("+", shlex.join(map(str, command)), flush=True)
    return subprocess.run(command, cwd=ROOT, **how)


def said(*command):
    """The first line of what a command says; None if it fails or is not there."""
    try:
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip().split("\n")[0]
    except (OSError, subprocess.CalledProcessError):
        return None


def need_nightly(*components):
    if not said("rustup", "run", "nightly", "rustc", "--version"):
        if run(["rustup", "toolchain", "install", "nightly", "--profile", "minimal"]).returncode != 0:
            skip("no nightly Rust")
    installed = subprocess.run(
        ["rustup", "component", "list", "--toolchain", "nightly", "--installed"], capture_output=True, text=True
    ).stdout
    for component in components:
        if not re.search(rf"^{component}\b", installed, re.M):
            if run(["rustup", "component", "add", "--toolchain", "nightly", component]).returncode != 0:
                skip(f"nightly Rust has no {component}")


def need_cargo(tool, version):
    """Installs cargo's subcommand `tool` in this version unless it is there."""
    if said("cargo", tool, "--version") != f"cargo-{tool} {version}":
        if run(["cargo", "install", f"cargo-{tool}", "--version", version, "--locked"]).returncode != 0:
            skip(f"no cargo-{tool} {version}")


def ran(*tools):
    """What RESULTS.md says of a run before anything else: the day, the commit, the tools."""
    return ", ".join([str(datetime.date.today()), f"commit {commit()}", *map(str, tools)])


def commit():
    """The commit of core, and whether it was changed since; RESULTS.md itself, which the runs write, is no change."""
    changes = said("git", "status", "--porcelain", "--", "core", "Cargo.toml", "Cargo.lock")
    return f"{said('git', 'describe', '--always')}{'-dirty' if changes else ''}"


def sections():
    old = RESULTS.read_text() if RESULTS.exists() else ""
    return dict(re.findall(r"^## (.*)\n\n((?:(?!## ).*\n?)*)", old, re.M))


def section(title):
    """What RESULTS.md has under this title, or nothing."""
    return sections().get(title, "")


def write_section(title, text, ran=None):
    """Without `ran` it is still about the run that it was about."""
    all = sections()
    ran = ran or all.get(title, "unknown").split(": `proofs/")[0]
    all[title] = f"{ran}: `proofs/{title.lower()}`.\n\n{text}"
    RESULTS.write_text(HEAD + "".join(f"\n## {name}\n\n{all[name].strip()}\n" for name in SECTIONS if name in all))
    print(f"proofs/RESULTS.md: {title} is written")


def table(head, rows, total=None):
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    if total:
        lines.append("| " + " | ".join(f"**{cell}**" for cell in total) + " |")
    return "\n".join(lines)


def survivors(file):
    """The mutants that no test sees, as a file lists them: one entry for each, whether it has a reason of its own or shares it."""
    entries = tomllib.loads(file.read_text()).get("survivor", [])
    names = lambda entry: entry["mutant"] if isinstance(entry["mutant"], list) else [entry["mutant"]]
    return [entry | {"mutant": name} for entry in entries for name in names(entry)]


def is_survivor(entry, mutant):
    """By what is replaced and in which function, so that lines may move."""
    return entry["file"] == mutant["file"] and mutant["name"].endswith(f": {entry['mutant']}")


def survivor_line(entry):
    times = f", {entry['count']} times" if "count" in entry else ""
    return f"- `{entry['file']}`: {entry['mutant']}{times}. {' '.join(entry['reason'].split())}"
