"""What is told to those who follow: in patches, once for all, and never too much."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oxmq import Job
from oxmq.monitor.history import Recorder
from oxmq.monitor.site import Site
from oxmq.web import feed as feed_module
from oxmq.web import oxmq_web
from oxmq.web.feed import Feed, is_topic, merge_patch
from tests.integration.bed import Bed
from tests.support.servers import RedisServer
from tests.support.waiting import TIME_SCALE
from tests.web.serving import Web, serving


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look more often than people need."""
    monkeypatch.setattr(feed_module, "PAUSES", dict.fromkeys(feed_module.PAUSES, 0.1))
    monkeypatch.setattr("oxmq.monitor.watch._WORKERS", 0.1)
    monkeypatch.setattr("oxmq.monitor.watch._CLIENTS", 0.1)


def apply(target: Any, patch: Any) -> Any:
    """Apply a merge patch as RFC 7396 says."""
    if not isinstance(patch, dict):
        return patch
    result: dict[str, Any] = {**cast("dict[str, Any]", target)} if isinstance(target, dict) else {}
    for name, value in cast("dict[str, Any]", patch).items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = apply(result.get(name), value)
    return result


def without_nulls(value: Any) -> Any:
    """Return a value as a client knows it, which takes a null for nothing. Lists are sent whole, nulls and all."""
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, Any]", value)
    return {name: without_nulls(member) for name, member in members.items() if member is not None}


_names = st.sampled_from("abc")
_plain = st.none() | st.integers(0, 2) | st.lists(st.none() | st.integers(0, 1), max_size=2)
_values = st.recursive(_plain, lambda inner: st.dictionaries(_names, inner, max_size=3), max_leaves=8)
_objects = st.dictionaries(_names, _values, max_size=3)


@given(_objects, _objects)
def test_a_patch_turns_the_old_value_into_the_new_one(old: dict[str, Any], new: dict[str, Any]) -> None:
    patch = merge_patch(old, new)
    assert without_nulls(apply(old, patch)) == without_nulls(new)
    assert merge_patch(new, new) == {}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("overview", True), ("workers", True), ("schedules", True), ("queue:email", True), ("queue:a b", True),
        ("queue", False), ("queue:", False), ("queue:a:b", False), ("queue:a\nb", False), ("overview:x", False),
        ("", False), ("other", False),
    ],
)  # fmt: skip
def test_names_of_topics(name: str, expected: bool) -> None:
    assert is_topic(name) is expected


class Stream:
    """Read one stream of events, and keep each topic's value up to date."""

    def __init__(self, source: httpx2.EventSource) -> None:
        self._events = aiter(source)
        self.values: dict[str, Any] = {}
        self.kinds: list[str] = []
        self.ids: list[int] = []

    async def next(self) -> tuple[str, Any]:
        """Return the next event's name and data."""
        event = await asyncio.wait_for(anext(self._events), 8 * TIME_SCALE)
        data = msgspec.json.decode(event.data)
        self.ids.append(int(event.id))
        if "kind" in data:
            self.kinds.append(f"{event.event} {data['kind']}")
            known = self.values.get(event.event)
            self.values[event.event] = data["value"] if data["kind"] == "full" else apply(known, data["value"])
        return event.event, data

    async def until(self, topic: str, path: str, expected: Any) -> None:
        """Read on until a member of a topic's value is as expected."""
        while True:
            value = self.values.get(topic, {})
            for name in path.split("."):
                value = value.get(name, {})
            if value == expected:
                return
            await self.next()


@asynccontextmanager
async def following(client: httpx2.AsyncClient, topics: str) -> AsyncGenerator[Stream]:
    async with client.sse("/api/events", params={"topics": topics}) as source:
        yield Stream(source)


async def test_values_come_whole_and_then_in_patches(web: Web, bed: Bed) -> None:
    queue = bed.queue("email")
    await queue.add("send", {})
    async with following(web.client, "overview,queue:email,workers,schedules") as stream:
        await stream.until("queue:email", "counts.waiting", 1)
        assert "spark" not in stream.values["queue:email"]
        await stream.until("overview", "queues.email.counts.waiting", 1)
        await queue.add("send", {})
        await queue.pause()
        await stream.until("queue:email", "counts.waiting", 2)
        await stream.until("queue:email", "paused", True)
        await stream.until("overview", "totals.unfinished", 2)
        while {"workers", "schedules"} - stream.values.keys():
            await stream.next()
        for topic in ("overview", "queue:email"):
            first = [kind for kind in stream.kinds if kind.startswith(topic)][:2]
            assert first == [f"{topic} full", f"{topic} patch"]
        assert len(set(stream.ids)) == len(stream.ids)
        polled = await web.get("/api/queues/email")
        assert stream.values["queue:email"].keys() <= polled.keys()


async def work(job: Job[Any]) -> None:
    """Have nothing to do."""


async def test_workers_come_and_go(web: Web, bed: Bed) -> None:
    worker = bed.working(work, "email")
    async with following(web.client, "workers") as stream:
        await stream.next()
        while not stream.values["workers"]["workers"]:
            await stream.next()
        (found,) = stream.values["workers"]["workers"].values()
        assert (found["queue"], found["health"]) == ("email", "ok")
        await worker.close(grace=0)
        while stream.values["workers"].get("workers"):
            await stream.next()


@pytest.mark.parametrize(
    ("topics", "words"),
    [
        ("", "from 1 to 10 topics"),
        (",", "from 1 to 10 topics"),
        ("nope", "there is no topic 'nope'; there are: overview"),
        (",".join(f"queue:q{number}" for number in range(11)), "from 1 to 10 topics"),
    ],
)
async def test_topics_that_cannot_be_followed(web: Web, topics: str, words: str) -> None:
    error = (await web.get("/api/events", 422, topics=topics))["errors"][0]
    assert error["field"] == "query.topics"
    assert error["message"].startswith(words)


