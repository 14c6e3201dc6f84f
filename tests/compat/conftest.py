"""The two versions of BullMQ on Node, running for the whole session, and a queue of its own for every test."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from oxmq import Queue
from tests.compat.node_peer import VERSIONS, NodePeer
from tests.support.servers import RedisServer


@pytest.fixture(scope="session")
def server() -> Iterator[RedisServer]:
    """Run one server for all tests of this folder."""
    with RedisServer() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def peers(server: RedisServer) -> AsyncIterator[dict[str, NodePeer]]:
    """Run one Node process per version of BullMQ."""
    running = {version: NodePeer(version, server.url) for version in VERSIONS}
    for peer in running.values():
        await peer.start()
    yield running
    for peer in running.values():
        await peer.close()


@pytest.fixture
def queue_name() -> str:
    """Return a name that no other test uses."""
    return f"compat-{uuid.uuid4().hex[:12]}"


@pytest_asyncio.fixture(loop_scope="session", params=VERSIONS)
async def node(request: pytest.FixtureRequest, peers: dict[str, NodePeer], queue_name: str) -> AsyncIterator[NodePeer]:
    """Return the peer of one version; what it opened for the test's queue is closed afterwards."""
    peer = peers[request.param]
    yield peer
    await peer.request("forget", queue=queue_name)


@pytest_asyncio.fixture(loop_scope="session")
async def queue(server: RedisServer, queue_name: str) -> AsyncIterator[Queue]:
    """Return our side's queue."""
    async with Queue(queue_name, connection=server.url) as opened:
        yield opened
