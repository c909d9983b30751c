"""A payonce on a data directory that outlives its process: stopped, killed and started again."""

import pathlib
import shutil
import time

import client as api
import servers

READY_TIMEOUT_S = 600  # Long: how long a large history takes is what is measured.


class Subject:
    """One server and its data. Start it in the main thread only (see servers.die_with_parent)."""

    def __init__(self, binary, work_dir, name, settings):
        self.binary = binary
        self.work_dir = pathlib.Path(work_dir)
        self.name = name
        self.settings = list(settings)
        self.data = self.work_dir / f"{name}-data"
        self.server = None
        self.client = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Milliseconds from the start of the process until it is ready."""
        server = servers.payonce_server(self.binary, self.work_dir, self.name, self.settings)
        server.ready_timeout_s = READY_TIMEOUT_S
        self.server = server.__enter__()
        self.client = api.Client(server.port)
        return server.ready_ms

    def stop(self):
        """Seconds from SIGTERM until the process has ended."""
        begin = time.perf_counter()
        if self.server is not None:
            self.client.close()
            self.server.stop()
            self.server = None
        return time.perf_counter() - begin

    def kill(self):
        """kill -9."""
        self.client.close()
        self.server.process.kill()
        self.server.process.wait()
        self.server = None

    def restart(self):
        """Milliseconds from start to ready, after an orderly stop."""
        self.stop()
        return self.start()

    def sizes(self):
        """Bytes of the log and of the state, as files."""
        return {part: (self.data / part / "data.mdb").stat().st_size for part in ("log", "state")}

    def copy(self, name):
        """Another one with the same data; this one has to be stopped."""
        twin = Subject(self.binary, self.work_dir, name, self.settings)
        shutil.copytree(self.data, twin.data)
        return twin

    def remove(self):
        """Stops it and deletes its data."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)
