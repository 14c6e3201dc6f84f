"""The script that makes or changes a scheduler, with the next job in place of the one that waits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from oxmq import Schedule, SchedulerSlotError, cron, every
from tests.scripts.bench import NOW, PRIORITY, STEP, Bench
from tests.scripts.schedulers import due, job_at, jobs_of, opts_of, record_of, step, take_current, upsert

#: The tests take place at 20 s after a whole minute.
PHASE = 20_000


def at(ms: int) -> datetime:
    """Return a moment so many milliseconds after the tests' now."""
    return datetime.fromtimestamp((NOW + ms) / 1000, UTC)


def finish_current(bench: Bench, now: int = NOW) -> None:
    """Take the job that is ready and complete it, without making one that follows."""
    job = take_current(bench, now)
    assert bench.codes(bench.complete(job.id), now=now) == [0]


# ---- a new scheduler -----------------------------------------------------------------------------------------------


def test_an_interval_begins_at_once(bench: Bench) -> None:
    job = upsert(bench, every(60), data={"empty": []}, attempts=3, priority=0)
    assert job is not None
    assert (job.id, job.delay, job.name, job.data) == (job_at(0), 0, "job", b'{"empty":[]}')
    assert bench.in_line("wait") == [job.id]
    assert bench.hash(job.id) == {
        "name": "job",
        "data": '{"empty":[]}',
        "opts": job.opts.decode(),
        "timestamp": str(NOW),
        "delay": "0",
        "priority": "0",
        "rjk": "s",
    }
    assert opts_of(bench, job.id) == {
        "attempts": 3,
        "priority": 0,
        "repeatJobKey": "s",
        "repeat": {"every": 60_000, "count": 1},
        "timestamp": NOW,
        "delay": 0,
        "jobId": job.id,
    }
    assert record_of(bench) == {
        "name": "job",
        "data": '{"empty":[]}',
        "opts": '{"attempts":3,"priority":0}',
        "every": "60000",
        "offset": str(PHASE),
        "ic": "1",
    }
    assert due(bench) == 0
    assert bench.client.get("bull:q:id") == "1"
    assert bench.marker() == {"0": 0}
    assert bench.events() == [f"added jobId={job.id} name=job", f"waiting jobId={job.id}"]


def test_a_pattern_waits_for_its_first_time(bench: Bench) -> None:
    job = upsert(bench, cron("* * * * *"), priority=2)
    assert job is not None
    assert (job.id, job.delay) == (job_at(40_000), 40_000)
    assert bench.scores("delayed") == {job.id: (NOW + 40_000) * STEP}
    assert opts_of(bench, job.id) == {
        "priority": 2,
        "repeatJobKey": "s",
        "repeat": {"pattern": "* * * * *", "tz": "UTC", "count": 1},
        "timestamp": NOW,
        "delay": 40_000,
        "jobId": job.id,
        "prevMillis": NOW + 40_000,
    }
    assert record_of(bench) == {
        "name": "job",
        "opts": '{"priority":2}',
        "pattern": "* * * * *",
        "tz": "UTC",
        "offset": "0",
        "ic": "1",
    }
    assert bench.marker() == {"1": NOW + 40_000}


@pytest.mark.parametrize(
    ("schedule", "first"),
    [
        (every(60, offset=0), 0),
        (every(60, offset=30), 10_000),
        (every(60, offset=20), 60_000),
        (every(60, offset=5), 45_000),
        (every(60, start=at(7_000)), 7_000),
        (every(60, start=at(-7_000)), 0),
        (every(60, start=at(7_000), offset=5), 7_000),
        (cron("* * * * *", immediately=True), 0),
        (cron("* * * * *", start=at(40_000)), 100_000),
        (cron("* * * * *", end=at(40_000)), 40_000),
    ],
)
def test_the_first_job(bench: Bench, schedule: Schedule, first: int) -> None:
    upsert(bench, schedule)
    assert due(bench) == first
    assert jobs_of(bench) == {job_at(first)}


@pytest.mark.parametrize("schedule", [every(60, start=at(20), end=at(10_000)), every(60, offset=30, end=at(10_000))])
def test_a_first_job_may_be_due_just_at_the_end(bench: Bench, schedule: Schedule) -> None:
    assert upsert(bench, schedule)


@pytest.mark.parametrize("schedule", [every(60, offset=30, end=at(9_999)), cron("* * * * *", end=at(39_999))])
def test_a_schedule_without_any_time_changes_nothing(bench: Bench, schedule: Schedule) -> None:
    upsert(bench, every(5))
    before = bench.dump()
    assert upsert(bench, schedule, scheduler="other") is None
    assert bench.dump() == before


