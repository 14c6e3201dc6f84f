"""We add jobs, Node's worker runs them, and we read what came of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oxmq import Job, JobFailedError, Keep, Queue, exponential, fixed
from tests.compat.node_peer import DEADLINE, NodePeer
from tests.compat.side import until_count, until_state

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def found(queue: Queue, job_id: str) -> Job[Any]:
    job = await queue.get_job(job_id)
    assert job is not None
    return job


async def test_a_plain_job_runs_and_we_read_its_result(node: NodePeer, queue: Queue) -> None:
    data: dict[str, object] = {"text": "grüße / 你好", "list": [1, 2.5, None, True], "deep": {"a": {}}}
    added = await queue.add("echo", data)
    await node.start_worker(queue.name, name="theirs")
    await until_state(queue, added.id, "completed")
    job = await found(queue, added.id)
    assert job.return_value == job.data == data
    assert (job.attempts_made, job.attempts_started, job.processed_by) == (1, 1, "theirs")
    assert job.processed_on is not None
    assert job.finished_on is not None
    assert job.timestamp <= job.processed_on <= job.finished_on


async def test_we_can_wait_for_a_result_of_node(node: NodePeer, queue: Queue) -> None:
    await node.start_worker(queue.name)
    job = await queue.add("sleep", {"ms": 50, "sum": 7})
    assert await job.result(timeout=DEADLINE) == {"ms": 50, "sum": 7}


async def test_waiting_for_a_result_raises_node_s_reason(node: NodePeer, queue: Queue) -> None:
    await node.start_worker(queue.name)
    job = await queue.add("unrecoverable", {"reason": "no such customer"})
    with pytest.raises(JobFailedError, match="no such customer"):
        await job.result(timeout=DEADLINE)


@pytest.mark.parametrize("data", [{}, None, [], "text", 7, [1, {"a": None}]])
async def test_any_json_arrives_as_it_was(node: NodePeer, queue: Queue, data: object) -> None:
    job = await queue.add("echo", data)
    assert (await node.get_job(queue.name, job.id))["data"] == data


async def test_our_attempts_and_backoff_are_honoured(node: NodePeer, queue: Queue) -> None:
    growing = await queue.add("fail", {"times": 2, "reason": "not yet"}, attempts=3, backoff=exponential("40ms"))
    steady = await queue.add("fail", {"times": 1}, attempts=2, backoff=fixed(0.05))
    plain = await queue.add("fail", {"times": 1}, attempts=2, backoff=0.05)
    await node.start_worker(queue.name, concurrency=3)
    for job_id in (growing.id, steady.id, plain.id):
        await until_state(queue, job_id, "completed")
    job = await found(queue, growing.id)
    assert (job.attempts_made, job.attempts_started, job.failed_reason) == (3, 3, "not yet")
    assert job.finished_on is not None
    assert job.finished_on - job.timestamp >= timedelta(milliseconds=40 + 80)
    for job_id in (steady.id, plain.id):
        assert (await found(queue, job_id)).attempts_made == 2


async def test_a_failure_of_node_is_readable_by_us(node: NodePeer, queue: Queue) -> None:
    added = await queue.add("fail", {"times": 9, "reason": "no such file: ä.txt"}, attempts=2)
    await node.start_worker(queue.name)
    await until_state(queue, added.id, "failed")
    job = await found(queue, added.id)
    assert (job.failed_reason, job.attempts_made) == ("no such file: ä.txt", 2)
    assert len(job.stacktrace) == 2
    assert all(stack.startswith("Error: no such file: ä.txt\n    at ") for stack in job.stacktrace)


async def test_delays_from_us_are_kept_by_node(node: NodePeer, queue: Queue) -> None:
    await node.start_worker(queue.name)
    added = await queue.add("echo", {}, delay=0.3)
    assert await node.get_state(queue.name, added.id) == "delayed"
    await until_state(queue, added.id, "completed")
    job = await found(queue, added.id)
    assert job.processed_on is not None
    assert timedelta(seconds=0.3) <= job.processed_on - job.timestamp < timedelta(seconds=2)


async def test_priorities_lifo_and_arrival_decide_the_order(node: NodePeer, queue: Queue) -> None:
    first = await queue.add("echo", {}, priority=5)
    urgent = await queue.add("echo", {}, priority=1)
    second = await queue.add("echo", {}, priority=5)
    plain = await queue.add_bulk([("echo", {}), ("echo", {})])
    last = await queue.add("echo", {}, lifo=True)
    await node.start_worker(queue.name, concurrency=1)
    events = await node.wait_for("completed", source=f"worker:{queue.name}", count=6)
    assert [event.job_id for event in events] == [last.id, plain[0].id, plain[1].id, urgent.id, first.id, second.id]


async def test_progress_and_logs_of_node_reach_us(node: NodePeer, queue: Queue) -> None:
    moving = await queue.add("progress", {"steps": [10, {"done": 5, "of": 9}]})
    logging = await queue.add("log", {"rows": ["one", "two", "three ü"]}, keep_logs=2)
    await node.start_worker(queue.name)
    await until_count(node, queue.name, "completed", 2)
    assert (await found(queue, moving.id)).progress == {"done": 5, "of": 9}
    assert await queue.get_job_logs(logging.id) == (["two", "three ü"], 2)


async def test_our_removal_options_are_honoured(node: NodePeer, queue: Queue) -> None:
    gone = await queue.add("echo", {}, remove_on_complete=True)
    failed = await queue.add("unrecoverable", {}, remove_on_fail=True)
    for number in range(4):
        await queue.add("echo", {"n": number}, remove_on_complete=Keep(count=2, age="1h"))
    last = await queue.add("echo", {}, remove_on_complete=2)
    await node.start_worker(queue.name, concurrency=1)
    await until_state(queue, last.id, "completed")
    assert await queue.get_job_counts("completed", "failed") == {"completed": 2, "failed": 0}
    assert await queue.get_job(gone.id) is None
    assert await queue.get_job(failed.id) is None


async def test_our_options_are_spelled_as_node_spells_them(node: NodePeer, queue: Queue) -> None:
    job = await queue.add(
        "described",
        {"a": 1},
        attempts=4,
        backoff=fixed(1.5, jitter=0.25),
        priority=3,
        remove_on_complete=Keep(count=5, age=60, limit=10),
        remove_on_fail=7,
        keep_logs=9,
        stack_trace_limit=2,
        size_limit=1000,
        timestamp=datetime.fromtimestamp(1_600_000_000, UTC),
    )
    seen = await node.get_job(queue.name, job.id)
    assert seen["opts"] == {
        "attempts": 4,
        "backoff": {"type": "fixed", "delay": 1500, "jitter": 0.25},
        "priority": 3,
        "removeOnComplete": {"age": 60, "count": 5, "limit": 10},
        "removeOnFail": 7,
        "keepLogs": 9,
        "stackTraceLimit": 2,
        "sizeLimit": 1000,
        "timestamp": 1_600_000_000_000,
    }
    assert (seen["timestamp"], seen["priority"], seen["delay"]) == (1_600_000_000_000, 3, 0)
