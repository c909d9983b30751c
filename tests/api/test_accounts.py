"""Accounts, deposits and transfers: /v1/accounts and below."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from support.cases import (ACCOUNT_MEMBERS, TIME, TRANSFER_MEMBERS, UUID_V7, ApiCase, minor,
                           query, unique)

BALANCE_MAX = "92233720368547758.07"  # of a currency with two digits
NOT_AN_AMOUNT = [
    "0", "0.00", "-1", "-0.01", "+1", "01", "1.", ".5", "", " 1", "1 ", "1,00", "1e2", "1E2",
    "10.001", "0x10", "NaN", "Infinity", "ten", "1.0.0", "99999999999999999999",
    "92233720368547758.08", "1" * 5000, 0, -1, -0.5, 10.001, 1e22, 99999999999999999999, True,
    False, None, [], [1], {}, {"amount": 1}]
NOT_AN_AMOUNT_AS_NUMBER = ["1e2", "1E+2", "1e400", "-1e400", "1e-400", "1.5e1", "0.0", "-0",
                           "10.001", "100000000000000000000000000000000", "0." + "0" * 400 + "1"]


class Accounts(ApiCase):
    def test_create_without_members_makes_an_id_and_takes_the_default_currency(self):
        answer = self.client.post("/v1/accounts", {})
        self.assert_status(answer, 201)
        account = answer.json
        self.assert_members(account, ACCOUNT_MEMBERS)
        self.assertRegex(account["id"], rf"\Aacct_{UUID_V7}\Z")
        self.assertEqual(account["currency"], "USD")
        for member in ("available", "held", "posted"):
            self.assertEqual(account[member], "0.00")
        self.assertRegex(account["created_at"], rf"\A{TIME}\Z")
        self.assertEqual(account["metadata"], {})
        self.assertEqual(answer.header("Location"), f"/v1/accounts/{account['id']}")
        self.assertEqual(answer.header("Content-Type").partition(";")[0], "application/json")
        self.assertEqual(self.account(self.client, account["id"]), account)

    def test_opening_balance_is_posted_from_funding(self):
        for given, shown in (("100.50", "100.50"), (100, "100.00"), (10.5, "10.50"),
                             ("7", "7.00"), (0, "0.00"), ("0.00", "0.00"),
                             (BALANCE_MAX, BALANCE_MAX)):
            with self.subTest(given=given):
                body = {"id": unique("open"), "opening_balance": given}
                account = self.assert_status(self.client.post("/v1/accounts", body), 201).json
                self.assertEqual((account["available"], account["posted"], account["held"]),
                                 (shown, shown, "0.00"))
                transfers = self.transfers(self.client, account["id"])
                if shown == "0.00":
                    self.assertEqual(transfers, [])
                    continue
                self.assertEqual(len(transfers), 1)
                self.assert_members(transfers[0], TRANSFER_MEMBERS)
                self.assertEqual(transfers[0]["step"], "opening")
                self.assertEqual(transfers[0]["state"], "posted")
                self.assertEqual(transfers[0]["amount"], shown)
                self.assertEqual(transfers[0]["debit_account"], "sys:funding:USD")
                self.assertEqual(transfers[0]["credit_account"], account["id"])
                self.assertRegex(transfers[0]["created_at"], rf"\A{TIME}\Z")

    def test_opening_balance_that_is_no_amount_is_refused(self):
        for given in (value for value in NOT_AN_AMOUNT if value not in ("0", "0.00", 0)):
            with self.subTest(given=str(given)[:40]):
                body = {"id": unique("bad"), "opening_balance": given}
                self.assert_problem(self.client.post("/v1/accounts", body), 422,
                                    "invalid_amount", "opening_balance")
                self.assert_problem(self.client.get(f"/v1/accounts/{body['id']}"), 404,
                                    "account_not_found")

    def test_currencies_have_their_own_digits(self):
        for currency, given, shown in (("JPY", "100", "100"), ("BHD", "1.234", "1.234"),
                                       ("CLF", "0.0001", "0.0001"), ("EUR", "3", "3.00")):
            with self.subTest(currency=currency):
                body = {"id": unique("cur"), "currency": currency, "opening_balance": given}
                account = self.assert_status(self.client.post("/v1/accounts", body), 201).json
                self.assertEqual((account["currency"], account["posted"]), (currency, shown))
        for currency, given in (("JPY", "1.0"), ("BHD", "0.0001"), ("EUR", "0.001")):
            with self.subTest(currency=currency, given=given):
                body = {"id": unique("cur"), "currency": currency, "opening_balance": given}
                self.assert_problem(self.client.post("/v1/accounts", body), 422,
                                    "invalid_amount")
        self.assertEqual(set(self.assert_balanced(self.client)["totals"]) &
                         {"JPY", "BHD", "CLF", "EUR"}, {"JPY", "BHD", "CLF", "EUR"})

    def test_unknown_currency_is_refused(self):
        for currency in ("", "usd", "US", "USDX", "ZZZ", "XXX", "XAU", " USD", "€", "U\u0000D"):
            with self.subTest(currency=currency):
                self.assert_problem(self.client.post("/v1/accounts", {"currency": currency}), 422,
                                    "invalid_currency", "currency")

    def test_existing_id_is_a_conflict_and_changes_nothing(self):
        account_id = self.open_account(self.client, "5.00")
        before = self.account(self.client, account_id)
        for body in ({"id": account_id}, {"id": account_id, "opening_balance": "5.00"},
                     {"id": account_id, "currency": "EUR", "opening_balance": "9.00"}):
            self.assert_problem(self.client.post("/v1/accounts", body), 409, "account_exists")
        self.assertEqual(self.account(self.client, account_id), before)
        self.assertEqual(len(self.transfers(self.client, account_id)), 1)

    def test_ids_of_the_documented_alphabet_are_kept(self):
        for account_id in ("a" * 128, "A", "0", "a.b_c:d-e", "..", "-", unique("Zz")):
            with self.subTest(account_id=account_id):
                answer = self.client.post("/v1/accounts", {"id": account_id})
                self.assertEqual(self.assert_status(answer, 201).json["id"], account_id)
                self.assertEqual(self.account(self.client, account_id)["id"], account_id)

    def test_percent_encoding_of_a_path_is_undone(self):
        account_id = unique("pct:a")
        self.client.post("/v1/accounts", {"id": account_id})
        encoded = account_id.replace(":", "%3A").replace("p", "%70")
        self.assertEqual(self.account(self.client, encoded)["id"], account_id)

    def test_other_ids_are_refused(self):
        for account_id in ("", "a" * 129, "a" * 100000, "a b", "a/b", "a\n", "é", "a%20b", "a,b",
                           "\u0000", "a\u0000b", "{}", "😀"):
            with self.subTest(account_id=account_id[:40]):
                self.assert_problem(self.client.post("/v1/accounts", {"id": account_id}), 422,
                                    "invalid_id", "id")

    def test_ids_of_the_servers_own_accounts_cannot_be_chosen(self):
        for account_id in ("sys:funding:USD", "sys:gateway:EUR", "sys:", "sys:mine"):
            with self.subTest(account_id=account_id):
                self.assert_problem(self.client.post("/v1/accounts", {"id": account_id}), 422,
                                    "invalid_id", "id")
        self.open_account(self.client, id=unique("sys"))
        self.open_account(self.client, id=unique("SYS:x"))

    def test_metadata_is_kept_as_it_was_sent(self):
        metadata = {"name": "Zoë \"q\" \\ 😀", "n": 12.50, "list": [1, None, True, {"a": {}}],
                    "empty": {}, "": ""}
        account_id = self.open_account(self.client, metadata=metadata)
        self.assertEqual(self.account(self.client, account_id)["metadata"], metadata)

    def test_metadata_that_is_no_small_object_is_refused(self):
        for metadata in ("text", 5, True, [], [{}], {"a": "x" * 9000}):
            with self.subTest(metadata=str(metadata)[:40]):
                self.assert_problem(
                    self.client.post("/v1/accounts", {"metadata": metadata}), 422,
                    ("invalid_metadata", "invalid_type"), "metadata")

    def test_unknown_account_is_not_found(self):
        for path in ("/v1/accounts/nobody", "/v1/accounts/nobody/transfers",
                     "/v1/accounts/" + "z" * 128):
            with self.subTest(path=path):
                problem = self.assert_problem(self.client.get(path), 404, "account_not_found")
                self.assertEqual(problem["instance"], path)
        for account_id in ("a" * 129, "a%20b", "a%2Fb", "%00", "%FF"):
            with self.subTest(account_id=account_id):
                self.assert_problem(self.client.get(f"/v1/accounts/{account_id}"), 404,
                                    ("account_not_found", "not_found"))

    def test_system_accounts_can_be_read_and_are_not_listed(self):
        self.open_account(self.client, "1.00", currency="GBP")
        funding = self.account(self.client, "sys:funding:GBP")
        self.assertEqual(minor(funding["posted"]),
                         -minor(self.sum_of_listed("GBP")))
        self.assertFalse([account["id"] for account in self.every(self.client, "/v1/accounts")
                          if account["id"].startswith("sys:")])

    def sum_of_listed(self, currency):
        listed = self.every(self.client, "/v1/accounts")
        total = sum(minor(account["posted"]) for account in listed
                    if account["currency"] == currency)
        return f"{total // 100}.{total % 100:02}"

    def test_list_is_newest_first_and_pages(self):
        made = [self.open_account(self.client) for _ in range(25)]
        listed = [account["id"] for account in self.every(self.client, "/v1/accounts", limit=7)]
        self.assertEqual(listed[:25], made[::-1])
        self.assertEqual(len(listed), len(set(listed)))
        page = self.client.get("/v1/accounts").json
        self.assertEqual([account["id"] for account in page["data"]], made[:4:-1])
        self.assertIsInstance(page["next_cursor"], str)
        self.assert_members(page["data"][0], ACCOUNT_MEMBERS)

    def test_list_parameters_are_checked(self):
        account_id = self.open_account(self.client)
        for path in ("/v1/accounts", f"/v1/accounts/{account_id}/transfers"):
            for limit in ("0", "101", "-1", "x", "1.5", "99999999999999999999", "0x1", " 1"):
                with self.subTest(path=path, limit=limit):
                    self.assert_problem(self.client.get(query(path, limit=limit)), 422,
                                        "invalid_limit")
            for cursor in ("x", "%", "AAAA", "a" * 5000, "../..", "\u0000"):
                with self.subTest(path=path, cursor=cursor[:20]):
                    self.assert_problem(self.client.get(query(path, cursor=cursor)), 422,
                                        "invalid_cursor")
            self.assert_problem(self.client.get(query(path, sort="id")), 422, "unknown_parameter")


class Deposits(ApiCase):
    def deposit(self, account_id, amount, **members):
        return self.client.post(f"/v1/accounts/{account_id}/deposits",
                                {"amount": amount, **members})

    def test_deposit_answers_the_transfer(self):
        account_id = self.open_account(self.client)
        answer = self.assert_status(self.deposit(account_id, "10.50", reference="bill 7"), 201)
        transfer = answer.json
        self.assert_members(transfer, TRANSFER_MEMBERS)
        self.assertEqual(transfer["debit_account"], "sys:funding:USD")
        self.assertEqual(transfer["credit_account"], account_id)
        self.assertEqual(transfer["amount"], "10.50")
        self.assertEqual(transfer["state"], "posted")
        self.assertEqual(transfer["step"], "deposit")
        self.assertTrue(transfer["workflow_id"])
        self.assertRegex(transfer["created_at"], rf"\A{TIME}\Z")
        self.assertEqual(self.transfers(self.client, account_id), [transfer])
        self.assertEqual(self.account(self.client, account_id)["available"], "10.50")

    def test_amounts_are_read_exactly_from_the_text(self):
        for text, shown in (("10", "10.00"), ("10.5", "10.50"), ("10.50", "10.50"),
                            ("0.01", "0.01"), ("0.1", "0.10"), ("9007199254740993", None),
                            ("90071992547409.93", "90071992547409.93"),
                            ("1234567890123456.78", "1234567890123456.78")):
            shown = shown or text + ".00"
            for form in (text, f'"{text}"'):
                with self.subTest(form=form):
                    account_id = self.open_account(self.client)
                    answer = self.client.post(f"/v1/accounts/{account_id}/deposits",
                                              f'{{"amount": {form}}}')
                    self.assertEqual(self.assert_status(answer, 201).json["amount"], shown)
                    self.assertEqual(self.account(self.client, account_id)["posted"], shown)

    def test_many_cents_add_up_exactly(self):
        account_id = self.open_account(self.client)
        for _ in range(30):
            self.assert_status(self.deposit(account_id, "0.10"), 201)
        self.assertEqual(self.account(self.client, account_id)["posted"], "3.00")
        self.assert_account_adds_up(self.client, account_id)

    def test_what_is_no_positive_amount_is_refused(self):
        account_id = self.open_account(self.client, "1.00")
        for amount in NOT_AN_AMOUNT:
            with self.subTest(amount=str(amount)[:40]):
                self.assert_problem(self.deposit(account_id, amount), 422, "invalid_amount",
                                    "amount")
        for text in NOT_AN_AMOUNT_AS_NUMBER:
            with self.subTest(text=text[:40]):
                answer = self.client.post(f"/v1/accounts/{account_id}/deposits",
                                          f'{{"amount": {text}}}')
                self.assert_problem(answer, 422, "invalid_amount", "amount")
        self.assertEqual(self.account(self.client, account_id)["posted"], "1.00")
        self.assertEqual(len(self.transfers(self.client, account_id)), 1)

    def test_a_balance_cannot_overflow(self):
        account_id = self.open_account(self.client, BALANCE_MAX)
        self.assert_problem(self.deposit(account_id, "0.01"), 422, "invalid_amount")
        self.assert_problem(self.deposit(account_id, BALANCE_MAX), 422, "invalid_amount")
        self.assertEqual(self.account(self.client, account_id)["posted"], BALANCE_MAX)
        # The funding account's own balance may be larger than that of any one account.
        self.open_account(self.client, BALANCE_MAX)
        self.assert_balanced(self.client)

    def test_amount_has_the_digits_of_the_accounts_currency(self):
        account_id = self.open_account(self.client, currency="JPY")
        self.assert_problem(self.deposit(account_id, "1.5"), 422, "invalid_amount")
        self.assertEqual(self.assert_status(self.deposit(account_id, "15"), 201).json["amount"],
                         "15")

    def test_unknown_and_system_accounts_take_no_deposit(self):
        self.open_account(self.client, "1.00")
        for account_id in ("nobody", "sys:funding:USD", "a" * 129):
            with self.subTest(account_id=account_id):
                self.assert_problem(self.deposit(account_id, "1.00"), 404,
                                    ("account_not_found", "not_found"))

    def test_members_are_checked(self):
        account_id = self.open_account(self.client)
        path = f"/v1/accounts/{account_id}/deposits"
        self.assert_problem(self.client.post(path, {}), 422, "missing_field", "amount")
        self.assert_problem(self.client.post(path, {"amount": "1", "currency": "USD"}), 422,
                            "unknown_field", "currency")
        self.assert_problem(self.client.post(path, {"amount": "1", "reference": 5}), 422,
                            "invalid_type", "reference")
        self.assertEqual(self.transfers(self.client, account_id), [])

    def test_transfers_are_newest_first_and_page(self):
        account_id = self.open_account(self.client)
        made = [self.deposit(account_id, f"{number}.00").json["id"] for number in range(1, 24)]
        listed = self.every(self.client, f"/v1/accounts/{account_id}/transfers", limit=5)
        self.assertEqual([transfer["id"] for transfer in listed], made[::-1])
        self.assertEqual(len(set(made)), len(made))

    def test_transfers_of_a_payment_show_its_hold(self):
        account_id = self.open_account(self.client, "10.00")
        paid = self.pay_and_finish(self.client, account_id, "2.00")
        declined = self.pay_and_finish(self.client, account_id, "3.00", "pm_decline")
        transfers = {transfer["workflow_id"]: transfer
                     for transfer in self.transfers(self.client, account_id)}
        for payment, state in ((paid, "posted"), (declined, "voided")):
            transfer = transfers[payment["id"]]
            self.assertEqual(transfer["state"], state)
            self.assertEqual(transfer["step"], "hold")
            self.assertEqual(transfer["amount"], payment["amount"])
            self.assertEqual(transfer["debit_account"], account_id)
            self.assertEqual(transfer["credit_account"], "sys:gateway:USD")
        self.assertEqual(self.assert_account_adds_up(self.client, account_id)["available"], "8.00")


if __name__ == "__main__":
    unittest.main()
