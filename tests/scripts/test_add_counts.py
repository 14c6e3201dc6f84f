"""The script that adds what a worker counted in a minute to what others counted in it."""

from __future__ import annotations

import random

import pytest

from oxmq.histograms import Histogram
from oxmq.ops import history
from oxmq.ops.history import KEPT_MINUTES, MINUTE_MS, Counts, HistoryPoint
from tests.scripts.bench import NOW, Bench

MINUTE = NOW // MINUTE_MS * MINUTE_MS
KEY = "oxmq:counts"


def counts(completed: int = 1, *, failed: int = 0, retried: int = 0, ran: int = 10, waited: int = 100) -> Counts:
    """Return what a worker counted of jobs that were all alike."""
    run, wait = Histogram.of([ran] * completed), Histogram.of([waited] * (completed + failed))
    return Counts(completed, failed, retried, run, wait)


def add(bench: Bench, worker: str, counted: Counts, minute: int = MINUTE) -> bool:
    bench.client.hset(bench.of("meta"), "version", "oxmq")
    return bench.run(history.add_counts(bench.keys, worker, minute, counted))


def stored(bench: Bench) -> dict[int, Counts]:
    """Return what is stored, by minute."""
    points: list[HistoryPoint] = []
    for ahead in range(7):
        now = NOW + ahead * KEPT_MINUTES * MINUTE_MS
        found: list[HistoryPoint] = bench.run(history.get_history(bench.keys, 0, now, KEPT_MINUTES, with_counts=True))
        points += found
    return {point.at_ms: point.counts for point in points if point.counts is not None}


def test_workers_add_up(bench: Bench) -> None:
    assert add(bench, "one", counts(3, failed=1, retried=2))
    assert add(bench, "other", counts(4, failed=5, retried=1, ran=500, waited=0))
    both = counts(3, failed=1, retried=2)
    both.merge(counts(4, failed=5, retried=1, ran=500, waited=0))
    assert stored(bench) == {MINUTE: both}
    assert (both.completed, both.run.total, both.wait.total) == (7, 7, 13)


def test_for_a_queue_that_was_removed_nothing_is_counted(bench: Bench) -> None:
    assert not bench.run(history.add_counts(bench.keys, "one", MINUTE, counts()))
    assert bench.dump() == {}


@pytest.mark.parametrize("minute", [MINUTE, MINUTE - MINUTE_MS], ids=["the same", "an older one"])
def test_a_repeated_call_does_not_count_twice(bench: Bench, minute: int) -> None:
    assert add(bench, "one", counts(3))
    assert add(bench, "other", counts(1))
    before = bench.dump()
    assert not add(bench, "one", counts(3), minute)
    assert bench.dump() == before


def test_workers_are_told_apart_by_the_beginning_of_their_ids(bench: Bench) -> None:
    ids = ["0f8fad5b-d9cb-469f-a165-70867728950e", "0f8fad5b-d9cc-469f-a165-70867728950e"]
    assert [add(bench, worker, counts()) for worker in ids * 2] == [True, True, False, False]


def test_each_minute_is_for_itself(bench: Bench) -> None:
    for minute in range(3):
        assert add(bench, "one", counts(minute + 1), MINUTE + minute * MINUTE_MS)
    assert {at_ms - MINUTE: found.completed for at_ms, found in stored(bench).items()} == {
        0: 1, MINUTE_MS: 2, 2 * MINUTE_MS: 3,
    }  # fmt: skip


def test_after_two_days_a_minute_takes_the_place_of_another(bench: Bench) -> None:
    later = MINUTE + KEPT_MINUTES * MINUTE_MS
    add(bench, "one", counts(1))
    assert add(bench, "one", counts(2), later)
    assert stored(bench) == {later: counts(2)}
    before = bench.dump()
    assert not add(bench, "other", counts(5)), "a minute that was overwritten is gone"
    assert bench.dump() == before


def test_workers_that_add_nothing_are_forgotten(bench: Bench) -> None:
    for number in range(30):
        add(bench, f"worker-{number}", counts(), MINUTE + number * MINUTE_MS)
    assert len(bench.client.hget(bench.of(KEY), "by").split()) == 11


def test_all_is_forgotten_after_two_days_and_an_hour(bench: Bench) -> None:
    add(bench, "one", counts())
    assert 0 < bench.client.pttl(bench.of(KEY)) <= 49 * 3_600_000


@pytest.mark.parametrize(
    "damaged",
    ["text", "", "1 2 3", f"{MINUTE // MINUTE_MS} 1 1 1", f"{MINUTE // MINUTE_MS} 1 1 1;1:1;1:1;1"],
)
def test_what_others_write_into_it_is_overwritten(bench: Bench, damaged: str) -> None:
    field = str(MINUTE // MINUTE_MS % KEPT_MINUTES)
    bench.client.hset(bench.of(KEY), mapping={field: damaged, "by": "\xff = x=y one=z =5"})
    assert add(bench, "one", counts(2))
    assert stored(bench) == {MINUTE: counts(2)}


def test_classes_beyond_all_are_dropped(bench: Bench) -> None:
    broken = counts(1)
    broken.run.counts += [0] * 300 + [7]
    add(bench, "one", counts(2))
    assert add(bench, "other", broken)
    (found,) = stored(bench).values()
    assert (found.completed, found.run.total) == (3, 3)


def test_two_days_of_busy_minutes_take_less_than_a_megabyte(bench: Bench) -> None:
    chance = random.Random(3)
    made = Counts(1_000, 5, 3)
    made.run = Histogram.of(round(chance.lognormvariate(5, 0.5)) for _ in range(1_000))
    made.wait = Histogram.of(round(chance.lognormvariate(2, 0.8)) for _ in range(1_000))
    for minute in range(KEPT_MINUTES + 100):
        add(bench, "one", made, MINUTE + minute * MINUTE_MS)
    assert bench.client.hlen(bench.of(KEY)) == KEPT_MINUTES + 1
    taken = bench.client.memory_usage(bench.of(KEY), samples=0)
    assert taken < 1_000_000
