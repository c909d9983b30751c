"""One fixed piece of business that goes through every saga there is, and what must have come of it.

A Market holds what is outside and outlives the servers: the gateway, a process of its own with a
journal, and a receiver of webhooks. Each Business is run against a fresh data directory. Its one
client repeats a request under the same key or id until it has an answer; when the server has died
it is started again on the same data, this time without anybody who would kill it.
"""

import json
import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import journal, webhooks
from support.cases import ContractCase, minor
from support.mock_gateway import MockGateway
from support.receiver import Receiver
from support.saga import PATIENT, QUICK_INQUIRY
from support.server import (SLOWNESS, START_S, Server, ServerFailed, free_port, run,
                            wait_until)

OPENING = 100000
DEPOSIT = 2050
# What each payment asks for, how it ends, and what the gateway keeps of its money in the end.
PAYMENTS = {
    "ok": ("pm_ok", "success", None, 1001),
    "decline": ("pm_decline", "fail", "gateway_declined", 0),
    "flaky": ("pm_flaky_1", "success", None, 1003),
    "doubt": ("pm_timeout", "success", None, 1004),
    "called": ("pm_async", "success", None, 1005),
    "fraud": ("pm_fraud", "fail", "fraud_rejected", 0),
    "cancelled": ("pm_manual", "cancelled", "cancelled", 0),
    "answered": ("pm_manual", "success", None, 1008),
    "refunded": ("pm_ok", "success", None, 700),
}
REFUND = 309
KEYED = {"ok", "decline", "doubt", "cancelled", "refunded"}  # the others are repeated by their id
ANSWER_S = 60 * SLOWNESS
END_S = 60 * SLOWNESS
REQUEST_S = 20 * SLOWNESS


def tool(name):
    """Path of a program that the build makes for these tests."""
    folder = os.environ.get("PAYONCE_BUILD_DIR")
    if folder is None:
        folder = pathlib.Path(__file__).resolve().parents[2] / "build" / "release"
    return str(pathlib.Path(folder) / "tests" / name)


class TracedServer(Server):
    """A server whose first process runs under call_tracer."""

    def __init__(self, tracer_arguments, **options):
        super().__init__(**options)
        self._tracer = [tool("call_tracer"), "--data", str(self.data), *tracer_arguments, "--"]
        self.traced = True

    def command(self):
        return (self._tracer if self.traced else []) + super().command()

    def tracer_words(self):
        """What the tracer said at its end: {"calls": …, "killed": …}."""
        for line in reversed(self.log_path.read_text(errors="replace").splitlines()):
            if "call_tracer: calls=" in line:
                words = line[line.index("call_tracer: ") + len("call_tracer: "):].split(" ")
                return dict(word.split("=", 1) for word in words)
        raise ServerFailed("the tracer did not say what it did:\n" + self.log_tail())


class Market:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="payonce-crash-"))
        self.port, self.secret = free_port(), webhooks.new_secret()
        self.receiver = Receiver()
        self.gateway = MockGateway(
            self.folder, "--callback-url", f"http://127.0.0.1:{self.port}/v1/gateway/callbacks",
            "--secret", self.secret, "--callback-delay", 5)
        self.gateway.start()
        self._runs = 0

    def close(self):
        self.gateway.close()
        self.receiver.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def settings(self):
        return [*PATIENT, *QUICK_INQUIRY, "gateway.kind=http", f"gateway.url={self.gateway.url}",
                f"gateway.callback_secrets={self.secret}",
                f"notify.webhook.url={self.receiver.url('/hook')}",
                f"notify.webhook.secret={self.secret}", "notify.webhook.allow_private=true",
                "notify.webhook.schedule=10ms,20ms,50ms,100ms,100ms,100ms,100ms,100ms",
                'fraud.retry={initial_interval="10ms",maximum_interval="20ms"}',
                "storage.allocate_ahead=1MiB", "storage.checkpoint_interval=50ms"]

    def business(self, tracer_arguments=(), settings=()):
        self._runs += 1
        return Business(self, f"run{self._runs}", tracer_arguments, settings)


