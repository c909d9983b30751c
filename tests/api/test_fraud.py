"""The fraud check beside each payment, decided by a mock, a person or an HTTP service."""

import pathlib
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import TIME, together
from support.receiver import Receiver, Reply
from support.saga import NEVER, SagaCase
from support.server import SETTLE_S, SLOWNESS, wait_until

CHECK_MEMBERS = {"id", "payment_id", "result", "reason", "mode", "attempts", "error", "deadline",
                 "created_at", "updated_at"}


class FraudCase(SagaCase):
    def check(self, payment_id):
        """The check's workflow."""
        return self.workflow(f"fraud-check-{payment_id}")

    def check_types(self, payment_id):
        path = f"/v1/workflows/fraud-check-{payment_id}/events"
        return [event["type"] for event in self.every(self.client, path)]

    def waits_for_a_verdict(self, method="pm_ok", amount="10.00"):
        """A payment whose money has been taken and whose check is open."""
        payment_id = self.start(method, amount)
        payment = self.at_step(payment_id, "fraud_check")
        self.assertEqual((payment["status"], payment["gateway"]["state"]),
                         ("processing", "confirmed"))
        return payment_id


class Automatic(FraudCase):
    def test_each_payment_is_checked_and_approved_at_once(self):
        created = self.pay(self.client, self.account_id, "10.00")
        self.assertEqual(created["fraud"], {"workflow_id": f"fraud-check-{created['id']}",
                                            "result": "approved"})
        self.ends(created["id"], "success")
        self.assert_in_order(created["id"], "payment_created", "funds_held",
                             "fraud_check_started", "fraud_check_ended", "payment_succeeded")

    def test_the_check_is_a_workflow_with_a_parent_and_a_history(self):
        payment_id = self.start("pm_ok")
        check = self.check(payment_id)
        self.assertEqual((check["id"], check["kind"], check["parent"], check["status"]),
                         (f"fraud-check-{payment_id}", "fraud_check", payment_id, "approved"))
        self.assertEqual(check["children"], [])
        self.assert_members(check["state"], CHECK_MEMBERS)
        self.assertEqual((check["state"]["payment_id"], check["state"]["result"]),
                         (payment_id, "approved"))
        self.assertRegex(check["state"]["deadline"], rf"\A{TIME}\Z")
        self.assertEqual(self.check_types(payment_id),
                         ["fraud_check_opened", "fraud_check_decided"])
        children = self.workflow(payment_id)["children"]
        self.assertEqual([child["id"] for child in children], [check["id"]])
        listed = self.workflows(parent=payment_id)
        self.assertEqual([(one["id"], one["kind"]) for one in listed],
                         [(check["id"], "fraud_check")])

    def test_a_payment_that_was_refused_has_no_check(self):
        body = {"user_id": self.account_id, "amount": "5000.00", "payment_method": "pm_ok"}
        refused = self.client.post("/v1/payments", body).json["payment_id"]
        self.assertEqual(self.state(refused)["fraud"], {"workflow_id": None, "result": None})
        self.assert_problem(self.client.get(f"/v1/workflows/fraud-check-{refused}"), 404,
                            "not_found")

    def test_a_rejected_payment_fails_and_its_money_comes_back(self):
        for method in ("pm_fraud", "pm_fraud.pm_manual", "pm_fraud.pm_timeout"):
            with self.subTest(method=method):
                payment_id = self.start(method)
                payment = self.ends(payment_id, "fail", "fraud_rejected")
                self.assertEqual(payment["fraud"]["result"], "rejected")
                self.assertEqual(payment["compensation"]["state"], "completed")
                self.assertEqual(self.check(payment_id)["status"], "rejected")
                self.assertEqual(self.books().net(payment_id), 0)
        self.assert_money("1000.00")

    def test_a_rejection_of_a_payment_that_fails_anyway_undoes_it_once(self):
        for method in ("pm_fraud.pm_decline", "pm_fraud.pm_down"):
            with self.subTest(method=method):
                payment_id = self.start(method)
                payment = self.ends(payment_id)
                self.assertEqual(payment["status"], "fail")
                self.assertIn(payment["failure"]["code"],
                              ("fraud_rejected", "gateway_declined", "gateway_unavailable"))
                self.assertEqual(self.types(payment_id).count("hold_voided"), 1)
                self.assertEqual(self.types(payment_id).count("payment_failed"), 1)
        self.assert_money("1000.00")

    def test_the_configured_verdict_and_delay_are_followed(self):
        self.serve("fraud.verdict=reject", "fraud.delay=100ms")
        payment_id = self.start("pm_ok")
        self.assertEqual(self.state(payment_id)["fraud"]["result"], "running")
        payment = self.ends(payment_id, "fail", "fraud_rejected")
        self.assertEqual(payment["compensation"]["state"], "completed")
        self.assertEqual(self.books().net(payment_id), 0)

    def test_a_slow_check_runs_beside_the_gateway_call(self):
        self.serve(f"fraud.slow_delay={2 * SLOWNESS}s")
        payment_id = self.waits_for_a_verdict("pm_fraud_slow")
        self.assertEqual(self.state(payment_id)["fraud"]["result"], "running")
        self.assert_money("990.00", "10.00")
        self.ends(payment_id, "success")
        self.assert_in_order(payment_id, "gateway_confirmed", "fraud_check_ended", "hold_posted",
                             "payment_succeeded")
        self.assert_money("990.00")

    def test_a_check_without_a_verdict_in_time_fails_the_payment(self):
        self.serve(f"fraud.slow_delay={NEVER}", "fraud.timeout=300ms")
        payment_id = self.start("pm_fraud_slow")
        payment = self.ends(payment_id, "fail", "fraud_timeout")
        self.assertEqual(payment["fraud"]["result"], "timed_out")
        self.assertEqual(self.books().net(payment_id), 0)
        self.assert_money("1000.00")


