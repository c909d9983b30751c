"""kill -9 at random moments under load, again and again, and then the books are compared.

Eight clients open accounts, deposit and pay, and write down exactly what they were told. A request
without an answer is repeated under the same key or id until it has one, across restarts. The run
is repeated with PAYONCE_SEED=N; the moments of the kills are real time, so it is the same work, not
the same interleaving.
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

from support import journal
from support.cases import TERMINAL, ContractCase, major, minor
from support.server import SLOWNESS, Server, wait_until

ROUNDS = 30
CLIENTS = 8
RUN_S = (0.03, 0.8)  # how long a server lives, at least and at most
ANSWER_S = 60 * SLOWNESS
HOT = ["hot-0", "hot-1"]  # accounts that all clients use
METHODS = ["pm_ok"] * 5 + ["pm_decline", "pm_flaky_2", "pm_other"]
SETTINGS = [
    'gateway.retry={initial_interval="5ms",maximum_interval="20ms",maximum_attempts=5}',
    "gateway.latency=1ms", "gateway.journal=journal", "storage.checkpoint_interval=40ms",
    "storage.checkpoint_events=300"]


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

    def name_next(self, kind):
        self.count += 1
        return f"{kind}-{self.number}-{self.count}"

    def step(self):
        kind = self.draw.random()
        if kind < 0.1:
            self.open_account()
        elif kind < 0.3:
            self.deposit()
        elif kind < 0.92 or not self.answers:
            self.pay()
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
        seed = int(os.environ.get("PAYONCE_SEED") or random.SystemRandom().randrange(10**9))
        print(f"seed: {seed}", flush=True)
        draw = random.Random(seed)
        server = Server(settings=SETTINGS)
        self.addCleanup(server.close)
        server.start()
        with server.client() as client:
            for account_id in HOT:
                self.open_account(client, "1000.00", id=account_id)
        stop = threading.Event()
        clients = [Recorder(number, seed, server, stop) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            for _ in range(ROUNDS):
                self.one_round(server, draw, clients)
        finally:
            stop.set()
        for client in clients:
            client.join(ANSWER_S)
        for client in clients:
            if client.error is not None:
                raise AssertionError(f"seed {seed}: {client.error}") from client.error
            self.assertFalse(client.is_alive(), f"client {client.number} never came back")
        self.audit(server, clients)
        server.restart()
        self.audit(server, clients)

    def one_round(self, server, draw, clients):
        """Lets them work for a moment, kills the server and starts it again."""
        deadline = time.monotonic() + draw.uniform(*RUN_S)
        while time.monotonic() < deadline:
            for client in clients:
                if client.error is not None:
                    raise client.error
            time.sleep(0.005)
        server.kill()
        if draw.random() < 0.3:
            # Dies again in the middle of its recovery.
            server.launch()
            time.sleep(draw.random() * 0.03)
            server.kill()
        server.start()

    def audit(self, server, clients):
        with server.client() as client:
            wait_until(lambda: not client.get("/v1/payments?status=pending&limit=1").json["data"]
                       and not client.get("/v1/payments?status=processing&limit=1").json["data"],
                       "every payment has ended", timeout=30 * SLOWNESS, poll=0.02)
            payments = {payment["id"]: payment for payment in self.every(client, "/v1/payments")}
            self.audit_payments(client, clients, payments)
            self.audit_gateway(server, payments)
            self.audit_accounts(client, clients, payments)
            self.assert_balanced(client)

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
                elif body["payment_method"] == "pm_decline":
                    self.assertEqual((payment["status"], payment["failure"]["code"]),
                                     ("fail", "gateway_declined"))
                else:
                    self.assertEqual(payment["status"], "success", payment)
        # Every request was repeated until it had an answer, so there is nothing else.
        self.assertEqual(set(payments), expected, "a payment that nobody knows of")
        sample = random.Random(1).sample(sorted(payments), min(200, len(payments)))
        for payment_id in sample:
            self.assertEqual(self.finished(client, payment_id)["status"],
                             payments[payment_id]["status"])

    def audit_gateway(self, server, payments):
        """The gateway took exactly what succeeded here, each once and for the same amount."""
        books = journal.Books(journal.read(server.folder / "journal"))
        self.assertEqual(list(books.complaints()), [])
        succeeded = {one for one, payment in payments.items() if payment["status"] == "success"}
        self.assertEqual(set(books.taken), succeeded)
        for payment_id in books.asked:
            payment = payments[payment_id]
            self.assertEqual(books.amounts[payment_id],
                             {(payment["amount"], payment["currency"])})
        declined = {one for one, payment in payments.items() if payment["failure"]
                    and payment["failure"]["code"] == "gateway_declined"}
        self.assertEqual(books.declined, declined)
        clearing = sum(minor(payments[one]["amount"]) for one in succeeded)
        with server.client() as client:
            gateway = self.account(client, "sys:gateway:USD")
            self.assertEqual(minor(gateway["posted"]), clearing)

    def audit_accounts(self, client, clients, payments):
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
        print(f"audited: {len(payments)} payments, {len(opened)} accounts, {len(found)} deposits, "
              f"{sum(recorder.repeats for recorder in clients)} answers asked for again, "
              f"{sum(recorder.unanswered for recorder in clients)} requests without an answer",
              flush=True)


if __name__ == "__main__":
    unittest.main()
