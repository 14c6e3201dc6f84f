"""Make up a month's sales: the rows that the PDF report is written from, the same for the same month."""

from __future__ import annotations

import random
from dataclasses import dataclass

_FIRST = ("Ada", "Alan", "Barbara", "Donald", "Edsger", "Frances", "Grace", "Katherine", "Ken", "Margaret", "Radia")
_LAST = ("Allen", "Dijkstra", "Hamilton", "Hopper", "Johnson", "Knuth", "Liskov", "Lovelace", "Perlman", "Turing")
_PRODUCTS = (("Yoke", 8_900), ("Plough", 24_500), ("Cart", 61_000), ("Oats, 25 kg", 1_450), ("Bell", 690))


@dataclass(frozen=True, slots=True)
class Sale:
    """Say who bought how many of what; money is in cents."""

    number: int
    day: int
    customer: str
    product: str
    units: int
    cents: int


def sales(month: int, count: int) -> list[Sale]:
    """Return the first `count` sales of `month`, in the order of their days."""
    chance = random.Random(month)
    days = sorted(chance.randint(1, 28) for _ in range(count))
    return [_sale(chance, number, day) for number, day in enumerate(days, 1)]


def _sale(chance: random.Random, number: int, day: int) -> Sale:
    customer = f"{chance.choice(_FIRST)} {chance.choice(_LAST)}"
    product, price = chance.choice(_PRODUCTS)
    units = chance.randint(1, 9)
    return Sale(number, day, customer, product, units, units * price)


def money(cents: int) -> str:
    """Write an amount the way that the report prints it."""
    return f"{cents // 100:,}.{cents % 100:02d}"
