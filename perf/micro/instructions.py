"""Instructions that a payment costs the core, counted by valgrind, against those on record.

    python3 perf/micro/instructions.py BINARY            compare; exits with 1 beyond 5 percent
    python3 perf/micro/instructions.py BINARY --record   write what is counted

They do not depend on the machine's load, so they find what timing on a shared machine cannot. They
do depend on the compiler and the C library: the record is of the release build on Debian 12. Fewer
instructions than on record fail as well: record them, so that the next change is held against them.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys

RECORD = pathlib.Path(__file__).with_name("instructions.json")
MODES = ("decide", "encode", "fold")
FEW, MANY = 200, 1200
TOLERANCE = 0.05


def count(binary, mode, payments):
    """All instructions of one run."""
    run = subprocess.run(
        ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null",
         binary, mode, str(payments)],
        capture_output=True, text=True, timeout=300, check=False)
    found = re.search(r"I\s+refs:\s+([\d,]+)", run.stderr)
    if run.returncode != 0 or not found:
        sys.exit(f"instructions.py: {mode} failed ({run.returncode}):\n{run.stdout}{run.stderr}")
    return int(found.group(1).replace(",", ""))


def per_payment(binary, mode):
    """The difference of two runs: what the start costs is in both."""
    return round((count(binary, mode, MANY) - count(binary, mode, FEW)) / (MANY - FEW))


def main():
    parser = argparse.ArgumentParser(description="Instructions per payment.")
    parser.add_argument("binary", help="core_instructions of the release build")
    parser.add_argument("--record", action="store_true", help="write instead of compare")
    options = parser.parse_args()
    counted = {mode: per_payment(options.binary, mode) for mode in MODES}
    if options.record:
        RECORD.write_text(json.dumps(counted, indent=2) + "\n")
    recorded = json.loads(RECORD.read_text())
    wrong = False
    for mode in MODES:
        ratio = counted[mode] / recorded[mode]
        verdict = "ok" if abs(ratio - 1) <= TOLERANCE else "MOVED"
        wrong = wrong or verdict != "ok"
        print(f"{mode:8} {counted[mode]:8,} instructions per payment, on record "
              f"{recorded[mode]:8,}: {ratio:.3f} {verdict}")
    if wrong:
        print(f"moved by more than {TOLERANCE:.0%}; if that is meant: {sys.argv[0]} "
              f"{options.binary} --record")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
