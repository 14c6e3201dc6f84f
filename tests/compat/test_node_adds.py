"""Node adds jobs, our worker runs them, and Node reads what came of it."""

from __future__ import annotations

from typing import Any

import pytest

from oxmq import Job, Queue, Worker
from tests.compat.node_peer import NodePeer
from tests.compat.side import behave, until_count, until_state, working
from tests.support.servers import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_plain_job_runs_and_node_reads_its_result(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    job_id = await node.add(queue.name, "echo", {"text": "grüße / 你好", "list": [1, 2.5, None, True]})
    async with working(Worker(queue.name, behave, connection=server.url, worker_name="ours")):
        await until_state(queue, job_id, "completed")
    seen = await node.get_job(queue.name, job_id)
    assert seen["returnvalue"] == seen["data"] == {"text": "grüße / 你好", "list": [1, 2.5, None, True]}
    assert (seen["attemptsMade"], seen["attemptsStarted"], seen["processedBy"]) == (1, 1, "ours")
    assert seen["timestamp"] <= seen["processedOn"] <= seen["finishedOn"]
    assert await node.get_state(queue.name, job_id) == "completed"


@pytest.mark.parametrize("data", [{}, None, [], "text", 7, [1, {"a": None}]])
async def test_any_json_is_accepted_as_data(node: NodePeer, queue: Queue, server: RedisServer, data: object) -> None:
    job_id = await node.add(queue.name, "whatever", data)

    async def give_back(job: Job[Any]) -> object:
        return {"data": job.data}

    async with working(Worker(queue.name, give_back, connection=server.url)):
        await until_state(queue, job_id, "completed")
    assert (await node.get_job(queue.name, job_id))["returnvalue"] == {"data": data}


async def test_a_job_without_data_or_result(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    [job_id] = await node.request("addBulk", queue=queue.name, jobs=[{"name": "none"}])
    seen: list[object] = []

    async def look(job: Job[Any]) -> None:
        seen.append(job.data)

    async with working(Worker(queue.name, look, connection=server.url)):
        await until_state(queue, job_id, "completed")
    assert seen == [{}]
    assert (await node.get_job(queue.name, job_id))["returnvalue"] is None


async def test_node_s_attempts_and_backoff_are_honoured(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    job_id = await node.add(
        queue.name, "fail", {"times": 2, "reason": "not yet"}, attempts=3, backoff={"type": "exponential", "delay": 40}
    )
    async with working(Worker(queue.name, behave, connection=server.url)):
        await until_state(queue, job_id, "completed")
    seen = await node.get_job(queue.name, job_id)
    assert (seen["attemptsMade"], seen["attemptsStarted"]) == (3, 3)
    assert seen["failedReason"] == "not yet"
    assert seen["finishedOn"] - seen["timestamp"] >= 40 + 80
    assert len(seen["stacktrace"]) == 2


async def test_a_failure_of_ours_is_readable_by_node(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    job_id = await node.add(queue.name, "fail", {"times": 9, "reason": "no such file: ä.txt"}, attempts=2)
    async with working(Worker(queue.name, behave, connection=server.url)):
        await until_state(queue, job_id, "failed")
    seen = await node.get_job(queue.name, job_id)
    assert seen["failedReason"] == "no such file: ä.txt"
    assert len(seen["stacktrace"]) == 2
    assert all("RuntimeError: no such file: ä.txt" in stack and "behave" in stack for stack in seen["stacktrace"])
    assert seen["attemptsMade"] == 2


async def test_the_stack_trace_limit_of_node_is_honoured(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    job_id = await node.add(queue.name, "fail", {"times": 9}, attempts=3, stackTraceLimit=1)
    async with working(Worker(queue.name, behave, connection=server.url)):
        await until_state(queue, job_id, "failed")
    assert len((await node.get_job(queue.name, job_id))["stacktrace"]) == 1


async def test_unrecoverable_uses_no_further_attempt(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    job_id = await node.add(queue.name, "unrecoverable", {"reason": "the order is void"}, attempts=5, backoff=10)
    async with working(Worker(queue.name, behave, connection=server.url)):
        await until_state(queue, job_id, "failed")
    seen = await node.get_job(queue.name, job_id)
    assert (seen["failedReason"], seen["attemptsMade"]) == ("the order is void", 1)


async def test_a_delayed_job_is_not_run_before_its_time(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    async with working(Worker(queue.name, behave, connection=server.url)):
        job_id = await node.add(queue.name, "echo", {}, delay=300)
        assert await node.get_state(queue.name, job_id) == "delayed"
        await until_state(queue, job_id, "completed")
    seen = await node.get_job(queue.name, job_id)
    assert 300 <= seen["processedOn"] - seen["timestamp"] < 2000
    assert seen["delay"] == 0


async def test_priorities_lifo_and_arrival_decide_the_order(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    # Priority 0 comes before all priorities; within one priority, arrival decides.
    for label, opts in (
        ("p5-first", {"priority": 5}),
        ("p1", {"priority": 1}),
        ("p5-second", {"priority": 5}),
        ("plain-first", {}),
        ("plain-second", {}),
        ("lifo", {"lifo": True}),
    ):
        await node.add(queue.name, "echo", {"label": label}, **opts)
    order: list[str] = []

    async def note(job: Job[Any]) -> None:
        order.append(job.data["label"])

    async with working(Worker(queue.name, note, connection=server.url, concurrency=1)):
        await until_count(node, queue.name, "completed", 6)
    assert order == ["lifo", "plain-first", "plain-second", "p1", "p5-first", "p5-second"]


async def test_progress_and_logs_of_ours_reach_node(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    steps = [10, {"done": 5, "of": 9}]
    moving = await node.add(queue.name, "progress", {"steps": steps})
    logging = await node.add(queue.name, "log", {"rows": ["one", "two", "three ü"]}, keepLogs=2)
    await node.request("startEvents", queue=queue.name)
    async with working(Worker(queue.name, behave, connection=server.url)):
        await until_count(node, queue.name, "completed", 2)
    assert (await node.get_job(queue.name, moving))["progress"] == steps[-1]
    assert await node.request("getJobLogs", queue=queue.name, id=logging) == {"logs": ["two", "three ü"], "count": 2}
    heard = await node.wait_for("progress", source=f"events:{queue.name}", job_id=moving, count=2)
    assert [event.fields["data"] for event in heard] == steps


async def test_node_s_removal_options_are_honoured(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    gone = await node.add(queue.name, "echo", {}, removeOnComplete=True)
    failed = await node.add(queue.name, "unrecoverable", {}, removeOnFail=True)
    kept = [await node.add(queue.name, "echo", {"n": n}, removeOnComplete={"count": 2}) for n in range(4)]
    last = await node.add(queue.name, "echo", {}, removeOnComplete=2)
    async with working(Worker(queue.name, behave, connection=server.url, concurrency=1)):
        await until_state(queue, last, "completed")
    counts = await node.request("getCounts", queue=queue.name, states=["completed", "failed", "waiting"])
    assert counts["completed"] == 2
    assert counts["failed"] == 0
    assert await node.request("getJob", queue=queue.name, id=gone) is None
    assert await node.request("getJob", queue=queue.name, id=failed) is None
    assert await node.get_state(queue.name, kept[-1]) == "completed"


async def test_node_s_job_objects_are_read_in_full(node: NodePeer, queue: Queue) -> None:
    opts = {
        "attempts": 4,
        "backoff": {"type": "fixed", "delay": 1500, "jitter": 0.25},
        "priority": 3,
        "removeOnComplete": {"age": 60, "count": 5},
        "removeOnFail": 7,
        "keepLogs": 9,
        "timestamp": 1_600_000_000_000,
        "unknownToUs": {"deep": [1]},
    }
    job_id = await node.add(queue.name, "described", {"a": 1}, **opts)
    job = await queue.get_job(job_id)
    assert job is not None
    assert (job.id, job.name, job.queue_name, job.data, job.priority) == (job_id, "described", queue.name, {"a": 1}, 3)
    assert job.timestamp.timestamp() == 1_600_000_000
    assert (job.options.attempts, job.options.priority, job.options.keep_logs) == (4, 3, 9)
    assert (job.attempts_made, job.attempts_started, job.stacktrace, job.return_value) == (0, 0, [], None)
