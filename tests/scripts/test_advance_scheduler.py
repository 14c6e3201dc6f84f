"""The script that makes the job that follows one that was taken, and says whether that one is to run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import structs

from oxmq import ConfigurationError, Schedule, cron, every
from oxmq.ops import iterations, schedulers
from oxmq.ops.iterations import Verdict
from oxmq.records import JobRecord
from tests.scripts.bench import NOW, PRIORITY, STEP, Bench, plain_hash
from tests.scripts.schedulers import (
    advance,
    due,
    job_at,
    opts_of,
    record_of,
    step,
    take_current,
    upsert,
)

MINUTE = 60_000


def at(ms: int) -> datetime:
    """Return a moment so many milliseconds after the tests' now."""
    return datetime.fromtimestamp((NOW + ms) / 1000, UTC)


def complete(bench: Bench, job_id: str, now: int = NOW) -> None:
    """Complete a job that was taken."""
    assert bench.codes(bench.complete(job_id), now=now) == [0]


# ---- the job that follows ------------------------------------------------------------------------------------------


def test_the_next_job_is_made_when_one_is_taken(bench: Bench) -> None:
    upsert(bench, every(60), data={"list": []}, attempts=3)
    taken = take_current(bench)
    bench.forget_events()
    bench.clear_marker()
    assert advance(bench, taken, NOW + 250) == Verdict(job_at(MINUTE))
    next_id = job_at(MINUTE)
    assert bench.scores("delayed") == {next_id: (NOW + MINUTE) * STEP}
    assert {name: value for name, value in bench.hash(next_id).items() if name != "opts"} == {
        "name": "job",
        "data": '{"list":[]}',
        "timestamp": str(NOW + 250),
        "delay": "59750",
        "priority": "0",
        "rjk": "s",
    }
    assert opts_of(bench, next_id) == {
        "attempts": 3,
        "repeatJobKey": "s",
        "repeat": {"every": MINUTE, "count": 2},
        "timestamp": NOW + 250,
        "delay": 59_750,
        "jobId": next_id,
    }
    assert (due(bench), record_of(bench)["ic"]) == (MINUTE, "2")
    assert bench.client.get("bull:q:id") == "2"
    assert bench.marker() == {"1": NOW + MINUTE}
    assert bench.events() == [f"added jobId={next_id} name=job", f"delayed jobId={next_id} delay={NOW + MINUTE}"]


def test_a_pattern_s_next_job_carries_its_time(bench: Bench) -> None:
    upsert(bench, cron("* * * * *", tz="Europe/Berlin"), priority=2)
    assert step(bench, NOW + 40_000) == Verdict(job_at(100_000))
    assert opts_of(bench, job_at(100_000)) == {
        "attempts": 0,
        "priority": 2,
        "repeatJobKey": "s",
        "repeat": {"pattern": "* * * * *", "tz": "Europe/Berlin", "count": 2},
        "timestamp": NOW + 40_000,
        "delay": MINUTE,
        "jobId": job_at(100_000),
        "prevMillis": NOW + 100_000,
    }
    assert bench.hash(job_at(100_000))["priority"] == "2"


def test_a_job_that_runs_ahead_of_its_time_does_not_bring_the_next_one_forward(bench: Bench) -> None:
    upsert(bench, cron("* * * * *"))
    bench.client.zrem("bull:q:delayed", job_at(40_000))
    bench.client.lpush("bull:q:wait", job_at(40_000))
    assert step(bench, NOW + 1) == Verdict(job_at(100_000))


@pytest.mark.parametrize("opts", ['{"empty":[],"nothing":null,"big":12345678901234567890,"text":"a/b"}', "{}"])
def test_the_user_s_options_travel_as_they_are(bench: Bench, opts: str) -> None:
    upsert(bench, every(60))
    bench.client.hset(
        bench.of(job_at(0)),
        "opts",
        opts[:-1] + (',"repeat":{"every":60000,"count":1,"own":[]}}' if opts != "{}" else "}"),
    )
    step(bench)
    stored = bench.hash(job_at(MINUTE))["opts"]
    assert opts[1:-1] in stored
    assert opts == "{}" or '"own":[]' in stored
    assert opts_of(bench, job_at(MINUTE))["repeatJobKey"] == "s"


