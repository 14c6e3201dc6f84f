"""Say how the jobs that end are counted in each minute."""

from __future__ import annotations

from dataclasses import dataclass, field

MINUTE = 60_000


@dataclass
class Metrics:
    """Hold the counts of one kind of end, and its points, the newest first."""

    count: int = 0
    noted_at: int | None = None
    noted_count: int = 0
    points: list[int] = field(default_factory=list[int])


def count_end(metrics: Metrics, now: int, most: int) -> None:
    """Count the end of one job. What ended in a minute becomes a point with the first end after it."""
    before, metrics.count = metrics.count, metrics.count + 1
    if metrics.noted_at is None:
        metrics.noted_at = now
        return
    minutes = min(now // MINUTE - metrics.noted_at // MINUTE, most)
    if minutes > 0:
        metrics.points = ([0] * (minutes - 1) + [before - metrics.noted_count] + metrics.points)[:most]
        metrics.noted_at, metrics.noted_count = now, before
