"""GET /v1/payments: order, pages, cursors and filters."""

import pathlib
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import PAYMENT_MEMBERS, ApiCase, query, unique
from support.server import wait_until

COUNT = 57


def ids(payments):
    return [payment["id"] for payment in payments]


class PaymentLists(ApiCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        case = cls()
        with cls.server.client() as client:
            cls.account_id = case.open_account(client, "1000.00")
            cls.made = []
            for number in range(COUNT):
                method = "pm_decline" if number % 5 == 0 else "pm_ok"
                cls.made.append(case.pay(client, cls.account_id, "1.00", method)["id"])
            cls.finished_payments = [case.finished(client, payment_id) for payment_id in cls.made]
        cls.newest_first = cls.made[::-1]

    def listed(self, limit=100, **parameters):
        return self.every(self.client, "/v1/payments", limit, **parameters)

    def mine(self, limit=100, **parameters):
        return self.listed(limit, user_id=self.account_id, **parameters)

    def test_newest_first_and_whole(self):
        listed = self.mine()
        self.assertEqual(ids(listed), self.newest_first)
        self.assertEqual(listed, self.finished_payments[::-1])
        self.assert_members(listed[0], PAYMENT_MEMBERS)

    def test_default_page_has_twenty(self):
        page = self.assert_status(self.client.get("/v1/payments"), 200).json
        self.assertEqual(set(page), {"data", "next_cursor"})
        self.assertEqual(len(page["data"]), 20)
        self.assertIsInstance(page["next_cursor"], str)

    def test_every_page_size_gives_the_same_list(self):
        for limit in (1, 7, 19, 20, COUNT - 1, COUNT, COUNT + 1, 100):
            with self.subTest(limit=limit):
                self.assertEqual(ids(self.mine(limit)), self.newest_first)

    def test_the_last_page_has_no_cursor(self):
        page = self.client.get(query("/v1/payments", user_id=self.account_id, limit=100)).json
        self.assertIsNone(page["next_cursor"])
        empty = self.client.get(query("/v1/payments", user_id="nobody-at-all")).json
        self.assertEqual(empty, {"data": [], "next_cursor": None})

    def test_a_cursor_can_be_used_again(self):
        first = self.client.get(query("/v1/payments", user_id=self.account_id, limit=10)).json
        path = query("/v1/payments", user_id=self.account_id, limit=10,
                     cursor=first["next_cursor"])
        once = self.client.get(path).json
        self.assertEqual(self.client.get(path).json, once)
        self.assertEqual(ids(once["data"]), self.newest_first[10:20])

    def test_cursors_are_stable_while_new_payments_arrive(self):
        account_id = self.open_account(self.client, "100.00")
        before = [self.pay(self.client, account_id)["id"] for _ in range(12)]
        seen, cursor = [], None
        for _ in range(100):
            asked = {"user_id": account_id, "limit": 3, **({"cursor": cursor} if cursor else {})}
            page = self.client.get(query("/v1/payments", **asked)).json
            seen += ids(page["data"])
            cursor = page["next_cursor"]
            if cursor is None:
                break
            self.pay(self.client, account_id)
        self.assertEqual(seen, before[::-1])

    def test_no_page_repeats_or_misses_under_concurrent_creates(self):
        stop = threading.Event()
        other = self.open_account(self.client, "1000.00")

        def create():
            with self.server.client() as client:
                while not stop.is_set():
                    client.post("/v1/payments", {"user_id": other, "amount": "0.01",
                                                 "payment_method": "pm_ok"})
        threads = [threading.Thread(target=create, daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(5):
                seen = ids(self.listed(limit=23))
                self.assertEqual(len(seen), len(set(seen)))
                mine = set(self.made)
                self.assertEqual([one for one in seen if one in mine], self.newest_first)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        wait_until(lambda: not self.listed(user_id=other, status="pending")
                   and not self.listed(user_id=other, status="processing"), "all are done")

    def test_status_filters(self):
        failed = [one["id"] for one in self.finished_payments if one["status"] == "fail"]
        paid = [one["id"] for one in self.finished_payments if one["status"] == "success"]
        self.assertEqual(len(failed), 12)
        self.assertEqual(ids(self.mine(limit=5, status="fail")), failed[::-1])
        self.assertEqual(ids(self.mine(limit=7, status="success")), paid[::-1])
        self.assertEqual(self.mine(status="cancelled"), [])
        mine = set(self.made)
        everybodys = [one for one in ids(self.listed(limit=11, status="fail")) if one in mine]
        self.assertEqual(everybodys, failed[::-1])
        for payment in self.listed(status="success"):
            self.assertEqual(payment["status"], "success")

    def test_refused_payments_are_listed_as_failed(self):
        account_id = self.open_account(self.client)
        body = {"id": unique("pay"), "user_id": account_id, "amount": "1", "payment_method": "m"}
        self.assert_problem(self.client.post("/v1/payments", body), 402, "insufficient_funds")
        self.assertEqual(ids(self.listed(user_id=account_id, status="fail")), [body["id"]])

    def test_time_filters(self):
        times = [payment["created_at"] for payment in self.finished_payments]
        middle = times[COUNT // 2]
        older = [one["id"] for one in self.finished_payments if one["created_at"] < middle]
        newer = [one["id"] for one in self.finished_payments if one["created_at"] > middle]
        at_middle = [one["id"] for one in self.finished_payments if one["created_at"] == middle]
        before = ids(self.mine(limit=9, created_before=middle))
        after = ids(self.mine(limit=9, created_after=middle))
        # Whether a bound itself belongs is not said; that nothing falls between the two is.
        self.assertEqual([one for one in before if one not in at_middle], older[::-1])
        self.assertEqual([one for one in after if one not in at_middle], newer[::-1])
        self.assertEqual(self.mine(created_after="2100-01-01T00:00:00Z"), [])
        self.assertEqual(self.mine(created_before="2001-01-01T00:00:00Z"), [])
        self.assertEqual(ids(self.mine(created_after="2001-01-01T00:00:00Z",
                                       created_before="2100-01-01T00:00:00.000Z")),
                         self.newest_first)
        between = ids(self.mine(created_after=times[10], created_before=times[20], limit=3))
        inside = [one["id"] for one in self.finished_payments
                  if times[10] < one["created_at"] < times[20]]
        edges = {one["id"] for one in self.finished_payments
                 if one["created_at"] in (times[10], times[20])}
        self.assertEqual([one for one in between if one not in edges], inside[::-1])

    def test_filters_can_be_combined(self):
        times = [payment["created_at"] for payment in self.finished_payments]
        found = self.mine(status="fail", created_after=times[10], created_before=times[40],
                          limit=2)
        expected = [one["id"] for one in self.finished_payments
                    if one["status"] == "fail" and times[10] < one["created_at"] < times[40]]
        edges = {one["id"] for one in self.finished_payments
                 if one["created_at"] in (times[10], times[40])}
        self.assertEqual([one for one in ids(found) if one not in edges],
                         [one for one in expected if one not in edges][::-1])

    def test_parameters_are_checked(self):
        for name, values, code in (
                ("limit", ("0", "101", "-1", "x", "1.5", "1e1", "99999999999999999999"),
                 "invalid_limit"),
                ("cursor", ("x", "AAAA", "a" * 3000, "..", "null"), "invalid_cursor"),
                ("status", ("done", "SUCCESS", "success,fail"), "invalid_status"),
                ("created_after", ("yesterday", "2024-01-01", "2024-13-01T00:00:00Z",
                                   "2024-02-30T00:00:00Z", "1700000000"), "invalid_time"),
                ("created_before", ("x", "2024-01-01T25:00:00Z"), "invalid_time"),
                ("sort", ("id",), "unknown_parameter"),
                ("Limit", ("5",), "unknown_parameter")):
            for value in values:
                with self.subTest(name=name, value=value[:30]):
                    answer = self.client.get(query("/v1/payments", **{name: value}))
                    self.assert_problem(answer, 422, code)

    def test_a_cursor_of_another_list_does_no_harm(self):
        other = self.client.get("/v1/accounts?limit=1").json["next_cursor"]
        if other is None:
            self.open_account(self.client)
            other = self.client.get("/v1/accounts?limit=1").json["next_cursor"]
        answer = self.client.get(query("/v1/payments", cursor=other))
        if answer.status != 200:
            self.assert_problem(answer, 422, "invalid_cursor")

    def test_lists_and_cursors_survive_kill_9(self):
        first = self.client.get(query("/v1/payments", user_id=self.account_id, limit=10)).json
        self.server.restart()
        self.assertEqual(ids(self.mine(limit=13)), self.newest_first)
        self.assertEqual(self.mine(), self.finished_payments[::-1])
        rest = self.client.get(query("/v1/payments", user_id=self.account_id, limit=100,
                                     cursor=first["next_cursor"])).json
        self.assertEqual(ids(rest["data"]), self.newest_first[10:])


if __name__ == "__main__":
    unittest.main()
