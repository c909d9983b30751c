"""perf/fairness.sh: whether the others keep their speed beside a disturbance. See perf/README.md.

Each scenario has two equal servers: one bears the disturbance, the other the same number of
ordinary payments. The victims, ordinary payments on other accounts, are measured on the two in
turn.
"""

import argparse
import contextlib
import dataclasses
import json
import pathlib
import shlex
import sys
import time

import client as api
import load
import overload
import programs
import report
import servers

STUB = pathlib.Path(__file__).resolve().parent / "stub.py"
HOT_ACCOUNTS = "hot"  # the disturbance's accounts; the victims pay from the bench accounts
HOT_BODY = '{"user_id":"hot-0","amount":"1.00","payment_method":"pm_ok"}'
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # any will do: the stub does not check
LEAD_S = 0.5  # the disturbance runs alone for so long
WARMUP_SECONDS = 1
HOOK = ("notify.webhook.allow_private=true", f"notify.webhook.secret={SECRET}")


@dataclasses.dataclass(frozen=True)
class Load:
    """A wrk run: 16 connections that pause about 4 ms between requests, unless said otherwise."""
    lua: str = "accept"
    arguments: tuple = ()
    connections: int = 16
    delay_ms: int = 4

    def all_arguments(self, run_name):
        paced = [f"delay={self.delay_ms}"] if self.delay_ms else []
        return [f"run={run_name}", f"accounts={api.ACCOUNTS}", *self.arguments, *paced]


VICTIM = Load("complete", connections=8)
ORDINARY = Load(arguments=(f"prefix={HOT_ACCOUNTS}",))


def hot(lua, *arguments, connections=16, delay_ms=4):
    return Load(lua, (f"prefix={HOT_ACCOUNTS}", *arguments), connections, delay_ms)


@dataclasses.dataclass
class Scenario:
    """What the two servers bear, and their settings; in those {stub} is the address of the stub."""
    name: str
    disturbance: Load | None
    ordinary: Load | None = ORDINARY
    victim: Load = VICTIM
    settings: tuple = ()
    disturbed_settings: tuple = ()
    plain_settings: tuple = ()
    slow_s: float | None = None  # how slow the stub is about pm_slow; None: there is no stub


SCENARIOS = (
    Scenario("hot account", hot("accept", "accounts=1")),
    Scenario("hot key", hot("hotkey", "key=fairness", f"body={HOT_BODY}")),
    # Calls of one second, as many at a time as there are connections.
    Scenario("slow gateway, 16 calls", slow_s=1,
             settings=("gateway.kind=http", "gateway.url={stub}"),
             disturbance=hot("complete", "method=pm_slow", delay_ms=0),
             ordinary=hot("complete", delay_ms=1000)),
    Scenario("slow gateway, 100 calls", slow_s=1,
             settings=("gateway.kind=http", "gateway.url={stub}"),
             disturbance=hot("complete", "method=pm_slow", connections=100, delay_ms=0),
             ordinary=hot("complete", connections=100, delay_ms=1000)),
    Scenario("retries at the gateway", hot("accept", "method=pm_flaky_3"),
             settings=('gateway.retry={initial_interval="200ms"}',)),
    Scenario("fraud check stuck, accepting", slow_s=3600, victim=Load("accept", connections=8),
             settings=("fraud.mode=http", "fraud.url={stub}/fraud"),
             disturbance=hot("accept", "method=pm_slow", delay_ms=500),
             ordinary=hot("accept", delay_ms=500)),
    Scenario("fraud check stuck, finishing", slow_s=3600,
             settings=("fraud.mode=http", "fraud.url={stub}/fraud"),
             disturbance=hot("accept", "method=pm_slow", delay_ms=500),
             ordinary=hot("accept", delay_ms=500)),
    # Fewer may be open than the victims make, so that notifications which count as open show.
    Scenario("notifications stuck", None, None, slow_s=1,
             victim=Load("complete", connections=8, delay_ms=16),
             settings=(*HOOK, "payments.open_max=1000"),
             disturbed_settings=("notify.webhook.url={stub}/never",),
             plain_settings=("notify.webhook.url={stub}/hook",)),
)


