"""A thousand payments in flight, kill -9 in the middle, and each ends exactly once."""

import json
import pathlib
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import journal
from support.cases import ContractCase, together
from support.server import SLOWNESS, Server, wait_until

COUNT = 1000
CLIENTS = 10
RETRY = 'gateway.retry={initial_interval="20ms",maximum_interval="100ms",maximum_attempts=5}'


class Thousand(ContractCase):
    def start(self, *settings):
        server = Server(settings=[RETRY, "gateway.journal=journal", *settings])
        self.addCleanup(server.close)
        server.start()
        with server.client() as client:
            self.open_account(client, "1000.00", id="rich")
        return server

    def create(self, server, acknowledged, number):
        """Client `number` sends its share once; what has no answer is not acknowledged."""
        with server.client() as client:
            for one in range(number, COUNT, CLIENTS):
                body = self.body(one)
                try:
                    answer = client.post("/v1/payments", body)
                except OSError:
                    return
                self.assert_status(answer, 201, 202)
                acknowledged.append(body["id"])

    @staticmethod
    def body(number):
        return {"id": f"pay-{number:04}", "user_id": "rich", "amount": "1.00",
                "payment_method": "pm_flaky_1" if number % 10 == 0 else "pm_ok"}

    def books(self, server):
        return journal.Books(journal.read(server.folder / "journal"))

    def taken(self, server):
        """How many charges the gateway has confirmed so far, counted while it writes."""
        path = server.folder / "journal"
        if not path.exists():
            return 0
        whole = path.read_text().rpartition("\n")[0].splitlines()
        return sum(json.loads(line)["outcome"] == "confirmed" for line in whole)

    def assert_each_ended_once(self, server, ids):
        with server.client() as client:
            wait_until(lambda: not client.get("/v1/payments?status=pending&limit=1").json["data"]
                       and not client.get("/v1/payments?status=processing&limit=1").json["data"],
                       "every payment has ended", timeout=60 * SLOWNESS, poll=0.05)
            for payment_id in ids:
                payment = self.payment(client, payment_id)
                self.assertEqual(payment["status"], "success", payment)
            listed = self.every(client, "/v1/payments")
            self.assertEqual(len(listed), len({payment["id"] for payment in listed}))
            books = self.books(server)
            self.assertEqual(list(books.complaints()), [])
            self.assertEqual(set(books.taken), {payment["id"] for payment in listed})
            account = self.assert_account_adds_up(client, "rich")
            self.assertEqual(account["posted"], f"{1000 - len(listed)}.00")
            self.assertEqual(account["held"], "0.00")
            gateway = self.account(client, "sys:gateway:USD")
            self.assertEqual(gateway["posted"], f"{len(listed)}.00")
            self.assert_balanced(client)
            for payment_id in sorted(ids)[::50]:
                events = self.every(client, f"/v1/payments/{payment_id}/events")
                types = [event["type"] for event in events]
                for once in ("payment_created", "funds_held", "hold_posted", "payment_succeeded"):
                    self.assertEqual(types.count(once), 1, types)
        return listed

    def test_killed_while_all_of_them_are_in_flight(self):
        """All accepted, some taken by the gateway, most still open."""
        server = self.start("gateway.latency=25ms", "gateway.calls_max=8")
        acknowledged = []
        together(CLIENTS, lambda number: self.create(server, acknowledged, number))
        self.assertEqual(len(acknowledged), COUNT)
        for target in (COUNT // 4, COUNT // 2, 3 * COUNT // 4):
            wait_until(lambda: self.taken(server) >= target, f"{target} are taken")
            server.kill()
            self.assertLess(self.taken(server), COUNT, "none was in flight any more")
            server.start()
        listed = self.assert_each_ended_once(server, acknowledged)
        self.assertEqual(len(listed), COUNT)

    def test_killed_while_they_are_accepted(self):
        """Some acknowledged, some not: the latter are sent again by their clients."""
        server = self.start()
        acknowledged = []

        def kill_in_the_middle():
            deadline = time.monotonic() + 60 * SLOWNESS
            while len(acknowledged) < COUNT // 2 and time.monotonic() < deadline:
                time.sleep(0.0005)
            server.process.kill()
        killer = threading.Thread(target=kill_in_the_middle, daemon=True)
        killer.start()
        together(CLIENTS, lambda number: self.create(server, acknowledged, number))
        killer.join()
        server.process.wait(60)
        self.assertGreaterEqual(len(acknowledged), COUNT // 2)
        self.assertLess(len(acknowledged), COUNT)
        server.start()
        listed = self.assert_each_ended_once(server, acknowledged)
        # At most one unanswered request of each client is more than was acknowledged.
        self.assertLessEqual(len(listed), len(acknowledged) + CLIENTS)
        with server.client() as client:
            for number in range(COUNT):
                self.assert_status(client.post("/v1/payments", self.body(number)), 200, 201, 202)
        ids = [self.body(number)["id"] for number in range(COUNT)]
        self.assertEqual(len(self.assert_each_ended_once(server, ids)), COUNT)


if __name__ == "__main__":
    unittest.main()
