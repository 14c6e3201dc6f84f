"""Every form of connection, tried on real servers: from the add of a job to its result."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio

import oxmq.sync
from oxmq import BackendError, Job, Oxmq, Queue, UnavailableError, Worker
from tests.integration.sentinel import Sentinel
from tests.support.servers import RedisServer, available_flavours, free_port
from tests.support.waiting import eventually


async def echo(job: Job[Any]) -> object:
    return job.data


async def works(connection: object, prefix: str = "bull") -> None:
    """Add a job on the loop and one without, and have a worker run both."""
    queue = Queue("q", connection, prefix=prefix)
    blocking = oxmq.sync.Queue("q", connection, prefix=prefix)
    worker = Worker("q", echo, connection, prefix=prefix)
    try:
        job = await queue.add("a", 1)
        blocking_job = await asyncio.to_thread(blocking.add, "b", 2)
        worker.start()
        assert await job.result(timeout=10) == 1
        assert await asyncio.to_thread(blocking_job.result, 10) == 2
    finally:
        await worker.close()
        await queue.close()
        await asyncio.to_thread(blocking.close)


@pytest.mark.parametrize("scheme", ["redis", "valkey"])
async def test_a_tcp_port(redis_url: str, prefix: str, scheme: str) -> None:
    await works(redis_url.replace("redis://", f"{scheme}://"), prefix)


async def test_the_environment_says_where(redis_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OXMQ_URL", redis_url)
    await works(None, prefix)


async def test_a_database_by_number(redis_url: str, prefix: str, redis_client: Any) -> None:
    await works(f"{redis_url}/3", prefix)
    assert redis_client.dbsize() == 0
    assert redis_client.info("keyspace")["db3"]["keys"] > 0


async def test_a_unix_socket() -> None:
    with RedisServer(unix=True) as server:
        await works(server.url)


@pytest.mark.parametrize("kind", [redis.Redis, redis.asyncio.Redis])
async def test_a_client_object_of_the_users_own(redis_url: str, prefix: str, kind: Any) -> None:
    client = kind.from_url(redis_url, decode_responses=True, protocol=3)
    await works(client, prefix)
    closed = client.aclose() if kind is redis.asyncio.Redis else client.close()
    if closed is not None:
        await closed


async def test_a_client_object_stays_the_users_own(redis_url: str, prefix: str) -> None:
    client_class: Any = redis.Redis
    with client_class.from_url(redis_url, decode_responses=True) as client:
        await works(client, prefix)
        assert client.ping() is True


@pytest.fixture
def guarded_server() -> Iterator[RedisServer]:
    """Run a server that wants a password, and knows a user who may touch one prefix alone."""
    with RedisServer() as server:
        with server.client() as client:
            client.execute_command(
                "ACL", "SETUSER", "limited", "on", ">pa:ss@wörd", "~mine:*", "&*", "+@all", "-@dangerous"
            )
            client.config_set("requirepass", "swordfish")
        yield server


async def test_a_password(guarded_server: RedisServer) -> None:
    await works(guarded_server.url.replace("://", "://:swordfish@"))


async def test_a_user_who_may_touch_nothing_but_the_prefix(guarded_server: RedisServer) -> None:
    url = guarded_server.url.replace("://", "://limited:pa%3Ass%40w%C3%B6rd@")
    await works(url, "mine")
    queue = Queue("q", url, prefix="yours")
    with pytest.raises(BackendError, match="permission"):
        await queue.add("a")
    await queue.close()


@pytest.mark.parametrize("credentials", ["", ":wrong@", "nobody:swordfish@"])
async def test_wrong_credentials_are_told_at_once_and_without_them(
    guarded_server: RedisServer, credentials: str
) -> None:
    url = guarded_server.url.replace("://", f"://{credentials}")
    queue, blocking = Queue("q", url), oxmq.sync.Queue("q", url)
    began = time.monotonic()
    for ask in (queue.count(), asyncio.to_thread(blocking.count)):
        with pytest.raises(UnavailableError, match=r"(?i)auth|password") as caught:
            await ask
        assert "wrong" not in str(caught.value).replace("WRONGPASS", "")
        assert "swordfish" not in str(caught.value)
    assert time.monotonic() - began < 4
    await queue.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for 127.0.0.1, signed by itself."""
    folder = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=oxmq"
    subject = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*command.split(), *subject, "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True,
        capture_output=True,
    )
    return folder


