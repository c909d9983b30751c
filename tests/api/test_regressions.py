"""Faults that the server once had, one test each: the name says the rule that was broken."""

import pathlib
import shutil
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import ApiCase, ContractCase, unique
from support.server import QUICK_RETRY, Server, wait_until


class Requests(ApiCase):
    def payment_body(self, account_id, **members):
        return {"user_id": account_id, "amount": "1.00", "payment_method": "pm_ok", **members}

    def test_a_range_on_a_post_does_not_hide_its_answer(self):
        account_id = self.open_account(self.client, "1.00")
        for value in ("bytes=90000-", "bytes=0-1", "bytes=-5", "bytes=0-1,3-4"):
            with self.subTest(range=value):
                answer = self.client.post(f"/v1/accounts/{account_id}/deposits", {"amount": "1"},
                                          headers=[("Range", value)])
                self.assert_status(answer, 201)
                self.assertEqual(answer.json["amount"], "1.00")
        self.assertEqual(self.account(self.client, account_id)["available"], "5.00")
        whole = self.client.get(f"/v1/accounts/{account_id}", headers=[("Range", "bytes=0-1")])
        self.assert_status(whole, 200)
        self.assertEqual(whole.json["id"], account_id)

    def test_forms_and_encoded_bodies_are_415(self):
        body = b'{"amount":"1"}'
        for headers in ([("Content-Type", "multipart/form-data; boundary=x")],
                        [("Content-Type", "multipart/form-data")],
                        [("Content-Type", "application/x-www-form-urlencoded")],
                        [("Content-Type", "application/json"), ("Content-Encoding", "gzip")]):
            for content in (body, b"x" * 20_000):
                with self.subTest(headers=headers, size=len(content)):
                    answer = self.client.request("POST", "/v1/accounts", content, headers)
                    self.assert_problem(answer, 415, "unsupported_media_type")

    def test_methods_that_no_route_has_are_405(self):
        for method in ("TRACE", "CONNECT", "PATCH", "OPTIONS"):
            with self.subTest(method=method):
                answer = self.client.request(method, "/v1/payments")
                self.assert_status(answer, 405)
                self.assertIn("POST", answer.header("Allow"))


class SlowGateway(ApiCase):
    settings = (QUICK_RETRY, "gateway.latency=3s")

    def payment_body(self, account_id, **members):
        return {"user_id": account_id, "amount": "1.00", "payment_method": "pm_ok", **members}

    def begin(self, body, key, wait):
        result = {}

        def post():
            with self.server.client() as client:
                result["answer"] = client.post("/v1/payments", body, key=key, wait=wait)
        thread = threading.Thread(target=post, daemon=True)
        thread.start()
        wait_until(lambda: self.every(self.client, "/v1/payments", user_id=body["user_id"]),
                   "the first request is accepted")

        def finish():
            thread.join(60)
            return result["answer"]
        return finish

    def test_a_waiting_repeat_gets_the_answer_that_the_first_request_got(self):
        account_id = self.open_account(self.client, "10.00")
        key, body = unique("key"), self.payment_body(account_id)
        finish = self.begin(body, key, wait=1)
        repeat = self.client.post("/v1/payments", body, key=key, wait=30)
        first = finish()
        self.assert_status(first, 202)
        self.assertEqual((repeat.status, repeat.body), (202, first.body))
        self.assertTrue(repeat.replayed)

    def test_a_waiting_create_of_a_running_payment_waits_under_a_new_key_too(self):
        account_id = self.open_account(self.client, "10.00")
        body = self.payment_body(account_id, id=unique("pay"))
        self.assert_status(self.client.post("/v1/payments", body), 202)
        answer = self.client.post("/v1/payments", body, key=unique("key"), wait=30)
        self.assert_status(answer, 200)
        self.assertEqual(answer.json["status"], "success")
        self.assertEqual(answer.header("Preference-Applied"), "wait=30")

    def test_a_replay_claims_no_wait(self):
        account_id = self.open_account(self.client, "10.00")
        key, body = unique("key"), self.payment_body(account_id)
        self.assert_status(self.client.post("/v1/payments", body, key=key), 202)
        again = self.client.post("/v1/payments", body, key=key, wait=30)
        self.assertEqual((again.status, again.replayed), (202, True))
        self.assertIsNone(again.header("Preference-Applied"))


class ShortRetention(SlowGateway):
    settings = (QUICK_RETRY, "gateway.latency=3s", "idempotency.retention=1s",
                "storage.checkpoint_interval=50ms")

    def test_a_key_that_expires_during_a_wait_still_has_an_answer(self):
        account_id = self.open_account(self.client, "10.00")
        key, body = unique("key"), self.payment_body(account_id)
        finish = self.begin(body, key, wait=1)
        repeat = self.client.post("/v1/payments", body, key=key, wait=30)
        self.assertIn(repeat.status, (201, 202))
        self.assert_status(finish(), 202)
        self.assertEqual(len(self.every(self.client, "/v1/payments", user_id=account_id)), 1)


class Stopping(ContractCase):
    def test_a_keyed_request_that_waits_is_answered_truly_when_the_server_stops(self):
        server = Server(settings=[QUICK_RETRY, "gateway.latency=2s"])
        self.addCleanup(server.close)
        server.start()
        with server.client() as client:
            account_id = self.open_account(client, "100.00")
        answers = []

        def post(number):
            with server.client() as client:
                answers.append(client.post(
                    "/v1/payments", {"id": f"p{number}", "user_id": account_id, "amount": "1",
                                     "payment_method": "pm_ok"}, key=f"k{number}", wait=60))
        threads = [threading.Thread(target=post, args=(n,), daemon=True) for n in range(5)]
        for thread in threads:
            thread.start()
        with server.client() as client:
            wait_until(lambda: len(self.every(client, "/v1/payments")) == 5, "all are accepted")
        self.assertEqual(server.terminate(), 0)
        for thread in threads:
            thread.join(60)
        self.assertEqual(sorted(answer.status for answer in answers), [202] * 5)
        server.start()
        with server.client() as client:
            for number in range(5):
                self.assertEqual(self.finished(client, f"p{number}")["status"], "success")
            self.assert_balanced(client)


class Data(ContractCase):
    def test_a_lost_log_is_refused_and_the_state_is_kept(self):
        server = Server(settings=[QUICK_RETRY])
        self.addCleanup(server.close)
        server.start()
        with server.client() as client:
            self.open_account(client, "1.00")
        self.assertEqual(server.terminate(), 0)
        data = pathlib.Path(server.data)
        kept = (data / "state" / "data.mdb").read_bytes()
        shutil.rmtree(data / "log")
        server.launch()
        self.assertEqual(server.wait_exit(), 3)
        self.assertIn("missing or empty", server.log_text())
        self.assertEqual((data / "state" / "data.mdb").read_bytes(), kept)


if __name__ == "__main__":
    unittest.main()
