"""Limits of the system, and signals, under load: work is shed or the process ends and says why.

Either way nothing that was acknowledged is lost, and a start without the limit goes on.
"""

import contextlib
import os
import pathlib
import resource
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import strace
from support.load import QUIET, LoadCase
from support.http_client import parse_answer
from support.misuse import request
from support.server import QUICK_RETRY, SANITIZER, SLOWNESS, Server, wait_until

LONG = bool(os.environ.get("PAYONCE_SOAK"))
MORE = 2000 if LONG else 60  # payments between two events
SMALL_MAPS = ("storage.log_map_size=64MiB", "storage.state_map_size=64MiB")
MIB = 1 << 20
ANSWER_S = 20 * SLOWNESS  # the longest wait for one of many answers


def thread_states(pid):
    """Where the threads of a process are, for who has to find out why it does not answer."""
    lines = []
    for task in sorted(pathlib.Path(f"/proc/{pid}/task").glob("*")):
        parts = [(task / name).read_text().strip() for name in ("comm", "wchan", "syscall")]
        lines.append(" ".join([task.name, *parts]))
    return "\n".join(lines) + "\n"


class LimitCase(LoadCase):
    def make(self, *settings):
        server = Server(settings=[QUICK_RETRY, QUIET, "storage.checkpoint_interval=20ms",
                                  *settings])
        self.addCleanup(server.close)
        return server

    @staticmethod
    def launch_under(server, *prefix):
        """Whether a server that is started by that command becomes ready; else it has ended."""
        command = server.command
        server.command = lambda: [*prefix, *command()]
        try:
            server.launch()
        finally:
            server.command = command
        wait_until(lambda: not server.running or server.log_lines("ready"),
                   "it is ready or has ended")
        return server.running

    def restart_and_recover(self, server, load):
        load.stop()
        if server.running:
            self.assert_recovered(server, load)
            server.kill()
        self.recover(server, load)


class Signals(LimitCase):
    def test_asked_to_end_it_ends_and_loses_nothing(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number):
                server = self.make().start()
                load = self.load(server)
                load.wait_acknowledged(MORE)
                self.assertEqual(server.terminate(number), 0)
                self.recover(server, load)

    def test_signals_that_mean_no_end_do_no_harm(self):
        server = self.make().start()
        load = self.load(server)
        for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGWINCH, signal.SIGCHLD,
                       signal.SIGURG, signal.SIGXFSZ):
            for _ in range(3):
                server.process.send_signal(number)
            load.wait_acknowledged(MORE)
        wait_until(lambda: server.log_lines("reloaded"), "it reloads")
        self.assertTrue(server.running, server.log_tail())
        self.restart_and_recover(server, load)

    def test_a_process_that_was_stopped_goes_on(self):
        server = self.make().start()
        load = self.load(server)
        for _ in range(20 if LONG else 3):
            load.wait_acknowledged(MORE)
            server.process.send_signal(signal.SIGSTOP)
            _, status = os.waitpid(server.pid, os.WUNTRACED)
            self.assertTrue(os.WIFSTOPPED(status))
            server.process.send_signal(signal.SIGCONT)
        load.wait_acknowledged(MORE)
        self.restart_and_recover(server, load)


class Files(LimitCase):
    def test_a_file_at_its_limit_stops_the_process_which_says_why(self):
        """Without care, SIGXFSZ would end it without a word."""
        server = self.make("storage.allocate_ahead=0B").start()
        load = self.load(server)
        load.wait_acknowledged(MORE)
        size = (server.data / "log/data.mdb").stat().st_size
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size + 64 * 1024, -1))
        load.join()
        self.assert_stopped_for(server, "storage_failed", "File too large|Input/output error")
        self.recover(server, load)

    def test_zeros_at_the_limit_of_a_file_are_done_without(self):
        server = self.make("storage.allocate_ahead=8MiB").start()
        file = server.data / "log/data.mdb"
        wait_until(lambda: file.stat().st_size > 8 * MIB, "the zeros are there")
        size = file.stat().st_size
        load = self.load(server)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size, -1))
        wait_until(lambda: server.log_lines("allocate_ahead_failed"), "there is no room")
        load.wait_acknowledged(1)
        self.assertTrue(server.running, server.log_tail())
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (-1, -1))
        load.wait_acknowledged(MORE)
        self.restart_and_recover(server, load)

    def test_with_few_descriptors_it_serves_or_says_why_not(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        # A sanitizer opens some of its own, and ends the process when it cannot.
        for count in (64, 300) if SANITIZER else (4, 8, 12, 16, 20, 24, 32, 64, 300):
            with self.subTest(count=count):
                server = self.make()
                if not self.launch_under(server, "prlimit", f"--nofile={count}:{count}"):
                    self.assertGreater(server.process.returncode, 0, server.log_tail())
                    self.assertIn("Too many open files", server.log_tail())
                    continue
                server.wait_ready()
                # The connection that asked whether it is ready may be the only one allowed.
                with server.client() as client:
                    wait_until(lambda: client.get("/livez").status == 200, "there is room")
                    self.open_account(client, "1.00")
                self.assertEqual(server.terminate(), 0)
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), (soft, hard))


