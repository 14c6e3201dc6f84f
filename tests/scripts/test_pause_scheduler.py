"""The script that has a scheduler make no jobs until it is resumed."""

from __future__ import annotations

import pytest

from oxmq import JobStateError, SchedulerNotFoundError, cron, every
from oxmq.invariants import Fields, Scores, Value, violations
from oxmq.ops import lifecycle, schedulers
from oxmq.ops.lifecycle import TakeTerms
from tests.scripts.bench import NOW, Bench
from tests.scripts.schedulers import advance, due, job_at, jobs_of, record_of, step, take_current, upsert

MINUTE = 60_000


def pause(bench: Bench, scheduler: str = "s") -> bool:
    return bench.run(schedulers.pause(bench.keys, scheduler))


def test_the_delayed_job_goes_and_the_scheduler_stays(bench: Bench) -> None:
    upsert(bench, cron("* * * * *"))
    bench.forget_events()
    before = record_of(bench)
    assert pause(bench) is True
    assert jobs_of(bench) == set()
    assert bench.scores("delayed") == {}
    assert bench.events() == [f"removed jobId={job_at(40_000)} prev=delayed"]
    assert record_of(bench) == before | {"paused": "1", "count": "1", "ic": "0"}
    found = bench.run(schedulers.get(bench.keys, "s"))
    assert found is not None
    assert (found.paused, found.next.timestamp() * 1000) == (True, NOW + 40_000)


def test_a_job_that_is_ready_stays_and_makes_no_next_one(bench: Bench) -> None:
    upsert(bench, every(60))
    assert pause(bench) is True
    assert bench.in_line("wait") == [job_at(0)]
    assert record_of(bench)["count"] == "2"
    verdict = step(bench)
    assert (verdict.next_id, verdict.skipped) == (None, None)
    assert jobs_of(bench) == {job_at(0)}


def test_a_job_that_was_taken_and_has_no_next_one_yet_makes_none(bench: Bench) -> None:
    upsert(bench, every(60))
    record = take_current(bench)
    pause(bench)
    assert advance(bench, record).next_id is None
    assert jobs_of(bench) == {job_at(0)}


def test_no_job_has_the_time_that_a_paused_scheduler_shows_to_others(bench: Bench) -> None:
    """By it BullMQ's workers tell whether a job is to make the next one."""
    upsert(bench, every(60))
    pause(bench)
    assert not bench.client.exists(bench.of(f"repeat:s:{NOW + (due(bench) or 0)}"))


def test_a_job_that_is_tried_again_later_stays(bench: Bench) -> None:
    upsert(bench, every(60, limit=1), attempts=2)
    record = take_current(bench)
    advance(bench, record)
    bench.run(lifecycle.finish(bench.keys, NOW, (bench.outcome(record.id, "delay", value=5_000),), 0, "t", TakeTerms()))
    assert list(bench.scores("delayed")) == [record.id]
    assert pause(bench) is True
    assert list(bench.scores("delayed")) == [record.id]


def test_others_stay(bench: Bench) -> None:
    upsert(bench, cron("* * * * *"))
    upsert(bench, cron("* * * * *"), scheduler="other")
    pause(bench)
    assert set(bench.scores("repeat")) == {"s", "other"}
    assert set(bench.scores("delayed")) == {job_at(40_000, "other")}


def test_the_second_time_nothing_changes(bench: Bench) -> None:
    upsert(bench, cron("* * * * *"))
    pause(bench)
    before = bench.dump()
    assert pause(bench) is False
    assert bench.dump() == before


def test_one_that_is_not_there(bench: Bench) -> None:
    upsert(bench, every(60), scheduler="other")
    before = bench.dump()
    with pytest.raises(SchedulerNotFoundError, match=r"Missing key for job scheduler s\. pause_job_scheduler"):
        pause(bench)
    assert bench.dump() == before


