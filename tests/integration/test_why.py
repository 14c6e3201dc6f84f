"""Asking why a job does not run: what real queues, workers and flows lead to."""

from __future__ import annotations

import asyncio
from typing import Any

import oxmq.client.context
import oxmq.sync.context
from oxmq import Job, RateLimit
from oxmq.client.explanations import explain
from oxmq.sync.explanations import explain as explain_sync
from tests.integration.bed import Bed, reaches
from tests.integration.family import family, leaf, work
from tests.support.waiting import eventually


async def why(bed: Bed, job_id: str) -> str:
    """Return the explanation, after both kinds gave it."""
    context = oxmq.client.context.open_context("q", bed.url, bed.prefix)
    blocking = oxmq.sync.context.open_context("q", bed.url, bed.prefix)
    try:
        said = await explain(context, job_id)
        also = await asyncio.to_thread(explain_sync, blocking, job_id)
        assert said.partition(" in ")[0] == also.partition(" in ")[0]
        return said
    finally:
        await context.close()
        await asyncio.to_thread(blocking.close)


async def hang(job: Job[Any]) -> None:
    await asyncio.Event().wait()


async def fail(job: Job[Any]) -> None:
    raise ValueError("no luck")


async def test_no_worker(bed: Bed) -> None:
    queue = bed.queue()
    await queue.add("a")
    job = await queue.add("b")
    said = await why(bed, job.id)
    assert said == f"Job {job.id} is waiting: 1 job runs before it. No worker of queue 'q' is connected."


async def test_busy_workers(bed: Bed) -> None:
    queue = bed.queue()
    first, second = await queue.add("a"), await queue.add("b")
    bed.working(hang, worker_name="w1")
    await reaches(first, "active")
    busy = f"Job {second.id} is waiting: it is the next to run. 1 worker is connected, and 1 job is active."

    async def is_said() -> bool:
        return await why(bed, second.id) == busy

    await eventually(is_said)
    said = await why(bed, first.id)
    assert said.startswith(f"Job {first.id} is running by worker 'w1' for 0.")
    assert said.endswith("and renews it while it lives.")


async def test_a_queue_that_is_paused_full_and_held_back(bed: Bed) -> None:
    queue = bed.queue()
    first, second = await queue.add("a"), await queue.add("b", priority=3)
    bed.working(hang)
    await reaches(first, "active")
    await queue.set_global_concurrency(1)
    await queue.pause()
    await queue.rate_limit(60)
    said = await why(bed, second.id)
    assert said.startswith(
        f"Job {second.id} is waiting with priority 3: it is the next to run. The queue 'q' is paused."
    )
    assert "As many jobs are active as the queue allows at once: 1 of 1. The queue is held back: no job starts" in said


async def test_a_rate_limit_that_is_used_up(bed: Bed) -> None:
    queue = bed.queue()
    await queue.set_global_rate_limit(RateLimit(max=1, duration=60))
    first, second = await queue.add("a"), await queue.add("b")
    bed.working(hang, concurrency=2)
    await reaches(first, "active")
    assert "The rate limit is used up (1 start in 1 min): no job starts for" in await why(bed, second.id)


async def test_a_delay_and_a_retry(bed: Bed) -> None:
    queue = bed.queue()
    delayed, retried = await queue.add("a", delay=90), await queue.add("b", attempts=3, backoff=60)
    bed.working(fail)
    await reaches(retried, "delayed")
    assert (await why(bed, delayed.id)).startswith(f"Job {delayed.id} is delayed until ")
    assert "It has failed once and will be tried again. The latest reason: no luck." in await why(bed, retried.id)


async def test_the_end(bed: Bed) -> None:
    queue = bed.queue()
    good, bad = await queue.add("a"), await queue.add("b", {"error": "no luck"})
    bed.working(work)
    await reaches(good, "completed")
    await reaches(bad, "failed")
    assert (await why(bed, good.id)).startswith(f"Job {good.id} completed at ")
    assert ": no luck. It is not tried again unless somebody retries it." in await why(bed, bad.id)
    await bad.remove()
    assert await why(bed, bad.id) == f"There is no job {bad.id} in queue 'q': it was removed, or never added."


