"""perf/compare.sh: two payonce binaries, alternated. See perf/README.md."""

import argparse
import contextlib
import pathlib
import shlex
import sys

import client as api
import load
import programs
import report
import servers
from servers import HarnessError

WARMUP_SECONDS = 1


def parse_options(arguments):
    parser = argparse.ArgumentParser(prog="perf/compare.sh", description=(
        "Alternates two payonce binaries A B A B ... and prints the ratios B / A."))
    parser.add_argument("a", type=pathlib.Path, help="the binary to compare with")
    parser.add_argument("b", type=pathlib.Path, help="the binary in question")
    parser.add_argument("--connections", type=int, default=64, help="open connections (64)")
    programs.add_lengths(parser, 5, "pairs of runs")
    programs.add_set(parser, to="both servers")
    programs.add_quiet_wait(parser)
    programs.add_dir(parser)
    options = parser.parse_args(arguments)
    programs.check_counts(parser, options.connections, options.rounds, options.seconds)
    return options


class Side:
    """One of the two binaries: its server, a connection to it, and what it reached."""

    def __init__(self, label, binary, work_dir, settings, stack):
        self.label = label
        self.server = stack.enter_context(
            servers.payonce_server(binary, work_dir, f"payonce-{label}", settings))
        print(f"{label}         {shlex.join(self.server.command)}")
        self.client = api.Client(self.server.port)
        stack.callback(self.client.close)
        self.client.create_accounts()
        self.results = {scenario: [] for scenario in load.MAKES_PAYMENTS}

    def run(self, scenario, options, seconds, run_name):
        result, faults = load.run_on_payonce(
            self.client, self.server, scenario, options.connections, seconds,
            [f"run={run_name}", f"accounts={api.ACCOUNTS}"])
        if faults:
            raise HarnessError(f"{self.label}: " + "; ".join(faults))
        return result


def alternate(sides, options):
    processes = [side.server for side in sides]
    for scenario in load.MAKES_PAYMENTS:
        for side in sides:
            side.run(scenario, options, WARMUP_SECONDS, "warm-up")
    for number in range(options.rounds):
        for scenario in load.MAKES_PAYMENTS:
            for side in sides:
                servers.wait_until_quiet(processes, options.quiet_wait)
                with servers.ForeignLoad(processes) as foreign:
                    result = side.run(scenario, options, options.seconds, f"r{number}")
                side.results[scenario].append({"foreign_cores": foreign.cores, **result})
        print(f"round     {number + 1} of {options.rounds} done", flush=True)


def print_comparison(a, b, scenario, connections):
    rows = []
    for title, field in (("requests/s", "requests_per_s"), ("p50 µs", "p50_us"),
                         ("p99 µs", "p99_us")):
        of_a = [result[field] for result in a.results[scenario]]
        of_b = [result[field] for result in b.results[scenario]]
        spread_a, spread_b = report.Spread.of(of_a), report.Spread.of(of_b)
        pairs = report.Spread.of(y / x for x, y in zip(of_a, of_b))
        rows.append([title, spread_a.text(), spread_b.text(),
                     f"{spread_b.median / spread_a.median:.3f}",
                     f"{pairs.low:.3f}..{pairs.high:.3f}"])
    report.print_rows([f"{scenario}, {connections} conn.", "A", "B", "B / A", "pair by pair"],
                      rows)


def main():
    options = parse_options(sys.argv[1:])
    options.dir.mkdir(parents=True, exist_ok=True)
    with programs.work_folder("perf-", options.dir) as work_dir, \
            contextlib.ExitStack() as stack:
        report.print_machine(report.machine(programs.ROOT, work_dir))
        sides = [Side(label, binary, work_dir, options.set, stack)
                 for label, binary in (("A", options.a), ("B", options.b))]
        alternate(sides, options)
        print()
        report.print_noise(result["foreign_cores"] for side in sides
                           for results in side.results.values() for result in results)
        for scenario in load.MAKES_PAYMENTS:
            print_comparison(*sides, scenario, options.connections)


if __name__ == "__main__":
    servers.run_program("perf/compare.sh", main)
