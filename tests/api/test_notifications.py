"""Notifications of a payment's end: log, webhook, mail, and what their failing does not do."""

import pathlib
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support import webhooks
from support.cases import TIME
from support.mailbox import Mailbox
from support.receiver import Receiver, Reply
from support.saga import NEVER, SagaCase
from support.server import wait_until

QUICK_NOTIFY = 'notify.retry={initial_interval="10ms",maximum_interval="20ms",maximum_attempts=3}'


class NotifyCase(SagaCase):
    def task(self, channel, payment_id):
        """The notification once it is listed as given up."""
        name = f"notify-{channel}:{payment_id}"
        return wait_until(lambda: self.exhausted().get(name), f"{name} is given up")

    def retry(self, channel, payment_id):
        return self.client.post(f"/v1/tasks/notify-{channel}:{payment_id}/retry")

    def notices(self, kind, payment_id, channel):
        return [event["data"] for event in self.events(payment_id)
                if event["type"] == kind and event["data"]["channel"] == channel]


class Log(NotifyCase):
    settings = (*NotifyCase.settings, QUICK_NOTIFY)

    def test_each_end_is_told_once(self):
        for method, status in (("pm_ok", "success"), ("pm_decline", "fail"),
                               ("pm_manual", "cancelled")):
            with self.subTest(method=method):
                payment_id = self.start(method)
                if method == "pm_manual":
                    self.at_step(payment_id, "await_callback")
                    self.assert_status(self.cancel(payment_id), 202)
                self.assertEqual(self.ends(payment_id)["status"], status)
                lines = [line for line in self.server.log_lines("notification")
                         if line["payment_id"] == payment_id]
                self.assertEqual([line["status"] for line in lines], [status])
                self.assertEqual(self.types(payment_id).count("notification_sent"), 1)

    def test_a_notification_that_fails_never_touches_the_payment(self):
        for method, status, failure in (("pm_notify_fail", "success", None),
                                        ("pm_decline.pm_notify_fail", "fail", "gateway_declined")):
            with self.subTest(method=method):
                payment_id = self.start(method)
                task = self.task("log", payment_id)
                self.assertEqual((task["queue"], task["workflow_id"]), ("notify", payment_id))
                self.assertTrue(task["last_error"])
                payment = self.ends(payment_id, status, failure)
                self.assertEqual(payment["current_step"], "done")
                self.assertEqual(self.types(payment_id).count("notification_retry_scheduled"), 2)
        self.assert_money("990.00")

    def test_a_notification_that_was_given_up_can_be_retried(self):
        payment_id = self.start("pm_notify_fail")
        self.task("log", payment_id)
        before = self.state(payment_id)
        self.assert_status(self.retry("log", payment_id), 202)
        wait_until(lambda: self.types(payment_id).count("notification_exhausted") == 2,
                   "it is given up again")
        self.task("log", payment_id)
        after = self.state(payment_id)
        self.assertEqual({**after, "updated_at": None}, {**before, "updated_at": None})
        self.assert_in_order(payment_id, "notification_exhausted", "notification_resumed",
                             "notification_exhausted")

    def test_only_what_was_given_up_can_be_retried(self):
        payment_id = self.start("pm_ok")
        self.ends(payment_id, "success")
        self.assert_problem(self.retry("log", payment_id), 409, "task_not_exhausted")
        self.assert_problem(self.retry("webhook", payment_id), 404, "not_found")
        self.assert_problem(self.retry("log", "pay_nothing"), 404, "not_found")
        self.assert_problem(self.retry("pigeon", payment_id), 404, "not_found")

    def test_it_can_be_turned_off(self):
        self.serve("notify.log=false")
        payment_id = self.start("pm_ok")
        self.ends(payment_id, "success")
        self.assertEqual(self.server.log_lines("notification"), [])
        self.assertNotIn("notification_sent", self.types(payment_id))


