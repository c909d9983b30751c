"""Turns results into text: the machine, the side-by-side table and the budget rows."""

import dataclasses
import os
import pathlib
import platform
import statistics
import subprocess

from load import SCENARIOS
from servers import FOREIGN_CORES_MAX

BUSY_LOAD = 0.5


@dataclasses.dataclass
class Spread:
    """A median over rounds, with the least and the greatest."""
    median: float
    low: float
    high: float

    @staticmethod
    def of(values):
        values = list(values)
        return Spread(statistics.median(values), min(values), max(values))

    def text(self, digits=0):
        if self.low == self.high:
            return f"{self.median:,.{digits}f}"
        return (f"{self.median:,.{digits}f} "
                f"({self.low:,.{digits}f}..{self.high:,.{digits}f})")


def output_of(command, fallback="unknown"):
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return fallback
    return (done.stdout.strip() or done.stderr.strip() or fallback).splitlines()[0]


def filesystem_of(path):
    """Device and type of the file system that holds `path`: the longest mount point above it."""
    path = str(pathlib.Path(path).resolve())
    best = ("", "unknown", "unknown")
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        device, mount, kind = line.split()[:3]
        if (path + "/").startswith(mount.rstrip("/") + "/") and len(mount) >= len(best[0]):
            best = (mount, device, kind)
    return {"mount": best[0], "device": best[1], "type": best[2]}


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def git_commit(root):
    git = ["git", "-C", str(root)]
    commit = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True,
                            text=True)
    if commit.returncode != 0:
        return "none"
    changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True)
    return commit.stdout.strip() + (" with local changes" if changed.stdout.strip() else "")


def machine(root, work_dir):
    return {
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "filesystem": filesystem_of(work_dir),
        "wrk": output_of(["wrk", "--version"]).split(" Copyright")[0],
        "commit": git_commit(root),
        "load_average": os.getloadavg()[0],
    }


def print_machine(facts):
    disk = facts["filesystem"]
    print(f"machine   {facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB,"
          f" {facts['kernel']}")
    print(f"disk      {disk['type']} on {disk['device']}")
    print(f"commit    {facts['commit']}; {facts['wrk']}")
    if disk["type"] in ("tmpfs", "ramfs", "overlay"):
        print(f"NOTE      {disk['type']} does not sync to a disk as a real data directory does:"
              " choose another with --dir")
    if facts["load_average"] > BUSY_LOAD:
        print(f"NOTE      the machine was busy before the run: load average"
              f" {facts['load_average']:.2f}; these figures are noisy")


class Results:
    """Everything measured in the rounds, by round."""

    def __init__(self):
        self.loads = []
        self.commits = []

    def values(self, scenario, connections, field):
        """One value per round, in the order of the rounds; empty when it was not measured."""
        return [r[field] for r in sorted(self.loads, key=lambda r: r["round"])
                if r["scenario"] == scenario and r["connections"] == connections]

    def commit_values(self, batch, field):
        return [r[field] for r in sorted(self.commits, key=lambda r: r["round"])
                if r["batch"] == batch]

    def ratio_to_constant(self, scenario, connections):
        return [a / b for a, b in zip(self.values(scenario, connections, "requests_per_s"),
                                      self.values("constant", connections, "requests_per_s"))]

    def latency_ratio(self):
        """accept p50 at one connection over constant p50 plus one bare commit, per round."""
        return [a / (c + commit) for a, c, commit in zip(
            self.values("accept", 1, "p50_us"), self.values("constant", 1, "p50_us"),
            self.commit_values(1, "p50_us"))]


def print_rows(header, rows):
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        cells = [cell.ljust(width) if i == 0 else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())
    print()


def print_noise(foreign_cores):
    foreign = Spread.of(foreign_cores)
    print(f"others    used {foreign.text(2)} cores during the runs")
    if foreign.high > FOREIGN_CORES_MAX:
        print("NOTE      somebody else was at work: repeat on a quiet machine before publishing")
    print()


def print_loads(results, connections):
    for count in connections:
        rows = []
        for scenario in SCENARIOS:
            rate = results.values(scenario, count, "requests_per_s")
            if not rate:
                continue
            settle = results.values(scenario, count, "settle_seconds") \
                if scenario == "accept" else []
            rows.append([
                scenario,
                Spread.of(rate).text(),
                Spread.of(results.values(scenario, count, "p50_us")).text(),
                Spread.of(results.values(scenario, count, "p99_us")).text(),
                Spread.of(results.ratio_to_constant(scenario, count)).text(2),
                Spread.of(settle).text(2) if settle else "",
            ])
        print_rows([f"{count} connection{'s' if count > 1 else ''}", "requests/s", "p50 µs",
                    "p99 µs", "× constant", "settled after s"], rows)


def print_commits(results):
    rows = [[f"{batch} record{'s' if batch > 1 else ''} per commit",
             Spread.of(results.commit_values(batch, "commits_per_s")).text(),
             Spread.of(results.commit_values(batch, "records_per_s")).text(),
             Spread.of(results.commit_values(batch, "p50_us")).text(),
             Spread.of(results.commit_values(batch, "p99_us")).text()]
            for batch in sorted({r["batch"] for r in results.commits})]
    print_rows(["bare LMDB, synchronous", "commits/s", "records/s", "p50 µs", "p99 µs"], rows)


@dataclasses.dataclass
class Budget:
    """One row of the budget table: what was measured, and its bound."""
    what: str
    values: list
    bound: float
    at_least: bool
    unit: str = "×"

    def passes(self):
        """None when it was not measured."""
        if not self.values:
            return None
        median = Spread.of(self.values).median
        return median >= self.bound if self.at_least else median <= self.bound

    def row(self):
        mark = {None: "not measured", True: "pass", False: "SHORT"}[self.passes()]
        measured = Spread.of(self.values).text(2) if self.values else "-"
        return [self.what, measured, f"{'≥' if self.at_least else '≤'} {self.bound:g} {self.unit}",
                mark]

    def record(self):
        return {"kind": "budget", "what": self.what, "values": self.values, "bound": self.bound,
                "at_least": self.at_least, "unit": self.unit, "passes": self.passes()}


def budgets(results, idle):
    return [
        Budget("accept, 64 connections, of constant",
               results.ratio_to_constant("accept", 64), 0.65, True),
        Budget("complete, 64 connections, of constant",
               results.ratio_to_constant("complete", 64), 0.35, True),
        Budget("accept p50, 1 connection, of constant p50 + bare commit p50",
               results.latency_ratio(), 1.15, False),
        Budget("replay, 64 connections, of constant",
               results.ratio_to_constant("replay", 64), 0.8, True),
        Budget("idle: anonymous memory", [idle["anonymous_mib"]], 32, False, "MiB"),
        Budget("idle: share of a core", [idle["cpu_percent"]], 1, False, "%"),
        Budget("idle: start to ready, empty data", idle["ready_ms"], 100, False, "ms"),
    ]


def print_budgets(rows):
    print_rows(["budget", "measured", "bound", ""], [row.row() for row in rows])
