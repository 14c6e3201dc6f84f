"""Write jobs in a SQLAlchemy transaction: a job reaches Redis if, and only if, the transaction commits."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, overload

from msgspec import structs

from oxmq.durations import Duration
from oxmq.errors import ConfigurationError
from oxmq.outbox.database_thread import DatabaseThread
from oxmq.outbox.row import MAX_PREFIX, OutboxRow, RowDrafter
from oxmq.outbox.store import MOST_COUNTED, Backlog, DatabaseError, Refusal
from oxmq.outbox.terms import make_relay
from oxmq.task import TaskCall

try:
    import sqlalchemy as sa
    from sqlalchemy import event
    from sqlalchemy.dialects.mysql import LONGTEXT
    from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
    from sqlalchemy.ext.asyncio import (
        AsyncConnection,
        AsyncEngine,
        AsyncSession,
        async_scoped_session,
        create_async_engine,
    )
    from sqlalchemy.orm import Session, scoped_session
except ImportError as error:
    raise ImportError('the outbox for SQLAlchemy needs SQLAlchemy 2: pip install "oxmq[sqlalchemy]"') from error

if TYPE_CHECKING:
    from oxmq.app import Oxmq

T = TypeVar("T")

Blocking = Session | scoped_session[Any] | sa.Connection
"""What blocking code writes with."""
Awaiting = AsyncSession | async_scoped_session[Any] | AsyncConnection
"""What code on an event loop writes with."""

#: The name of an outbox's table where none is given.
TABLE: Final = "oxmq_outbox"
#: The databases that let a reader pass over rows that another one holds.
_SKIP_LOCKED: Final = ("postgresql", "mysql", "mariadb")
#: A relay that holds rows and does nothing for so long is cut off by PostgreSQL, in milliseconds.
_LONGEST_IDLE_MS: Final = 60_000


class Outbox:
    """Hold jobs in a table of the application's own database until they are in Redis.

    Building one connects to nothing and creates no table.

    Args:
        app: whose tasks are enqueued.
        database: an `Engine`, an `AsyncEngine`, or a URL to make one of. The relay uses it; `enqueue` uses the
            session that it is given.
        metadata: where to define the table; the application's own, so that its migrations know it.
        table_name: the table's name. An outbox that another app writes to needs another one.
        interval: how often to look for rows.
        batch_size: how many rows to relay in one transaction, 250 at most.
        in_workers: whether each worker process of the app relays; if not, run `relay.run()` somewhere.

    Raises:
        ConfigurationError: an argument is not acceptable.

    Attributes:
        table: the table.
        relay: what relays the rows.
    """

    def __init__(
        self,
        app: Oxmq,
        database: sa.Engine | AsyncEngine | str,
        *,
        metadata: sa.MetaData | None = None,
        table_name: str = TABLE,
        interval: Duration = 1,
        batch_size: int = 100,
        in_workers: bool = True,
    ) -> None:
        self.table = outbox_table(sa.MetaData() if metadata is None else metadata, table_name)
        self._clock = app.clock
        self._drafter = RowDrafter(app)
        self._store = SqlStore(self.table, _engine(database), owned=isinstance(database, str))
        self.relay = make_relay(app, self._store, interval, batch_size, in_workers)

    @overload
    def enqueue(self, session: Blocking, call: TaskCall) -> str: ...
    @overload
    def enqueue(self, session: Awaiting, call: TaskCall) -> Awaitable[str]: ...
    def enqueue(self, session: Blocking | Awaiting, call: TaskCall) -> str | Awaitable[str]:
        """Write a job in the transaction of `session`, and return its id; with an async session, await it.

        Nothing is sent. When the transaction commits, a relay adds the job: at least once, under this id. When it
        rolls back, or to a savepoint before this, there will be no such job.

        Args:
            session: a `Session`, `AsyncSession`, `Connection` or `AsyncConnection`, or a scoped session.
            call: the task with its arguments: ``task.call(user_id=1)``, ``task.options(delay="1h").call(user_id=1)``.

        Raises:
            ConfigurationError: the call is not acceptable; nothing was written.
            sqlalchemy.exc.SQLAlchemyError: the database refused the row.
        """
        row = self._drafter.draft(call)
        statement = sa.insert(self.table).values(structs.asdict(row))
        if isinstance(session, AsyncSession | async_scoped_session | AsyncConnection):
            return self._write_awaiting(session, statement, row.job_id)
        if not isinstance(cast("object", session), Session | scoped_session | sa.Connection):
            raise ConfigurationError(f"an outbox writes with a session or a connection, not {type(session).__name__}")
        session.execute(statement)
        self._wake_after_commit(session)
        return row.job_id

    async def backlog(self) -> Backlog:
        """Return how many rows wait, how many of them Redis has refused, and how old the oldest is.

        Raises:
            DatabaseError: the database cannot be asked.
        """
        return await self._store.backlog(self._clock.now_ms())

    async def _write_awaiting(self, session: Awaiting, statement: sa.Insert, job_id: str) -> str:
        own = session() if isinstance(session, async_scoped_session) else session
        await own.execute(statement)
        if isinstance(own, AsyncSession):
            self._wake_after_commit(own.sync_session)
        return job_id

    def _wake_after_commit(self, session: Blocking) -> None:
        if isinstance(session, sa.Connection):
            return  # it tells of a commit before it happens: the relay finds the row at its next look
        own = session() if isinstance(session, scoped_session) else session
        if not event.contains(own, "after_commit", self._wake):
            event.listen(own, "after_commit", self._wake)

    def _wake(self, session: Session) -> None:
        if not session.in_nested_transaction():
            self.relay.wake()


def outbox_table(metadata: sa.MetaData, name: str = TABLE) -> sa.Table:
    """Define an outbox's table. Its columns are the fields of `OutboxRow`."""
    json = sa.Text().with_variant(LONGTEXT(), "mysql", "mariadb")
    return sa.Table(
        name,
        metadata,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("job_id", sa.String(200), nullable=False),
        sa.Column("prefix", sa.String(MAX_PREFIX), nullable=False),
        sa.Column("queue", sa.String(128), nullable=False),
        sa.Column("name", sa.String(1024), nullable=False),
        sa.Column("data", json, nullable=False),
        sa.Column("opts", json, nullable=False),
        sa.Column("relations", json, nullable=False),
        sa.Column("timestamp", sa.BigInteger, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.Index(f"ix_{name}_due", "due_ms", "id"),
    )


class _Run:
    """Run work on a connection, wherever that may block."""

    def __init__(self, run: Callable[[Callable[[sa.Connection], object]], Awaitable[object]]) -> None:
        self._run = run

    async def __call__(self, work: Callable[[sa.Connection], T]) -> T:
        return cast("T", await self._run(work))


class SqlBatch:
    """Hold rows that are being relayed: see `Batch`."""

    def __init__(self, table: sa.Table, run: _Run, rows: Sequence[OutboxRow]) -> None:
        self._table = table
        self._run = run
        self.rows = rows

    async def settle(self, added: Sequence[str], refused: Sequence[Refusal]) -> None:
        """Delete the rows that were added and note the refusals, in one transaction."""
        await self._run(lambda connection: self._write(connection, added, refused))

    def _write(self, connection: sa.Connection, added: Sequence[str], refused: Sequence[Refusal]) -> None:
        columns = self._table.c
        if added:
            connection.execute(sa.delete(self._table).where(columns.id.in_(added)))
        for row in refused:
            changed = {"due_ms": row.due_ms, "attempts": row.attempts, "last_error": row.error}
            connection.execute(sa.update(self._table).where(columns.id == row.id).values(changed))
        connection.commit()


class SqlStore:
    """Hold the rows in a table: see `Store`. On PostgreSQL, MySQL and MariaDB a relay locks what it relays."""

    def __init__(self, table: sa.Table, engine: sa.Engine | AsyncEngine, *, owned: bool) -> None:
        self._table = table
        self._locks = engine.dialect.name in _SKIP_LOCKED
        # A relay must see what the others have deleted meanwhile.
        self._engine = engine.execution_options(isolation_level="READ COMMITTED") if self._locks else engine
        self._owned = owned
        self._thread = DatabaseThread()

    @contextlib.asynccontextmanager
    async def batch(self, now_ms: int, limit: int) -> AsyncGenerator[SqlBatch]:
        """Give the oldest rows that are due: see `Store.batch`."""
        with _told_plainly():
            async with self._connect() as run:
                rows = await run(lambda connection: self._take(connection, now_ms, limit))
                yield SqlBatch(self._table, run, rows)

    async def backlog(self, now_ms: int) -> Backlog:
        """Return what waits."""
        with _told_plainly():
            async with self._connect() as run:
                return await run(lambda connection: self._count(connection, now_ms))

    async def close(self) -> None:
        """Let go of the thread, and of the engine if it was made here."""
        if self._owned and isinstance(self._engine, AsyncEngine):
            await self._engine.dispose()
        elif self._owned and isinstance(self._engine, sa.Engine):
            await self._thread.run(self._engine.dispose)
        self._thread.close()

    @contextlib.asynccontextmanager
    async def _connect(self) -> AsyncGenerator[_Run]:
        """Give a connection; its transaction is rolled back at the end of the block, unless it was committed."""
        if isinstance(self._engine, AsyncEngine):
            async with self._engine.connect() as awaiting:
                yield _Run(awaiting.run_sync)
            return
        connection = await self._thread.run(self._engine.connect)
        try:
            yield _Run(lambda work: self._thread.run(partial(work, connection)))
        finally:
            await self._thread.run(connection.close)

    def _take(self, connection: sa.Connection, now_ms: int, limit: int) -> list[OutboxRow]:
        columns = self._table.c
        due = sa.select(self._table).where(columns.due_ms <= now_ms).order_by(columns.due_ms, columns.id)
        if not self._locks:
            rows = _read(connection, due.limit(limit))
            connection.commit()  # nothing is held, so that nobody who writes has to wait for Redis
            return rows
        rows = _read(connection, due.limit(limit).with_for_update(skip_locked=True))
        if rows and connection.scalar(due.with_only_columns(columns.id).limit(1)) != rows[0].id:
            return []  # another relay has the rows before these: to keep the order, it goes first
        if rows and connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = {_LONGEST_IDLE_MS}")
        return rows

    def _count(self, connection: sa.Connection, now_ms: int) -> Backlog:
        columns = self._table.c
        every = sa.select(columns.id).limit(MOST_COUNTED)
        refused = every.where(columns.attempts > 0)
        first = connection.scalar(sa.select(columns.created_ms).order_by(columns.id).limit(1))
        return Backlog(
            rows=_number(connection, every),
            refused=_number(connection, refused),
            oldest=0.0 if first is None else max(0.0, (now_ms - int(first)) / 1000),
        )


def _engine(database: object) -> sa.Engine | AsyncEngine:
    if isinstance(database, sa.Engine | AsyncEngine):
        return database
    if not isinstance(database, str):
        raise ConfigurationError(f"database must be an Engine, an AsyncEngine or a URL, not {type(database).__name__}")
    try:
        url = sa.make_url(database)
        return create_async_engine(url) if url.get_dialect().is_async else sa.create_engine(url)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        # Not the URL itself, which may hold a password.
        raise ConfigurationError(f"database is no URL that SQLAlchemy can use: {_first_line(error)}") from None


@contextlib.contextmanager
def _told_plainly() -> Generator[None]:
    """Raise what SQLAlchemy raises as `DatabaseError`, in the database's own words, without the statement."""
    try:
        yield
    except DBAPIError as error:
        raise DatabaseError(f"{type(error.orig).__name__}: {_first_line(error.orig)}") from error
    except SQLAlchemyError as error:
        raise DatabaseError(f"{type(error).__name__}: {_first_line(error)}") from error


def _first_line(error: object) -> str:
    return str(error).partition("\n")[0]


def _read(connection: sa.Connection, query: sa.Select[Any]) -> list[OutboxRow]:
    return [OutboxRow(**row) for row in connection.execute(query).mappings()]


def _number(connection: sa.Connection, query: sa.Select[Any]) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0
