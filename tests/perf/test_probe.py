"""perf/harness/probe.py: latencies count from when a request was due, and percentiles are exact."""

import http.server
import math
import os
import pathlib
import sys
import threading
import unittest

ROOT = pathlib.Path(os.environ.get("PAYONCE_SOURCE_DIR",
                                   pathlib.Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(ROOT / "perf/harness"))

import probe
from probe import Sample


class Gate:
    """A server that answers nothing until it is opened."""

    def __init__(self):
        self.opened = threading.Event()
        gate = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                gate.opened.wait()
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.opened.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Probing(unittest.TestCase):
    def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(self):
        values = list(range(1, 1001))
        self.assertEqual(probe.percentile(values, 0.5), 500)
        self.assertEqual(probe.percentile(values, 0.999), 999)
        self.assertEqual(probe.percentile(values, 1.0), 1000)
        self.assertEqual(probe.percentile([7], 0.99), 7)
        self.assertTrue(math.isnan(probe.percentile([], 0.5)))

    def test_a_summary_takes_only_good_answers(self):
        found = probe.summary([Sample(0, 0.001, 201), Sample(1, 0.003, 202), Sample(2, 9, 503)])
        self.assertEqual(found["samples"], 2)
        self.assertEqual(found["max_us"], 3000)
        self.assertEqual(found["statuses"], {"201": 1, "202": 1, "503": 1})

    def test_requests_that_a_stall_held_up_count_the_stall(self):
        # More are due than there are connections, so that some are sent only after the stall.
        wanted = 4 * probe.CONNECTIONS
        with Gate() as gate, probe.Probe(gate.server.server_port, 1000, "test") as asking:
            while asking.elapsed() * asking.rate < wanted:
                threading.Event().wait(0.001)
            stalled = asking.elapsed()
            gate.opened.set()
            while len(asking.samples) < wanted:
                threading.Event().wait(0.001)
            samples = asking.stop()
        held_up = [sample for sample in samples if sample.due < stalled]
        self.assertGreater(len(held_up), probe.CONNECTIONS)
        for sample in held_up:
            self.assertGreaterEqual(sample.due + sample.latency, stalled)


if __name__ == "__main__":
    unittest.main()