def servers_with_tls() -> list[str]:
    """Return the flavours here that speak TLS: the Valkey of the wheel does not."""
    return [flavour for flavour in available_flavours() if flavour == "redis" and shutil.which("openssl")]


@pytest.mark.parametrize("flavour", servers_with_tls())
@pytest.mark.parametrize("scheme", ["rediss", "valkeys"])
async def test_tls_with_a_certificate_of_our_own(certificate: Path, flavour: Any, scheme: str) -> None:
    port = free_port()
    config = {
        "tls-port": str(port), "tls-cert-file": str(certificate / "cert.pem"), "tls-auth-clients": "no",
        "tls-key-file": str(certificate / "key.pem"), "tls-ca-cert-file": str(certificate / "cert.pem"),
    }  # fmt: skip
    with RedisServer(flavour, config=config):
        url = f"{scheme}://127.0.0.1:{port}"
        await works(f"{url}?ssl_ca_certs={certificate / 'cert.pem'}")
        stranger = Queue("q", url)
        with pytest.raises(UnavailableError, match=r"(?i)certificate"):
            await stranger.count()
        await stranger.close()


@pytest.mark.parametrize("scheme", ["redis+sentinel", "valkey+sentinel"])
async def test_a_server_that_sentinels_know(
    redis_url: str, prefix: str, shared_server: RedisServer, scheme: str
) -> None:
    with Sentinel("mymaster", shared_server.port) as sentinel:
        nobody = free_port()
        await works(f"{scheme}://127.0.0.1:{nobody},127.0.0.1:{sentinel.port}/mymaster/0", prefix)


async def test_a_service_that_no_sentinel_knows(shared_server: RedisServer) -> None:
    with Sentinel("mymaster", shared_server.port) as sentinel:
        queue = Queue("q", f"redis+sentinel://127.0.0.1:{sentinel.port}/other")
        with pytest.raises(UnavailableError, match="other"):
            await queue.count()
        await queue.close()


#: How long a call may take in all, and what a busy machine may add, in seconds.
DEADLINE, MARGIN = 5.0, 3.0


async def refuses_in_time(url: str) -> None:
    """Ask for something in each way and have it refused in time."""
    queue, blocking, app = Queue("q", url), oxmq.sync.Queue("q", url), Oxmq(url)
    began = time.monotonic()
    asked = [
        queue.add("a"),
        queue.count(),
        queue.add_bulk([("a", 1)]),
        app.queue("q").pause(),
        asyncio.to_thread(blocking.add, "a"),
        asyncio.to_thread(blocking.count),
    ]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(answer) for answer in answers] == [UnavailableError] * len(asked)
    assert all("127.0.0.1" in str(answer) for answer in answers)
    assert time.monotonic() - began < DEADLINE + MARGIN
    await queue.close()
    await app.close()
    await asyncio.to_thread(blocking.close)


async def test_where_nothing_listens_the_error_comes_in_time() -> None:
    await refuses_in_time(f"redis://127.0.0.1:{free_port()}")


async def test_where_nobody_answers_the_error_comes_in_time() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        await refuses_in_time(f"redis://127.0.0.1:{listener.getsockname()[1]}")


async def test_a_server_that_comes_back_is_used_again() -> None:
    with RedisServer() as server:
        queue = Queue("q", server.url)
        worker = Worker("q", echo, server.url)
        worker.start()
        assert await (await queue.add("a", 1)).result(timeout=5) == 1
        await asyncio.to_thread(server.restart)
        job = await queue.add("b", 2)
        assert await job.result(timeout=10) == 2
        await eventually(lambda: worker.health().healthy)
        await worker.close()
        await queue.close()
