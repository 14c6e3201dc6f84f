"""Deduplication: jobs of one id keep each other out, for as long and in the way that they say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from oxmq import ConfigurationError, Deduplication, FlowJob, Job, Oxmq, Unrecoverable
from tests.integration.bed import Bed, reaches
from tests.support.waiting import eventually


async def echo(job: Job[Any]) -> object:
    return job.data


class Gate:
    """Handle jobs that run until they are let go."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.ran: list[Any] = []

    async def __call__(self, job: Job[Any]) -> object:
        self.ran.append(job.data)
        await self.open.wait()
        if job.data == "fails":
            raise Unrecoverable("told to fail")
        return job.data


# ---- until the first one has ended -----------------------------------------------------------------------------------


async def test_the_second_job_is_dropped_and_the_firsts_id_is_returned(twin: Any) -> None:
    queue = twin.queue()
    first = await queue.add("a", 1, deduplication="user-1")
    second = await queue.add("b", 2, deduplication="user-1", job_id="own", priority=3)
    other = await queue.add("c", 3, deduplication="user-2")
    assert second.id == first.id != other.id
    assert [job.data for job in await queue.get_jobs()] == [3, 1]
    assert first.deduplication_id == "user-1"
    assert first.options.deduplication == Deduplication("user-1")
    assert await queue.get_deduplication_job_id("user-1") == first.id
    assert await queue.get_deduplication_job_id("nobody") is None
    assert await queue.get_job("own") is None


async def test_of_many_added_at_once_one_stays(bed: Bed) -> None:
    queues = [bed.queue() for _ in range(5)]
    adds = [queue.add("a", number, deduplication="same") for number in range(20) for queue in queues]
    jobs = await asyncio.gather(*adds)
    assert len({job.id for job in jobs}) == 1
    assert await queues[0].count() == 1


async def test_in_bulk_the_first_of_each_id_stays(bed: Bed) -> None:
    queue = bed.queue()
    new = [("a", number, {"deduplication": f"id-{number % 3}"} if number < 9 else {}) for number in range(12)]
    jobs = await queue.add_bulk(new)
    assert [job.id for job in jobs[:9]] == [job.id for job in jobs[:3]] * 3
    assert sorted(job.data for job in await queue.get_waiting()) == [0, 1, 2, 9, 10, 11]


async def test_each_queue_has_ids_of_its_own(bed: Bed) -> None:
    first = await bed.queue("one").add("a", deduplication="x")
    second = await bed.queue("two").add("a", deduplication="x")
    assert first.id != second.id
    assert await second.get_state() == "waiting"


@pytest.mark.parametrize("data", ["completes", "fails"])
async def test_the_id_is_free_when_its_job_has_ended_and_not_before(bed: Bed, data: str) -> None:
    queue, gate = bed.queue(), Gate()
    first = await queue.add("a", data, deduplication="x")
    bed.working(gate.__call__)
    await reaches(first, "active")
    assert (await queue.add("a", "second", deduplication="x")).id == first.id
    gate.open.set()
    await reaches(first, "completed" if data == "completes" else "failed")
    third = await queue.add("a", "third", deduplication="x")
    assert third.id != first.id
    await reaches(third, "completed")
    assert gate.ran == [data, "third"]


async def test_a_job_that_will_be_tried_again_keeps_others_out(bed: Bed) -> None:
    queue = bed.queue()

    async def process(job: Job[Any]) -> object:
        if job.attempts_made == 0:
            raise ValueError("not yet")
        return job.data

    first = await queue.add("a", 1, deduplication="x", attempts=2, backoff=3600)
    bed.working(process)
    await reaches(first, "delayed")
    assert (await queue.add("a", 2, deduplication="x")).id == first.id
    await first.promote()
    assert await first.result(timeout=5) == 1
    assert await queue.get_deduplication_job_id("x") is None


@pytest.mark.parametrize("how", ["removed", "cancelled", "drained", "cleaned"])
async def test_the_id_is_free_when_its_job_goes_away(bed: Bed, how: str) -> None:
    queue = bed.queue()
    first = await queue.add("a", 1, deduplication="x")
    goes: dict[str, Callable[[], Awaitable[object]]] = {
        "removed": first.remove,
        "cancelled": first.cancel,
        "drained": queue.drain,
        "cleaned": partial(queue.clean, 0, state="waiting"),
    }
    await goes[how]()
    second = await queue.add("a", 2, deduplication="x")
    assert second.id != first.id
    assert await second.get_state() == "waiting"


