"""perf/run.sh: payonce beside its baselines, in one run. See perf/README.md."""

import argparse
import contextlib
import json
import pathlib
import shlex
import sys

import client as api
import load
import programs
import report
import servers

CHECKED_SECONDS = 1
IDLE_SECONDS = 5
READY_STARTS = 5


def parse_options(arguments):
    parser = argparse.ArgumentParser(prog="perf/run.sh", description=(
        "Measures payonce, the constant-answer server and bare LMDB commits side by side."))
    parser.add_argument("--build", type=pathlib.Path, default=programs.ROOT / "build/release",
                        help="build folder with the binaries (build/release)")
    parser.add_argument("--payonce", type=pathlib.Path, help="another payonce binary")
    programs.add_lengths(parser, 3, "repetitions of everything", seconds=5)
    parser.add_argument("--connections", default="1,8,64", help="connection counts (1,8,64)")
    parser.add_argument("--commits", type=int, default=1000,
                        help="bare LMDB commits per batch size and round (1000)")
    parser.add_argument("--threads", type=int, default=96,
                        help="threads of the constant server, of its own pool (96)")
    parser.add_argument("--keys", action="store_true",
                        help="give each payment an Idempotency-Key of its own")
    programs.add_set(parser)
    parser.add_argument("--dir", type=pathlib.Path,
                        help="where the temporary data goes (a folder under --build)")
    programs.add_quiet_wait(parser)
    programs.add_results(parser)
    programs.add_keep(parser)
    options = parser.parse_args(arguments)
    try:
        options.connections = [int(text) for text in options.connections.split(",")]
    except ValueError:
        parser.error("--connections wants numbers with commas between them")
    programs.check_counts(parser, *options.connections, options.rounds, options.seconds,
                          options.commits)
    options.payonce = options.payonce or options.build / "payonce"
    options.constant = options.build / "perf/constant_server"
    options.commit_bench = options.build / "perf/lmdb_commit_bench"
    return options


class Run:
    """One whole measurement. Owns the servers through `stack`, and what has been found so far."""

    def __init__(self, options, work_dir, stack):
        self.options = options
        self.work_dir = work_dir
        self.stack = stack
        self.results = report.Results()
        self.faults = []

    def record(self, kind, **fields):
        line = json.dumps({"kind": kind, **fields})
        if self.options.json:
            with self.options.json.open("a") as file:
                file.write(line + "\n")

    def add_fault(self, text):
        """Something untrue was answered, or an answer went missing: worse than any figure."""
        print("FAULT     " + text, flush=True)
        self.faults.append(text)

    def start_servers(self):
        self.constant = self.stack.enter_context(servers.constant_server(
            self.options.constant, self.work_dir, self.options.threads))
        self.idle = {"ready_ms": []}
        for number in range(READY_STARTS - 1):
            with self.new_payonce(f"payonce-start-{number}") as probe:
                self.idle["ready_ms"].append(probe.ready_ms)
        self.payonce = self.stack.enter_context(self.new_payonce("payonce"))
        self.idle["ready_ms"].append(self.payonce.ready_ms)
        self.client = api.Client(self.payonce.port)
        self.stack.callback(self.client.close)
        for server in (self.constant, self.payonce):
            print("started   " + shlex.join(server.command), flush=True)

    def new_payonce(self, name):
        return servers.payonce_server(self.options.payonce, self.work_dir, name, self.options.set)

    def measure_idle(self):
        """Before any load: what a server costs that nobody uses."""
        self.idle["cpu_percent"] = self.payonce.cpu_percent_over(IDLE_SECONDS)
        self.idle["anonymous_mib"] = self.payonce.anonymous_mib()
        self.record("idle", **self.idle)

    def arguments(self, scenario, run_name):
        if scenario == "replay":
            return [f"key={api.REPLAY_KEY}", f"body={api.REPLAY_BODY}"]
        arguments = [f"run={run_name}", f"accounts={api.ACCOUNTS}"]
        return arguments + (["keys=on"] if self.options.keys else [])

    def load(self, scenario, connections, seconds, run_name, checked=False):
        arguments = self.arguments(scenario, run_name) + (["checked"] if checked else [])
        if scenario == "constant":
            result = load.run_wrk(scenario, self.constant.url, connections, seconds, arguments)
            faults = [f"constant: {load.describe_failure(result)}"] \
                if load.failed_requests(result) else []
        else:
            result, faults = load.run_on_payonce(self.client, self.payonce, scenario, connections,
                                                 seconds, arguments)
        for fault in faults:
            self.add_fault(fault)
        return result

    def check_outcomes(self):
        """Every answer looked at, once per scenario and connection count; warms up as well."""
        for connections in self.options.connections:
            for scenario in load.SCENARIOS:
                result = self.load(scenario, connections, CHECKED_SECONDS,
                                   f"checked-c{connections}", checked=True)
                self.record("checked", **result)

    def round(self, number):
        """Everything once. Every other round goes the other way round, so that no scenario
        always follows the same one. The bare commits come right before the accept run that
        they are compared with, because the speed of a disk wanders."""
        order = load.SCENARIOS if number % 2 == 0 else load.SCENARIOS[::-1]
        for connections in self.options.connections:
            for scenario in order:
                if scenario == "accept" and connections == self.options.connections[0]:
                    self.measure_commits(number)
                self.measure_load(number, scenario, connections)
        print(f"round     {number + 1} of {self.options.rounds} done", flush=True)

    def measure_commits(self, number):
        with self.foreign_load() as foreign:
            commits = load.run_commit_bench(self.options.commit_bench, self.work_dir,
                                            self.options.commits)
        for result in commits:
            self.results.commits.append(
                {"round": number, "foreign_cores": foreign.cores, **result})
            self.record("commit", **self.results.commits[-1])

    def measure_load(self, number, scenario, connections):
        with self.foreign_load() as foreign:
            result = self.load(scenario, connections, self.options.seconds,
                               f"r{number}-c{connections}")
        self.results.loads.append({"round": number, "foreign_cores": foreign.cores, **result})
        self.record("load", **self.results.loads[-1])

    def foreign_load(self):
        servers.wait_until_quiet([self.constant, self.payonce], self.options.quiet_wait)
        return servers.ForeignLoad([self.constant, self.payonce])

    def check_end(self):
        """After all load: nothing open, nothing held, the books in balance."""
        self.client.wait_until_settled()
        still_open = self.client.open_payments()
        if still_open:
            self.add_fault(f"{still_open} payments are still open after the run")
        ledger = self.client.get("/v1/ledger")
        if ledger.get("balanced") is not True:
            self.add_fault(f"the ledger is not balanced: {ledger}")
        taken = self.client.totals().taken
        self.record("ledger", payments=taken, **ledger)
        return ledger, taken


