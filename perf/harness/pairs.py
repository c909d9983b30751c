"""The same load on a fresh empty server and on another one, in turn: A B, then B A, and so on.

The machine is shared and its speed wanders, so only what was measured within one pair is compared.
"""

import load
import report
import servers
from client import ACCOUNTS
from subject import Subject

LOADS = (("accept", 64), ("complete", 64), ("accept", 1))
WARMUP_SECONDS = 1


class Pairs:
    """What was measured: one record per load, side ("empty" or `label`) and round."""

    def __init__(self, label):
        self.label = label
        self.records = []
        self.faults = []

    def values(self, side, scenario, connections, field):
        return [record[field] for record in self.records
                if (record["side"], record["scenario"], record["connections"])
                == (side, scenario, connections)]

    def spread(self, side, scenario, connections, field):
        return report.Spread.of(self.values(side, scenario, connections, field))

    def ratios(self, scenario, connections, field="requests_per_s"):
        """The other server's value over that of the empty one, pair by pair."""
        return [other / empty for empty, other in zip(
            self.values("empty", scenario, connections, field),
            self.values(self.label, scenario, connections, field))]

    def foreign_cores(self):
        return [record["foreign_cores"] for record in self.records]


def run_side(subject, scenario, connections, seconds, run_name):
    return load.run_on_payonce(
        subject.client, subject.server, scenario, connections, seconds,
        [f"run={run_name}", f"accounts={ACCOUNTS}"])


def measure(subject, label, options, run_name, loads=LOADS):
    """`options.rounds` pairs of each load. `subject` runs and has the bench accounts."""
    pairs = Pairs(label)
    for number in range(options.rounds):
        with Subject(subject.binary, subject.work_dir, "empty", subject.settings) as empty:
            try:
                empty.start()
                empty.client.create_accounts()
                _round(pairs, [("empty", empty), (label, subject)], options,
                       f"{run_name}-r{number}", number, loads)
            finally:
                empty.remove()
    return pairs


def _round(pairs, sides, options, run_name, number, loads):
    processes = [subject.server for _, subject in sides]
    for _, subject in sides:
        run_side(subject, "accept", 64, WARMUP_SECONDS, f"{run_name}-warm-up")
    for scenario, connections in loads:
        for side, subject in sides if number % 2 == 0 else sides[::-1]:
            servers.wait_until_quiet(processes, options.quiet_wait)
            with servers.ForeignLoad(processes) as foreign:
                result, faults = run_side(subject, scenario, connections, options.seconds,
                                          f"{run_name}-c{connections}")
            pairs.records.append({"side": side, "round": number,
                                  "foreign_cores": foreign.cores, **result})
            pairs.faults += [f"{side}: {fault}" for fault in faults]


def print_pairs(pairs):
    """Both sides and their ratio, load by load."""
    rows = []
    for scenario, connections in LOADS:
        if not pairs.values("empty", scenario, connections, "requests_per_s"):
            continue
        for side in ("empty", pairs.label):
            rows.append([f"{scenario}, {connections} connection{'s' if connections > 1 else ''}",
                         side] + [
                pairs.spread(side, scenario, connections, field).text()
                for field in ("requests_per_s", "p50_us", "p99_us", "p99_9_us")] + [
                report.Spread.of(pairs.ratios(scenario, connections)).text(2)
                if side != "empty" else ""])
    report.print_rows(["load", "server", "requests/s", "p50 µs", "p99 µs", "p99.9 µs", "× empty"],
                      rows)
