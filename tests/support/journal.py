"""The mock gateway's own books: one JSON line for each charge that it was asked for."""

import collections
import json


def read(path):
    """All entries; a line that is no JSON is an error, for the gateway writes each line whole."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


class Books:
    """Which keys were taken, how often, and for how much."""

    def __init__(self, entries):
        self.taken = collections.Counter()
        self.amounts = collections.defaultdict(set)
        self.declined = set()
        self.asked = collections.Counter()
        for entry in entries:
            key = entry["key"]
            self.asked[key] += 1
            self.amounts[key].add((entry["amount"], entry["currency"]))
            if entry["outcome"] == "confirmed" and not entry["repeat"]:
                self.taken[key] += 1
            elif entry["outcome"] == "declined":
                self.declined.add(key)

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