def good_per_s(result):
    """Requests that were not refused."""
    return (result["requests"] - result["errors"]["status"]) / result["seconds"]


class Side:
    """One of the two servers, what it bears, and how the victims fared on it."""

    def __init__(self, label, beside, server, client):
        self.label = label
        self.beside = beside
        self.server = server
        self.client = client
        self.results = []
        self.rates = []
        self.answered = 0

    def run(self, victim, seconds, run_name):
        """The victims, beside what this server bears. The result of the victims."""
        with contextlib.ExitStack() as stack:
            beside = None
            if self.beside:
                beside = stack.enter_context(load.Beside(
                    self.beside.lua, self.server.url, self.beside.connections, seconds + 2,
                    self.beside.all_arguments(run_name + "-beside")))
                time.sleep(LEAD_S)
            result = load.run_wrk(victim.lua, self.server.url, victim.connections, seconds,
                                  victim.all_arguments(run_name))
            if beside:
                beside.end_now()
                self.rates.append(beside.result()["requests_per_s"])
        self.server.check_alive()
        self.answered += result["requests"] - result["errors"]["status"]
        return result

    def check(self, runs, victim):
        """The victims' money, and the books. What the disturbance left open may stay open."""
        totals = self.client.totals()
        ledger = self.client.get("/v1/ledger")
        faults = []
        if not self.answered <= totals.taken <= self.answered + runs * victim.connections:
            faults.append(f"{self.label}: {self.answered} payments accepted,"
                          f" {totals.taken} taken from the accounts")
        if ledger.get("balanced") is not True:
            faults.append(f"{self.label}: the ledger is not balanced: {ledger}")
        return faults


class Trial(overload.Trial):
    """One scenario on two fresh servers."""

    def __init__(self, scenario, options, work_dir, stack):
        super().__init__(scenario, options, work_dir, stack)
        self.others = []

    def start(self):
        scenario = self.scenario
        stub_url = ""
        if scenario.slow_s is not None:
            stub = self.stack.enter_context(servers.Server(
                "stub", [sys.executable, "-B", str(STUB), "--slow", str(scenario.slow_s)],
                self.work_dir / "stub.log"))
            self.others.append(stub)
            stub_url = stub.url
        self.sides = [self._side("plain", scenario.ordinary, scenario.plain_settings, stub_url),
                      self._side("disturbed", scenario.disturbance, scenario.disturbed_settings,
                                 stub_url)]

    def _side(self, label, beside, settings, stub_url):
        settings = [text.replace("{stub}", stub_url)
                    for text in (*self.scenario.settings, *settings)]
        server, client = self.start_server(label, settings)
        client.create_accounts(HOT_ACCOUNTS)
        return Side(label, beside, server, client)

    def run(self):
        self.start()
        victim = self.scenario.victim
        processes = [side.server for side in self.sides] + self.others
        for side in self.sides:
            side.run(victim, WARMUP_SECONDS, "warm-up")
            side.rates.clear()
        for number in range(self.options.rounds):
            for side in self.sides if number % 2 == 0 else self.sides[::-1]:
                servers.wait_until_quiet(processes, self.options.quiet_wait)
                with servers.ForeignLoad(processes) as foreign:
                    side.results.append(side.run(victim, self.options.seconds, f"r{number}"))
                self.foreign_cores.append(foreign.cores)
        for side in self.sides:
            self.faults += side.check(self.options.rounds + 1, victim)
            # A refused victim is slow, not wrong: good_per_s() leaves it out.
            broken = [result for result in side.results
                      if load.failed_requests(result) > result["errors"]["status"]]
            if broken:
                self.faults.append(f"{side.label}: {load.describe_failure(broken[0])}")

    def ratios(self):
        """The victims' speed beside the disturbance, of that beside ordinary payments.

        By latency, since the victims pause between requests; by throughput where that is worse,
        since a request that is not answered at all has no latency.
        """
        plain, disturbed = (side.results for side in self.sides)
        return [min(a["mean_us"] / max(1, b["mean_us"]), good_per_s(b) / (good_per_s(a) or 1))
                for a, b in zip(plain, disturbed)]

    def print(self):
        rows = [[side.label, report.Spread.of(map(good_per_s, side.results)).text(),
                 *(report.Spread.of(r[field] for r in side.results).text()
                   for field in ("mean_us", "p50_us", "p99_us")),
                 report.Spread.of(r["errors"]["status"] / r["seconds"]
                                  for r in side.results).text(),
                 report.Spread.of(side.rates).text() if side.rates else "-"]
                for side in self.sides]
        report.print_rows(["victims", "requests/s", "mean µs", "p50 µs", "p99 µs", "refused/s",
                           "beside, requests/s"], rows)

    def budgets(self):
        return [report.Budget(f"{self.scenario.name}: speed of the others", self.ratios(), 0.9,
                              True)]

    def record(self):
        return {"scenario": self.scenario.name, "ratios": self.ratios(), "faults": self.faults,
                "victims": {side.label: side.results for side in self.sides},
                "beside_per_s": {side.label: side.rates for side in self.sides}}


