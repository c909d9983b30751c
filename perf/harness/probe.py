"""Few requests at a fixed rate, each timed from the moment at which it was due.

A closed loop asks nothing while the server stalls, and so measures the stall once; here every
request that a stall delays counts the whole of its delay.
"""

import collections
import dataclasses
import http.client
import json
import math
import threading
import time

CONNECTIONS = 32
TIMEOUT_S = 30


def percentile(ordered, share):
    """Of values in ascending order: the least that `share` of them do not exceed."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclasses.dataclass
class Sample:
    due: float      # seconds since the probe began
    latency: float  # seconds from then to the whole answer
    status: int     # 0: there was none


def summary(samples, good=(201, 202)):
    """Latencies of the good answers in µs, and how many there were of each status."""
    ordered = sorted(sample.latency for sample in samples if sample.status in good)
    statuses = collections.Counter(str(sample.status) for sample in samples)
    return {"samples": len(ordered), "statuses": dict(sorted(statuses.items())),
            **{name: percentile(ordered, share) * 1e6 for name, share in (
                ("p50_us", 0.5), ("p99_us", 0.99), ("p99_9_us", 0.999), ("max_us", 1.0))}}


class Probe:
    """New payments at `rate` per second until stop(), from threads of this program.

    More than CONNECTIONS requests without an answer hold the later ones up; that delay counts too.
    """

    def __init__(self, port, rate, run_name, wait=True, accounts=1000):
        self.port = port
        self.rate = rate
        self.run_name = run_name
        self.accounts = accounts
        self.headers = {"Content-Type": "application/json"}
        if wait:
            self.headers["Prefer"] = "wait=10"
        self.samples = []
        self.next = 0
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._ask, daemon=True)
                        for _ in range(CONNECTIONS)]

    def __enter__(self):
        self.begin = time.perf_counter()
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Waits for what is under way. The samples, in the order in which they were due."""
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        return sorted(self.samples, key=lambda sample: sample.due)

    def elapsed(self):
        """Seconds since it began."""
        return time.perf_counter() - self.begin

    def _take_turn(self):
        with self.lock:
            number = self.next
            self.next += 1
        return number

    def _ask(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        while not self.stopping.is_set():
            number = self._take_turn()
            due = number / self.rate
            if self.stopping.wait(max(0.0, due - self.elapsed())):
                break
            status = self._request(connection, number)
            self.samples.append(Sample(due, self.elapsed() - due, status))
        connection.close()

    def _request(self, connection, number):
        body = json.dumps({"user_id": f"bench-{number % self.accounts}", "amount": "1.00",
                           "payment_method": "pm_ok",
                           "description": f"{self.run_name}-{number}"}).encode()
        try:
            connection.request("POST", "/v1/payments", body, self.headers)
            response = connection.getresponse()
            response.read()
            return response.status
        except (OSError, http.client.HTTPException):
            connection.close()
            return 0


def run(port, rate, seconds, run_name, wait=True):
    """A probe of its own; the samples."""
    with Probe(port, rate, run_name, wait) as probe:
        time.sleep(seconds)
        return probe.stop()
