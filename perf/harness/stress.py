"""perf/stress.sh: load and stress scenarios, each with a checked outcome. See perf/README.md.

After each one: the money adds up, every payment that was answered took its amount once, the gateway
took each charge once, nothing is stuck.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import dataclasses
import json
import subprocess
import sys
import time

import client as api
import load
import programs
import servers
from servers import HarnessError

CONNECTIONS = 64
HOT_KEY = "stress-hot-key"
PAUSE_S = 2  # before something is killed, and until it comes back
QUICK_RETRY = '{initial_interval="100ms",maximum_interval="500ms",maximum_attempts=50}'


@dataclasses.dataclass
class Scenario:
    """What to load a fresh payonce with. `during` runs beside wrk; it may kill and start things."""
    name: str
    lua: str = "accept"
    settings: tuple = ()
    arguments: tuple = ()
    connections: tuple = (CONNECTIONS,)
    refusals: bool = False  # 503 is a right answer, and has to come
    errors: bool = False    # connections may break
    gateway: bool = False   # a mock gateway in a process of its own
    during: str = ""        # "kill server" or "kill gateway"
    payments: int = -1      # that many have to be taken, whatever was asked
    batch: bool = False     # those, by `payonce bench`, instead of a load for some time


SCENARIOS = (
    Scenario("steady", arguments=("keys=on",)),
    Scenario("duplicates", arguments=("keys=on", "repeat=10")),
    Scenario("mixed", lua="mixed"),
    Scenario("ramp", connections=(1, 4, 16, 64, 256)),
    Scenario("hot account", arguments=("accounts=1",)),
    Scenario("hot key", lua="hotkey", payments=1,
             arguments=(f"key={HOT_KEY}", f"body={api.REPLAY_BODY}")),
    Scenario("slow gateway", refusals=True,
             settings=("gateway.latency=50ms", "gateway.calls_max=64", "payments.open_max=2000",
                       "gateway.queue_max=2000")),
    Scenario("gateway outage", gateway=True, during="kill gateway",
             settings=("gateway.calls_max=32", f"gateway.retry={QUICK_RETRY}",
                       'gateway.inquiry_maximum_interval="1s"', "payments.open_max=20000")),
    Scenario("batch", batch=True, payments=10_000),
    Scenario("kill -9", errors=True, during="kill server", arguments=("keys=on",)),
)


class Gateway:
    """`payonce mock-gateway` on a fixed port, with its journal."""

    def __init__(self, binary, work_dir):
        self.port = servers.free_port()
        self.command = [str(binary), "mock-gateway", "--listen", f"127.0.0.1:{self.port}",
                        "--journal", str(work_dir / "journal")]
        self.log_path = work_dir / "gateway.log"
        self.process = None

    def start(self):
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0,
                preexec_fn=servers.die_with_parent)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Trial:
    """One scenario on a server, data directory and gateway of its own."""

    def __init__(self, scenario, options, work_dir):
        self.scenario = scenario
        self.options = options
        self.work_dir = work_dir
        self.journal = work_dir / "journal"
        self.gateway = Gateway(options.payonce, work_dir) if scenario.gateway else None
        self.faults = []
        self.asked = self.accepted = self.unanswered = 0
        self.refused = 0
        self.seconds = 0.0
        self.batch = None

    def new_server(self):
        settings = [*self.scenario.settings, servers.QUIET_LOG]
        if self.gateway:
            settings += ["gateway.kind=http", f"gateway.url=http://127.0.0.1:{self.gateway.port}"]
        else:
            settings += [f"gateway.journal={self.journal}"]
        return servers.payonce_server(self.options.payonce, self.work_dir, "payonce", settings)

    def run(self, stack):
        if self.gateway:
            self.gateway.start()
            stack.callback(self.gateway.kill)
        self.server = stack.enter_context(self.new_server())
        self.client = api.Client(self.server.port)
        stack.callback(lambda: self.client.close())
        if self.scenario.batch:
            self.send_batch()
        else:
            self.client.create_accounts()
            for number, connections in enumerate(self.scenario.connections):
                self.load(number, connections, stack)
        self.settle()
        self.check()

    def send_batch(self):
        """From accounts of its own, which `payonce bench` watches itself."""
        results = self.work_dir / "batch.json"
        done = subprocess.run(
            [str(self.options.payonce), "bench", "--url", self.server.url, "--scenario", "batch",
             "--count", str(self.scenario.payments), "--quiet", "--json", str(results)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        if done.returncode != 0 or not results.is_file():
            raise HarnessError(f"payonce bench: {done.stdout}{done.stderr}")
        steps = [json.loads(line) for line in results.read_text().splitlines()]
        self.batch = next(step for step in steps if step["kind"] == "step")
        self.seconds = self.batch["duration_s"] + self.batch["settled_s"]
        print(f"          accepted after {self.batch['duration_s']:.2f} s, finished after"
              f" {self.seconds:.2f} s", flush=True)

    def load(self, number, connections, stack):
        arguments = [f"run=s{number}", *self.scenario.arguments, "checked"]
        if not any(text.startswith("accounts=") for text in arguments):
            arguments.append(f"accounts={api.ACCOUNTS}")
        # wrk runs beside; this thread stays the one that starts and kills, since the kernel ends a
        # process together with the thread that made it.
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            running = beside.submit(load.run_wrk, self.scenario.lua, self.server.url, connections,
                                    self.options.seconds, arguments)
            if self.scenario.during:
                self.disturb()
            result = running.result()
        if self.scenario.during == "kill server":
            self.restart(stack)
        codes = {int(code): count for code, count in result["codes"].items()}
        self.asked += result["asked"]
        self.accepted += codes.get(201, 0) + codes.get(202, 0)
        self.refused += codes.get(503, 0)
        self.unanswered += connections + codes.get(503, 0)
        self.seconds += result["seconds"]
        broken = sum(count for name, count in result["errors"].items() if name != "status")
        self.unanswered += broken
        wrong = result["unexpected"] - (codes.get(503, 0) if self.scenario.refusals else 0)
        if wrong or (broken and not self.scenario.errors):
            self.faults.append(load.describe_failure(result))
        print(f"          {connections:4} connections: {result['requests_per_s']:9,.0f} answers/s,"
              f" p50 {result['p50_us'] / 1000:.1f} ms, p99 {result['p99_us'] / 1000:.1f} ms,"
              f" {codes}", flush=True)

    def disturb(self):
        time.sleep(PAUSE_S)
        if self.scenario.during == "kill gateway":
            self.gateway.kill()
            time.sleep(PAUSE_S)
            self.gateway.start()
        else:
            self.server.process.kill()

    def restart(self, stack):
        """The same data under a new process: recovery decides what became of everything."""
        self.server.process.wait()
        self.server = stack.enter_context(self.new_server())
        print(f"          ready again after {self.server.ready_ms:.0f} ms", flush=True)
        self.client.close()
        self.client = api.Client(self.server.port)

    def settle(self):
        begin = time.perf_counter()
        if not self.batch:
            self.totals, _ = self.client.wait_until_settled()
        while self.client.open_payments():
            if time.perf_counter() - begin > api.SETTLE_TIMEOUT_S:
                raise HarnessError("payments are still open")
            time.sleep(api.SETTLE_POLL_S)
        self.client.wait_until_idle()
        self.settled = time.perf_counter() - begin

    def check(self):
        ledger = self.client.get("/v1/ledger")
        taken = self.batch["taken"] if self.batch else self.totals.taken
        if ledger.get("balanced") is not True:
            self.faults.append(f"the ledger is not balanced: {ledger}")
        if self.scenario.payments >= 0:
            least = most = self.scenario.payments
        else:
            # What was left without an answer, or was refused, may have been taken or not.
            least = max(min(self.accepted, self.asked) - self.repeats(),
                        self.asked - self.unanswered)
            most = self.asked
        if not least <= taken <= most:
            self.faults.append(f"asked for {self.asked}, accepted {self.accepted}, taken {taken}")
        if self.scenario.refusals and not self.refused:
            self.faults.append("nothing was refused: this was no overload")
        charges = self.charges()
        twice = [key for key, count in charges.items() if count > 1]
        if twice:
            self.faults.append(f"{len(twice)} charges taken more than once: {twice[:3]}")
        if len(charges) != taken:
            self.faults.append(f"the gateway took {len(charges)} charges, the ledger {taken}")
        for queue in self.client.get("/v1/tasks")["data"]:
            if queue["depth"] or queue["running"]:
                self.faults.append(f"not idle: {queue}")
        print(f"          {taken:,} payments finished, {taken / (self.seconds + self.settled):,.0f}/s"
              f" with {self.settled:.1f} s after the load; {self.refused:,} refused", flush=True)

    def repeats(self):
        """Answers that were repetitions of another one, at most."""
        return max(0, self.accepted - self.asked) if self.scenario.lua == "accept" else 0

    def charges(self):
        """How often the gateway took each charge, by its own books."""
        taken = collections.Counter()
        with self.journal.open() as lines:
            for line in lines:
                entry = json.loads(line)
                if entry.get("op", "charge") == "charge" and entry["outcome"] == "confirmed" \
                        and not entry["repeat"]:
                    taken[entry["key"]] += 1
        return taken


def parse_options(arguments):
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(prog="perf/stress.sh", description=(
        "Runs load and stress scenarios against fresh servers, and checks what became of each."))
    parser.add_argument("scenario", nargs="*", help="one of: " + ", ".join(names) + " (all)")
    programs.add_payonce(parser)
    parser.add_argument("--seconds", type=int, default=6, help="length of each wrk run (6)")
    programs.add_dir(parser)
    options = parser.parse_args(arguments)
    programs.check_names(parser, options.scenario, names)
    if options.seconds < 2 * PAUSE_S + 1:
        parser.error(f"--seconds starts at {2 * PAUSE_S + 1}")
    return options


def main():
    options = parse_options(sys.argv[1:])
    programs.need(options.payonce)
    failed = []
    for scenario in SCENARIOS:
        if options.scenario and scenario.name not in options.scenario:
            continue
        print(f"{scenario.name}", flush=True)
        with programs.work_folder("stress-", options.dir) as work_dir, \
                contextlib.ExitStack() as stack:
            trial = Trial(scenario, options, work_dir)
            trial.run(stack)
        for fault in trial.faults:
            print(f"  FAULT   {fault}", flush=True)
        if trial.faults:
            failed.append(scenario.name)
    print("UNSOUND   " + ", ".join(failed) if failed else "sound     every outcome is as it should be")
    return 1 if failed else 0


if __name__ == "__main__":
    servers.run_program("perf/stress.sh", main)
