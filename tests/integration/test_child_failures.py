"""What a child's end does to its parent: each policy, each way to end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oxmq import FlowJob, FlowNode, Job, JobFailedError, JobOptions, fixed
from tests.integration.bed import Bed, reaches
from tests.integration.family import family, leaf, states, work
from tests.support.waiting import eventually

FAILS = {"error": "no luck"}


def failing(name: str = "a", /, **options: Any) -> FlowJob:
    return leaf(name, FAILS, **options)


# ---- by policy -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"fail_parent_on_failure": True}])
async def test_a_failed_child_fails_its_parent_which_does_not_run(bed: Bed, options: dict[str, Any]) -> None:
    ran: list[str] = []

    async def process(job: Job[Any]) -> object:
        ran.append(job.id)
        return await work(job)

    node = await bed.producer().add(family(failing(**options), leaf("b", 2), attempts=5))
    bed.working(process)
    with pytest.raises(JobFailedError, match=f"child {node.children[0].job.key} failed"):
        await node.job.result(timeout=5)
    await reaches(node.children[1].job, "completed")
    assert sorted(ran) == ["a", "b"]
    assert await node.job.get_failed_children() == [node.children[0].job.key]


async def test_a_failure_goes_up_to_the_root_through_two_queues(bed: Bed) -> None:
    flow = FlowJob("root", "p", children=[family(FlowJob("middle", "p", children=[failing()]))])
    node = await bed.producer().add(flow)
    for queue in ("q", "p"):
        bed.working(work, queue)
    with pytest.raises(JobFailedError, match=f"child {node.children[0].job.key} failed"):
        await node.job.result(timeout=5)
    assert set((await states(node)).values()) == {"failed"}


async def test_a_parent_runs_at_once_when_a_child_says_so(bed: Bed) -> None:
    async def process(job: Job[Any]) -> object:
        if job.name != "parent":
            return await work(job)
        await job.remove_unprocessed_children()
        return await job.get_ignored_children_failures()

    node = await bed.producer().add(family(failing(continue_parent_on_failure=True), leaf("b", delay=3600)))
    bed.working(process)
    failed, pending = (child.job for child in node.children)
    assert await node.job.result(timeout=5) == {failed.key: "no luck"}
    assert await pending.get_state() == "unknown"


async def test_a_parent_that_goes_on_may_wait_for_the_others(bed: Bed) -> None:
    queue = bed.queue()

    async def process(job: Job[Any]) -> object:
        return await work(job)

    flow = family(failing(continue_parent_on_failure=True), leaf("b", 2, delay=0.3), attempts=20, backoff=fixed(0.05))
    node = await bed.producer().add(flow)
    bed.working(process)
    # Its completion is refused until the other child has ended.
    assert await node.job.result(timeout=5) == {node.children[1].job.key: 2}
    await node.job.refresh()
    assert "has pending dependencies" in (node.job.failed_reason or "")
    assert await queue.get_failed() == [] or {job.id for job in await queue.get_failed()} == {"a"}


async def test_an_ignored_failure_leaves_its_reason(bed: Bed) -> None:
    async def process(job: Job[Any]) -> object:
        if job.name != "parent":
            return await work(job)
        return [await job.get_children_values(), await job.get_ignored_children_failures()]

    node = await bed.producer().add(family(failing(ignore_dependency_on_failure=True), leaf("b", 2)))
    bed.working(process)
    a, b = (child.job.key for child in node.children)
    assert await node.job.result(timeout=5) == [{b: 2}, {a: "no luck"}]


async def test_a_removed_dependency_leaves_nothing(bed: Bed) -> None:
    node = await bed.producer().add(family(failing(remove_dependency_on_failure=True)))
    bed.working(work)
    assert await node.job.result(timeout=5) == "own"
    assert await node.job.get_dependencies_count() == {"processed": 0, "unprocessed": 0, "ignored": 0, "failed": 0}


@pytest.mark.parametrize("place", ["the job's", "its queue's", "its task's"])
async def test_who_wants_a_parent_to_wait_says_so(bed: Bed, place: str) -> None:
    off = {"fail_parent_on_failure": False}
    if place == "its task's":
        node = await flow_of_tasks(bed, off)
    else:
        own, shared = (off, {}) if place == "the job's" else ({}, {"q": JobOptions(fail_parent_on_failure=False)})
        node = await bed.producer().add(family(failing(**own)), queue_options=shared)
        bed.working(work)
    child = node.children[0].job
    await reaches(child, "failed")
    assert await node.job.get_state() == "waiting-children"
    assert (await node.job.get_dependencies()).unprocessed == [child.key]
    why = f"{child.key} ({child.name}) has failed and has no failure policy: retry or remove it"
    assert why in await node.job.why()
    await child.update_data(3)
    await child.retry()
    assert await node.job.result(timeout=5) in ({child.key: 3}, "own", None)


async def flow_of_tasks(bed: Bed, options: dict[str, Any]) -> FlowNode:
    app = bed.app()

    @app.task(queue="q")
    async def parent() -> None: ...

    @app.task(queue="q", **options)
    async def child() -> None: ...

    job = await app.flow(parent.call(), children=[child.call()])
    bed.working(fail_first)
    (child_job,) = await bed.queue().get_waiting()
    return FlowNode(job, [FlowNode(child_job, [])])


async def fail_first(job: Job[Any]) -> None:
    if job.name == "child" and job.attempts_started == 1:
        raise ValueError("told to fail")


# ---- by way to end ---------------------------------------------------------------------------------------------------

End = Callable[[Bed, Job[Any]], Awaitable[object]]
#: How a child can end that has not run: what is done, and how its parent ends then by the default policy.
ENDS: dict[str, tuple[End, str]] = {
    "removed": (lambda _, child: child.remove(), "waiting"),
    "removed by its id": (lambda bed, child: bed.queue().remove(child.id), "waiting"),
    "cut off": (lambda _, child: child.remove_child_dependency(), "waiting"),
    "cancelled": (lambda _, child: child.cancel("not wanted"), "failed"),
}


@pytest.mark.parametrize("name", ENDS)
async def test_a_child_that_ends_without_a_run_ends_its_parents_wait(bed: Bed, name: str) -> None:
    act, end = ENDS[name]
    node = await bed.producer().add(family(leaf("a")))
    await act(bed, node.children[0].job)
    assert await node.job.get_state() == "waiting"
    bed.working(work)
    await reaches(node.job, "failed" if end == "failed" else "completed")
    assert (node.job.failed_reason or "").endswith(f"{node.children[0].job.key} failed") == (end == "failed")


async def test_a_child_that_expires_fails_its_parent(bed: Bed) -> None:
    node = await bed.producer().add(family(leaf("a", delay=0.01, expires=0.001), leaf("b")))
    queue = bed.queue()
    await queue.pause()
    await eventually(lambda: is_late(node.children[0].job))
    await queue.resume()
    bed.working(work)
    await reaches(node.job, "failed")


async def is_late(job: Job[Any]) -> bool:
    return datetime.now(UTC) > job.timestamp + timedelta(seconds=0.1)


@pytest.mark.parametrize("policy", [{}, {"fail_parent_on_failure": False}])
async def test_a_failed_child_of_which_nothing_is_kept_holds_up_nobody(bed: Bed, policy: dict[str, Any]) -> None:
    node = await bed.producer().add(family(failing(remove_on_fail=True, **policy)))
    bed.working(work)
    await reaches(node.job, "completed" if policy else "failed")
    assert await node.children[0].job.get_state() == "unknown"


async def test_a_failed_child_that_others_sweep_away_holds_up_nobody(bed: Bed) -> None:
    node = await bed.producer().add(family(failing(fail_parent_on_failure=False)))
    bed.working(work)
    await reaches(node.children[0].job, "failed")
    await bed.queue().add("other", FAILS, remove_on_fail=1)
    await reaches(node.job, "completed")
    assert await node.children[0].job.get_state() == "unknown"


@pytest.mark.parametrize("shape", [{"delay": 3600}, {"priority": 4}, {}])
async def test_a_failure_finds_its_parent_wherever_it_is(bed: Bed, shape: dict[str, Any]) -> None:
    """A parent that is delayed is not failed at its time, but now."""
    queue = bed.queue()
    await queue.pause()
    parent = await queue.add("parent", job_id="parent", **shape)
    child = await queue.add("child", FAILS, parent=parent, lifo=True)
    bed.working(work)
    await queue.resume()
    with pytest.raises(JobFailedError, match=f"child {child.key} failed"):
        await parent.result(timeout=5)


@pytest.mark.parametrize("again", ["completes", "fails"])
async def test_a_child_that_is_retried_before_its_parent_has_failed_changes_nothing(bed: Bed, again: str) -> None:
    node = await bed.producer().add(family(failing(), queue="other"))
    child = node.children[0].job
    bed.working(work)
    await reaches(child, "failed")
    assert await node.job.get_state() == "waiting"
    if again == "completes":
        await child.update_data(1)
    await child.retry()
    await eventually(lambda: has_ended_twice(child))
    bed.working(work, "other")
    await reaches(node.job, "failed")


async def has_ended_twice(job: Job[Any]) -> bool:
    await job.refresh()
    return job.attempts_made == 2 and await job.get_state() in ("completed", "failed")


async def test_a_parent_that_is_retried_after_its_child_was_runs(bed: Bed) -> None:
    node = await bed.producer().add(family(failing()))
    child = node.children[0].job
    bed.working(work)
    await reaches(node.job, "failed")
    await child.update_data(1)
    await child.retry()
    await reaches(child, "completed")
    await node.job.retry()
    assert await node.job.result(timeout=5) == {child.key: 1}


async def test_a_parent_with_three_parts_in_its_id_ends_too(bed: Bed) -> None:
    """The jobs of schedulers have such ids, and may add children while they run."""
    queue, worker = bed.queue(), bed.worker(work)
    parent = await queue.add("parent", job_id="of:three:parts")
    taken = await worker.get_next_job("t")
    assert taken is not None
    child = await queue.add("child", 1, parent=parent)
    assert await taken.move_to_waiting_children("t")
    bed.working(work)
    assert await parent.result(timeout=5) == {child.key: 1}


async def test_a_parent_that_is_retried_without_its_child_fails_again(bed: Bed) -> None:
    node = await bed.producer().add(family(failing()))
    bed.working(work)
    await reaches(node.job, "failed")
    await node.job.retry()
    await eventually(lambda: has_ended_twice(node.job))
    assert "because it has at least one failed child" in (node.job.failed_reason or "")


async def test_children_of_a_parent_that_has_ended_or_is_gone_run_all_the_same(bed: Bed) -> None:
    queue = bed.queue()
    bed.working(work)
    ended, gone = await queue.add("ended"), await queue.add("gone", delay=60)
    await reaches(ended, "completed")
    late = await queue.add("late", 1, parent=ended)
    orphan = await queue.add("orphan", FAILS, parent=gone, delay=0.05)
    await gone.remove(remove_children=False)
    await reaches(late, "completed")
    await reaches(orphan, "failed")
    assert await ended.get_state() == "completed"
    assert await ended.get_children_values() == {late.key: 1}
    assert await gone.get_state() == "unknown"
