"""Prefer: wait=N on creates and reads of payments."""

import pathlib
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import ApiCase, together
from support.server import QUICK_RETRY, Server, wait_until


class QuickGateway(ApiCase):
    def setUp(self):
        super().setUp()
        self.account_id = self.open_account(self.client, "1000.00")

    def body(self, **members):
        return {"user_id": self.account_id, "amount": "1.00", "payment_method": "pm_ok", **members}

    def test_a_create_that_waits_answers_the_end(self):
        for method, status in (("pm_ok", "success"), ("pm_decline", "fail"),
                               ("pm_flaky_3", "success"), ("pm_down", "fail")):
            with self.subTest(method=method):
                answer = self.client.post("/v1/payments", self.body(payment_method=method),
                                          wait=30)
                self.assert_status(answer, 201)
                payment = answer.json
                self.assertEqual(payment["status"], status)
                self.assertIn(payment["current_step"], ("notify", "done"))
                self.assertEqual(answer.header("Location"), f"/v1/payments/{payment['id']}")
                self.assertEqual(answer.header("Preference-Applied"), "wait=30")

    def test_what_the_answer_says_can_be_read_at_once(self):
        for _ in range(50):
            payment = self.client.post("/v1/payments", self.body(), wait=30).json
            self.assertEqual(payment["status"], "success")
            self.assertEqual(self.payment(self.client, payment["id"])["status"], "success")
            self.assertEqual(self.account(self.client, self.account_id)["held"], "0.00")

    def test_a_get_of_an_ended_payment_answers_at_once(self):
        payment = self.pay_and_finish(self.client, self.account_id)
        begin = time.monotonic()
        answer = self.client.get(f"/v1/payments/{payment['id']}", {"Prefer": "wait=20"})
        self.assertLess(time.monotonic() - begin, 10)
        self.assertEqual(self.assert_status(answer, 200).json, payment)
        self.assertEqual(answer.header("Preference-Applied"), "wait=20")

    def test_errors_do_not_wait(self):
        begin = time.monotonic()
        answer = self.client.get("/v1/payments/none", {"Prefer": "wait=30"})
        self.assert_problem(answer, 404, "not_found")
        self.assert_problem(self.client.post("/v1/payments", self.body(amount="0"), wait=30), 422,
                            "invalid_amount")
        self.assert_problem(self.client.post("/v1/payments", self.body(amount="5000"), wait=30),
                            402, "insufficient_funds")
        self.assertLess(time.monotonic() - begin, 20)

    def test_without_the_preference_nothing_is_applied(self):
        answer = self.client.post("/v1/payments", self.body())
        self.assertIsNone(answer.header("Preference-Applied"))
        for prefer in ("respond-async", "return=minimal", "wait", "wait=", "wait=x", "wait=-1",
                       "wait=1.5", "waits=5", "", "x-wait=5"):
            with self.subTest(prefer=prefer):
                answer = self.client.post("/v1/payments", self.body(), {"Prefer": prefer})
                self.assert_status(answer, 201, 202)
                self.assertIsNone(answer.header("Preference-Applied"))

    def test_the_preference_is_found_among_others(self):
        for headers in ([("Prefer", "respond-async, wait=10")], [("prefer", "WAIT=10")],
                        [("Prefer", "wait=10; foo=bar")], [("Prefer", "wait = 10")],
                        [("Prefer", "return=minimal"), ("Prefer", "wait=10")],
                        [("Prefer", "wait=10,wait=20")]):
            with self.subTest(headers=headers):
                answer = self.client.post("/v1/payments", self.body(), headers)
                self.assertEqual(self.assert_status(answer, 201).json["status"], "success")
                self.assertEqual(answer.header("Preference-Applied"), "wait=10")

    def test_no_more_than_sixty_seconds_are_promised(self):
        for asked in ("61", "3600", "99999999999999999999"):
            with self.subTest(asked=asked):
                answer = self.client.post("/v1/payments", self.body(), wait=asked)
                self.assert_status(answer, 201)
                self.assertEqual(answer.header("Preference-Applied"), "wait=60")

    def test_waiting_clients_at_once_all_get_their_end(self):
        def pay(_):
            with self.server.client() as client:
                return [client.post("/v1/payments", self.body(), wait=30) for _ in range(5)]
        for answers in together(30, pay):
            for answer in answers:
                self.assertEqual(self.assert_status(answer, 201).json["status"], "success")


