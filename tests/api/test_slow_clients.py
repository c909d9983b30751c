"""Clients that are slow, silent, gone, or do not read: cut off in time, while others are served."""

import pathlib
import re
import select
import socket
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import query, unique
from support.http_client import TIMEOUT_S, parse_answer, receive_until
from support.misuse import (KIB_MAX, MisuseCase, anonymous_kib, chunked, closed, descriptors,
                            request, reset)
from support.server import Server, wait_until

BODY = b'{"amount":"1.00"}'


class SlowCase(MisuseCase):
    settings = ("server.read_timeout=500ms", "server.write_timeout=500ms",
                "server.keep_alive_timeout=1s", "server.waiters_max=2", "gateway.latency=0ms")

    def setUp(self):
        server = Server(settings=self.settings)
        self.addCleanup(server.close)
        self.serve(server.start())
        self.memory = anonymous_kib(server.pid)
        self.open_before = descriptors(server.pid)

    def assert_as_before(self):
        """Memory and descriptors are what they were, more or less, once all is over."""
        wait_until(lambda: descriptors(self.server.pid) <= self.open_before,
                   "the server has closed its ends")
        self.assertLess(anonymous_kib(self.server.pid), self.memory + KIB_MAX)

    def many(self, count):
        connections = [self.client.open_raw() for _ in range(count)]
        for connection in connections:
            self.addCleanup(connection.close)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connections


class Slow(SlowCase):
    def trickle(self, connections, byte):
        """Sends byte after byte on all of them until each is closed; what each was answered."""
        answers = {}
        while len(answers) < len(connections):
            for connection in connections:
                if connection in answers:
                    continue
                try:
                    connection.sendall(byte)
                    if select.select([connection], [], [], 0.01)[0]:
                        answers[connection] = closed(connection)
                except OSError:
                    answers[connection] = b""
        return [parse_answer(answer) for answer in answers.values()]

    def assert_timed_out(self, answers):
        told = [answer for answer in answers if answer is not None]
        for answer in told:
            self.assert_problem(answer, 408, "request_timeout")
        self.assert_untouched()
        self.assert_as_before()
        return told

    def test_headers_byte_by_byte(self):
        connections = self.many(24)
        for connection in connections:
            connection.sendall(b"POST " + self.deposits + b" HTTP/1.1\r\nHost: a\r\nX: ")
        self.ordinary.served()
        self.assertTrue(self.assert_timed_out(self.trickle(connections, b"a")))

    def test_a_request_line_byte_by_byte(self):
        connections = self.many(8)
        for connection in connections:
            connection.sendall(b"GET /")
        self.assert_timed_out(self.trickle(connections, b"a"))

    def test_a_body_byte_by_byte(self):
        connections = self.many(16)
        for number, connection in enumerate(connections):
            if number % 2:
                connection.sendall(self.deposit(b"", [b"Content-Length: 900000"], length=False))
            else:
                connection.sendall(self.deposit(b"10000\r\n", [b"Transfer-Encoding: chunked"],
                                                length=False))
        self.ordinary.served()
        self.assertTrue(self.assert_timed_out(self.trickle(connections, b" ")))

    def test_silence_at_any_point(self):
        whole = self.deposit(BODY)
        parts = self.deposit(chunked(BODY), [b"Transfer-Encoding: chunked"], length=False)
        starts = [b""] + [data[:cut] for data in (whole, parts)
                          for cut in range(1, len(data) - 1, 11)]
        connections = self.many(len(starts))
        for connection, start in zip(connections, starts):
            connection.sendall(start)
        self.ordinary.served()
        answers = [parse_answer(closed(connection)) for connection in connections]
        self.assertIsNone(answers[0])  # it never began a request
        self.assert_timed_out(answers)


