"""The whole path over real sockets: the server, a gateway in another process, signed callbacks."""

import json
import pathlib
import sys
import threading
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import webhooks
from support.cases import ContractCase
from support.mock_gateway import MockGateway
from support.receiver import Receiver, Reply
from support.saga import OPENING, PATIENT, QUICK_INQUIRY, QUICK_UNDO, SagaCase
from support.server import SLOWNESS, Server, free_port, run, wait_until


class GatewayCase(SagaCase):
    """A server and a gateway for each class; they know each other by their addresses alone."""

    gateway_arguments = ("--callback-delay", "30")
    retries = (PATIENT[0], QUICK_UNDO)

    @classmethod
    def setUpClass(cls):
        port, cls.secret = free_port(), webhooks.new_secret()
        server = cls.server = Server(fixed_port=port)
        cls.addClassCleanup(server.close)
        cls.gateway = MockGateway(
            server.folder, "--callback-url", f"http://127.0.0.1:{port}/v1/gateway/callbacks",
            "--secret", cls.secret, *cls.gateway_arguments)
        cls.addClassCleanup(cls.gateway.close)
        cls.gateway.start()
        server.settings += [*cls.retries, *QUICK_INQUIRY, "gateway.kind=http",
                            f"gateway.url={cls.gateway.url}", "gateway.timeout=20s",
                            f"gateway.callback_secrets={cls.secret}"]
        server.start()

    def books(self):
        return self.gateway.books()

    def tearDown(self):
        super().tearDown()
        self.assertEqual(list(self.books().complaints()), [])


