"""`payonce bench`: it loads a server at a fixed rate, counts every answer and checks the money."""

import json
import os
import pathlib
import pty
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import ApiCase, ContractCase
from support.mock_gateway import MockGateway
from support.server import SLOWNESS, Server, binary, environment, free_port, run, wait_until

OK, FAILED, USAGE = 0, 1, 2
RUN_S = 90 * SLOWNESS
OUTCOMES = ("ok", "shed", "wrong", "socket_errors", "timeouts", "not_sent")


def url(port):
    return f"http://127.0.0.1:{port}"


def bench(port, *arguments, connections=8):
    return run("bench", "--url", url(port), "--connections", connections, "--accounts", 10,
               *arguments, timeout=RUN_S)


class Folder(unittest.TestCase):
    """A folder for the files that are written."""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="payonce-bench-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def lines(self, kind=None, name="bench.json"):
        lines = [json.loads(line) for line in (self.folder / name).read_text().splitlines()]
        return [line for line in lines if kind in (None, line["kind"])]

    @property
    def json(self):
        return ("--json", self.folder / "bench.json")


class Load(Folder, ApiCase):
    settings = ()

    def test_a_step_answers_every_request_and_proves_the_money(self):
        result = bench(self.server.port, "--rate", 200, "--duration", 2, "--warmup", 0.5,
                       "--quiet", *self.json)
        self.assertEqual(result.returncode, OK, result)
        self.assertEqual(result.stderr, "")
        self.assertIn("good: ", result.stdout)
        step, = self.lines("step")
        self.assertEqual((step["scenario"], step["rate"], step["requests"]), ("accept", 200, 400))
        self.assertEqual({name: step[name] for name in OUTCOMES},
                         {**dict.fromkeys(OUTCOMES, 0), "ok": 400})
        self.assertEqual(step["warmup"]["ok"], 100)
        self.assertEqual((step["accepted"], step["taken"], step["open"]), (500, 500, 0))
        self.assertIs(step["balanced"], True)
        self.assertIs(step["good"], True)
        self.assertEqual(step["complaints"], [])
        latency = step["latency_us"]
        ordered = [latency[name] for name in ("p50", "p90", "p99", "p99_9", "p99_99", "max")]
        self.assertEqual(ordered, sorted(ordered))
        self.assertGreater(ordered[0], 0)
        self.assertLessEqual(step["achieved"], 200.0)

    def test_seconds_add_up_to_the_step(self):
        result = bench(self.server.port, "--rate", 100, "--duration", 2, "--warmup", 1, *self.json)
        self.assertEqual(result.returncode, OK, result)
        seconds = self.lines("second")
        self.assertEqual(seconds[0]["second"], -1)
        self.assertEqual([line["second"] for line in seconds], list(range(-1, len(seconds) - 1)))
        self.assertEqual(sum(line["done"] for line in seconds), 300)
        self.assertEqual(sum(line["sent"] for line in seconds), 300)
        # What goes to a file is one line for each second.
        progress = result.stderr.splitlines()
        self.assertEqual(len(progress), len(seconds))
        self.assertIn("warm-up", progress[0])
        self.assertIn("    1 s  sent ", progress[1])

    def test_several_rates_are_a_step_each_and_a_curve_each(self):
        drawing, percentiles = self.folder / "bench.svg", self.folder / "bench.hgrm"
        result = bench(self.server.port, "--rates", "50,100", "--duration", 1, "--warmup", 0,
                       "--quiet", "--svg", drawing, "--hgrm", percentiles, *self.json)
        self.assertEqual(result.returncode, OK, result)
        self.assertEqual([line["rate"] for line in self.lines("step")], [50, 100])
        root = xml.etree.ElementTree.parse(drawing).getroot()
        self.assertTrue(root.tag.endswith("svg"))
        curves = [one for one in root.iter() if one.get("class") == "curve"]
        self.assertEqual(len(curves), 4)
        for rate in (50, 100):
            text = (self.folder / f"bench.hgrm.{rate}").read_text()
            self.assertIn("1/(1-Percentile)", text)
            self.assertRegex(text, rf"Total count\s*=\s*{rate}\b")

    def test_every_scenario_is_answered_rightly(self):
        paid = {"accept": 100, "complete": 100, "duplicates": 90, "hot-account": 100, "hot-key": 1}
        for scenario in ("accept", "complete", "duplicates", "mixed", "hot-account", "hot-key"):
            with self.subTest(scenario=scenario):
                name = f"{scenario}.json"
                result = bench(self.server.port, "--scenario", scenario, "--rate", 100,
                               "--duration", 1, "--warmup", 0, "--quiet",
                               "--json", self.folder / name)
                self.assertEqual(result.returncode, OK, result)
                step, = self.lines("step", name)
                self.assertEqual(step["ok"], 100)
                self.assertEqual(step["taken"], step["accepted"])
                if scenario in paid:
                    self.assertEqual(step["taken"], paid[scenario])
                else:  # a fifth creates; until the first of them is answered, all do
                    self.assertGreaterEqual(step["taken"], 20)

    def test_a_batch_is_accepted_and_finished_as_a_whole(self):
        result = bench(self.server.port, "--scenario", "batch", "--count", 300, "--quiet",
                       *self.json)
        self.assertEqual(result.returncode, OK, result)
        step, = self.lines("step")
        self.assertEqual((step["rate"], step["ok"], step["taken"], step["open"]), (0, 300, 300, 0))
        self.assertRegex(result.stdout, r"all accepted after .*all finished after")

    def test_runs_on_one_server_do_not_meet(self):
        for _ in range(2):
            result = bench(self.server.port, "--scenario", "hot-key", "--rate", 50,
                           "--duration", 1, "--warmup", 0, "--quiet", *self.json)
            self.assertEqual(result.returncode, OK, result)
        self.assertEqual([line["taken"] for line in self.lines("step")], [1, 1])

    def test_on_a_terminal_one_line_is_written_over_and_over(self):
        terminal, other_end = pty.openpty()
        self.addCleanup(os.close, terminal)
        command = [binary(), "bench", "--url", url(self.server.port), "--rate", "50",
                   "--duration", "2", "--warmup", "0", "--accounts", "5"]
        with subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=other_end) as process:
            os.close(other_end)
            process.communicate(timeout=RUN_S)
        self.assertEqual(process.returncode, OK)
        shown = os.read(terminal, 65536).decode()
        self.assertGreaterEqual(shown.count("\r\x1b[K"), 3)
        self.assertNotIn("\n", shown)
        self.assertTrue(shown.endswith("\r\x1b[K"), "the line is still there at the end")