def test_name_and_payload_come_from_the_record_and_the_options_from_the_job(bench: Bench) -> None:
    upsert(bench, every(60), data=1, priority=2)
    bench.client.hset(bench.of("repeat:s"), mapping={"name": "renamed", "data": "[2]", "opts": '{"priority":9}'})
    step(bench)
    assert (bench.hash(job_at(MINUTE))["name"], bench.hash(job_at(MINUTE))["data"]) == ("renamed", "[2]")
    assert bench.hash(job_at(MINUTE))["priority"] == "2"


def test_the_next_job_may_be_due_at_once(bench: Bench) -> None:
    upsert(bench, every(60, missed="all"), priority=1)
    step(bench, NOW + 200_000)
    assert bench.scores("prioritized") == {job_at(MINUTE): PRIORITY + 2}
    assert (bench.hash(job_at(MINUTE))["delay"], bench.events()[-1]) == ("0", f"waiting jobId={job_at(MINUTE)}")


def test_a_deduplication_id_goes_on(bench: Bench) -> None:
    upsert(bench, every(60))
    bench.client.hset(bench.of(job_at(0)), "opts", '{"de":{"id":"d"},"repeat":{"every":60000,"count":1}}')
    step(bench)
    assert bench.hash(job_at(MINUTE))["deid"] == "d"


# ---- times that were missed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "late", "verdict", "next_due"),
    [
        # 20 s after a whole minute they were made, and every minute keeps to that.
        (every(60), 59_999, None, 60_000),
        (every(60), 60_000, None, 60_000),
        (every(60), 60_001, None, 120_000),
        (every(60), 185_000, None, 240_000),
        (every(60, missed="skip"), 59_999, None, 60_000),
        (every(60, missed="skip"), 60_000, "missed", 60_000),
        (every(60, missed="skip"), 185_000, "missed", 240_000),
        (every(60, missed="all"), 59_999, None, 60_000),
        (every(60, missed="all"), 185_000, None, 60_000),
        (cron("20 * * * * *", immediately=True), 59_999, None, 60_000),
        (cron("20 * * * * *", immediately=True), 60_000, None, 120_000),
        (cron("20 * * * * *", immediately=True), 185_000, None, 240_000),
        (cron("20 * * * * *", immediately=True, missed="skip"), 59_999, None, 60_000),
        (cron("20 * * * * *", immediately=True, missed="skip"), 185_000, "missed", 240_000),
        (cron("20 * * * * *", immediately=True, missed="all"), 185_000, None, 60_000),
    ],
)
def test_a_job_that_is_taken_late(
    bench: Bench, schedule: Schedule, late: int, verdict: str | None, next_due: int
) -> None:
    upsert(bench, schedule)
    assert step(bench, NOW + late) == Verdict(job_at(next_due), verdict)  # type: ignore[arg-type] # a word of the list
    assert due(bench) == next_due


def test_each_time_that_was_missed_gets_its_run_in_turn(bench: Bench) -> None:
    upsert(bench, every(60, missed="all"))
    late = NOW + 3 * MINUTE + 1
    for after in range(0, 4 * MINUTE, MINUTE):
        taken = take_current(bench, late)
        assert taken.id == job_at(after)
        assert advance(bench, taken, late).skipped is None
        complete(bench, taken.id, late)
    assert not bench.in_line("wait")
    assert due(bench) == 4 * MINUTE


def test_an_offset_of_another_interval_does_not_stop_a_scheduler(bench: Bench) -> None:
    """BullMQ keeps the offset of the interval before, and then waits for as long after a time that was missed."""
    upsert(bench, every("1d", offset="20h"))
    upsert(bench, every(60))
    assert record_of(bench)["offset"] == "72000000"
    bench.client.hset(bench.of("repeat:s"), "offset", 72_000_000 + 20_000)
    step(bench, NOW + MINUTE + 1)
    assert due(bench) == 2 * MINUTE


def test_what_was_said_of_a_job_holds_until_it_has_ended(bench: Bench) -> None:
    upsert(bench, every(60, missed="skip"))
    late = NOW + 185_000
    taken = take_current(bench, late)
    assert advance(bench, taken, late).skipped == "missed"
    before = bench.dump()
    assert advance(bench, taken, late) == Verdict(skipped="missed")
    assert bench.dump() == before
    complete(bench, taken.id, late)
    assert advance(bench, taken, late) == Verdict()


# ---- overlaps ------------------------------------------------------------------------------------------------------


def test_a_job_does_not_run_beside_an_earlier_one(bench: Bench) -> None:
    upsert(bench, every(60, overlap="skip"))
    first = take_current(bench)
    assert advance(bench, first) == Verdict(job_at(MINUTE))
    second = take_current(bench, NOW + MINUTE)
    assert advance(bench, second, NOW + MINUTE) == Verdict(job_at(2 * MINUTE), "overlap")
    complete(bench, second.id, NOW + MINUTE)
    complete(bench, first.id, NOW + MINUTE)
    assert step(bench, NOW + 2 * MINUTE) == Verdict(job_at(3 * MINUTE))


