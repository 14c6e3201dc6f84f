"""A reader of events goes on, whatever happens to the connection or the server, and says what it missed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oxmq import QueueEvents
from tests.faults.stage import FLAVOUR
from tests.support.proxy import FaultProxy
from tests.support.servers import RedisServer
from tests.support.waiting import eventually

STREAM = "bull:q:events"


def tell(server: RedisServer, *numbers: int) -> None:
    """Write events, as anybody might."""
    with server.client() as client:
        for number in numbers:
            client.xadd(STREAM, {"event": "own", "number": number})


async def read(events: QueueEvents, count: int) -> list[Any]:
    """Return for each event its number, or why there is a gap and how many are missing."""
    seen = [await asyncio.wait_for(anext(events), 12) for _ in range(count)]
    return [
        (event.fields["reason"], event.fields["missed"])
        if event.name == QueueEvents.GAP
        else int(str(event.fields["number"]))
        for event in seen
    ]


def listed(server: RedisServer) -> bool:
    with server.client() as client:
        return any(entry["name"] == "bull:cQ==:qe" and entry["cmd"] == "xread" for entry in client.client_list())


def reset(proxy: FaultProxy) -> None:
    proxy.reset_before("XREAD")


def lose_the_answer(proxy: FaultProxy) -> None:
    proxy.swallow_reply("XREAD")


def cut(proxy: FaultProxy) -> None:
    proxy.half_open()
    proxy.heal()


@pytest.mark.parametrize("fault", [reset, lose_the_answer, cut])
async def test_nothing_is_lost_with_a_connection(
    proxy: FaultProxy, server: RedisServer, fault: Callable[[FaultProxy], None]
) -> None:
    async with QueueEvents("q", proxy.url) as events:
        fault(proxy)
        reading = asyncio.create_task(read(events, 4))
        await eventually(lambda: proxy.commands["XREAD"])
        tell(server, 0, 1)
        await eventually(lambda: listed(server))
        tell(server, 2, 3)
        assert await reading == [0, 1, 2, 3]


async def test_what_was_trimmed_during_an_outage_is_counted(proxy: FaultProxy, server: RedisServer) -> None:
    async with QueueEvents("q", proxy.url) as events:
        tell(server, 0)
        assert await read(events, 1) == [0]
        proxy.refuse()
        tell(server, *range(1, 10))
        with server.client() as client:
            client.xtrim(STREAM, maxlen=2, approximate=False)
        proxy.heal()
        assert await read(events, 3) == [("trimmed", 7), 8, 9]


async def test_a_frozen_server_is_waited_for(server: RedisServer) -> None:
    async with QueueEvents("q", server.url) as events:
        reading = asyncio.create_task(read(events, 1))
        await eventually(lambda: listed(server))
        server.freeze()
        done, _ = await asyncio.wait({reading}, timeout=9)
        assert not done
        server.thaw()
        tell(server, 5)
        assert await reading == [5]


async def test_a_server_that_comes_back_empty(server: RedisServer) -> None:
    async with QueueEvents("q", server.url) as events:
        tell(server, 0)
        assert await read(events, 1) == [0]
        server.kill9()
        server.start()
        tell(server, 1)
        assert await read(events, 2) == [("deleted", None), 1]


async def test_a_server_that_remembers(tmp_path: Path) -> None:
    with RedisServer(FLAVOUR, appendonly="always", directory=tmp_path) as server:
        async with QueueEvents("q", server.url) as events:
            tell(server, 0)
            assert await read(events, 1) == [0]
            reading = asyncio.create_task(read(events, 2))
            await eventually(lambda: listed(server))
            server.kill9()
            server.start()
            tell(server, 1)
            await eventually(lambda: listed(server))
            tell(server, 2)
            assert await reading == [1, 2]
