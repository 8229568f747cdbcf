"""Runs the Autobahn test suite in shards and keeps what it finds. Used by `server` and `client`."""

import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

import verdicts

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
REPORTS = TARGET / "autobahn"  # REPORTS/ROLE has the suite's reports, and results.json
ENVIRONMENT = HERE / ".venv" / "autobahn" / "bin"
PYTHON27 = str(ENVIRONMENT / "python")
WSTEST = [PYTHON27, str(ENVIRONMENT / "wstest")]

AGENT = "sansws"
# Without sections 12 and 13: permessage-deflate.
BASIC = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"]
BASIC_CASES = 301

BASIC_LIMIT = 300  # seconds, for all shards
START_LIMIT = 15
STOP_LIMIT = 5


def main(role, about, tested):
    """The program of a role: runs the suite, prints and keeps the results, exits with 0 if all is as it should be.

    `tested` is a context with what is tested, and gives a function that runs cases: of a folder for reports, and their names. It returns
    whether that came to an end as it should.
    """
    options = parse(role, about)
    install()
    version, titles, cases = cases_of_suite(BASIC)
    if len(cases) != BASIC_CASES:
        sys.exit(f"the suite has {len(cases)} cases instead of {BASIC_CASES}")
    reports = REPORTS / role
    shutil.rmtree(reports, ignore_errors=True)
    with tested() as run_cases:
        start = time.monotonic()
        found, ended = run_shards(run_cases, reports, cases, options.shards)
        seconds = time.monotonic() - start

    results = {
        "suite": version,
        "titles": titles,
        "cases": [{"case": case, **found.get(case, verdicts.NO_RESULT)} for case in cases],
    }
    (reports / "results.json").write_text(json.dumps(results, indent=1))
    print(f"\n{verdicts.table(results)}\n")
    print("".join(f"{line}\n" for line in verdicts.deviations(results)), end="")
    print(f"slowest: {verdicts.slowest(results)}")
    print(f"{len(cases)} cases in {seconds:.0f} s; what the suite wrote is in {reports}")
    passed = ended and verdicts.passed(results)
    print("passed" if passed else "FAILED")
    sys.exit(0 if passed else 1)


def parse(role, about):
    parser = argparse.ArgumentParser(
        prog=f"conformance/{role}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shards", type=int, default=4, choices=range(1, 17), metavar="N", help="run in N parts at once (4)")
    return parser.parse_args()


def install():
    code = subprocess.run([str(HERE / "install")], stdin=subprocess.DEVNULL).returncode
    if code != 0:
        sys.exit(code)


def cases_of_suite(patterns):
    """The suite's version, the titles of its sections, and the cases that the patterns mean."""
    program = """
import json, sys, autobahntestsuite
from autobahntestsuite.caseset import CaseSet
from autobahntestsuite.case import Cases, CaseCategories, CaseSubCategories, CaseSetname, CaseBasename
cases = CaseSet(CaseSetname, CaseBasename, Cases, CaseCategories, CaseSubCategories)
print json.dumps([autobahntestsuite.version, CaseCategories, cases.parseSpecCases({"cases": json.loads(sys.argv[1])})])
"""
    command = [PYTHON27, "-W", "ignore", "-c", program, json.dumps(patterns)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout)


def run_shards(run_cases, reports, cases, count):
    """Runs every `count`-th case in a shard of its own, as neighbours cost alike. Returns what was found, by case, and whether all ended well."""
    folders = [reports / str(n) for n in range(count)]
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        futures = []
        for n, folder in enumerate(folders):
            folder.mkdir(parents=True)
            futures.append(pool.submit(run_cases, folder, cases[n::count]))
    ended = all([future.result() for future in futures])
    return {case: result for folder in folders for case, result in read(folder).items()}, ended


def spec(folder, cases, **more):
    """Writes what the suite is to do, and returns where."""
    path = folder / "spec.json"
    path.write_text(json.dumps({"outdir": str(folder), "cases": cases, **more}))
    return str(path)


def read(folder):
    """The results of one shard; a case that came to no end has none."""
    try:
        index = json.loads((folder / "index.json").read_text())
    except FileNotFoundError:
        return {}
    found = {}
    for case, entry in index.get(AGENT, {}).items():
        details = json.loads((folder / entry["reportfile"]).read_text())
        found[case] = {name: details[name] for name in ("behavior", "behaviorClose", "result", "resultClose", "duration")}
    return found


def build(name, *what):
    """Builds a program of the project in release, and returns where it is."""
    command = ["cargo", "build", "--release", "--locked", "--message-format", "json-render-diagnostics", *what]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    if built.returncode != 0:
        sys.exit(built.returncode)
    for line in built.stdout.splitlines():
        artifact = json.loads(line)
        if artifact.get("executable") and artifact["target"]["name"] == name:
            return artifact["executable"]
    sys.exit(f"cargo built no {name}")


def run(command, log, limit=BASIC_LIMIT):
    """Runs a program to its end, which has to be code 0 and in time; returns whether it was. What it prints goes to a file."""
    with open(log, "w") as file:
        try:
            code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=limit).returncode
        except subprocess.TimeoutExpired:
            code = f"none within {limit} s"
    if code != 0:
        print(f"{pathlib.Path(command[0]).name} ended with code {code}, see {log}", flush=True)
    return code == 0


@contextlib.contextmanager
def started(command, before_port):
    """A running server, as the port that it says after these words."""
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        # A server that says nothing for so long is ended; there is no port then.
        watchdog = threading.Timer(START_LIMIT, server.kill)
        watchdog.start()
        said = next((line for line in server.stdout if line.startswith(before_port)), None)
        watchdog.cancel()
        if said is None:
            sys.exit(f"{' '.join(command)} ended with code {server.wait(STOP_LIMIT)} before it said its port")
        # What it says later must not fill the pipe.
        threading.Thread(target=server.stdout.read, daemon=True).start()
        yield int(said[len(before_port) :].strip().rstrip("/"))
    finally:
        server.terminate()
        try:
            server.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
