"""A compensation that cannot be done: it is seen, its money stays held, and an operator goes on."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.saga import SagaCase
from support.server import wait_until


class VoidFails(SagaCase):
    def stuck(self, method="pm_manual.pm_void_fail"):
        """A cancelled payment whose charge cannot be voided."""
        payment_id = self.start(method)
        self.at_step(payment_id, "await_callback")
        self.assert_status(self.cancel(payment_id), 202)
        self.given_up(payment_id)
        wait_until(lambda: "notification_sent" in self.types(payment_id),
                   "its notification has gone out")
        return payment_id

    def given_up(self, payment_id):
        def failed():
            payment = self.state(payment_id)
            return payment["compensation"]["state"] == "failed" and payment
        return wait_until(failed, "compensation gives up")

    def retry(self, payment_id, **options):
        return self.client.post(f"/v1/payments/{payment_id}/retry-compensation", **options)

    def test_the_payment_fails_and_says_so(self):
        payment_id = self.stuck()
        payment = self.state(payment_id)
        self.assertEqual((payment["status"], payment["failure"]["code"]),
                         ("fail", "compensation_failed"))
        self.assertIn("cancelled", payment["failure"]["message"])
        self.assertEqual(payment["compensation"]["steps"],
                         [{"step": "void_charge", "state": "failed"},
                          {"step": "release_hold", "state": "pending"}])
        self.assertEqual(payment["compensation"]["attempts"], 3)
        self.assertTrue(payment["compensation"]["error"])
        self.assert_in_order(payment_id, "compensation_started", "compensation_retry_scheduled",
                             "compensation_retry_scheduled", "compensation_exhausted",
                             "payment_failed")
        self.assertNotIn("hold_voided", self.types(payment_id))

    def test_the_hold_is_kept(self):
        before = self.account(self.client, self.account_id)
        self.stuck()
        self.assertEqual(before["available"], "1000.00")
        self.assert_money("990.00", "10.00")

    def test_it_is_listed_for_the_operator(self):
        payment_id = self.stuck()
        task = self.exhausted()[f"compensation:{payment_id}"]
        self.assertEqual((task["queue"], task["workflow_id"]), ("gateway", payment_id))
        self.assertTrue(task["last_error"])
        explanation = self.explain(payment_id)
        self.assertEqual(explanation["waiting_for"], "operator")
        self.assertIn(f"/v1/payments/{payment_id}/retry-compensation", explanation["next_action"])
        self.assertEqual((explanation["due_at"], explanation["attempt"]), (None, None))
        self.assertTrue(explanation["last_error"])

    def test_the_report_counts_it(self):
        before = self.report()
        self.stuck()
        after = self.report()
        self.assertEqual(after["compensation_failed"], before["compensation_failed"] + 1)
        self.assertEqual(after["by_status"]["fail"], before["by_status"]["fail"] + 1)

    def test_an_operator_may_ask_for_further_attempts_any_number_of_times(self):
        payment_id = self.stuck()
        for again in (1, 2):
            answer = self.assert_status(self.retry(payment_id), 202)
            self.assertEqual(answer.json["id"], payment_id)
            self.assertEqual(answer.json["compensation"]["state"], "running")
            wait_until(lambda: self.types(payment_id).count("compensation_exhausted") == again + 1,
                       "it is given up again")
            self.assertEqual(self.given_up(payment_id)["failure"]["code"], "compensation_failed")
        self.assertEqual(self.types(payment_id).count("payment_failed"), 1)
        self.assertIn(f"compensation:{payment_id}", self.exhausted())
        self.assert_money("990.00", "10.00")

    def test_the_task_may_be_retried_by_its_own_name(self):
        payment_id = self.stuck()
        path = f"/v1/tasks/compensation:{payment_id}/retry"
        self.assert_status(self.client.post(path), 202)
        wait_until(lambda: self.types(payment_id).count("compensation_exhausted") == 2,
                   "it is given up again")

    def test_while_it_runs_again_there_is_nothing_to_retry(self):
        self.serve("saga.payment.compensation="
                   '{initial_interval="1h",maximum_interval="1h",maximum_attempts=2}')
        payment_id = self.start("pm_manual.pm_void_fail")
        self.at_step(payment_id, "await_callback")
        self.assert_status(self.cancel(payment_id), 202)
        wait_until(lambda: "compensation_retry_scheduled" in self.types(payment_id),
                   "the first void fails")
        self.assert_problem(self.retry(payment_id), 409, "compensation_not_failed")
        explanation = self.explain(payment_id)
        self.assertEqual((explanation["waiting_for"], explanation["attempt"]), ("gateway", 2))
        self.assertIn("void the charge", explanation["next_action"])
        self.assertTrue(explanation["due_at"])
        self.assertEqual(self.exhausted(), {})

    def test_only_a_failed_compensation_can_be_retried(self):
        for method, status, failure in (("pm_ok", "success", None),
                                        ("pm_decline", "fail", "gateway_declined")):
            with self.subTest(method=method):
                payment_id = self.start(method)
                self.ends(payment_id, status, failure)
                self.assert_problem(self.retry(payment_id), 409, "compensation_not_failed")
        waiting = self.start("pm_manual")
        self.assert_problem(self.retry(waiting), 409, "compensation_not_failed")
        self.assert_problem(self.retry("pay_nothing"), 404, "not_found")
        for task in ("compensation:pay_nothing", "nothing", "compensation:", "notify-log:x"):
            answer = self.client.post(f"/v1/tasks/{task}/retry")
            self.assert_problem(answer, 404, "not_found")

    def test_an_idempotency_key_asks_once(self):
        payment_id, key = self.stuck(), self.new_id("key")
        first = self.assert_status(self.retry(payment_id, key=key), 202)
        wait_until(lambda: self.types(payment_id).count("compensation_exhausted") == 2,
                   "it is given up again")
        again = self.retry(payment_id, key=key)
        self.assertTrue(again.replayed)
        self.assertEqual((again.status, again.body), (first.status, first.body))
        self.assertEqual(self.types(payment_id).count("compensation_resumed"), 1)

    def test_it_is_not_cancelled_refunded_or_tried_again_by_itself(self):
        payment_id = self.stuck()
        before = self.types(payment_id)
        self.assert_problem(self.cancel(payment_id), 409, "payment_closed")
        refund = self.client.post(f"/v1/payments/{payment_id}/refunds")
        self.assert_problem(refund, 409, "payment_not_refundable")
        self.assertEqual(self.types(payment_id), before)

    def test_callbacks_do_not_touch_it(self):
        payment_id = self.stuck()
        before = self.types(payment_id)
        for outcome in ("confirmed", "declined"):
            self.assert_status(self.callback(payment_id, outcome), 202)
        self.assertEqual(self.types(payment_id), before)

    def test_a_late_refund_that_fails_leaves_the_status_as_it_is(self):
        payment_id = self.start("pm_decline.pm_void_fail")
        self.ends(payment_id, "fail", "gateway_declined")
        self.assert_status(self.callback(payment_id, "confirmed"), 202)
        payment = self.given_up(payment_id)
        self.assertEqual((payment["status"], payment["failure"]["code"]),
                         ("fail", "gateway_declined"))
        self.assertEqual(payment["compensation"]["steps"][-1],
                         {"step": "refund_charge", "state": "failed"})
        self.assertIn(f"compensation:{payment_id}", self.exhausted())
        self.assert_money("1000.00")

    def test_it_stays_listed_across_kill_9(self):
        self.serve()
        payment_id = self.stuck()
        wait_until(lambda: "notification_sent" in self.types(payment_id), "the end is told")
        before, tasks = self.state(payment_id), self.exhausted()
        self.server.restart()
        self.assertEqual((self.state(payment_id), self.exhausted()), (before, tasks))
        self.assertEqual(self.report()["compensation_failed"], 1)
        self.assert_status(self.retry(payment_id), 202)
        wait_until(lambda: self.types(payment_id).count("compensation_exhausted") == 2,
                   "it is given up again")


if __name__ == "__main__":
    unittest.main()
