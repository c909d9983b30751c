"""Versions of the saga in one data directory, and looking at a directory that no server uses."""

import json
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.saga import SagaCase
from support.server import run, wait_until

OK, FAILED, USAGE, DATA = 0, 1, 2, 3
VERSION_2 = ("saga.payment.version=2", "saga.payment.fraud_gate_amount=100.00")


class Upgrade(SagaCase):
    def test_payments_keep_the_version_that_they_were_born_with(self):
        self.serve()
        old_end, old_cancel = self.start("pm_manual", "150.00"), self.start("pm_manual", "150.00")
        for payment_id in (old_end, old_cancel):
            self.assertEqual(self.at_step(payment_id, "await_callback")["version"], 1)
        self.server.settings += [*VERSION_2, "fraud.mode=manual"]
        self.server.restart()
        new = self.start("pm_manual", "150.00")
        self.assertEqual(self.state(new)["version"], 2)
        self.assertEqual(self.at_step(new, "fraud_check")["gateway"]["state"], "gated")
        self.assertEqual(self.books().touched[new], 0)
        for payment_id in (old_end, old_cancel):
            payment = self.state(payment_id)
            self.assertEqual((payment["version"], payment["current_step"]), (1, "await_callback"))
        self.assert_status(self.callback(old_end, "confirmed"), 202)
        self.assertEqual(self.ends(old_end, "success")["version"], 1)
        self.assert_status(self.cancel(old_cancel), 202)
        self.assertEqual(self.ends(old_cancel, "cancelled", "cancelled")["version"], 1)
        self.assert_status(self.decide_fraud(new, True), 200)
        self.at_step(new, "await_callback")
        self.assert_status(self.callback(new, "confirmed"), 202)
        self.assertEqual(self.ends(new, "success")["version"], 2)
        self.assert_money("700.00")
        self.server.terminate()
        self.assert_replays()
        self.server.start()

    def test_going_back_to_version_1_leaves_the_others_as_they_are(self):
        self.serve(*VERSION_2, "fraud.mode=manual")
        gated = self.start("pm_ok", "100.00")
        self.assertEqual(self.at_step(gated, "fraud_check")["version"], 2)
        self.server.settings.append("saga.payment.version=1")
        self.server.restart()
        plain = self.start("pm_ok", "100.00")
        self.assertEqual(self.at_step(plain, "fraud_check")["gateway"]["state"], "confirmed")
        self.assertEqual(self.state(gated)["gateway"]["state"], "gated")
        self.assertEqual(self.books().touched[gated], 0)
        for payment_id, version in ((gated, 2), (plain, 1)):
            self.assert_status(self.decide_fraud(payment_id, True), 200)
            self.assertEqual(self.ends(payment_id, "success")["version"], version)
        self.assert_money("800.00")

    def assert_replays(self):
        result = run("replay", "--data", self.server.data)
        self.assertEqual(result.returncode, OK, result)
        self.assertIn("all decide the same", result.stdout)


