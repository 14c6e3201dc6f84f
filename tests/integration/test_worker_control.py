"""A worker can be paused, resized and told to stop single jobs, and tells what it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from oxmq import ConfigurationError, Job
from oxmq.sync import Job as SyncJob
from tests.integration.bed import Bed, at_once, reaches
from tests.support.waiting import eventually

TEN = [("a", number) for number in range(10)]


class Gate:
    """Let handlers begin, and end when told."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.inside = 0

    async def __call__(self, _: Job[Any]) -> str:
        self.inside += 1
        await self.open.wait()
        self.inside -= 1
        return "through"


async def test_a_paused_worker_takes_no_jobs_and_ends_the_running_ones(bed: Bed) -> None:
    gate = Gate()
    worker, queue = bed.working(gate), bed.queue()
    first = await queue.add("a")
    await eventually(lambda: gate.inside == 1)
    pausing = asyncio.ensure_future(worker.pause())
    await eventually(lambda: worker.is_paused)
    second = await queue.add("a")
    assert not pausing.done()
    gate.open.set()
    await pausing
    assert await first.is_completed()
    assert await second.is_waiting()
    worker.resume()
    assert await second.result(timeout=10) == "through"


async def test_a_pause_need_not_wait_for_the_running_jobs(bed: Bed) -> None:
    gate = Gate()
    worker = bed.working(gate)
    job = await bed.queue().add("a")
    await eventually(lambda: gate.inside == 1)
    await worker.pause(wait=False)
    assert gate.inside == 1
    gate.open.set()
    assert await job.result(timeout=10) == "through"


async def test_a_worker_paused_before_its_start_takes_nothing(bed: Bed) -> None:
    gate = Gate()
    gate.open.set()
    worker = bed.worker(gate)
    await worker.pause()
    worker.start()
    job = await bed.queue().add("a")
    other = bed.working(gate, name="other")
    assert await (await bed.queue("other").add("a")).result(timeout=10) == "through"
    assert other.is_running
    assert await job.is_waiting()
    assert worker.health().healthy
    worker.resume()
    assert await job.result(timeout=10) == "through"


async def test_concurrency_can_grow_and_shrink_while_jobs_run(bed: Bed) -> None:
    gate = Gate()
    worker, queue = bed.working(gate, concurrency=1), bed.queue()
    jobs = await queue.add_bulk(TEN)
    await eventually(lambda: gate.inside == 1)
    worker.concurrency = 4
    await eventually(lambda: gate.inside == 4)
    worker.concurrency = 2
    gate.open.set()
    await asyncio.gather(*(job.result(timeout=10) for job in jobs))
    gate.open.clear()
    await queue.add_bulk(TEN)
    await eventually(lambda: gate.inside == 2)
    assert (await queue.get_job_counts("active"))["active"] == 2
    gate.open.set()


async def test_a_concurrency_of_nothing_is_refused(bed: Bed) -> None:
    worker = bed.worker(Gate())
    with pytest.raises(ConfigurationError, match="concurrency must be a whole number from 1"):
        worker.concurrency = 0


async def test_a_worker_stops_one_of_its_jobs_or_all(bed: Bed) -> None:
    gate = Gate()
    worker, queue = bed.working(gate, concurrency=3), bed.queue()
    jobs = [await queue.add("a", attempts=3) for _ in range(3)]
    await eventually(lambda: gate.inside == 3)
    assert worker.cancel_job(jobs[0].id, "not this one")
    await reaches(jobs[0], "failed")
    assert jobs[0].failed_reason == "not this one"
    assert not worker.cancel_job(jobs[0].id)
    assert worker.cancel_all_jobs("none of them") == 2
    for job in jobs[1:]:
        await reaches(job, "failed")
        assert job.failed_reason == "none of them"


async def test_a_worker_that_does_not_run_has_nothing_to_cancel(bed: Bed) -> None:
    worker = bed.worker(Gate())
    assert not worker.cancel_job("1")
    assert worker.cancel_all_jobs() == 0


def noting(event: str, heard: list[str]) -> Callable[..., None]:
    """Return a listener that notes the event's name."""

    def note(*_: object) -> None:
        heard.append(event)

    return note


async def test_a_worker_tells_what_it_does(bed: Bed) -> None:
    heard: list[str] = []

    async def process(job: Job[Any]) -> None:
        await job.update_progress(50)

    worker = bed.worker(process)
    for event in ("ready", "active", "progress", "completed", "drained", "paused", "resumed", "closing", "closed"):
        worker.on(event, noting(event, heard))
    worker.start()
    await (await bed.queue().add("a")).result(timeout=10)
    await eventually(lambda: "drained" in heard)
    await worker.pause()
    worker.resume()
    await worker.close()
    assert heard == [
        "ready", "active", "progress", "completed", "drained", "paused", "resumed", "closing", "closed",
    ]  # fmt: skip


async def test_progress_of_a_handler_in_a_thread_is_told_on_the_loop(bed: Bed) -> None:
    heard: list[Any] = []

    def process(job: SyncJob[Any]) -> None:
        job.update_progress({"done": 1})

    worker = bed.worker(process)

    def note(job: Job[Any], progress: object) -> None:
        heard.append((job.id, progress, asyncio.get_running_loop()))

    worker.on("progress", note)
    worker.start()
    job = await bed.queue().add("a")
    await job.result(timeout=10)
    await eventually(lambda: heard)
    assert heard == [(job.id, {"done": 1}, asyncio.get_running_loop())]


async def test_a_listener_can_be_taken_off(bed: Bed) -> None:
    heard: list[Any] = []
    note = at_once(heard)
    worker, queue = bed.worker(Gate()), bed.queue()
    worker.on("active", note)
    worker.off("active", note)
    worker.off("active", note)
    worker.start()
    job = await queue.add("a")
    await reaches(job, "active")
    assert not heard


async def test_a_job_started_too_often_fails_without_being_run(bed: Bed) -> None:
    runs: list[int] = []

    async def process(job: Job[Any]) -> None:
        runs.append(job.attempts_started)
        raise RuntimeError("no luck")

    bed.working(process, max_started_attempts=2)
    job = await bed.queue().add("a", attempts=5)
    await reaches(job, "failed")
    assert runs == [1, 2]


async def test_metrics_count_what_ended(bed: Bed) -> None:
    async def process(job: Job[Any]) -> None:
        if job.data["fail"]:
            raise RuntimeError("no luck")

    bed.working(process, metrics=60, concurrency=4)
    queue = bed.queue()
    jobs = await queue.add_bulk([("a", {"fail": number % 3 == 0}) for number in range(9)])
    await asyncio.gather(*(job.result(timeout=10) for job in jobs), return_exceptions=True)
    assert (await queue.get_metrics("completed")).meta.count == 6
    assert (await queue.get_metrics("failed")).meta.count == 3
