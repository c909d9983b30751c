"""What the measuring programs take from the command line alike, and what they do alike with it."""

import contextlib
import pathlib
import shutil
import tempfile

from servers import HarnessError

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def add_payonce(parser):
    parser.add_argument("--payonce", type=pathlib.Path, default=ROOT / "build/release/payonce",
                        help="the binary (build/release/payonce)")


def add_lengths(parser, rounds, rounds_help, seconds=3):
    parser.add_argument("--rounds", type=int, default=rounds, help=f"{rounds_help} ({rounds})")
    parser.add_argument("--seconds", type=int, default=seconds,
                        help=f"length of each wrk run ({seconds})")


def add_set(parser, to="payonce serve"):
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help=f"passed on to {to}; may be repeated")


def add_quiet_wait(parser):
    parser.add_argument("--quiet-wait", type=float, default=0, metavar="S",
                        help="before each run, wait up to S seconds for others to pause (0)")


def directory(text):
    """Made when it is not there."""
    path = pathlib.Path(text)
    path.mkdir(parents=True, exist_ok=True)
    return path


def add_dir(parser):
    parser.add_argument("--dir", type=directory, default=str(ROOT / "build"),
                        help="where the temporary data goes (build)")


def add_results(parser):
    parser.add_argument("--json", type=pathlib.Path, help="append one JSON line per result here")
    parser.add_argument("--strict", action="store_true", help="exit 1 if a budget is short")


def add_keep(parser):
    parser.add_argument("--keep", action="store_true", help="leave data and server logs behind")


def check_counts(parser, *counts):
    if min(counts) < 1:
        parser.error("counts and seconds start at 1")


def check_names(parser, wanted, names):
    unknown = [name for name in wanted if name not in names]
    if unknown:
        parser.error(f"no such scenario: {unknown[0]}")


def need(*binaries):
    for binary in binaries:
        if not binary.is_file():
            raise HarnessError(f"{binary} is missing: build it first (./scripts/build.sh)")


@contextlib.contextmanager
def work_folder(prefix, folder, keep=False):
    """A folder for the data of a run, which goes with its end."""
    work_dir = pathlib.Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
    try:
        yield work_dir
    finally:
        if keep:
            print(f"kept      {work_dir}")
        else:
            shutil.rmtree(work_dir, ignore_errors=True)
