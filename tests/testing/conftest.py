"""What the tests of the testing kit share: the shop, bound to the session's server as the plugin's fixture does it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from oxmq import ManualClock, Oxmq
from tests.testing import shop


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands at a moment of winter."""
    return ManualClock(datetime(2026, 1, 15, 12, tzinfo=UTC))


@pytest.fixture
def app(redis_url: str, prefix: str, clock: ManualClock) -> Iterator[Oxmq]:
    """Return the shop's application, bound to the session's server, the test's prefix and clock."""
    shop.sent.clear()
    with shop.app.bound_to(redis_url, prefix=prefix, clock=clock) as bound:
        yield bound
