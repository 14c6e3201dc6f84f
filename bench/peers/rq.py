"""RQ: weaker guarantees, a job whose worker dies counts as failed and does not come back by itself.

Concurrency is processes, hence nothing beyond ten is measured. `SimpleWorker` runs a job without a fork, which is many
times faster than the default; results are not kept.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import redis
from rq import Queue, SimpleWorker

from bench import noop_job
from bench.contract import CHUNK, QUEUE, Handler
from bench.measure import run_blocking

TICKS = os.sysconf("SC_CLK_TCK")


class Rq:
    """The peer."""

    def __init__(self) -> None:
        self._children: list[int] = []

    def version(self) -> str:
        """Return the release that is measured."""
        return version("rq")

    def open(self, url: str) -> None:
        """Connect the producer."""
        self._url = url
        self._queue: Any = Queue(QUEUE, connection=redis.Redis.from_url(url))

    def close(self) -> None:
        """Disconnect the producer."""
        self._queue.connection.close()

    def add(self, number: int) -> None:
        """Add one job."""
        self._queue.enqueue(noop_job.run, i=number, result_ttl=0)

    def add_many(self, count: int) -> None:
        """Add in chunks, each in one pipeline."""
        for start in range(0, count, CHUNK):
            numbers = range(start, min(start + CHUNK, count))
            self._queue.enqueue_many([Queue.prepare_data(noop_job.run, kwargs={"i": i}, result_ttl=0) for i in numbers])

    @contextmanager
    def worker(self, concurrency: int, handler: Handler) -> Iterator[None]:
        """Fork the workers and pass on what they report."""
        receiving, noop_job.descriptor = os.pipe()
        self._children = [self._fork_worker() for _ in range(concurrency)]
        threading.Thread(target=pass_on, args=(receiving, handler), daemon=True).start()
        yield
        for child in self._children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def own_cpu(self) -> float:
        """Return the processor time of all workers, or of the producer as long as there are none."""
        return sum(map(processor_time, self._children)) or time.process_time()

    def _fork_worker(self) -> int:
        child = os.fork()
        if child == 0:
            queue = Queue(QUEUE, connection=redis.Redis.from_url(self._url))
            SimpleWorker([queue], connection=queue.connection).work(logging_level=logging.WARNING)
            os._exit(0)
        return child


def pass_on(descriptor: int, handler: Handler) -> None:
    """Call `handler` with every number that arrives through the pipe."""
    with open(descriptor, "rb") as reports:
        while number := reports.read(noop_job.NUMBER.size):
            handler(noop_job.NUMBER.unpack(number)[0])


def processor_time(process: int) -> float:
    """Return the seconds of processor time of a running process."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    run_blocking(Rq())
