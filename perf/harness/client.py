"""What the harness asks payonce over HTTP: accounts to load, and what became of the money."""

import dataclasses
import http.client
import json
import time

from servers import HarnessError

ACCOUNTS = 1000
OPENING_BALANCE = "1000000000.00"
AMOUNT_MINOR = 100  # Every payment of the load scripts is 1.00.
SETTLE_TIMEOUT_S = 300
SETTLE_POLL_S = 0.05
REPLAY_KEY = "bench-replay"
REPLAY_BODY = '{"user_id":"bench-0","amount":"1.00","payment_method":"pm_ok"}'


def minor(text):
    """Minor units of a decimal with two digits, exactly."""
    whole, _, fraction = text.partition(".")
    if len(fraction) != 2:
        raise HarnessError(f"not an amount with two digits: {text}")
    return int(whole + fraction)


@dataclasses.dataclass
class Totals:
    """Sums over all bench accounts, in payments of 1.00."""
    taken: int  # no longer available: held by a running payment, or paid
    held: int


class Client:
    """One keep-alive connection to a payonce."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def close(self):
        self.connection.close()

    def call(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            self.connection.request(method, path, body, headers)
            response = self.connection.getresponse()
            return response.status, response.headers, response.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()  # The next call opens it anew.
            raise HarnessError(f"{method} {path}: {error!r}") from error

    def get(self, path):
        try:
            status, _, text = self.call("GET", path)
        except HarnessError:
            # The server may have closed a connection that was idle during a long run.
            status, _, text = self.call("GET", path)
        if status != 200:
            raise HarnessError(f"GET {path}: {status} {text[:300]!r}")
        return json.loads(text)

    def create_accounts(self, prefix="bench"):
        for number in range(ACCOUNTS):
            body = json.dumps({"id": f"{prefix}-{number}", "opening_balance": OPENING_BALANCE})
            status, _, text = self.call("POST", "/v1/accounts", body)
            if status != 201:
                raise HarnessError(f"POST /v1/accounts {body}: {status} {text[:300]!r}")

    def create_replayed_payment(self):
        """The finished POST that replay.lua repeats."""
        status, _, text = self.call("POST", "/v1/payments", REPLAY_BODY, {
            "Idempotency-Key": f'"{REPLAY_KEY}"', "Prefer": "wait=10"})
        if status != 201:
            raise HarnessError(f"the payment to replay did not finish: {status} {text[:300]!r}")

    def _bench_accounts(self):
        cursor = ""
        while True:
            page = self.get("/v1/accounts?limit=100" + cursor)
            yield from (a for a in page["data"] if a["id"].startswith("bench-"))
            if not page["next_cursor"]:
                return
            cursor = "&cursor=" + page["next_cursor"]

    def totals(self):
        accounts = list(self._bench_accounts())
        if len(accounts) != ACCOUNTS:
            raise HarnessError(f"GET /v1/accounts lists {len(accounts)} of {ACCOUNTS} accounts")
        taken = sum(minor(OPENING_BALANCE) - minor(a["available"]) for a in accounts)
        held = sum(minor(a["held"]) for a in accounts)
        if taken % AMOUNT_MINOR or held % AMOUNT_MINOR:
            raise HarnessError(f"not whole payments: taken {taken}, held {held} minor units")
        return Totals(taken // AMOUNT_MINOR, held // AMOUNT_MINOR)

    def wait_until_settled(self):
        """Waits until no bench account has money held. Returns the totals and the seconds."""
        begin = time.perf_counter()
        while True:
            totals = self.totals()
            seconds = time.perf_counter() - begin
            if totals.held == 0:
                return totals, seconds
            if seconds > SETTLE_TIMEOUT_S:
                raise HarnessError(
                    f"{totals.held} payments still hold money after {SETTLE_TIMEOUT_S} s")
            time.sleep(SETTLE_POLL_S)

    def payments_by_status(self):
        """How many payments there are in each status."""
        return self.get("/v1/reports/payments")["by_status"]

    def busy_queues(self):
        """Queues with tasks that wait or run, the timers left out: those wait for their time."""
        return [queue for queue in self.get("/v1/tasks")["data"]
                if queue["queue"] != "timers" and (queue["depth"] or queue["running"])]

    def wait_until_idle(self, timeout_s=SETTLE_TIMEOUT_S):
        """Waits until no queue has anything to do."""
        deadline = time.perf_counter() + timeout_s
        while busy := self.busy_queues():
            if time.perf_counter() > deadline:
                raise HarnessError(f"not idle after {timeout_s} s: {busy}")
            time.sleep(SETTLE_POLL_S)

    def wait_until_closed(self):
        """Waits until every payment on the bench accounts has ended and told so. The totals."""
        totals, _ = self.wait_until_settled()
        self.wait_until_idle()
        return totals

    def open_payments(self):
        """How many of the first page of each open state there are; 0 when all have ended."""
        return sum(len(self.get(f"/v1/payments?status={status}&limit=100")["data"])
                   for status in ("pending", "processing"))
