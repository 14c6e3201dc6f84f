"""The stream of one job's events: what it tells, where it goes on, when it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx2
import pytest

from oxmq import Queue
from oxmq.monitor.job_trail import news_of
from oxmq.monitor.site import show_all
from oxmq.records import Event
from oxmq.web import oxmq_web
from oxmq.web.job_events import Listener, Resync, lines_after
from tests.compat.node_peer import NodePeer
from tests.support.proxy import FaultProxy
from tests.support.waiting import eventually
from tests.web.jobs import failed, path, start
from tests.web.serving import Web, serving

STREAM = {"Accept": "text/event-stream"}


class Message(NamedTuple):
    """One event of a stream."""

    name: str
    id: str
    data: Any


@pytest.fixture
def queue(web: Web) -> Queue:
    return web.bed.queue("email")


async def messages(answer: httpx2.Response) -> AsyncIterator[Message]:
    """Read a stream of server-sent events."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if name:
            fields[name] = value
        elif "event" in fields:
            yield Message(fields["event"], fields["id"], json.loads(fields["data"]))
            fields = {}


@asynccontextmanager
async def following(web: Web, job_id: str, **headers: str) -> AsyncGenerator[AsyncIterator[Message]]:
    """Follow a job."""
    url = path(job_id) + "/events"
    async with web.client.stream("GET", url, headers={**STREAM, **headers}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield messages(answer)


async def until(stream: AsyncIterator[Message], name: str, most: int = 50) -> list[Message]:
    """Read messages up to the first of that name."""
    heard: list[Message] = []
    async with asyncio.timeout(10):
        async for message in stream:
            heard.append(message)
            if message.name == name or len(heard) == most:
                break
    return heard


def told(heard: list[Message]) -> list[tuple[str, Any]]:
    """Return what was told, without the times."""
    keys = {"state": "state", "progress": "progress", "log": "lines", "end": "state"}
    return [(message.name, message.data[keys[message.name]]) for message in heard]


async def test_a_job_is_followed_to_its_end(web: Web, queue: Queue) -> None:
    job = await queue.add("send")
    async with following(web, job.id) as stream:
        assert told(await until(stream, "state")) == [("state", "waiting")]
        running = await start(web)
        assert told(await until(stream, "state")) == [("state", "active")]
        await running.update_progress({"done": 1, "token": "x"})
        assert told(await until(stream, "progress")) == [("progress", {"done": 1, "token": "[redacted]"})]
        await running.log("one")
        assert told(await until(stream, "log")) == [("log", ["one"])]
        await running.log("two")
        await running.log("three")
        await running.move_to_completed({"ok": 1, "password": "hush"}, "token")
        rest = await until(stream, "end")
        lines = [line for message in rest if message.name == "log" for line in message.data["lines"]]
        assert lines == ["two", "three"]
        assert [item for item in told(rest) if item[0] != "log"] == [("state", "completed"), ("end", "completed")]
        assert rest[-1].data["result"] == {"ok": 1, "password": "[redacted]"}
        assert [message async for message in stream] == []


async def test_a_job_that_has_ended(web: Web, queue: Queue) -> None:
    job_id = await failed(web, queue)
    async with following(web, job_id) as stream:
        heard = [message async for message in stream]
    assert told(heard) == [("state", "failed"), ("end", "failed")]
    assert heard[-1].data["failed_reason"] == "no"


async def test_lines_that_are_there_come_before_the_end(web: Web, queue: Queue) -> None:
    job = await queue.add("send")
    for number in range(250):
        await job.log(f"line {number}")
    await (await start(web)).move_to_completed(1, "token")
    async with following(web, job.id) as stream:
        heard = [message async for message in stream]
    assert [message.name for message in heard] == ["state", "log", "log", "log", "end"]
    assert [message.data["from"] for message in heard if message.name == "log"] == [0, 100, 200]
    assert heard[-1].id.endswith(".250")


async def test_a_stream_goes_on_where_it_was_lost(web: Web, queue: Queue) -> None:
    job = await queue.add("send", {}, attempts=2)
    await job.log("one")
    async with following(web, job.id) as stream:
        last = (await until(stream, "log"))[-1].id
    running = await start(web)
    await running.update_progress(50)
    await running.log("two")
    async with following(web, job.id, **{"Last-Event-ID": last}) as stream:
        heard = await until(stream, "log")
        assert told(heard) == [("state", "active"), ("progress", 50), ("log", ["two"])]
    await running.move_to_failed(ValueError("first"), "token")
    await (await start(web)).move_to_failed(ValueError("last"), "token")
    url = f"{path(job.id)}/events?last_event_id={heard[-1].id}"
    async with web.client.stream("GET", url, headers=STREAM) as answer:
        rest = [message async for message in messages(answer)]
    assert told(rest) == [("state", "waiting"), ("state", "active"), ("state", "failed"), ("end", "failed")]
    async with following(web, job.id, **{"Last-Event-ID": rest[-1].id}) as stream:
        assert told([message async for message in stream])[-1] == ("end", "failed")


async def test_where_events_were_removed_the_state_is_told(web: Web, queue: Queue) -> None:
    job = await queue.add("send")
    async with following(web, job.id) as stream:
        last = (await until(stream, "state"))[-1].id
    await start(web)
    await queue.add_bulk([("other", {"number": number}) for number in range(300)])
    await queue.trim_events(1)
    async with following(web, job.id, **{"Last-Event-ID": last}) as stream:
        assert told(await until(stream, "state")) == [("state", "active")]


async def test_an_id_that_is_none_is_refused(web: Web, queue: Queue) -> None:
    job = await queue.add("send")
    for last in ("x", "1-1", "1-1.x", "-1-1.0", "1-1.1.1", "9" * 40):
        answer = await web.client.get(f"{path(job.id)}/events", headers={**STREAM, "Last-Event-ID": last})
        assert answer.status_code == 422


async def test_an_id_of_the_future_is_none_that_is_known(web: Web, queue: Queue) -> None:
    job_id = await failed(web, queue)
    async with following(web, job_id, **{"Last-Event-ID": "9999999999999-0.5"}) as stream:
        assert told([message async for message in stream]) == [("state", "failed"), ("end", "failed")]


async def test_a_job_that_does_not_exist(web: Web) -> None:
    answer = await web.client.get(path("none") + "/events", headers=STREAM)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_delays_are_told_and_removal_is_an_end(web: Web, queue: Queue) -> None:
    job = await queue.add("send", {}, delay=60)
    async with following(web, job.id) as stream:
        first = (await until(stream, "state"))[0].data
        assert (first["state"], "due_at" in first) == ("delayed", True)
        await job.promote()
        assert told(await until(stream, "state")) == [("state", "waiting")]
        await job.remove()
        assert told([message async for message in stream]) == [("end", "removed")]


async def test_a_job_that_vanishes_without_a_word(web: Web, queue: Queue) -> None:
    job = await queue.add("send")
    async with following(web, job.id) as stream:
        await until(stream, "state")
        await queue.drain()
        assert told([message async for message in stream])[-1] == ("end", "removed")


async def test_a_log_that_keeps_its_newest_lines_only(web: Web, queue: Queue) -> None:
    job = await queue.add("send", {}, keep_logs=3)
    for word in ("a", "b", "c"):
        await job.log(word)
    async with following(web, job.id) as stream:
        assert told(await until(stream, "log"))[-1] == ("log", ["a", "b", "c"])
        await job.log("d")
        assert told(await until(stream, "log")) == [("log", ["d"])]


async def test_all_who_follow_share_one_connection(web: Web, queue: Queue, redis_client: Any) -> None:
    def readers() -> int:
        return sum(client["name"].endswith(":qe") for client in redis_client.client_list())

    before = readers()
    jobs = [await queue.add("send") for _ in range(2)]
    async with (
        following(web, jobs[0].id) as one,
        following(web, jobs[0].id) as two,
        following(web, jobs[1].id) as other,
    ):
        for stream in (one, two, other):
            await until(stream, "state")
        assert readers() == before + 1
        await jobs[0].update_progress(7)
        for stream in (one, two):
            assert told(await until(stream, "progress")) == [("progress", 7)]
    await eventually(lambda: readers() == before)


async def test_a_job_that_node_runs(web: Web, queue: Queue, node: NodePeer) -> None:
    job_id = await node.add("email", "fail", {"times": 1}, attempts=2)
    async with following(web, job_id) as stream:
        await until(stream, "state")
        await node.start_worker("email")
        heard = [message async for message in stream]
    states = ["active", "waiting", "active", "completed"]
    assert told(heard) == [*(("state", state) for state in states), ("end", "completed")]
    view = await web.get(path(job_id))
    assert (view["attempts_made"], view["result"]) == (2, {"times": 1})
    assert view["stacktrace"][0].startswith("Error: told to fail\n    at ")


async def test_while_redis_is_away(redis_url: str, prefix: str, web: Web, queue: Queue) -> None:
    async with FaultProxy(redis_url) as proxy, serving(oxmq_web(proxy.url, prefix=prefix)) as url:
        job = await queue.add("send")
        events = f"{url}{path(job.id)}/events"
        async with web.client.stream("GET", events, headers=STREAM) as answer:
            stream = messages(answer)
            await until(stream, "state")
            proxy.refuse()
            assert (await until(stream, "trouble"))[-1].data["detail"]
            await (await start(web)).move_to_completed(1, "token")
            proxy.heal()
            assert (await until(stream, "end"))[-1].data["state"] == "completed"


# ---- parts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tail", "rows", "fresh"),
    [
        ("abc", "bcd", "d"),
        ("abc", "abc", ""),
        ("abc", "def", "def"),
        ("aaa", "aaa", ""),
        ("c", "abcd", "d"),
        ("abc", "c", ""),
        ("abc", "", ""),
    ],
)
def test_new_lines_are_told_from_known_ones(tail: str, rows: str, fresh: str) -> None:
    assert lines_after(list(tail), list(rows)) == list(fresh)


async def test_who_is_too_slow_begins_anew() -> None:
    listener = Listener()
    for number in range(10_000):
        listener.tell(Event(f"{number}-0", "progress", "1", {}))
    items = [await listener.next()]
    assert isinstance(items[0], Event | Resync)


@pytest.mark.parametrize("name", ["added", "drained", "stalled", "retries-exhausted", "deduplicated", "of my own"])
def test_events_that_change_nothing_are_not_told(name: str) -> None:
    assert news_of(Event("1-0", name, "1", {"data": "x"}), show_all) == []
