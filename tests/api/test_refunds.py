"""Refunds of payments that succeeded: the whole amount, parts of it, and never more."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import TIME, UUID_V7, minor, together
from support.saga import SagaCase
from support.server import SLOWNESS, wait_until

REFUND_MEMBERS = {"id", "payment_id", "amount", "currency", "status", "gateway", "error",
                  "created_at", "updated_at"}


class RefundCase(SagaCase):
    def paid(self, amount="10.00", method="pm_ok", **members):
        payment_id = self.start(method, amount, **members)
        self.ends(payment_id, "success")
        return payment_id

    def refund(self, payment_id, amount=None, **options):
        body = None if amount is None else {"amount": amount}
        return self.client.post(f"/v1/payments/{payment_id}/refunds", body, **options)

    def refunded(self, payment_id, amount=None):
        """The refund once the money is back."""
        refund = self.assert_status(self.refund(payment_id, amount), 202).json
        return self.refund_at(refund["id"], "success")

    def refund_at(self, refund_id, status):
        def there():
            found = self.workflow(refund_id)
            return found["state"] if found["status"] == status else None
        return wait_until(there, f"{refund_id} is {status}")

    def refunds(self, payment_id):
        return self.every(self.client, f"/v1/payments/{payment_id}/refunds")


class Refunds(RefundCase):
    def test_a_refund_without_an_amount_gives_everything_back(self):
        payment_id = self.paid()
        answer = self.assert_status(self.refund(payment_id), 202)
        refund = answer.json
        self.assert_members(refund, REFUND_MEMBERS)
        self.assertRegex(refund["id"], rf"\Aref_{UUID_V7}\Z")
        self.assertEqual(answer.header("Location"), f"/v1/workflows/{refund['id']}")
        self.assertEqual((refund["payment_id"], refund["amount"], refund["currency"]),
                         (payment_id, "10.00", "USD"))
        self.assertEqual((refund["status"], refund["gateway"]["attempts"]), ("processing", 0))
        self.assertRegex(refund["created_at"], rf"\A{TIME}\Z")
        done = self.refund_at(refund["id"], "success")
        self.assertTrue(done["gateway"]["reference"])
        self.assertEqual((done["gateway"]["attempts"], done["error"]), (1, None))
        self.assert_money("1000.00")
        payment = self.state(payment_id)
        self.assertEqual((payment["status"], payment["current_step"]), ("success", "done"))
        self.assert_in_order(payment_id, "payment_succeeded", "refund_requested", "refund_ended")

    def test_the_ledger_moves_it_from_the_gateways_account(self):
        payment_id = self.paid(amount="7.50")
        clearing = minor(self.account(self.client, "sys:gateway:USD")["posted"])
        refund = self.refunded(payment_id, "2.50")
        transfer = self.transfers(self.client, self.account_id)[0]
        self.assertEqual((transfer["step"], transfer["amount"], transfer["state"]),
                         ("refund", "2.50", "posted"))
        self.assertEqual((transfer["debit_account"], transfer["credit_account"]),
                         ("sys:gateway:USD", self.account_id))
        self.assertEqual((transfer["workflow_id"], transfer["reference"]),
                         (refund["id"], payment_id))
        self.assertEqual(minor(self.account(self.client, "sys:gateway:USD")["posted"]),
                         clearing - 250)
        self.assert_money("995.00")

    def test_the_gateway_gives_back_what_the_refund_says_under_its_own_key(self):
        payment_id = self.paid()
        self.refunded(payment_id, "4.00")
        self.refunded(payment_id, "1.00")
        books = self.books()
        self.assertEqual(list(books.complaints()), [])
        self.assertEqual((books.taken[payment_id], books.net(payment_id)), (1, 500))

    def test_parts_add_up_to_the_whole_and_no_further(self):
        payment_id = self.paid()
        for amount in ("0.01", "2.99", 3, "3.0"):
            self.refunded(payment_id, amount)
        self.assert_problem(self.refund(payment_id, "1.01"), 422, "refund_too_large")
        last = self.refunded(payment_id)
        self.assertEqual(last["amount"], "1.00")
        self.assert_problem(self.refund(payment_id), 422, "refund_too_large")
        self.assert_problem(self.refund(payment_id, "0.01"), 422, "refund_too_large")
        listed = self.refunds(payment_id)
        self.assertEqual([refund["amount"] for refund in listed],
                         ["1.00", "3.00", "3.00", "2.99", "0.01"])
        self.assertEqual({refund["status"] for refund in listed}, {"success"})
        self.assert_money("1000.00")

    def test_more_than_was_paid_is_refused(self):
        payment_id = self.paid()
        for amount in ("10.01", "11", 1000, "92233720368547758.07"):
            with self.subTest(amount=amount):
                problem = self.assert_problem(self.refund(payment_id, amount), 422,
                                              "refund_too_large")
                self.assertEqual(problem["payment_id"], payment_id)
        self.assertEqual(self.refunds(payment_id), [])
        self.assert_money("990.00")

    def test_amounts_are_checked(self):
        payment_id = self.paid()
        for amount in ("0", "0.00", "-1", "1e1", "1.001", "", "x", 0, -1, 1.001,
                       "99999999999999999999"):
            with self.subTest(amount=amount):
                self.assert_problem(self.refund(payment_id, amount), 422, "invalid_amount")
        path = f"/v1/payments/{payment_id}/refunds"
        for body in ({"amount": True}, {"amount": []}, {"amount": {}}):
            self.assert_problem(self.client.post(path, body), 422,
                                ("invalid_amount", "invalid_type"))
        self.assert_problem(self.client.post(path, {"currency": "USD"}), 422, "unknown_field")
        self.assert_problem(self.client.post(path, b"{"), 400, "malformed_json")
        self.assertEqual(self.refunds(payment_id), [])

    def test_an_amount_follows_the_payments_currency(self):
        yen = self.open_account(self.client, "1000", currency="JPY")
        payment_id = self.pay_and_finish(self.client, yen, "10", currency="JPY")["id"]
        self.assert_problem(self.refund(payment_id, "1.5"), 422, "invalid_amount")
        self.assertEqual(self.refunded(payment_id, "4")["amount"], "4")
        self.assertEqual(self.account(self.client, yen)["available"], "994")
        dinar = self.open_account(self.client, "10.000", currency="KWD")
        payment_id = self.pay_and_finish(self.client, dinar, "1.234", currency="KWD")["id"]
        self.assertEqual(self.refunded(payment_id, "0.234")["amount"], "0.234")
        self.assertEqual(self.account(self.client, dinar)["available"], "9.000")

    def test_refunds_at_once_never_give_back_more_than_was_paid(self):
        payment_id = self.paid()

        def refund(_):
            with self.server.client() as client:
                return client.post(f"/v1/payments/{payment_id}/refunds", {"amount": "3.00"})
        answers = together(12, refund)
        self.assertEqual(sorted(answer.status for answer in answers), [202] * 3 + [422] * 9)
        for answer in answers:
            if answer.status == 202:
                self.refund_at(answer.json["id"], "success")
        self.assertEqual(self.books().net(payment_id), 100)
        self.assert_money("999.00")

    def test_only_a_success_can_be_refunded(self):
        for method, status, failure in (("pm_decline", "fail", "gateway_declined"),
                                        ("pm_down", "fail", "gateway_unavailable")):
            with self.subTest(method=method):
                payment_id = self.start(method)
                self.ends(payment_id, status, failure)
                self.assert_problem(self.refund(payment_id), 409, "payment_not_refundable")
        payment_id = self.start("pm_manual")
        self.at_step(payment_id, "await_callback")
        self.assert_problem(self.refund(payment_id), 409, "payment_not_refundable")
        self.assert_status(self.cancel(payment_id), 202)
        self.ends(payment_id, "cancelled", "cancelled")
        self.assert_problem(self.refund(payment_id), 409, "payment_not_refundable")
        self.assert_problem(self.refund("pay_nothing"), 404, "not_found")
        self.assert_problem(self.client.get("/v1/payments/pay_nothing/refunds"), 404, "not_found")
        self.assert_money("1000.00")

    def test_refunds_of_every_method_that_succeeds(self):
        for method in ("pm_flaky_2", "pm_timeout", "pm_async"):
            with self.subTest(method=method):
                payment_id = self.paid(method=method)
                self.refunded(payment_id)
                self.assertEqual(self.books().net(payment_id), 0)
        self.assert_money("1000.00")

    def test_an_idempotency_key_refunds_once(self):
        payment_id, key = self.paid(), self.new_id("key")
        first = self.assert_status(self.refund(payment_id, "4.00", key=key), 202)
        self.refund_at(first.json["id"], "success")
        for _ in range(3):
            again = self.refund(payment_id, "4.00", key=key)
            self.assertTrue(again.replayed)
            self.assertEqual((again.status, again.body, again.header("Location")),
                             (first.status, first.body, first.header("Location")))
        self.assert_problem(self.refund(payment_id, "5.00", key=key), 422,
                            "idempotency_key_reused")
        self.assertEqual(len(self.refunds(payment_id)), 1)
        self.assert_money("994.00")

    def test_a_refusal_is_not_kept_under_its_key(self):
        waiting, key = self.start("pm_manual"), self.new_id("key")
        self.at_step(waiting, "await_callback")
        self.assert_problem(self.refund(waiting, key=key), 409, "payment_not_refundable")
        self.assert_status(self.callback(waiting, "confirmed"), 202)
        self.ends(waiting, "success")
        self.assert_status(self.refund(waiting, key=key), 202)

    def test_without_a_key_each_request_is_a_refund(self):
        payment_id = self.paid()
        ids = {self.assert_status(self.refund(payment_id, "1.00"), 202).json["id"]
               for _ in range(3)}
        self.assertEqual(len(ids), 3)
        for refund_id in ids:
            self.refund_at(refund_id, "success")
        self.assert_money("993.00")

    def test_refunds_are_children_of_their_payment(self):
        payment_id = self.paid()
        ids = [self.refunded(payment_id, "1.00")["id"] for _ in range(3)]
        children = self.workflow(payment_id)["children"]
        self.assertEqual([child["id"] for child in children if child["kind"] == "refund"], ids)
        for one in self.workflows(parent=payment_id, kind="refund"):
            self.assertEqual((one["parent"], one["status"]), (payment_id, "success"))
        events = self.every(self.client, f"/v1/workflows/{ids[0]}/events")
        self.assertEqual([event["type"] for event in events][0], "refund_created")
        self.assertIn("refund_confirmed", [event["type"] for event in events])

    def test_the_list_of_refunds_has_pages(self):
        payment_id = self.paid()
        ids = [self.refunded(payment_id, "1.00")["id"] for _ in range(5)]
        path = f"/v1/payments/{payment_id}/refunds"
        for limit in (1, 2, 5, 100):
            with self.subTest(limit=limit):
                listed = self.every(self.client, path, limit=limit)
                self.assertEqual([refund["id"] for refund in listed], ids[::-1])
        self.assert_problem(self.client.get(path + "?limit=0"), 422, "invalid_limit")
        self.assert_problem(self.client.get(path + "?status=fail"), 422, "unknown_parameter")

    def test_a_payment_with_refunds_is_still_closed_to_other_things(self):
        payment_id = self.paid()
        self.refunded(payment_id)
        self.assert_problem(self.cancel(payment_id), 409, "payment_closed")


class GatewayFails(RefundCase):
    def test_a_refund_that_is_given_up_is_listed_and_keeps_its_amount(self):
        payment_id = self.paid(method="pm_void_fail")
        refund_id = self.assert_status(self.refund(payment_id, "6.00"), 202).json["id"]
        refund = self.refund_at(refund_id, "exhausted")
        self.assertTrue(refund["error"])
        self.assertEqual(refund["gateway"]["attempts"], 3)
        task = self.exhausted()[f"refund:{refund_id}"]
        self.assertEqual((task["queue"], task["workflow_id"]), ("gateway", refund_id))
        self.assert_problem(self.refund(payment_id, "4.01"), 422, "refund_too_large")
        self.assert_money("990.00")
        self.assertEqual(self.state(payment_id)["status"], "success")
        self.assert_status(self.client.post(f"/v1/tasks/refund:{refund_id}/retry"), 202)
        wait_until(lambda: self.workflow(refund_id)["state"]["gateway"]["attempts"] == 6,
                   "it is tried again")
        self.refund_at(refund_id, "exhausted")
        self.assertEqual(self.books().net(payment_id), 1000)

    def test_a_refund_that_is_done_cannot_be_retried(self):
        payment_id = self.paid()
        refund_id = self.refunded(payment_id)["id"]
        self.assert_problem(self.client.post(f"/v1/tasks/refund:{refund_id}/retry"), 409,
                            "task_not_exhausted")
        self.assert_problem(self.client.post("/v1/tasks/refund:ref_nothing/retry"), 404,
                            "not_found")


class Restart(RefundCase):
    def test_a_refund_survives_kill_9(self):
        self.serve()
        payment_ids = [self.paid("5.00") for _ in range(5)]
        # Refunds whose calls take so long that they are cut off in the middle.
        self.server.settings.append(f"gateway.latency={SLOWNESS}s")
        self.server.restart()
        refunds = [self.assert_status(self.refund(payment_id, "2.00"), 202).json["id"]
                   for payment_id in payment_ids]
        self.server.restart()
        for refund_id in refunds:
            self.refund_at(refund_id, "success")
        self.assertEqual([self.books().net(one) for one in payment_ids], [300] * 5)
        self.assertEqual(list(self.books().complaints()), [])
        self.assert_money("985.00")


if __name__ == "__main__":
    unittest.main()
