"""Coverage of src/core from an export of llvm-cov, against the exceptions that are argued.

usage: report.py EXPORT.json

A branch is one outcome of one condition; the instances of a template count together. Two kinds of
branches are no branches of the program and are left out: `planted(...)`, which is the constant
false in this build, and the way past all cases of a switch without `default`, which no value of a
closed enum takes (-Wswitch is an error, so no case is missing).

A condition has MC/DC if it alone has turned its decision both ways. A decision of which a branch is
an exception is not asked for it: it cannot have it.
"""

import collections
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXCEPTIONS = ROOT / "docs" / "testing" / "coverage-exceptions.txt"

Gap = collections.namedtuple("Gap", "file line condition never")


class File:
    def __init__(self, entry):
        self.name = str(pathlib.Path(entry["filename"]).relative_to(ROOT))
        self.lines = pathlib.Path(entry["filename"]).read_text().split("\n")
        self.summary = entry["summary"]
        self.branches = collections.defaultdict(lambda: [0, 0])
        for branch in entry["branches"]:
            if not self.no_branch(branch[:4]):
                counts = self.branches[tuple(branch[:4])]
                counts[0] += branch[4]
                counts[1] += branch[5]
        self.decisions = {}
        for record in entry.get("mcdc_records", []):
            place, conditions = tuple(record[:4]), record[-1]
            known = self.decisions.get(place, [False] * len(conditions))
            self.decisions[place] = [a or b for a, b in zip(known, conditions)]

    def text(self, place):
        line1, column1, line2, column2 = place
        if line1 == line2:
            return self.lines[line1 - 1][column1 - 1:column2 - 1]
        parts = [self.lines[line1 - 1][column1 - 1:], *self.lines[line1:line2 - 1],
                 self.lines[line2 - 1][:column2 - 1]]
        return " ".join(part.strip() for part in parts)

    def line(self, place):
        return self.lines[place[0] - 1].strip()

    def no_branch(self, place):
        text = self.text(place).removeprefix("!")
        return text.startswith("planted(") or f"switch ({text})" in self.line(place)

    def gaps(self):
        """{gap: the number of its line}, of branches."""
        found = {}
        for place, counts in sorted(self.branches.items()):
            for never, count in zip(("true", "false"), counts):
                # A label of a case has one way only: whether the case is ever come to.
                if count == 0 and not (never == "false" and self.text(place).startswith("case ")):
                    gap = Gap(self.name, self.line(place), self.text(place), never)
                    found[gap] = place[0]
        return found

    def dependent(self):
        """{gap: line} of decisions in which a condition never decided alone, all branches taken."""
        found = {}
        for place, conditions in sorted(self.decisions.items()):
            inside = [counts for at, counts in self.branches.items()
                      if place[:2] <= at[:2] and at[2:] <= place[2:]]
            text = self.text(place)
            if all(conditions) or "planted(" in text or any(0 in counts for counts in inside):
                continue
            for number, covered in enumerate(conditions, 1):
                if not covered:
                    gap = Gap(self.name, self.line(place), text, f"condition {number} alone")
                    found[gap] = place[0]
        return found


def exceptions():
    """{gap: why}, from blocks of `file:`, `line:`, `condition:`, `never:` and `why:`."""
    found = {}
    for block in EXCEPTIONS.read_text().split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith("#")]
        if lines:
            fields = dict(line.split(": ", 1) for line in lines)
            found[Gap(*(fields[name] for name in Gap._fields))] = fields["why"]
    return found


def main():
    files = [File(entry) for entry in json.load(open(sys.argv[1]))["data"][0]["files"]]
    argued = exceptions()
    failed = False
    used = set()
    print(f"{'':36} {'functions':>13} {'lines':>13} {'branches':>13} {'MC/DC':>13}")
    total = [0] * 8
    gaps = {}
    for file in sorted(files, key=lambda f: f.name):
        mine = {**file.gaps(), **file.dependent()}
        gaps.update(mine)
        conditions = [c for cs in file.decisions.values() for c in cs]
        labels = sum(file.text(place).startswith("case ") for place in file.branches)
        row = [file.summary["functions"]["covered"], file.summary["functions"]["count"],
               file.summary["lines"]["covered"], file.summary["lines"]["count"],
               2 * len(file.branches) - labels - len(file.gaps()),
               2 * len(file.branches) - labels, sum(conditions), len(conditions)]
        total = [a + b for a, b in zip(total, row)]
        show(file.name, row)
    show("all of src/core", total)
    for gap, number in gaps.items():
        why = argued.get(gap)
        used.add(gap)
        failed = failed or why is None
        print(f"\n{gap.file}:{number}: {gap.condition}: never {gap.never}\n    {gap.line}\n    "
              + (f"argued: {why}" if why else "NOT COVERED, and not argued"))
    for gap in argued.keys() - used:
        failed = True
        print(f"\n{EXCEPTIONS.name}: no longer so: {gap}")
    print(f"\n{len(gaps)} not covered, {len(argued)} argued: {'FAILED' if failed else 'all well'}")
    return 1 if failed else 0


def show(name, row):
    cells = [f"{row[i]:6}/{row[i + 1]:<6}" for i in range(0, len(row), 2)]
    print(f"{name:36} {' '.join(cells)}")


if __name__ == "__main__":
    sys.exit(main())
