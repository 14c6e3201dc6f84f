"""arq: at least once (a job leaves the queue when it is done), an expiring key instead of a renewed lock.

Results are not kept, which is less work than the default. It polls: every hundredth of a second here, because with the
default of half a second one slot runs two jobs a second. One poll may take more jobs than by default, too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from arq import create_pool, func
from arq.connections import RedisSettings
from arq.worker import Worker

from bench.contract import IN_FLIGHT, QUEUE, Handler
from bench.measure import run_async

#: Jobs that one poll may take.
READ_LIMIT = 5_000
#: Seconds between two polls.
POLL_DELAY = 0.01


class Arq:
    """The peer."""

    def version(self) -> str:
        """Return the release that is measured."""
        return version("arq")

    async def open(self, url: str) -> None:
        """Connect the producer."""
        self._settings = RedisSettings.from_dsn(url)
        self._pool = await create_pool(self._settings, default_queue_name=QUEUE)

    async def close(self) -> None:
        """Disconnect the producer."""
        await self._pool.aclose()

    async def add(self, number: int) -> None:
        """Add one job."""
        await self._pool.enqueue_job("noop", i=number)

    async def add_many(self, count: int) -> None:
        """Add many at a time: there is no call for it."""
        for start in range(0, count, IN_FLIGHT):
            await asyncio.gather(*(self.add(i) for i in range(start, min(start + IN_FLIGHT, count))))

    @asynccontextmanager
    async def worker(self, concurrency: int, handler: Handler) -> AsyncIterator[None]:
        """Run a worker on this loop."""

        async def noop(_context: Any, i: int) -> None:
            handler(i)

        worker = Worker(
            functions=[func(noop, name="noop", keep_result=0)],
            queue_name=QUEUE,
            redis_settings=self._settings,
            max_jobs=concurrency,
            queue_read_limit=READ_LIMIT,
            poll_delay=POLL_DELAY,
            keep_result=0,
            handle_signals=False,
            log_results=False,
        )
        running = asyncio.create_task(worker.async_run())
        yield
        with contextlib.suppress(asyncio.CancelledError):
            await worker.close()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    def records_completion(self) -> bool:
        """Return False: the layout is its own."""
        return False


if __name__ == "__main__":
    run_async(Arq())