class EachMethod(GatewayCase):
    def test_a_confirmed_charge(self):
        payment_id = self.start("pm_ok")
        payment = self.ends(payment_id, "success")
        self.assertEqual(payment["gateway"]["attempts"], 1)
        self.assertTrue(payment["gateway"]["reference"])
        self.assertEqual((self.books().asked[payment_id], self.books().net(payment_id)), (1, 1000))
        self.assert_money("990.00")

    def test_a_charge_that_is_confirmed_by_a_signed_callback(self):
        payment_id = self.start("pm_async")
        payment = self.ends(payment_id, "success")
        # The callback may overtake the answer to the call.
        self.assertEqual(payment["gateway"]["attempts"], 1)
        received = self.event(payment_id, "callback_received")
        self.assertEqual((received["outcome"], received["effect"]), ("confirmed", "applied"))
        self.assertTrue(received["webhook_id"])
        self.assertEqual(self.books().net(payment_id), 1000)
        self.assert_money("990.00")

    def test_a_callback_from_somebody_else_is_refused(self):
        payment_id = self.start("pm_manual")
        self.at_step(payment_id, "await_callback")
        self.assert_problem(self.callback(payment_id, "confirmed"), 401, "invalid_signature")
        body = json.dumps({"payment_id": payment_id, "outcome": "confirmed"}).encode()
        headers = webhooks.headers(self.secret, self.new_id("msg"), body)
        self.assert_status(self.client.post("/v1/gateway/callbacks", body, headers), 202)
        self.ends(payment_id, "success")

    def test_a_declined_charge(self):
        payment_id = self.start("pm_decline")
        self.ends(payment_id, "fail", "gateway_declined")
        self.assertEqual(self.books().net(payment_id), 0)
        self.assert_money("1000.00")

    def test_temporary_failures(self):
        payment_id = self.start("pm_flaky_3")
        self.assertEqual(self.ends(payment_id, "success")["gateway"]["attempts"], 4)
        self.assertEqual(self.books().net(payment_id), 1000)

    def test_an_answer_that_is_lost_after_the_money_was_taken(self):
        payment_id = self.start("pm_timeout")
        self.ends(payment_id, "success")
        self.assert_in_order(payment_id, "gateway_in_doubt", "gateway_confirmed")
        self.assertEqual((self.books().asked[payment_id], self.books().net(payment_id)), (1, 1000))

    def test_a_call_that_is_lost_is_made_again_under_its_key(self):
        payment_id = self.start("pm_timeout_lost")
        wait_until(lambda: self.types(payment_id).count("inquiry_found_nothing") >= 3,
                   "it has been tried three times")
        self.assertGreaterEqual(self.books().asked[payment_id], 3)
        self.assert_status(self.cancel(payment_id), 202)
        self.ends(payment_id, "cancelled", "cancelled")
        self.assertEqual(self.books().net(payment_id), 0)
        self.assert_money("1000.00")

    def test_a_cancel_voids_at_the_gateway(self):
        payment_id = self.start("pm_manual")
        self.at_step(payment_id, "await_callback")
        self.assert_status(self.cancel(payment_id), 202)
        self.ends(payment_id, "cancelled", "cancelled")
        self.assertEqual((self.books().voids[payment_id], self.books().net(payment_id)), (1, 0))
        self.assert_money("1000.00")

    def test_a_rejected_payment_is_refunded_at_the_gateway(self):
        payment_id = self.start("pm_fraud")
        self.ends(payment_id, "fail", "fraud_rejected")
        self.assertEqual(self.books().net(payment_id), 0)
        self.assert_money("1000.00")

    def test_refunds(self):
        payment_id = self.start("pm_ok")
        self.ends(payment_id, "success")
        for amount, left in (("2.50", 750), ("0.50", 700), (None, 0)):
            body = None if amount is None else {"amount": amount}
            answer = self.client.post(f"/v1/payments/{payment_id}/refunds", body)
            refund_id = self.assert_status(answer, 202).json["id"]
            wait_until(lambda one=refund_id: self.workflow(one)["status"] == "success",
                       "it is refunded")
            self.assertEqual(self.books().net(payment_id), left)
        self.assert_money("1000.00")

    def test_a_void_that_fails_is_given_up(self):
        payment_id = self.start("pm_manual.pm_void_fail")
        self.at_step(payment_id, "await_callback")
        self.assert_status(self.cancel(payment_id), 202)
        payment = wait_until(lambda: self.state(payment_id)["status"] == "fail"
                             and self.state(payment_id), "the void is given up")
        self.assertEqual(payment["failure"]["code"], "compensation_failed")
        self.assertIn(f"compensation:{payment_id}", self.exhausted())
        self.assert_money("990.00", "10.00")

    def test_a_late_confirmation_is_refunded_at_the_gateway(self):
        payment_id = self.start("pm_manual")
        self.at_step(payment_id, "await_callback")
        self.assert_status(self.cancel(payment_id), 202)
        self.ends(payment_id, "cancelled", "cancelled")
        body = json.dumps({"payment_id": payment_id, "outcome": "confirmed"}).encode()
        for _ in range(2):
            headers = webhooks.headers(self.secret, self.new_id("msg"), body)
            self.assert_status(self.client.post("/v1/gateway/callbacks", body, headers), 202)
        wait_until(lambda: self.state(payment_id)["compensation"]["steps"][-1] ==
                   {"step": "refund_charge", "state": "completed"}, "it is refunded")
        self.assertEqual(self.types(payment_id).count("late_refund_started"), 1)
        self.assert_money("1000.00")


