"""Relay the rows of an outbox to Redis: each at least once, and there each adds at most one job."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec import Struct, field

from oxmq.errors import BackendError, ConfigurationError, JobError, OutcomeUnknownError, UnavailableError
from oxmq.keys import QueueKeys
from oxmq.ops import relaying, server
from oxmq.ops.jobs import NewJob
from oxmq.outbox.outage import Outage, logger
from oxmq.outbox.row import OutboxRow
from oxmq.outbox.store import Batch, Refusal, Store
from oxmq.worker.service import Service

if TYPE_CHECKING:
    from oxmq.app import Oxmq

T = TypeVar("T")

#: How long a relay that is stopped may take for the rows that it has, in seconds.
_LAST_BATCH: Final = 10.0
#: How much data one command to Redis may carry, in characters, unless a single row has more.
_CALL_SIZE: Final = 1_000_000
#: Rows that were read longer ago are not added: the process was suspended, and another relay may have them. Seconds.
_FRESH: Final = 30.0
#: The longest that a refused row waits for its next attempt, in milliseconds.
_LONGEST_WAIT_MS: Final = 600_000
#: How much of an error is kept in a row, in characters.
_LONGEST_ERROR: Final = 500


class RelayHealth(Struct, frozen=True):
    """Hold how a relay is.

    Attributes:
        running: whether it is at work in this process.
        relayed: how many rows it has relayed.
        refused: how many times Redis has refused a row.
        problem: why nothing can be relayed; empty when all is well.
        problem_seconds: for how long that has been so.
    """

    running: bool
    relayed: int
    refused: int
    problem: str
    problem_seconds: float


class _Outcome(Struct):
    """Collect what became of a batch's rows. Rows in neither list were not tried."""

    added: list[OutboxRow] = field(default_factory=list[OutboxRow])
    refused: list[Refusal] = field(default_factory=list[Refusal])
    failure: BackendError | None = None


