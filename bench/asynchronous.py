"""The measurements for peers that run on an event loop."""

from __future__ import annotations

import asyncio
import random
import time

from bench.contract import CHUNK, IN_FLIGHT, QUEUE, AsyncPeer
from bench.figures import Figures
from bench.meter import Meter
from bench.stopwatch import Stopwatch

#: Seconds between two looks at what Redis has recorded.
LOOK = 0.001
#: Pickups that come before the measured ones.
PICKUP_WARM = 10


class AsyncMeasurements:
    """Measure one peer; every method is called once, in a process of its own, on an empty server."""

    def __init__(self, peer: AsyncPeer, meter: Meter, backlog: int = 0) -> None:
        self._peer = peer
        self._meter = meter
        self._backlog = backlog

    async def add_single(self, jobs: int) -> Figures:
        """Add one job after the other, each awaited."""
        await self._add_in_turn(jobs // 10)
        begin = self._meter.read()
        await self._add_in_turn(jobs)
        return Figures.between(begin, self._meter.read(), jobs)

    async def add_concurrent(self, jobs: int) -> Figures:
        """Add with a hundred coroutines, each of which awaits one add after the other."""
        each = max(1, jobs // IN_FLIGHT)
        await self._add_side_by_side(max(1, each // 10))
        begin = self._meter.read()
        await self._add_side_by_side(each)
        return Figures.between(begin, self._meter.read(), each * IN_FLIGHT)

    async def add_bulk(self, jobs: int) -> Figures:
        """Add in the peer's own fastest way; the jobs stay there, so that they can be weighed."""
        warm = max(CHUNK, self._backlog)
        await self._peer.add_many(warm)
        begin = self._meter.read()
        await self._peer.add_many(jobs)
        figures = Figures.between(begin, self._meter.read(), jobs)
        figures.waiting = warm + jobs
        return figures

    async def process(self, jobs: int, concurrency: int) -> Figures:
        """Drain jobs that wait already; the first quarter warms the worker up and does not count."""
        done = asyncio.Event()
        warm = max(2 * concurrency, jobs // 4)
        await self._peer.add_many(warm + jobs + self._backlog)
        watch = Stopwatch(self._meter, warm, jobs, done.set)
        async with self._peer.worker(concurrency, watch.mark):
            await done.wait()
            if self._peer.records_completion():
                await self._wait_until_recorded(warm + jobs)
                watch.end = self._meter.read()
        assert watch.begin and watch.end
        return Figures.between(watch.begin, watch.end, jobs)

    async def pickup(self, jobs: int) -> Figures:
        """Take the time from the call of `add` to the start of the handler in a worker that waits for work."""
        arrivals: asyncio.Queue[float] = asyncio.Queue()
        latencies: list[float] = []
        async with self._peer.worker(1, lambda _number: arrivals.put_nowait(time.perf_counter())):
            for number in range(PICKUP_WARM + jobs):
                await asyncio.sleep(random.uniform(0.005, 0.025))
                sent = time.perf_counter()
                await self._peer.add(number)
                latencies.append((await arrivals.get() - sent) * 1e3)
        return Figures(jobs=jobs, latencies=latencies[PICKUP_WARM:])

    async def _add_in_turn(self, jobs: int) -> None:
        for number in range(jobs):
            await self._peer.add(number)

    async def _add_side_by_side(self, each: int) -> None:
        await asyncio.gather(*(self._add_in_turn(each) for _ in range(IN_FLIGHT)))

    async def _wait_until_recorded(self, jobs: int) -> None:
        while self._meter.completed(QUEUE) < jobs:
            await asyncio.sleep(LOOK)
