"""kill -9 at random moments under load, again and again, and then the books are compared.

Eight clients open accounts, deposit, pay, cancel and refund, and write down exactly what they were
told. A request without an answer is repeated under the same key or id until it has one, across
restarts. The gateway's own books are compared as well: what it holds is what succeeded, less what
was refunded. The run is repeated with PAYONCE_SEED=N; the moments of the kills are real time, so it
is the same work, not the same interleaving.
"""

import collections
import os
import pathlib
import random
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import journal, webhooks
from support.cases import TERMINAL, ContractCase, major, minor, query
from support.mock_gateway import MockGateway
from support.saga import PATIENT, QUICK_INQUIRY, QUICK_UNDO
from support.server import SLOWNESS, Server, free_port, wait_until

# How often the server is killed; PAYONCE_KILLS=N asks for N times in each of the two tests.
ROUNDS = int(os.environ.get("PAYONCE_KILLS") or 30)
ROUNDS_APART = int(os.environ.get("PAYONCE_KILLS") or 12)  # the gateway is a process of its own
CLIENTS = 8
RUN_S = (0.03, 0.8)  # how long a server lives, at least and at most
ANSWER_S = 60 * SLOWNESS
HOT = ["hot-0", "hot-1"]  # accounts that all clients use
METHODS = ["pm_ok"] * 6 + ["pm_decline", "pm_flaky_1", "pm_flaky_2", "pm_timeout", "pm_async",
                           "pm_manual", "pm_manual", "pm_fraud", "pm_other"]
SLOW = ("pm_manual", "pm_async", "pm_timeout", "pm_flaky_2")
# How each method may end unless it is cancelled: status and code of failure.
PAID = ("success", None)
LATE = ("fail", "callback_timeout")  # also when the server was down whenever it was called back
ENDS = {"pm_decline": {("fail", "gateway_declined")}, "pm_fraud": {("fail", "fraud_rejected")},
        "pm_manual": {LATE}, "pm_async": {PAID, LATE}}
SETTINGS = [
    'gateway.retry={initial_interval="5ms",maximum_interval="20ms",maximum_attempts=5}',
    *QUICK_INQUIRY, QUICK_UNDO, "gateway.callback_timeout=1500ms",
    "storage.checkpoint_interval=40ms", "storage.checkpoint_events=300"]
MOCK = ["gateway.latency=1ms", "gateway.journal=journal", "gateway.callback_delay=5ms"]


