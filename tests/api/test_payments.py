"""Payments: creating and reading them, and how each payment method ends."""

import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import (PAYMENT_MEMBERS, TERMINAL, TIME, UUID_V7, ApiCase, minor, together,
                           unique)
from support.server import QUICK_RETRY, Server, wait_until

STEPS = {"validate", "hold", "gateway", "fraud_check", "await_callback", "inquiry", "post",
         "compensate", "notify", "done"}


def charges(journal, payment_id):
    """What the gateway's own journal says about one payment."""
    return [entry for entry in map(json.loads, journal.read_text().splitlines())
            if entry["key"] == payment_id]


class Payments(ApiCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(settings=[QUICK_RETRY, "gateway.journal=journal"])
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        cls.journal = cls.server.folder / "journal"

    def test_create_answers_the_payment_and_where_it_is(self):
        account_id = self.open_account(self.client, "100.00")
        body = {"user_id": account_id, "amount": "10.50", "payment_method": "pm_ok",
                "description": "two chairs", "metadata": {"order": 7}}
        answer = self.client.post("/v1/payments", body)
        self.assert_status(answer, 201, 202)
        payment = answer.json
        self.assert_members(payment, PAYMENT_MEMBERS)
        self.assertRegex(payment["id"], rf"\Apay_{UUID_V7}\Z")
        self.assertEqual(answer.header("Location"), f"/v1/payments/{payment['id']}")
        self.assertEqual(answer.status == 201, payment["status"] in TERMINAL, str(answer))
        self.assertEqual(payment["user_id"], account_id)
        self.assertEqual((payment["amount"], payment["currency"]), ("10.50", "USD"))
        self.assertEqual(payment["payment_method"], "pm_ok")
        self.assertEqual(payment["metadata"], {"order": 7})
        self.assertEqual(payment["version"], 1)
        self.assertIn(payment["status"], ("pending", "processing", "success"))
        self.assertIn(payment["current_step"], STEPS)
        self.assertRegex(payment["created_at"], rf"\A{TIME}\Z")
        self.assertRegex(payment["updated_at"], rf"\A{TIME}\Z")
        self.assertIsNone(answer.header("Preference-Applied"))

    def test_a_confirmed_payment_succeeds(self):
        account_id = self.open_account(self.client, "100.00")
        payment = self.pay_and_finish(self.client, account_id, "10.50")
        self.assertEqual((payment["status"], payment["current_step"]), ("success", "done"))
        self.assertIsNone(payment["failure"])
        self.assertIsNone(payment["compensation"])
        self.assertEqual(payment["gateway"]["state"], "confirmed")
        self.assertEqual(payment["gateway"]["attempts"], 1)
        self.assertTrue(payment["gateway"]["reference"])
        self.assertEqual(set(payment["fraud"]), {"workflow_id", "result"})
        self.assertGreaterEqual(payment["updated_at"], payment["created_at"])
        account = self.assert_account_adds_up(self.client, account_id)
        self.assertEqual((account["available"], account["held"], account["posted"]),
                         ("89.50", "0.00", "89.50"))
        taken, = charges(self.journal, payment["id"])
        self.assertEqual((taken["amount"], taken["currency"], taken["outcome"], taken["repeat"]),
                         ("10.50", "USD", "confirmed", False))

    def test_the_gateways_account_gets_what_was_paid(self):
        account_id = self.open_account(self.client, "10.000", currency="KWD")
        self.pay_and_finish(self.client, account_id, "1.234", currency="KWD")
        self.pay_and_finish(self.client, account_id, "2.000", "pm_decline", currency="KWD")
        clearing = self.account(self.client, "sys:gateway:KWD")
        self.assertEqual((clearing["posted"], clearing["held"]), ("1.234", "0.000"))
        self.assertEqual(self.account(self.client, account_id)["available"], "8.766")

    def test_any_other_method_confirms(self):
        account_id = self.open_account(self.client, "10.00")
        for method in ("card", "pm_visa_4242", "x", "pm_flaky_", "pm_flaky_x", "pm_flaky_0"):
            with self.subTest(method=method):
                payment = self.pay_and_finish(self.client, account_id, "1.00", method)
                self.assertEqual((payment["status"], payment["payment_method"]),
                                 ("success", method))

    def test_a_declined_payment_fails_and_gives_the_hold_back(self):
        account_id = self.open_account(self.client, "100.00")
        payment = self.pay_and_finish(self.client, account_id, "40.00", "pm_decline")
        self.assertEqual((payment["status"], payment["current_step"]), ("fail", "done"))
        self.assertEqual(payment["failure"]["code"], "gateway_declined")
        self.assertTrue(payment["failure"]["message"])
        self.assertEqual(payment["compensation"]["state"], "completed")
        self.assertIsInstance(payment["compensation"]["steps"], list)
        self.assertEqual(payment["gateway"]["state"], "declined")
        self.assertEqual(payment["gateway"]["attempts"], 1)
        account = self.assert_account_adds_up(self.client, account_id)
        self.assertEqual((account["available"], account["held"]), ("100.00", "0.00"))
        self.assertEqual([entry["outcome"] for entry in charges(self.journal, payment["id"])],
                         ["declined"])

    def test_temporary_failures_are_retried_under_the_same_key(self):
        account_id = self.open_account(self.client, "100.00")
        for failures in (1, 3, 4):
            with self.subTest(failures=failures):
                payment = self.pay_and_finish(self.client, account_id, "1.00",
                                              f"pm_flaky_{failures}")
                self.assertEqual(payment["status"], "success")
                self.assertEqual(payment["gateway"]["attempts"], failures + 1)
                entries = charges(self.journal, payment["id"])
                self.assertEqual([entry["outcome"] for entry in entries],
                                 ["temporary_failure"] * failures + ["confirmed"])
                self.assertEqual([entry["attempt"] for entry in entries],
                                 list(range(1, failures + 2)))

    def test_attempts_run_out(self):
        account_id = self.open_account(self.client, "100.00")
        for method in ("pm_down", "pm_flaky_5", "pm_flaky_99"):
            with self.subTest(method=method):
                payment = self.pay_and_finish(self.client, account_id, "7.00", method)
                self.assertEqual(payment["status"], "fail")
                self.assertEqual(payment["failure"]["code"], "gateway_unavailable")
                self.assertEqual(payment["gateway"]["attempts"], 5)
                self.assertEqual(payment["compensation"]["state"], "completed")
                made = charges(self.journal, payment["id"])
                self.assertEqual([entry.get("op", "charge") for entry in made],
                                 ["charge"] * 5 + ["void"])
        self.assertEqual(self.assert_account_adds_up(self.client, account_id)["available"],
                         "100.00")

    def test_insufficient_funds_are_refused_and_recorded(self):
        account_id = self.open_account(self.client, "5.00")
        body = {"user_id": account_id, "amount": "5.01", "payment_method": "pm_ok"}
        problem = self.assert_problem(self.client.post("/v1/payments", body), 402,
                                      "insufficient_funds")
        payment = self.payment(self.client, problem["payment_id"])
        self.assert_members(payment, PAYMENT_MEMBERS)
        self.assertEqual((payment["status"], payment["current_step"]), ("fail", "done"))
        self.assertEqual(payment["failure"]["code"], "insufficient_funds")
        self.assertTrue(payment["failure"]["message"])
        self.assertEqual(payment["gateway"]["attempts"], 0)
        self.assertEqual(self.account(self.client, account_id)["available"], "5.00")
        self.assertEqual(len(self.transfers(self.client, account_id)), 1)
        self.assertEqual(charges(self.journal, payment["id"]), [])

    def test_other_refusals_are_recorded_as_well(self):
        dollars = self.open_account(self.client, "5.00")
        for members, code in (({"user_id": "nobody"}, "account_not_found"),
                              ({"user_id": "sys:gateway:USD"}, "account_not_found"),
                              ({"currency": "EUR"}, "currency_mismatch"),
                              ({"currency": "JPY", "amount": 1}, "currency_mismatch")):
            with self.subTest(members=members):
                body = {"user_id": dollars, "amount": "1.00", "payment_method": "pm_ok", **members}
                problem = self.assert_problem(self.client.post("/v1/payments", body), 422, code)
                payment = self.payment(self.client, problem["payment_id"])
                self.assertEqual((payment["status"], payment["failure"]["code"]), ("fail", code))

    def test_the_whole_balance_can_be_spent(self):
        account_id = self.open_account(self.client, "5.00")
        self.assertEqual(self.pay_and_finish(self.client, account_id, "5.00")["status"], "success")
        body = {"user_id": account_id, "amount": "0.01", "payment_method": "pm_ok"}
        self.assert_problem(self.client.post("/v1/payments", body), 402, "insufficient_funds")

    def test_the_largest_amount_can_be_paid(self):
        account_id = self.open_account(self.client, "92233720368547758.07")
        payment = self.pay_and_finish(self.client, account_id, "92233720368547758.07")
        self.assertEqual((payment["status"], payment["amount"]),
                         ("success", "92233720368547758.07"))

    def test_amount_and_currency_are_checked(self):
        account_id = self.open_account(self.client, "100.00")
        body = {"user_id": account_id, "payment_method": "pm_ok"}
        for amount in ("0", "-1", "1e2", "10.001", "", "NaN", 0, -5, 10.001, True, None, [], {},
                       99999999999999999999):
            with self.subTest(amount=amount):
                answer = self.client.post("/v1/payments", {**body, "amount": amount})
                self.assert_problem(answer, 422, "invalid_amount", "amount")
        self.assert_problem(self.client.post("/v1/payments",
                                             {**body, "amount": "1.5", "currency": "JPY"}),
                            422, "invalid_amount", "amount")
        for currency in ("usd", "", "ZZZ", "XAU"):
            with self.subTest(currency=currency):
                answer = self.client.post("/v1/payments",
                                          {**body, "amount": "1", "currency": currency})
                self.assert_problem(answer, 422, "invalid_currency", "currency")

    def test_members_are_required_and_typed(self):
        account_id = self.open_account(self.client, "100.00")
        good = {"user_id": account_id, "amount": "1.00", "payment_method": "pm_ok"}
        for member in good:
            with self.subTest(missing=member):
                body = {name: value for name, value in good.items() if name != member}
                self.assert_problem(self.client.post("/v1/payments", body), 422, "missing_field",
                                    member)
        for member in ("user_id", "payment_method", "description", "currency", "id"):
            for value in (5, True, [], {}):
                with self.subTest(member=member, value=value):
                    answer = self.client.post("/v1/payments", {**good, member: value})
                    codes = ("invalid_type", "invalid_currency")[:1 + (member == "currency")]
                    self.assert_problem(answer, 422, codes, member)
        for user_id in ("", "a b", "a" * 129):
            answer = self.client.post("/v1/payments", {**good, "user_id": user_id})
            self.assert_problem(answer, 422, "invalid_id", "user_id")
        for payment_id in ("", "a b", "a/b", "a" * 129):
            answer = self.client.post("/v1/payments", {**good, "id": payment_id})
            self.assert_problem(answer, 422, "invalid_id", "id")
        self.assert_problem(self.client.post("/v1/payments", {**good, "metadata": 5}), 422,
                            ("invalid_metadata", "invalid_type"), "metadata")
        self.assert_problem(self.client.post("/v1/payments", {**good, "status": "success"}), 422,
                            "unknown_field", "status")
        self.assertEqual(self.account(self.client, account_id)["posted"], "100.00")

    def test_several_wrong_members_are_all_named(self):
        problem = self.assert_problem(self.client.post("/v1/payments", {}), 422, "missing_field",
                                      "user_id")
        pointers = " ".join(error["pointer"] for error in problem["errors"])
        for member in ("user_id", "amount", "payment_method"):
            self.assertIn(member, pointers)

    def test_unknown_payment_is_not_found(self):
        for payment_id in ("pay_nothing", "a" * 128, "a%20b"):
            with self.subTest(payment_id=payment_id):
                self.assert_problem(self.client.get(f"/v1/payments/{payment_id}"), 404,
                                    "not_found")

    def test_request_ids_are_kept_or_made(self):
        account_id = self.open_account(self.client, "1.00")
        path = f"/v1/accounts/{account_id}"
        kept = self.client.get(path, {"X-Request-Id": "req-1.a:B_2"})
        self.assertEqual(kept.header("X-Request-Id"), "req-1.a:B_2")
        made = {self.client.get(path).header("X-Request-Id") for _ in range(5)}
        self.assertEqual(len(made - {None, ""}), 5)
        for bad in ("", "a b", "x" * 5000, "<script>"):
            with self.subTest(bad=bad[:20]):
                answer = self.client.get(path, {"X-Request-Id": bad})
                if answer.status == 200:
                    self.assertTrue(answer.header("X-Request-Id"))
                    self.assertNotEqual(answer.header("X-Request-Id"), bad)
        for traceparent in ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "nonsense"):
            self.assert_status(self.client.get(path, {"traceparent": traceparent}), 200)


