"""perf/fairness.sh: far more load than a server can carry, and many connections that do nothing."""

import dataclasses
import resource
import socket
import time

import client as api
import load
import probe
import report
import servers
from servers import QUIET_LOG, HarnessError

BURST_CONNECTIONS = 256
CONNECTIONS_MAX = BURST_CONNECTIONS + probe.CONNECTIONS
FULL_CONNECTIONS = 128  # that many wait for their payments, and keep every worker busy
RAMP_S = 1              # until a load is counted
SAMPLE_S = 0.25
PROBE_RATE = 50
WARMUP_SECONDS = 1
SPARE_DESCRIPTORS = 100
PIECE_BYTES = 65536


def succeeded(client):
    """Payments that this process has carried to success."""
    _, _, text = client.call("GET", "/metrics")
    for line in text.decode().splitlines():
        if line.startswith('payonce_events_total{type="payment_succeeded"}'):
            return float(line.split()[-1])
    raise HarnessError("/metrics does not count payment_succeeded")


class Burst:
    """What was seen while a load ran."""

    def __init__(self):
        self.finished_per_s = 0.0
        self.waiting_max = 0
        self.anonymous_mib = 0.0
        self.result = None
        self.probe = None
        self.settle_seconds = 0.0


class Trial:
    """One scenario: its servers, which live in `stack`, and what was found."""

    def __init__(self, scenario, options, work_dir, stack):
        self.scenario = scenario
        self.options = options
        self.work_dir = work_dir
        self.stack = stack
        self.faults = []
        self.foreign_cores = []

    def start_server(self, name, settings):
        """A fresh payonce with accounts, and a client of it."""
        server = self.stack.enter_context(servers.payonce_server(
            self.options.payonce, self.work_dir, name,
            [QUIET_LOG, *settings, *self.options.set]))
        client = api.Client(server.port)
        self.stack.callback(client.close)
        client.create_accounts()
        return server, client


