"""Waiting for a job to end, and following what happens in a queue. Each test speaks to both kinds."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from oxmq import ConfigurationError, Job, JobFailedError, JobNotFoundError
from tests.integration.bed import Bed
from tests.integration.twin import Twin
from tests.support.waiting import eventually


async def succeed(job: Job[Any]) -> object:
    return {"got": job.data}


async def fail(job: Job[Any]) -> object:
    raise ValueError("no luck")


async def test_a_result_that_comes_later_is_waited_for(twin: Twin, bed: Bed) -> None:
    job = await twin.queue().add("a", 5)
    waiting = asyncio.create_task(job.result(timeout=10))
    await asyncio.sleep(0)
    bed.working(succeed)
    assert await waiting == {"got": 5}


async def test_a_result_that_is_there_already(twin: Twin, bed: Bed) -> None:
    job = await twin.queue().add("a", 5)
    bed.working(succeed)
    assert await job.result(timeout="10s") == {"got": 5}
    assert await job.result() == {"got": 5}


async def test_a_failure_is_raised_with_its_reason(twin: Twin, bed: Bed) -> None:
    job = await twin.queue().add("a")
    bed.working(fail)
    for _ in range(2):
        with pytest.raises(JobFailedError, match=f"^Job {job.id} failed: no luck$") as caught:
            await job.result(timeout=10)
        assert (caught.value.job_id, caught.value.reason) == (job.id, "no luck")


async def test_a_job_that_does_not_end_in_time(twin: Twin) -> None:
    job = await twin.queue().add("a")
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=rf"job {job.id} of queue 'q' did not end within 0\.2 s"):
        await job.result(timeout=0.2)
    assert time.monotonic() - began < 2
    assert await job.is_waiting()


async def test_a_timeout_of_nothing_looks_once(twin: Twin, bed: Bed) -> None:
    queue = twin.queue()
    job = await queue.add("a", 5)
    with pytest.raises(TimeoutError):
        await job.result(timeout=0)
    bed.working(succeed)
    await job.result(timeout=10)
    assert await job.result(timeout=0) == {"got": 5}


@pytest.mark.parametrize("timeout", [-1, "soon"])
async def test_a_bad_timeout_is_refused(twin: Twin, timeout: Any) -> None:
    job = await twin.queue().add("a")
    with pytest.raises(ConfigurationError, match="timeout must be"):
        await job.result(timeout=timeout)


async def test_a_job_that_is_removed_when_it_completes(bed: Bed, redis_client: Any) -> None:
    job = await bed.queue().add("a", 5, remove_on_complete=True)
    waiting = asyncio.create_task(job.result(timeout=10))
    await eventually(lambda: redis_client.info("clients")["blocked_clients"])
    bed.working(succeed)
    assert await waiting == {"got": 5}
    with pytest.raises(JobNotFoundError):
        await job.result(timeout=1)


async def test_many_wait_at_once(bed: Bed) -> None:
    queue = bed.queue()
    jobs = await asyncio.gather(*(queue.add("a", number) for number in range(200)))
    bed.working(succeed, concurrency=50)
    results = await asyncio.gather(*(job.result(timeout=20) for job in jobs))
    assert [result["got"] for result in results] == list(range(200))


async def test_many_wait_for_the_same(bed: Bed) -> None:
    job = await bed.queue().add("a", 5)
    waiting = [asyncio.create_task(job.result(timeout=10)) for _ in range(20)]
    await asyncio.sleep(0)
    bed.working(succeed)
    assert await asyncio.gather(*waiting) == [{"got": 5}] * 20


async def test_a_waiter_that_is_cancelled_leaves_the_others_waiting(bed: Bed) -> None:
    job = await bed.queue().add("a", 5)
    first, second = (asyncio.create_task(job.result(timeout=10)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    bed.working(succeed)
    assert await second == {"got": 5}
    assert isinstance((await asyncio.gather(first, return_exceptions=True))[0], asyncio.CancelledError)


async def test_events_from_the_first_one_on(twin: Twin, bed: Bed) -> None:
    job = await twin.queue().add("a", 5)
    bed.working(succeed)
    await job.result(timeout=10)
    events = twin.events()
    seen = [await anext(events) for _ in range(5)]
    assert [event.name for event in seen] == ["added", "waiting", "active", "completed", "drained"]
    assert [event.job_id for event in seen] == [job.id] * 4 + [None]
    assert seen[0].fields == {"name": "a"}
    assert seen[2].fields == {"prev": "waiting"}
    assert seen[3].fields == {"returnvalue": {"got": 5}, "prev": "active"}
    assert events.last_event_id == seen[4].id


async def test_events_of_a_failure(twin: Twin, bed: Bed) -> None:
    job = await twin.queue().add("a")
    bed.working(fail)
    with pytest.raises(JobFailedError):
        await job.result(timeout=10)
    events = twin.events()
    seen = {(event := await anext(events)).name: event.fields for _ in range(6)}
    assert seen["failed"] == {"failedReason": "no luck", "prev": "active"}
    assert seen["retries-exhausted"] == {"attemptsMade": "1"}


async def test_events_from_now_on_leave_out_what_was(bed: Bed) -> None:
    queue = bed.queue()
    await queue.add("old")
    async with bed.events(last_event_id="$") as events:
        await queue.add("new")
        event = await anext(events)
    assert (event.name, event.fields) == ("added", {"name": "new"})


async def test_a_reader_resumes_after_the_event_that_it_saw_last(bed: Bed) -> None:
    queue = bed.queue()
    await queue.add("a")
    first = bed.events()
    seen = await anext(first)
    again = bed.events(last_event_id=seen.id)
    assert (await anext(again)).name == "waiting"


async def test_a_reader_waits_for_the_next_event(bed: Bed) -> None:
    events = bed.events()
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    await bed.queue().pause()
    assert (await asyncio.wait_for(waiting, 5)).name == "paused"


async def test_progress_is_decoded(twin: Twin) -> None:
    job = await twin.queue().add("a")
    await job.update_progress({"done": 5})
    events = twin.events()
    seen = [await anext(events) for _ in range(3)]
    assert (seen[2].name, seen[2].fields) == ("progress", {"data": {"done": 5}})


async def test_all_readers_see_everything(bed: Bed) -> None:
    await bed.queue().add("a")
    readers = [bed.events() for _ in range(3)]
    assert [(await anext(reader)).name for reader in readers] == ["added"] * 3


async def test_a_reader_is_listed_under_its_queues_name(bed: Bed, redis_client: Any) -> None:
    async with bed.events(last_event_id="$"):
        names = [client["name"] for client in redis_client.client_list()]
    assert f"{bed.prefix}:cQ==:qe" in names


async def test_an_empty_position_is_refused(bed: Bed) -> None:
    with pytest.raises(ConfigurationError, match="last_event_id must be"):
        bed.events(last_event_id="")