class Manual(FraudCase):
    settings = (*FraudCase.settings, "fraud.mode=manual")

    def test_the_payment_waits_after_the_gateway_has_confirmed(self):
        payment_id = self.waits_for_a_verdict()
        payment = self.state(payment_id)
        self.assertEqual(payment["fraud"]["result"], "running")
        self.assert_money("990.00", "10.00")
        self.assertEqual(self.check(payment_id)["status"], "running")
        self.assertEqual(self.check(payment_id)["state"]["mode"], "manual")
        explanation = self.explain(payment_id)
        self.assertEqual(explanation["waiting_for"], "fraud_check")
        self.assertEqual(explanation["due_at"], self.check(payment_id)["state"]["deadline"])
        self.decide_fraud(payment_id, True)

    def test_an_approval_lets_it_go_on(self):
        payment_id = self.waits_for_a_verdict()
        answer = self.assert_status(self.decide_fraud(payment_id, True), 200)
        self.assertEqual(answer.json, {"message": "Fraud check signal sent"})
        payment = self.ends(payment_id, "success")
        self.assertEqual(payment["fraud"]["result"], "approved")
        self.assertEqual(self.check_types(payment_id),
                         ["fraud_check_opened", "fraud_check_decided"])
        self.assert_money("990.00")

    def test_a_rejection_refunds_what_the_gateway_took(self):
        payment_id = self.waits_for_a_verdict()
        self.assert_status(self.decide_fraud(payment_id, False), 200)
        payment = self.ends(payment_id, "fail", "fraud_rejected")
        self.assertEqual(payment["fraud"]["result"], "rejected")
        self.assertEqual(payment["compensation"],
                         {"state": "completed",
                          "steps": [{"step": "refund_charge", "state": "completed"},
                                    {"step": "release_hold", "state": "completed"}]})
        books = self.books()
        self.assertEqual((books.taken[payment_id], books.net(payment_id)), (1, 0))
        self.assert_money("1000.00")

    def test_an_approval_may_come_before_the_gateways_answer(self):
        payment_id = self.start("pm_manual")
        self.at_step(payment_id, "await_callback")
        self.assert_status(self.decide_fraud(payment_id, True), 200)
        self.assertEqual(self.state(payment_id)["current_step"], "await_callback")
        self.assert_status(self.callback(payment_id, "confirmed"), 202)
        self.ends(payment_id, "success")

    def test_a_rejection_may_come_before_the_gateways_answer(self):
        payment_id = self.start("pm_manual")
        self.at_step(payment_id, "await_callback")
        self.assert_status(self.decide_fraud(payment_id, False), 200)
        payment = self.ends(payment_id, "fail", "fraud_rejected")
        self.assertEqual(payment["compensation"]["steps"][0]["step"], "void_charge")
        self.assertEqual(self.books().net(payment_id), 0)
        self.assert_money("1000.00")

    def test_the_same_verdict_again_is_the_same_answer(self):
        for is_valid, status, failure in ((True, "success", None),
                                          (False, "fail", "fraud_rejected")):
            with self.subTest(is_valid=is_valid):
                payment_id = self.waits_for_a_verdict()
                first = self.assert_status(self.decide_fraud(payment_id, is_valid), 200)
                self.ends(payment_id, status, failure)
                before = self.types(payment_id)
                again = self.assert_status(self.decide_fraud(payment_id, is_valid), 200)
                self.assertEqual(again.body, first.body)
                self.assertEqual(self.types(payment_id), before)

    def test_another_verdict_after_the_end_is_refused(self):
        payment_id = self.waits_for_a_verdict()
        self.assert_status(self.decide_fraud(payment_id, True), 200)
        self.assert_problem(self.decide_fraud(payment_id, False), 409, "workflow_closed")
        self.ends(payment_id, "success")
        rejected = self.waits_for_a_verdict()
        self.assert_status(self.decide_fraud(rejected, False), 200)
        self.assert_problem(self.decide_fraud(rejected, True), 409, "workflow_closed")
        self.ends(rejected, "fail", "fraud_rejected")

    def test_of_many_verdicts_at_once_one_counts(self):
        payment_id = self.waits_for_a_verdict()

        def decide(number):
            with self.server.client() as client:
                body = {"order_id": payment_id, "is_valid": number % 2 == 0}
                return number % 2 == 0, client.post("/fraud-check", body).status
        answers = together(12, decide)
        winners = {is_valid for is_valid, status in answers if status == 200}
        self.assertEqual(len(winners), 1, answers)
        approved, = winners
        self.assertEqual(sorted(status for _, status in answers), [200] * 6 + [409] * 6)
        self.ends(payment_id, *(("success", None) if approved else ("fail", "fraud_rejected")))
        self.assertEqual(self.check_types(payment_id).count("fraud_check_decided"), 1)

    def test_the_check_may_be_named_by_its_own_id(self):
        payment_id = self.waits_for_a_verdict()
        body = {"order_id": f"fraud-check-{payment_id}", "is_valid": True}
        self.assert_status(self.client.post("/fraud-check", body), 200)
        self.ends(payment_id, "success")

    def test_an_unknown_payment_has_no_check(self):
        self.assert_problem(self.decide_fraud("pay_nothing", True), 404, "not_found")

    def test_malformed_verdicts_change_nothing(self):
        payment_id = self.waits_for_a_verdict()
        good = {"order_id": payment_id, "is_valid": False}
        for body, status, code in ((b"{", 400, "malformed_json"), ({}, 422, "missing_field"),
                                   ({"order_id": payment_id}, 422, "missing_field"),
                                   ({"is_valid": True}, 422, "missing_field"),
                                   ({**good, "is_valid": "false"}, 422, "invalid_type"),
                                   ({**good, "is_valid": 0}, 422, "invalid_type"),
                                   ({**good, "order_id": 5}, 422, "invalid_type"),
                                   ({**good, "order_id": ""}, 422, "invalid_id"),
                                   ({**good, "why": "x"}, 422, "unknown_field")):
            with self.subTest(body=body):
                self.assert_problem(self.client.post("/fraud-check", body), status, code)
        self.assertEqual(self.state(payment_id)["fraud"]["result"], "running")
        self.decide_fraud(payment_id, True)

    def test_an_idempotency_key_repeats_the_answer(self):
        payment_id = self.waits_for_a_verdict()
        body, key = {"order_id": payment_id, "is_valid": True}, self.new_id("key")
        first = self.assert_status(self.client.post("/fraud-check", body, key=key), 200)
        again = self.client.post("/fraud-check", body, key=key)
        self.assertTrue(again.replayed)
        self.assertEqual((again.status, again.body), (first.status, first.body))
        self.assert_problem(self.client.post("/fraud-check", {**body, "is_valid": False}, key=key),
                            422, "idempotency_key_reused")

    def test_a_payment_that_ends_otherwise_closes_its_check(self):
        for end in ("cancel", "decline"):
            with self.subTest(end=end):
                payment_id = self.start("pm_manual")
                self.at_step(payment_id, "await_callback")
                if end == "cancel":
                    self.assert_status(self.cancel(payment_id), 202)
                    self.ends(payment_id, "cancelled", "cancelled")
                else:
                    self.assert_status(self.callback(payment_id, "declined"), 202)
                    self.ends(payment_id, "fail", "gateway_declined")
                self.assertEqual(self.state(payment_id)["fraud"]["result"], "cancelled")
                self.assertEqual(self.check(payment_id)["status"], "cancelled")
                self.assert_problem(self.decide_fraud(payment_id, True), 409, "workflow_closed")
                self.assert_problem(self.decide_fraud(payment_id, False), 409, "workflow_closed")
        self.assert_money("1000.00")


