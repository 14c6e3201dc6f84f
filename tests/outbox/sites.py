"""Be an application with an outbox, on each kind of database access: what the tests do in a process of its own.

`Hosted` runs a site in a child process, because it can be killed, and because Django can be set up only once in each.
"""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import os
import threading
from collections.abc import Coroutine, Iterable
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from oxmq import Oxmq
from oxmq.outbox.relay import Relay, RelayHealth
from oxmq.outbox.row import OutboxRow
from oxmq.outbox.sqlalchemy import Outbox
from oxmq.outbox.store import Backlog
from oxmq.task import Task, TaskCall
from tests.support.waiting import eventually_sync

Kind = Literal["psycopg", "psycopg_async", "asyncpg", "django", "sqlite", "aiosqlite", "django_sqlite"]
Ending = Literal["commit", "rollback"]

ON_POSTGRESQL: Final[tuple[Kind, ...]] = ("psycopg", "psycopg_async", "asyncpg", "django")
ON_SQLITE: Final[tuple[Kind, ...]] = ("sqlite", "aiosqlite", "django_sqlite")
#: One kind of each sort, for what does not depend on the driver.
SORTS: Final[tuple[Kind, ...]] = ("psycopg", "django", "sqlite")
# What each child would otherwise import for itself.
import_module("django.db.backends.postgresql.base")
import_module("django.db.backends.sqlite3.base")
import_module("django.core.management.commands.migrate")
import_module("oxmq.outbox.django")

#: A queue of a task that is not the first one's.
QUEUES: Final = ("q", "other")
#: How often a relay looks for rows, in seconds.
INTERVAL: Final = 0.05


class Place(Struct, frozen=True):
    """Say where a site's parts are: SQLAlchemy's kind of URL for the database, and Redis."""

    kind: Kind
    database: str
    redis: str
    prefix: str


class Wish(Struct, frozen=True):
    """Ask for one job: its number, its queue and its options."""

    number: int
    queue: str = "q"
    options: dict[str, Any] = {}


class Site:
    """Write jobs and relay them. The methods block; each kind of site says how it reaches its database."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.app = Oxmq(place.redis, prefix=place.prefix)
        self.tasks = {queue: _make_task(self.app, queue) for queue in QUEUES}
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self._heard = _Heard()
        self._relaying: Any = None

    @property
    def relay(self) -> Relay:
        raise NotImplementedError

    async def get_backlog(self) -> Backlog:
        raise NotImplementedError

    def create(self) -> None:
        """Make the table."""
        raise NotImplementedError

    def write(self, wishes: Iterable[Wish], ending: Ending = "commit", undone: Iterable[Wish] = ()) -> list[str]:
        """Write jobs in one transaction, and `undone` within a savepoint that is rolled back; return the ids."""
        raise NotImplementedError

    def call(self, wish: Wish) -> TaskCall:
        """Return the call of a wish."""
        return self.tasks[wish.queue].options(**wish.options).call(number=wish.number)

    def await_(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Wait for work on the site's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def relay_due(self) -> int:
        """Relay what is due."""
        count: int = self.await_(self.relay.relay_due())
        return count

    def start_relay(self) -> None:
        """Relay from now on."""
        self._relaying = asyncio.run_coroutine_threadsafe(self.relay.run(), self.loop)

    def stop_relay(self) -> None:
        """Stop relaying, in good order."""
        self._relaying.cancel()
        eventually_sync(lambda: not self.relay.health.running, 20)

    def health(self) -> RelayHealth:
        return self.relay.health

    def backlog(self) -> Backlog:
        found: Backlog = self.await_(self.get_backlog())
        return found

    def heard(self) -> list[str]:
        """Return what was logged."""
        return self._heard.lines

    def read_rows(self) -> list[OutboxRow]:
        """Return the rows of the table, from the relay's own store."""
        store = self.relay._store  # pyright: ignore[reportPrivateUsage] - nobody else has to read rows

        async def read() -> list[OutboxRow]:
            async with store.batch(2**60, 250) as batch:
                return list(batch.rows)

        rows: list[OutboxRow] = self.await_(read())
        return rows

    def drop_refused(self) -> None:
        """Delete the rows that Redis has refused."""
        store = self.relay._store  # pyright: ignore[reportPrivateUsage] - as above

        async def drop() -> None:
            async with store.batch(2**60, 250) as batch:
                await batch.settle([row.id for row in batch.rows if row.attempts], [])

        self.await_(drop())


