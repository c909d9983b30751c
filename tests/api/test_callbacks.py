"""Callbacks of the gateway: signed, early, late, twice, contradicting, or never."""

import json
import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import webhooks
from support.cases import together
from support.saga import SagaCase
from support.server import SLOWNESS, wait_until

ROUTE = "/v1/gateway/callbacks"


class Unsigned(SagaCase):
    """The local default: no secret is configured, so no signature is asked for."""

    settings = (*SagaCase.settings, "gateway.callback_delay=30ms")

    def test_the_server_says_at_its_start_that_no_signature_is_asked_for(self):
        self.assertEqual(len(self.server.log_lines("callbacks_unsigned")), 1)

    def test_an_accepted_charge_is_confirmed_by_the_gateways_callback(self):
        payment_id = self.start("pm_async")
        payment = self.ends(payment_id, "success")
        self.assert_in_order(payment_id, "gateway_accepted", "callback_received",
                             "gateway_confirmed", "payment_succeeded")
        received = self.event(payment_id, "callback_received")
        self.assertEqual((received["outcome"], received["effect"]), ("confirmed", "applied"))
        self.assertEqual(payment["gateway"]["attempts"], 1)
        self.assertEqual(self.books().net(payment_id), 1000)
        self.assert_money("990.00")

    def test_a_charge_waits_for_a_callback_from_outside(self):
        payment_id = self.start("pm_manual")
        waiting = self.at_step(payment_id, "await_callback")
        self.assertEqual((waiting["status"], waiting["gateway"]["state"]),
                         ("processing", "accepted"))
        self.assert_money("990.00", "10.00")
        answer = self.assert_status(self.callback(payment_id, "confirmed"), 202)
        self.assertEqual(answer.json, {"status": "accepted"})
        payment = self.ends(payment_id, "success")
        self.assertEqual(payment["gateway"]["reference"], f"gw-{payment_id}")
        self.assert_money("990.00")

    def test_a_declining_callback_fails_the_payment_and_gives_the_hold_back(self):
        payment_id = self.start("pm_manual")
        self.at_step(payment_id, "await_callback")
        self.assert_status(self.callback(payment_id, "declined", reason="stolen card"), 202)
        payment = self.ends(payment_id, "fail", "gateway_declined")
        self.assertIn("stolen card", payment["failure"]["message"])
        self.assertEqual(payment["compensation"],
                         {"state": "completed",
                          "steps": [{"step": "release_hold", "state": "completed"}]})
        self.assert_money("1000.00")

    def test_the_reference_and_the_reason_may_be_left_out(self):
        payment_id = self.start("pm_manual")
        accepted = self.at_step(payment_id, "await_callback")["gateway"]["reference"]
        self.assert_status(self.client.post(ROUTE, {"payment_id": payment_id,
                                                    "outcome": "confirmed"}), 202)
        self.assertEqual(self.ends(payment_id, "success")["gateway"]["reference"], accepted)

    def test_callbacks_of_many_clients_at_once_are_one(self):
        payment_id = self.start("pm_manual")
        self.at_step(payment_id, "await_callback")

        def call(_):
            with self.server.client() as client:
                return client.post(ROUTE, {"payment_id": payment_id, "outcome": "confirmed"})
        for answer in together(12, call):
            self.assert_status(answer, 202)
        self.ends(payment_id, "success")
        self.assertEqual(self.types(payment_id).count("callback_received"), 1)
        self.assertEqual(self.types(payment_id).count("payment_succeeded"), 1)
        self.assert_money("990.00")

    def test_an_unknown_payment_is_not_found(self):
        self.assert_problem(self.callback("pay_nothing", "confirmed"), 404, "not_found")

    def test_malformed_bodies_change_nothing(self):
        payment_id = self.start("pm_manual")
        self.at_step(payment_id, "await_callback")
        good = {"payment_id": payment_id, "outcome": "confirmed"}
        for body, status, code in (
                (b"", 400, "malformed_json"), (b"{", 400, "malformed_json"),
                (b'{"outcome":"confirmed","outcome":"declined"}', 400, "malformed_json"),
                (b"[]", 422, "invalid_type"), ({}, 422, "missing_field"),
                ({"payment_id": payment_id}, 422, "missing_field"),
                ({"outcome": "confirmed"}, 422, "missing_field"),
                ({**good, "outcome": "maybe"}, 422, "invalid_outcome"),
                ({**good, "outcome": 1}, 422, "invalid_type"),
                ({**good, "payment_id": "a b"}, 422, "invalid_id"),
                ({**good, "payment_id": 7}, 422, "invalid_type"),
                ({**good, "reason": []}, 422, "invalid_type"),
                ({**good, "amount": "1.00"}, 422, "unknown_field"),
                ({**good, "reason": "x" * 1001}, 422, "too_long")):
            with self.subTest(body=body):
                self.assert_problem(self.client.post(ROUTE, body), status,
                                    (code, "invalid_type", "malformed_json")
                                    if body == b"[]" else code)
        answer = self.client.post(ROUTE, good, {"Content-Type": "text/plain"})
        self.assert_problem(answer, 415, "unsupported_media_type")
        self.assert_problem(self.client.get(ROUTE), 405, "method_not_allowed")
        self.assertEqual(self.state(payment_id)["current_step"], "await_callback")
        self.assertNotIn("callback_received", self.types(payment_id))

    def test_a_contradiction_after_the_end_is_kept_once_and_changes_nothing(self):
        for method, outcome, other, end in (
                ("pm_ok", "confirmed", "declined", ("success", None)),
                ("pm_manual", "confirmed", "declined", ("success", None))):
            with self.subTest(method=method):
                payment_id = self.start(method)
                if method == "pm_manual":
                    self.at_step(payment_id, "await_callback")
                    self.assert_status(self.callback(payment_id, outcome), 202)
                before = self.ends(payment_id, *end)
                for _ in range(3):
                    self.assert_status(self.callback(payment_id, other), 202)
                    self.assert_status(self.callback(payment_id, outcome), 202)
                after = self.state(payment_id)
                self.assertEqual({**after, "updated_at": None}, {**before, "updated_at": None})
                effects = [event["data"]["effect"] for event in self.events(payment_id)
                           if event["type"] == "callback_received"]
                self.assertEqual(effects.count("contradicts"), 1, effects)
                self.assertEqual(self.books().voids[payment_id], 0)
        self.assert_money("980.00")

    def test_a_late_success_after_a_decline_is_given_back(self):
        payment_id = self.start("pm_decline")
        self.ends(payment_id, "fail", "gateway_declined")
        self.assert_status(self.callback(payment_id, "confirmed"), 202)
        self.assert_late_refund(payment_id, "gateway_declined")
        self.assert_money("1000.00")

    def test_a_payment_that_was_refused_has_nothing_to_give_back(self):
        body = {"user_id": self.account_id, "amount": "5000.00", "payment_method": "pm_ok"}
        refused = self.assert_problem(self.client.post("/v1/payments", body), 402,
                                      "insufficient_funds")["payment_id"]
        self.assert_status(self.callback(refused, "confirmed"), 202)
        payment = self.ends(refused, "fail", "insufficient_funds")
        self.assertIsNone(payment["compensation"])
        self.assertNotIn("late_refund_started", self.types(refused))