async def test_a_worker_that_fell_silent(bed: Bed, redis_client: Any) -> None:
    job = await bed.queue().add("a")
    assert await bed.worker(hang).get_next_job("t")
    redis_client.delete(f"{bed.prefix}:q:{job.id}:lock")
    said = await why(bed, job.id)
    assert "But its lock has run out: its worker is gone or hangs." in said
    assert said.endswith("No worker is connected that could.")


async def test_children_that_have_not_ended(bed: Bed) -> None:
    await bed.queue("other").pause()
    node = await bed.producer().add(
        family(leaf("done"), leaf("late", delay=60), leaf("held", None, "other"), leaf("alone", None, "nobody"))
    )
    bed.working(work)
    bed.working(work, "other")
    await reaches(node.children[0].job, "completed")
    base = bed.prefix
    assert await why(bed, "parent") == (
        "Job parent waits for 3 of its 4 children. "
        f"Child {base}:nobody:alone (alone) is waiting, and no worker of its queue 'nobody' is connected. "
        f"Child {base}:other:held (held) is waiting, and its queue 'other' is paused. "
        f"Child {base}:q:late (late) is delayed."
    )


async def test_a_child_that_failed_and_counts(bed: Bed) -> None:
    node = await bed.producer().add(
        family(leaf("bad", {"error": "no luck"}, fail_parent_on_failure=False), leaf("late", delay=60))
    )
    bed.working(work)
    await reaches(node.children[0].job, "failed")
    assert await why(bed, "parent") == (
        f"Job parent waits for 2 of its 2 children. Child {bed.prefix}:q:bad (bad) has failed and has no failure "
        f"policy: retry or remove it. Its reason: no luck. Child {bed.prefix}:q:late (late) is delayed."
    )


async def test_a_child_whose_job_is_gone(bed: Bed, redis_client: Any) -> None:
    await bed.producer().add(family(leaf("a")))
    redis_client.delete(f"{bed.prefix}:q:a")
    assert f"Child {bed.prefix}:q:a is gone, and nobody told its parent" in await why(bed, "parent")


async def test_a_parent_that_will_be_failed(bed: Bed) -> None:
    queue = bed.queue()
    node = await bed.producer().add(family(leaf("bad", {"error": "no luck"}), leaf("b")))
    worker = bed.worker(work)
    child = await worker.get_next_job("t")
    assert child is not None and child.id == "bad"
    await child.move_to_failed("no luck", "t")
    await eventually(node.job.is_waiting)
    said = await why(bed, "parent")
    assert said.endswith(f"it will be failed and not run: child {bed.prefix}:q:bad failed.")
    assert await queue.get_job_counts("waiting") == {"waiting": 2}


async def test_a_job_that_was_asked_to_stop(bed: Bed) -> None:
    job = await bed.queue().add("a")
    assert await bed.worker(hang).get_next_job("t")
    assert not await job.cancel("enough")
    assert "It was asked to stop: enough." in await why(bed, job.id)


async def test_a_job_that_expires(bed: Bed) -> None:
    job = await bed.queue().add("a", expires=3600)
    assert "It expires when it has not started by " in await why(bed, job.id)


async def test_a_job_in_no_state(bed: Bed, redis_client: Any) -> None:
    job = await bed.queue().add("a")
    redis_client.delete(f"{bed.prefix}:q:wait")
    assert (await why(bed, job.id)).startswith(f"Job {job.id} exists, but is in no state of queue 'q'")


async def test_a_server_that_does_not_name_its_clients(bed: Bed, redis_client: Any) -> None:
    job = await bed.queue().add("a")
    redis_client.acl_setuser("why", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-client|list"])
    context = oxmq.client.context.open_context("q", bed.url.replace("//", "//why:any@"), bed.prefix)
    try:
        assert await explain(context, job.id) == f"Job {job.id} is waiting: it is the next to run."
    finally:
        await context.close()
        redis_client.acl_deluser("why")