class OverloadTrial(Trial):
    """Full load, a burst of more than that, full load again, and so on, on one server.

    Full load is clients that wait for their payments; the burst is clients that do not.
    """

    def __init__(self, scenario, options, work_dir, stack):
        super().__init__(scenario, options, work_dir, stack)
        self.full = []
        self.bursts = []
        self.accepted = 0
        self.unsure = 0

    def run(self):
        self.server, self.client = self.start_server(
            "payonce", [f"payments.open_max={self.scenario.open_max}", *self.scenario.settings])
        self.load("complete", FULL_CONNECTIONS, WARMUP_SECONDS + RAMP_S, "warm-up")
        for number in range(self.options.rounds):
            self.full.append(self.load("complete", FULL_CONNECTIONS,
                                       self.options.seconds + RAMP_S, f"full{number}"))
            self.bursts.append(self.load("overload", BURST_CONNECTIONS,
                                         self.options.seconds + RAMP_S, f"burst{number}"))
        self.full.append(self.load("complete", FULL_CONNECTIONS, self.options.seconds + RAMP_S,
                                   "full-last"))
        self.check()

    def load(self, lua, connections, seconds, run_name):
        """One load with a probe and samples beside it, until all of its payments have ended."""
        burst = Burst()
        is_burst = lua == "overload"
        arguments = [f"run={run_name}", f"accounts={api.ACCOUNTS}"]
        with servers.ForeignLoad([self.server]) as foreign, \
                load.Beside(lua, self.server.url, connections, seconds,
                            arguments + (["checked"] if is_burst else [])) as beside, \
                probe.Probe(self.server.port, PROBE_RATE if is_burst else 1, run_name) as asking:
            self.watch(burst, seconds)
            burst.result = beside.result()
            samples = asking.stop()
        self.foreign_cores.append(foreign.cores)
        self.server.check_alive()
        burst.settle_seconds = self.client.wait_until_settled()[1]
        self.client.wait_until_idle()
        # Only what came when the queues had filled says what the burst does to it.
        burst.probe = probe.summary([s for s in samples if s.due > RAMP_S], good=(201,))
        self.count(burst, samples)
        return burst

    def watch(self, burst, seconds):
        begin = time.perf_counter()
        before = None
        while (elapsed := time.perf_counter() - begin) < seconds:
            if before is None and elapsed >= RAMP_S:
                before, since = succeeded(self.client), time.perf_counter()
            burst.waiting_max = max(burst.waiting_max, sum(
                queue["depth"] + queue["running"] for queue in self.client.busy_queues()))
            burst.anonymous_mib = max(burst.anonymous_mib, self.server.anonymous_mib())
            time.sleep(SAMPLE_S)
        burst.finished_per_s = (succeeded(self.client) - before) / (time.perf_counter() - since)

    def count(self, burst, samples):
        """Keeps the books of what was accepted, and looks for answers that were wrong."""
        result = burst.result
        self.accepted += result["requests"] - result["errors"]["status"] + sum(
            sample.status in (201, 202) for sample in samples)
        self.unsure += result["connections"] + sum(sample.status == 0 for sample in samples)
        broken = sum(count for name, count in result["errors"].items() if name != "status")
        # Without looking at the answers, wrk tells only that some were refused.
        if broken or result.get("unexpected"):
            self.faults.append(f"{result['scenario']}: {load.describe_failure(result)}")
        if result["scenario"] == "complete" and result["errors"]["status"]:
            self.faults.append(f"full load was refused: {load.describe_failure(result)}")
        if set(burst.probe["statuses"]) - {"201", "202", "503"}:
            self.faults.append(f"probe: answers {burst.probe['statuses']}")

    def check(self):
        taken = self.client.totals().taken
        if not self.accepted <= taken <= self.accepted + self.unsure:
            self.faults.append(f"{self.accepted} payments accepted, {taken} taken")
        if self.client.open_payments():
            self.faults.append("payments are still open")
        if self.client.get("/v1/ledger").get("balanced") is not True:
            self.faults.append("the ledger is not balanced")
        if self.scenario.refuses and not all(b.result["errors"]["status"] for b in self.bursts):
            self.faults.append("nothing was refused: this was no overload")

    def ratios(self):
        return {
            "finishing": [b.finished_per_s / f.finished_per_s
                          for f, b in zip(self.full, self.bursts)],
            "after": [after.finished_per_s / before.finished_per_s
                      for before, after in zip(self.full, self.full[1:])],
            # What is decided together is let in together: one request of each connection at most.
            "waiting": [b.waiting_max / (self.scenario.open_max + CONNECTIONS_MAX)
                        for b in self.bursts],
            # What is open, divided by how fast it ends, is how long each of it has to take.
            "latency": [b.probe["p99_us"] / 1e6 / (self.scenario.open_max / b.finished_per_s)
                        for b in self.bursts if b.probe["samples"]]}

    def budgets(self):
        name, ratios = self.scenario.name, self.ratios()
        rows = [report.Budget(f"{name}: finishing, of full load", ratios["finishing"], 0.9, True),
                report.Budget(f"{name}: full load after a burst, of before", ratios["after"], 0.9,
                              True),
                report.Budget(f"{name}: tasks that wait, of open_max + connections",
                              ratios["waiting"], 1, False)]
        if self.scenario.refuses:
            rows.append(report.Budget(f"{name}: accepted to finished p99, of open_max / rate",
                                      ratios["latency"], 1.5, False))
        return rows

    def print(self):
        rows = []
        for name, loads in (("full load", self.full), ("burst", self.bursts)):
            results = [one.result for one in loads]
            rows.append([name, *(report.Spread.of(values).text() for values in (
                [one.finished_per_s for one in loads],
                [r["requests_per_s"] for r in results],
                [r["errors"]["status"] / r["seconds"] for r in results],
                [one.waiting_max for one in loads],
                [one.anonymous_mib for one in loads],
                [one.probe["p50_us"] / 1000 for one in loads],
                [one.probe["p99_us"] / 1000 for one in loads]))])
        report.print_rows(["load", "finished/s", "answers/s", "refused/s", "tasks at most", "MiB",
                           "probe p50 ms", "p99 ms"], rows)

    def record(self):
        return {"scenario": self.scenario.name, "ratios": self.ratios(), "faults": self.faults,
                "full": [vars(one) for one in self.full],
                "bursts": [vars(one) for one in self.bursts]}