class Split(SlowCase):
    settings = ("server.read_timeout=1m",)

    def test_one_request_split_at_every_position(self):
        account = self.fresh_account()
        self.deposits = f"/v1/accounts/{account}/deposits".encode()
        close = [b"Connection: close"]
        total = 0
        for data in (self.deposit(BODY, close), self.deposit(
                chunked(BODY[:5], BODY[5:]), [*close, b"Transfer-Encoding: chunked"],
                length=False)):
            connections = self.many(len(data) - 1)
            for cut, connection in enumerate(connections, 1):
                connection.sendall(data[:cut])
            self.ordinary.served()  # so the server has seen the first parts
            for cut, connection in enumerate(connections, 1):
                connection.sendall(data[cut:])
            for connection in connections:
                self.assert_status(parse_answer(closed(connection)), 201)
            total += len(connections)
        self.assertEqual(self.account(self.client, account)["posted"], f"{total}.00")

    def test_every_byte_in_a_segment_of_its_own(self):
        account = self.fresh_account()
        self.deposits = f"/v1/accounts/{account}/deposits".encode()
        data = (self.deposit(BODY) + request(b"GET /livez HTTP/1.1") + self.deposit(
            chunked(BODY), [b"Transfer-Encoding: chunked", b"Connection: close"], length=False))
        connection = self.many(1)[0]
        for byte in data:
            connection.sendall(bytes([byte]))
        statuses = re.findall(rb"HTTP/1\.1 (\d+)", closed(connection))
        self.assertEqual(statuses, [b"201", b"200", b"201"])
        self.assertEqual(self.account(self.client, account)["posted"], "2.00")

    def test_many_requests_in_one_segment_are_answered_in_order(self):
        account = self.fresh_account()
        self.deposits = f"/v1/accounts/{account}/deposits".encode()
        kinds = [lambda line: self.deposit(BODY, [line]),
                 lambda line: self.deposit(chunked(BODY[:3], BODY[3:]),
                                           [b"Transfer-Encoding: chunked", line], length=False),
                 lambda line: request(b"GET /livez HTTP/1.1", lines=[line]),
                 lambda line: request(b"GET /v1/payments/none HTTP/1.1", b"body", [line]),
                 lambda line: self.deposit(b'{"amount":"-1"}', [line]),
                 lambda line: request(b"GET " + self.deposits[:-9] + b" HTTP/1.1", lines=[line])]
        count = 60 * len(kinds)
        data = b"".join(kinds[number % len(kinds)](b"X-Request-Id: r%d" % number)
                        for number in range(count))
        end = request(b"GET /livez HTTP/1.1", lines=[b"Connection: close"])
        received = self.client.raw(data + end)
        self.assertEqual(re.findall(rb"X-Request-Id: r(\d+)\r\n", received),
                         [b"%d" % number for number in range(count)])
        self.assertEqual(re.findall(rb"HTTP/1\.1 (\d+)", received)[:-1],
                         [b"201", b"201", b"200", b"404", b"422", b"200"] * 60)
        self.assertEqual(self.account(self.client, account)["posted"], "120.00")


class Gone(SlowCase):
    settings = ("server.threads=1", "server.waiters_max=2", "gateway.latency=0ms")

    def manual_payment(self, **members):
        body = {"id": unique("pay"), "user_id": self.fresh_account_with_money(), "amount": "1.00",
                "payment_method": "pm_manual", **members}
        return self.assert_status(self.client.post("/v1/payments", body), 202).json["id"]

    def fresh_account_with_money(self):
        return self.open_account(self.client, "10.00")

    def confirm(self, payment):
        self.payment_awaits(payment)
        answer = self.client.post("/v1/gateway/callbacks", {
            "payment_id": payment, "gateway_reference": f"mock_{payment}", "outcome": "confirmed"})
        self.assert_status(answer, 202)

    def payment_awaits(self, payment):
        wait_until(lambda: self.payment(self.client, payment)["current_step"] == "await_callback",
                   "the payment waits for its callback")

    def test_a_reset_at_any_point_of_a_request(self):
        for data in (self.deposit(BODY), self.deposit(
                chunked(BODY), [b"Transfer-Encoding: chunked"], length=False)):
            for cut in range(0, len(data) - 1, 5):
                connection = self.client.open_raw()
                connection.sendall(data[:cut])
                reset(connection)
        self.ordinary.served()
        self.assert_as_before()
        self.assert_untouched()

    def test_a_reset_in_mid_answer(self):
        long_answers = request(b"GET /v1/payments?limit=100 HTTP/1.1") * 200
        for number in range(20):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", self.server.port))
            connection.sendall(long_answers)
            connection.recv(1 + 500 * number)
            reset(connection)
        self.ordinary.served()
        self.assert_as_before()

    def assert_places_to_wait_are_free(self, payment):
        """Both of them, at the same time, within far less than the wait that was asked for."""
        def both():
            waiting = self.many(2)
            for connection in waiting:
                connection.sendall(request(b"GET /v1/payments/" + payment.encode() + b" HTTP/1.1",
                                           lines=[b"Prefer: wait=1", b"Connection: close"]))
            answers = [parse_answer(closed(connection)) for connection in waiting]
            return all(answer.header("Preference-Applied") == "wait=1" for answer in answers)
        wait_until(both, "those who left have left their places")

    def test_a_client_that_leaves_in_mid_wait_gives_its_place_back(self):
        payment = self.manual_payment()
        data = request(b"GET /v1/payments/" + payment.encode() + b" HTTP/1.1",
                       lines=[b"Prefer: wait=60"])
        for leave in (reset, socket.socket.close):
            with self.subTest(leave=leave):
                waiting = self.many(2)
                for connection in waiting:
                    connection.sendall(request(b"GET /livez HTTP/1.1"))
                for connection in waiting:
                    receive_until(connection, lambda got: got.endswith(b'{"status":"ok"}'))
                    connection.sendall(data)
                self.ordinary.served()  # by the same loop, so it has seen both
                answer = self.client.get(f"/v1/payments/{payment}", {"Prefer": "wait=0"})
                self.assertIsNone(answer.header("Preference-Applied"), "a place is free")
                for connection in waiting:
                    leave(connection)
                self.assert_places_to_wait_are_free(payment)
        self.ordinary.served()

    def test_a_client_that_sends_no_more_is_answered_without_the_wait(self):
        payment = self.manual_payment()
        data = request(b"GET /v1/payments/" + payment.encode() + b" HTTP/1.1",
                       lines=[b"Prefer: wait=60"])
        answer = parse_answer(self.client.raw(data, half_close=True))
        self.assertIn(self.assert_status(answer, 200).json["status"], ("pending", "processing"))

    def test_a_create_whose_client_left_in_mid_wait_is_answered_on_repetition(self):
        body = {"id": unique("pay"), "user_id": self.fresh_account_with_money(), "amount": "1.00",
                "payment_method": "pm_manual"}
        for leave in (reset, socket.socket.close):
            with self.subTest(leave=leave):
                body["id"] = unique("pay")
                key = unique("key")
                first = self.many(1)[0]
                text = repr(body).replace("'", '"').encode()
                first.sendall(request(b"POST /v1/payments HTTP/1.1", text, [
                    b"Content-Type: application/json", b"Prefer: wait=60",
                    b"Idempotency-Key: " + key.encode()]))
                wait_until(lambda: self.client.get(f"/v1/payments/{body['id']}").status == 200,
                           "the payment is accepted")
                leave(first)
                again = self.client.post("/v1/payments", body, key=key)
                self.assert_problem(again, 409, "idempotency_in_flight")
                self.assertEqual(again.header("Location"), f"/v1/payments/{body['id']}")
                self.confirm(body["id"])
                again = self.client.post("/v1/payments", body, key=key, wait=30)
                self.assertEqual(self.assert_status(again, 201).json["status"], "success")
                self.assertTrue(again.replayed)
                third = self.client.post("/v1/payments", body, key=key)
                self.assertEqual((third.status, third.body), (again.status, again.body))