async def test_the_id_is_freed_by_hand(twin: Any) -> None:
    queue = twin.queue()
    first = await queue.add("a", 1, deduplication="x")
    assert await first.remove_deduplication_key()
    second = await queue.add("a", 2, deduplication="x")
    assert second.id != first.id
    assert not await first.remove_deduplication_key()
    assert await queue.get_deduplication_job_id("x") == second.id
    assert await queue.remove_deduplication_key("x") == 1
    assert await queue.remove_deduplication_key("x") == 0
    third = await queue.add("a", 3, deduplication="x")
    # The first ones own nothing any more, so that their ends free nothing.
    await first.remove()
    await second.remove()
    assert (await queue.add("a", 4, deduplication="x")).id == third.id
    assert not await (await queue.add("plain")).remove_deduplication_key()


async def test_a_claim_whose_job_was_lost_holds_nobody_up(bed: Bed, redis_client: Any) -> None:
    queue = bed.queue()
    first = await queue.add("a", 1, deduplication="x")
    redis_client.delete(first.key)
    second = await queue.add("a", 2, deduplication="x")
    assert (second.id != first.id, await second.get_state()) == (True, "waiting")


async def test_listeners_hear_of_what_was_dropped(bed: Bed) -> None:
    queue = bed.queue()
    first = await queue.add("a", deduplication="x")
    await queue.add("a", deduplication="x", job_id="dropped")
    async with bed.events() as events:
        event = await anext(event async for event in events if event.name == "deduplicated")
    assert event.job_id == first.id
    assert event.fields == {"deduplicationId": "x", "deduplicatedJobId": "dropped"}


# ---- for a time ------------------------------------------------------------------------------------------------------


async def test_for_its_time_the_id_is_taken_whatever_became_of_the_job(bed: Bed, redis_client: Any) -> None:
    queue = bed.queue()
    bed.working(echo)
    once = Deduplication("x", ttl=0.4)
    first = await queue.add("a", 1, deduplication=once)
    assert await first.result(timeout=5) == 1
    assert (await queue.add("a", 2, deduplication=once)).id == first.id
    assert 0 < redis_client.pttl(f"{bed.prefix}:q:de:x") <= 400
    later = await eventually(lambda: added_anew(queue, once, first.id))
    assert later is not None
    assert await later.result(timeout=5) == 3


async def added_anew(queue: Any, deduplication: Deduplication, old: str) -> Job[Any] | None:
    job = await queue.add("a", 3, deduplication=deduplication)
    return None if job.id == old else job


@pytest.mark.parametrize("extend", [True, False])
async def test_each_job_that_is_kept_out_may_begin_the_time_anew(bed: Bed, redis_client: Any, extend: bool) -> None:
    queue, key = bed.queue(), f"{bed.prefix}:q:de:x"
    first = await queue.add("a", 1, deduplication=Deduplication("x", ttl=60, extend=extend))
    redis_client.pexpire(key, 1000)
    second = await queue.add("a", 2, deduplication=Deduplication("x", ttl=60, extend=extend))
    assert second.id == first.id
    assert (redis_client.pttl(key) > 50_000) == extend


# ---- the newest in place of the first --------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"ttl": 60, "extend": True}, {"ttl": 60}])
async def test_the_newest_takes_the_place_of_a_delayed_one(bed: Bed, options: dict[str, Any]) -> None:
    queue = bed.queue()
    latest = Deduplication("x", replace=True, **options)
    first, second, third = [await queue.add("a", number, deduplication=latest, delay=3600) for number in range(3)]
    assert len({first.id, second.id, third.id}) == 3
    assert [job.data for job in await queue.get_delayed()] == [2]
    assert await queue.get_deduplication_job_id("x") == third.id
    assert await queue.get_job(first.id) is None
    await third.promote()
    # One that is not delayed any more is not replaced.
    fourth = await queue.add("a", 3, deduplication=latest, delay=3600)
    assert fourth.id == third.id
    bed.working(echo)
    assert await third.result(timeout=5) == 2


async def test_only_the_last_of_a_burst_is_run(bed: Bed) -> None:
    queue = bed.queue()
    bed.working(echo)
    settle = Deduplication("x", ttl=0.2, extend=True, replace=True)
    jobs = [await queue.add("a", number, deduplication=settle, delay=0.2) for number in range(10)]
    assert await jobs[-1].result(timeout=5) == 9
    assert [job.data for job in await queue.get_completed()] == [9]