class Gate(SagaCase):
    settings = (*SagaCase.settings, *VERSION_2, "fraud.mode=manual")

    def test_from_the_threshold_on_the_gateway_is_called_after_the_approval(self):
        for amount in ("100.00", "100.01", "250.00"):
            with self.subTest(amount=amount):
                payment_id = self.start("pm_ok", amount)
                payment = self.at_step(payment_id, "fraud_check")
                self.assertEqual((payment["status"], payment["gateway"]["state"]),
                                 ("pending", "gated"))
                # It is not just about to be called: a smaller payment, made later, has been.
                later = self.start("pm_ok", "1.00")
                self.at_step(later, "fraud_check")
                wait_until(lambda one=later: self.books().taken[one], "the later one is taken")
                self.assertEqual(self.books().touched[payment_id], 0)
                self.assert_status(self.decide_fraud(payment_id, True), 200)
                self.assert_status(self.decide_fraud(later, True), 200)
                self.ends(payment_id, "success")
                self.ends(later, "success")
                self.assert_in_order(payment_id, "fraud_check_started", "fraud_check_ended",
                                     "gateway_confirmed", "payment_succeeded")
                self.assertEqual(self.books().taken[payment_id], 1)

    def test_below_the_threshold_both_run_side_by_side(self):
        payment_id = self.start("pm_ok", "99.99")
        payment = self.at_step(payment_id, "fraud_check")
        self.assertEqual(payment["version"], 2)
        wait_until(lambda: self.state(payment_id)["gateway"]["state"] == "confirmed",
                   "the gateway confirms")
        self.assertEqual(self.books().taken[payment_id], 1)
        self.assert_status(self.decide_fraud(payment_id, True), 200)
        self.ends(payment_id, "success")

    def test_a_rejection_never_reaches_the_gateway(self):
        payment_id = self.start("pm_ok", "100.00")
        self.at_step(payment_id, "fraud_check")
        self.assert_status(self.decide_fraud(payment_id, False), 200)
        payment = self.ends(payment_id, "fail", "fraud_rejected")
        self.assertEqual(payment["compensation"]["steps"],
                         [{"step": "release_hold", "state": "completed"}])
        self.assertEqual(payment["gateway"], {"reference": None, "attempts": 0, "state": "none"})
        self.assertEqual(self.books().touched[payment_id], 0)
        self.assert_money("1000.00")

    def test_a_gated_payment_says_what_it_waits_for(self):
        payment_id = self.start("pm_ok", "100.00")
        explanation = self.explain(payment_id)
        self.assertEqual(explanation["waiting_for"], "fraud_check")
        self.assertTrue(explanation["due_at"])
        self.assert_money("900.00", "100.00")

    def test_a_callback_for_a_gated_payment_changes_nothing(self):
        payment_id = self.start("pm_ok", "100.00")
        for outcome in ("confirmed", "declined"):
            self.assert_status(self.callback(payment_id, outcome), 202)
        self.assertEqual(self.state(payment_id)["gateway"]["state"], "gated")
        self.assertEqual(self.state(payment_id)["fraud"]["result"], "running")
        self.assert_status(self.decide_fraud(payment_id, True), 200)
        self.ends(payment_id, "success")

    def test_the_threshold_counts_in_the_payments_own_currency(self):
        yen = self.open_account(self.client, "1000", currency="JPY")
        for amount, state in (("100", "gated"), ("99", "confirmed")):
            payment_id = self.pay(self.client, yen, amount, currency="JPY")["id"]
            wait_until(lambda one=payment_id, wanted=state:
                       self.state(one)["gateway"]["state"] == wanted, f"{amount} is {state}")
            self.decide_fraud(payment_id, True)

    def test_an_automatic_check_lets_large_amounts_through_at_once(self):
        self.serve(*VERSION_2)
        payment_id = self.start("pm_ok", "500.00")
        self.assertEqual(self.ends(payment_id, "success")["version"], 2)
        rejected = self.start("pm_fraud", "500.00")
        self.ends(rejected, "fail", "fraud_rejected")
        self.assertEqual(self.books().touched[rejected], 0)
        self.assert_money("500.00")

    def test_a_gated_payment_goes_on_after_kill_9(self):
        self.serve(*VERSION_2, "fraud.mode=manual")
        payment_id = self.start("pm_ok", "100.00")
        self.server.restart()
        self.assertEqual(self.state(payment_id)["gateway"]["state"], "gated")
        self.assert_status(self.decide_fraud(payment_id, True), 200)
        self.ends(payment_id, "success")
        self.assertEqual(self.books().taken[payment_id], 1)