class SqlSite(Site):
    """Use SQLAlchemy, blocking."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.engine = sa.create_engine(place.database)
        self.metadata = sa.MetaData()
        self.outbox = Outbox(self.app, self.engine, metadata=self.metadata, interval=INTERVAL, in_workers=False)

    @property
    def relay(self) -> Relay:
        return self.outbox.relay

    async def get_backlog(self) -> Backlog:
        return await self.outbox.backlog()

    def create(self) -> None:
        self.metadata.create_all(self.engine)

    def write(self, wishes: Iterable[Wish], ending: Ending = "commit", undone: Iterable[Wish] = ()) -> list[str]:
        with Session(self.engine) as session:
            ids = [self.outbox.enqueue(session, self.call(wish)) for wish in wishes]
            savepoint = session.begin_nested()
            for wish in undone:
                self.outbox.enqueue(session, self.call(wish))
            savepoint.rollback()
            session.commit() if ending == "commit" else session.rollback()
            return ids


class AsyncSqlSite(Site):
    """Use SQLAlchemy on an event loop."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.engine = create_async_engine(place.database)
        self.metadata = sa.MetaData()
        self.outbox = Outbox(self.app, self.engine, metadata=self.metadata, interval=INTERVAL, in_workers=False)

    @property
    def relay(self) -> Relay:
        return self.outbox.relay

    async def get_backlog(self) -> Backlog:
        return await self.outbox.backlog()

    def create(self) -> None:
        async def create() -> None:
            async with self.engine.begin() as connection:
                await connection.run_sync(self.metadata.create_all)

        self.await_(create())

    def write(self, wishes: Iterable[Wish], ending: Ending = "commit", undone: Iterable[Wish] = ()) -> list[str]:
        ids: list[str] = self.await_(self._write(wishes, ending, undone))
        return ids

    async def _write(self, wishes: Iterable[Wish], ending: Ending, undone: Iterable[Wish]) -> list[str]:
        async with AsyncSession(self.engine) as session:
            ids = [await self.outbox.enqueue(session, self.call(wish)) for wish in wishes]
            savepoint = await session.begin_nested()
            for wish in undone:
                await self.outbox.enqueue(session, self.call(wish))
            await savepoint.rollback()
            await (session.commit() if ending == "commit" else session.rollback())
            return ids


class DjangoSite(Site):
    """Use Django's ORM."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.outbox.django_settings"
        os.environ["TEST_DATABASES"] = json.dumps({"default": _django_database(place.database)})
        import_module("django").setup()
        self.outbox = import_module("oxmq.outbox.django").Outbox(self.app, interval=INTERVAL, in_workers=False)

    @property
    def relay(self) -> Relay:
        relay: Relay = self.outbox.relay
        return relay

    async def get_backlog(self) -> Backlog:
        backlog: Backlog = await self.outbox.backlog()
        return backlog

    def create(self) -> None:
        import_module("django.core.management").call_command("migrate", verbosity=0)

    def write(self, wishes: Iterable[Wish], ending: Ending = "commit", undone: Iterable[Wish] = ()) -> list[str]:
        transaction = import_module("django.db.transaction")
        with transaction.atomic():
            ids = [self.outbox.enqueue(self.call(wish)) for wish in wishes]
            with transaction.atomic():
                for wish in undone:
                    self.outbox.enqueue(self.call(wish))
                transaction.set_rollback(True)
            transaction.set_rollback(ending == "rollback")
            return ids


def make_site(place: Place) -> Site:
    """Return the site of a kind."""
    if place.kind.startswith("django"):
        return DjangoSite(place)
    return SqlSite(place) if place.kind in ("psycopg", "sqlite") else AsyncSqlSite(place)


class Killed(Exception):
    """Say that a hosted site was killed before it answered."""


class Hosted:
    """Run a site in a child process.

    Every method of `Site` can be called; what it raises there is raised here.
    """

    def __init__(self, place: Place) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, place), daemon=True)
        self._process.start()
        theirs.close()

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            try:
                self._ours.send((name, arguments, named))
                answer = self._ours.recv()
            except (EOFError, ConnectionError):
                raise Killed(name) from None
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return call

    def kill(self) -> None:
        """Kill the process: nothing is cleaned up."""
        self._process.kill()
        self._process.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._ours.close()
        self._process.close()


def _serve(connection: Connection, place: Place) -> None:
    site = make_site(place)
    while True:
        try:
            name, arguments, named = connection.recv()
        except EOFError:
            return
        try:
            answer = getattr(site, name)(*arguments, **named)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test wants it
            answer = error
        connection.send(answer)


class _Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        logging.getLogger("oxmq").addHandler(self)
        logging.getLogger("oxmq").setLevel(logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _make_task(app: Oxmq, queue: str) -> Task[..., Any, Any]:
    @app.task(name="note", queue=queue)
    async def note(number: int) -> int:
        return number

    return note


def _django_database(url: str) -> dict[str, Any]:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": parsed.database}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parsed.database,
        "USER": parsed.username,
        "HOST": parsed.host,
        "PORT": parsed.port,
    }


def sqlite_url(kind: Kind, folder: Path) -> str:
    """Return the URL of a database file."""
    return f"sqlite{'+aiosqlite' if kind == 'aiosqlite' else ''}:///{folder / 'site.db'}"


__all__ = ["ON_POSTGRESQL", "ON_SQLITE", "Hosted", "Killed", "Kind", "Place", "Site", "Wish", "make_site", "sqlite_url"]
