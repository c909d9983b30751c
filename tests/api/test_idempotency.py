"""Idempotency-Key on every POST: one effect, and the same answer byte for byte."""

import json
import pathlib
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import ApiCase, ContractCase, together, unique
from support.server import QUICK_RETRY, Server, wait_until


class KeyCase(ApiCase):
    def assert_replay(self, again, first):
        """`again` repeats `first`, and says so."""
        self.assertTrue(again.replayed, f"not marked as a replay: {again}")
        self.assertEqual((again.status, again.body), (first.status, first.body))
        for name in ("Location", "Content-Type"):
            self.assertEqual(again.header(name), first.header(name), name)

    def payment_body(self, account_id, amount="1.00", **members):
        return {"user_id": account_id, "amount": amount, "payment_method": "pm_ok", **members}

    def available(self, account_id):
        return self.account(self.client, account_id)["available"]


class Replay(KeyCase):
    def test_a_repeated_payment_is_one_payment(self):
        account_id = self.open_account(self.client, "10.00")
        key, body = unique("key"), self.payment_body(account_id)
        first = self.client.post("/v1/payments", body, key=key)
        self.assert_status(first, 201, 202)
        self.assertIsNone(first.header("Idempotent-Replayed"))
        self.finished(self.client, first.json["id"])
        for _ in range(3):
            self.assert_replay(self.client.post("/v1/payments", body, key=key), first)
        self.assertEqual(self.available(account_id), "9.00")
        self.assertEqual(len(self.transfers(self.client, account_id)), 2)

    def test_a_repeated_account_is_one_account(self):
        for body in ({}, {"opening_balance": "5"}, {"id": unique("acct"), "metadata": {"a": 1}}):
            with self.subTest(body=body):
                key = unique("key")
                first = self.assert_status(self.client.post("/v1/accounts", body, key=key), 201)
                again = self.client.post("/v1/accounts", body, key=key)
                self.assert_replay(again, first)

    def test_a_repeated_deposit_is_one_deposit(self):
        account_id = self.open_account(self.client)
        key = unique("key")
        path, body = f"/v1/accounts/{account_id}/deposits", {"amount": "5.00", "reference": "r"}
        first = self.assert_status(self.client.post(path, body, key=key), 201)
        for _ in range(3):
            self.assert_replay(self.client.post(path, body, key=key), first)
        self.assertEqual(self.available(account_id), "5.00")
        self.assert_account_adds_up(self.client, account_id)

    def test_without_a_key_each_request_counts(self):
        account_id = self.open_account(self.client)
        for _ in range(3):
            answer = self.client.post(f"/v1/accounts/{account_id}/deposits", {"amount": "5.00"})
            self.assert_status(answer, 201)
            self.assertIsNone(answer.header("Idempotent-Replayed"))
        self.assertEqual(self.available(account_id), "15.00")

    def test_a_recorded_refusal_is_replayed_even_when_funds_arrive(self):
        account_id = self.open_account(self.client, "1.00")
        key, body = unique("key"), self.payment_body(account_id, "2.00")
        first = self.client.post("/v1/payments", body, key=key)
        self.assert_problem(first, 402, "insufficient_funds")
        self.client.post(f"/v1/accounts/{account_id}/deposits", {"amount": "5.00"})
        self.assert_replay(self.client.post("/v1/payments", body, key=key), first)
        self.assertEqual(self.available(account_id), "6.00")
        unknown = self.payment_body(unique("nobody"))
        key = unique("key")
        first = self.client.post("/v1/payments", unknown, key=key)
        self.assert_problem(first, 422, "account_not_found")
        self.client.post("/v1/accounts", {"id": unknown["user_id"], "opening_balance": "5.00"})
        self.assert_replay(self.client.post("/v1/payments", unknown, key=key), first)

    def test_the_answer_for_an_existing_payment_is_replayed(self):
        account_id = self.open_account(self.client, "10.00")
        body = self.payment_body(account_id, id=unique("pay"))
        self.client.post("/v1/payments", body)
        self.finished(self.client, body["id"])
        key = unique("key")
        first = self.assert_status(self.client.post("/v1/payments", body, key=key), 200)
        self.assert_replay(self.client.post("/v1/payments", body, key=key), first)

    def test_member_order_and_white_space_do_not_matter(self):
        account_id = self.open_account(self.client, "10.00")
        key = unique("key")
        first = self.client.post(
            "/v1/payments",
            f'{{"user_id":"{account_id}","amount":1,"payment_method":"pm_ok",'
            '"metadata":{"a":[1,2],"b":{"c":"d","e":null}}}', key=key)
        self.assert_status(first, 201, 202)
        for same in (
                f'{{"payment_method":"pm_ok","metadata":{{"b":{{"e":null,"c":"d"}},"a":[1,2]}},'
                f'"amount":1,"user_id":"{account_id}"}}',
                f' \r\n\t{{ "user_id" : "{account_id}" , "amount" : 1 ,\n"payment_method" : '
                '"pm_ok", "metadata" : { "a" : [ 1 , 2 ] , "b" : {"c":"d","e":null} } } \n',
                f'{{"us\\u0065r_id":"{account_id}","amount":1,"payment_method":"pm\\u005fok",'
                '"metadata":{"a":[1,2],"b":{"c":"\\u0064","e":null}}}'):
            with self.subTest(same=same):
                self.assert_replay(self.client.post("/v1/payments", same, key=key), first)

    def test_another_body_is_refused_and_has_no_effect(self):
        account_id = self.open_account(self.client, "10.00")
        key = unique("key")
        body = self.payment_body(account_id, metadata={"list": [1, 2]})
        first = self.client.post("/v1/payments", body, key=key)
        self.finished(self.client, first.json["id"])
        for change in ({"amount": "2.00"}, {"payment_method": "pm_other"}, {"description": ""},
                       {"metadata": {"list": [2, 1]}}, {"metadata": {"list": [1, 2], "x": None}},
                       {"currency": "USD"}):
            with self.subTest(change=change):
                answer = self.client.post("/v1/payments", {**body, **change}, key=key)
                self.assert_problem(answer, 422, "idempotency_key_reused")
        self.assert_replay(self.client.post("/v1/payments", body, key=key), first)
        self.assertEqual(self.available(account_id), "9.00")

    def test_other_routes_are_other_scopes(self):
        account_id = self.open_account(self.client, "10.00")
        key = unique("key")
        self.assert_status(self.client.post("/v1/accounts", {}, key=key), 201)
        self.assert_status(
            self.client.post(f"/v1/accounts/{account_id}/deposits", {"amount": "1"}, key=key), 201)
        answer = self.client.post("/v1/payments", self.payment_body(account_id), key=key)
        self.assert_status(answer, 201, 202)
        self.assertFalse(answer.replayed)

    def test_the_same_key_for_another_accounts_deposit_does_nothing(self):
        one, two = self.open_account(self.client), self.open_account(self.client)
        key = unique("key")
        self.client.post(f"/v1/accounts/{one}/deposits", {"amount": "1"}, key=key)
        answer = self.client.post(f"/v1/accounts/{two}/deposits", {"amount": "1"}, key=key)
        self.assert_problem(answer, 422, "idempotency_key_reused")
        self.assertEqual(self.available(two), "0.00")

    def test_quoted_and_bare_are_the_same_key(self):
        account_id = self.open_account(self.client)
        path, body = f"/v1/accounts/{account_id}/deposits", {"amount": "5.00"}
        key = unique("8e03978e-40d5-43e8-bc93-6894a57f9324")
        first = self.assert_status(self.client.post(path, body, key=f'"{key}"'), 201)
        for same in (key, f'"{key}"', f"  {key}  ", f' "{key}" '):
            with self.subTest(same=same):
                self.assert_replay(self.client.post(path, body, key=same), first)
        other = self.client.post(path, body, key=key.upper() + "x")
        self.assertFalse(other.replayed)
        self.assertEqual(self.available(account_id), "10.00")

    def test_keys_of_one_and_of_255_visible_characters_are_good(self):
        account_id = self.open_account(self.client)
        path, body = f"/v1/accounts/{account_id}/deposits", {"amount": "1.00"}
        alphabet = "".join(chr(code) for code in range(0x21, 0x7f) if chr(code) not in '"\\')
        for key in ("k", "k" * 255, alphabet, '"' + "q" * 255 + '"'):
            with self.subTest(key=key[:30]):
                first = self.assert_status(self.client.post(path, body, key=key), 201)
                self.assert_replay(self.client.post(path, body, key=key), first)

    def test_bad_keys_are_refused_before_anything_happens(self):
        account_id = self.open_account(self.client)
        path, body = f"/v1/accounts/{account_id}/deposits", {"amount": "1.00"}
        for key in ("", '""', "k" * 256, '"' + "k" * 256 + '"', "a b", '"a b"', '"open', "a\tb",
                    "é".encode("latin-1"), "ключ".encode(), b"a\x7fb", '"a"b', "k" * 5000):
            with self.subTest(key=key[:30]):
                # Some are not even a proper header to begin with.
                self.assert_problem(self.client.post(path, body, key=key), 400,
                                    ("invalid_idempotency_key", "malformed_request"))
        self.assertEqual(self.available(account_id), "0.00")

    def test_keys_do_not_matter_on_a_get(self):
        account_id = self.open_account(self.client, "1.00")
        for _ in range(2):
            answer = self.client.get(f"/v1/accounts/{account_id}", {"Idempotency-Key": "g"})
            self.assert_status(answer, 200)
            self.assertFalse(answer.replayed)


