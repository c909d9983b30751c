"""GET /v1/payments/{id}/events: the history of a payment."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import TIME, ApiCase, query

ACCEPTED = ["payment_created", "funds_held", "fraud_check_started", "fraud_check_ended"]
PAID = ["gateway_confirmed", "hold_posted", "payment_succeeded", "notification_sent"]
UNDONE = ["hold_voided", "payment_failed", "notification_sent"]
SUCCESS = ACCEPTED + PAID
DECLINED = ACCEPTED + ["gateway_declined"] + UNDONE
REFUSED = ["payment_created", "payment_refused"]


class Events(ApiCase):
    def setUp(self):
        super().setUp()
        self.account_id = self.open_account(self.client, "100.00")

    def events(self, payment_id, limit=100):
        return self.every(self.client, f"/v1/payments/{payment_id}/events", limit)

    def types(self, payment_id):
        return [event["type"] for event in self.events(payment_id)]

    def test_a_straight_payment(self):
        payment = self.pay_and_finish(self.client, self.account_id)
        events = self.events(payment["id"])
        self.assertEqual([event["type"] for event in events], SUCCESS)
        for event in events:
            self.assert_members(event, {"seq", "type", "at", "data"})
            self.assertIs(type(event["seq"]), int)
            self.assertRegex(event["at"], rf"\A{TIME}\Z")
            self.assertIsInstance(event["data"], dict)
        numbers = [event["seq"] for event in events]
        self.assertEqual(numbers, sorted(set(numbers)))
        times = [event["at"] for event in events]
        self.assertEqual(times, sorted(times))
        self.assertEqual(times[0], payment["created_at"])
        self.assertEqual(times[-1], payment["updated_at"])

    def test_a_declined_payment(self):
        payment = self.pay_and_finish(self.client, self.account_id, method="pm_decline")
        self.assertEqual(self.types(payment["id"]), DECLINED)

    def test_retries_are_part_of_the_history(self):
        payment = self.pay_and_finish(self.client, self.account_id, method="pm_flaky_3")
        self.assertEqual(self.types(payment["id"]),
                         ACCEPTED + ["gateway_retry_scheduled"] * 3 + PAID)

    def test_a_gateway_that_never_answers(self):
        payment = self.pay_and_finish(self.client, self.account_id, method="pm_down")
        self.assertEqual(self.types(payment["id"]),
                         ACCEPTED + ["gateway_retry_scheduled"] * 4
                         + ["gateway_exhausted", "compensation_started",
                            "compensation_step_done"] + UNDONE)

    def test_a_refused_payment(self):
        body = {"user_id": self.account_id, "amount": "100.01", "payment_method": "pm_ok"}
        problem = self.assert_problem(self.client.post("/v1/payments", body), 402,
                                      "insufficient_funds")
        events = self.events(problem["payment_id"])
        self.assertEqual([event["type"] for event in events], REFUSED)
        self.assertIn("insufficient_funds", str(events[1]["data"]))

    def test_oldest_first_and_pages(self):
        payment = self.pay_and_finish(self.client, self.account_id, method="pm_flaky_4")
        whole = self.events(payment["id"])
        for limit in (1, 2, 3, len(whole) - 1, len(whole), len(whole) + 1):
            with self.subTest(limit=limit):
                self.assertEqual(self.events(payment["id"], limit), whole)
        page = self.client.get(query(f"/v1/payments/{payment['id']}/events", limit=2)).json
        self.assertEqual(set(page), {"data", "next_cursor"})
        self.assertEqual(page["data"], whole[:2])

    def test_each_payment_has_its_own_events(self):
        payments = [self.pay(self.client, self.account_id)["id"] for _ in range(5)]
        numbers = []
        for payment_id in payments:
            self.finished(self.client, payment_id)
            self.assertEqual(self.types(payment_id), SUCCESS)
            numbers += [event["seq"] for event in self.events(payment_id)]
        self.assertEqual(len(numbers), len(set(numbers)))

    def test_parameters_are_checked(self):
        payment = self.pay_and_finish(self.client, self.account_id)
        path = f"/v1/payments/{payment['id']}/events"
        self.assert_problem(self.client.get(query(path, limit=0)), 422, "invalid_limit")
        self.assert_problem(self.client.get(query(path, cursor="x")), 422, "invalid_cursor")
        self.assert_problem(self.client.get(query(path, type="x")), 422, "unknown_parameter")
        self.assert_problem(self.client.get("/v1/payments/none/events"), 404, "not_found")

    def test_history_survives_kill_9(self):
        paid = self.pay_and_finish(self.client, self.account_id, method="pm_flaky_2")
        declined = self.pay_and_finish(self.client, self.account_id, method="pm_decline")
        before = [self.events(one["id"]) for one in (paid, declined)]
        self.server.restart()
        self.assertEqual([self.events(one["id"]) for one in (paid, declined)], before)
        self.assertEqual(self.payment(self.client, paid["id"]), paid)
        self.assertEqual(self.payment(self.client, declined["id"]), declined)


if __name__ == "__main__":
    unittest.main()