class Business(ContractCase):
    """One run. An assertion that fails names it."""

    def __init__(self, market, name, tracer_arguments=(), settings=()):
        super().__init__()
        self.market = market
        self.name = name
        self.server = TracedServer(
            tracer_arguments, settings=[*market.settings(), *settings],
            folder=market.folder / name, fixed_port=market.port,
            env={"ASAN_OPTIONS": "detect_leaks=0"})  # it cannot look for them beside a tracer
        self.server.folder.mkdir()
        self.client = self.server.client()
        self.answers = []  # (path, body, key, status, bytes) of keyed requests
        self.deaths = 0

    def runTest(self):  # noqa: N802 - unittest's name
        raise NotImplementedError

    def close(self):
        self.client.close()
        self.server.close()
        shutil.rmtree(self.server.folder, ignore_errors=True)

    def id(self, name):
        return f"{self.name}-{name}"

    # The server's life.

    def begin(self):
        try:
            self.server.start()
        except ServerFailed:
            self.rise()

    def rise(self):
        """A new start on the same data, once the process that was to be killed is gone."""
        self.server.wait_exit(START_S)
        self.deaths += 1
        self.assertTrue(self.server.traced, "it ended by itself:\n" + self.server.log_tail())
        self.assertNotEqual(self.server.tracer_words()["killed"], "nothing",
                            "it ended by itself:\n" + self.server.log_tail())
        self.server.traced = False
        self.server.start()

    def ask(self, function):
        """The answer of function(client), which is called again after the server has died."""
        def answered():
            try:
                answer = function(self.client)
            except OSError:
                if self.server.process.poll() is not None or self.server.traced:
                    self.rise()
                return None
            again = answer.status == 503 or (
                answer.status == 409 and answer.json.get("code") == "idempotency_in_flight")
            return None if again else answer
        return wait_until(answered, "an answer", timeout=ANSWER_S)

    def get(self, path):
        return self.assert_status(self.ask(lambda c: c.get(path, timeout=REQUEST_S)), 200).json

    def post(self, path, body, *statuses, key=None):
        answer = self.assert_status(
            self.ask(lambda c: c.post(path, body, key=key, timeout=REQUEST_S)), *statuses)
        if key is not None:
            self.answers.append((path, body, key, answer.status, answer.body))
        return answer.json

    # The business.

    def run_it(self):
        self.begin()
        self.post("/v1/accounts", {"id": self.id("rich"), "opening_balance": "1000.00"}, 201,
                  key=self.id("open"))
        self.post(f"/v1/accounts/{self.id('rich')}/deposits", {"amount": "20.50"}, 201,
                  key=self.id("deposit"))
        for number, (name, (method, *_)) in enumerate(PAYMENTS.items(), 1):
            self.create(name, method, number)
        body = {"id": self.id("poor"), "user_id": self.id("rich"), "amount": "5000.00",
                "payment_method": "pm_ok"}
        self.post("/v1/payments", body, 402, key=self.id("key-poor"))
        self.wait(lambda: self.payment_of("cancelled")["current_step"] == "await_callback")
        self.post(f"/v1/payments/{self.id('cancelled')}/cancel", {}, 200, 202,
                  key=self.id("key-cancel"))
        self.call_back("answered")
        self.wait(lambda: self.payment_of("refunded")["status"] == "success")
        refund = self.post(f"/v1/payments/{self.id('refunded')}/refunds", {"amount": "3.09"}, 202,
                           key=self.id("key-refund"))
        self.wait(lambda: self.get(f"/v1/workflows/{refund['id']}")["status"] == "success")
        for name in PAYMENTS:
            self.wait(lambda one=name: self.payment_of(one)["current_step"] == "done")
        if self.server.traced:
            self.server.process.terminate()
            self.server.wait_exit(START_S)
            if self.server.tracer_words()["killed"] != "nothing":
                self.deaths += 1
            self.server.traced = False
            self.server.start()

    def create(self, name, method, number):
        body = {"id": self.id(name), "user_id": self.id("rich"), "payment_method": method,
                "amount": f"10.{number:02}"}
        if name == "refunded":
            body["amount"] = "10.09"
        key = self.id(f"key-{name}") if name in KEYED else None
        created = self.post("/v1/payments", body, 200, 201, 202, key=key)
        self.assertEqual((created["id"], created["amount"]), (body["id"], body["amount"]))

    def call_back(self, name):
        """The gateway's answer about a charge, under one webhook-id however often it is sent."""
        body = json.dumps({"payment_id": self.id(name), "gateway_reference": "gw-1",
                           "outcome": "confirmed"}).encode()
        signed = webhooks.headers(self.market.secret, self.id(f"message-{name}"), body)
        self.wait(lambda: self.payment_of(name)["current_step"] == "await_callback")
        answer = self.ask(lambda c: c.request("POST", "/v1/gateway/callbacks", body, signed))
        self.assert_status(answer, 200, 202)

    def payment_of(self, name):
        return self.get(f"/v1/payments/{self.id(name)}")

    def wait(self, condition):
        wait_until(condition, f"the business of {self.name} goes on", timeout=END_S)

    # What must have come of it.

    def audit(self):
        self.audit_payments()
        self.audit_money()
        self.audit_outside()
        for path, body, key, status, content in self.answers:
            answer = self.client.post(path, body, key=key)
            self.assertTrue(answer.replayed, f"{key}: {answer}")
            self.assertEqual((answer.status, answer.body), (status, content), key)
        self.verify()

    def audit_payments(self):
        listed = {payment["id"]: payment for payment in self.every(self.client, "/v1/payments")}
        self.assertEqual(set(listed), {self.id(name) for name in [*PAYMENTS, "poor"]})
        for name, (_, status, failure, _) in PAYMENTS.items():
            payment = listed[self.id(name)]
            found = (payment["status"], payment["failure"] and payment["failure"]["code"])
            self.assertEqual(found, (status, failure), payment)
            self.assertEqual(payment["current_step"], "done", payment)
        self.assertEqual(listed[self.id("poor")]["failure"]["code"], "insufficient_funds")
        self.assertEqual(self.every(self.client, "/v1/tasks/exhausted"), [])
        self.assertEqual(len(self.every(self.client, "/v1/workflows", kind="refund")), 1)

    def audit_money(self):
        self.assert_balanced(self.client)
        kept = sum(units for *_, units in PAYMENTS.values())
        account = self.assert_account_adds_up(self.client, self.id("rich"))
        self.assertEqual(account["held"], "0.00")
        self.assertEqual(minor(account["posted"]), OPENING + DEPOSIT - kept, account)
        gateway = self.account(self.client, "sys:gateway:USD")
        self.assertEqual(minor(gateway["posted"]), kept)

    def audit_outside(self):
        """The gateway's journal and the receiver's post, as far as they are about this run."""
        entries = [entry for entry in journal.read(self.market.gateway.journal)
                   if entry["key"].startswith(self.name + "-")]
        books = journal.Books(entries)
        self.assertEqual(list(books.complaints()), [])
        for name, (_, status, _, units) in PAYMENTS.items():
            key = self.id(name)
            # One that waits for our callback was never confirmed by the gateway itself.
            wanted = 0 if name == "answered" else units
            self.assertEqual(books.net(key), wanted, f"{key}: {entries}")
            self.assertLessEqual(books.taken[key], 1)
        told = {(request.json["data"]["payment_id"], request.json["data"]["status"])
                for request in self.market.receiver.requests}
        for name, (_, status, *_) in PAYMENTS.items():
            self.assertIn((self.id(name), status), told, "nobody was notified")

    def verify(self):
        """`payonce verify` on what a server leaves that is asked to stop."""
        self.assertEqual(self.server.terminate(timeout=START_S), 0)
        done = run("verify", "--data", self.server.data, timeout=END_S)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