class NotStored(KeyCase):
    """After such an answer the key is still free."""

    def test_validation_errors(self):
        account_id = self.open_account(self.client, "10.00")
        path = f"/v1/accounts/{account_id}/deposits"
        key = unique("key")
        for bad, status in (('{"amount":', 400), ('{"amount":"1","amount":"1"}', 400),
                            ({"amount": "0"}, 422), ({"amount": "1", "x": 1}, 422), ({}, 422)):
            answer = self.client.post(path, bad, key=key)
            self.assert_status(answer, status)
            self.assert_status(self.client.post(path, bad, key=key), status)
            self.assertFalse(answer.replayed)
        good = {"amount": "1.00"}
        first = self.client.post(path, good, key=key)
        self.assert_status(first, 201)
        self.assertFalse(first.replayed)
        self.assert_replay(self.client.post(path, good, key=key), first)

    def test_wrong_content_type_and_too_large_bodies(self):
        account_id = self.open_account(self.client, "10.00")
        path, key = f"/v1/accounts/{account_id}/deposits", unique("key")
        answer = self.client.post(path, '{"amount":"1.00"}', {"Content-Type": "text/plain"},
                                  key=key)
        self.assert_problem(answer, 415, "unsupported_media_type")
        first = self.assert_status(self.client.post(path, {"amount": "1.00"}, key=key), 201)
        self.assertFalse(first.replayed)

    def test_refusals_that_recorded_nothing(self):
        account_id = unique("late")
        path, key = f"/v1/accounts/{account_id}/deposits", unique("key")
        self.assert_problem(self.client.post(path, {"amount": "1.00"}, key=key), 404,
                            "account_not_found")
        self.open_account(self.client, id=account_id)
        first = self.assert_status(self.client.post(path, {"amount": "1.00"}, key=key), 201)
        self.assertFalse(first.replayed)
        self.assertEqual(self.available(account_id), "1.00")


