"""Runs wrk and the bare LMDB bench, and keeps the books: answered payments against taken money."""

import json
import pathlib
import subprocess

from servers import HarnessError

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
    result = last_json_line(done.stdout)
    if done.returncode != 0 or result is None:
        raise HarnessError(f"{' '.join(command)}: exit {done.returncode}\n"
                           f"{done.stdout[-1000:]}{done.stderr[-1000:]}")
    result["connections"] = connections
    return result


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
