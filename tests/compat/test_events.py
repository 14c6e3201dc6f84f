"""Each side hears of what the other does, through the stream of events that they share."""

from __future__ import annotations

import asyncio

import pytest

from oxmq import Queue, QueueEvents, Worker
from tests.compat.node_peer import DEADLINE, NodePeer
from tests.compat.side import behave, until_state, working
from tests.support.servers import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_node_hears_what_we_do(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    source = f"events:{queue.name}"
    await node.request("startEvents", queue=queue.name)
    async with working(Worker(queue.name, behave, connection=server.url, concurrency=1)):
        done = await queue.add("progress", {"steps": [50]})
        failing = await queue.add("fail", {"times": 9, "reason": "told so"}, attempts=2, backoff=0.02)
        await queue.add("echo", {}, job_id=done.id)
        await until_state(queue, done.id, "completed")
        await until_state(queue, failing.id, "failed")
    gone = await queue.add("echo", {}, delay=60)
    await queue.remove(gone.id)
    await queue.pause()
    await queue.resume()
    await node.wait_for("resumed", source=source)
    await node.wait_for("drained", source=source)

    def told(event: str, job_id: str) -> list[dict[str, object]]:
        return [news.fields for news in node.heard(event, source=source) if news.job_id == job_id]

    assert told("added", done.id) == [{"jobId": done.id, "name": "progress"}]
    assert told("active", done.id) == [{"jobId": done.id, "prev": "waiting"}]
    assert told("progress", done.id) == [{"jobId": done.id, "data": 50}]
    assert told("completed", done.id) == [{"jobId": done.id, "returnvalue": {"steps": [50]}, "prev": "active"}]
    assert told("duplicated", done.id) == [{"jobId": done.id}]
    assert len(told("active", failing.id)) == 2
    assert [set(fields) for fields in told("delayed", failing.id)] == [{"jobId", "delay"}]
    assert told("failed", failing.id) == [{"jobId": failing.id, "failedReason": "told so", "prev": "active"}]
    assert told("retries-exhausted", failing.id) == [{"jobId": failing.id, "attemptsMade": "2"}]
    assert told("removed", gone.id) == [{"jobId": gone.id, "prev": "delayed"}]
    assert len(node.heard("paused", source=source)) == 1


async def test_we_hear_what_node_does(node: NodePeer, queue: Queue, server: RedisServer) -> None:
    heard: list[tuple[str, str | None, dict[str, object]]] = []

    async def listen(events: QueueEvents) -> None:
        async for event in events:
            heard.append((event.name, event.job_id, dict(event.fields)))
            if event.name == "resumed":
                return

    async with QueueEvents(queue.name, connection=server.url, last_event_id="0-0") as events:
        listening = asyncio.create_task(listen(events))
        await node.start_worker(queue.name)
        done = await node.add(queue.name, "progress", {"steps": [50]})
        failing = await node.add(queue.name, "fail", {"times": 9, "reason": "told so"}, attempts=2, backoff=20)
        await until_state(queue, done, "completed")
        await until_state(queue, failing, "failed")
        await node.request("pause", queue=queue.name)
        await node.request("resume", queue=queue.name)
        await asyncio.wait_for(listening, DEADLINE)

    def told(event: str, job_id: str) -> list[dict[str, object]]:
        return [
            {name: value for name, value in fields.items() if name not in ("event", "jobId")}
            for name, about, fields in heard
            if (name, about) == (event, job_id)
        ]

    assert told("added", done) == [{"name": "progress"}]
    assert told("active", done) == [{"prev": "waiting"}]
    assert told("progress", done) == [{"data": 50}]
    assert told("completed", done) == [{"returnvalue": {"steps": [50]}, "prev": "active"}]
    assert len(told("active", failing)) == 2
    assert len(told("delayed", failing)) == 1
    assert told("failed", failing) == [{"failedReason": "told so", "prev": "active"}]
    assert [name for name, job_id, _ in heard if job_id is None and name in ("paused", "resumed")] == [
        "paused",
        "resumed",
    ]
