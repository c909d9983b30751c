"""The mock gateway's own books: a JSON line for each call and each charge it calls back about."""

import collections
import json


def read(path):
    """All entries; a line that is no JSON is an error, for the gateway writes each line whole."""
    if not path.exists():
        return []
    whole = path.read_text().rpartition("\n")[0]  # it may be writing the next one
    return [json.loads(line) for line in whole.splitlines()]


def units(entry):
    """The amount of an entry in minor units: it is written with its currency's digits."""
    return int(entry["amount"].replace(".", ""))


class Books:
    """What the gateway was asked for, took and gave back, by key."""

    def __init__(self, entries):
        self.taken = collections.Counter()  # how often the money of a key was taken
        self.amounts = collections.defaultdict(set)  # what charges asked for
        self.declined = set()
        self.asked = collections.Counter()  # calls for a charge
        self.voids = collections.Counter()  # voids and refunds of the whole, repetitions left out
        self.refunds = collections.defaultdict(dict)  # key: {refund id: minor units}
        self.touched = collections.Counter()  # calls of any kind
        self._balance = collections.Counter()
        self._repaid_twice = []
        self._accepted = set()
        for entry in entries:
            self.touched[entry["key"]] += 1
            operation = entry.get("op", "charge")
            if operation == "charge":
                self._charge(entry)
            elif operation in ("void", "refund") and not entry["repeat"]:
                self._give_back(entry)

    def _charge(self, entry):
        key, outcome, first = entry["key"], entry["outcome"], not entry["repeat"]
        self.amounts[key].add((entry["amount"], entry["currency"]))
        # What was accepted is confirmed by no call: the gateway has made up its mind.
        self.asked[key] += not (outcome == "confirmed" and first and key in self._accepted)
        if outcome == "confirmed" and first:
            self.taken[key] += 1
            self._balance[key] += units(entry)
        elif outcome == "accepted":
            self._accepted.add(key)
        elif outcome == "declined" and not self.voids[key]:
            self.declined.add(key)

    def _give_back(self, entry):
        key, outcome, refund_id = entry["key"], entry["outcome"], entry.get("refund")
        if outcome in ("failed", "declined"):
            return
        if refund_id in (None, f"{key}/undo"):  # the whole charge
            self.voids[key] += 1
        elif refund_id in self.refunds[key]:
            self._repaid_twice.append(refund_id)
        else:
            self.refunds[key][refund_id] = units(entry)
        if outcome == "done":
            self._balance[key] -= units(entry)

    def net(self, key):
        """What the gateway holds of that key, in minor units."""
        return self._balance[key]

    def total(self):
        return sum(self._balance.values())

    def complaints(self):
        """What a gateway's auditor would say about its own side alone."""
        for key, count in self.taken.items():
            if count != 1:
                yield f"{key} was taken {count} times"
        for key, amounts in self.amounts.items():
            if len(amounts) != 1:
                yield f"{key} was asked for different amounts: {sorted(amounts)}"
        for key in self.declined & set(self.taken):
            yield f"{key} was both declined and taken"
        for key, count in self.voids.items():
            if count != 1:
                yield f"{key} was undone {count} times"
        for key, balance in self._balance.items():
            if balance < 0:
                yield f"{key} was given back more than was taken: {balance}"
        for refund_id in self._repaid_twice:
            yield f"{refund_id} was given back twice"