class Overloaded(KeyCase):
    """More open payments than are allowed: the surplus is refused, not stored and not recorded."""

    settings = (QUICK_RETRY, "gateway.latency=300ms", "gateway.calls_max=2", "payments.open_max=6")

    def test_503_is_not_stored(self):
        account_id = self.open_account(self.client, "100.00")
        body, refused = self.payment_body(account_id), None
        accepted = []
        for _ in range(100):
            key = unique("key")
            answer = self.client.post("/v1/payments", body, key=key)
            if answer.status == 503:
                self.assert_problem(answer, 503, "overloaded")
                refused = key
                break
            accepted.append(self.assert_status(answer, 202).json["id"])
        self.assertIsNotNone(refused, "a hundred open payments and no end")
        self.assert_status(self.client.get(f"/v1/accounts/{account_id}"), 200)
        listed = self.every(self.client, "/v1/payments", user_id=account_id)
        self.assertEqual([one["id"] for one in listed], accepted[::-1])
        answer = wait_until(lambda: self.accepted(body, refused), "there is room again")
        self.assertFalse(answer.replayed)
        for payment_id in [*accepted, answer.json["id"]]:
            self.assertEqual(self.finished(self.client, payment_id)["status"], "success")

    def accepted(self, body, key):
        answer = self.client.post("/v1/payments", body, key=key)
        return None if self.assert_status(answer, 202, 503).status == 503 else answer


