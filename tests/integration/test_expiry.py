"""Expiry: a job that was not started in time fails instead of being started."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oxmq import Deduplication, Job, JobFailedError, JobOptions, ManualClock, RateLimited
from tests.integration.bed import Bed, reaches
from tests.integration.family import family, leaf
from tests.support.waiting import eventually

REASON = "job expired: it was not started within 10 s"


class Handler:
    """Note which jobs are run."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def __call__(self, job: Job[Any]) -> str:
        self.ran.append(job.id)
        return "done"


@pytest.fixture
def clock() -> ManualClock:
    """Return the clock of the test's queues and workers."""
    return ManualClock()


@pytest.mark.parametrize("expires", [10, "10s", timedelta(seconds=10)])
async def test_a_job_that_waited_too_long_fails_without_a_run(bed: Bed, clock: ManualClock, expires: Any) -> None:
    queue, handler = bed.queue(clock=clock), Handler()
    late = await queue.add("late", expires=expires, attempts=5)
    clock.advance(0.001)
    just = await queue.add("just in time", expires=expires)
    clock.advance(10)
    bed.working(handler.__call__, clock=clock)
    assert await just.result(timeout=5) == "done"
    with pytest.raises(JobFailedError, match=REASON):
        await late.result(timeout=5)
    await late.refresh()
    assert (late.attempts_made, late.options.expires) == (1, 10)
    assert handler.ran == [just.id]


async def test_a_delayed_job_has_its_time_from_when_it_is_due(bed: Bed, clock: ManualClock) -> None:
    queue, handler = bed.queue(clock=clock), Handler()
    in_time = await queue.add("in time", delay=3600, expires=10)
    clock.advance(3610)
    late = await queue.add("late", delay=5, expires=10, timestamp=at(clock, -16))
    bed.working(handler.__call__, clock=clock)
    assert await in_time.result(timeout=5) == "done"
    await reaches(late, "failed")
    assert handler.ran == [in_time.id]


def at(clock: ManualClock, seconds: float) -> datetime:
    """Return the time of the clock, and so many seconds more."""
    return datetime.fromtimestamp(clock.now_ms() / 1000, UTC) + timedelta(seconds=seconds)


@pytest.mark.parametrize("by", ["promoting it", "changing its delay"])
async def test_a_job_that_is_made_due_at_another_time_has_its_time_from_then(
    bed: Bed, clock: ManualClock, by: str
) -> None:
    queue, handler = bed.queue(clock=clock), Handler()
    job = await queue.add("a", delay=10, expires=10)
    if by == "promoting it":
        await job.promote()
        clock.advance(9)
    else:
        await job.change_delay(3600)
        clock.advance(3605)
    bed.working(handler.__call__, clock=clock)
    assert await job.result(timeout=5) == "done"


async def test_a_job_that_another_puts_off_has_its_time_from_then(bed: Bed, clock: ManualClock) -> None:
    queue, handler = bed.queue(clock=clock), Handler()
    later = Deduplication("x", reschedule=True)
    job = await queue.add("a", delay=10, expires=10, deduplication=later)
    assert (await queue.add("b", delay=3600, deduplication=later)).id == job.id
    clock.advance(3605)
    bed.working(handler.__call__, clock=clock)
    assert await job.result(timeout=5) == "done"


async def test_a_parent_has_its_time_from_the_end_of_its_children(bed: Bed, clock: ManualClock) -> None:
    handler = Handler()
    node = await bed.producer(clock=clock).add(family(leaf("a"), expires=10))
    clock.advance(3600)
    bed.working(handler.__call__, clock=clock)
    assert await node.job.result(timeout=5) == "done"


async def test_a_job_that_was_started_once_does_not_expire(bed: Bed, clock: ManualClock) -> None:
    queue = bed.queue(clock=clock)

    async def process(job: Job[Any]) -> str:
        clock.advance(3600)
        if job.attempts_made == 0:
            raise ValueError("not yet")
        return "done"

    job = await queue.add("a", expires=10, attempts=2)
    bed.working(process, clock=clock)
    assert await job.result(timeout=5) == "done"


async def test_a_job_that_was_put_off_by_its_handler_does_not_expire(bed: Bed, clock: ManualClock) -> None:
    queue = bed.queue(clock=clock)

    async def process(job: Job[Any]) -> str:
        clock.advance(3600)
        if job.attempts_started == 1:
            raise RateLimited(0.01)
        return "done"

    job = await queue.add("a", expires=10)
    bed.working(process, clock=clock)
    assert await job.result(timeout=5) == "done"


async def test_an_expired_job_that_is_retried_by_hand_is_run(bed: Bed, clock: ManualClock) -> None:
    queue, handler = bed.queue(clock=clock), Handler()
    job = await queue.add("a", expires=10)
    clock.advance(11)
    bed.working(handler.__call__, clock=clock)
    await reaches(job, "failed")
    await job.retry()
    assert await job.result(timeout=5) == "done"


def kept(option: Any) -> Callable[[dict[str, int]], bool]:
    return lambda counts: counts == {"failed": 0 if option is True else 1, "waiting": 0}


@pytest.mark.parametrize("option", [True, 1])
async def test_what_is_kept_of_failed_jobs_counts_for_expired_ones(bed: Bed, clock: ManualClock, option: Any) -> None:
    queue, handler = bed.queue(clock=clock, default_job_options=JobOptions(expires=1, remove_on_fail=option)), Handler()
    await queue.add_bulk([("a", number) for number in range(5)])
    clock.advance(2)
    bed.working(handler.__call__, clock=clock)

    async def is_so() -> bool:
        return kept(option)(await queue.get_job_counts("failed", "waiting"))

    await eventually(is_so)
    assert handler.ran == []


async def test_expired_jobs_do_not_hold_up_the_others(bed: Bed, clock: ManualClock) -> None:
    queue, handler = bed.queue(clock=clock), Handler()
    await queue.add_bulk([("late", number, {"expires": 1}) for number in range(300)])
    clock.advance(2)
    good = await queue.add("good")
    bed.working(handler.__call__, clock=clock, concurrency=10)
    assert await good.result(timeout=5) == "done"
    assert handler.ran == [good.id]


async def test_expired_tasks(bed: Bed, clock: ManualClock) -> None:
    app = bed.app(clock=clock)

    @app.task(expires="10s")
    async def work() -> str:
        return "never"

    job = await work.enqueue()
    other = await work.options(expires="1h").enqueue()
    clock.advance(60)
    bed.working(Handler().__call__, "default", clock=clock)
    await other.result(timeout=5)
    with pytest.raises(JobFailedError, match=REASON):
        await job.result(timeout=5)
