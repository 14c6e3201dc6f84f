"""Times counted in classes: where a time belongs, how far off a percentile may be, and how little is written."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oxmq.histograms import CLASSES, ROWS, Histogram, bounds, class_of, middle, row_bounds

LONGEST = 2**31 - 1
times = st.integers(min_value=0, max_value=LONGEST)
many = st.lists(times, max_size=200)


@given(times)
def test_a_time_lies_within_its_class_and_near_its_middle(ms: int) -> None:
    first, last = bounds(class_of(ms))
    assert first <= ms <= last
    assert abs(middle(class_of(ms)) - ms) <= max(0.1 * ms, 0)


def test_classes_follow_each_other_without_gaps() -> None:
    # A few classes of the first doublings would lie between two whole numbers: those stay empty.
    ends = [bounds(index) for index in range(CLASSES)]
    filled = [(first, last) for first, last in ends if first <= last]
    assert filled[0] == (0, 0)
    assert filled[-1][1] == LONGEST
    assert all(after[0] == before[1] + 1 for before, after in pairwise(filled))


@pytest.mark.parametrize("ms", range(8))
def test_short_times_are_exact(ms: int) -> None:
    assert Histogram.of([ms]).percentile(0.5) == ms


@pytest.mark.parametrize(("ms", "same_as"), [(-5, 0), (LONGEST + 1, LONGEST), (10**15, LONGEST)])
def test_what_is_out_of_range_counts_in_the_outermost_class(ms: int, same_as: int) -> None:
    assert class_of(ms) == class_of(same_as)
    assert 0 <= class_of(ms) < CLASSES


@given(many.filter(bool), st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_at_most_10_percent_off(values: list[int], share: float) -> None:
    exact = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    found = Histogram.of(values).percentile(share)
    assert found is not None
    assert abs(found - exact) <= 0.1 * exact


def test_of_no_times_there_is_no_percentile() -> None:
    assert Histogram().percentile(0.5) is None


@given(many, many)
def test_two_together_are_as_one_that_counted_all(one: list[int], other: list[int]) -> None:
    merged = Histogram.of(one)
    merged.merge(Histogram.of(other))
    assert merged.counts == Histogram.of(one + other).counts
    assert merged.total == len(one) + len(other)


@given(many)
def test_rows_take_the_classes_of_a_doubling_together(values: list[int]) -> None:
    rows = Histogram.of(values).rows()
    expected = [sum(first <= ms <= last for ms in values) for first, last in map(row_bounds, range(ROWS))]
    assert rows == expected


def test_a_histogram_is_no_key() -> None:
    with pytest.raises(TypeError, match="it is no key"):
        {Histogram(): 1}  # pyright: ignore[reportUnusedExpression] - only that it cannot be made


@given(many)
def test_what_is_written_can_be_read(values: list[int]) -> None:
    assert Histogram.decode(Histogram.of(values).encode()) == Histogram.of(values)


def test_classes_beside_each_other_are_written_as_a_row() -> None:
    assert Histogram.of([0, 1, 1, 1000]).encode() == f"0:1,2 {class_of(1000)}:1"
    assert Histogram().encode() == ""


@pytest.mark.parametrize(("text", "total"), [("", 0), ("155:1,1,1", 1), ("500:4", 0), ("3:0,2 3:1", 3)])
def test_what_is_in_no_known_class_is_left_out(text: str, total: int) -> None:
    assert Histogram.decode(text).total == total


@pytest.mark.parametrize("text", ["a", "3", "3:", "3:x", "x:3", "3:1,,1"])
def test_what_is_no_histogram_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        Histogram.decode(text)


def test_times_as_they_are_take_few_bytes() -> None:
    chance = random.Random(5)
    values = [round(chance.lognormvariate(5, 0.7)) for _ in range(10_000)]
    assert len(Histogram.of(values).encode()) < 160
