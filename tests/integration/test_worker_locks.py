"""Workers: keeping the locks of what they run, and taking over what others have let go."""

from __future__ import annotations

import threading
from typing import Any

from oxmq import Job
from oxmq.sync import Job as SyncJob
from tests.integration.bed import Bed, at_once, reaches
from tests.support.waiting import eventually


async def echo(job: Job[Any]) -> object:
    return job.data


async def test_the_stalled_job_of_a_dead_worker_is_run_by_another(bed: Bed) -> None:
    queue = bed.queue()
    job = await queue.add("a", 1)
    assert await bed.worker(echo, lock_duration=0.1).get_next_job("dead")
    heard: list[Any] = []
    worker = bed.worker(echo, stalled_interval=0.2)
    worker.on("stalled", at_once(heard))
    worker.start()
    assert await job.result(timeout=5) == 1
    assert heard == [job.id]
    await job.refresh()
    assert (job.stalled_count, job.attempts_started, job.attempts_made) == (1, 2, 1)


async def test_a_job_that_stalls_too_often_fails_without_running(bed: Bed) -> None:
    ran: list[str] = []

    async def process(job: Job[Any]) -> None:
        ran.append(job.id)

    job = await bed.queue().add("a", attempts=5)
    assert await bed.worker(echo, lock_duration=0.1).get_next_job("dead")
    bed.working(process, stalled_interval=0.2, max_stalled_count=0)
    await reaches(job, "failed")
    assert job.failed_reason == "job stalled more than allowable limit"
    assert ran == []
    assert job.deferred_failure is None


async def test_the_lock_of_a_long_job_is_renewed(bed: Bed, redis_client: Any) -> None:
    gate = threading.Event()

    def process(_: SyncJob[Any]) -> None:
        gate.wait(10)

    job = await bed.queue().add("a")
    bed.working(process, lock_duration=0.3, stalled_interval=0.2)
    lock = f"{bed.prefix}:q:{job.id}:lock"
    await eventually(lambda: redis_client.exists(lock))
    start = redis_client.time()

    def a_second_later() -> bool:
        assert redis_client.exists(lock)
        now = redis_client.time()
        return bool((now[0] - start[0]) + (now[1] - start[1]) / 1e6 > 1)

    await eventually(a_second_later)
    gate.set()
    await job.result(timeout=5)
    await job.refresh()
    assert (job.stalled_count, job.attempts_started) == (0, 1)
