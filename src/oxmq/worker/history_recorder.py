"""Write down what went on in the queue, minute by minute: what this worker counted, and, any worker for all, depth."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque

from oxmq.clock import Clock
from oxmq.errors import OxmqError
from oxmq.keys import QueueKeys
from oxmq.ops import history
from oxmq.ops.history import MINUTE_MS, Counts
from oxmq.transport.runner import AsyncRunner
from oxmq.worker.service import Service
from oxmq.worker.tally import Tally

#: How long after the end of a minute it is written down, in seconds: workers do not all come at once.
_EARLIEST, _LATEST = 1.0, 10.0
#: How many minutes are kept for a server that is away.
_MOST_PENDING = 10
#: How long closing waits for Redis to take what was counted last, in seconds.
_LAST_WORDS = 1.0


class HistoryRecorder(Service):
    """Write each minute down that has passed. Nothing depends on it: a worker that is killed loses its last minute.

    Args:
        worker_id: whose counts they are.
        tally: counts what the worker ends.
    """

    def __init__(self, runner: AsyncRunner, keys: QueueKeys, clock: Clock, worker_id: str, tally: Tally) -> None:
        self._runner = runner
        self._keys = keys
        self._clock = clock
        self._worker_id = worker_id
        self._tally = tally
        self._pending: deque[tuple[int, Counts]] = deque(maxlen=_MOST_PENDING)
        self._last_ms = 0

    def set_aside(self, minute_ms: int) -> None:
        """End the minute that began then: what is counted from now on belongs to the next."""
        # A clock that was set back makes the minute longer: a worker adds to each once.
        if minute_ms > self._last_ms:
            self._last_ms = minute_ms
            if counts := self._tally.take():
                self._pending.append((minute_ms, counts))

    async def record(self) -> bool:
        """Add what was counted, then write the last full minute down; return whether this call did the latter.

        Raises:
            BackendError: the server does not take it; what was counted goes with the next call.
        """
        await self._add_pending()
        now = self._clock.now_ms()
        return await self._runner.run(history.record(self._keys, history.last_full_minute(now), now))

    async def add_rest(self) -> None:
        """Add what has been counted of the minute that is going on; for a worker that has stopped."""
        self.set_aside(history.last_full_minute(self._clock.now_ms()) + MINUTE_MS)
        with contextlib.suppress(OxmqError, TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await self._add_pending()

    async def _add_pending(self) -> None:
        while self._pending:
            minute_ms, counts = self._pending[0]
            await self._runner.run(history.add_counts(self._keys, self._worker_id, minute_ms, counts))
            self._pending.popleft()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep((MINUTE_MS - self._clock.now_ms() % MINUTE_MS) / 1000)
            self.set_aside(history.last_full_minute(self._clock.now_ms()))
            await asyncio.sleep(random.uniform(_EARLIEST, _LATEST))
            with contextlib.suppress(OxmqError):
                await self.record()
