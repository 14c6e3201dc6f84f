"""Job schedulers that one library made and the other one works: always one next job, whoever makes it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from itertools import chain, pairwise
from typing import Any

import pytest
import pytest_asyncio

from oxmq import Job, JobOptions, Queue, Worker, cron, every
from tests.compat.node_peer import DEADLINE, NodeError, NodePeer
from tests.compat.side import behave, until_count, working
from tests.support.servers import RedisServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEEP_ALL: dict[str, Any] = {"remove_on_complete": None}


@pytest_asyncio.fixture(loop_scope="session")
async def client(server: RedisServer) -> AsyncIterator[Any]:
    """Return a plain client."""
    with server.client() as opened:
        yield opened


def next_jobs(client: Any, queue: Queue) -> list[str]:
    """Return the ids of the scheduler's jobs that wait to be run, all at one moment."""
    base = queue.qualified_name
    found = client.pipeline().lrange(f"{base}:wait", 0, -1).zrange(f"{base}:prioritized", 0, -1)
    parts: list[list[str]] = found.zrange(f"{base}:delayed", 0, -1).execute()
    return [job_id for job_id in chain.from_iterable(parts) if job_id.startswith("repeat:")]


async def until_iterations(client: Any, queue: Queue, count: int) -> None:
    """Wait until the scheduler has made so many jobs, seeing never more than one that is yet to run."""

    async def reached() -> bool:
        assert len(next_jobs(client, queue)) <= 1
        found = await queue.get_job_scheduler("s")
        assert found is not None
        return (found.iteration_count or 0) >= count

    await eventually(reached, DEADLINE, f"the scheduler never made {count} jobs")


async def numbers_are_in_line(client: Any, queue: Queue) -> None:
    """Check that each job was followed by one, by the numbers that they carry."""
    ids = [*[job.id for job in await queue.get_completed()], *next_jobs(client, queue)]
    opts = [client.hget(f"{queue.qualified_name}:{job_id}", "opts") for job_id in ids]
    counts = sorted(json.loads(found)["repeat"]["count"] for found in opts)
    assert counts == list(range(1, len(counts) + 1))


# ---- Node makes it, we work it --------------------------------------------------------------------------------------


async def test_we_go_on_with_node_s_interval(node: NodePeer, queue: Queue, server: RedisServer, client: Any) -> None:
    template: dict[str, Any] = {"name": "echo", "data": {"empty": []}, "opts": {"attempts": 2, "keepLogs": 3}}
    await node.request("upsertScheduler", queue=queue.name, scheduler="s", repeat={"every": 50}, template=template)
    async with working(Worker(queue.name, behave, connection=server.url, **KEEP_ALL)):
        await until_iterations(client, queue, 6)
        found = await node.request("getScheduler", queue=queue.name, scheduler="s")
        assert found["every"] == 50
        assert found["iterationCount"] >= 6
        assert await node.request("removeScheduler", queue=queue.name, scheduler="s") is True
    for job in await queue.get_completed():
        assert (job.name, job.return_value, job.options.attempts) == ("echo", {"empty": []}, 2)
    await numbers_are_in_line(client, queue)


async def test_we_go_on_with_node_s_pattern(node: NodePeer, queue: Queue, server: RedisServer, client: Any) -> None:
    repeat = {"pattern": "* * * * * *", "tz": "Europe/Berlin", "limit": 3}
    template = {"name": "echo", "opts": {"priority": 3}}
    await node.request("upsertScheduler", queue=queue.name, scheduler="s", repeat=repeat, template=template)
    async with working(Worker(queue.name, behave, connection=server.url, **KEEP_ALL)):
        await until_count(node, queue.name, "completed", 3)
    done = await queue.get_completed()
    times = sorted(int(job.id.rpartition(":")[2]) for job in done)
    assert [late - early for early, late in pairwise(times)] == [1000, 1000]
    assert [job.priority for job in done] == [3, 3, 3]
    assert next_jobs(client, queue) == []