def test_a_job_that_waits_for_its_next_attempt_has_not_ended(bench: Bench) -> None:
    upsert(bench, every(60, overlap="skip"), attempts=2)
    first = take_current(bench)
    advance(bench, first)
    retry = structs.replace(bench.fail(first.id, attempts=2), kind="delay", delay_ms=10 * MINUTE)
    assert bench.codes(retry) == [0]
    assert step(bench, NOW + MINUTE).skipped == "overlap"


def test_an_earlier_job_that_failed_or_is_gone_keeps_nobody_back(bench: Bench) -> None:
    upsert(bench, every(60, overlap="skip"))
    first = take_current(bench)
    advance(bench, first)
    assert bench.codes(bench.fail(first.id)) == [0]
    second = take_current(bench, NOW + MINUTE)
    assert advance(bench, second, NOW + MINUTE).skipped is None
    bench.client.delete(bench.of(second.id))
    assert step(bench, NOW + 2 * MINUTE).skipped is None


def test_jobs_may_overlap_unless_said_otherwise(bench: Bench) -> None:
    upsert(bench, every(60))
    step(bench)
    assert step(bench, NOW + MINUTE).skipped is None
    assert "ran" not in record_of(bench)


# ---- the end -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "next_id"), [(1, job_at(MINUTE)), (2, None)])
def test_a_limit_ends_the_line(bench: Bench, count: int, next_id: str | None) -> None:
    upsert(bench, every(60, limit=2))
    opts = opts_of(bench, job_at(0))
    opts["repeat"]["count"] = count
    bench.client.hset(bench.of(job_at(0)), "opts", json.dumps(opts))
    before = record_of(bench)
    assert step(bench) == Verdict(next_id)
    if next_id is None:
        assert (due(bench), record_of(bench)) == (0, before)


@pytest.mark.parametrize(
    ("schedule", "next_id"),
    [
        (every(60, end=at(MINUTE)), job_at(MINUTE)),
        (every(60, end=at(MINUTE - 1)), None),
        (cron("20 * * * * *", immediately=True, end=at(MINUTE)), job_at(MINUTE)),
        (cron("20 * * * * *", immediately=True, end=at(MINUTE - 1)), None),
    ],
)
def test_no_job_is_due_after_the_end(bench: Bench, schedule: Schedule, next_id: str | None) -> None:
    upsert(bench, schedule)
    assert step(bench) == Verdict(next_id)


# ---- jobs that are not the current one -------------------------------------------------------------------------------


def test_advancing_twice_makes_one_job(bench: Bench) -> None:
    upsert(bench, every(60))
    taken = take_current(bench)
    advance(bench, taken)
    before = bench.dump()
    assert advance(bench, taken, NOW + 5) == Verdict()
    assert bench.dump() == before


def test_the_job_of_a_removed_scheduler_runs_and_has_no_successor(bench: Bench) -> None:
    upsert(bench, every(60))
    taken = take_current(bench)
    bench.run(schedulers.remove(bench.keys, "s"))
    before = bench.dump()
    assert advance(bench, taken) == Verdict()
    assert bench.dump() == before


def test_a_job_that_was_superseded_runs_and_has_no_successor(bench: Bench) -> None:
    upsert(bench, every(60))
    taken = take_current(bench)
    upsert(bench, every(30))
    before = bench.dump()
    assert advance(bench, taken) == Verdict()
    assert bench.dump() == before


# ---- times that are taken --------------------------------------------------------------------------------------------


def keep_finished(bench: Bench, *afters: int) -> None:
    """Leave finished jobs of an earlier scheduler of the same id."""
    for after in afters:
        bench.client.hset(bench.of(job_at(after)), mapping=plain_hash(finishedOn=NOW))


@pytest.mark.parametrize("schedule", [every(60), cron("20 * * * * *", immediately=True)])
def test_a_time_that_is_taken_is_passed_over(bench: Bench, schedule: Schedule) -> None:
    upsert(bench, schedule)
    keep_finished(bench, MINUTE, 2 * MINUTE)
    assert step(bench) == Verdict(job_at(3 * MINUTE))


