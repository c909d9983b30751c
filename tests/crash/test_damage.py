"""Damaged data through the binary: what `payonce serve` and `payonce verify` say, and with which code.

damage_test.cc goes through every byte and length in one process; here a few of each kind show that
the programs do with it what they should: come up with the same answers as before, say that the
state was rebuilt, or refuse by name. No start ends by a signal.
"""

import json
import pathlib
import shutil
import struct
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import ContractCase
from support.server import COMMAND_S, Server, run

OK, STATE, DATA = 0, 1, 3
PAGE = 4096
METHODS = ("pm_ok", "pm_decline", "pm_manual", "pm_fraud")


class Damage(ContractCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="payonce-damage-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.early, _ = cls.make("early", 3)
        cls.sound, cls.answers = cls.make("sound", 8, cls.early)
        cls.other, _ = cls.make("other", 4)

    @classmethod
    def make(cls, name, payments, begin=None):
        """A directory after some business, and what the server answers about it."""
        case = cls("runTest")
        data = cls.folder / name
        if begin is not None:
            shutil.copytree(begin, data)
        with Server(data=data) as server, server.client() as client:
            if begin is None:
                case.open_account(client, "1000.00", id=f"rich-{name}")
            account = case.every(client, "/v1/accounts")[0]["id"]
            ids = [case.pay(client, account, f"1.{number:02}", METHODS[number % len(METHODS)])["id"]
                   for number in range(payments)]
            for payment_id in ids:
                if case.payment(client, payment_id)["payment_method"] != "pm_manual":
                    case.finished(client, payment_id)
            answers = cls.ask(client)
            case.assertEqual(server.terminate(), 0)
        return data, answers

    def runTest(self):  # noqa: N802 - unittest's name
        raise NotImplementedError

    @staticmethod
    def ask(client):
        """Everything there is to ask about, as bytes."""
        answers = {}
        for path in ("/v1/accounts", "/v1/payments?limit=100", "/v1/ledger",
                     "/v1/payments?status=success", "/v1/workflows", "/v1/tasks/exhausted"):
            answers[path] = client.get(path).body
        for payment in json.loads(answers["/v1/payments?limit=100"])["data"]:
            path = f"/v1/payments/{payment['id']}"
            answers[path] = client.get(path).body
            answers[path + "/events"] = client.get(path + "/events").body
        for account in json.loads(answers["/v1/accounts"])["data"]:
            path = f"/v1/accounts/{account['id']}/transfers"
            answers[path] = client.get(path).body
        return answers

    def directory(self, log, state, change_log=None, change_state=None):
        """A fresh directory with these files, changed."""
        data = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        for part, source, change in (("log", log, change_log), ("state", state, change_state)):
            content = (source / part / "data.mdb").read_bytes()
            (data / part).mkdir()
            (data / part / "data.mdb").write_bytes(change(content) if change else content)
        return data

    def assert_refused(self, data, *words):
        """Both say why, with code 3, and leave the files as they are."""
        before = [(data / part / "data.mdb").read_bytes() for part in ("log", "state")]
        for _ in range(2):  # the first refusal leaves nothing that the second believes
            verified = run("verify", "--data", data)
            served = run("serve", "--data", data, "--listen", "127.0.0.1:0", timeout=COMMAND_S)
            for result in (verified, served):
                self.assertEqual(result.returncode, DATA, result)
                for word in words:
                    self.assertIn(word, result.stderr + result.stdout)
            self.assertIn("start_refused", served.stderr + served.stdout)
        self.assertEqual([(data / part / "data.mdb").read_bytes() for part in ("log", "state")],
                         before)

    def assert_comes_up(self, data, verified, rebuilt):
        result = run("verify", "--data", data)
        self.assertEqual(result.returncode, verified, result)
        with Server(data=data) as server, server.client() as client:
            self.assertEqual(len(server.log_lines("state_rebuilt")), int(rebuilt))
            self.assertEqual(self.ask(client), self.answers)
            self.assertEqual(server.terminate(), 0)
        self.assertEqual(run("verify", "--data", data).returncode, OK)

    def test_sound_data(self):
        self.assert_comes_up(self.directory(self.sound, self.sound), OK, rebuilt=False)

    def test_verify_tells_what_it_looked_at(self):
        data = self.directory(self.sound, self.sound)
        words = json.loads(run("verify", "--data", data, "--json").stdout)
        self.assertIs(words["sound"], True, words)
        self.assertIs(words["folded"], True, words)
        self.assertEqual(words["log_entries"], words["log_last"])
        self.assertEqual(words["state_applied"], words["log_last"])
        self.assertGreater(words["state_rows"], 20)
        self.assertGreater(words["state_keys"], words["state_rows"])
        self.assertFalse((data / "state.verify").exists())

    def test_a_page_of_the_log_that_holds_something_else(self):
        def change(content):
            # The root page of the newest commit, whose head has the larger number.
            heads = (struct.unpack_from("<QQQ", content, head * PAGE + 128) for head in (0, 1))
            page = max(heads, key=lambda head: head[2])[0] * PAGE
            return content[:page] + b"\xa5" * PAGE + content[page + PAGE:]
        self.assert_refused(self.directory(self.sound, self.sound, change_log=change),
                            "page", "data.mdb")

    def test_bytes_of_the_log_that_have_changed(self):
        def change(content):
            # In every copy, so that the one in use is among them.
            return content.replace(b"pm_decline", b"pm_decl1ne")
        self.assert_refused(self.directory(self.sound, self.sound, change_log=change),
                            "log entry", "checksum mismatch")

    def test_bytes_of_the_state_that_have_changed(self):
        def change(content):
            return content.replace(b"pm_decline", b"pm_decl1ne")
        self.assert_comes_up(self.directory(self.sound, self.sound, change_state=change), STATE,
                             rebuilt=True)

    def test_keys_of_the_state_that_have_changed(self):
        """Keys have no checksum; they are held against the rows."""
        def change(content):
            return content.replace(b"rich-early\0", b"rich-earlz\0")
        self.assert_comes_up(self.directory(self.sound, self.sound, change_state=change), STATE,
                             rebuilt=True)

    def test_a_log_that_is_cut(self):
        # Behind its end the server has written zeros.
        for size in (1, PAGE - 1, PAGE, 2 * PAGE, 2 * PAGE + 1, 3 * PAGE):
            with self.subTest(size=size):
                self.assert_refused(self.directory(
                    self.sound, self.sound, change_log=lambda content, s=size: content[:s]))

    def test_a_state_that_is_cut(self):
        for size in (0, 1, PAGE, 2 * PAGE, 5 * PAGE + 1):
            with self.subTest(size=size):
                self.assert_comes_up(self.directory(
                    self.sound, self.sound, change_state=lambda content, s=size: content[:s]),
                    STATE, rebuilt=size > 0)

    def test_the_state_of_another_server(self):
        self.assert_comes_up(self.directory(self.sound, self.other), STATE, rebuilt=True)

    def test_an_old_state_beside_a_newer_log(self):
        self.assert_comes_up(self.directory(self.sound, self.early), OK, rebuilt=False)

    def test_an_old_log_beside_a_newer_state(self):
        self.assert_refused(self.directory(self.early, self.sound), "put the newer log back")

    def test_an_empty_log(self):
        self.assert_refused(self.directory(self.sound, self.sound, change_log=lambda _: b""),
                            "missing or empty")

    def test_files_of_another_kind(self):
        for content in (b"hello\n", bytes(8 * PAGE), b"SQLite format 3\0" + bytes(4 * PAGE)):
            with self.subTest(content=content[:16]):
                self.assert_refused(self.directory(
                    self.sound, self.sound, change_log=lambda _, c=content: c), "LMDB")
                self.assert_comes_up(self.directory(
                    self.sound, self.sound, change_state=lambda _, c=content: c), STATE,
                    rebuilt=True)

    def test_nothing_at_all(self):
        result = run("verify", "--data", self.folder / "nothing")
        self.assertEqual(result.returncode, DATA, result)
        self.assertIn("no payonce log", result.stderr)
        self.assertFalse((self.folder / "nothing").exists())


if __name__ == "__main__":
    unittest.main()
