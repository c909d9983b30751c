"""What the tests of the API share: a server for each class, and the words of the contract."""

import decimal
import itertools
import threading
import unittest
import urllib.parse

from support.server import QUICK_RETRY, SETTLE_S, Server, wait_until

PROBLEM = "application/problem+json"
TERMINAL = ("success", "fail", "cancelled")
UUID_V7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,9}Z"

ACCOUNT_MEMBERS = {"id", "currency", "available", "held", "posted", "created_at", "metadata"}
TRANSFER_MEMBERS = {"id", "debit_account", "credit_account", "amount", "state", "workflow_id",
                    "step", "created_at"}
PAYMENT_MEMBERS = {"id", "user_id", "amount", "currency", "payment_method", "status",
                   "current_step", "failure", "compensation", "gateway", "fraud", "version",
                   "created_at", "updated_at", "metadata"}

_numbers = itertools.count(1)


def unique(prefix):
    """An id that no other test of this process uses."""
    return f"{prefix}-{next(_numbers)}"


def minor(text, digits=2):
    """Minor units of an amount in an answer."""
    if not isinstance(text, str):
        raise AssertionError(f"an amount must be a string: {text!r}")
    return int(decimal.Decimal(text).scaleb(digits))


def major(units, digits=2):
    return f"{decimal.Decimal(units).scaleb(-digits):.{digits}f}"


def query(path, **parameters):
    return path + "?" + urllib.parse.urlencode(parameters) if parameters else path


