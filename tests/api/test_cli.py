"""The command line: exit codes, configuration errors, data directories, signals, health checks."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import ContractCase
from support.server import QUICK_RETRY, ROOT, SLOWNESS, Server, run, wait_until

OK, FAILED, USAGE, DATA = 0, 1, 2, 3


class CliCase(ContractCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="payonce-cli-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def write(self, text, name="config.toml"):
        path = self.folder / name
        path.write_text(text)
        return path

    def serve(self, *arguments, **options):
        """A server that is expected to refuse the start."""
        return run("serve", "--data", self.folder / "data", "--listen", "127.0.0.1:0", *arguments,
                   cwd=self.folder, **options)

    def assert_refused(self, result, code, *words):
        """It ended with that code, and one line of its complaint has all the words."""
        self.assertEqual(result.returncode, code, result)
        lines = result.stderr.splitlines()
        self.assertTrue(any(all(str(word) in line for word in words) for line in lines),
                        f"no line with {words} in:\n{result.stderr}")

    def start(self, **options):
        server = Server(**options)
        self.addCleanup(server.close)
        return server.start()


class Configuration(CliCase):
    def test_unknown_key_names_file_line_and_the_nearest_key(self):
        path = self.write("# mine\n[server]\nthreads = 8\nlisen = \"127.0.0.1:0\"\n")
        for command in ("serve", "check-config"):
            with self.subTest(command=command):
                result = run(command, "--config", path, "--data", self.folder / "data")
                self.assert_refused(result, USAGE, f"{path}:4", "lisen", "server.listen")
        self.assertFalse((self.folder / "data").exists(), "a refused start left something behind")

    def test_wrong_types_and_broken_files_name_file_and_line(self):
        for text, line in (("[server]\n\nthreads = \"many\"\n", 3), ("[server\n", 1),
                           ("[server]\nthreads = 0\n", 2), ("[servr]\nthreads = 1\n", 1),
                           ("[gateway.retry]\ninitial_interval = \"5 parsecs\"\n", 2)):
            with self.subTest(text=text):
                path = self.write(text)
                self.assert_refused(self.serve("--config", path), USAGE, f"{path}:{line}")

    def test_a_missing_file_is_an_error(self):
        path = self.folder / "none.toml"
        self.assert_refused(self.serve("--config", path), USAGE, path)

    def test_set_and_environment_are_checked_as_well(self):
        self.assert_refused(self.serve("--set", "server.lisen=127.0.0.1:0"), USAGE,
                            "server.lisen", "server.listen")
        self.assert_refused(self.serve("--set", "server.threads=x"), USAGE, "server.threads")
        self.assert_refused(self.serve("--set", "nonsense"), USAGE, "nonsense")
        self.assert_refused(self.serve(env={"PAYONCE_SERVER_LISEN": "127.0.0.1:0"}), USAGE,
                            "PAYONCE_SERVER_LISEN", "PAYONCE_SERVER_LISTEN")

    def test_every_mistake_is_reported_at_once(self):
        path = self.write("[server]\nthreds = 1\nread_timeout = 5\n")
        result = run("check-config", "--config", path)
        self.assert_refused(result, USAGE, f"{path}:2", "threds")
        self.assert_refused(result, USAGE, f"{path}:3", "read_timeout")

    def test_check_config_prints_what_would_be_in_force(self):
        path = self.write("[server]\nthreads = 77\n")
        result = run("check-config", "--config", path, "--set", "gateway.latency=7ms")
        self.assertEqual(result.returncode, OK, result)
        self.assertRegex(result.stdout, r"threads\s*=\s*77")
        self.assertRegex(result.stdout, r'latency\s*=\s*"7ms"')

    def test_the_documented_file_is_good_and_equals_the_defaults(self):
        path = ROOT / "config.toml"
        named = run("check-config", "--config", path)
        self.assertEqual(named.returncode, OK, named)
        self.assertEqual(run("check-config").returncode, OK)

    def test_flags_are_stronger_than_environment_and_file(self):
        path = self.write("[server]\nlisten = \"127.0.0.1:1\"\n[storage]\ndata = \"from-file\"\n")
        server = Server(arguments=["--config", str(path)],
                        env={"PAYONCE_SERVER_LISTEN": "127.0.0.1:2",
                             "PAYONCE_STORAGE_DATA": "from-environment"})
        self.addCleanup(server.close)
        server.start()
        self.assertTrue(server.data.exists())
        self.assertFalse((server.folder / "from-file").exists())
        self.assertFalse((server.folder / "from-environment").exists())

    def test_the_environment_configures(self):
        server = self.start(env={"PAYONCE_PAYMENTS_CURRENCY": "EUR"})
        with server.client() as client:
            self.assertEqual(client.post("/v1/accounts", {}).json["currency"], "EUR")

    def test_a_foreign_variable_of_the_environment_does_not_matter(self):
        self.start(env={"PAYONCE_BIN": "x", "PAYONCE_SEED": "1"})

    def test_listening_beyond_loopback_needs_a_word(self):
        for address in ("0.0.0.0:0", "[::]:0"):
            with self.subTest(address=address):
                result = run("serve", "--data", self.folder / "data", "--listen", address)
                self.assert_refused(result, USAGE, "auth.allow_anonymous")
        for address in ("127.0.0.1", ":0", "127.0.0.1:x", "127.0.0.1:99999", "example:1", ""):
            with self.subTest(address=address):
                result = run("serve", "--data", self.folder / "data", "--set",
                             f"server.listen={address}")
                self.assertEqual(result.returncode, USAGE, result)

    def test_an_address_in_use_is_refused(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            result = run("serve", "--data", self.folder / "data", "--listen", address)
            self.assertNotEqual(result.returncode, OK, result)
            self.assertIn(address, result.stderr)

    def test_two_servers_never_share_a_port(self):
        first = self.start()
        result = run("serve", "--data", self.folder / "other", "--listen",
                     f"127.0.0.1:{first.port}")
        self.assertNotEqual(result.returncode, OK, result)
        self.assertIn(str(first.port), result.stderr)


class Usage(CliCase):
    def test_help_explains(self):
        for arguments in (["--help"], ["serve", "--help"], ["check-config", "--help"]):
            with self.subTest(arguments=arguments):
                result = run(*arguments)
                self.assertEqual(result.returncode, OK, result)
                self.assertTrue(result.stdout.strip())
        self.assertIn("serve", run("--help").stdout)

    def test_wrong_usage_is_exit_2(self):
        for arguments in ([], ["nonsense"], ["serve", "--nonsense"], ["serve", "extra"],
                          ["serve", "--data"], ["--set", "a=b"]):
            with self.subTest(arguments=arguments):
                result = run(*arguments, cwd=self.folder)
                self.assertEqual(result.returncode, USAGE, result)
                self.assertTrue(result.stderr.strip() or result.stdout.strip())

    def test_version(self):
        result = run("version")
        self.assertEqual(result.returncode, OK, result)
        self.assertRegex(result.stdout, r"payonce \d+\.\d+\.\d+")

    def test_version_over_http_is_the_same(self):
        number = re.search(r"\d+\.\d+\.\d+\S*", run("version").stdout)[0]
        with self.start().client() as client:
            answer = client.get("/version")
            self.assertEqual(answer.status, 200)
            self.assertIn(number, json.dumps(answer.json))

    def test_licenses_name_every_library_with_its_text(self):
        text = run("version", "--licenses").stdout
        manifest = (ROOT / "third_party" / "manifest.txt").read_text()
        components = set(re.findall(r"^component = (.+)$", manifest, re.MULTILINE))
        self.assertGreaterEqual(len(components), 5)
        for component in components:
            with self.subTest(component=component):
                self.assertIn(component, text)
        for words in ("Permission is hereby granted", "Apache License", "OpenLDAP Public License",
                      "WITHOUT WARRANTY"):
            self.assertIn(words.lower(), text.lower())


class DataDirectory(CliCase):
    def loaded(self, **options):
        """A server that has moved some money, and what it then said about it."""
        server = self.start(settings=[QUICK_RETRY, *options.pop("settings", ())], **options)
        with server.client() as client:
            account_id = self.open_account(client, "10.00", id="rich")
            self.pay_and_finish(client, account_id, "4.00", id="paid")
        return server, self.picture(server)

    def picture(self, server):
        with server.client() as client:
            return (self.account(client, "rich"), self.payment(client, "paid"),
                    self.transfers(client, "rich"), self.assert_balanced(client),
                    self.every(client, "/v1/payments/paid/events"))

    def refused_start(self, server):
        server.launch()
        code = server.wait_exit()
        return code, server.log_text()

    def test_a_second_server_is_refused_by_name(self):
        first, before = self.loaded()
        result = run("serve", "--data", first.data, "--listen", "127.0.0.1:0")
        self.assert_refused(result, DATA, first.data, first.pid)
        self.assertEqual(self.picture(first), before)
        first.kill()
        first.start()
        self.assertEqual(self.picture(first), before)

    def test_a_second_server_through_another_name_is_refused_too(self):
        first = self.start()
        link = self.folder / "link"
        link.symlink_to(first.data)
        result = run("serve", "--data", link, "--listen", "127.0.0.1:0")
        self.assert_refused(result, DATA, first.pid)

    def test_many_servers_at_once_leave_one(self):
        servers = [Server(data=self.folder / "data") for _ in range(4)]
        for server in servers:
            self.addCleanup(server.close)
            server.launch()
        wait_until(lambda: sum(server.running for server in servers) == 1, "one is left")
        for server in servers:
            if not server.running:
                self.assertEqual(server.process.returncode, DATA, server.log_text())
        winner = next(server for server in servers if server.running)
        winner.wait_ready()

    def test_a_damaged_log_file_is_refused(self):
        server, _ = self.loaded()
        server.terminate()
        path = server.data / "log" / "data.mdb"
        good = path.read_bytes()
        for what, bad in (("zeros", b"\0" * len(good)), ("noise", os.urandom(len(good))),
                          ("text", b"this is no database\n" * 1000), ("short", good[:5000]),
                          ("no meta pages", b"\xff" * 8192 + good[8192:])):
            with self.subTest(what=what):
                path.write_bytes(bad)
                code, text = self.refused_start(server)
                self.assertEqual(code, DATA, text)
                self.assertIn(str(server.data), text)
                self.assertEqual(path.read_bytes(), bad, "the damaged file was touched")
        path.write_bytes(good)
        server.start()
        self.assertEqual(self.picture(server)[0]["available"], "6.00")

    def test_an_altered_record_is_refused(self):
        """A wrong byte in an event that a recovery has to read. The state is not what is wrong."""
        server, before = self.loaded(settings=["storage.checkpoint_interval=1h"])
        with server.client() as client:  # nothing here asks for a checkpoint
            self.pay(client, "rich", "1.00", id="late")
            late = self.finished(client, "late")
        server.kill()
        log, state = (server.data / name / "data.mdb" for name in ("log", "state"))
        good, good_state = log.read_bytes(), state.read_bytes()
        # The file may hold older copies of a page: all are altered.
        bad = good.replace(b"mock_late", b"Mock_late")
        self.assertNotEqual(bad, good)
        log.write_bytes(bad)
        code, text = self.refused_start(server)
        self.assertEqual(code, DATA, text)
        self.assertRegex(text, "checksum|damaged|corrupt")
        self.assertEqual(log.read_bytes(), bad, "the damaged log was touched")
        # The state is a fold of the good part, and may be the last there is of it.
        self.assertNotIn("state_rebuilt", text)
        self.assertIn(b"mock_paid", state.read_bytes())
        log.write_bytes(good)
        state.write_bytes(good_state)
        server.start()
        with server.client() as client:
            self.assertEqual(self.payment(client, "late"), late)
            self.assertEqual(self.payment(client, "paid"), before[1])
            self.assertEqual(self.account(client, "rich")["available"], "5.00")

    def test_a_lost_or_damaged_state_is_made_again_from_the_log(self):
        server, before = self.loaded()
        state = server.data / "state"
        for what in ("lost", "zeros", "noise", "text", "empty", "short"):
            with self.subTest(what=what):
                server.terminate()
                path = state / "data.mdb"
                size = path.stat().st_size
                if what == "lost":
                    shutil.rmtree(state)
                else:
                    path.write_bytes({"zeros": b"\0" * size, "noise": os.urandom(size),
                                      "text": b"no database\n" * 999, "empty": b"",
                                      "short": path.read_bytes()[:5000]}[what])
                server.start()
                self.assertEqual(self.picture(server), before)

    def test_a_state_of_another_log_is_not_believed(self):
        one, before = self.loaded()
        two = self.start(settings=[QUICK_RETRY])
        with two.client() as client:
            self.open_account(client, "77.00", id="rich")
            self.open_account(client, "1.00", id="other")
        one.terminate()
        two.terminate()
        shutil.rmtree(one.data / "state")
        shutil.copytree(two.data / "state", one.data / "state")
        one.launch()
        wait_until(lambda: not one.running or one.log_lines("ready"), "it is ready or refused")
        if one.running:  # a refusal is as good as a fresh fold
            one.wait_ready()
            self.assertEqual(self.picture(one), before)
        else:
            self.assertEqual(one.process.returncode, DATA, one.log_text())

    def test_an_unusable_directory_is_refused(self):
        """Below a regular file nobody can make a directory, not even root."""
        in_the_way = self.write("a file", "file")
        for data in (in_the_way, in_the_way / "data"):
            with self.subTest(data=data):
                result = run("serve", "--data", data, "--listen", "127.0.0.1:0")
                self.assertNotEqual(result.returncode, OK)
                self.assert_refused(result, result.returncode, in_the_way)
        self.assertEqual(in_the_way.read_text(), "a file")
        result = run("serve", "--data", "/proc/payonce", "--listen", "127.0.0.1:0")
        self.assert_refused(result, result.returncode, "/proc/payonce")
        self.assertNotEqual(result.returncode, OK)

    def test_a_directory_with_other_things_in_it_keeps_them(self):
        data = self.folder / "data"
        data.mkdir()
        (data / "notes.txt").write_text("mine")
        server = Server(data=data)
        self.addCleanup(server.close)
        server.start()
        server.terminate()
        self.assertEqual((data / "notes.txt").read_text(), "mine")

    def test_a_foreign_log_directory_is_refused(self):
        for name, text in (("log", "a file\n"), ("state", "a file\n")):
            with self.subTest(name=name):
                data = self.folder / name
                data.mkdir()
                (data / name).write_text(text)
                result = run("serve", "--data", data, "--listen", "127.0.0.1:0")
                self.assertNotEqual(result.returncode, OK, result)
                self.assertIn(str(data), result.stderr)
                self.assertEqual((data / name).read_text(), text)

    def test_a_malformed_gateway_journal_is_refused(self):
        journal = self.write("not json\n", "journal")
        result = self.serve("--set", f"gateway.journal={journal}")
        self.assertNotEqual(result.returncode, OK)
        self.assertIn(str(journal), result.stderr)


class Signals(CliCase):
    def test_sigterm_and_sigint_end_with_0_and_keep_everything(self):
        server = self.start(settings=[QUICK_RETRY])
        with server.client() as client:
            account_id = self.open_account(client, "10.00")
            payment = self.pay_and_finish(client, account_id, "4.00")
        for how in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            with self.subTest(how=how):
                self.assertEqual(server.terminate(how), OK)
                server.start()
                with server.client() as client:
                    self.assertEqual(self.payment(client, payment["id"]), payment)
                    self.assertEqual(self.account(client, account_id)["available"], "6.00")
                    self.assert_balanced(client)

    def test_open_payments_go_on_after_the_restart(self):
        retry = 'gateway.retry={initial_interval="300ms",maximum_interval="300ms"}'
        server = self.start(settings=[retry, "gateway.latency=100ms"])
        with server.client() as client:
            account_id = self.open_account(client, "10.00")
            ids = [self.pay(client, account_id, "1.00", method)["id"]
                   for method in ("pm_ok", "pm_flaky_2", "pm_decline", "pm_flaky_1", "pm_ok")]
        self.assertEqual(server.terminate(), OK)
        server.start()
        with server.client() as client:
            statuses = [self.finished(client, payment_id)["status"] for payment_id in ids]
            self.assertEqual(statuses, ["success", "success", "fail", "success", "success"])
            self.assertEqual(self.account(client, account_id)["available"], "6.00")

    def test_requests_in_progress_are_answered_or_refused_while_draining(self):
        """No answer may be lost that was given, and none given that is lost."""
        server = self.start(settings=[QUICK_RETRY])
        acknowledged, stop = [], threading.Event()
        with server.client() as client:
            account_id = self.open_account(client, "1000.00")

        def work():
            with server.client() as client:
                body = {"user_id": account_id, "amount": "0.01", "payment_method": "pm_ok"}
                while not stop.is_set():
                    try:
                        answer = client.post("/v1/payments", body)
                    except OSError:
                        return
                    if answer.status in (201, 202):
                        acknowledged.append(answer.json["id"])
                    elif answer.status == 503:
                        return
                    else:
                        raise AssertionError(str(answer))
        threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(acknowledged) > 100, "some payments are acknowledged")
        code = server.terminate()
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(code, OK)
        server.start()
        with server.client() as client:
            for payment_id in acknowledged:
                self.assertEqual(self.finished(client, payment_id)["status"], "success")
            self.assert_account_adds_up(client, account_id)

    def test_a_signal_in_the_middle_of_the_start_ends_it(self):
        """As soon as it listens, the moment when its threads are just coming up."""
        server = Server()
        self.addCleanup(server.close)
        for number in range(20):
            server.launch()
            if number % 2 == 0:
                wait_until(server.listening_port, "it listens", poll=0.0001)
            else:
                time.sleep(number * 0.0005)
            # Before it takes signals into its own hands, one simply ends it.
            self.assertIn(server.terminate(timeout=4 * SLOWNESS), (OK, -signal.SIGTERM))
        server.start()

    def test_a_second_signal_does_no_harm(self):
        server = self.start()
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait_exit(), OK)

    def test_sighup_does_not_end_it(self):
        path = self.write("[log]\nlevel = \"info\"\n")
        server = self.start(arguments=["--config", str(path)])
        path.write_text("[log]\nlevel = \"debug\"\n")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.log_lines("reloaded"), "it says that it has reread the file")
        path.write_text("[log]\nlevle = 1\n")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.log_lines("reload_refused"), "it refuses the broken file")
        with server.client() as client:
            self.assert_status(client.get("/readyz"), 200)

    def test_clients_that_stay_connected_do_not_hold_up_the_end(self):
        """Idle ones not at all; those in mid-request no longer than server.drain_timeout."""
        whole = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
        for sent, seconds in ((b"", 3), (whole, 3), (whole[:-2], 5 + 3)):
            with self.subTest(sent=sent):
                server = self.start()
                connections = [server.client().open_raw() for _ in range(10)]
                for connection in connections:
                    connection.sendall(sent)
                    if sent == whole:
                        self.assertIn(b"200 OK", connection.recv(65536))
                begin = time.monotonic()
                self.assertEqual(server.terminate(), OK)
                self.assertLess(time.monotonic() - begin, seconds * SLOWNESS)
                for connection in connections:
                    connection.close()


class Health(CliCase):
    def test_health_routes(self):
        with self.start().client() as client:
            for path in ("/livez", "/readyz", "/healthz", "/health"):
                with self.subTest(path=path):
                    answer = self.assert_status(client.get(path), 200)
                    self.assertTrue(answer.header("X-Request-Id"))
            self.assertEqual(client.get("/health").json, {"status": "ok"})

    def test_healthcheck_says_by_its_exit_code(self):
        server = self.start()
        address = f"127.0.0.1:{server.port}"
        result = run("healthcheck", "--listen", address)
        self.assertEqual(result.returncode, OK, result)
        self.assertEqual(run("healthcheck", env={"PAYONCE_SERVER_LISTEN": address}).returncode, OK)
        server.terminate()
        result = run("healthcheck", "--listen", address)
        self.assertEqual(result.returncode, FAILED, result)
        self.assertTrue(result.stderr.strip())
        self.assertEqual(run("healthcheck", "--listen", "nonsense").returncode, USAGE)

    def test_a_recovering_server_lives_and_is_not_ready(self):
        """Whatever it is asked before it is ready, it says so. The recovery may be quick."""
        server = self.start(settings=["gateway.calls_max=1", "gateway.latency=60s"])
        with server.client() as client:
            account_id = self.open_account(client, "1000.00")
            for _ in range(2000):
                self.pay(client, account_id, "0.01")
        server.kill()
        shutil.rmtree(server.data / "state")
        server.launch()
        server.port = wait_until(server.listening_port, "it listens", poll=0.0001)
        seen = 0
        with server.client() as client:
            while client.get("/readyz").status == 503:
                seen += 1
                for answer in (client.get("/readyz"), client.post("/v1/accounts", {}),
                               client.get(f"/v1/accounts/{account_id}")):
                    if answer.status not in (200, 201):
                        self.assert_problem(answer, 503, "not_ready")
                self.assert_status(client.get("/livez"), 200)
            print(f"not ready {seen} times", flush=True)
            self.assertEqual(self.account(client, account_id)["held"], "20.00")

    def test_every_line_of_the_log_is_json(self):
        server = self.start(settings=[QUICK_RETRY, "log.level=debug", "log.access=true"])
        with server.client() as client:
            account_id = self.open_account(client, "10.00")
            self.pay_and_finish(client, account_id)
            client.get("/nowhere\"\\")
        server.terminate()
        lines = server.log_text().splitlines()
        self.assertGreater(len(lines), 3)
        for line in lines:
            entry = json.loads(line)
            self.assert_members(entry, {"ts", "level", "event"})


if __name__ == "__main__":
    unittest.main()
