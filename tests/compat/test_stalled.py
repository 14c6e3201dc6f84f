"""A worker that was killed loses its job to a worker of the other library."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from oxmq import Job, Queue, Worker
from tests.compat.node_peer import NodePeer
from tests.compat.side import until_state, working
from tests.support.servers import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

HANGING_WORKER = Path(__file__).with_name("hanging_worker.py")


@contextlib.asynccontextmanager
async def hanging_worker(url: str, queue: str) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    """Run our worker in a process of its own; what is still alive at the end is killed."""
    process = await asyncio.create_subprocess_exec(sys.executable, str(HANGING_WORKER), url, queue, stderr=PIPE)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def test_node_recovers_the_job_of_our_killed_worker(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    job = await queue.add("echo", {"saved": True})
    async with hanging_worker(server.url, queue.name) as process:
        await until_state(queue, job.id, "active")
        process.kill()
        await process.wait()
    await node.start_worker(queue.name, lockDuration=1000, stalledInterval=300)
    await node.wait_for("stalled", source=f"worker:{queue.name}", job_id=job.id)
    await until_state(queue, job.id, "completed")
    await job.refresh()
    assert (job.stalled_count, job.attempts_started, job.attempts_made) == (1, 2, 1)
    assert job.return_value == {"saved": True}


async def test_we_recover_the_job_of_a_killed_node(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    stalled: list[str] = []

    async def save(job: Job[Any]) -> object:
        return job.data

    worker = Worker(queue.name, save, connection=server.url, lock_duration=1, stalled_interval=0.3)
    worker.on("stalled", lambda *about: stalled.append(str(about[0])))
    async with NodePeer(node.version, server.url) as doomed:
        await doomed.start_worker(queue.name, lockDuration=1000, stalledInterval=300)
        job_id = await doomed.add(queue.name, "hang", {"saved": True})
        await doomed.wait_for("active", source=f"worker:{queue.name}", job_id=job_id)
        await doomed.kill()
    async with working(worker):
        await until_state(queue, job_id, "completed")
    seen = await node.get_job(queue.name, job_id)
    assert (seen["stalledCounter"], seen["attemptsStarted"], seen["attemptsMade"]) == (1, 2, 1)
    assert seen["returnvalue"] == {"saved": True}
    assert len(stalled) == 1


async def test_a_job_that_stalls_too_often_is_failed_by_the_other_side(
    node: NodePeer, queue: Queue, server: RedisServer
) -> None:
    """We mark it, Node's worker finds the mark and fails it with our reason."""
    job = await queue.add("echo", {})
    async with hanging_worker(server.url, queue.name) as process:
        await until_state(queue, job.id, "active")
        process.kill()
        await process.wait()
    await node.start_worker(queue.name, lockDuration=1000, stalledInterval=300, maxStalledCount=0)
    await until_state(queue, job.id, "failed")
    await job.refresh()
    assert job.failed_reason == "job stalled more than allowable limit"


async def test_a_living_worker_keeps_its_lock(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    """Neither side takes a job from a worker of the other that renews its lock, however long the job runs."""
    await node.start_worker(queue.name, lockDuration=600, stalledInterval=200, concurrency=2)
    theirs = await queue.add("sleep", {"ms": 1500})
    await node.wait_for("active", source=f"worker:{queue.name}", job_id=theirs.id)

    async def sleep(job: Job[Any]) -> object:
        await asyncio.sleep(job.data["ms"] / 1000)
        return "ours"

    worker = Worker(queue.name, sleep, connection=server.url, lock_duration=0.6, stalled_interval=0.2)
    async with working(worker):
        ours = await node.add(queue.name, "sleep", {"ms": 1500})
        for job_id in (theirs.id, ours):
            await until_state(queue, job_id, "completed")
            assert (await node.get_job(queue.name, job_id))["stalledCounter"] == 0
    assert node.heard("stalled", source=f"worker:{queue.name}") == []
