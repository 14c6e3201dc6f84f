"""What the tests of the web application share: it is served for real, on the session's server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from oxmq.web import Access, Role, Token, oxmq_web
from tests.compat.node_peer import VERSIONS, NodePeer
from tests.integration.bed import Bed
from tests.web.serving import TOKENS, Web, serving


@pytest.fixture
async def bed(redis_url: str, prefix: str) -> AsyncIterator[Bed]:
    """Return a maker of queues and workers under the test's own prefix."""
    made = Bed(redis_url, prefix)
    yield made
    await made.close()


@pytest.fixture
async def web(redis_url: str, prefix: str, bed: Bed) -> AsyncIterator[Web]:
    """Serve the application without sign-in: whoever is on this computer is an admin."""
    async with _served(oxmq_web(redis_url, prefix=prefix), bed) as served:
        yield served


@pytest.fixture
async def guarded_web(redis_url: str, prefix: str, bed: Bed) -> AsyncIterator[Web]:
    """Serve the application to bearers of `TOKENS` only: see `Web.as_`."""
    queues = {"only-email": frozenset({"email"})}
    tokens = [
        Token(
            secret=secret, role=Role("operator" if name == "only-email" else name), name=name, queues=queues.get(name)
        )
        for name, secret in TOKENS.items()
    ]
    async with _served(oxmq_web(redis_url, prefix=prefix, access=Access(tokens=tokens)), bed) as served:
        yield served


@pytest.fixture
async def node(redis_url: str, prefix: str) -> AsyncIterator[NodePeer]:
    """Run a Node process with BullMQ, whose queues are under the test's prefix."""
    async with NodePeer(VERSIONS[-1], redis_url, prefix) as peer:
        yield peer


@asynccontextmanager
async def _served(app: Any, bed: Bed) -> AsyncGenerator[Web]:
    async with serving(app) as url:
        served = Web(url, app, bed)
        try:
            yield served
        finally:
            await served.close()
