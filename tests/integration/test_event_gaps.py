"""A reader of events notices when events were removed before it read them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from oxmq import Event, Queue, QueueEvents
from oxmq.keys import QueueKeys
from tests.integration.bed import Bed
from tests.integration.twin import Twin
from tests.support.waiting import eventually

KEPT = 1_000_000


class Stream:
    """Write events of a queue, and remove some."""

    def __init__(self, queue: Queue, client: Any, key: str) -> None:
        self.key = key
        self._queue = queue
        self._client = client
        self._written = 0

    async def write(self, count: int) -> None:
        """Write events that are numbered from 0 on."""
        for _ in range(count):
            await self._queue.publish_event("own", {"number": self._written}, KEPT)
            self._written += 1

    def keep(self, count: int) -> None:
        """Remove all but the newest events."""
        self._client.xtrim(self.key, maxlen=count, approximate=False)

    def delete(self) -> None:
        self._client.delete(self.key)


@pytest.fixture
def stream(bed: Bed, redis_client: Any) -> Stream:
    return Stream(bed.queue(), redis_client, f"{bed.prefix}:q:events")


@pytest.fixture
async def reader(bed: Bed, stream: Stream) -> AsyncIterator[QueueEvents]:
    """Return a reader of what comes from now on, which has read nothing yet."""
    async with QueueEvents("q", bed.url, prefix=bed.prefix) as events:
        yield events


def is_blocked(client: Any, name: str) -> bool:
    """Tell whether a connection of that name waits for something to come."""
    return any(found["name"] == name and "b" in found["flags"] for found in client.client_list())


async def read(events: Any, count: int) -> list[Any]:
    """Return for each event its number, or why there is a gap and how many are missing."""
    return [spell(await asyncio.wait_for(anext(events), 10)) for _ in range(count)]


def spell(event: Event) -> object:
    if event.name == QueueEvents.GAP:
        assert event.job_id is None
        return event.fields["reason"], event.fields["missed"]
    return int(str(event.fields["number"]))


async def test_events_that_were_trimmed_are_counted(reader: QueueEvents, stream: Stream) -> None:
    await stream.write(5)
    stream.keep(2)
    assert await read(reader, 3) == [("trimmed", 3), 3, 4]
    await stream.write(4)
    stream.keep(1)
    assert await read(reader, 2) == [("trimmed", 3), 8]


async def test_a_reader_that_is_in_time_misses_nothing(reader: QueueEvents, stream: Stream) -> None:
    for number in range(20):
        await stream.write(1)
        assert await read(reader, 1) == [number]
        stream.keep(0)


async def test_everything_is_read_or_counted(reader: QueueEvents, stream: Stream) -> None:
    seen: list[Any] = []

    async def follow() -> None:
        while sum(1 if isinstance(item, int) else item[1] for item in seen) < 400:
            seen.extend(await read(reader, 1))

    following = asyncio.create_task(follow())
    for number in range(40):
        await stream.write(10)
        stream.keep(number % 7)
    await asyncio.wait_for(following, 10)
    assert sum(1 if isinstance(item, int) else item[1] for item in seen) == 400
    numbers = [item for item in seen if isinstance(item, int)]
    assert numbers == sorted(set(numbers))


async def test_a_reader_that_resumes(twin: Twin, stream: Stream) -> None:
    await stream.write(5)
    first = twin.events()
    await read(first, 2)
    at = first.last_event_id
    assert await read(twin.events(last_event_id=at), 3) == [2, 3, 4]
    stream.keep(2)
    # Who only knows an id cannot know how many came after it.
    resumed = twin.events(last_event_id=at)
    assert await read(resumed, 3) == [("trimmed", None), 3, 4]
    await stream.write(3)
    stream.keep(1)
    assert await read(resumed, 2) == [("trimmed", 2), 7]


async def test_a_reader_that_resumes_at_the_end_has_missed_nothing(bed: Bed, stream: Stream, redis_client: Any) -> None:
    await stream.write(2)
    first = bed.events()
    await read(first, 2)
    stream.keep(0)
    resumed = bed.events(last_event_id=first.last_event_id)
    reading = asyncio.create_task(read(resumed, 1))
    await eventually(lambda: is_blocked(redis_client, f"{QueueKeys('q', bed.prefix).client_name}:qe"))
    await stream.write(1)
    assert await reading == [2]


async def test_a_reader_of_all_that_is_there_has_missed_nothing(bed: Bed, stream: Stream) -> None:
    await stream.write(5)
    stream.keep(3)
    reader = bed.events(last_event_id="0")
    assert await read(reader, 3) == [2, 3, 4]
    await stream.write(3)
    stream.keep(1)
    assert await read(reader, 2) == [("trimmed", 2), 7]


async def test_a_long_backlog_is_read_whole(bed: Bed, stream: Stream, redis_client: Any) -> None:
    with redis_client.pipeline() as pipeline:
        for number in range(2500):
            pipeline.xadd(stream.key, {"event": "own", "number": number})
        pipeline.execute()
    assert await read(bed.events(), 2500) == list(range(2500))


async def test_a_stream_that_was_deleted(reader: QueueEvents, stream: Stream) -> None:
    await stream.write(2)
    assert await read(reader, 2) == [0, 1]
    stream.delete()
    assert await read(reader, 1) == [("deleted", None)]
    await stream.write(1)
    assert await read(reader, 1) == [2]


async def test_a_stream_that_was_deleted_and_written_anew(reader: QueueEvents, stream: Stream) -> None:
    await stream.write(4)
    assert await read(reader, 4) == [0, 1, 2, 3]
    stream.delete()
    await stream.write(2)
    assert await read(reader, 3) == [("deleted", None), 4, 5]


async def test_a_queue_that_was_obliterated(bed: Bed, reader: QueueEvents, stream: Stream) -> None:
    await stream.write(2)
    assert await read(reader, 2) == [0, 1]
    queue = bed.queue()
    await queue.pause()
    await queue.obliterate()
    assert await read(reader, 1) == [("deleted", None)]


async def test_a_position_beyond_the_newest_event(bed: Bed, stream: Stream) -> None:
    """As after a server came back with an older state."""
    await stream.write(2)
    reader = bed.events(last_event_id="99999999999999-0")
    assert await read(reader, 1) == [("deleted", None)]
    await stream.write(1)
    assert await read(reader, 1) == [2]


async def test_a_listener_hears_of_a_gap(reader: QueueEvents, stream: Stream) -> None:
    heard: list[object] = []
    reader.on(QueueEvents.GAP, lambda event: heard.append(spell(event)))
    await stream.write(3)
    stream.keep(1)
    await read(reader, 2)
    assert heard == [("trimmed", 2)]
