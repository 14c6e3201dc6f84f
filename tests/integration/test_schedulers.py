"""Job schedulers: making, reading and removing them with both kinds of queue, and working their jobs."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from oxmq import (
    ConfigurationError,
    Job,
    JobOptions,
    JobStateError,
    ManualClock,
    OxmqError,
    Parent,
    Queue,
    Schedule,
    SchedulerJobError,
    SchedulerNotFoundError,
    SchedulerSlotError,
    UnavailableError,
    cron,
    every,
)
from oxmq.ops import schedulers
from tests.integration.bed import Bed, at_once
from tests.integration.twin import Twin
from tests.support.waiting import eventually

NOW_MS = 1_700_000_000_000
NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)


def still(twin: Twin, **options: Any) -> Any:
    """Return a queue whose clock stands still."""
    return twin.queue(clock=ManualClock(NOW_MS), **options)


# ---- making one ----------------------------------------------------------------------------------------------------


async def test_a_scheduler_makes_its_first_job(twin: Twin) -> None:
    queue = still(twin)
    job = await queue.upsert_job_scheduler("nightly", cron("0 3 * * *"), "report", {"month": 7}, attempts=3)
    assert (job.id, job.name, job.data) == (f"repeat:nightly:{NOW_MS + 17_200_000}", "report", {"month": 7})
    assert (job.options.attempts, job.delay, await job.get_state()) == (3, 17_200.0, "delayed")
    stored = await queue.get_job(job.id)
    assert stored.record == job.record


async def test_a_scheduler_is_read(twin: Twin) -> None:
    queue = still(twin)
    schedule = cron("0 3 * * *", tz="Europe/Berlin", limit=5, end=NOW + timedelta(days=9), missed="skip")
    await queue.upsert_job_scheduler("nightly", schedule, "report", {"month": 7}, attempts=3, timeout=5)
    found = await queue.get_job_scheduler("nightly")
    assert (found.id, found.name, found.schedule, found.data) == ("nightly", "report", schedule, {"month": 7})
    assert found.options == JobOptions(attempts=3, timeout=5.0)
    assert found.next == datetime(2023, 11, 15, 2, tzinfo=UTC)
    assert (found.iteration_count, found.declared, found.legacy) == (1, False, False)
    assert await queue.get_job_scheduler("other") is None


async def test_schedulers_are_listed_by_the_time_of_their_next_job(twin: Twin) -> None:
    queue = still(twin)
    for number in range(5):
        await queue.upsert_job_scheduler(f"s{number}", every(60, start=NOW + timedelta(seconds=number)))
    assert [found.id for found in await queue.get_job_schedulers()] == ["s4", "s3", "s2", "s1", "s0"]
    assert [found.id for found in await queue.get_job_schedulers(1, 2, asc=True)] == ["s1", "s2"]
    assert await queue.get_job_schedulers(5) == []
    assert await queue.get_job_schedulers_count() == 5
    with pytest.raises(ConfigurationError, match="start"):
        await queue.get_job_schedulers(-1)


async def test_more_schedulers_than_one_call_reads(bed: Bed, redis_client: Any) -> None:
    queue = bed.queue()
    redis_client.zadd(f"{queue.qualified_name}:repeat", {f"s{number:03}": number for number in range(600)})
    assert [found.id for found in await queue.get_job_schedulers(asc=True)] == [
        f"s{number:03}" for number in range(600)
    ]
    assert [found.id for found in await queue.get_job_schedulers(240, 260, asc=True)][-1] == "s260"


async def test_a_scheduler_is_changed(twin: Twin) -> None:
    queue = still(twin)
    await queue.upsert_job_scheduler("s", every(60), "old", 1, priority=3)
    job = await queue.upsert_job_scheduler("s", cron("* * * * *"), "new", 2)
    assert [found.id for found in await queue.get_jobs()] == [job.id]
    assert (await queue.get_job_scheduler("s")).schedule == cron("* * * * *")


async def test_a_scheduler_is_removed_with_its_delayed_job(twin: Twin) -> None:
    queue = still(twin)
    job = await queue.upsert_job_scheduler("s", cron("* * * * *"))
    with pytest.raises(SchedulerJobError):
        await job.remove()
    assert await queue.remove_job_scheduler("s") is True
    assert await queue.remove_job_scheduler("s") is False
    assert await queue.get_job(job.id) is None


async def test_the_queue_s_defaults_are_under_the_options(twin: Twin) -> None:
    defaults = JobOptions(attempts=4, priority=2, delay=60, timeout=9)
    queue = still(twin, default_job_options=defaults)
    job = await queue.upsert_job_scheduler("s", every(60), priority=1)
    assert (job.options.attempts, job.priority, job.delay, job.options.timeout) == (4, 1, 0.0, 9.0)


async def test_a_schedule_that_leaves_no_time_makes_nothing(twin: Twin) -> None:
    queue = still(twin)
    assert await queue.upsert_job_scheduler("s", every(60, limit=0)) is None
    assert await queue.upsert_job_scheduler("s", cron("0 3 * * *", end=NOW + timedelta(hours=1))) is None
    assert await queue.get_job_schedulers_count() == 0


async def test_times_that_are_taken_are_told(twin: Twin) -> None:
    queue = still(twin)
    await queue.upsert_job_scheduler("s", cron("* * * * *", immediately=True))
    await queue.remove_job_scheduler("s")
    with pytest.raises(SchedulerSlotError) as caught:
        await queue.upsert_job_scheduler("s", cron("* * * * *", immediately=True))
    assert (caught.value.code, caught.value.job_id) == (-10, "s")


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("", every(1)), {}, "scheduler id"),
        (("a:b", every(1)), {}, "scheduler id"),
        (("a\n", every(1)), {}, "scheduler id"),
        (("x" * 201, every(1)), {}, "scheduler id"),
        ((5, every(1)), {}, "scheduler id"),
        (("s", 60), {}, "schedule"),
        (("s", Schedule()), {}, "schedule"),
        (("s", Schedule(every_ms=1, pattern="* * * * *")), {}, "schedule"),
        (("s", every(1, end=NOW - timedelta(seconds=1))), {}, "end"),
        (("s", every(1), ""), {}, "job name"),
        (("s", every(1), "job", float("nan")), {}, "data"),
        (("s", every(1), "job", "x" * 9), {"size_limit": 9}, "data"),
        (("s", every(1)), {"job_id": "mine"}, "job_id"),
        (("s", every(1)), {"delay": 5}, "delay"),
        (("s", every(1)), {"timestamp": NOW}, "timestamp"),
        (("s", every(1)), {"deduplication": "d"}, "deduplication"),
        (("s", every(1)), {"parent": Parent("1", "bull:q")}, "parent"),
        (("s", every(1)), {"atempts": 5}, "attempts"),
    ],
)
async def test_bad_input_is_refused_by_name(
    twin: Twin, redis_client: Any, arguments: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        await still(twin).upsert_job_scheduler(*arguments, **options)
    assert redis_client.keys("*") == []


# ---- declared by an app's code ---------------------------------------------------------------------------------------


async def test_a_declared_scheduler_is_left_alone_while_it_is_as_declared(twin: Twin, redis_client: Any) -> None:
    queue = still(twin)
    arguments = ("s", every("1h", offset="5m"), "job", {"a": [1]})
    assert await queue.declare_job_scheduler(*arguments, attempts=2) is True
    assert (await queue.get_job_scheduler("s")).declared
    before = redis_client.get(f"{queue.qualified_name}:id")
    assert await queue.declare_job_scheduler(*arguments, attempts=2) is False
    assert redis_client.get(f"{queue.qualified_name}:id") == before


@pytest.mark.parametrize(
    ("schedule", "name", "data", "options"),
    [
        (every("2h", offset="5m"), "job", 1, {"attempts": 2}),
        (every("1h", offset="6m"), "job", 1, {"attempts": 2}),
        (every("1h", offset="5m", missed="all"), "job", 1, {"attempts": 2}),
        (every("1h", offset="5m"), "other", 1, {"attempts": 2}),
        (every("1h", offset="5m"), "job", 2, {"attempts": 2}),
        (every("1h", offset="5m"), "job", 1, {"attempts": 3}),
        (every("1h", offset="5m"), "job", 1, {}),
    ],
)
async def test_a_declared_scheduler_follows_every_change(
    twin: Twin, schedule: Schedule, name: str, data: object, options: dict[str, Any]
) -> None:
    queue = still(twin)
    await queue.declare_job_scheduler("s", every("1h", offset="5m"), "job", 1, attempts=2)
    assert await queue.declare_job_scheduler("s", schedule, name, data, **options) is True
    assert await queue.declare_job_scheduler("s", schedule, name, data, **options) is False


async def test_a_scheduler_made_by_hand_can_become_declared(twin: Twin) -> None:
    queue = still(twin)
    await queue.upsert_job_scheduler("s", every(60))
    assert await queue.declare_job_scheduler("s", every(60)) is True
    await queue.upsert_job_scheduler("s", every(60))
    assert not (await queue.get_job_scheduler("s")).declared


# ---- working its jobs ------------------------------------------------------------------------------------------------


async def completed(queue: Queue, count: int) -> None:
    """Wait until so many jobs have completed."""

    async def reached() -> bool:
        return (await queue.get_job_counts("completed"))["completed"] >= count

    await eventually(reached, 10, f"fewer than {count} jobs completed")


async def pending(queue: Queue) -> list[Job[Any]]:
    """Return the jobs that are yet to run."""
    return await queue.get_jobs(["waiting", "prioritized", "delayed"])


async def test_a_worker_makes_the_next_job_when_it_takes_one(bed: Bed) -> None:
    queue, ran = bed.queue(), list[str]()
    worker = bed.working(at_once(ran), remove_on_complete=None)
    assert worker.queue_name == queue.name
    await queue.upsert_job_scheduler("s", every(0.05, limit=4), data={"n": 1})
    await completed(queue, 4)
    jobs = await queue.get_completed()
    assert [job.data for job in jobs] == [{"n": 1}] * 4
    assert len({job.id for job in jobs}) == 4
    assert await pending(queue) == []


async def test_many_workers_make_one_next_job_at_a_time(bed: Bed) -> None:
    queue, ran = bed.queue(), Counter[str]()

    async def note(job: Job[Any]) -> None:
        ran[job.id] += 1

    for _ in range(4):
        bed.working(note, concurrency=5, remove_on_complete=None)
    await queue.upsert_job_scheduler("s", every(0.02))
    for _ in range(20):
        assert len([job for job in await pending(queue) if job.id.startswith("repeat:s:")]) <= 1
        await completed(queue, len(ran) + 1)
    await queue.remove_job_scheduler("s")
    assert set(ran.values()) == {1}
    found = await queue.get_completed()
    assert len(found) == len({job.id for job in found})


async def test_a_time_that_was_missed_is_not_run_if_so_asked(bed: Bed) -> None:
    clock, ran = ManualClock(NOW_MS), list[Any]()
    queue = bed.queue(clock=clock)
    job = await queue.upsert_job_scheduler("s", every(60, missed="skip"))
    assert job is not None
    clock.advance(200)
    bed.working(at_once(ran), clock=clock, remove_on_complete=None)
    await completed(queue, 1)
    assert ran == []
    assert [left.id for left in await pending(queue)] == [f"repeat:s:{NOW_MS + 240_000}"]


async def test_all_times_that_were_missed_are_run_if_so_asked(bed: Bed) -> None:
    clock, ran = ManualClock(NOW_MS), list[Job[Any]]()
    queue = bed.queue(clock=clock)
    await queue.upsert_job_scheduler("s", every(60, missed="all"))
    clock.advance(200)
    bed.working(at_once(ran), clock=clock, remove_on_complete=None)
    await completed(queue, 4)
    assert [job.id for job in ran] == [f"repeat:s:{NOW_MS + ms}" for ms in range(0, 240_000, 60_000)]
    assert [left.id for left in await pending(queue)] == [f"repeat:s:{NOW_MS + 240_000}"]


async def test_a_schedule_that_cannot_be_read_is_reported_and_its_job_is_kept(bed: Bed, redis_client: Any) -> None:
    queue, errors, ran = bed.queue(clock=ManualClock(NOW_MS)), list[OxmqError](), list[Any]()
    job = await queue.upsert_job_scheduler("s", every(60))
    assert job is not None
    opts = '{"repeat":{"pattern":"H * * * *","count":1},"repeatJobKey":"s"}'
    redis_client.hset(f"{queue.qualified_name}:{job.id}", "opts", opts)
    worker = bed.worker(at_once(ran), clock=ManualClock(NOW_MS))
    worker.on("error", at_once(errors))
    worker.start()

    async def reported() -> bool:
        return bool(errors)

    await eventually(reported, 5, "nothing was reported")
    assert str(errors[0]).startswith("Failed to add repeatable job for next iteration: pattern 'H * * * *'")
    assert ran == []
    await worker.close()
    assert await job.get_state() in ("waiting", "delayed")


# ---- pausing one, and running it by hand ---------------------------------------------------------------------------


async def test_a_scheduler_is_paused_and_resumed(twin: Twin) -> None:
    queue = still(twin)
    job = await queue.upsert_job_scheduler("nightly", cron("0 3 * * *"), "report", {"month": 7}, attempts=3)
    assert await queue.pause_job_scheduler("nightly") is True
    assert await queue.pause_job_scheduler("nightly") is False
    found = await queue.get_job_scheduler("nightly")
    assert (found.paused, found.next, found.legacy) == (True, NOW + timedelta(milliseconds=17_200_000), False)
    assert await queue.get_job(job.id) is None
    assert await queue.upsert_job_scheduler("nightly", cron("0 3 * * *"), "report", {"month": 8}) is None
    assert await queue.resume_job_scheduler("nightly") is True
    assert await queue.resume_job_scheduler("nightly") is False
    resumed = await queue.get_job(job.id)
    assert (resumed.data, resumed.delay, await resumed.get_state()) == ({"month": 8}, 17_200.0, "delayed")
    assert not (await queue.get_job_scheduler("nightly")).paused


async def test_a_job_is_run_by_hand(twin: Twin) -> None:
    queue = still(twin)
    await queue.upsert_job_scheduler("nightly", cron("0 3 * * *"), "report", {"month": 7}, attempts=3, priority=2)
    await queue.pause_job_scheduler("nightly")
    job = await queue.trigger_job_scheduler("nightly")
    stored = await queue.get_job(job.id)
    assert stored.record == job.record
    assert (job.name, job.data, job.options.attempts, job.priority) == ("report", {"month": 7}, 3, 2)
    assert (job.record.scheduler_id, await job.get_state()) == (None, "prioritized")
    assert (await queue.get_job_scheduler("nightly")).paused
    other = await queue.trigger_job_scheduler("nightly")
    assert other.id != job.id


async def test_what_is_no_scheduler_is_refused(twin: Twin) -> None:
    queue = still(twin)
    for do in (queue.pause_job_scheduler, queue.resume_job_scheduler, queue.trigger_job_scheduler):
        with pytest.raises(SchedulerNotFoundError, match="Missing key for job scheduler none"):
            await do("none")
    assert await queue.get_job_scheduler_runs("none") == []
    for limit in (0, -1, 1.5):
        with pytest.raises(ConfigurationError, match="limit must be"):
            await queue.get_job_scheduler_runs("none", limit)


async def test_a_legacy_one_is_not_run_by_hand(twin: Twin, redis_client: Any) -> None:
    queue = still(twin)
    redis_client.zadd(f"{queue.qualified_name}:repeat", {"old": NOW_MS})
    with pytest.raises(JobStateError, match="legacy"):
        await queue.trigger_job_scheduler("old")
    assert await queue.count() == 0


async def test_a_scheduler_that_is_changed_all_the_time_stays_paused(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = bed.queue(clock=ManualClock(NOW_MS))
    await queue.upsert_job_scheduler("s", every(60), "echo")
    await queue.pause_job_scheduler("s")
    read = schedulers.get_record

    def read_another(keys: Any, scheduler_id: str) -> Any:
        def decode(_: object) -> schedulers.Stored:
            return schedulers.Stored(0, {"name": "old"})

        return structs.replace(read(keys, scheduler_id), decode=decode)

    monkeypatch.setattr(schedulers, "get_record", read_another)
    with pytest.raises(UnavailableError, match="being changed all the time"):
        await queue.resume_job_scheduler("s")
    assert await queue.get_delayed() == []


async def test_the_runs_of_a_scheduler_are_found(bed: Bed) -> None:
    async def process(_: Job[Any]) -> None: ...

    queue = bed.queue()
    bed.working(process)
    await queue.upsert_job_scheduler("s", every(0.02), "echo")

    async def have_run() -> bool:
        return len(await queue.get_job_scheduler_runs("s")) >= 3

    await eventually(have_run)
    assert await queue.pause_job_scheduler("s")
    found = await queue.get_job_scheduler_runs("s", 2)
    assert len(found) == 2
    assert found[0].started is not None
    assert found[1].started is not None
    assert found[0].started >= found[1].started
