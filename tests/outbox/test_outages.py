"""A relay while Redis or the database is away: rows stay, the log says so once, and all goes on afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec import structs

from oxmq.sync import Queue
from tests.outbox.sites import Place, Wish
from tests.support.postgresql import PostgreSQLServer
from tests.support.proxy import FaultProxy
from tests.support.waiting import eventually_sync


@pytest.fixture
def proxy(redis_url: str) -> Iterator[FaultProxy]:
    """Put a faulty network in front of Redis."""
    with FaultProxy(redis_url) as running:
        yield running


@pytest.fixture
def fragile() -> Iterator[PostgreSQLServer]:
    """Run a database server that will be killed."""
    with PostgreSQLServer() as running:
        yield running


def complaints(relay: Any) -> list[str]:
    """Return what the relay said of outages."""
    return [line for line in relay.heard() if "relay" in line]


@pytest.mark.parametrize("kind", ["psycopg", "django"], indirect=True)
def test_redis_goes_away_and_comes_back(
    site: Any, host: Callable[..., Any], place: Place, proxy: FaultProxy, queue: Queue
) -> None:
    relay = host(structs.replace(place, redis=proxy.url))
    relay.start_relay()
    site.write([Wish(1)])
    eventually_sync(lambda: site.backlog().rows == 0, 20)
    proxy.refuse()
    site.write([Wish(2)])
    eventually_sync(lambda: relay.health().problem, 30)
    assert relay.health().problem.startswith("UnavailableError: ")
    assert site.backlog().rows == 1
    assert site.backlog().refused == 0
    proxy.heal()
    eventually_sync(lambda: site.backlog().rows == 0, 30)
    assert queue.get_job_counts()["waiting"] == 2
    eventually_sync(lambda: not relay.health().problem, 20)
    began, ended = complaints(relay)
    assert began.startswith("nothing is relayed for now, the rows stay: UnavailableError")
    assert ended.startswith("relaying again, after")


@pytest.mark.parametrize("kind", ["psycopg", "django"], indirect=True)
def test_rows_are_held_while_redis_is_slow_and_the_database_would_cut_the_relay_off(
    site: Any, host: Callable[..., Any], place: Place, proxy: FaultProxy, postgresql: PostgreSQLServer, queue: Queue
) -> None:
    relay = host(structs.replace(place, redis=proxy.url))
    relay.relay_due()
    (job_id,) = site.write([Wish(1)])
    proxy.stall()
    relay.start_relay()
    query = "SELECT query FROM pg_stat_activity WHERE state = 'idle in transaction'"
    eventually_sync(
        lambda: any("idle_in_transaction_session_timeout" in row[0] for row in postgresql.execute(query)), 20
    )
    assert site.relay_due() == 0
    proxy.heal()
    eventually_sync(lambda: site.backlog().rows == 0, 30)
    assert [job.id for job in queue.get_waiting()] == [job_id]


@pytest.mark.parametrize("kind", ["psycopg", "asyncpg", "django"], indirect=True)
def test_the_database_is_killed_and_comes_back(
    host: Callable[..., Any], place: Place, fragile: PostgreSQLServer, queue: Queue
) -> None:
    driver = "psycopg" if place.kind == "django" else place.kind
    there = structs.replace(place, database=fragile.url(fragile.create_database(), driver))
    site, relay = host(there), host(there)
    site.create()
    relay.start_relay()
    site.write([Wish(1)])
    eventually_sync(lambda: queue.get_job_counts()["waiting"] == 1, 20)
    fragile.kill()
    eventually_sync(lambda: relay.health().problem, 30)
    fragile.start()
    again = host(there)
    again.write([Wish(2)])
    eventually_sync(lambda: queue.get_job_counts()["waiting"] == 2, 60)
    eventually_sync(lambda: again.backlog().rows == 0, 20)
    eventually_sync(lambda: not relay.health().problem, 20)
    began, ended = complaints(relay)
    assert began.startswith("nothing is relayed for now")
    assert ended.startswith("relaying again")
    assert not any("SELECT" in line or "number" in line for line in relay.heard())
