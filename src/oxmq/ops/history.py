"""Describe how what goes on in a queue is written down minute by minute, and read again.

Two keys hold it. A stream has an entry a minute, which any worker writes for all: how many jobs there are, and how
those that ended and are still kept fared. A hash has what the workers of oxmq counted themselves, job by job.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct, field, structs

from oxmq.histograms import Histogram
from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, Reply, run_script

MINUTE_MS: Final = 60_000
#: How many minutes are kept, of the stream about: two days.
KEPT_MINUTES: Final = 2_880
#: After so many milliseconds without a record nothing is left of the stream: a week.
_TTL_MS = 7 * 86_400_000
#: The same for the counts, which are all older than two days by then.
_COUNTS_TTL_MS = KEPT_MINUTES * MINUTE_MS + 3_600_000
#: How much of a worker's id tells it from others.
_MARK = 12
#: By how much more jobs may have completed than were counted for the count to stand for all: 5 %, and one job. A job
#: near the end of a minute may be counted in the next.
_SLACK, _SLACK_JOBS = 1.05, 1


class Percentiles(Struct, frozen=True):
    """Hold how long the half, 95 % and 99 % of some jobs took at most, in milliseconds."""

    p50: int
    p95: int
    p99: int


class Counts(Struct):
    """Count what ended, and how long it took.

    Attributes:
        completed: how many jobs completed.
        failed: how many failed for good.
        retried: how many runs failed after which the job is to run again.
        run: how long the runs took that completed their jobs.
        wait: how long jobs had waited since they could run, when they were first started.
    """

    completed: int = 0
    failed: int = 0
    retried: int = 0
    run: Histogram = field(default_factory=Histogram)
    wait: Histogram = field(default_factory=Histogram)

    def __bool__(self) -> bool:
        """Tell whether anything was counted."""
        return bool(self.completed or self.failed or self.retried)

    def merge(self, other: Counts) -> None:
        """Add what another has counted."""
        self.completed += other.completed
        self.failed += other.failed
        self.retried += other.retried
        self.run.merge(other.run)
        self.wait.merge(other.wait)


class HistoryPoint(Struct, frozen=True, kw_only=True):
    """Hold what went on in one minute.

    Attributes:
        at_ms: when the minute began, in milliseconds since the epoch.
        completed: how many jobs completed in it. Where nobody counted them and they are removed sooner, it is told
            from the pace of those that are left.
        failed: the same for failed ones.
        waiting: how many jobs could have run, soon after the minute's end; prioritized ones among them.
        active: how many were running then.
        delayed: how many were delayed.
        sampled: how many of the completed jobs were looked at for `run` and `wait`: all, where `exact`.
        added: how many jobs had ever been added; None where that was not written down.
        retried: how many runs failed after which the job was to run again; None where nobody counted.
        exact: whether the workers counted every job that ended, so that nothing here but depth is from a sample.
        run: how long they ran; None where none was looked at.
        wait: how long they had waited since they could run; None where that is not known of any.
        counts: what the workers of oxmq counted; None where they counted nothing, or it was not asked for.
        kept_completed: how many of the completed jobs were still there when the minute was written down.
        kept_failed: the same for failed ones.
    """

    at_ms: int
    completed: int
    failed: int
    waiting: int
    active: int
    delayed: int
    sampled: int
    added: int | None
    retried: int | None = None
    exact: bool = False
    run: Percentiles | None = None
    wait: Percentiles | None = None
    counts: Counts | None = None
    kept_completed: int = 0
    kept_failed: int = 0


def last_full_minute(now_ms: int) -> int:
    """Return when the last minute that is over began."""
    return now_ms // MINUTE_MS * MINUTE_MS - MINUTE_MS


def record(keys: QueueKeys, minute_ms: int, now_ms: int) -> Call[bool]:
    """Write a minute down, unless somebody has or nothing is going on; the result says whether this call did.

    Args:
        minute_ms: when the minute began: `last_full_minute`.
        now_ms: the time now.
    """
    return run_script("record_history", keys.base, minute_ms, now_ms, KEPT_MINUTES, _TTL_MS, decode=bool)


def add_counts(keys: QueueKeys, worker_id: str, minute_ms: int, counts: Counts) -> Call[bool]:
    """Add what a worker counted in a minute, once; the result says whether this call did.

    Several workers add up. A worker's minutes must come in order: of one that came, or of an older one, a repeat
    changes nothing.
    """
    mark, sums = worker_id.replace("-", "")[:_MARK], (counts.completed, counts.failed, counts.retried)
    words = (mark, minute_ms // MINUTE_MS, *sums, counts.run.encode(), counts.wait.encode(), KEPT_MINUTES)
    return run_script("add_counts", keys.base, *words, _COUNTS_TTL_MS, decode=bool)


def get_history(
    keys: QueueKeys, since_ms: int, now_ms: int, limit: int, *, with_counts: bool = False
) -> Call[list[HistoryPoint]]:
    """Read the last `limit` full minutes, as far as they began at `since_ms` or later, oldest first.

    Minutes in which nothing went on, or in which nobody wrote, are missing. A worker may add to a minute for some
    seconds after its end, and longer where Redis was away.

    Args:
        with_counts: also return what the workers counted, of which a minute takes some kilobytes.
    """
    since, last = max(since_ms, 0), last_full_minute(now_ms)

    def decode(reply: Reply) -> list[HistoryPoint]:
        entries, values = reply
        points = _points(_entries(entries), _counted(values, since, last))
        kept = points[max(0, len(points) - limit) :]
        return kept if with_counts else [_without_counts(point) for point in kept]

    return run_script("get_history", keys.base, since, last, KEPT_MINUTES, limit, decode=decode)


def percentiles(times: Histogram) -> Percentiles | None:
    """Return how long the half, 95 % and 99 % of some jobs took at most; None of no jobs."""
    found = [times.percentile(share) for share in (0.5, 0.95, 0.99)]
    known = [ms for ms in found if ms is not None]
    return Percentiles(*known) if known else None


def nothing_written(at_ms: int) -> HistoryPoint:
    """Return what is known of a minute that nobody wrote down: mostly that nothing was left to do at its end."""
    return HistoryPoint(at_ms=at_ms, completed=0, failed=0, waiting=0, active=0, delayed=0, sampled=0, added=None)


def _points(entries: dict[int, HistoryPoint], counted: dict[int, Counts]) -> list[HistoryPoint]:
    return [_point(at_ms, entries.get(at_ms), counted.get(at_ms)) for at_ms in sorted({*entries, *counted})]


def _point(at_ms: int, entry: HistoryPoint | None, counts: Counts | None) -> HistoryPoint:
    alone = entry or nothing_written(at_ms)
    if counts is None:
        return alone
    if alone.kept_completed > counts.completed * _SLACK + _SLACK_JOBS:
        # Workers of another library work the queue as well: what is kept says more than what was counted.
        return structs.replace(
            alone,
            completed=max(alone.completed, counts.completed),
            failed=max(alone.failed, counts.failed),
            retried=counts.retried,
            counts=counts,
        )
    return structs.replace(
        alone,
        completed=counts.completed,
        # Jobs also fail without a worker that counts them: those that stalled too often.
        failed=max(counts.failed, alone.kept_failed),
        retried=counts.retried,
        sampled=counts.completed,
        exact=True,
        run=percentiles(counts.run),
        wait=percentiles(counts.wait),
        counts=counts,
    )


def _without_counts(point: HistoryPoint) -> HistoryPoint:
    return point if point.counts is None else structs.replace(point, counts=None)


def _counted(values: Iterable[bytes], since_ms: int, last_ms: int) -> dict[int, Counts]:
    found: dict[int, Counts] = {}
    for value in values:
        try:
            sums, run, wait = value.decode().split(";")
            minute, completed, failed, retried = map(int, sums.split())
            times = Histogram.decode(run), Histogram.decode(wait)
        except ValueError:
            continue  # somebody else wrote into the hash
        if since_ms <= minute * MINUTE_MS <= last_ms:
            found[minute * MINUTE_MS] = Counts(completed, failed, retried, *times)
    return found


def _entries(reply: Reply) -> dict[int, HistoryPoint]:
    found = [_entry(entry_id, flat) for entry_id, flat in reply]
    return {entry.at_ms: entry for entry in found if entry is not None}


def _entry(entry_id: bytes, flat: list[bytes]) -> HistoryPoint | None:
    fields = dict(zip(flat[::2], flat[1::2], strict=False))
    try:
        completed, failed, waiting, active, delayed, sampled, added, *kept = map(int, fields[b"v"].split(b","))
        kept_completed, kept_failed = kept or (completed, failed)
        return HistoryPoint(
            at_ms=int(entry_id.partition(b"-")[0]),
            completed=completed,
            failed=failed,
            waiting=waiting,
            active=active,
            delayed=delayed,
            sampled=sampled,
            added=added,
            run=_percentiles(fields.get(b"r", b"")),
            wait=_percentiles(fields.get(b"w", b"")),
            kept_completed=kept_completed,
            kept_failed=kept_failed,
        )
    except (KeyError, ValueError):
        return None  # somebody else wrote into the stream


def _percentiles(text: bytes) -> Percentiles | None:
    return Percentiles(*map(int, text.split(b",", 2))) if text else None
