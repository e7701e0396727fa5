"""Writes the table that README and how-tos speak of: 3,000 customers of a made-up service, on standard output.

python docs/customers.py > data/customers.csv
"""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Iterator

COLUMNS = ("age", "plan", "support_calls", "months", "left_after")
LOYALTY = {"basic": 0, "silver": 6, "gold": 20}


def customers(rows: int = 3000, seed: int = 1) -> Iterator[tuple[int | str, ...]]:
    """Customers who call support often leave early, older ones and those of a dear plan later; the rest is chance.

    One age in twenty and one plan in ten is missing: an empty cell.
    """
    chance = random.Random(seed)
    for _ in range(rows):
        plan = chance.choice(("gold", "silver", "basic", "basic"))
        age, months, calls = chance.randint(18, 80), chance.randint(1, 60), chance.randint(0, 12)
        stays = 30 + LOYALTY[plan] - 40 * calls / months + 0.3 * (age - 45) + chance.gauss(0, 8)
        known_age = "" if chance.random() < 0.05 else age
        known_plan = "" if chance.random() < 0.1 else plan
        yield known_age, known_plan, calls, months, max(1, round(stays))


if __name__ == "__main__":
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(customers())
