"""The ledger as a whole: money is conserved, whoever does what at the same time."""

import pathlib
import random
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import ApiCase, major, minor, together, unique
from support.server import wait_until


class Ledger(ApiCase):
    def test_shape_and_counts(self):
        before = self.assert_balanced(self.client)
        self.assert_members(before, {"accounts", "transfers", "balanced", "totals"})
        account_id = self.open_account(self.client, "1.00")
        self.open_account(self.client)
        ready = self.assert_balanced(self.client)
        self.client.post(f"/v1/accounts/{account_id}/deposits", {"amount": "1.00"})
        self.open_account(self.client)
        after = self.assert_balanced(self.client)
        self.assertEqual(after["transfers"] - ready["transfers"], 1)
        self.assertEqual(after["accounts"] - ready["accounts"], 1)
        self.assertEqual(after["totals"]["USD"], "0.00")

    def test_an_empty_server_is_balanced(self):
        ledger = self.assert_balanced(self.client)
        self.assertIs(type(ledger["accounts"]), int)
        self.assertIs(type(ledger["transfers"]), int)

    def settled(self, client, account_id):
        return not any(self.every(client, "/v1/payments", user_id=account_id, status=status)
                       for status in ("pending", "processing"))

    def pay_at_once(self, account_ids, threads, each, amount):
        """`threads` clients create `each` payments of `amount`; the answers' statuses."""
        def pay(number):
            statuses = []
            with self.server.client() as client:
                for count in range(each):
                    body = {"user_id": account_ids[(number + count) % len(account_ids)],
                            "amount": amount, "payment_method": "pm_ok"}
                    answer = client.post("/v1/payments", body)
                    self.assert_status(answer, 201, 202, 402)
                    statuses.append(answer.status)
            return statuses
        return [status for part in together(threads, pay) for status in part]

    def test_concurrent_debits_never_overdraw(self):
        """Funds for exactly half of the payments: exactly half are accepted."""
        for _ in range(3):
            account_id = self.open_account(self.client, "80.00")
            statuses = self.pay_at_once([account_id], threads=16, each=10, amount="1.00")
            self.assertEqual(statuses.count(402), 80)
            self.assertEqual(len(statuses) - statuses.count(402), 80)
            wait_until(lambda: self.settled(self.client, account_id), "all payments ended")
            account = self.assert_account_adds_up(self.client, account_id)
            self.assertEqual((account["available"], account["held"], account["posted"]),
                             ("0.00", "0.00", "0.00"))
            self.assertEqual(
                len(self.every(self.client, "/v1/payments", user_id=account_id, status="success")),
                80)

    def test_concurrent_deposits_lose_no_update(self):
        account_id = self.open_account(self.client)

        def deposit(number):
            client = self.server.client()
            for count in range(20):
                answer = client.post(f"/v1/accounts/{account_id}/deposits",
                                     {"amount": major(100 * number + count + 1)})
                self.assert_status(answer, 201)
            client.close()
        together(16, deposit)
        expected = sum(100 * number + count + 1 for number in range(16) for count in range(20))
        account = self.assert_account_adds_up(self.client, account_id)
        self.assertEqual(minor(account["available"]), expected)
        self.assertEqual(len(self.transfers(self.client, account_id)), 320)

    def test_readers_never_see_an_impossible_balance(self):
        account_id = self.open_account(self.client, "20.00")
        stop = threading.Event()
        seen = []

        def watch():
            client = self.server.client()
            while not stop.is_set():
                seen.append((client.get(f"/v1/accounts/{account_id}").json,
                             client.get("/v1/ledger").json))
            client.close()
        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            self.pay_at_once([account_id], threads=8, each=10, amount="0.50")
            wait_until(lambda: self.settled(self.client, account_id), "all payments ended")
        finally:
            stop.set()
            thread.join()
        self.assertTrue(seen)
        for account, ledger in seen:
            available, held, posted = (minor(account[name])
                                       for name in ("available", "held", "posted"))
            self.assertGreaterEqual(available, 0)
            self.assertGreaterEqual(held, 0)
            self.assertEqual(available, posted - held)
            self.assertIs(ledger["balanced"], True, ledger)

    def test_money_is_conserved_under_a_mixed_load(self):
        """Deposits, good, declined, retried and refused payments of many clients at once."""
        account_ids = [self.open_account(self.client, "5.00") for _ in range(6)]
        deposited = threading.Lock(), [6 * 500]

        def work(number):
            client = self.server.client()
            draw = random.Random(number)
            for _ in range(25):
                account_id = draw.choice(account_ids)
                units = draw.randrange(1, 300)
                if draw.random() < 0.3:
                    answer = client.post(f"/v1/accounts/{account_id}/deposits",
                                         {"amount": major(units)})
                    self.assert_status(answer, 201)
                    with deposited[0]:
                        deposited[1][0] += units
                else:
                    method = draw.choice(["pm_ok", "pm_ok", "pm_decline", "pm_flaky_2", "pm_down"])
                    answer = client.post("/v1/payments", {
                        "user_id": account_id, "amount": major(units), "payment_method": method})
                    self.assert_status(answer, 201, 202, 402)
            client.close()
        together(8, work)
        for account_id in account_ids:
            wait_until(lambda account=account_id: self.settled(self.client, account), "it ended")
        left = paid = 0
        for account_id in account_ids:
            account = self.assert_account_adds_up(self.client, account_id)
            self.assertEqual(account["held"], "0.00")
            self.assertGreaterEqual(minor(account["available"]), 0)
            left += minor(account["posted"])
            paid += sum(minor(payment["amount"]) for payment in
                        self.every(self.client, "/v1/payments", user_id=account_id,
                                   status="success"))
        self.assertEqual(left + paid, deposited[1][0])

    def test_no_amount_credits_by_a_debit(self):
        """A negative or zero amount moves nothing, an overflowing one neither."""
        account_id = self.open_account(self.client, "10.00")
        for amount in (-5, "-5.00", 0, "0", "-0", -0.0, "92233720368547758.08", 2**63, -2**63,
                       2**64 + 100):
            for path, body in ((f"/v1/accounts/{account_id}/deposits", {"amount": amount}),
                               ("/v1/payments", {"user_id": account_id, "amount": amount,
                                                 "payment_method": "pm_ok"}),
                               ("/v1/accounts", {"id": unique("neg"), "opening_balance": amount})):
                if path == "/v1/accounts" and amount in (0, "0"):
                    continue
                with self.subTest(amount=amount, path=path):
                    self.assert_problem(self.client.post(path, body), 422, "invalid_amount")
        self.assertEqual(self.account(self.client, account_id)["available"], "10.00")
        self.assertEqual(len(self.transfers(self.client, account_id)), 1)

    def test_balances_survive_kill_9(self):
        account_id = self.open_account(self.client, "10.00")
        self.pay_and_finish(self.client, account_id, "3.00")
        self.pay_and_finish(self.client, account_id, "4.00", "pm_decline")
        account, ledger = self.account(self.client, account_id), self.assert_balanced(self.client)
        transfers = self.transfers(self.client, account_id)
        self.server.restart()
        self.assertEqual(self.account(self.client, account_id), account)
        self.assertEqual(self.transfers(self.client, account_id), transfers)
        self.assertEqual(self.assert_balanced(self.client), ledger)


if __name__ == "__main__":
    unittest.main()
