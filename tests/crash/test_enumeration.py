"""kill -9 right before and right after each system call by which the server writes or speaks.

The calls are counted over a fixed piece of business that goes through the sagas (every_saga.py),
from an empty directory to a stop by SIGTERM. After each kill the server is started again on the
same data, the business goes on to its end, and the books are compared.

Without further words some kills are made, spread evenly. PAYONCE_CRASH_ALL=1 makes all of them,
before and after each call, until a run ends without having met its call, or fails; PAYONCE_CRASH_AT=N-before
or N-after makes that one. Which call is the N-th differs a little from run to run: threads and time
are real. So some of the last may not be reached; one of the first half that is not, one that was
named and is not, and a business that lacks calls of some kind, are failures.
"""

import collections
import os
import pathlib
import random
import re
import struct
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from every_saga import Market
from support.server import SLOWNESS

KILLS = 60 if SLOWNESS == 1 else 6
# Runs differ by looks at what goes on, each of which is a call.
SURE_PART = 0.5
# How often the business makes calls of each kind at least, whatever the C library calls them.
CALLS_MIN = {
    "write": 50,
    "fdatasync": 10,
    "fsync of a directory": 2,
    "rename": 1,
    "send": 50,
}
# trace_format.h: kind, durable, call, file, offset, size; what each kind is called here.
HEAD = struct.Struct("=IIQQQQ")
NAMES = {2: "write", 4: "fdatasync", 5: "fsync of a directory", 6: "rename", 7: "send"}


def recorded(trace):
    """How many calls of each kind are in it, those with a name above."""
    counts = collections.Counter()
    content, at = trace.read_bytes(), 0
    while at < len(content):
        kind, *_, size = HEAD.unpack_from(content, at)
        counts[NAMES.get(kind)] += 1
        at += HEAD.size + size
    return counts


class Enumeration(unittest.TestCase):
    def setUp(self):
        self.market = Market()
        self.addCleanup(self.market.close)

    def run_once(self, *tracer_arguments):
        """What the tracer says of one run whose outcome is right."""
        business = self.market.business(tracer_arguments)
        try:
            business.run_it()
            business.audit()
            words = business.server.tracer_words()
            self.assertEqual(business.deaths, words["killed"] != "nothing")
            return words
        except BaseException:
            print(f"the run of {' '.join(tracer_arguments)} failed; its log ends with\n"
                  + business.server.log_tail(), flush=True)
            raise
        finally:
            business.close()

    def kill_at(self, number, when):
        """Whether there was such a call; None when the run failed, which is told at the end."""
        with self.subTest(PAYONCE_CRASH_AT=f"{number}-{when}"):
            words = self.run_once("--kill", str(number), f"--{when}")
            if words["killed"] == "nothing":
                self.calls_seen = int(words["calls"])
                return False
            kind = words["killed"].split(":")[0]
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
            return True
        return None

    def must_kill_at(self, number, when):
        reached = self.kill_at(number, when)
        with self.subTest(PAYONCE_CRASH_AT=f"{number}-{when}"):
            self.assertIsNot(reached, False, "kill point not reached")
        return reached

    def test_killed_at_the_calls_that_matter(self):
        self.kinds = {}
        began = time.monotonic()
        named = os.environ.get("PAYONCE_CRASH_AT")
        if named:
            found = re.fullmatch("([1-9][0-9]*)-(before|after)", named)
            self.assertTrue(found, f"PAYONCE_CRASH_AT={named}: want N-before or N-after, N from 1")
            self.must_kill_at(int(found[1]), found[2])
        elif os.environ.get("PAYONCE_CRASH_ALL"):
            self.all_of_them()
        else:
            self.some_of_them()
        print(f"killed {sum(self.kinds.values())} times in {time.monotonic() - began:.0f} s: "
              f"{dict(sorted(self.kinds.items()))}", flush=True)

    def calls_without_a_kill(self):
        """How many there are, once each kind that matters is known to be among them."""
        trace = self.market.folder / "trace"
        self.run_once("--record", str(trace))
        counts = recorded(trace)
        trace.unlink()
        for name, least in CALLS_MIN.items():
            self.assertGreaterEqual(counts[name], least, f"calls of the kind {name}: {counts}")
        return int(self.run_once()["calls"])  # nothing that writes down makes it slower

    def all_of_them(self):
        sure = int(SURE_PART * self.calls_without_a_kill())
        for when in ("before", "after"):
            number = 1
            while reached := self.kill_at(number, when):
                number += 1
                if number % 50 == 0:
                    print(f"{when}: {number} calls", flush=True)
            if reached is None:
                return  # the first failure ends it
            self.assertGreater(number, sure, f"kill point {number}-{when} not reached")
            print(f"{when}: all of {number - 1} calls", flush=True)

    def some_of_them(self):
        calls = self.calls_without_a_kill()
        stride = max(1, 2 * calls // KILLS)
        start = random.SystemRandom().randrange(stride)
        print(f"{calls} calls; every {stride}-th of {2 * calls} moments from {start} on",
              flush=True)
        for moment in range(start, 2 * calls, stride):
            number, when = moment // 2 + 1, ("before", "after")[moment % 2]
            if number <= SURE_PART * calls:
                self.must_kill_at(number, when)
            elif self.kill_at(number, when) is False:
                print(f"{number}-{when}: there were {self.calls_seen} calls this time", flush=True)


if __name__ == "__main__":
    unittest.main()