class ChosenIds(ApiCase):
    def test_the_same_content_again_is_the_same_payment(self):
        account_id = self.open_account(self.client, "100.00")
        body = {"id": unique("pay"), "user_id": account_id, "amount": "10.00",
                "payment_method": "pm_ok", "description": "d", "metadata": {"a": 1, "b": [2]}}
        first = self.assert_status(self.client.post("/v1/payments", body), 201, 202)
        self.assertEqual(first.json["id"], body["id"])
        self.assertEqual(first.header("Location"), f"/v1/payments/{body['id']}")
        done = self.finished(self.client, body["id"])
        for same in (body, {**body, "currency": "USD"}, {**body, "amount": 10},
                     {**body, "amount": "10.0"}, dict(reversed(body.items())),
                     {**body, "metadata": {"b": [2], "a": 1}}):
            with self.subTest(same=same):
                again = self.client.post("/v1/payments", same)
                self.assertEqual(self.assert_status(again, 200).json, done)
                self.assertFalse(again.replayed)
        self.assertEqual(self.account(self.client, account_id)["available"], "90.00")

    def test_other_content_is_a_conflict(self):
        account_id = self.open_account(self.client, "100.00")
        other = self.open_account(self.client, "100.00")
        body = {"id": unique("pay"), "user_id": account_id, "amount": "10.00",
                "payment_method": "pm_ok", "description": "d", "metadata": {"a": 1}}
        self.assert_status(self.client.post("/v1/payments", body), 201, 202)
        done = self.finished(self.client, body["id"])
        for change in ({"amount": "10.01"}, {"user_id": other}, {"payment_method": "pm_other"},
                       {"description": "e"}, {"metadata": {"a": 2}}, {"metadata": {}},
                       {"currency": "EUR"}):
            with self.subTest(change=change):
                answer = self.client.post("/v1/payments", {**body, **change})
                self.assert_problem(answer, 409, "payment_exists")
        self.assertEqual(self.payment(self.client, body["id"]), done)
        self.assertEqual(self.account(self.client, account_id)["available"], "90.00")
        self.assertEqual(self.account(self.client, other)["available"], "100.00")

    def test_a_refused_payment_keeps_its_id(self):
        account_id = self.open_account(self.client, "1.00")
        body = {"id": unique("pay"), "user_id": account_id, "amount": "2.00",
                "payment_method": "pm_ok"}
        problem = self.assert_problem(self.client.post("/v1/payments", body), 402,
                                      "insufficient_funds")
        self.assertEqual(problem["payment_id"], body["id"])
        self.client.post(f"/v1/accounts/{account_id}/deposits", {"amount": "5.00"})
        again = self.assert_status(self.client.post("/v1/payments", body), 200).json
        self.assertEqual((again["status"], again["failure"]["code"]),
                         ("fail", "insufficient_funds"))
        self.assertEqual(self.account(self.client, account_id)["available"], "6.00")

    def test_concurrent_creates_of_one_id_are_one_payment(self):
        account_id = self.open_account(self.client, "100.00")
        body = {"id": unique("pay"), "user_id": account_id, "amount": "10.00",
                "payment_method": "pm_ok"}

        def create(_):
            with self.server.client() as client:
                return client.post("/v1/payments", body)
        answers = together(20, create)
        statuses = sorted(answer.status for answer in answers)
        self.assertEqual(statuses[:-1], [200] * 19, statuses)
        self.assertIn(statuses[-1], (201, 202))
        self.finished(self.client, body["id"])
        self.assertEqual(self.account(self.client, account_id)["available"], "90.00")
        self.assertEqual(len(self.transfers(self.client, account_id)), 2)