class Signed(SagaCase):
    secret = webhooks.new_secret(32)
    settings = (*SagaCase.settings, f"gateway.callback_secrets={secret}")

    def setUp(self):
        super().setUp()
        self.payment_id = self.start("pm_manual")
        self.at_step(self.payment_id, "await_callback")
        self.body = self.json_of("confirmed")

    def json_of(self, outcome):
        return json.dumps({"payment_id": self.payment_id, "outcome": outcome}).encode()

    def send(self, headers, body=None):
        return self.client.post(ROUTE, self.body if body is None else body, headers)

    def assert_refused(self, headers, body=None):
        self.assert_problem(self.send(headers, body), 401, "invalid_signature")
        self.assertEqual(self.state(self.payment_id)["current_step"], "await_callback")
        self.assertNotIn("callback_received", self.types(self.payment_id))

    def test_a_good_signature_is_accepted(self):
        message_id = self.new_id("msg")
        self.assert_status(self.send(webhooks.headers(self.secret, message_id, self.body)), 202)
        self.ends(self.payment_id, "success")
        self.assertEqual(self.event(self.payment_id, "callback_received")["webhook_id"],
                         message_id)

    def test_a_repeated_message_has_no_second_effect(self):
        message_id = self.new_id("msg")
        headers = webhooks.headers(self.secret, message_id, self.body)
        self.assert_status(self.send(headers), 202)
        self.ends(self.payment_id, "success")
        before = self.types(self.payment_id)
        again = self.assert_status(self.send(headers), 200)
        self.assertEqual(again.json, {"status": "duplicate"})
        # The id alone makes it a repetition, whatever it says and whenever it was signed.
        for other in (self.json_of("declined"), self.json_of("confirmed") + b" "):
            later = webhooks.headers(self.secret, message_id, other, int(time.time()) + 20)
            self.assert_status(self.send(later, other), 200)
        self.assertEqual(self.types(self.payment_id), before)
        self.assert_money("990.00")

    def test_a_repetition_is_known_after_a_restart(self):
        headers = webhooks.headers(self.secret, self.new_id("msg"), self.body)
        self.assert_status(self.send(headers), 202)
        self.server.restart()
        self.assert_status(self.send(headers), 200)
        self.ends(self.payment_id, "success")

    def test_an_id_that_was_refused_can_be_used(self):
        """A forged message must not make the true one a repetition."""
        message_id = self.new_id("msg")
        forged = webhooks.headers(webhooks.new_secret(), message_id, self.body)
        self.assert_refused(forged)
        self.assert_status(self.send(webhooks.headers(self.secret, message_id, self.body)), 202)
        self.ends(self.payment_id, "success")

    def test_an_id_whose_payment_was_unknown_can_be_used_later(self):
        """The callback may overtake the create that it is about."""
        payment_id, message_id = self.new_id("pay"), self.new_id("msg")
        body = json.dumps({"payment_id": payment_id, "outcome": "confirmed"}).encode()
        headers = webhooks.headers(self.secret, message_id, body)
        self.assert_problem(self.send(headers, body), 404, "not_found")
        self.start("pm_manual", id=payment_id)
        self.at_step(payment_id, "await_callback")
        self.assert_status(self.send(headers, body), 202)
        self.ends(payment_id, "success")

    def test_missing_headers_are_refused(self):
        good = webhooks.headers(self.secret, self.new_id("msg"), self.body)
        self.assert_refused({})
        for name in good:
            with self.subTest(missing=name):
                self.assert_refused({key: value for key, value in good.items() if key != name})
            with self.subTest(empty=name):
                self.assert_refused({**good, name: ""})

    def test_bad_signatures_are_refused(self):
        good = webhooks.headers(self.secret, self.new_id("msg"), self.body)
        other = webhooks.headers(webhooks.new_secret(), good["webhook-id"], self.body)
        signature = good["webhook-signature"]
        for text in (other["webhook-signature"], signature[:-4] + "AAAA", signature[3:],
                     "v1," + "A" * 44, "v1,", "v2" + signature[2:], "v1a" + signature[2:],
                     signature.replace(",", ", "), signature + "=", signature[:-1], "nonsense"):
            with self.subTest(signature=text):
                self.assert_refused({**good, "webhook-signature": text})
        self.assert_refused(good, self.json_of("declined"))
        self.assert_refused(good, self.body + b" ")
        self.assert_refused({**good, "webhook-id": good["webhook-id"] + "x"})
        another = str(int(good["webhook-timestamp"]) - 1)  # not by the clock, which may have gone on
        self.assert_refused({**good, "webhook-timestamp": another})

    def test_one_good_signature_among_others_is_enough(self):
        good = webhooks.headers(self.secret, self.new_id("msg"), self.body)
        other = webhooks.sign(webhooks.new_secret(), good["webhook-id"],
                              good["webhook-timestamp"], self.body)
        several = f"v1a,nonsense {other} {good['webhook-signature']}"
        self.assert_status(self.send({**good, "webhook-signature": several}), 202)
        self.ends(self.payment_id, "success")

    def test_old_and_future_messages_are_refused(self):
        now = int(time.time())
        # The margin is more than any test takes from here to the server's clock.
        for timestamp in (now - 300 - 5, now - 86400, 0, now + 300 + 60 * SLOWNESS, now + 86400):
            with self.subTest(timestamp=timestamp - now):
                headers = webhooks.headers(self.secret, self.new_id("msg"), self.body, timestamp)
                self.assert_refused(headers)

    def test_messages_within_the_tolerance_are_accepted_both_ways(self):
        for shift in (-200, 200):
            headers = webhooks.headers(self.secret, self.new_id("msg"), self.body,
                                       int(time.time()) + shift)
            self.assert_status(self.send(headers), 202)
        self.ends(self.payment_id, "success")

    def test_timestamps_that_are_no_whole_seconds_are_refused(self):
        message_id = self.new_id("msg")
        now = int(time.time())
        for timestamp in (f"{now}.5", f"+{now}", f"-{now}", f"0x{now:x}", f"{now}s", "now", "1e9",
                          "9" * 40, f"{now},{now}"):
            with self.subTest(timestamp=timestamp):
                self.assert_refused(webhooks.headers(self.secret, message_id, self.body,
                                                     timestamp))

    def test_a_bad_signature_is_refused_before_the_body_is_judged(self):
        headers = webhooks.headers(webhooks.new_secret(), self.new_id("msg"), b"{")
        self.assert_problem(self.send(headers, b"{"), 401, "invalid_signature")
        unknown = json.dumps({"payment_id": "pay_nothing", "outcome": "confirmed"}).encode()
        headers = webhooks.headers(webhooks.new_secret(), self.new_id("msg"), unknown)
        self.assert_problem(self.send(headers, unknown), 401, "invalid_signature")

    def test_a_signed_message_that_makes_no_sense_is_refused_as_what_it_is(self):
        for body, status, code in ((b"{", 400, "malformed_json"), (b"{}", 422, "missing_field")):
            headers = webhooks.headers(self.secret, self.new_id("msg"), body)
            self.assert_problem(self.send(headers, body), status, code)


