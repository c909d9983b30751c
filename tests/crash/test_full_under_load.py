"""No more room while many clients pay: work is refused, or the process ends and says why.

What was acknowledged is there afterwards, and with more room it goes on.
"""

import os
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.load import QUIET, LoadCase
from support.server import QUICK_RETRY, Server, wait_until
from support.small_disk import SmallDisk

LONG = bool(os.environ.get("PAYONCE_SOAK"))
BEFORE = 1000 if LONG else 60  # payments that are acknowledged before the disk is full
MIB = 1 << 20


class FullCase(LoadCase):
    def make(self, *settings, **options):
        server = Server(settings=[QUICK_RETRY, QUIET, "storage.checkpoint_interval=20ms",
                                  *settings], **options)
        self.addCleanup(server.close)
        return server

    @staticmethod
    def refused(load):
        return any(answer.json["code"] == "storage_full" for answer in list(load.shed))


class Map(FullCase):
    def test_at_its_bound_it_refuses_or_ends_and_goes_on_with_a_larger_one(self):
        for key in ("storage.log_map_size", "storage.state_map_size"):
            with self.subTest(key=key):
                server = self.make(f"{key}=2MiB").start()
                load = self.load(server)
                wait_until(lambda: self.refused(load) or not load.going(), "no more is taken")
                load.stop()
                self.assertGreater(len(load.acknowledged), 10)
                if self.refused(load):
                    server.kill()
                else:
                    self.assert_stopped_for(server, "storage_failed", "(?i)full")
                server.settings[-1] = f"{key}=1GiB"
                self.recover(server, load)


class Disk(FullCase):
    def start(self, *settings):
        self.disk = SmallDisk(self)
        server = self.make("storage.allocate_ahead=0B", *settings, folder=self.disk.folder,
                           data=self.disk.path / "data")
        return server.start()

    def test_with_little_space_it_refuses_and_goes_on_when_there_is_more(self):
        server = self.start("storage.free_bytes_min=8MiB")
        load = self.load(server)
        load.wait_acknowledged(BEFORE)
        ballast = self.disk.use_up(leave=7 * MIB)
        wait_until(lambda: self.refused(load), "new work is refused")
        ballast.unlink()
        load.wait_acknowledged(BEFORE)
        load.stop()
        self.assert_recovered(server, load)
        server.kill()
        self.recover(server, load)

    def test_without_space_it_ends_and_loses_nothing(self):
        server = self.start("storage.free_bytes_min=0B")
        load = self.load(server)
        load.wait_acknowledged(BEFORE)
        ballast = self.disk.fill_up()
        load.join()
        # LMDB calls a write that was cut short an I/O error.
        self.assert_stopped_for(server, "storage_failed", "No space left|Input/output error")
        ballast.unlink()
        self.recover(server, load)


if __name__ == "__main__":
    unittest.main()
