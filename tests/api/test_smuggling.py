"""Requests of whose end two readers could have different ideas: refused, and nothing comes of them.

Each has a deposit hidden where a lenient reader would begin the next request, or a strict one would
not see a body. Whatever the server makes of the first request, one answer comes, the connection is
closed, and the victim's account is not touched.
"""

import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.misuse import MisuseCase, chunked, request
from support.server import Server

BODY = b'{"amount":"1.00"}'
CLOSE = b"Connection: close"


class SmugglingCase(MisuseCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = Server(settings=["server.read_timeout=2s"])
        cls.addClassCleanup(cls.shared.close)
        cls.shared.start()

    def setUp(self):
        self.serve(self.shared)

    def assert_refused(self, data, status=400, code="malformed_request"):
        answers = self.exchange(data, half_close=True)
        self.assertEqual(len(answers), 1, [str(answer) for answer in answers])
        self.assert_problem(answers[0], status, code)
        self.assertEqual(answers[0].header("Connection"), "close")
        self.assert_untouched()

    def hidden(self):
        return self.deposit(BODY, [CLOSE])


class Lengths(SmugglingCase):
    def test_a_length_that_is_in_doubt_is_refused(self):
        size = b"%d" % len(BODY)
        for lines in ([b"Content-Length: " + size, b"Transfer-Encoding: chunked"],
                      [b"Transfer-Encoding: chunked", b"Content-Length: " + size],
                      [b"Content-Length: 0", b"Transfer-Encoding: chunked"],
                      [b"Content-Length: " + size, b"Content-Length: " + size],
                      [b"Content-Length: " + size, b"Content-Length: 5"],
                      [b"Content-Length: " + size, b"content-length: 0"],
                      [b"Content-Length: " + size + b", " + size],
                      [b"Content-Length: " + size + b",5"],
                      [b"Content-Length: +" + size], [b"Content-Length: -" + size],
                      [b"Content-Length: 0x11"], [b"Content-Length: 1 7"],
                      [b"Content-Length: 17;"], [b"Content-Length: 17.0"],
                      [b"Content-Length: 1e1"], [b'Content-Length: "17"'],
                      [b"Content-Length:"], [b"Content-Length: \x0b17"],
                      [b"Content-Length: 17\x00"], [b"Content-Length: 99999999999999999999"],
                      [b"Content-Length: 18446744073709551616"],
                      [b"Content-Length: 1%37"], [b"Content-Length: %31%37"]):
            with self.subTest(lines=lines):
                self.assert_refused(self.deposit(BODY, lines, length=False) + self.hidden())

    def test_a_coding_that_is_in_doubt_is_refused(self):
        for lines in ([b"Transfer-Encoding: xchunked"], [b"Transfer-Encoding: chunked, chunked"],
                      [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
                      [b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"],
                      [b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"],
                      [b"Transfer-Encoding: identity"], [b"Transfer-Encoding: gzip, chunked"],
                      [b"Transfer-Encoding: chunked, gzip"], [b"Transfer-Encoding: chunked;q=1"],
                      [b"Transfer-Encoding: chunked,"], [b"Transfer-Encoding: ,chunked"],
                      [b"Transfer-Encoding:"], [b'Transfer-Encoding: "chunked"'],
                      [b"Transfer-Encoding: \x0bchunked"], [b"Transfer-Encoding: chunked\x0b"],
                      [b"Transfer-Encoding: %63hunked"], [b"Transfer-Encoding: chunke%64"],
                      [b"Transfer-Encoding : chunked"], [b"Transfer-Encoding\t: chunked"],
                      [b" Transfer-Encoding: chunked"], [b"\tTransfer-Encoding: chunked"],
                      [b"X: y\nTransfer-Encoding: chunked"], [b"X: y\rTransfer-Encoding: chunked"],
                      [b"X: y\x00\r\nTransfer-Encoding: chunked"],
                      [b"Transfer-Encoding\x00: chunked"], [b"Transfer-Encoding:\n chunked"],
                      [b"Transfer-Encoding:\r\n chunked"], [b"Transfer-Encoding:\r\n\tchunked"]):
            with self.subTest(lines=lines):
                self.assert_refused(self.deposit(chunked(BODY), lines, length=False)
                                    + self.hidden())
        with self.subTest("a coding that HTTP/1.0 does not have"):
            self.assert_refused(request(b"POST " + self.deposits + b" HTTP/1.0", chunked(BODY),
                                        [b"Content-Type: application/json",
                                         b"Transfer-Encoding: chunked"], length=False))

    def test_what_other_servers_take_for_a_length_is_no_length(self):
        """Without a length there is no body: what follows is neither that nor a request."""
        for line in (b"Content_Length: 17", b"X-Content-Length: 17", b"Content-Lengt: 17",
                     b"Content-Lengthh: 17", b"Transfer_Encoding: chunked", b"TE: chunked",
                     b"Trailer: Content-Length", b"Connection: Content-Length"):
            with self.subTest(line=line):
                self.assert_refused(self.deposit(BODY, [line], length=False) + self.hidden(),
                                    400, "malformed_json")

    def test_the_body_of_a_request_that_needs_none_is_not_the_next_request(self):
        hidden = self.hidden()
        for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH"):
            for path in (b"/livez", b"/nothing"):
                for data in (request(method + b" " + path + b" HTTP/1.1", hidden,
                                     [b"Content-Type: application/json"]),
                             request(method + b" " + path + b" HTTP/1.1", chunked(hidden),
                                     [b"Content-Type: application/json",
                                      b"Transfer-Encoding: chunked"], length=False)):
                    with self.subTest(method=method, path=path, data=data[:200]):
                        end = request(b"GET /version HTTP/1.1", lines=[CLOSE])
                        statuses = re.findall(rb"HTTP/1\.1 (\d+)",
                                              self.client.raw(data + end, half_close=True))
                        self.assertIn(len(statuses), (1, 2))
                        self.assertIn(statuses[0], (b"200", b"404", b"405"))
                        self.assert_untouched()


class Chunks(SmugglingCase):
    def send(self, body, lines=()):
        return self.deposit(body, [b"Transfer-Encoding: chunked", *lines], length=False)

    def test_a_chunked_body_counts_once(self):
        for body in (chunked(BODY), chunked(BODY[:1], BODY[1:]),
                     chunked(*(BODY[i:i + 1] for i in range(len(BODY)))),
                     b"0011\r\n" + BODY + b"\r\n000\r\n\r\n",
                     b"11;name=value;quoted=\"a;b\"\r\n" + BODY + b"\r\n0;last\r\n\r\n",
                     chunked(BODY, end=b"0\r\nX-Trailer: yes\r\nX-Other: too\r\n\r\n"),
                     # What a trailer says changes nothing.
                     chunked(BODY, end=b"0\r\nContent-Length: 5\r\nIdempotency-Key: k\r\n\r\n")):
            with self.subTest(body=body[:60]):
                account = self.fresh_account()
                self.deposits = f"/v1/accounts/{account}/deposits".encode()
                answers = self.exchange(self.send(body) + self.send(body, [CLOSE]))
                self.assertEqual([answer.status for answer in answers], [201, 201])
                self.assertEqual(self.account(self.client, account)["posted"], "2.00")

    def test_chunks_that_are_in_doubt_are_refused(self):
        size = b"%x" % len(BODY)
        rest = b"\r\n" + BODY + b"\r\n0\r\n\r\n"
        for body in (b"0x11" + rest, b"+11" + rest, b" 11" + rest, b"\t11" + rest, b"-11" + rest,
                     b"-ffffffffffffffef" + rest, b"11 " + rest, b"11zz" + rest, b"11\x00" + rest,
                     b"11," + rest, b"11\n" + rest[2:], b"11\n" + rest, b"11\r" + rest[2:],
                     b"11;a\nb" + rest, b"11;a\rb" + rest, b"11;\x00" + rest,
                     b"11" + b"0" * 16 + rest, b"0" * 20 + size + rest,
                     b"10000000000000011" + rest, b"ffffffffffffffff" + rest,
                     b"fffffffffffffff" + rest, b"fffffffffffffffe" + rest,
                     b"\r\n" + size + rest, b"" + rest, b"g" + rest, b"%31%31" + rest,
                     # The data is longer, or shorter, than its size says.
                     b"10" + rest, b"12" + rest, size + b"\r\n" + BODY + b"0\r\n\r\n",
                     size + b"\r\n" + BODY + b"\n0\r\n\r\n", size + b"\r\n" + BODY + b"\r0\r\n\r\n",
                     # The end is not one.
                     size + b"\r\n" + BODY + b"\r\n0\n\r\n", size + b"\r\n" + BODY + b"\r\n0\r\n\n",
                     size + b"\r\n" + BODY + b"\r\n0x\r\n\r\n",
                     size + b"\r\n" + BODY + b"\r\n0\r\nno colon\r\n\r\n",
                     size + b"\r\n" + BODY + b"\r\n0\r\n folded: x\r\n\r\n",
                     size + b"\r\n" + BODY + b"\r\n0\r\nX: a\nY: b\r\n\r\n",
                     size + b"\r\n" + BODY + b"\r\n0\r\n\rX"):
            with self.subTest(body=body[:40]):
                answers = self.exchange(self.send(body) + self.hidden(), half_close=True)
                self.assertEqual(len(answers), 1, [str(answer) for answer in answers])
                self.assertIn(answers[0].status, (400, 413), str(answers[0]))
                self.assert_untouched()

    def test_extensions_and_trailers_have_a_bound(self):
        many = b"".join(b"X-%d: v\r\n" % number for number in range(100_000))
        for body in (b"11;" + b"e" * 20_000 + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
                     b"".join(b"1;%b\r\nx\r\n" % (b"e" * 1000) for _ in range(2000)),
                     chunked(BODY, end=b"0\r\n" + many + b"\r\n"),
                     chunked(BODY, end=b"0\r\nX: " + b"v" * 100_000 + b"\r\n\r\n")):
            with self.subTest(body=body[:40]):
                self.assert_refused(self.send(body))

    def test_a_body_that_never_ends_is_cut_off(self):
        for piece in (b"8000\r\n" + b" " * 0x8000 + b"\r\n", b"1\r\n \r\n" * 2000):
            with self.subTest(piece=piece[:10]), self.client.open_raw() as connection:
                connection.sendall(self.send(b""))
                sent = 0
                try:
                    while sent < 64 << 20:  # far more than server.body_bytes_max
                        connection.sendall(piece)
                        sent += len(piece)
                    self.fail("all of it was taken")
                except OSError:
                    pass  # closed
                self.assert_untouched()


class Lines(SmugglingCase):
    def test_a_head_that_is_in_doubt_is_refused(self):
        path = self.deposits
        length = b"\r\nContent-Length: 17\r\nContent-Type: application/json\r\n"
        post = b"POST " + path + b" HTTP/1.1"
        host = b"\r\nHost: localhost"
        for head in (post + length,  # no Host
                     post + host + host + length, post + host + b"\r\nHost: other" + length,
                     post + b"\nHost: localhost" + length, post + host + length.replace(b"\r", b""),
                     (post + host + length).replace(b"\r\n", b"\n"),
                     (post + host + length).replace(b"\r\n", b"\r"),
                     post + host + b"\r\nX: a\r\n folded" + length,
                     post + host + b"\r\nX : a" + length, post + host + b"\r\n: a" + length,
                     post + host + b"\r\nno colon" + length, post + host + b"\r\nX\x00: a" + length,
                     post + host + b"\r\nX: a\x00b" + length,
                     post + host + b"\r\nX: a\x7fb" + length,
                     post + host + b"\r\nX: a\rb" + length, post + host + b"\r\nX: a\r\rb" + length,
                     post + host + b"\r\nX(y): a" + length, post + host + b"\r\n\xff: a" + length,
                     b"POST  " + path + b" HTTP/1.1" + host + length,
                     b"POST " + path + b"  HTTP/1.1" + host + length,
                     b"POST\t" + path + b"\tHTTP/1.1" + host + length,
                     b" " + post + host + length, post + b" " + host + length,
                     b"POST " + path + b"\x00 HTTP/1.1" + host + length,
                     b"POST " + path + b"?\n HTTP/1.1" + host + length,
                     b"POST " + path + b"?\r HTTP/1.1" + host + length,
                     b"POST " + path + b"#x HTTP/1.1" + host + length,
                     b"POST " + path + b" HTTP/1.1\r" + host + length,
                     b"POST " + path + b" HTTP/1.2" + host + length,
                     b"POST " + path + b" HTTP/2.0" + host + length,
                     b"POST " + path + b" http/1.1" + host + length,
                     b"POST " + path + b" HTTP/1.1x" + host + length,
                     b"POST " + path + b" HTTP/11" + host + length,
                     b"POST " + path + b" HTTP/1.1 x" + host + length,
                     b"TRACE /x HTTP/1.2", b"CONNECT x:1 HTTP/2.0", b"PRI * HTTP/2.0",
                     b"P\x00ST " + path + b" HTTP/1.1" + host + length,
                     b"\r\n" + post + host + length, b"\n" + post + host + length,
                     b"\x00" + post + host + length):
            with self.subTest(head=head):
                answers = self.exchange(head + b"\r\n" + BODY + self.hidden(), half_close=True)
                self.assertEqual(len(answers), 1, [str(answer) for answer in answers])
                self.assertEqual(answers[0].status, 400)
                self.assertEqual(answers[0].json["code"], "malformed_request")
                self.assert_untouched()

    def test_other_protocols_are_refused_at_once(self):
        hello = bytes.fromhex("16030100c8010000c40303") + bytes(range(1, 10)) * 20
        for data in (b"GET /livez\r\n", b"GET /\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                     hello,
                     bytes.fromhex("802e0103010015"), b"\x00\x01\x02", b"SSH-2.0-OpenSSH_9.2\r\n",
                     b"\x04\x01\x00\x50", b"EHLO example.com\r\n", b"HELP\r\n", b"\r\n\r\n",
                     b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n" + self.hidden(),
                     b"{\"amount\":\"1.00\"}\n", b"\xef\xbb\xbf" + self.hidden()):
            with self.subTest(data=data[:20]):
                # Not half closed: the answer must not wait for more.
                with self.client.open_raw() as connection:
                    connection.sendall(data)
                    received = connection.recv(65536)
                self.assertTrue(received.startswith(b"HTTP/1.1 400 "), received)
                self.assertIn(b'"code":"malformed_request"', received)
                self.assert_untouched()

    def test_targets_that_are_not_for_this_server_name_nothing(self):
        path = self.deposits
        for target in (b"http://localhost" + path, b"https://localhost" + path,
                       b"//localhost" + path, b"localhost:80", b"localhost:80" + path, b"*",
                       path[1:], b"http:" + path, b"/." + path, b"/x/.." + path, b"/" + path,
                       path + b"/", path + b"/.", path.replace(b"/v1", b"/%761"),
                       path.replace(b"/dep", b"%2fdep"), path.replace(b"/dep", b"\\dep"),
                       path + b"%00", path + b"%0d%0aX:%20y", path + b";x=y"):
            for method in (b"POST", b"CONNECT", b"TRACE"):
                with self.subTest(target=target, method=method):
                    answers = self.exchange(
                        request(method + b" " + target + b" HTTP/1.1", BODY,
                                [b"Content-Type: application/json", CLOSE]) + self.hidden())
                    self.assertEqual(len(answers), 1)
                    self.assertIn(answers[0].status, (400, 404, 405))
                    self.assert_problem(answers[0], answers[0].status,
                                        ("malformed_request", "not_found", "method_not_allowed"))
                    self.assert_untouched()

    def test_the_method_is_that_of_the_request_line(self):
        for line in (b"X-HTTP-Method-Override: POST", b"X-HTTP-Method: POST",
                     b"X-Method-Override: POST"):
            for first in (b"GET " + self.deposits, b"PUT " + self.deposits,
                          b"GET " + self.deposits + b"?_method=POST"):
                with self.subTest(line=line, first=first):
                    answers = self.exchange(request(first + b" HTTP/1.1", BODY,
                                                    [b"Content-Type: application/json", line,
                                                     CLOSE]))
                    self.assertEqual([answer.status for answer in answers], [405])
                    self.assert_untouched()

    def test_a_client_that_says_close_is_closed_however_it_spells_it(self):
        for value in (b"close", b"Close", b"CLOSE", b"foo, close", b"keep-alive,Close", b" close "):
            with self.subTest(value=value):
                data = request(b"GET /livez HTTP/1.1", lines=[b"Connection:" + value])
                answers = self.exchange(data + self.hidden())
                self.assertEqual([answer.status for answer in answers], [200])
                self.assert_untouched()


class Expect(SmugglingCase):
    def test_who_waits_to_be_told_to_go_on_is_told(self):
        account = self.fresh_account()
        self.deposits = f"/v1/accounts/{account}/deposits".encode()
        data = self.deposit(BODY, [b"Expect: 100-continue", CLOSE])
        with self.client.open_raw() as connection:
            connection.sendall(data[:-len(BODY)])
            received = b""
            while not received.endswith(b"\r\n\r\n"):
                received += connection.recv(1)
            self.assertEqual(received, b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(BODY)
            self.assertTrue(connection.recv(65536).startswith(b"HTTP/1.1 201 "))
        self.assertEqual(self.account(self.client, account)["posted"], "1.00")

    def test_who_goes_on_without_a_body_gets_nothing_done(self):
        for length in (b"17", b"99999999", b"0"):
            with self.subTest(length=length):
                data = self.deposit(b"", [b"Expect: 100-continue", b"Content-Length: " + length],
                                    length=False)
                answers = self.exchange(data, half_close=True)
                self.assertEqual(len(answers), 1)
                self.assertIn(answers[0].status, (400, 413))
                self.assert_untouched()


if __name__ == "__main__":
    unittest.main()