class SlowGateway(ApiCase):
    """What a payment looks like on its way."""

    settings = ('gateway.retry={initial_interval="60s",maximum_interval="60s"}',
                "gateway.latency=2s")

    def test_money_is_held_until_the_gateway_answers(self):
        account_id = self.open_account(self.client, "10.00")
        answer = self.client.post("/v1/payments", {"user_id": account_id, "amount": "4.00",
                                                   "payment_method": "pm_ok"})
        created = self.assert_status(answer, 202).json
        self.assertEqual((created["status"], created["current_step"]), ("pending", "gateway"))
        self.assertEqual((created["gateway"]["attempts"], created["gateway"]["reference"]),
                         (0, None))
        account = self.account(self.client, account_id)
        self.assertEqual((account["available"], account["held"], account["posted"]),
                         ("6.00", "4.00", "10.00"))
        transfer = self.transfers(self.client, account_id)[0]
        self.assertEqual((transfer["state"], transfer["step"], transfer["workflow_id"]),
                         ("held", "hold", created["id"]))
        body = {"user_id": account_id, "amount": "6.01", "payment_method": "pm_ok"}
        self.assert_problem(self.client.post("/v1/payments", body), 402, "insufficient_funds")
        self.finished(self.client, created["id"])
        account = self.account(self.client, account_id)
        self.assertEqual((account["available"], account["held"], account["posted"]),
                         ("6.00", "0.00", "6.00"))

    def test_a_payment_that_is_retried_is_processing(self):
        account_id = self.open_account(self.client, "10.00")
        created = self.pay(self.client, account_id, "4.00", "pm_flaky_1")

        def failed_once():
            payment = self.payment(self.client, created["id"])
            return payment if payment["gateway"]["attempts"] == 1 else None
        payment = wait_until(failed_once, "the first attempt failed")
        self.assertEqual((payment["status"], payment["current_step"]), ("processing", "gateway"))
        self.assertIsNone(payment["failure"])
        self.assertEqual(minor(self.account(self.client, account_id)["held"]), 400)


if __name__ == "__main__":
    unittest.main()
