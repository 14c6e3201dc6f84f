"""What a handler in a thread, which nobody can stop, is told when it should: to ask is up to it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from oxmq import JobCancelledError
from oxmq.sync import Job
from tests.integration.bed import Bed, reaches
from tests.support.waiting import eventually


class Patient:
    """Handle jobs in a thread until they are asked to stop."""

    def __init__(self) -> None:
        self.running = threading.Event()
        self.asked = threading.Event()
        self._gate = threading.Event()

    def __call__(self, job: Job[Any]) -> None:
        self.running.set()
        while not job.cancel_requested:
            self._gate.wait(0.005)
        self.asked.set()
        job.check_cancelled()


async def test_at_its_time_limit(bed: Bed) -> None:
    handler = Patient()
    job = await bed.queue().add("a", timeout=0.1)
    worker = bed.working(handler.__call__)
    await reaches(job, "failed")
    assert "ran longer than its timeout" in (job.failed_reason or "")
    await eventually(handler.asked.is_set)
    await eventually(lambda: worker.health().abandoned == 0)


async def test_when_its_worker_closes(bed: Bed) -> None:
    handler = Patient()
    job = await bed.queue().add("a")
    worker = bed.working(handler.__call__)
    await eventually(handler.running.is_set)
    await worker.close(grace=0)
    await eventually(handler.asked.is_set)
    # It goes back to the queue and is run again, at no cost.
    assert await job.get_state() == "waiting"
    await job.refresh()
    assert job.attempts_made == 0


async def test_not_before(bed: Bed) -> None:
    told: list[bool] = []

    def process(job: Job[Any]) -> None:
        job.check_cancelled()
        told.append(job.cancel_requested)

    job = await bed.queue().add("a")
    bed.working(process)
    await reaches(job, "completed")
    assert told == [False]


async def test_a_job_that_nobody_runs_here_is_asked_for_nothing(bed: Bed) -> None:
    job = await bed.queue().add("a")
    assert not job.cancel_requested
    job.check_cancelled()


async def test_to_raise_what_the_check_raises_fails_a_job_that_was_not_asked(bed: Bed) -> None:
    def process(_: Job[Any]) -> None:
        raise JobCancelledError("on its own account")

    job = await bed.queue().add("a", attempts=2)
    bed.working(process)
    await reaches(job, "failed")
    assert (job.failed_reason, job.attempts_made) == ("on its own account", 2)


@pytest.mark.parametrize("times", [1, 3])
async def test_many_are_asked_in_one_go(bed: Bed, times: int) -> None:
    handlers = [Patient() for _ in range(times)]

    def process(job: Job[Any]) -> None:
        handlers[job.data](job)

    jobs = await bed.queue().add_bulk([("a", number) for number in range(times)])
    bed.working(process, concurrency=times)
    for handler in handlers:
        await eventually(handler.running.is_set)
    for job in jobs:
        await job.cancel()
    for job in jobs:
        await reaches(job, "failed")
    for handler in handlers:
        await eventually(handler.asked.is_set)
