"""The script that has a paused scheduler make jobs again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from oxmq import Schedule, SchedulerNotFoundError, SchedulerSlotError, cron, every
from oxmq.ops import schedulers
from tests.scripts.bench import NOW, Bench, plain_hash
from tests.scripts.schedulers import advance, due, job_at, jobs_of, opts_of, record_of, step, take_current, upsert

MINUTE = 60_000


def pause(bench: Bench) -> None:
    assert bench.run(schedulers.pause(bench.keys, "s"))


def resume(bench: Bench, now: int = NOW, stored: schedulers.Stored | None = None) -> int:
    record = stored or bench.run(schedulers.get_record(bench.keys, "s"))
    assert record is not None
    return bench.run(schedulers.resume(bench.keys, "s", now, record))


def paused(bench: Bench, schedule: Schedule, **options: Any) -> None:
    """Make a scheduler, run its first job if that is ready, and pause it."""
    upsert(bench, schedule, **options)
    if bench.client.llen(bench.of("wait")):
        record = take_current(bench)
        advance(bench, record)
        assert bench.codes(bench.complete(record.id)) == [0]
    pause(bench)


def test_what_is_paused_and_resumed_is_as_it_was(bench: Bench) -> None:
    upsert(bench, cron("* * * * *"), data=[1], attempts=3, priority=2)
    before = bench.dump("events", "id")
    pause(bench)
    assert resume(bench) == 1
    assert bench.dump("events", "id") == before


def test_an_interval_keeps_its_times(bench: Bench) -> None:
    paused(bench, every(60))
    assert resume(bench, NOW + 5_000) == 1
    assert due(bench) == MINUTE
    assert opts_of(bench, job_at(MINUTE))["repeat"]["count"] == 2
    assert record_of(bench)["ic"] == "2"


@pytest.mark.parametrize("missed", ["one", "skip", "all"])
@pytest.mark.parametrize("schedule", [every(60), cron("* * * * *")])
def test_what_was_missed_is_left_out(bench: Bench, schedule: Schedule, missed: str) -> None:
    changed = {"every_ms": schedule.every_ms, "pattern": schedule.pattern, "tz": schedule.tz, "missed": missed}
    paused(bench, Schedule(**changed))  # type: ignore[arg-type]  # names and values of its own
    assert resume(bench, NOW + 10 * MINUTE + 1) == 1
    assert due(bench) == (11 * MINUTE if schedule.every_ms else 10 * MINUTE + 40_000)
    assert len(bench.scores("delayed")) == 1


def test_a_job_that_is_ready_still_is_the_next_one(bench: Bench) -> None:
    upsert(bench, every(60))
    pause(bench)
    assert resume(bench, NOW + 5) == 1
    assert bench.in_line("wait") == [job_at(0)]
    assert bench.scores("delayed") == {}
    assert step(bench, NOW + 5).next_id == job_at(MINUTE)


def test_a_job_that_runs_is_followed_by_one(bench: Bench) -> None:
    upsert(bench, every(60))
    take_current(bench)
    pause(bench)
    assert resume(bench, NOW + 5) == 1
    assert jobs_of(bench) == {job_at(0), job_at(MINUTE)}


def test_the_limit_counts_on(bench: Bench) -> None:
    paused(bench, every(60, limit=2))
    resume(bench)
    assert opts_of(bench, job_at(MINUTE))["repeat"]["count"] == 2
    pause(bench)
    resume(bench)
    record = take_current(bench, NOW + MINUTE)
    assert advance(bench, record).next_id is None


def test_one_that_has_come_to_its_end_makes_no_job(bench: Bench) -> None:
    upsert(bench, every(60, limit=1))
    assert step(bench).next_id is None
    pause(bench)
    assert resume(bench) == 1
    assert jobs_of(bench) == {job_at(0)}
    assert due(bench) == 0
    assert "paused" not in record_of(bench)


def test_no_job_is_made_after_the_end(bench: Bench) -> None:
    paused(bench, every(60, end=datetime.fromtimestamp((NOW + 90_000) / 1000, UTC)))
    assert resume(bench, NOW + 2 * MINUTE) == 1
    assert bench.scores("delayed") == {}


def test_a_definition_that_was_changed_meanwhile_holds(bench: Bench) -> None:
    paused(bench, every(60))
    upsert(bench, cron("0 * * * *"), data=[2])
    assert resume(bench) == 1
    (job_id,) = bench.scores("delayed")
    assert bench.hash(job_id)["data"] == "[2]"
    assert opts_of(bench, job_id)["repeat"] == {"pattern": "0 * * * *", "tz": "UTC", "count": 1}


def test_an_interval_that_was_changed_meanwhile_counts_from_the_change(bench: Bench) -> None:
    paused(bench, every(60))
    upsert(bench, every(600), now=NOW + 7)
    assert resume(bench, NOW + MINUTE) == 1
    assert due(bench) == 600_007


def test_one_that_is_not_paused(bench: Bench) -> None:
    upsert(bench, every(60))
    before = bench.dump()
    assert resume(bench) == 0
    assert bench.dump() == before


def test_a_record_that_has_changed_is_to_be_read_again(bench: Bench) -> None:
    paused(bench, every(60))
    stored = bench.run(schedulers.get_record(bench.keys, "s"))
    upsert(bench, every(60), data=[2])
    before = bench.dump()
    assert resume(bench, stored=stored) == schedulers.CHANGED
    assert bench.dump() == before
    assert resume(bench) == 1


def test_one_that_is_not_there(bench: Bench) -> None:
    paused(bench, every(60))
    stored = bench.run(schedulers.get_record(bench.keys, "s"))
    bench.run(schedulers.remove(bench.keys, "s"))
    before = bench.dump()
    with pytest.raises(SchedulerNotFoundError):
        resume(bench, stored=stored)
    assert bench.dump() == before


@pytest.mark.parametrize(("schedule", "first", "interval", "times"), [
    (every(60), MINUTE, MINUTE, 33), (cron("* * * * *"), 40_000, MINUTE, 8),
])  # fmt: skip
def test_it_stays_paused_when_all_next_times_are_taken(
    bench: Bench, schedule: Schedule, first: int, interval: int, times: int
) -> None:
    paused(bench, schedule)
    for number in range(times):
        bench.client.hset(bench.of(job_at(first + number * interval)), mapping=plain_hash(ats=1))
    before = bench.dump()
    with pytest.raises(SchedulerSlotError):
        resume(bench)
    assert bench.dump() == before
