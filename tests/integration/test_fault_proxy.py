"""Prove each fault of the proxy with real clients and a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from time import monotonic
from typing import Any

import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tests.support.proxy import FaultProxy
from tests.support.resp import FrameBuffer, command_words
from tests.support.servers import RedisServer, connect
from tests.support.waiting import eventually


@pytest.fixture(scope="module", params=["tcp", "unix"])
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    with RedisServer(unix=request.param == "unix") as server:
        yield server


@pytest.fixture
async def proxy(server: RedisServer) -> AsyncIterator[FaultProxy]:
    with server.client() as direct:
        direct.flushall()
    async with FaultProxy(server.url) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: FaultProxy) -> AsyncIterator[Any]:
    """Connect through the proxy; each command has half a second, and no second try."""
    client_class: Any = redis.asyncio.Redis
    client = client_class.from_url(proxy.url, socket_timeout=0.5, retry=Retry(NoBackoff(), 0), decode_responses=True)
    yield client
    await client.aclose()


async def test_passes_everything_on_by_default(proxy: FaultProxy, client: Any) -> None:
    large = "x" * 300_000
    async with client.pipeline(transaction=True) as pipeline:
        pipeline.set("large", large).get("large").hset("hash", mapping={"a": "1"}).hgetall("hash").get("none")
        assert (await pipeline.execute())[1:] == [large, 1, {"a": "1"}, None]
    assert proxy.commands["SET"] == 1
    assert not proxy.fired


async def test_passes_resp3_and_pushes(proxy: FaultProxy) -> None:
    client_class: Any = redis.asyncio.Redis
    async with client_class.from_url(proxy.url, protocol=3, decode_responses=True) as client:
        await client.hset("hash", mapping={"a": "1", "b": "2"})
        assert await client.hgetall("hash") == {"a": "1", "b": "2"}
        async with client.pubsub() as subscription:
            await subscription.subscribe("news")
            await client.publish("news", "hello")
            await eventually(lambda: heard(subscription, "hello"))


async def heard(subscription: Any, text: str) -> bool:
    message = await subscription.get_message(timeout=0.1)
    return bool(message) and message["data"] == text


async def test_reset_before_keeps_the_command_from_the_server(
    proxy: FaultProxy, client: Any, server: RedisServer
) -> None:
    proxy.reset_before("INCRBY", nth=2)
    assert await client.incr("n") == 1
    with pytest.raises(RedisConnectionError, match="reset by peer"):
        await client.incr("n")
    assert await client.incr("n") == 2
    assert proxy.fired == {"reset_before": 1}


async def test_swallowed_reply_belongs_to_a_command_that_was_done(proxy: FaultProxy, client: Any) -> None:
    proxy.swallow_reply("INCRBY", nth=2)
    assert await client.incr("n") == 1
    with pytest.raises(RedisConnectionError, match="reset by peer"):
        await client.incr("n")
    assert await client.get("n") == "2"
    assert proxy.fired == {"swallow_reply": 1}


async def test_rules_tell_scripts_apart(proxy: FaultProxy, client: Any) -> None:
    one, other = [await client.script_load(f"return {number}") for number in (1, 2)]
    proxy.swallow_reply(f"evalsha {other[:8]}")
    assert await client.evalsha(one, 0) == 1
    with pytest.raises(RedisConnectionError):
        await client.evalsha(other, 0)
    assert await client.evalsha(other, 0) == 2


async def test_rules_take_predicates(proxy: FaultProxy, client: Any) -> None:
    proxy.reset_before(lambda words: b"unwanted" in words)
    await client.set("key", "wanted")
    with pytest.raises(RedisConnectionError):
        await client.set("key", "unwanted")
    assert await client.get("key") == "wanted"


async def test_reply_within_a_pipeline_is_swallowed_by_itself(proxy: FaultProxy, client: Any) -> None:
    proxy.swallow_reply("SET b")
    async with client.pipeline(transaction=False) as pipeline:
        pipeline.set("a", "1").set("b", "2").set("c", "3")
        with pytest.raises(RedisConnectionError):
            await pipeline.execute()
    assert await client.mget("a", "b") == ["1", "2"]


async def test_delay_holds_each_command(proxy: FaultProxy, client: Any) -> None:
    await client.ping()
    proxy.delay(0.1)
    begun = monotonic()
    await client.ping()
    assert monotonic() - begun >= 0.1
    assert proxy.fired["delay"] == 1


async def test_throttle_bounds_the_bytes_per_second(proxy: FaultProxy, client: Any) -> None:
    await client.set("key", "x" * 20_000)
    proxy.throttle(100_000)
    begun = monotonic()
    assert len(await client.get("key")) == 20_000
    assert 0.15 <= monotonic() - begun < 2
    assert proxy.fired["throttle"] > 1


async def test_split_packets_arrive_whole(proxy: FaultProxy, client: Any) -> None:
    proxy.split(7)
    await client.set("key", "a value\r\nof two lines")
    assert await client.get("key") == "a value\r\nof two lines"
    assert proxy.fired["split"] > 10


async def test_stall_loses_nothing(proxy: FaultProxy, client: Any, server: RedisServer) -> None:
    await client.ping()
    proxy.stall()
    with pytest.raises(RedisTimeoutError):
        await client.incr("n")
    with server.client() as direct:
        assert direct.get("n") is None
    proxy.heal()
    assert await client.incr("n") in {1, 2}
    assert proxy.fired["stall"] >= 1


async def test_stalled_command_arrives_after_the_stall(proxy: FaultProxy, client: Any) -> None:
    await client.ping()
    proxy.stall()
    pending = asyncio.ensure_future(client.incr("n"))
    await eventually(lambda: proxy.fired["stall"])
    proxy.heal()
    assert await pending == 1


async def test_half_open_connection_answers_nothing_and_new_ones_work(
    proxy: FaultProxy, client: Any, server: RedisServer
) -> None:
    await client.ping()
    proxy.half_open()
    with pytest.raises(RedisTimeoutError):
        await client.set("key", "into the void")
    assert await client.get("key") is None
    assert proxy.fired == {"half_open": 1}


async def test_heal_tells_the_clients_of_half_open_connections(proxy: FaultProxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"PING\r\n")
    assert await reader.readline() == b"+PONG\r\n"
    proxy.half_open()
    writer.write(b"PING\r\n")
    proxy.heal()
    with pytest.raises(ConnectionResetError):
        await reader.readline()
    writer.close()


async def test_refuse_resets_and_refuses_until_healed(proxy: FaultProxy, client: Any) -> None:
    await client.ping()
    proxy.refuse()
    with pytest.raises(RedisConnectionError):
        await client.ping()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", proxy.port)
    proxy.heal()
    assert await client.ping()


async def test_killed_server_is_seen_through_the_proxy(proxy: FaultProxy, client: Any, server: RedisServer) -> None:
    await client.ping()
    server.kill9()
    try:
        with pytest.raises(RedisConnectionError):
            await client.ping()
    finally:
        server.start()
    assert await client.ping()


def test_runs_in_a_thread_of_its_own(server: RedisServer) -> None:
    with FaultProxy(server.url) as proxy, connect(proxy.url) as client:
        client.set("n", "1")
        proxy.swallow_reply("INCRBY")
        with pytest.raises(RedisConnectionError):
            client.incr("n")
        assert client.get("n") == "2"
        proxy.refuse()
        with pytest.raises(RedisConnectionError):
            client.get("n")
        proxy.heal()
        assert client.get("n") == "2"
        assert proxy.fired["swallow_reply"] == 1


@pytest.mark.parametrize(
    "frame",
    [
        b"+OK\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
        b"%1\r\n+k\r\n~2\r\n#t\r\n_\r\n",
        b"|1\r\n+ttl\r\n:1\r\n$2\r\n\r\n\r\n",
        b"=7\r\ntxt:a\r\n\r\n",
    ],
)
def test_frames_are_found_however_they_are_cut(frame: bytes) -> None:
    buffer = FrameBuffer()
    found = [whole for byte in frame * 2 for whole in buffer.feed(bytes([byte]))]
    assert found == [frame, frame]
    assert FrameBuffer().feed(frame * 3) == [frame] * 3


def test_words_of_a_command_may_hold_line_ends() -> None:
    assert command_words(b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n") == [b"GET", b"a\r\nb"]
    assert command_words(b"PING now\r\n") == [b"PING", b"now"]
