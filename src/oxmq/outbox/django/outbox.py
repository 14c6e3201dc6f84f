"""Write jobs in a transaction of Django's: a job reaches Redis if, and only if, the transaction commits."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from asgiref.sync import sync_to_async
from django.apps import apps
from django.db import Error, connections, router, transaction
from django.utils.connection import ConnectionDoesNotExist
from msgspec import structs

from oxmq.durations import Duration
from oxmq.errors import ConfigurationError
from oxmq.outbox.database_thread import DatabaseThread
from oxmq.outbox.row import OutboxRow, RowDrafter
from oxmq.outbox.store import MOST_COUNTED, Backlog, DatabaseError, Refusal
from oxmq.outbox.terms import make_relay
from oxmq.task import TaskCall

if TYPE_CHECKING:
    from oxmq.app import Oxmq

T = TypeVar("T")

#: A relay that holds rows and does nothing for so long is cut off by PostgreSQL, in milliseconds.
_LONGEST_IDLE_MS: Final = 60_000


class Outbox:
    """Hold jobs in a table of the site's own database until they are in Redis.

    Building one connects to nothing, and may be done before Django is set up.

    Args:
        app: whose tasks are enqueued.
        using: the database's alias; the one that the routers name for the model when not given.
        interval: how often to look for rows.
        batch_size: how many rows to relay in one transaction, 250 at most.
        in_workers: whether each worker process of the app relays; if not, run `relay.run()` somewhere.

    Raises:
        ConfigurationError: an argument is not acceptable.

    Attributes:
        relay: what relays the rows.
    """

    def __init__(
        self,
        app: Oxmq,
        using: str | None = None,
        *,
        interval: Duration = 1,
        batch_size: int = 100,
        in_workers: bool = True,
    ) -> None:
        self._clock = app.clock
        self._drafter = RowDrafter(app)
        self._store = DjangoStore(using)
        self.relay = make_relay(app, self._store, interval, batch_size, in_workers)

    def enqueue(self, call: TaskCall) -> str:
        """Write a job in the current transaction, and return its id; outside of one it is written at once.

        Nothing is sent. When the transaction commits, a relay adds the job: at least once, under this id. When it
        rolls back, or to a savepoint before this, there will be no such job.

        Args:
            call: the task with its arguments: ``task.call(user_id=1)``, ``task.options(delay="1h").call(user_id=1)``.

        Raises:
            ConfigurationError: the call is not acceptable, or the database is not configured; nothing was written.
            django.db.Error: the database refused the row.
        """
        row = self._drafter.draft(call)
        self._store.rows().create(**structs.asdict(row))
        if connections[self._store.alias].get_autocommit() or connections[self._store.alias].in_atomic_block:
            transaction.on_commit(self.relay.wake, using=self._store.alias, robust=True)
        return row.job_id

    async def aenqueue(self, call: TaskCall) -> str:
        """Write a job from an async view: as `enqueue`, in Django's thread for such code."""
        return await sync_to_async(self.enqueue)(call)

    async def backlog(self) -> Backlog:
        """Return how many rows wait, how many of them Redis has refused, and how old the oldest is.

        Raises:
            DatabaseError: the database cannot be asked.
        """
        return await self._store.backlog(self._clock.now_ms())


class DjangoBatch:
    """Hold rows that are being relayed: see `Batch`."""

    def __init__(self, store: DjangoStore, rows: Sequence[OutboxRow]) -> None:
        self._store = store
        self.rows = rows

    async def settle(self, added: Sequence[str], refused: Sequence[Refusal]) -> None:
        """Delete the rows that were added and note the refusals, in one transaction."""
        await self._store.run(lambda: self._write(added, refused))

    def _write(self, added: Sequence[str], refused: Sequence[Refusal]) -> None:
        rows = self._store.rows()
        with self._store.committed():
            if added:
                rows.filter(id__in=added).delete()
            for row in refused:
                rows.filter(id=row.id).update(due_ms=row.due_ms, attempts=row.attempts, last_error=row.error)