class Relay(Service):
    """Relay what is in a store for as long as it runs.

    Args:
        app: to whose Redis.
        store: where the rows are.
        interval: how long to wait before looking for rows again when there are none, in seconds.
        batch_size: how many rows to relay in one transaction.
    """

    def __init__(self, app: Oxmq, store: Store, interval: float, batch_size: int) -> None:
        self._app = app
        self._store = store
        self._interval = interval
        self._batch_size = batch_size
        self._outage = Outage()
        self._relayed = self._refused = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()

    @property
    def health(self) -> RelayHealth:
        """Return how the relay is. Asks nobody."""
        running = self._loop is not None
        return RelayHealth(running, self._relayed, self._refused, self._outage.reason, self._outage.seconds)

    async def run(self) -> None:
        """Relay rows until cancelled. What fails is logged and tried again: only a cancellation ends it."""
        self._loop, self._woken = asyncio.get_running_loop(), asyncio.Event()
        try:
            while True:
                self._woken.clear()
                try:
                    await self.relay_due()
                except Exception as error:  # noqa: BLE001 - a driver may raise anything, and the worker must go on
                    await asyncio.sleep(self._outage.note(error))
                else:
                    await self._wait()
        finally:
            self._loop = None
            await self._store.close()

    def wake(self) -> None:
        """Look for rows now, if the relay runs in this process. May be called from any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._woken.set)

    async def relay_due(self) -> int:
        """Relay all rows that are due, and return how many of them Redis has taken.

        Raises:
            DatabaseError: the database cannot be asked.
            BackendError: Redis cannot be asked.
        """
        before = self._relayed
        if self._outage.reason:
            # Rows are not locked for as long as an attempt takes while it is known to be in vain.
            await self._app.runner.run(server.ping())
        while await _in_peace(self._relay_batch()):
            pass
        self._outage.end()
        return self._relayed - before

    async def _run(self) -> None:
        await self.run()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._interval):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _relay_batch(self) -> bool:
        """Relay some rows; return whether there may be more."""
        async with self._store.batch(self._app.clock.now_ms(), self._batch_size) as batch:
            if not batch.rows:
                return False
            outcome = await self._add(batch)
            await batch.settle([row.id for row in outcome.added], outcome.refused)
        self._relayed += len(outcome.added)
        self._refused += len(outcome.refused)
        await self._forget(outcome.added)
        if outcome.failure is not None:
            raise outcome.failure
        return bool(outcome.added or outcome.refused)

    async def _add(self, batch: Batch) -> _Outcome:
        outcome, read_at = _Outcome(), time.monotonic()
        for rows in _calls(batch.rows):
            if time.monotonic() - read_at > _FRESH:
                break
            try:
                await self._add_rows(rows, outcome)
            except (UnavailableError, OutcomeUnknownError) as error:
                outcome.failure = error
                break
        return outcome

    async def _add_rows(self, rows: Sequence[OutboxRow], outcome: _Outcome) -> None:
        """Add the rows of one queue in one call; where the server finds fault with the call, one by one."""
        readable = self._readable(rows, outcome)
        if not readable:
            return
        now = self._app.clock.now_ms()
        keys = readable[0][0].keys
        call = relaying.add_relayed(keys, [(row.id, job) for row, job in readable], now)
        try:
            answers = await self._app.runner.run(call)
        except (UnavailableError, OutcomeUnknownError):
            raise
        except BackendError as error:
            await self._isolate([row for row, _ in readable], error, outcome)
            return
        for (row, _), answer in zip(readable, answers, strict=True):
            if isinstance(answer, JobError):
                self._refuse(row, answer, outcome)
            else:
                outcome.added.append(row)

    async def _isolate(self, rows: Sequence[OutboxRow], error: BackendError, outcome: _Outcome) -> None:
        if len(rows) == 1:
            self._refuse(rows[0], error, outcome)
            return
        for row in rows:
            await self._add_rows([row], outcome)

    def _readable(self, rows: Sequence[OutboxRow], outcome: _Outcome) -> list[tuple[OutboxRow, NewJob]]:
        readable: list[tuple[OutboxRow, NewJob]] = []
        for row in rows:
            try:
                QueueKeys(row.queue, row.prefix)
                readable.append((row, row.job))
            except ConfigurationError as error:
                self._refuse(row, error, outcome)
        return readable

    def _refuse(self, row: OutboxRow, error: Exception, outcome: _Outcome) -> None:
        attempts = row.attempts + 1
        wait_ms = min(1000 * 2 ** min(attempts - 1, 20), _LONGEST_WAIT_MS)
        reason = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
        outcome.refused.append(Refusal(row.id, self._app.clock.now_ms() + wait_ms, attempts, reason))
        logger.error(
            "row %s (job %s of queue %s) was refused and stays; it is tried again in %.0f s, attempt %d: %s",
            row.id,
            row.job_id,
            row.queue,
            wait_ms / 1000,
            attempts + 1,
            reason,
        )

    async def _forget(self, rows: Sequence[OutboxRow]) -> None:
        """Have Redis remember the rows no longer than it must, for they are deleted."""
        for _, group in groupby(rows, _place):
            of_queue = list(group)
            forget = relaying.forget_relayed(of_queue[0].keys, [row.id for row in of_queue], self._app.clock.now_ms())
            await self._app.runner.run(forget)


async def _in_peace(work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns. A cancellation waits for it, so that what was added is deleted, too."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=_LAST_BATCH)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise


def _place(row: OutboxRow) -> tuple[str, str]:
    return row.prefix, row.queue


def _calls(rows: Sequence[OutboxRow]) -> Iterator[list[OutboxRow]]:
    """Part rows, in order, into those that can travel together: of one queue, and not too much data."""
    for _, group in groupby(rows, _place):
        together: list[OutboxRow] = []
        size = 0
        for row in group:
            if together and size + len(row.data) > _CALL_SIZE:
                yield together
                together, size = [], 0
            together.append(row)
            size += len(row.data)
        yield together
