"""A server of its own for every test: it will not be the same afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.stage import FLAVOUR, Stage
from tests.support.proxy import FaultProxy
from tests.support.servers import RedisServer


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """Run a server that forgets everything when it dies."""
    with RedisServer(FLAVOUR) as running:
        yield running


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[FaultProxy]:
    """Put a faulty network in front of the server."""
    with FaultProxy(server.url) as running:
        yield running


@pytest.fixture
def stage(tmp_path: Path, server: RedisServer) -> Iterator[Stage]:
    """Return a stage whose processes talk to the server itself."""
    with Stage(tmp_path, server) as prepared:
        yield prepared


@pytest.fixture
def far_stage(tmp_path: Path, server: RedisServer, proxy: FaultProxy) -> Iterator[Stage]:
    """Return a stage whose processes talk to the server through the proxy."""
    with Stage(tmp_path, server, proxy.url) as prepared:
        yield prepared
