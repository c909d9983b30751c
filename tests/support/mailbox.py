"""A mail server inside the test (aiosmtpd): it keeps what it is given, or refuses as it is told."""

import asyncio
import email
import email.policy
import pathlib
import socket
import sys
import threading

from support.server import wait_until

# Debian's package (scripts/deps.sh) is seen by Debian's interpreter only, and the one that runs the
# tests may be another. It is pure Python, so it serves that one as well.
DEBIAN_PACKAGES = pathlib.Path("/usr/lib/python3/dist-packages")


def _library():
    try:
        import aiosmtpd.smtp
    except ImportError:
        if str(DEBIAN_PACKAGES) in sys.path or not DEBIAN_PACKAGES.is_dir():
            raise
        sys.path.append(str(DEBIAN_PACKAGES))
        import aiosmtpd.smtp
    return aiosmtpd.smtp


class Mailbox:
    """`refusals` holds answers such as "451 later" for the next messages; then all are taken."""

    def __init__(self, refusals=()):
        self.refusals = list(refusals)
        self._seen = []  # of (envelope, the answer that was given)
        self._smtp = _library()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def port(self):
        return self._socket.getsockname()[1]

    @property
    def seen(self):
        """Each message with the answer that it got: (envelope, parsed message, answer)."""
        return [(envelope, email.message_from_bytes(envelope.content, policy=email.policy.SMTP),
                 answer) for envelope, answer in list(self._seen)]

    @property
    def delivered(self):
        return [(envelope, mail) for envelope, mail, answer in self.seen
                if answer.startswith("250")]

    def wait_for(self, count):
        """Waits for at least that many messages, taken or refused."""
        return wait_until(lambda: self.seen if len(self._seen) >= count else None,
                          f"{count} messages come")

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - the library's name
        answer = self.refusals.pop(0) if self.refusals else "250 OK"
        self._seen.append((envelope, answer))
        return answer

    def _run(self):
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self._loop.create_server(
            lambda: self._smtp.SMTP(self, hostname="mail.test", loop=self._loop),
            sock=self._socket))
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._socket.close()
