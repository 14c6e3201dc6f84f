"""What a queue tells: every event that is written, with exactly its fields, and the ways to read them."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from time import time
from typing import Any

import pytest

import oxmq.sync
from oxmq import ConfigurationError, Event, FlowJob, Job, Parent
from tests.integration.bed import Bed, reaches
from tests.integration.twin import Twin
from tests.support.waiting import eventually

Told = tuple[str, str | None, dict[str, object]]


async def echo(job: Job[Any]) -> object:
    return job.data


async def fail(job: Job[Any]) -> object:
    raise ValueError("no luck")


@pytest.fixture
def told(bed: Bed, redis_client: Any) -> Callable[[], Awaitable[list[Told]]]:
    """Return a function that reads what queue ``q`` has told so far: name, job and fields of each event."""

    async def read() -> list[Told]:
        count = redis_client.xlen(f"{bed.prefix}:q:events")
        async with bed.events() as events:
            seen = [await anext(events) for _ in range(count)]
        return [(event.name, event.job_id, dict(event.fields)) for event in seen]

    return read


Tell = Callable[[], Awaitable[list[Told]]]


# ---- every event ----------------------------------------------------------------------------------------------------


async def test_of_a_job_that_completes(bed: Bed, told: Tell) -> None:
    job = await bed.queue().add("resize", {"w": [1, None, "ä"]})
    bed.working(echo)
    await reaches(job, "completed")
    assert await told() == [
        ("added", job.id, {"name": "resize"}),
        ("waiting", job.id, {}),
        ("active", job.id, {"prev": "waiting"}),
        ("completed", job.id, {"returnvalue": {"w": [1, None, "ä"]}, "prev": "active"}),
        ("drained", None, {}),
    ]


async def test_of_a_job_that_fails(bed: Bed, told: Tell) -> None:
    job = await bed.queue().add("a", attempts=2)
    bed.working(fail)
    await reaches(job, "failed")
    assert await told() == [
        ("added", job.id, {"name": "a"}),
        ("waiting", job.id, {}),
        ("active", job.id, {"prev": "waiting"}),
        ("waiting", job.id, {"prev": "active"}),
        ("active", job.id, {"prev": "waiting"}),
        ("failed", job.id, {"failedReason": "no luck", "prev": "active"}),
        ("retries-exhausted", job.id, {"attemptsMade": "2"}),
        ("drained", None, {}),
    ]


async def test_of_a_job_that_is_tried_again_later(bed: Bed, told: Tell) -> None:
    before = time() * 1000
    job = await bed.queue().add("a", attempts=2, backoff=60)
    bed.working(fail)
    await reaches(job, "delayed")
    name, job_id, fields = (await told())[3]
    assert (name, job_id, list(fields)) == ("delayed", job.id, ["delay"])
    due = fields["delay"]
    assert isinstance(due, int)
    assert before + 60_000 <= due <= time() * 1000 + 60_000


async def test_of_delays_and_priorities(bed: Bed, told: Tell) -> None:
    queue = bed.queue()
    job = await queue.add("a", delay=60)
    due = int(job.timestamp.timestamp() * 1000) + 60_000
    await job.change_delay(120)
    await job.promote()
    urgent = await queue.add("b", priority=3)
    seen = await told()
    assert seen[:2] == [("added", job.id, {"name": "a"}), ("delayed", job.id, {"delay": due})]
    assert (seen[2][0], set(seen[2][2])) == ("delayed", {"delay"})
    assert seen[3:] == [
        ("waiting", job.id, {"prev": "delayed"}),
        ("added", urgent.id, {"name": "b"}),
        ("waiting", urgent.id, {}),
    ]


async def test_of_a_delayed_job_that_is_due(bed: Bed, told: Tell) -> None:
    job = await bed.queue().add("a", delay=0.01)
    bed.working(echo)
    await reaches(job, "completed")
    assert ("waiting", job.id, {"prev": "delayed"}) in await told()


async def test_of_progress(bed: Bed, told: Tell) -> None:
    job = await bed.queue().add("a")
    for progress in (50, {"done": ["x"]}, "half", None):
        await job.update_progress(progress)
    assert [fields for name, _, fields in await told() if name == "progress"] == [
        {"data": 50}, {"data": {"done": ["x"]}}, {"data": "half"}, {"data": None},
    ]  # fmt: skip


@pytest.mark.parametrize(("handler", "state"), [(echo, "completed"), (fail, "failed")])
async def test_of_a_job_that_is_run_again(bed: Bed, told: Tell, handler: Callable[..., Any], state: str) -> None:
    job = await bed.queue().add("a", 1)
    await bed.queue().add("b", 1)
    worker = bed.working(handler)
    await reaches(job, state)
    await worker.close()
    await job.retry(state)
    assert (await told())[-1] == ("waiting", job.id, {"prev": state})


async def test_of_a_job_that_stalls(bed: Bed, redis_client: Any, told: Tell) -> None:
    job = await bed.queue().add("a")
    worker = bed.worker(echo)
    assert await worker.get_next_job("t")
    redis_client.delete(f"{bed.prefix}:q:{job.id}:lock")
    await worker.recover_stalled()
    redis_client.delete(f"{bed.prefix}:q:stalled-check")
    assert await worker.recover_stalled() == [job.id]
    assert (await told())[-2:] == [("waiting", job.id, {"prev": "active"}), ("stalled", job.id, {})]


async def test_of_a_job_that_is_given_back(bed: Bed, told: Tell) -> None:
    await bed.queue().add("a")
    job = await bed.worker(echo).get_next_job("t")
    assert job is not None
    await job.move_to_wait("t")
    assert (await told())[-1] == ("waiting", job.id, {"prev": "active"})


async def test_of_removals(bed: Bed, told: Tell) -> None:
    queue = bed.queue()
    waiting, delayed = await queue.add("a"), await queue.add("b", delay=60)
    await waiting.remove()
    await queue.remove(delayed.id)
    assert [event for event in await told() if event[0] == "removed"] == [
        ("removed", waiting.id, {"prev": "wait"}),
        ("removed", delayed.id, {"prev": "delayed"}),
    ]


async def test_of_duplicates(bed: Bed, told: Tell) -> None:
    queue = bed.queue()
    await queue.add("a", job_id="mine")
    await queue.add("a", job_id="mine")
    first = await queue.add("b", deduplication="only-one")
    await queue.add("b", deduplication="only-one", job_id="other")
    assert [event for event in await told() if event[0] in ("duplicated", "deduplicated")] == [
        ("duplicated", "mine", {}),
        ("deduplicated", first.id, {"deduplicationId": "only-one", "deduplicatedJobId": "other"}),
    ]


async def test_of_the_queue_itself(bed: Bed, told: Tell) -> None:
    queue = bed.queue()
    await queue.pause()
    await queue.resume()
    job = await queue.add("a")
    worker = bed.working(echo)
    await reaches(job, "completed")
    await worker.close()
    assert await queue.clean(0) == [job.id]
    seen = await told()
    assert seen[:2] == [("paused", None, {}), ("resumed", None, {})]
    assert seen[-1] == ("cleaned", None, {"count": "1"})


async def test_of_a_flow(bed: Bed, told: Tell) -> None:
    node = await bed.producer().add(FlowJob("parent", "q", children=[FlowJob("child", "q")]))
    parent, child = node.job.id, node.children[0].job.id
    bed.working(echo)
    await reaches(node.job, "completed")
    assert [event[:2] for event in await told() if event[0] != "drained"] == [
        ("added", parent), ("waiting-children", parent), ("added", child), ("waiting", child), ("active", child),
        ("waiting", parent), ("completed", child), ("active", parent), ("completed", parent),
    ]  # fmt: skip
    assert ("waiting-children", parent, {}) in await told()
    assert ("waiting", parent, {"prev": "waiting-children"}) in await told()


async def test_of_a_job_that_waits_for_children_it_made(bed: Bed, told: Tell) -> None:
    queue = bed.queue()
    await queue.add("parent")
    job = await bed.worker(echo).get_next_job("t")
    assert job is not None
    await queue.add("child", parent=Parent(job.id, f"{bed.prefix}:q"))
    assert await job.move_to_waiting_children("t")
    assert (await told())[-1] == ("waiting-children", job.id, {"prev": "active"})


async def test_of_ones_own(bed: Bed, told: Tell) -> None:
    queue = bed.queue()
    await queue.publish_event("shipped", {"jobId": "5", "to": "Zürich", "parcels": 3})
    await queue.publish_event("quiet")
    assert await told() == [("shipped", "5", {"to": "Zürich", "parcels": "3"}), ("quiet", None, {})]


async def test_of_others(bed: Bed, redis_client: Any, told: Tell) -> None:
    """What older peers write, and what nobody should."""
    stream = f"{bed.prefix}:q:events"
    redis_client.xadd(stream, {"event": "debounced", "jobId": "5", "debounceId": "d"})
    redis_client.xadd(stream, {"event": "progress", "jobId": "5", "data": "{no json"})
    redis_client.xadd(stream, {"event": "delayed", "jobId": "5", "delay": "soon"})
    redis_client.xadd(stream, {"no": "name"})
    redis_client.xadd(stream, {"event": "binary", "field": b"\xff\x00"})
    assert await told() == [
        ("debounced", "5", {"debounceId": "d"}),
        ("progress", "5", {"data": "{no json"}),
        ("delayed", "5", {"delay": "soon"}),
        ("", None, {"no": "name"}),
        ("binary", None, {"field": "\ufffd\x00"}),
    ]


# ---- reading --------------------------------------------------------------------------------------------------------


async def test_a_listener_hears_what_it_asked_for(twin: Twin) -> None:
    queue = twin.queue()
    first, second = await queue.add("a"), await queue.add("b")
    await queue.pause()
    heard: list[tuple[str, str | None]] = []
    events = twin.events()
    unwanted: list[Event] = []
    await_all = asyncio.Event()
    loop = asyncio.get_running_loop()
    plain: Any = events if twin.is_async else events._thing
    on: Callable[..., None] = plain.on
    off: Callable[..., None] = plain.off

    def hear_any(event: Event) -> None:
        heard.append(("any", event.job_id))

    def hear_second(event: Event) -> None:
        heard.append(("second", event.job_id))

    def end(event: Event) -> None:
        loop.call_soon_threadsafe(await_all.set)

    on("added", hear_any)
    on("added", hear_second, job_id=second.id)
    on("waiting", unwanted.append)
    off("waiting", unwanted.append)
    off("waiting", unwanted.append)
    on("paused", end)
    running = asyncio.create_task(events.run())
    await asyncio.wait_for(await_all.wait(), 5)
    assert heard == [("any", first.id), ("any", second.id), ("second", second.id)]
    assert unwanted == []
    await events.close()
    await asyncio.wait_for(running, 5)


async def test_a_listener_may_be_a_coroutine_function_and_may_fail(bed: Bed, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str | None] = []

    async def note(event: Event) -> None:
        await asyncio.sleep(0)
        heard.append(event.job_id)

    def refuse(event: Event) -> None:
        raise ValueError("not today")

    job = await bed.queue().add("a")
    events = bed.events()
    events.on("added", refuse)
    events.on("added", note)
    with caplog.at_level(logging.ERROR, "oxmq.events"):
        assert (await anext(events)).name == "added"
    assert heard == [job.id]
    assert [record.message for record in caplog.records] == ["a listener to 'added' failed"]


@pytest.mark.parametrize(("name", "listener"), [("", print), ("added", "print"), ("added", None)])
async def test_a_listener_that_is_none_is_refused(bed: Bed, name: str, listener: Any) -> None:
    with pytest.raises(ConfigurationError, match="needs the name of an event and a function"):
        bed.events().on(name, listener)


async def test_closing_ends_the_loop_that_reads(bed: Bed) -> None:
    await bed.queue().add("a")
    events = bed.events()

    async def read() -> list[str]:
        return [event.name async for event in events]

    reading = asyncio.create_task(read())
    await eventually(lambda: events.last_event_id != "0")
    await events.close()
    assert await asyncio.wait_for(reading, 2) == ["added", "waiting"]


def test_closing_ends_the_thread_that_reads(redis_url: str, prefix: str) -> None:
    with oxmq.sync.Queue("q", redis_url, prefix=prefix) as queue:
        queue.add("a")
    events = oxmq.sync.QueueEvents("q", redis_url, prefix=prefix, last_event_id="0")
    seen = threading.Event()
    events.on("waiting", lambda _: seen.set())
    reading = threading.Thread(target=events.run)
    reading.start()
    assert seen.wait(5)
    events.close()
    reading.join(2)
    assert not reading.is_alive()


@pytest.mark.parametrize("last_event_id", ["", "now", "5-", "-5", "5-6-7", "$$"])
async def test_a_position_that_is_none_is_refused(bed: Bed, last_event_id: str) -> None:
    with pytest.raises(ConfigurationError, match='last_event_id must be "\\$", "0" or the id of an event'):
        bed.events(last_event_id=last_event_id)


async def test_a_reader_goes_on_where_another_was(twin: Twin, bed: Bed) -> None:
    queue = bed.queue()
    await queue.add("a", job_id="a")
    first = twin.events()
    assert [(await anext(first)).name for _ in range(2)] == ["added", "waiting"]
    await queue.add("b", job_id="b")
    second = twin.events(last_event_id=first.last_event_id)
    assert [(await anext(second)).job_id for _ in range(2)] == ["b", "b"]
