"""Dramatiq: at least once (acknowledged after the job ran), jobs of a dead worker come back after a minute.

One process with as many threads as the concurrency asks for, and its default middleware. It fetches what a hundred
threads would fetch at any concurrency: with the default one thread waits for most of the time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from bench.contract import QUEUE, Handler
from bench.measure import run_blocking

os.environ.setdefault("dramatiq_queue_prefetch", "200")

import dramatiq
from dramatiq.brokers.redis import RedisBroker


class Dramatiq:
    """The peer."""

    def version(self) -> str:
        """Return the release that is measured."""
        return version("dramatiq")

    def open(self, url: str) -> None:
        """Connect the producer."""
        self._broker: Any = RedisBroker(url=url)
        self._handler: Handler = id

        def noop(i: int) -> None:
            self._handler(i)

        self._actor: Any = dramatiq.actor(noop, broker=self._broker, queue_name=QUEUE)

    def close(self) -> None:
        """Disconnect the producer."""
        self._broker.close()

    def add(self, number: int) -> None:
        """Add one job."""
        self._actor.send(i=number)

    def add_many(self, count: int) -> None:
        """Add one by one: there is no call for many."""
        for number in range(count):
            self.add(number)

    @contextmanager
    def worker(self, concurrency: int, handler: Handler) -> Iterator[None]:
        """Run a worker's threads in this process."""
        self._handler = handler
        worker = dramatiq.Worker(self._broker, queues={QUEUE}, worker_threads=concurrency)
        worker.start()
        yield
        worker.stop()

    def own_cpu(self) -> float:
        """Return the processor time of this process."""
        return time.process_time()


if __name__ == "__main__":
    run_blocking(Dramatiq())
