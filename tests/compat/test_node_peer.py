"""The peer itself: the version asked for, errors with their codes, and no waiting for a process that is gone."""

from __future__ import annotations

import pytest

from tests.compat.node_peer import NodeError, NodePeer
from tests.support.servers import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_each_peer_runs_the_version_that_it_stands_for(node: NodePeer) -> None:
    assert await node.request("version") == node.version


async def test_an_error_of_bullmq_arrives_with_its_code(node: NodePeer, queue_name: str) -> None:
    job_id = await node.add(queue_name, "echo", {})
    with pytest.raises(NodeError, match=f"Job {job_id} is not in the delayed state") as refused:
        await node.request("promote", queue=queue_name, id=job_id)
    assert refused.value.code == -3


async def test_an_unknown_operation_is_an_error(node: NodePeer) -> None:
    with pytest.raises(NodeError, match="no operation danceTango"):
        await node.request("danceTango")


async def test_a_killed_peer_fails_its_waiters_at_once(node: NodePeer, server: RedisServer, queue_name: str) -> None:
    async with NodePeer(node.version, server.url) as doomed:
        await doomed.start_worker(queue_name)
        await doomed.kill()
        with pytest.raises(TimeoutError, match="no 1 x completed"):
            await doomed.wait_for("completed")
        with pytest.raises(RuntimeError, match="not running"):
            await doomed.request("version")
