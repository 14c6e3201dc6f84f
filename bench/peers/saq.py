"""SAQ: at least once (a list of active jobs that a sweeper recovers), no fencing of a job that ran twice.

A job is forgotten when it is done (`ttl=-1`), which is less work than its default of keeping the result.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from saq import Worker
from saq.queue.redis import RedisQueue

from bench.contract import IN_FLIGHT, QUEUE, Handler
from bench.measure import run_async


class Saq:
    """The peer."""

    def version(self) -> str:
        """Return the release that is measured."""
        return version("saq")

    async def open(self, url: str) -> None:
        """Connect the producer."""
        self._url = url
        # The default of 20 operations at a time would throttle a hundred adds and a hundred job slots.
        self._queue = RedisQueue.from_url(url, name=QUEUE, max_concurrent_ops=IN_FLIGHT)

    async def close(self) -> None:
        """Disconnect the producer."""
        await self._queue.disconnect()

    async def add(self, number: int) -> None:
        """Add one job."""
        await self._queue.enqueue("noop", i=number, ttl=-1)

    async def add_many(self, count: int) -> None:
        """Add many at a time: there is no call for it."""
        for start in range(0, count, IN_FLIGHT):
            await asyncio.gather(*(self.add(i) for i in range(start, min(start + IN_FLIGHT, count))))

    @asynccontextmanager
    async def worker(self, concurrency: int, handler: Handler) -> AsyncIterator[None]:
        """Run a worker on this loop."""

        async def noop(_context: Any, *, i: int) -> None:
            handler(i)

        queue = RedisQueue.from_url(self._url, name=QUEUE, max_concurrent_ops=max(20, concurrency))
        worker: Any = Worker(queue, [("noop", noop)], concurrency=concurrency)
        running = asyncio.create_task(worker.start())
        yield
        await worker.stop()
        await running

    def records_completion(self) -> bool:
        """Return False: the layout is its own."""
        return False


if __name__ == "__main__":
    run_async(Saq())