def print_commands(run):
    print("run       " + shlex.join(["perf/run.sh", *sys.argv[1:]]))
    for scenario in load.SCENARIOS:
        url = run.constant.url if scenario == "constant" else run.payonce.url
        command = load.wrk_command(scenario, url, run.options.connections[-1],
                                   run.options.seconds, run.arguments(scenario, "RUN"))
        print("wrk       " + shlex.join(command))
    print(flush=True)


def measure(run):
    facts = report.machine(programs.ROOT, run.work_dir)
    report.print_machine(facts)
    print("binary    " + report.output_of([str(run.options.payonce), "version"]))
    run.record("machine", **facts, command=["perf/run.sh", *sys.argv[1:]])

    run.start_servers()
    print_commands(run)
    run.measure_idle()
    run.client.create_accounts()
    run.client.create_replayed_payment()
    run.check_outcomes()
    print(f"checked   every answer of {len(run.options.connections)} × {len(load.SCENARIOS)} runs",
          flush=True)
    for number in range(run.options.rounds):
        run.round(number)
    ledger, taken = run.check_end()

    print()
    report.print_noise(r["foreign_cores"] for r in run.results.loads + run.results.commits)
    report.print_loads(run.results, run.options.connections)
    report.print_commits(run.results)
    rows = report.budgets(run.results, run.idle)
    for row in rows:
        run.record(**row.record())
    report.print_budgets(rows)
    print(f"ledger    balanced: {ledger.get('balanced')}, {taken:,} payments of 1.00 taken,"
          f" {ledger.get('transfers')} transfers; anonymous memory now"
          f" {run.payonce.anonymous_mib():.1f} MiB")
    return rows


def verdict(run, rows):
    if run.faults:
        print(f"UNSOUND   {len(run.faults)} faults, printed above where they were found")
        return 1
    print("sound     every answer accounted for; see perf/README.md for how to read the figures")
    short = any(row.passes() is False for row in rows)
    return 1 if short and run.options.strict else 0


def main():
    options = parse_options(sys.argv[1:])
    programs.need(options.payonce, options.constant, options.commit_bench)
    with programs.work_folder("perf-", options.dir or options.build, options.keep) as work_dir, \
            contextlib.ExitStack() as stack:
        run = Run(options, work_dir, stack)
        return verdict(run, measure(run))


if __name__ == "__main__":
    servers.run_program("perf/run.sh", main)