class TimeOut(FraudCase):
    settings = (*FraudCase.settings, "fraud.mode=manual", "fraud.timeout=400ms")

    def test_a_check_that_nobody_decides_fails_the_payment(self):
        payment_id = self.start("pm_ok")
        payment = self.ends(payment_id, "fail", "fraud_timeout")
        self.assertEqual(payment["fraud"]["result"], "timed_out")
        self.assertEqual(self.check(payment_id)["status"], "timed_out")
        books = self.books()
        self.assertEqual((books.taken[payment_id], books.net(payment_id)), (1, 0))
        self.assert_money("1000.00")
        for is_valid in (True, False):
            self.assert_problem(self.decide_fraud(payment_id, is_valid), 409, "workflow_closed")


class Http(FraudCase):
    """A fraud service that the test plays."""

    def setUp(self):
        super().setUp()
        self.service = Receiver()
        self.addCleanup(self.service.close)
        self.service.answer = lambda request: Reply.of({"result": "approved"})
        self.serve("fraud.mode=http", f"fraud.url={self.service.url('/check')}",
                   "fraud.request_timeout=30s", 'fraud.retry={initial_interval="10ms",'
                   'maximum_interval="20ms",maximum_attempts=4}')

    def test_checks_that_hang_hold_up_no_other_and_no_thread(self):
        let_go = threading.Event()
        self.addCleanup(let_go.set)

        def answer(request):
            if request.json["payment_method"] == "slow":
                let_go.wait()
            return Reply.of({"result": "approved"})
        self.service.answer = answer
        self.ends(self.start("pm_ok"), "success")
        threads = self.server.threads()
        stuck = [self.start("slow") for _ in range(20)]
        self.service.wait_for(21)
        self.assertEqual(self.server.threads(), threads)
        self.ends(self.start("pm_ok"), "success")
        for payment_id in stuck:
            self.at_step(payment_id, "fraud_check")
        let_go.set()
        for payment_id in stuck:
            self.ends(payment_id, "success")

    def asked_about(self, payment_id):
        return [request for request in self.service.requests
                if request.json["payment_id"] == payment_id]

    def test_the_service_is_asked_about_the_payment_and_approves(self):
        payment_id = self.start("pm_ok", "12.34")
        self.ends(payment_id, "success")
        request, = self.asked_about(payment_id)
        self.assertEqual((request.method, request.path), ("POST", "/check"))
        self.assertEqual(request.headers["content-type"].partition(";")[0], "application/json")
        self.assertEqual(request.json, {"id": f"fraud-check-{payment_id}",
                                        "payment_id": payment_id, "user_id": self.account_id,
                                        "amount": "12.34", "currency": "USD",
                                        "payment_method": "pm_ok"})
        self.assertEqual(self.check(payment_id)["state"]["attempts"], 1)

    def test_the_service_rejects(self):
        self.service.answer = lambda request: Reply.of({"result": "rejected",
                                                        "reason": "velocity"})
        payment_id = self.start("pm_ok")
        payment = self.ends(payment_id, "fail", "fraud_rejected")
        self.assertIn("velocity", payment["failure"]["message"])
        self.assertEqual(self.check(payment_id)["state"]["reason"], "velocity")
        self.assertEqual(self.books().net(payment_id), 0)
        self.assert_money("1000.00")

    def test_an_answer_without_a_verdict_is_asked_for_again(self):
        bad = [Reply(503), Reply.of({"result": "perhaps"}), Reply(200, b"?")]
        self.service.answer = lambda request: (
            bad.pop(0) if bad else Reply.of({"result": "approved"}))
        payment_id = self.start("pm_ok")
        self.ends(payment_id, "success")
        requests = self.asked_about(payment_id)
        self.assertEqual(len(requests), 4)
        self.assertEqual(len({request.body for request in requests}), 1)
        keys = {request.headers.get("idempotency-key") for request in requests}
        self.assertEqual(keys, {f"fraud-check-{payment_id}"})
        self.assertEqual(self.check_types(payment_id),
                         ["fraud_check_opened"] + ["fraud_check_retry_scheduled"] * 3
                         + ["fraud_check_decided"])

    def test_a_service_that_never_answers_runs_into_the_time_out(self):
        self.serve("fraud.mode=http", f"fraud.url={self.service.url()}",
                   f"fraud.timeout={SLOWNESS}s", 'fraud.retry={initial_interval="10ms",'
                   'maximum_interval="20ms",maximum_attempts=4}')
        self.service.answer = lambda request: Reply(500)
        payment_id = self.start("pm_ok")
        payment = self.ends(payment_id, "fail", "fraud_timeout")
        self.assertEqual(payment["fraud"]["result"], "timed_out")
        self.assertEqual(len(self.asked_about(payment_id)), 4)
        self.assertEqual(self.check(payment_id)["state"]["attempts"], 4)
        self.assert_money("1000.00")

    def test_a_person_may_decide_what_the_service_does_not(self):
        self.service.answer = lambda request: Reply(500)
        payment_id = self.start("pm_ok")
        wait_until(lambda: self.check(payment_id)["state"]["attempts"] == 4, "it is given up")
        explanation = self.explain(payment_id)
        self.assertEqual(explanation["waiting_for"], "fraud_check")
        self.assertTrue(explanation["last_error"])
        self.assert_status(self.decide_fraud(payment_id, True), 200)
        self.ends(payment_id, "success")

    def test_a_check_that_was_cut_off_is_asked_again_after_a_restart(self):
        held = threading.Event()
        self.addCleanup(held.set)

        def hold(request):
            held.wait(SETTLE_S)
            return Reply.of({"result": "approved"})
        self.service.answer = hold
        payment_id = self.start("pm_ok")
        self.service.wait_for(1)
        self.at_step(payment_id, "fraud_check")
        self.server.kill()
        held.set()
        self.server.start()
        self.ends(payment_id, "success")
        self.assertEqual(len(self.asked_about(payment_id)), 2)