class SlowGateway(ApiCase):
    settings = (QUICK_RETRY, "gateway.latency=2500ms", "gateway.calls_max=50")

    def setUp(self):
        super().setUp()
        self.account_id = self.open_account(self.client, "1000.00")

    def body(self, **members):
        return {"user_id": self.account_id, "amount": "1.00", "payment_method": "pm_ok", **members}

    def test_a_wait_that_runs_out_answers_what_is(self):
        begin = time.monotonic()
        answer = self.client.post("/v1/payments", self.body(), wait=1)
        took = time.monotonic() - begin
        self.assert_status(answer, 202)
        self.assertGreaterEqual(took, 0.99)
        self.assertEqual(answer.header("Preference-Applied"), "wait=1")
        self.assertEqual(answer.json["status"], "pending")
        self.assertEqual(answer.header("Location"), f"/v1/payments/{answer.json['id']}")

    def test_wait_zero_answers_at_once(self):
        answer = self.client.post("/v1/payments", self.body(), wait=0)
        self.assertEqual(self.assert_status(answer, 202).json["status"], "pending")

    def test_a_get_waits_for_the_end(self):
        created = self.pay(self.client, self.account_id)
        path = f"/v1/payments/{created['id']}"
        self.assertEqual(self.client.get(path).json["status"], "pending")
        answer = self.client.get(path, {"Prefer": "wait=30"})
        self.assertEqual(self.assert_status(answer, 200).json["status"], "success")
        self.assertEqual(answer.header("Preference-Applied"), "wait=30")

    def test_a_get_whose_wait_runs_out_answers_what_is(self):
        created = self.pay(self.client, self.account_id, method="pm_flaky_2")
        begin = time.monotonic()
        answer = self.client.get(f"/v1/payments/{created['id']}", {"Prefer": "wait=1"})
        self.assertGreaterEqual(time.monotonic() - begin, 0.99)
        self.assertIn(self.assert_status(answer, 200).json["status"], ("pending", "processing"))
        self.assertEqual(answer.header("Preference-Applied"), "wait=1")

    def test_many_waiters_of_one_payment_get_its_end(self):
        created = self.pay(self.client, self.account_id)

        def get(_):
            with self.server.client() as client:
                return client.get(f"/v1/payments/{created['id']}", {"Prefer": "wait=30"})
        for answer in together(12, get):
            self.assertEqual(self.assert_status(answer, 200).json["status"], "success")

    def test_more_waiters_than_allowed_do_not_keep_others_out(self):
        """Every place for a request held by a waiter would leave none for a plain one."""
        server = Server(settings=["gateway.latency=4s", "gateway.calls_max=50",
                                  "server.requests_max=12", "server.waiters_max=8"])
        self.addCleanup(server.close)
        server.start()
        with server.client() as client:
            account_id = self.open_account(client, "1000.00")
        answers = []

        def waiting():
            with server.client() as client:
                body = self.body(user_id=account_id)
                answers.append(client.post("/v1/payments", body, wait=30))
        threads = [threading.Thread(target=waiting, daemon=True) for _ in range(30)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            asked = time.monotonic()
            with server.client() as client:
                self.assert_status(client.get("/livez"), 200)
            self.assertLess(time.monotonic() - asked, 3)
            time.sleep(0.05)
        self.assertEqual(len(answers), 30)
        applied = [answer for answer in answers if answer.header("Preference-Applied")]
        self.assertGreaterEqual(len(applied), 8)
        for answer in answers:
            self.assert_status(answer, 201 if answer in applied else 202)


class Shutdown(ApiCase):
    def test_waiting_clients_get_an_answer_when_the_server_is_asked_to_stop(self):
        with Server(settings=["gateway.latency=60s"]) as server:
            client = server.client()
            account_id = self.open_account(client, "10.00")
            results = []

            def wait():
                body = {"user_id": account_id, "amount": "1.00", "payment_method": "pm_ok"}
                with server.client() as waiting:
                    results.append(waiting.post("/v1/payments", body, wait=60))
            thread = threading.Thread(target=wait, daemon=True)
            thread.start()
            wait_until(lambda: self.every(client, "/v1/payments"), "the payment is accepted")
            client.close()
            self.assertEqual(server.terminate(), 0)
            thread.join(60)
            self.assertEqual(len(results), 1, "the waiting client got no answer")
            self.assert_status(results[0], 202, 503)


if __name__ == "__main__":
    unittest.main()
