"""Connections: many idle ones, pipelined requests, bounds, time-outs and the end."""

import pathlib
import re
import resource
import signal
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import ApiCase, ContractCase, together
from support.http_client import read_to_end, receive_until
from support.server import SETTLE_S, Server, wait_until

IDLE = 2000


def request(method, path, body=b"", headers=()):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}",
             *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Idle(ApiCase):
    def test_two_thousand_idle_connections_leave_others_served(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, IDLE + 500), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        account = self.open_account(self.client, "1000.00")
        idle = [self.client.open_raw() for _ in range(IDLE)]
        try:
            for connection in idle[::2]:  # half of them have been used before
                connection.sendall(request("GET", "/livez"))
            for connection in idle[::2]:
                receive_until(connection, lambda got: got.endswith(b'{"status":"ok"}'))

            def pay(_):
                with self.server.client() as client:
                    body = {"user_id": account, "amount": "1.00", "payment_method": "pm_ok"}
                    return client.post("/v1/payments", body, wait=30)
            for answer in together(20, pay):
                self.assertEqual(self.assert_status(answer, 201).json["status"], "success")
            idle[0].sendall(request("GET", "/livez"))  # and they are still good themselves
            receive_until(idle[0], lambda got: got.endswith(b'{"status":"ok"}'))
        finally:
            for connection in idle:
                connection.close()

    def test_requests_sent_ahead_are_answered_in_order(self):
        with self.client.open_raw() as connection:
            connection.sendall(request("GET", "/livez") + request("GET", "/v1/payments/none")
                               + request("GET", "/readyz", headers=["Connection: close"]))
            answers = read_to_end(connection)
        self.assertEqual(re.findall(rb"HTTP/1\.1 (\d+)", answers), [b"200", b"404", b"200"])

    def test_one_thread_serves_many_that_wait(self):
        settings = ["server.threads=1", "gateway.latency=60s"]
        with Server(settings=settings) as server, server.client() as client:
            account = self.open_account(client, "1000.00")
            body = {"user_id": account, "amount": "1.00", "payment_method": "pm_ok"}
            ids = [self.assert_status(client.post("/v1/payments", body), 202).json["id"]
                   for _ in range(3)]
            waiting = [client.open_raw() for _ in range(100)]
            for number, connection in enumerate(waiting):
                connection.sendall(request("GET", f"/v1/payments/{ids[number % 3]}",
                                           headers=["Prefer: wait=50"]))
            self.assert_status(client.get("/v1/payments"), 200)  # a list: by one of the readers
            self.assert_status(client.post("/v1/payments", body), 202)
            for connection in waiting:
                connection.settimeout(0)
                self.assertRaises(BlockingIOError, connection.recv, 1)
                connection.close()


    def test_what_was_sent_ahead_does_not_hold_up_other_connections(self):
        with Server(settings=["server.threads=1"]) as server, server.client() as client, \
                client.open_raw() as greedy:
            stopped = threading.Event()

            def send():
                try:
                    while not stopped.is_set():
                        greedy.sendall(request("GET", "/livez") * 100)
                except OSError:
                    pass

            def drop():
                try:
                    while greedy.recv(65536):
                        pass
                except OSError:
                    pass
            threads = [threading.Thread(target=work, daemon=True) for work in (send, drop)]
            for thread in threads:
                thread.start()
            for _ in range(20):  # each of them is answered while the other goes on
                self.assert_status(client.get("/livez"), 200)
            stopped.set()
            greedy.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(SETTLE_S)

    def test_a_client_that_sends_no_more_still_gets_all_its_answers(self):
        with Server() as server, server.client() as client:
            count = 4000  # more than the buffers of both ends hold
            with client.open_raw() as connection:
                sender = threading.Thread(target=lambda: (
                    connection.sendall(request("GET", "/version") * count),
                    connection.shutdown(socket.SHUT_WR)))
                sender.start()
                sender.join(SETTLE_S)
                answers = read_to_end(connection)
            self.assertEqual(answers.count(b"HTTP/1.1 200"), count)


    def test_a_connection_that_is_idle_again_takes_no_place_of_a_request(self):
        """Also when its last request was read to the byte, so that nothing said there is no more."""
        settings = ["server.threads=1", "server.requests_max=1", "server.read_timeout=5m"]
        with Server(settings=settings) as server, server.client() as client:
            for size in (100, 9000, 12288, 20000):
                with self.subTest(size=size), client.open_raw() as connection:
                    body = b'{"metadata":"' + b"x" * (size - 15) + b'"}'
                    connection.sendall(request("POST", "/v1/accounts", body,
                                               ["Content-Type: application/json"]))
                    receive_until(connection, lambda got: b"\r\n\r\n" in got)
                    with server.client() as other:
                        self.assert_status(other.get("/livez"), 200)


