"""Medians and ratios: what a run says in the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.figures import Figures
from bench.roster import YARDSTICK
from bench.rounds import Record


@dataclass(frozen=True)
class Column:
    """One figure of the table: what to read from which measurement."""

    name: str
    title: str
    measurement: str
    read: Callable[[Figures], float | None]
    lower_is_better: bool = False
    digits: int = 0


def percentile(values: Sequence[float], part: float) -> float | None:
    """Return the value that `part` of the values do not exceed (nearest rank), or None without values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else None


def rate(figures: Figures) -> float | None:
    """Return jobs per second."""
    return figures.rate


COLUMNS = (
    Column("add_single", "add, one by one", "add_single", rate),
    Column("add_concurrent", "add, 100 at a time", "add_concurrent", rate),
    Column("add_bulk", "add, bulk", "add_bulk", rate),
    Column("process_1", "process, 1 slot", "process_1", rate),
    Column("process_10", "process, 10 slots", "process_10", rate),
    Column("process_100", "process, 100 slots", "process_100", rate),
    Column("pickup_p50", "pickup p50, ms", "pickup", lambda f: percentile(f.latencies, 0.5), True, 2),
    Column("pickup_p99", "pickup p99, ms", "pickup", lambda f: percentile(f.latencies, 0.99), True, 2),
    Column("redis_cpu", "Redis CPU, µs/job", "process_100", lambda f: f.redis_cpu, True, 1),
    Column("worker_cpu", "worker CPU, µs/job", "process_100", lambda f: f.own_cpu, True, 1),
    Column("bytes_per_job", "Redis bytes per waiting job", "add_bulk", lambda f: f.bytes_per_job, True),
)


@dataclass
class Summary:
    """The medians of one run by peer and column, and their ratios to the yardstick."""

    values: dict[str, dict[str, float | None]]
    ratios: dict[str, dict[str, float | None]]
    versions: dict[str, str]

    @classmethod
    def of(cls, record: Record) -> Summary:
        """Compute everything from what was measured."""
        peers = list(record.figures)
        return cls(
            values={peer: {c.name: middle(series(record, peer, c)) for c in COLUMNS} for peer in peers},
            ratios={peer: {c.name: middle(compare(record, peer, c)) for c in COLUMNS} for peer in peers},
            versions={peer: version_of(record, peer) for peer in peers},
        )


def series(record: Record, peer: str, column: Column) -> list[float | None]:
    """Return one value a round."""
    rounds = record.figures.get(peer, {}).get(column.measurement, [])
    return [column.read(figures) if figures else None for figures in rounds]


def compare(record: Record, peer: str, column: Column) -> list[float | None]:
    """Return one ratio a round: only what was measured side by side is compared."""
    pairs = zip(series(record, peer, column), series(record, YARDSTICK, column), strict=False)
    return [value / yardstick if value and yardstick else None for value, yardstick in pairs]


def middle(values: Sequence[float | None]) -> float | None:
    """Return the median of the values that there are."""
    present = [value for value in values if value is not None]
    return median(present) if present else None


def version_of(record: Record, peer: str) -> str:
    """Return the release that was measured."""
    found = (f.version for rounds in record.figures[peer].values() for f in rounds if f)
    return next(found, "")
