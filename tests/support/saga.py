"""What the tests of the payment saga share: short intervals, one rich account, and its words."""

import json

from support import journal
from support.cases import ApiCase, TERMINAL, query, unique
from support.server import QUICK_RETRY, Server, wait_until

QUICK_INQUIRY = ("gateway.inquiry_initial_interval=20ms", "gateway.inquiry_maximum_interval=50ms")
QUICK_UNDO = ('saga.payment.compensation={initial_interval="10ms",maximum_interval="20ms",'
              'maximum_attempts=3}')
# More attempts than there are while a gateway that was killed comes back.
PATIENT = ('gateway.retry={initial_interval="10ms",maximum_interval="200ms",'
           'maximum_attempts=100000}',
           'saga.payment.compensation={initial_interval="10ms",maximum_interval="200ms",'
           'maximum_attempts=100000}')
# The mock's own books, beside the data directory.
JOURNAL = "gateway.journal=journal"
# A wait that no test sees the end of.
NEVER = "1h"
SLOW_RETRY = f'gateway.retry={{initial_interval="{NEVER}",maximum_interval="{NEVER}"}}'

QUICK = (QUICK_RETRY, *QUICK_INQUIRY, QUICK_UNDO, JOURNAL)
OPENING = "1000.00"


class SagaCase(ApiCase):
    """A server whose retries are quick, and for each test an account with 1000.00 in it."""

    settings = QUICK

    def setUp(self):
        super().setUp()
        self.account_id = self.open_account(self.client, OPENING)

    def serve(self, *settings):
        """A server for this test alone; self.client and self.server are that one from now on."""
        server = Server(settings=[*QUICK, *settings])
        self.addCleanup(server.close)
        server.start()
        self.server = server
        self.client = server.client()
        self.addCleanup(self.client.close)
        self.account_id = self.open_account(self.client, OPENING)
        return server

    # What is there.

    def start(self, method, amount="10.00", **members):
        """The id of a new payment."""
        return self.pay(self.client, self.account_id, amount, method, **members)["id"]

    def state(self, payment_id):
        return self.payment(self.client, payment_id)

    def ends(self, payment_id, status=None, failure=None):
        """The payment at its end, with nothing left to do, and that end is this one."""
        payment = self.finished(self.client, payment_id)
        if status is not None:
            found = (payment["status"], payment["failure"] and payment["failure"]["code"])
            self.assertEqual(found, (status, failure), payment)
        return payment

    def at_step(self, payment_id, step):
        """The payment once it has come to that step; fails if it has ended otherwise."""
        def there():
            payment = self.state(payment_id)
            if payment["current_step"] == step:
                return payment
            self.assertNotIn(payment["status"], TERMINAL, f"never at {step}: {payment}")
            return None
        return wait_until(there, f"{payment_id} comes to {step}")

    def events(self, payment_id):
        return self.every(self.client, f"/v1/payments/{payment_id}/events")

    def types(self, payment_id):
        return [event["type"] for event in self.events(payment_id)]

    def event(self, payment_id, kind):
        """The data of the only event of that type."""
        found = [event["data"] for event in self.events(payment_id) if event["type"] == kind]
        self.assertEqual(len(found), 1, self.types(payment_id))
        return found[0]

    def assert_in_order(self, payment_id, *kinds):
        """These types of events are in the history, in that order."""
        types = iter(self.types(payment_id))
        for kind in kinds:
            self.assertIn(kind, types, f"{kinds} in {self.types(payment_id)}")

    def explain(self, payment_id):
        return self.assert_status(
            self.client.get(f"/v1/payments/{payment_id}/explain"), 200).json

    def workflow(self, workflow_id):
        return self.assert_status(self.client.get(f"/v1/workflows/{workflow_id}"), 200).json

    def workflows(self, **filters):
        return self.every(self.client, "/v1/workflows", **filters)

    def exhausted(self):
        return {task["id"]: task for task in self.every(self.client, "/v1/tasks/exhausted")}

    def queue(self, name):
        data = self.assert_status(self.client.get("/v1/tasks"), 200).json["data"]
        return next(queue for queue in data if queue["queue"] == name)

    def report(self, **period):
        return self.assert_status(self.client.get(query("/v1/reports/payments", **period)),
                                  200).json

    def assert_money(self, available, held="0.00", account_id=None):
        account = self.assert_account_adds_up(self.client, account_id or self.account_id)
        self.assertEqual((account["available"], account["held"]), (available, held), account)

    def assert_late_refund(self, payment_id, failure):
        """The money that came late went back, once; the status is what it was."""
        def refunded():
            payment = self.state(payment_id)
            steps = {step["step"]: step["state"] for step in payment["compensation"]["steps"]}
            return steps.get("refund_charge") == "completed" and payment
        payment = wait_until(refunded, "the late success is refunded")
        self.assertEqual((payment["status"], payment["failure"]["code"]), ("fail", failure))
        self.assertEqual(payment["compensation"]["state"], "completed")
        self.assertEqual(self.types(payment_id).count("late_refund_started"), 1)

    # What is done.

    def cancel(self, payment_id, body=None, **options):
        return self.client.post(f"/v1/payments/{payment_id}/cancel", body, **options)

    def callback(self, payment_id, outcome, headers=(), **members):
        """An answer of the route that the gateway calls."""
        body = {"payment_id": payment_id, "gateway_reference": f"gw-{payment_id}",
                "outcome": outcome, **members}
        return self.client.post("/v1/gateway/callbacks", json.dumps(body).encode(), headers)

    def decide_fraud(self, payment_id, is_valid):
        return self.client.post("/fraud-check", {"order_id": payment_id, "is_valid": is_valid})

    # The gateway's side.

    def books(self):
        return journal.Books(journal.read(self.server.folder / "journal"))

    @staticmethod
    def new_id(kind="pay"):
        return unique(kind)
