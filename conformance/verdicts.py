"""What the Autobahn test suite's verdicts mean to us. Used by `server`, `client` and `report`.

The suite gives two verdicts about a case: one about the messages, one about the closing handshake. A case counts under the worse one.
NON-STRICT conforms to RFC 6455 but is not what a good peer does.
"""

# The suite calls these so whatever happens, and calls no others so. About the closing handshake it says all the same what it saw.
INFORMATIONAL = {
    "7.1.6": "a Close right after a message of 256 KiB: whether that is still answered is up to the implementation",
    "7.13.1": "a Close with status code 5000: undefined by the RFC",
    "7.13.2": "a Close with status code 65535: undefined by the RFC",
}
CLOSED = "Connection was properly closed"

NO_RESULT = {"behavior": "NO RESULT", "behaviorClose": "NO RESULT", "result": "", "resultClose": "", "duration": 0}

COLUMNS = ["strict", "non-strict", "informational", "failed"]


def column(case):
    """Where a case is counted."""
    both = {case["behavior"], case["behaviorClose"]}
    if both == {"OK"}:
        return "strict"
    if both <= {"OK", "INFORMATIONAL"}:
        return "informational"
    if both <= {"OK", "NON-STRICT"}:
        return "non-strict"
    return "failed"


def is_as_it_should_be(case):
    if case["case"] in INFORMATIONAL:
        return column(case) == "informational" and case["resultClose"] == CLOSED
    return column(case) == "strict"


def passed(results):
    return all(is_as_it_should_be(case) for case in results["cases"])


def section(case):
    return case["case"].split(".")[0]


def table(results):
    """Markdown: the cases of each section, counted."""
    sections = list(dict.fromkeys(section(case) for case in results["cases"]))
    rows = [["section", "", "cases", *COLUMNS]]
    for number in sections:
        cases = [case for case in results["cases"] if section(case) == number]
        rows.append([number, results["titles"][number], *counts(cases)])
    rows.append(["all", "", *counts(results["cases"])])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    # The first two columns are words, the others numbers.
    lines = [[cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))] for row in rows]
    lines.insert(1, ["-" * w if i < 2 else "-" * (w - 1) + ":" for i, w in enumerate(widths)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def counts(cases):
    found = [column(case) for case in cases]
    return [str(len(cases)), *(str(found.count(name)) for name in COLUMNS)]


def deviations(results):
    """A line about each kind of deviation, with the cases it was found in."""
    found = {}
    for case in results["cases"]:
        if not is_as_it_should_be(case):
            found.setdefault(said(case), []).append(case["case"])
    return [f"{what}: {', '.join(cases)}" for what, cases in found.items()]


def said(case):
    """What the suite says about a case."""
    if case["behavior"] == "NO RESULT":
        return "no result"
    return f"{case['behavior']} ({case['result']}), closing handshake {case['behaviorClose']} ({case['resultClose']})"


def slowest(results, count=5):
    cases = sorted(results["cases"], key=lambda case: -case["duration"])[:count]
    return ", ".join(f"{case['case']} {case['duration'] / 1000:.1f} s" for case in cases)
