"""storage.history_retention: old events go, and nothing else does."""

import json
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import ContractCase, unique
from support.server import QUICK_RETRY, Server, run, wait_until

EXIT_DATA = 3
PER_PHASE = 150


class RetentionCase(ContractCase):
    settings = (QUICK_RETRY, "storage.checkpoint_interval=20ms", "gateway.callback_timeout=1h")
    retention = ("storage.history_retention=1s",)

    def start(self, *settings, **options):
        server = Server(settings=[*self.settings, *self.retention, *settings], **options)
        self.addCleanup(server.close)
        server.start()
        client = server.client()
        self.addCleanup(client.close)
        return server, client

    def metric(self, client, name):
        text = self.assert_status(client.get("/metrics"), 200).body.decode()
        return int(float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1]))

    def first_seq(self, client):
        return self.metric(client, "payonce_log_first_seq")

    def events(self, client, payment_id):
        return self.assert_status(
            client.get(f"/v1/payments/{payment_id}/events?limit=100"), 200).json

    def until_gone(self, client, account_id, payment_id):
        """Events age by what comes after them: so something has to come."""
        def gone():
            self.pay_and_finish(client, account_id, "0.01")
            return not self.events(client, payment_id)["data"]
        wait_until(gone, f"the events of {payment_id} are dropped", poll=0.1)