async def test_we_read_what_node_made(node: NodePeer, queue: Queue) -> None:
    repeat = {"pattern": "0 9 * * 1-5", "tz": "Europe/Berlin", "limit": 7}
    template = {"name": "echo", "data": {"a": 1}, "opts": {"attempts": 4, "backoff": {"type": "fixed", "delay": 500}}}
    job_id = await node.request("upsertScheduler", queue=queue.name, scheduler="s", repeat=repeat, template=template)
    found = await queue.get_job_scheduler("s")
    assert found is not None
    assert (found.name, found.data, found.iteration_count, found.legacy) == ("echo", {"a": 1}, 1, False)
    assert found.schedule == cron("0 9 * * 1-5", tz="Europe/Berlin", limit=7)
    assert found.options.attempts == 4
    assert f"repeat:s:{round(found.next.timestamp() * 1000)}" == job_id


async def test_we_change_and_remove_what_node_made(node: NodePeer, queue: Queue, client: Any) -> None:
    template = {"name": "echo", "data": {"v": 1}}
    await node.request("upsertScheduler", queue=queue.name, scheduler="s", repeat={"every": 60_000}, template=template)
    job = await queue.upsert_job_scheduler("s", cron("0 9 * * *"), "echo", {"v": 2})
    assert job is not None
    assert next_jobs(client, queue) == [job.id]
    assert (await node.request("getScheduler", queue=queue.name, scheduler="s"))["template"]["data"] == {"v": 2}
    assert await queue.remove_job_scheduler("s")
    assert await node.request("getScheduler", queue=queue.name, scheduler="s") is None
    assert next_jobs(client, queue) == []


# ---- we make it, Node works it ---------------------------------------------------------------------------------------


async def test_node_goes_on_with_our_interval(node: NodePeer, queue: Queue, client: Any) -> None:
    await queue.upsert_job_scheduler("s", every(0.05, overlap="skip", missed="all"), "echo", {"a": 1}, attempts=2)
    await node.start_worker(queue.name)
    await until_iterations(client, queue, 6)
    await queue.remove_job_scheduler("s")
    for job in await queue.get_completed():
        assert (job.return_value, job.options.attempts) == ({"a": 1}, 2)
    await numbers_are_in_line(client, queue)


async def test_node_goes_on_with_our_pattern(node: NodePeer, queue: Queue, client: Any) -> None:
    await queue.upsert_job_scheduler("s", cron("* * * * * *", limit=3), "echo", {})
    await node.start_worker(queue.name)
    await until_count(node, queue.name, "completed", 3)
    assert next_jobs(client, queue) == []


async def test_node_reads_what_we_made(node: NodePeer, queue: Queue) -> None:
    schedule = every("1m", offset="7s", limit=9)
    job = await queue.upsert_job_scheduler("s", schedule, "echo", {"a": [1]}, attempts=3, timeout=5)
    assert job is not None
    found = await node.request("getScheduler", queue=queue.name, scheduler="s")
    assert (found["every"], found["offset"], found["limit"], found["iterationCount"]) == (60_000, 7_000, 9, 1)
    assert found["template"] == {"data": {"a": [1]}, "opts": {"attempts": 3, "timeout": 5000}}
    seen = await node.get_job(queue.name, job.id)
    assert seen["opts"]["repeat"] == {"every": 60_000, "offset": 7_000, "limit": 9, "count": 1}
    with pytest.raises(NodeError) as refused:
        await node.request("remove", queue=queue.name, id=job.id)
    assert refused.value.code == -8


async def test_node_changes_and_removes_what_we_made(node: NodePeer, queue: Queue, client: Any) -> None:
    await queue.upsert_job_scheduler("s", cron("0 9 * * *", missed="skip"), "echo", {"v": 1})
    template = {"name": "echo", "data": {"v": 2}}
    await node.request("upsertScheduler", queue=queue.name, scheduler="s", repeat={"every": 60_000}, template=template)
    found = await queue.get_job_scheduler("s")
    assert found is not None
    assert (found.data, found.schedule and found.schedule.missed) == ({"v": 2}, "one")
    assert len(next_jobs(client, queue)) == 1
    assert await node.request("removeScheduler", queue=queue.name, scheduler="s") is True
    assert await queue.get_job_schedulers_count() == 0


# ---- pausing, which Node does not know -------------------------------------------------------------------------------


