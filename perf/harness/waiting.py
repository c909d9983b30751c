"""What perf/scale.sh measures with payments that are open for long."""

import json
import time

import history
import pairs
import probe
import report
from servers import HarnessError

WAITING_ACCOUNTS = "wait"  # apart from the bench accounts, which have to settle
SETTINGS = ("gateway.callback_timeout=24h",
            'gateway.retry={initial_interval="1h",maximum_interval="1h"}')
OPEN_MAX_LEAST = 250_000
OPEN_KINDS = (("callback", "pm_manual"), ("retry", "pm_down"))
KILLS = 3
SENT_TIMEOUT_S = 300
POLL_S = 0.1
CONFIRMED = 20  # of the waiting ones, to see that they still can end
PROBE_RATE = 100
PROBE_SECONDS = 5


def open_count(client):
    counts = client.payments_by_status()
    return counts["pending"] + counts["processing"]


def wait_until_sent(client):
    """Until the gateway has had every open payment once: they wait for nothing of ours then."""
    deadline = time.perf_counter() + SENT_TIMEOUT_S
    while client.payments_by_status()["pending"] or any(
            queue["running"] or queue["oldest_age_ms"] for queue in client.busy_queues()):
        if time.perf_counter() > deadline:
            raise HarnessError(f"not all sent after {SENT_TIMEOUT_S} s: {client.busy_queues()}")
        time.sleep(POLL_S)


def started(run, name, count, method):
    """A server with `count` open payments. Returns it and how many they are."""
    subject = run.subject(name, [*SETTINGS,
                                 f"payments.open_max={max(OPEN_MAX_LEAST, 2 * count)}"])
    subject.start()
    try:
        subject.client.create_accounts()
        subject.client.create_accounts(WAITING_ACCOUNTS)
        idle_mib = subject.server.anonymous_mib()
        opened = history.grow(subject, count, (f"method={method}", f"prefix={WAITING_ACCOUNTS}"),
                              lambda: open_count(subject.client))
        wait_until_sent(subject.client)
    except BaseException:
        subject.stop()
        raise
    print(f"opened    {opened:,} payments with {method}: anonymous memory"
          f" {idle_mib:.1f} MiB before, {subject.server.anonymous_mib():.1f} MiB now", flush=True)
    return subject, opened


def confirm_some(client, faults):
    """Calls back about some of the waiting payments: they have to succeed."""
    for payment in client.get(f"/v1/payments?status=processing&limit={CONFIRMED}")["data"]:
        name = payment["id"]
        status, _, text = client.call("POST", "/v1/gateway/callbacks", json.dumps(
            {"payment_id": name, "gateway_reference": f"mock_{name}", "outcome": "confirmed"}))
        ended = client.get(f"/v1/payments/{name}")
        if status != 202 or ended["status"] != "success":
            faults.append(f"callback about {name}: {status} {text[:200]!r}, then"
                          f" {ended['status']}")


def check_open(client, opened, faults):
    """The bench payments have ended, the others are as open as before, and the books balanced."""
    client.wait_until_settled()
    wait_until_sent(client)
    still = open_count(client)
    if still != opened:
        faults.append(f"{opened} payments were open, now {still}")
    ledger = client.get("/v1/ledger")
    if ledger.get("balanced") is not True:
        faults.append(f"the ledger is not balanced: {ledger}")


def measure_open(run, count):
    """kill -9 under load with so many open payments that wait for a callback, or for a retry."""
    for kind, method in OPEN_KINDS:
        subject, opened = started(run, f"open-{kind}", count, method)
        with subject:
            faults = []
            ready_ms = [history.kill_under_load(subject, f"open-{kind}-{number}", faults)
                        for number in range(KILLS)]
            loaded_mib = subject.server.anonymous_mib()
            check_open(subject.client, opened, faults)
            if kind == "callback":
                confirm_some(subject.client, faults)
            run.record("open", kind_of_wait=kind, payments=opened, ready_ms=ready_ms,
                       anonymous_mib=loaded_mib)
            run.add_faults(faults)
            run.add_budgets([report.Budget(
                f"{opened:,} open, waiting for a {kind}: ready after kill -9", ready_ms, 2000,
                False, "ms")])
            subject.remove()


def probe_after_kill(subject, faults):
    """New payments before a kill -9, and from the moment at which the next process is ready."""
    before = probe.run(subject.server.port, PROBE_RATE, PROBE_SECONDS, "before")
    ready_ms = history.kill_under_load(subject, "waiting-kill", faults)
    after = probe.run(subject.server.port, PROBE_RATE, PROBE_SECONDS, "after")
    return ready_ms, {
        "before": probe.summary(before),
        "first second": probe.summary([sample for sample in after if sample.due < 1]),
        "all after": probe.summary(after)}


def print_probes(probes):
    report.print_rows(["new payments, complete, by a probe", "answered", "p50 µs", "p99 µs",
                       "max µs"],
                      [[name, str(found["samples"])] + [
                          f"{found[field]:,.0f}" for field in ("p50_us", "p99_us", "max_us")]
                       for name, found in probes.items()])


def measure_waiting(run, count):
    """The speed of others beside so many payments that wait for a callback."""
    subject, opened = started(run, "waiting", count, "pm_manual")
    with subject:
        faults = []
        memory_mib = [subject.server.anonymous_mib()]
        measured = pairs.measure(subject, "waiting", run.options, "waiting")
        memory_mib.append(subject.server.anonymous_mib())
        orderly_ms = subject.restart()
        kills = [probe_after_kill(subject, faults) for _ in range(KILLS)]
        memory_mib.append(subject.server.anonymous_mib())
        check_open(subject.client, opened, faults)
        confirm_some(subject.client, faults)
        for _, probes in kills:
            for name, found in probes.items():
                if set(found["statuses"]) != {"201"}:
                    faults.append(f"probe {name}: answers {found['statuses']}")
        killed_ms = [ready_ms for ready_ms, _ in kills]
        run.record("waiting", payments=opened, sizes=subject.sizes(), anonymous_mib=memory_mib,
                   ready_ms=orderly_ms, killed_ready_ms=killed_ms,
                   probes=[probes for _, probes in kills], loads=measured.records)
        run.add_faults(measured.faults + faults)
        run.foreign_cores += measured.foreign_cores()
        print(f"\nwith {opened:,} payments waiting for a callback:")
        pairs.print_pairs(measured)
        print_probes(kills[0][1])
        run.add_budgets(waiting_budgets(opened, measured, memory_mib, killed_ms, kills))
        subject.remove()


def waiting_budgets(opened, measured, memory_mib, killed_ms, kills):
    at = f"{opened:,} waiting: "
    return [
        report.Budget(at + "accept of others, of without", measured.ratios("accept", 64), 0.9,
                      True),
        report.Budget(at + "complete of others, of without", measured.ratios("complete", 64), 0.9,
                      True),
        report.Budget(at + "anonymous memory", [max(memory_mib)], 256, False, "MiB"),
        report.Budget(at + "ready after kill -9", killed_ms, 2000, False, "ms"),
        report.Budget(at + "p50 in the first second after that, of before",
                      [probes["first second"]["p50_us"] / probes["before"]["p50_us"]
                       for _, probes in kills], 4, False),
    ]
