"""The script that reads a page of schedulers."""

from __future__ import annotations

import pytest

from oxmq import cron, every
from oxmq.ops import schedulers
from tests.scripts.bench import Bench
from tests.scripts.schedulers import upsert


def ids(bench: Bench, start: int, end: int, *, asc: bool) -> list[str]:
    """Return the ids of a page."""
    return [found.id for found in bench.run(schedulers.get_page(bench.keys, start, end, asc=asc))]


@pytest.mark.parametrize(
    ("start", "end", "asc", "expected"),
    [
        (0, -1, True, ["now", "minute", "hour"]),
        (0, -1, False, ["hour", "minute", "now"]),
        (1, 1, True, ["minute"]),
        (1, 5, False, ["minute", "now"]),
        (3, 9, True, []),
    ],
)
def test_a_page_by_the_time_of_the_next_job(bench: Bench, start: int, end: int, asc: bool, expected: list[str]) -> None:
    upsert(bench, every(60), scheduler="now")
    upsert(bench, cron("@hourly"), scheduler="hour")
    upsert(bench, cron("* * * * *"), scheduler="minute")
    before = bench.dump()
    assert ids(bench, start, end, asc=asc) == expected
    assert bench.run(schedulers.count(bench.keys)) == 3
    assert bench.dump() == before


def test_an_empty_queue_has_none(bench: Bench) -> None:
    assert ids(bench, 0, -1, asc=True) == []
    assert bench.run(schedulers.count(bench.keys)) == 0


def test_entries_of_older_kinds_are_shown_and_left_alone(bench: Bench) -> None:
    bench.client.zadd(bench.of("repeat"), {"job::::* * * * *": 5, "0f3c": 6})
    bench.client.hset(bench.of("repeat:0f3c"), mapping={"name": "old", "every": "1000"})
    before = bench.dump()
    found = bench.run(schedulers.get_page(bench.keys, 0, -1, asc=True))
    assert [(one.id, one.legacy) for one in found] == [("job::::* * * * *", True), ("0f3c", True)]
    assert bench.dump() == before
