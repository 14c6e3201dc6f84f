"""Those who wait for a result get it, whatever happens to the connection, the server or the events meanwhile."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from oxmq import Job, UnavailableError, Worker
from tests.faults.stage import FLAVOUR
from tests.integration.twin import Twin
from tests.support.proxy import FaultProxy
from tests.support.servers import RedisServer
from tests.support.waiting import eventually

#: After so long at most a waiter looks for itself, in seconds, and some.
LOOK = 8.0
ROOT = Path(__file__).parents[2]


async def echo(job: Job[Any]) -> object:
    return job.data


@pytest.fixture(params=["async", "sync"])
async def far(request: pytest.FixtureRequest, proxy: FaultProxy) -> AsyncIterator[Twin]:
    """Return a maker of queues behind the proxy, of each kind."""
    made = Twin(request.param, proxy.url, "bull")
    yield made
    await made.close()


async def finish(url: str) -> None:
    """Work the queue until it is empty, on a connection without faults."""
    async with Worker("q", echo, url) as worker:
        worker.start()
        drained = asyncio.Event()
        worker.on("completed", lambda *_: drained.set())
        await asyncio.wait_for(drained.wait(), 10)


def reset(proxy: FaultProxy) -> None:
    proxy.reset_before("XREAD")


def lose_the_answer(proxy: FaultProxy) -> None:
    proxy.swallow_reply("XREAD")


def forget(proxy: FaultProxy) -> None:
    proxy.half_open()
    proxy.heal()


@pytest.mark.parametrize("fault", [reset, lose_the_answer, forget])
async def test_a_broken_read_is_made_anew(
    far: Twin, proxy: FaultProxy, server: RedisServer, fault: Callable[[FaultProxy], None]
) -> None:
    job = await far.queue().add("a", 5)
    waiting = asyncio.create_task(job.result(timeout=30))
    await eventually(lambda: proxy.commands["XREAD"])
    fault(proxy)
    began = monotonic()
    await finish(server.url)
    assert await waiting == 5
    # The read that blocks is answered after five seconds, if it is still to be lost.
    assert monotonic() - began < (4 if fault is forget else LOOK)


async def test_an_end_during_an_outage_is_heard_of_after_it(far: Twin, proxy: FaultProxy, server: RedisServer) -> None:
    job = await far.queue().add("a", 5)
    waiting = asyncio.create_task(job.result(timeout=30))
    await eventually(lambda: proxy.commands["XREAD"])
    proxy.refuse()
    await finish(server.url)
    proxy.heal()
    began = monotonic()
    assert await waiting == 5
    assert monotonic() - began < 4


async def test_an_end_whose_event_is_gone_is_found(far: Twin, proxy: FaultProxy, server: RedisServer) -> None:
    job = await far.queue().add("a", 5)
    waiting = asyncio.create_task(job.result(timeout=30))
    await eventually(lambda: proxy.commands["XREAD"])
    proxy.refuse()
    await finish(server.url)
    with server.client() as client:
        client.xtrim("bull:q:events", maxlen=0, approximate=False)
    proxy.heal()
    began = monotonic()
    assert await waiting == 5
    assert monotonic() - began < LOOK


async def test_a_stream_that_was_deleted_is_read_on(far: Twin, proxy: FaultProxy, server: RedisServer) -> None:
    job = await far.queue().add("a", 5)
    waiting = asyncio.create_task(job.result(timeout=30))
    await eventually(lambda: proxy.commands["XREAD"])
    with server.client() as client:
        client.delete("bull:q:events")
    began = monotonic()
    await finish(server.url)
    assert await waiting == 5
    assert monotonic() - began < 4


async def test_a_server_that_is_frozen_for_a_while(far: Twin, proxy: FaultProxy, server: RedisServer) -> None:
    job = await far.queue().add("a", 5)
    waiting = asyncio.create_task(job.result(timeout=40))
    await eventually(lambda: proxy.commands["XREAD"])
    looks, connects = proxy.commands["EVALSHA"], proxy.commands["CLIENT"]
    server.freeze()
    # Neither the read is answered nor a look, and no new connection is.
    await eventually(lambda: proxy.commands["EVALSHA"] > looks, LOOK + 4)
    await eventually(lambda: proxy.commands["CLIENT"] > connects, LOOK + 4)
    assert not waiting.done()
    server.thaw()
    await finish(server.url)
    assert await waiting == 5


async def test_a_server_that_is_not_there_at_first(far: Twin, proxy: FaultProxy) -> None:
    job = await far.queue().add("a", 5)
    proxy.refuse()
    with pytest.raises(UnavailableError):
        await job.result(timeout=30)


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_server_that_comes_back(tmp_path: Path, kind: str) -> None:
    with RedisServer(FLAVOUR, appendonly="always", directory=tmp_path) as server:
        twin = Twin(kind, server.url, "bull")
        job = await twin.queue().add("a", 5)
        waiting = asyncio.create_task(job.result(timeout=30))
        with server.client() as client:
            await eventually(lambda: client.info("clients")["blocked_clients"])
        server.kill9()
        server.start()
        began = monotonic()
        await finish(server.url)
        assert await waiting == 5
        assert monotonic() - began < 6
        await twin.close()


async def test_a_job_that_is_lost_with_its_server_is_missing(server: RedisServer) -> None:
    twin = Twin("async", server.url, "bull")
    job = await twin.queue().add("a", 5)
    waiting = asyncio.create_task(job.result(timeout=30))
    with server.client() as client:
        await eventually(lambda: client.info("clients")["blocked_clients"])
    server.kill9()
    server.start()
    with pytest.raises(Exception, match="Missing key for job"):
        await waiting
    await twin.close()


async def test_a_process_that_forks_waits_in_both(server: RedisServer) -> None:
    twin = Twin("async", server.url, "bull")
    job = await twin.queue().add("a", 5)
    command = (sys.executable, "-X", "dev", "-W", "error", "-m", "tests.faults.forking_waiter", "q", job.id)
    waiter = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "OXMQ_URL": server.url, "PYTHONWARNINGS": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with server.client() as client:

        def readers() -> int:
            return sum(entry["cmd"] == "xread" for entry in client.client_list())

        await eventually(lambda: readers() == 1, 15)
        assert waiter.stdin is not None
        waiter.stdin.write("fork\n")
        waiter.stdin.flush()
        await eventually(lambda: readers() == 2, 15)
        await finish(server.url)
    said, complaints = await asyncio.to_thread(waiter.communicate, timeout=20)
    assert sorted(said.split("\n")) == ["", "child 5", "parent 5"]
    assert (waiter.returncode, complaints) == (0, "")
    await twin.close()
