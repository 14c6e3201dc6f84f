"""Workers: how they end, and what becomes of what they run."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from typing import Any

import pytest

from oxmq import Job, Worker
from oxmq.sync import Job as SyncJob
from tests.integration.bed import Bed, reaches
from tests.support.waiting import eventually


async def hang(_: Job[Any]) -> None:
    await asyncio.Event().wait()


async def running(bed: Bed, worker: Worker, count: int = 1) -> list[Job[Any]]:
    """Add jobs, start the worker and wait until it runs them."""
    jobs = await bed.queue().add_bulk([("a", number) for number in range(count)])
    worker.start()
    await eventually(lambda: worker.health().running == count)
    return jobs


async def test_closing_lets_running_jobs_end(bed: Bed) -> None:
    gate = asyncio.Event()

    async def process(_: Job[Any]) -> str:
        await gate.wait()
        return "done"

    worker = bed.worker(process, concurrency=3)
    jobs = await running(bed, worker, 3)
    waiting = await bed.queue().add("b")
    closing = asyncio.create_task(worker.close())
    await asyncio.sleep(0)
    gate.set()
    await closing
    assert [await job.is_completed() for job in jobs] == [True] * 3
    assert await waiting.is_waiting()


async def test_what_does_not_end_in_time_is_handed_back_at_no_cost(bed: Bed) -> None:
    worker = bed.worker(hang, concurrency=2)
    jobs = await running(bed, worker, 2)
    await bed.queue().add("later")
    await worker.close(grace=0.1)
    queue = bed.queue()
    assert {job.id for job in (await queue.get_waiting())[:2]} == {job.id for job in jobs}
    for job in jobs:
        await job.refresh()
        assert (job.attempts_made, job.attempts_started, job.failed_reason) == (0, 1, None)
    assert not await queue.get_active()


async def test_a_job_handed_back_is_run_by_the_next_worker(bed: Bed) -> None:
    worker = bed.worker(hang)
    (job,) = await running(bed, worker)
    await worker.close(grace=0)

    async def process(_: Job[Any]) -> str:
        return "done"

    bed.working(process)
    assert await job.result(timeout=3) == "done"


async def test_a_thread_that_does_not_stop_loses_its_job_all_the_same(bed: Bed, monkeypatch: Any) -> None:
    gate = threading.Event()

    def process(_: SyncJob[Any]) -> None:
        gate.wait(20)

    worker = bed.worker(process)
    (job,) = await running(bed, worker)
    await worker.close(grace=0)
    assert await job.is_waiting()
    gate.set()


async def test_a_coroutine_may_tidy_up_when_it_is_handed_back(bed: Bed) -> None:
    tidied: list[str] = []

    async def process(job: Job[Any]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await job.log("tidied up")
            tidied.append(job.id)

    worker = bed.worker(process)
    (job,) = await running(bed, worker)
    await worker.close(grace=0)
    assert tidied == [job.id]
    assert await job.get_logs() == ["tidied up"]
    assert await job.is_waiting()


async def test_a_forced_close_leaves_jobs_to_be_recovered(bed: Bed) -> None:
    worker = bed.worker(hang)
    (job,) = await running(bed, worker)
    began = time.monotonic()
    await worker.close(force=True)
    assert time.monotonic() - began < 3
    assert await job.is_active()


async def test_closing_twice_and_from_two_places(bed: Bed) -> None:
    worker = bed.worker(hang)
    await running(bed, worker)
    await asyncio.gather(worker.close(grace=0), worker.close(grace=0))
    await worker.close()


async def test_closing_a_worker_that_never_started(bed: Bed) -> None:
    worker = bed.worker(hang)
    await worker.close()
    async with bed.worker(hang):
        pass


async def test_an_idle_worker_closes_at_once(bed: Bed) -> None:
    worker = bed.working(hang)
    await eventually(lambda: worker.health().healthy)
    began = time.monotonic()
    await worker.close()
    assert time.monotonic() - began < 3


async def test_run_lasts_until_the_worker_is_closed(bed: Bed) -> None:
    worker = bed.worker(hang)
    running = asyncio.create_task(worker.run(handle_signals=False))
    job = await bed.queue().add("a")
    await reaches(job, "active")
    assert not running.done()
    await worker.close(grace=0)
    await running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_closes_the_worker_in_good_order(bed: Bed, number: signal.Signals) -> None:
    gate = asyncio.Event()

    async def process(_: Job[Any]) -> str:
        os.kill(os.getpid(), number)
        await gate.wait()
        return "done"

    job = await bed.queue().add("a")
    later = await bed.queue().add("later", lifo=False)
    worker = bed.worker(process)
    running = asyncio.create_task(worker.run())
    await reaches(job, "active")
    gate.set()
    await asyncio.wait_for(running, 10)
    assert await job.is_completed()
    assert await later.is_waiting()


async def test_a_second_signal_hands_back_at_once(bed: Bed) -> None:
    worker = bed.worker(hang, grace=60)
    job = await bed.queue().add("a")
    running = asyncio.create_task(worker.run())
    await reaches(job, "active")
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(running, 10)
    assert await job.is_waiting()


async def test_signals_have_their_old_meaning_after_the_run(bed: Bed) -> None:
    before = signal.getsignal(signal.SIGTERM)
    worker = bed.worker(hang)
    running = asyncio.create_task(worker.run())
    await eventually(lambda: worker.health().healthy)
    await worker.close(grace=0)
    await running
    assert signal.getsignal(signal.SIGTERM) == before
