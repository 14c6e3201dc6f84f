"""Cancelling: a job in any state, from anywhere, fails with the reason and is not run again."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from oxmq import Job as AsyncJob
from oxmq import (
    JobCancelledError,
    JobFailedError,
    JobNotFoundError,
    JobStateError,
    SchedulerJobError,
    current_job,
    every,
)
from oxmq.sync import Job as SyncJob
from tests.integration.bed import Bed, at_once, reaches
from tests.integration.family import family, leaf
from tests.support.waiting import eventually

Job = AsyncJob[Any]


class Hanging:
    """Handle jobs that hang until they are stopped, and note what they meet."""

    def __init__(self) -> None:
        self.started = 0
        self.stopped = 0

    async def __call__(self, job: Job) -> None:
        self.started += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.stopped += 1
            assert job.cancel_requested
            with pytest.raises(JobCancelledError):
                job.check_cancelled()
            raise


# ---- before it runs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "state"),
    [({}, "waiting"), ({"delay": 3600}, "delayed"), ({"priority": 3}, "prioritized"), ({"lifo": True}, "waiting")],
)
async def test_a_job_that_has_not_begun_fails_at_once(twin: Any, options: dict[str, Any], state: str) -> None:
    queue = twin.queue()
    job = await queue.add("a", **options)
    assert await job.get_state() == state
    assert await job.cancel("not wanted") is True
    assert await job.get_state() == "failed"
    await job.refresh()
    assert (job.failed_reason, job.attempts_made, job.attempts_started) == ("not wanted", 0, 0)
    assert job.finished_on is not None
    assert job.deferred_failure is None
    with pytest.raises(JobFailedError, match="not wanted"):
        await job.result(timeout=5)
    assert await queue.count() == 0


async def test_a_job_of_a_paused_queue_is_cancelled(bed: Bed) -> None:
    queue = bed.queue()
    await queue.pause()
    job = await queue.add("a")
    assert await job.cancel()
    assert await job.get_state() == "failed"


async def test_nobody_who_waits_is_left_waiting(bed: Bed) -> None:
    job = await bed.queue().add("a", delay=3600)
    waiting = asyncio.create_task(job.result())
    await asyncio.sleep(0)
    await job.cancel()
    with pytest.raises(JobFailedError, match="cancelled"):
        await asyncio.wait_for(waiting, 5)
    async with bed.events() as events:
        failed = await anext(event async for event in events if event.name == "failed")
    assert (failed.job_id, failed.fields) == (job.id, {"failedReason": "cancelled", "prev": "delayed"})


async def test_a_parent_that_waits_is_cancelled_and_its_children_go_on(bed: Bed) -> None:
    async def process(job: Job) -> str:
        return job.name

    node = await bed.producer().add(family(leaf("a")))
    assert await node.job.cancel()
    bed.working(process)
    await reaches(node.children[0].job, "completed")
    assert await node.job.get_state() == "failed"
    assert await node.job.get_children_values() == {node.children[0].job.key: "a"}


@pytest.mark.parametrize(("keep", "state"), [(True, "unknown"), (False, "failed"), (5, "failed")])
async def test_what_is_kept_of_failed_jobs_counts_for_cancelled_ones(bed: Bed, keep: Any, state: str) -> None:
    job = await bed.queue().add("a", remove_on_fail=keep)
    assert await job.cancel()
    assert await job.get_state() == state


async def test_a_cancelled_job_may_be_retried(bed: Bed) -> None:
    async def process(_: Job) -> str:
        return "done"

    job = await bed.queue().add("a")
    await job.cancel()
    await job.retry()
    bed.working(process)
    assert await job.result(timeout=5) == "done"


# ---- while it runs ---------------------------------------------------------------------------------------------------


async def test_a_coroutine_is_cancelled(twin: Any, bed: Bed) -> None:
    handler = Hanging()
    queue = twin.queue()
    job = await queue.add("a", attempts=5)
    failed: list[Any] = []
    worker = bed.worker(handler.__call__)
    worker.on("failed", at_once(failed))
    worker.start()
    await eventually(lambda: handler.started)
    assert await job.cancel("not wanted any more") is False
    with pytest.raises(JobFailedError, match="not wanted any more"):
        await job.result(timeout=5)
    await job.refresh()
    assert (job.attempts_made, job.attempts_started, handler.stopped) == (1, 1, 1)
    assert (job.stacktrace, job.deferred_failure) == ([], None)
    assert [reason for _, reason in failed] == ["not wanted any more"]


async def test_a_coroutine_that_does_not_listen_is_given_up(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oxmq.worker.executor.STOP_GRACE", 0.1)
    gate = asyncio.Event()

    async def process(_: Job) -> None:
        while not gate.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await gate.wait()

    job = await bed.queue().add("a")
    worker = bed.working(process)
    await reaches(job, "active")
    await job.cancel()
    await reaches(job, "failed")
    assert worker.health().abandoned == 1
    gate.set()
    await eventually(lambda: worker.health().abandoned == 0)
    assert await job.get_state() == "failed"


async def test_a_thread_is_asked_and_given_up(bed: Bed) -> None:
    heard, gate = threading.Event(), threading.Event()

    def process(job: SyncJob[Any]) -> None:
        while not job.cancel_requested:
            gate.wait(0.01)
        with pytest.raises(JobCancelledError):
            job.check_cancelled()
        heard.set()

    job = await bed.queue().add("a", attempts=3)
    worker = bed.working(process)
    await reaches(job, "active")
    await job.cancel("stop it")
    await reaches(job, "failed")
    assert await asyncio.to_thread(heard.wait, 5)
    assert (job.failed_reason, job.attempts_made) == ("stop it", 1)
    await eventually(lambda: worker.health().abandoned == 0)


async def test_a_task_in_a_thread_asks_its_current_job(bed: Bed) -> None:
    app, heard = bed.app(), threading.Event()

    @app.task
    def work() -> None:
        job, gate = current_job(), threading.Event()
        while not job.cancel_requested:
            gate.wait(0.01)
        heard.set()
        job.check_cancelled()

    worker = bed.app_worker(app)
    running = asyncio.create_task(worker.run(handle_signals=False))
    job = await work.enqueue()
    await reaches(job, "active")
    await job.cancel()
    with pytest.raises(JobFailedError, match="cancelled"):
        await job.result(timeout=5)
    assert await asyncio.to_thread(heard.wait, 5)
    await worker.close()
    await running


@pytest.fixture
async def tasks(redis_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """Return the module of tasks, on the test's server and prefix."""
    monkeypatch.setenv("OXMQ_URL", redis_url)
    monkeypatch.setenv("OXMQ_TEST_PREFIX", prefix)
    module = importlib.reload(importlib.import_module("tests.integration.app_tasks"))
    yield module
    await module.app.close()


