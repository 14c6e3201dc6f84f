"""Waiting for results shares one connection: of a process, of an event loop, to a server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import pytest

import oxmq.sync
from oxmq import Job, Queue, Worker
from tests.integration.bed import Bed
from tests.support.waiting import eventually, eventually_sync


async def echo(job: Job[Any]) -> object:
    return job.data


def readers(redis_client: Any) -> int:
    """Return how many connections read event streams."""
    return sum(client["cmd"] == "xread" for client in redis_client.client_list())


@pytest.fixture(autouse=True)
def _nobody_reads(  # pyright: ignore[reportUnusedFunction] - pytest calls it
    redis_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Start without readers and without users of theirs that earlier tests left open: these tests count readers."""
    monkeypatch.setattr("oxmq.sync.results._readers", {})
    eventually_sync(lambda: readers(redis_client) == 0, 20)


@pytest.fixture
def one_reader(redis_client: Any) -> Callable[[], bool]:
    return lambda: readers(redis_client) == 1


async def test_two_hundred_queues_take_one_more_connection(
    bed: Bed, redis_client: Any, one_reader: Callable[[], bool]
) -> None:
    queues = [bed.queue(f"q{number}") for number in range(200)]
    jobs = await asyncio.gather(*(queue.add("a", number) for number, queue in enumerate(queues)))
    before = len(redis_client.client_list())
    waiting = [asyncio.create_task(job.result(timeout=30)) for job in jobs]
    await eventually(one_reader)
    await eventually(lambda: len(redis_client.client_list()) == before + 1)
    for number in range(200):
        bed.working(echo, f"q{number}")
    assert await asyncio.gather(*waiting) == list(range(200))


async def test_a_thousand_wait(bed: Bed, redis_client: Any, one_reader: Callable[[], bool]) -> None:
    jobs = await bed.queue().add_bulk([("a", number) for number in range(1000)])
    waiting = [asyncio.create_task(job.result(timeout=30)) for job in jobs]
    await eventually(one_reader)
    bed.working(echo, concurrency=100)
    assert await asyncio.gather(*waiting) == list(range(1000))


async def test_an_app_and_queues_share(bed: Bed, redis_client: Any, one_reader: Callable[[], bool]) -> None:
    app = bed.app()
    jobs = [await queue.add("a", 5) for queue in (app.queue("x"), app.queue("y"), bed.queue("z"))]
    waiting = [asyncio.create_task(job.result(timeout=10)) for job in jobs]
    await eventually(one_reader)
    for name in "xyz":
        bed.working(echo, name)
    assert await asyncio.gather(*waiting) == [5, 5, 5]


async def test_one_who_comes_later_is_served_at_once(bed: Bed, one_reader: Callable[[], bool]) -> None:
    first = asyncio.create_task((await bed.queue("first").add("a", 1)).result(timeout=20))
    await eventually(one_reader)
    for number in range(5):
        job = await bed.queue(f"later{number}").add("a", number)
        waiting = asyncio.create_task(job.result(timeout=20))
        await asyncio.sleep(0)
        began = monotonic()
        bed.working(echo, f"later{number}")
        assert await waiting == number
        assert monotonic() - began < 3, "the read that blocks for seconds was waited for"
    bed.working(echo, "first")
    assert await first == 1


async def test_a_queue_that_closes_leaves_the_others_waiting(bed: Bed, one_reader: Callable[[], bool]) -> None:
    closing, staying = bed.queue("closing"), bed.queue("staying")
    waiting = asyncio.create_task((await staying.add("a", 1)).result(timeout=20))
    given_up = asyncio.create_task((await closing.add("a", 1)).result(timeout=20))
    await eventually(one_reader)
    given_up.cancel()
    await asyncio.wait({given_up})
    await closing.close()
    assert one_reader()
    began = monotonic()
    bed.working(echo, "staying")
    assert await waiting == 1
    assert monotonic() - began < 3


