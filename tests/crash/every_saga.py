"""One fixed piece of business that goes through the sagas, and what must have come of it.

All payments are of version 2: one from the gate on, which has its fraud check first, the others
below, where both versions are the same. In it are: each way in which a gateway that is there takes
or declines a charge; verdicts of the automatic check and of a person; cancels, refunds, a success
that comes after the end and is given back; and what was given up, a compensation, a refund and a
webhook, for which an operator asks once more, for the first two in vain.

Not in it: what ends only by a time-out (callback_timeout, fraud_timeout, an idempotency key that
expires), since the server may be dead for a while at any moment and nothing here may depend on who
is faster; a gateway that is down, refuses, or declines in its callback; a rejection at the gate;
fraud.mode "manual" and "http", payments of version 1, a notification to the log that fails, mails,
and retention. The simulator draws most of those (src/sim); tests/api has all of them.

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
from support.receiver import Receiver, Reply
from support.saga import PATIENT, QUICK_INQUIRY, QUICK_UNDO
from support.server import (SLOWNESS, START_S, Server, ServerFailed, free_port, run,
                            wait_until)

OPENING = 100000
DEPOSIT = 2050
GATE = "100.00"  # from here on the fraud check comes before the gateway
# What each payment asks for, how it ends, and what the gateway keeps of its money in the end. The
# amount is 10.NN, where NN is its place here; of the gated one 110.NN.
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
    "gated": ("pm_fraud_slow", "success", None, 11010),
    "rejected": ("pm_fraud_slow", "fail", "fraud_rejected", 0),
    "stuck": ("pm_manual.pm_void_fail", "fail", "compensation_failed", 0),
    "kept": ("pm_void_fail", "success", None, 1013),
}
STUCK_HELD = 1012
# What is given up, and whether it is given up again when it is asked for once more.
GIVEN_UP = {"stuck": ("compensation", True), "kept": ("refund", True),
            "decline": ("notify-webhook", False)}
KEYED = {"ok", "decline", "doubt", "cancelled", "refunded", "gated", "stuck"}  # the others are repeated by their id
ANSWER_S = 60 * SLOWNESS
END_S = 60 * SLOWNESS
POLL_S = 0.03  # each look is an answer, and so a call to be killed at
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
        self.receiver.answer = self.answer_webhook
        self.repaired = set()  # payments whose webhooks are taken again
        self.gateway = MockGateway(
            self.folder, "--callback-url", f"http://127.0.0.1:{self.port}/v1/gateway/callbacks",
            "--secret", self.secret, "--callback-delay", 5)
        self.gateway.start()
        self._runs = 0

    def answer_webhook(self, request):
        payment_id = request.json["data"]["payment_id"]
        refused = payment_id.endswith("-decline") and payment_id not in self.repaired
        return Reply(503 if refused else 204)

    def close(self):
        self.gateway.close()
        self.receiver.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def settings(self):
        return [*PATIENT, *QUICK_INQUIRY, QUICK_UNDO,
                "saga.payment.version=2", f"saga.payment.fraud_gate_amount={GATE}",
                "fraud.slow_delay=1h", "fraud.timeout=2h",
                "gateway.kind=http", f"gateway.url={self.gateway.url}",
                f"gateway.callback_secrets={self.secret}",
                f"notify.webhook.url={self.receiver.url('/hook')}",
                f"notify.webhook.secret={self.secret}", "notify.webhook.allow_private=true",
                "notify.webhook.schedule=10ms,20ms,50ms",
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
        self.refunds = {}  # their ids by the name of the payment

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
        for name in ("cancelled", "stuck"):
            self.wait(lambda one=name: self.payment_of(one)["current_step"] == "await_callback")
            self.post(f"/v1/payments/{self.id(name)}/cancel", {}, 200, 202,
                      key=self.id(f"cancel-{name}"))
        self.call_back("answered")
        for name, is_valid in (("gated", True), ("rejected", False)):
            self.post("/fraud-check", {"order_id": self.id(name), "is_valid": is_valid}, 200,
                      key=self.id(f"verdict-{name}"))
        for name in ("refunded", "kept"):
            self.wait(lambda one=name: self.payment_of(one)["status"] == "success")
            self.refunds[name] = self.post(
                f"/v1/payments/{self.id(name)}/refunds", {"amount": "3.09"}, 202,
                key=self.id(f"refund-{name}"))["id"]
        self.wait(lambda: self.refund_of("refunded")["status"] == "success")
        self.wait(lambda: self.payment_of("cancelled")["status"] == "cancelled")
        self.call_back("cancelled", waits=False)
        self.operate()
        self.wait(self.nothing_is_left)
        if self.server.traced:
            self.server.process.terminate()
            self.server.wait_exit(START_S)
            if self.server.tracer_words()["killed"] != "nothing":
                self.deaths += 1
            self.server.traced = False
            self.server.start()

    def operate(self):
        """An operator asks once more for what was given up."""
        for name in GIVEN_UP:
            self.wait(lambda one=self.task_of(name): one in self.exhausted())
            self.market.repaired.add(self.id(name))
            self.post(f"/v1/tasks/{self.task_of(name)}/retry", None, 202,
                      key=self.id(f"retry-{name}"))
        self.wait(lambda: self.exhausted() == self.given_up_again())

    def create(self, name, method, number):
        units = "110" if name == "gated" else "10"
        body = {"id": self.id(name), "user_id": self.id("rich"), "payment_method": method,
                "amount": f"{units}.{number:02}"}
        if name == "refunded":
            body["amount"] = "10.09"
        key = self.id(f"key-{name}") if name in KEYED else None
        created = self.post("/v1/payments", body, 200, 201, 202, key=key)
        self.assertEqual((created["id"], created["amount"]), (body["id"], body["amount"]))

    def call_back(self, name, waits=True):
        """The gateway's answer about a charge, under one webhook-id however often it is sent."""
        body = json.dumps({"payment_id": self.id(name), "gateway_reference": "gw-1",
                           "outcome": "confirmed"}).encode()
        signed = webhooks.headers(self.market.secret, self.id(f"message-{name}"), body)
        if waits:
            self.wait(lambda: self.payment_of(name)["current_step"] == "await_callback")
        answer = self.ask(lambda c: c.request("POST", "/v1/gateway/callbacks", body, signed))
        self.assert_status(answer, 200, 202)

    def nothing_is_left(self):
        listed = self.get("/v1/payments?limit=100")["data"]  # in one call, for each is traced
        return {one["id"] for one in listed if one["current_step"] != "done"} == {self.id("stuck")}

    def exhausted(self):
        return {task["id"] for task in self.get("/v1/tasks/exhausted")["data"]}

    def given_up_again(self):
        return {self.task_of(name) for name, (_, again) in GIVEN_UP.items() if again}

    def task_of(self, name):
        return f"{GIVEN_UP[name][0]}:{self.refunds[name] if name == 'kept' else self.id(name)}"

    def refund_of(self, name):
        return self.get(f"/v1/workflows/{self.refunds[name]}")

    def payment_of(self, name):
        return self.get(f"/v1/payments/{self.id(name)}")

    def wait(self, condition):
        wait_until(condition, f"the business of {self.name} goes on", timeout=END_S, poll=POLL_S)

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
            self.assertEqual(payment["current_step"] == "done", name != "stuck", payment)
        self.assertEqual(listed[self.id("poor")]["failure"]["code"], "insufficient_funds")
        self.assertEqual(self.exhausted(), self.given_up_again())
        for name, (task, again) in GIVEN_UP.items():
            kinds = self.kinds_of(self.refunds[name] if task == "refund" else self.id(name))
            word = task.replace("notify-webhook", "notification")
            self.assertEqual((kinds.count(f"{word}_resumed"), kinds.count(f"{word}_exhausted")),
                             (1, 2 if again else 1), kinds)
        self.assertEqual(self.kinds_of(self.id("cancelled")).count("late_refund_started"), 1)
        kinds = self.kinds_of(self.id("gated"))
        self.assertLess(kinds.index("fraud_check_ended"), kinds.index("gateway_confirmed"))
        self.assertEqual({payment["version"] for payment in listed.values()}, {2})

    def kinds_of(self, workflow_id):
        return [event["type"]
                for event in self.every(self.client, f"/v1/workflows/{workflow_id}/events")]

    def audit_money(self):
        self.assert_balanced(self.client)
        kept = sum(units for *_, units in PAYMENTS.values())
        account = self.assert_account_adds_up(self.client, self.id("rich"))
        self.assertEqual(minor(account["held"]), STUCK_HELD)
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
