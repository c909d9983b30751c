"""Looking at payments on their way: steps, explanations, workflows, tasks, reports, old routes."""

import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import TIME, UUID_V7, query
from support.saga import NEVER, SLOW_RETRY, SagaCase
from support.server import SLOWNESS, wait_until

EXPLAIN_MEMBERS = {"waiting_for", "next_action", "due_at", "attempt", "last_error"}
SUMMARY_MEMBERS = {"id", "kind", "parent", "status", "created_at", "updated_at"}
STATUSES = ("pending", "processing", "success", "fail", "cancelled")


class Steps(SagaCase):
    def steps(self, payment_id, act):
        """The steps that are seen one after the other; act[step]() is called at each."""
        seen = []

        def look():
            payment = self.state(payment_id)
            step = payment["current_step"]
            if not seen or seen[-1] != step:
                seen.append(step)
                if step in act:
                    act[step]()
            return step == "done"
        wait_until(look, f"{payment_id} is done, now {seen}")
        return seen

    def test_the_step_advances_as_the_payment_does(self):
        # Each wait is ended by the test, so each of these steps is there to be seen.
        self.serve("fraud.mode=manual")
        payment_id = self.start("pm_manual")
        seen = self.steps(payment_id, {
            "await_callback": lambda: self.callback(payment_id, "confirmed"),
            "fraud_check": lambda: self.decide_fraud(payment_id, True)})
        self.assertEqual([step for step in seen if step not in ("gateway", "post", "notify")],
                         ["await_callback", "fraud_check", "done"])
        self.assertEqual(seen, sorted(seen, key=["gateway", "await_callback", "fraud_check",
                                                 "post", "notify", "done"].index))
        self.ends(payment_id, "success")

    def test_the_way_back_shows_as_well(self):
        self.serve("saga.payment.compensation="
                   f'{{initial_interval="{SLOWNESS}s",maximum_interval="{SLOWNESS}s",'
                   'maximum_attempts=2}')
        payment_id = self.start("pm_manual.pm_void_fail")
        self.at_step(payment_id, "await_callback")
        self.cancel(payment_id)
        self.at_step(payment_id, "compensate")

    def test_a_call_that_runs_and_one_in_doubt(self):
        self.serve(f"gateway.latency={SLOWNESS}s", "gateway.calls_max=4",
                   f"gateway.inquiry_initial_interval={SLOWNESS}s",
                   f"gateway.inquiry_maximum_interval={SLOWNESS}s")
        payment_id = self.start("pm_timeout")
        payment = self.state(payment_id)
        self.assertEqual((payment["status"], payment["current_step"]), ("pending", "gateway"))
        seen = self.steps(payment_id, {})
        self.assertEqual(seen[:2], ["gateway", "inquiry"])
        self.ends(payment_id, "success")


