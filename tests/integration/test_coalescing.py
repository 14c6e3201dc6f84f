"""Adds of one turn of the event loop travel together, and each gets its own result or error."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from oxmq import ConfigurationError, Oxmq
from oxmq.scripts import SCRIPTS
from tests.integration.bed import Bed


def script_calls(client: Any) -> int:
    """Return how many scripts have run since the counters were set back."""
    return int(client.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0))


@pytest.fixture
def calls(redis_client: Any) -> Any:
    """Return a counter of scripts run from now on; all scripts are loaded already."""
    for script in SCRIPTS.values():
        redis_client.script_load(script.text)
    redis_client.config_resetstat()
    return lambda: script_calls(redis_client)


async def test_concurrent_adds_are_one_call(bed: Bed, calls: Any) -> None:
    queue = bed.queue()
    jobs = await asyncio.gather(*(queue.add("a", number) for number in range(100)))
    assert [job.data for job in jobs] == list(range(100))
    assert calls() == 1
    assert [job.data for job in await queue.get_waiting()] == list(range(100))


async def test_adds_one_after_the_other_are_calls_of_their_own(bed: Bed, calls: Any) -> None:
    queue = bed.queue()
    for number in range(5):
        await queue.add("a", number)
    assert calls() == 5


async def test_more_adds_than_one_call_may_bring_are_several_calls(bed: Bed, calls: Any) -> None:
    queue = bed.queue()
    jobs = await asyncio.gather(*(queue.add("a", number) for number in range(1_000)))
    assert calls() == 4
    assert [job.data for job in await queue.get_waiting()] == [job.data for job in jobs]


async def test_adds_to_two_queues_are_two_calls(bed: Bed, calls: Any) -> None:
    app = bed.app()

    @app.task(queue="one")
    def first(number: int) -> None: ...

    @app.task(queue="two")
    def second(number: int) -> None: ...

    await asyncio.gather(*(task.enqueue(number) for number in range(50) for task in (first, second)))
    assert calls() == 2
    assert [await app.queue(name).count() for name in ("one", "two")] == [50, 50]


async def test_a_refused_add_does_not_touch_the_others(bed: Bed, calls: Any) -> None:
    queue = bed.queue()
    results = await asyncio.gather(
        queue.add("a", 1), queue.add("b", 2, attempts=-1), queue.add("c", 3), return_exceptions=True
    )
    assert isinstance(results[1], ConfigurationError)
    assert [job.name for job in await queue.get_waiting()] == ["a", "c"]


async def test_a_caller_that_is_cancelled_does_not_take_the_others_along(bed: Bed) -> None:
    queue = bed.queue()
    await queue.count()
    tasks = [asyncio.create_task(queue.add("a", number)) for number in range(10)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[3], asyncio.CancelledError)
    assert [job.data for job in results if not isinstance(job, BaseException)] == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert set(range(10)) - {3} <= {job.data for job in await queue.get_waiting()}


async def test_each_of_several_equal_ids_gets_the_id(bed: Bed, calls: Any) -> None:
    queue = bed.queue()
    jobs = await asyncio.gather(*(queue.add("a", number, job_id="same") for number in range(5)))
    assert {job.id for job in jobs} == {"same"}
    assert calls() == 1
    assert await queue.count() == 1


async def test_a_bulk_is_as_few_calls_as_it_can_be(bed: Bed, calls: Any) -> None:
    queue = bed.queue()
    await queue.add_bulk(("a", number) for number in range(1_000))
    assert calls() == 4


async def test_many_of_any_mix_of_tasks(bed: Bed, calls: Any) -> None:
    app: Oxmq = bed.app()

    @app.task(queue="one")
    def first(number: int) -> None: ...

    @app.task(queue="two", priority=5)
    def second(number: int) -> None: ...

    mixed = [(first if number % 3 else second).call(number) for number in range(300)]
    jobs = await app.enqueue_many(mixed)
    assert calls() == 2
    assert [job.data["number"] for job in jobs] == list(range(300))
    assert [(job.name, job.queue_name) for job in jobs[:2]] == [("second", "two"), ("first", "one")]
    assert [job.data["number"] for job in await app.queue("two").get_prioritized(0, 2)] == [0, 3, 6]
    assert await app.enqueue_many([]) == []
