"""A server for the replays alone: each of them begins by emptying it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.servers import RedisServer


@pytest.fixture(scope="session")
def golden_server() -> Iterator[RedisServer]:
    """Run the server."""
    with RedisServer() as running:
        yield running
