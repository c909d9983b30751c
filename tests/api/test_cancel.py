"""Cancelling a payment at every place where it can wait, and where it is too late."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import PAYMENT_MEMBERS, together
from support.saga import NEVER, SLOW_RETRY, SagaCase
from support.server import SLOWNESS, wait_until


class Cancel(SagaCase):
    def waiting(self):
        """A payment that waits for a callback."""
        payment_id = self.start("pm_manual")
        self.at_step(payment_id, "await_callback")
        return payment_id

    def test_a_payment_that_waits_is_voided_and_its_hold_released(self):
        payment_id = self.waiting()
        answer = self.assert_status(self.cancel(payment_id, {"reason": "changed my mind"}), 202)
        self.assert_members(answer.json, PAYMENT_MEMBERS)
        self.assertEqual((answer.json["id"], answer.json["current_step"]),
                         (payment_id, "compensate"))
        payment = self.ends(payment_id, "cancelled", "cancelled")
        self.assertIn("changed my mind", payment["failure"]["message"])
        self.assertEqual(payment["compensation"],
                         {"state": "completed",
                          "steps": [{"step": "void_charge", "state": "completed"},
                                    {"step": "release_hold", "state": "completed"}]})
        self.assert_in_order(payment_id, "gateway_accepted", "cancel_requested",
                             "compensation_started", "compensation_step_done", "hold_voided",
                             "payment_cancelled")
        books = self.books()
        self.assertEqual((books.voids[payment_id], books.net(payment_id)), (1, 0))
        self.assert_money("1000.00")

    def test_the_body_may_be_empty(self):
        for body in (None, b"", {}, {"reason": None}):
            with self.subTest(body=body):
                payment_id = self.waiting()
                self.assert_status(self.cancel(payment_id, body), 202)
                payment = self.ends(payment_id, "cancelled", "cancelled")
                self.assertTrue(payment["failure"]["message"])
        payment_id = self.waiting()
        answer = self.client.post(f"/v1/payments/{payment_id}/cancel", None,
                                  {"Content-Type": None})
        self.assert_status(answer, 202)
        self.ends(payment_id, "cancelled", "cancelled")

    def test_malformed_bodies_cancel_nothing(self):
        payment_id = self.waiting()
        for body, status, code in ((b"{", 400, "malformed_json"),
                                   ({"reason": 5}, 422, "invalid_type"),
                                   ({"reason": "x" * 1001}, 422, "too_long"),
                                   ({"why": "x"}, 422, "unknown_field")):
            with self.subTest(body=body):
                self.assert_problem(self.cancel(payment_id, body), status, code)
        answer = self.client.post(f"/v1/payments/{payment_id}/cancel", b"reason=x",
                                  {"Content-Type": "application/x-www-form-urlencoded"})
        self.assert_problem(answer, 415, "unsupported_media_type")
        self.assertEqual(self.state(payment_id)["current_step"], "await_callback")
        self.assertNotIn("cancel_requested", self.types(payment_id))

    def test_cancelling_again_changes_nothing(self):
        payment_id = self.waiting()
        self.assert_status(self.cancel(payment_id), 202)
        self.assert_status(self.cancel(payment_id), 200, 202)
        done = self.ends(payment_id, "cancelled", "cancelled")
        for _ in range(3):
            self.assertEqual(self.assert_status(self.cancel(payment_id), 200).json, done)
        types = self.types(payment_id)
        for once in ("cancel_requested", "compensation_started", "hold_voided",
                     "payment_cancelled"):
            self.assertEqual(types.count(once), 1, types)
        self.assertEqual(self.books().voids[payment_id], 1)

    def test_many_clients_cancel_it_once(self):
        payment_id = self.waiting()

        def cancel(_):
            with self.server.client() as client:
                return client.post(f"/v1/payments/{payment_id}/cancel")
        for answer in together(12, cancel):
            self.assert_status(answer, 200, 202)
        self.ends(payment_id, "cancelled", "cancelled")
        self.assertEqual(self.types(payment_id).count("cancel_requested"), 1)
        self.assert_money("1000.00")

    def test_what_has_ended_cannot_be_cancelled(self):
        for method, status, failure in (("pm_ok", "success", None),
                                        ("pm_decline", "fail", "gateway_declined"),
                                        ("pm_down", "fail", "gateway_unavailable")):
            with self.subTest(method=method):
                payment_id = self.start(method)
                before = self.ends(payment_id, status, failure)
                problem = self.assert_problem(self.cancel(payment_id), 409, "payment_closed")
                self.assertEqual(problem["payment_id"], payment_id)
                self.assertEqual(self.state(payment_id), before)
        self.assert_money("990.00")

    def test_a_payment_that_was_refused_cannot_be_cancelled(self):
        body = {"user_id": self.account_id, "amount": "5000.00", "payment_method": "pm_ok"}
        refused = self.client.post("/v1/payments", body).json["payment_id"]
        self.assert_problem(self.cancel(refused), 409, "payment_closed")

    def test_an_unknown_payment_is_not_found(self):
        self.assert_problem(self.cancel("pay_nothing"), 404, "not_found")

    def test_an_idempotency_key_repeats_the_first_answer(self):
        payment_id, key = self.waiting(), self.new_id("key")
        first = self.assert_status(self.cancel(payment_id, {"reason": "r"}, key=key), 202)
        self.ends(payment_id, "cancelled", "cancelled")
        again = self.cancel(payment_id, {"reason": "r"}, key=key)
        self.assertTrue(again.replayed)
        self.assertEqual((again.status, again.body), (first.status, first.body))
        self.assert_problem(self.cancel(payment_id, {"reason": "s"}, key=key), 422,
                            "idempotency_key_reused")
        other = self.waiting()
        self.assert_problem(self.cancel(other, {"reason": "r"}, key=key), 422,
                            "idempotency_key_reused")
        self.assertEqual(self.state(other)["current_step"], "await_callback")

    def test_a_cancel_that_waits_answers_the_end(self):
        payment_id = self.waiting()
        answer = self.cancel(payment_id, wait=30)
        self.assertEqual(self.assert_status(answer, 200).json["status"], "cancelled")
        self.assertEqual(answer.header("Preference-Applied"), "wait=30")

    def test_a_keyed_cancel_that_prefers_to_wait_gets_the_stored_answer_at_once(self):
        payment_id, key = self.waiting(), self.new_id("key")
        first = self.assert_status(self.cancel(payment_id, key=key, wait=30), 202)
        self.ends(payment_id, "cancelled", "cancelled")
        again = self.cancel(payment_id, key=key, wait=30)
        self.assertTrue(again.replayed)
        self.assertEqual((again.status, again.body), (first.status, first.body))

    def test_a_cancel_and_a_callback_at_once_have_one_end(self):
        payment_ids = [self.start("pm_manual", "1.00") for _ in range(20)]
        for payment_id in payment_ids:
            self.at_step(payment_id, "await_callback")

        def act(number):
            with self.server.client() as client:
                for payment_id in payment_ids:
                    if number == 0:
                        client.post(f"/v1/payments/{payment_id}/cancel")
                    else:
                        client.post("/v1/gateway/callbacks", {"payment_id": payment_id,
                                                              "outcome": "confirmed"})
        together(2, act)
        succeeded = 0
        for payment_id in payment_ids:
            payment = self.ends(payment_id)
            self.assertIn(payment["status"], ("success", "cancelled"))
            types = self.types(payment_id)
            self.assertEqual(types.count("hold_posted") + types.count("hold_voided"), 1, types)
            self.assertEqual(types.count("payment_succeeded") + types.count("payment_cancelled"), 1)
            succeeded += payment["status"] == "success"
        self.assert_money(f"{1000 - succeeded}.00")

    def test_a_client_that_waits_for_the_payment_sees_it_cancelled(self):
        payment_id = self.waiting()

        def act(number):
            with self.server.client() as client:
                if number == 0:
                    return client.get(f"/v1/payments/{payment_id}", {"Prefer": "wait=30"})
                return client.post(f"/v1/payments/{payment_id}/cancel")
        seen, _ = together(2, act)
        self.assertEqual(self.assert_status(seen, 200).json["status"], "cancelled")

    def test_a_callback_after_the_cancel_is_given_back(self):
        payment_id = self.waiting()
        self.assert_status(self.cancel(payment_id), 202)
        self.ends(payment_id, "cancelled", "cancelled")
        for _ in range(2):
            self.assert_status(self.callback(payment_id, "confirmed"), 202)

        def refunded():
            payment = self.state(payment_id)
            last = payment["compensation"]["steps"][-1]
            return last == {"step": "refund_charge", "state": "completed"} and payment
        payment = wait_until(refunded, "what came late is refunded")
        self.assertEqual((payment["status"], payment["compensation"]["state"]),
                         ("cancelled", "completed"))
        self.assertEqual(self.types(payment_id).count("late_refund_started"), 1)
        self.assert_money("1000.00")


class Waits(SagaCase):
    """Each place where nothing would happen for an hour: a cancel does not wait for that."""

    def cancelled(self, payment_id, *statuses):
        self.assert_status(self.cancel(payment_id), *(statuses or (202,)))
        payment = self.ends(payment_id, "cancelled", "cancelled")
        self.assertEqual(self.books().net(payment_id), 0)
        self.assert_money("1000.00")
        return payment

    def test_while_it_waits_for_a_retry(self):
        self.serve(SLOW_RETRY)
        payment_id = self.start("pm_down")
        wait_until(lambda: self.state(payment_id)["gateway"]["state"] == "retrying",
                   "the first attempt has failed")
        self.cancelled(payment_id)
        self.assertEqual(self.types(payment_id).count("gateway_retry_scheduled"), 1)
        self.assertEqual(self.books().asked[payment_id], 1)

    def test_while_the_retry_waits_with_a_method_that_would_succeed(self):
        self.serve(SLOW_RETRY)
        payment_id = self.start("pm_flaky_1")
        wait_until(lambda: self.state(payment_id)["gateway"]["state"] == "retrying",
                   "the first attempt has failed")
        self.cancelled(payment_id)
        self.assertEqual(self.books().taken[payment_id], 0)

    def test_while_it_is_in_doubt(self):
        self.serve(f"gateway.inquiry_initial_interval={NEVER}",
                   f"gateway.inquiry_maximum_interval={NEVER}")
        for method, taken in (("pm_timeout", 1), ("pm_timeout_lost", 0)):
            with self.subTest(method=method):
                payment_id = self.start(method)
                self.at_step(payment_id, "inquiry")
                payment = self.cancelled(payment_id)
                self.assertEqual(payment["compensation"]["steps"][0]["step"], "void_charge")
                self.assertEqual(self.books().taken[payment_id], taken)

    def test_while_the_call_runs(self):
        self.serve(f"gateway.latency={2 * SLOWNESS}s")
        payment_id = self.start("pm_ok")
        self.assertEqual(self.state(payment_id)["current_step"], "gateway")
        self.cancelled(payment_id)
        self.assertNotIn("payment_succeeded", self.types(payment_id))

    def test_while_a_person_looks_at_it(self):
        self.serve("fraud.mode=manual")
        payment_id = self.start("pm_ok")
        self.at_step(payment_id, "fraud_check")
        payment = self.cancelled(payment_id)
        self.assertEqual(payment["compensation"]["steps"][0]["step"], "refund_charge")
        self.assertEqual(self.books().taken[payment_id], 1)

    def test_before_the_gateway_was_called_at_all(self):
        self.serve("fraud.mode=manual", "saga.payment.version=2",
                   "saga.payment.fraud_gate_amount=5")
        payment_id = self.start("pm_ok")
        self.assertEqual(self.state(payment_id)["gateway"]["state"], "gated")
        payment = self.cancelled(payment_id, 200)
        self.assertEqual(payment["compensation"]["steps"],
                         [{"step": "release_hold", "state": "completed"}])
        self.assertEqual(payment["gateway"]["state"], "none")
        self.assertEqual(self.books().touched[payment_id], 0)
        self.assert_problem(self.decide_fraud(payment_id, True), 409, "workflow_closed")

    def test_while_it_is_undone_for_another_reason(self):
        # The void fails and is tried again in an hour.
        self.serve("gateway.callback_timeout=200ms", "saga.payment.compensation="
                   f'{{initial_interval="{NEVER}",maximum_interval="{NEVER}"}}')
        payment_id = self.start("pm_manual.pm_void_fail")
        self.at_step(payment_id, "compensate")
        self.assert_problem(self.cancel(payment_id), 409, "payment_closed")
        self.assertNotIn("cancel_requested", self.types(payment_id))

    def test_a_cancel_survives_kill_9(self):
        self.serve("saga.payment.compensation="
                   f'{{initial_interval="{SLOWNESS}s",maximum_interval="{SLOWNESS}s",'
                   'maximum_attempts=2}')
        void_works, void_fails = self.start("pm_manual"), self.start("pm_manual.pm_void_fail")
        for payment_id in (void_works, void_fails):
            self.at_step(payment_id, "await_callback")
        for payment_id in (void_works, void_fails):
            self.assert_status(self.cancel(payment_id), 202)
        self.server.restart()
        self.ends(void_works, "cancelled", "cancelled")
        wait_until(lambda: self.state(void_fails)["status"] == "fail", "the void is given up")
        self.assert_money("990.00", "10.00")


if __name__ == "__main__":
    unittest.main()