def together(count, function):
    """Calls function(0) … function(count - 1) at the same time; their results, in that order."""
    barrier = threading.Barrier(count)
    results = [None] * count
    errors = []

    def body(number):
        try:
            barrier.wait(SETTLE_S)
            results[number] = function(number)
        except BaseException as error:  # noqa: B902 - it is raised again below
            errors.append(error)

    threads = [threading.Thread(target=body, args=(number,), daemon=True)
               for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(4 * SETTLE_S)
    if errors:
        raise errors[0]
    if any(thread.is_alive() for thread in threads):
        raise AssertionError("some of the clients never came back")
    return results


class ContractCase(unittest.TestCase):
    """Checks and helpers; the server is the subclass's business."""

    maxDiff = None

    def assert_status(self, answer, *statuses):
        self.assertIn(answer.status, statuses, str(answer))
        return answer

    def assert_problem(self, answer, status, code, pointer=None):
        """A problem document; `code` is one of several when it is a tuple."""
        self.assertEqual(answer.status, status, str(answer))
        kind = (answer.header("Content-Type") or "").partition(";")[0]
        self.assertEqual(kind, PROBLEM, str(answer))
        problem = answer.json
        for member in ("type", "title", "detail", "instance", "code"):
            self.assertIsInstance(problem.get(member), str, f"{member} in {problem}")
            self.assertTrue(problem[member], f"{member} is empty in {problem}")
        self.assertEqual(problem.get("status"), status, problem)
        self.assertIn(problem["code"], (code,) if isinstance(code, str) else code, problem)
        self.assertRegex(problem["code"], r"\A[a-z][a-z0-9_]*\Z")
        self.assertTrue(answer.header("X-Request-Id"), "no X-Request-Id")
        if status in (429, 503):
            self.assertRegex(answer.header("Retry-After") or "", r"\A[0-9]+\Z")
        if status == 405:
            self.assertTrue(answer.header("Allow"), "405 without Allow")
        if pointer is not None:
            errors = problem.get("errors")
            self.assertIsInstance(errors, list, problem)
            for error in errors:
                self.assertIsInstance(error.get("detail"), str, problem)
                self.assertIsInstance(error.get("pointer"), str, problem)
            self.assertTrue(any(pointer in error["pointer"] for error in errors),
                            f"no error points to {pointer}: {problem}")
        return problem

    def assert_members(self, value, members):
        missing = members - set(value)
        self.assertFalse(missing, f"missing {sorted(missing)} in {value}")

    def open_account(self, client, balance="0", **members):
        """A new account with that much in it; returns its id."""
        body = {"id": unique("acct"), **members}
        if balance != "0":
            body["opening_balance"] = balance
        return self.assert_status(client.post("/v1/accounts", body), 201).json["id"]

    def account(self, client, account_id):
        return self.assert_status(client.get(f"/v1/accounts/{account_id}"), 200).json

    def payment(self, client, payment_id):
        return self.assert_status(client.get(f"/v1/payments/{payment_id}"), 200).json

    def pay(self, client, account_id, amount="1.00", method="pm_ok", **members):
        """Creates a payment; returns the payment as it was answered."""
        body = {"user_id": account_id, "amount": amount, "payment_method": method, **members}
        return self.assert_status(client.post("/v1/payments", body), 201, 202).json

    def finished(self, client, payment_id, step="done"):
        """The payment once it is at its end; with step=None, as soon as its status is final."""
        def ended():
            payment = self.payment(client, payment_id)
            at_end = payment["status"] in TERMINAL and step in (None, payment["current_step"])
            return payment if at_end else None
        return wait_until(ended, f"payment {payment_id} ends")

    def pay_and_finish(self, client, account_id, amount="1.00", method="pm_ok", **members):
        created = self.pay(client, account_id, amount, method, **members)
        return self.finished(client, created["id"])

    def every(self, client, path, limit=100, **parameters):
        """All elements of a list, page by page."""
        found, cursor = [], None
        while True:
            asked = {**parameters, "limit": limit, **({"cursor": cursor} if cursor else {})}
            page = self.assert_status(client.get(query(path, **asked)), 200).json
            self.assertLessEqual(len(page["data"]), limit)
            found += page["data"]
            if page["next_cursor"] is None:
                return found
            self.assertTrue(page["data"], "an empty page that is not the last")
            self.assertNotEqual(page["next_cursor"], cursor, "the list does not advance")
            cursor = page["next_cursor"]

    def transfers(self, client, account_id):
        return self.every(client, f"/v1/accounts/{account_id}/transfers")

    def assert_balanced(self, client):
        ledger = self.assert_status(client.get("/v1/ledger"), 200).json
        self.assertIs(ledger["balanced"], True, ledger)
        for currency, total in ledger["totals"].items():
            self.assertEqual(decimal.Decimal(total), 0, f"{currency} in {ledger}")
        return ledger

    def assert_account_adds_up(self, client, account_id, digits=2):
        """The account's balances are what its transfers say."""
        account = self.account(client, account_id)
        posted = held = 0
        for transfer in self.transfers(client, account_id):
            amount = minor(transfer["amount"], digits)
            debit = transfer["debit_account"] == account_id
            self.assertIn(account_id, (transfer["debit_account"], transfer["credit_account"]))
            if transfer["state"] == "posted":
                posted += -amount if debit else amount
            elif transfer["state"] == "held" and debit:
                held += amount
        self.assertEqual(minor(account["posted"], digits), posted, account)
        self.assertEqual(minor(account["held"], digits), held, account)
        self.assertEqual(minor(account["available"], digits), posted - held, account)
        return account


class ApiCase(ContractCase):
    """One server for all tests of the class; after each test it serves and its ledger balances."""

    settings = (QUICK_RETRY,)

    @classmethod
    def setUpClass(cls):
        cls.server = Server(settings=cls.settings)
        cls.addClassCleanup(cls.server.close)
        cls.server.start()

    def setUp(self):
        self.client = self.server.client()
        self.addCleanup(self.client.close)

    def tearDown(self):
        self.assert_serving()

    def assert_serving(self):
        if not self.server.running:
            self.fail(f"the server ended with {self.server.process.returncode}:\n"
                      + self.server.log_tail())
        with self.server.client() as client:
            self.assert_status(client.get("/readyz"), 200)
            self.assert_balanced(client)
