"""What payonce calls, as a server that can be slow: gateway, fraud check and webhook receiver.

    stub.py [--slow SECONDS] --listen HOST:PORT

It answers at once, but calls about payments with the method pm_slow after --slow seconds, and
/never not at all. `POST /charges` and so on are those of docs/gateway.md, `POST /fraud` approves,
`POST /hook` takes a notification. One thread.
"""

import argparse
import asyncio
import json
import signal

SLOW_METHOD = "pm_slow"
FOREVER_S = 3600
REASONS = {200: "OK", 404: "Not Found"}


class Stub:
    def __init__(self, slow_s):
        self.slow_s = slow_s
        self.charged = set()

    async def answer(self, method, path, headers, body):
        """Status and JSON of the answer."""
        if path == "/never":
            await asyncio.sleep(FOREVER_S)
        request = json.loads(body) if body else {}
        if request.get("payment_method") == SLOW_METHOD:
            await asyncio.sleep(self.slow_s)
        if path == "/charges":
            key = headers["idempotency-key"].strip('"')
            self.charged.add(key)
            return 200, {"status": "confirmed", "reference": f"stub_{key}"}
        if path == "/fraud":
            return 200, {"result": "approved"}
        if path.startswith("/charges/"):
            key = path.split("/")[2]
            if key not in self.charged:
                return 404, {"code": "unknown_key"}
            status = {"void": "voided", "refund": "refunded"}.get(path.split("/")[-1], "confirmed")
            return 200, {"status": status, "reference": f"stub_{key}"}
        return 200, {"status": "taken" if method == "POST" else "ready"}

    async def serve(self, reader, writer):
        """One connection, request after request."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")
                method, path, _ = lines[0].split(" ", 2)
                headers = {name.lower(): value.strip() for name, _, value in
                           (line.partition(":") for line in lines[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                status, value = await self.answer(method, path, headers, body)
                text = json.dumps(value).encode()
                writer.write(f"HTTP/1.1 {status} {REASONS[status]}\r\n"
                             "Content-Type: application/json\r\n"
                             f"Content-Length: {len(text)}\r\n\r\n".encode() + text)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # The other side has hung up.
        finally:
            writer.close()


async def run(options):
    host, _, port = options.listen.rpartition(":")
    server = await asyncio.start_server(Stub(options.slow).serve, host, int(port), backlog=1024)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    server.close()


def main():
    parser = argparse.ArgumentParser(prog="stub.py")
    parser.add_argument("--slow", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
