"""bullmq, the official Python port of BullMQ: the same layout and guarantees as on Node.

At least once: locks that are renewed, stalled jobs are recovered. Completed jobs are kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from bullmq import Queue, Worker

from bench.contract import CHUNK, QUEUE, Handler
from bench.measure import run_async


class BullmqPython:
    """The peer."""

    def version(self) -> str:
        """Return the release that is measured."""
        return version("bullmq")

    async def open(self, url: str) -> None:
        """Connect the producer."""
        self._url = url
        self._queue = Queue(QUEUE, {"connection": url})

    async def close(self) -> None:
        """Disconnect the producer."""
        await self._queue.close()

    async def add(self, number: int) -> None:
        """Add one job."""
        await self._queue.add("noop", {"i": number})

    async def add_many(self, count: int) -> None:
        """Add in chunks, each in one transaction."""
        for start in range(0, count, CHUNK):
            await self._queue.addBulk(
                [{"name": "noop", "data": {"i": i}} for i in range(start, min(start + CHUNK, count))]
            )

    @asynccontextmanager
    async def worker(self, concurrency: int, handler: Handler) -> AsyncIterator[None]:
        """Run a worker on this loop."""

        async def process(job: Any, _token: str) -> None:
            handler(job.data["i"])

        worker = Worker(QUEUE, process, {"connection": self._url, "concurrency": concurrency})
        yield
        await worker.close(force=True)

    def records_completion(self) -> bool:
        """Return True: the layout is BullMQ's."""
        return True


if __name__ == "__main__":
    run_async(BullmqPython())
