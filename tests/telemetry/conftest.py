"""What the tests of telemetry share: queues and workers on the session's server, and processes of the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.integration.bed import Bed
from tests.integration.twin import Twin
from tests.support.processes import Processes


@pytest.fixture
async def bed(redis_url: str, prefix: str) -> AsyncIterator[Bed]:
    """Return a maker of queues and workers under the test's own prefix."""
    made = Bed(redis_url, prefix)
    yield made
    await made.close()


@pytest.fixture(params=["async", "sync"])
async def twin(redis_url: str, prefix: str, request: pytest.FixtureRequest) -> AsyncIterator[Twin]:
    """Return a maker of queues of each kind; those of the blocking kind are awaited all the same."""
    made = Twin(request.param, redis_url, prefix)
    yield made
    await made.close()


@pytest.fixture
def processes(tmp_path: Path, redis_url: str, prefix: str) -> Iterator[Processes]:
    """Start processes that use the session's server and the test's prefix."""
    with Processes(tmp_path, {"OXMQ_URL": redis_url, "OXMQ_TEST_PREFIX": prefix}) as started:
        yield started
