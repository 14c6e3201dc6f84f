"""A job that runs in a pod says so in fields of its own, which nobody else minds."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from oxmq import Queue, Worker
from oxmq.keys import QueueKeys
from oxmq.ops import remote_runs
from oxmq.ops.remote_runs import Left, RemoteRun, RunState
from oxmq.transport.connect import Endpoint
from oxmq.transport.runner import AsyncRunner
from tests.compat.node_peer import NodePeer
from tests.compat.side import behave, until_state
from tests.support.servers import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

RUN = RemoteRun(number=1, attempt=1, namespace="jobs", name="echo-1", phase="spawned", uid="u1", at_ms=1)


@asynccontextmanager
async def taken_into_a_pod(queue: Queue, server: RedisServer, runner: AsyncRunner) -> AsyncGenerator[Any]:
    """Yield our job, which has run in a pod that has left its result."""
    added = await queue.add("echo", {"month": 5}, attempts=3)
    async with Worker(queue.name, behave, connection=server.url) as worker:
        job = await worker.get_next_job("token")
        assert job is not None
        assert job.id == added.id
        keys = QueueKeys(queue.name)
        await runner.run(remote_runs.note_run(keys, job.id, "token", RUN, fresh=True))
        assert await runner.run(remote_runs.beat_run(keys, job.id, 1, "pod-1", 5))
        assert await runner.run(remote_runs.leave_result(keys, job.id, "pod-1", Left(number=1, result="7")))
        yield job


async def state_of(queue: Queue, runner: AsyncRunner, job_id: str) -> RunState:
    return await runner.run(remote_runs.get_run_state(QueueKeys(queue.name), job_id))


async def test_node_reads_retries_and_runs_a_job_that_had_a_pod(
    node: NodePeer, queue: Queue, server: RedisServer
) -> None:
    runner = AsyncRunner(Endpoint(server.url))
    async with taken_into_a_pod(queue, server, runner) as job:
        seen = await node.get_job(queue.name, job.id)
        assert (seen["name"], seen["data"]) == ("echo", {"month": 5})
        assert await node.get_state(queue.name, job.id) == "active"
        await job.move_to_failed("no luck", "token")  # attempts are left
    await node.start_worker(queue.name)
    await until_state(queue, job.id, "completed")
    assert (await state_of(queue, runner, job.id)).current is None
    await node.request("retry", queue=queue.name, id=job.id, state="completed")
    await until_state(queue, job.id, "completed")
    assert (await state_of(queue, runner, job.id)).current is None
    await runner.close()


async def test_node_removes_such_a_job_whole(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    runner = AsyncRunner(Endpoint(server.url))
    async with taken_into_a_pod(queue, server, runner) as job:
        await job.move_to_completed(7, "token", fetch_next=False)
    await node.request("remove", queue=queue.name, id=job.id)
    assert not (await state_of(queue, runner, job.id)).exists
    with server.client() as client:
        assert not client.exists(QueueKeys(queue.name).job(job.id))
    await runner.close()
