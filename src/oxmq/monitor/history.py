"""Show how a queue went: minute by minute, and the jobs that ended last."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from msgspec import structs

from oxmq.codec import instant
from oxmq.errors import BackendError
from oxmq.histograms import ROWS, row_bounds
from oxmq.monitor.site import Site
from oxmq.ops import history
from oxmq.ops.history import KEPT_MINUTES, MINUTE_MS, Counts, HistoryPoint, Percentiles, percentiles
from oxmq.ops.metrics import NO_METRICS, Metrics
from oxmq.ops.metrics import get_metrics as get_kept
from oxmq.ops.running import Timing, get_timings
from oxmq.states import JobState

_log = logging.getLogger(__name__)

#: How many minutes can be asked for: what is kept.
MOST_MINUTES: Final = KEPT_MINUTES
#: How many columns a heat map has at most.
_MOST_COLUMNS: Final = 60
#: How many of the jobs that ended last are looked at, of each state, and in how many steps.
_LAST, _STEP = 500, 250
#: How many kinds of jobs are told apart.
_MOST_NAMES = 50
#: How many queues are written down at once, and how long the minute is over by then, in seconds.
_AT_ONCE, _AFTER = 50, 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsPoint:
    """Hold what went on in the minute that began at `at`. Times are in seconds; None where nothing was looked at.

    Attributes:
        at: when the minute began.
        exact: whether workers counted every job, so that times are at most 10 % off. Else they are those of a sample.
        completed, failed: how many jobs ended.
        retried: how many runs failed after which the job was to run again; None where nobody counted.
        waiting, active: how many could have run, and ran, at its end; None where that was not written down.
        run_p50, run_p95, run_p99: for how long the half, 95 % and 99 % of the jobs ran at most.
        wait_p50, wait_p95, wait_p99: for how long they had waited since they could run.
        sampled: how many of the completed jobs were looked at for that.
    """

    at: datetime
    exact: bool
    completed: int
    failed: int
    retried: int | None
    waiting: int | None
    active: int | None
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
class CountedTimes:
    """Hold how long all the jobs took that workers counted in the time asked for, each time at most 10 % off.

    Attributes:
        completed, failed: how many jobs ended.
        retried: how many runs failed after which the job was to run again.
        run: for how long those ran that completed.
        wait: for how long jobs had waited since they could run.
    """

    completed: int
    failed: int
    retried: int
    run: Spread
    wait: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatColumn:
    """Hold how many jobs took how long in the time that began at `at`: a count for each row of the map."""

    at: datetime
    run: list[int]
    wait: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """Hold how many jobs took how long, and when.

    Attributes:
        step: how long each column lasts, in seconds.
        bounds: the longest time of each row, in seconds: each row holds times about twice as long as the one before.
        columns: the oldest first; those in which workers counted nothing are missing.
    """

    step: int
    bounds: list[float]
    columns: list[HeatColumn]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTotals:
    """Hold how many jobs have ended since workers keep metrics as BullMQ does, and how many minutes are kept."""

    completed: int
    failed: int
    minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMetrics:
    """Hold how a queue went.

    Attributes:
        points: its minutes, oldest first.
        recent: the jobs that ended last.
        counted: what workers counted in this time; None where no worker of oxmq ended any job.
        heat: how many jobs took how long, and when; None in the same case.
        kept: the totals of BullMQ's own metrics; None where no worker keeps them.
    """

    points: list[MetricsPoint]
    recent: RecentTimings
    counted: CountedTimes | None
    heat: HeatMap | None
    kept: KeptTotals | None


async def get_metrics(site: Site, name: str, minutes: int = 60) -> QueueMetrics:
    """Return how a queue went in the last `minutes`, at most two days. Minutes in which nothing went on are missing.

    Raises:
        BackendError: the server does not answer.
    """
    keys, now = site.keys(name), site.clock.now_ms()
    minutes = min(minutes, MOST_MINUTES)
    since = now - minutes * MINUTE_MS
    points, completed, failed, kept_completed, kept_failed = await asyncio.gather(
        site.read_or(history.get_history(keys, since, now, minutes, with_counts=True), []),
        _last(site, name, JobState.COMPLETED),
        _last(site, name, JobState.FAILED),
        site.read_or(get_kept(keys, JobState.COMPLETED, 0, minutes), NO_METRICS),
        site.read_or(get_kept(keys, JobState.FAILED, 0, minutes), NO_METRICS),
    )
    counts = {point.at_ms: point.counts for point in points if point.counts is not None}
    listed = by_minute(kept_completed, since), by_minute(kept_failed, since)
    return QueueMetrics(
        points=[_point(point) for point in with_kept(points, *listed)],
        recent=recent_of(completed, failed),
        counted=_counted(counts.values()) if counts else None,
        heat=heat_of(counts, max(1, math.ceil(minutes / _MOST_COLUMNS)) * MINUTE_MS) if counts else None,
        kept=_kept(kept_completed, kept_failed),
    )


def by_minute(metrics: Metrics, since_ms: int) -> dict[int, int]:
    """Return how many jobs ended in each minute, by when it began, as BullMQ's metrics have it."""
    if metrics.meta.prev_ts is None:
        return {}
    # The newest point is what ended before the minute in which the last one was written.
    newest = int(metrics.meta.prev_ts.timestamp() * 1000) // MINUTE_MS * MINUTE_MS - MINUTE_MS
    found = ((newest - at * MINUTE_MS, count) for at, count in enumerate(metrics.data))
    return {at_ms: count for at_ms, count in found if count > 0 and at_ms >= since_ms}