def test_what_is_ours_alone_is_in_the_record(bench: Bench) -> None:
    upsert(bench, every(60, missed="all", overlap="skip"), declared=True)
    record = record_of(bench)
    assert (record["missed"], record["overlap"], record["declared"]) == ("all", "skip", "1")


@pytest.mark.parametrize("options", [{"priority": 3}, {"lifo": True}])
def test_the_job_is_put_where_its_options_say(bench: Bench, options: dict[str, Any]) -> None:
    bench.add("x")
    upsert(bench, every(60), **options)
    if "priority" in options:
        assert bench.scores("prioritized") == {job_at(0): 3 * PRIORITY + 1}
    else:
        assert bench.in_line("wait") == [job_at(0), "x"]


def test_an_id_may_need_quoting(bench: Bench) -> None:
    job = upsert(bench, every(60), scheduler='say "ä"\\')
    assert job is not None
    assert opts_of(bench, job.id)["jobId"] == job.id == f'repeat:say "ä"\\:{NOW}'


# ---- changing one ------------------------------------------------------------------------------------------------


def test_the_same_interval_keeps_its_time_and_replaces_the_job(bench: Bench) -> None:
    upsert(bench, every(60), data=1)
    upsert(bench, every(60), data=2, now=NOW + 1_000)
    assert due(bench) == 0
    assert bench.in_line("wait") == [job_at(0)]
    assert bench.hash(job_at(0))["data"] == "2"
    assert (record_of(bench)["data"], record_of(bench)["ic"]) == ("2", "1")


def test_another_interval_begins_anew_and_keeps_the_offset(bench: Bench) -> None:
    upsert(bench, every(60))
    upsert(bench, every(30), now=NOW + 2_000)
    assert jobs_of(bench) == {job_at(2_000)}
    assert (record_of(bench)["every"], record_of(bench)["offset"]) == ("30000", str(PHASE))


def test_an_interval_becomes_a_pattern(bench: Bench) -> None:
    upsert(bench, every(60))
    upsert(bench, cron("* * * * *"))
    assert jobs_of(bench) == {job_at(40_000)}
    assert "every" not in record_of(bench)
    assert not bench.in_line("wait")


@pytest.mark.parametrize("options", [{}, {"priority": 1}, {"lifo": True}])
def test_a_job_is_replaced_wherever_it_waits(bench: Bench, options: dict[str, Any]) -> None:
    upsert(bench, every(60), **options)
    upsert(bench, every(60), data="new", now=NOW + 5)
    assert jobs_of(bench) == {job_at(0)}
    assert bench.in_line("wait") == [job_at(0)]
    assert not bench.scores("prioritized")


def test_a_delayed_job_is_replaced(bench: Bench) -> None:
    upsert(bench, cron("* * * * *"))
    upsert(bench, cron("*/5 * * * *"))
    assert jobs_of(bench) == set(bench.scores("delayed")) == {job_at(100_000)}


def test_an_offset_that_is_given_is_kept(bench: Bench) -> None:
    upsert(bench, every(60))
    upsert(bench, every(60, offset=7))
    assert (record_of(bench)["offset"], due(bench)) == ("7000", 0)


def test_a_running_job_goes_on_and_the_next_time_is_taken(bench: Bench) -> None:
    upsert(bench, every(60))
    running = take_current(bench)
    upsert(bench, every(60), data="new", now=NOW + 1_000)
    assert bench.in_line("active") == [running.id]
    assert jobs_of(bench) == {running.id, job_at(60_000)}
    assert (due(bench), record_of(bench)["ic"]) == (60_000, "1")


def test_a_running_job_s_lost_times_are_not_made_up(bench: Bench) -> None:
    upsert(bench, every(60))
    take_current(bench)
    upsert(bench, every(60, offset=20), now=NOW + 130_000)
    assert due(bench) == 180_000


def test_a_stalled_job_is_found_without_its_lock(bench: Bench) -> None:
    upsert(bench, every(60))
    running = take_current(bench)
    bench.client.delete(bench.of(f"{running.id}:lock"))
    upsert(bench, every(60), now=NOW + 1_000)
    assert jobs_of(bench) == {running.id, job_at(60_000)}


def test_the_counts_and_the_last_run_outlive_a_change(bench: Bench) -> None:
    upsert(bench, every(60, overlap="skip"))
    step(bench)
    upsert(bench, every(60, overlap="skip"), now=NOW + 1_000)
    assert (record_of(bench)["ic"], record_of(bench)["ran"]) == ("2", job_at(0))


def test_what_the_change_does_not_say_is_gone(bench: Bench) -> None:
    upsert(bench, every(60, limit=5, missed="all"), data=1, attempts=2, declared=True)
    upsert(bench, every(60))
    assert set(record_of(bench)) == {"name", "every", "offset", "ic"}