class Restart(FraudCase):
    def test_a_check_that_waits_for_a_person_waits_on(self):
        self.serve("fraud.mode=manual")
        approved, rejected = self.waits_for_a_verdict(), self.waits_for_a_verdict()
        before = self.check(approved)
        self.server.restart()
        self.assertEqual(self.check(approved), before)
        self.assert_status(self.decide_fraud(approved, True), 200)
        self.assert_status(self.decide_fraud(rejected, False), 200)
        self.server.restart()
        self.ends(approved, "success")
        self.ends(rejected, "fail", "fraud_rejected")
        books = self.books()
        self.assertEqual((books.net(approved), books.net(rejected)), (1000, 0))
        self.assert_money("990.00")

    def test_its_time_out_survives(self):
        self.serve("fraud.mode=manual", f"fraud.timeout={3 * SLOWNESS}s")
        payment_id = self.waits_for_a_verdict()
        deadline = self.check(payment_id)["state"]["deadline"]
        self.server.restart()
        self.assertEqual(self.check(payment_id)["state"]["deadline"], deadline)
        self.ends(payment_id, "fail", "fraud_timeout")
        self.assert_money("1000.00")

    def test_a_slow_automatic_check_goes_on(self):
        self.serve(f"fraud.slow_delay={2 * SLOWNESS}s")
        payment_id = self.waits_for_a_verdict("pm_fraud_slow")
        self.server.restart()
        self.ends(payment_id, "success")


