"""Measure a server and the way to it with jobs that do nothing, in a queue that is removed afterwards."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from oxmq.cli.terminal.progress import Advance, progress_bar
from oxmq.cli.terminal.screen import results
from oxmq.cli.terminal.tables import facts
from oxmq.client.job import Job
from oxmq.client.queue import Queue
from oxmq.errors import UnavailableError
from oxmq.transport.connect import Endpoint
from oxmq.worker.worker import Worker

#: How many jobs one call adds in bulk.
_CHUNK = 1_000
#: How many jobs are added one after the other, to measure single adds, and then starts on an idle worker.
_SINGLES = 200
#: How many jobs the worker runs between two steps of the progress bar, which takes time itself.
_STEP = 250
#: After so many seconds without a job that ran, something is wrong.
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Hold how long something took, in seconds: as long as half, 95 and 99 percent of the tries or less."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Hold what was measured.

    Attributes:
        server: the server's address.
        jobs: how many jobs were added in bulk and processed.
        concurrency: how many of them ran at once.
        added_per_second: in bulk, by one process.
        processed_per_second: by one worker process.
        add: from the call that adds one job to its return.
        start: from that call to the start of the job's handler, on an idle worker.
    """

    server: str
    jobs: int
    concurrency: int
    added_per_second: float
    processed_per_second: float
    add: Spread
    start: Spread


async def measure(endpoint: Endpoint, *, prefix: str, jobs: int, concurrency: int, quiet: bool) -> Figures:
    """Add and run jobs that do nothing, and say how fast that went; leave nothing behind.

    Raises:
        BackendError: the server does not answer.
    """
    name = f"oxmq-bench-{uuid.uuid4().hex[:12]}"
    async with Queue(name, endpoint.source, prefix=prefix) as queue:
        await queue.get_job_counts()
        try:
            return await _Bench(queue, endpoint, prefix, jobs, concurrency, quiet).run()
        finally:
            await queue.obliterate(force=True)


class _Bench:
    """Measure one queue."""

    def __init__(self, queue: Queue, endpoint: Endpoint, prefix: str, jobs: int, concurrency: int, quiet: bool) -> None:
        self._queue = queue
        self._endpoint = endpoint
        self._jobs = jobs
        self._concurrency = concurrency
        self._quiet = quiet
        self._worker = Worker(
            queue.name, self._handle, endpoint.source, prefix=prefix, concurrency=concurrency,
            remove_on_complete=True, grace=1,
        )  # fmt: skip
        self._left = 0
        self._all_done = asyncio.Event()
        self._started = asyncio.Event()
        self._started_at = 0.0
        self._advance: Advance = _nowhere

    async def run(self) -> Figures:
        adding = await self._add_in_bulk()
        processing = await self._process()
        try:
            adds, starts = await self._time_single_jobs()
        finally:
            await self._worker.close()
        return Figures(
            server=self._endpoint.address,
            jobs=self._jobs,
            concurrency=self._concurrency,
            added_per_second=self._jobs / adding,
            processed_per_second=self._jobs / processing,
            add=spread(adds),
            start=spread(starts),
        )

    async def _add_in_bulk(self) -> float:
        began = time.perf_counter()
        with progress_bar("adding", self._jobs, quiet=self._quiet) as advance:
            for start in range(0, self._jobs, _CHUNK):
                count = min(_CHUNK, self._jobs - start)
                await self._queue.add_bulk([("bench", {"n": start + at}) for at in range(count)])
                advance(count)
        return time.perf_counter() - began

    async def _process(self) -> float:
        self._left = self._jobs
        began = time.perf_counter()
        with progress_bar("processing", self._jobs, quiet=self._quiet) as self._advance:
            self._worker.start()
            await self._wait_for_all()
        self._advance = _nowhere
        return time.perf_counter() - began

    async def _time_single_jobs(self) -> tuple[list[float], list[float]]:
        adds: list[float] = []
        starts: list[float] = []
        with progress_bar("timing single jobs", _SINGLES, quiet=self._quiet) as advance:
            for n in range(_SINGLES):
                self._started.clear()
                began = time.perf_counter()
                await self._queue.add("bench", {"n": n})
                adds.append(time.perf_counter() - began)
                await self._wait_for_start()
                starts.append(self._started_at - began)
                advance(1)
        return adds, starts

    async def _wait_for_start(self) -> None:
        try:
            await asyncio.wait_for(self._started.wait(), _PATIENCE)
        except TimeoutError:
            raise UnavailableError(f"a job was not started within {_PATIENCE:g} s") from None

    async def _wait_for_all(self) -> None:
        while not self._all_done.is_set():
            before = self._left
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_done.wait(), _PATIENCE)
            if self._left == before:
                raise UnavailableError(f"no job was run for {_PATIENCE:g} s: {self._left} are left")

    async def _handle(self, job: Job[Any]) -> None:
        self._started_at = time.perf_counter()
        self._started.set()
        self._left -= 1
        if self._left % _STEP == 0:
            self._advance(_STEP)
        if self._left == 0:
            self._all_done.set()


def spread(times: Sequence[float]) -> Spread:
    """Return the percentiles of some times, by the nearest rank."""
    ordered = sorted(times)
    p50, p95, p99 = (ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.95, 0.99))
    return Spread(p50=p50, p95=p95, p99=p99)


def _nowhere(count: int) -> None:
    pass


def show(figures: Figures) -> None:
    """Print what was measured for people."""
    jobs, concurrency = f"{figures.jobs:,}", f"{figures.concurrency:,}"
    results().print(
        facts(
            [
                ("server", figures.server),
                ("adding", f"{figures.added_per_second:,.0f} jobs/s ({jobs} jobs in bulk, one process)"),
                ("running", f"{figures.processed_per_second:,.0f} jobs/s ({concurrency} at once, one process)"),
                ("one add", _words(figures.add)),
                ("add to start", f"{_words(figures.start)} (worker idle)"),
            ]
        )
    )


def _words(times: Spread) -> str:
    return "  ".join(
        f"{name} {value * 1000:.2f} ms" for name, value in (("p50", times.p50), ("p95", times.p95), ("p99", times.p99))
    )