class Offline(SagaCase):
    """replay and inspect, on a directory with a payment of every kind in it."""

    def setUp(self):
        super().setUp()
        self.serve("gateway.callback_delay=10ms")
        self.ended = {}
        for method in ("pm_ok", "pm_async", "pm_decline", "pm_down", "pm_flaky_2", "pm_timeout",
                       "pm_timeout_lost", "pm_fraud", "pm_notify_fail"):
            self.ended[method] = self.start(method, "1.00")
        self.waiting = self.start("pm_manual", "1.00")
        self.stuck = self.start("pm_manual.pm_void_fail", "1.00")
        for payment_id in (self.waiting, self.stuck):
            self.at_step(payment_id, "await_callback")
        self.assert_status(self.cancel(self.stuck), 202)
        wait_until(lambda: self.state(self.stuck)["status"] == "fail", "the void is given up")
        for payment_id in self.ended.values():
            wait_until(lambda one=payment_id: self.state(one)["status"] in ("success", "fail"),
                       "it ends")
        self.ends(self.ended["pm_ok"])
        answer = self.client.post(f"/v1/payments/{self.ended['pm_ok']}/refunds",
                                  {"amount": "0.40"})
        self.refund = self.assert_status(answer, 202).json["id"]
        wait_until(lambda: self.workflow(self.refund)["status"] == "success", "it is refunded")

    def tearDown(self):
        if not self.server.running:
            self.server.start()
        super().tearDown()

    def offline(self, *arguments):
        command, *rest = arguments
        return run(command, "--data", self.server.data, *rest)

    def test_replay_decides_everything_the_same(self):
        for stop in (self.server.kill, self.server.terminate):
            with self.subTest(stop=stop.__name__):
                if not self.server.running:
                    self.server.start()
                stop()
                result = self.offline("replay")
                self.assertEqual(result.returncode, OK, result)
                self.assertRegex(result.stdout,
                                 r"\Areplayed 11 workflows with [0-9]+ events: "
                                 r"all decide the same\n\Z")

    def test_replay_as_json(self):
        self.server.kill()
        result = self.offline("replay", "--json")
        self.assertEqual(result.returncode, OK, result)
        found = json.loads(result.stdout)
        self.assertEqual((found["workflows"], found["different"]), (11, 0))
        self.assertGreater(found["events"], 50)

    def test_replay_changes_nothing(self):
        before = {one: self.state(one) for one in [*self.ended.values(), self.waiting, self.stuck]}
        self.server.terminate()
        for _ in range(2):
            self.assertEqual(self.offline("replay").returncode, OK)
        self.server.start()
        self.assertEqual({one: self.state(one) for one in before}, before)
        self.assert_status(self.callback(self.waiting, "confirmed"), 202)
        self.ends(self.waiting, "success")

    def test_inspect_shows_a_payment_what_it_waits_for_and_its_history(self):
        payments = {one: self.state(one) for one in (self.ended["pm_ok"], self.waiting, self.stuck)}
        explained = {one: self.explain(one) for one in payments}
        events = {one: self.events(one) for one in payments}
        self.server.terminate()
        for payment_id, payment in payments.items():
            with self.subTest(payment=payment["current_step"]):
                result = self.offline("inspect", payment_id, "--json")
                self.assertEqual(result.returncode, OK, result)
                shown = json.loads(result.stdout)
                self.assertEqual(shown["state"], payment)
                self.assertEqual(shown["explain"], explained[payment_id])
                own = [event["seq"] for event in shown["events"]]
                self.assertLessEqual({event["seq"] for event in events[payment_id]}, set(own))
                text = self.offline("inspect", payment_id)
                self.assertEqual(text.returncode, OK, text)
                for word in (payment_id, "payment_created", explained[payment_id]["waiting_for"]):
                    self.assertIn(word, text.stdout)

    def test_inspect_shows_children_as_well(self):
        self.server.kill()
        for workflow_id, kind in ((f"fraud-check-{self.waiting}", "fraud_check_opened"),
                                  (self.refund, "refund_created")):
            with self.subTest(workflow_id=workflow_id):
                result = self.offline("inspect", workflow_id, "--json")
                self.assertEqual(result.returncode, OK, result)
                shown = json.loads(result.stdout)
                self.assertEqual(shown["state"]["id"], workflow_id)
                self.assertEqual(shown["events"][0]["type"], kind)

    def test_a_directory_in_use_is_refused(self):
        for command in (("replay",), ("inspect", self.waiting)):
            with self.subTest(command=command):
                result = self.offline(*command)
                self.assertEqual(result.returncode, DATA, result)
                self.assertTrue(result.stderr)
        self.assertEqual(self.state(self.waiting)["current_step"], "await_callback")

    def test_an_unknown_workflow_is_a_failed_check(self):
        self.server.kill()
        result = self.offline("inspect", "pay_nothing")
        self.assertEqual(result.returncode, FAILED, result)
        self.assertIn("pay_nothing", result.stderr)
        self.assertEqual(result.stdout, "")

    def test_wrong_usage(self):
        self.assertEqual(self.offline("inspect").returncode, USAGE)
        self.assertEqual(self.offline("replay", "--nonsense").returncode, USAGE)


class NoDirectory(unittest.TestCase):
    def test_nothing_is_made_where_there_is_nothing(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="payonce-offline-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        for command in (["replay"], ["inspect", "pay_x"]):
            result = run(*command, "--data", folder / "none")
            self.assertEqual(result.returncode, DATA, result)
            self.assertIn("none", result.stderr)
        self.assertEqual(list(folder.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