class Slow(ContractCase):
    def test_a_client_that_sends_byte_after_byte_is_cut_off(self):
        settings = ["server.read_timeout=1s", "server.requests_max=4"]
        with Server(settings=settings) as server, server.client() as client:
            head = request("POST", "/v1/accounts", b"x" * 5000)[:-5000]
            starts = [b"GET /livez HTTP/1.1\r\nX-A: ", head]
            connections = [client.open_raw() for _ in range(8)]
            for number, connection in enumerate(connections):
                connection.sendall(starts[number % 2])
            open_ones = set(connections)
            begin = time.monotonic()
            while open_ones and time.monotonic() - begin < SETTLE_S:
                for connection in list(open_ones):
                    try:
                        connection.sendall(b"x")
                        connection.settimeout(0.05)
                        if not connection.recv(65536):
                            open_ones.discard(connection)
                    except TimeoutError:
                        pass
                    except OSError:
                        open_ones.discard(connection)
            for connection in connections:
                connection.close()
            self.assertFalse(open_ones, "they are still served")
            self.assert_status(client.get("/livez"), 200)


class Bounds(ContractCase):
    def test_a_connection_too_many_is_answered_with_503(self):
        with Server(settings=["server.connections_max=3"]) as server:
            # The one that asks whether the server is ready has gone, or goes at once.
            held = [server.client() for _ in range(3)]

            def all_held():
                return all(client.get("/livez").status == 200 for client in held)
            wait_until(all_held, "three connections are held")
            with server.client() as late:
                self.assert_problem(late.get("/livez"), 503, "overloaded")
            held.pop().close()

            def served():
                with server.client() as client:
                    return client.get("/livez").status == 200
            wait_until(served, "there is room again")
            for client in held:
                client.close()

    def test_an_idle_connection_is_closed_after_its_time(self):
        with Server(settings=["server.keep_alive_timeout=1s"]) as server, \
                server.client() as client:
            with client.open_raw() as used, client.open_raw() as unused:
                used.sendall(request("GET", "/livez"))
                receive_until(used, lambda got: got.endswith(b'{"status":"ok"}'))
                self.assertEqual(used.recv(1), b"")
                self.assertEqual(unused.recv(1), b"")

    def test_a_connection_is_closed_after_its_number_of_requests(self):
        with Server(settings=["server.keep_alive_max_requests=2"]) as server, \
                server.client() as client, client.open_raw() as connection:
            connection.sendall(request("GET", "/livez") * 3)
            answers = read_to_end(connection)
            self.assertEqual(answers.count(b"HTTP/1.1 200"), 2)

    def test_a_request_in_progress_holds_back_no_more_than_the_bound(self):
        settings = ["server.threads=1", "server.requests_max=2", "server.waiters_max=1",
                    "gateway.latency=2s"]
        with Server(settings=settings) as server, server.client() as client:
            account = self.open_account(client, "10.00")
            body = {"user_id": account, "amount": "1.00", "payment_method": "pm_ok"}

            def pay(_):
                with server.client() as own:
                    return own.post("/v1/payments", body, wait=30)
            for answer in together(8, pay):
                self.assert_status(answer, 201, 202)