class DjangoStore:
    """Hold the rows in the model's table: see `Store`. Where the database can, a relay locks what it relays."""

    def __init__(self, using: str | None) -> None:
        self._using = using
        self._thread = DatabaseThread()

    @property
    def alias(self) -> str:
        """Return the alias of the database."""
        return self._using or router.db_for_write(_model())

    def rows(self) -> Any:  # noqa: ANN401 - a query set of the model, which exists only once Django is set up
        """Return all rows, as a query set.

        Raises:
            ConfigurationError: the app is not installed, or there is no database of that alias.
        """
        try:
            connections[self.alias]
        except ConnectionDoesNotExist as error:
            raise ConfigurationError(f"using: {error}") from None
        return _model().objects.using(self.alias)

    async def run(self, work: Callable[[], T]) -> T:
        """Run work in the store's thread, where its connection is."""
        return await self._thread.run(lambda: _plainly(work))

    @contextlib.asynccontextmanager
    async def batch(self, now_ms: int, limit: int) -> AsyncGenerator[DjangoBatch]:
        """Give the oldest rows that are due: see `Store.batch`."""
        try:
            yield DjangoBatch(self, await self.run(lambda: self._take(now_ms, limit)))
        except DatabaseError:
            await self._thread.run(self._discard)
            raise
        finally:
            await self.run(self._let_go)

    async def backlog(self, now_ms: int) -> Backlog:
        """Return what waits."""
        return await self.run(lambda: self._count(now_ms))

    async def close(self) -> None:
        """Close the thread and its connection."""
        await self._thread.run(connections.close_all)
        self._thread.close()

    @contextlib.contextmanager
    def committed(self) -> Generator[None]:
        """Commit what is done in the block, with the locks of the batch if it has any."""
        if transaction.get_autocommit(self.alias):
            with transaction.atomic(self.alias):
                yield
        else:
            yield
            transaction.commit(self.alias)

    def _take(self, now_ms: int, limit: int) -> list[OutboxRow]:
        connection = connections[self.alias]
        connection.close_if_unusable_or_obsolete()
        due = self.rows().filter(due_ms__lte=now_ms).order_by("due_ms", "id")
        if not connection.features.has_select_for_update_skip_locked:
            return _read(due[:limit])  # nothing is held, so that nobody who writes has to wait for Redis
        transaction.set_autocommit(False, self.alias)
        rows = _read(due.select_for_update(skip_locked=True)[:limit])
        if rows and due.values_list("id", flat=True).first() != rows[0].id:
            return []  # another relay has the rows before these: to keep the order, it goes first
        if rows and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = {_LONGEST_IDLE_MS}")
        return rows

    def _let_go(self) -> None:
        """Roll back what was not committed."""
        connection = connections[self.alias]
        if connection.connection is None:
            return
        try:
            if not connection.get_autocommit():
                connection.rollback()
                connection.set_autocommit(True)
        except Error:
            self._discard()
            raise

    def _discard(self) -> None:
        """Use the connection no more: after a failure, what Django takes for its state need not be true."""
        with contextlib.suppress(Error):
            connections[self.alias].close()
        del connections[self.alias]

    def _count(self, now_ms: int) -> Backlog:
        rows = self.rows()
        first = rows.order_by("id").values_list("created_ms", flat=True).first()
        return Backlog(
            rows=rows.order_by()[:MOST_COUNTED].count(),
            refused=rows.filter(attempts__gt=0).order_by()[:MOST_COUNTED].count(),
            oldest=0.0 if first is None else max(0.0, (now_ms - int(first)) / 1000),
        )


def _model() -> Any:  # noqa: ANN401 - the model's class, which exists only once Django is set up
    try:
        return apps.get_model("oxmq_outbox", "OutboxJob")
    except LookupError:
        raise ConfigurationError('the outbox needs "oxmq.outbox.django" in INSTALLED_APPS') from None


def _plainly(work: Callable[[], T]) -> T:
    """Return what `work` returns; what the database raises becomes `DatabaseError`, in its own words."""
    with _told_plainly():
        return work()


@contextlib.contextmanager
def _told_plainly() -> Generator[None]:
    try:
        yield
    except Error as error:
        line = str(error).partition("\n")[0]
        raise DatabaseError(f"{type(error).__name__}: {line}") from error


def _read(query: Any) -> list[OutboxRow]:  # noqa: ANN401 - a query set, whose types Django does not tell
    return [OutboxRow(**row) for row in query.values(*OutboxRow.__struct_fields__)]
