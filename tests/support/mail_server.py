"""An SMTP server on 127.0.0.1 for tests, by aiosmtpd.

usage: mail_server.py [--login USER:PASSWORD] [--tls none|starttls|tls] [--folder FOLDER]
                      [--mail REPLY] [--rcpt REPLY] [--data REPLY]

Writes one JSON object a line to standard output: first {"port"} (and {"certificate"}, made in
FOLDER, with TLS), then each mail taken. A REPLY such as "550 no such user" is given instead of
taking the command. Ends when standard input does, and after two minutes in any case.
"""

import argparse
import asyncio
import json
import logging
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

import tls_certificate

LIFE_S = 120


def say(**values):
    print(json.dumps(values), flush=True)


class Handler:
    def __init__(self, options):
        self.options = options

    async def handle_MAIL(self, server, session, envelope, address, mail_options):
        envelope.mail_from = address
        return self.options.mail or "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if self.options.rcpt:
            return self.options.rcpt
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.options.data:
            return self.options.data
        say(sender=envelope.mail_from, recipients=envelope.rcpt_tos,
            mail=envelope.original_content.decode("latin-1"),
            encrypted=server.transport.get_extra_info("ssl_object") is not None,
            authenticated=session.authenticated)
        return "250 OK"


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--login")
    parser.add_argument("--tls", choices=["none", "starttls", "tls"], default="none")
    parser.add_argument("--folder")
    for command in ("mail", "rcpt", "data"):
        parser.add_argument("--" + command)
    return parser.parse_args()


async def serve(options):
    context, certificate = None, None
    if options.tls != "none":
        certificate, key = tls_certificate.make(options.folder)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)

    def authenticate(server, session, envelope, mechanism, data):
        good = isinstance(data, LoginPassword) and options.login == (
            data.login.decode() + ":" + data.password.decode())
        return AuthResult(success=good, handled=False)

    def protocol():
        return SMTP(Handler(options), hostname="localhost",
                    tls_context=context if options.tls == "starttls" else None,
                    require_starttls=options.tls == "starttls",
                    authenticator=authenticate if options.login else None,
                    auth_required=bool(options.login), auth_require_tls=False)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0,
                                      ssl=context if options.tls == "tls" else None)
    say(port=server.sockets[0].getsockname()[1], certificate=certificate)
    ended = loop.run_in_executor(None, sys.stdin.read)
    await asyncio.wait([asyncio.ensure_future(ended)], timeout=LIFE_S)


def main():
    logging.disable()  # it tells of every client that hangs up
    warnings.simplefilter("ignore")
    asyncio.run(serve(parse_arguments()))


if __name__ == "__main__":
    main()
