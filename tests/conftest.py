"""One server for all tests that need one, and for each test a prefix of its own that nothing may leak out of."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.servers import RedisServer

settings.register_profile("oxmq", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("oxmq")

# A run in the background of a shell script inherits that Ctrl-C is ignored; the processes under test must not.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_server() -> Iterator[RedisServer]:
    """Run one server for the whole session."""
    with RedisServer() as running:
        yield running


@pytest.fixture
def redis_url(shared_server: RedisServer) -> str:
    """Return the address of the session's server."""
    return shared_server.url


@pytest.fixture
def redis_client(shared_server: RedisServer) -> Iterator[Any]:
    """Return a plain client of the session's server."""
    with shared_server.client() as client:
        yield client


@pytest.fixture
def prefix(redis_client: Any) -> Iterator[str]:
    """Return a prefix that no other test uses; afterwards no key may be outside it."""
    own = f"t{uuid.uuid4().hex[:8]}"
    yield own
    leaked = [key for key in redis_client.keys("*") if not key.startswith(f"{own}:")]
    redis_client.flushall()
    assert not leaked, f"keys outside the prefix of the test: {leaked}"
