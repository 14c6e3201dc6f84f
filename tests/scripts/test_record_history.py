"""The script that writes down what went on in a minute."""

from __future__ import annotations

from typing import Any

import pytest

from oxmq.ops import history
from oxmq.ops.history import HistoryPoint, Percentiles
from tests.scripts.bench import NOW, Bench, fill, plain_hash
from tests.scripts.test_bounded_work import commands_of

MINUTE = 60_000
#: The last full minute before the tests' now, which are at 20 s after a whole one.
LAST = NOW - 20_000 - MINUTE


def record(bench: Bench, now: int = NOW) -> bool:
    return bench.run(history.record(bench.keys, history.last_full_minute(now), now))


def points(bench: Bench, since: int = 0, limit: int = 100) -> list[HistoryPoint]:
    now = NOW + 10 * MINUTE
    return bench.run(history.get_history(bench.keys, since, now, limit))


def complete(bench: Bench, job_id: str, finished: int, ran: int = 10, waited: int = 100, **fields: Any) -> None:
    """Put a job that has completed."""
    times = {"timestamp": finished - ran - waited, "processedOn": finished - ran, "finishedOn": finished, "ats": 1}
    bench.client.hset(bench.keys.job(job_id), mapping=plain_hash(**{**times, **fields}))
    bench.client.zadd(bench.of("completed"), {job_id: finished})


def test_the_last_full_minute() -> None:
    assert history.last_full_minute(NOW) == LAST
    assert history.last_full_minute(LAST + MINUTE) == LAST


def test_a_minute_is_written_down_once(bench: Bench) -> None:
    fill(bench)
    assert record(bench) is True
    before = bench.dump()
    assert record(bench) is False
    assert record(bench, NOW - MINUTE) is False
    assert bench.dump() == before
    assert points(bench) == [
        HistoryPoint(
            at_ms=LAST, completed=0, failed=0, waiting=1 + 2 + 5, active=3, delayed=4, sampled=0, added=0,
        )
    ]  # fmt: skip
    assert 0 < bench.client.pttl(bench.of("oxmq:history")) <= 7 * 86_400_000


def test_a_queue_in_which_nothing_goes_on_leaves_no_trace(bench: Bench) -> None:
    assert record(bench) is False
    complete(bench, "a", LAST - 1)
    assert record(bench) is False
    assert not bench.client.exists(bench.of("oxmq:history"))


def test_minutes_are_read_the_oldest_first(bench: Bench) -> None:
    bench.add("a")
    for minute in range(4):
        assert record(bench, NOW + minute * MINUTE)
    assert [point.at_ms - LAST for point in points(bench)] == [0, MINUTE, 2 * MINUTE, 3 * MINUTE]
    assert [point.at_ms - LAST for point in points(bench, LAST + MINUTE, 2)] == [2 * MINUTE, 3 * MINUTE]
    assert points(bench)[0].added == 1


def test_jobs_that_ended_in_the_minute_are_counted(bench: Bench) -> None:
    for job_id, finished in (("a", LAST - 1), ("b", LAST), ("c", LAST + MINUTE - 1), ("d", LAST + MINUTE)):
        complete(bench, job_id, finished)
    bench.client.zadd(bench.of("failed"), {"e": LAST + 5, "f": NOW})
    record(bench)
    (point,) = points(bench)
    assert (point.completed, point.failed, point.sampled) == (2, 1, 2)
    assert (point.run, point.wait) == (Percentiles(10, 10, 10), Percentiles(100, 100, 100))


@pytest.mark.parametrize(
    ("fields", "waited"),
    [
        ({}, 100),
        ({"opts": '{"delay":60}'}, 40),
        ({"opts": '{"delay":60000}'}, 0),
        ({"ats": 2}, None),
        ({"timestamp": "soon"}, None),
    ],
    ids=["at once", "delayed", "promoted", "retried", "no time"],
)
def test_a_job_waits_from_when_it_can_run(bench: Bench, fields: dict[str, Any], waited: int | None) -> None:
    complete(bench, "a", LAST, **fields)
    record(bench)
    (point,) = points(bench)
    assert point.wait == (None if waited is None else Percentiles(waited, waited, waited))


def test_percentiles_tell_the_slow_from_the_quick(bench: Bench) -> None:
    for number in range(1, 101):
        complete(bench, f"job-{number}", LAST + number, ran=number)
    record(bench)
    assert points(bench)[0].run == Percentiles(50, 95, 99)


def test_of_many_jobs_some_are_looked_at_all_over_the_minute(bench: Bench) -> None:
    for number in range(1_000):
        complete(bench, f"job-{number}", LAST + number * 60, ran=number)
    commands = commands_of(bench, history.record(bench.keys, LAST, NOW))
    (point,) = points(bench)
    assert (point.completed, point.sampled) == (1_000, 200)
    assert point.run
    assert (abs(point.run.p50 - 500) < 40, abs(point.run.p95 - 950) < 40, point.run.p99 > 960) == (True, True, True)
    assert commands < 300


def test_where_jobs_are_removed_soon_those_that_are_left_stand_for_them(bench: Bench) -> None:
    for number in range(500):
        complete(bench, f"job-{number}", NOW - 500 + number, ran=5)
    bench.client.set(bench.of("id"), 10_000)
    record(bench)
    (point,) = points(bench)
    assert (point.completed, point.sampled, point.added) == (30_000, 200, 10_000)
    assert point.run == Percentiles(5, 5, 5)


def test_an_entry_is_small(bench: Bench) -> None:
    for number in range(300):
        complete(bench, f"job-{number}", LAST + number, ran=10_000_000 + number)
    record(bench)
    ((_, fields),) = bench.client.xrange(bench.of("oxmq:history"))
    assert sum(len(word) for field in fields.items() for word in field) < 150


def test_jobs_that_cannot_be_read_are_passed_over(bench: Bench) -> None:
    bench.client.zadd(bench.of("completed"), {"gone": LAST, "strange": LAST})
    bench.client.set(bench.of("strange"), "text")
    complete(bench, "damaged", LAST, processedOn="soon")
    record(bench)
    (point,) = points(bench)
    assert (point.completed, point.sampled, point.run) == (3, 0, None)


def test_what_others_write_into_it_is_left_out(bench: Bench) -> None:
    bench.client.xadd(bench.of("oxmq:history"), {"v": "1,2"}, id="5-0")
    bench.client.xadd(bench.of("oxmq:history"), {"x": b"\xff"}, id="6-0")
    assert points(bench) == []
