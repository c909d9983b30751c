"""An HTTPS server on 127.0.0.1 for tests: answers 204 to every POST.

usage: https_server.py FOLDER

Writes one JSON object a line to standard output: first {"port", "certificate"}, the latter made in
FOLDER, then each body. Ends when standard input does, and after two minutes in any case.
"""

import http.server
import json
import ssl
import sys
import threading

import tls_certificate

LIFE_S = 120


def say(**values):
    print(json.dumps(values), flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        say(body=self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


def main():
    certificate, key = tls_certificate.make(sys.argv[1])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    say(port=server.server_port, certificate=certificate)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    until_end = threading.Thread(target=sys.stdin.read, daemon=True)
    until_end.start()
    until_end.join(LIFE_S)


if __name__ == "__main__":
    main()