class Rotation(SagaCase):
    old, new = webhooks.new_secret(24), webhooks.new_secret(64)
    settings = (*SagaCase.settings, f"gateway.callback_secrets={old},{new}")

    def test_either_of_two_secrets_may_sign(self):
        for secret in (self.old, self.new):
            payment_id = self.start("pm_manual")
            self.at_step(payment_id, "await_callback")
            body = json.dumps({"payment_id": payment_id, "outcome": "confirmed"}).encode()
            headers = webhooks.headers(secret, self.new_id("msg"), body)
            self.assert_status(self.client.post(ROUTE, body, headers), 202)
            self.ends(payment_id, "success")

    def test_the_start_says_nothing_about_missing_secrets(self):
        self.assertEqual(self.server.log_lines("callbacks_unsigned"), [])

    def test_a_third_one_may_not(self):
        payment_id = self.start("pm_manual")
        body = json.dumps({"payment_id": payment_id, "outcome": "confirmed"}).encode()
        headers = webhooks.headers(webhooks.new_secret(), self.new_id("msg"), body)
        self.assert_problem(self.client.post(ROUTE, body, headers), 401, "invalid_signature")

    def test_no_secret_shows_in_the_log(self):
        log = self.server.log_text()
        for secret in (self.old, self.new):
            self.assertNotIn(secret, log)
            self.assertNotIn(secret.removeprefix(webhooks.PREFIX), log)


