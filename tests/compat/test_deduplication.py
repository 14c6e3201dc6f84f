"""Jobs of one deduplication id, whichever side adds them and whichever works."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from oxmq import Deduplication, Queue, Worker
from tests.compat.node_peer import VERSIONS, NodePeer
from tests.compat.side import behave, until_count, until_state, working
from tests.support.servers import RedisServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

Add = Callable[..., Awaitable[str]]


def adders(node: NodePeer, queue: Queue) -> dict[str, Add]:
    """Return how each side adds a job of the deduplication id "x"; each gives the id of the job that stands."""

    async def ours(data: Any, *, name: str = "echo", delay_ms: int = 0, ttl_ms: int = 0, **flags: bool) -> str:
        deduplication = Deduplication("x", ttl=ttl_ms / 1000 or None, **flags)
        return (await queue.add(name, data, delay=delay_ms / 1000, deduplication=deduplication)).id

    async def theirs(data: Any, *, name: str = "echo", delay_ms: int = 0, ttl_ms: int = 0, **flags: bool) -> str:
        camel = {"keep_last_if_active": "keepLastIfActive"}
        deduplication: dict[str, Any] = {"id": "x"} | {camel.get(flag, flag): value for flag, value in flags.items()}
        if ttl_ms:
            deduplication["ttl"] = ttl_ms
        return await node.add(queue.name, name, data, delay=delay_ms, deduplication=deduplication)

    return {"ours": ours, "node": theirs}


both_ways = pytest.mark.parametrize(("first", "second"), [("ours", "node"), ("node", "ours")])


@both_ways
async def test_one_sides_job_keeps_the_others_out(
    node: NodePeer, queue: Queue, server: RedisServer, first: str, second: str
) -> None:
    add = adders(node, queue)
    kept = await add[first]({"n": 1})
    assert await add[second]({"n": 2}) == await add[first]({"n": 3}) == kept
    assert await queue.get_deduplication_job_id("x") == kept
    assert await node.request("getDeduplicationJobId", queue=queue.name, deduplication="x") == kept
    if first == "ours":
        await node.start_worker(queue.name)
        await until_state(queue, kept, "completed")
    else:
        async with working(Worker(queue.name, behave, connection=server.url)):
            await until_state(queue, kept, "completed")
    # Whoever ran it has freed the id.
    assert await node.request("getDeduplicationJobId", queue=queue.name, deduplication="x") is None
    assert await add[second]({"n": 4}) != kept


@both_ways
async def test_a_throttle_of_one_side_holds_for_the_other(
    node: NodePeer, queue: Queue, server: RedisServer, first: str, second: str
) -> None:
    add = adders(node, queue)
    kept = await add[first]({"n": 1}, ttl_ms=500)
    async with working(Worker(queue.name, behave, connection=server.url)):
        await until_state(queue, kept, "completed")
    assert await add[second]({"n": 2}, ttl_ms=500) == kept

    async def is_free() -> bool:
        return await add[second]({"n": 3}, ttl_ms=60_000) != kept

    await eventually(is_free)


@both_ways
@pytest.mark.parametrize("ttl_ms", [0, 60_000])
async def test_one_sides_job_takes_the_place_of_the_others(
    node: NodePeer, queue: Queue, first: str, second: str, ttl_ms: int
) -> None:
    add = adders(node, queue)
    old = await add[first]({"n": 1}, delay_ms=60_000, ttl_ms=ttl_ms, replace=True, extend=True)
    new = await add[second]({"n": 2}, delay_ms=60_000, ttl_ms=ttl_ms, replace=True, extend=True)
    assert new != old
    assert await queue.get_job(old) is None
    assert [job.data for job in await queue.get_delayed()] == [{"n": 2}]
    assert (await node.get_job(queue.name, new))["data"] == {"n": 2}
    assert await node.request("getDeduplicationJobId", queue=queue.name, deduplication="x") == new


async def test_each_side_hears_what_the_other_has_dropped(node: NodePeer, queue: Queue) -> None:
    add = adders(node, queue)
    await node.request("startEvents", queue=queue.name)
    kept = await add["node"]({"n": 1})
    await add["ours"]({"n": 2})
    (told,) = await node.wait_for("deduplicated", source=f"events:{queue.name}", job_id=kept)
    assert told.fields["deduplicationId"] == "x"
    assert told.fields["deduplicatedJobId"] != kept


async def test_either_side_frees_the_id_by_removing_the_job(node: NodePeer, queue: Queue) -> None:
    add = adders(node, queue)
    first = await add["node"]({"n": 1})
    assert await queue.remove(first) == 1
    second = await add["ours"]({"n": 2})
    assert second != first
    await node.request("remove", queue=queue.name, id=second)
    assert await add["node"]({"n": 3}) != second


# ---- the last one, which only BullMQ 6 knows -------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="session")
async def newest(peers: dict[str, NodePeer], queue_name: str) -> AsyncIterator[NodePeer]:
    """Return the peer with the newest BullMQ."""
    peer = peers[max(VERSIONS, key=lambda version: [int(part) for part in version.split(".")])]
    yield peer
    await peer.request("forget", queue=queue_name)


@pytest.mark.parametrize("worker", ["ours", "node"])
@pytest.mark.parametrize(("first", "last"), [("ours", "node"), ("node", "ours"), ("ours", "ours"), ("node", "node")])
@pytest.mark.parametrize("fails", [False, True])
async def test_the_last_job_added_while_one_ran_is_run_after_it(
    newest: NodePeer, queue: Queue, server: RedisServer, first: str, last: str, worker: str, fails: bool
) -> None:
    add = adders(newest, queue)
    data = {"n": 1, "ms": 150, "times": 9 if fails else 0}
    running = await add[first](data, name="fail", keep_last_if_active=True)
    if worker == "node":
        await newest.start_worker(queue.name, concurrency=5)
        await add_while_it_runs(queue, add, running, first, last)
        await until_count(newest, queue.name, "completed", 1 if fails else 2)
    else:
        async with working(Worker(queue.name, behave, connection=server.url, concurrency=5)):
            await add_while_it_runs(queue, add, running, first, last)
            await until_count(newest, queue.name, "completed", 1 if fails else 2)
    # Both may have ended in the same millisecond: which is the newer is not known then.
    assert {"n": 3} in [job.data for job in await queue.get_completed()]
    assert await queue.get_deduplication_job_id("x") is None


async def add_while_it_runs(queue: Queue, add: dict[str, Add], running: str, first: str, last: str) -> None:
    await until_state(queue, running, "active")
    for side, number in ((first, 2), (last, 3)):
        assert await add[side]({"n": number}, keep_last_if_active=True) == running


@both_ways
async def test_a_claim_whose_job_was_lost_holds_neither_side_up(
    newest: NodePeer, queue: Queue, server: RedisServer, first: str, second: str
) -> None:
    add = adders(newest, queue)
    lost = await add[first]({"n": 1})
    with server.client() as client:
        client.delete(f"bull:{queue.name}:{lost}")
    assert await add[second]({"n": 2}) != lost


@both_ways
async def test_a_delayed_job_gets_the_delay_of_the_other_sides(
    newest: NodePeer, queue: Queue, first: str, second: str
) -> None:
    add = adders(newest, queue)
    kept = await add[first]({"n": 1}, delay_ms=60_000, reschedule=True)
    assert await add[second]({"n": 2}, delay_ms=3_600_000, reschedule=True) == kept
    seen = await newest.get_job(queue.name, kept)
    assert (seen["data"], seen["delay"]) == ({"n": 1}, 3_600_000)
