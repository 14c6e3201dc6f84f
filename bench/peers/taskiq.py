"""Taskiq on Redis streams: at least once (acknowledged after the job ran); its list broker would lose jobs.

No result backend.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from taskiq.receiver import Receiver
from taskiq_redis import RedisStreamBroker

from bench.contract import IN_FLIGHT, QUEUE, Handler
from bench.measure import run_async

#: Seconds that the receiver may take to stop.
STOP_GRACE = 1.0


class Taskiq:
    """The peer."""

    def version(self) -> str:
        """Return the releases that are measured."""
        return f"{version('taskiq')} (taskiq-redis {version('taskiq-redis')})"

    async def open(self, url: str) -> None:
        """Connect the producer."""
        self._broker = RedisStreamBroker(url, queue_name=QUEUE, consumer_id="0")
        self._handler: Handler = id

        async def noop(i: int) -> None:
            self._handler(i)

        self._task: Any = self._broker.task(task_name="noop")(noop)
        await self._broker.startup()

    async def close(self) -> None:
        """Disconnect the producer."""
        await self._broker.shutdown()

    async def add(self, number: int) -> None:
        """Add one job."""
        await self._task.kiq(number)

    async def add_many(self, count: int) -> None:
        """Add many at a time: there is no call for it."""
        for start in range(0, count, IN_FLIGHT):
            await asyncio.gather(*(self.add(i) for i in range(start, min(start + IN_FLIGHT, count))))

    @asynccontextmanager
    async def worker(self, concurrency: int, handler: Handler) -> AsyncIterator[None]:
        """Run a receiver on this loop."""
        self._handler = handler
        self._broker.is_worker_process = True
        receiver = Receiver(self._broker, max_async_tasks=concurrency, max_prefetch=concurrency)
        stop = asyncio.Event()
        running = asyncio.create_task(receiver.listen(stop))
        yield
        stop.set()
        # On uvloop the receiver sometimes never ends: its cancelled read is lost.
        await asyncio.wait([running], timeout=STOP_GRACE)

    def records_completion(self) -> bool:
        """Return False: the layout is its own."""
        return False


if __name__ == "__main__":
    run_async(Taskiq())
