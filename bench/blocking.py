"""The measurements for peers that block and run jobs in threads or processes."""

from __future__ import annotations

import queue
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from bench.contract import CHUNK, IN_FLIGHT, BlockingPeer
from bench.figures import Figures
from bench.meter import Meter
from bench.stopwatch import Stopwatch

#: Pickups that come before the measured ones.
PICKUP_WARM = 5


class BlockingMeasurements:
    """Measure one peer; every method is called once, in a process of its own, on an empty server."""

    def __init__(self, peer: BlockingPeer, meter: Meter, backlog: int = 0) -> None:
        self._peer = peer
        self._meter = meter
        self._backlog = backlog

    def add_single(self, jobs: int) -> Figures:
        """Add one job after the other."""
        self._add_in_turn(jobs // 10)
        begin = self._meter.read()
        self._add_in_turn(jobs)
        return Figures.between(begin, self._meter.read(), jobs)

    def add_concurrent(self, jobs: int) -> Figures:
        """Add with a hundred threads."""
        each = max(1, jobs // IN_FLIGHT)
        with ThreadPoolExecutor(IN_FLIGHT) as threads:
            list(threads.map(self._add_in_turn, [1] * IN_FLIGHT))
            begin = self._meter.read()
            list(threads.map(self._add_in_turn, [each] * IN_FLIGHT))
            return Figures.between(begin, self._meter.read(), each * IN_FLIGHT)

    def add_bulk(self, jobs: int) -> Figures:
        """Add in the peer's own fastest way; the jobs stay there, so that they can be weighed."""
        warm = max(CHUNK, self._backlog)
        self._peer.add_many(warm)
        begin = self._meter.read()
        self._peer.add_many(jobs)
        figures = Figures.between(begin, self._meter.read(), jobs)
        figures.waiting = warm + jobs
        return figures

    def process(self, jobs: int, concurrency: int) -> Figures:
        """Drain jobs that wait already; the first quarter warms the worker up and does not count."""
        done = threading.Event()
        warm = max(2 * concurrency, jobs // 4)
        self._peer.add_many(warm + jobs + self._backlog)
        watch = Stopwatch(self._meter, warm, jobs, done.set)
        with self._peer.worker(concurrency, watch.mark):
            done.wait()
        assert watch.begin and watch.end
        return Figures.between(watch.begin, watch.end, jobs)

    def pickup(self, jobs: int) -> Figures:
        """Take the time from the call of `add` to the start of the handler in a worker that waits for work."""
        arrivals: queue.SimpleQueue[float] = queue.SimpleQueue()
        latencies: list[float] = []
        with self._peer.worker(1, lambda _number: arrivals.put(time.perf_counter())):
            for number in range(PICKUP_WARM + jobs):
                time.sleep(random.uniform(0.005, 0.025))
                sent = time.perf_counter()
                self._peer.add(number)
                latencies.append((arrivals.get() - sent) * 1e3)
        return Figures(jobs=jobs, latencies=latencies[PICKUP_WARM:])

    def _add_in_turn(self, jobs: int) -> None:
        for number in range(jobs):
            self._peer.add(number)
