"""What perf/scale.sh measures at one size of the history of closed payments."""

import time

import client as api
import load
import pairs
import probe
import report
import servers
from servers import HarnessError

COPY_BYTES_MAX = 2 * 2**30  # a data directory up to this size is measured as a copy of it
CHUNK_SECONDS_MAX = 30
RATE_GUESSED = 5000
GROW_CONNECTIONS = 64
STARTS = 3
KILLS = 3
KILL_AFTER_S = 1.5
KILL_LOAD_SECONDS = 4
PACED_CONNECTIONS = 64
PACED_DELAY_MS = 30  # about 2,000 requests per second
PROBE_RATE = 100
NO_CHECKPOINTS = ("storage.checkpoint_interval=1h", "storage.checkpoint_events=10000000")


def grow(subject, target, extra=(), taken=None):
    """Accepts payments as fast as it can until there are `target`. Returns how many there are.

    `taken` counts them; without it, those on the bench accounts are counted, once they have ended.
    """
    taken = taken or (lambda: subject.client.wait_until_closed().taken)
    rate = RATE_GUESSED
    count = taken()
    while count < target:
        missing = target - count
        seconds = max(1, min(CHUNK_SECONDS_MAX, round(missing / rate + 0.5)))
        # Each connection may leave one unanswered.
        limit = -(-(missing + GROW_CONNECTIONS) // load.WRK_THREADS_MAX)
        result = load.run_wrk("accept", subject.server.url, GROW_CONNECTIONS, seconds, [
            f"run=grow-{count}", f"accounts={api.ACCOUNTS}", f"limit={limit}", *extra])
        subject.server.check_alive()
        if result["errors"]["connect"] or result["errors"]["read"]:
            raise HarnessError("growing: " + load.describe_failure(result))
        before, count = count, taken()
        if count == before:
            raise HarnessError(f"no payment was accepted: {load.describe_failure(result)}")
        rate = max(1, (count - before) / seconds)
    return count


def kill_under_load(subject, run_name, faults):
    """kill -9 in the middle of accepting; milliseconds from the next start until it is ready.

    What the clients were told has to be true afterwards; `subject` is left as it has started.
    """
    before = subject.client.wait_until_settled()[0].taken
    with load.Beside("accept", subject.server.url, 64, KILL_LOAD_SECONDS,
                     [f"run={run_name}", f"accounts={api.ACCOUNTS}"]) as beside:
        time.sleep(KILL_AFTER_S)
        subject.kill()
        beside.end_now()
        result = beside.result()
    ready_ms = subject.start()
    # Nobody asks any more; what is still open has taken its money all the same.
    created = subject.client.totals().taken - before
    answered = result["requests"] - result["errors"]["status"]
    if not answered <= created <= result["asked"]:
        faults.append(f"kill -9: {result['asked']} payments asked for, {answered} accepted,"
                      f" {created} taken from the accounts")
    return ready_ms


def paced(subject, seconds, run_name):
    """Accepts at a moderate rate, at which a checkpoint runs about once a second."""
    with servers.ForeignLoad([subject.server]) as foreign:
        result = load.run_wrk("accept", subject.server.url, PACED_CONNECTIONS, seconds, [
            f"run={run_name}", f"accounts={api.ACCOUNTS}", f"delay={PACED_DELAY_MS}"])
    subject.client.wait_until_closed()
    return {"foreign_cores": foreign.cores, **result}


def paced_without_checkpoints(subject, seconds, run_name):
    """The same without any: what the machine and the disk do to p99.9 by themselves."""
    settings = list(subject.settings)
    subject.settings += NO_CHECKPOINTS
    try:
        subject.restart()
        return paced(subject, seconds, run_name)
    finally:
        subject.settings = settings
        subject.restart()


def check_end(client, faults):
    """Nothing open, nothing held, the books in balance."""
    client.wait_until_closed()
    still_open = client.open_payments()
    if still_open:
        faults.append(f"{still_open} payments are still open")
    ledger = client.get("/v1/ledger")
    if ledger.get("balanced") is not True:
        faults.append(f"the ledger is not balanced: {ledger}")


class Point:
    """Everything measured at one size of the history."""

    def __init__(self, payments, sizes):
        self.payments = payments
        self.sizes = sizes
        self.faults = []
        self.ready_ms = []
        self.killed_ready_ms = []
        self.anonymous_mib = {}

    def measure(self, subject, options):
        name = f"h{self.payments}"
        self.ready_ms = [subject.start()]
        while len(self.ready_ms) < STARTS:
            self.ready_ms.append(subject.restart())
        self.anonymous_mib["ready"] = subject.server.anonymous_mib()
        self.pairs = pairs.measure(subject, "full", options, name)
        self.faults += self.pairs.faults
        self.anonymous_mib["loaded"] = subject.server.anonymous_mib()
        self.paced = paced(subject, options.paced_seconds, name + "-paced")
        self.probe = probe.summary(probe.run(subject.server.port, PROBE_RATE,
                                             options.paced_seconds, name + "-probe", wait=False))
        self.anonymous_mib["loaded"] = max(self.anonymous_mib["loaded"],
                                           subject.server.anonymous_mib())
        self.undisturbed = paced_without_checkpoints(subject, options.paced_seconds,
                                                   name + "-undisturbed")
        for result in (self.paced, self.undisturbed):
            if load.failed_requests(result):
                self.faults.append("paced: " + load.describe_failure(result))
        for number in range(KILLS):
            self.killed_ready_ms.append(
                kill_under_load(subject, f"{name}-kill-{number}", self.faults))
        check_end(subject.client, self.faults)

    def bytes_per_payment(self, part):
        return self.sizes[part] / self.payments if self.payments else None

    def record(self):
        loads = [{"scenario": scenario, "connections": connections, "side": side,
                  **{field: self.pairs.spread(side, scenario, connections, field).median
                     for field in ("requests_per_s", "p50_us", "p99_us", "p99_9_us")}}
                 for scenario, connections in pairs.LOADS for side in ("empty", "full")]
        return {"payments": self.payments, "bytes": self.sizes,
                "bytes_per_payment": {part: self.bytes_per_payment(part) for part in self.sizes},
                "ready_ms": self.ready_ms, "killed_ready_ms": self.killed_ready_ms,
                "anonymous_mib": self.anonymous_mib, "loads": loads, "paced": self.paced,
                "paced_without_checkpoints": self.undisturbed, "probe": self.probe,
                "ratios": {f"{scenario} {connections}": self.pairs.ratios(scenario, connections)
                           for scenario, connections in pairs.LOADS}}

    def budgets(self):
        at = f"{self.payments:,} closed: "
        return [
            report.Budget(at + "accept, 64 connections, of empty",
                          self.pairs.ratios("accept", 64), 0.9, True),
            report.Budget(at + "complete, 64 connections, of empty",
                          self.pairs.ratios("complete", 64), 0.9, True),
            report.Budget(at + "anonymous memory", [self.anonymous_mib["loaded"]], 256, False,
                          "MiB"),
            report.Budget(at + "start to ready", self.ready_ms, 1000, False, "ms"),
            report.Budget(at + "start to ready after kill -9 under load", self.killed_ready_ms,
                          1000, False, "ms"),
            report.Budget(at + "accept p99.9 with checkpoints, of p50",
                          [self.paced["p99_9_us"] / self.paced["p50_us"]], 4, False),
        ]


def print_points(points):
    rows = []
    for point in points:
        size = point.bytes_per_payment
        rows.append([
            f"{point.payments:,}",
            report.Spread.of(point.pairs.ratios("accept", 64)).text(2),
            report.Spread.of(point.pairs.ratios("complete", 64)).text(2),
            f"{point.anonymous_mib['ready']:.0f}, {point.anonymous_mib['loaded']:.0f}",
            f"{size('log'):,.0f} + {size('state'):,.0f}" if point.payments else "-",
            report.Spread.of(point.ready_ms).text(),
            report.Spread.of(point.killed_ready_ms).text(),
            *(f"{result['p50_us']:,.0f}, {result['p99_9_us']:,.0f}"
              for result in (point.paced, point.undisturbed))])
    report.print_rows(["closed payments", "accept × empty", "complete × empty",
                       "MiB ready, loaded", "bytes log + state", "ready ms", "after kill -9 ms",
                       "paced p50, p99.9 µs", "without checkpoints"], rows)