class Crashes(GatewayCase):
    COUNT = 30
    METHODS = ("pm_ok", "pm_async", "pm_timeout", "pm_flaky_1", "pm_decline")
    gateway_arguments = ("--callback-delay", "100", "--latency", "20")
    retries = PATIENT

    def load(self):
        """Payments of all kinds, a few of them cancelled at once."""
        payment_ids = [self.start(self.METHODS[number % len(self.METHODS)], "1.00")
                       for number in range(self.COUNT)]
        for payment_id in payment_ids[::7]:
            self.assert_status(self.cancel(payment_id), 200, 202, 409)
        return payment_ids

    def wait_for_calls(self, payment_ids, goal):
        wait_until(lambda: len(set(self.books().touched) & set(payment_ids)) >= goal,
                   f"{goal} have come to the gateway")

    def audit(self, payment_ids):
        """Each has its end, and the gateway holds the money of the successes and no other."""
        ends = {one: self.finished(self.client, one)["status"] for one in payment_ids}
        succeeded = {one for one, status in ends.items() if status == "success"}
        self.assertTrue(succeeded)
        self.assertTrue(set(payment_ids) - succeeded)
        books = self.books()
        self.assertEqual(list(books.complaints()), [])
        for payment_id in payment_ids:
            self.assertEqual(books.net(payment_id), 100 if payment_id in succeeded else 0,
                             self.types(payment_id))
        self.assert_money(f"{1000 - len(succeeded)}.00")

    def test_the_server_is_killed_in_the_middle(self):
        payment_ids = self.load()
        for goal in (5, 15):
            self.wait_for_calls(payment_ids, goal)
            self.server.restart()
        self.audit(payment_ids)

    def test_the_gateway_is_killed_in_the_middle(self):
        payment_ids = self.load()
        for goal in (5, 15):
            self.wait_for_calls(payment_ids, goal)
            self.gateway.kill()
            self.gateway.start()
        self.audit(payment_ids)

    def test_both_are_killed(self):
        payment_ids = self.load()
        self.wait_for_calls(payment_ids, 10)
        self.gateway.kill()
        self.server.kill()
        self.server.start()
        self.gateway.start()
        self.audit(payment_ids)

    def test_refunds_in_the_middle(self):
        payment_ids = [self.start("pm_ok", "1.00") for _ in range(10)]
        for payment_id in payment_ids:
            self.ends(payment_id, "success")
        refunds = [self.assert_status(self.client.post(f"/v1/payments/{one}/refunds",
                                                       {"amount": "0.25"}), 202).json["id"]
                   for one in payment_ids]
        self.server.restart()
        for refund_id in refunds:
            wait_until(lambda one=refund_id: self.workflow(one)["status"] == "success",
                       "it is refunded")
        books = self.books()
        self.assertEqual([books.net(one) for one in payment_ids], [75] * 10)
        self.assertEqual(list(books.complaints()), [])
        self.assert_money("992.50")


