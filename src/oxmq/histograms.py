"""Count times in a few classes, so that any percentile can be told afterwards to within 10 %.

A time is a whole number of milliseconds. Each doubling, from 1 ms on, is cut into five classes of equal width; 0 is a
class of its own. Every time up to 7 ms has its own class; above, the ends of a class are at most 20 % apart, so that
the number told for it is at most 9.1 % off. The last class holds everything from 22 days on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

#: Into how many classes each doubling is cut.
_STEPS: Final = 5
#: How many doublings are told apart.
_DOUBLINGS: Final = 31
CLASSES: Final = 1 + _STEPS * _DOUBLINGS
"""How many classes there are."""
ROWS: Final = 1 + _DOUBLINGS
"""How many rows there are where the classes of a doubling are taken together."""

_LONGEST: Final = 2**_DOUBLINGS - 1


def class_of(ms: int) -> int:
    """Return the number of the class that a time belongs to; below 0 counts as 0."""
    if ms < _TABLED:
        return _TABLE[ms] if ms > 0 else 0
    return _computed(min(ms, _LONGEST))


def bounds(index: int) -> tuple[int, int]:
    """Return the shortest and the longest time of a class, in milliseconds."""
    if index == 0:
        return 0, 0
    return _first(index), _first(index + 1) - 1


def middle(index: int) -> int:
    """Return the number that stands for a class, in milliseconds: no time in it is more than 9.1 % off."""
    first, last = bounds(index)
    return round(2 * first * last / (first + last)) if first < last else first


class Histogram:
    """Count times by class.

    Attributes:
        counts: how many times fell into each class; `counts[class_of(ms)] += 1` counts one.
    """

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts = [0] * CLASSES

    @classmethod
    def of(cls, times_ms: Iterable[int]) -> Histogram:
        """Return the counts of some times."""
        made = cls()
        for ms in times_ms:
            made.add(ms)
        return made

    @classmethod
    def decode(cls, text: str) -> Histogram:
        """Return what `encode` was given; what is in no known class is left out.

        Raises:
            ValueError: it is no such text.
        """
        made = cls()
        for group in text.split():
            first, _, counts = group.partition(":")
            for index, count in enumerate(counts.split(","), int(first)):
                if 0 <= index < CLASSES:
                    made.counts[index] += int(count)
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self.counts == other.counts

    def __hash__(self) -> int:
        raise TypeError("a histogram changes, so that it is no key")

    def __repr__(self) -> str:
        return f"<Histogram of {self.total} times>"

    @property
    def total(self) -> int:
        """Return how many times have been counted."""
        return sum(self.counts)

    def add(self, ms: int) -> None:
        """Count a time."""
        self.counts[class_of(ms)] += 1

    def merge(self, other: Histogram) -> None:
        """Add what another has counted."""
        self.counts = [own + others for own, others in zip(self.counts, other.counts, strict=True)]

    def rows(self) -> list[int]:
        """Return how many times fell into each row: 0 ms, 1 ms, 2 to 3 ms, 4 to 7 ms, and so on."""
        return [self.counts[0], *(sum(self.counts[at : at + _STEPS]) for at in range(1, CLASSES, _STEPS))]

    def encode(self) -> str:
        """Return the counts as text, such as ``18:1,5,2 40:7``: rows of classes that are not empty, by its first."""
        groups: list[str] = []
        before = -2
        for index, count in enumerate(self.counts):
            if count:
                groups.append(f",{count}" if index == before + 1 else f" {index}:{count}")
                before = index
        return "".join(groups).lstrip()

    def percentile(self, share: float) -> int | None:
        """Return the time that at least this share of the times did not exceed, in milliseconds; None of no times."""
        rank = max(1, math.ceil(share * self.total))
        for index, count in enumerate(self.counts):
            rank -= count
            if rank <= 0:
                return middle(index)
        return None


def row_bounds(row: int) -> tuple[int, int]:
    """Return the shortest and the longest time of a row, in milliseconds."""
    return ((1 << row) >> 1, (1 << row) - 1) if row else (0, 0)


def _first(index: int) -> int:
    doubling, step = divmod(index - 1, _STEPS)
    return -(-(1 << doubling) * (_STEPS + step) // _STEPS)


def _computed(ms: int) -> int:
    if ms <= 0:
        return 0
    doubling = ms.bit_length() - 1
    return 1 + _STEPS * doubling + (_STEPS * ms >> doubling) - _STEPS


#: Most times are looked up.
_TABLED: Final = 1 << 12
_TABLE: Final = bytes(map(_computed, range(_TABLED)))
