"""What the Autobahn test suite's verdicts mean to us. Used by `server`, `client` and `report`.

The suite gives two verdicts about a case: one about the messages, one about the closing handshake. A case counts under the worse one.
NON-STRICT conforms to RFC 6455 but is not what a good peer does.
"""

# The suite calls these so whatever happens, and calls no others so.
INFORMATIONAL = {
    "7.1.6": "a Close right after a message of 256 KiB: whether that is still answered is up to the implementation",
    "7.13.1": "a Close with status code 5000: undefined by the RFC",
    "7.13.2": "a Close with status code 65535: undefined by the RFC",
}
# What is not offered or accepted cannot be tested.
DEFLATE = ("12", "13")

NO_RESULT = {"behavior": "NO RESULT", "behaviorClose": "NO RESULT", "result": "", "resultClose": "", "duration": 0}

COLUMNS = ["strict", "non-strict", "informational", "failed"]
WITH_DEFLATE = [*COLUMNS, "not negotiated"]


def column(case):
    """Where a case is counted."""
    both = {case["behavior"], case["behaviorClose"]}
    if both == {"OK"}:
        return "strict"
    if both <= {"OK", "INFORMATIONAL"}:
        return "informational"
    if both <= {"OK", "NON-STRICT"}:
        return "non-strict"
    if case["behavior"] == "UNIMPLEMENTED" and section(case) in DEFLATE:
        return "not negotiated"
    return "failed"


def is_as_it_should_be(case):
    if case["case"] in INFORMATIONAL:
        return column(case) == "informational"
    return column(case) in ("strict", "not negotiated")


def passed(results):
    return all(is_as_it_should_be(case) for case in results["cases"])


def section(case):
    return case["case"].split(".")[0]


def table(results):
    """Markdown: the cases of each section, counted."""
    sections = list(dict.fromkeys(section(case) for case in results["cases"]))
    columns = WITH_DEFLATE if set(DEFLATE) & set(sections) else COLUMNS
    rows = [["section", "", "cases", *columns]]
    for number in sections:
        cases = [case for case in results["cases"] if section(case) == number]
        rows.append([number, results["titles"][number], *counts(cases, columns)])
    rows.append(["all", "", *counts(results["cases"], columns)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    # The first two columns are words, the others numbers.
    lines = [[cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))] for row in rows]
    lines.insert(1, ["-" * w if i < 2 else "-" * (w - 1) + ":" for i, w in enumerate(widths)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def counts(cases, columns):
    found = [column(case) for case in cases]
    return [str(len(cases)), *(str(found.count(name)) for name in columns)]


def deviations(results):
    """A line about each case that is not as it should be."""
    for case in results["cases"]:
        if not is_as_it_should_be(case):
            yield (
                f"{case['case']}: {case['behavior']} ({case['result']}), "
                f"closing handshake {case['behaviorClose']} ({case['resultClose']})"
            )


def slowest(results, count=5):
    cases = sorted(results["cases"], key=lambda case: -case["duration"])[:count]
    return ", ".join(f"{case['case']} {case['duration'] / 1000:.1f} s" for case in cases)
