"""Show how a queue went: minute by minute, and the jobs that ended last."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from oxmq.codec import instant
from oxmq.errors import BackendError
from oxmq.monitor.site import Site
from oxmq.ops import history
from oxmq.ops.history import MINUTE_MS, HistoryPoint, Percentiles
from oxmq.ops.running import Timing, get_timings
from oxmq.states import JobState

_log = logging.getLogger(__name__)

#: How many minutes can be asked for: what is kept.
MOST_MINUTES: Final = 2_880
#: How many of the jobs that ended last are looked at, of each state, and in how many steps.
_LAST, _STEP = 500, 250
#: How many kinds of jobs are told apart.
_MOST_NAMES = 50
#: How many queues are written down at once, and how long the minute is over by then, in seconds.
_AT_ONCE, _AFTER = 50, 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsPoint:
    """Hold what went on in the minute that began at `at`. Times are in seconds; None where nothing was sampled.

    Attributes:
        at: when the minute began.
        completed, failed: how many jobs ended.
        waiting, active: how many could have run, and ran, at its end.
        run_p50, run_p95, run_p99: for how long the half, 95 % and 99 % of the jobs ran at most.
        wait_p50, wait_p95, wait_p99: for how long they had waited since they could run.
        sampled: how many of the completed jobs were looked at for that.
    """

    at: datetime
    completed: int
    failed: int
    waiting: int
    active: int
    run_p50: float | None
    run_p95: float | None
    run_p99: float | None
    wait_p50: float | None
    wait_p95: float | None
    wait_p99: float | None
    sampled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Hold how long the half, 95 % and 99 % of some jobs took at most, in seconds; None where there were none."""

    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NameTimings:
    """Hold how the jobs of one name went, of those that ended last: how many, how many failed, how long they ran."""

    name: str
    count: int
    failed: int
    run_p50: float | None
    run_p95: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentTimings:
    """Hold how long the jobs took that ended last, at most 500 completed and 500 failed ones.

    Attributes:
        completed_run: for how long the completed ones ran.
        wait: for how long they had waited since they could run.
        by_name: each kind of job, the most frequent first.
    """

    completed_run: Spread
    wait: Spread
    by_name: list[NameTimings]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMetrics:
    """Hold how a queue went: its minutes, oldest first, and the jobs that ended last."""

    points: list[MetricsPoint]
    recent: RecentTimings


async def get_metrics(site: Site, name: str, minutes: int = 60) -> QueueMetrics:
    """Return how a queue went in the last `minutes`, at most two days. Minutes in which nothing went on are missing.

    Raises:
        BackendError: the server does not answer.
    """
    keys = site.keys(name)
    since = site.clock.now_ms() - min(minutes, MOST_MINUTES) * MINUTE_MS
    points, completed, failed = await asyncio.gather(
        site.read_or(history.get_history(keys, since, minutes), []),
        _last(site, name, JobState.COMPLETED),
        _last(site, name, JobState.FAILED),
    )
    return QueueMetrics(points=[_point(point) for point in points], recent=recent_of(completed, failed))


def recent_of(completed: Sequence[Timing], failed: Sequence[Timing]) -> RecentTimings:
    """Return how long jobs took that completed, and how many of each name failed beside them."""
    return RecentTimings(
        completed_run=spread(job.run_ms for job in completed),
        wait=spread(job.wait_ms for job in completed),
        by_name=_by_name(completed, failed),
    )


def spread(times_ms: Iterable[int | None]) -> Spread:
    """Return how long the half, 95 % and 99 % of the known times are at most."""
    known = sorted(time for time in times_ms if time is not None)
    return Spread(p50=_share(known, 0.5), p95=_share(known, 0.95), p99=_share(known, 0.99))


def _by_name(completed: Sequence[Timing], failed: Sequence[Timing]) -> list[NameTimings]:
    marked = [*((job, False) for job in completed), *((job, True) for job in failed)]
    marked.sort(key=lambda pair: pair[0].name)
    found: list[NameTimings] = []
    for name, group in groupby(marked, key=lambda pair: pair[0].name):
        jobs = list(group)
        times = spread(job.run_ms for job, has_failed in jobs if not has_failed)
        failures = sum(has_failed for _, has_failed in jobs)
        found.append(NameTimings(name=name, count=len(jobs), failed=failures, run_p50=times.p50, run_p95=times.p95))
    return sorted(found, key=lambda timings: (-timings.count, timings.name))[:_MOST_NAMES]


def _share(ordered: Sequence[int], share: float) -> float | None:
    # The smallest time that at least this share of the jobs did not exceed.
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] / 1000 if ordered else None


async def _last(site: Site, name: str, state: str) -> list[Timing]:
    keys = site.keys(name)
    steps = [site.runner.run(get_timings(keys, state, start, _STEP)) for start in range(0, _LAST, _STEP)]
    return [timing for step in await asyncio.gather(*steps) for timing in step]


def _point(point: HistoryPoint) -> MetricsPoint:
    run, wait = _seconds(point.run), _seconds(point.wait)
    return MetricsPoint(
        at=instant(point.at_ms),
        completed=point.completed,
        failed=point.failed,
        waiting=point.waiting,
        active=point.active,
        run_p50=run.p50,
        run_p95=run.p95,
        run_p99=run.p99,
        wait_p50=wait.p50,
        wait_p95=wait.p95,
        wait_p99=wait.p99,
        sampled=point.sampled,
    )


def _seconds(times: Percentiles | None) -> Spread:
    if times is None:
        return Spread(p50=None, p95=None, p99=None)
    return Spread(p50=times.p50 / 1000, p95=times.p95 / 1000, p99=times.p99 / 1000)


class Recorder:
    """Write the minutes of all queues down while somebody looks: for queues that no worker of oxmq works.

    Workers of oxmq do so themselves. However many record, each minute is written once.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Record from now on, unless that is being done."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._record_each_minute())

    async def stop(self) -> None:
        """Record no longer."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def record(self) -> int:
        """Write down the last full minute of each queue; return how many were written that nobody had written.

        Raises:
            BackendError: the server does not answer, or does not let this be written.
        """
        found = await self._site.queue_names()
        now = self._site.clock.now_ms()
        written = 0
        for start in range(0, len(found.names), _AT_ONCE):
            names = found.names[start : start + _AT_ONCE]
            calls = [history.record(self._site.keys(name), history.last_full_minute(now), now) for name in names]
            answers = await asyncio.gather(*map(self._site.runner.run, calls), return_exceptions=True)
            written += sum(answer is True for answer in answers)
        return written

    async def _record_each_minute(self) -> None:
        while True:
            into_minute = self._site.clock.now_ms() % MINUTE_MS / 1000
            await asyncio.sleep(60 - into_minute + _AFTER)
            try:
                await self.record()
            except BackendError as error:
                _log.warning("what went on could not be written down: %s", error)