async def test_a_queue_that_is_closed_can_still_be_waited_on(bed: Bed, one_reader: Callable[[], bool]) -> None:
    queue = bed.queue()
    job = await queue.add("a", 1)
    waiting = asyncio.create_task(job.result(timeout=20))
    await eventually(one_reader)
    await queue.close()
    bed.working(echo)
    assert await waiting == 1
    assert await job.result(timeout=5) == 1


async def test_the_last_to_close_closes_the_connection(
    bed: Bed, redis_client: Any, one_reader: Callable[[], bool]
) -> None:
    queue = bed.queue()
    job = await queue.add("a", 1)
    with pytest.raises(TimeoutError):
        await job.result(timeout=0.05)
    await eventually(one_reader)
    await queue.close()
    await eventually(lambda: readers(redis_client) == 0, 1)


async def test_the_connection_goes_when_nobody_waits_any_more(
    bed: Bed, redis_client: Any, one_reader: Callable[[], bool]
) -> None:
    job = await bed.queue().add("a", 1)
    with pytest.raises(TimeoutError):
        await job.result(timeout=0.05)
    await eventually(one_reader)
    await eventually(lambda: readers(redis_client) == 0, 15)


async def test_a_result_that_is_there_takes_no_connection(bed: Bed, redis_client: Any) -> None:
    job = await bed.queue().add("a", 1)
    bed.working(echo)
    await eventually(job.is_completed)
    before = redis_client.info("stats")["total_connections_received"]
    assert await job.result(timeout=5) == 1
    assert redis_client.info("stats")["total_connections_received"] == before


def test_each_loop_has_a_reader_of_its_own_and_takes_it_along(redis_url: str, prefix: str, redis_client: Any) -> None:
    async def wait_for_one() -> object:
        queue = Queue("q", redis_url, prefix=prefix)
        job = await queue.add("a", 7)
        waiting = asyncio.create_task(job.result(timeout=10))
        await eventually(lambda: readers(redis_client) == 1)
        async with Worker("q", echo, redis_url, prefix=prefix) as worker:
            worker.start()
            return await waiting

    for _ in range(3):
        assert asyncio.run(wait_for_one()) == 7
        eventually_sync(lambda: readers(redis_client) == 0)


def test_loops_in_threads(redis_url: str, prefix: str) -> None:
    async def wait_for_one(number: int) -> object:
        name = f"q{number}"
        async with Queue(name, redis_url, prefix=prefix) as queue, Worker(name, echo, redis_url, prefix=prefix) as at:
            job = await queue.add("a", number)
            waiting = asyncio.create_task(job.result(timeout=10))
            await asyncio.sleep(0)
            at.start()
            return await waiting

    def run(number: int) -> object:
        return asyncio.run(wait_for_one(number))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(4))) == [0, 1, 2, 3]


async def test_threads_share_a_reader(bed: Bed, redis_client: Any, one_reader: Callable[[], bool]) -> None:
    queues = [oxmq.sync.Queue(f"q{number % 10}", bed.url, prefix=bed.prefix) for number in range(50)]
    jobs = [queue.add("a", number) for number, queue in enumerate(queues)]
    with ThreadPoolExecutor(50) as pool:
        waiting = [asyncio.get_running_loop().run_in_executor(pool, job.result, 20) for job in jobs]
        await eventually(one_reader)
        assert [thread.name for thread in threading.enumerate()].count("oxmq-results") == 1
        for number in range(10):
            bed.working(echo, f"q{number}", concurrency=5)
        assert await asyncio.gather(*waiting) == list(range(50))
    for queue in queues:
        queue.close()
    await eventually(lambda: readers(redis_client) == 0, 2)
    assert "oxmq-results" not in [thread.name for thread in threading.enumerate()]


def test_a_thread_that_stops_waiting_leaves_no_trace(redis_url: str, prefix: str, redis_client: Any) -> None:
    with oxmq.sync.Queue("q", redis_url, prefix=prefix) as queue:
        job = queue.add("a", 1)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                job.result(timeout=0.05)
        eventually_sync(lambda: readers(redis_client) == 1)
    eventually_sync(lambda: readers(redis_client) == 0, 2)
