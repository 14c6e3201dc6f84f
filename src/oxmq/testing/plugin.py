"""Give pytest the fixtures of oxmq. Whoever uses none of them pays for the import of this module, and no more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from oxmq.app import Oxmq
    from oxmq.clock import ManualClock
    from oxmq.testing.server import TestServer

_INI = "oxmq_app"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the setting that names the application."""
    parser.addini(_INI, 'the application under test, as "package.module:app": what the fixture oxmq_app binds')


@pytest.fixture(scope="session")
def oxmq_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """Run an embedded server for the session, one for each process of pytest-xdist; or use ``$OXMQ_TEST_URL``."""
    from oxmq.testing.server import URL_VARIABLE, TestServer  # noqa: PLC0415 - pytest starts without it

    server = TestServer(tmp_path_factory.mktemp("oxmq"), os.environ.get(URL_VARIABLE))
    yield server
    server.close()


@pytest.fixture
def oxmq_clock() -> ManualClock:
    """Return a clock that stands at noon of 1 January 2026, UTC, until it is moved.

    Always there, so that no test depends on the hour at which it runs. Override it to begin elsewhere.
    """
    from oxmq.clock import ManualClock  # noqa: PLC0415 - pytest starts without it
    from oxmq.testing.server import BEGINNING  # noqa: PLC0415 - pytest starts without it

    return ManualClock(BEGINNING)


@pytest.fixture
def oxmq_target(request: pytest.FixtureRequest) -> Oxmq:
    """Return the application under test, as the setting ``oxmq_app`` names it. Override it to say so in code."""
    target = str(request.config.getini(_INI))
    if not target:
        pytest.fail(
            'oxmq does not know the application under test: set oxmq_app = "package.module:app" in the settings of '
            "pytest, or override the fixture oxmq_target to return it",
            pytrace=False,
        )
    return load(target)


@pytest.fixture
def oxmq_app(oxmq_target: Oxmq, oxmq_server: TestServer, oxmq_clock: ManualClock) -> Iterator[Oxmq]:
    """Bind the application to the test's server, a prefix of its own and `oxmq_clock`, for as long as the test runs."""
    with oxmq_server.bind(oxmq_target, oxmq_clock) as app:
        yield app


def load(target: str) -> Oxmq:
    """Return the application that ``package.module:app`` names; fail the test where there is none."""
    from oxmq.app import Oxmq  # noqa: PLC0415 - pytest starts without it

    module, _, path = target.partition(":")
    if not module or not path:
        pytest.fail(f'{_INI} must be "package.module:app", not {target!r}', pytrace=False)
    found: object = import_module(module)
    for part in path.split("."):
        if not hasattr(found, part):
            pytest.fail(f"{_INI}: {module} has nothing called {path!r}", pytrace=False)
        found = getattr(found, part)
    if not isinstance(found, Oxmq):
        pytest.fail(f"{_INI}: {target} is a {type(found).__name__}, not an Oxmq", pytrace=False)
    return found