async def test_a_delayed_one_gets_the_newests_delay(bed: Bed) -> None:
    queue = bed.queue()
    later = Deduplication("x", reschedule=True)
    first = await queue.add("a", 1, deduplication=later, delay=3600)
    assert (await queue.add("a", 2, deduplication=later, delay=7200)).id == first.id
    await first.refresh()
    assert (first.data, first.delay) == (1, 7200)
    bed.working(echo)
    await queue.add("a", 3, deduplication=later)
    assert await first.result(timeout=5) == 1


# ---- the newest after the first --------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["completes", "fails"])
async def test_the_last_one_added_while_the_first_ran_is_run_after_it(bed: Bed, data: str) -> None:
    queue, gate = bed.queue(), Gate()
    last = Deduplication("x", keep_last_if_active=True)
    first = await queue.add("a", data, deduplication=last)
    assert (await queue.add("a", "while it waits", deduplication=last)).id == first.id
    bed.working(gate.__call__, concurrency=5)
    await reaches(first, "active")
    for number in range(3):
        assert (await queue.add("a", number, deduplication=last, job_id=f"j{number}")).id == first.id
    gate.open.set()
    await eventually(lambda: gate.ran == [data, 2])
    second = await queue.get_job("j2")
    assert second is not None
    assert await second.result(timeout=5) == 2
    assert await queue.get_deduplication_job_id("x") is None


async def test_a_chain_of_last_ones_never_runs_two_at_once(bed: Bed) -> None:
    queue = bed.queue()
    running = most = 0
    seen: list[int] = []

    async def process(job: Job[Any]) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.005)  # long enough for others to be added meanwhile
        seen.append(job.data)
        running -= 1

    bed.working(process, concurrency=10)
    last = Deduplication("x", keep_last_if_active=True)
    for number in range(100):
        await queue.add("a", number, deduplication=last)
        await asyncio.sleep(0.001)  # so that they come while others run
    await eventually(lambda: idle(queue))
    assert most == 1
    assert seen == sorted(seen)
    assert len(seen) > 5


async def idle(queue: Any) -> bool:
    return not sum((await queue.get_job_counts("waiting", "active", "delayed")).values())


# ---- where it cannot be ----------------------------------------------------------------------------------------------


async def test_neither_parents_nor_children_are_deduplicated(bed: Bed) -> None:
    queue, producer = bed.queue(), bed.producer()
    parent = await queue.add("parent")
    with pytest.raises(ConfigurationError, match="deduplication and parent cannot be used together"):
        await queue.add("child", parent=parent, deduplication="x")
    child = FlowJob("child", "q", options={"deduplication": "x"})
    with pytest.raises(ConfigurationError, match="deduplication and parent cannot be used together"):
        await producer.add(FlowJob("parent", "q", children=[child]))
    with pytest.raises(ConfigurationError, match="deduplication cannot be used for a job with children"):
        await producer.add(FlowJob("parent", "q", options={"deduplication": "x"}, children=[FlowJob("child", "q")]))
    assert await queue.count() == 1
    # A flow that is one job may be.
    first, second = [await producer.add(FlowJob("a", "q", options={"deduplication": "x"})) for _ in range(2)]
    assert first.job.id == second.job.id


# ---- tasks -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def app(bed: Bed) -> AsyncIterator[Oxmq]:
    yield bed.app()


async def test_calls_with_the_same_arguments_are_one_job(app: Oxmq) -> None:
    @app.task(deduplication="args")
    async def send(user: int, text: str = "hello") -> None: ...

    @app.task(deduplication="args")
    async def other(user: int, text: str = "hello") -> None: ...

    first = await send.enqueue(1)
    assert (await send.enqueue(user=1)).id == first.id
    assert (await asyncio.to_thread(send.enqueue_sync, 1)).id == first.id
    different = [await send.enqueue(2), await send.enqueue(1, "bye"), await other.enqueue(1)]
    assert len({first.id, *(job.id for job in different)}) == 4


async def test_calls_with_the_same_arguments_may_have_a_time(app: Oxmq) -> None:
    @app.task(deduplication=Deduplication("args", ttl=60))
    async def send(user: int) -> None: ...

    jobs = await app.enqueue_many(send.call(number % 2) for number in range(6))
    assert len({job.id for job in jobs}) == 2
    stored = jobs[0].options.deduplication
    assert isinstance(stored, Deduplication)
    assert stored.ttl == 60
    assert stored.id.startswith("send:")


async def test_a_call_may_name_its_own_id(app: Oxmq) -> None:
    @app.task
    async def send(user: int) -> None: ...

    first = await send.options(deduplication="all").enqueue(1)
    assert (await send.options(deduplication="all").enqueue(2)).id == first.id
    assert (await send.enqueue(3)).id != first.id
