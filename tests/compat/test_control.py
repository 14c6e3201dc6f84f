"""Whoever pauses, resumes, promotes, retries, removes or changes: the other side sees it and obeys."""

from __future__ import annotations

import pytest

from oxmq import ConfigurationError, JobStateError, Queue, Worker
from tests.compat.node_peer import NodeError, NodePeer
from tests.compat.side import behave, until_count, until_state, working
from tests.support.servers import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


# ---- pause and resume ----------------------------------------------------------------------------------------------


async def test_node_s_worker_rests_while_we_have_paused(node: NodePeer, queue: Queue) -> None:
    await queue.pause()
    assert await node.request("isPaused", queue=queue.name)
    await node.start_worker(queue.name)
    job = await queue.add("echo", {})
    later = await queue.add("echo", {}, delay=0.05)
    await until_state(queue, later.id, "waiting")  # its worker promotes what is due, and starts nothing
    assert await node.get_state(queue.name, job.id) == "waiting"
    await queue.resume()
    await until_count(node, queue.name, "completed", 2)


async def test_our_worker_rests_while_node_has_paused(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    worker = Worker(queue.name, behave, connection=server.url)
    await node.request("pause", queue=queue.name)
    assert await queue.is_paused()
    job_id = await node.add(queue.name, "echo", {})
    assert await worker.get_next_job("token") is None
    assert await queue.get_job_state(job_id) == "waiting"
    async with working(worker):
        await node.request("resume", queue=queue.name)
        await until_count(node, queue.name, "completed", 1)


async def test_our_resume_loses_nothing_that_node_set_aside(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    """BullMQ 5 moves the waiting jobs of a paused queue to another list, and adds there; we never do."""
    added = [await node.add(queue.name, "echo", {}), (await queue.add("echo", {})).id]
    await node.request("pause", queue=queue.name)
    added += [(await queue.add("echo", {})).id, await node.add(queue.name, "echo", {})]
    assert (await queue.get_job_counts("waiting"))["waiting"] == 4
    assert {await queue.get_job_state(job_id) for job_id in added} == {"waiting"}
    await queue.resume()
    assert not await node.request("isPaused", queue=queue.name)
    async with working(Worker(queue.name, behave, connection=server.url)):
        await until_count(node, queue.name, "completed", 4)


async def test_node_may_add_while_we_have_paused(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    await queue.pause()
    await node.add(queue.name, "echo", {})
    await node.add(queue.name, "echo", {}, lifo=True)
    await queue.resume()
    async with working(Worker(queue.name, behave, connection=server.url)):
        await until_count(node, queue.name, "completed", 2)


# ---- single jobs ---------------------------------------------------------------------------------------------------


async def test_node_promotes_our_job(node: NodePeer, queue: Queue) -> None:
    job = await queue.add("echo", {}, delay="1h")
    await node.request("promote", queue=queue.name, id=job.id)
    assert await job.get_state() == "waiting"
    with pytest.raises(NodeError) as refused:
        await node.request("promote", queue=queue.name, id=job.id)
    assert refused.value.code == -3


async def test_we_promote_node_s_job(node: NodePeer, queue: Queue) -> None:
    job_id = await node.add(queue.name, "echo", {}, delay=3_600_000, priority=4)
    job = await queue.get_job(job_id)
    assert job is not None
    await job.promote()
    assert await node.get_state(queue.name, job_id) == "prioritized"
    with pytest.raises(JobStateError):
        await job.promote()


async def test_node_retries_what_failed_with_us(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    job = await queue.add("fail", {"times": 1})
    async with working(Worker(queue.name, behave, connection=server.url)):
        await until_state(queue, job.id, "failed")
        await node.request("retry", queue=queue.name, id=job.id, state="failed")
        await until_state(queue, job.id, "completed")


async def test_we_retry_what_failed_with_node(node: NodePeer, queue: Queue) -> None:
    await node.start_worker(queue.name)
    job = await queue.add("fail", {"times": 1})
    await until_state(queue, job.id, "failed")
    await job.retry()
    await until_state(queue, job.id, "completed")
    assert (await node.get_job(queue.name, job.id))["attemptsMade"] == 2


async def test_either_side_removes_the_other_s_job(node: NodePeer, queue: Queue) -> None:
    ours = (await queue.add("echo", {}, priority=2)).id
    theirs = await node.add(queue.name, "echo", {}, delay=5000)
    assert await node.request("remove", queue=queue.name, id=ours) == 1
    assert await queue.remove(theirs) == 1
    assert await queue.get_job(ours) is None
    assert await node.request("getJob", queue=queue.name, id=theirs) is None
    assert await queue.count() == 0


async def test_a_job_that_is_running_is_removed_by_nobody(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    await node.start_worker(queue.name)
    theirs = await queue.add("sleep", {"ms": 300})
    await node.wait_for("active", source=f"worker:{queue.name}", job_id=theirs.id)
    assert await queue.remove(theirs.id) == 0
    await until_state(queue, theirs.id, "completed")
    await node.request("closeWorker", queue=queue.name, force=False)
    async with working(Worker(queue.name, behave, connection=server.url)):
        ours = await node.add(queue.name, "sleep", {"ms": 300})
        await until_state(queue, ours, "active")
        assert await node.request("remove", queue=queue.name, id=ours) == 0
        await until_state(queue, ours, "completed")


async def test_data_and_progress_changed_by_the_other_side(node: NodePeer, queue: Queue) -> None:
    ours = await queue.add("echo", {"v": 1})
    await node.request("updateData", queue=queue.name, id=ours.id, data={"v": 2})
    await node.request("updateProgress", queue=queue.name, id=ours.id, progress={"half": True})
    await node.request("log", queue=queue.name, id=ours.id, row="from Node")
    await ours.refresh()
    assert (ours.data, ours.progress) == ({"v": 2}, {"half": True})
    assert await queue.get_job_logs(ours.id) == (["from Node"], 1)
    await ours.update_data({"v": 3})
    await ours.update_progress(75)
    await ours.log("from Python")
    seen = await node.get_job(queue.name, ours.id)
    assert (seen["data"], seen["progress"]) == ({"v": 3}, 75)
    logs = await node.request("getJobLogs", queue=queue.name, id=ours.id)
    assert logs == {"logs": ["from Node", "from Python"], "count": 2}


# ---- custom ids ----------------------------------------------------------------------------------------------------


async def test_one_id_is_one_job_whoever_adds_it_first(node: NodePeer, queue: Queue) -> None:
    assert await node.add(queue.name, "echo", {"by": "node"}, jobId="order-1") == "order-1"
    again = await queue.add("echo", {"by": "us"}, job_id="order-1")
    assert again.id == "order-1"
    await queue.add("echo", {"by": "us"}, job_id="order-2")
    assert await node.add(queue.name, "echo", {"by": "node"}, jobId="order-2") == "order-2"
    assert await queue.count() == 2
    assert (await node.get_job(queue.name, "order-1"))["data"] == {"by": "node"}
    assert (await node.get_job(queue.name, "order-2"))["data"] == {"by": "us"}


@pytest.mark.parametrize("job_id", ["17", "a:b", "0"])
async def test_both_refuse_the_same_ids(node: NodePeer, queue: Queue, job_id: str) -> None:
    with pytest.raises(NodeError):
        await node.add(queue.name, "echo", {}, jobId=job_id)
    with pytest.raises(ConfigurationError):
        await queue.add("echo", {}, job_id=job_id)


async def test_ids_from_the_counter_are_shared(node: NodePeer, server: RedisServer, queue_name: str) -> None:
    async with Queue(queue_name, connection=server.url, ids="counter") as counting:
        ids = [
            await node.add(queue_name, "echo", {}),
            (await counting.add("echo", {})).id,
            await node.add(queue_name, "echo", {}),
            (await counting.add("echo", {})).id,
        ]
    assert ids == ["1", "2", "3", "4"]