class Explain(SagaCase):
    def explained(self, payment_id, waiting_for, **members):
        explanation = self.explain(payment_id)
        self.assert_members(explanation, EXPLAIN_MEMBERS)
        self.assertEqual(explanation["waiting_for"], waiting_for, explanation)
        self.assertTrue(explanation["next_action"])
        if explanation["due_at"] is not None:
            self.assertRegex(explanation["due_at"], rf"\A{TIME}\Z")
        for name, value in members.items():
            self.assertEqual(explanation[name], value, explanation)
        return explanation

    def test_a_retry(self):
        self.serve(SLOW_RETRY)
        payment_id = self.start("pm_down")
        wait_until(lambda: self.state(payment_id)["gateway"]["state"] == "retrying",
                   "the first attempt fails")
        explanation = self.explained(payment_id, "gateway", attempt=2)
        self.assertEqual(explanation["due_at"],
                         self.event(payment_id, "gateway_retry_scheduled")["not_before"])
        self.assertTrue(explanation["last_error"])

    def test_an_inquiry(self):
        self.serve(f"gateway.inquiry_initial_interval={NEVER}",
                   f"gateway.inquiry_maximum_interval={NEVER}")
        payment_id = self.start("pm_timeout")
        self.at_step(payment_id, "inquiry")
        explanation = self.explained(payment_id, "gateway", attempt=1)
        self.assertEqual(explanation["due_at"],
                         self.event(payment_id, "gateway_in_doubt")["not_before"])
        self.assertIn("what became of", explanation["next_action"])

    def test_a_callback(self):
        payment_id = self.start("pm_manual")
        self.at_step(payment_id, "await_callback")
        explanation = self.explained(payment_id, "gateway_callback", attempt=None,
                                     last_error=None)
        self.assertEqual(explanation["due_at"],
                         self.event(payment_id, "gateway_accepted")["deadline"])
        self.assertIn("callback_timeout", explanation["next_action"])

    def test_a_verdict(self):
        self.serve("fraud.mode=manual")
        payment_id = self.start("pm_ok")
        self.at_step(payment_id, "fraud_check")
        explanation = self.explained(payment_id, "fraud_check", attempt=None, last_error=None)
        check = self.workflow(f"fraud-check-{payment_id}")["state"]
        self.assertEqual(explanation["due_at"], check["deadline"])
        self.assertIn("fraud_timeout", explanation["next_action"])

    def test_a_slow_check(self):
        self.serve(f"fraud.slow_delay={NEVER}")
        payment_id = self.start("pm_fraud_slow")
        self.at_step(payment_id, "fraud_check")
        explanation = self.explained(payment_id, "fraud_check", attempt=1)
        self.assertTrue(explanation["due_at"])

    def test_a_notification(self):
        self.serve(f'notify.retry={{initial_interval="{NEVER}",maximum_interval="{NEVER}"}}')
        payment_id = self.start("pm_notify_fail")
        wait_until(lambda: "notification_retry_scheduled" in self.types(payment_id),
                   "the first attempt fails")
        explanation = self.explained(payment_id, "notification", attempt=2)
        self.assertIn("log", explanation["next_action"])
        self.assertTrue(explanation["last_error"])

    def test_an_operator(self):
        payment_id = self.start("pm_manual.pm_void_fail")
        self.at_step(payment_id, "await_callback")
        self.assert_status(self.cancel(payment_id), 202)
        wait_until(lambda: self.state(payment_id)["status"] == "fail", "the void is given up")
        self.explained(payment_id, "operator", due_at=None, attempt=None)

    def test_nothing(self):
        for method in ("pm_ok", "pm_decline"):
            payment_id = self.start(method)
            self.ends(payment_id)
            self.explained(payment_id, "nothing", due_at=None, attempt=None)
        body = {"user_id": self.account_id, "amount": "5000.00", "payment_method": "pm_ok"}
        refused = self.client.post("/v1/payments", body).json["payment_id"]
        self.explained(refused, "nothing")
        self.assert_problem(self.client.get("/v1/payments/pay_nothing/explain"), 404, "not_found")


