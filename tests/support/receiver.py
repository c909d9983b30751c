"""An HTTP server inside the test: it writes down what it is asked and answers as it is told.

    with Receiver() as receiver:
        receiver.answer = lambda request: Reply(503)
        ... configure the server under test with receiver.url("/hook") ...
        receiver.wait_for(1)
"""

import dataclasses
import http.server
import json
import socketserver
import threading
import time

from support.server import wait_until


@dataclasses.dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict  # names in lower case
    body: bytes
    at: float  # time.monotonic()

    @property
    def json(self):
        return json.loads(self.body)


@dataclasses.dataclass(frozen=True)
class Reply:
    status: int | None = 204  # None: closes the connection without an answer
    body: bytes = b""
    headers: tuple = ()

    @staticmethod
    def of(value, status=200):
        return Reply(status, json.dumps(value).encode(), (("Content-Type", "application/json"),))


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass  # the other side hung up: some tests make it do so


class Receiver:
    def __init__(self):
        self.answer = lambda request: Reply()
        self._requests = []
        self._lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def serve(self):
                receiver._serve(self)  # noqa: SLF001 - the handler is a part of the receiver
            do_GET = do_POST = do_PUT = do_DELETE = serve  # noqa: N815 - the library's names

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,),
                                        daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self):
        return self._server.server_address[1]

    def url(self, path=""):
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def requests(self):
        with self._lock:
            return list(self._requests)

    def wait_for(self, count, what="the receiver is called"):
        """Waits for at least that many requests and returns all of them."""
        def enough():
            requests = self.requests
            return requests if len(requests) >= count else None
        return wait_until(enough, f"{what} {count} times")

    def _serve(self, handler):
        size = int(handler.headers.get("Content-Length") or 0)
        request = Request(handler.command, handler.path,
                          {name.lower(): value for name, value in handler.headers.items()},
                          handler.rfile.read(size), time.monotonic())
        with self._lock:
            self._requests.append(request)
        reply = self.answer(request)
        if reply.status is None:
            handler.close_connection = True
            return
        handler.send_response(reply.status)
        for name, value in reply.headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        handler.wfile.write(reply.body)
