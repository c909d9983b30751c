"""perf/scale.sh: what a long history costs, and what many waiting payments. See perf/README.md."""

import argparse
import json
import pathlib
import shlex
import shutil
import sys

import history
import pairs
import plot
import programs
import report
import servers
import waiting
from servers import QUIET_LOG, HarnessError
from subject import Subject

POINTS = (0, 10_000, 100_000, 250_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000)
BUDGET_PAYMENTS = 1_000_000  # the history that the budgets speak of
BYTES_PER_PAYMENT = 4096     # on the disk, at most; checked before anything starts
MEASURING_BYTES = 2 * 2**30  # what the measuring itself adds


def points_of(text):
    points = [int(part.replace("_", "")) for part in text.split(",")]
    if min(points) < 0:
        raise argparse.ArgumentTypeError("a number of payments is not negative")
    return points


def parse_options(arguments):
    parser = argparse.ArgumentParser(prog="perf/scale.sh", description=(
        "Grows a history of closed payments and measures along the way; or measures with many"
        " open payments (--open) or many that wait for a callback (--waiting)."))
    parser.add_argument("--payments", type=int, metavar="N",
                        help="closed payments to grow to (1000000)")
    parser.add_argument("--points", type=points_of, default=POINTS, metavar="N,N,...",
                        help="measure at these sizes up to --payments, and there (0,10000,100000,"
                        "250000,500000,1000000,2000000,5000000,10000000)")
    parser.add_argument("--open", type=int, nargs="?", const=100_000, metavar="N",
                        help="kill -9 with N open payments (100000)")
    parser.add_argument("--waiting", type=int, nargs="?", const=1_000_000, metavar="N",
                        help="the speed of others with N payments that wait for a callback"
                        " (1000000)")
    programs.add_payonce(parser)
    programs.add_lengths(parser, 3, "pairs of runs, empty and full, at each point")
    parser.add_argument("--paced-seconds", type=int, default=10, metavar="S",
                        help="length of the run at a moderate rate (10)")
    programs.add_set(parser)
    programs.add_quiet_wait(parser)
    programs.add_dir(parser)
    programs.add_results(parser)
    parser.add_argument("--svg", type=pathlib.Path, help="plots the history's points here")
    programs.add_keep(parser)
    options = parser.parse_args(arguments)
    counts = [options.payments, options.open, options.waiting]
    if all(count is None for count in counts):
        options.payments = BUDGET_PAYMENTS
    programs.check_counts(parser, options.rounds, options.seconds, options.paced_seconds,
                          *(count for count in counts if count is not None))
    if options.svg and not options.payments:
        parser.error("--svg plots a history: it goes with --payments")
    return options


class Run:
    """One whole measurement, and what it has found so far."""

    def __init__(self, options, work_dir):
        self.options = options
        self.work_dir = work_dir
        self.budgets = []
        self.faults = []
        self.foreign_cores = []

    def record(self, kind, **fields):
        if self.options.json:
            with self.options.json.open("a") as file:
                file.write(json.dumps({"kind": kind, **fields}) + "\n")

    def subject(self, name, settings=()):
        return Subject(self.options.payonce, self.work_dir, name,
                       [QUIET_LOG, *settings, *self.options.set])

    def add_faults(self, faults):
        for text in faults:
            print("FAULT     " + text, flush=True)
        self.faults += faults

    def add_budgets(self, rows):
        for row in rows:
            self.record(**row.record())
        self.budgets += rows


def check_disk(options):
    """Refuses what the disk has no room for, before it is filled."""
    payments = max(options.payments or 0, options.open or 0, options.waiting or 0)
    needed = payments * BYTES_PER_PAYMENT + MEASURING_BYTES + 2 * history.COPY_BYTES_MAX
    free = shutil.disk_usage(options.dir).free
    if free < needed:
        raise HarnessError(
            f"{options.dir} has {free / 2**30:.1f} GiB free, and {payments:,} payments may take"
            f" {needed / 2**30:.1f} GiB with the measuring:"
            " choose fewer, or another disk with --dir")


def measure_history(run):
    """Grows one data directory and measures at each point. Returns the points."""
    options = run.options
    targets = sorted({point for point in options.points if point < options.payments}
                     | {options.payments})
    points = []
    with run.subject("history") as master:
        master.start()
        master.client.create_accounts()
        for target in targets:
            if master.server is None:
                master.start()
            payments = history.grow(master, target)
            master.stop()
            point = history.Point(payments, master.sizes())
            measure_point(point, master, options)
            points.append(point)
            run.record("point", **point.record())
            run.add_faults(point.faults)
            run.foreign_cores += point.pairs.foreign_cores()
            print(f"measured  {payments:,} closed payments", flush=True)
    return points


def measure_point(point, master, options):
    """On a copy as long as that is cheap: the load of a measurement is history too."""
    if sum(point.sizes.values()) > history.COPY_BYTES_MAX:
        point.measure(master, options)
        return
    twin = master.copy("copy")
    try:
        point.measure(twin, options)
    finally:
        twin.remove()


def report_history(run, points):
    print()
    history.print_points(points)
    # The budgets speak of a million; the end of the history counts as well.
    nearest = min(points, key=lambda point: abs(point.payments - BUDGET_PAYMENTS))
    print(f"at {nearest.payments:,} closed payments:")
    pairs.print_pairs(nearest.pairs)
    for point in dict.fromkeys((nearest, points[-1])):
        run.add_budgets(point.budgets())
    if run.options.svg:
        run.options.svg.write_text(plot.history_svg([point.record() for point in points]))
        print(f"plotted   {run.options.svg}")


def measure(run):
    facts = report.machine(programs.ROOT, run.work_dir)
    report.print_machine(facts)
    print("binary    " + report.output_of([str(run.options.payonce), "version"]))
    print("run       " + shlex.join(["perf/scale.sh", *sys.argv[1:]]), flush=True)
    run.record("machine", **facts, command=["perf/scale.sh", *sys.argv[1:]])
    if run.options.payments:
        report_history(run, measure_history(run))
    if run.options.open:
        waiting.measure_open(run, run.options.open)
    if run.options.waiting:
        waiting.measure_waiting(run, run.options.waiting)
    if run.foreign_cores:
        report.print_noise(run.foreign_cores)
    report.print_budgets(run.budgets)


def verdict(run):
    if run.faults:
        print(f"UNSOUND   {len(run.faults)} faults, printed above where they were found")
        return 1
    print("sound     every answer accounted for; see perf/README.md for how to read the figures")
    short = any(row.passes() is False for row in run.budgets)
    return 1 if short and run.options.strict else 0


def main():
    options = parse_options(sys.argv[1:])
    programs.need(options.payonce)
    check_disk(options)
    with programs.work_folder("scale-", options.dir, options.keep) as work_dir:
        run = Run(options, work_dir)
        measure(run)
        return verdict(run)


if __name__ == "__main__":
    servers.run_program("perf/scale.sh", main)