def with_kept(
    points: Sequence[HistoryPoint], completed: Mapping[int, int], failed: Mapping[int, int]
) -> list[HistoryPoint]:
    """Return the minutes, where workers did not count each job with what BullMQ's metrics say of them."""
    known = {point.at_ms: point for point in points}
    for at_ms in {*completed, *failed}:
        point = known.get(at_ms) or history.nothing_written(at_ms)
        if not point.exact:
            known[at_ms] = structs.replace(
                point,
                completed=max(point.completed, completed.get(at_ms, 0)),
                failed=max(point.failed, failed.get(at_ms, 0)),
            )
    return [known[at_ms] for at_ms in sorted(known)]


def heat_of(counts: Mapping[int, Counts], step_ms: int) -> HeatMap:
    """Return how many jobs took how long, of what was counted in each minute, in columns of so many milliseconds."""
    columns: dict[int, Counts] = {}
    for at_ms, counted in counts.items():
        columns.setdefault(at_ms // step_ms * step_ms, Counts()).merge(counted)
    rows = [(at_ms, column.run.rows(), column.wait.rows()) for at_ms, column in sorted(columns.items())]
    used = [row for row in range(ROWS) if any(run[row] or wait[row] for _, run, wait in rows)]
    shown = slice(used[0], used[-1] + 1) if used else slice(0)
    return HeatMap(
        step=step_ms // 1000,
        bounds=[row_bounds(row)[1] / 1000 for row in range(ROWS)[shown]],
        columns=[HeatColumn(at=instant(at_ms), run=run[shown], wait=wait[shown]) for at_ms, run, wait in rows],
    )


def _counted(counts: Iterable[Counts]) -> CountedTimes:
    total = Counts()
    for minute in counts:
        total.merge(minute)
    return CountedTimes(
        completed=total.completed,
        failed=total.failed,
        retried=total.retried,
        run=_seconds(percentiles(total.run)),
        wait=_seconds(percentiles(total.wait)),
    )


def _kept(completed: Metrics, failed: Metrics) -> KeptTotals | None:
    totals = completed.meta.count, failed.meta.count
    if not any(totals):
        return None
    return KeptTotals(completed=totals[0], failed=totals[1], minutes=max(completed.count, failed.count))


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
        exact=point.exact,
        completed=point.completed,
        failed=point.failed,
        retried=point.retried,
        waiting=None if point.added is None else point.waiting,
        active=None if point.added is None else point.active,
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
