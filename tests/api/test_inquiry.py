"""A gateway that does not answer: the payment is in doubt until an inquiry has told."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.saga import NEVER, SagaCase
from support.server import SLOWNESS


class Inquiry(SagaCase):
    def test_money_that_was_taken_without_an_answer_is_found_by_an_inquiry(self):
        payment_id = self.start("pm_timeout")
        payment = self.ends(payment_id, "success")
        self.assert_in_order(payment_id, "gateway_in_doubt", "gateway_confirmed", "hold_posted",
                             "payment_succeeded")
        self.assertNotIn("gateway_retry_scheduled", self.types(payment_id))
        self.assertEqual(payment["gateway"]["state"], "confirmed")
        self.assertEqual(payment["gateway"]["attempts"], 1)
        self.assertTrue(payment["gateway"]["reference"])
        self.assertIsNone(payment["compensation"])
        self.assert_money("990.00")

    def test_a_charge_in_doubt_is_never_sent_twice(self):
        payment_id = self.start("pm_timeout")
        self.ends(payment_id, "success")
        books = self.books()
        self.assertEqual(list(books.complaints()), [])
        self.assertEqual((books.asked[payment_id], books.net(payment_id)), (1, 1000))

    def test_a_charge_that_was_lost_is_sent_again_under_the_same_key(self):
        payment_id = self.start("pm_timeout_lost")
        payment = self.ends(payment_id, "fail", "gateway_unavailable")
        types = self.types(payment_id)
        # Five attempts, each in doubt and each found not to have been taken.
        self.assertEqual(types.count("gateway_in_doubt"), 5, types)
        self.assertEqual(types.count("inquiry_found_nothing"), 5, types)
        self.assertEqual(types.count("gateway_retry_scheduled"), 4, types)
        self.assert_in_order(payment_id, "gateway_in_doubt", "inquiry_found_nothing",
                             "gateway_retry_scheduled", "gateway_in_doubt", "gateway_exhausted",
                             "hold_voided", "payment_failed")
        self.assertEqual(payment["gateway"]["attempts"], 5)
        self.assertEqual(payment["compensation"]["state"], "completed")
        self.assertEqual(self.books().net(payment_id), 0)
        self.assert_money("1000.00")

    def test_the_events_say_why_it_was_in_doubt(self):
        payment_id = self.start("pm_timeout")
        self.ends(payment_id, "success")
        doubt = self.event(payment_id, "gateway_in_doubt")
        self.assertEqual(doubt["attempt"], 1)
        self.assertTrue(doubt["error"])
        self.assertRegex(doubt["not_before"], r"\A\d{4}-\d\d-\d\dT")
        confirmed = self.event(payment_id, "gateway_confirmed")
        self.assertEqual(confirmed["attempt"], 1)


class InDoubt(SagaCase):
    """The inquiry is far away."""

    def setUp(self):
        super().setUp()
        self.serve(f"gateway.inquiry_initial_interval={NEVER}",
                   f"gateway.inquiry_maximum_interval={NEVER}")

    def test_a_payment_in_doubt_says_so_and_keeps_the_hold(self):
        payment_id = self.start("pm_timeout")
        payment = self.at_step(payment_id, "inquiry")
        self.assertEqual((payment["status"], payment["gateway"]["state"]),
                         ("processing", "in_doubt"))
        self.assertIsNone(payment["failure"])
        self.assert_money("990.00", "10.00")
        explanation = self.explain(payment_id)
        self.assertEqual((explanation["waiting_for"], explanation["attempt"]), ("gateway", 1))
        self.assertIn("what became of the charge", explanation["next_action"])
        self.assertTrue(explanation["due_at"])
        self.assertTrue(explanation["last_error"])

    def test_a_callback_settles_the_doubt(self):
        for outcome, status, failure in (("confirmed", "success", None),
                                         ("declined", "fail", "gateway_declined")):
            with self.subTest(outcome=outcome):
                payment_id = self.start("pm_timeout_lost")
                self.at_step(payment_id, "inquiry")
                self.assert_status(self.callback(payment_id, outcome), 202)
                self.ends(payment_id, status, failure)
        self.assert_money("990.00")


class Restart(SagaCase):
    def test_a_server_that_is_killed_in_doubt_goes_on(self):
        self.serve(f"gateway.inquiry_initial_interval={3 * SLOWNESS}s",
                   f"gateway.inquiry_maximum_interval={3 * SLOWNESS}s")
        taken, lost = self.start("pm_timeout"), self.start("pm_timeout_lost")
        for payment_id in (taken, lost):
            self.at_step(payment_id, "inquiry")
        self.server.restart()
        for payment_id in (taken, lost):
            self.assertEqual(self.state(payment_id)["current_step"], "inquiry")
        self.ends(taken, "success")
        self.assertEqual(self.types(taken).count("gateway_in_doubt"), 1)
        self.assertEqual(self.books().asked[taken], 1)
        # The other one has been sent again by now, under its key; it goes no further here.
        self.assertLessEqual(set(self.types(lost)) & {"gateway_confirmed", "payment_succeeded"},
                             set())
        books = self.books()
        self.assertEqual(list(books.complaints()), [])
        self.assertEqual((books.net(taken), books.net(lost)), (1000, 0))

    def test_a_lost_charge_is_tried_to_its_end_across_a_restart(self):
        self.serve()
        payment_ids = [self.start("pm_timeout_lost") for _ in range(20)]
        self.server.restart()
        for payment_id in payment_ids:
            payment = self.ends(payment_id, "fail", "gateway_unavailable")
            self.assertEqual(payment["gateway"]["attempts"], 5)
        self.assertEqual(sum(map(self.books().net, payment_ids)), 0)
        self.assert_money("1000.00")


if __name__ == "__main__":
    unittest.main()