class NotReading(SlowCase):
    def setUp(self):
        super().setUp()
        account = self.open_account(self.client, "1000.00")
        for _ in range(20):
            self.pay(self.client, account, metadata={"text": "x" * 7000})
        self.path = query("/v1/payments", user_id=account, limit=100).encode()
        self.memory = anonymous_kib(self.server.pid)

    def test_answers_that_nobody_reads_do_not_pile_up(self):
        """Each is some 150 kB: unbounded, these would take gigabytes."""
        connections = self.many(8)
        data = request(b"GET " + self.path + b" HTTP/1.1") * 100
        for connection in connections:
            connection.settimeout(TIMEOUT_S)
        open_ones = set(connections)
        sent = dict.fromkeys(connections, 0)
        most = 0
        for connection in connections:
            connection.setblocking(False)
        while open_ones:
            _, writable, broken = select.select([], open_ones, open_ones, 0.05)
            for connection in {*writable, *broken}:
                try:
                    sent[connection] += connection.send(data)
                except BlockingIOError:
                    pass
                except OSError:
                    open_ones.discard(connection)  # it was cut off
            most = max(most, anonymous_kib(self.server.pid) - self.memory)
            if all(count > 1 << 20 for count in sent.values()):
                data = b"x"  # enough is on its way; now only find out when it is over
            for connection in list(open_ones):
                if self.has_been_closed(connection):
                    open_ones.discard(connection)
        self.assertLess(most, KIB_MAX)
        self.ordinary.served()
        self.assert_as_before()

    @staticmethod
    def has_been_closed(connection):
        """Whether the server has ended it; that much is known without reading."""
        states = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        return states[0] != 1  # TCP_ESTABLISHED

    def test_a_slow_reader_is_cut_off_or_gets_all(self):
        connection = socket.socket()
        self.addCleanup(connection.close)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", self.server.port))
        connection.settimeout(TIMEOUT_S)
        count = 60  # far more than the buffers of both ends hold
        connection.sendall(request(b"GET " + self.path + b" HTTP/1.1") * count)
        receive_until(connection, lambda got: len(got) > 1000)

        def closed_by_server():
            try:
                return not connection.recv(64)
            except ConnectionResetError:
                return True
        wait_until(lambda: self.has_been_closed(connection) or closed_by_server(),
                   "it is cut off", poll=0.02)
        self.ordinary.served()
        connection.close()
        self.assert_as_before()


if __name__ == "__main__":
    unittest.main()
