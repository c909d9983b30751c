"""A full disk: new work is refused or the process stops; nothing acknowledged is lost.

The data directory lies on a small file system of its own, so this needs the right to mount one.
"""

import pathlib
import shutil
import signal
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import ContractCase, unique
from support.server import QUICK_RETRY, SLOWNESS, Server, wait_until
from support.small_disk import MS_RDONLY, SmallDisk

MIB = 1 << 20
REQUESTS_MAX = 40000


class FullCase(ContractCase):
    """Payments from the account "rich", and what was acknowledged of them."""

    def setUp(self):
        self.acknowledged = {}  # payment id: amount in minor units
        self.deposited = 0

    def deposit(self, client, amount):
        answer = client.post("/v1/accounts/rich/deposits", {"amount": f"{amount}.00"},
                             key=unique("fill"))
        if answer.status == 201:
            self.deposited += amount
        return answer

    def pay_once(self, client):
        body = {"id": unique("pay"), "user_id": "rich", "amount": "0.01",
                "payment_method": "pm_ok", "description": "x" * 900}
        answer = client.post("/v1/payments", body)
        if answer.status in (201, 202):
            self.acknowledged[body["id"]] = 1
        return answer

    def fill(self, server):
        """Works until the server says or shows that it is full: "refused" or "stopped"."""
        with server.client() as client:
            for _ in range(REQUESTS_MAX):
                try:
                    answer = self.pay_once(client)
                except OSError:
                    return "stopped"
                if answer.status == 503:
                    code = answer.json["code"]
                    if code == "storage_full":
                        self.assert_problem(answer, 503, "storage_full")
                        return "refused"
                    # The request that met the full disk, or one that came right behind it.
                    self.assert_problem(answer, 503, ("not_ready", "overloaded"))
                    continue
                self.assert_status(answer, 201, 202)
        self.fail(f"not full after {REQUESTS_MAX} payments")

    def assert_all_there(self, server):
        with server.client() as client:
            for payment_id in self.acknowledged:
                self.assertEqual(self.finished(client, payment_id)["status"], "success")
            account = self.assert_account_adds_up(client, "rich")
            self.assert_balanced(client)
            paid = self.every(client, "/v1/payments", user_id="rich", status="success")
            self.assertLessEqual(set(self.acknowledged), {payment["id"] for payment in paid})
            self.assertEqual(account["posted"],
                             f"{(100 * self.deposited - len(paid)) / 100:.2f}")


class FullDisk(FullCase):
    def setUp(self):
        super().setUp()
        self.disk = SmallDisk(self)

    def start(self, *settings):
        server = Server(settings=[QUICK_RETRY, "storage.checkpoint_interval=50ms", *settings],
                        folder=self.disk.folder, data=self.disk.path / "data")
        self.addCleanup(server.close)
        return server.start()

    def test_with_little_space_new_work_is_refused_and_goes_on_later(self):
        server = self.start("storage.free_bytes_min=8MiB")
        with server.client() as client:
            self.open_account(client, id="rich")
            self.assert_status(self.deposit(client, 5000), 201)
            for _ in range(50):
                self.assert_status(self.pay_once(client), 201, 202)
            ballast = self.disk.use_up(leave=7 * MIB)
            refused = wait_until(lambda: self.refusal(client), "new work is refused", poll=0.05)
            self.assert_problem(refused, 503, "storage_full")
            self.assertTrue(server.running)
            # What was accepted is brought to its end all the same, and can be read.
            for payment_id in self.acknowledged:
                self.assertEqual(self.finished(client, payment_id)["status"], "success")
            self.assert_balanced(client)
            self.assert_status(client.get("/livez"), 200)
            ballast.unlink()
            wait_until(lambda: self.refusal(client) is None, "new work is accepted", poll=0.05)
        self.assert_all_there(server)
        server.restart()
        self.assert_all_there(server)

    def refusal(self, client):
        answer = self.deposit(client, 1)
        return answer if answer.status == 503 else None

    def test_a_disk_that_is_really_full_loses_nothing(self):
        server = self.start("storage.free_bytes_min=0B")
        with server.client() as client:
            self.open_account(client, id="rich")
            self.assert_status(self.deposit(client, 5000), 201)
        ballast = self.disk.use_up(leave=MIB)
        outcome = self.fill(server)
        self.assertGreater(len(self.acknowledged), 10)
        if outcome == "stopped":
            self.assertNotEqual(server.wait_exit(60 * SLOWNESS), 0)
            self.assertRegex(server.log_text().lower(), "space|full|storage")
            # A start on the full disk may be refused, but must not make it worse.
            server.launch()
            wait_until(lambda: not server.running or server.log_lines("ready"),
                       "the start on a full disk works or is refused")
        if server.running:
            server.kill()
        else:
            self.assertGreater(server.process.returncode, 0, server.log_text())
        ballast.unlink()
        server.start()
        self.assert_all_there(server)
        with server.client() as client:
            self.assert_status(self.pay_once(client), 201, 202)
        server.restart()
        self.assert_all_there(server)

    def test_a_read_only_disk_is_refused_and_left_alone(self):
        server = self.start("storage.free_bytes_min=0B")
        with server.client() as client:
            self.open_account(client, id="rich")
            self.assert_status(self.deposit(client, 5000), 201)
            for _ in range(20):
                self.assert_status(self.pay_once(client), 201, 202)
        server.terminate()
        self.disk.remount(MS_RDONLY)
        server.launch()
        self.assertNotEqual(server.wait_exit(), 0)
        self.assertRegex(server.log_text(), f"{self.disk.path}.*Read-only")
        self.disk.remount(0)
        server.start()
        self.assert_all_there(server)

    def test_no_space_for_a_new_data_directory(self):
        self.disk.use_up(leave=8192)
        server = Server(folder=self.disk.folder, data=self.disk.path / "data")
        self.addCleanup(server.close)
        server.launch()
        self.assertNotEqual(server.wait_exit(), 0)
        self.assertIn(str(self.disk.path), server.log_text())