class Abandoned(FraudCase):
    settings = (*FraudCase.settings, "fraud.mode=manual", "fraud.parent_close=abandon")

    def test_the_check_goes_on_without_its_payment(self):
        for is_valid, result in ((True, "approved"), (False, "rejected")):
            with self.subTest(is_valid=is_valid):
                payment_id = self.start("pm_manual")
                self.at_step(payment_id, "await_callback")
                self.assert_status(self.cancel(payment_id), 202)
                before = self.ends(payment_id, "cancelled", "cancelled")
                self.assertEqual(before["fraud"]["result"], "cancelled")
                self.assertEqual(self.check(payment_id)["status"], "running")
                self.assert_status(self.decide_fraud(payment_id, is_valid), 200)
                self.assertEqual(self.check(payment_id)["status"], result)
                self.assertEqual(self.state(payment_id), before)
        self.assert_money("1000.00")

    def test_its_time_out_touches_nothing_either(self):
        self.serve("fraud.mode=manual", "fraud.parent_close=abandon",
                   f"fraud.timeout={2 * SLOWNESS}s")
        payment_id = self.start("pm_manual")
        self.at_step(payment_id, "await_callback")
        self.assert_status(self.cancel(payment_id), 202)
        before = self.ends(payment_id, "cancelled", "cancelled")
        wait_until(lambda: self.check(payment_id)["status"] == "timed_out", "the check times out")
        self.assertEqual(self.state(payment_id), before)


if __name__ == "__main__":
    unittest.main()