def open_idle(port, count):
    """So many keep-alive connections, each with one answered request behind it."""
    connections = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        connections.append(connection)
        ask(connection)
    return connections


def ask(connection):
    connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = connection.recv(PIECE_BYTES)
    if not answer.startswith(b"HTTP/1.1 200"):
        raise HarnessError(f"an idle connection was answered {answer[:100]!r}")


class IdleTrial(Trial):
    """Active connections with and without many idle ones beside them, on one server, in turn."""

    LOADS = (("accept", 64), ("complete", 8))

    def __init__(self, scenario, options, work_dir, stack):
        super().__init__(scenario, options, work_dir, stack)
        self.results = {False: [], True: []}
        self.anonymous_mib = {}

    def run(self):
        allow_descriptors(self.scenario.connections + SPARE_DESCRIPTORS)
        self.server, self.client = self.start_server("payonce", self.scenario.settings)
        load.run_on_payonce(self.client, self.server, "accept", 64, WARMUP_SECONDS,
                            ["run=warm-up"])
        for number in range(self.options.rounds):
            for idle in (False, True) if number % 2 == 0 else (True, False):
                self.measure(number, idle)

    def measure(self, number, idle):
        connections = open_idle(self.server.port, self.scenario.connections) if idle else []
        try:
            self.anonymous_mib[idle] = self.server.anonymous_mib()
            servers.wait_until_quiet([self.server], self.options.quiet_wait)
            for lua, count in self.LOADS:
                with servers.ForeignLoad([self.server]) as foreign:
                    result, faults = load.run_on_payonce(
                        self.client, self.server, lua, count, self.options.seconds,
                        [f"run=r{number}-{int(idle)}"])
                self.results[idle].append(result)
                self.foreign_cores.append(foreign.cores)
                self.faults += faults
            for connection in connections:
                ask(connection)
        finally:
            for connection in connections:
                connection.close()

    def values(self, idle, lua, field):
        return [r[field] for r in self.results[idle] if r["scenario"] == lua]

    def ratios(self):
        return {lua: [b / a for a, b in zip(self.values(False, lua, "requests_per_s"),
                                            self.values(True, lua, "requests_per_s"))]
                for lua, _ in self.LOADS}

    def budgets(self):
        return [report.Budget(f"{self.scenario.name}: {lua}, of without", ratios, 0.9, True)
                for lua, ratios in self.ratios().items()]

    def print(self):
        rows = [[f"{lua}, {count} connections", "with" if idle else "without",
                 *(report.Spread.of(self.values(idle, lua, field)).text()
                   for field in ("requests_per_s", "p50_us", "p99_us"))]
                for lua, count in self.LOADS for idle in (False, True)]
        report.print_rows(["load", "idle ones", "requests/s", "p50 µs", "p99 µs"], rows)
        print(f"anonymous memory {self.anonymous_mib[False]:.1f} MiB without,"
              f" {self.anonymous_mib[True]:.1f} MiB with them\n", flush=True)

    def record(self):
        return {"scenario": self.scenario.name, "ratios": self.ratios(), "faults": self.faults,
                "without": self.results[False], "with": self.results[True],
                "anonymous_mib": {"without": self.anonymous_mib[False],
                                  "with": self.anonymous_mib[True]}}


def allow_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        if hard != resource.RLIM_INFINITY and hard < count:
            raise HarnessError(f"{count} open files are needed, ulimit -Hn allows {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


@dataclasses.dataclass
class Overload:
    name: str
    open_max: int
    refuses: bool  # whether the burst has to be refused in part
    settings: tuple = ()
    trial: type = OverloadTrial


@dataclasses.dataclass
class Idle:
    name: str
    connections: int
    settings: tuple = ()
    trial: type = IdleTrial


SCENARIOS = (
    # The gateway carries 64 / 20 ms = 3,200 payments per second.
    Overload("overload of the gateway", open_max=2000, refuses=True, settings=(
        "gateway.latency=20ms", "gateway.calls_max=64")),
    Overload("overload of the server", open_max=20_000, refuses=False),
    Idle("2000 idle connections", 2000, ("server.keep_alive_timeout=1h",)),
)
