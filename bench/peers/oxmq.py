"""oxmq: BullMQ's layout and its guarantees (at least once, fenced by tokens, renewed locks, recovered stalls).

Completed jobs are kept, as BullMQ does by default.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from bench.contract import CHUNK, QUEUE, Handler
from bench.measure import run_async
from oxmq import Job, Queue, Worker


class Oxmq:
    """The peer."""

    def version(self) -> str:
        """Return the release that is measured, or `source` where it is not installed."""
        try:
            return version("oxmq")
        except PackageNotFoundError:
            return "source"

    async def open(self, url: str) -> None:
        """Connect the producer."""
        self._url = url
        self._queue = Queue(QUEUE, connection=url)

    async def close(self) -> None:
        """Disconnect the producer."""
        await self._queue.close()

    async def add(self, number: int) -> None:
        """Add one job."""
        await self._queue.add("noop", {"i": number})

    async def add_many(self, count: int) -> None:
        """Add in chunks."""
        for start in range(0, count, CHUNK):
            await self._queue.add_bulk([("noop", {"i": i}) for i in range(start, min(start + CHUNK, count))])

    @asynccontextmanager
    async def worker(self, concurrency: int, handler: Handler) -> AsyncIterator[None]:
        """Run a worker on this loop."""

        async def process(job: Job) -> None:
            handler(job.data["i"])

        worker = Worker(QUEUE, process, connection=self._url, concurrency=concurrency, remove_on_complete=None)
        async with worker:
            running = asyncio.create_task(worker.run())
            yield
            await worker.close(force=True)
            await running

    def records_completion(self) -> bool:
        """Return True: the layout is BullMQ's."""
        return True


if __name__ == "__main__":
    run_async(Oxmq())