class TimeOut(SagaCase):
    """A promised callback that does not come."""

    settings = (*SagaCase.settings, "gateway.callback_timeout=300ms", "gateway.callback_delay=1h")

    def test_the_payment_fails_and_its_money_comes_back(self):
        for method in ("pm_manual", "pm_async"):
            with self.subTest(method=method):
                payment_id = self.start(method)
                payment = self.ends(payment_id, "fail", "callback_timeout")
                self.assert_in_order(payment_id, "gateway_accepted", "callback_timed_out",
                                     "compensation_started", "compensation_step_done",
                                     "hold_voided", "payment_failed")
                self.assertEqual(payment["compensation"]["steps"],
                                 [{"step": "void_charge", "state": "completed"},
                                  {"step": "release_hold", "state": "completed"}])
                self.assertEqual(self.books().net(payment_id), 0)
        self.assert_money("1000.00")

    def test_it_does_not_fail_before_its_time(self):
        payment_id = self.start("pm_manual")
        self.ends(payment_id, "fail", "callback_timeout")
        at = {event["type"]: event["at"] for event in self.events(payment_id)}
        self.assertGreaterEqual(at["callback_timed_out"],
                                self.event(payment_id, "gateway_accepted")["deadline"])

    def test_a_late_success_is_given_back_exactly_once(self):
        payment_id = self.start("pm_manual")
        self.ends(payment_id, "fail", "callback_timeout")
        self.assert_status(self.callback(payment_id, "confirmed"), 202)
        self.assert_late_refund(payment_id, "callback_timeout")
        steps = [step["step"] for step in self.state(payment_id)["compensation"]["steps"]]
        self.assertEqual(steps, ["void_charge", "release_hold", "refund_charge"])
        for _ in range(3):
            self.assert_status(self.callback(payment_id, "confirmed"), 202)
        self.assert_late_refund(payment_id, "callback_timeout")
        received = [event["data"]["effect"] for event in self.events(payment_id)
                    if event["type"] == "callback_received"]
        self.assertEqual(received.count("late_success"), 1, received)
        self.assertEqual(self.books().net(payment_id), 0)
        self.assert_money("1000.00")

    def test_a_late_decline_says_nothing_new(self):
        payment_id = self.start("pm_manual")
        before = self.ends(payment_id, "fail", "callback_timeout")
        self.assert_status(self.callback(payment_id, "declined"), 202)
        after = self.state(payment_id)
        self.assertEqual({**after, "updated_at": None}, {**before, "updated_at": None})
        self.assertNotIn("late_refund_started", self.types(payment_id))


