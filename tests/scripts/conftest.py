"""A server of each flavour that this machine has, and a queue on it for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scripts.bench import Bench
from tests.scripts.relations import BASES
from tests.support.servers import Flavour, RedisServer, available_flavours


@pytest.fixture(scope="session", params=available_flavours())
def script_server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """Run one server of each flavour for the whole session."""
    flavour: Flavour = request.param
    with RedisServer(flavour) as running:
        yield running


@pytest.fixture
def bench(script_server: RedisServer) -> Iterator[Bench]:
    """Return a queue on an empty server; afterwards every key must be one of a queue of the tests."""
    made = Bench(script_server)
    yield made
    strangers = [key for key in made.client.keys("*") if not key.startswith("bull:")]
    made.close()
    assert not strangers, f"keys that belong to no queue: {strangers}"


@pytest.fixture(params=BASES)
def base(request: pytest.FixtureRequest) -> str:
    """Return the base of the parent's queue: the children's own, and another."""
    text: str = request.param
    return text
