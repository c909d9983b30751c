"""Runs wrk and the bare LMDB bench, and keeps the books: answered payments against taken money."""

import json
import pathlib
import signal
import subprocess

from servers import HarnessError, die_with_parent

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent / "load"
WRK_THREADS_MAX = 2
WRK_TIMEOUT = "15s"  # Longer than the wait=10 of complete.lua.
GRACE_S = 60

SCENARIOS = ("constant", "accept", "complete", "replay")
MAKES_PAYMENTS = ("accept", "complete")


def last_json_line(text):
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    return None


def wrk_command(scenario, url, connections, seconds, arguments):
    return ["wrk", f"-t{min(WRK_THREADS_MAX, connections)}", f"-c{connections}", f"-d{seconds}s",
            "--timeout", WRK_TIMEOUT, "-s", str(SCRIPTS / f"{scenario}.lua"), url,
            "--", *arguments]


def run_wrk(scenario, url, connections, seconds, arguments):
    command = wrk_command(scenario, url, connections, seconds, arguments)
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=seconds + GRACE_S)
    except subprocess.TimeoutExpired as error:
        raise HarnessError(f"{' '.join(command)}: does not end") from error
    return read_result(command, done.returncode, done.stdout, done.stderr, connections)


def read_result(command, returncode, stdout, stderr, connections):
    result = last_json_line(stdout)
    if returncode != 0 or result is None:
        raise HarnessError(f"{' '.join(command)}: exit {returncode}\n"
                           f"{stdout[-1000:]}{stderr[-1000:]}")
    result["connections"] = connections
    return result


class Beside:
    """A wrk that runs beside what the `with` block does; result() waits for its end.

    Leaving the block without asking for the result ends it. Make it in the main thread: the kernel
    ends a process together with the thread that made it.
    """

    def __init__(self, scenario, url, connections, seconds, arguments):
        self.command = wrk_command(scenario, url, connections, seconds, arguments)
        self.connections = connections
        self.seconds = seconds
        self.process = None

    def __enter__(self):
        # A group of its own, so that a ctrl-c reaches it only through __exit__.
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, process_group=0, preexec_fn=die_with_parent)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def end_now(self):
        """Makes wrk stop before its time, as ctrl-c does; result() then tells what it has done."""
        self.process.send_signal(signal.SIGINT)

    def result(self):
        try:
            out, err = self.process.communicate(timeout=self.seconds + GRACE_S)
        except subprocess.TimeoutExpired as error:
            raise HarnessError(f"{' '.join(self.command)}: does not end") from error
        return read_result(self.command, self.process.returncode, out, err, self.connections)


def failed_requests(result):
    errors = result["errors"]
    return sum(errors.values()) + result.get("unexpected", 0)


def describe_failure(result):
    parts = [f"{name} {count}" for name, count in result["errors"].items() if count]
    if result.get("unexpected"):
        parts.append(f"unexpected {result['unexpected']}, codes {result['codes']},"
                     f" first: {result['sample']}")
    return "; ".join(parts)


def check_books(result, before, after):
    """Compares answers with money. Returns a list of faults, empty when all is right.

    wrk leaves at most one request per connection unanswered when it stops, and the server may
    have taken those payments all the same. Beyond that, each answered payment has to have taken
    exactly its amount, and a replay nothing.
    """
    created = after.taken - before.taken
    answered = unanswered = 0
    if result["scenario"] in MAKES_PAYMENTS:
        answered = result["requests"] - result["errors"]["status"]
        unanswered = result["connections"]
    result["created"] = created
    if answered <= created <= answered + unanswered:
        return []
    return [f"{result['scenario']}, {result['connections']} connections: {answered} payments"
            f" accepted, {created} taken from the accounts"]


def run_on_payonce(client, server, scenario, connections, seconds, arguments):
    """One wrk run against payonce, until its last payment has ended. Returns result and faults."""
    before, _ = client.wait_until_settled()
    result = run_wrk(scenario, server.url, connections, seconds, arguments)
    server.check_alive()
    after, result["settle_seconds"] = client.wait_until_settled()
    faults = check_books(result, before, after)
    if failed_requests(result):
        faults.append(f"{scenario}, {connections} connections: {describe_failure(result)}")
    return result, faults


def run_commit_bench(binary, work_dir, commits):
    """Bare LMDB commits on the disk that the servers write to. Returns one result per batch."""
    command = [str(binary), "--dir", str(work_dir), "--commits", str(commits)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise HarnessError(f"{' '.join(command)}: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]