class FewDescriptors(Server):
    """A server whose system permits 656 descriptors: 400 beside the 256 that are needed anyway."""

    def command(self):
        return ["prlimit", "--nofile=656", *super().command()]


class Descriptors(ContractCase):
    CALLS = ("gateway.kind=http", "gateway.url=http://127.0.0.1:9", "fraud.mode=http",
             "fraud.url=http://127.0.0.1:9", "gateway.calls_max=300", "fraud.calls_max=100")

    def lowered(self, *settings):
        with FewDescriptors(settings=settings) as server:
            return server.log_lines("descriptors_few")

    def test_too_few_are_shared_among_clients_and_calls_and_the_log_says_so(self):
        line, = self.lowered(*self.CALLS)
        self.assertEqual((line["connections_max"], line["gateway_calls_max"],
                          line["fraud_calls_max"]), (200, 150, 50))
        self.assertEqual((line["configured"], line["gateway_configured"],
                          line["fraud_configured"]), (10000, 300, 100))

    def test_calls_inside_the_process_need_none(self):
        line, = self.lowered("gateway.calls_max=300", "fraud.calls_max=100")
        self.assertEqual((line["connections_max"], line["gateway_calls_max"]), (400, 0))

    def test_what_fits_is_left_as_it_is(self):
        self.assertEqual(self.lowered(*self.CALLS[:4], "gateway.calls_max=10",
                                      "fraud.calls_max=10", "server.connections_max=380"), [])


class Ending(ContractCase):
    def test_a_request_in_progress_is_answered_and_does_not_hold_up_the_end(self):
        with Server(settings=["server.drain_timeout=5m"]) as server, server.client() as client:
            with client.open_raw() as connection:
                data = request("GET", "/livez")
                connection.sendall(data[:-2])
                self.assert_status(client.get("/livez"), 200)
                server.process.send_signal(signal.SIGTERM)
                wait_until(lambda: any(server.log_lines("draining")), "it is asked to stop")
                try:
                    connection.sendall(data[-2:])
                    answer = read_to_end(connection)
                except OSError:
                    answer = b""  # none of it had been read yet, so it counted as idle
            if answer:
                self.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer)
            self.assertEqual(server.process.wait(SETTLE_S), 0)

    def test_clients_that_waited_and_stay_do_not_hold_up_the_end(self):
        settings = ["server.drain_timeout=5m", "gateway.latency=60s"]
        with Server(settings=settings) as server, server.client() as client:
            account = self.open_account(client, "1000.00")
            body = {"user_id": account, "amount": "1.00", "payment_method": "pm_ok"}
            payment = self.assert_status(client.post("/v1/payments", body), 202).json["id"]
            waiting = [client.open_raw() for _ in range(40)]
            for connection in waiting:
                connection.sendall(request("GET", f"/v1/payments/{payment}",
                                           headers=["Prefer: wait=60"]))
            self.assert_status(client.get("/livez"), 200)
            client.close()
            self.assertEqual(server.terminate(), 0)
            for connection in waiting:
                connection.close()

    def test_idle_connections_do_not_hold_up_the_end(self):
        with Server(settings=["server.drain_timeout=5m"]) as server:
            client = server.client()
            connections = [client.open_raw() for _ in range(50)]
            for connection in connections:
                connection.sendall(request("GET", "/livez"))
                receive_until(connection, lambda got: got.endswith(b'{"status":"ok"}'))
            begin = time.monotonic()
            self.assertEqual(server.terminate(), 0)
            self.assertLess(time.monotonic() - begin, SETTLE_S)
            for connection in connections:
                self.assertEqual(connection.recv(1), b"")
                connection.close()


if __name__ == "__main__":
    unittest.main()