class Restart(SagaCase):
    def test_the_timer_survives_kill_9(self):
        self.serve(f"gateway.callback_timeout={3 * SLOWNESS}s")
        payment_id = self.start("pm_manual")
        waiting = self.at_step(payment_id, "await_callback")
        deadline = self.explain(payment_id)["due_at"]
        self.server.restart()
        self.assertEqual(self.state(payment_id), waiting)
        self.assertEqual(self.explain(payment_id)["due_at"], deadline)
        self.ends(payment_id, "fail", "callback_timeout")
        self.assert_money("1000.00")

    def test_a_timer_that_ran_out_while_the_server_was_down_fires_at_its_start(self):
        self.serve(f"gateway.callback_timeout={2 * SLOWNESS}s")
        payment_id = self.start("pm_manual")
        self.at_step(payment_id, "await_callback")
        self.server.kill()
        due = time.monotonic() + 2 * SLOWNESS
        wait_until(lambda: time.monotonic() > due, "the deadline has passed")
        self.server.start()
        self.ends(payment_id, "fail", "callback_timeout")

    def test_a_payment_that_waits_is_confirmed_after_a_restart(self):
        self.serve()
        payment_id = self.start("pm_manual")
        self.at_step(payment_id, "await_callback")
        self.server.restart()
        self.assert_status(self.callback(payment_id, "confirmed"), 202)
        self.ends(payment_id, "success")
        self.server.restart()
        self.ends(payment_id, "success")
        self.assert_money("990.00")

    def test_the_mocks_own_callback_comes_after_a_restart_as_well(self):
        self.serve(f"gateway.callback_delay={2 * SLOWNESS}s")
        payment_id = self.start("pm_async")
        self.at_step(payment_id, "await_callback")
        self.server.restart()
        self.ends(payment_id, "success")
        self.assertEqual(self.books().net(payment_id), 1000)


class Early(SagaCase):
    """The callback overtakes the answer to the call."""

    def setUp(self):
        super().setUp()
        self.serve(f"gateway.latency={3 * SLOWNESS}s")

    def called(self, method):
        """A payment whose call has begun: a callback before that would make it needless."""
        payment_id = self.start(method)
        wait_until(lambda: self.queue("gateway")["running"] == 1, "the call begins")
        self.assertEqual(self.state(payment_id)["current_step"], "gateway")
        return payment_id

    def reply_has_come(self, payment_id):
        wait_until(lambda: self.books().asked[payment_id], "the gateway answers the call")

    def test_an_early_success_ends_the_payment_and_the_reply_changes_nothing(self):
        for method in ("pm_ok", "pm_manual"):
            with self.subTest(method=method):
                payment_id = self.called(method)
                self.assert_status(self.callback(payment_id, "confirmed"), 202)
                self.ends(payment_id, "success")
                before = self.types(payment_id)
                self.assertEqual(before.count("gateway_confirmed"), 1)
                self.assertNotIn("gateway_accepted", before)
                self.reply_has_come(payment_id)
                self.ends(payment_id, "success")
                self.assertEqual(self.types(payment_id), before)
        self.assert_money("980.00")

    def test_an_early_decline_fails_and_what_was_taken_all_the_same_goes_back(self):
        payment_id = self.called("pm_ok")
        self.assert_status(self.callback(payment_id, "declined"), 202)
        self.ends(payment_id, "fail", "gateway_declined")
        self.reply_has_come(payment_id)
        self.assert_late_refund(payment_id, "gateway_declined")
        self.assertEqual(self.books().net(payment_id), 0)
        self.assert_money("1000.00")


if __name__ == "__main__":
    unittest.main()
