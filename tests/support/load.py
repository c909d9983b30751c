"""A bounded load of payments, each with an id and a key of its own, and what came of them."""

import threading

from support.cases import ContractCase, unique
from support.server import SETTLE_S, run, wait_until

CLIENTS = 6
QUIET = "notify.log=false"  # a short log, which tests read again and again


class Load:
    """Some clients that pay until they are stopped, or until the server is gone."""

    def __init__(self, server, account, clients=CLIENTS, per_client=100_000):
        self.server = server
        self.account = account
        self.per_client = per_client
        self.acknowledged = set()   # ids that were answered with 200, 201 or 202
        self.unknown = set()        # ids without an answer: paid or not, but never half
        self.shed = []              # answers that refused the work
        self.other = []             # answers that should not have been given
        self.may_fail = False       # whether 500 is an answer: memory ran out in the middle
        self._stop_asked = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._pay, daemon=True) for _ in range(clients)]

    def start(self):
        for thread in self._threads:
            thread.start()
        return self

    def _pay(self):
        with self.server.client() as client:
            for _ in range(self.per_client):
                if self._stop_asked.is_set() or not self._pay_one(client):
                    return

    def _pay_one(self, client):
        body = {"id": unique("load"), "user_id": self.account, "amount": "0.01",
                "payment_method": "pm_ok", "description": "x" * 300}
        try:
            answer = client.post("/v1/payments", body, key=body["id"])
        except OSError:
            with self._lock:
                self.unknown.add(body["id"])
            return False
        with self._lock:
            if answer.status in (200, 201, 202):
                self.acknowledged.add(body["id"])
            elif answer.status == 503:
                self.shed.append(answer)
            elif answer.status == 500 and self.may_fail:
                self.unknown.add(body["id"])
            elif answer.status != 408:  # we did not run for a while, between head and body
                self.other.append(answer)
        return answer.status != 503 or not self._stop_asked.wait(0.02)

    def wait_acknowledged(self, more):
        wanted = len(self.acknowledged) + more
        wait_until(lambda: len(self.acknowledged) >= wanted or not self.going(),
                   f"{more} more payments are acknowledged")

    def going(self):
        return any(thread.is_alive() for thread in self._threads)

    def join(self):
        """Waits for the clients' own end: the server's, or that of the payments."""
        for thread in self._threads:
            thread.join(4 * SETTLE_S)
        if self.going():
            raise AssertionError("some clients never came back")

    def stop(self):
        self._stop_asked.set()
        self.join()


class LoadCase(ContractCase):
    """A server under load that something happens to, and what has to be true afterwards."""

    def load(self, server, **options):
        with server.client() as client:
            self.deposited = 1_000_000
            account = self.open_account(client, "10000.00")
        return Load(server, account, **options).start()

    def assert_said_nothing_wrong(self, load):
        self.assertEqual([str(answer) for answer in load.other[:3]], [])
        for answer in load.shed:
            self.assert_problem(answer, 503, ("overloaded", "storage_full", "not_ready"))

    def assert_stopped_for(self, server, event, why):
        """Fail-stop: its own end, with a line that says why."""
        code = server.wait_exit()
        self.assertEqual(code, 1, server.log_tail())
        lines = server.log_lines(event)
        self.assertTrue(lines, server.log_tail())
        self.assertRegex(str(lines), why)

    def assert_recovered(self, server, load):
        """On a running server: every payment that was acknowledged is there, and all have ended."""
        self.assert_said_nothing_wrong(load)
        with server.client() as client:
            def all_ended():
                # Those that are open first: what ends meanwhile is among the ended ones.
                rest = [self.every(client, "/v1/payments", status=status)
                        for status in ("pending", "processing", "fail", "cancelled")]
                if any(rest):
                    return None
                return self.every(client, "/v1/payments", status="success")
            ended = {payment["id"]
                     for payment in wait_until(all_ended, "all payments end", poll=0.1)}
            self.assertEqual(load.acknowledged - ended, set())
            self.assertEqual(ended - load.acknowledged - load.unknown, set())
            account = self.account(client, load.account)
            self.assertEqual(account["held"], "0.00")
            self.assertEqual(account["posted"], f"{(self.deposited - len(ended)) / 100:.2f}")
            self.assert_balanced(client)

    def assert_clean(self, server):
        """Of a stopped server's data: deciding its history again gives the same."""
        done = run("replay", "--data", server.data)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def recover(self, server, load):
        """A start without the fault, all the books, and a clean end."""
        load.stop()
        server.start()
        self.assert_recovered(server, load)
        self.assertEqual(server.terminate(), 0)
        self.assert_clean(server)