class Workflows(SagaCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with cls.server.client() as client:
            case = cls()
            case.client, case.server = client, cls.server
            case.account_id = case.open_account(client, "1000.00")
            cls.paid = [case.start("pm_ok", "1.00") for _ in range(7)]
            cls.declined = [case.start("pm_decline", "1.00") for _ in range(3)]
            cls.waiting = [case.start("pm_manual", "1.00") for _ in range(2)]
            for payment_id in cls.paid + cls.declined:
                case.finished(client, payment_id)
            for payment_id in cls.waiting:
                case.at_step(payment_id, "await_callback")
            cls.refunds = []
            for payment_id in cls.paid[:2]:
                for _ in range(2):
                    answer = client.post(f"/v1/payments/{payment_id}/refunds",
                                         {"amount": "0.10"})
                    cls.refunds.append(answer.json["id"])
            wait_until(lambda: all(case.workflow(one)["status"] == "success"
                                   for one in cls.refunds), "all is refunded")
        cls.payments = cls.paid + cls.declined + cls.waiting

    def ids(self, **filters):
        return [one["id"] for one in self.workflows(**filters)]

    def test_all_of_them_are_listed_newest_first(self):
        listed = self.workflows()
        self.assertEqual({one["id"] for one in listed},
                         {*self.payments, *self.refunds,
                          *(f"fraud-check-{one}" for one in self.payments)})
        times = [one["created_at"] for one in listed]
        self.assertEqual(times, sorted(times, reverse=True))
        for one in listed:
            self.assert_members(one, SUMMARY_MEMBERS)
            self.assertEqual(one["parent"] is None, one["kind"] == "payment")

    def test_they_can_be_filtered(self):
        self.assertEqual(self.ids(kind="payment"), self.payments[::-1])
        self.assertEqual(self.ids(kind="refund"), self.refunds[::-1])
        self.assertEqual(self.ids(kind="fraud_check"),
                         [f"fraud-check-{one}" for one in self.payments[::-1]])
        self.assertEqual(self.ids(kind="payment", status="fail"), self.declined[::-1])
        self.assertEqual(self.ids(kind="payment", status="processing"), self.waiting[::-1])
        self.assertEqual(set(self.ids(status="success")), {*self.paid, *self.refunds})
        first = self.paid[0]
        self.assertEqual(set(self.ids(parent=first)),
                         {f"fraud-check-{first}", *self.refunds[:2]})
        self.assertEqual(self.ids(parent=first, kind="refund"), self.refunds[1::-1])
        self.assertEqual(self.ids(parent="pay_nothing"), [])
        self.assertEqual(self.ids(status="nonsense"), [])

    def test_pages_show_each_once(self):
        for filters in ({}, {"kind": "payment"}, {"status": "success"},
                        {"parent": self.paid[0]}, {"kind": "payment", "status": "fail"}):
            everything = self.workflows(**filters)
            for limit in (1, 2, 3, 7):
                with self.subTest(filters=filters, limit=limit):
                    self.assertEqual(self.every(self.client, "/v1/workflows", limit=limit,
                                                **filters), everything)

    def test_wrong_parameters_are_named(self):
        for parameters, code in (({"kind": "banana"}, "invalid_status"),
                                 ({"limit": 0}, "invalid_limit"),
                                 ({"limit": 101}, "invalid_limit"),
                                 ({"cursor": "zz"}, "invalid_cursor"),
                                 ({"state": "x"}, "unknown_parameter")):
            with self.subTest(parameters=parameters):
                answer = self.client.get(query("/v1/workflows", **parameters))
                self.assert_problem(answer, 422, code)

    def test_one_of_them_has_its_state_and_its_children(self):
        payment_id = self.paid[0]
        workflow = self.workflow(payment_id)
        self.assert_members(workflow, SUMMARY_MEMBERS)
        self.assertEqual((workflow["kind"], workflow["status"], workflow["parent"]),
                         ("payment", "success", None))
        self.assertEqual(workflow["state"], self.state(payment_id))
        self.assertEqual([child["id"] for child in workflow["children"]],
                         [f"fraud-check-{payment_id}", *self.refunds[:2]])
        for child in workflow["children"]:
            self.assertEqual(child["parent"], payment_id)
            self.assertEqual(self.workflow(child["id"])["parent"], payment_id)

    def test_each_has_its_history(self):
        payment_id = self.paid[0]
        path = f"/v1/workflows/{payment_id}/events"
        self.assertEqual(self.every(self.client, path),
                         self.every(self.client, f"/v1/payments/{payment_id}/events"))
        for workflow_id in (payment_id, f"fraud-check-{payment_id}", self.refunds[0]):
            events = self.every(self.client, f"/v1/workflows/{workflow_id}/events")
            numbers = [event["seq"] for event in events]
            self.assertEqual(numbers, sorted(set(numbers)))
            for limit in (1, 2):
                self.assertEqual(self.every(self.client, f"/v1/workflows/{workflow_id}/events",
                                            limit=limit), events)

    def test_unknown_ones_are_not_found(self):
        for path in ("/v1/workflows/nothing", "/v1/workflows/nothing/events",
                     "/v1/workflows/a%20b", "/v1/workflows/fraud-check-nothing"):
            self.assert_problem(self.client.get(path), 404, "not_found")

    def test_queues_are_shown(self):
        queues = {queue["queue"]: queue for queue in
                  self.assert_status(self.client.get("/v1/tasks"), 200).json["data"]}
        self.assertLessEqual({"gateway", "fraud", "notify"}, set(queues))
        for queue in queues.values():
            for member in ("depth", "running", "oldest_age_ms"):
                self.assertIsInstance(queue[member], int)
                self.assertGreaterEqual(queue[member], 0)

    def test_nothing_is_exhausted(self):
        self.assertEqual(self.exhausted(), {})


class Queues(SagaCase):
    def test_what_waits_and_what_runs_is_counted(self):
        self.serve(f"gateway.latency={3 * SLOWNESS}s", "gateway.calls_max=2", SLOW_RETRY)
        self.assertEqual((self.queue("gateway")["depth"], self.queue("gateway")["running"]),
                         (0, 0))
        payment_ids = [self.start("pm_ok", "1.00") for _ in range(6)]
        busy = wait_until(lambda: self.queue("gateway")["running"] == 2 and self.queue("gateway"),
                          "two calls are in flight")
        self.assertLessEqual(busy["depth"] + busy["running"], 6)
        self.assertGreater(busy["depth"], 0)
        wait_until(lambda: self.queue("gateway")["oldest_age_ms"] > 100, "the oldest one ages")
        for payment_id in payment_ids:
            self.ends(payment_id, "success")
        idle = self.queue("gateway")
        self.assertEqual((idle["depth"], idle["running"], idle["oldest_age_ms"]), (0, 0, 0))

    def test_waiting_payments_hold_no_call(self):
        self.serve("gateway.calls_max=1", "fraud.mode=manual", SLOW_RETRY)
        for method in ("pm_manual", "pm_ok", "pm_down"):
            for _ in range(5):
                self.start(method, "1.00")
        wait_until(lambda: self.queue("gateway")["running"] == 0
                   and self.report()["by_status"]["pending"] == 0, "all of them wait")
        payment_id = self.start("pm_manual", "1.00")
        self.at_step(payment_id, "await_callback")

    def test_exhausted_tasks_have_pages(self):
        self.serve('notify.retry={initial_interval="1ms",maximum_interval="1ms",'
                   'maximum_attempts=1}')
        payment_ids = [self.start("pm_notify_fail", "1.00") for _ in range(7)]
        wait_until(lambda: len(self.exhausted()) == 7, "all are given up")
        names = {f"notify-log:{payment_id}" for payment_id in payment_ids}
        for limit in (1, 2, 3, 7):
            with self.subTest(limit=limit):
                listed = self.every(self.client, "/v1/tasks/exhausted", limit=limit)
                self.assertEqual(len(listed), 7)
                self.assertEqual({task["id"] for task in listed}, names)
        self.assert_problem(self.client.get("/v1/tasks/exhausted?limit=0"), 422, "invalid_limit")
        self.assert_problem(self.client.get("/v1/tasks/exhausted?queue=x"), 422,
                            "unknown_parameter")


class Reports(SagaCase):
    def test_payments_are_counted_by_status(self):
        self.serve()
        self.assertEqual(self.report(), {"by_status": dict.fromkeys(STATUSES, 0), "total": 0,
                                         "compensation_failed": 0})
        for method, count in (("pm_ok", 3), ("pm_decline", 2), ("pm_manual", 2)):
            for _ in range(count):
                payment_id = self.start(method, "1.00")
                if method == "pm_manual":
                    self.at_step(payment_id, "await_callback")
                else:
                    self.ends(payment_id)
        self.assert_status(self.cancel(payment_id), 202)
        self.ends(payment_id, "cancelled", "cancelled")
        body = {"user_id": self.account_id, "amount": "5000.00", "payment_method": "pm_ok"}
        self.assert_problem(self.client.post("/v1/payments", body), 402, "insufficient_funds")
        self.assertEqual(self.report()["by_status"],
                         {"pending": 0, "processing": 1, "success": 3, "fail": 3, "cancelled": 1})
        self.assertEqual(self.report()["total"], 8)
        self.server.restart()
        self.assertEqual(self.report()["total"], 8)

    def test_a_period_begins_and_ends_where_it_says(self):
        self.serve()
        payments = [self.pay_and_finish(self.client, self.account_id, "1.00") for _ in range(5)]
        times = [payment["created_at"] for payment in payments]
        if len(set(times)) != 5:
            self.skipTest("two payments have the same time")
        middle = times[2]
        # The beginning belongs to a period, the end does not.
        self.assertEqual(self.report(created_after=middle)["total"], 3)
        self.assertEqual(self.report(created_before=middle)["total"], 2)
        self.assertEqual(self.report(created_after=times[1], created_before=times[4])["total"], 3)
        self.assertEqual(self.report(created_after=times[1],
                                     created_before=times[4])["by_status"]["success"], 3)
        self.assertEqual(self.report(created_after="2999-01-01T00:00:00Z")["total"], 0)
        self.assertEqual(self.report(created_before="2000-01-01T00:00:00Z")["total"], 0)
        self.assertEqual(self.report(created_after="2000-01-01T00:00:00Z")["total"], 5)
        self.assertEqual(self.report(created_after=times[4], created_before=times[0])["total"], 0)

    def test_wrong_parameters_are_named(self):
        for parameters, code in (({"created_after": "yesterday"}, "invalid_time"),
                                 ({"created_before": "2026-13-01T00:00:00Z"}, "invalid_time"),
                                 ({"status": "fail"}, "unknown_parameter")):
            answer = self.client.get(query("/v1/reports/payments", **parameters))
            self.assert_problem(answer, 422, code)


class OriginalRoutes(SagaCase):
    def test_a_payment_by_account_or_by_user(self):
        for member in ("account_id", "user_id"):
            with self.subTest(member=member):
                body = {member: self.account_id, "amount": 12.5, "payment_method": "pm_ok"}
                answer = self.assert_status(self.client.post("/payment", body), 200)
                self.assertEqual(set(answer.json), {"order_id", "workflow_id", "run_id"})
                self.assertRegex(answer.json["order_id"], rf"\Apay_{UUID_V7}\Z")
                self.assertTrue(re.fullmatch(r"run_[0-9]+", answer.json["run_id"]))
                payment = self.ends(answer.json["order_id"], "success")
                self.assertEqual((payment["user_id"], payment["amount"]),
                                 (self.account_id, "12.50"))
        self.assert_money("975.00")

    def test_both_names_have_to_name_the_same_account(self):
        other = self.open_account(self.client, "5.00")
        body = {"account_id": self.account_id, "user_id": self.account_id, "amount": 1}
        self.assert_status(self.client.post("/payment", body), 200)
        answer = self.client.post("/payment", {**body, "user_id": other})
        self.assert_problem(answer, 422, "invalid_id")
        self.assert_problem(self.client.post("/payment", {"amount": 1}), 422, "missing_field")

    def test_the_method_may_be_left_out(self):
        answer = self.client.post("/payment", {"account_id": self.account_id, "amount": "1.00"})
        self.assertEqual(self.ends(answer.json["order_id"], "success")["payment_method"], "pm_ok")

    def test_refusals_come_at_once(self):
        body = {"account_id": self.account_id, "amount": 5000}
        self.assert_problem(self.client.post("/payment", body), 402, "insufficient_funds")
        self.assert_problem(self.client.post("/payment", {**body, "account_id": "nobody"}), 422,
                            "account_not_found")
        for amount in (0, -5, "NaN", 1.001, None):
            answer = self.client.post("/payment", {**body, "amount": amount})
            self.assert_problem(answer, 422, "invalid_amount")
        self.assert_problem(self.client.post("/payment", b"{"), 400, "malformed_json")
        self.assert_money("1000.00")

    def test_the_status_route_answers_by_either_id(self):
        body = {"account_id": self.account_id, "amount": 1, "payment_method": "pm_manual"}
        created = self.client.post("/payment", body).json
        self.at_step(created["order_id"], "await_callback")
        for name in ("order_id", "workflow_id"):
            answer = self.assert_status(self.client.get(f"/payment/{created[name]}/status"), 200)
            self.assertEqual(answer.json, {"status": "processing",
                                           "current_step": "await_callback"})
        self.callback(created["order_id"], "confirmed")
        self.ends(created["order_id"], "success")
        answer = self.client.get(f"/payment/{created['order_id']}/status")
        self.assertEqual(answer.json, {"status": "success", "current_step": "done"})
        self.assert_problem(self.client.get("/payment/nothing/status"), 404, "not_found")

    def test_an_idempotency_key_makes_it_one_payment(self):
        body, key = {"account_id": self.account_id, "amount": 1}, self.new_id("key")
        first = self.assert_status(self.client.post("/payment", body, key=key), 200)
        again = self.client.post("/payment", body, key=key)
        self.assertTrue(again.replayed)
        self.assertEqual(again.body, first.body)
        self.ends(first.json["order_id"], "success")
        self.assert_money("999.00")


if __name__ == "__main__":
    unittest.main()