async def test_a_child_process_is_killed(tasks: Any) -> None:
    worker = tasks.app.worker(["child"])
    running = asyncio.create_task(worker.run(handle_signals=False))
    job = await tasks.hang.options(timeout=60).enqueue()
    await eventually(lambda: has_progress(job), 20)
    await job.cancel("out of the way")
    await reaches(job, "failed")
    assert job.failed_reason == "out of the way"
    with pytest.raises(ProcessLookupError):
        os.kill(job.progress, 0)
    assert await (await tasks.coroutine_in_child.enqueue(4)).result(timeout=20) == 5
    await worker.close()
    await running


async def has_progress(job: Job) -> bool:
    await job.refresh()
    return bool(job.progress)


async def test_another_process_cancels(bed: Bed) -> None:
    handler = Hanging()
    job = await bed.queue().add("a", job_id="far")
    bed.working(handler.__call__)
    await eventually(lambda: handler.started)
    code = f"""
import oxmq.sync
with oxmq.sync.Queue("q", {bed.url!r}, prefix={bed.prefix!r}) as queue:
    assert queue.get_job("far").cancel("from afar") is False
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await process.wait() == 0
    with pytest.raises(JobFailedError, match="from afar"):
        await job.result(timeout=5)


async def test_one_of_many_is_cancelled_and_the_others_go_on(bed: Bed) -> None:
    gate = asyncio.Event()

    async def process(job: Job) -> object:
        await gate.wait()
        return job.data

    queue = bed.queue()
    jobs = await queue.add_bulk([("a", number) for number in range(20)])
    bed.working(process, concurrency=20)
    for job in jobs:
        await reaches(job, "active")
    for job in jobs[::2]:
        await job.cancel()
    for job in jobs[::2]:
        await reaches(job, "failed")
    gate.set()
    assert await asyncio.gather(*(job.result(timeout=5) for job in jobs[1::2])) == list(range(1, 20, 2))


@pytest.mark.parametrize("how", ["job", "queue"])
async def test_who_completes_before_hearing_of_it_has_completed(bed: Bed, how: str) -> None:
    queue, gate = bed.queue(), asyncio.Event()

    async def process(_: Job) -> str:
        await gate.wait()
        return "done"

    job = await queue.add("a")
    bed.working(process)
    await reaches(job, "active")
    assert await job.cancel() is False
    gate.set()
    assert await job.result(timeout=5) == "done"
    # Whoever runs it again does not mean the old cancellation.
    await (job.retry("completed") if how == "job" else queue.retry_jobs("completed"))
    await reaches(job, "completed")
    assert (job.attempts_started, job.failed_reason) == (2, None)


async def test_who_fails_before_hearing_of_it_is_not_tried_again(bed: Bed) -> None:
    starts: list[str] = []

    async def process(job: Job) -> None:
        starts.append(job.id)
        await job.cancel("enough")
        raise ValueError("no luck")

    job = await bed.queue().add("a", attempts=5)
    bed.working(process)
    await reaches(job, "failed")
    assert (job.failed_reason, len(starts)) == ("enough", 1)


async def test_who_loses_its_worker_fails_with_the_reason_when_taken_next(bed: Bed) -> None:
    queue = bed.queue()
    await queue.add("a", job_id="a")
    dead = bed.worker(str, lock_duration=0.05, stalled_interval=0.02)
    job = await dead.get_next_job("token of a worker that dies")
    assert job is not None
    assert await job.cancel("meanwhile") is False
    handler = Hanging()
    bed.working(handler.__call__, stalled_interval=0.02)
    await reaches(job, "failed")
    assert (job.failed_reason, handler.started) == ("meanwhile", 0)


async def test_who_waits_for_its_children_when_it_hears_of_it_fails(bed: Bed) -> None:
    """It was active when it was cancelled, and parked by the time that anybody could stop it."""
    queue, worker = bed.queue(), bed.worker(str)
    await queue.add("parent", job_id="parent")
    parent = await worker.get_next_job("t")
    assert parent is not None
    child = await queue.add("child", parent=parent, delay=3600)
    assert await parent.cancel("enough") is False
    assert await parent.move_to_waiting_children("t")
    assert await parent.cancel("now") is True
    await reaches(parent, "failed")
    assert parent.failed_reason == "now"
    await child.remove()


async def test_a_job_processed_by_hand_is_asked_for_nothing(bed: Bed) -> None:
    await bed.queue().add("a")
    job = await bed.worker(str).get_next_job("t")
    assert job is not None
    assert await job.cancel() is False
    assert not job.cancel_requested
    job.check_cancelled()
    await job.move_to_completed("all the same", "t")
    assert await job.get_state() == "completed"


# ---- again, too late, not allowed ------------------------------------------------------------------------------------


async def test_cancelling_a_running_job_twice_is_no_error(bed: Bed) -> None:
    handler = Hanging()
    job = await bed.queue().add("a")
    bed.working(handler.__call__)
    await eventually(lambda: handler.started)
    assert [await job.cancel("first"), await job.cancel("second")] == [False, False]
    await reaches(job, "failed")
    assert job.failed_reason in ("first", "second")
    assert handler.stopped == 1


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
async def test_what_has_ended_cannot_be_cancelled(twin: Any, bed: Bed, end: str) -> None:
    async def process(_: Job) -> None:
        if end == "failed":
            raise ValueError("no luck")

    job = await twin.queue().add("a")
    if end == "cancelled":
        await job.cancel("first")
    else:
        bed.working(process)
    await reaches(job, "completed" if end == "completed" else "failed")
    with pytest.raises(JobStateError, match=f"Job {job.id} is not in the waiting or active state. cancel"):
        await job.cancel("second")
    await job.refresh()
    assert job.failed_reason == {"completed": None, "failed": "no luck", "cancelled": "first"}[end]


async def test_what_is_gone_cannot_be_cancelled(twin: Any) -> None:
    job = await twin.queue().add("a")
    await job.remove()
    with pytest.raises(JobNotFoundError, match=f"Missing key for job {job.id}. cancel"):
        await job.cancel()


async def test_a_schedulers_next_job_cannot_be_cancelled_but_one_that_runs_can(bed: Bed) -> None:
    queue, handler = bed.queue(), Hanging()
    await queue.upsert_job_scheduler("hourly", every(3600), "report")
    bed.working(handler.__call__)
    await eventually(lambda: handler.started)
    (running,) = await queue.get_active()
    (upcoming,) = await queue.get_delayed()
    assert running.name == upcoming.name == "report"
    with pytest.raises(SchedulerJobError, match="belongs to a job scheduler"):
        await upcoming.cancel()
    assert await running.cancel("not this time") is False
    await reaches(running, "failed")
    assert await upcoming.get_state() == "delayed"