@pytest.mark.parametrize("fields", [{}, {"name": "job", "pattern": "* * * * *"}])
def test_one_of_the_older_kind_is_left_alone(bench: Bench, fields: dict[str, str]) -> None:
    bench.client.zadd(bench.of("repeat"), {"s": NOW})
    if fields:
        bench.client.hset(bench.of("repeat:s"), mapping=fields)
    before = bench.dump()
    with pytest.raises(JobStateError, match="legacy"):
        pause(bench)
    assert bench.dump() == before


@pytest.mark.parametrize("opts", ["", "no JSON", "[]", '{"repeat":5}', '{"repeat":{}}'])
def test_options_that_say_nothing_hold_nothing_up(bench: Bench, opts: str) -> None:
    upsert(bench, cron("* * * * *"))
    bench.client.hset(bench.of(job_at(40_000)), "opts", opts)
    assert pause(bench) is True
    assert record_of(bench)["count"] == "1"


# ---- what others then do to it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", [every(60), cron("* * * * *")])
@pytest.mark.parametrize("changed", [every(30), cron("0 * * * *"), None])
def test_an_upsert_leaves_it_paused(bench: Bench, schedule: object, changed: object) -> None:
    upsert(bench, schedule)  # type: ignore[arg-type]  # one of two schedules
    pause(bench)
    assert upsert(bench, changed or schedule, data=[1]) is None  # type: ignore[arg-type]  # likewise
    found = bench.run(schedulers.get(bench.keys, "s"))
    assert found is not None
    assert (found.paused, found.data) == (True, [1])
    assert jobs_of(bench) == set()
    assert found.schedule is not None
    assert found.schedule.every_ms == {"60": 60_000, "30": 30_000}.get(_interval(changed or schedule))


def _interval(schedule: object) -> str:
    every_ms = getattr(schedule, "every_ms", None)
    return str(every_ms // 1000) if every_ms else ""


def test_a_job_that_waits_goes_with_an_upsert(bench: Bench) -> None:
    upsert(bench, every(60))
    pause(bench)
    assert upsert(bench, every(60), now=NOW + 5) is None
    assert jobs_of(bench) == set()
    assert record_of(bench)["ic"] == "0"


def test_a_declaration_that_says_the_same_finds_nothing_to_change(bench: Bench) -> None:
    schedule = cron("* * * * *")
    upsert(bench, schedule, declared=True)
    pause(bench)
    stored = bench.run(schedulers.get_record(bench.keys, "s"))
    assert stored is not None
    wanted: dict[str, str | bytes | int] = {"name": "job", "pattern": "* * * * *", "tz": "UTC", "declared": "1"}
    assert schedulers.is_defined_so(stored, schedule, wanted)


def test_it_can_be_removed(bench: Bench) -> None:
    upsert(bench, cron("* * * * *"))
    pause(bench)
    assert bench.run(schedulers.remove(bench.keys, "s")) is True
    assert bench.dump("id", "marker", "meta", "events") == {}


# ---- what is true of it ----------------------------------------------------------------------------------------------


def broken(**fields: str) -> list[str]:
    dump: dict[str, Value] = {
        "bull:q:repeat": Scores({"s": NOW + 1}),
        "bull:q:repeat:s": Fields({"name": "s", "ic": "1", "every": "60000", **fields}),
        f"bull:q:{job_at(0)}": Fields({"name": "s", "timestamp": "1", "rjk": "s"}),
        "bull:q:delayed": Scores({job_at(0): NOW * 4096}),
        "bull:q:marker": Scores({"1": NOW}),
    }
    return [violation.words for violation in violations(dump, "bull:q:") if violation.rule == "K13"]


def test_a_paused_scheduler_has_no_job_that_is_delayed() -> None:
    assert broken(paused="1") == [f"scheduler s is paused and will run job {job_at(0)}"]
    assert broken() == []


def test_the_keyspace_of_a_paused_scheduler_breaks_no_rule(bench: Bench) -> None:
    dump: dict[str, Value] = {
        "bull:q:repeat": Scores({"s": NOW + 1}),
        "bull:q:repeat:s": Fields({"name": "s", "ic": "1", "every": "60000", "paused": "1", "count": "2"}),
    }
    assert violations(dump, bench.keys.base) == []