class Retention(RetentionCase):
    def picture(self, client, account_id, payment_ids):
        """What must not change with the history."""
        return ([self.payment(client, payment_id) for payment_id in payment_ids],
                self.transfers(client, account_id)[-10 * len(payment_ids):],
                len(self.every(client, "/v1/payments", status="success")),
                self.account(client, account_id))

    def assert_remembered(self, client, account_id, payment_id, key, first):
        """A payment's id and key are known, whatever became of its history."""
        body = {"id": payment_id, "user_id": account_id, "amount": "3.00",
                "payment_method": "pm_ok"}
        again = self.assert_status(client.post("/v1/payments", body, key=key), first.status)
        self.assertTrue(again.replayed, str(again))
        self.assertEqual(again.json, first.json)
        other = client.post("/v1/payments", {**body, "amount": "4.00"})
        self.assert_problem(other, 409, "payment_exists")
        explained = self.assert_status(client.get(f"/v1/payments/{payment_id}/explain"), 200)
        self.assertIn("waiting_for", explained.json)

    def test_old_events_go_and_all_else_stays_also_over_restarts(self):
        server, client = self.start()
        account_id = self.open_account(client, "100.00")
        payment_id, key = unique("old"), unique("key")
        first = client.post("/v1/payments", {"id": payment_id, "user_id": account_id,
                                             "amount": "3.00", "payment_method": "pm_ok"}, key=key)
        self.finished(client, payment_id)
        whole = self.events(client, payment_id)
        self.assertNotIn("history_dropped", whole)
        self.assertEqual(whole["data"][0]["type"], "payment_created")
        self.until_gone(client, account_id, payment_id)

        gone = self.events(client, payment_id)
        self.assertEqual(gone, {"data": [], "next_cursor": None, "history_dropped": True})
        self.assertEqual(
            self.assert_status(client.get(f"/v1/workflows/{payment_id}/events"), 200).json, gone)
        self.assertGreater(self.first_seq(client), whole["data"][-1]["seq"])
        self.assert_remembered(client, account_id, payment_id, key, first)
        self.assert_account_adds_up(client, account_id)
        self.assert_balanced(client)
        before = self.picture(client, account_id, [payment_id])
        for end in (server.kill, server.terminate):
            end()
            server.start()
            self.assertEqual(server.log_lines("state_rebuilt"), [])
            self.assertGreater(self.first_seq(client), whole["data"][-1]["seq"])
            self.assertEqual(self.picture(client, account_id, [payment_id]), before)
            self.assert_remembered(client, account_id, payment_id, key, first)
            self.assert_account_adds_up(client, account_id)
            self.assert_balanced(client)
            self.pay_and_finish(client, account_id, "0.01")
            before = self.picture(client, account_id, [payment_id])

    def test_a_payment_under_way_keeps_its_whole_history(self):
        server, client = self.start()
        account_id = self.open_account(client, "100.00")
        ended = self.pay_and_finish(client, account_id, "1.00")["id"]
        waiting = self.pay(client, account_id, "5.00", method="pm_manual")["id"]
        wait_until(lambda: self.payment(client, waiting)["current_step"] == "await_callback",
                   "it waits for its callback")
        self.until_gone(client, account_id, ended)
        created = self.events(client, waiting)["data"][0]["seq"]
        # However much comes, the log goes no further than to the payment that waits.
        wait_until(lambda: self.pay_and_finish(client, account_id, "0.01")
                   and self.first_seq(client) == created, "all before it is dropped", poll=0.1)
        server.restart()
        for _ in range(5):
            self.pay_and_finish(client, account_id, "0.01")
        self.assertEqual(self.first_seq(client), created)
        history = self.events(client, waiting)
        self.assertNotIn("history_dropped", history)
        self.assertEqual(history["data"][0]["type"], "payment_created")
        # It comes to its end, and then its history goes as well; a late callback finds the row.
        self.assert_status(self.callback(client, waiting), 200, 202)
        self.assertEqual(self.finished(client, waiting)["status"], "success")
        self.until_gone(client, account_id, waiting)
        self.assert_status(self.callback(client, waiting), 200, 202)
        self.assertEqual(self.payment(client, waiting)["status"], "success")
        refund = self.assert_status(client.post(f"/v1/payments/{waiting}/refunds",
                                                {"amount": "2.00"}), 201, 202).json
        wait_until(
            lambda: client.get(f"/v1/workflows/{refund['id']}").json["status"] == "success",
            "a payment without a history is refunded")
        history = self.events(client, waiting)
        self.assertIs(history["history_dropped"], True)
        self.assertIn("refund_requested", [event["type"] for event in history["data"]])
        self.assert_account_adds_up(client, account_id)

    def callback(self, client, payment_id):
        body = {"payment_id": payment_id, "outcome": "confirmed",
                "gateway_reference": f"gw-{payment_id}"}
        return client.post("/v1/gateway/callbacks", body)

    def test_the_file_of_the_log_stops_growing(self):
        _, client = self.start()
        account_id = self.open_account(client, "1000.00")
        sizes = []
        for _ in range(6):
            for _ in range(PER_PHASE):
                self.pay(client, account_id, "0.01", description="x" * 500)
            last = self.pay_and_finish(client, account_id, "0.01")["id"]
            self.until_gone(client, account_id, last)
            sizes.append(self.metric(client, "payonce_log_file_bytes"))
        # What is kept is at most what one phase wrote; the first ones find the size for it.
        self.assertLessEqual(sizes[-1], 1.5 * sizes[1], sizes)
        self.assertLess(self.metric(client, "payonce_log_entries"), 3 * 9 * PER_PHASE)
        self.assertGreater(self.first_seq(client), 6 * 5 * PER_PHASE)
        self.assert_balanced(client)

    def test_a_state_that_cannot_be_made_again_is_refused_and_never_replaced(self):
        server, client = self.start()
        account_id = self.open_account(client, "100.00")
        payment_id = self.pay_and_finish(client, account_id)["id"]
        self.until_gone(client, account_id, payment_id)
        server.terminate()
        state, aside = server.data / "state", server.folder / "aside"
        for what in ("lost", "damaged", "distrusted"):
            with self.subTest(what=what):
                shutil.copytree(state, aside)
                note = server.data / "STATE_DISTRUSTED"
                if what == "lost":
                    shutil.rmtree(state)
                elif what == "damaged":
                    (state / "data.mdb").write_bytes(b"no database\n" * 999)
                else:
                    note.touch()
                server.launch()
                self.assertEqual(server.wait_exit(), EXIT_DATA, server.log_text())
                why = server.log_lines("start_refused")[-1]["why"]
                self.assertRegex(why, r"history before log entry \d+ has been dropped")
                self.assertIn("backup", why)
                note.unlink(missing_ok=True)
                shutil.rmtree(state, ignore_errors=True)
                aside.rename(state)
        server.start()
        self.assertEqual(self.payment(client, payment_id)["status"], "success")

    def test_replay_and_inspect_say_what_is_missing(self):
        server, client = self.start()
        account_id = self.open_account(client, "100.00")
        payment_id = self.pay_and_finish(client, account_id)["id"]
        self.until_gone(client, account_id, payment_id)
        last = self.pay_and_finish(client, account_id)["id"]
        server.terminate()
        result = run("replay", "--data", server.data, "--json")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        counted = json.loads(result.stdout)
        self.assertGreaterEqual(counted["skipped"], 1)
        self.assertGreaterEqual(counted["workflows"], 1)
        self.assertEqual(counted["different"], 0)
        self.assertRegex(run("replay", "--data", server.data).stdout, r"skipped [1-9]")
        shown = json.loads(run("inspect", payment_id, "--data", server.data, "--json").stdout)
        self.assertEqual((shown["events"], shown["history_dropped"]), ([], True))
        self.assertIn("dropped", run("inspect", payment_id, "--data", server.data).stdout)
        shown = json.loads(run("inspect", last, "--data", server.data, "--json").stdout)
        self.assertNotIn("history_dropped", shown)
        self.assertEqual(shown["events"][0]["type"], "payment_created")


class Tuning(RetentionCase):
    retention = ()

    def test_it_begins_and_ends_with_a_reload(self):
        folder = tempfile.mkdtemp(prefix="payonce-test-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        path = pathlib.Path(folder) / "config.toml"
        path.write_text("")
        server, client = self.start(arguments=["--config", str(path)])
        account_id = self.open_account(client, "100.00")
        payment_id = self.pay_and_finish(client, account_id)["id"]
        self.reload(server, path, "1s")
        self.until_gone(client, account_id, payment_id)
        self.reload(server, path, "0s")
        kept = self.pay_and_finish(client, account_id)["id"]
        until = time.monotonic() + 2.5  # more than the retention that was in force before
        while time.monotonic() < until:
            self.pay_and_finish(client, account_id, "0.01")
        self.assertNotIn("history_dropped", self.events(client, kept))

    def reload(self, server, path, retention):
        before = len(server.log_lines("reloaded"))
        path.write_text(f'[storage]\nhistory_retention = "{retention}"\n')
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(server.log_lines("reloaded")) > before, "it has reread the file")


if __name__ == "__main__":
    unittest.main()
