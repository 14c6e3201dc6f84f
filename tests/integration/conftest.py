"""What the tests of the public interface share: queues and workers on the session's server, closed after each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.bed import Bed
from tests.integration.twin import Twin


@pytest.fixture
async def bed(redis_url: str, prefix: str) -> AsyncIterator[Bed]:
    """Return a maker of queues and workers under the test's own prefix."""
    made = Bed(redis_url, prefix)
    yield made
    await made.close()


@pytest.fixture(params=["async", "sync"])
async def twin(request: pytest.FixtureRequest, redis_url: str, prefix: str) -> AsyncIterator[Any]:
    """Return a maker of queues of each kind; those of the blocking kind are awaited all the same."""
    made = Twin(request.param, redis_url, prefix)
    yield made
    await made.close()