@pytest.mark.parametrize("schedule", [every(60), cron("20 * * * * *", immediately=True)])
def test_where_all_times_are_taken_that_is_told_as_bullmq_does(bench: Bench, schedule: Schedule) -> None:
    upsert(bench, schedule)
    keep_finished(bench, *range(MINUTE, 34 * MINUTE, MINUTE))
    assert step(bench) == Verdict()
    assert bench.events()[-1] == f"duplicated jobId={job_at(MINUTE)}"
    assert due(bench) == 0


# ---- what others have written --------------------------------------------------------------------------------------


def foreign(bench: Bench, scheduler: str, opts: dict[str, Any], **record: Any) -> JobRecord:
    """Write a scheduler's entry and its ready job as an older BullMQ does; take the job."""
    job_id = f"repeat:{scheduler}:{NOW}"
    bench.client.zadd(bench.of("repeat"), {scheduler: NOW})
    if record:
        bench.client.hset(bench.of(f"repeat:{scheduler}"), mapping=record)
    bench.client.hset(bench.of(job_id), mapping=plain_hash(opts=json.dumps(opts), rjk=scheduler))
    bench.client.lpush(bench.of("wait"), job_id)
    return take_current(bench)


def test_an_entry_of_the_current_older_form_goes_on(bench: Bench) -> None:
    """Its record has no count, and the interval may stand among the job's options alone."""
    taken = foreign(bench, "0f3c", {"repeat": {"every": MINUTE, "count": 7}}, name="old")
    assert advance(bench, taken) == Verdict(f"repeat:0f3c:{NOW + MINUTE}")
    assert record_of(bench, "0f3c") == {"name": "old", "ic": "1"}
    assert opts_of(bench, f"repeat:0f3c:{NOW + MINUTE}")["repeat"] == {"every": MINUTE, "count": 8}


@pytest.mark.parametrize("legacy", ["job::::* * * * *", "job:id:1700000000000:UTC:60000", "a::::5"])
def test_an_entry_of_the_oldest_form_runs_and_has_no_successor(bench: Bench, legacy: str) -> None:
    taken = foreign(bench, legacy, {"repeat": {"every": MINUTE}})
    before = bench.dump()
    verdict = advance(bench, taken)
    assert verdict.skipped is None
    assert verdict.complaint.startswith(
        "Failed to add repeatable job for next iteration: Legacy repeatable job metadata"
    )
    assert legacy in verdict.complaint
    assert bench.dump() == before


@pytest.mark.parametrize("scheduler", ["a:b:c:d:e", "a::::", "a:b:x:d:5", "::", "a::::b"])
def test_an_id_of_many_parts_need_not_be_an_old_one(bench: Bench, scheduler: str) -> None:
    taken = foreign(bench, scheduler, {"repeat": {"every": MINUTE}}, name="new")
    assert advance(bench, taken).next_id == f"repeat:{scheduler}:{NOW + MINUTE}"


def test_an_entry_that_looks_old_and_counts_is_a_scheduler(bench: Bench) -> None:
    taken = foreign(bench, "a::::5", {"repeat": {"every": MINUTE}}, name="new", ic=1)
    assert advance(bench, taken).next_id == f"repeat:a::::5:{NOW + MINUTE}"


@pytest.mark.parametrize("opts", [{}, {"repeat": "x"}, {"repeat": {"count": "?"}}, {"repeat": {"pattern": 5}}])
def test_a_job_that_does_not_say_when_runs_and_has_no_successor(bench: Bench, opts: dict[str, Any]) -> None:
    taken = foreign(bench, "odd", opts, name="odd")
    before = bench.dump()
    assert advance(bench, taken) == Verdict()
    assert bench.dump() == before


@pytest.mark.parametrize("repeat", [{"pattern": "H * * * *"}, {"pattern": "* * * * *", "tz": "Mars/Olympus"}])
def test_what_cannot_be_read_here_is_refused_before_anything_is_sent(bench: Bench, repeat: dict[str, Any]) -> None:
    taken = foreign(bench, "theirs", {"repeat": repeat}, name="theirs")
    with pytest.raises(ConfigurationError):
        iterations.advance(bench.keys, taken, NOW)


def test_the_payload_of_an_older_kind_of_entry_goes_on(bench: Bench) -> None:
    taken = foreign(bench, "a", {"repeat": {"every": MINUTE}}, name="new")
    bench.client.hset(bench.of(taken.id), "data", '{"n":1}')
    following = advance(bench, taken).next_id
    assert bench.client.hget(bench.of(f"{following}"), "data") == '{"n":1}'
    assert record_of(bench, "a")["data"] == '{"n":1}'
