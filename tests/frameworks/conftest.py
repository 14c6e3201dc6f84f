"""What the tests of the frameworks share: real server processes, real workers, and a Redis of each module's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.frameworks.django_site import DjangoSite
from tests.support.servers import RedisServer


@pytest.fixture(scope="module")
def own_server() -> Iterator[RedisServer]:
    """Run a Redis for the tests of one module, which leave their jobs there."""
    with RedisServer() as running:
        yield running


@pytest.fixture(scope="module")
def site(own_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DjangoSite]:
    """Run the example project with what the tests add to it: an ASGI server, and a worker."""
    with DjangoSite(own_server.url, tmp_path_factory.mktemp("site")) as made:
        made.migrate()
        yield made
