"""A relay that dies at any moment: no job is lost, and none is there twice, even if it ended in between."""

from __future__ import annotations

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec import structs

from oxmq.errors import OxmqError
from oxmq.options import Parent
from oxmq.sync import Queue
from tests.outbox.sites import QUEUES, Hosted, Killed, Kind, Place, SqlSite, Wish
from tests.outbox.wires import Wires
from tests.support.waiting import eventually_sync

#: More steps than any relay takes for one batch.
TOO_MANY = 60


class Workers:
    """Stand for workers that finish every job at once, and whose jobs leave nothing behind."""

    def __init__(self, url: str, prefix: str) -> None:
        self._queues = [Queue(name, url, prefix=prefix) for name in QUEUES]
        self.done: Counter[str] = Counter()

    def work(self) -> None:
        """Do all that waits."""
        for queue in self._queues:
            for job in queue.get_waiting(0, -1):
                self.done[job.id] += 1
                job.remove()

    def close(self) -> None:
        for queue in self._queues:
            queue.close()


@pytest.fixture
def workers(redis_url: str, prefix: str) -> Iterator[Workers]:
    made = Workers(redis_url, prefix)
    yield made
    made.close()


@pytest.fixture
def wires() -> Iterator[Wires]:
    with Wires() as laid:
        yield laid


@pytest.fixture
def far_place(place: Place, wires: Wires) -> Place:
    """Return the site's place as it is at the other end of the wires. A database in a file has none."""
    database = place.database if "sqlite" in place.kind else wires.lay(place.database)
    return structs.replace(place, database=database, redis=wires.lay(place.redis))


@pytest.mark.parametrize("kind", ["psycopg", "django", "sqlite"], indirect=True)
def test_at_every_step(site: Any, place: Place, far_place: Place, wires: Wires, workers: Workers) -> None:
    """A step is whatever the database or Redis is sent or answers. One of three rows is refused at each."""
    orphan = {"parent": Parent("nobody", f"{place.prefix}:q")}
    written: list[str] = []
    fatal, survived = 0, False
    while not survived:
        fatal += 1
        assert fatal < TOO_MANY
        with Hosted(far_place) as victim:
            victim.relay_due()
            written += site.write([Wish(fatal), Wish(fatal, "other"), Wish(fatal, options=orphan)])[:2]
            wires.arm(fatal, victim.kill)
            survived = not dies(victim)
            wires.arm(0, victim.kill)
        workers.work()
        eventually_sync(lambda: only_refused_is_left(site), 20)
        site.drop_refused()
        workers.work()
    assert fatal > (16 if "sqlite" not in place.kind else 4)
    assert workers.done == Counter(written)


@pytest.mark.parametrize("kind", ["psycopg", "asyncpg", "django"], indirect=True)
def test_a_relay_outlives_every_connection(site: Any, far_place: Place, wires: Wires, workers: Workers) -> None:
    """One relay, whose connections are cut at every step, one after the other."""
    written: list[str] = []
    cut = True
    with Hosted(far_place) as relay:
        relay.relay_due()
        for fatal in range(1, TOO_MANY):
            written += site.write([Wish(fatal), Wish(fatal, "other")])
            wires.arm(fatal, lambda: None)
            with contextlib.suppress(OxmqError, OSError):
                relay.relay_due()
            cut = wires.passed >= fatal
            wires.arm(0, lambda: None)
            eventually_sync(lambda: relays_all(relay), 30)
            workers.work()
            if not cut:
                break
    assert not cut
    assert workers.done == Counter(written)


def relays_all(relay: Any) -> bool:
    """Relay what is due, and return whether nothing is left."""
    with contextlib.suppress(OxmqError, OSError):
        relay.relay_due()
        return bool(relay.backlog().rows == 0)
    return False


def only_refused_is_left(site: Any) -> bool:
    """Relay what is due, and return whether nothing is left but the one row that is refused."""
    site.relay_due()
    backlog = site.backlog()
    return bool(backlog.rows == backlog.refused == 1)


def dies(victim: Any) -> bool:
    """Have a site relay what is due; return whether it died of it."""
    try:
        victim.relay_due()
    except Killed:
        return True
    return False


@pytest.mark.parametrize("kind", ["asyncpg", "django"], indirect=True)
def test_at_random_while_many_write(
    site: Any, host: Callable[..., Any], place: Place, workers: Workers, kind: Kind
) -> None:
    """Producers commit and roll back, relays are killed and replaced, jobs end and are removed."""
    relays = [start(host) for _ in range(2)]
    producers = [Producer(place, seed) for seed in range(3)]
    for producer in producers:
        producer.start()
    chance = random.Random(1)
    while any(producer.is_alive() for producer in producers):
        producers[0].join(chance.random() / 4)
        workers.work()
        victim = relays.pop(chance.randrange(len(relays)))
        victim.kill()
        relays.append(start(host))
    eventually_sync(lambda: site.backlog().rows == 0, 60)
    workers.work()
    for producer in producers:
        producer.join()
    committed = [job_id for producer in producers for job_id in producer.committed]
    assert len(committed) > 20
    assert workers.done == Counter(committed)


def start(host: Callable[..., Any]) -> Any:
    """Return a site that relays."""
    relay = host()
    relay.start_relay()
    return relay


class Producer(threading.Thread):
    """Write jobs in transactions of which some are rolled back, some in part.

    Attributes:
        committed: the ids of the jobs whose transactions were committed.
    """

    def __init__(self, place: Place, seed: int) -> None:
        super().__init__()
        self._chance = random.Random(seed)
        url = sa.make_url(place.database).set(drivername="postgresql+psycopg")
        self._site = SqlSite(structs.replace(place, kind="psycopg", database=url.render_as_string(False)))
        self.committed: list[str] = []

    def run(self) -> None:
        for number in range(40):
            wishes = [Wish(number, self._chance.choice(QUEUES)) for _ in range(self._chance.randint(1, 4))]
            undone = wishes[: self._chance.randint(0, 2)]
            if self._chance.random() < 0.3:
                self._site.write(wishes, "rollback", undone)
            else:
                self.committed += self._site.write(wishes, "commit", undone)
        self._site.engine.dispose()