class AnotherGateway(SagaCase):
    """A gateway that the test plays itself: what is sent, and what its odder answers mean."""

    def setUp(self):
        self.gateway = Receiver()
        self.addCleanup(self.gateway.close)
        self.answers = {}  # kind of call: a reply, or a list of them for one call after another
        self.gateway.answer = self.answer
        self.server = Server(settings=[
            PATIENT[0], *QUICK_INQUIRY, QUICK_UNDO, "gateway.kind=http",
            f"gateway.url={self.gateway.url('/base')}", "gateway.api_key=sesame",
            "gateway.timeout=30s"])
        self.addCleanup(self.server.close)
        self.server.start()
        self.client = self.server.client()
        self.addCleanup(self.client.close)
        self.account_id = self.open_account(self.client, OPENING)

    @classmethod
    def setUpClass(cls):
        ContractCase.setUpClass()

    @staticmethod
    def kind(request):
        """charge, inquiry, void or refund."""
        last = request.path.rsplit("/", 1)[1]
        if request.method == "GET":
            return "inquiry"
        return {"charges": "charge"}.get(last, last)

    def answer(self, request):
        reply = self.answers.get(self.kind(request), self.VOIDED)
        if isinstance(reply, list):
            reply = reply.pop(0) if len(reply) > 1 else reply[0]
        return reply

    def calls(self, kind):
        return [request for request in self.gateway.requests if self.kind(request) == kind]

    VOIDED = Reply.of({"status": "voided"})
    CONFIRMED = Reply.of({"status": "confirmed", "reference": "ref-1"})
    ACCEPTED = Reply.of({"status": "accepted", "reference": "ref-1"}, 202)
    DECLINED = Reply.of({"status": "declined", "reason": "expired card"}, 402)
    UNKNOWN = Reply.of({"code": "unknown_key"}, 404)

    def test_what_a_charge_looks_like(self):
        self.answers["charge"] = self.CONFIRMED
        payment_id = self.start("visa_4242", "12.34")
        self.assertEqual(self.ends(payment_id, "success")["gateway"]["reference"], "ref-1")
        request, = self.gateway.requests
        self.assertEqual((request.method, request.path), ("POST", "/base/charges"))
        self.assertEqual(request.headers["idempotency-key"], payment_id)
        self.assertEqual(request.headers["authorization"], "Bearer sesame")
        self.assertEqual(request.json, {"id": payment_id, "amount": "12.34", "currency": "USD",
                                        "payment_method": "visa_4242"})
        self.assertNotIn("sesame", self.server.log_text())

    def test_a_decline_is_final(self):
        self.answers["charge"] = self.DECLINED
        payment = self.ends(self.start("visa"), "fail", "gateway_declined")
        self.assertIn("expired card", payment["failure"]["message"])
        self.assertEqual(len(self.gateway.requests), 1)

    def test_what_certainly_took_nothing_is_tried_again_under_the_same_key(self):
        self.answers["charge"] = [Reply(503), Reply(429), Reply(409), Reply(425), self.CONFIRMED]
        payment_id = self.start("visa")
        self.assertEqual(self.ends(payment_id, "success")["gateway"]["attempts"], 5)
        self.assertEqual({request.headers["idempotency-key"] for request in self.calls("charge")},
                         {payment_id})
        self.assertEqual(len({request.body for request in self.calls("charge")}), 1)
        self.assertEqual(self.calls("inquiry"), [])

    def test_what_may_have_taken_something_is_asked_about_first(self):
        for reply in (Reply(500), Reply(502), Reply(504), Reply(408), Reply(None), Reply(200),
                      Reply(302, headers=(("Location", self.gateway.url("/base/charges")),)),
                      Reply(200, b"<html>"), Reply.of({"status": "perhaps"}), Reply(204)):
            with self.subTest(reply=reply):
                before = len(self.gateway.requests)
                self.answers = {"charge": reply, "inquiry": self.CONFIRMED}
                payment_id = self.start("visa", "1.00")
                self.ends(payment_id, "success")
                self.assert_in_order(payment_id, "gateway_in_doubt", "gateway_confirmed")
                made = self.gateway.requests[before:]
                self.assertEqual([self.kind(request) for request in made], ["charge", "inquiry"])
                self.assertEqual(made[1].path, f"/base/charges/{payment_id}")

    def test_an_inquiry_is_repeated_until_it_tells(self):
        self.answers = {"charge": Reply(500),
                        "inquiry": [Reply(503), Reply(429), Reply(500), Reply(200, b"?"),
                                    self.CONFIRMED]}
        payment_id = self.start("visa")
        self.ends(payment_id, "success")
        self.assertEqual(self.types(payment_id).count("inquiry_retry_scheduled"), 4)
        self.assertEqual(len(self.calls("charge")), 1)

    def test_an_inquiry_that_finds_nothing_leads_to_another_charge(self):
        # A missing page says nothing: only the gateway itself can say that a key is unknown.
        self.answers = {"charge": [Reply(500), self.CONFIRMED],
                        "inquiry": [Reply(404), Reply(404, b"<h1>Not found</h1>"), self.UNKNOWN]}
        payment_id = self.start("visa")
        self.assertEqual(self.ends(payment_id, "success")["gateway"]["attempts"], 2)
        self.assert_in_order(payment_id, "gateway_in_doubt", "inquiry_retry_scheduled",
                             "inquiry_retry_scheduled", "inquiry_found_nothing",
                             "gateway_retry_scheduled", "gateway_confirmed")

    def test_an_inquiry_may_find_a_decline_or_an_accepted_charge(self):
        self.answers = {"charge": Reply(500), "inquiry": self.DECLINED}
        self.answers["inquiry"] = Reply.of({"status": "declined", "reason": "no"})
        self.ends(self.start("visa"), "fail", "gateway_declined")
        self.answers["inquiry"] = Reply.of({"status": "accepted", "reference": "r"})
        payment_id = self.start("visa")
        self.at_step(payment_id, "await_callback")
        self.assert_status(self.callback(payment_id, "confirmed"), 202)
        self.ends(payment_id, "success")

    def test_a_request_that_is_refused_is_not_repeated(self):
        for reply in (Reply.of({"code": "invalid_request"}, 400), Reply(401), Reply(404),
                      Reply.of({"code": "authentication_failed"}, 409)):
            with self.subTest(reply=reply):
                before = len(self.gateway.requests)
                self.answers = {"charge": reply}
                self.ends(self.start("visa"), "fail", "gateway_unavailable")
                made = self.gateway.requests[before:]
                self.assertEqual([self.kind(request) for request in made], ["charge", "void"])
        self.assert_money("1000.00")

    # Regression: an answer about a void was taken for one about a refund.
    def test_a_refund_of_the_whole_that_fails_is_no_compensation(self):
        for reply in (Reply.of({"status": "declined"}), Reply.of({"code": "not_found"}, 404)):
            with self.subTest(reply=reply):
                self.answers = {"charge": self.ACCEPTED, "void": Reply.of({"code": "settled"}, 409),
                                "refund": reply}
                payment_id = self.start("visa", "1.00")
                self.at_step(payment_id, "await_callback")
                self.assert_status(self.cancel(payment_id), 202)
                wait_until(lambda one=payment_id: self.state(one)["status"] == "fail",
                           "compensation is given up")
                self.assertEqual(self.state(payment_id)["failure"]["code"],
                                 "compensation_failed")

    # Regression: any conflict declined the refund, also one that a running call makes.
    def test_a_refund_that_is_still_running_at_the_gateway_is_asked_for_again(self):
        self.answers = {"charge": self.CONFIRMED,
                        "refund": [Reply.of({"code": "idempotency_in_flight"}, 409),
                                   Reply.of({"status": "refunded", "reference": "rf"})]}
        payment_id = self.start("visa")
        self.ends(payment_id, "success")
        answer = self.client.post(f"/v1/payments/{payment_id}/refunds", {"amount": "2.50"})
        refund_id = self.assert_status(answer, 202).json["id"]
        wait_until(lambda: self.workflow(refund_id)["status"] == "success", "it is refunded")

    def test_a_void_that_works_after_all_ends_the_compensation(self):
        self.answers = {"charge": self.ACCEPTED, "void": Reply(500)}
        payment_id = self.start("visa")
        self.at_step(payment_id, "await_callback")
        self.assert_status(self.cancel(payment_id), 202)
        wait_until(lambda: self.state(payment_id)["status"] == "fail", "the void is given up")
        self.assertEqual(self.state(payment_id)["failure"]["code"], "compensation_failed")
        self.assert_money("990.00", "10.00")
        self.answers["void"] = Reply.of({"status": "voided"})
        answer = self.client.post(f"/v1/payments/{payment_id}/retry-compensation")
        self.assert_status(answer, 202)

        def undone():
            payment = self.state(payment_id)
            return payment["compensation"]["state"] == "completed" and payment
        payment = wait_until(undone, "it is undone")
        # The status is final; what it failed with is now the first cause.
        self.assertEqual((payment["status"], payment["failure"]["code"]), ("fail", "cancelled"))
        self.assertEqual(payment["compensation"]["steps"],
                         [{"step": "void_charge", "state": "completed"},
                          {"step": "release_hold", "state": "completed"}])
        self.assertEqual(self.exhausted(), {})
        answer = self.client.post(f"/v1/payments/{payment_id}/retry-compensation")
        self.assert_problem(answer, 409, "compensation_not_failed")
        self.assert_money("1000.00")

    def test_a_charge_that_cannot_be_voided_is_refunded(self):
        self.answers = {"charge": self.ACCEPTED, "void": Reply.of({"code": "settled"}, 409),
                        "refund": Reply.of({"status": "refunded"})}
        payment_id = self.start("visa", "3.21")
        self.at_step(payment_id, "await_callback")
        self.assert_status(self.cancel(payment_id), 202)
        self.ends(payment_id, "cancelled", "cancelled")
        void, = self.calls("void")
        refund, = self.calls("refund")
        self.assertEqual((void.path, refund.path),
                         (f"/base/charges/{payment_id}/void", f"/base/charges/{payment_id}/refund"))
        self.assertEqual(refund.json, {"amount": "3.21", "currency": "USD"})
        for request in (void, refund):
            self.assertTrue(request.headers["idempotency-key"].startswith(payment_id))

    def test_a_cancel_while_in_doubt_voids_the_charge(self):
        self.answers = {"charge": Reply(None), "inquiry": Reply(503),
                        "void": Reply.of({"status": "voided"})}
        payment_id = self.start("visa")
        self.at_step(payment_id, "inquiry")
        self.assert_status(self.cancel(payment_id), 202)
        self.ends(payment_id, "cancelled", "cancelled")
        self.assertEqual((len(self.calls("charge")), len(self.calls("void"))), (1, 1))
        self.assert_money("1000.00")

    def test_a_void_of_an_unknown_key_is_done(self):
        self.answers = {"charge": Reply(503), "void": [Reply(404), self.UNKNOWN]}
        payment_id = self.start("visa")
        wait_until(lambda: self.state(payment_id)["gateway"]["attempts"] > 0, "it was tried")
        self.assert_status(self.cancel(payment_id), 202)
        self.ends(payment_id, "cancelled", "cancelled")
        self.assertEqual(self.types(payment_id).count("compensation_retry_scheduled"), 1)
        self.assert_money("1000.00")

    def test_a_refund_is_sent_under_its_own_key_until_it_is_confirmed(self):
        self.answers = {"charge": self.CONFIRMED,
                        "refund": [Reply(500), Reply(503), Reply.of({"status": "refunded",
                                                                      "reference": "rf"})]}
        payment_id = self.start("visa")
        self.ends(payment_id, "success")
        answer = self.client.post(f"/v1/payments/{payment_id}/refunds", {"amount": "2.50"})
        refund_id = self.assert_status(answer, 202).json["id"]
        state = wait_until(lambda: self.workflow(refund_id)["status"] == "success"
                           and self.workflow(refund_id)["state"], "it is refunded")
        self.assertEqual((state["gateway"]["reference"], state["gateway"]["attempts"]), ("rf", 3))
        calls = self.calls("refund")
        self.assertEqual({call.headers["idempotency-key"] for call in calls}, {refund_id})
        self.assertEqual({call.path for call in calls}, {f"/base/charges/{payment_id}/refund"})
        self.assertEqual(calls[0].json, {"amount": "2.50", "currency": "USD"})
        self.assert_money("992.50")

    def test_a_refund_that_was_given_up_works_when_it_is_retried(self):
        self.answers = {"charge": self.CONFIRMED, "refund": Reply(500)}
        payment_id = self.start("visa")
        self.ends(payment_id, "success")
        answer = self.client.post(f"/v1/payments/{payment_id}/refunds", {"amount": "4.00"})
        refund_id = self.assert_status(answer, 202).json["id"]
        wait_until(lambda: self.workflow(refund_id)["status"] == "exhausted", "it is given up")
        self.assertEqual(list(self.exhausted()), [f"refund:{refund_id}"])
        self.answers["refund"] = Reply.of({"status": "refunded", "reference": "rf"})
        self.assert_status(self.client.post(f"/v1/tasks/refund:{refund_id}/retry"), 202)
        wait_until(lambda: self.workflow(refund_id)["status"] == "success", "it is refunded")
        self.assertEqual(self.exhausted(), {})
        self.assertEqual({call.headers["idempotency-key"] for call in self.calls("refund")},
                         {refund_id})
        self.assert_money("994.00")

    def test_a_refund_that_the_gateway_declines_moves_nothing_and_frees_its_amount(self):
        self.answers = {"charge": self.CONFIRMED,
                        "refund": [Reply.of({"code": "too_old"}, 422),
                                   Reply.of({"status": "refunded"})]}
        payment_id = self.start("visa")
        self.ends(payment_id, "success")
        for status, left in (("fail", "990.00"), ("success", "1000.00")):
            answer = self.client.post(f"/v1/payments/{payment_id}/refunds")
            refund_id = self.assert_status(answer, 202).json["id"]
            wait_until(lambda one=refund_id, wanted=status:
                       self.workflow(one)["status"] == wanted, f"the refund is a {status}")
            self.assert_money(left)

    def test_a_gateway_that_is_not_there_is_waited_for(self):
        self.gateway.close()
        payment_id = self.start("visa")
        wait_until(lambda: self.state(payment_id)["gateway"]["attempts"] >= 2, "it was tried")
        self.assertNotIn("gateway_in_doubt", self.types(payment_id))
        self.assertEqual(self.state(payment_id)["gateway"]["state"], "retrying")
        self.assertTrue(self.explain(payment_id)["last_error"])
        self.assert_status(self.cancel(payment_id), 202)

    def test_a_gateway_that_hangs_is_left_in_doubt(self):
        self.server.settings.append(f"gateway.timeout={200 * SLOWNESS}ms")
        self.server.restart()
        held = []

        def hang(request):
            if self.kind(request) == "charge":
                held.append(request)
                wait_until(lambda: not held, "the test lets it go")
            return self.CONFIRMED
        self.gateway.answer = hang
        payment_id = self.start("visa")
        self.ends(payment_id, "success")
        self.assert_in_order(payment_id, "gateway_in_doubt", "gateway_confirmed")
        held.clear()

    def test_calls_that_hang_hold_up_no_other_and_no_thread(self):
        let_go = threading.Event()
        self.addCleanup(let_go.set)

        def answer(request):
            if self.kind(request) == "charge" and request.json["payment_method"] == "slow":
                let_go.wait()
            return self.CONFIRMED
        self.gateway.answer = answer
        self.ends(self.start("visa"), "success")
        threads = self.server.threads()
        stuck = [self.start("slow") for _ in range(20)]
        self.gateway.wait_for(21)
        self.assertEqual(self.server.threads(), threads)
        self.ends(self.start("visa"), "success")
        self.assertEqual({self.state(payment_id)["status"] for payment_id in stuck}, {"pending"})
        let_go.set()
        for payment_id in stuck:
            self.ends(payment_id, "success")


class CommandLine(unittest.TestCase):
    def test_wrong_options_are_refused(self):
        for arguments in (("--listen", "nonsense"), ("--secret", "secret"),
                          ("--failure-rate", "2"), ("--callback-url", "ftp://x"), ("--nonsense",)):
            with self.subTest(arguments=arguments):
                result = run("mock-gateway", *arguments)
                self.assertEqual(result.returncode, 2, result)
                self.assertTrue(result.stderr)

    def test_it_ends_when_it_is_asked_to(self):
        with Server() as server, MockGateway(server.folder) as gateway:
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"{gateway.url}/charges/none", timeout=20)
            self.assertEqual(refused.exception.code, 404)
            refused.exception.close()
            self.assertEqual(gateway.terminate(), 0)


if __name__ == "__main__":
    unittest.main()
