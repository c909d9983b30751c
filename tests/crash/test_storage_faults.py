"""Errors of the disk under load: the process ends at once and says why, or works on without harm.

Whatever LMDB could not write or sync is unknown from then on, so the first error of a commit is
the last thing that the process sees: it is never repeated. What was acknowledged before is there
after a start without the fault.
"""

import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import strace
from support.load import QUIET, LoadCase
from support.server import QUICK_RETRY, Server

LONG = bool(os.environ.get("PAYONCE_SOAK"))
BEFORE = 2000 if LONG else 60  # payments that are acknowledged before the fault
NO_ZEROS = "storage.allocate_ahead=0B"


class FaultCase(LoadCase):
    def setUp(self):
        if strace.unavailable():
            print(f"skipped: no faults can be injected: {strace.unavailable()}", flush=True)
            self.skipTest(strace.unavailable())

    def start(self, *settings):
        server = Server(settings=[QUICK_RETRY, QUIET, "storage.checkpoint_interval=20ms",
                                  *settings])
        self.addCleanup(server.close)
        return server.start()

    @staticmethod
    def file(server, store):
        return server.data / store / "data.mdb"


class FailStop(FaultCase):
    def assert_ends(self, store, rule, why, times):
        with self.subTest(store=store, rule=rule):
            server = self.start(NO_ZEROS)
            load = self.load(server)
            load.wait_acknowledged(BEFORE)
            with strace.Fault(server.pid, rule, self.file(server, store)) as fault:
                self.assert_stopped_for(server, "storage_failed", why)
                load.stop()
            self.assertLessEqual(fault.lines.count("INJECTED"), times, fault.lines)
            self.recover(server, load)

    def test_a_log_that_cannot_be_synced(self):
        for error, why in (("EIO", "Input/output error"), ("ENOSPC", "No space left"),
                           ("EDQUOT", "quota")):
            self.assert_ends("log", f"fdatasync:error={error}", f"commit to the log.*{why}", 1)

    def test_a_log_that_cannot_be_written(self):
        # Once for a page; or for the page that names the newest commit, which LMDB then tries to
        # put back as it was.
        for rule, why in (("pwrite64,pwritev:error=EIO", "Input/output error"),
                          ("pwrite64,pwritev:error=ENOSPC", "No space left"),
                          ("pwrite64,pwritev:error=EROFS", "Read-only"),
                          ("pwrite64,pwritev:retval=1", "Input/output error|space")):
            self.assert_ends("log", rule, f"commit to the log.*({why})", 2)

    def test_a_state_that_cannot_be_synced_or_written(self):
        for rule, why in (("fdatasync:error=EIO", "Input/output error"),
                          ("pwrite64,pwritev:error=ENOSPC", "No space left")):
            self.assert_ends("state", rule, why, 2)

    def test_an_error_of_a_sync_of_zeros_counts_as_one_of_a_commit(self):
        """The kernel tells each error once, and this one may have been about a commit's pages."""
        server = self.start(NO_ZEROS)
        load = self.load(server)
        load.wait_acknowledged(BEFORE)
        load.stop()
        self.assert_recovered(server, load)
        self.assertEqual(server.terminate(), 0)
        # Nothing is open, so nobody commits to the log when the server starts again: the first sync
        # is that of zeros.
        server.settings[-1] = "storage.allocate_ahead=1MiB"
        command = server.command
        server.command = lambda: [
            *strace.from_the_start("fdatasync:error=EIO", self.file(server, "log")), *command()]
        server.launch()
        self.assert_stopped_for(server, "storage_failed", "sync zeros: Input/output error")
        server.command = command
        self.recover(server, load)


class GoOn(FaultCase):
    def test_without_room_for_zeros_commits_go_on(self):
        # Zeros are written at a checkpoint; the first one is made for the list below, while nobody
        # commits to the log.
        server = self.start("storage.allocate_ahead=1MiB", "storage.checkpoint_interval=1h")
        with server.client() as client:
            self.open_account(client)
            with strace.Fault(server.pid, "pwrite64:error=ENOSPC",
                              self.file(server, "log")) as fault:
                self.assert_status(client.get("/v1/accounts"), 200)
                fault.wait_injected()
            self.assertEqual(len(server.log_lines("allocate_ahead_failed")), 1)
        load = self.load(server)
        load.wait_acknowledged(BEFORE)
        load.stop()
        self.assert_recovered(server, load)
        server.kill()
        self.recover(server, load)

    def test_a_slow_log_slows_clients_and_loses_nothing(self):
        for settings in ((), ("engine.inbox_max=2", "server.threads=1")):
            with self.subTest(settings=settings):
                server = self.start(NO_ZEROS, *settings)
                load = self.load(server, clients=24)
                with strace.Fault(server.pid, "fdatasync:delay_enter=50000",
                                  self.file(server, "log")) as fault:
                    fault.wait_injected(3)
                    load.wait_acknowledged(BEFORE)
                    with server.client() as client:
                        self.assert_status(client.get("/livez"), 200)
                        self.assert_balanced(client)
                load.stop()
                self.assert_recovered(server, load)
                server.kill()
                self.recover(server, load)

    def test_a_slow_state_holds_no_payment_up(self):
        server = self.start()
        load = self.load(server)
        with strace.Fault(server.pid, "fdatasync:delay_enter=300000",
                          self.file(server, "state")) as fault:
            fault.wait_injected(2)
            load.wait_acknowledged(BEFORE)
            with server.client() as client:
                self.assert_balanced(client)  # a list waits for it, and gets its answer
        load.stop()
        self.assert_recovered(server, load)
        server.kill()
        self.recover(server, load)


if __name__ == "__main__":
    unittest.main()