async def test_node_keeps_to_a_pause(node: NodePeer, queue: Queue, client: Any) -> None:
    """Also when it is running the job that would make the next one."""
    await queue.upsert_job_scheduler("s", every(0.05), "echo", {})
    await node.start_worker(queue.name)
    for _ in range(3):
        await until_iterations(client, queue, (await iterations(queue)) + 2)
        assert await queue.pause_job_scheduler("s")
        await eventually(lambda: drained(queue), DEADLINE, "jobs are left")
        made = await iterations(queue)
        # A job that it works now shows that it has looked, and made none.
        job = await queue.trigger_job_scheduler("s")
        assert await job.result(timeout=DEADLINE) == {}
        assert (next_jobs(client, queue), await iterations(queue)) == ([], made)
        assert (await node.request("getScheduler", queue=queue.name, scheduler="s"))["every"] == 50
        assert await queue.resume_job_scheduler("s")
    await until_iterations(client, queue, (await iterations(queue)) + 2)
    await queue.remove_job_scheduler("s")


async def test_node_s_upsert_ends_a_pause(node: NodePeer, queue: Queue, client: Any) -> None:
    await queue.upsert_job_scheduler("s", every(60), "echo", {})
    await queue.pause_job_scheduler("s")
    template: dict[str, Any] = {"name": "echo", "data": {}}
    await node.request("upsertScheduler", queue=queue.name, scheduler="s", repeat={"every": 60_000}, template=template)
    found = await queue.get_job_scheduler("s")
    assert found is not None
    assert not found.paused
    assert len(next_jobs(client, queue)) >= 1


async def iterations(queue: Queue) -> int:
    """Return how many jobs the scheduler has made."""
    found = await queue.get_job_scheduler("s")
    assert found is not None
    return found.iteration_count or 0


# ---- both at once ----------------------------------------------------------------------------------------------------


async def test_many_workers_of_both_kinds_share_a_scheduler(
    node: NodePeer, queue: Queue, server: RedisServer, client: Any
) -> None:
    ours = Counter[str]()

    async def count(job: Job[Any]) -> object:
        ours[job.id] += 1
        return await behave(job)

    await node.start_worker(queue.name, concurrency=4)
    async with (
        working(Worker(queue.name, count, connection=server.url, concurrency=4, **KEEP_ALL)),
        working(Worker(queue.name, count, connection=server.url, concurrency=4, **KEEP_ALL)),
    ):
        await queue.upsert_job_scheduler("s", every(0.02), "echo", {})
        await until_iterations(client, queue, 60)
        await queue.remove_job_scheduler("s")
        await eventually(lambda: drained(queue), DEADLINE, "jobs are left")
    theirs = Counter(str(event.job_id) for event in node.heard("completed", source=f"worker:{queue.name}"))
    done = [job.id for job in await queue.get_completed()]
    assert ours + theirs == Counter(done)
    assert ours
    assert theirs
    await numbers_are_in_line(client, queue)


async def drained(queue: Queue) -> bool:
    """Tell whether nothing is left to do."""
    counts = await queue.get_job_counts("waiting", "delayed", "active")
    return not any(counts.values())


# ---- what version 5 leaves behind ------------------------------------------------------------------------------------


@pytest.fixture
def version_5(peers: dict[str, NodePeer]) -> NodePeer:
    """Return the peer that still makes repeatable jobs."""
    (found,) = [peer for version, peer in peers.items() if version.startswith("5.")]
    return found


async def test_a_repeatable_job_is_shown_as_legacy_and_goes_on(
    version_5: NodePeer, queue: Queue, server: RedisServer, client: Any
) -> None:
    await version_5.add(queue.name, "echo", {"a": 1}, repeat={"every": 100})
    before = client.hgetall(client.keys(f"{queue.qualified_name}:repeat:*")[0])
    (found,) = await queue.get_job_schedulers()
    assert (found.name, found.legacy, found.iteration_count, found.options) == ("echo", True, None, JobOptions())
    assert client.hgetall(client.keys(f"{queue.qualified_name}:repeat:*")[0]) == before
    async with working(Worker(queue.name, behave, connection=server.url, **KEEP_ALL)):
        await until_count(version_5, queue.name, "completed", 3)
        assert len(next_jobs(client, queue)) <= 1
    await queue.remove_job_scheduler(found.id)
    await version_5.request("forget", queue=queue.name)