def test_a_job_that_waits_in_a_paused_queue_stays_as_with_bullmq(bench: Bench) -> None:
    upsert(bench, every(60), data=1)
    bench.client.hset("bull:q:meta", "paused", 1)
    upsert(bench, every(60), data=2)
    assert bench.in_line("wait") == [job_at(0)]
    assert jobs_of(bench) == {job_at(0), job_at(60_000)}


def test_a_job_that_an_older_peer_set_aside_is_replaced(bench: Bench) -> None:
    upsert(bench, every(60), data=1)
    bench.client.rename("bull:q:wait", "bull:q:paused")
    bench.client.hset("bull:q:meta", "paused", 1)
    upsert(bench, every(60), data=2)
    assert bench.in_line("paused") == []
    assert bench.in_line("wait") == [job_at(0)]


def test_repeating_an_upsert_changes_nothing_that_matters(bench: Bench) -> None:
    for schedule in (every(60), cron("* * * * *"), every(60, offset=5)):
        upsert(bench, schedule)
        before = bench.dump("id", "events", "marker")
        upsert(bench, schedule)
        assert bench.dump("id", "events", "marker") == before


# ---- times that are taken ----------------------------------------------------------------------------------------


def keep_finished(bench: Bench, *afters: int) -> None:
    """Leave finished jobs of an earlier scheduler of the same id."""
    for after in afters:
        bench.client.hset(bench.of(job_at(after)), mapping={"name": "job", "finishedOn": NOW})


def test_an_interval_takes_the_next_free_time(bench: Bench) -> None:
    keep_finished(bench, 0, 60_000)
    upsert(bench, every(60))
    assert due(bench) == 120_000
    assert record_of(bench)["offset"] == str(PHASE)


def test_an_interval_goes_32_steps_on(bench: Bench) -> None:
    keep_finished(bench, *range(0, 32 * 60_000, 60_000))
    upsert(bench, every(60))
    assert due(bench) == 32 * 60_000


def test_an_interval_of_which_all_times_are_taken_is_refused(bench: Bench) -> None:
    keep_finished(bench, *range(0, 33 * 60_000, 60_000))
    before = bench.dump()
    with pytest.raises(SchedulerSlotError, match="current and next time slots already have jobs") as caught:
        upsert(bench, every(60))
    assert (caught.value.code, caught.value.job_id) == (-11, "s")
    assert bench.dump() == before


def test_an_interval_goes_on_no_further_than_its_end(bench: Bench) -> None:
    keep_finished(bench, 0, 60_000)
    before = bench.dump()
    assert upsert(bench, every(60, end=at(119_999))) is None
    assert bench.dump() == before


def test_a_pattern_whose_time_is_taken_is_refused(bench: Bench) -> None:
    keep_finished(bench, 40_000)
    before = bench.dump()
    with pytest.raises(SchedulerSlotError, match="job ID already exists") as caught:
        upsert(bench, cron("* * * * *"))
    assert caught.value.code == -10
    assert bench.dump() == before


def test_a_pattern_whose_job_runs_is_refused_at_its_time(bench: Bench) -> None:
    upsert(bench, cron("* * * * *", immediately=True))
    take_current(bench)
    before = bench.dump()
    with pytest.raises(SchedulerSlotError):
        upsert(bench, cron("* * * * *", immediately=True))
    assert bench.dump() == before


def test_a_pattern_whose_jobs_ran_ahead_of_their_time_goes_on_after_them(bench: Bench) -> None:
    upsert(bench, cron("* * * * *"))
    for after in (40_000, 100_000):
        bench.client.zrem("bull:q:delayed", job_at(after))
        bench.client.lpush("bull:q:wait", job_at(after))
        step(bench)
    assert due(bench) == 160_000
    upsert(bench, cron("* * * * *"), data="new")
    assert due(bench) == 160_000
    assert jobs_of(bench) == {job_at(40_000), job_at(100_000), job_at(160_000)}


def test_a_pattern_all_of_whose_times_are_taken_is_refused(bench: Bench) -> None:
    upsert(bench, every(3_600))
    keep_finished(bench, *range(40_000, 40_000 + 8 * 60_000, 60_000))
    before = bench.dump()
    with pytest.raises(SchedulerSlotError):
        upsert(bench, cron("* * * * *"))
    assert bench.dump() == before


def test_a_finished_job_is_no_job_that_waits(bench: Bench) -> None:
    upsert(bench, every(60))
    finish_current(bench)
    upsert(bench, every(60), now=NOW + 1_000)
    assert jobs_of(bench) == {job_at(0), job_at(60_000)}
    assert bench.scores("completed")
