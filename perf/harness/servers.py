"""The processes under measurement: started on free ports, watched through /proc, always ended."""

import ctypes
import http.client
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

READY_TIMEOUT_S = 30
STOP_TIMEOUT_S = 20
POLL_S = 0.0005
LOG_TAIL_BYTES = 2000
FOREIGN_CORES_MAX = 0.1  # more than this, and a figure is noisy
QUIET_SAMPLE_S = 0.5
PR_SET_PDEATHSIG = 1
QUIET_LOG = "log.level=warn"  # a setting of payonce

_libc = ctypes.CDLL(None, use_errno=True)


class HarnessError(Exception):
    """The measurement cannot go on; the text says why."""


def die_with_parent():
    """Runs in the child: the kernel ends it even if this program is killed outright."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One server process. `command` gets its address as the last two arguments: --listen H:P."""

    ready_timeout_s = READY_TIMEOUT_S

    def __init__(self, name, command, log_path):
        self.name = name
        self.port = free_port()
        self.command = [*command, "--listen", f"127.0.0.1:{self.port}"]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = pathlib.Path(log_path)
        self.process = None
        self.ready_ms = None

    def __enter__(self):
        begin = time.perf_counter()
        with self.log_path.open("wb") as log:
            try:
                # A group of its own, so that a ctrl-c reaches it only through stop().
                self.process = subprocess.Popen(
                    self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    process_group=0, preexec_fn=die_with_parent)
            except OSError as error:
                raise HarnessError(f"cannot start {self.name}: {error}") from error
        try:
            self._wait_until_ready(begin)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def _wait_until_ready(self, begin):
        while time.perf_counter() - begin < self.ready_timeout_s:
            if self._answers_ready():
                self.ready_ms = (time.perf_counter() - begin) * 1000
                return
            if self.process.poll() is not None:
                raise HarnessError(
                    f"{self.name} ended with {self.process.returncode} before it was ready:\n"
                    + self.log_tail())
            time.sleep(POLL_S)
        raise HarnessError(f"{self.name} not ready after {self.ready_timeout_s} s:\n"
                           + self.log_tail())

    def _answers_ready(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def check_alive(self):
        if self.process.poll() is not None:
            raise HarnessError(
                f"{self.name} ended with {self.process.returncode}:\n" + self.log_tail())

    def log_tail(self):
        text = self.log_path.read_bytes()[-LOG_TAIL_BYTES:]
        return text.decode(errors="replace")

    def stop(self):
        """Asks the process to end, by its pid, and kills it if it does not."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            print(f"{self.name} (pid {self.process.pid}) did not stop: killed", flush=True)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()

    def anonymous_mib(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) / 1024
        raise HarnessError("no RssAnon in /proc/PID/status")

    def cpu_seconds(self):
        """User and system time so far, of all threads."""
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        # The command name may hold spaces; it ends at the last parenthesis.
        fields = stat[stat.rindex(")") + 2:].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cpu_percent_over(self, seconds):
        """Share of one core used while nobody asks for anything."""
        before = self.cpu_seconds()
        begin = time.perf_counter()
        time.sleep(seconds)
        return 100 * (self.cpu_seconds() - before) / (time.perf_counter() - begin)


def busy_seconds():
    """CPU time that all programs on this machine have used since it booted."""
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        if line.startswith("cpu "):
            user, nice, system, _idle, _wait, irq, softirq = map(int, line.split()[1:8])
            # Interrupts count too: the kernel charges them to the program that they interrupt.
            return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
    raise HarnessError("no cpu line in /proc/stat")


class ForeignLoad:
    """How many cores everybody else kept busy while a `with` block ran: the noise of a figure.

    What the servers, this program and its ended children used is subtracted from the whole.
    """

    def __init__(self, own_servers):
        self.own_servers = own_servers
        self.cores = None

    def _foreign_seconds(self):
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        return busy_seconds() - own - sum(server.cpu_seconds() for server in self.own_servers)

    def __enter__(self):
        self.begin = time.perf_counter()
        self.seconds_before = self._foreign_seconds()
        return self

    def __exit__(self, *_):
        used = self._foreign_seconds() - self.seconds_before
        self.cores = max(0.0, used / (time.perf_counter() - self.begin))


def wait_until_quiet(own_servers, seconds_max):
    """Before a figure is taken: gives others up to so long to leave the cores alone."""
    end = time.perf_counter() + seconds_max
    while time.perf_counter() < end:
        with ForeignLoad(own_servers) as foreign:
            time.sleep(QUIET_SAMPLE_S)
        if foreign.cores <= FOREIGN_CORES_MAX:
            return


def constant_server(binary, work_dir, threads):
    command = [str(binary), "--threads", str(threads)]
    return Server("constant server", command, work_dir / "constant.log")


def payonce_server(binary, work_dir, name, settings=()):
    command = [str(binary), "serve", "--data", str(work_dir / f"{name}-data")]
    for setting in settings:
        command += ["--set", setting]
    return Server(name, command, work_dir / f"{name}.log")


def run_program(name, main):
    """Runs main() to its exit code; what stops it is told in one line."""
    exit_on_signals()
    try:
        sys.exit(main())
    except HarnessError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{name}: interrupted; all servers are stopped", file=sys.stderr)
        sys.exit(130)


def exit_on_signals():
    """Makes SIGTERM and SIGHUP unwind like ctrl-c does, so that every `with` ends its process."""
    def stop(number, _frame):
        raise SystemExit(128 + number)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, stop)
