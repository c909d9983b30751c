"""A payonce process under test: on a free port, in its own temporary folder, ended by its pid.

    with Server(settings=["gateway.latency=50ms"]) as server:
        server.client().get("/v1/ledger")
        server.kill()       # -9
        server.start()      # again, on the same data

The binary is the one that PAYONCE_BIN names, or the newest that was built below build/. Start
servers from the main thread only: the kernel ends a server together with the thread that made it,
so that none outlives a test that is killed.
"""

import ctypes
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from support.http_client import Client

ROOT = pathlib.Path(__file__).resolve().parents[2]

SANITIZER = os.environ.get("PAYONCE_SANITIZER")
# Instrumented builds are several times slower; every deadline is multiplied by this.
SLOWNESS = 4 if SANITIZER else 1
START_S = 20 * SLOWNESS
STOP_S = 10 * SLOWNESS
COMMAND_S = 20 * SLOWNESS
SETTLE_S = 30 * SLOWNESS
POLL_S = 0.005
LOG_TAIL_BYTES = 4000
PR_SET_PDEATHSIG = 1

# A quick gateway that gives up after five attempts.
QUICK_RETRY = ('gateway.retry={initial_interval="10ms",maximum_interval="50ms",'
               'maximum_attempts=5}')

_libc = ctypes.CDLL(None, use_errno=True)


class ServerFailed(Exception):
    """The process did not do what a test relies on; the text holds the end of its log."""


def binary():
    """Path of the payonce to test."""
    named = os.environ.get("PAYONCE_BIN")
    if named:
        return named
    built = [path for path in ROOT.glob("build/*/payonce") if path.is_file()]
    if not built:
        raise ServerFailed("no payonce to test: set PAYONCE_BIN, or build one below build/")
    return str(max(built, key=lambda path: path.stat().st_mtime))


def environment(extra=None):
    """Ours without any configuration of payonce in it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PAYONCE_")}
    return {**clean, **(extra or {})}


def run(*arguments, env=None, cwd=None, timeout=COMMAND_S):
    """One run of payonce to its end; the result has returncode, stdout and stderr as text."""
    return subprocess.run([binary(), *map(str, arguments)], env=environment(env), cwd=cwd,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", timeout=timeout, check=False)


def wait_until(condition, what, timeout=SETTLE_S, poll=POLL_S):
    """Polls until condition() is truthy and returns that; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not after {timeout} s: {what}")
        time.sleep(poll)


def free_port():
    """A port that nobody listens on, and that the kernel gives to nobody by itself.

    Outgoing connections take theirs from a range of their own (from 32768 on), so this one is still
    free when a server comes back to it.
    """
    ports = list(range(20000, 32000))
    random.shuffle(ports)
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ServerFailed("no port is free")


def die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Server:
    """One data directory and the process that serves it, if any.

    settings are the values of --set; arguments come last on the command line. A `folder` that is
    given stays when the server is closed; without it there is a temporary one, which goes.
    `fixed_port` is for those whom others call, also after a restart (free_port()).
    """

    def __init__(self, settings=(), arguments=(), env=None, folder=None, data=None,
                 fixed_port=0):
        self._own_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="payonce-test-"))
        self.data = pathlib.Path(data or self.folder / "data")
        self.log_path = self.folder / "server.log"
        self.settings = list(settings)
        self.arguments = list(arguments)
        self.env = env
        self.fixed_port = fixed_port
        self.process = None
        self.port = None
        self.generation = 0  # how often it was started
        self._log_begin = 0

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def threads(self):
        """How many the process has."""
        return len(list(pathlib.Path(f"/proc/{self.pid}/task").iterdir()))

    def command(self):
        command = [binary(), "serve", "--data", str(self.data),
                   "--listen", f"127.0.0.1:{self.fixed_port}"]
        for setting in self.settings:
            command += ["--set", setting]
        return command + [str(argument) for argument in self.arguments]

    def launch(self):
        """Starts the process and does not wait for anything."""
        assert not self.running
        self._log_begin = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            # A group of its own, so that a ctrl-c reaches it only through close().
            self.process = subprocess.Popen(
                self.command(), env=environment(self.env), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd=self.folder, process_group=0, preexec_fn=die_with_parent)
        return self

    def start(self):
        """Starts the process and waits until it is ready."""
        self.launch()
        try:
            self.wait_ready()
        except BaseException:
            self.close()
            raise
        self.generation += 1
        return self

    def wait_ready(self):
        self.port = self._wait_for(self.listening_port, "it listens")
        with self.client() as client:
            self._wait_for(lambda: self._is_ready(client), "/readyz answers 200")

    @staticmethod
    def _is_ready(client):
        try:
            return client.get("/readyz").status == 200
        except OSError:
            return False

    def _wait_for(self, condition, what):
        deadline = time.monotonic() + START_S
        while True:
            result = condition()
            if result:
                return result
            if self.process.poll() is not None:
                raise ServerFailed(f"payonce ended with {self.process.returncode} before {what}:\n"
                                   + self.log_tail())
            if time.monotonic() > deadline:
                raise ServerFailed(f"not after {START_S} s: {what}\n" + self.log_tail())
            time.sleep(POLL_S)

    def listening_port(self):
        for line in self.log_lines("listening"):
            return int(line["address"].rpartition(":")[2])
        return None

    def log_text(self):
        """What the newest process wrote so far."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_begin)
            return log.read().decode(errors="replace")

    def log_lines(self, event=None):
        """The whole lines of the newest process that are JSON, of one event or of all."""
        found = []
        for text in self.log_text().split("\n")[:-1]:
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict) and (event is None or line.get("event") == event):
                found.append(line)
        return found

    def log_tail(self):
        return self.log_text()[-LOG_TAIL_BYTES:]

    def client(self):
        """A client for one thread; it follows the server to its next start."""
        return Client(lambda: (self.port, self.process and self.process.pid))

    def kill(self):
        """kill -9: nothing in the process gets to run any more."""
        self.process.kill()
        self.process.wait(STOP_S)

    def terminate(self, how=signal.SIGTERM, timeout=STOP_S):
        """Asks the process to end; returns its exit code."""
        self.process.send_signal(how)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerFailed(f"still there {timeout} s after signal {how}:\n"
                               + self.log_tail()) from None

    def wait_exit(self, timeout=STOP_S):
        """Waits for an end that the process finds by itself; returns its exit code."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerFailed(f"still there after {timeout} s:\n" + self.log_tail()) from None

    def restart(self):
        """kill -9 and a new start on the same data."""
        self.kill()
        return self.start()

    def close(self):
        if self.running:
            self.kill()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
