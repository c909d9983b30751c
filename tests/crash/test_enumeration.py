"""kill -9 right before and right after each system call by which the server writes or speaks.

The calls are counted over a fixed piece of business that goes through every saga (every_saga.py),
from an empty directory to a stop by SIGTERM. After each kill the server is started again on the
same data, the business goes on to its end, and the books are compared.

Without further words some kills are made, spread evenly. PAYONCE_CRASH_ALL=1 makes all of them,
before and after each call, until a run ends without having met its call; PAYONCE_CRASH_AT=N-before
or N-after makes that one. Which call is the N-th differs a little from run to run: threads and time
are real.
"""

import os
import pathlib
import random
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from every_saga import Market
from support.server import SLOWNESS

KILLS = 100 if SLOWNESS == 1 else 6


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
        with self.subTest(PAYONCE_CRASH_AT=f"{number}-{when}"):
            words = self.run_once("--kill", str(number), f"--{when}")
            if words["killed"] != "nothing":
                kind = words["killed"].split(":")[0]
                self.kinds[kind] = self.kinds.get(kind, 0) + 1
            return words["killed"] != "nothing"
        return True  # it failed, and that is told at the end

    def test_killed_at_the_calls_that_matter(self):
        self.kinds = {}
        began = time.monotonic()
        named = os.environ.get("PAYONCE_CRASH_AT")
        if named:
            number, when = named.split("-")
            self.kill_at(int(number), when)
        elif os.environ.get("PAYONCE_CRASH_ALL"):
            self.all_of_them()
        else:
            self.some_of_them()
        print(f"killed {sum(self.kinds.values())} times in {time.monotonic() - began:.0f} s: "
              f"{dict(sorted(self.kinds.items()))}", flush=True)

    def all_of_them(self):
        for when in ("before", "after"):
            number = 1
            while self.kill_at(number, when):
                number += 1
                if number % 50 == 0:
                    print(f"{when}: {number} calls", flush=True)
            print(f"{when}: all of {number - 1} calls", flush=True)

    def some_of_them(self):
        calls = int(self.run_once()["calls"])
        stride = max(1, 2 * calls // KILLS)
        start = random.SystemRandom().randrange(stride)
        print(f"{calls} calls; every {stride}-th of {2 * calls} moments from {start} on",
              flush=True)
        for moment in range(start, 2 * calls, stride):
            self.kill_at(moment // 2 + 1, ("before", "after")[moment % 2])


if __name__ == "__main__":
    unittest.main()