class Recorder(threading.Thread):
    """One client. It never gives up on a request that it could not afford to lose."""

    def __init__(self, number, seed, server, stop):
        super().__init__(daemon=True)
        self.number = number
        self.draw = random.Random(f"{seed}-{number}")
        self.server = server
        self.stop = stop
        self.client = server.client()
        self.count = 0
        self.accounts = list(HOT)
        self.error = None
        self.opened = {}        # account id: minor units at opening
        self.deposits = {}      # transfer id: (account id, minor units), acknowledged
        self.payments = {}      # payment id: request body, acknowledged as accepted
        self.refused = {}       # payment id: request body, acknowledged as refused
        self.cancelled = set()  # payment ids, acknowledged as being cancelled
        self.refunds = {}       # refund id: (payment id, minor units), acknowledged
        self.unknown = collections.Counter()  # unanswered and not repeatable, by kind
        self.answers = []       # (path, body, key, status, bytes) to be asked for again
        self.repeats = 0
        self.unanswered = 0

    def run(self):
        try:
            while not self.stop.is_set():
                self.step()
                time.sleep(self.draw.random() * 0.004)  # a client that thinks
        except BaseException as error:  # noqa: B902 - the test raises it again
            self.error = error
        finally:
            self.client.close()

    def name_next(self, kind):
        self.count += 1
        return f"{kind}-{self.number}-{self.count}"

    def step(self):
        kind = self.draw.random()
        if kind < 0.1:
            self.open_account()
        elif kind < 0.3:
            self.deposit()
        elif kind < 0.8 or not self.payments:
            self.pay()
        elif kind < 0.86:
            self.cancel()
        elif kind < 0.92 or not self.answers:
            self.refund()
        else:
            self.ask_again()

    def send(self, path, body, key=None, wait=None, repeatable=True):
        """The answer; None when there was none and the request may not be sent twice."""
        deadline = time.monotonic() + ANSWER_S
        while time.monotonic() < deadline:
            try:
                answer = self.client.post(path, body, key=key, wait=wait)
            except ConnectionRefusedError:
                answer = None  # it certainly was not sent
            except OSError:
                answer = None
                self.unanswered += 1
                if not repeatable:
                    return None
            if answer is not None and answer.status == 503 and not repeatable \
                    and answer.json["code"] == "not_ready":
                return None  # a failing commit says this too
            if answer is not None and answer.status != 503 and not (
                    answer.status == 409 and answer.json["code"] == "idempotency_in_flight"):
                return answer
            time.sleep(0.005)
        raise AssertionError(f"no answer to {path} {body} within {ANSWER_S} s")

    def keyed(self, path, body, wait=None):
        key = self.name_next("key")
        answer = self.send(path, body, key, wait)
        self.answers.append((path, body, key, answer.status, answer.body))
        return answer

    def open_account(self):
        units = self.draw.choice([0, 500, 10000])
        account_id = self.name_next("acct")
        body = {"id": account_id, "opening_balance": major(units)}
        answer = self.keyed("/v1/accounts", body)
        self.expect(answer, 201)
        self.opened[account_id] = units
        self.accounts.append(account_id)

    def deposit(self):
        account_id = self.draw.choice(self.accounts)
        units = self.draw.randrange(1, 2000)
        path, body = f"/v1/accounts/{account_id}/deposits", {"amount": major(units)}
        if self.draw.random() < 0.15:
            answer = self.send(path, body, repeatable=False)
            if answer is None:
                self.unknown[account_id] += units
                return
        else:
            answer = self.keyed(path, body)
        self.expect(answer, 201)
        transfer = answer.json["id"]
        if transfer in self.deposits:
            raise AssertionError(f"two deposits are one transfer: {transfer}")
        self.deposits[transfer] = (account_id, units)

    def pay(self):
        body = {"user_id": self.draw.choice(self.accounts),
                "amount": major(self.draw.randrange(1, 900)),
                "payment_method": self.draw.choice(METHODS)}
        wait = self.draw.choice([None, None, 20])
        form = self.draw.random()
        if form < 0.45:
            body["id"] = self.name_next("pay")
            answer = self.send("/v1/payments", body, wait=wait)
        else:
            if form < 0.55:
                body["id"] = self.name_next("pay")
            answer = self.keyed("/v1/payments", body, wait)
        if answer.status in (200, 201, 202) and answer.json["failure"] is None \
                or answer.status == 201:
            self.remember(self.payments, answer.json["id"], body)
        elif answer.status == 200:
            # The first answer was lost: the payment as it is now, which may be a recorded refusal.
            payment = answer.json
            refused = payment["failure"]["code"] == "insufficient_funds"
            self.remember(self.refused if refused else self.payments, payment["id"], body)
        else:
            self.expect(answer, 402)
            self.remember(self.refused, answer.json["payment_id"], body)

    def cancel(self):
        """Of one of the newest, most often of one that has something to wait for."""
        newest = list(self.payments)[-12:]
        waiting = [one for one in newest if self.payments[one]["payment_method"] in SLOW]
        payment_id = self.draw.choice((waiting or newest)[-2:])
        path, key = f"/v1/payments/{payment_id}/cancel", self.name_next("key")
        answer = self.send(path, {}, key)
        if answer.status == 409:
            return  # it has ended, or fails already
        if answer.status not in (200, 202):
            raise AssertionError(f"the cancel of {payment_id}: {answer}")
        self.cancelled.add(payment_id)
        if answer.status == 202:
            self.answers.append((path, {}, key, answer.status, answer.body))

    def refund(self):
        payment_id = self.draw.choice(list(self.payments)[-40:])
        body = self.draw.choice([{}, {"amount": major(self.draw.randrange(1, 300))}])
        path, key = f"/v1/payments/{payment_id}/refunds", self.name_next("key")
        answer = self.send(path, body, key)
        if answer.status in (409, 422):
            return  # it is no success, or too much
        self.expect(answer, 202)
        refund = answer.json
        if refund["id"] in self.refunds:
            raise AssertionError(f"two requests are one refund: {refund['id']}")
        self.refunds[refund["id"]] = (payment_id, minor(refund["amount"]))
        self.answers.append((path, body, key, answer.status, answer.body))

    def remember(self, where, payment_id, body):
        if payment_id in self.payments or payment_id in self.refused:
            raise AssertionError(f"two requests are one payment: {payment_id}")
        where[payment_id] = body

    def ask_again(self):
        """An answer that was given once is given again, byte for byte."""
        path, body, key, status, content = self.draw.choice(self.answers)
        answer = self.send(path, body, key)
        if not answer.replayed or (answer.status, answer.body) != (status, content):
            raise AssertionError(f"{key} was {status} {content!r}, now "
                                 f"{'' if answer.replayed else 'not a replay: '}{answer}")
        self.repeats += 1

    @staticmethod
    def expect(answer, status):
        if answer.status != status:
            raise AssertionError(f"expected {status}: {answer}")


