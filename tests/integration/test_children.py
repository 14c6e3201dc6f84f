"""Children that are added one by one, to a parent that is there or running."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from oxmq import (
    ChildrenFailedError,
    Job,
    JobFailedError,
    LockLostError,
    Parent,
    ParentConflictError,
    ParentNotFoundError,
    WaitForChildren,
    every,
)
from oxmq.sync import Job as SyncJob
from tests.integration.bed import Bed, reaches
from tests.integration.family import work


async def test_a_running_job_adds_children_and_waits_for_them(bed: Bed) -> None:
    queue = bed.queue()

    async def process(job: Job[Any]) -> object:
        if job.name == "parent" and not await job.get_children_values():
            await queue.add_bulk([("child", number, {"parent": job}) for number in range(3)])
            raise WaitForChildren
        return await work(job)

    parent = await queue.add("parent")
    bed.working(process)
    assert sorted((await parent.result(timeout=5)).values()) == [0, 1, 2]
    await parent.refresh()
    assert (parent.attempts_made, parent.attempts_started, parent.failed_reason) == (1, 2, None)


async def test_a_running_job_in_a_thread_does_so_too(bed: Bed) -> None:
    app = bed.app()

    @app.task
    def child(number: int) -> int:
        return number

    def process(job: SyncJob[Any]) -> object:
        if job.get_children_values():
            return sorted(job.get_children_values().values())
        for number in range(3):
            child.options(parent=job).enqueue_sync(number)
        raise WaitForChildren

    parent = await bed.queue("parents").add("parent")
    bed.working(process, "parents")
    worker = bed.app_worker(app)
    running = asyncio.create_task(worker.run(handle_signals=False))
    assert await parent.result(timeout=5) == [0, 1, 2]
    await worker.close()
    await running


async def test_to_wait_for_children_without_any_is_to_run_again(bed: Bed) -> None:
    starts: list[int] = []

    async def process(job: Job[Any]) -> str:
        starts.append(job.attempts_started)
        if len(starts) < 3:
            raise WaitForChildren
        return "done"

    job = await bed.queue().add("a")
    bed.working(process)
    assert await job.result(timeout=5) == "done"
    assert starts == [1, 2, 3]


async def test_to_wait_for_children_of_which_one_has_failed_is_to_fail(bed: Bed) -> None:
    queue = bed.queue()

    async def process(job: Job[Any]) -> object:
        if job.name != "parent":
            return await work(job)
        child = await queue.add("child", {"error": "no luck"}, parent=job)
        await reaches(child, "failed")
        raise WaitForChildren

    parent = await queue.add("parent", attempts=5)
    bed.working(process, concurrency=2)
    with pytest.raises(JobFailedError, match="because it has at least one failed child"):
        await parent.result(timeout=5)
    await parent.refresh()
    assert parent.attempts_made == 1


async def test_a_job_that_is_processed_by_hand_waits_for_its_children(bed: Bed) -> None:
    queue, worker = bed.queue(), bed.worker(work)
    await queue.add("parent", job_id="parent")
    parent = await worker.get_next_job("t")
    assert parent is not None
    assert not await parent.move_to_waiting_children("t")
    first = await queue.add("first", 1, parent=parent)
    second = await queue.add("second", 2, parent=parent)
    with pytest.raises(LockLostError):
        await parent.move_to_waiting_children("another")
    stranger = await queue.add("stranger", job_id="stranger", delay=60)
    assert not await parent.move_to_waiting_children("t", child=stranger)
    assert await parent.move_to_waiting_children("t", child=second)
    assert await parent.get_state() == "waiting-children"
    bed.working(work, concurrency=1)
    assert await parent.result(timeout=5) == {first.key: 1, second.key: 2}


async def test_a_job_with_a_failed_child_cannot_wait(bed: Bed) -> None:
    queue, worker = bed.queue(), bed.worker(work)
    await queue.add("parent", job_id="parent")
    parent = await worker.get_next_job("t")
    assert parent is not None
    await queue.add("child", 1, parent=parent)
    child = await worker.get_next_job("t2")
    assert child is not None
    await child.move_to_failed("no luck", "t2")
    with pytest.raises(ChildrenFailedError):
        await parent.move_to_waiting_children("t")
    with pytest.raises(ChildrenFailedError):
        await parent.move_to_completed(1, "t")
    assert await parent.get_state() == "active"


async def test_a_missing_parent_refuses_its_children_and_no_others(bed: Bed) -> None:
    queue = bed.queue()
    missing = Parent("nobody", queue.qualified_name)
    with pytest.raises(ParentNotFoundError, match=r"Missing key for parent job .*:q:nobody"):
        await queue.add("child", parent=missing)
    with pytest.raises(ParentNotFoundError):
        await queue.add_bulk([("a", 1), ("child", 2, {"parent": missing}), ("b", 3)])
    assert [job.name for job in await queue.get_waiting()] == ["a", "b"]


async def test_a_child_belongs_to_one_living_parent(bed: Bed) -> None:
    queue = bed.queue()
    first, second = await queue.add("first"), await queue.add("second")
    child = await queue.add("child", job_id="child", parent=first)
    with pytest.raises(ParentConflictError, match=f"{second.key} cannot be replaced"):
        await queue.add("child", job_id="child", parent=second)
    await first.remove(remove_children=False)
    await queue.add("child", job_id="child", parent=second)
    await child.refresh()
    assert child.parent_key == second.key
    assert (await second.get_dependencies()).unprocessed == [child.key]


async def test_a_schedulers_job_waits_for_its_children_too(bed: Bed) -> None:
    """Its id has colons, which part a job's key elsewhere."""
    queue = bed.queue()

    async def process(job: Job[Any]) -> object:
        if job.name == "parent" and not await job.get_children_values():
            await queue.add("child", 5, parent=job)
            raise WaitForChildren
        return await work(job)

    parent = await queue.upsert_job_scheduler("hourly", every(3600), "parent")
    assert parent is not None
    bed.working(process)
    assert list((await parent.result(timeout=5)).values()) == [5]
