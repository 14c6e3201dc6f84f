"""Look for jobs again when there may be some: when the marker wakes the worker, or a delayed job is due."""

from __future__ import annotations

import asyncio
import contextlib
import time

from oxmq.clock import Clock
from oxmq.errors import BackendError
from oxmq.transport.stream import BlockingConnection, wait_for_marker
from oxmq.worker.exchange import Exchange
from oxmq.worker.service import Service

#: How long to wait for the marker at most when a delayed job is due later, in seconds.
_MAX_BLOCK = 10.0
#: How long to wait after the connection broke, in seconds.
_RETRY_PAUSE = 0.2


class Fetcher(Service):
    """Wait on the queue's marker whenever the exchange has found the queue empty.

    Args:
        drain_delay: how long one wait lasts when nothing is due, in seconds.
    """

    def __init__(
        self, exchange: Exchange, connection: BlockingConnection, marker_key: str, clock: Clock, drain_delay: float
    ) -> None:
        self._exchange = exchange
        self._connection = connection
        self._marker_key = marker_key
        self._clock = clock
        self._drain_delay = drain_delay
        self.last_wait = time.monotonic()

    async def _run(self) -> None:
        try:
            # By this connection the server lists the worker: also one that never has to wait.
            with contextlib.suppress(BackendError):
                await self._connection.open()
            while True:
                await self._exchange.drained.wait()
                await self._wait_for_work()
                self._exchange.take_if_taking()
        finally:
            await self._connection.close()

    async def _wait_for_work(self) -> None:
        due: float | None = self._exchange.next_due_ms
        while (block := self._seconds_to_block(due)) > 0:
            try:
                marked = await wait_for_marker(self._connection, self._marker_key, block)
            except BackendError:
                await asyncio.sleep(_RETRY_PAUSE)
                return
            self.last_wait = time.monotonic()
            if not marked:  # a job is ready, or the wait is over: time to look in either case
                return
            # The marker of a delayed job was taken away, so that it is for this worker to be there in time.
            due = marked if due is None else min(due, marked)

    def _seconds_to_block(self, due: float | None) -> float:
        if due is None:
            return self._drain_delay
        return min((due - self._clock.now_ms()) / 1000, _MAX_BLOCK)
