"""A small HTTP client that hides nothing: status, all headers in order, the body's raw bytes."""

import dataclasses
import http.client
import io
import json
import os
import socket

TIMEOUT_S = 90 if os.environ.get("PAYONCE_SANITIZER") else 40
JSON = "application/json"


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple  # of (name, value)
    body: bytes

    def header(self, name):
        """The value of the only header of that name; None when there is none."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        if len(values) > 1:
            raise AssertionError(f"{name} comes {len(values)} times: {values}")
        return values[0] if values else None

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def replayed(self):
        return self.header("Idempotent-Replayed") == "true"

    def __str__(self):
        return f"{self.status} {self.body[:600]!r}"


class Client:
    """Keeps one connection. For one thread.

    `address` is asked with every request: the port, and whatever is new when the server is. A
    connection to the one before is not used any more.
    """

    def __init__(self, address):
        self._address = address
        self._connected_to = None
        self._connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def request(self, method, path, body=None, headers=(), timeout=TIMEOUT_S):
        """One request. A dict or list is sent as JSON, text and bytes as they are.

        headers is a dict or a list of pairs. A body gets Content-Type: application/json unless the
        headers name another; the value None leaves a header out. Raises OSError when there is no
        answer: the request may have been carried out or not.
        """
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
        names = {name.lower() for name, _ in pairs}
        data = encode(body)
        if data is not None and "content-type" not in names:
            pairs.append(("Content-Type", JSON))
        if "content-length" not in names and (data is not None or method in ("POST", "PUT")):
            pairs.append(("Content-Length", str(len(data or b""))))
        try:
            connection = self._connect(timeout)
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in pairs:
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(data)
            return read_answer(connection.getresponse())
        except http.client.HTTPException as error:
            self.close()
            raise ConnectionError(f"no proper answer: {error!r}") from error
        except BaseException:
            self.close()
            raise

    def _connect(self, timeout):
        address = self._address()
        port = address[0]
        if port is None:
            raise ConnectionRefusedError("the server has no port yet")
        if self._connection is None or self._connected_to != address:
            self.close()
            self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
            self._connected_to = address
        self._connection.timeout = timeout
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout)
        return self._connection

    def get(self, path, headers=(), **options):
        return self.request("GET", path, None, headers, **options)

    def post(self, path, body=None, headers=(), key=None, wait=None, **options):
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
        if key is not None:
            pairs.append(("Idempotency-Key", key))
        if wait is not None:
            pairs.append(("Prefer", f"wait={wait}"))
        return self.request("POST", path, body, pairs, **options)

    def raw(self, data, half_close=False, timeout=TIMEOUT_S):
        """Sends bytes on a new connection and returns all that comes back until the server closes.

        Ask for `Connection: close`, or the server has no reason to.
        """
        with self.open_raw(timeout) as connection:
            try:
                connection.sendall(data)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it answered and closed before it had read everything
            return read_to_end(connection)

    def open_raw(self, timeout=TIMEOUT_S):
        return socket.create_connection(("127.0.0.1", self._address()[0]), timeout=timeout)


def encode(body):
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    return json.dumps(body).encode()


def read_answer(response):
    return Answer(response.status, tuple(response.getheaders()), response.read())


def receive_until(connection, done):
    """What comes until done(bytes); fails when the server closes before that."""
    received = b""
    while not done(received):
        part = connection.recv(65536)
        if not part:
            raise AssertionError(f"closed after {received[-300:]!r}")
        received += part
    return received


def read_to_end(connection):
    parts = []
    while True:
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            part = b""
        if not part:
            return b"".join(parts)
        parts.append(part)


class _Bytes:
    """As much of a socket as HTTPResponse wants."""

    def __init__(self, data):
        self._data = data

    def makefile(self, *_):
        return io.BytesIO(self._data)


def parse_answer(data):
    """The first HTTP answer in raw bytes; None when there is none."""
    if not data:
        return None
    response = http.client.HTTPResponse(_Bytes(data))
    response.begin()
    return read_answer(response)