def parse_options(arguments):
    names = [scenario.name for scenario in (*SCENARIOS, *overload.SCENARIOS)]
    parser = argparse.ArgumentParser(prog="perf/fairness.sh", description=(
        "Measures whether others keep their speed beside a disturbance, under overload, and beside"
        " idle connections."))
    parser.add_argument("scenario", nargs="*", help="one of: " + "; ".join(names) + " (all)")
    programs.add_payonce(parser)
    programs.add_lengths(parser, 5, "pairs of runs")
    programs.add_set(parser)
    programs.add_quiet_wait(parser)
    programs.add_dir(parser)
    programs.add_results(parser)
    options = parser.parse_args(arguments)
    programs.check_names(parser, options.scenario, names)
    programs.check_counts(parser, options.rounds, options.seconds)
    return options


def run_scenario(scenario, options):
    """Its record, budget rows and faults, after they are printed."""
    print(scenario.name, flush=True)
    with programs.work_folder("fairness-", options.dir) as work_dir, \
            contextlib.ExitStack() as stack:
        make = Trial if isinstance(scenario, Scenario) else scenario.trial
        trial = make(scenario, options, work_dir, stack)
        trial.run()
        trial.print()
    for fault in trial.faults:
        print("FAULT     " + fault, flush=True)
    return trial


def main():
    options = parse_options(sys.argv[1:])
    programs.need(options.payonce)
    facts = report.machine(programs.ROOT, options.dir)
    report.print_machine(facts)
    print("run       " + shlex.join(["perf/fairness.sh", *sys.argv[1:]]) + "\n", flush=True)
    records = [{"kind": "machine", **facts, "command": ["perf/fairness.sh", *sys.argv[1:]]}]
    trials = [run_scenario(scenario, options) for scenario in (*SCENARIOS, *overload.SCENARIOS)
              if not options.scenario or scenario.name in options.scenario]
    rows = [row for trial in trials for row in trial.budgets()]
    records += [{"kind": "fairness", **trial.record()} for trial in trials]
    records += [row.record() for row in rows]
    if options.json:
        with options.json.open("a") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)
    report.print_noise(cores for trial in trials for cores in trial.foreign_cores)
    report.print_budgets(rows)
    unsound = [trial.scenario.name for trial in trials if trial.faults]
    print("UNSOUND   " + "; ".join(unsound) if unsound
          else "sound     every answer accounted for; perf/README.md says how to read the figures")
    short = any(row.passes() is False for row in rows)
    return 1 if unsound or (short and options.strict) else 0


if __name__ == "__main__":
    servers.run_program("perf/fairness.sh", main)
