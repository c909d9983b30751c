"""`payonce mock-gateway` as a process of its own: the gateway behind real sockets.

    with MockGateway(folder, "--callback-url", url) as gateway:
        ... gateway.url ...
        gateway.kill()      # -9
        gateway.start()     # again, at the same address and with the same books
"""

import pathlib
import re
import subprocess

from support import journal
from support.server import (START_S, STOP_S, ServerFailed, binary, die_with_parent, environment,
                            free_port, wait_until)

LISTENING = re.compile(r"^mock gateway listening on (http://127\.0\.0\.1:[0-9]+)$", re.MULTILINE)


class MockGateway:
    def __init__(self, folder, *arguments):
        self.journal = pathlib.Path(folder) / "gateway-journal"
        self._log = pathlib.Path(folder) / "gateway.log"
        self._arguments = [str(argument) for argument in arguments]
        self._port = free_port()
        self.process = None
        self.url = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def command(self):
        return [binary(), "mock-gateway", "--listen", f"127.0.0.1:{self._port}", "--journal",
                str(self.journal), *self._arguments]

    def start(self):
        """Starts it and waits until it says where it listens."""
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command(), env=environment(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, process_group=0, preexec_fn=die_with_parent)
        try:
            self.url = wait_until(self._address, "the gateway listens", timeout=START_S)
        except BaseException:
            self.close()
            raise
        return self

    def _address(self):
        text = self._log.read_text(errors="replace")
        if not self.running:
            raise ServerFailed(f"the gateway ended with {self.process.returncode}:\n{text}")
        found = LISTENING.search(text)
        return found.group(1) if found else None

    def books(self):
        return journal.Books(journal.read(self.journal))

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait(STOP_S)

    def terminate(self):
        """Asks it to end; returns its exit code."""
        self.process.terminate()
        return self.process.wait(STOP_S)

    def close(self):
        if self.running:
            self.kill()