class FullMap(FullCase):
    """The log may not grow past storage.log_map_size: the same as a full disk, for anybody."""

    def test_a_log_at_its_bound_loses_nothing(self):
        for key in ("storage.log_map_size", "storage.state_map_size"):
            with self.subTest(key=key):
                self.acknowledged, self.deposited = {}, 0
                server = Server(settings=[QUICK_RETRY, "storage.checkpoint_interval=50ms",
                                          f"{key}=2MiB"])
                self.addCleanup(server.close)
                server.start()
                with server.client() as client:
                    self.open_account(client, id="rich")
                    self.assert_status(self.deposit(client, 5000), 201)
                if self.fill(server) == "stopped":
                    self.assertNotEqual(server.wait_exit(60 * SLOWNESS), 0)
                    self.assertIn("full", server.log_text().lower())
                else:
                    server.kill()
                self.assertGreater(len(self.acknowledged), 10)
                server.settings[-1] = f"{key}=1GiB"
                server.start()
                self.assert_all_there(server)

    def test_a_greater_bound_is_taken_over_while_serving(self):
        for key in ("log_map_size", "state_map_size"):
            with self.subTest(key=key):
                self.acknowledged, self.deposited = {}, 0
                folder = pathlib.Path(tempfile.mkdtemp(prefix="payonce-test-"))
                self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
                self.config = folder / "config.toml"
                self.set_bound(key, "4MiB")
                server = Server(settings=[QUICK_RETRY, "storage.checkpoint_interval=20ms"],
                                arguments=["--config", str(self.config)])
                self.addCleanup(server.close)
                server.start()
                with server.client() as client:
                    self.open_account(client, id="rich")
                    self.assert_status(self.deposit(client, 5000), 201)
                    self.assertEqual(self.fill(server), "refused")
                    self.set_bound(key, "64MiB")
                    server.process.send_signal(signal.SIGHUP)
                    grown = wait_until(lambda: server.log_lines("map_grown"), "the map has grown")
                    self.assertEqual([(line["key"], line["from_bytes"], line["to_bytes"])
                                      for line in grown], [(f"storage.{key}", 4 * MIB, 64 * MIB)])
                    wait_until(lambda: self.pay_once(client).status in (201, 202),
                               "new work is accepted", poll=0.05)
                    # A smaller one is not; what is there stays in force.
                    self.set_bound(key, "2MiB")
                    server.process.send_signal(signal.SIGHUP)
                    kept = wait_until(lambda: server.log_lines("map_size_kept"), "it is kept")
                    self.assertEqual((kept[0]["key"], kept[0]["bytes"]),
                                     (f"storage.{key}", 64 * MIB))
                    self.assert_status(self.pay_once(client), 201, 202)
                self.assert_all_there(server)
                self.set_bound(key, "64MiB")
                server.restart()
                self.assert_all_there(server)

    def set_bound(self, key, size):
        self.config.write_text(f'[storage]\n{key} = "{size}"\n')


if __name__ == "__main__":
    unittest.main()
