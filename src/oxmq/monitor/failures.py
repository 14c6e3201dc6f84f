"""Group failed jobs by what made them fail."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from oxmq.monitor.fingerprints import Fault, fault_of
from oxmq.monitor.moments import moment
from oxmq.monitor.payloads import shown_text
from oxmq.monitor.site import Site
from oxmq.ops.lookups import FailedJob, get_failures

#: How many of the newest failed jobs are grouped, and how many one call reads.
MAX_GROUPED = 5_000
_AT_ONCE = 250
#: Among how many of the newest failed jobs the like of one is looked for.
_MAX_COMPARED = 1_000
_HOUR_MS = 3_600_000
_HOURS = 24
#: How many names of jobs a group tells of.
_MAX_NAMES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Hold failed jobs of one cause.

    Attributes:
        fingerprint: stands for the cause; ``fingerprint:...`` finds its jobs.
        error: the class of the error.
        message: the reason, without what differs from job to job.
        frame: where it was raised, as ``app.py:12 in send``; null when no stack trace shows a place in one's own code.
        count: how many jobs.
        first_at: when the first of them failed.
        last_at: when the last of them failed.
        names: how many jobs of each name, the most frequent first.
        sample_id: the newest of the jobs.
        trend: how many failed in each of the last 24 hours, the oldest hour first.
    """

    fingerprint: str
    error: str
    message: str
    frame: str | None
    count: int
    first_at: datetime | None
    last_at: datetime | None
    names: dict[str, int]
    sample_id: str
    trend: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Hold the groups of a queue's failed jobs, the largest first.

    Attributes:
        scanned: how many jobs were grouped, the newest ones.
        total: how many failed jobs there are.
        complete: whether these are all jobs and all groups.
    """

    groups: list[FailureGroup]
    scanned: int
    total: int
    complete: bool


async def get_failed(site: Site, queue: str, *, limit: int = 100) -> Failures:
    """Group the newest 5,000 failed jobs of a queue; return the `limit` largest groups."""
    groups: dict[str, _Group] = {}
    scanned, total = await _each_failed(site, queue, MAX_GROUPED, groups)
    now_ms = site.clock.now_ms()
    largest = sorted(groups.values(), key=lambda group: -len(group.jobs))[:limit]
    return Failures(
        groups=[group.view(now_ms) for group in largest],
        scanned=scanned,
        total=total,
        complete=scanned >= total and len(groups) <= limit,
    )


async def count_similar(site: Site, queue: str, job_id: str, fingerprint: str) -> int:
    """Count the other jobs of that fingerprint among the newest 1,000 failed ones."""
    groups: dict[str, _Group] = {}
    await _each_failed(site, queue, _MAX_COMPARED, groups)
    found = groups.get(fingerprint)
    return sum(job.id != job_id for job in found.jobs) if found else 0


class _Group:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.jobs: list[FailedJob] = []

    def view(self, now_ms: int) -> FailureGroup:
        times = [job.failed_ms for job in self.jobs if job.failed_ms]
        names = Counter(shown_text(job.name, _MAX_NAMES * 10) for job in self.jobs)
        return FailureGroup(
            fingerprint=self.fault.fingerprint,
            error=self.fault.error,
            message=self.fault.message,
            frame=None if self.fault.frame is None else str(self.fault.frame),
            count=len(self.jobs),
            first_at=moment(min(times, default=None)),
            last_at=moment(max(times, default=None)),
            names=dict(names.most_common(_MAX_NAMES)),
            sample_id=self.jobs[0].id,
            trend=_by_hour(times, now_ms),
        )


def _by_hour(times: list[int], now_ms: int) -> list[int]:
    trend = [0] * _HOURS
    for at in times:
        hours_ago = max(0, now_ms - at) // _HOUR_MS
        if hours_ago < _HOURS:
            trend[_HOURS - 1 - hours_ago] += 1
    return trend


async def _each_failed(site: Site, queue: str, most: int, groups: dict[str, _Group]) -> tuple[int, int]:
    """Sort the newest failed jobs into groups; return how many there were, and how many there are in all."""
    seen: set[str] = set()
    start, total = 0, 0
    while start < most:
        page = await site.runner.run(get_failures(site.keys(queue), start, _AT_ONCE))
        for job in page.jobs:
            if job.id not in seen:  # others that failed meanwhile have moved it down
                seen.add(job.id)
                fault = fault_of(job.reason, job.traces)
                groups.setdefault(fault.fingerprint, _Group(fault)).jobs.append(job)
        start, total = start + page.scanned, page.total
        if page.scanned < _AT_ONCE:
            break
    return start, total
