"""Every state of the disk that a power cut may leave opens with all that was acknowledged.

A piece of business that goes through every saga is recorded: each write and each sync of the two
data files, and each message to the outside. power_cut draws moments and what of the writes under
way is there, whole, in part or out of order, and opens that. Some seeds are always the same ones,
others are new each time; a failure is repeated with PAYONCE_SEED=N only as far as the recorded
run is the same, so the trace of a failed run is kept and named.

PAYONCE_POWER_CUTS=N asks for N new ones.
"""

import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from every_saga import Market, tool
from support.server import SLOWNESS

FIXED = 500 if SLOWNESS == 1 else 50
FRESH = int(os.environ.get("PAYONCE_POWER_CUTS") or FIXED)
CUTS_S = 240 * SLOWNESS + FRESH


class PowerCut(unittest.TestCase):
    def setUp(self):
        self.market = Market()
        self.addCleanup(self.market.close)
        memory = pathlib.Path("/dev/shm")
        self.scratch = pathlib.Path(tempfile.mkdtemp(
            prefix="payonce-cut-", dir=memory if os.access(memory, os.W_OK) else None))
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)

    def record(self, *settings):
        """A trace of the whole business, and where its data was."""
        trace = self.scratch / "trace"
        business = self.market.business(("--record", str(trace)), settings)
        try:
            business.run_it()
            business.audit()
            self.assertEqual(business.deaths, 0)
        finally:
            business.close()
        return trace, business

    def open_states(self, trace, business, first, count, *words):
        return subprocess.run(
            [tool("power_cut"), str(trace), "--data", str(business.server.data), "--scratch",
             str(self.scratch), "--ids", business.name, "--from", str(first), "--count",
             str(count), *words], capture_output=True, text=True, timeout=CUTS_S, check=False)

    def cut(self, *settings):
        trace, business = self.record(*settings)
        seed = int(os.environ.get("PAYONCE_SEED") or random.SystemRandom().randrange(1000, 10**9))
        for first, count in ((1, FIXED), (seed, FRESH)):
            print(f"seeds: {first} to {first + count - 1}", flush=True)
            done = self.open_states(trace, business, first, count)
            print(done.stdout[-2000:], flush=True)
            if done.returncode != 0:
                kept = tempfile.mkdtemp(prefix="payonce-trace-")
                shutil.copy(trace, kept)
                self.fail(f"{done.stdout[:4000]}{done.stderr}\nthe trace is in {kept}; its data "
                          f"was in {business.server.data}, its ids begin with {business.name}")

    def test_with_blocks_that_are_allocated_ahead(self):
        self.cut()

    def test_with_files_that_grow_with_each_commit(self):
        self.cut("storage.allocate_ahead=0", "storage.checkpoint_interval=10ms")

    def test_a_disk_that_does_not_sync_is_found_out(self):
        """That states can fail at all: without syncs much that was acknowledged is lost."""
        trace, business = self.record()
        done = self.open_states(trace, business, 1, 100, "--disk", "lying")
        print(done.stdout.splitlines()[-1], flush=True)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertGreater(done.stdout.count("seed "), 20, done.stdout[:4000])


if __name__ == "__main__":
    unittest.main()
