"""Count what a worker ends, minute by minute, until that is added to the queue's history.

Every job comes by here, so that little is done for each: its times are noted down, and sorted into classes later, many
at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from oxmq.codec import read_options
from oxmq.histograms import Histogram, class_of
from oxmq.ops.history import Counts
from oxmq.records import JobRecord
from oxmq.worker.run import Run

#: So many times are noted down before they are sorted.
_MOST_NOTED: Final = 1_000


class Tally:
    """Count runs whose outcome Redis has recorded."""

    def __init__(self) -> None:
        self._counts = Counts()
        # In seconds the ones, in milliseconds the others.
        self._ran: list[float] = []
        self._waited: list[int] = []

    def count(self, kind: str, run: Run) -> None:
        """Count a run; `kind` is its outcome's. Runs that were handed back, postponed or parked have not ended."""
        if kind == "completed":
            self._counts.completed += 1
            # Of failures it says little how long they took, and it would blur what the work itself takes.
            self._ran.append(run.ended - run.started)
            if len(self._ran) >= _MOST_NOTED:
                self._sort()
        elif kind == "failed":
            self._counts.failed += 1
        elif kind in ("retry", "delay"):
            self._counts.retried += 1
        else:
            return
        record = run.record
        # Of a job that was started before, it is not known since when it could be again.
        if record.attempts_started == 1:
            waited = self._waited
            waited.append((record.processed_on or 0) - (due_of(record) if run.delay else record.timestamp))
            if len(waited) >= _MOST_NOTED:
                self._sort()

    def take(self) -> Counts:
        """Return what was counted since the last time."""
        self._sort()
        counts, self._counts = self._counts, Counts()
        return counts

    def _sort(self) -> None:
        _add(self._counts.run, map(int, map((1000.0).__mul__, self._ran)))
        _add(self._counts.wait, self._waited)
        self._ran, self._waited = [], []


def _add(histogram: Histogram, times_ms: Iterable[int]) -> None:
    for ms, count in Counter(times_ms).items():
        histogram.counts[class_of(ms)] += count


def due_of(record: JobRecord) -> int:
    """Return since when a job could be started for the first time, in milliseconds since the epoch."""
    if record.due_on is not None:
        return record.due_on
    return record.timestamp + int(read_options(record.opts).delay or 0)
