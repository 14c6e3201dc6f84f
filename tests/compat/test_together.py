"""Both libraries' workers on one queue at the same time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from oxmq import Job, Queue, Worker
from tests.compat.node_peer import NodePeer
from tests.compat.side import behave, until_count, working
from tests.support.servers import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

JOBS = 300


async def test_each_job_is_done_once_and_both_take_part(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    ours: Counter[str] = Counter()

    async def count(job: Job[Any]) -> object:
        ours[job.id] += 1
        return await behave(job)

    worker = Worker(queue.name, count, connection=server.url, concurrency=5)
    await node.start_worker(queue.name, concurrency=5)
    async with working(worker):
        rows = [("sleep", {"ms": 5, "n": n}, {"priority": n % 3}) for n in range(JOBS // 2)]
        added = [job.id for job in await queue.add_bulk(rows)]
        jobs = [{"name": "sleep", "data": {"ms": 5}, "opts": {"delay": n % 3}} for n in range(JOBS // 2)]
        added += await node.request("addBulk", queue=queue.name, jobs=jobs)
        await until_count(node, queue.name, "completed", JOBS)
    heard = await node.wait_for("drained", source=f"worker:{queue.name}")
    assert heard
    theirs = Counter(event.job_id for event in node.heard("completed", source=f"worker:{queue.name}"))
    assert ours + theirs == Counter(added)
    assert len(ours) >= JOBS // 20
    assert len(theirs) >= JOBS // 20


async def test_failing_jobs_pass_between_the_workers(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    """Every attempt may be another library's: attempts, reasons and stack traces add up all the same."""
    await node.start_worker(queue.name, concurrency=2)
    async with working(Worker(queue.name, behave, connection=server.url, concurrency=2)):
        rows = [("fail", {"times": 3}, {"attempts": 4, "backoff": 0.01}) for _ in range(20)]
        jobs = await queue.add_bulk(rows)
        await until_count(node, queue.name, "completed", 20)
    for job in jobs:
        await job.refresh()
        assert (job.attempts_made, job.attempts_started, len(job.stacktrace)) == (4, 4, 3)


async def test_node_lists_our_worker_by_its_name(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    async with working(Worker(queue.name, behave, connection=server.url, worker_name="ours")):
        await queue.add("echo", {})
        await until_count(node, queue.name, "completed", 1)
        listed = await node.request("getWorkers", queue=queue.name)
    assert [worker["rawname"].split(":w:")[-1] for worker in listed] == ["ours"]
