"""Celery: at least once with `acks_late`; a dead worker's jobs come back after the visibility timeout of an hour.

A pool of threads as large as the concurrency asks for, no results, no events, no gossip.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from celery import Celery as App

from bench.contract import QUEUE, Handler
from bench.measure import run_blocking


class Celery:
    """The peer."""

    def version(self) -> str:
        """Return the release that is measured."""
        return version("celery")

    def open(self, url: str) -> None:
        """Connect the producer."""
        self._app: Any = App("bench", broker=url)
        self._app.conf.update(
            task_default_queue=QUEUE,
            task_acks_late=True,
            task_ignore_result=True,
            task_store_errors_even_if_ignored=False,
            worker_hijack_root_logger=False,
            broker_pool_limit=100,
        )
        self._handler: Handler = id

        def noop(i: int) -> None:
            self._handler(i)

        self._task: Any = self._app.task(name="noop")(noop)

    def close(self) -> None:
        """Disconnect the producer."""
        self._app.close()

    def add(self, number: int) -> None:
        """Add one job."""
        self._task.apply_async(kwargs={"i": number})

    def add_many(self, count: int) -> None:
        """Add one by one over one connection: there is no call for many."""
        with self._app.producer_or_acquire() as producer:
            for number in range(count):
                self._task.apply_async(kwargs={"i": number}, producer=producer)

    @contextmanager
    def worker(self, concurrency: int, handler: Handler) -> Iterator[None]:
        """Run a worker's threads in this process."""
        self._handler = handler
        worker = self._app.WorkController(
            pool="solo" if concurrency == 1 else "threads",
            concurrency=concurrency,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            quiet=True,
        )
        thread = threading.Thread(target=worker.start, daemon=True)
        thread.start()
        yield
        worker.stop()

    def own_cpu(self) -> float:
        """Return the processor time of this process."""
        return time.process_time()


if __name__ == "__main__":
    run_blocking(Celery())
