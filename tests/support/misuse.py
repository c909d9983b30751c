"""What the tests of misuse share: bytes by hand, an ordinary client beside them, and memory."""

import pathlib
import socket
import struct
import threading

from support.cases import ContractCase, unique
from support.http_client import TIMEOUT_S, Client, parse_answer, read_to_end
from support.server import SANITIZER, SETTLE_S, wait_until

# How much a test may add to the server's memory. That of a sanitizer is counted with it: shadows,
# and what was freed and is kept apart for a while.
KIB_MAX = 64 * 1024 * (16 if SANITIZER else 1)
JSON_LINE = b"Content-Type: application/json\r\n"


def request(first, body=b"", lines=(), length=True, host=True):
    """A request by hand: its first line, more header lines, and a Content-Length unless told."""
    head = [first]
    if host:
        head.append(b"Host: localhost")
    if length and (body or first.startswith((b"POST", b"PUT"))):
        head.append(b"Content-Length: %d" % len(body))
    head += lines
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def chunked(*chunks, end=b"0\r\n\r\n"):
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end


def reset(connection):
    """Ends a connection without a farewell: the server gets a reset, at whatever it is."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def anonymous_kib(pid):
    """Memory of a process that is its own, in KiB."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise AssertionError("the kernel does not say RssAnon")


def descriptors(pid):
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))


def closed(connection, timeout=TIMEOUT_S):
    """Reads until the server has closed the connection; what came before that."""
    connection.settimeout(timeout)
    return read_to_end(connection)


class OneRequestEach(Client):
    """A connection for each request: how long the server keeps one open does not matter."""

    def request(self, *arguments, **options):
        try:
            return super().request(*arguments, **options)
        finally:
            self.close()


class Ordinary(threading.Thread):
    """A client that pays, one request after another on one connection, and is always served."""

    def __init__(self, server, account):
        super().__init__(daemon=True)
        self.client = server.client()
        self.account = account
        self.paid = 0
        self.error = None
        self._stop_asked = threading.Event()

    def run(self):
        try:
            while not self._stop_asked.is_set():
                answer = self.pay()
                if answer.status == 408:
                    continue  # this process did not run for a while, between head and body
                if answer.status not in (200, 201, 202):
                    raise AssertionError(f"an ordinary client got {answer}")
                self.paid += 1
                self._stop_asked.wait(0.005)  # it thinks
        except BaseException as error:  # noqa: B902 - end() raises it again
            self.error = error
        finally:
            self.client.close()

    def pay(self):
        body = {"id": unique("ordinary"), "user_id": self.account, "amount": "0.01",
                "payment_method": "pm_ok"}
        try:
            return self.client.post("/v1/payments", body)
        except ConnectionError:
            return self.client.post("/v1/payments", body)  # we had been idle for too long

    def served(self):
        """Returns when a request that begins from now on was answered; nothing else counts."""
        before = self.paid

        def again():
            if self.error is not None:
                raise self.error
            return self.paid >= before + 2
        wait_until(again, "an ordinary client is served")

    def end(self):
        self._stop_asked.set()
        self.join(TIMEOUT_S + SETTLE_S)
        if self.error is not None:
            raise self.error


class MisuseCase(ContractCase):
    """A victim account that nobody may touch, and an ordinary client while a test runs."""

    def serve(self, server):
        """From now on `server` is the one under test; call once it is ready."""
        self.server = server
        self.client = OneRequestEach(lambda: (server.port, server.pid))
        self.victim = self.open_account(self.client)
        self.deposits = f"/v1/accounts/{self.victim}/deposits".encode()
        payer = self.open_account(self.client, "100000.00")
        self.ordinary = Ordinary(server, payer)
        self.ordinary.start()
        self.ordinary.served()
        self.addCleanup(self.check_afterwards)

    def check_afterwards(self):
        try:
            self.ordinary.served()
        finally:
            self.ordinary.end()
        with self.server.client() as client:
            self.assert_status(client.get("/readyz"), 200)
            self.assert_balanced(client)

    def assert_untouched(self):
        self.assertEqual(self.account(self.client, self.victim)["posted"], "0.00")

    def deposit(self, body=b'{"amount":"1.00"}', lines=(), **options):
        return request(b"POST " + self.deposits + b" HTTP/1.1", body,
                       [JSON_LINE.strip(), *lines], **options)

    def fresh_account(self):
        return self.open_account(self.client, id=unique("own"))

    def exchange(self, data, half_close=False):
        """All answers to what one connection sends, until the server closes it."""
        received = self.client.raw(data, half_close=half_close)
        parts = received.split(b"HTTP/1.1 ")[1:]
        return [parse_answer(b"HTTP/1.1 " + part) for part in parts
                if not part.startswith(b"100 ")]