class Webhook(NotifyCase):
    def setUp(self):
        super().setUp()
        self.receiver = Receiver()
        self.addCleanup(self.receiver.close)
        self.secret = webhooks.new_secret()

    def hook(self, *settings, schedule="10ms,20ms,30ms"):
        return self.serve(f"notify.webhook.url={self.receiver.url('/hook?a=1')}",
                          f"notify.webhook.secret={self.secret}",
                          f"notify.webhook.schedule={schedule}",
                          "notify.webhook.allow_private=true", *settings)

    def about(self, payment_id):
        return [request for request in self.receiver.requests
                if request.json["data"]["payment_id"] == payment_id]

    def assert_signed(self, requests):
        for request in requests:
            self.assertIsNone(webhooks.complaint(self.secret, request.headers, request.body))

    def test_a_signed_message_tells_of_the_end(self):
        self.hook()
        for method, status, failure in (("pm_ok", "success", None),
                                        ("pm_decline", "fail", "gateway_declined")):
            with self.subTest(method=method):
                payment_id = self.start(method, "12.34")
                self.ends(payment_id, status, failure)
                request, = self.about(payment_id)
                self.assert_signed([request])
                self.assertEqual((request.method, request.path), ("POST", "/hook?a=1"))
                self.assertEqual(request.headers["content-type"].partition(";")[0],
                                 "application/json")
                message = request.json
                self.assertEqual(set(message), {"type", "timestamp", "data"})
                self.assertEqual(message["type"], f"payment.{status}")
                self.assertRegex(message["timestamp"], rf"\A{TIME}\Z")
                self.assertEqual(message["data"],
                                 {"payment_id": payment_id, "user_id": self.account_id,
                                  "amount": "12.34", "currency": "USD", "status": status,
                                  "failure": failure})
                self.assertLess(len(request.body), 20_000)

    def test_a_cancelled_payment_is_told_of_as_well(self):
        self.hook()
        payment_id = self.start("pm_manual")
        self.at_step(payment_id, "await_callback")
        self.assert_status(self.cancel(payment_id), 202)
        self.ends(payment_id, "cancelled", "cancelled")
        request, = self.about(payment_id)
        self.assert_signed([request])
        self.assertEqual(request.json["type"], "payment.cancelled")

    def test_a_payment_that_was_refused_is_not_told_of(self):
        self.hook()
        body = {"user_id": self.account_id, "amount": "5000.00", "payment_method": "pm_ok"}
        refused = self.client.post("/v1/payments", body).json["payment_id"]
        payment_id = self.start("pm_ok")
        self.ends(payment_id, "success")
        self.assertEqual((len(self.about(payment_id)), self.about(refused)), (1, []))

    def test_every_attempt_has_the_same_id_and_body_and_a_good_signature(self):
        answers = [Reply(500), Reply(None), Reply(429, headers=(("Retry-After", "1"),))]
        self.receiver.answer = lambda request: answers.pop(0) if answers else Reply(200)
        self.hook()
        payment_id = self.start("pm_ok")
        self.ends(payment_id, "success")
        requests = self.about(payment_id)
        self.assertEqual(len(requests), 4)
        self.assertEqual(len({request.headers["webhook-id"] for request in requests}), 1)
        self.assertEqual(len({request.body for request in requests}), 1)
        self.assert_signed(requests)
        stamps = [int(request.headers["webhook-timestamp"]) for request in requests]
        self.assertEqual(stamps, sorted(stamps))
        self.assertLessEqual(abs(time.time() - stamps[0]), 120)
        self.assertEqual(len(self.notices("notification_retry_scheduled", payment_id,
                                          "webhook")), 3)
        self.assertEqual(len(self.notices("notification_sent", payment_id, "webhook")), 1)

    def test_different_payments_have_different_ids(self):
        self.hook()
        payment_ids = [self.start("pm_ok", "1.00") for _ in range(10)]
        for payment_id in payment_ids:
            self.ends(payment_id, "success")
        ids = {self.about(one)[0].headers["webhook-id"] for one in payment_ids}
        self.assertEqual(len(ids), 10)

    def test_a_schedule_that_is_used_up_lists_the_task_and_touches_nothing(self):
        self.receiver.answer = lambda request: Reply(503)
        self.hook(schedule="10ms,20ms")
        payment_id = self.start("pm_ok")
        task = self.task("webhook", payment_id)
        self.assertEqual((task["queue"], task["workflow_id"]), ("notify", payment_id))
        self.assertIn("503", task["last_error"])
        self.assertEqual(len(self.about(payment_id)), 3)
        before = self.ends(payment_id, "success")
        self.assert_money("990.00")
        # Whoever has repaired the receiver asks for it again.
        self.receiver.answer = lambda request: Reply(204)
        self.assert_status(self.retry("webhook", payment_id), 202)
        wait_until(lambda: self.notices("notification_sent", payment_id, "webhook"),
                   "it is delivered")
        self.assertNotIn(task["id"], self.exhausted())
        requests = self.about(payment_id)
        self.assertEqual(len(requests), 4)
        self.assertEqual(len({request.headers["webhook-id"] for request in requests}), 1)
        self.assert_signed(requests)
        after = self.finished(self.client, payment_id)
        self.assertEqual({**after, "updated_at": None}, {**before, "updated_at": None})
        self.assert_problem(self.retry("webhook", payment_id), 409, "task_not_exhausted")

    def test_redirects_are_not_followed(self):
        for status in (301, 302, 307, 308):
            with self.subTest(status=status):
                self.receiver.answer = lambda request, status=status: Reply(
                    status, headers=(("Location", self.receiver.url("/elsewhere")),))
                self.hook(schedule="10ms")
                payment_id = self.start("pm_ok")
                self.task("webhook", payment_id)
                requests = self.about(payment_id)
                self.assertEqual([request.path for request in requests], ["/hook?a=1"] * 2)
                self.ends(payment_id, "success")

    def test_gone_ends_the_attempts_and_disables_the_receiver(self):
        self.receiver.answer = lambda request: Reply(410)
        self.hook()
        first = self.start("pm_ok", "1.00")
        self.task("webhook", first)
        self.assertEqual(len(self.about(first)), 1)
        self.receiver.answer = lambda request: Reply(204)
        second = self.start("pm_ok", "1.00")
        self.task("webhook", second)
        self.assertEqual(self.about(second), [])
        for payment_id in (first, second):
            self.ends(payment_id, "success")
        self.assertEqual(len(self.server.log_lines("webhook_disabled")), 1)
        # The operator repairs it and starts again.
        self.server.restart()
        for payment_id in (first, second):
            self.assert_status(self.retry("webhook", payment_id), 202)
            self.receiver.wait_for(2)
            wait_until(lambda one=payment_id: self.notices("notification_sent", one, "webhook"),
                       "it is delivered")
        self.assertEqual(self.exhausted(), {})

    def test_private_addresses_are_refused_unless_allowed(self):
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"):
            with self.subTest(host=host):
                self.serve(f"notify.webhook.url=http://{host}:{self.receiver.port}/hook",
                           f"notify.webhook.secret={self.secret}", "notify.webhook.schedule=10ms")
                payment_id = self.start("pm_ok")
                self.assertTrue(self.task("webhook", payment_id)["last_error"])
                self.ends(payment_id, "success")
        self.assertEqual(self.receiver.requests, [])

    def test_a_receiver_that_is_down_is_tried_again(self):
        port = self.receiver.port
        self.receiver.close()
        self.serve(f"notify.webhook.url=http://127.0.0.1:{port}/hook",
                   f"notify.webhook.secret={self.secret}", "notify.webhook.schedule=10ms,20ms",
                   "notify.webhook.allow_private=true")
        payment_id = self.start("pm_ok")
        self.assertTrue(self.task("webhook", payment_id)["last_error"])
        self.assertEqual(len(self.notices("notification_retry_scheduled", payment_id,
                                          "webhook")), 2)
        self.ends(payment_id, "success")

    def test_a_slow_receiver_holds_up_no_payment(self):
        self.receiver.answer = lambda request: Reply(None)
        self.hook(schedule=NEVER)
        payment_id = self.start("pm_ok")
        payment = wait_until(lambda: (self.state(payment_id)["status"] == "success"
                                      and self.state(payment_id)), "the payment succeeds")
        self.assertEqual(payment["current_step"], "notify")
        wait_until(lambda: self.notices("notification_retry_scheduled", payment_id, "webhook"),
                   "the first attempt fails")
        explanation = self.explain(payment_id)
        self.assertEqual((explanation["waiting_for"], explanation["attempt"]),
                         ("notification", 2))
        self.assertIn("webhook", explanation["next_action"])
        self.assertTrue(explanation["due_at"])
        self.assertTrue(explanation["last_error"])
        self.assert_money("990.00")

    def test_a_receiver_that_never_answers_holds_up_no_payment_and_no_other_channel(self):
        held = threading.Event()
        self.addCleanup(held.set)
        self.receiver.answer = lambda request: held.wait(60) and Reply()
        self.hook("notify.workers=1", "notify.queue_max=2", "payments.open_max=5",
                  "notify.webhook.timeout=60s")
        payment_ids = []
        for _ in range(20):
            payment_id = self.start("pm_ok", "1.00")
            payment_ids.append(payment_id)
            payment = wait_until(lambda: (self.state(payment_id)["status"] == "success"
                                          and self.state(payment_id)), "the payment succeeds")
            self.assertEqual(payment["current_step"], "notify")
            wait_until(lambda: self.notices("notification_sent", payment_id, "log"),
                       "the log is told")
        queue = self.queue("webhook")
        self.assertEqual(queue["depth"] + queue["running"], 20)
        self.assertEqual(self.queue("notify")["depth"], 0)
        self.server.kill()
        self.server.start()
        self.assertEqual(self.queue("webhook")["depth"] + self.queue("webhook")["running"], 20)
        held.set()
        for payment_id in payment_ids:
            wait_until(lambda: self.notices("notification_sent", payment_id, "webhook"),
                       "the receiver is told")

    def test_one_channel_that_fails_leaves_the_others_alone(self):
        self.receiver.answer = lambda request: Reply(500)
        self.hook(schedule="10ms")
        payment_id = self.start("pm_ok")
        self.task("webhook", payment_id)
        self.assertEqual(len(self.notices("notification_sent", payment_id, "log")), 1)
        self.assertNotIn(f"notify-log:{payment_id}", self.exhausted())

    def test_a_message_that_was_not_delivered_is_sent_after_kill_9(self):
        self.receiver.answer = lambda request: Reply(500)
        self.hook(schedule="1s,1s,1s,1s,1s")
        payment_id = self.start("pm_ok")
        self.receiver.wait_for(1)
        self.server.kill()
        self.receiver.answer = lambda request: Reply(200)
        self.server.start()
        wait_until(lambda: self.notices("notification_sent", payment_id, "webhook"),
                   "it is delivered")
        requests = self.about(payment_id)
        self.assertGreaterEqual(len(requests), 2)
        self.assertEqual(len({request.headers["webhook-id"] for request in requests}), 1)
        self.assertEqual(len({request.body for request in requests}), 1)
        self.assert_signed(requests)
        self.ends(payment_id, "success")

    def test_the_secret_shows_nowhere(self):
        self.receiver.answer = lambda request: Reply(500)
        self.hook(schedule="10ms")
        payment_id = self.start("pm_ok")
        self.task("webhook", payment_id)
        bare = self.secret.removeprefix(webhooks.PREFIX)
        seen = self.server.log_text() + str(self.exhausted()) + str(self.events(payment_id))
        self.assertNotIn(bare, seen)