class Kill9(ContractCase):
    def test_nothing_acknowledged_is_lost_and_nothing_is_taken_twice(self):
        server = Server(settings=SETTINGS + MOCK)
        self.addCleanup(server.close)
        self.run_clients(server, lambda: server.folder / "journal", ROUNDS)

    def test_the_same_with_a_gateway_in_another_process(self):
        """Over real sockets, with signed callbacks; the gateway dies now and then as well."""
        port, secret = free_port(), webhooks.new_secret()
        server = Server(fixed_port=port)
        self.addCleanup(server.close)
        gateway = MockGateway(
            server.folder, "--callback-url", f"http://127.0.0.1:{port}/v1/gateway/callbacks",
            "--secret", secret, "--callback-delay", 5, "--latency", 1)
        self.addCleanup(gateway.close)
        gateway.start()
        server.settings += SETTINGS + [*PATIENT, "gateway.kind=http", f"gateway.url={gateway.url}",
                                       f"gateway.callback_secrets={secret}"]
        self.run_clients(server, lambda: gateway.journal, ROUNDS_APART, gateway)

    def run_clients(self, server, journal_path, rounds, gateway=None):
        seed = int(os.environ.get("PAYONCE_SEED") or random.SystemRandom().randrange(10**9))
        print(f"seed: {seed}", flush=True)
        draw = random.Random(seed)
        server.start()
        with server.client() as client:
            for account_id in HOT:
                self.open_account(client, "1000.00", id=account_id)
        stop = threading.Event()
        clients = [Recorder(number, seed, server, stop) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            for _ in range(rounds):
                self.one_round(server, draw, clients, gateway)
        finally:
            stop.set()
        for client in clients:
            client.join(ANSWER_S)
        for client in clients:
            if client.error is not None:
                raise AssertionError(f"seed {seed}: {client.error}") from client.error
            self.assertFalse(client.is_alive(), f"client {client.number} never came back")
        self.audit(server, clients, journal_path())
        server.restart()
        self.audit(server, clients, journal_path())

    def one_round(self, server, draw, clients, gateway):
        """Lets them work for a moment, kills the server and starts it again."""
        deadline = time.monotonic() + draw.uniform(*RUN_S)
        while time.monotonic() < deadline:
            for client in clients:
                if client.error is not None:
                    raise client.error
            time.sleep(0.005)
        gateway_dies = gateway is not None and draw.random() < 0.4
        if gateway_dies and draw.random() < 0.5:
            gateway.kill()
        server.kill()
        if draw.random() < 0.3:
            # Dies again in the middle of its recovery.
            server.launch()
            time.sleep(draw.random() * 0.03)
            server.kill()
        server.start()
        if gateway_dies:
            if gateway.running:
                gateway.kill()
            gateway.start()

    def audit(self, server, clients, journal_path):
        with server.client() as client:
            def at_rest(path, **filters):
                page = self.assert_status(client.get(query(path, limit=1, **filters)), 200).json
                return not page["data"]
            wait_until(lambda: at_rest("/v1/payments", status="pending")
                       and at_rest("/v1/payments", status="processing")
                       and not self.every(client, "/v1/workflows", kind="refund",
                                          status="processing"),
                       "every payment and refund has ended", timeout=30 * SLOWNESS, poll=0.02)
            payments = {payment["id"]: payment for payment in self.every(client, "/v1/payments")}
            refunds = self.audit_refunds(client, clients, payments)
            self.audit_payments(client, clients, payments)
            self.audit_gateway(client, journal_path, payments, refunds)
            self.audit_accounts(client, clients, payments, refunds)
            self.assertEqual(self.every(client, "/v1/tasks/exhausted"), [])
            self.assert_balanced(client)

    def audit_refunds(self, client, clients, payments):
        """Each acknowledged refund was made, and no other; the units refunded by payment."""
        expected = {}
        for recorder in clients:
            expected.update(recorder.refunds)
        listed = {refund["id"]: refund
                  for refund in self.every(client, "/v1/workflows", kind="refund")}
        self.assertEqual(set(listed), set(expected), "acknowledged refunds are not those there are")
        refunded = collections.Counter()
        for refund_id, (payment_id, amount) in expected.items():
            self.assertEqual((listed[refund_id]["status"], listed[refund_id]["parent"]),
                             ("success", payment_id))
            refunded[payment_id] += amount
        for payment_id, amount in refunded.items():
            self.assertEqual(payments[payment_id]["status"], "success")
            self.assertLessEqual(amount, minor(payments[payment_id]["amount"]))
        return refunded

    def audit_payments(self, client, clients, payments):
        """Each acknowledged payment is there, is what was asked for, and has its one end."""
        expected = set()
        for recorder in clients:
            for payment_id, body in {**recorder.payments, **recorder.refused}.items():
                self.assertIn(payment_id, payments, "an acknowledged payment is lost")
                self.assertNotIn(payment_id, expected, "acknowledged to two clients")
                expected.add(payment_id)
                payment = payments[payment_id]
                self.assertIn(payment["status"], TERMINAL)
                for member in ("user_id", "amount", "payment_method"):
                    self.assertEqual(payment[member], body[member], payment)
                if payment_id in recorder.refused:
                    self.assertEqual((payment["status"], payment["failure"]["code"]),
                                     ("fail", "insufficient_funds"))
                elif payment_id in recorder.cancelled:
                    self.assertEqual(payment["status"], "cancelled", payment)
                else:
                    ends = ENDS.get(body["payment_method"], {PAID})
                    failure = payment["failure"] and payment["failure"]["code"]
                    self.assertIn((payment["status"], failure), ends, payment)
        # Every request was repeated until it had an answer, so there is nothing else.
        self.assertEqual(set(payments), expected, "a payment that nobody knows of")
        sample = random.Random(1).sample(sorted(payments), min(200, len(payments)))
        for payment_id in sample:
            self.assertEqual(self.finished(client, payment_id)["status"],
                             payments[payment_id]["status"])

    def audit_gateway(self, client, journal_path, payments, refunds):
        """The gateway holds exactly what succeeded here, less what was refunded."""
        books = journal.Books(journal.read(journal_path))
        self.assertEqual(list(books.complaints()), [])
        held = 0
        for payment_id, payment in payments.items():
            succeeded = payment["status"] == "success"
            wanted = minor(payment["amount"]) - refunds[payment_id] if succeeded else 0
            self.assertEqual(books.net(payment_id), wanted, payment)
            self.assertEqual(sum(books.refunds[payment_id].values()), refunds[payment_id], payment)
            held += wanted
        self.assertEqual(books.total(), held)
        for payment_id in books.asked:
            payment = payments[payment_id]
            self.assertEqual(books.amounts[payment_id],
                             {(payment["amount"], payment["currency"])})
        failed = {one for one, payment in payments.items() if payment["failure"]
                  and payment["failure"]["code"] == "gateway_declined"}
        self.assertLessEqual(failed, books.declined)
        for payment_id in books.declined - failed:
            self.assertEqual(payments[payment_id]["status"], "cancelled", "declined, and no end")
        gateway = self.account(client, "sys:gateway:USD")
        self.assertEqual(minor(gateway["posted"]), held)

    def audit_accounts(self, client, clients, payments, refunds):
        """Each balance is what its transfers say, and those are what was acknowledged."""
        opened = {account_id: 100000 for account_id in HOT}
        deposits, unknown = {}, collections.Counter()
        for recorder in clients:
            opened.update(recorder.opened)
            self.assertFalse(set(deposits) & set(recorder.deposits))
            deposits.update(recorder.deposits)
            unknown.update(recorder.unknown)
        listed = {account["id"] for account in self.every(client, "/v1/accounts")}
        self.assertEqual(listed, set(opened))
        credits = collections.Counter(opened)
        for account_id, units in deposits.values():
            credits[account_id] += units
        debits = collections.Counter()
        for payment in payments.values():
            if payment["status"] == "success":
                debits[payment["user_id"]] += minor(payment["amount"])
                debits[payment["user_id"]] -= refunds[payment["id"]]
        found = {}
        for account_id in opened:
            account = self.assert_account_adds_up(client, account_id)
            self.assertEqual(account["held"], "0.00")
            self.assertGreaterEqual(minor(account["available"]), 0)
            surplus = minor(account["posted"]) - (credits[account_id] - debits[account_id])
            # Deposits without a key whose answer was lost may have happened, each at most once.
            self.assertGreaterEqual(surplus, 0, f"{account_id} lost money")
            self.assertLessEqual(surplus, unknown[account_id], f"{account_id} gained money")
            for transfer in self.transfers(client, account_id):
                if transfer["step"] == "deposit":
                    found[transfer["id"]] = (account_id, minor(transfer["amount"]))
        for transfer_id, deposit in deposits.items():
            self.assertEqual(found.get(transfer_id), deposit, "an acknowledged deposit is lost")
        ends = collections.Counter(payment["status"] for payment in payments.values())
        print(f"audited: {len(payments)} payments {dict(ends)}, {len(refunds)} of them refunded, "
              f"{len(opened)} accounts, {len(found)} deposits, "
              f"{sum(recorder.repeats for recorder in clients)} answers asked for again, "
              f"{sum(recorder.unanswered for recorder in clients)} requests without an answer",
              flush=True)


if __name__ == "__main__":
    unittest.main()