class Overload(Folder, ContractCase):
    def test_refusals_are_counted_and_no_fault(self):
        with Server(settings=["payments.open_max=1", "gateway.latency=500ms"]) as server:
            result = bench(server.port, "--rate", 100, "--duration", 1, "--warmup", 0, "--quiet",
                           *self.json)
        self.assertEqual(result.returncode, OK, result)
        step, = self.lines("step")
        self.assertGreater(step["shed"], 0)
        self.assertGreater(step["ok"], 0)
        self.assertEqual(step["ok"] + step["shed"], 100)
        self.assertEqual(step["taken"], step["ok"])

    def test_what_the_backlog_has_no_room_for_is_a_fault(self):
        # One connection, and each answer takes a fifth of a second at least.
        with Server(settings=["gateway.latency=200ms"]) as server:
            result = bench(server.port, "--scenario", "complete", "--rate", 100, "--duration", 2,
                           "--warmup", 0, "--backlog", 3, "--quiet", *self.json, connections=1)
        self.assertEqual(result.returncode, FAILED, result)
        step, = self.lines("step")
        self.assertGreater(step["not_sent"], 0)
        self.assertEqual(step["ok"] + step["not_sent"], 200)
        self.assertEqual(step["taken"], step["ok"])
        self.assertIs(step["good"], False)
        self.assertIn("never sent", result.stdout)
        self.assertIn("BAD", result.stdout)


class Trouble(Folder, ContractCase):
    def test_nobody_there(self):
        port = free_port()
        result = bench(port)
        self.assertEqual(result.returncode, FAILED, result)
        self.assertIn(f"127.0.0.1:{port}", result.stderr)
        self.assertIn("refused", result.stderr)

    def test_a_server_that_is_no_payonce(self):
        with MockGateway(self.folder) as gateway:
            result = bench(gateway.url.rpartition(":")[2])
        self.assertEqual(result.returncode, FAILED, result)
        self.assertIn("POST /v1/accounts was answered 404", result.stderr)

    def test_a_server_that_is_killed_ends_the_run(self):
        with Server() as server, (self.folder / "progress").open("wb") as progress:
            command = [binary(), "bench", "--url", url(server.port), "--rates", "50,60",
                       "--duration", "600", "--warmup", "0", "--accounts", "5",
                       *map(str, self.json)]
            with subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=progress, text=True) as process:
                self.addCleanup(process.kill)
                wait_until(lambda: "1 s" in (self.folder / "progress").read_text(), "it loads",
                           timeout=RUN_S)
                server.kill()
                killed = time.monotonic()
                output, _ = process.communicate(timeout=RUN_S)
        self.assertGreater(time.monotonic() - killed, 4, "it may come back, and is waited for")
        self.assertEqual(process.returncode, FAILED, output)
        self.assertIn(f"127.0.0.1:{server.port} has not been reachable for 5 s", output)
        self.assertIn("the money could not be checked", output)
        step, = self.lines("step")
        self.assertIs(step["audited"], False)
        self.assertEqual(sum(step[name] for name in OUTCOMES), 50 * 600)

    def test_wrong_usage_is_exit_2_before_anything_is_loaded(self):
        for arguments, word in ((["--scenario", "nonsense"], "hot-account"),
                                (["--rate", "0"], "rate"), (["--rates", "10,x"], "x"),
                                (["--url", "http://10.1.2.3:80"], "--allow-remote"),
                                (["--url", "https://127.0.0.1:1"], "--url"),
                                (["--duration", "0"], "duration"),
                                (["--connections", "0"], "connections"),
                                (["--svg", self.folder / "none" / "x.svg"], "x.svg")):
            with self.subTest(arguments=arguments):
                result = run("bench", *arguments)
                self.assertEqual(result.returncode, USAGE, result)
                self.assertIn(word, result.stderr)

    def test_help_explains_what_is_measured(self):
        result = run("bench", "--help")
        self.assertEqual(result.returncode, OK, result)
        for word in ("--rate", "--scenario", "due", "Exit codes"):
            self.assertIn(word, result.stdout)


if __name__ == "__main__":
    unittest.main()
