"""Faults by strace: system calls of a running process that fail, or take long.

    with Fault(server.pid, "fdatasync:error=EIO", path=server.data / "log/data.mdb") as fault:
        ...
        fault.injected()   # how many calls were tampered with

Nothing in the process is different: the kernel does not carry the call out, and says what it would
say. It needs strace and the right to trace (in a container: CAP_SYS_PTRACE).
"""

import functools
import pathlib
import shutil
import signal
import subprocess
import tempfile

from support.server import SETTLE_S, die_with_parent, wait_until


@functools.cache
def unavailable():
    """Why faults cannot be injected here; None when they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", "/dev/null", "-e", "trace=none", "true"],
                           capture_output=True, text=True, check=False)
    return tried.stderr.strip() if tried.returncode != 0 else None


def threads(pid):
    return {int(path.name) for path in pathlib.Path(f"/proc/{pid}/task").iterdir()}


def traced(pid, thread):
    try:
        status = pathlib.Path(f"/proc/{pid}/task/{thread}/status").read_text()
    except OSError:
        return True  # the thread has ended
    return "\nTracerPid:\t0\n" not in status


def injecting(rule, path):
    """What strace is told to do: see Fault."""
    calls = rule.partition(":")[0]
    return ["-f", "-q", "-e", f"trace={calls}", "-e", f"inject={rule}", "-e", "signal=none",
            *([] if path is None else ["-P", str(path)])]


def from_the_start(rule, path=None):
    """A command that starts the one behind it with the fault; it ends together with strace."""
    return ["strace", "-o", "/dev/null", *injecting(rule, path), "setpriv", "--pdeathsig", "KILL"]


class Fault:
    """From begin to end of the block, calls that `rule` names (strace's inject=) are tampered with.

    With `path`, only those on that file. The process goes on when the block ends.
    """

    def __init__(self, pid, rule, path=None):
        self.pid = pid
        self.rule = rule
        self.path = path
        self.process = None
        self._folder = tempfile.TemporaryDirectory(prefix="payonce-strace-")
        self._out = pathlib.Path(self._folder.name) / "out"

    def __enter__(self):
        self.process = subprocess.Popen(["strace", "-o", str(self._out),
                                         *injecting(self.rule, self.path), "-p", str(self.pid)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True,
                                        preexec_fn=die_with_parent)
        try:
            wait_until(self._attached, "strace has attached itself")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _attached(self):
        if self.process.poll() is not None:
            # The fault may have ended the process already, and strace with it.
            if self.injected() > 0:
                return True
            raise AssertionError(f"strace: {self.process.stderr.read()}")
        try:
            return all(traced(self.pid, thread) for thread in threads(self.pid))
        except OSError:
            return self.injected() > 0

    def injected(self):
        if not self._out.exists():
            return 0
        text = self._out.read_text(errors="replace")
        return text.count("(INJECTED)") + text.count("(DELAYED)")

    def wait_injected(self, count=1):
        wait_until(lambda: self.injected() >= count, f"{self.rule} has struck")

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(SETTLE_S)
        self.process.stderr.close()
        self.lines = self._out.read_text(errors="replace") if self._out.exists() else ""
        self._folder.cleanup()
