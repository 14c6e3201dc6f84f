"""A PostgreSQL server for the session, and for each test a database and sites of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from oxmq.sync import Queue
from tests.outbox.sites import ON_POSTGRESQL, ON_SQLITE, Hosted, Kind, Place, sqlite_url
from tests.support.postgresql import PostgreSQLServer


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQLServer]:
    """Run one server for the whole session."""
    with PostgreSQLServer() as running:
        yield running


@pytest.fixture(scope="session")
def furnished() -> dict[Kind, str]:
    """Return the databases that have their table, one for each kind, which take turns."""
    return {}


@pytest.fixture
def database(postgresql: PostgreSQLServer, furnished: dict[Kind, str], kind: Kind) -> Iterator[str]:
    """Return the name of the kind's database, whose table is empty or still to be made."""
    name = furnished.get(kind) or postgresql.create_database()
    yield name
    if kind in furnished:
        postgresql.execute("TRUNCATE oxmq_outbox", name)


@pytest.fixture(params=[*ON_POSTGRESQL, *ON_SQLITE])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Return each kind of site."""
    kind: Kind = request.param
    return kind


@pytest.fixture
def place(kind: Kind, request: pytest.FixtureRequest, tmp_path: Path, redis_url: str, prefix: str) -> Place:
    """Return where a site of the kind has an empty database, Redis and its keys."""
    if kind in ON_SQLITE:
        return Place(kind, sqlite_url(kind, tmp_path), redis_url, prefix)
    server: PostgreSQLServer = request.getfixturevalue("postgresql")
    driver = "psycopg" if kind == "django" else kind
    return Place(kind, server.url(request.getfixturevalue("database"), driver), redis_url, prefix)


@pytest.fixture
def host(place: Place) -> Iterator[Callable[..., Any]]:
    """Return a maker of sites, each in a process of its own, at the given place or the test's."""
    with ExitStack() as stack:

        def host(at: Place = place) -> Hosted:
            return stack.enter_context(Hosted(at))

        yield host


@pytest.fixture
def site(host: Callable[..., Any], place: Place, furnished: dict[Kind, str]) -> Any:
    """Return a site that has its table."""
    made = host()
    if place.kind not in furnished:
        made.create()
    if place.kind not in ON_SQLITE:
        furnished[place.kind] = place.database.rpartition("/")[2]
    return made


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[Queue]:
    """Return the sites' first queue."""
    with Queue("q", redis_url, prefix=prefix) as opened:
        yield opened
