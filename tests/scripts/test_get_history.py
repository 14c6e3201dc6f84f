"""The script that reads minutes: what any worker wrote down of them, and what the workers counted, as one."""

from __future__ import annotations

import pytest

from oxmq.histograms import Histogram
from oxmq.ops import history
from oxmq.ops.history import KEPT_MINUTES, MINUTE_MS, Counts, HistoryPoint, Percentiles
from tests.scripts.bench import NOW, Bench
from tests.scripts.test_bounded_work import commands_of
from tests.scripts.test_record_history import LAST, complete, record


def count(bench: Bench, completed: int, *, minute: int = LAST, failed: int = 0, retried: int = 0, ran: int = 7) -> None:
    counts = Counts(completed, failed, retried, Histogram.of([ran] * completed), Histogram.of([3] * completed))
    bench.client.hset(bench.of("meta"), "version", "oxmq")
    assert bench.run(history.add_counts(bench.keys, "worker", minute, counts))


def read(bench: Bench, since: int = 0, limit: int = 60, *, with_counts: bool = False) -> list[HistoryPoint]:
    return bench.run(history.get_history(bench.keys, since, NOW, limit, with_counts=with_counts))


def test_a_queue_without_a_past(bench: Bench) -> None:
    assert read(bench) == []
    assert read(bench, NOW + 60 * MINUTE_MS) == []


def test_what_workers_counted_is_exact_though_no_job_is_left(bench: Bench) -> None:
    count(bench, 5_000, failed=2, retried=9)
    assert record(bench), "a minute in which jobs were counted is written down"
    (point,) = read(bench)
    assert point == HistoryPoint(
        at_ms=LAST, completed=5_000, failed=2, waiting=0, active=0, delayed=0, sampled=5_000, added=0, retried=9,
        exact=True, run=Percentiles(7, 7, 7), wait=Percentiles(3, 3, 3),
    )  # fmt: skip


def test_minutes_that_nobody_wrote_down_are_there_if_anything_was_counted(bench: Bench) -> None:
    count(bench, 5, minute=LAST - 2 * MINUTE_MS)
    bench.add("a")
    record(bench)
    before, last = read(bench)
    assert (before.at_ms, before.completed, before.waiting, before.added) == (LAST - 2 * MINUTE_MS, 5, 0, None)
    assert (last.at_ms, last.completed, last.waiting, last.exact) == (LAST, 0, 1, False)


def test_where_others_complete_jobs_as_well_what_is_kept_says_more(bench: Bench) -> None:
    for number in range(40):
        complete(bench, f"job-{number}", LAST + number, ran=10)
    count(bench, 10, failed=3)
    record(bench)
    (point,) = read(bench)
    assert (point.exact, point.completed, point.failed, point.sampled) == (False, 40, 3, 40)
    assert point.run == Percentiles(10, 10, 10)


@pytest.mark.parametrize("kept", [40, 41, 43])
def test_jobs_at_the_end_of_a_minute_may_be_counted_in_the_next(bench: Bench, kept: int) -> None:
    for number in range(kept):
        complete(bench, f"job-{number}", LAST + number)
    count(bench, 40)
    record(bench)
    (point,) = read(bench)
    assert (point.exact, point.completed) == (True, 40)


def test_a_rate_told_from_the_pace_gives_way_to_what_was_counted(bench: Bench) -> None:
    for number in range(500):
        complete(bench, f"job-{number}", NOW - 500 + number, ran=5)
    bench.client.set(bench.of("id"), 10_000)
    count(bench, 1_234)
    record(bench)
    (point,) = read(bench)
    assert (point.exact, point.completed, point.run) == (True, 1_234, Percentiles(7, 7, 7))


def test_jobs_that_fail_without_a_worker_are_among_the_failed(bench: Bench) -> None:
    bench.client.zadd(bench.of("failed"), {"stalled": LAST + 1, "stalled too": LAST + 2})
    count(bench, 10)
    record(bench)
    assert (read(bench)[0].failed, read(bench)[0].exact) == (2, True)


def test_counts_come_along_where_they_are_asked_for(bench: Bench) -> None:
    count(bench, 4, ran=900)
    (point,) = read(bench, with_counts=True)
    assert point.counts is not None
    assert point.counts.run == Histogram.of([900] * 4)
    assert read(bench)[0].counts is None


def test_only_full_minutes_within_the_bounds_are_read(bench: Bench) -> None:
    for ago in range(5, -2, -1):
        count(bench, 1, minute=LAST - ago * MINUTE_MS)
    found = [(point.at_ms - LAST) // MINUTE_MS for point in read(bench, LAST - 3 * MINUTE_MS, limit=3)]
    assert found == [-2, -1, 0]
    assert len(read(bench, LAST - 3 * MINUTE_MS)) == 4


def test_what_others_write_is_left_out(bench: Bench) -> None:
    field = str(LAST // MINUTE_MS % KEPT_MINUTES)
    bench.client.hset(bench.of("oxmq:counts"), field, "text")
    assert read(bench) == []


def test_two_days_are_one_small_call(bench: Bench) -> None:
    for ago in range(KEPT_MINUTES):
        count(bench, 1, minute=LAST - (KEPT_MINUTES - 1 - ago) * MINUTE_MS)
    call = history.get_history(bench.keys, 0, NOW, KEPT_MINUTES)
    assert commands_of(bench, call) <= 4
    assert len(bench.run(call)) == KEPT_MINUTES
