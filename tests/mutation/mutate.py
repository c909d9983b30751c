"""Mutation testing of src/core: how many small mistakes in the rules do the unit tests notice?

Every mutant is built into one binary (schemata.py); each is then turned on in a process of its own
that runs the unit tests of the core which come by it, quick ones first, until one fails, crashes or
takes too long. scripts/mutate.sh installs what this needs and starts it.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import schemata
import sites

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
BUILD = ROOT / "build" / "mutation"
SHADOW = BUILD / "src"
CLANG = "clang++-19"
IDS_PER_FILE = 2000
SLOW_US = 60_000  # tests that take longer run last, one at a time
COMPILE_ROUNDS_MAX = 12
STANDSTILL = 30  # times the limit of its own time: a process that waits for something for ever
PROGRESS = 250

FLAGS = ["-std=c++23", "-w", "-Wno-error", "-Wno-c++11-narrowing", "-Wno-invalid-constexpr",
         "-ferror-limit=0", "-ftemplate-backtrace-limit=0", "-g0", "-D_GLIBCXX_ASSERTIONS",
         f"-I{SHADOW}", f"-I{ROOT / 'tests'}", f'-DPAYONCE_SOURCE_DIR="{ROOT}"', "-include",
         str(HERE / "mutant.h")]


def find_mutants(jobs):
    """{file below src: its mutants}, numbered so that one file's do not move the others'."""
    found = {}
    paths = sorted([*ROOT.glob("src/core/**/*.cc"), *ROOT.glob("src/core/**/*.h")])
    arguments = ["-std=c++23", f"-I{ROOT / 'src'}"]
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        by_path = list(pool.map(sites.find, paths, [arguments] * len(paths)))
    for place, (path, mutants) in enumerate(zip(paths, by_path)):
        name = str(path.relative_to(ROOT / "src"))
        if len(mutants) >= IDS_PER_FILE:
            raise RuntimeError(f"{path}: more than {IDS_PER_FILE} mutants")
        for number, mutant in enumerate(mutants):
            mutant.id = place * IDS_PER_FILE + number + 1
            mutant.file = f"src/{name}"
        found[name] = mutants
    return found


class Build:
    """The shadow tree, its objects and the test binary."""

    def __init__(self, mutants, jobs):
        self.mutants = mutants
        self.jobs = jobs
        self.invalid = set()  # what does not compile
        self.launcher = ["ccache"] if shutil.which("ccache") else []

    def write(self):
        shutil.rmtree(SHADOW, ignore_errors=True)
        SHADOW.mkdir(parents=True)
        (SHADOW / "base").symlink_to(ROOT / "src" / "base")
        for name, mutants in self.mutants.items():
            path = SHADOW / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(schemata.render((ROOT / "src" / name).read_bytes(),
                                             [m for m in mutants if m.id not in self.invalid]))

    def compile(self, source, *flags):
        name = str(source).replace(str(SHADOW), "src").replace(str(ROOT) + "/", "")
        target = BUILD / "objects" / (name.replace("/", "_") + ".o")
        done = subprocess.run([*self.launcher, CLANG, *FLAGS, *flags, "-c", source, "-o", target],
                              capture_output=True, text=True, check=False)
        return target, done.returncode, done.stderr

    def all(self):
        (BUILD / "objects").mkdir(parents=True, exist_ok=True)
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            for _ in range(COMPILE_ROUNDS_MAX):
                self.write()
                core = list(pool.map(lambda path: self.compile(path, "-O1"),
                                     sorted(SHADOW.glob("core/**/*.cc"))))
                errors = "".join(stderr for _, status, stderr in core if status != 0)
                if not errors:
                    break
                self.drop(errors)
            else:
                raise RuntimeError(f"the mutants do not compile:\n{errors[:4000]}")
            others = list(pool.map(lambda path: self.compile(path, "-O0"), [
                *sorted(ROOT.glob("src/base/**/*.cc")),
                *sorted(ROOT.glob("tests/unit/core/*_test.cc")), HERE / "main.cc"]))
        for _, status, stderr in others:
            if status != 0:
                raise RuntimeError(stderr[:4000])
        subprocess.run([CLANG, "-o", BUILD / "unit_core", *(t for t, _, _ in core + others),
                        "-lgmock", "-lgtest", "-lrapidcheck", "-lpthread"], check=True)

    def drop(self, errors):
        """Takes out the mutants that the compiler complains of."""
        before = len(self.invalid)
        place = re.compile(r"build/mutation/src/(\S+?):(\d+):(\d+):")
        for error in re.split(r"\n(?=\S+:\d+:\d+: (?:fatal )?error:)", errors):
            for found in place.finditer(error):
                if found[1] not in self.mutants:
                    continue
                rendered = (SHADOW / found[1]).read_bytes()
                mutant = schemata.mutant_at(rendered, int(found[2]), int(found[3]))
                if mutant is not None:
                    self.invalid.add(mutant)
                    break
        if len(self.invalid) == before:
            raise RuntimeError(f"the mutants do not compile:\n{errors[:4000]}")


class Tests:
    """The test binary, and which of its tests come by which mutant."""

    def __init__(self):
        self.us = {}
        self.by_mutant = collections.defaultdict(list)
        trace = BUILD / "trace.txt"
        status = self.run(0, None, 600, {"PAYONCE_MUTANT_TRACE": str(trace)})
        if status != "survived":
            raise RuntimeError(f"without any mutant the tests end with: {status}")
        for line in trace.read_text().splitlines():
            test, us, reached = line.split("\t")
            self.us[test] = int(us)
            for mutant in reached.split():
                self.by_mutant[int(mutant)].append(test)

    def run(self, mutant, tests, limit_s, more=()):
        environment = {**os.environ, "PAYONCE_MUTANT": str(mutant), "RC_PARAMS": "seed=1",
                       "GTEST_FAIL_FAST": "1", **dict(more)}
        if tests is not None:
            environment["GTEST_FILTER"] = ":".join(tests)
        # Of the process' own time: a busy machine must not look like a loop without an end.
        limited = ["prlimit", f"--cpu={limit_s}", str(BUILD / "unit_core")]
        try:
            done = subprocess.run(limited, env=environment, timeout=STANDSTILL * limit_s,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, cwd=BUILD, check=False)
        except subprocess.TimeoutExpired:
            return "timed out"
        if done.returncode == 0:
            return "survived"
        if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
            return "timed out"
        return "failed" if done.returncode == 1 else "crashed"

    def judge(self, mutant):
        tests = sorted(self.by_mutant[mutant.id], key=self.us.get)
        if not tests:
            return "not reached"
        quick = [test for test in tests if self.us[test] < SLOW_US]
        for group in [quick, *([test] for test in tests[len(quick):])]:
            if group:
                verdict = self.run(mutant.id, group, 10 + sum(map(self.us.get, group)) // 10**5)
                if verdict != "survived":
                    return verdict
        return "survived"


def no_rule(mutant):
    """What is no rule of the core: which fields a record has is tested with the log's codec and its
    golden files (tests/unit/log, tests/golden), and what is reserved is only speed."""
    return mutant.operator == "statement" and (
        re.match(r'v\("', mutant.original) or ".reserve(" in mutant.original)


def select(mutants, arguments):
    chosen = [m for m in mutants if arguments.file in m.file and not no_rule(m)]
    if arguments.again:
        last = {tuple(key) for key in json.loads((BUILD / "survivors.json").read_text())}
        chosen = [m for m in chosen if m.key() in last]
    # Always in an order drawn by the seed, so that a run cut short is a sample as well.
    random.Random(arguments.seed).shuffle(chosen)
    return chosen[:arguments.sample] if arguments.sample else chosen


def report(verdicts, invalid, started):
    counts = collections.defaultdict(collections.Counter)
    for mutant, verdict in verdicts:
        lived = verdict in ("survived", "not reached")
        counts["all of them"]["lived" if lived else "killed"] += 1
        counts[f"[{mutant.operator}]"]["lived" if lived else "killed"] += 1
        counts[mutant.file]["lived" if lived else "killed"] += 1
    print(f"{'':42} {'mutants':>8} {'killed':>8} {'alive':>8}")
    for name in sorted(counts, key=lambda name: (name == "all of them", name)):
        killed, lived = counts[name]["killed"], counts[name]["lived"]
        print(f"{name:42} {killed + lived:8} {killed:8} {lived:8}")
    how = collections.Counter(verdict for _, verdict in verdicts)
    print(", ".join(f"{verdict}: {count}" for verdict, count in sorted(how.items())),
          f"(and {invalid} that do not compile); {time.monotonic() - started:.0f} s")
    alive = sorted((m for m, v in verdicts if v in ("survived", "not reached")),
                   key=lambda m: (m.file, m.line))
    print("\nalive:" if alive else "\nnone is alive")
    for mutant in alive:
        print(f"  {mutant}")
    (BUILD / "survivors.json").write_text(json.dumps([m.key() for m in alive]))


def main():
    parser = argparse.ArgumentParser(description="Mutation testing of src/core.")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants (0: all)")
    parser.add_argument("--seconds", type=float, default=1e9, help="judge for so long at most")
    parser.add_argument("--seed", type=int, default=1, help="of the order and the sample")
    parser.add_argument("--file", default="", help="mutants of files whose path contains this")
    parser.add_argument("--again", action="store_true", help="only what lived in the last run")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()

    started = time.monotonic()
    mutants = find_mutants(arguments.jobs)
    build = Build(mutants, arguments.jobs)
    build.all()
    valid = [m for ms in mutants.values() for m in ms if m.id not in build.invalid]
    tests = Tests()
    chosen = select(valid, arguments)
    print(f"{len(valid)} mutants, {len(chosen)} chosen, {len(tests.us)} tests; "
          f"ready after {time.monotonic() - started:.0f} s", flush=True)

    deadline = time.monotonic() + arguments.seconds
    verdicts = []

    def judge(mutant):
        return (mutant, tests.judge(mutant)) if time.monotonic() < deadline else None

    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for result in pool.map(judge, chosen):
            if result is not None:
                verdicts.append(result)
                if len(verdicts) % PROGRESS == 0:
                    print(f"{len(verdicts)} judged", file=sys.stderr, flush=True)
    report(verdicts, len(build.invalid), started)
    if len(verdicts) < len(chosen):
        print(f"{len(chosen) - len(verdicts)} were not judged: the time was over")
    return 0


if __name__ == "__main__":
    sys.exit(main())