@unittest.skipIf(SANITIZER, "a sanitizer starts threads of its own")
class Threads(LimitCase):
    def test_without_enough_threads_it_says_so_instead_of_starting(self):
        if strace.unavailable():
            print(f"skipped: no faults can be injected: {strace.unavailable()}", flush=True)
            self.skipTest(strace.unavailable())
        for nth in (1, 2, 9, 20):
            with self.subTest(nth=nth):
                server = self.make()
                self.assertFalse(self.launch_under(
                    server, *strace.from_the_start(f"clone3:error=EAGAIN:when={nth}+")))
                self.assertEqual(server.process.returncode, 2)
                why = server.log_lines("start_refused")[0]["why"]
                self.assertRegex(why, f"the system allows {nth - 1} of [0-9]+ threads")


class Memory(LimitCase):
    """Bodies that are never finished take all the memory there is."""

    @unittest.skipIf(SANITIZER, "a sanitizer ends the process itself when it gets no memory")
    def test_without_memory_it_sheds_or_ends_and_loses_nothing(self):
        for limit in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
            for spare in ((4, 8, 16, 24) if LONG else (8,)):
                with self.subTest(limit=limit, spare=spare):
                    self.run_out(limit, spare * MIB)

    def run_out(self, limit, spare):
        server = self.make(*SMALL_MAPS, "server.read_timeout=300ms").start()
        load = self.load(server, per_client=5000 if LONG else 300)
        load.wait_acknowledged(MORE)
        load.may_fail = True
        used = self.used(server, limit)
        resource.prlimit(server.pid, limit, (used + spare, -1))
        with contextlib.ExitStack() as stack:
            greedy = [stack.enter_context(server.client().open_raw()) for _ in range(40)]
            begin = request(b"POST /v1/accounts HTTP/1.1", b" " * 900_000, [
                b"Content-Type: application/json"])[:-1]
            for connection in greedy:
                connection.settimeout(ANSWER_S)
                with contextlib.suppress(OSError):  # it may be shed by now
                    connection.sendall(begin)
            refused = sum(self.refused(server, connection) for connection in greedy)
            if server.running:
                self.assertGreater(refused, 0, "there was memory enough")
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(server.pid, limit, (-1, -1))
        load.stop()
        try:
            with server.client() as client:
                client.get("/livez")
        except OSError:
            server.wait_exit()  # it had begun to end
        if not server.running:
            # RapidJSON does not look whether it got memory: that is a memory fault, rarely.
            self.assertIn(server.process.returncode, (1, -signal.SIGSEGV), server.log_tail())
            self.assertRegex(server.log_tail(),
                             "out_of_memory|storage_failed.*allocate memory|memory fault")
        self.restart_and_recover(server, load)

    def refused(self, server, connection):
        """Whether a request was not taken in for want of memory; that it is answered."""
        connection.settimeout(ANSWER_S)
        try:
            answer = parse_answer(connection.recv(65536))
        except TimeoutError:
            self.fail(f"no answer after {ANSWER_S} s:\n{thread_states(server.pid)}"
                      + server.log_tail())
        except ConnectionError:
            return True
        finally:
            connection.close()
        if answer is None or answer.status == 503:
            return True
        self.assertEqual(answer.status, 408, str(answer))
        return False

    @staticmethod
    def used(server, limit):
        name = "VmSize:" if limit == resource.RLIMIT_AS else "VmData:"
        for line in pathlib.Path(f"/proc/{server.pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"the kernel does not say {name}")


if __name__ == "__main__":
    unittest.main()
