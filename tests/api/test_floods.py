"""More connections than there is room for, and trouble with accepting them."""

import contextlib
import pathlib
import resource
import select
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import strace
from support.http_client import parse_answer, receive_until
from support.misuse import (KIB_MAX, MisuseCase, anonymous_kib, closed, descriptors,
                            request, reset)
from support.server import SANITIZER, SLOWNESS, Server, wait_until

IDLE = 2000
IDLE_KIB_MAX = 16  # of memory for each idle connection that has been used


class FloodCase(MisuseCase):
    settings = ()

    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, IDLE + 500), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        server = Server(settings=self.settings)
        self.addCleanup(server.close)
        self.serve(server.start())
        self.open_before = descriptors(server.pid)

    def assert_all_closed(self):
        wait_until(lambda: descriptors(self.server.pid) <= self.open_before,
                   "the server has closed its ends")

    def hold(self, count):
        """That many connections, which close at the end of the test."""
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        return [stack.enter_context(self.client.open_raw()) for _ in range(count)]

    def answered(self, connection):
        connection.sendall(request(b"GET /livez HTTP/1.1"))
        receive_until(connection, lambda got: got.endswith(b'{"status":"ok"}'))


class TooMany(FloodCase):
    settings = ("server.connections_max=60",)

    def test_those_too_many_are_told_and_the_others_served(self):
        held = self.hold(300)
        refused = [connection for connection in held
                   if select.select([connection], [], [], 0)[0]]
        wait_until(lambda: descriptors(self.server.pid) <= self.open_before + 60,
                   "those too many are closed")
        self.ordinary.served()
        for connection in refused:
            answer = parse_answer(closed(connection))
            self.assert_problem(answer, 503, "overloaded")
            self.assertEqual(answer.header("Connection"), "close")
        served = [connection for connection in held if connection not in refused]
        for connection in served[:40]:
            self.answered(connection)
        for connection in held:
            connection.close()
        self.assert_all_closed()
        for connection in self.hold(40):
            self.answered(connection)


class Quick(FloodCase):
    def test_connections_that_open_and_close_leave_nothing_behind(self):
        memory = anonymous_kib(self.server.pid)
        data = request(b"GET /livez HTTP/1.1")
        for number in range(3000):
            connection = self.client.open_raw()
            if number % 3:
                connection.sendall(data[:number % len(data)])
            if number % 2:
                reset(connection)
            else:
                connection.close()
        self.ordinary.served()
        self.assert_all_closed()
        self.assertLess(anonymous_kib(self.server.pid), memory + KIB_MAX)

    def test_two_thousand_idle_connections_cost_little(self):
        memory = anonymous_kib(self.server.pid)
        idle = self.hold(IDLE)
        for connection in idle:
            connection.sendall(request(b"GET /livez HTTP/1.1"))
        for connection in idle:
            receive_until(connection, lambda got: got.endswith(b'{"status":"ok"}'))
        self.ordinary.served()
        grown = anonymous_kib(self.server.pid) - memory
        if not SANITIZER:  # which has stacks of its own for each of ours
            self.assertLess(grown, IDLE * IDLE_KIB_MAX)
        for connection in idle:
            connection.close()
        self.assert_all_closed()


class Accepting(FloodCase):
    """Errors of accept() neither end the process nor keep it busy."""

    def test_without_descriptors_others_are_served_and_new_ones_later(self):
        pid = self.server.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        used = max(int(path.name) for path in pathlib.Path(f"/proc/{pid}/fd").iterdir()) + 1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 5, before[1]))
        held = self.hold(40)
        wait_until(lambda: self.server.log_lines("accept_pauses"), "no more are accepted")
        self.assertIn("Too many open files", self.server.log_lines("accept_pauses")[0]["why"])
        self.ordinary.served()
        for connection in held[:30]:
            connection.close()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        for connection in held[30:]:
            self.answered(connection)

    def test_no_error_of_accept_ends_or_busies_the_server(self):
        if strace.unavailable():
            print(f"skipped: no faults can be injected: {strace.unavailable()}", flush=True)
            self.skipTest(strace.unavailable())
        for error in ("EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "ECONNABORTED", "EPROTO", "EPERM",
                      "ENETDOWN", "EHOSTUNREACH", "EINTR", "EAGAIN"):
            with self.subTest(error=error):
                with strace.Fault(self.server.pid, f"accept4:error={error}") as fault:
                    # The call that is in progress was made before; its successors fail.
                    first = self.hold(1)[0]
                    fault.wait_injected(3)
                    self.ordinary.served()
                    second = self.hold(1)[0]
                # Ten a second is what it should be; a busy loop makes many thousands.
                self.assertLess(fault.lines.count("INJECTED"), 400 * SLOWNESS)
                self.answered(first)
                self.answered(second)
        self.assertTrue(self.server.running)


if __name__ == "__main__":
    unittest.main()
