"""Whatever a client sends: the documented error, and a server that goes on and has lost nothing.

After every single bad request another client asks whether the server is ready and the ledger
balances, and at the end of each test the money is where it was.
"""

import http.client
import json
import pathlib
import random
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import ApiCase, query, together, unique
from support.http_client import TIMEOUT_S, parse_answer, read_to_end
from support.server import QUICK_RETRY, wait_until

MIB = 1 << 20


def message(method, path, body=b"", headers=(), length=None):
    """The bytes of a request after which the connection ends."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
    if body or length is not None:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


JSON = [("Content-Type", "application/json")]


class BadInputCase(ApiCase):
    settings = (QUICK_RETRY, "server.read_timeout=1s", "server.keep_alive_timeout=2s")

    def setUp(self):
        super().setUp()
        self.account_id = self.open_account(self.client, "100.00")
        self.deposits = f"/v1/accounts/{self.account_id}/deposits"
        self.addCleanup(self.assert_untouched)

    def assert_untouched(self):
        with self.server.client() as client:
            account = self.account(client, self.account_id)
            self.assertEqual((account["available"], account["held"]), ("100.00", "0.00"))
            self.assertEqual(len(self.transfers(client, self.account_id)), 1)

    def bodies(self):
        """(path, a good body) of every POST there is."""
        return [("/v1/accounts", {"id": unique("acct")}),
                (self.deposits, {"amount": "1.00"}),
                ("/v1/payments", {"user_id": self.account_id, "amount": "1.00",
                                  "payment_method": "pm_ok"})]

    def check(self, answer, status, code, pointer=None):
        problem = self.assert_problem(answer, status, code, pointer)
        self.assert_serving()
        return problem


class Bodies(BadInputCase):
    def test_malformed_json(self):
        bodies = [b"", b" ", b"{", b"}", b"[", b'{"amount"', b'{"amount":', b'{"amount":"1.00"',
                  b'{"amount":"1.00}', b'{"amount":"1.00",}', b'{amount:"1.00"}', b"{'amount':1}",
                  b'{"amount":1.}', b'{"amount":.5}', b'{"amount":01}', b'{"amount":+1}',
                  b'{"amount":1e}', b'{"amount":--1}', b'{"amount":NaN}', b'{"amount":Infinity}',
                  b'{"amount":-Infinity}', b'{"amount":0x10}', b'{"amount":1_000}',
                  b'{"amount":tru}', b'{"amount":nul}', b'{"amount":True}', b'{"amount" "1"}',
                  b'{"amount"::1}', b'{"amount":1 "x":2}', b'{,"amount":1}', b'{"amount":1}}',
                  b'{"amount":1}{"amount":1}', b'{"amount":1} x', b'{"amount":1},',
                  b'{"amount":1}\0',
                  b'{"amount":"1\n.00"}', b'{"amount":"\\x31"}', b'{"amount":"\\u12"}',
                  b'{"amount":"\\ud800"}', b'{"amount":"\\udc00\\ud800"}', b'{"amount":"\x01"}',
                  b'// c\n{"amount":1}', b'{"amount":1/**/}', b'{"amount":[1,]}', b"\0", b"hello",
                  b"amount=1.00", b"<a/>", b'{"amount":"\t"}', b'{1:2}', b'{null:2}']
        for path in (self.deposits, "/v1/payments", "/v1/accounts"):
            for body in bodies:
                with self.subTest(path=path, body=body):
                    self.check(self.client.post(path, body), 400, "malformed_json")

    def test_invalid_utf_8(self):
        for piece in (b"\xff", b"\xc0\xaf", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80",
                      b"\xe2\x82", b"\xf8\x88\x80\x80\x80"):
            for body in (b'{"amount":"1.00","reference":"' + piece + b'"}',
                         b'{"amount":"1.00","' + piece + b'":1}', piece,
                         b'{"amount":"1.00"}' + piece):
                with self.subTest(body=body):
                    self.check(self.client.post(self.deposits, body), 400, "malformed_json")

    def test_duplicate_keys(self):
        for body in ('{"amount":"1.00","amount":"1.00"}', '{"amount":"1.00","amount":"2.00"}',
                     '{"amount":"1.00","amo\\u0075nt":"2.00"}',
                     '{"amount":"1.00","reference":"a","reference":"b"}'):
            with self.subTest(body=body):
                self.check(self.client.post(self.deposits, body), 400, "malformed_json")
        pairs = ",".join(f'"k{number}":{number}' for number in range(200))
        for metadata in ('{"a":1,"a":2}', '{"a":{"b":[{"c":1,"c":1}]}}', f'{{{pairs},"k7":1}}'):
            with self.subTest(metadata=metadata[:40]):
                self.check(self.client.post("/v1/accounts", f'{{"metadata":{metadata}}}'), 400,
                           "malformed_json")

    def test_deep_nesting(self):
        for depth in (100, 1000, 100000):
            for opening, closing in (("[", "]"), ('{"a":', "}")):
                with self.subTest(depth=depth, opening=opening):
                    value = opening * depth + "1" + closing * depth
                    self.check(self.client.post("/v1/accounts", f'{{"metadata":{{"a":{value}}}}}'),
                               400, "malformed_json")
                    self.check(self.client.post("/v1/accounts", opening * depth), 400,
                               "malformed_json")
        value = '{"a":' * 8 + "[[[[1]]]]" + "}" * 8
        self.assert_status(self.client.post("/v1/accounts", f'{{"metadata":{value}}}'), 201)

    def test_a_body_that_is_no_object(self):
        for path, _ in self.bodies():
            for body in ("[]", '[{"amount":"1.00"}]', '"text"', "5", "true", "null", "1e400"):
                with self.subTest(path=path, body=body):
                    answer = self.client.post(path, body)
                    self.assert_status(answer, 400, 422)
                    self.check(answer, answer.status, ("invalid_type", "malformed_json"))

    def test_unknown_fields_are_named(self):
        for path, good in self.bodies():
            for name in ("amonut", "Amount", "AMOUNT", " amount", "__proto__", "x" * 300, "ключ",
                         "a/b~c", "", "\u0000"):
                with self.subTest(path=path, name=name[:20]):
                    answer = self.client.post(path, {**good, name: 1})
                    escaped = name.replace("~", "~0").replace("/", "~1")
                    self.check(answer, 422, "unknown_field", "/" + escaped)

    def test_wrong_types(self):
        for path, good in self.bodies():
            for name in good:
                if name == "amount":
                    continue
                for value in (5, -1.5, True, [], ["a"], {}, {"id": "a"}):
                    with self.subTest(path=path, name=name, value=value):
                        answer = self.client.post(path, {**good, name: value})
                        self.check(answer, 422, "invalid_type", name)

    def test_absurd_numbers(self):
        texts = ["1e2", "1E2", "1e+2", "1e-2", "-1", "-0", "0", "0.0", "1e400", "-1e400", "1e-400",
                 "10.001", "0.001", "99999999999999999999", "92233720368547758.08",
                 "18446744073709551616", "18446744073709551716", "9" * 1000,
                 "0." + "0" * 1000 + "1",
                 "1." + "0" * 1000, "1e99999999999999999999", "1e-99999999999999999999",
                 '"NaN"', '"nan"', '"Infinity"', '"-1"', '"1e2"', '"0x1F"', '"１"', '"1\\u0000"',
                 '"1 "', '" 1"', '"1,5"', '"1_0"', '"٣"', '"' + "9" * 100000 + '"', '"-"', '"."',
                 '"$1"', '"1.00 USD"']
        for text in texts:
            with self.subTest(text=text[:40]):
                self.check(self.client.post(self.deposits, f'{{"amount":{text}}}'), 422,
                           "invalid_amount", "amount")
                body = (f'{{"user_id":"{self.account_id}","amount":{text},'
                        '"payment_method":"pm_ok"}')
                self.check(self.client.post("/v1/payments", body), 422, "invalid_amount", "amount")

    def test_huge_strings(self):
        huge = "x" * 200000
        for path, good in self.bodies():
            for name in [*good, "id", "reference", "description", "payment_method", "user_id",
                         "currency"]:
                with self.subTest(path=path, name=name):
                    answer = self.client.post(path, {**good, name: huge})
                    self.assertEqual(answer.status, 422, str(answer))
                    self.check(answer, 422, ("invalid_id", "invalid_amount", "invalid_currency",
                                             "invalid_payment_method", "too_long",
                                             "unknown_field"))

    def test_text_is_limited_in_bytes_and_kept_exactly(self):
        for text in ("x" * 200, "ü" * 100, "\u0000\u001f\"\\/\b", "😀" * 50):
            with self.subTest(text=text[:10]):
                other = self.open_account(self.client)
                answer = self.client.post(f"/v1/accounts/{other}/deposits",
                                          {"amount": "1", "reference": text})
                if self.assert_status(answer, 201, 422).status == 201:
                    self.assertEqual(answer.json.get("reference", text), text)
                self.assert_serving()

    def test_too_large_bodies(self):
        """1 MiB by default. Sent as a whole, in chunks, and only announced."""
        body = b'{"amount":"1.00","reference":"' + b"x" * (2 * MIB) + b'"}'
        for path in (self.deposits, "/v1/payments", "/v1/accounts"):
            whole = self.client.raw(message("POST", path, body, JSON))
            self.check(parse_answer(whole), 413, "payload_too_large")
        announced = self.client.raw(message("POST", self.deposits, b"x", JSON, length=10 * MIB),
                                    half_close=True)
        if announced:
            answer = parse_answer(announced)
            self.assert_status(answer, 400, 413)
        chunks = b"".join(b"10000\r\n" + b"x" * 0x10000 + b"\r\n" for _ in range(40))
        sent = self.client.raw(message("POST", self.deposits, b"",
                                       JSON + [("Transfer-Encoding", "chunked")])
                               + chunks + b"0\r\n\r\n")
        self.check(parse_answer(sent), 413, "payload_too_large")

    def test_a_body_of_nearly_the_limit_is_read(self):
        body = b'{"id":"' + unique("big").encode() + b'"' + b" " * (MIB - 100) + b"}"
        self.assert_status(self.client.post("/v1/accounts", body), 201)

    def test_a_chunked_body_is_as_good_as_any(self):
        other = self.open_account(self.client)
        data = message("POST", f"/v1/accounts/{other}/deposits", b"",
                       JSON + [("Transfer-Encoding", "chunked")])
        answer = parse_answer(self.client.raw(
            data + b'4\r\n{"am\r\nb\r\nount":"1.00\r\n2\r\n"}\r\n0\r\n\r\n'))
        self.assert_status(answer, 201)
        self.assertEqual(self.account(self.client, other)["posted"], "1.00")

    def test_random_bytes_and_broken_bodies(self):
        seed = 20240229
        draw = random.Random(seed)
        good = json.dumps({"user_id": "nobody", "amount": "1.00", "payment_method": "pm_ok",
                           "metadata": {"a": [1, 2.5, None, True, "ü"]}}).encode()
        for number in range(300):
            body = bytearray(good)
            for _ in range(draw.randrange(1, 6)):
                where = draw.randrange(len(body))
                kind = draw.randrange(3)
                if kind == 0:
                    body[where] = draw.randrange(256)
                elif kind == 1:
                    del body[where:where + draw.randrange(1, 8)]
                else:
                    body[where:where] = bytes(draw.randrange(256) for _ in range(3))
                if not body:
                    break
            with self.subTest(seed=seed, number=number, body=bytes(body)):
                answer = self.client.post("/v1/payments", bytes(body))
                self.assertIn(answer.status, (400, 422), str(answer))
                self.assert_problem(answer, answer.status, (answer.json["code"],))


class Headers(BadInputCase):
    def test_content_type_must_be_json(self):
        for path, good in self.bodies():
            for kind in ("text/plain", "application/xml", "application/jsonx", "json", "",
                         "application/x-www-form-urlencoded", "application/problem+json",
                         "text/json", "multipart/form-data; boundary=x",
                         "application/json-patch+json",
                         "application", "a" * 2000):
                with self.subTest(path=path, kind=kind[:40]):
                    answer = self.client.post(path, good, {"Content-Type": kind})
                    if kind.startswith("multipart/") and answer.status == 400:
                        continue  # it is not even good multipart
                    self.check(answer, 415, "unsupported_media_type")
            answer = self.client.post(path, good, {"Content-Type": None})
            self.check(answer, 415, "unsupported_media_type")

    def test_json_content_types_are_accepted(self):
        for kind in ("application/json", "application/json; charset=utf-8", "APPLICATION/JSON",
                     "application/json;charset=UTF-8", "application/json ; q=1"):
            with self.subTest(kind=kind):
                self.assert_status(self.client.post("/v1/accounts", {}, {"Content-Type": kind}),
                                   201)

    def test_a_post_without_any_body(self):
        for path, _ in self.bodies():
            answer = self.client.post(path)
            self.assert_status(answer, 400, 415)
            self.check(answer, answer.status, ("malformed_json", "unsupported_media_type"))
            self.check(self.client.post(path, b"", dict(JSON)), 400, "malformed_json")

    def test_encoded_bodies_are_not_taken_for_plain_ones(self):
        for coding in ("gzip", "br", "deflate", "zstd", "x"):
            with self.subTest(coding=coding):
                answer = self.client.post(self.deposits, {"amount": "1.00"},
                                          {"Content-Encoding": coding})
                self.assert_status(answer, 400, 415)
                self.assert_serving()

    def test_overlong_headers(self):
        for name, value in (("X-Long", "x" * 100000), ("Idempotency-Key", "k" * 100000),
                            ("Prefer", "wait=1" + " " * 100000), ("X-Request-Id", "r" * 100000),
                            ("n" * 100000, "v"),
                            ("Content-Type", "application/json" + ";" * 100000)):
            with self.subTest(name=name[:20]):
                data = self.client.raw(message("POST", self.deposits, b'{"amount":"1.00"}',
                                               [("Content-Type", "application/json"),
                                                (name, value)] if name != "Content-Type"
                                               else [(name, value)]))
                if data:
                    self.assertIn(parse_answer(data).status, (400, 413, 414, 415, 431), data[:300])
                self.assert_serving()

    def test_too_many_headers(self):
        headers = [(f"X-{number}", "v") for number in range(20000)]
        data = self.client.raw(message("GET", "/livez", b"", headers))
        if data:
            self.assertIn(parse_answer(data).status, (400, 413, 431), data[:300])
        self.assert_serving()

    def test_strange_header_lines(self):
        for line in (b"NoColon", b": no name", b"Bad Name: v", b"X-Null: a\0b", b"X-Cr: a\rb",
                     b" folded: v", b"X-Utf8: \xc3\xbc", b"X-Raw: \xff\xfe", b"Host: b",
                     b"Range: bytes=0-1", b"Range: bytes=5-1", b"Range: bytes=-1,0-,5-6,1-2",
                     b"Range: lines=1-2", b"If-None-Match: *", b"Expect: 200-ok",
                     b"Upgrade: websocket", b"Accept: text/html;q=0", b"Accept-Encoding: gzip, br",
                     b"Connection: upgrade, keep-alive", b"Forwarded: for=\"_x\""):
            with self.subTest(line=line):
                data = self.client.raw(b"GET /v1/ledger HTTP/1.1\r\nHost: a\r\n" + line +
                                       b"\r\nConnection: close\r\n\r\n", half_close=True)
                if data:
                    self.assertLess(parse_answer(data).status, 500, data[:300])
                self.assert_serving()

    def test_contradicting_lengths(self):
        body = b'{"amount":"1.00"}'
        size = str(len(body))
        for headers in ([("Content-Length", "-1")], [("Content-Length", "abc")],
                        [("Content-Length", "1e2")], [("Content-Length", "99999999999999999999")],
                        [("Content-Length", "18446744073709551615")],
                        [("Content-Length", size), ("Content-Length", "5")],
                        [("Content-Length", "")], [("Content-Length", "5"),
                                                   ("Transfer-Encoding", "chunked")],
                        [("Transfer-Encoding", "identity")], [("Transfer-Encoding", "x, chunked")]):
            with self.subTest(headers=headers):
                data = self.client.raw(message("POST", self.deposits, b"", JSON + headers) + body,
                                       half_close=True)
                if data:
                    self.assertIn(parse_answer(data).status, (400, 411, 413, 415, 501), data[:300])
                self.assert_serving()

    def test_nothing_is_taken_for_a_request_once_the_connection_is_said_to_close(self):
        """The rest of a request that was refused for its head must not be carried out."""
        body = b'{"amount":"7.00"}'
        hidden = (f"POST {self.deposits} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json"
                  f"\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
        length = b"Content-Length: %d" % len(hidden)
        for first, lines in (
                (b"POST /v1/payments HTTP/1.1", [b"X-Long: " + b"x" * 9000, length]),
                (b"POST /v1/payments HTTP/1.1", [b"Bad Name: x", length]),
                (b"POST /v1/payments HTTP/1.1", [b"Content-Length: 5", length]),
                (b"POST /v1/payments HTTP/1.1", [b"Content-Length: abc"]),
                (b"POST /v1/payments HTTP/1.1", [b"Content-Type: text/plain", length]),
                (b"POST /v1/payments HTTP/1.1", [b"Content-Encoding: gzip", length]),
                (b"POST /v1/payments HTTP/1.1", [b"Transfer-Encoding: chunked", length]),
                (b"POST /v1/payments HTTP/1.1", [b"Transfer-Encoding: identity"]),
                (b"POST /v1/payments HTTP/1.1", [b"Content-Length: 10000000"]),
                (b"POST /v1/payments HTTP/1.1", [b"Content-Type: application/json"]),
                (b"BREW /v1/payments HTTP/1.1", [length]),
                (b"PUT /v1/payments HTTP/1.1", [length]),
                (b"POST /" + b"u" * 9000 + b" HTTP/1.1", [length]),
                (b"GET /v1/payments HTTP/1.1", [b"Range: bytes=9-1", length]),
                (b"nonsense", [])):
            with self.subTest(first=first[:40], lines=[line[:40] for line in lines]):
                with self.client.open_raw() as connection:
                    head = b"\r\n".join([first, b"Host: a", *lines]) + b"\r\n\r\n"
                    connection.sendall(head)
                    # Some answer before the body comes, others wait for it.
                    connection.settimeout(0.3)
                    try:
                        data = connection.recv(65536)
                    except TimeoutError:
                        data = b""
                    connection.settimeout(TIMEOUT_S)
                    try:
                        connection.sendall(hidden)
                    except OSError:
                        pass  # it is closed already
                    data += read_to_end(connection)
                answers = data.split(b"HTTP/1.1 ")[1:]
                for number, answer in enumerate(answers):
                    if b"\r\nconnection: close\r\n" in answer.partition(b"\r\n\r\n")[0].lower() \
                            + b"\r\n":
                        self.assertEqual(answers[number + 1:], [], data)
                self.assert_serving()

    def test_a_head_that_is_not_well_formed_ends_the_connection_whatever_its_method(self):
        """What follows such a head cannot be told from a part of it."""
        for head in (b"TRACE /nothing,\nHost: a", b"TRACE /nothing HTTP/9", b"PRI * HTTP/2.0",
                     b"TRACE /nothing HTTP/1.1\r\nBad Name: x",
                     b"CONNECT /nothing HTTP/1.1\r\nX-Long: " + b"x" * 9000,
                     b"GET /nothing HTTP/1.1\r\nBad Name: x"):
            with self.subTest(head=head[:50]):
                data = self.client.raw(head + b"\r\n" + message("GET", "/v1/ledger"),
                                       half_close=True)
                answer = parse_answer(data)
                self.assertEqual(answer.status, 400, data)
                self.assertEqual(answer.header("Connection"), "close")
                self.assertEqual(data.count(b"HTTP/1.1 "), 1, data)
                self.assert_serving()

    def test_bad_chunks(self):
        for chunks in (b"zz\r\nabc\r\n0\r\n\r\n", b"-5\r\nabcde\r\n0\r\n\r\n", b"5\r\nab",
                       b"ffffffffffffffff\r\nabc\r\n0\r\n\r\n", b"3\r\nabcde\r\n0\r\n\r\n", b"\r\n",
                       b"5" * 5000 + b"\r\n", b"1;" + b"e" * 100000 + b"\r\na\r\n0\r\n\r\n"):
            with self.subTest(chunks=chunks[:30]):
                data = self.client.raw(message("POST", self.deposits, b"",
                                               JSON + [("Transfer-Encoding", "chunked")]) + chunks,
                                       half_close=True)
                if data:
                    self.assertIn(parse_answer(data).status, (400, 413, 431), data[:300])
                self.assert_serving()

    def test_expect_100_continue(self):
        body = b'{"amount":"0"}'
        data = self.client.raw(message("POST", self.deposits, body,
                                       JSON + [("Expect", "100-continue")]))
        if data.startswith(b"HTTP/1.1 100"):
            data = data.partition(b"\r\n\r\n")[2]
        self.check(parse_answer(data), 422, "invalid_amount")


class Paths(BadInputCase):
    def test_unknown_routes(self):
        for path in ("/", "/v1", "/v1/", "/v2/payments", "/v1/payment", "/v1/payments/",
                     "/v1/payments//", "/v1/accounts/a/b", "/v1/accounts/a/deposits/1",
                     "/v1/payments/a/events/1", "/v1//payments", "//v1/payments", "/V1/PAYMENTS",
                     "/v1/ledger/x", "/admin", "/.git/config", "/etc/passwd", "/index.php",
                     "/livez/", "/v1/payments/../ledger", "/a/b/c/d/e/f/g/h", "/" + "a/" * 500,
                     "/%", "/%zz", "/%ff%fe", "/v1/payments%00", "/v1/%70ayments/x/y", "/\u00fc"):
            with self.subTest(path=path[:40]):
                data = self.client.raw(message("GET", path))
                answer = parse_answer(data)
                if path in ("/",) and answer.status == 200:
                    continue  # a page for people
                self.assertIn(answer.status, (400, 404, 414), str(answer))
                self.assert_problem(answer, answer.status, answer.json["code"])
                self.assert_serving()
        for path in ("/v1/nothing", "/v1/accounts/a/nothing"):
            self.check(self.client.get(path), 404, "not_found")
            self.check(self.client.post(path, {}), 404, "not_found")

    def test_unknown_methods_name_the_allowed_ones(self):
        for path, allowed in (("/v1/payments", {"GET", "POST"}), ("/v1/accounts", {"GET", "POST"}),
                              (f"/v1/accounts/{self.account_id}", {"GET"}),
                              (self.deposits, {"POST"}),
                              (f"/v1/accounts/{self.account_id}/transfers", {"GET"}),
                              ("/v1/payments/x", {"GET"}), ("/v1/payments/x/events", {"GET"}),
                              ("/v1/ledger", {"GET"}), ("/livez", {"GET"}), ("/readyz", {"GET"}),
                              ("/healthz", {"GET"}), ("/health", {"GET"}), ("/version", {"GET"})):
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
                if method in allowed:
                    continue
                with self.subTest(path=path, method=method):
                    body = {} if method in ("POST", "PUT", "PATCH") else None
                    answer = self.client.request(method, path, body)
                    if method == "OPTIONS" and answer.status in (200, 204):
                        self.assertTrue(answer.header("Allow"))
                        continue
                    self.check(answer, 405, "method_not_allowed")
                    named = {one.strip() for one in answer.header("Allow").split(",")}
                    self.assertLessEqual(allowed, named)
                    self.assertNotIn(method, named)

    def test_methods_that_http_does_not_know(self):
        for method in ("BREW", "get", "TRACE", "CONNECT", "X" * 5000, "G\0T", "PRI"):
            with self.subTest(method=method[:10]):
                data = self.client.raw(message(method, "/v1/payments"), half_close=True)
                if data:
                    self.assertIn(parse_answer(data).status, (400, 404, 405, 414, 501), data[:300])
                self.assert_serving()

    def test_head_is_a_get_without_a_body(self):
        for path in ("/livez", "/v1/ledger", "/v1/payments", f"/v1/accounts/{self.account_id}"):
            with self.subTest(path=path):
                answer = self.client.request("HEAD", path)
                self.assert_status(answer, 200, 405)
                self.assertEqual(answer.body, b"")

    def test_overlong_paths_and_ids(self):
        for size in (129, 511, 512, 600, 2000, 7000, 9000, 100000):
            long_id = "a" * size
            for method, path, body in (
                    ("GET", f"/v1/accounts/{long_id}", None),
                    ("GET", f"/v1/accounts/{long_id}/transfers", None),
                    ("POST", f"/v1/accounts/{long_id}/deposits", b'{"amount":"1.00"}'),
                    ("GET", f"/v1/payments/{long_id}", None),
                    ("GET", f"/v1/payments/{long_id}/events", None),
                    ("GET", f"/{long_id}", None)):
                with self.subTest(size=size, method=method, path=path[:30]):
                    data = self.client.raw(message(method, path, body or b"", JSON if body else ()))
                    if data:
                        answer = parse_answer(data)
                        self.assertIn(answer.status, (400, 404, 414, 422, 431), str(answer))
                    self.assert_serving()

    def test_strange_queries(self):
        for text in ("?", "?&", "?=", "?&&&===", "?limit", "?%", "?%zz=1", "?%ff=%fe", "?\xff=1",
                     "?user_id=%00", "?user_id=%ff", "?limit=1&limit=2", "?limit=%31",
                     "?user_id=" + "u" * 600, "?user_id=" + "u" * 7000, "?cursor=" + "f" * 4000,
                     "?cursor=" + "0" * 32, "?cursor=" + "ff" * 16, "?cursor=" + "f" * 31,
                     "?created_after=" + "9" * 3000, "?created_after=9999-12-31T23:59:59Z",
                     "?created_after=0001-01-01T00:00:00Z", "?created_before=1969-12-31T23:59:59Z",
                     "?created_after=2024-01-01T00:00:00.123456789Z",
                     "?created_after=2024-01-01T00:00:00%2B01:00",
                     "?" + "&".join(f"a{number}=b" for number in range(500)), "?limit=5#x"):
            with self.subTest(text=text[:40]):
                answer = parse_answer(self.client.raw(message("GET", "/v1/payments" + text)))
                self.assertIn(answer.status, (200, 400, 414, 422), str(answer))
                if answer.status != 200:
                    self.assert_problem(answer, answer.status, answer.json["code"])
                self.assert_serving()

    def test_lists_of_an_impossible_user_are_empty_or_refused(self):
        for user_id in ("a b", "u" * 129, "u" * 600, "ü", "../x", "%"):
            with self.subTest(user_id=user_id[:20]):
                answer = self.client.get(query("/v1/payments", user_id=user_id))
                if self.assert_status(answer, 200, 422).status == 200:
                    self.assertEqual(answer.json, {"data": [], "next_cursor": None})

    def test_an_encoded_slash_does_not_make_another_route(self):
        path = f"/v1/accounts/{self.account_id}%2Fdeposits"
        answer = self.client.post(path, {"amount": "1.00"})
        self.assert_status(answer, 404, 405)


class HalfRequests(BadInputCase):
    """Clients that stop in mid-sentence, go silent or never read."""

    settings = (*BadInputCase.settings, "server.requests_max=16", "server.waiters_max=8")

    def whole(self):
        return message("POST", self.deposits, b'{"amount":"0"}', JSON)

    def test_a_request_cut_at_any_byte(self):
        data = self.whole()
        for cut in range(0, len(data), 3):
            with self.subTest(cut=cut):
                answer = self.client.raw(data[:cut], half_close=True)
                if answer:
                    self.assertIn(parse_answer(answer).status, (400, 408, 413, 415, 422), answer)
        self.assert_serving()

    def test_a_connection_that_is_reset(self):
        data = self.whole()
        for cut in range(1, len(data), 7):
            with self.client.open_raw() as connection:
                connection.sendall(data[:cut])
        self.assert_serving()

    def test_silent_clients_are_cut_off(self):
        data = self.whole()
        starts = (data[:10], data[:data.index(b"\r\n\r\n")], data[:-3])
        connections = [self.client.open_raw() for _ in starts]
        for connection, start in zip(connections, starts):
            connection.sendall(start)
        begin = time.monotonic()
        for connection in connections:
            with connection:
                connection.settimeout(30)
                try:
                    while connection.recv(4096):
                        pass
                except ConnectionResetError:
                    pass
        self.assertLess(time.monotonic() - begin, 25)
        self.assert_serving()

    def test_more_silent_clients_than_requests_do_not_stop_the_server_for_long(self):
        connections = [self.client.open_raw() for _ in range(40)]
        try:
            for connection in connections:
                connection.sendall(b"POST /v1/payments HTTP/1.1\r\nHost: a\r\nContent-")
            begin = time.monotonic()
            with self.server.client() as client:
                self.assert_status(client.get("/readyz"), 200)
            self.assertLess(time.monotonic() - begin, 20)
        finally:
            for connection in connections:
                connection.close()
        self.assert_serving()

    def test_clients_that_vanish_before_their_answer(self):
        data = message("GET", "/v1/payments?limit=100")

        def vanish(_):
            for _ in range(20):
                with self.client.open_raw() as connection:
                    connection.sendall(data)
        together(8, vanish)
        self.assert_serving()

    def test_pipelined_requests_are_answered_in_order(self):
        post = b'{"amount":"0"}'
        data = self.client.raw(
            b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
            b"GET /v1/accounts/none HTTP/1.1\r\nHost: a\r\n\r\n"
            + message("POST", self.deposits, post, JSON).replace(b"Connection: close\r\n", b"")
            + message("GET", "/livez"))
        statuses = [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]
        self.assertEqual(statuses, [200, 404, 422, 200], data)

    def test_garbage_instead_of_http(self):
        draw = random.Random(7)
        for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100, b"\r\n" * 100,
                     b"GET\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                     b"GET  /livez  HTTP/1.1\r\n\r\n", b"/livez GET HTTP/1.1\r\n\r\n",
                     b"POST /v1/payments HTTP/1.1\n\n", b"\0" * 1000, b"A" * 200000,
                     bytes(draw.randrange(256) for _ in range(5000)),
                     b"GET http://localhost/livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                     b"GET * HTTP/1.1\r\nConnection: close\r\n\r\n"):
            with self.subTest(data=data[:30]):
                answer = self.client.raw(data, half_close=True)
                try:
                    parsed = parse_answer(answer)
                except http.client.HTTPException:
                    self.fail(f"no HTTP answer: {answer[:200]!r}")
                if parsed is not None:
                    self.assertLess(parsed.status, 502, answer[:200])
                    self.assertNotEqual(parsed.status, 500, answer[:200])
                self.assert_serving()

    def test_good_requests_go_on_beside_bad_ones(self):
        stop = threading.Event()

        def spoil():
            draw = random.Random(11)
            while not stop.is_set():
                data = self.whole()
                self.client.raw(data[:draw.randrange(len(data))], half_close=True)
        threads = [threading.Thread(target=spoil, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            other = self.open_account(self.client, "50.00")
            for _ in range(50):
                self.pay(self.client, other)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        wait_until(lambda: self.account(self.client, other)["posted"] == "0.00", "all are paid")


if __name__ == "__main__":
    unittest.main()