class Mail(NotifyCase):
    """A mail server inside the test; python3-aiosmtpd comes with scripts/deps.sh."""

    def mailed(self, *refusals, settings=()):
        mailbox = Mailbox(refusals)
        self.addCleanup(mailbox.close)
        self.serve("notify.smtp.host=127.0.0.1", f"notify.smtp.port={mailbox.port}",
                   "notify.smtp.from=payments@shop.test", "notify.smtp.to={user_id}@users.test",
                   QUICK_NOTIFY, *settings)
        return mailbox

    def test_one_mail_tells_of_the_end(self):
        mailbox = self.mailed()
        payment_id = self.start("pm_ok", "12.34")
        self.ends(payment_id, "success")
        (envelope, mail), = mailbox.delivered
        self.assertEqual(envelope.mail_from, "payments@shop.test")
        self.assertEqual(envelope.rcpt_tos, [f"{self.account_id}@users.test"])
        self.assertIn("payments@shop.test", mail["From"])
        self.assertIn(f"{self.account_id}@users.test", mail["To"])
        self.assertTrue(mail["Message-ID"])
        self.assertTrue(mail["Date"])
        self.assertTrue(mail["Subject"])
        text = mail.get_content()
        for word in (payment_id, "12.34", "USD"):
            self.assertIn(word, mail["Subject"] + text)

    def test_a_mail_that_is_put_off_is_sent_again_as_the_same_mail(self):
        mailbox = self.mailed("451 later please", "450 not now")
        payment_id = self.start("pm_decline")
        self.ends(payment_id, "fail", "gateway_declined")
        self.assertEqual(len(mailbox.seen), 3)
        self.assertEqual(len(mailbox.delivered), 1)
        self.assertEqual(len({mail["Message-ID"] for _, mail, _ in mailbox.seen}), 1)
        self.assertEqual(len({envelope.content for envelope, _, _ in mailbox.seen}), 1)
        self.assertEqual(len(self.notices("notification_retry_scheduled", payment_id, "smtp")), 2)
        self.assertEqual(len(self.notices("notification_sent", payment_id, "smtp")), 1)

    def test_a_lasting_refusal_is_not_tried_again_but_can_be_retried(self):
        mailbox = self.mailed("550 no such user")
        payment_id = self.start("pm_ok")
        task = self.task("smtp", payment_id)
        self.assertIn("550", task["last_error"])
        self.assertEqual(len(mailbox.seen), 1)
        self.ends(payment_id, "success")
        self.assert_status(self.retry("smtp", payment_id), 202)
        wait_until(lambda: mailbox.delivered, "it is delivered")
        self.assertEqual(len({mail["Message-ID"] for _, mail, _ in mailbox.seen}), 1)

    def test_attempts_run_out(self):
        mailbox = self.mailed(*["451 later"] * 3)
        payment_id = self.start("pm_ok")
        self.task("smtp", payment_id)
        self.assertEqual(len(mailbox.seen), 3)
        self.assertEqual(mailbox.delivered, [])
        self.ends(payment_id, "success")
        self.assert_money("990.00")

    def test_different_payments_are_different_mails(self):
        mailbox = self.mailed()
        for method in ("pm_ok", "pm_ok", "pm_decline"):
            self.ends(self.start(method, "1.00"))
        ids = {mail["Message-ID"] for _, mail in mailbox.delivered}
        self.assertEqual((len(mailbox.delivered), len(ids)), (3, 3))

    def test_mail_and_webhook_go_their_own_ways(self):
        receiver, secret = Receiver(), webhooks.new_secret()
        self.addCleanup(receiver.close)
        receiver.answer = lambda request: Reply(500)
        mailbox = self.mailed(settings=(f"notify.webhook.url={receiver.url()}",
                                        f"notify.webhook.secret={secret}",
                                        "notify.webhook.schedule=10ms",
                                        "notify.webhook.allow_private=true"))
        payment_id = self.start("pm_ok")
        self.task("webhook", payment_id)
        wait_until(lambda: mailbox.delivered, "the mail is delivered")
        self.ends(payment_id, "success")
        for channel in ("log", "smtp"):
            self.assertEqual(len(self.notices("notification_sent", payment_id, channel)), 1)


if __name__ == "__main__":
    unittest.main()