class Concurrent(KeyCase):
    CLIENTS = 50

    def at_once(self, path, body, key, **options):
        def post(_):
            with self.server.client() as client:
                return client.post(path, body, key=key, **options)
        return together(self.CLIENTS, post)

    def assert_one_effect(self, answers, statuses):
        good = [answer for answer in answers if answer.status != 409]
        self.assertTrue(good)
        self.assertEqual(len({(answer.status, answer.body) for answer in good}), 1)
        self.assert_status(good[0], *statuses)
        self.assertEqual(sum(not answer.replayed for answer in good), 1)
        for answer in answers:
            if answer.status == 409:
                self.assert_problem(answer, 409, "idempotency_in_flight")
                self.assertTrue(answer.header("Location"))
        return good[0]

    def test_deposits(self):
        account_id = self.open_account(self.client)
        for _ in range(3):
            before = self.account(self.client, account_id)["available"]
            answers = self.at_once(f"/v1/accounts/{account_id}/deposits", {"amount": "1.00"},
                                   unique("key"))
            self.assert_one_effect(answers, [201])
            after = self.account(self.client, account_id)["available"]
            self.assertEqual(float(after) - float(before), 1.0)
        self.assertEqual(len(self.transfers(self.client, account_id)), 3)

    def test_payments(self):
        account_id = self.open_account(self.client, "100.00")
        answers = self.at_once("/v1/payments", self.payment_body(account_id), unique("key"))
        answer = self.assert_one_effect(answers, [201, 202])
        self.finished(self.client, answer.json["id"])
        self.assertEqual(self.available(account_id), "99.00")
        self.assertEqual(len(self.every(self.client, "/v1/payments", user_id=account_id)), 1)

    def test_waiting_payments_all_get_the_end(self):
        account_id = self.open_account(self.client, "100.00")
        answers = self.at_once("/v1/payments", self.payment_body(account_id), unique("key"),
                               wait=20)
        answer = self.assert_one_effect(answers, [201])
        self.assertEqual(answer.json["status"], "success")
        self.assertEqual([one.status for one in answers], [201] * self.CLIENTS)
        self.assertEqual(self.available(account_id), "99.00")

    def test_accounts(self):
        answers = self.at_once("/v1/accounts", {"opening_balance": "3.00"}, unique("key"))
        self.assert_one_effect(answers, [201])

    def test_refusals(self):
        account_id = self.open_account(self.client)
        answers = self.at_once("/v1/payments", self.payment_body(account_id), unique("key"))
        self.assert_one_effect(answers, [402])
        self.assertEqual(len(self.every(self.client, "/v1/payments", user_id=account_id)), 1)


