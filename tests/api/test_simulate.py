"""`payonce simulate`: the same seed is the same run, and what it prints can be read by programs."""

import json
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.server import SLOWNESS, run

OK, FAILED, USAGE = 0, 1, 2
RUN_S = 60 * SLOWNESS
SHORT = ("--days", "0.01")


def simulate(*arguments):
    return run("simulate", *arguments, timeout=RUN_S)


class Simulate(unittest.TestCase):
    def test_one_seed_prints_seed_time_and_hash_and_is_the_same_twice(self):
        one = simulate("--seed", 7, *SHORT)
        two = simulate("--seed", 7, *SHORT)
        self.assertEqual(one.returncode, OK, one.stdout + one.stderr)
        self.assertRegex(one.stdout, r"(?m)^seed: 7$")
        self.assertRegex(one.stdout, r"(?m)^simulated: [0-9.]+ [smhdy]$")
        found = re.findall(r"(?m)^hash: ([0-9a-f]{16})$", one.stdout)
        self.assertEqual(len(found), 1)
        self.assertIn(f"hash: {found[0]}\n", two.stdout)

    def test_other_seed_or_other_faults_is_another_run(self):
        hashes = [json.loads(simulate("--json", *SHORT, *more).stdout)["hash"]
                  for more in (("--seed", 7), ("--seed", 8),
                               ("--seed", 7, "--faults", "none"))]
        self.assertEqual(len(set(hashes)), 3)

    def test_without_a_seed_a_fresh_one_is_drawn_and_said(self):
        seeds = [json.loads(simulate("--json", *SHORT).stdout)["seed"] for _ in range(2)]
        self.assertNotEqual(seeds[0], seeds[1])

    def test_several_runs_take_one_seed_after_the_other(self):
        lines = simulate("--json", "--seed", 3, "--runs", 3, *SHORT).stdout.splitlines()
        self.assertEqual([json.loads(line)["seed"] for line in lines], [3, 4, 5])

    def test_trace_says_what_happened(self):
        traced = simulate("--seed", 7, "--trace", 50, *SHORT)
        self.assertEqual(len(re.findall(r"(?m)^[0-9]+ ms  ", traced.stdout)), 50)

    def test_bad_arguments_are_refused_by_name(self):
        for arguments in (("--faults", "gremlins"), ("--days", "0"), ("--runs", "0"),
                          ("--seed", "x"), ("--bug", "none"), ("--days", "nan"),
                          ("--seconds", "nan"), ("--seed", "-1"),
                          ("--seed", "18446744073709551616")):
            with self.subTest(arguments=arguments):
                refused = simulate(*arguments)
                self.assertEqual(refused.returncode, USAGE)
                self.assertIn(arguments[0].lstrip("-"), refused.stdout + refused.stderr)


if __name__ == "__main__":
    unittest.main()
