"""F21: a caller is cancelled, at whatever point of its call; nobody else ever reads the answer meant for it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from oxmq import Job, Queue, Worker
from tests.faults.stage import FLAVOUR
from tests.support.proxy import FaultProxy
from tests.support.servers import RedisServer

#: After how many turns of the event loop a call is cancelled at the latest; a call over a new connection takes fewer.
TURNS = 60
#: How long a call that was cancelled may take to end, in seconds.
PROMPT = 1.0

Call = Callable[[Queue, Job[Any]], Awaitable[object]]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """Run one server for all the cases of this file."""
    with RedisServer(FLAVOUR) as running:
        yield running


@pytest.fixture
async def queue(server: RedisServer) -> AsyncIterator[Queue]:
    """Return a queue with two jobs."""
    async with Queue(f"cancel-{uuid.uuid4().hex[:8]}", connection=server.url) as opened:
        for number in range(2):
            await opened.add("known", {"number": number}, job_id=f"known-{number}")
        yield opened


@pytest.fixture(autouse=True)
def nothing_to_complain_of(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check that the event loop has met no error that nobody looked at."""
    yield
    gc.collect()
    assert [record.getMessage() for record in caplog.get_records("call") if record.name == "asyncio"] == []


CALLS: dict[str, Call] = {
    "add": lambda queue, _: queue.add("cancelled", {"number": 99}),
    "add_bulk": lambda queue, _: queue.add_bulk([("cancelled", {}), ("cancelled", {})]),
    "get_job": lambda queue, _: queue.get_job("known-0"),
    "counts": lambda queue, _: queue.get_job_counts(),
    "get_jobs": lambda queue, _: queue.get_jobs(),
    "result": lambda _, job: job.result(5),
    "log": lambda _, job: job.log("a line"),
}


EACH_CALL = [pytest.param(call, id=name) for name, call in CALLS.items()]


async def cancel_after(turns: int, call: Awaitable[object]) -> bool:
    """Cancel a call after so many turns of the loop; return whether it had ended before."""
    task = asyncio.ensure_future(call)
    for _ in range(turns):
        await asyncio.sleep(0)
        if task.done():
            await task
            return True
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        async with asyncio.timeout(PROMPT):
            await task
    return False


async def assert_right_answers(queue: Queue) -> None:
    """Ask many different questions at once, and check that each gets its own answer."""
    first, second, counts, state, paused, unknown = await asyncio.gather(
        queue.get_job("known-0"),
        queue.get_job("known-1"),
        queue.get_job_counts("waiting", "failed"),
        queue.get_job_state("known-1"),
        queue.is_paused(),
        queue.get_job("unknown"),
    )
    assert first is not None
    assert second is not None
    assert (first.id, first.data, second.id, second.data) == ("known-0", {"number": 0}, "known-1", {"number": 1})
    assert set(counts) == {"waiting", "failed"}
    assert (state, paused, unknown) == ("waiting", False, None)


@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("call", EACH_CALL)
async def test_cancelled_at_every_turn(queue: Queue, call: Call, connected: bool) -> None:
    job = await queue.get_job("known-0")
    assert job is not None
    for turns in range(TURNS):
        if not connected:
            await queue.close()
        await cancel_after(turns, call(queue, job))
        await assert_right_answers(queue)


@pytest.mark.parametrize("call", EACH_CALL)
async def test_cancelled_while_the_answer_is_on_its_way(server: RedisServer, call: Call) -> None:
    """Over a slow network, so that the answers of cancelled calls arrive while others wait for theirs."""
    name = f"cancel-{uuid.uuid4().hex[:8]}"
    async with FaultProxy(server.url) as proxy, Queue(name, connection=proxy.url) as queue:
        for number in range(2):
            await queue.add("known", {"number": number}, job_id=f"known-{number}")
        job = await queue.get_job("known-0")
        assert job is not None
        proxy.delay(0.01)
        for _ in range(10):
            doomed = [asyncio.ensure_future(call(queue, job)) for _ in range(5)]
            for task in doomed:
                for _ in range(3):
                    await asyncio.sleep(0)
                task.cancel()
            await assert_right_answers(queue)
            async with asyncio.timeout(PROMPT):
                await asyncio.gather(*doomed, return_exceptions=True)


async def test_cancelled_while_the_server_is_away(server: RedisServer) -> None:
    """Between the tries of a call that cannot be sent, too."""
    name = f"cancel-{uuid.uuid4().hex[:8]}"
    async with FaultProxy(server.url) as proxy, Queue(name, connection=proxy.url) as queue:
        job = await queue.add("known", {"number": 0}, job_id="known-0")
        await queue.add("known", {"number": 1}, job_id="known-1")
        proxy.refuse()
        for turns in range(TURNS):
            for name, call in CALLS.items():
                if name != "result":
                    await cancel_after(turns, call(queue, job))
        gc.collect()
        proxy.heal()
        await assert_right_answers(queue)


async def test_nothing_is_left_behind(server: RedisServer, queue: Queue) -> None:
    """Neither a task nor a connection stays of callers that were cancelled, once the queue is closed."""
    job = await queue.get_job("known-0")
    assert job is not None
    for turns in range(TURNS):
        for call in CALLS.values():
            await cancel_after(turns, call(queue, job))
    await queue.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not {task for task in others if "oxmq" in repr(task.get_coro())}
    with server.client() as client:
        assert len(client.client_list()) == 1


async def test_a_cancelled_take_leaves_no_job_locked_for_good(server: RedisServer, queue: Queue) -> None:
    """A take cannot be taken back by its caller; its lock runs out, and the job goes on."""
    for turns in range(0, TURNS, 4):
        async with Worker(queue.name, str, connection=server.url, lock_duration=0.05, stalled_interval=0.02) as worker:
            await cancel_after(turns, worker.get_next_job("token"))
            async with asyncio.timeout(5):
                while (await queue.get_job_counts("active"))["active"]:
                    await worker.recover_stalled()
                    await asyncio.sleep(0.01)