class InFlight(KeyCase):
    """A first request that waits for the end of its payment, and what others with its key see."""

    settings = (QUICK_RETRY, "gateway.latency=2500ms")

    def begin(self, body, key, wait=30):
        """Sends the first request from a thread of its own, until it is in flight."""
        result = {}

        def post():
            with self.server.client() as client:
                result["answer"] = client.post("/v1/payments", body, key=key, wait=wait)
        thread = threading.Thread(target=post, daemon=True)
        thread.start()
        user_id = body["user_id"]
        wait_until(lambda: self.every(self.client, "/v1/payments", user_id=user_id),
                   "the first request is accepted")

        def finish():
            thread.join(60)
            return result["answer"]
        return finish

    def test_a_repeat_is_told_where_to_look(self):
        account_id = self.open_account(self.client, "10.00")
        key, body = unique("key"), self.payment_body(account_id)
        finish = self.begin(body, key)
        repeat = self.client.post("/v1/payments", body, key=key)
        self.assert_problem(repeat, 409, "idempotency_in_flight")
        payment, = self.every(self.client, "/v1/payments", user_id=account_id)
        self.assertEqual(repeat.header("Location"), f"/v1/payments/{payment['id']}")
        self.assertFalse(repeat.replayed)
        other = self.client.post("/v1/payments", {**body, "amount": "2"}, key=key)
        self.assert_problem(other, 422, "idempotency_key_reused")
        first = finish()
        self.assert_status(first, 201)
        self.assertEqual(first.json["id"], payment["id"])
        self.assert_replay(self.client.post("/v1/payments", body, key=key), first)
        self.assertEqual(self.available(account_id), "9.00")

    def test_a_repeat_that_waits_gets_the_same_answer(self):
        account_id = self.open_account(self.client, "10.00")
        key, body = unique("key"), self.payment_body(account_id)
        finish = self.begin(body, key)
        repeat = self.client.post("/v1/payments", body, key=key, wait=30)
        first = finish()
        self.assert_status(first, 201)
        self.assertEqual(first.json["status"], "success")
        self.assert_replay(repeat, first)

    def test_a_repeat_that_waits_too_briefly_is_still_in_flight(self):
        account_id = self.open_account(self.client, "10.00")
        key, body = unique("key"), self.payment_body(account_id)
        finish = self.begin(body, key)
        repeat = self.client.post("/v1/payments", body, key=key, wait=1)
        self.assert_problem(repeat, 409, "idempotency_in_flight")
        first = finish()
        self.assert_replay(self.client.post("/v1/payments", body, key=key, wait=5), first)

    def test_an_answer_after_a_wait_that_ran_out_is_kept_too(self):
        account_id = self.open_account(self.client, "10.00")
        key, body = unique("key"), self.payment_body(account_id)
        first = self.client.post("/v1/payments", body, key=key, wait=1)
        self.assert_status(first, 202)
        self.assert_replay(self.client.post("/v1/payments", body, key=key), first)
        self.finished(self.client, first.json["id"])
        self.assert_replay(self.client.post("/v1/payments", body, key=key), first)
        self.assertEqual(self.available(account_id), "9.00")

    def test_a_client_that_goes_away_leaves_no_key_in_flight(self):
        account_id = self.open_account(self.client, "10.00")
        key, body = unique("key"), self.payment_body(account_id)
        data = json.dumps(body)
        with self.client.open_raw() as connection:
            connection.sendall(
                f"POST /v1/payments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                f"Idempotency-Key: {key}\r\nPrefer: wait=30\r\n"
                f"Content-Length: {len(data)}\r\n\r\n{data}".encode())
            wait_until(lambda: self.every(self.client, "/v1/payments", user_id=account_id),
                       "it is accepted")
        payment, = self.every(self.client, "/v1/payments", user_id=account_id)
        self.finished(self.client, payment["id"])
        first = wait_until(lambda: self.settled(body, key), "the key is no longer in flight")
        self.assertEqual(self.assert_status(first, 201, 202).json["id"], payment["id"])
        self.assert_replay(self.client.post("/v1/payments", body, key=key), first)
        self.assertEqual(self.available(account_id), "9.00")

    def settled(self, body, key):
        answer = self.client.post("/v1/payments", body, key=key)
        return None if answer.status == 409 else answer