async def test_a_queue_that_is_not_there_is_told_of_and_watched_for(web: Web, bed: Bed) -> None:
    async with following(web.client, "queue:later") as stream:
        assert await stream.next() == ("trouble", {"detail": "There is no queue 'later'.", "topic": "queue:later"})
        await bed.queue("later").add("x", {})
        await stream.until("queue:later", "counts.waiting", 1)


async def test_who_is_limited_to_a_queue_is_told_of_no_other(guarded_web: Web, bed: Bed) -> None:
    for name in ("email", "images"):
        await bed.queue(name).add("x", {})
    limited, all_seeing = guarded_web.as_("only-email"), guarded_web.as_("viewer")
    assert (await limited.get("/api/events", params={"topics": "overview,queue:images"})).status_code == 403
    async with (
        following(limited, "overview,workers,queue:email") as mine,
        following(all_seeing, "overview") as theirs,
    ):
        await mine.until("overview", "totals.unfinished", 1)
        await theirs.until("overview", "totals.unfinished", 2)
        assert list(mine.values["overview"]["queues"]) == ["email"]


async def test_no_more_streams_than_may_be(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MAX_STREAMS", 1)
    async with following(web.client, "overview") as stream:
        await stream.next()
        answer = await web.client.get("/api/events", params={"topics": "overview"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")


async def test_while_the_server_is_away_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oxmq.web.app._PATIENCE", 0.3)
    with RedisServer() as redis:
        async with (
            serving(oxmq_web(redis.url)) as url,
            httpx2.AsyncClient(base_url=url, timeout=10) as client,
            following(client, "overview") as stream,
        ):
            await stream.next()
            redis.stop()
            event, data = await stream.next()
            while event != "trouble":
                event, data = await stream.next()
            assert data["topic"] == "overview"
            assert data["detail"]
            assert (await client.get("/health/live")).json() == {"status": "ok"}
            ready = await client.get("/health/ready")
            assert (ready.status_code, ready.json()) == (503, {"status": "unavailable"})
            redis.start()
            while stream.kinds[-1] != "overview full" or len(stream.kinds) < 2:
                await stream.next()
            assert (await client.get("/health/ready")).status_code == 200


async def test_the_value_is_computed_once_for_all_and_by_nobody_when_none_follows(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(feed_module.PAUSES, "overview", 0.01)
    monkeypatch.setattr("oxmq.monitor.watch._LOOK", 0.0)
    monkeypatch.setattr(feed_module, "_REST", 0)
    async with Site(bed.url, prefix=bed.prefix) as site:
        feed, looks, look = Feed(site), [0], site.watch.look

        async def counted() -> Any:
            looks[0] += 1
            return await look()

        monkeypatch.setattr(site.watch, "look", counted)
        streams = [feed.follow(["overview"], None) for _ in range(50)]
        for stream in streams:
            await anext(stream)  # the sign of life
        wholes = {(await anext(stream)).partition(b"data: ")[2] for stream in streams}
        assert len(wholes) == 1
        assert looks[0] < 10
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]  # a generator, which its type does not say
        seen = looks[0]
        await asyncio.sleep(0.05)
        assert looks[0] <= seen + 1
        await feed.close()


async def test_who_reads_slowly_gets_the_whole_value_again(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(feed_module.PAUSES, "queue", 0.01)
    monkeypatch.setattr(feed_module, "_REST", 0)
    queue = bed.queue("email")
    await queue.add("x", {})
    async with Site(bed.url, prefix=bed.prefix) as site:
        feed = Feed(site)
        slow, quick = (feed.follow(["queue:email"], None) for _ in range(2))
        for stream in (slow, quick):
            await anext(stream)
            assert b'"kind":"full"' in await anext(stream)
        for _ in range(3):
            await queue.add("x", {})
            assert b'"kind":"patch"' in await anext(quick)
        late = await anext(slow)
        assert b'"kind":"full"' in late
        for stream in (slow, quick):
            await stream.aclose()  # type: ignore[attr-defined]  # a generator, which its type does not say
        await feed.close()


async def test_a_quiet_stream_shows_that_it_lives(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "_KEEP_ALIVE", 0.02)
    async with Site(bed.url, prefix=bed.prefix, known=["idle"]) as site:
        feed = Feed(site)
        stream = feed.follow(["queue:idle"], None)
        found = [await anext(stream) for _ in range(4)]
        assert found.count(b": still here\n\n") >= 2
        await stream.aclose()  # type: ignore[attr-defined]  # a generator, which its type does not say
        await feed.close()


async def test_a_minute_is_written_down_once_for_queues_that_nobody_else_records(bed: Bed) -> None:
    queue = bed.queue("email")
    await queue.add("x", {})
    async with Site(bed.url, prefix=bed.prefix) as site:
        recorder = Recorder(site)
        assert await recorder.record() == 1
        assert await recorder.record() == 0
        recorder.start()
        await recorder.stop()


async def test_what_goes_wrong_in_a_topic_is_told_and_logged(
    bed: Bed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with Site(bed.url, prefix=bed.prefix) as site:
        feed = Feed(site)

        async def broken() -> Any:
            raise ZeroDivisionError

        monkeypatch.setattr(site.watch, "look", broken)
        stream = feed.follow(["overview"], None)
        await anext(stream)
        assert b"event: trouble" in await anext(stream)
        assert "ZeroDivisionError" in caplog.text
        with contextlib.suppress(StopAsyncIteration):
            await stream.aclose()  # type: ignore[attr-defined]  # a generator, which its type does not say
        await feed.close()