class AfterACrash(KeyCase):
    settings = (QUICK_RETRY, "storage.checkpoint_interval=50ms")

    def test_answers_are_the_same_after_kill_9(self):
        account_id = self.open_account(self.client, "100.00")
        path = f"/v1/accounts/{account_id}/deposits"
        cases = [("/v1/accounts", {"opening_balance": "1.00"}, None),
                 (path, {"amount": "2.00"}, None),
                 ("/v1/payments", self.payment_body(account_id), None),
                 ("/v1/payments", self.payment_body(account_id), 20),
                 ("/v1/payments", self.payment_body(account_id, payment_method="pm_decline"), 20),
                 ("/v1/payments", self.payment_body(account_id, "5000.00"), None)]
        asked = [(*case, unique("key")) for case in cases]
        first = [self.client.post(to, body, key=key, wait=wait) for to, body, wait, key in asked]
        self.assertEqual([answer.status for answer in first[3:]], [201, 201, 402])
        for round_number in range(3):
            self.server.restart()
            for (to, body, _, key), answer in zip(asked, first):
                with self.subTest(round=round_number, to=to, body=body):
                    self.assert_replay(self.client.post(to, body, key=key), answer)
        self.assertEqual(len([transfer for transfer in self.transfers(self.client, account_id)
                              if transfer["step"] == "deposit"]), 1)

    def test_a_kill_before_the_answer_leaves_one_effect_and_one_answer(self):
        server = Server(settings=[QUICK_RETRY, "gateway.latency=700ms"])
        self.addCleanup(server.close)
        server.start()
        client = server.client()
        self.addCleanup(client.close)
        account_id = self.open_account(client, "10.00")
        key, body = unique("key"), self.payment_body(account_id)
        data = json.dumps(body)
        with client.open_raw() as connection:
            connection.sendall(
                f"POST /v1/payments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                f"Idempotency-Key: {key}\r\nPrefer: wait=30\r\n"
                f"Content-Length: {len(data)}\r\n\r\n{data}".encode())
            wait_until(lambda: self.every(client, "/v1/payments", user_id=account_id), "accepted")
            server.restart()
        first = client.post("/v1/payments", body, key=key, wait=30)
        self.assert_status(first, 201, 202)
        self.finished(client, first.json["id"])
        self.assert_replay(client.post("/v1/payments", body, key=key), first)
        server.restart()
        self.assert_replay(client.post("/v1/payments", body, key=key), first)
        self.assertEqual(self.account(client, account_id)["available"], "9.00")
        self.assertEqual(len(self.every(client, "/v1/payments", user_id=account_id)), 1)


class Retention(KeyCase):
    settings = (QUICK_RETRY, "idempotency.retention=2s")

    def test_a_key_is_forgotten_when_its_time_is_over(self):
        account_id = self.open_account(self.client)
        path, body, key = f"/v1/accounts/{account_id}/deposits", {"amount": "1.00"}, unique("key")
        begin = time.monotonic()
        first = self.assert_status(self.client.post(path, body, key=key), 201)
        again = self.client.post(path, body, key=key)
        if time.monotonic() - begin < 2:
            self.assert_replay(again, first)
        other = wait_until(lambda: self.fresh(path, body, key), "the key is free again", poll=0.05)
        self.assertGreaterEqual(time.monotonic() - begin, 1.9)
        self.assertNotEqual(other.json["id"], first.json["id"])
        self.assertEqual(self.available(account_id), "2.00")

    def fresh(self, path, body, key):
        answer = self.assert_status(self.client.post(path, body, key=key), 201)
        return None if answer.replayed else answer


class Required(ContractCase):
    def test_a_post_without_a_key_is_refused_when_keys_are_required(self):
        with Server(settings=["idempotency.required=true"]) as server, server.client() as client:
            self.assert_problem(client.post("/v1/accounts", {"id": "a"}), 400,
                                "idempotency_key_required")
            self.assert_problem(client.get("/v1/accounts/a"), 404, "account_not_found")
            self.assert_status(client.post("/v1/accounts", {"id": "a"}, key="k1"), 201)
            self.assert_problem(client.post("/v1/accounts/a/deposits", {"amount": "1"}), 400,
                                "idempotency_key_required")
            body = {"user_id": "a", "amount": "1", "payment_method": "pm_ok"}
            self.assert_problem(client.post("/v1/payments", body), 400,
                                "idempotency_key_required")
            self.assert_status(client.get("/v1/accounts/a"), 200)
            self.assert_status(client.get("/v1/payments"), 200)


if __name__ == "__main__":
    unittest.main()
